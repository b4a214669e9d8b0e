"""From a source (a bundled name, a file, or a file for each part) to tables."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from nnrun.config.data_section import BUNDLED, DOWNLOAD, is_address
from nnrun.data.files.array_file import read_npy, read_npz
from nnrun.data.files.chunks import Source, Whole
from nnrun.data.files.csv_file import read_csv
from nnrun.data.files.dialect import find_dialect
from nnrun.data.files.excel_file import find_sheet, read_xlsx
from nnrun.data.files.images import ONE_ARRAY, holds_images, is_image
from nnrun.data.files.jsonl_file import find_keys, read_jsonl
from nnrun.data.files.misspelt import file_meant
from nnrun.data.files.parquet_file import read_parquet
from nnrun.data.files.reading import Reading
from nnrun.data.files.steady import Steady
from nnrun.data.files.table import Table, suggest
from nnrun.errors import DataError
from nnrun.files import sha256_of
from nnrun.machine.lazily import cached_property
from nnrun.text import one_of

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


SOURCE = ("data", "source")
_BUNDLED_FILES = Path(__file__).parents[1] / "bundled"

# From a path, how it is to be read, and how many rows a piece has: without a number one table, else as many rows in
# each piece but the last, their `first_row` set. One whose format has a `find` also takes `found`. Whatever is wrong
# with a file is a DataError that names the place.
Reader = Callable[..., Iterator[Table]]


class FileFormat(NamedTuple):
    """How a file of one suffix is read.

    `find` is for those whose cells are text, or become it: it finds out how a file is written, so that it is done once.
    """

    read: Reader
    find: Callable[[Path, Reading], object] | None = None
    packed: bool = False  # it may be gzipped
    arrays: bool = False  # it holds arrays, whose columns belong together as the pixels of an image do
    begins: bytes | None = None  # its first four bytes, where they tell the format of a file without a name


_TEXT = FileFormat(read_csv, find_dialect, packed=True)
_LINES = FileFormat(read_jsonl, find_keys, packed=True)
_WORKBOOK = FileFormat(read_xlsx, find_sheet)
FILE_FORMATS = {
    ".csv": _TEXT,
    ".tsv": _TEXT,
    ".txt": _TEXT,
    ".jsonl": _LINES,
    ".ndjson": _LINES,
    ".parquet": FileFormat(read_parquet, begins=b"PAR1"),
    ".xlsx": _WORKBOOK,
    ".xlsm": _WORKBOOK,
    ".npy": FileFormat(read_npy, arrays=True, begins=b"\x93NUM"),
    ".npz": FileFormat(read_npz, arrays=True),
}
_ALMOST = {
    ".json": "; if each of its lines is an object, call it .jsonl",
    ".xls": "; a spreadsheet program saves it as .xlsx",
}


def sources_of(config: Data) -> dict[str, str]:
    """The bundled name or the path of each part, that of training first; `all` for one that is split or in folds."""
    source = config.source
    if isinstance(source, str):
        return {"all": source}
    parts = {"all" if config.folds else "train": source.train, "dev": source.dev, "test": source.test}
    parts["train_dev"] = source.train_dev
    return {part: text for part, text in parts.items() if text is not None}


def source_files(config: Data) -> dict[str, Path]:
    """The file of each part that is not a bundled set."""
    return {part: Path(text) for part, text in sources_of(config).items() if text not in BUNDLED}


def read_files(config: Data) -> list[Path]:
    """The file of each part, also those of bundled sets."""
    return [_bundled_file(text) if text in BUNDLED else Path(text) for text in sources_of(config).values()]


def target_name(config: Data) -> str | None:
    """The target column that the configuration means, None if it leaves a CSV file's target open."""
    first = next(iter(sources_of(config).values()))
    if first in BUNDLED:
        return BUNDLED[first].target if config.target in (None, "target") else config.target
    arrays = all(path.suffix.lower() == ".npz" for path in source_files(config).values())
    return config.target or ("y" if arrays else None)


def open_sources(config: Data) -> dict[str, Source]:
    """A source for each part, or one under `all`; raises DataError for a file that is not there."""
    reading = Reading.by(config)
    return {
        part: Whole(_read_bundled(text)) if text in BUNDLED else File(Path(text), reading)
        for part, text in sources_of(config).items()
    }


def holds_arrays(config: Data) -> bool:
    """Whether all columns belong together, as the pixels of an image do: bundled sets and files of arrays."""
    return all(_format(path).arrays for path in source_files(config).values())


def lacks_names(config: Data) -> bool:
    """Whether the first text file's first line looks like a row, and nothing was said of it; DataError as above."""
    text = [path for path in source_files(config).values() if _format(path).read is read_csv]
    for path in text[:1]:
        check_file(path)
        with _explained(path):
            layout = find_dialect(path, Reading.by(config)).layout
        return layout.data_first and config.target not in layout.first
    return False


def read_source(config: Data) -> dict[str, Table]:
    """All rows of each source in memory; raises DataError for whatever cannot be read."""
    return {part: source.table() for part, source in open_sources(config).items()}


