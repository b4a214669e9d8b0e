import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.config.config import Config
from nnrun.config.space.domains import Choice
from nnrun.config.space.space import Space, difference
from nnrun.errors import ConfigError

WRITTEN: dict[str, Any] = {
    "optimizer.name": {"choice": ["adam", "sgd", "momentum"]},
    "optimizer.learning_rate": {"log": [1e-4, 1]},
    "optimizer.beta1": {"one_minus_log": [0.9, 0.999], "when": {"optimizer.name": ["adam", "momentum"]}},
    "optimizer.beta2": {"one_minus_log": [0.9, 0.9999], "when": {"optimizer.name": "adam"}},
    "network.depth": {"int": [1, 3]},
    "network.width": {"quantized": [16, 64, 16]},
}
SPACE = Space.of(WRITTEN)


def test_the_order_of_the_file_does_not_matter() -> None:
    assert Space.of(dict(reversed(WRITTEN.items()))) == SPACE
    assert SPACE.keys == sorted(WRITTEN)


def test_a_point_has_its_settings_and_null_where_a_parameter_is_not_active() -> None:
    # Keys in order: network.depth, network.width, optimizer.beta1, beta2, learning_rate, name.
    assert SPACE.decode([0, 1, 0.5, 0.5, 1, 0.9]) == {
        "network.depth": 1,
        "network.width": 64,
        "optimizer.beta1": pytest.approx(0.99),  # 1 − 10^−2
        "optimizer.beta2": None,
        "optimizer.learning_rate": 1,
        "optimizer.name": "momentum",
    }
    sgd = SPACE.decode([0, 1, 0.5, 0.5, 1, 0.5])
    assert (sgd["optimizer.name"], sgd["optimizer.beta1"], sgd["optimizer.beta2"]) == ("sgd", None, None)
    with pytest.raises(ValueError):
        SPACE.decode([0.5])


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_settings_come_back_from_their_point(units: list[float]) -> None:
    settings = SPACE.decode(units)
    again = SPACE.encode(json.loads(json.dumps(settings)))
    assert again is not None and SPACE.contains(settings)
    assert SPACE.decode(again) == {
        key: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value for key, value in settings.items()
    }


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer.learning_rate": 2},
        {"optimizer.learning_rate": None},
        {"optimizer.beta1": None},
        {"network.width": 17},
        {"network.depth": 1.5},
        {"optimizer.name": "sgd"},  # with which beta1 and beta2 must be null
        {"optimizer.name": "rmsprop", "optimizer.beta1": None, "optimizer.beta2": None},
    ],
)
def test_what_lies_outside_has_no_point(change: dict[str, Any]) -> None:
    inside = SPACE.decode([0.5, 0.5, 0.5, 0.5, 0.5, 0])
    assert SPACE.contains(inside)
    assert SPACE.encode(inside | change) is None


def test_a_condition_on_a_parameter_that_is_not_active_does_not_hold() -> None:
    space = Space.of(
        {
            "optimizer.beta1": {"choice": [0.5, 0.9], "when": {"optimizer.name": "adam"}},
            "optimizer.beta2": {"choice": [0.99, 0.999], "when": {"optimizer.beta1": 0.9}},
            "optimizer.name": {"choice": ["adam", "sgd"]},
        }
    )
    assert space.decode([0.9, 0.9, 0.9]) == {"optimizer.beta1": None, "optimizer.beta2": None, "optimizer.name": "sgd"}
    assert space.decode([0.9, 0.9, 0])["optimizer.beta2"] == 0.999


def chain_of_conditions(keys: int) -> Space:
    """Each key has ten values, and the next one exists with nine of them."""
    first, *others = (f"training.key{i}" for i in range(keys))
    written: dict[str, Any] = {first: {"choice": list(range(10))}}
    for key, other in zip(others, [first, *others], strict=False):
        written[key] = {"choice": list(range(10)), "when": {other: list(range(9))}}
    return Space.of(written)


def test_settings_are_counted_in_steps_that_grow_with_the_space_and_not_with_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = [0, 0]
    contains = Choice.contains

    def counting(choice: Choice, value: Any) -> bool:
        looked[-1] += 1
        assert looked[-1] < 1000
        return contains(choice, value)

    monkeypatch.setattr(Choice, "contains", counting)
    assert chain_of_conditions(3).count == 1 + 9 * (1 + 9 * 10)
    looked.append(0)
    assert chain_of_conditions(15).count == (9**15 - 1) // 8 + 9**15
    assert looked[-1] <= 7 * looked[-2]


