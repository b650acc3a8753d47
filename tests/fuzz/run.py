"""Fuzzing of what reads bytes that nobody has checked: images, the radio's events, streams, in C (files.py: in Python).

    python tests/fuzz/run.py                     # every C target, 10^7 executions each
    python tests/fuzz/run.py image --runs 100000 --seed 7
    python tests/fuzz/files.py csv               # atheris (extra `fuzz`), or mutants by a seed where it does not install

C targets are built with address and undefined-behavior sanitizers; clang's libFuzzer runs them where there is one (Debian:
apt install clang libclang-rt-dev), else driver.c under any compiler.  A corpus is made anew each time from Programs of every
op and of the presets; what libFuzzer finds stays in build/fuzz.  A finding ends the run with status 1 and is kept there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
C, HOST = ROOT / "kernels" / "c", ROOT / "kernels" / "host"
TARGETS = ("image", "input", "stream")
# Signed sums must not overflow in firmware that is built without -fwrapv either: no such flag here.
SANITIZERS = ("-g", "-O1", "-std=gnu99", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
              "-fno-sanitize-recover=all")
MOST = 4096  # bytes of an input


def images(presets: bool = True) -> Iterator[bytes]:
    """Small images: every op, states, packed weights, larger places; and, if asked, of the presets."""
    sys.path.insert(0, str(HERE.parent))
    from programs import random_program, streaming_program

    from tinyloc.image import to_image
    from tinyloc.kernels.table import OPS
    from tinyloc.pack import pack_for

    made = [streaming_program(), streaming_program().retime(1), pack_for(streaming_program(), "m4")]
    left, seed = set(OPS), 0
    while left:  # until every op was there
        program = random_program(seed := seed + 1, steps=3)
        if left & (ops := {s.op for s in program.steps}):
            made.append(program)
            left -= ops
    if presets:
        import numpy as np

        from tinyloc.model import Model, preset
        from tinyloc.quantize import quantize

        x = np.random.default_rng(0).random((20, 4, 5), np.float32)
        for name in ("mamba-h8l1", "mdcsa-h8l1"):
            program = quantize(Model.create(preset(name, 5, 4)), x, "minmax")
            made += [program, pack_for(program, "m4")]
    yield from (data for data in map(to_image, made) if len(data) <= MOST)


def scripts() -> Iterator[bytes]:
    """Events of the radio: bytes at random, and rows of packets at a steady pace."""
    import numpy as np

    rng = np.random.default_rng(0)
    for n in (20, 100, 400, 1500):
        yield rng.integers(0, 256, n).astype(np.uint8).tobytes()
        head = rng.integers(0, 256, 90).astype(np.uint8).tobytes()
        yield head + b"".join(bytes([0, int(a), int(r), 255, 1, 200]) for a, r in rng.integers((0, 160), (9, 250), (n, 2)))


def streams() -> Iterator[bytes]:
    """An image each, and a script for it: bytes at random, or packets and questions in turn."""
    import numpy as np

    rng = np.random.default_rng(1)
    for image in images():
        # A row each 200 ms, held for 2 s, the model's own window; a room from the second row on, at any confidence.
        head = bytes([208, 7, 160, 1, 200, 0, 208, 7, 2, 0, 1, 0, *rng.integers(0, 256, 4).tolist(), 1])
        steady = b"".join(bytes([1, int(a), int(r), 2, int(a) + 1, int(r), 4])
                          for a, r in rng.integers((0, 30), (4, 100), (60, 2)))
        for tail in (rng.integers(0, 256, 300).astype(np.uint8).tobytes(), head + steady):
            if len(image) + len(tail) <= MOST:
                yield image + tail


def write_corpus(target: str, folder: Path, presets: bool = True) -> list[Path]:
    """The corpus as files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    made = {"image": lambda: images(presets), "input": scripts, "stream": streams}
    for i, data in enumerate(made[target]()):
        paths.append(folder / f"{i:03}.bin")
        paths[-1].write_bytes(data)
    return paths


def has_libfuzzer(cc: str) -> bool:
    """Whether that compiler links a fuzzer."""
    with tempfile.TemporaryDirectory() as tmp:
        source = Path(tmp) / "x.c"
        source.write_text("#include <stdint.h>\n#include <stddef.h>\n"
                          "int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return p && n > 9 ? 0 : 0; }\n")
        try:
            done = subprocess.run([cc, "-fsanitize=fuzzer,address,undefined", str(source), "-o", str(Path(tmp) / "x")],
                                  capture_output=True, check=False)
        except OSError:
            return False
        return done.returncode == 0


def build(target: str, out: Path, cc: str, libfuzzer: bool, host: bool = True, kernels: Path = C,
          objects: Sequence[Path] = ()) -> Path:
    """Compiles a target with all kernels, the host's vector kernels too if asked.  objects: of the kernels, by `SANITIZERS`
    and the same compiler, instead of their sources.

    Raises CalledProcessError with the compiler's messages."""
    sources = [HERE / f"{target}.c", *(objects or sorted(kernels.glob("*.c"))), *(sorted(HOST.glob("*.c")) if host else [])]
    more = ["-fsanitize=fuzzer"] if libfuzzer else [str(HERE / "driver.c")]
    flags = [*SANITIZERS, *(["-DFUZZ_HOST"] if host else [])]
    out.parent.mkdir(parents=True, exist_ok=True)
    include = [f"-I{folder}" for folder in (HERE, kernels, HOST)]
    command = [cc, *flags, *more, *include, *map(str, sources), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return out


def run_c(target: str, runs: int, seed: int, cc: str, folder: Path) -> int:
    """Builds and runs; the fuzzer's status."""
    libfuzzer = has_libfuzzer(cc)
    program = build(target, folder / target, cc, libfuzzer, host=target == "image")
    corpus = write_corpus(target, folder / f"{target}-seeds")
    if libfuzzer:
        found = folder / f"{target}-corpus"
        found.mkdir(exist_ok=True)
        command = [str(program), f"-runs={runs}", f"-seed={seed}", f"-max_len={MOST}", "-print_final_stats=1", "-timeout=20",
                   "-rss_limit_mb=4096", "-close_fd_mask=0", str(found), str(corpus[0].parent)]
    else:
        command = [str(program), str(runs), str(seed), *map(str, corpus)]
    print(f"{target}: {'libFuzzer' if libfuzzer else 'driver.c'} of {cc}, {runs:,} executions, seed {seed}", flush=True)
    start = time.monotonic()
    # Leaks would show at the end alone, and cost a third of the time where they are looked for after every run.  What was
    # freed need not be remembered longer than a run, which takes far less than 4 MB.
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=4:" + os.environ.get("ASAN_OPTIONS", "")}
    done = subprocess.run(command, cwd=folder, env=env, check=False)
    print(f"{target}: status {done.returncode} after {time.monotonic() - start:.0f} s", flush=True)
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--runs", type=int, default=10**7, help="executions a target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cc", default=shutil.which("clang") or "gcc", help="clang, or any with sanitizers")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; expected {', '.join(TARGETS)}")
    status = 0
    for target in options.targets or TARGETS:
        status |= run_c(target, options.runs, options.seed, options.cc, options.folder.resolve()) != 0
    return int(status)


if __name__ == "__main__":
    # Run as a file, only its own folder precedes what is installed.
    sys.exit(main())
