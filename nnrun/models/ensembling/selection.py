"""Which candidates make an ensemble, and what that is worth: arithmetic on what they say of the dev set.

What is chosen by a dev set looks better there than it is. So a way to choose is judged by cross-fitting: it chooses on
four fifths of the rows and is scored on the last one, again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnrun.data.groups import numbered
from nnrun.engine.losses import Loss
from nnrun.engine.metrics import METRICS
from nnrun.engine.parameters import Array
from nnrun.engine.scores import to_minimise
from nnrun.runs.members import Fit, Way

FOLDS, REPEATS = 5, 10
WORK = 300_000_000  # numbers that cross-fitting may add up, a few seconds; of large dev sets fewer repeats do
AT_ONCE = 4_000_000  # numbers of candidates that are pooled together
DIGITS = 9  # by which scores are compared; what differs behind them is rounding

Measured = dict[str, float]  # by metric
Chooser = Callable[["Panel"], Array]  # weights of the candidates `(K,)`, which add up to 1


@dataclass(frozen=True, eq=False)
class Panel:
    """What K candidates say of m rows, and what is true: `predicted (K, m, width)` are probabilities or values.

    `y` are classes `(m,)` or values `(m, width)`, these in deviations as what is said of them; `scale` is what their
    mean square is divided by. Candidates stand in the order in which the first of equal ones is taken.
    """

    predicted: Array
    y: Array
    loss: Loss
    metric: str = "error"
    weights: Array | None = None
    scale: float = 1.0
    own: Callable[[Array], Array] = np.asarray  # from values to the target's own unit
    groups: Array | None = None  # of rows `(m,)`, where they come in groups

    def __len__(self) -> int:
        return len(self.y)

    @property
    def held(self) -> int:
        """In how many pieces the rows are held back, one after the other: fewer where there are few groups."""
        groups = FOLDS if self.groups is None else len(np.unique(self.groups))
        return min(FOLDS, groups) if groups > 1 else FOLDS

    @property
    def candidates(self) -> int:
        """How many there are."""
        return len(self.predicted)

    def take(self, rows: Array) -> Panel:
        """The panel of some of the rows."""
        weights, groups = (None if values is None else values[rows] for values in (self.weights, self.groups))
        return replace(self, predicted=self.predicted[:, rows], y=self.y[rows], weights=weights, groups=groups)

    def pooled(self, weights: Array) -> Array:
        """What the candidates say together, `(m, width)`."""
        chosen = np.flatnonzero(weights)
        pooled: Array = np.tensordot(weights[chosen], self.predicted[chosen].astype(np.float64), axes=1)
        return pooled

    def scores(self, predicted: Array) -> Array:
        """By the metric, less is better: one number for each of `(…, m, width)`."""
        if self.metric in ("error", "loss"):
            return self._mean(self._mistakes(predicted) if self.metric == "error" else self._losses(predicted))
        flat = predicted.reshape(-1, *predicted.shape[-2:])
        found = [to_minimise(self.metric, self._named(one)) for one in flat]
        return np.array(found).reshape(predicted.shape[:-2])

    def losses(self, predicted: Array) -> Array:
        """Mean loss, one number for each of `(…, m, width)`."""
        return self._mean(self._losses(predicted))

    def measured(self, predicted: Array) -> Measured:
        """Error, loss and the metric of `(m, width)`, as they are read."""
        found = {"error": float(self._mean(self._mistakes(predicted))), "loss": float(self.losses(predicted))}
        return found if self.metric in found else {**found, self.metric: self._named(predicted)}

    def _named(self, predicted: Array) -> float:
        measure = METRICS[self.metric].of
        assert measure is not None
        return measure(self._in_unit(self.y), self._in_unit(predicted), self.weights)

    def _in_unit(self, values: Array) -> Array:
        """The target's own, of values; classes and probabilities as they are."""
        return values if self.y.ndim == 1 else self.own(values)

    def _mistakes(self, predicted: Array) -> Array:
        if self.y.ndim == 1:
            return np.asarray(predicted.argmax(axis=-1) != self.y)
        squares: Array = np.square(predicted - self.y, dtype=np.float64).mean(axis=-1) / self.scale
        return squares

    def _losses(self, predicted: Array) -> Array:
        if self.y.ndim > 1:
            return self.loss.each(predicted, self.y)[0]
        true = predicted[..., np.arange(len(self)), self.y]
        least = np.finfo(np.float32).tiny  # a member that rules out what is true costs a lot, and not everything
        losses: Array = -np.log(np.maximum(true, least))
        return losses

    def _mean(self, values: Array) -> Array:
        if self.weights is None:
            return np.asarray(values.mean(axis=-1))
        with np.errstate(invalid="ignore"):  # rows that weigh nothing have no mean
            return np.asarray(values @ self.weights / self.weights.sum())

    def order(self) -> list[int]:
        """The candidates, the best first: by the metric, then the loss, then as they stand."""
        scores, losses = self._each(self.scores), self._each(self.losses)
        return sorted(range(self.candidates), key=lambda k: (_rounded(scores[k]), _rounded(losses[k]), k))

    def _each(self, measure: Callable[[Array], Array]) -> list[float]:
        return [float(measure(one.astype(np.float64))) for one in self.predicted]


