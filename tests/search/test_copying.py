"""What is copied into best/ of a search, of a trial that may be a stranger's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from nnrun.errors import DataError
from nnrun.runs.rundir import RunDir
from nnrun.search import choosing
from nnrun.search.choosing import _copy, _mend

BEST = "checkpoints/best.safetensors"


@pytest.fixture
def search(tmp_path: Path) -> RunDir:
    """One with a trial, and a file and a folder of the user's beside it."""
    trial = tmp_path / "run/trials/0000"
    (trial / "checkpoints").mkdir(parents=True)
    (trial / BEST).write_text("weights")
    (trial / "run.json").write_text("{}")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/best.safetensors").write_text("a letter")
    return RunDir(tmp_path / "run")


def test_nothing_that_a_link_leads_to(search: RunDir, tmp_path: Path) -> None:
    trial = search.path / "trials/0000"
    (trial / "log.txt").symlink_to("/dev/zero")
    (trial / "config.yaml").symlink_to(tmp_path / "own/best.safetensors")
    (trial / "more").symlink_to(tmp_path / "own")
    os.mkfifo(trial / "pipe")
    _copy(search, 0, fresh := tmp_path / "fresh")
    assert sorted(path.name for path in fresh.iterdir()) == ["checkpoints", "run.json"]
    assert (fresh / BEST).read_text() == "weights"


def _mended(search: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "is_whole", lambda run: False)
    _mend(search, cast(Any, {"number": 0}), lambda record: None)


def test_checkpoints_replace_a_link(search: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (search.path / "best/checkpoints").mkdir(parents=True)
    (search.path / "best" / BEST).symlink_to(tmp_path / "own/best.safetensors")
    _mended(search, monkeypatch)
    assert (search.path / "best" / BEST).read_text() == "weights"
    assert (tmp_path / "own/best.safetensors").read_text() == "a letter"


def test_members_that_are_gone_are_copied_again(search: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    (member := search.path / "trials/0000/members/01").mkdir(parents=True)
    (member / "checkpoints").mkdir()
    (member / BEST).write_text("others")
    (member / "run.json").write_text("{}")
    monkeypatch.setattr(choosing, "members_of", lambda trial: [RunDir(member)])
    (search.path / "best").mkdir()
    _mended(search, monkeypatch)
    assert (search.path / "best/members/01" / BEST).read_text() == "others"


@pytest.mark.parametrize("folder", ["best/checkpoints", "best/members", "best/members/01"])
def test_a_link_in_place_of_a_folder_is_refused(
    folder: str, search: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (search.path / folder).parent.mkdir(parents=True)
    (search.path / folder).symlink_to(tmp_path / "own")
    with pytest.raises(DataError, match="a link; a folder of the run belongs there"):
        _mended(search, monkeypatch)
    assert (tmp_path / "own/best.safetensors").read_text() == "a letter"
