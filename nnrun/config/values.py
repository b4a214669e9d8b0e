"""Plain values as YAML has them: their types, what text without quotes means, and what a value is called.

Scalars are those of the core schema of YAML 1.2, in which `1e-3` is a number and `on` is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from nnrun.text import shown

Tree = dict[str, Any]  # a configuration as a file has it: mappings in mappings, with values of any kind at their ends
Settings = dict[str, Any]  # some of its values by dotted key, `optimizer.learning_rate`
KeyPath = tuple[str | int, ...]  # the same key in parts; a number for an item of a list

LONGEST_KEY = 60  # characters of one in a message
MOST_BITS = 4096
PREFIX = "tag:yaml.org,2002:"


def _integer(text: str) -> int:
    """Decimal, octal (0o17) or hexadecimal (0x1f); ValueError for one too long to print again."""
    bases = {"0o": 8, "0x": 16}
    number = int(text, bases.get(text[:2], 10))
    if number.bit_length() > MOST_BITS:
        raise ValueError(text)
    return number


def _real(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _nothing(text: str) -> None:
    return None


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


# In the order in which they are tried: every whole number is also a float by its looks.
PATTERNS: dict[str, re.Pattern[str]] = {
    "null": re.compile(r"(?:null|Null|NULL|~|)\Z"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "int": re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    "float": re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}
BUILDERS: dict[str, Callable[[str], Any]] = {
    "null": _nothing,
    "bool": _truth,
    "int": _integer,
    "float": _real,
    "str": str,
}


def plain(text: str) -> Any:
    """The value that `text` has when it stands in a YAML file without quotes; ValueError for an endless integer."""
    tag = next((tag for tag, pattern in PATTERNS.items() if pattern.match(text)), "str")
    return BUILDERS[tag](text)


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
            plain = part.isprintable() and 0 < len(part) <= LONGEST_KEY
            text += ("." if text else "") + (part if plain else shown(part))
    return text
