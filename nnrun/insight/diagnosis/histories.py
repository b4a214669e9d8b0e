"""Curves that other tools wrote: which column of which file is what, an epoch a row.

A CSV file with a row an epoch (Keras, fast.ai, Weights & Biases), or several with gaps (Lightning); a JSON file with a
list of numbers a name (Keras, scikit-learn), or one list of numbers; event files of TensorBoard, by its own reader.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnrun.data.files.table import reads_as_number
from nnrun.data.files.values import as_float
from nnrun.errors import DataError
from nnrun.insight.diagnosis.history_columns import (
    EPOCH,
    LOSS,
    STEP,
    Column,
    column_of,
    columns_of,
    in_per_cent,
    is_called,
    words,
)
from nnrun.text import closest, counted, shown_name

WRAPPED = ("history", "log_history")  # what Keras's History and the state of Hugging Face's Trainer keep curves under
EMPTY = {"", "none", "null", "na", "n/a"}
PER_CENT = 100.0


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
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    lines: dict[int, list[str]] = {}
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines[reader.line_num] = row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: no CSV: {error}") from None
    if not lines:
        raise DataError(f"{path}: the file has no cell with anything in it")
    first_line = min(lines)
    head = [cell.strip() for cell in lines[first_line]]
    if all(map(reads_as_number, head)):
        if len(head) > 1:
            wanted = "the names of the columns should stand, such as epoch,loss,val_loss"
            raise DataError(f"{path}:{first_line}: numbers where {wanted}")
        head = [LOSS]
    else:
        del lines[first_line]
    if double := next((name for name in head if head.count(name) > 1), None):
        raise DataError(f"{path}:{first_line}: two columns are called {shown_name(double)}")
    table: Table = {name: [] for name in head}
    for line, row in lines.items():
        if len(row) != len(head):
            raise DataError(f"{path}:{line}: {counted(len(row), 'cell')} under {counted(len(head), 'name')}")
        for name, cell in zip(head, row, strict=True):
            table[name].append(_number(cell, name, f"{path}:{line}"))
    return table


def _number(cell: str, name: str, where: str) -> float | None:
    """NaN and infinities are numbers; what is no number in a column of curves is an error, elsewhere it is left out."""
    if cell.strip().lower() in EMPTY:
        return None
    try:
        return float(cell)
    except ValueError:
        if column_of(name) or is_called(name, EPOCH):
            raise DataError(f"{where}: {shown_name(cell)} is no number, under {shown_name(name)}") from None
        return None


def _json(text: str, path: Path) -> Table:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    except RecursionError:
        raise DataError(f"{path}: not a history: lists within lists, too deep to be read") from None
    if isinstance(found, dict):
        found = next((found[key] for key in WRAPPED if isinstance(found.get(key), (dict, list))), found)
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        names = list(dict.fromkeys(name for row in found for name in row))
        found = {name: [row.get(name) for row in found] for name in names}
    if isinstance(found, list):
        found = {LOSS: found}
    if not isinstance(found, dict):
        raise DataError(f"{path}: neither lists of numbers by name nor one list")
    lists = {str(name): values for name, values in found.items() if isinstance(values, list)}
    if not lists:
        raise DataError(f'{path}: no list of numbers, such as {{"loss": [0.9, 0.5], "val_loss": [0.8, 0.6]}}')
    return {name: [_plain(value, name, path, place) for place, value in enumerate(values, start=1)]
            for name, values in lists.items()}  # fmt: skip


def _plain(value: object, name: str, path: Path, place: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
        if column_of(name):
            raise DataError(f"{path}: value {place} of {shown_name(name)} is no number: {shown_name(str(value))}")
        return None
    return None if value is None else as_float(value)


def _events(path: Path) -> Table:
    """The scalars of TensorBoard's event files, one a step."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        lacking = "event files are read by the library tensorboard; to install: pip install tensorboard"
        raise DataError(f"{path}: {lacking}; or export the curves as CSV") from None
    folders = sorted({file.parent for file in path.rglob("*tfevents*")}) if path.is_dir() else [path]
    found: dict[str, dict[int, float]] = {}
    for folder in folders:
        events = EventAccumulator(str(folder), {"scalars": 0, "tensors": 0})  # all, where it would draw some
        events.Reload()
        part = "" if folder == path else f"{folder.name}/"  # Keras keeps train and validation in a folder each
        tags = events.Tags()
        found |= {part + tag: {each.step: float(each.value) for each in events.Scalars(tag)} for tag in tags["scalars"]}
        found |= {part + tag: dict(_plain_tensors(events.Tensors(tag))) for tag in tags["tensors"]}
    steps = sorted({step for curve in found.values() for step in curve})
    if not steps:
        raise DataError(f"{path}: no scalar is recorded there")
    return {"epoch": [float(k) for k in range(1, len(steps) + 1)],
            **{tag: [curve.get(step) for step in steps] for tag, curve in found.items()}}  # fmt: skip


