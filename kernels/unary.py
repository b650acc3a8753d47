"""Functions of one int8 variable: a table of 256 entries, made offline.

sigmoid and tanh hold the bits of TensorFlow Lite Micro's LOGISTIC and TANH; the others are float64, rounded half away
from zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from tinyloc.kernels.fixed import INT32_MAX, mbqm, quantize_multiplier, rdbpot, sat8
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, vjp_of
from tinyloc.kernels.softmax import exp_on_negative, one_over_one_plus, two_over_one_plus
from tinyloc.reference.activation import ACTIVATIONS

CODES = np.arange(-128, 128)
FIXED = {"sigmoid": (1 / 256, -128), "tanh": (1 / 128, 0)}  # TFLM's output scale and zero point


def _table_s8(y, x, table, t, d):  # type: ignore[no-untyped-def]
    for i in range(t * d):
        y[i] = table[np.int32(x[i]) + 128]


def _ideal(y, x, table, t, d):  # type: ignore[no-untyped-def]
    return (table[x.astype(int) + 128].astype(float),)


def _cases(dtype: str) -> Any:
    def cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
        info = np.iinfo(dtype)
        for count in range(8 if level == 1 else 200):
            t, d = (1, 256) if count == 0 else rng.integers(1, (40, 70)).tolist()
            x = CODES if count == 0 else rng.integers(-128, 128, t * d)
            table = rng.integers(info.min, info.max + 1, 256).astype(dtype)
            yield [np.zeros(t * d, dtype), x.astype(np.int8), table, t, d]

    return cases


OPS = (
    Op("table_s8", "y:out:int8:t*d x:in:int8:t*d table:table:int8:256 t:int d:int", _table_s8, _ideal,
       _cases("int8"), (0.0,), "a look-up", streams=True, in_place=("x",)),
    Op("table_s8_u16", "y:out:uint16:t*d x:in:int8:t*d table:table:uint16:256 t:int d:int", _table_s8, _ideal,
       _cases("uint16"), (0.0,), "a look-up", streams=True),
)


@lru_cache(maxsize=64)  # quantization-aware training lowers the same scales at every step
def tflm_table(kind: str, scale: float, zero_point: int) -> np.ndarray:
    """int8 (256,): what TFLM's LOGISTIC or TANH answers to each input code; inputs in Q4, clamped at +-15."""
    mult, shift = quantize_multiplier(scale * 2**27)
    radius = math.floor(15 * 2.0**27 / 2.0**shift)
    table = np.empty(256, np.int8)
    for i, code in enumerate(CODES.tolist()):
        centered = code - zero_point
        if abs(centered) >= radius:
            table[i] = 127 if centered > 0 else -128
            continue
        q4 = int(mbqm(centered, mult, shift))
        if kind == "sigmoid":
            positive = int(one_over_one_plus(exp_on_negative(-abs(q4), 4)))
            q0 = 1 << 30 if q4 == 0 else positive if q4 > 0 else INT32_MAX - positive
            table[i] = sat8(rdbpot(q0, 23) - 128)
        else:  # tanh(a) = (1 - exp(-2a)) / (1 + exp(-2a)), and 2a in Q4 has the bits of a in Q5
            ratio = int(two_over_one_plus(exp_on_negative(-abs(q4), 5))) - (1 << 29)
            positive = min(4 * ratio, INT32_MAX)
            q0 = 0 if q4 == 0 else positive if q4 > 0 else -positive
            table[i] = sat8(rdbpot(q0, 24))
    table.flags.writeable = False
    return table


def rounded_table(f: Callable[[np.ndarray], np.ndarray], scale: float, zero_point: int, y_scale: float, y_zp: int,
                  dtype: str = "int8") -> np.ndarray:
    """(256,): round_half_away(f(scale * (code - zero_point)) / y_scale) + y_zp, clamped to the dtype's range."""
    real = f(scale * (CODES - zero_point).astype(float)) / y_scale
    info = np.iinfo(dtype)
    return np.clip(np.trunc(real + np.copysign(0.5, real)) + y_zp, info.min, info.max).astype(dtype)


def _function(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    forward, _ = ACTIVATIONS[kind]
    return lambda v: forward(v)[0]


def _layer(kind: str) -> Layer:
    f = _function(kind)

    def lower(b: Builder, node: Node) -> None:
        x = b.input(node.inputs[0])
        t, d = x.shape
        if kind == "softplus":  # the scan's time step: 16 bits, the table's own greatest value is the range
            top = min(float(f(np.array([x.scale * (127.0 - x.zero_point)]))[0]), node.attrs.get("top", math.inf))
            y = b.output(node, dtype="uint16", fixed=(top / 65535, 0))
            table = rounded_table(f, x.scale, x.zero_point, y.scale, 0, "uint16")
            b.step("table_s8_u16", y=y.name, x=x.name, table=b.constant(f"{node.out}.table", table, "table"), t=t, d=d)
            return
        y = b.output(node, fixed=FIXED.get(kind))
        table = tflm_table(kind, x.scale, x.zero_point) if kind in FIXED else (
            rounded_table(f, x.scale, x.zero_point, y.scale, y.zero_point))
        b.step("table_s8", y=y.name, x=x.name, table=b.constant(f"{node.out}.table", table, "table"), t=t, d=d)

    return Layer(kind, vjp_of(*ACTIVATIONS[kind]), lower)


LAYERS = tuple(_layer(kind) for kind in ACTIVATIONS)
