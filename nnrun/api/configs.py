"""Configs: init, load, and what the other functions take for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.api.arguments import checked
from nnrun.config.load import Loaded, load_values, overridden
from nnrun.config.load import load_config as _load_config
from nnrun.runs.frames import named, on_frames, typed

if TYPE_CHECKING:
    from nnrun.runs.frames import Tables

RUNS = "runs"


@checked
def init(
    data: str | Path | Tables,
    target: str | None = None,
    *,
    task: str = "auto",
    time: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    metric: str | None = None,
    sheet: str | None = None,
    runs: str | Path = RUNS,
) -> str:
    """The text of a config for a table, with the reason above each key, to be written to a file of this folder.

    `data` is a file, the name of a bundled data set, a DataFrame, which is kept under `runs`, or a file or a DataFrame
    for each of `train`, `dev` and `test`; the others are the options of `nnrun init`. Raises DataError for data that
    cannot be read, UsageError where the target is open.
    """
    from nnrun.insight.scaffold.verbs import scaffold, wishes

    source = named(data, Path(runs), (target, time, group, *drop))
    said = wishes(target, task, time, group, tuple(drop), metric, sheet)
    return scaffold(source, said, Path("config.yaml"), typed(data)).text


@checked
def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read a YAML file, with overrides such as "optimizer.learning_rate=0.01"; ConfigError lists all problems."""
    return _load_config(Path(path), overrides)


def loaded_from(
    config: Loaded | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    data: Tables | None = None,
    runs: str | Path = RUNS,
) -> Loaded:
    """What functions take for a config, with overrides such as "optimizer.learning_rate=0.01" on top, and tables."""
    if isinstance(config, Mapping):
        config = load_values(config)
    loaded = overridden(config, overrides) if isinstance(config, Loaded) else load_config(config, overrides)
    return loaded if data is None else on_frames(loaded, data, Path(runs))
