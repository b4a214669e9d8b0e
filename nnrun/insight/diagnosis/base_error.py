"""An estimate of the lowest error anybody could reach, from the nearest neighbours of examples."""

from __future__ import annotations

from math import sqrt
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from nnrun.data.dataset import Dataset
from nnrun.engine.randomness import stream
from nnrun.errors import UsageError
from nnrun.models.trained import trained
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import wilson
from nnrun.text import percent, wrapped

MOST = 10_000  # rows whose neighbours are sought, and rows among which
EXCHANGEABLE = ("stratified", "random")  # rules of splitting that leave one row as good as another
MANY_FEATURES = 20
FEW_ROWS = 1_000

Array = NDArray[Any]
Rows = tuple[Array, Array]  # features `(rows, n)` and classes `(rows,)`


class BaseEstimate(TypedDict):
    """The bound and what it rests on."""

    base_error: float
    low: float  # the ends of its 95% interval
    high: float
    nearest_neighbour_error: float
    rows: int  # whose neighbours were looked at
    features: int
    classes: int
    method: str
    caveats: list[str]


def cover_hart(error: float, classes: int) -> float:
    """The Bayes error that a 1-NN error of infinitely many examples implies at least (Cover & Hart 1967).

    R ≤ R*·(2 − C/(C − 1)·R*), solved for R*: (C − 1)/C · (1 − √(1 − C/(C − 1)·R)).

    >>> round(cover_hart(0.18, 2), 6)
    0.1
    """
    ratio = classes / (classes - 1)
    return (1 - sqrt(max(0.0, 1 - ratio * error))) / ratio


def estimate_base_error(run: StoredRun) -> BaseEstimate:
    """The bound for a run's data.

    Raises UsageError for a regression, which has no classes; else as `trained`.
    """
    return estimate(trained(run).dataset)


def estimate(dataset: Dataset) -> BaseEstimate:
    """The same of a data set: each training and dev example by its neighbour among all others, or, where groups,
    time or files set the parts apart, each dev example by its neighbour in the training set. The test set is not read.
    """
    if not dataset.classes:
        raise UsageError("a base error can be estimated for classes only: nearest neighbours bound no regression's")
    alone = dataset.fitted.split["rule"] not in EXCHANGEABLE
    wrong = _by_train(dataset) if alone else _among_themselves(dataset)
    error, rows, classes = float(wrong.mean()), len(wrong), len(dataset.classes)
    low, high = (cover_hart(end, classes) for end in wilson(error, rows))
    return {
        "base_error": cover_hart(error, classes),
        "low": low,
        "high": high,
        "nearest_neighbour_error": error,
        "rows": rows,
        "features": dataset.n_features,
        "classes": classes,
        "method": "dev against train" if alone else "leave one out",
        "caveats": _caveats(rows, dataset.n_features),
    }


def _among_themselves(dataset: Dataset) -> Array:
    parts = [_rows(dataset, part) for part in ("train", "dev")]
    x, y = _sample((np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])))
    wrong: Array = y[_nearest(x, None)] != y
    return wrong


def _by_train(dataset: Dataset) -> Array:
    (x, y), (others, classes) = _sample(_rows(dataset, "dev")), _sample(_rows(dataset, "train"))
    wrong: Array = classes[_nearest(others, x)] != y
    return wrong


def _rows(dataset: Dataset, part: str) -> Rows:
    """Features on one scale, whatever the config says, as distances add them up."""
    train = np.asarray(dataset.parts["train"].x, float)
    deviation = train.std(axis=0)
    x = (dataset.parts[part].x - train.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return x, dataset.parts[part].y


def _sample(rows: Rows) -> Rows:
    chosen = stream(0, "sample").permutation(len(rows[0]))[:MOST]
    return rows[0][chosen], rows[1][chosen]


def _nearest(among: Array, x: Array | None) -> Array:
    """Index of the nearest of the rows `among` to each of x, or to each of themselves but for itself."""
    from sklearn.neighbors import NearestNeighbors

    found: Array = NearestNeighbors(n_neighbors=1).fit(among).kneighbors(x, return_distance=False)
    return found[:, 0]


def _caveats(rows: int, features: int) -> list[str]:
    """What stands between the estimate and the truth."""
    told = [
        "the bound holds for endless data; the neighbours of a finite set lie further off, so their error and this "
        "estimate come out too high, and a good network may get below it"
    ]
    if features > MANY_FEATURES:
        told.append(f"in {features} dimensions neighbours lie far off: take it for an upper limit")
    if rows < FEW_ROWS:
        told.append(f"{rows} examples are few")
    return told


def base_error_lines(estimate: BaseEstimate) -> list[str]:
    """The estimate on screen, what it rests on, and how to use it."""
    error, rate = estimate["base_error"], percent(estimate["nearest_neighbour_error"])
    interval = f"{100 * estimate['low']:.1f} to {100 * estimate['high']:.1f}"
    how = (
        f"the nearest neighbour has another class for {rate} of {estimate['rows']:,} examples ({estimate['method']}, "
        f"{estimate['features']} features, {estimate['classes']} classes); by Cover & Hart (1967) the best possible "
        "error is then at least this"
    )
    return [
        f"base error, estimated: {percent(error)} (95%: {interval})",
        *wrapped(how),
        *(line for caveat in estimate["caveats"] for line in wrapped(caveat, "note     ")),
        *wrapped(f"it is not used here; --base-error {percent(error)} would", "note     "),
    ]
