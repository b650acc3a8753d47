"""Frozen vectors: a few small cases of every kernel, each with the mistakes that it is there to catch.

    python tests/make_frozen.py          # adds vectors for new kernels and new mistakes; never changes one
    python tests/make_frozen.py --accept # also takes results that changed: a release says so under "Changed bits"

It writes tests/frozen/ and, of that, tests/c/frozen.h, which C reads.

A mistake is a wrong version of one function of tests/exact.py, or of one argument.  A vector names those that give
another result than the right one on it, so what it says can be checked, and is (test_frozen.py).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import exact
import numpy as np
from operands import ALL, operands

from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

HERE = Path(__file__).resolve().parent / "frozen"
PRIMITIVES = HERE / "fixed.json"  # those of c/fixed.h
HEADER = HERE.parent / "c" / "frozen.h"
SEED, POOL = 7, 1500  # cases that vectors are chosen from
TRIED = 80  # the smallest of them; all, for mistakes that no vector of any op catches (they change few bits)

Result = list[list[int]]


def _toward_zero(x: int, divisor: int) -> int:
    return x // divisor if x >= 0 else -(-x // divisor)


def _mbqm_once(x: int, mult: int, shift: int) -> int:
    return (x * mult * 2 ** (32 + shift) // 2**62 + 1) // 2


def _no_line(u: int) -> int:
    return round(2 ** (31 - u // 2**25 / 128 % 1)) // 2 ** (u // 2**32)


_decay, _newton, _root, _dot, _mbqm = exact.decay, exact.newton, exact.reciprocal_root, exact._dot, exact.mbqm

# what went wrong: the function of exact.py, and its wrong version
WRONG: dict[str, tuple[str, Any]] = {
    "ties of the right shift up instead of away from zero": ("rdbpot", lambda x, e: (2 * x + 2**e) // 2 ** (e + 1)),
    "right shift without rounding": ("rdbpot", lambda x, e: x // 2**e),
    "high product without rounding": ("srdhm", lambda a, b: a * b // 2**31),
    "ties of the high product away from zero": (
        "srdhm", lambda a, b: (1 if a * b >= 0 else -1) * ((abs(a * b) + 2**30) // 2**31)),
    "one rounding instead of two": ("mbqm", _mbqm_once),
    "left shift left out": ("mbqm", lambda x, mult, shift: _mbqm(x, mult, min(shift, 0))),
    "int8 wraps instead of saturating": ("sat8", lambda x: (x + 128) % 256 - 128),
    "int8 saturates at -127": ("sat8", lambda x: exact.clamp(x, -127, 127)),
    "int16 wraps instead of saturating": ("sat16", lambda x: (x + 32768) % 65536 - 32768),
    "sum of products in 16 bits": ("_dot", lambda a, b: (_dot(a, b) + 32768) % 65536 - 32768),
    "two Newton steps for the reciprocal": ("newton", lambda a: _newton(a, 2)),
    "three Newton steps for the reciprocal root": ("reciprocal_root", lambda m: _root(m, 3)),
    "one Newton step for the reciprocal root": ("reciprocal_root", lambda m: _root(m, 1)),
    "normalized value in 15 bits": ("weighted", lambda v, h, r, w: v * 2**h * r // 2**47 * w // 2),
    "a decay of 0.905 whatever the step": ("decay", lambda u: round(0.905 * 2**31)),
    "decay in 15 bits": ("decay", lambda u: _decay(u) // 2**16 * 2**16),
    "decay from the table alone, without the line": ("decay", _no_line),
    "decay's exponent modulo 1": ("decay", lambda u: _decay(u % 2**32)),
    "powers of the decay rounded": ("product_q31", lambda a, b: (a * b + 2**30) // 2**31),
    "state rounds down": ("advance", lambda d, h, g, b: exact.sat16((h * d // 2**16 + g * b) // 2**15)),
    "kept state toward zero": (
        "advance", lambda d, h, g, b: exact.sat16((_toward_zero(h * d, 2**16) + g * b + 2**14) // 2**15)),
    "the last of equal values wins": ("first_greatest", lambda v: len(v) - 1 - v[::-1].index(max(v))),
    "the start stays open": ("CLOSED", 0),
    "margin above the least score": ("margin", lambda v: max(v) - min(v)),
    "margin above the second of distinct scores": (
        "margin", lambda v: max(v) - max([x for x in v if x < max(v)], default=-32768)),
    "table indexed by the unsigned code": ("look_up", lambda table, code: table[code % 256]),
}


_away = WRONG["ties of the high product away from zero"][1]
_P = {name: judge for name, (judge, _, _) in ALL.items()}


def _saturated(f: Callable[..., int]) -> Callable[..., int]:
    return lambda *v: exact.clamp(f(*v), exact.INT32_MIN, exact.INT32_MAX)


def _toward(x: int, bits: int) -> int:
    return _toward_zero(x, 2**bits)


# primitive -> what went wrong: its wrong version
WRONG_PRIMITIVES: dict[str, dict[str, Callable[..., int]]] = {
    "clamp": {"no lower bound": lambda x, lo, hi: min(x, hi), "no upper bound": lambda x, lo, hi: max(x, lo)},
    "sat8": {"wraps": lambda x: (x + 128) % 256 - 128, "ends at -127": lambda x: exact.clamp(x, -127, 127),
             "ends at 126": lambda x: exact.clamp(x, -128, 126)},
    "sat16": {"wraps": lambda x: (x + 32768) % 65536 - 32768, "ends at -32767": lambda x: exact.clamp(x, -32767, 32767)},
    "add": {"saturates": _saturated(lambda a, b: a + b)},
    "sub": {"saturates": _saturated(lambda a, b: a - b), "operands exchanged": lambda a, b: _P["sub"](b, a)},
    "mul": {"saturates": _saturated(lambda a, b: a * b), "of 16 bits": lambda a, b: _P["mul"](exact.wrap(a << 16) >> 16, b)},
    "shl": {"saturates": _saturated(lambda x, n: x << n), "shifts by n modulo 16": lambda x, n: _P["shl"](x, n % 16)},
    "srdhm": {"does not saturate": exact.srdhm_wrap, "no rounding": lambda a, b: min(a * b >> 31, exact.INT32_MAX),
              "ties away from zero": _away,
              "unsigned": lambda a, b: exact.wrap((a % 2**32 * (b % 2**32) + 2**30) >> 31)},
    "rdbpot": {"ties up": lambda x, e: (2 * x + 2**e) >> e + 1, "no rounding": lambda x, e: x >> e, "toward zero": _toward},
    "rshift_round": {"ties away from zero": exact.rdbpot, "no rounding": lambda x, e: x >> e},
    "mbqm": {"one rounding": _mbqm_once, "no left shift": lambda x, m, s: _mbqm(x, m, min(s, 0)),
             "no right shift": lambda x, m, s: _mbqm(x, m, max(s, 0)),
             "last ties up": lambda x, m, s: exact.rshift_round(exact.srdhm(exact.shl(x, max(s, 0)), m), max(-s, 0))},
    "opaque": {"of 16 bits": exact.sat16},
    "less": {"by the sign of the difference": lambda a, b: -1 if exact.wrap(a - b) < 0 else 0,
             "or equal": lambda a, b: -1 if a <= b else 0, "unsigned": lambda a, b: -1 if a % 2**32 < b % 2**32 else 0,
             "1 instead of -1": lambda a, b: 1 if a < b else 0},
    "is_zero": {"below zero too": lambda x: -1 if x <= 0 else 0, "of the lower half": lambda x: -1 if x % 65536 == 0 else 0,
                "1 instead of -1": lambda x: 1 if x == 0 else 0},
    "select": {"exchanged": lambda mask, yes, no: no if mask else yes},
    "min": {"by the sign of the difference": lambda a, b: a if exact.wrap(a - b) < 0 else b, "the greater": max},
    "max": {"by the sign of the difference": lambda a, b: b if exact.wrap(a - b) < 0 else a, "the less": min},
    "near_less": {"or equal": lambda a, b: -1 if a <= b else 0}, "near_min": {"the greater": max},
    "near_max": {"the less": min},
    "sat": {"wraps": lambda x, bits: (x + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1),
            "8 bits always": lambda x, bits: exact.sat8(x), "16 bits always": lambda x, bits: exact.sat16(x)},
    "sat_near8": {"wraps": lambda x: (x + 128) % 256 - 128, "ends at -127": lambda x: exact.clamp(x, -127, 127)},
    "umul64": {"signed": lambda a, b: a * b, "the upper half lost": lambda a, b: _P["umul64"](a, b) % 2**32},
    "mul64": {"unsigned": _P["umul64"], "the upper half lost": lambda a, b: exact.wrap(a * b)},
    "mul_high": {"toward zero": lambda a, b: _toward(a * b, 32),
                 "unsigned": lambda a, b: exact.wrap(_P["umul64"](a, b) >> 32),
                 "rounded": lambda a, b: (a * b + 2**31) >> 32},
    "mul_16": {"toward zero": lambda a, w: _toward(a * w, 16),
               "16 bits unsigned": lambda a, w: exact.wrap(a * (w % 65536) >> 16),
               "rounded": lambda a, w: (a * w + 2**15) >> 16},
    "srdhm_wrap": {"saturates": exact.srdhm, "no rounding": lambda a, b: exact.wrap(a * b >> 31),
                   "ties away from zero": lambda a, b: exact.wrap(_away(a, b))},
    "half_srdhm": {"no rounding": lambda x, m: x * m >> 32, "of all of x": lambda x, m: exact.srdhm(x, m)},
    "rescale8": {"no rounding": lambda x, m, less, off: exact.sat8((exact.half_srdhm(x, m) >> less + 1) + (off - 1) // 2),
                 "ties up": lambda x, m, less, off: exact.sat8(
                     exact.nearest_up(Fraction(exact.half_srdhm(x, m), 2 ** (less + 1))) + (off - 1) // 2),
                 "no zero point": lambda x, m, less, off: exact.rescale8(x, m, less, 1),
                 "wraps": lambda x, m, less, off: (exact.mbqm(x // 2, m, -1 - less) + (off - 1) // 2 + 128) % 256 - 128,
                 "shifted once less": lambda x, m, less, off: exact.rescale8(x, m, max(less - 1, 0), off)},
    "upper": {"unsigned": lambda a, b: exact.wrap((a % 2**32 >> 16) * (b % 2**32 >> 16))},
    "half_middle": {"the 33rd bit lost": lambda a, b, r: exact.wrap(
        (a * b >> 16) + r - (exact.upper(a, b) << 16)) >> 1, "no rounding": lambda a, b, r: exact.half_middle(a, b, 0)},
}


def primitive_vectors() -> list[dict[str, Any]]:
    """Of each primitive the first operands that catch a mistake which none before them does."""
    made = []
    for name, (judge, _, _) in ALL.items():
        left = dict(WRONG_PRIMITIVES[name])
        for v in operands(name, 4000):
            want = judge(*v)
            caught = [text for text, wrong in left.items() if wrong(*v) != want]
            if caught:
                made.append({"primitive": name, "catches": caught, "operands": list(v), "result": want})
                left = {text: wrong for text, wrong in left.items() if text not in caught}
            if not left:
                break
        assert not left, f"{name}: no operands catch: {', '.join(left)}"
    return made


@contextmanager
def _patched(name: str, wrong: Any) -> Iterator[None]:
    right = getattr(exact, name)
    exact.exponential.cache_clear()
    setattr(exact, name, wrong)
    try:
        yield
    finally:
        setattr(exact, name, right)
        exact.exponential.cache_clear()


class _UsedError(Exception):
    pass


def _raise(*_: Any) -> int:
    raise _UsedError


def _uses(op: Op, name: str) -> bool:
    """Whether the op's exact version calls that function (or may read that constant)."""
    if not callable(getattr(exact, name)):
        return True
    cases = islice(op.cases(np.random.default_rng(SEED), 1), 10)
    try:
        with _patched(name, _raise):
            for args in sorted(cases, key=_size)[:6]:  # the first may be of one element
                right(op, args)
    except _UsedError:
        return True
    return False


