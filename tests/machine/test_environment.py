"""Interpreters that are started without a look at the current directory, and a variable that is as before."""

from __future__ import annotations

import os

import pytest

from nnrun.machine.interpreters import SAFE_PATH, blind_to_the_folder


@pytest.mark.parametrize("before", [None, "", "1"])
def test_blocks_that_overlap_leave_the_variable_as_it_was(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SAFE_PATH, raising=False)
    if before is not None:
        monkeypatch.setenv(SAFE_PATH, before)
    one, another = blind_to_the_folder(), blind_to_the_folder()
    one.__enter__()
    another.__enter__()
    one.__exit__(None, None, None)
    assert os.environ[SAFE_PATH] == "1"
    another.__exit__(None, None, None)
    assert os.environ.get(SAFE_PATH) == before
