"""The bound against its published form, and the estimate on data whose best possible error is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnrun.config.data_section import Data
from nnrun.config.load import load_config
from nnrun.data.dataset import Dataset, Part, load_dataset
from nnrun.errors import UsageError
from nnrun.insight.diagnosis import base_error
from nnrun.insight.diagnosis.base_error import (
    _compared,
    _nearest,
    _neighbours_that_differ,
    _sure_as,
    base_error_lines,
    cover_hart,
    estimate,
    estimate_base_error,
)
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.proportions import wilson
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("bayes", "classes"), [(0.0, 2), (0.1, 2), (0.5, 2), (0.3, 3), (2 / 3, 3), (0.05, 10), (0.9, 10)]
)
def test_the_bound_solves_the_inequality_of_cover_and_hart(bayes: float, classes: int) -> None:
    """At its limit R = R*·(2 − C/(C − 1)·R*); guessing, R* = (C − 1)/C, gives R = R*."""
    nearest = bayes * (2 - classes / (classes - 1) * bayes)
    assert cover_hart(nearest, classes) == pytest.approx(bayes)


def test_an_error_worse_than_guessing_is_bounded_by_guessing() -> None:
    assert cover_hart(0.8, 2) == 0.5
    assert cover_hart(1.0, 4) == 0.75


def dataset(tmp_path: Path, lines: list[str], **settings: object) -> Dataset:
    """Rows a,b,g,y, the target y a word, so that it is a class."""
    (tmp_path / "d.csv").write_text("a,b,g,y\n" + "\n".join(lines) + "\n")
    data = Data.model_validate({"source": f"{tmp_path}/d.csv", "target": "y", "drop": ["g"], **settings})
    return load_dataset(data, "float32", tmp_path / "cache")


def test_the_estimate_finds_the_share_of_labels_that_are_noise(tmp_path: Path) -> None:
    """Two regions far apart in the plane; a fifth of the labels are wrong: nobody can do better than 20%.

    The 1-NN error is 2 · 0.2 · 0.8 = 32%, for which the bound is 20%.
    """
    rng = np.random.default_rng(1)
    sides, wrong = rng.integers(0, 2, 3000), rng.random(3000) < 0.2
    noise = rng.random((3000, 2))
    lines = [
        f"{10 * side + a},{b},0,{'pq'[side ^ int(w)]}" for side, w, (a, b) in zip(sides, wrong, noise, strict=True)
    ]
    found = estimate(dataset(tmp_path, lines))
    assert found["rows"] == 2400  # training and dev set; the test set is not read
    assert found["method"] == "leave one out"
    assert found["nearest_neighbour_error"] == pytest.approx(0.32, abs=0.03)
    assert found["base_error"] == pytest.approx(0.2, abs=0.03)
    assert found["low"] < 0.2 < found["high"]


def test_where_classes_are_weighted_the_estimate_is_of_that_error(tmp_path: Path) -> None:
    """Nothing tells the class of a tenth of the rows: always saying q is wrong for 10%, but for half of the classes."""
    rng = np.random.default_rng(4)
    lines = [f"{a},{b},0,{'q' if i % 10 else 'p'}" for i, (a, b) in enumerate(rng.standard_normal((4000, 2)))]
    plain = estimate(dataset(tmp_path, lines))
    balanced = estimate(dataset(tmp_path, lines, class_weight="balanced"))
    assert plain["base_error"] == pytest.approx(0.1, abs=0.02)
    assert "error_kind" not in plain
    assert balanced["base_error"] > 0.35
    assert balanced["rows"] == pytest.approx(640, abs=80)  # a tenth of 3,200, and as many others
    assert "% balanced (95%" in base_error_lines(balanced)[0]
    assert "rows were drawn by their weights" in balanced["caveats"][0]


@pytest.mark.parametrize("noise", [0.2, 0.01])
@pytest.mark.parametrize("apart", [False, True])
def test_the_interval_holds_the_truth_as_often_as_it_says(apart: bool, noise: float) -> None:
    """Labels of one class, of which some are noise by chance alone, so that the bound is the best possible error."""

    def holds(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        rows = Part(rng.random((400, 2)), (rng.random(400) < noise).astype(int))
        sought, among = (rows.take(np.arange(200)), rows.take(np.arange(200, 400))) if apart else (rows, None)
        nearest = _nearest(among.x, sought.x) if among else _nearest(rows.x, None)
        wrong = _compared(nearest, sought, among)[0]
        low, high = wilson(float(wrong.mean()), _sure_as(wrong, nearest, sought, among))
        return cover_hart(low, 2) <= noise <= cover_hart(high, 2)

    assert np.mean([holds(seed) for seed in range(100)]) >= 0.92


def test_scales_do_not_matter_even_where_the_config_leaves_them(tmp_path: Path) -> None:
    """b tells the class, a is noise a thousand times as large."""
    rng = np.random.default_rng(2)
    lines = [f"{1000 * a},{i % 2 + 0.1 * b},0,{'pq'[i % 2]}" for i, (a, b) in enumerate(rng.standard_normal((400, 2)))]
    assert estimate(dataset(tmp_path, lines, normalize="none"))["nearest_neighbour_error"] < 0.02


def test_groups_are_kept_apart_as_in_the_split(tmp_path: Path) -> None:
    """Every group is a cluster with a label of its own by chance: neighbours within it would tell all."""
    rng = np.random.default_rng(3)
    labels, centres = rng.permutation([0, 1] * 60), rng.standard_normal((120, 2)) * 100
    lines = [f"{x + d},{y},{g},{'pq'[labels[g]]}" for g, (x, y) in enumerate(centres) for d in (0, 0.1, 0.2)]
    together = estimate(dataset(tmp_path, lines))
    apart = estimate(dataset(tmp_path, lines, drop=[], group="g"))
    assert together["nearest_neighbour_error"] < 0.1
    assert apart["method"] == "dev against train"
    assert apart["rows"] == 72  # a fifth of 360
    assert apart["nearest_neighbour_error"] > 0.25
    by_rows = wilson(apart["nearest_neighbour_error"], 72)
    assert apart["high"] - apart["low"] > 1.3 * (cover_hart(by_rows[1], 2) - cover_hart(by_rows[0], 2))  # of 24 groups


def test_copies_of_rows_are_told_with_what_comes_out_without_them(tmp_path: Path) -> None:
    """Coins for classes: half of all are wrong, but the neighbour of a row that stands there twice is its copy."""
    rng = np.random.default_rng(5)
    once = [f"{a},{b},{k},{'pq'[rng.integers(2)]}" for k, (a, b) in enumerate(rng.standard_normal((400, 2)))]
    single, twice = (estimate(dataset(tmp_path, lines)) for lines in (once, once * 2))
    assert twice["base_error"] < 0.1 < 0.3 < single["base_error"]
    (told,) = (caveat for caveat in twice["caveats"] if "copies" in caveat)
    assert told.startswith(tuple(f"{count} of 640 have a neighbour that is the same" for count in range(480, 560)))
    assert float(told.split()[-1].rstrip("%")) > 30
    assert not any("copies" in caveat for caveat in single["caveats"])
    apart = estimate(dataset(tmp_path, once * 2, drop=[], group="g"))  # copies stay together, none is in the other part
    assert apart["base_error"] > 0.3 and not any("copies" in caveat for caveat in apart["caveats"])


@pytest.mark.parametrize("apart", [False, True])
def test_the_nearest_that_differs_by_hand(apart: bool) -> None:
    """Of 0 it is 1 and of 1 it is 0, of 10 it is 11 and the other way round, all of one class; 20 and 21 are of two."""
    rows = Part(np.array([[0.0], [0], [1], [10], [10], [11], [20], [21]]), np.array([0, 0, 0, 1, 1, 1, 0, 1]))
    assert _neighbours_that_differ(rows, rows if apart else None) == 2 / 8


def test_rows_that_are_all_the_same_have_no_other_neighbour(tmp_path: Path) -> None:
    found = estimate(dataset(tmp_path, [f"{i // 200},0,0,{'pq'[i % 2]}" for i in range(200)]))
    assert found["caveats"][-1].endswith("its interval too narrow")


def test_large_data_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_error, "MOST", 50)
    lines = [f"{i},{i % 7},0,{'pq'[i > 150]}" for i in range(300)]
    first, again = (estimate(dataset(tmp_path, lines)) for _ in range(2))
    assert first["rows"] == 50
    assert first == again


def test_a_run_s_estimate_and_its_caveats_on_screen(train_run: Train) -> None:
    found = estimate_base_error(StoredRun(train_run("data.source=wine", "training.epochs=1").run))
    assert (found["features"], found["classes"]) == (13, 3)
    lines = base_error_lines(found)
    assert lines[0].startswith("base error, estimated: ")
    text = " ".join(" ".join(lines).split())
    assert "come out too high" in text
    assert f"{found['rows']} examples are few" in text
    assert "it is not used here; --base-error" in text
    assert max(map(len, lines)) <= 80


def test_many_dimensions_are_a_caveat() -> None:
    assert any("64 dimensions" in caveat for caveat in base_error._caveats(2000, 64))
    assert len(base_error._caveats(2000, 4)) == 1


def test_a_regression_has_none(tmp_path: Path) -> None:
    settings = ["data.source=diabetes", "training.epochs=1"]
    run = verbs.train(load_config(None, settings), tmp_path / "runs").run
    with pytest.raises(UsageError, match="for classes only"):
        estimate_base_error(StoredRun(run))
