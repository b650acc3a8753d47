"""The figures that firmware is judged by, measured in the product's own image: `python benchmarks/firmware.py`.

Instructions are counted on an emulated core, and exact; bytes are those of the linked image.  A target is what the project
set itself; `--cmsis-nn PATH` (a checkout of CMSIS-NN) adds its kernels, compiled and run in the same way.
MAC: see `shapes.macs`; consecutive linear layers are counted as they run, folded into one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cmsis_nn
import numpy as np
import shapes

from tinyloc.bench import Measured, measure
from tinyloc.emulator.board import Board
from tinyloc.emulator.toolchain import EMULATED, Memory, compiler_version, compilers
from tinyloc.emulator.toolchain import core as find
from tinyloc.errors import ConfigError
from tinyloc.kernels.table import OPS
from tinyloc.model import Config, preset
from tinyloc.pack import pack_for
from tinyloc.program import Program
from tinyloc.quantize import build
from tinyloc.run import Numba
from tinyloc.verify import memory

WINDOWS = {"mamba-h8l1": 4.0, "mamba-h16l1": 3.0, "mdcsa-h16l1": 2.5}  # instructions / MAC, Cortex-M4
LINEAR = {"int8": ("linear 64x64", 1.20), "int4": ("linear 64x64, weights of four bits", 1.35)}  # the same
ELEMENTWISE = {"softmax": 20.0, "add": 20.0, "mul": 12.0}  # instructions an element
RAM = {"mamba-h8l1": 1536, "mdcsa-h16l1": 6144}  # bytes
TEXT = 12 << 10
# The keyword spotter of MambaLite-Micro: 100 frames (we take 40 bands and 12 words; they decide neither of the figures).
KEYWORDS = Config("mamba", aps=40, classes=12, d=64, n=16, k=4, expand=2)


@dataclass(frozen=True)
class Row:
    """A figure, its unit, and the most that it may be (None: no target)."""

    what: str
    reached: float
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.reached <= self.target


@dataclass(frozen=True)
class Bench:
    """One compiler, one optimization."""

    compiler: str
    optimize: str

    def board(self, program: Program, core: str) -> Board:
        return Board(pack_for(program, core), core, compiler=self.compiler, optimize=self.optimize, sign=False)

    def counts(self, program: Program, core: str) -> tuple[list[int], int]:
        """Instructions of each step, and of a whole run."""
        b = program.buffers[program.input]
        steps, whole = self.board(program, core).profile(np.zeros(b.shape, b.dtype))
        return [p.instructions for p in steps], whole.instructions

    def kernels(self, core: str, targets: bool) -> Iterator[Row]:
        """One layer in an image of its own, and the elementwise ops per element."""
        work = shapes.WINDOW * 64 * 64
        for weights, (what, limit) in LINEAR.items():
            program = shapes.linear(weights=weights)
            steps, whole = self.counts(program, core)
            note = f"the whole run; the step alone {steps[0] / work:.3f}"
            if weights == "int4":
                note += f", {self.counts(shapes.one_scale(program), core)[0][0] / work:.3f} where all rows share a scale"
            yield Row(f"{what}, {core}", whole / work, "instructions / MAC", limit if targets else None, note)
        for kind, limit in ELEMENTWISE.items():
            program = shapes.elementwise(kind)
            steps, _ = self.counts(program, core)
            yield Row(f"{kind} of {shapes.WINDOW} x 64, {core}", steps[-1] / program.buffers[program.output].size,
                      "instructions / element", limit if targets else None)

    def windows(self, core: str, targets: bool) -> Iterator[Row]:
        """A whole window of each preset, runner included; with decays of its own for every state too, without a target."""
        for name, decay in shapes.variants():
            graph = shapes.tensors(preset(name, shapes.APS, shapes.ROOMS))
            program = shapes.program(name, decay=decay)
            work = shapes.macs(graph)
            whole = self.counts(program, core)[1]
            paper = shapes.macs(shapes.tensors(preset(name, shapes.APS, shapes.ROOMS), folded=False))
            notes = [f"{whole} instructions, {work} MAC"]
            if paper != work:
                notes.append(f"{whole / paper:.2f} by the {paper} of the paper's layers")
            if program.can_stream:
                one = self.counts(program.retime(1), core)[1]
                notes.append(f"sample by sample {one * shapes.WINDOW / work:.2f}")
            target = WINDOWS.get(name) if targets and decay != "free" else None
            yield Row(f"window of {shapes.WINDOW}, {label(name, decay)}, {core}", whole / work, "instructions / MAC", target,
                      "; ".join(notes))

    def ram(self, core: str) -> Iterator[Row]:
        """RAM of the image with weights in flash, the stack's static bound included."""
        for name, target in RAM.items():
            program = shapes.program(name)
            program = program.retime(1) if program.can_stream else program
            m = self.measured(program, core)
            arena = m.sections.get(".noinit", 0)
            yield Row(f"RAM, {name}, {core}", m.ram, "bytes", target,
                      f"arena {arena}, runner {m.ram - arena - m.stack_bound}, stack {m.stack_bound} (bound; touched "
                      f"{m.stack}); {program.steps_of_time} samples a run")

    def text(self, core: str) -> Iterator[Row]:
        """Code of an image (start-up, runner, the kernels that it uses), by each compiler; the greatest of each family."""
        for compiler in compilers():
            for optimize in dict.fromkeys((self.optimize, "-Os")):
                found: dict[str, tuple[int, str]] = {}
                for name, decay in shapes.variants():
                    size = Bench(compiler, optimize).board(shapes.program(name, decay=decay), core).sizes()[".text"]
                    family = name.split("-")[0]
                    found[family] = max(found.get(family, (0, "")), (size, label(name, decay)))
                for family, (size, name) in found.items():
                    yield Row(f".text, {family}, {core}, {compiler} {optimize}", size, "bytes",
                              TEXT if optimize == "-O3" else None, f"the greatest: {name}")

    def stacks(self) -> Iterator[Row]:
        """Each preset on each core: the stack's touched bytes against its bound, and every step against the host."""
        for core in EMULATED:
            worst, different = (0.0, ""), []
            for name, decay in shapes.variants():
                program = pack_for(shapes.program(name, decay=decay), core)
                b = program.buffers[program.input]
                x = np.random.default_rng(3).integers(-128, 128, (3, *b.shape)).astype(b.dtype)
                board = Board(program, core, compiler=self.compiler, optimize=self.optimize)
                host = Numba(program)
                (y, crcs), (want_y, want) = board.sign_windows(x), host.sign_windows(x)
                if (crcs != want).any() or (y != want_y).any():
                    different.append(label(name, decay))
                used, bound = board.sizes()[".stack"], board.stack_bound
                worst = max(worst, (used / bound, f"{used} of {bound} bytes ({name})"))
            yield Row(f"stack touched / bound, {core}", worst[0], "ratio", 1.0, f"the greatest: {worst[1]}")
            yield Row(f"presets that differ from the host, {core}", len(different), "presets", 0,
                      "; ".join(different) or f"{len(list(shapes.variants()))} Programs, 3 windows, every step")

    def measured(self, program: Program, core: str) -> Measured:
        b = program.buffers[program.input]
        x = np.random.default_rng(3).integers(-128, 128, (3, *b.shape)).astype(b.dtype)
        return measure(program, core, Memory(stack=8), x, compiler=self.compiler, optimize=self.optimize, model_alone=True)

    def matrices(self, core: str) -> Iterator[Row]:
        """Every linear layer and product of activations that is 8x8 or larger."""
        found: dict[tuple[str, str], float] = {}
        for program in shapes.programs():
            steps, _ = self.counts(program, core)
            for step, count in zip(program.steps, steps, strict=True):
                args = dict(zip((p.name for p in OPS[step.op].params), step.args, strict=True))
                sizes = {k: int(args[k]) for k in ("m", "t", "n", "k") if isinstance(args.get(k), int)}
                if step.op in cmsis_nn.MATRICES and min(sizes["n"], sizes["k"]) >= cmsis_nn.LEAST:
                    label = " ".join(f"{k}={v}" for k, v in sizes.items())
                    found[step.op, label] = count / float(np.prod(list(sizes.values())))
        for (op, label), value in sorted(found.items()):
            yield Row(f"{op} {label}, {core}", value, "instructions / MAC")

    def peers(self, root: Path, core: str) -> Iterator[Row]:
        """The same against CMSIS-NN."""
        for r in cmsis_nn.compare(root, core, self.compiler, self.optimize):
            bits = "the same bits" if r.equal else "OTHER BITS"
            yield Row(f"{r.op} {r.shape} / CMSIS-NN, {core}", r.ratio, "ratio", 0.5 if r.matrix else None,
                      f"{r.ours:.2f} and {r.theirs:.2f} instructions / {r.unit}; {bits}")


