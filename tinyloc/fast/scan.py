"""One step of the selective scan for all channels and states, forward and backward.

Arrays are (n, e), channels innermost: sums over states are then sums of rows, and the inner loops need no shuffles.
"""

from __future__ import annotations

import numpy as np

from tinyloc.fast.jit import exp2, part


@part
def advance(h, rates, dt, u, b, c, y):
    """h = exp2(dt * rates) * h + u * b;  y += c h.  h, rates (n, e); dt, u, y (e,); b, c (n,)."""
    n, e = h.shape
    for i in range(n):
        bi, ci = b[i], c[i]
        for j in range(e):
            h[i, j] = exp2(dt[j] * rates[i, j]) * h[i, j] + u[j] * bi
            y[j] += ci * h[i, j]


@part
def advance_powers(h, p, q, u, b, c, y):
    """The same where state i decays by p^(i+1); p (e,), q (e,) scratch."""
    n, e = h.shape
    for j in range(e):
        q[j] = np.float32(1)
    for i in range(n):
        bi, ci = b[i], c[i]
        for j in range(e):
            q[j] *= p[j]
            h[i, j] = q[j] * h[i, j] + u[j] * bi
            y[j] += ci * h[i, j]


@part
def repeat(after, decay, before, rates, dt, u, b):
    """A step of `advance` that keeps its decays and both states."""
    n, e = after.shape
    for i in range(n):
        bi = b[i]
        for j in range(e):
            decay[i, j] = exp2(dt[j] * rates[i, j])
            after[i, j] = decay[i, j] * before[i, j] + u[j] * bi


@part
def repeat_powers(after, decay, before, p, q, u, b):
    """A step of `advance_powers` that keeps its decays and both states."""
    n, e = after.shape
    for j in range(e):
        q[j] = np.float32(1)
    for i in range(n):
        bi = b[i]
        for j in range(e):
            q[j] *= p[j]
            decay[i, j] = q[j]
            after[i, j] = q[j] * before[i, j] + u[j] * bi


@part
def retreat(g, da, gb, through, db, dc, decay, before, after, a, dt, u, dy, b, c):
    """The gradient g (n, e) of the state, one step back.

    In: g as the later step left it.  Out: g; da (n, e) += that of A; gb (e,) = sum_n g B, through (e,) = sum_n of the
    exponent's gradient times A; db, dc (n,).
    """
    n, e = g.shape
    for j in range(e):
        gb[j] = np.float32(0)
        through[j] = np.float32(0)
    for i in range(n):
        bi, ci = b[i], c[i]
        of_b, of_c = np.float32(0), np.float32(0)
        for j in range(e):
            v = g[i, j] + dy[j] * ci
            of_c += dy[j] * after[i, j]
            of_b += u[j] * v
            gb[j] += v * bi
            v *= decay[i, j]
            g[i, j] = v
            v *= before[i, j]
            through[j] += v * a[i, j]
            da[i, j] += v * dt[j]
        db[i] = of_b
        dc[i] = of_c
