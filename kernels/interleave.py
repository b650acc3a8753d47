"""Interleaving of several sequences in time: row i of input j becomes row i * count + j."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, Pullback


def _interleave_s8(y, x, t, d, count, index):  # type: ignore[no-untyped-def]
    for i in range(t):
        for j in range(d):
            y[(i * count + index) * d + j] = x[i * d + j]


def _ideal(y, x, t, d, count, index):  # type: ignore[no-untyped-def]
    out = y.reshape(t, count, d).astype(float)
    out[:, index] = x.reshape(t, d)
    return (out.reshape(-1),)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(10 if level == 1 else 200):
        t, d, n = (1, 1, 1) if count == 0 else rng.integers(1, (20, 20, 5)).tolist()
        x, y = (rng.integers(-128, 128, size).astype(np.int8) for size in (t * d, t * d * n))
        yield [y, x, t, d, n, int(rng.integers(n))]


OPS = (Op("interleave_s8", "y:out:int8:t*d*count x:in:int8:t*d t:int d:int count:int index:int:0..count-1",
          _interleave_s8, _ideal, _cases, (0.0,), "a copy"),)


def _vjp(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    b, t, d = inputs[0].shape
    count = len(inputs)
    return (np.stack(inputs, 2).reshape(b, t * count, d),
            lambda dy: (list(np.moveaxis(dy.reshape(b, t, count, d), 2, 0)), {}))


def _lower(b: Builder, node: Node) -> None:
    """The inputs must share scale and zero point (the graph ties them to the output)."""
    x = [b.input(name) for name in node.inputs]
    t, d = x[0].shape
    y = b.output(node, shape=(t * len(x), d))
    for j, one in enumerate(x):
        b.step("interleave_s8", y=y.name, x=one.name, t=t, d=d, count=len(x), index=j)


LAYERS = (Layer("interleave", _vjp, _lower),)
