"""`training.changes`: what holds in which epoch, and every reason why something cannot change, with its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.changes import at, may_change, old_values, stage, with_changes
from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.config.overrides import value_at
from nnrun.config.space.parsing import load_space, parse_space
from nnrun.errors import ConfigError

BEFORE = "data: {source: iris}\ntraining:\n  epochs: 50\n  changes:\n"


def made(changes: dict[int, dict[str, Any]], **sections: dict[str, Any]) -> Config:
    training = {"epochs": 50, "changes": changes, **sections.pop("training", {})}
    return Config.from_values({**sections, "training": training})


def problems(text: str, *settings: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load_config(Path("c.yaml"), settings, text=text)
    return error.value.problems


# what holds when


def test_a_change_holds_from_its_epoch_on() -> None:
    config = made({12: {"optimizer.learning_rate": 3e-4}, 20: {"regularization.dropout": 0.3, "training.epochs": 80}})
    held = [at(config, epoch) for epoch in (1, 11, 12, 19, 20, 80)]
    assert [c.optimizer.learning_rate for c in held] == [1e-3, 1e-3, 3e-4, 3e-4, 3e-4, 3e-4]
    assert [c.regularization.dropout for c in held] == [(0.0, 0.0)] * 4 + [(0.3, 0.3)] * 2
    assert [c.training.epochs for c in held] == [50, 50, 50, 50, 80, 80]
    assert [stage(config, epoch) for epoch in (1, 11, 12, 19, 20, 80)] == [0, 0, 12, 12, 20, 20]
    assert old_values(config, 12, {"optimizer.learning_rate": 1}) == {"optimizer.learning_rate": 3e-4}


def test_without_changes_the_configuration_is_itself() -> None:
    config = Config()
    assert at(config, 7) is config
    assert stage(config, 7) == 0


def test_the_later_of_two_changes_holds_whatever_lies_in_which() -> None:
    """A schedule as a whole takes the place of an option that was set before, and an option lies in the later one."""
    config = made(
        {
            5: {"optimizer.schedule": {"name": "exponential", "base": 0.5}},
            6: {"optimizer.schedule.base": 0.7},
            7: {"optimizer.schedule": "cosine"},
            8: {"optimizer.schedule.final": 0.1},
        }
    )
    shown = [at(config, epoch).resolved()["optimizer"]["schedule"] for epoch in (4, 5, 6, 7, 8)]
    assert shown == [
        {"name": "constant"}, {"name": "exponential", "base": 0.5}, {"name": "exponential", "base": 0.7},
        {"name": "cosine", "final": 0.0, "cycles": 1}, {"name": "cosine", "final": 0.1, "cycles": 1},
    ]  # fmt: skip


def test_a_change_below_one_that_is_set_as_a_whole_leaves_that_as_it_was() -> None:
    """The earlier one holds until then, however often the configuration is asked for what holds later."""
    schedule, every = {"name": "staircase", "every": 2, "factor": 0.5}, "optimizer.schedule.every"
    changes = {5: {"optimizer.schedule": schedule}, 20: {every: 10}}
    loaded = load_config(None, [f"training.changes={changes}"]).config
    nudged = with_changes(made({5: {"optimizer.schedule": dict(schedule)}}), 20, {every: 10})
    for config in (loaded, nudged):
        held = [value_at(at(config, epoch), every) for epoch in (20, 19, 5, 4)]
        assert (held, config.training.changes) == ([10, 2, 2, None], changes)


def test_of_two_changes_from_one_epoch_the_later_given_holds() -> None:
    """Whatever was given there before: a whole schedule given again forgets the option that was set in the first."""
    config = with_changes(made({}), 5, {"optimizer.schedule": {"name": "exponential"}, "optimizer.beta1": 0.5})
    config = with_changes(config, 5, {"optimizer.schedule.base": 0.7})
    config = with_changes(config, 5, {"optimizer.schedule": {"name": "staircase"}, "optimizer.beta1": 0.6})
    assert at(config, 5).resolved()["optimizer"]["schedule"] == {"name": "staircase", "factor": 0.5, "every": 10}
    assert at(config, 5).optimizer.beta1 == 0.6


def test_early_stopping_comes_and_goes() -> None:
    where = "regularization.early_stopping"
    config = made({3: {where: {"patience": 4}}, 6: {f"{where}.patience": 9}, 8: {where: None}})
    held = [at(config, epoch).regularization.early_stopping for epoch in (2, 3, 6, 8)]
    assert [stopping and stopping.patience for stopping in held] == [None, 4, 9, None]


def test_null_is_the_usual_value_where_the_key_knows_one() -> None:
    config = made({5: {"optimizer.weight_decay": None}}, optimizer={"name": "adamw", "weight_decay": 0.5})
    assert [at(config, epoch).optimizer.weight_decay for epoch in (4, 5)] == [0.5, 0.01]


def test_written_and_read_again_it_is_equal() -> None:
    """Numbers as keys, dots in keys, and their order, which decides where one lies in another."""
    from nnrun.config.dump import dump_yaml

    changes = {12: {"optimizer.schedule": "exponential", "optimizer.schedule.base": 0.5}, 3: {"regularization.l2": 1.0}}
    config = made(changes)
    again = load_config(None, text=dump_yaml(config.resolved())).config
    assert again == config
    assert list(again.training.changes[12]) == list(changes[12])


@pytest.mark.parametrize(
    "settings",
    [
        ["training.changes={12: {optimizer.learning_rate: 3e-4}}"],
        ["training.changes.12={optimizer.learning_rate: 3e-4}"],
        ["training.changes.12.optimizer.learning_rate=3e-4"],
    ],
)
def test_a_setting_gives_all_changes_or_those_of_an_epoch_or_one(settings: list[str]) -> None:
    assert load_config(None, settings).config.training.changes == {12: {"optimizer.learning_rate": 3e-4}}


# what cannot change

REFUSED = {
    "{network.hidden: [3]}": (":25", "training.changes[5].network.hidden: cannot change while the network trains: the "
                                     "parameters that are being trained have this shape; what may: optimizer.{"),
    "{network.depth: 2}": (":24", "have this shape"),
    "{network.ensemble: 2}": (":27", "its networks train side by side from the first epoch on"),
    "{data.source: wine}": (":22", "is learned from these rows and features"),
    "{seed: 4}": (":15", "all draws hang on it from the first epoch on"),
    "{name: other}": (":15", "has its name already"),
    "{training.dtype: float64}": (":25", "it holds for a training as a whole"),
    "{training.engine: compiled}": (":26", "it holds for a training as a whole"),
    "{training.shuffle: full}": (":27", "it holds for a training as a whole"),
    "{training.loss: auto}": (":24", "the epochs so far were measured by it"),
    "{training.changes: {6: {}}}": (":27", "a change cannot hold others"),
    "{optimizer.name: sgd}": (":25", "what the optimizer has gathered so far belongs to this rule"),
    "{optimizer.dampening: false}": (":30", "belongs to this rule"),
    "{metrics.primary: f1}": (":26", "the epochs so far were compared by it"),
    "{search.trials: 3}": (":24", "training one network ignores this section"),
    "{diagnosis.base_error: 0.1}": (":31", "give it to diagnose"),
    "{training.average.swa: 4}": (":31", "an average over epochs cannot begin before epoch 5, the first one to come"),
    "{optimizer: {learning_rate: 0.1}}": (":20", "is a section; write each key that changes with its dot, as in "
                                                 "optimizer.learning_rate"),
    "{regularization: {l2: 1}}": (":25", "as in regularization.l1"),
    "{optimizer.learning_rat: 0.1}": (":9", "unknown key; did you mean learning_rate?"),
    "{optimiser.learning_rate: 0.1}": (":34", "unknown key; did you mean optimizer?"),
    "{lr: 0.1}": (":9", "unknown key here; did you mean optimizer.learning_rate?"),
    "{optimizer.schedule: cosin}": (":29", "did you mean cosine?"),
    "{optimizer.schedule: {name: staircase, evry: 3}}": (":29", "did you mean every?"),
    "{optimizer.schedule.base: 0.9}": (":9", "unknown key"),
    "{optimizer.learning_rate: -1}": (":34", "must be above 0, got -1"),
    "{optimizer.learning_rate: .inf}": (":34", "must be a finite number"),
    "{optimizer.learning_rate: null}": (":34", "expected a number, got null"),
    "{optimizer.clip_norm: yes}": (":30", "expected a number or null, got the text 'yes'"),
    "{regularization.dropout: 1}": (":33", "must be at least 0 and below 1, got 1"),
    "{regularization.dropout: [0.1]}": (":33", "has length 1, network.hidden has length 2"),
    "{training.batch_size: 0}": (":30", "must be at least 1, got 0"),
    "{training.epochs: 4}": (":26", "must be at least 5, the first epoch of the change, got 4"),
    "3": (":8", "training.changes[5]: expected a mapping, got 3"),
    "": (":7", "training.changes[5]: expected a mapping, got null"),
    "{3: 4}": (":12", "expected text, got 3"),
}  # fmt: skip


@pytest.mark.parametrize("written", REFUSED)
def test_what_cannot_change_is_refused_with_its_place(written: str) -> None:
    column, why = REFUSED[written]
    (line,) = problems(f"{BEFORE}    5: {written}".rstrip() + "\n")
    assert line.startswith(f"c.yaml:5{column}: training.changes[5]")
    assert why in line


@pytest.mark.parametrize(
    ("written", "place", "why"),
    [
        ("    0: {regularization.l2: 1}\n", "5:8", "training.changes[0]: must be at least 1, got 0"),
        ("    x: {regularization.l2: 1}\n", "5:8", "expected a whole number, got the text 'x'"),
        ("    1.5: {regularization.l2: 1}\n", "5:5", "a key must be text"),
    ],
)
def test_what_is_no_epoch(written: str, place: str, why: str) -> None:
    (line,) = problems(BEFORE + written)
    assert line.startswith(f"c.yaml:{place}: ")
    assert why in line


@pytest.mark.parametrize("written", ["3", "[1]", "null", "text"])
def test_what_is_no_table_of_changes(written: str) -> None:
    (line,) = problems(f"training: {{changes: {written}}}\n")
    assert line.startswith("c.yaml:1:21: training.changes: expected a mapping, got ")


def test_what_an_earlier_change_makes_wrong_is_wrong() -> None:
    """Batches of one beside batch norm are known at once; an option of a schedule, once it is no longer there."""
    (line,) = problems("network: {batch_norm: true}\ntraining: {changes: {5: {training.batch_size: 1}}}\n")
    assert "batch_norm needs at least 2 examples a step, got 1" in line
    (line,) = problems(
        "training: {changes: {3: {optimizer.schedule: staircase}, 9: {optimizer.schedule: constant},\n"
        "  12: {optimizer.schedule.every: 3}}}\n"
    )
    assert line.startswith("c.yaml:2:8: training.changes[12].optimizer.schedule.every: unknown key")


def test_all_that_is_wrong_in_an_epoch_is_told() -> None:
    found = problems(BEFORE + "    5: {seed: 1, optimizer.learning_rate: 0, regularization.l2: 1}\n")
    assert [line.partition(": ")[0] for line in found] == ["c.yaml:5:15", "c.yaml:5:43"]


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_schedule_that_depends_on_the_total_keeps_it(schedule: str) -> None:
    before = f"optimizer: {{schedule: {schedule}}}\ntraining: {{changes: {{5: "
    (line,) = problems(before + "{training.epochs: 80}}}\n")
    assert line.startswith(f"c.yaml:2:43: training.changes[5].training.epochs: the schedule {schedule} is shaped by ")
    assert line.endswith("change optimizer.schedule beside it, got 80")
    for beside in ("{training.epochs: 80, optimizer.schedule: constant}}}\n", "{training.epochs: 50}}}\n"):
        load_config(Path("c.yaml"), text=before + beside)


def test_settings_of_a_nudge_are_named_as_they_were_typed() -> None:
    settings = {"optimizer.learning_rate": -1, "seed": 3, "training.epochs": 60, "regularization.dropot": 0.1}
    with pytest.raises(ConfigError) as error:
        with_changes(made({3: {"regularization.l2": 1.0}}), 13, settings)
    found = dict(line.split(": ", 1) for line in error.value.problems)
    assert found.keys() == {"--set optimizer.learning_rate=-1", "--set seed=3", "--set regularization.dropot=0.1"}
    assert found["--set regularization.dropot=0.1"] == "unknown key; did you mean dropout?"
    with pytest.raises(ConfigError, match=re.escape("--set training.epochs=12: must be at least 13, ")):
        with_changes(made({}), 13, {"training.epochs": 12})


def test_what_may_change_is_what_is_documented() -> None:
    keys = [f"{section}.{key}" for section, values in Config().resolved().items() if isinstance(values, dict)
            for key in values]  # fmt: skip
    assert [key for key in keys if may_change(key)] == [
        "regularization.l1", "regularization.l2", "regularization.dropout", "regularization.input_dropout",
        "regularization.label_smoothing", "regularization.early_stopping", "regularization.augment",
        "optimizer.learning_rate", "optimizer.schedule",
        "optimizer.beta1", "optimizer.beta2", "optimizer.epsilon", "optimizer.weight_decay", "optimizer.clip_norm",
        "training.epochs", "training.batch_size", "training.average",
    ]  # fmt: skip
    assert not may_change("training.epochs_") and not may_change("seed") and not may_change("optimizer")


@pytest.mark.parametrize("key", ["training.changes", "training.changes.5.optimizer.learning_rate"])
def test_a_search_may_not_vary_it(key: str) -> None:
    loaded = load_config(Path("c.yaml"), text=f"search:\n  space:\n    {key}: {{choice: [0.1, 0.2]}}\n")
    with pytest.raises(ConfigError, match=rf"^c\.yaml:3:\d+: search\.space\.{re.escape(key)}: .*all trials make the"):
        load_space(loaded)


NOTHING = "leaves nothing to average, as the training ends after epoch"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("{51: {training.epochs: 60}, 60: {regularization.l2: 1.0}}", []),
        ("{60: {regularization.l2: 1.0}}", ["training.changes[60]: never comes, as the training ends after epoch 50"]),
        ("{52: {training.epochs: 60}}", ["training.changes[52]: never comes, as the training ends after epoch 50"]),
        ("{9: {training.average.swa: 49}}", []),
        ("{9: {training.average.swa: 50}}", [f"training.changes[9].training.average.swa: {NOTHING} 50"]),
        ("{9: {training.average.swa: 50}, 20: {training.epochs: 51}}", []),
        (
            "{9: {training.average: {swa: 70}}, 20: {training.epochs: 60}}",
            [f"training.changes[9].training.average: {NOTHING} 60"],
        ),
    ],
)
def test_a_change_that_never_comes_is_told(changes: str, told: list[str]) -> None:
    setting = f"training.changes={changes}"
    assert load_config(None, [setting]).notices == [f"--set {setting}: {line}" for line in told]


SWITCH = "{40: {optimizer.learning_rate: 0.5}, 60: {regularization.l2: 1.0}}"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("optimizer.learning_rate=0.1", "holds only before epoch 40, as training.changes sets it from epoch 40 on"),
        ("optimizer={learning_rate: 0.1}", "as training.changes sets optimizer.learning_rate from epoch 40 on"),
        ("regularization.l2=0.1", None),  # epoch 60 never comes
        ("optimizer.beta1=0.8", None),
    ],
)
def test_a_setting_that_a_change_of_the_file_takes_the_place_of_is_told(setting: str, told: str | None) -> None:
    text = f"training: {{changes: {SWITCH}}}\n"
    found = [line for line in load_config(None, [setting], text=text).notices if line.startswith("--set")]
    assert [line.endswith(told or "") for line in found] == ([] if told is None else [True])
    assert load_config(None, [setting, f"training.changes={SWITCH}"]).notices[1:] == []  # both were given together


def test_what_is_searched_and_changed_on_the_way_is_told() -> None:
    space = {"optimizer.learning_rate": {"log": [0.1, 1]}, "optimizer.schedule.base": {"choice": [0.5, 0.9]}}
    config = made(
        {1: {"optimizer.learning_rate": 0.5}, 9: {"optimizer.schedule": "cosine"}},
        optimizer={"schedule": {"name": "exponential"}},
    )
    assert parse_space(space, config).notices == (
        "optimizer.learning_rate has no effect, as training.changes sets it from epoch 1 on",
        "optimizer.schedule.base holds only before epoch 9, as training.changes sets optimizer.schedule from epoch 9 "
        "on",
    )
