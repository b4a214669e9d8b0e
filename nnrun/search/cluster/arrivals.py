"""What comes back from workers is put where it belongs, once it is what was asked for."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

from nnrun.config.config import Config
from nnrun.errors import DataError
from nnrun.files import filling
from nnrun.runs.rundir import UNFINISHED, RunDir
from nnrun.search.cluster.parcels import unpack
from nnrun.search.executors import Failure
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

    def settle(self, job: Job, parcel: bytes, bits: str | None) -> Answer | Failure:
        """Put the trials' directories where they belong, and read their results there; a Failure if they are none.

        The results have `bits` where there are any.
        """
        folder = Path(job["folder"])
        arrivals, found = self._beside(folder), list[TrialResult]()
        names = [f"{trial['number']:04d}" for trial in job["trials"]]
        try:
            for name in names:
                _clear(arrivals / name)
            unpack(parcel, arrivals, names)
            found += [checked(arrivals, trial) for trial in job["trials"]]
            for name in names:
                _clear(folder / name)
                (arrivals / name).rename(folder / name)
        except (DataError, UnicodeError) as error:
            return {"error": f"what a worker sent back is refused: {error}"}
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


def _clear(place: Path) -> None:
    """Remove what an earlier attempt may have left."""
    if place.exists():
        shutil.rmtree(place, ignore_errors=True)


def checked(folder: Path, trial: TrialJob) -> TrialResult:
    """The result of a trial by its directory; DataError where that is not of this trial."""
    run = RunDir(folder / f"{trial['number']:04d}")
    expected = Config.from_values(trial["config"])
    result, config = result_in(run, expected)
    if config != expected or result["values"] != trial["values"]:
        raise DataError(f"{run.id}: it is of another training")
    return result
