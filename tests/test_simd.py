"""The host's levels: chosen as asked, equal in every bit on whole models, and at home in sizes that no model has."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, streaming_program, windows
from test_kernels import HOST, compare, runner

from tinyloc.errors import ConfigError
from tinyloc.kernels import build_c, simd
from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS
from tinyloc.run import Session

FAST = sorted(set(re.findall(r"#define TL_FAST_(\w+)", "".join(p.read_text() for p in build_c.sources(build_c.HOST)))))


def test_levels_are_those_of_the_header() -> None:
    names = re.findall(r"TL_(\w+)_LEVEL\b", re.search(r"enum \{(.*?)\}", (build_c.HOST / "host.h").read_text())[1])
    assert tuple(n.lower() for n in names) == simd.LEVELS and simd.levels()[0] == "portable"


def has_avx2() -> bool:
    """Whether the operating system says that the processor has AVX2."""
    if sys.platform == "win32":
        import ctypes

        return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(40))  # PF_AVX2_INSTRUCTIONS_AVAILABLE
    if sys.platform == "darwin":
        done = subprocess.run(["sysctl", "-n", "hw.optional.avx2_0"], text=True, capture_output=True)
        return done.stdout.strip() == "1"
    return bool(re.search(r"^flags\s*:.* avx2\b", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M))


def test_levels_are_what_the_system_says_of_the_processor() -> None:
    """A build whose compiler never says yes would run portable code everywhere, unnoticed."""
    assert ("avx2" in simd.levels()) == (platform.machine() in ("x86_64", "AMD64") and has_avx2())


@pytest.mark.parametrize(("named", "message"), [("sse9", "unknown TINYLOC_SIMD 'sse9'"), ("AVX2 ", "did you mean 'avx2'")])
def test_an_unknown_level_is_refused(named: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(simd.VARIABLE, named)
    with pytest.raises(ConfigError, match=message):
        Session(streaming_program(), "c")


def test_a_level_that_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = [n for n in simd.LEVELS if n not in simd.levels()]
    if not lacking:
        pytest.skip("this processor has every level")
    monkeypatch.setenv(simd.VARIABLE, lacking[0])
    with pytest.raises(ConfigError, match=rf"TINYLOC_SIMD = {lacking[0]}: this processor or build has only portable"):
        Session(streaming_program(), "c")
    with pytest.raises(ConfigError, match=f"level {lacking[0]}"):
        simd.kernels(lacking[0])


@pytest.mark.skipif(not HOST, reason="no vector kernels here")
def test_vector_kernels_are_in_the_table() -> None:
    """A level whose table held the portable kernels alone would pass every comparison."""
    for level in HOST:
        mine, portable = simd.kernels(level), simd.kernels("portable")
        assert {n for i, n in enumerate(OPS) if mine[i].run != portable[i].run} == set(FAST)
    assert len(FAST) > 10


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_whole_models_have_the_same_bits(seed: int, stream: bool) -> None:
    """Traces by the portable runner against those of every level, and of runs without a trace."""
    program = random_program(seed, stream=stream)
    x, want = windows(program, 3, seed), None
    for name in simd.levels():
        with pytest.MonkeyPatch.context() as m:
            m.setenv(simd.VARIABLE, name)
            session = Session(program, "c")
        y, crcs = session.sign_windows(x)
        want = (y, crcs) if want is None else want
        where = f"random_program({seed}, stream={stream}), level {name}"
        assert np.array_equal(crcs, want[1]) and np.array_equal(y, want[0]), where
        assert np.array_equal(session.run_windows(x), y) and np.array_equal(session.run_windows(x, threads=2), y), where
        session.reset()
        assert np.array_equal(session.run(x[0]), y[0]), where


def resized(op: Op, rng: np.random.Generator, greatest: int, **fixed: int) -> Args | None:
    """A case whose sizes are drawn anew, up to `greatest`, its arrays repeated to fit; None where limits forbid it."""
    args = op.prepare(next(iter(op.cases(rng, 1))))
    names = {p.name for p in op.params if not p.is_array and any(
        re.search(rf"\b{p.name}\b", q.size) for q in op.params if q.is_array)}
    steps = {"bias_step", "mult_step", "per_row", "b_n", "b_k", "size"}
    for i, p in enumerate(op.params):
        if p.name in names - steps:
            args[i] = int(rng.integers(1, 9 if p.name == "k" and "state" in {q.name for q in op.params} else greatest))
    named = {p.name: i for i, p in enumerate(op.params)}
    for n, value in fixed.items():
        args[named[n]] = value
    if "b_n" in named:
        n, k = args[named["n"]], args[named["k"]]
        args[named["b_n"]], args[named["b_k"]] = (k, 1) if rng.integers(2) else (1, n)
    if "row" in named:  # two weights a byte
        args[named["row"]] = (args[named["k"]] + 1) // 2
    if "quads" in named:
        args[named["quads"]] = (max(args[named["n"]], args[named["d"]]) + 3) // 4
    try:
        sizes = op.sizes(args)
    except ValueError:
        return None
    for i, size in enumerate(sizes):
        args[i] = np.resize(args[i], size)
    return args


@pytest.mark.skipif(not HOST, reason="no vector kernels here")
@pytest.mark.parametrize("op", [OPS[n] for n in FAST], ids=FAST)
def test_sizes_around_the_vectors(op: Op, level: int) -> None:
    """Widths on either side of 8, 16, 32, of the buffers' ends, and beyond them, where the portable kernel takes over."""
    rng, done = np.random.default_rng(5), 0
    # n <= 511 in softmax, c <= 256 in the decoders, d <= 1024 in norms, and 2^31 holds no longer sum of extremes
    for number in range(60 if level == 1 else 1500):
        args = resized(op, rng, (12, 40, 70, 120, 250)[number % 5])
        if args is None:
            continue
        want = op.prepare(args)
        op.c(*want)
        for name in HOST:
            run = op.prepare(args)
            runner(op, name)(*run)
            done += compare(op, f"{name}, {[a for a in args if isinstance(a, int)]}", (1, 5, number), op.written(run),
                            op.written(want))
    assert done > 1000


@pytest.mark.skipif(not HOST, reason="no vector kernels here")
@pytest.mark.parametrize("op", [OPS[n] for n in FAST if any(p.name == "k" and p.role == "int" for p in OPS[n].params)
                                and not any(p.role == "state" for p in OPS[n].params)], ids=lambda op: op.name)
@pytest.mark.parametrize("k", [511, 512, 1023, 1024, 1025, 1100])
def test_long_sums(op: Op, k: int) -> None:
    """On either side of the longest row that has room on the stack."""
    rng = np.random.default_rng(k)
    for greatest in (6, 12, 30):
        args = resized(op, rng, greatest, k=k)
        assert args is not None
        want = op.prepare(args)
        op.c(*want)
        for name in HOST:
            run = op.prepare(args)
            runner(op, name)(*run)
            compare(op, f"{name}, k = {k}", (1, k, greatest), op.written(run), op.written(want))
