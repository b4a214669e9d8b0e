"""The compiled reader of plain cells: made once a machine, kept as an object file, loaded without Numba.

It lies beside the machine code of the engine (`machine_code.py`), and is loaded as that is. Whatever happens to it
costs a compilation; where it cannot be kept, or the extra `fast` is missing, there is no reader.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrun.compiled.folder import own_folder

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
_BYTE, _WHOLE, _PLACE = ctypes.c_uint8, ctypes.c_int64, ctypes.c_void_p
_KINDS = [_PLACE, _WHOLE, _WHOLE, _BYTE, _BYTE, _PLACE, _PLACE, _PLACE]  # of what the function is given


def reader(*, compiling: bool = True) -> Read | None:
    """A function of text, the number of its lines, what stands between fields and before decimals, and a mask `(n,)`.

    The text `(bytes,)` has just so many line ends, one of them as its last byte; the mask is of columns that are not to
    be taken for numbers. None if a line has more or fewer cells, or a quote, or no column is one of numbers. Meanwhile
    other threads run. Without `compiling` there is one only where it was compiled before.
    """
    try:
        from nnrun.compiled import machine_code

        folder = own_folder()
        path = folder / machine_code.name_of(PREFIX) if folder else None
        return _loaded(path) if path and (compiling or machine_code.kept(path)) else None
    except Exception:  # the extra is missing, or goes with another version of something
        return None


@cache
def _loaded(path: Path) -> Read | None:
    """The reader whose code is, or will be, in this file; None where it cannot be made, which takes long to learn."""
    from nnrun.compiled import machine_code

    try:
        rows = machine_code.function(machine_code.kept(path) or _made(path), _SYMBOL, _KINDS)
    except Exception:  # as above
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
    """Forget all but what is strange; that are two columns at least, as the name of one may stand in any cell."""
    kinds[kinds != STRANGE] = WHOLE
    if np.count_nonzero(kinds) == 1:
        kinds[np.argmin(kinds)] = STRANGE


def _made(path: Path) -> bytes:
    """The object file, compiled by Numba and put where the next process looks for it."""
    from numba import types

    from nnrun.compiled import cells, machine_code

    byte, number, whole = types.CPointer(types.uint8), types.CPointer(types.float64), types.int64
    signature = whole(byte, whole, whole, types.uint8, types.uint8, number, byte, byte)
    code = machine_code.compiled(cells.rows, signature, _SYMBOL)
    with suppress(OSError):  # a full disk: the next process compiles too
        machine_code.keep(path, code, PREFIX)
    return code
