"""Cells of a column as labels and as missing ones, whatever the type it is stored in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.data.files.values import Values, factorized, fractional, kind_of, label_codes, labels, missing_of

COLUMNS: dict[str, Any] = {
    "whole numbers": np.array([3, 1, 3, 2], np.uint8),
    "whole numbers and none": pd.array([3, None, 3, 2], dtype="Int64"),
    "whole numbers as floats": [3.0, np.nan, 1.0],
    "fractions": [0.5, -0.0, 0.0, np.nan, 0.5],
    "booleans": [True, False, True],
    "booleans and none": np.array([True, None, False], object),
    "truth that may be missing": pd.array([True, None, False], dtype="boolean"),
    "words": ["b", "a", None, "b"],
    "words and numbers": np.array(["1", 1, None, "b"], object),
    "dates": pd.to_datetime(["2026-01-02", None, "2026-01-01T12:00", "2026-01-02"], format="ISO8601"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_codes_stand_for_the_labels(name: str) -> None:
    series = pd.Series(COLUMNS[name], index=range(5, 5 + len(COLUMNS[name])))
    codes, names = label_codes(series)
    assert [None if code < 0 else names[code] for code in codes] == [
        None if pd.isna(label) else label for label in labels(series)
    ]


@pytest.mark.parametrize("name", COLUMNS)
def test_what_is_missing_is_found_in_every_type(name: str) -> None:
    series = pd.Series(COLUMNS[name])
    assert missing_of(series).tolist() == [pd.isna(value) for value in series]


ARRAYS: dict[str, Any] = {
    "close together": np.array([3, 1, 3, -2], np.int8),
    "far apart": np.array([2**62, -(2**62), 7, 2**62]),
    "large and unsigned": np.array([2**64 - 1, 2**64 - 3, 2**64 - 1], np.uint64),
    "all between": np.array([-128, 127, 0], np.int8),
    "truths": np.array([False, True, False]),
    "whole floats": np.array([3.0, np.nan, -0.0, 0.0, 3.0]),
    "single floats": np.array([2.0, 1.0, np.nan, 2.0], np.float32),
    "fractions": np.array([0.5, -0.0, 0.0, np.nan, 0.5, np.inf, -np.inf]),
    "beyond what floats tell": np.array([2.0**53, 2.0**54, 2.0**54]),
    "nothing but gaps": np.array([np.nan, np.nan]),
    "nothing": np.array([], np.int64),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_means_what_a_series_does(name: str) -> None:
    array, series = ARRAYS[name], pd.Series(ARRAYS[name])

    def told(values: Values) -> list[object]:
        codes, names = label_codes(values)
        places, different = factorized(values)
        present = values[~missing_of(values)]
        return [
            kind_of(values),
            fractional(present).tolist(),
            codes.tolist(),
            names,
            places.tolist(),
            different.tolist(),
            labels(values).dropna().tolist(),
        ]

    assert told(array) == told(series)
    assert missing_of(array).tolist() == series.isna().tolist()


def test_different_values_come_as_they_first_occur() -> None:
    """Many, some of which lie closer together than there are values, and some do not."""
    draw = np.random.default_rng(0)
    for values in (draw.integers(-3, 3, 999), draw.integers(-(10**9), 10**9, 999), draw.normal(size=99).repeat(2)):
        places, different = factorized(values)
        expected = list(dict.fromkeys(values.tolist()))
        assert different.tolist() == expected
        assert different[places].tolist() == values.tolist()
