"""Images: what a device reads is what the Program says; what is no image is refused, and never read out of bounds."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, streaming_program, windows

from tinyloc.emulator.plan import plan
from tinyloc.errors import ModelError
from tinyloc.image import (
    CODES,
    ENTRY,
    HEADER,
    INPUT,
    MAGIC,
    OPTIONAL,
    OUTPUT,
    RAILS,
    STATE,
    STEPS,
    Image,
    ImageError,
    to_image,
)
from tinyloc.kernels._c import ffi, lib
from tinyloc.kernels.softmax import exponentials
from tinyloc.kernels.table import ABI, NUMBERS, OPS
from tinyloc.program import CONSTANT, Buffer, Program, Step
from tinyloc.run import Session, complete

LARGEST = 1 << 20  # bytes of an arena
PROGRAMS = [streaming_program(), streaming_program().retime(1), *(random_program(s) for s in range(20))]


def small() -> Program:
    """One step with state, so that an image of it is small enough to try every bit."""
    buffers = {"x": Buffer("x", (2, 3), "int8", "input", timed=True),
               "y": Buffer("y", (2, 3), "int8", "output", timed=True),
               "w": Buffer("w", (2, 3), "int8", "weight"), "s": Buffer("s", (1, 3), "int8", "state"),
               "b": Buffer("b", (1,), "int32", "weight"), "m": Buffer("m", (1,), "int32", "weight"),
               "e": Buffer("e", (1,), "int8", "weight")}
    data = {"w": np.array([[1, -2, 3], [100, 90, -80]], np.int8), "s": np.array([[7, 8, 9]], np.int8),
            "b": np.array([5], np.int32), "m": np.array([1 << 30], np.int32), "e": np.array([-5], np.int8)}
    return Program(buffers, (Step("depthwise_conv_s8", ("y", "x", "w", "b", "m", "e", "s", 2, 3, 2, -5, 0, 0)),),
                   data, "x", "y")


def opened(image: bytes, arena_bytes: int | None = None, kernels=None, offset: int = 0, claimed: int | None = None):
    """Name of tl_open's code, and what must stay alive: model, image, arena.  offset: of the image from a word."""
    words = np.zeros(len(image) // 4 + 3, np.uint32)
    at = words.view(np.uint8)[offset : offset + len(image)]
    at[:] = np.frombuffer(image, np.uint8)
    if arena_bytes is None:
        arena_bytes = min(struct.unpack_from("<I", image, 20)[0], LARGEST) if len(image) >= HEADER else 0
    arena = np.zeros(min(arena_bytes, LARGEST) // 4 + 1, np.uint32)
    model = ffi.new("tl_model *")
    code = lib.tl_open(model, ffi.from_buffer(at), len(image) if claimed is None else claimed, ffi.from_buffer(arena),
                       arena_bytes, kernels or lib.tl_all_kernels)
    return CODES[code], (model, at, arena, words)


def parsed(image: bytes) -> str:
    """The code of what `Image.parse` raises."""
    try:
        Image.parse(image)
    except ImageError as e:
        return e.code
    return "OK"


def sealed(image: bytes) -> bytes:
    """The image with a CRC that fits."""
    return image[:4] + struct.pack("<I", zlib.crc32(image[8:])) + image[8:]


def poke(image: bytes, at: int, form: str, value: int) -> bytes:
    return sealed(image[:at] + struct.pack("<" + form, value) + image[at + struct.calcsize("<" + form) :])


def test_codes_have_texts():
    assert len(CODES) == lib.TL_ERR_COUNT
    assert [getattr(lib, f"TL_ERR_{n}") for n in CODES] == list(range(len(CODES)))
    texts = [ffi.string(lib.tl_error_text(i)).decode() for i in range(-1, len(CODES) + 2)]
    assert texts[0] == texts[-1] == texts[-2] == "" and len(set(texts[1:-2])) == len(CODES) and all(texts[1:-2])
    assert "CRC" in texts[1 + CODES.index("CRC")] and "arena is too small" in texts[1 + CODES.index("ARENA")]
    assert "linked" in texts[1 + CODES.index("KERNEL")]


@settings(derandomize=True, max_examples=100)
@given(st.binary(max_size=300), st.binary(max_size=50))
def test_crc32_is_zlibs(a, b):
    assert lib.tl_crc32(0, a, len(a)) == zlib.crc32(a)
    assert lib.tl_crc32(lib.tl_crc32(0, a, len(a)), b, len(b)) == zlib.crc32(a + b)


@pytest.mark.parametrize("program", PROGRAMS)
def test_parse_gives_back_the_program(program):
    data, layout = to_image(program), plan(program)
    assert data == to_image(program, layout)  # the same every time
    image = Image.parse(data)
    assert image.arena_bytes == layout.arena_bytes and len(image.steps) == len(program.steps)
    for step, record, signed in zip(program.steps, image.steps, complete(program), strict=True):
        assert (record.op, record.signed) == (step.op, signed)
        assert record.ints == tuple(a for a in step.args if not isinstance(a, str))
        names = [a for a in step.args if isinstance(a, str)]
        assert record.output_bytes == program.buffers[names[0]].nbytes
        for name, place in zip(names, record.places, strict=True):
            b = program.buffers[name]
            assert 0 <= place.extent - b.nbytes < 4 and place.offset % 4 == 0
            if b.kind in CONSTANT:
                content = data[place.offset : place.offset + b.nbytes]
                assert place.in_image
                assert np.array_equal(np.frombuffer(content, b.dtype), program.data[name].reshape(-1))
            else:
                assert not place.in_image and place.offset == layout.offsets[name]
    state = image.section(STATE)
    packed = program.pack_state(program.data)
    assert (state is None) == (not packed)
    if state:
        assert data[state.offset : state.offset + state.bytes].ljust(len(packed), b"\0") == packed
        assert state.count * 4 == len(packed)
    for kind, name in ((INPUT, program.input), (OUTPUT, program.output)):
        s = image.section(kind)
        assert s and (s.offset, s.bytes, s.count) == (
            layout.offsets[name], program.buffers[name].nbytes, program.buffers[name].shape[0])
    assert image.ops == tuple(n for n in NUMBERS if n in {s.op for s in program.steps})


@pytest.mark.parametrize("program", PROGRAMS[:6])
def test_size_is_what_the_format_says(program):
    """6 bytes a step, 4 an array, 2 or 4 an int; nothing else beside header, state and constants."""
    image = Image.parse(to_image(program))
    wide = sum(not -(2**15) <= a < 2**15 for s in program.steps for a in s.args if not isinstance(a, str))
    arrays = sum(isinstance(a, str) for s in program.steps for a in s.args)
    ints = sum(not isinstance(a, str) for s in program.steps for a in s.args)
    records = 6 * len(program.steps) + 4 * arrays + 2 * (ints + wide)
    assert image.step_bytes == HEADER + ENTRY * len(image.sections) + records + records % 4
    used = {a for s in program.steps for a in s.args if isinstance(a, str) and program.buffers[a].kind in CONSTANT}
    kept = sum(s.bytes for s in (image.section(STATE), image.section(RAILS)) if s)
    assert len(image.data) == image.step_bytes + kept + sum(
        -(-program.buffers[n].nbytes // 4) * 4 for n in used)


def test_runs_at_any_address_from_memory_that_is_not_written():
    program = streaming_program()
    image, x = to_image(program), windows(program, 5)
    want = Session(program).run_windows(x)
    for shift in (0, 4, 12):
        code, (model, at, arena, _) = opened(bytes(shift) + image) if not shift else opened(image, offset=shift % 8)
        assert code == "OK"
        at.flags.writeable = False
        for one, y in zip(x, want, strict=True):
            lib.tl_reset(model)
            ffi.memmove(lib.tl_input(model), ffi.from_buffer(np.ascontiguousarray(one)), one.nbytes)
            for i in range(model.count):
                lib.tl_step(model, i)
            assert bytes(ffi.buffer(lib.tl_output(model), y.nbytes)) == y.tobytes()
        assert at.tobytes() == image
        del arena


def test_large_images_use_larger_units():
    """Beyond 128 KiB of constants the unit of places grows."""
    rng = np.random.default_rng(0)
    n, k = 300, 500
    buffers = {"x": Buffer("x", (1, k), "int8", "input"), "y": Buffer("y", (1, n), "int8", "output"),
               "w": Buffer("w", (n, k), "int8", "weight"), "b": Buffer("b", (1,), "int32", "weight"),
               "m": Buffer("m", (n,), "int32", "weight"), "s": Buffer("s", (n,), "int8", "weight")}
    data = {"w": rng.integers(-127, 128, (n, k)).astype(np.int8), "b": np.array([7], np.int32),
            "m": rng.integers(2**30, 2**31 - 1, n).astype(np.int32), "s": np.full(n, -11, np.int8)}
    program = Program(buffers, (Step("linear_s8", ("y", "x", "w", "b", "m", "s", 1, n, k, 0, 0, 1)),), data, "x", "y")
    image = Image.parse(to_image(program))
    steps = image.section(STEPS)
    assert steps and steps.format & 15 == 3 and len(image.data) > 1 << 17
    x = windows(program, 3)
    assert np.array_equal(Session(program, "numba").run_windows(x), Session(program, "c").run_windows(x))


def test_an_arena_that_is_too_large_is_said():
    buffers = {"x": Buffer("x", (1, 70000), "int8", "input"), "y": Buffer("y", (1, 70000), "int8", "output"),
               "table": Buffer("table", (256,), "int8", "table")}
    steps = (Step("table_s8", ("y", "x", "table", 1, 70000)),)
    program = Program(buffers, steps, {"table": np.zeros(256, np.int8)}, "x", "y")
    with pytest.raises(ModelError, match="the arena has 140000 bytes"):
        to_image(program)


# ---- what is refused ----


def test_every_flipped_bit_is_refused():
    image = to_image(small())
    assert opened(image)[0] == "OK"
    codes: dict[str, int] = {}
    for bit in range(8 * len(image)):
        bad = bytearray(image)
        bad[bit // 8] ^= 1 << bit % 8
        code = opened(bytes(bad), arena_bytes=64)[0]
        assert code != "OK", f"bit {bit % 8} of byte {bit // 8} flipped: accepted"
        expected = "MAGIC" if bit < 32 else "CRC" if not 96 <= bit < 128 and not 80 <= bit < 88 else None
        assert expected in (code, None), f"bit {bit % 8} of byte {bit // 8}: {code}, expected {expected}"
        codes[code] = codes.get(code, 0) + 1
        with pytest.raises(ModelError, match="image: "):
            Image.parse(bytes(bad))
    assert codes.keys() == {"MAGIC", "CRC", "SHORT"}, codes


def test_every_truncation_is_refused():
    image = to_image(small())
    for n in range(len(image)):
        assert opened(image[:n], arena_bytes=64)[0] == "SHORT", n
        with pytest.raises(ModelError, match=r"bytes, expected at least|cut off"):
            Image.parse(image[:n])
    assert opened(image + b"more")[0] == "OK" and Image.parse(image + b"more").data == image


def test_arena_alignment_and_kernels():
    image = to_image(streaming_program())
    need = Image.parse(image).arena_bytes
    assert opened(image, need)[0] == "OK" and opened(image, need - 1)[0] == "ARENA"
    assert [opened(image, need, offset=i)[0] for i in (1, 2, 3)] == ["ALIGN"] * 3
    for name, number in NUMBERS.items():
        table = ffi.new("tl_kernel[]", [lib.tl_all_kernels[i] if i != number else (ffi.NULL, ffi.NULL)
                                         for i in range(len(OPS))])
        used = any(s.op == name for s in streaming_program().steps)
        assert opened(image, need, kernels=table)[0] == ("KERNEL" if used else "OK"), name


AT = HEADER  # sections of small(): steps, state, input, output; its one record follows
RECORD = HEADER + 4 * ENTRY
NUMBERS_AT = RECORD + 6 + 4 * 7


def constant_at(i: int) -> int:
    """Where array i of small()'s step begins."""
    return Image.parse(to_image(small())).steps[0].places[i].offset


FORGED = {  # what is wrong in an image whose CRC is right: (offset, struct format, value, code)
    "format version": (8, "H", 2, "VERSION"),
    "variant": (11, "B", 1, "VARIANT"),
    "ABI": (16, "I", 0x12345678, "ABI"),
    "arena larger than there is": (20, "I", 1 << 31, "ARENA"),
    "arena smaller than the state": (20, "I", 0, "SECTION"),
    "no sections": (10, "B", 0, "SECTION"),
    "output missing": (10, "B", 3, "SECTION"),
    "more sections than bytes": (10, "B", 255, "SHORT"),
    "unknown section": (AT + ENTRY, "B", 5, "SECTION"),
    "section of kind 0": (AT + ENTRY, "B", 0, "SECTION"),
    "two sections of a kind": (AT + ENTRY, "B", 1, "SECTION"),
    "steps not aligned": (AT + 4, "I", RECORD + 2, "SECTION"),
    "steps behind the end": (AT + 4, "I", 1 << 20, "SECTION"),
    "steps that wrap around": (AT + 4, "I", 0xFFFFFFFC, "SECTION"),
    "steps larger than the image": (AT + 8, "I", 0xFFFFFFFE, "SECTION"),
    "odd bytes of steps": (AT + 8, "I", 45, "SECTION"),
    "more steps than records": (AT + 2, "H", 2, "STEP"),
    "no steps, but records": (AT + 2, "H", 0, "STEP"),
    "state larger than the arena": (AT + ENTRY + 2, "H", 0x7FFF, "SECTION"),
    "state shorter than its content": (AT + ENTRY + 2, "H", 0, "SECTION"),
    "state of no words": (AT + ENTRY + 8, "I", 3, "SECTION"),
    "input behind the arena": (AT + 2 * ENTRY + 4, "I", 1 << 20, "SECTION"),
    "output too large": (AT + 3 * ENTRY + 8, "I", 100, "SECTION"),
    "unknown op": (RECORD, "B", len(OPS), "STEP"),
    "no arrays": (RECORD + 2, "B", 0, "STEP"),
    "more arrays than bytes": (RECORD + 2, "B", 24, "STEP"),
    "more arguments than room": (RECORD + 2, "B", 255, "STEP"),
    "too many ints": (RECORD + 3, "B", 17, "STEP"),
    "wide int that is none": (RECORD + 4, "H", 1 << 6, "STEP"),
    "one wide int too many": (RECORD + 4, "H", 0b111000, "STEP"),
    "output in the image": (RECORD + 6, "H", 0x8000, "PLACE"),
    "output behind the arena": (RECORD + 6, "H", 0x7FFF, "BOUNDS"),
    "output larger than the arena": (RECORD + 8, "H", 0xFFFF, "BOUNDS"),
    "output of no bytes": (RECORD + 8, "H", 0, "SIZE"),
    "output with more spare bytes than its unit": (RECORD + 1, "B", 0x84, "SIZE"),
    "input of a step behind the arena": (RECORD + 10, "H", 0x1000, "BOUNDS"),
    "weights behind the image": (RECORD + 14, "H", 0xFFFF, "BOUNDS"),
    "weights that end behind the image": (RECORD + 16, "H", 0x100, "BOUNDS"),
    "places of half-words": (AT + 1, "B", 0x12, "SECTION"),
    "places of bytes in the image": (AT + 1, "B", 0x20, "SECTION"),
    "input of an unknown dtype": (AT + 2 * ENTRY + 1, "B", 3, "SECTION"),
    "input of no rows": (AT + 2 * ENTRY + 2, "H", 0, "SECTION"),
    "output of no whole rows": (AT + 3 * ENTRY + 2, "H", 4, "SECTION"),
    "output of no bytes at all": (AT + 3 * ENTRY + 8, "I", 0, "SECTION"),
    "an array too few": (RECORD + 2, "B", 6, "STEP"),
    "a number too many": (RECORD + 3, "B", 7, "STEP"),
    "a zero point that is no code": (NUMBERS_AT + 6, "h", 128, "NUMBER"),
    "a flag of two": (NUMBERS_AT + 8, "h", 2, "NUMBER"),
    "no time": (NUMBERS_AT, "h", 0, "NUMBER"),
    "a tap less than none": (NUMBERS_AT + 4, "h", -1, "NUMBER"),
    "more time than room": (NUMBERS_AT, "h", 3, "SIZE"),
    "more taps than weights": (NUMBERS_AT + 4, "h", 3, "SIZE"),
    "a multiplier a channel, but one is there": (NUMBERS_AT + 10, "h", 1, "SIZE"),
    "weights that a step could change": (RECORD + 14, "H", 0, "PLACE"),
    "state that nothing can change": (RECORD + 30, "H", 0x8000, "PLACE"),
    "output over the input": (RECORD + 6, "H", 0, "OVERLAP"),
    "state over the input": (RECORD + 30, "H", 0, "OVERLAP"),
    "a multiplier below zero": (constant_at(4), "i", -1, "VALUE"),
    "a shift of more than a word": (constant_at(5), "b", -32, "VALUE"),
    "a shift of a word": (constant_at(5), "b", 32, "VALUE"),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_images_are_refused(what):
    image = to_image(small())
    assert opened(poke(image, 0, "I", 0x434F4C54))[0] == "OK"
    at, form, value, code = FORGED[what]
    bad = poke(image, at, form, value)
    assert bad[8:] != image[8:] and opened(bad, arena_bytes=64)[0] == code
    if what != "arena larger than there is":
        assert parsed(bad) == code
        with pytest.raises(ModelError, match="image: "):
            Image.parse(bad)


def test_sizes_beyond_30_bits_are_refused():
    """A number, a product, and an array of half-words: before anything overflows."""
    image = to_image(small())
    # The first number takes the second one's place as its upper half; the fourth is the third now, which is not below zero.
    wide = poke(poke(image, RECORD + 4, "H", 1), NUMBERS_AT + 6, "h", 1)
    for high in (0x7FFF, 0x3FFF):
        assert opened(poke(wide, NUMBERS_AT + 2, "H", high), arena_bytes=64)[0] == "SIZE", high
    buffers = {"x": Buffer("x", (1, 2), "int8", "input"), "y": Buffer("y", (1, 2), "int16", "output"),
               "w": Buffer("w", (2, 2), "int8", "weight"), "b": Buffer("b", (1,), "int32", "weight"),
               "m": Buffer("m", (1,), "int32", "weight"), "e": Buffer("e", (1,), "int8", "weight")}
    data = {"w": np.ones((2, 2), np.int8), "b": np.array([0], np.int32), "m": np.array([1 << 30], np.int32),
            "e": np.array([-5], np.int8)}
    step = Step("linear_s8_s16", ("y", "x", "w", "b", "m", "e", 1, 2, 2, 0, 0))
    image = to_image(Program(buffers, (step,), data, "x", "y"))
    record = next(s for s in Image.parse(image).sections if s.kind == STEPS).offset
    assert opened(image)[0] == "OK"
    large = poke(poke(image, record + 6 + 4 * 6, "h", 32767), record + 6 + 4 * 6 + 2, "h", 32767)
    assert opened(large, arena_bytes=64)[0] == "SIZE"


def claiming(op: str, t: int, d: int) -> bytes:
    """An image of one step on t d codes in the arena, its output over its input, in units of 2^15 bytes; their size is what
    32 bits hold of it."""
    y, at, n = (1 if op == "table_s8" else 2), HEADER + 3 * ENTRY, t * d % 2**32
    size, record = -(-n * y >> 15), 6 + 3 * 4 + 2 * 4
    table = at + record + record % 4
    sections = ((STEPS, 2 | 15 << 4, 1, at, record), (INPUT, 8, 1, 0, n or 1),
                (OUTPUT, 8 if y == 1 else 1, 1, 0, n * y or 2))
    body = struct.pack("<4I", 1 | len(sections) << 16, table + 256 * y, ABI, max(size, 1) << 15)
    body += b"".join(struct.pack("<BBHII", *s) for s in sections)
    body += struct.pack("<BBBBH6H2I", NUMBERS[op], (size << 15) - n * y & 127, 3, 2, 3, 0, size, 0, -(-n >> 15),
                        table >> 2 | 0x8000, 64 * y, t, d)
    return sealed(struct.pack("<2I", MAGIC, 0) + body.ljust(table - 8, b"\0") + bytes(256 * y))


@pytest.mark.parametrize(("op", "t", "d", "code"), [
    ("table_s8", 1, 3 * 2**15 - 1, "OK"), ("table_s8", 1, 2**30 - 1, "OK"), ("table_s8", 1, 2**30, "SIZE"),
    ("table_s8", 2**15, 2**15, "SIZE"), ("table_s8", 2**16, 2**16, "SIZE"), ("table_s8", 2**24, 2**24, "SIZE"),
    ("table_s8", 2**18, 2**15, "SIZE"), ("table_s8_u16", 1, 2**29 - 1, "OVERLAP"), ("table_s8_u16", 1, 2**29, "SIZE")])
def test_the_largest_arrays(op, t, d, code):
    """Fewer than 2^30 bytes each.  The arena is claimed and not there: without a state, opening touches nothing of it."""
    image, arena, model = claiming(op, t, d), ffi.new("uint32_t *"), ffi.new("tl_model *")
    found = CODES[lib.tl_open(model, ffi.from_buffer(image), len(image), arena, 2**32 - 4, lib.tl_all_kernels)]
    assert found == code and (op != "table_s8" or parsed(image) == code)


def test_scratch_beyond_the_middle_of_the_places():
    """An array in the arena has nothing to do with one of the image, whose places have bit 15, however far it reaches."""
    table, quads = exponentials(0.5), 9000  # 16 bytes of scratch each, 36,000 units: more than the planner uses
    buffers = {"x": Buffer("x", (1, 4), "int8", "input"), "y": Buffer("y", (1, 4), "int8", "output"),
               "t": Buffer("t", table.shape, "int32", "table"), "s": Buffer("s", (2,), "int8", "scratch"),
               "p": Buffer("p", (4,), "uint32", "scratch")}
    step = Step("attention_s8", ("y", "x", "x", "x", "t", "s", "p", 1, 1, 4, 4, len(table), 1, 0, 0, 0, 0, 0,
                                 1 << 30, -5, 1 << 30, -5))
    image = to_image(Program(buffers, (step,), {"t": table}, "x", "y"))
    parts = Image.parse(image)
    record = next(s.offset for s in parts.sections if s.kind == STEPS) + 6
    for at, form, value in ((record + 4 * 6, "H", parts.arena_bytes // 4), (record + 4 * 6 + 2, "H", 4 * quads),
                            (record + 4 * 7 + 2 * 5, "H", quads), (20, "I", parts.arena_bytes + 16 * quads)):
        image = poke(image, at, form, value)
    assert opened(image)[0] == parsed(image) == "OK" and Image.parse(image).steps[0].places[6].extent == 16 * quads


@pytest.mark.parametrize("size", [46, 48, 50])
def test_half_a_step_is_not_looked_at(size):
    """What lies behind the records is no op: not even one whose kernel is missing."""
    own = NUMBERS["depthwise_conv_s8"]
    table = ffi.new("tl_kernel[]", [lib.tl_all_kernels[i] if i == own else (ffi.NULL, ffi.NULL) for i in range(len(OPS))])
    image = to_image(small())
    assert opened(image, 64, table)[0] == "OK"
    bad = poke(poke(image, AT + 2, "H", 2), AT + 8, "I", size)
    assert opened(bad, 64, table)[0] == opened(bad, 64)[0] == parsed(bad) == "STEP"


@pytest.mark.parametrize(("form", "rows", "size", "code"), [
    (8, 2, 6, "OK"), (0, 2, 6, "OK"), (9, 1, 6, "OK"), (1, 3, 6, "OK"), (10, 1, 4, "OK"), (2, 1, 4, "OK"),
    (9, 2, 6, "SECTION"), (1, 2, 2, "SECTION"), (10, 1, 6, "SECTION"), (2, 2, 4, "SECTION"), (3, 1, 4, "SECTION"),
    (11, 1, 8, "SECTION"), (4, 1, 4, "SECTION"), (12, 1, 4, "SECTION"), (16, 1, 4, "SECTION"), (128, 1, 4, "SECTION"),
    (8, 3, 4, "SECTION"), (8, 4, 3, "SECTION"), (8, 5, 8, "SECTION"), (8, 0, 4, "SECTION"), (8, 1, 0, "SECTION")])
@pytest.mark.parametrize("which", [2, 3])
def test_rows_of_a_known_dtype(which, form, rows, size, code):
    entry = AT + which * ENTRY
    image = to_image(small())
    for at, value_form, value in ((entry + 1, "B", form), (entry + 2, "H", rows), (entry + 8, "I", size)):
        image = poke(image, at, value_form, value)
    assert opened(image)[0] == parsed(image) == code


def bare(arena: int, state: tuple[int, int] | None = None, units: int = 0x22, size: int = 0, extra: int = 0,
         more: int = 0) -> bytes:
    """An image without steps.  state: (words, bytes); units, size: format and bytes of the section of steps, at the end;
    more: sections that a runner skips."""
    count = 3 + (state is not None) + more
    at, words, content = HEADER + ENTRY * count, *(state or (0, 0))
    sections = [(STATE, 0, words, at, content)] * (state is not None) + [(OPTIONAL + i, 0, 0, at, 0) for i in range(more)]
    sections += [(INPUT, 8, 1, 0, 1), (OUTPUT, 8, 1, 0, 1), (STEPS, units, 0, at + content, size)]
    body = struct.pack("<4I", 1 | count << 16, at + content + size + extra, ABI, arena)
    body += b"".join(struct.pack("<BBHII", *s) for s in sections) + bytes(range(1, content + 1)) + bytes(size + extra)
    return sealed(struct.pack("<2I", MAGIC, 0) + body)


@pytest.mark.parametrize(("options", "code"), [
    ({}, "OK"), ({"arena": 5}, "OK"), ({"arena": 0}, "SECTION"), ({"state": (2, 8)}, "OK"), ({"state": (2, 4)}, "OK"),
    ({"state": (2, 0)}, "OK"), ({"state": (3, 8)}, "SECTION"), ({"state": (1, 8)}, "SECTION"),
    ({"state": (2, 6)}, "SECTION"), ({"state": (2, 5)}, "SECTION"),
    ({"state": (1, 4), "arena": 9}, "SECTION"), ({"state": (1, 4), "arena": 10}, "SECTION"),
    ({"units": 0x12}, "SECTION"), ({"units": 0x21}, "SECTION"), ({"units": 0x20}, "SECTION"), ({"units": 0x02}, "SECTION"),
    ({"units": 0x32}, "OK"), ({"units": 0x23}, "OK"), ({"units": 0x42}, "OK"), ({"units": 0x24}, "OK"),
    ({"units": 0x82}, "OK"), ({"units": 0x28}, "OK"), ({"units": 0xFF}, "OK"), ({"size": 1}, "SECTION"), ({"size": 2}, "OK"),
    ({"size": 3}, "SECTION"), ({"size": 4}, "STEP"), ({"size": 6}, "STEP"), ({"extra": 2}, "OK"),
    ({"more": 124}, "OK"), ({"more": 128}, "OK")], ids=str)
def test_images_without_steps(options, code):
    """Each limit of what is checked before them."""
    image = bare(**{"arena": 8, **options})
    assert opened(image)[0] == parsed(image) == code


def test_a_header_alone_has_no_sections():
    image = sealed(struct.pack("<6I", MAGIC, 0, 1, HEADER, ABI, 8))
    assert opened(image)[0] == parsed(image) == "SECTION"


@pytest.mark.parametrize(("words", "content"), [(2, 8), (2, 4), (3, 4), (5, 8), (1, 4), (4, 0)])
def test_the_state_begins_as_the_image_says(words, content):
    """At the end of the arena, and zeros follow; nothing before it is touched."""
    code, (model, _, arena, _) = opened(bare(24, (words, content)))
    assert code == "OK"
    for _ in range(2):
        arena[:] = 0x55555555
        lib.tl_reset(model)
        want = b"\x55" * (24 - 4 * words) + bytes(range(1, content + 1)).ljust(4 * words, b"\0") + b"\x55" * 4
        assert arena.tobytes() == want


def test_an_input_of_more_than_2_gib_has_rows():
    for size, code in ((2**31 + 1, "OK"), (2**32 - 8, "OK")):
        image = poke(bare(2**32 - 4), HEADER + 8, "I", size)
        model = ffi.new("tl_model *")
        found = lib.tl_open(model, ffi.from_buffer(image), len(image), ffi.new("uint32_t *"), 2**32 - 4, lib.tl_all_kernels)
        assert CODES[found] == parsed(image) == code


def test_bytes_of_input_and_output():
    model = opened(to_image(small()))[1][0]
    assert (lib.tl_input_bytes(model), lib.tl_output_bytes(model)) == (6, 6)


def test_every_code_is_provoked():
    """Those that are not in the table have tests of their own."""
    assert {row[3] for row in FORGED.values()} | {"OK", "ALIGN", "MAGIC", "CRC", "KERNEL", "STREAM", "WINDOW"} == set(CODES)


@pytest.mark.parametrize("kind", [128, 200, 255])
def test_sections_that_a_runner_may_skip(kind):
    """A kind of 128 and more is for others."""
    image = to_image(small())
    head = bytearray(image)
    table = HEADER + 4 * ENTRY
    extra = struct.pack("<BBHII", kind, 0, 0, 0, 8)
    head[10] = 5
    grown = bytes(head[:table]) + extra + bytes(head[table:])
    words = bytearray(grown)
    struct.pack_into("<I", words, 12, len(grown))
    for i, kind in enumerate((STEPS, STATE)):
        at = HEADER + ENTRY * i + 4
        assert words[at - 4] == kind
        struct.pack_into("<I", words, at, struct.unpack_from("<I", words, at)[0] + ENTRY)
    record = table + ENTRY
    for i in range(7):  # constants moved by one section's bytes
        place = struct.unpack_from("<H", words, record + 6 + 4 * i)[0]
        if place & 0x8000:
            struct.pack_into("<H", words, record + 6 + 4 * i, place + ENTRY // 4)
    assert opened(sealed(bytes(words)))[0] == "OK"
    assert Image.parse(sealed(bytes(words))).steps[0].ints == Image.parse(image).steps[0].ints
