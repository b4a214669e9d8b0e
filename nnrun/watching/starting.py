"""Commands that train, started from the page: processes of their own, which go on when page and server have ended."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from nnrun.errors import UsageError
from nnrun.installation import command, elsewhere, start_apart
from nnrun.runs.rundir import RunDir

SECONDS_TO_REFUSE = 3.0  # within which a command says what is wrong with it


class Wish(NamedTuple):
    """What is asked for, of which runs; `to` is where a rewound run goes on from."""

    do: str
    runs: Sequence[RunDir]
    settings: Sequence[str] = ()
    note: str | None = None
    to: str = "best"


def _set(wish: Wish) -> list[str]:
    return [f"--set={setting}" for setting in wish.settings]


WORDS: dict[str, Callable[[Wish], list[str]]] = {  # behind the names of the runs
    "resume": _set,
    "rewind": lambda wish: [f"--to={wish.to}", *_set(wish)],
    "ensemble": lambda wish: [],
}


def start(wish: Wish, root: Path) -> str:
    """Start it and return it as a person would type it; UsageError with its own words where it ends with an error."""
    more = [*WORDS[wish.do](wish), *elsewhere(root)]
    _run([wish.do, *(str(run.path) for run in wish.runs), *more, "--quiet"])
    return command(wish.do, *(run.id for run in wish.runs), *more)


def _run(words: Sequence[str]) -> None:
    with tempfile.TemporaryFile() as said:
        process = start_apart(words, said)
        try:
            code = process.wait(SECONDS_TO_REFUSE)
        except subprocess.TimeoutExpired:
            threading.Thread(target=process.wait, daemon=True).start()  # nobody else asks how it ended
            return
        if code:
            said.seek(0)
            raise UsageError(said.read().decode(errors="replace").strip() or f"it ended with exit code {code}")