def label(name: str, decay: str) -> str:
    return name + (", free decays" if decay == "free" else "")


def memories() -> Iterator[Row]:
    """Arenas: the planner's, before any image."""
    keywords = build(shapes.tensors(KEYWORDS, 100), "minmax")
    for t, limit in ((10, 12 << 10), (1, 6 << 10)):
        m = memory(keywords.retime(t))
        yield Row(f"keyword Mamba, 100 steps, {t} a run", m.activations + m.state, "bytes", limit,
                  f"activations {m.activations}, state {m.state}; float, MambaLite-Micro: 285432")
    for inner in (64, 128):
        m = memory(shapes.transformer(inner=inner))
        yield Row(f"transformer layer T=32 d=32, feed-forward {inner}", m.activations + m.state, "bytes", 7 << 10,
                  "one head, four projections; TensorFlow Lite Micro's least arena: 20984")


def rows(bench: Bench, cores: list[str], checkout: Path | None) -> Iterator[Row]:
    """The table, in order; targets are those of the Cortex-M4."""
    for core in cores:
        targets = find(core).name == "m4"
        yield from bench.kernels(core, targets)
        yield from bench.windows(core, targets)
        if targets:
            yield from bench.ram(core)
            yield from bench.text(core)
            yield from bench.peers(checkout, core) if checkout else bench.matrices(core)
    yield from bench.stacks()
    yield from memories()


