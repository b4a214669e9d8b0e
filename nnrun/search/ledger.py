"""The ledger of a search: trials.jsonl, one line with a checksum a finished trial, never rewritten.

It loads no NumPy, as `nnrun list` looks into the ledgers of searches that have not ended.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from nnrun.errors import DataError
from nnrun.files import CHECKSUM, naming, sealed, to_json, write_atomically
from nnrun.installation import command
from nnrun.runs.reading import lacking, read_record
from nnrun.runs.rundir import RunDir
from nnrun.search.record import TrialRecord

if TYPE_CHECKING:
    from nnrun.config.space.space import Space

LEDGER = "trials.jsonl"


class Broken(NamedTuple):
    """A line that is not whole, and why; `torn` where it has no end, as it may still be written."""

    line: bytes
    problem: str
    torn: bool


class Ledger:
    """Appends records durably and reads back those that are whole, in a search with the settings of its `space`."""

    def __init__(self, path: Path, space: Space | None = None) -> None:
        self.path, self.space = path, space

    @classmethod
    def of(cls, run: RunDir, space: Space | None = None) -> Ledger:
        """That of a search."""
        return cls(run.path / LEDGER, space)

    def read(self) -> tuple[list[TrialRecord], int]:
        """Every whole record by number, the first of each, and how many lines were not whole."""
        records, broken = self._sorted_out()
        return records, len(broken)

    def read_whole(self) -> list[TrialRecord]:
        """The same records; DataError where a line is not whole, but for a torn last one."""
        records, broken = self._sorted_out()
        for each in broken:
            if not each.torn:
                mending = command("resume", str(self.path.parent))
                raise DataError(f"{each.problem.partition(';')[0]}; `{mending}` mends it")
        return records

    def repair(self) -> list[bytes]:
        """Drop the lines that are not whole, so that the next one does not stick to them; those lines."""
        records, broken = self._sorted_out()
        if broken or (self.torn() and records):
            write_atomically(self.path, b"".join(_line(record) for record in records), durable=True)
        return [each.line for each in broken]

    def torn(self) -> bool:
        """Whether the last line has no end."""
        return self.path.exists() and not self.path.read_bytes().endswith(b"\n")

    def _sorted_out(self) -> tuple[list[TrialRecord], list[Broken]]:
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        found: dict[int, TrialRecord] = {}
        broken = []
        for number, line in enumerate(lines, start=1):
            try:
                if line:
                    record = self._record(line, f"{self.path}:{number}")
                    found.setdefault(record["number"], record)
            except DataError as error:
                broken.append(Broken(line, str(error), torn=number == len(lines)))
        return [found[number] for number in sorted(found)], broken

    def _record(self, line: bytes, where: str) -> TrialRecord:
        """DataError where the line is no record of a trial of this search."""
        record = read_record(line, where, TrialRecord)
        missing = [] if f'"{CHECKSUM}"'.encode() in line else [CHECKSUM]
        if missing := missing + lacking(record, TrialRecord):
            raise DataError(f"{where}: {', '.join(missing)} missing")
        if self.space and (key := self.space.misfit(record["values"])):
            raise DataError(f"{where}: no value of {key}")
        record["values"] = dict(record["values"])  # plain, as users write it into YAML
        return cast(TrialRecord, record)

    def append(self, record: TrialRecord) -> None:
        """Add a record; it is on the disk when this returns."""
        with naming(self.path), self.path.open("ab") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())


def _line(record: TrialRecord) -> bytes:
    return to_json(sealed(record)).encode() + b"\n"
