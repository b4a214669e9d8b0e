"""The directory of an ensemble: a run whose members are copies, made as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnrun.data.split import STORED
from nnrun.engine.batches import batch_bounds
from nnrun.errors import UsageError
from nnrun.files import checksum, json_lines, sealed_document
from nnrun.models.ensembling.candidates import Candidate, Reader, Stretch
from nnrun.runs.assembly import make_loss
from nnrun.runs.environment import describe
from nnrun.runs.judge import wanted
from nnrun.runs.members import EnsembleRecord, member
from nnrun.runs.recording import measures, told_of
from nnrun.runs.records import Event, Final, RunRecord, Written
from nnrun.runs.rundir import (
    CHECKPOINTS,
    CONFIG,
    DATA,
    EPOCHS,
    EVENTS,
    LOG,
    MEMBERS,
    RECORD,
    RESOLVED,
    SCHEMA_VERSION,
    RunDir,
    now,
)

COPIED = (CONFIG, RESOLVED, RECORD, DATA, EPOCHS, EVENTS, LOG)  # of a member, and the checkpoint of its best epoch
AT_ONCE = 1 << 24  # numbers that members say before they are pooled
SNAPSHOTS = "snapshots"  # how members came about that are states of one run


@dataclass(frozen=True, eq=False)
class Chosen:
    """The members, what members.json says of them, and what the run is called for."""

    members: Sequence[Candidate]
    record: EnsembleRecord


def make(root: Path, chosen: Chosen, reader: Reader, argv: Sequence[str]) -> RunDir:
    """The directory under `root`; UsageError where nothing can be written there."""
    first, began, final = chosen.members[0].run, now(), finals(chosen, reader)
    event: Event = {"time": now(), "event": "done", "epoch": None}  # by which a read of the test part is counted
    lines = {EPOCHS: b"", EVENTS: json_lines([event]).encode()}
    words = [argument.encode(errors="replace").decode() for argument in argv]

    def files(run_id: str) -> Mapping[str, bytes | Path]:
        record = _record(run_id, chosen, final, {name: _written(content) for name, content in lines.items()})
        record |= {"argv": words, "created": began, "started": began}
        whole = RunDir(root / run_id)
        return {
            CONFIG: first.directory.read(CONFIG),
            RESOLVED: first.directory.read(RESOLVED),
            RECORD: sealed_document(record).encode(),
            DATA: first.directory.read(DATA),
            MEMBERS: sealed_document(chosen.record).encode(),
            **lines,
            **dict(_copies(whole, chosen.members)),
        }

    try:
        return RunDir.create(root, f"{first.config.name}-ensemble", files)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: went away while it was being copied; nothing was made") from error


def _copies(whole: RunDir, members: Sequence[Candidate]) -> Iterator[tuple[str, Path]]:
    for k, one in enumerate(members):
        source, place = one.run.path, member(whole, k + 1).path.relative_to(whole.path).as_posix()
        of_best = sorted(path for path in (source / CHECKPOINTS).glob("best.*") if path.is_file())
        for path in [*(source / name for name in COPIED), *of_best]:
            if path.exists():
                yield f"{place}/{path.relative_to(source).as_posix()}", path


def _written(content: bytes) -> Written:
    return {"bytes": len(content), "checksum": checksum(content)}


def _record(run_id: str, chosen: Chosen, final: Final, written: dict[str, Written]) -> RunRecord:
    """run.json; its time is that of all trainings behind it."""
    first, here = chosen.members[0].run.written, describe()
    record: RunRecord = {
        "schema_version": SCHEMA_VERSION,
        "id": run_id,
        "status": "done",
        "given": None,
        "seed": first["seed"],
        "parent": None,
        "host": here["host"],
        "versions": here["versions"],
        "blas": here["blas"],
        "git": here["git"],
        "data": first["data"],
        "error": None,
        "ended": now(),
        "seconds": _together(chosen)([one.run.written.get("seconds") or 0.0 for one in chosen.members]),
        "epochs": 0,
        "best_epoch": None,
        "stopped_early": False,
        "divergence": None,
        "symptoms": [],
        "members": chosen.record["members"],
        "final": final,
        "written": written,
    }
    return record


def _together(chosen: Chosen) -> Callable[[Sequence[float]], float]:
    """How the times of members add up: the last snapshot of a run has that of all of them."""
    return max if chosen.record["how"] == SNAPSHOTS else sum


def finals(chosen: Chosen, reader: Reader) -> Final:
    """What training measures at its end, of the pooled prediction on the whole of each part.

    Members are loaded one after the other; what they say is pooled as a `Model` pools it.
    """
    first, weights = chosen.members[0].run, chosen.record["weights"]
    dataset = reader.dataset(first)
    loss, names = make_loss(first.config, dataset), wanted(first.config, dataset)
    parts = told_of(first.config, [part for part in STORED if part in dataset.parts])
    pooled = {part: np.empty((len(dataset.parts[part].y), loss.width)) for part in parts}
    for stretches in _stretches({part: len(of) for part, of in pooled.items()}, len(weights) * loss.width):
        said = [list(reader.says(one.run, stretches)) for one in chosen.members]
        for (part, among), logits in zip(stretches, zip(*said, strict=True), strict=True):
            pooled[part][among] = loss.pool(np.stack(logits), np.array(weights))
    found: Final = {}
    for part in parts:
        found |= measures(loss, dataset, part, pooled.pop(part), names)
    return found | {"cost": _cost(found, chosen)}


def _stretches(rows: Mapping[str, int], numbers: int) -> Iterator[list[Stretch]]:
    """The rows of these parts, each of so many numbers: all at once, or at most AT_ONCE numbers at a time."""
    most = max(1, AT_ONCE // numbers)
    found = [(part, slice(*bound)) for part, count in rows.items() for bound in batch_bounds(count, most)]
    yield from [found] if sum(rows.values()) <= most else ([each] for each in found)


def _cost(final: Final, chosen: Chosen) -> float | None:
    """The training loss, and the mean of what the members' penalties add to theirs."""
    penalties = 0.0
    for one, weight in zip(chosen.members, chosen.record["weights"], strict=True):
        own = one.run.final
        penalties += weight * ((own.get("cost") or 0.0) - (own.get("train_loss") or 0.0))
    loss = final["train_loss"]
    return None if loss is None else loss + penalties
