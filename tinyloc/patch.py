"""A package as a patch of the one that a device runs, where that saves radio time; kernels/update/patch.c says what it is.

What differs between two models of a kind lies in place: weights that moved by a code or two, and bytes that did not.  So
a patch is segments of the old package at some offset, with differences, range-coded with adaptive odds; bytes that have
nothing to do with the old package are coded too, and cost a little less than themselves.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import numpy as np

from tinyloc.errors import BrokenError, ConfigError, ModelError
from tinyloc.package import Package

MAGIC, VERSION, HEADER = 0x50444C54, 1, 28
BITS, RATE, TOP = 12, 4, 1 << 24
LONGEST = (1 << 24) - 1  # bytes of a segment, and the farthest offset
OWN, SHIFTS, SEED = 7.5, 12, 8  # bits that a byte of its own costs, shifts to try, bytes that must agree to propose one


def encode(new: Package, old: Package) -> bytes:
    """The patch that makes `new` of `old`.  Raises ConfigError for packages of more than 16 MB."""
    if max(len(new.data), len(old.data)) > LONGEST:
        raise ConfigError(f"packages of {len(new.data)} and {len(old.data)} bytes: a patch holds at most {LONGEST}")
    coder = _Encoder()
    for start, end, at in segments(new.data, old.data, new.signed):
        coder.number(end - start, 24)
        coder.number(int(at is not None), 1)
        if at is not None:
            coder.number(at, 24)
        base = old.data[at : at + end - start] if at is not None else bytes(end - start)
        for b, a in zip(new.data[start:end], base, strict=True):
            coder.byte(b - a & 255, int(at is not None))
    made = struct.pack("<3I", MAGIC, VERSION, len(new.data)) + new.id + old.id + coder.end()
    if decode(made, old) != new.data:
        raise BrokenError("patch: what it makes of the old package is not the new one")
    return made


def segments(new: bytes, old: bytes, own: int) -> list[tuple[int, int, int | None]]:
    """(start, end, offset in the old package or None) of each segment of `new`; from `own` on (hash, signature) it is new.

    The cheapest way through all bytes by dynamic programming, over the shifts at which most 8-byte strings agree; costs in
    bits are about those that differences have been seen to take.
    """
    a, b = np.frombuffer(old, np.uint8).astype(np.int64), np.frombuffer(new, np.uint8).astype(np.int64)
    places: dict[bytes, int] = {}
    for i in range(len(old) - SEED, -1, -1):
        places[old[i : i + SEED]] = i
    votes = Counter(places[s] - i for i in range(max(own - SEED, 0)) if any(s := new[i : i + SEED]) and s in places)
    shifts = [0, *(s for s, _ in votes.most_common(SHIFTS) if s)]
    position = np.arange(len(b))
    cost = np.full((len(shifts) + 1, len(b)), OWN)
    for row, shift in zip(cost[1:], shifts, strict=True):
        at = position + shift
        inside = (at >= 0) & (at < len(a)) & (position < own)
        distance = np.abs((b - a[np.clip(at, 0, len(a) - 1)] + 128 & 255) - 128)
        row[:] = np.where(inside, np.where(distance == 0, 0.4, np.minimum(3 + 2 * np.log2(distance + 1.0), 10)), 1e6)
    enter = np.array([25.0] + [49.0] * len(shifts))
    total, came = cost[:, 0] + enter, np.zeros((len(b), len(cost)), np.int64)
    for i in range(1, len(b)):
        best = int(total.argmin())
        switch = total[best] + enter < total
        came[i] = np.where(switch, best, np.arange(len(cost)))
        total = np.where(switch, total[best] + enter, total) + cost[:, i]
    state = int(total.argmin())
    path = np.empty(len(b), np.int64)
    for i in range(len(b) - 1, -1, -1):
        path[i] = state
        state = int(came[i, state])
    bounds = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(b)]
    return [(s, e, None if path[s] == 0 else s + shifts[path[s] - 1]) for s, e in pairwise(bounds)]


class _Encoder:
    """The range coder: `low` may carry into bytes that are held back."""

    def __init__(self) -> None:
        self.low, self.range, self.held, self.waiting, self.out = 0, 0xFFFFFFFF, -1, 0, bytearray()
        self.odds = np.full((2, 256), 1 << BITS - 1).tolist()

    def _bit(self, bit: int, odds: int) -> None:
        bound = (self.range >> BITS) * odds
        if bit:
            self.low += bound
            self.range -= bound
        else:
            self.range = bound
        while self.range < TOP:
            self.range <<= 8
            self._shift()

    def _shift(self) -> None:
        carry, top = self.low >> 32, self.low >> 24 & 255
        if carry or top < 255:
            if self.held >= 0:
                self.out.append(self.held + carry & 255)
            self.out += bytes([255 + carry & 255]) * self.waiting
            self.held, self.waiting = top, 0
        else:
            self.waiting += 1
        self.low = (self.low & 0xFFFFFF) << 8

    def number(self, value: int, bits: int) -> None:
        """Of even odds."""
        for i in range(bits - 1, -1, -1):
            self._bit(value >> i & 1, 1 << BITS - 1)

    def byte(self, value: int, which: int) -> None:
        """By the odds of that set."""
        odds, at = self.odds[which], 1
        for i in range(7, -1, -1):
            bit = value >> i & 1
            self._bit(bit, odds[at])
            odds[at] = _moved(odds[at], bit)
            at = at << 1 | bit

    def end(self) -> bytes:
        """All bytes."""
        for _ in range(5):
            self._shift()
        return bytes(self.out)


def _moved(odds: int, bit: int) -> int:
    return odds - (odds >> RATE) if bit else odds + ((1 << BITS) - odds >> RATE)


def is_patch(path: str | Path) -> bool:
    """Whether a file that is there begins as a patch does, of any version."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as f:
        return f.read(4) == struct.pack("<I", MAGIC)


