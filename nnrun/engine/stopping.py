"""What looks at the dev set between epochs: the best parameters so far, and when to stop waiting for better ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.engine.scores import Counters


def scores_of(first: Array, second: Array) -> Array:
    """Two numbers a member as `(members, 2)`, the one that counts first in front; what is unknown is infinitely bad."""
    scores = np.stack([first, second], axis=1)
    scores[np.isnan(scores)] = np.inf
    return scores


def _lower(scores: Array, reference: Array, by_more_than: float = 0.0) -> Array:
    """Where the first score is lower, or the first is level and the second lower; `(members, 2)` → `(members,)`."""
    ahead, level = scores < reference - by_more_than, scores == reference
    lower: Array = ahead[:, 0] | (level[:, 0] & ahead[:, 1])
    return lower


class Best:
    """The epoch with the lowest scores of each member, compared in the order given; the earlier one on a tie."""

    def __init__(self, members: int) -> None:
        self.scores = np.full((members, 2), np.inf)
        self.epochs = np.zeros(members, int)
        self.theta: Array = np.empty((members, 0))
        self.state: Array = np.empty((members, 0))

    def see(self, epoch: int, scores: Array, theta: Array, state: Array) -> Array:
        """Copy the rows of members whose scores `(members, 2)` are better than ever; which they are, `(members,)`.

        A row is all that belongs to one, `(members, ...)`.
        """
        better = _lower(scores, self.scores)
        if not self.theta.size:
            self.theta, self.state = np.zeros_like(theta), np.zeros_like(state)
        self.scores[better], self.epochs[better] = scores[better], epoch
        for k in np.flatnonzero(better):  # one by one, as a selection of rows would be copied twice
            self.theta[k], self.state[k] = theta[k], state[k]
        return better

    def put(self, epoch: int, scores: Array, theta: Array, state: Array) -> None:
        """Take over what an earlier process found: scores `(members, 2)` and vectors `(members, size)`."""
        self.epochs[:], self.scores, self.theta, self.state = epoch, scores, theta, state


class Ceilings:
    """Stops a member whose best first score so far lies above what is asked for in its epoch."""

    def __init__(self, ceilings: Sequence[Sequence[float | None]]) -> None:
        """Epoch by epoch, one sequence a member; None, and where it has ended: anything will do."""
        self._ceilings = np.full((len(ceilings), max(map(len, ceilings), default=0)), np.inf)
        for row, given in zip(self._ceilings, ceilings, strict=True):
            row[: len(given)] = [np.inf if ceiling is None else ceiling for ceiling in given]

    def behind(self, epoch: int, best: Best) -> Array:
        """Which members are, `(members,)`, after an epoch, counted from 1."""
        if epoch > self._ceilings.shape[1]:
            return np.zeros(len(self._ceilings), bool)
        behind: Array = best.scores[:, 0] > self._ceilings[:, epoch - 1]
        return behind


class EarlyStopping:
    """Stops a member after `patience` epochs whose scores are not better by more than `min_delta`."""

    def __init__(self, members: int, patience: int, min_delta: float) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.reference = np.full((members, 2), np.inf)
        self.waited = np.zeros(members, int)

    def see(self, scores: Array, active: Array) -> Array:
        """Which members have waited long enough after an epoch with these scores `(members, 2)`.

        Only members marked in `active (members,)` go on waiting.
        """
        better = _lower(scores, self.reference, self.min_delta)
        self.reference[better] = scores[better]
        self.waited = np.where(better, 0, self.waited + active)
        return self.enough

    @property
    def enough(self) -> Array:
        """Which members have waited long enough, `(members,)`."""
        waited: Array = self.waited >= self.patience
        return waited

    def counters(self, k: int) -> Counters:
        """What a checkpoint of member k must hold for `restore` when it is alone."""
        return {"reference": self.reference[k : k + 1].tolist(), "waited": self.waited[k : k + 1].tolist()}

    def restore(self, reference: Array, waited: Array) -> None:
        """Wait on from where the counters were taken, `(members, 2)` and `(members,)`."""
        self.reference, self.waited = np.array(reference, float), np.array(waited, int)
