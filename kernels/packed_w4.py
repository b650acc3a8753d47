"""Linear layers with weights of four bits, packed for cores with the DSP extension: the bits of the plain ones, fewer
instructions.  c/tinyloc.h describes the layout, c/packed_w4.c why it works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import quantize_multiplier, sat8, sat16
from tinyloc.kernels.halves import unpack_halves
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Op, Packer
from tinyloc.kernels.packed import NUMBERS, TAIL, Layout, ideal, pack_starts, rescaled, scales

PLACES = np.array([12, 8, 28, 24, 4, 0, 20, 16])  # of the eight columns' weights in a word
FLIPPED = np.array([8, 0, 8, 0, 0, 0, 0, 0])  # the bit that makes of a weight plus 8 the signed one
UNIT = 4096  # that sums are counted in


@njit("int32(int8[::1], int32, int32, int8[::1], int32[::1], int32, int32, int32, int32, int32, int32)")
def output(x, start, k, w, rows, o, octets, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    """Output o of the vector x[start : start + k], rescaled, before its clamp."""
    size = 4 + 9 * per_row
    g, r = o >> 2, o & 3
    acc = np.int32(rows[g * size + r])  # UNIT times the sum, modulo 2^32
    for j in range(k):
        # Columns 0 and 1 of four lie in byte 1 of the word, or in byte 0 if they are the second four; 2 and 3 two on.
        both = np.int32(w[((g * octets + (j >> 3)) * 4 + r) * 4 + (0 if j & 4 else 1) + (j & 2)]) & 255
        one = np.int32(both & 15) if j & 1 else np.int32(both >> 4)
        weight = np.int32((one if j & 5 else one ^ 8) - 8)
        acc = np.int32(acc + UNIT * weight * (np.int32(x[start + j]) + 128))
    return rescaled(np.int32(acc >> 11), rows, np.int32(g * size + 4), r, mult, offset, shift, per_row)


def _linear_w4_packed_s8(y, x, w, rows, pairs, t, groups, octets, n, k, mult, offset, shift, per_row):  # type: ignore
    for i in range(t):
        for o in range(n):
            y[i * n + o] = sat8(output(x, np.int32(i * k), k, w, rows, np.int32(o), octets, mult, offset, shift, per_row))


def _linear_w4_packed_s16(y, x, w, rows, pairs, t, groups, octets, n, k, mult, offset, shift, per_row):  # type: ignore
    for i in range(t):
        for o in range(n):
            y[i * n + o] = sat16(output(x, np.int32(i * k), k, w, rows, np.int32(o), octets, mult, offset, shift, per_row))


def pack_weights(w: np.ndarray) -> np.ndarray:
    """int8 (groups * octets * 16,) of w (n, k), -8 <= w <= 7; rows to a multiple of 4 and columns to one of 8 are zero."""
    n, k = w.shape
    groups, octets = -(-n // 4), -(-k // 8)
    full = np.zeros((4 * groups, 8 * octets), np.int64)
    full[:n, :k] = w
    words = (((full + 8).reshape(groups, 4, octets, 8) ^ FLIPPED) << PLACES).sum(3).astype("<u4")
    return np.ascontiguousarray(words.transpose(0, 2, 1)).view(np.int8).reshape(-1)


def pack_rows(w: np.ndarray, bias: np.ndarray, mult: np.ndarray, shift: np.ndarray, y_zp: int
              ) -> tuple[np.ndarray, dict[str, int]] | None:
    """What `packed.pack_rows` returns, of weights of four bits; bias (n,) or (1,)."""
    wide, start = w.astype(np.int64), np.broadcast_to(bias.astype(np.int64), len(w))
    if UNIT * (128 * np.abs(wide).sum(1) + np.abs(start)).max() >= 2**31:
        return None
    return pack_starts(UNIT * (start - 128 * wide.sum(1)), mult, shift, y_zp)


def _dense(w, rows, groups, octets, n, k, *numbers):  # type: ignore[no-untyped-def]
    """What `packed._dense` returns, of weights of four bits."""
    words = w.view("<u4").astype(np.int64).reshape(groups, octets, 4).transpose(0, 2, 1)
    dense = ((words[..., None] >> PLACES & 15 ^ FLIPPED) - 8).reshape(4 * groups, -1)[:n, :k].astype(float)
    start, scale, zero_point = scales(rows, groups, n, *numbers)
    return dense, start / UNIT + 128 * dense.sum(1), scale, zero_point


def _ideal(y, x, w, rows, pairs, t, groups, octets, n, k, *numbers):  # type: ignore[no-untyped-def]
    return ideal(y, x.reshape(t, k), _dense(w, rows, groups, octets, n, k, *numbers))


def _cases(dtype: str) -> Any:
    places = 100 if dtype == "int8" else 20_000

    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        sizes = [(1, 1, 1), (1, 8, 11), (20, 32, 8), (3, 7, 33), (1, 5, 520), (20, 64, 64), (2, 4, 16), (2, 3, 2),
                 (1, 6, 31)]
        for count in range(40 if level == 1 else 3000):
            t, n, k = sizes[count] if count < len(sizes) else rng.integers(1, (24, 40, 90)).tolist()
            extreme = count % 5 == 1
            x = rng.choice([-128, 127], t * k) if extreme else rng.integers(-128, 128, t * k)
            w = rng.choice([-8, 7], (n, k)) if extreme else rng.integers(-8, 8, (n, k))
            bias = rng.integers(-(2**11), 2**11, n if count % 3 else 1)
            m = n if count % 2 else 1
            # Powers of two force ties; the rest are drawn around the scale that fills the output's range.
            real = np.exp2(-rng.integers(2, 10, m)) if count % 4 == 0 else (
                rng.uniform(0.3, 3.0, m) * places / (600 * k**0.5 + 400))
            pairs = [quantize_multiplier(float(np.clip(r, 2.0**-19, 0.249))) for r in real]
            y_zp = int(rng.choice([-128, 127, 0, 3])) if dtype == "int8" else 0
            made = pack_rows(w, bias, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), y_zp)
            assert made is not None
            octets = -(-k // 8)
            scratch = rng.integers(0, 2**32, 4 * octets).astype(np.uint32)
            yield [np.zeros(t * n, dtype), x.astype(np.int8), pack_weights(w), made[0], scratch, t, -(-n // 4), octets, n, k,
                   *(made[1][name] for name in NUMBERS)]

    return cases


_SPEC = ("x:in:int8:t*k w:weight:int8:groups*octets*16 rows:weight:int32:groups*(4+9*per_row) pairs:scratch:uint32:octets*4 "
         "t:int groups:int octets:int:1..2**14 n:int:4*groups-3..4*groups k:int:8*octets-7..8*octets " + TAIL)
_BOUND = "one rounding of the sum (1/2), a second one after the shift (1/2)"
OPS = (
    Op("linear_w4_packed_s8", "y:out:int8:t*n " + _SPEC, _linear_w4_packed_s8, _ideal, _cases("int8"), (1.0,), _BOUND,
       streams=True, four_bits=("w",)),
    Op("linear_w4_packed_s16", "y:out:int16:t*n " + _SPEC, _linear_w4_packed_s16, _ideal, _cases("int16"), (1.0,), _BOUND,
       streams=True, four_bits=("w",)),
)
LAYERS = ()


OCTETS = Layout(8, "octets", pack_weights, pack_rows)


def _weights(p: Packer, a: dict[str, Any]) -> np.ndarray:
    """(n, k)."""
    return unpack_halves(p.data(a["w"]).reshape(a["n"], a["row"]), a["k"])


PACKERS = {"linear_w4_s8": OCTETS.linear("linear_w4_packed_s8", _weights),
           "linear_w4_s16": OCTETS.linear("linear_w4_packed_s16", _weights)}
