"""Quantization: ranges, weights, proofs, and Programs that say what the float model says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.data import Dataset, Scaler, load, windows
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.kernels.halves import unpack_halves
from tinyloc.kernels.op import Node
from tinyloc.kernels.scan import nearest_powers
from tinyloc.kernels.table import LAYERS, OPS
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.quantize import (
    LEAST_W4,
    METHODS,
    WEIGHTS,
    Calibration,
    Candidate,
    GraphBuilder,
    Tensors,
    build,
    calibrate,
    calibration_windows,
    mse,
    quantize,
    scale_and_zero,
)
from tinyloc.run import Session
from tinyloc.train import Recipe, fit, last_rows
from tinyloc.verify import compare

PRESETS = ("mamba-h8l1", "mamba-h4l2", "mamba-h8l1-lean", "mamba-h8l1,n=0", "mdcsa-h8l1", "mdcsa-h4l3",
           "mdcsa-h8l1-lean")


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=6, test_minutes=1)


@pytest.fixture(scope="module")
def models(house: Dataset) -> dict[str, Model]:
    return {name: fit(house, name, Recipe(epochs=12)) for name in PRESETS}


@pytest.mark.parametrize("name", PRESETS)
def test_program_says_what_the_model_says(house: Dataset, models: dict[str, Model], name: str) -> None:
    model = models[name]
    program = calibrate(model, house)
    w = last_rows(model.info, house.test)
    codes = program.buffers[program.input].quantize(w.x)
    labels = Session(program).run_windows(codes)[:, -1, 0]
    same = float((labels == model.predict(w.x)).mean())
    assert same > 0.93, f"{name}: int8 and float agree in {same:.3f} of {len(w.x)} windows"
    assert program.info["rooms"] == list(house.rooms) and program.info["calibration"] in METHODS


@pytest.mark.parametrize("name", PRESETS)
def test_auto_is_the_nearest(house: Dataset, models: dict[str, Model], name: str) -> None:
    x = calibration_windows(windows(house.train, Scaler.fit(house.train), 20, 5).x, 600)
    tensors = Tensors.of(models[name].graph(20), x)
    program = quantize(models[name], x)
    graph = tensors.cheaper() if program.info.get("decay") == "powers" else tensors
    by_method = {m: Candidate(build(graph, m), tensors).distance for m in METHODS}
    assert program.info["calibration"] == min(by_method, key=lambda m: by_method[m])


def scan_inputs(rng: np.random.Generator, e: int, n: int, t: int = 12) -> list[np.ndarray]:
    """x, dt, B, C of 20 windows."""
    return [rng.standard_normal((20, t, e)), rng.gamma(1, 0.1, (20, t, e)), *rng.standard_normal((2, 20, t, n))]


def scan_node(rates: np.ndarray) -> Node:
    return Node("selective_scan", "y", ("x", "dt", "b", "c"), {"a_log": np.log(rates), "d_skip": np.ones(len(rates))})


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("t", [1, 2, 12])
def test_nearest_powers(spread: float, t: int) -> None:
    """No rate of a fine grid, with the D that suits it, gives a channel's output a smaller error; powers are found back."""
    rng = np.random.default_rng(5)
    e, n = 6, 8
    free = rng.uniform(0.3, 3, (e, 1)) * np.arange(1, n + 1) * np.exp(spread * rng.standard_normal((e, n)))
    inputs, node = scan_inputs(rng, e, n, t), scan_node(free)
    found = nearest_powers(node, inputs)
    x, forward = inputs[0], LAYERS["selective_scan"].forward
    assert found.params["a_log"].shape == (e, 1) and nearest_powers(found, inputs) is found
    want = forward(node, inputs)

    def errors(a_log: np.ndarray, d: np.ndarray | None = None) -> np.ndarray:
        rest = want - forward(replace(node, params={"a_log": a_log, "d_skip": np.zeros(e) if d is None else d}), inputs)
        if d is None:
            rest -= (rest * x).sum((0, 1)) / (x * x).sum((0, 1)) * x
        return (rest**2).sum((0, 1)) / (want**2).sum((0, 1))

    got = errors(found.params["a_log"], found.params["d_skip"])
    each = node.params["a_log"] - np.log(np.arange(1, n + 1))
    low, high = each.min(1), each.max(1)
    grid = [errors((low + (high - low) * i / 200)[:, None]) for i in range(201)]
    assert (got <= np.min(grid, 0) * 1.0001 + 1e-12).all(), f"{got}, the grid's {np.min(grid, 0)}"
    if not spread:
        np.testing.assert_allclose(found.params["a_log"], each[:, :1], atol=1e-9)
        np.testing.assert_allclose(found.params["d_skip"], 1, atol=1e-9)


