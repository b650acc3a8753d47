"""Fully connected layer, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Cache = tuple[Any, ...]
Linear = Callable[..., tuple[np.ndarray, Any]]


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> tuple[np.ndarray, Cache]:
    """y = x W^T + b.  x (..., k), weight (n, k), bias (n,) or None; y (..., n)."""
    y = x @ weight.T
    if bias is not None:
        y = y + bias
    return y, (x, weight, bias is not None)


def linear_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray | None, ...]:
    """(dx, dweight, dbias); dbias is None where there is no bias."""
    x, weight, has_bias = cache
    flat = dy.reshape(-1, dy.shape[-1])
    dw = flat.T @ x.reshape(-1, x.shape[-1])
    return dy @ weight, dw, flat.sum(0) if has_bias else None
