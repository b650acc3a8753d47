"""Scaled dot-product attention, forward and backward."""

from __future__ import annotations

import numpy as np

from tinyloc.reference.linear import Cache
from tinyloc.reference.softmax import softmax, softmax_backward


def _split(x: np.ndarray, heads: int) -> np.ndarray:
    b, t, d = x.shape
    return x.reshape(b, t, heads, d // heads).transpose(0, 2, 1, 3)


def _join(x: np.ndarray) -> np.ndarray:
    b, h, t, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(b, t, h * d)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int = 1, causal: bool = False
              ) -> tuple[np.ndarray, Cache]:
    """softmax(q k^T / sqrt(d / heads)) v (Vaswani et al., 2017).

    q (b, t, d), k and v (b, s, d); y (b, t, d).  causal: step i sees the steps up to i only (t = s).
    Raises ValueError when heads does not divide d.
    """
    if q.shape[-1] % heads or v.shape[-1] % heads:
        raise ValueError(f"attention: heads={heads} must divide the widths {q.shape[-1]} and {v.shape[-1]}")
    q, k, v = _split(q, heads), _split(k, heads), _split(v, heads)
    scale = q.dtype.type(q.shape[-1] ** -0.5)
    scores = (q @ k.transpose(0, 1, 3, 2)) * scale
    if causal:
        scores = np.where(np.tri(scores.shape[-2], scores.shape[-1], dtype=bool), scores, scores.dtype.type(-np.inf))
    p, cache = softmax(scores)
    return _join(p @ v), (q, k, v, p, cache, scale, heads)


def attention_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dq, dk, dv)."""
    q, k, v, p, inner, scale, heads = cache
    dy = _split(dy, heads)
    (ds,) = softmax_backward(dy @ v.transpose(0, 1, 3, 2), inner)
    ds = ds * scale
    return _join(ds @ k), _join(ds.transpose(0, 1, 3, 2) @ q), _join(p.transpose(0, 1, 3, 2) @ dy)
