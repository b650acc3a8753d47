"""From a float model to a Program: calibration, scales, integers, and a proof of every accumulator's bound.

Static and all-integer: int8 activations and weights, int32 sums, int16 where the arithmetic needs it (the scan's state,
the logits of the decoder), uint16 for the scan's time steps; the Program's buffers say which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from tinyloc.data import MISSING, Dataset, Samples, Scaler, windows
from tinyloc.errors import ConfigError, DataError, ModelError, unknown
from tinyloc.kernels.fixed import quantize_multiplier
from tinyloc.kernels.op import Node
from tinyloc.kernels.table import LAYERS, OPS
from tinyloc.program import Buffer, Program, Step
from tinyloc.reference.activation import ACTIVATIONS

INPUT_SCALE, INPUT_ZERO = 1 / 255, -128  # scaled signals lie in [0, 1]
PER_ROW_GAIN = 4.0  # weights get a scale a row where that divides their squared error by this at least
SHARED_RANGE = 3.0  # a range may grow by this factor for a table of 256 bytes less
INNER = ".inner"  # what the range of a tensor inside a node is called, behind the node's output
SAMPLES = 20_000  # values of a tensor that a range is searched on
DECAYS = ("auto", "free", "powers")
WEIGHTS = ("int8", "int4")
LEAST_W4 = 256  # weights a layer has to have to get four bits: fewer spare little, and scales a row take some of it back
CLIPS = np.linspace(0.5, 1.0, 11)  # ends of four bits, shares of a row's greatest weight: finer steps may be worth clipping
STRETCH = 16  # windows that a stretch is long: states that forget more slowly are not told from those that do not

Range = tuple[float, float]


class FloatModel(Protocol):
    """What is quantized: a `tinyloc.model.Model`, or a `tinyloc.convert.graph.GraphModel`."""

    config: Any  # aps, classes, family and tied of it are read
    info: dict[str, Any]

    @property
    def parameters(self) -> int:
        """Number of parameters."""

    def graph(self, t: int) -> list[Node]:
        """Nodes for windows of t steps."""


def _subsample(values: np.ndarray) -> np.ndarray:
    """Some at random: every n-th one would be of few channels, where the step and their number share factors."""
    flat = values.reshape(-1)
    if len(flat) > SAMPLES:
        flat = flat[np.random.default_rng(0).choice(len(flat), SAMPLES, replace=False, shuffle=False)]
    return flat.astype(np.float64)


def minmax(values: np.ndarray, after: Callable[[np.ndarray], np.ndarray]) -> Range:
    """The least and the greatest value seen."""
    return float(values.min()), float(values.max())


def percentile(values: np.ndarray, after: Callable[[np.ndarray], np.ndarray], share: float = 0.05) -> Range:
    """All but `share` percent of the values at either end."""
    lo, hi = np.percentile(values, [share, 100 - share])
    return float(lo), float(hi)


def mse(values: np.ndarray, after: Callable[[np.ndarray], np.ndarray]) -> Range:
    """The range of least mean squared error of what the readers make of the codes: `after` is the table that follows a
    tensor, or the identity; so the ends of a tanh's input may be clipped that tanh flattens anyway."""
    lo, hi = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    v = _subsample(values)
    exact = after(v)

    def error(candidate: Range) -> float:
        scale, zero = scale_and_zero(*candidate)
        q = np.clip(np.rint(v / scale) + zero, -128, 127)
        return float(((after((q - zero) * scale) - exact) ** 2).mean())

    best = (lo, hi)
    least = error(best)
    for step in (0.9, 0.97):  # each end in turn, in coarse steps, then in fine ones from there
        moved = True
        while moved:
            moved = False
            for candidate in ((best[0] * step, best[1]), (best[0], best[1] * step), (best[0] * step, best[1] * step)):
                e = error(candidate)
                if e < least:
                    best, least, moved = candidate, e, True
    return best


METHODS: dict[str, Callable[[np.ndarray, Callable[[np.ndarray], np.ndarray]], Range]] = {
    "minmax": minmax, "percentile": percentile, "mse": mse}


