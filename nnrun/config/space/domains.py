"""Ranges of a search by name, and those with single values: whole numbers, steps and choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nnrun.config.space.intervals import LARGEST_WHOLE, Domain, Interval, Log, OneMinusLog, Uniform, Wrong
from nnrun.config.space.marks import decades
from nnrun.config.values import describe


@dataclass(frozen=True)
class Int(Interval):
    """Every whole number equally likely, the ends included."""

    name = "int"
    help = "every whole number from low to high, both included, is equally likely"
    whole = True
    low: int
    high: int

    @property
    def count(self) -> int:
        """The whole numbers from low to high."""
        return self.high - self.low + 1

    def from_unit(self, u: float) -> int:
        """Equal shares of the axis."""
        return self.low + min(int(u * self.count), self.count - 1)

    def to_unit(self, value: float) -> float:
        """The middle of its share."""
        return (value - self.low + 0.5) / self.count

    def contains(self, value: Any) -> bool:
        """Whether it is a whole number from low to high; 3.0 is one."""
        return super().contains(value) and value == int(value)

    def each(self) -> list[int]:
        """The whole numbers from low to high."""
        return list(range(self.low, self.high + 1))

    def wider(self, upper: bool) -> Domain:
        """Twice as wide; a range above 0 goes down to half of its low end at most."""
        width = self.high - self.low
        if upper:
            return Int(self.low, self.high + width)
        return Int(self.low - width if self.low <= 0 else max(self.low // 2, self.low - width), self.high)


@dataclass(frozen=True)
class IntLog(Int):
    """Whole numbers, every decade equally likely."""

    name = "int_log"
    help = "whole numbers from low to high, both included; every decade gets an equal share; low ≥ 1"

    @classmethod
    def _off_scale(cls, value: float) -> str | None:
        return None if value >= 1 else f"a log scale of whole numbers begins at 1, got {describe(value)}"

    def _ends(self) -> tuple[float, float]:
        """The ends of the axis: half a number beyond, so that the first and the last number get a whole share."""
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def from_unit(self, u: float) -> int:
        """Equal shares of the logarithmic axis, rounded."""
        a, b = self._ends()
        return min(max(math.floor(math.exp(a + u * (b - a)) + 0.5), self.low), self.high)

    def to_unit(self, value: float) -> float:
        """Along the logarithmic axis."""
        a, b = self._ends()
        return (math.log(value) - a) / (b - a)

    def marks(self) -> list[float]:
        """Powers of ten."""
        return decades(self.low, self.high)

    def wider(self, upper: bool) -> Domain:
        """A decade more."""
        return IntLog(self.low, self.high * 10) if upper else IntLog(max(1, self.low // 10), self.high)


@dataclass(frozen=True)
class Quantized(Interval):
    """Low, low + step, … high: all equally likely; whole numbers if low and step are."""

    name = "quantized"
    help = "low, low + step, … high, all equally likely"
    ends = "[low, high, step]"
    step: float

    @classmethod
    def of(cls, written: Any) -> Domain:
        """Of whole numbers if all three are."""
        whole = all(isinstance(value, int) for value in written)
        return cls(*(written if whole else map(float, written)))

    @classmethod
    def wrong(cls, written: Any) -> list[Wrong]:
        """As for an interval, and the steps must meet the high end."""
        if found := super().wrong(written):
            return found
        low, high, step = written
        if step <= 0:
            return [((2,), f"the step must be above 0, got {describe(step)}")]
        span, stride = _exact(high) - _exact(low), _exact(step)
        if span / stride > LARGEST_WHOLE:
            return [((2,), f"the step {describe(step)} is too small for the range")]
        if rest := span % stride:
            reached = float(_exact(high) - rest)
            return [((1,), f"steps of {step:g} from {low:g} do not meet {high:g}; the last one is {reached:g}")]
        return []

    @property
    def count(self) -> int:
        """The steps, both ends included."""
        return int((_exact(self.high) - _exact(self.low)) / _exact(self.step)) + 1

    def from_unit(self, u: float) -> float:
        """Equal shares of the axis."""
        steps = min(int(u * self.count), self.count - 1)
        if isinstance(self.step, int):
            return self.low + steps * self.step
        return float(_exact(self.low) + steps * _exact(self.step))  # 0.3, not 0.30000000000000004

    def to_unit(self, value: float) -> float:
        """The middle of its share."""
        return (round((value - self.low) / self.step) + 0.5) / self.count

    def contains(self, value: Any) -> bool:
        """Whether it is one of the steps."""
        return super().contains(value) and self.from_unit(self.to_unit(value)) == value

    def wider(self, upper: bool) -> Domain:
        """Twice as wide; a range above 0 keeps to what is not below 0."""
        low, high, step = map(_exact, (self.low, self.high, self.step))
        width, kind = high - low, type(self.low)
        if upper:
            return Quantized(self.low, kind(high + width), self.step)
        return Quantized(kind(low - width if low <= 0 else max(low % step, low - width)), self.high, self.step)


def _exact(value: float) -> Decimal:
    """The number as it was written, so that steps of 0.1 add up."""
    return Decimal(repr(value))


@dataclass(frozen=True)
class Choice(Domain):
    """One of a list of values, all equally likely."""

    name = "choice"
    help = "one of a list of values, all equally likely"
    options: tuple[Any, ...]

    @classmethod
    def wrong(cls, written: Any) -> list[Wrong]:
        """What is wrong with written choices: there must be one, and none twice."""
        if not isinstance(written, list):
            return [((), f"expected a list of choices, got {describe(written)}")]
        if not written:
            return [((), "the list of choices is empty")]
        seen = [(i, option) for i, option in enumerate(written) if _index(written[:i], option) is not None]
        return [((i,), f"{describe(option)} is given twice") for i, option in seen]

    @classmethod
    def of(cls, written: Any) -> Domain:
        """The choices in the order of the file."""
        return cls(tuple(written))

    def written(self) -> list[Any]:
        """The choices."""
        return list(self.options)

    @property
    def count(self) -> int:
        """The number of choices."""
        return len(self.options)

    def from_unit(self, u: float) -> Any:
        """Equal shares of the axis."""
        return self.options[min(int(u * self.count), self.count - 1)]

    def to_unit(self, value: Any) -> float:
        """The middle of its share; ValueError if it is no choice."""
        index = _index(self.options, value)
        if index is None:
            raise ValueError(f"{value!r} is no choice")
        return (index + 0.5) / self.count

    def contains(self, value: Any) -> bool:
        """Whether it is one of the choices."""
        return _index(self.options, value) is not None

    def marks(self) -> list[Any]:
        """The choices."""
        return list(self.options)


def _index(options: Sequence[Any], value: Any) -> int | None:
    """Where a value stands in a list; unlike in Python, 1 is not true."""
    truth = isinstance(value, bool)
    equal = (i for i, option in enumerate(options) if option == value and isinstance(option, bool) == truth)
    return next(equal, None)


DOMAINS: dict[str, type[Domain]] = {
    "uniform": Uniform,
    "int": Int,
    "log": Log,
    "int_log": IntLog,
    "one_minus_log": OneMinusLog,
    "choice": Choice,
    "quantized": Quantized,
}
