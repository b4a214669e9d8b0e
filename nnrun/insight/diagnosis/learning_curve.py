"""Would more data help? A run's config trained on growing parts of its training set, and the power law it follows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from nnrun.config.changes import last_epoch
from nnrun.data.groups import numbered
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.files import to_json
from nnrun.insight.diagnosis.keeping import keep
from nnrun.insight.diagnosis.shares import SEEDS, Progress, Say, Training, nobody, shares, trained_on_all
from nnrun.models.trained import trained
from nnrun.runs.assembly import networks_of
from nnrun.runs.rundir import CURVE
from nnrun.runs.stored import StoredRun
from nnrun.search.executors import Executor

EXPONENTS = np.linspace(0.05, 2.0, 40)  # published curves have 0.07 to 0.5, easy problems more
DRAWS, AT_ONCE = 1_000, 100

Floats = NDArray[np.float64]


class PowerLaw(NamedTuple):
    """One law a draw, `(draws,)` each: the floor a ≥ 0, b ≥ 0 and the exponent c."""

    a: Floats
    b: Floats
    c: Floats

    def __call__(self, n: float) -> Floats:
        """The errors at a size."""
        return np.asarray(self.a + self.b * n**-self.c)


def fit(sizes: Floats, mistakes: Floats) -> PowerLaw:
    """The law through trainings on so many examples, `(trainings,)`, whose mistakes are `(trainings, dev rows)`.

    By least squares on their errors, each weighted as if it were a count; a single draw.
    """
    errors = mistakes.mean(axis=1)
    return _fit(sizes, errors[None], _weights(errors)[None])


def draws(sizes: Floats, mistakes: Floats, groups: Array | None = None) -> PowerLaw:
    """Laws that are about as probable: random weights for trainings and dev examples alike.

    The Bayesian bootstrap (Rubin 1981): other seeds, other rows and another dev set might have come. Examples of one
    group `(dev rows,)` would have come together.
    """
    rng, weights = np.random.default_rng(0), _weights(mistakes.mean(axis=1))
    drawn = np.arange(mistakes.shape[1]) if groups is None else numbered(groups)
    laws = []
    for _ in range(DRAWS // AT_ONCE):
        of_rows = rng.standard_exponential((AT_ONCE, int(drawn.max()) + 1))[:, drawn]
        errors = of_rows @ mistakes.T / of_rows.sum(axis=1, keepdims=True)
        laws.append(_fit(sizes, errors, weights * rng.standard_exponential(errors.shape)))
    return PowerLaw(*(np.concatenate(parts) for parts in zip(*laws, strict=True)))


def scatter(sizes: Floats, mistakes: Floats, law: PowerLaw, rows: float) -> Floats:
    """What measured changes from `rows` to twice as many may be off the law by, `(DRAWS,)`.

    The law alone promises too much: the trainings of a size share examples and err together. How far their means lie
    from the law, each by the root of its error, is the deviation; the three numbers of the law cost three sizes.
    """
    means = {n: mistakes[sizes == n].mean() for n in np.unique(sizes)}
    off = [(mean - law(n)[0]) ** 2 / max(law(n)[0], 1e-12) for n, mean in means.items()]
    deviation = np.sqrt(sum(off) / max(1, len(off) - 3) * (law(rows) + law(2 * rows)))
    return np.asarray(deviation * np.random.default_rng(1).standard_normal(DRAWS))


def _weights(errors: Floats) -> Floats:
    """The variance of a count is its mean; a smallest one keeps errors of 0 from counting for ever."""
    return 1 / np.maximum(errors, max(float(errors.max()) / 100, 1e-12))


def _fit(sizes: Floats, errors: Floats, weights: Floats) -> PowerLaw:
    """For errors and weights `(draws, points)`: the best exponent of each draw; a and b follow by linear algebra."""
    scale = float(np.exp(np.log(sizes).mean()))  # sizes around 1, so that sums of their powers keep their digits
    fits = [_line((sizes / scale) ** -c, errors, weights) for c in EXPONENTS]
    squares = np.stack([found[2] for found in fits])
    best, every = squares.argmin(axis=0), np.arange(len(weights))
    a, b = (np.stack([found[i] for found in fits])[best, every] for i in (0, 1))
    c = EXPONENTS[best]
    return PowerLaw(a, b * scale**c, c)


def _line(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """a, b and the sum of squares of y ≈ a + b·x, with a and b at least 0; `(draws,)` each."""
    total, wx, wy = w.sum(axis=1), w @ x, (w * y).sum(axis=1)
    wxx, wxy = w @ (x * x), (w * y) @ x
    b = np.maximum(0.0, (wxy - wx * wy / total) / (wxx - wx**2 / total))
    a = (wy - b * wx) / total
    b, a = np.where(a < 0, wxy / wxx, b), np.maximum(a, 0.0)
    return a, b, (w * (y - a[:, None] - b[:, None] * x) ** 2).sum(axis=1)


SIZES = 7
SMALLEST_SHARE = 32  # the smallest part is this part of the training set, but
FEWEST, FEWEST_OF_A_CLASS = 20, 4  # has so many rows
CLEAR = 0.005  # an answer is given where its ± is below this, or below the change itself


class Size(TypedDict):
    """The errors of all trainings on so many rows; of one that diverged NaN, which a file has as null."""

    rows: int
    train_errors: list[float | None]
    dev_errors: list[float | None]


class Law(TypedDict):
    """The law a + b·n^−c that the dev errors follow, and the 95% interval of its floor a."""

    a: float
    b: float
    c: float
    a_low: float
    a_high: float


class Twice(TypedDict):
    """By how much twice the rows change the dev error, with its 95% interval."""

    rows: int  # twice those of the training set
    change: float
    low: float
    high: float
    tells: bool  # false where the interval is too wide


class Answer(TypedDict):
    """What the trainings say."""

    law: Law
    twice: Twice


class LearningCurve(Answer):
    """learning_curve.json."""

    schema_version: int
    sizes: list[Size]
    dev_rows: int
    seeds: list[int]
    epochs: int  # of the run; every training takes as many steps as these on all rows
    seconds: float


def learning_curve(
    run: StoredRun, tell: Progress = lambda done, of: None, executor: Executor | None = None, say: Say = nobody
) -> LearningCurve:
    """Train on growing parts, here or on an executor whose news are said, fit, and store the result in the run.

    The parts are nested and stratified (or grow by groups), three orders of the rows each with a seed of its own; the
    dev set stays the same. Every training takes as many steps as the run's own: the rows of a part are repeated until
    they are as many as the whole set, so that schedule, batches and dev measurements are the same too. Raises
    UsageError for a training set that is too small or all there is, or where every training diverges. Of an ensemble it
    is the curve of one network, of folds that of the first one, or by time of the last.
    """
    began, model = time.monotonic(), trained(run)
    model = replace(model, dataset=model.apart)
    config, dataset = networks_of(model.config)[0], model.dataset
    sizes = part_sizes(len(dataset.parts["train"].x), len(dataset.classes or ()))
    found = trained_on_all(shares(sizes), config, model, tell, executor, say)
    document: LearningCurve = {
        "schema_version": 1,
        "sizes": [_of_size(size, found) for size in sizes],
        "dev_rows": len(dataset.parts["dev"].x),
        "seeds": [config.seed + k for k in range(SEEDS)],
        "epochs": last_epoch(config),
        **answer([t for t in found if np.isfinite(t.mistakes).all()], sizes[-1], dataset.parts["dev"].groups),
        "seconds": round(time.monotonic() - began, 2),
    }
    for line in keep(model.run.directory, CURVE, to_json(document, indent=2) + "\n"):
        say(line)
    return document


def _of_size(size: int, found: Sequence[Training]) -> Size:
    own = [training for training in found if training.rows == size]
    return {
        "rows": size,
        "train_errors": [training.train_error for training in own],
        "dev_errors": [float(training.mistakes.mean()) for training in own],
    }


def part_sizes(rows: int, classes: int) -> list[int]:
    """Seven sizes, each the same multiple of the one before, up to all rows; UsageError where there is no room."""
    smallest = max(rows // SMALLEST_SHARE, FEWEST, FEWEST_OF_A_CLASS * classes)
    if rows < 4 * smallest:
        raise UsageError(f"{rows} training examples are too few for a learning curve; it needs {4 * smallest}")
    return [int(size) for size in np.round(np.geomspace(smallest, rows, SIZES))]


def answer(found: Sequence[Training], rows: int, groups: Array | None = None) -> Answer:
    """From trainings to the law and what twice the `rows` would do; UsageError where fewer than four sizes are left.

    `groups (dev rows,)` say which dev examples belong together.
    """
    if len({training.rows for training in found}) < 4:
        raise UsageError("training diverged on most parts; lower optimizer.learning_rate first")
    sizes = np.array([training.rows for training in found], float)
    mistakes = np.stack([training.mistakes for training in found])
    law, several = fit(sizes, mistakes), draws(sizes, mistakes, groups)
    change = float((law(2 * rows) - law(rows))[0])
    low, high = _middle(several(2 * rows) - several(rows) + scatter(sizes, mistakes, law, rows))
    a_low, a_high = _middle(several.a)
    tells = (high - low) / 2 <= max(CLEAR, abs(change))
    return {
        "law": {"a": float(law.a[0]), "b": float(law.b[0]), "c": float(law.c[0]), "a_low": a_low, "a_high": a_high},
        "twice": {"rows": 2 * rows, "change": change, "low": low, "high": high, "tells": tells},
    }


def _middle(values: NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the middle 95%."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