def scale_and_zero(lo: float, hi: float, least: float = 0.0) -> tuple[float, int]:
    """Scale (`least` or more) and zero point of int8 codes for [lo, hi], widened to hold 0 exactly."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = max(max(hi - lo, 1e-6) / 255, least)
    return scale, int(np.clip(round(-128 - lo / scale), -128, 127))


def _union(ranges: Sequence[Range]) -> Range:
    """The least range that holds all of them, and 0."""
    return min(0.0, *(lo for lo, _ in ranges)), max(0.0, *(hi for _, hi in ranges))


@dataclass(frozen=True)
class Calibration:
    """What a Program takes from the calibration windows: a range a tensor, and what layers observed of their nodes."""

    ranges: Mapping[str, Range]
    observed: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all of it."""
        plain = {out: {k: v.tolist() for k, v in seen.items()} for out, seen in self.observed.items()}
        return hashlib.sha256(json.dumps([dict(self.ranges), plain], sort_keys=True).encode()).hexdigest()


@dataclass
class Tensors:
    """Float values of a graph's tensors over the calibration windows: name -> (b, t, d)."""

    nodes: Sequence[Node]
    values: dict[str, np.ndarray]
    stretches: np.ndarray | None = None

    @staticmethod
    def of(nodes: Sequence[Node], x: np.ndarray, stretches: np.ndarray | None = None) -> Tensors:
        """Runs the float graph on windows x (b, t, a).

        stretches: longer windows of the same rows, for what a layer observes: as a stream goes on, states reach farther than
        they do in a window.
        """
        values: dict[str, np.ndarray] = {}
        for node in nodes:
            values[node.out] = x.astype(np.float32) if node.kind == "input" else (
                LAYERS[node.kind].forward(node, [values[n] for n in node.inputs]))
            if not np.isfinite(values[node.out]).all():
                raise ModelError(f"{node.out} ({node.kind}) is not finite in float on the calibration windows")
        return Tensors(nodes, values, stretches)

    def cheaper(self) -> Tensors:
        """The same graph with every node in its layer's cheaper form (`Layer.cheaper`); itself when there is none."""
        nodes = []
        for node in self.nodes:
            cheaper = None if node.kind == "input" else LAYERS[node.kind].cheaper
            nodes.append(cheaper(node, [self.values[n] for n in node.inputs]) if cheaper else node)
        if all(new is old for new, old in zip(nodes, self.nodes, strict=True)):
            return self
        return Tensors.of(nodes, self.values[self.nodes[0].out], self.stretches)

    @cached_property
    def observed(self) -> dict[str, dict[str, np.ndarray]]:
        """What the layers have to know of their nodes' values beside ranges (`Layer.observe`), by the nodes' outputs."""
        found = {}
        for node in self.nodes:
            if node.kind != "input" and (observe := LAYERS[node.kind].observe):
                found[node.out] = observe(node, [self.values[n] for n in node.inputs])
        if found and self.stretches is not None:
            more = Tensors.of(self.nodes, self.stretches).observed
            found = {out: {k: np.maximum(v, more[out][k]) for k, v in seen.items()} for out, seen in found.items()}
        return found

    def calibrated(self, method: str) -> Calibration:
        """All that a Program takes from these values."""
        return Calibration(self.ranges(method), self.observed)

    def ranges(self, method: str) -> dict[str, Range]:
        """A range a tensor, those inside nodes included; inputs and output of an interleaving share one."""
        if method not in METHODS:
            raise unknown("calibration", method, METHODS)
        readers: dict[str, list[str]] = {}
        for node in self.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node.kind)

        def after(name: str) -> Callable[[np.ndarray], np.ndarray]:
            kinds = set(readers.get(name, []))
            if len(kinds) == 1 and (kind := kinds.pop()) in ACTIVATIONS:
                return lambda v: ACTIVATIONS[kind][0](v)[0]
            return lambda v: v

        ranges = {name: METHODS[method](v, after(name)) for name, v in self.values.items()}
        for node in self.nodes:
            if node.kind == "interleave":
                names = [*node.inputs, node.out]
                ranges |= dict.fromkeys(names, _union([ranges[n] for n in names]))
            if node.kind != "input" and (inner := LAYERS[node.kind].inner):
                values = inner(node, [self.values[n] for n in node.inputs])
                ranges[node.out + INNER] = METHODS[method](values, lambda v: v)
        # Inputs of one function that are of nearly one range share it, and so its table.
        for kind in ACTIVATIONS:
            names = [node.inputs[0] for node in self.nodes if node.kind == kind]
            shared = _union([ranges[n] for n in names]) if names else (0.0, 0.0)
            if all(shared[1] - shared[0] <= SHARED_RANGE * (hi - lo) for lo, hi in (_union([ranges[n]]) for n in names)):
                ranges |= dict.fromkeys(names, shared)
        return ranges


