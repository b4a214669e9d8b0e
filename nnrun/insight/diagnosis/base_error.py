"""An estimate of the lowest error anybody could reach, from the nearest neighbours of examples."""

from __future__ import annotations

from math import sqrt
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from nnrun.data.dataset import Dataset, Part
from nnrun.data.groups import numbered
from nnrun.data.split import BY_LOT, STORED
from nnrun.engine.randomness import stream
from nnrun.errors import UsageError
from nnrun.models.trained import trained
from nnrun.runs.grouped import independent_pairs, independent_rows
from nnrun.runs.proportions import wilson
from nnrun.runs.stored import StoredRun
from nnrun.text import listed, percent, wrapped

MOST = 10_000  # rows whose neighbours are sought, and rows among which
MANY_FEATURES = 20
FEW_ROWS = 1_000
REPEATED = 0.05  # share of rows with a neighbour at distance 0, from which on that is told

Array = NDArray[Any]


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
    error_kind: NotRequired[str]  # what it is an estimate of, where rows do not count alike
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

    Raises UsageError for a regression, which has no classes, and where all rows were trained on; else as `trained`.
    """
    return estimate(trained(run).apart)


def estimate(dataset: Dataset) -> BaseEstimate:
    """The bound for a data set: each training and dev example by its neighbour among all others, or, where groups,
    time or files set the parts apart, each dev example by its neighbour in the training set. The test set is not read.
    """
    if not dataset.classes:
        raise UsageError("a base error can be estimated for classes only: nearest neighbours bound no regression's")
    features = len(dataset.fitted.numeric)
    if not features:
        raise UsageError("no base error can be estimated: all features are codes of categories, which have no distance")
    alone = dataset.fitted.split["rule"] not in BY_LOT
    sought, among = _by_train(dataset) if alone else (_among_themselves(dataset), None)
    nearest = _nearest(sought.x, None) if among is None else _nearest(among.x, sought.x)
    wrong, same = _compared(nearest, sought, among)
    error, rows, classes = float(wrong.mean()), len(wrong), len(dataset.classes)
    low, high = (cover_hart(end, classes) for end in wilson(error, _sure_as(wrong, nearest, sought, among)))
    found: BaseEstimate = {
        "base_error": cover_hart(error, classes),
        "low": low,
        "high": high,
        "nearest_neighbour_error": error,
        "rows": rows,
        "features": features,
        "classes": classes,
        "method": "dev against train" if alone else "leave one out",
        "caveats": [
            *_drawn(dataset),
            *_caveats(rows, features),
            *_repeated(same, sought, among, classes),
            *_without_codes(dataset),
        ],
    }
    return found | {"error_kind": dataset.error_kind} if dataset.error_kind else found


def _among_themselves(dataset: Dataset) -> Part:
    parts = [_rows(dataset, part) for part in ("train", "dev")]
    return _sample(Part(np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])))


def _by_train(dataset: Dataset) -> tuple[Part, Part]:
    """The dev examples, and those of the training set among which each has its neighbour."""
    return _sample(_rows(dataset, "dev")), _sample(_rows(dataset, "train"))


def _compared(nearest: Array, sought: Part, among: Part | None) -> tuple[Array, Array]:
    """Of each example whether its neighbour has another class, and whether it is the same in every feature."""
    others = sought if among is None else among
    return others.y[nearest] != sought.y, (others.x[nearest] == sought.x).all(axis=1)


def _sure_as(wrong: Array, nearest: Array, sought: Part, among: Part | None) -> int:
    """Independent rows that the error of the neighbours is as sure as.

    A label that is noise makes mistakes of its own row and of all whose neighbour that is. So do groups, whose rows are
    alike, and are the fewer the more there are of them in each.
    """
    mistakes, rows = wrong.astype(np.float64), np.arange(len(wrong))
    if among is None:
        return independent_pairs(mistakes, rows, nearest)
    if sought.groups is None or among.groups is None:
        return independent_pairs(mistakes, rows, len(rows) + nearest)
    groups = numbered(np.concatenate([sought.groups, among.groups[nearest]]))
    linked = independent_pairs(mistakes, groups[: len(rows)], groups[len(rows) :])
    return min(linked, independent_rows(mistakes, sought.groups))


def _neighbours_that_differ(sought: Part, among: Part | None) -> float:
    """The error of the nearest that is not the same in every feature; NaN where there is none.

    Of those which are the same as each other the first one tells the class.
    """
    others = sought if among is None else among
    x, first = np.unique(others.x, axis=0, return_index=True)
    if len(x) < 2:
        return np.nan
    two = _nearest(x, sought.x, 2)
    own = (x[two[:, 0]] == sought.x).all(axis=1)
    return float((others.y[first[two[np.arange(len(own)), own.astype(int)]]] != sought.y).mean())


def _rows(dataset: Dataset, part: str) -> Part:
    """Features on one scale, whatever the config says, as distances add them up.

    Where rows are weighted, each is there with a chance that goes by its weight: the error of neighbours among those
    that are left is then of the kind that the run's errors are.
    """
    numeric, rows = dataset.fitted.numeric, dataset.parts[part]
    train = np.asarray(dataset.parts["train"].x[:, numeric], float)
    deviation = train.std(axis=0)
    x = (rows.x[:, numeric] - train.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    scaled = Part(x, rows.y, None, rows.groups)
    if rows.weights is None:
        return scaled
    there = stream(0, "sample", STORED.index(part)).random(len(x)) * rows.weights.max() < rows.weights
    return scaled.take(np.flatnonzero(there))


def _sample(rows: Part) -> Part:
    return rows.take(stream(0, "sample").permutation(len(rows.x))[:MOST])


def _nearest(among: Array, x: Array | None, count: int = 1) -> Array:
    """Index of the nearest of the rows `among` to each of x, or to each of themselves but for itself.

    Where several are asked for, of each so many, the nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    found: Array = NearestNeighbors(n_neighbors=count).fit(among).kneighbors(x, return_distance=False)
    return found[:, 0] if count == 1 else found


