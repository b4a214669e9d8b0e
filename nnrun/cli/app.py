"""The commands, each in the file of its name. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from copy import copy
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from nnrun.cli import (
    check,
    clean,
    compare,
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
from nnrun.installation import as_options, shipped

app = typer.Typer(
    name="nnrun",
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


class Taught(TyperCommand):
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


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nnrun {version('nnrun')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command()(init.init)
app.command(cls=Taught)(train.train)
app.command(cls=Taught)(search.search)
app.command(cls=Taught)(improve.improve)
app.command(cls=Taught)(retest.retest)
app.command()(ensemble.ensemble)
app.command(cls=Taught)(check.check)
app.command()(diagnose.diagnose)
app.command()(report.report)
app.command()(watch.watch)
app.command(cls=Taught)(nudge.nudge)
app.command()(pause.pause)
app.command(cls=Taught)(resume.resume)
app.command(cls=Taught)(rewind.rewind)
app.command()(rerun.rerun)
app.command()(stop.stop)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(split.split)
app.command()(export.export)
app.command("list")(list_.list_)
app.command()(show.show)
app.command()(compare.compare)
app.command()(tag.tag)
app.command()(note.note)
app.command()(rm.rm)
app.command()(clean.clean)
app.command()(configs.configs)
app.command()(schema.schema)


def parser_of(words: Sequence[str]) -> typer.Typer:
    """What takes these words: where the first is a command, that alone, as reading the options of all takes 30 ms."""
    found = copy(app)
    found.registered_commands = [each for each in app.registered_commands if _name(each) in words[:1]]
    return found if found.registered_commands else app


def _name(command: Any) -> str:
    return str(command.name or command.callback.__name__)
