"""From a source and a target to a config that trains as it stands."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnrun.config.data_section import Data, Parts
from nnrun.config.data_sources import BUNDLED
from nnrun.config.load import load_config
from nnrun.data.facts.survey import Survey
from nnrun.data.files.sources import read_source
from nnrun.errors import UsageError
from nnrun.insight.scaffold.document import document, kinds_of
from nnrun.insight.scaffold.overview import Overview, gather
from nnrun.insight.scaffold.proposals import Choice, propose
from nnrun.installation import command, has_extra

LONGEST_NAME = 64
PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class Scaffold:
    """What was found, what is proposed, the text of the config, and what to run next."""

    overview: Overview
    choices: Mapping[str, Choice]
    text: str
    commands: list[str]


def scaffold(source: str | Mapping[str, str], target: str | None, config: Path) -> Scaffold:
    """Propose a config to be written at `config`; the source is a bundled name, a file, or a file for each part.

    Raises DataError for data that cannot be read or learned from; UsageError if the target is open.
    """
    overview = gather(_data(source, target), _as_written(source, config.parent))
    choices, commands = propose(overview), _commands(source, config)
    first = source if isinstance(source, str) else source["train"]
    head = (
        f"Proposed by nnrun init; a comment is the reason for the line below it. To learn from: {kinds_of(overview)}."
    )
    text = document(_name(Path(first).name), head, choices, commands)
    load_config(config, text=text)
    return Scaffold(overview, choices, text, commands)


def _data(source: str | Mapping[str, str], target: str | None) -> Data:
    if isinstance(source, str):
        return Data(source=source, target=target)
    return Data(source=Parts(**source), target=target)


def _as_written(source: str | Mapping[str, str], folder: Path) -> str | dict[str, str]:
    """The source as a config in this folder names it."""
    if not isinstance(source, str):
        return {part: _relative(path, folder) for part, path in source.items()}
    return source if source in BUNDLED else _relative(source, folder)


def _relative(path: str, folder: Path) -> str:
    """Raises UsageError for a path that is no text, which YAML cannot hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path!r}: a config cannot hold this path, which is not UTF-8; rename the file") from None
    try:
        relative = os.path.relpath(Path(path).parent.resolve() / Path(path).name, folder.resolve())
    except ValueError:  # on another drive
        return str(Path(path).absolute())
    return f"./{relative}" if relative.startswith("~") or "." not in relative else relative


def _name(file: str) -> str:
    """The name of a run: the file's, without suffixes, accents and signs."""
    plain = unicodedata.normalize("NFKD", file.split(".")[0] or file).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:LONGEST_NAME] or "run"


def _commands(source: str | Mapping[str, str], config: Path) -> list[str]:
    """From the config to a model that others can use, in a format that can be written here."""
    rows = source if isinstance(source, str) else source.get("test", source["dev"])
    commands = [["check", str(config)], ["train", str(config)], ["diagnose"]]
    if rows not in BUNDLED:
        commands.append(["predict", "latest", rows, "-o", PREDICTIONS])
    commands.append(["export", "latest", "--format", "onnx" if has_extra("onnx") else "numpy"])
    return [command(*words) for words in commands]


def bundled() -> Iterator[dict[str, Any]]:
    """Name, rows, columns, target, task and a line about each."""
    for name, facts in BUNDLED.items():
        table = read_source(Data(source=name))["all"]
        found = Survey(table, facts.target, "auto")
        found.see(table)
        task = found.target.decide_task(facts.target)
        size = {"rows": len(table), "columns": len(table.columns)}
        yield {"name": name, **size, "target": facts.target, "task": task, "about": facts.about}
