"""What `nnrun nudge` and `nnrun rewind` leave in run directories, written into those of real runs."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from typing import Any

from nnrun.files import to_json
from nnrun.runs.records import Event, Row
from nnrun.runs.rundir import EPOCHS, EVENTS, RunDir

Values = Mapping[str, tuple[Any, Any]]  # key → old value and new one


def nudge(run: RunDir, epoch: int, values: Values, request: str = "0001", note: str | None = None) -> None:
    """Take up a request: a line a key, which holds from this epoch on."""
    for key, (old, new) in values.items():
        asked = {"request": request, "note": note, "host": "lab7", "process": 4711}
        _append(run, {"event": "changed", "epoch": epoch, "key": key, "old": old, "new": new, **asked})


def _append(run: RunDir, event: Mapping[str, Any]) -> None:
    with (run.path / EVENTS).open("a", encoding="utf-8") as file:
        file.write(to_json({"time": "2026-11-27T03:15:04.000+00:00", **event}) + "\n")


def rewind(parent: RunDir, to: int, values: Values | None = None, name: str | None = None) -> RunDir:
    """A child with the parent's epochs and changes until there; what it trained itself is made of the parent's rest."""
    child = RunDir(parent.path.with_name(name or f"{parent.id[:-4]}{secrets.token_hex(2)}"))
    shutil.copytree(parent.path, child.path)
    rows, events = parent.metrics(), parent.events()
    child.update_record(written=None)
    own = [json.loads(to_json(row)) | {"dev_error": (row["dev_error"] or 0) / 2} for row in rows if row["epoch"] > to]
    _write(child, EPOCHS, [*(row for row in rows if row["epoch"] <= to), *own])
    _write(child, EVENTS, [event for event in events if event["event"] == "changed" and (event["epoch"] or 0) <= to])
    nudge(child, to + 1, values or {}, f"rewind-{secrets.token_hex(4)}")
    _append(child, {"event": "started", "epoch": to})
    origin = {"id": parent.id, "epoch": to, "state": "0" * 64}
    child.update_record(id=child.id, parent=origin, written=child.written())
    return child


def _write(run: RunDir, file: str, lines: list[Row] | list[Event]) -> None:
    (run.path / file).write_text("".join(to_json(line) + "\n" for line in lines), encoding="utf-8")
