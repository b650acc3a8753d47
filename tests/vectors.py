"""Every kernel's and every primitive's cases with their results, in one file; and a C program that runs the C on them.

    python tests/vectors.py build/vectors.bin                  # write the file
    python tests/vectors.py build/vectors.bin --run --cc gcc   # compile and run tests/vectors.c on it

The kernels' results are Numba's, so that the program checks C against Numba; those of the primitives of c/fixed.h, whose
names begin with `fixed.`, are exact.py's.  Built with the sanitizers and with each array in a
block of its own, it also sees what a kernel reads or writes beside them.

File, little-endian: "TLV1", then for each case: u32 length and bytes of the op's name, u32 number of arguments, and for
each argument u32 kind (0 number, 1 array that is read, 2 array whose result counts, 3 scratch), then i32 value, or u32
size in bytes, the content before the call and, for kind 2, after it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from operands import ALL, operands

HERE = Path(__file__).resolve().parent
C = HERE.parent / "kernels" / "c"
HOST = C.parent / "host"
SEED = 20250414
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
SANITIZERS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def _case(op: Any, args: Sequence[Any]) -> Iterator[bytes]:
    before, after = op.prepare(args), op.prepare(args)
    op.jit(*after)
    name = op.name.encode()
    yield struct.pack(f"<I{len(name)}sI", len(name), name, len(before))
    for p, old, new in zip(op.params, before, after, strict=True):
        if not p.is_array:
            yield struct.pack("<Ii", 0, old)
            continue
        kind = 3 if p.role == "scratch" else 2 if p.role in ("out", "state") else 1
        yield struct.pack("<II", kind, old.nbytes) + old.tobytes() + (new.tobytes() if kind == 2 else b"")


def _primitive(name: str, limit: int) -> bytes:
    """A case of a primitive: 64-bit results of operands a, b, c and d in columns (0 where it takes fewer), their number."""
    rows = operands(name, limit)
    columns = [np.array(c, "<i4") for c in zip(*((*row, 0, 0, 0)[:4] for row in rows), strict=True)]
    judge = ALL[name][0]
    want = np.array([(judge(*row) + 2**63) % 2**64 - 2**63 for row in rows], "<i8")
    full = f"fixed.{name}".encode()
    out = struct.pack(f"<I{len(full)}sI", len(full), full, 6)
    out += struct.pack("<II", 2, want.nbytes) + bytes(want.nbytes) + want.tobytes()
    for column in columns:
        out += struct.pack("<II", 1, column.nbytes) + column.tobytes()
    return out + struct.pack("<Ii", 0, len(rows))


def write(path: Path, level: int = 1, seeds: Sequence[int] = (SEED,), names: Sequence[str] = ()) -> int:
    """Writes the file, each op's cases drawn from each seed, of all ops and primitives or those of these names; the number
    of cases."""
    from tinyloc.kernels.table import OPS

    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("wb") as f:
        f.write(b"TLV1")
        for op in (op for op in OPS.values() if not names or op.name in names):
            for seed in seeds:
                for args in op.cases(np.random.default_rng(seed), level):
                    f.writelines(_case(op, args))
                    count += 1
        for name in (n for n in ALL if not names or f"fixed.{n}" in names):
            f.write(_primitive(name, 2000 if level == 1 else 100_000))
            count += 1
    return count


def objects(folder: Path, cc: str, flags: Sequence[str], sources: Sequence[Path]) -> list[Path]:
    """Objects of the sources, in a folder that is one compiler's with these flags: those that another harness, or another
    process, left there are not compiled again.  Raises CalledProcessError when the compiler complains."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [folder / f"{source.parent.name}-{source.stem}.o" for source in sources]
    for source, out in zip(sources, made, strict=True):
        if not out.exists():
            part = out.with_suffix(f".{os.getpid()}.o")  # whole under its own name, or not there
            command = [*shlex.split(cc), *flags, "-c", str(source), "-o", str(part)]
            done = subprocess.run(command, capture_output=True, text=True)
            sys.stderr.write(done.stderr)
            done.check_returncode()
            part.replace(out)
    return made


def build(out: Path, cc: str, flags: Sequence[str] = (*WARNINGS, *SANITIZERS), level: str = "",
          harness: str = "vectors.c", keep: Path | None = None) -> Path:
    """Compiles tests/vectors.c (or another harness) with all C kernels, and has it run those of a level of the host; raises
    CalledProcessError when the compiler complains.  keep: the folder of `objects` for the kernels'."""
    sources = sorted(C.glob("*.c")) + (sorted(HOST.glob("*.c")) if level else [])
    flags = (*flags, "-I", str(C), "-I", str(HOST))
    kernels = objects(keep, cc, flags, sources) if keep else sources
    more = (f"-DTL_HOST_TABLE=tl_{level}_kernels",) if level else ()
    subprocess.run([*shlex.split(cc), *flags, *more, str(HERE / harness), *map(str, kernels), "-o", str(out)], check=True)
    return out


def run(program: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Runs the program on the file; a leak, too, is an error."""
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return subprocess.run([str(program), str(path)], env=env, text=True, capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the kernels' cases with their results, or run C on them.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--level", type=int, default=1, help="1: fast (default); 2: deep")
    parser.add_argument("--run", action="store_true", help="compile tests/vectors.c, sanitized, and run it on the file")
    parser.add_argument("--cc", default="cc", help="C compiler for --run")
    a = parser.parse_args()
    if not a.run:
        print(f"{a.path}: {write(a.path, a.level):,} cases, {a.path.stat().st_size:,} bytes")
        return 0
    done = run(build(a.path.with_suffix(".san"), a.cc), a.path)
    print(done.stdout + done.stderr, end="")
    return done.returncode


if __name__ == "__main__":
    # Run as a file, only its own folder precedes what is installed.
    sys.exit(main())
