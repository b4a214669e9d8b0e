"""Which columns matter, on planted tables, of whose columns it is known what they tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.data.dataset import Part
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table
from nnrun.engine.exchange import Exchanged
from nnrun.engine.layers import Backward, Dense, Mode
from nnrun.engine.parameters import Array, Views
from nnrun.models.importance import alikeness
from nnrun.models.importance.measuring import FEWEST_ROUNDS, Importance, ImportanceDocument, importance, importance_of
from nnrun.models.importance.shuffling import Shuffled
from nnrun.models.importance.telling import importance_page, surely
from nnrun.models.model import Model, load_model
from nnrun.models.trained import Trained, trained
from nnrun.runs import verbs
from nnrun.runs.assembly import examples
from nnrun.runs.stored import StoredRun

TASKS = ("regression", "classification")


def planted(seed: int, rows: int, task: str) -> pd.DataFrame:
    """`strong` and the category `kind` tell much, `weak` little, `noise` and `when` nothing; `twin` is as `strong`."""
    rng = np.random.default_rng(seed)
    strong, weak, noise, kind = *rng.normal(size=(3, rows)), rng.integers(0, 4, rows)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), "D")
    y = 2 * strong + 0.7 * weak + np.array([-2.0, 0.0, 1.0, 2.0])[kind] + rng.normal(size=rows)
    return pd.DataFrame(
        {
            "noise": noise,
            "strong": strong,
            "twin": 0.95 * strong + 0.3 * rng.normal(size=rows),
            "kind": np.array(["a", "b", "c", "d"])[kind],
            "weak": weak,
            "when": days.strftime("%Y-%m-%d"),
            "y": y if task == "regression" else np.where(y > 0, "yes", "no"),
        }
    )


@pytest.fixture(scope="module", params=TASKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    path = tmp_path_factory.mktemp("planted") / f"{request.param}.csv"
    planted(0, 2000, request.param).to_csv(path, index=False)
    settings = ("network.hidden=[16]", "training.epochs=20", "optimizer.learning_rate=1e-2")
    config = load_config(None, (f"data.source={path}", "data.target=y", *settings))
    return trained(StoredRun(verbs.train(config, path.parent / "runs").run))


def on(run: Trained, seed: int, rows: int) -> ImportanceDocument:
    """The importance of its columns on fresh rows in place of dev."""
    table = Table(Framed(planted(seed, rows, run.dataset.task)), "fresh")
    dev = Part(run.model.features(table), run.model.target.encode(table, "float32"))
    return importance_of(replace(run, dataset=replace(run.dataset, parts={**run.dataset.parts, "dev": dev}))).document


def test_the_order_is_that_in_which_they_were_planted(run: Trained) -> None:
    found = importance_of(run)
    names = [own["column"] for own in found.columns]
    assert {*names[:2]} == {"strong", "kind"}
    assert names[2] == "weak"
    assert [own["surely"] for own in found.columns if own["column"] in ("strong", "kind", "noise")] == [
        True,
        True,
        False,
    ]
    assert [(group["columns"], group["correlation"] > 0.9) for group in found.groups] == [(["strong", "twin"], True)]
    alone = max(own["error"] for own in found.columns if own["column"] in ("strong", "twin"))
    assert found.groups[0]["error"] > alone
    assert not found.leaks
    assert found.document == importance(load_model(run.run)).document
    assert "surely matter to this network: error or loss rises by more than chance; of the others" in surely(found)


@pytest.mark.parametrize("repetitions", [50, pytest.param(400, marks=pytest.mark.soak)])
def test_intervals_hold_what_the_network_loses_by_the_column(run: Trained, repetitions: int) -> None:
    """95% are meant; single columns may have bad luck in 50 repetitions, all of them together have not."""
    truth = {own["column"]: own for own in on(run, 1, 20_000)["columns"]}
    held = dict.fromkeys([(kind, name) for kind in ("error", "loss") for name in truth], 0)
    for seed in range(repetitions):
        for own in on(run, 2 + seed, 400)["columns"]:
            for kind in ("error", "loss"):
                held[kind, own["column"]] += own[f"{kind}_low"] <= truth[own["column"]][kind] <= own[f"{kind}_high"]
    assert min(held.values()) >= (0.84 if repetitions == 50 else 0.9) * repetitions, held
    assert sum(held.values()) >= 0.9 * repetitions * len(held), held


def test_a_column_that_gives_the_target_away_is_named_as_a_leak(tmp_path: Path) -> None:
    frame = planted(3, 300, "classification").assign(code=lambda f: np.where(f.y == "yes", 7.0, 3.0))
    frame.to_csv(tmp_path / "leak.csv", index=False)
    settings = (f"data.source={tmp_path}/leak.csv", "data.target=y", "training.epochs=3", "network.hidden=[4]")
    found = importance(load_model(StoredRun(verbs.train(load_config(None, settings), tmp_path / "runs").run)))
    assert [leak["column"] for leak in found.leaks] == ["code"]
    (line,) = (line for line in importance_page(found) if line.startswith("leak "))
    assert line == "leak     code alone explains 100.0% of y: a leak, unless it is known before y is"


def test_what_is_alike_to_one_column_is_one_group() -> None:
    """Columns of an image stand in thousands, so groups are found block by block."""
    rng = np.random.default_rng(0)
    first, other = rng.normal(size=(2, 400))
    ranks = np.column_stack([first, other, first + 0.1 * rng.normal(size=400), -other, rng.normal(size=400), -first])
    ranks -= ranks.mean(axis=0)
    ranks /= np.sqrt(np.square(ranks).sum(axis=0))
    owners = np.array([0, 2, 3, 4, 5, 5])  # the last column has two features
    found = list(alikeness._joined(ranks, owners))
    whole = np.abs(ranks.T @ ranks)
    assert [columns for columns, _ in found] == [[0, 3, 5], [2, 4]]
    assert found[0][1] == pytest.approx(min(whole[0, 2], whole[2, 5]))
    of_one_feature_each = alikeness._joined(ranks[:, :5], owners[:5])
    assert [columns for columns, _ in of_one_feature_each] == [[0, 3], [2, 4]]
    for block in (1, 2, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alikeness, "BLOCK", block)
            assert [columns for columns, _ in alikeness._joined(ranks, owners)] == [[0, 3, 5], [2, 4]]


def test_columns_that_are_alike_at_the_beginning_alone_are_not_alike(run: Trained) -> None:
    """As those of a file sorted by time, whose sensors went different ways at last."""
    made = run.model.preprocessors[0]
    x = np.random.default_rng(0).normal(size=(12_000, made.n_features))
    one, other = (made.places[name][0] for name in ("strong", "weak"))
    x[:6_000, one] = x[:6_000, other]
    assert alikeness.alike(made, x) == []
    x[:, one] = x[:, other]
    assert [group.columns for group in alikeness.alike(made, x)] == [["strong", "weak"]]


def test_of_a_handful_of_rows_no_columns_are_alike(run: Trained) -> None:
    """Ranks of three rows that have nothing in common are the same, or each other's reverse, in a third of cases."""
    made, rng = run.model.preprocessors[0], np.random.default_rng(0)
    for rows in (3, 5, 19):
        assert all(alikeness.alike(made, rng.normal(size=(rows, made.n_features))) == [] for _ in range(20))
    x = rng.normal(size=(alikeness.ENOUGH, made.n_features))
    one, other = (made.places[name][0] for name in ("strong", "weak"))
    x[:, one] = x[:, other]
    assert [group.columns for group in alikeness.alike(made, x)] == [["strong", "weak"]]


