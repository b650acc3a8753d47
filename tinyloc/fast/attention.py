"""The attention of `reference.attention`, a window and a head at a time."""

from __future__ import annotations

import numpy as np

from tinyloc.fast.attend import attend, attend_backward, padded
from tinyloc.fast.jit import kernel
from tinyloc.reference.linear import Cache


@kernel("void(f4[:,:,::1], f4[:,:,:,::1], f4[:,:,:], f4[:,:,:], f4[:,:,:], i8, b1)")
def _attention(y, p, q, k, v, heads, causal):
    batch, _, d = q.shape
    w, u, tp = d // heads, v.shape[2] // heads, p.shape[3]
    across, row = np.empty((w, tp), np.float32), np.empty((2, tp), np.float32)
    for b in range(batch):
        for h in range(heads):
            own, of_v = slice(h * w, (h + 1) * w), slice(h * u, (h + 1) * u)
            attend(y[b, :, of_v], p[b, h], q[b, :, own], k[b, :, own], v[b, :, of_v], causal, across, row)


@kernel("void(f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:], f4[:,:,:,::1], f4[:,:,:], f4[:,:,:], f4[:,:,:], i8)")
def _attention_backward(dq, dk, dv, dy, p, q, k, v, heads):
    batch, _, d = q.shape
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
    """As `reference.attention`."""
    if q.shape[-1] % heads or v.shape[-1] % heads:
        raise ValueError(f"attention: heads={heads} must divide the widths {q.shape[-1]} and {v.shape[-1]}")
    q, k, v = _rows(q), _rows(k), _rows(v)
    b, t, _ = q.shape
    y, p = np.empty((b, t, v.shape[-1]), np.float32), np.empty((b, heads, k.shape[1], padded(t)), np.float32)
    _attention(y, p, q, k, v, heads, causal)
    return y, (q, k, v, p, heads)


def attention_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dq, dk, dv)."""
    q, k, v, p, heads = cache
    dq, dk, dv = (np.zeros(a.shape, np.float32) for a in (q, k, v))
    _attention_backward(dq, dk, dv, _rows(dy), p, q, k, v, heads)
    return dq, dk, dv


def self_attention(qkv: np.ndarray, heads: int = 1, causal: bool = False) -> tuple[np.ndarray, Cache]:
    """The attention of one projection: qkv (b, t, 3d) has a row's query, key and value side by side.  y (b, t, d)."""
    q, k, v = np.split(qkv, 3, -1)
    return attention(q, k, v, heads, causal)


def self_attention_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dqkv,)"""
    q, k, v, p, heads = cache
    b, t, d = q.shape
    dqkv = np.zeros((b, t, 3 * d), np.float32)
    _attention_backward(*np.split(dqkv, 3, -1), _rows(dy), p, q, k, v, heads)
    return (dqkv,)
