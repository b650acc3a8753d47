"""Bytes of the presets, frozen: 11 access points, 11 rooms, windows of 20 steps, as in the paper's house B.

A change that moves a byte shows here.  Weights are freshly initialized, so that nothing but the code decides.
`python tests/test_sizes.py` prints the table anew.
"""

from __future__ import annotations

import numpy as np
import pytest

from tinyloc.emulator.plan import plan
from tinyloc.model import Model, preset
from tinyloc.quantize import quantize
from tinyloc.verify import Memory, audit

FIELDS = ("weights", "tables", "records", "state", "activations")
# preset: (weights, tables, records, state, activations) as it is best run: Mamba sample by sample, MDCSA a window at once
SIZES: dict[str, tuple[int, ...]] = {
    "mamba-h8l1": (2250, 1024, 886, 608, 120),
    "mamba-h8l1-lean": (2010, 1024, 882, 608, 120),
    "mamba-h16l1": (4747, 1024, 937, 1168, 208),
    "mamba-h16l1-lean": (4283, 1024, 933, 1168, 208),
    "mamba-h16l2": (8171, 1536, 1621, 2288, 208),
    "mamba-h32l1": (11859, 1024, 841, 2288, 384),
    "mdcsa-h8l1": (2157, 768, 1087, 48, 1440),
    "mdcsa-h16l1": (6125, 768, 1087, 48, 2880),
    "mdcsa-h8l3": (5653, 1280, 2395, 48, 7680),
    "mdcsa-h16l3": (18966, 1280, 2398, 48, 8160),
}
# Bytes with everything in RAM that a preset must stay below: weights, tables, state, activations and scratch.
LIMITS = {"mamba-h8l1": 4 << 10, "mdcsa-h8l1": 8 << 10, "mdcsa-h16l1": 20 << 10}


def made(name: str) -> tuple[Memory, Memory, bool]:
    """(the best way's memory, that of the window at once, whether its plan is proved optimal)."""
    model = Model.create(preset(name, 11, 11))
    program = quantize(model, np.random.default_rng(0).random((40, 20, 11), np.float32), "minmax")
    found = audit(program)
    return found.best, found.window, plan(program).optimal


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    best, window, optimal = made(name)
    assert tuple(getattr(best, f) for f in FIELDS) == SIZES[name], f"{name}: {FIELDS}"
    assert best.activations == best.lower_bound and window.activations == window.lower_bound and optimal
    if name in LIMITS:
        assert best.total - best.records - best.model <= LIMITS[name]


if __name__ == "__main__":
    for each in ("mamba-h8l1", "mamba-h8l1-lean", "mamba-h16l1", "mamba-h16l1-lean", "mamba-h16l2", "mamba-h32l1",
                 "mdcsa-h8l1", "mdcsa-h16l1", "mdcsa-h8l3", "mdcsa-h16l3"):
        print(f"    {each!r}: {tuple(getattr(made(each)[0], f) for f in FIELDS)},")
