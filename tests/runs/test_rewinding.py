"""A child that begins at the end of any epoch of its parent: in the same state, to the bit, stored or not."""

from __future__ import annotations

import math
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.files import json_lines
from nnrun.report.run.report import run_page
from nnrun.runs import kept_states, session, verbs
from nnrun.runs.checkpoints import state_of
from nnrun.runs.finding import list_runs
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import Row
from nnrun.runs.requests import ask
from nnrun.runs.rewinding import Retraced, rewind
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.tensors import checksum_of
from tests.forked import exit_code

pytestmark = pytest.mark.usefixtures("_looks_each_time")

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

EPOCHS = 40
SETTINGS = (
    "data.source=iris", "network.hidden=[6, 5]", "network.batch_norm=true", "regularization.dropout=0.2",
    "optimizer.name=momentum", "optimizer.learning_rate=0.02",
)  # fmt: skip
RATE = "optimizer.learning_rate"
SOME = (1, 2, 7, 16, 39, 40)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Checksums of the states at the ends of the epochs that were trained last, by epoch."""
    found: dict[int, str] = {}
    look = session.Session._look

    def seen(self: session.Session, *args: Any) -> None:
        found[self.trainer.epoch] = checksum_of(state_of(self.trainer, 0))
        look(self, *args)

    monkeypatch.setattr(session.Session, "_look", seen)
    return found


class Asks(Listener):
    """Asks for changes when it has heard of an epoch."""

    def __init__(self, run: Callable[[], RunDir], after: dict[int, list[str]]) -> None:
        self.run, self.after = run, after

    def epoch(self, row: Row) -> None:
        if settings := self.after.get(row["epoch"]):
            ask(self.run(), "change", settings)


def nudged(train_run: Train, root: Path, after: dict[int, list[str]], *settings: str) -> RunDir:
    return train_run(*settings, root=root, listener=Asks(lambda: list_runs(root)[0], after)).run


def stopped_after(epoch: int, train_run: Train, *settings: str) -> RunDir:
    heard: list[Row] = []
    listener = Listener()
    listener.epoch = heard.append  # type: ignore[method-assign]
    return train_run(*settings, listener=listener, told_to_stop=lambda: len(heard) == epoch).run


def content(run: RunDir) -> dict[str, bytes]:
    return {str(path.relative_to(run.path)): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def again(run: RunDir, tmp_path: Path) -> RunDir:
    return verbs.train(load_config(run.resolved), tmp_path / "again").run


def keeping(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Keep a state wherever that is possible, or nowhere."""
    patch.setattr(kept_states, "SECONDS_AGAIN", seconds)


def check_every(epochs: Any, parent: RunDir, states: dict[int, str], tmp_path: Path, bits: Bits) -> None:
    """Rewound to each of these epochs, without a change: the state, and all that comes after, is the parent's."""
    known, before, whole = dict(states), content(parent), bits(parent)
    assert len(list((parent.path / "checkpoints").glob("*.safetensors"))) <= math.log2(EPOCHS) + 2
    for epoch in epochs:
        child = rewind(parent, str(epoch)).run
        record = child.read_record()
        assert record["parent"] == {"id": parent.id, "epoch": epoch, "state": known[epoch]}
        assert bits(child) == whole, epoch
        assert child.events()[-1]["event"] == "done"
        shutil.rmtree(child.path)
    assert content(parent) == before


@pytest.mark.parametrize("seconds", [0.0, math.inf])
def test_any_epoch_is_reached_again_to_the_bit(
    train_run: Train, states: dict[int, str], bits: Bits, tmp_path: Path, monkeypatch: Any, seconds: float
) -> None:
    """With states kept after 2, 4, 8, … epochs, and with none but the last one."""
    keeping(monkeypatch, seconds)
    parent = train_run(*SETTINGS, f"training.epochs={EPOCHS}").run
    names = sorted(path.stem for path in (parent.path / "checkpoints").glob("epoch-*.safetensors"))
    assert names == ([f"epoch-{epoch:06d}" for epoch in (2, 4, 8, 16, 32)] if seconds == 0 else [])
    check_every(SOME, parent, states, tmp_path, bits)


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [0.0, math.inf])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_every_epoch_is_reached_again_to_the_bit(
    train_run: Train,
    states: dict[int, str],
    bits: Bits,
    tmp_path: Path,
    monkeypatch: Any,
    seconds: float,
    optimizer: str,
) -> None:
    keeping(monkeypatch, seconds)
    parent = train_run(*SETTINGS, f"training.epochs={EPOCHS}", f"optimizer.name={optimizer}").run
    check_every(range(1, EPOCHS + 1), parent, states, tmp_path, bits)


