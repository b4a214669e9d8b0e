"""What a network has to beat, against scikit-learn's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.data.facts.kinds import Meaning
from nnrun.data.features.categories import Limits
from nnrun.data.features.learner import Learner
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.raw import read_parts
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import LOSSES, Loss
from nnrun.models import baselines
from nnrun.models.baselines import Linear, _ordered, boosted, constant, linear
from tests.data.in_memory import fitted_on, table


def loss_of(classes: int | None) -> Loss:
    return LOSSES["cross_entropy"](classes) if classes else LOSSES["squared_error"](1)


def predicted(model: Linear, x: Any, classes: int | None) -> Any:
    logits = np.concatenate([z for _, z in model.logits(x)])
    return loss_of(classes).predict(logits)


def made_up(classes: int | None, rows: int = 200) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = 5 + rng.standard_normal((rows, 4)) * [1, 10, 0.1, 0]  # other scales, and a column that never varies
    signal = (x - 5) @ rng.standard_normal((4, classes or 1)) + rng.standard_normal((rows, classes or 1))
    return x, signal.argmax(axis=1) if classes else signal


@pytest.mark.parametrize("classes", [2, 3])
def test_classes(classes: int) -> None:
    x, y = made_up(classes)
    measured, loss = Examples(x, y), loss_of(classes)
    shares = np.bincount(y) / len(y)
    assert predicted(constant(measured, loss, classes), x, classes) == pytest.approx(np.tile(shares, (len(y), 1)))
    scaler = StandardScaler().fit(x)
    known = LogisticRegression(max_iter=200).fit(scaler.transform(x), y).predict_proba(scaler.transform(x))
    assert predicted(linear(measured, loss, classes), x, classes) == pytest.approx(known, abs=1e-6)


def test_numbers() -> None:
    x, y = made_up(None)
    measured, loss = Examples(x, y), loss_of(None)
    assert predicted(constant(measured, loss, None), x, None) == pytest.approx(np.full((len(y), 1), y.mean()))
    scaled = StandardScaler().fit_transform(x)
    known = Ridge(alpha=1.0).fit(scaled, y[:, 0]).predict(scaled)
    assert predicted(linear(measured, loss, None), x, None)[:, 0] == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("classes", [None, 2, 3])
@pytest.mark.parametrize("columns", [4, 60])
def test_rows_count_by_their_weight_and_may_be_fewer_than_columns(classes: int | None, columns: int) -> None:
    rng = np.random.default_rng(1)
    x, weights = rng.standard_normal((40, columns)), rng.uniform(0.1, 5, 40)
    signal = x @ rng.standard_normal((columns, classes or 1)) + rng.standard_normal((40, classes or 1))
    y = signal.argmax(axis=1) if classes else signal
    scaled = StandardScaler().fit_transform(x)
    found = predicted(linear(Examples(x, y, weights), loss_of(classes), classes), x, classes)
    if classes:
        known = LogisticRegression(max_iter=200).fit(scaled, y, weights).predict_proba(scaled)
    else:
        known = Ridge(alpha=1.0).fit(scaled, y, weights).predict(scaled).reshape(-1, 1)
    assert found == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [2, 3])
def test_of_classes_that_weights_make_equal_the_most_frequent_is_the_guess(classes: int, dtype: str) -> None:
    rng = np.random.default_rng(2)
    for rows in range(10, 90):
        y = np.concatenate([np.arange(classes), rng.integers(0, classes, rows)])
        counts = np.bincount(y, minlength=classes)
        weights = (len(y) / classes / counts)[y].astype(dtype)
        model = constant(Examples(np.zeros((len(y), 1)), y, weights), loss_of(classes), classes)
        p = predicted(model, np.zeros((1, 1)), classes)[0]
        assert counts[p.argmax()] == counts.max() and p == pytest.approx(np.full(classes, 1 / classes), rel=1e-5)


@pytest.mark.parametrize(("present", "classes"), [([0, 2], 3), ([0, 1, 3], 4), ([1], 2)])
def test_a_class_that_training_lacks_is_never_predicted(present: list[int], classes: int) -> None:
    x, y = made_up(len(present)) if len(present) > 1 else (made_up(2)[0], np.zeros(200, int))
    measured, loss = Examples(x, np.array(present)[y]), loss_of(classes)
    for model in (constant(measured, loss, classes), linear(measured, loss, classes)):
        p = predicted(model, x, classes)
        assert p.shape == (200, classes)
        assert set(p.argmax(axis=1)) <= set(present)
        assert np.isfinite(p).all()


def test_much_data_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = made_up(2, rows=3000)
    monkeypatch.setattr(baselines, "ROWS", 1200)
    assert linear(Examples(x, y), loss_of(2), 2).rows == 1200
    monkeypatch.setattr(baselines, "CELLS", 4400)  # 1100 rows of 4
    assert linear(Examples(x, y), loss_of(2), 2).rows == 1100
    monkeypatch.setattr(baselines, "CELLS", 11_000)
    assert linear(Examples(x, y), loss_of(10), 10).rows == 1100, "and as many of classes"


def test_trees_stop_by_rows_set_aside_only_where_each_class_has_two() -> None:
    x, y = made_up(3, rows=10_500)
    lone = np.where(y == 2, 0, y)
    lone[0] = 2
    all_, one = (boosted(Examples(x, of), loss_of(3), 3, None).model for of in (y, lone))
    assert all_.do_early_stopping_ and not one.do_early_stopping_


@pytest.mark.parametrize("classes", [None, 3])
def test_what_is_no_number_is_left_out_of_a_line(classes: int | None) -> None:
    x, y = made_up(classes)
    codes = np.arange(len(x)) % 7
    whole, loss = np.insert(x, 1, codes, axis=1), loss_of(classes)
    found = predicted(linear(Examples(whole, y), loss, classes, [0, 2, 3, 4]), whole, classes)
    assert found == pytest.approx(predicted(linear(Examples(x, y), loss, classes), x, classes))


@pytest.mark.parametrize(
    "how",
    [{}, {"normalize": "robust"}, {"normalize": "quantile"}, {"encode_numbers": "piecewise"},
     {"normalize": "robust", "encode_numbers": "piecewise_tree"}],
)  # fmt: skip
def test_trees_see_numbers_as_they_are_however_they_are_scaled_or_cut(tmp_path: Path, how: dict[str, str]) -> None:
    """The same trees as of the raw columns, with gaps as gaps."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 90, 500) ** 3, "b": rng.integers(-40, 40, 500) / 8})
    frame["y"] = np.sin(frame["a"] ** (1 / 3) / 9) + frame["b"] * (frame["a"] > 9_000) + rng.normal(0, 0.1, 500)
    frame["a"] = frame["a"].where(rng.random(500) > 0.2)
    frame.to_csv(tmp_path / "table.csv", index=False)
    settings = [f"data.source={tmp_path / 'table.csv'}", "data.target=y", *(f"data.{k}={v}" for k, v in how.items())]
    dataset = load_dataset(load_config(None, settings).config.data, "float64", tmp_path)
    train = dataset.parts["train"]
    model = boosted(Examples(train.x, train.y), loss_of(None), None, dataset.fitted.preprocessor)
    raw = read_parts(load_config(None, settings).config.data)["train"].frame
    own = np.column_stack([raw["a"], raw["a"].isna(), raw["b"]]).astype(float)
    known = HistGradientBoostingRegressor(random_state=0).fit(own, train.y[:, 0]).predict(own)
    assert predicted(model, train.x, None)[:, 0] == pytest.approx(known, abs=1e-9)


def test_codes_are_categories_to_trees_where_they_are_no_more_than_these_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_CODES", 30)
    rows = table(few=[f"c{i % 29}" for i in range(300)], many=[f"c{i % 30}" for i in range(300)])
    learners = [Learner(name, Meaning("category"), Limits(encode="embedding")) for name in rows.columns]
    for learner in learners:
        learner.see(rows)
    made = Preprocessor.learned(learners, "standard")
    trees = boosted(Examples(made.transform(rows), np.arange(300) % 2), loss_of(2), 2, made).model
    assert trees.is_categorical_.tolist() == [True, False]


def test_trees_are_given_gaps_as_gaps_where_a_column_has_some() -> None:
    """A date without gaps is of several numbers, of which the last is no mark."""
    days = ["2024-01-05 10:00", "2024-02-17 11:30", "2024-03-09 23:10", "2025-07-30 04:45"]
    rows = table(day=days, size=[1.0, None, 3.0, 4.0], sold=[True, False, True, False])
    made = fitted_on(rows)
    x = made.transform(rows)
    expected = x.copy()
    expected[1, made.places["size"][0]] = np.nan
    assert len(made.places["day"]) > 1 and np.array_equal(_ordered(x, made), expected, equal_nan=True)
