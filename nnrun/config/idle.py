"""Keys that steer nothing beside the others, to be told where somebody gave one another value than its usual one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from nnrun.config.changes import CHANGES
from nnrun.config.config import Config
from nnrun.config.data_section import BUNDLED, Data
from nnrun.config.overrides import NAME, SHAPES, as_path
from nnrun.config.text_format import Format
from nnrun.config.values import KeyPath, Tree, dotted
from nnrun.engine.optimizers import OPTIMIZERS, usual

OF_LAYERS = ("network.activation", "network.batch_norm", "regularization.dropout")  # of hidden ones
NO_WORKBOOKS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".npy", ".npz")


def idle(config: Config, searched: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each key that steers nothing, and beside what; none to which a key that is searched may give an effect."""
    if dotted(NAME) not in searched:
        yield from ((key, f"with {config.optimizer.name}") for key in idle_with(config.optimizer.name))
    if not config.network.hidden and not any(dotted(path) in searched for path in SHAPES):
        yield from ((key, "without a hidden layer") for key in OF_LAYERS)
    yield from _of_files(config.data)


def idle_with(optimizer: str) -> list[str]:
    """The keys of hyperparameters that steer nothing with an optimizer."""
    return [f"{NAME[0]}.{name}" for name in OPTIMIZERS[optimizer].unused]


def _of_files(data: Data) -> Iterator[tuple[str, str]]:
    source = data.source
    named = [source] if isinstance(source, str) else [one for one in source.model_dump().values() if one is not None]
    if all(one in BUNDLED for one in named):
        yield from ((f"data.format.{key}", "on a bundled data set") for key in Format.model_fields)
    elif all(Path(one.lower().removesuffix(".gz")).suffix in NO_WORKBOOKS for one in named if one not in BUNDLED):
        yield "data.format.sheet", "where no file is a workbook"


def given_in_vain(values: Tree, config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Where plain values of this config say something else than what is usual, in vain, and beside what.

    What `training.changes` sets says so whatever it is: nobody names the usual value there without a purpose.
    """
    for key, why in idle(config, config.search.space):
        for start, settings in config.training.changes.items():
            yield from (((*CHANGES, start, name), f"has no effect {why}") for name in settings if name == key)
        given: Any = values
        for part in (path := as_path(key)):
            given = given.get(part) if isinstance(given, dict) else None
        if given not in (None, "", [], _usual(key, config.optimizer.name)):
            yield path, f"has no effect {why}"


def _usual(key: str, optimizer: str) -> Any:
    """What a key has where nobody sets it."""
    section, _, name = key.partition(".")
    return usual(optimizer)[name] if section == NAME[0] else _defaults()[key]


@cache
def _defaults() -> dict[str, Any]:
    values = Config().resolved()
    form = {f"data.format.{key}": value for key, value in values["data"]["format"].items()}
    own = {key: values[key.partition(".")[0]][key.partition(".")[2]] for key in OF_LAYERS}
    return {"data.format.sheet": None, **form, **own}
