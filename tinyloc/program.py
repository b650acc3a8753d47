"""`Program`: what a trained model becomes.  Buffers, steps, integers; everything after training is a function of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.errors import ModelError

FORMAT = "tinyloc-program"
VERSION = 1
CONSTANT = ("weight", "table")
KINDS = ("input", "output", "activation", "state", "scratch", *CONSTANT)
MOST_BYTES = 2**30 - 1  # of a buffer, as in the ops' specs
_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32")


@dataclass(frozen=True)
class Buffer:
    """A dense array of a Program.

    kind: input, output, activation (live from the step that writes it to the last that reads it), scratch (one step),
    state (from one run to the next), weight and table (constant).  timed: the first axis is time.
    real value = scale * (q - zero_point).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: str
    scale: float = 1.0
    zero_point: int = 0
    timed: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.size * np.dtype(self.dtype).itemsize

    def quantize(self, real: np.ndarray) -> np.ndarray:
        """Codes of real values: round to nearest (ties to even) and clamp to the dtype's range."""
        info = np.iinfo(self.dtype)
        q = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.clip(q, info.min, info.max).astype(self.dtype)

    def dequantize(self, q: np.ndarray) -> np.ndarray:
        """Real values of codes, float64."""
        return (np.asarray(q, np.float64) - self.zero_point) * self.scale


@dataclass(frozen=True)
class Step:
    """One call of a kernel: `args` in the op's order, buffer names (str) and numbers (int)."""

    op: str
    args: tuple[str | int, ...]


