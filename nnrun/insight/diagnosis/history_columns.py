"""What a column of another tool's history holds, by the words in its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TRAIN, DEV = "train", "dev"
LOSS, ERROR = "loss", "error"
EPOCH, STEP = ("epoch", "epochs", "iter", "iteration"), ("step", "steps", "global_step")
DEV_WORDS = {"val", "valid", "validation", "dev", "eval", "evaluation", "held"}
TRAIN_WORDS = {"train", "training", "tr"}
TEST_WORDS = {"test", "testing"}
LOSS_WORDS = {"loss", "nll", "crossentropy", "entropy", "logloss", "objective", "cost", "mse", "squared", "absolute"}
ACCURACY_WORDS = {"acc", "accuracy", "score", "scores", "top1"}
ERROR_WORDS = {"error", "err", "misclassification"}
OF_A_STEP = {"step", "batch"}  # `train_loss_step` of Lightning: of single batches
NO_SHARE = {"f1", "fbeta", "auc", "roc", "r2", "precision", "recall", "iou", "dice", "map", "percentage", "top"}
RANGES = ("__min", "__max")  # what Weights & Biases adds to each column
IN_PER_CENT = {"percent", "pct"}


class Column(NamedTuple):
    """What a column holds: a part, loss or error, and whether numbers are accuracies."""

    part: str
    what: str
    accuracy: bool = False


def words(name: str) -> list[str]:
    """Of a column: `mymodel - val_loss` is val and loss."""
    own = name.rpartition(" - ")[2]
    return [word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", own).lower()) if word]


def is_called(name: str, names: Sequence[str]) -> bool:
    """Whether it is one of these names, however it is spelled."""
    return name.strip().lower().replace(" ", "_") in names


def column_of(name: str) -> Column | None:
    """What its name says; train stands for a part that it does not say."""
    if name.lower().endswith(RANGES):
        return None
    said = set(words(name))
    if said & (TEST_WORDS | OF_A_STEP | NO_SHARE):
        return None
    part = DEV if said & DEV_WORDS else TRAIN
    if said & ACCURACY_WORDS:
        return Column(part, ERROR, accuracy=True)
    if said & ERROR_WORDS and not said & LOSS_WORDS:
        return Column(part, ERROR)
    return Column(part, LOSS) if said & LOSS_WORDS else None


def columns_of(names: Iterable[str]) -> dict[str, Column]:
    """What each column is. Where the training loss is called so, an error without a part is of dev (fast.ai)."""
    found = {name: column for name in names if (column := column_of(name))}
    of_train = any(_says(name, TRAIN_WORDS) for name, column in found.items())
    if of_train and not any(column.part == DEV and column.what == ERROR for column in found.values()):
        found |= {name: column._replace(part=DEV) for name, column in found.items()
                  if column.what == ERROR and not _says(name, TRAIN_WORDS)}  # fmt: skip
    return found


def _says(name: str, which: set[str]) -> bool:
    return bool(set(words(name)) & which)


def in_per_cent(name: str) -> bool:
    """Whether its name says so."""
    return "%" in name or _says(name, IN_PER_CENT)
