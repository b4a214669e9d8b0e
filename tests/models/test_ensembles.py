"""A model of several networks: what it says is the weighted mean of what they say."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnrun.data.raw import read_parts
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.files import sealed_document
from nnrun.models.model import Model, load_model
from nnrun.models.rows import Predictions
from nnrun.models.trained import trained
from nnrun.models.verbs import evaluate
from nnrun.runs.listener import Outcome
from nnrun.runs.members import member
from nnrun.runs.rundir import MEMBERS, RunDir
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]

QUICK = ("network.hidden=[8]", "training.epochs=4")


def assembled(outcomes: Sequence[Outcome], weights: Sequence[float]) -> StoredRun:
    """A run whose members are copies of these."""
    first = outcomes[0].run
    whole = RunDir(first.path.with_name(f"{first.id}-whole"))
    shutil.copytree(first.path, whole.path)
    shutil.rmtree(whole.path / "checkpoints")
    for k, outcome in enumerate(outcomes):
        shutil.copytree(outcome.run.path, member(whole, k + 1).path)
    shares = [w / sum(weights) for w in weights]
    whole.write(
        MEMBERS,
        sealed_document(
            {
                "schema_version": 1,
                "how": "runs",
                "weights": shares,
                "members": [{"id": outcome.run.id, "weight": w} for outcome, w in zip(outcomes, shares, strict=True)],
            }
        ),
    )
    return StoredRun(whole)


def mean_of(outcomes: Sequence[Outcome], weights: Sequence[float], say: Callable[[Model], Array]) -> Array:
    return np.average([say(load_model(StoredRun(outcome.run))) for outcome in outcomes], axis=0, weights=weights)


def test_rows_with_features_of_others_of_each_preprocessing(train_run: Train) -> None:
    """Members of another normalisation, target scale and precision, each with its own features of a column."""
    ways = (("standard", "float32"), ("none", "float64"))
    settings = [(f"data.normalize={how}", f"training.dtype={dtype}") for how, dtype in ways]
    model = load_model(assembled([train_run("data.source=diabetes", *own, *QUICK) for own in settings], [3, 1]))
    x = np.random.default_rng(0).normal(size=(600, model.n_features))
    places, rows, donors = [1, 10 + 1, 10 + 9], np.arange(600), np.arange(600)[::-1]
    changed = x.copy()
    changed[:, places] = x[donors][:, places]
    for (some, found), (same, whole) in zip(
        model.exchanged(x)(places, rows, donors), model.logits(changed), strict=True
    ):
        assert some == same
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("source", ["iris", "breast_cancer", "diabetes"])
def test_it_predicts_the_weighted_mean_of_what_members_of_different_shapes_say(train_run: Train, source: str) -> None:
    outcomes = [
        train_run(f"data.source={source}", *QUICK),
        train_run(f"data.source={source}", "network.hidden=[4,4]", "network.activation=tanh", "seed=3", *QUICK[1:]),
        train_run(f"data.source={source}", "network.batch_norm=true", "data.normalize=none", *QUICK),
    ]
    whole, weights = assembled(outcomes, [2, 1, 1]), [0.5, 0.25, 0.25]
    rows = read_parts(whole.config.data)["dev"]
    expected = mean_of(outcomes, weights, lambda model: model.predict(rows))
    model = load_model(whole)
    np.testing.assert_allclose(model.predict(rows), expected, rtol=2e-6, atol=1e-6)
    alone = model.predict(rows.take(np.array([3])))[0]
    np.testing.assert_allclose(alone, model.predict(rows)[3], rtol=1e-6)
    assert len(next(iter(Predictions(model).of([rows])))) == len(rows)


@pytest.mark.parametrize("target", ["digit", "mean radius"])
def test_members_that_take_different_numbers_of_rows_at_once_speak_of_the_same_rows(
    train_run: Train, target: str
) -> None:
    """Those that share a body take rows in smaller chunks than one network alone."""
    data = ("data.source=digits",) if target == "digit" else ("data.source=breast_cancer", f"data.target={target}")
    outcomes = [train_run(*data, *QUICK, f"network.members={k}", f"network.ensemble={n}") for k, n in ((1, 1), (4, 2))]
    model, weights = load_model(assembled(outcomes, [3, 1])), [3, 1]
    rows = np.resize(model.features(read_parts(model.config.data)["train"]), (1200, model.n_features))
    expected = mean_of(outcomes, weights, lambda model: model.predict_features(rows))
    np.testing.assert_allclose(model.predict_features(rows), expected, rtol=1e-5, atol=1e-6)
    said = [logits.copy() for _, logits in model.opinions_of_each(rows)]
    assert {len(one) for one in said} == {1 + 4 * 2}
    np.testing.assert_allclose(model.shares_of_each, [0.75, *[0.25 / 8] * 8])
    pooled = [model.loss.predict(model.loss.pool(one, model.shares_of_each)) for one in said]
    together = np.concatenate(pooled)
    if target != "digit":
        together = together[:, 0] * model.target.deviation + model.target.mean
    np.testing.assert_allclose(together, expected, rtol=1e-5, atol=1e-6)


def test_it_is_evaluated_on_its_own_parts_and_on_a_file(train_run: Train, tmp_path: Path) -> None:
    outcomes = [train_run("data.source=diabetes", f"data.normalize={how}", *QUICK) for how in ("standard", "none")]
    whole = assembled(outcomes, [1, 1])
    found = evaluate(load_model(whole))
    rows = read_parts(whole.config.data)["dev"]
    said = mean_of(outcomes, [1, 1], lambda model: model.predict(rows))
    true = rows.frame[found.model.target.name].to_numpy()
    rmse = np.sqrt(np.mean(np.square(said - true)))
    assert found.value("dev_rmse") == pytest.approx(rmse, rel=1e-5)
    rows.frame.to_csv(tmp_path / "dev.csv", index=False)
    of_file = evaluate(load_model(whole), str(tmp_path / "dev.csv"))
    assert of_file.value("data_rmse") == pytest.approx(rmse, rel=1e-5)
    assert of_file.results["data"]["linear"] == pytest.approx(found.results["dev"]["linear"], rel=1e-5)
    mistakes = trained(whole).mistakes("dev")
    assert mistakes.mean() == pytest.approx(found.value("dev_error"), rel=1e-5)


def test_a_member_without_weight_says_nothing(train_run: Train) -> None:
    outcomes = [train_run("data.source=iris", f"seed={seed}", *QUICK) for seed in (0, 1)]
    whole = assembled(outcomes, [1, 0])
    rows = read_parts(whole.config.data)["dev"]
    np.testing.assert_array_equal(load_model(whole).predict(rows), load_model(StoredRun(outcomes[0].run)).predict(rows))


def test_a_member_without_its_checkpoint_is_named_in_full(train_run: Train) -> None:
    whole = assembled([train_run("data.source=iris", *QUICK, f"seed={seed}") for seed in (0, 1)], [1, 1])
    member(whole.directory, 2).checkpoint("best").unlink()
    with pytest.raises(UsageError, match=f"^{whole.id}/members/02 has no checkpoint"):
        load_model(whole)


def test_of_a_member_the_test_part_is_left_alone(train_run: Train) -> None:
    outcomes = [train_run("data.source=iris", f"seed={seed}", *QUICK) for seed in (0, 1)]
    whole = assembled(outcomes, [1, 1])
    found = evaluate(load_model(StoredRun(member(whole.directory, 1))))
    assert "test" not in found.results and any(whole.id in note for note in found.notes)


def test_it_is_the_pool_that_a_temperature_divides(train_run: Train) -> None:
    outcomes = [train_run("data.source=iris", f"seed={seed}", *QUICK) for seed in (0, 1)]
    model = load_model(assembled(outcomes, [1, 1]))
    x = model.features(read_parts(model.config.data)["dev"])
    cool, raw = (np.concatenate([z for _, z in one.logits(x)]) for one in (replace(model, temperature=2.0), model))
    np.testing.assert_array_equal(cool, raw / 2)
    said, other = replace(model, temperature=2.0).predict_features(x), model.predict_features(x)
    assert said.max(axis=1).mean() < other.max(axis=1).mean()
    np.testing.assert_array_equal(said.argmax(axis=1), other.argmax(axis=1))
