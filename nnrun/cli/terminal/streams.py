"""stdout and stderr as they come: with any encoding, into a pipe that closes, onto a full disk, or not there at all.

What matters of a line is coloured for whoever reads it: a judgement, a fault, the best row, what to type next.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, TextIO

from nnrun.text import on_screen

BOLD, GREEN, YELLOW, RED = "1", "1;32", "1;33", "1;31"
WORDS = {"high": RED, "unclear": YELLOW, "low": GREEN, "fail": RED, "warn": YELLOW, "pass": GREEN, "symptom": YELLOW,
         "failed": RED, "diverged": RED, "interrupted": YELLOW}  # fmt: skip

PLAIN = {"–": "-", "−": "-", "·": "-", "×": "x", "…": "...", "²": "^2", "β": "beta", "λ": "lambda", "√": "sqrt",
         "▁": "1", "▂": "2", "▃": "3", "▄": "4", "▅": "5", "▆": "6", "▇": "7", "█": "8", "‖": "||",
         "≥": ">=", "≤": "<=", "→": "->", "━": "-", "╸": " ", "╺": " ",
         "├": "|", "└": "`", "│": "|", "─": "-"}  # fmt: skip


class Rule(NamedTuple):
    """What is coloured where a line is as `pattern`: its only group, as that word has it, or else `style`."""

    pattern: re.Pattern[str]
    style: str | None = None


BESIDE = ("next     ", "note     ")  # heads of lines that are no results
FAULT = "nnrun: "  # before what goes wrong
_QUIET: ContextVar[bool] = ContextVar("_QUIET", default=False)
_TOLD_IN_JSON: ContextVar[bool] = ContextVar("_TOLD_IN_JSON", default=False)  # by the call that goes on
_GIVEN_UP: list[TextIO] = []

RULES = (
    Rule(re.compile(r"^(next {5}.*)"), BOLD),
    Rule(re.compile(r"^(.* best)$"), BOLD),  # of epochs
    Rule(re.compile(r"[+-][0-9.]+ points .*\b(high|low|unclear)$")),  # a gap
    Rule(re.compile(r"^(pass|warn|fail|symptom|failed|diverged|interrupted) ")),
    Rule(re.compile(r" {2}(failed|diverged|interrupted)(?= {2}|$)")),  # a cell of a table
)


def painted(line: str) -> str:
    """A line with its colour, by the first rule that it is like."""
    for rule in RULES:
        if found := rule.pattern.search(line):
            start, end = found.span(1)
            style = rule.style or WORDS[found[1]]
            return f"{line[:start]}\x1b[{style}m{found[1]}\x1b[0m{line[end:]}"
    return line


def prepare() -> None:
    """Make both streams safe to print any text to."""
    codecs.register_error("nnrun.plain", _in_plain)
    is_closed = sys.stdout is None
    sys.stdout, sys.stderr = _safe(sys.stdout), _safe(sys.stderr)
    if is_closed:
        _GIVEN_UP.append(sys.stdout)


def begin_call() -> None:
    """What is called has printed no document yet."""
    _TOLD_IN_JSON.set(False)


@contextmanager
def hushed(wanted: bool) -> Iterator[None]:
    """What -q leaves: on stdout no notes and nothing to type next, on stderr only what goes wrong."""
    before = _QUIET.set(wanted)
    try:
        yield
    finally:
        _QUIET.reset(before)


def _results(lines: Iterable[str]) -> Iterator[str]:
    """The lines that are neither a note or a command to type next, nor go on with one."""
    beside = False
    for line in lines:
        beside = line.startswith(BESIDE) or (beside and line.startswith(" " * len(BESIDE[0])))
        if not beside:
            yield line


def say(*lines: str) -> None:
    """Print to stderr: everything but results. A run does not end because nobody reads about it any more."""
    if _QUIET.get():
        lines = tuple(line for line in lines if line.startswith(FAULT))
    try:
        for line in lines:
            print(on_screen(line), file=sys.stderr, flush=True)
    except OSError:
        give_up(sys.stderr)


def say_at_once(text: str) -> None:
    """Write to stderr past Python's buffer, which a signal may have caught in the middle of a write."""
    with suppress(OSError):
        os.write(sys.stderr.fileno(), text.encode())


