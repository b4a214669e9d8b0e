"""What decides between epochs and trials: metrics, worked out from the predictions of a pass over the examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.epoch import Epoch
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.losses import Loss
from nnrun.engine.metrics import METRICS, misfit
from nnrun.engine.parameters import Array
from nnrun.engine.scores import Objective, primary_keys, to_minimise
from nnrun.engine.stopping import scores_of
from nnrun.engine.trainer import Trainer
from nnrun.errors import MisfitError
from nnrun.runs.assembly import examples
from nnrun.runs.grouped import sure_as
from nnrun.text import percent, set_name, shown_name

DEFINED = {"classification": "error", "regression": "rmse"}  # whatever rows a part has
OF_SECOND = "average_precision"  # the metric that is another number for each of two classes
Measured = Mapping[str, Array]  # column -> one number a run, such as dev_auc


class Judge:
    """What decides between the epochs of each run: the primary metric on the dev set; without one the last epoch.

    A metric that training does not measure in passing is worked out from the predictions of the same pass, on dev
    and on the rows that the training error is measured on. Raises MisfitError where task or dev set do not have it.
    """

    def __init__(self, trainer: Trainer, dataset: Dataset, primary: str) -> None:
        self.primary = primary
        _refuse_misfit(primary, dataset)
        self._latest = dataset.all_train
        self._names = list(dict.fromkeys([*([primary] if METRICS[primary].of else []), *of_log(dataset)]))
        watched = {"train": trainer.on_train, "dev": trainer.on_dev} if self._names else {}
        self._kept = {part: Predictions(evaluator, dataset) for part, evaluator in watched.items()}

    def measure(self, epoch: Epoch) -> Measured:
        """The columns that the metric adds to an epoch; NaN for runs that have stopped."""
        stopped = np.isnan(epoch.dev_loss)
        return {
            f"{part}_{name}": np.where(stopped, np.nan, kept.measure(name))
            for part, kept in self._kept.items()
            for name in self._names
        }

    def scores(self, epoch: Epoch, measured: Measured) -> Array:
        """What epochs are compared by, `(runs, 2)`, less is better."""
        if self._latest:
            number = np.where(np.isnan(epoch.dev_loss), np.nan, -float(epoch.number))
            return scores_of(number, number)
        columns = {"dev_error": epoch.dev_error, "dev_loss": epoch.dev_loss, **measured}
        first, second = primary_keys(self.primary)
        return scores_of(to_minimise(self.primary, columns[first]), columns[second])


class Predictions:
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
        """A metric of each run, `(runs,)`; NaN where numbers are not finite."""
        y = in_own_unit(self.dataset, self.examples.y)
        return np.array([self._of_run(name, y, logits) for logits in self._logits])

    def _of_run(self, name: str, y: Array, logits: Array) -> float:
        measure = METRICS[name].of
        if measure is None or not np.isfinite(logits).all():
            return np.nan
        return measure(y, predictions(self.loss, self.dataset, logits), weights_of(self.examples))


class Mistakes:
    """Which rows an evaluator's latest pass took for another class; a byte each, where predictions are many numbers."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._loss, self._examples, self._also = evaluator.loss, evaluator.examples, evaluator.see
        self._wrong: Array = np.empty((0, 0), bool)
        evaluator.see = self._keep

    def _keep(self, rows: slice, logits: Array) -> None:
        if self._also:
            self._also(rows, logits)
        if not self._wrong.size:
            self._wrong = np.empty((len(logits), len(self._examples)), bool)
        targets = self._loss.targets(self._examples.y[rows], logits.dtype)
        self._wrong[:, rows] = self._loss.each(logits, targets)[1]

    def sure_as(self, part: str, groups: Array | None) -> Array:
        """Independent rows that the error of each run is as sure as, `(runs,)`."""
        weights = weights_of(self._examples)
        return np.array([sure_as(part, wrong.astype(np.float64), groups, weights) for wrong in self._wrong])


def predictions(loss: Loss, dataset: Dataset, logits: Array) -> Array:
    """Probabilities `(rows, classes)`, or values `(rows, width)` in the target's own unit; float64."""
    predicted = loss.predict(logits.astype(np.float64))
    return predicted if dataset.classes else in_own_unit(dataset, predicted)


def in_own_unit(dataset: Dataset, y: Array) -> Array:
    """Class indices as they are; standardised values in the target's own unit, in float64."""
    if dataset.classes:
        return y
    return dataset.fitted.target.own(y)


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
    measured, fold = examples(dataset, part), dataset.fitted.fold
    where = f"the {part} set{f' of {fold}' if fold and part != 'test' else ''}"
    if not dataset.classes:  # but for what rounding leaves of a variance
        alike = name in ("error", "r2") and not measured.error_scale
        return f"is not defined on {where}, which has equal targets only" if alike else None
    measure, constant = METRICS[name].of, np.ones((len(measured), len(dataset.classes)))
    if measure is None or not np.isnan(measure(measured.y, constant, weights_of(measured))):
        return None
    return f"is not defined on {where}, which has rows of one class only"


def wanted(config: Config, dataset: Dataset) -> list[str]:
    """The metrics that a run's final numbers hold beside those measured in passing: what decides epochs and trials."""
    names = [config.metrics.primary, Objective(config.search.metric).name, *of_log(dataset)]
    fitting = [name for name in names if name in METRICS and not misfit(name, dataset.task)]
    return [name for name in dict.fromkeys(fitting) if METRICS[name].of]


def of_log(dataset: Dataset) -> list[str]:
    """The metric in the target's own unit, which is else worked out from the error."""
    return ["rmse"] if dataset.fitted.target.is_log else []


def metric_notices(config: Config, dataset: Dataset) -> list[str]:
    """What is to be known of a metric that decides, lest it be read as another: whose average precision it is."""
    if len(dataset.classes or ()) != 2 or OF_SECOND not in wanted(config, dataset):
        return []
    rows = np.bincount(dataset.parts["dev"].y, minlength=2)
    return [whose_precision(dataset.classes or (), rows, "dev")] if rows[1] > rows[0] else []


def whose_precision(classes: Sequence[str], rows: Array, part: str) -> str:
    """Which of two classes the average precision is of, with what it means where most rows `(2,)` of a part are its."""
    first, second = classes
    told = f"{OF_SECOND} is that of {shown_name(second)}, the second of the two classes as they are sorted"
    if rows[1] <= rows[0]:
        return told
    renamed = f"such as {shown_name(f'a_{second}')} and {shown_name(f'b_{first}')}"
    return (
        f"{told}: a guess has {percent(rows[1] / rows.sum())} on {set_name(part)}, as so many rows are of it; to have "
        f"that of {shown_name(first)}, rename the classes so that it comes second, {renamed}"
    )
