"""The host's C compilers, and the kernels built by each: as a shared library, or as a static program without a C library.

gcc and clang are those on the PATH; `zig clang` is the clang of the extra mcu.  Nothing here needs a C library, so that the
32-bit build of an x86-64 compiler needs no second one (Debian's gcc-multilib): tests/nolibc has the few functions that
tests/vectors.c calls.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
C = HERE.parent / "kernels" / "c"
NOLIBC = HERE / "nolibc"
try:  # the clang of the extra mcu, which has no headers but a compiler's own: for what is freestanding
    from ziglang import __file__ as _zig
    ZIG = (str(Path(_zig).with_name("zig")), "clang", "-nostdlibinc", "-isystem", str(Path(_zig).parent / "lib" / "include"))
except ImportError:
    ZIG = ()
X86 = platform.machine() in ("x86_64", "AMD64") and platform.system() == "Linux"


@dataclass(frozen=True)
class Compiler:
    """A name, the command of the compiler, and that of its linker."""

    name: str
    command: tuple[str, ...]
    linker: tuple[str, ...]

    def objects(self, sources: Sequence[Path], folder: Path, flags: Sequence[str]) -> list[str]:
        """Object files of `sources` in `folder`; raises CalledProcessError when the compiler complains."""
        folder.mkdir(parents=True, exist_ok=True)
        run([*self.command, *flags, "-ffreestanding", "-fno-stack-protector", "-c", *map(str, sources)], folder)
        return [str(folder / f"{p.stem}.o") for p in sources]

    def library(self, out: Path, optimize: str) -> Path:
        """The kernels as a shared library for this machine, beside its objects."""
        folder = out.with_suffix(".objects")
        made = self.objects(sorted(C.glob("*.c")), folder, ("-std=c99", optimize, "-fPIC"))
        run([*self.linker, "-shared", "-Bsymbolic", *made, "-o", str(out)], folder)
        return out

    def program(self, out: Path, optimize: str, bits: int, flags: Sequence[str] = ()) -> Path:
        """tests/vectors.c with all kernels for x86 of 32 or 64 bits, static, without a C library."""
        folder = out.with_suffix(".objects")
        sources = [HERE / "vectors.c", NOLIBC / "nolibc.c", *sorted(C.glob("*.c"))]
        flags = (*flags, optimize, f"-m{bits}", "-fno-pic", "-isystem", str(NOLIBC), "-I", str(C))
        made = self.objects(sources, folder, flags)
        run([*self.linker, "-m", "elf_i386" if bits == 32 else "elf_x86_64", "-static", *made, "-o", str(out)], folder)
        return out


def run(command: Sequence[str], folder: Path) -> None:
    """Runs a command in `folder`; raises CalledProcessError with what it said."""
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode or done.stderr:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)


def compilers() -> list[Compiler]:
    """Those that are here; gcc and clang link with binutils' ld."""
    ld = shutil.which("ld")
    found = [Compiler(name, (path,), (ld,)) for name in ("gcc", "clang") if (path := shutil.which(name)) and ld]
    return [*found, *([Compiler("zig clang", ZIG, (ZIG[0], "ld.lld"))] if ZIG else [])]
