"""Packages for tests: an untrained model, a key that everyone knows, payloads that are signed again after a change."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinyloc.data import Scaler, load
from tinyloc.data import windows as windows_of
from tinyloc.kernels.table import ABI
from tinyloc.model import Model, preset
from tinyloc.package import (
    ENTRY,
    GOLDEN,
    HEADER,
    IMAGE,
    INPUTS,
    MAGIC,
    ROOMS,
    SCALER,
    SECTIONS,
    STREAM,
    VERSION,
    Package,
    device_key,
    payload,
    sign,
)
from tinyloc.program import Program
from tinyloc.quantize import quantize

SECRET = bytes(range(100, 132))


@cache
def key() -> Any:
    """imgtool's Ed25519 key of SECRET."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from imgtool.keys import Ed25519

    return Ed25519(Ed25519PrivateKey.from_private_bytes(SECRET))


@cache
def program(name: str = "mamba-h4l1", seed: int = 0, alike: int = 0, rows: int = 20) -> Program:
    """An untrained model as a Program: bits do not depend on how good the weights are.

    alike: of so many access points that are scaled alike, instead of the simulated house's.  rows: of its windows.
    """
    house = load("simulated", minutes=4, test_minutes=1)
    if alike:
        aps, scaler = [f"ap {i}" for i in range(alike)], Scaler(lo=np.full(alike, -95.0), hi=np.full(alike, -35.0))
        x = np.random.default_rng(seed).random((8, rows, alike), np.float32)
    else:
        aps, scaler = list(house.aps), Scaler.fit(house.train)
        x = windows_of(house.train, scaler, rows, 40).x
    model = Model.create(preset(name, len(aps), len(house.rooms)), seed)
    model.info.update({"name": name, "aps": aps, "rooms": list(house.rooms), "window": rows, "rate_hz": house.rate_hz,
                       "dataset": house.name, "simulated": house.simulated, "scaler": scaler.to_dict()})
    return quantize(model, x, "minmax")


def windows(p: Program, count: int, seed: int = 5) -> np.ndarray:
    """Random windows of codes."""
    x = p.buffers[p.input]
    return np.random.default_rng(seed).integers(-128, 128, (count, *x.shape)).astype(x.dtype)


def signed(data: bytes, version: str = "1.2.3", counter: int | None = None, with_key: Any = None) -> bytes:
    """A payload in an envelope, by the key that everyone knows."""
    return sign(data, with_key or key(), version, counter)


def made(p: Program, version: str, count: int = 1, **options: Any) -> Package:
    """The package of a Program with `count` golden windows, and a random one."""
    return Package.parse(signed(payload(p, windows(p, count), **options), version))


def place(data: bytes, kind: int) -> tuple[int, int]:
    """(offset, bytes) of a payload's section."""
    for i in range(len(SECTIONS)):
        found, _, at, size = struct.unpack_from("<HHII", data, HEADER + 12 * i)
        if found == kind:
            return at, size
    raise KeyError(kind)


def poked(data: bytes, at: int, form: str, *values: int) -> bytes:
    """With other values at an offset."""
    changed = bytearray(data)
    struct.pack_into("<" + form, changed, at, *values)
    return bytes(changed)


def resealed(data: bytes, at: int) -> bytes:
    """A payload whose image, which begins at `at`, has a CRC-32 that fits."""
    size = struct.unpack_from("<I", data, at + 12)[0]
    return poked(data, at + 4, "I", zlib.crc32(data[at + 8 : at + size]))


Row = tuple[int, int, bytes]  # a section: kind, count, what it holds


def sections(data: bytes) -> list[Row]:
    """Those of a payload, in the order of its table."""
    table = struct.iter_unpack("<HHII", data[HEADER : HEADER + ENTRY * struct.unpack_from("<H", data, 6)[0]])
    return [(kind, count, data[at : at + size]) for kind, count, at, size in table]


