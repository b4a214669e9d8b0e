"""The compiled reader of plain cells: made once a machine, kept as an object file, loaded without Numba.

To load Numba and a function that it keeps takes a third of a second, in which 60 MB of text are read without them;
llvmlite, which comes with it, takes a twentieth. The file lies beside the machine code of the engine, in the user's own
folder, and begins with its checksum. Other sources, versions and processors have other names. Whatever happens to it
costs a compilation; where it cannot be kept, or the extra `fast` is missing, there is no reader.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrun.compiled.folder import drop_unused, name_for, note_use, own_folder
from nnrun.files import write_atomically

Bytes = npt.NDArray[np.uint8]


class Columns(NamedTuple):
    """`numbers` `(n, m)`, what is in each column, and the lines of those that hold more than plain numbers."""

    numbers: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.uint8]
    rest: Bytes


Read = Callable[[Bytes, int, str, str, npt.NDArray[np.bool_]], Columns | None]
WHOLE, STRANGE = 0, 3  # kinds: nothing but whole numbers, and something else than numbers
_ONCE_MORE, _NEVER = -1, -2

PREFIX = "cells"
_SYMBOL = "plain_rows"
_CHECKSUM = hashlib.sha256().digest_size


@cache
def reader() -> Read | None:
    """A function of text, the number of its lines, what stands between fields and before decimals, and a mask `(n,)`.

    The text `(bytes,)` has just so many line ends, one of them as its last byte; the mask is of columns that are not to
    be taken for numbers. None if a line has more or fewer cells, or a quote, or no column is one of numbers. Meanwhile
    other threads run.
    """
    try:
        path = _path()
        code = (_kept(path) or _made(path)) if path else None
        rows = _loaded(code) if code else None
    except Exception:  # the extra is missing, or goes with another version of something
        return None
    if rows is None:
        return None

    def read(text: Bytes, height: int, between: str, point: str, strange: npt.NDArray[np.bool_]) -> Columns | None:
        width, found = len(strange), _ONCE_MORE
        columns = Columns(np.empty((width, height)), strange * np.uint8(STRANGE), np.empty_like(text))
        given, *filled = (array.ctypes.data for array in (text, *columns))
        length, thrown = ctypes.c_int64(), ctypes.c_void_p()  # Numba's functions give back what they return, and raise
        while found == _ONCE_MORE:
            _prepare(columns.kinds)
            rows(ctypes.byref(length), ctypes.byref(thrown), given, height, width, ord(between), ord(point), *filled)
            found = length.value
        if found == _NEVER or (columns.kinds == STRANGE).all():
            return None
        return columns._replace(rest=columns.rest[:found])

    return read


def _prepare(kinds: npt.NDArray[np.uint8]) -> None:
    """Forget all but what is strange; that are two columns at least, as a single empty cell would be a blank line."""
    kinds[kinds != STRANGE] = WHOLE
    if np.count_nonzero(kinds) == 1:
        kinds[np.argmin(kinds)] = STRANGE


def _loaded(code: bytes) -> Any:
    """The function of an object file; its code stays in memory as long as the function does."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    pointer, whole = ctypes.c_void_p, ctypes.c_int64
    byte = ctypes.c_uint8
    kinds = [pointer, pointer, pointer, whole, whole, byte, byte, pointer, pointer, pointer]
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(engine.get_function_address(_SYMBOL))
    function.engine = engine  # type: ignore[attr-defined]
    return function


def _made(path: Path) -> bytes:
    """The object file, compiled by Numba and put where the next process looks for it."""
    from llvmlite import binding
    from numba import types

    from nnrun.compiled import cells

    byte, number, whole = types.CPointer(types.uint8), types.CPointer(types.float64), types.int64
    signature = whole(byte, whole, whole, types.uint8, types.uint8, number, byte, byte)
    cells.rows.compile(signature)
    text = cells.rows.inspect_llvm(signature.args)
    module = binding.parse_assembly(text)
    (name,) = (f.name for f in module.functions if f.linkage is binding.Linkage.external and not f.is_declaration)
    module = binding.parse_assembly(text.replace(name, _SYMBOL))
    features = binding.get_host_cpu_features().flatten()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(binding.get_host_cpu_name(), features, opt=3, jit=True)
    code: bytes = machine.emit_object(module)
    drop_unused(path.parent, PREFIX)
    with suppress(OSError):  # a full disk: the next process compiles too
        write_atomically(path, hashlib.sha256(code).digest() + code)
    return code


def _kept(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    note_use(path)
    code = content[_CHECKSUM:]
    return code if code and hashlib.sha256(code).digest() == content[:_CHECKSUM] else None


@cache
def _path() -> Path | None:
    """Where the object file lies; None where it cannot be kept. ImportError without the compiler."""
    from llvmlite import binding

    kept = own_folder()
    name = name_for(PREFIX, binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    return kept / name if kept else None
