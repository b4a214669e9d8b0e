"""The parts of the data: one table cut by the split rule, or a file for each part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.split import Split, TooFewError, part_sizes, split_rows
from nnrun.data.table import Floats, Table, kind_of, labels, numbers
from nnrun.errors import DataError

if TYPE_CHECKING:
    from nnrun.config.schema import Data

NO_TEST = "there is no test set: the dev error, by which models are chosen, is no longer an unbiased estimate"


def divide(
    config: Data, sources: dict[str, Table], target: str, classes: tuple[str, ...] | None
) -> tuple[dict[str, Table], Split]:
    """A table for each part and the split behind it; raises DataError if a part or a class would come out empty."""
    if "all" in sources:
        split = _split(config, sources["all"], target, classes)
        parts = {part: sources["all"].take(rows) for part, rows in split.rows.items()}
    else:
        parts = sources
        split = Split({part: np.arange(len(table)) for part, table in parts.items()}, "files", _extra_columns(parts))
    notices = [*split.notices, *_check_classes(parts, target, classes)]
    if "test" not in parts:
        notices.append(NO_TEST)
    return parts, Split(split.rows, split.rule, notices)


def _split(config: Data, table: Table, target: str, classes: tuple[str, ...] | None) -> Split:
    with _explained(table):
        return split_rows(
            len(table),
            config.split,
            config.split_seed,
            classes=None if classes is None else labels(table.frame[target]).to_numpy(dtype=object),
            groups=None if config.group is None else _groups(table, config.group),
            times=None if config.time is None else _times(table, config.time),
        )


def check_rows(config: Data, sources: dict[str, Table]) -> None:
    """Raise DataError if the one table has fewer rows than there are parts."""
    if "all" in sources:
        with _explained(sources["all"]):
            part_sizes(len(sources["all"]), config.split)


@contextmanager
def _explained(table: Table) -> Iterator[None]:
    try:
        yield
    except TooFewError as error:
        raise DataError(f"{table.name}: {error}", ("data", "split")) from None


def _groups(table: Table, column: str) -> npt.NDArray[np.int64]:
    _require_values(table, column)
    return np.asarray(table.frame[column].factorize()[0], dtype=np.int64)


def _times(table: Table, column: str) -> Floats | npt.NDArray[np.int64]:
    """Sortable times `(m,)` of a column of numbers or of ISO 8601 dates."""
    import pandas as pd

    _require_values(table, column)
    series = table.frame[column]
    if kind_of(series) != "category":
        return numbers(table, column)
    parsed = pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
    wrong = parsed.isna().to_numpy(dtype=bool)
    if wrong.any():
        row = table.first(wrong)
        raise DataError(
            f"{table.at_cell(row, column)}: {series[row]!r} in time column {column!r} is neither a number nor a date "
            "like 2026-01-31 or 2026-01-31T12:00; rewrite the column"
        )
    return parsed.to_numpy(dtype="datetime64[ns]").astype(np.int64)


def _require_values(table: Table, column: str) -> None:
    missing = table.frame[column].isna().to_numpy(dtype=bool)
    if missing.any():
        place = table.at_cell(table.first(missing), column)
        raise DataError(f"{place}: no value in column {column!r}, which splits the rows; fill it in or remove the row")


def _check_classes(parts: dict[str, Table], target: str, classes: tuple[str, ...] | None) -> list[str]:
    """Raise DataError if a class is absent from train; a notice for each other part that lacks one."""
    if classes is None:
        return []
    notices = []
    for part, table in parts.items():
        found = set(labels(table.frame[target]).unique())
        absent = [label for label in classes if label not in found]
        if absent and part == "train":
            raise DataError(_absent_from_train(parts, target, absent[0]))
        if absent:
            notices.append(f"the {part} part has no row of class {', '.join(absent)}")
    return notices


def _absent_from_train(parts: dict[str, Table], target: str, label: str) -> str:
    table = next(t for t in parts.values() if label in set(labels(t.frame[target])))
    rows: npt.NDArray[Any] = labels(table.frame[target]).to_numpy(dtype=object) == label
    count = sum(int((labels(t.frame[target]) == label).sum()) for t in parts.values())
    return (
        f"{table.at_cell(table.first(rows), target)}: class {label!r} has {count} {'row' if count == 1 else 'rows'} "
        "and none came into the training part; add rows of it, remove it, or try another data.split_seed"
    )


def _extra_columns(parts: dict[str, Table]) -> list[str]:
    known = set(parts["train"].columns)
    return [
        f"column {name!r} of {table.name} is not in {parts['train'].name} and is ignored"
        for table in parts.values()
        for name in table.columns
        if name not in known
    ]
