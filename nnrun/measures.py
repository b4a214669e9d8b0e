"""From a trainer's arrays to the numbers that files hold, member by member."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.assembly import examples
from nnrun.data.dataset import Dataset
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.statistics import layer_statistics, near_zero_share
from nnrun.engine.stopping import Best
from nnrun.engine.trainer import Epoch, Trainer

Row = dict[str, Any]  # what metrics.jsonl holds of an epoch


def epoch_row(epoch: Epoch, k: int, trainer: Trainer, dataset: Dataset) -> Row:
    """Member k's line of an epoch, but for its time."""
    numbers = {
        "learning_rate": epoch.learning_rate,
        "train_loss": epoch.train_loss,
        "cost": epoch.cost,
        "train_error": epoch.train_error,
        "dev_loss": epoch.dev_loss,
        "dev_error": epoch.dev_error,
    }
    row: Row = {"epoch": epoch.number, "step": epoch.step, **{name: float(v[k]) for name, v in numbers.items()}}
    row |= _own_unit(dataset, "train", row["train_error"], trainer.on_train.examples)
    row |= _own_unit(dataset, "dev", row["dev_error"], trainer.on_dev.examples)
    return row


def layers_of(trainer: Trainer) -> list[dict[str, dict[str, float]]]:
    """Statistics of every layer for each member, on rows that the training error is measured on."""
    sampled = trainer.on_train.examples
    return layer_statistics(trainer.network, trainer.recipe.loss, trainer.theta, trainer.state, sampled)


def guess_error(dataset: Dataset) -> float:
    """Training error of the best constant guess."""
    if not dataset.classes:
        return 1.0
    train = examples(dataset, "train")
    return 1 - float(np.bincount(train.y, train.weights).max()) / train.total


def finals(trainer: Trainer, best: Best, dataset: Dataset, parts: list[str]) -> list[dict[str, float]]:
    """Losses and errors of each member's best parameters on the whole of these parts, and the cost.

    Empty for a member that finished no epoch.
    """
    if not best.epochs.any():
        return [{} for _ in best.epochs]
    members: list[dict[str, float]] = [{} for _ in best.epochs]
    bound = trainer.network.bind(best.theta, best.state, np.empty_like(best.theta))
    for part in parts:
        measured = examples(dataset, part)
        losses, errors = Evaluator(trainer.network, trainer.recipe.loss, measured)(bound)
        for final, loss, error in zip(members, losses, errors, strict=True):
            final |= {f"{part}_loss": float(loss), f"{part}_error": float(error)}
            final |= _own_unit(dataset, part, float(error), measured)
    for k, (final, penalty) in enumerate(zip(members, trainer.penalty_of(best.theta), strict=True)):
        final["cost"] = final["train_loss"] + float(penalty)
        if trainer.recipe.hyperparameters.l1[k].any():
            final["near_zero_weights"] = _near_zero(trainer, best, k)
    return [final if epoch else {} for final, epoch in zip(members, best.epochs, strict=True)]


def _near_zero(trainer: Trainer, best: Best, k: int) -> float:
    network = trainer.network
    weights = [part for name, part in network.theta.slices.items() if name.endswith(".W")]
    return near_zero_share(best.theta[k, : network.n_weights], weights)


def _own_unit(dataset: Dataset, part: str, error: float, measured: Examples) -> dict[str, float]:
    """Regression: the root of the mean squared error in the target's own unit, from 1 − R²."""
    if dataset.classes:
        return {}
    mean_square = error * measured.error_scale / measured.total
    return {f"{part}_rmse": float(np.sqrt(mean_square)) * dataset.target_deviation}
