"""Attention of one window and head, forward and backward: its scores stay in the cache on the way.

Scores are held transposed, (s, t) with queries innermost: the softmax's maxima and sums are then over rows, without
shuffles, and each product has a factor whose rows can be read as they lie.  Rows are padded to whole vectors with queries of
zeros.  The weights are kept for the way back, where making them again would take longer than reading them.
"""

from __future__ import annotations

import math

import numpy as np

from tinyloc.fast.jit import exp2, kernel, part, shared
from tinyloc.fast.matmul import matmul

LOG2E = math.log2(math.e)
_PAD = 16


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


@kernel("void(f4[:,:], f4[:,::1], f4[:,:], f4[:,:], f4[:,:], b1, f4[:,::1], f4[:,::1])")
def attend(y, p, q, k, v, causal, across, row):
    """y (t, d) = softmax(q k^T / sqrt(d)) v of one head; p (s, padded t) the transposed weights.

    q (t, d), k and v (s, d).  Scratch: across (d, padded t), row (2, padded t).
    """
    t, d = q.shape
    _transpose(across, q, np.float32(LOG2E) / np.sqrt(np.float32(d)))
    matmul(p, k, across, False)
    _softmax(p, row[0], row[1], causal)
    matmul(y, p.T[:t], v, False)


@shared("void(f4[:,:], f4[:,:], f4[:,:], f4[:,:], f4[:,::1], f4[:,:], f4[:,:], f4[:,:], f4[:,::1], f4[:,::1], f4[:,::1])")
def attend_backward(dq, dk, dv, dy, p, q, k, v, across, dp, row):
    """Adds to dq, dk and dv, which may be one array where q, k and v are.  Scratch: as in `attend`, and dp."""
    t, d = q.shape
    _transpose(across, dy, np.float32(1))
    matmul(dp, v, across, False)
    _softmax_backward(dp, p, row[0], np.float32(1) / np.sqrt(np.float32(d)))
    matmul(dq, dp.T[:t], k, True)
    matmul(dk, dp[:, :t], q, True)
    matmul(dv, p[:, :t], dy, True)
