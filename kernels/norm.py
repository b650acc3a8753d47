"""Layer and RMS norm over the last axis, in integers, for any d <= 1024.

No judge exists for these bits, so c/tinyloc.h specifies them.  With v = d * x - sum(x) (layer) or x - zero point (RMS)
and q = sum(v^2) + eps the normalized value is v * sqrt(d / q): exact sums, one reciprocal square root a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import INT32_MAX, add, limits, mbqm, quantize_multiplier, sat8
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, vjp_of
from tinyloc.reference.norm import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward

MAX_D = 1024
SEED, SLOPE = 2641404887, 1431655765  # 2.46 - 4/3 x, within 10 % of 1 / sqrt(x) on [1/4, 1): Q30


@njit("int32(int64)")
def half_exponent(q):  # type: ignore[no-untyped-def]
    """h such that 2^62 <= q * 4^h < 2^64, for 1 <= q < 2^62."""
    h = 1
    for s in (16, 8, 4, 2, 1):
        if q < np.int64(1) << (62 - 2 * s):
            q = q << (2 * s)
            h += s
    return np.int32(h)


@njit("int64(int64)")
def rsqrt(m):  # type: ignore[no-untyped-def]
    """1 / sqrt(m / 2^32) in Q30 for 2^30 <= m < 2^32, by four Newton steps: relative error below 2^-26."""
    r = SEED - ((m * SLOPE) >> 32)
    for _ in range(4):
        square = (m * ((r * r) >> 32)) >> 32  # Q28
        r = (r * ((np.int64(3) << 28) - square)) >> 29
    return r


@njit("int64(int64, int32)")
def rsqrt_normalized(q, h):  # type: ignore[no-untyped-def]
    """rsqrt of the upper 32 bits of q * 4^h."""
    return rsqrt((q << (2 * h - 2)) >> 30)


@njit("int32(int32, int32, int64, int32)")
def weighted(v, h, r, w):  # type: ignore[no-untyped-def]
    """v / sqrt(q) * w in Q14 of w's scale."""
    unit = ((np.int64(v) << (h - 1)) * r) >> 31  # Q30, |unit| <= 2^30 + 2^5
    return np.int32((unit * np.int64(w)) >> 16)


def _layer_norm_s8(y, x, w, b, t, d, eps, y_zp, mult, shift):  # type: ignore[no-untyped-def]
    for i in range(t):
        total, squares = np.int32(0), np.int32(0)
        for c in range(d):
            v = np.int32(x[i * d + c])
            total = np.int32(total + v)
            squares = np.int32(squares + v * v)
        q = np.int64(d) * (np.int64(d) * squares - np.int64(total) * total) + eps
        h = half_exponent(q)
        r = rsqrt_normalized(q, h)
        for c in range(d):
            acc = add(b[c], weighted(np.int32(d * np.int32(x[i * d + c]) - total), h, r, w[c]))
            y[i * d + c] = sat8(np.int32(y_zp + mbqm(acc, mult, shift)))


def _rms_norm_s8(y, x, w, t, d, x_zp, eps, mult, shift):  # type: ignore[no-untyped-def]
    for i in range(t):
        q = np.int64(eps)
        for c in range(d):
            v = np.int32(np.int32(x[i * d + c]) - x_zp)
            q += np.int64(v) * v
        h = half_exponent(q)
        r = rsqrt_normalized(q, h)
        for c in range(d):
            v = np.int32(np.int32(x[i * d + c]) - x_zp)
            y[i * d + c] = sat8(mbqm(weighted(v, h, r, w[c]), mult, shift))


def _real(v: np.ndarray, eps: int, w: np.ndarray, b: np.ndarray, mult: int, shift: int, y_zp: int) -> np.ndarray:
    unit = v / np.sqrt((v * v).sum(1, keepdims=True) + eps)
    return np.clip((unit * w * 2.0**14 + b) * math.ldexp(mult, shift - 31) + y_zp, -128, 127).reshape(-1)


def _ideal_layer(y, x, w, b, t, d, eps, y_zp, mult, shift):  # type: ignore[no-untyped-def]
    rows = x.reshape(t, d).astype(float)
    return (_real(d * rows - rows.sum(1, keepdims=True), eps, w, b, mult, shift, y_zp),)


def _ideal_rms(y, x, w, t, d, x_zp, eps, mult, shift):  # type: ignore[no-untyped-def]
    return (_real(x.reshape(t, d).astype(float) - x_zp, eps, w, np.zeros(d), mult, shift, 0),)


def _cases(layer: bool) -> Any:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        sizes = [(1, 1), (2, 1024), (3, 1000), (20, 8), (20, 16), (4, 64), (7, 3), (5, 2)]
        for count in range(32 if level == 1 else 2000):
            t, d = sizes[count] if count < len(sizes) else rng.integers(1, (20, 80)).tolist()
            kind = count % 4
            x = rng.integers(-128, 128, (t, d))
            if kind == 1:  # equal within a row: only eps is left
                x[:] = x[:, :1]
            elif kind == 2:
                x = rng.choice([-128, 127], (t, d))
            elif kind == 3:  # one outlier
                x[:] = x[:, :1]
                x[:, rng.integers(d)] = 127
            w = rng.integers(-32767, 32768, d).astype(np.int16)
            w[rng.integers(d)] = 32767
            b = rng.integers(-(2**29), 2**29, d).astype(np.int32) // (1 if kind == 0 else 2**8)
            eps = int(rng.choice([1, 1, 2**31 - 1, int(rng.integers(1, 1000))]))
            mult, shift = quantize_multiplier(float(rng.uniform(1, 300)) * math.sqrt(d) / 2**29)
            y = np.zeros(t * d, np.int8)
            head: Args = [y, x.astype(np.int8).reshape(-1), w]
            yield ([*head, b, t, d, eps, int(rng.integers(-128, 128)), mult, shift] if layer else
                   [*head, t, d, int(rng.choice([-128, 127, int(rng.integers(-128, 128))])), eps, mult, shift])
        yield from _at_limits(rng, level, layer)

    return cases


