"""What a network has to beat: a constant guess, a linear model, and if it is asked for boosted trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.features.preprocess import Preprocessor
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from nnrun.engine.members import mean_gradient
from nnrun.engine.parameters import Array
from nnrun.engine.sampling import sample
from nnrun.errors import NnrunError
from nnrun.models.trained import trained
from nnrun.runs.assembly import examples
from nnrun.runs.judge import weights_of
from nnrun.runs.stored import StoredRun

ROWS, CELLS = 20_000, 5_000_000  # of training data that the linear model is fitted on, at most
BOOSTED_ROWS, BOOSTED_CELLS = 200_000, 20_000_000  # that trees are grown on, at most
FEWEST_ROWS = 1_000  # of either, however wide these are
MOST_CODES = 255  # of a column that scikit-learn's trees take as categories, at most
PENALTY = 1.0  # of the linear model, on Σ W²
STEPS = 200  # of L-BFGS, at most
UNTIL = {"maxiter": STEPS, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps, "maxls": 50}  # as scikit-learn has it
AHEAD = 1e-6  # more than the rounding of weighted shares
NEVER = -50.0  # logit of a class that the rows do not have
CHUNK = 4096

# Of a quick look, by least squares.
MEASURED = 5_000  # of each set, as many as settle an error to a point
MOST_FEATURES = 2_000  # the fit grows with their cube
QUICK_PENALTY = 10.0  # beside a feature's sum of squares, which is the number of rows


@dataclass(frozen=True, eq=False)
class Linear:
    """Logits x·W + b; `W (n, width)` and `b (width,)` in float64, fitted on so many rows.

    Of rows that have more features it takes the first n: an ensemble of folds has those of each fold side by side.
    """

    W: Array
    b: Array
    rows: int

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) chunk by chunk."""
        return ((rows, x[rows, : len(self.W)] @ self.W + self.b) for rows in _chunks(x))


def _chunks(x: Array) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, len(x))) for start in range(0, len(x), CHUNK))


def constant(train: Examples, loss: Loss, classes: int | None) -> Linear:
    """The share of each class among the training rows as its probability, or the mean of the targets.

    Where weights make all classes equal, as `balanced` does, that with most rows is ahead by a millionth.
    """
    W = np.zeros((train.x.shape[1], loss.width))
    if classes is None:
        return Linear(W, np.average(train.y, axis=0, weights=weights_of(train)), len(train))
    shares = np.bincount(train.y, weights_of(train), classes)
    shares = shares / shares.sum()
    shares[np.bincount(train.y).argmax()] *= 1 + AHEAD
    return Linear(W, _of_width(np.log(shares, where=shares > 0, out=np.full(classes, NEVER)), loss), len(train))


