"""From resolved configurations and their data to a trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnrun.config import schema
from nnrun.config.config import Config
from nnrun.config.overrides import configured
from nnrun.data.augment import augmenter
from nnrun.data.dataset import Dataset
from nnrun.data.fitted import Fitted
from nnrun.engine.evaluation import CHUNK, Examples
from nnrun.engine.hyperparameters import FLAGS, NUMBERS, Hyperparameters
from nnrun.engine.losses import LOSSES, Loss
from nnrun.engine.metrics import Task
from nnrun.engine.network import MLP
from nnrun.engine.parameters import Array
from nnrun.engine.scores import usual_loss
from nnrun.engine.trainer import NumpyEngine, Recipe, Trainer
from nnrun.errors import MisfitError
from nnrun.machine import threads
from nnrun.machine.capacity import lacking_memory

OF_A_MEMBER = {  # keys in which the members of a trainer may differ, by section; the seed besides
    "optimizer": NUMBERS,
    "regularization": (*NUMBERS, "dropout", "input_dropout"),
    "training": ("average",),  # of one kind
}
SMALL_DATA, SMALL_BATCH = 2_000, 32
VECTORS_KEPT = 7  # theta, its gradient, two moments, the last good epoch, the best one, a checkpoint being written
VECTORS_OF_AVERAGE = 2  # the average, and that of the last good epoch


def make_trainer(configs: Sequence[Config], dataset: Dataset, engine: type[NumpyEngine] = NumpyEngine) -> Trainer:
    """A trainer with the members of each configuration; they may differ in seed and OF_A_MEMBER only.

    Raises MisfitError where the network does not fit into memory or the loss does not fit the task.
    """
    check_memory(configs[0], dataset)
    members = [member for config in configs for member in networks_of(config)]
    return Trainer(
        recipe(members, dataset),
        examples(dataset, "train"),
        examples(dataset, "dev"),
        [member.seed for member in members],
        engine,
        configs[0].network.ensemble,
    )


def networks_of(config: Config) -> list[Config]:
    """Each network of an ensemble, as what trains it alone: its seed is its own, counted up from the config's."""
    network = config.network.model_copy(update={"ensemble": 1})
    seeds = range(config.seed, config.next_seed)
    return [config.model_copy(update={"seed": seed, "network": network}) for seed in seeds]


def examples(dataset: Dataset, part: str) -> Examples:
    """One part as the engine wants it."""
    arrays = dataset.parts[part]
    return Examples(arrays.x, arrays.y, arrays.weights)


def recipe(configs: Sequence[Config], dataset: Dataset) -> Recipe:
    """What members have in common, from the first of their configurations, and the numbers in which they differ."""
    config, loss = configs[0], make_loss(configs[0], dataset)
    if wrong := schema.smoothing_contradiction(dataset.task, max(c.regularization.label_smoothing for c in configs)):
        raise MisfitError(("regularization", "label_smoothing"), wrong)
    mlp = make_mlp(
        config,
        dataset.n_features,
        loss.width,
        dropout=[
            _rates(configs, dataset, lambda c, i=i: c.regularization.dropout[i])
            for i in range(len(config.network.hidden))
        ],
        input_dropout=_rates(configs, dataset, lambda c: c.regularization.input_dropout),
        embeddings=dataset.fitted.embeddings,
    )
    return Recipe(
        mlp=mlp,
        initializer=config.network.init.build(),
        loss=loss,
        optimizer=config.optimizer.name,
        hyperparameters=_hyperparameters(configs),
        schedule=config.optimizer.schedule.build(),
        batch_size=batch_size(config, len(dataset.parts["train"].x)),
        epochs=config.training.epochs,
        shuffle=config.training.shuffle,
        augmenter=augmenter(config.regularization.augment, dataset),
        step_losses=config.training.record == "steps",
    )


def make_mlp(config: Config, n_in: int, n_out: int, **others: Any) -> MLP:
    """The network that the configuration describes; of the others, rates of dropout are needed for training alone."""
    network = config.network
    shape = n_in, network.hidden, n_out, network.activation, network.batch_norm
    return MLP(*shape, members=network.members, **others)


