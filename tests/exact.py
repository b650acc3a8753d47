"""A third implementation of every fixed-point primitive and every kernel: slow, exact, and written to be read.

It follows the formulas of c/tinyloc.h and gemmlowp's mathematics in unbounded Python integers and fractions; constants
come from their definitions, by 40-digit decimals.  It imports none of the kernels, so that it shares no mistake with
them.  Where 32 bits matter it says so (`wrap`); everything else cannot overflow here, and a kernel that does, differs.

`OPS[name](*args)` takes a kernel's flat arguments, changes nothing, and returns its outputs and states as lists, in the
order of the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache, wraps
from operator import mul
from typing import Any

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1

# ---- roundings of a fraction to an integer; // is the floor ----


def nearest_up(x: Fraction) -> int:
    """To the nearest integer, ties towards +infinity."""
    return (2 * x.numerator + x.denominator) // (2 * x.denominator)


def nearest_away(x: Fraction) -> int:
    """To the nearest integer, ties away from zero."""
    return nearest_up(x) if x >= 0 else -nearest_up(-x)


# ---- primitives: what c/fixed.h says, in mathematics ----


def wrap(x: int) -> int:
    """The int32 that is x modulo 2^32."""
    return (x - INT32_MIN) % 2**32 + INT32_MIN


def clamp(x: int, lo: int, hi: int) -> int:
    return sorted((lo, x, hi))[1]


def sat8(x: int) -> int:
    return clamp(x, -128, 127)


def sat16(x: int) -> int:
    return clamp(x, -32768, 32767)


def add(a: int, b: int) -> int:
    return wrap(a + b)


def sub(a: int, b: int) -> int:
    return wrap(a - b)


def product(a: int, b: int) -> int:
    return wrap(a * b)


def shl(x: int, n: int) -> int:
    return wrap(x * 2**n)


def srdhm(a: int, b: int) -> int:
    """a b / 2^31, ties up, saturating."""
    return min((a * b + 2**30) // 2**31, INT32_MAX)  # nearest_up(Fraction(a * b, 2**31)), 20 times faster


def rdbpot(x: int, e: int) -> int:
    """x / 2^e, ties away from zero."""
    magnitude = (2 * abs(x) + 2**e) // 2 ** (e + 1)  # nearest_away(Fraction(x, 2**e))
    return magnitude if x >= 0 else -magnitude


def rshift_round(x: int, e: int) -> int:
    """x / 2^e, ties up."""
    return nearest_up(Fraction(x, 2**e))


def mbqm(x: int, mult: int, shift: int) -> int:
    """x mult 2^(shift - 31), rounded twice."""
    left, right = (shift, 0) if shift > 0 else (0, -shift)
    return rdbpot(srdhm(shl(x, left), mult), right)


# name: (function, number of operands, its domain), in the order of tl_test_primitive
PRIMITIVES: dict[str, tuple[Callable[..., int], int, Callable[..., bool]]] = {
    "clamp": (clamp, 3, lambda x, lo, hi: lo <= hi),
    "sat8": (sat8, 1, lambda x: True),
    "sat16": (sat16, 1, lambda x: True),
    "add": (add, 2, lambda a, b: True),
    "sub": (sub, 2, lambda a, b: True),
    "mul": (product, 2, lambda a, b: True),
    "shl": (shl, 2, lambda x, n: 0 <= n <= 31),
    "srdhm": (srdhm, 2, lambda a, b: True),
    "rdbpot": (rdbpot, 2, lambda x, e: 0 <= e <= 31),
    "rshift_round": (rshift_round, 2, lambda x, e: 0 <= e <= 30 and x + 2**e // 2 <= INT32_MAX),
    "mbqm": (mbqm, 3, lambda x, mult, shift: (mult == 0 or mult >= 2**30) and -31 <= shift <= 30),
}


def mul_high(a: int, b: int) -> int:
    """a b / 2^32, rounded down."""
    return a * b // 2**32


def mul_16(a: int, w: int) -> int:
    """a w / 2^16, rounded down."""
    return a * w // 2**16


def srdhm_wrap(a: int, b: int) -> int:
    """a b / 2^31, ties up, modulo 2^32."""
    return wrap(nearest_up(Fraction(a * b, 2**31)))


def upper(a: int, b: int) -> int:
    """The product of the halves a // 2^16 and b // 2^16."""
    return (a // 2**16) * (b // 2**16)


def half_middle(a: int, b: int, offset: int) -> int:
    """Half of what a b / 2^16 + offset, rounded down, is more than 2^16 `upper`, rounded down."""
    return (a * b // 2**16 + offset - 2**16 * upper(a, b)) // 2


def half_srdhm(x: int, m: int) -> int:
    """x m / 2^32, ties up: SRDHM of x / 2 and m, for an even x."""
    return nearest_up(Fraction(x * m, 2**32))


def rescale8(x: int, m: int, less: int, offset: int) -> int:
    """sat8(zp + MBQM(x / 2, m, -(less + 1))), offset = 2 zp + 1."""
    return sat8(mbqm(x // 2, m, -(less + 1)) + (offset - 1) // 2)


def unsigned(x: int) -> int:
    return x % 2**32


def near(a: int, b: int) -> bool:
    return INT32_MIN <= a - b <= INT32_MAX


# Those that c/fixed.h alone has, `tl_` before the name; the kernels in Numba say the same in other words.
C_PRIMITIVES: dict[str, tuple[Callable[..., int], int, Callable[..., bool]]] = {
    "opaque": (lambda x: x, 1, lambda x: True),
    "less": (lambda a, b: -1 if a < b else 0, 2, lambda a, b: True),
    "is_zero": (lambda x: -1 if x == 0 else 0, 1, lambda x: True),
    "select": (lambda mask, yes, no: yes if mask else no, 3, lambda mask, yes, no: mask in (-1, 0)),
    "min": (min, 2, lambda a, b: True),
    "max": (max, 2, lambda a, b: True),
    "near_less": (lambda a, b: -1 if a < b else 0, 2, near),
    "near_min": (min, 2, near),
    "near_max": (max, 2, near),
    "sat": (lambda x, bits: clamp(x, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), 2, lambda x, bits: bits in (8, 16)),
    "sat_near8": (sat8, 1, lambda x: abs(x) < 2**31 - 128),
    "umul64": (lambda a, b: unsigned(a) * unsigned(b), 2, lambda a, b: True),
    "mul64": (lambda a, b: a * b, 2, lambda a, b: True),
    "mul_high": (mul_high, 2, lambda a, b: True),
    "mul_16": (mul_16, 2, lambda a, w: -(2**15) <= w < 2**15),
    "srdhm_wrap": (srdhm_wrap, 2, lambda a, b: True),
    "half_srdhm": (half_srdhm, 2, lambda x, m: x > INT32_MIN or m > INT32_MIN),
    "rescale8": (rescale8, 4, lambda x, m, less, offset: x % 2 == 0 and x > INT32_MIN and m >= 2**30 and 0 <= less <= 30
                 and offset % 2 == 1 and -256 < offset < 256),
    # in the form for Armv6-M only
    "upper": (upper, 2, lambda a, b: True),
    "half_middle": (half_middle, 3, lambda a, b, offset: 0 <= offset <= 2**15),
}


def quantize_multiplier(m: float) -> tuple[int, int]:
    """(mult, shift) for a positive m < 2^30: mult / 2^31 in [1/2, 1), ties away from zero."""
    value, shift = Fraction(m), 0
    while value >= 1:
        value, shift = value / 2, shift + 1
    while 0 < value < Fraction(1, 2):
        value, shift = value * 2, shift - 1
    mult = nearest_away(value * 2**31)
    if mult == 2**31:
        mult, shift = 2**30, shift + 1
    return (0, 0) if mult == 0 or shift < -31 else (mult, shift)


# ---- constants from their definitions ----


def _scaled(f: Callable[[], Decimal], power: int) -> int:
    """f() 2^power to the nearest integer (none of them is near a tie)."""
    with localcontext() as context:
        context.prec = 40
        return int((f() * 2**power).to_integral_value())


EXP_MINUS = {e: _scaled(lambda e=e: (-(Decimal(2) ** e)).exp(), 31) for e in range(-3, 5)}  # type: ignore[misc]
THIRD = _scaled(lambda: Decimal(1) / 3, 31)
NEWTON_48_17, NEWTON_32_17 = (_scaled(lambda n=n: Decimal(n) / 17, 29) for n in (48, 32))  # type: ignore[misc]
MIDDLE = [(i + Decimal("0.5")) / 128 for i in range(128)]  # of each part of the unit that a line approximates
SLOPE = [_scaled(lambda m=m: -Decimal(2).ln() * 2 ** (-m), 15) for m in MIDDLE]  # type: ignore[misc]
AT_MIDDLE = [_scaled(lambda m=m: 2 ** (-m) * (1 + (Decimal(2).ln() / 256) ** 2 / 4), 62) for m in MIDDLE]  # type: ignore[misc]


# ---- gemmlowp's functions; Qm holds a real number times 2^(31 - m) ----


def exp_on_negative(a: int, m: int) -> int:
    """exp(a) in Q0 for a <= 0 in Qm: exp of the remainder in [-1/4, 0), times exp(-2^e) for each bit above."""
    if a == 0:
        return INT32_MAX
    quarter = 2 ** (29 - m)
    remainder = a % quarter - quarter
    x = remainder * 2**m + 2**28  # plus 1/8, in Q0
    x2 = srdhm(x, x)
    x3, x4 = srdhm(x2, x), srdhm(x2, x2)
    series = x + rdbpot(srdhm(rdbpot(x4, 2) + x3, THIRD) + x2, 1)  # x + x^2/2 + x^3/6 + x^4/24
    result = EXP_MINUS[-3] + srdhm(EXP_MINUS[-3], series)
    quarters = (remainder - a) // quarter
    for bit in range(m + 2):
        if quarters // 2**bit % 2:
            result = srdhm(result, EXP_MINUS[bit - 2])
    return result


def newton(a: int, steps: int = 3) -> int:
    """2 / (1 + a) in Q2 for a in [0, 1) in Q0, by Newton steps from 48/17 - 32/17 (1 + a)/2."""
    half = a // 2 + 2**30  # (1 + a) / 2 in Q0
    x = NEWTON_48_17 + srdhm(half, -NEWTON_32_17)
    for _ in range(steps):
        x += 4 * srdhm(x, 2**29 - srdhm(half, x))
    return x


def one_over_one_plus(a: int) -> int:
    """1 / (1 + a) in Q0, at most 1 - 2^-31."""
    return min(2 * newton(a), INT32_MAX)


def logistic(q4: int) -> int:
    """sigmoid in Q0 of q4 in Q4."""
    if q4 == 0:
        return 2**30
    positive = one_over_one_plus(exp_on_negative(-abs(q4), 4))
    return positive if q4 > 0 else INT32_MAX - positive


def tanh(q4: int) -> int:
    """tanh in Q0 of q4 in Q4: (1 - e) / (1 + e) = 2 / (1 + e) - 1 with e = exp(-2 |q4|), 2 |q4| in Q5."""
    magnitude = 0 if q4 == 0 else min(4 * (newton(exp_on_negative(-abs(q4), 5)) - 2**29), INT32_MAX)
    return magnitude if q4 >= 0 else -magnitude


# ---- kernels ----

OPS: dict[str, Callable[..., list[list[int]]]] = {}


def _op(f: Callable[..., Any]) -> Callable[..., list[list[int]]]:
    """Enters f into OPS; gives it lists of Python ints in the place of arrays."""

    @wraps(f)
    def call(*args: Any) -> list[list[int]]:
        return [list(a) for a in f(*(a.tolist() if hasattr(a, "tolist") else a for a in args))]

    OPS[f.__name__] = call
    return call


def _rows(flat: Sequence[int], count: int) -> list[Sequence[int]]:
    """`flat` in `count` rows."""
    width = len(flat) // count if count else 0
    return [flat[i * width : (i + 1) * width] for i in range(count)]


def _dot(a: Iterable[int], b: Iterable[int]) -> int:
    return sum(map(mul, a, b))


def _nth(flat: Sequence[int], i: int, step: int) -> int:
    """One value for each output (step 1), or one for all (step 0)."""
    return flat[i] if step else flat[0]


def _affine(rows: Iterable[Sequence[int]], w: Sequence[Sequence[int]], bias: Sequence[int], mult: Sequence[int],
            shift: Sequence[int], bias_step: int, mult_step: int) -> list[int]:
    """rescale(bias + w . row) for every row and output."""
    return [mbqm(wrap(_nth(bias, o, bias_step) + _dot(row, taps)), _nth(mult, o, mult_step), _nth(shift, o, mult_step))
            for row in rows for o, taps in enumerate(w)]


@_op
def linear_s8(y, x, w, bias, mult, shift, t, n, k, y_zp, bias_step, mult_step):  # type: ignore[no-untyped-def]
    return ([sat8(v + y_zp) for v in _affine(_rows(x, t), _rows(w, n), bias, mult, shift, bias_step, mult_step)],)


@_op
def linear_s8_s16(y, x, w, bias, mult, shift, t, n, k, bias_step, mult_step):  # type: ignore[no-untyped-def]
    return ([sat16(v) for v in _affine(_rows(x, t), _rows(w, n), bias, mult, shift, bias_step, mult_step)],)


def _started(rows: Sequence[int], o: int, mult: int, offset: int, shift: int, per_row: int) -> tuple[int, int, int, int]:
    """What the sum of output o starts from, its multiplier, shift and zero point: rows are in groups of four."""
    size, (g, r) = (13 if per_row else 4), divmod(o, 4)
    own = rows[g * size : (g + 1) * size]
    m, c, e = (own[4 + r], own[8 + r], own[12] // 256**r % 256) if per_row else (mult, offset, shift)
    return own[r], m, -e, (c - 2 ** (e - 1)) // 2**e


def _unpacked(w, rows, groups, quads, n, k, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    """(weights, biases, multipliers, shifts, zero points) of n outputs, taken out of half-words and sums times 256."""
    words = [[int.from_bytes(bytes(b % 256 for b in w[i : i + 2]), "little", signed=True)
              for i in range(j, j + 4, 2)] for j in range(0, len(w), 4)]
    out: tuple[list[Any], ...] = ([], [], [], [], [])
    for o in range(n):
        g, r = divmod(o, 4)
        row: list[int] = []
        for q in range(quads):
            for half in words[(g * quads + q) * 4 + r]:
                low = (half + 128) % 256 - 128
                row += [low, (half - low) // 256]
        start, *scale = _started(rows, o, mult, offset, shift, per_row)
        for column, value in zip(out, (row[:k], start // 256 - 127 * sum(row[1::2]), *scale), strict=True):
            column.append(value)
    return out


def _packed(saturate: Callable[[int], int], vectors: Iterable[Sequence[int]], constants: Any) -> list[int]:
    """Once unpacked, the plain layer."""
    weights, biases, mults, shifts, zero_points = constants
    sums = _affine(vectors, weights, biases, mults, shifts, 1, 1)
    return [saturate(v + zero_points[i % len(weights)]) for i, v in enumerate(sums)]


@_op
def linear_packed_s8(y, x, w, rows, pairs, t, groups, quads, n, k, *numbers):  # type: ignore[no-untyped-def]
    return (_packed(sat8, _rows(x, t), _unpacked(w, rows, groups, quads, n, k, *numbers)),)


@_op
def linear_packed_s16(y, x, w, rows, pairs, t, groups, quads, n, k, *numbers):  # type: ignore[no-untyped-def]
    return (_packed(sat16, _rows(x, t), _unpacked(w, rows, groups, quads, n, k, *numbers)),)


@_op
def conv1d_packed_s8(y, x, w, rows, pairs, row, t, groups, quads, n, d, k, t_in, stride, pad_left, x_zp,  # type: ignore
                     *numbers):
    padded = [x_zp] * (pad_left * d) + x + [x_zp] * ((t * stride + k) * d)
    vectors = [padded[i * stride * d : (i * stride + k) * d] for i in range(t)]
    return (_packed(sat8, vectors, _unpacked(w, rows, groups, quads, n, k * d, *numbers)),)


def _halves(w: Sequence[int], n: int, k: int) -> list[list[int]]:
    """The weights (n, k) of bytes that hold two each, the first in the low half, signed."""
    return [[half - 16 * (half > 7) for b in row for half in (b % 16, b // 16 % 16)][:k] for row in _rows(w, n)]


@_op
def linear_w4_s8(y, x, w, bias, mult, shift, t, n, k, row, y_zp, bias_step, mult_step):  # type: ignore[no-untyped-def]
    sums = _affine(_rows(x, t), _halves(w, n, k), bias, mult, shift, bias_step, mult_step)
    return ([sat8(v + y_zp) for v in sums],)


@_op
def linear_w4_s16(y, x, w, bias, mult, shift, t, n, k, row, bias_step, mult_step):  # type: ignore[no-untyped-def]
    return ([sat16(v) for v in _affine(_rows(x, t), _halves(w, n, k), bias, mult, shift, bias_step, mult_step)],)


def _unpacked_w4(w, rows, groups, octets, n, k, mult, offset, shift, per_row):  # type: ignore[no-untyped-def]
    """As `_unpacked`, of words of eight weights, six of them plus 8, and of sums times 4096."""
    words = [int.from_bytes(bytes(b % 256 for b in w[i : i + 4]), "little") for i in range(0, len(w), 4)]
    out: tuple[list[Any], ...] = ([], [], [], [], [])
    for o in range(n):
        g, r = divmod(o, 4)
        row = [(words[(g * octets + q) * 4 + r] // 2**at + (8 if at % 16 == 12 else 0)) % 16 - 8
               for q in range(octets) for at in (12, 8, 28, 24, 4, 0, 20, 16)][:k]
        start, *scale = _started(rows, o, mult, offset, shift, per_row)
        for column, value in zip(out, (row, start // 4096 + 128 * sum(row), *scale), strict=True):
            column.append(value)
    return out


@_op
def linear_w4_packed_s8(y, x, w, rows, pairs, t, groups, octets, n, k, *numbers):  # type: ignore[no-untyped-def]
    return (_packed(sat8, _rows(x, t), _unpacked_w4(w, rows, groups, octets, n, k, *numbers)),)


@_op
def linear_w4_packed_s16(y, x, w, rows, pairs, t, groups, octets, n, k, *numbers):  # type: ignore[no-untyped-def]
    return (_packed(sat16, _rows(x, t), _unpacked_w4(w, rows, groups, octets, n, k, *numbers)),)


@_op
def conv1d_s8(y, x, w, bias, mult, shift, t, n, d, k, t_in, stride, pad_left, x_zp, y_zp,  # type: ignore
              bias_step, mult_step):
    """A linear layer over windows of k rows of the padded input."""
    padded = [x_zp] * (pad_left * d) + x + [x_zp] * ((t * stride + k) * d)
    windows = (padded[i * stride * d : (i * stride + k) * d] for i in range(t))
    return ([sat8(v + y_zp) for v in _affine(windows, _rows(w, n), bias, mult, shift, bias_step, mult_step)],)


@_op
def depthwise_conv_s8(y, x, w, bias, mult, shift, state, t, d, k, y_zp, bias_step, mult_step):  # type: ignore
    """Each channel on its own, over the rows of the past and those that come."""
    history = state + x
    out = []
    for i in range(t):
        for c in range(d):
            acc = _dot(history[i * d + c : (i + k) * d : d], w[c::d]) + _nth(bias, c, bias_step)
            out.append(sat8(mbqm(wrap(acc), _nth(mult, c, mult_step), _nth(shift, c, mult_step)) + y_zp))
    return out, history[t * d :]


@_op
def interleave_s8(y, x, t, d, count, index):  # type: ignore[no-untyped-def]
    out = _rows(y, t * count)
    out[index::count] = _rows(x, t)
    return ([v for row in out for v in row],)


def normalized(q: int) -> tuple[int, int]:
    """h and the upper 32 of the 64 bits of q 4^h, with 2^62 <= q 4^h < 2^64."""
    h = (64 - q.bit_length()) // 2
    return h, q * 4**h // 2**32


def reciprocal_root(m: int, steps: int = 4) -> int:
    """About 2^46 / sqrt(m): the header's seed and its Newton steps."""
    r = 2641404887 - m * 1431655765 // 2**32
    for _ in range(steps):
        r = r * (3 * 2**28 - m * (r * r // 2**32) // 2**32) // 2**29
    return r


def weighted(v: int, h: int, r: int, w: int) -> int:
    unit = v * 2**h * r // 2**32
    return unit * w // 2**16


@_op
def layer_norm_s8(y, x, w, b, t, d, eps, y_zp, mult, shift):  # type: ignore[no-untyped-def]
    out = []
    for row in _rows(x, t):
        v = [d * q - sum(row) for q in row]
        h, m = normalized(_dot(v, v) + eps)
        r = reciprocal_root(m)
        out += [sat8(mbqm(wrap(b[c] + weighted(v[c], h, r, w[c])), mult, shift) + y_zp) for c in range(d)]
    return (out,)


@_op
def rms_norm_s8(y, x, w, t, d, x_zp, eps, mult, shift):  # type: ignore[no-untyped-def]
    out = []
    for row in _rows(x, t):
        v = [q - x_zp for q in row]
        h, m = normalized(_dot(v, v) + eps)
        r = reciprocal_root(m)
        out += [sat8(mbqm(weighted(v[c], h, r, w[c]), mult, shift)) for c in range(d)]
    return (out,)


@lru_cache(maxsize=4096)
def exponential(d: int, mult: int, shift: int) -> int:
    """exp of a difference d <= 0 of codes, in Q0."""
    return exp_on_negative(srdhm(shl(d, shift), mult), 5)


@_op
def softmax_s8(y, x, table, t, n, size):  # type: ignore[no-untyped-def]
    """The sum of exponentials lies in Q12 and the result of 2^-8 comes from Q0."""
    out = []
    for row in _rows(x, t):
        e = [table[min(max(row) - q, size - 1)] for q in row]
        total = sum(rdbpot(v, 12) for v in e)
        room = 32 - total.bit_length()
        scale = one_over_one_plus(total * 2**room - 2**31)
        out += [sat8(rdbpot(srdhm(scale, v), 35 - room) - 128) for v in e]
    return (out,)


@_op
def matmul_s8(y, a, b, pairs, m, n, k, a_zp, b_zp, y_zp, b_n, b_k, mult, shift):  # type: ignore[no-untyped-def]
    columns = [[b[o * b_n + j * b_k] - b_zp for j in range(k)] for o in range(n)]
    rows = [[q - a_zp for q in row] for row in _rows(a, m)]
    return ([sat8(mbqm(wrap(_dot(row, column)), mult, shift) + y_zp) for row in rows for column in columns],)


@_op
def attention_s8(y, q, k, v, table, scores, pairs, m, n, d, width, size, quads, q_zp, k_zp, s_zp,  # type: ignore
                 v_zp, y_zp, s_mult, s_shift, mult, shift):
    """All scores at once."""
    (s,) = matmul_s8([], q, k, [], m, n, d, q_zp, k_zp, s_zp, d, 1, s_mult, s_shift)
    (p,) = softmax_s8([], s, table, m, n, size)
    return matmul_s8([], p, v, [], m, width, n, -128, v_zp, y_zp, 1, width, mult, shift)


@_op
def add_s8(y, a, b, t, d, a_zp, b_zp, y_zp, a_mult, a_shift, b_mult, b_shift, mult, shift):  # type: ignore
    left, right = ({q: mbqm(shl(q - zp, 20), m, s) for q in range(-128, 128)}
                   for zp, m, s in ((a_zp, a_mult, a_shift), (b_zp, b_mult, b_shift)))
    return ([sat8(mbqm(add(left[p], right[q]), mult, shift) + y_zp) for p, q in zip(a, b, strict=True)],)


@_op
def mul_s8(y, a, b, t, d, a_zp, b_zp, y_zp, mult, shift):  # type: ignore[no-untyped-def]
    return ([sat8(mbqm((p - a_zp) * (q - b_zp), mult, shift) + y_zp) for p, q in zip(a, b, strict=True)],)


def look_up(table: Sequence[int], code: int) -> int:
    return table[code + 128]


@_op
def table_s8(y, x, table, t, d):  # type: ignore[no-untyped-def]
    return ([look_up(table, q) for q in x],)


@_op
def table_s8_u16(y, x, table, t, d):  # type: ignore[no-untyped-def]
    return ([look_up(table, q) for q in x],)


def line(i: int) -> tuple[int, int]:
    """Value and slope of the i-th line where its fraction, taken as signed, is 0: the unit's start, or its end."""
    f = (2 * i + 1) * 2**24 - (2**32 if i > 63 else 0)  # the middle
    return nearest_up(Fraction(AT_MIDDLE[i], 2**31) - Fraction(SLOPE[i] * f, 2**16)), SLOPE[i]


LINES = [line(i) for i in range(128)]


def decay(u: int) -> int:
    """2^(-u / 2^32) in Q31: the line over u's 128th of the unit, and the whole part as a shift."""
    f = wrap(u)
    value, slope = LINES[f // 2**25 % 128]
    return (value + slope * f // 2**16) // 2 ** (u // 2**32)


def product_q31(a: int, b: int) -> int:
    return a * b // 2**31


def advance(d: int, h: int, g: int, b: int) -> int:
    """The state after a step; d in Q31, g b in Q15."""
    return sat16((h * d // 2**16 + g * b + 2**14) // 2**15)


def _scan(x, dt, b, c, decays, d_skip, h_exp, h, t, e, n, x_zp, y_zp, g_mult, g_shift, b_shift,  # type: ignore
          d_shift, y_mult, y_shift):
    """decays(j, delta): the n decays of channel j for the time step's code delta."""
    state, out = [list(row) for row in _rows(h, e)], []
    for codes, deltas, into, outof in zip(_rows(x, t), _rows(dt, t), _rows(b, t), _rows(c, t), strict=True):
        for j in range(e):
            v = codes[j] - x_zp
            g = sat16(mbqm(deltas[j] * v, g_mult, g_shift - h_exp[j]))
            state[j] = [advance(d, old, g, w * 2**b_shift)
                        for d, old, w in zip(decays(j, deltas[j]), state[j], into, strict=True)]
            total = wrap(d_skip[j] * v * 2**d_shift + _dot(outof, state[j]))
            out.append(sat8(y_zp + mbqm(total, y_mult, y_shift + h_exp[j])))
    return out, [v for row in state for v in row]


@_op
def scan_s8(y, x, dt, b, c, a, a_scale, d_skip, h_exp, h, bc, t, e, n, *numbers):  # type: ignore[no-untyped-def]
    codes = _rows(a, e)

    def decays(j: int, delta: int) -> list[int]:
        return [decay(code * (delta * scale // 8)) for code, scale in zip(codes[j], a_scale, strict=True)]

    return _scan(x, dt, b, c, decays, d_skip, h_exp, h, t, e, n, *numbers)


@_op
def scan_powers_s8(y, x, dt, b, c, a, d_skip, h_exp, h, bc, t, e, n, x_zp, y_zp, a_shift, *numbers):  # type: ignore
    def decays(j: int, delta: int) -> list[int]:
        powers = [decay(delta * a[j] // 2**a_shift * 16)]
        while len(powers) < n:
            powers.append(product_q31(powers[-1], powers[0]))
        return powers

    return _scan(x, dt, b, c, decays, d_skip, h_exp, h, t, e, n, x_zp, y_zp, *numbers)


CLOSED = -(2**15)


def first_greatest(values: Sequence[int]) -> int:
    return values.index(max(values))


def _path(x: Sequence[int], trans: Sequence[int], end: Sequence[int], scores: Sequence[int], t: int, c: int
          ) -> Iterator[tuple[list[int], list[int]]]:
    """Of each row, the scores, and with the end's what the label is the first greatest of."""
    sources = _rows(trans, c + 1)
    for emitted in _rows(x, t):
        reached = [sat16(max(sat16(s + row[to]) for s, row in zip(scores, sources, strict=True)) + emitted[to])
                   for to in range(c)]
        scores = [sat16(v - max(reached)) for v in reached] + [CLOSED]
        yield scores, [sat16(s + last) for s, last in zip(scores, end, strict=False)]


@_op
def viterbi_s16(y, x, trans, end, scores, best, t, c):  # type: ignore[no-untyped-def]
    rows = list(_path(x, trans, end, scores, t, c))
    return [first_greatest(totals) for _, totals in rows], rows[-1][0]


@_op
def argmax_s16(y, x, t, c):  # type: ignore[no-untyped-def]
    return ([first_greatest(row) for row in _rows(x, t)],)


def margin(values: Sequence[int]) -> int:
    """How far the greatest lies above the second; above the least that 16 bits hold, where there is no second."""
    first, second, *_ = sorted([*values, -(2**15)], reverse=True)
    return first - second


def _sure(values: Sequence[int], table: Sequence[int], shift: int) -> list[int]:
    return [first_greatest(values), table[min(margin(values) // 2**shift, len(table) - 1)]]


@_op
def argmax_confidence_s16(y, x, table, t, c, size, shift):  # type: ignore[no-untyped-def]
    return ([v for row in _rows(x, t) for v in _sure(row, table, shift)],)


@_op
def viterbi_confidence_s16(y, x, trans, end, table, scores, best, t, c, size, shift):  # type: ignore[no-untyped-def]
    rows = list(_path(x, trans, end, scores, t, c))
    return [v for _, totals in rows for v in _sure(totals, table, shift)], rows[-1][0]
