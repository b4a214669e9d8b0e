"""The values of a column, whatever holds them: NumPy's own numbers and truths as an array, all others as a series.

What a table of numbers goes through on its way to a network is done with NumPy alone, as pandas takes longer to load
than a small network to train.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


Kind = Literal["number", "boolean", "category", "date"]
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Arrays = dict[str, Array]
Values: TypeAlias = "Array | pd.Series[Any]"

EXACT = 2**53  # up to here float64 tells neighbouring whole numbers apart
_SMALL = 1024  # numbers between smallest and largest that have a place each, however few values there are
PLAIN = "biuf"  # the kinds of NumPy's numbers and truths


def is_plain(dtype: Any) -> bool:
    """Whether NumPy has numbers or truths of this type."""
    return isinstance(dtype, np.dtype) and dtype.kind in PLAIN


def kind_of(values: Values) -> Kind:
    """What a column holds; a column of true, false and missing values is boolean, one without any value a number."""
    if is_plain(values.dtype):
        return "boolean" if values.dtype.kind == "b" else "number"
    from pandas.api import types

    if types.is_bool_dtype(values) or (values.dtype == object and types.infer_dtype(values, skipna=True) == "boolean"):
        return "boolean"
    if types.is_datetime64_any_dtype(values):
        return "date"
    return "number" if types.is_numeric_dtype(values) else "category"


def holds_integers(values: Values) -> bool:
    """Whether a column holds Python's whole numbers, as which those beyond 64 bits arrive."""
    from pandas.api import types

    return values.dtype == object and types.infer_dtype(values, skipna=True) == "integer"


def as_float(number: float) -> float:
    """A number, be it whole and of any length, in float64; beyond its range infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def missing_of(values: Values) -> npt.NDArray[np.bool_]:
    """Which values `(m,)` are missing; NumPy's whole numbers and truths never are, and are not looked at."""
    if not is_plain(values.dtype):
        import pandas as pd

        return np.asarray(pd.isna(values), dtype=np.bool_)
    return np.isnan(np.asarray(values)) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)


def columns_of(frame: pd.DataFrame) -> Iterator[tuple[str, Values]]:
    """Name and values of each column, in order; NumPy's numbers as arrays `(rows,)`, all of one type taken at once.

    To take thousands of series out of a frame would last longer than most of what is done with them.
    """
    of_type: dict[Any, list[int]] = {}
    for place, dtype in enumerate(frame.dtypes):
        if is_plain(dtype) and dtype.kind != "b":
            of_type.setdefault(dtype, []).append(place)
    arrays: dict[int, Array] = {}
    for places in of_type.values():
        arrays.update(zip(places, np.ascontiguousarray(frame.iloc[:, places].to_numpy().T), strict=True))
    for place, name in enumerate(frame.columns):
        yield name, arrays[place] if place in arrays else frame.iloc[:, place]


def fractional(values: Values) -> npt.NDArray[np.bool_]:
    """Which numbers `(m,)`, none of them missing, are not whole, or too large for float64 to tell."""
    if values.dtype.kind != "f":
        return np.zeros(len(values), dtype=bool)
    numbers = np.asarray(values, dtype=np.float64)
    return np.asarray((np.floor(numbers) != numbers) | (np.abs(numbers) > EXACT))


def are_whole(values: Floats) -> bool:
    """Whether no number has a fraction; an infinite one has none."""
    return bool(np.all(np.floor(values) == values))


def labels(values: Values) -> pd.Series[Any]:
    """The values `(m,)` as text, each whole number without a fraction whatever the others are, missing ones missing."""
    import pandas as pd

    given = pd.Series(values)
    series = given.set_axis(range(len(given)))  # as a row of several folds is there several times
    present = series.dropna()
    if kind_of(series) == "boolean":
        present = present.astype(bool)
    elif present.dtype.kind == "f":
        whole = ~fractional(present)
        if not whole.all():
            texts = present.astype(str)
            texts[whole] = present[whole].astype("int64").astype(str)
            return texts.reindex(series.index).set_axis(given.index)
        present = present.astype("int64")
    return present.astype(str).reindex(series.index).set_axis(given.index)


def label_codes(values: Values) -> tuple[Indices, list[str]]:
    """Which of the labels that follow each value has, `(m,)`, −1 where it is missing; a label may be there twice.

    Each different value is written once. Numbers with a fraction are all written, as -0.0 and 0.0 are equal.
    """
    is_float = values.dtype.kind == "f"
    if isinstance(values, np.ndarray):
        missing = missing_of(values)
        present = values[~missing]
        if not fractional(present).any():
            codes, different = _placed(present.astype(np.int64) if is_float else present, missing)
            return codes, [str(value) for value in different.tolist()]
    import pandas as pd

    codes, different = factorized(labels(values) if is_float else values)
    return codes, labels(pd.Series(different)).tolist()


def factorized(values: Values) -> tuple[Indices, Any]:
    """The place of each value `(m,)` among the different ones, which follow as they first occur; −1 if missing."""
    if not isinstance(values, np.ndarray):
        return values.factorize()
    missing = missing_of(values)
    return _placed(values[~missing], missing)


def _placed(present: Array, missing: npt.NDArray[np.bool_]) -> tuple[Indices, Array]:
    places = np.full(len(missing), -1)
    places[~missing], different = _by_table(present) or _by_order(present)
    return places, different


def _by_table(values: Array) -> tuple[Indices, Array] | None:
    """Of whole numbers that lie close together, a place for each number between them: some ten times as fast."""
    if values.dtype.kind == "f" or not len(values):
        return None
    low, high = int(values.min()), int(values.max())
    if high - low >= len(values) + _SMALL:
        return None
    above = values - values.min() if values.dtype.kind == "u" else values.astype(np.int64) - low
    numbers = above.astype(np.int64, copy=False)
    first = np.full(high - low + 1, -1)
    first[numbers[::-1]] = np.arange(len(values))[::-1]  # the last one written stays
    there = np.flatnonzero(first >= 0)
    different = there[np.argsort(first[there])]
    places = np.empty_like(first)
    places[different] = np.arange(len(different))
    return places[numbers], values[first[different]]


def _by_order(values: Array) -> tuple[Indices, Array]:
    different, first, places = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[places], different[order]
