"""A config as a person would write it, above each key the reason for its value; and what is said of it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nnrun.config.dump import dump_yaml
from nnrun.insight.scaffold.overview import Overview
from nnrun.insight.scaffold.proposals import Choice
from nnrun.text import counted, shown_name, source_name, visible

WIDTH = 100
INDENT = "  "
SCHEMA = "nnrun.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA}"


def document(name: str, head: str, choices: Mapping[str, Choice], commands: Sequence[str]) -> str:
    """YAML text: the editor's modeline, what it was made from, the sections, and what to run next."""
    lines = [MODELINE, *_comment(head), "", f"name: {_plain(name)}"]
    section = ""
    for key, choice in choices.items():
        if not key.startswith(f"{section}."):
            section = key.partition(".")[0]
            lines += ["", f"{section}:"]
        lines += [INDENT + line for line in _setting(key.partition(".")[2], choice)]
    lines += ["", "# What to run next:", *(f"#   {command}" for command in commands)]
    return "\n".join(lines) + "\n"


def _setting(key: str, choice: Choice) -> Iterator[str]:
    yield from _comment(choice.reason)
    if choice.notes:
        yield f"{key}:"
        for item, note in zip(choice.value, choice.notes, strict=True):
            yield f"{INDENT}- {_plain(item)}  # {visible(note)}"
    else:
        yield f"{'' if choice.active else '# '}{key}: {_plain(choice.value)}"


def _comment(text: str) -> list[str]:
    head, text = "# ", visible(text)
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=head, break_long_words=False, break_on_hyphens=False
    )


def _plain(value: object) -> str:
    """A value as it stands behind a key or a dash."""
    return dump_yaml([value], one_line=True).strip()[1:-1]


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


THOUGHTS = ("data.class_weight", "data.group", "data.time")


def kinds_of(overview: Overview) -> str:
    """How many columns there are of each kind, and how many features they become."""
    kinds = Counter(column.kind for column in overview.used)
    plural = {"category": "categories"}
    told = ", ".join(counted(number, kind, plural.get(kind)) for kind, number in kinds.most_common())
    return f"{told}; {counted(overview.features, 'feature')} for the network"
