"""From a YAML file and `--set` arguments to a resolved configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from yaml.representer import RepresenterError

from nnrun.config import changes
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.extends import whole
from nnrun.config.hints import key_called
from nnrun.config.idle import given_in_vain
from nnrun.config.messages import Places
from nnrun.config.overrides import HIDDEN, Setting, apply, lies_in, reshape
from nnrun.config.values import KeyPath, Tree, kind
from nnrun.config.versions import current
from nnrun.config.yaml_text import read_bytes, source_of
from nnrun.errors import ConfigError
from nnrun.installation import command, shipped

NOTHING_WRITTEN = b"{}\n"
EXAMPLE = shipped() / "configs/digits.yaml"  # taken where nobody names a config: nothing that is wrong stands there
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".npy", ".npz", ".gz")


@dataclass(frozen=True)
class Loaded:
    """A resolved configuration, the file it was written in, byte for byte, and what the user should be told."""

    config: Config
    text: bytes
    path: Path | None
    notices: list[str] = field(default_factory=list)
    places: Places = field(default_factory=Places)
    overrides: Sequence[str] = ()  # that hold on top of the text

    def locate(self, path: KeyPath, message: str) -> str:
        """The message with the file, line and column of the value it is about."""
        return self.places.locate(path, message).line


def load_config(path: Path | None, overrides: Sequence[str] = (), text: str | bytes | None = None) -> Loaded:
    """Read a file, or `text` in its place; without both, every key has its default.

    Relative paths in the file are relative to its folder, in overrides to the current directory.
    Raises ConfigError with every problem found, a line each; a text without a file has no places that a user knows.
    """
    name = "" if path is None else str(path)
    if path is not None and path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        raise ConfigError([f"{name}: a table, where a config is needed; {_making(path)} writes one for it"])
    content = _content(path, text)
    source = whole(source_of(content, name), Path.cwd() if path is None else path.parent, [path])
    places = Places(name) if path == EXAMPLE else Places.of(source)
    values, settings = apply(source.values, places, overrides, source.resolved)
    values, notices = current(values, places)
    replaced = reshape(values, places, settings)
    if replaced is None and not any(lies_in(HIDDEN, [setting.path]) for setting in settings):
        replaced = source.replaced
    config = Config.checked(values, places)
    changes.check(config, places)
    if replaced is not None:
        now = list(config.network.hidden)
        notices.append(f"network.hidden {replaced} is replaced by depth × [width] = {now}")
    notices += _overruled(config, places, settings)
    notices += _in_vain(config, values, places, source.resolved, settings)
    for start, last in changes.out_of_reach(config):
        told = f"never comes, as the training ends after epoch {last}"
        notices.append(places.locate((*changes.CHANGES, start), told, at_key=True).line)
    for place, last in changes.averages_of_nothing(config):
        told = f"leaves nothing to average, as the training ends after epoch {last}"
        notices.append(places.locate(place, told).line)
    return Loaded(config, content, path, notices, places, tuple(overrides))


def _in_vain(
    config: Config, values: Tree, places: Places, resolved: frozenset[KeyPath], settings: Sequence[Setting]
) -> Iterator[str]:
    """A note on each key that steers nothing, but for those that nnrun wrote out: their run has told of them."""
    given = [setting.path for setting in settings]
    for path, told in given_in_vain(values, config):
        if lies_in(path, given) or path[:2] not in resolved:
            yield places.locate(path, told).line


def _overruled(config: Config, places: Places, settings: Sequence[Setting]) -> Iterator[str]:
    """A note on each setting that the changes of the file take the place of."""
    if any(setting.path[:2] == changes.CHANGES for setting in settings):
        return  # both were given together
    for path in dict.fromkeys(setting.path for setting in settings):
        if told := changes.overruled(config, ".".join(map(str, path))):
            yield places.locate(path, told).line


def overridden(loaded: Loaded, overrides: Sequence[str]) -> Loaded:
    """A loaded configuration with further overrides on top; ConfigError as for a file."""
    return load_config(loaded.path, [*loaded.overrides, *overrides], loaded.text) if overrides else loaded


def setting_for(option: str, value: str | None) -> str | None:
    """`--epochs 5`, which is no option, as a setting: `training.epochs=5`; None where no key is called so."""
    key = key_called(Config, option.lstrip("-"))
    if key is None:
        return None
    name = ".".join(map(str, key))
    ways = [f"{name}={value}", f"{name}=[{value}]", f"{name}.name={value}"] if value is not None else []
    return next((way for way in ways if _is_valid(way)), f"{name}={'VALUE' if value is None else value}")


def _is_valid(setting: str) -> bool:
    try:
        load_config(None, [setting])
    except ConfigError:
        return False
    return True


def load_values(values: Mapping[str, object]) -> Loaded:
    """Plain values as they would stand in a file; a ConfigError names the keys alone, as there is no line to point at.

    A path is its text, numbers and arrays of NumPy are Python's. Relative paths are relative to the current directory.
    """
    try:
        plain = _plain(values)
    except RecursionError:
        raise ConfigError(["a dictionary that holds itself; write a config as it would stand in a file"]) from None
    if halves := [f"{key or 'a key'}: half of a surrogate pair is not text" for key in _halves(plain)]:
        raise ConfigError(halves)
    Config.from_values(plain)
    try:
        return load_config(None, text=dump_yaml(plain))
    except RepresenterError as error:
        raise ConfigError([f"a {kind(error.args[1])} has no place in a config"]) from None


def _halves(value: Any, key: str = "") -> Iterator[str]:
    """The dotted keys of texts that no file can hold; a key itself that is one is told by those above it."""
    if isinstance(value, dict):
        yield from (found for own in value for found in _halves(own, key))
        yield from (found for own, of in value.items() for found in _halves(of, f"{key}.{own}".lstrip(".")))
    elif isinstance(value, list):
        yield from (found for place, of in enumerate(value) for found in _halves(of, f"{key}.{place}"))
    elif isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        yield key


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        made = {_plain_key(key): _plain(own) for key, own in value.items()}
        if len(made) < len(value):
            raise ConfigError([f"two of the keys {', '.join(map(repr, value))} are the same text"])
        return made
    if isinstance(value, (list, tuple, range)):
        return [_plain(own) for own in value]
    if isinstance(value, PathLike):
        return fspath(value)
    made = value.tolist() if hasattr(value, "tolist") and not isinstance(value, type) else value
    return made if type(made) is type(value) else _plain(made)


def _plain_key(key: Any) -> str | int:
    """A name, or a whole number; of truths and other numbers their text, as classes are called."""
    made = key.tolist() if hasattr(key, "tolist") else key
    is_whole = isinstance(made, (int, float)) and not isinstance(made, bool) and made == made // 1
    return int(made) if is_whole else str(made)


def _making(path: Path) -> str:
    return f"{command('init', str(path))} --target COLUMN"


def _content(path: Path | None, text: str | bytes | None) -> bytes:
    if isinstance(text, bytes):
        return text
    if text is not None:
        return text.encode("utf-8", "surrogatepass")
    return NOTHING_WRITTEN if path is None else read_bytes(path)
