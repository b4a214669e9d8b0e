"""Round numbers between two others, for the axis of a range."""

from __future__ import annotations

import math


def decades(low: float, high: float) -> list[float]:
    """The powers of ten from low to high; where these are few, 2 and 5 times them too."""
    digits = (1,) if high >= 100 * low * (1 - 1e-9) else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{digit}e{power}") for power in powers for digit in digits]
    slack = 1e-9
    return [min(max(v, low), high) for v in values if low * (1 - slack) <= v <= high * (1 + slack)]


def multiples(low: float, high: float) -> list[float]:
    """Multiples of a round number, the first not above low, the last not below high."""
    step = _step(float(high) - float(low))
    return [round(i * step, 12) for i in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _step(width: float) -> float:
    """A round number that goes three to six times into the width."""
    power = 10.0 ** math.floor(math.log10(width / 3))  # may be a bit above: a third of 0.3 is below 0.1
    return next((m * power for m in (5, 2) if m * power <= width / 3), power)
