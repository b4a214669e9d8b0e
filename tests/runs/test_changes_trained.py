"""A configuration that changes on its way: from which epoch on, and to the same bits however it is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.runs import session, verbs
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.rundir import RunDir
from tests.engines import ENGINES
from tests.runs.test_session import cohort

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

SETTINGS = (
    "data.source=wine", "network.hidden=[6]", "network.batch_norm=true", "optimizer.name=adam", "training.epochs=8",
)  # fmt: skip
EVERYTHING: dict[int, dict[str, Any]] = {  # that may change, and back
    2: {"optimizer.learning_rate": 0.05, "optimizer.beta1": 0.5, "regularization.dropout": 0.3},
    3: {"optimizer.beta2": 0.9, "optimizer.epsilon": 1e-3, "regularization.l2": 1.0, "training.epochs": 10},
    4: {"training.batch_size": 16, "optimizer.weight_decay": 0.1, "regularization.input_dropout": 0.1},
    5: {"optimizer.schedule": "exponential", "optimizer.clip_norm": 0.5, "regularization.l1": 0.5},
    6: {"regularization.augment": [{"name": "noise"}], "regularization.dropout": 0, "optimizer.beta1": 0.9},
    7: {"regularization.early_stopping": {"patience": 50}, "optimizer.schedule.base": 0.5, "training.epochs": 9},
    9: {"regularization.early_stopping": None, "regularization.augment": [], "training.batch_size": "full"},
}
AVERAGES: dict[int, Any] = {2: {"ema": 0.9}, 4: {"ema": 0.5}, 7: {"swa": 7}, 9: None}
for _epoch, _average in AVERAGES.items():
    EVERYTHING[_epoch]["training.average"] = _average


def changing(changes: dict[int, dict[str, Any]]) -> str:
    return f"training.changes={changes}".replace("'", '"').replace("None", "null")


@pytest.fixture(scope="module", params=ENGINES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, ...], RunDir]:
    """The settings of a run in which everything changes, by each engine, and the run."""
    settings = (*SETTINGS, f"training.engine={request.param}", changing(EVERYTHING))
    return settings, verbs.train(load_config(None, settings), tmp_path_factory.mktemp("whole")).run


def test_twice(whole: Any, train_run: Train, bits: Bits) -> None:
    settings, run = whole
    assert bits(train_run(*settings).run) == bits(run)
    assert len(run.metrics()) == 9


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_resumed_after_each_epoch(
    whole: Any, train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Told to stop in the first step of each epoch in turn; with a checkpoint after each, and with the last alone."""
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", seconds)
    settings, wanted = whole
    steps = [0]

    def in_the_second_epoch() -> bool:
        return bool(heard) and heard[-1] != begun[-1]

    heard: list[int] = []
    begun: list[int] = [0]

    class Hears(Listener):
        def epoch(self, row: Any) -> None:
            heard.append(row["epoch"])

    outcome = train_run(*settings, listener=Hears(), told_to_stop=in_the_second_epoch)
    while outcome.status == "interrupted":
        steps[0] += 1
        begun.append(heard[-1])
        outcome = verbs.resume(outcome.run, listener=Hears(), told_to_stop=in_the_second_epoch)
    assert steps[0] >= 8
    assert bits(outcome.run) == bits(wanted)


def test_among_others_and_alone(tmp_path: Path, bits: Bits) -> None:
    """Seeds, rates, λ and dropout differ; some stop early, one diverges, and all change at the same epochs."""
    shared = {
        "data": {"source": "wine"},
        "network": {"hidden": [6], "batch_norm": True},
        "training": {
            "epochs": 12,
            "engine": "numpy",
            "changes": {4: {**EVERYTHING[2], **EVERYTHING[4]}, 8: EVERYTHING[5]},
        },
    }

    def member(seed: int, rate: float, dropout: float, l2: float) -> Config:
        waiting = {"patience": 1, "min_delta": 0.05}
        return Config.from_values(
            {
                **shared,
                "seed": seed,
                "optimizer": {"name": "momentum", "learning_rate": rate},
                "regularization": {"dropout": dropout, "l2": l2, "early_stopping": waiting},
            }
        )

    configs = [member(0, 0.3, 0.2, 0), member(1, 0.05, 0.0, 1e-2), member(2, 1e36, 0.1, 0), member(3, 1e-6, 0.1, 0)]
    together = cohort(configs, tmp_path / "together")
    assert {outcome.status for outcome in together} == {"done", "diverged"}
    assert len({len(outcome.rows) for outcome in together}) > 2, "some stop before the others"
    for k, mine in enumerate(together):
        (own,) = cohort([configs[k]], tmp_path / f"alone{k}")
        for key in ("status", "epochs", "best_epoch", "stopped_early", "divergence", "final"):
            assert mine.record[key] == own.record[key]  # type: ignore[literal-required]
        assert mine.run.read("checkpoints/last.safetensors") == own.run.read("checkpoints/last.safetensors")
        if mine.status == "done":
            assert bits(mine.run) == bits(own.run)