def assembled(rows: Sequence[Row], arena: int, inputs: tuple[int, int], whole: bool = True) -> bytes:
    """The payload of these sections; whole: the last one is padded to words, as `payload` does."""
    at, table, body = HEADER + ENTRY * len(rows), b"", b""
    for i, (kind, count, content) in enumerate(rows, 1):
        table += struct.pack("<HHII", kind, count, at + len(body), len(content))
        body += content + (bytes(-len(content) % 4) if whole or i < len(rows) else b"")
    return struct.pack("<7I", MAGIC, VERSION | len(rows) << 16, at + len(body), ABI, arena, *inputs) + table + body


def with_section(data: bytes, kind: int, content: bytes) -> bytes:
    """A payload with one section more, at its end."""
    _, _, _, _, arena, *inputs = struct.unpack_from("<7I", data)
    return assembled([*sections(data), (kind, 1, content)], arena, (inputs[0], inputs[1]))


def tiny(aps: int = 1, rows: int = 1, runs: int = 1, curved: int = 0, windows: int = 1) -> dict[int, Row]:
    """Sections that tl_package_open takes, as few bytes as there may be: an image that is a header and its input.

    aps, rows: a row's inputs and the input's rows.  runs: of a window.  curved: of the access points, at first.
    """
    size = rows * aps
    ap = struct.pack("<2I2bH", 0, 0, -70, -70, 0)
    window = bytes(runs * size + -(runs * size) % 4 + 4)
    return {row[0]: row for row in (
        (STREAM, 1, bytes(16)), (ROOMS, 1, b"a\0"), (IMAGE, 1, image(input_entry(rows, size))),
        (GOLDEN, windows, struct.pack("<3I", runs, size, 1) + window * windows),
        (SCALER, 1, struct.pack("<3HhbbH", aps, curved, 0, 0, 0, 0, 0) + bytes(256 if curved else 0) + ap * (aps - curved)
         + (b"\0" if aps > curved else b"")))}


def input_entry(rows: int, size: int) -> tuple[int, int, int]:
    """Of an image's table."""
    return 3 | rows << 16, 0, size


def image(*entries: tuple[int, int, int], count: int | None = None) -> bytes:
    """An image that is a header and its table, which says that it has `count` entries."""
    head = struct.pack("<6I", 0, 0, (len(entries) if count is None else count) << 16, 0, 0, ARENA)
    return head + b"".join(struct.pack("<3I", *e) for e in entries)


ARENA = 64  # bytes that `image` says
MANY = 1 << 15


