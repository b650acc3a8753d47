"""Packages for tests: an untrained model, a key that everyone knows, payloads that are signed again after a change."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np

from tinyloc.data import Scaler, load
from tinyloc.data import windows as windows_of
from tinyloc.model import Model, preset
from tinyloc.package import GOLDEN, HEADER, IMAGE, ROOMS, SCALER, SECTIONS, STREAM, Package, payload, sign
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


def with_section(data: bytes, kind: int, content: bytes) -> bytes:
    """A payload with one section more, at its end."""
    head, count = list(struct.unpack_from("<7I", data)), struct.unpack_from("<H", data, 6)[0]
    table = [list(struct.unpack_from("<HHII", data, HEADER + 12 * i)) for i in range(count)]
    table = [[k, n, at + 12, size] for k, n, at, size in table] + [[kind, 1, len(data) + 12, len(content)]]
    body = data[HEADER + 12 * count :] + content + bytes(-len(content) % 4)
    head[1], head[2] = head[1] + (1 << 16), HEADER + 12 * len(table) + len(body)
    return struct.pack("<7I", *head) + b"".join(struct.pack("<HHII", *row) for row in table) + body


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
    """The file that update.c reads: payloads as they are, `count` mutants of each, their beginnings, and bytes at random."""
    rng, cases = random.Random(0), []
    for base in (packages()[n].payload for n in ("new", "lean")):
        cases += [base, *(mutated(rng, base) for _ in range(count)),
                  *(rng.randbytes(rng.randrange(200)) for _ in range(200)), *(base[:n] for n in range(400))]
    return struct.pack("<2I", *packages()["new"].inputs) + b"".join(struct.pack("<I", len(c)) + c for c in cases)
