"""From what is known of a table to a network and its training, each setting with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from nnrun.data.features.numbers import most_pieces
from nnrun.insight.scaffold.overview import Overview
from nnrun.runs.assembly import usual_batch_size
from nnrun.text import counted, percent

HIDDEN: dict[float, list[int]] = {1_000: [64], 20_000: [128, 128], inf: [64, 64]}  # up to so many rows of training
RATES: dict[float, float] = {20_000: 3e-3, inf: 1e-3}
L2, WEIGHT_DECAY = 0.1, 0.01
FEWEST_TO_DECAY = 1_000  # rows of training of classes, above which AdamW's decay takes the place of L2
NETWORKS = 5  # whose predictions are averaged
EMA = 0.99  # of the averaged parameters, what stays at each step
FEWEST_TO_CLIP = 2_000  # rows of training of classes, above which far values are held near
FEWEST_TO_CUT = 500  # rows of training of a number, from which columns are cut into pieces
RATE_OF_PIECES = 1e-3
MOST_CUT = 50_000_000  # cells that pieces may make, at most
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


def _normalize(overview: Overview) -> Choice | None:
    """`robust` for classes above 2,000 training rows, but of images; else `standard`, as without the key."""
    rows = overview.parts["train"]
    if overview.task == "regression" or overview.image is not None or rows <= FEWEST_TO_CLIP:
        return None
    return Choice("robust", f"scaled by quartiles and held within ±3, for classes and {rows:,} training rows")


def _encode_numbers(overview: Overview) -> Choice | None:
    """`piecewise` for a number from 500 training rows on, where that makes at most 50 million cells."""
    if not _cuts(overview):
        return None
    pieces = most_pieces(overview.parts["train"])
    return Choice("piecewise", f"a number becomes up to {pieces} inputs, at each of which the network can turn")


def _cuts(overview: Overview) -> bool:
    rows = overview.parts["train"]
    of_numbers = overview.task == "regression" and overview.image is None
    return of_numbers and rows >= FEWEST_TO_CUT and rows * overview.features * most_pieces(rows) <= MOST_CUT


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


def _ensemble(overview: Overview) -> Choice | None:
    """Five networks, of images one."""
    if overview.image is not None:
        return None
    return Choice(NETWORKS, f"the predictions of {NETWORKS} networks, averaged; 1 takes less time and mostly errs more")


def _decays(overview: Overview) -> bool:
    return overview.task == "classification" and overview.image is None and overview.parts["train"] > FEWEST_TO_DECAY


def _optimizer(overview: Overview) -> Choice | None:
    """`adamw` for classes above 1,000 training rows; else Adam, as without the key."""
    if not _decays(overview):
        return None
    return Choice("adamw", f"Adam whose weights decay, for classes and {overview.parts['train']:,} training rows")


def _weight_decay(overview: Overview) -> Choice | None:
    """0.01 for AdamW."""
    return Choice(WEIGHT_DECAY, "of AdamW; takes the place of an L2 penalty") if _decays(overview) else None


def _average(overview: Overview) -> Choice | None:
    """Parameters averaged over the last 100 steps or so, but of images."""
    if overview.image is not None:
        return None
    return Choice(
        {"ema": EMA}, f"judges and keeps averages of the parameters, over the last {1 / (1 - EMA):.0f} steps or so"
    )


def _l2(overview: Overview) -> Choice | None:
    """0.1 where AdamW does not decay the weights."""
    if _decays(overview):
        return None
    return Choice(L2, "a penalty on large weights, with which networks for tables mostly err less")


def _dropout(overview: Overview) -> Choice | None:
    """By the number of training rows: see below."""
    rows = overview.parts["train"]
    rate = _by_rows(DROPOUT, rows)
    if not rate:
        return None
    return Choice(rate, f"leaves out {percent(rate)} of the hidden units at each step, for so few as {rows:,} rows")


def _augment(overview: Overview) -> Choice | None:
    """Small images without a missing pixel are bent, another way in each epoch, where there are up to 10,000."""
    rows = overview.parts["train"]
    if overview.image is None or rows > MOST_TO_BEND or math.prod(overview.image) > LARGEST_TO_BEND:
        return None
    if overview.features != math.prod(overview.image):  # marks of missing pixels cannot be bent with them
        return None
    height, width, _ = overview.image
    return Choice(["elastic"], f"{rows:,} images of {height} × {width} pixels: each is bent another way in each epoch")


def _early_stopping(overview: Overview) -> Choice:
    """Patience is a part of the epochs."""
    patience = math.ceil(PATIENCE * _number_of_epochs(overview))
    return Choice({"patience": patience}, f"ends after {patience} epochs without a better dev error; the best is kept")


def _learning_rate(overview: Overview) -> Choice:
    """Of Adam, by the number of training rows: see below; 0.001 for pieces."""
    rate = RATE_OF_PIECES if _cuts(overview) else _by_rows(RATES, overview.parts["train"])
    return Choice(rate, "size of Adam's steps; nnrun check tries others")


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


def _by_rows(table: Mapping[float, Any], rows: int) -> Any:
    return next(value for most, value in table.items() if rows <= most)


RECIPE: dict[str, Rule] = {
    "data.normalize": _normalize,
    "data.encode_numbers": _encode_numbers,
    "network.hidden": _hidden,
    "network.init": _init,
    "network.ensemble": _ensemble,
    "regularization.l2": _l2,
    "regularization.dropout": _dropout,
    "regularization.augment": _augment,
    "regularization.early_stopping": _early_stopping,
    "optimizer.name": _optimizer,
    "optimizer.learning_rate": _learning_rate,
    "optimizer.weight_decay": _weight_decay,
    "training.epochs": _epochs,
    "training.batch_size": _batch_size,
    "training.average": _average,
}
