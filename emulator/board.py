"""A Program as the firmware that a user would flash, on an emulated core: a backend of `tinyloc.run.Session`.

The image links the runner, the kernels that the Program uses and no others, its image in flash and its arena in RAM; it
starts at reset.  The stack gets what RAM is left, and at least the static bound of the call graph.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from tinyloc.emulator.cortexm import Profile, kernel_folder
from tinyloc.emulator.plan import Plan, plan
from tinyloc.emulator.qemu import machine, placed
from tinyloc.emulator.toolchain import FIRMWARE, Build, Memory, core, link
from tinyloc.errors import ModelError
from tinyloc.image import Image, sources, to_image
from tinyloc.program import Program

RUN, STEPS, RESET, SIGN, HEAR, ANSWER = 1, 2, 3, 4, 5, 6  # what the firmware does when the host asks (firmware/model.c)

NAMES = ("tl_model_rooms", "tl_model_aps")  # of a stream's firmware, which a product prints, and this one does not


class Board:
    """The firmware of `program` on the core `which`, in flash and RAM of `memory`.

    sign: keep room in RAM for signatures, 4 bytes a step (a product has none; without it, `sign` raises ModelError).
    emulator: see `emulator.qemu.machine`.
    stream: tl_model.h and tl_model.c by name (`tinyloc.export.model_sources`), with which the firmware has a stream too.
    Raises ConfigError for a missing toolchain, BudgetError when it does not fit, Fault for what a board would not
    survive, ModelError when the runner refuses the image.
    """

    def __init__(self, program: Program, which: str = "m4", memory: Memory | None = None, compiler: str = "clang",
                 optimize: str = "-O3", layout: Plan | None = None, sign: bool = True, fast: bool = True,
                 emulator: str = "", stream: Mapping[str, str] | None = None) -> None:
        self.program, self.layout = program, layout or plan(program)
        self.x, self.y = (program.buffers[n] for n in (program.input, program.output))
        self.image = Image.parse(to_image(program, self.layout))
        chosen, folder = core(which), kernel_folder()
        with tempfile.TemporaryDirectory() as tmp:
            for name, text in {**sources(self.image, self.layout.arena_bytes), **(stream or {})}.items():
                (Path(tmp) / name).write_text(text, encoding="utf-8")
            kernels = Build(chosen, compiler, optimize, include=(folder,))
            parts = ("FW_SIGN",) * sign + ("FW_STREAM",) * bool(stream)
            own = Build(chosen, compiler, optimize, parts, (Path(tmp), folder, FIRMWARE))
            objects = [*kernels.compile([p for p in sorted(folder.glob("*.c")) if p.name != "ops.c"]),
                       *own.compile([Path(tmp) / n for n in ("tl_image.c", "tl_model.c")[: 1 + bool(stream)]]),
                       *own.compile([FIRMWARE / "model.c"]),
                       *kernels.compile([FIRMWARE / "startup.c", FIRMWARE / "aeabi.c"])]
            memory = placed(memory or Memory(stack=8), chosen, emulator)
            self.elf = link(own, objects, memory, NAMES if stream else (), entry="fw_reset")
        self.signs = sign
        self.machine = machine(chosen, self.elf, memory, fast, emulator)
        self.machine.start()
        if self.machine.status is not None:
            raise ModelError(f"the firmware refuses its image: {self.machine.console.decode(errors='replace')}")
        self._input, self._output = (int.from_bytes(self.machine.read(self.elf.symbol(n), 4), "little")
                                     for n in ("fw_input", "fw_output"))
        self._arena = self.elf.symbol("arena")

    # ---- tinyloc.run.Backend ----

    def reset(self) -> None:
        """State := initial."""
        self._ask(RESET)

    def run(self, x: np.ndarray) -> np.ndarray:
        """One run; a new array of the output's shape."""
        self.machine.write(self._input, x)
        self._ask(RUN)
        return self._read(self._output, self.y.shape, self.y.dtype)

    def run_windows(self, x: np.ndarray) -> np.ndarray:
        """Each window of x (w, ...) from the initial state; the outputs (w, ...)."""
        return self._windows(x, self.run)

    def sign(self, x: np.ndarray) -> np.ndarray:
        """One run from the present state; signatures (steps + 1,) uint32."""
        if not self.signs:
            raise ModelError("this firmware was built without room for signatures")
        self.machine.write(self._input, x)
        self._ask(SIGN)
        return self._read(self.elf.symbol("fw_crcs"), (len(self.program.steps) + 1,), "uint32")

    def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outputs (w, ...) and signatures (w, steps + 1) of windows, each from the initial state."""
        crcs = np.empty((len(x), len(self.program.steps) + 1), np.uint32)
        rows = iter(crcs)

        def one(window: np.ndarray) -> np.ndarray:
            next(rows)[:] = self.sign(window)
            return self._read(self._output, self.y.shape, self.y.dtype)

        return self._windows(x, one), crcs

    def value(self, name: str) -> np.ndarray:
        """Copy of the output or of a state buffer after the last run."""
        b = self.program.buffers[name]
        if b.kind not in ("output", "state"):
            raise ModelError(f"buffer {name!r}: only output and state outlast a run in the arena; ask backend numba")
        return self._read(self._arena + self.layout.offsets[name], b.shape, b.dtype)

    # ---- tl_stream, of a firmware that was built with one ----

    def replay(self, events: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """(tl_answer (n, 8) uint8, instructions (n,)) of a script of events (ms, dbm, ap) of 8 bytes each, of which those
        with ap = 65535 are questions."""
        at, answer = self.elf.symbol("fw_event"), self.elf.symbol("fw_answer")
        found, counts = [], []
        for event in events:
            self.machine.write(at, event)
            asked = int(event["ap"]) == 65535
            before = self.machine.profile() if asked else None
            self._ask(ANSWER if asked else HEAR)
            if before is not None:
                counts.append((self.machine.profile() - before).instructions)
                found.append(self._read(answer, (8,), "uint8"))
        return np.array(found, np.uint8).reshape(-1, 8), counts

    # ---- what only a board can tell ----

    def profile(self, x: np.ndarray) -> tuple[list[Profile], Profile]:
        """Two runs from the present state: what each step's kernel executes, and a whole run, the runner included."""
        self.machine.write(self._input, x)
        self.machine.marks.clear()
        self._ask(STEPS)
        marks = [p for _, p in self.machine.marks]
        kernels = {n: self.elf.reachable(f"tl_step_{n}") for n in self.image.ops}
        steps = [(end - begin).only(kernels[step.op])
                 for begin, end, step in zip(marks[::2], marks[1::2], self.program.steps, strict=True)]
        self.machine.write(self._input, x)
        before = self.machine.profile()
        self._ask(RUN)
        return steps, self.machine.profile() - before

    def sizes(self) -> dict[str, int]:
        """Bytes that the linked image takes: .text, .rodata, .data, .bss, .noinit (the arena), and .stack: the most
        that was touched since reset."""
        return {**{n: s for n, s in self.elf.sizes().items() if n != ".stack"}, ".stack": self.machine.stack_used()}

    @cached_property
    def stack_bound(self) -> int:
        """Static bound of the stack from reset on; interrupts not included."""
        return self.elf.stack_bound("fw_reset")[0]

    def _windows(self, x: np.ndarray, one: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        y = np.empty((len(x), *self.y.shape), self.y.dtype)
        for window, out in zip(x, y, strict=True):
            self.reset()
            out[:] = one(window)
        return y

    def _read(self, address: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        return np.frombuffer(self.machine.read(address, size), dtype).reshape(shape).copy()

    def _ask(self, command: int) -> None:
        self.machine.resume(command)
