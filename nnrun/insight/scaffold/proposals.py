"""From what is known of a table to settings, each with its reason in the numbers of this table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from nnrun.insight.scaffold.overview import IMBALANCED, WITHOUT_TEST, Overview
from nnrun.runs.assembly import usual_batch_size
from nnrun.text import counted, listed, percent, shown_name, source_name

MOST_TOLD = 3  # columns of which a comment says that their values share a feature
MOST_CLASSES = 6  # that a comment names before it only counts the rest
BALANCED_ERROR = "balanced_error"  # the metric that counts each class the same
FEWEST_TO_WEIGH = 20  # rows of the rarest class; fewer would weigh too much each
HIDDEN: dict[float, list[int]] = {10_000: [64], inf: [64, 32]}  # up to so many rows of training
RATES: dict[float, float] = {20_000: 3e-3, inf: 1e-3}
L2 = 0.1
DROPOUT: dict[float, float] = {1_000: 0.2, inf: 0.0}
MOST_TO_BEND, LARGEST_TO_BEND = 10_000, 64 * 64  # images, and their values; beyond them bending takes long
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 50_000, 20, 150  # about as many steps as a table needs
PATIENCE = 0.13  # of the epochs


@dataclass(frozen=True)
class Choice:
    """A value and its reason; one that is not active is written as a comment. `notes` explain the items of a list."""

    value: Any
    reason: str
    active: bool = True
    notes: Sequence[str] = ()


Rule = Callable[[Overview], Choice | None]


def propose(overview: Overview) -> dict[str, Choice]:
    """Dotted key → choice, in the order of the sections."""
    found = {key: rule(overview) for key, rule in CHOICES.items()}
    return {key: choice for key, choice in found.items() if choice is not None}


# data


def _source(overview: Overview) -> Choice:
    """The file, as seen from the folder of the config."""
    rows = counted(overview.rows, "row") if len(overview.files) == 1 else _sizes(overview.files)
    reading = [notice.removeprefix(f"{source_name(overview.source)}: ") for notice in overview.reading]
    return Choice(overview.source, "; ".join([f"{rows}, {counted(len(overview.columns), 'column')}", *reading]))


def _target(overview: Overview) -> Choice:
    """What `--target` says; of a bundled set, its own."""
    if overview.classes is None:
        values = counted(overview.distinct(overview.target), "different value")
        return Choice(overview.target, f"a number with {values}")
    sizes = [f"{shown_name(label)} ({rows:,})" for label, rows in overview.classes.items()]
    return Choice(overview.target, f"{counted(len(sizes), 'class', 'classes')}: {listed(sizes, MOST_CLASSES)}")


def _task(overview: Overview) -> Choice:
    """Classes where the target holds text, booleans or at most 20 different whole numbers; else a number."""
    if overview.task == "regression":
        return Choice(overview.task, "loss: squared error; error: 1 − R², the share of the variance not explained")
    return Choice(overview.task, "loss: cross-entropy; error: the share of rows that get a wrong class")


def _drop(overview: Overview) -> Choice | None:
    """Columns that say nothing about new rows: see below."""
    if not overview.left_out:
        return None
    notes = [column.why for column in overview.left_out]
    return Choice([column.name for column in overview.left_out], "they say nothing about new rows:", notes=notes)


def _kinds(overview: Overview) -> Choice | None:
    """`category` for whole numbers that look like codes, by the name (zip, store, …) or zeros before them."""
    if not overview.kinds:
        return None
    names = [f"{shown_name(name)} ({overview.distinct(name):,} values)" for name in overview.kinds]
    reason = f"a guess: {listed(names)} may be codes, not amounts; make it number where more means more"
    return Choice(dict(overview.kinds), reason)


def _max_categories(overview: Overview) -> Choice | None:
    """Up to 300 values that come often enough have a feature each; as a comment, where others share one."""
    if overview.own:
        values = [f"{counted(values, 'value')} of {shown_name(name)}" for name, values in overview.own.items()]
        return Choice(max(overview.own.values()), f"{listed(values, MOST_TOLD)} come often enough for a feature each")
    if not overview.pooled:
        return None
    most = max(overview.distinct(name) for name in overview.pooled)
    return Choice(most, "; ".join(list(overview.pooled.values())[:MOST_TOLD]), active=False)


def _missing_target(overview: Overview) -> Choice | None:
    """`drop` where rows lack a target."""
    if not overview.lacking:
        return None
    return Choice("drop", f"{counted(overview.lacking, 'row')} of {overview.rows:,} without a target, left out")


def _group(overview: Overview) -> Choice | None:
    """By `--group`; else as a comment, where a customer, a device or a value of many comes again and again."""
    name = overview.group or next(iter(overview.groups), None)
    if name is None or len(overview.files) > 1 or (overview.time and not overview.group):
        return None
    values = overview.distinct(name)
    each = f"{shown_name(name)} has {values:,} values, {overview.rows / values:.1f} rows each"
    if overview.group:
        return Choice(name, f"{each}; the rows of each stay in one part")
    return Choice(
        name,
        f"{each}, which stand in all parts; if new rows will be of other ones, the errors are too low, and this keeps "
        "the rows of each in one part",
        active=False,
    )


def _time(overview: Overview) -> Choice | None:
    """By `--time`; else as a comment, where there is a column of dates."""
    if overview.time:
        return Choice(overview.time, "trains on the oldest rows and tests on the newest")
    if not overview.dates or len(overview.files) > 1 or overview.group:
        return None
    reason = "if new rows will be later than these, this trains on the oldest rows and tests on the newest"
    return Choice(overview.dates[0], f"{shown_name(overview.dates[0])} is a time; {reason}", active=False)


def _header(overview: Overview) -> Choice | None:
    """Where the first line of a file looks like a row: that there are no names."""
    if overview.has_names:
        return None
    reason = "the first line looks like a row, so the columns are called c1, c2, …; true if it holds their names"
    return Choice(False, reason)


def _split(overview: Overview) -> Choice | None:
    """60/20/20; without a test part below 100 rows."""
    if len(overview.files) > 1:
        return None
    sizes = _sizes(overview.parts)
    if "test" not in overview.parts:
        return Choice(list(WITHOUT_TEST), f"{sizes}; of {counted(overview.rows, 'row')} a test part would tell little")
    return Choice("auto", f"{sizes}; the classes in equal shares" if overview.classes else sizes)


def _class_weight(overview: Overview) -> Choice | None:
    """`balanced` by `--metric balanced_error`, or where a class would be ignored; else a comment: see below."""
    asked = overview.metric == BALANCED_ERROR
    if overview.classes is None or (overview.balance >= IMBALANCED and not asked):
        return None
    rows = min(overview.classes.values())
    label = next(name for name, found in overview.classes.items() if found == rows)
    share = f"class {shown_name(label)} has {percent(rows / sum(overview.classes.values()))} of the rows"
    weighing = overview.weighing
    told = f"; {weighing.told}" if weighing else ""
    if asked:
        return Choice("balanced", f"{share}; asked for: each class counts the same, in the loss and in the error{told}")
    if rows < FEWEST_TO_WEIGH:
        return Choice("balanced", f"{share}, {rows} in all: too few to weigh each as much as this would", active=False)
    if weighing and weighing.ignored:
        found = f"where rows count the same, {shown_name(weighing.hardest)} would hardly ever be found"
        return Choice("balanced", f"{share}, and {found}, so each class counts the same{told}")
    moves = "if its mistakes are worse, choose by a threshold on the probabilities, or count classes the same by this"
    return Choice("balanced", f"{share}, and each row counts the same; {moves}{told}", active=False)


# network and training


def _hidden(overview: Overview) -> Choice:
    """By the number of training rows: see below."""
    rows = overview.parts["train"]
    return Choice(
        _by_rows(HIDDEN, rows), f"for {counted(overview.features, 'feature')} and {counted(rows, 'training row')}"
    )


def _init(overview: Overview) -> Choice | None:
    """Glorot where the first layer is wider than the features: He's rule looks at these alone, and begins too large."""
    width = _by_rows(HIDDEN, overview.parts["train"])[0]
    if overview.features >= width:
        return None
    return Choice(
        "glorot", f"{counted(width, 'unit')} on {counted(overview.features, 'feature')}; begins with small outputs"
    )


