"""A model apart from its firmware: the signed package that a device takes over the air, see kernels/update/update.h.

A payload (image, input constants, windows with their signatures, names) in MCUboot's image format.  `imgtool` (extra `sign`)
makes and signs the envelope; reading one, hash included, needs nothing but this module.  The private key is read from its
file, used, and forgotten; no message, report or file has any of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.emulator.plan import plan
from tinyloc.errors import BrokenError, ConfigError, ModelError
from tinyloc.export import check_input, extremes, golden, inputs_digest, names_data, variant
from tinyloc.image import INPUT, Image, to_image
from tinyloc.kernels.table import ABI
from tinyloc.program import Program
from tinyloc.scaling import InputConstants, constants_of
from tinyloc.stream import Config, streams

MAGIC, VERSION, HEADER, ENTRY = 0x4B504C54, 1, 28, 12
IMAGE, SCALER, GOLDEN, ROOMS, INPUTS, STREAM, OPTIONAL = 1, 2, 3, 4, 5, 6, 128
SECTIONS = {IMAGE: "image", SCALER: "scaler", GOLDEN: "golden windows", ROOMS: "rooms", INPUTS: "inputs", STREAM: "stream"}
ENVELOPE, ENVELOPE_MAGIC, NOT_BOOTABLE = 32, 0x96F3B83D, 0x10
PROTECTED_TLVS, TLVS, COUNTER, SHA256, KEY_HASH = 0x6908, 0x6907, 0x50, 0x10, 0x01
ED25519, P256 = 0x24, 0x22
SIGNATURES = {ED25519: "Ed25519", P256: "ECDSA P-256"}
LEAST = 224  # bytes of a package, TL_UPDATE_LEAST
SHOWN = 4  # names in a message
EXTRA = "install it with: pip install 'tinyloc[sign]'"
KEYGEN = "make one with: imgtool keygen -t ed25519 -k KEY.pem"


def scaler_data(c: InputConstants) -> bytes:
    """A `tl_scaler` at no fixed place: its section of a payload."""
    head = struct.pack("<3HhbbH", c.count, c.curved, c.hold, c.silent, c.least, c.most, 0)
    aps = b"".join(struct.pack("<2I2bH", *row) for row in zip(c.mult, c.offset, c.first, c.last, c.fix, strict=True))
    return head + c.curve + aps + c.fixes


def golden_data(program: Program, windows: np.ndarray) -> tuple[int, bytes]:
    """(count, section) of golden windows (w, rows, inputs) of codes.  Raises ModelError as `export.golden` does."""
    g = golden(program, windows)
    window = g.input[0, 0].nbytes * g.input.shape[1]
    # What the device compares is one word a window: of the signatures after each run, not chained as in an export.
    from tinyloc.run import Session

    session, rows = Session(program, "c"), []
    for runs, chained in zip(g.input, g.signatures, strict=True):
        session.reset()
        signatures = [session.signature(one) for one in runs]
        assert len(signatures) > 1 or np.array_equal(signatures[0], chained)
        crc = zlib.crc32(b"".join(s.astype("<u4").tobytes() for s in signatures))
        rows.append(runs.tobytes() + bytes(-window % 4) + struct.pack("<I", crc))
    head = struct.pack("<3I", g.input.shape[1], g.input[0, 0].nbytes, len(program.steps) + 1)
    return len(rows), head + b"".join(rows)


def payload(program: Program, windows: np.ndarray, core: str | None = None, stream: bool | None = None,
            ap_names: bool = True) -> bytes:
    """What a package holds, before it is signed.

    windows: (w, rows, inputs) codes of golden windows, to which a random one is added; may be empty.  core, stream: as
    `export.variant` has them; a firmware that streams takes packages that stream.  ap_names: with a section of them.
    Raises ModelError for a Program without rooms, aps or scaler in its info, or that `stream.streams` is not of; ConfigError
    for an unknown core.
    """
    check_input(program, windows)
    made, info = variant(program, core, stream), program.info
    if not streams(made):
        raise ModelError("the model has states that saturate, and takes a window at once, which a device's stream refuses; "
                         "expected one row a run (--stream)")
    layout = plan(made)
    count, windows_data = golden_data(made, np.concatenate([windows, extremes(program)[2:]]))
    rooms, aps = [str(r) for r in info["rooms"]], [str(a) for a in info["aps"]]
    sections = [(IMAGE, 1, to_image(made, layout)),
                (SCALER, 1, scaler_data(constants_of(made))),
                (STREAM, 1, Config.of({**info, "window": program.steps_of_time}).pack()
                 + struct.pack("<H", int(info.get("delay", 0)))),
                (ROOMS, len(rooms), names_data(rooms)), (GOLDEN, count, windows_data)]
    if ap_names:
        sections.insert(4, (INPUTS, len(aps), names_data(aps)))
    at, table, body = HEADER + ENTRY * len(sections), b"", b""
    for kind, n, data in sections:
        table += struct.pack("<HHII", kind, n, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    return struct.pack("<7I", MAGIC, VERSION | len(sections) << 16, at + len(body), ABI, layout.arena_bytes,
                       *inputs_digest(info)) + table + body


# ---- keys and envelope ----

def version_of(text: str) -> tuple[int, int, int, int]:
    """(major, minor, revision, build) of 1.2.3+4; raises ConfigError."""
    m = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:\+(\d+))?", text)
    numbers = tuple(int(g or 0) for g in m.groups()) if m else ()
    if len(numbers) != 4 or any(n >= most for n, most in zip(numbers, (1 << 8, 1 << 8, 1 << 16, 1 << 32), strict=True)):
        raise ConfigError(f"version {text!r}: expected MAJOR.MINOR.REVISION or MAJOR.MINOR.REVISION+BUILD, at most "
                          f"255.255.65535+{(1 << 32) - 1}")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _imgtool() -> Any:
    try:
        import imgtool.image
        import imgtool.keys
        import imgtool.version
    except ImportError:
        raise ConfigError(f"signing and its verification need the package imgtool, which is missing; {EXTRA}") from None
    return imgtool


def load_key(path: str | Path, password: bytes | None = None, private: bool = True) -> Any:
    """imgtool's key of a PEM file: Ed25519 or ECDSA P-256; None if it is encrypted and no password is given.

    private: it must be one that signs.  Raises ConfigError, which never says more of the file than its name.
    """
    tool = _imgtool()
    if not Path(path).is_file():
        raise ConfigError(f"{path}: no such file; expected a key in PEM; {KEYGEN}")
    try:
        key = tool.keys.load(str(path), password)
    except Exception:  # what the parsers say may quote the file
        raise ConfigError(f"{path}: expected a key in PEM{', or another password' * bool(password)}; {KEYGEN}") from None
    if key is None:
        return None
    allowed = (tool.keys.Ed25519Public, tool.keys.ECDSA256P1Public)  # the private ones are subclasses
    if not isinstance(key, allowed):
        raise ConfigError(f"{path}: expected an Ed25519 or an ECDSA P-256 key; {KEYGEN}")
    if private and not isinstance(key, (tool.keys.Ed25519, tool.keys.ECDSA256P1)):
        raise ConfigError(f"{path}: a public key; expected the private one, which signs")
    return key


def public_key(key: Any) -> bytes:
    """Its SubjectPublicKeyInfo in DER, the public part alone."""
    return bytes(key.get_public_bytes())


def device_key(key: Any) -> tuple[int, bytes, bytes]:
    """(TLV type, SHA-256 of SubjectPublicKeyInfo, key) as `tl_update_key` has them: 32 bytes of an Ed25519 key, X and Y, 64
    bytes, of a P-256 one."""
    der = public_key(key)
    ed = "ED25519" in str(key.sig_tlv())
    return (ED25519 if ed else P256), hashlib.sha256(der).digest(), der[-32:] if ed else der[-64:]


def sign(data: bytes, key: Any, version: str, counter: int | None = None) -> bytes:
    """The package of a payload: MCUboot's envelope by imgtool, signed with `key` (`load_key`).

    counter: security counter; by default 2^24 major + 2^16 minor + revision, as imgtool's `auto`.
    """
    tool = _imgtool()
    v = version_of(version)
    if counter is not None and not 0 <= counter < 1 << 32:
        raise ConfigError(f"counter {counter}: expected 0 to {(1 << 32) - 1}")
    # imgtool keeps what it signs in `payload`, and prints how it goes.
    with contextlib.redirect_stdout(io.StringIO()):
        image = tool.image.Image(version=tool.version.SemiSemVersion(*v), header_size=ENVELOPE, pad_header=True,
                                 security_counter="auto" if counter is None else counter, non_bootable=True)
        image.payload = bytes(ENVELOPE) + data
        image.create(key, "hash", None)
    return bytes(image.payload)


# ---- reading ----

@dataclass(frozen=True)
class Package:
    """What the bytes of a package say; `verify` tells whether they are signed.

    version: (major, minor, revision, build); hash: SHA-256, which names the package; signed: the bytes that it is of, from
    the first; scaler: its section; windows: golden ones; stream: what the device's stream has to know of the model.
    """

    data: bytes
    signed: int
    version: tuple[int, int, int, int]
    counter: int
    hash: bytes
    key_hash: bytes
    signature: bytes
    scheme: int
    payload: bytes
    inputs: tuple[int, int]
    image: Image
    scaler: bytes
    windows: int
    rooms: tuple[str, ...]
    aps: tuple[str, ...] | None
    stream: Config
    delay: int

    @property
    def id(self) -> bytes:
        """The 8 bytes by which an update is announced to a device."""
        return self.hash[:8]

    @property
    def version_text(self) -> str:
        """Such as 1.2.0 or 1.2.0+7."""
        return ".".join(map(str, self.version[:3])) + (f"+{self.version[3]}" if self.version[3] else "")

    @staticmethod
    def parse(data: bytes) -> Package:
        """Reads a package, checks envelope, hash and where all lies.  Raises ModelError naming the part that is wrong.

        The signature, and whether scaler, golden windows and image go together, a device checks (`tinyloc.emulator.flash` is
        one): it may refuse what is read here."""
        if len(data) < LEAST:
            raise ModelError(f"package: {len(data)} bytes, expected at least {LEAST}")
        magic, _, header, protected, size, flags = struct.unpack_from("<IIHHII", data)
        if magic != ENVELOPE_MAGIC:
            raise ModelError("package: no MCUboot image (magic)")
        if header < ENVELOPE or header % 4 or flags != NOT_BOOTABLE:
            raise ModelError(f"package: header of {header} bytes and flags {flags:#x}; expected 32 and {NOT_BOOTABLE:#x}")
        end = header + size + protected
        if end + 4 > len(data):
            raise ModelError(f"package: cut off: {len(data)} bytes, the header says {end} and TLVs")
        counters = _tlvs(data[header + size : end], PROTECTED_TLVS)
        others = _tlvs(data[end:], TLVS)
        found = dict(others)
        schemes = [t for t in found if t in SIGNATURES]
        if sorted(t for t, _ in others) != sorted([SHA256, KEY_HASH, *schemes]) or len(schemes) != 1:
            raise ModelError(f"package: TLVs {', '.join(f'{t:#x}' for t, _ in others) or 'none'}; expected {SHA256:#x}, "
                             f"{KEY_HASH:#x} and one of {', '.join(f'{t:#x}' for t in SIGNATURES)}")
        counter = [v for t, v in counters if t == COUNTER]
        if len(counter) != 1 or len(counter[0]) != 4 or len(found[KEY_HASH]) != 32:
            raise ModelError(f"package: no security counter, or no hash of the key (TLVs {COUNTER:#x} and {KEY_HASH:#x})")
        digest = hashlib.sha256(data[:end]).digest()
        if digest != found[SHA256]:
            raise ModelError("package: damaged (SHA-256)")
        inner = _Payload(data[header : header + size])
        head = inner.words
        if head[3] != ABI:
            raise ModelError(f"package: made for other kernels (ABI {head[3]:#010x}, expected {ABI:#010x})")
        image = Image.parse(inner.one(IMAGE))
        if image.arena_bytes != head[4]:
            raise ModelError(f"package: an arena of {head[4]} bytes, {image.arena_bytes} in its image")
        of_stream = inner.one(STREAM, 16)
        stream, (delay,) = Config.unpack(of_stream[:14]), struct.unpack("<H", of_stream[14:])
        return Package(data, end, struct.unpack_from("<BBHI", data, 20), struct.unpack("<I", counter[0])[0], digest,
                       found[KEY_HASH], found[schemes[0]], schemes[0], inner.data, (head[5], head[6]), image,
                       inner.one(SCALER), inner.count(GOLDEN), inner.texts(ROOMS),
                       inner.texts(INPUTS) if INPUTS in inner.sections else None, stream, delay)

    def verify(self, key: Any) -> None:
        """Raises BrokenError unless the package is signed with `key` (`load_key`, public or private)."""
        from cryptography.exceptions import InvalidSignature

        scheme, key_hash, _ = device_key(key)
        if (scheme, key_hash) != (self.scheme, self.key_hash):
            raise BrokenError("package: signed with another key")
        try:
            if self.scheme == ED25519:  # of the digest; ECDSA makes its own of what is signed
                key.verify_digest(self.signature, self.hash)
            else:
                key.verify(self.signature, self.data[: self.signed])
        except InvalidSignature:
            raise BrokenError(f"package: the signature ({SIGNATURES[self.scheme]}) is wrong") from None

    @property
    def window_bytes(self) -> int:
        """Of the window that `tl_stream_open` needs: 0 for a model of one row a run."""
        s = self.image.section(INPUT)
        assert s is not None
        return 0 if s.count == 1 else s.bytes

    def after(self, old: Package) -> list[str]:
        """What the sender of this package should know of devices that run `old`: a note each.

        Raises ConfigError where such devices refuse it, whatever else they are, by what `tl_update_check` compares.  Devices
        may know several keys, but only their makers know that: what is signed with another one is refused here too.
        """
        was, runs = old.version_text, f"devices that run {old.version_text} ({old.id.hex()})"
        if (self.scheme, self.key_hash) != (old.scheme, old.key_hash):
            ours, theirs = (f"{SIGNATURES[p.scheme]}, hash {p.key_hash[:8].hex()}..." for p in (self, old))
            raise ConfigError(f"the new package is signed with another key ({ours}) than the one that {runs} know; expected "
                              f"theirs ({theirs}). Where firmware knows both, send the package whole: leave out --from")
        if self.counter < old.counter:
            raise ConfigError(f"{runs} refuse the new package: its security counter is {self.counter}; expected "
                              f"{old.counter} or more (by --version or --counter)")
        if self.inputs != old.inputs:
            what = f": {_differ(self.aps, old.aps)}" if self.aps and old.aps and self.aps != old.aps else ""
            raise ConfigError(f"{runs} refuse the new package: it is for other access points or motion channels{what}; "
                              "expected the same ones in the same order (other ones take new firmware)")
        notes = []
        if self.rooms != old.rooms:
            notes.append(f"its rooms are not those of {was} ({_differ(self.rooms, old.rooms)}): devices take it, and "
                         "firmware has to go by the rooms' names, not by their numbers")
        sizes = (("the arena", self.image.arena_bytes, old.image.arena_bytes, "B"),
                 ("signatures", len(self.image.steps) + 1, len(old.image.steps) + 1, "words"),
                 ("the stream's window", self.window_bytes, old.window_bytes, "B"))
        if more := [f"{n:,} {unit} instead of {o:,} for {what}" for what, n, o, unit in sizes if n > o]:
            notes.append(f"it takes more memory than {was} ({', '.join(more)}): devices that have less refuse it")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Plain facts."""
        return {"version": self.version_text, "counter": self.counter, "bytes": len(self.data), "hash": self.hash.hex(),
                "id": self.id.hex(), "key_hash": self.key_hash.hex(), "scheme": SIGNATURES[self.scheme],
                "payload_bytes": len(self.payload), "image_bytes": len(self.image.data), "abi": f"{ABI:#010x}",
                "arena_bytes": self.image.arena_bytes, "steps": len(self.image.steps), "golden_windows": self.windows,
                "inputs": [f"{w:#010x}" for w in self.inputs], "scaler_bytes": len(self.scaler), "rooms": list(self.rooms),
                "aps": None if self.aps is None else list(self.aps), "delay": self.delay,
                "stream": vars(self.stream)}


