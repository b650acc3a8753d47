"""The specs of all ops as bytes for c/check.c, which interprets them on the device.

    python -m tinyloc.kernels.encode      # writes c/spec.h, and TL_ABI into c/tinyloc.h

A spec becomes a small program for a stack of int32: numbers first, then relations, then the arrays in order, each with
its elements' ranges.  c/check.c says what a byte does; the numbers of both are here and there, and a test holds the one
to the other by their verdicts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from tinyloc.kernels.op import Op
from tinyloc.kernels.spec import ANY, CONSTANT, DTYPES, INT32_MAX, RANGES, WRITTEN, Param, Range, evaluate, names, parsed

# Bytes below 0x10 push a number of the step, by its place.
CLASS, PAIR, ARRAY, ADD, SUB, MUL, LIMIT, VALUES, FIRST, HALF, END = (
    0x10, 0x18, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37)
ONES, SMALL = 0x40, 0xA0  # 2^k - 1 for k = 0 to 31; -64 to 95
CLASSES = (*RANGES, ANY)  # in the order of c/check.c's table
READ, FIXED, OWN, IN_PLACE = 0, 1, 2, 3  # what an array may be: anywhere, in the image, in the arena, or y's very bytes
DEPTH = 8

_BYTE = {ast.Add: ADD, ast.Sub: SUB, ast.Mult: MUL}


def number(n: int) -> bytes:
    """Pushes n."""
    if -64 <= n <= 95:
        return bytes([SMALL + n])
    if n > 0 and n & (n + 1) == 0:
        return bytes([ONES + n.bit_length()])
    if -(2**15) <= n < 2**15:
        return bytes([HALF]) + (n & 0xFFFF).to_bytes(2, "little")
    if n < 0:
        return number(0) + number(-n) + bytes([SUB])
    if n & (n - 1) == 0:
        return number(n - 1) + number(1) + bytes([ADD])
    return number(n >> 14) + number(1 << 14) + bytes([MUL]) + number(n & 2**14 - 1) + bytes([ADD])


def expression(text: str, places: dict[str, int]) -> bytes:
    """Pushes its value."""

    def push(e: ast.expr) -> bytes:
        if not names(ast.unparse(e)):
            return number(evaluate(ast.unparse(e), {}, check=False))
        if isinstance(e, ast.Name):
            return bytes([places[e.id]])
        assert isinstance(e, ast.BinOp) and type(e.op) in _BYTE, text  # as `parse` has seen
        return push(e.left) + push(e.right) + bytes([_BYTE[type(e.op)]])

    return push(parsed(text))


def _bounds(r: Range, places: dict[str, int]) -> bytes:
    if r.name:
        return bytes([PAIR + CLASSES.index(r.name)])
    return expression(r.low, places) + (number(INT32_MAX) if r.high is None else expression(r.high, places))


def _array(op: Op, p: Param, places: dict[str, int]) -> bytes:
    kind = FIXED if p.role in CONSTANT else OWN if p.role in WRITTEN else IN_PLACE if p.name in op.in_place else READ
    code = expression(p.size, places) + bytes([ARRAY + 4 * kind + DTYPES[p.dtype].itemsize.bit_length() - 1])
    for r in p.ranges:
        code += b"" if r.count is None else expression(r.count, places)
        code += _bounds(r, places) + bytes([VALUES if r.count is None else FIRST])
    return code


def encode(op: Op) -> bytes:
    """The bytes of the op's spec; the first two are how many arrays and how many numbers it has."""
    ints = [p for p in op.params if not p.is_array]
    arrays = [p for p in op.params if p.is_array]
    places = {p.name: i for i, p in enumerate(ints)}
    classes, limits = b"", b""
    for p in ints:
        own = next((r for r in p.ranges if r.name), None)
        classes += bytes([CLASS + CLASSES.index(own.name if own else ANY)])
        limits += b"".join(bytes([places[p.name], *_bounds(r, places), LIMIT]) for r in p.ranges if r is not own)
    for relation in op.relations:
        for r in relation.ranges:
            limits += expression(relation.expression, places) + _bounds(r, places) + bytes([LIMIT])
    sized = b"".join(_array(op, p, places) for p in arrays)
    code = bytes([len(arrays), len(ints)]) + classes + limits + sized + bytes([END])
    if (deepest := depth(code)) > DEPTH:
        raise ValueError(f"op {op.name}: its spec needs a stack of {deepest}, c/check.c has {DEPTH}")
    return code


def depth(code: bytes) -> int:
    """The most that is on the stack."""
    moves = dict.fromkeys(range(256), 1) | dict.fromkeys(range(CLASS, PAIR), 0) | dict.fromkeys(range(PAIR, ARRAY), 2)
    moves |= dict.fromkeys([*range(ARRAY, ADD), ADD, SUB, MUL], -1) | {LIMIT: -3, VALUES: -2, FIRST: -3}
    now = most = 0
    i = 2
    while code[i] != END:
        now += moves[code[i]]
        most = max(most, now)
        i += 3 if code[i] == HALF else 1
    if now:
        raise ValueError("a spec that leaves something on the stack")
    return most


def header(ops: Iterable[Op]) -> str:
    """c/spec.h."""
    rows = []
    for op in ops:
        data = [f"0x{b:02x}," for b in encode(op)]
        lines = [" ".join(data[i : i + 20]) for i in range(0, len(data), 20)]
        rows.append(f"#define TL_SPEC_{op.name} \\\n    " + " \\\n    ".join(lines).rstrip(","))
    return ("/* What each kernel takes and takes for granted, as bytes for check.c.\n"
            " * Generated from the specs of kernels/ by: python -m tinyloc.kernels.encode */\n"
            "#ifndef TL_SPEC_H\n#define TL_SPEC_H\n\n" + "\n".join(rows) + "\n\n#endif\n")


def with_abi(text: str) -> str:
    """c/tinyloc.h with the TL_ABI of these specs."""
    import re

    from tinyloc.kernels.table import ABI

    return re.sub(r"(#define TL_ABI )0x\w+u", rf"\g<1>{ABI:#010x}u", text)


def main() -> None:
    from tinyloc.files import write_atomic
    from tinyloc.kernels.table import OPS

    c = Path(__file__).resolve().parent / "c"
    write_atomic(c / "spec.h", header(OPS.values()))
    write_atomic(c / "tinyloc.h", with_abi((c / "tinyloc.h").read_text(encoding="utf-8")))
    print("kernels/c/spec.h and TL_ABI in kernels/c/tinyloc.h are current; rebuild the extension")


if __name__ == "__main__":
    main()
