"""The schema for editors (JSON Schema) and for readers (one row a key), both from the one definition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, TypedDict, cast

from pydantic.json_schema import GenerateJsonSchema

from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.versions import VERSION
from nnrun.files import to_json

DIALECT = "https://json-schema.org/draft/2020-12/schema"


# A type in JSON Schema, as far as the reference reads it; it has the keys that say something.
Node = TypedDict(
    "Node",
    {
        "$schema": str,
        "$ref": str,
        "$defs": "Definitions",
        "type": str,
        "description": str,
        "default": Any,
        "properties": "dict[str, Node]",
        "required": list[str],
        "anyOf": "list[Node]",
        "oneOf": "list[Node]",
        "items": "Node",
        "prefixItems": "list[Node]",
        "additionalProperties": "Node | bool",
        "enum": list[str],
        "const": str,
        "minimum": float,
        "exclusiveMinimum": float,
        "maximum": float,
        "exclusiveMaximum": float,
    },
    total=False,
)
Definitions = dict[str, Node]  # the sections, by name


OF_FILES = {  # keys of a file alone, which `load_config` follows
    "version": {
        "type": "integer",
        "minimum": 1,
        "maximum": VERSION,
        "default": 1,
        "description": "for which keys this file was written; a newer one is an error that says so",
    },
    "extends": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        "default": None,
        "description": "a config, or a list of them, whose values hold where this file gives none",
    },
}


class Row(NamedTuple):
    """One key of the file, as the reference describes it."""

    key: str
    type: str
    range: str
    default: str
    help: str
    applies: str  # the table entry that has this option, or empty


class _Untitled(GenerateJsonSchema):
    """Without the titles that pydantic makes of the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> Node:
    """JSON Schema, draft 2020-12, of a YAML file."""
    schema = Config.model_json_schema(schema_generator=_Untitled)
    schema["properties"] = OF_FILES | schema["properties"]
    return cast(Node, {"$schema": DIALECT, **schema})


def is_schema(text: bytes) -> bool:
    """Whether this is the schema of this version, whatever it says of the keys: `python -OO` leaves docstrings out."""
    try:
        return bool(_without_words(json.loads(text)) == _without_words(json.loads(to_json(json_schema()))))
    except (ValueError, RecursionError):
        return False


def _without_words(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_without_words, value))
    if not isinstance(value, dict):
        return value
    words = ("description",) if isinstance(value.get("description"), str) else ()
    return {key: _without_words(each) for key, each in value.items() if key not in words}


def reference_rows() -> list[Row]:
    """Every key of the file in the order of the sections, the options of table entries included."""
    schema = json_schema()
    return list(_rows(schema, (), schema["$defs"]))


def _rows(section: Node, path: tuple[str, ...], definitions: Definitions, applies: str = "") -> Iterator[Row]:
    for name, node in section["properties"].items():
        if applies and name == "name":
            continue
        here, alternatives = (*path, name), [_followed(a, definitions) for a in _alternatives(node)]
        sections = [alternative for alternative in alternatives if "properties" in alternative]
        if len(alternatives) > 1 or not sections:
            yield _row(here, node, alternatives, name in section.get("required", ()), applies)
        for inner in sections or [section for section in _items(node, definitions) if "properties" in section]:
            entry = inner["properties"].get("name", {}).get("const", "")
            yield from _rows(inner, here, definitions, f"name: {entry}" if entry else applies)


def _row(path: tuple[str, ...], node: Node, alternatives: list[Node], required: bool, applies: str) -> Row:
    ranges = [_range(_item(alternative)) for alternative in alternatives]
    default = "required" if required else _yaml(node.get("default"))
    types = list(dict.fromkeys(_type(alternative) for alternative in alternatives))
    words = " or ".join(dict.fromkeys(filter(None, ranges)))
    return Row(".".join(path), " or ".join(types), words, default, node.get("description", ""), applies)


def _alternatives(node: Node) -> Iterator[Node]:
    """What a value may be, unions of unions laid flat."""
    inner = node.get("anyOf") or node.get("oneOf")
    if inner is None:
        yield node
    for alternative in inner or ():
        yield from _alternatives(alternative)


def _items(node: Node, definitions: Definitions) -> Iterator[Node]:
    """What the items of a list may be; one that is a name or a mapping is both."""
    return (_followed(item, definitions) for item in _alternatives(node.get("items") or {}))


def _followed(node: Node, definitions: Definitions) -> Node:
    reference = node.get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else node


def _type(node: Node) -> str:
    names = {"integer": "whole number", "string": "text", "boolean": "true/false", "array": "list", "object": "mapping"}
    return "name" if "enum" in node else names.get(node["type"], str(node["type"]))


def _item(node: Node) -> Node:
    """What the items of a list or the values of a mapping are; a single value is its own item."""
    inner = node.get("items") or node.get("additionalProperties") or (node.get("prefixItems") or [node])[0]
    return node if isinstance(inner, bool) else next(_alternatives(inner))


def _range(node: Node) -> str:
    if "enum" in node:
        return ", ".join(node["enum"])
    bounds = {
        "≥": node.get("minimum"),
        ">": node.get("exclusiveMinimum"),
        "≤": node.get("maximum"),
        "<": node.get("exclusiveMaximum"),
    }
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds.items() if bound is not None)


def _yaml(default: Any) -> str:
    """A default as it would be written in the file; JSON turned the whole numbers among its keys into text."""
    if isinstance(default, dict):
        default = {int(name) if name.isdecimal() else name: value for name, value in default.items()}
    return one_line(default)