def _plain_tensors(events: Iterable[Any]) -> Iterator[tuple[int, float]]:
    """The single numbers among what TensorFlow 2 records, step by step."""
    from tensorboard.util.tensor_util import make_ndarray

    for event in events:
        value = make_ndarray(event.tensor_proto)
        if value.shape == () and value.dtype.kind in "fiu":
            yield event.step, float(value)


def _history(table: Table, where: str) -> History:
    columns = columns_of(table)
    if not columns:
        raise DataError(f"{where}: none of its columns is a loss, an error or an accuracy: {_names(table)}")
    told: list[str] = []
    curves: dict[str, list[float | None]] = {}
    for (part, what), names in _rivals(columns).items():
        chosen, *others = sorted(names, key=lambda name: len(words(name)))  # `loss` before `box_loss`
        told += [f"{shown_name(name)} is left out, as {shown_name(chosen)} is there" for name in others]
        curve = _as_errors(table[chosen], chosen, columns[chosen], where, told)
        if any(value is not None for value in curve):
            curves[f"{part}_{what}"] = curve
        else:
            told.append(f"{shown_name(chosen)} holds no number")
    lengths = {len(curve) for curve in curves.values()}
    if len(lengths) > 1:
        raise DataError(f"{where}: curves of {' and '.join(map(str, sorted(lengths)))} epochs; each needs as many")
    if not curves:
        raise DataError(f"{where}: no number stands in it")
    epochs, curves = _by_epoch(table, curves, where, told)
    return History(epochs, curves, told)


def _rivals(columns: Mapping[str, Column]) -> dict[tuple[str, str], list[str]]:
    """The columns that could be one curve, by its part and what it holds."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, column in columns.items():
        found.setdefault((column.part, column.what), []).append(name)
    return found


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
    numbers = [value if value is not None and math.isfinite(value) else None for value in values]
    known = [value for value in numbers if value is not None]
    if any(value < 0 for value in known) and "accuracy" not in words(name) and column.accuracy:
        told.append(f"{shown_name(name)} is left out: a score below 0, as R² may be, is no share of right answers")
        return [None] * len(values)
    if any(value < 0 or value > PER_CENT for value in known):
        raise DataError(f"{where}: {shown_name(name)} has values beyond 0 to 1 and 0 to 100")
    scale = PER_CENT if in_per_cent(name) or any(value > 1 for value in known) else 1.0
    if scale > 1:
        told.append(f"{shown_name(name)} is read as per cent")
    return [None if value is None else (1 - value / scale if column.accuracy else value / scale) for value in numbers]


def _by_epoch(
    table: Table, curves: dict[str, list[float | None]], where: str, told: list[str]
) -> tuple[list[int], dict[str, list[float | None]]]:
    """Rows of one epoch as one, in the order of the epochs."""
    name = next(
        (name for name in table if is_called(name, EPOCH)),
        next((name for name in table if is_called(name, STEP)), None),
    )
    count = len(next(iter(curves.values())))
    marks = table[name] if name and len(table[name]) == count else [float(k) for k in range(1, count + 1)]
    several = any(is_called(other, STEP) for other in table)  # rows of steps may share an epoch
    merged: dict[float, dict[str, float | None]] = {}
    unmarked = [row for row, mark in enumerate(marks) if mark is None or not math.isfinite(mark)]
    if lost := sum(any(curve[row] is not None for curve in curves.values()) for row in unmarked):
        told.append(f"{counted(lost, 'row')} without a number under {shown_name(str(name))} left out")
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
