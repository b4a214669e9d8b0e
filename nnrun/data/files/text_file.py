"""A text file before anything is read from it: what else it may be, how it is packed and encoded."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import numpy as np

from nnrun.data.files.bombs import LONGEST_LINE, Unpacked
from nnrun.errors import DataError

_GZIP = b"\x1f\x8b"
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BLOCK = 1 << 18
_LIKE_ASCII = ("utf-8", "utf-8-sig", "cp1252", "latin-1")  # in which its characters are the same bytes
_UNUSED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"

# How files begin that are something else, whatever they are called; and what to do.
_OTHERS = {
    rb"<(!doctype html|html|head|body)\b": "this is an HTML page, not a table; download the file that the page shows",
    rb"<\?xml|<!--": "this is XML, not a table; save it as CSV",
    rb"[\[{]\s*[\[{\"}\]]": "this is JSON; call it .jsonl if each line is an object, else convert it to CSV",
    rb"version https://git-lfs": "this is a pointer of Git LFS, not the file; fetch the file with `git lfs pull`",
    rb"PK\x03\x04": "this is an archive or a workbook, not text; unpack it, or call the workbook .xlsx",
    rb"\xd0\xcf\x11\xe0": "this is an old Excel workbook, not text; save its sheet as CSV",
    rb"PAR1": "this is a Parquet file; call it .parquet",
    rb"\x93NUMPY": "this is an array of NumPy; call it .npy",
    rb"%PDF-": "this is a PDF, not a table; save the table as CSV",
}  # fmt: skip
_OTHER = {re.compile(rb"(\xef\xbb\xbf)?\s*(" + begins + rb")", re.IGNORECASE): what for begins, what in _OTHERS.items()}


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes, unpacked if it is gzipped, whatever it is called."""
    with path.open("rb") as handle:
        packed = handle.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, Unpacked(path) if packed else path.open("rb"))


def open_text(path: Path, encoding: str) -> TextIO:
    """The file's text with its line ends as they are."""
    return io.TextIOWrapper(open_binary(path), encoding=encoding, newline="")


def check_is_text(path: Path) -> None:
    """Raise DataError, saying what it is, for a file that begins as one of another kind does."""
    with open_binary(path) as handle:
        head = handle.read(1 << 12)
    for begins, what in _OTHER.items():
        if begins.match(head):
            raise DataError(f"{path}: {what}")


def find_encoding(path: Path) -> str:
    """UTF-8 or UTF-16 by their marks, UTF-8 if all bytes are, else cp1252, or latin-1 where that has no such bytes.

    Raises DataError for what is not text, and for UTF-8 with a damaged place.
    """
    with open_binary(path) as handle:
        head = handle.read(4)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            check_encoding(path, encoding)
            return encoding
    wrong = _first_undecodable(path, "utf-8")
    if wrong is None:
        return "utf-8"
    if not _bytes_before(path, wrong).isascii():
        raise _undecodable(path, "utf-8", wrong)
    encoding = "latin-1" if any(set(block) & set(_UNUSED_IN_CP1252) for block in _blocks(path)) else "cp1252"
    check_encoding(path, encoding)
    return encoding


def check_encoding(path: Path, encoding: str) -> None:
    """Raise DataError with line and column of the first byte that is none in this encoding."""
    wrong = _first_undecodable(path, encoding)
    if wrong is not None:
        raise _undecodable(path, encoding, wrong)


def _first_undecodable(path: Path, encoding: str) -> int | None:
    """Offset of the first byte that is no text in this encoding; raises DataError at a character of zero."""
    decoder = codecs.getincrementaldecoder(encoding)()
    simple = encoding in _LIKE_ASCII
    start = 0
    for block in _blocks(path):
        pending = len(decoder.getstate()[0])
        if simple and not pending and block.isascii() and b"\0" not in block:
            start += len(block)
            continue
        try:
            text = decoder.decode(block)
        except UnicodeError as error:  # its start is missing where UTF-16 lacks its mark
            return start - pending + getattr(error, "start", 0)
        if "\0" in text:
            place = _place(path, start + block.find(b"\0"))
            raise DataError(f"{place}: a zero byte, so this is not a text file; save the table as CSV in UTF-8")
        start += len(block)
    return start - len(decoder.getstate()[0]) if decoder.getstate()[0] else None


def _blocks(path: Path) -> Iterator[bytes]:
    """All bytes; raises DataError for a line without end."""
    lines = length = 0  # before the last line end, and behind it
    with open_binary(path) as handle:
        while block := handle.read(_BLOCK):
            end = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
            lines, length = lines + _line_ends(block), len(block) - end + (0 if end else length)
            if length > LONGEST_LINE:
                raise DataError(
                    f"{path}:{lines + 1}: a line of more than {LONGEST_LINE >> 20} MiB; a table has a line a row"
                )
            yield block


def _line_ends(block: bytes) -> int:
    """Found four times as fast as by bytes.count."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def _bytes_before(path: Path, offset: int) -> bytes:
    with open_binary(path) as handle:
        return handle.read(offset)


def _undecodable(path: Path, encoding: str, offset: int) -> DataError:
    return DataError(
        f"{_place(path, offset)}: a byte that is no text in {encoding.removesuffix('-sig')}; save the file as UTF-8, "
        "or name its encoding in data.format.encoding"
    )


def _place(path: Path, offset: int) -> str:
    """`FILE:LINE:COLUMN` of a byte, both counted from 1."""
    before = _bytes_before(path, offset)
    line_start = before.rfind(b"\n") + 1
    return f"{path}:{before.count(10) + 1}:{offset - line_start + 1}"
