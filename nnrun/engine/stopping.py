"""What looks at the dev set between epochs: the best parameters so far, and when to stop waiting for better ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnrun.engine.parameters import Array


class Best:
    """The epoch with the lowest scores of each member, compared in the order given; the earlier one on a tie."""

    def __init__(self, members: int) -> None:
        self.scores = np.full((members, 2), np.inf)
        self.epochs = np.zeros(members, int)
        self.theta: Array = np.empty((members, 0))
        self.state: Array = np.empty((members, 0))

    def see(self, epoch: int, first: Array, second: Array, theta: Array, state: Array) -> Array:
        """Copy the rows of members that are better than ever; which they are, `(members,)`. NaN is never better."""
        scores = np.stack([first, second], axis=1)
        scores[np.isnan(scores)] = np.inf
        ahead, level = scores < self.scores, scores == self.scores
        better: Array = ahead[:, 0] | (level[:, 0] & ahead[:, 1])
        if not self.theta.size:
            self.theta, self.state = np.zeros_like(theta), np.zeros_like(state)
        self.scores[better], self.epochs[better] = scores[better], epoch
        self.theta[better], self.state[better] = theta[better], state[better]
        return better

    def put(self, epoch: int, scores: Array, theta: Array, state: Array) -> None:
        """Take over what an earlier process found: scores `(members, 2)` and vectors `(members, size)`."""
        self.epochs[:], self.scores, self.theta, self.state = epoch, scores, theta, state


class EarlyStopping:
    """Stops a member after `patience` epochs in which its score did not fall by more than `min_delta`."""

    def __init__(self, members: int, patience: int, min_delta: float) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.reference = np.full(members, np.inf)
        self.waited = np.zeros(members, int)

    def see(self, scores: Array) -> Array:
        """Which members have waited long enough, `(members,)`."""
        better = scores < self.reference - self.min_delta
        self.reference[better] = scores[better]
        self.waited = np.where(better, 0, self.waited + 1)
        return self.enough

    @property
    def enough(self) -> Array:
        """Which members have waited long enough, `(members,)`."""
        waited: Array = self.waited >= self.patience
        return waited

    def counters(self) -> dict[str, Sequence[Any]]:
        """What a checkpoint must hold for `restore`."""
        return {"reference": self.reference.tolist(), "waited": self.waited.tolist()}

    def restore(self, counters: dict[str, Sequence[Any]]) -> None:
        """Wait on from where the counters were taken."""
        self.reference = np.array(counters["reference"], float)
        self.waited = np.array(counters["waited"], int)