# what it says, from that epoch on


def test_rates_and_steps_are_those_of_the_epoch(train_run: Train) -> None:
    """Wine has 106 rows to train on: 4 steps in batches of 32, 7 in batches of 16, 1 in a full one."""
    changes = {3: {"optimizer.learning_rate": 0.5}, 4: {"training.batch_size": 16}, 6: {"training.batch_size": "full"}}
    rows = train_run(*SETTINGS, "training.epochs=7", changing(changes)).rows
    steps = [row["step"] for row in rows]
    assert [row["learning_rate"] for row in rows] == [0.001] * 2 + [0.5] * 5
    assert [after - before for before, after in zip([0, *steps], steps, strict=False)] == [4, 4, 4, 7, 7, 1, 1]


def test_a_schedule_holds_as_it_was_set_until_an_option_of_it_changes(train_run: Train, bits: Bits) -> None:
    """It halves the rate every second epoch, every third one from epoch 6 on; and its file trains the same again."""
    schedule = {"name": "staircase", "every": 2, "factor": 0.5}
    changes = {2: {"optimizer.schedule": schedule}, 6: {"optimizer.schedule.every": 3}}
    run = train_run(*SETTINGS, "optimizer.learning_rate=0.64", changing(changes)).run
    assert [row["learning_rate"] for row in run.metrics()] == [0.64, 0.64, 0.32, 0.32, 0.16, 0.32, 0.16, 0.16]
    assert bits(verbs.train(load_config(run.resolved), run.path.parent.parent / "again").run) == bits(run)


def test_until_an_epoch_nothing_has_changed(train_run: Train) -> None:
    """Each of these changes what comes from its epoch on, and no bit of what comes before."""
    plain = train_run(*SETTINGS).rows
    changes: list[dict[str, Any]] = [
        {"regularization.dropout": 0.5}, {"regularization.l2": 30.0}, {"regularization.augment": ["noise"]},
        {"optimizer.beta1": 0.1}, {"optimizer.clip_norm": 1e-3}, {"optimizer.epsilon": 0.1},
    ]  # fmt: skip
    for settings in changes:
        rows = train_run(*SETTINGS, changing({5: settings})).rows
        same = [a["cost"] == b["cost"] for a, b in zip(plain, rows, strict=True)]
        assert same == [True] * 4 + [False] * 4, settings


def test_the_best_epoch_is_measured_by_what_held_in_it(train_run: Train) -> None:
    """Its penalty is not that of the weights under what came later."""
    later = {"regularization.l2": 300.0, "training.batch_size": 16, "optimizer.learning_rate": 100.0}
    outcome = train_run(*SETTINGS, "optimizer.learning_rate=0.05", "regularization.l2=0.1", changing({4: later}))
    final, best = outcome.record["final"], outcome.rows[outcome.record["best_epoch"] - 1]
    assert best["epoch"] < 4
    assert final["cost"] - final["train_loss"] == pytest.approx(best["cost"] - best["train_loss"], rel=1e-5)


@pytest.mark.parametrize(("change", "epochs"), [(6, 6), (12, 12), (3, None)])
def test_epochs_grow_and_shrink(train_run: Train, change: int, epochs: int | None) -> None:
    """From epoch 5 on it is 6 or 12 in place of 8."""
    if epochs is None:
        assert len(train_run(*SETTINGS, changing({2: {"training.epochs": change}})).rows) == 3
    else:
        outcome = train_run(*SETTINGS, changing({5: {"training.epochs": change}}))
        assert (outcome.status, len(outcome.rows), outcome.record["epochs"]) == ("done", epochs, epochs)


