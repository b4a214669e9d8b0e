"""Runs from end to end: the same bits each time, resumed or not, and numbers that anybody can compute again."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nnrun.config.load import load_config
from nnrun.config.schema import EarlyStopping
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.runs import verbs
from nnrun.runs.checkpoints import load_weights
from nnrun.runs.finding import list_runs
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import Row
from nnrun.runs.rewinding import rewind
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.engines import ENGINES
from tests.forked import exit_code

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

EVERYTHING = (
    "data.source=wine", "network.hidden=[16, 8]", "network.batch_norm=true", "regularization.dropout=0.3",
    "regularization.input_dropout=0.1", "regularization.l2=0.1", "optimizer.name=momentum",
    "optimizer.learning_rate=0.05", "training.batch_size=16",
)  # fmt: skip
SMALL = ("data.source=iris", "network.hidden=[8]", "training.epochs=4")


# the same bits


def test_the_same_configuration_gives_the_same_bits(tmp_path: Path, train_run: Train, bits: Bits) -> None:
    settings = (*EVERYTHING, "training.epochs=5")
    one = train_run(*settings).run
    again = train_run(*settings).run  # the prepared data comes from the cache
    afresh = train_run(*settings, root=tmp_path / "elsewhere").run
    other = train_run(*settings, "seed=1").run
    assert len({run.path for run in (one, again, afresh, other)}) == 4
    assert bits(again) == bits(one)
    assert bits(afresh) == bits(one)
    assert bits(other)["best"] != bits(one)["best"]
    assert [row["train_loss"] for row in other.metrics()] != [row["train_loss"] for row in one.metrics()]


def test_the_resolved_configuration_trains_the_same(train_run: Train, bits: Bits) -> None:
    run = train_run(*EVERYTHING, "training.epochs=3").run
    again = verbs.train(load_config(run.path / "resolved.yaml"), run.path.parent).run
    assert bits(again) == bits(run)
    assert again.read("resolved.yaml") == run.read("resolved.yaml")


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_12_epochs_and_8_more_are_20(train_run: Train, bits: Bits, optimizer: str) -> None:
    settings = (*EVERYTHING, f"optimizer.name={optimizer}")
    whole = train_run(*settings, "training.epochs=20").run
    run = train_run(*settings, "training.epochs=12").run
    outcome = verbs.resume(run, epochs=20)
    assert outcome.run.path == run.path
    assert bits(run) == bits(whole)
    assert [row["epoch"] for row in run.metrics()] == list(range(1, 21))
    expected = whole.read_json("run.json")
    assert {key: outcome.record[key] for key in ("status", "epochs", "best_epoch", "final", "stopped_early")} == {
        "status": "done", **{key: expected[key] for key in ("epochs", "best_epoch", "final", "stopped_early")}
    }  # fmt: skip
    assert run.read("resolved.yaml") == whole.read("resolved.yaml")
    assert [event["event"] for event in run.events()] == ["started", "done", "resumed", "done"]


def test_early_stopping_after_a_break_stops_where_it_would_have(train_run: Train, bits: Bits) -> None:
    settings = (*EVERYTHING, "regularization.early_stopping={patience: 5}", "training.epochs=100")
    whole = train_run(*settings)
    stop = whole.record["epochs"]
    assert whole.record["stopped_early"]
    assert 8 < stop < 100
    for done in (stop - 1, stop - 3, 2):  # the breaks fall into the waiting and before it
        run = train_run(*settings, f"training.epochs={done}").run
        assert run.status == "done"
        outcome = verbs.resume(run, epochs=100)
        assert outcome.record["stopped_early"]
        assert bits(run) == bits(whole.run)


def test_resuming_what_stopped_early_trains_nothing_more(train_run: Train, bits: Bits) -> None:
    run = train_run(*EVERYTHING, "regularization.early_stopping={patience: 2}", "training.epochs=100").run
    before = bits(run)
    outcome = verbs.resume(run, epochs=200)
    assert (outcome.status, outcome.record["stopped_early"]) == ("done", True)
    assert bits(run) == before


def test_resuming_a_finished_run_changes_nothing(train_run: Train, bits: Bits) -> None:
    run = train_run(*SMALL).run
    before = bits(run)
    outcome = verbs.resume(run)
    assert outcome.status == "done"
    assert bits(run) == before


# told to stop


def after(steps: int) -> Callable[[], bool]:
    asked = iter(range(1, steps + 1))
    return lambda: next(asked, None) in (None, steps)


@pytest.mark.parametrize("steps", [1, 7, 8, 40])
def test_told_to_stop_and_resumed_is_uninterrupted(train_run: Train, bits: Bits, steps: int) -> None:
    """107 training rows at 16: 7 steps an epoch. The 1st and 7th fall into epoch 1, the 40th into epoch 6."""
    settings = (*EVERYTHING, "training.epochs=9", "regularization.early_stopping={patience: 8}")
    whole = train_run(*settings).run
    stopped = train_run(*settings, told_to_stop=after(steps))
    assert stopped.status == stopped.run.status == "interrupted"
    assert stopped.record["epochs"] == len(stopped.run.metrics()) == (steps - 1) // 7
    assert [event["event"] for event in stopped.run.events()] == ["started", "interrupted"]
    resumed = verbs.resume(stopped.run)
    assert resumed.status == "done"
    assert bits(resumed.run) == bits(whole)


def test_stopped_in_every_epoch(train_run: Train, bits: Bits) -> None:
    whole = train_run(*EVERYTHING, "training.epochs=5").run
    run = train_run(*EVERYTHING, "training.epochs=5", told_to_stop=after(10)).run
    for _ in range(4):
        outcome = verbs.resume(run, told_to_stop=after(10))
    assert outcome.status == "done"
    assert bits(run) == bits(whole)


# children


def test_with_overrides_a_child_goes_on_from_its_parent(train_run: Train) -> None:
    parent = train_run(*EVERYTHING, "training.epochs=6", argv=["nnrun", "train"]).run
    files = {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()}
    outcome = verbs.resume(parent, 9, ["optimizer.learning_rate=0.001"], argv=["nnrun", "resume"])
    child = outcome.run
    assert child.path != parent.path
    assert {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()} == files
    assert outcome.record["parent"] == {"id": parent.id, "epoch": 6}
    assert outcome.record["argv"] == ["nnrun", "resume"]
    assert outcome.record["given"] is None
    assert [row["epoch"] for row in child.metrics()] == [7, 8, 9]
    assert {row["learning_rate"] for row in child.metrics()} == {0.001}
    assert child.read("config.yaml") == parent.read("config.yaml")
    assert load_config(child.path / "resolved.yaml").config.optimizer.learning_rate == 0.001
    assert load_config(parent.path / "resolved.yaml").config.optimizer.learning_rate == 0.05


@pytest.mark.parametrize(("name", "more"), [("momentum", {"beta1": 0.99}), ("adam", {"beta1": 0.5, "beta2": 0.9})])
def test_a_child_goes_on_with_the_averages_of_its_parent_whatever_its_betas(
    train_run: Train, name: str, more: dict[str, float]
) -> None:
    """As the same change on the way."""
    asked = ["data.source=iris", f"optimizer.name={name}", "network.hidden=[8]"]
    parent = train_run(*asked, "training.epochs=4").run
    child = verbs.resume(parent, 6, [f"optimizer.{key}={value}" for key, value in more.items()])
    held = ", ".join(["training.epochs: 6", *(f"optimizer.{key}: {value}" for key, value in more.items())])
    changed = train_run(*asked, "training.epochs=4", f"training.changes={{5: {{{held}}}}}").run
    assert [row["train_loss"] for row in child.rows] == [row["train_loss"] for row in changed.metrics()[4:]]


def test_a_child_has_its_settings_whatever_its_parent_changed_on_its_way(train_run: Train) -> None:
    changes = "training.changes={2: {optimizer.learning_rate: 0.2, regularization.l2: 1.0}, 3: {training.epochs: 5}}"
    parent = train_run("data.source=iris", "training.epochs=4", changes).run
    child = verbs.resume(parent, 7, ["optimizer.learning_rate=0.3", "optimizer.schedule=cosine"])
    assert [row["epoch"] for row in child.rows] == [6, 7]
    assert child.config.optimizer.learning_rate == 0.3
    assert child.config.training.changes == {2: {"regularization.l2": 1.0}}


def test_an_option_of_a_child_is_one_of_what_its_parent_changed_to(train_run: Train) -> None:
    """A schedule or early stopping that has been set as a whole; what is planned for later stays planned."""
    rate, stopping = "optimizer.learning_rate", "regularization.early_stopping"
    changes = (
        f"{{2: {{optimizer.schedule: {{name: staircase, every: 10}}, {stopping}: {{patience: 50}}}}, "
        f"3: {{{stopping}.min_delta: 1.0}}, 9: {{{rate}: 0.25, {stopping}: null}}}}"
    )
    parent = train_run("data.source=iris", "training.epochs=6", f"{rate}=0.5", f"training.changes={changes}").run
    child = verbs.resume(parent, 12, ["optimizer.schedule.every=2"])
    assert [row["learning_rate"] for row in child.rows] == [0.0625, 0.0625, *[0.25 / 16] * 2, *[0.25 / 32] * 2]
    assert StoredRun(child.run).config.training.changes == {
        2: {stopping: {"patience": 50}}, 3: {f"{stopping}.min_delta": 1.0}, 9: {rate: 0.25, stopping: None}
    }  # fmt: skip
    early = verbs.resume(parent, 12, [f"{stopping}.patience=2"])
    assert early.record["stopped_early"]
    assert early.config.regularization.early_stopping == EarlyStopping(patience=2, min_delta=1.0)


def test_a_child_whose_override_changes_nothing_is_the_run_continued(train_run: Train, bits: Bits) -> None:
    whole = train_run(*EVERYTHING, "training.epochs=8").run
    parent = train_run(*EVERYTHING, "training.epochs=5").run
    child = verbs.resume(parent, 8, ["optimizer.learning_rate=0.05"]).run
    assert bits(child)["last"] == bits(whole)["last"]
    assert bits(child)["best"] == bits(whole)["best"]
    assert bits(parent)["metrics"] + bits(child)["metrics"] == bits(whole)["metrics"]


OTHERS = {
    "data.target=z": "target y → z; features: z gone, y new",
    "data.drop=[b]": "features: b gone",
    "data.source=turned.csv": "features: in another order",
    "data.source=more.csv": "features: b gone, c new; classes: no and yes gone, maybe and never new",
    "data.normalize=none": "normalize standard → none",
}


@pytest.mark.parametrize("override", OTHERS)
def test_a_child_goes_on_with_the_features_classes_and_target_of_its_parent(
    train_run: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [(i, i % 7, f"{i % 7 > 3}", "yes" if i % 2 else "no") for i in range(60)]
    (tmp_path / "d.csv").write_text("a,b,z,y\n" + "".join(f"{a},{b},{z},{y}\n" for a, b, z, y in cells))
    (tmp_path / "turned.csv").write_text("b,a,z,y\n" + "".join(f"{b},{a},{z},{y}\n" for a, b, z, y in cells))
    other = {"yes": "maybe", "no": "never"}
    (tmp_path / "more.csv").write_text("a,c,z,y\n" + "".join(f"{a},{b},{z},{other[y]}\n" for a, b, z, y in cells))
    run = train_run("data.source=d.csv", "data.target=y", "training.epochs=2").run
    before = sorted((tmp_path / "runs").iterdir())
    with pytest.raises(UsageError, match="did not learn this, so a child cannot go on from it") as refused:
        verbs.resume(run, overrides=[override])
    assert OTHERS[override].replace(" and ", ", ") in str(refused.value).replace(" and ", ", ")
    assert sorted((tmp_path / "runs").iterdir()) == before


def test_a_child_goes_on_with_other_rows(train_run: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, last in (("d.csv", 60), ("more.csv", 90)):
        rows = "".join(f"{i},{i % 7},{'yes' if i % 2 else 'no'}\n" for i in range(last))
        (tmp_path / name).write_text(f"a,b,y\n{rows}")
    run = train_run("data.source=d.csv", "data.target=y", "training.epochs=2").run
    assert verbs.resume(run, 3, ["data.source=more.csv"]).status == "done"


def test_a_child_that_was_killed_before_it_was_saved_does_not_begin_with_new_weights(train_run: Train) -> None:
    class Dies(Listener):
        def epoch(self, row: Row) -> None:
            if row["epoch"] == 4:
                os.kill(os.getpid(), signal.SIGKILL)

    parent = train_run("training.epochs=2").run
    faster = ["optimizer.learning_rate=0.01"]
    assert exit_code(lambda: verbs.resume(parent, 5, faster, listener=Dies())) == -signal.SIGKILL
    (child,) = (run for run in list_runs(parent.path.parent) if run.id != parent.id)
    shutil.rmtree(child.path / "checkpoints", ignore_errors=True)  # on a slow machine it was saved by then
    with pytest.raises(UsageError, match=rf"ended before .*`nnrun resume {parent.id} --set KEY=VALUE.*` begins"):
        verbs.resume(RunDir(child.path))
    assert [row["epoch"] for row in RunDir(child.path).metrics()][:1] == [3]
    assert verbs.resume(RunDir(parent.path), 5, faster).status == "done"


def test_a_child_that_is_interrupted_can_be_resumed(train_run: Train, bits: Bits) -> None:
    parent = train_run(*EVERYTHING, "training.epochs=3").run
    override = ["optimizer.learning_rate=0.01", "training.epochs=8"]
    whole = verbs.resume(parent, overrides=override).run
    child = verbs.resume(parent, overrides=override, told_to_stop=after(10)).run
    assert child.status == "interrupted"
    assert bits(verbs.resume(child).run) == bits(whole)


@pytest.mark.parametrize("override", ["metrics.primary=loss", "data.split_seed=1", "data.class_weight=balanced"])
def test_a_child_does_not_measure_itself_by_other_scores(train_run: Train, override: str) -> None:
    """Scores by another yardstick, or on other rows, say nothing about which epoch is the best."""
    parent = train_run("data.source=breast_cancer", "optimizer.learning_rate=0.01", "training.epochs=15").run
    assert parent.read_json("run.json")["final"]["dev_error"] < 0.04  # no loss of these epochs comes near it
    outcome = verbs.resume(parent, 17, [override])
    rows = outcome.run.metrics()
    order = ("dev_loss", "dev_error") if "loss" in override else ("dev_error", "dev_loss")
    best = min(rows, key=lambda row: [row[score] for score in order])
    assert outcome.record["best_epoch"] == best["epoch"]
    assert outcome.record["final"]["dev_loss"] == pytest.approx(best["dev_loss"], rel=1e-6)
    again = rewind(outcome.run, "16")  # from what the child began with, when none was the best
    assert (again.status, again.record["best_epoch"]) == ("done", best["epoch"])


def test_another_optimizer_starts_with_empty_slots(train_run: Train) -> None:
    """Adam and momentum both keep a vector v, but of other gradients, in other scales."""
    settings = ("data.source=iris", "network.hidden=[4]", "optimizer.learning_rate=0.01", "training.epochs=5")
    parent = train_run(*settings, "optimizer.name=adam").run
    begun: list[object] = []
    listener = Listener()
    listener.started = lambda *given: begun.append(given)  # type: ignore[method-assign]
    child = verbs.resume(parent, 6, ["optimizer.name=momentum"], listener, told_to_stop=lambda: bool(begun)).run
    loaded, before = child.load_checkpoint("last"), parent.load_checkpoint("last")
    assert loaded is not None and before is not None
    assert np.any(before[0]["optimizer.v"])
    assert not np.any(loaded[0]["optimizer.v"])
    assert np.array_equal(loaded[0]["dense1.W"], before[0]["dense1.W"])


def only_best(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith("best")]


def test_a_best_checkpoint_ahead_of_the_last_is_not_believed(train_run: Train, bits: Bits) -> None:
    """A kill between writing the two: the epochs between them are not trained yet, as far as the run knows."""
    whole = train_run(*EVERYTHING, "training.epochs=8").run
    run = train_run(*EVERYTHING, "training.epochs=8", told_to_stop=after(10)).run
    assert whole.read_json("run.json")["best_epoch"] > 1
    shutil.copytree(whole.path / "checkpoints", run.path / "checkpoints", dirs_exist_ok=True, ignore=only_best)
    stopped = verbs.resume(run, told_to_stop=after(1))
    assert stopped.record["epochs"] == 1
    assert stopped.record["best_epoch"] in (None, 1)
    verbs.resume(run)
    assert bits(run) == bits(whole)


# refusals


def test_a_schedule_shaped_by_the_total_refuses_another_total(train_run: Train, bits: Bits) -> None:
    run = train_run(*SMALL, "optimizer.schedule=cosine").run
    before = bits(run), run.read("resolved.yaml")
    with pytest.raises(
        UsageError, match=r"schedule cosine is shaped by the planned 4 epochs.*train anew, or `nnrun resume"
    ):
        verbs.resume(run, epochs=8)
    assert (bits(run), run.read("resolved.yaml")) == before
    assert verbs.resume(run, epochs=4).status == "done"
    child = verbs.resume(run, 8, ["optimizer.schedule=constant"])  # what the message advises
    assert child.record["parent"]["id"] == run.id


def test_fewer_epochs_than_are_trained_and_two_totals_are_refused(train_run: Train) -> None:
    run = train_run(*SMALL).run
    resolved = run.read("resolved.yaml")
    with pytest.raises(UsageError, match=r"has trained 4 epochs already; the new total must be larger, got 2"):
        verbs.resume(run, epochs=2)
    with pytest.raises(UsageError, match=r"--epochs 6 and --set training\.epochs=9 are two totals"):
        verbs.resume(run, 6, ["optimizer.learning_rate=0.1", "training.epochs=9"])
    with pytest.raises(UsageError, match=r"--epochs 6 and --set training=\{epochs: 9\} are two totals"):
        verbs.resume(run, 6, ["training={epochs: 9}"])
    with pytest.raises(UsageError, match=r"has trained 4 epochs already; the new total must be larger, got 2"):
        verbs.resume(run, overrides=["training.epochs=2"])
    assert run.read("resolved.yaml") == resolved
    assert [each.id for each in list_runs(run.path.parent)] == [run.id]


def test_a_run_in_use_is_left_alone(train_run: Train) -> None:
    run = train_run(*SMALL).run
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with run.locked(), pytest.raises(UsageError, match="is training this run"):
        verbs.resume(RunDir(run.path), epochs=8)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("network.hidden=[9]", r"dense1\.W is float32 \[4, 8\] \(now float32 \[4, 9\]\)"),
        ("network.batch_norm=true", r"dense1|norm1\.gamma is missing"),
        ("network.hidden=[8, 8]", r"dense2\.W is missing"),
        ("training.dtype=float64", r"float32 \[4, 8\] \(now float64"),
    ],
)
def test_another_network_is_refused(train_run: Train, override: str, what: str) -> None:
    run = train_run(*SMALL).run
    with pytest.raises(UsageError, match=rf"another shape than the checkpoint, .*({what}).*train anew"):
        verbs.resume(run, 8, [override])
    assert [found.path for found in list_runs(run.path.parent)] == [run.path]


def test_a_wrong_override_is_a_config_error(train_run: Train) -> None:
    run = train_run(*SMALL).run
    with pytest.raises(ConfigError, match=r"--set optimizer\.learning_rat=1: unknown key; did you mean learning_rate"):
        verbs.resume(run, overrides=["optimizer.learning_rat=1"])


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """60 rows: a label in words that depends on two numbers and a category."""
    rng = np.random.default_rng(0)
    lines = ["width,height,colour,kind"]
    for width, height, colour in zip(*rng.normal(size=(2, 60)), rng.choice(["red", "blue"], 60), strict=True):
        kind = "tree" if width + (colour == "red") > 0.5 else "bush"
        lines.append(f"{width:.6f},{height:.6f},{colour},{kind}")
    path = tmp_path / "plants.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_changed_data_is_refused(train_run: Train, bits: Bits, csv: Path) -> None:
    run = train_run(f"data.source={csv}", "data.target=kind", "training.epochs=3").run
    before = bits(run)
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(DataError, match="the data is no longer what this run was trained on"):
        verbs.resume(run, epochs=5)
    assert bits(run) == before
    csv.write_text("\n".join(lines) + "\n")  # the same content with another time
    assert verbs.resume(run, epochs=5).status == "done"


def test_moved_data_goes_on_in_a_child(train_run: Train, bits: Bits, csv: Path, tmp_path: Path) -> None:
    settings = (f"data.source={csv}", "data.target=kind", "regularization.dropout=0.2")
    whole = train_run(*settings, "training.epochs=6").run
    run = train_run(*settings, "training.epochs=3").run
    moved = shutil.move(csv, tmp_path / "moved.csv")
    with pytest.raises(DataError, match=r"plants\.csv: no such file"):
        verbs.resume(run, epochs=6)
    child = verbs.resume(run, 6, [f"data.source={moved}"]).run
    assert bits(child)["best"] == bits(whole)["best"]
    assert bits(child)["last"] == bits(whole)["last"]


# divergence


def test_a_diverged_run_keeps_its_last_good_checkpoint(train_run: Train) -> None:
    outcome = train_run(
        "data.source=diabetes", "network.hidden=[]", "optimizer.name=sgd", "optimizer.learning_rate=0.5",
        "training.epochs=60",
    )  # fmt: skip
    run, where = outcome.run, outcome.record["divergence"]
    assert outcome.status == run.status == "diverged"
    assert where["layer"] == "output"
    assert where["epoch"] > 1, "epochs before it are what the test is about"
    per_epoch = run.metrics()[0]["step"]
    assert (where["epoch"] - 1) * per_epoch < where["step"] <= where["epoch"] * per_epoch
    assert [row["epoch"] for row in run.metrics()] == list(range(1, where["epoch"]))
    assert all(isinstance(row["cost"], float) for row in run.metrics()), "no null"
    last = run.load_checkpoint("last")
    assert last is not None
    assert last[1]["epoch"] == outcome.record["epochs"] == where["epoch"] - 1
    assert all(np.isfinite(tensor).all() for tensor in last[0].values())
    assert all(np.isfinite(tensor).all() for tensor in load_weights(run).values())
    events = [{key: value for key, value in event.items() if key != "time"} for event in run.events()]
    assert [event["event"] for event in events] == ["started", "symptom", "diverged"]
    assert events[-1] == {"event": "diverged", **where}
    assert not outcome.record["stopped_early"]


def test_a_diverged_run_needs_a_change(train_run: Train) -> None:
    settings = ("data.source=diabetes", "network.hidden=[]", "optimizer.name=sgd", "optimizer.learning_rate=0.5")
    run = train_run(*settings, "training.epochs=30").run
    with pytest.raises(UsageError, match=r"diverged and would do so again; .*--set optimizer.learning_rate=0.05"):
        verbs.resume(run)
    with pytest.raises(UsageError, match="diverged"):
        verbs.resume(run, epochs=100)
    assert verbs.resume(run, overrides=["optimizer.learning_rate=0.05"]).status == "done"


def test_divergence_in_the_first_epoch(train_run: Train) -> None:
    outcome = train_run(
        "data.source=diabetes", "network.hidden=[16]", "optimizer.name=sgd", "optimizer.learning_rate=10"
    )
    assert outcome.status == "diverged"
    assert (outcome.record["divergence"]["epoch"], outcome.record["epochs"]) == (1, 0)
    assert outcome.record["final"] == {}
    assert outcome.record["best_epoch"] is None
    assert outcome.run.metrics() == []
    assert outcome.run.load_checkpoint("best") is None
    with pytest.raises(UsageError, match=r"diverged in epoch 1, so it has no checkpoint 'best'$"):
        load_weights(outcome.run)


# what the numbers mean


def prepared(run: RunDir) -> Dataset:
    config = load_config(run.path / "resolved.yaml").config
    return load_dataset(config.data, config.training.dtype, run.path.parent / ".cache")


def outputs(run: RunDir, x: NDArray[Any], hidden: int, batch_norm: bool) -> NDArray[np.float64]:
    """Logits of `best` for x `(m, n)`, in float64."""
    w = {name: tensor.astype(float) for name, tensor in load_weights(run).items()}
    a = x.astype(float)
    for depth in range(1, hidden + 1):
        a = a @ w[f"dense{depth}.W"]
        if batch_norm:
            a = (a - w[f"norm{depth}.mean"]) / np.sqrt(w[f"norm{depth}.variance"] + 1e-5)
            a = a * w[f"norm{depth}.gamma"] + w[f"norm{depth}.beta"]
        else:
            a = a + w[f"dense{depth}.b"]
        a = np.maximum(a, 0)
    logits: NDArray[np.float64] = a @ w["output.W"] + w["output.b"]
    return logits


def squared_weights(run: RunDir) -> float:
    return float(sum((t.astype(float) ** 2).sum() for name, t in load_weights(run).items() if name.endswith(".W")))


def test_final_numbers_of_a_classification(train_run: Train) -> None:
    outcome = train_run(*EVERYTHING, "regularization.l2=3", "training.epochs=20")
    dataset, final = prepared(outcome.run), outcome.record["final"]
    for part, (x, y) in {name: (p.x, p.y) for name, p in dataset.parts.items()}.items():
        z = outputs(outcome.run, x, hidden=2, batch_norm=True)
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        assert final[f"{part}_loss"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-5)
        assert final[f"{part}_error"] == np.mean(p.argmax(axis=1) != y)
    assert {"train_loss", "dev_loss", "test_error"} <= final.keys()
    # m is the batch size, 16, not the 107 rows of the training set nor the last batch's 11
    penalty = 3 / (2 * 16) * squared_weights(outcome.run)
    assert penalty > 0.1
    assert final["cost"] - final["train_loss"] == pytest.approx(penalty, rel=1e-5)


def test_final_numbers_of_two_classes(train_run: Train) -> None:
    outcome = train_run("data.source=breast_cancer", "network.hidden=[8]", "training.epochs=8")
    dataset, final = prepared(outcome.run), outcome.record["final"]
    for part in ("train", "dev", "test"):
        x, y = dataset.parts[part].x, dataset.parts[part].y
        p = 1 / (1 + np.exp(-outputs(outcome.run, x, hidden=1, batch_norm=False)[:, 0]))
        assert final[f"{part}_loss"] == pytest.approx(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(), rel=1e-5)
        assert final[f"{part}_error"] == np.mean((p > 0.5) != y)
    assert final["dev_error"] < 0.3  # malignant are 37%


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_final_numbers_of_a_regression(train_run: Train, loss: str) -> None:
    from sklearn.metrics import r2_score

    outcome = train_run(
        "data.source=diabetes", "network.hidden=[8]", "training.epochs=40", "regularization.l1=0.5",
        "optimizer.learning_rate=0.01", "training.batch_size=50", f"training.loss={loss}",
    )  # fmt: skip
    dataset, final = prepared(outcome.run), outcome.record["final"]
    target = outcome.run.read_json("data.json")["target"]
    for part in ("train", "dev", "test"):
        x, y = dataset.parts[part].x, dataset.parts[part].y.astype(float)
        predicted = outputs(outcome.run, x, hidden=1, batch_norm=False)
        residual = np.abs(predicted - y)
        huber = np.where(residual <= 1, residual**2 / 2, residual - 0.5)
        expected = (residual**2 if loss == "squared_error" else huber).mean()
        assert final[f"{part}_loss"] == pytest.approx(expected, rel=1e-5)
        assert final[f"{part}_error"] == pytest.approx(1 - r2_score(y, predicted), rel=1e-5)
        in_own_unit = (predicted - y) * target["deviation"]
        assert final[f"{part}_rmse"] == pytest.approx(np.sqrt((in_own_unit**2).mean()), rel=1e-5)
    assert final["dev_error"] < 0.9
    assert 40 < final["dev_rmse"] < 75  # the target's deviation is 77
    sizes = sum(np.abs(t).sum(dtype=float) for n, t in load_weights(outcome.run).items() if n.endswith(".W"))
    assert final["cost"] - final["train_loss"] == pytest.approx(0.5 / (2 * 50) * sizes, rel=1e-4)
    assert 0 <= final["near_zero_weights"] < 1


def test_an_epochs_numbers_are_those_of_its_parameters(train_run: Train) -> None:
    """The best epoch's row equals what the final pass over the same parts finds: dropout off, running averages on."""
    outcome = train_run(*EVERYTHING, "training.epochs=10")
    row = outcome.run.metrics()[outcome.record["best_epoch"] - 1]
    for name, value in outcome.record["final"].items():
        if not name.startswith("test_"):
            assert row[name] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize("primary", ["error", "loss"])
