"""The end of a search: the best trial as a run of its own, the test part read for it alone, run.json completed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnrun.checkpoints import load_best
from nnrun.config.load import load_config
from nnrun.data.dataset import Dataset
from nnrun.errors import NnrunError
from nnrun.measures import finals, wanted
from nnrun.rundir import UNFINISHED, RunDir
from nnrun.search.expectation import random_search_expected
from nnrun.search.ledger import Record
from nnrun.search.search import Search
from nnrun.search.strategies import Strategy
from nnrun.session import Session


def close(search: Search, records: Sequence[Record], best: Record | None, strategy: Strategy, ended_by: str) -> str:
    """Put the best trial into best/, and its results and those of all trials into run.json; the status to come."""
    for abandoned in search.folder.glob(f"{UNFINISHED}*"):  # by workers that were killed
        shutil.rmtree(abandoned, ignore_errors=True)
    chosen = _choose(search.run, search.dataset, None if ended_by == "signal" else best)
    counts = {status: sum(r["status"] == status for r in records) for status in ("done", "diverged", "failed")}
    search.run.update_record(
        ended_by=ended_by,
        seconds=sum(record.get("seconds") or 0 for record in records),
        trials=len(records),
        counts=counts,
        best_trial=chosen["trial"],
        best_epoch=None if best is None else best["best_epoch"],
        epochs=None if best is None else best["epochs"],
        final=chosen["final"],
        test_reads=chosen["test_reads"],
        random_search_expected=random_search_expected(records, strategy),
        notes=[*getattr(strategy, "warnings", lambda: [])()],
        stages=[stage.as_dict() for stage in getattr(strategy, "stages", lambda: [])()],
    )
    happened = next((status for status, count in counts.items() if count), "interrupted")
    return "interrupted" if ended_by == "signal" else happened


def _choose(run: RunDir, dataset: Dataset, best: Record | None) -> dict[str, Any]:
    """What best/ holds: the trial, its final numbers, and how often the test part was read; replaced if need be.

    That is kept in best/ itself, which comes and goes as a whole, so that a kill at any instant miscounts nothing.
    """
    fresh, place = run.path / "best.new", run.path / "best"
    if _chosen(fresh):  # a kill fell between its completion and its renaming
        _rename(fresh, place)
    chosen = _chosen(place) or {
        "trial": None,
        "final": {},
        "test_reads": run.read_json("run.json").get("test_reads", 0),
    }
    if best is None or best["number"] == chosen["trial"]:
        return chosen
    _copy(run, best["number"], fresh)
    final = _measured(RunDir(fresh), dataset)
    chosen = {
        "trial": best["number"],
        "final": final,
        "test_reads": chosen["test_reads"] + ("test_error" in final),
    }
    RunDir(fresh).update_record(final=final, chosen=chosen)
    _rename(fresh, place)
    return chosen


def _chosen(path: Path) -> dict[str, Any] | None:
    """What a directory that is complete says of itself."""
    if not (path / "run.json").exists():
        return None
    chosen: dict[str, Any] | None = RunDir(path).read_json("run.json").get("chosen")
    return chosen


def _rename(fresh: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def _copy(run: RunDir, number: int, fresh: Path) -> None:
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(run.path / "trials" / f"{number:04d}", fresh)
    except shutil.Error as error:  # it lists every file
        raise NnrunError(f"the best trial cannot be copied; {error.args[0][0][2]}") from None


def _measured(run: RunDir, dataset: Dataset) -> dict[str, Any]:
    """The final numbers on all parts; the test part is read here and nowhere else."""
    session = Session([load_config(run.path / "resolved.yaml").config], dataset)
    session.trainer.epoch = run.read_json("run.json")["epochs"]
    load_best(run, session.trainer, session.best)
    names = wanted(session.config, dataset)
    return finals(session.trainer, session.best, dataset, list(dataset.parts), names)[0]
