"""Robust and quantile inputs and numbers in pieces: by hand arithmetic, in every kind of column, of training alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from nnrun.data.damage import checked
from nnrun.data.dataset import Dataset
from nnrun.data.features.numbers import (
    MOST_PIECES,
    ROWS_OF_PIECE,
    Curve,
    Goal,
    Pieces,
    pieces_by_rows,
    pieces_by_target,
    robust_scale,
    smoothed,
    unsmoothed,
)
from nnrun.data.features.preprocess import Preprocessor
from nnrun.errors import DataError

Load = Callable[..., Dataset]
Written = Callable[..., Path]
CHANCE = np.random.default_rng(0)


def test_a_robust_scale_is_the_quartile_range_or_half_the_range_or_1() -> None:
    assert robust_scale(np.array([0.0, 1, 2, 3, 100])) == (2, 2)
    assert robust_scale(np.array([5.0] * 9 + [11])) == (5, 3)
    assert robust_scale(np.array([7.0] * 4)) == (7, 1)
    assert robust_scale(np.array([0.3, 0.1 + 0.2, 0.3])) == (0.3, 1)  # rounding is no range
    assert robust_scale(np.empty(0)) == (0, 1)


def test_a_robust_input_is_clipped_smoothly() -> None:
    z = np.array([0.0, 3, -3, 1e9, -np.inf])
    assert smoothed(z) == pytest.approx([0, 3 / math.sqrt(2), -3 / math.sqrt(2), 3, -3])
    assert unsmoothed(smoothed(z[:3])) == pytest.approx(z[:3])
    assert np.isfinite(unsmoothed(smoothed(z))).all()


def test_a_curve_leads_to_the_normal_quantiles_of_ranks() -> None:
    half = Curve.fitted(np.array([1.0, 1, 4, 4]))
    assert half.at == (1, 4) and half.to == pytest.approx([-0.67, 0.67], abs=0.02)
    assert half.inputs(np.array([-1e9, 1, 2.5, 4, 1e9])) == pytest.approx(
        [half.to[0], half.to[0], np.mean(half.to), half.to[1], half.to[1]]
    )
    tails = np.exp(3 * CHANCE.normal(size=5000))
    inputs = Curve.fitted(tails).inputs(tails)
    assert (np.mean(inputs), np.std(inputs)) == pytest.approx((0, 1), abs=0.03)
    assert np.abs(inputs).max() == pytest.approx(NormalDist().inv_cdf(1 - 0.5 / 101))
    assert Curve.fitted(np.full(9, 7.0)) == Curve((7,), (0,)) and Curve.fitted(np.empty(0)).to == (0,)


def test_pieces_are_those_of_the_paper_and_end_a_width_beyond_the_range() -> None:
    pieces = Pieces((0.0, 1, 3, 4))
    found = pieces.inputs(np.array([0.5, 2, 3.5, -0.5, -100, 4.5, 100]))
    assert found.tolist() == [
        [0.5, 0, 0],
        [1, 0.5, 0],
        [1, 1, 0.5],
        [-0.5, 0, 0],
        [-1, 0, 0],
        [1, 1, 1.5],
        [1, 1, 2],
    ]
    assert pieces.names("age") == ["age ≤ 1", "age 1 – 3", "age > 3"]
    assert Pieces((0, 1, 1.00001, 2)).names("x") == ["x ≤ 1", "x 1 – 1.00001", "x > 1.00001"]


def test_pieces_by_rows_have_rows_enough_and_end_between_few_values() -> None:
    values = CHANCE.normal(size=300)
    pieces = pieces_by_rows(values)
    assert pieces and pieces.width == 300 // ROWS_OF_PIECE
    assert np.histogram(values, pieces.edges)[0].tolist() == pytest.approx([20] * 15, abs=1)
    assert pieces_by_rows(np.repeat([1.0, 2, 9], 50)) == Pieces((1, 2, 9))
    assert pieces_by_rows(np.repeat([1.0, 2], 50)) is None  # one piece is the number itself
    assert pieces_by_rows(values[:30]) is None
    many = pieces_by_rows(CHANCE.normal(size=9000))
    assert many and many.width == MOST_PIECES


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_pieces_by_target_end_where_the_target_changes(scale: float) -> None:
    values = scale * np.linspace(-1, 1, 400)
    for target, classes in ((values > 0.5 * scale, True), (np.where(values > 0.5 * scale, 3.0, 0.0), False)):
        pieces = pieces_by_target(values, Goal(target, classes))
        assert pieces is None or pieces.edges[1] == pytest.approx(0.5 * scale, rel=0.02)
        assert (pieces is None) == (scale == 1e-300)  # of less than 1e-290 no slope is finite
    assert pieces_by_target(CHANCE.normal(size=400), Goal(np.zeros(400), True)) is None


NAMES = ["wide", "tails", "constant", "two", "few", "huge", "tiny", "largest", "gaps", "sold", "day", "town"]
MODES = [(n, "plain") for n in ("robust", "quantile")] + [
    (n, e) for n in ("standard", "quantile") for e in ("piecewise", "piecewise_tree")
]


def lines(rows: int = 300, later: float = 1.0) -> list[str]:
    """Every kind of column; those after the first 180 rows are `later` times as large."""
    chance, found = np.random.default_rng(1), []
    for row in range(rows):
        z, u = chance.normal(size=8) * (later if row >= 180 else 1), chance.random()
        few = int(5 * u)
        cells = [z[0], np.exp(3 * z[1]), 7, int(z[2] > 0), few, 1e30 * z[3], 1e-30 * z[4], 1e308 * np.tanh(z[5])]
        cells += ["" if u < 0.2 else z[6], u < 0.5, f"2026-0{few + 1}-1{few}", "xyz"[few % 3], z[0] + few > 2]
        found.append(",".join(map(str, [*cells, row])))
    return found


@pytest.mark.parametrize(("normalize", "encode"), MODES)
def test_every_kind_of_column(csv: Written, load: Load, tmp_path: Path, normalize: str, encode: str) -> None:
    path = csv(",".join([*NAMES, "y", "at"]), *lines())
    data = load(path, dtype="float32", target="y", time="at", normalize=normalize, encode_numbers=encode)
    fitted = data.fitted
    x = np.concatenate([part.x for part in data.parts.values()])
    assert np.isfinite(x).all() and np.abs(x).max() < (6 if normalize == "standard" else 4)
    assert len(fitted.features) == len(set(fitted.features)) == x.shape[1]
    marks = x[:, [place for place, name in enumerate(fitted.features) if name.startswith(("town=", "gaps is"))]]
    assert marks.shape[1] == 4 and set(np.unique(marks)) == {0, 1}
    assert not np.ptp(x[:, fitted.features.index("constant")])
    if encode == "piecewise":
        assert {"few ≤ 1", "few 1 – 2", "few > 3", "two"} < set(fitted.features)
    document = json.loads(fitted.written)
    assert Preprocessor.from_json(document) == fitted.preprocessor == checked(tmp_path, document)[0]


@pytest.mark.parametrize(("normalize", "encode"), MODES)
def test_dev_and_test_rows_change_nothing_that_is_fitted(csv: Written, load: Load, normalize: str, encode: str) -> None:
    settings = {"target": "y", "time": "at", "normalize": normalize, "encode_numbers": encode}
    header = ",".join([*NAMES, "y", "at"])
    one, other = (load(csv(header, *lines(later=later)), **settings) for later in (1.0, 20.0))
    assert one.fitted.preprocessor == other.fitted.preprocessor
    assert np.array_equal(one.parts["train"].x, other.parts["train"].x)
    assert not np.array_equal(one.parts["test"].x, other.parts["test"].x)
    assert np.abs(other.parts["test"].x).max() < 50


def test_infinite_cells_are_refused_as_ever(csv: Written, load: Load) -> None:
    for settings in ({}, {"normalize": "robust"}, {"encode_numbers": "piecewise"}):
        with pytest.raises(DataError, match="inf"):
            load(csv("a,y", *(f"{i if i != 70 else 'inf'},{i % 2}" for i in range(100))), target="y", **settings)


def test_values_come_back_in_their_own_units(csv: Written, load: Load) -> None:
    path = csv("a,b,y", *(f"{i * i},{i % 7},{i % 2}" for i in range(200)))
    plain = load(path, target="y", normalize="none").parts["train"].x
    for normalize in ("standard", "robust", "quantile"):
        data = load(path, target="y", normalize=normalize)
        assert not np.allclose(data.parts["train"].x, plain)
        own = data.fitted.preprocessor.own_units(data.parts["train"].x)
        within = (plain[:, 0] > plain[:, 0].min() + 100) & (plain[:, 0] < 38000)  # a curve ends before the range does
        assert own[within] == pytest.approx(plain[within], rel=1e-6)


def test_pieces_that_memory_has_no_room_for(csv: Written, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv("a,b,y", *(f"{i * i},{i % 7},{i % 2}" for i in range(200)))
    monkeypatch.setattr(
        "nnrun.data.checks.lacking_memory", lambda needed: f"{needed} B" if needed > 200 * 10 * 8 else None
    )
    assert load(path, target="y", normalize="robust").n_features == 2
    with pytest.raises(
        DataError, match=r"12 features, with numbers cut into pieces, would take 19200 B; write data\.enc"
    ):
        load(path, target="y", encode_numbers="piecewise")


def test_damage_is_told(csv: Written, load: Load, tmp_path: Path) -> None:
    data = load(
        csv("a,b,y", *(f"{i * i},{i % 2},{i % 3}" for i in range(200))),
        target="y",
        normalize="quantile",
        encode_numbers="piecewise",
    )
    knots, bins = data.fitted.document["knots"], data.fitted.document["bins"]
    assert (list(knots), list(bins)) == (["b"], ["a"])
    edges = bins["a"]
    for damaged, told in (
        ({"knots": {}}, "knots are missing"),
        ({"knots": {**knots, "c": knots["b"]}}, "knots are not those of numbers"),
        ({"knots": {"b": {"at": [1.0, 0.0], "to": [0.0, 1.0]}}}, "not in order"),
        ({"knots": {"b": {"at": [0.0, 1.0], "to": [0.0]}}}, "not in order"),
        ({"bins": {"c": edges}}, "bins are not those of columns of numbers"),
        ({"bins": {"a": edges[:2]}}, "fewer than two"),
        ({"bins": {"a": edges[:-1]}}, "features are not those of the columns"),
        ({"bins": {"a": [*edges[:-1], math.nan]}}, "bins.a"),
        ({"normalize": "squashed"}, "normalize"),
        ({"normalize": "robust"}, "knots are not those of numbers"),
    ):
        with pytest.raises(DataError, match=told):
            checked(tmp_path, {**data.fitted.document, **damaged})  # type: ignore[typeddict-item]


def test_a_network_of_other_pieces_would_misread_them(csv: Written, load: Load) -> None:
    def fitted(rows: int, encode: str = "piecewise") -> Any:
        path = csv("a,y", *(f"{i * i},{i % 2}" for i in range(rows)), name=f"{rows}.csv")
        return load(path, target="y", encode_numbers=encode).fitted

    assert list(fitted(200).differences(fitted(201))) == []  # other edges, as many
    assert list(fitted(200).differences(fitted(400))) == ["features: a in 6 pieces gone, a in 12 pieces new"]
    assert list(fitted(200, "plain").differences(fitted(200))) == ["features: a gone, a in 6 pieces new"]


def test_numbers_of_one_name_are_refused(csv: Written, load: Load) -> None:
    path = csv("day,day year,y", *(f"{2000 + i % 9}-01-0{1 + i % 9},{i},{i % 2}" for i in range(90)))
    with pytest.raises(DataError, match="two features would be called 'day year'"):
        load(path, target="y", normalize="quantile")
