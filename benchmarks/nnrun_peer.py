"""nnrun itself, alone or with members stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from environment import numpy_kernel
from peers import DROPOUT, L2, LEARNING_RATE, Problem

from nnrun.engine.evaluation import Examples
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.losses import LOSSES, Loss
from nnrun.engine.network import MLP
from nnrun.engine.optimizers import hyperparameters
from nnrun.engine.schedules import SCHEDULES
from nnrun.engine.trainer import NumpyEngine, Recipe, Trainer


class NnrunPeer:
    """nnrun: `members` networks of one shape trained as one; a step advances all of them.

    A step holds: a share of the epoch's shuffle and of gathering the rows, each member's own; forward, gradient of the
    loss, backward, Adam. The loss itself is not worked out in a step but over all rows at the end of an epoch: an epoch
    adds that, the same for dev data (a quarter of the rows), and the copy that a run goes back to.
    """

    module: ClassVar[str] = "nnrun"
    threads = ""

    def __init__(self, members: int = 1, compiled: bool = False, regularized: bool = False) -> None:
        self.members, self.compiled, self.regularized = members, compiled, regularized

    def prepare(self, problem: Problem) -> None:
        """A trainer with as many seeds as members."""
        loss = LOSSES["cross_entropy"](problem.widths[-1])
        train = Examples(problem.x, problem.y)
        dev = Examples(problem.x[: len(train) // 4], problem.y[: len(train) // 4])
        recipe = adam_recipe(problem.widths[0], problem.widths[1:-1], loss, problem.batch, self.members)
        if self.regularized:
            recipe = regularised(recipe)
        self.trainer = Trainer(recipe, train, dev, range(self.members), self._engine())
        self.batches = problem.batches
        self.threads = f"NumPy's BLAS: {numpy_kernel()}"
        self.epochs(1)

    def _engine(self) -> type[NumpyEngine]:
        if not self.compiled:
            return NumpyEngine
        from nnrun.compiled.steps import CompiledSteps

        return CompiledSteps

    def run(self, steps: int) -> None:
        """Steps alone, without what closes an epoch."""
        for _ in range(steps // self.batches):
            for _ in self.trainer.steps():
                pass

    def epochs(self, count: int) -> None:
        """Whole epochs as a run trains them."""
        for _ in self.trainer.epochs(self.trainer.epoch + count):
            pass


def regularised(recipe: Recipe) -> Recipe:
    """With batch norm, dropout and L2."""
    rates = [np.full((1, 1, 1), DROPOUT)] * len(recipe.mlp.hidden)
    mlp = replace(recipe.mlp, batch_norm=True, dropout=rates)
    return replace(recipe, mlp=mlp, hyperparameters=hyperparameters("adam", 1, learning_rate=LEARNING_RATE, l2=L2))


def adam_recipe(
    n_in: int, hidden: Sequence[int], loss: Loss, batch: int, members: int, l2: float = 0.0, epochs: int = 1
) -> Recipe:
    """ReLU network and Adam with its usual numbers, the same for all members."""
    return Recipe(
        mlp=MLP(n_in, hidden, loss.width),
        initializer=INITIALIZERS["auto"](),
        loss=loss,
        optimizer="adam",
        hyperparameters=hyperparameters("adam", members, learning_rate=LEARNING_RATE, l2=l2),
        schedule=SCHEDULES["constant"](),
        batch_size=batch,
        epochs=epochs,
    )
