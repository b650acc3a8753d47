"""Frozen vectors: the kernels still give these bits, and each vector catches the mistakes that it names."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import make_frozen
import mutants
import pytest
import vectors
from operands import ALL

from tinyloc.emulator.toolchain import EMULATED, FIRMWARE, Build, Memory, core, link
from tinyloc.kernels.table import OPS

VECTORS = [pytest.param(name, i, id=f"{name}-{i}") for name in OPS for i in range(len(make_frozen.load(name)))]


def test_every_op_has_vectors_and_every_file_an_op() -> None:
    assert {p.stem for p in make_frozen.HERE.glob("*.json")} == {*OPS, make_frozen.PRIMITIVES.stem}
    for name in OPS:
        assert make_frozen.load(name), f"{name}: run python tests/make_frozen.py"
    assert sum(p.stat().st_size for p in make_frozen.HERE.iterdir()) < 200_000


def test_every_mistake_is_caught_somewhere() -> None:
    """Of the mistakes in a function, at least one op's; of those in an argument, that op's own."""
    caught = {name: {text for v in make_frozen.load(name) for text in v["catches"]} for name in OPS}
    assert set(make_frozen.WRONG) <= set().union(*caught.values())
    for name, op in OPS.items():
        missing = set(make_frozen.mistakes(op)) - set(make_frozen.WRONG) - caught[name]
        assert not missing, f"{name}: no vector catches: {', '.join(sorted(missing))}"


@pytest.mark.parametrize(("name", "i"), VECTORS)
@pytest.mark.parametrize("backend", ["jit", "c"])
def test_kernels_reproduce_it(name: str, i: int, backend: str) -> None:
    op, vector = OPS[name], make_frozen.load(name)[i]
    args = op.prepare(make_frozen.args_of(op, vector))
    getattr(op, backend)(*args)
    got = make_frozen.result_of(op, [a.tolist() for a in op.written(args)])
    assert got == vector["result"], f"tests/frozen/{name}.json, vector {i}: caught one of {vector['catches']}?"


@pytest.mark.parametrize(("name", "i"), VECTORS)
def test_it_catches_what_it_says(name: str, i: int) -> None:
    op, vector = OPS[name], make_frozen.load(name)[i]
    args, wrong = make_frozen.args_of(op, vector), make_frozen.mistakes(op)
    assert make_frozen.result_of(op, make_frozen.right(op, args)) == vector["result"]
    for text in vector["catches"]:
        result: Any = wrong[text](args)
        assert result is None or make_frozen.result_of(op, result) != vector["result"], f"does not catch: {text}"


@pytest.mark.parametrize("name", OPS)
def test_files_are_as_the_script_writes_them(name: str) -> None:
    text = (make_frozen.HERE / f"{name}.json").read_text()
    assert make_frozen.render(name, json.loads(text)["vectors"]) == text


# ---- primitives ----

FIXED = json.loads(make_frozen.PRIMITIVES.read_text())["vectors"]


def test_every_primitive_has_vectors_that_catch_what_they_say() -> None:
    """Of each of its mistakes; C runs them, below."""
    caught: dict[str, set[str]] = {name: set() for name in ALL}
    for v in FIXED:
        name, operands = v["primitive"], v["operands"]
        judge, _, domain = ALL[name]
        assert domain(*operands) and judge(*operands) == v["result"], v
        for text in v["catches"]:
            assert make_frozen.WRONG_PRIMITIVES[name][text](*operands) != v["result"], f"{name}: does not catch: {text}"
        caught[name] |= set(v["catches"])
    assert caught == {name: set(wrong) for name, wrong in make_frozen.WRONG_PRIMITIVES.items()}
    assert make_frozen.render_primitives(FIXED) == make_frozen.PRIMITIVES.read_text()


# ---- the C alone ----

HERE = make_frozen.HEADER.parent
CC = next((c for c in ("gcc", "clang", "cc") if shutil.which(c)), "")
needs_cc = pytest.mark.skipif(not CC, reason="no C compiler")


def test_the_header_is_as_the_script_writes_it() -> None:
    assert make_frozen.header() == make_frozen.HEADER.read_text()


def frozen(out: Path, cc: str, flags: tuple[str, ...] = (), kernels: Path = mutants.C) -> subprocess.CompletedProcess[str]:
    """tests/c/frozen.c, compiled without a warning, and run."""
    command = [*shlex.split(cc), *vectors.WARNINGS, *flags, "-I", str(kernels), str(HERE / "frozen.c"),
               *map(str, sorted(kernels.glob("*.c"))), "-o", str(out)]
    subprocess.run(command, check=True)
    return subprocess.run([str(out)], text=True, capture_output=True, check=False)


@needs_cc
@pytest.mark.parametrize("flags", [("-O0",), ("-O3",), *(("-O2", *f.flags) for f in mutants.FORMS[1:])], ids=" ".join)
def test_c_alone(tmp_path: Path, flags: tuple[str, ...]) -> None:
    done = frozen(tmp_path / "frozen", CC, flags)
    assert done.returncode == 0 and done.stdout.endswith("\n0 differ\n"), done.stdout + done.stderr
    lines = [f"{name}: {len(make_frozen.load(name))} vectors" for name in OPS]
    assert done.stdout.splitlines()[:-1] == [*lines, f"primitives of fixed.h: {len(FIXED)} vectors"]


@needs_cc
def test_c_alone_in_32_bits(tmp_path: Path) -> None:
    probe = tmp_path / "probe.c"
    probe.write_text("#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n")
    if subprocess.run([CC, "-m32", str(probe), "-o", str(tmp_path / "probe")], capture_output=True, check=False).returncode:
        pytest.skip(f"{CC} -m32 links nothing here (Debian: gcc-multilib)")
    assert frozen(tmp_path / "frozen", CC, ("-O2", "-m32")).returncode == 0


@pytest.mark.level2
@pytest.mark.parametrize("target", ["x86_64-linux-musl", "x86-linux-musl"])
def test_c_alone_by_clang_of_the_wheel(tmp_path: Path, target: str) -> None:
    """Zig brings the C library of either target, and builds it at first."""
    pytest.importorskip("ziglang")
    done = frozen(tmp_path / "frozen", f"{shlex.quote(sys.executable)} -m ziglang cc -target {target}", ("-O2",))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("which", EMULATED)
def test_c_alone_on_the_core(which: str, tmp_path: Path) -> None:
    """As firmware: what a board would print."""
    for package in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(package, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    from tinyloc.emulator.cortexm import Machine

    build = Build(core(which), "clang", "-O2", include=(mutants.C, HERE, FIRMWARE), defines=("FROZEN_NO_MAIN",))
    main = tmp_path / "main.c"
    main.write_text('#include "semihost.h"\nint32_t tl_frozen(void (*put)(const char *));\nint main(void);\n'
                    "int main(void) { return tl_frozen(tl_host_print) != 0; }\n")
    sources = [*sorted(mutants.C.glob("*.c")), HERE / "frozen.c", main, FIRMWARE / "startup.c", FIRMWARE / "aeabi.c"]
    memory = Memory(flash=256 << 10, ram=8 << 10)
    machine = Machine(core(which), link(build, build.compile(sources), memory), memory)
    assert machine.run() == 0, machine.console.decode()
    assert machine.console.endswith(b"\n0 differ\n")


@needs_cc
@pytest.mark.parametrize(("file", "right", "wrong", "told"), [
    ("fixed.h", "{ return (int8_t)tl_sat(x, 8); }", "{ return (int8_t)x; }",
     ["sat8, vector 0: another result; it catches: wraps", "int8 wraps instead of saturating"]),
    ("norm.c", "i < 4; i++", "i < 3; i++", ["three Newton steps for the reciprocal root"]),
    ("interleave.c", "* d + j] = x", "* d + j + 1] = x", ["interleave_s8, vector 0"]),
])
def test_c_alone_names_the_mistake(tmp_path: Path, file: str, right: str, wrong: str, told: list[str]) -> None:
    folder = tmp_path / "kernels"
    shutil.copytree(mutants.C, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / file).read_text()
    assert right in text
    (folder / file).write_text(text.replace(right, wrong))
    done = frozen(tmp_path / "frozen", CC, ("-O1",), folder)
    assert done.returncode == 1 and all(t in done.stdout for t in told), done.stdout