def _size(args: Args) -> int:
    return sum(a.size for a in args if isinstance(a, np.ndarray))


def right(op: Op, args: Args) -> Result:
    return exact.OPS[op.name](*op.prepare(args))


def mistakes(op: Op) -> dict[str, Callable[[Args], Result | None]]:
    """Everything that can go wrong in a kernel of these parameters: text -> the wrong result (None if it crashes)."""

    def function(name: str, wrong: Any) -> Callable[[Args], Result | None]:
        def call(args: Args) -> Result | None:
            with _patched(name, wrong):
                return right(op, args)

        return call

    def argument(i: int, wrong: Callable[[Any], Any]) -> Callable[[Args], Result | None]:
        def call(args: Args) -> Result | None:
            changed = op.prepare(args)
            changed[i] = wrong(changed[i])
            try:
                return exact.OPS[op.name](*changed)
            except (ArithmeticError, IndexError, ValueError):
                return None

        return call

    made = {text: function(*how) for text, how in WRONG.items()}
    sizes = {name for p in op.params for name in re.findall(r"[a-z]\w*", p.size)}
    for i, p in enumerate(op.params):
        if not p.is_array and p.name not in sizes:
            made[f"{p.name} ignored"] = argument(i, lambda v: 0)
        elif p.role in ("in", "weight", "table", "state"):
            made[f"{p.name} read one place off"] = argument(i, lambda v: np.roll(v, 1))
            if p.dtype.startswith("u"):
                made[f"{p.name} read as signed"] = argument(
                    i, lambda v: v.view(f"int{8 * v.itemsize}").astype(np.int64))
            if p.role == "state":
                made[f"{p.name} taken as 0"] = argument(i, np.zeros_like)
    return made


