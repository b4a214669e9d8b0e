"""Whether one setting is better than another: the same seeds, the same dev rows, one-sided, at 5%.

Two things are left to chance: which seeds were drawn, and which rows came into the dev set, or which groups of rows.
How much smaller the mistake on a row is with a seed makes a table of S × n differences, each with a part of the seed,
one of the row, and a rest that belongs to both. That is the design of readers and cases in diagnostic imaging: with the
mean squares of an analysis of variance, the mean of all has a variance of about
(MS_seeds + max(MS_rows − MS_rest, 0)) / (S n), and the degrees of freedom of Hillis (2007, Statistics in Medicine 26,
596-619). Where the seeds differ no more than the rest alone would let them, the rest takes their place, which is known
far better.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.models.baselines import constant
from nnrun.models.trained import Trained, mistakes_of, trained
from nnrun.runs.assembly import examples, make_loss
from nnrun.runs.grouped import error_of_mean, half_each_way, pseudo_values
from nnrun.runs.stored import StoredRun

LEVEL = 0.05
SOME = 1e-12  # below it all differences are rounding


@dataclass(frozen=True)
class Comparison:
    """By how much the error is lower: seed by seed, on average, with the 95% interval, and how often chance does it."""

    gains: list[float]
    gain: float
    low: float
    high: float
    chance: float  # one-sided: of a mean as high as this where there is no difference
    rows: int

    @property
    def better(self) -> bool:
        """Whether it is told from chance."""
        return self.gain > 0 and self.chance < LEVEL


def compare(old: Array, new: Array, weights: Array | None = None, groups: Array | None = None) -> Comparison:
    """Mistakes before and after, `(seeds, rows)` each: one number a row whose mean is the error; see `mistakes`.

    Rows may come in groups `(rows,)`, which are then what is drawn by chance.
    """
    from scipy.special import stdtr, stdtrit

    difference = old - new
    rows = difference.shape[1]
    of_rows = np.full(rows, 1 / rows) if weights is None else weights / weights.sum()
    gains = difference @ of_rows
    gain, told = float(gains.mean()), [float(each) for each in gains]
    cases = difference * of_rows * rows if groups is None else pseudo_values(difference, groups, weights)
    if min(cases.shape) < 2:
        return Comparison(told, gain, -inf, inf, 1.0, rows)
    variance, freedom = _spread(cases, groups is not None)
    error = sqrt(variance / cases.size)
    if error < SOME and abs(gain) < SOME:  # nothing has changed
        return Comparison(told, gain, gain, gain, 1.0, rows)
    if error < SOME:  # each seed and row alike, of which a few say little of others
        error, freedom = error_of_mean(cases[0], half_each_way(cases[0], rows)), cases.shape[1] - 1.0
    half = float(stdtrit(freedom, 0.975)) * error
    return Comparison(told, gain, gain - half, gain + half, float(stdtr(freedom, -gain / error)), rows)


def _spread(difference: Array, few: bool) -> tuple[float, float]:
    """The variance of the mean of a table `(seeds, rows)`, times its number of cells, and the degrees of freedom.

    Of `few` rows, as groups may be, that of theirs is known badly, too (Satterthwaite 1946, Biometrics 2, 110-114).
    """
    seeds, rows = difference.shape
    whole, of_seed, of_row = difference.mean(), difference.mean(axis=1), difference.mean(axis=0)
    ms_seeds = rows * float(((of_seed - whole) ** 2).sum()) / (seeds - 1)
    ms_rows = seeds * float(((of_row - whole) ** 2).sum()) / (rows - 1)
    rest = difference - of_seed[:, None] - of_row + whole
    ms_rest = float((rest**2).sum()) / ((seeds - 1) * (rows - 1))
    freedom = (seeds - 1) * (1 if ms_seeds > ms_rest else rows - 1)
    by_seeds = max(ms_seeds, ms_rest)
    variance = by_seeds + max(ms_rows - ms_rest, 0.0)
    doubt = by_seeds**2 / freedom + (ms_rows**2 / (rows - 1) if few and ms_rows > ms_rest else 0.0)
    return variance, variance**2 / doubt if doubt else float(rows - 1)


class DevRows(NamedTuple):
    """One number a dev row whose (weighted) mean is the run's dev error; weights and what rows are alike in, if any."""

    mistakes: Array
    weights: Array | None
    groups: Array | None


def mistakes(run: StoredRun) -> DevRows:
    """Of the run's best network.

    A regression may be worse than the mean target by any factor, which would drown all other seeds: it counts as that.
    """
    found = trained(run)
    each, weights = found.mistakes("dev"), found.weights("dev")
    return DevRows(each / max(1.0, float(np.average(each, weights=weights))), weights, found.alike("dev"))


def guess(run: StoredRun) -> Array:
    """The mistakes on dev of the best constant guess of the training rows, `(rows,)`."""
    found = trained(run)
    return np.concatenate([_guess(piece) for piece in found.pieces("dev")])


def _guess(piece: Trained) -> Array:
    train, dev = (examples(piece.dataset, part) for part in ("train", "dev"))
    loss = make_loss(piece.config, piece.dataset)
    classes = piece.dataset.fitted.classes
    said = constant(train, loss, None if classes is None else len(classes)).logits(dev.x)
    guessed: Array = mistakes_of(((rows, logits[None]) for rows, logits in said), loss, dev)[0]
    return guessed
