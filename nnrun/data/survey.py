"""One walk through a source, before anything is decided or learned."""

from __future__ import annotations

from collections.abc import Callable

from nnrun.data.chunks import Chunks
from nnrun.data.facts import ColumnFacts
from nnrun.data.keys import GroupFacts, TimeFacts
from nnrun.data.table import Table
from nnrun.data.target import TargetFacts, Wanted


class Survey:
    """What a walk finds about every column, about the target, and about what splits the rows.

    Faults are remembered, not raised: only at the end of the walk it is known what a column is.
    """

    def __init__(
        self, head: Table, target: str, task: Wanted, group: str | None = None, time: str | None = None
    ) -> None:
        self.head = head.slice(0, 0)  # it knows where columns stand
        self.rows = 0
        self.notices: dict[str, None] = {}  # of the file, in order
        self.columns = {name: ColumnFacts(name) for name in head.columns}
        self.target = TargetFacts(self.columns[target], task)
        self.group = GroupFacts(self.columns[group]) if group else None
        self.time = TimeFacts(self.columns[time]) if time else None

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        self.rows += len(table)
        self.notices |= dict.fromkeys(table.notices)
        for facts in (*self.columns.values(), self.target, self.group, self.time):
            if facts is not None:
                facts.see(table)


def survey(chunks: Chunks, begin: Callable[[Table], Survey]) -> Survey:
    """Walk through a source; once more where a column turned out to be text after parts of it were read as numbers.

    `begin` is given the first piece; what it raises about the columns comes before the walk.
    """
    pieces = chunks.walk("reading")
    first = next(pieces)
    found = begin(first)
    found.see(first)
    for table in pieces:
        found.see(table)
    mixed = [name for name, facts in found.columns.items() if facts.is_mixed]
    if not mixed:
        return found
    chunks.keep_as_text(mixed)
    return survey(chunks, begin)
