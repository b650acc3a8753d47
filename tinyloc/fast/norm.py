"""Normalization over the last axis; x (rows, d)."""

from __future__ import annotations

import numpy as np

from tinyloc.fast.jit import kernel


@kernel("void(f4[:,::1], f4[::1], f4[:,::1], f4[::1], f4)")
def rms_norm(y, inv, x, weight, eps):
    """y = x inv weight, inv (rows,) = 1 / sqrt(mean(x^2) + eps)."""
    rows, d = x.shape
    for i in range(rows):
        s = np.float32(0)
        for j in range(d):
            s += x[i, j] * x[i, j]
        inv[i] = np.float32(1) / np.sqrt(s / np.float32(d) + eps)
        for j in range(d):
            y[i, j] = x[i, j] * inv[i] * weight[j]


@kernel("void(f4[:,::1], f4[::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[::1], f4[::1])")
def rms_norm_backward(dx, dweight, dy, x, residual, inv, weight):
    """dx = residual + the norm's own; dweight is set."""
    rows, d = x.shape
    dweight[:] = 0
    for i in range(rows):
        s, r = np.float32(0), inv[i]
        for j in range(d):
            s += dy[i, j] * weight[j] * x[i, j]
            dweight[j] += dy[i, j] * (x[i, j] * r)
        s *= r * r / np.float32(d)
        for j in range(d):
            dx[i, j] = residual[i, j] + r * (dy[i, j] * weight[j] - x[i, j] * s)
