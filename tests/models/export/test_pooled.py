"""Models of several networks as one file: what it says of raw rows is what `predict` says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest

from nnrun.config.load import load_config
from nnrun.data.files.table import Table
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.models.export import numpy_file, onnx_file, standalone
from nnrun.models.export.affine import pool_of
from nnrun.models.export.formats import FORMATS, dev_rows, difference, export
from nnrun.models.export.onnx_graph import feed
from nnrun.models.model import Model, load_model
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.models.export.test_agreement import messy
from tests.models.test_ensembles import assembled

Train = Callable[..., Outcome]
CLOSE = 1e-6
SEEDS = [(f"seed={seed}",) for seed in range(3)]
FOLDS = [(f"data.split_seed={seed}",) for seed in (0, 1)]  # each has learned from other rows


class Case(NamedTuple):
    """What members have in common, what each has of its own, and the stacks that they become."""

    target: str
    members: list[tuple[str, ...]]
    weights: list[float]
    stacks: int
    common: tuple[str, ...] = ()
    temperature: float = 1.0
    close: float = CLOSE


TEN = [
    (f"network.activation={activation}", f"network.hidden=[{4 + k % 3},4]", f"network.batch_norm={bool(k % 2)}")
    for k, activation in enumerate([*ACTIVATIONS, "relu", "relu"])
]
CASES = {
    "a top ten": Case("few", TEN, [1] * 10, 9),
    "a weighted choice": Case("few", [*SEEDS, TEN[2]], [3, 1, 1, 5], 2, temperature=0.4),
    "two classes": Case("two", [*SEEDS, TEN[3]], [3, 1, 1, 5], 2, temperature=1.7),
    "weighted classes": Case("few", SEEDS, [2, 1, 1], 1, ("data.class_weight=balanced",), 2.5),
    "folds": Case("much", FOLDS, [1, 1], 2),
    "a regression": Case("much", [*SEEDS, TEN[4]], [3, 1, 1, 5], 2),
    "preprocessings": Case("few", [*SEEDS, ("data.normalize=none",)], [1, 1, 1, 1], 2),
    "precisions": Case("two", [*SEEDS, ("training.dtype=float64",)], [1, 1, 1, 1], 2),
    "float64": Case("much", [*SEEDS, TEN[5]], [3, 1, 1, 5], 2, ("training.dtype=float64",), close=1e-12),
    "embeddings": Case("few", [*SEEDS, TEN[3]], [3, 1, 1, 5], 2, ("data.encode_categories=embedding",), 1.7),
    "folds of embeddings": Case("much", FOLDS, [1, 1], 2, ("data.encode_categories=embedding",)),
    "an embedding beside none": Case("two", [*SEEDS, ("data.encode_categories=embedding",)], [1, 1, 1, 1], 2),
    "classes in float64": Case("two", [*SEEDS, TEN[6]], [3, 1, 1, 5], 2, ("training.dtype=float64",), 3.0, 1e-12),
}  # fmt: skip


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Of `people.csv`, which has numbers, a boolean, dates and categories with gaps in each; each network once."""
    folder = tmp_path_factory.mktemp("pooled")
    (folder / "people.csv").write_text(messy(200), encoding="utf-8")

    @cache
    def run(target: str, *settings: str) -> Outcome:
        others = ",".join({"few", "two", "much"} - {target})
        data = [f"data.source={folder / 'people.csv'}", f"data.target={target}", f"data.drop=[{others}]"]
        quick = ["training.epochs=2", "network.hidden=[6]"]
        return verbs.train(load_config(None, [*data, *quick, *settings]), folder / "runs")

    return run


def together(outcomes: Sequence[Outcome], weights: Sequence[float], temperature: float = 1.0) -> Model:
    """A model of the networks of several runs."""
    models = [load_model(StoredRun(outcome.run)) for outcome in outcomes]
    members, shares = tuple(one.members[0] for one in models), np.array(weights) / sum(weights)
    return replace(models[0], members=members, shares=shares, temperature=temperature)


@cache
def rows_of(path: Path) -> Table:
    """The dev rows of a run, which are read once."""
    return dev_rows(load_model(StoredRun(RunDir(path))))


