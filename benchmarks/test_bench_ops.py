"""Every kernel's largest case, by Numba and by C, side by side: python -m pytest benchmarks --benchmark-only"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

SEED, ROUNDS = 0, 200
MOST = 5000  # elements: what a model on a microcontroller has, not the exhaustive cases


def largest(op: Op) -> Args:
    """The case with the most elements to write, up to MOST, and of these the one that reads most."""

    def size(args: Args) -> tuple[int, int]:
        return args[0].size, sum(a.size for a in args if isinstance(a, np.ndarray))

    return op.prepare(max((a for a in op.cases(np.random.default_rng(SEED), 1) if size(a)[0] <= MOST), key=size))


@pytest.mark.parametrize("backend", ["jit", "c"])
@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_op(op: Op, backend: str, benchmark: Any) -> None:
    args, run = largest(op), getattr(op, backend)
    benchmark.group = op.name
    ints = {p.name: a for p, a in zip(op.params, args, strict=True) if not p.is_array}
    sizes = " ".join(f"{k}={ints[k]}" for k in ints if any(k in p.size for p in op.params if p.is_array))
    benchmark.extra_info.update(op=op.name, backend=backend, elements=args[0].size, sizes=sizes)
    benchmark.pedantic(run, args, rounds=ROUNDS, iterations=10, warmup_rounds=5)