def _drawn(dataset: Dataset) -> list[str]:
    kind = dataset.error_kind
    return [f"rows were drawn by their weights, as the errors of this run are {kind}"] if kind else []


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


def _repeated(same: Array, sought: Part, among: Part | None, classes: int) -> list[str]:
    """What copies of rows do to the estimate, which rows of few values that are the same by chance do not."""
    if same.mean() < REPEATED:
        return []
    differ = _neighbours_that_differ(sought, among)
    rate = "" if np.isnan(differ) else f"; by the nearest that differ it is {percent(cover_hart(differ, classes))}"
    return [
        f"{int(same.sum()):,} of {len(same):,} have a neighbour that is the same in every feature: where those are "
        f"copies of one row, the estimate is on the contrary too low and its interval too narrow{rate}"
    ]


def _without_codes(dataset: Dataset) -> list[str]:
    names = [dataset.fitted.features[code.place] for code in dataset.fitted.embeddings]
    return [f"distances are without {listed(names)}: what learns an embedding has none"] if names else []


def base_error_lines(estimate: BaseEstimate) -> list[str]:
    """The estimate on screen, what it rests on, and how to use it."""
    error, rate = estimate["base_error"], percent(estimate["nearest_neighbour_error"])
    kind = estimate.get("error_kind", "")
    interval = f"{100 * estimate['low']:.1f} to {100 * estimate['high']:.1f}"
    how = (
        f"the nearest neighbour has another class for {rate} of {estimate['rows']:,} examples ({estimate['method']}, "
        f"{estimate['features']} features, {estimate['classes']} classes); by Cover & Hart (1967) the best possible "
        "error is then at least this"
    )
    return [
        f"base error, estimated: {percent(error)}{' ' + kind if kind else ''} (95%: {interval})",
        *wrapped(how),
        *(line for caveat in estimate["caveats"] for line in wrapped(caveat, "note     ")),
        *wrapped(f"it is not used here; --base-error {percent(error)} would", "note     "),
    ]
