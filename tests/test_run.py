"""Backends agree in every bit; a window at once, in parts and sample by sample too; the verdicts say what is so."""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import replace

import exact
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, streaming_program, windows

from tinyloc import run, verify
from tinyloc.bench import can_count
from tinyloc.emulator.plan import plan
from tinyloc.emulator.qemu import present
from tinyloc.emulator.toolchain import core
from tinyloc.errors import ConfigError, ModelError
from tinyloc.image import Image, to_image
from tinyloc.kernels.fixed import limits
from tinyloc.kernels.table import OPS
from tinyloc.model import Model, preset
from tinyloc.pack import pack_for
from tinyloc.program import Buffer, Program, Step
from tinyloc.quantize import quantize
from tinyloc.run import BACKENDS, Session, complete
from tinyloc.verify import audit, compare, fits, memory


def runs_here(backend: str) -> bool:
    """Emulated cores need the extra mcu; the M55, QEMU."""
    which = backend.removeprefix("cortex-")
    if which == backend:
        return True
    return can_count() and (core(which).unicorn is not None or present())


HERE = tuple(filter(runs_here, BACKENDS))


@pytest.fixture(scope="module")
def presets() -> dict[str, Program]:
    """Untrained models of both families, quantized on noise: real shapes, real steps."""
    made = {}
    for name in ("mamba-h8l1", "mdcsa-h8l1"):
        model = Model.create(preset(name, 11, 6), seed=1)
        x = np.random.default_rng(0).uniform(0, 1, (32, 20, 11)).astype(np.float32)
        made[name] = quantize(model, x, "minmax")
    return made


def check_equal(program: Program, x: np.ndarray) -> None:
    """Outputs and every step's signature, on all backends; a session each: a board takes longer to build than to run."""
    got = compare(program, x)
    where = f"random_program(**{dict(program.info)})"
    assert got.equal, f"{where}: {got.summary()}"
    signed = Session(program).sign_windows(x)[1]
    for name in HERE:
        session = Session(program, name)
        assert np.array_equal(session.run_windows(x), got.outputs), f"{where}, {name}"
        outputs, crcs = session.sign_windows(x)
        same = np.array_equal(outputs, got.outputs) and np.array_equal(crcs, signed)
        assert same, f"{where}: {compare(program, x, ('numba', name)).summary()}"
        session.reset()
        assert np.array_equal(session.run(x[0]), got.outputs[0]), f"{where}, {name}"


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_backends_agree(seed, stream):
    program = random_program(seed, stream=stream)
    check_equal(program, windows(program, 4, seed))


@pytest.mark.parametrize("op", OPS)
def test_backends_agree_on_chains_of_one_op(op):
    """So that no op is left out by chance; inputs that no buffer fits are constants."""
    program = random_program(3, steps=2, ops=(op, "table_s8_u16", "linear_s8_s16", "linear_s8"))
    for seed in range(3, 200):
        if any(s.op == op for s in program.steps):
            break
        program = random_program(seed, steps=4, ops=(op, "table_s8_u16", "linear_s8_s16", "linear_s8"))
    assert any(s.op == op for s in program.steps)
    check_equal(program, windows(program, 3))


@pytest.mark.level2
def test_backends_agree_deeply():
    for seed in range(10**6, 10**6 + 200):
        program = random_program(seed, steps=12, stream=bool(seed % 2))
        check_equal(program, windows(program, 6, seed))


def test_presets_agree(presets):
    for name, program in presets.items():
        got = compare(program, windows(program, 100))
        assert got.equal, f"{name}: {got.summary()}"
        assert got.windows == {"c": 100, "arena": 64} and f"c ({100} windows)" in got.summary()


def check_streams(program: Program, x: np.ndarray, backend: str) -> None:
    """At once = one step at a time = in parts of the window, outputs and the state that is left."""
    whole = Session(program, backend)
    for size in {1, *(t for t in range(2, program.steps_of_time) if program.steps_of_time % t == 0)}:
        parts = Session(program.retime(size), backend)
        for one in x:
            whole.reset()
            parts.reset()
            want, got = whole.run(one), parts.run_stream(one)
            where = f"random_program(**{dict(program.info)}), {backend}, {size} steps at a time"
            assert np.array_equal(want, got), where
            for n in program.state:
                assert np.array_equal(whole.value(n), parts.value(n)), f"{where}: state {n}"


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["numba", "c"]))
def test_streaming_gives_the_same_bits(seed, backend):
    program = random_program(seed, stream=True)
    assert program.can_stream
    check_streams(program, windows(program, 4, seed), backend)


