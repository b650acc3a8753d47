"""Wheels for every platform, built on one machine; and the tests of one, on the platform that it is for.

    python tests/wheels.py build dist                         # sdist and wheels into dist/: built twice, compared, checked
    python tests/wheels.py build dist --only linux-aarch64    # a platform alone, or some
    python tests/wheels.py test dist                          # the sdist's tests on this platform's wheel, installed afresh
    python tests/wheels.py test dist --sdist                  # on what this platform's own compiler makes of the sdist

One compiler makes them all, the clang of PyPI's ziglang with the C libraries that it brings: the bytes depend on the
sources and on pinned packages, not on whose machine it was.  An extension of the limited API needs little of a platform: the
sizes of C's types (pyconfig.h beside this file, in the place of this Python's) and, for Windows, an import library of
python3.dll, made of the list of the stable ABI (abi3info), such that whatever is not in it does not link.  The rest of a
wheel is that of this machine's wheel, byte for byte.

musllinux is left out: Numba, which tinyloc needs, has no wheel for it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dist

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements" / "wheels.txt"
PYTHON = (3, 10)  # the oldest, whose stable ABI is linked to
GENERATE = """
import json, runpy, sys
e = runpy.run_path("kernels/build_c.py")["ffi"]().distutils_extension(sys.argv[1])
print(json.dumps([e.sources, e.include_dirs, e.extra_compile_args]))
"""
MODULE = "tinyloc/kernels/_c"
EXPORTED = "PyInit__c"


@dataclass(frozen=True)
class Platform:
    """A name, what zig calls it, the tags of its wheel, and the libraries of the system that the extension may load."""

    name: str
    target: str
    tags: str
    libraries: str  # a regular expression

    @property
    def windows(self) -> bool:
        return "windows" in self.target

    @property
    def macos(self) -> bool:
        return "macos" in self.target

    @property
    def file(self) -> str:
        """The extension's path in a wheel, as CPython looks for it."""
        return MODULE + (".pyd" if self.windows else ".abi3.so")

    def linking(self, folder: Path) -> list[str]:
        """What the linker must be told beyond "a shared library"; makes the import library in `folder`."""
        if self.windows:
            return [str(import_library(self.target.split("-")[0], folder))]
        if self.macos:  # Python's symbols are those of the process that loads it; the name is not to be the output's path
            return ["-Wl,-undefined,dynamic_lookup", f"-Wl,-install_name,{Path(self.file).name}"]
        return []


UCRT = r"python3\.dll|KERNEL32\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll"  # of every Windows since 10
# Linux: the C library of CentOS 7 (manylinux2014, PEP 599).  macOS: the oldest that python.org's Pythons run on.
PLATFORMS = {p.name: p for p in (
    Platform("linux-x86_64", "x86_64-linux-gnu.2.17", "manylinux2014_x86_64.manylinux_2_17_x86_64", r"libc\.so\.6"),
    Platform("linux-aarch64", "aarch64-linux-gnu.2.17", "manylinux2014_aarch64.manylinux_2_17_aarch64", r"libc\.so\.6"),
    Platform("macos-x86_64", "x86_64-macos.10.13", "macosx_10_13_x86_64", r"/usr/lib/libSystem\.B\.dylib"),
    Platform("macos-arm64", "aarch64-macos.11.0", "macosx_11_0_arm64", r"/usr/lib/libSystem\.B\.dylib"),
    Platform("windows-x86_64", "x86_64-windows-gnu", "win_amd64", UCRT),
    Platform("windows-arm64", "aarch64-windows-gnu", "win_arm64", UCRT),
)}


def zig(*arguments: object, cwd: Path = dist.ROOT, **env: str) -> str:
    """What zig says; exits with its output when it fails."""
    return dist.call(sys.executable, "-m", "ziglang", *arguments, cwd=cwd, **env)


