"""Which piece of advice is tried next: the first that applies, was not tried from here, and can be paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nnrun.config.values import Settings
from nnrun.improving.budget import Spent
from nnrun.improving.changes import Base, Change, drawn, epochs_of, variants
from nnrun.improving.record import Fault, Reason
from nnrun.improving.standing import Ask, Standing
from nnrun.insight.diagnosis.in_doubt import of_trials
from nnrun.insight.diagnosis.origin import Move
from nnrun.insight.diagnosis.recipe import REMEDIES, ranked
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.search.seeds import improve_seed

SEARCH_TRIALS, FEWEST_TRIALS, FEWER = 30, 6, 4  # of a search that the recipe advises, so many fewer at a time
MISSES = 2  # pieces of advice in a row that did not help, after which a search comes first
SCREENING = 1_000  # numbers of seeds from here on are for choosing what stands beside a change
# Whatever is compared with what holds is tried at a few rates; so what holds is too, before anything is left to chance.
RATE_ALONE = Move(0, "Each change is tried at three learning rates, so what is not changed is tried at them too.", {})


@dataclass
class Advice:
    """What was tried and what came of it; `affords` says whether so much more may be spent, beginning with these."""

    base: Base
    seeds: int
    faults: Sequence[Fault]
    at_end: int  # trainings after the last step, the ensemble as many as it has networks
    affords: Callable[[Spent, Sequence[Ask]], bool]
    _tried: set[str] = field(default_factory=set, init=False)  # from the setting that holds now
    _in_vain: set[str] = field(default_factory=set, init=False)  # from any
    _misses: int = field(default=0, init=False)  # in a row
    beyond: list[Spent] = field(default_factory=list, init=False)  # what each change may take there was no room for

    def note(self, change: Change, adopted: bool) -> None:
        """What came of one; once one is adopted all others are worth another try, though what is new comes first."""
        self._misses = 0 if adopted else self._misses + 1
        if adopted:
            self._tried.clear()
            self._in_vain.discard(change.key)
        else:
            self._in_vain.add(change.key)
        self._tried.add(change.key)

    def next(self, here: Standing, seen: Evidence, number: int) -> Change | Reason:
        """What step `number` tries; else why there is none."""
        self.beyond.clear()
        advised = [change for change in self._advised(here, seen) if self._is_fresh(here, change)]
        searching = self._misses >= MISSES  # where single pieces of advice miss, many things at once may hit
        for change in sorted(advised, key=lambda each: (each.key in self._in_vain, searching and not each.trials)):
            if (fitted := self._paid_for(here, change, number)) is not None:
                return fitted
        return "budget" if advised else "nothing left"

    def _advised(self, here: Standing, seen: Evidence) -> Iterator[Change]:
        """Cures of what the checks found, while nothing is adopted; then the moves of the recipe, weightiest first."""
        for fault in self.faults if not here.settings else ():
            if fault["settings"]:
                yield Change("check", Move(100, f"{fault['check']}: {fault['finding']}", fault["settings"]))
        for each in ranked(seen, REMEDIES):
            if REMEDIES[each.remedy].untried:
                continue
            if each.move.verb == "search":
                yield Change("rate", RATE_ALONE)
                yield Change(each.remedy, each.move, SEARCH_TRIALS)
            elif each.move.verb == "train":
                yield Change(each.remedy, each.move)

    def _is_fresh(self, here: Standing, change: Change) -> bool:
        return change.key not in self._tried and bool(
            change.trials or variants(self.base, here.settings, change.move.settings)
        )

    def beside(self, here: Standing, change: Change, number: int) -> list[Settings]:
        """The settings that a change is tried with in step `number`."""
        if change.trials:
            seed = improve_seed(self.base.config.seed, SCREENING + number)
            return drawn(self.base, here.settings, change.move, seed, change.trials)
        return variants(self.base, here.settings, change.move.settings)

    def _paid_for(self, here: Standing, change: Change, number: int) -> Change | None:
        """The change, if it is a search with as many trials as there is room for; None where there is none."""
        for count in range(change.trials, FEWEST_TRIALS - 1, -FEWER) if change.trials else [0]:
            fitted = replace(change, trials=count)
            beside = self.beside(here, fitted, number)
            if not beside:
                return None
            if count:
                fitted = replace(fitted, move=of_trials(change.move, len(beside)))
            longest = max(beside, key=lambda settings: epochs_of(self.base, [settings]))
            costs = [*beside, *[longest] * (self.seeds + self.at_end)]  # it is measured, and the end is kept free
            cost = Spent(len(costs), epochs_of(self.base, costs))
            if self.affords(cost, [Ask(each, SCREENING + number) for each in beside]):
                return fitted
            self.beyond.append(cost)
        return None