def test_streaming_programs_give_the_same_bits(presets):
    programs = [streaming_program(), *(p for p in presets.values() if p.can_stream)]
    assert len(programs) >= 2
    for program in programs:
        for backend in HERE:
            check_streams(program, windows(program, 5), backend)


def test_the_streaming_program_uses_its_state():
    """The tests above would pass without memory: here the scan's output depends on the samples before."""
    program = streaming_program().retime(1)
    x = windows(program, 10)
    session = Session(program)
    differs = 0
    for before, now in itertools.pairwise(x):
        session.reset()
        session.run(now)
        fresh = session.value("y")
        session.reset()
        session.run(before)
        session.run(now)
        differs += not np.array_equal(fresh, session.value("y"))
    assert differs >= 5


# ---- signatures ----


@pytest.mark.parametrize("backend", HERE)
def test_signatures_are_what_they_say(backend):
    program = streaming_program()
    x = windows(program, 3)
    reference = Session(program)
    session = Session(program, backend)
    for one in x:
        got = session.signature(one)  # the state goes on, on both sides
        y = reference.run(one)
        assert got.dtype == np.uint32 and got.shape == (len(program.steps) + 1,)
        for crc, step in zip(got, program.steps, strict=False):
            assert crc == zlib.crc32(reference.value(step.args[0]))
        assert got[-1] == zlib.crc32(program.pack_state({n: reference.value(n) for n in program.state}))
        assert np.array_equal(session.value(program.output), y)


def test_an_output_in_parts_counts_when_it_is_complete():
    program = next(p for p in map(random_program, range(50)) if not all(complete(p)))
    done = complete(program)
    for i, step in enumerate(program.steps):
        writers = [j for j, s in enumerate(program.steps) if s.args[0] == step.args[0]]
        assert done[i] == (i == writers[-1])
    x = windows(program, 2)
    for backend in HERE:
        crcs = Session(program, backend).sign_windows(x)[1]
        assert (crcs[:, :-1][:, [not d for d in done]] == 0).all() and crcs[:, :-1][:, list(done)].all()
    assert [r.signed for r in Image.parse(to_image(program)).steps] == list(done)


# ---- sessions ----


@pytest.mark.parametrize("backend", HERE)
def test_state_goes_on_until_reset(backend):
    program = streaming_program()
    x = windows(program, 6)
    session = Session(program, backend)
    first = [session.run(one) for one in x]
    again = [session.run(one) for one in x]
    assert any(not np.array_equal(a, b) for a, b in zip(first, again, strict=True)) or (
        not np.array_equal(session.value("h"), program.data["h"]))
    session.reset()
    for n in program.state:
        assert np.array_equal(session.value(n), program.data[n])
    assert all(np.array_equal(session.run(one), y) for one, y in zip(x, first, strict=True))
    kept = first[0].copy()
    session.run(x[3])
    assert np.array_equal(kept, first[0])  # an output is the caller's own


@pytest.mark.parametrize("backend", HERE)
def test_bad_input(backend):
    program = streaming_program()
    session, x = Session(program, backend), windows(program, 2)
    with pytest.raises(ModelError, match=r"input 'x': expected int8 \(6, 4\), got int8 \(2, 6, 4\)"):
        session.run(x)
    with pytest.raises(ModelError, match=r"expected int8 \(windows, 6, 4\), got int8 \(6, 4\)"):
        session.run_windows(x[0])
    with pytest.raises(ModelError, match=r"expected int8 \(6, 4\), got float64"):
        session.signature(x[0].astype(float))
    with pytest.raises(ModelError, match="7 rows are no multiple of the run's 6"):
        session.run_stream(np.zeros((7, 4), np.int8))
    with pytest.raises(ModelError, match="no buffer 'nowhere'"):
        session.value("nowhere")
    if backend != "numba":
        with pytest.raises(ModelError, match="'u': only output and state outlast a run"):
            session.value("u")
    assert session.run_windows(x[:0]).shape == (0, 6, 1)
    assert session.sign_windows(x[:0])[1].shape == (0, len(program.steps) + 1)
    every_other = np.ascontiguousarray(np.concatenate([x, x], 2))[:, :, ::2]
    assert np.array_equal(session.run_windows(every_other), session.run_windows(every_other.copy()))


