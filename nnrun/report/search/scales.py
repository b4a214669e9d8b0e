"""The scale of a searched parameter: where values lie on its axis, which runs from 0 to 1, and which ones to name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnrun.config.space.intervals import Domain, is_number
from nnrun.config.space.space import Parameter
from nnrun.report.page.charts import Axis, axis, shorts
from nnrun.search.trial_lines import setting

MOST = 6  # values that are named
STEPS = 20  # in which a keyboard walks along an axis of more values
APART = 0.12  # of the axis, at least
BELOW, ABOVE = -0.07, 1.07  # where a value outside of the space is drawn, such as one of the config as written
GOLDEN = 0.6180339887  # spreads whole numbers evenly


def ticks(domain: Domain) -> tuple[list[float], list[str]]:
    """Places on the axis and what stands there, in rising order."""
    values = domain.each() if domain.count is not None and domain.count <= MOST else domain.marks()
    places = [domain.to_unit(value) for value in values]
    kept: list[int] = []
    for i in sorted(range(len(values)), key=lambda i: (_digits(values[i]), places[i])):
        if all(abs(places[i] - places[j]) >= APART for j in kept):
            kept.append(i)
    return [places[i] for i in sorted(kept)], labels(values[i] for i in sorted(kept))


def stops(domain: Domain) -> dict[float, Any]:
    """Where a keyboard stops on the axis, and the value there: each of few values, else twentieths."""
    if domain.count is None:
        return {i / STEPS: domain.from_unit(i / STEPS) for i in range(STEPS + 1)}
    few = domain.count <= STEPS
    values = domain.each() if few else [domain.from_unit((i + 0.5) / STEPS) for i in range(STEPS)]
    return {round(domain.to_unit(value), 4): value for value in values}


def labels(values: Iterable[Any]) -> list[str]:
    """Values in a chart, those that begin alike told apart by how they end."""
    return shorts(f"{value:.6g}" if isinstance(value, float) else setting(value) for value in values)


def _digits(value: Any) -> int:
    """How many digits a number takes, so that round ones are named first; all else is alike."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0
    return len(f"{value:.6e}".split("e")[0].rstrip("0"))


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
