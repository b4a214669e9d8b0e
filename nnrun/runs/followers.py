"""Tools of others that are told of a run while it trains: each by a process of its own, which follows the run's files.

So whatever becomes of such a process, the training cannot tell: it is neither waited for nor written to, and it ends by
itself when the run is over. It is `nnrun export --follow`, which anybody may start by hand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

from nnrun.errors import without_password
from nnrun.installation import called, command, has_extra, lacking, start_apart
from nnrun.runs.rundir import RunDir

if TYPE_CHECKING:
    import subprocess

LONGEST = 2_000  # bytes of what one said last that are read


class Follower(NamedTuple):
    """A process that tells a tool, and what it says where it fails."""

    tool: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]


_ALIVE: list[Follower] = []  # of all runs; nobody waits for these, and Python warns of one that is forgotten


class Followers:
    """The followers of one run; `tell` hears a line of each that cannot go on, once."""

    def __init__(self, run: RunDir, tools: Sequence[str], tell: Callable[[str], None]) -> None:
        self.run, self.tell = run, tell
        self._to_start = list(dict.fromkeys(tools))
        self._followers: list[Follower] = []

    def look(self) -> None:
        """Start them, once the run is under way; tell of those that have ended since."""
        for tool in self._to_start:
            self._start(tool)
        self._to_start = []
        for follower in [each for each in self._followers if each.process.poll() is not None]:
            self._followers.remove(follower)
            if follower.process.returncode and not follower.said.closed:
                self._tell(follower.tool, _last_words(follower))

    def _start(self, tool: str) -> None:
        if not has_extra(tool):
            return self._tell(tool, lacking("it needs", tool))
        _drop_ended()
        words = ["export", str(self.run.path.absolute()), "--format", tool, "--follow"]
        try:
            said = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process lives
            process = start_apart(words, said)
        except OSError as error:
            return self._tell(tool, str(error.strerror))
        follower = Follower(tool, process, said)
        _ALIVE.append(follower)
        return self._followers.append(follower)

    def _tell(self, tool: str, why: str) -> None:
        later = command("export", called(self.run.path), "--format", tool)
        why = without_password(why)  # of the server, which the line would keep in log.txt
        self.tell(f"note     {tool} is not told of this run: {why}; `{later}` does it when that is mended")


def _drop_ended() -> None:
    for follower in [each for each in _ALIVE if each.process.poll() is not None]:
        _ALIVE.remove(follower)
        follower.said.close()


def _last_words(follower: Follower) -> str:
    """The last line that it said, which is the error's."""
    follower.said.seek(0, 2)
    follower.said.seek(max(0, follower.said.tell() - LONGEST))
    lines = follower.said.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("nnrun: ") if lines else f"it ended with {follower.process.returncode}"
