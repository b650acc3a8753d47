"""What nobody has checked: images, packets and files of any bytes are refused by name, or used without harm.

The device's judge of images is `tl_open`, the host's `Image.parse`: two implementations of what the ops' specs say, which
must agree in every verdict.  tests/fuzz/ has the targets; here they run for a few seconds, `make fuzz` runs them long.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, resealed, streaming_program, unsealed
from test_image import LARGEST, opened, parsed, poke, sealed

from tinyloc.errors import ModelError
from tinyloc.image import CODES, HEADER, INPUT, OUTPUT, STEPS, Image, ImageError, to_image
from tinyloc.kernels import encode, simd
from tinyloc.kernels._c import ffi, lib
from tinyloc.kernels.build_c import C
from tinyloc.kernels.table import OPS
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.quantize import quantize
from tinyloc.stream import REASONS

sys.path.insert(0, str(Path(__file__).resolve().parent / "fuzz"))
import files
import run as fuzz

ARENA = 1 << 13


def small_preset() -> Program:
    """The smallest image that training makes."""
    x = np.random.default_rng(0).random((8, 4, 3), np.float32)
    return quantize(Model.create(preset("mamba-h8l1-lean", 3, 3)), x, "minmax").retime(1)


# ---- one spec, read twice ----


def test_the_devices_specs_are_current() -> None:
    assert (C / "spec.h").read_text() == encode.header(OPS.values()), "python -m tinyloc.kernels.encode"
    assert (C / "tinyloc.h").read_text() == encode.with_abi((C / "tinyloc.h").read_text())


@settings(derandomize=True, max_examples=300)
@given(st.one_of(st.integers(-70, 100), st.integers(-(2**29), 2**29),
                 st.builds(lambda k, d: 2**k + d, st.integers(0, 29), st.integers(-1, 1)), st.just(2**31 - 1)))
def test_numbers_of_a_spec(n: int) -> None:
    """What the bytes of a number push is that number."""
    stack: list[int] = []
    code, i = encode.number(n), 0
    while i < len(code):
        b, i = code[i], i + 1
        if b == encode.HALF:
            stack.append(int.from_bytes(code[i : i + 2], "little", signed=True))
            i += 2
        elif b >= encode.ONES:
            stack.append(2 ** (b - encode.ONES) - 1 if b < 0x60 else b - encode.SMALL)
        else:
            right, left = stack.pop(), stack.pop()
            stack.append({encode.ADD: left + right, encode.SUB: left - right, encode.MUL: left * right}[b])
            assert abs(stack[-1]) < 2**30
    assert stack == [n]


# ---- two judges ----


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    return [*fuzz.images(presets=False), to_image(small_preset())]


def mutants(images: list[bytes], rng: np.random.Generator, count: int) -> Any:
    """Images with some half-words changed, most of them in the records, and CRCs that fit."""
    edges = [0, 1, 2, 3, 31, 32, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF]
    for i in range(count):
        image = images[i % len(images)]
        bad = bytearray(image)
        for _ in range(int(rng.integers(1, 4))):
            records = HEADER + 12 * bad[10] + 200
            at = int(rng.integers(4, (min(len(bad), records) if rng.random() < 0.8 else len(bad)) // 2)) * 2
            old = struct.unpack_from("<H", bad, at)[0]
            new = (int(rng.choice(edges)), old + int(rng.integers(-4, 5)), int(rng.integers(65536)))[int(rng.integers(3))]
            struct.pack_into("<H", bad, at, new & 0xFFFF)
        yield sealed(bytes(bad)) if struct.unpack_from("<I", bad, 12)[0] == len(bad) else bytes(bad)


def verdicts(image: bytes) -> tuple[str, str]:
    """The device's and the host's code; the host knows of no arena that is too small."""
    code = opened(image)[0]
    if code == "ARENA":
        assert struct.unpack_from("<I", image, 20)[0] > LARGEST
        return code, code
    return code, parsed(image)


def test_both_judges_agree(images: list[bytes], level: int) -> None:
    """Verdict and code, over mutants of every op's image; and every code that a mutant can have is met."""
    met: dict[str, int] = {}
    for n, image in enumerate(mutants(images, np.random.default_rng(5), 3000 * level**4)):
        code, host = verdicts(image)
        assert code == host, f"mutant {n}: tl_open says {code}, Image.parse {host}"
        met[code] = met.get(code, 0) + 1
    print(met)
    assert met["OK"] > 200
    assert {"SHORT", "SECTION", "STEP", "BOUNDS", "NUMBER", "SIZE", "PLACE", "OVERLAP", "VALUE"} <= met.keys()


