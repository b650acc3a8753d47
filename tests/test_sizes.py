"""Bytes of the presets, frozen: 11 access points, 11 rooms, windows of 20 steps, as in the paper's house B.

A change that moves a byte shows here.  Weights are freshly initialized, so that nothing but the code decides.
`python tests/test_sizes.py` prints the table anew.
"""

from __future__ import annotations

import numpy as np
import pytest

from tinyloc.emulator.plan import plan
from tinyloc.kernels.op import Node
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.quantize import Tensors, build, quantize
from tinyloc.verify import Memory, audit, compare

FIELDS = ("weights", "tables", "records", "state", "activations")
# preset: (weights, tables, records, state, activations) as it is best run: Mamba sample by sample, MDCSA a window at once
SIZES: dict[str, tuple[int, ...]] = {
    "mamba-h8l1": (2010, 1024, 886, 584, 184),
    "mamba-h8l1, free": (2266, 1024, 890, 584, 184),
    "mamba-h16l1": (4283, 1024, 937, 1144, 272),
    "mamba-h16l1, free": (4763, 1024, 941, 1144, 272),
    "mamba-h16l2": (7707, 1536, 1633, 2264, 272),
    "mamba-h32l1": (10947, 1024, 841, 2264, 448),
    "mdcsa-h8l1": (2157, 1792, 991, 24, 1120),
    "mdcsa-h16l1": (6125, 1792, 991, 24, 2240),
    "mdcsa-h8l3": (5653, 2304, 2223, 24, 1440),
    "mdcsa-h16l3": (18966, 2304, 2226, 24, 2880),
}
# Bytes with everything in RAM that a preset must stay below: weights, tables, state, activations and scratch.
LIMITS = {"mamba-h8l1": 4 << 10, "mdcsa-h8l1": 8 << 10, "mdcsa-h16l1": 20 << 10}


def made(name: str) -> tuple[Memory, Memory, bool]:
    """(the best way's memory, that of the window at once, whether its plan is proved optimal) of a preset, or of a preset
    and its decays."""
    preset_name, decay = [*name.split(", "), "auto"][:2]
    model = Model.create(preset(preset_name, 11, 11))
    program = quantize(model, np.random.default_rng(0).random((40, 20, 11), np.float32), "minmax", decay)
    found = audit(program)
    return found.best, found.window, plan(program).optimal


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    best, window, optimal = made(name)
    assert tuple(getattr(best, f) for f in FIELDS) == SIZES[name], f"{name}: {FIELDS}"
    assert best.activations == best.lower_bound and window.activations == window.lower_bound and optimal
    if name in LIMITS:
        assert best.total - best.records - best.model <= LIMITS[name]


def transformer(t: int, d: int, inner: int) -> Program:
    """One layer with one head: attention, residual, norm; feed-forward, residual, norm; and logits for a decoder."""
    rng = np.random.default_rng(3)

    def dense(out: str, x: str, n: int, k: int, **attrs: bool) -> Node:
        params = {"weight": rng.uniform(-1, 1, (n, k)) / k**0.5, "bias": rng.uniform(-1, 1, n) / k**0.5}
        return Node("linear", out, (x,), params, attrs)

    def norm(out: str, x: str) -> Node:
        return Node("layer_norm", out, (x,), {"weight": np.ones(d), "bias": np.zeros(d)})

    nodes = [Node("input", "x", ()), *(dense(n, "x", d, d) for n in "qkv"), Node("attention", "attended", ("q", "k", "v")),
             dense("out", "attended", d, d), Node("add", "sum1", ("x", "out")), norm("norm1", "sum1"),
             dense("fc1", "norm1", inner, d), Node("gelu", "gelu", ("fc1",)), dense("fc2", "gelu", d, inner),
             Node("add", "sum2", ("norm1", "fc2")), norm("norm2", "sum2"), dense("logits", "norm2", 8, d, wide=True),
             Node("argmax", "label", ("logits",))]
    return build(Tensors.of(nodes, rng.random((20, t, d), np.float32)), "minmax")


@pytest.mark.parametrize(("t", "d", "limit"), [(32, 32, 7 << 10), (64, 32, 14 << 10)])
def test_a_transformer_holds_two_rows_of_scores(t: int, d: int, limit: int) -> None:
    """TensorFlow Lite Micro's least arena for such a layer is 20,984 bytes at t = 32 and 48,632 at t = 64."""
    program = transformer(t, d, 2 * d)
    found = plan(program)
    assert found.optimal and found.peak == found.lower_bound <= limit
    step = next(i for i, s in enumerate(program.steps) if s.op == "attention_s8")
    scratch = sum(x.size for x in found.live_at(step) if program.buffers[x.name].kind == "scratch")
    assert scratch <= 2 * t + 4 * max(t, d) + 8
    x = np.random.default_rng(0).integers(-128, 128, (4, t, d)).astype(np.int8)
    assert compare(program, x).equal


if __name__ == "__main__":
    for each in SIZES:
        print(f"    {each!r}: {tuple(getattr(made(each)[0], f) for f in FIELDS)},")
