"""From a trainer's arrays to the numbers that files hold, member by member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.evaluation import Evaluator, Examples, layer_statistics, near_zero_share
from nnrun.engine.losses import Loss
from nnrun.engine.metrics import METRICS, misfit
from nnrun.engine.network import Bound
from nnrun.engine.parameters import Array
from nnrun.engine.scores import primary_keys, to_minimise
from nnrun.engine.stopping import Best, scores_of
from nnrun.engine.trainer import Epoch, Trainer
from nnrun.errors import MisfitError
from nnrun.runs.assembly import examples
from nnrun.runs.records import Layers, Row

DEFINED = {"classification": "error", "regression": "rmse"}  # whatever rows a part has
Measured = Mapping[str, Array]  # column -> one number a member, such as dev_auc


class Judge:
    """What decides between the epochs of each member: the primary metric on the dev set.

    A metric that training does not measure in passing is worked out from the predictions of the same pass, on dev
    and on the rows that the training error is measured on. Raises MisfitError where task or dev set do not have it.
    """

    def __init__(self, trainer: Trainer, dataset: Dataset, primary: str) -> None:
        self.primary = primary
        _refuse_misfit(primary, dataset)
        watched = {"train": trainer.on_train, "dev": trainer.on_dev} if METRICS[primary].of else {}
        self._kept = {part: _Predictions(evaluator, dataset) for part, evaluator in watched.items()}

    def measure(self, epoch: Epoch) -> Measured:
        """The columns that the metric adds to an epoch; NaN for members that have stopped."""
        stopped = np.isnan(epoch.dev_loss)
        return {
            f"{part}_{self.primary}": np.where(stopped, np.nan, kept.measure(self.primary))
            for part, kept in self._kept.items()
        }

    def scores(self, epoch: Epoch, measured: Measured) -> Array:
        """What epochs are compared by, `(members, 2)`, less is better."""
        columns = {"dev_error": epoch.dev_error, "dev_loss": epoch.dev_loss, **measured}
        first, second = primary_keys(self.primary)
        return scores_of(to_minimise(self.primary, columns[first]), columns[second])


class _Predictions:
    """The predictions of an evaluator's latest pass."""

    def __init__(self, evaluator: Evaluator, dataset: Dataset) -> None:
        self.loss, self.dataset, self.examples = evaluator.loss, dataset, evaluator.examples
        self._logits: Array = np.empty((0, 0, 0))
        evaluator.see = self._keep

    def _keep(self, rows: slice, logits: Array) -> None:
        if not self._logits.size:
            self._logits = np.empty((len(logits), len(self.examples), logits.shape[-1]), logits.dtype)
        self._logits[:, rows] = logits

    def measure(self, name: str) -> Array:
        """A metric of each member, `(members,)`; NaN where numbers are not finite."""
        y = in_own_unit(self.dataset, self.examples.y)
        return np.array([self._of_member(name, y, logits) for logits in self._logits])

    def _of_member(self, name: str, y: Array, logits: Array) -> float:
        measure = METRICS[name].of
        if measure is None or not np.isfinite(logits).all():
            return np.nan
        return measure(y, predictions(self.loss, self.dataset, logits), weights_of(self.examples))


def predictions(loss: Loss, dataset: Dataset, logits: Array) -> Array:
    """Probabilities `(rows, classes)`, or values `(rows, width)` in the target's own unit; float64."""
    predicted = loss.predict(logits.astype(np.float64))
    return predicted if dataset.classes else in_own_unit(dataset, predicted)


def in_own_unit(dataset: Dataset, y: Array) -> Array:
    """Class indices as they are; standardised values times the target's deviation, plus its mean, in float64."""
    if dataset.classes:
        return y
    mean = dataset.fitted.target.mean
    values: Array = y.astype(np.float64) * dataset.target_deviation + mean
    return values


def weights_of(measured: Examples) -> Array | None:
    """A weight a row in float64, as sums over many rows need it; None where every row counts alike."""
    return None if measured.weights is None else measured.weights.astype(np.float64)


