"""Frozen vectors: a few small cases of every kernel, each with the mistakes that it is there to catch.

    python tests/make_frozen.py          # adds vectors for new kernels and new mistakes; never changes one
    python tests/make_frozen.py --accept # also takes results that changed: a release says so under "Changed bits"

A mistake is a wrong version of one function of tests/exact.py, or of one argument.  A vector names those that give
another result than the right one on it, so what it says can be checked, and is (test_frozen.py).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import exact
import numpy as np

from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

HERE = Path(__file__).resolve().parent / "frozen"
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
