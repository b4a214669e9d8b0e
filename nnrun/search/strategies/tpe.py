"""Tree-structured Parzen estimators, by Optuna."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from nnrun.config.space.domains import Choice
from nnrun.config.space.intervals import Domain
from nnrun.config.space.space import MIDDLE, Parameter
from nnrun.config.values import Settings
from nnrun.installation import require_extra
from nnrun.search.strategies.strategy import GENERATION, Brief, Point, Strategy, draw, generator

START = 10  # trials drawn from the whole space before the first estimate
SIZE = 4  # trials that are proposed from the same results


def _optuna() -> Any:
    require_extra("the strategy tpe needs", "tpe", "optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class Tpe(Strategy):
    """Generations of 4 trials after 10 random ones; each has its own seed and rests on all results before it."""

    learns = True
    help = "Optuna's tree-structured Parzen estimators, in generations of 4; needs optuna, the extra `tpe`"

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        self._optuna = _optuna()
        self._results: dict[int, Any] = {}  # as Optuna stores them
        self._generation = -1, list[Point]()

    def tell(self, number: int, values: Settings, value: float, loss: float = math.inf, stopped: bool = False) -> None:
        """Keeps the result; a failed trial counts as infinitely bad, so that its like is avoided."""
        super().tell(number, values, value, loss, stopped)
        if self.brief.space.contains(values):
            self._results[number] = self._stored(value if math.isfinite(value) else math.inf, values)

    def propose(self, number: int) -> Point | None:
        """Random at first, then by its generation; None until all trials before that are told."""
        if number < START:
            return Point(number, self.brief.space.decode(draw(self.brief, number)))
        generation, place = divmod(number - START, SIZE)
        begin = START + generation * SIZE
        if not self.settled(begin):
            return None
        if self._generation[0] != generation:
            self._generation = generation, self._estimated(generation, begin)
        return self._generation[1][place]

    def independent(self, number: int) -> bool:
        """True of trials before the first estimate."""
        return number in self.compared(self.brief, [number])

    @classmethod
    def compared(cls, brief: Brief, numbers: Iterable[int]) -> set[int]:
        """The trials before the first estimate."""
        return {number for number in numbers if brief.first <= number < START}

    def _estimated(self, generation: int, begin: int) -> list[Point]:
        """The points of a generation, from all results before trial `begin`."""
        optuna = self._optuna
        seed = int(generator(self.brief.seed, GENERATION, generation).integers(2**31))
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0)
        study = optuna.create_study(sampler=sampler)
        earlier = sorted(number for number in self._results if number < begin)
        study.add_trials([self._results[number] for number in earlier])
        return [Point(begin + i, self._suggested(study.ask())) for i in range(SIZE)]

    def _stored(self, value: float, values: Settings) -> Any:
        """A result as Optuna stores it: coordinates of the active parameters."""
        units = dict(zip(self.brief.space.keys, self.brief.space.encode(values) or [], strict=True))
        active = self.brief.space.active(values)
        params = {p.key: _held(p.domain, units[p.key]) for p in active}
        distributions = {p.key: self._distribution(p.domain) for p in active}
        return self._optuna.trial.create_trial(value=value, params=params, distributions=distributions)

    def _suggested(self, trial: Any) -> Settings:
        """The settings of a new trial; a parameter is suggested once those that it depends on are."""
        drawn: Settings = {}
        space, units = self.brief.space, dict[str, float]()
        while missing := [p for p in space.active(drawn) if p.key not in units]:
            for p in missing:
                units[p.key] = _suggested_unit(trial, p)
                drawn[p.key] = p.domain.from_unit(units[p.key])
        return space.decode([units.get(key, MIDDLE) for key in space.keys])

    def _distribution(self, domain: Domain) -> Any:
        distributions = self._optuna.distributions
        if isinstance(domain, Choice):
            return distributions.CategoricalDistribution(range(len(domain.options)))
        return distributions.FloatDistribution(0.0, 1.0)


def _held(domain: Domain, unit: float) -> float:
    """A unit coordinate as Optuna holds it: of a choice, its index."""
    return int(unit * len(domain.options)) if isinstance(domain, Choice) else unit


def _suggested_unit(trial: Any, parameter: Parameter) -> float:
    """The unit coordinate that Optuna suggests."""
    key, domain = parameter.key, parameter.domain
    if isinstance(domain, Choice):
        count = len(domain.options)
        return (int(trial.suggest_categorical(key, range(count))) + 0.5) / count
    return float(trial.suggest_float(key, 0.0, 1.0))
