"""The tests on one mutant after the other: pytest collects them once, and a fork of it runs them on each.

What the tests import of the extension are stand-ins (`Swap`) behind which a fork puts the mutant's, before anything of C was
called; so neither imports nor collection nor what `warm` prepares are paid for again.  The tests that noticed most
mutants come first, and the first one that notices ends the fork.

As a command, which Extension runs: `python tests/forks.py FD` reads requests, a line of JSON each, from its input and
answers on file descriptor FD.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import types
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MODULE = "tinyloc.kernels._c"
PLAIN = ("-x", "-q", "-s", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark",
         "-p", "no:faulthandler")


class StandIn:
    """Has the attributes of what is put behind it."""

    def __init__(self) -> None:
        self.real: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class FfiStandIn(StandIn):
    def addressof(self, what: Any, *names: str) -> Any:
        return self.real.addressof(what.real if isinstance(what, StandIn) else what, *names)


class Swap:
    """`tinyloc.kernels._c`, whose `ffi` and `lib` are those of the extension that was loaded last."""

    def __init__(self) -> None:
        self.ffi, self.lib = FfiStandIn(), StandIn()
        self.module = types.ModuleType(MODULE)
        vars(self.module).update(ffi=self.ffi, lib=self.lib)

    def load(self, path: Path) -> None:
        spec = importlib.util.spec_from_file_location(MODULE, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.ffi.real, self.lib.real = module.ffi, module.lib
        sys.modules[MODULE] = self.module  # cffi's code has put its own there


class Server:
    """A pytest plugin: when all is collected, it answers requests instead of running the tests."""

    def __init__(self, swap: Swap, out: int) -> None:
        self.swap, self.out = swap, out
        self.noticed, self.cost = Counter[str](), dict[str, float]()  # by test: mutants, seconds

    def pytest_runtestloop(self, session: Any) -> bool:
        warm()
        if session.testsfailed:
            raise SystemExit("forks: not all tests could be collected")
        self._say({"collected": len(session.items)})
        for line in sys.stdin:
            self._say(self.answer(session.items, json.loads(line)))
        return True

    def _say(self, what: Any) -> None:
        os.write(self.out, json.dumps(what).encode() + b"\n")

    def answer(self, items: list[Any], request: dict[str, Any]) -> dict[str, Any]:
        """What a fork says: "by", the test that noticed, or ""; "timeout"; "seconds" of processor time."""
        chosen = [i for i in items if re.search(request["tests"], i.nodeid)]
        chosen.sort(key=lambda i: -self.noticed[i.nodeid] / self.cost.get(i.nodeid, 0.01))
        assert chosen, request["tests"]
        reading, writing = os.pipe()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.close(reading)
                code = self._child(chosen, request, writing)
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as f:
            by = f.read()
        by, _, modules = by.partition("\n#")
        for name in modules.split():  # what it imported, the next ones need not
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        status, lines = os.waitpid(child, 0)[1], by.splitlines()
        self.cost |= {test: max(float(t), 0.001) for test, _, t in (line.partition("\t") for line in lines) if t}
        last = lines[-1].partition("\t")[0]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = {"by": "", "timeout": False, "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}
        if os.WIFSIGNALED(status):
            found["timeout"] = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL, signal.SIGALRM)
            found["by"] = f"{short(last)}: {signal.Signals(os.WTERMSIG(status)).name}"
        elif os.WEXITSTATUS(status):
            found["by"] = short(last)
        if found["by"]:
            self.noticed[last] += 1
        return found

    def _child(self, items: list[Any], request: dict[str, Any], out: int) -> int:
        from _pytest.runner import runtestprotocol

        seconds = request["seconds"]
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(20 * seconds)  # one that waits for ever uses no processor
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.write(out, b"loading")
        if request.get("library"):
            self.swap.load(Path(request["library"]))
        if request.get("c"):  # what compiles the sources takes them there
            sys.modules["vectors"].C = Path(request["c"])  # type: ignore[attr-defined]
            if "test_update" in sys.modules:
                sys.modules["test_update"].UPDATE = Path(request["c"]).with_name("update")  # type: ignore[attr-defined]
        if request.get("python"):
            module, text = request["python"]
            sys.modules["tinyloc.kernels.jit"]._CACHE = None  # type: ignore[attr-defined]  # Numba's knows no constants
            exec(compile(text, sys.modules[module].__file__ or module, "exec"), vars(sys.modules[module]))
        before = set(sys.modules)
        for item, following in zip(items, [*items[1:], None], strict=True):
            begin = time.process_time()
            os.write(out, f"\n{item.nodeid}".encode())
            failed = any(r.failed for r in runtestprotocol(item, log=False, nextitem=following))
            os.write(out, f"\t{time.process_time() - begin:.4f}".encode())
            if failed:
                return 1
        os.write(out, ("\n#" + " ".join(n for n in sys.modules if n not in before)).encode())
        return 0


def short(test: str) -> str:
    return test.removeprefix("tests/")


def warm() -> None:
    """Keeps what tests compute from Python alone, and compiles Numba's kernels.  Nothing of C may be called, or kept, here
    but through names of `_c` that each fork looks up."""
    from tinyloc.kernels.table import OPS

    for op in OPS.values():
        assert op.jit
    if "test_stream" in sys.modules:
        keep("test_stream", "streams.make", [(case,) for case in sys.modules["streams"].CASES.values()])
    if "test_update" in sys.modules:
        sys.modules["updates"].packages()
        for name in ("broken", "torsion", "edge_cases"):
            keep("test_update", name, [()])
        keep("test_update", "oracle", [case[1:4] for case in sys.modules["test_update"].edge_cases()])
    if "test_fuzz" in sys.modules:
        fuzz = sys.modules["test_fuzz"]
        keep("test_fuzz", "small_preset", [()])
        keep("test_fuzz", "fuzz.images", [{"presets": False}])
        images = [*fuzz.fuzz.images(presets=False), fuzz.to_image(fuzz.small_preset())]
        keep("test_fuzz", "parsed", [(image,) for made in (fuzz.mutants(images, np.random.default_rng(5), 3000),
                                                           fuzz.at_the_ends(images)) for image in made])
    assert not any("c" in vars(op) for op in OPS.values()), "a kernel of the unchanged extension would be kept"


def keep(module: str, name: str, calls: list[Any]) -> None:
    """Makes a function of a test module remember what it returned, and calls it; an iterator's items are kept."""
    place: Any = sys.modules[module]
    *through, name = name.split(".")
    for part in through:
        place = getattr(place, part)
    f = getattr(place, name)

    @functools.cache
    def kept(*args: Any, **named: Any) -> Any:
        found = f(*args, **named)
        return list(found) if isinstance(found, types.GeneratorType) else found

    setattr(place, name, kept)
    for call in calls:
        kept(**call) if isinstance(call, dict) else kept(*call)


def serve(out: int) -> int:
    """Reads {"library": the unchanged extension, "files": test files}, then requests until its input ends."""
    import hypothesis
    import pytest

    first = json.loads(sys.stdin.readline())
    # What fails need not be made small.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", phases=phases, database=None)
    hypothesis.settings.load_profile("mutants")
    swap = Swap()
    swap.load(Path(first["library"]))
    sys.path.insert(0, str(HERE))
    os.chdir(HERE.parent)
    return int(pytest.main([*PLAIN, *first["files"]], plugins=[Server(swap, out)]))


class Forks:
    """The command's other end.  library: the unchanged extension; files: the test files that any request may choose from.
    What pytest prints goes to a file beside the library."""

    def __init__(self, library: Path, files: list[str]) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, str(Path(__file__)), str(writing)]
        self.log = library.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=[writing],
                                            text=True)
        os.close(writing)
        self.answers = os.fdopen(reading)
        self.collected = int(self.ask(library=str(library), files=files)["collected"])

    def ask(self, **request: Any) -> dict[str, Any]:
        """Raises RuntimeError when the server has ended."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.answers.readline()
        if not answer:
            raise RuntimeError(f"the tests could not be collected: {self.log} says why")
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.answers.close()


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1])))
