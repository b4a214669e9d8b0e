"""From a source (a bundled name, a file, or a file for each part) to tables."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.config.schema import BUNDLED
from nnrun.data.chunks import Source, Whole
from nnrun.data.csv_file import read_csv
from nnrun.data.table import Table, suggest
from nnrun.errors import DataError

if TYPE_CHECKING:
    from nnrun.config.schema import Data

SOURCE = ("data", "source")
_BUNDLED_FILES = Path(__file__).parent / "bundled"

# What NumPy and zipfile raise on an archive that is damaged, encrypted, of another kind, or full of objects.
_UNUSABLE = (ValueError, EOFError, KeyError, AttributeError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)

Array = npt.NDArray[Any]


def source_files(config: Data) -> dict[str, Path]:
    """The file of each part (`train`, `dev`, `test`), `{"all": file}` for a single one, nothing for a bundled set."""
    source = config.source
    if not isinstance(source, str):
        parts = {"train": source.train, "dev": source.dev, "test": source.test}
        return {part: Path(path) for part, path in parts.items() if path is not None}
    return {} if source in BUNDLED else {"all": Path(source)}


def target_name(config: Data) -> str | None:
    """The target column that the configuration means, None if it leaves a CSV file's target open."""
    files = source_files(config)
    if not files:
        own = BUNDLED[str(config.source)]
        return own if config.target in (None, "target") else config.target
    arrays = all(path.suffix.lower() == ".npz" for path in files.values())
    return config.target or ("y" if arrays else None)


def open_sources(config: Data) -> dict[str, Source]:
    """A source for each part, or one under `all`; raise DataError for whatever cannot be read."""
    return {part: Whole(table) for part, table in read_source(config).items()}


def read_source(config: Data) -> dict[str, Table]:
    """A table for each part, or one under `all`; raise DataError for whatever cannot be read."""
    files = source_files(config)
    if not files:
        return {"all": _read_bundled(str(config.source))}
    return {part: _read_file(path, config.target or "y") for part, path in files.items()}


def check_file(path: Path) -> None:
    """Raise DataError unless the path is a regular file."""
    try:
        if path.is_dir():
            raise DataError(f"{path}: this is a directory; name a .csv or .npz file", SOURCE)
        if not path.exists():
            raise DataError(f"{path}: no such file{_similar_file(path)}", SOURCE)
        if not path.is_file():
            raise DataError(f"{path}: not a regular file; name a .csv or .npz file", SOURCE)
    except OSError as error:
        raise _unreadable(path, error) from None


def _similar_file(path: Path) -> str:
    bundled = suggest(path.name, BUNDLED)
    try:
        return suggest(path.name, sorted(entry.name for entry in path.parent.iterdir())) or bundled
    except OSError:
        return bundled


def _read_file(path: Path, target: str) -> Table:
    check_file(path)
    readers: dict[str, Callable[[str], Table]] = {
        ".csv": lambda sha256: read_csv(path, sha256),
        ".npz": lambda sha256: _read_npz(path, sha256, target),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        format = f"the format {path.suffix!r} is not supported" if path.suffix else "a file without a suffix"
        raise DataError(f"{path}: {format}; convert it to .csv or .npz", SOURCE)
    try:
        with path.open("rb") as handle:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        return reader(sha256)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    reason = (error.strerror or str(error)).lower()
    return DataError(f"{path}: cannot be read ({reason}); check the path and its permissions", SOURCE)


def _read_npz(path: Path, sha256: str, target: str) -> Table:
    arrays = _load_arrays(path)
    y_name = _target_array(path, arrays, target)
    x_name = _feature_array(path, arrays, y_name)
    x, y = arrays[x_name], arrays[y_name]
    _check_dtypes(path, {x_name: x}, "biuf", "numbers")
    _check_dtypes(path, {y_name: y}, "biufU", "numbers or text")
    if x.ndim < 2:
        raise DataError(f"{path}: array {x_name!r} has shape {x.shape}; it must be (rows, columns)")
    if y.ndim != 1 and y.shape[1:] != (1,):
        raise DataError(f"{path}: array {y_name!r} has shape {y.shape}; it must hold one value a row: (rows,)")
    if len(x) != len(y):
        raise DataError(f"{path}: {x_name!r} has {len(x)} rows but {y_name!r} has {len(y)}; they must be as many")
    if not x.size:
        raise DataError(f"{path}: array {x_name!r} is empty; at least one row and one column are needed")
    return _array_table(str(path), sha256, (x_name, x.reshape(len(x), -1)), (y_name, y.reshape(-1)))


def _array_table(name: str, sha256: str, x: tuple[str, Array], y: tuple[str, Array]) -> Table:
    import pandas as pd

    frame = pd.DataFrame(x[1], columns=[f"{x[0]}[{column}]" for column in range(x[1].shape[1])])
    frame[y[0]] = y[1]
    return Table(frame, name, sha256)


def _load_arrays(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {name: _native(archive[name]) for name in archive.files}
    except _UNUSABLE as error:
        pickled = "allow_pickle" in str(error) and zipfile.is_zipfile(path)
        reason = "it holds Python objects" if pickled else "it is damaged or of another kind"
        raise DataError(f"{path}: not a usable .npz archive: {reason}; write plain arrays with numpy.savez") from None


def _native(values: Array) -> Array:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _target_array(path: Path, arrays: dict[str, Array], name: str) -> str:
    if name not in arrays:
        hint = suggest(name, arrays) or f"; the arrays are {', '.join(arrays) or 'none'}"
        raise DataError(f"{path}: no array {name!r}{hint}", ("data", "target"))
    return name


def _feature_array(path: Path, arrays: dict[str, Array], target: str) -> str:
    others = [name for name in arrays if name != target]
    named = [name for name in others if name in ("x", "X")]
    candidates = named or others
    if len(candidates) != 1:
        found = ", ".join(others) or "none"
        raise DataError(f"{path}: which array holds the features? There are {found}; name one 'x'")
    return candidates[0]


def _check_dtypes(path: Path, arrays: dict[str, Array], kinds: str, wanted: str) -> None:
    for name, values in arrays.items():
        if values.dtype.kind not in kinds:
            raise DataError(f"{path}: array {name!r} is of type {values.dtype}; it must hold {wanted}")


def _read_bundled(name: str) -> Table:
    path = _BUNDLED_FILES / f"{name}.csv"
    table = read_csv(path, hashlib.sha256(path.read_bytes()).hexdigest())
    return replace(table, name=name, lines=None)  # its file is not the user's


def read_chunks(path: Path, rows: int, like: Mapping[str, Any] | None = None) -> Iterator[Table]:
    """Tables of at most so many rows each; raises DataError for whatever cannot be read."""
    table = _read_file(path, like["target"]["name"] if like else "y")
    for start in range(0, len(table), rows):
        yield table.take(np.arange(start, min(start + rows, len(table))))
