"""The rows of a table by one column: by its values, or by bins where it has many numbers or times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnrun.data.facts.kinds import ISO, Texts, dates, day_of
from nnrun.data.files.spelling import are_whole, in_one_spelling
from nnrun.data.files.table import numbers
from nnrun.data.files.values import Floats, kind_of, labels
from nnrun.text import number

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.data.files.table import Table

BINS = 5
FEW_VALUES = 10  # numbers or times with no more different values than this are not put into bins
MISSING = "(missing)"
TIMES = re.compile(r"[-\d]{10} \d\d:\d\d to [-\d ]*\d\d:\d\d")  # a bin between two of them, in minutes

Labels = NDArray[np.object_]
Times = NDArray[np.datetime64]


def regions_of(tables: Mapping[str, Table], column: str) -> dict[str, Labels]:
    """The region `(rows,)` of each row of each part: its value, or the bin of its number or time.

    Bins of numbers are those of `train`, of times those of `dev`, whose rows may all be newer than those of training.
    """
    train = tables["train"].frame[column]
    if train.nunique() > FEW_VALUES:
        if kind_of(train) == "number":
            values = {part: numbers(table, column) for part, table in tables.items()}
            edges = np.unique(np.nanquantile(values["train"], np.arange(1, BINS) / BINS))
            return _in_bins(values, edges, [*map(number, edges)])
        if times := _times(tables, column):
            return _by_time(times)
    return _by_value({part: labels(table.frame[column]) for part, table in tables.items()})


def _times(tables: Mapping[str, Table], column: str) -> dict[str, Times]:
    """The times `(rows,)` of each part; none of a column that is not of times alone."""
    texts = Texts()
    for table in tables.values():
        if (kind := kind_of(table.frame[column])) == "category":
            texts.see(table.frame[column])
        elif kind != "date":
            return {}
    format = next(iter(texts.formats), ISO)
    if texts.present and not (texts.formats and day_of(format)):
        return {}
    return {part: dates(table, column, format) for part, table in tables.items()}


def _by_time(times: Mapping[str, Times]) -> dict[str, Labels]:
    """Bins of whole days, or where there are few of them of minutes."""
    cut = "dev" if not np.isnat(times.get("dev", np.array(["NaT"], "M8[us]"))).all() else "train"
    unit = "D" if len(np.unique(times[cut].astype("M8[D]"))) > FEW_VALUES else "m"
    rounded = {part: of_part.astype(f"M8[{unit}]") for part, of_part in times.items()}
    counts = {part: np.where(np.isnat(each), np.nan, each.astype(np.int64)) for part, each in rounded.items()}
    edges = np.unique(np.nanquantile(counts[cut], np.arange(1, BINS) / BINS, method="lower"))
    ends = [str(edge).replace("T", " ") for edge in edges.astype(np.int64).astype(f"M8[{unit}]")]
    return _in_bins(counts, edges, ends)


def _by_value(found: Mapping[str, pd.Series[Any]]) -> dict[str, Labels]:
    if all(are_whole(values.dropna().unique()) for values in found.values()):
        found = {part: in_one_spelling(values) for part, values in found.items()}
    return {part: np.asarray(values.fillna(MISSING), dtype=object) for part, values in found.items()}


def _in_bins(parts: Mapping[str, Floats], edges: Floats, ends: Sequence[str]) -> dict[str, Labels]:
    """The first bin ends at the first edge, which belongs to it."""
    names = [f"to {ends[0]}", *(f"{a} to {_behind(a, b)}" for a, b in pairwise(ends)), f"above {ends[-1]}", MISSING]
    bins = {
        part: np.searchsorted(edges, values) + np.isnan(values) for part, values in parts.items()
    }  # NaN is behind all
    return {part: np.array(names, dtype=object)[at] for part, at in bins.items()}


def _behind(first: str, second: str) -> str:
    """The second end behind the first: a time without the day that they share, or the year, so that it is short."""
    day, _, time = second.partition(" ")
    year, _, of_year = second.partition("-")
    shared = {f"{day} ": time, f"{year}-": of_year} if time else {}
    return next((rest for start, rest in shared.items() if first.startswith(start)), second)
