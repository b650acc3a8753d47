"""Updates in the field, in the C that a device runs: crypto, refusals, slots, patches, and power that fails at any time."""

from __future__ import annotations

import hashlib
import random
import shutil
import struct
import subprocess
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


@pytest.mark.parametrize("part", [*PARTS.values(), SMALL], ids=lambda p: p.name)
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
    kept = ffi.new("uint32_t[]", len(data) // 4 + 1)
    ffi.memmove(kept, data, len(data))
    p, m, arena, words = ffi.new("tl_package *"), ffi.new("tl_model *"), ffi.new("uint32_t[4096]"), ffi.new("uint32_t[256]")
    assert lib.tl_package_open(p, kept, len(data), ffi.new("uint32_t[2]", inputs)) == 0
    assert lib.tl_open(m, p.image, p.image_bytes, arena, ffi.sizeof(arena), lib.tl_all_kernels) == 0
    return NAMES[lib.tl_package_test(p, m, words, 256)]


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


def test_payloads_by_a_key_that_leaked(level: int, tmp_path: Path) -> None:
    """Whatever is signed is read within its bounds, under the sanitizers, in memory of exactly its size."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    file = tmp_path / "cases.bin"
    file.write_bytes(updates.payload_cases(3000 if level == 1 else 100_000))
    done = subprocess.run([str(sanitized(tmp_path)), str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    opened, tested, total = map(int, done.stdout.split())
    assert total > 6000 and total // 100 < tested <= opened < total


def sanitized(folder: Path) -> Path:
    """tests/update.c, built with the sanitizers."""
    out = folder / "update"
    command = ["gcc", *vectors.WARNINGS, *vectors.SANITIZERS, f"-I{C}", f"-I{UPDATE}", "-o", str(out),
               str(Path(__file__).with_name("update.c")), *map(str, [*sorted(C.glob("*.c")), *sorted(UPDATE.glob("*.c"))])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "asan" in done.stderr:
        pytest.skip("gcc has no sanitizers here")
    assert done.returncode == 0, done.stderr
    return out


def payload_code(data: bytes) -> str:
    """Of tl_package_open, on bytes at a multiple of 4."""
    kept = ffi.new("uint32_t[]", len(data) // 4 + 1)
    ffi.memmove(kept, data, len(data))
    inputs = ffi.new("uint32_t[2]", updates.packages()["new"].inputs)
    return NAMES[lib.tl_package_open(ffi.new("tl_package *"), kept, len(data), inputs)]


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
    data, inputs = made.payload, ffi.new("uint32_t[2]", made.inputs)
    at, size = updates.place(data, SCALER)
    assert struct.unpack_from("<2H", data, at) == (30, 30) and size >= 12 + 256
    for n in (12, 267, 268):
        changed = updates.poked(data, entry(data, SCALER) + 8, "I", n)
        kept = ffi.new("uint32_t[]", len(changed) // 4 + 1)
        ffi.memmove(kept, changed, len(changed))
        code = NAMES[lib.tl_package_open(ffi.new("tl_package *"), kept, len(changed), inputs)]
        assert code == ("OK" if n >= 268 else "PAYLOAD"), n


def test_a_scaler_may_say() -> None:
    """A silence beyond int8, and an access point whose range is one dBm."""
    data = updates.packages()["new"].payload
    at = updates.place(data, SCALER)[0]
    kept, inputs = ffi.new("uint32_t[]", len(data) // 4 + 1), ffi.new("uint32_t[2]", updates.packages()["new"].inputs)
    changed = updates.poked(updates.poked(data, at + 6, "h", -300), at + 12 + 8, "bb", -70, -70)
    ffi.memmove(kept, changed, len(changed))
    p = ffi.new("tl_package *")
    assert NAMES[lib.tl_package_open(p, kept, len(changed), inputs)] == "OK" and p.scaler.silent == -300
    assert (p.scaler.aps[0].first, p.scaler.aps[0].last) == (-70, -70)
    assert payload_code(updates.poked(data, at + 12 + 8, "bb", -70, -71)) == "PAYLOAD"


def test_what_a_scaler_may_not_say_and_how_late_answers_are() -> None:
    """More curved than there are, bytes that are reserved; the rows by which answers lag are the last half-word."""
    data = updates.packages()["new"].payload
    at, stream = updates.place(data, SCALER)[0], updates.place(data, STREAM)[0]
    count = struct.unpack_from("<H", data, at)[0]
    assert payload_code(updates.poked(data, at + 2, "H", count + 1)) == "PAYLOAD"
    assert payload_code(updates.poked(data, at + 10, "H", 1)) == payload_code(updates.poked(data, at, "H", 0)) == "PAYLOAD"
    late = updates.poked(data, stream + 14, "H", 258)
    kept, inputs = ffi.new("uint32_t[]", len(late) // 4 + 1), ffi.new("uint32_t[2]", updates.packages()["new"].inputs)
    ffi.memmove(kept, late, len(late))
    p = ffi.new("tl_package *")
    assert NAMES[lib.tl_package_open(p, kept, len(late), inputs)] == "OK" and p.delay == 258


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
        d.flash.restore(start)
    assert NAMES[pushed(d, coded(new, old, good), 64)] == "OK" and d.boot() == 0 and d.running == new.hash


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
