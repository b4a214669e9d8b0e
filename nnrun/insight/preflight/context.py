"""What the checks look at: the configuration, its data, trainers that nothing is kept of."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import Loaded
from nnrun.config.overrides import configured
from nnrun.config.values import Settings
from nnrun.data.dataset import Dataset
from nnrun.data.facts.likeness import Difference
from nnrun.data.raw import RawParts
from nnrun.engine.evaluation import Examples
from nnrun.engine.gradient_check import EPSILON
from nnrun.engine.hyperparameters import FLAGS, NUMBERS, Hyperparameters
from nnrun.engine.members import mean_sums
from nnrun.engine.parameters import Array
from nnrun.engine.schedules import Constant
from nnrun.engine.trainer import Recipe, Trainer
from nnrun.engine.update import penalty
from nnrun.insight.preflight.distances import differences
from nnrun.insight.range_test import some_rows
from nnrun.machine.lazily import cached_property
from nnrun.runs.assembly import recipe
from nnrun.runs.symptoms.evidence import Finding

if TYPE_CHECKING:
    import pandas as pd


Pair = tuple[str, str]  # of parts


class Probe(NamedTuple):
    """How the gradient is checked: by steps of which size, and in how many parameters, None for all."""

    epsilon: float = EPSILON
    most: int | None = 300

    @property
    def asked(self) -> bool:
        """Whether somebody wants to know more than that it is right."""
        return self != USUAL


USUAL = Probe()


@dataclass(frozen=True)
class Context:
    """One configuration before its first step; `parts` are the rows as they stand in the source, or a sample.

    `given` is the configuration before one of several folds was taken, and before an engine was chosen.
    """

    loaded: Loaded
    dataset: Dataset
    parts: RawParts
    given: Loaded
    probe: Probe = USUAL

    @property
    def config(self) -> Config:
        """The resolved configuration."""
        return self.loaded.config

    @property
    def target(self) -> str:
        """Name of the target column."""
        return self.dataset.fitted.target.name

    @property
    def columns(self) -> list[str]:
        """Names of the columns that the network learns from."""
        return self.dataset.fitted.columns

    @property
    def image(self) -> bool:
        """Whether the columns are the pixels of an image: none of them can be dropped without the others."""
        return self.dataset.fitted.image is not None

    def frame(self, part: str) -> pd.DataFrame:
        """Raw values of one part: the columns that are learned from, and the target."""
        return self.parts[part].frame[[*self.columns, self.target]]

    @cached_property
    def differences(self) -> dict[Pair, list[Difference]]:
        """Train against dev and dev against test, column by column and for the target."""
        parts = [part for part in ("train", "dev", "test") if part in self.parts]
        return {pair: differences(self.frame(pair[0]), self.frame(pair[1])) for pair in pairwise(parts)}

    @cached_property
    def recipe(self) -> Recipe:
        """What `nnrun train` would train; of an ensemble one network, the first."""
        return recipe([self.config], self.dataset)

    @cached_property
    def plain(self) -> Recipe:
        """The recipe with all units in place and no augmentation: chance would hide the cost that is meant to fall."""
        mlp = replace(self.recipe.mlp, dropout=(), input_dropout=None)
        return replace(self.recipe, mlp=mlp, augmenter=None)

    @cached_property
    def train(self) -> Examples:
        """The training part, or a fixed random sample of it, smaller for large networks."""
        return some_rows(self.config, self.dataset)

    def tried(self, settings: Settings) -> Context:
        """The context with other settings of network or optimizer, to see whether a cure cures."""
        return replace(self, loaded=replace(self.loaded, config=configured(self.config, settings)))

    def first_cure(self, ways: Iterable[Settings], run: Callable[[Context], Finding], otherwise: str) -> str:
        """The first of these settings with which the check passes, as options; else a word of advice."""
        for settings in ways:
            tried = self.tried(settings)
            if tried.config != self.config and run(tried).status == "pass":
                return " ".join(setting(key, value) for key, value in settings.items())
        return otherwise

    def trainer(self, recipe: Recipe, train: Examples, members: int = 1) -> Trainer:
        """The network before its first step, drawn as training draws it; members share its weights."""
        some = train.take(slice(2))  # nothing here is judged by a dev set
        return Trainer(recipe, train, some, [self.config.seed] * members)

    def full_batch(self, train: Examples, **changes: Any) -> Trainer:
        """A trainer whose epochs are one step on all of these rows, dropout off, the recipe otherwise changed so."""
        whole = replace(self.plain, **{"batch_size": len(train), "schedule": Constant(), **changes})
        return self.trainer(whole, train, len(whole.hyperparameters.learning_rate))


class Measured(NamedTuple):
    """Members before a step, `(members,)` each; the cost is the loss and the penalties."""

    loss: Array
    cost: Array
    error: Array


def descend(trainer: Trainer, steps: int) -> Iterator[Measured]:
    """Take full-batch steps, one an epoch, and measure before every one of them.

    The batch norm of training is in force, whose running averages would lag behind.
    """
    recipe, weights = trainer.recipe, trainer.theta[:, : trainer.network.n_weights]
    rows, examples = trainer.batches.bounds[0].stop, trainer.batches.examples
    _, targets, _ = next(trainer.batches.epoch(1))
    scale = examples.error_scale or np.nan
    seen: list[Measured] = []

    def see(layer: str, kind: str, array: Array) -> None:
        if (layer, kind) == ("output", "output"):
            losses, mistakes = mean_sums(recipe.loss, array, targets, examples.weights)
            loss = np.asarray(losses) / examples.total
            seen.append(Measured(loss, loss + penalty(weights, recipe.hyperparameters, rows), mistakes / scale))

    for _ in range(steps):
        for _ in trainer.steps(see):
            yield seen.pop()


def with_values(h: Hyperparameters, members: int, **values: Any) -> Hyperparameters:
    """Hyperparameters for so many members, as they are but for these values, one number or one a member."""
    flags = {name: getattr(h, name) for name in FLAGS}
    held = {name: getattr(h, name)[0, 0] for name in NUMBERS}
    return Hyperparameters.of(members, **{**held, **flags, **values})


def setting(key: str, value: object) -> str:
    """The option that sets a key, as it is typed in a shell."""
    written = dump_yaml([value], one_line=True).strip()[1:-1]
    return f"--set {shlex.quote(f'{key}={written}')}"
