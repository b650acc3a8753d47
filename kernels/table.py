"""The tables that everything iterates: kernels by name, layers by kind.  A new op adds its stem here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from tinyloc.kernels import (
    argmax,
    attention,
    confidence,
    conv,
    elementwise,
    interleave,
    linear,
    linear_w4,
    matmul,
    norm,
    packed,
    packed_w4,
    scan,
    softmax,
    unary,
    viterbi,
)
from tinyloc.kernels.op import Layer, Node, Op, Packer

STEMS = (linear, conv, interleave, norm, softmax, matmul, elementwise, unary, scan, viterbi, argmax, packed, attention,
         confidence, linear_w4, packed_w4)

OPS: dict[str, Op] = {op.name: op for stem in STEMS for op in stem.OPS}
LAYERS: dict[str, Layer] = {layer.kind: layer for stem in STEMS for layer in stem.LAYERS}
PACKERS: dict[str, Callable[[Packer, dict[str, Any]], bool]] = {
    op: f for stem in STEMS for op, f in getattr(stem, "PACKERS", {}).items()}  # see tinyloc.pack
NUMBERS: dict[str, int] = {name: i for i, name in enumerate(OPS)}  # as in TL_OPS of c/tinyloc.h


def asked(nodes: Sequence[Node]) -> list[Node]:
    """The nodes of a graph, with the attrs that those who read them want of them (`Layer.ask`)."""
    made = {n.out: n for n in nodes}
    for node in nodes:
        if node.kind != "input" and (ask := LAYERS[node.kind].ask):
            made |= {n.out: n for n in ask(made[node.out], [made[name] for name in node.inputs])}
    return [made[n.out] for n in nodes]


# What an image and the kernels that run it must agree on; c/tinyloc.h has it as TL_ABI.
_TEXT = "\n".join(f"{o.name} {o.spec}" for o in OPS.values())
ABI = int.from_bytes(hashlib.sha256(_TEXT.encode()).digest()[:4], "little")
