"""From a YAML file and `--set` arguments to a resolved configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnrun.config import changes
from nnrun.config.config import Config
from nnrun.config.data_section import with_absolute_sources
from nnrun.config.dump import dump_yaml
from nnrun.config.messages import Places
from nnrun.config.overrides import apply, reshape
from nnrun.config.values import KeyPath
from nnrun.config.yaml_text import decode, parse, read_bytes
from nnrun.errors import ConfigError
from nnrun.installation import command, shipped

NOTHING_WRITTEN = b"{}\n"
EXAMPLE = shipped() / "configs/digits.yaml"  # taken where nobody names a config: nothing that is wrong stands there
RETIRED_THREADS = (
    "does nothing any more and can be removed: a matrix product has one thread, and `--threads N` (or NNRUN_THREADS) "
    "shares the work among as many without changing a bit; left out, all cores"
)
TABLES = (".csv", ".tsv", ".parquet", ".npy", ".npz", ".gz")


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
    Raises ConfigError with every problem found, a line each.
    """
    name = "<text>" if path is None else str(path)
    if path is not None and path.suffix.lower() in TABLES and path.is_file():
        raise ConfigError([f"{name}: a table, where a config is needed; {_making(path)} writes one for it"])
    content = _content(path, text)
    source = parse(decode(content, name), name)
    places = Places(name) if path == EXAMPLE else Places.of(source)
    written = with_absolute_sources(source.values, Path.cwd() if path is None else path.parent)
    values, settings = apply(written, places, overrides)
    replaced = reshape(values, places, settings)
    config = Config.checked(values, places)
    changes.check(config, places)
    notices = []
    if replaced is not None:
        now = list(config.network.hidden)
        notices.append(f"network.hidden {replaced} is replaced by depth × [width] = {now}")
    for start, last in changes.out_of_reach(config):
        told = f"never comes, as the training ends after epoch {last}"
        notices.append(places.locate((*changes.CHANGES, start), told, at_key=True).line)
    for place, last in changes.averages_of_nothing(config):
        told = f"leaves nothing to average, as the training ends after epoch {last}"
        notices.append(places.locate(place, told).line)
    if config.training.blas_threads not in (None, 1):
        notices.append(places.locate(("training", "blas_threads"), RETIRED_THREADS).line)
    return Loaded(config, content, path, notices, places, tuple(overrides))


def overridden(loaded: Loaded, overrides: Sequence[str]) -> Loaded:
    """The same with further overrides on top; ConfigError as for a file."""
    return load_config(loaded.path, [*loaded.overrides, *overrides], loaded.text) if overrides else loaded


def load_values(values: Mapping[str, object]) -> Loaded:
    """Plain values as they would stand in a file; a ConfigError names the keys alone, as there is no line to point at.

    Relative paths are relative to the current directory.
    """
    Config.from_values(dict(values))
    return load_config(None, text=dump_yaml(dict(values)))


def _making(path: Path) -> str:
    return f"{command('init', str(path))} --target COLUMN"


def _content(path: Path | None, text: str | bytes | None) -> bytes:
    if isinstance(text, bytes):
        return text
    if text is not None:
        return text.encode("utf-8", "surrogatepass")
    return NOTHING_WRITTEN if path is None else read_bytes(path)