def in_terminal_letters(line: str) -> str:
    """A line as `say` has it, in the letters that the encoding of stderr has; for what is drawn by other means."""
    encoding, line = sys.stderr.encoding or "utf-8", on_screen(line)
    return line.encode(encoding, sys.stderr.errors or "replace").decode(encoding)


def ascii_only(stream: TextIO | None = None) -> bool:
    """Whether stdout, or another stream, takes no more than ASCII for sure, as its encoding is not UTF-8."""
    return ((stream or sys.stdout).encoding or "").lower().replace("-", "") != "utf8"


def result(*lines: str, paint: Callable[[str], str] = painted) -> None:
    """Print lines to stdout; `paint` puts colours to what is safe to be shown, where they are welcome."""
    if _QUIET.get():
        lines = tuple(_results(lines))
    coloured = paint if colours_welcome() else str
    _print(*(coloured(on_screen(line)) for line in lines))


def colours_welcome() -> bool:
    """Whether stdout is a terminal that shows colours to somebody who wants them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _print(*lines: str) -> None:
    """At once, so that an OSError is raised here and not when Python exits."""
    with _named():
        print(*lines, sep="\n", flush=True)


@contextmanager
def _named() -> Iterator[None]:
    """An OSError of stdout says so, as it is no file of the run that was trained, which is kept."""
    try:
        yield
    except OSError as error:
        give_up(sys.stdout)
        error.filename = "stdout"
        raise


def refuse_nowhere() -> None:
    """OSError where stdout was closed or is lost: what is printed for a program is the whole result of the call.

    Asked before the work as well, which would be done for nobody.
    """
    if is_given_up(sys.stdout):
        raise OSError(errno.EBADF, "stdout is closed")


def content_result(content: str | bytes) -> None:
    """Print the content of a file to stdout as it would stand on the disk, UTF-8 whatever the terminal speaks.

    A terminal itself is shown it as all else. OSError where there is no stdout.
    """
    refuse_nowhere()
    if sys.stdout.isatty():
        text = content if isinstance(content, str) else content.decode(errors="replace")
        result(*text.removesuffix("\n").split("\n"), paint=str)
        return
    with _named():
        sys.stdout.flush()
        sys.stdout.buffer.write(content.encode() if isinstance(content, str) else content)
        sys.stdout.buffer.flush()


def csv_result(text: str) -> None:
    """Print a table for other programs, names as they are; to a terminal as all else. OSError without a stdout."""
    refuse_nowhere()
    if sys.stdout.isatty():
        result(*text.split("\n"), paint=str)
    else:
        _print(text)


def json_result(value: Any) -> None:
    """Print one JSON document to stdout, in ASCII where the encoding demands it. OSError where there is no stdout."""
    import json

    from nnrun.files import to_json

    refuse_nowhere()
    text = to_json(value, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    _TOLD_IN_JSON.set(True)  # before it is, as a document that was broken off must have no other behind it
    _print(*map(_escaped, text.split("\n")))


def fail_in_json(code: int, problems: Sequence[str]) -> bool:
    """The one document that `--json` prints, of a call that failed; False where it printed one, or stdout is lost."""
    if _TOLD_IN_JSON.get():
        return False
    with suppress(OSError):
        json_result({"schema_version": 1, "error": {"exit_code": code, "problems": list(problems)}})
    return not is_given_up(sys.stdout)


def _escaped(line: str) -> str:
    """A line of JSON in which no letter is left that a terminal would obey."""
    import json

    shown = (letter if on_screen(letter) == letter else json.dumps(letter)[1:-1] for letter in line)
    return line if line.isprintable() else "".join(shown)


def _safe(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by whoever started the process
        return open(os.devnull, "w")  # noqa: PTH123  open as long as the process lives
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="nnrun.plain")
    return stream


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """What stands in for characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    escaped = (PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in lacking)
    return "".join(escaped), error.end


def give_up(stream: TextIO) -> None:
    """Send what is left, and all that follows, to nowhere; Python would complain about it when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    _GIVEN_UP.append(stream)


def is_given_up(stream: TextIO) -> bool:
    """Whether what is printed there is lost."""
    return stream in _GIVEN_UP
