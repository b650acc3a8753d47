"""Normalization over the last axis, forward and backward."""

from __future__ import annotations

import numpy as np

from tinyloc.reference.linear import Cache


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, Cache]:
    """y = (x - mean) / sqrt(var + eps) * weight + bias (Ba et al., 2016).  x (..., d); weight, bias (d,)."""
    centered = x - x.mean(-1, keepdims=True)
    inv = 1 / np.sqrt((centered * centered).mean(-1, keepdims=True) + x.dtype.type(eps))
    unit = centered * inv
    return unit * weight + bias, (unit, inv, weight)


def layer_norm_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dx, dweight, dbias)."""
    unit, inv, weight = cache
    axes = tuple(range(dy.ndim - 1))
    g = dy * weight
    dx = inv * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
    return dx, (dy * unit).sum(axes), dy.sum(axes)


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, Cache]:
    """y = x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich, 2019).  x (..., d); weight (d,)."""
    inv = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(eps))
    unit = x * inv
    return unit * weight, (unit, inv, weight)


def rms_norm_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dx, dweight)."""
    unit, inv, weight = cache
    g = dy * weight
    dx = inv * (g - unit * (g * unit).mean(-1, keepdims=True))
    return dx, (dy * unit).sum(tuple(range(dy.ndim - 1)))
