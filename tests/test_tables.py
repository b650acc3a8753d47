"""Functions by table: every input code, against the mathematics; TFLM's two against gemmlowp's in exact integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import exact
import mutants
import numpy as np
import pytest

from tinyloc.kernels import build_c
from tinyloc.kernels.op import Node
from tinyloc.kernels.softmax import exponentials, parameters
from tinyloc.kernels.table import LAYERS, OPS
from tinyloc.reference.activation import ACTIVATIONS

CODES = np.arange(-128, 128)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


REAL: dict[str, Callable[[float], float]] = {
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * _sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),  # the tanh form
    "gelu_erf": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
}
# Fixed-point functions in Q0 of an input in Q4, and the places of the output that their Q0 holds.
GEMMLOWP = {"sigmoid": (exact.logistic, 23, -128), "tanh": (exact.tanh, 24, 0)}


class Lowered:
    """The builder that a table's layer fills: an input of some scale and zero point, an output of another."""

    def __init__(self, kind: str, rng: np.random.Generator, number: int) -> None:
        span = float(np.exp(rng.uniform(math.log(0.5), math.log(100))))
        scale = 2.0 ** round(math.log2(span / 255)) if number % 4 == 0 else span / 255
        self.x = SimpleNamespace(name="x", shape=(1, 256), scale=scale, zero_point=int(rng.integers(-128, 128)))
        self.real = [REAL[kind](scale * float(c - self.x.zero_point)) for c in CODES]
        low, high = min(0.0, *self.real), max(0.0, *self.real)
        self.scale = max(high - low, 1e-6) / 255 * float(rng.uniform(0.8, 1.2))  # some saturate
        self.zero_point = int(np.clip(round(-128 - low / self.scale), -128, 127))
        LAYERS[kind].lower(self, Node(kind, "y", ("x",)))

    def input(self, name: str) -> Any:
        return self.x

    def output(self, node: Node, dtype: str = "int8", fixed: tuple[float, int] | None = None, **_: Any) -> Any:
        self.scale, self.zero_point = fixed or (self.scale, self.zero_point)
        return SimpleNamespace(name="y", scale=self.scale, zero_point=self.zero_point)

    def constant(self, name: str, data: np.ndarray, kind: str = "weight") -> str:
        self.table = data
        return name

    def step(self, op: str, **args: Any) -> None:
        self.op = OPS[op]
        given = {"x": CODES.astype(np.int8), "table": self.table, "y": np.zeros(256, self.table.dtype)}
        self.args = [given.get(p.name, args[p.name]) for p in self.op.params]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_code(kind: str, level: int) -> None:
    """Numba and C look up the table; the table is the nearest value, or hardly farther where TFLM has the bits."""
    worst = 0.0
    for number in range(24 if level == 1 else 1000):
        b = Lowered(kind, np.random.default_rng([9, number]), number)
        where = f"{kind}, number {number}: x {b.x.scale} {b.x.zero_point}, y {b.scale} {b.zero_point}"
        for backend in ("jit", "c"):
            args = b.op.prepare(b.args)
            getattr(b.op, backend)(*args)
            assert np.array_equal(args[0], b.table), f"{where}, {backend}"
        info = np.iinfo(b.table.dtype)
        real = np.clip(np.array(b.real) / b.scale + b.zero_point, info.min, info.max)
        off = float(np.abs(b.table - real).max())
        worst = max(worst, off)
        assert off <= (0.51 if kind in GEMMLOWP else 0.5 + 1e-6), where
    print(f"{kind}: at most {worst:.3f} places off")


@pytest.mark.parametrize("kind", GEMMLOWP)
def test_the_bits_of_tflm_by_exact_arithmetic(kind: str, level: int) -> None:
    """The same judge as tests/test_tflm.py, where its wheel cannot be had: inputs in Q4, beyond +-15 the ends."""
    function, places, zero = GEMMLOWP[kind]
    for number in range(24 if level == 1 else 1000):
        b = Lowered(kind, np.random.default_rng([9, number]), number)
        mult, shift = exact.quantize_multiplier(b.x.scale * 2**27)
        radius = int(15 * 2**27 / 2**shift)
        for code, got in zip(CODES.tolist(), b.table.tolist(), strict=True):
            d = code - b.x.zero_point
            if abs(d) >= radius:
                want = 127 if d > 0 else -128
            else:
                want = exact.sat8(exact.rdbpot(function(exact.mbqm(d, mult, shift)), places) + zero)
            assert got == want, f"{kind}, number {number}, code {code}: {got}, expected {want}"


def test_every_activation_has_its_mathematics_here() -> None:
    assert set(REAL) == set(ACTIVATIONS)


@pytest.mark.parametrize("scale", [1e-300, 1e-6 / 255, 2.0**-27, 2.0**-26, 0.1, 8.0, 31.0, 32.0, 1e6])
def test_the_constants_of_softmax_stay_in_their_domain(scale: float) -> None:
    """No negative left shift, none beyond 31 bits, and no difference that counts overflows; what comes out is right."""
    mult, shift, diff_min = parameters(scale)
    assert 2**30 <= mult < 2**31 and 0 <= shift <= 31
    assert max(diff_min, -255) * 2**shift >= exact.INT32_MIN
    op = OPS["softmax_s8"]
    x, table = np.array([-128, -100, 0, 100, 120, 127], np.int8), exponentials(scale)
    e = np.exp(min(scale, 1e3) * (x.astype(float) - 127))
    for backend in ("jit", "c"):
        args = op.prepare([np.zeros(6, np.int8), x, table, 1, 6, table.size])
        getattr(op, backend)(*args)
        assert np.abs(args[0] - np.clip(e / e.sum() * 256 - 128, -128, 127)).max() <= op.tolerance[0]


def test_exponentials_are_gemmlowps_and_no_entry_is_stored_twice(level: int) -> None:
    """By exact integers, but for those so small that neither a sum nor a result could tell them from zero."""
    rng = np.random.default_rng(4)
    for scale in [1e-300, 2.0**-26, 1 / 64, 0.1, 13.9, 40.0, *np.exp(rng.uniform(-8, 3, 20 if level == 1 else 2000))]:
        mult, shift, diff_min = parameters(float(scale))
        table = exponentials(float(scale))
        for d in range(256):
            want = exact.exponential(-d, mult, shift) if -d >= diff_min else 0
            got = int(table[min(d, len(table) - 1)])
            in_sum, in_result = exact.rdbpot(want, 12), exact.rdbpot(exact.srdhm(2**31 - 1, want), 23)  # at most
            assert got == (want if in_sum or in_result else 0), f"scale {scale}, difference {d}"
            assert abs(got / 2**31 - math.exp(-max(scale, 2.0**-26) * d)) < 2.0**-19, f"scale {scale}, difference {d}"
        assert table[0] == exact.INT32_MAX and (len(table) == 256 or (table[-1] == 0 < table[-2]))


def test_lines_of_the_decay_are_exact() -> None:
    """Values and slopes in the source, of which few change a state by themselves."""
    assert mutants.table((build_c.C / "scan.c").read_text(), "lines") == [v for row in exact.LINES for v in row]
