"""Removing runs: renamed first, which takes an instant, then deleted; so a run is there as a whole, or not at all.

What a killed process left of that is deleted by the next command that removes or begins a run. In a folder that several
users write to, each may rename the runs of all but delete only their own: what could not be deleted is not renamed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path

from nnrun.errors import DataError, NnrunError, UsageError
from nnrun.files import is_closed, regular
from nnrun.installation import command, elsewhere
from nnrun.locks import drop_abandoned, filling, lock_exclusively
from nnrun.machine.posix import try_lock
from nnrun.runs.finding import find_run, list_runs, search_of
from nnrun.runs.frames import FOLDER
from nnrun.runs.full_disk import DISK_FULL
from nnrun.runs.members import whole_of
from nnrun.runs.preparing import CACHE
from nnrun.runs.records import RunRecord
from nnrun.runs.rundir import LOCK, RESOLVED, UNFINISHED, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.text import counted, listed

REMOVED = f"{UNFINISHED}removed-"  # what begins a run drops it too
JUST_MADE = 60  # seconds in which a run that nobody trains yet may be about to be
SIZES = {"GB": 1e9, "MB": 1e6, "kB": 1e3}


@dataclass(frozen=True)
class Removal:
    """What is to be removed: a run, a link to one, an entry of the cache or a table; and the children that stay."""

    path: Path
    bytes: int
    orphans: tuple[str, ...] = ()
    is_link: bool = False  # what it leads to stays
    is_frame: bool = False  # a file
    record: RunRecord | None = None  # of a run as it was chosen; None where it cannot be read


def named(root: Path, references: Iterable[str]) -> list[RunDir]:
    """The runs that are meant, each once, a link by its own name; UsageError where one is none or several."""
    found = {}
    for reference in references:
        typed = Path(reference)
        run = RunDir(typed) if typed.is_symlink() and RunDir(typed).exists else find_run(root, reference)
        found[run.path.parent.resolve() / run.id] = run
    return list(found.values())


def planned(runs: Sequence[StoredRun]) -> tuple[list[Removal], list[str]]:
    """What can be removed, and of each run that cannot the reason: one that has changed since it was read is another.

    What was in training as it was read, and is not now, may have come to more than it was chosen by.
    """
    children = {folder: _children(folder) for folder in {run.path.parent for run in runs}}
    going = {run.path for run in runs}
    removals, reasons = [], []
    for run in runs:
        record = _record(run)
        if run.path.is_symlink():
            removals.append(Removal(run.path, 0, is_link=True))
        elif why := _why_not(run.directory):
            reasons.append(why)
        elif _is_other(run.path, record):
            reasons.append(f"{run.id} has changed since it was chosen, and stays")
        else:
            orphans = [child.id for child in children[run.path.parent].get(run.id, []) if child.path not in going]
            removals.append(Removal(run.path, size_of(run.path), tuple(orphans), record=record))
    return removals, reasons


def _record(run: StoredRun) -> RunRecord | None:
    """run.json as it was when it was first read; None where it cannot be read."""
    try:
        return run.written
    except NnrunError:
        return None


def _is_other(path: Path, record: RunRecord | None) -> bool:
    """Whether run.json says something else by now; asked where nobody trains, so that it stays as it is."""
    return _record(StoredRun(RunDir(path))) != record


def _children(folder: Path) -> Mapping[str, list[RunDir]]:
    """The runs that name another one as their parent, by its id; what cannot be read names none."""
    found = defaultdict(list)
    for run in list_runs(folder):
        try:
            parent = run.read_record().get("parent")
        except NnrunError:
            continue
        if parent:
            found[parent["id"]].append(run)
    return found


def _why_not(run: RunDir) -> str:
    """Why a run has to stay; nothing where it can go."""
    if whole := search_of(run) or whole_of(run):
        instead = command("rm", whole.id, *elsewhere(whole.path.parent))
        return f"{run.path} is a part of {whole.id}, which needs it; `{instead}` removes that as a whole"
    try:
        _require_open(run.path)
    except PermissionError as error:
        return f"{error.filename}: cannot be removed ({error.strerror})"
    try:
        if _is_held(run.path / LOCK):
            ending = command("stop", run.id, *elsewhere(run.path.parent))
            return f"{run.id} is being trained; `{ending}` ends that"
    except OSError as error:
        return f"{run.path}: {error.strerror}; whether it is being trained is yours to know, and its folder to delete"
    try:
        record = run.read_record()
        age = datetime.now().astimezone() - datetime.fromisoformat(record["created"])
    except (NnrunError, ValueError, TypeError):  # damaged, or of another kind; nobody trains it
        return ""
    made_now = record.get("status") == "created" and age.total_seconds() < JUST_MADE
    return f"{run.id} was made just now and may be about to train; in a minute it can be removed" if made_now else ""


def _require_open(folder: Path) -> None:
    """PermissionError where something in it cannot be deleted, as what another user has; an empty folder always can."""

    def refuse(error: OSError) -> None:
        if isinstance(error, PermissionError):  # else it has just gone
            raise error

    for above, folders, files in os.walk(folder, onerror=refuse):
        if (folders or files) and is_closed(Path(above)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), above)


def _is_held(lock: Path) -> bool:
    """Whether a process trains; OSError where the disk gives no locks, by which alone that is known."""
    try:
        descriptor = regular(lock)
    except (OSError, DataError):
        return False
    try:
        return not try_lock(descriptor, exclusive=False)  # which NFS gives for what is open for reading, too
    finally:
        os.close(descriptor)


def remove(removals: Iterable[Removal]) -> None:
    """Remove each as a whole; UsageError where one is in use by now, or its folder is closed, and what went before."""
    done = 0
    for removal in removals:
        before = f"; what stands above it ({done}) was removed" if done else "; nothing was removed"
        try:
            if removal.is_link or removal.is_frame:
                removal.path.unlink()
            else:
                _discard(removal, before)
        except FileNotFoundError:  # another process was quicker
            continue
        except OSError as error:
            raise UsageError(f"{removal.path}: cannot be removed ({error.strerror}){before}") from error
        done += 1


def _discard(removal: Removal, before: str) -> None:
    """Held under its new name while it is deleted, so that no other command takes it for abandoned."""
    path = removal.path
    try:
        with filling(path.parent, REMOVED) as hidden:
            _delete(removal, hidden, before)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        # A full disk has no room for what holds it. What a kill leaves then goes in a day.
        _delete(removal, path.with_name(f"{REMOVED}{secrets.token_hex(8)}"), before)


def _delete(removal: Removal, hidden: Path, before: str) -> None:
    """By a name first under which it is no run; it has its own again where nothing of it could be deleted."""
    path = removal.path
    _require_open(path)
    with _held(path / LOCK, before):
        if _is_other(path, removal.record):
            raise UsageError(f"{path.name} has changed since it was chosen{before}")
        path.rename(hidden)
    whole = _entries(hidden)
    try:
        shutil.rmtree(hidden)
    except FileNotFoundError:  # somebody else deletes it, too
        return
    except OSError as error:
        if _entries(hidden) == whole:
            hidden.rename(path)
            raise
        left = f"it is no longer listed, but {error.filename} cannot be deleted ({error.strerror})"
        raise UsageError(f"{path}: {left}; the rest of it lies in {hidden}") from error


def _entries(folder: Path) -> int:
    """How many files and folders are in it."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


