"""Runs whose members lie in directories of their own: folds of a cross-validation, and ensembles of several runs.

Each member is a run directory, `members/01` and so on; MEMBERS beside them says how much each counts. The members that
`network.ensemble` trains together are not such: they share a directory and its checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from nnrun.errors import DataError
from nnrun.files import sealed, to_json
from nnrun.runs.records import EnsembleRecord
from nnrun.runs.rundir import MEMBERS, RunDir

FOLDER = "members"
FOLDS = "folds"  # how members came about that are the folds of a cross-validation
ALL = "all"  # the name of what was trained on all of their rows


def has_members(run: RunDir) -> bool:
    """Whether a run is made of others."""
    return (run.path / MEMBERS).is_file()


def member(run: RunDir, name: int | str) -> RunDir:
    """The directory of a member, by its number from 1 or by its name."""
    return RunDir(run.path / FOLDER / (f"{name:02d}" if isinstance(name, int) else name))


def read_ensemble(run: RunDir) -> EnsembleRecord:
    """What MEMBERS says; DataError where it is damaged or contradicts itself."""
    record = cast(EnsembleRecord, run.read_json(MEMBERS, EnsembleRecord))
    if not record["weights"] or len(record["weights"]) != len(record["members"]):
        raise DataError(
            f"{run.path / MEMBERS}: has {len(record['members'])} members with {len(record['weights'])} weights"
        )
    return record


def ensemble_file(record: EnsembleRecord) -> str:
    """The content of MEMBERS."""
    return to_json(sealed(record), indent=2) + "\n"


def members_of(run: RunDir) -> list[RunDir]:
    """The members, in the order of the weights; none of a run that is not made of others."""
    return [member(run, k + 1) for k in range(len(read_ensemble(run)["weights"]))] if has_members(run) else []


def whole_of(run: RunDir) -> RunDir | None:
    """The run that one is a member of."""
    path = Path(run.path).resolve()
    whole = RunDir(path.parent.parent)
    return whole if path.parent.name == FOLDER and has_members(whole) else None


def refitted(run: RunDir) -> RunDir | None:
    """What was trained on the rows of all folds, where that was asked for and is done."""
    again = member(run, ALL)
    return again if again.exists and again.status == "done" else None
