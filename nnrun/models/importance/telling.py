"""Which columns matter, as it stands on a screen and in a report."""

from __future__ import annotations

from nnrun.models.importance.measuring import PART, GroupImportance, Importance, ImportanceScores, Leak
from nnrun.models.telling import LONGEST_NAME
from nnrun.runs.grouped import LEVEL
from nnrun.text import MANY, all_of, columns, counted, listed, metric_name, points, shortened, wrapped

COLUMNS_SHOWN, GROUPS_SHOWN = 20, 5


def importance_page(found: Importance) -> list[str]:
    """Which columns matter to a run, those that do most first."""
    rows = counted(found.rows, f"{PART} row")
    rows = rows if found.rows == found.of_rows else f"{found.rows:,} of {found.of_rows:,} {PART} rows"
    lines = [f"run      {found.model.run.path}", f"data     {rows}, each given the values of {found.rounds} others", ""]
    shown = found.columns[:COLUMNS_SHOWN]
    error = metric_name("error", found.model.error_kind)
    heads = ["column shuffled", f"{error}, points", f"{LEVEL:.0%} interval", "loss"]
    cells = [[shortened(own["column"], LONGEST_NAME), *rise_cells(own)] for own in shown]
    lines += [*columns([heads, *cells], right=(1, 2, 3)), ""]
    lines += wrapped(surely(found), "columns  ")
    if rest := len(found.columns) - len(shown):
        lines += wrapped(f"{counted(rest, 'more column')} below these, told by --json", "columns  ")
    for group in found.groups[:GROUPS_SHOWN]:
        lines += wrapped(alike_words(group), "alike    ")
    if rest := len(found.groups) - GROUPS_SHOWN:
        lines += [f"alike    {counted(rest, 'more group')} of such columns, told by --json"] if rest > 0 else []
    for leak in found.leaks:
        lines += wrapped(leak_words(leak, found.model.target.name), "leak     ")
    return lines


def rise_cells(scores: ImportanceScores) -> list[str]:
    """Points of error, their interval, and the loss."""
    ends = f"{points(scores['error_low'])} to {points(scores['error_high'])}"
    return [points(scores["error"]), ends, f"{scores['loss']:+.3g}"]


def surely(found: Importance) -> str:
    """How many columns are told to matter, and what is to be thought of the others."""
    sure, columns = sum(own["surely"] for own in found.columns), counted(len(found.columns), "column")
    if not sure:
        return f"of no column by itself these rows tell surely that it matters to this network, of {columns}"
    told = f"{sure:,} of {columns} surely {'matters' if sure == 1 else 'matter'} to this network"
    told = f"{told}: error or loss rises by more than chance"
    return told if sure == len(found.columns) else f"{told}; of the others these rows cannot tell"


def alike_words(group: GroupImportance) -> str:
    """Why columns that hold the same seem to matter less than they do, and what they come to together."""
    rise, ends, _ = rise_cells(group)
    names = listed(group["columns"], MANY) if len(group["columns"]) > MANY else all_of(group["columns"])
    return (
        f"{names} hold the same (rank correlation {group['correlation']:.2f}), so each hides how much the "
        f"others matter: together {rise} points ({ends})"
    )


def leak_words(leak: Leak, target: str) -> str:
    """What is to be asked of a column that tells nearly everything."""
    told = f"{leak['column']} alone explains {leak['explained']:.1%} of {target}"
    return f"{told}: a leak, unless it is known before {target} is"
