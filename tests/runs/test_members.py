from __future__ import annotations

from pathlib import Path

import pytest

from nnrun.errors import DataError
from nnrun.files import sealed_document
from nnrun.runs.members import EnsembleRecord, has_members, member, members_of, read_ensemble, whole_of
from nnrun.runs.rundir import MEMBERS, RunDir


def made(folder: Path, weights: list[float], count: int | None = None) -> RunDir:
    run = RunDir(folder)
    record: EnsembleRecord = {
        "schema_version": 1,
        "how": "runs",
        "weights": weights,
        "members": [{"id": f"run{k}", "weight": 0.5} for k in range(len(weights) if count is None else count)],
    }
    run.write(MEMBERS, sealed_document(record))
    return run


def test_members_lie_in_the_order_of_their_weights(tmp_path: Path) -> None:
    run = made(tmp_path, [0.75, 0.25])
    assert [one.path for one in members_of(run)] == [tmp_path / "members/01", tmp_path / "members/02"]
    assert read_ensemble(run)["weights"] == [0.75, 0.25]
    assert member(run, "all").path == tmp_path / "members/all"


def test_a_member_knows_its_whole_and_another_run_has_none(tmp_path: Path) -> None:
    run = made(tmp_path, [1.0])
    whole = whole_of(member(run, 1))
    assert whole is not None and whole.path == tmp_path.resolve()
    assert whole_of(run) is None
    assert not has_members(member(run, 1)) and members_of(member(run, 1)) == []


def test_damage_is_told(tmp_path: Path) -> None:
    run = made(tmp_path, [0.5, 0.5], count=1)
    with pytest.raises(DataError, match="1 members with 2 weights"):
        read_ensemble(run)
    (tmp_path / MEMBERS).write_text((tmp_path / MEMBERS).read_text().replace("run0", "run9"))
    with pytest.raises(DataError, match="damaged"):
        read_ensemble(run)
