"""The scale of a searched parameter: where values lie on its axis, which runs from 0 to 1, and which ones to name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from nnrun.config.space.domains import Int, IntLog
from nnrun.config.space.intervals import Domain, Log, OneMinusLog, is_number
from nnrun.config.space.space import Parameter
from nnrun.report.page.charts import Axis, axis, short

MOST = 6  # values that are named
STEPS = 20  # in which a keyboard walks along an axis of more values
APART = 0.12  # of the axis, at least
BELOW, ABOVE = -0.07, 1.07  # where a value outside of the space is drawn, such as one of the config as written
GOLDEN = 0.6180339887  # spreads whole numbers evenly


def ticks(domain: Domain) -> tuple[list[float], list[str]]:
    """Places on the axis and what stands there, in rising order."""
    values = list(_named(domain))
    places = [domain.to_unit(value) for value in values]
    kept: list[int] = []
    for i in sorted(range(len(values)), key=lambda i: (_digits(values[i]), places[i])):
        if all(abs(places[i] - places[j]) >= APART for j in kept):
            kept.append(i)
    return [places[i] for i in sorted(kept)], [label(values[i]) for i in sorted(kept)]


def stops(domain: Domain) -> dict[float, Any]:
    """Where a keyboard stops on the axis, and the value there: each of few values, else twentieths."""
    if domain.count is None:
        return {i / STEPS: domain.from_unit(i / STEPS) for i in range(STEPS + 1)}
    shares = min(domain.count, STEPS)
    values = [domain.from_unit((i + 0.5) / shares) for i in range(shares)]
    if isinstance(domain, Int) and domain.count <= STEPS:
        values = list(range(domain.low, domain.high + 1))
    return {round(domain.to_unit(value), 4): value for value in values}


def label(value: Any) -> str:
    """A value in a chart."""
    return f"{value:.6g}" if isinstance(value, float) else short(value)


def _digits(value: Any) -> int:
    """How many digits a number takes, so that round ones are named first; all else is alike."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0
    return len(f"{value:.6e}".split("e")[0].rstrip("0"))


def _named(domain: Domain) -> Iterable[Any]:
    if domain.count is not None and (domain.count <= MOST or not hasattr(domain, "low")):
        return [domain.from_unit((i + 0.5) / domain.count) for i in range(domain.count)]
    low, high = domain.written()[:2]
    if isinstance(domain, (Log, IntLog)):
        return _round(low, high)
    if isinstance(domain, OneMinusLog):
        return sorted(1 - value for value in _round(1 - high, 1 - low))
    step = _step(float(high) - float(low))
    return _contained(domain, [round(i * step, 12) for i in range(math.floor(low / step), math.ceil(high / step) + 1)])


def _contained(domain: Domain, values: Sequence[float]) -> list[Any]:
    """The values that a domain contains, as it has them: whole numbers stay whole."""
    return [int(v) if domain.contains(int(v)) and v == int(v) else v for v in values if domain.contains(v)]


def _round(low: float, high: float) -> list[float]:
    """The powers of ten from low to high; where these are few, 2 and 5 times them too."""
    digits = (1,) if high >= 100 * low * (1 - 1e-9) else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{digit}e{power}") for power in powers for digit in digits]
    slack = 1e-9
    return [min(max(v, low), high) for v in values if low * (1 - slack) <= v <= high * (1 + slack)]


def _step(width: float) -> float:
    """A round number that goes three to six times into the width."""
    power = 10.0 ** math.floor(math.log10(width / 3))  # may be a bit above: a third of 0.3 is below 0.1
    return next((m * power for m in (5, 2) if m * power <= width / 3), power)


def scale_axis(parameter: Parameter, title: str | None = None) -> Axis:
    """The axis of a parameter."""
    places, words = ticks(parameter.domain)
    return axis(
        parameter.key if title is None else title,
        range=[BELOW - 0.03, ABOVE + 0.03],
        tickvals=places,
        ticktext=words,
        zeroline=False,
    )


def exact_place(parameter: Parameter, value: Any) -> float:
    """Where a value lies on the axis, or beside it."""
    if not parameter.domain.contains(value):
        return ABOVE if is_number(value) and value > getattr(parameter.domain, "high", value) else BELOW
    return round(parameter.domain.to_unit(value), 4)


def place(parameter: Parameter, number: int, value: Any) -> float:
    """Where a trial's point is drawn; those that share one of few values are spread a little, always the same way."""
    at, count = exact_place(parameter, value), parameter.domain.count
    if count is None or count > 4 * MOST or not parameter.domain.contains(value):
        return at
    return round(at + ((number * GOLDEN) % 1 - 0.5) * 0.5 / count, 4)
