"""The temperature by which classes are made as sure as they are right, and whether rows can tell it from none."""

from __future__ import annotations

import numpy as np

from nnrun.data.features.weights import effective_rows
from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array
from nnrun.runs.grouped import independent_rows
from nnrun.text import counted, number

NONE = 1.0
LOWEST, HIGHEST = 0.01, 100.0  # temperatures; beyond them probabilities are 0 and 1, or all the same
AT_END = 1.001  # times an end of these: what is found there lies beyond
TELLING = 1.92  # log likelihood to be gained: half the 95% quantile of χ² with one degree of freedom
FEW = 50  # rows, of which a network that needs no temperature is given one between 0.5 and 1.7


def told_temperature(
    loss: Loss, logits: Array, y: Array, weights: Array | None = None, groups: Array | None = None
) -> tuple[float, list[str]]:
    """The temperature to take, and what is to be said of it.

    It is that with the lowest log loss where a likelihood ratio test (Wilks 1938) tells it from 1 with 95%; else 1. Of
    a handful of rows the lowest loss is found at almost any temperature, which makes new rows worse. Rows of a group
    are alike, so that they gain as much by chance as fewer rows do: each counts as `_independent` has it.
    """
    found = fitted_temperature(loss, logits, y, weights)
    if found is None:
        return NONE, ["every dev row is right, so dev cannot tell how sure the network may be"]
    if not LOWEST * AT_END < found < HIGHEST / AT_END:
        return NONE, [f"dev asks for a temperature beyond {number(LOWEST)} to {number(HIGHEST)}, so none is taken"]
    rows = _independent(loss, logits / found, y, weights, groups)
    gained = rows * (log_loss(loss, logits, y, weights) - log_loss(loss, logits / found, y, weights))
    whose = counted(len(y), "dev row")
    if groups is not None:
        whose += f", as good as {counted(rows, 'independent one')},"
    if gained < TELLING:
        asked = f"{whose} would ask for temperature {number(found)}"
        return NONE, [f"{asked}, which they cannot tell from 1 (likelihood ratio test, 95%), so it stays 1"]
    if groups is None:
        whose = counted(rows, "dev row")
    return found, [f"{whose} are few to fit a temperature on: others may ask for quite another"] if rows < FEW else []


def _independent(loss: Loss, logits: Array, y: Array, weights: Array | None, groups: Array | None) -> int:
    """How many rows that come one by one would tell temperatures apart as these do.

    Of groups by the slopes of the loss by the temperature, at the fitted one: as many as have a mean of the same
    variance (Rotnitzky & Jewell 1990, Biometrika 77, 485-497), less what Student's t asks of few groups.
    """
    if groups is None:
        return len(y) if weights is None else effective_rows(weights)
    slopes = logits * loss.gradient(logits.copy(), loss.targets(y, logits.dtype), np.empty_like(logits))
    return independent_rows(slopes.sum(axis=-1), groups, weights, learned=True)  # no rare mistakes, but of each row


def log_loss(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """The mean over rows, by their weights."""
    return float(np.average(loss.each(logits, loss.targets(y, logits.dtype))[0], weights=weights))


def fitted_temperature(loss: Loss, logits: Array, y: Array, weights: Array | None = None) -> float | None:
    """The T > 0 for which logits / T have the lowest mean log loss (Guo et al. 2017).

    It is convex in 1/T, so there is one valley. None where it has no floor: where every row that counts is right, the
    surest network is the best.
    """
    from scipy.optimize import minimize_scalar

    wrong = loss.each(logits, loss.targets(y, logits.dtype))[1]
    if not np.average(wrong, weights=weights):
        return None

    def cost(log_temperature: float) -> float:
        return log_loss(loss, logits / np.exp(log_temperature), y, weights)

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    return float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))
