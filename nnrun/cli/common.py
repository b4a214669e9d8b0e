"""What the commands share: options, and how errors reach the user."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nnrun.errors import ConfigError, NnrunError

Command = TypeVar("Command", bound=Callable[..., None])

Runs = Annotated[Path, typer.Option("--runs", envvar="NNRUN_RUNS", metavar="DIR", help="Where the runs lie.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the config; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only the ending and errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also the resolved config and the environment.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

RUNS = Path("runs")


def say(*lines: str) -> None:
    """Print to stderr: everything but results."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def explained(command: Command) -> Command:
    """Turn what goes wrong into a message and an exit code; with --json into a JSON document."""

    @functools.wraps(command)
    def wrapper(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except (NnrunError, OSError) as error:
            _fail(error, getattr(error, "exit_code", 1), _words(error), options)
        except MemoryError as error:
            _fail(error, 1, "out of memory; a smaller network, batch or data set needs less", options)
        except (typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            _fail(error, 1, f"internal error, please report it: {type(error).__name__}: {error}", options)

    return wrapper  # type: ignore[return-value]


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _fail(error: Exception, code: int, message: str, options: dict[str, Any]) -> None:
    if options.get("debug"):
        traceback.print_exception(error)
    if options.get("json"):
        from nnrun.files import to_json

        problems = error.problems if isinstance(error, ConfigError) else [message]
        print(to_json({"schema_version": 1, "error": {"exit_code": code, "problems": problems}}, indent=2))
    else:
        say(*(f"nnrun: {line}" if not isinstance(error, ConfigError) else line for line in message.split("\n")))
    raise typer.Exit(code)
