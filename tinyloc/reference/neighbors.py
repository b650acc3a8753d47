"""Votes of the rows most like a row: a kernel-weighted nearest-neighbor classifier (Nadaraya, 1964; Watson, 1964)."""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 20  # similarities held at once


def neighbor_votes(x: np.ndarray, start: np.ndarray, row: np.ndarray, value: np.ndarray, room: np.ndarray, rooms: int,
                   width: float, own: np.ndarray | None = None) -> np.ndarray:
    """(n, rooms) votes: v[i, c] = sum over known rows r of room c of exp((s[i, r] - max over r of s[i, r]) / width).

    s = x k^T is the cosine similarity, where x (n, a) and the known rows k (r, a) have length 1, or 0.  k by columns and
    without zeros: value[start[j] : start[j + 1]] are those of column j, in the rows `row` of the same places; room (r,)
    from 0.  own (n,): the known row, one of two or more, that does not vote on this one; -1: all vote.
    """
    known = np.zeros((len(room), x.shape[1]), x.dtype)
    known[row, np.repeat(np.arange(x.shape[1]), np.diff(start))] = value
    one = np.eye(rooms, dtype=x.dtype)[room]
    votes = np.empty((len(x), rooms), x.dtype)
    step = max(1, BLOCK // len(room))
    for i in range(0, len(x), step):
        s = x[i : i + step] @ known.T
        if own is not None:
            at = np.flatnonzero(own[i : i + step] >= 0)
            s[at, own[i + at]] = -np.inf
        votes[i : i + step] = np.exp((s - s.max(1, keepdims=True)) / x.dtype.type(width)) @ one
    return votes
