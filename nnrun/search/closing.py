"""The end of a search: the best trial as a run of its own, the test part read for it alone, run.json completed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from nnrun.checkpoints import load_best
from nnrun.config.load import load_config
from nnrun.data.dataset import Dataset
from nnrun.errors import NnrunError
from nnrun.measures import finals
from nnrun.rundir import UNFINISHED, RunDir, now
from nnrun.search.ledger import Record
from nnrun.search.strategies import Strategy
from nnrun.session import Session


def close(
    run: RunDir, dataset: Dataset, records: Sequence[Record], best: Record | None, strategy: Strategy, stopped: bool
) -> str:
    """Put the best trial into best/, read the test part for it alone, and complete run.json; the search's status."""
    for abandoned in (run.path / "trials").glob(f"{UNFINISHED}*"):  # by workers that were killed
        shutil.rmtree(abandoned, ignore_errors=True)
    counts = {status: sum(r["status"] == status for r in records) for status in ("done", "diverged", "failed")}
    status = "interrupted" if stopped else next((s for s in ("done", "diverged", "failed") if counts[s]), "interrupted")
    before = run.read_json("run.json")
    final, reads = before.get("final") or {}, before.get("test_reads", 0)
    chosen = before.get("best_trial")
    if best is not None and not stopped and chosen != best["number"]:
        chosen = best["number"]
        final = _swap_in(run, best["number"], dataset)
        reads += "test_error" in final
    run.update_record(
        status=status,
        ended=now(),
        seconds=sum(record.get("seconds") or 0 for record in records),
        trials=len(records),
        counts=counts,
        best_trial=chosen,
        best_epoch=None if best is None else best["best_epoch"],
        epochs=None if best is None else best["epochs"],
        final=final,
        test_reads=reads,
        notes=[*getattr(strategy, "warnings", lambda: [])()],
        stages=[stage.as_dict() for stage in getattr(strategy, "stages", lambda: [])()],
    )
    return status


def _swap_in(run: RunDir, number: int, dataset: Dataset) -> dict[str, Any]:
    """Copy the trial to best/ as a whole, with its test error, which is read here and nowhere else."""
    fresh, best = run.path / "best.new", run.path / "best"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(run.path / "trials" / f"{number:04d}", fresh)
    except shutil.Error as error:  # it lists every file
        raise NnrunError(f"the best trial cannot be copied; {error.args[0][0][2]}") from None
    copy = RunDir(fresh)
    session = Session([load_config(fresh / "resolved.yaml").config], dataset)
    session.trainer.epoch = copy.read_json("run.json")["epochs"]
    load_best(copy, session.trainer, session.best)
    final = finals(session.trainer, session.best, dataset, list(dataset.parts))[0]
    copy.update_record(final=final)
    shutil.rmtree(best, ignore_errors=True)
    fresh.rename(best)
    return final
