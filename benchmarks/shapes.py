"""What the benchmarks run: the paper's presets, and graphs of the shapes that others published figures for.

Weights are freshly initialized and ranges come from noise: instructions and bytes depend on shapes, never on data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinyloc.bench import macs  # noqa: F401 (for the benchmarks)
from tinyloc.kernels.op import Node
from tinyloc.kernels.table import OPS
from tinyloc.model import Config, Model, _graph, preset
from tinyloc.program import Program, Step
from tinyloc.quantize import Tensors, build

APS = ROOMS = 11  # the paper's house B
WINDOW = 20
PRESETS = ("mamba-h8l1", "mamba-h16l1", "mamba-h32l1", "mdcsa-h8l1", "mdcsa-h16l1", "mdcsa-h16l3")
DECAYS = {"mamba": ("powers", "free"), "mdcsa": ("powers",)}  # as quantization nearly always has them; a rate every state


def tensors(config: Config, t: int = WINDOW, folded: bool = True) -> Tensors:
    """The float graph of a fresh model, run on noise; not folded: every linear layer as the paper has it."""
    model = Model.create(config)
    x = np.random.default_rng(0).random((40, t, config.aps), np.float32)
    return Tensors.of(model.graph(t) if folded else _graph(model, t), x)


def program(name: str, t: int = WINDOW, decay: str = "powers") -> Program:
    """The Program of a preset for windows of t steps; a Mamba's decays are powers of one, or "free"."""
    graph = tensors(preset(name, APS, ROOMS), t)
    return build(graph if decay == "free" else graph.cheaper(), "minmax")


def variants() -> Iterator[tuple[str, str]]:
    """Preset and decay."""
    for name in PRESETS:
        for decay in DECAYS[name.split("-")[0]]:
            yield name, decay


def _node(kind: str, out: str, *inputs: str, params: Mapping[str, np.ndarray] | None = None, **attrs: Any) -> Node:
    return Node(kind, out, inputs, dict(params or {}), attrs)


def _dense(rng: np.random.Generator, n: int, k: int) -> dict[str, np.ndarray]:
    return {"weight": rng.standard_normal((n, k)).astype(np.float32) / np.float32(k**0.5),
            "bias": rng.standard_normal(n).astype(np.float32) / 4}


def _built(nodes: Sequence[Node], t: int, d: int, weights: str = "int8") -> Program:
    x = np.random.default_rng(0).random((20, t, d), np.float32)
    return build(Tensors.of([_node("input", "x"), *nodes], x), "minmax", weights=weights)


def linear(t: int = WINDOW, n: int = 64, k: int = 64, weights: str = "int8") -> Program:
    """One linear layer."""
    return _built([_node("linear", "y", "x", params=_dense(np.random.default_rng(1), n, k))], t, k, weights)


def one_scale(layer: Program) -> Program:
    """A linear layer whose rows share the first one's multiplier: quantization gives weights of four bits one a row."""
    (step,) = layer.steps
    args = dict(zip((p.name for p in OPS[step.op].params), step.args, strict=True)) | {"mult_step": 0}
    firsts = {str(args[name]): layer.data[str(args[name])][:1] for name in ("mult", "shift")}
    buffers = {n: replace(b, shape=(1,)) if n in firsts else b for n, b in layer.buffers.items()}
    return replace(layer, buffers=buffers, data={**layer.data, **firsts}, steps=(Step(step.op, tuple(args.values())),))


def elementwise(kind: str, t: int = WINDOW, d: int = 64) -> Program:
    """softmax of (t, d); add or mul of two tensors (t, d)."""
    if kind == "softmax":
        return _built([_node("softmax", "y", "x")], t, d)
    other = _node("linear", "v", "x", params=_dense(np.random.default_rng(1), d, d))
    return _built([other, _node(kind, "y", "x", "v")], t, d)


def products(t: int = 16, d: int = 64) -> Program:
    """Scores, softmax and weighted sum of an attention, as three steps."""
    return _built([_node("linear", "q", "x", params=_dense(np.random.default_rng(1), d, d)),
                   _node("matmul", "scores", "q", "x", transpose_b=True, scale=d**-0.5),
                   _node("softmax", "weights", "scores"),
                   _node("matmul", "y", "weights", "x", transpose_b=False, scale=1.0)], t, d)


def programs() -> Iterator[Program]:
    """Every preset; the shapes of the published comparisons; and the presets' products of activations one by one."""
    for name, decay in variants():
        yield program(name, decay=decay)
    yield linear()
    for n, k in ((64, 64), (16, 16), (16, 32)):
        yield one_scale(linear(n=n, k=k, weights="int4"))
    for t, d in ((16, 64), (WINDOW, 8), (WINDOW, 16), (3 * WINDOW, 16)):
        yield products(t, d)
    for kind in ("softmax", "add", "mul"):
        yield elementwise(kind)


def transformer(t: int = 32, d: int = 32, inner: int = 128) -> Program:
    """One encoder layer, post-norm: self-attention of one head with four projections, a feed-forward of `inner`."""
    rng = np.random.default_rng(1)
    norm = {"weight": np.ones(d, np.float32), "bias": np.zeros(d, np.float32)}
    return _built([
        *(_node("linear", n, "x", params=_dense(rng, d, d)) for n in "qkv"),
        _node("attention", "mixed", "q", "k", "v"),
        _node("linear", "projected", "mixed", params=_dense(rng, d, d)),
        _node("add", "sum1", "x", "projected"),
        _node("layer_norm", "norm1", "sum1", params=norm),
        _node("linear", "wide", "norm1", params=_dense(rng, inner, d)),
        _node("relu", "active", "wide"),
        _node("linear", "narrow", "active", params=_dense(rng, d, inner)),
        _node("add", "sum2", "norm1", "narrow"),
        _node("layer_norm", "norm2", "sum2", params=norm),
    ], t, d)
