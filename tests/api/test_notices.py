"""What training notes of its data, for those who train from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nnrun

SMALL: dict[str, Any] = {"data": {"target": "late"}, "network": {"hidden": [2]}, "training": {"epochs": 1}}
LEFT_OUT = "column 'id' is left out: all its values differ, as an identifier's do"


@pytest.fixture
def frame() -> pd.DataFrame:
    """Rows with a column that names each of them."""
    ids = [f"u{k}" for k in range(60)]
    return pd.DataFrame({"id": ids, "x": range(60), "late": [k % 7 > 3 for k in range(60)]})


def test_a_run_has_the_notices_on_its_data(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Also where it is loaded later; and what is left out on purpose is no news."""
    run = nnrun.train(SMALL, tmp_path, data=frame)
    assert run.notices == nnrun.load_run(run.path).notices == [LEFT_OUT]
    assert f"note     {LEFT_OUT}\n" in (run.path / "log.txt").read_text()
    dropped = SMALL | {"data": {"target": "late", "drop": ["id"]}}
    assert nnrun.train(dropped, tmp_path, data=frame).notices == []


def test_a_search_and_its_trials_have_them_too(tmp_path: Path, frame: pd.DataFrame) -> None:
    search = nnrun.search(SMALL, trials=1, workers=1, runs=tmp_path, data=frame)
    assert search.notices == search.trial(0).notices == [LEFT_OUT]


def test_folds_note_what_is_of_no_single_one(tmp_path: Path, frame: pd.DataFrame) -> None:
    folded = SMALL | {"data": {"target": "late", "folds": 3}}
    assert nnrun.train(folded, tmp_path, data=frame).notices[0] == LEFT_OUT
