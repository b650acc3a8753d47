"""Mamba's selective scan in integers.  No judge exists for these bits, so c/tinyloc.h specifies them.

    h <- exp(dt A) h + dt x B;   y = sum_n C h + D x

The decay is 2^-u: u = dt |A| log2(e) in Q32, its fraction by the line over one of 128 parts, the result in Q31, at most
`DECAY_ERROR` off.  The state is int16 with one scale a channel, powers of two apart, so that one multiplier serves all.
Per step the state's error grows by at most `step_error` places and shrinks by the decay, so it stays below
step_error / (1 - greatest decay) for ever.

`scan_s8` takes any A: a code of 8 bits for each, a scale of 15 bits for each column.  `scan_powers_s8` takes
A[j, k] = (k + 1) A[j, 0]: its decays are powers of one, a product each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8, sat16
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import STATE, Args, Builder, Layer, Node, Op, Pullback
from tinyloc.reference.scan import decay_rates, selective_scan, selective_scan_backward


def _lines() -> Iterator[tuple[int, int]]:
    """(a, b) of the lines a + b f / 2^16 for 2^-u in Q31, f = u mod 2^32 as an int32, each over 1/128 of the reach.

    Each touches the curve in the middle m of its part, and would lie below it by up to (ln 2 / 256)^2 / 2 at the ends;
    raised by half of that it errs by half of that.
    """
    for i in range(128):
        m = (i + 0.5) / 128
        b = round(-math.log(2) * 2 ** (15 - m))
        yield round(2 ** (31 - m) * (1 + (math.log(2) / 256) ** 2 / 4) - b * 2**16 * (m - (i > 63))), b


LINE_START, LINE_SLOPE = zip(*_lines(), strict=True)
DECAY_ERROR = 1.9e-6
HEADROOM = 1.5  # of the state above the greatest one seen in calibration
MAX_U = 2**36  # u in Q32 stays below: its whole part is below 16, and what decays more is zero to 16 bits


def step_error(power: float = 1.0) -> float:
    """Places of the state lost a step: its rounding 1/2, the floor of h d, the input's one place times b 2^8 / 2^15,
    and the decay's error times 2^15, which grows with its power."""
    return 0.5 + 2.0**-15 + 1.0 + 2**15 * DECAY_ERROR * power


@njit("int64(int64)")
def decay(u):  # type: ignore[no-untyped-def]
    """2^(-u / 2^32) in Q31 for 0 <= u < 2^36."""
    f = np.int64(np.int32(u))
    i = (f >> 25) & 127
    return (LINE_START[i] + ((f * LINE_SLOPE[i]) >> 16)) >> (u >> 32)


@njit("int32(int64, int32, int32, int32)")
def advance(d, h, g, b):  # type: ignore[no-untyped-def]
    """The state after a step: d in Q31, g b in Q15."""
    new = np.int64(g) * b + 16384 + ((d * h) >> 16)
    return np.int32(sat16(np.int32(new >> 15)))


@njit("int32(int32, int32, int32, int32)")
def drive(delta, v, mult, shift):  # type: ignore[no-untyped-def]
    """What a step's sample brings in, before B."""
    return np.int32(sat16(mbqm(np.int32(delta * v), mult, shift)))


def _scan_s8(y, x, dt, b, c, a, a_scale, d_skip, h_exp, h, bc, t, e, n, x_zp, y_zp, g_mult,  # type: ignore
             g_shift, b_shift, d_shift, y_mult, y_shift):
    for i in range(t):
        for j in range(e):
            delta, v, exponent = np.int32(dt[i * e + j]), np.int32(np.int32(x[i * e + j]) - x_zp), np.int32(h_exp[j])
            g = drive(delta, v, g_mult, np.int32(g_shift - exponent))
            acc = np.int32(np.int32(np.int32(d_skip[j]) * v) << d_shift)
            for k in range(n):
                d = decay(((np.int64(delta) * a_scale[k]) >> 3) * a[j * n + k])
                new = advance(d, np.int32(h[j * n + k]), g, np.int32(np.int32(b[i * n + k]) << b_shift))
                h[j * n + k] = new
                acc = np.int32(acc + np.int32(c[i * n + k]) * new)
            y[i * e + j] = sat8(np.int32(y_zp + mbqm(acc, y_mult, np.int32(y_shift + exponent))))


