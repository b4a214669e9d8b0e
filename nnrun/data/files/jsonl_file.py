"""JSON lines: an object a line, whose values mean what fields of the same text mean in a CSV file.

pandas reads the cells, as those of CSV files: its own reader of JSON rounds numbers, refuses those beyond 64 bits and
knows no lines. A walk through the file comes first, as a key may turn up in any of them.
"""

from __future__ import annotations

import codecs
import json
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from nnrun.data.files.bombs import MOST_FIELDS, check_unpacked
from nnrun.data.files.csv_file import Piece, tables_of
from nnrun.data.files.dialect import encoding_of
from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.table import Table
from nnrun.data.files.text_file import open_binary, open_text
from nnrun.data.files.typed_rows import Decimals, as_text, noting_spaces
from nnrun.errors import DataError
from nnrun.text import shortened

_TOGETHER = 1 << 12  # lines that are looked at together
_EXAMPLE = 'a line holds one object, such as {"age": 41, "town": "York"}'
_SHAPES: dict[type, str] = {list: "a list", dict: "an object"}
_PLAIN = frozenset[type]({str, bool, type(None)})
_WHOLE = "write each row as an object on a line of its own (pandas: to_json(FILE, orient='records', lines=True))"

Row = dict[Any, Any]  # numbers as the text that they are written in


@dataclass(frozen=True)
class Keys:
    """What is known of a file once all of its lines were looked at.

    `keys` are in the order in which they first occur, `nested` columns hold a list or an object somewhere.
    """

    keys: tuple[str, ...]
    header: Header
    nested: dict[str, str]
    encoding: str
    decimals: Decimals


def read_jsonl(path: Path, reading: Reading, rows: int | None = None, found: Keys | None = None) -> Iterator[Table]:
    """Tables of at most so many rows, or one of all for None; a key that an object lacks is a missing value.

    `found` is what `find_keys` told of the file. Raises DataError with the line of what is malformed.
    """
    known = found or find_keys(path, reading)
    dialect = known.decimals.dialect(reading)
    pieces = _pieces(path, known, rows, reading.categories)
    for table in tables_of(path, known.header, dialect, pieces, known.header.notices):
        yield replace(table, unreadable=known.nested)


def find_keys(path: Path, reading: Reading) -> Keys:
    """All keys of the file; raises DataError with the line of what is malformed."""
    encoding, decimals = encoding_of(path, reading.encoding), Decimals(reading)
    keys: dict[str, None] = {}
    nested: dict[str, str] = {}
    count, waiting = 0, list[Iterable[object]]()  # rows that may tell what marks decimals
    for number, row in _rows(path, encoding, _decoder(decimals.mark, object_pairs_hook=_object)):
        count += 1
        if not row.keys() <= keys.keys():
            keys |= dict.fromkeys(row)
            _check_width(path, number, len(keys))
        if not _PLAIN.issuperset(map(type, row.values())):
            shapes = {key: _SHAPES[type(value)] for key, value in row.items() if type(value) in _SHAPES}
            nested = {key: f"nested ({shape} in line {number})" for key, shape in shapes.items()} | nested
        if not decimals.are_settled:
            waiting.append(row.values())
            if len(waiting) == _TOGETHER:
                decimals.see(waiting)
                waiting.clear()
    decimals.see(waiting)
    if not count:
        raise DataError(f"{path}: the file is empty; at least one line is needed, and {_EXAMPLE}")
    if not keys:
        raise DataError(f"{path}: no object has a key; {_EXAMPLE}")
    check_unpacked(path, path.stat().st_size, count * len(keys), "its lines have next to no keys in common")
    header = replace(name_columns([key.strip() for key in keys], path.name), placed=False)
    unreadable = {
        name: f"{nested[key]}; unfold it into columns of its own"
        for name, key in zip(header.names, keys, strict=True)
        if key in nested
    }
    return Keys(tuple(keys), header, unreadable, encoding, decimals)


def begins_with_object(path: Path) -> bool:
    """Whether the first character of a file, which may be packed, is one that no line of column names begins with."""
    with suppress(OSError, EOFError, zlib.error), open_binary(path) as handle:  # damaged: who reads it will say so
        return handle.read(1 << 8).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")
    return False


