"""The scan over 10^5 steps of long memory: no drift beyond the stated bound, and an output that is still right.

Equality with a mirror says nothing here: a scan that forgets its state equals its own mirror bit for bit.  The judge is
the float64 recurrence of the same codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinyloc.kernels.op import Node, Op
from tinyloc.kernels.scan import step_error
from tinyloc.kernels.table import LAYERS, OPS
from tinyloc.reference.scan import selective_scan

STEPS, E, N = 100_000, 4, 8
CHECK = 250  # steps between two looks at the state
DT = (0.001, 0.1)
FORGETFUL = float(np.exp(-0.1))  # 0.905, what a clamp of dt A to [-1, 0) in steps of 0.1 makes of every decay


def windows(real: np.ndarray) -> np.ndarray:
    """Four of 5000 steps, one of each kind of signal."""
    return real.reshape(20, STEPS // 20, -1)[::5]


@dataclass
class Lowered:
    """The builder that `LAYERS["selective_scan"].lower` fills, for tensors with given values and scales."""

    inputs: dict[str, Any]
    y_scale: float
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    args: dict[str, Any] = field(default_factory=dict)
    op: str = ""

    def input(self, name: str) -> Any:
        return self.inputs[name]

    def observed(self, node: Node) -> Any:
        layer = next(layer for layer in LAYERS.values() if layer.kind == node.kind)
        return layer.observe(node, [windows(self.inputs[name].real) for name in node.inputs])

    def output(self, node: Node, **_: Any) -> Any:
        return SimpleNamespace(name="y", scale=self.y_scale, zero_point=0)

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        self.arrays[name] = data
        return name

    def state(self, name: str, init: np.ndarray, *_: Any) -> str:
        return self.constant(name, init)

    def scratch(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        self.arrays[name] = np.full(shape, 7, dtype)
        return name

    def prove(self, what: str, bound: int, limit: int = 2**31 - 1) -> None:
        assert bound <= limit, what

    def step(self, op: str, **args: Any) -> None:
        self.op, self.args = op, args


@dataclass
class Scan:
    """A lowered scan with its input codes, and what float64 makes of the same codes."""

    op: Op
    args: dict[str, Any]
    decays: np.ndarray  # (STEPS, E, N)
    states: np.ndarray  # in places of the integer state, after every step
    y: np.ndarray  # in places of y, before rounding


def recurrence(decays: np.ndarray, driven: np.ndarray) -> np.ndarray:
    """h <- decay h + driven, every h."""
    h, out = np.zeros(driven.shape[1:]), np.empty_like(driven)
    for i, (d, u) in enumerate(zip(decays, driven, strict=True)):
        h = d * h + u
        out[i] = h
    return out


def signal(rng: np.random.Generator) -> np.ndarray:
    """(STEPS, E) in [-1, 1]: noise, then a constant, then nothing (where a rounding bias would build up), in turn."""
    x = rng.uniform(-1, 1, (STEPS, E))
    part = np.arange(STEPS) // 5000 % 4
    x[part == 1] = 0.6
    x[part == 2] = -0.9
    x[part == 3] = 0.0
    return x


def made(powers: bool) -> Scan:
    rng = np.random.default_rng(5)
    # Long memory throughout, none, and two channels whose time step wanders over the whole range.
    wander = np.exp(rng.uniform(*np.log(DT), (STEPS, E)))
    dt = np.stack([np.full(STEPS, DT[0]), np.full(STEPS, DT[1]), wander[:, 2], wander[:, 3]], 1)
    real = {"x": signal(rng), "dt": dt, "b": rng.uniform(-1, 1, (STEPS, N)), "c": rng.uniform(-1, 1, (STEPS, N))}
    real["b"] = 0.5 + 0.5 * real["b"]  # of one sign: the state follows x instead of averaging out
    inputs: dict[str, Any] = {}
    for name, v in real.items():
        dtype, scale = (np.uint16, DT[1] / 65535) if name == "dt" else (np.int8, 1 / 127)
        codes = np.rint(v / scale).astype(dtype)
        inputs[name] = SimpleNamespace(name=name, shape=codes.shape, scale=scale, zero_point=0, codes=codes,
                                       real=codes * scale)
    a_log = np.zeros((E, 1)) if powers else np.tile(np.log(np.arange(1, N + 1)), (E, 1))  # A = -1, -2, ...
    node = Node("selective_scan", "y", ("x", "dt", "b", "c"), {"a_log": a_log, "d_skip": rng.uniform(-1, 1, E)})
    x_real, dt_real, b_real, c_real = (windows(inputs[n].real) for n in node.inputs)
    (y, _), _ = selective_scan(x_real, dt_real, -np.tile(np.arange(1.0, N + 1), (E, 1)), b_real, c_real,
                               node.params["d_skip"])
    b = Lowered(inputs, float(np.abs(y).max()) / 127)
    LAYERS["selective_scan"].lower(b, node)
    op = OPS[b.op]
    args = {n: b.arrays.get(v, v) if isinstance(v, str) else v for n, v in b.args.items()}
    args |= {n: inputs[n].codes for n in ("x", "dt", "b", "c")} | {"y": np.zeros((STEPS, E), np.int8)}

    # The same codes in float64.
    if powers:
        rate = args["a"][:, None] * 2.0 ** (4 - args["a_shift"]) * np.arange(1, N + 1)
    else:
        rate = args["a"] * (args["a_scale"] / 8.0)
    delta, v, into, outof = (args[n].astype(float) for n in node.inputs[1:2] + node.inputs[:1] + node.inputs[2:])
    decays = np.exp2(-delta[:, :, None] * rate / 2.0**32)
    exponent = np.exp2(args["h_exp"].astype(float))
    g = delta * v * args["g_mult"] * 2.0 ** (args["g_shift"] - 31) / exponent
    states = recurrence(decays, g[:, :, None] * into[:, None] * 2.0 ** (args["b_shift"] - 15))
    total = (states * outof[:, None]).sum(2) + args["d_skip"] * v * 2.0 ** args["d_shift"]
    out = total * args["y_mult"] * 2.0 ** (args["y_shift"] - 31) * exponent
    return Scan(op, args, decays, states, out)


@pytest.fixture(scope="module", params=[False, True], ids=["any A", "powers"])
def scan(request: pytest.FixtureRequest) -> Scan:
    return made(request.param)


def bound(scan: Scan) -> np.ndarray:
    """(E, N) places: a step's error over what a step forgets, at the slowest decay."""
    power = N if scan.op.name == "scan_powers_s8" else 1
    return step_error(power) / (1 - scan.decays.max(0))