def import_library(arch: str, folder: Path) -> Path:
    """python3.lib for a processor (x86_64 or aarch64): the stable ABI of the oldest Python, by abi3info's list."""
    from abi3info import DATAS, FUNCTIONS

    lines = ["LIBRARY python3.dll", "EXPORTS"]
    for table, kind in ((FUNCTIONS, ""), (DATAS, " DATA")):
        for symbol, known in sorted(table.items(), key=lambda item: item[0].name):
            if (known.added.major, known.added.minor) <= PYTHON and (not known.ifdef or known.ifdef.windows is True):
                lines.append(symbol.name + kind)
    (folder / "python3.def").write_text("\n".join(lines) + "\n", encoding="ascii")
    machine = {"x86_64": "i386:x86-64", "aarch64": "arm64"}[arch]
    zig("dlltool", "-m", machine, "-d", "python3.def", "-l", "python3.lib", cwd=folder)
    return folder / "python3.lib"


def headers(folder: Path) -> Path:
    """This Python's headers with our pyconfig.h; a copy, since they look for theirs beside themselves first."""
    include = folder / "include"
    shutil.copytree(sysconfig.get_path("include"), include)
    shutil.copyfile(HERE / "pyconfig.h", include / "pyconfig.h")
    return include


def extension(platform: Platform, sources: Path, folder: Path, cache: Path) -> Path:
    """The extension of the sdist that is unpacked in `sources`, made in the new `folder`; cache: zig's, of C libraries."""
    folder.mkdir(parents=True)
    said = dist.call(sys.executable, "-c", GENERATE, folder / "generated", cwd=sources)
    files, include, flags = json.loads(said.splitlines()[-1])
    out = folder / Path(platform.file).name
    # What has been compiled already is not taken from a cache: the second build is one.
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(folder / "cache")}
    zig("cc", "-target", platform.target, *flags, "-fvisibility=hidden", "-shared", "-s", "-I", headers(folder),
        *(f"-I{i}" for i in include), *files, *platform.linking(folder), "-o", out, cwd=sources, **caches)
    return out


def wheel_with(wheel: Path, platform: Platform, made: Path, out: Path) -> Path:
    """A copy of `wheel` in the folder `out` that has the extension `made`, and the platform's tags."""
    from wheel.wheelfile import WheelFile

    name, version, python, abi, _ = wheel.stem.split("-")
    target = out / f"{name}-{version}-{python}-{abi}-{platform.tags}.whl"
    tags = "".join(f"Tag: {python}-{abi}-{tag}\n" for tag in platform.tags.split("."))
    with WheelFile(wheel) as old, WheelFile(target, "w") as new:  # which writes RECORD
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == old.record_path:
                continue
            if entry.filename.startswith(MODULE + "."):
                entry.filename, data = platform.file, made.read_bytes()
            elif entry.filename == f"{old.dist_info_path}/WHEEL":
                data = re.sub(rb"(Tag: .*\n)+", tags.encode(), data)
            new.writestr(entry, data)
    return target


def check(sdist: Path, wheel: Path, platform: Platform) -> None:
    """Exits unless the extension exports its one symbol, loads the system's libraries alone, is of the stable ABI and of the
    system that the tag says (Linux: of its C library; macOS: of its version, and signed where it has to be)."""
    import lief
    from wheel.wheelfile import WheelFile

    lief.logging.disable()
    with WheelFile(wheel) as z:
        (name,) = (n for n in z.namelist() if n.startswith(MODULE + "."))
        binary: Any = lief.parse(z.read(name))
    libraries = {str(getattr(lib, "name", lib)) for lib in binary.libraries} - {Path(name).name}
    if strange := {lib for lib in libraries if not re.fullmatch(platform.libraries, lib)}:
        sys.exit(f"{wheel.name}: loads {', '.join(sorted(strange))}")
    exported = {str(f.name).removeprefix("_" if platform.macos else "") for f in binary.exported_functions}
    if {n for n in exported if not n.startswith("_")} != {EXPORTED}:
        sys.exit(f"{wheel.name}: exports {', '.join(sorted(exported))}, expected {EXPORTED} alone")
    if name != platform.file:
        sys.exit(f"{wheel.name}: has {name}, expected {platform.file}")
    if platform.macos:
        oldest = binary.build_version.minos if binary.has_build_version else binary.version_min.version
        if platform.tags.split("_")[1:3] != [str(n) for n in oldest[:2]]:
            sys.exit(f"{wheel.name}: is for macOS {'.'.join(map(str, oldest))} and newer")
        if "aarch64" in platform.target and not binary.has_code_signature:
            sys.exit(f"{wheel.name}: no signature, without which macOS loads nothing on arm64")
    dist.check(sdist, wheel)
    if platform.name.startswith("linux"):
        said = dist.call(sys.executable, "-m", "auditwheel", "show", wheel)
        if platform.tags.split(".")[-1] not in said:
            sys.exit(f"{wheel.name}: {said}")