@pytest.fixture
def parent(train_run: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """Twelve epochs, with states kept after 2, 4 and 8."""
    keeping(monkeypatch, 0.0)
    return train_run(*SETTINGS, "training.epochs=12").run


def test_a_child_with_settings_is_whole_without_its_parent(
    parent: RunDir, states: dict[int, str], bits: Bits, tmp_path: Path
) -> None:
    """It has the rows up to the fork, changes there as if it had been nudged, and is trained again by its own file."""
    rows = parent.metrics()
    child = rewind(parent, "7", [f"{RATE}=0.001", "training.epochs=15"], note="too fast").run
    assert [row | {"seconds": 0} for row in child.metrics()[:7]] == [row | {"seconds": 0} for row in rows[:7]]
    assert child.metrics()[:4] == rows[:4], "times and all, up to the stored state"
    assert [row["learning_rate"] for row in child.metrics()] == [0.02] * 7 + [0.001] * 8
    changed = [event for event in child.events() if event["event"] == "changed"]
    assert [(event["epoch"], event["key"], event["old"], event["new"], event["note"]) for event in changed] == [
        (8, RATE, 0.02, 0.001, "too fast"), (8, "training.epochs", 12, 15, "too fast")
    ]  # fmt: skip
    assert len({event["request"] for event in changed}) == 1
    shutil.rmtree(parent.path)
    assert bits(again(child, tmp_path)) == bits(child)
    verbs.resume(child, epochs=17)
    assert len(child.metrics()) == 17
    assert child.id in run_page(StoredRun(child), tmp_path, [], None).title
    assert bits(again(child, tmp_path)) == bits(child)


def test_best_last_and_epochs_counted_from_the_end(parent: RunDir) -> None:
    best = parent.read_record()["best_epoch"]
    for to, epoch in {"best": best, "last": 12, "-5": 7, "-11": 1, "12": 12}.items():
        told = rewind(parent, to).run.read_record()["parent"]
        assert told and told["epoch"] == epoch and told["state"]


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("0", "--to 0: .* has trained epochs 1 to 12"), ("13", "--to 13: .* has trained epochs 1 to 12"),
        ("99", "has trained epochs 1 to 12"), ("-12", "has trained epochs 1 to 12"), ("x", "give an epoch, best, last"),
        ("", "give an epoch, best, last"), ("--5", "give an epoch"), ("1.5", "give an epoch"), ("²", "give an epoch"),
        ("9" * 5000, "give an epoch"),
    ],
)  # fmt: skip
def test_an_epoch_that_is_none_is_refused(parent: RunDir, to: str, why: str) -> None:
    before = content(parent)
    with pytest.raises(UsageError, match=why):
        rewind(parent, to)
    assert (content(parent), len(list_runs(parent.path.parent))) == (before, 1)


@pytest.mark.parametrize(
    ("setting", "error", "why"),
    [
        ("network.hidden=[3]", ConfigError, "--set network.hidden=.*cannot change while the network trains"),
        ("training.epochs=7", ConfigError, "must be at least 8, the first epoch of the change, got 7"),
        ("regularization.augment=[flip]", DataError, "flip needs images"),
        ("nonsense", ConfigError, "--set nonsense: expected key=value"),
    ],
)
def test_a_setting_that_cannot_change_is_refused(parent: RunDir, setting: str, error: Any, why: str) -> None:
    with pytest.raises(error, match=why):
        rewind(parent, "7", [setting])
    assert len(list_runs(parent.path.parent)) == 1