def _l2(overview: Overview) -> Choice:
    """0.1."""
    return Choice(L2, "a penalty on large weights, with which networks for tables mostly err less")


def _dropout(overview: Overview) -> Choice | None:
    """By the number of training rows: see below."""
    rows = overview.parts["train"]
    rate = _by_rows(DROPOUT, rows)
    if not rate:
        return None
    return Choice(rate, f"leaves out {percent(rate)} of the hidden units at each step, for so few as {rows:,} rows")


def _augment(overview: Overview) -> Choice | None:
    """Small images are bent, another way in each epoch, where there are up to 10,000 of them."""
    rows = overview.parts["train"]
    if overview.image is None or rows > MOST_TO_BEND or math.prod(overview.image) > LARGEST_TO_BEND:
        return None
    height, width, _ = overview.image
    return Choice(["elastic"], f"{rows:,} images of {height} × {width} pixels: each is bent another way in each epoch")


def _early_stopping(overview: Overview) -> Choice:
    """Patience is a part of the epochs."""
    patience = math.ceil(PATIENCE * _number_of_epochs(overview))
    return Choice({"patience": patience}, f"ends after {patience} epochs without a better dev error; the best is kept")


def _learning_rate(overview: Overview) -> Choice:
    """Of Adam, by the number of training rows: see below."""
    return Choice(_by_rows(RATES, overview.parts["train"]), "size of Adam's steps; nnrun check tries others")


