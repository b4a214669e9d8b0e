"""The learning-rate range test: a short training whose rate grows from step to step (Smith 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count, islice
from typing import NamedTuple

import numpy as np

from nnrun.engine.evaluation import Evaluator
from nnrun.engine.layers import Mode
from nnrun.engine.parameters import Buffers
from nnrun.engine.schedules import Constant
from nnrun.engine.trainer import sample
from nnrun.insight.preflight.context import Context, Given, setting, with_values
from nnrun.runs.assembly import recipe
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import number, sparkline

LOWEST, HIGHEST = 1e-6, 1e2
STEPS, FEWEST_STEPS = 120, 40
STEP_WORK = 30_000_000_000  # multiplications of all steps together
SMOOTHING = 0.5  # weight of the newest loss: the average runs over about two steps
MEASURED_ROWS = 256
DIVERGED = 4.0  # times the lowest smoothed loss
LEAST_FALL = 0.1  # share of the first loss; a curve that falls by less says nothing
SAFETY = 10.0  # below where the loss diverges
TRIAL_STEPS = 300
USELESS = 0.1  # of the fall at the other rate: what is less is no matter of taste
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
    configured = context.config.optimizer.learning_rate
    tried, found = rates[: len(losses)].tolist(), find_rate(rates[: len(losses)].tolist(), losses)
    both = None if found.suggestion is None else _trial(context, round_rate(found.suggestion))
    return judge_rates(tried, losses, configured, both)


class Trial(NamedTuple):
    """The loss on the same rows before and after so many steps on the same batches, at the config's rate and another.

    NaN where numbers ceased to be finite.
    """

    steps: int
    first: float
    configured: float
    other: float

    @property
    def useless(self) -> bool:
        """Whether the config's rate gets nowhere while the other one learns."""
        there, here = self.first - self.other, self.first - self.configured
        return there > LEAST_FALL * self.first and not here >= USELESS * there


def _trial(context: Context, rate: float) -> Trial:
    """Two members with the same weights and batches, each at its rate throughout."""
    parameters = context.plain.mlp.network().theta.size
    steps = max(FEWEST_STEPS, min(TRIAL_STEPS, STEP_WORK // (6 * parameters * context.recipe.batch_size)))
    configs = [context.config, context.tried({"optimizer.learning_rate": rate}).config]
    both = replace(recipe(configs, context.dataset), schedule=Constant())
    trainer, rows = context.trainer(both, context.train, 2), sample(context.train, MEASURED_ROWS)
    whole = Evaluator(trainer.network, both.loss, rows)
    first = float(whole(trainer.bound)[0][0])
    for _ in islice(chain.from_iterable(trainer.steps() for _ in count()), steps):
        pass
    here, there = (float(loss) for loss in whole(trainer.bound)[0])
    return Trial(steps, first, here, there)


def _losses(context: Context, rates: Sequence[float]) -> list[float]:
    """The loss before each step; ends where it is no longer finite or has grown beyond use.

    It is measured on the same rows each time, dropout off, since the losses of small batches differ by more than
    the first steps change.
    """
    h = with_values(context.recipe.hyperparameters, 1, learning_rate=1.0)
    rising = replace(context.recipe, hyperparameters=h, schedule=Given(tuple(rates)))
    trainer, rows = context.trainer(rising, context.train), sample(context.train, MEASURED_ROWS)
    mode = Mode(train=True, buffers=Buffers(rows.x.dtype))
    targets = rising.loss.targets(rows.y[None], rows.x.dtype)
    losses: list[float] = []
    steps = chain.from_iterable(trainer.steps() for _ in count())
    for _ in rates:
        logits, _backward = trainer.network.forward(trainer.bound, rows.x[None], mode)
        losses.append(float(rising.loss.sums(logits, targets, rows.weights)[0][0]) / rows.total)
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


def round_rate(rate: float) -> float:
    """One digit, as it is suggested."""
    return float(f"{rate:.1g}")


def judge_rates(
    rates: Sequence[float], losses: Sequence[float], configured: float, trial: Trial | None = None
) -> Finding:
    """The curve beside the rate of the config; another one is suggested where a trial of both speaks for it."""
    found = find_rate(rates, losses)
    useless = trial is not None and trial.useless
    suggestion = found.suggestion if useless else None
    numbers = {
        "suggestion": suggestion, "steepest": found.suggestion, "diverges": found.diverges,
        "trial": trial._asdict() if trial else None, "rates": list(rates), "losses": list(losses),
    }  # fmt: skip
    picture = plot(rates, losses)
    beyond = "" if found.diverges is None else f", diverges at {found.diverges:.1g}"
    if found.suggestion is None:
        return Finding("pass", f"no suggestion: the loss hardly falls{beyond}", None, numbers, picture)
    if trial is None or not useless:
        told = f", loss {number(trial.first)} → {number(trial.configured)} in {trial.steps} steps" if trial else ""
        return Finding(
            "pass", f"the config's rate of {configured:g} is within what works{told}{beyond}", None, numbers, picture
        )
    other = round_rate(found.suggestion)
    text = (
        f"suggests {other:g}: from a loss of {number(trial.first)}, {trial.steps} steps lead to {number(trial.other)}, "
        f"and at the config's {configured:g} to {number(trial.configured)}{beyond}"
    )
    return Finding("warn", text, setting("optimizer.learning_rate", other), numbers, picture)


def plot(rates: Sequence[float], losses: Sequence[float]) -> str:
    """The smoothed loss over the rate on the log scale, lowest to highest, in one line."""
    smooth = _smooth(losses)
    finite = smooth[np.isfinite(smooth)]
    if len(finite) < 2:
        return ""
    high = float(min(finite.max(), 2 * finite[0]))
    low = min(float(finite.min()), high * (1 - LEAST_FALL))  # a loss that hardly falls is drawn as one
    places = np.linspace(0, len(finite) - 1, min(WIDTH, len(finite))).round().astype(int)
    return f"{rates[0]:.0e} {sparkline(finite[places].tolist(), low, high)} {rates[len(finite) - 1]:.0e}"
