"""Dev rows with what a network makes of them, and how much worse that is when columns are shuffled among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream
from nnrun.models.model import Model


class Shuffled:
    """Rows of dev with what their network makes of them, and the rows whose values each of them is given in turn.

    `base` are losses and mistakes of the rows as they are, `(m,)` each, in the scale of the loss and of the error. A
    row is given the values of the next rows in a random order: never its own, and no row's twice.
    """

    def __init__(self, model: Model, measured: Examples, rounds: int) -> None:
        self.model = model
        self.rows = Examples(np.array(measured.x), measured.y, measured.weights)
        count = len(self.rows)
        order = stream(0, "shuffle").permutation(count)
        place = np.argsort(order)
        self.donors = [order[(place + step) % count] for step in range(1, min(rounds, count - 1) + 1)]
        self._share = np.ones(count) if self.rows.weights is None else self.rows.weights * (count / self.rows.total)
        self._work = self.rows.x.copy()
        self.base = self._measured(self.rows.x)

    def width(self, column: str) -> int:
        """How many features a column becomes."""
        return len(self._places([column]))

    def without(self, columns: Sequence[str]) -> list[Array]:
        """How much each row adds to the rise of the mean loss and to that of the mean mistakes, `(m,)` each.

        Their mean is the rise, and their variance over the rows is that of the rise, as of a mean: what a row adds is
        what it loses by the values of others and what others lose by its values (Hoeffding 1948), less the rise, and of
        a regression what it adds to the spread that the error is a share of.
        """
        places = self._places(columns)
        received, given = np.zeros((2, len(self.rows))), np.zeros((2, len(self.rows)))
        for donors in self.donors:
            self._work[:, places] = self.rows.x[donors[:, None], places]
            for kind, now in enumerate(self._measured(self._work)):
                rise = now - self.base[kind]
                received[kind] += rise
                given[kind, donors] += rise
        self._work[:, places] = self.rows.x[:, places]
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

    def _measured(self, x: Array) -> list[Array]:
        found = np.empty((2, len(x)))
        for rows, logits in self.model.logits(x):
            found[:, rows] = self.model.loss.each(logits, self.model.loss.targets(self.rows.y[rows], x.dtype))
        found[1] *= self.rows.total / self.rows.error_scale if self.rows.error_scale else np.nan
        return list(found * self._share)

    @cached_property
    def _spread(self) -> Array:
        """The squared distance of each target from their mean, as a share of the mean of all, `(m,)`; 1 of classes."""
        if self.rows.y.ndim == 1 or not self.rows.error_scale:
            return np.ones(len(self.rows))
        around = self.rows.y - np.average(self.rows.y, axis=0, weights=self._share)
        squares: Array = np.square(around).mean(axis=1) * self._share
        return squares * (self.rows.total / self.rows.error_scale)
