"""Every kernel of the table: Numba = C = exact, near its mathematics, streaming, and at home in its own memory.

A failure names the case; `case(op, level, seed, number)` makes it again:
    PYTHONPATH=tests python -c "from test_kernels import *; print(case('softmax_s8', 1, 0, 7))"
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import exact
import numpy as np
import pytest

from tinyloc.kernels import build_c, simd
from tinyloc.kernels._c import ffi, lib
from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

LEVEL_2_ELEMENTS = 50_000_000  # compared between Numba and C, over all ops
HOST = tuple(simd.levels()[1:])  # the vector kernels that this processor has; `c` is the portable C
BACKENDS = ("jit", "c", *HOST)


def runner(op: Op, backend: str) -> Callable[..., None]:
    """The kernel of a row: by Numba, by portable C, or by C at a level of the host."""
    return op.on(backend) if backend in simd.LEVELS else getattr(op, backend)


each_op = pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
each_streaming_op = pytest.mark.parametrize("op", [op for op in OPS.values() if op.streams], ids=lambda op: op.name)
each_backend = pytest.mark.parametrize("backend", BACKENDS)


def cases(op: Op, level: int, seed: int = 0) -> Iterator[Args]:
    """The op's own cases; every third one has inputs at the ends of their type and around zero."""
    rng = np.random.default_rng(seed)
    edges = np.random.default_rng([seed, 1])
    for number, args in enumerate(op.cases(rng, level)):
        args = op.prepare(args)
        if number % 3 == 2:
            for p, a in zip(op.params, args, strict=True):
                if p.role == "in":
                    i = np.iinfo(p.dtype)
                    near = [v for v in (i.min, i.min + 1, -2, -1, 0, 1, 2, i.max - 1, i.max) if v >= i.min]
                    a[:] = edges.choice(near, a.size)
        yield args


def case(name: str, level: int, seed: int, number: int) -> dict[str, Any]:
    """The arguments of one case by name."""
    op = OPS[name]
    return dict(zip([p.name for p in op.params], next(islice(cases(op, level, seed), number, None)), strict=True))


def compare(op: Op, what: str, where: tuple[int, int, int], got: list[np.ndarray], want: list[Any]) -> int:
    """The number of values compared; AssertionError that names op, case, array and the first place that differs."""
    names = [p.name for p in op.params if p.role in ("out", "state")]
    for name, a, b in zip(names, got, want, strict=True):
        assert a.size == len(b), f"{op.name}, {what}: {name} has {a.size} values, expected {len(b)}"
        differ = np.flatnonzero(a != np.asarray(b))
        if differ.size:
            i = int(differ[0])
            raise AssertionError(
                f"{op.name}, {what}: {name} differs in {differ.size} of {a.size} places, first at {i}: {a[i]}, "
                f"expected {b[i]}.  Case: case({op.name!r}, level={where[0]}, seed={where[1]}, number={where[2]}) of "
                "tests/test_kernels.py")
    return sum(a.size for a in got)


def garble(op: Op, args: Args, seed: int, roles: tuple[str, ...] = ("out", "scratch")) -> Args:
    """A copy of `args` with noise in what a kernel must write before it reads."""
    rng, made = np.random.default_rng([seed, 2]), op.prepare(args)
    for p, a in zip(op.params, made, strict=True):
        if p.role in roles:
            a[:] = rng.integers(np.iinfo(p.dtype).min, np.iinfo(p.dtype).max + 1, a.size)
    return made


# ---- the table itself ----


def test_table_header_and_judge_know_the_same_ops() -> None:
    header = (build_c.C / "tinyloc.h").read_text()
    in_image = re.findall(r"X\((\w+)\)", header.partition("#define TL_OPS(X)")[2].partition("\n\n")[0])
    assert sorted(in_image) == sorted(OPS) == sorted(exact.OPS)
    for op in OPS.values():
        assert hasattr(lib, f"tl_{op.name}")


def test_extension_was_built_from_these_sources() -> None:
    built = ffi.string(lib.tl_source_digest).decode()
    assert built == build_c.c_digest(), "C kernels are stale: python setup.py build_ext --inplace"


