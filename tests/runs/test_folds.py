"""A run of K folds: each to the bits of the fold trained alone, killed or not, and what they come to together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.data.raw import read_parts
from nnrun.data.split import Folds, split_rows
from nnrun.errors import DataError, UsageError
from nnrun.files import sealed_document
from nnrun.insight.diagnosis.regions import by_column
from nnrun.insight.diagnosis.verbs import of_a_run
from nnrun.models.importance.measuring import importance
from nnrun.models.model import load_model
from nnrun.models.verbs import evaluate
from nnrun.report.verbs import report_of
from nnrun.runs import verbs
from nnrun.runs.checkpoints import load_weights
from nnrun.runs.conclusion import mean_epoch, mean_final
from nnrun.runs.finding import find_run, list_runs, name_of
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.members import folds_told, member, members_of, read_ensemble, refitted, whole_of
from nnrun.runs.records import Row
from nnrun.runs.requests import Do, answer_lines, ask
from nnrun.runs.rewinding import rewind
from nnrun.runs.rundir import RunDir
from nnrun.runs.steering import Steering
from nnrun.runs.stored import StoredRun, record_of
from nnrun.runs.together import mean_rows

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

IRIS = (
    "data.source=iris", "data.folds=3", "network.hidden=[6]", "network.batch_norm=true", "regularization.dropout=0.2",
    "training.epochs=6", "regularization.early_stopping={patience: 2}",
)  # fmt: skip


def of_all(run: RunDir, bits: Bits) -> list[Any]:
    return [*map(bits, members_of(run)), [{**row, "seconds": 0} for row in run.metrics()], run.read("members.json")]


def test_each_fold_is_the_run_that_it_is_alone(tmp_path: Path, train_run: Train, bits: Bits) -> None:
    run = train_run(*IRIS).run
    folds = members_of(run)
    assert [fold.path for fold in folds] == [run.path / f"members/{name}" for name in ("01", "02", "03")]
    for number, fold in enumerate(folds, start=1):
        alone = verbs.train(load_config(fold.resolved), tmp_path / "alone").run
        given = train_run(*IRIS, f"data.fold={number}", root=tmp_path / "given").run
        assert bits(alone) == bits(given) == bits(fold)
        assert fold.read("data.json") == alone.read("data.json")
    again = verbs.train(load_config(run.resolved), tmp_path / "again").run
    assert of_all(again, bits) == of_all(run, bits)


def test_the_whole_is_what_its_folds_are_on_average(train_run: Train) -> None:
    outcome = train_run(*IRIS)
    run, record, folds = outcome.run, outcome.record, [fold.read_record() for fold in members_of(outcome.run)]
    finals = [dict(fold["final"] or {}) for fold in folds]
    assert record["status"] == outcome.status == "done" and record["epochs"] == max(
        fold["epochs"] or 0 for fold in folds
    )
    final = dict(record["final"] or {})
    errors = [final_["dev_error"] for final_ in finals]
    assert final.pop("dev_error_se") == pytest.approx(stdev(errors) / 3**0.5)  # type: ignore[type-var]
    assert final == {name: pytest.approx(fmean(each[name] for each in finals)) for name in finals[0]}
    assert record["data"]["rows"] == {"train": 150, "dev": 150}
    assert record["best_epoch"] == round(fmean(fold["best_epoch"] or 0 for fold in folds))
    about = [
        {"id": f"members/0{k}", "fold": k, "seed": 0, "rows": fold["data"]["rows"], "weight": 1 / 3,
         "best_epoch": fold["best_epoch"], "dev_error": one["dev_error"], "dev_loss": one["dev_loss"]}
        for k, (fold, one) in enumerate(zip(folds, finals, strict=True), start=1)
    ]  # fmt: skip
    ensemble = read_ensemble(run)
    assert record["members"] == ensemble["members"] == about
    assert (ensemble["how"], ensemble["weights"]) == ("folds", [1 / 3] * 3)
    assert [event["event"] for event in run.events()] == ["started", "done"]


def row(epoch: int, **values: Any) -> Row:
    return {"epoch": epoch, "step": 10 * epoch, "seconds": 1.0, **values}  # type: ignore[typeddict-item]


def test_epochs_are_means_in_which_a_fold_that_has_ended_stays() -> None:
    short = [row(1, dev_error=0.4, dev_loss=None, layers={}, step_losses=[0.3, 0.2])]
    long = [row(1, dev_error=0.2, dev_loss=1.0, layers={}, step_losses=[0.4]), row(2, dev_error=0.1, dev_loss=0.5)]
    assert mean_rows([short, long, []]) == [
        {"epoch": 1, "step": 10, "dev_error": pytest.approx(0.3), "dev_loss": 1.0, "seconds": 2.0},
        {"epoch": 2, "step": 20, "dev_error": 0.25, "dev_loss": 0.5, "seconds": 1.0},
    ]


def test_the_mean_of_a_number_is_that_of_all_folds_and_of_best_epochs_the_nearest() -> None:
    finals: list[Any] = [{"dev_error": 0.1, "dev_loss": 1.0}, {"dev_error": 0.2, "dev_loss": None}]
    assert mean_final(finals, Config()) == {"dev_error": pytest.approx(0.15), "dev_error_se": pytest.approx(0.05)}
    for best, mean in (((3, 4), 4), ((2, 3, 3), 3), ((2, 2, 3), 2)):
        outcomes: list[Any] = [SimpleNamespace(record={"best_epoch": epoch}) for epoch in best]
        assert mean_epoch(outcomes) == mean


@pytest.mark.parametrize(("source", "networks"), [("iris", 1), ("diabetes", 1), ("diabetes", 2)])
def test_on_test_the_folds_speak_together(train_run: Train, source: str, networks: int) -> None:
    settings = (f"data.source={source}", "data.split=[0.6,0.2,0.2]", "data.folds=3", "training.epochs=5")
    outcome = train_run(*settings, "network.hidden=[6]", f"network.ensemble={networks}")
    final = outcome.record["final"] or {}
    own = [fold.read_record()["final"] or {} for fold in members_of(outcome.run)]
    assert all("dev_error" in of_fold and "test_error" not in of_fold for of_fold in own)
    models = [load_model(StoredRun(fold)) for fold in members_of(outcome.run)]
    table = read_parts(outcome.config.data)["test"]
    together = np.mean([model.predict(table) for model in models], axis=0)
    y = models[0].target.encode(table, "float64")
    if source == "iris":
        assert final["test_error"] == pytest.approx((together.argmax(axis=1) != y).mean())
        assert final["test_loss"] == pytest.approx(-np.log(together[np.arange(len(y)), y]).mean(), rel=1e-4)
    else:
        values = y[:, 0] * models[0].target.deviation + models[0].target.mean
        residual = np.square(values - together).mean()
        assert final["test_rmse"] == pytest.approx(residual**0.5, rel=1e-5)
        assert final["test_error"] == pytest.approx(residual / np.square(values - values.mean()).mean(), rel=1e-5)


def test_rows_that_all_train_are_no_dev_rows(train_run: Train, tmp_path: Path) -> None:
    """Errors on them say nothing of new rows, so whatever is judged by dev is left out or refused."""
    outcome = train_run(*IRIS, "data.split=[0.6,0.2,0.2]", refit=True)
    whole, run = StoredRun(outcome.run), StoredRun(member(outcome.run, "all"))
    model, reason = load_model(run), f"^{run.name} has no dev rows: .*{outcome.run.id}, which it .* by its folds$"
    assert {part.partition("_")[0] for part in run.final} == {"train", "test", "cost"} and "dev_error" in whole.final
    found = evaluate(model)
    assert list(found.results) == ["train"] and any(re.search(reason, note) for note in found.notes)
    assert found.value("dev_error") is None and found.judged == "train"
    refused = [
        lambda: evaluate(model, boosting=True),
        lambda: importance(model),
        lambda: by_column(run, "target"),
        lambda: of_a_run(run, None, None, tmp_path, ()),
    ]
    for judge in refused:
        with pytest.raises(UsageError, match=reason):
            judge()
    assert "dev" in evaluate(load_model(whole)).results and of_a_run(whole, None, None, tmp_path, ()).verdict
    assert "has no dev rows" in report_of(run, tmp_path)


def test_a_last_network_learns_from_all_rows_for_the_mean_best_epoch(
    tmp_path: Path, train_run: Train, bits: Bits
) -> None:
    split = (
        "data.split=[0.6,0.2,0.2]",
        "training.changes={2: {optimizer.learning_rate: 0.1}, 3: {training.epochs: 9}}",
    )
    outcome = train_run(*IRIS, *split, refit=True)
    folds, last = members_of(outcome.run), member(outcome.run, "all")
    epochs = round(fmean(fold.read_record()["best_epoch"] or 0 for fold in folds))
    record, config = last.read_record(), StoredRun(last).config
    assert outcome.record["refit"] == {"epochs": epochs} and outcome.record["best_epoch"] == epochs
    assert record["epochs"] == record["best_epoch"] == epochs
    assert last.read("checkpoints/best.safetensors")
    assert config.regularization.early_stopping is None and config.data.fold == "all"
    assert record["data"]["rows"] == {"train": 120, "dev": 120, "test": 30}
    final, own = outcome.record["final"] or {}, record["final"] or {}
    assert (final["test_error"], final["test_loss"]) == (own["test_error"], own["test_loss"])
    assert final["dev_error"] == fmean((fold.read_record()["final"] or {})["dev_error"] or 0 for fold in folds)
    alone = verbs.train(load_config(last.resolved), tmp_path / "alone").run
    assert bits(alone) == bits(last)
    again = refitted(outcome.run)
    assert again is not None and again.path == last.path
    last.update_record(status="interrupted")
    assert refitted(outcome.run) is None, "what is half trained predicts nothing"
    with pytest.raises(UsageError, match=r"data\.folds=5"):
        train_run("data.source=iris", refit=True)


# killed, stopped and paused

KILLED = """
import json, os, random, sys
from pathlib import Path
from nnrun.runs import preparing, verbs, session, folds
from nnrun.config.load import load_config
from nnrun.runs.rundir import RunDir; from nnrun.runs.finding import list_runs
from nnrun.runs.members import member, members_of
from tests.dying import die_at
from tests.forked import exit_code

