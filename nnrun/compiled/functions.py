"""Elementwise functions in the form that a compiler turns into vector instructions: no branch, no call.

Each is right to a few units in the last place, in float32 and float64; NaN stays NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload
from numba.np.arrayobj import np_cfarray

from nnrun.compiled.drafts import Drafted

# As in engine/activations.py; written again, as compiled code is kept by the files of this wing alone.
LEAK = 0.01
GELU_SCALE = 0.7978845608028654  # √(2/π)
GELU_CUBIC = 0.044715

# A division by zero gives infinity and does not raise; nobody counts references to arrays, which is atomic and took a
# quarter of the time at 64-32-10, so that none can be made or returned. Called from compiled code alone.
inlined = njit(
    error_model="numpy",
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
    forceinline=True,
    pipeline_class=Drafted,
    _nrt=False,
)


def split_exp(x: Any) -> Any:
    """(2^k, q) with e^x = 2^k·(1 + q) for x ≤ 0: x = k·log 2 + r, and q = e^r − 1 by its series (Cody & Waite 1980).

    Adding and taking away 1.5·2^23 (2^52) rounds to a whole number; log 2 is taken away in two parts, the first of
    which times k is exact.
    """


@overload(split_exp)
def _split_exp(x: Any) -> Any:
    return _split_exp_single if x == types.float32 else _split_exp_double


_F = np.float32
_LOWEST_32, _ROUND_32, _PER_LOG2_32 = _F(-87), _F(1.5 * 2**23), _F(1.4426950408889634)
_HIGH_32, _LOW_32 = _F(0.693359375), _F(-2.12194440e-4)
_C2, _C3, _C4, _C5, _C6, _C7 = _F(1 / 2), _F(1 / 6), _F(1 / 24), _F(1 / 120), _F(1 / 720), _F(1 / 5040)
_K_LOWEST_32 = _F(-126)


def _split_exp_single(x: Any) -> Any:
    x = _LOWEST_32 if x < _LOWEST_32 else x
    k = (x * _PER_LOG2_32 + _ROUND_32) - _ROUND_32
    r = (x - k * _HIGH_32) - k * _LOW_32
    q = r + r * r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7)))))
    k = k if k > _K_LOWEST_32 else _K_LOWEST_32  # where x is NaN too
    return np.int32((np.int32(k) + 127) << 23).view(np.float32), q


_LOWEST_64, _ROUND_64, _PER_LOG2_64 = -708.0, 1.5 * 2**52, 1.4426950408889634
_HIGH_64, _LOW_64 = 6.93145751953125e-1, 1.42860682030941723212e-6
_D2, _D3, _D4, _D5, _D6, _D7 = 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040
_D8, _D9, _D10, _D11 = 1 / 40320, 1 / 362880, 1 / 3628800, 1 / 39916800
_D12, _D13 = 1 / 479001600, 1 / 6227020800
_K_LOWEST_64 = -1022.0


def _split_exp_double(x: Any) -> Any:
    x = _LOWEST_64 if x < _LOWEST_64 else x
    k = (x * _PER_LOG2_64 + _ROUND_64) - _ROUND_64
    r = (x - k * _HIGH_64) - k * _LOW_64
    tail = _D7 + r * (_D8 + r * (_D9 + r * (_D10 + r * (_D11 + r * (_D12 + r * _D13)))))
    q = r + r * r * (_D2 + r * (_D3 + r * (_D4 + r * (_D5 + r * (_D6 + r * tail)))))
    k = k if k > _K_LOWEST_64 else _K_LOWEST_64
    return np.int64((np.int64(k) + 1023) << 52).view(np.float64), q


@inlined
def exp(x: Any) -> Any:
    """e^x for x ≤ 0."""
    power, q = split_exp(x)
    return power + power * q


@inlined
def expm1(x: Any) -> Any:
    """e^x − 1 for x ≤ 0, exact near 0."""
    power, q = split_exp(x)
    one = type(x)(1)
    return power * q + (power - one)


def log(x: Any) -> Any:
    """The natural logarithm of a normal number: k·log 2 + log m with x = 2^k·m, √½ ≤ m < √2.

    log m = 2·artanh s by its series, s = (m − 1)/(m + 1). In double precision that of the C library, a fifth as fast.
    """


@overload(log)
def _log(x: Any) -> Any:
    return _log_single if x == types.float32 else _log_double


_ROOT_HALF_32, _MANTISSA_32 = np.int32(0x3F3504F3), np.int32(23)
_L1, _L3, _L5, _L7, _L9 = _F(2), _F(2 / 3), _F(2 / 5), _F(2 / 7), _F(2 / 9)


def _log_single(x: Any) -> Any:
    bits = np.float32(x).view(np.int32)
    k = np.int32((bits - _ROOT_HALF_32) >> _MANTISSA_32)
    f = np.int32(bits - (k << _MANTISSA_32)).view(np.float32) - _F(1)
    s = f / (f + _F(2))
    z, k = s * s, np.float32(k) + (x - x)  # NaN where x is
    return s * (_L1 + z * (_L3 + z * (_L5 + z * (_L7 + z * _L9)))) + k * _LOW_32 + k * _HIGH_32


def _log_double(x: Any) -> Any:
    return np.log(x)


@inlined
def tanh(x: Any) -> Any:
    """−e/(e + 2) with e = e^(−2|x|) − 1, and the sign of x."""
    two = type(x)(2)
    e = expm1(-two * abs(x))
    t = -e / (e + two)
    return t if x >= 0 else -t


@inlined
def sigmoid(x: Any) -> Any:
    """(1 + tanh(x/2)) / 2."""
    half = type(x)(0.5)
    return half + half * tanh(half * x)


@inlined
def elu(x: Any) -> Any:
    """x, or e^x − 1 below 0."""
    zero = type(x)(0)
    below = expm1(zero if x > zero else x)
    return x if x > zero else below


@inlined
def gelu_bend(x: Any) -> Any:
    """tanh(√(2/π)·(x + 0.044715·x³)), the bend inside GELU."""
    scale, cubic, one = type(x)(GELU_SCALE), type(x)(GELU_CUBIC), type(x)(1)
    return tanh(scale * (x * (one + cubic * (x * x))))


@inlined
def gelu_slope(x: Any) -> Any:
    """(1 + t)/2 + x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²)/2."""
    scale, cubic, one, half = type(x)(GELU_SCALE), type(x)(3 * GELU_CUBIC), type(x)(1), type(x)(0.5)
    t = gelu_bend(x)
    return half * (one + t) + half * scale * x * (one + cubic * (x * x)) * (one - t * t)


@inlined
def copy(numbers: Any, into: Any) -> None:
    """As many as there are."""
    for k in range(numbers.size):
        into[k] = numbers[k]


@intrinsic
def part(typing: Any, vector: Any, start: Any, n: Any) -> Any:
    """A stretch of a vector. Loops over it from 0 on become vector instructions; with an offset in the index not."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(vector)(context, builder, values[0]).data
        return array_at(context, builder, vector, builder.gep(data, [values[1]]), values[2])

    return vector(vector, types.intp, types.intp), generate


@intrinsic
def array(typing: Any, pointer: Any, n: Any) -> Any:
    """The numbers that a pointer points to."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return array_at(context, builder, signature.return_type, *values)

    return types.Array(pointer.dtype, 1, "C")(pointer, types.intp), generate


@intrinsic
def listed(typing: Any, places: Any, k: Any, pointer: Any) -> Any:
    """The array whose address and size stand in a row of a table, with numbers of the kind that a pointer points to."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        table = context.make_array(places)(context, builder, values[0]).data
        row = builder.mul(values[1], values[1].type(2))
        address, n = (builder.load(builder.gep(table, [builder.add(row, row.type(i))])) for i in range(2))
        data = builder.inttoptr(address, context.get_value_type(pointer))
        return array_at(context, builder, signature.return_type, data, n)

    return types.Array(pointer.dtype, 1, "C")(places, types.intp, pointer), generate


def array_at(context: Any, builder: Any, kind: Any, data: Any, n: Any) -> Any:
    """What an intrinsic gives back: an array of a kind that lies there."""
    return np_cfarray(context, builder, kind(types.CPointer(kind.dtype), types.intp), [data, n])
