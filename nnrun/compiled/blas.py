"""Where the BLAS routine lies that multiplies matrices for compiled code.

That of NumPy's own library, as its wheels bring it: nothing more is to be loaded, and its products are those of the
NumPy engine. Else the one that SciPy offers to C, whose library may be older: with OpenBLAS 0.3.30 in place of 0.3.31 a
step of 784-256-128-10 takes 8% more time on a Zen 5.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import numpy as np

OF_NUMPY = {"float32": "scipy_sgemm_64_", "float64": "scipy_dgemm_64_"}  # whole numbers have 64 bits
OF_SCIPY = {"float32": "sgemm", "float64": "dgemm"}


@cache
def gemm_address(dtype: np.dtype[Any]) -> int:
    """Of the routine for this precision, which takes whole numbers of 64 bits, or the lower 32 of such."""
    return _of_numpy(OF_NUMPY[dtype.name]) or _of_scipy(OF_SCIPY[dtype.name])


def _of_numpy(name: str) -> int | None:
    """Of a routine in the library that NumPy's products are linked with; None where they have another."""
    try:
        routine = ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)[name]
    except (ImportError, OSError, AttributeError):
        return None
    return ctypes.cast(routine, ctypes.c_void_p).value


def _of_scipy(name: str) -> int:
    capsule = _cython_blas().__pyx_capi__[name]
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule)))


def _cython_blas() -> ModuleType:
    """SciPy's module of BLAS routines, without the rest of its package, which takes a tenth of a second to load."""
    name = "scipy.linalg.cython_blas"
    scipy = find_spec("scipy")
    places = [f"{place}/linalg" for place in (scipy and scipy.submodule_search_locations) or ()]
    file = PathFinder.find_spec("cython_blas", places)
    spec = spec_from_file_location(name, file.origin) if file and file.origin else None
    if name in sys.modules or spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = sys.modules[name] = module_from_spec(spec)  # under its own name, so that it is never loaded twice
    spec.loader.exec_module(module)
    return module