def test_a_run_that_was_nudged_goes_back_before_its_nudges(train_run: Train, tmp_path: Path, bits: Bits) -> None:
    """What was planned from the beginning stays; also where a nudge had taken its place."""
    planned = "training.changes={6: {regularization.dropout: 0.1}, 9: {optimizer.learning_rate: 0.005}}"
    after = {3: [f"{RATE}=0.05"], 8: [f"{RATE}=0.1", "regularization.l2=1"], 9: ["training.epochs=14"]}
    run = nudged(train_run, tmp_path / "nudged", after, *SETTINGS, "training.epochs=12", planned)
    rates = [row["learning_rate"] for row in run.metrics()]
    assert rates == [0.02] * 3 + [0.05] * 5 + [0.1] * 6
    expected = {
        2: [0.02] * 8 + [0.005] * 4,  # no nudge is left
        5: [0.02] * 3 + [0.05] * 5 + [0.005] * 4,
        9: [0.02] * 3 + [0.05] * 5 + [0.1] * 4,  # but for the total
        11: rates,
    }
    for epoch, wanted in expected.items():
        child = rewind(run, str(epoch)).run
        assert [row["learning_rate"] for row in child.metrics()] == wanted, epoch
        assert {event["epoch"] for event in child.events() if event["event"] == "changed"} == {
            change for change in (4, 9, 10) if change <= epoch
        }
        assert bits(again(child, tmp_path)) == bits(child)


@pytest.mark.parametrize("tells", [True, False])
def test_each_nudge_is_undone_whatever_it_took_the_place_of(train_run: Train, bits: Bits, tells: bool) -> None:
    """An option and then all of its section from one epoch on, planned or not; and a rate that was planned from an
    epoch on in which a nudge had it already, which only the event of the next nudge tells.
    """
    average = "training.average"
    planned: dict[int, Any] = {6: {f"{average}.ema": 0.9}, 9: {RATE: 0.005}} if tells else {}
    settings = (*SETTINGS, "training.epochs=12", f"training.changes={planned}")
    after = {3: [f"{RATE}=0.005"], 5: [f"{average}.ema=0.8", f"{average}={{swa: 8}}"], 8: [f"{RATE}=0.001"]}

    class OneByOne(Listener):
        def started(self, run: RunDir, *told: Any) -> None:
            self.run = run

        def epoch(self, row: Row) -> None:
            for setting in after.get(row["epoch"], []):
                ask(self.run, "change", [setting])

    run = train_run(*settings, listener=OneByOne()).run
    assert [row["learning_rate"] for row in run.metrics()] == [0.02] * 3 + [0.005] * 5 + [0.001] * 4
    if not tells:  # as an older nnrun wrote them
        kept = [{key: value for key, value in event.items() if key != "replaced"} for event in run.events()]
        lines = json_lines(kept)
        run.write("events.jsonl", lines)
        run.update_record(written=None)
    children = {epoch: rewind(run, str(epoch)).run for epoch in (2, 6)}
    assert bits(children[2]) == bits(train_run(*settings).run)
    expected = {**planned, 4: {RATE: 0.005}, 6: {average: {"swa": 8}}}
    assert StoredRun(children[6]).config.training.changes == expected
    assert bits(rewind(children[6], "2").run) == bits(children[2])