def test_settings_are_counted_with_conditions_on_parameters_that_may_not_exist() -> None:
    """Of depth and width 3 each, one pair has a size (2 values), and where L2 is 0 a dropout of 3 more."""
    space = {
        "network.depth": {"int": [1, 3]},
        "network.width": {"quantized": [1, 3, 1]},
        "regularization.l2": {"choice": [0, 1]},
        "training.batch_size": {"choice": [8, 16], "when": {"network.depth": 2, "network.width": 2}},
        "regularization.dropout": {
            "choice": [0, 0.1, 0.2],
            "when": {"training.batch_size": [8, 16], "network.depth": 2, "regularization.l2": 0},
        },
    }
    assert Space.of(space).count == 8 * 2 + 2 * (1 + 3)


def test_settings_with_too_many_conditions_at_once_are_not_counted() -> None:
    """All of 14 keys must be known, in 2^14 ways, before the last key rules out any that depends on it."""
    space: dict[str, Any] = {f"a{i}": {"int": [1, 2]} for i in range(14)}
    space |= {f"b{i}": {"int": [1, 2], "when": {f"a{i}": 1, "z": 1}} for i in range(14)}
    assert Space.of({**space, "z": {"int": [1, 2]}}).count is None


def test_the_canonical_form_survives_json() -> None:
    form = json.loads(json.dumps(SPACE.written()))
    assert Space.of(form) == SPACE
    assert form["optimizer.learning_rate"] == {"log": [1e-4, 1.0]}
    assert difference(form, SPACE.written()) == []


def test_differences_are_told_a_line_a_parameter() -> None:
    old = Space.of({"network.width": {"int": [4, 8]}, "optimizer.learning_rate": {"log": [1e-4, 1]}}).written()
    new = Space.of({"network.depth": {"int": [1, 2]}, "optimizer.learning_rate": {"log": [1e-3, 1]}}).written()
    assert difference(old, new) == [
        "network.depth: added, {int: [1, 2]}",
        "network.width: removed, was {int: [4, 8]}",
        "optimizer.learning_rate: {log: [0.0001, 1.0]} → {log: [0.001, 1.0]}",
    ]


def test_the_settings_of_a_config_are_read_from_it() -> None:
    config = Config.from_values({"network": {"hidden": [32, 32]}, "optimizer": {"name": "momentum"}})
    settings = SPACE.read(config)
    assert settings == {
        "network.depth": 2,
        "network.width": 32,
        "optimizer.beta1": 0.9,
        "optimizer.beta2": None,
        "optimizer.learning_rate": 1e-3,
        "optimizer.name": "momentum",
    }
    assert SPACE.contains(settings)
    layers = SPACE.read(Config.from_values({"network": {"hidden": [64, 32]}}))
    assert (layers["network.depth"], layers["network.width"]) == (None, None) and not SPACE.contains(layers)


def test_a_value_that_the_key_may_hold_may_stand_for_numbers_and_no_other_may() -> None:
    space = Space.of({"training.batch_size": {"int": [16, 64]}, "regularization.dropout": {"choice": [0.0, 0.3]}})

    def misfit(size: Any, rates: Any) -> str | None:
        return space.misfit({"training.batch_size": size, "regularization.dropout": rates})

    for size, rates in ((128, 0.9), ("auto", None), ("full", [0.1, 0.0]), (16, [0.1, 0.2, 0.3])):
        assert misfit(size, rates) is None
    assert misfit("fill", 0.3) == misfit([16], 0.3) == misfit(True, 0.3) == "training.batch_size"
    assert misfit(16, "auto") == misfit(16, [0.1, 2]) == misfit(16, False) == "regularization.dropout"


def test_a_choice_is_recognised_however_it_is_written() -> None:
    schedule = [{"name": "cosine"}, "constant"]
    space = Space.of({"optimizer.schedule": {"choice": schedule}, "network.hidden": {"choice": [[8], [8, 4]]}})
    config = Config.from_values({"network": {"hidden": [8, 4]}})
    assert space.read(config) == {"network.hidden": [8, 4], "optimizer.schedule": "constant"}
    cosine = Config.from_values({"optimizer": {"schedule": "cosine"}})
    assert space.read(cosine)["optimizer.schedule"] == {"name": "cosine"}


def test_a_trial_is_the_config_with_its_settings() -> None:
    base = Config.from_values({"optimizer": {"name": "sgd", "beta1": 0.8}, "training": {"epochs": 3}})
    settings = SPACE.decode([0, 1, 0.5, 0.5, 1, 0.9])
    trial = SPACE.configure(base, settings)
    assert trial.network.hidden == (64,)
    assert (trial.optimizer.name, trial.optimizer.beta1) == ("momentum", settings["optimizer.beta1"])
    assert trial.training.epochs == 3
    kept = SPACE.configure(base, SPACE.decode([0, 1, 0.5, 0.5, 1, 0.5]))
    assert (kept.optimizer.name, kept.optimizer.beta1) == ("sgd", 0.8)  # not active: the config's own


