"""Linear layers on weights packed for cores with the DSP extension (Armv7E-M, Armv8-M): the bits of `linear_s8`, fewer
instructions.  c/tinyloc.h describes the layout, c/packed.c why it works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import quantize_multiplier, sat8, srdhm
from tinyloc.kernels.op import Args, Op, Packer

MAX_SHIFT = 20  # right shift: the zero point, shifted left by it, is in the rounding's offset


def _linear_packed_s8(y, x, w, rows, pairs, t, groups, quads, n, k, mult, offset, shift, per_row):  # type: ignore
    size = 4 + 9 * per_row
    for i in range(t):
        for o in range(n):
            g, r = o >> 2, o & 3
            acc = np.int32(0)
            for q in range(2 * quads):
                at = ((g * quads + (q >> 1)) * 4 + r) * 4 + 2 * (q & 1)
                low = np.int32(w[at])
                high = np.int32(np.int32(w[at + 1]) + (1 if low < 0 else 0))
                even = np.int32(x[i * k + 2 * q]) if 2 * q < k else np.int32(0)
                odd = np.int32(x[i * k + 2 * q + 1]) if 2 * q + 1 < k else np.int32(0)
                acc = np.int32(acc + low * even + high * (odd - 127))
            acc = np.int32(acc + (rows[g * size + r] >> 1))
            m, c, e = mult, offset, shift
            if per_row:
                m, c = rows[g * size + 4 + r], rows[g * size + 8 + r]
                e = np.int32((rows[g * size + 12] >> (8 * r)) & 255)
            p = srdhm(acc, m)
            y[i * n + o] = sat8(np.int32((np.int64(p) + (p >> 31) + c) >> e))


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

    w (n, k); bias (n,) or (1,); mult and shift (n,) or (1,).  Four rows share twice their biases (with 127 times the sum
    of the odd weights), and, if each has its own scale, four multipliers, four offsets and four right shifts, a byte each.
    """
    n = len(w)
    wide = w.astype(np.int64)
    odd, even = wide[:, 1::2], wide[:, ::2]
    products = 256 * (255 * np.abs(odd).sum(1) + 128 * np.abs(even).sum(1))
    start = 2 * (bias.astype(np.int64) + 127 * odd.sum(1))
    final = 2 * (np.abs(bias.astype(np.int64)) + 128 * np.abs(wide).sum(1))
    right = -shift.astype(np.int64)
    if products.max() >= 2**31 or max(np.abs(start).max(), final.max()) >= 2**31:
        return None
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


def _ideal(y, x, w, rows, pairs, t, groups, quads, n, k, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    halves = w.view("<i2").astype(np.int64).reshape(groups, quads, 4, 2).transpose(0, 2, 1, 3).reshape(4 * groups, -1)
    low = (halves + 128) % 256 - 128
    dense = np.stack([low, (halves - low) // 256], 2).reshape(4 * groups, -1)[:n, :k]
    table = rows.reshape(groups, -1).astype(np.int64)
    bias = table[:, :4].reshape(-1)[:n] / 2 - 127.0 * dense[:, 1::2].sum(1)
    m, c, e = (np.full(n, v) for v in (mult, offset, shift))
    if per_row:
        m, c = (table[:, at : at + 4].reshape(-1)[:n] for at in (4, 8))
        e = (table[:, 12:] >> np.array([0, 8, 16, 24]) & 255).reshape(-1)[:n]
    zero_point = (c - 2.0 ** (e - 1)) * np.exp2(-1.0 * e)
    real = (x.reshape(t, k).astype(float) @ dense.T + bias) * m * np.exp2(-31.0 - e) + zero_point
    return (np.clip(real, -128, 127).reshape(-1),)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    sizes = [(1, 1, 1), (1, 8, 11), (20, 32, 8), (3, 7, 33), (1, 5, 520), (20, 64, 64), (2, 4, 16), (2, 3, 2)]
    for count in range(40 if level == 1 else 3000):
        t, n, k = sizes[count] if count < len(sizes) else rng.integers(1, (24, 40, 90)).tolist()
        extreme = count % 5 == 1 and k < 300
        x = rng.choice([-128, 127], t * k) if extreme else rng.integers(-128, 128, t * k)
        w = rng.choice([-127, 127], (n, k)) if extreme else (rng.standard_normal((n, k)) * 40).clip(-127, 127)
        w = np.rint(w).astype(np.int8)
        bias = rng.integers(-(2**14), 2**14, n if count % 3 else 1).astype(np.int32)
        m = n if count % 2 else 1
        real = np.exp2(-rng.integers(2, 14, m)) if count % 4 == 0 else rng.uniform(0.3, 3.0, m) / (90 * k**0.5 + 30)
        pairs = [quantize_multiplier(min(float(r), 0.249)) for r in real]
        made = pack_rows(w, bias, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]),
                         int(rng.choice([-128, 127, 0, 3])))
        assert made is not None
        quads = -(-k // 4)
        yield [np.zeros(t * n, np.int8), x.astype(np.int8), pack_weights(w), made[0],
               rng.integers(0, 2**32, 2 * quads).astype(np.uint32), t, -(-n // 4), quads, n, k,
               *(made[1][name] for name in ("mult", "offset", "shift", "per_row"))]


OPS = (
    Op("linear_packed_s8", "y:out:int8:t*n x:in:int8:t*k w:weight:int8:groups*quads*16 "
       "rows:weight:int32:groups*(4+9*per_row) pairs:scratch:uint32:quads*2 t:int groups:int quads:int n:int:4*groups+1 "
       "k:int:4*quads+1 mult:int offset:int shift:int:21 per_row:int:2", _linear_packed_s8, _ideal, _cases, (1.0,),
       "one rounding of the sum (1/2), a second one after the shift (1/2)", streams=True),
)
LAYERS = ()


def _pack(p: Packer, a: dict[str, Any]) -> bool:
    n, k = a["n"], a["k"]
    w = p.data(a["w"]).reshape(n, k)
    made = pack_rows(w, p.data(a["bias"]), p.data(a["mult"]), p.data(a["shift"]), a["y_zp"])
    if made is None or min(n, k) < 4:  # padding would cost more than it spares
        return False
    rows, numbers = made
    quads = -(-k // 4)
    p.step("linear_packed_s8", y=a["y"], x=a["x"], w=p.constant(a["w"] + ".packed", pack_weights(w)),
           rows=p.constant(a["y"] + ".rows", rows), pairs=p.scratch(a["y"] + ".pairs", (2 * quads,), "uint32"),
           t=a["t"], n=n, k=k, groups=-(-n // 4), quads=quads, **numbers)
    return True


PACKERS = {"linear_s8": _pack}
