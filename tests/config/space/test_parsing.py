from pathlib import Path
from typing import Any

import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.config.overrides import configured
from nnrun.config.space.parsing import load_space, parse_space
from nnrun.config.space.space import usual_space
from nnrun.config.versions import GONE
from nnrun.errors import ConfigError

RANGES = "uniform, int, log, int_log, one_minus_log, choice, quantized"
# The line of search.space, and what is said of it with the column that is meant; the place is `line 3`.
MISTAKES = [
    ("optimizer.learning_rat: {log: [1e-4, 1]}", "5: optimizer.learning_rat: unknown key; did you mean learning_rate?"),
    ("lr: {log: [1e-4, 1]}", "5: lr: unknown key here; did you mean optimizer.learning_rate?"),
    (
        "network.ensemble.seeds: {int: [2, 3]}",
        "5: network.ensemble.seeds: unknown key; did you mean network.ensemble? It holds no others",
    ),
    ("optimiser.beta1: {log: [0.1, 0.9]}", "5: optimiser.beta1: unknown key; did you mean optimizer?"),
    (
        "optimizer.schedule.rate: {log: [0.1, 0.9]}",
        "5: optimizer.schedule.rate: unknown key; allowed here: name",
    ),
    (
        "data.normalize: {choice: [standard, none]}",
        "21: data.normalize: cannot be searched; only network, regularization, optimizer and training can",
    ),
    ("seed: {int: [0, 5]}", "11: seed: cannot be searched; only network, regularization, optimizer and training can"),
    (
        "training.blas_threads: {int: [1, 2]}",
        f"28: training.blas_threads: cannot be searched; it {GONE['training', 'blas_threads'].told}",
    ),
    ("optimizer: {choice: [adam]}", "16: optimizer: is a section; name a key in it, such as optimizer.name"),
    (
        "network.hidden: {choice: [[8]]}, network.width: {int: [1, 2]}",
        "21: network.hidden: stands beside network.width; search either hidden, or depth and width",
    ),
    (
        "training.average.ema: {uniform: [0.5, 0.9]}, training.average.swa: {int: [2, 4]}",
        "72: training.average.swa: stands beside training.average.ema; search one, or training.average: "
        "{choice: [{ema: 0.999}, {swa: 30}]}",
    ),
    (
        "training.average.ema: {one_minus_log: [0, 0.9]}",
        "44: training.average.ema.one_minus_log[0]: must be above 0 and below 1, got 0.0",
    ),
    (
        "optimizer.epsilon: {loguniform: [1e-9, 1e-7]}",
        f"25: optimizer.epsilon.loguniform: unknown range; did you mean log? allowed: {RANGES}",
    ),
    ("optimizer.epsilon: {}", f"24: optimizer.epsilon: has no range; give one of {RANGES}"),
    (
        "network.width: {int: [3, 4], int_log: [3, 4]}",
        "20: network.width: has the ranges int and int_log; give one",
    ),
    ("optimizer.learning_rate: {log: 1}", "36: optimizer.learning_rate.log: expected [low, high], got 1"),
    ("optimizer.learning_rate: {log: [1]}", "36: optimizer.learning_rate.log: expected [low, high], got a list of 1"),
    (
        "regularization.dropout: {quantized: [0, 1]}",
        "41: regularization.dropout.quantized: expected [low, high, step], got a list of 2",
    ),
    (
        "regularization.l2: {log: ['1e-3', 10]}",
        "31: regularization.l2.log[0]: expected a number, got the text '1e-3'",
    ),
    ("network.width: {int: [2.5, 10]}", "27: network.width.int[0]: expected a whole number, got 2.5"),
    ("network.width: {int: [2, true]}", "30: network.width.int[1]: expected a whole number, got true"),
    (
        "network.width: {int: [1, 100000000000000000]}",
        "30: network.width.int[1]: 100000000000000000 is too large for a range",
    ),
    ("network.depth: {int: [4, 2]}", "26: network.depth.int: low must be below high, got 4 and 2"),
    ("network.depth: {int: [4, 4]}", "26: network.depth.int: low must be below high, got 4 and 4"),
    (
        "optimizer.learning_rate: {log: [0, 1]}",
        "37: optimizer.learning_rate.log[0]: a log scale begins above 0, got 0",
    ),
    (
        "network.width: {int_log: [0, 9]}",
        "31: network.width.int_log[0]: a log scale of whole numbers begins at 1, got 0",
    ),
    (
        "optimizer.beta1: {one_minus_log: [0.9, 1.0]}",
        "44: optimizer.beta1.one_minus_log[1]: must be at least 0 and below 1, got 1.0",
    ),
    (
        "optimizer.beta2: {uniform: [0.5, 1]}",
        "38: optimizer.beta2.uniform[1]: must be at least 0 and below 1, got 1.0",
    ),
    ("training.epochs: {int: [0, 5]}", "29: training.epochs.int[0]: must be at least 1 and at most 1000000000, got 0"),
    (
        "regularization.dropout: {quantized: [0, 0.5, 0.2]}",
        "45: regularization.dropout.quantized[1]: steps of 0.2 from 0 do not meet 0.5; the last one is 0.4",
    ),
    (
        "regularization.dropout: {quantized: [0, 0.5, 0]}",
        "50: regularization.dropout.quantized[2]: the step must be above 0, got 0",
    ),
    (
        "network.width: {uniform: [50, 100]}",
        "30: network.width.uniform: takes whole numbers; use int or int_log instead of uniform",
    ),
    ("network.activation: {int: [1, 2]}", "31: network.activation.int: is no number; use choice"),
    ("network.hidden: {int: [1, 2]}", "27: network.hidden.int: is no number; use choice"),
    (
        "optimizer.learning_rate: {choice: [0.1, fast]}",
        "45: optimizer.learning_rate.choice[1]: expected a number, got the text 'fast'",
    ),
    (
        "optimizer.name: {choice: [adam, adm]}",
        "37: optimizer.name.choice[1]: unknown choice 'adm'; did you mean adam? "
        "allowed: sgd, momentum, nesterov, rmsprop, adam, adamw",
    ),
    ("network.width: {choice: 8}", "29: network.width.choice: expected a list of choices, got 8"),
    ("network.width: {choice: []}", "29: network.width.choice: the list of choices is empty"),
    ("network.width: {choice: [8, 4, 8]}", "36: network.width.choice[2]: 8 is given twice"),
    (
        "network.width: {int: [1, 2], when: adam}",
        "40: network.width.when: expected a mapping such as {optimizer.name: adam}, got the text 'adam'",
    ),
    (
        "network.width: {int: [1, 2], when: {}}",
        "40: network.width.when: expected a mapping such as {optimizer.name: adam}, got a mapping",
    ),
    (
        "network.width: {int: [1, 2], when: {optimizer.nam: adam}}",
        "41: network.width.when.optimizer.nam: unknown key; did you mean name?",
    ),
    (
        "network.width: {int: [1, 2], when: {network.width: 2}}",
        "56: network.width.when.network.width: a parameter cannot depend on itself",
    ),
    (
        "network.width: {int: [1, 2], when: {optimizer.name: [sgd, adm]}}",
        "63: network.width.when.optimizer.name[1]: unknown choice 'adm'; did you mean adam? "
        "allowed: sgd, momentum, nesterov, rmsprop, adam, adamw",
    ),
    (
        "network.width: {int: [1, 2], when: {network.depth: 4}}, network.depth: {int: [1, 3]}",
        "56: network.width.when.network.depth: 4 is not in its range {int: [1, 3]}",
    ),
    (
        "network.width: {int: [1, 2], when: {optimizer.beta1: 0.9}}, optimizer.beta1: {uniform: [0.1, 0.9]}",
        "58: network.width.when.optimizer.beta1: a condition needs single values, and uniform has none; "
        "search it by choice",
    ),
    (
        "network.width: {int: [1, 2], when: {network.depth: 1}}, "
        "network.depth: {int: [1, 3], when: {network.width: 2}}",
        "40: network.width.when: the conditions go in a circle: network.width → network.depth → network.width",
    ),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_told_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "config.yaml"
    # A flow mapping has the same columns as the block form in which a user writes one key a line.
    file.write_text(f"search:\n  space: {{\n    {line}}}\n")
    column, text = message.split(": ", 1)
    with pytest.raises(ConfigError) as caught:
        load_space(load_config(file))
    assert caught.value.problems == [f"{file}:3:{column}: search.space.{text}"]


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    text = "search:\n  space:\n    seed: {int: [0, 5]}\n    network.depth: {int: [4, 2]}\n    lr: {log: [0, 1]}\n"
    with pytest.raises(ConfigError) as caught:
        load_space(load_config(Path("c.yaml"), text=text))
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["3", "4", "5"]


def test_a_mistake_in_an_argument_names_the_argument() -> None:
    loaded = load_config(None, ["search.space.optimizer.learning_rate={log: [0, 1]}"])
    with pytest.raises(ConfigError) as caught:
        load_space(loaded)
    assert caught.value.problems == [
        "--set search.space.optimizer.learning_rate={log: [0, 1]}: "
        "search.space.optimizer.learning_rate.log[0]: a log scale begins above 0, got 0"
    ]


def test_every_kind_of_range_is_read() -> None:
    written = {
        "network.activation": {"choice": ["relu", "tanh"]},
        "network.depth": {"int": [2, 4]},
        "network.width": {"int_log": [8, 128]},
        "optimizer.beta1": {"one_minus_log": [0.9, 0.999]},
        "optimizer.clip_norm": {"choice": [None, 1]},
        "optimizer.learning_rate": {"log": [1e-4, 1.0]},
        "regularization.dropout": {"quantized": [0.0, 0.5, 0.1]},
        "regularization.early_stopping.patience": {"int": [3, 9]},
        "regularization.input_dropout": {"uniform": [0.0, 0.3]},
        "training.average.ema": {"one_minus_log": [0.9, 0.9999]},
        "training.batch_size": {"int": [32, 128]},
    }
    space = parse_space(written, Config())
    assert space.written() == written
    trial = space.configure(Config(), space.decode([0.5] * 11))
    assert trial.regularization.early_stopping is not None
    assert trial.training.average is not None and trial.training.average.ema == pytest.approx(1 - 10**-2.5)
    assert trial.regularization.dropout == (0.3, 0.3, 0.3)


def test_the_options_of_the_schedule_in_the_config_can_be_searched() -> None:
    config = Config.from_values({"optimizer": {"schedule": {"name": "exponential"}}})
    option = next(name for name in config.optimizer.schedule.model_dump() if name != "name")
    space = parse_space({f"optimizer.schedule.{option}": {"uniform": [0.5, 0.9]}}, config)
    trial = space.configure(config, {f"optimizer.schedule.{option}": 0.75})
    assert trial.optimizer.schedule.model_dump()[option] == 0.75


def test_without_a_space_the_usual_one_is_searched() -> None:
    assert load_space(load_config(None)).keys == sorted(usual_space(Config()))
    assert all("when" not in entry for entry in load_space(load_config(None)).written().values())
    sgd = load_space(load_config(None, ["optimizer.name=sgd"]))
    assert sgd.keys == sorted(set(usual_space(Config())) - {"optimizer.beta1"})
    assert sgd.notices == ("optimizer.beta1 is not searched: optimizer.name is sgd",)


def usual(*settings: str, batch: int | None = None) -> dict[str, Any]:
    return {key: entry.get("choice") for key, entry in load_space(load_config(None, settings), batch).written().items()}


def test_the_usual_space_starts_from_the_config() -> None:
    shaped = usual("network.hidden=[64, 32]", "training.batch_size=100")
    assert shaped["network.hidden"] == [[16, 8], [32, 16], [64, 32], [128, 64]]
    assert "network.width" not in shaped
    assert shaped["training.batch_size"] == [50, 100, 200]
    assert usual("network.hidden=[20, 20]")["network.width"] == [5, 10, 20, 40]
    assert usual("network.hidden=[1, 2]")["network.hidden"] == [[1, 1], [1, 2], [2, 4]]
    assert usual("network.hidden=[]")["network.hidden"] == [[], [16], [32], [64], [128]]


def test_the_usual_batch_sizes_are_around_that_which_auto_means_on_the_data() -> None:
    assert usual(batch=512)["training.batch_size"] == [256, 512, 1024]
    assert usual("training.batch_size=1", batch=1)["training.batch_size"] == [1, 2]
    assert usual()["training.batch_size"] == [32, 64, 128], "the data are not read yet"
    assert "training.batch_size" not in usual("training.batch_size=full", batch=900), "all rows at once stay so"


def test_the_usual_space_fits_every_optimizer_and_shape() -> None:
    for override in ("network.hidden=[]", "network.hidden=[8, 4]", "optimizer.name=rmsprop", "network.batch_norm=true"):
        loaded = load_config(None, [override])
        space = load_space(loaded)
        space.configure(loaded.config, space.decode([0.5] * len(space.keys)))


def test_conditions_on_fixed_keys_are_decided_at_once_and_pass_on() -> None:
    written = {
        "optimizer.beta1": {"choice": [0.5, 0.9], "when": {"optimizer.name": ["adam", "momentum"]}},
        "optimizer.beta2": {"choice": [0.9, 0.99], "when": {"optimizer.name": "rmsprop"}},
        "optimizer.epsilon": {"log": [1e-9, 1e-6], "when": {"optimizer.beta2": 0.99}},
    }
    space = parse_space(written, Config())
    assert space.written() == {"optimizer.beta1": {"choice": [0.5, 0.9]}}
    assert space.notices == (
        "optimizer.beta2 is not searched: optimizer.name is adam",
        "optimizer.epsilon is not searched: optimizer.beta2 is not",
    )


@pytest.mark.parametrize(
    ("depth", "when", "told"),
    [
        ({"choice": [0, 1]}, None, "; `when: {network.depth: […]}` beside its range names the depths that have it"),
        ({"int": [0, 3]}, [0, 1], "; `when: {network.depth: […]}` beside its range names the depths that have it"),
        ({"choice": [0]}, None, ", as it always is"),
        ({"int": [0, 3]}, [1, 2, 3], None),
        ({"int": [1, 3]}, None, None),
    ],
)
def test_a_width_without_a_layer_is_told(depth: dict[str, Any], when: list[int] | None, told: str | None) -> None:
    width = {"choice": [8, 16]} | ({} if when is None else {"when": {"network.depth": when}})
    space = parse_space({"network.depth": depth, "network.width": width}, Config())
    assert space.notices == (() if told is None else (f"network.width has no effect where network.depth is 0{told}",))


def test_a_space_in_which_nothing_is_ever_active_is_a_mistake() -> None:
    text = "search:\n  space:\n    optimizer.beta2: {uniform: [0.8, 0.9], when: {optimizer.name: sgd}}\n"
    with pytest.raises(ConfigError, match=r"^search.space: none of the parameters can ever be active$"):
        load_space(load_config(None, text=text))


def test_a_range_that_contradicts_the_rest_of_the_config_is_a_mistake() -> None:
    text = (
        "network: {hidden: [8, 8, 8]}\nregularization: {dropout: [0.1, 0.2, 0.3]}\n"
        "search:\n  space:\n    network.depth: {int: [1, 3]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_space(load_config(None, text=text))
    assert caught.value.problems == [
        "search.space.network.depth.int[0]: regularization.dropout: has length 3, "
        "network.hidden has length 1; give one number, or one rate a layer"
    ]


def test_layers_that_give_way_to_drawn_ones_are_told() -> None:
    listed = Config.model_validate({"network": {"hidden": (6, 3)}})
    told = ("network.hidden [6, 3] is replaced by depth × [width] in what is drawn; trial 0 keeps it",)
    assert parse_space({"network.width": {"choice": [4, 8]}}, listed).notices == told
    assert parse_space({"network.depth": {"choice": [1, 2]}}, listed).notices == told
    assert parse_space({"network.depth": {"choice": [1, 2]}}, Config()).notices == ()
    assert parse_space({"optimizer.learning_rate": {"choice": [0.1, 0.2]}}, listed).notices == ()


@pytest.mark.parametrize(
    ("depth", "allowed", "bare"),
    [
        ({"int": [0, 3]}, [1, 2], 3),
        ({"choice": [0, 1, 4]}, 1, 4),
        ({"int": [0, 3]}, [1, 2, 3], None),
        ({"int": [0, 1]}, 1, None),
    ],
)
def test_a_depth_that_has_no_width_is_refused(depth: dict[str, Any], allowed: object, bare: int | None) -> None:
    """Of a network with layers it is as wide as the first of these."""
    space = {"network.depth": depth, "network.width": {"int": [1, 9], "when": {"network.depth": allowed}}}
    linear = Config.model_validate({"network": {"hidden": ()}})
    words = f"leaves out depth {bare}, which has no width then; network.hidden is []"
    told = [f"search.space.network.width.when.network.depth: {words}"] if bare else []
    try:
        parse_space(space, linear)
        found = []
    except ConfigError as error:
        found = error.problems
    assert found == told
    parse_space(space, Config())


def test_depth_and_width_are_searched_around_a_network_without_a_layer() -> None:
    linear = Config.model_validate({"network": {"hidden": ()}})
    width = {"choice": [4, 8], "when": {"network.depth": [1, 2]}}
    parse_space({"network.depth": {"int": [0, 2]}, "network.width": width}, linear)
    drawn = {0: {}, 1: {"network.width": 4}, 2: {"network.width": 8}}
    shapes = [configured(linear, {"network.depth": depth} | beside).network.hidden for depth, beside in drawn.items()]
    assert shapes == [(), (4,), (8, 8)]
