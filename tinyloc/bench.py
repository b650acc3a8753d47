"""What a Program costs on an emulated core: instructions (counted, exact), cycles, time and energy (estimated)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyloc.emulator.mcu import Mcu
from tinyloc.emulator.toolchain import Memory
from tinyloc.errors import ConfigError
from tinyloc.program import Program

if TYPE_CHECKING:
    from tinyloc.quantize import Tensors


def can_count() -> bool:
    """Whether the extra `mcu` is there, which counts instructions and bounds the stack."""
    from importlib.util import find_spec

    return all(find_spec(m) for m in ("unicorn", "ziglang", "elftools", "capstone"))


@dataclass(frozen=True)
class Cost:
    """Of one step, or of a run.

    instructions: counted.  cycles: estimated from them.  seconds: cycles at the MCU's greatest clock.  joules: from its
    datasheet's current; both None without an MCU, or where its row lacks the figure.
    """

    op: str
    buffer: str
    instructions: int
    cycles: int
    seconds: float | None
    joules: float | None


@dataclass(frozen=True)
class Benchmark:
    """A run's costs: `steps` in order, `total` with the runner's own share, which `steps` lack.

    samples: time steps a run; timing: where the cycles come from; energy: where the current comes from.
    """

    core: str
    compiler: str
    optimize: str
    samples: int
    steps: tuple[Cost, ...]
    total: Cost
    timing: str
    energy: str | None

    def by_op(self) -> dict[str, Cost]:
        """Sums over the steps of each op, the most instructions first; "runner" is what no step takes."""
        sums: dict[str, list[Cost]] = {}
        for c in self.steps:
            sums.setdefault(c.op, []).append(c)
        rest = [self.total, *(_negative(c) for c in self.steps)]
        added = {op: _sum(op, costs) for op, costs in sums.items()} | {"runner": _sum("runner", rest)}
        return dict(sorted(added.items(), key=lambda item: -item[1].instructions))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"core": self.core, "compiler": self.compiler, "optimize": self.optimize, "samples": self.samples,
                "timing": self.timing, "energy": self.energy, "total": vars(self.total),
                "by_op": {k: vars(v) for k, v in self.by_op().items()}, "steps": [vars(c) for c in self.steps]}


def _negative(c: Cost) -> Cost:
    return Cost(c.op, c.buffer, -c.instructions, -c.cycles, None if c.seconds is None else -c.seconds,
                None if c.joules is None else -c.joules)


def _sum(op: str, costs: list[Cost]) -> Cost:
    def add(values: list[float | None]) -> float | None:
        return None if None in values else float(sum(v for v in values if v is not None))

    return Cost(op, "", sum(c.instructions for c in costs), sum(c.cycles for c in costs), add([c.seconds for c in costs]),
                add([c.joules for c in costs]))


def core_of(mcu: Mcu) -> str:
    """The emulated core of a microcontroller.  Raises ConfigError when it has none."""
    from tinyloc.emulator.toolchain import CORES

    name = mcu.core.removeprefix("cortex-")
    name = {"m0": "m0plus", "m4f": "m4", "m33f": "m33", "m55f": "m55"}.get(name, name)
    if name not in CORES:
        why = f" ({mcu.no_build})" if mcu.no_build else ""
        raise ConfigError(f"{mcu.name} has the core {mcu.core}{why}; expected one that is emulated: cortex-"
                          + ", cortex-".join(CORES))
    return name


def check_core(mcu: Mcu | None, core: str | None) -> None:
    """Raises ConfigError for a core beside a microcontroller that has another one: one of the two would be ignored."""
    from tinyloc.emulator.toolchain import core as find

    if mcu and core:
        try:
            own = core_of(mcu)
        except ConfigError:  # none that is emulated
            own = ""
        if find(core).name != own:
            raise ConfigError(f"--core {core} beside --mcu {mcu.name}, whose core is {mcu.core}; expected one of the two "
                              "options")


def memory_of(mcu: Mcu | None, ram: int | None, flash: int | None) -> Memory:
    """Flash and RAM for the emulator: the budget's, generous where nothing limits them; the least stack is measured."""
    whole = Memory()
    ram = ram if ram is not None else mcu.ram_bytes if mcu else whole.ram
    flash = flash if flash is not None else (mcu.flash_bytes if mcu else None) or whole.flash
    label = f" of {mcu.name}" if mcu else ""
    return Memory(flash=flash, ram=ram, stack=8, names=(f"flash{label}", f"RAM{label}"))


