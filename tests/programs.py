"""Programs for tests, made from the op table: chains of any ops on small shapes, with the constants of their cases.

No op is named here.  An int that a size names is drawn anew; the arrays of a case are cut or repeated to the sizes that
follow, which keeps each value within what its kernel takes.  Where an expression limits an int, constants have a layout
of their own (padding, say): such a case keeps all its ints but the time steps.
"""

from __future__ import annotations

import itertools
import json
import re
from functools import cache

import numpy as np
from safetensors.numpy import load

from tinyloc.files import SEAL, content_digest
from tinyloc.kernels.op import Op
from tinyloc.kernels.spec import names
from tinyloc.kernels.table import OPS
from tinyloc.program import Buffer, Program, Step

DIMENSIONS = (1, 2, 3, 4, 6)
TRIES = 40


def _numbers(op: Op, case: list, rng: np.random.Generator, t: int | None) -> list[list]:
    """Ints of one step, or of as many as fill the output: an int limited by another one counts the parts of it."""
    named = {n for p in op.params if p.is_array for n in names(p.size)}
    ints = {p.name: int(a) for p, a in zip(op.params, case, strict=True) if not p.is_array}
    dimensions = [p for p in op.params if not p.is_array and p.name in named and all(r.low == "1" for r in p.ranges)]
    for p in dimensions:
        if p.name == "t" or not _has_layout(op):
            ints[p.name] = t if p.name == "t" and t else int(rng.choice(DIMENSIONS))
    parts = _parts(op)
    ranges = [range(ints[count]) for count in parts.values()]
    return [list((ints | dict(zip(parts, values, strict=True))).values()) for values in itertools.product(*ranges)]


@cache
def _parts(op: Op) -> dict[str, str]:
    """Ints below another one, and that one."""
    return {p.name: str(r.high)[:-2] for p in op.params if not p.is_array for r in p.ranges
            if str(r.high).endswith("-1") and str(r.high)[:-2] in [q.name for q in op.params]}


@cache
def _has_layout(op: Op) -> bool:
    return any(names(e) for p in op.params if not p.is_array and p.name not in _parts(op) for r in p.ranges
               for e in r.expressions())


