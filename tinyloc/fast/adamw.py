"""A step of AdamW in one pass over its vectors."""

from __future__ import annotations

import numpy as np

from tinyloc.fast.jit import kernel


@kernel("void(f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4, f4, f4)")
def adamw(w, mean, square, averaged, g, decayed, gain, keep1, keep2, rate, shrink, follow):
    """As `reference.adamw`."""
    for i in range(len(w)):
        x = g[i] * gain
        mean[i] += keep1 * (x - mean[i])
        square[i] += keep2 * (x * x - square[i])
        w[i] = w[i] * (np.float32(1) - shrink * decayed[i]) - rate * mean[i] / (np.sqrt(square[i]) + np.float32(1e-8))
        averaged[i] += follow * (w[i] - averaged[i])
