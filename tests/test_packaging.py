"""What is installed: light imports, C that is not stale, strict C, an sdist and a wheel that hold what they must."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import dist
import pytest
import vectors
from compilers import ZIG

from tinyloc.errors import unknown
from tinyloc.kernels import build_c, simd
from tinyloc.kernels.jit import digest
from tinyloc.kernels.table import OPS

ROOT = Path(__file__).resolve().parent.parent
C = ROOT / "kernels" / "c"
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
compilers = pytest.mark.parametrize("cc", COMPILERS or [pytest.param("", marks=pytest.mark.skip("no gcc, no clang"))])
strict_compilers = pytest.mark.parametrize("cc", [[cc] for cc in COMPILERS] + [ZIG] * bool(ZIG),
                                           ids=lambda cc: Path(cc[0]).name)


def python(code: str, cwd: Path = ROOT.parent) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, text=True, capture_output=True)


# ---- imports ----

@pytest.mark.parametrize("module", ["tinyloc", "tinyloc.errors", "tinyloc.program", "tinyloc.emulator.mcu",
                                    "tinyloc.cli"])  # fmt: skip
def test_import_is_light(module: str) -> None:
    done = python(f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))", ROOT / "tests")
    assert done.returncode == 0, done.stderr
    heavy = {"numba", "llvmlite", "cffi", "_cffi_backend", "tinyloc.kernels._c", "torch", "safetensors", "pooch"}
    assert not heavy & set(json.loads(done.stdout)), f"import {module} loads what only some of its users need"


@pytest.mark.parametrize("package", ["kernels", "emulator"])
def test_no_second_copy_by_its_folder_name(package: str) -> None:
    done = python(f"import {package}", ROOT)
    assert done.returncode == 1 and f"import this package as tinyloc.{package}" in done.stderr


def test_a_checkout_works_by_its_root_alone() -> None:
    """`python -m …` in a checkout: its tinyloc/ shadows the installed one, and must find kernels/ beside itself."""
    done = python("import tinyloc.kernels.table as t, tinyloc.emulator.plan; print(t.__file__)", ROOT)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / "kernels" / "table.py"


def test_the_tests_are_about_the_installed_package() -> None:
    assert ROOT not in {Path(p or ".").resolve() for p in sys.path}


# ---- C ----

def test_c_is_not_stale() -> None:
    from tinyloc.kernels._c import ffi, lib

    built = ffi.string(lib.tl_source_digest).decode()
    assert built == build_c.c_digest(), "C kernels are stale: run `python setup.py build_ext --inplace` (make does)"


def test_digests_see_names_contents_and_order(tmp_path: Path) -> None:
    """An edit of a kernel, a moved line between two files or a renamed file gives another cache folder."""
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    seen = set()
    for x, y in ((b"1\n2\n", b"3\n"), (b"1\n", b"2\n3\n"), (b"1\n2\n", b"3"), (b"", b"1\n2\n3\n")):
        a.write_bytes(x)
        b.write_bytes(y)
        seen.add(digest([a, b]))
    before = digest([a, b])
    a.rename(tmp_path / "c.py")
    seen.add(digest([tmp_path / "c.py", b]))
    assert len(seen) == 5 and before in seen


def test_numba_cache_follows_the_sources(tmp_path: Path) -> None:
    """A copy of the package with one comment more in fixed.py caches elsewhere, so no stale machine code is used."""
    folders = []
    for name, more in (("one", ""), ("two", "# a comment\n"), ("three", "")):
        copy = tmp_path / name
        shutil.copytree(ROOT / "tinyloc", copy / "tinyloc", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "kernels", copy / "kernels", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        (copy / "pyproject.toml").touch()
        with (copy / "kernels" / "fixed.py").open("a") as f:
            f.write(more)
        code = "import tinyloc.kernels.jit as j; print(j.__file__, j._CACHE)"
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run([sys.executable, "-c", code], cwd=copy, env=env, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        file, folder = done.stdout.split()
        assert Path(file) == copy / "kernels" / "jit.py"
        folders.append(Path(folder).name)
    assert folders[0] == folders[2] != folders[1]


@strict_compilers
@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("source", sorted(p.name for p in C.glob("*.c")))
def test_strict_c(cc: Sequence[str], bits: int, source: str) -> None:
    """C99, freestanding, without a warning, on 32 bits too (pointers and long are those of a microcontroller)."""
    flags = [*vectors.WARNINGS, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wdouble-promotion", "-Wvla", "-Wundef",
             "-Wcast-align", "-Wcast-qual", "-Wpointer-arith", "-Wwrite-strings", "-Wredundant-decls", "-Wswitch-enum",
             "-Wimplicit-fallthrough", "-Wnull-dereference",
             "-ffreestanding", "-O2", f"-m{bits}", "-fsyntax-only" if bits == 32 else "-c", "-o", os.devnull]
    done = subprocess.run([*cc, *flags, str(C / source)], text=True, capture_output=True)
    if bits == 32 and done.returncode and ("gnu/stubs-32.h" in done.stderr or "unrecognized" in done.stderr):
        pytest.skip(f"{cc[0]} has no 32-bit headers here")
    assert done.returncode == 0 and not done.stderr, done.stderr


@compilers
def test_c_symbols(cc: str, tmp_path: Path) -> None:
    """Only tl_ names, nothing that is written, and of the outside what a freestanding compiler itself may call."""
    if not shutil.which("nm"):
        pytest.skip("no nm")
    flags = ["-std=c99", "-O2", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-c"]
    objects = []
    for source in sorted(C.glob("*.c")):
        objects.append(str(tmp_path / f"{source.stem}.o"))
        subprocess.run([cc, *flags, str(source), "-o", objects[-1]], check=True)
    listed = subprocess.run(["nm", "-P", *objects], check=True, text=True, capture_output=True).stdout
    symbols = [line.split()[:2] for line in listed.splitlines() if not line.endswith(":")]
    outside = {name for name, kind in symbols if kind in "UTDBCRGSVW" and not name.startswith("tl_")}
    assert outside <= {"memcpy", "memset", "memmove", "memcmp", "_GLOBAL_OFFSET_TABLE_"}
    assert not {name for name, kind in symbols if kind in "DdBbCGgSs"}, "a kernel keeps state"
    assert {f"tl_{name}" for name in OPS} <= {name for name, kind in symbols if kind == "T"}


@pytest.mark.parametrize("compiler", ["absent", "failing"])
def test_no_compiler_no_install(tmp_path: Path, compiler: str) -> None:
    cc = tmp_path / "cc"
    if compiler == "failing":
        cc.write_text("#!/bin/sh\nexit 1\n")
        cc.chmod(0o755)
    done = subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "-b", str(tmp_path), "-t", str(tmp_path)],
                          cwd=ROOT, env={**os.environ, "CC": str(cc)}, text=True, capture_output=True)
    assert done.returncode != 0 and not list(tmp_path.rglob("*.so"))
    assert "the C kernels could not be compiled" in done.stderr and "apt install gcc" in done.stderr, done.stderr


# ---- sanitizers: the same as `make san` ----

@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory, sanitized_objects: Path) -> Path:
    if not COMPILERS:
        pytest.skip("no gcc, no clang")
    folder = tmp_path_factory.mktemp("san")
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    if subprocess.run([COMPILERS[0], "-fsanitize=address,undefined", str(probe), "-o", str(folder / "probe")],
                      capture_output=True).returncode:
        pytest.skip(f"{COMPILERS[0]} has no sanitizers here")
    return vectors.build(folder / "vectors.san", COMPILERS[0], keep=sanitized_objects / COMPILERS[0])


def test_sanitized_c_equals_numba(sanitized: Path, cases: Path) -> None:
    done = vectors.run(sanitized, cases)
    assert done.returncode == 0 and "0 differ" in done.stdout, done.stdout + done.stderr
    for name in OPS:
        assert name in done.stdout


@pytest.mark.parametrize("host", simd.levels()[1:])
def test_sanitized_vector_kernels_equal_numba(sanitized: Path, sanitized_objects: Path, cases: Path, host: str) -> None:
    """A level of the host's kernels, each array in a block of its own."""
    program = vectors.build(sanitized.with_name(f"vectors.{host}"), COMPILERS[0], level=host,
                            keep=sanitized_objects / COMPILERS[0])
    done = vectors.run(program, cases)
    assert done.returncode == 0 and "0 differ" in done.stdout, done.stdout + done.stderr


