"""Softmax over the last axis, forward and backward."""

from __future__ import annotations

import numpy as np

from tinyloc.reference.linear import Cache


def softmax(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """exp(x) / sum(exp(x)), shifted by the maximum so that nothing overflows; -inf gives 0."""
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, (y,)


def softmax_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    (y,) = cache
    return (y * (dy - (dy * y).sum(-1, keepdims=True)),)


def log_softmax(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """x - log(sum(exp(x)))."""
    shifted = x - x.max(-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return y, (y,)


def log_softmax_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    (y,) = cache
    return (dy - np.exp(y) * dy.sum(-1, keepdims=True),)