@pytest.mark.parametrize("rows", [5, 10, 11, 50])
def test_a_feature_that_does_not_vary_is_alike_to_none(rows: int) -> None:
    x = np.column_stack([np.ones(rows), np.random.default_rng(0).normal(size=rows)])
    ranks, kept = alikeness._standard_ranks(x)
    assert kept.tolist() == [1]
    assert np.square(ranks).sum() == pytest.approx(1)


def test_much_work_is_bounded_and_heard_of(run: Trained) -> None:
    heard: list[tuple[int, int]] = []
    found = importance_of(run, lambda done, of: heard.append((done, of)), work=1)
    assert (found.rows, found.rounds, found.of_rows) == (400, FEWEST_ROUNDS, 400)  # no fewer than leave an interval
    assert heard == [(done, 7) for done in range(8)]
    assert importance_of(run, work=400 * 6 * 5 * weights(run)).rounds == 5


def weights(run: Trained) -> int:
    return sum(tensor.size for tensor in run.model.members[0].weights.values())


KINDS: dict[str, tuple[str, ...]] = {
    "plain": ("training.engine=numpy",),
    "folds": ("data.folds=2",),
    "networks": ("network.ensemble=2", "regularization.input_dropout=0.2"),
    "members": ("network.members=3", "network.batch_norm=true"),
    "embeddings": ("data.encode_categories=embedding", "network.members=2"),
    "pieces": ("data.encode_numbers=piecewise", "training.dtype=float64"),
    "linear": ("network.hidden=[]", "data.normalize=quantile"),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_short_way_says_what_whole_passes_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, task: str
) -> None:
    frame = planted(5, 300, task)
    frame.loc[::7, "strong"] = frame.loc[::5, "kind"] = None
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    settings = (f"data.source={tmp_path}/gaps.csv", "data.target=y", "training.epochs=3", *KINDS[kind])
    config = load_config(None, settings)
    run = trained(StoredRun(verbs.train(config, tmp_path / "runs").run))
    found = numbers(importance_of(run))
    assert found == numbers(importance_of(run))
    monkeypatch.setattr(Model, "exchanged", passed_whole)
    assert found == {name: pytest.approx(scores, abs=1e-6) for name, scores in numbers(importance_of(run)).items()}