@compilers
@pytest.mark.parametrize("source", sorted(p.name for p in build_c.HOST.glob("*.c")))
def test_strict_host_c(cc: str, source: str) -> None:
    """Without a warning, and every level compiles, whether this processor has it or not."""
    command = [cc, *vectors.WARNINGS, "-O2", "-I", str(C), "-c", str(build_c.HOST / source), "-o", os.devnull]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def largest_case(data: bytes) -> tuple[bytes, list[tuple[int, int, bytes, bytes]]]:
    """Head, and (kind, size or number, before, after) of each argument, of the largest case in the file."""
    best: tuple[int, bytes, list[tuple[int, int, bytes, bytes]]] = (0, b"", [])
    at = 4
    while at < len(data):
        start = at
        (length,) = struct.unpack_from("<I", data, at)
        at += 8 + length
        (n,) = struct.unpack_from("<I", data, at - 4)
        head, args = data[:4] + data[start:at], []
        for _ in range(n):
            kind, size = struct.unpack_from("<II", data, at)
            at += 8
            before = data[at : at + size] if kind else b""
            after = data[at + size : at + 2 * size] if kind == 2 else b""
            at += len(before) + len(after)
            args.append((kind, size, before, after))
        if at - start > best[0]:
            best = (at - start, head, args)
    return best[1:]