@pytest.mark.parametrize("decay", ["auto", "free", "powers"])
def test_decays(house: Dataset, models: dict[str, Model], decay: str) -> None:
    x = calibration_windows(windows(house.train, Scaler.fit(house.train), 20, 5).x, 600)
    program = quantize(models["mamba-h4l2"], x, decay=decay)
    ops = [s.op for s in program.steps if s.op.startswith("scan_")]
    chosen = program.info["decay"]
    assert chosen == decay if decay != "auto" else chosen in ("free", "powers")
    assert ops == 2 * [{"free": "scan_s8", "powers": "scan_powers_s8"}[chosen]]


def test_auto_keeps_decays_that_are_no_powers(house: Dataset, models: dict[str, Model]) -> None:
    """States that forget at once beside ones that never do, both heard: one rate a channel cannot say that."""
    model = models["mamba-h8l1"]
    a_log = np.tile(np.log([20.0, 1e-3]), (16, 8)).astype(np.float32)
    model = Model(model.config, {**model.params, "blocks.0.a_log": a_log}, model.info)
    model.params["blocks.0.x_proj.weight"] = model.params["blocks.0.x_proj.weight"] * np.float32(2)
    x = calibration_windows(windows(house.train, Scaler.fit(house.train), 20, 5).x, 2000)
    tensors = Tensors.of(model.graph(20), x)
    free, powers = (Candidate(quantize(model, x, decay=decay), tensors) for decay in ("free", "powers"))
    assert powers.farther(free)
    assert not free.farther(powers)
    assert quantize(model, x).info["decay"] == "free"


@pytest.mark.parametrize("name", [n for n in PRESETS if n.startswith("mamba")])
def test_whole_window_is_sample_by_sample(house: Dataset, models: dict[str, Model], name: str) -> None:
    program = calibrate(models[name], house, "minmax")
    assert program.can_stream
    w = last_rows(models[name].info, house.test).x[::40]
    codes = program.buffers[program.input].quantize(w)
    stream = Session(program.retime(1))
    for window, whole in zip(codes, Session(program).run_windows(codes), strict=True):
        stream.reset()
        np.testing.assert_array_equal(stream.run_stream(window), whole)


def test_mdcsa_looks_at_the_whole_window(models: dict[str, Model], house: Dataset) -> None:
    program = calibrate(models["mdcsa-h8l1"], house, "minmax")
    assert not program.can_stream
    with pytest.raises(ModelError, match="looks at the whole window"):
        program.retime(1)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", PRESETS)