@each_op
def test_cases_have_edges_and_are_reproducible(op: Op) -> None:
    first, again = (list(islice(cases(op, 1), 4)) for _ in range(2))
    assert len(first) == 4
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))
    assert len(op.tolerance) == len(op.written(first[0]))


# ---- the bits ----


@each_op
def test_numba_equals_c(op: Op, level: int) -> None:
    """Outputs and states of every case; level 2: LEVEL_2_ELEMENTS over all ops."""
    # Ops that write one number a step stop early; a sixth more from the others makes up for them.
    target, seeds = (20_000, 1000) if level == 1 else (ceil(LEVEL_2_ELEMENTS * 7 / 6 / len(OPS)), 100)
    done = 0
    for seed in range(seeds):
        for number, args in enumerate(cases(op, level, seed)):
            a = op.prepare(args)
            op.jit(*a)
            for backend in BACKENDS[1:]:
                b = op.prepare(args)
                runner(op, backend)(*b)
                compared = compare(op, f"{backend} against Numba", (level, seed, number), op.written(b), op.written(a))
            done += compared
        if done >= target:
            break
    print(f"{op.name}: {done:,} elements, {seed + 1} seeds")


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.in_place], ids=lambda op: op.name)
def test_in_place(op: Op) -> None:
    """The output may be the very bytes of each input that the row names."""
    for number, args in enumerate(cases(op, 1)):
        want = op.prepare(args)
        op.jit(*want)
        for name in op.in_place:
            for backend in BACKENDS:
                run = op.prepare(args)
                if run[0].nbytes == run[op.index(name)].nbytes:
                    run[0] = run[op.index(name)]
                    runner(op, backend)(*run)
                    compare(op, f"{backend} in place of {name}", (1, 0, number), run[:1], want[:1])


@each_op
def test_equal_to_exact(op: Op, level: int) -> None:
    """Both against the slow judge; outputs start as noise, which only a partial write may leave."""
    budget, done = (60_000 if level == 1 else 1_500_000), 0
    for seed in range(100):
        for number, args in enumerate(cases(op, 1, seed)):
            args = garble(op, args, number)
            want = exact.OPS[op.name](*args)
            for backend in BACKENDS:
                run = op.prepare(args)
                runner(op, backend)(*run)
                done += compare(op, f"{backend} against exact", (1, seed, number), op.written(run), want)
        if level == 1 or done >= budget:
            break
    print(f"{op.name}: {done:,} elements")


@each_op
def test_near_its_mathematics(op: Op, level: int) -> None:
    """Within the stated distance of float64, in places of the output."""
    worst = np.zeros(len(op.tolerance))
    for number, args in enumerate(cases(op, level)):
        ideal = op.ideal(*op.prepare(args))
        op.jit(*args)
        for i, (got, real, bound) in enumerate(zip(op.written(args), ideal, op.tolerance, strict=True)):
            if real is None or not got.size:
                continue
            off = float(np.abs(got.astype(float) - real).max())
            worst[i] = max(worst[i], off)
            assert off <= bound, (f"{op.name}: output {i} is {off} places off, allowed {bound} ({op.bound}).  Case: "
                                  f"case({op.name!r}, level={level}, seed=0, number={number})")
    print(f"{op.name}: at most {worst} places off, stated {op.tolerance}")


@pytest.mark.parametrize("before", [0, 3, 7])
def test_a_convolution_wholly_in_padding(before: int) -> None:
    """Windows that meet no row of the input, in front of it and behind it: zero points only."""
    op, rng = OPS["conv1d_s8"], np.random.default_rng(5)
    t_in, n, d, k = 2, 6, 3, 3
    t = before + t_in + 4
    args = [np.zeros(t * n, np.int8), rng.integers(-128, 128, t_in * d).astype(np.int8),
            rng.integers(-127, 128, n * k * d).astype(np.int8), np.zeros(1, np.int32), np.array([2**30], np.int32),
            np.array([-5], np.int8), t, n, d, k, t_in, 1, before, 5, 1, 0, 0]
    want = exact.OPS[op.name](*args)
    for backend in BACKENDS:
        run = op.prepare(args)
        runner(op, backend)(*run)
        compare(op, f"{backend} against exact, {before} rows of padding", (1, 0, 0), op.written(run), want)


