"""Packages for tests: an untrained model, a key that everyone knows, payloads that are signed again after a change."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Any

import numpy as np

from tinyloc.data import Scaler, load
from tinyloc.data import windows as windows_of
from tinyloc.model import Model, preset
from tinyloc.package import HEADER, SECTIONS, Package, payload, sign
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
def program(name: str = "mamba-h4l1", seed: int = 0, alike: int = 0) -> Program:
    """An untrained model as a Program: bits do not depend on how good the weights are.

    alike: of so many access points that are scaled alike, instead of the simulated house's.
    """
    house = load("simulated", minutes=4, test_minutes=1)
    if alike:
        aps, scaler = [f"ap {i}" for i in range(alike)], Scaler(lo=np.full(alike, -95.0), hi=np.full(alike, -35.0))
        x = np.random.default_rng(seed).random((8, 20, alike), np.float32)
    else:
        aps, scaler = list(house.aps), Scaler.fit(house.train)
        x = windows_of(house.train, scaler, 20, 40).x
    model = Model.create(preset(name, len(aps), len(house.rooms)), seed)
    model.info.update({"name": name, "aps": aps, "rooms": list(house.rooms), "window": 20, "rate_hz": house.rate_hz,
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
