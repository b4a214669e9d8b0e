"""The space of a search: its parameters in a fixed order, and the way between points of the unit cube and settings.

The usual space is the one that is searched where a file names none: it starts from the file's own config.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.overrides import configured, fault, value_at
from nnrun.config.space.domains import DOMAINS, Choice
from nnrun.config.space.intervals import Domain, Interval, is_number
from nnrun.config.values import Settings
from nnrun.engine.optimizers import OPTIMIZERS

# The range of a key as the file has it, of which `when` is not known to be a mapping before it is checked:
# {name of a domain: its ends or choices, when: {other key: value, or a list of them}}.
WrittenRange = dict[str, Any]
WrittenSpace = Mapping[str, WrittenRange]  # by dotted key
DEPTH, WIDTH = "network.depth", "network.width"
ALSO = ("auto", "full")  # what a config may have where a search has numbers: of training.batch_size
MIDDLE = 0.5  # where a parameter without a value is put
EDGE = 0.02  # so near to an end of a range, as a part of its axis, a value lies at that end
FRONTIER = 10_000  # so many ways for the parameters to come to be ruled out are told apart, to count settings

# The usual space.
WITH_BETA1 = [name for name, rule in OPTIMIZERS.items() if rule.uses_beta1]
TIMES = (0.25, 0.5, 1, 2)  # the config's own widths
SHAPES = [[], [16], [32], [64], [128]]  # where the config has no hidden layer
BATCHES = [32, 64, 128]  # where the config leaves the size to the data, which are not read yet


@dataclass(frozen=True)
class Parameter:
    """A dotted key, the range of its values, and the values of other parameters with which it exists."""

    key: str
    domain: Domain
    when: tuple[tuple[str, Choice], ...] = ()

    def written(self) -> WrittenRange:
        """The range as it would be written in the file."""
        range_ = {self.domain.name: self.domain.written()}
        conditions = {key: allowed.written() for key, allowed in self.when}
        return {**range_, "when": conditions} if conditions else range_

    def beyond(self, unit: float) -> Domain | None:
        """The wider range where a value lies at one of the ends, the first and the last of single values included."""
        upper = unit > MIDDLE
        end = float(upper)
        at_end = abs(unit - end) <= EDGE or self.domain.from_unit(unit) == self.domain.from_unit(end)
        return self.wider(upper) if at_end else None

    def moved_to(self, value: Any) -> Domain | None:
        """The wider range where a value lies at one of the ends or beyond it: it goes on behind the value."""
        if self.domain.contains(value):
            return self.beyond(self.domain.to_unit(value))
        domain: Domain | None = self.domain
        if not isinstance(domain, Interval) or domain.wrong_number(value):
            return None
        while isinstance(domain, Interval) and not domain.low <= value <= domain.high:
            domain = replace(self, domain=domain).wider(value > domain.high)
        if domain is None or domain == self.domain:
            return None
        moved = replace(self, domain=domain)
        return moved.beyond(domain.to_unit(value)) or domain

    def wider(self, upper: bool) -> Domain | None:
        """The range with one end moved on; None where there is no end, or the key allows nothing beyond it."""
        beyond = self.domain.wider(upper)
        if beyond is None or beyond == self.domain:
            return None
        return None if fault(Config(), self.key, beyond.written()[int(upper)]) else beyond


@dataclass(frozen=True)
class Space:
    """Parameters in the order of their keys, so that the order in the file does not change the trials."""

    parameters: tuple[Parameter, ...]
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, written: WrittenSpace) -> Space:
        """From the canonical form, or from any other that is known to be valid."""
        return cls(tuple(_parameter(key, written[key]) for key in sorted(written)))

    def written(self) -> dict[str, WrittenRange]:
        """The canonical form, made of plain values: equal for equal spaces."""
        return {parameter.key: parameter.written() for parameter in self.parameters}

    @property
    def keys(self) -> list[str]:
        """The dotted keys."""
        return [parameter.key for parameter in self.parameters]

    @property
    def count(self) -> int | None:
        """How many different settings there are; None where a range is continuous, or too many conditions meet."""
        if any(parameter.domain.count is None for parameter in self.parameters):
            return None
        points = Counter({frozenset[str](): 1})  # by the parameters to come that are ruled out
        for parameter, conditions in self._parents_first():
            shares, inactive = _shares(parameter.domain, conditions), {frozenset(conditions): 1}
            before, points = points, Counter()
            for out, number in before.items():
                for ruled, values in (inactive if parameter.key in out else shares).items():
                    points[(out | ruled) - {parameter.key}] += number * values
            if len(points) > FRONTIER:
                return None
        return points.total()

    def _parents_first(self) -> Iterator[tuple[Parameter, dict[str, Choice]]]:
        """Each parameter after those it depends on, with the conditions of others on it, by their keys.

        Of those that may come next, first one on which no other depends: so few wait for their turn at any time.
        """
        conditions: dict[str, dict[str, Choice]] = {parameter.key: {} for parameter in self.parameters}
        for parameter in self.parameters:
            for other, allowed in parameter.when:
                conditions[other][parameter.key] = allowed
        left = {parameter.key: parameter for parameter in self.parameters}
        while left:
            ready = (p for p in left.values() if all(other not in left for other, _ in p.when))
            parameter = min(ready, key=lambda p: (bool(conditions[p.key]), not p.when))
            yield left.pop(parameter.key), conditions[parameter.key]

    def decode(self, units: Sequence[float]) -> Settings:
        """The settings at a point of the unit cube, one coordinate a parameter; null where a parameter is not active.

        Raises ValueError unless there are as many coordinates as parameters.
        """
        drawn = {p.key: p.domain.from_unit(float(u)) for p, u in zip(self.parameters, units, strict=True)}
        return {key: drawn[key] if active else None for key, active in self._active(drawn)}

    def encode(self, settings: Settings) -> list[float] | None:
        """The point of these settings, 0.5 where a parameter is not active; None if they lie outside the space."""
        units = []
        for parameter, (key, active) in zip(self.parameters, self._active(settings), strict=True):
            value = settings.get(key)
            if parameter.domain.contains(value) if active else value is None:
                units.append(parameter.domain.to_unit(value) if active else MIDDLE)
        return units if len(units) == len(self.parameters) else None

    def misfit(self, settings: Settings) -> str | None:
        """The first parameter that the settings lack, or of which they have no value of its kind, in range or not."""
        for parameter in self.parameters:
            value = settings.get(parameter.key)
            if parameter.key not in settings or not (value is None or _is_alike(value, parameter)):
                return parameter.key
        return None

    def contains(self, settings: Settings) -> bool:
        """Whether the settings lie in the space: every active parameter in its range, every other null."""
        return self.encode(settings) is not None

    def read(self, config: Config) -> Settings:
        """The settings that a configuration has; null where it has none and where a parameter is not active."""
        held = {p.key: _spelled(p, config) for p in self.parameters}
        return {key: held[key] if active else None for key, active in self._active(held)}

    def configure(self, config: Config, settings: Settings) -> Config:
        """The configuration of a trial; a parameter that is not active keeps the config's own value.

        Raises ConfigError where the settings contradict each other or the rest of the config.
        """
        return configured(config, {parameter.key: settings[parameter.key] for parameter in self.active(settings)})

    def active(self, settings: Settings) -> list[Parameter]:
        """The parameters that exist with these values of the others."""
        return [p for p, (_, active) in zip(self.parameters, self._active(settings), strict=True) if active]

    def _active(self, settings: Settings) -> Iterator[tuple[str, bool]]:
        """Which parameters exist with these values of the others."""
        by_key = {parameter.key: parameter for parameter in self.parameters}

        def holds(key: str) -> bool:
            conditions = by_key[key].when
            return all(holds(other) and allowed.contains(settings.get(other)) for other, allowed in conditions)

        return ((key, holds(key)) for key in by_key)


def _shares(domain: Domain, conditions: Mapping[str, Choice]) -> Counter[frozenset[str]]:
    """How many values fail the same conditions, by the keys of these; a value that none of them names fails all."""
    named: list[Any] = []
    for option in chain.from_iterable(allowed.options for allowed in conditions.values()):
        if domain.contains(option) and not Choice(tuple(named)).contains(option):
            named.append(option)
    shares = Counter(frozenset(key for key, of in conditions.items() if not of.contains(value)) for value in named)
    shares[frozenset(conditions)] += (domain.count or 0) - len(named)
    return +shares


def _is_alike(value: Any, parameter: Parameter) -> bool:
    """Whether a value may stand for those of the range, in it or not: the config's own may be a word, or a list."""
    domain = parameter.domain
    if is_number(value) or (isinstance(domain, Choice) and not all(map(is_number, domain.options))):
        return True
    problem = fault(Config(), parameter.key, value)
    return problem is None or problem[0] == "complaints"  # which is of another config's layers, not of the value