def _epochs(overview: Overview) -> Choice:
    """As many as give about 50,000 steps, from 20 to 150."""
    steps = math.ceil(overview.parts["train"] / usual_batch_size(overview.parts["train"]))
    return Choice(
        _number_of_epochs(overview),
        f"passes over the rows at most, {counted(steps, 'step')} each; early stopping ends them sooner",
    )


def _number_of_epochs(overview: Overview) -> int:
    rows = overview.parts["train"]
    return round(min(MOST_EPOCHS, max(FEWEST_EPOCHS, STEPS * usual_batch_size(rows) / rows)))


def _batch_size(overview: Overview) -> Choice:
    """32 up to 2,000 training rows, then the power of two from 64 to 512 just above their square root."""
    rows = overview.parts["train"]
    return Choice(usual_batch_size(rows), f"32 up to 2,000 training rows, here {rows:,}; then about their square root")


def _base_error(overview: Overview) -> Choice:
    """0, to be replaced by what the best known way gets wrong."""
    return Choice(0.0, "the error of the best known way, such as a human expert; bias is measured from there")


def _primary(overview: Overview) -> Choice | None:
    """What `--metric` says."""
    return Choice(overview.metric, "asked for: what epochs and runs are compared by") if overview.metric else None


def _by_rows(table: Mapping[float, Any], rows: int) -> Any:
    return next(value for most, value in table.items() if rows <= most)


def _sizes(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} {part}" for part, rows in parts.items())


CHOICES: dict[str, Rule] = {
    "data.source": _source,
    "data.target": _target,
    "data.task": _task,
    "data.format.header": _header,
    "data.missing_target": _missing_target,
    "data.drop": _drop,
    "data.kinds": _kinds,
    "data.max_categories": _max_categories,
    "data.group": _group,
    "data.time": _time,
    "data.split": _split,
    "data.class_weight": _class_weight,
    "network.hidden": _hidden,
    "network.init": _init,
    "regularization.l2": _l2,
    "regularization.dropout": _dropout,
    "regularization.augment": _augment,
    "regularization.early_stopping": _early_stopping,
    "optimizer.learning_rate": _learning_rate,
    "training.epochs": _epochs,
    "training.batch_size": _batch_size,
    "diagnosis.base_error": _base_error,
    "metrics.primary": _primary,
}
