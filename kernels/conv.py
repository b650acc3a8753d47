"""Convolutions over time.  Bits: TensorFlow Lite Micro's CONV_2D and DEPTHWISE_CONV_2D, per channel.

Padding is rows of the input's zero point (real zeros), so the bias can hold -x_zp * sum(w) for every row alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8
from tinyloc.kernels.linear import lower_linear
from tinyloc.kernels.op import STATE, Args, Builder, Layer, Node, Op, Pullback, vjp_of
from tinyloc.reference.conv import conv1d, conv1d_backward, depthwise_conv1d, depthwise_conv1d_backward


def _conv1d_s8(y, x, w, bias, mult, shift, t, n, d, k, t_in, stride, pad_left, x_zp, y_zp,  # type: ignore
               bias_step, mult_step):
    for i in range(t):
        for o in range(n):
            acc = np.int32(0)
            for j in range(k):
                row = i * stride + j - pad_left
                for c in range(d):
                    v = np.int32(x[row * d + c]) if 0 <= row < t_in else x_zp
                    acc = np.int32(acc + v * np.int32(w[(o * k + j) * d + c]))
            acc = np.int32(bias[o * bias_step] + acc)
            y[i * n + o] = sat8(np.int32(y_zp + mbqm(acc, mult[o * mult_step], shift[o * mult_step])))


def _depthwise_conv_s8(y, x, w, bias, mult, shift, state, t, d, k, y_zp, bias_step, mult_step):  # type: ignore
    for i in range(t):
        for c in range(d):
            acc = np.int32(0)
            for j in range(k - 1):
                acc = np.int32(acc + np.int32(state[j * d + c]) * np.int32(w[j * d + c]))
            acc = np.int32(acc + np.int32(x[i * d + c]) * np.int32(w[(k - 1) * d + c]))
            acc = np.int32(bias[c * bias_step] + acc)
            y[i * d + c] = sat8(np.int32(y_zp + mbqm(acc, mult[c * mult_step], shift[c * mult_step])))
        for j in range((k - 2) * d):
            state[j] = state[j + d]
        if k > 1:
            for c in range(d):
                state[(k - 2) * d + c] = x[i * d + c]


def _rescaled(acc, bias, mult, shift, bias_step, y_zp):  # type: ignore[no-untyped-def]
    real = (acc + (bias if bias_step else bias[0])) * np.ldexp(mult.astype(float), shift.astype(int) - 31)
    return np.clip(real + y_zp, -128, 127).reshape(-1)


def _ideal_conv1d(y, x, w, bias, mult, shift, t, n, d, k, t_in, stride, pad_left, x_zp, y_zp,  # type: ignore
                  bias_step, mult_step):
    padded = np.full((pad_left + max(t_in, t * stride + k), d), float(x_zp))
    padded[pad_left : pad_left + t_in] = x.reshape(t_in, d)
    acc, _ = conv1d(padded[None], w.reshape(n, k, d).astype(float), np.zeros(n), stride)
    return (_rescaled(acc[0, :t], bias, mult, shift, bias_step, y_zp),)


def _ideal_depthwise(y, x, w, bias, mult, shift, state, t, d, k, y_zp, bias_step, mult_step):  # type: ignore
    before = state.reshape(1, k - 1, d).astype(float)
    (acc, after), _ = depthwise_conv1d(x.reshape(1, t, d).astype(float), w.reshape(k, d).T.astype(float), np.zeros(d),
                                       before)
    return _rescaled(acc[0], bias, mult, shift, bias_step, y_zp), after.reshape(-1)


def _constants(rng: np.random.Generator, count: int, rows: int, fan_in: int) -> tuple[np.ndarray, ...]:
    """w, bias, mult, shift; every third case has ties (powers of two), every fifth one the greatest products."""
    m = rows if count % 2 else 1
    w = rng.integers(-127, 128, rows * fan_in) if count % 5 else rng.choice([-127, 127], rows * fan_in)
    real = np.exp2(-rng.integers(3, 12, m)) if count % 3 == 0 else rng.uniform(0.3, 3, m) / (90 * fan_in**0.5)
    pairs = [quantize_multiplier(float(r)) for r in real]
    bias = rng.integers(-9999, 9999, rows if count % 4 else 1)
    return (w.astype(np.int8), bias.astype(np.int32), np.array([p[0] for p in pairs], np.int32),
            np.array([p[1] for p in pairs], np.int8))


def _cases_conv1d(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(20 if level == 1 else 1000):
        t_in, n, d, k = (1, 1, 1, 1) if count == 0 else rng.integers(1, (21, 20, 20, 6)).tolist()
        stride, pad = int(rng.integers(1, 4)), int(rng.integers(0, k))
        t = max(1, (t_in + pad - 1) // stride + 1)
        x = rng.integers(-128, 128, t_in * d).astype(np.int8)
        w, bias, mult, shift = _constants(rng, count, n, k * d)
        yield [np.zeros(t * n, np.int8), x, w, bias, mult, shift, t, n, d, k, t_in, stride, pad,
               int(rng.choice([-128, 127, 0, 3])), int(rng.choice([-128, 127, 0, -5])), int(len(bias) > 1),
               int(len(mult) > 1)]
    t_in, n, d, k = 2, 6, 3, 3
    for pad in (3, 7):  # windows wholly in padding, in front of the input and behind it
        t = pad + t_in + 4
        w, bias, mult, shift = _constants(rng, pad, n, k * d)
        yield [np.zeros(t * n, np.int8), rng.integers(-128, 128, t_in * d).astype(np.int8), w, bias, mult, shift, t, n, d, k,
               t_in, 1, pad, 5, 1, int(len(bias) > 1), int(len(mult) > 1)]


def _cases_depthwise(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(20 if level == 1 else 1000):
        t, d, k = (1, 1, 1) if count == 0 else rng.integers(1, (21, 70, 6)).tolist()
        x, state = (rng.integers(-128, 128, size).astype(np.int8) for size in (t * d, (k - 1) * d))
        w, bias, mult, shift = _constants(rng, count, d, k)
        yield [np.zeros(t * d, np.int8), x, w, bias, mult, shift, state, t, d, k,
               int(rng.choice([-128, 127, 0, -5])), int(len(bias) > 1), int(len(mult) > 1)]


_BOUND = "one rounding of the sum (1/2), a second one when shift < 0 (1/2 of a place after the shift)"
_RESCALE = ("bias:weight:int32:({0}-1)*bias_step+1 mult:weight:int32:({0}-1)*mult_step+1:mult "
            "shift:weight:int8:({0}-1)*mult_step+1:shift ")

OPS = (
    Op("conv1d_s8", "y:out:int8:t*n x:in:int8:t_in*d w:weight:int8:n*k*d " + _RESCALE.format("n") +
       "t:int n:int d:int k:int t_in:int stride:int:1.. pad_left:int:0..2**30-1 x_zp:int:zp y_zp:int:zp bias_step:int:flag "
       "mult_step:int:flag k*d:is:1..2**17-1 t*stride:is:1..",
       _conv1d_s8, _ideal_conv1d, _cases_conv1d, (1.0,), _BOUND),
    Op("depthwise_conv_s8", "y:out:int8:t*d x:in:int8:t*d w:weight:int8:k*d " + _RESCALE.format("d") +
       "state:state:int8:(k-1)*d t:int d:int k:int:1..2**17-1 y_zp:int:zp bias_step:int:flag mult_step:int:flag",
       _depthwise_conv_s8, _ideal_depthwise, _cases_depthwise, (1.0, 0.0), _BOUND, streams=True),
)


def _lower_conv1d(b: Builder, node: Node) -> None:
    """weight (n, k, d), bias (n,); attrs: stride, pad_left, pad_right."""
    x = b.input(node.inputs[0])
    w, a = node.params["weight"], node.attrs
    n, k, d = w.shape
    steps = (x.shape[0] + a["pad_left"] + a["pad_right"] - k) // a["stride"] + 1
    lower_linear(b, node, "conv1d_s8", (steps, n), dict(
        d=d, k=k, t_in=x.shape[0], stride=a["stride"], pad_left=a["pad_left"], x_zp=x.zero_point))


def _vjp_depthwise(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    """From the node's state, or one of zeros."""
    p = node.params
    (y, _), cache = depthwise_conv1d(inputs[0], p["weight"], p["bias"], p.get(STATE))

    def pull(dy: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        dx, dw, db = depthwise_conv1d_backward(dy, cache)
        return [dx], {"weight": dw, "bias": db}

    return y, pull


def _lower_depthwise(b: Builder, node: Node) -> None:
    """Causal; weight (d, k), bias (d,); the state starts as padding."""
    x = b.input(node.inputs[0])
    d, k = node.params["weight"].shape
    state = b.state(f"{node.out}.state", np.full((k - 1, d), x.zero_point, np.int8), node, x.scale, x.zero_point)
    lower_linear(b, node, "depthwise_conv_s8", x.shape, dict(state=state, d=d, k=k), taps_first=True)


LAYERS = (Layer("conv1d", vjp_of(conv1d, conv1d_backward, ("weight", "bias"), ("stride", "pad_left", "pad_right")),
                _lower_conv1d),
          Layer("depthwise_conv1d", _vjp_depthwise, _lower_depthwise))