def _scan_powers_s8(y, x, dt, b, c, a, d_skip, h_exp, h, bc, t, e, n, x_zp, y_zp, a_shift, g_mult,  # type: ignore
                    g_shift, b_shift, d_shift, y_mult, y_shift):
    for i in range(t):
        for j in range(e):
            delta, v, exponent = np.int32(dt[i * e + j]), np.int32(np.int32(x[i * e + j]) - x_zp), np.int32(h_exp[j])
            g = drive(delta, v, g_mult, np.int32(g_shift - exponent))
            acc = np.int32(np.int32(np.int32(d_skip[j]) * v) << d_shift)
            first = decay(((np.int64(delta) * a[j]) >> a_shift) << 4)
            d = first
            for k in range(n):
                new = advance(d, np.int32(h[j * n + k]), g, np.int32(np.int32(b[i * n + k]) << b_shift))
                h[j * n + k] = new
                acc = np.int32(acc + np.int32(c[i * n + k]) * new)
                d = (d * first) >> 31
            y[i * e + j] = sat8(np.int32(y_zp + mbqm(acc, y_mult, np.int32(y_shift + exponent))))


def _recurrence(x, dt, b, c, rate, d_skip, h_exp, h, t, e, n, x_zp, y_zp, g_mult, g_shift, b_shift,  # type: ignore
                d_shift, y_mult, y_shift):
    """In places of the state, rate in 2^-32 log2 a step and code of dt; it saturates where the integers do."""
    delta, v = dt.reshape(t, e).astype(float), x.reshape(t, e) - float(x_zp)
    gain = math.ldexp(g_mult, g_shift - 31) * np.exp2(-h_exp.astype(float))
    state = h.reshape(e, n).astype(float)
    out = np.empty((t, e))
    for i in range(t):
        g = np.clip(delta[i] * v[i] * gain, -32768, 32767) * 2.0 ** (b_shift - 15)
        kept = np.exp2(-delta[i, :, None] * rate / 2**32) * state
        state = np.clip(kept + g[:, None] * b.reshape(t, n)[i], -32768, 32767)
        total = state @ c.reshape(t, n)[i].astype(float) + d_skip * v[i] * 2.0**d_shift
        out[i] = total * math.ldexp(y_mult, y_shift - 31) * np.exp2(h_exp.astype(float))
    return np.clip(out + y_zp, -128, 127).reshape(-1), state.reshape(-1)


def _ideal(y, x, dt, b, c, a, a_scale, d_skip, h_exp, h, bc, t, e, n, *numbers):  # type: ignore[no-untyped-def]
    rates = a.reshape(e, n) * (a_scale / 8.0)
    return _recurrence(x, dt, b, c, rates, d_skip, h_exp, h, t, e, n, *numbers)


def _ideal_powers(y, x, dt, b, c, a, d_skip, h_exp, h, bc, t, e, n, x_zp, y_zp, a_shift, *numbers):  # type: ignore
    rate = a[:, None] * 2.0 ** (4 - a_shift) * np.arange(1, n + 1)
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
            b_shift, d_shift = int(rng.integers(0, 9)), int(rng.integers(0, 7))
            # So small that only the greatest g saturate, as the quantizer's calibration has it.
            g_mult, g_shift = quantize_multiplier(float(rng.uniform(0.2, 4)) * 20000 / (65535 * 128) / 8)
            y_mult, y_shift = quantize_multiplier(float(rng.uniform(0.2, 1)) / (32767 * n**0.5 * 8))
            # From long memory (decay 1 - 2^-16 and less) to none.
            if powers:
                rates = [rng.integers(1, 65536, e).astype(np.uint16)]
                a_shift = [int(rng.integers(0, 13))]
            else:
                top = 32768 if kind == 3 else 600
                rates = [rng.integers(1, 256, e * n).astype(np.uint8), rng.integers(1, top, n).astype(np.int16)]
                a_shift = []
            yield [np.zeros(t * e, np.int8), x.astype(np.int8), dt.astype(np.uint16), b.astype(np.int8),
                   c.astype(np.int8), *rates, rng.integers(-32767, 32768, e).astype(np.int16), h_exp.astype(np.int8),
                   h.astype(np.int16), rng.integers(-32768, 32768, 2 * n).astype(np.int16), t, e, n,
                   int(rng.choice([-128, 127, 0])), int(rng.choice([-128, 127, 0])), *a_shift, g_mult, g_shift,
                   b_shift, d_shift, y_mult, y_shift]

    return cases


