"""What a value is called in an error message: the words of YAML, not those of Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnrun.text import shown


def kind(value: Any) -> str:
    """The sort of a YAML value: text, number, whole number, true/false, list, mapping or null."""
    names = {bool: "true/false", int: "whole number", float: "number", str: "text", list: "list", dict: "mapping"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def describe(value: Any) -> str:
    """The value as a message names it: `the text 'adam'`, `1.0`, `true`, `a list`."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {shown(value)}"
        case int() | float():
            return shown(value)
        case _:
            return f"a {kind(value)}"


def dotted(path: Iterable[str | int]) -> str:
    """A path as a user writes it: `network.hidden[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]" if text else str(part)
        else:
            text += ("." if text else "") + (part if part.isprintable() and part else repr(part))
    return text
