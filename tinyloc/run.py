"""Executes a Program on a backend: integer codes in, integer codes out, and a signature of every step.

A signature is one CRC-32 (zlib's) a step, of the bytes of the step's output, and one of the state after the last step.
A step whose output is not complete yet (the next step that touches the buffer writes to it again) has signature 0.
Two backends that agree in all signatures agree in all bits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tinyloc.emulator.toolchain import CORES
from tinyloc.errors import ConfigError, ModelError, unknown
from tinyloc.program import Buffer, Program, Step, complete

if TYPE_CHECKING:
    from tinyloc.data import Windows


class Backend(Protocol):
    """What a backend must do.  `x` is a C-ordered window of the input's dtype, in the shape that the Program has."""

    def reset(self) -> None:
        """State := initial."""

    def run(self, x: np.ndarray) -> np.ndarray:
        """One run; a new array of the output's shape."""

    def run_windows(self, x: np.ndarray) -> np.ndarray:
        """Each window of x (w, ...) from the initial state; the outputs (w, ...)."""

    def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, with signatures (w, steps + 1) uint32."""

    def sign(self, x: np.ndarray) -> np.ndarray:
        """One run from the present state; signatures (steps + 1,) uint32."""

    def value(self, name: str) -> np.ndarray:
        """Copy of a buffer after the last run."""


class Numba:
    """The kernels of `Op.jit`, each buffer an array of its own."""

    def __init__(self, program: Program) -> None:
        from tinyloc.kernels.table import OPS

        self.program = program
        self.arrays = {n: np.array(program.data[n]).reshape(-1) if n in program.data else np.zeros(b.size, b.dtype)
                       for n, b in program.buffers.items()}
        self.input, self.output = self.arrays[program.input], self.arrays[program.output]
        self.state = [(self.arrays[n], program.data[n].reshape(-1)) for n in program.state]
        self.calls: list[tuple[Callable[..., None], list[Any]]] = [
            (OPS[s.op].jit, [self.arrays[a] if isinstance(a, str) else a for a in s.args]) for s in program.steps]
        self.signed = complete(program)

    def reset(self) -> None:
        for array, initial in self.state:
            array[:] = initial

    def run(self, x: np.ndarray) -> np.ndarray:
        self.input[:] = x.reshape(-1)
        for kernel, args in self.calls:
            kernel(*args)
        return self.output.reshape(self.program.buffers[self.program.output].shape).copy()

    def run_windows(self, x: np.ndarray) -> np.ndarray:
        y = np.empty((len(x), *self.program.buffers[self.program.output].shape), self.output.dtype)
        for one, out in zip(x, y, strict=True):
            self.reset()
            out[:] = self.run(one)
        return y

    def sign(self, x: np.ndarray) -> np.ndarray:
        self.input[:] = x.reshape(-1)
        crcs = np.zeros(len(self.calls) + 1, np.uint32)
        for i, (kernel, args) in enumerate(self.calls):
            kernel(*args)
            if self.signed[i]:
                crcs[i] = zlib.crc32(args[0])
        crcs[-1] = zlib.crc32(self.program.pack_state(self.arrays))
        return crcs

    def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = np.empty((len(x), *self.program.buffers[self.program.output].shape), self.output.dtype)
        crcs = np.empty((len(x), len(self.calls) + 1), np.uint32)
        for i, one in enumerate(x):
            self.reset()
            crcs[i] = self.sign(one)
            y[i] = self.output.reshape(y.shape[1:])
        return y, crcs

    def value(self, name: str) -> np.ndarray:
        return self.arrays[name].reshape(self.program.buffers[name].shape).copy()


class Steps:
    """The host's C kernels, step by step, each buffer at a place of its own, so that all of them can be read after a run.

    What runs is what `C` runs, without the image and the planned arena, and without a Program's checks: buffers, steps and
    data that run once, such as those of a step of quantization-aware training, are not worth these.
    """

    def __init__(self, buffers: Mapping[str, Buffer], steps: Sequence[Step], data: Mapping[str, np.ndarray]) -> None:
        from tinyloc.kernels import simd
        from tinyloc.kernels._c import ffi
        from tinyloc.kernels.table import NUMBERS, OPS

        self._buffers = buffers
        order = ("state", "input", "activation", "output", "scratch")  # what starts anew, what is kept, what is not
        self._places, ends = {}, dict.fromkeys(order, 0)
        end = 0
        for kind in order:
            for b in buffers.values():
                if b.kind == kind:
                    self._places[b.name] = end
                    end += -(-b.nbytes // 8) * 8
            ends[kind] = end
        self._memory, self._kept = np.zeros(end, np.uint8), ends["output"]
        for b in buffers.values():
            if b.kind == "state":
                self._view(self._memory, b.name)[:] = data[b.name]
        self._start = self._memory[: ends["state"]].copy()
        kernels = simd.kernels(simd.level())
        self._arrays: list[Any] = []  # their memory is what the calls point to
        self._calls: list[tuple[Callable[[Any], None], Any]] = []
        for step in steps:
            call = ffi.new("tl_arg[]", len(step.args))
            for slot, p, a in zip(call, OPS[step.op].params, step.args, strict=True):
                if not isinstance(a, str):
                    slot.i = a
                    continue
                array = self._view(self._memory, a) if a in self._places else np.ascontiguousarray(data[a])
                self._arrays.append(ffi.from_buffer(f"{p.dtype}_t[]", array))
                slot.p = self._arrays[-1]
            self._calls.append((kernels[NUMBERS[step.op]].run, call))

    def _view(self, memory: np.ndarray, name: str) -> np.ndarray:
        b, at = self._buffers[name], self._places[name]
        return memory[..., at : at + b.nbytes].view(b.dtype).reshape(*memory.shape[:-1], *b.shape)

    def run_windows(self, x: np.ndarray, begun: Mapping[str, np.ndarray] | None = None) -> Callable[[str], np.ndarray]:
        """Runs each window of x (w, ...) from the initial state, in which the buffers that `begun` names have its codes
        (w, ...); the codes (w, ...) of any buffer by its name, of states those after the window."""
        memory, start, kept = self._memory, self._start, np.empty((len(x), self._kept), np.uint8)
        others = [(self._view(memory, name), codes) for name, codes in (begun or {}).items()]
        into = self._view(memory, next(b.name for b in self._buffers.values() if b.kind == "input"))
        for i, (one, after) in enumerate(zip(x, kept, strict=True)):
            memory[: len(start)] = start
            for state, codes in others:
                state[:] = codes[i]
            into[:] = one
            for kernel, call in self._calls:
                kernel(call)
            after[:] = memory[: len(after)]
        return lambda name: self._view(kept, name)


class C:
    """The C runner on the Program's image, in one arena of exactly the planned size."""

    def __init__(self, program: Program) -> None:
        from tinyloc.emulator.plan import plan
        from tinyloc.image import to_image
        from tinyloc.kernels import simd
        from tinyloc.kernels._c import ffi, lib
        from tinyloc.kernels.table import ABI

        if lib.TL_ABI != ABI:
            raise ModelError(f"the C kernels have ABI {lib.TL_ABI:#010x}, the op table {ABI:#010x}: set TL_ABI in "
                             "kernels/c/tinyloc.h and rebuild the extension (python -m tinyloc.kernels.encode)")
        self.program, self.plan, self.image = program, plan(program), to_image(program)
        self.x, self.y = (program.buffers[n] for n in (program.input, program.output))
        self.arena = np.zeros(self.plan.arena_bytes, np.uint8)
        self._ffi, self._lib, self._model = ffi, lib, ffi.new("tl_model *")
        self._keep = [ffi.from_buffer(self.image), ffi.from_buffer("uint8_t[]", self.arena, True)]
        image, arena = self._keep
        error = lib.tl_open(self._model, image, len(self.image), arena, len(self.arena),
                            simd.kernels(simd.level()))
        if error:
            raise ModelError(f"the C runner refuses the image: {ffi.string(lib.tl_error_text(error)).decode()}")
        self._input, self._output = self._view(self.program.input), self._view(self.program.output)

    def _view(self, name: str) -> np.ndarray:
        """A buffer where it lies in the arena."""
        b, at = self.program.buffers[name], self.plan.offsets[name]
        return self.arena[at : at + b.nbytes].view(b.dtype).reshape(b.shape)

    def reset(self) -> None:
        self._lib.tl_reset(self._model)

    def run(self, x: np.ndarray) -> np.ndarray:
        self._input[:] = x
        self._lib.tl_run(self._model)
        return self._output.copy()

    def sign(self, x: np.ndarray) -> np.ndarray:
        self._input[:] = x
        crcs = np.empty(len(self.program.steps) + 1, np.uint32)
        self._lib.tl_sign(self._model, self._ffi.from_buffer("uint32_t[]", crcs, True))
        return crcs

    def _windows(self, x: np.ndarray, crcs: np.ndarray | None) -> np.ndarray:
        y = np.empty((len(x), *self.y.shape), self.y.dtype)
        if len(x):
            out = self._ffi.NULL if crcs is None else self._ffi.from_buffer("uint32_t[]", crcs, True)
            self._lib.tl_run_windows(
                self._model, self._ffi.from_buffer("uint8_t[]", x.view(np.uint8).reshape(-1)), self.x.nbytes,
                self._ffi.from_buffer("uint8_t[]", y.view(np.uint8).reshape(-1), True), self.y.nbytes, out, len(x))
        return y

    def run_windows(self, x: np.ndarray) -> np.ndarray:
        return self._windows(x, None)

    def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        crcs = np.empty((len(x), len(self.program.steps) + 1), np.uint32)
        return self._windows(x, crcs), crcs

    def value(self, name: str) -> np.ndarray:
        b = self.program.buffers[name]
        if b.kind not in ("output", "state"):
            raise ModelError(f"buffer {name!r}: only output and state outlast a run in the arena; ask backend numba")
        return self._view(name).copy()


