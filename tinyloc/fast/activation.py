"""Elementwise functions of `reference.activation`, each in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyloc.fast.jit import kernel, sigmoid
from tinyloc.reference.linear import Cache

_SLOPE, _CUBE = np.float32(2 * (2 / np.pi) ** 0.5), np.float32(0.044715)


@kernel("void(f4[::1], f4[::1])")
def _gelu(y, x):
    """x (1 + tanh(u)) / 2 = x sigmoid(2u)."""
    for i in range(len(x)):
        y[i] = x[i] * sigmoid(_SLOPE * x[i] * (np.float32(1) + _CUBE * x[i] * x[i]))


@kernel("void(f4[::1], f4[::1], f4[::1])")
def _gelu_backward(dx, dy, x):
    for i in range(len(x)):
        square = _CUBE * x[i] * x[i]
        s = sigmoid(_SLOPE * x[i] * (np.float32(1) + square))
        dx[i] = dy[i] * (s + x[i] * s * (np.float32(1) - s) * _SLOPE * (np.float32(1) + np.float32(3) * square))


@kernel("void(f4[::1], f4[::1])")
def _relu(y, x):
    for i in range(len(x)):
        y[i] = max(x[i], np.float32(0))


@kernel("void(f4[::1], f4[::1], f4[::1])")
def _relu_backward(dx, dy, y):
    for i in range(len(y)):
        dx[i] = dy[i] if y[i] > np.float32(0) else np.float32(0)


def _forward(f: Any, x: np.ndarray) -> np.ndarray:
    y = np.empty(x.shape, np.float32)
    f(y.reshape(-1), x.reshape(-1))
    return y


def _backward(f: Any, dy: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray]:
    dx = np.empty(kept.shape, np.float32)
    f(dx.reshape(-1), np.ascontiguousarray(dy).reshape(-1), kept.reshape(-1))
    return (dx,)


def gelu(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """As `reference.gelu`."""
    x = np.ascontiguousarray(x)
    return _forward(_gelu, x), (x,)


def gelu_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    return _backward(_gelu_backward, dy, *cache)


def relu(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """As `reference.relu`."""
    y = _forward(_relu, np.ascontiguousarray(x))
    return y, (y,)


def relu_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray]:
    """(dx,)"""
    return _backward(_relu_backward, dy, *cache)