# ---- time ----


def chunked(op: Op, run: Callable[..., None], args: Args, lengths: list[int]) -> list[np.ndarray]:
    """Outputs and states of calls over consecutive steps; inputs and outputs are time-major, states go on."""
    args = op.prepare(args)
    t, at = op.index("t"), 0
    steps = args[t]
    for length in lengths:
        part = list(args)
        part[t] = length
        for i, p in enumerate(op.params):
            if p.role in ("in", "out"):
                width, rest = divmod(args[i].size, steps)
                assert rest == 0, f"{op.name}: {p.name} has {args[i].size} values, no multiple of {steps} steps"
                part[i] = args[i][at * width : (at + length) * width]
        for i, p in enumerate(op.params):
            if p.role == "scratch":
                part[i] = garble(op, args, at)[i]
        run(*part)
        at += length
    return op.written(args)


@each_streaming_op
@each_backend
def test_window_chunks_and_single_steps_give_the_same_bits(op: Op, backend: str, level: int) -> None:
    run, rng = runner(op, backend), np.random.default_rng(3)
    longest = 0
    for number, args in enumerate(cases(op, level)):
        steps = args[op.index("t")]
        longest = max(longest, steps)
        cuts = sorted(rng.integers(0, steps + 1, 3).tolist())
        lengths = [b - a for a, b in zip([0, *cuts], [*cuts, steps], strict=True) if b > a]
        whole = op.prepare(args)
        run(*whole)
        for what, parts in (("chunks", lengths), ("single steps", [1] * steps)):
            compare(op, f"{what} against the whole ({backend})", (level, 0, number), chunked(op, run, args, parts),
                    op.written(whole))
    assert longest >= 10


# ---- memory ----

MARGIN = 64


@each_op
@each_backend
def test_keeps_to_its_arrays(op: Op, backend: str, level: int) -> None:
    """Reads and writes nothing beside its arrays (what is there does not matter and stays), leaves its inputs as they
    are, and does not care what scratch held."""
    run = runner(op, backend)
    for number, args in enumerate(cases(op, level)):
        results = []
        for fill in (0x55, 0xAA):
            home, views = [], []
            for p, a in zip(op.params, garble(op, args, fill, ("scratch",)), strict=True):
                if not p.is_array:
                    views.append(a)
                    continue
                block = np.frombuffer(bytes([fill]) * ((a.size + 2 * MARGIN) * a.itemsize), a.dtype).copy()
                block[MARGIN : MARGIN + a.size] = a
                home.append((p, block, block.copy()))
                views.append(block[MARGIN : MARGIN + a.size])
            run(*views)
            where = f"{op.name} ({backend}), case({op.name!r}, level={level}, seed=0, number={number})"
            for p, block, before in home:
                inside = slice(MARGIN, block.size - MARGIN)
                if p.role in ("out", "state", "scratch"):
                    before[inside] = block[inside]
                changed = np.flatnonzero(block != before) - MARGIN
                assert not changed.size, f"{where}: wrote {p.name}[{changed[0]}], which is not its to write"
            results.append([a.copy() for a in op.written(views)])
        compare(op, f"what lies beside the arrays or in scratch changes the result ({backend})", (level, 0, number),
                results[1], [list(a) for a in results[0]])


# ---- what the objects are made of ----

ALLOWED = {"memcpy", "memset", "memmove", "memcmp"}  # what a freestanding compiler may call


