"""The compiled function of a precision: made once a machine, kept in a folder of the user's, and taken from there.

Numba keeps machine code in files that Python unpickles, so the folder must be the user's own and closed to others. Code
is compiled in a folder of its own, sealed with a checksum and renamed, under a lock: a killed process, twenty at once
or a damaged file cost a compilation and never more. Other versions, processors and places of nnrun have other names;
what nobody has used for long is removed when new code is kept. Where the folder cannot be written to, each process
compiles for itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import numba
import numpy as np
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from numba import njit, types
from numba.extending import get_cython_function_address

from nnrun.compiled import kernels
from nnrun.compiled.folder import drop_unused, name_for, note_use, own_folder, wanted_folder
from nnrun.files import filling, lock_exclusively

Kernel = Callable[..., None]
Tell = Callable[[str], None]
SEAL, LOCK = "sha256", "lock"
ATTEMPTS = 15_000  # to get the lock: five minutes, longer than another process compiles

_loaded: dict[str, Kernel] = {}


@cache
def gemm_address(dtype: np.dtype[Any]) -> int:
    """Where the BLAS of SciPy multiplies matrices of this precision."""
    routine = "sgemm" if dtype == np.float32 else "dgemm"
    return int(get_cython_function_address("scipy.linalg.cython_blas", routine))


@cache
def yield_address() -> int:
    """Where the system's function lies that lets other threads run."""
    system = ctypes.CDLL(None).sched_yield
    return int(ctypes.cast(system, ctypes.c_void_p).value or 0)


def load(dtype: np.dtype[Any], tell: Tell = lambda line: None) -> Kernel:
    """The function for a precision; `tell` hears a line if it must be compiled, which takes seconds."""
    if dtype.name not in _loaded:
        kernel = _stored(dtype, tell)
        kernel.disable_compile()  # for other types than its own
        _loaded[dtype.name] = kernel
    return _loaded[dtype.name]


def _stored(dtype: np.dtype[Any], tell: Tell) -> Any:
    kept, kernel = own_folder(), None
    if kept is not None:
        target = kept / name_of(dtype)
        if is_sound(target):
            return _used(dtype, target)
        with suppress(OSError), _locked(kept):  # the disk may be full
            if is_sound(target):  # another process has made it meanwhile
                return _used(dtype, target)
            tell("the training step was compiled, once for this machine")
            shutil.rmtree(target, ignore_errors=True)
            drop_unused(kept, dtype.name)
            with filling(kept, ".compiling-") as making:
                kernel = _function(making)
                kernel.compile(signature(dtype))
                seal(making)
                with suppress(OSError):
                    making.rename(target)
                return kernel
    tell(f"the training step was compiled for this process alone: {wanted_folder()} cannot keep it")
    if kernel is None or not kernel.signatures:  # Numba has compiled before it writes
        kernel = _function(None)
        kernel.compile(signature(dtype))
    return kernel


def _used(dtype: np.dtype[Any], folder: Path) -> Any:
    """From a sound folder, whose time says when it was used last."""
    note_use(folder)
    kernel = _function(folder)
    with suppress(OSError):  # it was removed this very instant, and cannot be kept
        kernel.compile(signature(dtype))
    return kernel


def _function(folder: Path | None) -> Any:
    """Numba's, not yet compiled, which will look into the folder for its code and keep it there."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder or "")
    try:
        return njit(error_model="numpy", nogil=True, cache=folder is not None)(kernels.run.py_func)
    finally:
        numba.config.CACHE_DIR = before


def signature(dtype: np.dtype[Any]) -> Any:
    """The types of `kernels.run` for a precision: one signature, so one compilation."""
    number = types.float32 if dtype == np.float32 else types.float64
    vector, integers, whole = number[::1], types.int64[::1], types.int64
    kinds = {int: whole, bool: types.boolean}
    return types.void(
        _named([kinds.get(kind, integers) for kind in get_type_hints(kernels.Plan).values()], kernels.Plan),
        _named([vector] * 6 + [types.float64[::1]], kernels.Vectors),
        _named([whole, vector, vector, types.uint16[::1], types.uint16[::1], vector], kernels.Rows),
        number[:, ::1],
        types.int64[:, ::1],
        types.int64[:, ::1],
        types.int64[::1],
    )


def _named(kinds: list[Any], shape: type) -> Any:
    """The type of a named tuple, which Numba calls otherwise where all its entries are of one type."""
    alike = len(set(kinds)) == 1
    return types.NamedUniTuple(kinds[0], len(kinds), shape) if alike else types.NamedTuple(kinds, shape)


def is_ready(dtype: np.dtype[Any]) -> bool:
    """Whether the code of a precision is there, so that nothing need be compiled."""
    kept = own_folder()
    return kept is not None and is_sound(kept / name_of(dtype))


@cache
def name_of(dtype: np.dtype[Any]) -> str:
    """Of its code, and of this installation's alone: Numba finds code again by where the file of the function lies."""
    place = kernels.run.py_func.__code__.co_filename
    return name_for(dtype.name, get_host_cpu_name(), get_host_cpu_features().flatten(), place)


def _checksum(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SEAL):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def seal(folder: Path) -> None:
    """Say that all of the code is there."""
    (folder / SEAL).write_text(_checksum(folder), encoding="ascii")


def is_sound(folder: Path) -> bool:
    """Whether the code is as it was sealed."""
    try:
        return (folder / SEAL).read_text(encoding="ascii") == _checksum(folder)
    except (OSError, ValueError):
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time compiles; where a disk knows no locks, all do after a while."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock_exclusively(descriptor, ATTEMPTS)
        yield
    finally:
        os.close(descriptor)