def _refuse_misfit(primary: str, dataset: Dataset) -> None:
    """MisfitError unless the metric fits the task, and is defined on the dev set whatever is predicted."""
    key = ("metrics", "primary")
    if problem := misfit(primary, dataset.task):
        raise MisfitError(key, f"{primary} {problem}; use error")
    if problem := undefined(primary, dataset, "dev"):
        raise MisfitError(key, f"{primary} {problem}; use {DEFINED[dataset.task]}, or split so that it has others too")


def undefined(name: str, dataset: Dataset, part: str) -> str | None:
    """Why a metric that fits the task has no value on a part, whatever is predicted; to be put behind its name."""
    measured = examples(dataset, part)
    if not dataset.classes:  # but for what rounding leaves of a variance
        alike = name in ("error", "r2") and not measured.error_scale
        return f"is not defined on the {part} set, which has equal targets only" if alike else None
    measure, constant = METRICS[name].of, np.ones((len(measured), len(dataset.classes)))
    if measure is None or not np.isnan(measure(measured.y, constant, weights_of(measured))):
        return None
    return f"is not defined on the {part} set, which has rows of one class only"


def wanted(config: Config, dataset: Dataset) -> list[str]:
    """The metrics that a run's final numbers hold beside those measured in passing: what decides epochs and trials."""
    names = [config.metrics.primary, config.search.metric.removeprefix("-").partition("_")[2]]
    fitting = [name for name in names if name in METRICS and not misfit(name, dataset.task)]
    return [name for name in dict.fromkeys(fitting) if METRICS[name].of]


def epoch_row(
    epoch: Epoch, k: int, trainer: Trainer, dataset: Dataset, measured: Measured, layers: Layers | None, seconds: float
) -> Row:
    """Member k's line of an epoch."""
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
    return cast(Row, row | {"seconds": round(seconds, 6)})


def layers_of(trainer: Trainer) -> Sequence[Layers]:
    """Statistics of every layer for each member, on rows that the training error is measured on."""
    sampled = trainer.on_train.examples
    return layer_statistics(trainer.network, trainer.recipe.loss, trainer.theta, trainer.state, sampled)


def guess_error(dataset: Dataset) -> float:
    """Training error of the best constant guess."""
    if not dataset.classes:
        return 1.0
    train = examples(dataset, "train")
    return 1 - float(np.bincount(train.y, train.weights).max()) / train.total


def finals(
    trainer: Trainer, best: Best, dataset: Dataset, parts: Sequence[str], names: Sequence[str] = ()
) -> list[dict[str, float]]:
    """Losses, errors and the named metrics of each member's best parameters on the whole of these parts, and the cost.

    Empty for a member that finished no epoch.
    """
    if not best.epochs.any():
        return [{} for _ in best.epochs]
    members: list[dict[str, float]] = [{} for _ in best.epochs]
    bound = trainer.network.bind(best.theta, best.state, np.empty_like(best.theta))
    for part in parts:
        measured = examples(dataset, part)
        evaluator = Evaluator(trainer.network, trainer.recipe.loss, measured)
        kept = _Predictions(evaluator, dataset) if names else None
        losses, errors = evaluator(bound)
        plain = _plain_errors(evaluator, bound)
        further = {f"{part}_{name}": kept.measure(name) for name in names} if kept else {}
        for k, (final, loss, error) in enumerate(zip(members, losses, errors, strict=True)):
            final |= {f"{part}_loss": float(loss), f"{part}_error": float(error)}
            final |= {f"{part}_plain_error": float(error) for error in plain[k : k + 1]}
            final |= _own_unit(dataset, part, float(error), measured)
            final |= {column: float(values[k]) for column, values in further.items()}
    for k, (final, penalty) in enumerate(zip(members, trainer.penalty_of(best.theta), strict=True)):
        final["cost"] = final["train_loss"] + float(penalty)
        if trainer.recipe.hyperparameters.l1[k].any():
            final["near_zero_weights"] = _near_zero(trainer, best, k)
    return [final if epoch else {} for final, epoch in zip(members, best.epochs, strict=True)]


def _plain_errors(weighing: Evaluator, bound: Sequence[Bound]) -> Array:
    """What the error of each member is where every row counts once, `(members,)`; none where it is that already."""
    weighted = weighing.examples
    if weighted.weights is None:
        return np.empty(0)
    return Evaluator(weighing.network, weighing.loss, Examples(weighted.x, weighted.y))(bound)[1]


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
