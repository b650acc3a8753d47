"""Softmax over the last axis.  Bits: TensorFlow Lite Micro's SOFTMAX with int8 input and output.

The Q-format functions are gemmlowp's: Qm holds a real number times 2^(31 - m) in 32 bits.  They serve the offline
tables of `unary` too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from tinyloc.kernels.fixed import INT32_MAX, add, quantize_multiplier, rdbpot, sat8, shl, srdhm, sub
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, vjp_of
from tinyloc.reference.softmax import softmax, softmax_backward

EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2^(i-2)) in Q0
MAX_N = 511  # the sum stays below 2^28, so that no right shift of the result exceeds 31 (TFLM has the same limit)


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
    x = two_over_one_plus(a)
    return np.int32(INT32_MAX) if x >= 1 << 30 else shl(x, np.int32(1))


@njit("int32(int32)")
def leading_zeros(x):  # type: ignore[no-untyped-def]
    """Zero bits above the highest one of x > 0."""
    n = np.int32(0)
    while not (x >> (31 - n)) & 1:
        n = add(n, np.int32(1))
    return n


def _softmax_s8(y, x, table, t, n, size):  # type: ignore[no-untyped-def]
    for i in range(t):
        top = np.int32(-128)
        for c in range(n):
            top = max(top, np.int32(x[i * n + c]))
        total = np.int32(0)
        for c in range(n):
            e = table[min(top - np.int32(x[i * n + c]), size - 1)]
            total = add(total, rdbpot(e, np.int32(12)))
        room = leading_zeros(np.int32(total | 1))
        scale = one_over_one_plus(sub(shl(total, room), np.int32(-2147483648)))
        for c in range(n):
            e = table[min(top - np.int32(x[i * n + c]), size - 1)]
            y[i * n + c] = sat8(np.int32(rdbpot(srdhm(scale, e), np.int32(35 - room)) - 128))


def _ideal(y, x, table, t, n, size):  # type: ignore[no-untyped-def]
    x = x.reshape(t, n).astype(int)
    e = table[np.minimum(x.max(1, keepdims=True) - x, size - 1)].astype(float)
    return (np.clip(e / e.sum(1, keepdims=True) * 256 - 128, -128, 127).reshape(-1),)


def parameters(scale: float) -> tuple[int, int, int]:
    """mult, shift and diff_min for inputs of that scale: differences in Q5, those below -31 count as zero."""
    # Below 2^-26, where all inputs are as good as equal, the left shift would be negative.
    mult, shift = quantize_multiplier(min(max(scale, 2.0**-26) * 2**26, 2.0**31 - 1) / 2**2)
    shift += 2  # quantize_multiplier ends at 2^30; TFLM's limit is 2^31
    return mult, shift, max(-math.floor(31 * 2.0**26 / 2.0**shift), -(2**31))  # differences are above -256 anyway


@lru_cache(maxsize=64)  # quantization-aware training lowers the same scales at every step
def exponentials(scale: float) -> np.ndarray:
    """int32 (size,): exp(-d scale) in Q0 for differences of d codes, d < size <= 256, the last one for all beyond.

    Entries below 2^11 count neither in a sum (in Q12) nor in a result (of 8 bits): they are 0, and so the last is stored
    once for all of them.
    """
    mult, shift, diff_min = parameters(scale)
    table = np.zeros(256, np.int32)
    for d in range(min(256, 1 - diff_min)):
        table[d] = exp_on_negative(srdhm(shl(np.int32(-d), np.int32(shift)), np.int32(mult)), np.int32(5))
    table[table < 1 << 11] = 0
    table = table[: min(256, np.count_nonzero(table) + 1)].copy()
    table.flags.writeable = False
    return table


def _at_limits(rng: np.random.Generator, n: int) -> np.ndarray:
    """A table of n whose exponentials from the third on, all in one row, have quotients at the least value of a code or just
    below it, where any other rounding gives another code; the second is a tie in the sum, or just below one."""
    k = rng.integers(1, 256 // n + 1, n - 2)
    table = np.full(n, INT32_MAX, np.int64)
    table[1] = rng.integers(0, 2**15) * 2**12 + rng.integers(2**11 - 1, 2**11 + 1)
    table[2:] = (k - 0.5) / 256 * (2**31 + table[1]) / (1 - (k - 0.5).sum() / 256)
    for _ in range(4):  # they change the sum, which hardly changes them
        total = int(sum(int(rdbpot(np.int32(e), np.int32(12))) for e in table))
        room = 32 - total.bit_length()
        scale = int(one_over_one_plus(np.int32((total << room) - 2**31)))
        table[2:] = [-(-((int(v) << 66 - room) - 2**30 - (1 << 65 - room)) // scale) for v in k]
    table[2:] -= rng.integers(0, 2, n - 2)
    return table.astype(np.int32)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(30 if level == 1 else 1500):
        t, n = [(1, 1), (2, MAX_N), (20, 20), (1, 2)][count] if count < 4 else rng.integers(1, (24, 64)).tolist()
        x = rng.integers(-128, 128, (t, n)) if count % 3 else rng.choice([-128, 127], (t, n))
        if count % 7 == 6:
            x[:] = x[:, :1]
        table = exponentials(float(2.0 ** -rng.integers(0, 9)) if count % 2 else float(np.exp(rng.uniform(-8, 1))))
        yield [np.zeros(t * n, np.int8), x.astype(np.int8).reshape(-1), table, t, n, table.size]
    # -128 is the greatest
    yield [np.zeros(3, np.int8), np.full(3, -128, np.int8), np.array([INT32_MAX, 0], np.int32), 1, 3, 2]
    for n in rng.integers(3, 30, 40 if level == 1 else 400).tolist():
        x = rng.permutation(n) - 128
        yield [np.zeros(n, np.int8), x.astype(np.int8), _at_limits(rng, n), 1, n, n]


# A row's greatest element has the table's first entry, so that no sum is 0.
TABLE = "table:table:int32:size:0..:1@4096.. "
OPS = (Op("softmax_s8", f"y:out:int8:t*n x:in:int8:t*n {TABLE}t:int n:int:1..511 size:int:1..256", _softmax_s8, _ideal,
          _cases, (0.6,), "one rounding (1/2); exponentials have 2^-12 of their sum, the reciprocal 2^-27",
          streams=True, in_place=("x",)),)


def _lower(b: Builder, node: Node) -> None:
    """Output scale 1/256, zero point -128."""
    x = b.input(node.inputs[0])
    y = b.output(node, fixed=(1 / 256, -128))
    b.prove(f"{node.out}: width", x.shape[1], MAX_N)
    table = exponentials(x.scale)
    b.step("softmax_s8", y=y.name, x=x.name, table=b.constant(f"{node.out}.exp", table, "table"), t=x.shape[0],
           n=x.shape[1], size=table.size)


LAYERS = (Layer("softmax", vjp_of(softmax, softmax_backward), _lower),)
