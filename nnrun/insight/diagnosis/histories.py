"""Curves that other tools wrote: which column of which file is what, an epoch a row.

A CSV file with a row an epoch (Keras, fast.ai, Weights & Biases), or several with gaps (Lightning); a JSON file with a
list of numbers a name (Keras, scikit-learn), or one list of numbers; event files of TensorBoard, by its own reader.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nnrun.errors import DataError
from nnrun.text import closest, counted, shown_name

TRAIN, DEV = "train", "dev"
LOSS, ERROR = "loss", "error"
EPOCH, STEP = ("epoch", "epochs", "iter", "iteration"), ("step", "steps", "global_step")
DEV_WORDS = {"val", "valid", "validation", "dev", "eval", "evaluation", "held"}
TRAIN_WORDS = {"train", "training", "tr"}
TEST_WORDS = {"test", "testing"}
LOSS_WORDS = {"loss", "nll", "crossentropy", "entropy", "logloss", "objective", "cost", "mse"}
ACCURACY_WORDS = {"acc", "accuracy", "score", "scores", "top1"}
ERROR_WORDS = {"error", "err", "misclassification"}
OF_A_STEP = {"step", "batch"}  # `train_loss_step` of Lightning: of single batches
RANGES = ("__min", "__max")  # what Weights & Biases adds to each column
EMPTY = {"", "none", "null", "na", "n/a"}
PER_CENT = 100.0


class Column(NamedTuple):
    """What a column holds: a part, loss or error, and whether numbers are accuracies."""

    part: str
    what: str
    accuracy: bool = False


@dataclass(frozen=True)
class History:
    """Curves by name, `train_loss`, `dev_loss`, `train_error`, `dev_error`, an epoch each; None where there is none."""

    epochs: list[int]
    curves: Mapping[str, list[float | None]]
    told: Sequence[str] = field(default=())

    @property
    def rows(self) -> list[dict[str, float | None]]:
        """A row an epoch."""
        names = list(self.curves)
        values = zip(*(self.curves[name] for name in names), strict=True)
        return [{"epoch": float(epoch), **dict(zip(names, row, strict=True))}
                for epoch, row in zip(self.epochs, values, strict=True)]  # fmt: skip


Table = dict[str, list[float | None]]  # by the name of a column


def read_history(path: Path) -> History:
    """The curves of a file; DataError says what of it cannot be read, and where."""
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir() or "tfevents" in path.name:
        return _history(_events(path), str(path))
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: no text; curves are read from CSV, JSON, and TensorBoard's event files") from None
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    return _history(_json(text, path) if text.lstrip()[0] in "{[" else _csv(text, path), str(path))


# files


def _csv(text: str, path: Path) -> Table:
    first = text.lstrip().splitlines()[0]
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
    head = [cell.strip() for cell in rows[0]]
    if all(_is_number(cell) for cell in head):
        if len(head) > 1:
            wanted = "the names of the columns should stand, such as epoch,loss,val_loss"
            raise DataError(f"{path}:1: numbers where {wanted}")
        head, rows = [LOSS], [head, *rows]
    if double := next((name for name in head if head.count(name) > 1), None):
        raise DataError(f"{path}:1: two columns are called {shown_name(double)}")
    table: Table = {name: [] for name in head}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise DataError(f"{path}:{line}: {counted(len(row), 'cell')} under {counted(len(head), 'name')}")
        for name, cell in zip(head, row, strict=True):
            table[name].append(_number(cell, name, f"{path}:{line}"))
    return table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
        return True
    except ValueError:
        return False


def _number(cell: str, name: str, where: str) -> float | None:
    """NaN and infinities are numbers; what is no number in a column of curves is an error, elsewhere it is left out."""
    if cell.strip().lower() in EMPTY:
        return None
    try:
        return float(cell)
    except ValueError:
        if _column(name) or _is(name, EPOCH):
            raise DataError(f"{where}: {shown_name(cell)} is no number, under {shown_name(name)}") from None
        return None


def _json(text: str, path: Path) -> Table:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("history"), dict):
        found = found["history"]
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        names = list(dict.fromkeys(name for row in found for name in row))
        found = {name: [row.get(name) for row in found] for name in names}
    if isinstance(found, list):
        found = {LOSS: found}
    lists = {str(name): values for name, values in found.items() if isinstance(values, list)}
    if not lists:
        raise DataError(f'{path}: no list of numbers, such as {{"loss": [0.9, 0.5], "val_loss": [0.8, 0.6]}}')
    return {name: [_plain(value, name, path, place) for place, value in enumerate(values, start=1)]
            for name, values in lists.items()}  # fmt: skip


def _plain(value: object, name: str, path: Path, place: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
        if _column(name):
            raise DataError(f"{path}: value {place} of {shown_name(name)} is no number: {shown_name(str(value))}")
        return None
    return value


def _events(path: Path) -> Table:
    """The scalars of TensorBoard's event files, one a step."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        lacking = "event files are read by the library tensorboard; to install: pip install tensorboard"
        raise DataError(f"{path}: {lacking}; or export the curves as CSV") from None
    accumulator = EventAccumulator(str(path))
    accumulator.Reload()
    found = {tag: {event.step: event.value for event in accumulator.Scalars(tag)}
             for tag in accumulator.Tags()["scalars"]}  # fmt: skip
    steps = sorted({step for curve in found.values() for step in curve})
    if not steps:
        raise DataError(f"{path}: no scalar is recorded there")
    return {"epoch": [float(k) for k in range(1, len(steps) + 1)],
            **{tag: [curve.get(step) for step in steps] for tag, curve in found.items()}}  # fmt: skip


