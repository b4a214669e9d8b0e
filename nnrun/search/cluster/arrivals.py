"""What comes back from workers is put where it belongs, once it is what was asked for."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nnrun.config.config import Config
from nnrun.errors import DataError, NnrunError
from nnrun.locks import filling
from nnrun.runs.finding import trial_name
from nnrun.runs.rundir import UNFINISHED, RunDir
from nnrun.search.cluster.parcels import unpack
from nnrun.search.ledger import result_in
from nnrun.search.record import TrialResult
from nnrun.search.trials import Answer, Job, TrialJob


class Arrivals:
    """Folders in which parcels are unpacked, beside the trials' directories.

    Each is held as long as the cluster: making one a job would list all trials' directories.
    """

    def __init__(self) -> None:
        self._held, self._lock = ExitStack(), threading.Lock()
        self._folders: dict[Path, Path] = {}  # by where the trials' directories lie

    def settle(self, job: Job, parcel: bytes, most: int, bits: str | None) -> Answer:
        """Put the trials' directories where they belong, each of so many bytes at most, and read their results there.

        The results have `bits` where there are any. Raises DataError where they are not what was asked for,
        and then there are none.
        """
        folder = Path(job["folder"])
        arrivals, found = self._beside(folder), list[TrialResult]()
        names = names_of(job)
        try:
            for name in names:
                _clear(arrivals / name)
            unpack(parcel, arrivals, names, most)
            found += [checked(arrivals, trial) for trial in job["trials"]]
            for name in names:
                _clear(folder / name)
                (arrivals / name).rename(folder / name)
        except (NnrunError, UnicodeError) as error:
            for name in names:
                _clear(arrivals / name)
            raise DataError(str(error)) from None
        if bits is not None:
            for result in found:
                result["bits"] = bits
        return {"results": found}

    def close(self) -> None:
        """Remove the folders."""
        self._held.close()

    def _beside(self, folder: Path) -> Path:
        with self._lock:
            if folder not in self._folders:
                folder.mkdir(parents=True, exist_ok=True)
                self._folders[folder] = self._held.enter_context(filling(folder, UNFINISHED))
            return self._folders[folder]


def names_of(job: Job) -> list[str]:
    """The directories of a job's trials."""
    return [trial_name(trial["number"]) for trial in job["trials"]]


def answer_in(parcel: bytes) -> dict[str, Any]:
    """What a worker tells of a job that leaves no directory; DataError where that is nothing of the kind."""
    try:
        found = json.loads(parcel)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DataError("it is no answer")
    return found


def _clear(place: Path) -> None:
    """Remove what an earlier attempt may have left."""
    if place.exists():
        shutil.rmtree(place, ignore_errors=True)


def checked(folder: Path, trial: TrialJob) -> TrialResult:
    """The result of a trial by its directory; DataError where that is not of this trial."""
    run = RunDir(folder / trial_name(trial["number"]))
    expected = Config.from_values(trial["config"])
    result, config = result_in(run, expected)
    if config != expected or result["values"] != trial["values"]:
        raise DataError(f"{run.id}: it is of another training")
    return result
