"""New rows beside those of training: planted differences are found, and rows of the same kind are left in peace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from typer.testing import CliRunner

from nnrun.cli.app import app
from nnrun.config.load import load_config
from nnrun.data.facts.chances import chance_of_distance, chance_of_more, chance_of_share, chance_of_squares
from nnrun.data.facts.tallies import Moments
from nnrun.data.features.profile import of_numbers
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table
from nnrun.errors import UsageError
from nnrun.models.drift.comparing import Drift, DriftDocument, drift_of
from nnrun.models.drift.telling import drift_lines
from nnrun.models.model import Model, load_model
from nnrun.models.verbs import evaluate
from nnrun.runs import verbs
from nnrun.runs.finding import find_run
from nnrun.runs.stored import StoredRun

NUMBERS = [f"x{k}" for k in range(14)]
SHIFTING = [*NUMBERS, "heavy", "count"]


def rows_of(seed: int, rows: int) -> pd.DataFrame:
    """Twenty columns of each kind, some with gaps, some with heavy tails."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, len(NUMBERS))), columns=NUMBERS)
    frame["heavy"] = np.exp(1.5 * rng.normal(size=rows))
    frame["count"] = rng.poisson(3, rows).astype(float)
    frame["flag"] = np.where(rng.random(rows) < 0.3, "yes", "no")
    frame["city"] = rng.choice([f"city {k}" for k in range(40)], rows, p=np.arange(40, 0, -1) / 820)
    frame["few"] = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), "D")
    frame["day"] = days.strftime("%Y-%m-%d")
    frame["x0"] = frame["x0"].mask(rng.random(rows) < 0.2)
    frame["y"] = np.where(frame["x1"] + rng.normal(size=rows) > 0, "in", "out")
    return frame


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("drift")
    rows_of(0, 3000).to_csv(folder / "rows.csv", index=False)
    settings = (f"data.source={folder}/rows.csv", "data.target=y", "training.epochs=2", "network.hidden=[4]")
    return load_model(StoredRun(verbs.train(load_config(None, settings), folder / "runs").run))


def compared(model: Model, frame: pd.DataFrame, target: bool = False) -> DriftDocument:
    drift = Drift(model, target)
    for start in range(0, len(frame), 5_000):
        drift.see(Table(Framed(frame.iloc[start : start + 5_000]), "new"))
    return drift.document


@pytest.mark.parametrize("files", [30, pytest.param(1000, marks=pytest.mark.soak)])
def test_of_files_like_training_hardly_any_is_told_to_differ(model: Model, files: int) -> None:
    alarms = sum(bool(compared(model, rows_of(seed, 500), target=True)["found"]) for seed in range(1, files + 1))
    assert alarms <= 0.05 * files


@pytest.mark.parametrize("column", SHIFTING)
def test_half_a_deviation_is_found_in_500_rows(model: Model, column: str) -> None:
    frame = rows_of(200, 500)
    frame[column] += 0.5 * rows_of(201, 5000)[column].std()
    found = [one for one in compared(model, frame)["found"] if one["what"] == "shifted"]
    assert [one["column"] for one in found] == [column]
    assert found[0]["deviations"] == pytest.approx(0.5, abs=0.2)
    (_, line, *_) = drift_lines(compared(model, frame))
    assert line.startswith(f"drift    {column}: ")


def test_what_training_did_not_have(model: Model) -> None:
    frame = rows_of(300, 500)
    frame.loc[:39, "x2"] = 50.0
    frame.loc[:29, "city"] = "Atlantis"
    frame.loc[:24, "few"] = np.nan
    frame["x3"] = np.nan
    frame["day"] = "2031-05-01"
    found = {(one["column"], one["what"]): one for one in compared(model, frame)["found"]}
    assert {key: one.get("rows") for key, one in found.items()} == {
        ("x2", "outside"): 40,
        ("city", "unseen"): 30,
        ("few", "missing"): 25,
        ("x3", "missing"): 500,
        ("day", "outside"): 500,
    }
    assert found["city", "unseen"]["values"] == ["Atlantis"]
    lines = " ".join(" ".join(drift_lines(compared(model, frame))).replace("drift    ", "").split())
    assert lines.startswith("5 of 20 columns are not as in training:")
    assert "x3: missing in 100.0% of the rows, in training in 0.0%" in lines
    assert "city: 30 rows (6.0%) with values that training did not see, such as 'Atlantis'" in lines
    assert "day: 500 rows (100.0%) outside of training's range, 2024-01-01 00:00:00 to" in lines


def test_shares_of_categories_and_of_the_target(model: Model) -> None:
    frame = rows_of(400, 500)
    frame["few"] = np.where(np.arange(500) % 2, "b", frame["few"])
    frame["y"] = np.where(np.arange(500) % 4, "in", frame["y"])
    found = {one["column"]: one for one in compared(model, frame, target=True)["found"]}
    assert {name: one["values"] for name, one in found.items()} == {"few": ["b"], "y": ["in"]}
    assert found["few"]["size"] == pytest.approx(0.35, abs=0.06)


def test_small_differences_are_left_in_peace_however_many_rows_there_are(model: Model) -> None:
    frame = rows_of(500, 20_000)
    frame["x5"] += 0.1
    frame.loc[:100, "x6"] = 9.0  # 0.5% of the rows
    frame.loc[:100, "city"] = "Atlantis"
    assert compared(model, frame)["found"] == []


