"""The metrics by name: `metrics.primary`, the columns dev_NAME and train_NAME, and the rows of `nnrun evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nnrun.metrics import of_classes, of_values

Task = Literal["classification", "regression"]
BOTH: tuple[Task, ...] = ("classification", "regression")


@dataclass(frozen=True)
class Metric:
    """A number that tells how good predictions are.

    `of(y, predictions, weights)` works it out from all rows of a part, see the modules for shapes; None where
    training measures it in passing.
    """

    help: str
    tasks: tuple[Task, ...]
    of: Callable[[Any, Any, Any], float] | None
    higher_is_better: bool = False

    def to_minimise(self, value: Any) -> Any:
        """The number, or an array of them, with the sign that makes less better."""
        return -value if self.higher_is_better else value


_CLASSES: tuple[Task, ...] = ("classification",)
_VALUES: tuple[Task, ...] = ("regression",)

METRICS: dict[str, Metric] = {
    "error": Metric("share of wrong classes; for a regression 1 − R²", BOTH, None),
    "loss": Metric("mean loss as in training: log loss of classes, of numbers `training.loss`", BOTH, None),
    "balanced_error": Metric(
        "share of wrong classes, the mean over the classes that occur", _CLASSES, of_classes.balanced_error
    ),
    "auc": Metric(
        "area under the ROC curve; of more than two classes the mean of each against the rest",
        _CLASSES, of_classes.auc, higher_is_better=True,
    ),
    "average_precision": Metric(
        "area under the curve of precision over recall, in steps; more than two classes as in auc",
        _CLASSES, of_classes.average_precision, higher_is_better=True,
    ),
    "f1": Metric(
        "harmonic mean of precision and recall, the mean over the classes", _CLASSES, of_classes.f1,
        higher_is_better=True,
    ),
    "brier": Metric(
        "mean squared distance of the probabilities from the truth, halved for two classes", _CLASSES, of_classes.brier
    ),
    "calibration_error": Metric(
        f"expected calibration error: how far confidence and share of hits lie apart, in "
        f"{of_classes.CALIBRATION_BINS} bins",
        _CLASSES, of_classes.calibration_error,
    ),
    "r2": Metric(
        "R²: share of the target's variance that is explained", _VALUES, of_values.r2, higher_is_better=True
    ),
    "mae": Metric("mean absolute error, in the target's own unit", _VALUES, of_values.mae),
    "rmse": Metric("root of the mean squared error, in the target's own unit", _VALUES, of_values.rmse),
}  # fmt: skip


def metrics_of(task: str) -> dict[str, Metric]:
    """Those that a task has, in the order of the table."""
    return {name: metric for name, metric in METRICS.items() if task in metric.tasks}


def misfit(name: str, task: str) -> str | None:
    """Why a metric cannot serve a task, to be put behind its name."""
    if task in METRICS[name].tasks:
        return None
    if task == "classification":
        return "needs numbers to predict, and the target is classes"
    return "needs classes to predict, and the target is a number"


def searched_by(primary: str) -> str:
    """What a search minimises where the primary metric decides, as `search.metric` is written."""
    return f"-dev_{primary}" if METRICS[primary].higher_is_better else f"dev_{primary}"


def primary_keys(primary: str) -> tuple[str, str]:
    """The columns of the dev set that decide between epochs: the primary metric, then what decides where it is level.

    Error and loss decide for each other, the loss decides for all others.
    """
    return f"dev_{primary}", "dev_error" if primary == "loss" else "dev_loss"


def scores_of_row(row: Mapping[str, float | None], primary: str) -> tuple[float, float]:
    """What an epoch's record is compared by, less is better; what is unknown is infinitely bad."""
    first, second = (row.get(key) for key in primary_keys(primary))
    infinite = float("inf")
    return (
        infinite if first is None else METRICS[primary].to_minimise(first),
        infinite if second is None else second,
    )