def _rounded(score: float) -> float:
    """What has no score comes last."""
    return np.inf if np.isnan(score) else round(score, DIGITS)


# ways to choose


def best_single(panel: Panel) -> Array:
    """All weight on the best candidate."""
    return top(1)(panel)


def top(n: int) -> Chooser:
    """The n best, each with the same weight."""

    def choose(panel: Panel) -> Array:
        weights = np.zeros(panel.candidates)
        weights[panel.order()[:n]] = 1 / min(n, panel.candidates)
        return weights

    return choose


def equal(most: int) -> Chooser:
    """The n best, each with the same weight: of all n up to `most` by which the metric is no worse than with one, that
    with the least loss. So one that failed, which may change no mistake of the others, is not among them.
    """

    def choose(panel: Panel) -> Array:
        order = panel.order()[:most]
        total, standing = np.zeros(panel.predicted.shape[1:]), list[tuple[float, float]]()
        for n, k in enumerate(order, start=1):
            total = total + panel.predicted[k]
            standing.append(_standing(panel, total / n))
        alone = standing[0][0]
        n = min(range(len(order)), key=lambda i: (standing[i][0] > alone, standing[i][1])) + 1
        return top(n)(panel)

    return choose


def greedy(rounds: int) -> Chooser:
    """Ensemble selection with replacement (Caruana et al. 2004).

    It starts with the best candidate and adds, round after round, the one with which the mean is best; of equal ones
    one that is used already, then that with the least loss. What is kept is the best beginning of that list.
    """

    def choose(panel: Panel) -> Array:
        picks = [panel.order()[0]]
        total = panel.predicted[picks[0]].astype(np.float64)
        standing = [_standing(panel, total)]
        while len(picks) < rounds:
            picks.append(_next(panel, total, picks))
            total = total + panel.predicted[picks[-1]]
            standing.append(_standing(panel, total / len(picks)))
        kept = picks[: standing.index(min(standing)) + 1]
        return np.bincount(kept, minlength=panel.candidates) / len(kept)

    return choose


def _standing(panel: Panel, pooled: Array) -> tuple[float, float]:
    return _rounded(float(panel.scores(pooled))), _rounded(float(panel.losses(pooled)))


