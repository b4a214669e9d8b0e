"""`network.ensemble`: several seeds as one run, measured by their pooled prediction and stopped together."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.engine.evaluation import logits_in_chunks
from nnrun.engine.trainer import Trainer
from nnrun.errors import DataError, UsageError
from nnrun.runs import kept_states, session, verbs
from nnrun.runs.assembly import make_trainer, memory_needed, networks_of
from nnrun.runs.engines import saved_seconds
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.preparing import first_files
from nnrun.runs.records import Row
from nnrun.runs.requests import ask
from nnrun.runs.rewinding import rewind
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.runs.session import Session
from nnrun.runs.stored import StoredRun
from tests.engines import ENGINES
from tests.forked import exit_code

pytestmark = pytest.mark.usefixtures("_looks_each_time")

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]
Make = Callable[..., Trainer]

SEEDS = 3
SETTINGS = ("data.source=iris", "network.hidden=[6, 5]", "optimizer.learning_rate=0.01", "seed=4")
TRICKS = (
    "network.batch_norm=true", "regularization.dropout=0.2", "regularization.input_dropout=0.1",
    "regularization.l2=0.01", "regularization.augment=[{name: noise, deviation: 0.1}]", "optimizer.clip_norm=1",
)  # fmt: skip
TOGETHER = f"network.ensemble={SEEDS}"
OWN_SEEDS = [(f"seed={4 + k}",) for k in range(SEEDS)]
RATE = "optimizer.learning_rate"


def tensors(run: RunDir, name: str = "last") -> dict[str, Any]:
    loaded = run.load_checkpoint(name)
    assert loaded is not None
    return loaded[0]


def without_times(run: RunDir) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [(), TRICKS], ids=["plain", "tricks"])
def test_members_are_what_their_seeds_train_alone(train_run: Train, engine: str, settings: Sequence[str]) -> None:
    """Up to the epoch where they stop together, to the bit."""
    given = (*SETTINGS, *settings, f"training.engine={engine}")
    stopping = "regularization.early_stopping={patience: 3, min_delta: 0.05}"
    together = train_run(*given, TOGETHER, stopping, "training.epochs=60")
    epochs = together.record["epochs"]
    assert together.record["stopped_early"] and 3 < (epochs or 0) < 60
    found = tensors(together.run)
    for k in range(SEEDS):
        alone = tensors(train_run(*given, f"seed={4 + k}", f"training.epochs={epochs}").run)
        assert alone.keys() == found.keys()
        for name, tensor in alone.items():
            assert found[name].shape == (SEEDS, *tensor.shape)
            assert found[name][k].tobytes() == tensor.tobytes(), (k, name)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_network_is_no_ensemble(train_run: Train, bits: Bits, engine: str) -> None:
    given = (*SETTINGS, f"training.engine={engine}", "training.epochs=3")
    plain, one = (train_run(*given, *more) for more in ((), ("network.ensemble=1",)))
    assert bits(one.run) == bits(plain.run)
    assert "members" not in one.record and "members" not in one.rows[0]


def pooled(run: RunDir, name: str = "last") -> tuple[np.ndarray[Any, Any], Any]:
    """The mean of the members' probabilities on dev, `(rows, classes)`, and the data set."""
    config = StoredRun(run).config
    dataset = load(config)
    trainer = make_trainer([config], dataset)
    stored = tensors(run, name)
    for vector, layout in ((trainer.theta, trainer.network.theta), (trainer.state, trainer.network.state)):
        for key, view in layout.views(vector).items():
            view[...] = stored[key]
    x = dataset.parts["dev"].x
    chunks = logits_in_chunks(trainer.network, trainer.bound, x, trainer.recipe.loss)
    logits = np.concatenate([part.copy() for _, part in chunks], axis=1)
    return trainer.recipe.loss.predict(logits.astype(float)).mean(axis=0), dataset