def make_loss(config: Config, dataset: Dataset) -> Loss:
    """The loss the configuration names, or the usual one of the task."""
    outputs = len(dataset.classes) if dataset.classes else dataset.parts["train"].y.shape[1]
    return named_loss(config.training.loss, dataset.task, outputs)


def named_loss(name: str, task: Task, outputs: int) -> Loss:
    """A loss by its name, or by `auto` the usual one of the task; MisfitError where it is of the other task."""
    if wrong := schema.loss_contradiction(task, name):
        raise MisfitError(("training", "loss"), wrong)
    return LOSSES[usual_loss(task) if name == "auto" else name](outputs)


def batch_size(config: Config, rows: int) -> int:
    """The size asked for, at most all rows."""
    asked = config.training.batch_size
    if asked == "full":
        return rows
    return usual_batch_size(rows) if asked == "auto" else min(int(asked), rows)


def usual_batch_size(rows: int) -> int:
    """32 up to 2,000 training rows, then the power of two from 64 to 512 just above √rows."""
    if rows <= SMALL_DATA:
        return min(SMALL_BATCH, rows)
    return min(512, max(64, 1 << math.ceil(math.log2(rows) / 2)))


def layer_widths(config: Config, features: int, classes: Sequence[str] | None) -> list[int]:
    """Units from the features to the outputs, of which two classes have one."""
    task: Task = "classification" if classes else "regression"
    return [features, *config.network.hidden, named_loss(config.training.loss, task, len(classes or [0])).width]


def parameters(config: Config, fitted: Fitted) -> int:
    """Numbers that each network of the configuration trains on such data."""
    features, *_, outputs = layer_widths(config, len(fitted.features), fitted.classes)
    return make_mlp(config, features, outputs, embeddings=fitted.embeddings).parameters


def check_memory(config: Config, dataset: Dataset) -> None:
    """Refuse a network that would not fit, before anything is allocated."""
    numbers, needed = memory_needed(config, dataset)
    networks = config.network.ensemble
    if told := lacking_memory(needed):
        each = "" if lacking_memory(needed // networks) else f" in each of {networks:,} networks"
        one_body = configured(config, {"network.members": 1})
        shared = config.network.members > 1 and not lacking_memory(memory_needed(one_body, dataset)[1])
        raise MisfitError(
            ("network", "members" if shared else "ensemble" if each else "hidden"),
            f"{list(config.network.hidden)} on {dataset.n_features} features means {numbers:,} parameters{each}; "
            f"training would take {told}",
        )


def memory_needed(config: Config, dataset: Dataset) -> tuple[int, int]:
    """Parameters of a network, and about how many bytes training takes beside the data, all of an ensemble together."""
    widths = layer_widths(config, dataset.n_features, dataset.classes)
    codes = dataset.fitted.embeddings
    numbers = parameters(config, dataset.fitted)
    rows = max(CHUNK * threads.count(), config.network.members * batch_size(config, len(dataset.parts["train"].x)))
    vectors = VECTORS_KEPT + (VECTORS_OF_AVERAGE if config.training.average else 0)
    activations = 3 * rows * (sum(widths) + sum(code.size for code in codes))
    one = np.dtype(config.training.dtype).itemsize * (vectors * numbers + activations)
    return numbers, config.network.ensemble * one


def _rates(configs: Sequence[Config], dataset: Dataset, rate: Callable[..., float]) -> Array:
    return np.array([rate(config) for config in configs], dataset.parts["train"].x.dtype)[:, None, None]


def _average(config: Config) -> dict[str, float]:
    average = config.training.average
    return {"ema": (average and average.ema) or 0.0, "swa": (average and average.swa) or 0.0}


def _hyperparameters(configs: Sequence[Config]) -> Hyperparameters:
    """Of each config: the keys of `optimizer` and `regularization` have the names that the fields of it have."""
    settings = [{**dict(config.optimizer), **dict(config.regularization), **_average(config)} for config in configs]
    for values in settings:
        values["clip_norm"] = values["clip_norm"] or np.inf
    numbers = {name: [values[name] for values in settings] for name in NUMBERS}
    return Hyperparameters.of(len(configs), **numbers, **{name: settings[0][name] for name in FLAGS})
