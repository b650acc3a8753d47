"""The CRF of `reference.crf`: likelihood and its gradient by scaled messages (Rabiner, 1989), and Viterbi.

The reference's messages are logarithms: c^2 exponentials a step.  These are probabilities, each step's scaled to a sum of
1, in float64: one exponential a class.  A message is at least e^-r, r the range of a step's scores (emissions, transitions
and either end together); where r is so great that one would vanish, which may yet be on the best path, the reference is
asked, in float64.
"""

from __future__ import annotations

import math

import numpy as np

from tinyloc.fast.jit import kernel, plain
from tinyloc.reference import crf as reference
from tinyloc.reference.linear import Cache

REACH = 300.0  # products of two messages and a transition stay above e^-700, the least of float64


@kernel("f8(f4[:,:,::1], f8[:,::1], f8[::1], f8[::1], f4[:,:,::1], i8[:,::1], f4[:,::1], f4[::1], f4[::1])")
def _nll(de, dtransitions, dstart, dend, emissions, tags, transitions, start, end):
    """Sum over the batch of -log p; its gradients: sets de, adds to the others."""
    batch, steps, c = emissions.shape
    top, first, last = np.float64(transitions.max()), np.float64(start.max()), np.float64(end.max())
    move, back = np.empty((c, c)), np.empty((c, c))
    for i in range(c):
        for j in range(c):
            move[i, j] = math.exp(transitions[i, j] - top)
            back[j, i] = move[i, j]
    alpha, seen, total, beta, q = np.empty((steps, c)), np.empty((steps, c)), np.empty(steps), np.empty(c), np.empty(c)
    loss = 0.0
    for b in range(batch):
        log_z, score = first + last + top * (steps - 1), np.float64(start[tags[b, 0]]) + end[tags[b, steps - 1]]
        for t in range(steps):
            highest = emissions[b, t, 0]
            for j in range(1, c):
                highest = max(highest, emissions[b, t, j])
            for j in range(c):
                seen[t, j] = math.exp(emissions[b, t, j] - highest)
            for j in range(c):
                alpha[t, j] = math.exp(start[j] - first) if t == 0 else 0.0
            if t:
                score += transitions[tags[b, t - 1], tags[b, t]]
                for i in range(c):
                    a = alpha[t - 1, i]
                    for j in range(c):
                        alpha[t, j] += a * move[i, j]
            s = 0.0
            for j in range(c):
                alpha[t, j] *= seen[t, j]
                s += alpha[t, j]
            for j in range(c):
                alpha[t, j] /= s
            total[t] = s
            log_z += math.log(s) + highest
            score += emissions[b, t, tags[b, t]]
        z = 0.0
        for j in range(c):
            beta[j] = math.exp(end[j] - last)
            z += alpha[steps - 1, j] * beta[j]
        log_z += math.log(z)
        for j in range(c):
            beta[j] /= z
        loss += log_z - score
        for t in range(steps - 1, -1, -1):
            for j in range(c):
                p = alpha[t, j] * beta[j] - (1.0 if j == tags[b, t] else 0.0)
                de[b, t, j] = p
                if t == steps - 1:
                    dend[j] += p
                if t == 0:
                    dstart[j] += p
            if t:
                for j in range(c):
                    q[j] = seen[t, j] * beta[j] / total[t]
                    beta[j] = 0.0
                for i in range(c):
                    a = alpha[t - 1, i]
                    for j in range(c):
                        dtransitions[i, j] += a * move[i, j] * q[j]
                for j in range(c):
                    for i in range(c):
                        beta[i] += back[j, i] * q[j]
                dtransitions[tags[b, t - 1], tags[b, t]] -= 1.0
    return loss


@plain("f4(f4[:,::1])")
def _range(x):
    """Greatest range of a row of x; NaN where one has a NaN."""
    most = np.float32(0)
    for i in range(x.shape[0]):
        low = high = x[i, 0]
        for j in range(x.shape[1]):
            v = x[i, j]
            if v != v:
                return v
            low, high = min(low, v), max(high, v)
        most = max(most, high - low)
    return most


def crf_nll(emissions: np.ndarray, tags: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
            ) -> tuple[float, Cache]:
    """As `reference.crf_nll`."""
    emissions, transitions, start, end = (np.ascontiguousarray(a) for a in (emissions, transitions, start, end))
    b, c = len(emissions), len(start)
    # NaN is out of reach too: it is the reference's to carry on.
    rows = (emissions.reshape(-1, c), transitions.reshape(1, -1), start.reshape(1, -1), end.reshape(1, -1))
    if not sum(_range(a) for a in rows) <= REACH:
        loss, cache = reference.crf_nll(emissions.astype(float), tags,
                                        *(a.astype(float) for a in (transitions, start, end)))
        return loss, tuple(g.astype(np.float32) for g in reference.crf_nll_backward(1.0, cache))
    de, dt, dstart, dend = np.empty_like(emissions), np.zeros((c, c)), np.zeros(c), np.zeros(c)
    loss = _nll(de, dt, dstart, dend, emissions, np.ascontiguousarray(tags, np.int64), transitions, start, end)
    return loss / b, tuple((g / b).astype(np.float32) for g in (de, dt, dstart, dend))


