"""nnrun evaluate: its page, its document, its gates, and what it says of searches."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

Nnrun = Callable[..., Any]
QUICK = ("-q", "--set", "training.epochs=3", "--set", "network.hidden=[8]")


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def test_the_page_of_classes(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=breast_cancer"))
    done = nnrun("evaluate")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[1] == "data     341 train, 114 dev, 114 test"
    assert lines[3].split() == ["train", "dev", "test", "constant,", "dev", "linear,", "dev"]
    for name in ("error", "loss", "balanced_error", "auc", "average_precision", "f1", "brier", "calibration_error"):
        (row,) = (line.split() for line in lines if line.split()[:1] == [name])
        assert len(row) == 6
    assert any(line.split() == ["dev", "precision", "recall", "f1", "rows"] for line in lines)
    assert any(line.split() == ["true", "\\", "predicted", "benign", "malignant"] for line in lines)
    assert lines[-1] == "test     test part read 2 times, this one included"
    assert max(map(len, lines[1:])) <= 80


@pytest.mark.parametrize(("rare", "frequent"), [("fraud", "ok"), ("b_fraud", "a_ok")])
def test_of_two_classes_it_is_told_whose_average_precision_it_is(
    nnrun: Nnrun, here: Path, rare: str, frequent: str
) -> None:
    rows = "".join(f"{k % 7},{rare if k % 5 == 0 else frequent}\n" for k in range(100))
    (here / "frauds.csv").write_text("a,y\n" + rows)
    options = sets("data.source=frauds.csv", "data.target=y", "metrics.primary=average_precision")
    trained = nnrun("train", *QUICK[1:], *options).err
    evaluated = nnrun("evaluate").out
    searched = nnrun("search", *QUICK[1:], "--trials", "1", "--workers", "1", *options).err
    told = f"that of {max(rare, frequent)}, the second of the two classes as they are sorted"
    warned = "a guess has 80.0% on dev, as so many rows are of it; to have that of fraud, rename the classes so that"
    assert told in " ".join(evaluated.split())
    for text in (trained, searched, evaluated):
        assert (warned in " ".join(text.split())) == (frequent == "ok")


def test_columns_that_the_run_did_not_learn_from_are_told(nnrun: Nnrun, here: Path) -> None:
    heads, rows = "customer,a,b,w,g,y", [f"C{k},{k % 7},{k % 5},{1 + k % 2},{k // 4},{'pq'[k % 2]}" for k in range(80)]
    (here / "data.csv").write_text("\n".join([heads, *rows]))
    (here / "new.csv").write_text("\n".join([f"{heads},shoe,hat", *(f"{row},{k},x" for k, row in enumerate(rows))]))
    settings = sets("data.source=data.csv", "data.target=y", "data.weight=w", "data.group=g")
    assert nnrun("train", *QUICK, *settings).code == 0
    told = "columns that the run did not learn from are ignored"
    assert f"{told}: shoe, hat" in nnrun("evaluate", "latest", "new.csv", "--json").json["notes"]
    assert told not in " ".join(nnrun("evaluate", "latest", "data.csv").out.split())
    used = nnrun("predict", "latest", "new.csv").err  # where nothing is weighed
    assert f"{told}: w, g, shoe, hat" in " ".join(used.split())


@pytest.mark.parametrize("lacking", ["error", "drop"])
def test_a_formula_without_a_stored_value_is_no_row_without_a_target(nnrun: Nnrun, here: Path, lacking: str) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "y"], *([k % 7, "pq"[k % 2]] for k in range(60))):
        book.active.append(row)
    book.save("data.xlsx")
    assert (
        nnrun("train", *QUICK, *sets("data.source=data.xlsx", "data.target=y", f"data.missing_target={lacking}")).code
        == 0
    )
    book.active["B4"] = '=A4&"x"'
    book.save("new.xlsx")
    done = nnrun("evaluate", "latest", "new.xlsx")
    told = "new.xlsx: target column 'y' is in 1 row a formula without a stored value, the first new.xlsx:4:2; open the"
    assert (done.code, told in " ".join(done.err.split())) == (4, True), done.err
    assert nnrun("predict", "latest", "new.xlsx").code == 0


def test_the_page_of_numbers(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=diabetes"))
    out = nnrun("evaluate").out
    for name in ("error (1 − R²)", "loss", "r2", "mae", "rmse"):
        assert f"\n{name} " in out
    assert "precision" not in out and "ridge regression on 266 training rows" in " ".join(out.split())


def test_the_document(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    found = nnrun("evaluate", "--json").json
    assert found["schema_version"] == 1 and found["data"] is None
    assert set(found["parts"]) == {"train", "dev", "test"}
    assert set(found["parts"]["dev"]["metrics"]) == {"network", "constant", "linear"}
    assert [of["class"] for of in found["classes"]["dev"]] == ["setosa", "versicolor", "virginica"]
    assert sum(map(sum, found["confusion"]["dev"])) == found["parts"]["dev"]["rows"] == 30
    assert found["test_reads"] == 2


@pytest.mark.parametrize("file", ["run.lock", "events.jsonl"])
def test_a_file_that_a_strangers_run_links_to_stays(nnrun: Nnrun, file: str) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    (inside,) = Path("runs").glob(f"*/{file}")
    own = inside.rename("own")
    inside.symlink_to(own.resolve())
    own.write_bytes(before := own.read_bytes() or b"a letter")
    done = nnrun("evaluate")
    assert (done.code, f"{file}: a link, to which nothing is written" in done.err) == (4, True)
    assert own.read_bytes() == before


def test_a_network_that_is_no_better_than_a_line_is_told_so(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *sets("data.source=iris", "training.epochs=1", "optimizer.learning_rate=1e-9"))
    assert "the network does not beat" in nnrun("evaluate").out


def test_many_classes_fit_the_screen(nnrun: Nnrun, here: Path) -> None:
    rng = np.random.default_rng(0)
    names = [f"a class with a rather long name, number {i}" for i in range(30)]
    labels = rng.integers(0, 30, 1500)
    rows = "".join(f'{label + rng.normal():.3f},{rng.normal():.3f},"{names[label]}"\n' for label in labels)
    (here / "many.csv").write_text("a,b,name\n" + rows)
    nnrun("train", *QUICK, *sets("data.source=many.csv", "data.target=name"))
    lines = nnrun("evaluate").out.splitlines()
    assert "the 20 of 30 classes with the lowest f1" in lines
    assert any(line.startswith("commonest mistakes") for line in lines)
    assert max(map(len, lines[1:])) <= 80


def test_a_file_and_standard_input(nnrun: Nnrun, here: Path, shell: Nnrun) -> None:
    source = Path(__file__).parents[2] / "nnrun/data/bundled/iris.csv"
    (here / "new.csv").write_bytes(source.read_bytes())
    nnrun("train", *QUICK, *sets("data.source=iris"))
    by_file = nnrun("evaluate", "latest", "new.csv")
    assert by_file.out.splitlines()[1] == "data     new.csv: 150 rows"
    piped = shell("nnrun evaluate latest - --json < new.csv")
    assert json.loads(piped.out)["parts"] == nnrun("evaluate", "latest", "new.csv", "--json").json["parts"]
    (here / "bad.csv").write_text((here / "new.csv").read_text().replace("virginica", "tulip"))
    bad = nnrun("evaluate", "latest", "bad.csv")
    assert bad.code == 4 and "class 'tulip' does not occur" in bad.err and bad.out == ""


@pytest.mark.parametrize(
    ("gate", "code"),
    [("dev_error<=100%", 0), ("dev_error<0", 6), ("dev_auc>=0", 0), ("dev_auc > 1", 6), ("train_loss<1e9", 0)],
)
def test_gates(nnrun: Nnrun, gate: str, code: int) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    done = nnrun("evaluate", "--require", "dev_error>=0", "--require", gate)
    assert done.code == code
    assert ("--require" in done.err) == bool(code) and done.out


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("dev_error", "write a metric, a sign and a number"),
        ("dev_error<1.2.3", "write a metric, a sign and a number"),
        (
            "dev_eror<1",
            "no metric 'dev_eror'; a name is train, train_dev, dev, test or data, then _ and one of error, loss,",
        ),
        ("dev_error<20", "20 is 2000%, more than any error of use; did you mean 20%?"),
        ("dev_plain_auc>90", "did you mean 90%?"),
        ("dev_r2>90", "90 is 9000%, more than any r2 of use; did you mean 90%?"),
        ("dev_mae<1", "no dev_mae was measured; there are train_error,"),
    ],
)
def test_gates_that_make_no_sense(nnrun: Nnrun, gate: str, message: str) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    done = nnrun("evaluate", "--require", gate)
    assert done.code == 2 and message in done.err


def test_an_error_of_numbers_has_a_gate_as_one_of_classes(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=diabetes"))
    refused = nnrun("evaluate", "--require", "dev_error<20")
    assert refused.code == 2 and "did you mean 20%?" in refused.err
    assert nnrun("evaluate", "--require", "dev_r2>-100").code == 0


def test_of_a_search_the_best_trial_is_evaluated(nnrun: Nnrun, here: Path) -> None:
    nnrun("search", *QUICK, "--trials", "2", "--workers", "1", *sets("data.source=iris"))
    search = nnrun("list", "--json").json["runs"][0]["id"]
    found = nnrun("evaluate", "--json").json
    assert found["run"] == f"{search}/best" and found["test_reads"] == 2
    assert nnrun("evaluate", f"runs/{search}/best", "--json").json["test_reads"] == 3
    assert "test part read 3 times" in nnrun("show").out
    trial = nnrun("evaluate", f"runs/{search}/trials/0001")
    assert "test part is not read" in " ".join(trial.out.split())
    assert trial.out.splitlines()[1] == "data     90 train, 30 dev"
    extended = nnrun("resume", search, "--trials", "3", "-q", "--workers", "1", "--json").json
    assert extended["test_reads"] >= 3
    for file in (here / f"runs/{search}/trials/0001/checkpoints").iterdir():
        file.unlink()
    (here / f"runs/{search}/trials/0001/checkpoints").rmdir()
    pruned = nnrun("evaluate", f"runs/{search}/trials/0001")
    assert pruned.code == 2 and "trains it again" in pruned.err


def test_a_search_tells_the_metric_beside_the_error(nnrun: Nnrun) -> None:
    options = ("--trials", "2", "--workers", "1", *sets("data.source=iris", "metrics.primary=auc"))
    (line,) = (line for line in nnrun("search", *QUICK, *options).out.splitlines() if line.startswith("best "))
    assert re.fullmatch(
        r"best +trial \d: dev [\d.]+% auc [\d.]+, test [\d.]+% auc [\d.]+ \(test part read once\)", line
    )


# calibrating


def test_a_run_is_calibrated_and_goes_by_it_from_then_on(nnrun: Nnrun, here: Path) -> None:
    surer = ("data.source=breast_cancer", "data.split=[0.1,0.4,0.5]", "network.hidden=[16]", "training.epochs=100")
    nnrun("train", *QUICK, *sets(*surer))
    before = nnrun("evaluate", "--json").json
    found = nnrun("evaluate", "--calibrate", "--json").json
    assert found["test_reads"] == before["test_reads"] + 1 and found["scored_part"] == "test"
    loss = before["parts"]["dev"]["metrics"]["network"]["loss"]
    assert found["parts"]["dev"]["before"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert found["temperature"] != 1 and found["parts"]["dev"]["after"]["loss"] < loss
    after = nnrun("evaluate", "--json").json["parts"]
    for part in ("dev", "test"):
        expected = found["parts"][part]["after"]
        assert expected.items() <= {k: pytest.approx(v) for k, v in after[part]["metrics"]["network"].items()}.items()
    page = nnrun("evaluate", "--calibrate")
    assert page.code == 0 and max(map(len, page.out.splitlines()[1:])) <= 80
    assert "dev, before" in page.out and f"temperature {found['temperature']:.4g}, by 228 dev rows" in page.out
    assert "test part read 5 times" in page.out
    nnrun("report")
    (written,) = (here / "runs").glob("*/report.html")
    assert f"at temperature {found['temperature']:.4g}, fitted on dev" in written.read_text()


def test_numbers_are_calibrated_by_their_errors(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=diabetes"))
    found = nnrun("evaluate", "--calibrate", "--json").json
    assert found["temperature"] is None and found["parts"] == {} and found["scored_rows"] == 88
    lines = nnrun("evaluate", "--calibrate").out.splitlines()
    levels = [line.split()[0] for line in lines if line[:1].isdigit()]
    assert levels == ["80%", "90%", "95%"]  # of 99% it would take 99 rows


def test_what_cannot_be_calibrated_with(nnrun: Nnrun, here: Path) -> None:
    source = Path(__file__).parents[2] / "nnrun/data/bundled/iris.csv"
    nnrun("train", *QUICK, *sets("data.source=iris"))
    for more in ([str(source)], ["--require", "dev_error<1"]):
        done = nnrun("evaluate", "latest", *more, "--calibrate")
        assert done.code == 2 and "run's own parts" in done.err


def test_of_a_trial_the_temperature_alone_is_found(nnrun: Nnrun) -> None:
    nnrun("search", *QUICK, "--trials", "2", "--workers", "1", *sets("data.source=iris"))
    search = nnrun("list", "--json").json["runs"][0]["id"]
    trial = f"runs/{search}/trials/0001"
    found = nnrun("evaluate", trial, "--calibrate", "--json").json
    assert list(found["parts"]) == ["dev"] and found["scored_part"] is None and found["test_reads"] is None
    assert "test part is not read" in found["notes"][0]
    refused = nnrun(
        "predict", trial, str(Path(__file__).parents[2] / "nnrun/data/bundled/iris.csv"), "--interval", "90%"
    )
    assert refused.code == 2 and "test is read for the best of them alone" in refused.err
    assert nnrun("evaluate", search, "--calibrate", "--json").json["test_reads"] == 2
    assert nnrun("evaluate", search, "--json").json["test_reads"] == 3


def test_a_calibration_of_other_weights_is_made_anew_as_the_note_says(nnrun: Nnrun, here: Path) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    nnrun("evaluate", "--calibrate")
    nnrun("resume", "latest", "--epochs", "9", "-q")
    noted = " ".join(nnrun("evaluate").out.replace("note ", "").split())
    (told,) = re.findall(r"calibration.json is of other weights .* ignored; `nnrun ([^`]+)` makes it anew", noted)
    assert nnrun(*told.split()).code == 0
    assert "other weights" not in nnrun("evaluate").out


# which columns matter


def test_the_columns_that_matter_are_told_and_no_test_row_is_read(nnrun: Nnrun, here: Path) -> None:
    nnrun("train", *QUICK, *sets("data.source=diabetes", "training.epochs=20"))
    lines = nnrun("evaluate", "--importance").out.splitlines()
    assert lines[1] == "data     88 dev rows, each given the values of 10 others"
    assert re.split(r"  +", lines[3]) == ["column shuffled", "error, points", "95% interval", "loss"]
    assert len(lines[4:14]) == 10 and lines[14] == "" and max(map(len, lines[1:])) <= 80
    found = nnrun("evaluate", "--importance", "--json")
    assert [own["column"] for own in found.json["columns"]] == [line.split()[0] for line in lines[4:14]]
    assert found.err == ""
    assert nnrun("evaluate", "--json").json["test_reads"] == 2
    assert nnrun("show", "--json").code == 0


def test_the_importance_of_columns_stands_alone(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    for options in (["latest", "new.csv"], ["--calibrate"], ["--baselines"], ["--require", "dev_error<1"]):
        done = nnrun("evaluate", *options, "--importance")
        assert done.code == 2 and "goes by the run's own parts, alone" in done.err


# thresholds


def test_what_mistakes_cost_chooses_a_threshold(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=breast_cancer", "training.epochs=10"))
    lines = nnrun("evaluate", "--cost", "malignant=10").out.splitlines()
    (head,) = (line for line in lines if line.startswith("dev, to find of malignant"))
    assert head.split()[-4:] == ["80%", "90%", "95%", "99%"]
    assert any(line.startswith("cost     say malignant from a probability of ") for line in lines)
    assert max(map(len, lines[1:])) <= 80
    found = nnrun("evaluate", "--cost", "malignant=10", "--json").json
    assert found["cost"]["costs"] == {"benign": 1, "malignant": 10} and set(found["cost"]["elsewhere"]) == {"test"}
    assert found["cost"]["cost"] <= found["cost"]["usual"]
    assert found["curves"]["malignant"]["recall"][-1] == 1
    page = nnrun("report", "--cost", "malignant=10", "--json").json["report"]
    assert "Say malignant from a probability of" in Path(page).read_text()
    for command in ("evaluate", "report"):
        refused = nnrun(command, "--cost", "maligant=10")
        assert refused.code == 2 and "did you mean 'malignant'?" in refused.err


def test_no_threshold_between_many_classes_or_numbers(nnrun: Nnrun) -> None:
    nnrun("train", *QUICK, *sets("data.source=iris"))
    assert "this run predicts 3 classes" in nnrun("evaluate", "--cost", "setosa=2").err
    assert set(nnrun("evaluate", "--json").json["curves"]) == {"setosa", "versicolor", "virginica"}
    nnrun("train", *QUICK, *sets("data.source=diabetes"))
    assert "this run predicts numbers" in nnrun("report", "--cost", "a=2").err
    assert "curves" not in nnrun("evaluate", "--json").json


def test_of_a_run_whose_data_was_moved_the_way_is_told(nnrun: Nnrun, here: Path) -> None:
    (here / "old.csv").write_text("x,y\n" + "".join(f"{k % 7},{'ab'[k % 7 > 3]}\n" for k in range(80)))
    nnrun("train", *QUICK, *sets("data.source=old.csv", "data.target=y"))
    known = json.loads(nnrun("evaluate", "--json").out)["parts"]
    (here / "old.csv").rename(here / "new.csv")
    (run,) = (here / "runs").glob("2*")
    told = nnrun("evaluate")
    way = ("resume", run.name, "--set", "data.source=FILE")
    assert told.code == 4 and told.err.startswith(f"the data of {run.name}: ")
    assert told.err.endswith(f"(if it was moved: `nnrun {' '.join(way)}`)\n")
    assert nnrun(*(word.replace("FILE", "new.csv") for word in way)).code == 0
    assert json.loads(nnrun("evaluate", run.name, "--json").out)["parts"] == known
    assert [*(here / "runs").glob("2*")] == [run], "no child"
    rows = (here / "new.csv").read_text().splitlines(keepends=True)
    (here / "more.csv").write_text("".join([*rows, *rows[1:9]]))
    assert nnrun("resume", run.name, "--set", "data.source=more.csv", "--epochs", "4").code == 0
    assert len([*(here / "runs").glob("2*")]) == 2, "of other rows it is one"


def test_of_moved_sets_each_file_that_is_gone_is_asked_for(nnrun: Nnrun, here: Path) -> None:
    """One file in place of three would be split, and rows that were trained on be in dev and test."""
    for part, rows in {"train": 60, "dev": 20, "test": 20}.items():
        (here / f"{part}.csv").write_text("x,y\n" + "".join(f"{k % 7},{'ab'[k % 7 > 3]}\n" for k in range(rows)))
    nnrun("train", *QUICK, *sets("data.source={train: train.csv, dev: dev.csv, test: test.csv}", "data.target=y"))
    for part in ("dev", "test"):
        (here / f"{part}.csv").rename(here / f"own-{part}.csv")
    (run,) = (here / "runs").glob("2*")
    way = f"resume {run.name} --set data.source.dev=FILE --set data.source.test=FILE"
    assert nnrun("evaluate").err.endswith(f"(if it was moved: `nnrun {way}`)\n")
    found = way.replace("dev=FILE", "dev=own-dev.csv").replace("test=FILE", "test=own-test.csv")
    assert (nnrun(*found.split()).code, nnrun("evaluate", run.name).code) == (0, 0)
    assert [*(here / "runs").glob("2*")] == [run]


def moved(nnrun: Nnrun, here: Path, *settings: str) -> Path:
    """A run whose data was moved from old.csv to new.csv."""
    rows = "".join(f"{k % 7},{k % 5},{'ab'[k % 7 > 3]}\n" for k in range(80))
    (here / "old.csv").write_text("x,z,y\n" + rows)
    nnrun("train", *QUICK, *sets("data.source=old.csv", "data.target=y", *settings))
    (run,) = (here / "runs").glob("2*")
    return run


def runs_of(here: Path) -> list[str]:
    return sorted(path.name for path in (here / "runs").glob("2*"))


@pytest.mark.parametrize("kind", ["one", "folds", "seeds", "ensemble", "diverged"])
def test_a_run_of_every_kind_finds_its_own_rows_again(nnrun: Nnrun, here: Path, kind: str) -> None:
    diverges = ("optimizer.name=sgd", "optimizer.learning_rate=1e200")
    settings = {"folds": ["data.folds=3"], "seeds": ["network.ensemble=2"], "diverged": diverges}
    run = moved(nnrun, here, *settings.get(kind, ()))
    if kind == "ensemble":
        nnrun("train", *QUICK, *sets("data.source=old.csv", "data.target=y", "seed=1"))
        nnrun("ensemble", *runs_of(here))
        run = max((here / "runs").glob("2*-ensemble-*"))
    known, before = nnrun("evaluate", run.name), runs_of(here)
    (here / "old.csv").rename(here / "new.csv")
    assert nnrun("resume", run.name, "--set", "data.source=new.csv").code == (5 if kind == "diverged" else 0)
    assert "old.csv" not in "".join(path.read_text() for path in run.rglob("resolved.yaml"))
    again = nnrun("evaluate", run.name)
    assert (again.code, again.err, runs_of(here)) == (known.code, known.err, before)
    assert again.out.replace("read 3 times", "read 2 times") == known.out, "the test part was not read in between"


@pytest.mark.parametrize("settings", [(), ("data.folds=3",)])
def test_every_command_that_reads_the_data_of_a_run_tells_how_it_is_found_again(
    nnrun: Nnrun, here: Path, settings: tuple[str, ...]
) -> None:
    run = moved(nnrun, here, *settings)
    (here / "old.csv").rename(here / "new.csv")
    way = f"(if it was moved: `nnrun resume {run.name} --set data.source=FILE`)"
    commands = ["evaluate", "resume", "rerun", "split", "improve", "ensemble --seeds 2"]
    for words in [*commands, *([] if settings else ["rewind"])]:
        command, *options = words.split()
        told = nnrun(command, run.name, *options)
        assert (told.code, told.err.endswith(f"{way}\n")) == (4, True), told.err
    assert nnrun("train", str(run / "resolved.yaml")).err.endswith(f"{way}\n")
    named = nnrun("improve", run.name, "--set", "data.source=none.csv").err
    assert named.startswith("--set data.source=none.csv: ") and "moved" not in named
    assert nnrun("export", run.name, "-o", "model.py").code == 0 and Path("model.py").exists()


def test_the_same_rows_in_another_file_are_told_to_be_one(nnrun: Nnrun, here: Path) -> None:
    run = moved(nnrun, here, "data.folds=3")
    (here / "new.csv.gz").write_bytes(gzip.compress((here / "old.csv").read_bytes()))
    packed = ("--set", "data.source=new.csv.gz")
    whole = nnrun("resume", run.name, *packed)
    why = "the data there is not what it began with; data.source may only name where it lies, and the same rows packed"
    assert (whole.code, whole.err) == (4, f"{run.name}: {why} or saved anew are another file\n")
    assert "made of several networks" in nnrun("resume", run.name, *packed, "--epochs", "9").err
    nnrun("train", *QUICK, *sets("data.source=old.csv", "data.target=y"))
    told = " ".join(nnrun("resume", "latest", *packed).err.split())
    assert "(the same rows packed or saved anew are another file), so this is a child run; " in told
    other = " ".join(
        nnrun("resume", "latest", *packed, "--set", "optimizer.learning_rate=0.01", "--epochs", "4").err.split()
    )
    assert "child run" not in other