NEAR = {"int8": (-128, -127, -33, -32, -31, -1, 0, 1, 20, 21, 31, 32, 127), "int16": (-32768, -1, 0, 1, 1024, 1025, 32767),
        "int32": (-(2**31), -1, 0, 1, 2**30 - 1, 2**30, 2**31 - 1)}
CLOSE = (-129, -128, -32, -31, -1, 0, 1, 2, 31, 32, 127, 128, 255, 256, 257, 1024, 1025)


def at_the_ends(images: list[bytes]) -> Any:
    """Images of each op with one number, or the first or last element of one constant, at or beside an end of a range."""
    seen: set[str] = set()
    for data in images:
        image = Image.parse(data)
        at = next(s.offset for s in image.sections if s.kind == STEPS)
        for record in image.steps:
            op, ints = OPS[record.op], at + 6 + 4 * len(record.places)
            wide = struct.unpack_from("<H", data, at + 4)[0]
            forms = ["i" if wide >> i & 1 else "h" for i in range(len(record.ints))]
            at, first = ints + sum(struct.calcsize(f) for f in forms), record.op not in seen
            seen.add(record.op)
            for form in forms if first else ():
                for value in CLOSE if form == "h" else NEAR["int32"]:
                    yield poke(data, ints, form, value)
                ints += struct.calcsize("<" + form)
            sizes = op.sizes([None] * len(record.places) + list(record.ints))
            for p, place, n in zip(op.params, record.places, sizes, strict=False) if first else ():
                size = np.dtype(p.dtype).itemsize
                for value in NEAR.get(p.dtype, ()) if place.in_image else ():
                    for i in {0, n - 1}:
                        yield poke(data, place.offset + i * size, "bh i"[size - 1], value)


def test_both_judges_agree_at_the_ends_of_ranges(images: list[bytes]) -> None:
    met: set[str] = set()
    for n, image in enumerate(at_the_ends(images)):
        code, host = verdicts(image)
        assert code == host, f"number {n}: tl_open says {code}, Image.parse {host}"
        met.add(code)
    assert {"OK", "NUMBER", "SIZE", "VALUE"} <= met


TWO = [to_image(streaming_program()), to_image(random_program(3))]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes(data: st.DataObject) -> None:
    """Also those that hypothesis finds: bytes from nowhere, and pokes anywhere."""
    if data.draw(st.booleans()):
        image = data.draw(st.binary(max_size=200))
    else:
        poked = bytearray(data.draw(st.sampled_from(TWO)))
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(poked) - 1), st.integers(0, 255)), max_size=5)):
            poked[at] = value
        image = sealed(bytes(poked))
    code, host = verdicts(image)
    assert code == host


def run_step(image: Image, i: int, arena: np.ndarray, kernels: Any) -> list[np.ndarray]:
    """Output and state of one step in an arena, by a function of flat arguments."""
    record = image.steps[i]
    op = OPS[record.op]
    sizes = op.sizes([None] * len(record.places) + list(record.ints))
    arrays = [np.frombuffer(image.data if place.in_image else arena, p.dtype, n, place.offset)
              for p, place, n in zip(op.params, record.places, sizes, strict=False)]
    kernels(op)(*[a if a.flags.writeable else a.copy() for a in arrays], *record.ints)
    return op.written([*arrays, *record.ints])


