"""The ledger of a search: trials.jsonl, one line with a checksum a finished trial.

It is only added to, unless a trial that failed is to be run again, which loses its line.
It is mended where a kill has left its marks: lines that are not whole are dropped, trials that lack theirs are entered.
It loads no NumPy, as `nnrun list` looks into the ledgers of searches that have not ended.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from nnrun.config.values import Settings
from nnrun.errors import DataError, NnrunError
from nnrun.files import CHECKSUM, naming, read_regular, regular, sealed_line, sealed_text, write_atomically
from nnrun.installation import command
from nnrun.locks import drop_abandoned
from nnrun.machine.posix import write_through
from nnrun.runs.reading import missing_keys, read_record
from nnrun.runs.records import ENDED
from nnrun.runs.rundir import UNFINISHED, RunDir
from nnrun.search.record import TrialRecord, TrialResult

if TYPE_CHECKING:
    from nnrun.config.config import Config
    from nnrun.config.space.space import Space
    from nnrun.engine.scores import Objective


LEDGER = "trials.jsonl"
NUMBER = re.compile(rb'"number": (\d+)[,}]')  # of a trial, in a line that is not whole


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
        """The ledger of a search."""
        return cls(run.path / LEDGER, space)

    def read(self) -> tuple[list[TrialRecord], int]:
        """Every whole record by number, the first of each, and how many lines were not whole."""
        records, broken = self._sorted_out()
        return records, len(broken)

    def read_whole(self) -> list[TrialRecord]:
        """Every record by number, the first of each; DataError where a line is not whole, but for a torn last one."""
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

    def forget(self, numbers: Collection[int]) -> None:
        """Drop the lines of these trials, so that they are run again."""
        if numbers:
            kept = (record for record in self.read()[0] if record["number"] not in numbers)
            write_atomically(self.path, b"".join(map(_line, kept)), durable=True)

    def torn(self) -> bool:
        """Whether the last line has no end."""
        return self.path.exists() and not read_regular(self.path).endswith(b"\n")

    def _sorted_out(self) -> tuple[list[TrialRecord], list[Broken]]:
        lines = read_regular(self.path).split(b"\n") if self.path.exists() else []
        found: dict[int, TrialRecord] = {}
        broken = []
        for number, line in enumerate(lines, start=1):
            try:
                if line:
                    record = self.record(line, f"{self.path}:{number}")
                    found.setdefault(record["number"], record)
            except DataError as error:
                broken.append(Broken(line, str(error), torn=number == len(lines)))
        return [found[number] for number in sorted(found)], broken

    def record(self, line: bytes, where: str) -> TrialRecord:
        """What a line holds; DataError where it is no record of a trial of this search."""
        record = read_record(line, where, TrialRecord)
        missing = [] if f'"{CHECKSUM}"'.encode() in line else [CHECKSUM]
        if missing := missing + missing_keys(record, TrialRecord):
            raise DataError(f"{where}: {', '.join(missing)} missing")
        if self.space and (key := self.space.misfit(record["values"])):
            raise DataError(f"{where}: no value of {key}")
        record["values"] = dict(record["values"])  # plain, as users write it into YAML
        return cast(TrialRecord, record)

    def append(self, *records: TrialRecord) -> None:
        """Add these; they are on the disk when this returns, which it takes as long to be sure of as of one."""
        with naming(self.path), open(self.path, "ab", opener=regular) as file:
            file.write(b"".join(map(_line, records)))
            file.flush()
            write_through(file.fileno())


def _line(record: TrialRecord) -> bytes:
    return sealed_line(record).encode() + b"\n"


def mend(ledger: Ledger, folder: Path, metric: Objective) -> list[str]:
    """Drop lines that are not whole, enter trials complete but for their line; what is to be told of it."""
    drop_abandoned(folder, UNFINISHED)  # by workers that were killed
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
    return ["; ".join([f"{LEDGER}: {what}", *fates])]


def _lines(count: int) -> str:
    return "a line that is not whole was" if count == 1 else f"{count} lines that are not whole were"


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _enter(ledger: Ledger, folder: Path, metric: Objective) -> list[int]:
    """Trials whose directories are complete but which have no line: a kill may fall between the two."""
    from nnrun.search.trials import entry  # here, as it loads NumPy

    known = {record["number"] for record in ledger.read()[0]}
    entered = []
    for run in map(RunDir, sorted(folder.glob("[0-9]*"))):
        if not (run.id.isdigit() and run.exists) or int(run.id) in known:
            continue
        with suppress(NnrunError):  # what is damaged there is trained again
            if run.read_record()["status"] in ENDED:
                ledger.append(entry(result_in(run)[0] | {"attempt": None}, metric))
                entered.append(int(run.id))
    return entered


def result_in(run: RunDir, expected: Config | None = None) -> tuple[TrialResult, Config]:
    """What a trial came to, and of which config, by its directory; DataError where that is not whole, or it goes on.

    A config that is expected is written once more to compare it, which takes a tenth of the time to read YAML.
    """
    from nnrun.config.dump import dump_sections
    from nnrun.runs.listener import Outcome  # here, as these load NumPy
    from nnrun.runs.stored import StoredRun
    from nnrun.search.trials import trial_result

    record = run.read_record()
    if record["status"] not in ENDED:
        raise DataError(f"{run.path}: the trial has not ended")
    stored = StoredRun(run)
    known = expected and stored.text == sealed_text(dump_sections(expected.resolved())).encode()
    config = expected if expected and known else stored.config
    outcome = Outcome(run, record["status"], record, run.metrics(), config)
    return trial_result(int(run.id), run.read_json("values.json", Settings), outcome), outcome.config
