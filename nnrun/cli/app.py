"""The commands, each in the file of its name. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

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
    stop,
    tag,
    train,
    watch,
)
from nnrun.cli import list as list_
from nnrun.installation import shipped

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
app.command()(train.train)
app.command()(search.search)
app.command()(improve.improve)
app.command()(retest.retest)
app.command()(ensemble.ensemble)
app.command()(check.check)
app.command()(diagnose.diagnose)
app.command()(report.report)
app.command()(watch.watch)
app.command()(nudge.nudge)
app.command()(pause.pause)
app.command()(resume.resume)
app.command()(rewind.rewind)
app.command()(rerun.rerun)
app.command()(stop.stop)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
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
