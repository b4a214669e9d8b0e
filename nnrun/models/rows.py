"""New rows in, predictions out: where rows come from, what tells them apart, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from nnrun.data.files.table import Table, require_column, suggest
from nnrun.data.files.values import missing_of
from nnrun.engine.parameters import Array
from nnrun.errors import DataError
from nnrun.installation import command
from nnrun.models.incoming import STDIN, in_memory, read_rows
from nnrun.models.model import Model
from nnrun.models.noticed import Noticed
from nnrun.text import MANY, counted, listed, number

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.models.drift.comparing import Drift
    from nnrun.models.incoming import InMemory
    from nnrun.models.uncertainty import Beside, IntervalDocument


PREDICTION, ROW = "prediction", "row"
CELLS_AT_ONCE = 4_000_000  # of features, or of classes; bounds the memory


def rows_at_once(model: Model) -> int:
    """How many rows are read, predicted and written together."""
    return max(256, min(65_536, CELLS_AT_ONCE // max(model.n_features, len(model.target.classes or ()))))


def prediction_columns(model: Model) -> list[str]:
    """`prediction`, then for classes `probability of CLASS` each."""
    return [PREDICTION, *(f"probability of {name}" for name in model.target.classes or ())]


def tables_of(model: Model, rows: str | InMemory, target: bool) -> Generator[Table, None, None]:
    """The rows of a file, `-` for standard input, or those in memory; DataError where columns, or the target, lack."""
    if isinstance(rows, str):
        tables = read_rows(rows, rows_at_once(model), model.fitted.reading)
    else:
        tables = _slices(in_memory(model, rows, target), rows_at_once(model))
    with closing(tables):
        for table in tables:
            require_features(model, table)
            if target:
                require_column(table, model.target.name, "target")
            yield table


def _slices(table: Table, most: int) -> Generator[Table, None, None]:
    yield from (table.slice(start, start + most) for start in range(0, len(table), most))


@dataclass
class Predictions:
    """Frames of predictions, one a table; what it counts is complete after the last of them."""

    model: Model
    wanted: Sequence[str] = ()  # columns to be carried through; none: those that were left out and identify the rows
    beside: Sequence[Beside] = ()
    drift: Drift | None = None  # what the rows are compared with those of training by
    rows: int = 0
    identifiers: list[str] = field(default_factory=list)  # columns carried through; none: rows are numbered
    _file: str | None = None  # that the rows come from
    _has_target: bool = False

    def __post_init__(self) -> None:
        self._noticed = Noticed(self.model)

    def of_source(self, source: str) -> Generator[pd.DataFrame, None, None]:
        """Predictions of a file's rows, `-` for standard input; DataError for whatever cannot be read or is unfit."""
        self._file = None if source == STDIN else source
        reading = self.model.fitted.reading
        features = {column.name for column in self.model.columns}
        as_they_are = replace(reading, text=reading.text.union(set(self.wanted) - features))
        with closing(read_rows(source, rows_at_once(self.model), as_they_are)) as tables:
            yield from self.of(tables)

    def of_rows(self, rows: InMemory) -> pd.DataFrame:
        """Predictions of rows in memory, with the index of a frame; raises DataError where they do not fit."""
        import pandas as pd

        table = in_memory(self.model, rows)
        tables = [*_slices(table, rows_at_once(self.model))] or [table]  # none of no rows
        predictions = pd.concat(self.of(tables), ignore_index=True)
        return predictions if isinstance(rows, (dict, np.ndarray)) else predictions.set_axis(rows.index)

    def of(self, tables: Iterable[Table]) -> Iterator[pd.DataFrame]:
        """Identifiers and predictions of each table; raises DataError where columns are missing or cells unfit."""
        for table in tables:
            if not self.rows:
                self._begin(table)
            if self.drift:
                self.drift.see(table)
            yield self._frame(table)
            self.rows += len(table)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the frames."""
        return [*(self.identifiers or [ROW]), *self._predicted]

    @property
    def interval(self) -> IntervalDocument | None:
        """How bounds or sets came about, where they were asked for."""
        return next((of.interval for of in self.beside if of.interval), None)

    @property
    def _predicted(self) -> list[str]:
        return [*prediction_columns(self.model), *(name for of in self.beside for name in of.columns)]

    def notices(self) -> list[str]:
        """What the user should know of the rows that were read."""
        evaluate = f"`{command('evaluate', str(self.model.run.path), self._file)}`" if self._file else "evaluate"
        target = f"the target {self.model.target.name!r} is there too; {evaluate} compares predictions with it"
        return [
            *self._noticed.reading,
            *([target] if self._has_target else []),
            *_threshold(self.model),
            *probability_notices(self.model),
            *(notice for of in self.beside for notice in of.notices()),
            *self._noticed.values,
        ]

    def doubts(self) -> list[str]:
        """The notices by which rows are predicted worse than others, or otherwise than was meant."""
        return [*self._noticed.doubts_of_reading, *self.model.ignored, *self._noticed.doubts_of_values]

    def _begin(self, table: Table) -> None:
        require_features(self.model, table)
        for name in self.wanted:
            require_column(table, name)
        found = [name for name in identifying(self.model, table) if name not in self._predicted]
        self.identifiers = [*self.wanted] or found
        if taken := set(self.wanted) & set(self._predicted):
            name = min(taken)
            raise DataError(
                f"{table.at_column(name)}: {name!r} is what a column of the predictions is called; rename it"
            )
        self._has_target = self.model.target.name in table
        self._noticed.begin(table, self.identifiers)

    @np.errstate(all="ignore")  # what is beyond all numbers is noticed
    def _frame(self, table: Table) -> pd.DataFrame:
        import pandas as pd

        x = self.model.features(table)
        predicted = self.model.predict_features(x)
        self._noticed.see(table, predicted)
        cells = {name: table.frame[name].array for name in self.identifiers}
        if not self.identifiers:
            cells[ROW] = np.asarray(table.frame.index) + 1
        made = chain(self._cells(predicted), *(of.cells(x, predicted) for of in self.beside))
        return pd.DataFrame(cells | dict(zip(self._predicted, made, strict=True)))

    def _cells(self, predicted: Array) -> Iterator[Array]:
        if self.model.target.classes is None:
            yield predicted
            return
        yield np.array(self.model.target.classes, dtype=object)[self.model.decided(predicted)]
        yield from predicted.T.astype(self.model.dtype)


def _threshold(model: Model) -> list[str]:
    if model.threshold is None:
        return []
    _, second = model.target.classes or ()
    return [f"{second!r} is predicted from a probability of {model.threshold} on, whatever is more probable"]


def probability_notices(model: Model) -> list[str]:
    """What the probabilities of a network are that has a temperature, or whose classes are weighted."""
    told = model.ignored
    if model.temperature != 1:
        fitted = f"temperature {number(model.temperature)}, which `evaluate --calibrate` fitted on dev"
        told.append(f"probabilities are at {fitted}")
    return [*told, *_weighted(model)]


def _weighted(model: Model) -> list[str]:
    written = model.fitted.weights
    if written is None or written["classes"] is None:
        return []
    if model.factors is not None and model.threshold is not None:
        return []  # they are those of the rows as they are, and it is they that decide
    if model.factors is not None:
        unlearned = listed(np.asarray(model.target.classes)[model.factors == 0].tolist())
        apart = f" but of {unlearned}, which counted nothing," if unlearned else ","
        return [
            f"probabilities are those of the rows as they are{apart} while the class is chosen by the weights of "
            "data.class_weight, so it need not be the most probable one"
        ]
    return [
        "probabilities are those of rows weighted by data.class_weight, so those of rare classes are too high; a run "
        "trained with data.correct_prior=true corrects them"
    ]


def identifying(model: Model, table: Table) -> list[str]:
    """Columns that were left out, had another value in each row of the training file, and have so in this table."""
    unfit = {*(column.name for column in model.columns), *table.unreadable}
    found = [name for name in model.fitted.identifiers if name in table.columns and name not in unfit]
    return [name for name in found if table.frame[name].is_unique]


def with_target(model: Model, tables: Iterable[Table], notes: list[str]) -> Iterator[Table]:
    """All rows, or, where training left out those without a target, the others; notes how many there were."""
    name, lacking = model.target.name, 0
    for table in tables:
        if model.config.data.missing_target == "error":
            yield table
            continue
        there = ~missing_of(table.column(name))
        lacking += int(np.count_nonzero(~there))
        if there.any():
            yield table.take(np.flatnonzero(there))
    if lacking:
        notes.append(f"{counted(lacking, 'row')} without a target left out (data.missing_target)")


def require_features(model: Model, table: Table) -> None:
    """Raise DataError, naming all that are missing, unless the table has every column that the run learned from."""
    wanted = [column.name for column in model.columns]
    known = {*wanted, *model.fitted.left_out}
    twice = [name for name in wanted if name in table.repeated and f"{name}.2" not in known]
    if twice:
        raise DataError(
            f"{table.at_column(twice[0])}: several columns are called {twice[0]!r}; keep the one to be used"
        )
    missing = [name for name in wanted if name not in table]
    if not missing:
        for name in wanted:
            require_column(table, name)
        return
    learned = set(wanted)
    hint = suggest(missing[0], [name for name in table.columns if name not in learned])
    what = f"no column {missing[0]!r}" if len(missing) == 1 else f"no columns {listed([*map(repr, missing)], MANY)}"
    here = hint or f"; the columns are {listed(table.columns, MANY)}"
    raise DataError(f"{table.at_header()}: {what}, which {model.run.name} learned from{here}{table.beside}")
