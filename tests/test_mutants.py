"""Mutation testing: the mutants are those that are meant, a sample of them is noticed, and what survives is explained."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import mutants
import numpy as np
import pytest
from forks import Forks
from mutants import Bench, Mutant

SEED, SAMPLE = 5, 10
SAMPLED = ("elementwise.c", "interleave.c", "softmax.c")  # of kernels that Numba compiles fast; the whole run takes all

SOURCE = """\
#define HALF(x) ((x) >> 1) /* a + b */
#if 1
static const int t[2] = {-3, 0x10};
static inline int32_t tl_f(int32_t *y, const int8_t *x, int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        *y++ = tl_sat8(-x[i] + 7);
    if (!n || sum == 1u)
        return (int32_t)y[-1] & ~n;
    __asm__("add %0, #1" : "+r"(sum));
    sum -= tl_min(*y, n) * 2;
    return sum; /* "<" */
}
#endif
"""
CHANGES = """\
HALF: >> -> <<, 1 -> 2, 1 -> 0
t: 2 -> 1, 2 -> 3, 2 -> 0, - -> nothing, 3 -> 2, 3 -> 4, 3 -> 0, 0x10 -> 0xf, 0x10 -> 0x11, 0x10 -> 0x0
tl_f: 0 -> 1
tl_f: 0 -> 1, < -> <=, < -> >=, ++ -> --
tl_f: ++ -> --, tl_sat8 -> (int8_t), - -> nothing, + -> -, 7 -> 6, 7 -> 8, 7 -> 0, statement -> nothing
tl_f: ! -> nothing, || -> &&, == -> !=, 1u -> 0u, 1u -> 2u
tl_f: int32_t -> int16_t, - -> nothing, 1 -> 0, 1 -> 2, & -> |, ~ -> nothing
tl_f: statement -> nothing
tl_f: -= -> +=, tl_min -> tl_max, * -> +, 2 -> 1, 2 -> 3, 2 -> 0, statement -> nothing
"""


def test_mutants_of_a_text() -> None:
    """Each operator, constant, cast and statement, and nothing in strings, comments, types and directives."""
    rows: dict[int, list[str]] = {}
    found = mutants.mutants_of("a.c", SOURCE)
    for m in found:
        _, function, _, change = m.key.split(" | ")[:4]
        rows.setdefault(SOURCE.count("\n", 0, m.start), [f"{function}:"]).append(change)
        assert m.apply(SOURCE) != SOURCE and SOURCE[m.start : m.end] != m.new
    want = [[head + ":", *changes.split(", ")] for head, changes in (row.split(": ", 1) for row in CHANGES.splitlines())]
    assert [sorted(row[1:]) for row in rows.values()] == [sorted(row[1:]) for row in want]
    assert [row[0] for row in rows.values()] == [row[0] for row in want]
    assert len({m.key for m in found}) == len(found)


def test_keys_outlive_lines_in_between() -> None:
    moved = mutants.mutants_of("a.c", "/* new */\n\n" + SOURCE.replace("    int32_t sum", "\n    int32_t sum"))
    assert [m.key for m in moved] == [m.key for m in mutants.mutants_of("a.c", SOURCE)]


PYTHON = '''
@njit("int32(int32)")
def half(x):
    """x / 2 + 1."""
    left = max(x, np.int32(-2))
    return left // 2


def twice(x):
    if not x:
        raise ValueError(f"{x}: not 0")
    return 2.0 * half(x)


def limits(x):
    return x + 1
'''
PYTHON_CHANGES = """\
half: max -> min, int32 -> int16, - -> nothing, 2 -> 1, 2 -> 3, 2 -> 0, statement -> nothing
half: // -> *, 2 -> 1, 2 -> 3, 2 -> 0
twice: not -> nothing
twice: statement -> nothing
twice: 2.0 -> (2.0 * 2), 2.0 -> (2.0 / 2), * -> +
"""


def test_mutants_of_python() -> None:
    """The same of compiled functions: nothing of signatures, docstrings and messages, or of functions that make cases."""
    rows: dict[int, list[str]] = {}
    found = mutants.mutants_in_python("a.py", PYTHON)
    for m in found:
        _, function, _, change = m.key.split(" | ")[:4]
        rows.setdefault(m.line, [f"{function}:"]).append(change)
        compile(m.apply(PYTHON), m.key, "exec")
    want = [[head + ":", *changes.split(", ")] for head, changes in
            (row.split(": ", 1) for row in PYTHON_CHANGES.splitlines())]
    assert [sorted(rows[n]) for n in sorted(rows)] == [sorted(row) for row in want]


def test_what_calls_a_function_is_compiled_with_it() -> None:
    assert "def half" in mutants.with_what_calls(PYTHON, "half") and "def twice" in mutants.with_what_calls(PYTHON, "half")
    alone = mutants.with_what_calls(PYTHON, "twice")
    assert "def half" not in alone and alone.count("\n") == PYTHON.count("\n") and "njit" not in alone


NOTICES = '''
from tinyloc.kernels import fixed
from tinyloc.kernels._c import ffi, lib

def test_crc():
    assert lib.tl_crc32(0, b"123456789", 9) == 0xCBF43926 and ffi.sizeof("uint32_t") == 4

def test_sat():
    assert fixed.sat8(200) == 127
'''


def test_forks(tmp_path: Path) -> None:
    """One pytest, each time another extension or another module behind what the tests have imported."""
    library = Path(shutil.copy(str(lib_file()), tmp_path))
    (tmp_path / "test_notices.py").write_text(NOTICES)
    forks = Forks(library, [str(tmp_path / "test_notices.py")])
    module = "tinyloc.kernels.fixed"

    def ask(**request: object) -> tuple[str, bool]:
        found = forks.ask(**{"tests": "test_", "seconds": 60, **request})
        return found["by"].rpartition("::")[2], found["timeout"]

    try:
        assert forks.collected == 2
        assert ask(library=str(library)) == ("", False)
        assert ask(library=str(library), python=[module, "def sat8(x):\n    return x\n"]) == ("test_sat", False)
        assert ask(library=str(library)) == ("", False), "a fork leaves nothing behind"
        assert ask(python=[module, "def sat8(x):\n    import os\n    os.abort()\n"]) == ("test_sat: SIGABRT", False)
        endless = "def sat8(x):\n    while True:\n        pass\n"
        assert ask(python=[module, endless], seconds=1) == ("test_sat: SIGXCPU", True)
        assert ask(library=str(tmp_path / "none.so"))[0] == "loading", "what cannot be loaded is noticed"
    finally:
        forks.close()


def lib_file() -> Path:
    from tinyloc.kernels import _c

    return Path(_c.__file__)


def test_survivors_are_explained_by_keys_of_the_code() -> None:
    """Each key is a mutant of the sources as they are: a changed line needs another look."""
    keys = {m.key for m in mutants.all_mutants(mutants.files([]))}
    gone = [k for k in mutants.explained() if k not in keys]
    assert not gone, "tests/mutants.txt names code that is not there: " + "; ".join(gone)
    assert all(len(why) > 20 for why, _ in mutants.explained().values())


@pytest.mark.parametrize(("text", "message"), [
    ("  a | b\n", "line 1"), ("equivalent: because of that\n  a | b\n  a | b\n", "line 3"), ("whatever\n", "line 1")])
def test_a_malformed_explanation_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mutants.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        mutants.explained(path)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if not shutil.which("gcc"):
        pytest.skip("no gcc, whose preprocessor says which lines a form has")
    return Bench(tmp_path_factory.mktemp("mutants"), "gcc")


def made(name: str, right: str, wrong: str) -> Mutant:
    text = (mutants.C / name).read_text()
    assert text.count(right) == 1
    start = text.index(right)
    return Mutant(f"kernels/c/{name}", start, start + len(right), wrong, text.count("\n", 0, start) + 1, "")


@pytest.mark.parametrize(("name", "right", "wrong", "what", "by"), [
    ("interleave.c", "i * count + index", "i * count - index", "killed", "portable"),
    ("interleave.c", "i * count + index", "index + count * i", "equal", ""),
    ("interleave.c", "i * count + index", "i * count + + ;", "void", ""),
    ("interleave.c", "j < d; j++", "j < d; j += 0", "timeout", "portable"),
    ("interleave.c", "= x[i * d + j];",
     "= (int8_t)(x[i * d + j] + 0 * *(volatile const int8_t *)(x + t * d));", "killed", "deep portable sanitized"),
    ("softmax.c", "if (n)\n        __asm__ volatile(\"1: ldr %[v], [%[y]]", "if (n)", "elsewhere", ""),
])
def test_verdicts(bench: Bench, name: str, right: str, wrong: str, what: str, by: str) -> None:
    assert bench.judge(made(name, right, wrong)) == (what, by)


def test_a_sample_is_noticed(bench: Bench) -> None:
    """What survives is explained; the whole run is `make mutants`."""
    every = mutants.all_mutants(mutants.C / name for name in SAMPLED)
    chosen = [every[i] for i in np.random.default_rng(SEED).permutation(len(every))]
    reasons, judged = mutants.explained(), 0
    for m in chosen:
        verdict = bench.judge(m, deep=False)
        assert verdict.what != "survived" or m.key in reasons, f"nothing notices: {m.key}"
        judged += verdict.what in ("killed", "timeout")
        if judged == SAMPLE:
            break
    assert judged == SAMPLE


def test_constants_of_a_table() -> None:
    text = "static const int32_t lines[2][2] = {\n    {1, -2}, {3, 4},\n};\nint x = 5;\n"
    assert mutants.table(text, "lines") == [1, -2, 3, 4] and mutants.table(text, "other") == []


@pytest.mark.level2
def test_coverage_of_the_c(tmp_path: Path) -> None:
    """All lines, and at least 95 % of branches."""
    pytest.importorskip("gcovr", reason="the extra test is not installed")
    if not (shutil.which("gcc") and shutil.which("gcov")):
        pytest.skip("no gcc, no gcov")
    script = Path(mutants.__file__).with_name("c_coverage.py")
    done = subprocess.run([sys.executable, str(script), "--folder", str(tmp_path / "coverage")], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
