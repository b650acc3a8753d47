"""Mutants of Python functions that Numba compiles: the mistakes of mutants.py's C, where Python has them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

BINARY = {
    "+": ["-"], "-": ["+"], "*": ["+"], "//": ["*"], "%": ["//"], "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"],
    "^": ["|"], "<": ["<=", ">="], ">": [">=", "<="], "<=": ["<", ">"], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "**": ["*"], "and": ["or"], "or": ["and"],
}
OTHERS = {"min": "max", "max": "min", "int64": "int32", "int32": "int16", "int16": "int8", "floor": "ceil", "not": ""}
SKIP = ("limits",)  # functions that make test cases
Found = tuple[str, int, int, str, str, int]  # function, start, end, new, change, line


def mutants_of_python(text: str) -> list[Found]:
    """Operators, comparisons, constants (one more, one less, 0), casts to a narrower type, functions that are mistaken for
    each other, and statements left out, in the bodies and signatures of a module's functions; not in docstrings, types and
    messages."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data, found = text.encode(), []
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for f in (n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name not in SKIP):
        quiet = [(n.lineno, n.end_lineno or n.lineno) for n in ast.walk(f) if isinstance(n, ast.Raise)]
        body = f.body[1:] if ast.get_docstring(f) else f.body
        first, last = body[0].lineno, f.end_lineno or 0
        for i, t in enumerate(tokens):
            row, column = t.start
            if not first <= row <= last or any(a <= row <= b for a, b in quiet):
                continue
            for new in _instead(tokens, i):
                at = starts[row - 1] + column
                found.append((f.name, at, at + len(t.string), new, f"{t.string} -> {new or 'nothing'}", row))
        for n in (n for s in body for n in ast.walk(s)):
            if isinstance(n, (ast.Assign, ast.Raise, ast.Expr)) or (isinstance(n, ast.Return) and n not in body):
                start, end = starts[n.lineno - 1] + n.col_offset, starts[(n.end_lineno or 1) - 1] + (n.end_col_offset or 0)
                found.append((f.name, start, end, "pass", "statement -> nothing", n.lineno))
    assert len(data) == len(text), "offsets are those of ASCII"
    return found


def with_what_calls(text: str, name: str) -> str:
    """The module without the functions that the one of that name changes nothing of: they need not be compiled again."""
    functions = {n.name: n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)}
    uses = {n: {m.id for m in ast.walk(f) if isinstance(m, ast.Name)} for n, f in functions.items()}
    changed = {name}
    while more := {n for n in functions if n not in changed and uses[n] & changed}:
        changed |= more
    lines = text.splitlines()
    for f in (f for n, f in functions.items() if n not in changed):
        first = min([f.lineno, *(d.lineno for d in f.decorator_list)])
        lines[first - 1 : f.end_lineno] = [""] * ((f.end_lineno or 0) - first + 1)
    return "\n".join(lines) + "\n"


def _instead(tokens: list[tokenize.TokenInfo], i: int) -> Iterator[str]:
    t, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
    if t.type == tokenize.NUMBER:
        if t.string.isdecimal():
            value = int(t.string)
            yield from (str(v) for v in sorted({value + 1, max(value - 1, 0), 0} - {value}, key=lambda v: abs(v - value)))
        else:
            yield from (f"({t.string} * 2)", f"({t.string} / 2)")
        return
    operand = before.type == tokenize.NUMBER or before.string in (")", "]") or (
        before.type == tokenize.NAME and before.string not in ("return", "if", "else", "and", "or", "not", "in"))
    if operand and t.string in BINARY:
        yield from BINARY[t.string]
    elif t.string == "-" and t.type == tokenize.OP:
        yield ""
    elif t.string in OTHERS and (after.string == "(" or t.string == "not"):
        yield OTHERS[t.string]
