"""Writing the page of a run or a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnrun.report.run.report import run_page
from nnrun.report.search.report import search_page
from nnrun.runs.rundir import PAGE
from nnrun.runs.stored import StoredRun


def write_report(run: StoredRun, usual: Path, options: Sequence[str] = ()) -> Path:
    """Make report.html of a run or a search anew and return its path.

    `usual` is the config that commands take where none is named, and `options` lead them to the runs.
    """
    page = search_page(run, usual, options) if run.is_search else run_page(run, usual, options)
    run.directory.write(PAGE, page.render())
    return run.path / PAGE