@dataclass(frozen=True)
class Program:
    """Buffers, steps and constant data.

    data: content of the weight and table buffers, and the initial content of the state buffers.
    input, output: names of the buffers that the caller fills and reads.
    info: what produced it (model, data set, scaler, rooms, proofs of bounds): JSON-able.
    """

    buffers: Mapping[str, Buffer]
    steps: tuple[Step, ...]
    data: Mapping[str, np.ndarray]
    input: str
    output: str
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for b in self.buffers.values():
            if (not isinstance(b.name, str) or b.kind not in KINDS or b.dtype not in _DTYPES
                    or any(type(n) is not int or n < 1 for n in b.shape)):
                raise ModelError(f"buffer {b.name!r}: kind {b.kind!r}, dtype {b.dtype!r} and shape {b.shape} make none")
            if b.nbytes > MOST_BYTES:
                raise ModelError(f"buffer {b.name!r}: {b.nbytes} bytes, expected at most {MOST_BYTES}")
            if not (math.isfinite(b.scale) and b.scale > 0):
                raise ModelError(f"buffer {b.name!r}: scale {b.scale}, expected a finite number above 0")
            if b.kind in (*CONSTANT, "state"):
                d = self.data.get(b.name)
                if d is None or d.shape != b.shape or d.dtype != b.dtype:
                    got = "nothing" if d is None else f"{d.dtype} {d.shape}"
                    raise ModelError(f"buffer {b.name!r}: expected data {b.dtype} {b.shape}, found {got}")
        for i, step in enumerate(self.steps):
            _check_step(i, step, self.buffers, self.data)
        for name, kind in ((self.input, "input"), (self.output, "output")):
            if name not in self.buffers or self.buffers[name].kind != kind:
                raise ModelError(f"the Program's {kind} is {name!r}: expected a buffer of kind {kind}")
        if not self.steps:
            raise ModelError("a Program needs at least one step")

    def _repr_html_(self) -> str:
        from tinyloc.display import of_program

        return of_program(self)

    @property
    def steps_of_time(self) -> int:
        """Time steps (samples) that one run consumes."""
        return self.buffers[self.input].shape[0]

    @property
    def state(self) -> tuple[str, ...]:
        """Names of the state buffers, in their order in memory: those of zeros last, which an image elides."""
        names = [b.name for b in self.buffers.values() if b.kind == "state"]
        return tuple(sorted(names, key=lambda n: not self.data[n].any()))

    @property
    def saturating(self) -> tuple[str, ...]:
        """Names of the state buffers whose ends of int16 mean that a value was cut off (`Op.saturates`)."""
        from tinyloc.kernels.table import OPS

        return tuple(dict.fromkeys(str(s.args[OPS[s.op].index(n)]) for s in self.steps for n in OPS[s.op].saturates))

    @property
    def four_bits(self) -> tuple[str, ...]:
        """Names of the buffers that hold weights of four bits (`Op.four_bits`); of a Program that was asked for such, no
        layer may have been large enough."""
        from tinyloc.kernels.table import OPS

        return tuple(dict.fromkeys(str(s.args[OPS[s.op].index(n)]) for s in self.steps for n in OPS[s.op].four_bits))

    def pack_state(self, values: Mapping[str, np.ndarray]) -> bytes:
        """The state as a device holds it: little-endian, each buffer padded with zeros to a multiple of 4 bytes."""
        parts = (np.ascontiguousarray(values[n]).astype(np.dtype(self.buffers[n].dtype).newbyteorder("<")).tobytes()
                 for n in self.state)
        return b"".join(p + bytes(-len(p) % 4) for p in parts)

    def bytes_by_kind(self) -> dict[str, int]:
        """Bytes of the constant and state buffers by kind; activations need a plan (`tinyloc.emulator.plan`)."""
        total = dict.fromkeys((*CONSTANT, "state"), 0)
        for b in self.buffers.values():
            if b.kind in total:
                total[b.kind] += b.nbytes
        return total

    def retime(self, t: int) -> Program:
        """The same Program for runs of `t` time steps; weights, tables and state are shared.

        Every step must stream (`Op.streams`); raises ModelError naming the first that does not.
        """
        from tinyloc.kernels.table import OPS

        if t < 1:
            raise ModelError(f"time steps a run: expected at least 1, got {t}")
        buffers = {n: replace(b, shape=(t, *b.shape[1:])) if b.timed else b for n, b in self.buffers.items()}
        for why, stuck in (("looks at the whole window", lambda s: not OPS[s.op].streams),
                           ("reads a constant of its own at each time step", self._counts)):
            for i, s in enumerate(self.steps):
                if stuck(s):
                    raise ModelError(f"step {i} ({s.op}) {why}; this model cannot be streamed")
        steps = []
        for s in self.steps:
            k = OPS[s.op].index("t")
            steps.append(Step(s.op, (*s.args[:k], t, *s.args[k + 1 :])))
        return replace(self, buffers=buffers, steps=tuple(steps))

    @property
    def can_stream(self) -> bool:
        """Whether every step gives the same bits for a window at once and sample by sample."""
        from tinyloc.kernels.table import OPS

        return all(OPS[s.op].streams and not self._counts(s) for s in self.steps)

    @property
    def carries(self) -> bool:
        """Whether sample by sample goes on from a state where the next window starts anew."""
        return self.can_stream and self.steps_of_time > 1

    def _counts(self, step: Step) -> bool:
        """Whether a step reads a constant in an activation's place, row by row, as an encoding of positions is."""
        from tinyloc.kernels.table import OPS

        return any(p.role == "in" and self.buffers[a].kind in CONSTANT
                   for p, a in zip(OPS[step.op].params, step.args, strict=True) if isinstance(a, str))

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file (arrays) with the rest as JSON in its metadata; whole or not at all."""
        from tinyloc.files import write_safetensors

        head = {
            "buffers": [[b.name, list(b.shape), b.dtype, b.kind, b.scale, b.zero_point, b.timed]
                        for b in self.buffers.values()],
            "steps": [[s.op, *s.args] for s in self.steps],
            "input": self.input,
            "output": self.output,
            "info": dict(self.info),
        }
        meta = {"format": FORMAT, "version": str(VERSION), "program": json.dumps(head)}
        write_safetensors(path, dict(self.data), meta)

    @staticmethod
    def load(path: str | Path) -> Program:
        """Reads what `save` wrote.  Raises ModelError that names the file and what is wrong with it."""
        from tinyloc.files import read_safetensors

        arrays, meta = read_safetensors(path, FORMAT, VERSION)
        try:
            head = json.loads(meta["program"])
            if not isinstance(head["info"], dict):
                raise ModelError(f"info is {type(head['info']).__name__}, expected names with values")
            buffers = {b[0]: Buffer(b[0], tuple(b[1]), b[2], b[3], float(b[4]), int(b[5]), bool(b[6]))
                       for b in head["buffers"]}
            steps = tuple(Step(s[0], tuple(s[1:])) for s in head["steps"])
            return Program(buffers, steps, arrays, head["input"], head["output"], head["info"])
        except ModelError as e:
            raise ModelError(f"{path}: {e}") from None
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError) as e:
            raise ModelError(f"{path}: damaged Program ({type(e).__name__}: {e})") from None


# What a buffer of which kind may be to a step.
_ROLES = {"out": ("output", "activation"), "in": ("input", "output", "activation", *CONSTANT), "weight": CONSTANT,
          "table": CONSTANT, "state": ("state",), "scratch": ("scratch",)}


def add_constant(buffers: dict[str, Buffer], contents: dict[str, np.ndarray], name: str, data: np.ndarray, kind: str
                 ) -> str:
    """Name of a constant buffer with that content; one of equal kind, type and content serves, else `name` is added."""
    for other, d in contents.items():
        if buffers[other].kind == kind and d.dtype == data.dtype and np.array_equal(d, data):
            return other
    buffers[name], contents[name] = Buffer(name, data.shape, data.dtype.name, kind), np.ascontiguousarray(data)
    return name


def complete(program: Program) -> tuple[bool, ...]:
    """For each step, whether its output is complete after it."""
    from tinyloc.kernels.table import OPS

    done = []
    for i, step in enumerate(program.steps):
        later = (p.role for s in program.steps[i + 1 :] for p, a in zip(OPS[s.op].params, s.args, strict=True)
                 if a == step.args[0])
        done.append(next(later, "in") != "out")
    return tuple(done)


def _check_step(i: int, step: Step, buffers: Mapping[str, Buffer], data: Mapping[str, np.ndarray]) -> None:
    from tinyloc.kernels.table import OPS

    if step.op not in OPS:
        raise ModelError(f"step {i}: this version has no op {step.op!r}")
    op = OPS[step.op]
    if len(step.args) != len(op.params):
        raise ModelError(f"step {i} ({op.name}): expected {len(op.params)} arguments, found {len(step.args)}")
    for p, a in zip(op.params, step.args, strict=True):
        if type(a) is not (str if p.is_array else int):
            raise ModelError(f"step {i} ({op.name}): {p.name} must be {'a buffer' if p.is_array else 'a number'}")
        if isinstance(a, str):
            if a not in buffers:
                raise ModelError(f"step {i} ({op.name}): no buffer {a!r} for {p.name}")
            b = buffers[a]
            if b.dtype != p.dtype:
                raise ModelError(f"step {i} ({op.name}): {p.name} is {p.dtype}, buffer {a!r} is {b.dtype}")
            if b.kind not in _ROLES[p.role]:
                raise ModelError(f"step {i} ({op.name}): {p.name} cannot be the {b.kind} buffer {a!r}")
        elif not -(2**31) <= a < 2**31:
            raise ModelError(f"step {i} ({op.name}): {p.name} = {a} does not fit 32 bits")
    if step.args[0] in step.args[1:]:
        raise ModelError(f"step {i} ({op.name}): its output {step.args[0]!r} is among its other arguments")
    try:
        ints = op.numbers(step.args)
        for p, a in zip(op.params, step.args, strict=True):
            if isinstance(a, str):
                if buffers[a].size != (size := op.size(p, ints)):
                    raise ModelError(f"step {i} ({op.name}): buffer {a!r} has {buffers[a].size} elements, "
                                     f"{p.name} takes {p.size} = {size}")
                if p.ranges:
                    op.check_elements(p, data[a], ints)
    except ModelError:
        raise
    except ValueError as e:
        raise ModelError(f"step {i} ({e})") from None
