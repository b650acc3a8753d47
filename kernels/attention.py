"""Attention with one head that holds the scores of two queries: the bits of `matmul_s8`, `softmax_s8`, `matmul_s8`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.kernels import matmul, softmax
from tinyloc.kernels.fixed import quantize_multiplier
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, vjp_of
from tinyloc.reference.attention import attention, attention_backward

# Scores need no finer step: rounding them by half of it moves a probability p by p (1 - p) / 48 at most, half a place of its
# int8 code for p up to 1/10.  And all layers whose scores span less than 255/48 share one table of exponentials.
SCORE_STEP = 1 / 48

_products, _softmax = matmul.OPS[0].jit, softmax.OPS[0].jit


def _attention_s8(y, q, k, v, table, scores, pairs, m, n, d, width, size, quads, q_zp, k_zp, s_zp,  # type: ignore
                  v_zp, y_zp, s_mult, s_shift, mult, shift):
    one, row = np.int32(1), scores[:n]
    for i in range(m):
        _products(row, q[i * d : (i + 1) * d], k, pairs, one, n, d, q_zp, k_zp, s_zp, d, one, s_mult, s_shift)
        _softmax(row, row, table, one, n, size)
        _products(y[i * width : (i + 1) * width], row, v, pairs, one, width, n, np.int32(-128), v_zp, y_zp, one, width,
                  mult, shift)


def _ideal(y, q, k, v, table, scores, pairs, m, n, d, width, size, quads, q_zp, k_zp, s_zp,  # type: ignore
           v_zp, y_zp, s_mult, s_shift, mult, shift):
    """The last product, of probabilities in int8: the roundings before it are bounded with the ops that make them."""
    p = np.zeros(m * n, np.int8)
    _products(p, q, k, pairs, m, n, d, q_zp, k_zp, s_zp, d, 1, s_mult, s_shift)
    _softmax(p, p, table, m, n, size)
    return matmul._ideal(None, p, v, pairs, m, width, n, -128, v_zp, y_zp, 1, width, mult, shift)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(24 if level == 1 else 1500):
        m, n, d, width = [(1, 1, 1, 1), (20, 20, 16, 16), (3, 33, 8, 5), (2, 4, 4, 2)][count] if count < 4 else (
            rng.integers(1, (12, 40, 34, 34)).tolist())
        extreme = count % 5 == 4
        q, k, v = (rng.choice([-128, 127], s) if extreme else rng.integers(-128, 128, s) for s in (m * d, n * d, n * width))
        q_zp, k_zp, s_zp, v_zp, y_zp = rng.choice([-128, 127, 0, 5], 5).tolist()
        table = softmax.exponentials(float(np.exp(rng.uniform(-6, 0))))
        quads = -(-max(n, d) // 4)
        s_real = 2.0 ** -rng.integers(5, 12) if count % 3 == 0 else rng.uniform(0.3, 3) / (90 * d**0.5)
        real = 2.0 ** -rng.integers(8, 10) if count % 3 == 1 else rng.uniform(0.3, 2) / 256
        yield [np.zeros(m * width, np.int8), q.astype(np.int8), k.astype(np.int8), v.astype(np.int8), table,
               np.zeros(2 * n, np.int8), np.zeros(4 * quads, np.uint32), m, n, d, width, table.size, quads, q_zp, k_zp,
               s_zp, v_zp, y_zp, *quantize_multiplier(float(s_real)), *quantize_multiplier(float(real))]


OPS = (Op("attention_s8", "y:out:int8:m*width q:in:int8:m*d k:in:int8:n*d v:in:int8:n*width " + softmax.TABLE +
          "scores:scratch:int8:2*n pairs:scratch:uint32:4*quads m:int n:int:1..511:1..4*quads d:int:1..33025:1..4*quads "
          "width:int size:int:1..256 quads:int q_zp:int:zp k_zp:int:zp s_zp:int:zp v_zp:int:zp y_zp:int:zp s_mult:int:mult "
          "s_shift:int:shift mult:int:mult shift:int:shift",
          _attention_s8, _ideal, _cases, (1.0,),
          "of codes between: one rounding of the last sum (1/2), a second one after the shift (1/2)"),)


def _scores(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    q, k, _ = inputs
    return np.asarray(q @ np.swapaxes(k, 1, 2) * q.dtype.type(q.shape[2] ** -0.5))


def _lower(b: Builder, node: Node) -> None:
    """inputs: q (m, d), k (n, d), v (n, width).  The scores q k^T d^-1/2 have codes of their own, calibrated here."""
    q, k, v = (b.input(name) for name in node.inputs)
    (m, d), (n, width) = q.shape, v.shape
    b.prove(f"{node.out}: keys", n, softmax.MAX_N)
    product = q.scale * k.scale * d**-0.5
    bound = d * 255**2
    scale, zero = b.inner(node, (product, bound), SCORE_STEP)
    s_mult, s_shift = b.rescale(f"{node.out}: scores", product / scale, bound)
    table = softmax.exponentials(scale)
    product, bound = v.scale / 256, n * 255**2
    y = b.output(node, shape=(m, width), sums=(product, bound))
    mult, shift = b.rescale(node.out, product / y.scale, bound)
    quads = -(-max(n, d) // 4)
    b.step("attention_s8", y=y.name, q=q.name, k=k.name, v=v.name,
           table=b.constant(f"{node.out}.exp", table, "table"),
           scores=b.scratch(f"{node.out}.scores", (2 * n,), "int8"),
           pairs=b.scratch(f"{node.out}.pairs", (4 * quads,), "uint32"), m=m, n=n, d=d, width=width, size=table.size,
           quads=quads, q_zp=q.zero_point, k_zp=k.zero_point, s_zp=zero, v_zp=v.zero_point, y_zp=y.zero_point,
           s_mult=s_mult, s_shift=s_shift, mult=mult, shift=shift)


LAYERS = (Layer("attention", vjp_of(attention, attention_backward), _lower, _scores),)
