"""`rewind`: a child that begins where its parent stood at the end of any epoch, whether that state is stored or not.

The child is a whole run from its first moment: the parent's rows and checkpoints up to the nearest stored state, and a
configuration from which all of it can be trained again. It trains from there, which gives the epochs up to the fork
once more, to the same bits, and goes on.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from nnrun.config.changes import EARLY_STOPPING, at, is_below, old_values, open_ended, with_changes
from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.overrides import configured, parse_settings, value_at
from nnrun.config.values import Settings
from nnrun.errors import NnrunError, UsageError
from nnrun.files import json_lines
from nnrun.installation import command
from nnrun.runs.finding import is_search, search_of
from nnrun.runs.full_disk import training
from nnrun.runs.kept_states import fork_due, start_before
from nnrun.runs.kinds import kind_of, with_article
from nnrun.runs.lineage import parent_of
from nnrun.runs.listener import Listener, Outcome, Relay, ToldToStop
from nnrun.runs.members import has_members, member, refuse_gathered, whole_of
from nnrun.runs.preparing import create, parent_record, prepare, require_own, until_told
from nnrun.runs.records import Event, Parent, Row
from nnrun.runs.rundir import CONFIG, EPOCHS, EVENTS, RunDir, now
from nnrun.runs.steering import changes_made
from nnrun.runs.stored import StoredRun, best_row

BEST, LAST = "best", "last"
DIFFERS = "differs"  # the event of an epoch that did not come out as it did then
TIMES = ("seconds",)  # columns of an epoch that are not the same when it is trained again


def rewind(
    run: RunDir,
    to: str,
    overrides: Sequence[str] = (),
    note: str | None = None,
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
) -> Outcome:
    """Begin a child at the end of epoch `to` of a run (`12`, `best`, `last`, `-5` = five before the last).

    `overrides` are `key=value` that hold from the next epoch on. The parent is only read. Raises UsageError for an
    epoch that the run has not trained, or for a search or a trial; ConfigError for settings that cannot change while a
    network trains; DataError where the data is no longer what the parent learned from.
    """
    before, listener = _parent(run), listener or Listener()
    epoch = _epoch(before, to)
    settings = parse_settings(overrides)
    kept = _until(before, epoch)
    config = _changed(kept, to, epoch, settings) if settings else kept
    loaded = replace(before.loaded(), config=config, text=run.read(CONFIG))
    root = run.path.parent
    dataset, session = prepare(loaded, root, until_told(listener.preparing, told_to_stop))
    require_own(before, dataset)
    start, checkpoints = start_before(run, epoch)
    if start + 1 < (first := before.rows[0]["epoch"]):
        raise UsageError(
            f"--to {to}: {run.id} began at epoch {first} and keeps no state of that time; rewind its parent"
        )
    rows = [row for row in before.rows if row["epoch"] <= start]
    files = {
        EPOCHS: json_lines(rows).encode(),
        EVENTS: json_lines(_events(before, kept, epoch, settings, note)).encode(),
        **checkpoints,
    }
    parent: Parent = {**parent_record(before, dataset, epoch), "state": None}
    child = create(root, loaded, dataset, argv, parent=parent, files=files)
    with training(child):
        session.load(child)
        told = [*_told(run.id, epoch, start), *_set(kept, epoch, settings), *_decided(before, config, epoch)]
        notices = [*loaded.notices, *told]
        (outcome,) = session.train([child], comparing(child, listener), told_to_stop, notices, steered=True)
    return outcome


def _parent(run: RunDir) -> StoredRun:
    """What can be rewound; UsageError for what cannot."""
    if search := search_of(run):
        raise UsageError(
            f"{run.id} belongs to the {kind_of(search)} {search.id} and keeps no states; "
            f"`{command('train', str(run.resolved))}` makes it a run of its own, which can be rewound"
        )
    if is_search(run):
        raise UsageError(f"{run.id} is {with_article(kind_of(run))}; only one run can be rewound")
    refuse_gathered(run)
    if has_members(run) or whole_of(run):
        alone = command("train", str(run.resolved if whole_of(run) else member(run, 1).resolved))
        raise UsageError(
            f"{run.id}: networks that are trained for each other keep no states; `{alone}` makes one a run of its own, "
            "which can be rewound"
        )
    return StoredRun(run)


def _epoch(run: StoredRun, to: str) -> int:
    """The epoch that is meant; UsageError where the run has not trained it."""
    trained = run.epoch
    best = best_row(run.rows, run.config.metrics.primary).get("epoch")
    named = {BEST: int(best) if best else 0, LAST: trained}
    if to not in named and not re.fullmatch(r"-?[0-9]{1,9}", to):
        raise UsageError(f"--to {to}: give an epoch, best, last, or -5 for five epochs before the last")
    if not run.rows:
        raise UsageError(f"{run.id} has trained no epoch yet, so there is nothing to go back to")
    epoch = named[to] if to in named else int(to)
    epoch = trained + epoch if to.startswith("-") else epoch
    if not 1 <= epoch <= trained:
        raise UsageError(f"--to {to}: {run.id} has trained epochs 1 to {trained}")
    if epoch < run.rows[0]["epoch"]:
        raise UsageError(f"--to {to}: {run.id} began at epoch {run.rows[0]['epoch']}; rewind its parent")
    return epoch


def _until(run: StoredRun, epoch: int) -> Config:
    """The parent's configuration without what it was nudged to later; what was planned from the beginning stays."""
    nudges = [event for event in run.events if event["event"] == "changed" and (event["epoch"] or 0) > epoch]
    changes = {start: dict(settings) for start, settings in run.config.training.changes.items()}
    while nudges:
        event = nudges.pop()  # the last one first, which may have taken the place of one before
        held = changes.setdefault(event["epoch"] or 0, {})
        held.pop(event["key"], None)
        held |= event["replaced"] if "replaced" in event else _planned(run, event, nudges)
    return configured(run.config, {"training.changes": {start: held for start, held in changes.items() if held}})