def _check_width(path: Path, number: int, keys: int) -> None:
    if keys > MOST_FIELDS:
        raise DataError(f"{path}:{number}: more than {MOST_FIELDS:,} different keys up to here; this is no table")


def _pieces(path: Path, known: Keys, rows: int | None, categories: Collection[str]) -> Iterator[Piece]:
    """The text of the next rows, fields in the order of the keys; of nested values nothing, as no text means them."""
    nested = [name in known.nested for name in known.header.names]
    taken = [None if odd else key for key, odd in zip(known.keys, nested, strict=True)]  # no object has the key None
    coming, start = _rows(path, known.encoding, _decoder(known.decimals.mark)), 0
    while True:
        lines, indented = array("q"), dict[str, dict[int, str]]()
        cells = _cells(islice(coming, rows), taken, lines)
        text = as_text(noting_spaces(cells, known.header.names, categories, indented))
        if not lines:
            return
        yield Piece(text, lines, start, indented=indented)
        start += len(lines)


def _cells(rows: Iterable[tuple[int, Row]], keys: Sequence[str | None], lines: array[int]) -> Iterator[Iterator[Any]]:
    """The values of one row after the other, as those of a whole piece would fill memory; notes the line of each."""
    for number, row in rows:
        lines.append(number)
        yield map(row.get, keys)


def _decoder(mark: str, **how: Any) -> json.JSONDecoder:
    """Numbers stay the text that they are written in, with this decimal mark."""
    real = str if mark == "." else partial(_with_mark, mark)
    return json.JSONDecoder(parse_float=real, parse_int=str, parse_constant=str, **how)


def _rows(path: Path, encoding: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, Row]]:
    """The objects with the lines that they stand in, blank ones left out."""
    with open_text(path, encoding) as handle:
        for number, line in enumerate(handle, 1):
            if line.isspace():
                continue
            try:
                row = decoder.decode(line)
            except json.JSONDecodeError as error:
                raise DataError(_broken(path, number, line, error)) from None
            except _TwiceError as error:
                raise DataError(f"{path}:{number}: key {error.args[0]!r} stands twice in an object; keep one") from None
            except RecursionError:
                raise DataError(f"{path}:{number}: lists in lists without end; {_EXAMPLE}") from None
            if not isinstance(row, dict):
                raise DataError(f"{path}:{number}: {_what(row)}, where {_EXAMPLE}")
            if "\\u" in line:
                _check_characters(path, number, row)
            yield number, row


def _with_mark(mark: str, number: str) -> str:
    return number.replace(".", mark)


class _TwiceError(Exception):
    """A key stands twice in an object."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return row


def _what(value: object) -> str:
    if isinstance(value, list):
        return f"a list ({_WHOLE})" if any(isinstance(one, dict) for one in value) else "a list"
    return "null" if value is None else f"the value {shortened(str(value), 40)}"


def _broken(path: Path, number: int, line: str, error: json.JSONDecodeError) -> str:
    if line.strip() in ("[", "{"):
        return f"{path}:{number}: JSON that goes on over several lines; {_WHOLE}"
    if error.pos < len(line.rstrip()) and not error.msg.startswith("Unterminated"):
        return f"{path}:{number}:{error.colno}: no JSON ({error.msg[0].lower()}{error.msg[1:]}); {_EXAMPLE}"
    if line.endswith("\n"):
        return f"{path}:{number}: the line ends in the midst of an object; {_EXAMPLE}"
    return f"{path}:{number}: the file ends in the midst of an object; fetch it again, or remove this line"


def _check_characters(path: Path, number: int, row: Row) -> None:
    """Raise DataError for what only an escape can bring into a text, and no file of text could hold."""
    text = "".join(map(str, (*row, *row.values())))
    if "\0" in text:
        raise DataError(f"{path}:{number}: \\u0000, a zero byte, in a text; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])[1:-1]
        raise DataError(f"{path}:{number}: {half} is only half of a character; write it anew") from None
