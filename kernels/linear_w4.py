"""Fully connected layers with weights of four bits, two a byte: the same as `linear_s8` in half of the flash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8, sat16
from tinyloc.kernels.halves import pack_halves, unpack_halves
from tinyloc.kernels.jit import njit
from tinyloc.kernels.linear import rescaled_sums
from tinyloc.kernels.op import Args, Op


@njit("int32(int8[::1], int32, int8[::1], int32, int32)")
def dot(x, start, w, at, k):  # type: ignore[no-untyped-def]
    """Sum of the products of x[start : start + k] and the halves of bytes from w[at] on."""
    acc = np.int32(0)
    for j in range(k >> 1):
        both = np.int32(w[at + j])
        acc = np.int32(acc + np.int32(x[start + 2 * j]) * np.int32(((both & 15) ^ 8) - 8))
        acc = np.int32(acc + np.int32(x[start + 2 * j + 1]) * np.int32(both >> 4))
    if k & 1:
        acc = np.int32(acc + np.int32(x[start + k - 1]) * np.int32(((np.int32(w[at + (k >> 1)]) & 15) ^ 8) - 8))
    return acc


def _linear_w4_s8(y, x, w, bias, mult, shift, t, n, k, row, y_zp, bias_step, mult_step):  # type: ignore[no-untyped-def]
    for i in range(t):
        for o in range(n):
            acc = np.int32(bias[o * bias_step] + dot(x, np.int32(i * k), w, np.int32(o * row), k))
            y[i * n + o] = sat8(np.int32(y_zp + mbqm(acc, mult[o * mult_step], shift[o * mult_step])))


def _linear_w4_s16(y, x, w, bias, mult, shift, t, n, k, row, bias_step, mult_step):  # type: ignore[no-untyped-def]
    for i in range(t):
        for o in range(n):
            acc = np.int32(bias[o * bias_step] + dot(x, np.int32(i * k), w, np.int32(o * row), k))
            y[i * n + o] = sat16(mbqm(acc, mult[o * mult_step], shift[o * mult_step]))


def _ideal_s8(y, x, w, bias, mult, shift, t, n, k, row, y_zp, bias_step, mult_step):  # type: ignore[no-untyped-def]
    dense = unpack_halves(w.reshape(n, row), k)
    return (np.clip(rescaled_sums(x, dense, bias, mult, shift, t, n, k, bias_step, mult_step) + y_zp, -128, 127),)


def _ideal_s16(y, x, w, bias, mult, shift, t, n, k, row, bias_step, mult_step):  # type: ignore[no-untyped-def]
    dense = unpack_halves(w.reshape(n, row), k)
    return (np.clip(rescaled_sums(x, dense, bias, mult, shift, t, n, k, bias_step, mult_step), -32768, 32767),)


def _cases(dtype: str) -> Any:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        sizes = [(1, 1, 1), (1, 8, 11), (20, 32, 8), (3, 7, 33), (1, 5, 520), (20, 64, 64), (2, 4, 2), (1, 6, 31),
                 (1, 9, 34)]
        for count in range(40 if level == 1 else 4000):
            t, n, k = sizes[count] if count < len(sizes) else rng.integers(1, (24, 40, 90)).tolist()
            m = n if (per_output := count % 2) else 1
            extreme = count % 5 == 1  # every product at its greatest; -8 is no weight of ours, but can be read
            x = np.full(t * k, -128, np.int8) if extreme else rng.integers(-128, 128, t * k).astype(np.int8)
            w = rng.choice([-8, 7], (n, k)) if extreme else rng.integers(-8, 8, (n, k))
            halves = pack_halves(w)
            if k % 2:  # what lies behind an odd row means nothing
                halves[:, -1] = halves[:, -1] & 15 | (rng.integers(-8, 8, n) << 4).astype(np.int8)
            bias_step = int(count % 3 > 0)
            bias = rng.integers(-(2**11), 2**11, n if bias_step else 1).astype(np.int32)
            spread = 73 * 4.6 * k**0.5 / (60 if dtype == "int8" else 9000)
            # Powers of two force ties; the rest are drawn around the scale that fills the output's range.
            real = np.exp2(-rng.integers(0, 10, m)) if count % 4 == 0 else rng.uniform(0.3, 3.0, m) / spread
            pairs = [quantize_multiplier(float(r)) for r in real]
            args: Args = [np.zeros(t * n, dtype), x, halves.reshape(-1), bias, np.array([p[0] for p in pairs], np.int32),
                          np.array([p[1] for p in pairs], np.int8), t, n, k, halves.shape[1]]
            if dtype == "int8":
                args.append(int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))])))
            yield [*args, bias_step, per_output]

    return cases


_ARGS = ("x:in:int8:t*k w:weight:int8:n*row bias:weight:int32:(n-1)*bias_step+1 mult:weight:int32:(n-1)*mult_step+1:mult "
         "shift:weight:int8:(n-1)*mult_step+1:shift t:int n:int k:int:2*row-1..2*row row:int:size:1..2**16 {}"
         "bias_step:int:flag mult_step:int:flag")
_BOUND = "one rounding of the sum (1/2), a second one when shift < 0 (1/2 of a place after the shift)"

OPS = (
    Op("linear_w4_s8", "y:out:int8:t*n " + _ARGS.format("y_zp:int:zp "), _linear_w4_s8, _ideal_s8, _cases("int8"),
       (1.0,), _BOUND, streams=True, four_bits=("w",)),
    Op("linear_w4_s16", "y:out:int16:t*n " + _ARGS.format(""), _linear_w4_s16, _ideal_s16, _cases("int16"),
       (1.0,), _BOUND, streams=True, four_bits=("w",)),
)
LAYERS = ()
