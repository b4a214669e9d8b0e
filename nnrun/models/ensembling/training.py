"""Ensembles that are trained for: several seeds of a configuration, and a run as it was at the ends of its cycles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from nnrun.config.changes import EARLY_STOPPING, TOTAL, at, last_epoch
from nnrun.engine.network import Network
from nnrun.errors import UsageError
from nnrun.files import checksum, json_lines, sealed_document
from nnrun.installation import command
from nnrun.locks import filling
from nnrun.models.ensembling.candidates import Candidate
from nnrun.models.model import best_of
from nnrun.runs.child import with_settings
from nnrun.runs.kept_states import snapshot
from nnrun.runs.listener import Listener, Outcome, ToldToStop
from nnrun.runs.member import load_member
from nnrun.runs.members import is_gathered
from nnrun.runs.records import Final, Row
from nnrun.runs.rundir import CONFIG, DATA, EPOCHS, EVENTS, RECORD, RESOLVED, UNFINISHED, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.verbs import train

FINAL = ("train_", "dev_")  # what columns begin with that a row and final numbers have in common


def train_seeds(
    run: RunDir,
    n: int,
    root: Path,
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
) -> Outcome:
    """A new run of so many networks, which begins with the configuration of another run."""
    found = trainable(run)
    return train(found.loaded([f"network.ensemble={n}"]), root, listener, told_to_stop, argv)


def train_cycles(
    run: RunDir,
    n: int,
    root: Path,
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
) -> Outcome:
    """A new run with the configuration of another one, but that the learning rate falls n times, from full to nothing.

    A total that it came to on its way holds from the first epoch on. Early stopping is off, since the error rises where
    a cycle begins, and an average over epochs, which would be one of several cycles. Raises UsageError for more cycles
    than epochs.
    """
    found = trainable(run)
    if found.config.data.folds:
        raise UsageError(
            f"--snapshots {n}: {found.name} is a cross-validation, and snapshots are those of one training"
        )
    if (epochs := last_epoch(found.config)) < n:
        raise UsageError(f"--snapshots {n}: {found.name} trains {epochs} epochs, and a cycle is one or more")
    settings = [f"{TOTAL}={epochs}", f"optimizer.schedule={{name: cosine, cycles: {n}}}", f"{EARLY_STOPPING}=null"]
    off = "early stopping is off"
    if _spans_cycles(found):
        settings.append("training.average=null")
        off = "early stopping and swa, which would average over cycles, are off"
    loaded = with_settings(found, settings, found.text)
    loaded.notices.append(f"the rate falls in {n} cycles, at whose ends states are kept; {off}")
    return train(loaded, root, listener, told_to_stop, argv)


def trainable(run: RunDir) -> StoredRun:
    """A run with a configuration of its own, of a search its best; UsageError for an ensemble of others."""
    found = best_of(StoredRun(run))
    if is_gathered(found.written):
        raise UsageError(f"{found.name} is an ensemble; name one of its members, such as {found.name}/members/01")
    return found


def has_cycles(run: RunDir, n: int) -> bool:
    """Whether a run was trained in so many cycles already, with a state of its own at the end of each."""
    found = StoredRun(run)
    return found.status == "done" and len(_ends(found)) == n and not _spans_cycles(found)


def _spans_cycles(run: StoredRun) -> bool:
    """Whether its states are averages over the ends of epochs, also those of high rates, from one of its epochs on."""
    averages = [at(run.config, start).training.average for start in (1, *run.config.training.changes)]
    return any(average is not None and average.swa is not None for average in averages)


def _ends(run: StoredRun) -> list[int]:
    return run.config.optimizer.schedule.build().cycle_ends(run.config.training.epochs)


@contextmanager
def snapshots(run: RunDir, root: Path) -> Iterator[list[Candidate]]:
    """A run that was trained in cycles, as it was at the end of each; they are there as long as the block."""
    whole = StoredRun(run)
    network = load_member(whole).network
    with filling(root, UNFINISHED) as folder:
        runs = [_as_it_was(whole, epoch, network, folder / f"{epoch:06d}") for epoch in _ends(whole)]
        yield [Candidate(StoredRun(one), whole.name) for one in runs]


def _as_it_was(run: StoredRun, epoch: int, network: Network, path: Path) -> RunDir:
    """A run directory of its state at the end of an epoch; UsageError where that was not kept."""
    state = snapshot(run.directory, epoch, network)
    if state is None:
        again = command("train", str(run.directory.resolved))
        raise UsageError(f"{run.name} keeps no state of epoch {epoch}; `{again}` trains it again")
    rows = [row for row in run.rows if row["epoch"] <= epoch]
    events = [event for event in run.events if (event["epoch"] or 0) <= epoch]
    lines = {EPOCHS: json_lines(rows).encode(), EVENTS: json_lines(events).encode()}
    written = {file: {"bytes": len(content), "checksum": checksum(content)} for file, content in lines.items()}
    record = run.written | {
        "epochs": epoch,
        "best_epoch": epoch,
        "seconds": sum(row["seconds"] for row in rows),
        "final": _final(rows[-1]),
        "written": written,
    }
    copied = {file: run.path / file for file in (CONFIG, RESOLVED, DATA)}
    best = RunDir(path).checkpoint("best").relative_to(path).as_posix()
    made = {RECORD: sealed_document(record).encode(), best: state}
    return RunDir.create_at(path, {**copied, **made, **lines})


def _final(row: Row) -> Final:
    """What is known of that epoch, test aside."""
    return cast(Final, {key: value for key, value in row.items() if key.startswith(FINAL) or key == "cost"})
