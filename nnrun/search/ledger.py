"""The ledger of a search: trials.jsonl, one line with a checksum a finished trial, never rewritten.

It loads no NumPy, as `nnrun list` looks into the ledgers of searches that have not ended.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from nnrun.files import naming, read_json_lines, to_json, write_atomically
from nnrun.runs.rundir import RunDir

if TYPE_CHECKING:
    from nnrun.runs.records import Final
    from nnrun.search.trials import TrialRecord

LEDGER = "trials.jsonl"


class Glimpse(TypedDict, total=False):
    """What a list shows of a trial, unchecked."""

    number: int
    metric: float | None
    final: Final
    epochs: int
    best_epoch: int | None


class Ledger:
    """Appends records durably and reads back those that are whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, run: RunDir) -> Ledger:
        """That of a search."""
        return cls(run.path / LEDGER)

    def read(self) -> tuple[list[TrialRecord], int]:
        """Every whole record by number, the first of each, and how many lines were not whole."""
        records, broken = self._sorted_out()
        return records, len(broken)

    def glance(self) -> list[Glimpse]:
        """What stands in the lines, whatever it is: no checksum is looked at. DataError where one holds no object."""
        return cast(list[Glimpse], read_json_lines(self.path))

    def repair(self) -> list[bytes]:
        """Drop the lines that are not whole, so that the next one does not stick to them; those lines."""
        records, broken = self._sorted_out()
        if broken or (self.torn() and records):
            write_atomically(self.path, b"".join(_line(record) for record in records), durable=True)
        return broken

    def torn(self) -> bool:
        """Whether the last line has no end."""
        return self.path.exists() and not self.path.read_bytes().endswith(b"\n")

    def _sorted_out(self) -> tuple[list[TrialRecord], list[bytes]]:
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        found: dict[int, TrialRecord] = {}
        broken = []
        for line in filter(None, lines):
            record = _checked(line)
            if record is None:
                broken.append(line)
            else:
                found.setdefault(record["number"], record)
        return [found[number] for number in sorted(found)], broken

    def append(self, record: TrialRecord) -> None:
        """Add a record; it is on the disk when this returns."""
        with naming(self.path), self.path.open("ab") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())


def _line(record: TrialRecord) -> bytes:
    content = {key: value for key, value in record.items() if key != "checksum"}
    return to_json(content | {"checksum": _checksum(content)}).encode() + b"\n"


def _checksum(content: Mapping[str, object]) -> str:
    return hashlib.sha256(to_json(content).encode()).hexdigest()[:16]


def _checked(line: bytes) -> TrialRecord | None:
    try:
        content = json.loads(line)
        checksum = content.pop("checksum")
        record: TrialRecord = content
        return record if checksum == _checksum(record) and isinstance(record["number"], int) else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