def linear(train: Examples, loss: Loss, classes: int | None, numeric: Sequence[int] | None = None) -> Linear:
    """Logistic regression (½‖W‖² beside the summed loss, C = 1) or ridge regression (α = 1) on standardised features.

    The models that scikit-learn has by default, whose import alone would take a second.
    It does without those that are not `numeric`, None for all: codes are told apart by no line.
    On all training rows, or on a fixed sample of 20,000 rows, or of 5 million cells of features or of classes if that
    is less, but 1,000 rows.
    """
    measured = sample(train, min(ROWS, max(FEWEST_ROWS, CELLS // max(train.x.shape[1], classes or 1))))
    places = range(measured.x.shape[1]) if numeric is None else numeric
    x = measured.x[:, places].astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1
    x -= mean
    x /= deviation
    if classes is None:
        W, b = _ridge(x, measured.y.astype(np.float64), weights_of(measured), PENALTY)
    else:
        W, b = _logistic(x, measured, classes)
    W, of_all = _of_width(W, loss) / deviation[:, None], np.zeros((measured.x.shape[1], loss.width))
    of_all[places] = W
    return Linear(of_all, _of_width(b, loss) - mean @ W, len(measured))


@dataclass(frozen=True, eq=False)
class Boosted:
    """Gradient-boosted trees, fitted on so many rows of features that were `made` so, None for plain numbers.

    Of rows that have more features they take the first ones.
    """

    model: Any  # scikit-learn's
    loss: Loss
    classes: int | None
    rows: int
    made: Preprocessor | None

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) chunk by chunk: logarithms of probabilities, or values."""
        return ((rows, self._of(_ordered(x[rows], self.made))) for rows in _chunks(x))

    def _of(self, x: Array) -> Array:
        if self.classes is None:
            return np.asarray(self.model.predict(x), np.float64)[:, None]
        scores = np.full((len(x), self.classes), NEVER)
        with np.errstate(divide="ignore"):
            scores[:, self.model.classes_] = np.maximum(np.log(self.model.predict_proba(x)), NEVER)
        return _of_width(scores, self.loss)


def boosted(train: Examples, loss: Loss, classes: int | None, made: Preprocessor | None) -> Boosted:
    """scikit-learn's HistGradientBoosting as it comes (LightGBM's algorithm, Ke et al. 2017).

    It knows no other rows than those of training: above 10,000 it stops by a tenth of them, which it sets aside itself
    unless a class has one row alone, which cannot stand on both sides.
    Codes of an embedding are categories to it, up to 255 of them, and else numbers. On all training rows, or on a fixed
    sample of 200,000 rows, or 20 million cells if that is less, but 1,000 rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    given = _ordered(train.x[:1], made).shape[1]
    measured = sample(train, min(BOOSTED_ROWS, max(FEWEST_ROWS, BOOSTED_CELLS // given)))
    x = _ordered(measured.x, made)
    if classes is not None and len(np.unique(measured.y)) == 1:  # no tree can be grown, as none is needed
        return Boosted(_of_one_class(x, measured.y), loss, classes, len(measured), made)
    lone = classes is not None and 1 in np.bincount(measured.y)
    model = (HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier)(
        early_stopping=False if lone else "auto",
        categorical_features=[place for place in _codes(made) if x[:, place].max() < MOST_CODES] or None,
        random_state=0,
    )
    model.fit(x, measured.y if classes else measured.y[:, 0], weights_of(measured))
    return Boosted(model, loss, classes, len(measured), made)


def _ordered(x: Array, made: Preprocessor | None) -> Array:
    """Each number once, as its order is all that trees look at, and NaN where it is missing, for which they have a way.

    The pieces of a number add up to what rises with it; marks and codes are numbers as well.
    """
    if made is None:
        return x
    out: Array = np.add.reduceat(x[:, : made.n_features], [at.start for at in made.spans], axis=1, dtype=np.float64)
    start = 0
    for column in made.columns:
        stop = start + len(column.features)
        if column.fills and column.marks_gaps:
            out[out[:, stop - 1] > 0, start : stop - 1] = np.nan
        start = stop
    return out


def _codes(made: Preprocessor | None) -> list[int]:
    """The places of those of embeddings, where each number stands once."""
    columns = [column for column in made.columns for _ in column.features] if made else []
    return [place for place, column in enumerate(columns) if column.embedding is not None]


def _of_one_class(x: Array, y: Array) -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier().fit(x, y)


def _logistic(x: Array, measured: Examples, classes: int) -> tuple[Array, Array]:
    """Weights `(n, classes)` and biases `(classes,)`; classes that no row has are never predicted."""
    W, b = np.zeros((x.shape[1], classes)), np.full(classes, NEVER)
    present, y = np.unique(measured.y, return_inverse=True)
    loss = SigmoidCrossEntropy() if len(present) == 2 else SoftmaxCrossEntropy(len(present))
    own, bias = _least_cost(x, loss, loss.targets(y, x.dtype), weights_of(measured))
    if len(present) == 2:  # one logit for both
        own, bias = np.hstack([np.zeros_like(own), own]), np.append(0, bias)
    W[:, present], b[present] = own, bias
    return W, b


def _least_cost(x: Array, loss: Loss, targets: Array, weights: Array | None) -> tuple[Array, Array]:
    """W `(n, width)` and b `(width,)` with the least Σ w·loss + ½‖W‖², by L-BFGS (Liu & Nocedal 1989)."""
    from scipy.optimize import minimize

    rows, n = x.shape
    w = np.ones(rows) if weights is None else weights
    in_all = w.sum()

    def cost(flat: Array) -> tuple[float, Array]:
        """The cost for a weight of 1, with its gradient."""
        theta = flat.reshape(n + 1, loss.width)
        W, logits = theta[:n], x @ theta[:n] + theta[n]
        total, _ = loss.sums(logits, targets, w)
        slope = mean_gradient(loss, logits, targets, w[:, None], out=np.empty_like(logits)) * rows
        gradient = np.vstack([x.T @ slope + W, slope.sum(axis=0)]) / in_all
        return float(total + np.square(W).sum() / 2) / in_all, gradient.ravel()

    found = minimize(cost, np.zeros((n + 1) * loss.width), jac=True, method="L-BFGS-B", options=UNTIL)
    theta: Array = found.x.reshape(n + 1, loss.width)
    return theta[:n], theta[n]


def _ridge(x: Array, y: Array, weights: Array | None, penalty: float) -> tuple[Array, Array]:
    """W `(n, width)` and b `(width,)` with the least Σ w·(x·W + b − y)² + penalty·‖W‖² (Hoerl & Kennard 1970).

    About the means no b is needed; where there are more features than rows, W is made of rows.
    """
    centre, mean = np.average(x, axis=0, weights=weights), np.average(y, axis=0, weights=weights)
    x, y = x - centre, y - mean
    if weights is not None:
        root = np.sqrt(weights)[:, None]
        x, y = x * root, y * root
    rows, n = x.shape
    if n <= rows:
        W = np.linalg.solve(x.T @ x + penalty * np.eye(n), x.T @ y)
    else:
        W = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(rows), y)
    return W, mean - centre @ W


def _of_width(scores: Array, loss: Loss) -> Array:
    """Logits a class `(..., classes)` as the loss has them: one alone for two classes."""
    narrow: Array = scores[..., 1:] - scores[..., :1] if scores.shape[-1] > loss.width else scores
    return narrow


def linear_dev_error(run: StoredRun) -> float | None:
    """By ridge regression of the classes or values on the run's features.

    None where its data are no longer there, or all rows were trained on.
    """
    try:
        return _dev_error(trained(run).apart)
    except (NnrunError, OSError):
        return None


def _dev_error(dataset: Dataset) -> float | None:
    """The dev error by ridge regression on a data set; None where it has too many features to try in a second."""
    if dataset.n_features > MOST_FEATURES:
        return None
    train, dev = (_without_codes(sample(examples(dataset, part), MEASURED), dataset) for part in ("train", "dev"))
    goal = np.eye(len(dataset.classes))[train.y] if dataset.classes else np.asarray(train.y, np.float64)
    W, b = _ridge(np.asarray(train.x, np.float64), goal, weights_of(train), QUICK_PENALTY)
    told = np.asarray(dev.x, np.float64) @ W + b
    weights = np.ones(len(dev)) if dev.weights is None else dev.weights
    if dataset.classes:
        return float(np.average(told.argmax(axis=1) != dev.y, weights=weights))
    left = float((weights[:, None] * np.square(told - dev.y)).sum() / dev.y.shape[1])
    return left / dev.error_scale if dev.error_scale else None


def _without_codes(rows: Examples, dataset: Dataset) -> Examples:
    return Examples(rows.x[:, dataset.fitted.numeric], rows.y, rows.weights) if dataset.fitted.embeddings else rows
