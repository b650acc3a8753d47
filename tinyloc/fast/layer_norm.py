"""Layer normalization of `reference.norm`, over rows."""

from __future__ import annotations

import numpy as np

from tinyloc.fast.jit import kernel, part
from tinyloc.reference.linear import Cache


@part
def normalize(y, unit, inv, x, weight, bias, eps):
    """unit (rows, d) = (x - mean) inv, inv (rows,) = 1 / sqrt(var + eps), y = unit weight + bias."""
    rows, d = x.shape
    for i in range(rows):
        mean, square = np.float32(0), np.float32(0)
        for j in range(d):
            mean += x[i, j]
        mean /= np.float32(d)
        for j in range(d):
            unit[i, j] = x[i, j] - mean
            square += unit[i, j] * unit[i, j]
        r = np.float32(1) / np.sqrt(square / np.float32(d) + eps)
        inv[i] = r
        for j in range(d):
            unit[i, j] *= r
            y[i, j] = unit[i, j] * weight[j] + bias[j]


@part
def normalize_backward(dx, dweight, dbias, dy, unit, inv, weight):
    """Sets dx; adds to dweight and dbias."""
    rows, d = dy.shape
    for i in range(rows):
        mean, along = np.float32(0), np.float32(0)
        for j in range(d):
            g = dy[i, j] * weight[j]
            mean += g
            along += g * unit[i, j]
            dweight[j] += dy[i, j] * unit[i, j]
            dbias[j] += dy[i, j]
        mean /= np.float32(d)
        along /= np.float32(d)
        for j in range(d):
            dx[i, j] = inv[i] * (dy[i, j] * weight[j] - mean - unit[i, j] * along)


@kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[:,::1], f4[::1], f4[::1], f4)")
def _layer_norm(y, unit, inv, x, weight, bias, eps):
    normalize(y, unit, inv, x, weight, bias, eps)


@kernel("void(f4[:,::1], f4[::1], f4[::1], f4[:,::1], f4[:,::1], f4[::1], f4[::1])")
def _layer_norm_backward(dx, dweight, dbias, dy, unit, inv, weight):
    normalize_backward(dx, dweight, dbias, dy, unit, inv, weight)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, Cache]:
    """As `reference.layer_norm`."""
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    y, unit, inv = np.empty(rows.shape, np.float32), np.empty(rows.shape, np.float32), np.empty(len(rows), np.float32)
    _layer_norm(y, unit, inv, rows, weight, bias, eps)
    return y.reshape(x.shape), (unit, inv, weight)


def layer_norm_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dx, dweight, dbias)."""
    unit, inv, weight = cache
    dx, (dweight, dbias) = np.empty(unit.shape, np.float32), np.zeros((2, len(weight)), np.float32)
    _layer_norm_backward(dx, dweight, dbias, np.ascontiguousarray(dy).reshape(unit.shape), unit, inv, weight)
    return dx.reshape(dy.shape), dweight, dbias