def test_a_change_in_the_epoch_after_the_last_one_can_prolong_it(train_run: Train) -> None:
    assert len(train_run(*SETTINGS, changing({9: {"training.epochs": 11}})).rows) == 11
    assert len(train_run(*SETTINGS, changing({10: {"training.epochs": 11}})).rows) == 8


def test_patience_rises_falls_and_goes(train_run: Train) -> None:
    """No epoch is better by 1, so the first one is the only better one, and epoch 1 + patience the last.

    An epoch before a change is not the last one, whatever the patience until there: what holds next decides, after it.
    """
    where = "regularization.early_stopping"
    usual = (*SETTINGS, "training.epochs=12", f"{where}={{patience: 4, min_delta: 1}}")

    def trained(changes: dict[int, dict[str, Any]]) -> int:
        outcome = train_run(*usual, changing(changes))
        assert outcome.record["stopped_early"] == (len(outcome.rows) < 12)
        return len(outcome.rows)

    assert trained({}) == 5
    assert trained({3: {f"{where}.patience": 8}}) == 9
    assert trained({4: {f"{where}.patience": 1}}) == 4
    assert trained({6: {f"{where}.patience": 8}}) == 9, "the fifth epoch is not the last one"
    assert trained({6: {"optimizer.learning_rate": 0.1}}) == 6
    assert trained({7: {f"{where}.patience": 8}}) == 5, "too late"
    assert trained({3: {where: None}}) == 12
    assert trained({3: {where: None}, 6: {where: {"patience": 2, "min_delta": 1}}}) == 8, "it begins to wait anew"


def test_a_run_that_stopped_before_a_change_has_stopped_for_good(train_run: Train, bits: Bits) -> None:
    """Resumed, nothing is left to train, and the bits stay."""
    where = "regularization.early_stopping"
    settings = (*SETTINGS, f"{where}={{patience: 3, min_delta: 1}}", changing({6: {f"{where}.patience": 9}}))
    run = train_run(*settings).run
    whole = bits(run)
    assert len(run.metrics()) == 4
    assert verbs.resume(run).status == "done"
    assert bits(run) == whole


def test_more_epochs_of_a_run_that_changed_are_trained_again_alike(train_run: Train, bits: Bits) -> None:
    """A cosine shaped its first epochs by the first total, which stays; what holds now may have another."""
    settings = (*SETTINGS, "optimizer.schedule=cosine", changing({5: {"optimizer.schedule": "constant"}}))
    run = train_run(*settings).run
    assert verbs.resume(run, epochs=10).status == "done"
    assert len(run.metrics()) == 10
    assert bits(verbs.train(load_config(run.resolved), run.path.parent.parent / "again").run) == bits(run)


def test_settings_of_a_child_hold_whatever_its_parent_changed_to(train_run: Train) -> None:
    parent = train_run(*SETTINGS, changing({3: {"optimizer.learning_rate": 0.5}})).run
    child = verbs.resume(parent, 10, ["optimizer.learning_rate=0.01"])
    assert [row["learning_rate"] for row in child.rows] == [0.01, 0.01]
    other = verbs.resume(parent, 10, ["regularization.l2=1"])
    assert [row["learning_rate"] for row in other.rows] == [0.5, 0.5]


def test_a_run_that_stopped_early_and_is_made_longer_is_the_one_trained_whole(train_run: Train, bits: Bits) -> None:
    """Its changes have shaped where it stands, so a longer total is one of them."""
    settings = ["data.source=iris", "optimizer.learning_rate=0.1", "regularization.early_stopping={patience: 3}"]
    settings.append(changing({5: {"optimizer.learning_rate": 0.05}}))
    outcome, whole = (train_run(*settings, f"training.epochs={epochs}") for epochs in (60, 80))
    assert outcome.record["stopped_early"] and outcome.record["epochs"] < 60
    for epochs in (70, 80):
        outcome = verbs.resume(outcome.run, epochs=epochs)
        assert outcome.record["stopped_early"]
        assert bits(outcome.run) == bits(whole.run)