_HEAD = "y:out:int8:t*e x:in:int8:t*e dt:in:uint16:t*e b:in:int8:t*n c:in:int8:t*n "
# Both rescalings of every channel are to the right; n states of 15 bits times C stay below 2^30.
_STATE = ("d_skip:weight:int16:e h_exp:weight:int8:e:g_shift+1..g_shift+31:-31-y_shift..-1-y_shift h:state:int16:e*n "
          "bc:scratch:int16:2*n t:int e:int n:int:1..255 x_zp:int:zp y_zp:int:zp ")
_TAIL = "g_mult:int:mult g_shift:int:shift b_shift:int:0..8 d_shift:int:0..7 y_mult:int:mult y_shift:int:shift"
_BOUND = ("state: step_error places a step, shrinking by the decay (20 steps here); output: its two roundings and C "
          "times the state's error")
OPS = (
    Op("scan_s8", _HEAD + "a:weight:uint8:e*n a_scale:weight:int16:n:0.. " + _STATE + _TAIL, _scan_s8, _ideal,
       _cases(False), (2.0, 20 * step_error()), _BOUND, streams=True, saturates=("h",)),
    Op("scan_powers_s8", _HEAD + "a:weight:uint16:e " + _STATE + "a_shift:int:0..31 " + _TAIL, _scan_powers_s8,
       _ideal_powers, _cases(True), (2.0, 20 * step_error(20)), _BOUND, streams=True, saturates=("h",)),
)