# columns


def _words(name: str) -> list[str]:
    """Of a column: `mymodel - val_loss` is val and loss."""
    own = name.rpartition(" - ")[2]
    return [word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", own).lower()) if word]


def _is(name: str, words: Sequence[str]) -> bool:
    return name.strip().lower().replace(" ", "_") in words


def _column(name: str) -> Column | None:
    """What its name says; train stands for a part that it does not say."""
    if name.lower().endswith(RANGES):
        return None
    words = set(_words(name))
    if words & (TEST_WORDS | OF_A_STEP):
        return None
    part = DEV if words & DEV_WORDS else TRAIN
    if words & ACCURACY_WORDS:
        return Column(part, ERROR, accuracy=True)
    if words & ERROR_WORDS and not words & LOSS_WORDS:
        return Column(part, ERROR)
    return Column(part, LOSS) if words & LOSS_WORDS else None


def _columns(names: Iterable[str]) -> dict[str, Column]:
    """What each column is. Where the training loss is called so, an error without a part is of dev (fast.ai)."""
    found = {name: column for name in names if (column := _column(name))}
    named_train = any(column.part == TRAIN and set(_words(name)) & TRAIN_WORDS for name, column in found.items())
    if named_train:
        found = {name: column if set(_words(name)) & (TRAIN_WORDS | DEV_WORDS) else column._replace(part=DEV)
                 for name, column in found.items()}  # fmt: skip
    return found


def _history(table: Table, where: str) -> History:
    columns = _columns(table)
    if not columns:
        raise DataError(f"{where}: none of its columns is a loss, an error or an accuracy: {_names(table)}")
    told: list[str] = []
    curves: dict[str, list[float | None]] = {}
    for name, column in columns.items():
        key = f"{column.part}_{column.what}"
        if key in curves:
            told.append(f"{shown_name(name)} is left out, as there is a {key.replace('_', ' ')} already")
            continue
        curves[key] = _as_errors(table[name], name, column, where, told)
    lengths = {len(curve) for curve in curves.values()}
    if len(lengths) > 1:
        raise DataError(f"{where}: curves of {' and '.join(map(str, sorted(lengths)))} epochs; each needs as many")
    epochs, curves = _by_epoch(table, curves, where, told)
    if not any(value is not None for curve in curves.values() for value in curve):
        raise DataError(f"{where}: no number stands in it")
    return History(epochs, curves, told)


def _names(table: Table) -> str:
    names = ", ".join(map(shown_name, list(table)[:8]))
    guesses = [close for name in table if (close := closest(name.lower(), ["loss", "val_loss", "accuracy"], 0.6))]
    return f"{names}{f'; did you mean {guesses[0]}?' if guesses else ''}"


def _as_errors(
    values: Sequence[float | None], name: str, column: Column, where: str, told: list[str]
) -> list[float | None]:
    """Losses as they are; errors as fractions, of accuracies 1 − accuracy."""
    if column.what == LOSS:
        return list(values)
    known = [value for value in values if value is not None and math.isfinite(value)]
    if any(value < 0 or value > PER_CENT for value in known):
        raise DataError(f"{where}: {shown_name(name)} has values beyond 0 to 1 and 0 to 100")
    scale = PER_CENT if any(value > 1 for value in known) else 1.0
    if scale > 1:
        told.append(f"{shown_name(name)} is read as per cent")
    return [None if value is None else (1 - value / scale if column.accuracy else value / scale) for value in values]


def _by_epoch(
    table: Table, curves: dict[str, list[float | None]], where: str, told: list[str]
) -> tuple[list[int], dict[str, list[float | None]]]:
    """Rows of one epoch as one, in the order of the epochs."""
    name = next((name for name in table if _is(name, EPOCH)), next((name for name in table if _is(name, STEP)), None))
    count = len(next(iter(curves.values())))
    marks = table[name] if name and len(table[name]) == count else [float(k) for k in range(1, count + 1)]
    several = any(_is(other, STEP) for other in table)  # rows of steps may share an epoch
    merged: dict[float, dict[str, float | None]] = {}
    for row, mark in enumerate(marks):
        if mark is None or not math.isfinite(mark):
            continue
        held = merged.setdefault(mark, {})
        for key, curve in curves.items():
            if curve[row] is not None:
                if held.get(key) is not None and not several:
                    raise DataError(f"{where}: epoch {mark:g} stands there twice: are there two trainings in one file?")
                held[key] = curve[row]
    if list(merged) != sorted(merged):
        told.append("its rows are put into the order of the epochs")
    kept = [merged[mark] for mark in sorted(merged) if merged[mark]]
    return list(range(1, len(kept) + 1)), {key: [row.get(key) for row in kept] for key in curves}
