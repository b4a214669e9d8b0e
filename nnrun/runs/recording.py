"""From a trainer's arrays to the numbers that files hold, run by run; a run of several networks is its ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NotRequired, TypedDict, cast

import numpy as np

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.divergence import Divergence
from nnrun.engine.epoch import Epoch
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.layer_statistics import layer_statistics, near_zero_share
from nnrun.engine.losses import Loss
from nnrun.engine.metrics import METRICS
from nnrun.engine.network import Bound
from nnrun.engine.parameters import Array
from nnrun.engine.stopping import Best
from nnrun.engine.trainer import Trainer
from nnrun.runs.assembly import examples
from nnrun.runs.grouped import sure_as, takes_mistakes
from nnrun.runs.judge import Measured, Mistakes, Predictions, in_own_unit, predictions, wanted, weights_of
from nnrun.runs.records import Diverged, Layers, MemberRecord, Row
from nnrun.runs.verdict import SURE

DIGITS = 8  # of the loss of a batch


def epoch_row(
    epoch: Epoch, k: int, trainer: Trainer, dataset: Dataset, measured: Measured, layers: Layers | None, seconds: float
) -> Row:
    """Run k's line of an epoch."""
    known = {
        "learning_rate": epoch.learning_rate,
        "train_loss": epoch.train_loss,
        "cost": epoch.cost,
        "train_error": epoch.train_error,
        "dev_loss": epoch.dev_loss,
        "dev_error": epoch.dev_error,
    }
    columns = {name: float(values[k]) for name, values in known.items()}
    columns |= _own_unit(dataset, "train", columns["train_error"], trainer.on_train.examples)
    columns |= _own_unit(dataset, "dev", columns["dev_error"], trainer.on_dev.examples)
    columns |= {name: float(values[k]) for name, values in measured.items()}
    row = {"epoch": epoch.number, "step": epoch.step, **columns, **({"layers": layers} if layers else {})}
    if epoch.step_losses.size:
        row["step_losses"] = epoch.step_losses[k].round(DIGITS).tolist()
    if trainer.ensemble > 1:
        row["members"] = {"dev_error": epoch.dev_errors[k].tolist(), "dev_loss": epoch.dev_losses[k].tolist()}
    return cast(Row, row | {"seconds": round(seconds, 6)})


def layers_of(trainer: Trainer) -> Sequence[Layers]:
    """Statistics of every layer for each run, on rows that the training error is measured on.

    Of an ensemble the means over its members, but of dead units the largest share, as it is enough that one has them.
    """
    sampled, members = trainer.on_train.examples, trainer.ensemble
    found = layer_statistics(trainer.network, trainer.recipe.loss, trainer.theta, trainer.state, sampled)
    return [_together(found[k : k + members]) for k in range(0, len(found), members)]


def _together(members: Sequence[Layers]) -> Layers:
    def of(name: str, key: str) -> float:
        values = [float(layers[name][key] or 0) for layers in members]
        return max(values) if key == "dead" else float(np.mean(values))

    return {name: {key: of(name, key) for key in found} for name, found in members[0].items()}


def guess_error(dataset: Dataset) -> float:
    """Training error of the best constant guess."""
    if not dataset.classes:
        return 1.0
    train = examples(dataset, "train")
    return 1 - float(np.bincount(train.y, train.weights).max()) / train.total


def told_of(config: Config, parts: Sequence[str]) -> list[str]:
    """Which of these parts a result is told of: no dev where all rows train, whose errors would look like true ones."""
    return [part for part in parts if part != "dev" or not config.data.without_dev]


class AtBest(TypedDict):
    """What a run's best parameters come to, as run.json has it; the second key only where it is an ensemble."""

    final: dict[str, float]
    members: NotRequired[list[MemberRecord]]


def finals(trainer: Trainer, best: Best, dataset: Dataset, parts: Sequence[str], config: Config) -> list[AtBest]:
    """What a configuration wants to know of each run's best parameters on the whole of these parts, and the cost.

    Losses, errors and metrics; empty for a run that finished no epoch. Dev is none of the parts where all rows train.
    """
    if not best.epochs.any():
        return [{"final": {}} for _ in best.epochs]
    names, runs = wanted(config, dataset), [dict[str, float]() for _ in best.epochs]
    theta, members = _flat(best.theta), [MemberRecord(seed=s, dev_error=None, dev_loss=None) for s in trainer.seeds]
    bound = trainer.network.bind(theta, _flat(best.state), np.empty_like(theta))
    for part in told_of(config, parts):
        measured = examples(dataset, part)
        evaluator = trainer.evaluator(measured)
        kept = Predictions(evaluator, dataset) if names else None
        mistakes = Mistakes(evaluator) if takes_mistakes(dataset, part) else None
        losses, errors = evaluator(bound)
        members = _members(trainer, evaluator) if part == "dev" else members
        plain = _plain_errors(evaluator, bound)
        further = {f"{part}_{name}": kept.measure(name) for name in names} if kept else {}
        if mistakes:
            further[f"{part}_{SURE}"] = mistakes.sure_as(part, dataset.parts[part].groups)
        for k, (final, loss, error) in enumerate(zip(runs, losses, errors, strict=True)):
            final |= {f"{part}_loss": float(loss), f"{part}_error": float(error)}
            final |= {f"{part}_plain_error": float(error) for error in plain[k : k + 1]}
            final |= _own_unit(dataset, part, float(error), measured)
            final |= {column: float(values[k]) for column, values in further.items()}
    for k, (final, penalty) in enumerate(zip(runs, trainer.penalty_of(theta), strict=True)):
        final["cost"] = final["train_loss"] + float(penalty)
        if trainer.recipe.hyperparameters.l1[k * trainer.ensemble].any():
            final["near_zero_weights"] = _near_zero(trainer, best, k)
    return [_of_run(trainer, k, final, members) if best.epochs[k] else {"final": {}} for k, final in enumerate(runs)]


