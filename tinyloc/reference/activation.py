"""Elementwise functions, each with its derivative beside it; finite at every finite input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinyloc.reference.linear import Cache

Forward = Callable[[np.ndarray], tuple[np.ndarray, Cache]]
Backward = Callable[[np.ndarray, Cache], tuple[np.ndarray]]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))  # never overflows
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def sigmoid(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """1 / (1 + exp(-x))."""
    y = _sigmoid(x)
    return y, (y,)


def sigmoid_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    (y,) = cache
    return (dy * y * (1 - y),)


def tanh(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """Hyperbolic tangent."""
    y = np.tanh(x)
    return y, (y,)


def tanh_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    (y,) = cache
    return (dy * (1 - y * y),)


def silu(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """x * sigmoid(x)."""
    s = _sigmoid(x)
    return x * s, (x, s)


def silu_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    x, s = cache
    return (dy * (s * (1 + x * (1 - s))),)


def elu(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """x for x > 0, else exp(x) - 1 (Clevert et al., 2015)."""
    y = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    return y, (x, y)


def elu_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    x, y = cache
    return (np.where(x > 0, dy, dy * (y + 1)),)


def relu(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """max(x, 0); its derivative at 0 is 0."""
    return np.maximum(x, 0), (x,)


def relu_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    (x,) = cache
    return (np.where(x > 0, dy, 0).astype(dy.dtype),)


def gelu(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """x * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2, the tanh form (Hendrycks and Gimpel, 2016)."""
    t = np.tanh(x.dtype.type(math.sqrt(2 / math.pi)) * x * (1 + x.dtype.type(0.044715) * x * x))
    return x * (1 + t) / 2, (x, t)


def gelu_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    x, t = cache
    slope = x.dtype.type(math.sqrt(2 / math.pi)) * (1 + x.dtype.type(3 * 0.044715) * x * x)
    return (dy * ((1 + t) / 2 + x * (1 - t * t) * slope / 2),)


_erf = np.vectorize(math.erf, otypes=[np.float64])  # NumPy has none


def gelu_erf(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """x * Phi(x), Phi the normal distribution's (1 + erf(x / sqrt 2)) / 2: GELU itself (Hendrycks and Gimpel, 2016)."""
    phi = ((1 + _erf(x * math.sqrt(0.5))) / 2).astype(x.dtype)
    return x * phi, (x, phi)


def gelu_erf_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    x, phi = cache
    return (dy * (phi + x * np.exp(-x * x / 2) * x.dtype.type(1 / math.sqrt(2 * math.pi))),)


def softplus(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """log(1 + exp(x))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), (x,)


def softplus_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    (x,) = cache
    return (dy * _sigmoid(x),)


ACTIVATIONS: dict[str, tuple[Forward, Backward]] = {
    "sigmoid": (sigmoid, sigmoid_backward),
    "tanh": (tanh, tanh_backward),
    "silu": (silu, silu_backward),
    "elu": (elu, elu_backward),
    "relu": (relu, relu_backward),
    "gelu": (gelu, gelu_backward),
    "softplus": (softplus, softplus_backward),
    "gelu_erf": (gelu_erf, gelu_erf_backward),
}
