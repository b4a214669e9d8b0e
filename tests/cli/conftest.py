"""Runs nnrun: in this process where only words and exit codes matter, else as a process of its own, also on a pty."""

from __future__ import annotations

import codecs
import fcntl
import json
import math
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest

NNRUN = [sys.executable, "-m", "nnrun"]
QUICK = ("--set", "training.epochs=3", "--set", "network.hidden=[8]")
SECONDS = 600  # after which a process that hangs is given up, however busy the machine is
DURATION = r"\d+(?:\.\d+)? (?:ms|s|min \d\d s|h \d\d min)"  # as a run took, on a fast machine or a slow one
REMAINING = r"\d+ (?:s|min|h \d\d min)"  # as is left


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def next(self) -> list[str]:
        """The commands that were printed to be typed next."""
        return [line.removeprefix("next").strip() for line in self.out.splitlines() if line.startswith("next ")]


def change_record(run: Path, **values: Any) -> None:
    """Other values in run.json."""
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | values))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@cache
def _parser(*first: str) -> Any:
    """What takes words that begin so, whose options are read once for all tests."""
    from typer.main import get_command

    from nnrun.cli.app import parser_of

    return get_command(parser_of(first))


@pytest.fixture
def nnrun(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """nnrun("train", "c.yaml") in this process, which does not say that data is prepared, however long it takes."""
    from nnrun.cli.terminal import screen

    monkeypatch.setattr(screen, "MOMENT", math.inf)

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        words = [str(argument) for argument in arguments]
        with pytest.raises(SystemExit) as ended:
            _parser(*words[:1])(words, prog_name="nnrun")
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def process(here: Path) -> Callable[..., Done]:
    """process("train", NO_COLOR="1") in a process of its own, with these variables."""

    def call(*arguments: str | Path, **variables: str) -> Done:
        command, environment = [*NNRUN, *map(str, arguments)], os.environ | variables
        done = subprocess.run(command, capture_output=True, env=environment, timeout=SECONDS)
        encoding = variables.get("PYTHONIOENCODING", "utf-8")
        return Done(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))

    return call


def _command(held_after: int | None) -> list[str]:
    return NNRUN if held_after is None else [sys.executable, str(Path(__file__).with_name("held.py")), str(held_after)]


@pytest.fixture
def start(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """start("train") returns the running process, both streams piped.

    start("train", held_after=4) goes no further than told of 4 epochs, or trials of a search, until a signal comes.
    """
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str | Path, held_after: int | None = None) -> subprocess.Popen[str]:
        command = [*_command(held_after), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def shell(here: Path) -> Callable[[str], Done]:
    """shell("nnrun list | head -1") as a user would type it."""

    def call(line: str) -> Done:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=SECONDS)
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def typed(nnrun: Callable[..., Done]) -> Callable[[str], Done]:
    """typed("nnrun list --json") in this process, for lines whose words a shell would take apart like Python."""
    return lambda line: nnrun(*shlex.split(line)[1:])


