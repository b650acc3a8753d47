"""CMSIS-NN's kernels beside ours, on an emulated core: `python benchmarks/cmsis_nn.py PATH` (a checkout of CMSIS-NN).

Every step of the presets that CMSIS-NN has a kernel for is run in the product's own image, and by CMSIS-NN on the same
integers, compiled by the same compiler with the same optimization.  Both follow the rescaling of TensorFlow Lite Micro, so
their outputs must be equal in every bit; that is checked too.  Instructions are counted, and exact.

What favors CMSIS-NN: its caller's work (filling structures, transposing the right factor of a product) is not counted,
while ours is counted with the call from the runner.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapes

from tinyloc.emulator.board import Board
from tinyloc.emulator.cortexm import Kernels
from tinyloc.emulator.toolchain import EMULATED, compilers
from tinyloc.errors import ConfigError
from tinyloc.kernels.elementwise import ADD_SHIFT
from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.softmax import exponentials, parameters
from tinyloc.kernels.table import OPS
from tinyloc.pack import pack_for
from tinyloc.program import Buffer, Program, Step
from tinyloc.run import Numba

LEAST = 8  # smaller matrices are listed, but not held against the target

_PRODUCT = "n:int k:int y_zp:int:any "
_SPECS = {
    "arm_fully_connected_s8": "y:out:int8:t*n x:in:int8:t*k w:weight:int8:n*k bias:weight:int32:n t:int " + _PRODUCT
                              + "mult:int:any shift:int:any",
    "arm_fully_connected_per_channel_s8": "y:out:int8:t*n x:in:int8:t*k w:weight:int8:n*k bias:weight:int32:n "
                                          "mult:weight:int32:n shift:weight:int32:n t:int " + _PRODUCT.strip(),
    "arm_fully_connected_s4": "y:out:int8:t*n x:in:int8:2*t*row w:weight:int8:n*row bias:weight:int32:n t:int n:int row:int "
                              "y_zp:int:any mult:int:any shift:int:any",
    "arm_batch_matmul_s8": "y:out:int8:m*n a:in:int8:m*k b:in:int8:n*k m:int n:int k:int a_zp:int:any b_zp:int:any "
                           "y_zp:int:any mult:int:any shift:int:any",
    "arm_softmax_s8": "y:out:int8:t*n x:in:int8:t*n t:int n:int mult:int:any shift:int:any diff_min:int:any",
    "arm_elementwise_add_s8": "y:out:int8:size a:in:int8:size b:in:int8:size size:int a_zp:int:any b_zp:int:any "
                              "y_zp:int:any a_mult:int:any a_shift:int:any b_mult:int:any b_shift:int:any "
                              "left_shift:int:any mult:int:any shift:int:any",
    "arm_elementwise_mul_s8": "y:out:int8:size a:in:int8:size b:in:int8:size size:int a_zp:int:any b_zp:int:any "
                              "y_zp:int:any mult:int:any shift:int:any",
}


def _unused(*_: Any) -> Any:
    raise NotImplementedError("CMSIS-NN has no mirror here")


THEIRS = {name: Op(name, spec, _unused, _unused, _unused, (), "") for name, spec in _SPECS.items()}


@dataclass(frozen=True)
class Work:
    """A step as CMSIS-NN would do it: its functions' calls in order; `size` products or elements."""

    calls: tuple[tuple[str, Args], ...]
    shape: str
    size: int
    unit: str
    matrix: bool = False  # at least LEAST x LEAST


class _Values:
    """A step's arguments by name: numbers, and the content of buffers after a run."""

    def __init__(self, program: Program, step: Step, arrays: Mapping[str, np.ndarray]) -> None:
        self.names = dict(zip((p.name for p in OPS[step.op].params), step.args, strict=True))
        self.program, self.arrays = program, arrays

    def __getitem__(self, name: str) -> Any:
        value = self.names[name]
        return self.arrays[value].copy() if isinstance(value, str) else value

    def buffer(self, name: str) -> Buffer:
        return self.program.buffers[str(self.names[name])]


def _linear(v: _Values) -> Work:
    t, n, k = v["t"], v["n"], v["k"]
    bias = np.ascontiguousarray(np.broadcast_to(v["bias"], n))
    y = np.zeros(t * n, np.int8)
    if v["mult_step"]:
        call = "arm_fully_connected_per_channel_s8", [y, v["x"], v["w"], bias, v["mult"], v["shift"].astype(np.int32), t, n,
                                                      k, v["y_zp"]]
    else:
        call = "arm_fully_connected_s8", [y, v["x"], v["w"], bias, t, n, k, v["y_zp"], int(v["mult"][0]), int(v["shift"][0])]
    return Work((call,), f"{t} x {n}x{k}", t * n * k, "MAC", min(n, k) >= LEAST)


