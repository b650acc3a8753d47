"""The decoder of a linear-chain CRF, one label a step as samples arrive.

Label i is the last one of the best path over the steps so far (Viterbi's forward recursion): for the newest sample
this is what decoding the whole window says, and neither the window nor back pointers need to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op
from tinyloc.reference.crf import crf_viterbi

MAX_CLASSES = 256
CLOSED = -(2**24)  # score of what cannot be: the start after the first step, a class before it


def _viterbi_s16(y, x, trans, end, scores, best, t, c):  # type: ignore[no-untyped-def]
    for i in range(t):
        top = np.int32(-(2**31))
        for to in range(c):
            high = np.int32(-(2**31))
            for source in range(c + 1):
                high = max(high, np.int32(scores[source] + trans[source * c + to]))
            best[to] = np.int32(high + x[i * c + to])
            top = max(top, best[to])
        label, high = np.int32(0), np.int32(-(2**31))
        for to in range(c):
            scores[to] = np.int32(best[to] - top)
            total = np.int32(scores[to] + end[to])
            if total > high:
                label, high = np.int32(to), total
        scores[c] = np.int32(-(2**24))
        y[i] = label


def _ideal(y, x, trans, end, scores, best, t, c):  # type: ignore[no-untyped-def]
    """Each step's label and the scores, in exact float64 sums of integers."""
    now, labels = scores.astype(float), np.empty(t)
    for i in range(t):
        now = (now[:, None] + trans.reshape(c + 1, c)).max(0) + x.reshape(t, c)[i]
        now = np.append(now - now.max(), float(CLOSED))
        labels[i] = (now[:c] + end).argmax()
    return labels, now


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(24 if level == 1 else 800):
        t, c = [(1, 1), (20, 7), (3, MAX_CLASSES)][count] if count < 3 else rng.integers(1, (30, 20)).tolist()
        top = (32767, 100, 2)[count % 3]  # of 2, most scores tie
        x, trans, end = (rng.integers(-top - 1, top + 1, s).astype(np.int16) for s in (t * c, (c + 1) * c, c))
        if count % 2:
            scores = np.append(np.full(c, CLOSED), 0).astype(np.int32)
        else:
            scores = np.append(-rng.integers(0, 4 * top, c), CLOSED).astype(np.int32)
        yield [np.zeros(t, np.uint8), x, trans, end, scores, rng.integers(-(2**31), 2**31, c).astype(np.int32), t, c]


OPS = (Op("viterbi_s16", "y:out:uint8:t x:in:int16:t*c trans:weight:int16:(c+1)*c end:weight:int16:c "
          "scores:state:int32:c+1 best:scratch:int32:c t:int c:int", _viterbi_s16, _ideal,
          _cases, (0.0, 0.0), "sums and maxima are exact", streams=True),)


def _forward(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    p, x = node.params, inputs[0]
    labels = [crf_viterbi(x[:, : i + 1], p["transitions"], p["start"], p["end"])[0][:, -1] for i in range(x.shape[1])]
    return np.stack(labels, 1)[..., None].astype(x.dtype)


def _lower(b: Builder, node: Node) -> None:
    """params: transitions (c, c) from row to column, start and end (c,), in the scale of the int16 input."""
    x = b.input(node.inputs[0])
    t, c = x.shape
    if c > MAX_CLASSES:
        raise ModelError(f"{node.out}: {c} classes; expected at most {MAX_CLASSES}")
    trans = np.rint(np.vstack([node.params["transitions"], node.params["start"]]) / x.scale)
    end = np.rint(node.params["end"] / x.scale)
    b.prove(f"{node.out}: transitions", int(max(np.abs(trans).max(), np.abs(end).max())), 2**15 - 1)
    b.prove(f"{node.out}: scores", 2**24 + 4 * 2**15)
    y = b.output(node, dtype="uint8", shape=(t, 1), fixed=(1.0, 0))
    b.step("viterbi_s16", y=y.name, x=x.name, trans=b.constant(f"{node.out}.transitions", trans.astype(np.int16)),
           end=b.constant(f"{node.out}.end", end.astype(np.int16)), t=t, c=c,
           scores=b.state(f"{node.out}.scores", np.append(np.full(c, CLOSED), 0).astype(np.int32)),
           best=b.scratch(f"{node.out}.best", (c,), "int32"))


LAYERS = (Layer("viterbi", _forward, _lower),)
