"""What others ask of a run is taken up between two epochs: written down first, durably, and in effect only then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from nnrun.config.changes import old_values, replaced, with_changes
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.values import Settings
from nnrun.errors import ConfigError, DataError, MisfitError
from nnrun.files import drop_unfinished, sealed_text
from nnrun.runs.followers import Followers
from nnrun.runs.kept_states import fork_due
from nnrun.runs.members import has_members
from nnrun.runs.records import Event
from nnrun.runs.requests import (
    CHANGE,
    FOLDER,
    PAUSE,
    RESUME,
    SECONDS_BETWEEN_LOOKS,
    STOP,
    Asked,
    Request,
    change_line,
    changes_asked,
    pending,
    strike,
)
from nnrun.runs.rundir import RESOLVED, RunDir

TRIALS = "the trials of a search are as it drew them"
FOLDS = "the folds of a run are trained alike"
TOO_LATE = "nobody trained the run any more when its turn came"
UNREADABLE = "the file holds no request of nnrun"


class Steering:
    """Takes up requests to one run, or search, that this process trains, and sees to it that `tools` are told of it.

    `tell` hears a line of what was done; `told_to_stop` ends a pause.
    """

    def __init__(
        self,
        run: RunDir,
        tell: Callable[[str], None],
        told_to_stop: Callable[[], bool],
        tools: Sequence[str] = (),
    ) -> None:
        self.run, self.tell, self.told_to_stop = run, tell, told_to_stop
        self._followers = Followers(run, tools, self._say)
        self.stopped = self.paused = False
        self.first = _first_free(run)
        self._looked = -math.inf
        self.fold: int | None = None  # the one in training, whose epoch events tell
        # What could not be struck, as another user asked for it, lies there still, in a later process too.
        self._answered = set(_told_of(run.events()))

    def between(self, epoch: int | None, change: TakeUp | None = None, save: Callable[[], None] = lambda: None) -> None:
        """Between the last whole epoch, None for a search, and the next: answer, and wait while the run is paused.

        `change` takes up a change; without it they are refused. `save` is called before a pause.
        """
        if time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        self._followers.look()
        self._answer(epoch, change, save)
        if not self.paused:
            return
        while self.paused and not self.stopped and not self.told_to_stop():
            time.sleep(SECONDS_BETWEEN_LOOKS)
            self._answer(epoch, change, save)
        self.run.update_record(status="running")

    def close(self, epoch: int | None) -> None:
        """The training is over; what was asked for too late is refused."""
        for asked in self._new():
            self._refuse(asked, epoch, "the training was over")
        with suppress(OSError):  # something else lies there, or of another user, or nothing was ever asked for
            drop_unfinished(self.run.path / FOLDER)  # by who was killed while asking
            (self.run.path / FOLDER).rmdir()

    def _answer(self, epoch: int | None, change: TakeUp | None, save: Callable[[], None]) -> None:
        for asked in self._new():
            request = asked.request
            if request is None:
                self._refuse(asked, epoch, UNREADABLE)
            elif request["do"] != CHANGE:
                self._obey(asked.name, request, epoch, save)
            elif change is None:
                self._refuse(asked, epoch, FOLDS if has_members(self.run) else TRIALS)
            else:
                try:
                    told = change(asked.name, request)
                except (ConfigError, DataError) as error:
                    self._refuse(asked, epoch, _why(error))
                else:
                    self._say(told)
        self._looked = time.monotonic()

    def _new(self) -> list[Asked]:
        new = [asked for asked in pending(self.run) if asked.name not in self._answered]
        self._answered |= {asked.name for asked in new}
        return new

    def _obey(self, name: str, request: Request, epoch: int | None, save: Callable[[], None]) -> None:
        """A word is enough for these: what they ask for is a state of this process alone, which stands by then."""
        event, words = WORDS[request["do"]]
        if request["do"] == PAUSE and not self.paused:
            save()
            self.run.update_record(status="paused")
        if request["do"] == RESUME and self.paused:
            self.run.update_record(status="running")
        where = {"fold": self.fold} if self.fold else {}
        self.run.event(event, durable=True, epoch=epoch, **where, **by(name, request))
        strike(self.run, name)
        self.paused = request["do"] == PAUSE or (self.paused and request["do"] != RESUME)
        self.stopped = self.stopped or request["do"] == STOP
        self._say(words)

    def _refuse(self, asked: Asked, epoch: int | None, why: str) -> None:
        refuse(self.run, asked, epoch, why)
        self._say(f"refused  {why}")

    def _say(self, line: str) -> None:
        self.run.log([line])
        self.tell(line)


def _why(error: ConfigError | DataError) -> str:
    """What is wrong, behind the key that it is about."""
    if isinstance(error, MisfitError):
        return f"{error.path[-1]}: {error.message}"
    return f"{error.key[-1]}: {error}" if isinstance(error, DataError) and error.key else str(error)


def _told_of(events: Sequence[Event]) -> list[str]:
    """The requests that events tell of, in their order."""
    return [event["request"] for event in events if event.get("request")]


def _first_free(run: RunDir) -> int:
    """The first epoch from which a change can hold.

    None that has been trained, which comes again to the same bits after a kill, none up to a fork that is still to
    come, and none before an earlier change, which would undo it.
    """
    trained = max((row["epoch"] for row in run.metrics()), default=0)
    changed = max((event["epoch"] or 0 for event in run.events() if event["event"] == "changed"), default=0)
    return max(trained + 1, changed, 1 + (fork_due(run) or 0))


class TakeUp(Protocol):
    """Takes up a change: ConfigError or DataError where it cannot be made, else a line of what holds now."""

    def __call__(self, name: str, request: Request) -> str:
        """By the request's name."""