def load(name: str) -> list[dict[str, Any]]:
    """The frozen vectors of an op; none if there is no file."""
    path = HERE / f"{name}.json"
    return list(json.loads(path.read_text())["vectors"]) if path.exists() else []


def args_of(op: Op, vector: dict[str, Any]) -> Args:
    return [np.array(v, p.dtype) if p.is_array else v
            for p, v in ((p, vector["args"][p.name]) for p in op.params)]


def result_of(op: Op, result: Result) -> dict[str, list[int]]:
    return dict(zip([p.name for p in op.params if p.role in ("out", "state")], result, strict=True))


def render(name: str, vectors: list[dict[str, Any]]) -> str:
    """The text of an op's file."""
    lines = []
    for v in vectors:
        parts = [f'"{key}": {json.dumps(v[key], separators=(",", ":"))}' for key in ("args", "result")]
        lines.append('  {"catches": ' + json.dumps(v["catches"]) + ",\n   " + ",\n   ".join(parts) + "}")
    return f'{{"op": "{name}", "vectors": [\n' + ",\n".join(lines) + "\n]}\n"


def render_primitives(vectors: list[dict[str, Any]]) -> str:
    """The text of the primitives' file."""
    return '{"vectors": [\n' + ",\n".join(f"  {json.dumps(v)}" for v in vectors) + "\n]}\n"


