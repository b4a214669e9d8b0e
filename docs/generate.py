"""Prints docs/reference.md, worked out from the code.

python docs/generate.py > docs/reference.md
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import typer

import nnrun
from nnrun import errors
from nnrun.cli.app import app
from nnrun.config.reference import Row, reference_rows

HEAD = """\
# Reference

Generated from the code by `python docs/generate.py > docs/reference.md`. What the keys do, with formulas:
[techniques.md](techniques.md)."""

KEYS = """\
## The YAML file

Every section and key may be left out, but an empty file is an error. So are unknown keys, duplicate keys and values of
the wrong type, each reported with file, line and column. Numbers follow YAML 1.2: `1e-3` is a number. Paths in a file
are relative to the file, paths in `--set` to the current directory. `init` and `schedule` take a name, or a mapping of
the name and the options listed below it. The section `search` is accepted and ignored: no command of this version
reads it. `nnrun schema` prints the same definitions as JSON Schema, with which editors complete and check a file."""

COMMANDS = """\
## Commands

RUN is a path, an id, the beginning of an id, or `latest` (the default). Results go to stdout, everything else to
stderr. On a terminal training shows a live table, elsewhere one line an epoch."""

CODES = {
    0: "Success.",
    1: "An unexpected error; `--debug` shows where.",
    5: "Training met numbers that are not finite; the run says in which epoch, step and layer.",
    130: "Interrupted by Ctrl-C; `nnrun resume` continues at the last whole epoch.",
    141: "The reader of stdout went away (`nnrun list | head`).",
    143: "Interrupted by SIGTERM; the same.",
}

FILES = {
    "config.yaml": "the config as it was given, byte for byte",
    "resolved.yaml": "the config with every default filled in and absolute paths; `nnrun train` takes it as well",
    "run.json": "status, command line, times, versions, BLAS kernel, git commit, data hashes and row counts, parent "
    "run, best epoch, final losses and errors",
    "data.json": "features, means, deviations, vocabularies, classes, and the split as rule, seed, sizes and hash",
    "metrics.jsonl": "one JSON object an epoch",
    "events.jsonl": "started, resumed, stopped early, done, interrupted, diverged, with times",
    "log.txt": "what the screen showed",
    "checkpoints/best.safetensors": "parameters of the epoch with the lowest dev error (or loss, `metrics.primary`)",
    "checkpoints/best.json": "which epoch that is, and its scores",
    "checkpoints/last.safetensors": "all that training continues from: parameters, running averages, optimizer state",
    "checkpoints/last.json": "epoch and step, name of the optimizer, counters of early stopping",
    "run.lock": "held by the process that trains the run",
}

METRICS = {
    "epoch": "number of the epoch, from 1",
    "step": "steps since the beginning of the run",
    "learning_rate": "rate of the epoch's last step",
    "train_loss, dev_loss": "mean loss, dropout off",
    "cost": "train_loss and the penalties of L1 and L2, m = batch size",
    "train_error, dev_error": "share of wrong classes; for a regression 1 − R²",
    "train_rmse, dev_rmse": "regression only: root of the mean squared error in the target's own unit",
    "layers": "with `training.layer_statistics`: for each layer output_std, dead (share of units that are always 0), "
    "gradient_norm",
    "seconds": "time the epoch took",
}

RUN_DIRECTORY = """\
## A run directory

`runs/<date>-<time>-<name>-<4 hex digits>/`, complete in itself: it can be copied elsewhere. Files are replaced as a
whole, so a reader never meets half of one; a torn last line of a `.jsonl` file is ignored. Numbers that are not
finite are null. Nothing is pickled. `runs/.cache` holds prepared data and may be deleted."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; a bar inside a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """In backquotes, if there is anything."""
    return f"`{text}`" if text else ""


def key_tables() -> Iterator[str]:
    """A table for each section of the file; the keys without a section come first."""
    sections: dict[str, list[Row]] = {}
    for row in reference_rows():
        sections.setdefault(row.key.split(".")[0] if "." in row.key else "", []).append(row)
    for section, rows in sections.items():
        if section:
            yield f"### {section}"
        yield table(["key", "type", "range", "default", "meaning"], map(key_row, rows))


def key_row(row: Row) -> list[str]:
    """Options of a table entry name the entry they belong to."""
    key = code(row.key) + (f" ({code(row.applies)})" if row.applies else "")
    default = row.default if row.default == "required" else code(row.default)
    return [key, row.type, row.range, default, row.help]


def commands() -> Iterator[str]:
    """Each command: what it does, its example, its options."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        summary, _, example = inspect.cleandoc(command.help).partition("Example:")
        yield f"### nnrun {name}"
        yield " ".join(summary.split())
        if example:
            yield f"```sh\n{example.strip()}\n```"
        yield table(["argument or option", "default", "meaning"], map(option_row, command.params))


def option_row(option: Any) -> list[str]:
    """One argument or option of a command; `-h` explains itself."""
    if option.param_type_name == "argument":
        names = option.metavar or option.name.upper()
    else:
        names = ", ".join(sorted(option.opts, key=len)) + (f" {option.metavar}" if option.metavar else "")
    default = "" if option.default in (None, False, ()) else str(option.default)
    help_text = option.help + (f" Environment: `{option.envvar}`." if option.envvar else "")
    return [code(names), code(default), help_text]


def exit_codes() -> str:
    """Those of the errors, and those of a run's ending."""
    found: list[Any] = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    kinds = [kind for kind in found if kind.__module__ == errors.__name__]
    own = {
        kind.exit_code: first_line(kind).partition(";")[0].rstrip(".") + "."
        for kind in kinds
        if "exit_code" in vars(kind)
    }
    codes = {**own, **CODES}
    return table(["code", "meaning"], ([str(number), codes[number]] for number in sorted(codes)))


def python_example() -> str:
    """The indented lines of the package's docstring."""
    lines = inspect.cleandoc(nnrun.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line)).strip()


def call(function: Any) -> str:
    """Its parameters and their defaults."""
    signature = inspect.signature(function)
    named = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    return str(signature.replace(parameters=named, return_annotation=signature.empty)).replace("'", '"')


def python_api() -> Iterator[str]:
    """Every public name with its signature and docstring."""
    for name in sorted(nnrun.__all__):
        found = getattr(nnrun, name)
        if inspect.isclass(found):
            yield f"### nnrun.{name}\n\n{first_line(found)}"
            yield table(["attribute", "meaning"], members(found))
        else:
            yield f"### nnrun.{name}\n\n```python\nnnrun.{name}{call(found)}\n```"
            yield inspect.cleandoc(found.__doc__).partition(">>>")[0].strip()


def members(kind: type) -> Iterator[list[str]]:
    """Public properties and methods of a class."""
    for name, member in vars(kind).items():
        if not name.startswith("_"):
            written = name + call(member) if callable(member) else name
            yield [code(written), first_line(member.fget if isinstance(member, property) else member)]


def first_line(thing: Any) -> str:
    """Of its docstring."""
    return inspect.cleandoc(thing.__doc__).splitlines()[0]


def reference() -> str:
    """The whole page."""
    blocks = [
        *(HEAD, KEYS, *key_tables()),
        *(COMMANDS, *commands()),
        *("## Exit codes", exit_codes()),
        *(RUN_DIRECTORY, table(["file", "what it holds"], ([code(name), text] for name, text in FILES.items()))),
        *("### A line of metrics.jsonl", table(["key", "meaning"], ([code(k), text] for k, text in METRICS.items()))),
        *("## Python API", f"```python\n{python_example()}\n```", *python_api()),
    ]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
