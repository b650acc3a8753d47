"""Files of any bytes: the loaders of CSV files, models and Programs accept them or raise a TinylocError.

    python tests/fuzz/files.py csv --runs 100000 --seed 1

Under atheris where it is installed (extra `fuzz`), which looks at coverage; else, or with --plain, mutants by a seed.
Anything but a TinylocError is a finding, a MemoryError too: no loader allocates by a count that the file's own size does not
bear out.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from tinyloc.convert.graph import GraphConfig, GraphModel
from tinyloc.data import split
from tinyloc.data.csv_file import load_csv
from tinyloc.errors import TinylocError
from tinyloc.model import Model, preset
from tinyloc.program import Program

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import random_program, resealed, streaming_program, unsealed

MEMORY = 1 << 30  # bytes beyond what the process has anyway


def _csv(path: Path) -> None:
    # Which rows are held out is no matter of bytes, and trying many choices takes most of the time.
    with mock.patch.object(split, "_DRAWS", 1):
        load_csv(path, rssi=("ap*",), session="session", motion=("m",), window=4, hop=2)


def _model(path: Path) -> None:
    model = Model.load(path)
    json.dumps(model.info)


def _graph(path: Path) -> None:
    model = GraphModel.load(path)
    json.dumps(model.info)


def _program(path: Path) -> None:
    program = Program.load(path)
    json.dumps(dict(program.info))


TARGETS: dict[str, Callable[[Path], None]] = {"csv": _csv, "model": _model, "graph": _graph, "program": _program}
# What a file is made of: words that mutants get from here, not from a coin.
WORDS = {
    "csv": (b"nan", b"NA", b"-1e309", b"1e300", b"-0", b"1_0", b"\x00", b"\xff", b'"', b",", b"\n", b"\r", b"inf", b"1e-300",
            b"99999999999", b"ap1", b"time", b"\xef\xbb\xbf"),
    "model": (b"[", b"]", b"{", b"}", b"null", b"true", b"-1", b"1e999", b"4096", b"999999999999", b'\\"', b"NaN", b"F16",
              b"I8", b"BF16", b"F64", b'""', b"0", b"2.5", b"Infinity"),
}
WORDS["graph"] = (*WORDS["model"], b"linear", b"logits", b"label", b"matmul", b"input", b"softmax")
WORDS["program"] = (*WORDS["model"], b"int8", b"weight", b"state", b"input", b"linear_s8")


def seeds(target: str) -> list[bytes]:
    """Good files."""
    if target == "csv":
        rng, rows = np.random.default_rng(0), ["time,room,session,ap1,ap2,m"]
        rows += [f"{i},{'abc'[i // 7 % 3]},s{i // 100},{-40 - i % 9},{'' if rng.random() < 0.3 else -70},{i % 50}"
                 for i in range(200)]
        # Short ones are quick to read: a mutant changes a few bytes of whatever length.
        return ["\n".join(rows[: n + 1]).encode() for n in (12, 20, 30)] + ["\r\n".join(rows[:60]).encode()]
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp) / "x"
        if target == "model":
            for name in ("mamba-h8l1", "mdcsa-h8l1"):
                Model.create(preset(name, 3, 3)).save(path.with_suffix(f".{name}"))
        elif target == "graph":
            for name in ("mamba-h8l1", "mdcsa-h8l1"):
                model = Model.create(preset(name, 3, 3))
                GraphModel(GraphConfig(3, 3, 4), model.graph(4), {}).save(path.with_suffix(f".{name}"))
        else:
            for i, program in enumerate((streaming_program(), random_program(1), random_program(4))):
                program.save(path.with_suffix(f".{i}"))
        return [unsealed(p.read_bytes()) for p in sorted(Path(tmp).iterdir())]


def mutant(target: str, data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, cut or repeated; of safetensors files most of them in the JSON, whose length then fits."""
    head = 0
    if target != "csv":
        head = struct.unpack_from("<Q", data)[0]
    body, rest = bytearray(data[8 : 8 + head] if head else data), data[8 + head :] if head else b""
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(len(body) + 1)), int(rng.integers(7))
        if kind == 0 and at < len(body):
            body[at] = int(rng.integers(256))
        elif kind == 1:
            del body[at : at + int(rng.integers(1, 9))]
        elif kind in (2, 3):
            words = WORDS[target]
            body[at : at + int(rng.integers(0, 4))] = words[int(rng.integers(len(words)))]
        elif kind == 4:
            body[at:at] = body[at : at + int(rng.integers(1, 30))]
        elif kind == 5:  # another number in the place of one
            digits = [i for i in range(max(0, at - 40), min(len(body), at + 40)) if 48 <= body[i] < 58]
            if digits:
                body[digits[0]] = 48 + int(rng.integers(10))
        elif not int(rng.integers(20)):
            body[at:] = body[at : at + 1] * int(rng.integers(1, 3000))
    if not head:
        return bytes(body)
    if not int(rng.integers(10)):
        rest = rest[: int(rng.integers(len(rest) + 1))]
    return struct.pack("<Q", len(body)) + bytes(body) + rest


def one(target: str, data: bytes, path: Path) -> bool:
    """Whether the file is accepted, with the digest of what it holds.  Whatever else than a TinylocError the loader raises
    goes on."""
    path.write_bytes(data if target == "csv" else resealed(data))
    try:
        TARGETS[target](path)
    except TinylocError:
        return False
    return True


def limit_memory() -> None:
    """An allocation that no file of that size can ask for is a MemoryError, and a finding."""
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def run(target: str, runs: int, seed: int) -> tuple[int, int]:
    """Mutants by a seed: how many were tried and how many of them accepted.  A finding is raised; its file is kept."""
    rng, good = np.random.default_rng([seed, len(target)]), seeds(target)
    accepted = 0
    with tempfile.TemporaryDirectory() as tmp, warnings.catch_warnings():
        warnings.simplefilter("error")  # an overflow that NumPy merely mentions is a wrong number later on
        path = Path(tmp) / "file"
        for i in range(runs):
            data = good[i % len(good)] if i < len(good) else mutant(target, good[i % len(good)], rng)
            try:
                accepted += one(target, data, path)
            except BaseException:
                Path(f"crash-{target}.bin").write_bytes(data)
                raise
    return runs, accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--runs", type=int, default=100_000, help="a target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="mutants by a seed, even if atheris is there")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; expected {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    try:
        import atheris
    except ImportError:
        atheris = None
    if atheris and not options.plain and len(names) == 1:  # it ends the process
        atheris.instrument_all()
        with tempfile.TemporaryDirectory() as tmp:
            for i, data in enumerate(seeds(names[0])):
                (Path(tmp) / str(i)).write_bytes(data)
            path = Path(tmp).with_suffix(".file")
            atheris.Setup([sys.argv[0], f"-runs={options.runs}", f"-seed={options.seed}", "-rss_limit_mb=4096", tmp],
                          lambda data: one(names[0], data, path) and None)
            atheris.Fuzz()
    limit_memory()
    for name in names:
        tried, accepted = run(name, options.runs, options.seed)
        print(f"{name}: {tried:,} files, {accepted:,} accepted, no finding", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
