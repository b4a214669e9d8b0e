"""The ledger as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from nnrun.search.record import spreadsheet
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import resume

Search = Callable[..., SearchOutcome]

DONE = {
    "number": 0,
    "values": {"network.hidden": [8, 4], "optimizer.learning_rate": 0.01, "regularization.l2": None},
    "seed": 3,
    "status": "done",
    "metric": 0.25,
    "final": {"train_loss": 0.5, "train_error": 0.125, "dev_loss": 1.5, "dev_error": 0.25, "cost": 0.75, "dev_rmse": 2},
    "best_epoch": 4,
    "epochs": 5,
    "seconds": 0.5,
    "curve": [1.0],
}  # fmt: skip
FAILED = {
    "number": 1,
    "values": {"network.hidden": [8], "optimizer.learning_rate": 1e-05, "regularization.l2": True},
    "seed": None,
    "status": "failed",
    "metric": None,
    "final": {},
    "curve": [],
    "error": "a, b",
}


def test_a_row_a_trial_and_a_column_a_key() -> None:
    assert spreadsheet([DONE, FAILED], list(DONE["values"])).splitlines() == [  # type: ignore[call-overload]
        "number,status,metric,dev_error,dev_loss,train_error,train_loss,cost,dev_rmse,epochs,best_epoch,seconds,seed,"
        "network.hidden,optimizer.learning_rate,regularization.l2",
        '0,done,0.25,0.25,1.5,0.125,0.5,0.75,2,5,4,0.5,3,"[8, 4]",0.01,',
        "1,failed,,,,,,,,,,,,[8],1e-05,true",
    ]


def test_a_search_without_a_trial_has_the_titles() -> None:
    assert spreadsheet([], ["optimizer.learning_rate"]) == (
        "number,status,metric,dev_error,dev_loss,train_error,train_loss,cost,epochs,best_epoch,seconds,seed,"
        "optimizer.learning_rate\n"
    )


def rows(outcome: SearchOutcome) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(outcome.run.read("trials.csv").decode())))


def test_it_is_written_when_a_search_stops_and_when_it_ends(search: Search) -> None:
    looks = iter([False] * 4)
    part = search(stack=1, told_to_stop=lambda: next(looks, True))
    assert part.status == "interrupted"
    assert [row["number"] for row in rows(part)] == [str(record["number"]) for record in part.records]
    whole = resume(part.run, None, Options(), Watcher())
    assert len(rows(whole)) == 12
    for row, record in zip(rows(whole), whole.records, strict=True):
        assert float(row["dev_loss"]) == record["final"]["dev_loss"]
        assert float(row["optimizer.learning_rate"]) == record["values"]["optimizer.learning_rate"]