root, share = Path(sys.argv[1]), float(sys.argv[2])
session.SECONDS_BETWEEN_CHECKPOINTS = 0.0
preparing.CACHE = folds.CACHE = str(root / "cache")
loaded = load_config(None, ["data.source=iris", "data.folds=3", "network.hidden=[6]", "network.batch_norm=true",
                            "data.split=[0.6,0.2,0.2]", "regularization.dropout=0.3", "training.epochs=3"])


def plain(row):
    return {key: value for key, value in row.items() if key != "seconds"}


def bits(run):
    each = [run, *members_of(run), member(run, "all")]
    files = [one.read(f"checkpoints/{name}.safetensors") for one in each[1:] for name in ("best", "last")]
    record = run.read_record()
    kept = {key: record[key] for key in ("status", "final", "members", "refit", "best_epoch", "epochs", "data")}
    return [list(map(plain, one.metrics())) for one in each], files, run.read("members.json"), kept


def train(here, point, left):
    def work():
        counted = die_at(point)
        verbs.train(loaded, here, refit=True)
        left.write_text(str(-counted[0]))

    return exit_code(work)


assert train(root / "first", 0, root / "left") == 0  # which fills the cache
assert train(root / "whole", 0, root / "left") == 0
whole = bits(list_runs(root / "whole")[0])
points = int((root / "left").read_text())
chosen = random.Random(0).sample(range(1, points + 1), max(1, round(share * points)))
report = {"points": points, "killed": 0, "wrong": []}
for point in sorted(chosen):
    here = root / str(point)
    report["killed"] += train(here, point, root / "left") != 0
    for run in list_runs(here):
        try:
            if run.status not in ("interrupted", "done"):
                raise RuntimeError(run.status)
            outcome = verbs.resume(RunDir(run.path))
            if bits(outcome.run) != whole:
                raise RuntimeError("other bits")
            if left := [str(path) for path in run.path.rglob(".*")]:
                raise RuntimeError(f"left behind: {left}")
        except Exception as error:
            report["wrong"].append(f"{point}: {error!r}")
