"""Linear layers and convolutions on weights packed for cores with the DSP extension (Armv7E-M, Armv8-M): the bits of the
plain ones, fewer instructions.  c/tinyloc.h describes the layout, c/packed.c why it works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import quantize_multiplier, sat8, sat16
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Op, Packer

MAX_SHIFT = 20  # right shift: the zero point, shifted left by it, is in the rounding's offset


@njit("int32(int32, int32[::1], int32, int32, int32, int32, int32, int32)")
def rescaled(twice, rows, own, r, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    """What becomes of a sum, given twice, before its clamp; constants of row r of a group from rows[own] on, if per_row."""
    if per_row:
        mult, offset = rows[own + r], rows[own + 4 + r]
        shift = np.int32((rows[own + 8] >> (8 * r)) & 255)
    p = np.int32((np.int64(twice) * mult + (np.int64(1) << 31)) >> 32)  # SRDHM of the sum
    return np.int32(np.int32(p + (p >> 31) + offset) >> min(shift, 31))


@njit("int32(int8[::1], int32, int32, int8[::1], int32[::1], int32, int32, int32, int32, int32, int32)")
def output(x, start, k, w, rows, o, quads, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    """Output o of the vector x[start : start + k], rescaled, before its clamp."""
    size = 4 + 9 * per_row
    g, r = o >> 2, o & 3
    acc = np.int32(rows[g * size + r])  # 256 times the sum, modulo 2^32
    for q in range(2 * quads):
        at = ((g * quads + (q >> 1)) * 4 + r) * 4 + 2 * (q & 1)
        low = np.int32(w[at])
        high = np.int32(np.int32(w[at + 1]) + (1 if low < 0 else 0))
        even = np.int32(x[start + 2 * q]) if 2 * q < k else np.int32(0)
        odd = np.int32(x[start + 2 * q + 1]) if 2 * q + 1 < k else np.int32(0)
        acc = np.int32(acc + 256 * (low * even + high * (odd - 127)))
    return rescaled(np.int32(acc >> 7), rows, np.int32(g * size + 4), r, mult, offset, shift, per_row)


def _linear_packed_s8(y, x, w, rows, pairs, t, groups, quads, n, k, mult, offset, shift, per_row):  # type: ignore
    for i in range(t):
        for o in range(n):
            y[i * n + o] = sat8(output(x, np.int32(i * k), k, w, rows, np.int32(o), quads, mult, offset, shift, per_row))


def _linear_packed_s16(y, x, w, rows, pairs, t, groups, quads, n, k, mult, offset, shift, per_row):  # type: ignore
    for i in range(t):
        for o in range(n):
            y[i * n + o] = sat16(output(x, np.int32(i * k), k, w, rows, np.int32(o), quads, mult, offset, shift, per_row))


def _conv1d_packed_s8(y, x, w, rows, pairs, row, t, groups, quads, n, d, k, t_in, stride, pad_left, x_zp,  # type: ignore
                      mult, offset, shift, per_row):
    for i in range(t):
        for j in range(k):
            at = i * stride + j - pad_left
            for c in range(d):
                row[j * d + c] = x[at * d + c] if 0 <= at < t_in else np.int8(x_zp)
        for o in range(n):
            y[i * n + o] = sat8(output(row, np.int32(0), np.int32(k * d), w, rows, np.int32(o), quads, mult, offset,
                                       shift, per_row))


def pack_weights(w: np.ndarray) -> np.ndarray:
    """int8 (groups * quads * 16,) of w (n, k), |w| <= 127; rows to a multiple of 4 and columns to one of 4 are zero."""
    n, k = w.shape
    groups, quads = -(-n // 4), -(-k // 4)
    full = np.zeros((4 * groups, 4 * quads), np.int32)
    full[:n, :k] = w
    halves = (256 * full[:, 1::2] + full[:, ::2]).astype("<i2").reshape(groups, 4, quads, 2)
    return np.ascontiguousarray(halves.transpose(0, 2, 1, 3)).view(np.int8).reshape(-1)


def pack_rows(w: np.ndarray, bias: np.ndarray, mult: np.ndarray, shift: np.ndarray, y_zp: int
              ) -> tuple[np.ndarray, dict[str, int]] | None:
    """The int32 rows and the numbers mult, offset, shift, per_row; None where the packed arithmetic has no room.

    w (n, k); bias (n,) or (1,); mult and shift (n,) or (1,).  Four rows share 256 times their biases (with 127 times the sum
    of the odd weights), and, if each has its own scale, four multipliers, four offsets and four right shifts, a byte each.
    """
    wide = w.astype(np.int64)
    odd, even = wide[:, 1::2], wide[:, ::2]
    products = 256 * (255 * np.abs(odd).sum(1) + 128 * np.abs(even).sum(1))
    start = 256 * (bias.astype(np.int64) + 127 * odd.sum(1))
    if (products + np.abs(start)).max() >= 2**31:
        return None
    return pack_starts(start, mult, shift, y_zp)


def pack_starts(start: np.ndarray, mult: np.ndarray, shift: np.ndarray, y_zp: int
                ) -> tuple[np.ndarray, dict[str, int]] | None:
    """What `pack_rows` returns, of what the n sums start from; None for a left shift, none, or one beyond MAX_SHIFT."""
    n, right = len(start), -shift.astype(np.int64)
    if (right < 1).any() or (right > MAX_SHIFT).any():
        return None
    offset = (1 << (right - 1)) + (y_zp << right)
    per_row = int(len(mult) > 1)
    groups = -(-n // 4)

    def padded(v: np.ndarray) -> np.ndarray:
        return np.pad(v, (0, 4 * groups - n)).astype(np.int32).reshape(groups, 4)

    parts = [padded(start)]
    if per_row:
        shifts = np.pad(right, (0, 4 * groups - n)).astype(np.uint8).view("<i4").reshape(groups, 1)
        parts += [padded(mult), padded(offset), shifts.astype(np.int32)]
    numbers = dict.fromkeys(("mult", "offset", "shift"), 0) if per_row else {
        "mult": int(mult[0]), "offset": int(offset[0]), "shift": int(right[0])}
    return np.concatenate(parts, 1).reshape(-1), {**numbers, "per_row": per_row}


def _dense(w, rows, groups, quads, n, k, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    """Weights (n, k), biases, real multipliers and zero points (n,) of packed constants."""
    halves = w.view("<i2").astype(np.int64).reshape(groups, quads, 4, 2).transpose(0, 2, 1, 3).reshape(4 * groups, -1)
    low = (halves + 128) % 256 - 128
    dense = np.stack([low, (halves - low) // 256], 2).reshape(4 * groups, -1)[:n, :k]
    start, scale, zero_point = scales(rows, groups, n, mult, offset, shift, per_row)
    return dense.astype(float), start / 256 - 127.0 * dense[:, 1::2].sum(1), scale, zero_point


def scales(rows: np.ndarray, groups: int, n: int, mult: int, offset: int, shift: int, per_row: int
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the n sums start from, their real multipliers, and zero points, of what `pack_starts` made."""
    table = rows.reshape(groups, -1).astype(np.int64)
    m, c, e = (np.full(n, v) for v in (mult, offset, shift))
    if per_row:
        m, c = (table[:, at : at + 4].reshape(-1)[:n] for at in (4, 8))
        e = (table[:, 12:] >> np.array([0, 8, 16, 24]) & 255).reshape(-1)[:n]
    return table[:, :4].reshape(-1)[:n], m * np.exp2(-31.0 - e), (c - 2.0 ** (e - 1)) * np.exp2(-1.0 * e)


