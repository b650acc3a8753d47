"""Programs: what is refused and how it is said; files; the argument sizes that every op declares."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, resealed, streaming_program, unsealed

from tinyloc.errors import ModelError
from tinyloc.kernels.build_c import C
from tinyloc.kernels.op import Op
from tinyloc.kernels.spec import evaluate
from tinyloc.kernels.table import ABI, NUMBERS, OPS
from tinyloc.program import Buffer, Program, Step


def test_header_lists_the_ops_and_their_digest():
    text = (C / "tinyloc.h").read_text()
    listed = re.findall(r"X\((\w+)\)", text[text.index("#define TL_OPS") :].split("\n\n")[0])
    assert listed == list(NUMBERS)
    assert re.findall(r"#define TL_ABI (0x\w+)u", text) == [f"{ABI:#010x}"], (
        f"names or arguments of ops changed: python -m tinyloc.kernels.encode sets TL_ABI to {ABI:#010x}u; then rebuild")


@pytest.mark.parametrize("op", OPS.values(), ids=lambda o: o.name)
def test_sizes_are_those_of_the_cases(op, level):
    for n, case in enumerate(op.cases(np.random.default_rng(0), level)):
        arrays = [a for a in case if isinstance(a, np.ndarray)]
        assert [a.size for a in arrays] == op.sizes(case), f"{op.name} case {n}: {op.spec}"


@pytest.mark.parametrize("op", OPS.values(), ids=lambda o: o.name)
def test_prepare_refuses_a_wrong_size_and_dimension(op):
    case = next(op.cases(np.random.default_rng(0), 1))
    for i, p in enumerate(op.params):
        bad = list(case)
        if p.is_array:
            bad[i] = np.append(case[i], case[i][:1] if case[i].size else np.zeros(1, p.dtype)).astype(p.dtype)
            with pytest.raises(ValueError, match=rf"{op.name}: {p.name} has {bad[i].size} elements, expected"):
                op.prepare(bad)
        elif p.ranges:
            bad[i] = -1000
            with pytest.raises(ValueError, match=rf"{op.name}: {p.name} = -1000, expected at least"):
                op.prepare(bad)


SPECS = {  # what it teaches: spec
    "no size": "y:out:int8 x:in:int8:t t:int",
    "unknown role": "y:out:int8:t x:input:int8:t t:int",
    "unknown dtype": "y:out:float32:t t:int",
    "size of no argument": "y:out:int8:t*n t:int",
    "a call in a size": "y:out:int8:abs(t) t:int",
    "division": "y:out:int8:t/2 t:int",
    "no expression": "y:out:int8:t* t:int",
    "a number before an array": "y:out:int8:t t:int x:in:int8:t",
    "two outputs": "y:out:int8:t z:out:int8:t t:int",
    "output not first": "x:in:int8:t y:out:int8:t t:int",
    "limit of no argument": "y:out:int8:t t:int i:int:0..k",
    "a limit that is no range": "y:out:int8:t t:int i:int:7",
    "a range without a beginning": "y:out:int8:t t:int i:int:..7",
    "a number that may be anything": "y:out:int8:t t:int i:int",
    "elements of an input": "y:out:int8:t x:in:int8:t:0..7 t:int",
    "elements without a sign": "y:out:int8:t w:weight:uint8:t:0..7 t:int",
    "relation without a range": "y:out:int8:t t:int t*t:is",
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_bad_specs(spec):
    with pytest.raises(ValueError):
        Op("bad", spec, print, print, print, (), "")


@settings(derandomize=True, max_examples=100)
@given(st.integers(-99, 99), st.integers(-99, 99), st.integers(0, 99))
def test_evaluate(a, b, c):
    assert evaluate(f"(a-1)*b+{c}-a*(b+a)", {"a": a, "b": b}) == (a - 1) * b + c - a * (b + a)


def with_step(program: Program, i: int, **changes) -> Program:
    s = program.steps[i]
    names = [p.name for p in OPS[s.op].params]
    args = tuple(changes.get(n, a) for n, a in zip(names, s.args, strict=True))
    return replace(program, steps=(*program.steps[:i], Step(s.op, args), *program.steps[i + 1 :]))


def with_buffer(program: Program, name: str, **changes) -> Program:
    return replace(program, buffers={**program.buffers, name: replace(program.buffers[name], **changes)})


BAD = {  # what is wrong: (how it comes about, what the error says)
    "unknown op": (lambda p: replace(p, steps=(Step("nonsense", ()),)), "step 0: this version has no op 'nonsense'"),
    "arguments missing": (lambda p: replace(p, steps=(Step("add_s8", p.steps[0].args),)), "expected 14 arguments"),
    "no such buffer": (lambda p: with_step(p, 0, x="nowhere"), "no buffer 'nowhere' for x"),
    "number for a buffer": (lambda p: with_step(p, 0, x=3), "x must be a buffer"),
    "buffer for a number": (lambda p: with_step(p, 0, n="x"), "n must be a number"),
    "truth for a number": (lambda p: with_step(p, 0, n=True), "n must be a number"),
    "float for a number": (lambda p: with_step(p, 0, n=1.5), "n must be a number"),
    "dimension that disagrees": (lambda p: with_step(p, 0, k=3), "buffer 'x' has 24 elements, x takes t*k = 18"),
    "negative dimension": (lambda p: with_step(p, 0, t=-6), "t = -6, expected at least 1"),
    "flag out of range": (lambda p: with_step(p, 0, bias_step=2), "bias_step = 2, expected at most 1"),
    "number of 33 bits": (lambda p: with_step(p, 0, y_zp=2**31), "does not fit 32 bits"),
    "other dtype": (lambda p: with_step(p, 0, x="dt"), "x is int8, buffer 'dt' is uint16"),
    "weight written": (lambda p: with_step(p, 0, y="u.w"), "y cannot be the weight buffer 'u.w'"),
    "state as scratch": (lambda p: with_step(p, -1 % len(p.steps), best="scores"), "best cannot be the state buffer"),
    "in place": (lambda p: with_step(p, 7, y="y"), "its output 'y' is among its other arguments"),
    "data missing": (lambda p: replace(p, data={n: p.data[n] for n in p.data if n != "u.w"}), "'u.w': expected data"),
    "data of another shape": (lambda p: replace(p, data={**p.data, "u.w": p.data["u.w"].T}), r"found int8 \(4, 6\)"),
    "kind unknown": (lambda p: with_buffer(p, "u", kind="heap"), "'heap'"),
    "empty shape": (lambda p: with_buffer(p, "u", shape=(0, 6)), r"\(0, 6\)"),
    "no input": (lambda p: replace(p, input="nowhere"), "input is 'nowhere'"),
    "output is no output": (lambda p: replace(p, output="u"), "output is 'u'"),
    "no steps": (lambda p: replace(p, steps=()), "at least one step"),
}


@pytest.mark.parametrize("make,says", BAD.values(), ids=BAD.keys())
def test_bad_programs(make, says):
    with pytest.raises(ModelError, match=says.replace("*", r"\*")):
        make(streaming_program())


@pytest.mark.parametrize("program", [streaming_program(), *(random_program(s) for s in range(5))])
def test_save_and_load(program, tmp_path):
    program.save(tmp_path / "p.safetensors")
    got = Program.load(tmp_path / "p.safetensors")
    assert dict(got.buffers) == dict(program.buffers) and got.steps == program.steps
    assert (got.input, got.output, dict(got.info)) == (program.input, program.output, dict(program.info))
    assert got.data.keys() == program.data.keys()
    assert all(np.array_equal(got.data[n], d) and got.data[n].dtype == d.dtype for n, d in program.data.items())


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "p.safetensors"
    program = streaming_program()
    program.save(path)
    whole = path.read_bytes()
    noticed, flips = 0, range(0, len(whole), 7)
    name = whole.index(b'"sha256"') + 1
    flips = sorted({*flips, *range(name, name + 6)})
    for at in flips:  # a bit anywhere, the digest's own name too
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        try:
            same = Program.load(path)
            assert (same.steps, same.buffers, same.info) == (program.steps, program.buffers, program.info)
            assert all(np.array_equal(v, program.data[k]) for k, v in same.data.items())
        except ModelError as e:
            noticed += str(path) in str(e)
    assert noticed >= len(flips) - 2
    whole = unsealed(whole)
    path.write_bytes(whole)
    with pytest.raises(ModelError, match=re.escape(str(path)) + ": no digest .* make it again"):
        Program.load(path)
    path.write_bytes(resealed(whole))
    assert Program.load(path).steps == program.steps
    size = int.from_bytes(whole[:8], "little")
    for end in (0, 4, 8, size // 2, 8 + size, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError, match=re.escape(str(path))):
            Program.load(path)
    head = json.loads(whole[8 : 8 + size])

    def refused(says, **meta):
        text = json.dumps({**head, "__metadata__": {**head["__metadata__"], **meta}}).encode()
        made = len(text).to_bytes(8, "little") + text + whole[8 + size :]
        path.write_bytes(made if "sha256" in meta else resealed(made))
        with pytest.raises(ModelError, match=re.escape(str(path)) + ".*" + says):
            Program.load(path)

    refused("version", version="99")
    refused("", format="other")
    refused("damaged: .* digest", sha256="0" * 64)
    refused("damaged", program="{}")
    refused("damaged", program="not json")
    graph = json.loads(head["__metadata__"]["program"])
    graph["steps"][0][7] += 1
    refused(r"buffer 'u' has 36 elements, y takes", program=json.dumps(graph))


@pytest.mark.parametrize("t", [1, 2, 7])
def test_retime(t):
    p = streaming_program().retime(t)
    assert p.steps_of_time == t and all(b.shape[0] == t for b in p.buffers.values() if b.timed)
    assert p.retime(6).steps == streaming_program().steps


def test_retime_refuses():
    with pytest.raises(ModelError, match="at least 1"):
        streaming_program().retime(0)
    whole = [p for p in map(random_program, range(20)) if not p.can_stream]
    assert whole
    for p in whole:
        with pytest.raises(ModelError, match=r"step \d+ \(\w+\) (looks at the whole window|reads a constant of its own)"):
            p.retime(1)


@settings(derandomize=True, max_examples=50)
@given(st.floats(1e-3, 10), st.integers(-128, 127), st.lists(st.floats(-1e4, 1e4), min_size=1))
def test_buffer_codes(scale, zero, real):
    b = Buffer("b", (len(real),), "int8", "activation", scale, zero)
    q = b.quantize(np.array(real))
    inside = np.clip(real, b.dequantize(np.int8(-128)), b.dequantize(np.int8(127)))
    assert np.abs(b.dequantize(q) - inside).max() <= scale * (0.5 + 1e-9)
    assert np.array_equal(b.quantize(b.dequantize(q)), q)


def test_pack_state_pads_to_words():
    p = streaming_program()
    packed = p.pack_state(p.data)
    assert len(packed) == sum(-(-p.buffers[n].nbytes // 4) * 4 for n in p.state)
    assert p.state[-1] == "h"  # zeros go last
    at = 0
    for n in p.state:
        size = p.buffers[n].nbytes
        assert packed[at : at + size] == p.data[n].tobytes() and not any(packed[at + size : at + size + -size % 4])
        at += size + -size % 4
