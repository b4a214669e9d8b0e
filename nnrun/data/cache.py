"""Prepared arrays on disk, one directory for each state of the data; whatever is damaged there is made again.

Every byte is read and compared with its checksum before it is mapped, at a gigabyte or more a second.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.files.sources import check_file, read_files
from nnrun.data.files.steady import identity_of
from nnrun.data.files.values import Arrays
from nnrun.data.fitted import Fitted
from nnrun.data.prepare import Prepared
from nnrun.files import sealed, unsealed
from nnrun.installation import digest
from nnrun.locks import drop_abandoned, filling
from nnrun.machine.threads import beside

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


# Another nnrun may read, prepare or write the same data otherwise: these are all that has a part in it.
SOURCES = ("data/**/*.py", "compiled/cell*.py", "engine/sampling.py")

UNFINISHED = ".unfinished-"  # a folder beside the entries that a process fills, or holds
_DATA, _MANIFEST = "data.json", "manifest.json"
_BLOCK = 1 << 20  # bytes that a checksum is of
_ATTEMPTS = 10  # several processes may repair the same entry at once

Entry = tuple[Arrays, Fitted]


def cache_key(config: Data, dtype: str) -> str:
    """Hash of the data section, dtype, each file's path, size and times, and the code that prepares them.

    Raises DataError for a missing file.
    """
    files = []
    for path in read_files(config):
        check_file(path)
        files.append([str(path.absolute()), *identity_of(path)])
    described = {
        "code": digest(*SOURCES),
        "dtype": dtype,
        "data": config.model_dump(mode="json", exclude={"correct_prior"}),  # which changes no array
        "files": files,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def load_entry(entry: Path, dtype: str) -> Entry | None:
    """The arrays, mapped from disk and read-only, and what was fitted, of an entry; None if it is not whole."""
    try:
        if not _is_as_written(entry):
            return None
        fitted = Fitted(json.loads((entry / _DATA).read_text(encoding="utf-8")))
        arrays: Arrays = {}
        for part, rows in fitted.split["sizes"].items():
            axes = ["x", "y", *(["w"] if fitted.weights and fitted.weights["column"] else [])]
            axes += ["g"] if part in fitted.split.get("groups", {}) else []
            axes += ["t"] if fitted.split["rule"] == "time" else []
            found = {f"{part}_{axis}": _mapped(entry / f"{part}_{axis}.npy") for axis in axes}
            x = found[f"{part}_x"]
            if x.shape != (rows, len(fitted.features)) or x.dtype != dtype or {rows} != set(map(len, found.values())):
                return None
            arrays |= found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError):
        return None
    return arrays, fitted


def _is_as_written(entry: Path) -> bool:
    """Whether the manifest is whole and every file has its checksums."""
    known = unsealed(json.loads((entry / _MANIFEST).read_text(encoding="utf-8")))
    return known is not None and known == _checksums(entry)


def _checksums(entry: Path) -> dict[str, list[int]]:
    """The size of each file of an entry, and a checksum of each of its blocks: CRC-32 notices every flipped bit.

    Of what Python has it is the fastest on every processor: three times as fast as blake2b.
    """
    found = {}
    for path in sorted(set(entry.iterdir()) - {entry / _MANIFEST}):
        with path.open("rb", buffering=0) as file:
            found[path.name] = [path.stat().st_size, *beside(zlib.crc32, iter(partial(file.read, _BLOCK), b""))]
    return found


def _mapped(path: Path) -> npt.NDArray[Any]:
    # A plain array over the map: NumPy's memmap subclass makes every small operation slower.
    return np.asarray(np.load(path, mmap_mode="r"))


def store_entry(entry: Path, prepared: Prepared) -> None:
    """Write an entry beside its place, piece by piece, and rename it; raises OSError if that is not possible."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    drop_abandoned(entry.parent, UNFINISHED)
    with filling(entry.parent, UNFINISHED) as unfinished:
        new = unfinished / "new"
        new.mkdir()
        _write_arrays(new, prepared)
        (new / _DATA).write_text(json.dumps(prepared.fitted.document, indent=1), encoding="utf-8")
        (new / _MANIFEST).write_text(json.dumps(sealed(_checksums(new))), encoding="utf-8")
        _put_in_place(new, entry, prepared.dtype)


def _write_arrays(folder: Path, prepared: Prepared) -> None:
    """Plain writes, one array's rows after the other's: on a full disk a write to a mapped file kills the process."""
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in prepared.shapes()}
        for name, (shape, dtype) in prepared.shapes().items():
            described = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(files[name], described)
        for name, rows in prepared.pieces():
            files[name].write(rows.data)


def _put_in_place(new: Path, entry: Path, dtype: str) -> None:
    """Rename to the entry's place; a whole entry found there is as good, a broken one is moved out of the way."""
    for attempt in range(_ATTEMPTS):
        try:
            new.rename(entry)
            return
        except OSError:
            if load_entry(entry, dtype) is not None:
                return
            if attempt + 1 == _ATTEMPTS:
                raise
            with suppress(FileNotFoundError):
                entry.rename(new.with_name(f"broken-{attempt}"))
