"""The mean loss of each batch as it was trained on, where that is kept: worked out for many batches at once."""

from __future__ import annotations

import numpy as np

from nnrun.engine.batches import Rows
from nnrun.engine.losses import Loss
from nnrun.engine.members import losses_of_rows
from nnrun.engine.parameters import Array

AT_ONCE = 4096  # rows of a network; a batch alone costs a fifth of its step, most of it in calls


def means_of(losses: Array, first: Rows, rows: Rows) -> Array:
    """Of the losses of rows `(..., m)` the mean of each batch: so many rows from its first on; `(..., batches)`."""
    return np.asarray(np.add.reduceat(losses, first, axis=-1) / rows)


class StepLosses:
    """Is shown the logits of batch after batch; after `work_out` the first columns of `means` are whole."""

    def __init__(self, loss: Loss, means: Array) -> None:
        """`means (networks, steps)` is filled from the first step on; without steps nothing is kept."""
        self._loss, self._means, self._done = loss, means, 0
        self._waiting: list[tuple[Array, Array, Array | None]] = []
        self._rows: list[int] = []

    def see(self, logits: Array, targets: Array, weights: Array | None) -> None:
        """Logits `(networks, m, width)`, which are copied, their targets and the weights of the rows `(..., m, 1)`."""
        if not self._means.size:
            return
        self._waiting.append((logits.copy(), targets, weights))
        self._rows.append(targets.shape[-2])
        if self._rows[0] * len(self._rows) >= AT_ONCE:  # the last batch alone differs
            self.work_out()

    def work_out(self) -> None:
        """The means of all that was seen."""
        if not self._rows:
            return
        logits, targets, weights = zip(*self._waiting, strict=True)
        together = None if weights[0] is None else np.concatenate(weights, axis=-2)
        losses = losses_of_rows(self._loss, np.concatenate(logits, axis=-2), np.concatenate(targets, axis=-2), together)
        rows, before = np.array(self._rows), self._done
        self._done += len(rows)
        self._means[:, before : self._done] = means_of(losses, np.cumsum(rows) - rows, rows)
        self._waiting.clear()
        self._rows.clear()