def _planned(run: StoredRun, event: Event, earlier: Sequence[Event]) -> Settings:
    """What was planned from the epoch of a nudge that does not tell of it: an old value that did not hold before."""
    start, key, old = event["epoch"] or 0, event["key"], event["old"]
    others = [other["key"] for other in earlier if other["epoch"] == start]
    nudged = any(is_below(key, other) or is_below(other, key) for other in others)  # so this is the value of that
    return {} if nudged or old == value_at(at(run.config, start - 1), key) else {key: old}


def _changed(config: Config, to: str, epoch: int, settings: Settings) -> Config:
    """With these settings from the fork on; UsageError where no epoch is left in which they could hold."""
    config = with_changes(open_ended(config, epoch + 1, settings), epoch + 1, settings)
    if epoch >= (total := at(config, epoch + 1).training.epochs):
        raise UsageError(f"--to {to}: all {total} planned epochs are trained there; give --set training.epochs=N too")
    return config


def _events(run: StoredRun, config: Config, epoch: int, settings: Settings, note: str | None) -> list[object]:
    """The parent's changes up to the fork, and the child's own, as if it had been nudged there."""
    who = {"request": f"rewind-{secrets.token_hex(4)}", "note": note, "host": platform.node(), "process": os.getpid()}
    made = changes_made(config, epoch + 1, settings)
    own = [{"time": now(), "event": "changed", **change, **who} for change in made]
    return [*run.changes_until(epoch), *own]


def _told(parent: str, epoch: int, start: int) -> list[str]:
    if start == epoch:
        return [f"begins where {parent} stood at the end of epoch {epoch}"]
    again = f"epoch {epoch} is" if epoch == start + 1 else f"epochs {start + 1} to {epoch} are"
    return [f"begins where {parent} stood at the end of epoch {epoch}; {again} trained again, to the same bits"]


def _set(config: Config, epoch: int, settings: Settings) -> list[str]:
    """What was set, as the heading tells what holds in the first epoch."""
    old = old_values(config, epoch + 1, settings)
    told = ", ".join(f"{key} {one_line(old[key])} → {one_line(value)}" for key, value in settings.items())
    return [f"from epoch {epoch + 1} on: {told}"] if told else []


def _decided(before: StoredRun, config: Config, epoch: int) -> list[str]:
    """A line where early stopping would end the child as it ended the parent there, as it is to wait no longer."""
    then, now = (value_at(at(config, number), EARLY_STOPPING) for number in (epoch, epoch + 1))
    if not before.written.get("stopped_early") or epoch < before.epoch or now != then:
        return []
    ends = f"early stopping ended {before.id} there, and ends this one unless its next epoch is the best"
    return [f"{ends}; --set {EARLY_STOPPING}=null trains on"]


def comparing(child: RunDir, listener: Listener) -> Listener:
    """The listener, and before it one that compares as long as the child has not come to where its parent stood."""
    due = fork_due(child)
    if due is not None:
        with suppress(NnrunError):  # a parent that is gone, or damaged, keeps no child from going on
            if parent := parent_of(StoredRun(child)):
                rows = [row for row in parent.rows if row["epoch"] <= due]
                return Retraced(child, listener, rows, f"{parent.id} at the end of epoch {due}")
    return listener


class Retraced(Relay):
    """Hands on what it hears, and compares the epochs up to the fork with the parent's."""

    def __init__(self, child: RunDir, listener: Listener, expected: Sequence[Row], place: str) -> None:
        super().__init__(listener)
        self.child, self.place = child, place
        self._expected = {row["epoch"]: _lasting(row) for row in expected}

    def epoch(self, row: Row) -> None:
        """Say so where it did not come out as it did then, which only another machine or library explains."""
        self.listener.epoch(row)
        known = self._expected.get(row["epoch"])
        if known is not None and known != _lasting(row):
            why = (
                f"epoch {row['epoch']} did not come out as it did then, so this is not quite {self.place}: "
                "another machine, BLAS or version of nnrun rounds differently"
            )
            self.child.event(DIFFERS, epoch=row["epoch"], why=why)
            self.child.log([line := f"note     {why}"])
            self.listener.told(line)
            self._expected.clear()


def _lasting(row: Row) -> dict[str, object]:
    return {key: value for key, value in row.items() if key not in TIMES}
