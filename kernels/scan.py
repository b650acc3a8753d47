"""Mamba's selective scan in integers.  No judge exists for these bits, so c/tinyloc.h specifies them.

    h <- exp(dt A) h + dt x B;   y = sum_n C h + D x

The decay is 2^-u: u = dt |A| log2(e) in Q39, its fraction by a table of 128 and a line through each entry, the result
in Q31, at most `DECAY_ERROR` off.  The state is int16 with one scale a channel, powers of two apart, so that one
multiplier serves all.  Per step the state's error grows by at most `step_error` places and shrinks by the decay, so it
stays below step_error / (1 - greatest decay) for ever.

`scan_s8` takes any A.  `scan_powers_s8` takes A[j, k] = (k + 1) A[j, 0]: its decays are powers of one, a product each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8, sat16
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op

from tinyloc.errors import ModelError
from tinyloc.reference.scan import decay_rates, selective_scan

# 2^(-(i + 1/2) / 128) in Q31.  The line through an entry lies below the curve, by up to (ln 2 / 256)^2 / 2 at the ends
# of its reach; raising the entries by half of that halves the error.
EXP2 = tuple(round(2**31 * 2 ** (-(i + 0.5) / 128) * (1 + (math.log(2) / 256) ** 2 / 4)) for i in range(128))
LN2 = round(math.log(2) / 128 * 2**32)
DECAY_ERROR = 1.9e-6
HEADROOM = 1.5  # of the state above the greatest one seen in calibration
MAX_U = 2**43  # u in Q39 stays below: its whole part is below 16, and what decays more is zero to 16 bits


def step_error(power: float = 1.0) -> float:
    """Places of the state lost a step: its rounding 1/2, the floor of h d, the input's one place times b 2^8 / 2^15,
    and the decay's error times 2^15, which grows with its power."""
    return 0.5 + 2.0**-15 + 1.0 + 2**15 * DECAY_ERROR * power


@njit("int64(int64, int32)")
def decay(q, shift):  # type: ignore[no-untyped-def]
    """2^(-q 2^shift / 2^39) in Q31 for 0 <= q 2^shift < 2^43."""
    u = q << shift
    top = np.int64(EXP2[(u >> 32) & 127])
    f = (u & ((np.int64(1) << 32) - 1)) - (np.int64(1) << 31)  # from the middle of the entry's reach, in 2^-32 of it
    t = (top * f) >> 32
    return ((top << 32) - t * LN2) >> 32 >> (u >> 39)


@njit("int32(int64, int32, int32, int32)")
def advance(d, h, g, b):  # type: ignore[no-untyped-def]
    """The state after a step: d in Q31, g b in Q15."""
    new = np.int64(g) * b + 16384 + ((d * h) >> 16)
    return np.int32(sat16(np.int32(new >> 15)))


@njit("int32(int32, int32, int32, int32)")
def drive(delta, v, mult, shift):  # type: ignore[no-untyped-def]
    """What a step's sample brings in, before B."""
    g = mbqm(np.int32(delta * v), mult, shift)
    return np.int32(min(max(g, np.int32(-32767)), np.int32(32767)))


def _scan_s8(y, x, dt, b, c, a, a_shift, d_skip, h_exp, h, t, e, n, x_zp, y_zp, g_mult, g_shift,  # type: ignore
             b_shift, d_shift, y_mult, y_shift):
    for i in range(t):
        for j in range(e):
            delta, v, exponent = np.int32(dt[i * e + j]), np.int32(np.int32(x[i * e + j]) - x_zp), np.int32(h_exp[j])
            g = drive(delta, v, g_mult, np.int32(g_shift - exponent))
            acc = np.int32(np.int32(np.int32(d_skip[j]) * v) << d_shift)
            for k in range(n):
                d = decay(np.int64(delta) * a[j * n + k], np.int32(a_shift[k]))
                new = advance(d, np.int32(h[j * n + k]), g, np.int32(np.int32(b[i * n + k]) << b_shift))
                h[j * n + k] = new
                acc = np.int32(acc + np.int32(c[i * n + k]) * new)
            y[i * e + j] = sat8(np.int32(y_zp + mbqm(acc, y_mult, np.int32(y_shift + exponent))))


def _scan_powers_s8(y, x, dt, b, c, a, d_skip, h_exp, h, t, e, n, x_zp, y_zp, a_shift, g_mult, g_shift,  # type: ignore
                    b_shift, d_shift, y_mult, y_shift):
    for i in range(t):
        for j in range(e):
            delta, v, exponent = np.int32(dt[i * e + j]), np.int32(np.int32(x[i * e + j]) - x_zp), np.int32(h_exp[j])
            g = drive(delta, v, g_mult, np.int32(g_shift - exponent))
            acc = np.int32(np.int32(np.int32(d_skip[j]) * v) << d_shift)
            first = decay(np.int64(delta) * a[j], a_shift)
            d = first
            for k in range(n):
                new = advance(d, np.int32(h[j * n + k]), g, np.int32(np.int32(b[i * n + k]) << b_shift))
                h[j * n + k] = new
                acc = np.int32(acc + np.int32(c[i * n + k]) * new)
                d = (d * first) >> 31
            y[i * e + j] = sat8(np.int32(y_zp + mbqm(acc, y_mult, np.int32(y_shift + exponent))))


