"""From a source and a target to a config that trains as it stands, above each key the reason for its value."""

from __future__ import annotations

import os
import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from nnrun.config.config import Config
from nnrun.config.data_section import BUNDLED, Data, Parts
from nnrun.config.dump import one_line
from nnrun.config.load import load_config
from nnrun.data.facts.survey import Survey, Wanted
from nnrun.data.files.sources import open_sources, read_source
from nnrun.engine.metrics import METRICS, misfit
from nnrun.errors import UsageError
from nnrun.insight.scaffold.overview import Overview, gather
from nnrun.insight.scaffold.proposals import propose
from nnrun.insight.scaffold.recipe import Choice
from nnrun.installation import command, export_format
from nnrun.text import counted, one_of, shown_name, source_name, visible

LONGEST_NAME = 64
PREDICTIONS = "predictions.csv"
WIDTH = 100
INDENT = "  "
SCHEMA = "nnrun.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA}"


@dataclass(frozen=True)
class Scaffold:
    """What was found, what is proposed, the text of the config, and what to run next."""

    overview: Overview
    choices: Mapping[str, Choice]
    text: str
    commands: list[str]


@dataclass(frozen=True)
class Wishes:
    """What the user says: the target, how rows are split, columns to leave out, the metric that counts, the sheet."""

    target: str | None = None
    task: Wanted = "auto"
    time: str | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    metric: str | None = None
    sheet: str | None = None

    @property
    def of_data(self) -> dict[str, object]:
        """The wishes that are keys of the section data."""
        keys = {key: value for key, value in asdict(self).items() if key not in ("metric", "sheet")}
        return {**keys, "format": {"sheet": self.sheet}}


def wishes(
    target: str | None,
    task: str,
    time: str | None,
    group: str | None,
    drop: tuple[str, ...],
    metric: str | None = None,
    sheet: str | None = None,
) -> Wishes:
    """What was typed; raises UsageError where it cannot be."""
    known = next((name for name in get_args(Wanted) if name == task), None)
    if known is None:
        raise UsageError(f"--task {task}: it is {one_of(get_args(Wanted))}")
    if group and time:
        raise UsageError("--group and --time exclude each other; leave one out")
    if metric is not None and metric not in METRICS:
        raise UsageError(f"--metric {metric}: it is {one_of(list(METRICS))}")
    return Wishes(target, known, time, group, drop, metric, sheet)


def check_source(source: str | Mapping[str, str]) -> None:
    """Raise DataError unless the files are there."""
    open_sources(_data(source, Wishes()))


def scaffold(source: str | Mapping[str, str], wishes: Wishes, config: Path, typed: Sequence[str] = ()) -> Scaffold:
    """Propose a config to be written at `config`; the source is a bundled name, a file, or a file for each part.

    `typed` are columns of numbers that are categories by a type of which the source does not tell. Raises DataError for
    data that cannot be read or learned from; UsageError if the target is open, or the wishes contradict each other.
    """
    overview = gather(_data(source, wishes), _as_written(source, config.parent), wishes.metric, typed)
    if wishes.metric and (why := misfit(wishes.metric, overview.task)):
        raise UsageError(f"--metric {wishes.metric}: {why}")
    choices, commands = propose(overview), _commands(source, config)
    first = source if isinstance(source, str) else source["train"]
    head = (
        f"Proposed by nnrun init; a comment is the reason for the line below it. To learn from: {kinds_of(overview)}."
    )
    text = document(_name(Path(first).name), head, choices, commands)
    load_config(config, text=text)
    return Scaffold(overview, choices, text, commands)


def _data(source: str | Mapping[str, str], wishes: Wishes) -> Data:
    Config.from_values({"data": {"source": source}})  # ConfigError where it names nothing that there could be
    if not isinstance(source, str) and (wishes.group or wishes.time):
        raise UsageError("--group and --time have no meaning with a file for each part; leave them out")
    files = source if isinstance(source, str) else Parts(**source)
    return Data.model_validate({"source": files, **wishes.of_data})


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
    commands.append(["export", "latest", "--format", export_format()])
    return [command(*words) for words in commands]


def document(name: str, head: str, choices: Mapping[str, Choice], commands: Sequence[str]) -> str:
    """YAML text: the editor's modeline, what it was made from, the sections, and what to run next."""
    lines = [MODELINE, *_comment(head), "", f"name: {one_line(name)}"]
    section = ""
    for key, choice in choices.items():
        if not key.startswith(f"{section}."):
            section = key.partition(".")[0]
            lines += ["", f"{section}:"]
        lines += [INDENT + line for line in _setting(key.partition(".")[2], choice)]
    lines += ["", "# What to run next:", *(f"#   {visible(command)}" for command in commands)]
    return "\n".join(lines) + "\n"


def _setting(key: str, choice: Choice) -> Iterator[str]:
    yield from _comment(choice.reason)
    if choice.notes:
        yield f"{key}:"
        for item, note in zip(choice.value, choice.notes, strict=True):
            yield f"{INDENT}- {one_line(item)}  # {visible(note)}"
    else:
        name, *inner = key.split(".")  # of a section within the section
        value = {inner[0]: choice.value} if inner else choice.value
        yield f"{'' if choice.active else '# '}{name}: {one_line(value)}"


def _comment(text: str) -> list[str]:
    head, text = "# ", visible(text)
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=head, break_long_words=False, break_on_hyphens=False
    )


def told(overview: Overview, choices: Mapping[str, Choice]) -> Iterator[tuple[str, str]]:
    """Heads and texts: the data, the target, the columns used and left out, and what may be worth a thought."""
    yield "data", f"{source_name(overview.source)}: {choices['data.source'].reason}"
    yield "target", f"{shown_name(overview.target)}, {choices['data.target'].reason}: {overview.task}"
    yield "columns", kinds_of(overview)
    for column in overview.left_out:
        yield "left out", f"{shown_name(column.name)}: {column.why}"
    for notice in overview.notices:
        yield "note", notice
    for key in THOUGHTS:
        if key in choices:
            yield "note", f"{'' if choices[key].active else f'perhaps {key}: '}{choices[key].reason}"


THOUGHTS = tuple(
    f"data.{key}"
    for key in ("format.header", "format.missing", "kinds", "max_categories", "class_weight", "group", "time")
)


def kinds_of(overview: Overview) -> str:
    """How many columns there are of each kind, and how many features they become."""
    kinds = Counter(column.kind for column in overview.used)
    plural = {"category": "categories"}
    told = ", ".join(counted(number, kind, plural.get(kind)) for kind, number in kinds.most_common())
    return f"{told}; {counted(overview.features, 'feature')} for the network"


class Bundled(NamedTuple):
    """A data set that comes with nnrun."""

    name: str
    rows: int
    columns: int
    target: str
    task: str
    about: str  # a line


def bundled() -> Iterator[Bundled]:
    """The bundled data sets, each with its size, target and task."""
    for name, facts in BUNDLED.items():
        table = read_source(Data(source=name))["all"]
        found = Survey(table, facts.target, "auto")
        found.see(table)
        task = found.target.decide_task(facts.target)
        yield Bundled(name, len(table), len(table.columns), facts.target, task, facts.about)
