"""The C kernels by every compiler here, for 32 and 64 bits, unoptimized and optimized: Numba's bits."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import vectors
from compilers import X86, C, Compiler, compilers

from tinyloc.kernels.table import OPS

FOUND = compilers()
# At level 1 what differs most: nothing kept in registers, and everything vectorized, where pointers have 32 bits and 64 (gcc
# -O3 of 64 bits is the extension's own build).
LEVEL_1 = {("gcc", 64, "-O0"), ("gcc", 32, "-O0"), ("gcc", 32, "-O3"), *(
    (c, bits, o) for c in ("clang", "zig clang") for bits in (64, 32) for o in ("-O0", "-O3"))}
BUILDS = [pytest.param(c, bits, o, id=f"{c.name}-{bits}{o}",
                       marks=() if (c.name, bits, o) in LEVEL_1 else pytest.mark.level2)
          for c in FOUND for bits in (64, 32) for o in ("-O0", "-O1", "-O2", "-O3", "-Os")]


def runs(program: Path) -> bool:
    try:
        return subprocess.run([program], capture_output=True).returncode == 2  # it misses its argument
    except OSError:
        return False


@pytest.mark.skipif(not X86, reason="the programs without a C library are for Linux on x86-64")
@pytest.mark.skipif(not FOUND, reason="no gcc, no clang, no ziglang (extra mcu)")
@pytest.mark.parametrize(("compiler", "bits", "optimize"), BUILDS)
def test_every_build_has_numbas_bits(compiler: Compiler, bits: int, optimize: str, cases: Path, tmp_path: Path) -> None:
    """Without a warning; arrays lie at multiples of 4 bytes and of no more."""
    program = compiler.program(tmp_path / "vectors", optimize, bits, vectors.WARNINGS)
    assert program.read_bytes()[4] == bits // 32, "the class in the ELF header"
    if bits == 32 and not runs(program):
        pytest.skip("this machine runs no 32-bit programs")
    done = vectors.run(program, cases)
    assert done.returncode == 0 and ", 0 differ" in done.stdout, done.stdout + done.stderr
    assert all(f"{name} " in done.stdout for name in OPS)


@pytest.mark.skipif(not (X86 and FOUND), reason="no build without a C library here")
def test_such_a_build_sees_mistakes(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, path = FOUND[0].program(tmp_path / "vectors", "-O0", 64), tmp_path / "v.bin"
    path.write_bytes(cases.read_bytes()[:-1])
    done = vectors.run(program, path)
    assert done.returncode and "cut off" in done.stderr

    op, kernel = OPS["argmax_s16"], OPS["argmax_s16"].jit

    def off_by_one(*args: Any) -> None:
        kernel(*args)
        args[0][-1] ^= 1

    monkeypatch.setitem(op.__dict__, "jit", off_by_one)
    vectors.write(path)
    done = vectors.run(program, path)
    assert done.returncode and "argmax_s16, case 0: argument 0 differs from what is expected" in done.stderr
    assert all("argmax_s16, " in line for line in done.stderr.splitlines())


@pytest.mark.skipif(not [c for c in FOUND if "clang" in c.name], reason="no clang, no ziglang (extra mcu)")
@pytest.mark.parametrize(("target", "says"), [
    ("armebv7-none-eabi", "images and packed weights are little-endian"), ("avr", "the kernels need an int of 32 bits"),
    ("msp430", "the kernels need an int of 32 bits"), ("armv7-none-eabi", ""), ("riscv32", "")])
def test_cores_without_a_build_are_refused(target: str, says: str, tmp_path: Path) -> None:
    clang = next(c for c in FOUND if "clang" in c.name)
    if says:
        with pytest.raises(subprocess.CalledProcessError) as e:
            clang.objects([C / "run.c"], tmp_path, [f"--target={target}", "-w"])
        assert says in e.value.stderr
        if "int" in says:  # and of a compiler without that macro
            with pytest.raises(subprocess.CalledProcessError) as e:
                clang.objects([C / "run.c"], tmp_path, [f"--target={target}", "-w", "-U__SIZEOF_INT__"])
            assert "tl_int_has_32_bits" in e.value.stderr
    else:
        clang.objects([C / "run.c"], tmp_path, [f"--target={target}"])
