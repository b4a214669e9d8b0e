"""Matrix products from within compiled code: a BLAS routine, called by its address."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nnrun.compiled.functions import inlined, part

TRANSPOSED, AS_IT_IS = ord("T"), ord("N")


@inlined
def address(vector: Any, place: int) -> int:
    """Where in memory a place of a vector lies."""
    return vector.ctypes.data + place * vector.itemsize


@inlined
def product(gemm: int, trans_a: bool, trans_b: bool, m: int, n: int, k: int,
            a: int, lda: int, b: int, ldb: int, out: Any, start: int, ldc: int) -> None:  # fmt: skip
    """C `(m, n)` = A·B with `k` summed over: A and B by address, C from `start` on in `out`, each with the numbers from
    one row to the next.

    BLAS has columns where we have rows, so it is asked for Cᵀ = Bᵀ·Aᵀ. Of a single row or column OpenBLAS multiplies
    what stands in C by 0, where a NaN stays NaN.
    """
    if m == 1 or n == 1:
        for i in range(m):
            part(out, start + i * ldc, n)[:] = 0
    one = out.dtype.type(1)
    call_gemm(gemm, TRANSPOSED if trans_b else AS_IT_IS, TRANSPOSED if trans_a else AS_IT_IS,
              n, m, k, one, b, ldb, a, lda, one - one, address(out, start), ldc)  # fmt: skip


@inlined
def source(plan: Any, v: Any, rows: Any, first: int, layer: int, column: int) -> int:
    """Address of what goes into a layer: a column of the batch, of what learns in front, or of the layer before."""
    if layer > 0:
        return address(v.memory, plan.a[layer - 1] + column)
    if plan.entrance.seen >= 0:
        return address(v.memory, plan.entrance.seen + column)
    if plan.entrance.embedded >= 0:
        return address(v.memory, plan.entrance.embedded + column)
    return address(rows.x, first * plan.widths[0] + column)


@inlined
def heads(plan: Any, layer: int) -> int:
    """How many blocks of rows have weights of their own in a layer: those of members, in the last one."""
    return plan.members if layer == len(plan.widths) - 2 else 1


@inlined
def sum_of_rows(memory: Any, start: int, stride: int, m: int, out: Any) -> None:
    """Σ over `m` rows, as many numbers as `out` has."""
    out[:] = out.dtype.type(0)
    for i in range(m):
        row = part(memory, start + i * stride, out.size)
        for j in range(out.size):
            out[j] += row[j]


@intrinsic
def call_gemm(typing: Any, gemm: Any, trans_a: Any, trans_b: Any, m: Any, n: Any, k: Any, alpha: Any,
              a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any) -> Any:  # fmt: skip
    """Fortran's ?gemm at the address `gemm`, which wants every number by reference.

    Whole numbers have 64 bits; a routine that reads 32 finds the lower ones first.
    """
    given = (gemm, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    byte, number, pointer = ir.IntType(8), ir.IntType(64), ir.IntType(8).as_pointer()

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def by_reference(value: Any, kind: Any) -> Any:
            place = cgutils.alloca_once(builder, kind)
            builder.store(builder.trunc(value, kind) if kind is byte else value, place)
            return builder.bitcast(place, pointer)

        real = context.get_value_type(alpha)
        kinds = [byte, byte, number, number, number, real, pointer, number, pointer, number, real, pointer, number]
        arguments = [
            builder.inttoptr(value, pointer) if kind is pointer else by_reference(value, kind)
            for value, kind in zip(values[1:], kinds, strict=True)
        ]
        routine = ir.FunctionType(ir.VoidType(), [pointer] * len(arguments)).as_pointer()
        builder.call(builder.inttoptr(values[0], routine), arguments)
        return context.get_dummy_value()

    return types.void(*given), generate
