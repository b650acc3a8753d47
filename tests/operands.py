"""Operands of the fixed-point primitives: structured ones crossed with each other, and random ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

import exact
import numpy as np

SEED = 1
ALL = {**exact.PRIMITIVES, **exact.C_PRIMITIVES}


def structured(bits: range = range(32)) -> list[int]:
    """Powers of two, their neighbors, sums of a high and a low one, and the complements of all these."""
    powers = [2**b for b in bits]
    near = {p + d for p in powers for d in (-1, 0, 1)} | {p + p // 2 for p in powers} | {2**31 - p for p in powers}
    return sorted(v for v in near | {~v for v in near} if exact.INT32_MIN <= v <= exact.INT32_MAX)


ANY = structured()
SHORT = range(-33, 34)  # shifts, and what lies just outside their domain
EVEN = sorted({v & ~1 for v in ANY})
MULT = [v for v in ANY if v >= 2**30]
POOLS: dict[str, tuple[Any, ...]] = {
    "clamp": (structured(range(0, 32, 4)),) * 3,
    "shl": (ANY, SHORT), "rdbpot": (ANY, SHORT), "rshift_round": (ANY, SHORT),
    "mbqm": (ANY, [0, *MULT], SHORT),
    "select": ([-1, 0], ANY, ANY),
    "sat": (ANY, [8, 16]),
    "mul_16": (ANY, structured(range(16))),
    "rescale8": (EVEN, MULT, range(31), range(-255, 256, 2)),
    "half_middle": (ANY, ANY, [0, 1, 2**14, 2**15]),
}


def operands(name: str, limit: int) -> list[tuple[int, ...]]:
    """The pools' ends and middles crossed with each other; at most `limit` structured operands, crossed likewise; then half
    as many random ones, every second of these around a structured one; all in the primitive's domain."""
    _, count, domain = ALL[name]
    rng = np.random.default_rng([SEED, count])
    pools = [list(p) for p in POOLS.get(name, (ANY,) * count)]
    sizes = [len(p) for p in pools]
    whole = math.prod(sizes)
    chosen = np.arange(whole) if whole <= limit else np.unique(rng.integers(0, whole, limit))
    crossed = list(itertools.product(*(sorted({p[0], p[-1], *p[len(p) // 2 - 2 : len(p) // 2 + 2]}) for p in pools)))
    for at in np.stack(np.unravel_index(chosen, sizes), 1).tolist():
        crossed.append(tuple(p[i] for p, i in zip(pools, at, strict=True)))
    columns = []
    for p in pools:
        near = rng.choice(p, limit // 2) + rng.integers(-3, 4, limit // 2)
        far = rng.integers(min(p), max(p) + 1, limit // 2)
        columns.append(np.where(rng.random(limit // 2) < 0.5, near, far).tolist())
    return [v for v in dict.fromkeys([*crossed, *zip(*columns, strict=True)])
            if all(exact.INT32_MIN <= one <= exact.INT32_MAX for one in v) and domain(*v)]