def bench(program: Program, core: str, mcu: Mcu | None = None, *, compiler: str = "clang", optimize: str = "-O3"
          ) -> Benchmark:
    """Counts one run of the firmware of `program`, packed for the core; the same for every input, as a test asserts.

    Raises ConfigError for a core without a timing table, and without the toolchain (it says which extra installs it).
    """
    from tinyloc.emulator.board import Board
    from tinyloc.emulator.cycles import timing
    from tinyloc.emulator.toolchain import core as find
    from tinyloc.pack import pack_for

    which = find(core).name
    table = timing(which)  # before anything is built
    packed = pack_for(program, which)
    board = Board(packed, which, compiler=compiler, optimize=optimize)
    b = program.buffers[program.input]
    steps, whole = board.profile(np.zeros(b.shape, b.dtype))
    active = mcu.active if mcu else None
    per_cycle = None  # joules
    if active and active.clock_hz and active.volts:
        per_cycle = active.amps * active.volts / active.clock_hz

    def cost(op: str, buffer: str, profile: Any) -> Cost:
        cycles = int(profile.cycles(which))
        return Cost(op, buffer, int(profile.instructions), cycles, cycles / mcu.clock_hz if mcu else None,
                    cycles * per_cycle if per_cycle is not None else None)

    return Benchmark(
        f"cortex-{which}", compiler, optimize, program.steps_of_time,
        tuple(cost(s.op, str(s.args[0]), p) for s, p in zip(packed.steps, steps, strict=True)),
        cost("run", packed.output, whole), table.source, active.source if per_cycle is not None and active else None)


def macs(graph: Tensors) -> int:
    """Multiply-accumulates of one window: each weight of a linear layer and of a convolution once an output row, m n k of a
    product of activations, and three a state and step of a scan (decay, input, output).  All else counts nothing."""
    total = 0
    for node in graph.nodes:
        t, d = graph.values[node.out].shape[1:]
        if node.kind in ("linear", "conv1d", "depthwise_conv1d"):
            total += t * node.params["weight"].size
        elif node.kind == "matmul":
            total += t * d * graph.values[node.inputs[0]].shape[2]
        elif node.kind == "attention":
            query, key = (graph.values[n].shape[1:] for n in node.inputs[:2])
            total += t * key[0] * (query[1] + d)
        elif node.kind == "selective_scan":
            total += 3 * t * d * graph.values[node.inputs[2]].shape[2]
    return total


def _answers(program: Program) -> np.ndarray:
    """Events for `Board.replay`: a packet and a question a row, until a window is full."""
    from tinyloc.stream import Config

    rows = program.steps_of_time + 1
    events = np.zeros(2 * rows, [("ms", "<u4"), ("dbm", "<i2"), ("ap", "<u2")])
    events["ms"] = np.arange(rows).repeat(2) * (Config.of(program.info).period or 1000)
    events["dbm"], events["ap"][1::2] = -60, 65535
    return events


@dataclass(frozen=True)
class Measured:
    """What the linked image really takes, in bytes.

    sections: .text, .rodata, .data, .bss, .noinit (the arena).  stack: the most that was touched; stack_bound: the
    static bound from the call graph, without interrupts.  ram: .data + .bss + .noinit, to a multiple of 8
    as the procedure call standard wants of the stack's top, and the stack's bound; flash: .text + .rodata + .data.
    """

    core: str
    sections: dict[str, int]
    stack: int
    stack_bound: int

    @property
    def ram(self) -> int:
        static = sum(self.sections.get(s, 0) for s in (".data", ".bss", ".noinit"))
        return -(-static // 8) * 8 + self.stack_bound

    @property
    def flash(self) -> int:
        return sum(self.sections.get(s, 0) for s in (".text", ".rodata", ".data"))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**vars(self), "ram": self.ram, "flash": self.flash}


def measure(program: Program, core: str, memory: Memory, x: np.ndarray, *, compiler: str = "clang", optimize: str = "-O3",
            model_alone: bool = False) -> Measured:
    """Links the firmware of `program` (packed for the core) into exactly `memory` and runs the windows x inside it.

    The firmware is what an export's README builds: with `tl_stream`, the input's constants and the names, where the Program
    has them (`verify.beside`), and is then asked for answers too; model_alone: without.
    Raises BudgetError when it does not fit, Fault for whatever a board would not survive.
    """
    from tinyloc.emulator.board import Board
    from tinyloc.emulator.toolchain import core as find
    from tinyloc.export import model_sources
    from tinyloc.pack import pack_for
    from tinyloc.verify import beside

    which = find(core).name
    packed = pack_for(program, which)
    stream = None if model_alone or beside(packed) is None else model_sources(packed)
    board = Board(packed, which, memory, compiler, optimize, sign=False, stream=stream)
    board.run_windows(x)
    if stream:
        board.replay(_answers(packed))
    sizes = board.sizes()
    return Measured(f"cortex-{which}", {k: v for k, v in sizes.items() if k != ".stack"}, sizes[".stack"],
                    board.stack_bound)
