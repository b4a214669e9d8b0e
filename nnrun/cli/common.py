"""What the commands share: options, and how errors reach the user."""

from __future__ import annotations

import functools
import inspect
import math
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nnrun import installation
from nnrun.cli import completing
from nnrun.cli.terminal.streams import content_result, fail_in_json, hushed, refuse_nowhere, say
from nnrun.errors import ConfigError, DataError, NnrunError, UsageError, system_words, without_password
from nnrun.machine import threads
from nnrun.text import counted, shortened, typed_number

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.models.drift.comparing import Drift


class Failure(StrEnum):
    """What makes a command end with GATE_FAILED though it has done its work."""

    DRIFT = "drift"


Command = TypeVar("Command", bound=Callable[..., None])
Next = TypeVar("Next")  # a command to type, as a line or in words

ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG", help="YAML file; left out: ./nnrun.yaml, else ./config.yaml, else the bundled digits example."
    ),
]


def typed_path(text: str | Path) -> Path:
    """A path as a shell would have expanded it."""
    try:
        return Path(installation.expanded(str(text)))
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error


A_RUN = "Path, id, short name such as a3f2, latest, or @1 for the one before it."
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help=A_RUN, autocompletion=completing.runs)]
WhichRun = RunArgument  # where it has no default
SeveralRuns = Annotated[list[str], typer.Argument(metavar="RUN...", help=A_RUN, autocompletion=completing.runs)]
Runs = Annotated[
    Path,
    typer.Option(
        "--runs",
        envvar=installation.RUNS_VARIABLE,
        metavar="DIR",
        help="Where the runs lie.",
        parser=typed_path,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config; repeatable.",
        autocompletion=completing.settings,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        envvar=threads.OURS,
        metavar="N",
        min=1,
        max=threads.MOST,
        help="Cores that large work may use; left out: all. Results stay the same to the bit.",
        callback=lambda count: count and threads.use(count),
        show_default=False,
    ),
]
Cost = Annotated[
    list[str] | None,
    typer.Option(
        "--cost",
        metavar="CLASS=COST",
        help="What it costs to take a row of a class for the other (1 where nothing is said): tells the cheapest "
        "threshold between two classes, on dev; repeatable.",
        show_default=False,
    ),
]
FailOn = Annotated[
    Failure | None,
    typer.Option(
        "--fail-on",
        metavar="drift",
        help="Exit with 6 if the rows of DATA are not like those of training.",
        show_default=False,
    ),
]
TableFile = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="A .csv or .parquet file; left out, CSV on stdout.",
        parser=installation.expanded,
    ),
]
OpenPage = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only the result and errors.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also the environment, and the resolved config where there is one.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

RUNS = installation.RUNS
STDOUT = "-"  # in place of a file
CONFIGS = ("nnrun.yaml", "config.yaml")  # looked for in the current directory
GATE_FAILED = 6  # of those that a command was asked to hold
LONGEST = 4_000  # characters of a message; a name or a path may be made of more
PIPE_CLOSED = 141  # as the shell reports a process that SIGPIPE ended


def everywhere(quiet: Quiet = False, verbose: Verbose = False) -> None:
    """The options that every command has, be it that its function takes them or that `explained` answers them."""


