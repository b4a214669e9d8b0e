"""The command init: from a stranger's table to a first config."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing
from nnrun.cli.common import Debug, Force, Json, Quiet, explained, typed_path
from nnrun.cli.terminal.streams import content_result, json_result, refuse_nowhere, result, say
from nnrun.installation import command

if TYPE_CHECKING:
    from nnrun.insight.scaffold.verbs import Scaffold, Wishes


CONFIG, STDOUT = Path("config.yaml"), Path("-")

Part = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with the rows of this part.")]
Metric = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What is to be good; left out: the error.", autocompletion=completing.metrics),
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="FILE", help="Where the config goes; - prints it.", parser=typed_path)
]


@explained
def init(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A file with a table, or a bundled name; left out: list these.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="What is to be predicted.")] = None,
    dev: Part = None,
    test: Part = None,
    output: Output = CONFIG,
    task: Annotated[
        str, typer.Option(metavar="TASK", help="What the target is: auto, classification or regression.")
    ] = "auto",
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="Split by it: the newest rows test.")] = None,
    group: Annotated[str | None, typer.Option(metavar="COLUMN", help="Keep rows of equal values in one part.")] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Leave it out; repeatable.")] = None,
    metric: Metric = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a workbook; else the first that holds cells.")
    ] = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look at a table and write a config for it, with reasons.

    Example:  nnrun init customers.csv --target churned
    """
    if data is None:
        _refuse(target=target, dev=dev, test=test, time=time, group=group, drop=drop, metric=metric, sheet=sheet)
        _list(json)
        return
    from nnrun.insight.scaffold.verbs import check_source, wishes
    from nnrun.models.output import check_spares

    source = _source(data, dev, test)
    check_source(source)
    if output != STDOUT:
        check_spares(output, [Path(data), *filter(None, (dev, test))])
        _check_free(output, force)
    else:
        refuse_nowhere()
    _init(source, wishes(target, task, time, group, tuple(drop or ()), metric, sheet), output, json, quiet)


def _init(source: str | dict[str, str], said: Wishes, output: Path, json: bool, quiet: bool) -> None:
    from nnrun.insight.scaffold.verbs import scaffold

    found = scaffold(source, said, CONFIG if output == STDOUT else output)
    if output != STDOUT:
        _write(output, found.text, quiet or json)
    if json:
        _print_json(found, output)
    elif output == STDOUT:
        content_result(found.text)
    elif not quiet:
        result(*_lines(found, output))


def _refuse(**options: object) -> None:
    from nnrun.errors import UsageError

    if given := [name for name, value in options.items() if value is not None]:
        raise UsageError(f"--{given[0]} of which data? Name a file: nnrun init DATA --{given[0]} …")


def _source(data: str, dev: Path | None, test: Path | None) -> str | dict[str, str]:
    from nnrun.errors import UsageError

    if dev is None and test is None:
        return data
    if dev is None:
        raise UsageError("--test without --dev; a file for each part needs both, or DATA alone, which is then split")
    return {"train": data, "dev": str(dev), **({} if test is None else {"test": str(test)})}


def _check_free(output: Path, force: bool) -> None:
    """Before anything is read, as reading may take a while."""
    from nnrun.errors import UsageError

    if output.is_dir():
        raise UsageError(f"{output}: is a folder; name a file in it: -o {output / CONFIG}")
    if (output.exists() or output.is_symlink()) and not force:
        raise UsageError(
            f"{output}: exists and is not overwritten; name another file with -o, - to print, or --force to replace it"
        )
    if not output.parent.is_dir():
        raise UsageError(f"{output}: there is no folder {output.parent}")


def _write(output: Path, text: str, quiet: bool) -> None:
    """The config, and beside it the schema that its first line points to, which only editors need."""
    from nnrun.config.reference import is_schema, json_schema
    from nnrun.errors import UsageError
    from nnrun.files import to_json, write_atomically
    from nnrun.insight.scaffold.verbs import SCHEMA

    try:
        write_atomically(output, text.encode())
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror}); name another file with -o") from None
    schema = output.with_name(SCHEMA)
    try:
        if not schema.exists():
            write_atomically(schema, f"{to_json(json_schema(), indent=2)}\n".encode())
        elif not quiet and not is_schema(schema.read_bytes()):
            say(f"note     {schema} is not of this version; `{command('schema')} > {quote(str(schema))}` renews it")
    except OSError as error:
        say(f"note     {schema}: cannot be written ({error.strerror}); the config works without it")


def _lines(found: Scaffold, output: Path) -> list[str]:
    """What was found out, what was written, what to type next."""
    from nnrun.insight.scaffold.verbs import SCHEMA, told
    from nnrun.runs.telling import next_line
    from nnrun.text import wrapped

    lines = [line for head, text in told(found.overview, found.choices) for line in wrapped(text, f"{head:<9}")]
    written = f"config   {output}, for editors {output.with_name(SCHEMA)}"
    return [*lines, "", written, *map(next_line, found.commands)]


def _print_json(found: Scaffold, output: Path) -> None:
    overview = asdict(found.overview)
    choices = {key: asdict(choice) for key, choice in found.choices.items()}
    written = {"path": None if output == STDOUT else str(output), "config": found.text, "next": found.commands}
    json_result({"schema_version": 1, **written, **overview, "choices": choices})


def _list(json: bool) -> None:
    """The bundled data sets."""
    from nnrun.insight.scaffold.verbs import Bundled, bundled
    from nnrun.runs.telling import next_line
    from nnrun.text import columns

    found = list(bundled())
    if json:
        json_result({"schema_version": 1, "data": [entry._asdict() for entry in found]})
        return
    result(*columns([list(Bundled._fields), *(list(map(str, entry)) for entry in found)], right=(1, 2)))
    result("", next_line(command("init", "digits")), "or, with a table of your own: nnrun init FILE --target COLUMN")
