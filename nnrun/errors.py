"""The errors a user can cause, each with the exit code that the command line returns for it."""

from __future__ import annotations

import copyreg
import os
import re
from collections.abc import Callable, Sequence

MOST, LONGEST = 100, 1000  # problems of a config that are told, and characters of each
_PASSWORD = re.compile(r"(?<=://)(?:[^\s/:@]*:\S+|[^\s/]+)(?=@)")  # one may hold a / as it is


def without_password(text: str) -> str:
    """The text with *** in the place of who is named in front of the host of an address, user:password."""
    return _PASSWORD.sub("***", text)


class NnrunError(Exception):
    """Something went wrong that a message can explain; the command line prints it without a traceback."""

    exit_code = 1

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        """How it leaves for another process: as it stands, since what its class makes of its text is no text for it."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class UsageError(NnrunError):
    """The command was called with arguments that cannot be carried out."""

    exit_code = 2


class ShortageError(NnrunError):
    """The system has no more of something, as of processes: it ends what trains, which goes on when there is more."""


def system_words(error: OSError) -> str:
    """What the system says of a file, behind its name."""
    if not error.strerror:
        return str(error)
    if isinstance(error, FileNotFoundError) and not error.filename and _is_nowhere():
        return "the current folder was removed; change to one that is there"
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _is_nowhere() -> bool:
    """Whether the current folder is gone, the one missing file that has no name."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False


def library_words(error: BaseException) -> str:
    """What a library says of a file that it cannot read, in a line."""
    return (str(error).splitlines() or ["it is damaged"])[0].rstrip(".")


def refuse_for(what: str, **options: object) -> None:
    """UsageError if one of these is given, which has no meaning for what is asked for."""
    if given := [name.replace("_", "-") for name, value in options.items() if value not in (None, [], (), False)]:
        name = {"any-bits": "allow-different-bits"}.get(given[0], given[0])
        raise UsageError(f"--{name} has no meaning for {what}")


class ConfigError(NnrunError):
    """The configuration is invalid; holds the problems found, one line each: the first of very many, cut where long.

    `more` are those that were not put into words.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[str], more: int = 0) -> None:
        self.problems = [line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in problems[:MOST]]
        if untold := max(0, len(problems) - MOST) + more:
            self.problems.append(f"… and {untold:,} more")
        super().__init__("\n".join(self.problems))


class MisfitError(ConfigError):
    """A value of the configuration that does not fit the data or the machine; `path` names it."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        self.path, self.message = path, message
        super().__init__([f"{'.'.join(map(str, path))}: {message}"])


class StoppedError(NnrunError):
    """A signal came before there was anything to keep; whoever caught it may set the exit code that belongs to it."""

    exit_code = 130


class DataError(NnrunError):
    """The data is missing, malformed or unfit for the task; `key` names the configuration's value that led there."""

    exit_code = 4

    def __init__(self, message: str, key: tuple[str | int, ...] = ()) -> None:
        self.key = key
        super().__init__(message)


class DataWarning(UserWarning):
    """New rows are not what training was told of, so that their predictions may be wrong; `run.predict` warns so."""
