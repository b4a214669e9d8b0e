"""What a run's best network says of the dev part, which is what the page looks at closely; never of the test part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.engine.parameters import Array
from nnrun.prediction.model import Model

PART = "dev"


@dataclass(frozen=True, eq=False)
class Classified:
    """Of each dev row its class `(rows,)` and the probability of every class `(rows, classes)`."""

    classes: list[str]
    true: Array
    p: Array

    @property
    def said(self) -> Array:
        """The most probable class `(rows,)`; of equal ones the first."""
        found: Array = self.p.argmax(axis=1)
        return found

    @property
    def sureness(self) -> Array:
        """The probability of that class `(rows,)`."""
        found: Array = self.p.max(axis=1)
        return found

    @property
    def wrong(self) -> Array:
        """Where it is another than the true one `(rows,)`."""
        return np.asarray(self.said != self.true)

    @property
    def of_true(self) -> Array:
        """The probability of the true class `(rows,)`."""
        found: Array = self.p[np.arange(len(self.true)), self.true]
        return found

    def at(self, rows: Array) -> Classified:
        """These rows alone."""
        return Classified(self.classes, self.true[rows], self.p[rows])


@dataclass(frozen=True, eq=False)
class Estimated:
    """Of each dev row the target and what was predicted, `(rows,)`, in the target's own unit."""

    true: Array
    said: Array

    def at(self, rows: Array) -> Estimated:
        """These rows alone."""
        return Estimated(self.true[rows], self.said[rows])


def predicted(model: Model, data: Dataset) -> Classified | Estimated:
    """The dev part as the best network sees it."""
    part = data.parts[PART]
    said = model.predict_features(part.x).astype(np.float64)
    if data.classes is not None:
        return Classified(data.classes, np.asarray(part.y), said)
    return Estimated(part.y[:, 0] * model.target.deviation + model.target.mean, said)