def test_every_sum_is_proved(house: Dataset, models: dict[str, Model], name: str, weights: str) -> None:
    """A proof a step with an accumulator, and none is looser than what the step's own constants say."""
    program = calibrate(models[name], house, "minmax", weights=weights)
    proofs = program.info["proofs"]
    assert all(0 <= bound <= limit for bound, limit in proofs.values())
    for step in program.steps:
        op, args = OPS[step.op], step.args
        named = dict(zip((p.name for p in op.params), args, strict=True))
        if {"bias", "w"} <= named.keys():  # every product at its greatest, all of one sign
            w = program.data[str(named["w"])]
            w = w.T if step.op.startswith("depthwise") else w.reshape(len(w), -1)
            if step.op.startswith("linear_w4"):
                w = unpack_halves(w, int(named["k"]))
            bias = program.data[str(named["bias"])].astype(np.int64)
            worst = int((np.abs(bias) + 128 * np.abs(w.astype(np.int64)).sum(1)).max())
            assert worst == proofs[f"{args[0]}: accumulator"][0]
        elif op.name in ("matmul_s8", "attention_s8", "layer_norm_s8") or op.name.startswith("scan"):
            assert any(k.startswith(f"{args[0]}: ") for k in proofs), step


def builder(weights: str = "int8") -> GraphBuilder:
    return GraphBuilder([Node("input", "x", ())], (1, 3), Calibration({"x": (0.0, 1.0)}), weights)


def test_weights_get_rows_only_where_it_helps() -> None:
    rng = np.random.default_rng(0)
    even = rng.uniform(-1, 1, (8, 16))
    w, scale = builder().quantize_weight(even, np.zeros(8))
    assert scale.shape == (1,) and np.abs(w * scale - even).max() <= scale[0] / 2 + 1e-12
    w, scale = builder().quantize_weight(even * np.logspace(-3, 0, 8)[:, None], np.zeros(8))
    assert scale.shape == (8,) and np.abs(w).max(1).tolist() == [127] * 8
    w, scale = builder().quantize_weight(np.zeros((2, 2)), np.zeros(2))
    assert (w == 0).all() and (scale > 0).all()


def test_four_bits_have_the_best_scale_of_each_row() -> None:
    """Never worse than from end to end, far better where one weight lies apart; and no scale is below what a bias needs."""
    w = np.random.default_rng(0).standard_normal((6, 64))
    w[0, 5] = 9.0
    q, scale = builder().quantize_weight(w, np.zeros(6), 4)
    assert scale.shape == (6,) and np.abs(q).max() == 7
    whole = np.abs(w).max(1) / 7
    ours, ends = (((np.clip(np.rint(w / s[:, None]), -7, 7) * s[:, None] - w) ** 2).sum(1) for s in (scale, whole))
    np.testing.assert_allclose(((q * scale[:, None] - w) ** 2).sum(1), ours)
    assert (ours <= ends).all() and scale[0] < whole[0] and ours[0] < ends[0]
    q, scale = builder().quantize_weight(w, np.full(6, 0.5), 4)
    assert (scale >= 0.5).all() and np.abs(q).max() <= 7


