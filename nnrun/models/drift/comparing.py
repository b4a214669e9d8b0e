"""Whether new rows are like those of training: what is outside its range, was never seen, is missing, or has shifted.

Rows are counted as they come, in a few numbers a column, so any stream of them is compared in one pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, NotRequired, TypedDict

import numpy as np

from nnrun.data.facts.chances import chance_of_distance, chance_of_more, chance_of_share, chance_of_table
from nnrun.data.facts.kinds import truths
from nnrun.data.facts.likeness import LARGE, SIGNIFICANCE, Difference, holm
from nnrun.data.facts.tallies import Moments
from nnrun.data.features.categories import MOST_POOLED
from nnrun.data.features.columns import Column
from nnrun.data.features.dates import INSTANT, date_parts
from nnrun.data.features.profile import WrittenProfile
from nnrun.data.files.table import Table, numbers
from nnrun.data.files.values import Floats, Kind, label_codes
from nnrun.errors import UsageError
from nnrun.installation import command
from nnrun.models.model import Model

SOME = 0.02  # of the rows: fewer that are outside, unseen or missing are not worth a word
FEW = 5  # rows: so many are never told to differ by χ², which expects as many of a category
EXAMPLES = 3  # values that training never saw, by name

What = Literal["shifted", "outside", "unseen", "missing"]


class Found(TypedDict):
    """A column that is not as in training, in what, and by how much.

    `size` is a share of the rows: of those outside the range or unseen, by how much more are missing, or of a shift
    the largest distance of the distribution functions, of categories the total variation. `training` and `now` are the
    means, the ranges, the shares of missing rows, or the share of the category that changed most.
    """

    column: str
    what: What
    size: float
    rows: NotRequired[int]
    deviations: NotRequired[float]
    training: NotRequired[float | list[float | str]]
    now: NotRequired[float | list[float | str]]
    values: NotRequired[list[str]]


class DriftDocument(TypedDict):
    """What `--json` prints of the comparison: how many rows and columns, and what is not as in training."""

    rows: int
    needs: int  # rows that could be told to differ; of fewer nothing is ever found
    columns: int
    found: list[Found]


class Suspicion(NamedTuple):
    """What may be told of a column, how likely so much of it is by chance, and from which size on it is told."""

    found: Found
    p: float
    least: float


class Drift:
    """New rows beside the training part; what it comes to is complete after the last of them."""

    def __init__(self, model: Model, target: bool = False) -> None:
        """`target` says that the rows have the target, which is compared like a column.

        Raises UsageError for a run that kept nothing of its training part to be compared with.
        """
        profiles = model.fitted.profiles
        if profiles is None:
            again = command("train", str(model.run.directory.resolved))
            raise UsageError(
                f"{model.run.name} is of a version that kept too little of its training part to compare rows with; "
                f"`{again}` trains it anew"
            )
        self.rows = 0
        known = {column.name: column for column in model.columns}
        self._columns: list[_Watched] = [
            _watched(known[name], profile) for name, profile in profiles["columns"].items() if name in known
        ]
        if target:
            kind: Kind = "number" if model.target.classes is None else "category"
            own = Column(model.target.name, kind, vocabulary=model.target.classes or ())
            self._columns.append(_watched(own, profiles["target"]))

    def see(self, table: Table) -> None:
        """Take in the next rows; raises DataError at the first cell that does not fit its column."""
        self.rows += len(table)
        for column in self._columns:
            column.see(table)

    @property
    def found(self) -> list[Found]:
        """What differs beyond chance, all columns looked at together, and by enough to matter; the largest first."""
        suspicions = [one for column in self._columns for one in column.suspicions(self.rows)]
        tested = [Difference(str(place), one.found["size"], one.p) for place, one in enumerate(suspicions)]
        told = [suspicions[int(one.column)] for one in holm(tested)]
        return sorted((one.found for one in told if one.found["size"] >= one.least), key=lambda one: -one["size"])

    @property
    def needs(self) -> int:
        """How many rows could be told to differ, whatever they hold: fewer never are. At most one more than `FEW`."""
        most = SIGNIFICANCE / max(1, len(self._columns))  # as each has a test at least
        clear = (n for n in range(1, FEW + 1) if any(column.clearest(n) <= most for column in self._columns))
        return next(clear, FEW + 1)

    @property
    def document(self) -> DriftDocument:
        """Plain data."""
        return {"rows": self.rows, "needs": self.needs, "columns": len(self._columns), "found": self.found}


def drift_of(model: Model, required: bool = False, target: bool = False) -> Drift | None:
    """A comparison of new rows with those of training; None for a run that kept nothing for it, unless `required`."""
    return Drift(model, target) if required or model.fitted.profiles else None


class _Watched(ABC):
    """A column of new rows: how many have no value; what the others are is counted by its kind."""

    def __init__(self, column: Column, profile: WrittenProfile) -> None:
        self.column, self.profile, self.name = column, profile, column.name
        self.missing = 0
        self.known = profile["rows"] - profile["missing"]  # rows of training that have a value

    @abstractmethod
    def see(self, table: Table) -> None:
        """Take in the next rows."""

    def suspicions(self, rows: int) -> Iterator[Suspicion]:
        """What may be told, of so many rows."""
        if not rows or not self.profile["rows"]:
            return
        before, now = self.profile["missing"] / self.profile["rows"], self.missing / rows
        found: Found = {"column": self.name, "what": "missing", "size": abs(now - before), "rows": self.missing,
                        "training": before, "now": now}  # fmt: skip
        yield Suspicion(found, chance_of_share(self.missing, rows, self.profile["missing"], self.profile["rows"]), SOME)
        if self.known and rows > self.missing:
            yield from self.of_values(rows - self.missing)

    @abstractmethod
    def of_values(self, present: int) -> Iterator[Suspicion]:
        """What may be told of the values, so many of which are there."""

    def clearest(self, rows: int) -> float:
        """The least chance that a few rows come to, where none or all have a value, or all are unlike any of these."""
        whole, missing = self.profile["rows"], self.profile["missing"]
        chances = [chance_of_share(k, rows, missing, whole) for k in (0, rows) if whole]
        return min([*chances, *([self.strangest(rows)] if self.known else [])], default=1.0)

    @abstractmethod
    def strangest(self, rows: int) -> float:
        """How likely so many values are that are unlike any of training."""


class _Range(_Watched):
    """Dates: rows before the first one or after the last one of training. That they go on is no shift."""

    def __init__(self, column: Column, profile: WrittenProfile) -> None:
        super().__init__(column, profile)
        self.moments, self.outside = Moments(), 0

    def see(self, table: Table) -> None:
        values = self.read(table)
        present = values[~np.isnan(values)]
        self.missing += len(values) - len(present)
        self.moments += Moments.of(present)
        if self.known and len(present):
            out = (present < self.profile["low"]) | (present > self.profile["high"])
            self.outside += int(np.count_nonzero(out))
            self.count(present)

    def read(self, table: Table) -> Floats:
        """The values `(m,)`, missing = NaN."""
        return date_parts(table, self.name, str(self.column.format))[INSTANT]

    def shown(self, value: float) -> float | str:
        """An end of a range."""
        return str(np.datetime64(int(value), "s"))

    def count(self, values: Floats) -> None:
        """Take in values that are there."""

    def of_values(self, present: int) -> Iterator[Suspicion]:
        before, now = (self.profile["low"], self.profile["high"]), (self.moments.low, self.moments.high)
        found: Found = {"column": self.name, "what": "outside", "size": self.outside / present, "rows": self.outside,
                        "training": [*map(self.shown, before)], "now": [*map(self.shown, now)]}  # fmt: skip
        yield Suspicion(found, chance_of_more(self.outside, present, 2, self.known - 1), SOME)

    def strangest(self, rows: int) -> float:
        return chance_of_more(rows, rows, 2, self.known - 1)


class _Numbers(_Range):
    """Numbers: also how many lie up to each quantile of training."""

    def __init__(self, column: Column, profile: WrittenProfile) -> None:
        super().__init__(column, profile)
        self.edges = np.array(profile.get("edges", []))
        self.counts = np.zeros(len(self.edges) + 1, np.int64)

    def read(self, table: Table) -> Floats:
        return numbers(table, self.name)

    def shown(self, value: float) -> float | str:
        return value

    def count(self, values: Floats) -> None:
        self.counts += np.bincount(np.searchsorted(self.edges, values), minlength=len(self.counts))

    def of_values(self, present: int) -> Iterator[Suspicion]:
        """Kolmogorov and Smirnov's test at the quantiles, which finds no more than the one at all values would."""
        yield from super().of_values(present)
        shares = np.cumsum(self.counts)[:-1] / present
        distance = float(np.abs(shares - np.array(self.profile["shares"])).max())
        rows = present * self.profile["sampled"] / (present + self.profile["sampled"])
        means, deviation = (self.profile["mean"], self.moments.mean), self.profile["deviation"]
        found: Found = {"column": self.name, "what": "shifted", "size": distance,
                        "training": means[0], "now": means[1]}  # fmt: skip
        if deviation:
            found["deviations"] = (means[1] - means[0]) / deviation
        yield Suspicion(found, chance_of_distance(distance, rows), LARGE)


