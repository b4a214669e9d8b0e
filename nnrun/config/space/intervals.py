"""What a range of values can do, and the continuous ranges: rising maps between the unit interval and numbers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, TypeGuard

from nnrun.config.space.marks import decades, multiples
from nnrun.config.values import describe

Wrong = tuple[tuple[int, ...], str]  # the item of the range, or the range itself, and what is wrong with it

LARGEST_WHOLE = 2**53  # beyond, floats skip whole numbers
LARGEST = 1e300  # keeps high − low finite


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a YAML value is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Domain(ABC):
    """A range; `from_unit` and `to_unit` are each other's inverse."""

    name: ClassVar[str]
    help: ClassVar[str]

    @classmethod
    @abstractmethod
    def wrong(cls, written: Any) -> list[Wrong]:
        """What is wrong with a range as written in the file; empty if it can be built."""

    @classmethod
    @abstractmethod
    def of(cls, written: Any) -> Domain:
        """The range; `written` must have nothing wrong."""

    @abstractmethod
    def written(self) -> list[Any]:
        """The range as it would be written in the file."""

    @abstractmethod
    def from_unit(self, u: float) -> Any:
        """The value at `u` in [0, 1]."""

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """Where a value of the range lies in [0, 1]; for one of many values, the middle of its share."""

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether a value, of any kind, lies in the range."""

    @abstractmethod
    def marks(self) -> list[Any]:
        """Values that a chart may name on the axis of the range, in rising order; it leaves out what has no room."""

    @property
    def count(self) -> int | None:
        """How many different values there are; None for a continuous range."""
        return None

    def each(self) -> list[Any]:
        """All values, in the order of the axis; none of a continuous range."""
        count = self.count or 0
        return [self.from_unit((i + 0.5) / count) for i in range(count)]

    def wider(self, upper: bool) -> Domain | None:
        """The range with its upper or lower end pushed out by a sensible step; None if it has no ends."""
        return None


@dataclass(frozen=True)
class Interval(Domain):
    """Numbers between two ends, both included."""

    low: float
    high: float
    ends: ClassVar[str] = "[low, high]"
    whole: ClassVar[bool] = False

    @classmethod
    def wrong(cls, written: Any) -> list[Wrong]:
        """Both ends must be numbers of the scale, the low one below the high one."""
        length = cls.ends.count(",") + 1
        if not isinstance(written, list) or len(written) != length:
            got = f"a list of {len(written)}" if isinstance(written, list) else describe(written)
            return [((), f"expected {cls.ends}, got {got}")]
        found: list[Wrong] = [
            ((i,), problem) for i, value in enumerate(written) if (problem := cls.wrong_number(value))
        ]
        if not found and written[0] >= written[1]:
            found.append(((), f"low must be below high, got {describe(written[0])} and {describe(written[1])}"))
        return found

    @classmethod
    def wrong_number(cls, value: Any) -> str | None:
        """Why this cannot be an end of such a range; None if it can."""
        if not is_number(value) or (cls.whole and not isinstance(value, int)):
            return f"expected a {'whole ' if cls.whole else ''}number, got {describe(value)}"
        if abs(value) > (LARGEST_WHOLE if cls.whole else LARGEST):
            return f"{describe(value)} is too large for a range"
        return cls._off_scale(value)

    @classmethod
    def _off_scale(cls, value: float) -> str | None:
        """Why this number has no place on the scale."""
        return None

    @classmethod
    def of(cls, written: Any) -> Domain:
        """The interval, its ends as floats unless it is of whole numbers."""
        return cls(*[value if cls.whole else float(value) for value in written])

    def written(self) -> list[Any]:
        """The ends as they are held, so that `1` and `1.0` are one range."""
        return list(astuple(self))

    def contains(self, value: Any) -> bool:
        """Whether it is a number from low to high."""
        return is_number(value) and self.low <= value <= self.high

    def marks(self) -> list[float]:
        """Multiples of a round number; whole ones stay whole."""
        values = [value for value in multiples(self.low, self.high) if self.contains(value)]
        return [int(v) if v == int(v) and self.contains(int(v)) else v for v in values]


class Smooth(Interval):
    """An interval that is uniform after a transformation of its axis."""

    @staticmethod
    @abstractmethod
    def axis(value: float) -> float:
        """The transformed value."""

    @staticmethod
    @abstractmethod
    def back(x: float) -> float:
        """The value again."""

    def from_unit(self, u: float) -> float:
        """Along the transformed axis; the ends to the last digit."""
        if u <= 0 or u >= 1:  # the ends to the last digit
            return self.low if u <= 0 else self.high
        a, b = self.axis(self.low), self.axis(self.high)
        return min(max(self.back(a + u * (b - a)), self.low), self.high)

    def to_unit(self, value: float) -> float:
        """Along the transformed axis."""
        a, b = self.axis(self.low), self.axis(self.high)
        return min(max((self.axis(value) - a) / (b - a), 0.0), 1.0)


@dataclass(frozen=True)
class Uniform(Smooth):
    """Every number equally likely."""

    name = "uniform"
    help = "every number between low and high is equally likely"

    @staticmethod
    def axis(value: float) -> float:
        """The value itself."""
        return value

    @staticmethod
    def back(x: float) -> float:
        """The value itself."""
        return x

    def wider(self, upper: bool) -> Domain:
        """Twice as wide; a range above 0 goes down to 0 at most."""
        width = self.high - self.low
        if upper:
            return Uniform(self.low, self.high + width)
        return Uniform(self.low - width if self.low <= 0 else max(0.0, self.low - width), self.high)


@dataclass(frozen=True)
class Log(Smooth):
    """Every decade equally likely."""

    name = "log"
    help = "every decade between low and high gets an equal share; low > 0"

    @staticmethod
    def axis(value: float) -> float:
        """log(value)."""
        return math.log(value)

    @staticmethod
    def back(x: float) -> float:
        """exp(x)."""
        return math.exp(x)

    @classmethod
    def _off_scale(cls, value: float) -> str | None:
        return None if value > 0 else f"a log scale begins above 0, got {describe(value)}"

    def marks(self) -> list[float]:
        """Powers of ten."""
        return decades(self.low, self.high)

    def wider(self, upper: bool) -> Domain:
        """A decade more."""
        return Log(self.low, self.high * 10) if upper else Log(self.low / 10, self.high)


@dataclass(frozen=True)
class OneMinusLog(Smooth):
    """Every decade of 1 − value equally likely: for averages that remember 1 / (1 − β) steps."""

    name = "one_minus_log"
    help = "every decade of 1 − value gets an equal share: 0.9 to 0.99 as much as 0.99 to 0.999; for β"

    @staticmethod
    def axis(value: float) -> float:
        """−log(1 − value), without forming 1 − value, which would lose the digits of a small value."""
        return -math.log1p(-value)

    @staticmethod
    def back(x: float) -> float:
        """1 − exp(−x)."""
        return -math.expm1(-x)

    @classmethod
    def _off_scale(cls, value: float) -> str | None:
        return None if 0 <= value < 1 else f"must be at least 0 and below 1, got {describe(value)}"

    def marks(self) -> list[float]:
        """1 less a power of ten."""
        return sorted(1 - value for value in decades(1 - self.high, 1 - self.low))

    def wider(self, upper: bool) -> Domain:
        """A decade of 1 − value more."""
        if upper:
            return OneMinusLog(self.low, 1 - float(f"{(1 - self.high) / 10:.6g}"))
        return OneMinusLog(max(0.0, 1 - float(f"{(1 - self.low) * 10:.6g}")), self.high)
