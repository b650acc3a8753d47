"""Instructions -> *estimated* cycles.  Instructions are counted and exact; cycles are a model of the pipeline.

estimate = sum over executed instructions of the core's table + what each taken branch costs beyond it.  Flash wait
states, bus contention, address-dependency stalls and the M7's dual issue are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.emulator.elf import Elf, Instruction
from tinyloc.errors import ConfigError

_LOADS = ("ldr", "ldrb", "ldrh", "ldrsb", "ldrsh")
_STORES = ("str", "strb", "strh")
_MULTIPLE = ("ldm", "ldmia", "ldmdb", "stm", "stmia", "stmdb", "push", "pop", "vpush", "vpop", "vldmia", "vstmia")
_MULTIPLY = ("smull", "umull", "smlal", "umlal", "umaal", "smlalbb", "smlald")


@dataclass(frozen=True)
class Timing:
    """Cycles of each instruction of a core.

    load_after_memory: a load right behind another load or store costs this (they pipeline); taken: beyond a branch's
    own cycle when it is taken; call: the same for BL; long_multiply, accumulate_long: 32 x 32 -> 64 bits.
    """

    core: str
    source: str
    load: int = 2
    load_after_memory: int = 1
    store: int = 1
    double: int = 3
    taken: int = 2
    call: int = 2
    pop_pc: int = 2
    mla: int = 1
    long_multiply: int = 1
    accumulate_long: int = 1
    divide: int = 7

    def cycles(self, x: Instruction, before: Instruction | None) -> int:
        """Cycles of `x` with no branch taken; `before` is the instruction in front of it."""
        base = x.base
        if base in _LOADS:
            behind = before is not None and before.base in (*_LOADS, *_STORES)
            return self.load_after_memory if behind else self.load
        if base in _STORES:
            return self.store
        if base in ("ldrd", "strd"):
            return self.double
        if base in _MULTIPLE:
            return 1 + x.registers
        if base in ("mla", "mls"):
            return self.mla
        if base in _MULTIPLY:
            return self.accumulate_long if base not in ("smull", "umull") else self.long_multiply
        if base in ("sdiv", "udiv"):
            return self.divide
        if base in ("vdiv", "vsqrt"):
            return 14
        if base in ("vmla", "vfma", "vfms", "vmls"):
            return 3
        if base in ("tbb", "tbh"):
            return 2
        return 1

    def penalty(self, x: Instruction) -> int:
        """Cycles beyond `cycles` when control leaves behind `x`."""
        if x.base in ("bl", "blx"):
            return self.call
        if x.base in ("pop", "ldm", "ldmia") and "pc" in x.operands:
            return self.pop_pc
        return self.taken


_M4 = "Arm 100166 (Cortex-M4 TRM), table 3-1; a taken branch refills in 1 to 3 cycles, 2 assumed"

TIMINGS = {t.core: t for t in (
    Timing("m0plus", "Arm DDI 0484 (Cortex-M0+ TRM), table 3-1, with the single-cycle multiplier", load_after_memory=2,
           store=2, taken=1, call=2, pop_pc=2),
    Timing("m3", "Arm DDI 0337 (Cortex-M3 TRM), table 18-1; long multiplies depend on data there, their worst case is "
           "assumed; a taken branch refills in 1 to 3 cycles, 2 assumed", mla=2, long_multiply=5, accumulate_long=7),
    Timing("m4", _M4),
    Timing("m7", f"the M4's table ({_M4}): Arm publishes none for the M7, which issues up to two instructions a cycle"),
    Timing("m33", f"the M4's table ({_M4}): Arm publishes none for the M33"),
)}


def timing(core: str) -> Timing:
    """The table of a core; raises ConfigError where there is none."""
    if core not in TIMINGS:
        raise ConfigError(f"there is no timing table for cortex-{core}, by which instructions become cycles; expected "
                          f"cortex-{', cortex-'.join(TIMINGS)} (its bits are compared by `tinyloc verify --backend "
                          f"cortex-{core}`)")
    return TIMINGS[core]


def estimate(elf: Elf, executed: np.ndarray, taken: np.ndarray, table: Timing) -> np.ndarray:
    """Estimated cycles of each instruction of `elf` (n,), from how often it was executed and how often control left
    behind it (n,)."""
    if table not in elf.costs:
        elf.costs[table] = _costs(elf.instructions, table)
    cost, leave = elf.costs[table]
    return np.asarray(executed * cost + taken * leave)


def _costs(code: Sequence[Instruction], table: Timing) -> tuple[np.ndarray, np.ndarray]:
    cost = [table.cycles(x, before if before is not None and before.end == x.address else None)
            for before, x in zip([None, *code[:-1]], code, strict=True)]
    return np.array(cost, np.int64), np.array([table.penalty(x) for x in code], np.int64)
