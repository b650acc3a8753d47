"""Sums and products of two tensors of one shape.  Bits: TensorFlow Lite Micro's ADD and MUL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import limits, mbqm, quantize_multiplier, sat8, shl
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, Pullback

ADD_SHIFT = 20


def _add_s8(y, a, b, t, d, a_zp, b_zp, y_zp, a_mult, a_shift, b_mult, b_shift, mult, shift):  # type: ignore
    for i in range(t * d):
        left = mbqm(shl(np.int32(np.int32(a[i]) - a_zp), np.int32(ADD_SHIFT)), a_mult, a_shift)
        right = mbqm(shl(np.int32(np.int32(b[i]) - b_zp), np.int32(ADD_SHIFT)), b_mult, b_shift)
        y[i] = sat8(np.int32(y_zp + mbqm(np.int32(left + right), mult, shift)))


def _mul_s8(y, a, b, t, d, a_zp, b_zp, y_zp, mult, shift):  # type: ignore[no-untyped-def]
    for i in range(t * d):
        product = np.int32((np.int32(a[i]) - a_zp) * (np.int32(b[i]) - b_zp))
        y[i] = sat8(np.int32(y_zp + mbqm(product, mult, shift)))


def _ideal_add(y, a, b, t, d, a_zp, b_zp, y_zp, a_mult, a_shift, b_mult, b_shift, mult, shift):  # type: ignore
    total = ((a.astype(float) - a_zp) * math.ldexp(a_mult, a_shift)
             + (b.astype(float) - b_zp) * math.ldexp(b_mult, b_shift))
    return (np.clip(total * math.ldexp(mult, shift - 62 + ADD_SHIFT) + y_zp, -128, 127),)


def _ideal_mul(y, a, b, t, d, a_zp, b_zp, y_zp, mult, shift):  # type: ignore[no-untyped-def]
    product = (a.astype(float) - a_zp) * (b.astype(float) - b_zp)
    return (np.clip(product * math.ldexp(mult, shift - 31) + y_zp, -128, 127),)


SUM_BOUND = 255 << ADD_SHIFT  # both inputs at their greatest, each halved at least


def _sums(a_scale: float, b_scale: float) -> tuple[float, int]:
    """Scale and bound of what `add_s8` rescales to its output."""
    return 2 * max(a_scale, b_scale) / 2**ADD_SHIFT, SUM_BOUND


def add_multipliers(a_scale: float, b_scale: float, y_scale: float) -> tuple[int, ...]:
    """a_mult, a_shift, b_mult, b_shift, mult, shift: both inputs go to half of the greater scale, times 2^20."""
    common = 2 * max(a_scale, b_scale)
    return (*quantize_multiplier(a_scale / common), *quantize_multiplier(b_scale / common),
            *quantize_multiplier(common / (2**ADD_SHIFT * y_scale)))


def _cases(add: bool) -> Any:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        every = np.arange(65536)
        for count in range(24 if level == 1 else 600):
            t, d = (256, 256) if count < 2 else rng.integers(1, (40, 70)).tolist()
            a, b = (every >> 8, every & 255) if count < 2 else rng.integers(0, 256, (2, t * d))  # each pair of codes
            if count % 4:
                scales = np.exp(rng.uniform(-7, 1, 3))
            else:  # powers of two make ties
                scales = 2.0 ** -rng.integers(0, 8, 3)
            zps = rng.choice([-128, 127, 0, 17], 3).tolist()
            numbers = add_multipliers(*scales.tolist()) if add else (
                quantize_multiplier(float(scales[0] * scales[1] / scales[2] / 20)))
            yield [np.zeros(t * d, np.int8), (a - 128).astype(np.int8), (b - 128).astype(np.int8), t, d, *zps, *numbers]
        if add:
            yield from _other_multipliers(rng, level)

    return cases


def _other_multipliers(rng: np.random.Generator, level: int) -> Iterator[Args]:
    """add_s8 with equal scales, with multipliers that no scales give, with a left shift, and one sum at a code's limit."""
    half = (2**30, 0)
    ways = [(half, half), (half, (2**31 - 1, 0)), ((2**31 - 1, 0), half), ((2**30 + 1, 0), (2**30, -1)),
            ((2**30, -1), (2**30, 0)), ((2**30, -1), (2**30 + 1, 0)), (half, (2**31 - 1, -1)),
            ((2**30, -1), (2**31 - 1, -2)), ((2**30 + 1, -3), half), ((2**31 - 1, -1), half)]
    for count in range(48 if level == 1 else 400):
        a_way, b_way = ways[count % len(ways)] if count < 24 else rng.permutation(
            [half, quantize_multiplier(float(rng.uniform(0.01, 0.5)))]).tolist()
        a_zp, b_zp, y_zp = rng.integers(-128, 128, 3).tolist()
        a, b = rng.integers(-128, 128, (2, 9)).astype(np.int8)
        left, right = (int(mbqm(np.int32((int(v[4]) - zp) << ADD_SHIFT), *way)) for v, zp, way in (
            (a, a_zp, a_way), (b, b_zp, b_way)))
        numbers = limits(rng, left + right) if abs(left + right) > 64 else (2**30, -19)
        if count < len(ways):
            numbers, a[:4], b[2:6] = (2**30, count % 3), a_zp, b_zp
        yield [np.zeros(9, np.int8), a, b, 3, 3, a_zp, b_zp, y_zp, *a_way, *b_way, *numbers]