def test_defaults_that_depend_on_a_setting_follow_it() -> None:
    space = Space.of({"optimizer.name": {"choice": ["adam", "rmsprop"]}})
    base = Config.from_values({"optimizer": {"name": "adam"}})
    assert base.optimizer.beta2 == 0.999
    assert space.configure(base, {"optimizer.name": "rmsprop"}).optimizer.beta2 == 0.9


def test_null_can_be_a_choice() -> None:
    space = Space.of({"optimizer.clip_norm": {"choice": [None, 1]}})
    base = Config.from_values({"optimizer": {"clip_norm": 5}})
    assert space.configure(base, {"optimizer.clip_norm": None}).optimizer.clip_norm is None
    assert space.encode({"optimizer.clip_norm": None}) == [0.25]


def test_settings_that_contradict_the_rest_are_refused() -> None:
    space = Space.of({"training.batch_size": {"choice": [1, 2]}})
    base = Config.from_values({"network": {"batch_norm": True}})
    with pytest.raises(ConfigError, match=r"^training.batch_size: batch_norm needs at least 2 examples a step, got 1$"):
        space.configure(base, {"training.batch_size": 1})


@pytest.mark.parametrize(
    ("key", "written", "below", "above"),
    [
        ("regularization.input_dropout", {"uniform": [0, 0.9]}, None, None),  # below 0 and above 1 there is nothing
        ("optimizer.beta1", {"one_minus_log": [0, 0.99]}, None, [0, 0.999]),
        ("network.width", {"int_log": [1, 64]}, None, [1, 640]),
        ("network.width", {"int": [8, 64]}, [4, 64], [8, 120]),
        ("network.width", {"int": [1, 64]}, None, [1, 127]),
        ("optimizer.learning_rate", {"log": [0.001, 0.1]}, [0.0001, 0.1], [0.001, 1.0]),
        ("optimizer.name", {"choice": ["adam", "sgd"]}, None, None),
    ],
)
def test_a_range_is_widened_where_its_key_allows_it(key: str, written: Any, below: Any, above: Any) -> None:
    (parameter,) = Space.of({key: written}).parameters
    for upper, expected in ((False, below), (True, above)):
        wider = parameter.wider(upper)
        assert (wider and wider.written()) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("key", "written", "value", "expected"),
    [
        ("optimizer.learning_rate", {"quantized": [0.001, 0.005, 0.001]}, 0.04, [0.001, 0.065, 0.001]),
        ("optimizer.learning_rate", {"log": [0.001, 0.1]}, 2e-6, [1e-6, 0.1]),
        ("optimizer.learning_rate", {"log": [1e-5, 1e-3]}, 0.1, [1e-5, 1.0]),  # which is an end of the moved range
        ("optimizer.learning_rate", {"log": [0.001, 0.1]}, 0.01, None),
        ("regularization.l2", {"log": [0.001, 0.1]}, 0, None),  # which has no place on that scale
        ("network.depth", {"int": [1, 3]}, 1, [0, 3]),
        ("network.depth", {"int": [1, 3]}, 6, [1, 9]),
        ("regularization.dropout", {"uniform": [0, 0.8]}, 0.9, None),  # beyond 1 there is none
        ("optimizer.name", {"choice": ["adam", "sgd"]}, "momentum", None),
        ("training.batch_size", {"int": [8, 16]}, "full", None),
    ],
)
def test_a_range_moves_to_a_value_at_its_end_or_beyond(key: str, written: Any, value: Any, expected: Any) -> None:
    (parameter,) = Space.of({key: written}).parameters
    moved = parameter.moved_to(value)
    assert (moved and moved.written()) == (expected and pytest.approx(expected))
    assert moved is None or moved.contains(value)


@pytest.mark.parametrize(
    ("written", "at_low", "inside", "at_high"),
    [
        ({"int": [8, 64]}, 8, 9, 64),
        ({"int_log": [8, 640]}, 8, 9, 640),  # whose first number has a larger share of the axis than its last one
        ({"int_log": [2, 5]}, 2, 3, 5),
        ({"quantized": [9, 65, 8]}, 9, 17, 65),
    ],
)
def test_the_first_and_the_last_of_single_values_are_the_ends_of_a_range(
    written: Any, at_low: int, inside: int, at_high: int
) -> None:
    (parameter,) = Space.of({"network.width": written}).parameters
    units = [parameter.domain.to_unit(value) for value in (at_low, inside, at_high)]
    below, none, above = map(parameter.beyond, units)
    assert below is not None and below == parameter.wider(False)
    assert none is None
    assert above is not None and above == parameter.wider(True)
