"""The errors of a run by the values of one column: where it fails, and whether by bias or by variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, sqrt
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from nnrun.config.schema import Diagnosis
from nnrun.data.files.table import suggest
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.insight.diagnosis.cuts import TIMES, Labels, regions_of
from nnrun.models.trained import Trained, trained
from nnrun.runs.grouped import independent_rows, student
from nnrun.runs.proportions import put_together, wilson
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import UNCLEAR, judgement, r2_error, yardstick
from nnrun.text import MANY, columns, listed, percent, shortened, wrapped

if TYPE_CHECKING:
    from nnrun.data.files.table import Table
    from nnrun.data.raw import RawParts


SHOWN = 20
NAME_WIDTH = 25  # characters of a column or a value in the table; two times are never cut
FEWEST = 10  # rows whose squared errors tell how much these vary
LARGEST = 50.0  # by which a logarithm is unsure, where a mean hangs on a tiny weight
COMPARED = ("train", "train_dev", "dev")
TARGET = "target"  # by which it may be called, whatever its name is

Part = NDArray[np.float64]  # one number a row: how wrong it is


class PartError(TypedDict):
    """The error on some rows and its 95% interval; None where there are no rows, or an end is not known."""

    rows: int
    error: float | None  # share of wrong classes, or 1 − R²
    low: float | None
    high: float | None


class Step(TypedDict):
    """The gap between two errors, its 95% interval, and what it is judged to be; None as above."""

    value: float | None
    low: float | None
    high: float | None
    judgement: str  # high, low or unclear


class Region(TypedDict):
    """The errors of the rows that share a value of the column, or whose numbers or times share a fifth."""

    region: str
    train: PartError
    dev: PartError
    share_of_dev: float  # of all mistakes on the dev set
    bias: Step
    variance: Step  # from train to train-dev where there is such a part, else to dev
    train_dev: NotRequired[PartError]
    mismatch: NotRequired[Step]  # from there to dev


class Regions(TypedDict):
    """The errors by a column, as a program gets them."""

    column: str
    unit: str
    base: float
    tolerance: float
    sampled: bool  # whether the rows are a sample of a large file's
    regions: list[Region]  # that with the highest dev error first


def by_column(
    run: StoredRun, column: str | None = None, base: float | None = None, tolerance: float | None = None
) -> Regions:
    """Errors of training and dev set for each value of a column of the source, or each fifth of its numbers or times.

    Without a column, or by `target` where none is called so, the target's. Base error and tolerance are the config's if
    not given.
    Raises UsageError for a column that is not there, and where there is no checkpoint; DataError.
    """
    model = trained(run)
    against, fitted = yardstick(model.config.diagnosis, base, tolerance), model.dataset.fitted
    raw = model.raw()
    tables = {part: raw[part] for part in COMPARED if part in raw}
    if column is None or (column == TARGET and TARGET not in tables["train"].columns):
        column = fitted.target.name
    _require(tables, column, fitted.target.name)
    named = regions_of(tables, column)
    mistakes = mistakes_at(model, raw, [*named])
    proportions, kind = model.dataset.classes is not None, model.dataset.error_kind
    unit = "share of wrong classes" if proportions else r2_error(fitted.target.is_log)
    return {
        "column": column,
        "unit": f"{unit}, {kind}" if kind else unit,
        "base": against.base_error,
        "tolerance": against.tolerance,
        "sampled": raw.sampled,
        "regions": compare(mistakes, named, against, proportions),
    }


@dataclass(frozen=True, eq=False)
class Mistakes:
    """How wrong each row is `(rows,)`, and how much it counts; without weights all count alike.

    A row that several folds were trained on is there as many times, each by another network. It is one row all the
    same, of which more is not known: `numbers` are those of the rows in the source, None where each is there once.
    """

    values: Part
    weights: Part | None = None
    groups: Array | None = None  # where rows come in groups
    learned: bool = False  # whether they are training rows
    numbers: Array | None = None

    def at(self, rows: Any) -> Mistakes:
        """The mistakes on these rows alone."""
        known = (self.weights, self.groups, self.numbers)
        weights, groups, numbers = (None if each is None else each[rows] for each in known)
        return replace(self, values=self.values[rows], weights=weights, groups=groups, numbers=numbers)

    @property
    def rows(self) -> int:
        """How many there are, each counted once."""
        return len(self.values) if self.numbers is None else len(np.unique(self.numbers))

    @property
    def total(self) -> float:
        """The sum over rows, each as it counts."""
        return float(self.values.sum() if self.weights is None else self.values @ self.weights)

    @property
    def size(self) -> int:
        """As how many rows that count alike the mean is as sure as; 0 where nothing counts."""
        if not len(self.values) or (self.weights is not None and not self.weights.any()):
            return 0
        size = independent_rows(self.values, self.groups, self.weights, learned=self.learned)
        if self.groups is None:
            return round(size * self.rows / len(self.values))
        return min(self.rows, size)  # a row that is there several times belongs to its group as often

    @property
    def mean(self) -> float:
        """The error on them."""
        return float(np.average(self.values, weights=self.weights))

    def ends(self, proportions: bool) -> tuple[float, float] | None:
        """The 95% interval of the mean: of a proportion, else of squared errors; None where it is not known.

        A mean of squares is skewed, the more the fewer there are, and never below 0: that of its logarithm (by the
        delta method, with Student's t), from FEWEST rows on, as fewer tell too little of their spread.
        """
        if proportions:
            return wilson(self.mean, self.size)
        if self.size < FEWEST:
            return None
        if not self.mean:
            return 0.0, 0.0
        squares = float(np.average(np.square(self.values - self.mean), weights=self.weights))
        error = sqrt(squares / (self.size - 1)) / self.mean
        factor = exp(min(student(self.size) * error, LARGEST))
        return self.mean / factor, self.mean * factor


def mistakes_at(model: Trained, raw: RawParts, parts: Sequence[str]) -> dict[str, Mistakes]:
    """The mistakes of the run's best network on these rows of each part, weighted as its errors are."""
    found = {part: _of_part(model, part).at(raw.places[part]) for part in parts}
    if not model.folds:
        return found
    return {part: replace(each, numbers=raw[part].frame.index.to_numpy()) for part, each in found.items()}


def _of_part(model: Trained, part: str) -> Mistakes:
    return Mistakes(model.mistakes(part), model.weights(part), model.groups(part), part == "train")


def _require(tables: Mapping[str, Table], column: str, target: str) -> None:
    for table in tables.values():
        if column not in table:
            others = [name for name in table.columns if name != target]
            hint = suggest(column, table.columns) or f"; the target is {target!r}, the columns {listed(others, MANY)}"
            raise UsageError(f"{table.name} has no column {column!r}{hint}")


def compare(
    mistakes: Mapping[str, Mistakes], named: Mapping[str, Labels], against: Diagnosis, proportions: bool
) -> list[Region]:
    """Each region's errors and gaps, from the mistakes `(rows,)` and the regions `(rows,)` of training and dev set.

    With those of a train-dev part, too, what lies between that and dev is mismatch and no variance. A gap is high, low
    or unclear by the same rule as for the whole set: where its 95% interval lies.
    """
    regions: list[Region] = []
    for name in dict.fromkeys([*named["train"], *named["dev"]]):
        here = {part: mistakes[part].at(named[part] == name) for part in mistakes}
        train, dev = here["train"], here["dev"]
        region: Region = {
            "region": name,
            "train": error_of(train, proportions),
            "dev": error_of(dev, proportions),
            "share_of_dev": dev.total / mistakes["dev"].total if mistakes["dev"].total else 0.0,
            "bias": _gap(train, Mistakes(np.array([against.base_error])), against.tolerance, proportions, exact=True),
            "variance": _gap(here.get("train_dev", dev), train, against.tolerance, proportions),
        }
        if between := here.get("train_dev"):
            region["train_dev"] = error_of(between, proportions)
            region["mismatch"] = _gap(dev, between, against.tolerance, proportions)
        regions.append(region)
    return sorted(regions, key=lambda region: [_from_above(region[part]) for part in ("dev", "train")])


def _from_above(error: PartError) -> float:
    """By which the highest error comes first, and one that nobody knows last."""
    return 1.0 if error["error"] is None else -error["error"]


def error_of(found: Mistakes, proportions: bool) -> PartError:
    """Rows, error, and its 95% interval."""
    if not found.size:
        return {"rows": found.rows, "error": None, "low": None, "high": None}
    low, high = found.ends(proportions) or (None, None)
    return {"rows": found.rows, "error": found.mean, "low": low, "high": high}


def _gap(above: Mistakes, below: Mistakes, tolerance: float, proportions: bool, exact: bool = False) -> Step:
    """The step from one error to the other, its 95% interval and the judgement; `exact`: the lower one is given."""
    if not above.size or not below.size:
        return {"value": None, "low": None, "high": None, "judgement": UNCLEAR}
    first, second = above.mean, below.mean
    of_first, of_second = above.ends(proportions), (second, second) if exact else below.ends(proportions)
    if of_first is None or of_second is None:
        return {"value": first - second, "low": None, "high": None, "judgement": UNCLEAR}
    low, high = put_together(first, of_first, second, of_second)
    return {"value": first - second, "low": low, "high": high, "judgement": judgement(low, high, tolerance)}


def region_lines(errors: Regions) -> list[str]:
    """The table on screen, and how to read it."""
    regions = errors["regions"]
    between = any("train_dev" in region for region in regions)
    second, steps = ("train-dev", ["bias", "variance", "mismatch"]) if between else ("rows", ["bias", "variance"])
    heads = [shortened(errors["column"], NAME_WIDTH), "train", second, "dev", "95%", "rows", *steps]
    rows = [heads, *(_cells(region) for region in regions[:SHOWN])]
    gaps = "variance train-dev − train, mismatch dev − train-dev" if between else "variance dev − train"
    left = [region["dev"]["rows"] > 0 for region in regions[SHOWN:]]
    sampled = ["the file is read in pieces: these are a fixed sample of its rows"] if errors["sampled"] else []
    found = [error for region in regions for error in (region["train"], region["dev"]) if error["error"] is not None]
    without = any(error["low"] is None for error in found)
    few = f"; fewer than {FEWEST} rows tell no interval of {errors['unit']}" if without else ""
    return [
        f"errors by {errors['column']} ({errors['unit']}), the highest dev error first",
        *sampled,
        *columns(rows, right=(1, 2, 3, 4, 5)),
        *([f"… and {sum(left):,} more with lower dev errors"] if any(left) else []),
        *([f"… and {left.count(False):,} more without a dev row"] if not all(left) else []),
        *wrapped(
            f"bias is train − base ({percent(errors['base'])}), {gaps}; high or low where the 95% "
            f"interval of the gap lies on one side of {100 * errors['tolerance']:g} points, else unclear{few}"
        ),
    ]


def _cells(region: Region) -> list[str]:
    train, dev = region["train"], region["dev"]
    between = percent(region["train_dev"]["error"]) if "train_dev" in region else f"{train['rows']:,}"
    errors = [percent(train["error"]), between, percent(dev["error"]), interval(dev), f"{dev['rows']:,}"]
    gaps = [region["bias"], region["variance"], *([region["mismatch"]] if "mismatch" in region else [])]
    judgements = [gap["judgement"] for gap in gaps]
    return [_name(region["region"]), *errors, *judgements]


def _name(region: str) -> str:
    return region if TIMES.fullmatch(region) else shortened(region, NAME_WIDTH)


def interval(error: PartError) -> str:
    """The ends of the interval in per cent; empty where they are not known."""
    low, high = error["low"], error["high"]
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
