"""Mamba's selective scan (Gu and Dao, arXiv 2312.00752, equations 2-4, with the simplified Euler step for B).

    h[t] = exp(dt[t] * A) * h[t-1] + dt[t] * x[t] * B[t];   y[t] = sum_n C[t] h[t] + D * x[t]

x, dt (b, t, e), A (e, n), B, C (b, t, n), D (e,), h (b, e, n).  The whole sequence, chunks and single steps run the
same operations in the same order and so give equal results.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyloc.reference.linear import Cache


def decay_rates(a_log: np.ndarray, n: int) -> np.ndarray:
    """A (e, n) = -exp(a_log), or, where a_log is (e, 1), A[j, k] = -(k + 1) exp(a_log[j, 0]): the structure of Mamba's
    own initialization (S4D-Real; Gu et al., arXiv 2206.11893), kept."""
    a = -np.exp(a_log)
    return a if a_log.shape[1] == n else a * np.arange(1, n + 1, dtype=a.dtype)


def selective_scan(x: np.ndarray, dt: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, d_skip: np.ndarray,
                   h0: np.ndarray | None = None) -> tuple[tuple[np.ndarray, np.ndarray], Cache]:
    """((y (b, t, e), h after the last step (b, e, n)), cache); h0 is the state before x (zeros if None)."""
    batch, steps, e = x.shape
    n = a.shape[1]
    h = np.empty((steps + 1, batch, e, n), x.dtype)
    h[0] = 0 if h0 is None else h0
    decay = np.empty((steps, batch, e, n), x.dtype)
    y = np.empty_like(x)
    u = dt * x
    for t in range(steps):
        np.multiply(dt[:, t, :, None], a, out=decay[t])
        np.exp(decay[t], out=decay[t])
        np.multiply(decay[t], h[t], out=h[t + 1])
        h[t + 1] += u[:, t, :, None] * b[:, t, None, :]
        y[:, t] = (h[t + 1] * c[:, t, None, :]).sum(-1)
    y += d_skip * x
    return (y, h[-1].copy()), (x, dt, a, b, c, d_skip, h, decay)


def selective_scan_backward(dy: np.ndarray, cache: Cache, dh: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """(dx, ddt, da, db, dc, dd_skip, dh0); dh is the gradient of the last state (zeros if None)."""
    x, dt, a, b, c, d_skip, h, decay = cache
    g = np.zeros_like(h[0]) if dh is None else dh.copy()
    dx, ddt = dy * d_skip, np.empty_like(dt)
    da, db, dc = np.zeros_like(a), np.empty_like(b), np.empty_like(c)
    for t in range(x.shape[1] - 1, -1, -1):
        dyt = dy[:, t, :, None]
        dc[:, t] = (dyt * h[t + 1]).sum(1)
        g += dyt * c[:, t, None, :]
        gb = (g @ b[:, t, :, None])[..., 0]  # sum over n
        db[:, t] = ((dt[:, t] * x[:, t])[:, None] @ g)[:, 0]
        dx[:, t] += gb * dt[:, t]
        g *= decay[t]
        through = g * h[t]  # gradient of the exponent dt * A
        ddt[:, t] = gb * x[:, t] + (through * a).sum(-1)
        da += (through * dt[:, t, :, None]).sum(0)
    return dx, ddt, da, db, dc, (dy * x).sum((0, 1)), g


def selective_scan_step(x: np.ndarray, dt: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray,
                        d_skip: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One sample: x, dt (b, e), B, C (b, n), h (b, e, n); returns (y (b, e), the new h)."""
    (y, h), _ = selective_scan(x[:, None], dt[:, None], a, b[:, None], c[:, None], d_skip, h)
    return y[:, 0], h


def selective_scan_chunked(x: np.ndarray, dt: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray,
                           d_skip: np.ndarray, h0: np.ndarray | None = None, chunk: int = 32
                           ) -> tuple[np.ndarray, np.ndarray]:
    """(y, last h), `chunk` steps at a time: memory for the backward pass of one chunk only."""
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1 step, got {chunk}")
    parts: list[Any] = []
    h = np.zeros((x.shape[0], *a.shape), x.dtype) if h0 is None else h0
    for t in range(0, x.shape[1], chunk):
        s = slice(t, t + chunk)
        (y, h), _ = selective_scan(x[:, s], dt[:, s], a, b[:, s], c[:, s], d_skip, h)
        parts.append(y)
    return np.concatenate(parts, 1), h
