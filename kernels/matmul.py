"""Products of two activations.  Bits: TensorFlow Lite Micro's BATCH_MATMUL."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tinyloc.kernels.fixed import mbqm, quantize_multiplier, sat8
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, Pullback


def _matmul_s8(y, a, b, pairs, m, n, k, a_zp, b_zp, y_zp, b_n, b_k, mult, shift):  # type: ignore[no-untyped-def]
    for i in range(m):
        for o in range(n):
            acc = np.int32(0)
            for j in range(k):
                acc = np.int32(acc + (np.int32(a[i * k + j]) - a_zp) * (np.int32(b[o * b_n + j * b_k]) - b_zp))
            y[i * n + o] = sat8(np.int32(y_zp + mbqm(acc, mult, shift)))


def _ideal(y, a, b, pairs, m, n, k, a_zp, b_zp, y_zp, b_n, b_k, mult, shift):  # type: ignore[no-untyped-def]
    right = b.reshape(n, k).T if b_n == k and b_k == 1 else b.reshape(k, n)
    acc = (a.reshape(m, k).astype(float) - a_zp) @ (right.astype(float) - b_zp)
    return (np.clip(acc * math.ldexp(mult, shift - 31) + y_zp, -128, 127).reshape(-1),)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(30 if level == 1 else 2500):
        m, n, k = [(1, 1, 1), (20, 20, 8), (60, 60, 16)][count] if count < 3 else rng.integers(1, (24, 24, 70)).tolist()
        extreme = count % 5 == 4
        a, b = (rng.choice([-128, 127], s) if extreme else rng.integers(-128, 128, s) for s in (m * k, n * k))
        zps = rng.choice([-128, 127, 0, 5], 3).tolist()
        real = 2.0 ** -rng.integers(3, 14) if count % 3 == 0 else rng.uniform(0.3, 3) / (90 * k**0.5)
        yield [np.zeros(m * n, np.int8), a.astype(np.int8), b.astype(np.int8), np.zeros(k + 3, np.uint32), m, n, k, *zps,
               *((k, 1) if count % 2 else (1, n)), *quantize_multiplier(float(real))]


OPS = (Op("matmul_s8", "y:out:int8:m*n a:in:int8:m*k b:in:int8:(n-1)*b_n+(k-1)*b_k+1 "
          "pairs:scratch:uint32:k+3 m:int n:int k:int:1..33025 a_zp:int:zp b_zp:int:zp y_zp:int:zp b_n:int b_k:int "
          "mult:int:mult shift:int:shift", _matmul_s8, _ideal, _cases, (1.0,),
          "one rounding of the sum (1/2), a second one when shift < 0 (1/2 of a place after the shift)"),)


def _vjp(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
    a, b = inputs
    transposed, scale = node.attrs["transpose_b"], a.dtype.type(node.attrs["scale"])
    right = np.swapaxes(b, 1, 2) if transposed else b

    def pull(dy: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        dy = dy * scale
        db = np.swapaxes(a, 1, 2) @ dy
        return [dy @ np.swapaxes(right, 1, 2), np.swapaxes(db, 1, 2) if transposed else db], {}

    return a @ right * scale, pull


def _lower(b: Builder, node: Node) -> None:
    """attrs: transpose_b (b is (n, k), not (k, n)); scale multiplies the product."""
    left, right = (b.input(name) for name in node.inputs)
    m, k = left.shape
    transposed = bool(node.attrs["transpose_b"])
    n = right.shape[0 if transposed else 1]
    product = left.scale * right.scale * node.attrs["scale"]
    y = b.output(node, shape=(m, n), sums=(product, k * 255**2))
    mult, shift = b.rescale(node.out, product / y.scale, k * 255**2)
    b.step("matmul_s8", y=y.name, a=left.name, b=right.name,
           pairs=b.scratch(f"{node.out}.pairs", (k + 3,), "uint32"), m=m, n=n, k=k, a_zp=left.zero_point,
           b_zp=right.zero_point, y_zp=y.zero_point, b_n=k if transposed else 1, b_k=1 if transposed else n,
           mult=mult, shift=shift)


LAYERS = (Layer("matmul", _vjp, _lower),)
