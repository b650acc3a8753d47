"""Softmax over the last axis.  Bits: TensorFlow Lite Micro's SOFTMAX with int8 input and output.

The Q-format functions are gemmlowp's: Qm holds a real number times 2^(31 - m) in 32 bits.  They serve the offline
tables of `unary` too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.fixed import INT32_MAX, add, mul, quantize_multiplier, rdbpot, sat8, shl, srdhm, sub
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op
from tinyloc.reference.softmax import softmax

# exp(-2^(i-2)) in Q0, i = 0..6
EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


@njit("int32(int32, int32)")
def exp_on_negative(a, m):  # type: ignore[no-untyped-def]
    """exp(a) in Q0 for a <= 0 in Qm, m <= 5: a Taylor series around -1/8 times one factor for each bit above 1/4."""
    quarter = shl(np.int32(1), np.int32(29 - m))
    a_mod = sub(np.int32(a & (quarter - 1)), quarter)  # in [-1/4, 0)
    x = add(shl(a_mod, m), np.int32(1 << 28))
    x2 = srdhm(x, x)
    x3 = srdhm(x2, x)
    x4 = srdhm(x2, x2)
    tail = rdbpot(add(srdhm(add(rdbpot(x4, np.int32(2)), x3), np.int32(715827883)), x2), np.int32(1))
    result = add(np.int32(1895147668), srdhm(np.int32(1895147668), add(x, tail)))
    rest = sub(a_mod, a)
    for i in range(m + 2):
        if (rest >> (29 - m + i)) & 1:
            result = srdhm(result, np.int32(EXP_POWERS[i]))
    return np.int32(INT32_MAX) if a == 0 else result


@njit("int32(int32)")
def two_over_one_plus(a):  # type: ignore[no-untyped-def]
    """2 / (1 + a) in Q2 for a >= 0 in Q0: three Newton steps from 48/17 - 32/17 * (1 + a) / 2."""
    half = add(np.int32(a >> 1), np.int32(1 << 30))
    x = add(np.int32(1515870810), srdhm(half, np.int32(-1010580540)))
    for _ in range(3):
        x = add(x, shl(srdhm(x, sub(np.int32(1 << 29), srdhm(half, x))), np.int32(2)))
    return x


@njit("int32(int32)")
def one_over_one_plus(a):  # type: ignore[no-untyped-def]
    """1 / (1 + a) in Q0 for a >= 0 in Q0; 1 becomes 1 - 2^-31."""
    return shl(min(two_over_one_plus(a), np.int32((1 << 30) - 1)), np.int32(1)) | (
        np.int32(two_over_one_plus(a) >= (1 << 30)))


@njit("int32(int32)")
def clz(x):  # type: ignore[no-untyped-def]
    """Leading zero bits of x > 0."""
    n = np.int32(0)
    while not (x >> (31 - n)) & 1:
        n = add(n, np.int32(1))
    return n
