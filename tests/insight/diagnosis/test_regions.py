"""Errors by the values of a column: worked examples, and real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.config.schema import Diagnosis
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table
from nnrun.errors import DataError, NnrunError, UsageError
from nnrun.insight.diagnosis.cuts import regions_of
from nnrun.insight.diagnosis.regions import (
    Mistakes,
    PartError,
    Region,
    Step,
    by_column,
    compare,
    error_of,
    mistakes_at,
    region_lines,
)
from nnrun.installation import shipped
from nnrun.models.trained import trained
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.proportions import wilson
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]


def mistakes(**counts: tuple[int, int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Wrong and right rows of each region, as mistakes and regions `(rows,)`."""
    wrong = [np.repeat([1.0, 0.0], pair) for pair in counts.values()]
    names = [np.repeat(np.array([name], object), sum(pair)) for name, pair in counts.items()]
    return np.concatenate(wrong), np.concatenate(names)


def judged(**parts: dict[str, tuple[int, int]]) -> dict[str, tuple[str, str]]:
    made = {part: mistakes(**counts) for part, counts in parts.items()}
    values, named = {p: Mistakes(m) for p, (m, _) in made.items()}, {p: n for p, (_, n) in made.items()}
    found = compare(values, named, Diagnosis(), proportions=True)
    return {region["region"]: (region["bias"]["judgement"], region["variance"]["judgement"]) for region in found}


def test_a_region_has_bias_or_variance_by_the_rule_of_the_whole_set() -> None:
    """Wrong and right rows, 5% wrong being far above the tolerated 1.5 points on both sides of its interval."""
    assert judged(
        train={"hard": (200, 800), "learned": (0, 1000), "easy": (0, 1000), "rare": (0, 10)},
        dev={"hard": (200, 800), "learned": (200, 800), "easy": (0, 1000), "rare": (2, 8)},
    ) == {
        "hard": ("high", "unclear"),  # 20% in training; dev − train = 0 ± 3.5 points
        "learned": ("low", "high"),  # 0% and 20%
        "easy": ("low", "low"),
        "rare": ("unclear", "unclear"),  # 0 of 10 may be up to 28%
    }  # fmt: skip


def test_the_worst_comes_first_with_wilson_intervals_and_its_share_of_the_mistakes() -> None:
    train, names = mistakes(c=(5, 5), a=(0, 10), b=(0, 10), good=(0, 10))
    dev, of_dev = mistakes(b=(1, 9), a=(3, 7), good=(0, 10))
    values, named = {"train": Mistakes(train), "dev": Mistakes(dev)}, {"train": names, "dev": of_dev}
    found = compare(values, named, Diagnosis(), proportions=True)
    assert [region["region"] for region in found] == ["a", "b", "good", "c"], "what has no dev row comes last"
    worst, last = found[0], found[-1]
    # Of 3 in 10 the exact lower end, and Wilson's upper one: (0.3 + 0.192 + 1.96 · √(0.021 + 0.0096)) / 1.384
    assert (worst["dev"]["low"], worst["dev"]["high"]) == (
        pytest.approx(0.0667, abs=1e-4),
        pytest.approx(0.6032, abs=1e-4),
    )
    assert [region["share_of_dev"] for region in found] == [0.75, 0.25, 0.0, 0.0]
    assert last["dev"] == {"rows": 0, "error": None, "low": None, "high": None}
    assert last["variance"] == {"value": None, "low": None, "high": None, "judgement": "unclear"}


def test_errors_that_are_no_proportions_have_the_interval_of_a_mean_s_logarithm() -> None:
    values = {"train": Mistakes(np.tile([0.1, 0.3], 10)), "dev": Mistakes(np.tile([0.9, 1.1], 10))}
    named = {"train": np.full(20, "x", object), "dev": np.full(20, "x", object)}
    (both,) = compare(values, named, Diagnosis(), proportions=False)
    # training: mean 0.2, deviation of the mean 0.1 / √19 = 0.0229, Student's t 2.093: 0.2 · exp(±2.093 · 0.0229 / 0.2)
    assert (both["train"]["low"], both["train"]["high"]) == pytest.approx((0.1573, 0.2542), abs=1e-4)
    # dev: mean 1, exp(±2.093 · 0.0229) = 0.9531 to 1.0492; together 0.8 − √(0.0469² + 0.0542²)
    assert both["variance"]["low"] == pytest.approx(0.8 - 0.0717, abs=1e-4)
    assert (both["bias"]["judgement"], both["variance"]["judgement"]) == ("high", "high")


