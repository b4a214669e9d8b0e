"""What others ask of a run or a search that trains: a file a request, in a folder of the run, taken up by who trains.

Written under another name and renamed, so it is there as a whole or not at all; named by a number that tells the order
and letters that make it the only one, so that what is told of it in events.jsonl is never told of another.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, cast, get_args

from nnrun.config.changes import EARLY_STOPPING, TOTAL, at, held, with_changes
from nnrun.config.config import Config
from nnrun.config.overrides import parse_settings
from nnrun.config.values import Settings
from nnrun.errors import UsageError, refuse_for
from nnrun.files import to_json, write_atomically
from nnrun.installation import as_options, called, command
from nnrun.machine.posix import give_to_owner_of
from nnrun.runs.finding import is_search, search_of
from nnrun.runs.kinds import kind_of, with_article
from nnrun.runs.links import refuse_links
from nnrun.runs.members import has_members, refuse_gathered, whole_of
from nnrun.runs.records import TRAINED, Event
from nnrun.runs.rundir import RunDir, now
from nnrun.runs.stored import StoredRun

FOLDER, ENDING = "requests", ".json"
SECONDS_BETWEEN_LOOKS = 0.2  # into the folder
PATIENCE = 3.0  # seconds that who asks waits for an answer; what was asked for holds all the same if that comes later

Do = Literal["change", "pause", "resume", "stop"]
CHANGE, PAUSE, RESUME, STOP = ("change", "pause", "resume", "stop")


class Request(TypedDict):
    """What is asked for, by whom and when; `settings` are those of a change, `key=value` each."""

    do: Do
    settings: list[str]
    note: str | None
    host: str
    process: int
    time: str


class Asked(NamedTuple):
    """A request, and the name by which events tell of it; None where the file holds no request."""

    name: str
    request: Request | None


# who asks


def ask(run: RunDir, do: Do, settings: Sequence[str] = (), note: str | None = None) -> str:
    """Ask whoever trains the run for something; the name of the request.

    `settings` of a change are `key=value`. Raises UsageError where nobody trains the run or it cannot be asked for
    that, ConfigError for settings that cannot change, with everything that is wrong, DataError where a link stands in
    place of a folder of the run.
    """
    refuse(run, do)
    if do != CHANGE:
        refuse_for(f"{do}, which changes nothing", set=settings)
    refuse_links(run.path)
    request: Request = {
        "do": do,
        "settings": _checked(run, settings) if do == CHANGE else [],
        "note": note,
        "host": platform.node(),
        "process": os.getpid(),
        "time": now(),
    }
    folder = run.path / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        give_to_owner_of(folder, run.path)  # who trains is to strike what the superuser asks for
        number = 1 + max((int(name.partition("-")[0]) for name in _names(folder)), default=0)
        name = f"{number:04d}-{secrets.token_hex(4)}"
        write_atomically(folder / (name + ENDING), to_json(request, indent=2).encode() + b"\n", durable=True)
    except OSError as error:
        refuse(run, do)  # who trained may just have ended, and taken the folder away
        raise UsageError(f"{folder}: cannot write a request there ({error.strerror}); nothing was asked for") from error
    return name


def changes_asked(request: Request) -> Settings:
    """What it asks to change, by dotted key; ConfigError for what is no setting."""
    return parse_settings(request["settings"])


def _checked(run: RunDir, arguments: Sequence[str]) -> list[str]:
    """The arguments, if they can hold from the next epoch on by what is known now, and something would be different."""
    settings, stored = parse_settings(arguments), StoredRun(run)
    if not settings:
        raise UsageError("nothing to change; give --set KEY=VALUE")
    epoch = stored.epoch + 1
    if held(with_changes(stored.config, epoch, settings), epoch) == held(stored.config, epoch):
        raise UsageError(f"{' and '.join(arguments)}: that holds already")
    return list(arguments)


def refuse(run: RunDir, do: Do) -> None:
    """UsageError where a run cannot be asked for this, with what can be done instead."""
    refuse_gathered(run)
    whole = search_of(run) or whole_of(run) or run
    name, kind = called(whole.path), kind_of(whole)
    belongs = "" if whole is run else f" belongs to the {kind} {whole.id}, which"
    if (status := whole.status) not in TRAINED:
        raise UsageError(f"{run.id}{belongs} is not being trained: {_instead(whole, status)}")
    if whole is not run or (do == CHANGE and (is_search(run) or has_members(run))):
        itself = "" if kind == "run" else f" is {with_article(kind)}, which"
        trains = "trains several networks alike" if kind == "run" else "chooses the settings of its trials"
        words = " and ".join(f"`{command(word, name)}`" for word in (PAUSE, STOP))
        raise UsageError(f"{run.id}{belongs or itself} {trains}; {words} are for all of them")


def _instead(run: RunDir, status: str) -> str:
    """Where a run stands that nobody trains here, and what goes on from there."""
    record = run.read_record()
    host = record["host"]["name"] if record.get("host") else None
    name = called(run.path)
    if status == "interrupted":
        away = f"; it began on {host}, and what trains there cannot be seen from {platform.node()}"
        elsewhere = away if host not in (None, platform.node()) else ""
        return f"it was interrupted, and `{command('resume', name)}` goes on{elsewhere}"
    stored = StoredRun(run)
    if is_search(run) or has_members(run) or not stored.rows:
        return f"it is {status}"
    settings = as_options(_to_go_on(stored.config, stored.epoch, bool(record.get("stopped_early"))))
    again = command("rewind", name, "--to", "last", *settings)
    return f"it is {status}, and `{again}` begins a child that goes on from there"


def _to_go_on(config: Config, trained: int, stopped_early: bool) -> list[str]:
    """What leaves a child something to train after so many epochs: it may have stopped, or trained all planned ones."""
    now = at(config, trained + 1)
    if trained < now.training.epochs:
        return [*([f"{EARLY_STOPPING}=null"] if stopped_early else []), "KEY=VALUE"]
    steady = ["optimizer.schedule=constant"] if now.optimizer.schedule.build().needs_total else []
    return [f"{TOTAL}={2 * trained}", *steady]


def answer_to(run: RunDir, name: str, seconds: float) -> list[Event] | None:
    """What became of a request within so many seconds; None where it still waits.

    Its answer is whole when it is struck: before that, some of several changes may be told, and resolved.yaml is older.
    Raises UsageError where nobody trains the run any more.
    """
    until, request = time.monotonic() + seconds, run.path / FOLDER / (name + ENDING)
    while True:
        # Asked first, as the answer may be the last that happens.
        over, whole = run.status not in TRAINED, not request.exists()
        found = [event for event in run.events() if event.get("request") == name]
        late = time.monotonic() >= until
        if found and (whole or over or late):  # a folder that may not be written to keeps what was answered
            return found
        if over:
            strike(run, name)
            raise UsageError(f"{run.id} is no longer being trained; nothing was changed")
        if late:
            return None
        time.sleep(SECONDS_BETWEEN_LOOKS / 2)


def moment(run: RunDir) -> str:
    """In words when who trains it looks for requests."""
    return "at the end of the epoch" if kind_of(run) == "run" else "between two trials"


def taken_up(run: RunDir, name: str) -> list[Event] | None:
    """What became of a request that a little waiting tells; None where it is to come later, UsageError if refused."""
    answer = answer_to(run, name, PATIENCE)
    if why := [event["why"] for event in answer or [] if event["event"] == "refused"]:
        raise UsageError(f"refused: {why[0]}")
    return answer


# what became of it, in words


def change_line(epoch: int, changes: Mapping[str, tuple[Any, Any]], note: str | None) -> str:
    """What a run was nudged to: `change   from epoch 13: optimizer.learning_rate 0.001 → 0.0003 (why)`."""
    from nnrun.config.dump import one_line

    parts = (f"{key} {one_line(old)} → {one_line(new)}" for key, (old, new) in changes.items())
    return f"change   from epoch {epoch}: {', '.join(parts)}" + (f" ({note})" if note else "")


def answer_lines(answer: Sequence[Event]) -> list[str]:
    """What events tell of one request that was taken up."""
    changes = {event["key"]: (event["old"], event["new"]) for event in answer if event["event"] == "changed"}
    if changes:
        return [change_line(answer[0]["epoch"] or 0, changes, None)]
    return [event_told(event, "after") for event in answer]


def event_told(event: Event, when: str) -> str:
    """What happened, and after or at which epoch: of a run of folds `paused in fold 2 after epoch 7`."""
    fold = f" in fold {event['fold']}" if "fold" in event else ""
    return event["event"] + fold + ("" if event["epoch"] is None else f" {when} epoch {event['epoch']}")


# who trains


def pending(run: RunDir) -> list[Asked]:
    """What is asked for and not yet struck, in order."""
    folder = run.path / FOLDER
    return [Asked(name, _read(folder / (name + ENDING))) for name in sorted(_names(folder))]


def strike(run: RunDir, name: str) -> None:
    """Take a request out of the folder, if that may be written to: what became of it stands in events.jsonl."""
    with suppress(OSError):
        (run.path / FOLDER / (name + ENDING)).unlink()


def _names(folder: Path) -> list[str]:
    """Of files that nnrun wrote there; what others put there is left alone."""
    try:
        names = [path.stem for path in folder.iterdir() if path.suffix == ENDING and path.is_file()]
    except OSError:  # nothing was ever asked for, or who trains may not look
        return []
    return [name for name in names if name.partition("-")[0].isdecimal()]


def _read(path: Path) -> Request | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not found.keys() >= Request.__annotations__.keys():
        return None
    settings = found["settings"]
    whole = isinstance(settings, list) and all(isinstance(setting, str) for setting in settings)
    whole = whole and found["do"] in get_args(Do) and bool(settings) == (found["do"] == CHANGE)
    return cast(Request, found) if whole else None
