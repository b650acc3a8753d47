"""Weights of four bits, two a byte, in the order of ONNX's INT4 and of TFLite's int4: the first of two in the low half.
Each row begins with a byte of its own, so that a kernel can take several rows at a time.
"""

from __future__ import annotations

import numpy as np


def pack_halves(w: np.ndarray) -> np.ndarray:
    """int8 (n, ceil(k / 2)) of w (n, k), -8 <= w <= 7; the last half of an odd row is 0."""
    n, k = w.shape
    even = np.zeros((n, k + k % 2), np.int32)
    even[:, :k] = w
    return (even[:, ::2] & 15 | even[:, 1::2] << 4).astype(np.uint8).view(np.int8)


def unpack_halves(w: np.ndarray, k: int) -> np.ndarray:
    """int8 (n, k) of bytes (n, ceil(k / 2))."""
    low, high = ((w & 15) ^ 8) - 8, w >> 4
    return np.stack([low, high], 2).reshape(len(w), -1)[:, :k].astype(np.int8)