@pytest.mark.parametrize(
    "kind",
    [("network.members=3",), ("data.encode_categories=embedding",),
     ("network.members=3", "network.ensemble=2", "data.encode_categories=embedding")],
)  # fmt: skip
def test_members_of_a_body_and_embeddings_are_nudged_and_rewound_like_any(
    train_run: Train, states: dict[int, str], tmp_path: Path, bits: Bits, kind: tuple[str, ...]
) -> None:
    """Also where no state is near: the past is trained again, and what was nudged holds there."""
    x = np.random.default_rng(0).integers(0, 40, 300).tolist()
    rows = (f"t{i},{i % 3},{'ab'[i % 5 > 1]}" for i in x)
    (tmp_path / "towns.csv").write_text("town,size,y\n" + "".join(f"{row}\n" for row in rows))
    data = (f"data.source={tmp_path / 'towns.csv'}", "data.target=y")
    after = {3: [f"{RATE}=0.05"], 8: ["regularization.dropout=0.1"]}
    run = nudged(train_run, tmp_path / "nudged", after, *SETTINGS[1:], *data, *kind, "training.epochs=12")
    known, whole = dict(states), bits(run)
    assert [row["learning_rate"] for row in run.metrics()] == [0.02] * 3 + [0.05] * 9
    assert bits(again(run, tmp_path)) == whole
    for epoch in (10, 12):
        child = rewind(run, str(epoch)).run
        assert child.read_record()["parent"] == {"id": run.id, "epoch": epoch, "state": known[epoch]}
        assert bits(child) == whole
    child = rewind(run, "6", [f"{RATE}=0.001"]).run
    assert [row["learning_rate"] for row in child.metrics()] == [0.02] * 3 + [0.05] * 3 + [0.001] * 6
    assert bits(again(child, tmp_path)) == bits(child)


def test_a_child_is_rewound_in_turn(parent: RunDir, bits: Bits, tmp_path: Path) -> None:
    """Before its fork its own change is gone, after it it holds."""
    child = rewind(parent, "7", [f"{RATE}=0.001"]).run
    before, later = rewind(child, "3", [f"{RATE}=0.5"]).run, rewind(child, "10", ["regularization.l2=1"]).run
    assert [row["learning_rate"] for row in before.metrics()] == [0.02] * 3 + [0.5] * 9
    assert [row["learning_rate"] for row in later.metrics()] == [0.02] * 7 + [0.001] * 5
    for run in (before, later):
        assert bits(again(run, tmp_path)) == bits(run)
    assert [event["epoch"] for event in later.events() if event["event"] == "changed"] == [8, 11]


def test_a_run_that_stopped_early_can_wait_for_longer(train_run: Train, bits: Bits, tmp_path: Path) -> None:
    """Trained again, the child's file stops no earlier than the child did; without a change it ends as its parent."""
    early = "regularization.early_stopping={patience: 3, min_delta: 0.5}"  # met by none but the first epochs
    run = train_run(*SETTINGS, "training.epochs=12", early).run
    stopped = len(run.metrics())
    assert stopped < 8
    child = rewind(run, "last", ["regularization.early_stopping.patience=5"])
    assert (len(child.rows), child.record["stopped_early"]) == (stopped + 2, True)
    assert bits(again(child.run, tmp_path)) == bits(child.run)
    assert "early stopping ended" not in child.run.read("log.txt").decode()
    once = rewind(run, "last", [f"{RATE}=0.001"])
    assert len(once.rows) == stopped + 1
    told = " ".join(once.run.read("log.txt").decode().split())
    assert "early stopping ended" in told and "--set regularization.early_stopping=null trains on" in told
    with pytest.raises(UsageError, match=r"--set regularization\.early_stopping=null --set KEY=VALUE"):
        ask(run, "change", [f"{RATE}=0.001"])
    earlier = rewind(run, "2", [f"{RATE}=0.001"])
    assert "early stopping ended" not in earlier.run.read("log.txt").decode()
    same = rewind(run, "last")
    assert (same.status, bits(same.run)) == ("done", bits(run))
    freed = rewind(run, "2", ["regularization.early_stopping=null"])
    assert len(freed.rows) == 12
    assert bits(again(freed.run, tmp_path)) == bits(freed.run)