class File:
    """A file as a source."""

    def __init__(self, path: Path, reading: Reading) -> None:
        check_file(path)
        self.path, self.reading, self.name = path, reading, str(path)
        self._steady = Steady(path)

    @cached_property
    def _reader(self) -> Reader:
        """The reader of the file's format; how a text file is written is found out once."""
        format = _format(self.path)
        if format.find is None:
            return format.read
        with _explained(self.path):
            return partial(format.read, found=format.find(self.path, self.reading))

    @property
    def is_text(self) -> bool:
        """Whether cells become numbers only by reading them."""
        return _format(self.path).find is not None

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes."""
        return self._hash.result()

    @cached_property
    def _hash(self) -> Future[str]:
        """Made beside whatever else is done; a command that ends early does not wait for it."""
        hashed: Future[str] = Future()

        def make() -> None:
            try:
                with self._steady.read():
                    found = sha256_of(self.path)
                hashed.set_result(found)
            except (OSError, DataError) as error:
                hashed.set_exception(error)

        Thread(target=make, daemon=True).start()
        return hashed

    @cached_property
    def width(self) -> int:
        """Number of columns."""
        return len(next(_tables(self.path, self.reading, 1, self._reader)).columns)

    def chunks(self, cells: int, text: Collection[str], numbers: Collection[str] = ()) -> Iterator[Table]:
        """Pieces as the file's reader gives them."""
        _ = self._hash  # the other core has time for it now
        known = self.reading
        reading = replace(known, text=known.text.union(text), numbers=known.numbers.union(numbers))
        with self._steady.read():
            yield from _tables(self.path, reading, max(1, cells // self.width), self._reader)

    def table(self) -> Table:
        """All rows, in memory."""
        with self._steady.read():
            return replace(next(_tables(self.path, self.reading, None, self._reader)), sha256=self.sha256)


def check_file(path: Path) -> None:
    """Raise DataError unless the path is a regular file."""
    try:
        if path.is_dir() and holds_images(path):
            raise DataError(f"{path}: this is a directory of images; {ONE_ARRAY}", SOURCE)
        if path.is_dir():
            raise DataError(f"{path}: this is a directory; name a {one_of(FILE_FORMATS)} file", SOURCE)
        if not path.exists() and is_address(str(path)):
            raise DataError(f"{path}: an address; {DOWNLOAD}", SOURCE)
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path}: a link that leads to no file", SOURCE)
        if not path.exists():
            raise DataError(f"{path}: no such file{_meant(path)}", SOURCE)
        if not path.is_file():
            raise DataError(f"{path}: not a regular file; name a {one_of(FILE_FORMATS)} file", SOURCE)
    except OSError as error:
        raise _unreadable(path, error) from None


def _meant(path: Path) -> str:
    with suppress(OSError):  # a folder that is closed
        if found := file_meant(path, lambda each: _format_of(each) is not None and each.is_file()):
            return f"; did you mean {str(found)!r}?"
    return suggest(path.stem, BUNDLED) if not path.suffix or path.stem in BUNDLED else ""


def read_chunks(path: Path, rows: int, reading: Reading) -> Iterator[Table]:
    """Tables of at most so many rows each, without the file's hash; the memory does not grow with the file.

    Raises DataError for whatever cannot be read, and after the last of them where the file was changed meanwhile.
    """
    check_file(path)
    with Steady(path).read():
        yield from _tables(path, reading, rows)


def _tables(path: Path, reading: Reading, rows: int | None, reader: Reader | None = None) -> Iterator[Table]:
    reader = reader or _format(path).read
    with _explained(path):
        found = 0
        for table in reader(path, reading, rows):
            found += len(table)
            yield table
        if not found:  # what a damaged file says of its rows need not be so
            raise DataError(f"{path}: no rows; at least one row and one column are needed")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What opening, unpacking and reading a file may raise becomes a DataError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path}: a damaged gzip file; pack it again") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _format(path: Path) -> FileFormat:
    """The format of a file by its suffix; raises DataError where it has none that is known."""
    if is_image(path):
        raise DataError(f"{path}: this is an image; {ONE_ARRAY}", SOURCE)
    if (format := _format_of(path)) is None:
        suffix = f"the format {path.suffix!r} is not supported" if path.suffix else "a file without a suffix"
        almost = _ALMOST.get(path.suffix.lower(), "")
        raise DataError(f"{path}: {suffix}; convert it to {one_of(FILE_FORMATS)}{almost}", SOURCE)
    return format


def _format_of(path: Path) -> FileFormat | None:
    """None where the suffix is not known, or the file is packed and must not be."""
    name = path.name.lower()
    format = FILE_FORMATS.get(Path(name.removesuffix(".gz")).suffix)
    return None if format and name.endswith(".gz") and not format.packed else format


def _unreadable(path: Path, error: OSError) -> DataError:
    reason = (error.strerror or str(error)).lower()
    return DataError(f"{path}: cannot be read ({reason}); check the path and its permissions", SOURCE)


def _bundled_file(name: str) -> Path:
    return _BUNDLED_FILES / f"{name}.csv"


def _read_bundled(name: str) -> Table:
    table = File(_bundled_file(name), Reading(delimiter=",", encoding="utf-8", decimal=".")).table()
    return replace(table, name=name, lines=None, fields={}, image=BUNDLED[name].image)  # its file is not the user's
