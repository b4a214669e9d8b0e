"""Single values on top of a config: `--set a.b=value` over a file, the settings of a trial over those of a search."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from nnrun.config.config import Config
from nnrun.config.data_section import absolute_source, with_absolute_sources
from nnrun.config.hints import field_at, is_entry
from nnrun.config.messages import AFTER_THE_FILE, LONGEST_ARGUMENT, Located, Places, explain
from nnrun.config.schema import Metrics, Optimizer
from nnrun.config.values import KeyPath, Settings, Tree, describe, dotted
from nnrun.config.yaml_text import holds_epochs, parse_value
from nnrun.engine.metrics import METRICS
from nnrun.engine.optimizers import OPTIMIZERS, usual
from nnrun.engine.scores import Objective
from nnrun.errors import ConfigError
from nnrun.text import shortened

SPACE = "search.space."
CHANGE = re.compile(r"training\.changes\.(\d+)\.(.+)")
NAME, PRIMARY = ("optimizer", "name"), ("metrics", "primary")  # what is usual of other keys follows these
USUAL = {NAME: Optimizer().name, PRIMARY: Metrics().primary}
SHAPES = HIDDEN, DEPTH, WIDTH = ("network", "hidden"), ("network", "depth"), ("network", "width")

# What begins something else than text in YAML: lines below, of which an argument has none; an item, a key or a name.
OF_LINES, OF_ITEMS, OF_TEXT = ("|", ">"), ("-", "?", ":", "!", "&"), (",", "@", "`", "%", "*", "&", "!")
# What begins a comment in a file, outside of quotes, lists and maps; an argument has none.
COMMENTED = r"#\S|[^\"'\[{#].*\s#"


class Setting(NamedTuple):
    """A value for a dotted key, and the text of the argument that gave it."""

    path: KeyPath
    value: Any
    argument: str


def parse_setting(argument: str) -> Setting:
    """`optimizer.learning_rate=1e-3`, the value read as YAML; a ConfigError without the argument's text."""
    name, equals, text = argument.partition("=")
    path = _path(name.strip())
    if not equals:
        raise ConfigError(["expected key=value"])
    if "" in path:
        raise ConfigError([f"{describe(name)} is not a key; write section.key=value"])
    value = _value(text.strip(), path)
    if value is None and text.strip() not in ("null", "~"):
        raise ConfigError(["the value is missing; write null for none"])
    return Setting(path, _with_absolute_paths(path, value, Path.cwd()), argument)