def _linear_w4(v: _Values) -> Work:
    """CMSIS-NN's rows share one multiplier, and those of an odd k do not end with a byte."""
    t, n, k = v["t"], v["n"], v["k"]
    if k % 2 or v["mult_step"]:
        raise ConfigError(f"linear_w4_s8 {n}x{k}: expected an even k and a multiplier for all rows, as CMSIS-NN has them")
    bias = np.ascontiguousarray(np.broadcast_to(v["bias"], n))
    call = "arm_fully_connected_s4", [np.zeros(t * n, np.int8), v["x"], v["w"], bias, t, n, v["row"], v["y_zp"],
                                      int(v["mult"][0]), int(v["shift"][0])]
    return Work((call,), f"{t} x {n}x{k}", t * n * k, "MAC", min(n, k) >= LEAST)


def _product(a: np.ndarray, b: np.ndarray, m: int, n: int, k: int, zps: tuple[int, int, int], mult: int, shift: int
             ) -> tuple[str, Args]:
    return "arm_batch_matmul_s8", [np.zeros(m * n, np.int8), a, b, m, n, k, *zps, mult, shift]


def _matmul(v: _Values) -> Work:
    m, n, k = v["m"], v["n"], v["k"]
    b = v["b"] if v["b_k"] == 1 else np.ascontiguousarray(v["b"].reshape(k, n).T).reshape(-1)
    call = _product(v["a"], b, m, n, k, (v["a_zp"], v["b_zp"], v["y_zp"]), v["mult"], v["shift"])
    return Work((call,), f"{m}x{n}x{k}", m * n * k, "MAC", min(m, n, k) >= LEAST)


def _attention(v: _Values) -> Work:
    """CMSIS-NN has no attention: product, softmax, product.  The scores' scale follows from the product's rescaling."""
    m, n, d, width = (v[name] for name in ("m", "n", "d", "width"))
    scale = v.buffer("q").scale * v.buffer("k").scale * d**-0.5 / np.ldexp(v["s_mult"], v["s_shift"] - 31)
    if not np.array_equal(exponentials(scale), v["table"]):
        raise ConfigError(f"attention of scores with scale {scale}: the step has another table of exponentials")
    scores = _product(v["q"], v["k"], m, n, d, (v["q_zp"], v["k_zp"], v["s_zp"]), v["s_mult"], v["s_shift"])
    weights = np.zeros(m * n, np.int8)
    values = np.ascontiguousarray(v["v"].reshape(n, width).T).reshape(-1)
    mixed = _product(weights, values, m, width, n, (-128, v["v_zp"], v["y_zp"]), v["mult"], v["shift"])
    softmax: tuple[str, Args] = ("arm_softmax_s8", [weights, scores[1][0], m, n, *parameters(scale)])
    return Work((scores, softmax, mixed), f"{m}x{n}x{d}+{width}", m * n * (d + width), "MAC")


def _softmax(v: _Values) -> Work:
    t, n = v.buffer("x").shape
    call = "arm_softmax_s8", [np.zeros(t * n, np.int8), v["x"], t, n, *parameters(v.buffer("x").scale)]
    return Work((call,), f"{t} x {n}", t * n, "element")


def _elementwise(name: str, *extra: str) -> Callable[[_Values], Work]:
    def made(v: _Values) -> Work:
        size = v["t"] * v["d"]
        numbers = [ADD_SHIFT if n == "left_shift" else v[n] for n in ("a_zp", "b_zp", "y_zp", *extra, "mult", "shift")]
        return Work(((name, [np.zeros(size, np.int8), v["a"], v["b"], size, *numbers]),), str(size), size, "element")

    return made


MATRICES = ("linear_s8", "linear_w4_s8", "matmul_s8")  # the ops whose work is products

# Our ops that CMSIS-NN has a counterpart of.
PEERS: dict[str, Callable[[_Values], Work]] = {
    "linear_s8": _linear,
    "linear_w4_s8": _linear_w4,
    "matmul_s8": _matmul,
    "attention_s8": _attention,
    "softmax_s8": _softmax,
    "add_s8": _elementwise("arm_elementwise_add_s8", "a_mult", "a_shift", "b_mult", "b_shift", "left_shift"),
    "mul_s8": _elementwise("arm_elementwise_mul_s8"),
}