def test_a_run_that_only_goes_on_has_no_past_of_its_own(train_run: Train, bits: Bits, monkeypatch: Any) -> None:
    """A child of `resume --set` has the rows after its parent's; what it was before is its parent's to tell."""
    keeping(monkeypatch, math.inf)
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", math.inf)
    older = train_run(*SETTINGS, "training.epochs=6").run
    child = verbs.resume(older, 12, [f"{RATE}=0.001"]).run
    assert child.metrics()[0]["epoch"] == 7
    with pytest.raises(UsageError, match="began at epoch 7; rewind its parent"):
        rewind(child, "6")
    assert bits(rewind(child, "9").run) == bits(child)
    assert rewind(child, "12").status == "done"
    (child.path / "checkpoints" / "epoch-000006.safetensors").unlink()  # as in children of before
    with pytest.raises(UsageError, match="began at epoch 7 and keeps no state of that time; rewind its parent"):
        rewind(child, "9")
    settings = 12, [f"{RATE}=0.001"]
    assert exit_code(lambda: verbs.resume(older, *settings, listener=Dies(8))) == -signal.SIGKILL
    killed = next(run for run in list_runs(older.path.parent) if run.status == "interrupted")
    assert bits(verbs.resume(killed).run) == bits(child), "without a checkpoint of its own"


def test_the_total_that_is_given_last_holds(train_run: Train, tmp_path: Path) -> None:
    """Neither the total of an earlier `resume --epochs` takes it back, nor one that was planned."""
    run = nudged(train_run, tmp_path / "runs", {4: [f"{RATE}=0.01"]}, *SETTINGS, "training.epochs=8")
    verbs.resume(run, 12)
    assert rewind(run, "6", ["training.epochs=9"]).record["epochs"] == 9
    assert rewind(run, "6", [f"{RATE}=0.001"]).record["epochs"] == 12
    plan = "training.changes={4: {optimizer.learning_rate: 0.01}, 8: {training.epochs: 10, regularization.l2: 0.1}}"
    outcome = verbs.resume(stopped_after(5, train_run, *SETTINGS, "training.epochs=9", plan), 12)
    assert (outcome.record["epochs"], outcome.config.regularization.l2) == (12, 0.1)


def test_what_would_never_hold_is_refused(parent: RunDir) -> None:
    """All epochs that are planned are trained; with more of them it holds."""
    with pytest.raises(UsageError, match=r"--to last: all 12 planned epochs are trained there; give"):
        rewind(parent, "last", [f"{RATE}=0.1"])
    assert len(list_runs(parent.path.parent)) == 1
    assert len(rewind(parent, "last", [f"{RATE}=0.1", "training.epochs=13"]).rows) == 13