def is_mixed(domain: Domain) -> bool:
    """Whether words that no key knows stand among numbers, as no valid space has them."""
    options = domain.options if isinstance(domain, Choice) else ()
    words = [option for option in options if isinstance(option, str) and option not in ALSO]
    return bool(words) and any(map(is_number, options))


def _parameter(key: str, written: WrittenRange) -> Parameter:
    name = next(name for name in written if name != "when")
    conditions = sorted(written.get("when", {}).items())
    when = tuple((other, Choice(tuple(value if isinstance(value, list) else [value]))) for other, value in conditions)
    return Parameter(key, DOMAINS[name].of(written[name]), when)


def _spelled(parameter: Parameter, config: Config) -> Any:
    """The config's value; where it equals a choice that is written in another way, that choice.

    Layers of different widths have no depth either: that of a trial makes layers that are all alike.
    """
    value = value_at(config, parameter.key)
    if parameter.key == DEPTH and len(set(config.network.hidden)) > 1:
        return None
    if not isinstance(parameter.domain, Choice) or parameter.domain.contains(value):
        return value
    key = parameter.key
    options = parameter.domain.options
    return next((o for o in options if value_at(configured(config, {key: o}), key) == value), value)


def difference(old: WrittenSpace, new: WrittenSpace) -> list[str]:
    """What has changed from one canonical form of a space to another, a line a parameter."""
    lines = []
    for key in sorted({*old, *new}):
        if key not in old:
            lines.append(f"{key}: added, {one_line(new[key])}")
        elif key not in new:
            lines.append(f"{key}: removed, was {one_line(old[key])}")
        elif old[key] != new[key]:
            lines.append(f"{key}: {one_line(old[key])} → {one_line(new[key])}")
    return lines