def payloads_at_their_ends() -> Iterator[tuple[str, bytes, str]]:
    """(what, payload, the code of tl_package_open): the least of each, what is one more or less, and what a computation of
    32 bits would take for less than it is."""
    inputs = packages()["new"].inputs

    def case(what: str, code: str, *changed: Row, base: dict[int, Row] | None = None, without: int = -1, last: int = -1,
             first: int = -1, whole: bool = False) -> tuple[str, bytes, str]:
        rows = {**(tiny() if base is None else base), **{row[0]: row for row in changed}}
        rows.pop(without, None)
        order = sorted(rows.values(), key=lambda row: (row[0] == last) - (row[0] == first))
        return what, assembled(order, ARENA, inputs, whole), code

    whole, kinds = case("", "")[1], tiny()
    yield "the least", whole, "OK"
    for n in (1, 2, 3, 4, 5, 300):
        yield case(f"{n} inputs", "OK", base=tiny(aps=n))
        yield case(f"{n} inputs, all curved", "OK", base=tiny(aps=n, curved=n))
        yield case(f"{n} rows", "OK", base=tiny(rows=n))
        yield case(f"{n} runs, 3 windows", "OK", base=tiny(runs=n, windows=3))
    yield case("1 of 2 inputs curved", "OK", base=tiny(aps=2, curved=1))
    yield case("300 windows", "OK", base=tiny(windows=300))
    # the header and the table
    yield "a header alone", struct.pack("<7I", MAGIC, VERSION, HEADER, ABI, ARENA, *inputs), "PAYLOAD"
    yield "a header alone, of another version", struct.pack("<7I", MAGIC, VERSION + 1, HEADER, ABI, 0, *inputs), "VERSION"
    for n in (HEADER - 1, HEADER - 4, 4, 0):
        yield f"{n} bytes", whole[:n], "PAYLOAD"
    for n in (-4, -1, 1, 4):
        yield f"the header says {n} bytes more", poked(whole, 8, "I", len(whole) + n), "PAYLOAD"
    for n in (len(kinds) + 1, (len(whole) - HEADER) // ENTRY + 1, 0xFFFF):
        yield f"a table of {n} sections", poked(whole, 6, "H", n), "PAYLOAD"
    none = assembled([(200 + i, 1, b"") for i in range(3)], ARENA, inputs)
    yield "a table that ends the payload, of one more", poked(none, 6, "H", 4), "PAYLOAD"
    for n, code in ((0, "PAYLOAD"), (7, "PAYLOAD"), (127, "PAYLOAD"), (128, "OK"), (129, "OK"), (0xFFFF, "OK")):
        yield case(f"a section of kind {n}", code, (n, 1, b"0123"))
    for n in (1, 2, 3):
        yield f"a section at {n} modulo 4", poked(whole, HEADER + 4, "I", HEADER + ENTRY * len(kinds) + n), "PAYLOAD"
    more = case("", "", (200, 1, bytes(20)), last=200)[1]
    for at, size, code in ((HEADER, 4, "OK"), (HEADER - 4, 4, "PAYLOAD"), (len(more), 0, "OK"),
                           (len(more) + 4, 0, "PAYLOAD"), (len(more) - 4, 4, "OK"), (len(more) - 4, 5, "PAYLOAD"),
                           (len(more), 1, "PAYLOAD"),
                           (0xFFFFFFFC, 4, "PAYLOAD"), (HEADER, 0xFFFFFFFF, "PAYLOAD")):
        yield f"{size} bytes at {at} of {len(more)}", poked(more, HEADER + ENTRY * len(kinds) + 4, "II", at, size), code
    for kind in kinds:
        yield case(f"no {SECTIONS[kind]}", "PAYLOAD", without=kind)
        # what lies behind the table looks like the entry that is missing
        found = tiny()[kind]
        fake = struct.pack("<HHII", kind, found[1], HEADER + ENTRY * len(kinds) + ENTRY, len(found[2])) + found[2]
        yield case(f"no {SECTIONS[kind]} in the table, but behind it", "PAYLOAD", (200, 1, fake), without=kind, first=200)
        for n in range(min(len(found[2]), 40)):
            short = kind, found[1], found[2][:n]
            yield case(f"{n} bytes of {SECTIONS[kind]}, at the end", "PAYLOAD", short, last=kind)
            # its entry is followed by a great number
            rows = [*(row for row in kinds.values() if row[0] != kind), short, (200, 0xFFFF, b"")]
            made = assembled(rows, ARENA, inputs, False)
            yield (f"{n} bytes of {SECTIONS[kind]}, at the end, and another entry",
                   poked(made, HEADER + ENTRY * len(kinds) + 4, "I", HEADER), "PAYLOAD")
    yield case("15 bytes of the stream", "PAYLOAD", (STREAM, 1, bytes(15)))
    yield case("17 bytes of the stream", "PAYLOAD", (STREAM, 1, bytes(17)))
    # names
    for kind in (ROOMS, INPUTS):
        for count, content, code in ((1, b"", "PAYLOAD"), (0, b"", "PAYLOAD"), (0, b"a", "PAYLOAD"), (1, b"\0", "OK"),
                                     (2, b"\0", "PAYLOAD"), (0, b"\0", "PAYLOAD"), (1, b"\0a", "PAYLOAD"),
                                     (1, b"a\0b", "PAYLOAD")):
            yield case(f"{SECTIONS[kind]}: {count} in {content!r}", code, (kind, count, content))
        for count, content, code in ((2, b"\0a\0", "OK" if kind == ROOMS else "PAYLOAD"), (1, b"\0a\0", "PAYLOAD")):
            yield case(f"{SECTIONS[kind]}: {count} in {content!r}", code, (kind, count, content))
    yield case("names of 2 inputs", "OK", (INPUTS, 2, b"a\0\0"), base=tiny(aps=2))
    yield case("names of 1 of 2 inputs", "PAYLOAD", (INPUTS, 1, b"a\0"), base=tiny(aps=2))
    # the scaler, which ends the payload: fixes[d / 8] of an access point
    head, ap = struct.pack("<3HhbbH", 1, 0, 0, 0, 0, 0, 0), struct.Struct("<2I2bH")
    for first, last, fix, size, code in ((-70, -70, 0, 1, "OK"), (-70, -70, 0, 0, "PAYLOAD"), (-70, -71, 0, 9, "PAYLOAD"),
                                         (-128, -121, 0, 1, "OK"), (-128, -120, 0, 1, "PAYLOAD"), (-128, -120, 0, 2, "OK"),
                                         (-128, 127, 0, 31, "PAYLOAD"), (-128, 127, 0, 32, "OK"),
                                         (-70, -70, 1, 1, "PAYLOAD"), (-70, -70, 1, 2, "OK"), (0, 8, 1, 2, "PAYLOAD"),
                                         (0, 0, 0xFFFF, 0xFFFF, "PAYLOAD"), (0, 0, 0xFFFF, 0x10000, "OK"),
                                         (0, 8, 0xFFFF, 0x10000, "PAYLOAD"), (0, 8, 0xFFFF, 1, "PAYLOAD")):
        yield case(f"fixes: {size} bytes for {first} to {last} dBm from {fix} on", code,
                   (SCALER, 1, head + ap.pack(0, 0, first, last, fix) + bytes(size)), last=SCALER)
    two = struct.pack("<3HhbbH", 2, 0, 0, 0, 0, 0, 0) + ap.pack(0, 0, 0, 0, 0)
    yield case("the second of two access points", "PAYLOAD", (SCALER, 1, two + ap.pack(0, 0, 0, 8, 0) + b"\0"),
               base=tiny(aps=2), last=SCALER)
    for n in range(ENTRY):
        short = SCALER, 1, two + bytes(n)
        yield case(f"{n} bytes of the second access point", "PAYLOAD", short, base=tiny(aps=2), last=SCALER)
    for n in (0, 255):
        yield case(f"{n} bytes of a curve", "PAYLOAD", (SCALER, 1, struct.pack("<3HhbbH", 1, 1, 0, 0, 0, 0, 0) + bytes(n)),
                   last=SCALER)
    for least, most, zero, code in ((-1, -1, 0, "OK"), (-128, 127, 0, "OK"), (0, 0, 1, "PAYLOAD"), (0, 0, 0x8000, "PAYLOAD"),
                                    (0, 0, 256, "PAYLOAD")):
        yield case(f"scaler: {least} to {most}, reserved {zero}", code,
                   (SCALER, 1, struct.pack("<3HhbbH", 1, 0, 0, 0, least, most, zero) + tiny()[SCALER][2][12:]))
    yield case("no input", "PAYLOAD", base=tiny(aps=0))
    for count, curved in ((0, 0), (1, 2), (1, 0xFFFF), (0, 1)):
        yield case(f"{curved} of {count} access points curved", "PAYLOAD",
                   (SCALER, 1, struct.pack("<3HhbbH", count, curved, 0, 0, 0, 0, 0) + bytes(600)))
    # the image's table
    good, other = input_entry(1, 1), (2, 0, 0)
    for what, made, code in (("the second", image(other, good), "OK"), ("the third", image(other, other, good), "OK"),
                             ("behind the table", image(other, good, count=1), "PAYLOAD"),
                             ("behind a table of none", image(good, count=0), "PAYLOAD"),
                             ("before more than there are", image(other, good, count=3), "PAYLOAD"),
                             ("before 255", image(other, good, count=255), "PAYLOAD"), ("none", image(), "PAYLOAD"),
                             ("of other kinds alone", image(other, other), "PAYLOAD"),
                             ("of no row", image(input_entry(0, 0)), "PAYLOAD"),
                             ("of no row, but a byte", image(input_entry(0, 1)), "PAYLOAD"),
                             ("of a row more", image(input_entry(2, 1)), "PAYLOAD"),
                             ("of a byte more", image(input_entry(1, 2)), "PAYLOAD"),
                             ("of another arena", poked(image(good), 20, "I", ARENA + 4), "PAYLOAD")):
        yield case(f"the image's input: {what}", code, (IMAGE, 1, made), last=IMAGE)
    # golden windows
    for what, count, content, code in (
            ("no window", 0, struct.pack("<3I", 1, 1, 1), "PAYLOAD"),
            ("no run", 1, struct.pack("<4I", 0, 1, 1, 0), "PAYLOAD"),
            ("runs of no byte", 1, struct.pack("<4I", 1, 0, 1, 0), "PAYLOAD"),
            ("runs of two bytes", 1, struct.pack("<5I", 1, 2, 1, 0, 0), "PAYLOAD"),
            ("a window more than there are", 2, struct.pack("<5I", 1, 1, 1, 0, 0), "PAYLOAD"),
            ("a window less than there are", 1, struct.pack("<7I", 1, 1, 1, 0, 0, 0, 0), "PAYLOAD"),
            ("a byte less", 1, struct.pack("<5I", 1, 1, 1, 0, 0)[:-1], "PAYLOAD"),
            ("a byte more", 1, struct.pack("<5I", 1, 1, 1, 0, 0) + b"\0", "PAYLOAD"),
            ("2^32 - 1 runs", 1, struct.pack("<5I", 0xFFFFFFFF, 1, 1, 0, 0), "PAYLOAD")):
        yield case(f"golden: {what}", code, (GOLDEN, count, content), last=GOLDEN)
    yield case("golden: 2^31 runs of 2 bytes", "PAYLOAD", (GOLDEN, 1, struct.pack("<4I", 1 << 31, 2, 1, 0)),
               base=tiny(aps=2))
    wide = tiny(aps=MANY, curved=MANY)
    yield case("golden: 8 windows of 2^61 bytes", "PAYLOAD", (IMAGE, 1, image(input_entry(MANY, MANY * MANY))),
               (GOLDEN, 8, struct.pack("<3I", 1 << 31, MANY * MANY, 1) + bytes(32)), base=wide, last=GOLDEN)


@cache
def packages() -> dict[str, Package]:
    """An old model, a new one of the same shape, and a smaller one."""
    p, q = program(), program(seed=1)
    return {"old": made(p, "1.0.0"), "new": made(q, "1.1.0"), "lean": made(q, "1.2.0", 0, ap_names=False)}


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A payload with a few words, halves or bytes that are something else, and an image whose CRC fits."""
    changed, image = bytearray(data), place(data, IMAGE)[0]
    edges = [0, 1, 2, 3, 4, 7, 0xFF, 0x7F, 0x80, 0xFFFF, 0x7FFF, 0x8000, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC]
    heads = [place(data, k) for k in (IMAGE, SCALER, GOLDEN, ROOMS, STREAM)]
    for _ in range(rng.randint(1, 4)):
        at, size = rng.choice([(0, 28), (28, 72), *((a, min(n, 128)) for a, n in heads)])
        width = rng.choice((1, 2, 4))
        where = at + rng.randrange(size) // width * width
        value = rng.choice([rng.getrandbits(32), rng.choice(edges), (changed[where] + rng.choice((-1, 1, 4))) & 0xFF])
        changed[where : where + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    size = struct.unpack_from("<I", changed, image + 12)[0]
    return resealed(bytes(changed), image) if 8 <= size <= len(changed) - image else bytes(changed)


def payload_cases(count: int) -> bytes:
    """The file that update.c reads: a package and its key; payloads as they are, `count` mutants of each, their beginnings,
    and bytes at random."""
    rng, cases = random.Random(0), [data for _, data, _ in payloads_at_their_ends()]
    for base in (packages()[n].payload for n in ("new", "lean")):
        cases += [base, *(mutated(rng, base) for _ in range(count)),
                  *(rng.randbytes(rng.randrange(200)) for _ in range(200)), *(base[:n] for n in range(400))]
    new, signer = packages()["new"], device_key(key())
    head = struct.pack("<2I", *new.inputs) + signer[1] + signer[2] + new.id + struct.pack("<I", len(new.data)) + new.data
    return head + b"".join(struct.pack("<I", len(c)) + c for c in cases)