print(json.dumps(report))
"""


def check_kills(folder: Path, share: float) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}
    script = [sys.executable, "-c", KILLED, str(folder), str(share)]
    process = subprocess.run(script, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.returncode == 0
    report = json.loads(process.stdout)
    assert report["wrong"] == []
    assert report["points"] > 4 * 3 * 6  # networks, epochs, and changes of files in each
    assert report["killed"] == max(1, round(share * report["points"]))


def test_killed_before_a_change_of_a_file(tmp_path: Path) -> None:
    check_kills(tmp_path, 0.02)


@pytest.mark.soak
def test_killed_before_each_change_of_a_file(tmp_path: Path) -> None:
    check_kills(tmp_path, 1.0)


class Asks(Listener):
    """Asks the whole, from within its second fold."""

    def __init__(self, *words: Do) -> None:
        self.words, self.number, self.lines = words, 0, [""]

    def started(self, run: RunDir, config: Any, beginning: Any) -> None:
        self.run, self.number = run, self.number + 1

    def epoch(self, row: Row) -> None:
        whole = whole_of(self.run)
        assert whole is not None
        if (self.number, row["epoch"]) == (2, 2):
            for word in self.words:
                ask(whole, word)

    def told(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.usefixtures("_looks_each_time")
def test_stopped_in_a_fold_it_goes_on_there(train_run: Train, bits: Bits) -> None:
    whole, outcome = train_run(*IRIS).run, train_run(*IRIS, listener=Asks("stop"))
    run = outcome.run
    assert outcome.status == run.status == member(run, 2).status == "interrupted"
    assert [fold.exists for fold in members_of(run)] == [True, True, False]
    assert len(member(run, 2).metrics()) == 2 and outcome.record["final"] == {}
    assert verbs.resume(RunDir(run.path)).status == "done"
    told = [(event["event"], event.get("fold"), event["epoch"]) for event in run.events()]
    assert told[1:4] == [("told to stop", 2, 2), ("interrupted", 2, 2), ("resumed", 2, 2)]
    assert of_all(run, bits) == of_all(whole, bits)
    assert not (run.path / "requests").exists()


def as_read(run: RunDir) -> tuple[Any, ...]:
    """What is told of a run of folds, but for times."""
    record = record_of(StoredRun(RunDir(run.path)))
    rows = [{**row, "seconds": 0} for row in StoredRun(RunDir(run.path)).rows]
    return record["status"], record["data"], record["members"], record["epochs"], record["final"], rows


@pytest.mark.usefixtures("_looks_each_time")
def test_until_all_folds_are_over_those_that_are_are_told_of(tmp_path: Path, train_run: Train) -> None:
    """However the run was ended: a fold that has just begun would weigh on the others by errors of its first epochs."""
    run = train_run(
        *IRIS, "regularization.early_stopping=null", "data.class_weight=balanced", listener=Asks("stop")
    ).run
    first, second = (StoredRun(member(run, k)) for k in (1, 2))
    stopped = as_read(run)
    assert second.epoch == 2 and second.record["data"]["rows"] == {"train": 100, "dev": 50}
    _, data, members, epochs, final, rows = stopped
    assert data == first.record["data"] and epochs == first.epoch == 6 and final is None
    assert [each["fold"] for each in members] == [1]
    assert rows == [{**row, "seconds": 0} for row in first.flat_rows]
    assert run.read_record()["data"]["rows"] == {"train": 150, "dev": 150}, "of the whole, which is still to come"
    verdict = of_a_run(StoredRun(run), None, None, tmp_path, ()).verdict
    assert verdict and verdict.rows_of("dev") == 50
    run.update_record(status="running", written=None)  # killed
    run.write("metrics.jsonl", "")
    assert as_read(run) == stopped
    second.directory.update_record(status="done")
    _, data, members, _, _, rows = as_read(run)
    assert data["rows"] == {"train": 150, "dev": 100} and len(members) == 2
    assert rows == [{**row, "seconds": 0} for row in mean_rows([first.rows, second.rows])]
    shutil.rmtree(second.path)
    first.directory.update_record(status="running")  # killed in the first
    _, data, members, epochs, _, _ = as_read(run)
    assert (data, members, epochs) == (first.record["data"], [], 6)


def test_folds_that_go_on_come_to_all_rows(train_run: Train) -> None:
    heard = Asks()
    run = train_run(*IRIS, listener=heard, told_to_stop=lambda: heard.number == 2).run
    assert StoredRun(run).record["data"]["rows"] == {"train": 100, "dev": 50}
    assert verbs.resume(RunDir(run.path)).record["data"]["rows"] == {"train": 150, "dev": 150}


@pytest.mark.usefixtures("_looks_each_time")
def test_a_pause_of_the_whole_holds_its_fold(train_run: Train, bits: Bits) -> None:
    whole, heard = train_run(*IRIS).run, Asks("pause", "resume")
    run = train_run(*IRIS, listener=heard).run
    assert of_all(run, bits) == of_all(whole, bits)
    told = [(event["event"], event.get("fold"), event["epoch"]) for event in run.events()]
    assert told == [("started", None, 0), ("paused", 2, 2), ("continued", 2, 2), ("done", None, len(run.metrics()))]
    assert answer_lines(run.events()[1:2]) == ["paused in fold 2 after epoch 2"]
    assert [line for line in heard.lines if line.startswith("fold")][1].startswith("fold     2 of 3: dev ")


def test_ctrl_c_ends_the_fold_and_the_whole(train_run: Train, bits: Bits) -> None:
    heard = Asks()
    outcome = train_run(*IRIS, listener=heard, told_to_stop=lambda: heard.number == 2)
    assert outcome.status == "interrupted" and not member(outcome.run, 2).metrics()
    assert verbs.resume(RunDir(outcome.run.path)).status == "done"
    assert of_all(outcome.run, bits) == of_all(train_run(*IRIS).run, bits)


def test_a_fold_that_diverges_ends_the_whole(train_run: Train) -> None:
    outcome = train_run("data.source=iris", "data.folds=3", "optimizer={name: sgd, learning_rate: 1e30}")
    assert outcome.status == "diverged" and outcome.record["final"] == {}
    assert [fold.exists for fold in members_of(outcome.run)] == [True, False, False]
    assert outcome.record["divergence"] == member(outcome.run, 1).read_record()["divergence"] | {"fold": 1}
    (symptom,) = outcome.record["symptoms"]
    assert symptom["name"] == "divergence" and symptom["why"].startswith("in fold 1, ")
    with pytest.raises(UsageError, match=r"would do so again; `nnrun train .*--set .* --runs "):
        verbs.resume(outcome.run)


@pytest.mark.parametrize(
    ("more", "refit", "train"), [(["data.time=x"], False, 90), (["data.time=x"], True, 120), ([], False, 120)]
)
def test_rows_that_no_fold_trains_on_are_no_training_rows(
    tmp_path: Path, train_run: Train, more: list[str], refit: bool, train: int
) -> None:
    rows = [f"{i},{i % 5},{i % 3 + 1},{'ab'[i % 2]}\n" for i in range(120)]
    (tmp_path / "t.csv").write_text("x,z,w,y\n" + "".join(rows))
    settings = (f"data.source={tmp_path / 't.csv'}", "data.target=y", "data.weight=w", "data.folds=3", *more)
    sizes = train_run(*settings, "training.epochs=1", refit=refit).record["data"]
    assert (sizes["rows"]["train"], sizes["effective_rows"]["train"]) == (train, round(train * 6 / 7))


def test_by_time_the_last_fold_alone_predicts(tmp_path: Path, train_run: Train) -> None:
    """It has learned from the newest rows; runs whose folds count alike go on to, as their files say so."""
    drifting = np.random.default_rng(0).standard_normal((120, 2)).round(3) + np.arange(120)[:, None] / 40
    (tmp_path / "t.csv").write_text("t,x,y\n" + "".join(f"{i},{x},{y}\n" for i, (x, y) in enumerate(drifting)))
    settings = ("data.target=y", "data.time=t", "data.folds=3", "network.hidden=[]", "training.epochs=3")
    outcome = train_run(f"data.source={tmp_path / 't.csv'}", *settings, "data.split=[0.6,0.2,0.2]")
    run, folds = outcome.run, [load_model(StoredRun(fold)) for fold in members_of(outcome.run)]
    test = read_parts(outcome.config.data)["test"]
    residuals = test.frame["y"].to_numpy() - [fold.predict(test) for fold in folds]
    assert read_ensemble(run)["weights"] == [each["weight"] for each in outcome.record["members"]] == [0, 0, 1]
    assert np.array_equal(load_model(StoredRun(run)).predict(test), folds[-1].predict(test))
    with pytest.raises(UsageError, match=r"networks are runs in it, such as .*members/03$"):
        load_weights(run)
    rmse = [np.sqrt(np.square(each).mean()) for each in (residuals[-1], residuals.mean(axis=0))]
    assert (outcome.record["final"] or {})["test_rmse"] == pytest.approx(rmse[0])
    assert evaluate(load_model(StoredRun(run))).results["test"]["network"]["rmse"] == pytest.approx(rmse[0])
    assert folds_told(outcome.record)[1][1:] == [
        "predicts  fold 3, which learned from the most rows and the newest; --refit trains on all",
        "test      is what that network says",
    ]
    run.write("members.json", sealed_document({**read_ensemble(run), "weights": [1 / 3] * 3}))
    assert evaluate(load_model(StoredRun(run))).results["test"]["network"]["rmse"] == pytest.approx(rmse[1])
    run.update_record(status="interrupted")
    resumed = verbs.resume(RunDir(run.path)).record
    assert read_ensemble(run)["weights"] == [each["weight"] for each in resumed["members"]] == [1 / 3] * 3
    assert (resumed["final"] or {})["test_rmse"] == pytest.approx(rmse[1])


def test_what_cannot_be_asked_of_folds_is_told(train_run: Train) -> None:
    run = train_run(*IRIS, "training.epochs=1").run
    fold = member(run, 2)
    for call, words in (
        (lambda: verbs.resume(run, epochs=9), "which are trained as they began; `nnrun train"),
        (lambda: verbs.resume(run, overrides=["seed=1"]), "which are trained as they began; `nnrun train"),
        (lambda: verbs.resume(fold), f"02 belongs to the run {run.id}; `nnrun resume"),
        (lambda: rewind(run, "best"), "keep no states; `nnrun train .*members/01/resolved.yaml` makes one"),
        (lambda: rewind(fold, "best"), "keep no states; `nnrun train .*members/02/resolved.yaml` makes one"),
        (lambda: ask(run, "change", ["seed=1"]), "is not being trained: it is done$"),
        (lambda: ask(fold, "pause"), f"02 belongs to the run {run.id}, which is not being trained: it is done$"),
    ):
        with pytest.raises(UsageError, match=words):
            call()
    told: list[str] = []
    asked = {"do": "change", "settings": ["seed=1"], "note": None, "host": "h", "process": 1, "time": "t"}
    (run.path / "requests").mkdir()
    (run.path / "requests/0001-abc.json").write_text(json.dumps(asked))  # by hand
    with run.locked():
        Steering(run, told.append, lambda: False).between(None)
        run.update_record(status="running")
        for one, do in ((run, "change"), (fold, "pause")):
            with pytest.raises(UsageError, match=r"trains several networks alike; `nnrun pause .* for all of them"):
                ask(one, do, ["seed=1"])  # type: ignore[arg-type]
    assert told == ["refused  the folds of a run are trained alike"]


def test_whatever_fold_is_unfit_is_told_before_there_is_a_directory(tmp_path: Path, train_run: Train) -> None:
    (tmp_path / "t.csv").write_text("x,z,y\n" + "".join(f"{i},{i % 5},{'ab'[i > 7]}\n" for i in range(12)))
    settings = (
        f"data.source={tmp_path / 't.csv'}",
        "data.target=y",
        "data.folds=3",
        "data.time=x",
        "metrics.primary=auc",
    )
    with pytest.raises(DataError, match="class 'b' has 4 rows and none came into the training part of fold 1"):
        train_run(*settings)
    assert list_runs(tmp_path / "runs") == []


def test_data_that_changes_between_two_folds_ends_the_run(tmp_path: Path, train_run: Train) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i * i % 7},{'ab'[i % 2]}\n" for i in range(12)))

    class Meddles(Listener):
        def epoch(self, row: Row) -> None:
            path.write_text(path.read_text().replace("4,", "5,"))

    with pytest.raises(DataError, match="no longer what this run was trained on"):
        train_run(f"data.source={path}", "data.target=y", "data.folds=3", "training.epochs=1", listener=Meddles())
    (run,) = list_runs(tmp_path / "runs")
    assert run.status == "failed" and [fold.exists for fold in members_of(run)] == [True, False, False]
    with pytest.raises(DataError, match="no longer what this run was trained on"):
        verbs.resume(run)


def test_a_fold_has_a_name(train_run: Train) -> None:
    run = train_run(*IRIS, "training.epochs=1").run
    fold = find_run(run.path.parent, f"{run.id}/members/02")
    assert fold.path == member(run, 2).path and name_of(fold) == f"{run.id}/members/02"
    assert [each.id for each in list_runs(run.path.parent)] == [run.id]


def test_no_cell_of_a_held_row_touches_what_its_fold_learns(tmp_path: Path, train_run: Train) -> None:
    """But for which epoch is the best, that is what the dev part is for."""
    classes = np.arange(60) % 2
    split = split_rows(60, (0.6, 0.2, 0.2), 0, classes=classes, folds=Folds(3, 2))
    held = {int(row) for part in ("dev", "test") for rows in split.rows(part) for row in rows}
    rng = np.random.default_rng(0)
    lines = [f"{rng.normal():.3f},{'rgb'[rng.integers(3)]},{rng.normal():.3f}" for _ in classes]
    checkpoints = []
    for poisoned in (set[int](), held):
        cells = ["1e9,ultraviolet," if row in poisoned else line for row, line in enumerate(lines)]
        path = tmp_path / f"{len(poisoned)}.csv"
        path.write_text(
            "\n".join(["x,colour,gap,y", *(f"{cell},{'ab'[y]}" for cell, y in zip(cells, classes, strict=True))])
        )
        settings = (
            f"data.source={path}",
            "data.target=y",
            "data.split=[0.6,0.2,0.2]",
            "data.folds=3",
            "training.epochs=4",
        )
        run = train_run(*settings, "network.batch_norm=true", "regularization.dropout=0.2").run
        checkpoints.append([fold.read("checkpoints/last.safetensors") for fold in members_of(run)])
    clean, other = checkpoints
    assert clean[1] == other[1]
    assert clean[0] != other[0] and clean[2] != other[2]  # which learn from these rows