@pytest.mark.parametrize("name", ["mamba-h16l1", "mamba-h32l1,n=0", "mdcsa-h8l1", "mdcsa-h16l3"])
def test_four_bits_are_half_of_the_bytes(house: Dataset, name: str) -> None:
    """Layers of LEAST_W4 weights or more, and no others; each says what the codes stand for."""
    model = Model.create(preset(name, len(house.aps), len(house.rooms)))
    x = np.random.default_rng(0).random((4, 20, len(house.aps)), np.float32)
    eight, four = (quantize(model, x, "minmax", weights=weights) for weights in WEIGHTS)
    assert (eight.info["weights"], four.info["weights"]) == WEIGHTS
    ops = {str(s.args[0]): s.op for s in eight.steps}
    halved = 0
    for step in four.steps:
        was = ops[str(step.args[0])]
        if not was.startswith("linear"):
            assert step.op == was
            continue
        n, k = step.args[OPS[step.op].index("n")], step.args[OPS[step.op].index("k")]
        assert isinstance(n, int) and isinstance(k, int)
        if n * k < LEAST_W4:
            assert step.op == was
            continue
        assert step.op == {"linear_s8": "linear_w4_s8", "linear_s8_s16": "linear_w4_s16"}[was]
        assert four.data[str(step.args[2])].nbytes == n * -(-k // 2)
        halved += n * k
    assert halved, "no layer of this model is large enough"
    rng = np.random.default_rng(1)
    assert compare(four, rng.integers(-128, 128, (6, 20, len(house.aps))).astype(np.int8)).equal


def test_a_bias_far_above_its_products_fits() -> None:
    """A row of weights near zero under a bias: its scale is raised until the bias has room."""
    x = np.random.default_rng(0).random((4, 3, 2), np.float32)
    w, bias = np.array([[1e-9, -1e-9], [0.5, 0.25]]), np.array([-4.6, 0.0])
    nodes = [Node("input", "x", ()), Node("linear", "y", ("x",), {"weight": w, "bias": bias})]
    tensors = Tensors.of(nodes, x)
    program = build(tensors, "minmax")
    real = program.buffers["y"].dequantize(Session(program).run(program.buffers["x"].quantize(x[0])))
    np.testing.assert_allclose(real, x[0] @ w.T + bias, atol=1.5 * program.buffers["y"].scale)


def test_bounds_that_cannot_be_proved_are_refused() -> None:
    b = builder()
    with pytest.raises(ModelError, match="a sum reaches 2147483648, expected at most 2147483647"):
        b.prove("a sum", 2**31)
    with pytest.raises(ModelError, match="fc: accumulator, shifted left reaches"):
        b.bias_and_rescale("fc", np.zeros(1), np.array([2.0**9]), 2**23)
    with pytest.raises(TypeError, match="expected arguments y, x, t, c; got t, y"):
        b.step("argmax_s16", y="y", t=1)


def test_equal_constants_are_stored_once() -> None:
    b = builder()
    one, two = (b.constant(n, np.arange(4, dtype=np.int8)) for n in ("one", "two"))
    assert one == two == "one" and b.constant("wide", np.arange(4, dtype=np.int16)) == "wide"


@given(st.floats(-50, 50), st.floats(0, 100))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_scale_and_zero(lo: float, width: float) -> None:
    scale, zero = scale_and_zero(lo, lo + width)
    assert -128 <= zero <= 127 and scale > 0
    for v in (min(lo, 0.0), max(lo + width, 0.0)):  # both ends are in reach, to half a step of the zero point's rounding
        assert -128.51 <= v / scale + zero <= 127.51


@pytest.mark.parametrize("kind", ["laplace", "normal", "uniform", "outlier"])
@pytest.mark.parametrize("after", [lambda v: v, np.tanh])
def test_mse_is_never_worse_than_minmax(kind: str, after: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    v = {"laplace": rng.laplace(size=20_000) ** 3, "normal": rng.standard_normal(20_000) + 0.5,
         "uniform": rng.uniform(-30, 30, 20_000), "outlier": np.append(rng.standard_normal(20_000), 6.0)}[kind]

    def error(lo: float, hi: float) -> float:
        scale, zero = scale_and_zero(lo, hi)
        return float(((after((np.clip(np.rint(v / scale) + zero, -128, 127) - zero) * scale) - after(v)) ** 2).mean())

    lo, hi = mse(v, after)
    assert error(lo, hi) <= error(v.min(), v.max())
    if kind == "uniform" and after is np.tanh:  # what tanh flattens may be clipped
        assert -8 < lo < -2 and 2 < hi < 8


@pytest.mark.parametrize("d", [8, 16, 32, 64])
@pytest.mark.parametrize("first", [0, 1])
def test_mse_looks_at_every_channel(d: int, first: int) -> None:
    """5,000 steps, as most calibrations have: a quarter of the channels are small, which ones does not matter."""
    scale = np.where(np.arange(d) % 4 == first, 1.0, 10.0)
    v = np.random.default_rng(0).normal(size=(250, 20, d)) * scale
    lo, hi = mse(v, lambda v: v)
    assert ((v < lo) | (v > hi)).mean() < 0.001, (lo, hi)


def test_bad_input(models: dict[str, Model], house: Dataset) -> None:
    model = models["mamba-h8l1"]
    x = np.zeros((4, 20, len(house.aps)), np.float32)
    with pytest.raises(ConfigError, match="unknown calibration 'msee'; did you mean 'mse'"):
        quantize(model, x, "msee")
    with pytest.raises(ConfigError, match="unknown decay 'power'; did you mean 'powers'"):
        quantize(model, x, decay="power")
    with pytest.raises(ConfigError, match="decay 'free': the model has powers, expected auto or powers"):
        quantize(models["mamba-h8l1-lean"], x, decay="free")
    with pytest.raises(ConfigError, match="decay 'powers': the model has no scan, expected auto"):
        quantize(models["mdcsa-h8l1"], x, decay="powers")
    with pytest.raises(ConfigError, match=r"shape \(4, 20, 3\), expected \(windows, steps, 11\)"):
        quantize(model, x[:, :, :3])
    with pytest.raises(DataError, match="NaN or infinity"):
        quantize(model, x * np.float32("nan"))
    with pytest.raises(DataError, match="no calibration window"):
        quantize(model, x[:0])
    with pytest.raises(DataError, match="simulated: the model hears 11 access points, of which the data lack 6"):
        calibrate(model, load("simulated", minutes=4, test_minutes=1, aps=5))


@pytest.mark.parametrize("name", ["mamba-h8l1", "mdcsa-h8l1"])
def test_constant_features_do_no_harm(name: str) -> None:
    """All signals equal in calibration: scales stay finite and the Program runs."""
    model = Model.create(preset(name, 3, 4))
    program = quantize(model, np.full((5, 8, 3), 0.5, np.float32), "minmax")
    assert all(np.isfinite(b.scale) and b.scale > 0 for b in program.buffers.values())
    out = Session(program).run_windows(np.random.default_rng(0).integers(-128, 128, (6, 8, 3)).astype(np.int8))
    assert out.max() < 4


def test_a_sample_on_its_own_needs_no_transitions() -> None:
    model = Model.create(preset("mamba-h4l1", 6, 5))
    program = quantize(model, np.random.default_rng(0).random((40, 1, 6), np.float32))
    assert [s.op for s in program.steps][-1] == "argmax_s16" and "label.transitions" not in program.buffers


def test_file_round_trip(models: dict[str, Model], house: Dataset, tmp_path: Path) -> None:
    program = calibrate(models["mdcsa-h8l1"], house, "minmax")
    program.save(tmp_path / "p")
    again = Program.load(tmp_path / "p")
    assert again.steps == program.steps and dict(again.buffers) == dict(program.buffers) and again.info == program.info
    assert all(np.array_equal(again.data[k], v) for k, v in program.data.items())


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-6, 1e3])
def test_degenerate_calibration_still_has_room(name: str, size: float) -> None:
    """Weights so small or so great that tensors are constant or saturate: bounds are proved, and nothing wraps."""
    model = Model.create(preset(name, 3, 4))
    model.params = {k: v * np.float32(size) if v.ndim > 1 and "a_log" not in k else v for k, v in model.params.items()}
    x = np.random.default_rng(0).random((6, 5, 3), np.float32)
    if size > 1:  # out of all reason: refused by name, or right
        try:
            program = quantize(model, x, "minmax")
        except ModelError as e:
            assert re.match(r"[\w.]+[: (]", str(e))
            return
    program = quantize(model, x, "minmax")
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.integers(-128, 128, (6, 5, 3)), rng.choice([-128, 127], (6, 5, 3))]).astype(np.int8)
    assert compare(program, x).equal
    session = Session(program)
    for window in x:
        session.reset()
        session.run(window)
        for step in program.steps:
            if step.op == "mul_s8":
                product = np.prod([program.buffers[str(a)].dequantize(session.value(str(a))) for a in step.args[1:3]], 0)
                y = program.buffers[str(step.args[0])]
                np.testing.assert_array_less(np.abs(session.value(y.name) - y.quantize(product)), 2)
