"""The greatest of a row: the label of a sample that stands on its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.op import Args, Builder, Layer, Node, Op, labels_of

MAX_CLASSES = 256


def _argmax_s16(y, x, t, c):  # type: ignore[no-untyped-def]
    for i in range(t):
        label, high = np.int32(0), np.int32(x[i * c])
        for j in range(1, c):
            if x[i * c + j] > high:
                label, high = np.int32(j), np.int32(x[i * c + j])
        y[i] = label


def _ideal(y, x, t, c):  # type: ignore[no-untyped-def]
    return (x.reshape(t, c).argmax(1).astype(float),)


def _cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(16 if level == 1 else 500):
        t, c = [(1, 1), (2, MAX_CLASSES), (1, 60)][count] if count < 3 else rng.integers(1, (20, 80)).tolist()
        top = (32767, 100, 1)[count % 3]  # of 1, most are equal
        yield [np.zeros(t, np.uint8), rng.integers(-top - 1, top + 1, t * c).astype(np.int16), t, c]


OPS = (Op("argmax_s16", "y:out:uint8:t x:in:int16:t*c t:int c:int:1..256", _argmax_s16, _ideal, _cases, (0.0,),
          "comparisons", streams=True),)


def _forward(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    return inputs[0].argmax(-1)[..., None].astype(inputs[0].dtype)


def _lower(b: Builder, node: Node) -> None:
    x = b.input(node.inputs[0])
    t, c = x.shape
    if c > MAX_CLASSES:
        raise ModelError(f"{node.out}: {c} classes; expected at most {MAX_CLASSES}")
    y = b.output(node, dtype="uint8", shape=(t, 1), fixed=(1.0, 0))
    b.step("argmax_s16", y=y.name, x=x.name, t=t, c=c)


LAYERS = (Layer("argmax", labels_of(_forward), _lower),)
