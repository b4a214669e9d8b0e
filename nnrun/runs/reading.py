"""Records as files have them: parsed, compared with their checksum and with their type, or refused by file and key.

It loads neither NumPy nor pydantic, as `nnrun list` reads every run by it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

from nnrun.errors import DataError
from nnrun.files import CHECKSUM, SEAM, checksum, unsealed

LAYOUT = b"{\n"
RESTORE = "copy it again from where it was made, or train again"
LARGEST = 1 << 63  # of a count; seeds may be larger
MOST_BITS = 4096  # of a whole number that a config may have
HALVES = re.compile("[\ud800-\udfff]")  # of letters
Problem = str | None  # what does not fit
Check = Callable[[object, str], Problem]  # of a value that stands at a key


class Found(dict[str, Any]):
    """A mapping that a file holds; to ask it for a key that it lacks is a DataError."""

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        super().__init__(content)
        self.where = where

    def __missing__(self, key: str) -> Any:
        raise DataError(f"{self.where}: {key} is missing; {RESTORE}")

    def __or__(self, other: Mapping[str, Any]) -> Found:  # type: ignore[override]
        return Found({**self, **other}, self.where)

    def copy(self) -> Found:
        """One with the same content."""
        return Found(self, self.where)


def read_record(content: bytes, where: str, kind: Any) -> Found:
    """The record that a line holds, without its checksum; early ones have none.

    Raises DataError where it is no JSON object, is not what was written, or has a value of another type.
    """
    record = _parsed(content, where)
    if not _is_as_written(content) and unsealed(record) is None:
        raise DataError(
            f"{where}: damaged, or changed by another program: its checksum is of other values; {RESTORE}, "
            "or take the checksum out if the change is yours"
        )
    return _fitting(record, where, kind)


def _is_as_written(line: bytes) -> bool:
    """Whether the bytes of a line have its checksum: then its record need not be written once more to compare it."""
    content, found, end = line.rpartition(SEAM.encode())
    return bool(found) and end == f'{checksum(content + b"}")}"}}'.encode()


def read_document(content: bytes, where: str, kind: Any) -> Found:
    """The record of a file that nnrun writes over many lines.

    A program that changes it writes it anew in a layout of its own, and is believed; damage leaves the layout.
    """
    if content.startswith(LAYOUT):
        return read_record(content, where, kind)
    return _fitting(_parsed(content, where), where, kind)


def read_written(content: bytes, where: str) -> Found:
    """What a reader finds in a record that this process has just written, which need not be compared."""
    record = _parsed(content, where)
    record.pop(CHECKSUM, None)
    return record


def _parsed(content: bytes, where: str) -> Found:
    try:
        record = json.loads(content, object_hook=partial(Found, where=where))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({error}); {RESTORE}") from None
    if not isinstance(record, Found):
        raise DataError(f"{where}: not a JSON object, but {_said(record)}; {RESTORE}")
    return record


def _fitting(record: Found, where: str, kind: Any) -> Found:
    record.pop(CHECKSUM, None)
    if problem := misfit(record, kind):
        raise DataError(f"{where}: {problem}; {RESTORE}")
    return record


def read_lines(content: bytes, path: Path, kind: Any) -> list[Found]:
    """The records of an append-only file; a torn last line is forgiven."""
    *lines, _torn = content.split(b"\n")
    return [read_record(line, f"{path}:{number}", kind) for number, line in enumerate(lines, start=1)]


def misfit(value: object, kind: Any) -> Problem:
    """Which key of a record is of another type than a TypedDict says; keys may be missing."""
    return _check(kind)(value, "")


def missing_keys(record: Mapping[str, Any], kind: Any) -> list[str]:
    """The keys that a TypedDict requires and the record has not."""
    return [name for name, hint in _hints(kind).items() if get_origin(hint) is not NotRequired and name not in record]


def complete(record: Found, kind: Any) -> Found:
    """The record of a file; DataError where it lacks keys that a TypedDict requires."""
    if missing := missing_keys(record, kind):
        raise DataError(f"{record.where}: {', '.join(missing)} missing; {RESTORE}")
    return record


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _check(kind: Any) -> Check:
    origin, of = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return partial(_keys, {name: _check(hint) for name, hint in _hints(kind).items()})
    if origin in (NotRequired, Required):
        return _check(of[0])
    if origin in (Union, UnionType):
        return partial(_either, [_check(one) for one in of])
    if origin is list:
        return partial(_items, _check(of[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return partial(_values, _check(of[1]))
    if origin is Literal:
        return partial(_scalar, f"one of {', '.join(map(str, of))}", partial(_among, of))
    return partial(_scalar, *SCALARS[kind])


def _keys(checks: Mapping[str, Check], value: object, key: str) -> Problem:
    if not isinstance(value, dict):
        return _other(key, value, "a mapping")
    found = (check(value[name], f"{key}{name}.") for name, check in checks.items() if name in value)
    return next(filter(None, found), None)


def _values(check: Check, value: object, key: str) -> Problem:
    if not isinstance(value, dict):
        return _other(key, value, "a mapping")
    return next(filter(None, (check(item, f"{key}{name}.") for name, item in value.items())), None)


def _items(check: Check, value: object, key: str) -> Problem:
    if not isinstance(value, list):
        return _other(key, value, "a list")
    for number, item in enumerate(value):
        if check(item, key) is not None:  # a place is named only where it is told: a ledger has many numbers
            return check(item, f"{key}{number}.")
    return None


def _either(checks: list[Check], value: object, key: str) -> Problem:
    """What is told is what does not fit the first of them: `X | None`."""
    first, *others = checks
    problem = first(value, key)
    return None if problem is None or any(check(value, key) is None for check in others) else problem


def _scalar(what: str, fits: Callable[[Any], bool], value: object, key: str) -> Problem:
    return None if fits(value) else _other(key, value, what)


def _other(key: str, value: object, what: str) -> str:
    place = f"{key[:-1]} is " if key else "holds "
    return f"{place}{_said(value)} where {what} belongs"


def _said(value: object) -> str:
    words = {bool: "a truth", NoneType: "nothing", dict: "a mapping", Found: "a mapping", list: "a list"}
    if type(value) in words:
        return words[type(value)]
    text = "a number too large" if isinstance(value, int) and abs(value) >= LARGEST else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _among(options: tuple[object, ...], value: object) -> bool:
    return value in options


def _is_count(value: object) -> bool:
    """No record has a whole number that is negative: each counts something, or is a seed."""
    return type(value) is int and value >= 0 and value.bit_length() <= MOST_BITS


def _is_number(value: object) -> bool:
    return (type(value) is int and abs(value) < LARGEST) or (type(value) is float and math.isfinite(value))


def _is(kind: type, value: object) -> bool:
    return isinstance(value, kind)


def _is_text(value: object) -> bool:
    """JSON can spell halves of a letter, which nothing can print."""
    return isinstance(value, str) and (value.isascii() or not HALVES.search(value))


SCALARS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("text", _is_text),
    int: ("a whole number", _is_count),
    float: ("a number", _is_number),
    bool: ("true or false", partial(_is, bool)),
    NoneType: ("nothing", partial(_is, NoneType)),
    dict: ("a mapping", partial(_is, dict)),
    Any: ("a value", lambda value: True),
}
