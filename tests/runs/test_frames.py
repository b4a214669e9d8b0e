"""Tables in memory: kept beside the runs once, trained on with the bits of a CSV file, repeated from files alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import nnrun
from nnrun.errors import ConfigError, DataError, UsageError

SETTINGS = {"network": {"hidden": [4]}, "training": {"epochs": 3}}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    return pd.DataFrame(
        {
            "x": x,
            "gap": np.where(rng.random(120) < 0.2, np.nan, x / 3),
            "town": pd.Categorical(rng.choice(["York", 'say "hi"', "a, b"], 120)),
            "zip": [f"0{k % 7}" for k in range(120)],
            "paid": [f"{k}.50 kg" for k in range(120)],
            "rating": [("NA", "good", "bad", None)[k % 4] for k in range(120)],
            "share": [f"{k % 9}%" for k in range(120)],
            "seen": pd.date_range("2026-01-31", periods=120, freq="7h"),
            "member": x > 0.3,
            "y": np.where(x + rng.normal(size=120) / 2 > 0, "yes!", "no!"),
        },
        index=range(500, 620),
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "some runs"


def of_arrow(cells: list[Any]) -> Any:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(cells)), index=range(500, 620))


def with_source(source: Any = None, **data: Any) -> dict[str, Any]:
    return {"data": {"target": "y", **data, **({} if source is None else {"source": source})}, **SETTINGS}


def told(run: nnrun.Run) -> list[Any]:
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in run.metrics]


def test_the_index_is_no_column_and_whoever_names_it_is_told(frame: pd.DataFrame, runs: Path) -> None:
    indexed = frame.set_index("seen")
    what = r"'?seen'? is the index of the DataFrame, which is left out; `data{}.reset_index\(\)` makes a column of it"
    with pytest.raises(DataError, match="data: " + what.format("")):
        nnrun.train(with_source(time="seen"), runs, data=indexed)
    with pytest.raises(DataError, match=what.format(r"\['dev'\]")):
        nnrun.train(with_source(time="seen"), runs, data={"train": frame, "dev": indexed})
    with pytest.raises(DataError, match=what.format("")):
        nnrun.init(indexed, "y", time="seen", runs=runs)
    with pytest.raises(DataError, match="data: " + what.format("")):
        nnrun.train(with_source(kinds={"seen": "category"}), runs, data=indexed)
    assert nnrun.train(with_source(), runs, data=indexed).status == "done"


def test_rows_with_a_wanted_column_as_their_index_are_refused(frame: pd.DataFrame, runs: Path) -> None:
    run, what = nnrun.train(with_source(), runs, data=frame), "the rows: {} is the index of the DataFrame, .*`data.res"
    for ask in (run.predict, run.drift, run.evaluate):
        with pytest.raises(DataError, match=what.format("seen")):
            ask(frame.set_index("seen"))
    with pytest.raises(DataError, match=what.format("y")):
        run.evaluate(frame.set_index("y"))
    assert len(run.predict(frame.set_index("y"))) == len(frame)


def test_trained_with_the_bits_of_a_csv_file(frame: pd.DataFrame, runs: Path, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "a.csv", index=False)
    by_file = nnrun.train(with_source(str(tmp_path / "a.csv")), runs)
    by_frame = nnrun.train(with_source(), runs, data=frame)
    one, other = by_file.weights(), by_frame.weights()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert told(by_file) == told(by_frame)
    (kept,) = (runs / "frames").iterdir()
    assert by_frame.config.data.source == str(kept) and kept.read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert by_frame.record["data"]["files"][0]["sha256"].startswith(kept.stem)
    predicted = by_frame.predict(frame)
    pd.testing.assert_frame_equal(predicted.reset_index(drop=True), by_file.predict(tmp_path / "a.csv"))
    measured, of_file = by_frame.evaluate(frame), by_file.evaluate(str(tmp_path / "a.csv"))
    assert (measured["parts"], measured["data"]) == (of_file["parts"], "the rows")
    assert by_frame.evaluate(frame.to_dict("list"))["parts"] == measured["parts"]
    with pytest.raises(DataError, match="the rows: no column 'y'"):
        by_frame.evaluate(frame.drop(columns="y"))
    with pytest.raises(DataError, match="the rows: row 3: 'much' in column 'x'"):
        by_frame.predict(frame.assign(x=[*frame["x"][:2], "much", *frame["x"][3:]]))


def test_names_that_are_numbers_and_cells_that_are_stated_to_be_missing(runs: Path) -> None:
    frame = pd.DataFrame(np.arange(80.0).reshape(40, 2) % 7).assign(y=["a", "b"] * 20)
    run = nnrun.train(with_source(format={"missing": [3]}, kinds={"1": "category"}), runs, data=frame)
    (kept,) = (runs / "frames").iterdir()
    pd.testing.assert_frame_equal(run.predict(frame), run.predict(kept))
    assert "0 is missing" in json.loads((run.path / "data.json").read_text())["features"]
    with pytest.raises(DataError, match="several columns are called '0'"):
        run.predict(frame.rename(columns={1: 0}))


def test_numbers_of_two_bytes_are_those_that_they_are_in_memory(runs: Path) -> None:
    """Whose own texts are of 12300 for 12304."""
    x = (np.arange(60) * 100 + 12304).astype(np.float16)
    frame = pd.DataFrame({"x": x, "x2": x, "y": x / 2.0}).set_axis(["x", "x", "y"], axis="columns")
    run = nnrun.train(with_source(), runs, data=frame)
    source = run.config.data.source
    assert pd.read_csv(str(source))["x"].tolist() == x.tolist()
    pd.testing.assert_frame_equal(run.predict(frame), run.predict(source))


@pytest.mark.parametrize("dtype", ["timedelta64[ns]", "timedelta64[s]", "duration[us][pyarrow]"])
def test_durations_are_numbers_of_seconds(runs: Path, dtype: Any) -> None:
    seconds = np.arange(60) * 3600 % 86400
    wait = pd.Series(pd.to_timedelta(seconds, unit="s")).astype(dtype)
    frame = pd.DataFrame({"wait": wait.where(np.arange(60) != 7), "y": np.where(seconds > 40000, "late", "fine")})
    run = nnrun.train(with_source(), runs, data=frame)
    assert np.array_equal(pd.read_csv(str(run.config.data.source))["wait"][8:], seconds[8:])
    assert "wait" in json.loads((run.path / "data.json").read_text())["features"]
    pd.testing.assert_frame_equal(run.predict(frame), run.predict(run.config.data.source))


@pytest.mark.parametrize("cells", [["b\rc", "a", "\r"], ["a\rb", "a", 'say "\r"'], ["c\r\nd", "a", "e\nf"]])
def test_line_ends_in_texts(cells: list[str], runs: Path) -> None:
    """A return alone, too, is part of a cell."""
    frame = pd.DataFrame({"x": np.arange(60.0) % 7, "c": cells * 20, "y": ["yes", "no", "yes"] * 20})
    run = nnrun.train(with_source(kinds={"c": "category"}), runs, data=frame)
    source = Path(str(run.config.data.source))
    assert pd.read_csv(source)["c"].tolist() == [*frame["c"]] and b"y\n0.0," in source.read_bytes()
    pd.testing.assert_frame_equal(run.predict(frame), run.predict(source))
    assert run.predict(frame[:1]).iloc[0, 1:].equals(run.predict(frame).iloc[0, 1:])


@pytest.mark.parametrize("names", [["a", "a"], [" a ", "b"], ["a", "a.2"], [1, "1"], [2.5, ("c", "d")]])
def test_columns_are_called_what_they_are_in_the_file(names: list[Any], runs: Path) -> None:
    """Two of one name, too, of which the second has a number."""
    frame = pd.DataFrame({0: np.arange(60.0) % 7, 1: [*"uvw"] * 20, 2: np.arange(60.0) % 4, "y": ["a", "b"] * 30})
    frame.columns = pd.Index([*names, names[0], "y"], dtype=object)
    run = nnrun.train(with_source(), runs, data=frame)
    pd.testing.assert_frame_equal(run.predict(frame), run.predict(run.config.data.source))
    assert run.evaluate(frame)["parts"] == run.evaluate(run.config.data.source)["parts"]


def test_a_run_is_repeated_and_resumed_from_its_files_alone(frame: pd.DataFrame, runs: Path) -> None:
    run = nnrun.train(with_source(), runs, data=frame)
    again = nnrun.train(run.path / "resolved.yaml", runs)
    assert told(again) == told(run)
    command = [sys.executable, "-m", "nnrun", "resume", str(run.path), "--epochs", "5", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=runs.parent)
    assert done.returncode == 0, done.stderr
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3, 4, 5]
    assert {one.id for one in map(nnrun.load_run, map(str, runs.glob("2*")))} == {run.id, again.id}
    assert list(nnrun.list_runs(runs=runs).index) == [run.id, again.id]  # the folder of tables is no run


def test_the_same_table_is_kept_once_and_mended(frame: pd.DataFrame, runs: Path) -> None:
    first = nnrun.check(with_source(), runs=runs, data=frame)
    assert not set(first.failed) & {"columns", "rows"}
    (kept,) = (runs / "frames").iterdir()
    before = kept.stat().st_mtime_ns
    nnrun.train(with_source(), runs, data=frame.copy())
    assert kept.stat().st_mtime_ns == before  # so that what was prepared of it serves again
    whole = kept.read_bytes()
    kept.write_bytes(b"x,y\n")
    nnrun.train(with_source(), runs, data=frame)
    assert kept.read_bytes() == whole
    nnrun.train(with_source(), runs, data=frame[::-1])
    assert len(list((runs / "frames").iterdir())) == 2


def test_a_table_for_each_part(frame: pd.DataFrame, runs: Path, tmp_path: Path) -> None:
    frame[100:].to_csv(tmp_path / "test.csv", index=False)
    parts: Any = {"train": frame[:80], "dev": frame[80:100], "test": str(tmp_path / "test.csv")}
    run = nnrun.train(with_source(drop=["zip"]), runs, data=parts)
    assert run.record["data"]["rows"] == {"train": 80, "dev": 20, "test": 20}
    with pytest.raises(UsageError, match=r"data: 'valid': a part is train, dev, test or train_dev"):
        nnrun.train(with_source(), runs, data={"train": frame, "valid": frame})


def test_a_table_in_place_of_another_source(frame: pd.DataFrame, runs: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data: {source: elsewhere.csv, target: y, format: {delimiter: ';', decimal: ',', missing: [York]}}\n"
        "network: {hidden: [4]}\ntraining: {epochs: 9}\n"
    )
    loaded = nnrun.load_config(config, ["training.epochs=2"])
    run = nnrun.train(loaded, runs, data=frame)
    assert len(run.metrics) == 2 and run.config.data.format.missing == ("York",)
    assert run.directory.path.joinpath("config.yaml").read_bytes() == config.read_bytes()


def test_searches_and_improvements(frame: pd.DataFrame, runs: Path) -> None:
    search = nnrun.search(with_source(), trials=2, workers=1, runs=runs, data=frame)
    assert search.best is not None and Path(str(search.best.config.data.source)).parent == runs / "frames"
    better = nnrun.improve(with_source(), budget="60epochs", seeds=3, workers=1, runs=runs, data=frame)
    assert nnrun.load_config(better.config_path).config.data.source == search.best.config.data.source


def test_init(frame: pd.DataFrame, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = nnrun.init(frame, "y", runs=runs)
    (kept,) = (runs / "frames").iterdir()
    assert f"source: some runs/frames/{kept.name}" in text
    Path("config.yaml").write_text(text)
    assert nnrun.load_config("config.yaml").config.data.target == "y"


ZONES = np.random.default_rng(1).integers(0, 25, 300)


def as_dictionary(cells: Any) -> Any:
    return pd.array(cells, dtype=pd.ArrowDtype(pa.int64())).astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.int64())))


def test_init_knows_numbers_that_are_categories_by_the_type_of_their_column(runs: Path) -> None:
    frame = pd.DataFrame({"zone": pd.Categorical(ZONES), "x": ZONES % 7 / 3, "a: b": as_dictionary(ZONES // 2)})
    text = nnrun.init(frame.assign(y=as_dictionary(ZONES)), "y", runs=runs)
    assert (
        "  # zone, a: b: each a category by the type of the column\n  kinds: {zone: category, 'a: b': category}" in text
    )
    assert "a wrong class; a category by the type of\n  # the column\n  task: classification\n" in text
    said = nnrun.init(frame, "zone", task="regression", group="a: b", runs=runs)
    assert "by the type" not in said and "task: regression" in said


def test_init_leaves_other_columns_as_they_are(runs: Path) -> None:
    """Text, truths, dates, fractions to predict, numbers of which none comes again and again, and what is left out."""
    frame = pd.DataFrame(
        {
            "word": pd.Categorical(np.array(["a", "b", "c"])[ZONES % 3]),
            "digits": pd.Categorical(ZONES.astype(str)),
            "truth": pd.Categorical(ZONES % 2 == 0),
            "day": pd.Categorical(pd.Timestamp("2026-01-31") + pd.to_timedelta(ZONES, "D")),
            "number": pd.Categorical(np.random.default_rng(2).permutation(300) / 7),
            "zone": pd.Categorical(ZONES),
            "y": pd.Categorical(ZONES / 2),
        }
    )
    text = nnrun.init(frame, "y", drop=["zone"], runs=runs)
    assert "kinds:" not in text and "by the type" not in text and "task: regression" in text


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda frame: "a.csv", UsageError, "expected a DataFrame, got 'a.csv'; a file is named in the config"),
        (lambda frame: [1, 2], UsageError, r"expected a DataFrame, got \[1, 2\]"),
        (lambda frame: frame.assign(z=[[1]] * len(frame)), DataError, "data: column 'z' holds a list; unfold it"),
        (lambda frame: frame.assign(z=[[], [1]] * 60), DataError, "data: column 'z' holds a list; unfold it"),
        (lambda frame: frame.assign(z=[np.zeros(2)] * 120), DataError, "data: column 'z' holds a ndarray"),
        (lambda frame: frame.assign(z=[frozenset()] * 120), DataError, "data: column 'z' holds a frozenset"),
        (lambda frame: frame.assign(z=of_arrow([[1]] * 120)), DataError, "data: column 'z' holds a list"),
        (lambda frame: frame.assign(z=of_arrow([{"a": 1}] * 120)), DataError, "data: column 'z' holds a dict"),
        (lambda frame: frame.assign(z=of_arrow([b"1"] * 120)), DataError, "data: column 'z' holds a bytes"),
        (lambda frame: frame.assign(z=1j), DataError, r"data: column 'z' holds complex numbers; write \.real and"),
        (lambda frame: pa.table({"x": [1, 2]}), UsageError, r"got a pyarrow.Table; \.to_pandas\(\) makes"),
        (lambda frame: frame.set_axis(pd.MultiIndex.from_product([["a"], frame.columns]), axis=1), DataError, "levels"),
        (lambda frame: frame[:0], DataError, "a header but no rows"),
        (lambda frame: frame.drop(columns="y"), DataError, "no column 'y'"),
        (lambda frame: frame.assign(y=1.0), DataError, "y"),
    ],
)
def test_what_cannot_be_trained_on(frame: pd.DataFrame, runs: Path, change: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        nnrun.train(with_source(), runs, data=change(frame))
    assert not list(runs.glob("2*")) and not list(runs.glob("frames/.*"))


def test_new_rows_of_another_library_are_refused_alike(frame: pd.DataFrame, runs: Path) -> None:
    run = nnrun.train(with_source(), runs, data=frame)
    with pytest.raises(
        UsageError, match=r"^data: expected a DataFrame of pandas, got a pyarrow.Table; \.to_pandas\(\)"
    ):
        run.predict(pa.Table.from_pandas(frame))


def test_errors_name_no_place_that_nobody_wrote(frame: pd.DataFrame, runs: Path) -> None:
    with pytest.raises(DataError, match=r"^data\.source: .*nofile\.csv: no such file"):
        nnrun.train(with_source("nofile.csv"), runs)
    with pytest.raises(DataError, match=r"^data\.target: .*\.csv:1: which column is the target\?"):
        nnrun.train(SETTINGS, runs, data=frame.rename(columns={"y": "z"}))
    with pytest.raises(ConfigError, match=r"^dev is missing; data\.folds: 5 does without"):
        nnrun.train(with_source(), runs, data={"train": frame})
    searched = {**with_source(), "search": {"space": {"optimizer.lr": {"log": [0.1, 1]}}}}
    with pytest.raises(ConfigError, match=r"^search\.space\.optimizer\.lr: unknown key"):
        nnrun.search(searched, trials=2, runs=runs, data=frame)


def test_a_folder_that_cannot_be_written_to(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"data cannot be written there .* another folder"):
        nnrun.train(with_source(), tmp_path / "file", data=frame)
    with pytest.raises(ConfigError):
        nnrun.train({"data": {"target": 3}}, tmp_path, data=frame)
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["file"]'
