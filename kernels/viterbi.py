"""The decoder of a linear-chain CRF, one label a step as samples arrive.

Label i is the last one of the best path over the steps so far (Viterbi's forward recursion): for the newest sample
this is what decoding the whole window says, and neither the window nor back pointers need to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.fixed import sat16
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, labels_of
from tinyloc.reference.crf import crf_viterbi_last

MAX_CLASSES = 256
CLOSED = -(2**15)  # score of what cannot be: the start after the first step, a class before it
# Transitions within +-T and logits within +-X keep the scores, which are relative to the best, at -2 (T + X) or above: each
# class is reached from where the best one is.  With T + X below 2^14 nothing that can win saturates, what is closed loses
# (CLOSED + T < -T), and the labels are those of unlimited integers.
MAX_REACH = 2**14 - 1


@njit("int32(int16[::1], int64, int16[::1], int16[::1], int16[::1], int16[::1], int64)")
def viterbi_row(x, at, trans, end, scores, best, c):  # type: ignore[no-untyped-def]
    """The label of the row of c logits at x[at]; the scores go on."""
    top = np.int32(CLOSED)
    for to in range(c):
        high = np.int32(CLOSED)
        for source in range(c + 1):
            high = max(high, np.int32(sat16(np.int32(np.int32(scores[source]) + np.int32(trans[source * c + to])))))
        best[to] = sat16(np.int32(high + np.int32(x[at + to])))
        top = max(top, np.int32(best[to]))
    label, high = np.int32(0), np.int32(CLOSED)
    for to in range(c):
        scores[to] = sat16(np.int32(np.int32(best[to]) - top))
        total = np.int32(sat16(np.int32(np.int32(scores[to]) + np.int32(end[to]))))
        if total > high:
            label, high = np.int32(to), total
    scores[c] = CLOSED
    return label


def _viterbi_s16(y, x, trans, end, scores, best, t, c):  # type: ignore[no-untyped-def]
    for i in range(t):
        y[i] = viterbi_row(x, i * c, trans, end, scores, best, c)


def viterbi_ideal(x: np.ndarray, trans: np.ndarray, end: np.ndarray, scores: np.ndarray, t: int, c: int
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (t,), the scores afterwards (c + 1,) and the totals (t, c) that labels are the greatest of, in float64 sums of
    integers, clipped where the 16 bits end."""
    now, totals = scores.astype(float), np.empty((t, c))

    def clip(v: np.ndarray) -> np.ndarray:
        return np.clip(v, -32768, 32767)

    for i in range(t):
        now = clip(clip(now[:, None] + trans.reshape(c + 1, c)).max(0) + x.reshape(t, c)[i])
        now = np.append(clip(now - now.max()), float(CLOSED))
        totals[i] = clip(now[:c] + end)
    return totals.argmax(1), now, totals


def _ideal(y, x, trans, end, scores, best, t, c):  # type: ignore[no-untyped-def]
    labels, now, _ = viterbi_ideal(x, trans, end, scores, t, c)
    return labels.astype(float), now


def viterbi_cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(32 if level == 1 else 1000):
        t, c = [(1, 1), (20, 7), (3, MAX_CLASSES), (12, 2), (9, 6), (9, 5)][count] if count < 6 else (
            rng.integers(1, (30, 20)).tolist())
        top = (32767, 100, 2, MAX_REACH // 2)[count % 4]  # of 2, most scores tie; the last is the most that a Program has
        x, trans, end = (rng.integers(-top - (count % 4 < 3), top + 1, s).astype(np.int16)
                         for s in (t * c, (c + 1) * c, c))
        if count % 3 == 1:  # all at their ends: sums that saturate up and down, scores at the floor
            x, trans, end = (np.where(v < 0, -top - (top == 32767), top).astype(np.int16) for v in (x, trans, end))
        if count % 2:
            scores = np.append(np.full(c, CLOSED), 0)
        else:
            scores = np.append(-rng.integers(0, 1 + min(4 * top, 32768), c), CLOSED)
        yield [np.zeros(t, np.uint8), x, trans, end, scores.astype(np.int16),
               rng.integers(-(2**15), 2**15, c).astype(np.int16), t, c]
    least = -(2**15)
    for c, columns, last in ((2, [least, least + 2], [0, 0]),  # sums below the floor, and just above it
                             (5, [least, least, least, least, least + 2], [0] * 5),
                             (3, [0, 0, 0], [least] * 3),  # every total is at the floor: the first label
                             (3, [0, 0, 0], [least, least + 1, least]), (1, [2**15 - 1], [least])):
        yield [np.zeros(3, np.uint8), np.zeros(3 * c, np.int16), np.tile(columns, c + 1).astype(np.int16),
               np.array(last, np.int16), np.append(np.full(c, -1), CLOSED).astype(np.int16), np.zeros(c, np.int16), 3, c]


OPS = (Op("viterbi_s16", "y:out:uint8:t x:in:int16:t*c trans:weight:int16:(c+1)*c end:weight:int16:c "
          "scores:state:int16:c+1 best:scratch:int16:c t:int c:int:1..256", _viterbi_s16, _ideal,
          viterbi_cases, (0.0, 0.0), "sums, saturated, and maxima are exact", streams=True),)


def _forward(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    p, x = node.params, inputs[0]
    return crf_viterbi_last(x, p["transitions"], p["start"], p["end"])[..., None].astype(x.dtype)


def _lower(b: Builder, node: Node) -> None:
    """params: transitions (c, c) from row to column, start and end (c,), in the scale of the int16 input, whose layer
    proves its codes' bound."""
    x = b.input(node.inputs[0])
    t, c = x.shape
    if c > MAX_CLASSES:
        raise ModelError(f"{node.out}: {c} classes; expected at most {MAX_CLASSES}")
    trans = np.rint(np.vstack([node.params["transitions"], node.params["start"]]) / x.scale)
    end = np.rint(node.params["end"] / x.scale)
    top = int(max(np.abs(trans).max(), np.abs(end).max()))
    b.prove(f"{node.out}: scores", 2 * (top + b.proved(f"{x.name}: codes")), 2 * MAX_REACH)
    y = b.output(node, dtype="uint8", shape=(t, 1), fixed=(1.0, 0))
    b.step("viterbi_s16", y=y.name, x=x.name, trans=b.constant(f"{node.out}.transitions", trans.astype(np.int16)),
           end=b.constant(f"{node.out}.end", end.astype(np.int16)), t=t, c=c,
           scores=b.state(f"{node.out}.scores", np.append(np.full(c, CLOSED), 0).astype(np.int16)),
           best=b.scratch(f"{node.out}.best", (c,), "int16"))


def _ask(node: Node, makers: list[Node]) -> list[Node]:
    """The logits' codes leave room for the scores that are added to them."""
    beside = max(float(np.abs(v).max()) for v in node.params.values())
    return [replace(makers[0], attrs={**makers[0].attrs, "beside": beside})]


LAYERS = (Layer("viterbi", labels_of(_forward), _lower, ask=_ask),)
