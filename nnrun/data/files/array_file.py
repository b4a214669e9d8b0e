"""NumPy's files: .npz with an array of features and one of targets, .npy with one array or records."""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrun.data.files.bombs import check_unpacked
from nnrun.data.files.content import of_columns
from nnrun.data.files.images import Shape, channels_first, check_image, image_of
from nnrun.data.files.reading import Reading
from nnrun.data.files.table import Table, stated_numbers, suggest
from nnrun.errors import DataError
from nnrun.machine.capacity import lacking_memory

try:
    from lzma import LZMAError
except ImportError:  # of a Python that was built without it, whose zipfile refuses such an archive itself
    LZMAError = zipfile.BadZipFile  # type: ignore[misc,assignment]

# What NumPy and zipfile raise on files that are damaged, encrypted, of another kind, or full of objects.
_UNUSABLE = (
    ValueError, EOFError, LookupError, AttributeError, TypeError, RuntimeError, MemoryError, ArithmeticError,
    SyntaxError, TokenError, struct.error, zipfile.BadZipFile, zlib.error, LZMAError,
)  # fmt: skip
_LEAST_MAPPED = 1 << 24  # bytes of an array in an archive; a smaller one is read, which also checks its checksum
_LOCAL_HEADER = struct.Struct("<26sHH")  # of a zip member, up to the lengths of its name and extra field, which follow
_ENCRYPTED = 1
_PART = re.compile(r"[xy]_?(train|dev|val|valid|test)", re.IGNORECASE)
_HALVES = (0xD800, 0xDFFF)  # code points that UTF-16 uses in pairs
_USUAL_TARGET = "y"  # what its array is called
_NUMBERS, _LABELS, _CELLS = "biuf", "biufU", "biufUM"

Array = npt.NDArray[Any]
NOTHING: Mapping[str, Array] = {}


