"""The plan of a search: search.yaml, with what its trials follow from and how much of it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NotRequired, TypedDict

from nnrun.config.changes import TOTAL
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml, one_line
from nnrun.config.space.space import Space, WrittenRange, difference, is_mixed
from nnrun.config.values import Settings, Tree
from nnrun.engine.scores import Objective
from nnrun.errors import DataError
from nnrun.files import sealed_text
from nnrun.machine.lazily import cached_property
from nnrun.runs.finding import PLAN
from nnrun.runs.reading import RESTORE, misfit, missing_keys
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import yaml_of
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief

# What the trials follow from: it may not change.
FIXED = ("strategy", "metric", "seed", "epochs", "space", "enqueue", "prune")
OPTIONAL = ("prune", "skips_stopped")  # not written where they say no


class Limits(TypedDict, total=False):
    """What a resumed search keeps, by the names of the command's options; None or missing where there is no limit."""

    timeout: float | None  # seconds of running time, all calls together
    target: float | None  # value of the metric as it is read, also where more of it is better
    stop_when_flat: float | None  # of the metric: what the trials that are left must be expected to gain
    trial_timeout: float | None  # seconds
    trial_memory: int | None  # bytes a worker
    cluster_wait: float | None  # seconds for a scheduler that is gone; None: it is not waited for
    stack: int | None  # most trials trained as one


class WrittenPlan(TypedDict):
    """The types of what stands in search.yaml."""

    schema_version: int
    totals: list[int]
    limits: Limits
    repeat: int | None
    strategy: str
    metric: str
    seed: int
    epochs: int
    space: dict[str, WrittenRange]
    enqueue: list[Settings]
    prune: NotRequired[str]
    skips_stopped: NotRequired[bool]


@dataclass(frozen=True)
class Plan:
    """What stands in search.yaml, by the same names in the same order."""

    schema_version: int = field(default=1, kw_only=True)
    totals: list[int]  # numbers of trials asked for: at the start and at each extension
    limits: Limits
    repeat: int | None  # trainings with new seeds of each of the best trials
    strategy: str
    metric: str  # with a leading - where more of it is better
    seed: int
    epochs: int
    space: Space
    enqueue: list[Settings]
    prune: str | None = None  # which trials are ended early
    skips_stopped: bool = False  # whether no trial goes on that early stopping has ended; in early searches they did

    @classmethod
    def of(cls, config: Config, space: Space, totals: Sequence[int], limits: Limits, repeat: int | None) -> Plan:
        """A search around a configuration."""
        return cls(
            totals=[*totals],
            limits=limits,
            repeat=repeat,
            strategy=config.search.strategy,
            metric=config.search.metric,
            seed=config.seed,
            epochs=config.training.epochs,
            space=space,
            enqueue=config.search.enqueue,
            prune=config.search.prune,
            skips_stopped=STRATEGIES[config.search.strategy].continues_trials,
        )

    @classmethod
    def read(cls, run: RunDir) -> Plan:
        """The plan of a search; DataError where it has none."""
        where, written = run.path / PLAN, yaml_of(run, PLAN)
        missing = missing_keys(written, WrittenPlan)
        problem = f"{', '.join(missing)} missing" if missing else misfit(written, WrittenPlan)
        if problem is None and not written["totals"]:
            problem = "totals is empty"
        if problem is None and not (space := _space(written["space"])):
            problem = "space is none"
        if problem:
            raise DataError(f"{where}: {problem}; {RESTORE}")
        values = {name: written[name] for name in _names() if name in written}
        return cls(**values | {"space": space})

    def as_dict(self) -> Tree:
        """Plain values, as the file has them."""
        values = {name: getattr(self, name) for name in _names() if name not in OPTIONAL or getattr(self, name)}
        return values | {"space": self.space.written()}

    def text(self) -> str:
        """The file."""
        return sealed_text(dump_yaml(self.as_dict()))

    @property
    def objective(self) -> Objective:
        """What trials are compared by."""
        return Objective(self.metric)

    @property
    def total(self) -> int:
        """The number of trials asked for."""
        return self.totals[-1]

    def brief(self) -> Brief:
        """What the strategy is told, but for the given trials that it may learn from."""
        first = 1 + len(self.enqueue)  # behind the config as written and the settings that the user gave
        return Brief(self.space, self.seed, self.totals, self.epochs, first, skips_stopped=self.skips_stopped)

    @property
    def has_one_total(self) -> bool:
        """Whether all trials are planned for as many epochs, as these are not searched."""
        return TOTAL not in self.space.keys

    @cached_property
    def epochs_of(self) -> Callable[[int], int]:
        """The epochs that the trial of a number is to train itself, without those that it inherits."""
        kind = STRATEGIES[self.strategy]
        if not kind.continues_trials:
            return lambda number: self.epochs
        strategy = kind(self.brief())
        return lambda number: strategy.epochs(number) - strategy.behind(number)

    @property
    def epochs_of_all(self) -> int:
        """The epochs of all trials together, of which there may be billions where one is like the other."""
        if not STRATEGIES[self.strategy].continues_trials:
            return self.epochs * self.total
        return sum(map(self.epochs_of, range(self.total)))

    def extended(self, trials: int | None, limits: Limits, repeat: int | None) -> Plan:
        """With what a further call asks for: more trials, other limits, repeats."""
        further = [trials] if trials is not None and trials > self.total else []
        return replace(self, totals=[*self.totals, *further], limits=limits, repeat=repeat or self.repeat)

    def changes(self, other: Plan) -> tuple[list[str], list[str]]:
        """The names of what the trials follow from that differs in another plan, and lines that say how."""
        old, new = self.as_dict(), other.as_dict()
        names = [name for name in FIXED if old.get(name) != new.get(name)]
        lines = difference(old["space"], new["space"])
        lines += [f"{name}: {one_line(old.get(name))} → {one_line(new.get(name))}" for name in names if name != "space"]
        return names, lines


def _space(written: dict[str, WrittenRange]) -> Space | None:
    """None where no space would be written so."""
    try:
        space = Space.of(written)
        wrong = [p.key for p in space.parameters if p.domain.wrong(p.domain.written()) or is_mixed(p.domain)]
        return space if space.written() == written and not wrong else None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, StopIteration):
        return None


def _names() -> list[str]:
    return [field_.name for field_ in fields(Plan)]
