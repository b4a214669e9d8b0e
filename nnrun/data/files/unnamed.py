"""Of what format a file is that no name tells: by its first bytes, and what an archive holds."""

from __future__ import annotations

from pathlib import Path

from nnrun.data.files.excel_file import is_workbook
from nnrun.data.files.jsonl_file import begins_with_object

_BEGINNINGS = {b"PAR1": ".parquet", b"\x93NUM": ".npy"}
_ARCHIVE = b"PK\x03\x04"


def suffix_of(path: Path) -> str:
    """The suffix of its format; `.csv` for all that is none of the others."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == _ARCHIVE:
        return ".xlsx" if is_workbook(path) else ".npz"
    return _BEGINNINGS.get(start) or (".jsonl" if begins_with_object(path) else ".csv")
