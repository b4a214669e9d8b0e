"""`nnrun rm`: runs are removed, if that is what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, Runs, SeveralRuns, explained
from nnrun.cli.terminal.streams import json_result, result
from nnrun.installation import command, elsewhere

if TYPE_CHECKING:
    from nnrun.runs.removing import Removal

Yes = Annotated[bool, typer.Option("--yes", help="Remove it; without this, what would be removed is only told.")]


@explained
def rm(
    references: SeveralRuns,
    yes: Yes = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Tell what removing runs would free; with --yes, remove them.

    A run that is being trained stays, and so do the trials of a search as long as that is there. Children stay whole.

    Example:  nnrun rm a3f2 @1 --yes
    """
    from nnrun.errors import UsageError
    from nnrun.runs.removing import named, planned
    from nnrun.runs.stored import StoredRun

    removals, reasons = planned([*map(StoredRun, named(runs, references))])
    if reasons:
        raise UsageError("\n".join([*reasons, *(["nothing was removed"] if yes else [])]))
    carry_out(runs, removals, [], [], yes, json, ["rm", *(_name(removal, runs) for removal in removals)])


def _name(removal: Removal, runs: Path) -> str:
    """What names the same run later, too: `latest` and @1 are others once a run is made."""
    path = removal.path
    return path.name if path.parent.resolve() == runs.resolve() and not removal.is_link else str(path)


def carry_out(
    runs: Path,
    removals: Sequence[Removal],
    cache: Sequence[Removal],
    reasons: Sequence[str],
    yes: bool,
    json: bool,
    words: Sequence[str],
) -> None:
    """Tell what is removed and why the rest stays, and remove it if that is wanted; `words` ask for the same."""
    from nnrun.runs.removing import drop_leftovers, remove
    from nnrun.runs.telling import next_line

    if yes:
        drop_leftovers(runs)
        remove([*removals, *cache])
    if json:
        whole = {"dry_run": not yes, "bytes": sum(each.bytes for each in (*removals, *cache))}
        listed = {"runs": [*map(_plain, removals)], "cache": [*map(_plain, cache)], "kept": list(reasons)}
        json_result({"schema_version": 1, **whole, **listed})
        return
    asking = [] if yes or not (removals or cache) else [next_line(command(*words, *elsewhere(runs), "--yes"))]
    result(*_lines(removals, cache, reasons, yes), *asking)


def _plain(removal: Removal) -> dict[str, object]:
    about = {"id": removal.path.name, "path": str(removal.path), "bytes": removal.bytes}
    return {**about, "link": removal.is_link, "children": list(removal.orphans)}


def _lines(removals: Sequence[Removal], cache: Sequence[Removal], reasons: Sequence[str], yes: bool) -> list[str]:
    from nnrun.runs.removing import left_behind, size_told
    from nnrun.text import all_of, columns, counted

    rows = [[each.path.name, "a link" if each.is_link else size_told(each.bytes)] for each in removals]
    kinds = {"prepared data set": False, "unused table": True}
    kept = {what: [each.bytes for each in cache if each.is_frame == is_frame] for what, is_frame in kinds.items()}
    told = {counted(len(sizes), what): sum(sizes) for what, sizes in kept.items() if sizes}
    rows += [[name, size_told(size)] for name, size in told.items()]
    notes = [f"note     {words}" for words in [*map(left_behind, removals), *reasons] if words]
    if not rows:
        return [*notes, "nothing is to be removed"]
    what = [counted(len(removals), "run")] if removals else []
    what += told
    total = size_told(sum(each.bytes for each in (*removals, *cache)))
    did = f"removed {all_of(what)}, {total}" if yes else f"would remove {all_of(what)}, {total}"
    return [*columns(rows, right=[1]), "", *notes, did]
