"""Instructions and estimated cycles of every kernel on emulated cores: `python benchmarks/bench_cortexm.py --help`.

Each op is measured at its case with the most work.  Work is the product of the op's sizes (t m n d e k c): products for
the matrix kernels, elements for the others.  Instructions are counted; cycles are an estimate (its source is printed).
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np

from tinyloc.emulator.cortexm import Kernels
from tinyloc.emulator.cycles import timing
from tinyloc.emulator.toolchain import EMULATED, compilers
from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

SIZES = tuple("tmndekc")


def sizes(op: Op, args: Args) -> dict[str, int]:
    """The dimensions among an op's arguments."""
    return {p.name: int(a) for p, a in zip(op.params, args, strict=True) if p.role == "int" and p.name in SIZES}


def largest(op: Op) -> Args:
    """The case with the most work."""
    return max(op.cases(np.random.default_rng(0), 1), key=lambda a: math.prod(sizes(op, a).values()))


def measure(k: Kernels, op: Op) -> dict[str, Any]:
    """One row of the table."""
    args = op.prepare(largest(op))
    shape = sizes(op, args)
    work = math.prod(shape.values())
    call = k.call(op, args)
    return {"core": k.core, "compiler": k.compiler, "optimize": k.optimize, "op": op.name,
            "shape": " ".join(f"{n}={v}" for n, v in shape.items()), "work": work, "instructions": call.instructions,
            "per_work": call.instructions / work, "cycles_per_work": call.profile.cycles(k.core) / work,
            "stack": call.stack, "stack_bound": k.stack_bound(op)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--core", default="m4,m0plus", help=f"of {', '.join(EMULATED)} (default: %(default)s)")
    parser.add_argument("--compiler", default=",".join(compilers()), help="clang, gcc (default: those present)")
    parser.add_argument("--optimize", default="-O3")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of tables")
    options = parser.parse_args()
    rows = []
    for core in options.core.split(","):
        for compiler in options.compiler.split(","):
            k = Kernels(core, compiler, options.optimize)
            rows += [measure(k, op) for op in OPS.values()]
            if not options.json:
                print(f"\nCortex-{core.upper()}, {compiler} {options.optimize}: {k.elf.section_bytes('.text')} bytes "
                      f"of .text; cycles are an estimate by {timing(core).source}")
                print(f"{'op':20} {'shape':24} {'instructions':>12} {'a work':>8} {'~cycles':>8} {'stack':>6} "
                      f"{'bound':>6}")
                for r in rows[-len(OPS):]:
                    print(f"{r['op']:20} {r['shape']:24} {r['instructions']:12} {r['per_work']:8.2f} "
                          f"{r['cycles_per_work']:8.2f} {r['stack']:6} {r['stack_bound']:6}")
    if options.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