def crf_nll_backward(dloss: float, cache: Cache) -> tuple[np.ndarray, ...]:
    """(demissions, dtransitions, dstart, dend)."""
    return tuple(g * np.float32(dloss) for g in cache)


def crf_cross_entropy(emissions: np.ndarray, rooms: np.ndarray, moves: np.ndarray, transitions: np.ndarray,
                      start: np.ndarray, end: np.ndarray) -> tuple[float, Cache]:
    """As `reference.crf_cross_entropy`: the loss of class 0 throughout, its counts replaced by the given ones."""
    b, steps, _ = emissions.shape
    loss, (de, dt, dstart, dend) = crf_nll(emissions, np.zeros((b, steps), np.int64), transitions, start, end)
    zero = float(emissions[:, :, 0].sum(dtype=float)) / b + (steps - 1) * float(transitions[0, 0]) + start[0] + end[0]
    rooms = rooms.astype(np.float32) / np.float32(b)
    given = moves.sum(0).astype(np.float32) / np.float32(b)
    first, last = rooms[:, 0].sum(0), rooms[:, -1].sum(0)
    score = float((emissions * rooms).sum(dtype=float)) + float((transitions * given).sum(dtype=float))
    score += float(first @ start) + float(last @ end)
    de[:, :, 0] += np.float32(1 / b)
    dt[0, 0] += steps - 1
    dstart[0] += 1
    dend[0] += 1
    return float(loss + zero - score), (de - rooms, dt - given, dstart - first, dend - last)


def crf_cross_entropy_backward(dloss: float, cache: Cache) -> tuple[np.ndarray, ...]:
    """(demissions, dtransitions, dstart, dend)."""
    return tuple(g * np.float32(dloss) for g in cache)


@plain("void(i8[:,::1], f4[::1], f4[:,:,::1], f4[:,::1], f4[::1], f4[::1])")
def _viterbi(paths, best, emissions, transitions, start, end):
    """The reference's sums in the reference's order: equal scores stay equal."""
    batch, steps, c = emissions.shape
    come = np.empty((steps, c), np.int64)
    score, before = np.empty(c, np.float32), np.empty(c, np.float32)
    for b in range(batch):
        for j in range(c):
            score[j] = start[j] + emissions[b, 0, j]
        for t in range(1, steps):
            for i in range(c):
                before[i] = score[i]
            for j in range(c):
                score[j] = before[0] + transitions[0, j]
                come[t, j] = 0
            for i in range(1, c):
                for j in range(c):
                    v = before[i] + transitions[i, j]
                    if v > score[j]:
                        score[j] = v
                        come[t, j] = i
            for j in range(c):
                score[j] += emissions[b, t, j]
        at = 0
        for j in range(c):
            score[j] += end[j]
            if score[j] > score[at]:
                at = j
        best[b] = score[at]
        for t in range(steps - 1, -1, -1):
            paths[b, t] = at
            if t:
                at = come[t, at]


@kernel("void(f8[:,:,::1], f4[:,:,::1], f4[:,::1], f4[::1], f4[::1])")
def _totals(found, emissions, transitions, start, end):
    """Sets found (b, t, c)."""
    batch, steps, c = emissions.shape
    before, score = np.empty(c), np.empty(c)
    for b in range(batch):
        for t in range(steps):
            for j in range(c):
                before[j] = score[j]
                score[j] = start[j] if t == 0 else before[0] + transitions[0, j]
            for i in range(1, c if t else 1):
                for j in range(c):
                    score[j] = max(score[j], before[i] + transitions[i, j])
            for j in range(c):
                score[j] += emissions[b, t, j]
                found[b, t, j] = score[j] + end[j]


def crf_totals(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """As `reference.crf_totals`, to the bit."""
    found = np.empty(emissions.shape)
    _totals(found, *(np.ascontiguousarray(a) for a in (emissions, transitions, start, end)))
    return found


def crf_viterbi(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray]:
    """As `reference.crf_viterbi`, to the bit."""
    paths, best = np.empty(emissions.shape[:2], np.int64), np.empty(len(emissions), np.float32)
    _viterbi(paths, best, *(np.ascontiguousarray(a) for a in (emissions, transitions, start, end)))
    return paths, best