def test_fewer_than_ten_squared_errors_judge_nothing() -> None:
    values = {"train": Mistakes(np.tile([0.1, 0.3], 10)), "dev": Mistakes(np.tile([0.9, 1.1, 1.0], 3))}
    named = {"train": np.full(20, "x", object), "dev": np.full(9, "x", object)}
    (few,) = compare(values, named, Diagnosis(), proportions=False)
    assert few["dev"] == {"rows": 9, "error": pytest.approx(1), "low": None, "high": None}
    assert few["variance"] == {"value": pytest.approx(0.8), "low": None, "high": None, "judgement": "unclear"}
    assert few["bias"]["judgement"] == "high"
    lines = region_lines(
        {"column": "shop", "unit": "1 − R² of the log", "base": 0.0, "tolerance": 0.015, "sampled": False,
         "regions": [few]}
    )  # fmt: skip
    assert "fewer than 10 rows tell no interval of 1 − R² of the log" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize(("rows", "held"), [(10, 880), (20, 900), (50, 920)])
def test_intervals_of_squared_errors_hold_the_mean_and_are_never_below_0(rows: int, held: int) -> None:
    """Of 1,000 samples of normal errors. By the normal interval of the mean 840 did of 10 rows, 880 of 20."""
    found = [error_of(Mistakes(draw), False) for draw in np.random.default_rng(5).standard_normal((1000, rows)) ** 2]
    ends = np.array([(error["low"], error["high"]) for error in found], float)
    assert (ends[:, 0] > 0).all()
    assert ((ends[:, 0] <= 1) & (ends[:, 1] >= 1)).sum() >= held


@pytest.mark.parametrize(("errors", "held"), [("normal", 91), ("laplace", 85)])
def test_intervals_of_ten_squared_errors_hold_the_mean_as_often_as_the_page_says(errors: str, held: int) -> None:
    """In per cent, of 2,000 samples of docs/diagnosis.md's two kinds of errors."""
    drawn = getattr(np.random.default_rng(1), errors)(size=(2000, 10)) ** 2
    mean = {"normal": 1, "laplace": 2}[errors]
    found = [error_of(Mistakes(draw), False) for draw in drawn]
    ends = np.array([(error["low"], error["high"]) for error in found], float)
    assert 100 * ((ends[:, 0] <= mean) & (ends[:, 1] >= mean)).mean() == pytest.approx(held, abs=2)


def test_an_error_that_hangs_on_a_tiny_weight_has_a_finite_interval() -> None:
    error = error_of(Mistakes(np.eye(20)[0], np.array([1e-30, *[1.0] * 19])), False)
    assert error["low"] is not None and error["high"] is not None and 0 <= error["low"] < error["high"] < 1


@pytest.mark.parametrize(
    "settings",
    [
        ("data.source=wine", "network.hidden=[6]", "network.batch_norm=true", "regularization.dropout=0.3"),
        ("data.source=breast_cancer", "network.hidden=[4]"),  # one logit for two classes
        ("data.source=diabetes", "network.hidden=[4]", "training.dtype=float64"),
    ],
)
def test_the_mistakes_of_a_run_s_best_network_add_up_to_its_errors(train_run: Train, settings: tuple[str, ...]) -> None:
    outcome = train_run(*settings, "training.epochs=4")
    model = trained(StoredRun(outcome.run))
    for part in ("train", "dev", "test"):
        assert model.mistakes(part).mean() == pytest.approx(outcome.record["final"][f"{part}_error"], rel=1e-6)


