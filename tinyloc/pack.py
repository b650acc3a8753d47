"""A Program for one kind of core: steps replaced by faster ones of the same bits.

Packing is a transformation from Program to Program, so that everything else (plan, arena, image, backends, audit) reads
the packed one like any other; its kernels have portable C too, and run anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinyloc.kernels.table import OPS, PACKERS
from tinyloc.program import CONSTANT, Buffer, Program, Step, add_constant


@dataclass
class _Packer:
    """See `tinyloc.kernels.op.Packer`."""

    program: Program
    buffers: dict[str, Buffer]
    contents: dict[str, np.ndarray]
    steps: list[Step] = field(default_factory=list)

    def data(self, name: str) -> np.ndarray:
        return self.contents[name]

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        return add_constant(self.buffers, self.contents, name, data, kind)

    def scratch(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        self.buffers[name] = Buffer(name, shape, dtype, "scratch")
        return name

    def step(self, op: str, **args: Any) -> None:
        self.steps.append(Step(op, tuple(args[p.name] for p in OPS[op].params)))


def pack(program: Program) -> Program:
    """The Program for cores with the DSP extension (Cortex-M4, M7, M33), equal in every bit of every step.

    A step stays as it is where a faster one would not be exact or would save nothing.
    """
    p = _Packer(program, dict(program.buffers), dict(program.data))
    for step in program.steps:
        named = dict(zip((q.name for q in OPS[step.op].params), step.args, strict=True))
        if step.op not in PACKERS or not PACKERS[step.op](p, named):
            p.steps.append(step)
        if p.steps[-1].args[0] != step.args[0]:
            raise ValueError(f"{step.op}: packed into steps that do not write {step.args[0]!r}")
    if len(p.steps) != len(program.steps):
        raise ValueError("packing must replace a step by one step, or signatures could not be compared")
    used = {a for s in p.steps for a in s.args}
    buffers = {n: b for n, b in p.buffers.items() if n in used or b.kind not in (*CONSTANT, "scratch")}
    return replace(program, buffers=buffers, steps=tuple(p.steps),
                   data={n: d for n, d in p.contents.items() if n in buffers}, info={**program.info, "packed": "dsp"})


def pack_for(program: Program, core: str) -> Program:
    """`pack` where the core has the DSP extension and no MVE, whose kernels take weights as they are; else the Program.

    Raises ConfigError for an unknown core.
    """
    return pack(program) if packs(core) else program


def packs(core: str) -> bool:
    """Whether `pack_for` packs for that core.  Raises ConfigError for an unknown one."""
    from tinyloc.emulator.toolchain import core as find

    which = find(core)
    return which.dsp and not which.mve
