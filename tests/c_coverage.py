"""Lines and branches of kernels/c that the tests on this machine run, by gcov and gcovr.

    python tests/c_coverage.py                 # the table; fails below LINES or BRANCHES
    python tests/c_coverage.py --html out.html # and every line

What is counted are the forms of the sources that a host can compile (`mutants.FORMS`): the vectors in each of them, and what
no vector reaches, the tests that `mutants.PYTEST` names, on an instrumented extension.  Assembler and vector instructions of
Cortex-M cores are in none of them; tests/test_cortexm.py runs those on the emulated core.  The branches that are left are
decided by constants: a group of one row where there are no groups of four (dot4.h), and the two halves of functions that are
made twice, for 8 bits and for 16, with a bias and without (`TL_INLINE`).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import forks
import mutants
import vectors

LINES, BRANCHES = 100, 95  # percent, at least
FLAGS = ("-std=c99", "-O0", "-g0", "-w", "-fwrapv", "--coverage", "-fprofile-abs-path", "-fprofile-update=single")


def run_vectors(folder: Path, cc: str, level: int) -> None:
    """The vectors in each form."""
    path = folder / "vectors.bin"
    vectors.write(path, level)
    for form in mutants.FORMS:
        out = folder / form.name
        out.mkdir()
        objects = []
        for source in (*sorted(mutants.C.glob("*.c")), Path(__file__).with_name("vectors.c")):
            objects.append(str(out / (source.stem + ".o")))
            command = [*form.command(cc, FLAGS), "-I", str(mutants.C), "-c", str(source), "-o", objects[-1]]
            subprocess.run(command, check=True)
        subprocess.run([cc, "--coverage", *objects, "-o", str(out / "run")], check=True)
        subprocess.run([str(out / "run"), str(path)], check=True, stdout=subprocess.DEVNULL)


def run_tests(folder: Path, cc: str) -> None:
    """The tests of what the vectors do not reach."""
    from tinyloc.kernels import build_c

    folder.mkdir()
    build_c.ffi().emit_c_code(str(folder / "_c.c"))
    objects = []
    for source in (folder / "_c.c", *(p for p in build_c.all_sources() if p.suffix == ".c")):
        flags = FLAGS if source.parent == mutants.C else ("-O2", "-w")
        objects.append(str(folder / (source.stem + ".o")))
        include = [f"-I{f}" for f in (*build_c.FOLDERS, sysconfig.get_path("include"))]
        subprocess.run([cc, *flags, "-fPIC", *include, "-c", str(source), "-o", objects[-1]], check=True)
    library = folder / "_c.so"
    subprocess.run([cc, "-shared", "--coverage", *objects, "-o", str(library)], check=True)
    # Mutants of the stream meet tests/stream.c in the place of that last test.
    chosen = "|".join([*(tests for file, tests in mutants.PYTEST.items() if file.startswith("kernels/c/")),
                       r"test_stream\.py::test_python_equals_c"])
    code = "import sys, c_coverage; sys.exit(c_coverage.tested(*sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, str(library), chosen], cwd=Path(__file__).parent, check=True)


def tested(library: str, chosen: str) -> int:
    """pytest's status over the tests whose names `chosen` finds, with `library` as the extension of this process."""
    import pytest

    class Chosen:
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items[:] = [i for i in items if re.search(chosen, i.nodeid)]

    swap = forks.Swap()
    swap.load(Path(library))
    os.chdir(mutants.ROOT)
    options = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main([*options, *mutants.test_files(chosen)], plugins=[Chosen()]))


def report(folder: Path, html: str) -> int:
    """gcovr's table; its status says whether both are reached."""
    command = [sys.executable, "-m", "gcovr", "-r", str(mutants.ROOT), str(folder), "--filter", "kernels/c/",
               "--merge-mode-functions", "separate"]
    subprocess.run([*command, "--txt", "-", "--txt-metric", "line"], check=True)
    command += ["--txt", "-", "--txt-metric", "branch"]
    command += ["--fail-under-line", str(LINES), "--fail-under-branch", str(BRANCHES)]
    return subprocess.run([*command, *(["--html-details", html] if html else [])], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Lines and branches of kernels/c that the tests run.")
    parser.add_argument("--folder", type=Path, default=mutants.ROOT / "build" / "coverage")
    parser.add_argument("--cc", default="gcc", help="gcc, of which gcov is")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--html", default="", help="a file for every line")
    a = parser.parse_args()
    shutil.rmtree(a.folder, ignore_errors=True)
    a.folder.mkdir(parents=True)
    run_vectors(a.folder, a.cc, a.level)
    run_tests(a.folder / "extension", a.cc)
    return report(a.folder, a.html)


if __name__ == "__main__":
    sys.exit(main())