def test_unknown_backend():
    with pytest.raises(ConfigError, match="unknown backend 'numbs'; did you mean 'numba'"):
        Session(streaming_program(), "numbs")


def test_kernels_of_another_abi_are_refused(monkeypatch):
    monkeypatch.setattr("tinyloc.kernels.table.ABI", 1)
    with pytest.raises(ModelError, match=r"set TL_ABI in kernels/c/tinyloc\.h and rebuild"):
        Session(streaming_program(), "c")


# ---- the verdicts ----


def test_compare_finds_the_first_step_that_differs(monkeypatch):
    """A backend whose biases are wrong in one step, from window 3 on."""
    program = streaming_program()
    wrong_data = {**program.data, "c.bias": program.data["c.bias"] + 400}
    guilty = next(i for i, s in enumerate(program.steps) if s.args[0] == "c")

    class Wrong(run.Numba):
        def __init__(self, program):
            super().__init__(program)
            self.other, self.seen = run.Numba(replace(program, data=wrong_data)), 0

        def sign_windows(self, x):
            y, crcs = super().sign_windows(x)
            at = max(0, 3 - self.seen)
            self.seen += len(x)
            y[at:], crcs[at:] = self.other.sign_windows(x[at:])
            return y, crcs

    monkeypatch.setitem(BACKENDS, "wrong", Wrong)
    monkeypatch.setattr(verify, "BATCH", 2)
    x = windows(program, 7)
    got = compare(program, x, ("numba", "wrong", "c"))
    d = got.differences["wrong"]
    assert not got.equal and d and (d.step, d.op, d.buffer) == (guilty, "linear_s8", "c") and d.window == 3
    assert got.differences["c"] is None and got.windows["c"] == 7
    assert f"wrong differs first in window {d.window}, step {guilty} (linear_s8), buffer 'c'" in got.summary()
    assert json.loads(json.dumps(got.to_dict()))["backends"]["wrong"]["difference"]["step"] == guilty


def test_compare_looks_at_state_and_output_too(monkeypatch):
    class Forgetful(run.Numba):
        def sign_windows(self, x):
            y, crcs = super().sign_windows(x)
            crcs[:, -1] ^= 1
            return y, crcs

    class Liar(run.Numba):
        def sign_windows(self, x):
            y, crcs = super().sign_windows(x)
            return y ^ 1, crcs

    monkeypatch.setitem(BACKENDS, "forgetful", Forgetful)
    monkeypatch.setitem(BACKENDS, "liar", Liar)
    program = streaming_program()
    for name in ("forgetful", "liar"):
        got = compare(program, windows(program, 2), ("numba", name))
        assert not got.equal and got.differences[name].step == len(program.steps)


def test_compare_needs_something():
    program = streaming_program()
    for x, backends in ((windows(program, 0), ("numba",)), (windows(program, 1), ())):
        with pytest.raises(ModelError, match="nothing to compare"):
            compare(program, x, backends)


def test_memory_adds_up(presets):
    for program in (streaming_program(), *presets.values()):
        m, layout, image = memory(program), plan(program), to_image(program)
        kinds = program.bytes_by_kind()
        assert (m.weights, m.tables) == (kinds["weight"], kinds["table"])  # these Programs have no unused constant
        assert m.image == len(image) and m.records >= Image.parse(image).step_bytes
        assert m.ram == layout.arena_bytes + verify.MODEL_BYTES and m.total == len(image) + m.ram
        assert m.activations == layout.peak >= layout.lower_bound == m.lower_bound and m.stack is None
        assert replace(m, stack=200).ram == m.ram + 200
        assert json.loads(json.dumps(m.to_dict()))["total"] == m.total


