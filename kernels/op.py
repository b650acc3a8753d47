"""`Op`: the one row that a kernel has, read by tests, benchmarks, planner, image and report alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Protocol

import numpy as np

from tinyloc.kernels.spec import DTYPES, WRITTEN, Param, Range, Relation, SizeError, evaluate, parse

Args = list[Any]  # arrays (one-dimensional, C order) and ints, in the order of Op.params


class NumberError(ValueError):
    """A number of a step, or a relation of its numbers, that is out of its range."""


class ElementError(ValueError):
    """An element of a constant that is out of its range."""


class Builder(Protocol):
    """What `Layer.lower` may ask of the quantizer (see `tinyloc.quantize.GraphBuilder`)."""

    def input(self, name: str) -> Any:
        """The quantized tensor of that name: .name, .shape (t, d), .dtype, .scale, .zero_point."""

    def output(self, node: Node, dtype: str = "int8", shape: tuple[int, ...] | None = None, symmetric: bool = False,
               fixed: tuple[float, int] | None = None, sums: tuple[float, int] | None = None) -> Any:
        """A new activation for `node.out`: scale and zero point from its calibrated range, or `fixed`.

        sums: (scale, bound) of the int32 sums that are rescaled to it; its scale is at least so great that a sum, shifted
        left by the rescaling, stays within 32 bits, whatever calibration saw.
        """

    def inner(self, node: Node, sums: tuple[float, int], least: float) -> tuple[float, int]:
        """Scale, at least `least`, and zero point of int8 codes of what stays inside the node (`Layer.inner`); `sums` as
        above."""

    def observed(self, node: Node) -> Mapping[str, np.ndarray]:
        """What the node's `Layer.observe` found on the calibration windows."""

    def weight_bits(self, w: np.ndarray) -> int:
        """8 or 4: what weights (n, k) of a linear layer are to have."""

    def quantize_weight(self, w: np.ndarray, least: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
        """int8 (n, k) and scales, (n,) or (1,), each at least `least` (n,): per row where that lowers the error notably.
        Of four bits: codes in [-7, 7]."""

    def realize(self, node: Node, **params: np.ndarray) -> None:
        """Records what codes of the node's parameters stand for, in real units and in the parameters' own shapes."""

    def bias_and_rescale(self, name: str, acc: np.ndarray, m: np.ndarray, bound: int) -> dict[str, Any]:
        """bias, mult, shift, bias_step, mult_step for accumulators that start at `acc`, stay within +-bound (which is
        proved to leave room for the rescaling) and scale by `m`."""

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        """Name of a constant buffer (equal ones are stored once)."""

    def state(self, name: str, init: np.ndarray, of: Node | None = None, scale: float | np.ndarray = 1.0, zero: int = 0
              ) -> str:
        """Name of a buffer that survives from one call to the next.  of: the node that has its real values,
        scale (codes - zero), where training may begin with others than those of `init`."""

    def scratch(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        """Name of a buffer that only the next step uses."""

    def step(self, op: str, **args: Any) -> None:
        """Appends a step; `args` by the names of the op's spec: buffer names and ints."""

    def rescale(self, name: str, m: float, bound: int) -> tuple[int, int]:
        """mult and shift of m for sums within +-bound; proves that they fit 32 bits, shifted left too."""

    def prove(self, what: str, bound: int, limit: int = 2**31 - 1) -> None:
        """Records that |what| <= bound; raises ModelError when bound > limit."""

    def proved(self, what: str) -> int:
        """The bound that `prove` recorded.  Raises ModelError when there is none."""


class Packer(Protocol):
    """What a stem's `PACKERS` may ask of `tinyloc.pack`: they replace a step by others of the same bits.

    PACKERS: op name -> (packer, the step's arguments by name) -> whether it added steps in the step's place.
    """

    def data(self, name: str) -> np.ndarray:
        """The content of a constant buffer."""

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        """Name of a constant buffer (equal ones are stored once)."""

    def scratch(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        """Name of a buffer that only the next step uses."""

    def step(self, op: str, **args: Any) -> None:
        """Appends a step; `args` by the names of the op's spec: buffer names and ints."""


@dataclass(frozen=True)
class Op:
    """A kernel: its arguments, its two implementations, its mathematics and its test cases.

    spec: words in C argument order, first the arrays (the output first of all), then the ints; the language is that of
        `tinyloc.kernels.spec`.  An int named `t` is the number of time steps.  The C symbol is `tl_<name>`.
    kernel: the Numba source, a Python function of the same flat arguments.
    ideal: float64 oracle of the same flat arguments: returns one array per written argument that matters, in real
    units of the output's last place (`tolerance` says how far the integers may lie from it, in such places), or
    None for an output that `ideal` does not describe.
    cases: (rng, level) -> argument lists, edges first; scratch arrives filled with garbage.
    tolerance: greatest |integer - ideal| for each of `ideal`'s outputs; 0 means equal.
    streams: True when t steps at once and one at a time, state carried on, give the same bits.
    saturates: int16 states whose ends mean that a value was cut off; a stream looks at them (`tl_stream`).
    four_bits: weights of four bits, two a byte (`tinyloc.kernels.halves`, or packed likewise).
    in_place: inputs that may be the output's very bytes, when nothing needs them afterwards: element i of the output is
    written after the last read of element i of the input.
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
    in_place: tuple[str, ...] = ()
    saturates: tuple[str, ...] = ()
    four_bits: tuple[str, ...] = ()
    params: tuple[Param, ...] = field(init=False)
    relations: tuple[Relation, ...] = field(init=False)

    def __post_init__(self) -> None:
        params, relations = parse(self.name, self.spec)
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "relations", relations)

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

    @cache  # noqa: B019 (rows live as long as the table)
    def on(self, level: str) -> Callable[..., None]:
        """The C kernel that a model runs on the host at `level` (`tinyloc.kernels.simd`), with the arguments of `jit`."""
        from tinyloc.kernels import simd
        from tinyloc.kernels._c import ffi
        from tinyloc.kernels.table import NUMBERS

        step = simd.kernels(level)[NUMBERS[self.name]].run
        types = [f"{p.dtype}_t[]" if p.is_array else "" for p in self.params]
        writable = [p.role in WRITTEN for p in self.params]

        def call(*args: Any) -> None:
            made, keep = ffi.new("tl_arg[]", len(types)), []
            for slot, t, a, w in zip(made, types, args, writable, strict=True):
                if t:
                    keep.append(ffi.from_buffer(t, a, w))
                    slot.p = keep[-1]
                else:
                    slot.i = a
            step(made)

        return call

    def numbers(self, args: Sequence[Any]) -> dict[str, int]:
        """The ints of `args` by name; of `args` only these are looked at.

        Raises NumberError naming an int that is out of its range, or a relation that does not hold, and SizeError for an
        int that is too large to compute with.  Named ranges come first, as in c/check.c.
        """
        ints = {p.name: int(a) for p, a in zip(self.params, args, strict=True) if not p.is_array}
        rest: list[tuple[str, Range]] = []
        for p in self.params:
            if not p.is_array:
                own = next((r for r in p.ranges if r.name), None)
                if own:
                    self._within(p.name, ints[p.name], own.bounds(ints))
                rest += [(p.name, r) for r in p.ranges if r is not own]
        for expression, r in [*rest, *((x.expression, r) for x in self.relations for r in x.ranges)]:
            try:
                self._within(expression, evaluate(expression, ints), r.bounds(ints))
            except SizeError as e:
                raise SizeError(f"{self.name}: {e}") from None
        return ints

    def _within(self, what: str, value: int, bounds: tuple[int, int]) -> None:
        low, high = bounds
        if value < low:
            raise NumberError(f"{self.name}: {what} = {value}, expected at least {low}")
        if value > high:
            raise NumberError(f"{self.name}: {what} = {value}, expected at most {high}")

    def sizes(self, args: Sequence[Any]) -> list[int]:
        """Elements that the kernel touches in each array, in order; of `args` only the ints are looked at.

        Raises NumberError as `numbers` does, and SizeError naming the array that would have 2^30 bytes or more.
        """
        ints = self.numbers(args)
        return [self.size(p, ints) for p in self.params if p.is_array]

    def size(self, p: Param, ints: Mapping[str, int]) -> int:
        """Elements of one array.  Raises SizeError."""
        try:
            n = evaluate(p.size, ints)
            evaluate("n*bytes", {"n": n, "bytes": DTYPES[p.dtype].itemsize})
        except SizeError as e:
            raise SizeError(f"{self.name}: {p.name}: {e}") from None
        return n

    def check_elements(self, p: Param, a: np.ndarray, ints: Mapping[str, int]) -> None:
        """Raises ElementError naming the first element of array `a` that is out of the ranges of `p`."""
        for r in p.ranges:
            low, high = r.bounds(ints)
            part = a.reshape(-1)[: None if r.count is None else evaluate(r.count, ints)]
            bad = np.flatnonzero((part < low) | (part > high))
            if bad.size:
                raise ElementError(f"{self.name}: {p.name}[{bad[0]}] = {part[bad[0]]}, expected {low} to {high}")

    def prepare(self, args: Args) -> Args:
        """Copy of `args` with the declared types: flat arrays, ints.

        Raises TypeError naming the argument of a wrong type, ValueError the one of a wrong size or out of its range.
        """
        if len(args) != len(self.params):
            raise TypeError(f"{self.name} takes {len(self.params)} arguments ({self.spec}), got {len(args)}")
        out: Args = []
        for p, a in zip(self.params, args, strict=True):
            if not p.is_array:
                out.append(int(a))
            elif not isinstance(a, np.ndarray) or a.dtype != DTYPES[p.dtype]:
                got = getattr(a, "dtype", type(a))
                raise TypeError(f"{self.name}: {p.name} must be an array of {p.dtype}, got {got}")
            else:
                out.append(np.array(a, order="C").reshape(-1))
        ints = self.numbers(out)
        for p, a in zip(self.params, out, strict=True):
            if p.is_array and a.size != (size := self.size(p, ints)):
                raise ValueError(f"{self.name}: {p.name} has {a.size} elements, expected {p.size} = {size}")
            if p.is_array:
                self.check_elements(p, a, ints)
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


#: Among a node's params, to its `Layer.vjp` alone: the real values (b, ...) of the state that its rows begin with.
STATE = "state"
#: Gradients of a node's inputs, in order, and of its params by name, for the gradient of its output.
Pullback = Callable[[np.ndarray], tuple[list[np.ndarray], dict[str, np.ndarray]]]
Vjp = Callable[[Node, list[np.ndarray]], tuple[np.ndarray, Pullback]]


def vjp_of(f: Callable[..., tuple[np.ndarray, Any]], backward: Callable[..., Sequence[Any]], params: Sequence[str] = (),
           attrs: Sequence[str] = ()) -> Vjp:
    """`Layer.vjp` of a pair of `tinyloc.reference`, whose arguments are the node's inputs, these params (None where the node
    lacks one) and these attrs."""

    def vjp(node: Node, inputs: list[np.ndarray]) -> tuple[np.ndarray, Pullback]:
        y, cache = f(*inputs, *(node.params.get(p) for p in params), *(node.attrs[a] for a in attrs))

        def pull(dy: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
            grads = backward(dy, cache)
            named = zip(params, grads[len(inputs) :], strict=True)
            return list(grads[: len(inputs)]), {p: g for p, g in named if p in node.params}

        return y, pull

    return vjp


def labels_of(f: Callable[[Node, list[np.ndarray]], np.ndarray]) -> Vjp:
    """`Layer.vjp` of a decoder: labels have no derivative, what trains is a loss on its input."""

    def pull(dy: np.ndarray) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        raise TypeError("labels have no derivative")

    return lambda node, inputs: (f(node, inputs), pull)


@dataclass(frozen=True)
class Layer:
    """How a node of a graph is computed in float, and how it becomes steps of a Program.

    vjp: (node, list of (b, t, d) float arrays) -> ((b, t, d) float array, `Pullback`), by `tinyloc.reference`.
    lower: (builder, node) -> None; adds buffers and steps.
    inner: (node, inputs) -> float values of a tensor that stays inside the op, where its codes need calibration.
    ask: (node, the nodes that make its inputs) -> these nodes, with the attrs that the node's params want of them.
    observe: (node, inputs) -> what else `lower` has to know of the node's values on the calibration windows.
    cheaper: (node, inputs) -> a node of the same inputs that takes fewer instructions, as near as it can be to this one's
    output on them; or the node itself, where it is of that form.
    """

    kind: str
    vjp: Vjp
    lower: Callable[[Any, Node], None]
    inner: Callable[[Node, list[np.ndarray]], np.ndarray] | None = None
    cheaper: Callable[[Node, list[np.ndarray]], Node] | None = None
    observe: Callable[[Node, list[np.ndarray]], dict[str, np.ndarray]] | None = None
    ask: Callable[[Node, list[Node]], list[Node]] | None = None

    def forward(self, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
        """The node's output."""
        return self.vjp(node, inputs)[0]