_HEAD = "y:out:int8:t*d a:in:int8:t*d b:in:int8:t*d t:int d:int a_zp:int:zp b_zp:int:zp y_zp:int:zp "
_TAIL = "mult:int:mult shift:int:shift"
OPS = (
    Op("add_s8", _HEAD + "a_mult:int:mult a_shift:int:shift b_mult:int:mult b_shift:int:shift " + _TAIL, _add_s8, _ideal_add,
       _cases(True), (1.01,), "two roundings of the sum (1/2 each); those of the inputs are 2^20 times smaller",
       streams=True, in_place=("a", "b")),
    Op("mul_s8", _HEAD + _TAIL, _mul_s8, _ideal_mul, _cases(False), (1.0,),
       "one rounding of the product (1/2), a second one when shift < 0 (1/2)", streams=True,
       in_place=("a", "b")),
)


def _add_step(b: Builder, y: Any, left: Any, right: str, right_scale: float, right_zp: int) -> None:
    names = ("a_mult", "a_shift", "b_mult", "b_shift", "mult", "shift")
    numbers = dict(zip(names, add_multipliers(left.scale, right_scale, y.scale), strict=True))
    b.prove(f"{y.name}: sum, shifted left", SUM_BOUND << max(0, numbers["shift"]))
    b.step("add_s8", y=y.name, a=left.name, b=right, t=y.shape[0], d=y.shape[1], a_zp=left.zero_point, b_zp=right_zp,
           y_zp=y.zero_point, **numbers)


def _vjp_add(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    return inputs[0] + inputs[1], lambda dy: ([dy, dy], {})


def _vjp_mul(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    a, b = inputs
    return a * b, lambda dy: ([dy * b, dy * a], {})


def _lower(b: Builder, node: Node) -> None:
    """mul's output has zero point 0, so that a linear layer after it needs no offset."""
    left, right = (b.input(name) for name in node.inputs)
    if node.kind == "add":
        y = b.output(node, sums=_sums(left.scale, right.scale))
        _add_step(b, y, left, right.name, right.scale, right.zero_point)
        return
    product = left.scale * right.scale
    y = b.output(node, symmetric=True, sums=(product, 255**2))
    mult, shift = b.rescale(node.out, product / y.scale, 255**2)
    b.step("mul_s8", y=y.name, a=left.name, b=right.name, t=y.shape[0], d=y.shape[1], a_zp=left.zero_point,
           b_zp=right.zero_point, y_zp=y.zero_point, mult=mult, shift=shift)


def _vjp_constant(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    return inputs[0] + node.params["value"].astype(inputs[0].dtype), lambda dy: ([dy], {"value": dy.sum(0)})


def _lower_constant(b: Builder, node: Node) -> None:
    """value (t, d): the same for every window, so the window must be run as a whole."""
    x = b.input(node.inputs[0])
    value = node.params["value"].astype(float)
    scale = max(float(np.abs(value).max()), 1e-9) / 127
    stored = b.constant(f"{node.out}.value", np.rint(value / scale).astype(np.int8))
    _add_step(b, b.output(node, sums=_sums(x.scale, scale)), x, stored, scale, 0)


LAYERS = (Layer("add_constant", _vjp_constant, _lower_constant), Layer("add", _vjp_add, _lower),
          Layer("mul", _vjp_mul, _lower))