@contextmanager
def _held(path: Path, before: str) -> Iterator[None]:
    """The lock of a run, if it has one: who would train it now finds it locked, and then gone.

    It is let go before anything is deleted, since NFS keeps a file that is open, and so the folder around it.
    """
    if path.is_symlink() or not path.is_file():
        yield
        return
    with FileIO(path, "r+" if os.access(path, os.W_OK) else "r", opener=regular) as lock:
        if not lock_exclusively(lock.fileno()):
            raise UsageError(f"{path.parent.name} is being trained by now{before}")
        yield


def drop_leftovers(root: Path) -> None:
    """Delete what killed processes had begun to delete."""
    for folder in (root, root / CACHE):
        if not folder.is_symlink() or folder == root:
            drop_abandoned(folder, REMOVED)


def cached(root: Path) -> list[Removal]:
    """The arrays kept beside the runs, which are made again when they are needed; none where they are elsewhere."""
    cache = root / CACHE
    if cache.is_symlink() or not cache.is_dir():
        return []
    entries = [entry for entry in sorted(cache.iterdir()) if entry.name[0] != "."]
    return [Removal(entry, size_of(entry)) for entry in entries if entry.is_dir() and not entry.is_symlink()]


def unused_frames(root: Path) -> list[Removal]:
    """The tables from memory beside the runs that no run there, and no trial of a search, names as its data.

    One that was just written may be about to be trained on, and stays.
    """
    folder, latest = root / FOLDER, time.time() - JUST_MADE
    if folder.is_symlink() or not folder.is_dir():
        return []
    written = [path for path in sorted(folder.glob("[!.]*.csv")) if path.is_file() and not path.is_symlink()]
    if not written:
        return []
    configs = "\n".join(path.read_text("utf-8", "replace") for path in root.rglob(RESOLVED) if path.is_file())
    unused = [path for path in written if path.name not in configs and path.stat().st_mtime < latest]
    return [Removal(path, path.stat().st_size, is_frame=True) for path in unused]


def size_of(folder: Path) -> int:
    """The bytes of all files in it; links are not followed."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(above) / name).lstat().st_size
            except OSError:  # just replaced
                continue
    return total


def size_told(size: int) -> str:
    """812 bytes, 14.2 kB, 3.1 GB."""
    unit = next((unit for unit, scale in SIZES.items() if size >= 0.9995 * scale), None)  # 999.9 kB is 1 MB
    return f"{size / SIZES[unit]:.3g} {unit}" if unit else counted(size, "byte")


def left_behind(removal: Removal) -> str:
    """What becomes of the children of a run; nothing without."""
    if not removal.orphans:
        return ""
    stay = "stays" if len(removal.orphans) == 1 else "stay"
    return (
        f"{removal.path.name} is the parent of {listed(removal.orphans)}, which {stay}; "
        "where they parted can then no longer be shown"
    )
