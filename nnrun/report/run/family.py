"""Where a run comes from: its relatives as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.insight.comparison.lines import Member, beginning, families, mark, marks_explained
from nnrun.insight.comparison.listing import Entry
from nnrun.report.page.html import join, table, tag
from nnrun.report.page.page import Section
from nnrun.runs.finding import list_runs, search_of
from nnrun.runs.lineage import tree
from nnrun.runs.stored import StoredRun
from nnrun.text import percent


def family_sections(run: StoredRun) -> Iterator[Section]:
    """The runs that it descends from and that descend from them; a trial belongs to its search instead."""
    relatives = [] if search_of(run.directory) else _relatives(run)
    if len(relatives) > 1 or any(member.away for member in relatives):
        heads = ["run", "left at", "dev error", "changed", "status"]
        ids = [member.entry.run.id for member in relatives]
        rows = [_row(member, beginning(name, ids), name == run.id) for member, name in zip(relatives, ids, strict=True)]
        caption = "; ".join(["Children under their parents", *marks_explained([m.entry for m in relatives])])
        yield Section("Family", [table(caption, heads, rows, words=(0, 2, 3, 4))])


def _relatives(run: StoredRun) -> list[Member]:
    """All that descend from the first of its ancestors that is still there, children under their parents."""
    entries = {each.id: Entry(StoredRun(each)) for each in list_runs(run.path.resolve().parent)}
    trees: list[list[Entry]] = []
    for place in tree({name: (entry.record.get("parent") or {}).get("id") for name, entry in entries.items()}):
        if not place.depth:
            trees.append([])
        trees[-1].append(entries[place.id])
    own = next((found for found in trees if any(entry.run.id == run.id for entry in found)), [])
    return families(sorted(own, key=lambda entry: entry.run.id), list(entries.values()))


def _row(member: Member, name: str, here: bool) -> Sequence[object]:
    entry = member.entry
    changes = ", ".join(f"{change.key} {change.values}" for change in member.changes)
    return [
        join([tag("span", member.place.lines, cls="lines", aria_hidden="true"), name, " (this one)" if here else ""]),
        "" if member.left_at is None else member.left_at,
        f"{percent(entry.final.get('dev_error'))} {mark(entry)}",
        ": ".join(filter(None, [member.away, changes])),
        entry.facts["status"],
    ]
