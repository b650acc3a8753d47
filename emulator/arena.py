"""Runs a Program inside one byte array at the planned offsets, and proves that the plan holds.

Between two canaries lie the arena's bytes, all poisoned at first.  Each step's arrays are views of them.  After a step,
the bytes of every live buffer that it does not write, and the canaries, must be unchanged; then all that is not live is
poisoned anew, with another pattern each time, so that a read of a dead or never written byte changes the signatures.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tinyloc.emulator.plan import Plan, lifetimes, overlays, plan
from tinyloc.errors import BrokenError, ModelError
from tinyloc.kernels.op import WRITTEN
from tinyloc.kernels.table import OPS
from tinyloc.program import Program, complete

CANARY = 64  # bytes at either end


class ArenaError(BrokenError):
    """A plan that does not hold: `buffer` (or "canary", "gap"), `step`, `address` in bytes from the arena's start."""

    def __init__(self, what: str, buffer: str, step: int, op: str, address: int) -> None:
        self.buffer, self.step, self.address = buffer, step, address
        super().__init__(f"step {step} ({op}) {what} {buffer!r} at byte {address} of the arena")


class Arena:
    """A backend of `tinyloc.run.Session`, for any plan.

    Raises ArenaError where a buffer leaves the arena or is not aligned; running raises it where a step writes what is
    not its own.
    """

    def __init__(self, program: Program, layout: Plan | None = None) -> None:
        self.program, self.layout = program, layout or plan(program)
        self.signed, self.round = complete(program), 0
        size, steps, state = self.layout.arena_bytes, program.steps, list(program.state)
        self.memory = np.zeros(CANARY + size + CANARY, np.uint8)
        self.bytes = self.memory[CANARY : CANARY + size]
        self.written_bytes = np.zeros(size, bool)
        # Lives are taken anew: a plan is judged by the Program, not by what the plan says of itself.
        each = lifetimes(program)
        lives, over = {x.name: x for x in each}, overlays(program, each)
        self.spans: dict[str, slice] = {}
        for n in [*lives, *state]:
            i = lives[n].first if n in lives else 0
            at, b = self.layout.offsets.get(n, -1), program.buffers[n]
            if at < 0 or at + b.nbytes > size:
                raise ArenaError("needs a place outside the arena for", n, i, steps[i].op, at)
            if at % np.dtype(b.dtype).itemsize:
                raise ArenaError("needs an aligned place for", n, i, steps[i].op, at)
            self.spans[n] = slice(at, at + b.nbytes)
        constants = {n: np.ascontiguousarray(d).reshape(-1) for n, d in program.data.items() if n not in state}
        self.calls: list[tuple[Any, list[Any]]] = []
        self.own: list[list[str]] = []  # what a step writes, and what it must keep
        self.kept: list[list[str]] = []
        self.dead = [self._all_but([program.input, *state])]  # before the first step, and after each
        for i, step in enumerate(steps):
            op = OPS[step.op]
            self.calls.append((op.jit, [(constants[a] if a in constants else self._view(a)) if isinstance(a, str) else a
                                        for a in step.args]))
            own = [str(a) for p, a in zip(op.params, step.args, strict=True) if p.role in WRITTEN]
            self.own.append(own)
            self.kept.append([n for n in [*(n for n, x in lives.items() if x.first <= i <= x.last), *state]
                              if n not in own and n not in [over.get(y) for y in own]])
            after = [n for n, x in lives.items() if x.first <= i and (i < x.last or n == program.output)]
            self.dead.append(self._all_but([*after, *state]))
        self.reset()

    @property
    def touched(self) -> int:
        """Bytes of the shared part up to the last one that any run so far wrote or was given."""
        shared = self.written_bytes[: self.layout.peak]
        return int(np.flatnonzero(shared)[-1]) + 1 if shared.any() else 0

    def _view(self, name: str) -> np.ndarray:
        return self.bytes[self.spans[name]].view(self.program.buffers[name].dtype)

    def _all_but(self, names: list[str]) -> np.ndarray:
        mask = np.ones(len(self.bytes), bool)
        for n in names:
            mask[self.spans[n]] = False
        return mask

    def _pattern(self, size: int) -> np.ndarray:
        """Bytes that differ from place to place and from time to time."""
        self.round += 1
        return ((np.arange(size, dtype=np.uint32) * 167 + self.round * 101 + 0x5B) & 0xFF).astype(np.uint8)

    def _poison(self, where: np.ndarray) -> None:
        self.bytes[where] = self._pattern(len(self.bytes))[where]

    def reset(self) -> None:
        """State := initial; all else is poisoned."""
        self.memory[:] = self._pattern(len(self.memory))
        for n in self.program.state:
            self._view(n)[:] = self.program.data[n].reshape(-1)

    def _step(self, i: int) -> None:
        """Runs step i and checks what it wrote."""
        before = self.memory.copy()
        kernel, args = self.calls[i]
        kernel(*args)
        op = self.program.steps[i].op
        changed = np.flatnonzero(self.memory != before) - CANARY
        outside = changed[(changed < 0) | (changed >= len(self.bytes))]
        if len(outside):
            raise ArenaError("overwrites the", "canary", i, op, int(outside[0]))
        own = np.zeros(len(self.bytes), bool)
        # Overlaps are errors even where the bytes happen to be equal, so the step's whole outputs count.
        for n in [*self.own[i], *self.kept[i]]:
            span = self.spans[n]
            if own[span].any():
                raise ArenaError("overwrites the live", n, i, op, span.start + int(own[span].argmax()))
            if n in self.own[i]:
                own[span] = True
        stray = changed[~own[changed]]
        if len(stray):
            hit = next((n for n in self.kept[i] if self.spans[n].start <= stray[0] < self.spans[n].stop), "gap")
            raise ArenaError("overwrites the live", hit, i, op, int(stray[0]))
        self.written_bytes |= own

    def sign(self, x: np.ndarray) -> np.ndarray:
        """One run from the present state; signatures (steps + 1,) uint32."""
        program = self.program
        self._poison(self.dead[0])
        self._view(program.input)[:] = x.reshape(-1)
        self.written_bytes[self.spans[program.input]] = True
        crcs = np.zeros(len(program.steps) + 1, np.uint32)
        for i, step in enumerate(program.steps):
            self._step(i)
            if self.signed[i]:
                crcs[i] = zlib.crc32(self.bytes[self.spans[str(step.args[0])]].tobytes())
            self._poison(self.dead[i + 1])
        crcs[-1] = zlib.crc32(program.pack_state({n: self._view(n) for n in program.state}))
        return crcs

    def run(self, x: np.ndarray) -> np.ndarray:
        """One run from the present state; the output's codes."""
        self.sign(x)
        return self.value(self.program.output)

    def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each window from the initial state; outputs and signatures."""
        ys, crcs = [], []
        for one in x:
            self.reset()
            crcs.append(self.sign(one))
            ys.append(self.value(self.program.output))
        out = self.program.buffers[self.program.output]
        return (np.array(ys, out.dtype).reshape(len(x), *out.shape),
                np.array(crcs, np.uint32).reshape(len(x), len(self.calls) + 1))

    def run_windows(self, x: np.ndarray) -> np.ndarray:
        """Each window from the initial state; outputs."""
        return self.sign_windows(x)[0]

    def value(self, name: str) -> np.ndarray:
        """Copy of a buffer; of the others than output and state only poison is left after a run."""
        b = self.program.buffers[name]
        if b.kind not in ("output", "state"):
            raise ModelError(f"buffer {name!r}: only output and state outlast a run in the arena; ask backend numba")
        return self._view(name).reshape(b.shape).copy()
