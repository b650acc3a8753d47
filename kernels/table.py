"""The tables that everything iterates: kernels by name, layers by kind.  A new op adds its stem here."""

from __future__ import annotations

from tinyloc.kernels import argmax, conv, elementwise, interleave, linear, matmul, norm, scan, softmax, unary, viterbi
from tinyloc.kernels.op import Layer, Op

STEMS = (linear, conv, interleave, norm, softmax, matmul, elementwise, unary, scan, viterbi, argmax)

OPS: dict[str, Op] = {op.name: op for stem in STEMS for op in stem.OPS}
LAYERS: dict[str, Layer] = {layer.kind: layer for stem in STEMS for layer in stem.LAYERS}
