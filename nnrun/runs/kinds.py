"""What a directory is: one run, or which kind of search, by the file that each begins with."""

from __future__ import annotations

from typing import Literal

from nnrun.runs.finding import is_search
from nnrun.runs.rundir import RunDir

Kind = Literal["run", "search", "retest", "improvement"]

RETEST, IMPROVE = "retest.json", "improve.json"  # beside a search's plan; their wings know what stands there


def kind_of(run: RunDir) -> Kind:
    """One run, a search of a space, settings of a search trained again, or the trainings of an improvement."""
    if not is_search(run):
        return "run"
    if (run.path / IMPROVE).is_file():
        return "improvement"
    return "retest" if (run.path / RETEST).is_file() else "search"