def _vjp(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    x, dt, b, c = inputs
    a_log, n = node.params["a_log"], b.shape[2]
    a = decay_rates(a_log, n)
    (y, _), cache = selective_scan(x, dt, a, b, c, node.params["d_skip"], node.params.get(STATE))

    def pull(dy: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        dx, ddt, da, db, dc, dd_skip, _ = selective_scan_backward(dy, cache)
        da = da * a if a_log.shape[1] == n else (da * a).sum(1, keepdims=True)
        return [dx, ddt, db, dc], {"a_log": da, "d_skip": dd_skip}

    return y, pull


def _observe(node: Node, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Of each channel (e,) the greatest state, and the greatest time step times input."""
    x, dt, b, c = (v.astype(float) for v in inputs)
    a, none, reach = decay_rates(node.params["a_log"].astype(float), b.shape[2]), np.zeros(x.shape[2]), np.zeros(x.shape[2])
    for i in range(0, len(x), 64):
        s = slice(i, i + 64)
        (_, _), cache = selective_scan(x[s], dt[s], a, b[s], c[s], none)
        reach = np.maximum(reach, np.abs(cache[6]).max((0, 1, 3)))
    return {"reach": reach, "drive": np.abs(x * dt).max((0, 1))}


def nearest_powers(node: Node, inputs: list[np.ndarray], rounds: int = 4) -> Node:
    """The node with A[j, k] = (k + 1) A[j, 0], and the D to go with it, of least squared difference of the outputs on
    inputs x, dt (b, t, e) and B, C (b, t, n); the node itself when it has one rate a channel already.

    The difference of the outputs weighs each decay by the time steps, the states and the C that it meets.  A channel's
    output depends on its own rates only, so that each is a problem of one unknown, log A, beside D, in which it is linear:
    Gauss-Newton, D eliminated (Golub and Pereyra, 1973), the derivative by a difference.  A stays between the least and the
    greatest of A[j, k] / (k + 1); where the inputs say nothing of it (one step from a state of zero), it is their
    geometric mean.
    """
    x, dt, b, c = (v.astype(float) for v in inputs)
    n = b.shape[2]
    if node.params["a_log"].shape[1] == 1:
        return node
    free, none = node.params["a_log"].astype(float), np.zeros(x.shape[2])
    each = free - np.log(np.arange(1, n + 1))

    def output(a_log: np.ndarray) -> np.ndarray:
        return np.concatenate([selective_scan(x[i : i + 64], dt[i : i + 64], decay_rates(a_log, n), b[i : i + 64],
                                              c[i : i + 64], none)[0][0] for i in range(0, len(x), 64)])

    def dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return (u * v).sum((0, 1))

    power = np.maximum(dot(x, x), 1e-30)
    now, want, delta = each.mean(1), output(free), 1e-4
    best, d_more, least = now, none, np.full(x.shape[2], np.inf)
    for _ in range(rounds):
        y = output(now[:, None])
        d = dot(want - y, x) / power
        rest = want - y - d * x
        error = dot(rest, rest)
        best, d_more, least = (np.where(error < least, new, old) for new, old in ((now, best), (d, d_more), (error, least)))
        slope = (output(now[:, None] + delta) - y) / delta
        slope -= dot(slope, x) / power * x
        now = np.clip(now + dot(slope, rest) / np.maximum(dot(slope, slope), 1e-30), each.min(1), each.max(1))
    params = {"a_log": best[:, None], "d_skip": node.params["d_skip"].astype(float) + d_more}
    return replace(node, params={k: v.astype(node.params[k].dtype) for k, v in params.items()})


def _ask(node: Node, makers: list[Node]) -> list[Node]:
    """A rare long step is cut before it would leave the integer scan's decays, 2^-16 and more a step."""
    x, dt, b, c = makers
    top = 15.9 / (np.exp(node.params["a_log"].astype(float)).max() * math.log2(math.e))
    return [x, replace(dt, attrs={**dt.attrs, "top": min(top, dt.attrs.get("top", math.inf))}), b, c]


def code_decays(rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes in [1, 255] and scales (n,) in [1, 32767] of rates (e, n) in 2^-32: rate ~ code scale / 8.

    Each column's greatest rate uses the codes.  What would decay by more than 2^-16 a step is held there.
    """
    scale = np.clip(np.ceil(8 * rate.max(0) / 255.49), 1, 32767)
    return np.clip(np.rint(8 * rate / scale), 1, 255).astype(np.int64), scale.astype(np.int64)


def code_decay(rate: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes in [1, 65535] and a shift in [0, 31] of rates (e,) in 2^-32: rate ~ code 2^(4 - shift)."""
    shift = int(np.clip(np.floor(np.log2(65535.49 * 16 / max(rate.max(), 1e-9))), 0, 31))
    return np.clip(np.rint(rate * 2.0 ** (shift - 4)), 1, 65535).astype(np.int64), shift


def _lower(builder: Builder, node: Node) -> None:
    """Inputs x, dt, B, C; params a_log (e, n), or (e, 1) for powers, and d_skip (e,).  B and C have zero point 0."""
    x, dt, b, c = (builder.input(name) for name in node.inputs)
    (t, e), n = x.shape, b.shape[1]
    powers = node.params["a_log"].shape[1] == 1 < n
    rate, d_skip = -decay_rates(node.params["a_log"].astype(float), n), node.params["d_skip"].astype(float)
    if not (np.isfinite(rate).all() and (rate > 0).all()):
        raise ModelError(f"{node.out}: A must be finite and below zero")
    rate32 = rate * math.log2(math.e) * dt.scale * 2**32
    if powers:
        code, a_shift = code_decay(rate32[:, 0])
        decays = dict(a=builder.constant(f"{node.out}.a", code.astype(np.uint16)), a_shift=a_shift)
        u_max = (65535 * int(code.max()) >> a_shift) << 4
    else:
        codes, scales = code_decays(rate32)
        decays = dict(a=builder.constant(f"{node.out}.a", codes.astype(np.uint8)),
                      a_scale=builder.constant(f"{node.out}.a_scale", scales.astype(np.int16)))
        u_max = int(((65535 * scales >> 3) * codes).max())
    seen = builder.observed(node)
    # D x must fit beside C h below 2^30: 2^21 code steps of D, so that D (x - zp) < 2^29.
    skip = np.abs(d_skip) * x.scale / c.scale
    scale = np.maximum(np.maximum(seen["reach"] * HEADROOM, 1e-6) / 32767, skip / 2**21)
    scale = np.maximum(scale, scale.max() / 2**12)  # what channels may be apart, so that no shift leaves its range
    # g is rescaled to the right only: where a channel's state is too fine for that even with all 8 bits of b_shift (which
    # costs g at most one place of the state), it is coarser.
    unit = dt.scale * x.scale * b.scale * 2.0**15
    scale = np.maximum(scale, unit / 2**8 * 2.001)
    exponent = np.ceil(np.log2(scale / scale.min()))
    h_scale = scale.min() * np.exp2(exponent)
    # g * b * 2^b_shift is the input's part of the state in Q15: as few bits of shift as keep g within 15 bits.
    drive = seen["drive"] * HEADROOM * b.scale / h_scale
    b_shift = int(np.clip(math.ceil(math.log2(max(drive.max(), 1e-9) * 2**15 / 32767)), 0, 8))
    b_shift = max(b_shift, min(8, quantize_multiplier(unit / scale.min())[1] + 1))
    g_mult, g_shift = quantize_multiplier(unit / scale.min() * 2.0**-b_shift)
    g_shift = g_shift if g_mult else -1
    top = np.abs(d_skip * x.scale / (c.scale * h_scale)).max()
    d_shift = max(0, math.ceil(math.log2(max(top, 1e-9) / 32767)))
    d_code = np.rint(d_skip * x.scale / (c.scale * h_scale) / 2**d_shift)
    what = node.out
    bound = n * 128 * 32768 + int(np.abs(d_code).max()) * 255 * 2**d_shift
    y = builder.output(node, sums=(float(c.scale * h_scale.max()), 2**31))  # so that no rescaling reaches 1/2
    y_mult, y_shift = quantize_multiplier(c.scale * scale.min() / y.scale)
    y_shift = y_shift if y_mult else -1 - int(exponent.max())
    builder.prove(f"{what}: decay's exponent", u_max, MAX_U - 1)
    builder.prove(f"{what}: state, kept + input + rounding",
                  max((32767 * (2**31 - 1) >> 16) + 32768 * 128 * 2**b_shift + 2**14, 2**30 + 32767 * 128 * 2**b_shift))
    builder.prove(f"{what}: sum C h + D x", bound, 2**30 - 1)
    for text, low, high in (("dt x", g_shift - int(exponent.max()), g_shift),
                            ("the output", y_shift, y_shift + int(exponent.max()))):
        builder.prove(f"{what}: right shift of {text}", -low, 31)
        builder.prove(f"{what}: left shift of {text}", high + 1, 0)
    args: dict[str, Any] = dict(
        y=y.name, x=x.name, dt=dt.name, b=b.name, c=c.name, t=t, e=e, n=n, x_zp=x.zero_point,
        y_zp=y.zero_point, g_mult=g_mult, g_shift=g_shift, b_shift=b_shift, d_shift=d_shift, y_mult=y_mult,
        y_shift=y_shift, d_skip=builder.constant(f"{what}.d_skip", d_code.astype(np.int16)),
        h_exp=builder.constant(f"{what}.h_exp", exponent.astype(np.int8)),
        h=builder.state(f"{what}.h", np.zeros((e, n), np.int16), node, h_scale[:, None]),
        bc=builder.scratch(f"{what}.bc", (2 * n,), "int16"), **decays)
    builder.step("scan_powers_s8" if powers else "scan_s8", **args)


LAYERS = (Layer("selective_scan", _vjp, _lower, cheaper=nearest_powers, observe=_observe, ask=_ask),)
