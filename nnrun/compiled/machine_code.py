"""Machine code: made by Numba once a machine, kept as object files in a folder of the user's, loaded without Numba.

To load Numba and a function that it keeps takes four tenths of a second, llvmlite, which comes with it, and an object
file a twentieth. A file begins with its checksum, and is written whole, under a lock: a killed process, twenty at once
or a damaged file cost a compilation and never more. Other sources, versions and processors have other names; what
nobody has used for long is removed when new code is kept. Where the folder cannot be written to, each process compiles
for itself and its workers.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from nnrun.compiled.folder import COMPILED, OURS, UNKEPT, drop_unused, name_for, note_use, own_folder, wanted_folder
from nnrun.files import write_atomically
from nnrun.locks import lock_exclusively

Function = Callable[..., Any]
Tell = Callable[[str], None]
LOCK = "lock"
ATTEMPTS = 15_000  # to get the lock: five minutes, longer than another process compiles
TAKE_TURNS = "take_turns"  # the name of the function in its object file
_CHECKSUM = hashlib.sha256().digest_size

_loaded: dict[str, Function] = {}


def load(dtype: np.dtype[Any], tell: Tell = lambda line: None) -> Function:
    """`kernels.take_turns` for a precision, by two addresses; `tell` hears a line if it is compiled, for seconds."""
    if dtype.name not in _loaded:
        turns = function(_code(dtype, tell), TAKE_TURNS, [ctypes.c_void_p] * 5)
        nothing = ctypes.byref(ctypes.c_void_p()), None  # where Numba puts a result and an exception: there are none
        _loaded[dtype.name] = lambda listed, lane: turns(*nothing, listed, lane, None, None, None)
    return _loaded[dtype.name]


def is_ready(dtype: np.dtype[Any]) -> bool:
    """Whether the code of a precision is there, so that nothing need be compiled."""
    if dtype.name in UNKEPT:
        return True
    folder = own_folder()
    return folder is not None and kept(folder / name_of(dtype.name)) is not None


def _code(dtype: np.dtype[Any], tell: Tell) -> bytes:
    """The object file of a precision."""
    if found := UNKEPT.get(dtype.name):
        return found
    folder, code = own_folder(), None
    if folder is not None:
        path = folder / name_of(dtype.name)
        if found := kept(path):
            return found
        with suppress(OSError), _locked(folder):  # the disk may be full
            if found := kept(path):  # another process has made it meanwhile
                return found
            tell(f"{COMPILED} in {dtype.name}, once for this machine")
            code = _compiled(dtype)
            keep(path, code, dtype.name)
            return code
    where = f"{wanted} cannot keep it" if (wanted := wanted_folder()) else "this user has no home to keep it in"
    alone = f"{COMPILED} in {dtype.name} for this process and its workers alone"
    tell(f"{alone}: {where}; {OURS}=DIR names a folder that can")
    UNKEPT[dtype.name] = code or _compiled(dtype)
    return UNKEPT[dtype.name]


def _compiled(dtype: np.dtype[Any]) -> bytes:
    from numba import types

    from nnrun.compiled import kernels

    whole = types.CPointer(types.int64)
    number = types.CPointer(types.float32 if dtype == np.float32 else types.float64)
    signature = types.void(whole, whole, number, types.CPointer(types.float64), types.CPointer(types.uint16))
    return compiled(kernels.take_turns, signature, TAKE_TURNS)


def compiled(dispatcher: Any, signature: Any, symbol: str) -> bytes:
    """The object file of an `inlined` function, which has this name in it; RuntimeError where it needs Numba to run."""
    dispatcher.compile(signature)
    text = dispatcher.inspect_llvm(signature.args)
    module = binding.parse_assembly(text)
    (name,) = (f.name for f in module.functions if f.linkage is binding.Linkage.external and not f.is_declaration)
    module = binding.parse_assembly(text.replace(name, symbol))
    process, declared = ctypes.CDLL(None), [f.name for f in module.functions if f.is_declaration]
    if foreign := [name for name in declared if not name.startswith("llvm.") and not hasattr(process, name)]:
        raise RuntimeError(f"{symbol} calls {', '.join(foreign)}")  # it would jump to address 0
    target, features = binding.Target.from_default_triple(), binding.get_host_cpu_features().flatten()
    machine = target.create_target_machine(binding.get_host_cpu_name(), features, opt=3, jit=True)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # half of the code and of the time that this takes, at no cost to a step
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    code: bytes = machine.emit_object(module)
    return code


def function(code: bytes, symbol: str, kinds: Sequence[Any]) -> Any:
    """A function of an object file, whose arguments are of these kinds, behind places for what it gives and raises.

    Its code stays in memory as long as the function does.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    shape = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)
    found = shape(engine.get_function_address(symbol))
    found.engine = engine  # type: ignore[attr-defined]
    return found


@cache
def name_of(prefix: str) -> str:
    """The name of a file with code for this processor."""
    return name_for(prefix, binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())


def kept(path: Path) -> bytes | None:
    """The code that a file holds, if it is whole; its time says from now on when it was used last."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    note_use(path)
    code = content[_CHECKSUM:]
    return code if code and hashlib.sha256(code).digest() == content[:_CHECKSUM] else None


def keep(path: Path, code: bytes, prefix: str) -> None:
    """Put code where the next process looks for it, and remove what of its kind nobody has used for long."""
    drop_unused(path.parent, prefix)
    write_atomically(path, hashlib.sha256(code).digest() + code)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time compiles; where the disk gives no locks, all at once do, and keep the same."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):
            lock_exclusively(descriptor, ATTEMPTS)
        yield
    finally:
        os.close(descriptor)


@cache
def yield_address() -> int:
    """Where the system's function lies that lets other threads run."""
    system = ctypes.CDLL(None).sched_yield
    return int(ctypes.cast(system, ctypes.c_void_p).value or 0)
