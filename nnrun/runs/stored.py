"""A run as its directory has it: each file is read when it is first asked for, and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from nnrun.runs.finding import best_in, is_search, name_of
from nnrun.runs.rundir import DATA, RunDir

if TYPE_CHECKING:
    from nnrun.config.config import Config
    from nnrun.config.load import Loaded

UNDER_WAY = ("created", "running", "failed")  # status in run.json of what has not written its result


class RunRecord(TypedDict, total=False):
    """The keys of run.json that others look at; a run that is not over lacks those of its end."""

    status: str
    argv: list[str]
    created: str
    started: str
    ended: str
    seed: int
    parent: dict[str, Any] | None
    data: dict[str, Any]
    epochs: int
    best_epoch: int | None
    seconds: float | None
    stopped_early: bool
    divergence: dict[str, Any] | None
    symptoms: list[dict[str, Any]]
    final: dict[str, Any] | None
    chosen: dict[str, Any]
    best_trial: int | None
    test_reads: int


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run, or a search, that is only read: it stays what it was when a file of it was first asked for.

    Who waits for a change, or has made one, takes a new view.
    """

    directory: RunDir

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.directory.path

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.directory.id

    @property
    def name(self) -> str:
        """As it is typed: its id, or SEARCH/trials/0007."""
        return name_of(self.directory)

    @property
    def is_search(self) -> bool:
        """Whether it is a search, and no run."""
        return is_search(self.directory)

    @cached_property
    def best(self) -> StoredRun | None:
        """The best run of a search; None where there is none yet, or where this is no search."""
        best = best_in(self.directory)
        return None if best is None else StoredRun(best)

    # what it was to be

    @cached_property
    def text(self) -> bytes:
        """resolved.yaml, byte for byte; ConfigError where it cannot be read."""
        from nnrun.config.yaml_text import read_bytes

        return read_bytes(self.directory.resolved)

    @cached_property
    def config(self) -> Config:
        """The resolved configuration; ConfigError where it is none."""
        return self.loaded().config

    def loaded(self, overrides: Sequence[str] = ()) -> Loaded:
        """The same with overrides, and where each value stands."""
        from nnrun.config.load import load_config

        return load_config(self.directory.resolved, overrides, self.text)

    @cached_property
    def data(self) -> dict[str, Any]:
        """data.json: the columns, the target and the split; DataError where it is missing or damaged."""
        return self.directory.read_json(DATA)

    # what became of it

    @cached_property
    def written(self) -> dict[str, Any]:
        """run.json as it was written; DataError where it is missing or damaged."""
        return self.directory.read_record()

    @cached_property
    def status(self) -> str:
        """created, running, done, diverged, failed or interrupted."""
        return self.directory.status_of(self.written)

    @cached_property
    def record(self) -> RunRecord:
        """run.json with the status of the moment."""
        return cast(RunRecord, self.written | {"status": self.status})

    @property
    def under_way(self) -> bool:
        """Whether it is running, was killed or failed: a result that stands in run.json is from before that."""
        return self.written.get("status") in UNDER_WAY

    @property
    def final(self) -> Mapping[str, Any]:
        """The numbers of the best epoch on each part; empty while there is no result."""
        return {} if self.under_way else self.record.get("final") or {}

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One record an epoch."""
        return self.directory.metrics()

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """What happened besides epochs."""
        return self.directory.events()
