"""How threads go through a list together, with no word to Python in between.

Each takes the next thing that nobody has, waits until enough of those before are done, and says when its own is. Any
number of threads may take part and come when they like: who holds one waits for earlier ones alone. Counts say how many
are taken and, at other places, how many are done.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nnrun.compiled.codes import TAKEN
from nnrun.compiled.functions import inlined


@inlined
def take(counts: Any) -> int:
    """The number of the next."""
    return add_one(counts, TAKEN)


@inlined
def wait(counts: Any, place: int, many: int, give_way: int) -> None:
    """Wait until so many are done; others may run meanwhile, by the `sched_yield` at the address `give_way`."""
    while current(counts, place) < many:
        call(give_way)


@inlined
def done(counts: Any, place: int) -> None:
    """Count one more of those that are done."""
    add_one(counts, place)


@intrinsic
def add_one(typing: Any, counts: Any, place: Any) -> Any:
    """Atomically; gives the number before."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _place(context, builder, signature, values)
        return builder.atomic_rmw("add", pointer, ir.Constant(pointer.type.pointee, 1), "seq_cst")

    return types.int64(counts, place), generate


@intrinsic
def current(typing: Any, counts: Any, place: Any) -> Any:
    """What stands there now, after all that was written before it was put there."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, values), "acquire", 8)

    return types.int64(counts, place), generate


def _place(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    kind, _ = signature.args
    array = context.make_array(kind)(context, builder, values[0])
    return cgutils.get_item_pointer(context, builder, kind, array, [values[1]])


@intrinsic
def call(typing: Any, address: Any) -> Any:
    """A function without arguments, at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        routine = ir.FunctionType(ir.IntType(32), []).as_pointer()
        builder.call(builder.inttoptr(values[0], routine), [])
        return context.get_dummy_value()

    return types.void(address), generate