def explained(command: Command) -> Command:
    """Turn what goes wrong into a message and an exit code; with --json into a JSON document.

    Of -q and -v, what the function does not take itself is done here.
    """
    own = inspect.signature(command).parameters

    @functools.wraps(command)
    def wrapper(*args: Any, **options: Any) -> None:
        left = {name: value for name, value in options.items() if name not in own}
        try:
            if options.get("json"):
                refuse_nowhere()
            if left.get("verbose"):
                _tell_surroundings(options)
            with hushed(left.get("quiet", False)):
                command(*args, **{name: value for name, value in options.items() if name in own})
        except BrokenPipeError:
            raise typer.Exit(PIPE_CLOSED) from None
        except (NnrunError, OSError) as error:
            _fail(error, getattr(error, "exit_code", 1), _words(error), options)
        except MemoryError as error:
            _fail(error, 1, "out of memory; a smaller network, batch or data set needs less", options)
        except (typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            _fail(error, 1, f"internal error, please report it with what --debug shows: {what}", options)

    return wrapper  # type: ignore[return-value]


def _tell_surroundings(options: Mapping[str, Any]) -> None:
    """What -v adds, on the run that is named, else on this process alone; that a run is missing the command says."""
    from nnrun.runs.environment import surroundings
    from nnrun.runs.finding import find_run

    run = None
    if "run" in options:
        with suppress(NnrunError, OSError):
            run = find_run(options["runs"], options["run"])
    say(*surroundings(run))


def _words(error: Exception) -> str:
    return system_words(error) if isinstance(error, OSError) else str(error)


def _fail(error: Exception, code: int, message: str, options: dict[str, Any]) -> None:
    if options.get("debug"):
        say(*"".join(traceback.format_exception(error)).rstrip().split("\n"))
    problems = [shortened(line, LONGEST) for line in _problems(error, without_password(message))]
    if not options.get("json") or not fail_in_json(code, problems):
        # What begins with a file and a line stays so, for editors that jump there.
        prefix = "" if isinstance(error, (ConfigError, DataError)) else "nnrun: "
        say(*(prefix + line for line in problems))
    raise typer.Exit(code)


def _problems(error: Exception, message: str) -> list[str]:
    """A line each; what comes from data has no lines of its own."""
    if isinstance(error, ConfigError):
        return error.problems
    return message.split("\n") if isinstance(error, UsageError) else [message]


def unless_enough(commands: Iterable[Next], quiet: bool, status: str) -> Iterable[Next]:
    """The commands to type next; none where the result is enough, as with -q of what is done."""
    return [] if quiet and status == "done" else commands


def tell_drift(drift: Drift | None, quiet: bool, fail_on: Failure | None) -> None:
    """What new rows are unlike those of training in, on stderr; ends the command where that is asked for."""
    from nnrun.models.drift.telling import drift_lines

    found = drift.document if drift else None
    if found and not quiet:
        say(*drift_lines(found))
    if found and found["found"] and fail_on:
        say("nnrun: the rows are not like those of training, which --fail-on drift forbids")
        raise typer.Exit(GATE_FAILED)
    if found and fail_on and found["rows"] < found["needs"]:
        rows = f"{counted(found['rows'], 'row')} cannot be told to differ from those of training, whatever they hold"
        say(f"nnrun: {rows}; --fail-on drift needs {found['needs']} at least")


def table_file(output: str, force: bool, json: bool, what: str, example: str) -> Path | None:
    """The file that a table goes to, None: to stdout; UsageError or OSError for one that it cannot go to."""
    from nnrun.models.output import check_output

    path = None if output == STDOUT else Path(output)
    if json and path is None:
        raise UsageError(f"--json prints one document on stdout, so the {what} need a file: -o {example}")
    if path:
        check_output(path, force)
    else:
        refuse_nowhere()
    return path


def write_table(path: Path | None, frames: Iterable[pd.DataFrame], force: bool) -> None:
    """Into the file, whole or not at all, or piece by piece to stdout."""
    from nnrun.models.output import write_file, write_text

    if path:
        write_file(path, frames, force)
    else:
        write_text(content_result, frames)


def fraction(option: str, text: str) -> float:
    """`0.15` or `15%` as 0.15; UsageError for anything else, and for what could be meant either way."""
    typed = typed_number(text)
    if typed is None:
        raise UsageError(f"{option} {text}: not a number; write 0.15 or 15%")
    value, scale = typed
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{option} {text}: an error lies between 0 and 100%")
    if value > 100 == scale:
        raise UsageError(f"{option} {text}: an error is at most 100%")
    if value >= scale == 1:
        raise UsageError(
            f"{option} {text}: {_question(text.strip(), value)} Write a fraction below 1, or the per-cent sign"
        )
    return value / scale


def _question(number: str, value: float) -> str:
    """Which was meant."""
    if value > 100:
        return "an error is at most 100%."
    return "did you mean 1% or 100%?" if value == 1 else f"did you mean {number}%?"


def default_config(quiet: bool) -> Path:
    """A config in the current directory, else the bundled one; says which."""
    found = next((Path(name) for name in CONFIGS if Path(name).is_file()), None)
    if found is None:
        from nnrun.config.load import EXAMPLE

        found = EXAMPLE
        words = "the bundled digits example (no nnrun.yaml or config.yaml here)"
    else:
        words = str(found)
    if not quiet:
        say(f"config   {words}")
    return found
