"""One walk through a source, before anything is decided or learned: what columns, target, groups and times hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import CLOCK, ISO, dates, day_of, possible_formats, read_dates
from nnrun.data.facts.tallies import Coded, differ
from nnrun.data.files.chunks import Chunks
from nnrun.data.files.table import Table, numbers
from nnrun.data.files.values import Indices, factorized, fractional, kind_of, label_codes, missing_of
from nnrun.engine.metrics import Task
from nnrun.errors import DataError
from nnrun.text import counted, shown

if TYPE_CHECKING:
    from nnrun.config.data_section import Declared


class GroupFacts:
    """The group of each row."""

    def __init__(self, column: ColumnFacts, target: TargetFacts) -> None:
        self.column, self.target, self.groups = column, target, Coded()
        self.lacking: DataError | None = None

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        self.lacking = self.lacking or _lacking(table, self.column.name, self.target)
        codes, different = factorized(table.column(self.column.name))
        self.groups.see(codes, different.tolist())

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """A number a row; raises DataError at the first row of a part without a group."""
        if self.lacking:
            raise self.lacking
        return self.groups.groups


class TimeFacts:
    """The time of each row: a number, or a date in a format that reads all of them."""

    def __init__(self, column: ColumnFacts, target: TargetFacts) -> None:
        self.column, self.target = column, target
        self.lacking: DataError | None = None
        self.fault: DataError | None = None
        self._there: list[npt.NDArray[np.bool_]] = []
        self._pieces: dict[str | None, list[npt.NDArray[Any]]] = {}  # by format, as long as it reads all texts so far

    def see(self, table: Table) -> None:
        """Take in the next rows; the column has seen them."""
        self.lacking = self.lacking or _lacking(table, self.column.name, self.target)
        there = ~missing_of(table.column(self.column.name))
        self._there.append(there)
        if self.fault is None and there.any():
            try:
                self._read(table, there)
            except DataError as error:
                self.fault = error

    def _read(self, table: Table, there: npt.NDArray[np.bool_]) -> None:
        name = self.column.name
        kind = kind_of(table.column(name))
        if kind in ("number", "boolean"):
            self._pieces.setdefault(None, []).append(numbers(table, name)[there])
            return
        formats = self.column.texts.formats if kind == "category" else [ISO]
        if not formats:
            raise _no_time(table, name, next(iter(self._pieces), None))
        read = {format: _microseconds(dates(table, name, format))[there] for format in formats}
        known = self._pieces  # of dates alone, where those that follow have a time of day too
        self._pieces = {
            format: [*known.get(format, known.get(day_of(format), [])), times] for format, times in read.items()
        }

    @property
    def times(self) -> npt.NDArray[Any]:
        """Sortable `(rows,)`, 0 in rows of no part without a time; DataError at the first of a part without one."""
        if fault := self.lacking or self.fault:
            raise fault
        there, found = np.concatenate(self._there), np.concatenate(next(iter(self._pieces.values())))
        times = np.zeros(len(there), found.dtype)
        times[there] = found
        return times


def _microseconds(found: npt.NDArray[np.datetime64]) -> Indices:
    return found.astype("datetime64[us]").astype(np.int64)


def _no_time(table: Table, column: str, format: str | None) -> DataError:
    """Of the first cell that is no date in the format of those before it."""
    series = table.frame[column]
    texts = series.dropna().astype(str)
    format = format or next(iter(possible_formats(texts.iloc[0])), ISO)
    row = int(texts.index[int(np.argmax(np.isnat(read_dates(texts, format))))])
    return DataError(
        f"{table.at_cell(row, column)}: {shown(series[row])} in time column {column!r} is neither a number nor a "
        "date like 2026-01-31 or 2026-01-31T12:00; rewrite the column"
    )


def _lacking(table: Table, column: str, target: TargetFacts) -> DataError | None:
    """Of the first row without a value in a column that splits the rows; one without a target may lack it."""
    lacking = missing_of(table.column(column))
    if target.may_be_missing:
        lacking = lacking & ~missing_of(table.column(target.name))
    if not lacking.any():
        return None
    place = table.at_cell(table.first(lacking), column)
    return DataError(f"{place}: no value in column {column!r}, which splits the rows; fill it in or remove the row")


MAX_AUTO_CLASSES = 20
Wanted = Literal["auto", "classification", "regression"]

FILLED_OR_DROPPED = "fill them in or remove these rows; data.missing_target: drop leaves them out"


class TargetFacts:
    """What decides between the tasks; labels are kept as long as the target may be one of classes."""

    def __init__(self, column: ColumnFacts, wanted: Wanted, may_be_missing: bool = False) -> None:
        self.column, self.name, self.wanted, self.may_be_missing = column, column.name, wanted, may_be_missing
        self._there: list[npt.NDArray[np.bool_]] = []
        self.infinite: DataError | None = None
        self.fraction: tuple[str, Any] | None = None  # the first number that is not whole: its place, its value
        self.low, self.high = np.inf, -np.inf
        self.labels: Coded | None = Coded() if wanted != "regression" else None

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        values = table.column(self.name)
        there = ~missing_of(values)
        if self.may_be_missing:
            self._there.append(there)
        if kind_of(values) == "number":
            self._see_numbers(table, there)
        if self.labels is not None:
            self.labels.see(*label_codes(values))

    def _see_numbers(self, table: Table, there: npt.NDArray[np.bool_]) -> None:
        present = table.column(self.name)[there]
        try:
            numbers(table, self.name)
        except DataError as error:
            self.infinite = self.infinite or error
        if len(present):
            self.low, self.high = min(self.low, float(present.min())), max(self.high, float(present.max()))
        fractions = fractional(present)
        if fractions.any() and self.fraction is None:
            place = int(np.argmax(fractions))
            row = table.row(int(np.flatnonzero(there)[place]))
            self.fraction = table.at_cell(row, self.name), np.asarray(present)[place]
        if self.fraction or (self.wanted == "auto" and not self.few):
            self.labels = None

    @property
    def few(self) -> bool:
        """Whether there are no more different labels than classes usually have."""
        return self.labels is not None and len(self.labels.index) <= MAX_AUTO_CLASSES

    @property
    def there(self) -> npt.NDArray[np.bool_] | None:
        """Which rows `(rows,)` have a target, where some have none and may do so; else None."""
        return np.concatenate(self._there) if self.may_be_missing and self.column.missing else None

    def check(self, cure: str = FILLED_OR_DROPPED) -> None:
        """Raise DataError at the first row without a target, unless that is allowed, or with an infinite one."""
        count = self.column.missing
        if count and not (self.may_be_missing and self.column.present):
            raise DataError(
                f"{self.column.first_missing}: no value in target column {self.name!r} "
                f"({counted(count, 'row')} in all); {cure}"
            )
        if self.column.kind == "number" and self.infinite:
            raise self.infinite

    def decide_task(self, place: str) -> Task:
        """The task of the training source; raises DataError if the target, at `place`, cannot serve the wanted one."""
        number = self.column.kind == "number"
        if self.wanted == "regression" and not number:
            self._check_numeric(place)
        if self.wanted == "classification" and number and self.fraction:
            where, value = self.fraction
            raise DataError(
                f"{where}: {value} in target column {self.name!r} is not a class (whole numbers, words "
                "and booleans are); set data.task: regression"
            )
        if self.wanted != "auto":
            return self.wanted
        return "regression" if number and not self.few else "classification"

    @property
    def notices(self) -> list[str]:
        """What is told of many classes that are times, of day or of whatever length."""
        labels = self.labels.index if self.wanted == "auto" and self.labels and not self.few else {}
        if not labels or not all(CLOCK.fullmatch(str(label)) for label in labels):
            return []
        told = f"target column {self.name!r} holds times such as {shown(next(iter(labels)))}, each taken for a class;"
        return [f"{told} write them as numbers, such as minutes, to predict how many"]

    def _check_numeric(self, place: str) -> None:
        advice = "set data.task: classification, or choose a target of numbers"
        if self.column.slips:
            where, text = self.column.first_slip
            raise DataError(f"{where}: {shown(text)} in column {self.name!r} is not a number; {advice}")
        if self.column.kind == "boolean":
            raise DataError(f"{place}: target column {self.name!r} is true or false, not a number; {advice}")

    def find_classes(self, place: str) -> tuple[str, ...]:
        """The classes of the training source, whole numbers by value; raises DataError if there is only one."""
        found = [str(label) for label in self.labels.index] if self.labels else []
        if len(found) == 1:
            raise DataError(
                f"{place}: target column {self.name!r} has one class only ({shown(found[0])}); "
                "add rows of another class, or choose another target"
            )
        return tuple(sorted(found, key=int) if self.column.kind == "number" else sorted(found))

    def check_varies(self, place: str) -> None:
        """Raise DataError if a number to predict is the same in every row."""
        if self.low <= self.high and not differ(self.low, self.high):
            raise DataError(
                f"{place}: target column {self.name!r} is {self.low:g} in every row; "
                "there is nothing to learn, choose another target"
            )


def check_target(table: Table, name: str) -> None:
    """Raise DataError at the first row of new data without a target, or with an infinite one."""
    facts = TargetFacts(ColumnFacts.of(table, name), "regression")
    facts.see(table)
    facts.check("fill them in, or remove these rows, by which nothing can be judged")


NOTHING_DECLARED: Mapping[str, Declared] = {}


class Survey:
    """What a walk finds about every column, about the target, and about what splits the rows.

    Faults are remembered, not raised: only at the end of the walk it is known what a column is.
    """

    def __init__(
        self,
        head: Table,
        target: str,
        task: Wanted,
        group: str | None = None,
        time: str | None = None,
        declared: Mapping[str, Declared] = NOTHING_DECLARED,
        may_lack_target: bool = False,
    ) -> None:
        self.head = head.slice(0, 0)  # it knows where columns stand
        self.rows = 0
        self.notices: dict[str, None] = {}  # of the file, in order
        self.columns = {name: ColumnFacts(name, declared.get(name), name in (group, time)) for name in head.columns}
        self.target = TargetFacts(self.columns[target], task, may_lack_target)
        self.group = GroupFacts(self.columns[group], self.target) if group else None
        self.time = TimeFacts(self.columns[time], self.target) if time else None

    @property
    def units(self) -> dict[str, str]:
        """Of the columns of numbers that have one."""
        return {name: facts.unit for name, facts in self.columns.items() if facts.unit}

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        self.rows += len(table)
        self.notices |= dict.fromkeys(table.notices)
        for facts in (*self.columns.values(), self.target, self.group, self.time):
            if facts is not None:
                facts.see(table)


def survey(chunks: Chunks, begin: Callable[[Table], Survey]) -> Survey:
    """Walk through a source; once more where parts of a column were read as other things than the rest of it.

    `begin` is given the first piece; what it raises about the columns comes before the walk.
    """
    pieces = chunks.walk("reading")
    first = next(pieces)
    found = begin(first)
    found.see(first)
    for table in pieces:
        found.see(table)
    mixed = [name for name, facts in found.columns.items() if facts.is_mixed]
    if not mixed:
        return found
    chunks.read_alike(mixed, [name for name in mixed if found.columns[name].only_unknown and name != found.target.name])
    return survey(chunks, begin)
