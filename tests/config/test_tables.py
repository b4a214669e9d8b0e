from dataclasses import dataclass, fields
from typing import ClassVar

import pytest
from pydantic import ValidationError

from nnrun.config.load import load_config
from nnrun.config.tables import ScheduleEntry, entry_models
from nnrun.engine.hyperparameters import option
from nnrun.engine.initializers import INITIALIZERS, Normal
from nnrun.engine.schedules import SCHEDULES, ByEpoch, Exponential
from nnrun.errors import ConfigError


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_builds_from_its_name_with_its_own_defaults(name: str) -> None:
    for text in (f"optimizer: {{schedule: {name}}}", f"optimizer: {{schedule: {{name: {name}}}}}"):
        assert load_config(None, text=text).config.optimizer.schedule.build() == SCHEDULES[name]()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initializer_builds_from_its_name_with_its_own_defaults(name: str) -> None:
    assert load_config(None, text=f"network: {{init: {name}}}").config.network.init.build() == INITIALIZERS[name]()


def test_options_reach_the_engine() -> None:
    text = "network: {init: {name: normal, scale: 2}}\noptimizer: {schedule: {name: exponential, base: 0.5}}\n"
    config = load_config(None, text=text).config
    assert config.network.init.build() == Normal(2.0)
    assert config.optimizer.schedule.build() == Exponential(0.5)


def test_the_table_schedule_takes_epochs_as_keys() -> None:
    text = "optimizer:\n  schedule:\n    name: table\n    factors: {1: 1, 30: 0.1}\n"
    assert load_config(None, text=text).config.optimizer.schedule.build() == ByEpoch({1: 1.0, 30: 0.1})


@pytest.mark.parametrize("table", [SCHEDULES, INITIALIZERS])
def test_every_option_with_bounds_is_held_to_them(table: dict[str, type]) -> None:
    """A value just outside each bound is refused, by name of the option."""
    checked = 0
    section = "optimizer: {schedule" if table is SCHEDULES else "network: {init"
    for name, entry in table.items():
        for field in fields(entry):
            outside = [field.metadata[b] for b in ("gt", "lt") if b in field.metadata]
            outside += [field.metadata["ge"] - 1] if "ge" in field.metadata else []
            outside += [field.metadata["le"] + 1] if "le" in field.metadata else []
            for value in outside:
                written = f"{{1: {value}}}" if field.name == "factors" else value
                with pytest.raises(ConfigError, match=rf"\.{field.name}.*: must be .*, got {value}$"):
                    load_config(None, text=f"{section}: {{name: {name}, {field.name}: {written}}}}}")
                checked += 1
    assert checked >= 5


@dataclass(frozen=True)
class Halving:
    """Half the rate every so often.

    More about it.
    """

    needs_total: ClassVar[bool] = False
    every: int = option(2, "epochs between", ge=1)
    at: dict[int, float] = option({}, "where", lt=1)


def test_a_new_entry_needs_nothing_but_its_dataclass() -> None:
    model = entry_models({"halving": Halving}, ScheduleEntry)["halving"]
    assert (model.__doc__, model.model_fields["every"].description) == (
        "Half the rate every so often.",
        "epochs between",
    )
    assert model.model_validate({"name": "halving", "at": {3: 0.5}}).build() == Halving(2, {3: 0.5})
    for wrong in ({"every": 0}, {"every": 1.5}, {"at": {3: 1.0}}, {"at": {"3": 0.5}}, {"needs_total": True}):
        with pytest.raises(ValidationError):
            model.model_validate({"name": "halving", **wrong})
