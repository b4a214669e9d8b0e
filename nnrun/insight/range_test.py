"""Which learning rates the data bear, by short trainings: the range test, whose rate grows from step to step (Smith
2017), and rates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count, islice
from typing import NamedTuple

import numpy as np

from nnrun.config.config import Config
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.layers import Mode
from nnrun.engine.members import mean_sums
from nnrun.engine.parameters import Buffers
from nnrun.engine.sampling import sample
from nnrun.engine.schedules import Constant, Given
from nnrun.engine.trainer import Recipe, Trainer
from nnrun.runs.assembly import examples, memory_needed, recipe
from nnrun.runs.symptoms.evidence import CalmerRate
from nnrun.text import sparkline

MOST_ROWS, FEWEST_ROWS = 2_000, 128  # training rows that a network is tried on
WORK = 200_000_000  # rows × parameters; a pass through them takes some tenths of a second

LOWEST, HIGHEST = 1e-6, 1e2
STEPS, FEWEST_STEPS = 120, 40
STEP_WORK = 30_000_000_000  # multiplications of all steps together
SMOOTHING = 0.5  # weight of the newest loss: the average runs over about two steps
MEASURED_ROWS = 256
DIVERGED = 4.0  # times the lowest smoothed loss
LEAST_FALL = 0.1  # share of the first loss; a curve that falls by less says nothing
SAFETY = 10.0  # below where the loss diverges
BELOW = (0.5, 0.1, 0.01)  # shares of where the loss diverges, tried after a divergence
BEYOND = 3.0  # times where the loss diverges: so far the test may err, as each rate has one step
TRIAL_STEPS = 300
RATE = "optimizer.learning_rate"
WIDTH = 48


def some_rows(config: Config, dataset: Dataset) -> Examples:
    """The training part, or a fixed random sample of it, smaller for large networks."""
    parameters = memory_needed(config, dataset)[0]
    return sample(examples(dataset, "train"), min(MOST_ROWS, max(FEWEST_ROWS, WORK // parameters)))


class RateRange(NamedTuple):
    """What the curve says: the rate where it falls steepest, where it diverges; None where it does not say."""

    suggestion: float | None
    diverges: float | None


class Curve(NamedTuple):
    """The rates that were taken, one a step, and the loss before each of them."""

    rates: list[float]
    losses: list[float]


def range_test(trained: Recipe, train: Examples, seed: int) -> Curve | None:
    """Mini-batches as in training, dropout and penalties as configured; None for a network too large to try in seconds.

    The loss is measured on the same rows each time, dropout off, since the losses of small batches differ by more than
    the first steps change. The test ends where it is no longer finite or has grown beyond use.
    """
    batch = min(trained.batch_size, len(train))
    steps = min(STEPS, STEP_WORK // (6 * trained.mlp.parameters * batch))
    if steps < FEWEST_STEPS:
        return None
    rates = np.geomspace(LOWEST, HIGHEST, steps).tolist()
    h = replace(trained.hyperparameters, learning_rate=np.ones((1, 1)))
    rising = replace(trained, hyperparameters=h, schedule=Given(tuple(rates)))
    trainer, rows = Trainer(rising, train, train.take(slice(2)), [seed]), sample(train, MEASURED_ROWS)
    mode = Mode(train=True, buffers=Buffers(rows.x.dtype))
    targets = rising.loss.targets(rows.y[None], rows.x.dtype)
    losses: list[float] = []
    taken = chain.from_iterable(trainer.steps() for _ in count())
    for _ in rates:
        logits, _backward = trainer.network.forward(trainer.bound, rows.x[None], mode)
        losses.append(float(mean_sums(rising.loss, logits, targets, rows.weights)[0][0]) / rows.total)
        if not losses[-1] < 2 * DIVERGED * losses[0]:
            break
        next(taken)
    return Curve(rates[: len(losses)], losses)


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


class Shared(NamedTuple):
    """Members with the same weights and batches: the loss on the same rows before and after so many steps."""

    steps: int
    first: float
    last: list[float]  # one a member; NaN or infinite where numbers ceased to be finite


def side_by_side(configs: Sequence[Config], dataset: Dataset, train: Examples) -> Shared:
    """A short training of configs that differ in their rates, each at its rate throughout."""
    together = replace(recipe(configs, dataset), schedule=Constant())
    trainer = Trainer(together, train, train.take(slice(2)), [configs[0].seed] * len(configs))
    steps = max(FEWEST_STEPS, min(TRIAL_STEPS, STEP_WORK // (6 * trainer.theta.size * together.batch_size)))
    whole = Evaluator(trainer.network, together.loss, sample(train, MEASURED_ROWS))
    first = float(whole(trainer.bound)[0][0])
    for _ in islice(chain.from_iterable(trainer.steps() for _ in count()), steps):
        pass
    return Shared(steps, first, [float(loss) for loss in whole(trainer.bound)[0]])


@np.errstate(all="ignore")
def calmer_rate(config: Config, dataset: Dataset, guess: float) -> CalmerRate | None:
    """After a divergence: of some rates up to a guess, the one that lowers the loss most.

    None for a network too large to try in seconds.
    """
    train = some_rows(config, dataset)
    curve = range_test(recipe([config], dataset), train, config.seed)
    if curve is None:
        return None
    found = find_rate(*curve)
    rates = _candidates(found, guess)
    tried = side_by_side([configured(config, {RATE: rate}) for rate in rates], dataset, train)
    last = np.nan_to_num(tried.last, nan=np.inf)
    best = int(np.argmin(last))
    return CalmerRate(found.diverges, rates[best] if last[best] < tried.first else None)


def _candidates(found: RateRange, guess: float) -> list[float]:
    """The guess, unless it lies far beyond where the loss diverges: units that died there look as if they had learned
    to guess. And lower ones, where the loss falls steepest and some way below where it diverges.
    """
    lower = [] if found.suggestion is None else [found.suggestion]
    if found.diverges is not None:
        lower += [found.diverges * share for share in BELOW]
    rates = [rate for rate in dict.fromkeys(map(round_rate, lower)) if rate < guess]
    return rates if rates and found.diverges is not None and guess > BEYOND * found.diverges else [guess, *rates]


def round_rate(rate: float) -> float:
    """One digit, as it is suggested."""
    return float(f"{rate:.1g}")


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
