"""How numbers become inputs of a network beyond mean and deviation: robust scales, normal quantiles, pieces.

All of it is fitted on a sample of the training rows and is plain data afterwards; every input of it is finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, ClassVar, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.tallies import ROUNDING, differ
from nnrun.data.files.values import Floats

Normalize = Literal["standard", "robust", "quantile", "none"]
EncodeNumbers = Literal["plain", "piecewise", "piecewise_tree"]

SAMPLED_ROWS = 100_000  # training rows, at most, that quantiles and pieces are fitted on
SAMPLED_CELLS = 1 << 22  # of all their columns

REACH = 3.0  # what a robust input tends to, far out
MOST_KNOTS = 101
MOST_PIECES = 48
ROWS_OF_PIECE = 20  # in the sample, at least, on average or in the leaf of a tree
GAIN = 1e-4  # of a split, at least: of Gini's impurity, or of the variance of the standardised target
BEYOND = 1.0  # widths of the piece at an end that a value outside the range still counts

_LARGEST = float(np.finfo(np.float64).max)
_NARROWEST = 1e-290  # between neighbouring knots; of less than that slopes would not be finite


def quantiles(values: Floats, shares: Sequence[float]) -> Floats:
    """Of `(m,)`, interpolated between neighbours; a quarter of each, so that no difference overflows."""
    found: Floats = np.minimum(np.maximum(4 * np.quantile(values / 4, shares), -_LARGEST), _LARGEST)
    return found


def robust_scale(values: Floats) -> tuple[float, float]:
    """Median and quartile range of `(m,)`; half the range where that is 0, 1 where that is 0 too."""
    if not len(values):
        return 0.0, 1.0
    low, first, median, third, high = map(float, quantiles(values, [0, 0.25, 0.5, 0.75, 1]))
    if differ(first / 2, third / 2):
        return median, min(third - first, _LARGEST)
    return median, high / 2 - low / 2 if differ(low / 2, high / 2) else 1.0


def smoothed(scaled: Floats) -> Floats:
    """z / √(1 + (z/3)²): z itself near 0, ± REACH far out."""
    within = np.clip(scaled, -1e300, 1e300)
    found: Floats = within / np.hypot(1.0, within / REACH)
    return found


def unsmoothed(inputs: Floats) -> Floats:
    """The inverse of `smoothed`, as far as it has one."""
    within = np.clip(inputs, -0.9999 * REACH, 0.9999 * REACH)
    found: Floats = within / np.sqrt(1 - np.square(within / REACH))
    return found


@dataclass(frozen=True)
class Curve:
    """Straight lines from each knot `at` to the next, between the values `to`; a constant outside of them.

    `at` is strictly increasing, `to` the normal quantile of the mean rank of the training values at each knot.
    """

    at: tuple[float, ...]
    to: tuple[float, ...]
    width: ClassVar[int] = 1

    @classmethod
    def fitted(cls, values: Floats) -> Curve:
        """To a normal distribution: knots at the quantiles (k + ½)/101 of `(m,)`, equal ones as one at their mean."""
        shares = (np.arange(MOST_KNOTS) + 0.5) / MOST_KNOTS
        ranked = np.sort(values) if len(values) else np.zeros(1)
        drawn = ranked[np.ceil(shares * len(ranked)).astype(np.int64) - 1]
        knots = _apart(drawn)
        place = np.searchsorted(knots, drawn, side="right") - 1
        means = np.bincount(place, weights=shares) / np.bincount(place)
        normal = NormalDist()
        # The middle one of symmetric ranks is 0, whatever the rounding of their mean.
        return cls(tuple(knots.tolist()), tuple(round(normal.inv_cdf(float(mean)), 12) for mean in means))

    def inputs(self, values: Floats) -> Floats:
        """Of `(m,)`, as many; halves, so that no difference overflows."""
        return np.interp(values / 2, np.array(self.at) / 2, self.to)

    def lines(self) -> list[Curve]:
        """Itself: what a number becomes, input by input."""
        return [self]

    def values(self, inputs: Floats) -> Floats:
        """The inverse, as far as there is one."""
        return np.interp(inputs, self.to, self.at)


@dataclass(frozen=True)
class Pieces:
    """The range of a number cut at T + 1 edges into T pieces, each an input of its own (Gorishniy et al. 2022).

    Input t is how much of piece t lies below the value, from 0 to 1; outside of the range the first one falls to
    −BEYOND and the last one rises to 1 + BEYOND, and no further.
    """

    edges: tuple[float, ...]

    @property
    def width(self) -> int:
        """T."""
        return len(self.edges) - 1

    def inputs(self, values: Floats) -> Floats:
        """Of `(m,)`, `(m, T)`."""
        edges = np.array(self.edges)
        out = np.empty((self.width, len(values)))
        with np.errstate(over="ignore"):
            for t, row in enumerate(out):
                np.divide(values - edges[t], edges[t + 1] - edges[t], out=row)
                np.clip(row, -BEYOND if t == 0 else 0, 1 + BEYOND if t + 1 == self.width else 1, out=row)
        return out.T

    def lines(self) -> list[Curve]:
        """Each input as a curve of two knots."""
        found = []
        for t, (low, high) in enumerate(pairwise(self.edges)):
            below, above = BEYOND * (t == 0), BEYOND * (t + 1 == self.width)
            ends = (max(low - below * (high - low), -_LARGEST), min(high + above * (high - low), _LARGEST))
            found.append(Curve(ends, (-below, 1 + above)))
        return found

    def names(self, name: str) -> list[str]:
        """What each piece is called, with as many digits as tell the edges apart."""
        inner = self.edges[1:-1]
        digits = next((d for d in range(3, 17) if len({f"{edge:.{d}g}" for edge in inner}) == len(inner)), 17)
        said = [f"{edge:.{digits}g}" for edge in inner]
        middle = [f"{name} {low} – {high}" for low, high in pairwise(said)]
        return [f"{name} ≤ {said[0]}", *middle, f"{name} > {said[-1]}"]


class WrittenCurve(TypedDict):
    """The knots of a curve, and what each becomes."""

    at: list[float]
    to: list[float]


Encoder = Curve | Pieces


class WrittenEncoders(TypedDict, total=False):
    """The curves and pieces as data.json has them, by number; there where there are some."""

    knots: dict[str, WrittenCurve]
    bins: dict[str, list[float]]


def written(encoders: Mapping[str, Encoder]) -> WrittenEncoders:
    """Plain data."""
    found: WrittenEncoders = {}
    if knots := {name: one for name, one in encoders.items() if isinstance(one, Curve)}:
        found["knots"] = {name: {"at": list(one.at), "to": list(one.to)} for name, one in knots.items()}
    if bins := {name: one for name, one in encoders.items() if isinstance(one, Pieces)}:
        found["bins"] = {name: list(one.edges) for name, one in bins.items()}
    return found


def read(found: WrittenEncoders) -> dict[str, Encoder]:
    """The inverse of `written`."""
    knots, bins = found.get("knots", {}), found.get("bins", {})
    curves: dict[str, Encoder] = {name: Curve(tuple(one["at"]), tuple(one["to"])) for name, one in knots.items()}
    return curves | {name: Pieces(tuple(edges)) for name, edges in bins.items()}


def sample_size(columns: int) -> int:
    """Rows of the sample, of so many columns; by that alone, so that it is the same whatever fits into memory."""
    return max(1, min(SAMPLED_ROWS, SAMPLED_CELLS // columns))


@dataclass(frozen=True)
class Goal:
    """The target of the rows that pieces are fitted on, classes `(m,)` or numbers `(m, 1)`."""

    target: npt.NDArray[Any]
    classes: bool

    def of(self, rows: npt.NDArray[np.bool_]) -> Goal:
        """The target of some of the rows."""
        return Goal(self.target[rows], self.classes)


def encoder_of(values: Floats, goal: Goal, normalize: Normalize, encode: EncodeNumbers) -> Encoder | None:
    """What a number becomes whose training values are `(m,)`; None where a shift and a scale are all."""
    pieces = None
    if encode == "piecewise":
        pieces = pieces_by_rows(values)
    elif encode == "piecewise_tree":
        pieces = pieces_by_target(values, goal)
    return Curve.fitted(values) if pieces is None and normalize == "quantile" else pieces


def most_pieces(rows: int) -> int:
    """For so many values: one for each ROWS_OF_PIECE, up to MOST_PIECES."""
    return min(MOST_PIECES, rows // ROWS_OF_PIECE)


def pieces_by_rows(values: Floats) -> Pieces | None:
    """With about as many of `(m,)` in each, or one between each two of few different values; None for less than two."""
    most, different = most_pieces(len(values)), np.unique(values)
    if len(different) > most + 1 and most:
        places = np.ceil(np.arange(most + 1) / most * len(values)).astype(np.int64) - 1
        different = np.sort(values)[np.maximum(places, 0)]
    return _pieces(different, most)


def pieces_by_target(values: Floats, goal: Goal) -> Pieces | None:
    """Between the splits of a tree that tells the target from this column alone; None for less than two.

    The tree is given ranks, so that it cuts huge and tiny numbers alike; an edge is half-way between two values.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    most = most_pieces(len(values))
    if most < 2:
        return None
    different, ranks = np.unique(values, return_inverse=True)
    kind = DecisionTreeClassifier if goal.classes else DecisionTreeRegressor
    tree = kind(max_leaf_nodes=most, min_samples_leaf=ROWS_OF_PIECE, min_impurity_decrease=GAIN, random_state=0)
    grown = tree.fit(ranks.reshape(-1, 1).astype(np.float32), goal.target).tree_
    splits = np.floor(np.sort(grown.threshold[grown.feature >= 0])).astype(np.int64)
    inner = different[splits] / 2 + different[splits + 1] / 2
    return _pieces(np.concatenate([different[:1], inner, different[-1:]]), most)


def _pieces(edges: Floats, most: int) -> Pieces | None:
    edges = _apart(edges)
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.diff(edges)).all()
    return Pieces(tuple(edges.tolist())) if finite and 3 <= len(edges) <= most + 1 else None


def _apart(values: Floats) -> Floats:
    """The values of `(m,)`, in order, that differ from the one before by more than rounding; the first one always."""
    ordered = np.unique(values)
    with np.errstate(over="ignore"):
        gaps = np.diff(ordered)
    least = np.maximum(ROUNDING * np.maximum(np.abs(ordered[1:]), np.abs(ordered[:-1])), _NARROWEST)
    found: Floats = ordered[np.concatenate([[True], gaps > least])[: len(ordered)]]
    return found
