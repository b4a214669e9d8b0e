"""The settings of a trial, dotted key → value, as a part of a configuration."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from nnrun.config.config import Config
from nnrun.config.messages import Places, explain
from nnrun.config.overrides import Setting, put, reshape
from nnrun.config.values import Settings, Tree
from nnrun.errors import ConfigError


def as_path(key: str) -> tuple[str, ...]:
    """`optimizer.learning_rate` → its parts."""
    return tuple(key.split("."))


def written(config: Config) -> Tree:
    """The values that the user gave, without the defaults: some of these depend on what a trial changes."""
    kept: Tree = _restricted(config.resolved(), config.model_dump(exclude_unset=True))
    return kept


def _restricted(values: Any, given: Any) -> Any:
    if not isinstance(values, dict) or not isinstance(given, dict):
        return values
    return {name: _restricted(value, given[name]) for name, value in values.items() if name in given}


def substituted(config: Config, settings: Settings) -> Tree:
    """The config's plain values with these settings in their places.

    Raises ConfigError where a key lies in something that is no mapping.
    """
    values, places = written(config), Places()
    put_in = [Setting(as_path(key), value, "") for key, value in settings.items()]
    for setting in put_in:
        put(values, places, setting)
    reshape(values, places, put_in)
    return values


def configured(config: Config, settings: Settings) -> Config:
    """The config with these settings; a ConfigError says what in it contradicts itself."""
    return Config.checked(substituted(config, settings), Places())


def fault(config: Config, key: str, value: Any) -> tuple[str, str] | None:
    """What is wrong with one setting: the kind of the error and the message; None if it is valid."""
    try:
        values = substituted(config, {key: value})
    except ConfigError as error:
        return "unreachable", error.problems[0]
    try:
        Config.model_validate(values)
    except ValidationError as error:
        line = next(explain(error, values, Places(), Config)).line
        return error.errors()[0]["type"], line.removeprefix(f"{key}: ")
    return None


def value_at(config: Config, key: str) -> Any:
    """The config's own value of a key; null where it has none, as a width where the layers differ."""
    hidden = config.network.hidden
    if key == "network.depth":
        return len(hidden)
    if key == "network.width":
        return hidden[0] if len(set(hidden)) == 1 else None
    value: Any = config.resolved()
    for part in as_path(key):
        value = value.get(part) if isinstance(value, dict) else None
    return value
