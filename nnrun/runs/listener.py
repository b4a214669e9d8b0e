"""Who hears how a run goes, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nnrun.config.config import Config
from nnrun.runs.members import is_gathered
from nnrun.runs.records import FoundSymptom, Row, RunRecord, RunStatus
from nnrun.runs.rundir import RunDir
from nnrun.runs.telling import Beginning

ToldToStop = Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """How training ended (done, interrupted or diverged), run.json, its epochs, the configuration as it held then."""

    run: RunDir
    status: RunStatus
    record: RunRecord
    rows: Sequence[Row]
    config: Config

    @property
    def is_gathered(self) -> bool:
        """Whether it is an ensemble of runs that had ended before, which has nothing to train."""
        return is_gathered(self.record)


class Listener:
    """Hears how a run goes; this one keeps quiet."""

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """A piece of the data is read, measured or written; so many rows are done, of those in all if that is known."""

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        """Training begins."""

    def changed(self, config: Config) -> None:
        """From the next epoch on this configuration holds."""

    def epoch(self, row: Row) -> None:
        """An epoch is over."""

    def symptoms(self, found: Sequence[FoundSymptom]) -> None:
        """What is wrong now; told whenever it is something else than before."""

    def told(self, line: str) -> None:
        """Something that was asked for from outside has been done, or refused."""

    def ended(self, outcome: Outcome) -> None:
        """The run is over, or was told to stop."""


class Relay(Listener):
    """Hands on to another listener whatever it has no method of its own for."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        for name, silent in vars(Listener).items():
            if not name.startswith("_") and getattr(type(self), name) is silent:
                setattr(self, name, getattr(listener, name))
