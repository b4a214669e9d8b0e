"""A search as its directory has it: each file is read when it is first asked for, and once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from nnrun.errors import DataError, UsageError
from nnrun.installation import command
from nnrun.machine.lazily import cached_property
from nnrun.runs.finding import trial_of
from nnrun.runs.kinds import kind_of
from nnrun.runs.reading import RESTORE, misfit
from nnrun.runs.records import HELD
from nnrun.runs.rundir import RECORD, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import LEDGER, Ledger
from nnrun.search.plan import Plan
from nnrun.search.record import SearchRecord, TrialRecord, ranked, spreadsheet, trial_table
from nnrun.search.retests.record import RetestRecord, read
from nnrun.search.strategies import STRATEGIES
from nnrun.text import counted

SPLIT_SEED = "data.split_seed"
WIDER = "wider.yaml"  # a config, for the search that comes after it
MINUTE = 60.0  # of twice nothing nothing would come


@dataclass(frozen=True, eq=False)
class StoredSearch:
    """What is known of a search beside what every run has; it is only read."""

    run: StoredRun

    @cached_property
    def plan(self) -> Plan:
        """search.yaml; DataError where it holds none."""
        return Plan.read(self.run.directory)

    @cached_property
    def retest(self) -> RetestRecord | None:
        """What a search that retests another is about, and its verdict; None for all other searches."""
        return read(self.run.directory) if kind_of(self.run.directory) == "retest" else None

    @property
    def record(self) -> SearchRecord:
        """run.json with the status of the moment."""
        record = self.run.record
        if problem := misfit(record, SearchRecord):
            raise DataError(f"{self.run.path / RECORD}: {problem}; {RESTORE}")
        return cast(SearchRecord, record)

    @property
    def trials(self) -> list[TrialRecord]:
        """Every record of trials.jsonl by number; DataError where some are damaged or gone, which resuming mends."""
        if self.loss:
            raise DataError(self.loss)
        return self.kept

    @cached_property
    def kept(self) -> list[TrialRecord]:
        """The trials that are there, in place of some that `loss` speaks of; DataError where a line is damaged."""
        return Ledger.of(self.run.directory, self.plan.space).read_whole()

    @property
    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Titles, and a row a trial with its results and settings."""
        return trial_table(self.trials, self.plan.space.keys)

    def spreadsheet(self, keys: Sequence[str]) -> str:
        """CSV of what is kept, with a column for each of these keys and for all others that a trial has."""
        return spreadsheet(self.kept, keys)

    @property
    def rivals(self) -> list[TrialRecord]:
        """The trials but those that measure the last change of an improvement on another split of the rows."""
        return [r for r in self.trials if SPLIT_SEED not in r["values"] or SPLIT_SEED in self.plan.space.keys]

    @property
    def ranked(self) -> list[RunDir]:
        """The directories of the rivals that have a result, the best first: by the metric, then the dev loss.

        UsageError as long as the search is at work, as it may find better ones and drop checkpoints of others.
        """
        if self.run.status in HELD:
            raise UsageError(f"{self.run.id} is still running; wait for its end, or stop it")
        return [trial_of(self.run.path, record["number"]) for record in ranked(self.rivals)]

    @cached_property
    def whole(self) -> list[TrialRecord]:
        """The trials that were given all epochs they can use, and not only those of a rung or of what is pruned."""
        plan, whole = self.plan, [trial for trial in self.trials if not trial.get("pruned")]
        kind = STRATEGIES[plan.strategy]
        if not kind.continues_trials:  # and may need a library that is not here
            return whole
        until = kind(plan.brief()).epochs
        over = {trial["number"] for trial in whole if plan.skips_stopped and trial.get("stopped_early")}
        return [trial for trial in whole if trial["number"] in over or until(trial["number"]) >= plan.epochs]

    @property
    def decided(self) -> frozenset[str]:
        """The dotted keys whose values trials have decided: those of the space; of an improvement the adopted ones."""
        if kind_of(self.run.directory) != "improvement":
            return frozenset(self.plan.space.keys)
        best = self.record["best_trial"]
        return frozenset(key for record in self.kept if record["number"] == best for key in record["values"])

    @property
    def cut_short(self) -> str | None:
        """How many other trials there are, and why, in words; None where all were given all epochs."""
        plan, short = self.plan, len(self.trials) - len(self.whole)
        why = plan.strategy if STRATEGIES[plan.strategy].continues_trials else plan.prune
        last = f"epoch {plan.epochs}" if plan.has_one_total else "the last epoch"
        told = f"{counted(short, 'trial')} that ended before {last} for {why}"
        return f"{told} {'does' if short == 1 else 'do'} not count" if short else None

    @property
    def places(self) -> dict[str, list[int]]:
        """The trials that each machine trained, by its name."""
        found: dict[str, list[int]] = {}
        for record in self.kept:
            if host := record.get("host"):
                found.setdefault(host, []).append(record["number"])
        return dict(sorted(found.items()))

    @property
    def loss(self) -> str | None:
        """What to say where fewer trials are there than the result in run.json is of."""
        counted = 0 if self.run.under_way else self.record.get("trials") or 0
        if len(self.kept) >= counted:
            return None
        where, mending = self.run.path / LEDGER, command("resume", str(self.run.path))
        return f"{where}: damaged: {len(self.kept)} of {counted} trials are there; `{mending}` mends it"

    @property
    def closed(self) -> bool:
        """Whether the result in run.json is that of these trials; it may be from before the search was resumed."""
        record = self.record
        return record["status"] not in HELD and not record.get("error") and record.get("trials") == len(self.kept)

    @property
    def to_go_on(self) -> list[str] | None:
        """The words of the command that goes on where it was stopped or killed; None where it came to its end."""
        again = ["resume", str(self.run.path)]
        if self.closed and self.record["ended_by"] == "timeout":
            spent = max(self.plan.limits["timeout"] or 0, int(self.record.get("running_seconds", 0)))
            return [*again, "--timeout", f"{max(MINUTE, 2 * spent):g}"]
        return None if self.closed and self.record["status"] != "interrupted" else again

    @property
    def further(self) -> list[str] | None:
        """The words of the command that goes on, to the end or beyond it; None where nothing more would come."""
        again, record, total = ["resume", str(self.run.path)], self.record, self.plan.total
        if self.to_go_on or record["ended_by"] == "flat":
            return self.to_go_on or [*again, "--stop-when-flat", "0"]
        if record["ended_by"] != "trials" or record["best_trial"] is None or self._is_exhausted:
            return None
        return [*again, "--trials", str(2 * total)]

    @property
    def _is_exhausted(self) -> bool:
        """Whether there is no trial behind the last one, as of a grid; a strategy that learns can always draw one."""
        kind = STRATEGIES[self.plan.strategy]
        return not kind.learns and kind(self.plan.brief()).propose(self.plan.total) is None
