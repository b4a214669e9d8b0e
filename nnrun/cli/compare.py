"""The command compare."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing
from nnrun.cli.common import RUNS, Debug, Json, Runs, explained
from nnrun.cli.terminal.streams import csv_result, json_result, result
from nnrun.installation import command, elsewhere

if TYPE_CHECKING:
    from nnrun.insight.comparison.differences import Comparison


REPEATS = 5  # that measure the noise well enough

Compared = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Two or more: path, id, short name such as a3f2, latest, @1 for the one before it, a search for its best "
        "trial, or a trial as SEARCH/trials/0007.",
        autocompletion=completing.runs,
    ),
]
All = Annotated[bool, typer.Option("--all", help="Also what does not differ.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print a row a run as CSV.")]
Markdown = Annotated[bool, typer.Option("--md", help="Print a table in Markdown.")]


@explained
def compare(
    compared: Compared,
    everything: All = False,
    runs: Runs = RUNS,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    debug: Debug = False,
) -> None:
    """Show what differs between runs, and what the seed may explain.

    Example:  nnrun compare @1 latest
    """
    from nnrun.errors import UsageError
    from nnrun.insight.comparison import differences, telling

    if json + csv + markdown > 1:
        raise UsageError("--json, --csv and --md: only one of them")
    found = differences.compare(runs, compared, everything)
    if json:
        json_result(telling.plain(found))
    elif csv:
        csv_result(telling.as_csv(found))
    elif markdown:
        result(*telling.markdown(found))
    else:
        width, cut = shutil.get_terminal_size().columns, sys.stdout.isatty()
        result(*telling.told(found, width, cut, _measure(found, runs), everything))


def _measure(found: Comparison, runs: Path) -> str:
    """The command that trains the reference run again with other seeds."""
    config = found.runs[found.reference].run.directory.resolved
    return command("search", str(config), "--trials", "1", "--repeat", str(REPEATS), *elsewhere(runs))
