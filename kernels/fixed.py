"""Fixed-point primitives in Numba; the mirror, bit for bit, of c/fixed.h.

Rescaling follows TensorFlow Lite Micro ("double rounding"): an int32 accumulator times a real multiplier
m = mult * 2^(shift - 31) is RDBPOT(SRDHM(x << max(shift, 0), mult), max(-shift, 0)).
"""

from __future__ import annotations

import math

import numpy as np

from tinyloc.kernels.jit import njit

INT32_MAX = 2**31 - 1


@njit("int32(int32, int32, int32)")
def clamp(x, lo, hi):  # type: ignore[no-untyped-def]
    """min(max(x, lo), hi)."""
    if x < lo:
        return lo
    if x > hi:
        return hi
    return x


@njit("int8(int32)")
def sat8(x):  # type: ignore[no-untyped-def]
    """x clamped to [-128, 127]."""
    return np.int8(min(max(x, np.int32(-128)), np.int32(127)))


@njit("int16(int32)")
def sat16(x):  # type: ignore[no-untyped-def]
    """x clamped to [-32768, 32767]."""
    return np.int16(min(max(x, np.int32(-32768)), np.int32(32767)))


@njit("int32(int32, int32)")
def add(a, b):  # type: ignore[no-untyped-def]
    """a + b modulo 2^32 (Numba would widen to 64 bits)."""
    return np.int32(a + b)


@njit("int32(int32, int32)")
def sub(a, b):  # type: ignore[no-untyped-def]
    """a - b modulo 2^32."""
    return np.int32(a - b)


@njit("int32(int32, int32)")
def mul(a, b):  # type: ignore[no-untyped-def]
    """a * b modulo 2^32."""
    return np.int32(a * b)


@njit("int32(int32, int32)")
def shl(x, n):  # type: ignore[no-untyped-def]
    """x * 2^n modulo 2^32, 0 <= n <= 31."""
    return np.int32(np.int64(x) << n)


@njit("int32(int32, int32)")
def srdhm(a, b):  # type: ignore[no-untyped-def]
    """a * b / 2^31 to the nearest, ties up; a = b = -2^31 saturates."""
    p = (np.int64(a) * np.int64(b) + (np.int64(1) << 30)) >> 31
    return np.int32(min(p, np.int64(INT32_MAX)))


@njit("int32(int32, int32)")
def rdbpot(x, e):  # type: ignore[no-untyped-def]
    """x / 2^e to the nearest, ties away from zero; 0 <= e <= 31."""
    mask = (np.int64(1) << e) - 1
    rest = np.int64(x) & mask
    half = (mask >> 1) + (1 if x < 0 else 0)
    return np.int32((np.int64(x) >> e) + (1 if rest > half else 0))


@njit("int32(int32, int32)")
def rshift_round(x, e):  # type: ignore[no-untyped-def]
    """x / 2^e to the nearest, ties up; 0 <= e <= 30 and x + 2^(e-1) < 2^31."""
    return np.int32((np.int64(x) + ((np.int64(1) << e) >> 1)) >> e)


@njit("int32(int32, int32, int32)")
def mbqm(x, mult, shift):  # type: ignore[no-untyped-def]
    """x * mult * 2^(shift - 31) with TFLM's double rounding; shift in [-31, 30]."""
    left = max(shift, np.int32(0))
    return rdbpot(srdhm(shl(x, np.int32(left)), mult), np.int32(left - shift))


def quantize_multiplier(m: float) -> tuple[int, int]:
    """(mult, shift) such that m ~ mult * 2^(shift - 31), mult in [2^30, 2^31) or 0, as TFLM computes them.

    mult = round_half_away(frexp(m) * 2^31); 2^31 becomes 2^30 with shift + 1; shift < -31 becomes zero.
    Raises ValueError when m is negative, not finite, or 2^30 or more after rounding.
    """
    if not math.isfinite(m) or m < 0 or m >= 2.0**30 * (1 - 2.0**-32):
        raise ValueError(f"multiplier {m!r}: expected a finite number in [0, 2^30)")
    if m == 0:
        return 0, 0
    frac, shift = math.frexp(m)
    mult = math.floor(frac * 2**31 + 0.5)
    if mult == 2**31:
        mult, shift = 2**30, shift + 1
    if shift < -31:
        return 0, 0
    return mult, shift


def limits(rng: np.random.Generator, x: int) -> tuple[int, int]:
    """(mult, shift) for test cases, 64 <= |x| < 2^30: MBQM(x, mult, shift) just becomes a code, or just does not, so that
    any other rounding on the way to it, or an x that is one off, gives another code."""
    e = max(abs(x).bit_length() - 6, 1)
    k = int(rng.integers(abs(x) // 2**e // 2 + 2, abs(x) // 2**e + 1))
    least = (2 * k - 1) * 2 ** (e + 30) - 2**30  # of |x| mult, for SRDHM to reach the half below k; below 0 it is one more
    mult = -(-least // x) if x > 0 else least // -x + 1
    return min(max(mult - int(rng.integers(2)), 2**30), 2**31 - 1), -e