@pytest.fixture
def unread(here: Path) -> Callable[..., Done]:
    """unread("check") writes into a pipe that nobody reads any more."""

    def call(*arguments: str) -> Done:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([*NNRUN, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
        os.close(writer)
        return Done(done.returncode, "", done.stderr)

    return call


@pytest.fixture
def config(here: Path) -> Callable[..., Path]:
    """config("seed: 1") writes config.yaml; without text, one that trains in no time."""

    def write(text: str = "network: {hidden: [8]}\ntraining: {epochs: 3}\n", name: str = "config.yaml") -> Path:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
        return Path(name)

    return write


@pytest.fixture(scope="session")
def many_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up examples, enough of them for an epoch that can be interrupted."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 10)).astype("float32")
    path = tmp_path_factory.mktemp("data") / "many.npz"
    np.savez(path, x=x, y=(x[:, 0] > x[:, 1] * x[:, 2]).astype(int))
    return path


EITHER_SECOND = (128 + signal.SIGINT, 128 + signal.SIGTERM)
"""How `send_both` may end a process: two threads may take the two signals, and then either is the second."""


def send_both(process: subprocess.Popen[Any]) -> None:
    """Ctrl-C and SIGTERM together: the process sleeps until both are there."""
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)


class Terminal:
    """The screen that a stream of bytes leaves: characters, line ends, wrapping, erased lines, another one."""

    CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[78=>]")

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self.cursor_shown = True
        self.other: tuple[list[str], int, int] | None = None  # the usual screen, while another is shown

    def feed(self, text: str) -> Terminal:
        """Take in what a process wrote."""
        at = 0
        while at < len(text):
            code = self.CODE.match(text, at)
            if code:
                self._obey(code[1] or "", code[2] or "")
                at = code.end()
            else:
                self._put(text[at])
                at += 1
        return self

    def _obey(self, number: str, letter: str) -> None:
        if letter == "A":
            self.row = max(0, self.row - int(number or 1))
        elif letter == "K":
            self.lines[self.row] = ""
        elif letter in "hl" and number == "?25":
            self.cursor_shown = letter == "h"
        elif letter in "hl" and number == "?1049":
            self._turn(to_other=letter == "h")
        elif letter == "H" and not number:
            self.row = self.column = 0
        elif (letter, number) == ("J", "2"):
            self.lines = [""] * (self.row + 1)
        else:
            assert letter == "m", f"a code that this terminal does not know: {number}{letter}"

    def _turn(self, to_other: bool) -> None:
        if to_other and self.other is None:
            self.other = self.lines, self.row, self.column
            self.lines, self.row, self.column = [""], 0, 0
        elif not to_other and self.other is not None:
            self.lines, self.row, self.column = self.other
            self.other = None

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
        elif letter == "\b":
            self.column = max(0, self.column - 1)
        elif letter == "\n":
            self._down()
        else:
            if self.column == self.width:
                self.column = 0
                self._down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    @property
    def text(self) -> str:
        """What is to be seen."""
        return "\n".join(line.rstrip() for line in self.lines)


class OnTerminal:
    """A process whose three streams are a terminal of a certain width, and its own: keys and signals come by it."""

    def __init__(self, command: Sequence[str], width: int, variables: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        self.resize(width)
        environment = os.environ | {"TERM": "xterm-256color"} | variables
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode  # a letter may come in two pieces
        self.written = self._unfinished = ""  # of a code, its beginning
        self.terminal = Terminal(width)

    def resize(self, width: int) -> None:
        """The window changes."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))

    def type(self, keys: str) -> None:
        """As a user would."""
        os.write(self.master, keys.encode())

    def modes(self) -> list[Any]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self.master)

    def read(self) -> bool:
        """Show what has been written; False at the end."""
        try:
            read = os.read(self.master, 65536)
        except OSError:  # nobody writes any more
            return False
        some = self._unfinished + self._decode(read)
        self._unfinished = re.search(r"(\x1b(\[[?\d;]*)?)?$", some)[0]  # type: ignore[index]
        some = some.removesuffix(self._unfinished)
        self.written += some
        self.terminal.feed(some)
        return bool(read)

    def wait_for(self, pattern: str) -> None:
        """Read until the screen shows it."""
        given_up = time.monotonic() + SECONDS
        while not re.search(pattern, self.terminal.text):
            ready, _, _ = select.select([self.master], [], [], max(0.0, given_up - time.monotonic()))
            assert ready and self.read(), f"{pattern!r} never came:\n{self.terminal.text}"

    def finish(self) -> int:
        """Read to the end; the exit code."""
        while self.read():
            pass
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """Leave nothing of its session behind, such as what runs in the background of a shell."""
        for pid in psutil.pids():
            with suppress(OSError):  # it has ended by now
                if os.getsid(pid) == self.process.pid:
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def on_terminal(here: Path) -> Iterator[Callable[..., OnTerminal]]:
    """on_terminal("train", width=80, NO_COLOR="1") starts a process on a pseudo-terminal.

    on_terminal("train", held_after=4) as `start` does; on_terminal(shell=True) is a shell there.
    """
    started: list[OnTerminal] = []

    def call(
        *arguments: str, width: int = 80, held_after: int | None = None, shell: bool = False, **variables: str
    ) -> OnTerminal:
        command = ["bash", "--norc", "--noediting", "-i"] if shell else [*_command(held_after), *arguments]
        started.append(OnTerminal(command, width, variables))
        return started[-1]

    yield call
    for screen in started:
        screen.close()
