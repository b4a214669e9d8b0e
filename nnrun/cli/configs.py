"""The command configs: the examples that come with nnrun, one technique a file, to look at, copy and change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nnrun.cli.common import Debug, Force, Json, explained, typed_path
from nnrun.cli.terminal.streams import content_result, json_result, result
from nnrun.installation import command, shipped

STDOUT = Path("-")
ANNOUNCED = "# check: "  # stands before what `nnrun check` finds in a config that shows a fault

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Which to copy; left out: list them all.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Left out: NAME.yaml here; - prints it.", parser=typed_path),
]


@explained
def configs(
    names: Names = None, output: Output = None, force: Force = False, json: Json = False, debug: Debug = False
) -> None:
    """List the configs that come with nnrun, or copy some here.

    Example:  nnrun configs digits
    """
    from nnrun.errors import UsageError

    if output is not None and len(names or []) != 1:
        raise UsageError("--output is for one config; name it: nnrun configs NAME --output FILE")
    if output == STDOUT and json:
        raise UsageError("--json and a config on stdout: only one of them")
    if not names:
        _list(json)
    elif output == STDOUT:
        content_result(_chosen(names[0]).read_text(encoding="utf-8"))
    else:
        _copy([_chosen(name) for name in dict.fromkeys(names)], output, force, json)


def examples() -> dict[str, Path]:
    """The files of the example configs by name."""
    return {path.stem: path for path in sorted((shipped() / "configs").glob("*.yaml"))}


def lesson(path: Path) -> str:
    """What a config shows, in its first line; an announcement may stand before it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if not line.startswith(ANNOUNCED)).removeprefix("# ")


def for_search(path: Path) -> bool:
    """Whether it is made for `nnrun search`."""
    return "\nsearch:" in path.read_text(encoding="utf-8")


def _list(json: bool) -> None:
    from nnrun.runs.telling import next_line
    from nnrun.text import columns

    lessons = {name: lesson(path) for name, path in examples().items()}
    if json:
        found = [{"name": name, "about": about} for name, about in lessons.items()]
        json_result({"schema_version": 1, "configs": found})
    else:
        result(*columns([["name", "about"], *map(list, lessons.items())]), "", next_line(command("configs", "digits")))


def _chosen(name: str) -> Path:
    """The file of an example; its name may have the suffix that the copy has."""
    from nnrun.errors import UsageError
    from nnrun.text import closest

    found, meant = examples(), name.removesuffix(".yaml")
    if meant in found:
        return found[meant]
    close = closest(meant.lower(), found)
    hint = f"did you mean {close}? " if close else ""
    raise UsageError(f"no config {name!r} comes with nnrun; {hint}`nnrun configs` lists them")


def _copy(chosen: Sequence[Path], output: Path | None, force: bool, json: bool) -> None:
    """Copy the examples that were chosen, or none where a file is in the way."""
    from nnrun.files import write_atomically
    from nnrun.models.output import check_free
    from nnrun.runs.telling import next_line

    copies = {output or Path(example.name): example for example in chosen}
    for path in copies:
        check_free(path, force)
    for path, example in copies.items():
        write_atomically(path, example.read_bytes())
    commands = [_use(path, example) for path, example in copies.items()]
    if json:
        files = [{"name": example.stem, "path": str(path)} for path, example in copies.items()]
        json_result({"schema_version": 1, "files": files, "next": commands})
    else:
        result(*(f"config   {path}" for path in copies), *map(next_line, commands))


def _use(path: Path, example: Path) -> str:
    return command("search" if for_search(example) else "train", str(path))
