"""The two verdicts about a Program: whether backends agree in every bit, and what memory it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.program import Program

MODEL_BYTES = 20  # the runner's tl_model on a 32-bit core: four pointers, one half-word, two bytes
STREAM_BYTES, HEARD_BYTES = 44, 8  # likewise a tl_stream, and a tl_heard of each input
SCALER_BYTES, CONFIG_BYTES, POINTER_BYTES = 24, 14, 4  # a tl_scaler without its tables, a tl_stream_config, a name's pointer
BATCH = 4096  # windows signed at a time
LIMITS = {"arena": 64}  # backends that run the first few windows only: what the arena proves does not depend on data


@dataclass(frozen=True)
class Difference:
    """The first window in which a backend differs, and the first step there: its op, its output (or "state")."""

    window: int
    step: int
    op: str
    buffer: str

    def __str__(self) -> str:
        return f"differs first in window {self.window}, step {self.step} ({self.op}), buffer {self.buffer!r}"


@dataclass(frozen=True)
class Comparison:
    """Signatures of backends compared with the first one's.

    reference: the first backend; windows: how many each of the others was compared on; differences: what each differs
    in, None where nothing does; outputs: codes (w, ...) of the first backend.
    """

    reference: str
    windows: Mapping[str, int]
    differences: Mapping[str, Difference | None]
    outputs: np.ndarray

    @property
    def equal(self) -> bool:
        """Whether all backends agree in all bits."""
        return not any(self.differences.values())

    def summary(self) -> str:
        """One line."""
        if self.equal:
            shown = (f"{n} ({w} windows)" for n, w in self.windows.items())
            return " = ".join((self.reference, *shown)) + ", bit for bit"
        return "; ".join(f"{n} {d}" for n, d in self.differences.items() if d)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without the outputs."""
        return {"equal": self.equal, "reference": self.reference,
                "backends": {n: {"windows": self.windows[n], "difference": asdict(d) if d else None}
                             for n, d in self.differences.items()}}


def compare(program: Program, x: np.ndarray, backends: Sequence[str] = ("numba", "c", "arena")) -> Comparison:
    """Runs windows x (w, ...) of input codes, each from the initial state, and compares every step's signature.

    Raises ModelError without a window, and what `Session` raises; ConfigError for an unknown backend.
    """
    from tinyloc.run import Session

    sessions = {n: Session(program, n) for n in dict.fromkeys(backends)}
    if not len(x) or len(sessions) < 2:
        raise ModelError(f"nothing to compare: expected at least one window and two backends, got {len(x)} and "
                         f"{', '.join(sessions) or 'none'}")
    reference, *others = sessions
    differences: dict[str, Difference | None] = dict.fromkeys(others)
    compared = dict.fromkeys(others, 0)
    outputs = []
    for start in range(0, len(x), BATCH):
        part = x[start : start + BATCH]
        y, crcs = sessions[reference].sign_windows(part)
        outputs.append(y)
        for name in others:
            if differences[name]:
                continue
            n = min(len(part), LIMITS.get(name, len(x)) - start)
            if n <= 0:
                continue
            compared[name] += n
            other_y, other = sessions[name].sign_windows(part[:n])
            # The output's bytes are compared themselves: a signature is 32 bits of them.
            wrong = np.column_stack([crcs[:n] != other, (y[:n] != other_y).reshape(n, -1).any(1)])
            if wrong.any():
                window = int(wrong.any(1).argmax())
                step = min(int(wrong[window].argmax()), len(program.steps))
                op, buffer = ("run", "state") if step == len(program.steps) else (
                    program.steps[step].op, str(program.steps[step].args[0]))
                differences[name] = Difference(start + window, step, op, buffer)
    return Comparison(reference, compared, differences, np.concatenate(outputs))


@dataclass(frozen=True)
class Memory:
    """Bytes that a Program takes on a device, code apart.

    steps_of_time: samples a run; weights and tables: constants; records: all else in the image (header, sections,
    steps, initial state, alignment); state; activations: peak of inputs, outputs, activations and scratch; lower_bound:
    no plan needs less for them; model: the runner's own variables; stack: greatest depth, None until it was measured.
    """

    steps_of_time: int
    weights: int
    tables: int
    records: int
    state: int
    activations: int
    lower_bound: int
    model: int = MODEL_BYTES
    stack: int | None = None

    @property
    def image(self) -> int:
        """Bytes of the image: flash, or RAM where all is in RAM."""
        return self.weights + self.tables + self.records

    @property
    def ram(self) -> int:
        """Bytes of RAM while the image stays in flash."""
        return self.state + self.activations + self.model + (self.stack or 0)

    @property
    def total(self) -> int:
        """Bytes with everything in RAM."""
        return self.image + self.ram

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "image": self.image, "ram": self.ram, "total": self.total}