def test_pieces_come_to_what_the_whole_comes_to(model: Model) -> None:
    frame, drift = rows_of(700, 500).assign(x1=3.0, few="b"), Drift(model)
    for start in range(0, 500, 130):
        drift.see(Table(Framed(frame.iloc[start : start + 130]), "new"))
    assert drift.document == compared(model, frame)


def test_one_row_and_none(model: Model) -> None:
    assert compared(model, rows_of(600, 1))["found"] == []
    assert compared(model, rows_of(600, 0)) == {"rows": 0, "needs": 2, "columns": 20, "found": []}


def test_fewer_rows_than_are_needed_are_never_told_to_differ(model: Model) -> None:
    """Beside 1,800 rows one is outside with a chance of 2 / 1,801, about 0.001; of 20 columns each may have 0.0005."""
    strange = rows_of(600, 2).assign(**dict.fromkeys(NUMBERS, 99.0))
    assert Drift(model).needs == 2
    assert compared(model, strange[:1])["found"] == []
    assert compared(model, strange)["found"]


def test_a_run_that_kept_nothing_says_so() -> None:
    old = load_model(StoredRun(find_run(Path("tests/stored"), "latest")))
    assert drift_of(old) is None
    with pytest.raises(UsageError, match="kept too little of its training part"):
        Drift(old)


def test_required_drift_that_cannot_be_found_is_refused_before_rows_are_read() -> None:
    old = load_model(StoredRun(find_run(Path("tests/stored"), "latest")))
    with pytest.raises(UsageError, match="kept too little of its training part"):
        evaluate(old, "no such file.csv", drift_required=True)


def test_the_command_evaluate_reads_what_was_kept_once(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_of(0, 300).to_csv(tmp_path / "new.csv", index=False)
    made, begin = [], Drift.__init__

    def counted(drift: Drift, *args: Any) -> None:
        made.append(drift)
        begin(drift, *args)

    monkeypatch.setattr(Drift, "__init__", counted)
    words = ["evaluate", str(model.run.path), str(tmp_path / "new.csv"), "--fail-on", "drift"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len(made) == 1


# chances, against a simulation


def test_the_chance_of_rows_beyond_the_range() -> None:
    """Whatever the distribution: ranks of 30 rows of training and 20 new ones are in a random order."""
    order = np.argsort(np.random.default_rng(0).random((20_000, 50)), axis=1)
    train, new = order[:, :30], order[:, 30:]
    outside = ((new < train.min(axis=1, keepdims=True)) | (new > train.max(axis=1, keepdims=True))).sum(axis=1)
    for k in (1, 2, 4, 7):
        assert chance_of_more(k, 20, 2, 29) == pytest.approx((outside >= k).mean(), abs=0.012)
    assert chance_of_more(0, 20, 2, 29) == 1
    assert chance_of_more(20, 20, 2, 29) < 1e-9


def test_the_chance_of_more_or_fewer_gaps() -> None:
    assert chance_of_share(50, 500, 0, 2000) < 1e-20
    assert chance_of_share(0, 500, 600, 2000) < 1e-20
    assert chance_of_share(52, 500, 200, 2000) > 0.5
    assert chance_of_share(0, 500, 0, 2000) == 1


def test_quantiles_are_counted_after_they_were_rounded() -> None:
    values = np.array([1.00000049, 1.5, 2.0, 3.0, np.nan])
    profile = of_numbers(5, Moments.of(values[:4]), values)
    assert profile["edges"] == [1.0, 1.5, 2.0, 3.0] and profile["shares"] == [0.0, 0.5, 0.75, 1.0]
    assert (profile["missing"], profile["sampled"]) == (1, 4)


@pytest.mark.parametrize("offset", [0.0, 5_812_345.0, 1e9])
def test_a_shift_is_found_whatever_the_offset(tmp_path: Path, offset: float) -> None:
    """Also where a stand-in lies far from all others."""
    rng = np.random.default_rng(0)
    x = np.append(0.0, rng.normal(size=999)) + offset * (np.arange(1000) > 0)
    pd.DataFrame({"x": x, "y": rng.normal(size=1000)}).to_csv(tmp_path / "rows.csv", index=False)
    settings = (f"data.source={tmp_path}/rows.csv", "data.target=y", "training.epochs=1", "network.hidden=[2]")
    model = load_model(StoredRun(verbs.train(load_config(None, settings), tmp_path / "runs").run))
    assert not compared(model, pd.DataFrame({"x": x[1:]}))["found"]
    later = compared(model, pd.DataFrame({"x": x[1:] + 0.5}))
    assert [(one["what"], one["size"] > 0.15) for one in later["found"]] == [("shifted", True)]
    before, now = " ".join(drift_lines(later)).split("mean ")[1].split(";")[0].split(" → ")
    assert float(before) < float(now)


def test_chances_are_those_of_scipy() -> None:
    for x in (0.0, 0.01, 0.5, 1.0, 7.3, 40.0):
        for degrees in (1, 2, 3, 6, 21):
            assert chance_of_squares(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-9)
        assert chance_of_distance(x / 40, 100) == pytest.approx(special.kolmogorov(10 * x / 40), rel=1e-9, abs=1e-12)
    for k, rows, a, b in ((1, 5, 1, 9), (3, 20, 2, 29), (40, 500, 20, 400), (5, 500, 900, 8000)):
        assert chance_of_more(k, rows, a, b) == pytest.approx(stats.betabinom.sf(k - 1, rows, a, b), rel=1e-6)
    assert chance_of_more(400, 500, 3000, 3000) < 1e-20 < 0.3 < chance_of_more(250, 500, 3000, 3000)
