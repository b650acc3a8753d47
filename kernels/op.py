"""`Op`: the one row that a kernel has, read by tests, benchmarks, planner, image and report alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

DTYPES = {np.dtype(t).name: np.dtype(t) for t in ("int8", "uint8", "int16", "uint16", "int32", "uint32")}
ROLES = ("out", "in", "weight", "table", "state", "scratch", "int")
WRITTEN = ("out", "state", "scratch")

Args = list[Any]  # arrays (one-dimensional, C order) and ints, in the order of Op.params


@dataclass(frozen=True)
class Param:
    """One argument of a kernel.

    role: out (written), in (read), weight and table (constant), state (read and written, survives from one call to
    the next), scratch (written before it is read, worthless afterwards), int (a 32-bit number in the step).
    """

    name: str
    role: str
    dtype: str

    @property
    def is_array(self) -> bool:
        return self.role != "int"


class Builder(Protocol):
    """What `Op.lower` may ask of the quantizer (see `tinyloc.quantize.Builder`)."""

    def input(self, name: str) -> Any:
        """The quantized tensor of that name: .name, .shape (t, d), .dtype, .scale, .zero_point."""

    def output(self, node: Node, dtype: str = "int8", shape: tuple[int, ...] | None = None, symmetric: bool = False,
               fixed: tuple[float, int] | None = None) -> Any:
        """A new activation for `node.out`: scale and zero point from its calibrated range, or `fixed`."""

    def scale_of(self, name: str, levels: float) -> float:
        """max |value| of a calibrated tensor / levels, for codes that are the op's own affair."""

    def calibration(self, name: str) -> np.ndarray:
        """(b, t, d) float values of a tensor over the calibration windows."""

    def quantize_weight(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int8 (n, k) and scales, (n,) or (1,): per row where that lowers the error notably."""

    def bias_and_rescale(self, name: str, acc: np.ndarray, m: np.ndarray, bound: int) -> dict[str, Any]:
        """bias, mult, shift, bias_step, mult_step for accumulators that start at `acc`, stay within +-bound (which is
        proved to leave room for the rescaling) and scale by `m`."""

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        """Name of a constant buffer (equal ones are stored once)."""

    def state(self, name: str, init: np.ndarray) -> str:
        """Name of a buffer that survives from one call to the next."""

    def scratch(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        """Name of a buffer that only the next step uses."""

    def step(self, op: str, **args: Any) -> None:
        """Appends a step; `args` by the names of the op's spec: buffer names and ints."""

    def prove(self, what: str, bound: int, limit: int = 2**31 - 1) -> None:
        """Records that |what| <= bound; raises ModelError when bound > limit."""


@dataclass(frozen=True)
class Op:
    """A kernel: its arguments, its two implementations, its mathematics and its test cases.

    spec: `name:role:dtype` words in C argument order, outputs first; an argument named `t` of role int is the
    number of time steps.  The C symbol is `tl_<name>`.
    kernel: the Numba source, a Python function of the same flat arguments.
    ideal: float64 oracle of the same flat arguments: returns one array per written argument that matters, in real
    units of the output's last place (`tolerance` says how far the integers may lie from it, in such places), or
    None for an output that `ideal` does not describe.
    cases: (rng, level) -> argument lists, edges first; scratch arrives filled with garbage.
    tolerance: greatest |integer - ideal| for each of `ideal`'s outputs; 0 means equal.
    streams: True when t steps at once and one at a time, state carried on, give the same bits.
    bound: how the tolerance follows, for the reader.
    """

    name: str
    spec: str
    kernel: Callable[..., None]
    ideal: Callable[..., tuple[np.ndarray | None, ...]]
    cases: Callable[[np.random.Generator, int], Iterator[Args]]
    tolerance: tuple[float, ...]
    bound: str
    streams: bool = False
    params: tuple[Param, ...] = field(init=False)

    def __post_init__(self) -> None:
        params = []
        for word in self.spec.split():
            name, role, dtype = (word + ":int32").split(":")[:3]
            if role not in ROLES or dtype not in DTYPES:
                raise ValueError(f"op {self.name}: {word!r} is no name:role:dtype")
            params.append(Param(name, role, dtype))
        object.__setattr__(self, "params", tuple(params))

    @cached_property
    def jit(self) -> Callable[..., None]:
        """The Numba kernel, compiled on first use."""
        from tinyloc.kernels.jit import njit

        types = [f"{p.dtype}[::1]" if p.is_array else "int32" for p in self.params]
        compiled: Callable[..., None] = njit(f"void({', '.join(types)})")(self.kernel)
        return compiled

    @cached_property
    def c(self) -> Callable[..., None]:
        """The C kernel `tl_<name>` with the arguments of `jit`."""
        from tinyloc.kernels._c import ffi, lib

        function = getattr(lib, f"tl_{self.name}")
        types = [f"{p.dtype}_t[]" if p.is_array else "" for p in self.params]
        writable = [p.role in WRITTEN for p in self.params]
        from_buffer = ffi.from_buffer

        def call(*args: Any) -> None:
            function(*[from_buffer(t, a, w) if t else a for t, a, w in zip(types, args, writable, strict=True)])

        return call

    def prepare(self, args: Args) -> Args:
        """Copy of `args` with the declared types: flat arrays, ints; raises TypeError naming the bad argument."""
        if len(args) != len(self.params):
            raise TypeError(f"{self.name} takes {len(self.params)} arguments ({self.spec}), got {len(args)}")
        out: Args = []
        for p, a in zip(self.params, args, strict=True):
            if not p.is_array:
                out.append(int(a))
            elif not isinstance(a, np.ndarray) or a.dtype != DTYPES[p.dtype]:
                raise TypeError(f"{self.name}: {p.name} must be an array of {p.dtype}, got {getattr(a, 'dtype', type(a))}")
            else:
                out.append(np.array(a, order="C").reshape(-1))
        return out

    def written(self, args: Args) -> list[np.ndarray]:
        """The arrays among `args` whose content after the call is part of the contract (outputs and state)."""
        return [a for p, a in zip(self.params, args, strict=True) if p.role in ("out", "state")]

    def index(self, name: str) -> int:
        """Position of the argument `name`."""
        return [p.name for p in self.params].index(name)


@dataclass(frozen=True)
class Node:
    """A layer of a float model's graph: `out = forward(inputs, params)`.

    kind: name of a `Layer`; inputs: names of other nodes' outputs (or "x"); params: float arrays; attrs: numbers.
    """

    kind: str
    out: str
    inputs: tuple[str, ...]
    params: dict[str, np.ndarray] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """How a node of a graph is computed in float, and how it becomes steps of a Program.

    forward: (node, list of (b, t, d) float arrays) -> (b, t, d) float array, by `tinyloc.reference`.
    lower: (builder, node) -> None; adds buffers and steps.
    """

    kind: str
    forward: Callable[[Node, list[np.ndarray]], np.ndarray]
    lower: Callable[[Any, Node], None]
