"""From a configuration and its data to a trainer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.engine.layers import BatchNorm, Dropout
from nnrun.engine.losses import Huber, SigmoidCrossEntropy, SoftmaxCrossEntropy, SquaredError
from nnrun.errors import ConfigError, MisfitError
from nnrun.machine import capacity
from nnrun.runs.assembly import batch_size, check_memory, layer_widths, make_loss, make_trainer, memory_needed
from nnrun.runs.listener import Outcome

GIGA = 10**9


def config(*settings: str) -> Config:
    return load_config(None, settings).config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    cache = tmp_path_factory.mktemp("cache")
    return lambda source: load_dataset(config(f"data.source={source}").data, "float32", cache)


@pytest.mark.parametrize(
    ("asked", "rows", "expected"),
    [
        ("auto", 20, 20),
        ("auto", 90, 32),
        ("auto", 2_000, 32),
        ("auto", 2_001, 64),  # √2001 = 44.7
        ("auto", 4_096, 64),  # √4096 = 64
        ("auto", 4_097, 128),
        ("auto", 60_000, 256),  # √60000 = 244.9
        ("auto", 10_000_000, 512),  # √10⁷ = 3162
        ("full", 90, 90),
        ("17", 90, 17),
        ("1000", 90, 90),
    ],
)
def test_batch_size(asked: str, rows: int, expected: int) -> None:
    assert batch_size(config(f"training.batch_size={asked}"), rows) == expected


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("iris", "auto", SoftmaxCrossEntropy(3)),
        ("iris", "cross_entropy", SoftmaxCrossEntropy(3)),
        ("breast_cancer", "auto", SigmoidCrossEntropy()),
        ("diabetes", "auto", SquaredError(1)),
        ("diabetes", "squared_error", SquaredError(1)),
        ("diabetes", "huber", Huber(1)),
    ],
)
def test_loss_by_task(data: Callable[[str], Dataset], source: str, name: str, expected: Any) -> None:
    assert make_loss(config(f"training.loss={name}"), data(source)) == expected


@pytest.mark.parametrize(
    ("source", "loss", "rest"),
    [("iris", "huber", "auto or cross_entropy"), ("iris", "squared_error", "auto or cross_entropy"),
     ("diabetes", "cross_entropy", "auto, squared_error or huber")],
)  # fmt: skip
def test_a_loss_of_another_task_is_refused(data: Callable[[str], Dataset], source: str, loss: str, rest: str) -> None:
    with pytest.raises(MisfitError, match=f"training.loss: {loss} does not fit [a-z]*; use {rest}$"):
        make_trainer([config(f"training.loss={loss}")], data(source))


def test_label_smoothing_of_numbers_is_refused(data: Callable[[str], Dataset]) -> None:
    wrong = "label smoothing needs classes, and regression has none; set it to 0"
    with pytest.raises(MisfitError, match=f"regularization.label_smoothing: {wrong}"):
        make_trainer([config("regularization.label_smoothing=0.1")], data("diabetes"))
    with pytest.raises(ConfigError, match=wrong):
        config("regularization.label_smoothing=0.1", "data.task=regression")
    with pytest.raises(ConfigError, match=r"label_smoothing.*must be at least 0 and below 1"):
        config("regularization.label_smoothing=1")


def test_the_network_is_what_the_configuration_says(data: Callable[[str], Dataset]) -> None:
    trainer = make_trainer(
        [
            config(
                "network.hidden=[5, 4]", "network.batch_norm=true", "network.activation=tanh",
                "regularization.dropout=[0.0, 0.25]", "regularization.input_dropout=0.1", "training.batch_size=7",
                "training.epochs=9", "seed=3",
            )
        ],
        data("iris"),
    )  # fmt: skip
    names = [name for name, _ in trainer.network.layers]
    assert names == ["dropout0", "dense1", "norm1", "tanh1", "dense2", "norm2", "tanh2", "dropout2", "output"]
    layers = dict(trainer.network.layers)
    assert isinstance(layers["norm1"], BatchNorm)
    dropped = [layer.rate.item() for layer in layers.values() if isinstance(layer, Dropout)]
    assert dropped == pytest.approx([0.1, 0.25])
    # 4·5 + 5·4 + 4·3 weights, γ and β for 5 + 4 units, 3 biases of the output
    assert (trainer.network.n_weights, trainer.network.theta.size) == (52, 52 + 18 + 3)
    assert (trainer.recipe.batch_size, trainer.recipe.epochs, trainer.seeds) == (7, 9, [3])


def test_members_take_their_numbers_from_their_own_configurations(data: Callable[[str], Dataset]) -> None:
    one = config("seed=1", "optimizer.learning_rate=0.1", "regularization.l2=0.5", "regularization.dropout=0.2")
    two = config("seed=2", "optimizer.beta1=0.5", "optimizer.clip_norm=3", "regularization.l1=0.25")
    trainer = make_trainer([one, two], data("iris"))
    h = trainer.recipe.hyperparameters
    assert trainer.seeds == [1, 2]
    assert h.learning_rate[:, 0].tolist() == [0.1, 0.001]
    assert h.beta1[:, 0].tolist() == [0.9, 0.5]
    assert h.l2[:, 0].tolist() == [0.5, 0.0]
    assert h.l1[:, 0].tolist() == [0.0, 0.25]
    assert h.clip_norm[:, 0].tolist() == [np.inf, 3.0]
    assert trainer.recipe.mlp.dropout[0][:, 0, 0].tolist() == pytest.approx([0.2, 0.0])


# memory


@pytest.mark.parametrize(
    ("hidden", "parameters"),
    [
        ([10_000_000], "750,000,010"),  # 64·10⁷ + 10⁷ + 10⁷·10 + 10
        ([100_000, 100_000], "10,007,600,010"),  # 64·10⁵ + 10⁵ + 10¹⁰ + 10⁵ + 10⁶ + 10
    ],
)
def test_a_network_beyond_the_memory_is_refused_before_it_is_allocated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_run: Callable[..., Outcome], hidden: Any, parameters: str
) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 16 * GIGA)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=r"network\.hidden.* about [\d,]+\.\d GB of memory") as caught:
            train_run(f"network.hidden={hidden}")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert f"means {parameters} parameters" in str(caught.value)
    assert "16.0 GB are free" in str(caught.value)
    assert most < GIGA / 10
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".cache"]


def test_the_memory_told_is_near_the_memory_taken(
    data: Callable[[str], Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """7 vectors of 64·20000 + 20000 + 20000·10 + 10 float32 numbers are 42 MB; the activations come on top."""
    wide = config("network.hidden=[20000]", "optimizer.name=adam")
    monkeypatch.setattr(capacity, "free_memory", lambda: 300_000_000)
    check_memory(wide, data("digits"))
    monkeypatch.setattr(capacity, "free_memory", lambda: 42_000_000)
    with pytest.raises(MisfitError):
        check_memory(wide, data("digits"))


def test_too_many_members_are_what_is_told(data: Callable[[str], Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 100_000_000)
    for key in ("members", "ensemble"):
        with pytest.raises(MisfitError, match="parameters") as caught:
            check_memory(config(f"network.{key}=5000"), data("digits"))
        assert caught.value.path == ("network", key)


def test_a_full_batch_counts(data: Callable[[str], Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    """1,078 rows of digits go through the network at once, in place of 1,024: 5% more for each unit."""
    told = []
    for size in ("full", "32"):
        monkeypatch.setattr(capacity, "free_memory", lambda: 0)
        with pytest.raises(MisfitError, match="about") as caught:
            check_memory(config("network.hidden=[1000000]", f"training.batch_size={size}"), data("digits"))
        told.append(float(str(caught.value).partition("about ")[2].partition(" GB")[0]))
    assert told[0] > told[1]


@pytest.mark.parametrize(("source", "outputs"), [("breast_cancer", 1), ("iris", 3), ("diabetes", 1)])
def test_all_count_the_parameters_that_are_trained(data: Callable[[str], Dataset], source: str, outputs: int) -> None:
    """Two classes have one output: what check and the report count is what training allocates."""
    asked, dataset = config(f"data.source={source}", "network.hidden=[8, 4]"), data(source)
    assert layer_widths(asked, dataset.n_features, dataset.classes) == [dataset.n_features, 8, 4, outputs]
    for one in (asked, configured(asked, {"network.members": 3})):
        assert memory_needed(one, dataset)[0] == make_trainer([one], dataset).network.theta.size
