"""What was found in a table, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from nnrun.narration import source_name
from nnrun.scaffold.overview import Overview
from nnrun.scaffold.proposals import Choice
from nnrun.scaffold.words import count, shown


def told(overview: Overview, choices: Mapping[str, Choice]) -> Iterator[tuple[str, str]]:
    """Heads and texts: the data, the target, the columns used and left out, and what may be worth a thought."""
    yield "data", f"{source_name(overview.source)}: {choices['data.source'].reason}"
    yield "target", f"{shown(overview.target)}, {choices['data.target'].reason}: {overview.task}"
    yield "columns", kinds_of(overview)
    for column in overview.left_out:
        yield "left out", f"{shown(column.name)}: {column.why}"
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
    told = ", ".join(count(number, kind, plural.get(kind)) for kind, number in kinds.most_common())
    return f"{told}; {count(overview.features, 'feature')} for the network"
