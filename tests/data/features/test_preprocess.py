"""Features by hand arithmetic, statistics of the training part alone, and the way through JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.data.facts.tallies import Moments
from nnrun.data.features.columns import Column
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.values import labels
from nnrun.errors import DataError
from tests.data.in_memory import fitted_on, table

TRAIN = table(size=[1.0, 3.0, None, 5.0], color=["red", None, "blue", "red"], sold=[True, False, True, True])
NEW = table(size=[None, 7.0], color=["green", None], sold=[False, True])


def test_columns_become_features() -> None:
    fitted = fitted_on(TRAIN, "none")
    assert fitted.features == ["size", "size is missing", "color=blue", "color=red", "color is missing", "sold"]
    # The mean of 1, 3, 5 stands in for the missing size.
    assert fitted.transform(TRAIN).tolist() == [
        [1, 0, 0, 1, 0, 1],
        [3, 0, 0, 0, 1, 0],
        [3, 1, 1, 0, 0, 1],
        [5, 0, 0, 1, 0, 1],
    ]
    # Green was not there in training.
    assert fitted.transform(NEW).tolist() == [[3, 1, 0, 0, 0, 0], [7, 0, 0, 0, 1, 1]]


def test_each_column_knows_its_features() -> None:
    made = fitted_on(table(x=[1.0, None, 3.0], kind=["a", "b", "a"], z=[1.5, 2.5, 4.0]))
    assert [owner.name for owner in made.owners] == ["x", "x", "kind", "kind", "z"]
    assert made.places == {"x": [0, 1], "kind": [2, 3], "z": [4]}


def test_standard_normalisation() -> None:
    fitted = fitted_on(table(a=[1.0, 3.0, 5.0], color=["p", "q", "q"]))
    # a: mean 3, variance (4 + 0 + 4)/3; the marks of p and q stay 0 or 1.
    assert fitted.means == pytest.approx((3, 0, 0))
    assert fitted.deviations == pytest.approx((math.sqrt(8 / 3), 1, 1))
    assert fitted.transform(table(a=[7.0], color=["p"]))[0] == pytest.approx([4 / math.sqrt(8 / 3), 1, 0])


def test_marks_of_gaps_and_of_rare_values_stay_0_or_1() -> None:
    fitted = fitted_on(table(a=[1.0, None, *[3.0] * 98], sold=[True] * 50 + [False] * 50))
    assert fitted.features == ["a", "a is missing", "sold"]
    assert fitted.transform(table(a=[None], sold=[True]))[0] == pytest.approx([0, 1, 1])  # half are sold: (1 − 0.5)/0.5


def test_missing_values_that_training_did_not_have() -> None:
    fitted = fitted_on(table(a=[1.0, 3.0], color=["p", "q"]), "none")
    assert fitted.transform(table(a=[None, 9.0], color=["q", None])).tolist() == [[2, 0, 1], [9, 0, 0]]


def test_a_constant_column_stays_finite() -> None:
    # The mean of three times 0.1 is not 0.1 in floating point; a deviation of 1e-17 would blow the rest up.
    fitted = fitted_on(table(a=[0.1, 0.1, 0.1], color=["p", "p", "p"]))
    assert fitted.deviations == (1.0, 1.0)
    assert fitted.transform(table(a=[0.1, 0.6], color=["p", "q"])).tolist() == [[0, 1], [0.5, 0]]


def test_a_column_that_is_empty_in_training() -> None:
    fitted = fitted_on(table(a=[math.nan, math.nan]))
    assert fitted.transform(table(a=[math.nan, 3.0])).tolist() == [[0, 1], [3, 0]]


@pytest.mark.parametrize("scale", [1e300, 1.0, 1e-300])
def test_scales_at_the_ends_of_float64(scale: float) -> None:
    mean, deviation = Moments.of(np.array([1.0, 2.0, 3.0]) * scale).center_and_scale
    assert (mean / scale, deviation / scale) == pytest.approx((2, math.sqrt(2 / 3)))


@pytest.mark.parametrize(("values", "vocabulary"), [(["7", "7.0", "12,0"], ["12", "7"]), (["7.0"], ["7"])])
def test_a_whole_number_is_one_category_however_it_is_written(values: list[str], vocabulary: list[str]) -> None:
    fitted = fitted_on(table(store=values))
    assert fitted.features == [f"store={value}" for value in vocabulary]
    assert fitted.transform(table(store=["7", "7.0", None])).tolist() == [
        [value == "7" for value in vocabulary], [value == "7" for value in vocabulary], [0] * len(vocabulary)
    ]  # fmt: skip


@pytest.mark.parametrize("codes", [["1.0", "1.1"], ["1.10", "1"], ["007", "7.0"], ["7", "7.0", "x"]])
def test_codes_that_are_not_all_whole_numbers_stay_what_they_are(codes: list[str]) -> None:
    fitted = fitted_on(table(code=codes))
    assert fitted.features == [f"code={code}" for code in sorted(codes)]
    assert not fitted.transform(table(code=["1.10.0", "1,0", "7,0"])).any()


def test_versions_among_words_stay_apart() -> None:
    column = Column("version", "category", vocabulary=("1", "1.0", "2.0", "beta"))
    assert [column.label(text) for text in ("1", "1.0", "2", "2.0", "beta")] == ["1", "1.0", "2", "2.0", "beta"]
    assert column.stems == ["1", "1.0", "2.0", "beta"]


def test_a_number_with_a_fraction_is_one_category_whatever_stands_beside_it() -> None:
    fitted = fitted_on(table(code=["1.0", "2.0", "3.5"]))  # as a text file has them, and early runs of other files
    assert fitted.transform(table(code=["1", "1.0", "2.0", "9"])).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0] * 3]
    assert labels(pd.Series([1.0, None, 3.5])).tolist()[::2] == ["1", "3.5"] == labels(np.array([1, 3.5])).tolist()
    floats = Column("code", "category", vocabulary=("1", "2", "3.5"))
    assert [floats.label(text) for text in ("1.0", "2", "3.5")] == ["1", "2", "3.5"]


def test_json_is_enough() -> None:
    fitted = fitted_on(TRAIN)
    restored = Preprocessor.from_json(json.loads(json.dumps(fitted.to_json())))
    assert restored == fitted
    assert np.array_equal(restored.transform(NEW), fitted.transform(NEW))


def test_words_in_a_column_of_numbers() -> None:
    fitted = fitted_on(table(a=[1.0, 2.0]))
    with pytest.raises(DataError, match=r"^test: row 2: 'big' in column 'a' is not a number; correct it"):
        fitted.transform(table(a=["1", "big"]))
    assert fitted_on(table(a=[1.0, 3.0]), "none").transform(table(a=["1", "2.5"])).tolist() == [[1], [2.5]]


def rows(dev: str) -> list[str]:
    return ["day,x,c,y", *(f"{i},{i * i},{'pq'[i % 2]},{i / 7}" for i in range(8)), dev, "9,81,q,1.5"]


def test_statistics_come_from_training_alone(csv: Any, load: Any) -> None:
    # By time, rows 0 to 5 train, 6 and 7 are dev, 8 and 9 test: row 8 may hold anything.
    first = load(csv(*rows("8,64,p,1.25")), target="y", time="day")
    second = load(csv(*rows("8,1e6,zebra,-999")), target="y", time="day")
    for key in ("columns", "features", "means", "deviations", "target"):
        assert first.fitted.document[key] == second.fitted.document[key]
    assert np.array_equal(first.parts["train"].x, second.parts["train"].x)
    assert not np.array_equal(first.parts["test"].x, second.parts["test"].x)
    # x of the training rows: 0, 1, 4, 9, 16, 25.
    assert first.fitted.means[0] == pytest.approx(55 / 6)
    assert first.parts["train"].x[:, 0].mean() == pytest.approx(0)
    assert first.parts["train"].x[:, 0].std() == pytest.approx(1)


def test_the_target_of_a_regression_is_standardised(csv: Any, load: Any) -> None:
    data = load(csv(*rows("8,64,p,1.25")), target="y", time="day")
    # Training targets 0 … 5 sevenths: mean 2.5/7, variance (35/12)/49.
    assert data.fitted.target.mean == pytest.approx(2.5 / 7)
    assert data.target_deviation == pytest.approx(math.sqrt(35 / 12) / 7)
    test = data.parts["test"].y
    assert test.shape == (2, 1)
    assert test[:, 0] * data.target_deviation + 2.5 / 7 == pytest.approx(np.array([1.25, 1.5]))
