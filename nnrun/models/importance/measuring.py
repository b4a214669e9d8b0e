"""Which columns matter to a network: how much worse it is on dev rows when a column's values are shuffled among them.

Permutation importance (Breiman 2001), or model reliance (Fisher, Rudin & Dominici 2019): the network stays as it is,
and all that a column became, one-hot marks, parts of a date or pieces of a number, goes to another row together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np

from nnrun.data.facts.association import NEARLY, association_of
from nnrun.data.files.values import Floats, Kind
from nnrun.data.groups import joined_rows
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream
from nnrun.engine.sampling import sample, sampled
from nnrun.errors import DataError
from nnrun.models.importance.alikeness import alike
from nnrun.models.importance.shuffling import Shuffled
from nnrun.models.model import Model
from nnrun.models.trained import Trained, trained
from nnrun.runs.assembly import examples
from nnrun.runs.grouped import LEVEL, error_of_mean, pseudo_values, student

if TYPE_CHECKING:
    from nnrun.data.features.columns import Column

PART = "dev"
ROUNDS = 10  # rows whose value each row is given in turn
MOST_ROWS, FEWEST_ROWS, FEWEST_ROUNDS = 20_000, 500, 2
WORK = 400_000_000_000  # multiplications, about, if all features went through all layers: a minute of one core
TOLD_ALONE_ROWS = 5_000  # that the columns are looked at by themselves on
PSEUDO = (
    1.0  # a mistake more in half a row and one less in half a row (Agresti & Min 2005): else none would be surely none
)

Heard = Callable[[int, int], None]  # so many of so many columns are done


class ImportanceScores(TypedDict):
    """By how much error and loss rise when something is shuffled, each with both ends of its interval.

    The error is a fraction, of a regression 1 − R². One of the two `surely` rises where it does so by more than chance
    over all that was shuffled together (Bonferroni).
    """

    error: float
    error_low: float
    error_high: float
    loss: float
    loss_low: float
    loss_high: float
    surely: bool


class ColumnImportance(ImportanceScores):
    """A column, its kind, and how many features it becomes."""

    column: str
    kind: Kind
    features: int


class GroupImportance(ImportanceScores):
    """Columns that hold the same, shuffled together, and the lowest of the correlations that join them."""

    columns: list[str]
    correlation: float


class Leak(TypedDict):
    """A column, and the share of the target that it explains by itself."""

    column: str
    explained: float


class ImportanceDocument(TypedDict):
    """What `evaluate --importance --json` prints; columns and groups are in order, those that matter most first."""

    schema_version: int
    run: str
    path: str
    part: str
    rows: int
    of_rows: int
    rounds: int
    level: float
    error: float
    loss: float
    columns: list[ColumnImportance]
    groups: list[GroupImportance]
    leaks: list[Leak]


@dataclass(frozen=True, eq=False)
class Importance:
    """What shuffling came to, on so many of the rows of dev, each given the values of `rounds` others."""

    model: Model
    rows: int
    of_rows: int
    rounds: int
    error: float
    loss: float
    columns: list[ColumnImportance]
    groups: list[GroupImportance] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)

    @property
    def document(self) -> ImportanceDocument:
        """What `--json` prints."""
        return {
            "schema_version": 1,
            "run": self.model.run.name,
            "path": str(self.model.run.path),
            "part": PART,
            "rows": self.rows,
            "of_rows": self.of_rows,
            "rounds": self.rounds,
            "level": LEVEL,
            "error": self.error,
            "loss": self.loss,
            "columns": self.columns,
            "groups": self.groups,
            "leaks": self.leaks,
        }


def nobody(done: int, columns: int) -> None:
    """Hears nothing."""


def importance(model: Model, heard: Heard = nobody, work: int = WORK) -> Importance:
    """Of each column of a run, on its dev part: on a sample of the rows where whole passes would take more than `work`.

    The same run gives the same numbers. Raises DataError where the run's data is gone or has changed, or where dev has
    too few rows to shuffle values among them.
    """
    return importance_of(trained(model.run), heard, work)


def importance_of(run: Trained, heard: Heard = nobody, work: int = WORK) -> Importance:
    """The importance of each column of a run whose data are loaded."""
    pieces, columns = run.pieces(PART), run.model.columns
    sizes = [len(examples(piece.dataset, PART)) for piece in pieces]
    if min(sizes) < 2:
        raise DataError(f"{run.run.name}: dev has too few rows to shuffle values among them")
    share, rounds = _extent(run.model, sum(sizes), work)
    shuffled = [_shuffled(piece, max(2, int(share * rows)), rounds) for piece, rows in zip(pieces, sizes, strict=True)]
    groups = joined_rows(one.groups for one in shuffled)
    joined = alike(shuffled[0].model.preprocessors[0], shuffled[0].rows.x)
    units = [[column.name] for column in columns] + [group.columns for group in joined]
    found = []
    for done, unit in enumerate(units):
        heard(done, len(units))
        adds = [one.without(unit) for one in shuffled]
        found.append(_scores(adds, groups, run.model.target.classes is not None, len(units)))
    heard(len(units), len(units))
    base = [np.concatenate([one.base[kind] for one in shuffled]) for kind in range(2)]
    of_columns = [
        ColumnImportance(column=own.name, kind=own.kind, features=shuffled[0].width(own.name), **scores)
        for own, scores in zip(columns, found, strict=False)
    ]
    of_groups = [
        GroupImportance(columns=own.columns, correlation=own.correlation, **scores)
        for own, scores in zip(joined, found[len(columns) :], strict=True)
    ]
    return Importance(
        run.model,
        sum(len(one.rows) for one in shuffled),
        sum(sizes),
        min(len(one.donors) for one in shuffled),
        float(base[1].mean()),
        float(base[0].mean()),
        sorted(of_columns, key=_first),
        sorted(of_groups, key=_first),
        list(_leaks(pieces[0])) if len(columns) > 1 else [],
    )


def _shuffled(run: Trained, rows: int, rounds: int) -> Shuffled:
    measured, groups = examples(run.dataset, PART), run.dataset.parts[PART].groups
    some = sampled(len(measured), rows)
    return Shuffled(run.model, measured.take(some), rounds, None if groups is None else groups[some])


def _first(scores: ImportanceScores) -> tuple[float, float]:
    """What matters most comes first; of what changes no class, what changes the loss."""
    return -np.nan_to_num(scores["error"]), -np.nan_to_num(scores["loss"])


def _extent(model: Model, rows: int, work: int) -> tuple[float, int]:
    """The share of the rows that are looked at, and how many values each is given, as far as the work allows.

    Fewer rows first, then fewer rounds, neither below what leaves an interval that says something.
    """
    weights = sum(tensor.size for member in model.members for tensor in member.weights.values())
    of_row = max(1, weights) * len(model.columns)
    looked_at = min(rows, MOST_ROWS, max(FEWEST_ROWS, work // (of_row * ROUNDS)))
    return looked_at / rows, min(ROUNDS, max(FEWEST_ROUNDS, work // (of_row * looked_at)))


def _scores(adds: Sequence[Sequence[Array]], groups: Array | None, of_classes: bool, units: int) -> ImportanceScores:
    """Of what each row adds, by piece, and the groups of all rows; one of so many units that are shuffled."""
    loss, error = (np.concatenate([piece[kind] for piece in adds]) for kind in range(2))
    of_error, of_loss = _Rise.of(error, groups, PSEUDO * of_classes), _Rise.of(loss, groups)
    (error_low, error_high), (loss_low, loss_high) = of_error.interval(LEVEL), of_loss.interval(LEVEL)
    together = 1 - (1 - LEVEL) / (2 * units)
    surely = max(of_error.interval(together)[0], of_loss.interval(together)[0]) > 0
    return {"error": of_error.mean, "error_low": error_low, "error_high": error_high,
            "loss": of_loss.mean, "loss_low": loss_low, "loss_high": loss_high, "surely": surely}  # fmt: skip


class _Rise(NamedTuple):
    """A mean over rows, and its standard error, by the groups of rows where they come in such.

    The random order adds to the spread of what rows add, too, so the error is rather too large than too small.
    """

    mean: float
    error: float
    cases: int  # that it is the mean of

    @classmethod
    def of(cls, adds: Array, groups: Array | None, pseudo: float = 0.0) -> _Rise:
        """Of what rows add, `(m,)`; `pseudo` is added to the sum of their squares."""
        mean, cases = float(adds.mean()), adds if groups is None else pseudo_values(adds, groups)
        count = len(cases)
        if count < 2:
            return cls(mean, math.inf, 2)
        return cls(mean, error_of_mean(cases, pseudo * (count / len(adds)) ** 2), count)

    def interval(self, level: float) -> tuple[float, float]:
        """Student's."""
        width = student(self.cases, level) * self.error
        return self.mean - width, self.mean + width


def _leaks(run: Trained) -> Iterator[Leak]:
    """The columns that nearly give the target away by themselves, judged on training rows."""
    made, classes = run.model.preprocessors[0], run.dataset.classes is not None
    rows = sample(examples(run.dataset, "train"), TOLD_ALONE_ROWS)
    y = rows.y if classes else rows.y[:, 0].astype(np.float64)
    for column in made.columns:
        values = _values(column, rows.x[:, made.places[column.name]])
        explained = association_of(values, column.kind != "category", y, classes).explained
        if explained >= NEARLY:
            yield {"column": column.name, "explained": explained}


def _values(column: Column, x: Array) -> Floats:
    """One number `(m,)` for each value of a column, from its features `(m, k)`; NaN where a number is missing.

    The pieces of a number add up to what rises with it; of marks and of parts of a date each combination has its own.
    """
    if column.kind in ("number", "boolean"):
        numbers, gaps = (x[:, :-1], x[:, -1] > 0) if column.marks_gaps else (x, np.zeros(len(x), bool))
        return np.where(gaps, np.nan, numbers.sum(axis=1, dtype=np.float64))
    return x.astype(np.float64) @ stream(0, "sample").random(x.shape[1])