class _Truths(_Numbers):
    """Truth: numbers, 1 and 0."""

    def read(self, table: Table) -> Floats:
        return truths(table, self.name)


class _Categories(_Watched):
    """Categories: how many rows have each of the most frequent values, another one, or one that training never saw."""

    def __init__(self, column: Column, profile: WrittenProfile) -> None:
        super().__init__(column, profile)
        self._label = column.label
        self.values = list(profile.get("counts", {}))
        self._places = {value: place for place, value in enumerate(self.values)}
        others, unseen = len(self.values), len(self.values) + 1
        self._places |= dict.fromkeys({*column.vocabulary, *column.pooled} - self._places.keys(), others)
        # Of more rare values than are kept by name nobody can say which training saw.
        self._unseen = others if len(column.pooled) >= MOST_POOLED else unseen
        self.counts = np.zeros(unseen + 1, np.int64)
        self.examples: dict[str, None] = {}

    def see(self, table: Table) -> None:
        codes, spelled = label_codes(table.column(self.name))
        names = [self._label(text) for text in spelled]
        self.missing += int(np.count_nonzero(codes < 0))
        places = np.array([self._places.get(name, self._unseen) for name in names], dtype=np.int64)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        np.add.at(self.counts, places, counts)
        if len(self.examples) < EXAMPLES and self._unseen > len(self.values):
            new = (name for name, place in zip(names, places, strict=True) if place == self._unseen)
            self.examples |= dict.fromkeys(name for name, _ in zip(new, range(EXAMPLES), strict=False))

    def of_values(self, present: int) -> Iterator[Suspicion]:
        unseen = int(self.counts[-1])
        found: Found = {"column": self.name, "what": "unseen", "size": unseen / present, "rows": unseen,
                        "values": list(self.examples)[:EXAMPLES]}  # fmt: skip
        once = self.profile["once"]
        yield Suspicion(found, chance_of_more(unseen, present, once + 1, self.known - once), SOME)
        before = np.array([*self.profile["counts"].values()], np.int64)
        table = np.array([[*before, self.known - before.sum()], [*self.counts[:-2], self.counts[-2:].sum()]])
        shares = table / table.sum(axis=1, keepdims=True)
        changes = np.abs(shares[0] - shares[1])
        most = int(changes[:-1].argmax())
        shifted: Found = {"column": self.name, "what": "shifted", "size": float(changes.sum() / 2),
                          "training": float(shares[0, most]), "now": float(shares[1, most]),
                          "values": [self.values[most]]}  # fmt: skip
        yield Suspicion(shifted, chance_of_table(table), LARGE)

    def strangest(self, rows: int) -> float:
        once = self.profile["once"]
        return chance_of_more(rows, rows, once + 1, self.known - once)


_KINDS: dict[Kind, Callable[[Column, WrittenProfile], _Watched]] = {
    "number": _Numbers,
    "boolean": _Truths,
    "date": _Range,
    "category": _Categories,
}


def _watched(column: Column, profile: WrittenProfile) -> _Watched:
    return _KINDS[column.kind](column, profile)
