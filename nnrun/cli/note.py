"""`nnrun note`: a word on a run."""

from __future__ import annotations

from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, Runs, WhichRun, explained
from nnrun.cli.tag import tell


@explained
def note(
    run: WhichRun,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help='Left out, the note it has is printed; "" removes it.')
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a note on a run, in place of the one it has.

    `nnrun show` and the report have it, and of a whole run `nnrun list --json` and `--csv`.

    Example:  nnrun note latest "the first one with cleaned labels"
    """
    from nnrun.runs.finding import find_run
    from nnrun.runs.labels import labels_of
    from nnrun.runs.labels import note as write_note

    found = find_run(runs, run)
    tell(found, labels_of(found) if text is None else write_note(found, text), json)