def by_numpy(model: Model, path: Path, table: Table) -> Array:
    """What the Python file says of a CSV file with the rows, in this process."""
    table.frame.to_csv(path.with_suffix(".csv"), index=False)
    space: dict[str, Any] = {"__name__": "exported"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    found: Array = space["predict"](list(space["_records"](path.with_suffix(".csv"))))
    return found


RUN = {"onnx": onnx_file.run, "numpy": by_numpy}


def check(model: Model, folder: Path, close: float = CLOSE) -> None:
    """Both files say what the model says, of all rows and of each of three alone."""
    rows = rows_of(model.members[0].run.path)
    expected = model.predict(rows)
    for name, format in FORMATS.items():
        path = folder / f"model{format.suffix}"
        format.write(model, path)
        assert difference(model, expected, RUN[name](model, path, rows)) <= close, name
        for i in (0, 1, len(rows) - 1):
            alone = RUN[name](model, path, rows.take(np.array([i])))
            assert difference(model, expected[[i]], alone) <= close, name


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_an_ensemble_in_one_file_says_what_it_says(train: Train, tmp_path: Path, case: Case) -> None:
    outcomes = [train(case.target, *case.common, *own) for own in case.members]
    model = together(outcomes, case.weights, case.temperature)
    assert len(pool_of(model, ACTIVATIONS).stacks) == case.stacks
    check(model, tmp_path, case.close)


@pytest.mark.parametrize("target", ["few", "two", "much"])
def test_networks_that_were_trained_together_are_one_stack(train: Train, tmp_path: Path, target: str) -> None:
    model = load_model(StoredRun(train(target, "network.ensemble=5", "network.batch_norm=true").run))
    check(model, tmp_path)
    stored = {tuple(one.dims) for one in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert {(5, model.n_features, 6), (5, 1, 6)} <= stored


@pytest.mark.parametrize("target", ["few", "two", "much"])
@pytest.mark.parametrize(
    "more",
    [("network.batch_norm=true",), ("network.ensemble=2",), ("network.hidden=[]",),
     ("data.encode_categories=embedding", "network.ensemble=2")],
)  # fmt: skip
def test_members_that_share_a_body_are_networks_of_one_stack(
    train: Train, tmp_path: Path, target: str, more: tuple[str, ...]
) -> None:
    model = load_model(StoredRun(train(target, "network.members=3", "training.dtype=float64", *more).run))
    check(model if target == "much" else replace(model, temperature=1.7), tmp_path, 1e-12)
    networks = 3 * model.config.network.ensemble
    assert [len(stack.origins) for stack in pool_of(model, ACTIVATIONS).stacks] == [networks]


def test_what_members_share_stands_once_in_a_file(train: Train, tmp_path: Path) -> None:
    settings = ("network.members=3", "network.hidden=[6,5,4]", "network.batch_norm=true", "training.dtype=float64")
    model = load_model(StoredRun(train("few", *settings).run))
    check(replace(model, temperature=1.7), tmp_path, 1e-12)
    [stack] = pool_of(model, ACTIVATIONS).stacks
    assert [layer.W.shape for layer in stack.layers] == [(3, model.n_features, 6), (1, 6, 5), (1, 5, 4), (3, 4, 3)]
    stored = {tuple(one.dims) for one in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert {(1, 6, 5), (1, 5, 4)} <= stored and not {(3, 6, 5), (3, 5, 4)} & stored


def test_rows_that_members_share_stand_once_in_a_file_and_those_of_networks_for_each(
    train: Train, tmp_path: Path
) -> None:
    def stored(*settings: str) -> list[int]:
        model = load_model(StoredRun(train("few", "data.encode_categories=embedding", *settings).run))
        check(model, tmp_path)
        [stack] = pool_of(model, ACTIVATIONS).stacks
        first, second = model.preprocessors[0].embeddings
        assert first.size != second.size and {one.place for one in stack.lookups} == {first.place, second.place}
        in_graph = {tuple(one.dims) for one in onnx.load(tmp_path / "model.onnx").graph.initializer}
        assert {one.E.shape for one in stack.lookups} <= in_graph
        return [len(one.E) for one in stack.lookups]

    assert stored("network.members=3") == [1, 1]
    assert stored("network.ensemble=3") == [3, 3]


@pytest.mark.parametrize("target", ["few", "two"])
def test_one_network_has_its_temperature_in_its_last_layer(train: Train, tmp_path: Path, target: str) -> None:
    plain = load_model(StoredRun(train(target, "data.class_weight=balanced").run))
    check(replace(plain, temperature=0.7), tmp_path)
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    onnx_file.write(plain, tmp_path / "plain.onnx")
    assert operators == [node.op_type for node in onnx.load(tmp_path / "plain.onnx").graph.node]


def surer(model: Model, times: float) -> Model:
    """With logits that are so many times as large."""
    sure = [{**one.weights, "output.W": times * one.weights["output.W"]} for one in model.members]
    members = tuple(replace(one, weights=weights) for one, weights in zip(model.members, sure, strict=True))
    return replace(model, members=members)


def test_of_two_classes_the_less_probable_is_no_zero(train: Train, tmp_path: Path) -> None:
    """In a prediction and in both files, to as many digits as the logits have in float32."""
    model = surer(load_model(StoredRun(train("two").run)), 30)
    rows = rows_of(model.run.path)
    said, x = model.predict(rows), model.features(rows)
    z = np.concatenate([logits[:, 0].copy() for _, logits in model.logits(x)]).astype(float)
    assert np.abs(z).max() > 20
    np.testing.assert_allclose(said, 1 / (1 + np.exp([z, -z])).T, rtol=1e-12)
    for name, format in FORMATS.items():
        format.write(model, path := tmp_path / f"model{format.suffix}")
        np.testing.assert_allclose(RUN[name](model, path, rows), said, rtol=1e-4)


def test_a_sure_ensemble_is_made_less_sure(train: Train, tmp_path: Path) -> None:
    """Where a class has a probability below what float32 can hold, its logarithm is still there to be divided."""
    model = surer(together([train("few", *own) for own in SEEDS], [1, 1, 1]), 300)
    assert model.predict(rows_of(model.members[0].run.path)).astype(np.float32).min() == 0
    tempered = replace(model, temperature=40.0)
    assert tempered.predict(rows_of(model.members[0].run.path)).min() > 1e-6
    check(tempered, tmp_path, 2e-6)  # logits of a thousand have digits of 1e-4 in float32


def test_the_class_is_chosen_by_the_weights_of_the_classes(train: Train, tmp_path: Path) -> None:
    common = ("data.class_weight={'True':3}", "training.epochs=20")
    model = together([train("two", *common, *own) for own in SEEDS], [1, 1, 1])
    rows, path = rows_of(model.members[0].run.path), tmp_path / "model.onnx"
    assert model.factors is not None and model.target.classes is not None
    shares = model.predict(rows)
    expected = [model.target.classes[code] for code in model.decided(shares)]
    assert expected != [model.target.classes[code] for code in shares.argmax(axis=1)]
    check(model, tmp_path)
    session = onnxruntime.InferenceSession(path)
    names = [put.name for put in session.get_inputs()]
    assert list(session.run(["label"], dict(zip(names, feed(model, rows), strict=True)))[0]) == expected


def test_what_is_known_of_the_networks_stands_in_the_file(train: Train, tmp_path: Path) -> None:
    outcomes = [train("few"), train("few", "network.ensemble=2", "network.hidden=[3]", "seed=7")]
    model = load_model(assembled(outcomes, [3, 1]))
    onnx_file.write(model, tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    told = {entry.key: entry.value for entry in proto.metadata_props}
    first, second = [outcome.run.id for outcome in outcomes]
    assert json.loads(told["networks"]) == [
        {"id": first, "seed": 0, "weight": 0.75},
        {"id": second, "seed": 7, "weight": 0.125},
        {"id": second, "seed": 8, "weight": 0.125},
    ]
    assert "One row a prediction, the weighted mean of 3 networks." in proto.doc_string
    numpy_file.write(model, tmp_path / "model.py")
    text = (tmp_path / "model.py").read_text(encoding="utf-8")
    assert f"'{second} seed 7', '{second} seed 8'," in text and "0.125, 0.125," in text


def test_an_activation_that_a_format_lacks_is_told_with_the_member_that_has_it(train: Train) -> None:
    outcomes = [train("few", *SEEDS[0]), train("few", "network.activation=silu")]
    model = together(outcomes, [1, 1])
    lacking = set(standalone.ACTIVATIONS) - {"silu"}
    with pytest.raises(UsageError, match=f"no activation silu, which {outcomes[1].run.id} has"):
        pool_of(model, lacking)


def test_columns_that_members_have_learned_differently_are_passed_once(train: Train, tmp_path: Path) -> None:
    model = together([train("much", *own) for own in FOLDS], [1, 1])
    streets = {one.vocabulary for each in model.preprocessors for one in each.columns if one.name == "street"}
    assert len(streets) == len({member.target.mean for member in model.members}) == 2
    onnx_file.write(model, tmp_path / "model.onnx")
    names = [put.name for put in onnx.load(tmp_path / "model.onnx").graph.input]
    assert len(names) == len(set(names)) and names.count("street") == 1


def test_an_array_is_one_input_of_all_members(tmp_path: Path, train_run: Train) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((90, 4, 5))
    np.savez(tmp_path / "images.npz", x=images, y=(images.mean(axis=(1, 2)) > 0.5).astype(int))
    data = (f"data.source={tmp_path / 'images.npz'}", "training.epochs=2", "network.hidden=[4]")
    fewer = "data.drop=['x[0,1,0]','x[3,3,0]']"
    model = together([train_run(*data, *FOLDS[0]), train_run(*data, *FOLDS[1], fewer)], [1, 1])
    check(model, tmp_path)
    (given,) = onnx.load(tmp_path / "model.onnx").graph.input
    assert given.name == "x" and [axis.dim_value for axis in given.type.tensor_type.shape.dim] == [0, 20]


def test_an_ensemble_is_exported_and_checked(train: Train, tmp_path: Path) -> None:
    model = load_model(assembled([train("much", *own) for own in FOLDS], [1, 1]))
    for format in FORMATS.values():
        done = export(model, format, tmp_path / f"out{format.suffix}")
        assert done.rows == 40 and done.difference is not None and done.difference <= CLOSE