def parse_settings(arguments: Sequence[str]) -> Settings:
    """`key=value` each, as settings by dotted key; ConfigError for what is none."""
    problems, settings = [], {}
    for argument in arguments:
        try:
            setting = parse_setting(argument)
            settings[".".join(map(str, setting.path))] = setting.value
        except ConfigError as error:
            problems += [f"--set {argument}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return settings


def _value(text: str, path: KeyPath) -> Any:
    """As YAML has it; a mark that means something in a file alone, such as `|` or ` #`, stands for itself here."""
    if text[:1] in OF_LINES or text in OF_ITEMS or re.match(COMMENTED, text):
        return text
    try:
        return parse_value(text, path)
    except ConfigError:
        if text[:1] in OF_TEXT:
            return text
        raise


def _path(name: str) -> KeyPath:
    """Numbers are keys of a table, 007 is a name; what follows `search.space` or an epoch's changes is one key."""
    if name.startswith(SPACE):
        return (*SPACE.split(".")[:2], name.removeprefix(SPACE))
    if change := CHANGE.fullmatch(name):
        return "training", "changes", int(change[1]), change[2]
    parts = name.split(".")
    number = [r"\d+" if holds_epochs((above,)) else "0|[1-9][0-9]*" for above in ["", *parts]]
    return tuple(int(part) if re.fullmatch(one, part) else part for part, one in zip(parts, number, strict=False))


def _with_absolute_paths(path: KeyPath, value: Any, folder: Path) -> Any:
    if path == ("data",):
        return with_absolute_sources({"data": value}, folder)["data"]
    return absolute_source(value, folder) if path[:2] == ("data", "source") else value


def apply(
    values: Tree, places: Places, arguments: Sequence[str], resolved: Collection[KeyPath] = ()
) -> tuple[Tree, list[Setting]]:
    """The values with all arguments carried out in turn; what cannot be carried out goes to `places.problems`.

    Numbers that are usual of an optimizer give way to another one's in any file, the metric of a search only where
    nnrun wrote it, in the keys `resolved`.
    """
    old, values, settings = leading(values), copy.deepcopy(values), []
    for order, argument in enumerate(arguments):
        try:
            setting = parse_setting(argument)
            put(values, places, setting)
            settings.append(setting)
        except ConfigError as error:
            lines = [f"--set {shortened(argument, LONGEST_ARGUMENT)}: {problem}" for problem in error.problems]
            places.problems += [Located(AFTER_THE_FILE, order, line) for line in lines]
    leave_usual(values, places, settings, old, {*resolved, *_usual_of(NAME, old[NAME])})
    return values, settings


def leading(values: Tree) -> dict[KeyPath, Any]:
    """The optimizer and the primary metric; a file may have anything in their places."""
    sections = {path: values.get(path[0]) for path in USUAL}
    return {
        path: section.get(path[1], USUAL[path]) if isinstance(section, dict) else USUAL[path]
        for path, section in sections.items()
    }


def leave_usual(
    values: Tree,
    places: Places,
    settings: Sequence[Setting],
    old: Mapping[KeyPath, Any],
    yielding: Collection[KeyPath],
) -> None:
    """Where another optimizer or primary metric was put in, what was usual of the old one gives way to the new one's.

    A resolved config has these values as if somebody had asked for them. Only keys that are `yielding` give way, and
    what was put in beside the name stays.
    """
    given, new = [setting.path for setting in settings], leading(values)
    for leader in (path for path in old if path in given):
        usual_values = _usual_of(leader, old[leader]) if old[leader] != new[leader] else {}
        for path in (path for path in usual_values if path in yielding and not lies_in(path, given)):
            section = values.get(path[0])
            if isinstance(section, dict) and section.get(path[1]) == usual_values[path]:
                del section[path[1]]
                places.forget(path)


def _usual_of(leader: KeyPath, name: Any) -> dict[tuple[str, str], Any]:
    """What other keys usually have with this optimizer, or this primary metric."""
    if leader == NAME:
        return {(NAME[0], key): value for key, value in usual(name).items()} if name in [*OPTIMIZERS] else {}
    return {("search", "metric"): Objective.of(name).written} if name in [*METRICS] else {}


def lies_in(path: KeyPath, keys: Sequence[KeyPath]) -> bool:
    """Whether a path is one of these, or below one."""
    return any(path[: len(key)] == key for key in keys)


def put(values: Tree, places: Places, setting: Setting) -> None:
    """Write one value, opening mappings on its way where that is possible; a ConfigError where it is not."""
    path = _as_held(values, setting.path)
    *way, last = path
    inside: Any = values
    for depth, part in enumerate(way, start=1):
        if not isinstance(inside.get(part), dict):
            here = path[:depth]
            inside[part] = _opened(here, inside.get(part), values)
            places.forget(here)
        inside = inside[part]
    inside[last] = copy.deepcopy(setting.value)  # else a later setting below this key would be written into it
    places.replace(path, setting.argument)


def _as_held(values: Tree, path: KeyPath) -> KeyPath:
    """The path as the keys on its way are written, as a number or in quotes: `class_weight: {"1": 2}`."""
    held: KeyPath = ()
    inside: Any = values
    for part in path:
        keys = inside if isinstance(inside, dict) else {}
        held = (*held, next((key for key in keys if str(key) == str(part)), part))
        inside = keys.get(held[-1])
    return held


def _opened(path: KeyPath, held: Any, values: Tree) -> Tree:
    """The mapping that a key may hold instead of a name alone or of nothing."""
    field = field_at(Config, path, values)
    if field is not None and is_entry(field) and (held is None or isinstance(held, str)):
        return {"name": held or field.default}
    if held is None or path == ("data", "source"):
        return {}
    raise ConfigError([f"{dotted(path)} is {describe(held)}, not a mapping; set it as a whole"])


def reshape(values: Tree, places: Places, settings: Sequence[Setting]) -> list[int] | None:
    """Settle which holds, hidden or depth and width: the one that an argument gave last.

    Returns the `hidden` that depth and width took the place of, if any.
    """
    network = values.get("network")
    shapes = [setting.path for setting in settings if setting.path in SHAPES and setting.value is not None]
    if not isinstance(network, dict) or not shapes:
        return None
    if shapes[-1] != HIDDEN:
        return _hidden_given_up(network)
    for path in (DEPTH, WIDTH):
        network.pop(path[-1], None)
        places.forget(path)
    return None


def _hidden_given_up(network: Tree) -> list[int] | None:
    whole = network.get("depth") is not None and network.get("width") is not None
    hidden = network.get("hidden", None if whole else Config().network.hidden)
    if not isinstance(hidden, (list, tuple)):
        return None
    network.pop("hidden", None)
    if network.get("depth") is None:
        network["depth"] = len(hidden) or 1  # a width is of a layer
    if network.get("width") is None and (hidden or network["depth"] == 0):
        network["width"] = hidden[0] if hidden else 1  # of no layer
    return list(hidden)


# The settings of a trial, dotted key → value, as a part of a configuration.


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
    old = leading(values)
    put_in = [Setting(as_path(key), value, "") for key, value in settings.items()]
    for setting in put_in:
        put(values, places, setting)
    leave_usual(values, places, put_in, old, _usual_of(NAME, old[NAME]))
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
