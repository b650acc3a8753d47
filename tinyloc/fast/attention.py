"""The attention of `reference.attention`, a window and a head at a time: its scores never leave the cache on the way.

Scores are held transposed, (s, t) with queries innermost: the softmax's maxima and sums are then over rows, without
shuffles, and each product has a factor whose rows can be read as they lie.  Rows are padded to whole vectors with queries of
zeros.  The weights are kept for the way back, where making them again would take longer than reading them.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from tinyloc.fast.jit import exp2, kernel, part
from tinyloc.fast.matmul import matmul
from tinyloc.reference.linear import Cache

LOG2E = math.log2(math.e)
_PAD = 16

#: A part whose outputs may be one array: the reference's three gradients added up, where query, key and value are one.
shared = numba.njit(error_model="numpy", nogil=True)


def padded(t: int) -> int:
    """Length of a row of scores of t queries."""
    return -(-t // _PAD) * _PAD


@part
def _transpose(out, x, gain):
    """out (d, padded t) = gain x^T, zeros behind; x (t, d)."""
    t, d = x.shape
    for j in range(d):
        for i in range(t):
            out[j, i] = x[i, j] * gain
        for i in range(t, out.shape[1]):
            out[j, i] = np.float32(0)


@part
def _softmax(p, top, total, causal):
    """2^p over the sum of it down each column, in place; causal: row i counts for columns i and later only."""
    s, t = p.shape
    if causal:
        for i in range(s):
            for j in range(min(i, t)):
                p[i, j] = np.float32(-np.inf)
    for j in range(t):
        top[j] = p[0, j]
        total[j] = np.float32(0)
    for i in range(1, s):
        for j in range(t):
            top[j] = max(p[i, j], top[j])
    for i in range(s):
        for j in range(t):
            p[i, j] = exp2(p[i, j] - top[j])
            total[j] += p[i, j]
    for j in range(t):
        total[j] = np.float32(1) / total[j]
    for i in range(s):
        for j in range(t):
            p[i, j] *= total[j]


@part
def _softmax_backward(dp, p, total, gain):
    """dp = gain p (dp - sum of p dp down the column), in place."""
    s, t = p.shape
    for j in range(t):
        total[j] = np.float32(0)
    for i in range(s):
        for j in range(t):
            total[j] += p[i, j] * dp[i, j]
    for i in range(s):
        for j in range(t):
            dp[i, j] = gain * p[i, j] * (dp[i, j] - total[j])


@part
def attend(y, p, q, k, v, causal, across, row):
    """y (t, d) = softmax(q k^T / sqrt(d)) v of one head; p (s, padded t) the transposed weights.

    q (t, d), k and v (s, d).  Scratch: across (d, padded t), row (2, padded t).
    """
    t, d = q.shape
    _transpose(across, q, np.float32(LOG2E) / np.sqrt(np.float32(d)))
    matmul(p, k, across, False)
    _softmax(p, row[0], row[1], causal)
    matmul(y, p.T[:t], v, False)


@shared
def attend_backward(dq, dk, dv, dy, p, q, k, v, across, dp, row):
    """Adds to dq, dk and dv.  Scratch: across and row as in `attend`, dp as p."""
    t, d = q.shape
    _transpose(across, dy, np.float32(1))
    matmul(dp, v, across, False)
    _softmax_backward(dp, p, row[0], np.float32(1) / np.sqrt(np.float32(d)))
    matmul(dq, dp.T[:t], k, True)
    matmul(dk, dp[:, :t], q, True)
    matmul(dv, p[:, :t], dy, True)


@kernel("void(f4[:,:,::1], f4[:,:,:,::1], f4[:,:,:], f4[:,:,:], f4[:,:,:], i8, b1)")
def _attention(y, p, q, k, v, heads, causal):
    batch, t, d = q.shape
    w, u, tp = d // heads, v.shape[2] // heads, p.shape[3]
    across, row = np.empty((w, tp), np.float32), np.empty((2, tp), np.float32)
    for b in range(batch):
        for h in range(heads):
            own, of_v = slice(h * w, (h + 1) * w), slice(h * u, (h + 1) * u)
            attend(y[b, :, of_v], p[b, h], q[b, :, own], k[b, :, own], v[b, :, of_v], causal, across, row)


@kernel("void(f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,:], f4[:,:,:], f4[:,:,:], i8)")
def _attention_backward(dq, dk, dv, dy, p, q, k, v, heads):
    batch, t, d = q.shape
    s, w, u, tp = k.shape[1], d // heads, v.shape[2] // heads, p.shape[3]
    across, row = np.empty((u, tp), np.float32), np.empty((2, tp), np.float32)
    dp = np.empty((s, tp), np.float32)
    for b in range(batch):
        for h in range(heads):
            own, of_v = slice(h * w, (h + 1) * w), slice(h * u, (h + 1) * u)
            attend_backward(dq[b, :, own], dk[b, :, own], dv[b, :, of_v], dy[b, :, of_v], p[b, h], q[b, :, own],
                            k[b, :, own], v[b, :, of_v], across, dp, row)


def _rows(x: np.ndarray) -> np.ndarray:
    """x, copied where the values of a row do not lie side by side."""
    return x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int = 1, causal: bool = False
              ) -> tuple[np.ndarray, Cache]:
    """As `reference.attention`; q, k and v may be parts of the rows of one array."""
    if q.shape[-1] % heads or v.shape[-1] % heads:
        raise ValueError(f"attention: heads={heads} must divide the widths {q.shape[-1]} and {v.shape[-1]}")
    q, k, v = _rows(q), _rows(k), _rows(v)
    b, t, _ = q.shape
    y, p = np.empty((b, t, v.shape[-1]), np.float32), np.empty((b, heads, k.shape[1], padded(t)), np.float32)
    _attention(y, p, q, k, v, heads, causal)
    return y, (q, k, v, p, heads)


def attention_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dq, dk, dv): for self-attention, parts of the rows of one array."""
    q, k, v, p, heads = cache
    if q.shape == k.shape == v.shape:
        b, t, d = q.shape
        dq, dk, dv = np.split(np.zeros((b, t, 3 * d), np.float32), 3, -1)
    else:
        dq, dk, dv = np.zeros(q.shape, np.float32), np.zeros(k.shape, np.float32), np.zeros(v.shape, np.float32)
    _attention_backward(dq, dk, dv, _rows(dy), p, q, k, v, heads)
    return dq, dk, dv