def ideal(y: np.ndarray, vectors: np.ndarray, constants: tuple[np.ndarray, ...]) -> tuple[np.ndarray]:
    """`Op.ideal` of the outputs y of vectors (t, k) and constants as of `_dense`."""
    dense, bias, scale, zero_point = constants
    info = np.iinfo(y.dtype)
    return (np.clip((vectors.astype(float) @ dense.T + bias) * scale + zero_point, info.min, info.max).reshape(-1),)


def _ideal_linear(y, x, w, rows, pairs, t, groups, quads, n, k, *numbers):  # type: ignore[no-untyped-def]
    return ideal(y, x.reshape(t, k), _dense(w, rows, groups, quads, n, k, *numbers))


def _ideal_conv(y, x, w, rows, pairs, row, t, groups, quads, n, d, k, t_in, stride, pad_left, x_zp,  # type: ignore
                *numbers):
    padded = np.full((pad_left + max(t_in, t * stride + k), d), float(x_zp))
    padded[pad_left : pad_left + t_in] = x.reshape(t_in, d)
    windows = np.stack([padded[i * stride : i * stride + k].reshape(-1) for i in range(t)])
    return ideal(y, windows, _dense(w, rows, groups, quads, n, k * d, *numbers))


def _constants(rng: np.random.Generator, count: int, n: int, k: int, places: int, extreme: bool
               ) -> tuple[list[np.ndarray], list[int], list[int]]:
    """[weights, rows, pairs], [groups, quads] and the last four numbers; `places` is the output's reach."""
    w = rng.choice([-127, 127], (n, k)) if extreme else (rng.standard_normal((n, k)) * 40).clip(-127, 127)
    w = np.rint(w).astype(np.int8)
    bias = rng.integers(-(2**14), 2**14, n if count % 3 else 1).astype(np.int32)
    m = n if count % 2 else 1
    # Powers of two force ties; the rest are drawn around the scale that fills the output's range.
    real = np.exp2(-rng.integers(2, 14, m)) if count % 4 == 0 else rng.uniform(0.3, 3.0, m) * places / (9000 * k**0.5 + 3000)
    pairs = [quantize_multiplier(float(np.clip(r, 2.0**-19, 0.249))) for r in real]
    y_zp = int(rng.choice([-128, 127, 0, 3])) if places < 256 else 0
    made = pack_rows(w, bias, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), y_zp)
    assert made is not None
    quads = -(-k // 4)
    scratch = rng.integers(0, 2**32, 2 * quads).astype(np.uint32)
    return [pack_weights(w), made[0], scratch], [-(-n // 4), quads], [made[1][name] for name in NUMBERS]


def _cases_linear(dtype: str) -> Any:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        sizes = [(1, 1, 1), (1, 8, 11), (20, 32, 8), (3, 7, 33), (1, 5, 520), (20, 64, 64), (2, 4, 16), (2, 3, 2)]
        for count in range(40 if level == 1 else 3000):
            t, n, k = sizes[count] if count < len(sizes) else rng.integers(1, (24, 40, 90)).tolist()
            extreme = count % 5 == 1 and k < 300
            x = rng.choice([-128, 127], t * k) if extreme else rng.integers(-128, 128, t * k)
            arrays, shape, numbers = _constants(rng, count, n, k, 100 if dtype == "int8" else 20_000, extreme)
            yield [np.zeros(t * n, dtype), x.astype(np.int8), *arrays, t, *shape, n, k, *numbers]

    return cases


def _cases_conv(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(24 if level == 1 else 1000):
        t_in, n, d, k = (1, 1, 1, 1) if count == 0 else rng.integers(1, (21, 20, 20, 6)).tolist()
        stride, pad = int(rng.integers(1, 4)), int(rng.integers(0, k))
        t = max(1, (t_in + pad - 1) // stride + 1)
        x = rng.choice([-128, 127], t_in * d) if count % 5 == 1 else rng.integers(-128, 128, t_in * d)
        arrays, shape, numbers = _constants(rng, count, n, k * d, 100, count % 5 == 1)
        yield [np.zeros(t * n, np.int8), x.astype(np.int8), *arrays, rng.integers(-128, 128, k * d).astype(np.int8), t,
               *shape, n, d, k, t_in, stride, pad, int(rng.choice([-128, 127, 0, 3])), *numbers]


NUMBERS = ("mult", "offset", "shift", "per_row")
_HEAD = "x:in:int8:{x} w:weight:int8:groups*quads*16 rows:weight:int32:groups*(4+9*per_row) pairs:scratch:uint32:quads*2 "
_LINEAR = _HEAD.format(x="t*k") + "t:int groups:int quads:int n:int:4*groups-3..4*groups k:int:4*quads-3..4*quads "
TAIL = "mult:int:any offset:int:any shift:int:0..20 per_row:int:flag"
_BOUND = "one rounding of the sum (1/2), a second one after the shift (1/2)"
OPS = (
    Op("linear_packed_s8", "y:out:int8:t*n " + _LINEAR + TAIL, _linear_packed_s8, _ideal_linear, _cases_linear("int8"),
       (1.0,), _BOUND, streams=True),
    Op("linear_packed_s16", "y:out:int16:t*n " + _LINEAR + TAIL, _linear_packed_s16, _ideal_linear,
       _cases_linear("int16"), (1.0,), _BOUND, streams=True),
    Op("conv1d_packed_s8", "y:out:int8:t*n " + _HEAD.format(x="t_in*d") + "row:scratch:int8:k*d t:int groups:int quads:int "
       "n:int:4*groups-3..4*groups d:int k:int t_in:int stride:int:1.. pad_left:int:0..2**30-1 x_zp:int:zp " + TAIL +
       " k*d:is:4*quads-3..4*quads t*stride:is:1..", _conv1d_packed_s8, _ideal_conv, _cases_conv, (1.0,), _BOUND),
)
LAYERS = ()


@dataclass(frozen=True)
class Layout:
    """How weights are packed: columns that lie together, what an op calls the number of such units, and the functions that
    make of w (n, k) its arguments w and rows."""

    columns: int
    units: str
    pack_weights: Callable[[np.ndarray], np.ndarray]
    pack_rows: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, dict[str, int]] | None]

    def constants_of(self, p: Packer, a: dict[str, Any], w: np.ndarray) -> dict[str, Any] | None:
        """The packed arguments that all ops share, of w (n, k); None where packing is not exact or does not pay."""
        n, k = w.shape
        made = self.pack_rows(w, p.data(a["bias"]), p.data(a["mult"]), p.data(a["shift"]), a.get("y_zp", 0))
        if made is None or n < 2:  # three rows of padding cost more than they spare
            return None
        units = -(-k // self.columns)
        return {"y": a["y"], "x": a["x"], "w": p.constant(a["w"] + ".packed", self.pack_weights(w)),
                "rows": p.constant(a["y"] + ".rows", made[0]),
                "pairs": p.scratch(a["y"] + ".pairs", (self.columns // 2 * units,), "uint32"),
                "t": a["t"], "n": n, "groups": -(-n // 4), self.units: units, **made[1]}

    def linear(self, op: str, weights: Callable[[Packer, dict[str, Any]], np.ndarray]
               ) -> Callable[[Packer, dict[str, Any]], bool]:
        """The packer of a linear layer into `op`; weights: those (n, k) of its step."""
        def pack(p: Packer, a: dict[str, Any]) -> bool:
            shared = self.constants_of(p, a, weights(p, a))
            if shared is not None:
                p.step(op, **shared, k=a["k"])
            return shared is not None

        return pack


QUADS = Layout(4, "quads", pack_weights, pack_rows)


def _weights(p: Packer, a: dict[str, Any]) -> np.ndarray:
    """(n, k), of a convolution (n, k d)."""
    return p.data(a["w"]).reshape(a["n"], -1)


def _pack_conv(p: Packer, a: dict[str, Any]) -> bool:
    shared = QUADS.constants_of(p, a, _weights(p, a))
    if shared is not None:
        p.step("conv1d_packed_s8", **shared, row=p.scratch(a["y"] + ".row", (a["k"] * a["d"],), "int8"),
               **{name: a[name] for name in ("d", "k", "t_in", "stride", "pad_left", "x_zp")})
    return shared is not None


PACKERS = {"linear_s8": QUADS.linear("linear_packed_s8", _weights),
           "linear_s8_s16": QUADS.linear("linear_packed_s16", _weights), "conv1d_s8": _pack_conv}
