"""Evaluating runs: the numbers are those of the run and of scikit-learn, and reads of the test part are counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from nnrun.config.load import load_config
from nnrun.data.raw import read_parts
from nnrun.engine.metrics import metrics_of
from nnrun.engine.parameters import Array
from nnrun.errors import DataError, UsageError
from nnrun.files import CHECKSUM, sealed_document
from nnrun.models.evaluation import Evaluation
from nnrun.models.model import load_model
from nnrun.models.reads import count_read
from nnrun.models.rows import Predictions
from nnrun.models.telling import page
from nnrun.models.trained import Trained, trained
from nnrun.models.verbs import evaluate
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.rewinding import rewind
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]

QUICK = ("network.hidden=[8]", "network.batch_norm=true", "training.epochs=4")


def in_file(outcome: Outcome, part: str, path: Path) -> Path:
    """The raw rows of a part as a file, columns in another order."""
    frame = read_parts(load_config(outcome.run.path / "resolved.yaml").config.data)[part].frame
    frame[frame.columns[::-1]].to_csv(path, index=False)
    return path


@pytest.mark.parametrize("source", ["iris", "breast_cancer", "diabetes"])
def test_the_numbers_are_those_that_training_ended_with(train_run: Train, source: str) -> None:
    outcome = train_run(f"data.source={source}", *QUICK)
    found, final = evaluate(load_model(StoredRun(outcome.run))), outcome.record["final"]
    assert set(found.results) == {"train", "dev", "test"}
    for part in found.results:
        assert found.rows[part] == outcome.record["data"]["rows"][part]
        for name in ("error", "loss", "rmse"):
            if f"{part}_{name}" in final:
                assert found.value(f"{part}_{name}") == pytest.approx(final[f"{part}_{name}"], rel=1e-5)
        assert list(found.results[part]["network"]) == list(metrics_of(found.model.target.task))


def test_a_file_gives_what_its_rows_gave_in_the_run(train_run: Train, tmp_path: Path) -> None:
    for source in ("iris", "diabetes"):
        outcome = train_run(f"data.source={source}", *QUICK)
        own, of_file = (
            evaluate(load_model(StoredRun(outcome.run))),
            evaluate(load_model(StoredRun(outcome.run)), str(in_file(outcome, "dev", tmp_path / "dev.csv"))),
        )
        for predictor, known in own.results["dev"].items():
            assert of_file.results["data"][predictor] == pytest.approx(known, rel=1e-5), predictor
        assert of_file.test_reads is None


@pytest.mark.parametrize(
    ("then", "why"),
    [
        (["color=navy", "color=red", "x"], "features: color=navy gone, color=blue new"),
        (["color=red", "x", "color=blue"], "features: in another order"),
        (["color=red", "x"], "features: color=blue new"),
    ],
    ids=["another meaning", "another order", "another number"],
)
def test_rows_that_become_other_features_are_refused(
    then: list[str], why: str, train_run: Train, tmp_path: Path
) -> None:
    """Each weight stands for a feature, so that scores of a network mean nothing on others, however many these are."""
    path = tmp_path / "colors.csv"
    path.write_text("color,x,y\n" + "".join(f"{('red', 'blue')[i % 2]},{i},{'ab'[i // 40]}\n" for i in range(80)))
    first = train_run(f"data.source={path}", "data.target=y", *QUICK, "training.epochs=1").run
    assert evaluate(load_model(StoredRun(first)))
    document = json.loads((first.path / "data.json").read_text()) | {"features": then}
    (first.path / "data.json").write_text(sealed_document({k: v for k, v in document.items() if k != CHECKSUM}))
    told = f"the rows are the same, but are not read as when {first.id} was trained: {why}"
    for refused in (trained, lambda run: verbs.resume(run.directory, epochs=2), lambda run: rewind(run.directory, "1")):
        with pytest.raises(DataError, match=re.escape(f"{told}; train anew")):
            refused(StoredRun(first))
    again, _ = verbs.rerun(first, first.path.parent)
    assert told in " ".join(again.run.read("log.txt").decode().replace("note ", " ").split())


def test_against_scikit_learn(train_run: Train, tmp_path: Path) -> None:
    outcome = train_run("data.source=wine", *QUICK)
    found, model = evaluate(load_model(StoredRun(outcome.run))), load_model(StoredRun(outcome.run))
    table = read_parts(model.config.data)["dev"]
    y, p = model.target.encode(table, "float32"), model.predict(table).astype(float)
    of = found.results["dev"]["network"]
    assert of["loss"] == pytest.approx(reference.log_loss(y, p / p.sum(axis=1, keepdims=True)), rel=1e-5)
    assert of["auc"] == pytest.approx(reference.roc_auc_score(y, p / p.sum(axis=1, keepdims=True), multi_class="ovr"))
    assert of["f1"] == pytest.approx(reference.f1_score(y, p.argmax(axis=1), average="macro"))
    assert found.counts["dev"].tolist() == reference.confusion_matrix(y, p.argmax(axis=1)).tolist()


def test_what_the_baselines_reach(train_run: Train) -> None:
    found = evaluate(load_model(StoredRun(train_run("data.source=digits", *QUICK).run)))
    errors = {predictor: of["error"] for predictor, of in found.results["dev"].items()}
    assert errors["linear"] < 0.05 < 0.85 < errors["constant"], "of ten classes of equal size"
    assert found.value("dev_error") == errors["network"]
    assert found.document["linear_rows"] == found.rows["train"]


def test_by_time_simple_models_of_the_whole_learn_from_the_newest_fold(train_run: Train, tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "t.csv"
    frame = pd.DataFrame(rng.standard_normal((200, 6)), columns=list("abcdef")).round(4)
    frame["t"] = np.arange(200)
    frame["y"] = (frame[list("abcdef")].sum(axis=1) + frame["t"] / 50 + rng.standard_normal(200)).round(4)
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    settings = (f"data.source={path}", "data.target=y", "data.time=t", "data.folds=3", "data.split=[0.4, 0.4, 0.2]")
    run = StoredRun(train_run(*settings, "data.drop=[t]", *QUICK).run)
    newest = frame[:120]  # three of the four blocks before test
    frame[160:].to_csv(new := tmp_path / "new.csv", index=False)
    found, of_file = evaluate(load_model(run), boosting=True), evaluate(load_model(run), str(new), boosting=True)
    scaler, x, of_new = StandardScaler().fit(newest[list("abcdef")]), newest[list("abcdef")], frame[160:]
    models = {"linear": Ridge(alpha=1.0), "boosting": HistGradientBoostingRegressor(random_state=0)}
    for name, model in models.items():
        said = model.fit(scaler.transform(x), newest["y"]).predict(scaler.transform(of_new[list("abcdef")]))
        rmse = reference.root_mean_squared_error(of_new["y"], said)
        for results in (found.results["test"], of_file.results["data"]):
            assert results[name]["rmse"] == pytest.approx(rmse, rel=1e-3), name
    guess = reference.root_mean_squared_error(of_new["y"], np.full(40, newest["y"].mean()))
    assert of_file.results["data"]["constant"]["rmse"] == pytest.approx(guess, rel=1e-4)
    assert len(trained(run).apart.parts["train"].y) == 120
    told = "\n".join([*page(found), *page(of_file)])
    for text in ("ridge regression on 40 to 120 training rows", "HistGradientBoosting on 40 to 120 training rows",
                 "ridge regression on 120 training rows", "HistGradientBoosting on 120 training rows"):  # fmt: skip
        assert text in " ".join(told.split()), text
    assert [each.document["linear_rows"] for each in (found, of_file)] == [120, 120]


def test_reads_of_the_test_part_are_counted(train_run: Train) -> None:
    run = train_run("data.source=iris", *QUICK).run
    assert [evaluate(load_model(StoredRun(run))).test_reads for _ in range(2)] == [2, 3]
    verbs.resume(run, epochs=5)
    assert evaluate(load_model(StoredRun(run))).test_reads == 5


def test_reads_at_the_same_time_are_all_counted(train_run: Train) -> None:
    run = train_run("data.source=iris", *QUICK).run
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: count_read(RunDir(run.path)), range(8)))
    assert sorted(counts) == [2, 3, 4, 5, 6, 7, 8, 9], "one when training ended"


def test_a_run_that_cannot_be_written_to_is_evaluated_all_the_same(
    train_run: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train_run("data.source=iris", *QUICK).run

    def full(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(RunDir, "event", full)
    assert evaluate(load_model(StoredRun(run))).test_reads == 2


def test_a_class_without_rows_in_a_file(train_run: Train, tmp_path: Path) -> None:
    outcome = train_run("data.source=wine", *QUICK)
    path = in_file(outcome, "train", tmp_path / "some.csv")
    header, *lines = path.read_text().splitlines()
    one = [line for line in lines if line.split(",")[0] == lines[0].split(",")[0]]
    path.write_text("\n".join([header, *one]) + "\n")
    of = evaluate(load_model(StoredRun(outcome.run)), str(path)).results["data"]["network"]
    assert np.isnan(of["auc"]) and np.isfinite([of["error"], of["loss"], of["f1"], of["balanced_error"]]).all()


@pytest.fixture
def plants(tmp_path: Path) -> tuple[RunDir, Path]:
    """A run on a file, and the file."""
    rng = np.random.default_rng(0)
    path = tmp_path / "plants.csv"
    rows = "".join(
        f"{a:.3f},{'red' if a > 0 else 'blue'},{'tree' if a > 0.2 else 'bush'}\n" for a in rng.normal(size=60)
    )
    path.write_text("width,colour,kind\n" + rows)
    values = [f"data.source={path}", "data.target=kind", *QUICK]
    return verbs.train(load_config(None, values), tmp_path / "runs").run, path


MISTAKES = {
    "no target": ("width,colour\n1,red\n", "new.csv:1: no column 'kind'"),
    "no feature": ("width,kind\n1,tree\n", "new.csv:1: no column 'colour', which"),
    "unknown class": ("width,colour,kind\n1,red,bush\n1,red,moss\n", "new.csv:3:3: class 'moss' does not occur in"),
    "unknown target": ("width,colour,kind\n1,red,bush\n1,red,\n", "new.csv:3:3: no value in target column 'kind'"),
    "no number": ("width,colour,kind\nwide,red,bush\n", "new.csv:2:1: 'wide' in column 'width' is not a number"),
    "no rows": ("width,colour,kind\n", "new.csv:1: a header but no rows"),
    "nothing": ("", "new.csv: the file is empty"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_a_file_are_told_with_their_place(
    plants: tuple[RunDir, Path], tmp_path: Path, mistake: str
) -> None:
    content, message = MISTAKES[mistake]
    (tmp_path / "new.csv").write_text(content)
    with pytest.raises(DataError) as caught:
        evaluate(load_model(StoredRun(plants[0])), str(tmp_path / "new.csv"))
    assert message in str(caught.value)


def test_without_the_data_of_the_run_a_file_is_measured_without_baselines(
    plants: tuple[RunDir, Path], tmp_path: Path
) -> None:
    run, path = plants
    path.rename(tmp_path / "new.csv")
    found: Evaluation = evaluate(load_model(StoredRun(run)), str(tmp_path / "new.csv"))
    assert list(found.results["data"]) == ["network"]
    assert "nothing to fit baselines on" in found.notes[0] and "no such file" in found.notes[0]
    with pytest.raises(DataError, match="no such file"):
        evaluate(load_model(StoredRun(run)))


def test_without_a_checkpoint(plants: tuple[RunDir, Path]) -> None:
    for file in (plants[0].path / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="has no checkpoint"):
        evaluate(load_model(StoredRun(plants[0])))


def test_weights_count_as_in_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=90), rng.integers(1, 5, 90)
    y = np.where(x + 0.5 * rng.normal(size=90) > 0.5, "yes", "no")
    path = tmp_path / "weighed.csv"
    path.write_text("x,w,y\n" + "".join(f"{a:.4f},{w},{b}\n" for a, w, b in zip(x, weights, y, strict=True)))
    values = [f"data.source={path}", "data.target=y", "data.weight=w", "data.class_weight=balanced", *QUICK]
    outcome = verbs.train(load_config(None, values), tmp_path / "runs")
    found = evaluate(load_model(StoredRun(outcome.run)))
    for part in found.results:
        for name in ("error", "loss"):
            assert found.value(f"{part}_{name}") == pytest.approx(outcome.record["final"][f"{part}_{name}"], rel=1e-5)
        assert found.counts[part].sum() == found.rows[part], "of a class rows are counted, as a page of the run does"
    assert "is divided by the rows of its class" in found.notes[0] and "rows are counted" in found.notes[0]
    of_file = evaluate(load_model(StoredRun(outcome.run)), str(in_file(outcome, "dev", tmp_path / "dev.csv")))
    for predictor, known in found.results["dev"].items():
        assert of_file.results["data"][predictor] == pytest.approx(known, rel=1e-5), predictor
    dev = (tmp_path / "dev.csv").read_text().splitlines()
    (tmp_path / "bare.csv").write_text("\n".join(line.replace(",w,", ",v,") for line in dev) + "\n")
    bare = evaluate(load_model(StoredRun(outcome.run)), str(tmp_path / "bare.csv"))
    assert "there is no column 'w', so rows are not weighed by it" in bare.notes
    assert bare.value("data_loss") != pytest.approx(found.value("dev_loss"), rel=1e-5)


def test_a_file_without_the_column_of_weights_has_plain_errors(tmp_path: Path) -> None:
    rows = [f"{k},{k * k % 7},{1 + k % 3}\n" for k in range(90)]
    (tmp_path / "w.csv").write_text("x,y,w\n" + "".join(rows))
    (tmp_path / "bare.csv").write_text("x,y\n" + "".join(f"{row.rpartition(',')[0]}\n" for row in rows))
    (tmp_path / "none.csv").write_text("x,y,w\n" + "".join(f"{row.rpartition(',')[0]},0\n" for row in rows))
    values = [f"data.source={tmp_path / 'w.csv'}", "data.target=y", "data.task=regression", "data.weight=w", *QUICK]
    model = load_model(StoredRun(verbs.train(load_config(None, values), tmp_path / "runs").run))
    found = evaluate(model, str(tmp_path / "bare.csv"))
    assert "plain" not in found.document["parts"]["data"]
    assert found.notes == ["there is no column 'w', so rows are not weighed by it"]
    assert not {"weighted", "plain"} & set(" ".join(page(found)).split())
    with pytest.raises(DataError, match=r"none.csv: no row counts, as all weigh 0 by column 'w'$"):
        evaluate(model, str(tmp_path / "none.csv"))


@pytest.mark.parametrize("source", ["breast_cancer", "diabetes"])
def test_boosted_trees_are_those_of_scikit_learn_on_the_training_rows(train_run: Train, source: str) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    outcome = train_run(f"data.source={source}", *QUICK)
    found = evaluate(load_model(StoredRun(outcome.run)), boosting=True)
    parts = trained(StoredRun(outcome.run)).dataset.parts
    of_classes = found.model.target.classes is not None
    trees = (HistGradientBoostingClassifier if of_classes else HistGradientBoostingRegressor)(random_state=0)
    told = trees.fit(parts["train"].x, parts["train"].y.ravel()).predict(parts["dev"].x)
    y = parts["dev"].y.ravel()
    error = np.mean(told != y) if of_classes else 1 - reference.r2_score(y, told)
    of_dev = found.results["dev"]
    assert of_dev["boosting"]["error"] == pytest.approx(error, rel=1e-5)
    assert found.gains["dev"]["error"] == pytest.approx(of_dev["network"]["error"] - of_dev["boosting"]["error"])
    assert found.document["parts"]["dev"]["gain"]["standard_error"] > 0
    assert "boosting" not in evaluate(load_model(StoredRun(outcome.run))).results["dev"]


def test_what_is_said_of_trees_goes_by_what_the_rows_can_tell(train_run: Train) -> None:
    outcome = train_run("data.source=iris", *QUICK)
    found = evaluate(load_model(StoredRun(outcome.run)), boosting=True)

    def told(error: float, half: float) -> str:
        found.gains["dev"] = {"error": error, "standard_error": 0.01, "low": error - half, "high": error + half}
        return " ".join(" ".join(page(found)).split())

    said = "by 3.00 points of error on dev (95% interval 1.00 to 5.00)"
    assert f"the network errs more, {said}: on this table trees are the better choice test" in told(0.03, 0.02)
    found.gains["test"] = {"error": 0.05, "standard_error": 0.01, "low": -0.01, "high": 0.11}
    flattered = "dev chose the network's epoch, but nothing of the trees, which flatters it"
    of_test = "on test it errs more, by 5.00 points (95% interval -1.00 to 11.00), which may be chance"
    assert f"the network errs less, {said}; {flattered}; {of_test} test test part read" in told(-0.03, 0.02)
    del found.gains["test"]
    assert f"the network errs less, {said}; {flattered} test test part read" in told(-0.03, 0.02)
    said = "by 1.00 points of error on dev (95% interval -1.00 to 3.00), which may be chance"
    assert f"the network errs more, {said}" in told(0.01, 0.02)
    assert f"the network errs less, {said}" in told(-0.01, 0.02)
    assert f"the network errs as often; {flattered}" in told(0.0, 0.02)


@pytest.mark.parametrize("more", [(), ("data.task=classification", "data.class_weight=balanced")])
def test_rows_of_all_folds_count_by_the_column_of_weights(tmp_path: Path, more: tuple[str, ...]) -> None:
    """The mean weight of a fold says how much its rows count beside those of others."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=60), np.repeat([1, 2, 4, 80], 15)
    y = (x > 0.4).astype(int) if more else np.round(3 * x + rng.normal(size=60), 4)
    cells = zip(np.round(x, 4), weights, np.repeat(range(4), 15), y, strict=True)
    (tmp_path / "w.csv").write_text("x,w,shop,y\n" + "".join(",".join(map(str, row)) + "\n" for row in cells))
    named = [f"data.source={tmp_path}/w.csv", "data.target=y", "data.weight=w", "data.group=shop", "data.folds=4"]
    outcome = verbs.train(load_config(None, [*named, *more, *QUICK]), tmp_path / "runs")
    run, found = trained(StoredRun(outcome.run)), evaluate(load_model(StoredRun(outcome.run)))
    folds = run.pieces("dev")
    own = [float(np.asarray(one.raw()["dev"].column("w"))[0]) for one in folds]
    true, said = (np.concatenate(of) for of in zip(*(_told(one) for one in folds), strict=True))
    counting = np.repeat(own, 15) * (1 / np.bincount(true)[true] if more else 1.0)
    np.testing.assert_allclose(run.weights("dev"), counting / counting.mean())
    error = (
        counting @ (true != said) / counting.sum()
        if more
        else 1 - reference.r2_score(true, said, sample_weight=counting)
    )
    assert found.value("dev_error") == pytest.approx(error, rel=1e-5)