def _recurrence(x, dt, b, c, rate, d_skip, h_exp, h, t, e, n, x_zp, y_zp, g_mult, g_shift, b_shift,  # type: ignore
                d_shift, y_mult, y_shift):
    """In places of the state, rate in 2^-39 log2 a step and code of dt; it saturates where the integers do."""
    delta, v = dt.reshape(t, e).astype(float), x.reshape(t, e) - float(x_zp)
    gain = math.ldexp(g_mult, g_shift - 31) * np.exp2(-h_exp.astype(float))
    state = h.reshape(e, n).astype(float)
    out = np.empty((t, e))
    for i in range(t):
        g = np.clip(delta[i] * v[i] * gain, -32767, 32767) * 2.0 ** (b_shift - 15)
        kept = np.exp2(-delta[i, :, None] * rate / 2**39) * state
        state = np.clip(kept + g[:, None] * b.reshape(t, n)[i], -32768, 32767)
        total = state @ c.reshape(t, n)[i].astype(float) + d_skip * v[i] * 2.0**d_shift
        out[i] = total * math.ldexp(y_mult, y_shift - 31) * np.exp2(h_exp.astype(float))
    return np.clip(out + y_zp, -128, 127).reshape(-1), state.reshape(-1)


def _ideal(y, x, dt, b, c, a, a_shift, d_skip, h_exp, h, t, e, n, *numbers):  # type: ignore[no-untyped-def]
    rates = a.reshape(e, n) * np.exp2(a_shift.astype(float))
    return _recurrence(x, dt, b, c, rates, d_skip, h_exp, h, t, e, n, *numbers)


def _ideal_powers(y, x, dt, b, c, a, d_skip, h_exp, h, t, e, n, x_zp, y_zp, a_shift, *numbers):  # type: ignore
    rate = a[:, None] * 2.0**a_shift * np.arange(1, n + 1)
    return _recurrence(x, dt, b, c, rate, d_skip, h_exp, h, t, e, n, x_zp, y_zp, *numbers)


def _cases(powers: bool) -> Callable[[np.random.Generator, int], Iterator[Args]]:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        for count in range(30 if level == 1 else 1500):
            edges = ((1, 1, 1), (20, 16, 16), (5, 64, 16))
            t, e, n = edges[count] if count < 3 else rng.integers(1, (21, 20, 20)).tolist()
            kind = count % 4
            dt = rng.integers(0, 65536, t * e) if kind else rng.choice([0, 1, 65535], t * e)
            x, b, c = (rng.choice([-128, 127], s) if kind == 1 else rng.integers(-128, 128, s)
                       for s in (t * e, t * n, t * n))
            h = rng.choice([-32768, 32767, 0], e * n) if kind == 2 else rng.integers(-20000, 20000, e * n)
            h_exp = rng.integers(-3, 4, e)
            b_shift, d_shift = int(rng.integers(0, 9)), int(rng.integers(0, 8))
            # So small that only the greatest g saturate, as the quantizer's calibration has it.
            g_mult, g_shift = quantize_multiplier(float(rng.uniform(0.2, 4)) * 20000 / (65535 * 128) / 8)
            y_mult, y_shift = quantize_multiplier(float(rng.uniform(0.2, 1)) / (32767 * n**0.5 * 8))
            # From long memory (decay 1 - 2^-16 and less) to none: dt * a * 2^a_shift in Q39, below 2^43.
            if powers:
                rates = [rng.integers(1, 65536, e).astype(np.uint16)]
                a_shift = [int(rng.integers(1, 12))]
            else:
                rates = [rng.integers(1, 256, e * n).astype(np.uint8),
                         rng.integers(1 if kind == 3 else 6, 20, n).astype(np.int8)]
                a_shift = []
            yield [np.zeros(t * e, np.int8), x.astype(np.int8), dt.astype(np.uint16), b.astype(np.int8),
                   c.astype(np.int8), *rates, rng.integers(-32767, 32768, e).astype(np.int16), h_exp.astype(np.int8),
                   h.astype(np.int16), t, e, n, int(rng.choice([-128, 127, 0])), int(rng.choice([-128, 127, 0])),
                   *a_shift, g_mult, g_shift,
                   b_shift, d_shift, y_mult, y_shift]

    return cases


_HEAD = "y:out:int8:t*e x:in:int8:t*e dt:in:uint16:t*e b:in:int8:t*n c:in:int8:t*n "
_STATE = "d_skip:weight:int16:e h_exp:weight:int8:e h:state:int16:e*n t:int e:int n:int x_zp:int y_zp:int "
_TAIL = "g_mult:int g_shift:int b_shift:int d_shift:int y_mult:int y_shift:int"
_BOUND = ("state: step_error places a step, shrinking by the decay (20 steps here); output: its two roundings and C "
          "times the state's error")