def _differ(new: Sequence[str], old: Sequence[str]) -> str:
    """In what names that are not the same differ."""
    def listed(names: Sequence[str]) -> str:
        return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")

    said = [f"{what} {listed(names)}" for what, names in (("new", [n for n in new if n not in old]),
                                                          ("missing", [n for n in old if n not in new])) if names]
    at = next((i for i, (a, b) in enumerate(zip(new, old, strict=False)) if a != b), 0)
    return "; ".join(said) or f"{len(new)} in another order, number {at} is {new[at]}, was {old[at]}"


def _tlvs(data: bytes, magic: int) -> list[tuple[int, bytes]]:
    """(type, value) of each TLV of an area."""
    if len(data) < 4 or struct.unpack_from("<2H", data) != (magic, len(data)):
        raise ModelError(f"package: no TLVs ({magic:#x}) of {len(data)} bytes where they should be: cut off, or something "
                         "follows it")
    found, at = [], 4
    while at < len(data):
        kind, size = struct.unpack_from("<2H", data, at) if at + 4 <= len(data) else (0, len(data))
        if size > len(data) - at - 4:
            raise ModelError(f"package: a TLV ({kind:#x}) is cut off")
        found.append((kind, data[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


class _Payload:
    """The sections of a payload, each there once and within its bounds."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        if len(data) < HEADER or struct.unpack_from("<I", data)[0] != MAGIC:
            raise ModelError("package: its payload is no tinyloc package (magic)")
        self.words = struct.unpack_from("<7I", data)
        version, count = self.words[1] & 0xFFFF, self.words[1] >> 16
        if version != VERSION:
            raise ModelError(f"package: format version {version}, expected {VERSION}")
        if self.words[2] != len(data) or HEADER + ENTRY * count > len(data):
            raise ModelError(f"package: a payload of {len(data)} bytes; its header says {self.words[2]}, {count} sections")
        self.sections: dict[int, tuple[int, bytes]] = {}
        for i in range(count):
            kind, n, at, size = struct.unpack_from("<HHII", data, HEADER + ENTRY * i)
            if kind in self.sections or (kind not in SECTIONS and kind < OPTIONAL):
                raise ModelError(f"package: section {SECTIONS.get(kind, kind)} is unknown, or there twice")
            if at % 4 or at < HEADER or at + size > len(data):
                raise ModelError(f"package: section {SECTIONS.get(kind, kind)} is out of bounds")
            self.sections[kind] = n, data[at : at + size]
        for kind in set(SECTIONS) - {INPUTS}:
            if kind not in self.sections:
                raise ModelError(f"package: no section {SECTIONS[kind]}")

    def one(self, kind: int, size: int | None = None) -> bytes:
        data = self.sections[kind][1]
        if size is not None and len(data) != size:
            raise ModelError(f"package: section {SECTIONS[kind]} has {len(data)} bytes, expected {size}")
        return data

    def count(self, kind: int) -> int:
        return self.sections[kind][0]

    def texts(self, kind: int) -> tuple[str, ...]:
        count, data = self.sections[kind]
        if not data.endswith(b"\0") or data.count(b"\0") != count:
            raise ModelError(f"package: section {SECTIONS[kind]} does not hold {count} texts")
        return tuple(t.decode(errors="replace") for t in data[:-1].split(b"\0"))
