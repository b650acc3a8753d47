"""The bits of every kernel by every backend, in numbers: `python benchmarks/exactness.py --help`.

Three comparisons, each over all rows of its table in equal shares (those that write few numbers a case stop after so many
cases, and the others make up for them), on seeded cases, every third one with inputs at the ends of their type:

  kernels   Numba against C: the extension's portable kernels, each level of the host's vector kernels, and kernels/c built
            by each compiler at each --optimize.
  core      Numba against the kernels on an emulated Cortex-M (extra mcu).
  tflm      Numba and C against TensorFlow Lite Micro's kernels (extra tflm).

An element is a number of an output or a state that was compared.  What was compared is kept in --out: a run that was stopped
goes on where it was, and greater numbers add to what is there.  A mismatch ends a comparison with exit code 1 and says how
to make the case again.  Needs the extra test; a comparison whose extra is missing is named and left out, with exit code 1.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

import compilers
from test_kernels import cases, compare, runner

from tinyloc.cli import table
from tinyloc.emulator.toolchain import EMULATED
from tinyloc.errors import ConfigError, TinylocError
from tinyloc.files import write_atomic
from tinyloc.kernels import build_c, jit, simd
from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

Run = Callable[..., Any]
SAVE = 5.0  # seconds between two states of --out
MOST = 20_000  # cases of a row, unless its share takes fewer


@dataclass(frozen=True)
class Part:
    """One comparison: the rows of its table, the columns, and `once`, which compares the unit of a row that a number names
    and returns the elements by column and the number of cases; AssertionError where bits differ."""

    name: str
    rows: Sequence[str]
    columns: Sequence[str]
    once: Callable[[str, int], tuple[Counter[str], int]]
    target: int


def built(compiler: compilers.Compiler, optimize: str, folder: Path) -> Callable[[Op], Run]:
    """Kernels of a compiler by op, with the arguments of `Op.c`."""
    name = f"{compiler.name}{optimize}".replace(" ", "-")
    library = ctypes.CDLL(str(compiler.library(folder / f"{name}.so", optimize)))

    def kernel(op: Op) -> Run:
        function = getattr(library, f"tl_{op.name}")
        function.restype = None
        function.argtypes = [ctypes.c_void_p if p.is_array else ctypes.c_int32 for p in op.params]
        return lambda *args: function(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in args))

    return kernel


def against_numba(columns: dict[str, Callable[[Op], Run]], level: int) -> Callable[[str, int], tuple[Counter[str], int]]:
    """`Part.once` for kernels: all cases of an op and a seed."""

    def copy(args: Args) -> Args:
        return [a.copy() if isinstance(a, np.ndarray) else a for a in args]

    def once(name: str, seed: int) -> tuple[Counter[str], int]:
        op, done, number = OPS[name], Counter[str](), -1
        runs = {column: kernel(op) for column, kernel in columns.items()}
        for number, args in enumerate(cases(op, level, seed)):
            want = copy(args)
            op.jit(*want)
            for column, run in runs.items():
                got = copy(args)
                run(*got)
                done[column] += compare(op, f"{column} against Numba", (level, seed, number), op.written(got),
                                        op.written(want))
        return done, number + 1

    return once


def kernels(target: int, level: int, optimize: Sequence[str], folder: Path) -> Part:
    columns: dict[str, Callable[[Op], Run]] = {"C": lambda op: op.c}
    columns |= {n: lambda op, n=n: runner(op, n) for n in simd.levels()[1:]}  # type: ignore[misc]
    columns |= {f"{c.name} {o}": built(c, o, folder) for c in compilers.compilers() for o in optimize}
    return Part("kernels", list(OPS), list(columns), against_numba(columns, level), target)


def core(target: int, level: int, which: str, compiler: str = "clang", optimize: str = "-O3") -> Part:
    from tinyloc.emulator.cortexm import Kernels

    k = Kernels(which, compiler, optimize)
    column = f"cortex-{which}, {compiler} {optimize}"

    def kernel(op: Op) -> Run:
        return lambda *args: k.call(op, list(args))

    return Part("core", list(OPS), [column], against_numba({column: kernel}, level), target)


def tflm(target: int) -> Part:
    from test_tflm import JUDGED, judge

    columns = ["Numba", "C"]

    def once(name: str, number: int) -> tuple[Counter[str], int]:
        return Counter(dict.fromkeys(columns, judge(name, number)[0])), 1

    return Part("tflm", list(JUDGED), columns, once, target)


def identity(level: int) -> dict[str, Any]:
    """What has to be the same for elements to be added up."""
    return {"C": build_c.c_digest(), "Numba": jit.digest(sorted(jit.HERE.glob("*.py"))), "level": level}


class State:
    """The next number of each row, its cases and its elements by column, in a file."""

    def __init__(self, path: Path, who: dict[str, Any]) -> None:
        self.path, self.who, self.rows, self._saved = path, who, {}, time.monotonic()
        if path.exists():
            try:
                found = json.loads(path.read_text())
                self.rows, of = found["rows"], found["of"]
            except (ValueError, KeyError, TypeError):
                raise ConfigError(f"{path}: no results of this command; expected its JSON") from None
            if of != who:
                raise ConfigError(f"{path}: of other kernels or another --level; delete it, or name another file by --out")

    def row(self, part: Part, name: str) -> dict[str, Any]:
        """The row's `next` and its `elements` by those columns that the part has now; anew where a column is new."""
        key = f"{part.name}: {name}: {', '.join(part.columns)}"
        return self.rows.setdefault(key, {  # type: ignore[no-any-return]
            "next": 0, "cases": 0, "elements": dict.fromkeys(part.columns, 0)})

    def save(self, now: bool = False) -> None:
        if now or time.monotonic() - self._saved > SAVE:
            write_atomic(self.path, json.dumps({"of": self.who, "rows": self.rows}, indent=1))
            self._saved = time.monotonic()


