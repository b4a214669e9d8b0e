"""The mending of a ledger: lines that are not whole are dropped, trials that lack theirs are entered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nnrun.config.values import Settings
from nnrun.errors import NnrunError
from nnrun.runs.rundir import RunDir
from nnrun.runs.session import Outcome
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import LEDGER, Ledger
from nnrun.search.trials import Objective, entry, trial_result

NUMBER = re.compile(rb'"number": (\d+)[,}]')


def mend(ledger: Ledger, folder: Path, metric: Objective) -> list[str]:
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
    return ["; ".join([f"{LEDGER}: {what}", *fates])]


def _lines(count: int) -> str:
    return "a line that is not whole was" if count == 1 else f"{count} lines that are not whole were"


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _enter(ledger: Ledger, folder: Path, metric: Objective) -> list[int]:
    """Trials whose directories are complete but which have no line: a kill may fall between the two."""
    known = {record["number"] for record in ledger.read()[0]}
    entered = []
    for run in map(RunDir, sorted(folder.glob("[0-9]*"))):
        if not (run.id.isdigit() and run.exists) or int(run.id) in known:
            continue
        with suppress(NnrunError):  # what is damaged there is trained again
            record = run.read_record()
            if record["status"] in ("done", "diverged"):
                outcome = Outcome(run, record["status"], record, StoredRun(run).config)
                found = trial_result(int(run.id), run.read_json("values.json", Settings), outcome)
                ledger.append(entry(found | {"attempt": None}, metric))
                entered.append(int(run.id))
    return entered
