"""Updates in the field, in the C that a device runs: crypto, refusals, slots, patches, and power that fails at any time."""

from __future__ import annotations

import hashlib
import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import updates
import vectors
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("imgtool.image", reason="the extra sign is not installed: pip install 'tinyloc[sign]'")

from tinyloc import patch
from tinyloc.confidence import Reliability, with_table
from tinyloc.data import Scaler
from tinyloc.emulator.flash import PARTS, TEARS, Device, Flash, Part, codes, text
from tinyloc.errors import ConfigError, ModelError
from tinyloc.export import names_data
from tinyloc.kernels._c import ffi, lib
from tinyloc.kernels.build_c import UPDATE, C
from tinyloc.package import GOLDEN, IMAGE, ROOMS, SCALER, STREAM, Package, device_key, payload
from tinyloc.run import Session
from tinyloc.scaling import input_constants

CODES = dict(codes())
NAMES = {n: name for name, n in CODES.items()}
SMALL = Part("small", 256, 16, 1, "no part: pages so small that a package has many of them")
WIDE = Part("wide", 512, 32, 1, "no part: the greatest unit that tl_flash takes")


# ---- crypto ----

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


Point = tuple[int, int, int, int]  # X, Y, Z, T


def add(p: Point, q: Point) -> Point:
    """RFC 8032, 5.1.4, in Python's integers."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * D * p[3] * q[3], 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n: int, p: Point) -> Point:
    r = IDENTITY
    while n:
        r, p, n = (add(r, p) if n & 1 else r), add(p, p), n >> 1
    return r


def encode(p: Point) -> bytes:
    z = pow(p[2], -1, P)
    return (p[1] * z % P | (p[0] * z % P & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    n = int.from_bytes(data, "little")
    y, odd = n & (1 << 255) - 1, n >> 255
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x if x * x % P == xx else x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != xx or (x == 0 and odd):
        return None
    x = x if x & 1 == odd else P - x
    return x, y, 1, x * y % P


IDENTITY = 0, 1, 1, 0
BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
assert BASE is not None


@cache
def oracle(key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032, 5.1.7, without the cofactor, S and both points in their one encoding, no key of small order; the hash modulo
    the order, as every implementation has it (the RFC leaves that open: it matters to keys beside the subgroup alone)."""
    a, s = decode(key), int.from_bytes(signature[32:], "little")
    if a is None or s >= L or encode(times(8, a)) == encode(IDENTITY):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return encode(add(times(s, BASE), times(k, (P - a[0], a[1], 1, P - a[3])))) == signature[:32]


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    return bool(lib.tl_ed25519_verify(key, message, len(message), signature))


def own_signature(scalar: int, nonce: int, message: bytes, key: bytes, r: bytes | None = None) -> bytes:
    """A signature by whoever knows the scalar, under any encoding of the key."""
    r = r or encode(times(nonce, BASE))
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little")
    return r + ((nonce + k * scalar) % L).to_bytes(32, "little")


@settings(derandomize=True, max_examples=60)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_sha256_is_hashlibs(data: bytes, cut: int) -> None:
    h, digest = ffi.new("tl_sha256 *"), ffi.new("uint8_t[32]")
    lib.tl_sha256_start(h)
    for part in (data[:cut], data[cut:]):
        lib.tl_sha256_add(h, part, len(part))
    lib.tl_sha256_end(h, digest)
    assert bytes(digest) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", [*range(52, 70), *range(116, 132), 1000])
def test_sha256_pads_at_every_length(size: int) -> None:
    h, digest, data = ffi.new("tl_sha256 *"), ffi.new("uint8_t[32]"), bytes(range(256)) * 4
    lib.tl_sha256_start(h)
    lib.tl_sha256_add(h, data, size)
    lib.tl_sha256_end(h, digest)
    assert bytes(digest) == hashlib.sha256(data[:size]).digest()


@pytest.mark.parametrize("size", [2**21 + 5, pytest.param(5 * 2**29 + 70, marks=pytest.mark.level2)])
def test_sha256_of_much(size: int) -> None:
    """All bytes of the length count: in bits it has 25, and more than 32."""
    h, digest, other = ffi.new("tl_sha256 *"), ffi.new("uint8_t[32]"), hashlib.sha256()
    lib.tl_sha256_start(h)
    part = bytes(range(256)) * 4096
    for at in range(0, size, len(part)):
        n = min(len(part), size - at)
        lib.tl_sha256_add(h, part, n)
        other.update(part[:n])
    lib.tl_sha256_end(h, digest)
    assert bytes(digest) == other.digest()


# RFC 8032, 7.1: public key, message, signature of TEST 1, 2, 3 and SHA(abc).
RFC8032 = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", b"",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246551414"
     "38e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", b"\x72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291"
     "612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", b"\xaf\x82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027bec"
     "eea1ec40a"),
    ("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf", hashlib.sha512(b"abc").digest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef11"
     "77331a704"),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC8032, ids=["1", "2", "3", "sha"])