def line(r: Row) -> str:
    """One row of the table."""
    def number(v: float) -> str:
        return f"{v:.0f}" if float(v).is_integer() else f"{v:.3f}"

    verdict = {None: "", True: "yes", False: "NO"}[r.met]
    target = "" if r.target is None else f"<= {number(r.target)}"
    return f"{r.what:46} {target:>9} {number(r.reached):>9} {verdict:3}  {r.unit:22}  {r.note}".rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--core", default="m4,m0plus", help=f"of {', '.join(EMULATED)} (default: %(default)s)")
    parser.add_argument("--compiler", default="clang", help="clang, gcc (default: clang; sizes by all present)")
    parser.add_argument("--optimize", default="-O3")
    parser.add_argument("--cmsis-nn", type=Path, metavar="PATH", help="a checkout of CMSIS-NN to measure beside ours")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of tables")
    options = parser.parse_args(arguments)
    compilers_asked, cores = options.compiler.split(","), options.core.split(",")
    try:  # before a minute of measuring
        for name in compilers_asked:
            compiler_version(name)
        for name in cores:
            if find(name).unicorn is None:
                raise ConfigError(f"{name} is not emulated; expected {', '.join(EMULATED)}")
        if options.cmsis_nn:
            cmsis_nn.sources(options.cmsis_nn)
    except ConfigError as e:
        parser.error(str(e))
    found = []
    for compiler in compilers_asked:
        if not options.json:
            print(f"\n{compiler_version(compiler)}, {options.optimize}\n{'':46} {'target':>9} {'reached':>9}", flush=True)
        for r in rows(Bench(compiler, options.optimize), cores, options.cmsis_nn):
            found.append({"compiler": compiler, "optimize": options.optimize, **asdict(r), "met": r.met})
            if not options.json:
                print(line(r), flush=True)
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
