"""Scaler and input quantizer in integers: what `tl_scaler` of kernels/c/tinyloc.h holds, and the codes it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyloc.data import Scaler
from tinyloc.errors import ModelError
from tinyloc.program import Buffer, Program

DBM = np.arange(-128, 128, dtype=np.int64)  # the whole numbers for which the input's constants hold
FRACTION = 24  # bits of them
AP_BYTES = 12  # of a tl_ap
MOST_MS = 65535  # of a time in 16 bits: what a value is held for, and from one row to the next


@dataclass(frozen=True)
class InputConstants:
    """What `tl_scaler` of kernels/c/tinyloc.h holds: count of inputs; mult, offset, first, last and fix (count - curved,);
    fixes: bits, a byte each 8 dBm; codes least and most; silent in dBm; hold in ms.  Instead of what each input has, the
    first `curved` of them may share a curve of 256 codes."""

    count: int
    mult: tuple[int, ...]
    offset: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    fix: tuple[int, ...]
    fixes: bytes
    least: int
    most: int
    silent: int
    hold: int
    curve: bytes = b""
    curved: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of flash that the tables take."""
        return len(self.curve) + AP_BYTES * len(self.mult) + len(self.fixes)

    def codes(self) -> np.ndarray:
        """(count, 256) codes of -128..127 dBm by the curve, or by the integer formula of `tl_code`."""
        curve = np.repeat(np.frombuffer(self.curve, np.int8).reshape(-1, len(DBM)), self.curved, 0).astype(np.int64)
        if self.curved == self.count:
            return curve
        given = self.mult, self.offset, self.first, self.last, self.fix
        mult, offset, first, last, fix = (np.array(v, np.int64)[:, None] for v in given)
        d = np.clip(DBM, first, last) - first
        bits = np.frombuffer(self.fixes, np.uint8)[fix + d // 8] >> (d % 8) & 1
        line = self.least + ((d * mult + offset & 0xFFFFFFFF) >> FRACTION) + bits
        return np.concatenate([curve, np.where(first > DBM, self.least, np.where(last < DBM, self.most, line))])


def float_codes(scaler: Scaler, buffer: Buffer) -> np.ndarray:
    """(a + m, 256) codes that `Scaler.transform` and `Buffer.quantize` give -128..127 dBm (motion: dB) at each input."""
    dbm = np.repeat(DBM[:, None], len(scaler.lo), 1).astype(np.float32)
    return buffer.quantize(scaler.transform(dbm)).T.astype(np.int64)


def _line(u: np.ndarray) -> tuple[int, int]:
    """(mult, offset), both >= 0, with floor((d mult + offset) / 2^24) = u[d], or u[d] - 1 for as few d as it finds."""
    if len(u) == 1:
        return 0, int(u[0]) << FRACTION
    one, d = 1 << FRACTION, np.arange(len(u), dtype=np.int64)
    a, c = np.triu_indices(len(u), 1)
    rise, run = (u[c] - u[a]) * one, c - a
    # For each pair, (u[c] - u[a] - 1) 2^24 < (c - a) mult < (u[c] - u[a] + 1) 2^24.  Where all of that holds there is an
    # offset that meets each u[d]; where float32 rounds one tie up and another down, the ends have crossed.
    least, most = int(((rise - one) // run + 1).max()), int(((rise + one - 1) // run).min())
    best: tuple[int, int, int] | None = None
    for mult in dict.fromkeys(((least + most) // 2, least, most)):
        low, high = int((u * one - d * mult).max()), int(((u + 1) * one - 1 - d * mult).min())
        offset = (low + high) // 2 if low <= high else high
        wrong = int((u - (d * mult + offset >> FRACTION)).sum())
        if mult >= 0 and offset >= 0 and (best is None or wrong < best[0]):
            best = wrong, mult, offset
    return best[1:] if best else (0, 0)


def row_ms(info: Mapping[str, Any]) -> int:
    """ms from one row to the next, by a model's info; 0 at no fixed rate.  Raises ModelError above MOST_MS."""
    rate = float(info.get("rate_hz") or 0)
    if rate and 1000 / rate >= MOST_MS + 0.5:
        raise ModelError(f"rows are {1 / rate:g} s apart (rate_hz = {rate:g}), and firmware counts at most "
                         f"{MOST_MS / 1000:g} s from one to the next: expected times in seconds, of more frequent rows")
    return round(1000 / rate) if rate else 0


def hold_ms(info: Mapping[str, Any]) -> int:
    """ms for which firmware lets a value stand in for silence: what the scaler holds it for, or what lies between two rows.

    A row of a recording is of all that was heard since the row before it, however long ago that was, and so is a row of a
    device; what came at the very ms of the row before belongs to that one."""
    return max(round(float(info["scaler"]["hold"]) * 1000), row_ms(info) - 1)


def constants_of(program: Program) -> InputConstants:
    """`input_constants` of a Program with a scaler.  Raises ModelError where that or `row_ms` does."""
    scaler = Scaler.from_dict(program.info["scaler"])
    return input_constants(scaler, program.buffers[program.input], hold_ms(program.info))


def input_constants(scaler: Scaler, buffer: Buffer, hold: int | None = None) -> InputConstants:
    """The integers with which the C code gives the float path's codes; all 256 dBm of each input are checked.

    hold: ms; None: the scaler's.
    Raises ModelError when the input is not int8, or silence or hold do not fit the constants.
    """
    if buffer.dtype != "int8":
        raise ModelError(f"input {buffer.name!r}: expected int8, found {buffer.dtype}")
    silent, hold = round(scaler.not_heard), round(scaler.hold * 1000) if hold is None else hold
    if silent != scaler.not_heard or not DBM[0] <= silent <= DBM[-1]:
        raise ModelError(f"scaler: not_heard is {scaler.not_heard:g}, expected a whole number from {DBM[0]} to {DBM[-1]}")
    if not 0 <= hold <= MOST_MS:
        raise ModelError(f"scaler: hold is {hold / 1000:g} s, expected 0 to {MOST_MS / 1000:g}")
    want = float_codes(scaler, buffer)
    least, most = (int(v) for v in buffer.quantize(np.array([0.0, 1.0])))
    a = len(want) - scaler.motion
    shared = bool((want[:a] == want[0]).all())
    if shared and AP_BYTES * a > len(DBM):
        return _checked(_constants(want, a, least, most, silent, hold), want)
    try:
        return _checked(_constants(want, 0, least, most, silent, hold), want)
    except ModelError:
        if not shared:
            raise
        return _checked(_constants(want, a, least, most, silent, hold), want)


def _constants(want: np.ndarray, curved: int, least: int, most: int, silent: int, hold: int) -> InputConstants:
    """Those of the codes (count, 256), the first `curved` by a curve."""
    rows: list[tuple[int, int, int, int, bytes]] = []
    for number, codes in enumerate(want[curved:], curved):
        # Where the codes saturate they leave the line; what lies between may be nothing but a jump.
        first, last = int((codes == least).sum()), len(DBM) - 1 - int((codes == most).sum())
        if first > last:
            first = last = min(first, len(DBM) - 1)
        u = codes[first : last + 1] - least
        mult, offset = _line(u)
        over = u - (np.arange(len(u), dtype=np.int64) * mult + offset >> FRACTION)
        if ((over != 0) & (over != 1)).any():
            raise ModelError(f"scaler: input {number}: no formula in integers gives its codes")
        bits = np.packbits(over.astype(bool), bitorder="little").tobytes()
        rows.append((mult, offset, int(DBM[first]), int(DBM[last]), bits))
    pool = bytes(max((len(r[4]) for r in rows), default=0))  # none set: for nearly all
    at: dict[bytes, int] = {}
    for *_, bits in rows:
        if bits not in at:
            at[bits] = len(pool) if any(bits) else 0
            pool += bits if any(bits) else b""
    if len(pool) >= 1 << 16:
        raise ModelError(f"scaler: {len(pool)} bytes of exceptions, expected fewer than 65536")
    mults, offsets, firsts, lasts, all_bits = zip(*rows, strict=True) if rows else ((),) * 5
    curve = want[0].astype(np.int8).tobytes() if curved else b""
    return InputConstants(len(want), mults, offsets, firsts, lasts, tuple(at[b] for b in all_bits), pool, least, most,
                          silent, hold, curve, curved)


def _checked(made: InputConstants, want: np.ndarray) -> InputConstants:
    if not np.array_equal(made.codes(), want):
        raise ModelError("scaler: its integer constants do not give the codes of the float path")
    return made
