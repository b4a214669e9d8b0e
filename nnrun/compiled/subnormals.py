"""Results too small for a normal number are zeros while a step runs, as processors work on those at a crawl.

What decays, as the moments of a unit that is dead or of an input that is seldom not 0, gets there within a thousand
steps of Adam, and stays: 0.9 times the least number rounds to it. Each operation with one takes up to a hundred times
as long. The processors that are known here have a register of the thread for it; others go on as they do.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

X86 = platform.machine().lower() in ("x86_64", "amd64")
ARM = platform.machine().lower() in ("aarch64", "arm64")
# Results that are flushed to zero, and operands that are taken as zeros; on ARM one bit is for both.
FLUSHING = 1 << 15 | 1 << 6 if X86 else 1 << 24


@intrinsic
def flush(typing: Any) -> Any:
    """Take them as zeros from now on; gives back what `set_mode` restores."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        before = _mode(builder)
        _set_mode(builder, builder.or_(before, ir.Constant(before.type, FLUSHING)))
        return before

    return types.int64(), generate


@intrinsic
def set_mode(typing: Any, mode: Any) -> Any:
    """Work as this thread did before."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _set_mode(builder, values[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _mode(builder: Any) -> Any:
    """How the thread works with numbers, 64 bits."""
    number = ir.IntType(64)
    if X86:
        place = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(32), 0))
        _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), builder.bitcast(place, _POINTER))
        return builder.zext(builder.load(place), number)
    return _call(builder, "llvm.aarch64.get.fpcr", number) if ARM else ir.Constant(number, 0)


def _set_mode(builder: Any, mode: Any) -> None:
    if X86:
        place = cgutils.alloca_once_value(builder, builder.trunc(mode, ir.IntType(32)))
        _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), builder.bitcast(place, _POINTER))
    elif ARM:
        _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), mode)


_POINTER = ir.IntType(8).as_pointer()


def _call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)