def _least_scale(scale: float, bound: int) -> float:
    """Of what sums of that scale and bound are rescaled to: so that a left shift keeps them within 32 bits."""
    return scale / 2.0 ** (30 - bound.bit_length())


@dataclass(frozen=True)
class State:
    """A state buffer's name, and what its codes stand for: scale (codes - zero)."""

    name: str
    scale: float | np.ndarray
    zero: int

    def codes(self, real: np.ndarray, dtype: str) -> np.ndarray:
        """Nearest codes of real values, within the type's ends."""
        ends = np.iinfo(dtype)
        return np.clip(np.rint(real / self.scale) + self.zero, ends.min, ends.max).astype(dtype)

    def real(self, codes: np.ndarray) -> np.ndarray:
        """float32 values of codes."""
        return ((codes.astype(np.float64) - self.zero) * self.scale).astype(np.float32)


@dataclass
class GraphBuilder:
    """Collects a Program while the layers of a graph are lowered (see `tinyloc.kernels.op.Builder`).

    shape: (t, a) of the graph's input; weights: of WEIGHTS; realized: what codes of a node's parameters stand for, where its
    layer says so; states: likewise what a node's state is.
    """

    nodes: Sequence[Node]
    shape: tuple[int, int]
    calibrated: Calibration
    weights: str = "int8"
    buffers: dict[str, Buffer] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    data: dict[str, np.ndarray] = field(default_factory=dict)
    proofs: dict[str, list[int]] = field(default_factory=dict)
    realized: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    _stored: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def input(self, name: str) -> Buffer:
        """The quantized tensor of that name."""
        return self.buffers[name]

    def output(self, node: Node, dtype: str = "int8", shape: tuple[int, ...] | None = None, symmetric: bool = False,
               fixed: tuple[float, int] | None = None, sums: tuple[float, int] | None = None) -> Buffer:
        """A new activation for `node.out`, of the first input's shape if none is given."""
        shape = shape or self.buffers[node.inputs[0]].shape
        least = _least_scale(*sums) if sums else 0.0
        if fixed:
            scale, zero = fixed
        elif symmetric:
            scale, zero = max(max(*map(abs, self.calibrated.ranges[node.out]), 1e-6) / np.iinfo(dtype).max, least), 0
        else:
            scale, zero = scale_and_zero(*self.calibrated.ranges[node.out], least)
        made = Buffer(node.out, shape, dtype, "activation", float(scale), zero, timed=True)
        self.buffers[node.out] = made
        return made

    def inner(self, node: Node, sums: tuple[float, int], least: float) -> tuple[float, int]:
        """Scale, at least `least`, and zero point of int8 codes of what stays inside the node."""
        return scale_and_zero(*self.calibrated.ranges[node.out + INNER], max(least, _least_scale(*sums)))

    def observed(self, node: Node) -> Mapping[str, np.ndarray]:
        """What the node's `Layer.observe` found on the calibration windows."""
        return self.calibrated.observed[node.out]

    def weight_bits(self, w: np.ndarray) -> int:
        """8 or 4: what weights (n, k) of a linear layer are to have."""
        return 4 if self.weights == "int4" and w.size >= LEAST_W4 else 8

    def quantize_weight(self, w: np.ndarray, least: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
        """int8 codes (n, k) in [-127, 127], or of four bits in [-7, 7], and scales, (n,) or (1,), of which none is below
        `least` (n,).

        Four bits have a scale a row, the one of CLIPS whose squared error is the least; eight have one for all, from end to
        end, unless scales a row divide the squared error by PER_ROW_GAIN.
        """
        w, most = w.astype(np.float64), 2 ** (bits - 1) - 1

        def code(top: np.ndarray, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            scale = np.maximum(np.maximum(top, 1e-9) / most, floor)
            q = np.clip(np.rint(w / scale), -most, most)
            return q.astype(np.int8), scale, ((q * scale - w) ** 2).sum(1)

        top, floor = np.abs(w).max(1, keepdims=True), least[:, None]
        if bits == 4:
            found = [code(clip * top, floor) for clip in CLIPS]
            codes, scales, errors = (np.stack(part) for part in zip(*found, strict=True))
            best = errors.argmin(0), np.arange(len(w))
            return codes[best], scales[best][:, 0]
        tensor, row = code(top.max(keepdims=True), floor.max(keepdims=True)), code(top, floor)
        chosen = row if tensor[2].sum() > PER_ROW_GAIN * row[2].sum() else tensor
        return chosen[0], chosen[1].reshape(-1)

    def realize(self, node: Node, **params: np.ndarray) -> None:
        """Records what codes of the node's parameters stand for, in real units and in the parameters' own shapes."""
        self.realized[node.out] = params

    def bias_and_rescale(self, name: str, acc: np.ndarray, m: np.ndarray, bound: int) -> dict[str, Any]:
        """Constants of a sum's start and rescaling; proves that sum and left shift fit 32 bits."""
        pairs = [self.rescale(name, float(v), bound) for v in m]
        one = bool((acc == acc[0]).all())
        bias = (acc[:1] if one else acc).astype(np.int32)
        return {"bias": self.constant(f"{name}.bias", bias), "bias_step": int(not one), "mult_step": int(len(m) > 1),
                "mult": self.constant(f"{name}.mult", np.array([p[0] for p in pairs], np.int32)),
                "shift": self.constant(f"{name}.shift", np.array([p[1] for p in pairs], np.int8))}

    def rescale(self, name: str, m: float, bound: int) -> tuple[int, int]:
        """mult and shift of m for sums within +-bound; proves that they fit 32 bits, shifted left too."""
        mult, shift = quantize_multiplier(m)
        self.prove(f"{name}: accumulator", bound)
        if shift > 0:
            self.prove(f"{name}: accumulator, shifted left", bound << shift)
        return mult, shift

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        """Name of a constant buffer; equal ones are stored once."""
        key = (kind, data.dtype.char, data.shape, data.tobytes())
        if key not in self._stored:
            self._stored[key] = name
            self.buffers[name] = Buffer(name, data.shape, data.dtype.name, kind)
            self.data[name] = np.array(data, order="C")
        return self._stored[key]

    def state(self, name: str, init: np.ndarray, of: Node | None = None, scale: float | np.ndarray = 1.0, zero: int = 0
              ) -> str:
        """Name of a buffer that survives from one call to the next and starts as `init`; see `Builder.state`."""
        if of is not None:
            self.states[of.out] = State(name, scale, zero)
        self.buffers[name], self.data[name] = Buffer(name, init.shape, init.dtype.name, "state"), init
        return name

    def scratch(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        """Name of a buffer that only the next step uses."""
        self.buffers[name] = Buffer(name, shape, dtype, "scratch")
        return name

    def step(self, op: str, **args: Any) -> None:
        """Appends a step with arguments by the names of the op's spec."""
        names = [p.name for p in OPS[op].params]
        if set(names) != set(args):
            raise TypeError(f"{op}: expected arguments {', '.join(names)}; got {', '.join(sorted(args))}")
        self.steps.append(Step(op, tuple(a if isinstance(a := args[n], str) else int(a) for n in names)))

    def prove(self, what: str, bound: int, limit: int = 2**31 - 1) -> None:
        """Records |what| <= bound <= limit; raises ModelError when it is not so."""
        if bound > limit:
            raise ModelError(f"{what} reaches {bound}, expected at most {limit}")
        self.proofs[what] = [max(int(bound), self.proofs.get(what, [0])[0]), int(limit)]

    def proved(self, what: str) -> int:
        """The bound that was proved.  Raises ModelError when none was."""
        if what not in self.proofs:
            raise ModelError(f"{what}: expected a proved bound, there is none")
        return self.proofs[what][0]

    def lower(self) -> None:
        """Buffers and steps of every node."""
        for node in self.nodes:
            if node.kind == "input":
                self.buffers[node.out] = Buffer(node.out, self.shape, "int8", "input", INPUT_SCALE, INPUT_ZERO, timed=True)
            else:
                try:
                    LAYERS[node.kind].lower(self, node)
                except ModelError:
                    raise
                except ValueError as e:  # a multiplier out of range
                    raise ModelError(f"{node.out} ({node.kind}): {e}; its tensors' ranges are too far apart") from None

    def program(self, info: Mapping[str, Any]) -> Program:
        """The Program of the lowered nodes; the last one is the output."""
        first, last = self.nodes[0].out, self.nodes[-1].out
        buffers = {**self.buffers, last: replace(self.buffers[last], kind="output")}
        return Program(buffers, tuple(self.steps), self.data, first, last, {**info, "proofs": self.proofs})


def build(tensors: Tensors, method: str, info: Mapping[str, Any] | None = None, weights: str = "int8") -> Program:
    """The Program of a calibrated graph; its last node is the output."""
    b = GraphBuilder(tensors.nodes, tensors.values[tensors.nodes[0].out].shape[1:], tensors.calibrated(method), weights)
    b.lower()
    return b.program({**(info or {}), "calibration": method, "weights": weights})


def calibration_windows(x: np.ndarray, steps: int = 5000, seed: int = 0) -> np.ndarray:
    """So many of the windows x, drawn at random, that they have `steps` steps in all."""
    if not len(x):
        raise DataError("quantization: no calibration window; expected at least one")
    most = max(1, steps // x.shape[1])
    return x if len(x) <= most else x[np.sort(np.random.default_rng(seed).choice(len(x), most, replace=False))]


def quantize(model: FloatModel, x: np.ndarray, method: str = "auto", decay: str = "auto",
             stretches: np.ndarray | None = None, weights: str = "int8") -> Program:
    """An all-integer Program of `model`, calibrated on float windows x (b, t, a) of the training rows.

    method: "minmax", "percentile", "mse", or "auto": the one whose labels, then whose logits, are nearest to the float
    model's on x.
    decay: how a Mamba's scan decays: "free", by the rates of every state as trained; "powers", by the nearest rates of the
    form A[j, k] = (k + 1) A[j, 0], of which the kernel takes about half the instructions; or "auto": powers, unless their
    labels are significantly farther from the float model's on x (`Candidate.farther`).  What was chosen is in the
    Program's info; a model without a scan has no choice there, and one that was trained with powers has them.
    stretches: longer windows (b, more, a) of the same rows, of a model that goes on beyond its window, so that its states
    have room for a stream (`stretches_of`).
    weights: "int8", or "int4": those of linear layers that have LEAST_W4 or more are of four bits, two a byte.
    Raises ConfigError for an unknown method, decay or precision of weights, or free decays that the model does not have;
    DataError without windows; ModelError when a bound cannot be proved.
    """
    if method != "auto" and method not in METHODS:
        raise unknown("calibration", method, ("auto", *METHODS))
    if decay not in DECAYS:
        raise unknown("decay", decay, DECAYS)
    if weights not in WEIGHTS:
        raise unknown("precision of weights", weights, WEIGHTS)
    if x.ndim != 3 or x.shape[2] != model.config.aps:
        raise ConfigError(f"calibration windows have shape {x.shape}, expected (windows, steps, {model.config.aps})")
    if not np.isfinite(x).all():
        raise DataError("calibration windows hold NaN or infinity, expected finite numbers")
    nodes = model.graph(x.shape[1])
    scans = any(LAYERS[node.kind].cheaper for node in nodes if node.kind != "input")
    if (decay != "auto" and not scans) or (decay == "free" and model.config.tied):
        has = "powers, expected auto or powers" if scans else "no scan, expected auto"
        raise ConfigError(f"decay {decay!r}: the model has {has}")
    x = calibration_windows(x)
    tensors = Tensors.of(nodes, x, stretches)
    info = {**model.info, "parameters": model.parameters}
    methods = tuple(METHODS) if method == "auto" else (method,)

    def nearest(graph: Tensors, decay: str) -> Candidate:
        chosen = {**info, "decay": decay} if scans else info
        made = [Candidate(build(graph, m, chosen, weights), tensors) for m in methods]
        return made[0] if len(made) == 1 else min(made, key=lambda c: c.distance)

    powers = tensors if decay == "free" else tensors.cheaper()
    if powers is tensors:
        return nearest(tensors, "powers" if model.config.tied else "free").program
    if decay == "powers":
        return nearest(powers, "powers").program
    free, cheap = nearest(tensors, "free"), nearest(powers, "powers")
    return (free if cheap.farther(free) else cheap).program


@dataclass(eq=False)
class Candidate:
    """A Program and the float graph that it should be near to; it runs on the calibration windows once, when it is asked."""

    program: Program
    tensors: Tensors

    @cached_property
    def differences(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each calibration window: share of steps whose label differs from the float graph's, and the logits' mean
        squared difference; the logits' mean over the classes is taken off first, as it decides nothing."""
        from tinyloc.run import Session

        program, tensors = self.program, self.tensors
        label, name = tensors.nodes[-1].out, tensors.nodes[-1].inputs[0]
        codes = program.buffers[program.input].quantize(tensors.values[tensors.nodes[0].out])
        session, wrong, squared = Session(program, "numba"), np.empty(len(codes)), np.empty(len(codes))
        for i, (x, labels, real) in enumerate(zip(codes, tensors.values[label], tensors.values[name], strict=True)):
            session.reset()
            wrong[i] = (session.run(x) != labels).mean()
            difference = program.buffers[name].dequantize(session.value(name)) - real
            squared[i] = ((difference - difference.mean(1, keepdims=True)) ** 2).mean()
        return wrong, squared

    @property
    def distance(self) -> tuple[float, float]:
        """The means of both `differences`, labels first."""
        wrong, squared = self.differences
        return float(wrong.mean()), float(squared.mean())

    def farther(self, other: Candidate) -> bool:
        """Whether the labels are farther from the float graph's than the other's by more than chance: the sum of the
        windows' differences by more than twice its standard deviation, were they as likely the other way."""
        more = self.differences[0] - other.differences[0]
        return float(more.sum()) > 2 * float(np.sqrt((more**2).sum()))


def _training(model: FloatModel, dataset: Dataset, missing: str) -> tuple[Samples, Scaler, int]:
    """(training rows as the model hears them, its scaler, rows of its windows)."""
    info = model.info
    rows = dataset.train.select(info.get("aps", dataset.aps), f"{dataset.name}: the model", missing)
    rows = rows.with_rooms(info.get("rooms", dataset.rooms))
    scaler = Scaler.from_dict(info["scaler"]) if "scaler" in info else Scaler.fit(rows)
    return rows, scaler, int(info.get("window", dataset.window))


def calibration_of(model: FloatModel, dataset: Dataset, missing: str = MISSING[0]) -> np.ndarray:
    """Windows (b, t, a) of the data set's training rows, one a row, scaled and cut as the model's info says.

    Access points that the model does not hear are left out.  Raises DataError when the data set lacks one that it hears,
    unless `missing` lets it count as not heard (`Samples.select`), or has a room that the model lacks.
    """
    rows, scaler, length = _training(model, dataset, missing)
    return windows(rows, scaler, length, 1).x


def stretches_of(model: FloatModel, dataset: Dataset, missing: str = MISSING[0]) -> np.ndarray | None:
    """The training rows of `calibration_of` in windows of STRETCH times the length (or of the longest session, if that is
    shorter), for a model that streams; None for another, and where rows stand alone."""
    if model.config.family != "mamba" or int(model.info.get("window", dataset.window)) == 1:
        return None
    rows, scaler, length = _training(model, dataset, missing)
    longest = int((rows.ends() - rows.starts()).max()) + 1
    length = min(STRETCH * length, longest)
    found = windows(rows, scaler, length, max(1, length // 2)).x
    return calibration_windows(found) if len(found) else None


def calibrate(model: FloatModel, dataset: Dataset, method: str = "auto", decay: str = "auto", missing: str = MISSING[0],
              weights: str = "int8") -> Program:
    """`quantize` on `calibration_of` the data set, with the errors of both."""
    x = calibration_of(model, dataset, missing)
    return quantize(model, x, method, decay, stretches_of(model, dataset, missing), weights)
