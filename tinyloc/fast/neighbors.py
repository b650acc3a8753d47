"""Votes of the rows most like a row, by an inverted index.

A row hears some of the access points: few of the products are not zero, and those are found by column (of ujiindoorloc's 465
columns a row hears 18; a matrix product takes 20 times as long).
"""

from __future__ import annotations

import numpy as np

from tinyloc.fast.jit import exp, kernel

FARTHEST = 20.0  # widths below the best similarity: votes of less than e^-20 are left out


@kernel("void(f4[:,::1], f4[:,::1], i8[::1], i8[::1], i4[::1], f4[::1], i8[::1], f4)")
def _votes(votes, x, own, start, row, value, room, width):
    n, a = x.shape
    s = np.empty(len(room), np.float32)
    scale = np.float32(1) / width
    for i in range(n):
        s[:] = 0
        for j in range(a):
            if x[i, j] != np.float32(0):
                for e in range(start[j], start[j + 1]):
                    s[row[e]] += x[i, j] * value[e]
        if own[i] >= 0:
            s[own[i]] = np.float32(-np.inf)
        top = s[0]
        for r in range(1, len(s)):
            top = max(top, s[r])
        least = top - np.float32(FARTHEST) * width
        for r in range(len(s)):
            if s[r] >= least:
                votes[i, room[r]] += exp((s[r] - top) * scale)


def neighbor_votes(x: np.ndarray, start: np.ndarray, row: np.ndarray, value: np.ndarray, room: np.ndarray, rooms: int,
                   width: float, own: np.ndarray | None = None) -> np.ndarray:
    """As `reference.neighbor_votes`."""
    votes = np.zeros((len(x), rooms), np.float32)
    own = np.full(len(x), -1) if own is None else np.ascontiguousarray(own, np.int64)
    _votes(votes, np.ascontiguousarray(x), own, start, row, value, room, np.float32(width))
    return votes
