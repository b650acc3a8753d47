"""Mamba's selective scan in integers.  No judge exists for these bits, so c/tinyloc.h specifies them.

    h <- exp(dt A) h + dt x B;   y = sum_n C h + D x

The decay is 2^-u: u = dt |A| log2(e) in Q18, its fraction by a table of 32 and a quadratic, the result in Q16 with an
error below 1.5 places.  The state is int16 with one scale a channel, powers of two apart, so that one multiplier
serves all.  Per step the state's error grows by at most `STEP_ERROR` places and shrinks by the decay, so it stays
below STEP_ERROR / (1 - greatest decay) for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8, sat16
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op
from tinyloc.reference.scan import selective_scan

EXP2 = tuple(round(2 ** (17 - i / 32)) for i in range(32))  # 2^(-i/32) in Q17
LN2_Q18 = 181704  # ln 2 * 2^18: (lo * LN2_Q18) >> 16 is lo / 2^18 * ln 2 in Q20
# Places of the state lost a step: its rounding 1/2, the decay's 1.5 / 2^16 of 2^15, the input's one place times b 2^8.
STEP_ERROR = 0.5 + 0.75 + 1.0
HEADROOM = 1.5  # of the state above the greatest one seen in calibration


@njit("int32(uint32)")
def exp2_negative(u):  # type: ignore[no-untyped-def]
    """2^(-u / 2^18) in Q16, at most 65535."""
    i = min(np.int64(u) >> 18, np.int64(18))
    top = np.int64(EXP2[(np.int64(u) >> 13) & 31])
    v = ((np.int64(u) & 8191) * LN2_Q18) >> 16
    e = top - ((top * (v - ((v * v) >> 21))) >> 20)
    return np.int32(min((e + (np.int64(1) << i)) >> (i + 1), np.int64(65535)))


def _scan_s8(y, x, dt, b, c, a, a_shift, d_skip, h_exp, h, t, e, n, x_zp, y_zp, g_mult, g_shift,  # type: ignore
             b_shift, d_shift, y_mult, y_shift):
    for i in range(t):
        for j in range(e):
            delta, v = np.int32(dt[i * e + j]), np.int32(np.int32(x[i * e + j]) - x_zp)
            exponent = np.int32(h_exp[j])
            g = mbqm(np.int32(delta * v), g_mult, np.int32(g_shift - exponent))
            g = np.int32(min(max(g, np.int32(-32767)), np.int32(32767)))
            acc = np.int32(np.int32(np.int32(d_skip[j]) * v) << d_shift)
            for k in range(n):
                u = np.uint32((np.int64(delta) * np.int64(a[j * n + k]) << 7) >> a_shift[k])
                kept = np.int32((np.int64(h[j * n + k]) * exp2_negative(u)) >> 1)
                new = np.int32(kept + np.int32(np.int32(g * np.int32(b[i * n + k])) << b_shift) + 16384)
                h[j * n + k] = sat16(np.int32(new >> 15))
                acc = np.int32(acc + np.int32(c[i * n + k]) * np.int32(h[j * n + k]))
            y[i * e + j] = sat8(np.int32(y_zp + mbqm(acc, y_mult, np.int32(y_shift + exponent))))


def _ideal(y, x, dt, b, c, a, a_shift, d_skip, h_exp, h, t, e, n, x_zp, y_zp, g_mult, g_shift,  # type: ignore
           b_shift, d_shift, y_mult, y_shift):
    """The recurrence in places of the state; it saturates where the integers do."""
    delta, v = dt.reshape(t, e).astype(float), x.reshape(t, e) - float(x_zp)
    rate = a.reshape(e, n) * np.exp2(7.0 - a_shift - 18)
    gain = math.ldexp(g_mult, g_shift - 31 + b_shift - 15) * np.exp2(-h_exp.astype(float))
    state = h.reshape(e, n).astype(float)
    out = np.empty((t, e))
    for i in range(t):
        g = np.clip(delta[i] * v[i] * gain * 2.0 ** (15 - b_shift), -32767, 32767) * 2.0 ** (b_shift - 15)
        state = np.clip(np.exp2(-delta[i, :, None] * rate) * state + g[:, None] * b.reshape(t, n)[i], -32768, 32767)
        total = state @ c.reshape(t, n)[i].astype(float) + d_skip * v[i] * 2.0**d_shift
        out[i] = total * math.ldexp(y_mult, y_shift - 31) * np.exp2(h_exp.astype(float))
    return np.clip(out + y_zp, -128, 127).reshape(-1), state.reshape(-1)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(30 if level == 1 else 1500):
        t, e, n = [(1, 1, 1), (20, 16, 16), (5, 64, 16)][count] if count < 3 else rng.integers(1, (21, 20, 20)).tolist()
        kind = count % 4
        dt = rng.integers(0, 65536, t * e) if kind else rng.choice([0, 1, 65535], t * e)
        x, b, c = (rng.choice([-128, 127], s) if kind == 1 else rng.integers(-128, 128, s) for s in (t * e, t * n, t * n))
        h = rng.choice([-32768, 32767, 0], e * n) if kind == 2 else rng.integers(-20000, 20000, e * n)
        # From long memory (decay 1 - 2^-16) to none: dt * a * 2^(7 - a_shift) in Q18.
        a_shift = rng.integers(0 if kind == 3 else 10, 25, n)
        h_exp = rng.integers(-3, 4, e)
        b_shift, d_shift = int(rng.integers(0, 9)), int(rng.integers(0, 8))
        # So small that only the greatest g saturate, as the quantizer's calibration has it.
        g_mult, g_shift = quantize_multiplier(float(rng.uniform(0.2, 4)) * 20000 / (65535 * 128) / 8)
        y_mult, y_shift = quantize_multiplier(float(rng.uniform(0.2, 1)) / (32767 * n**0.5 * 8))
        yield [np.zeros(t * e, np.int8), x.astype(np.int8), dt.astype(np.uint16), b.astype(np.int8), c.astype(np.int8),
               rng.integers(1, 256, e * n).astype(np.uint8), a_shift.astype(np.int8),
               rng.integers(-32767, 32768, e).astype(np.int16), h_exp.astype(np.int8), h.astype(np.int16),
               t, e, n, int(rng.choice([-128, 127, 0])), int(rng.choice([-128, 127, 0])), g_mult, g_shift, b_shift, d_shift,
               y_mult, y_shift]


OPS = (Op("scan_s8", "y:out:int8 x:in:int8 dt:in:uint16 b:in:int8 c:in:int8 a:weight:uint8 a_shift:weight:int8 "
          "d_skip:weight:int16 h_exp:weight:int8 h:state:int16 t:int e:int n:int x_zp:int y_zp:int g_mult:int "
          "g_shift:int b_shift:int d_shift:int y_mult:int y_shift:int", _scan_s8, _ideal, _cases,
          (2.0, 20 * STEP_ERROR), "state: 2.25 places a step, shrinking by the decay (20 steps here); "
          "output: its two roundings and C times the state's error", streams=True),)


def _forward(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    x, dt, b, c = inputs
    (y, _), _ = selective_scan(x, dt, -np.exp(node.params["a_log"]), b, c, node.params["d_skip"])
    return y


def code_decay(a: np.ndarray, dt_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """uint8 codes (e, n) and int8 shifts (n,) of |A| > 0 (e, n): u = (dt * code * 2^7) >> shift is dt |A| log2(e) in Q18.

    Each column's greatest rate uses the eight bits.  Raises ModelError when a rate is out of range.
    """
    rate = a * math.log2(math.e) * dt_scale * 2**18
    with np.errstate(divide="ignore"):
        shift = 7 + np.floor(np.log2(255.49 / rate.max(0)))
    if not np.isfinite(rate).all() or (shift < 0).any() or (rate <= 0).any():
        raise ModelError(f"selective scan: dt * |A| reaches {a.max() * dt_scale * 65535:.3g} a step; expected at most 177")
    shift = np.minimum(shift, 31)
    return np.maximum(np.rint(rate * np.exp2(shift - 7)), 1).astype(np.uint8), shift.astype(np.int8)


def _lower(builder: Builder, node: Node) -> None:
    """Inputs x, dt, B, C; params a_log (e, n), d_skip (e,).  B and C have zero point 0."""
    x, dt, b, c = (builder.input(name) for name in node.inputs)
    (t, e), n = x.shape, b.shape[1]
    rate, d_skip = np.exp(node.params["a_log"].astype(float)), node.params["d_skip"].astype(float)
    code, a_shift = code_decay(rate, dt.scale)
    real = [builder.calibration(name).astype(float) for name in node.inputs]
    reach = np.zeros(e)
    for i in range(0, len(real[0]), 64):
        (_, _), cache = selective_scan(real[0][i : i + 64], *[r[i : i + 64] for r in (real[1],)], -rate,
                                       *[r[i : i + 64] for r in real[2:]], d_skip)
        reach = np.maximum(reach, np.abs(cache[6]).max((0, 1, 3)))
    # D x must fit beside C h: 2^22 code steps of D, so that D (x - zp) < 2^30.
    skip = np.abs(d_skip) * x.scale / c.scale
    scale = np.maximum(np.maximum(reach * HEADROOM, 1e-6) / 32767, skip / 2**21)
    exponent = np.ceil(np.log2(scale / scale.min()))
    h_scale = scale.min() * np.exp2(exponent)
    y = builder.output(node)
    # g * b * 2^b_shift is the input's part of the state in Q15: as few bits of shift as keep g within 15 bits.
    drive = np.abs(real[0] * real[1]).max((0, 1)) * HEADROOM * b.scale / h_scale
    b_shift = int(np.clip(math.ceil(math.log2(max(drive.max(), 1e-9) * 2**15 / 32767)), 0, 8))
    g_mult, g_shift = quantize_multiplier(dt.scale * x.scale * b.scale / h_scale[0] * 2.0**exponent[0] * 2.0 ** (15 - b_shift))
    top = np.abs(d_skip * x.scale / (c.scale * h_scale)).max()
    d_shift = max(0, math.ceil(math.log2(max(top, 1e-9) / 32767)))
    d_code = np.rint(d_skip * x.scale / (c.scale * h_scale) / 2**d_shift)
    y_mult, y_shift = quantize_multiplier(c.scale * h_scale[0] / 2.0**exponent[0] / y.scale)
    what = node.out
    builder.prove(f"{what}: state, kept + input + rounding", (32768 * 65535 >> 1) + 32767 * 128 * 2**b_shift + 2**14)
    builder.prove(f"{what}: sum C h + D x", n * 128 * 32768 + int(np.abs(d_code).max()) * 255 * 2**d_shift)
    builder.prove(f"{what}: left shift of dt x", 65535 * 255 * 2 ** max(0, g_shift - int(exponent.min())))
    builder.prove(f"{what}: right shift of dt x", int(exponent.max()) - g_shift, 31)
    builder.prove(f"{what}: right shift of the output", -y_shift, 31)
    builder.prove(f"{what}: left shift of the output", max(0, y_shift + int(exponent.max())), 3)
    builder.step(
        "scan_s8", y=y.name, x=x.name, dt=dt.name, b=b.name, c=c.name, t=t, e=e, n=n, x_zp=x.zero_point,
        y_zp=y.zero_point, g_mult=g_mult, g_shift=g_shift, b_shift=b_shift, d_shift=d_shift, y_mult=y_mult,
        y_shift=y_shift, a=builder.constant(f"{what}.a", code), a_shift=builder.constant(f"{what}.a_shift", a_shift),
        d_skip=builder.constant(f"{what}.d_skip", d_code.astype(np.int16)),
        h_exp=builder.constant(f"{what}.h_exp", exponent.astype(np.int8)),
        h=builder.state(f"{what}.h", np.zeros((e, n), np.int16)))


LAYERS = (Layer("selective_scan", _forward, _lower),)
