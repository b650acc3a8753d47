"""The fully connected layer as one matrix product, where NumPy makes one a window of a batch."""

from __future__ import annotations

import numpy as np

from tinyloc.reference.linear import Cache


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> tuple[np.ndarray, Cache]:
    """As `reference.linear`."""
    y = x.reshape(-1, x.shape[-1]) @ weight.T
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], -1), (x, weight, bias is not None)


def linear_backward(dy: np.ndarray, cache: Cache, dx: bool = True) -> tuple[np.ndarray | None, ...]:
    """(dx, dweight, dbias); without `dx` the first is None: nothing asks for the gradient of a model's input."""
    x, weight, has_bias = cache
    flat = dy.reshape(-1, dy.shape[-1])
    dw = flat.T @ x.reshape(-1, x.shape[-1])
    dbias = np.ones(len(flat), flat.dtype) @ flat if has_bias else None  # faster than sum(0), and it rounds less
    return (flat @ weight).reshape(x.shape) if dx else None, dw, dbias