def _next(panel: Panel, total: Array, picks: Sequence[int]) -> int:
    """The candidate that is added to these, of which `total (m, width)` is the sum."""
    size, step = len(picks) + 1, max(1, AT_ONCE // total.size)
    starts = range(0, panel.candidates, step)
    scores = np.concatenate([panel.scores((total + panel.predicted[k : k + step]) / size) for k in starts])
    scores = np.round(np.where(np.isnan(scores), np.inf, scores), DIGITS)
    equal = np.flatnonzero(scores == scores.min())
    used = equal[np.isin(equal, picks)]
    among = used if used.size else equal
    losses = [_rounded(float(panel.losses((total + panel.predicted[k]) / size))) for k in among]
    return int(among[int(np.argmin(losses))])


# what they are worth


@dataclass(frozen=True)
class CrossFittedGain:
    """By how much a way to choose is better than the best single candidate, and the standard error of that."""

    value: float
    se: float

    @classmethod
    def of(cls, fit: Fit) -> CrossFittedGain:
        """The gain as it was written down; none where it is not known, or of the best single candidate itself."""
        value, se = (fit["cross_fitted"].get(key) for key in ("gain", "se"))
        return cls(0.0 if value is None else value, np.inf if se is None else se)

    @property
    def is_one(self) -> bool:
        """Whether it is more than one standard error."""
        return self.value > self.se


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Scores of each way to choose on rows that it did not see: a list of what it `measured`, one a fold."""

    panel: Panel
    measured: Mapping[Way, Sequence[Measured]]

    def mean(self, way: Way) -> Measured:
        """Of all folds, by metric."""
        names = self.measured[way][0]
        return {name: _mean_of_known([one[name] for one in self.measured[way]]) for name in names}

    def gain(self, way: Way, over: Way) -> CrossFittedGain:
        """The mean difference by the metric, less being better.

        Scores of folds share most of the rows that were chosen by, and repeats share all of them, so their spread alone
        would make the standard error too small, the smaller the more repeats there are. It is corrected as Nadeau &
        Bengio (2003) do: the variance times 1/J + held/chosen by, for J scores.
        """
        metric = self.panel.metric
        old, new = (np.array([one[metric] for one in self.measured[name]]) for name in (over, way))
        differences = to_minimise(metric, old - new)
        known = differences[~np.isnan(differences)]
        if known.size < 2:
            return CrossFittedGain(0.0, np.inf)
        factor = 1 / known.size + 1 / (self.panel.held - 1)
        return CrossFittedGain(float(known.mean()), float(np.sqrt(known.var(ddof=1) * factor)))


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else np.nan


def repeats(work: int) -> int:
    """How often to cross-fit where it takes so many numbers to choose once."""
    return int(np.clip(WORK // max(1, FOLDS * work), 1, REPEATS))


def cross_fit(panel: Panel, ways: Mapping[Way, Chooser], seed: int, times: int) -> CrossFit:
    """Let each way choose on four fifths of the rows and measure it on the last, for each fifth, so many times."""
    found: dict[Way, list[Measured]] = {name: [] for name in ways}
    for held in filter(np.any, _folds(panel, times, seed)):
        rest, last = panel.take(np.flatnonzero(~held)), panel.take(np.flatnonzero(held))
        for name, choose in ways.items():
            found[name].append(last.measured(last.pooled(choose(rest))))
    return CrossFit(panel, found)


def _folds(panel: Panel, times: int, seed: int) -> Iterator[Array]:
    """Which rows are held back `(m,)`: fifths of each class, or of the targets by size, drawn anew for each repeat.

    Where rows come in groups, a fifth of the groups.
    """
    rank, unit = panel.y if panel.y.ndim == 1 else panel.y[:, 0], np.arange(len(panel))
    if panel.groups is not None and np.ptp(panel.groups):  # a single group is cut as rows are, as there is no other way
        unit = numbered(panel.groups)
        rank = np.zeros(int(unit.max()) + 1)
    for time in range(times):
        rng = np.random.default_rng([seed, time])
        shuffled = rng.permutation(len(rank))
        by_size = shuffled[np.argsort(rank[shuffled], kind="stable")]
        fold = np.empty(len(rank), np.int64)
        fold[by_size] = _shuffled_in_blocks(len(rank), rng)
        yield from (fold[unit] == k for k in range(FOLDS))


def _shuffled_in_blocks(rows: int, rng: np.random.Generator) -> Array:
    """Numbers of folds, each once in every five rows."""
    blocks = np.tile(np.arange(FOLDS), (-(-rows // FOLDS), 1))
    found: Array = rng.permuted(blocks, axis=1).ravel()[:rows]
    return found