def _members(trainer: Trainer, dev: Evaluator) -> list[MemberRecord]:
    """Each network of a trainer by itself, as it was measured last."""
    losses, errors = dev.of_members
    together = zip(trainer.seeds, errors.tolist(), losses.tolist(), strict=True)
    return [MemberRecord(seed=seed, dev_error=error, dev_loss=loss) for seed, error, loss in together]


def _of_run(trainer: Trainer, k: int, final: dict[str, float], members: Sequence[MemberRecord]) -> AtBest:
    if trainer.ensemble == 1:
        return {"final": final}
    return {"final": final, "members": [*members[k * trainer.ensemble : (k + 1) * trainer.ensemble]]}


def where_diverged(divergence: Divergence, trainer: Trainer, k: int) -> Diverged:
    """Where run k ended, and of an ensemble the seed of the network that ended it."""
    found: Diverged = {"epoch": divergence.epoch, "step": divergence.step, "layer": divergence.layer}
    if trainer.ensemble > 1:
        found["seed"] = trainer.seeds[k * trainer.ensemble + divergence.member]
    return found


def _flat(vectors: Array) -> Array:
    """`(runs, ..., size)` by members, `(members, size)`."""
    return vectors.reshape(prod(vectors.shape[:-1]), vectors.shape[-1])


def measures(loss: Loss, dataset: Dataset, part: str, logits: Array, names: Sequence[str]) -> dict[str, float]:
    """The measures of what several networks say together of a part: logits `(rows, width)`."""
    measured = examples(dataset, part)
    y, weights, scale = loss.targets(measured.y, logits.dtype), measured.weights, measured.error_scale or np.nan
    losses, mistakes = loss.sums(logits, y, weights)
    final = {f"{part}_loss": float(losses / measured.total), f"{part}_error": float(mistakes / scale)}
    if weights is not None:
        plain = Examples(measured.x, measured.y)
        final[f"{part}_plain_error"] = float(loss.sums(logits, y)[1] / (plain.error_scale or np.nan))
    if takes_mistakes(dataset, part):
        each = loss.each(logits, y)[1].astype(np.float64)
        final[f"{part}_{SURE}"] = sure_as(part, each, dataset.parts[part].groups, weights_of(measured))
    final |= _own_unit(dataset, part, final[f"{part}_error"], measured)
    known = in_own_unit(dataset, measured.y), predictions(loss, dataset, logits), weights_of(measured)
    return final | {f"{part}_{name}": of(*known) for name in names if (of := METRICS[name].of)}


def _plain_errors(weighing: Evaluator, bound: Sequence[Bound]) -> Array:
    """What the error of each run is where every row counts once, `(runs,)`; none where it is that already."""
    weighted = weighing.examples
    if weighted.weights is None:
        return np.empty(0)
    plain = Evaluator(weighing.network, weighing.loss, Examples(weighted.x, weighted.y), weighing.ensemble)
    return plain(bound)[1]


def _near_zero(trainer: Trainer, best: Best, k: int) -> float:
    """Of an ensemble the mean over its members."""
    network = trainer.network
    weights = [part for name, part in network.theta.slices.items() if name.endswith(".W")]
    thetas = _flat(best.theta[k : k + 1])[:, : network.n_weights]
    return float(np.mean([near_zero_share(theta, weights) for theta in thetas]))


def _own_unit(dataset: Dataset, part: str, error: float, measured: Examples) -> dict[str, float]:
    """Regression: the root of the mean squared error in the target's own unit, from 1 − R².

    Nothing of a logarithm, from whose error that does not follow; see `wanted`.
    """
    if dataset.classes or dataset.fitted.target.is_log:
        return {}
    mean_square = error * measured.error_scale / measured.total
    return {f"{part}_rmse": float(np.sqrt(mean_square)) * dataset.target_deviation}
