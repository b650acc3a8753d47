"""Convolutions over time, forward and backward."""

from __future__ import annotations

import numpy as np

from tinyloc.reference.linear import Cache


def depthwise_conv1d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, state: np.ndarray | None = None
                     ) -> tuple[tuple[np.ndarray, np.ndarray], Cache]:
    """Causal: y[t] = bias + sum_j weight[:, j] x[t - k + 1 + j].

    x (b, t, d), weight (d, k), bias (d,), state (b, k-1, d) the samples before x (zeros if None).
    Returns ((y (b, t, d), state after the last sample), cache).
    """
    k = weight.shape[1]
    b, t, d = x.shape
    if state is None:
        state = np.zeros((b, k - 1, d), x.dtype)
    padded = np.concatenate([state, x], 1)
    y = bias + sum(padded[:, j : j + t] * weight[:, j] for j in range(k))
    return (y, padded[:, t:]), (padded, weight)


def depthwise_conv1d_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dx, dweight, dbias), for the gradient of y alone."""
    padded, weight = cache
    t, k = dy.shape[1], weight.shape[1]
    dpadded = np.zeros_like(padded)
    dw = np.empty_like(weight)
    for j in range(k):
        dpadded[:, j : j + t] += dy * weight[:, j]
        dw[:, j] = (dy * padded[:, j : j + t]).sum((0, 1))
    return dpadded[:, k - 1 :], dw, dy.sum((0, 1))


def conv1d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int = 1, pad_left: int = 0, pad_right: int = 0
           ) -> tuple[np.ndarray, Cache]:
    """y[i] = bias + sum_j weight[:, j] x[i * stride - pad_left + j], zeros outside x.

    x (b, t, d), weight (n, k, d), bias (n,); y (b, (t + pad_left + pad_right - k) // stride + 1, n).
    """
    n, k, d = weight.shape
    padded = np.pad(x, ((0, 0), (pad_left, pad_right), (0, 0)))
    steps = (padded.shape[1] - k) // stride + 1
    rows = np.stack([padded[:, j : j + (steps - 1) * stride + 1 : stride] for j in range(k)], 2)
    rows = rows.reshape(x.shape[0], steps, k * d)
    return rows @ weight.reshape(n, -1).T + bias, (rows, weight, stride, pad_left, x.shape, padded.shape)


def conv1d_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, ...]:
    """(dx, dweight, dbias)."""
    rows, weight, stride, pad_left, shape, padded_shape = cache
    n, k, d = weight.shape
    b, steps, _ = dy.shape
    dw = dy.reshape(-1, n).T @ rows.reshape(-1, k * d)
    drows = (dy @ weight.reshape(n, -1)).reshape(b, steps, k, d)
    dpadded = np.zeros(padded_shape, dy.dtype)
    for j in range(k):
        dpadded[:, j : j + (steps - 1) * stride + 1 : stride] += drows[:, :, j]
    return dpadded[:, pad_left : pad_left + shape[1]], dw.reshape(n, k, d), dy.sum((0, 1))
