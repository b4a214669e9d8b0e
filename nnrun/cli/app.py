"""The commands, each in the file of its name. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from nnrun import __version__
from nnrun.cli import (
    check,
    clean,
    compare,
    completing,
    configs,
    diagnose,
    ensemble,
    evaluate,
    export,
    improve,
    init,
    note,
    nudge,
    pause,
    predict,
    report,
    rerun,
    resume,
    retest,
    rewind,
    rm,
    schema,
    search,
    show,
    split,
    stop,
    tag,
    train,
    watch,
)
from nnrun.cli import list as list_
from nnrun.cli.common import PIPE_CLOSED, everywhere
from nnrun.cli.terminal.streams import begin_call, fail_in_json, give_up
from nnrun.errors import UsageError
from nnrun.installation import NAME, as_options, command, shipped

INSTALL, SHOW = "--install-completion", "--show-completion"  # of typer


def _refuse_without_home() -> None:
    """UsageError where no shell reads anything of this user's."""
    try:
        Path.home()
    except RuntimeError:
        raise UsageError(
            f"{INSTALL}: this user has no home here, and HOME names none; {SHOW} prints what would be installed"
        ) from None


@cache
def _shared() -> list[Any]:
    """The options of `everywhere`, as typer reads them."""
    holder = typer.Typer(add_completion=False)
    holder.command()(everywhere)
    return list(typer.main.get_command(holder).params)


@contextmanager
def _documented(typed: Sequence[str]) -> Iterator[None]:
    """A call begins; what its words are wrong in, as a document where it asks for one.

    Help, and what else is printed while they are read, may have lost its reader.
    """
    begin_call()
    try:
        yield
    except BrokenPipeError:
        give_up(sys.stdout)
        raise typer.Exit(PIPE_CLOSED) from None
    except Exception as error:
        message = getattr(error, "format_message", None)  # of what the parser finds, which has classes of its own
        code = getattr(error, "exit_code", 1)
        if message is None or "--json" not in typed or not fail_in_json(code, [message()]):
            raise
        raise typer.Exit(code) from None


class Commands(TyperGroup):
    """All commands."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """What the words before a command mean; what completes is the program, whatever it is called by here."""
        if args[:1] == [INSTALL]:
            _refuse_without_home()
        name = NAME if args[:1] in ([INSTALL], [SHOW]) else info_name
        with _documented(list(args)):
            return super().make_context(name, args, parent, **extra)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The one that is meant."""
        with _documented(args):
            return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """A command with the options that all have; those that its function does not take are answered by `explained`."""

    def __init__(self, *args: Any, params: list[Any], **rest: Any) -> None:
        own = {parameter.name for parameter in params}
        missing = [option for option in _shared() if option.name not in own]
        super().__init__(*args, params=[*params[:-1], *missing, *params[-1:]], **rest)  # --debug stays the last

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """What the words mean."""
        with _documented(list(args)):
            return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Each with the names that it takes, of tables that nothing but help loads."""
        told = copy(self)
        told.params = [with_names(option) for option in self.params]
        TyperCommand.format_options(told, ctx, formatter)


def with_names(option: Any) -> Any:
    """An option, in its help the names of the table that it takes one of."""
    told = copy(option)
    told.help = f"{option.help or ''}{completing.in_words(option.name)}"
    return told


app = typer.Typer(
    name="nnrun",
    cls=Commands,
    help="Train neural networks described in YAML, understand them, and repeat them bit for bit.",
    epilog="\b\nStart with:\n  nnrun init table.csv       a config for a table of your own\n"
    "  nnrun train                a bundled example\n  nnrun train config.yaml    your own\n"
    "  nnrun list                 what came of it\n"
    "  nnrun configs              more examples, one technique each\n\n"
    f"\b\nThe documentation, in Markdown:\n  {shipped() / 'README.md'}",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Taught(Command):
    """A command that takes `--set`, and answers a key which was typed as an option with the setting for it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual; what is wrong with an option is known by its name."""
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if isinstance(option, str) and hasattr(error, "possibilities"):
                self._teach(error, option, typed)
            raise

    def _teach(self, error: Any, option: str, typed: list[str]) -> None:
        from nnrun.config.load import setting_for

        at = next((k for k, word in enumerate(typed) if word.partition("=")[0] == option), None)
        if at is None or not option.startswith("--"):
            return
        _, given, value = typed[at].partition("=")
        after = typed[at + 1] if at + 1 < len(typed) and not typed[at + 1].startswith("--") else None
        if setting := setting_for(option, value if given else after):
            error.message += f"; a key of the config is set by {shlex.join(as_options([setting]))}"
            error.possibilities = None


class Predicting(Command):
    """The command predict, which tells what was typed in the place of a run that the run comes first."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual; rows that are named alone are no run."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if getattr(getattr(error, "param", None), "name", None) == "data":
                _tell_what_is_first(error, ctx.params.get("run"))
            raise


def _tell_what_is_first(error: Any, typed: str | None) -> None:
    with suppress(OSError):  # such as a name that is too long
        if typed == "-" or (typed and Path(typed).is_file()):
            error.message = f"The run comes first: {command('predict', 'latest', typed)}"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nnrun {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command(cls=Command)(init.init)
app.command(cls=Taught)(train.train)
app.command(cls=Taught)(search.search)
app.command(cls=Taught)(improve.improve)
app.command(cls=Taught)(retest.retest)
app.command(cls=Command)(ensemble.ensemble)
app.command(cls=Taught)(check.check)
app.command(cls=Command)(diagnose.diagnose)
app.command(cls=Command)(report.report)
app.command(cls=Command)(watch.watch)
app.command(cls=Taught)(nudge.nudge)
app.command(cls=Command)(pause.pause)
app.command(cls=Taught)(resume.resume)
app.command(cls=Taught)(rewind.rewind)
app.command(cls=Command)(rerun.rerun)
app.command(cls=Command)(stop.stop)
app.command(cls=Command)(evaluate.evaluate)
app.command(cls=Predicting)(predict.predict)
app.command(cls=Command)(split.split)
app.command(cls=Command)(export.export)
app.command("list", cls=Command)(list_.list_)
app.command(cls=Command)(show.show)
app.command(cls=Command)(compare.compare)
app.command(cls=Command)(tag.tag)
app.command(cls=Command)(note.note)
app.command(cls=Command)(rm.rm)
app.command(cls=Command)(clean.clean)
app.command(cls=Command)(configs.configs)
app.command(cls=Command)(schema.schema)


def parser_of(words: Sequence[str]) -> typer.Typer:
    """What takes these words: where the first is a command, that alone, as reading the options of all takes 30 ms."""
    found = copy(app)
    found.registered_commands = [each for each in app.registered_commands if _name(each) in words[:1]]
    return found if found.registered_commands else app


def _name(command: Any) -> str:
    return str(command.name or command.callback.__name__)
