"""Environment variables that hold for a block, and are then as before."""

from __future__ import annotations

import os

import pytest

from nnrun.machine import threads
from nnrun.machine.interpreters import SAFE_PATH, blind_to_the_folder

BLOCKS = {
    SAFE_PATH: blind_to_the_folder,
    threads.OURS: threads.alone,
    threads.LIBRARIES[0]: threads.one_for_blas_of_others,
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("before", [None, "", "1", "2"])
def test_blocks_that_overlap_leave_the_variable_as_it_was(
    name: str, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    one, another = BLOCKS[name](), BLOCKS[name]()
    one.__enter__()
    another.__enter__()
    one.__exit__(None, None, None)
    assert os.environ[name] == "1"
    another.__exit__(None, None, None)
    assert os.environ.get(name) == before