def memory(program: Program, layout: Any = None) -> Memory:
    """What `program` takes in the plan `layout` (default: the planner's).  Raises ModelError if it makes no image."""
    from tinyloc.emulator.plan import plan
    from tinyloc.image import to_image

    layout = layout or plan(program)
    used = {a for s in program.steps for a in s.args if isinstance(a, str)}
    constant = {kind: sum(program.buffers[n].nbytes for n in used if program.buffers[n].kind == kind)
                for kind in ("weight", "table")}
    return Memory(
        steps_of_time=program.steps_of_time, weights=constant["weight"], tables=constant["table"],
        records=len(to_image(program, layout)) - sum(constant.values()), state=layout.state_bytes,
        activations=layout.peak, lower_bound=layout.lower_bound)


@dataclass(frozen=True)
class Beside:
    """Bytes that `tl_stream` takes beside a Program that runs as it is, code apart.

    RAM: heard, what was last heard of each input; window, of a model that runs a window at once; stream, its own variables.
    Flash: scaler, the input's constants and what the stream has to know of the model; names, of rooms and inputs.
    """

    heard: int
    window: int
    stream: int
    scaler: int
    names: int

    @property
    def ram(self) -> int:
        """Bytes of RAM."""
        return self.heard + self.window + self.stream

    @property
    def flash(self) -> int:
        """Bytes of flash."""
        return self.scaler + self.names

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "ram": self.ram, "flash": self.flash}


def beside(program: Program) -> Beside | None:
    """What `tl_stream` takes beside `program` as it is; None where it lacks what a stream needs."""
    from tinyloc.scaling import constants_of
    from tinyloc.stream import streams

    info = program.info
    if not streams(program) or any(k not in info for k in ("rooms", "aps", "scaler")):
        return None
    try:
        constants = constants_of(program)
    except ModelError:
        return None
    names = [str(n).encode() for n in (*info["aps"], *info["rooms"])]
    return Beside(HEARD_BYTES * constants.count, program.steps_of_time * constants.count if program.steps_of_time > 1 else 0,
                  STREAM_BYTES, SCALER_BYTES + CONFIG_BYTES + constants.nbytes,
                  sum(POINTER_BYTES + len(n) + 1 for n in names))


def needs(m: Memory, stream: Beside | None = None) -> dict[str, int]:
    """Bytes without code and stack: `ram` with the image in flash, `all_in_ram`, and `flash`; of the model alone, or with
    its stream."""
    ram, flash = (stream.ram, stream.flash) if stream else (0, 0)
    return {"ram": m.ram + ram, "all_in_ram": m.total + ram + flash, "flash": m.image + flash}


def fits(m: Memory, ram: int, flash: int | None = None, stream: Beside | None = None) -> dict[str, int]:
    """Bytes to spare of what it `needs`, negative if there are too few."""
    limits = {"ram": ram, "all_in_ram": ram, "flash": flash}
    return {k: limit - n for k, n in needs(m, stream).items() if (limit := limits[k]) is not None}


@dataclass(frozen=True)
class Audit:
    """Memory for a window at once, and sample by sample where the model streams (the same bits, usually less RAM)."""

    window: Memory
    stream: Memory | None

    @property
    def best(self) -> Memory:
        """The one that takes less RAM."""
        return min((m for m in (self.window, self.stream) if m), key=lambda m: m.ram)

    @property
    def streams(self) -> bool:
        """Whether sample by sample takes less RAM than a window at once."""
        return self.best is self.stream

    def _repr_html_(self) -> str:
        from tinyloc.display import of_audit

        return of_audit(self)

    def summary(self) -> str:
        """One line."""
        m = self.best
        how = "sample by sample" if self.streams else f"{m.steps_of_time} samples at once"
        return (f"RAM {m.ram} B ({m.activations} activations, {m.state} state, {m.model} runner), flash {m.image} B "
                f"({m.weights} weights, {m.tables} tables, {m.records} steps), {m.total} B with all in RAM, {how}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"window": self.window.to_dict(), "stream": self.stream and self.stream.to_dict(),
                "best": "stream" if self.streams else "window"}


def audit(program: Program) -> Audit:
    """Memory of a Program both ways of running it."""
    return Audit(memory(program), memory(program.retime(1)) if program.can_stream else None)


def streams_alike(program: Program, x: np.ndarray, outputs: np.ndarray, backend: str) -> bool | None:
    """Whether sample by sample, each window of x from the initial state, a backend gives the same outputs; None where the
    Program does not stream."""
    from tinyloc.run import Session

    if not program.can_stream:
        return None
    session = Session(program.retime(1), backend)

    def alike(window: np.ndarray, whole: np.ndarray) -> bool:
        session.reset()
        return np.array_equal(session.run_stream(window), whole)

    return all(alike(window, whole) for window, whole in zip(x, outputs, strict=True))