def test_best_is_the_best_row(train_run: Train, primary: str) -> None:
    outcome = train_run(
        "data.source=digits", "data.split_seed=2", "network.hidden=[32]", "optimizer.learning_rate=0.1",
        "training.epochs=20", f"metrics.primary={primary}",
    )  # fmt: skip
    rows = outcome.run.metrics()
    by = {
        "error": min(rows, key=lambda r: (r["dev_error"], r["dev_loss"], r["epoch"]))["epoch"],
        "loss": min(rows, key=lambda r: (r["dev_loss"], r["dev_error"], r["epoch"]))["epoch"],
    }
    assert by["error"] != by["loss"], "else the test says nothing"
    best = outcome.run.load_checkpoint("best")
    assert best is not None
    assert best[1]["epoch"] == outcome.record["best_epoch"] == by[primary]
    assert outcome.record["final"]["dev_loss"] == pytest.approx(rows[by[primary] - 1]["dev_loss"], rel=1e-6)


def test_early_stopping_waits_and_keeps_the_best(train_run: Train) -> None:
    outcome = train_run(
        "data.source=breast_cancer", "network.hidden=[32]", "optimizer.learning_rate=0.03", "training.epochs=200",
        "regularization.early_stopping={patience: 6, min_delta: 0.001}", "metrics.primary=loss",
    )  # fmt: skip
    rows, record = outcome.run.metrics(), outcome.record
    reference, waited, stop = np.inf, 0, None
    for row in rows:
        waited = 0 if row["dev_loss"] < reference - 0.001 else waited + 1
        reference = row["dev_loss"] if waited == 0 else reference
        stop = stop or (row["epoch"] if waited == 6 else None)
    assert record["stopped_early"]
    assert stop == len(rows) == record["epochs"] < 200
    assert record["best_epoch"] == min(rows, key=lambda r: (r["dev_loss"], r["dev_error"]))["epoch"] < stop
    stopped = next(event for event in outcome.run.events() if event["event"] == "stopped early")
    assert (stopped["epoch"], stopped["best_epoch"]) == (stop, record["best_epoch"])