def test_budgets_to_the_byte():
    m = memory(streaming_program())
    assert fits(m, m.ram) == {"ram": 0, "all_in_ram": -m.image}
    assert fits(m, m.total, m.image - 1) == {"ram": m.image, "all_in_ram": 0, "flash": -1}


def test_audit_prefers_less_ram(presets):
    streaming, whole = (audit(presets[n]) for n in ("mamba-h8l1", "mdcsa-h8l1"))
    assert streaming.stream and streaming.best is streaming.stream and streaming.stream.steps_of_time == 1
    assert streaming.stream.ram < streaming.window.ram and "sample by sample" in streaming.summary()
    assert whole.stream is None and whole.best is whole.window and "20 samples at once" in whole.summary()
    for a in (streaming, whole):
        assert json.loads(json.dumps(a.to_dict()))["best"] in ("stream", "window")


def test_unused_constants_are_not_in_the_image():
    program = streaming_program()
    more = replace(program, buffers={**program.buffers, "z": replace(program.buffers["u.w"], name="z")},
                   data={**program.data, "z": program.data["u.w"]})
    assert to_image(more) == to_image(program) and memory(more) == memory(program)


def test_numbers_at_their_limits_survive_the_image():
    """Of those that may be anything, as the arithmetic wraps."""
    program = pack_for(streaming_program(), "m4")
    at, place = next((i, k) for i, s in enumerate(program.steps) for k, p in enumerate(OPS[s.op].params)
                     if not p.is_array and not p.ranges)
    s = program.steps[at]
    for value in (-(2**31), -(2**15) - 1, -(2**15), -1, 2**15 - 1, 2**15, 2**16, 2**31 - 1):
        step = Step(s.op, (*s.args[:place], value, *s.args[place + 1 :]))
        changed = replace(program, steps=(*program.steps[:at], step, *program.steps[at + 1 :]))
        assert value in Image.parse(to_image(changed)).steps[at].ints
        assert compare(changed, windows(program, 2)).equal


def test_every_bit_of_a_wide_number_counts():
    """A multiplier at the limit of a code, and its neighbors: both of its half-words come from the image."""
    rng, x = np.random.default_rng(3), np.full((1, 2), 127, np.int8)
    buffers = {"x": Buffer("x", (1, 2), "int8", "input"), "y": Buffer("y", (1, 2), "int8", "output")}
    for _ in range(20):
        limit, shift = limits(rng, 127 * 127)
        for mult in (limit - 1, limit, limit + 1):
            program = Program(buffers, (Step("mul_s8", ("y", "x", "x", 1, 2, 0, 0, 0, mult, shift)),), {}, "x", "y")
            want = exact.PRIMITIVES["sat8"][0](exact.PRIMITIVES["mbqm"][0](127 * 127, mult, shift))
            assert Session(program, "c").run(x).tolist() == [[want] * 2], (mult, shift)


@pytest.mark.parametrize("count", range(1, 9))
def test_a_signature_is_of_the_output_alone(count):
    """Not of what fills its last word up."""
    buffers = {"x": Buffer("x", (1, count), "int8", "input"), "y": Buffer("y", (1, count), "int8", "output")}
    program = Program(buffers, (Step("mul_s8", ("y", "x", "x", 1, count, 0, 0, 0, 1 << 30, 0)),), {}, "x", "y")
    x = np.arange(1, count + 1, dtype=np.int8)[None]
    session = Session(program, "c")
    signature = session.signature(x)
    output = zlib.crc32(Session(program).run(x).tobytes())
    assert signature.tolist() == [output, 0], "and 0 for a state that there is not"


def test_parts_of_odd_bytes_sign_nothing():
    """An output of three bytes in three steps, of which the last alone is signed."""
    buffers = {"x": Buffer("x", (1, 1), "int8", "input"), "y": Buffer("y", (1, 3), "int8", "output")}
    steps = tuple(Step("interleave_s8", ("y", "x", 1, 1, 3, i)) for i in range(3))
    signature = Session(Program(buffers, steps, {}, "x", "y"), "c").signature(np.array([[7]], np.int8))
    assert signature.tolist() == [0, 0, zlib.crc32(bytes([7, 7, 7])), 0]