@pytest.mark.parametrize("mistake", ["none", "a result differs", "read beyond the end", "write beyond the end",
                                     "cut off"])  # fmt: skip
def test_the_sanitized_program_sees_mistakes(sanitized: Path, cases: Path, tmp_path: Path, mistake: str) -> None:
    head, args = largest_case(cases.read_bytes())
    kind = {"a result differs": 2, "read beyond the end": 1, "write beyond the end": 2}.get(mistake)
    i = next((i for i, a in enumerate(args) if a[0] == kind), 0)
    out = head
    for j, (k, size, before, after) in enumerate(args):
        if i == j and mistake == "a result differs":
            after = bytes([after[0] ^ 1]) + after[1:]
        if i == j and mistake.endswith("beyond the end"):
            size, before, after = size - 1, before[:-1], after[:-1]
        out += struct.pack("<II", k, size) + before + after
    if mistake == "cut off":
        out = out[:-1]
    path = tmp_path / "case.bin"
    path.write_bytes(out)
    done = vectors.run(sanitized, path)
    if mistake == "none":
        # One case only, so the program complains of the ops that have none, and of nothing else.
        assert "differs" not in done.stderr and "Sanitizer" not in done.stderr and done.stderr.count("no case of") > 0
        return
    told = {"a result differs": "differs from what is expected", "cut off": "cut off"}.get(mistake, "heap-buffer-overflow")
    assert done.returncode != 0 and told in done.stderr, done.stderr


# ---- errors ----

@pytest.mark.parametrize(("name", "expected"), [("mambo", "did you mean 'mamba'?"), ("MAMBA", "did you mean 'mamba'?"),
                                                ("zzz", "unknown model 'zzz'. Known: mamba, mdcsa")])  # fmt: skip
def test_unknown_offers_the_nearest(name: str, expected: str) -> None:
    assert expected in str(unknown("model", name, ["mdcsa", "mamba"]))


# ---- make ----

# `make test` runs these: its own options must not reach them.
CLEAN = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_lists_every_target() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, env=CLEAN, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    assert {"demo", "test", "lint", "types", "bench", "vectors", "san"} <= set(phony.split())
    assert re.findall(r"^  make (\S+) +\S", done.stdout, re.M) == phony.split(), "a target without its line of help"


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
@pytest.mark.parametrize(("options", "told"), [
    (["CC=no-such-compiler"], "needs a C compiler, and there is no no-such-compiler"),
    (["PYTHON=no-such-python"], "needs Python 3.10 or newer; no-such-python is not"),
    (["PYTHON=false"], "needs Python 3.10 or newer; false is not"),
])  # fmt: skip
def test_make_says_what_is_missing(tmp_path: Path, options: list[str], told: str) -> None:
    done = subprocess.run(["make", "demo", f"VENV={tmp_path / 'venv'}", f"PYTHON={sys.executable}", *options], cwd=ROOT,
                          env=CLEAN, text=True, capture_output=True)
    assert done.returncode != 0 and told in done.stderr, done.stdout + done.stderr
    assert not (tmp_path / "venv").exists()


# ---- sdist and wheel ----