def test_classes_are_the_regions_unless_a_column_is_named(train_run: Train) -> None:
    outcome = train_run("data.source=iris", "training.epochs=4")
    found = by_column(StoredRun(outcome.run))
    assert found["column"] == "target"
    assert {region["region"] for region in found["regions"]} == {"setosa", "versicolor", "virginica"}
    assert sum(region["dev"]["rows"] for region in found["regions"]) == 30
    total = sum(region["dev"]["rows"] * region["dev"]["error"] for region in found["regions"]) / 30
    assert total == pytest.approx(outcome.record["final"]["dev_error"])


def test_rows_count_as_in_the_errors_of_the_run(train_run: Train) -> None:
    """What all regions come to is the run's own error, with class weights too, by a column that is not the target."""
    settings = ("data.source=breast_cancer", "data.class_weight=balanced", "network.hidden=[4]", "training.epochs=3")
    outcome = train_run(*settings)
    model = trained(StoredRun(outcome.run))
    found = mistakes_at(model, model.raw(), ["dev"])["dev"]
    assert found.mean == pytest.approx(outcome.record["final"]["dev_error"], rel=1e-6)
    assert found.size == outcome.record["final"]["dev_effective_rows"] < len(found.values)
    regions = by_column(StoredRun(outcome.run), "mean radius")
    assert regions["unit"] == "share of wrong classes, balanced"
    assert sum(region["share_of_dev"] for region in regions["regions"]) == pytest.approx(1)


def test_weights_of_one_size_change_nothing_but_those_that_differ_do() -> None:
    wrong = np.repeat([1.0, 0.0], [3, 7])
    alike, none = error_of(Mistakes(wrong, np.full(10, 2.0)), True), error_of(Mistakes(wrong), True)
    assert alike == pytest.approx(none)
    weighed = Mistakes(wrong, np.where(wrong, 3.0, 1.0))  # 9 of 16; by weights alone 256 / 34
    assert (weighed.mean, weighed.size, weighed.total) == (9 / 16, 5, 9)
    assert error_of(Mistakes(wrong, np.zeros(10)), True) == {"rows": 10, "error": None, "low": None, "high": None}


def test_numbers_are_put_into_fifths_of_the_training_set(train_run: Train) -> None:
    run = train_run("data.source=diabetes", "training.epochs=2").run
    found = by_column(StoredRun(run), "bmi")
    assert found["unit"] == "1 − R²"
    rows = [region["train"]["rows"] for region in found["regions"]]
    assert len(rows) == 5
    assert all(abs(count - sum(rows) / 5) <= 5 for count in rows)
    whole = [region["dev"]["rows"] * region["dev"]["error"] for region in found["regions"]]
    assert sum(whole) / 88 == pytest.approx(run.read_json("run.json")["final"]["dev_error"])  # 442 rows, a fifth: 88


def test_ends_of_regions_are_written_as_people_write_prices() -> None:
    prices = Table(Framed(pd.DataFrame({"price": np.linspace(0, 1_000_000, 101)})), "prices.csv")
    found = regions_of({"train": prices}, "price")["train"]
    ends = ["to 200000", "200000 to 400000", "400000 to 600000", "600000 to 800000", "above 800000"]
    assert [*dict.fromkeys(found)] == ends


def test_between_train_dev_and_dev_lies_mismatch_and_no_variance(tmp_path: Path) -> None:
    run = verbs.train(load_config(shipped() / "configs/mismatch.yaml"), tmp_path / "runs").run
    found = by_column(StoredRun(run), "class")
    for region in found["regions"]:
        assert (region["variance"]["judgement"], region["mismatch"]["judgement"]) == ("unclear", "high")
        train, between, dev = (region[part]["error"] or 0.0 for part in ("train", "train_dev", "dev"))
        assert (region["variance"]["value"], region["mismatch"]["value"]) == pytest.approx(
            (between - train, dev - between)
        )
    lines = region_lines(found)
    assert lines[1].split() == ["class", "train", "train-dev", "dev", "95%", "rows", "bias", "variance", "mismatch"]
    assert max(map(len, lines)) <= 80


