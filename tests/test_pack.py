"""Packing for cores with the DSP extension: another Program, the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from tinyloc.kernels.halves import unpack_halves
from tinyloc.kernels.packed import pack_rows, pack_weights
from tinyloc.kernels.table import OPS, PACKERS
from tinyloc.model import Model, preset
from tinyloc.pack import pack
from tinyloc.program import Buffer, Program, Step
from tinyloc.quantize import quantize
from tinyloc.run import Session
from tinyloc.verify import compare

PRESETS = ("mamba-h8l1", "mamba-h16l1-lean", "mdcsa-h8l1", "mdcsa-h8l3", "mamba-h16l1 int4", "mdcsa-h8l1 int4")


def program(name: str) -> Program:
    rng = np.random.default_rng(0)
    name, _, weights = name.partition(" ")
    model = Model.create(preset(name, 11, 7))
    model.params = {k: v + 0.1 * rng.standard_normal(v.shape).astype(v.dtype) for k, v in model.params.items()}
    return quantize(model, rng.random((40, 12, 11), np.float32), "minmax", weights=weights or "int8")


def extremes(p: Program) -> np.ndarray:
    b, rng = p.buffers[p.input], np.random.default_rng(1)
    return np.stack([np.full(b.shape, v, np.int8) for v in (-128, 127)]
                    + [rng.choice([-128, 127], b.shape).astype(np.int8) for _ in range(4)]
                    + [rng.integers(-128, 128, b.shape).astype(np.int8) for _ in range(20)])


@pytest.mark.parametrize("name", PRESETS)
def test_every_buffer_is_equal(name: str) -> None:
    plain = program(name)
    packed = pack(plain)
    assert {s.op for s in packed.steps} != {s.op for s in plain.steps} and packed.info["packed"] == "dsp"
    one, other = Session(plain), Session(packed)
    shared = [b for b, v in plain.buffers.items() if v.kind in ("activation", "output", "state") and b in packed.buffers]
    for x in extremes(plain):
        for s in (one, other):
            s.reset()
            s.run(x)
        for b in shared:
            np.testing.assert_array_equal(one.value(b), other.value(b), err_msg=b)


@pytest.mark.parametrize("name", PRESETS)
def test_packed_is_a_program_like_any_other(name: str) -> None:
    packed = pack(program(name))
    assert compare(packed, extremes(packed)).equal
    assert packed.can_stream == program(name).can_stream
    if packed.can_stream:
        x = extremes(packed)[-1]
        np.testing.assert_array_equal(Session(packed.retime(1), "c").run_stream(x), Session(packed).run(x))


def test_packing_twice_changes_nothing() -> None:
    once = pack(program("mdcsa-h8l1"))
    assert pack(once).steps == once.steps
    assert not any(s.op in PACKERS for s in once.steps), "every layer of this model can be packed"


@pytest.mark.parametrize("change", [
    {"shift": np.array([0])}, {"shift": np.array([-21])}, {"shift": np.array([3])}, {"bias": np.array([2**23])}])
def test_what_has_no_room_stays(change: dict[str, np.ndarray]) -> None:
    args = {"w": np.ones((4, 8), np.int8), "bias": np.array([5]), "mult": np.array([2**30]), "shift": np.array([-3])}
    assert pack_rows(**args, y_zp=0) is not None
    assert pack_rows(**{**args, **change}, y_zp=0) is None


def test_sums_that_leave_32_bits_stay() -> None:
    for k, room in ((256, True), (264, False)):
        w = np.full((1, k), 127, np.int8)
        assert (pack_rows(w, np.array([0]), np.array([2**30]), np.array([-8]), 0) is not None) == room


@pytest.mark.parametrize(("four", "eight"), [("linear_w4_s8", "linear_s8"), ("linear_w4_s16", "linear_s8_s16")])
def test_four_bits_are_an_int8_layer_of_the_same_codes(four: str, eight: str) -> None:
    """And so what TensorFlow Lite Micro judges the one by holds for the other."""
    for case in OPS[four].cases(np.random.default_rng(3), 1):
        n, k, row = (case[OPS[four].index(name)] for name in ("n", "k", "row"))
        same = [c for p, c in zip(OPS[four].params, case, strict=True) if p.name != "row"]
        same[0], same[2] = case[0].copy(), unpack_halves(case[2].reshape(n, row), k).reshape(-1)
        OPS[four].jit(*case)
        OPS[eight].jit(*same)
        np.testing.assert_array_equal(case[0], same[0])


def test_four_bits_whose_sums_leave_32_bits_stay() -> None:
    """4,096 times each of them is what is summed."""
    for bias, room in ((2**19 - 7 * 128 * 8 - 1, True), (2**19 - 7 * 128 * 8, False)):
        step = {"y": "y", "x": "x", "w": "w", "bias": "bias", "mult": "mult", "shift": "shift", "t": 1, "n": 2, "k": 8,
                "row": 4, "y_zp": 0, "bias_step": 0, "mult_step": 0}
        data = {"w": np.full(8, 0x77, np.int8), "bias": np.array([bias], np.int32), "mult": np.array([2**30], np.int32),
                "shift": np.array([-8], np.int8)}
        buffers = {"x": Buffer("x", (1, 8), "int8", "input"), "y": Buffer("y", (1, 2), "int8", "output"),
                   **{n: Buffer(n, d.shape, d.dtype.name, "weight") for n, d in data.items()}}
        args = tuple(step[p.name] for p in OPS["linear_w4_s8"].params)
        one = Program(buffers, (Step("linear_w4_s8", args),), data, "x", "y", {})
        assert (pack(one).steps[0].op == "linear_w4_packed_s8") == room
        assert compare(pack(one), np.array([[[-128] * 8], [[127] * 8]], np.int8)).equal


def test_weights_keep_their_bytes() -> None:
    w = np.random.default_rng(0).integers(-127, 128, (8, 16)).astype(np.int8)
    assert pack_weights(w).nbytes == w.nbytes and pack_weights(w[:5, :13]).nbytes == 8 * 16
