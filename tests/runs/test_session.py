"""A run being trained: what its listener hears, when it writes checkpoints, and how it ends when something breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.config import Config
from nnrun.data.dataset import load_dataset
from nnrun.engine.epoch import Epoch
from nnrun.engine.trainer import Trainer
from nnrun.runs import session, verbs
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import Row
from nnrun.runs.rundir import RunDir
from nnrun.runs.session import Session
from nnrun.runs.telling import Beginning

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

SETTINGS = (
    "data.source=wine", "network.hidden=[8]", "network.batch_norm=true", "regularization.dropout=0.2",
    "training.epochs=8", "regularization.early_stopping={patience: 7}",
)  # fmt: skip


class Recorder(Listener):
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.beginning: Beginning

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        self.heard.append(f"started {run.status}")
        self.beginning = beginning

    def epoch(self, row: Row) -> None:
        self.heard.append(f"epoch {row['epoch']}")

    def ended(self, outcome: Outcome) -> None:
        self.heard.append(f"ended {outcome.status}")


class Breaks(Listener):
    """Raises when it hears of an epoch."""

    def __init__(self, epoch: int, error: BaseException) -> None:
        self.number, self.error = epoch, error

    def epoch(self, row: Row) -> None:
        if row["epoch"] == self.number:
            raise self.error


def test_the_listener_hears_everything_in_order(train_run: Train) -> None:
    recorder = Recorder()
    run = train_run("data.source=iris", "network.hidden=[5]", "training.epochs=2", listener=recorder).run
    assert recorder.heard == ["started running", "epoch 1", "epoch 2", "ended done"]
    assert recorder.beginning.rows == {"train": 90, "dev": 30, "test": 30}
    assert recorder.beginning.classes == ["setosa", "versicolor", "virginica"]
    # 4·5 + 5 and 5·3 + 3 numbers
    assert recorder.beginning.features == 4 and recorder.beginning.parameters == 43
    assert (recorder.beginning.batch_size, recorder.beginning.epoch, recorder.beginning.notices) == (32, 0, [])
    recorder = Recorder()
    verbs.resume(run, epochs=3, listener=recorder)
    assert recorder.heard == ["started running", "epoch 3", "ended done"]
    assert recorder.beginning.epoch == 2


def test_the_record_says_running_while_it_runs(train_run: Train) -> None:
    statuses: list[str] = []

    class Reader(Listener):
        def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
            self.run = run

        def epoch(self, row: Row) -> None:
            reader = RunDir(self.run.path)
            statuses.append(f"{reader.status} {reader.metrics()[-1]['epoch']}")

    train_run("data.source=iris", "training.epochs=3", listener=Reader())
    assert statuses == ["running 1", "running 2", "running 3"]


# checkpoints


def saved_epochs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    saved: dict[str, list[int]] = {"best": [], "last": []}
    write = RunDir.save_checkpoint

    def noted(self: RunDir, name: str, tensors: Any, description: Mapping[str, Any]) -> None:
        saved[name].append(description["epoch"])
        write(self, name, tensors, description)

    monkeypatch.setattr(RunDir, "save_checkpoint", noted)
    return saved


def test_checkpoints_are_written_when_a_second_is_at_stake(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which every epoch takes 0.4 s: after 0.8 s the next epoch would end beyond a second."""
    saved = saved_epochs(monkeypatch)
    clock = [0.0]
    monkeypatch.setattr(session, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    look = Session._look

    def slow(self: Session, runs: Sequence[RunDir], epoch: Epoch, scores: Any) -> None:
        clock[0] += 0.4
        object.__setattr__(epoch, "seconds", 0.4)
        look(self, runs, epoch, scores)

    monkeypatch.setattr(Session, "_look", slow)
    train_run("data.source=wine", "training.epochs=7")
    assert saved["last"] == [2, 4, 6, 7]


def test_an_epoch_longer_than_a_second_is_always_saved(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = saved_epochs(monkeypatch)
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    outcome = train_run("data.source=wine", "training.epochs=4")
    assert saved["last"] == [1, 2, 3, 4, 4]
    assert saved["best"] == sorted(set(saved["best"])), "written once each"
    assert saved["best"][-1] == outcome.record["best_epoch"]


# what breaks


def test_an_exception_makes_the_run_failed_and_resumable(train_run: Train, bits: Bits, monkeypatch: Any) -> None:
    whole = train_run(*SETTINGS).run
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    before: set[Any] = set(whole.path.parent.iterdir())
    with pytest.raises(RuntimeError, match="a bug"):
        train_run(*SETTINGS, listener=Breaks(5, RuntimeError("a bug")))
    (path,) = set(whole.path.parent.iterdir()) - before
    run = RunDir(path)
    assert run.status == "failed"
    assert run.read_json("run.json")["error"] == "a bug"
    outcome = verbs.resume(run)
    assert (outcome.status, outcome.record["error"]) == ("done", None)
    assert bits(run) == bits(whole)


def interrupted_in_look(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    look = Session._look

    def interrupted(self: Session, runs: Sequence[RunDir], epoch: Epoch, scores: Any) -> None:
        if epoch.number == number:
            raise KeyboardInterrupt
        look(self, runs, epoch, scores)

    monkeypatch.setattr(Session, "_look", interrupted)


def interrupted_in_copying(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Between the vectors of the snapshot of an epoch: what is remembered is half one epoch, half the one before."""
    remember = Trainer._remember

    def interrupted(self: Trainer) -> None:
        if self.epoch == number:
            np.copyto(self._good["theta"], self.theta)
            raise KeyboardInterrupt
        remember(self)

    monkeypatch.setattr(Trainer, "_remember", interrupted)


@pytest.mark.parametrize("interrupt", [interrupted_in_look, interrupted_in_copying])
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_keyboard_interrupt_at_any_instant_can_be_resumed(
    train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch, interrupt: Any, seconds: float
) -> None:
    whole = train_run(*SETTINGS).run
    before = set(whole.path.parent.iterdir())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", seconds)
        interrupt(patch, 5)
        train_run(*SETTINGS)
    (path,) = set(whole.path.parent.iterdir()) - before
    run = RunDir(path)
    assert run.status == "interrupted"
    assert run.read_json("run.json")["status"] == "interrupted"
    assert len(run.metrics()) == 4
    assert bits(verbs.resume(run).run) == bits(whole)


def test_a_listener_that_interrupts_loses_nothing(train_run: Train, bits: Bits, monkeypatch: Any) -> None:
    whole = train_run(*SETTINGS).run
    before: set[Any] = set(whole.path.parent.iterdir())
    with pytest.raises(KeyboardInterrupt):
        train_run(*SETTINGS, listener=Breaks(4, KeyboardInterrupt()))
    (path,) = set(whole.path.parent.iterdir()) - before
    assert bits(verbs.resume(RunDir(path)).run) == bits(whole)


def test_numbers_that_are_not_known_survive_a_checkpoint(tmp_path: Any, train_run: Train, bits: Bits) -> None:
    """All dev targets are equal, so 1 − R² is unknown in every epoch; JSON has neither NaN nor infinity."""
    rows = "\n".join(f"{i % 7},{i % 5},{(i % 7) * 1.5 + 0.25}" for i in range(40))
    (tmp_path / "train.csv").write_text(f"a,b,y\n{rows}\n")
    flat = "\n".join(f"{i % 7},{i % 5},0.25" for i in range(10))
    (tmp_path / "dev.csv").write_text(f"a,b,y\n{flat}\n")
    settings = (
        f"data.source={{train: {tmp_path}/train.csv, dev: {tmp_path}/dev.csv}}", "data.target=y", "network.hidden=[4]",
        "data.task=regression", "metrics.primary=loss",
    )  # fmt: skip
    whole = train_run(*settings, "training.epochs=6")
    assert whole.status == "done"
    assert [row["dev_error"] for row in whole.run.metrics()] == [None] * 6
    assert whole.record["best_epoch"] == min(whole.run.metrics(), key=lambda row: row["dev_loss"])["epoch"]
    run = train_run(*settings, "training.epochs=3").run
    resumed = verbs.resume(run, epochs=6)
    assert bits(run) == bits(whole.run)
    for outcome in (whole, resumed):
        assert outcome.rows == outcome.run.metrics(), "as the file has them, what is not known and what lies behind"


# several runs of one shape


def cohort(configs: list[Config], root: Path) -> list[Outcome]:
    """Train the configurations together, each in a run directory of its own."""
    dataset = load_dataset(configs[0].data, "float32", root / ".cache")
    runs = [RunDir.create(root, "member", lambda _: {"run.json": b'{"data": {"rows": {}}}'}) for _ in configs]
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked())
        return Session(configs, dataset).train(runs, Listener(), lambda: False)


def test_runs_trained_together_leave_the_files_they_leave_alone(tmp_path: Path, bits: Bits) -> None:
    """Different seeds, rates, λ and dropout; one stops early, one diverges."""
    shared = {"data": {"source": "wine"}, "network": {"hidden": [8], "batch_norm": True}, "training": {"epochs": 9}}
    configs = [
        Config.from_values(
            {
                **shared,
                "seed": seed,
                "optimizer": {"name": "momentum", "learning_rate": rate},
                "regularization": {"dropout": dropout, "l2": l2, "early_stopping": {"patience": 1}},
            }
        )
        for seed, rate, dropout, l2 in [(0, 0.3, 0.2, 0), (1, 0.05, 0.0, 1e-2), (2, 1e36, 0.1, 0), (3, 1e-6, 0.1, 0)]
    ]
    together = cohort(configs, tmp_path / "together")
    alone = [cohort([config], tmp_path / f"alone{k}")[0] for k, config in enumerate(configs)]
    assert [outcome.status for outcome in together] == [outcome.status for outcome in alone]
    assert {outcome.status for outcome in together} == {"done", "diverged"}
    assert len({outcome.record["epochs"] for outcome in together}) > 2, "some stop before the others"
    for mine, own in zip(together, alone, strict=True):
        if mine.status == "done":
            assert bits(mine.run) == bits(own.run)
        assert mine.run.read("checkpoints/last.safetensors") == own.run.read("checkpoints/last.safetensors")
        for key in ("epochs", "best_epoch", "stopped_early", "divergence", "final"):
            assert mine.record[key] == own.record[key]