def test_a_row_that_many_folds_were_trained_on_is_one_row(train_run: Train) -> None:
    run = train_run("data.source=iris", "data.folds=5", "training.epochs=2").run
    for region in by_column(StoredRun(run))["regions"]:
        assert (region["train"]["rows"], region["dev"]["rows"]) == (50, 50)
        error, low, high = (region["train"][key] for key in ("error", "low", "high"))
        assert (low, high) == pytest.approx(wilson(error, 50))


def test_rows_that_several_folds_were_trained_on_make_a_weighted_error_no_surer() -> None:
    wrong, weights = np.random.default_rng(0).random(200) < 0.3, np.where(np.arange(200) < 20, 10.0, 1.0)
    once, thrice = (
        Mistakes(np.tile(wrong.astype(float), n), np.tile(weights, n), None, True, np.tile(np.arange(200), n))
        for n in (1, 3)
    )
    assert thrice.rows == once.rows == 200
    assert thrice.size == pytest.approx(once.size, rel=0.05) and once.size < 100


def test_the_oldest_rows_train_all_folds_by_time_and_the_newest_none(tmp_path: Path) -> None:
    lines = [f"{i},{i % 7},{i % 2}" for i in range(120)]
    (tmp_path / "d.csv").write_text("day,x,y\n" + "\n".join(lines) + "\n")
    settings = [f"data.source={tmp_path}/d.csv", "data.target=y", "data.time=day", "data.folds=3", "training.epochs=2"]
    run = StoredRun(verbs.train(load_config(None, settings), tmp_path / "runs").run)
    model = trained(run)
    sizes = [fold.dataset.sizes["rows"] for fold in model.folds]
    assert [size["train"] for size in sizes] == [30, 60, 90]
    assert (model.times("train"), model.times("dev")) == (2.0, 1.0)
    found = {region["region"]: region["train"]["rows"] for region in by_column(run, "day")["regions"]}
    days = np.arange(90)
    edges = np.quantile(np.concatenate([days[:end] for end in (30, 60, 90)]), np.arange(1, 5) / 5)
    assert sorted(found.values()) == sorted(np.bincount(np.searchsorted(edges, days), minlength=5))


@pytest.mark.parametrize("folds", ["null", "3"])
def test_a_dropped_column_with_missing_values_serves_too(tmp_path: Path, folds: str) -> None:
    """In folds, too, where the rows that train stand one after the other twice."""
    rng = np.random.default_rng(0)
    kinds = ("", "a,0.5,yes", "b,1,no", "a,0.5,yes")
    lines = [f"{x:.3f},{kinds[i % 4] or ',,'},{int(x > 0)}" for i, x in enumerate(rng.standard_normal(140))]
    (tmp_path / "d.csv").write_text("x,shop,size,open,y\n" + "\n".join(lines) + "\n")
    settings = [f"data.source={tmp_path}/d.csv", "data.target=y", "data.drop=[shop, size, open]", f"data.folds={folds}"]
    run = StoredRun(verbs.train(load_config(None, [*settings, "training.epochs=1"]), tmp_path / "runs").run)
    for column, names in {"shop": {"a", "b"}, "size": {"0.5", "1"}, "open": {"yes", "no"}}.items():
        found = {region["region"]: region["dev"]["rows"] for region in by_column(run, column)["regions"]}
        assert found.keys() == {*names, "(missing)"} and sum(found.values()) == run.record["data"]["rows"]["dev"]


def test_wrong_columns_and_runs_are_told(train_run: Train, tmp_path: Path) -> None:
    run = train_run("data.source=iris", "training.epochs=2").run
    with pytest.raises(UsageError, match=r"iris has no column 'petal_lenght'; did you mean 'petal length \(cm\)'\?"):
        by_column(StoredRun(run), "petal_lenght")
    with pytest.raises(UsageError, match="the target is 'target', the columns sepal length"):
        by_column(StoredRun(run), "zzz")
    (run.path / "checkpoints/best.safetensors").unlink()
    with pytest.raises(UsageError, match=r"has no checkpoint 'best'$"):
        by_column(StoredRun(run))
    (tmp_path / "d.csv").write_text("x,y\n" + "1,a\n2,b\n" * 20)
    settings = [f"data.source={tmp_path}/d.csv", "data.target=y", "training.epochs=1"]
    run = verbs.train(load_config(None, settings), tmp_path / "runs").run
    (tmp_path / "d.csv").write_text("x,y\n" + "1,a\n3,b\n" * 20)
    with pytest.raises(DataError, match="no longer what this run was trained on"):
        by_column(StoredRun(run))
    (tmp_path / "d.csv").unlink()
    with pytest.raises(NnrunError, match="no such file"):
        by_column(StoredRun(run))