@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what a checkout holds (setuptools writes beside its sources)."""
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "checkout"
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "*.so",
                                    ".hypothesis", ".benchmarks", "demo")
    shutil.copytree(ROOT, copy, ignore=ignore, symlinks=True)
    done = subprocess.run([sys.executable, "setup.py", "-q", "sdist", "-d", str(folder)], cwd=copy, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.tar.gz")
    return path


def test_sdist_holds_what_the_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as tar:
        files = {m.name.split("/", 1)[1]: m for m in tar.getmembers() if m.isfile()}
    must = {"LICENSE", "SECURITY.md", "Makefile", "pyproject.toml", ".ci/run", "tests/requirements/ci.txt",
            "tests/requirements/dist.in", "tinyloc/py.typed",
            "tests/nolibc/nolibc.c", *(n for n in dist.tracked() if n not in (".gitignore", "PKG-INFO", "setup.cfg"))}
    assert not must - set(files), "MANIFEST.in leaves something out"
    assert not [m.name for m in files.values() if m.uid or m.gid or m.uname or m.gname or m.mode not in (0o644, 0o755)]
    # Nothing that was made here, and no data set: the sources are small.
    assert not [f for f in files if f.endswith((".so", ".o", ".pyc", ".npz", ".csv", ".zip")) or "shared/" in f]
    assert sum(m.size for m in files.values()) < 4_500_000
    assert files[".ci/run"].mode & 0o100, "a script keeps its mode"


def test_two_sdists_are_the_same_bytes(tmp_path: Path) -> None:
    """Of folders of other names, with other times and another umask; `make dist` does the same with wheels."""
    sources = dist.Sources.now()
    one = dist.sdist_of(sources, tmp_path / "sources", tmp_path / "one", 0o022, 0)
    other = dist.sdist_of(sources, tmp_path / "b" / "c" / "d", tmp_path / "other", 0o077, 100_000)
    assert dist.sha256(one) == dist.sha256(other) and one.name == other.name


def test_the_lock_has_what_the_extras_ask_for() -> None:
    """Each requirement of the locked extras, pinned, with hashes, for every Python that the package allows."""
    from packaging.requirements import Requirement

    pinned: dict[str, list[Requirement]] = {}
    blocks = re.split(r"\n(?=\S)", (ROOT / "tests" / "requirements" / "ci.txt").read_text())
    for block in blocks:
        if not block.startswith("#"):
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block
            r = Requirement(block.split("\\")[0].strip())
            pinned.setdefault(r.name.lower().replace("_", "-"), []).append(r)
    locked = re.findall(r"^LOCKED := (.*)$", (ROOT / "Makefile").read_text(), re.M)[0].split()
    asked = [Requirement(r) for r in importlib.metadata.requires("tinyloc") or []]
    for r in asked:  # an extra may ask for others
        locked += r.extras if r.name == "tinyloc" and any(r.marker.evaluate({"extra": e}) for e in locked) else ()
    asked += [Requirement(r) for r in (ROOT / "tests" / "requirements" / "dist.in").read_text().splitlines()
              if not r.startswith("#")]
    for r in asked:
        if r.name == "tinyloc" or (r.marker and not any(r.marker.evaluate({"extra": e}) for e in locked)):
            continue
        found = pinned.get(r.name.lower().replace("_", "-"), [])
        for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
            environment = {"python_version": version, "python_full_version": f"{version}.0"}
            (one,) = [p for p in found if not p.marker or p.marker.evaluate(environment)] or [None]
            assert one, f"{r}: not in tests/requirements/ci.txt for Python {version}; run `make lock`"
            (pin,) = one.specifier
            assert pin.operator == "==" and r.specifier.contains(pin.version, prereleases=True), f"{r}, but {one}: make lock"


@pytest.mark.level2
def test_wheel_from_the_sdist_works_in_a_fresh_environment(sdist: Path, tmp_path: Path) -> None:
    def call(*command: object, cwd: Path = tmp_path) -> str:
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, sdist)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.split("-")[2:4] == ["cp310", "abi3"], "one wheel for every CPython from 3.10 on"
    with zipfile.ZipFile(wheel) as z:
        names = z.namelist()
        assert "License-Expression: Apache-2.0" in z.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    assert {n.split("/")[0].split("-")[0] for n in names} == {"tinyloc"}, "nothing at the top but tinyloc"
    assert not [n for n in names if n.startswith("tinyloc/docs")], "the documentation is a site, not a package"
    for p in [*C.glob("*.[ch]"), *(ROOT / "emulator").rglob("*.c")]:
        assert "tinyloc/" + p.relative_to(ROOT).as_posix() in names, "the C that a user copies is in the wheel"
    assert [n for n in names if n.startswith("tinyloc/kernels/_c")]
    call(sys.executable, "-m", "venv", tmp_path / "venv")
    fresh = tmp_path / "venv" / "bin" / "python"
    call(fresh, "-m", "pip", "install", "-q", wheel)
    code = """
import numpy as np
from tinyloc.kernels.table import OPS
from tinyloc.kernels._c import ffi, lib
for op in OPS.values():
    args = next(op.cases(np.random.default_rng(0), 1))
    a, b = op.prepare(args), op.prepare(args)
    op.jit(*a); op.c(*b)
    assert all((x == y).all() for x, y in zip(op.written(a), op.written(b))), op.name
print(op.jit.__module__, len(OPS))
"""
    assert call(fresh, "-c", code).split()[-1] == str(len(OPS))
    assert "Usage" in call(tmp_path / "venv" / "bin" / "tinyloc", "--help")


def test_license_is_the_text_of_the_apache_foundation() -> None:
    # SHA-256 of https://www.apache.org/licenses/LICENSE-2.0.txt, appendix included.
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == (
        "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30")
