"""What a file means once every open value is filled in."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnrun.config.config import Config
from nnrun.config.data_section import BUNDLED
from nnrun.config.dump import dump_yaml
from nnrun.config.load import load_config
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.errors import ConfigError


def config(text: str) -> Config:
    return load_config(None, text=text).config


def test_defaults() -> None:
    default = Config()
    assert default == config("{}") == config("optimizer: {}\nnetwork: {}\n")
    assert default.resolved() == {
        "name": "run",
        "seed": 0,
        "data": {
            "source": "digits",
            "target": None,
            "task": "auto",
            "target_transform": "none",
            "split": "auto",
            "train_dev": None,
            "split_seed": 0,
            "folds": None,
            "fold": None,
            "normalize": "standard",
            "encode_numbers": "plain",
            "group": None,
            "time": None,
            "drop": [],
            "kinds": {},
            "encode_categories": "onehot",
            "max_categories": 100,
            "rare_below": "auto",
            "missing_target": "error",
            "format": {"delimiter": "auto", "header": "auto", "encoding": "auto", "decimal": "auto", "missing": []},
            "class_weight": None,
            "correct_prior": True,
            "weight": None,
        },
        "network": {
            "hidden": [64, 32],
            "activation": "relu",
            "init": {"name": "auto", "gain": 1.0},
            "batch_norm": False,
            "members": 1,
            "ensemble": 1,
        },
        "regularization": {
            "l1": 0.0,
            "l2": 0.0,
            "dropout": 0.0,
            "input_dropout": 0.0,
            "label_smoothing": 0.0,
            "early_stopping": None,
            "augment": [],
        },
        "optimizer": {
            "name": "adam",
            "learning_rate": 0.001,
            "schedule": {"name": "constant"},
            "beta1": 0.9,
            "beta2": 0.999,
            "epsilon": 1e-8,
            "weight_decay": 0.0,
            "clip_norm": None,
            "bias_correction": True,
            "dampening": True,
        },
        "training": {
            "epochs": 50,
            "batch_size": "auto",
            "shuffle": "auto",
            "dtype": "float32",
            "engine": "auto",
            "loss": "auto",
            "average": None,
            "layer_statistics": False,
            "record": "epochs",
            "changes": {},
        },
        "diagnosis": {"base_error": 0.0, "tolerance": 0.015},
        "metrics": {"primary": "error"},
        "search": {
            "strategy": "random",
            "trials": 50,
            "prune": None,
            "metric": "dev_error",
            "space": {},
            "enqueue": [],
        },
    }


@pytest.mark.parametrize(
    ("name", "beta2", "weight_decay", "bias_correction"),
    [
        ("sgd", 0.999, 0.0, False),
        ("momentum", 0.999, 0.0, False),
        ("nesterov", 0.999, 0.0, False),
        ("rmsprop", 0.9, 0.0, False),
        ("adam", 0.999, 0.0, True),
        ("adamw", 0.999, 0.01, True),
    ],
)
def test_what_is_null_depends_on_the_optimizer(
    name: str, beta2: float, weight_decay: float, bias_correction: bool
) -> None:
    for text in (f"optimizer: {{name: {name}}}", f"optimizer: {{beta2: null, weight_decay: null, name: {name}}}"):
        optimizer = config(text).optimizer
        assert (optimizer.beta2, optimizer.weight_decay, optimizer.bias_correction) == (
            beta2,
            weight_decay,
            bias_correction,
        )


def test_what_is_written_stands_whatever_the_optimizer() -> None:
    written = "optimizer: {name: adamw, beta2: 0.5, weight_decay: 0, bias_correction: false}"
    optimizer = config(written).optimizer
    assert (optimizer.beta2, optimizer.weight_decay, optimizer.bias_correction) == (0.5, 0.0, False)


def test_a_whole_number_serves_as_a_number() -> None:
    rate = config("optimizer: {learning_rate: 1}").optimizer.learning_rate
    assert (type(rate), rate) == (float, 1.0)


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("regularization: {dropout: 0.2}", (0.2, 0.2)),
        ("regularization: {dropout: [0.1, 0.2]}", (0.1, 0.2)),
        ("regularization: {dropout: 0.2}\nnetwork: {hidden: [5]}", (0.2,)),
        ("regularization: {dropout: 0.2}\nnetwork: {hidden: []}", ()),
        ("regularization: {dropout: 0.2}\nnetwork: {depth: 3, width: 4}", (0.2, 0.2, 0.2)),
        ("regularization: {}\nnetwork: {hidden: [5]}", (0.0,)),
    ],
)
def test_dropout_has_one_rate_a_hidden_layer(text: str, rates: tuple[float, ...]) -> None:
    assert config(text).regularization.dropout == rates


def test_equal_rates_are_written_as_one_number_so_that_the_layers_can_change() -> None:
    resolved = config("regularization: {dropout: [0.2, 0.2]}").resolved()
    assert resolved["regularization"]["dropout"] == 0.2
    changed = load_config(None, ["network.hidden=[3, 3, 3]"], dump_yaml(resolved)).config
    assert changed.regularization.dropout == (0.2, 0.2, 0.2)


def test_an_ensemble_is_a_number_however_it_is_written() -> None:
    for written in ("3", "{seeds: 3}", "{seeds: 3, stop: together}"):
        assert config(f"network: {{ensemble: {written}}}").resolved()["network"]["ensemble"] == 3


@pytest.mark.parametrize(
    ("written", "hidden"),
    [("depth: 3, width: 7", (7, 7, 7)), ("depth: 0, width: 7", ()), ("hidden: []", ()), ("depth: null", (64, 32))],
)
def test_depth_and_width_become_hidden(written: str, hidden: tuple[int, ...]) -> None:
    network = config(f"network: {{{written}}}").network
    assert (network.hidden, network.depth, network.width) == (hidden, None, None)
    assert not {"depth", "width"} & set(config(f"network: {{{written}}}").resolved()["network"])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("null", None),
        ("{ema: 0.9}", {"ema": 0.9}),
        ("{swa: 3}", {"swa": 3}),
        ("{ema: null, swa: 50}", {"swa": 50}),
        ("{ema: 0.9, swa: 3}", "training.average.swa: stands beside ema; give one of the two"),
        ("{}", "training.average: needs ema or swa, as in {ema: 0.999}"),
        ("{ema: 1}", "training.average.ema: must be above 0 and below 1, got 1"),
        ("{ema: 0}", "training.average.ema: must be above 0 and below 1, got 0"),
        ("{swa: 0}", "training.average.swa: must be at least 1, got 0"),
        ("{swa: 2.5}", "training.average.swa: expected a whole number or null, got 2.5"),
        ("ema", "training.average: expected a mapping such as {ema: …} or null, got the text 'ema'"),
        ("{polyak: 0.9}", "training.average.polyak: unknown key"),
    ],
)
def test_an_average_goes_one_way(written: str, found: Any) -> None:
    text = f"training: {{average: {written}}}"
    if isinstance(found, str):
        with pytest.raises(ConfigError, match=re.escape(found)):
            config(text)
        return
    resolved = config(text).resolved()
    assert resolved["training"]["average"] == found
    assert Config.from_values(resolved) == config(text)


@pytest.mark.parametrize(("epoch", "told"), [(49, False), (50, True), (51, True)])
def test_an_average_of_one_epoch_at_most_is_told(epoch: int, told: bool) -> None:
    notices = load_config(Path("c.yaml"), text=f"training: {{average: {{swa: {epoch}}}}}").notices
    line = "c.yaml:1:27: training.average.swa: leaves nothing to average, as the training ends after epoch 50"
    assert notices == [line] * told


def test_early_stopping_has_its_own_defaults() -> None:
    stopping = config("regularization: {early_stopping: {}}").regularization.early_stopping
    assert stopping is not None
    assert (stopping.patience, stopping.min_delta) == (10, 0.0)


def test_a_test_part_of_nothing_is_allowed() -> None:
    assert config("data: {split: [0.9, 0.1, 0]}").data.split == (0.9, 0.1, 0.0)
    # 0.7 + 0.2 + 0.1 is 0.9999999999999999 in binary
    assert config("data: {split: [0.7, 0.2, 0.1]}").data.split == (0.7, 0.2, 0.1)


def test_a_config_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().optimizer.learning_rate = 1.0


def test_from_values_takes_plain_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = Config.from_values({"data": {"source": "a.csv"}, "seed": 3})
    assert (made.seed, made.data.source) == (3, f"{tmp_path.resolve()}/a.csv")
    with pytest.raises(ConfigError, match=r"^optimizer: expected a mapping, got null"):
        Config.from_values({"optimizer": None})


shares = st.floats(0, 1, exclude_max=True)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
written = st.fixed_dictionaries(
    {},
    optional={
        "name": st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z"),
        "seed": st.integers(0, 2**130),
        "data": st.fixed_dictionaries(
            {},
            optional={
                "source": st.sampled_from([*BUNDLED, "/a/b.csv", {"train": "/t.npz", "dev": "/on"}]),
                "target": st.none() | st.text(),
                "drop": st.lists(st.text(), max_size=3),
                "normalize": st.sampled_from(["standard", "robust", "quantile", "none"]),
                "encode_numbers": st.sampled_from(["plain", "piecewise", "piecewise_tree"]),
            },
        ),
        "network": st.fixed_dictionaries(
            {"hidden": st.just([3, 4])} | {"activation": st.sampled_from(list(ACTIVATIONS))},
            optional={
                "init": st.sampled_from(["he", {"name": "normal", "scale": 5e-324}]),
                "batch_norm": st.booleans(),
            },
        ),
        "regularization": st.fixed_dictionaries(
            {},
            optional={
                "l2": st.floats(0, allow_infinity=False),
                "dropout": shares | st.lists(shares, min_size=2, max_size=2),
                "early_stopping": st.none() | st.fixed_dictionaries({"patience": st.integers(1)}),
            },
        ),
        "optimizer": st.fixed_dictionaries(
            {"name": st.sampled_from(list(OPTIMIZERS))},
            optional={
                "learning_rate": positive,
                "schedule": st.sampled_from([*SCHEDULES, {"name": "table", "factors": {1: 1, 30: 0.1}}]),
                "beta2": st.none() | shares,
                "weight_decay": st.none() | positive,
                "clip_norm": st.none() | positive,
            },
        ),
        "training": st.fixed_dictionaries({"batch_size": st.sampled_from(["auto", "full", 32])}),
    },
)


@settings(deadline=None)
@given(written)
def test_a_resolved_config_reads_back_equal(values: dict[str, Any]) -> None:
    made = config(dump_yaml(values))
    resolved = made.resolved()
    again = config(dump_yaml(resolved))
    assert again == made
    assert again.resolved() == resolved
