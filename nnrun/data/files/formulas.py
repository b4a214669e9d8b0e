"""Formulas of a sheet whose values no program has stored: openpyxl gives such a cell and an empty one alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree.ElementTree import Element, iterparse

from nnrun.data.files.reading import Header
from nnrun.text import counted, listed

_SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ROW, _FORMULA, _VALUE = (_SPREADSHEET + name for name in ("row", "f", "v"))
_NUMBER = "n"  # what a cell is that does not say its type, as one without a value; an empty text is said to be text
_TAG, _LONGEST_TAG = re.compile(rb"<(\w+:)?f[\s/>]"), 64
_BLOCK = 1 << 20
_COMPUTE = "open the workbook in a spreadsheet program and save it"
_NONE = f"of formulas without stored values; {_COMPUTE}"


class Unstored(NamedTuple):
    """How many such cells a column has, and the row of the first one."""

    cells: int
    row: int


def unstored(opened: Callable[[], IO[bytes]], above: int) -> dict[int, Unstored]:
    """Formulas without a value below the row `above`, by the place of the column, from 0; `opened` gives the XML."""
    found: dict[int, Unstored] = {}
    number = 0
    with opened() as source:
        if not _has_formulas(source):
            return found
    with opened() as source:
        for _, row in iterparse(source):
            if row.tag != _ROW:
                continue
            number = int(row.get("r", number + 1))
            for place in _places(row) if number > above else ():
                cells, first = found.get(place, (0, number))
                found[place] = Unstored(cells + 1, first)
            row.clear()
    return found


def judge_formulas(
    path: Path, header: Header, found: Mapping[int, Unstored], filled: Container[int], target: str
) -> tuple[dict[str, str], list[str]]:
    """The columns that are not to be read for formulas without values, and the notice on others that have some.

    The target is not to be read for one: its row would be left out, as one that has none.
    """
    unreadable, gaps = dict[str, str](), list[str]()
    for place, name in enumerate(header.names):
        if place not in found or name in header.unnamed:
            continue
        cells, row = found[place]
        first = f"the first {path}:{row}:{place + 1}"
        if place not in filled:
            unreadable[name] = _NONE
        elif name == target:
            unreadable[name] = f"in {counted(cells, 'row')} a formula without a stored value, {first}; {_COMPUTE}"
        else:
            gaps.append(f"{cells:,} in column {name!r} ({first})")
    return unreadable, [f"formulas without stored values are gaps: {listed(gaps)}; {_COMPUTE}"] if gaps else []


def _has_formulas(source: IO[bytes]) -> bool:
    """Told by the bytes, as most sheets hold none and parsing one takes half as long as reading it did."""
    rest = b""
    while block := source.read(_BLOCK):
        if _TAG.search(rest + block):
            return True
        rest = block[-_LONGEST_TAG:]
    return False


def _places(row: Element) -> Iterator[int]:
    """Of the cells with a formula and no value; a cell need not say where it stands."""
    from openpyxl.utils import column_index_from_string

    for place, cell in enumerate(row):
        if cell.get("t", _NUMBER) == _NUMBER and cell.find(_FORMULA) is not None and not cell.findtext(_VALUE):
            column = cell.get("r", "").rstrip("0123456789")
            yield column_index_from_string(column) - 1 if column else place
