"""Cells of a column as labels and as missing ones, whatever the type it is stored in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.data.files.table import label_codes, labels, missing_of

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