def _told(fold: Trained) -> tuple[Array, Array]:
    """The targets of the dev rows, and what is predicted."""
    part, target = fold.dataset.parts["dev"], fold.model.target
    found = fold.model.predict_features(part.x)
    return (part.y, fold.model.decided(found)) if target.classes else (target.own(part.y).ravel(), found)


def test_a_row_that_trains_several_folds_is_one_row_and_numbers_have_no_classes(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("x,w,y\n" + "".join(f"{i % 7},{1 + i % 3},{i * 0.37 % 5}\n" for i in range(60)))
    values = [f"data.source={tmp_path}/n.csv", "data.target=y", "data.weight=w", "data.folds=4", *QUICK]
    found = evaluate(load_model(StoredRun(verbs.train(load_config(None, values), tmp_path / "runs").run)))
    assert found.rows == {"train": 60, "dev": 60}
    assert "column 'w' weighs the rows" in found.notes[0] and "class" not in found.notes[0]


def test_truths_in_a_column_of_numbers_are_told(plants: tuple[RunDir, Path], tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("width,colour\nTrue,red\nFalse,blue\n")
    made = Predictions(load_model(StoredRun(plants[0])))
    list(made.of_source(str(new)))
    told = "column 'width' holds true and false, where training had numbers; they are taken for 1 and 0"
    assert made.notices()[0] == told


UNITS = {
    "another one": ("110 lb,50%", "has numbers in lb, and was trained on numbers in kg; convert them to kg"),
    "a fraction": ("49.9 kg,0.5", "numbers without %, and was trained on numbers with it; write 5.5% as the text 5.5%"),
    "one": ("49.9 kg,50%", None),
    "none": ("49.9,50%", None),
}


@pytest.mark.parametrize("unit", UNITS)
def test_new_rows_have_the_units_of_training(tmp_path: Path, unit: str) -> None:
    path, new = tmp_path / "a.csv", tmp_path / "new.csv"
    path.write_text("weight,share,y\n" + "".join(f"{40 + i} kg,{i % 9}%,{i / 3}\n" for i in range(60)))
    run = verbs.train(load_config(None, [f"data.source={path}", "data.target=y", *QUICK]), tmp_path / "runs").run
    cells, message = UNITS[unit]
    new.write_text(f"weight,share\n{cells}\n")
    made = Predictions(load_model(StoredRun(run)))
    if message is not None:
        with pytest.raises(DataError, match=message):
            list(made.of_source(str(new)))
        return
    list(made.of_source(str(new)))
    told = "the numbers of column 'weight' have no unit; they are taken for kg, as in training"
    assert (told in made.notices()) == (unit == "none")


ODD = {
    "another unit": ({50: "110 lb,8%,1,000.5"}, "50:1: '110 lb' in column 'weight' is in lb, where training had kg;"),
    "no unit": ({50: "110,8%,1,000.5"}, "50:1: '110' in column 'weight' has no unit, where training had kg; correct"),
    "no unit at the top": ({2: "110,8%,1,000.5"}, "2:1: '110' in column 'weight' has no unit, where training had kg"),
    "a word": ({50: "five kg,8%,1,000.5"}, "50:1: 'five kg' in column 'weight' is not a number; correct it"),
    "a word after one for a gap": ({9: "n.a.,8%,1,000.5", 50: "five,8%,1,000.5"}, "50:1: 'five' in column 'weight' is"),
    "a word, and no units": (
        {**{line: f"{line},8%,1,000.5" for line in range(2, 62)}, 50: "five,8%,1,000.5"},
        "50:1: 'five' in column 'weight' is not a number; correct it",
    ),
    "infinite": ({50: "inf,8%,1,000.5"}, "50:1: 'inf' in column 'weight' is not a number; correct it"),
    "a fraction": ({50: "5 kg,0.08,1,000.5"}, "50:2: '0.08' in column 'share' has no unit, where training had %;"),
    "other thousands": ({50: "5 kg,8%,1.000,5"}, "50:3: '1.000,5' in column 'price' is not a number; correct it"),
    "another sign": ({50: "5 kg,8%,$1"}, "50:3: '$1' in column 'price' is in $, where training had none; correct it"),
}


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, list[str]]:
    """A run on numbers with units and grouped thousands, and the rows of its file without the target."""
    folder = tmp_path_factory.mktemp("priced")
    rows = [f'{40 + i}.5 kg,{i % 9}%,"{1000 + i:,}.5"' for i in range(60)]
    lines = ["weight,share,price,y", *(f"{row},{i / 3}" for i, row in enumerate(rows))]
    (folder / "a.csv").write_text("".join(f"{line}\n" for line in lines))
    values = [f"data.source={folder / 'a.csv'}", "data.target=y", *QUICK]
    return verbs.train(load_config(None, values), folder / "runs").run, rows


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_cell_among_numbers_with_units_is_named_itself(
    priced: tuple[RunDir, list[str]], tmp_path: Path, odd: str
) -> None:
    (run, rows), (cells, message) = priced, ODD[odd]
    new, lines = tmp_path / "new.csv", ["weight,share,price", *rows]
    for line, text in cells.items():
        weight, share, price = text.split(",", 2)
        lines[line - 1] = f'{weight},{share},"{price}"'
    new.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(DataError) as caught:
        list(Predictions(load_model(StoredRun(run))).of_source(str(new)))
    assert str(caught.value).startswith(f"{new}:{message}")
    with pytest.raises(DataError) as caught:
        Predictions(load_model(StoredRun(run))).of_rows(pd.read_csv(new))
    place, _, what = message.partition(" ")
    assert str(caught.value).startswith(f"the rows: row {int(place.split(':')[0]) - 1}: {what.removesuffix(':')}")


def test_numbers_in_text_of_parquet_are_those_of_a_run(tmp_path: Path) -> None:
    """A column with a unit can be written in no other way there."""
    path, new = tmp_path / "a.csv", tmp_path / "new.parquet"
    frame = pd.DataFrame({"weight": [f"{40 + i} kg" for i in range(60)], "share": [f"{i % 9}.5%" for i in range(60)]})
    frame.assign(y=np.arange(60) / 3).to_csv(path, index=False)
    run = verbs.train(load_config(None, [f"data.source={path}", "data.target=y", *QUICK]), tmp_path / "runs").run
    model = load_model(StoredRun(run))
    frame.assign(weight=frame["weight"].where(frame.index % 2 == 0)).to_parquet(new)
    made = pd.concat(Predictions(model).of_source(str(new)))["prediction"]
    wanted = pd.concat(Predictions(model).of_source(str(path)))["prediction"]
    assert made[::2].tolist() == wanted[::2].tolist()
    for share, what in [("5 kg", "'5 kg' in column 'share' is in kg, where training had %"), (5.5, "the text 5.5%")]:
        frame.assign(share=[*frame["share"][:59], share] if isinstance(share, str) else share).to_parquet(new)
        with pytest.raises(DataError, match=re.escape(what)):
            list(Predictions(model).of_source(str(new)))


def test_an_evaluation_tells_how_a_file_was_read(tmp_path: Path) -> None:
    """Once each, as predictions do, as its error may come from there."""
    path, new = tmp_path / "a.csv", tmp_path / "new.csv"
    path.write_text("weight,x,y\n" + "".join(f"{40 + i} kg,{i}.5,{i / 3}\n" for i in range(60)))
    run = verbs.train(load_config(None, [f"data.source={path}", "data.target=y", *QUICK]), tmp_path / "runs").run
    new.write_text("weight;x;y\n" + "".join(f"{40 + i};{i},5;{i},25\n" for i in range(60)))
    model = load_model(StoredRun(run))
    made, notes = Predictions(model), evaluate(model, str(new)).notes
    list(made.of_source(str(new)))
    assert "the numbers of column 'weight' have no unit; they are taken for kg, as in training" in notes
    assert len(notes) == len(set(notes))
    told = [notice for notice in made.notices() if "the target 'y' is there too" not in notice]
    assert "decimal commas" in " ".join(told) and set(told) <= set(notes)


@pytest.mark.parametrize("stored", [False, True])
def test_new_times_have_an_offset_as_those_of_training_have(tmp_path: Path, stored: bool) -> None:
    path, times = tmp_path / "a.csv", pd.date_range("2026-01-01", periods=60, freq="17h", tz="UTC")
    pd.DataFrame({"t": times, "y": np.arange(60) / 3}).to_csv(path, index=False)
    run = verbs.train(load_config(None, [f"data.source={path}", "data.target=y", *QUICK]), tmp_path / "runs").run
    told = "times of column 't' have no offset, where those of training have one; they are taken for UTC"
    for frame in (pd.DataFrame({"t": times}), pd.DataFrame({"t": times.tz_localize(None)})):
        new = tmp_path / ("new.parquet" if stored else "new.csv")
        frame.to_parquet(new) if stored else frame.to_csv(new, index=False)
        made = Predictions(load_model(StoredRun(run)))
        list(made.of_source(str(new)))
        assert (told in made.notices()) == (frame["t"].dt.tz is None)


def test_new_times_have_an_offset_where_the_format_of_training_has_none(tmp_path: Path) -> None:
    """Whose text has no room for one."""
    path, times = tmp_path / "a.csv", pd.date_range("2026-01-01", periods=60, freq="17h")
    pd.DataFrame({"t": times.strftime("%d.%m.%Y %H:%M"), "y": np.arange(60) / 3}).to_csv(path, index=False)
    run = verbs.train(load_config(None, [f"data.source={path}", "data.target=y", *QUICK]), tmp_path / "runs").run
    told = "times of column 't' have an offset, where those of training have none; they are taken in UTC"
    for zone in (None, "Europe/Berlin"):
        pd.DataFrame({"t": times.tz_localize(zone)}).to_parquet(new := tmp_path / "new.parquet")
        made = Predictions(load_model(StoredRun(run)))
        list(made.of_source(str(new)))
        assert (told in made.doubts()) == (zone is not None)


def test_stored_dates_are_dates_whatever_text_training_had(tmp_path: Path) -> None:
    """In a frame, of pandas or of Python, and in a workbook, also beside text; other text stays no date."""
    path, days = tmp_path / "a.csv", pd.Series(pd.date_range("2021-01-01", periods=60, freq="17D"))
    texts = days.dt.strftime("%d.%m.%y")
    pd.DataFrame({"day": texts, "y": np.arange(60) / 3}).to_csv(path, index=False)
    run = verbs.train(load_config(None, [f"data.source={path}", "data.target=y", *QUICK]), tmp_path / "runs").run
    model = load_model(StoredRun(run))
    days[3] = texts[3] = None
    expected = Predictions(model).of_rows(pd.DataFrame({"day": texts}))["prediction"]
    assert expected.nunique() > 20
    own = pd.Series([None if pd.isna(day) else day.date() for day in days], dtype=object)
    for stored in (days, days.dt.tz_localize("UTC"), own):
        np.testing.assert_array_equal(Predictions(model).of_rows(pd.DataFrame({"day": stored}))["prediction"], expected)
    workbook, mixed = tmp_path / "new.xlsx", days.astype(object)
    mixed[5], mixed[50] = texts[5], texts[50]
    pd.DataFrame({"n": range(60), "day": mixed}).to_excel(workbook, index=False)
    found = pd.concat(Predictions(model).of_source(str(workbook)))["prediction"]
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(DataError, match=r"the rows: row 1: '2021-01-01' in column 'day' is not a date like 31\.01\.26"):
        Predictions(model).of_rows(pd.DataFrame({"day": days.dt.strftime("%Y-%m-%d")}))