# other data


def test_a_csv_file_from_end_to_end(tmp_path: Path, csv: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("# plants\nname: plants\ndata: {source: plants.csv, target: kind}\ntraining: {epochs: 60}\n")
    outcome = verbs.train(load_config(config, ["optimizer.learning_rate=0.01"]), tmp_path / "runs")
    run = outcome.run
    assert run.id.split("-")[2] == "plants"
    assert run.read("config.yaml") == config.read_bytes()
    info = run.read_json("data.json")
    assert info["classes"] == ["bush", "tree"]
    assert info["features"] == ["width", "height", "colour=blue", "colour=red"]
    assert outcome.record["data"]["rows"] == {"train": 36, "dev": 12, "test": 12}
    assert outcome.record["final"]["train_error"] < 0.2
    assert f"source: {csv}" in run.read("resolved.yaml").decode()


def test_an_npz_file_from_end_to_end(tmp_path: Path, train_run: Train) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    np.savez(tmp_path / "points.npz", x=x, y=100 + 10 * x[:, 0] - 5 * x[:, 1])
    outcome = train_run(
        f"data.source={tmp_path}/points.npz", "network.hidden=[]", "optimizer.learning_rate=0.05", "training.epochs=60",
        "training.dtype=float64",
    )  # fmt: skip
    assert outcome.record["final"]["test_error"] < 1e-3
    assert outcome.record["final"]["test_rmse"] < 0.5
    w = load_weights(outcome.run)
    info = outcome.run.read_json("data.json")
    slopes = w["output.W"][:, 0] / info["deviations"] * info["target"]["deviation"]
    assert slopes == pytest.approx([10, -5, 0], abs=0.3)
    assert w["output.W"].dtype == np.float64


def test_files_for_each_part(tmp_path: Path, csv: Path, train_run: Train) -> None:
    header, *rows = csv.read_text().splitlines()
    for part, some in {"train": rows[:40], "dev": rows[40:]}.items():
        (tmp_path / f"{part}.csv").write_text("\n".join([header, *some]) + "\n")
    outcome = train_run(
        f"data.source={{train: {tmp_path}/train.csv, dev: {tmp_path}/dev.csv}}", "data.target=kind", "training.epochs=3"
    )
    assert outcome.record["data"]["rows"] == {"train": 40, "dev": 20}
    assert "test_error" not in outcome.record["final"]


# what a run directory holds


def test_the_directory_is_complete(train_run: Train) -> None:
    outcome = train_run(*SMALL, argv=["nnrun", "train"])
    run = outcome.run
    assert {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()} == {
        "config.yaml", "resolved.yaml", "run.json", "data.json", "metrics.jsonl", "events.jsonl", "log.txt", "run.lock",
        "checkpoints/best.safetensors", "checkpoints/best.json",
        "checkpoints/last.safetensors", "checkpoints/last.json",
    }  # fmt: skip
    record = json.loads(run.read("run.json"))
    assert record.pop("checksum")
    assert record == outcome.record
    assert record["argv"] == ["nnrun", "train"]
    assert record["versions"].keys() >= {"python", "nnrun", "numpy"}
    assert record["blas"][0].keys() == {"library", "version", "kernel", "threads"}
    assert record["created"] <= record["started"] <= record["ended"]
    assert record["data"]["files"][0]["rows"] == 150
    assert record["seconds"] == pytest.approx(sum(row["seconds"] for row in run.metrics()))
    assert [row["epoch"] for row in run.metrics()] == [1, 2, 3, 4]
    assert [row["step"] for row in run.metrics()] == [3, 6, 9, 12]  # 90 rows at 32: 3 steps an epoch
    assert set(run.metrics()[0]) == {
        "epoch", "step", "learning_rate", "train_loss", "cost", "train_error", "dev_loss", "dev_error", "seconds",
    }  # fmt: skip


def test_bad_data_makes_no_directory(tmp_path: Path, train_run: Train) -> None:
    with pytest.raises(DataError):
        train_run(f"data.source={tmp_path}/none.csv", "data.target=x")
    with pytest.raises(ConfigError, match=r"--set training\.loss=huber: huber does not fit classification"):
        train_run("data.source=iris", "training.loss=huber")
    with pytest.raises(ConfigError, match=r"^--set training\.loss=huber: "):
        train_run("data.source=iris", "training.loss=huber", "training.changes={4: {optimizer.learning_rate: 0.1}}")
    assert list_runs(tmp_path / "runs") == []


def test_layer_statistics_are_there_when_asked_for_and_change_nothing(train_run: Train, bits: Bits) -> None:
    without = bits(train_run(*EVERYTHING, "training.epochs=4").run)
    run = train_run(*EVERYTHING, "training.epochs=4", "training.layer_statistics=true").run
    found = bits(run)
    layers = [row.pop("layers") for row in found["metrics"]]
    assert found == without
    expected = [
        f"{kind}{depth}" for depth, kinds in enumerate([["dropout"], *[["dense", "norm", "relu", "dropout"]] * 2])
        for kind in kinds
    ]  # fmt: skip
    assert [list(of_epoch) for of_epoch in layers] == [[*expected, "output"]] * 4
    always = {"output_std", "dead", "gradient_norm"}
    assert set(layers[0]["relu1"]) == always
    assert set(layers[0]["dense1"]) == always | {"steepness"}
    assert all(layer["output_std"] > 0 for layer in layers[0].values())


@pytest.mark.parametrize("engine", ENGINES)
def test_losses_of_mini_batches_are_there_when_asked_for_and_change_nothing(
    train_run: Train, bits: Bits, engine: str
) -> None:
    settings = (*EVERYTHING, "training.epochs=4", f"training.engine={engine}")
    without = bits(train_run(*settings).run)
    run = train_run(*settings, "training.record=steps").run
    found = bits(run)
    losses = [row.pop("step_losses") for row in found["metrics"]]
    assert found == without
    ends = [0, *(row["step"] for row in found["metrics"])]
    assert [len(of_epoch) for of_epoch in losses] == [b - a for a, b in pairwise(ends)]
    stopped = train_run(*settings, "training.record=steps", told_to_stop=after(10)).run
    verbs.resume(stopped)
    assert bits(stopped) == bits(run)


DESCRIPTIONS: list[dict[str, Any]] = [
    {},
    {"epoch": 1},
    {"epoch": "x", "step": 1, "optimizer": "adam", "stopping": None, "scores": [1, 1]},
    {"epoch": 1, "step": [], "optimizer": "adam", "stopping": None, "scores": [1, 1]},
    {"epoch": 1, "step": 1, "optimizer": "adam", "stopping": 7, "scores": [1, 1]},
    {"epoch": 1, "step": 1, "optimizer": "adam", "stopping": None, "scores": "low"},
]


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_a_checkpoint_that_describes_itself_wrongly_is_refused(train_run: Train, description: dict[str, Any]) -> None:
    run = train_run(*SMALL, "regularization.early_stopping={patience: 5}").run
    for name in ("last", "best"):
        loaded = run.load_checkpoint(name)
        assert loaded is not None
        run.save_checkpoint(name, loaded[0], description)
    with pytest.raises(
        DataError,
        match=r"safetensors: not a checkpoint of nnrun: .* (belongs|is missing); copy .* or train again",
    ):
        verbs.resume(run, epochs=8)


def test_a_checkpoint_of_another_network_is_refused(train_run: Train) -> None:
    small, large = (train_run(*SMALL, f"network.hidden=[{width}]").run for width in (4, 5))
    shutil.copytree(large.path / "checkpoints", small.path / "checkpoints", dirs_exist_ok=True)
    with pytest.raises(DataError, match="another shape than the checkpoint"):
        verbs.resume(small, epochs=8)