def test_all_kernels_agree_on_what_is_accepted(images: list[bytes], level: int) -> None:
    """Numba, portable C and the host's vectors, whatever the constants; the inputs and the state are noise."""
    rng, ran = np.random.default_rng(6), 0
    levels = [lambda op: op.jit, *(lambda op, name=name: op.on(name) for name in simd.levels())]
    for n, data in enumerate(mutants(images, np.random.default_rng(7), 600 * level**4)):
        try:
            image = Image.parse(data)
        except ImageError:
            continue
        if image.arena_bytes > ARENA:
            continue
        arena = rng.integers(0, 256, image.arena_bytes).astype(np.uint8)
        for i, record in enumerate(image.steps):
            before = arena.copy()  # what scratch holds afterwards is each one's own affair
            want = run_step(image, i, arena, levels[0])
            for kernels in levels[1:]:
                for a, b in zip(run_step(image, i, before.copy(), kernels), want, strict=True):
                    assert np.array_equal(a, b), f"mutant {n}, step {i}: {record.op} {record.ints}"
            ran += 1
    assert ran > 200 * level**4


# ---- flips and truncations ----


def test_every_flipped_bit_and_every_truncation_of_a_model_is_refused() -> None:
    """By the CRC, whatever the bit says; nothing of it runs."""
    image = to_image(small_preset())
    words = np.zeros(len(image) // 4 + 1, np.uint32)
    bytes_, arena = words.view(np.uint8), np.zeros(ARENA, np.uint8)
    model, kernels = ffi.new("tl_model *"), lib.tl_all_kernels
    at, room = ffi.from_buffer(words), ffi.from_buffer(arena)
    bytes_[: len(image)] = np.frombuffer(image, np.uint8)
    assert lib.tl_open(model, at, len(image), room, ARENA, kernels) == 0
    arena[:] = 0x5A
    for bit in range(8 * len(image)):
        bytes_[bit // 8] ^= 1 << bit % 8
        code = lib.tl_open(model, at, len(image), room, ARENA, kernels)
        bytes_[bit // 8] ^= 1 << bit % 8
        assert code, f"bit {bit % 8} of byte {bit // 8} flipped: accepted"
    for size in range(len(image)):
        assert CODES[lib.tl_open(model, at, size, room, ARENA, kernels)] == "SHORT"
    assert (arena == 0x5A).all(), "a refused image touches nothing"
    assert lib.tl_open(model, at, len(image), room, ARENA, kernels) == 0
    print(f"{len(image)} bytes, {8 * len(image)} bits")


# ---- the targets of tests/fuzz, for a few seconds ----


@pytest.mark.parametrize(("target", "runs"), [("csv", 120), ("model", 600), ("graph", 200), ("program", 600)])
def test_files_of_any_bytes(target: str, runs: int, level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried, accepted = files.run(target, runs * level**3, 2)
    assert tried == runs * level**3 and 0 < accepted < tried / 2 + 10


DAMAGED = {  # a file that names more than it has, or what no number is: (key of the JSON, text, its replacement, the error)
    "a width of gigabytes": ("config", '"inner": null', '"inner": 4096', "but its configuration takes"),
    "a kernel of gigabytes": ("config", '"kernels": [1]', '"kernels": [1073741824]', "kernels: expected whole numbers"),
    "nested too deep": ("info", "{}", "[" * 100_000, "damaged configuration"),
    "info that is no mapping": ("info", "{}", "[]", "info is list"),
    "a width that is true": ("config", '"k": 4', '"k": true', "k: expected a whole number"),
    "infinity for a width": ("config", '"d": 8', '"d": Infinity', "d: expected a whole number"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_models(what: str, tmp_path: Path) -> None:
    key, text, other, says = DAMAGED[what]
    path = tmp_path / "model.safetensors"
    Model.create(preset("mamba-h8l1", 3, 3)).save(path)
    data = unsealed(path.read_bytes())
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    assert text in head["__metadata__"][key]
    head["__metadata__"][key] = head["__metadata__"][key].replace(text, other)
    if what == "a width of gigabytes":
        head["__metadata__"][key] = head["__metadata__"][key].replace('"d": 8', '"d": 4096')
    made = json.dumps(head).encode()
    path.write_bytes(resealed(len(made).to_bytes(8, "little") + made + data[8 + size :]))
    with pytest.raises(ModelError, match=says):
        Model.load(path)


@pytest.mark.parametrize("target", fuzz.TARGETS)
@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_fuzz_target(target: str, tmp_path: Path, level: int, shared: Path) -> None:
    """Sanitized, in memory of exactly its size; mutants by a seed."""
    try:
        made = vectors.objects(shared / "fuzz", "gcc", [*fuzz.SANITIZERS, f"-I{C}"], sorted(C.glob("*.c")))
        program = fuzz.build(target, tmp_path / target, "gcc", libfuzzer=False, host=False, objects=made)
    except subprocess.CalledProcessError as e:
        if "lasan" in e.stderr or "unrecognized" in e.stderr:
            pytest.skip("this gcc has no sanitizers")
        raise AssertionError(e.stderr) from None
    paths = fuzz.write_corpus(target, tmp_path / "corpus", presets=False)
    command = [str(program), str(20_000 * level**4), "1", *map(str, paths)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{done.stderr[-3000:]}\nThe input is {tmp_path / 'crash.bin'}"
    lines = dict(line.split(": ") for line in done.stdout.splitlines())
    assert int(lines["runs"]) == 20_000 * level**4
    # A target that gets nowhere finds nothing.  Some codes are not about an image: firmware without some kernels, a caller's
    # mistake, a stream's configuration and memory; and few of these images know confidences or have states that saturate.
    what, names, seldom = {"image": ("codes", CODES, ("KERNEL", "ALIGN", "STREAM", "WINDOW")),
                           "input": ("events", range(4), ()),
                           "stream": ("reasons", REASONS, ("unsure", "saturated"))}[target]
    counts = dict(zip(names, map(int, lines[what].split()), strict=True))
    assert all(n or name in seldom for name, n in counts.items()) and next(iter(counts.values())) > 1000, counts


WEAKER = {  # what a spec no longer says: (its words, what stands there instead)
    "shifts": (":shift", ":-128..127"),
    "the first exponential": (":1@4096..", ""),
    "parts": ("index:int:0..count-1", "index:int:0.."),
    "channels' exponents": (":g_shift+1..g_shift+31:-31-y_shift..-1-y_shift", ""),
}


@pytest.mark.level2
@pytest.mark.parametrize("what", WEAKER)
@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_a_missing_range_is_found(what: str, tmp_path: Path) -> None:
    """The targets find what the ranges are there for: with one of them taken out of the device's specs, a run ends early."""
    words, other = WEAKER[what]
    ops = {name: replace(op, spec=op.spec.replace(words, other)) for name, op in OPS.items()}
    assert any(ops[name].spec != OPS[name].spec for name in OPS)
    weak = shutil.copytree(C, tmp_path / "c")
    (weak / "spec.h").write_text(encode.header(ops.values()))
    program = fuzz.build("image", tmp_path / "image", "gcc", libfuzzer=False, host=False, kernels=weak)
    paths = fuzz.write_corpus("image", tmp_path / "corpus", presets=False)
    done = subprocess.run([str(program), "1000000", "1", *map(str, paths)], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode and ("runtime error" in done.stderr or "AddressSanitizer" in done.stderr), done.stdout


def test_arrays_where_the_application_writes_and_reads(images: list[bytes]) -> None:
    """tl_input_bytes and tl_output_bytes are the sections'."""
    for image in images:
        code, (model, *keep) = opened(image)
        parts = Image.parse(image)
        assert code == "OK" and keep
        assert (lib.tl_input_bytes(model), lib.tl_output_bytes(model)) == tuple(
            s.bytes for kind in (INPUT, OUTPUT) if (s := parts.section(kind)))
