"""Fixed-point primitives: Numba = C = exact on structured operands, and what the multipliers promise."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import exact
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from operands import operands

from tinyloc.kernels import build_c, fixed
from tinyloc.kernels._c import lib
from tinyloc.kernels.build_c import PRIMITIVES

INT32 = st.integers(exact.INT32_MIN, exact.INT32_MAX)


def test_every_primitive_has_a_judge() -> None:
    assert list(PRIMITIVES) == list(exact.PRIMITIVES)
    in_numba = {name for name, f in vars(fixed).items() if hasattr(f, "py_func")}
    assert in_numba == set(PRIMITIVES)
    in_c = set(re.findall(r"^(?:static inline|TL_INLINE) \w+ \**tl_(\w+)\(", (build_c.C / "fixed.h").read_text(), re.M))
    loads = {"next4"}  # of the DSP extension: no arithmetic, and the kernels' tests on the core hold it
    assert in_c - loads == {*exact.PRIMITIVES, *exact.C_PRIMITIVES}


@pytest.mark.parametrize("name", exact.PRIMITIVES)
def test_numba_and_c_equal_exact(name: str, level: int) -> None:
    judge, numba, which = exact.PRIMITIVES[name][0], getattr(fixed, name), PRIMITIVES.index(name)
    cases = operands(name, 20_000 if level == 1 else 1_000_000)
    assert len(cases) > 100
    for v in cases:
        want = judge(*v)
        got = int(numba(*v)), lib.tl_test_primitive(which, *v, *(0,) * (3 - len(v)))
        assert got == (want, want), f"{name}{v}: exact {want}, Numba {got[0]}, C {got[1]}"
    print(f"{name}: {len(cases):,} operands")


@pytest.mark.parametrize("e", range(32))
def test_ties(e: int) -> None:
    """x.5 exactly: SRDHM rounds up, RDBPOT away from zero, at every exponent and both signs."""
    for odd in (1, -1, 3, -3, 2**e - 1, 1 - 2**e):
        tie = odd * 2**e // 2
        if e and odd % 2 and exact.INT32_MIN <= tie <= exact.INT32_MAX:
            away = (abs(odd) + 1) // 2 * (1 if odd > 0 else -1)
            assert fixed.rdbpot(tie, e) == exact.nearest_away(Fraction(tie, 2**e)) == away
            if e <= 30:
                assert fixed.rshift_round(tie, e) == (odd + 1) // 2
            assert fixed.srdhm(tie, 2 ** (31 - e)) == (odd + 1) // 2


@settings(derandomize=True, max_examples=500)
@given(st.floats(2.0**-31, 2.0**29, allow_nan=False))
@example(1.0)
@example(1 - 2.0**-53)
@example(math.nextafter(2.0**-31, 0))
@example((2**30 + 0.5) / 2**31)
@example(2.0**-32)
@example(1.75 * 2.0**-32)
def test_quantize_multiplier(m: float) -> None:
    """Normalized, within half a place of 31 bits, and what exact arithmetic says."""
    mult, shift = fixed.quantize_multiplier(m)
    assert (mult, shift) == exact.quantize_multiplier(m)
    assert 2**30 <= mult < 2**31 and -31 <= shift <= 30
    value = Fraction(mult) * Fraction(2) ** (shift - 31)
    assert abs(value - Fraction(m)) <= Fraction(2) ** (shift - 32)


@settings(derandomize=True, max_examples=300)
@given(st.floats(1e-7, 1000), INT32)
def test_rescaling_is_near_the_real_product(m: float, x: int) -> None:
    """Two roundings: half a place each, the first one shrunk by the right shift."""
    mult, shift = fixed.quantize_multiplier(m)
    if abs(x) * 2 ** max(shift, 0) > exact.INT32_MAX:
        return
    real = Fraction(x) * Fraction(mult) * Fraction(2) ** (shift - 31)
    allowed = Fraction(1, 2) + (Fraction(1, 2) * Fraction(2) ** shift if shift < 0 else 0)
    assert abs(int(fixed.mbqm(x, mult, shift)) - real) <= allowed


@settings(derandomize=True, max_examples=300)
@given(st.floats(1e-7, 1000), INT32, INT32)
def test_rescaling_is_monotonic(m: float, x: int, y: int) -> None:
    mult, shift = fixed.quantize_multiplier(m)
    lo, hi = sorted(v >> max(shift, 0) for v in (x, y))
    assert fixed.mbqm(lo, mult, shift) <= fixed.mbqm(hi, mult, shift)


@pytest.mark.parametrize("m", [0.0, 2.0**-33, 2.0**-40, 5e-324])
def test_too_small_a_multiplier_is_zero(m: float) -> None:
    assert fixed.quantize_multiplier(m) == (0, 0) == exact.quantize_multiplier(m)


@pytest.mark.parametrize("m", [-1.0, -5e-324, math.nan, math.inf, -math.inf, 2.0**30, 2.0**30 * (1 - 2.0**-32), 1e300])
def test_a_multiplier_out_of_range_is_refused(m: float) -> None:
    with pytest.raises(ValueError, match=r"expected a finite number in \[0, 2\^30\)"):
        fixed.quantize_multiplier(m)


def test_the_greatest_multiplier_stays_in_the_domain_of_mbqm() -> None:
    limit = 2.0**30 * (1 - 2.0**-32)  # from here on it rounds to 2^30
    assert fixed.quantize_multiplier(math.nextafter(limit, 0)) == (2**31 - 1, 30)