WORDS = {
    PAUSE: ("paused", "paused   training waits; p, or `nnrun resume`, goes on"),
    RESUME: ("continued", "resumed  training goes on"),
    STOP: ("told to stop", "stopping as it was asked for"),
}


def by(name: str, request: Request) -> dict[str, object]:
    """Who asked, as events tell it."""
    return {"request": name, "note": request["note"], "host": request["host"], "process": request["process"]}


def refuse(run: RunDir, asked: Asked, epoch: int | None, why: str) -> None:
    """A request is refused: nothing of it has had any effect, and an event says why."""
    told = by(asked.name, asked.request) if asked.request else {"request": asked.name}
    run.event("refused", durable=True, epoch=epoch, why=why, **told)
    strike(run, asked.name)


def changes_made(config: Config, epoch: int, settings: Settings) -> Iterator[dict[str, Any]]:
    """Settings that are to hold from an epoch of a configuration on, with all that undoing them needs, for events."""
    for key, old in old_values(config, epoch, settings).items():
        others = replaced(config, epoch, key)
        yield {"epoch": epoch, "key": key, "old": old, "new": settings[key], **({"replaced": others} if others else {})}


def write_down(run: RunDir, config: Config, epoch: int, name: str, request: Request) -> Config:
    """Journal a change that holds from an epoch on, a line a key; then the configuration with it; then strike it.

    Whatever of this a killed process has done already is not done again.
    """
    settings = changes_asked(request)
    changed = with_changes(config, epoch, settings)
    told = {event.get("key") for event in run.events() if event.get("request") == name}
    for made in changes_made(config, epoch, settings):
        if made["key"] not in told:
            run.event("changed", durable=True, **made, **by(name, request))
    run.write(RESOLVED, sealed_text(dump_yaml(changed.resolved())), durable=True)
    strike(run, name)
    return changed


def mend(run: RunDir, config: Config) -> Config:
    """What a process that was killed had begun to write down is completed; the configuration with it.

    A change that it had not begun waits for the next epoch. A pause or a stop has had its end with the process. What is
    told of before the last request is complete, and only could not be struck.
    """
    with suppress(OSError):  # of another user, who asked for something
        drop_unfinished(run.path / FOLDER)  # who is writing there at this instant is told that nothing was asked for
    last = _told_of(run.events())[-1:]
    for asked in pending(run):
        told = [event for event in run.events() if event.get("request") == asked.name]
        begun = [event for event in told if event["event"] == "changed"]
        if asked.request and begun and asked.name in last:
            assert begun[0]["epoch"] is not None
            config = write_down(run, config, begun[0]["epoch"], asked.name, asked.request)
        elif told:
            strike(run, asked.name)
        elif asked.request and asked.request["do"] != CHANGE:
            refuse(run, asked, None, TOO_LATE)
    return config


def told_of(epoch: int, old: Settings, request: Request) -> str:
    """A line of what holds from an epoch on, and what held before."""
    new = changes_asked(request)
    return change_line(epoch, {key: (old[key], value) for key, value in new.items()}, request["note"])
