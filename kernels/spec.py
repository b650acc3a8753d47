"""The language of `Op.spec`: what a kernel takes, and what it takes for granted.

A spec is the one source of what every loader checks before a kernel runs: `Op.sizes` and `Op.prepare`, a Program's own
checks, `tinyloc.image.Image.parse`, and `tl_open` on the device (`encode` makes the bytes that c/check.c reads).  Words,
separated by blanks, in C argument order:

    name:role:dtype:size[:range...]   an array; size is its number of elements.  Ranges hold for each element, or with
                                      `count@range` for the first `count`; a constant of a signed dtype may have them.
    name:int[:range...]               a number.  One that names a dimension (it occurs in a size) is at least 1, unless
                                      it has a range; every other one must have a range: a shift that may be anything
                                      is undefined behavior, so "any" has to be said.
    expression:is:range...            a relation of the numbers; no argument.

A range is `low..high`, both included, or `low..`, or a name of RANGES.  Expressions have +, -, *, parentheses, numbers,
the ints' names, and ** of numbers.  All ints that an expression names and all that it computes on the way lie within
+-(2^30 - 1): 32 bits suffice, and bytes of an array stay below 2^30.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

DTYPES = {np.dtype(t).name: np.dtype(t) for t in ("int8", "uint8", "int16", "uint16", "int32", "uint32")}
ROLES = ("out", "in", "weight", "table", "state", "scratch", "int")
WRITTEN = ("out", "state", "scratch")
CONSTANT = ("weight", "table")

MOST = 2**30 - 1  # of what an expression names or computes
INT32_MAX = 2**31 - 1
# What numbers and elements are most of the time.  A multiplier's lower bound spares SRDHM its one saturation; left shifts
# are of 32 bits, and right ones end at 31.
RANGES = {"size": "1..", "zp": "-128..127", "shift": "-31..31", "mult": "0..", "flag": "0..1"}
ANY = "any"

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


class SizeError(ValueError):
    """An int that an expression names, or what it computes, beyond +-MOST."""


@dataclass(frozen=True)
class Range:
    """low <= value <= high, two expressions; high None: no bound.  count: of how many elements, None: all; name: in RANGES,
    if any."""

    low: str
    high: str | None
    count: str | None = None
    name: str = ""

    @staticmethod
    def of(text: str) -> Range:
        """Raises ValueError for what is no range."""
        count, at, rest = text.rpartition("@")
        plain = RANGES.get(rest, rest)
        low, dots, high = plain.partition("..")
        if not dots or not low or (at and not count):
            raise ValueError(f"{text!r} is no range low..high, and none of {', '.join(RANGES)}")
        return Range(low, high or None, count or None, next((k for k, v in RANGES.items() if v == plain), ""))

    def bounds(self, ints: Mapping[str, int]) -> tuple[int, int]:
        """Least and greatest value."""
        return evaluate(self.low, ints), INT32_MAX if self.high is None else evaluate(self.high, ints)

    def expressions(self) -> list[str]:
        """All that it is made of."""
        return [e for e in (self.low, self.high, self.count) if e is not None]


@dataclass(frozen=True)
class Param:
    """One argument of a kernel.

    role: out (written), in (read), weight and table (constant), state (read and written, survives from one call to
    the next), scratch (written before it is read, worthless afterwards), int (a 32-bit number in the step).
    size: elements of an array; ranges: of its elements, or of the number.
    """

    name: str
    role: str
    dtype: str
    size: str = ""
    ranges: tuple[Range, ...] = ()

    @property
    def is_array(self) -> bool:
        return self.role != "int"


@dataclass(frozen=True)
class Relation:
    """An expression of the numbers, and its ranges."""

    expression: str
    ranges: tuple[Range, ...]


def parse(op: str, spec: str) -> tuple[tuple[Param, ...], tuple[Relation, ...]]:
    """The arguments and the relations of a spec.  Raises ValueError naming `op` and the word that is wrong."""
    params: list[Param] = []
    relations: list[Relation] = []
    for word in spec.split():
        try:
            name, role, *rest = word.split(":")
            if role == "is" and rest:
                relations.append(Relation(name, tuple(map(Range.of, rest))))
                continue
            dtype, size, *texts = rest if role != "int" else ("int32", "", *rest)
            if role not in ROLES or dtype not in DTYPES or (role != "int" and not size):
                raise ValueError("unknown role or dtype, or no size")
            params.append(Param(name, role, dtype, size, tuple(Range.of(t) for t in texts if t != ANY)))
            if texts and role != "int" and (role not in CONSTANT or dtype.startswith("u")):
                raise ValueError("only constants of a signed dtype have a range")
        except ValueError as e:
            raise ValueError(f"op {op}: {word!r} is no name:role:dtype:size[:range], name:int[:range] or "
                             f"expression:is:range ({e})") from None
    kinds = [not p.is_array for p in params]
    if kinds != sorted(kinds) or [i for i, p in enumerate(params) if p.role == "out"] != [0]:
        raise ValueError(f"op {op}: expected one output, first, then the other arrays, then the ints")
    ones = {p.name: 1 for p in params if not p.is_array}
    dimensions = {n for p in params if p.is_array for n in names(p.size)}
    for i, p in enumerate(params):
        if not p.is_array and not p.ranges:
            if p.name in dimensions:
                params[i] = Param(p.name, p.role, p.dtype, ranges=(Range.of("size"),))
            elif f"{p.name}:int:{ANY}" not in spec.split():
                raise ValueError(f"op {op}: {p.name} has no range; say {ANY} if it needs none")
    ranges = [r for p in params for r in p.ranges] + [r for relation in relations for r in relation.ranges]
    for expression in [*(p.size for p in params if p.is_array), *(r.expression for r in relations),
                       *(e for r in ranges for e in r.expressions())]:
        evaluate(expression, ones, check=False)
    return tuple(params), tuple(relations)


def evaluate(expression: str, ints: Mapping[str, int], check: bool = True) -> int:
    """The value of an expression of the names in `ints`.

    Raises ValueError for another expression, and, if `check`, SizeError for an int or a result beyond +-MOST on the way.
    """

    def within(value: int, e: ast.expr) -> int:
        if check and not -MOST <= value <= MOST:
            raise SizeError(f"{ast.unparse(e)} = {value}, expected at most {MOST} in size")
        return value

    def value(e: ast.expr) -> int:
        if isinstance(e, ast.BinOp) and type(e.op) in _OPERATORS:
            return within(int(_OPERATORS[type(e.op)](value(e.left), value(e.right))), e)
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Pow):
            return int(value(e.left) ** value(e.right))
        if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
            return -value(e.operand)
        if isinstance(e, ast.Name) and e.id in ints:
            return within(ints[e.id], e)
        if isinstance(e, ast.Constant) and type(e.value) is int:
            return e.value
        raise ValueError(f"{expression!r}: expected +, -, *, numbers and the names {', '.join(ints)}")

    return value(parsed(expression))


def names(expression: str) -> set[str]:
    """Ints that an expression names."""
    return {n.id for n in ast.walk(parsed(expression)) if isinstance(n, ast.Name)}


@cache
def parsed(expression: str) -> ast.expr:
    """The expression's tree.  Raises ValueError."""
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise ValueError(f"{expression!r} is no expression") from None
