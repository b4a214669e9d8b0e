"""The course of an improvement: a generator that asks for trainings, is sent their results, and returns how it ended.

It decides by these results alone, and by the clock only where the budget is a time. So it can be gone through again
from the ledger of its trainings, and comes to the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import fmean

from nnrun.config.data_section import Parts
from nnrun.config.values import Settings
from nnrun.errors import NnrunError
from nnrun.improving.advice import SCREENING, Advice
from nnrun.improving.budget import Budget, Spent
from nnrun.improving.changes import Base, Change, merged
from nnrun.improving.judging import Comparison
from nnrun.improving.record import Again, Asked, Ending, Evidence, Fault, Reason, StepRecord, Tried
from nnrun.improving.results import Results
from nnrun.improving.standing import Ask, Standing, Teller, dev_error, failure, rank
from nnrun.insight.diagnosis.origin import Move, Origin
from nnrun.installation import command
from nnrun.runs.finding import TRIALS, trial_name
from nnrun.search.record import TrialRecord
from nnrun.search.seeds import improve_seed
from nnrun.text import counted, percent, points

ENSEMBLE, SPLIT_SEED = "network.ensemble", "data.split_seed"
FIRST = 2  # seeds that a change is tried with before the others
AGAIN = 3  # seeds, at most, with which the last change is measured on another split
PATIENCE = 5  # changes in vain, after which the data must have told more than a constant guess


@dataclass
class Trial:
    """A change while it is tried."""

    change: Change
    tried: Sequence[TrialRecord]  # with a few settings beside it
    trained: Sequence[TrialRecord] = ()  # the best of them, with the seeds of all
    found: Comparison | None = None
    reason: str = ""
    adopted: bool = False

    @property
    def best(self) -> TrialRecord:
        """The best of those that were tried."""
        return min(self.tried, key=rank)


@dataclass
class Loop:
    """What an improvement follows from: the config, what was asked for, where trials lie, and what they took."""

    base: Base
    asked: Asked
    faults: Sequence[Fault]
    trials: Path
    teller: Teller
    affords: Callable[[Spent, Sequence[Ask]], bool]
    spent: Callable[[], Spent]
    went_on: bool = False  # from its start, also where that failed, as early versions did
    failures_count: bool = field(default=False, init=False)  # as errors of 100%, by the rule of those versions
    steps: list[StepRecord] = field(default_factory=list, init=False)
    lacking: str = field(default="", init=False)  # what the budget has no room for, in words

    def __post_init__(self) -> None:
        data, seeds = self.base.config.data, self.asked["seeds"]
        self.can_be_split_again = not isinstance(data.source, Parts) and data.time is None and not data.in_folds
        again = 2 * min(AGAIN, seeds) if self.can_be_split_again else 0
        at_end = again + self.base.together(seeds)
        self.advice = Advice(self.base, seeds, self.faults, at_end, self.affords)
        self.results = Results(self.trials)

    def course(self) -> Generator[list[Ask], list[TrialRecord], Ending]:
        """Baseline, steps until something ends them, the last change on another split, an ensemble of the best.

        NnrunError where a training of the baseline failed.
        """
        start = yield from self._trained({}, range(self.asked["seeds"]))
        failed = failure(start.records)
        if failed and not self.went_on:
            resume = command("resume", str(self.trials.parent))
            raise NnrunError(
                f"the config as written, {failed}; no change can be judged without it. `{resume}` trains it again; "
                "where limits were the reason, give others: --trial-timeout, --trial-memory, --workers"
            )
        self.failures_count = failed is not None
        self.teller.baseline(start)
        here, last, why = start, None, self._over(start)
        while why is None:
            change = self.advice.next(here, self.results.evidence(here), len(self.steps) + 1)
            if not isinstance(change, Change):
                why, self.lacking = change, self._lacking()
                break
            there = yield from self._step(here, change)
            if there is not None:
                here, last = there, (here.settings, there.settings)
            why = self._over(here)
        again = yield from self._again(last)
        chosen = yield from self._together(here)
        return self._ending(why, start, here, again, chosen)

    def _trained(self, settings: Settings, seeds: range) -> Generator[list[Ask], list[TrialRecord], Standing]:
        records = yield [Ask(settings, seed) for seed in seeds]
        return Standing(settings, records)

    def _failure(self, records: Sequence[TrialRecord]) -> str | None:
        return None if self.failures_count else failure(records)

    # one time round

    def _step(self, here: Standing, change: Change) -> Generator[list[Ask], list[TrialRecord], Standing | None]:
        """The change with what is tried beside it, then with the seeds of all; where it leads to, if anywhere."""
        number, before = len(self.steps) + 1, self.spent()
        self.teller.trying(number, change, here)
        beside = self.advice.beside(here, change, number)
        trial = Trial(change, (yield [Ask(each, SCREENING + number) for each in beside]))
        if failed := self._failure([trial.best]):
            trial.reason = failed
        elif dev_error(trial.best) <= max(here.errors):
            yield from self._confirm(here, trial)
        else:
            worst = f"{percent(dev_error(trial.best))} at best with another seed"
            trial.reason = f"{worst}, worse than all {len(here.records)} before"
        self.advice.note(change, trial.adopted)
        self.steps.append(self._written(number, here, trial, self.spent() - before))
        self.teller.step(self.steps[-1])
        return Standing(trial.best["values"], trial.trained) if trial.adopted else None

    def _confirm(self, here: Standing, trial: Trial) -> Generator[list[Ask], list[TrialRecord], None]:
        """The best of what was tried with the first seeds, and if these leave hope with all.

        Where one of them fails, that is no evidence against it, but there is none for it either.
        """
        settings = trial.best["values"]
        trial.trained = (yield from self._trained(settings, range(FIRST))).records
        if failed := self._failure(trial.trained):
            trial.reason = failed
            return
        trial.found = self.results.compare(here.records[:FIRST], trial.trained)
        if trial.found.gain <= 0:
            trial.reason = f"no better with the first {FIRST} seeds"
            return
        rest = yield from self._trained(settings, range(FIRST, len(here.records)))
        trial.trained = [*trial.trained, *rest.records]
        if failed := self._failure(rest.records):
            trial.reason = failed
            return
        trial.found = self.results.compare(here.records, trial.trained)
        trial.reason, trial.adopted = told(trial.found), trial.found.better

    def _written(self, number: int, here: Standing, trial: Trial, took: Spent) -> StepRecord:
        best, trained = trial.best, trial.trained
        seed = 0 if trained else SCREENING + number
        return {
            "number": number,
            "first_trial": trial.tried[0]["number"],
            "diagnosed": f"{TRIALS}/{trial_name(here.middle['number'])}",
            "diagnosis": self.results.diagnosis(here),
            "rule": trial.change.rule,
            "why": trial.change.move.why,
            "change": trial.change.move.settings,
            "settings": self.base.whole(best["values"]),
            "command": self.command(best["values"], seed),
            "trial": trained[0]["number"] if trained else best["number"],
            "tried": [_tried(each) for each in trial.tried],
            "trials": [each["number"] for each in trained],
            "evidence": None if trial.found is None else _evidence(trial.found),
            "verdict": "adopted" if trial.adopted else "rejected",
            "reason": trial.reason,
            "before": fmean(here.errors[: len(trained)] or here.errors),
            "after": None if self._failure(trained or [best]) else fmean(map(dev_error, trained or [best])),
            "runs": took.runs,
            "epochs": took.epochs,
            "seconds": took.seconds,
        }

    def command(self, settings: Settings, seed: int) -> str:
        """The line that trains these settings with the seed of that number, as a trial was."""
        asked = self.asked
        config = None if asked["config"] is None else Path(asked["config"])
        origin = Origin(config, tuple(asked["settings"]), tuple(asked["options"]), self.base.yielding)
        seeded = {"seed": improve_seed(self.base.config.seed, seed)} if seed else {}
        return origin.command(Move(0, "", {**settings, **seeded}))

    # when to stop, and the end

    def _over(self, here: Standing) -> Reason | None:
        """Why it ends here, if it does."""
        target = self.asked["target"]
        if target is not None and here.error <= target:
            return "target"
        if here.error == 0:
            return "perfect"
        if self.results.floor(here):
            return "noise floor"
        trained = any(record["status"] == "done" for record in here.records)  # else it is the training that is wrong
        in_vain = len(self.steps) >= PATIENCE and all(step["verdict"] == "rejected" for step in self.steps[-PATIENCE:])
        return "nothing to learn" if trained and in_vain and not self.results.better_than_a_guess(here) else None

    def _lacking(self) -> str:
        """What is spent, and what the least step may take there is no room for; of a time the clock alone knows."""
        budget, spent = Budget.of(self.asked["budget"]), self.spent()
        if budget.unit == "seconds" or not self.advice.beyond:
            return ""
        so_far, least = getattr(spent, budget.unit), min(getattr(cost, budget.unit) for cost in self.advice.beyond)
        what = "it and the ensemble at the end" if self.base.together(self.asked["seeds"]) else "it"
        more = f"{so_far:,} {budget.unit} are spent, and {what} may take {least:,} more"
        return f": {more} (--budget {so_far + least}{budget.unit})"

    def _again(self, last: tuple[Settings, Settings] | None) -> Generator[list[Ask], list[TrialRecord], Again | None]:
        """The last change that was adopted, before and after, on another split of the same rows.

        Without the seeds of which one of the two failed; None where that leaves no seed.
        """
        if last is None or not self.can_be_split_again:
            return None
        other = {SPLIT_SEED: self.base.config.data.split_seed + 1}
        count = min(AGAIN, self.asked["seeds"])
        found = yield [Ask(merged(settings, other), seed) for settings in last for seed in range(count)]
        pairs = [pair for pair in zip(found[:count], found[count:], strict=True) if not self._failure(pair)]
        if not pairs:
            return None
        comparison = self.results.compare(*zip(*pairs, strict=True))
        return {"split_seed": other[SPLIT_SEED], "evidence": _evidence(comparison), "told": told(comparison)}

    def _together(self, here: Standing) -> Generator[list[Ask], list[TrialRecord], TrialRecord]:
        """An ensemble of as many networks as there are seeds; of folds the best seed."""
        networks = self.base.together(len(here.records))
        if not networks:
            return here.best
        [record] = yield [Ask(merged(here.settings, {ENSEMBLE: networks}), 0)]
        return record if record["status"] == "done" else here.best

    def _ending(self, why: Reason, start: Standing, here: Standing, again: Again | None, chosen: TrialRecord) -> Ending:
        spent = self.spent()
        helped = {step["rule"] for step in self.steps if step["verdict"] == "adopted"}
        rules = dict.fromkeys(step["rule"] for step in self.steps)
        return {
            "why": why,
            "told": self._told_of(why, here),
            "start": start.measured,
            "end": here.measured | {"settings": self.base.whole(here.settings)},
            "adopted": sum(step["verdict"] == "adopted" for step in self.steps),
            "tried": len(self.steps),
            "again": again,
            "chosen": chosen["number"] if chosen["status"] == "done" else None,
            "best_trial": here.best["number"] if here.best["status"] == "done" else None,
            "runs": spent.runs,
            "epochs": spent.epochs,
            "seconds": spent.seconds,
            "rules": {rule: "helped" if rule in helped else "did not help" for rule in rules},
        }

    def _told_of(self, why: Reason, here: Standing) -> str:
        budget = Budget.of(self.asked["budget"]).told
        words = {
            "target": f"the target is reached: {percent(here.error)} on dev",
            "budget": f"the budget of {budget} has no room for a further step{self.lacking}",
            "noise floor": self.results.floor(here) or "",
            "perfect": "no dev example is wrong: nothing is left to gain that this dev set could show",
            "nothing to learn": "no setting does better on dev than a constant guess, beyond chance",
            "nothing left": "no advice is left that was not tried",
        }
        return words[why]


def _tried(record: TrialRecord) -> Tried:
    error = record["final"].get("dev_error") if record["status"] == "done" else None
    return {"settings": record["values"], "dev_error": error, "trial": record["number"]}


def _evidence(found: Comparison) -> Evidence:
    low, high = (each if isfinite(each) else None for each in (found.low, found.high))
    return {
        "gains": found.gains,
        "gain": found.gain,
        "low": low,
        "high": high,
        "chance": found.chance,
        "rows": found.rows,
    }


def told(found: Comparison) -> str:
    """`2.1 points lower over 5 seeds (95%: 1.0 to 3.2)`, and whether that is told from chance."""
    over = f"over {counted(len(found.gains), 'seed')} (95%: {points(found.low)} to {points(found.high)})"
    words = "lower" if found.gain > 0 else "higher"
    sure = "" if found.better else ", which chance does as well"
    return f"{100 * abs(found.gain):.1f} points {words} {over}{sure}"
