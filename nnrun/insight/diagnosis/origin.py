"""The command that leads to a run's config, and the moves that the recipe adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nnrun.config.changes import in_force
from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.load import load_config
from nnrun.config.values import Settings, Tree
from nnrun.errors import NnrunError
from nnrun.installation import as_options, command, key_of
from nnrun.runs.stored import StoredRun


class Move(NamedTuple):
    """A change to try: how much speaks for it (0 to 100), why, the settings, and the command that takes them."""

    weight: float
    why: str
    settings: Settings
    verb: str = "train"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Origin:
    """CONFIG (None: left out), the settings on top of it, and options such as --runs."""

    config: Path | None = None
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    changes: Mapping[int, Settings] = field(default_factory=dict)  # that the run made on its way

    def command(self, move: Move) -> str:
        """One line for a shell: the same config but for the move's settings."""
        words = [move.verb, *([] if self.config is None else [str(self.config)]), *move.options]
        settings = in_force(self.changes, move.settings)
        kept = [setting for setting in self.settings if key_of(setting) not in settings]
        changed = [f"{key}={_written(value)}" for key, value in settings.items()]
        return command(*words, *as_options([*kept, *changed]), *(self.options if move.verb != "check" else ()))


def _written(value: Any) -> str:
    return value if isinstance(value, str) else one_line(value)


def origin_of(run: StoredRun, usual: Path, options: Sequence[str]) -> Origin:
    """The file and settings that the run was given, if they still give its config; else its resolved.yaml."""
    if given := run.record.get("given"):  # which older runs did not record
        config, settings = given["config"], given["settings"]
        path = None if config is None else Path(config)
        there = path is None or path.is_file()  # a pipe would be waited for
        try:
            if there and _as_decided(load_config(path or usual, settings).config, run.config) == run.config.resolved():
                return Origin(path, tuple(settings), tuple(options), run.config.training.changes)
        except (NnrunError, OSError):
            pass
    return Origin(run.directory.resolved, (), tuple(options), run.config.training.changes)


def _as_decided(config: Config, of_run: Config) -> Tree:
    """A config's values, with the engine that was chosen for the run where it leaves the choice."""
    values = config.resolved()
    if values["training"]["engine"] == "auto":
        values["training"]["engine"] = of_run.training.engine
    return values