def run(scan: Scan, backend: str) -> tuple[np.ndarray, np.ndarray]:
    """States after every CHECK steps, and all of y."""
    args = scan.op.prepare([scan.args[p.name] for p in scan.op.params])
    names = [p.name for p in scan.op.params]
    states, y = [], []
    for at in range(0, STEPS, CHECK):
        part = list(args)
        for i, p in enumerate(scan.op.params):
            if p.role in ("in", "out"):
                width = args[i].size // STEPS
                part[i] = args[i][at * width : (at + CHECK) * width]
        part[names.index("t")] = CHECK
        getattr(scan.op, backend)(*part)
        states.append(part[names.index("h")].reshape(E, N).copy())
        y.append(part[0])
    return np.array(states), np.concatenate(y).reshape(STEPS, E)


@pytest.mark.parametrize("backend", ["jit", "c"])
def test_the_state_stays_within_its_bound(scan: Scan, backend: str) -> None:
    states, y = run(scan, backend)
    want = scan.states[CHECK - 1 :: CHECK]
    off = np.abs(states - want)
    allowed = bound(scan)
    assert (off <= allowed).all(), f"{(off / allowed).max()} times the bound"
    half = len(off) // 2
    reach = np.abs(want).max(0)
    assert (reach.max(1) > 10_000).all() and reach.max() < 32767, "the state uses its bits and does not saturate"
    error = np.sqrt(((y - np.clip(scan.y, -128, 127)) ** 2).mean(0) / (scan.y**2).mean(0))
    print(f"{scan.op.name}: state off by {off.max():.0f} places at most (bound {allowed.max():.0f}), "
          f"{(off / allowed).max():.2f} of the bound; first half {off[:half].max():.0f}, second "
          f"{off[half:].max():.0f}; relative error of y {error.max():.4f}")
    assert off[half:].max() <= 1.5 * off[:half].max() + 5, "the error grows with time"
    assert (error < 0.03).all(), f"relative error of y {error}"
    assert np.abs(y - np.clip(scan.y, -128, 127)).max() <= 3


def test_a_forgetful_scan_would_fail(scan: Scan) -> None:
    """Every decay 0.905: the slow states end up far too small, and both measures say so."""
    driven = scan.states - scan.decays * np.concatenate([np.zeros((1, E, N)), scan.states[:-1]])
    forgot = recurrence(np.full_like(scan.decays, FORGETFUL), driven)
    off = np.abs(forgot - scan.states)
    assert (off.max(0)[0] > 5 * bound(scan)[0]).all()
    assert np.abs(scan.states[:, 0]).max() > 10 * np.abs(forgot[:, 0]).max()