def test_what_learned_from_other_data_is_not_reached_again(train_run: Train, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "made-up.npz"
    x = rng.normal(size=(80, 3))
    np.savez(path, x=x, y=x[:, 0] > 0)
    run = train_run(f"data.source={path}", "network.hidden=[4]", "training.epochs=4").run
    np.savez(path, x=x + 1, y=x[:, 0] > 0)
    with pytest.raises(DataError, match="the data is no longer what this run was trained on"):
        rewind(run, "2")
    assert len(list_runs(run.path.parent)) == 1


def test_a_search_and_a_trial_and_a_run_without_epochs_are_refused(parent: RunDir) -> None:
    (parent.path / "metrics.jsonl").write_bytes(b"")
    parent.update_record(written=None)
    with pytest.raises(UsageError, match="has trained no epoch yet, so there is nothing to go back to"):
        rewind(parent, "last")
    trial = parent.path / "trials/0001"
    trial.mkdir(parents=True)
    (parent.path / "search.yaml").touch()
    (trial / "run.json").write_bytes(parent.read("run.json"))
    for run, words in ((parent, "is a search; only one run can be rewound"), (RunDir(trial), "belongs to the search")):
        with pytest.raises(UsageError, match=words):
            rewind(run, "last")


def test_a_damaged_state_is_passed_over(parent: RunDir, bits: Bits) -> None:
    whole = bits(parent)
    for name in ("epoch-000008", "epoch-000004"):
        parent.checkpoint(name).write_bytes(b"damaged")
    assert bits(rewind(parent, "9").run) == whole


class Dies(Listener):
    """Kills its process when it has heard of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.number = epoch

    def epoch(self, row: Row) -> None:
        if row["epoch"] == self.number:
            os.kill(os.getpid(), signal.SIGKILL)


KILLED = {(0.0, 7), (math.inf, 6), (math.inf, 8)}  # tried each time; the others are soak tests


@pytest.mark.parametrize(
    ("seconds", "epoch"),
    [
        pytest.param(seconds, epoch, marks=() if (seconds, epoch) in KILLED else pytest.mark.soak)
        for seconds in (0.0, math.inf)
        for epoch in (5, 6, 7, 8, 10)
    ],
)
def test_a_rewind_that_was_killed_is_resumed_to_the_same_end(
    parent: RunDir, bits: Bits, monkeypatch: Any, epoch: int, seconds: float
) -> None:
    """Before its fork at 7, there and after it; with a checkpoint after each epoch, and with none."""
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", seconds)
    whole = rewind(parent, "7", [f"{RATE}=0.001"]).run
    known = {run.id for run in list_runs(parent.path.parent)}
    assert exit_code(lambda: rewind(parent, "7", [f"{RATE}=0.001"], listener=Dies(epoch))) == -signal.SIGKILL
    (run,) = [run for run in list_runs(parent.path.parent) if run.id not in known]
    assert run.status == "interrupted"
    assert verbs.resume(run).status == "done"
    assert bits(run) == bits(whole)
    assert run.read_record()["parent"] == whole.read_record()["parent"]
    assert [e["epoch"] for e in run.events() if e["event"] == "changed"] == [8]


def rewrite(run: RunDir, rows: Any) -> None:
    run.write("metrics.jsonl", json_lines(rows))
    run.update_record(written=run.written())


def test_what_does_not_come_out_as_it_did_is_said(parent: RunDir, monkeypatch: Any) -> None:
    """As on another machine: once, only of epochs up to the fork, and also where a killed child is resumed."""
    keeping(monkeypatch, math.inf)
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", math.inf)
    rewrite(parent, [row | {"seconds": 9.0} for row in parent.metrics()])
    assert "did not come out" not in rewind(parent, "7").run.read("log.txt").decode()
    rewrite(parent, [row | {"dev_loss": 9.0} if row["epoch"] > 4 else row for row in parent.metrics()])
    heard: list[str] = []

    class Hears(Listener):
        def told(self, line: str) -> None:
            heard.append(line)

    child = rewind(parent, "7", listener=Hears()).run
    exit_code(lambda: rewind(parent, "7", listener=Dies(5)))
    again = verbs.resume(next(run for run in list_runs(parent.path.parent) if run.status == "interrupted")).run
    for run in (child, again):
        assert [event["epoch"] for event in run.events() if event["event"] == "differs"] == [5]
        assert run.read("log.txt").decode().count("epoch 5 did not come out as it did then") == 1
    assert [line.split(",")[0] for line in heard] == ["note     epoch 5 did not come out as it did then"]
    shutil.rmtree(parent.path)
    again.update_record(status="interrupted", parent={"id": parent.id, "epoch": 7, "state": None})
    assert verbs.resume(again).status == "done"


def test_what_is_asked_of_a_child_on_its_way_to_the_fork_holds_behind_it(
    parent: RunDir, states: dict[int, str], bits: Bits, tmp_path: Path
) -> None:
    def begun() -> RunDir:
        return next(run for run in list_runs(parent.path.parent) if run.id != parent.id)

    child = rewind(parent, "7", listener=Asks(begun, {5: [f"{RATE}=0.5"]})).run
    assert [row["learning_rate"] for row in child.metrics()] == [0.02] * 7 + [0.5] * 5
    assert bits(again(child, tmp_path)) == bits(child)


def test_all_that_is_heard_is_handed_on(parent: RunDir) -> None:
    heard: list[str] = []

    class Hears(Listener):
        def __getattribute__(self, name: str) -> Any:
            return lambda *given: heard.append(name)

    retraced = Retraced(parent, Hears(), [], "there")
    names = [name for name in vars(Listener) if not name.startswith("_")]
    for name in names:
        getattr(retraced, name)({"epoch": 1})
    assert heard == names
