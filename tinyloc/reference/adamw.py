"""The optimizer: AdamW (Loshchilov and Hutter, arXiv 1711.05101) and an average of its weights."""

from __future__ import annotations

import numpy as np


def adamw(w: np.ndarray, mean: np.ndarray, square: np.ndarray, averaged: np.ndarray, g: np.ndarray, decayed: np.ndarray,
          gain: float, keep1: float, keep2: float, rate: float, shrink: float, follow: float) -> None:
    """One step, in place; all arrays are vectors of one length.

    mean += keep1 (gain g - mean);  square += keep2 ((gain g)^2 - square);
    w = w (1 - shrink decayed) - rate mean / (sqrt(square) + 1e-8);  averaged += follow (w - averaged)
    keep1, keep2: one less the betas; rate: the learning rate with Adam's correction for its start.
    """
    f = w.dtype.type
    g = g * f(gain)
    mean += f(keep1) * (g - mean)
    square += f(keep2) * (g * g - square)
    w *= 1 - f(shrink) * decayed
    w -= f(rate) * mean / (np.sqrt(square) + f(1e-8))
    averaged += f(follow) * (w - averaged)