def build(out: Path, platforms: Iterable[Platform], scratch: Path) -> list[Path]:
    """The sdist and the wheels, in the folder `out`; exits when two builds differ, or a check fails."""
    if not sys.platform.startswith("linux"):
        sys.exit(f"wheels are built on Linux, where auditwheel judges them; this is {sys.platform}")
    os.environ["SOURCE_DATE_EPOCH"] = dist.epoch()  # of RECORD
    sdist, native = (dist.same(*pair) for pair in dist.twice(scratch))
    trees = [(folder, dist.unpack(sdist, folder / "sources"))
             for folder in (scratch / "cross" / "a", scratch / "cross" / "another" / "much" / "deeper")]
    cache = Path(os.environ.get("ZIG_GLOBAL_CACHE_DIR") or scratch / "zig")
    files = [sdist]
    for platform in platforms:
        wheel = dist.same(*(wheel_with(native, platform, extension(platform, sources, folder / platform.name, cache), folder)
                            for folder, sources in trees))
        check(sdist, wheel, platform)
        files.append(wheel)
    out.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, out / path.name)
    return [out / path.name for path in files]


def test(folder: Path, scratch: Path, from_sdist: bool = False) -> str:
    """The last line of pytest over the sdist's tests, in a fresh environment that has tinyloc from `folder`: the wheel that
    pip chooses for this platform, or what the platform's compiler makes of the sdist."""
    (sdist,) = folder.glob("*.tar.gz")
    how = ("--no-binary", "tinyloc", "--no-build-isolation") if from_sdist else ("--only-binary", ":all:")
    return dist.test(sdist, ("--no-index", "--find-links", folder.resolve(), *how, "tinyloc"), scratch, LOCK)


def main(arguments: Sequence[str] | None = None) -> int:
    a = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tinyloc-wheels-") as tmp:
        if a.what == "test":
            said = test(a.folder, Path(tmp), a.sdist)
            print(f"installed from the {'sdist' if a.sdist else 'wheel'}, tested from the sdist: {said}")
            return 0
        for path in build(a.folder, [PLATFORMS[name] for name in a.only or PLATFORMS], Path(tmp)):
            print(f"{dist.sha256(path)}  {path}")
    print("built twice, the same bytes; twine check, abi3audit and auditwheel have nothing to say")
    return 0


def parser() -> argparse.ArgumentParser:
    """Of the command line; the workflow's commands must pass it."""
    top = argparse.ArgumentParser(description="Wheels for every platform, and their tests.")
    what = top.add_subparsers(dest="what", required=True)
    one = what.add_parser("build", help="sdist and wheels, twice, compared and checked")
    one.add_argument("folder", type=Path, help="where they go")
    one.add_argument("--only", nargs="+", choices=list(PLATFORMS), help="platforms; default: all")
    one = what.add_parser("test", help="install what is for this platform in a fresh environment, and run the sdist's tests")
    one.add_argument("folder", type=Path, help="where sdist and wheels are")
    one.add_argument("--sdist", action="store_true", help="build it from the sdist here, by this platform's compiler")
    return top


if __name__ == "__main__":
    sys.exit(main())