def load(config: Any) -> Any:
    from nnrun.data.dataset import load_dataset

    return load_dataset(config.data, config.training.dtype, Path.cwd() / ".cache")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_epochs_are_measured_by_the_mean_of_the_predictions(train_run: Train, engine: str) -> None:
    outcome = train_run(*SETTINGS, TOGETHER, f"training.engine={engine}", "training.epochs=4", "regularization.l2=1")
    probabilities, dataset = pooled(outcome.run)
    y, row = dataset.parts["dev"].y, outcome.rows[-1]
    assert row["dev_loss"] == pytest.approx(-np.log(probabilities[np.arange(len(y)), y]).mean(), rel=1e-5)
    assert row["dev_error"] == pytest.approx((probabilities.argmax(axis=1) != y).mean())
    members = [train_run(*SETTINGS, f"seed={4 + k}", "training.epochs=4", "regularization.l2=1") for k in range(SEEDS)]
    assert row["members"] == {
        "dev_error": pytest.approx([member.rows[-1]["dev_error"] for member in members]),
        "dev_loss": pytest.approx([member.rows[-1]["dev_loss"] for member in members], rel=1e-4),
    }
    losses = [loss or np.inf for loss in row["members"]["dev_loss"]]
    assert (row["dev_loss"] or np.inf) < np.mean(losses)  # Jensen
    penalties = [member.rows[-1]["cost"] - member.rows[-1]["train_loss"] for member in members]
    assert row["cost"] - row["train_loss"] == pytest.approx(np.mean(penalties), rel=1e-4)


def test_the_record_has_each_member_at_the_best_epoch(train_run: Train) -> None:
    outcome = train_run(
        *SETTINGS, TOGETHER, "training.epochs=12", "optimizer.learning_rate=0.2", "metrics.primary=loss"
    )
    record, best = outcome.record, outcome.rows[(outcome.record["best_epoch"] or 0) - 1]
    assert record["best_epoch"] != 12
    assert min(row["dev_loss"] or 0 for row in outcome.rows) == best["dev_loss"] == record["final"]["dev_loss"]
    columns = zip((4, 5, 6), best["members"]["dev_error"], best["members"]["dev_loss"], strict=True)
    assert record["members"] == [{"seed": s, "dev_error": error, "dev_loss": loss} for s, error, loss in columns]
    probabilities, dataset = pooled(outcome.run, "best")
    wrong = (probabilities.argmax(axis=1) != dataset.parts["dev"].y).mean()
    assert record["final"]["dev_error"] == pytest.approx(wrong)


def test_a_metric_is_that_of_the_pooled_prediction(train_run: Train) -> None:
    from nnrun.engine.metrics import METRICS

    outcome = train_run(*SETTINGS, TOGETHER, "training.epochs=3", "metrics.primary=f1")
    probabilities, dataset = pooled(outcome.run)
    measure = METRICS["f1"].of
    assert measure is not None
    assert outcome.rows[-1]["dev_f1"] == pytest.approx(measure(dataset.parts["dev"].y, probabilities, None))


def test_values_are_averaged(train_run: Train) -> None:
    outcome = train_run("data.source=diabetes", TOGETHER, "network.hidden=[5]", "training.epochs=3")
    values, dataset = pooled(outcome.run)
    mean_square = float(np.square(values - dataset.parts["dev"].y).mean())
    assert outcome.rows[-1]["dev_loss"] == pytest.approx(mean_square, rel=1e-5)
    assert outcome.rows[-1]["dev_rmse"] == pytest.approx(np.sqrt(mean_square) * dataset.target_deviation, rel=1e-5)


# begun, and gone on with


@pytest.mark.parametrize("engine", ENGINES)
def test_resumed_and_trained_by_its_own_file_it_has_the_same_bits(train_run: Train, bits: Bits, engine: str) -> None:
    given = (*SETTINGS, *TRICKS, TOGETHER, f"training.engine={engine}", "regularization.early_stopping={patience: 9}")
    whole = train_run(*given, "training.epochs=10").run
    run = train_run(*given, "training.epochs=4").run
    assert bits(verbs.resume(run, epochs=10).run) == bits(whole)
    again = verbs.train(load_config(whole.resolved), Path("again")).run
    assert bits(again) == bits(whole)
    assert run.read_record()["members"] == whole.read_record()["members"]


class Dies(Listener):
    """Kills its process when it hears of an epoch."""

    def epoch(self, row: Row) -> None:
        if row["epoch"] == 7:
            os.kill(os.getpid(), signal.SIGKILL)


