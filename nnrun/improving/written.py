"""improved.yaml: the config as it was written, comments and all, with the adopted changes in their places."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nnrun.config.extends import EXTENDS, named_base
from nnrun.config.overrides import SHAPES, as_path
from nnrun.config.values import Settings
from nnrun.improving.record import StepRecord
from nnrun.text import percent

WIDTH = 120


class Places(NamedTuple):
    """Where things are that the config names by a relative path."""

    source: Any  # of the data, as `data.source` has it, with absolute paths
    folder: Path  # of the config, absolute


def improved(text: bytes, places: Places, settings: Settings, reasons: Mapping[str, str], told: Sequence[str]) -> str:
    """The text with these settings in it, each with its reason behind it, and some lines in front.

    Paths of the data and of configs that are extended are absolute, as the file lies elsewhere than the one it was
    made of.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.width, yaml.preserve_quotes = WIDTH, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text.decode("utf-8-sig")) or CommentedMap()
    if EXTENDS in document:
        document[EXTENDS] = _bases(document[EXTENDS], places.folder)
    for key, value in settings.items():
        _put(document, key, value, reasons.get(key))
    if (document.get("data") or {}).get("source", places.source) != places.source:  # also where a setting named it
        _put(document, "data.source", places.source, None)
    written = io.StringIO()
    yaml.dump(document, written)
    head = "".join(f"# {line}\n" for line in told)
    return head + written.getvalue()


def _bases(named: Any, folder: Path) -> Any:
    """The value of `extends`: a file, a list of files, or nothing."""
    if isinstance(named, list):
        return _flow([str(named_base(each, folder)) for each in named])
    return named if named is None else str(named_base(named, folder))


def reasons_of(steps: Sequence[StepRecord], settings: Settings) -> dict[str, str]:
    """Why each of these settings is as it is: the step that brought it, in a few words."""
    found: dict[str, str] = {}
    for step in steps:
        if step["verdict"] == "adopted":
            errors = f"{percent(step['before'])} → {percent(step['after'])}"
            fresh = [key for key, value in step["settings"].items() if settings.get(key) == value and key not in found]
            found |= dict.fromkeys(fresh, f"step {step['number']}: {step['rule']}, dev error {errors}")
    return found


def _put(document: Any, key: str, value: Any, reason: str | None) -> None:
    """Write one value, opening mappings on its way; of hidden, width and depth the others go."""
    from ruamel.yaml.comments import CommentedMap

    *way, last = as_path(key)
    inside = document
    for depth, part in enumerate(way, start=1):
        held = inside.get(part)
        if not isinstance(held, dict):
            named = {"name": held} if isinstance(held, str) and depth > 1 else {}
            inside[part] = CommentedMap(named)
        inside = inside[part]
    if (*way, last) in SHAPES:
        for path in SHAPES:
            if path[-1] != last and path[-1] in inside and (last == "hidden" or path[-1] == "hidden"):
                del inside[path[-1]]
    inside[last] = _flow(value)
    if reason and not _in_a_line(inside):
        inside.yaml_add_eol_comment(reason, last)


def _in_a_line(mapping: Any) -> bool:
    """Whether a mapping stands in braces, where a comment would swallow what follows."""
    return bool(mapping.fa.flow_style())


def _flow(value: Any) -> Any:
    """Lists in brackets, mappings in braces."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if not isinstance(value, (list, tuple, dict)):
        return value
    made: Any = CommentedMap() if isinstance(value, dict) else CommentedSeq(map(_flow, value))
    if isinstance(value, dict):
        made.update({key: _flow(each) for key, each in value.items()})
    made.fa.set_flow_style()
    return made