def random_program(seed: int, steps: int = 8, stream: bool = False, ops: tuple[str, ...] = ()) -> Program:
    """A valid Program of about `steps` steps; where no buffer fits an input, a constant is read instead.

    stream: only ops that stream, on a common number of time steps; then every input is a buffer of the Program.
    """
    rng = np.random.default_rng(seed)
    t = int(rng.choice((2, 3, 5))) if stream else None
    width = int(rng.choice(DIMENSIONS))
    shape = (t or int(rng.choice(DIMENSIONS)), width)
    buffers = {"x": Buffer("x", shape, "int8", "input", timed=True)}
    data: dict[str, np.ndarray] = {}
    made: list[Step] = []
    table = [OPS[n] for n in ops] or list(OPS.values())
    usable = [op for op in table if op.streams or not stream]

    def add(name: str, size: int, dtype: str, kind: str, values: np.ndarray | None = None) -> str:
        timed = kind == "activation" and stream
        buffers[name] = Buffer(name, (t, size // t) if timed and t else (size,), dtype, kind, timed=timed)
        if values is not None:
            data[name] = np.resize(values.reshape(-1), size)
        return name

    def choose(op: Op, case: list, sizes: list[int]) -> list[str | None] | None:
        """A buffer of the right size and type for each input, None where there is none; None if the step has none."""
        found: list[str | None] = []
        for p, size in zip(op.params, sizes, strict=False):
            if p.role == "in":
                fit = [b.name for b in buffers.values() if b.kind in ("input", "activation") and b.dtype == p.dtype
                       and b.size == size]
                found.append(str(rng.choice(fit)) if fit else None)
        return found if (any(found) or _has_layout(op)) and not (stream and None in found) else None

    while len(made) < steps:
        op = usable[int(rng.integers(len(usable)))]
        cases = list(itertools.islice(op.cases(rng, 1), 6))
        case = op.prepare(cases[int(rng.integers(len(cases)))])
        for _ in range(TRIES):
            parts = _numbers(op, case, rng, t)
            arrays = case[: len(case) - len(parts[0])]
            sizes = op.sizes([*arrays, *parts[0]])
            inputs = choose(op, case, sizes)
            if inputs and min(sizes) > 0:
                break
        else:
            continue
        i, left, args = len(made), iter(inputs), []
        for p, size, values in zip(op.params, sizes, arrays, strict=False):
            name = f"{p.name}{i}"
            if p.role == "in":
                args.append(next(left) or add(name, size, p.dtype, "weight", values))
            elif p.role == "out":
                args.append(add(name, size, p.dtype, "activation"))
            elif p.role == "scratch":
                args.append(add(name, size, p.dtype, "scratch"))
            else:
                args.append(add(name, size, p.dtype, p.role, values))
        made += [Step(op.name, (*args, *ints)) for ints in parts]
    out = str(made[-1].args[0])
    b = buffers[out]
    buffers[out] = Buffer(out, b.shape, b.dtype, "output", timed=b.timed)
    return Program(buffers, tuple(made), data, "x", out, {"seed": seed})


def windows(program: Program, count: int, seed: int = 0) -> np.ndarray:
    """Random input codes (count, ...); the first two windows are the least and the greatest code."""
    b = program.buffers[program.input]
    info = np.iinfo(b.dtype)
    x = np.random.default_rng(seed).integers(info.min, info.max + 1, (count, *b.shape)).astype(b.dtype)
    for i, code in enumerate((info.min, info.max)):
        x[i : i + 1] = code
    return x


def streaming_program(t: int = 6) -> Program:
    """By hand, as a Mamba block goes: projection, causal convolution, table, scan, gate, residual, logits, decoder."""
    rng = np.random.default_rng(7)
    d, e, n, k, c = 4, 6, 3, 3, 3
    buffers: dict[str, Buffer] = {}
    data: dict[str, np.ndarray] = {}
    steps: list[Step] = []

    def timed(name: str, width: int, dtype: str = "int8", kind: str = "activation") -> str:
        buffers[name] = Buffer(name, (t, width), dtype, kind, timed=True)
        return name

    def keep(name: str, values: np.ndarray, kind: str = "weight") -> str:
        buffers[name], data[name] = Buffer(name, values.shape, values.dtype.name, kind), values
        return name

    def int8(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape).astype(np.int8)

    def rescale(name: str, rows: int) -> tuple[str, str, str]:
        return (keep(f"{name}.bias", rng.integers(-500, 500, rows).astype(np.int32)),
                keep(f"{name}.mult", rng.integers(2**30, 2**31 - 1, rows).astype(np.int32)),
                keep(f"{name}.shift", np.full(rows, -8, np.int8)))

    def linear(name: str, x: str, rows: int, columns: int, op: str = "linear_s8") -> str:
        y = timed(name, rows, "int16" if op.endswith("s16") else "int8")
        zero = () if op.endswith("s16") else (3,)
        steps.append(Step(op, (y, x, keep(f"{name}.w", int8(rows, columns)), *rescale(name, rows), t, rows, columns,
                               *zero, 1, 1)))
        return y

    x = timed("x", d, kind="input")
    u, gate = linear("u", x, e, d), linear("gate", x, e, d)
    conv = timed("conv", e)
    steps.append(Step("depthwise_conv_s8", (conv, u, keep("conv.w", int8(k, e)), *rescale("conv", e),
                                            keep("conv.state", int8(k - 1, e), "state"), t, e, k, -5, 1, 1)))
    dt = timed("dt", e, "uint16")
    table = np.sort(rng.integers(0, 65536, 256)).astype(np.uint16)
    steps.append(Step("table_s8_u16", (dt, conv, keep("dt.table", table, "table"), t, e)))
    b, cc = linear("b", conv, n, e), linear("c", conv, n, e)
    y = timed("y", e)
    buffers["bc"] = Buffer("bc", (2 * n,), "int16", "scratch")
    steps.append(Step("scan_s8", (
        y, conv, dt, b, cc, keep("a", rng.integers(1, 256, (e, n)).astype(np.uint8)),
        keep("a_scale", np.full(n, 256, np.int16)), keep("d_skip", rng.integers(-999, 999, e).astype(np.int16)),
        keep("h_exp", np.zeros(e, np.int8)), keep("h", np.zeros((e, n), np.int16), "state"), "bc",
        t, e, n, -5, 2, 1 << 30, -8, 1, 2, 1 << 30, -12)))
    gated = timed("gated", e)
    steps.append(Step("mul_s8", (gated, y, gate, t, e, 2, 3, 0, 1 << 30, -4)))
    back = linear("back", gated, d, e)
    total = timed("sum", d)
    steps.append(Step("add_s8", (total, back, x, t, d, 3, 0, 0, 1 << 30, 0, 1 << 30, 0, 1 << 30, -19)))
    logits = linear("logits", total, c, d, "linear_s8_s16")
    label = timed("label", 1, "uint8", "output")
    buffers["best"] = Buffer("best", (c,), "int16", "scratch")
    steps.append(Step("viterbi_s16", (
        label, logits, keep("trans", rng.integers(-50, 50, (c + 1, c)).astype(np.int16)),
        keep("end", rng.integers(-50, 50, c).astype(np.int16)),
        keep("scores", np.array([*[-(2**15)] * c, 0], np.int16), "state"), "best", t, c)))
    return Program(buffers, tuple(steps), data, x, label)


def unsealed(data: bytes) -> bytes:
    """A safetensors file without its digest."""
    end = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:end])
    del head["__metadata__"][SEAL]
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


def resealed(data: bytes) -> bytes:
    """A safetensors file with the digest of what it holds now, so that a mutant gets further than to the digest; bytes that
    are none stay as they are."""
    try:
        end = 8 + int.from_bytes(data[:8], "little")
        meta = json.loads(data[8:end])["__metadata__"]
        digest = content_digest(load(data), meta)
        seal = f'"{SEAL}":"{digest}",'.encode()
        text, count = re.subn(rb'"__metadata__"\s*:\s*\{', rb"\g<0>" + seal, data[8:end], count=1)
    except Exception:  # whatever a mutant is
        return data
    return len(text).to_bytes(8, "little") + text + data[end:] if count else data
