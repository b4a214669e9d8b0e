"""The learning-rate range test: a short training whose rate grows from step to step (Smith 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from typing import NamedTuple

import numpy as np

from nnrun.engine.layers import Mode
from nnrun.engine.parameters import Buffers
from nnrun.engine.trainer import sample
from nnrun.insight.preflight.context import Context, Given, setting, with_values
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import sparkline

LOWEST, HIGHEST = 1e-6, 1e2
STEPS, FEWEST_STEPS = 120, 40
STEP_WORK = 30_000_000_000  # multiplications of all steps together
SMOOTHING = 0.5  # weight of the newest loss: the average runs over about two steps
MEASURED_ROWS = 256
DIVERGED = 4.0  # times the lowest smoothed loss
LEAST_FALL = 0.1  # share of the first loss; a curve that falls by less says nothing
SAFETY = 10.0  # below where the loss diverges
TOO_LOW = 300.0  # times below the suggestion
WIDTH = 48


class RateRange(NamedTuple):
    """What the curve says: the rate where it falls steepest, where it diverges; None where it does not say."""

    suggestion: float | None
    diverges: float | None


def check_rates(context: Context) -> Finding:
    """Mini-batches as in training, dropout and penalties as configured, on a sample of the training rows."""
    parameters = context.plain.mlp.network().theta.size
    batch = min(context.recipe.batch_size, len(context.train))
    steps = min(STEPS, STEP_WORK // (6 * parameters * batch))
    if steps < FEWEST_STEPS:
        return Finding("pass", "no suggestion: the network is too large to try in seconds")
    rates = np.geomspace(LOWEST, HIGHEST, steps)
    losses = _losses(context, rates.tolist())
    return judge_rates(rates[: len(losses)].tolist(), losses, context.config.optimizer.learning_rate)


def _losses(context: Context, rates: Sequence[float]) -> list[float]:
    """The loss before each step; ends where it is no longer finite or has grown beyond use.

    It is measured on the same rows each time, dropout off, since the losses of small batches differ by more than
    the first steps change.
    """
    h = with_values(context.recipe.hyperparameters, 1, learning_rate=1.0)
    recipe = replace(context.recipe, hyperparameters=h, schedule=Given(tuple(rates)))
    trainer, rows = context.trainer(recipe, context.train), sample(context.train, MEASURED_ROWS)
    mode = Mode(train=True, buffers=Buffers(rows.x.dtype))
    targets = recipe.loss.targets(rows.y[None], rows.x.dtype)
    losses: list[float] = []
    steps = chain.from_iterable(trainer.steps() for _ in count())
    for _ in rates:
        logits, _backward = trainer.network.forward(trainer.bound, rows.x[None], mode)
        losses.append(float(recipe.loss.sums(logits, targets, rows.weights)[0][0]) / rows.total)
        if not losses[-1] < 2 * DIVERGED * losses[0]:
            break
        next(steps)
    return losses


def find_rate(rates: Sequence[float], losses: Sequence[float]) -> RateRange:
    """Where the smoothed loss falls steepest on the scale of log rate, at most a tenth of where it diverges."""
    smooth = _smooth(losses)
    lowest = np.minimum.accumulate(smooth)
    worse = np.flatnonzero(~(smooth <= DIVERGED * lowest))
    raw = np.flatnonzero(~np.isfinite(losses))
    ends = [int(found[0]) for found in (worse, raw) if len(found)]
    diverges = rates[min(ends)] if ends else None
    stop = min(ends, default=len(smooth))
    bottom = int(np.argmin(smooth[:stop])) if stop else 0
    if bottom < 2 or smooth[bottom] > (1 - LEAST_FALL) * smooth[0]:
        return RateRange(None, diverges)
    slope = np.gradient(smooth[: bottom + 1], np.log(rates[: bottom + 1]))
    steepest = rates[int(np.argmin(slope))]
    return RateRange(min(steepest, diverges / SAFETY) if diverges else steepest, diverges)


def _smooth(losses: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The exponentially weighted average, NaN where a loss is not finite, which pandas passes over."""
    import pandas as pd

    averages = pd.Series(losses, dtype=float).ewm(alpha=SMOOTHING).mean().to_numpy()
    return np.where(np.isfinite(losses), averages, np.nan)


def judge_rates(rates: Sequence[float], losses: Sequence[float], configured: float) -> Finding:
    """The curve beside the rate of the config."""
    found = find_rate(rates, losses)
    numbers = {"suggestion": found.suggestion, "diverges": found.diverges, "rates": list(rates), "losses": list(losses)}
    picture = plot(rates, losses)
    beyond = "" if found.diverges is None else f", diverges at {found.diverges:.1g}"
    if found.suggestion is None:
        return Finding("pass", f"no suggestion: the loss hardly falls{beyond}", None, numbers, picture)
    text = f"suggests {found.suggestion:.1g}{beyond}; the config has {configured:g}"
    cure = setting("optimizer.learning_rate", float(f"{found.suggestion:.1g}"))
    if found.diverges is not None and configured >= found.diverges:
        return Finding("warn", text, cure, numbers, picture)
    if configured < found.suggestion / TOO_LOW:
        return Finding("warn", f"{text}, which is slow", cure, numbers, picture)
    return Finding("pass", text, None, numbers, picture)


def plot(rates: Sequence[float], losses: Sequence[float]) -> str:
    """The smoothed loss over the rate on the log scale, lowest to highest, in one line."""
    smooth = _smooth(losses)
    finite = smooth[np.isfinite(smooth)]
    if len(finite) < 2:
        return ""
    low, high = float(finite.min()), float(min(finite.max(), 2 * finite[0]))
    places = np.linspace(0, len(finite) - 1, min(WIDTH, len(finite))).round().astype(int)
    return f"{rates[0]:.0e} {sparkline(finite[places].tolist(), low, high)} {rates[len(finite) - 1]:.0e}"