def _text(catches: list[str]) -> str:
    return json.dumps("; ".join(catches))


def _array(name: str, dtype: str, values: list[int]) -> str:
    body = textwrap.fill(", ".join(map(str, values)).replace("-2147483648", "(-2147483647 - 1)"), 121, initial_indent="    ",
                         subsequent_indent="    ", break_on_hyphens=False)
    return f"static const {dtype}_t {name}[] = {{\n{body},\n}};\n"


def partial(op: Op, vector: dict[str, Any]) -> bool:
    """Whether the result keeps some of what the output held before."""
    args = args_of(op, vector)
    args[0] = args[0] ^ 1
    return result_of(op, right(op, args)) != vector["result"]


def header() -> str:
    """The vectors as C, for tests/c/frozen.c."""
    arrays, rows, words = [], [], 0
    for name, op in OPS.items():
        for number, v in enumerate(load(name)):
            args, bytes_ = [], 8
            for p in op.params:
                value, stem = v["args"][p.name], f"{name}_{number}_{p.name}"
                if not p.is_array:
                    args.append("NUMBER(" + str(value).replace("-2147483648", "-2147483647 - 1") + ")")
                    continue
                size = len(value) * int(p.dtype.lstrip("uint")) // 8
                bytes_ += (size + 3) // 4 * 4 + 8
                if p.role == "scratch" or not size:  # of no bytes: no array, as C has none
                    args.append(f"SCRATCH({size})")
                    continue
                role = "part" if p.role == "out" and partial(op, v) else p.role
                if role != "out":
                    arrays.append(_array(stem, p.dtype, value))
                if p.role in ("out", "state"):
                    arrays.append(_array(f"{stem}_after", p.dtype, v["result"][p.name]))
                both = f"STATE({stem}, {stem}_after)"
                args.append({"out": f"WRITTEN({stem}_after)", "part": both, "state": both}.get(role, f"READ({stem})"))
            body = textwrap.fill(", ".join(args), 121, initial_indent="    ", subsequent_indent="    ")
            arrays.append(f"static const frozen_arg {name}_{number}[] = {{\n{body},\n}};\n")
            rows.append(f'    {{"{name}", {_text(v["catches"])}, tl_step_{name}, {name}_{number}, {len(op.params)}}},\n')
            words = max(words, bytes_ // 4)
    fixed = []
    for v in json.loads(PRIMITIVES.read_text())["vectors"]:
        of = ", ".join(str(x).replace("-2147483648", "-2147483647 - 1") for x in (*v["operands"], 0, 0, 0)[:4])
        result = exact.wrap(v["result"]) if -(2**31) <= v["result"] < 2**31 else v["result"]
        wide = (result + 2**63) % 2**64 - 2**63
        fixed.append(f'    {{"{v["primitive"]}", {_text(v["catches"])}, fixed_{v["primitive"]}, {{{of}}}, '
                     f'{"INT64_MIN" if wide == -(2**63) else f"INT64_C({wide})"}}},\n')
    return ("/* Written by tests/make_frozen.py out of tests/frozen; frozen.c includes it. */\n"
            + "".join(arrays) + "static const frozen_vector vectors[] = {\n" + "".join(rows) + "};\n"
            + "static const frozen_primitive primitives[] = {\n" + "".join(fixed) + "};\n"
            + f"enum {{ FROZEN_WORDS = {words} }};\n")


def added(op: Op, vectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Vectors that catch what `vectors` do not: the smallest cases that do."""
    known = {text for name in OPS for v in load(name) for text in v["catches"]}
    left = {text: wrong for text, wrong in mistakes(op).items()
            if not any(text in v["catches"] for v in vectors) and (text not in WRONG or _uses(op, WRONG[text][0]))}
    pool = [op.prepare(a) for a in islice(op.cases(np.random.default_rng(SEED), 2), POOL)]
    pool.sort(key=_size)
    new = []
    for number, args in enumerate(pool):
        if number == TRIED:
            left = {text: wrong for text, wrong in left.items() if text in WRONG and text not in known}
        if not left:
            break
        want = right(op, args)
        caught = [text for text, wrong in left.items() if wrong(args) != want]
        if caught:
            named = {p.name: a.tolist() if p.is_array else a for p, a in zip(op.params, args, strict=True)}
            new.append({"catches": caught, "args": named, "result": result_of(op, want)})
            left = {text: wrong for text, wrong in left.items() if text not in caught}
    return new


def main() -> int:
    parser = argparse.ArgumentParser(description="Add frozen vectors for new kernels and mistakes.")
    parser.add_argument("--accept", action="store_true", help="take results that changed")
    accept = parser.parse_args().accept
    HERE.mkdir(exist_ok=True)
    for name, op in OPS.items():
        vectors = load(name)
        for i, v in enumerate(vectors):
            now = result_of(op, right(op, args_of(op, v)))
            if now != v["result"] and not accept:
                print(f"{name}, vector {i}: the result changed; --accept if that is meant", file=sys.stderr)
                return 1
            v["result"] = now
        new = added(op, vectors)
        text = render(name, vectors + new)
        (HERE / f"{name}.json").write_text(text)
        print(f"{name}: {len(vectors)} vectors, {len(new)} new, {len(text):,} bytes")
    PRIMITIVES.write_text(render_primitives(primitive_vectors()))
    HEADER.write_text(header())
    return 0


if __name__ == "__main__":
    sys.exit(main())
