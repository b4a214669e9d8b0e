"""Of what format a file is that no name tells: by its first bytes, and what an archive holds."""

from __future__ import annotations

from pathlib import Path

from nnrun.data.files.excel_file import is_workbook
from nnrun.data.files.jsonl_file import begins_with_object
from nnrun.data.files.sources import FILE_FORMATS

_ARCHIVE = b"PK\x03\x04"


def suffix_of(path: Path) -> str:
    """The suffix of its format; `.csv` for all that is none of the others."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == _ARCHIVE:
        return ".xlsx" if is_workbook(path) else ".npz"
    known = (suffix for suffix, format in FILE_FORMATS.items() if format.begins == start)
    return next(known, "") or (".jsonl" if begins_with_object(path) else ".csv")
