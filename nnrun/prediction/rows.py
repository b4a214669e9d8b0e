"""Predictions row by row, beside what tells one row from another, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.table import Table, labels, listing, suggest
from nnrun.errors import DataError
from nnrun.narration import counted
from nnrun.prediction.model import Model
from nnrun.rundir import name_of

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.data.columns import Column

PREDICTION, ROW = "prediction", "row"
CELLS_AT_ONCE = 4_000_000  # of features; bounds the memory


def rows_at_once(model: Model) -> int:
    """How many rows are read, predicted and written together."""
    return max(256, min(65_536, CELLS_AT_ONCE // model.preprocessor.n_features))


def prediction_columns(model: Model) -> list[str]:
    """`prediction`, then for classes `probability of CLASS` each."""
    return [PREDICTION, *(f"probability of {name}" for name in model.target.classes or ())]


@dataclass
class Predictions:
    """Frames of predictions, one a table; what it counts is complete after the last of them."""

    model: Model
    rows: int = 0
    identifiers: list[str] = field(default_factory=list)  # columns carried through; none: rows are numbered
    _read: dict[str, None] = field(default_factory=dict)  # notices on how the file was read, each once
    _ignored: list[str] = field(default_factory=list)
    _has_target: bool = False
    _places: dict[tuple[str, str], str] = field(default_factory=dict)  # (column, what) -> where it is so first
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def of(self, tables: Iterable[Table]) -> Iterator[pd.DataFrame]:
        """Identifiers and predictions of each table; raises DataError where columns are missing or cells unfit."""
        for table in tables:
            if not self.rows:
                self._begin(table)
            self._read |= dict.fromkeys(table.notices)
            yield self._frame(table)
            self.rows += len(table)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the frames."""
        return [*(self.identifiers or [ROW]), *prediction_columns(self.model)]

    def notices(self) -> list[str]:
        """What the user should know of the rows that were read."""
        ignored = f"columns that the run did not learn from are ignored: {listing(self._ignored)}"
        target = f"the target {self.model.target.name!r} is there too; `nnrun evaluate` compares predictions with it"
        return [
            *self._read,
            *([ignored] if self._ignored else []),
            *([target] if self._has_target else []),
            *(
                f"{counted(count, 'value')} of column {column!r} {'was' if count == 1 else 'were'} {what} "
                f"(the first: {self._places[column, what]})"
                for (column, what), count in self._counts.items()
            ),
        ]

    def _begin(self, table: Table) -> None:
        require_features(self.model, table)
        known = {column.name for column in self.model.preprocessor.columns}
        left_out = [name for name in self.model.info.get("left_out", []) if name in table.columns]
        self.identifiers = [name for name in left_out if name not in known]
        if taken := set(self.identifiers) & set(prediction_columns(self.model)):
            name = min(taken)
            raise DataError(
                f"{table.at_column(name)}: {name!r} is what a column of the predictions is called; rename it"
            )
        self._has_target = self.model.target.name in table.columns
        self._ignored = [
            name for name in table.columns if name not in {*known, *self.identifiers, self.model.target.name}
        ]

    def _frame(self, table: Table) -> pd.DataFrame:
        import pandas as pd

        predicted = self.model.predict(table)
        for column in self.model.preprocessor.columns:
            self._look_at(table, column)
        cells: dict[str, Any] = {name: table.frame[name].to_numpy() for name in self.identifiers}
        if not self.identifiers:
            cells[ROW] = np.asarray(table.frame.index) + 1
        return pd.DataFrame(cells | dict(zip(prediction_columns(self.model), self._cells(predicted), strict=True)))

    def _cells(self, predicted: Any) -> Iterator[Any]:
        if self.model.target.classes is None:
            yield predicted
            return
        yield np.array(self.model.target.classes, dtype=object)[predicted.argmax(axis=1)]
        yield from predicted.T

    def _look_at(self, table: Table, column: Column) -> None:
        series = table.frame[column.name]
        missing = series.isna().to_numpy(dtype=bool)
        if not column.indicator:
            self._count(table, column.name, "missing, as none was in training", missing)
        if column.kind == "category":
            unseen = (
                ~np.isin(labels(series).to_numpy(dtype=object), np.array(column.vocabulary, dtype=object)) & ~missing
            )
            self._count(table, column.name, "not seen in training", unseen)

    def _count(self, table: Table, column: str, what: str, where: Any) -> None:
        if where.any():
            self._places.setdefault((column, what), table.at_cell(table.first(where), column))
            self._counts[column, what] = self._counts.get((column, what), 0) + int(where.sum())


def require_features(model: Model, table: Table) -> None:
    """Raise DataError, naming all that are missing, unless the table has every column that the run learned from."""
    wanted = [column.name for column in model.preprocessor.columns]
    known = {*wanted, *model.info.get("left_out", [])}
    twice = [name for name in wanted if name in table.repeated and f"{name}.2" not in known]
    if twice:
        raise DataError(
            f"{table.at_column(twice[0])}: several columns are called {twice[0]!r}; keep the one to be used"
        )
    missing = [name for name in wanted if name not in table.columns]
    if not missing:
        return
    hint = suggest(missing[0], [name for name in table.columns if name not in wanted])
    what = f"no column {missing[0]!r}" if len(missing) == 1 else f"no columns {listing([*map(repr, missing)])}"
    here = hint or f"; the columns are {listing(table.columns)}"
    raise DataError(f"{table.at_header()}: {what}, which {name_of(model.run)} learned from{here}")
