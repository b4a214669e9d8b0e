"""Dev rows with what a network makes of them, and how much worse that is when columns are shuffled among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream
from nnrun.machine.lazily import cached_property
from nnrun.models.model import Model


class Shuffled:
    """Rows of dev with what their network makes of them, and the rows whose values each of them is given in turn.

    `base` are losses and mistakes of the rows as they are, `(m,)` each, in the scale of the loss and of the error. A
    row is given the values of the next rows in a random order: never its own, and no row's twice. `groups (m,)` are
    theirs where rows come in groups.
    """

    def __init__(self, model: Model, measured: Examples, rounds: int, groups: Array | None = None) -> None:
        self.model, self.groups = model, groups
        self.rows, count = measured, len(measured)
        order = stream(0, "shuffle").permutation(count)
        place = np.argsort(order)
        steps = np.arange(1, min(rounds, count - 1) + 1)
        self.donors = order[(place + steps[:, None]) % count]  # (rounds, m)
        self._share = np.ones(count) if self.rows.weights is None else self.rows.weights * (count / self.rows.total)
        self._takers = np.tile(np.arange(count), len(steps))  # who is given the values of the donors
        self._exchanged = model.exchanged(self.rows.x)
        self._unchanged = self._measured([])  # (2, rounds, m): the last bits depend on a row's place in its chunk
        self.base = self._unchanged[:, 0]

    def width(self, column: str) -> int:
        """How many features a column becomes."""
        return len(self._places([column]))

    def without(self, columns: Sequence[str]) -> list[Array]:
        """How much each row adds to the rise of the mean loss and to that of the mean mistakes, `(m,)` each.

        Their mean is the rise, and their variance over the rows is that of the rise, as of a mean: what a row adds is
        what it loses by the values of others and what others lose by its values (Hoeffding 1948), less the rise, and of
        a regression what it adds to the spread that the error is a share of.
        """
        found = self._measured(self._places(columns)) - self._unchanged
        received, given = found.sum(axis=1), np.take_along_axis(found, self._given, axis=2).sum(axis=1)
        rises = received.mean(axis=1, keepdims=True) / len(self.donors)
        adds: Array = (received + given) / len(self.donors) - rises
        adds[1] -= rises[1] * (self._spread - 1)
        return list(adds)

    def _places(self, columns: Sequence[str]) -> list[int]:
        """The features of these columns, in all preprocessings of the model."""
        return sorted(place for name in columns for place in self._places_of[name])

    @cached_property
    def _places_of(self) -> dict[str, list[int]]:
        """The features of each column, by its name."""
        found: dict[str, list[int]] = {}
        start = 0
        for made in self.model.preprocessors:
            for name, places in made.places.items():
                found.setdefault(name, []).extend(start + place for place in places)
            start += made.n_features
        return found

    def _measured(self, places: Sequence[int]) -> Array:
        """Losses and mistakes `(2, rounds, m)`, the rows having these features of their donors."""
        found, loss = np.empty((2, self.donors.size)), self.model.loss
        for some, logits in self._exchanged(places, self._takers, self.donors.ravel()):
            found[:, some] = loss.each(logits, loss.targets(self.rows.y[self._takers[some]], self.rows.x.dtype))
        found[1] *= self.rows.total / self.rows.error_scale if self.rows.error_scale else np.nan
        return found.reshape(2, *self.donors.shape) * self._share

    @cached_property
    def _given(self) -> Array:
        """In each round, the row that is given the values of each, `(1, rounds, m)`."""
        return np.argsort(self.donors, axis=1)[None]

    @cached_property
    def _spread(self) -> Array:
        """The squared distance of each target from their mean, as a share of the mean of all, `(m,)`; 1 of classes."""
        if self.rows.y.ndim == 1 or not self.rows.error_scale:
            return np.ones(len(self.rows))
        around = self.rows.y - np.average(self.rows.y, axis=0, weights=self._share)
        squares: Array = np.square(around).mean(axis=1) * self._share
        return squares * (self.rows.total / self.rows.error_scale)