def sources(root: Path) -> list[Path]:
    """The C files of the checkout that the kernels need.  Raises ConfigError when it is none."""
    folders = ("FullyConnectedFunctions", "SoftmaxFunctions", "BasicMathFunctions", "NNSupportFunctions")
    if not (root / "Include" / "arm_nnfunctions.h").is_file():
        raise ConfigError(f"{root}: expected a checkout of CMSIS-NN; it has no Include/arm_nnfunctions.h")
    found = [p for f in folders for p in sorted((root / "Source" / f).glob("*_s[48].c"))]
    return [Path(__file__).with_suffix(".c"), *(p for p in found if "lstm" not in p.name and "svdf" not in p.name)]


# CMSIS-NN reads and writes words by memcpy and expects it inline; in a freestanding build it would be a call, which would
# be unfair.  Nothing else of string.h is used.
STRING_H = """#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
#define memcpy __builtin_memcpy
#define memmove __builtin_memmove
#define memset __builtin_memset
"""


class CmsisNN:
    """CMSIS-NN of the checkout `root`, compiled for a core.  Raises ConfigError where it does not compile."""

    def __init__(self, root: Path, core: str, compiler: str, optimize: str = "-O3") -> None:
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp) / "string.h").write_text(STRING_H)
            include = root.resolve() / "Include"
            self.kernels = Kernels(core, compiler, optimize, [p.resolve() for p in sources(root)],
                                   [Path(tmp), include, include / "Internal"])

    def run(self, calls: tuple[tuple[str, Args], ...]) -> int:
        """Makes the calls, whose outputs arrive in their first arguments; their instructions, the harness excluded."""
        total = 0
        for name, args in calls:
            op = THEIRS[name]
            call = self.kernels.call(op, args)
            total += call.profile.only(self.kernels.elf.reachable(name)).instructions
        return total


@dataclass(frozen=True)
class Row:
    """One step, by both.  equal: the outputs agree in every bit."""

    core: str
    compiler: str
    optimize: str
    op: str
    shape: str
    unit: str
    matrix: bool
    ours: float  # instructions a unit
    theirs: float
    equal: bool

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def compare(root: Path, core: str = "m4", compiler: str = "clang", optimize: str = "-O3") -> list[Row]:
    """A row for each op and shape.  Raises ConfigError for a checkout that is none, AssertionError where our own firmware
    differs from the host."""
    theirs = CmsisNN(root, core, compiler, optimize)
    rows: dict[tuple[str, ...], Row] = {}
    for program in shapes.programs():
        packed = pack_for(program, core)
        board, host = Board(packed, core, compiler=compiler, optimize=optimize), Numba(program)
        b = program.buffers[program.input]
        x = np.random.default_rng(2).integers(-128, 128, b.shape).astype(b.dtype)
        host.reset()
        want = host.sign(x)
        np.testing.assert_array_equal(board.sign(x), want, "the firmware's signatures")
        board.reset()
        profiles, _ = board.profile(x)
        for step, profile in zip(program.steps, profiles, strict=True):
            if step.op not in PEERS:
                continue
            values = _Values(program, step, host.arrays)
            work = PEERS[step.op](values)
            key = (step.op, *(name for name, _ in work.calls), work.shape)
            if key in rows:
                continue
            count = theirs.run(work.calls)
            equal = bool((work.calls[-1][1][0] == values[next(iter(values.names))]).all())
            rows[key] = Row(core, compiler, optimize, step.op, work.shape, work.unit, work.matrix,
                            profile.instructions / work.size, count / work.size, equal)
    return sorted(rows.values(), key=lambda r: (r.op, r.shape))


def table(rows: list[Row]) -> str:
    """Aligned text."""
    lines = [f"{'op':12} {'shape':14} {'unit':8} {'tinyloc':>8} {'CMSIS-NN':>9} {'ratio':>6}  same bits"]
    lines += [f"{r.op:12} {r.shape:14} {r.unit:8} {r.ours:8.2f} {r.theirs:9.2f} {r.ratio:6.2f}  {'yes' if r.equal else 'NO'}"
              for r in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path, help="a checkout of https://github.com/ARM-software/CMSIS-NN")
    parser.add_argument("--core", default="m4", help=f"of {', '.join(EMULATED)} (default: %(default)s)")
    parser.add_argument("--compiler", default=",".join(compilers()), help="clang, gcc (default: those present)")
    parser.add_argument("--optimize", default="-O3")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of tables")
    options = parser.parse_args(arguments)
    try:
        sources(options.path)
    except ConfigError as e:
        parser.error(str(e))
    rows: list[Row] = []
    for core in options.core.split(","):
        for compiler in options.compiler.split(","):
            found = compare(options.path, core, compiler, options.optimize)
            rows += found
            if not options.json:
                print(f"\nCortex-{core.upper()}, {compiler} {options.optimize}: instructions a unit\n{table(found)}")
    if options.json:
        print(json.dumps([{**vars(r), "ratio": r.ratio} for r in rows], indent=1))
    if not all(r.equal for r in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