def read_npz(path: Path, reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows: an array of features `(m, …)` and, if it is there, one of targets `(m,)`."""
    yield from of_arrays(path, _load(path, ".npz archive", "numpy.savez", _archive), reading, rows)


def of_arrays(path: Path, arrays: dict[str, Array], reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows, from arrays by name: those of the archive at `path`, or of what is called so."""
    _check_parts(path, arrays)
    y_name = _target_array(path, arrays, reading)
    x_name = _feature_array(path, arrays, y_name)
    x = arrays[x_name]
    _check_dtype(path, x_name, x, _NUMBERS, "numbers")
    _check_shape(path, f"array {x_name!r}", x)
    check_image(path, x.shape, reading)
    targets, unfit = dict[str, Array](), dict[str, str]()
    if y_name is not None:
        try:
            targets[reading.target] = _checked_target(path, y_name, arrays[y_name], x_name, len(x))
        except DataError as error:
            if reading.target_needed:
                raise
            unfit[reading.target] = f"unfit: {str(error).removeprefix(f'{path}: ')}"  # of which who predicts needs none
    for table in _tables(path, x, _names(x_name, x.shape[1:], reading), reading, rows, targets):
        yield replace(table, unreadable=unfit)


def read_npy(path: Path, reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows: the fields of records, or the columns of an array, called 0, 1, …"""
    yield from of_array(path, _load(path, ".npy file", "numpy.save", _plain), reading, rows)


def of_array(path: Path, values: Array, reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows, from the array of the file at `path`, or of what is called so."""
    if values.dtype.names:
        yield from _records(path, values, reading, rows)
        return
    if values.dtype.kind not in _NUMBERS:
        raise DataError(f"{path}: the array is of type {values.dtype}; it must hold numbers")
    _check_shape(path, "the array", values)
    check_image(path, values.shape, reading)
    names = [str(column) for column in range(values.shape[1])] if values.ndim == 2 else None
    yield from _tables(path, values, _names("x", values.shape[1:], reading, names), reading, rows)


def _tables(
    path: Path,
    x: Array,
    names: Sequence[str],
    reading: Reading,
    rows: int | None,
    beside: Mapping[str, Array] = NOTHING,
) -> Iterator[Table]:
    """Pieces of features `(m, …)` and of further columns `(m,)`."""
    told = f"{path.name}: arrays of shape {x.shape[1:]} have their channels first, so they are not taken for images"
    notices = (f"{told}; for augmentation write x.transpose(0, 2, 3, 1)",) if channels_first(x.shape[1:]) else ()
    step = rows or len(x)
    flat = x.reshape(len(x), -1)
    for start in range(0, len(x), step):
        part = _without(_native(np.asarray(flat[start : start + step])), reading.missing)
        part = np.asfortranarray(part)  # it is read column by column
        columns = dict(zip(names, part.T, strict=True))
        columns |= {name: _native(values[start : start + step]) for name, values in beside.items()}
        content = of_columns(columns, np.arange(start, start + len(part)))
        yield Table(content, str(path), first_row=start, image=image_of(x.shape[1:]), notices=notices)


def _without(cells: Array, missing: Sequence[str]) -> Array:
    """Dates and numbers `(m, …)` without those that the configuration calls missing; other cells as they are."""
    if cells.dtype.kind == "M" and missing:
        days = cells.astype("M8[D]")
        return np.where(np.isin(days.astype(str), missing) & (days == cells), np.datetime64("NaT"), cells)
    stated = stated_numbers(missing, cells.dtype) if cells.dtype.kind in "iuf" else cells[:0]
    if not len(stated):
        return cells
    gone = np.isin(cells, stated)
    return np.where(gone, np.nan, cells) if gone.any() else cells


def _records(path: Path, values: Array, reading: Reading, rows: int | None) -> Iterator[Table]:
    for name in values.dtype.names or ():
        field = values.dtype[name]
        if not _is_text(name):
            raise DataError(f"{path}: field {name!r} has a name that is no text; rename it")
        if field.shape or field.kind not in _CELLS or field == np.dtype("M8") or not field.itemsize:
            raise DataError(f"{path}: field {name!r} is of type {field}; it must hold one number, text or date a row")
    if values.ndim != 1 or not len(values):
        raise DataError(f"{path}: records of shape {values.shape}; they must be (rows,), with one row at least")
    step = rows or len(values)
    for start in range(0, len(values), step):
        part = np.asarray(values[start : start + step])
        columns = {name: _without(_native(part[name]), reading.missing) for name in part.dtype.names or ()}
        for name, cells in columns.items():
            _check_text(path, f"field {name!r}", cells, start)
        yield Table(of_columns(columns, np.arange(start, start + len(part))), str(path), first_row=start)


def _names(array: str, shape: Shape, reading: Reading, names: Sequence[str] | None = None) -> Sequence[str]:
    """A name for each feature: those of the run that is to read them if there are as many, whatever they are here."""
    if names is None:
        places = np.ndindex(image_of(shape) or (int(np.prod(shape)),))
        names = [f"{array}[{','.join(map(str, place))}]" for place in places]
    return reading.features if len(reading.features) == len(names) else names


def _load(path: Path, what: str, writer: str, load: Callable[[Path], Any]) -> Any:
    try:
        return load(path)
    except (*_UNUSABLE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk; the others are of what the file says of itself
        pickled = any(word in str(error) for word in ("allow_pickle", "Python objects"))
        reason = "it holds Python objects" if pickled else "it is damaged or of another kind"
        raise DataError(f"{path}: not a usable {what}: {reason}; write plain arrays with {writer}") from None


def _archive(path: Path) -> dict[str, Array]:
    with path.open("rb") as handle:
        if not zipfile.is_zipfile(handle):
            raise ValueError("no archive")
        handle.seek(0)
        with np.load(handle, allow_pickle=False) as archive:
            members = {name: archive.zip.getinfo(f"{name}.npy") for name in archive.files}
            mapped = {name: _mapped(path, member) for name, member in members.items()}
            for name, member in members.items():
                if mapped[name] is None:
                    _check_size(path, name, member)
            return {name: _member(path, archive, name) if values is None else values for name, values in mapped.items()}


def _member(path: Path, archive: Any, name: str) -> Array:
    try:
        return _native(archive[name])
    except ValueError as error:
        told = f"{path}: array {name!r} holds Python objects; write {name}.astype(str), or .astype(float)"
        raise DataError(told) if "allow_pickle" in str(error) else error from None


def _check_size(path: Path, name: str, member: zipfile.ZipInfo) -> None:
    """Raise DataError for an array that unpacks to too much for its size, or for the memory that is free."""
    cure = "write plain arrays with numpy.savez"
    check_unpacked(path, member.compress_size, member.file_size, cure)
    if told := lacking_memory(member.file_size):
        raise DataError(f"{path}: array {name!r} takes {told}; {cure}, which are read in pieces")


def _mapped(path: Path, member: zipfile.ZipInfo) -> Array | None:
    """A large array that numpy.savez stored as it is, mapped from its place in the archive, its checksum not looked at.

    None for one that is packed, small, in Fortran's order or of a later version.
    """
    if member.compress_type != zipfile.ZIP_STORED or member.file_size < _LEAST_MAPPED or member.flag_bits & _ENCRYPTED:
        return None
    with path.open("rb") as handle:
        handle.seek(member.header_offset)
        local = handle.read(_LOCAL_HEADER.size)
        _, name_length, extra_length = _LOCAL_HEADER.unpack(local)
        handle.seek(name_length + extra_length, os.SEEK_CUR)
        if np.lib.format.read_magic(handle) != (1, 0):
            return None
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(handle)
        if fortran or dtype.hasobject or int(np.prod(shape)) * dtype.itemsize > path.stat().st_size - handle.tell():
            return None
        return np.asarray(np.memmap(path, dtype, "r", handle.tell(), shape))


def _plain(path: Path) -> Array:
    with path.open("rb") as handle:
        np.lib.format.read_magic(handle)  # np.load would take anything else for a pickle
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _native(values: Array) -> Array:
    """In this machine's order of bytes, halves as float32, as they end where sums and limits begin, at most float64."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        with np.errstate(over="ignore"):  # what is infinite then is told with its place
            return values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _check_parts(path: Path, arrays: Collection[str]) -> None:
    """Raise DataError for an archive that holds the parts of the data, such as x_train, y_train, x_test and y_test."""
    parts = [name for name in arrays if _PART.fullmatch(name)]
    if len(parts) > 1 and not {"x", "X"} & set(arrays):
        raise DataError(
            f"{path}: {', '.join(parts)} are parts of the data; write an archive for each with an x and a y, as "
            "numpy.savez('train.npz', x=…, y=…), and name them in data.source: {train: …, dev: …}"
        )


def _target_array(path: Path, arrays: dict[str, Array], reading: Reading) -> str | None:
    """The target's name; new rows may call it 'y' whatever it was called in the table that a run learned from."""
    name = reading.target
    if name in arrays:
        return name
    if not reading.target_needed:
        return _USUAL_TARGET if _USUAL_TARGET in arrays and len(arrays) > 1 else None
    hint = suggest(name, arrays) or f"; the arrays are {', '.join(arrays) or 'none'}"
    raise DataError(f"{path}: no array {name!r}{hint}", ("data", "target"))


def _feature_array(path: Path, arrays: dict[str, Array], target: str | None) -> str:
    others = [name for name in arrays if name != target]
    named = [name for name in others if name in ("x", "X")]
    candidates = named or others
    if len(candidates) != 1:
        found = ", ".join(others) or "none"
        raise DataError(f"{path}: which array holds the features? There are {found}; name one 'x'")
    return candidates[0]


def _checked_target(path: Path, name: str, y: Array, x_name: str, rows: int) -> Array:
    _check_dtype(path, name, y, _LABELS, "numbers or text")
    if not y.ndim or y.shape[1:] not in ((), (1,)):
        raise DataError(f"{path}: array {name!r} has shape {y.shape}; it must hold one value a row: (rows,)")
    y = y.reshape(-1)
    _check_text(path, f"array {name!r}", y)
    if len(y) != rows:
        raise DataError(f"{path}: {x_name!r} has {rows} rows but {name!r} has {len(y)}; they must be as many")
    return y


def _check_dtype(path: Path, name: str, values: Array, kinds: str, wanted: str) -> None:
    if values.dtype.kind not in kinds:
        raise DataError(f"{path}: array {name!r} is of type {values.dtype}; it must hold {wanted}")


def _check_text(path: Path, what: str, values: Array, start: int = 0) -> None:
    """Raise DataError at the first text `(m,)` with what is no character by itself, half of a pair of UTF-16 say."""
    if values.dtype.kind != "U" or not values.nbytes:
        return
    codes = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), -1)
    wrong = (((codes >= _HALVES[0]) & (codes <= _HALVES[1])) | (codes > sys.maxunicode)).any(axis=1)
    if wrong.any():
        raise DataError(f"{path}: row {start + int(np.argmax(wrong)) + 1} of {what} is no text; write it anew")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_shape(path: Path, what: str, x: Array) -> None:
    if x.ndim < 2:
        raise DataError(f"{path}: {what} has shape {x.shape}; it must be (rows, columns)")
    if not x.size:
        raise DataError(f"{path}: {what} is empty; at least one row and one column are needed")