@pytest.fixture(scope="module")
def symbols(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """(file, nm's letter, symbol) of the kernels, compiled as for firmware."""
    cc, nm = (sysconfig.get_config_var("CC") or "cc").split()[0], shutil.which("nm")
    if not nm or not shutil.which(cc) or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and nm, and ELF's names of symbols and sections")
    found = []
    for source in sorted(build_c.C.glob("*.c")):
        target = tmp_path_factory.mktemp("objects") / (source.stem + ".o")
        flags = ["-std=c99", "-O2", "-ffreestanding", "-fno-pic"]
        subprocess.run([cc, *flags, "-c", str(source), "-o", str(target)], check=True)
        for line in subprocess.run([nm, str(target)], capture_output=True, text=True, check=True).stdout.splitlines():
            letter, name = line.split()[-2:]
            found.append((source.name, letter, name))
    return found


def test_only_tl_symbols_are_external(symbols: list[tuple[str, str, str]]) -> None:
    outside = [s for s in symbols if s[1].isupper() and s[1] != "U" and not s[2].startswith("tl_")]
    assert not outside
    assert {f"tl_{name}" for name in OPS} <= {name for _, letter, name in symbols if letter == "T"}


def test_nothing_is_called_but_kernels(symbols: list[tuple[str, str, str]]) -> None:
    """No libm, no allocation, no soft float."""
    assert not [s for s in symbols if s[1] == "U" and not s[2].startswith("tl_") and s[2] not in ALLOWED]


def test_no_static_state(symbols: list[tuple[str, str, str]]) -> None:
    assert not [s for s in symbols if s[1] in "dDbBC"]


def test_sources_hold_no_float_and_no_allocation() -> None:
    for source in build_c.sources():
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", source.read_text(), flags=re.S)
        found = re.search(r"\b(float|double|malloc|calloc|realloc|alloca|free|math\.h)\b", code)
        assert not found, f"{Path(source).name}: {found and found[0]}"


# ---- and the tests themselves: each must fail for a kernel that is wrong ----


def off_by_one(op: Op, args: Args) -> None:
    """The last value of the last output or state."""
    op.jit(*args)
    a = op.written(args)[-1]
    if a.size:
        a[-1] = a[-1] + 1 if a[-1] < 1 else a[-1] - 1


def write_beside(op: Op, args: Args) -> None:
    op.jit(*args)
    np.lib.stride_tricks.as_strided(args[0], (args[0].size + 1,))[-1] += 1


def write_to_input(op: Op, args: Args) -> None:
    op.jit(*args)
    a = next(a for p, a in zip(op.params, args, strict=True) if p.role == "in")
    a[0] = 1 if a[0] < 1 else 0


def read_beside(op: Op, args: Args) -> None:
    op.jit(*args)
    args[0][0] = np.lib.stride_tricks.as_strided(args[1], (args[1].size + 1,))[-1] % 127


def forget_state(op: Op, args: Args) -> None:
    """Begins every call with the state at 1, which no case's state is throughout."""
    for p, a in zip(op.params, args, strict=True):
        if p.role == "state":
            a[:] = 1
    op.jit(*args)


def lose_a_step(op: Op, args: Args) -> None:
    """The first step of a longer call is computed from what the last one is."""
    op.jit(*args)
    t, y = args[op.index("t")], args[0]
    if t > 1:
        y[: y.size // t] = y[-(y.size // t) :]


WRONG = [(off_by_one, test_numba_equals_c, ()), (off_by_one, test_equal_to_exact, ()),
         (write_beside, test_keeps_to_its_arrays, ("jit",)), (write_to_input, test_keeps_to_its_arrays, ("jit",)),
         (read_beside, test_keeps_to_its_arrays, ("jit",)), (forget_state, test_equal_to_exact, ()),
         (lose_a_step, test_window_chunks_and_single_steps_give_the_same_bits, ("jit",)),
         (lose_a_step, test_near_its_mathematics, ())]


def _applies(op: Op, mistake: Any) -> bool:
    return (mistake is not forget_state or any(p.role == "state" for p in op.params)) and (
        mistake is not lose_a_step or op.streams)


@pytest.mark.parametrize(
    ("op", "mistake", "test", "more"),
    [pytest.param(op, *row, id=f"{op.name}-{row[0].__name__}-{row[1].__name__[5:]}")
     for row in WRONG for op in OPS.values() if _applies(op, row[0])])
def test_a_wrong_kernel_is_noticed(op: Op, mistake: Any, test: Any, more: tuple[str, ...]) -> None:
    wrong = replace(op)
    wrong.__dict__["jit"] = lambda *args: mistake(op, list(args))
    with pytest.raises(AssertionError, match=rf"{op.name}.*number=\d+\)"):
        test(wrong, *more, 1)
