"""The ledger of a search: trials.jsonl, one line with a checksum a finished trial, never rewritten; its mending."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from nnrun.files import to_json, write_atomically
from nnrun.runs.rundir import RunDir
from nnrun.runs.session import Outcome
from nnrun.runs.stored import StoredRun
from nnrun.search.trials import Metric, Record, entry, record_of


class Ledger:
    """Appends records durably and reads back those that are whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[list[Record], int]:
        """Every whole record by number, the first of each, and how many lines were not whole."""
        records, broken = self._sorted_out()
        return records, len(broken)

    def repair(self) -> list[bytes]:
        """Drop the lines that are not whole, so that the next one does not stick to them; those lines."""
        records, broken = self._sorted_out()
        if broken or (self.torn() and records):
            write_atomically(self.path, b"".join(_line(record) for record in records), durable=True)
        return broken

    def torn(self) -> bool:
        """Whether the last line has no end."""
        return self.path.exists() and not self.path.read_bytes().endswith(b"\n")

    def _sorted_out(self) -> tuple[list[Record], list[bytes]]:
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        found: dict[int, Record] = {}
        broken = []
        for line in filter(None, lines):
            record = _checked(line)
            if record is None:
                broken.append(line)
            else:
                found.setdefault(record["number"], record)
        return [found[number] for number in sorted(found)], broken

    def append(self, record: Record) -> None:
        """Add a record; it is on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())


def _line(record: Record) -> bytes:
    content = {key: value for key, value in record.items() if key != "checksum"}
    return to_json(content | {"checksum": _checksum(content)}).encode() + b"\n"


def _checksum(content: Record) -> str:
    return hashlib.sha256(to_json(content).encode()).hexdigest()[:16]


def _checked(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
        checksum = record.pop("checksum")
        return record if checksum == _checksum(record) and isinstance(record["number"], int) else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


NUMBER = re.compile(rb'"number": (\d+)[,}]')


def mend(ledger: Ledger, folder: Path, metric: Metric) -> list[str]:
    """Drop lines that are not whole, enter trials that are complete but for their line; what is to be told of it."""
    torn = ledger.torn()
    broken = ledger.repair()
    entered = _enter(ledger, folder, metric)
    if not broken:
        return []
    what = "a torn last line was cut off" if torn and len(broken) == 1 else f"{_lines(len(broken))} dropped"
    named = sorted({int(found[1]) for line in broken if (found := NUMBER.search(line))})
    known = {record["number"] for record in ledger.read()[0]}
    again = [number for number in named if number not in known]
    fates = []
    if entered:
        fates.append(
            f"{_trials(entered)} restored from {'its directory' if len(entered) == 1 else 'their directories'}"
        )
    if again:
        fates.append(f"{_trials(again)} run{'s' if len(again) == 1 else ''} again")
    return ["; ".join([f"trials.jsonl: {what}", *fates])]


def _lines(count: int) -> str:
    return "a line that is not whole was" if count == 1 else f"{count} lines that are not whole were"


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _enter(ledger: Ledger, folder: Path, metric: Metric) -> list[int]:
    """Trials whose directories are complete but which have no line: a kill may fall between the two."""
    known = {record["number"] for record in ledger.read()[0]}
    entered = []
    for run in map(RunDir, sorted(folder.glob("[0-9]*"))):
        if not (run.id.isdigit() and run.exists) or int(run.id) in known:
            continue
        record = run.read_record()
        if record["status"] in ("done", "diverged"):
            outcome = Outcome(run, record["status"], record, StoredRun(run).config)
            found = record_of(int(run.id), run.read_json("values.json"), outcome)
            ledger.append(entry(found | {"attempt": None}, metric))
            entered.append(int(run.id))
    return entered