def compared(part: Part, state: State, say: Callable[[str], None]) -> None:
    """Goes on with each row until it has its share, and then until all have; raises AssertionError at a mismatch."""
    rows = {name: state.row(part, name) for name in part.rows}

    def elements(*names: str) -> int:
        return sum(min(rows[name]["elements"].values()) for name in names)

    def more(name: str) -> None:
        made, cases = part.once(name, rows[name]["next"])
        for column, n in made.items():
            rows[name]["elements"][column] += n
        rows[name]["next"] += 1
        rows[name]["cases"] += cases
        state.save()

    share = -(-part.target // len(rows))
    for name in rows:
        while elements(name) < share and rows[name]["cases"] < MOST:
            more(name)
        say(f"{part.name}: {name}: {elements(name):,} elements, {rows[name]['cases']:,} cases")
    full = [name for name in rows if elements(name) >= share] or list(rows)
    while elements(*rows) < part.target:  # the one that has the fewest goes on
        more(min(full, key=elements))
    state.save(True)


def report(part: Part, state: State) -> str:
    rows = [[part.name, *part.columns]]
    sums: Counter[str] = Counter()
    for name in part.rows:
        elements = state.row(part, name)["elements"]
        sums.update(elements)
        rows.append([name, *(f"{elements[c]:,}" for c in part.columns)])
    return table([*rows, ["all", *(f"{sums[c]:,}" for c in part.columns)]]) + "\n0 mismatches"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=float, default=1e8, metavar="N", help="elements of Numba against C, 0: none [1e8]")
    parser.add_argument("--core", type=float, default=1e7, metavar="N", help="elements on the emulated core, 0: none [1e7]")
    parser.add_argument("--tflm", type=float, default=2e7, metavar="N", help="elements against TFLM, 0: none [2e7]")
    parser.add_argument("--which", default="m4", choices=EMULATED, help="the emulated core [m4]")
    parser.add_argument("--optimize", nargs="*", default=["-O3"], help="of each compiler's build [-O3]")
    parser.add_argument("--level", type=int, default=2, help="of the ops' cases: 1 has fewer and smaller ones [2]")
    parser.add_argument("--out", type=Path, default=Path("build/exactness.json"), help="[build/exactness.json]")
    a = parser.parse_args(argv)
    failed = False
    try:
        state = State(a.out, identity(a.level))
        with tempfile.TemporaryDirectory() as folder:
            makers: dict[str, Callable[[int], Part]] = {
                "kernels": lambda n: kernels(n, a.level, a.optimize, Path(folder)),
                "core": lambda n: core(n, a.level, a.which), "tflm": tflm}
            for name, make in makers.items():
                target = int(getattr(a, name))
                if not target:
                    continue
                try:
                    part = make(target)
                except (ImportError, ConfigError) as e:
                    print(f"{name}: left out: {e}", file=sys.stderr)
                    failed = True
                    continue
                try:
                    compared(part, state, lambda text: print(text, file=sys.stderr, flush=True))
                    print(report(part, state), flush=True)
                except AssertionError as e:
                    state.save(True)
                    print(f"{name}: MISMATCH: {e}", flush=True)
                    failed = True
    except TinylocError as e:
        parser.error(str(e))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