def test_ed25519_by_the_rfc(key: str, message: bytes, signature: str) -> None:
    public, good = bytes.fromhex(key), bytes.fromhex(signature)
    assert oracle(public, message, good) and verify(public, message, good)
    for bit in range(0, 512, 7):
        wrong = bytearray(good)
        wrong[bit // 8] ^= 1 << bit % 8
        assert not verify(public, message, bytes(wrong)), f"bit {bit} of the signature"
    assert not verify(public, message + b"\0", good)


def test_ed25519_against_cryptography(level: int) -> None:
    """What OpenSSL signs is right, at every length of the message around SHA-512's blocks, and one changed bit is not."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    rng = random.Random(1)
    for i in range(300 if level == 1 else 20_000):
        key, message = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)), rng.randbytes(i % 300)
        public, good = key.public_key().public_bytes_raw(), key.sign(message)
        assert verify(public, message, good), (i, public.hex())
        data = bytearray(public + message + good)
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        end = 32 + len(message)
        assert not verify(bytes(data[:32]), bytes(data[32:end]), bytes(data[end:])), (i, bit, public.hex())


def torsion() -> list[Point]:
    """The 8 points of small order."""
    y = 2
    while True:
        p = decode(y.to_bytes(32, "little"))
        if p is not None and encode(times(4, q := times(L, p))) != encode(IDENTITY):
            return [times(i, q) for i in range(8)]
        y += 1


def edge_cases() -> Iterator[tuple[str, bytes, bytes, bytes, bool]]:
    """(what, key, message, signature, right), where verifiers differ (Chalkias, Garillot, Nikolaenko 2020)."""
    scalar, nonce, message = 0x1234567890ABCDEF << 100, 0xFEDCBA << 200, b"digest"
    point = times(scalar, BASE)
    key = encode(point)
    good = own_signature(scalar, nonce, message, key)
    yield "good", key, message, good, True
    s = int.from_bytes(good[32:], "little")
    for i in range(1, 16):
        if s + i * L < 1 << 256:
            yield f"S + {i} L", key, message, good[:32] + (s + i * L).to_bytes(32, "little"), False
    yield "S = L", key, message, good[:32] + L.to_bytes(32, "little"), False
    yield "S = 0, R = the identity, key of order 1", encode(IDENTITY), message, encode(IDENTITY) + bytes(32), False
    small = torsion()
    for i, t in enumerate(small):
        for m in range(8):  # for some message k t = 0
            yield f"key of small order {i}, message {m}", encode(t), bytes([m]), encode(IDENTITY) + bytes(32), False
        # With a key beside the prime order subgroup, right where k times the torsion vanishes.
        mixed = encode(add(point, t))
        for m in range(10):
            made = own_signature(scalar, nonce, bytes([m]), mixed)
            yield f"mixed key {i}, message {m}", mixed, bytes([m]), made, oracle(mixed, bytes([m]), made)
        if i:  # R with torsion: right by the equation with the cofactor alone
            r = encode(add(times(nonce, BASE), t))
            yield f"R with torsion {i}", key, message, own_signature(scalar, nonce, message, key, r), False
    for y in (*range(19), P - 1):
        for odd in (0, 1):
            for what, n in (("", y), ("not reduced ", y + P)):
                if n < 1 << 255:
                    a = (n | odd << 255).to_bytes(32, "little")
                    made = own_signature(scalar, nonce, message, a)
                    yield f"key y = {what}{y}, sign {odd}", a, message, made, oracle(a, message, made)
    # R = identity has a second encoding, y = p + 1.
    for r, right in ((encode(IDENTITY), True), ((P + 1).to_bytes(32, "little"), False),
                     ((1 | 1 << 255).to_bytes(32, "little"), False)):
        yield f"R = {r[:2].hex()}…{r[-1]:02x}", key, message, own_signature(scalar, 0, message, key, r), right


def test_ed25519_at_the_edges() -> None:
    """Strict, and never laxer than OpenSSL: what it refuses is refused here too."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    seen = 0
    for what, key, message, signature, right in edge_cases():
        assert verify(key, message, signature) == right == oracle(key, message, signature), what
        if right:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
            except InvalidSignature:
                pytest.fail(f"{what}: OpenSSL refuses it")
            seen += 1
    assert seen > 8, "cases that are right"


FIELD_C = """
#include "ed25519.c"
#include <stdio.h>

static void show(const field *r)
{
    for (uint32_t i = 8; i--;)
        printf("%08x", (unsigned)r->w[i]);
    printf(" ");
}

int main(void)
{
    static field v[128];
    uint32_t count = (uint32_t)fread(v, sizeof *v, 128, stdin);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++) {
            field r;
            add(&r, &v[i], &v[j]), show(&r);
            subtract(&r, &v[i], &v[j]), show(&r);
            multiply(&r, &v[i], &v[j]), show(&r);
            r = v[i], reduce(&r), show(&r);
            printf("%d %u\\n", (int)equal(&v[i], &v[j]), (unsigned)less(&r, &v[i], &v[j]));
        }
    return 0;
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_the_field_at_its_ends(tmp_path: Path) -> None:
    """Numbers of 256 bits, not only those below p: carries and borrows that no signature is likely to meet."""
    near = (-39, -38, -37, -20, -19, -18, -1, 0, 1, 18, 19, 37, 38)
    ends = (0, P, 2 * P, 2**255, 2**256, 2**224, 2**32)
    numbers = sorted(n for n in {end + d for end in ends for d in near} if 0 <= n < 2**256)
    source, program = tmp_path / "field.c", tmp_path / "field"
    source.write_text(FIELD_C)
    subprocess.run(["gcc", "-std=c99", "-O1", f"-I{UPDATE}", f"-I{C}", str(source), "-o", str(program)], check=True)
    data = b"".join(n.to_bytes(32, "little") for n in numbers)
    done = subprocess.run([program], input=data, capture_output=True, check=True)
    rows = done.stdout.decode().splitlines()
    assert len(rows) == len(numbers) ** 2
    for (a, b), row in zip(((a, b) for a in numbers for b in numbers), rows, strict=True):
        *made, same, borrow = row.split()
        plus, minus, product, reduced = (int(v, 16) for v in made)
        assert (plus - a - b) % P == (minus - a + b) % P == (product - a * b) % P == 0, f"{a:x}, {b:x}"
        assert reduced == a % P and int(same) == ((a - b) % P == 0) and int(borrow) == (a < b), f"{a:x}, {b:x}"


# ---- devices ----

def device(part: Part = SMALL, pages: int = 0, **options: Any) -> Device:
    """With nothing in flash."""
    most = max(len(p.data) for p in updates.packages().values())
    flash = Flash(part, pages or -(-most // part.page) + 1)
    options = {"keys": [device_key(updates.key())], "inputs": updates.packages()["old"].inputs, **options}
    return Device(flash, **options)


def running(*installed: Package, part: Part = SMALL, **options: Any) -> Device:
    """A device that runs the last of these."""
    d = device(part, **options)
    assert NAMES[d.boot()] == "NONE" and d.running is None
    for p in installed:
        assert NAMES[d.install(p.data, p.id)] == "OK"
        assert NAMES[d.boot()] == "OK" and d.running == p.hash
    return d


def refused(d: Device, data: bytes, identity: bytes | None = None) -> str:
    """The code for an update that does not become active; what ran before runs after it."""
    before = d.running
    code = d.install(data, identity or (hashlib.sha256(data[:-144]).digest()[:8] if len(data) > 144 else bytes(8)))
    assert d.boot() == (CODES["OK"] if before else CODES["NONE"]) and d.running == before
    return NAMES[code]


def test_codes_have_texts() -> None:
    texts = [text(n) for n in range(-1, lib.TL_UPDATE_COUNT + 2)]
    assert list(CODES.values()) == list(range(lib.TL_UPDATE_COUNT))
    assert texts[0] == texts[-1] == texts[-2] == "" and len(set(texts[1:-2])) == len(CODES) and all(texts[1:-2])
    for name, word in {"OLD": "older", "KEY": "key", "ABI": "kernels", "INPUTS": "access points", "DAMAGED": "SHA-256",
                       "BASE": "another model", "HANGS": "never got through"}.items():
        assert word in texts[1 + CODES[name]], name


@pytest.mark.parametrize("sizes", [
    dict(unit_bytes=0), dict(unit_bytes=2), dict(unit_bytes=12), dict(unit_bytes=64), dict(unit_bytes=256),
    dict(page_bytes=0), dict(page_bytes=128), dict(page_bytes=272), dict(slot_bytes=0), dict(slot_bytes=256),
    dict(slot_bytes=1000)], ids=str)
def test_flash_of_other_sizes_is_refused_and_left_alone(sizes: dict[str, int]) -> None:
    """A unit of 256 bytes, which an RP2040's flash has, went beyond the buffers of 32."""
    p = updates.packages()["old"]
    d = running(p)
    before = d.flash.memory.copy()
    for name, value in sizes.items():
        setattr(d.flash.driver, name, value)
    assert NAMES[d.install(p.data, p.id)] == NAMES[d.boot()] == "GEOMETRY" and not d.booted.valid and not d.booted.refused
    assert (d.flash.memory == before).all()


@pytest.mark.parametrize("part", [*PARTS.values(), SMALL, WIDE], ids=lambda p: p.name)
@pytest.mark.parametrize("chunk", [1, 13, 244])
def test_updates_one_after_the_other(part: Part, chunk: int) -> None:
    """The slots take turns; each model runs with its own constants and names; nothing is programmed twice."""
    d = device(part)
    d.boot()
    for i, p in enumerate([*updates.packages().values(), updates.packages()["lean"]]):
        assert NAMES[d.install(p.data, p.id, chunk)] == "OK"
        assert d.running != p.hash or i == 3, "an update waits for the next boot"
        assert NAMES[d.boot()] == "OK" and d.running == p.hash and d.booted.slot == i % 2 and not d.booted.refused
        assert NAMES[d.boot()] == "OK" and d.running == p.hash, "and is confirmed"
        assert bytes(ffi.buffer(d.booted.package.image, d.booted.package.image_bytes)) == p.image.data
        names = [ffi.string(lib.tl_package_name(d.booted.package.rooms, r)).decode() for r in range(len(p.rooms))]
        assert tuple(names) == p.rooms and d.booted.package.room_count == len(names)
        assert bool(d.booted.package.inputs) == (p.aps is not None)
        if p.aps:
            assert ffi.string(lib.tl_package_name(d.booted.package.inputs, len(p.aps) - 1)).decode() == p.aps[-1]
        assert bytes(ffi.buffer(d.booted.package.stream, 14)) == p.stream.pack() and d.booted.package.delay == p.delay
        stream, booted = ffi.new("tl_stream *"), d.booted.package
        inputs = booted.scaler.count
        heard, window = ffi.new("tl_heard[]", inputs), ffi.new("int8_t[]", p.stream.window * inputs)
        model = ffi.addressof(d.booted, "model")
        assert not lib.tl_stream_open(stream, model, ffi.addressof(booted, "scaler"), booted.stream, heard, window,
                                      ffi.sizeof(window))
        envelope = d.booted.envelope
        assert bytes(envelope.version) == struct.pack("<BBHI", *p.version) and envelope.counter == p.counter
    assert not d.flash.nor.refused and not d.flash.nor.wrong


@pytest.mark.parametrize("alike", [0, 30])
def test_the_input_is_scaled_by_the_constants_that_came_along(alike: int) -> None:
    """tl_code over all dBm by the scaler in the package, rows or a curve: the float path's codes."""
    p = updates.program(alike=alike)
    constants = input_constants(Scaler.from_dict(p.info["scaler"]), p.buffers[p.input])
    assert bool(constants.curve) == bool(alike)
    made = updates.made(p, "1.0.0")
    d = running(made, inputs=made.inputs, pages=40)
    scaler = ffi.addressof(d.booted.package, "scaler")
    got = [[lib.tl_code(scaler, ap, dbm) for dbm in range(-128, 128)] for ap in range(scaler.count)]
    assert np.array_equal(got, constants.codes())
    assert (scaler.hold, scaler.silent) == (constants.hold, constants.silent)


def test_a_stranger_is_refused() -> None:
    """Each refusal has its own code; whatever is refused leaves what runs running, and a good one is taken afterwards."""
    from imgtool.keys import ECDSA256P1, Ed25519

    p, new = updates.packages()["new"].payload, updates.packages()["new"]
    d = running(updates.packages()["old"])
    image = updates.place(p, IMAGE)[0]
    stale = updates.signed(p, "0.9.0")
    cases = {
        "SIZE": bytes(d.flash.slot_bytes), "MAGIC": b"\0" + new.data[1:],
        "KEY": updates.signed(p, with_key=Ed25519.generate()), "OLD": stale,
        "VERSION": updates.signed(updates.poked(p, 4, "H", 2)), "ABI": updates.signed(updates.poked(p, 12, "I", 1)),
        "INPUTS": updates.signed(updates.poked(p, 24, "I", 1)), "PAYLOAD": updates.signed(updates.poked(p, 0, "I", 1)),
        "SIGNATURE": new.data[:-1] + bytes([new.data[-1] ^ 1]), "DAMAGED": new.data[:99] + b"\1\2\3" + new.data[102:],
        "FORMAT": new.data[:16] + b"\0" + new.data[17:], "SHORT": new.data[:-1],
    }
    for name, data in cases.items():
        assert refused(d, data) == name
    assert refused(d, updates.signed(p, with_key=ECDSA256P1.generate())) == "KEY"
    assert refused(d, new.data, bytes(8)) == "DAMAGED", "announced as another one"
    assert refused(d, bytes(100)) == "SIZE"
    huge = updates.resealed(updates.poked(updates.poked(p, 16, "I", 1 << 20), image + 20, "I", 1 << 20), image)
    assert refused(d, updates.signed(huge)) == "ARENA"
    few = running(updates.packages()["old"], words=len(updates.packages()["old"].image.steps) + 1)
    assert refused(few, updates.signed(updates.poked(p, updates.place(p, GOLDEN)[0] + 8, "I", 999))) == "ARENA"
    assert NAMES[d.install(new.data, new.id)] == "OK" and d.boot() == 0 and d.running == new.hash


@cache
def windowed(rows: int) -> Package:
    """A model that takes so many rows at once; its version grows with them."""
    return updates.made(updates.program("mdcsa-h4l1", rows=rows), f"1.{rows}.0")


def test_a_window_longer_than_the_devices_is_refused() -> None:
    """Before it is activated: the memory is the firmware's, the rows are the update's.  A confirmed one, by a firmware with
    less memory that came afterwards, which leaves it to the next."""
    short, long, inputs = windowed(20), windowed(40), len(windowed(20).aps or ())
    need = 20 * inputs
    d = running(short, inputs=short.inputs, pages=-(-len(long.data) // SMALL.page) + 1, window_bytes=need)
    assert d.booted.package.window_bytes == need and refused(d, long.data, long.id) == "ARENA"
    d.c.window_bytes = 2 * need - 1
    assert refused(d, long.data, long.id) == "ARENA"
    d.c.window_bytes = 2 * need
    assert NAMES[d.install(long.data, long.id)] == "OK" and d.boot() == 0 and d.running == long.hash
    assert d.booted.package.window_bytes == 2 * need
    d.c.window_bytes = 2 * need - 1
    assert d.boot() == 0 and d.running == short.hash and NAMES[d.booted.refused] == "ARENA"
    d.c.window_bytes = 2 * need
    assert d.boot() == 0 and d.running == long.hash, "it is not marked bad"
    alone = updates.packages()["new"]
    d = running(alone, window_bytes=0)
    assert d.booted.package.window_bytes == 0, "a row a run needs none"


def test_packages_can_grow() -> None:
    """A section that a device does not know is skipped, or refused, as its kind says."""
    new = updates.packages()["new"].payload
    d = running(updates.packages()["old"])
    assert refused(d, updates.signed(updates.with_section(new, 7, b"what is this"))) == "PAYLOAD"
    more = Package.parse(updates.signed(updates.with_section(new, 200, b"a note")))
    assert NAMES[d.install(more.data, more.id)] == "OK" and d.boot() == 0 and d.running == more.hash
    assert refused(d, updates.signed(updates.with_section(new, ROOMS, b"twice\0"))) == "PAYLOAD"


def test_a_firmware_with_a_crypto_library_of_its_own() -> None:
    """ECDSA P-256, of which kernels/update has nothing: the function pointer gets digest, key and DER."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from imgtool.keys import ECDSA256P1

    @ffi.callback(dict(ffi.typeof("tl_update_key").fields)["verify"].type)
    def verify_p256(k: Any, digest: Any, signature: Any, size: int) -> int:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + bytes(ffi.buffer(k.key, 64)))
        try:
            key.verify(bytes(ffi.buffer(signature, size)), bytes(ffi.buffer(digest, 32)),
                       ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return 0
        return 1

    key, old = ECDSA256P1.generate(), updates.packages()["old"]
    p = Package.parse(updates.signed(old.payload, with_key=key))
    d = device(keys=[device_key(updates.key()), device_key(key)], verify=verify_p256)
    d.boot()
    wrong = bytearray(p.data)
    wrong[-1] ^= 1
    assert NAMES[d.install(bytes(wrong), p.id)] == "SIGNATURE"
    assert NAMES[d.install(p.data, p.id)] == "OK" and d.boot() == 0 and d.running == p.hash


def test_an_older_version_is_not_replayed() -> None:
    """Not what has run here before, nor what is older than the firmware allows; the same counter is no downgrade."""
    old, new, _ = updates.packages().values()
    d = running(old, new)
    assert refused(d, old.data) == "OLD"
    same = Package.parse(updates.signed(old.payload, "9.9.9", counter=new.counter))
    assert NAMES[d.install(same.data, same.id)] == "OK" and d.boot() == 0 and d.running == same.hash
    d = device(least_counter=old.counter + 1)
    d.boot()
    assert refused(d, old.data) == "OLD"
    assert NAMES[d.install(new.data, new.id)] == "OK"


def test_what_is_confirmed_runs_by_a_firmwares_least_counter() -> None:
    """A firmware that raises it runs neither slot of a lesser one; it marks none as bad, and takes what is new.  At boot it
    asks about no key."""
    old, new, lean = updates.packages().values()
    d = running(old, new)
    d.c.key_count = 0
    d.c.least_counter = new.counter
    assert d.boot() == 0 and d.running == new.hash and not d.booted.refused, "the same counter is not less"
    d.c.least_counter = new.counter + 1
    assert NAMES[d.boot()] == "NONE" and NAMES[d.booted.refused] == "OLD" and d.running is None
    before = d.flash.memory.tobytes()
    assert NAMES[d.boot()] == "NONE" and d.flash.memory.tobytes() == before, "nothing is written"
    d.c.least_counter = 0
    assert d.boot() == 0 and d.running == new.hash, "the firmware before it runs it again"
    d.c.least_counter, d.c.key_count = new.counter + 1, 1
    d.boot()
    assert NAMES[d.install(new.data, new.id)] == "OLD"
    assert NAMES[d.install(lean.data, lean.id)] == "OK" and d.boot() == 0 and d.running == lean.hash
    d = running(old)  # what was activated and has not run yet is no model of this firmware's at all
    assert NAMES[d.install(new.data, new.id)] == "OK"
    d.c.least_counter = new.counter + 1
    assert NAMES[d.boot()] == "NONE" and NAMES[d.booted.refused] == "OLD"
    d.c.least_counter = 0
    assert d.boot() == 0 and d.running == old.hash


@cache
def broken() -> dict[str, Package]:
    """Packages that are signed, whole, and yet no model that may run: what only the boot finds."""
    p = updates.packages()["new"].payload
    image, (golden, _) = updates.place(p, IMAGE)[0], updates.place(p, GOLDEN)
    runs, size = struct.unpack_from("<2I", p, golden)
    model = updates.signed(updates.resealed(updates.poked(p, image + 24, "B", 77), image), "1.1.0")  # a section of no kind
    test = updates.signed(updates.poked(p, golden + 12 + runs * size, "I", 1), "1.1.0")
    whole = updates.packages()["new"]  # the host refuses to read the first
    return {"MODEL": replace(whole, data=model, hash=hashlib.sha256(model[: whole.signed]).digest(), signature=model[-64:]),
            "SELF_TEST": Package.parse(test)}


@pytest.mark.parametrize("why", ["MODEL", "SELF_TEST"])
def test_a_model_that_fails_is_rolled_back(why: str) -> None:
    """At its first boot, and for good."""
    old, bad = updates.packages()["old"], broken()[why]
    d = running(old)
    assert NAMES[d.install(bad.data, bad.id)] == "OK"
    for _ in range(3):
        assert d.boot() == 0 and d.running == old.hash
    d = running(old)
    d.install(bad.data, bad.id)
    d.boot()
    assert NAMES[d.booted.refused] == why
    new = updates.packages()["new"]
    assert NAMES[d.install(new.data, new.id)] == "OK" and d.boot() == 0 and d.running == new.hash


@pytest.mark.parametrize(("rows", "at", "value"), [(1, 0, 0), (1, 8, 0), (1, 8, 12), (20, 0, 19), (20, 0, 21)])
def test_what_the_stream_refuses_is_rolled_back(rows: int, at: int, value: int) -> None:
    """Figures of a stream that do not fit the image: before it is confirmed, and where a firmware has confirmed it."""
    base = updates.packages()["new"] if rows == 1 else windowed(rows)
    assert base.aps and len(base.aps) < 12 and base.stream.aps == len(base.aps), "whose rows the device takes"
    old, data = updates.packages()["old"], base.payload
    bad = updates.signed(updates.poked(data, updates.place(data, STREAM)[0] + at, "H", value), "1.99.0")
    identity = hashlib.sha256(bad[:-144]).digest()[:8]
    d = running(old, pages=-(-len(bad) // SMALL.page) + 1, inputs=base.inputs)
    before = d.flash.state()
    assert NAMES[d.install(bad, identity)] == "OK"
    assert d.boot() == 0 and d.running == old.hash and NAMES[d.booted.refused] == "MODEL"
    assert d.boot() == 0 and d.running == old.hash and not d.booted.refused, "for good"
    d.flash.restore(before)
    assert d.boot() == 0 and NAMES[d.install(bad, identity)] == "OK"
    confirmed = 2 * d.flash.slot_bytes - SMALL.page + 32 + (1 + lib.TL_UPDATE_ATTEMPTS) * SMALL.unit
    d.flash.memory[confirmed : confirmed + SMALL.unit] = np.frombuffer(b"MARK" * (SMALL.unit // 4), np.uint8)
    for _ in range(2):
        assert d.boot() == 0 and d.running == old.hash and NAMES[d.booted.refused] == "MODEL", "it is not marked bad"


def trial_code(data: bytes, inputs: tuple[int, int]) -> str:
    """Of tl_package_test, of a payload that opens."""
    code, p, _kept = opened(data, inputs)
    m, arena, words = ffi.new("tl_model *"), ffi.new("uint32_t[4096]"), ffi.new("uint32_t[256]")
    assert code == "OK" and lib.tl_open(m, p.image, p.image_bytes, arena, ffi.sizeof(arena), lib.tl_all_kernels) == 0
    state = lib.tl_section(m, 2)
    size = state[0] >> 16 << 2 if state else 0

    def states() -> bytes:
        return bytes(ffi.buffer(arena, p.arena_bytes))[p.arena_bytes - size :]

    before = states()
    code = NAMES[lib.tl_package_test(p, m, words, 256)]
    assert states() == before, "the state becomes the initial one"
    return code


@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("name", ["mamba-h4l1", "mdcsa-h4l1"])
def test_labels_have_names(name: str, confident: bool) -> None:
    """Each that the windows give; a confidence is none."""
    p = updates.program(name)
    if confident:
        p = with_table(p, Reliability(np.full(64, 255, np.uint8), 4))
    codes = updates.windows(p, 30)
    made = updates.made(p, "1.0.0", 30)
    data, at = made.payload, entry(made.payload, ROOMS)
    alone = p.retime(1) if p.can_stream else p
    session, most = Session(alone, "c"), 0
    for window in codes:
        session.reset()
        for rows in window.reshape(-1, *alone.buffers[alone.input].shape):
            most = max(most, int(session.run(rows)[:, 0].max()))
    assert most > 0 and trial_code(data, made.inputs) == "OK"
    names = names_data(made.rooms)
    for count, code in ((most + 1, "OK"), (most, "SELF_TEST"), (1, "SELF_TEST")):
        size = len(names_data(made.rooms[:count]))
        assert names[:size].count(b"\0") == count
        assert trial_code(updates.poked(data, at + 2, "H", count)[: at + 8] + struct.pack("<I", size) + data[at + 12 :],
                          made.inputs) == code, count


def test_every_row_of_a_window_is_looked_at() -> None:
    """Where rooms have no names for labels that other rows than the first, and than every other one, have."""
    p = updates.program("mdcsa-h4l1")
    for seed in range(200):
        codes = updates.windows(p, 1, seed)
        labels = Session(p, "c").run(codes[0])[:, 0]
        if max(labels[::2]) < max(labels):
            break
    else:
        pytest.fail("no window has its greatest label at odd rows alone")
    made, window = updates.made(p, "1.0.0"), payload(p, codes)
    rows = {kind: (count, data) for kind, count, data in updates.sections(window)}
    golden = rows[GOLDEN][1][: 12 + codes.nbytes + -codes.nbytes % 4 + 4]  # without the random one
    for rooms, code in ((max(labels) + 1, "OK"), (max(labels), "SELF_TEST"), (max(labels[::2]) + 1, "SELF_TEST")):
        changed = {**rows, GOLDEN: (1, golden), ROOMS: (rooms, names_data(made.rooms[:rooms]))}
        arena = struct.unpack_from("<I", window, 16)[0]
        data = updates.assembled([(k, *row) for k, row in changed.items()], arena, made.inputs)
        assert trial_code(data, made.inputs) == code, (labels, rooms)


@pytest.mark.parametrize("aps", [1, 2, 3, 4])
def test_windows_of_any_size(aps: int) -> None:
    """Bytes that are no multiple of 4 are padded, behind each."""
    made = updates.made(updates.program(alike=aps, rows=5), "1.0.0", 2)
    assert trial_code(made.payload, made.inputs) == "OK"
    golden, size = updates.place(made.payload, GOLDEN)
    assert trial_code(updates.poked(made.payload, golden + size - 4, "I", 0), made.inputs) == "SELF_TEST"


def test_a_trial_asks_the_stream() -> None:
    """Without slots too, of a firmware that has others."""
    new = updates.packages()["new"]
    stream = updates.place(new.payload, STREAM)[0]
    assert trial_code(new.payload, new.inputs) == "OK"
    assert trial_code(updates.poked(new.payload, stream, "H", 0), new.inputs) == "MODEL"


def test_without_another_model_the_firmware_is_told() -> None:
    bad = broken()["SELF_TEST"]
    d = device()
    d.boot()
    assert NAMES[d.install(bad.data, bad.id)] == "OK"
    assert NAMES[d.boot()] == "NONE" and NAMES[d.booted.refused] == "SELF_TEST" and not d.booted.valid


def test_a_model_that_hangs_is_rolled_back() -> None:
    """The watchdog resets the device in the self-test, again and again: after three boots the old model runs."""
    old, new = updates.packages()["old"], updates.packages()["new"]
    d = running(old)
    assert NAMES[d.install(new.data, new.id)] == "OK"
    for boots in range(lib.TL_UPDATE_ATTEMPTS):
        d.flash.power_on()
        d.flash.cut(1, "nothing")  # behind the attempt's mark, before the confirmation
        d.boot()
        assert d.flash.off and d.flash.nor.operations == 2, f"boot {boots}"
    d.flash.power_on()
    assert d.boot() == 0 and d.running == old.hash and NAMES[d.booted.refused] == "HANGS"
    assert d.boot() == 0 and d.running == old.hash and not d.booted.refused


def test_flash_that_rots_is_noticed() -> None:
    """One bit of what is confirmed: the model before it runs, or none."""
    old, new, _ = updates.packages().values()
    d = running(old, new)
    at = d.booted.slot * d.flash.slot_bytes + 500
    d.flash.memory[at] ^= 4
    assert d.boot() == 0 and d.running == old.hash and NAMES[d.booted.refused] == "DAMAGED"
    d.flash.memory[(1 - at // d.flash.slot_bytes) * d.flash.slot_bytes + 700] ^= 1
    assert NAMES[d.boot()] == "NONE"


# ---- what a slot says of its package ----

WIDE = Part("wide", 256, 32, 1, "no part: the greatest unit")
EVERY_PART = [*PARTS.values(), SMALL, WIDE]
ACTIVE, ATTEMPT, CONFIRMED, BAD = 0, 1, 1 + lib.TL_UPDATE_ATTEMPTS, 3 + lib.TL_UPDATE_ATTEMPTS


def marks_at(d: Device, slot: int) -> int:
    """Where the slot's last page begins."""
    return int((slot + 1) * d.flash.slot_bytes - d.flash.part.page)


def poke(d: Device, at: int, data: bytes) -> None:
    """Other bytes in flash, whatever it has there."""
    for memory in (d.flash.memory, d.flash._arrays["truth"]):
        memory[at : at + len(data)] = np.frombuffer(data, np.uint8)


def put(d: Device, slot: int, which: int, data: bytes) -> None:
    """What the slot has in place of a mark, and all ones behind that in its unit."""
    poke(d, marks_at(d, slot) + 32 + which * d.flash.part.unit, data.ljust(d.flash.part.unit, b"\xff"))


def marked(d: Device, slot: int) -> str:
    """A letter for each mark: M exact, . erased, ? neither; then what the rest of the page is, if it is not erased."""
    at, unit = marks_at(d, slot), d.flash.part.unit
    page = bytes(d.flash.memory[at : at + d.flash.part.page])
    units = [page[32 + i * unit : 32 + (i + 1) * unit] for i in range(BAD + 1)]
    letters = {b"MARK" * (unit // 4): "M", b"\xff" * unit: "."}
    rest = (page[20:32] + page[32 + (BAD + 1) * unit :]).strip(b"\xff").hex()
    return "".join(letters.get(u, "?") for u in units) + rest


def record(d: Device, slot: int) -> tuple[int, ...]:
    """Its words."""
    found: tuple[int, ...] = struct.unpack("<5I", bytes(d.flash.memory[marks_at(d, slot) :][:20]))
    return found


def damaged_marks(unit: int) -> list[bytes]:
    """Neither a mark nor erased: a word of it is another one, or erased, or a mark in what is erased; one bit."""
    words, out = unit // 4, []
    for i in range(words):
        for one, rest in ((b"MARk", b"MARK"), (b"nARK", b"MARK"), (b"\xff\xff\xff\x7f", b"\xff" * 4),
                          (b"\xfe\xff\xff\xff", b"\xff" * 4), (b"MARK", b"\xff" * 4), (b"\xff" * 4, b"MARK")):
            made = rest * i + one + rest * (words - i - 1)
            if made not in (b"MARK" * words, b"\xff" * unit):
                out.append(made)
    return out


@pytest.mark.parametrize("part", EVERY_PART, ids=lambda p: p.name)
def test_the_last_page_of_a_slot(part: Part) -> None:
    """Record and marks are where an older firmware leaves them and a newer one looks for them; nothing else is written."""
    old, new, lean = updates.packages().values()
    d = running(old, part=part)

    def of(p: Package, sequence: int) -> tuple[int, ...]:
        head = struct.pack("<I8sI", len(p.data), p.id, sequence)
        return (*struct.unpack("<4I", head), zlib.crc32(head))

    assert (marked(d, 0), marked(d, 1)) == ("MM..M..", ".......") and record(d, 0) == of(old, 1)
    assert NAMES[d.install(new.data, new.id)] == "OK"
    assert (marked(d, 0), marked(d, 1)) == ("MM..M..", "M......") and record(d, 1) == of(new, 2)
    end = d.flash.slot_bytes + len(new.data)
    assert set(d.flash.memory[end : marks_at(d, 1)]) <= {255}, "behind the package"
    assert d.boot() == 0 and marked(d, 1) == "MM..M.."
    assert d.boot() == 0 and (d.booted.sequence, d.booted.bytes) == (2, len(new.data)) and marked(d, 1) == "MM..M.."
    assert NAMES[d.install(lean.data[:-1] + bytes([lean.data[-1] ^ 1]), lean.id)] == "SIGNATURE"
    assert marked(d, 0) == "......M" and record(d, 0) == of(lean, 3)
    bad = broken()["SELF_TEST"]
    assert NAMES[d.install(bad.data, bad.id)] == "OK" and d.boot() == 0 and d.running == new.hash
    assert marked(d, 0) == "MM....M" and record(d, 0) == of(bad, 3) and not d.flash.nor.refused
    # nor are ones programmed where nothing is: the unit could not be used any more
    first, used = marks_at(d, 0) // part.unit, -(-20 // part.unit)
    writes = list(d.flash._arrays["writes"][first : first + part.page // part.unit])
    marks = [n + 32 // part.unit for n in (ACTIVE, ATTEMPT, BAD)]
    assert writes == [int(i < used or i in marks) for i in range(len(writes))]


def test_a_record_counts_when_it_is_whole() -> None:
    """A bit that is another one in any of its bytes: the slot holds nothing."""
    old, new, _ = updates.packages().values()
    d = running(old, new, verify=trusting())
    start, at = d.flash.state(), marks_at(d, 1)
    for bit in range(160):
        d.flash.restore(start)
        poke(d, at + bit // 8, bytes([d.flash.memory[at + bit // 8] ^ 1 << bit % 8]))
        assert d.boot() == 0 and d.running == old.hash and not d.booted.refused, f"bit {bit}"


@pytest.mark.parametrize("part", EVERY_PART, ids=lambda p: p.name)
def test_marks_that_a_power_failure_has_torn(part: Part) -> None:
    """In any word of a unit: one that lets the model run counts when it is exact, one against it when it is not erased."""
    old, new, _ = updates.packages().values()
    d = running(old, part=part, verify=trusting())
    assert NAMES[d.install(new.data, new.id)] == "OK"
    start, exact = d.flash.state(), b"MARK" * (part.unit // 4)

    def boots(marks: dict[int, bytes]) -> tuple[str, str, str]:
        d.flash.restore(start)
        for which, data in marks.items():
            put(d, 1, which, data)
        assert d.boot() == 0
        return {old.hash: "old", new.hash: "new"}[d.running], NAMES[d.booted.refused], marked(d, 1)

    assert boots({}) == ("new", "OK", "MM..M..")
    assert boots({ACTIVE: b""}) == ("old", "OK", ".......")
    assert boots({BAD: exact}) == ("old", "OK", "M.....M")
    for torn in damaged_marks(part.unit):
        assert boots({ACTIVE: torn}) == ("old", "OK", "?......"), torn
        assert boots({BAD: torn}) == ("old", "OK", "M.....?"), torn
        assert boots({ATTEMPT: torn}) == ("new", "OK", "M?M.M.."), torn
        assert boots({ATTEMPT: torn, ATTEMPT + 1: exact, ATTEMPT + 2: torn}) == ("old", "HANGS", "M?M?..M"), torn
        for first in (b"", torn):  # either of two confirms it
            shown = "?" if first else "."
            assert boots({CONFIRMED: first, CONFIRMED + 1: exact}) == ("new", "OK", f"M...{shown}M."), torn
            assert boots({ACTIVE: torn, CONFIRMED: first, CONFIRMED + 1: exact}) == ("new", "OK", f"?...{shown}M."), torn
            assert boots({ACTIVE: torn, CONFIRMED: first, CONFIRMED + 1: torn}) == ("old", "OK", f"?...{shown}?."), torn
        assert boots({ACTIVE: torn, CONFIRMED: exact}) == ("new", "OK", "?...M.."), torn
    most = {ATTEMPT + i: exact for i in range(lib.TL_UPDATE_ATTEMPTS)}
    assert boots({ATTEMPT: exact, ATTEMPT + 1: exact}) == ("new", "OK", "MMMMM..")
    assert boots(most) == ("old", "HANGS", "MMMM..M")
    assert boots({**most, CONFIRMED: exact}) == ("new", "OK", "MMMMM..")


@pytest.mark.parametrize("how", ["refused", "not exact"])
def test_a_second_mark_confirms_where_the_first_cannot(how: str) -> None:
    """What was torn is erased to the eye: a program is refused, or leaves other bits."""
    old, new, _ = updates.packages().values()
    d = running(old, part=PARTS["nrf52840"])
    assert NAMES[d.install(new.data, new.id)] == "OK"
    at = marks_at(d, 1) + 32 + CONFIRMED * 4
    if how == "refused":
        d.flash._arrays["writes"][at // 4] = 2
    else:
        poke(d, at, b"\xfe\xff\xff\xff")
    assert d.boot() == 0 and d.running == new.hash
    assert marked(d, 1) == {"refused": "MM...M.", "not exact": "MM..?M."}[how]
    assert d.boot() == 0 and d.running == new.hash and marked(d, 1)[1:4] == "M..", "it is confirmed"


@pytest.mark.parametrize("how", ["refused", "not exact"])
def test_what_cannot_be_activated_is_sent_again(how: str) -> None:
    """The mark is one that an earlier try has torn: a program is refused, or leaves other bits."""
    old, new, _ = updates.packages().values()
    d = running(old, part=PARTS["nrf52840"])
    assert begun(d, len(new.data), new.id) == ("OK", 0)
    assert NAMES[lib.tl_update_write(d.update, new.data, len(new.data))] == "OK"
    at = marks_at(d, 1) + 32 + ACTIVE * 4
    if how == "refused":
        d.flash._arrays["writes"][at // 4] = 2
    else:
        poke(d, at, b"\xfe\xff\xff\xff")
    assert NAMES[lib.tl_update_finish(d.update)] == "FLASH"
    assert marked(d, 1) == {"refused": "......M", "not exact": "?.....M"}[how]
    assert d.boot() == 0 and d.running == old.hash and not d.booted.refused
    assert NAMES[d.install(new.data, new.id)] == "OK" and d.boot() == 0 and d.running == new.hash


@pytest.mark.parametrize("byte", range(8))
def test_another_package_than_was_announced(byte: int) -> None:
    old, new, _ = updates.packages().values()
    d = running(old, verify=trusting())
    assert refused(d, new.data, new.id[:byte] + bytes([new.id[byte] ^ 1]) + new.id[byte + 1 :]) == "DAMAGED"


PAGES = 4  # of an update that was interrupted, in each of which a byte is written


def interrupted(part: Part = SMALL, size: int = PAGES * SMALL.page) -> tuple[Device, bytes]:
    """A device that has just begun with an update of so many bytes, and the update's identity."""
    d, identity = running(updates.packages()["old"], part=part, verify=trusting()), bytes(range(1, 9))
    assert begun(d, size, identity) == ("OK", 0)
    return d, identity


def begun(d: Device, size: int, identity: bytes) -> tuple[str, int]:
    """(code, the first byte that is wanted) of tl_update_begin."""
    start = ffi.new("uint32_t *", 12345)
    code = NAMES[lib.tl_update_begin(d.update, d.c, d.booted, size, identity, start)]
    return code, int(start[0])


def blank(d: Device, at: int, size: int = SMALL.page) -> bool:
    return set(d.flash.memory[at : at + size]) == {255}


def goes_on(d: Device, identity: bytes, size: int = PAGES * SMALL.page) -> int | None:
    """From where an update goes on, with all behind that erased; None: it begins anew, with a record of its own."""
    before, programs, erases = d.flash.memory.copy(), int(d.flash.nor.programs), int(d.flash.nor.erases)
    code, start = begun(d, size, identity)
    at, page, pages = d.flash.slot_bytes, SMALL.page, -(-size // SMALL.page)
    behind = slice(at + pages * page, marks_at(d, 1))
    assert code == "OK" and d.update.done == start and np.array_equal(d.flash.memory[: at + start], before[: at + start])
    assert blank(d, at + start, pages * page - start), "from there on it is erased"
    assert np.array_equal(d.flash.memory[behind], before[behind]), "and nothing else"
    if d.flash.nor.programs == programs:
        assert d.flash.nor.erases - erases == pages - start // page
        return start
    assert d.flash.nor.programs - programs == 2 and d.flash.nor.erases - erases == pages + 1 and start == 0
    assert record(d, 1)[:4] == (size, *struct.unpack("<2I", identity), 2) and marked(d, 1) == "......."
    return None


@pytest.mark.parametrize("size", [PAGES * SMALL.page, PAGES * SMALL.page - 1, (PAGES - 1) * SMALL.page + 1])
def test_an_update_goes_on_from_the_page_where_it_was(size: int) -> None:
    """That is the last one before the first that is erased; with nothing written it begins anew."""
    d, identity = interrupted(size=size)
    start, at = d.flash.state(), d.flash.slot_bytes

    def after(*written: int) -> int | None:
        d.flash.restore(start)
        for i in written:
            poke(d, at + i, b"\x7f")
        return goes_on(d, identity, size)

    for first in range(SMALL.page):  # whichever byte is not erased
        assert after(first) == 0, first
        assert after(255 - first, SMALL.page + first) == SMALL.page, first
    assert after() is None and after(SMALL.page) is None, "with nothing in the first page"
    assert after(0, 2 * SMALL.page) == 0, "the page between is erased"
    every = [i * SMALL.page for i in range(PAGES)]
    assert after(*every) == every[-1]
    assert after(*every, PAGES * SMALL.page) == every[-1], "what follows the package is none of it"

    @ffi.callback(ffi.typeof(d.flash.driver.read))
    def read(context: Any, offset: int, to: Any, n: int) -> int:
        return int(at + SMALL.page <= offset < at + 2 * SMALL.page or lib.tl_nor_read(context, offset, to, n))

    d.flash.driver.read = read
    assert after(0) == SMALL.page, "a page that cannot be read is none that is erased"


def test_an_update_goes_on_with_the_same_package_alone() -> None:
    """Of as many bytes, of the same hash, the next after the one that runs, and as long as nothing was said of it."""
    d, identity = interrupted()
    poke(d, d.flash.slot_bytes, b"abc")
    start, at = d.flash.state(), marks_at(d, 1)
    size, *_ = words = record(d, 1)
    assert goes_on(d, identity) == 0
    for i in range(8):
        d.flash.restore(start)
        assert goes_on(d, identity[:i] + bytes([identity[i] ^ 1]) + identity[i + 1 :]) is None, i
    for n in (-1, 1):
        d.flash.restore(start)
        assert goes_on(d, identity, size + n) is None, n
    for i, n in ((0, 1), (0, -1), (1, 1), (2, 1), (3, 1), (3, -1)):
        d.flash.restore(start)
        changed = [w + n * (j == i) for j, w in enumerate(words[:4])]
        poke(d, at, struct.pack("<5I", *changed, zlib.crc32(struct.pack("<4I", *changed))))
        assert goes_on(d, identity) is None, (i, n)
    d.flash.restore(start)
    poke(d, at + 16, b"\0\0\0\0")
    assert goes_on(d, identity) is None
    for which in range(BAD + 1):
        for mark in (b"MARK" * (SMALL.unit // 4), *damaged_marks(SMALL.unit)):
            d.flash.restore(start)
            put(d, 1, which, mark)
            assert goes_on(d, identity) is None, (which, mark)


def test_an_update_that_does_not_begin_takes_nothing() -> None:
    d, identity = interrupted()
    most = d.flash.slot_bytes - SMALL.page
    for size, code in ((224, "OK"), (223, "SIZE"), (most, "OK"), (most + 1, "SIZE"), (0, "SIZE"), (0xFFFFFFFF, "SIZE")):
        assert begun(d, 224, identity) == ("OK", 0)
        assert begun(d, size, identity) == (code, 0), size
        assert NAMES[lib.tl_update_write(d.update, b"abcd", 4)] == ("OK" if code == "OK" else "ORDER"), size


@pytest.mark.parametrize("part", EVERY_PART, ids=lambda p: p.name)
def test_what_is_written_is_what_flash_has(part: Part) -> None:
    """Of any size, in pieces of any size: each unit once, the last one filled with ones."""
    d, rng = interrupted(part)[0], random.Random(4)
    start, at = d.flash.state(), d.flash.slot_bytes
    for size in range(224, 224 + 2 * part.unit + 2):
        d.flash.restore(start)
        assert begun(d, size, bytes(8)) == ("OK", 0)
        data, sent, before = rng.randbytes(size), 0, int(d.flash.nor.programs)
        while sent < size:
            n = rng.randint(0, min(size - sent, 2 * part.unit))
            assert NAMES[lib.tl_update_write(d.update, data[sent : sent + n], n)] == "OK"
            sent += n
        assert bytes(d.flash.memory[at : at + 512 - 128]) == data.ljust(512 - 128, b"\xff"), size
        assert d.flash.nor.programs - before == -(-size // part.unit) and not d.flash.nor.wrong and not d.flash.nor.refused


def test_each_page_and_unit_that_fails_ends_the_update() -> None:
    """Erased or programmed when it begins; what was begun before is not gone on with."""
    d, identity = interrupted()
    poke(d, d.flash.slot_bytes, b"abc")
    start, resumed = d.flash.state(), 0
    for other in (identity, bytes(8)):
        d.flash.restore(start)
        assert begun(d, PAGES * SMALL.page, identity) == ("OK", 0)
        d.flash.restore(start)
        d.flash.power_on()
        assert begun(d, PAGES * SMALL.page, other)[0] == "OK"
        operations = int(d.flash.nor.operations)
        assert operations == (PAGES if other == identity else PAGES + 1 + 2)
        for n in range(operations):
            d.flash.restore(start)
            assert begun(d, PAGES * SMALL.page, identity) == ("OK", 0)
            d.flash.restore(start)
            d.flash.cut(n, "nothing")
            assert begun(d, PAGES * SMALL.page, other)[0] == "FLASH", n
            d.flash.power_on()
            assert NAMES[lib.tl_update_write(d.update, b"abcd", 4)] == "ORDER", n
            resumed += 1
    assert resumed == 2 * PAGES + 3


def test_with_nothing_that_runs_what_may_be_alive_is_kept() -> None:
    """A firmware that refuses what a slot holds updates the other one, as the next after it; what that one says counts for
    nothing."""
    old, new, lean = updates.packages().values()
    for slot, (before, after) in enumerate(((old, new), (new, lean))):
        d = running(*[old, new][: slot + 1], verify=trusting(), least_counter=1)
        if slot == 1:
            poke(d, marks_at(d, 0), bytes(4))
        d.c.least_counter = before.counter + 1
        assert NAMES[d.boot()] == "NONE" and d.booted.envelope.counter == before.counter
        d.c.least_counter = 1
        ours = slice(slot * d.flash.slot_bytes, (slot + 1) * d.flash.slot_bytes)
        kept, d.booted.envelope.counter = d.flash.memory[ours].copy(), lean.counter + 7
        assert NAMES[d.install(after.data, after.id)] == "OK" and d.update.slot_at == (1 - slot) * d.flash.slot_bytes
        assert np.array_equal(d.flash.memory[ours], kept)
        assert record(d, 1 - slot)[3] == slot + 2 and d.update.least_counter == 1
        assert d.boot() == 0 and d.running == after.hash and d.booted.sequence == slot + 2
    d = running(old)
    poke(d, marks_at(d, 0), bytes(4))
    assert NAMES[d.boot()] == "NONE" and begun(d, 1000, bytes(8)) == ("OK", 0) and d.update.slot_at == 0
    assert record(d, 0)[3] == 1, "the first"


def test_calls_out_of_order() -> None:
    d, new = running(updates.packages()["old"]), updates.packages()["new"]

    def write(n: int) -> str:
        return NAMES[lib.tl_update_write(d.update, new.data, n)]

    def finish() -> str:
        return NAMES[lib.tl_update_finish(d.update)]

    d.update.device = ffi.NULL
    assert write(1) == finish() == "ORDER"
    start = ffi.new("uint32_t *")
    assert lib.tl_update_begin(d.update, d.c, d.booted, len(new.data), new.id, start) == 0 and start[0] == 0
    assert write(len(new.data) - 1) == "OK" and finish() == "ORDER", "a byte is missing"
    assert write(2) == "ORDER", "one too many"
    assert lib.tl_update_write(d.update, new.data[-1:], 1) == 0 and finish() == "OK" and finish() == "ORDER"
    assert d.boot() == 0 and d.running == new.hash


# ---- envelopes ----

Tlv = tuple[int, bytes]


def tlvs(magic: int, *rows: Tlv, more: int = 0) -> bytes:
    """TLVs behind their header, which says that they have so many bytes more than they have."""
    data = b"".join(struct.pack("<2H", kind, len(value)) + value for kind, value in rows)
    return struct.pack("<2H", magic, 4 + len(data) + more) + data


PROTECTED, OTHERS, COUNTER = 0x6908, 0x6907, (0x50, struct.pack("<I", 0x01020304))


def hash_key_signature(digest: bytes) -> list[Tlv]:
    """The three TLVs that every package has behind the protected ones."""
    signature: bytes = updates.key().sign_digest(digest)
    return [(0x10, digest), (0x01, device_key(updates.key())[1]), (0x24, signature)]


def envelope(protected: bytes = tlvs(PROTECTED, COUNTER), others: Callable[[bytes], bytes] | None = None, header: int = 32,
             flags: int = 0x10, content: bytes | None = None) -> bytes:
    """A package made by hand: MCUboot's header, the payload of `new`, protected TLVs, and the others, which are made of the
    hash of what is before them."""
    content = updates.packages()["new"].payload if content is None else content
    words = struct.pack("<2I2H2I8BI", 0x96F3B83D, 0x8000000, header, len(protected), len(content), flags, *range(1, 9), 77)
    whole = words.ljust(header, b"\xee")[: max(header, 32)] + content + protected
    digest = hashlib.sha256(whole).digest()
    return whole + (others(digest) if others else tlvs(OTHERS, *hash_key_signature(digest)))


def envelopes() -> Iterator[tuple[str, bytes, str]]:
    """(what, package, the code of tl_update_check)."""
    key = device_key(updates.key())[1]
    yield "usual", envelope(), "OK"
    for n, code in ((36, "OK"), (512, "OK"), (0x1000, "OK"), (33, "FORMAT"), (34, "FORMAT"), (35, "FORMAT"), (28, "FORMAT"),
                    (31, "FORMAT"), (0, "FORMAT")):
        yield f"a header of {n} bytes", envelope(header=n), code
    for n in (0, 0x11, 0x30, 0x110, 0x10010, 0x1000010):
        yield f"flags {n:#x}", envelope(flags=n), "FORMAT"
    # protected ones
    other: list[Tlv] = [(0x60, b""), (0x10, b"1"), (0x24, bytes(200)), (0xFFFF, bytes(37))]
    for kind, value in other:
        for rows in ([COUNTER, (kind, value)], [(kind, value), COUNTER], [(kind, value), COUNTER, (kind, value)]):
            yield f"protected {[t for t, _ in rows]}", envelope(tlvs(PROTECTED, *rows)), "OK"
        yield f"protected {kind:#x} alone", envelope(tlvs(PROTECTED, (kind, value))), "FORMAT"
    for value in (b"", bytes(3), bytes(5), bytes(8)):
        yield f"a counter of {len(value)} bytes", envelope(tlvs(PROTECTED, (0x50, value))), "FORMAT"
    yield "two counters", envelope(tlvs(PROTECTED, COUNTER, COUNTER)), "FORMAT"
    yield "no counter", envelope(tlvs(PROTECTED)), "FORMAT"
    yield "nothing protected", envelope(b""), "FORMAT"
    for n in range(1, 4):
        yield f"{n} bytes of protected TLVs", envelope(tlvs(PROTECTED)[:n]), "FORMAT"
        yield f"{n} bytes of a protected TLV", envelope(tlvs(PROTECTED, COUNTER, more=n) + bytes(n)), "FORMAT"
        yield f"protected bytes {n} behind", envelope(tlvs(PROTECTED, COUNTER) + bytes(n)), "FORMAT"
    for n in (-1, 1, 4):
        yield f"protected, {n} bytes more", envelope(tlvs(PROTECTED, COUNTER, more=n)), "FORMAT"
    for magic in (OTHERS, PROTECTED + 1, 0):
        yield f"protected ones that begin with {magic:#x}", envelope(tlvs(magic, COUNTER)), "FORMAT"
    for n in range(4):
        yield f"a counter of which {n} bytes are protected", envelope(
            struct.pack("<4H", PROTECTED, 8 + n, 0x50, 4) + COUNTER[1][:n]), "FORMAT"
        yield f"a TLV {n + 1} bytes longer than all", envelope(
            tlvs(PROTECTED, COUNTER, more=8) + struct.pack("<2H", 0x60, 5 + n) + bytes(4)), "FORMAT"

    # the others
    def made(what: Callable[[list[Tlv]], list[Tlv]], magic: int = OTHERS, more: int = 0, behind: bytes = b"") -> bytes:
        return envelope(others=lambda digest: tlvs(magic, *what(hash_key_signature(digest)), more=more) + behind)

    for a, b, c in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        yield f"TLVs in the order {a}, {b}, {c}", made(lambda t, i=(a, b, c): [t[n] for n in i]), "OK"
    for i in range(3):
        yield f"without TLV {i}", made(lambda t, i=i: t[:i] + t[i + 1 :]), "FORMAT"
        yield f"TLV {i} twice", made(lambda t, i=i: [*t, t[i]]), "FORMAT"
        yield f"TLV {i} twice, instead of the next", made(lambda t, i=i: [t[i], t[i], t[i - 1]]), "FORMAT"
        for n in (-1, 1):
            def cut(t: list[Tlv], i: int = i, n: int = n) -> list[Tlv]:
                return [(kind, (v + b"\0")[: len(v) + n] if j == i else v) for j, (kind, v) in enumerate(t)]

            yield f"TLV {i} of {n} bytes more", made(cut), "FORMAT"
    for kind in (0x50, 0x60, 0x11, 0x02, 0x20, 0xFFFF):
        yield f"a TLV {kind:#x} that is not protected", made(lambda t, kind=kind: [*t, (kind, b"1234")]), "FORMAT"
    yield "no other TLV", made(lambda t: []), "FORMAT"
    data = envelope()
    rest = len(data) - 32 - len(tlvs(PROTECTED, COUNTER))
    for n, code in ((-4, "FORMAT"), (-3, "SHORT"), (-1, "SHORT"), (0, "SHORT"), (1, "SHORT"), (12, "SHORT"), (24, "SHORT"),
                    (25, "SHORT"), (64, "SHORT"), (65, "SHORT"), (-rest - 1 & 0xFFFFFFFF, "SHORT"), (-rest, "FORMAT")):
        yield f"a payload of {n} bytes more than there are", updates.poked(data, 12, "I", rest + n & 0xFFFFFFFF), code
    yield "two signatures", made(lambda t: [*t, (0x22, bytes(70))]), "FORMAT"
    for n in range(1, 4):
        yield f"{n} bytes of a TLV", made(lambda t: t, more=n, behind=bytes(n)), "FORMAT"
    for n in (-4, -1, 1, 4):
        yield f"the others, {n} bytes more", made(lambda t: t, more=n), "SHORT"
        if n > 0:
            yield f"{n} bytes behind", made(lambda t: t, behind=bytes(n)), "SHORT"
    for magic in (PROTECTED, OTHERS + 1, 0):
        yield f"others that begin with {magic:#x}", made(lambda t: t, magic), "FORMAT"
    yield "another hash", made(lambda t: [(0x10, bytes(32)), *t[1:]]), "DAMAGED"
    for i in (0, 31):
        wrong = bytearray(key)
        wrong[i] ^= 0x80
        yield f"another key, by byte {i}", made(lambda t, wrong=bytes(wrong): [t[0], (0x01, wrong), t[2]]), "KEY"
        yield f"another hash, by byte {i}", made(
            lambda t, i=i: [(0x10, bytes(b ^ (1 if j == i else 0) for j, b in enumerate(t[0][1]))), *t[1:]]), "DAMAGED"
    for n in (8, 70, 71, 72):
        yield f"ECDSA, {n} bytes", made(lambda t, n=n: [*t[:2], (0x22, bytes(n))]), "KEY"
    yield "ECDSA, 73 bytes", made(lambda t: [*t[:2], (0x22, bytes(73))]), "FORMAT"
    yield "ECDSA, 65535 - 80 bytes", made(lambda t: [*t[:2], (0x22, bytes(65535 - 80))]), "FORMAT"


def test_envelopes() -> None:
    """TLVs of every kind, size and order; what is refused has the code of what is wrong."""
    d = device(pages=300)
    for what, data, code in envelopes():
        poke(d, 0, data)
        e = ffi.new("tl_envelope *")
        assert NAMES[lib.tl_update_check(d.c, 0, len(data), 0, e)] == code, what
        if code == "OK":
            assert (e.counter, bytes(e.version)) == (0x01020304, bytes(range(1, 9))), what
            assert data[e.payload_at : e.payload_at + e.payload_bytes] == updates.packages()["new"].payload, what
            assert hashlib.sha256(data[: e.tlv_at]).digest() == bytes(e.hash), what


@pytest.mark.parametrize("last", range(3))
def test_a_tlv_that_ends_behind_the_package(last: int) -> None:
    """Where flash has the rest of it."""
    def others(digest: bytes) -> bytes:
        rows = hash_key_signature(digest)
        return tlvs(OTHERS, *rows[:last], *rows[last + 1 :], rows[last], more=-cut)

    d = device()
    for cut in (0, 1, 4, 31, 32):
        data = envelope(others=others)
        poke(d, 0, data)
        code = lib.tl_update_check(d.c, 0, len(data) - cut, 0, ffi.new("tl_envelope *"))
        assert NAMES[code] == ("FORMAT" if cut else "OK"), cut


def test_the_hash_is_of_every_byte() -> None:
    """Headers of every length modulo the buffer's: what is hashed ends anywhere in it."""
    d, envelope_ = device(pages=40), ffi.new("tl_envelope *")
    for header in range(32, 32 + 68, 4):
        for last in range(4):
            data = envelope(tlvs(PROTECTED, COUNTER, (0x60, bytes(last))), header=header)
            poke(d, 0, data)
            assert NAMES[lib.tl_update_check(d.c, 0, len(data), 0, envelope_)] == "OK", (header, last)
            at = envelope_.tlv_at - 1
            poke(d, at - 5, bytes([data[at - 5] ^ 1]))  # the counter, or what follows it
            assert NAMES[lib.tl_update_check(d.c, 0, len(data), 0, envelope_)] in ("DAMAGED", "FORMAT"), (header, last)


def test_as_many_keys_as_a_device_has() -> None:
    """One that lies behind them is none of its keys; each of them may sign."""
    from imgtool.keys import Ed25519

    other, data = Ed25519.generate(), updates.packages()["new"].data
    for keys, counts in (([other, updates.key()], {0: "KEY", 1: "KEY", 2: "OK"}),
                         ([updates.key(), other], {0: "KEY", 1: "OK", 2: "OK"})):
        d = device(keys=[device_key(k) for k in keys])
        poke(d, 0, data)
        for d.c.key_count, code in counts.items():
            assert NAMES[lib.tl_update_check(d.c, 0, len(data), 0, ffi.new("tl_envelope *"))] == code, d.c.key_count


@pytest.mark.parametrize("what", ["arena_bytes", "signature_words", "window_bytes"])
def test_a_package_needs_as_much_as_it_says(what: str) -> None:
    """So many bytes or words, and not one less."""
    p = windowed(20)
    d = device(pages=-(-len(p.data) // SMALL.page) + 1, inputs=p.inputs)
    poke(d, 0, p.data)
    need = {"arena_bytes": struct.unpack_from("<I", p.payload, 16)[0], "signature_words": len(p.image.steps) + 1,
            "window_bytes": 20 * len(p.aps or ())}[what]
    for n, code in ((need, "OK"), (need - 1, "ARENA")):
        setattr(d.c, what, n)
        assert NAMES[lib.tl_update_check(d.c, 0, len(p.data), 0, ffi.new("tl_envelope *"))] == code, n


def test_each_read_that_fails() -> None:
    """Flash that cannot be read is no package that is wrong, and ends the check there."""
    d, data = device(), updates.packages()["new"].data
    poke(d, 0, data)
    reads = [0, -1]

    @ffi.callback(ffi.typeof(d.flash.driver.read))
    def read(context: Any, at: int, to: Any, size: int) -> int:
        reads[0] += 1
        return 1 if reads[0] - 1 == reads[1] else int(lib.tl_nor_read(context, at, to, size))

    d.flash.driver.read = read

    def check() -> str:
        reads[0] = 0
        return NAMES[lib.tl_update_check(d.c, 0, len(data), 0, ffi.new("tl_envelope *"))]

    assert check() == "OK"
    total = reads[0]
    assert total > 10
    for n in range(total):
        reads[1] = n
        assert check() == "FLASH" and reads[0] == n + 1, f"read {n} of {total}"
    reads[1] = -1
    assert check() == "OK"


# ---- every bit, every length ----

def test_every_bit_flip_and_every_truncation_is_refused() -> None:
    """Of a whole package, as flash may hold it: all refused, none runs."""
    p = updates.packages()["new"]
    d = device()
    data, envelope = bytearray(p.data), ffi.new("tl_envelope *")

    def check(size: int) -> int:
        return int(lib.tl_update_check(d.c, 0, size, 0, envelope))

    d.flash.memory[: len(data)] = np.frombuffer(bytes(data), np.uint8)
    assert check(len(data)) == 0
    found: dict[str, int] = {}
    for bit in range(8 * len(data)):
        d.flash.memory[bit // 8] ^= 1 << bit % 8
        code = check(len(data))
        d.flash.memory[bit // 8] ^= 1 << bit % 8
        assert code, f"bit {bit} flipped: accepted"
        found[NAMES[code]] = found.get(NAMES[code], 0) + 1
    assert set(found) == {"MAGIC", "FORMAT", "SHORT", "DAMAGED", "KEY", "SIGNATURE"} and sum(found.values()) == 8 * len(data)
    for size in range(len(data)):
        assert NAMES[check(size)] in ("SIZE", "SHORT", "FORMAT"), f"cut off at {size}"
    d.flash.memory[len(data)] = 0
    assert NAMES[check(len(data) + 1)] == "SHORT"


def test_payloads_by_a_key_that_leaked(level: int, tmp_path: Path, sanitized_objects: Path) -> None:
    """Whatever is signed is read within its bounds, under the sanitizers, in memory of exactly its size."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    file = tmp_path / "cases.bin"
    file.write_bytes(updates.payload_cases(3000 if level == 1 else 100_000))
    done = subprocess.run([str(sanitized(tmp_path, sanitized_objects / "gcc")), str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    opened, tested, total = map(int, done.stdout.split())
    assert total > 6000 and total // 100 < tested <= opened < total


def sanitized(folder: Path, objects: Path) -> Path:
    """tests/update.c, built with the sanitizers."""
    out = folder / "update"
    flags = [*vectors.WARNINGS, *vectors.SANITIZERS, f"-I{C}", f"-I{UPDATE}"]
    made = vectors.objects(objects, "gcc", flags, [*sorted(C.glob("*.c")), *sorted(UPDATE.glob("*.c"))])
    command = ["gcc", *flags, "-o", str(out), str(Path(__file__).with_name("update.c")), *map(str, made)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "asan" in done.stderr:
        pytest.skip("gcc has no sanitizers here")
    assert done.returncode == 0, done.stderr
    return out


def opened(data: bytes, inputs: tuple[int, int] | None = None, beyond: int = 0) -> tuple[str, Any, Any]:
    """Of tl_package_open, on bytes so many beyond a multiple of 4: the code, the package, and what it lies in."""
    kept, p = ffi.new("uint32_t[]", len(data) // 4 + 2), ffi.new("tl_package *")
    ffi.memmove(ffi.cast("uint8_t *", kept) + beyond, data, len(data))
    words = ffi.new("uint32_t[2]", inputs or updates.packages()["new"].inputs)
    return NAMES[lib.tl_package_open(p, ffi.cast("uint8_t *", kept) + beyond, len(data), words)], p, kept


def payload_code(data: bytes) -> str:
    return opened(data)[0]


def test_payloads_at_their_ends() -> None:
    """Lengths, counts and offsets, each as small or as great as it may be, and one beyond.  The sanitizers see the same ones
    (test_payloads_by_a_key_that_leaked)."""
    for what, data, code in updates.payloads_at_their_ends():
        assert payload_code(data) == code, what


@pytest.mark.parametrize("beyond", [1, 2, 3])
def test_a_payload_begins_at_a_multiple_of_4(beyond: int) -> None:
    assert opened(updates.packages()["new"].payload)[0] == "OK"
    assert opened(updates.packages()["new"].payload, beyond=beyond)[0] == "PAYLOAD"


@pytest.mark.parametrize(("aps", "curved"), [(2, 0), (2, 1), (2, 2), (300, 0), (300, 299), (300, 300)])
def test_where_a_scaler_has_its_constants(aps: int, curved: int) -> None:
    rows = updates.tiny(aps=aps, curved=curved)
    code, p, kept = opened(updates.assembled([*rows.values()], updates.ARENA, updates.packages()["new"].inputs))
    at = ffi.cast("uint8_t *", kept) + updates.place(bytes(ffi.buffer(kept)), SCALER)[0]
    assert code == "OK" and (p.scaler.count, p.scaler.curved) == (aps, curved)
    assert p.scaler.curve == (ffi.cast("int8_t *", at + 12) if curved else ffi.NULL)
    at += 12 + (256 if curved else 0)
    assert p.scaler.aps == ffi.cast("tl_ap *", at) and p.scaler.fixes == at + 12 * (aps - curved)


def entry(data: bytes, kind: int) -> int:
    """Where the table of a payload has the section."""
    return next(at for at in range(28, len(data), 12) if struct.unpack_from("<H", data, at)[0] == kind)


@pytest.mark.parametrize(("kind", "sizes"), [(IMAGE, (0, 4, 20, 23)), (GOLDEN, (0, 8, 11, 12)), (SCALER, (0, 8, 11, 12)),
                                             (ROOMS, (0, 1)), (STREAM, (0, 12, 15, 17, 20))])
def test_sections_that_are_too_short(kind: int, sizes: tuple[int, ...]) -> None:
    data = updates.packages()["new"].payload
    assert payload_code(data) == "OK"
    for size in sizes:
        assert payload_code(updates.poked(data, entry(data, kind) + 8, "I", size)) == "PAYLOAD", size


def test_a_curve_is_as_long_as_it_says() -> None:
    p = updates.program(alike=30)
    made = updates.made(p, "1.0.0")
    data = made.payload
    at, size = updates.place(data, SCALER)
    assert struct.unpack_from("<2H", data, at) == (30, 30) and size >= 12 + 256
    for n in (12, 267, 268):
        code = opened(updates.poked(data, entry(data, SCALER) + 8, "I", n), made.inputs)[0]
        assert code == ("OK" if n >= 268 else "PAYLOAD"), n


def test_a_scaler_may_say() -> None:
    """A silence beyond int8, and an access point whose range is one dBm."""
    data = updates.packages()["new"].payload
    at = updates.place(data, SCALER)[0]
    code, p, _kept = opened(updates.poked(updates.poked(data, at + 6, "h", -300), at + 12 + 8, "bb", -70, -70))
    assert code == "OK" and p.scaler.silent == -300
    assert (p.scaler.aps[0].first, p.scaler.aps[0].last) == (-70, -70)
    assert payload_code(updates.poked(data, at + 12 + 8, "bb", -70, -71)) == "PAYLOAD"


def test_what_a_scaler_may_not_say_and_how_late_answers_are() -> None:
    """More curved than there are, bytes that are reserved; the rows by which answers lag are the last half-word."""
    data = updates.packages()["new"].payload
    at, stream = updates.place(data, SCALER)[0], updates.place(data, STREAM)[0]
    count = struct.unpack_from("<H", data, at)[0]
    assert payload_code(updates.poked(data, at + 2, "H", count + 1)) == "PAYLOAD"
    assert payload_code(updates.poked(data, at + 10, "H", 1)) == payload_code(updates.poked(data, at, "H", 0)) == "PAYLOAD"
    code, p, _kept = opened(updates.poked(data, stream + 14, "H", 258))
    assert code == "OK" and p.delay == 258


def test_headers_and_tlvs_beyond_the_package() -> None:
    data, d = updates.packages()["new"].data, device()
    for header, protected in ((40000, 40000), (len(data), 12), (32, 65535), (65532, 12)):
        changed = updates.poked(data, 8, "HH", header, protected)
        d.flash.memory[: len(data)] = np.frombuffer(changed, np.uint8)
        assert NAMES[lib.tl_update_check(d.c, 0, len(data), 0, ffi.new("tl_envelope *"))] == "SHORT", (header, protected)


def test_sizes_of_packages_at_their_limits() -> None:
    """What is of a size that there may be is looked at: blank flash is no image."""
    d = device()
    most = d.flash.slot_bytes - SMALL.page
    for size, code in ((223, "SIZE"), (224, "MAGIC"), (most, "MAGIC"), (most + 1, "SIZE"), (most + 2 * SMALL.page, "SIZE")):
        assert NAMES[lib.tl_update_check(d.c, 0, size, 0, ffi.new("tl_envelope *"))] == code, size


def test_a_write_that_failed_ends_the_update() -> None:
    d, new = running(updates.packages()["old"]), updates.packages()["new"]
    assert lib.tl_update_begin(d.update, d.c, d.booted, len(new.data), new.id, ffi.new("uint32_t *")) == 0
    d.flash.cut(0, "nothing")
    assert NAMES[lib.tl_update_write(d.update, new.data, 64)] == "FLASH"
    d.flash.power_on()
    assert NAMES[lib.tl_update_write(d.update, new.data, 1)] == "ORDER" == NAMES[lib.tl_update_finish(d.update)]


def test_more_rooms_than_a_byte_counts() -> None:
    p = updates.program()
    names = [f"room {i}" for i in range(300)]
    many = replace(p, info={**p.info, "rooms": names})
    made = Package.parse(updates.signed(payload(many, updates.windows(p, 1)), "1.0.0"))
    d = running(made, pages=-(-len(made.data) // SMALL.page) + 1)
    assert d.booted.package.room_count == 300
    assert ffi.string(lib.tl_package_name(d.booted.package.rooms, 299)) == b"room 299"


# ---- a power that fails ----

@cache
def trusting() -> Any:
    """A verify for tests of the flash alone, in which thousands of updates are checked: it knows the two signatures."""
    known = {(p.hash, p.signature) for p in (*updates.packages().values(), *broken().values())}

    @ffi.callback(dict(ffi.typeof("tl_update_key").fields)["verify"].type)
    def verify_known(_: Any, digest: Any, signature: Any, size: int) -> int:
        return int((bytes(ffi.buffer(digest, 32)), bytes(ffi.buffer(signature, size))) in known)

    return verify_known


class Trial:
    """A device that runs `old`, to which `new` is sent; `good`: it may come to run."""

    def __init__(self, part: Part, old: Package, new: Package, good: bool = True, patched: bool = False) -> None:
        self.old, self.new, self.good = old, new, good
        self.device = running(old, part=part, verify=trusting())
        self.patch = patch.encode(new, old) if patched else None
        self.start = self.device.flash.state()
        self.begin()
        self.update()
        self.device.boot()
        assert self.device.running == (new if good else old).hash
        self.operations = int(self.device.flash.nor.operations)

    def begin(self) -> None:
        d = self.device
        d.flash.restore(self.start)
        d.flash.power_on()
        assert d.boot() == 0
        d.flash.power_on()

    def update(self) -> int:
        d, p = self.device, self.new
        if self.patch is None:
            return d.install(p.data, p.id, 244)
        return pushed(d, self.patch, len(self.patch))

    def lose_power(self, at: int, tear: str, seed: int) -> None:
        """The update goes on, and fails at operation `at` from here, maybe in the boot after it."""
        d = self.device
        d.flash.nor.random = 2 * seed + 1
        d.flash.cut(at, tear)
        if d.running == self.old.hash:
            self.update()
        if not d.flash.off:
            d.flash.nor.off = 0
            lib.tl_update_boot(d.c, d.booted)

    def recovers(self, what: str) -> bool:
        """Power is back: a valid model runs at once, whole; and the update then succeeds.  True if it went on from there."""
        d, resumed = self.device, False
        d.flash.power_on()
        assert d.boot() == 0, f"{what}: no valid model: {NAMES[d.booted.refused]}"
        self.whole(what)
        for _ in range(3):
            if d.running == self.new.hash or (not self.good and d.booted.refused):
                break
            code = self.update()
            resumed = resumed or (self.patch is None and d.began_at > 0)
            # Once, and then it begins anew: a page that a torn erase left blank looks as if nothing had been written, and
            # the whole fails its hash; or the mark that activates was torn, looks erased, and takes no second program.
            assert NAMES[code] in ("OK", "DAMAGED", "FLASH"), f"{what}: {NAMES[code]}"
            assert d.boot() == 0, f"{what}: no valid model after the update"
            self.whole(what)
        assert d.boot() == 0 and d.running == (self.new if self.good else self.old).hash, f"{what}: not what should run"
        return resumed

    def whole(self, what: str) -> None:
        d = self.device
        p = {self.old.hash: self.old, self.new.hash: self.new}[d.running]
        at = d.booted.slot * d.flash.slot_bytes
        assert bytes(d.flash.memory[at : at + len(p.data)]) == p.data, f"{what}: a mixture"
        assert not d.flash.weak(d.booted.slot, len(p.data)), f"{what}: runs on bytes that do not read the same each time"
        assert p is self.old or self.good, f"{what}: runs what failed"
        assert not d.flash.nor.wrong, f"{what}: flash that must be kept was touched"


@cache
def trial(part: str, what: str) -> Trial:
    old, new, _ = updates.packages().values()
    which = {**PARTS, "small": SMALL}[part]
    if what == "fails":
        return Trial(which, old, broken()["SELF_TEST"], good=False)
    return Trial(which, old, new, patched=what == "patch")


TRIALS = [("small", "new"), ("small", "patch"), ("small", "fails"), *((p, "new") for p in PARTS)]


@pytest.mark.parametrize(("part", "what"), TRIALS, ids=lambda s: s)
def test_the_power_fails_at_every_boundary(part: str, what: str, level: int) -> None:
    """Before, after and in the middle of each program and erase, from the first erase to the confirmation."""
    t, resumed = trial(part, what), 0
    for at in range(t.operations):
        middle = TEARS[2:] if level > 1 else (TEARS[2 + at % 6],)
        for tear in ("nothing", "done", *middle):
            t.begin()
            t.lose_power(at, tear, at)
            assert t.device.flash.off, f"operation {at}: there is none"
            resumed += t.recovers(f"{part}, {what}: {tear} at operation {at} of {t.operations}")
    print(f"{part}, {what}: {t.operations} programs and erases, {len(TEARS) if level > 1 else 3} power cuts at each")
    assert (what, part) != ("new", "small") or resumed > t.operations, "power loss costs a page, not the update"


@pytest.mark.parametrize("what", ["new", "fails"])
def test_the_power_fails_twice(what: str, level: int) -> None:
    """In the recovery too: at level 1 a sample, at level 2 every pair."""
    t, rng = trial("small", what), random.Random(2)
    firsts = range(t.operations) if level > 1 else sorted(rng.sample(range(t.operations), 12))
    pairs = 0
    for first in firsts:
        t.begin()
        t.lose_power(first, one := rng.choice(TEARS), first)
        state, second, step = t.device.flash.state(), rng.randrange(8) if level == 1 else 0, 8 if level == 1 else 1
        while True:
            t.device.flash.restore(state)
            t.device.flash.power_on()
            t.device.flash.cut(second, two := rng.choice(TEARS))
            t.device.boot()
            if t.device.booted.valid and not t.device.flash.off:
                t.lose_power(second - int(t.device.flash.nor.operations), two, second)
            if not t.device.flash.off:
                break
            t.recovers(f"{what}: {one} at {first}, then {two} at {second} of the recovery")
            pairs, second = pairs + 1, second + step
    print(f"{what}: {pairs} pairs of power cuts")
    assert pairs > 3 * len(firsts)


# ---- patches ----

def pushed(d: Device, data: bytes, chunk: int) -> int:
    """A patch sent to a device."""
    lib.tl_patch_begin(d.patch, d.c, d.booted)
    for i in range(0, len(data), chunk):
        if code := lib.tl_patch_write(d.patch, data[i : i + chunk], len(data[i : i + chunk])):
            return int(code)
    return int(lib.tl_patch_finish(d.patch))


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_a_patch_gives_the_package(chunk: int) -> None:
    old, new, lean = updates.packages().values()
    d = running(old)
    for before, after in ((old, new), (new, lean)):
        made = patch.encode(after, before)
        assert len(made) < len(after.data) and patch.decode(made, before) == after.data
        assert NAMES[pushed(d, made, chunk)] == "OK"
        assert d.boot() == 0 and d.running == after.hash


def test_the_sender_refuses_what_devices_do() -> None:
    """By a patch and whole, and by the same comparison."""
    from imgtool.keys import Ed25519

    old, new, _ = updates.packages().values()
    d = running(old)
    for code, other in (("KEY", updates.signed(new.payload, "1.1.0", with_key=Ed25519.generate())),
                        ("OLD", updates.signed(new.payload, "0.9.0")),
                        ("INPUTS", updates.signed(updates.poked(new.payload, 20, "I", 1), "1.1.0")), ("OK", new.data)):
        sent = Package.parse(other)
        if code == "OK":
            assert not sent.after(old)
        else:
            assert refused(d, other) == code
            with pytest.raises(ConfigError, match={"KEY": "another key", "OLD": "counter", "INPUTS": "access points"}[code]):
                sent.after(old)
        assert NAMES[pushed(d, patch.encode(sent, old), 64)] == code


def coded(new: Package, old: Package, segments: list[tuple[int, int | None]]) -> bytes:
    """A patch of these segments, each its length and where it begins in the old package, as long as there are bytes."""
    coder, done = patch._Encoder(), 0
    for length, at in segments:
        coder.number(length, 24)
        coder.number(int(at is not None), 1)
        if at is not None:
            coder.number(at, 24)
        for i in range(min(length, len(new.data) - done)):
            base = old.data[at + i] if at is not None and at + i < len(old.data) else 0
            coder.byte(new.data[done] - base & 255, int(at is not None))
            done += 1
    return struct.pack("<3I", patch.MAGIC, patch.VERSION, len(new.data)) + new.id + old.id + coder.end()


def test_segments_of_a_patch_at_their_limits() -> None:
    """Of one byte, from the first and the last of the old package; none of no bytes, and none beyond either package."""
    old, new, _ = updates.packages().values()
    d, last, rest = running(old), len(old.data) - 1, len(new.data) - 4
    good = [(1, 0), (1, None), (1, last), (1, None), (rest - 1, None), (1, last)]
    start = d.flash.state()
    for bad in ([(0, None)], [(0, 0)], [(len(new.data) + 1, None)], [(1, last + 1)], [(2, last)],
                [(1, None), (len(new.data), 0)]):
        assert NAMES[pushed(d, coded(new, old, bad), 64)] == "PATCH", bad
        assert NAMES[lib.tl_patch_write(d.patch, bytes(64), 64)] == "ORDER" == NAMES[lib.tl_patch_finish(d.patch)], bad
        d.flash.restore(start)
    assert NAMES[pushed(d, coded(new, old, good), 64)] == "OK" and d.boot() == 0 and d.running == new.hash


def test_a_patch_whose_range_is_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """2^24 itself, after one bit in millions: it is not shifted yet.  Seeds that meet one."""
    ranges = set()

    class Watched(patch._Encoder):
        def _bit(self, bit: int, odds: int) -> None:
            bound = (self.range >> patch.BITS) * odds
            ranges.add(self.range - bound if bit else bound)
            super()._bit(bit, odds)

    monkeypatch.setattr(patch, "_Encoder", Watched)
    old, new, _ = updates.packages().values()
    d = running(old, verify=trusting())
    start = d.flash.state()
    for seed in (104, 127, 309):
        ranges.clear()
        d.flash.restore(start)
        data = random.Random(seed).randbytes(2000)
        made = coded(replace(new, data=data), old, [(len(data), None)])
        assert patch.TOP in ranges, seed
        assert NAMES[pushed(d, made, 64)] == "MAGIC" and bytes(d.flash.memory[d.flash.slot_bytes :][:2000]) == data, seed
    for seed, last in ((4, b"\x7a\x9e"), (7, b"\x1c\x5e")):  # the last bit of all
        d.flash.restore(start)
        data = random.Random(seed).randbytes(222) + last
        made = coded(replace(new, data=data), old, [(len(data), None)])
        assert NAMES[pushed(d, made, 64)] == "MAGIC" and bytes(d.flash.memory[d.flash.slot_bytes :][:224]) == data, seed


def test_a_patch_of_a_segment_longer_than_16_bits_count() -> None:
    """Of which the first byte of code is not 0."""
    old, new, _ = updates.packages().values()
    data = random.Random(5).randbytes(70_000)
    d = running(old, verify=trusting(), pages=300)
    assert NAMES[pushed(d, coded(replace(new, data=data), old, [(len(data), None)]), 1000)] == "MAGIC"
    assert bytes(d.flash.memory[d.flash.slot_bytes :][: len(data)]) == data


@pytest.mark.parametrize(("at", "code"), [(0, "PATCH"), (4, "PATCH"), (20, "BASE"), (27, "BASE")])
def test_a_patch_that_is_refused_takes_nothing_more(at: int, code: str) -> None:
    """Whoever sends on has an order that is wrong: nothing is kept of it, and a header in it begins nothing."""
    old, new, _ = updates.packages().values()
    made, d = patch.encode(new, old), running(old, verify=trusting())
    wrong = made[:at] + bytes([made[at] ^ 1]) + made[at + 1 : 32]
    before = d.flash.memory.copy()
    lib.tl_patch_begin(d.patch, d.c, d.booted)
    assert NAMES[lib.tl_patch_write(d.patch, wrong, len(wrong))] == code
    kept = bytes(ffi.buffer(d.patch))
    for byte in bytes(224) + made:
        assert NAMES[lib.tl_patch_write(d.patch, bytes([byte]), 1)] == "ORDER"
    assert bytes(ffi.buffer(d.patch)) == kept and NAMES[lib.tl_patch_finish(d.patch)] == "ORDER"
    assert np.array_equal(d.flash.memory, before)
    assert NAMES[pushed(d, made, 64)] == "OK" and d.boot() == 0 and d.running == new.hash


def test_a_patch_that_begins_ends_the_one_before() -> None:
    """Though that one lacks nothing but its end."""
    old, new, _ = updates.packages().values()
    made, d = patch.encode(new, old), running(old, verify=trusting())
    lib.tl_patch_begin(d.patch, d.c, d.booted)
    assert NAMES[lib.tl_patch_write(d.patch, made, len(made))] == "OK"
    lib.tl_patch_begin(d.patch, d.c, d.booted)
    assert NAMES[lib.tl_patch_finish(d.patch)] == "ORDER" and d.boot() == 0 and d.running == old.hash


def test_a_patch_stays_in_its_memory() -> None:
    """Bytes behind its last member are left as they are."""
    old, new, _ = updates.packages().values()
    made, d = patch.encode(new, old), running(old, verify=trusting())
    size, odds = ffi.sizeof("tl_patch"), ffi.offsetof("tl_patch", "odds")
    memory = ffi.new("uint64_t[]", size // 8 + 9)
    room = ffi.buffer(memory)
    room[:] = b"\x5a" * len(room)
    d.patch = ffi.cast("tl_patch *", memory)
    assert NAMES[pushed(d, made, 64)] == "OK" and d.boot() == 0 and d.running == new.hash
    assert set(bytes(room)[odds + 1024 :]) == {0x5A}


def test_a_patch_is_for_one_model() -> None:
    old, new, lean = updates.packages().values()
    made, d = patch.encode(lean, new), running(old)
    assert NAMES[pushed(d, made, 64)] == "BASE"
    with pytest.raises(ModelError, match="for the package"):
        patch.decode(made, old)
    empty = device()
    empty.boot()
    assert NAMES[pushed(empty, made, 64)] == "BASE"
    assert NAMES[pushed(running(old, new), made, 64)] == "OK"


def test_patches_that_are_none(level: int) -> None:
    """Cut off, too long, changed in any byte: refused with a code or by the package's own hash; nothing else runs."""
    old, new, _ = updates.packages().values()
    made, d, rng = patch.encode(new, old), running(old, verify=trusting()), random.Random(3)
    assert NAMES[pushed(d, made[:-1], 64)] == "ORDER" and NAMES[pushed(d, made + b"\0", 64)] == "ORDER"
    assert NAMES[pushed(d, made[:20], 64)] == "ORDER" and NAMES[pushed(d, b"\0" + made[1:], 64)] == "PATCH"
    seen = set()
    start = d.flash.state()
    for i in range(300 if level == 1 else 5000):
        data = bytearray(made)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(28, len(data)) if i % 4 else rng.randrange(28)] ^= rng.randint(1, 255)
        d.flash.restore(start)
        code = pushed(d, bytes(data), 500)
        assert code, f"change {i} went unnoticed"
        seen.add(NAMES[code])
        assert d.boot() == 0 and d.running == old.hash and not d.flash.nor.wrong
    assert {"PATCH", "BASE"} < seen and seen & {"DAMAGED", "FORMAT", "SHORT", "MAGIC", "ORDER"}


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.data())
def test_any_payload_can_be_patched(data: st.DataObject) -> None:
    """Encoder against its own decoder, on packages cut, moved and changed at random (the C decoder runs real ones)."""
    old = updates.packages()["old"]
    content, rng = bytearray(old.data), random.Random(data.draw(st.integers(0, 1 << 32)))
    for _ in range(data.draw(st.integers(0, 4))):
        at, size = rng.randrange(len(content)), rng.randrange(1, 400)
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            content[at : at + size] = b""
        elif kind == 1:
            content[at:at] = rng.randbytes(size)
        elif kind == 2:
            content[at : at + size] = bytes((b + rng.choice((0, 0, 1, 255))) & 255 for b in content[at : at + size])
        else:
            content[at:at] = bytes([rng.choice((0, 255))]) * size
    new = replace(old, data=bytes(content) or b"\0", signed=max(len(content) - 144, 0))
    assert patch.decode(patch.encode(new, old), old) == new.data


# ---- C, flash ----

@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("source", sorted(p.name for p in UPDATE.glob("*.c")))
def test_strict_c(bits: int, source: str) -> None:
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    flags = [*vectors.WARNINGS, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wdouble-promotion", "-Wvla", "-Wundef",
             "-ffreestanding", "-O2", f"-m{bits}", "-fsyntax-only", f"-I{C}"]
    done = subprocess.run(["gcc", *flags, str(UPDATE / source)], text=True, capture_output=True)
    if bits == 32 and done.returncode and ("gnu/stubs-32.h" in done.stderr or "unrecognized" in done.stderr):
        pytest.skip("gcc has no 32-bit headers here")
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_flash_is_that_of_the_part() -> None:
    """What the model itself promises: units once, pages whole, bits that only fall, tears that are what they say."""
    with pytest.raises(ConfigError, match="at least 2"):
        Flash(SMALL, 1)
    f = Flash(PARTS["nrf52840"], 2)
    program: Callable[..., int] = lib.tl_nor_program
    assert program(f.nor, 8, b"\xf0\0\xff\xff", 4) == 0 and program(f.nor, 8, b"\x0f\xff\xff\xff", 4) == 0
    assert bytes(f.memory[8:12]) == b"\0\0\xff\xff" and program(f.nor, 8, b"\0\0\0\0", 4) and f.nor.refused == 1
    for at, size in ((2, 4), (8, 8), (8 * 4096, 4)):
        assert program(f.nor, at, bytes(8), size)
    assert f.nor.wrong == 3
    assert lib.tl_nor_erase(f.nor, 0) == 0 and f.memory[8] == 255 and program(f.nor, 8, b"\1\2\3\4", 4) == 0
    seen = {}
    for tear in TEARS:
        f = Flash(SMALL, 2)
        f.cut(0, tear)
        assert program(f.nor, 0, bytes(16), 16) and f.off and program(f.nor, 16, bytes(16), 16)
        to = ffi.new("uint8_t[16]")
        assert lib.tl_nor_read(f.nor, 0, to, 16), "there is no power"
        f.power_on()
        reads = [(lib.tl_nor_read(f.nor, 0, to, 16), bytes(to)) for _ in range(64)]
        seen[tear] = len(set(reads)), f.weak(0, 16), {error for error, _ in reads}
        assert bytes(f.memory[16:32]) == b"\xff" * 16
        if tear in ("nothing", "done"):
            assert reads[0][1] == (bytes(16) if tear == "done" else b"\xff" * 16)
        assert lib.tl_nor_erase(f.nor, 0) == 0 and f.weak(0, 16) == 0 and bytes(f.memory[:16]) == b"\xff" * 16
    assert all(seen[t] == (1, 0, {0}) for t in TEARS[:4])
    assert all(n > 8 and weak == 16 for n, weak, _ in (seen[t] for t in TEARS[4:])) and seen["error"][2] == {0, 1}
