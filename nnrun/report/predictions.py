"""What a run's best network says of the dev part, which is what the page looks at closely; never of the test part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnrun.assembly import recipe
from nnrun.checkpoints import load_weights, named
from nnrun.diagnosis.trained import Trained
from nnrun.engine.evaluation import logits_in_chunks
from nnrun.engine.parameters import Array

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


@dataclass(frozen=True, eq=False)
class Estimated:
    """Of each dev row the target and what was predicted, `(rows,)`, in the target's own unit."""

    true: Array
    said: Array


def outputs(model: Trained, x: Array) -> Array:
    """Probabilities `(rows, classes)`, or standardised values `(rows, 1)`, of prepared features `(rows, n)`."""
    plan = recipe([model.config], model.dataset)
    network = plan.mlp.network()
    theta, state = np.empty((1, network.theta.size), x.dtype), np.empty((1, network.state.size), x.dtype)
    views = named(network, theta[0], state[0])
    for name, tensor in load_weights(model.run).items():
        np.copyto(views[name], tensor)
    bound = network.bind(theta, state, np.empty_like(theta))
    found = [plan.loss.predict(logits[0]).copy() for _, logits in logits_in_chunks(network, bound, x)]
    return np.concatenate(found)


def predicted(model: Trained) -> Classified | Estimated:
    """The dev part as the best network sees it; UsageError where there is no checkpoint."""
    part, data = model.dataset.parts[PART], model.dataset
    said = outputs(model, part.x).astype(np.float64)
    if data.classes is not None:
        return Classified(data.classes, np.asarray(part.y), said)
    mean, deviation = data.info["target"]["mean"], data.target_deviation
    return Estimated(part.y[:, 0] * deviation + mean, said[:, 0] * deviation + mean)