def test_the_table_is_narrow_and_says_how_to_read_it(train_run: Train) -> None:
    lines = region_lines(by_column(StoredRun(train_run("data.source=diabetes", "training.epochs=2").run)))
    assert lines[0] == "errors by target (1 − R²), the highest dev error first"
    assert lines[1].split() == ["target", "train", "rows", "dev", "95%", "rows", "bias", "variance"]
    assert len(lines) == 1 + 6 + 2
    assert max(map(len, lines)) <= 80


def test_of_many_values_the_worst_are_shown() -> None:
    error: PartError = {"rows": 1, "error": 0.0, "low": 0.0, "high": 0.8}
    gap: Step = {"value": 0.0, "low": -0.8, "high": 0.8, "judgement": "unclear"}
    regions: list[Region] = [
        {"region": f"shop {i} {'x' * 30}", "train": error, "dev": error, "share_of_dev": 0.0, "bias": gap,
         "variance": gap}
        for i in range(23)
    ]  # fmt: skip
    lines = region_lines(
        {"column": "shop", "unit": "u", "base": 0.0, "tolerance": 0.015, "sampled": False, "regions": regions}
    )
    assert "… and 3 more with lower dev errors" in lines
    assert "shop 0 xxxxxxxxxxxxxxxxx…" in lines[2]


def test_times_are_put_into_fifths_of_the_dev_set_and_what_has_no_dev_row_is_told(
    train_run: Train, tmp_path: Path
) -> None:
    days = np.datetime64("2026-01-01") + np.arange(150)
    rows = [f"{k * k % 17},{day.strftime('%d.%m.%Y')},g{k // 3},{k % 13}\n" for k, day in enumerate(days.tolist())]
    (tmp_path / "t.csv").write_text("x,day,g,y\n" + "".join(rows))
    settings = (f"data.source={tmp_path / 't.csv'}", "data.target=y", "data.task=regression", "data.time=day")
    run = StoredRun(train_run(*settings, "data.split=[0.6,0.2,0.2]", "data.drop=[g]", "training.epochs=2").run)
    found = by_column(run, "day")["regions"]
    ends = {region["region"]: (region["train"]["rows"], region["dev"]["rows"]) for region in found}
    assert ends["to 2026-04-06"] == (90, 6) and ends["2026-04-06 to 2026-04-12"] == (0, 6), ends
    assert ends["above 2026-04-24"] == (0, 6) and len(ends) == 5
    lines = region_lines(by_column(run, "g"))
    assert "… and 20 more without a dev row" in lines and not any("lower dev errors" in line for line in lines)
    hours = pd.DataFrame({"t": [*pd.date_range("2026-01-01", periods=50, freq="h"), pd.NaT]})
    few = regions_of({"train": Table(Framed(hours), "f")}, "t")
    assert few["train"][-1] == "(missing)" and few["train"][0] == "to 2026-01-01 09:00" and len(set(few["train"])) == 6
    assert few["train"][10] == "2026-01-01 09:00 to 19:00"
    assert few["train"][20] == "2026-01-01 19:00 to 01-02 05:00"
    years = regions_of({"train": Table(Framed(hours - pd.Timedelta(hours=24)), "f")}, "t")["train"]
    assert years[20] == "2025-12-31 19:00 to 2026-01-01 05:00"
    lines = region_lines(
        {
            **by_column(run, "day"),
            "regions": [{**found[0], "region": name} for name in (*few["train"][:50:10], years[20])],
        }
    )
    assert not any("…" in line for line in lines), lines