def _at_limits(rng: np.random.Generator, level: int, layer: bool) -> Iterator[Args]:
    """The widest spread there is; left shifts; and one value of a row at a code's limit."""
    for count in range(64 if level == 1 else 600):
        d = 1024 if count == 0 else int(rng.integers(*((2, 40) if count % 8 else (100, 1000))))  # sums below 2^32 and above
        x = rng.integers(-128, 128, d) if count % 3 else rng.integers(-128, 128) + np.eye(1, d, dtype=int)[0]
        if count == 0:
            x = np.resize([-128, 127], d)
        x = np.clip(x, -128, 127).astype(np.int8)
        w = rng.integers(-32767, 32768, d).astype(np.int16)
        b = rng.integers(-(2**20), 2**20, d).astype(np.int32) if layer else np.zeros(d, np.int32)
        zp, eps, y_zp = int(rng.integers(-128, 128)), int(rng.choice([1, 1000, 2**20])), int(rng.integers(-128, 128))
        v = d * x.astype(np.int64) - x.sum(dtype=np.int64) if layer else x.astype(np.int64) - zp
        q = np.int64((v * v).sum() + eps)
        h = half_exponent(q)
        at = int(rng.integers(d))
        acc = int(add(b[at], weighted(np.int32(v[at]), h, rsqrt_normalized(q, h), w[at])))
        mult, shift = limits(rng, acc) if 2**20 <= abs(acc) < 2**30 else (2**30, -22)
        if 0 < count < 8:
            w, b, mult, shift = np.sign(w // 2**14) * np.int16(32767), b // 2**14, 2**30, count % 2
        rest: Args = [1, d, eps, y_zp, mult, shift] if layer else [1, d, zp, eps, mult, shift]
        yield [np.zeros(d, np.int8), x, w, *([b] if layer else []), *rest]


_BOUND = "one rounding (1/2); the product before it has 29 bits and the reciprocal root 26"

OPS = (
    Op("layer_norm_s8", "y:out:int8:t*d x:in:int8:t*d w:weight:int16:d:-32767.. "
       "b:weight:int32:d:-2**29..2**29 t:int d:int:1..1024 eps:int:1.. y_zp:int:zp mult:int:mult shift:int:shift",
       _layer_norm_s8, _ideal_layer, _cases(True), (0.51,), _BOUND, streams=True, in_place=("x",)),
    Op("rms_norm_s8", "y:out:int8:t*d x:in:int8:t*d w:weight:int16:d:-32767.. t:int d:int:1..1024 x_zp:int:zp eps:int:1.. "
       "mult:int:mult shift:int:shift",
       _rms_norm_s8, _ideal_rms, _cases(False), (0.51,), _BOUND, streams=True, in_place=("x",)),
)


def _lower(b: Builder, node: Node) -> None:
    """weight (d,), bias (d,) for layer norm; eps is the reference's 1e-5."""
    x = b.input(node.inputs[0])
    t, d = x.shape
    layer = "bias" in node.params
    weight, bias = node.params["weight"].astype(float), node.params.get("bias", np.zeros(d)).astype(float)
    b.prove(f"{node.out}: width", d, MAX_D)
    # A bias more than sqrt(d) times the weight would leave the accumulator: a coarser weight scale makes room.
    scale = max(np.abs(weight).max() / 32767, np.abs(bias).max() / (math.sqrt(d) * 2**15), 1e-30)
    acc_scale = math.sqrt(d) * scale / 2**14
    eps = round(1e-5 * (d**3 if layer else d) / x.scale**2)
    q_bias = np.rint(bias / acc_scale)
    bound = int(np.abs(q_bias).max()) + (32767 << 14) + 2**5
    y = b.output(node, symmetric=not layer, sums=(acc_scale, bound))
    mult, shift = b.rescale(node.out, acc_scale / y.scale, bound)
    args = {"y_zp": y.zero_point, "b": b.constant(f"{node.out}.bias", q_bias.astype(np.int32))} if layer else {
        "x_zp": x.zero_point}
    b.step("layer_norm_s8" if layer else "rms_norm_s8", y=y.name, x=x.name, t=t, d=d, mult=mult, shift=shift,
           w=b.constant(f"{node.out}.weight", np.rint(weight / scale).astype(np.int16)),
           eps=min(max(eps, 1), INT32_MAX), **args)


LAYERS = (Layer("layer_norm", vjp_of(layer_norm, layer_norm_backward, ("weight", "bias")), _lower),
          Layer("rms_norm", vjp_of(rms_norm, rms_norm_backward, ("weight",)), _lower))