def test_all_features_go_through_the_first_layer_once(run: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, passed, features = Dense.forward, list[int](), run.model.n_features

    def counted(layer: Dense, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        passed.append(x.shape[-2] if layer.units == 16 and x.shape[-1] == features else 0)
        return forward(layer, p, s, x, mode)

    monkeypatch.setattr(Dense, "forward", counted)
    assert importance_of(run).rows == sum(passed) == 400


def test_a_row_adds_what_it_loses_and_what_others_lose_by_its_values(run: Trained) -> None:
    shuffled = Shuffled(run.model, examples(run.dataset, "dev").take(slice(50)), rounds=3)
    places, x, y = run.model.preprocessors[0].places["strong"], shuffled.rows.x, shuffled.rows.y

    def losses(features: Array) -> Array:
        ((_, logits),) = run.model.logits(features)
        return run.model.loss.each(logits, run.model.loss.targets(y, x.dtype))[0]

    adds = np.zeros(50)
    for donors in shuffled.donors:
        changed = x.copy()
        changed[:, places] = x[donors][:, places]
        rise = losses(changed) - losses(x)
        adds += rise
        adds[donors] += rise
    np.testing.assert_allclose(shuffled.without(["strong"])[0], adds / 3 - adds.mean() / 6, rtol=1e-4, atol=1e-5)


def numbers(found: Importance) -> dict[str, dict[str, object]]:
    """Those of each column, and of each group."""
    named = [(own["column"], own) for own in found.columns] + [("+".join(own["columns"]), own) for own in found.groups]
    return {name: {key: value for key, value in own.items() if isinstance(value, float)} for name, own in named}


def passed_whole(model: Model, x: Array) -> Exchanged:
    """All features of all rows through all layers."""

    def logits(places: Sequence[int], rows: Array, donors: Array) -> Iterator[tuple[slice, Array]]:
        changed = x[rows]
        changed[:, places] = x[donors][:, places]
        return model.logits(changed)

    return logits


def test_folds_and_classes_that_weigh(tmp_path: Path) -> None:
    """Each row by the network that has not learned it; errors on the scale of training."""
    planted(4, 400, "classification").to_csv(tmp_path / "folds.csv", index=False)
    settings = (f"data.source={tmp_path}/folds.csv", "data.target=y", "data.folds=2",
                "data.class_weight=balanced", "optimizer.learning_rate=1e-2")  # fmt: skip
    stored = StoredRun(verbs.train(load_config(None, settings), tmp_path / "runs").run)
    found = importance(load_model(stored))
    assert found.of_rows == sum(len(fold.dataset.parts["dev"].y) for fold in trained(stored).folds)
    assert found.error == pytest.approx(stored.final["dev_error"], rel=1e-6)
    assert {own["column"] for own in found.columns[:2]} == {"strong", "kind"}
    assert "balanced error, points" in importance_page(found)[3]