def test_killed_it_goes_on_to_the_same_bits(train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    given = (*SETTINGS, *TRICKS, TOGETHER, "training.epochs=9")
    whole, root = train_run(*given).run, Path("killed").absolute()
    assert exit_code(lambda: train_run(*given, root=root, listener=Dies())) == -signal.SIGKILL
    (path,) = root.glob("2*")
    run = RunDir(path)
    assert (run.status, len(run.metrics())) == ("interrupted", 7)
    assert bits(verbs.resume(run).run) == bits(whole)


class Nudges(Listener):
    def started(self, run: RunDir, config: Any, beginning: Any) -> None:
        self.run = run

    def epoch(self, row: Row) -> None:
        if row["epoch"] == 3:
            ask(self.run, "change", [f"{RATE}=0.05", "regularization.dropout=0.4"])


@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["kept", "trained again"])
def test_nudged_and_rewound(train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(kept_states, "SECONDS_AGAIN", seconds)
    given = (*SETTINGS, TOGETHER, "optimizer.name=momentum", "training.epochs=8")
    run = train_run(*given, listener=Nudges()).run
    assert [row["learning_rate"] for row in run.metrics()] == [0.01] * 3 + [0.05] * 5
    assert bits(verbs.train(load_config(run.resolved), Path("again")).run) == bits(run)
    for epoch in ("5", "8"):
        assert bits(rewind(run, epoch).run) == bits(run)
    changed = rewind(run, "5", [f"{RATE}=0.001"]).run
    assert [row["learning_rate"] for row in changed.metrics()] == [0.01] * 3 + [0.05] * 2 + [0.001] * 3


def test_another_number_of_networks_cannot_go_on(train_run: Train) -> None:
    run = train_run(*SETTINGS, TOGETHER, "training.epochs=2").run
    for number in (1, 2):
        told = f"the checkpoint has 3 networks, network.ensemble asks for {number}; train anew"
        with pytest.raises(UsageError, match=told):
            verbs.resume(run, epochs=3, overrides=[f"network.ensemble={number}"])
    one = train_run(*SETTINGS, "training.epochs=2").run
    with pytest.raises(UsageError, match="has 1 network, network"):
        verbs.resume(one, epochs=3, overrides=["network.ensemble=2"])
    (one.path / "checkpoints/last.safetensors").write_bytes((run.path / "checkpoints/last.safetensors").read_bytes())
    with pytest.raises(DataError, match="has 3 networks"):
        verbs.resume(one, epochs=3)


# what does not go well


def test_a_member_that_diverges_ends_its_ensemble(make_trainer: Make) -> None:
    """The others of it stand where they were before that epoch; another ensemble beside it trains on as alone."""
    made = {"loss": "squared_error", "outputs": 2, "optimizer": "sgd", "activation": "relu", "batch_size": 50}
    rates = [0.01, 1e200, 0.02, 0.01]
    trainer = make_trainer([1, 2, 3, 4], ensemble=2, learning_rate=rates, **made)
    with np.errstate(all="ignore"):
        first, *others = trainer.epochs(3)
    (found,) = first.diverged.items()
    assert (found[0], found[1].epoch, found[1].member) == (0, 1, 1)
    assert np.isnan(first.dev_loss).tolist() == np.isnan(first.dev_losses).any(axis=1).tolist() == [True, False]
    assert trainer.training.tolist() == [False, True] and len(others) == 2
    fresh = make_trainer([1, 2], learning_rate=rates[:2], **made)
    np.testing.assert_array_equal(trainer.theta[:2], fresh.theta)
    alone = make_trainer([3, 4], ensemble=2, learning_rate=rates[2:], **made)
    np.testing.assert_array_equal(
        [epoch.dev_loss[0] for epoch in alone.epochs(3)], [e.dev_loss[1] for e in (first, *others)]
    )
    np.testing.assert_array_equal(trainer.theta[2:], alone.theta)


def test_the_record_says_which_member_diverged(train_run: Train) -> None:
    given = ("data.source=diabetes", "network.hidden=[5]", "training.epochs=9", "optimizer.name=sgd", f"{RATE}=40")
    outcome = train_run(*given, TOGETHER)
    alone = [train_run(*given, f"seed={seed}").record["divergence"] for seed in range(SEEDS)]
    assert outcome.status == "diverged" and all(alone)
    seed = min(range(SEEDS), key=lambda k: (alone[k]["epoch"], alone[k]["step"], k))
    assert outcome.record["divergence"] == {**alone[seed], "seed": seed}
    assert f"of the network with seed {seed} met numbers that are not finite" in outcome.run.read("log.txt").decode()


# beside others, and what it costs


@pytest.mark.parametrize("engine", ENGINES)
def test_ensembles_in_one_trainer_are_the_same_alone(train_run: Train, bits: Bits, engine: str) -> None:
    """As a search stacks them: other rates and seeds, stopped early each by itself."""
    stopping = "regularization.early_stopping={patience: 4}"
    shared = (*SETTINGS, TOGETHER, f"training.engine={engine}", "training.epochs=30", stopping)
    own = [("seed=1", "optimizer.learning_rate=0.1"), ("seed=8", "regularization.dropout=0.3"), ("seed=20",)]
    configs = [load_config(None, [*shared, *settings]).config for settings in own]
    dataset = load(configs[0])
    runs = []
    for k, config in enumerate(configs):
        path = Path(f"{k}").absolute()
        runs.append(RunDir.create_at(path, {**first_files(str(k), config, None, dataset, (), None), EPOCHS: b""}))
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked())
        together = Session(configs, dataset).train(runs, Listener(), lambda: False)
    assert len({outcome.record["epochs"] for outcome in together}) > 1
    for outcome, settings in zip(together, own, strict=True):
        alone = train_run(*shared, *settings)
        assert bits(outcome.run) == bits(alone.run)
        for key in ("epochs", "best_epoch", "stopped_early", "final", "members", "symptoms"):
            assert outcome.record[key] == alone.record[key], key


