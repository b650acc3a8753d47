"""The decoder's promise: within the bound that the quantizer proves, 16 bits decide what unlimited integers decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.errors import ModelError
from tinyloc.kernels.op import Node
from tinyloc.kernels.table import OPS
from tinyloc.kernels.viterbi import CLOSED, MAX_REACH
from tinyloc.quantize import Tensors, build

OP = OPS["viterbi_s16"]
NEVER = -(10**9)


def unlimited(x: np.ndarray, trans: np.ndarray, end: np.ndarray) -> list[int]:
    """The last label of the best path to each step, its score a sum of Python integers."""
    c = x.shape[1]
    scores, labels = [NEVER] * c + [0], []
    for emitted in x.tolist():
        scores = [max(s + int(row[to]) for s, row in zip(scores, trans, strict=True)) + emitted[to] for to in range(c)]
        scores.append(NEVER)
        total = [s + int(e) for s, e in zip(scores, end, strict=False)]
        labels.append(total.index(max(total)))
    return labels


@st.composite
def chains(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Emissions (t, c), transitions (c + 1, c), end scores (c,): T + X at the bound, values anywhere or at the ends."""
    t, c, seed = draw(st.integers(1, 40)), draw(st.integers(1, 14)), draw(st.integers(0, 2**32 - 1))
    reach = draw(st.integers(0, MAX_REACH))
    rng = np.random.default_rng(seed)

    def values(top: int, *shape: int) -> np.ndarray:
        ends = rng.choice([-top, top], shape)
        return np.where(rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0])), ends, rng.integers(-top, top + 1, shape))

    return values(MAX_REACH - reach, t, c), values(reach, c + 1, c), values(reach, c)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(chains())
def test_labels_are_those_of_unlimited_integers(chain: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    x, trans, end = chain
    t, c = x.shape
    want = unlimited(x, trans, end)
    for kernel in (OP.jit, OP.c):
        args = OP.prepare([np.zeros(t, np.uint8), *(v.astype(np.int16) for v in (x, trans, end)),
                           np.append(np.full(c, CLOSED), 0).astype(np.int16), np.zeros(c, np.int16), t, c])
        kernel(*args)
        assert args[0].tolist() == want
        assert args[4][:c].min() >= -2 * MAX_REACH and args[4][:c].max() == 0


def test_beyond_the_bound_they_need_not_be() -> None:
    """So the bound is no formality: with T + X = 2^15 - 1 a score is cut off at the floor, and a label with it."""
    top, differ = 2**14, False
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, end = rng.choice([-top, 0, top - 1], (6, 3)), rng.choice([-top, top], 3)
        trans = rng.choice([-top, top], (4, 3))
        args = OP.prepare([np.zeros(6, np.uint8), *(v.astype(np.int16) for v in (x, trans, end)),
                           np.array([CLOSED] * 3 + [0], np.int16), np.zeros(3, np.int16), 6, 3])
        OP.jit(*args)
        differ |= args[0].tolist() != unlimited(x, trans, end)
    assert differ


def graph(head: np.ndarray, beside: float, top: float) -> Tensors:
    """Inputs in [0, 1] -> logits -> decoder, whose transitions reach `top`."""
    c = len(head)
    crf = {"transitions": np.full((c, c), top), "start": np.zeros(c), "end": np.zeros(c)}
    nodes = [Node("input", "x", ()), Node("linear", "logits", ("x",), {"weight": head}, {"wide": True, "beside": beside}),
             Node("viterbi", "label", ("logits",), crf)]
    return Tensors.of(nodes, np.random.default_rng(0).random((4, 8, head.shape[1]), np.float32))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("top", [0.0, 0.2, 500.0])
def test_the_quantizer_keeps_the_bound(size: float, top: float) -> None:
    """Whatever the input's codes, the head's outputs and the transitions stay within it."""
    head = np.random.default_rng(1).standard_normal((5, 9)).astype(np.float32) * np.float32(size)
    program = build(graph(head, top, top), "minmax")
    reached, limit = program.info["proofs"]["label: scores"]
    assert reached <= limit == 2 * MAX_REACH
    assert reached > 0.9 * limit or size < 0.1, "most of the 15 bits are used"
    step = next(s for s in program.steps if s.op == "linear_s8_s16")
    args = dict(zip((p.name for p in OPS[step.op].params), step.args, strict=True))
    w, bias = (program.data[args[k]].astype(np.int64) for k in ("w", "bias"))
    for row in range(5):  # the two inputs that drive each logit farthest
        for sign in (1, -1):
            x = np.where(sign * w.reshape(5, -1)[row] > 0, 127, -128).astype(np.int8)
            y = np.zeros(5, np.int16)
            OPS[step.op].jit(*OPS[step.op].prepare(
                [y, x, *(program.data[args[k]] for k in ("w", "bias", "mult", "shift")), 1, 5, 9, args["bias_step"],
                 args["mult_step"]]))
            assert len(bias) in (1, 5) and np.abs(y).max() <= program.info["proofs"]["logits: codes"][0]


def test_transitions_that_nobody_announced_are_refused() -> None:
    head = np.eye(3, dtype=np.float32)
    with pytest.raises(ModelError, match=r"label: scores reaches \d+, expected at most 32766"):
        build(graph(head, 0.0, 50.0), "minmax")