def _arena(program: Program) -> Backend:
    from tinyloc.emulator.arena import Arena

    return Arena(program)


def _board(which: str) -> Callable[[Program], Backend]:
    def backend(program: Program) -> Backend:
        from tinyloc.emulator.board import Board
        from tinyloc.pack import pack_for

        return Board(pack_for(program, which), which)

    return backend


# "arena" (tinyloc.emulator.arena) proves the memory plan as it runs, and is slow.  "cortex-m4" and the like
# (tinyloc.emulator.board) are the firmware on an emulated core, packed for it: step for step the same outputs.
BACKENDS: dict[str, Callable[[Program], Backend]] = {
    "numba": Numba, "c": C, "arena": _arena, **{f"cortex-{which}": _board(which) for which in CORES}}


class Session:
    """A Program on a backend, with its state between runs.

    Raises ConfigError for an unknown backend, ModelError for input of another shape or type than the Program's.
    """

    def __init__(self, program: Program, backend: str = "numba") -> None:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
        self.program, self.name = program, backend
        self.backend = BACKENDS[backend](program)
        self._backends = [self.backend]  # one a thread
        b = program.buffers[program.input]
        self._dtype, self._shape = np.dtype(b.dtype), b.shape

    def _checked(self, x: np.ndarray, windows: bool = False) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype != self._dtype or (x.shape[1:] if windows else x.shape) != self._shape:
            b = self.program.buffers[self.program.input]
            expected = f"({'windows, ' if windows else ''}{', '.join(map(str, b.shape))})"
            raise ModelError(f"input {self.program.input!r}: expected {b.dtype} {expected}, got {x.dtype} {x.shape}")
        return x if x.flags.c_contiguous else np.ascontiguousarray(x)

    def reset(self) -> None:
        """The state becomes the initial one; a new Session has it already."""
        self.backend.reset()

    def run(self, x: np.ndarray) -> np.ndarray:
        """Output codes of one run on input codes x, both in the Program's shapes; the state goes on."""
        return self.backend.run(self._checked(x))

    def run_windows(self, x: np.ndarray, threads: int = 1) -> np.ndarray:
        """Output codes (w, ...) of windows x (w, ...), each from the initial state.

        threads: shares of the windows run side by side, each on a backend of its own.  Only "c" runs outside Python's lock,
        so only there it saves time.  Raises ConfigError for less than 1.
        """
        if threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {threads}")
        x = self._checked(x, True)
        shares = min(threads, len(x))
        if shares < 2:
            return self.backend.run_windows(x)
        while len(self._backends) < shares:
            self._backends.append(BACKENDS[self.name](self.program))
        with ThreadPoolExecutor(shares) as pool:
            return np.concatenate(list(pool.map(lambda b, part: b.run_windows(np.ascontiguousarray(part)), self._backends,
                                                np.array_split(x, shares))))

    def run_stream(self, x: np.ndarray) -> np.ndarray:
        """Output codes of a sequence x (rows, ...) of any length that is a multiple of the run's; the state goes on."""
        t = self.program.steps_of_time
        if len(x) % t:
            raise ModelError(f"input {self.program.input!r}: {len(x)} rows are no multiple of the run's {t}")
        return np.concatenate([self.run(x[i : i + t]) for i in range(0, len(x), t)])

    def signature(self, x: np.ndarray) -> np.ndarray:
        """(steps + 1,) uint32: one CRC-32 a step of one run, and the state's; the state goes on."""
        return self.backend.sign(self._checked(x))

    def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output codes (w, ...) and signatures (w, steps + 1) of windows x (w, ...), each from the initial state."""
        return self.backend.sign_windows(self._checked(x, True))

    def value(self, name: str) -> np.ndarray:
        """Copy of the buffer `name` after the last run.  Raises ModelError when there is none, or no longer."""
        if name not in self.program.buffers:
            raise ModelError(f"no buffer {name!r} in the Program")
        return self.backend.value(name)


def answers(program: Program, w: Windows, backend: str = "c") -> np.ndarray:
    """(w, columns) what the Program puts out about the row of each window, as firmware runs it: sample by sample, the state
    carried on through each recording, where it can; else a window a row, each from the initial state."""
    codes = program.buffers[program.input].quantize

    @cache  # one for all recordings, and none where there are windows: a board's is a firmware that has to be built
    def session() -> Session:
        return Session(program.retime(1), backend)

    def of_recording(x: np.ndarray) -> np.ndarray:
        session().reset()
        return session().run_stream(codes(x))

    return w.said(program.carries, of_recording, lambda x: Session(program, backend).run_windows(codes(x))[:, -1])


def labels(program: Program, w: Windows, backend: str = "c") -> np.ndarray:
    """(w,) the rooms of `answers`."""
    return answers(program, w, backend)[:, 0].astype(np.int64)