def test_it_costs_as_many_networks() -> None:
    one, five = (load_config(None, [f"network.ensemble={n}"]).config for n in (1, 5))
    dataset = load(one)
    assert memory_needed(five, dataset) == (memory_needed(one, dataset)[0], 5 * memory_needed(one, dataset)[1])
    assert saved_seconds(five, dataset) == 5 * saved_seconds(one, dataset)
    assert [member.seed for member in networks_of(five)] == [0, 1, 2, 3, 4]
    assert networks_of(one) == [one]


def test_weights_near_zero_are_the_mean_share(train_run: Train) -> None:
    given = (*SETTINGS, "training.epochs=1", "regularization.l1=1")
    shares = [train_run(*given, *more).record["final"]["near_zero_weights"] for more in ((TOGETHER,), *OWN_SEEDS)]
    assert shares[0] == pytest.approx(np.mean(shares[1:]))


def test_statistics_of_layers_are_means_and_the_worst_of_dead_units(train_run: Train) -> None:
    given = (*SETTINGS, "training.epochs=2", "training.layer_statistics=true", "regularization.input_dropout=0.1")
    together = train_run(*given, TOGETHER)
    alone = [train_run(*given, f"seed={4 + k}") for k in range(SEEDS)]
    for layer, found in together.rows[-1]["layers"].items():
        for name, value in found.items():
            values = [run.rows[-1]["layers"][layer][name] for run in alone]
            assert value == pytest.approx(max(values) if name == "dead" else np.mean(values))


# in words


def test_it_is_told_what_the_ensemble_is_beside_its_members(train_run: Train) -> None:
    outcome = train_run(*SETTINGS, TOGETHER, "training.epochs=2")
    log = outcome.run.read("log.txt").decode()
    assert "network  3 × 4-6-5-3 (relu), 83 parameters each" in log and "seeds 4 to 6" in log
    errors = [member["dev_error"] or 0 for member in outcome.record["members"]]
    low, high = 100 * min(errors), 100 * max(errors)
    final = outcome.record["final"]["dev_error"]
    assert f"ensemble of 3: dev error {100 * final:.1f}% (members {low:.1f} to {high:.1f}%)" in log