def decode(patch: bytes, old: Package) -> bytes:
    """What a device makes of the patch.  Raises ModelError where it is malformed or for another package."""
    if len(patch) < HEADER + 4 or struct.unpack_from("<2I", patch) != (MAGIC, VERSION):
        raise ModelError("patch: no tinyloc patch of this version (magic)")
    size, base = struct.unpack_from("<I", patch, 8)[0], patch[20:HEADER]
    if base != old.id:
        raise ModelError(f"patch: for the package {base.hex()}, not {old.id.hex()}")
    made, bits = bytearray(), _bits(patch[HEADER:])
    odds = np.full((2, 256), 1 << BITS - 1).tolist()
    next(bits)

    def number(n: int) -> int:
        value = 0
        for _ in range(n):
            value = value << 1 | bits.send(1 << BITS - 1)
        return value

    try:
        while len(made) < size:
            length, based = number(24), number(1)
            at = number(24) if based else 0
            if not 0 < length <= size - len(made) or (based and at + length > len(old.data)):
                raise ModelError("patch: a segment is out of bounds")
            for i in range(length):
                symbol = 1
                while symbol < 256:
                    bit = bits.send(odds[based][symbol])
                    odds[based][symbol] = _moved(odds[based][symbol], bit)
                    symbol = symbol << 1 | bit
                made.append(symbol + (old.data[at + i] if based else 0) & 255)
    except (StopIteration, IndexError):
        raise ModelError("patch: cut off") from None
    return bytes(made)


def _bits(data: bytes) -> Generator[int, int, None]:
    """A generator that is sent odds and gives the next bit."""
    code, size, at, bit = int.from_bytes(data[:4], "big"), 0xFFFFFFFF, 4, 0
    while True:
        odds = yield bit
        bound = (size >> BITS) * odds
        bit = int(code >= bound)
        code, size = (code - bound, size - bound) if bit else (code, bound)
        while size < TOP:
            size, code, at = size << 8, (code << 8 | data[at]) & 0xFFFFFFFF, at + 1