OPS = (
    Op("scan_s8", _HEAD + "a:weight:uint8:e*n a_shift:weight:int8:n " + _STATE + _TAIL, _scan_s8, _ideal, _cases(False),
       (2.0, 20 * step_error()), _BOUND, streams=True),
    Op("scan_powers_s8", _HEAD + "a:weight:uint16:e " + _STATE + "a_shift:int " + _TAIL, _scan_powers_s8, _ideal_powers,
       _cases(True), (2.0, 20 * step_error(20)), _BOUND, streams=True),
)


def _forward(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    x, dt, b, c = inputs
    (y, _), _ = selective_scan(x, dt, decay_rates(node.params["a_log"], b.shape[2]), b, c, node.params["d_skip"])
    return y


def code_decay(rate: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes in [1, levels] and shifts (columns,) of rates (e, columns) in 2^-39: rate ~ code 2^shift.

    Each column's greatest rate uses the levels.  What would decay by more than `MAX_U` a step is held there.
    """
    rate = np.minimum(rate, (MAX_U - 1) / 65535 * levels / (levels + 1))
    shift = np.maximum(np.ceil(np.log2(rate.max(0) / (levels + 0.49))), 1)
    return np.clip(np.rint(rate / np.exp2(shift)), 1, levels).astype(np.int64), shift.astype(np.int64)


def _lower(builder: Builder, node: Node) -> None:
    """Inputs x, dt, B, C; params a_log (e, n), or (e, 1) for powers, and d_skip (e,).  B and C have zero point 0."""
    x, dt, b, c = (builder.input(name) for name in node.inputs)
    (t, e), n = x.shape, b.shape[1]
    powers = node.params["a_log"].shape[1] == 1 < n
    rate, d_skip = -decay_rates(node.params["a_log"].astype(float), n), node.params["d_skip"].astype(float)
    if not (np.isfinite(rate).all() and (rate > 0).all()):
        raise ModelError(f"{node.out}: A must be finite and below zero")
    code, a_shift = code_decay(rate[:, : 1 if powers else n] * math.log2(math.e) * dt.scale * 2**39,
                               65535 if powers else 255)
    real = [builder.calibration(name).astype(float) for name in node.inputs]
    reach = np.zeros(e)
    for i in range(0, len(real[0]), 64):
        part = [r[i : i + 64] for r in real]
        (_, _), cache = selective_scan(part[0], part[1], -rate, part[2], part[3], d_skip)
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
    g_mult, g_shift = quantize_multiplier(
        dt.scale * x.scale * b.scale / h_scale[0] * 2.0**exponent[0] * 2.0 ** (15 - b_shift))
    top = np.abs(d_skip * x.scale / (c.scale * h_scale)).max()
    d_shift = max(0, math.ceil(math.log2(max(top, 1e-9) / 32767)))
    d_code = np.rint(d_skip * x.scale / (c.scale * h_scale) / 2**d_shift)
    y_mult, y_shift = quantize_multiplier(c.scale * h_scale[0] / 2.0**exponent[0] / y.scale)
    what = node.out
    builder.prove(f"{what}: decay's exponent", int((65535 * code * 2**a_shift).max()), MAX_U - 1)
    builder.prove(f"{what}: state, kept + input + rounding",
                  (32768 * (2**31 - 1) >> 16) + 32767 * 128 * 2**b_shift + 2**14)
    builder.prove(f"{what}: sum C h + D x", n * 128 * 32768 + int(np.abs(d_code).max()) * 255 * 2**d_shift)
    builder.prove(f"{what}: left shift of dt x", 65535 * 255 * 2 ** max(0, g_shift - int(exponent.min())))
    builder.prove(f"{what}: right shift of dt x", int(exponent.max()) - g_shift, 31)
    builder.prove(f"{what}: right shift of the output", -y_shift, 31)
    builder.prove(f"{what}: left shift of the output", max(0, y_shift + int(exponent.max())), 3)
    args: dict[str, Any] = dict(
        y=y.name, x=x.name, dt=dt.name, b=b.name, c=c.name, t=t, e=e, n=n, x_zp=x.zero_point,
        y_zp=y.zero_point, g_mult=g_mult, g_shift=g_shift, b_shift=b_shift, d_shift=d_shift, y_mult=y_mult,
        y_shift=y_shift, d_skip=builder.constant(f"{what}.d_skip", d_code.astype(np.int16)),
        h_exp=builder.constant(f"{what}.h_exp", exponent.astype(np.int8)),
        h=builder.state(f"{what}.h", np.zeros((e, n), np.int16)))
    if powers:
        args |= dict(a=builder.constant(f"{what}.a", code[:, 0].astype(np.uint16)), a_shift=int(a_shift[0]))
    else:
        args |= dict(a=builder.constant(f"{what}.a", code.astype(np.uint8)),
                     a_shift=builder.constant(f"{what}.a_shift", a_shift.astype(np.int8)))
    builder.step("scan_powers_s8" if powers else "scan_s8", **args)


LAYERS = (Layer("selective_scan", _forward, _lower),)