def usual_space(config: Config, batch: int | None = None) -> WrittenSpace:
    """Rate, β₁, L2, and widths and batch sizes around the config's own.

    Layers of different widths keep their shape; where there is no hidden layer, none and one are tried. `batch` is the
    size that `auto` means on the data, once they are read; a config that takes all rows at once keeps to that.
    """
    asked = config.training.batch_size
    own = batch if isinstance(asked, str) else asked
    sizes = [max(1, own // 2), own, 2 * own] if own else BATCHES
    return {
        "optimizer.learning_rate": {"log": [1e-4, 1e-1]},
        "optimizer.beta1": {"one_minus_log": [0.9, 0.999], "when": {"optimizer.name": WITH_BETA1}},
        "regularization.l2": {"log": [1e-4, 10]},
        **_widths(list(config.network.hidden)),
        **({} if asked == "full" else {"training.batch_size": {"choice": list(dict.fromkeys(sizes))}}),
    }


def _widths(hidden: list[int]) -> dict[str, WrittenRange]:
    shapes = [[max(1, round(times * width)) for width in hidden] for times in TIMES] if hidden else SHAPES
    if len(set(hidden)) == 1:
        return {WIDTH: {"choice": list(dict.fromkeys(shape[0] for shape in shapes))}}
    return {"network.hidden": {"choice": [shape for i, shape in enumerate(shapes) if shape not in shapes[:i]]}}
