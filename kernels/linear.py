"""Fully connected layers: y = x W^T + b.  Bits: TensorFlow Lite Micro's FULLY_CONNECTED, per tensor and per channel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8, sat16
from tinyloc.kernels.halves import pack_halves
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, vjp_of
from tinyloc.reference.linear import linear, linear_backward

MAX_BIAS = 2**29  # of a bias in places of the sum


def _linear_s8(y, x, w, bias, mult, shift, t, n, k, y_zp, bias_step, mult_step):  # type: ignore[no-untyped-def]
    for i in range(t):
        for o in range(n):
            acc = np.int32(0)
            for j in range(k):
                acc = np.int32(acc + np.int32(x[i * k + j]) * np.int32(w[o * k + j]))
            acc = np.int32(bias[o * bias_step] + acc)
            y[i * n + o] = sat8(np.int32(y_zp + mbqm(acc, mult[o * mult_step], shift[o * mult_step])))


def _linear_s8_s16(y, x, w, bias, mult, shift, t, n, k, bias_step, mult_step):  # type: ignore[no-untyped-def]
    for i in range(t):
        for o in range(n):
            acc = np.int32(0)
            for j in range(k):
                acc = np.int32(acc + np.int32(x[i * k + j]) * np.int32(w[o * k + j]))
            acc = np.int32(bias[o * bias_step] + acc)
            y[i * n + o] = sat16(mbqm(acc, mult[o * mult_step], shift[o * mult_step]))


def rescaled_sums(x: np.ndarray, w: np.ndarray, bias: np.ndarray, mult: np.ndarray, shift: np.ndarray, t: int, n: int,
                  k: int, bias_step: int, mult_step: int) -> np.ndarray:
    """The float64 result in places of the output, before zero point and clamp."""
    acc = x.reshape(t, k).astype(float) @ w.reshape(n, k).T.astype(float) + (bias if bias_step else bias[0])
    return np.asarray(acc * np.ldexp(mult.astype(float), shift.astype(int) - 31)).reshape(-1)


def _ideal_s8(y, x, w, bias, mult, shift, t, n, k, y_zp, bias_step, mult_step):  # type: ignore[no-untyped-def]
    return (np.clip(rescaled_sums(x, w, bias, mult, shift, t, n, k, bias_step, mult_step) + y_zp, -128, 127),)


def _ideal_s8_s16(y, x, w, bias, mult, shift, t, n, k, bias_step, mult_step):  # type: ignore[no-untyped-def]
    return (np.clip(rescaled_sums(x, w, bias, mult, shift, t, n, k, bias_step, mult_step), -32768, 32767),)


def _cases(dtype: str) -> Any:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        sizes = [(1, 1, 1), (1, 8, 11), (20, 32, 8), (3, 7, 33), (1, 5, 520), (20, 64, 64)]
        for count in range(40 if level == 1 else 4000):
            t, n, k = sizes[count] if count < len(sizes) else rng.integers(1, (24, 40, 90)).tolist()
            per_output = count % 2
            m = n if per_output else 1
            extreme = count % 5 == 1  # every product at its greatest, all of one sign
            x = np.full(t * k, -128, np.int8) if extreme else rng.integers(-128, 128, t * k).astype(np.int8)
            w = rng.choice(np.array([-127, 127], np.int8), n * k) if extreme else (
                rng.integers(-127, 128, n * k).astype(np.int8))
            bias_step = int(count % 3 > 0)
            bias = rng.integers(-(2**14), 2**14, n if bias_step else 1).astype(np.int32)
            spread = 73 * 73 * k**0.5 / (60 if dtype == "int8" else 9000)
            # Powers of two force ties; the rest are drawn around the scale that fills the output's range.
            real = np.exp2(-rng.integers(0, 14, m)) if count % 4 == 0 else rng.uniform(0.3, 3.0, m) / spread
            pairs = [quantize_multiplier(float(r)) for r in real]
            y = np.zeros(t * n, dtype)
            args: Args = [y, x, w, bias, np.array([p[0] for p in pairs], np.int32),
                          np.array([p[1] for p in pairs], np.int8), t, n, k]
            if dtype == "int8":
                args.append(int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))])))
            yield [*args, bias_step, per_output]

    return cases


_ARGS = ("x:in:int8:t*k w:weight:int8:n*k bias:weight:int32:(n-1)*bias_step+1 mult:weight:int32:(n-1)*mult_step+1:mult "
         "shift:weight:int8:(n-1)*mult_step+1:shift t:int n:int k:int:1..2**17-1 {}bias_step:int:flag mult_step:int:flag")
_BOUND = "one rounding of the sum (1/2), a second one when shift < 0 (1/2 of a place after the shift)"

OPS = (
    Op("linear_s8", "y:out:int8:t*n " + _ARGS.format("y_zp:int:zp "), _linear_s8, _ideal_s8, _cases("int8"),
       (1.0,), _BOUND, streams=True),
    Op("linear_s8_s16", "y:out:int16:t*n " + _ARGS.format(""), _linear_s8_s16, _ideal_s8_s16,
       _cases("int16"), (1.0,), _BOUND, streams=True),
)


def _lower(b: Builder, node: Node) -> None:
    """weight (n, k), bias (n) or none; attrs: wide=True for int16 outputs (logits), symmetric=True for zero point 0.

    wide: the codes and `beside`, what a decoder adds at most, in the same units, stay within +-(2^14 - 1) for every input.
    """
    x = b.input(node.inputs[0])
    wide = bool(node.attrs.get("wide"))
    lower_linear(b, node, "linear_s8_s16" if wide else "linear_s8", (x.shape[0], len(node.params["weight"])), {},
                 dtype="int16" if wide else "int8", symmetric=wide or bool(node.attrs.get("symmetric")),
                 w4="linear_w4_s16" if wide else "linear_w4_s8")


def lower_linear(b: Builder, node: Node, op: str, shape: tuple[int, int], args: dict[str, Any], *, dtype: str = "int8",
                 symmetric: bool = False, taps_first: bool = False, w4: str = "") -> None:
    """Output, constants and the step of a sum of products over all axes but the first of the node's weight.

    args: what the op takes beside a linear layer's; taps_first: the kernel wants the weight transposed, (k, n).
    w4: the op for weights of four bits, if there is one.
    """
    x, name, bias = b.input(node.inputs[0]), node.out, node.params.get("bias")
    flat = node.params["weight"].reshape(shape[1], -1)
    # A bias far greater than its products would leave the sum's 32 bits: coarser weights make room for it.
    least = np.zeros(len(flat)) if bias is None else np.abs(bias) / (x.scale * MAX_BIAS)
    bits = b.weight_bits(flat) if w4 else 8
    w, scale = b.quantize_weight(flat, least, bits)
    b.realize(node, weight=(w * scale[:, None]).reshape(node.params["weight"].shape))
    acc = np.zeros(len(w)) if bias is None else np.rint(bias / (x.scale * scale))
    acc = acc - x.zero_point * w.astype(np.int64).sum(1)
    bound = int((np.abs(acc) + 128 * np.abs(w.astype(np.int64)).sum(1)).max())
    sums, fixed = (float(x.scale * scale.max()), bound), None
    if dtype == "int16":
        ends = np.stack([-128.0 * w, 127.0 * w])
        most = np.maximum(acc + ends.max(0).sum(1), -acc - ends.min(0).sum(1))
        reach = float((most * x.scale * scale).max())
        # Two places for roundings, the code's and the decoder's; coarser than the sums by 4, so that every rescaling is to
        # the right and can be packed.
        fixed = (max((reach + float(node.attrs.get("beside", 0))) / (2**14 - 3), 4 * sums[0], 1e-9), 0)
        b.prove(f"{name}: codes", math.ceil(reach / fixed[0] + 0.5), 2**14 - 1)
    y = b.output(node, dtype=dtype, symmetric=symmetric, shape=shape, sums=sums, fixed=fixed)
    sizes: dict[str, int] = {} if taps_first else {"n": len(w)}
    offset = {} if dtype == "int16" else {"y_zp": y.zero_point}
    if bits == 4:
        op, w = w4, pack_halves(w)
        sizes |= {"row": w.shape[1]}
    stored = b.constant(f"{name}.weight", np.ascontiguousarray(w.T) if taps_first else w)
    b.step(op, **{"k": flat.shape[1], "t": shape[0], **args, **sizes, **offset}, y=y.name, x=x.name, w=stored,
           **b.bias_and_rescale(name, acc, x.scale * scale / y.scale, bound))


LAYERS = (Layer("linear", vjp_of(linear, linear_backward, ("weight", "bias")), _lower),)
