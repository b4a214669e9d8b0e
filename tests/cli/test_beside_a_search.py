"""Commands that only read, one after the other while a search goes on: they never fail."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import QUICK, Done

SPACE = "search.space={optimizer.learning_rate: {log: [1e-4, 1]}, network.width: {choice: [2, 4, 8]}}"


def test_reading_beside_a_search_never_fails(
    nnrun: Callable[..., Done],
    process: Callable[..., Done],
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    """In this process, as that is many times in a second, and once each in one of its own."""
    assert nnrun("train", "-q", *QUICK, "--set", "data.source=iris").code == 0
    run = next(path.name for path in Path("runs").glob("[!.]*"))
    settings = (*QUICK[:2], "--set", "data.source=iris", "--set", SPACE)
    search = start("search", "-q", "--trials", "80", "--workers", "1", *settings)
    while not list(Path("runs").glob("*/trials.jsonl")):  # the search itself may fail, which ends this too
        assert search.poll() is None
    found = next(Path("runs").glob("*/trials.jsonl")).parent
    while not (found / "trials.jsonl").stat().st_size:
        assert search.poll() is None
    commands = [("list",), ("show", found.name), ("report", found.name), ("compare", found.name, run)]
    rounds = 0
    for call in (process, nnrun):
        while search.poll() is None:
            for command in commands:
                done = call(*command)
                assert (done.code, done.err) == (0, ""), command
            rounds += 1
            if call is process:
                break
    out, err = search.communicate()
    assert (search.returncode, err) == (0, ""), out
    assert rounds
