"""Runs that are judged by averages of their parameters, from the configuration to what predicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.errors import UsageError
from nnrun.models.export import numpy_file
from nnrun.models.export.formats import dev_rows
from nnrun.models.model import load_model
from nnrun.models.trained import trained
from nnrun.runs import verbs
from nnrun.runs.assembly import make_trainer
from nnrun.runs.checkpoints import SLOT, load_weights, named
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.trials import signature
from tests.engines import ENGINES
from tests.runs.test_session import cohort

Train = Callable[..., Outcome]
SETTINGS = (
    "data.source=wine", "network.hidden=[6]", "network.batch_norm=true", "optimizer.name=adam",
    "optimizer.learning_rate=0.01", "training.epochs=6",
)  # fmt: skip
EMA, SWA = "training.average.ema=0.9", "training.average.swa=3"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("average", [EMA, SWA])
def test_the_best_checkpoint_holds_it_and_predicts(train_run: Train, average: str, engine: str) -> None:
    outcome = train_run(*SETTINGS, average, f"training.engine={engine}")
    run, best = outcome.run, outcome.record["best_epoch"]
    tensors, about = run.load_checkpoint("last") or ({}, {})
    assert best == about["epoch"] == 6, "so both are of the same epoch"
    network = make_trainer([load_config(None, SETTINGS).config], trained(StoredRun(run)).dataset).network
    theta, state = np.split(tensors[f"{SLOT}average"], [network.theta.size])
    weights = load_weights(run)
    for name, expected in named(network, theta, state).items():
        assert np.array_equal(weights[name], expected), name
        assert not np.array_equal(tensors[name], expected), f"{name} is trained on by itself"
    model = trained(StoredRun(run))
    for part in ("train", "dev", "test"):
        assert model.mistakes(part).mean() == pytest.approx(outcome.record["final"][f"{part}_error"])
    row = run.metrics()[best - 1]
    assert outcome.record["final"]["dev_loss"] == pytest.approx(row["dev_loss"], rel=1e-5)
    assert (
        f"judged by averages ({average.removeprefix('training.average.').replace('=', ' ')})"
        in run.read("log.txt").decode()
    )


def test_an_exported_model_is_the_averaged_one(train_run: Train, tmp_path: Path) -> None:
    run = train_run(*SETTINGS, EMA).run
    model, file = load_model(StoredRun(run)), tmp_path / "model.py"
    numpy_file.write(model, file)
    table, dev = dev_rows(model), trained(StoredRun(run)).dataset.parts["dev"]
    (_, logits), *more = model.logits(dev.x)
    assert not more
    powers = np.exp(logits.astype(float))
    expected = powers / powers.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(numpy_file.run(model, file, table), expected, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("average", [EMA, SWA])
def test_resumed_as_without_a_break(
    train_run: Train, bits: Callable[[RunDir], dict[str, Any]], tmp_path: Path, average: str, engine: str
) -> None:
    """In the middle of what is averaged; after each epoch, and where the average changes: test_changes_trained.py."""
    settings = (*SETTINGS, average, f"training.engine={engine}")
    first = train_run(*settings, "training.epochs=4", root=tmp_path / "other")
    assert bits(verbs.resume(first.run, epochs=6).run) == bits(train_run(*settings).run)


def test_training_goes_on_as_without(train_run: Train, tmp_path: Path) -> None:
    plain, averaged = train_run(*SETTINGS).run, train_run(*SETTINGS, SWA).run
    raw, (tensors, _) = load_weights(plain, "last"), averaged.load_checkpoint("last") or ({}, {})
    assert all(np.array_equal(raw[name], tensors[name]) for name in raw)
    assert [row["dev_loss"] for row in plain.metrics()[:3]] == [row["dev_loss"] for row in averaged.metrics()[:3]]
    assert load_weights(averaged, "last").keys() == raw.keys()


def test_among_others_and_alone(tmp_path: Path) -> None:
    """Trials whose decays differ are members of one stack; one without an average, or with another kind, is not."""
    configs = [load_config(None, [*SETTINGS, f"training.average.ema={ema}"]).config for ema in (0.9, 0.5, 0.99)]
    others = [load_config(None, [*SETTINGS, *more]).config for more in ([], [SWA])]
    signatures = [signature(config.resolved()) for config in [*configs, *others]]
    assert len(set(signatures[:3])) == 1 and len(set(signatures)) == 3
    for config, mine in zip(configs, cohort(configs, tmp_path / "together"), strict=True):
        (own,) = cohort([config], tmp_path / f"alone{config.training.average}")
        for name in ("best", "last"):
            file = f"checkpoints/{name}.safetensors"
            assert mine.run.read(file) == own.run.read(file)
        assert mine.record["final"] == own.record["final"]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_network_of_an_ensemble_has_its_own(train_run: Train, engine: str) -> None:
    settings = (*SETTINGS, EMA, f"training.engine={engine}")
    whole = train_run(*settings, "network.ensemble=2").run
    (last, about), (best, of_best) = (whole.load_checkpoint(name) or ({}, {}) for name in ("last", "best"))
    for k in range(2):
        alone = train_run(*settings, f"seed={k}").run
        tensors, _ = alone.load_checkpoint("last") or ({}, {})
        assert all(np.array_equal(last[name][k], tensor) for name, tensor in tensors.items())
    assert of_best["epoch"] == about["epoch"]
    assert np.array_equal(best["dense1.W"].reshape(2, -1), last[f"{SLOT}average"][:, : best["dense1.W"][0].size])
    first = train_run(*settings, "network.ensemble=2", "training.epochs=3").run
    resumed = verbs.resume(first, epochs=6).run
    assert resumed.read("checkpoints/last.safetensors") == whole.read("checkpoints/last.safetensors")


def test_a_child_averages_from_where_its_parent_stands(train_run: Train) -> None:
    parent = train_run(*SETTINGS).run
    with pytest.raises(UsageError, match="goes on in epoch 7: an average over epochs cannot begin before epoch 7"):
        verbs.resume(parent, epochs=8, overrides=["training.average.swa=6"])
    child = verbs.resume(parent, epochs=8, overrides=["training.average.swa=7"]).run
    whole = train_run(*SETTINGS[:-1], "training.epochs=8", "training.average.swa=7").run
    assert child.read("checkpoints/last.safetensors") == whole.read("checkpoints/last.safetensors")
    over_steps = verbs.resume(parent, epochs=7, overrides=[EMA]).run
    [begun], [now, average] = weights_of(parent), weights_of(over_steps)
    assert np.abs(average - begun).max() < np.abs(now - begun).max(), "it began where the parent stood, not at 0"
    by_another_rule = verbs.resume(over_steps, epochs=8, overrides=["optimizer.name=sgd"]).run
    assert np.abs(weights_of(by_another_rule)[1] - average).max() < 0.1, "and goes on"


def weights_of(run: RunDir) -> list[Any]:
    """Those of the first layer that are trained, and their average where there is one."""
    tensors, _ = run.load_checkpoint("last") or ({}, {})
    W, average = tensors["dense1.W"].ravel(), tensors.get(f"{SLOT}average")
    return [W] if average is None else [W, average[: W.size]]
