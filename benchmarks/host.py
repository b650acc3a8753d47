"""Int8 inference on the host, ours and others' side by side in one run: python benchmarks/host.py

One window of a transformer (T = 32, d = 32, one layer) from Python, one thread; then whole test sets.  Every round runs each
contestant once, so that all see the same machine; the figures are medians.  Peers that are not installed are left out and
named; the extra `peers` has them all.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import peers
import shapes

from tinyloc.cli import table
from tinyloc.kernels import simd
from tinyloc.program import Program
from tinyloc.run import Session

Call = Callable[[], Any]


def session(program: Program, level: str) -> Session:
    """A Session of the C backend at a level."""
    os.environ[simd.VARIABLE] = level
    try:
        return Session(program, "c")
    finally:
        del os.environ[simd.VARIABLE]


def ours(program: Program, x: np.ndarray) -> dict[str, Call]:
    sessions = {level: session(program, level) for level in simd.levels()}
    return {f"tinyloc, {level}": partial(s.run, x) for level, s in sessions.items()}


def litert(model: bytes, x: np.ndarray, resolver: str) -> Call:
    """Input in, run, output out, as a program would; one thread."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    it = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=getattr(OpResolverType, resolver))
    it.allocate_tensors()
    i, o = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]

    def run() -> np.ndarray:
        it.set_tensor(i, x)
        it.invoke()
        return np.asarray(it.get_tensor(o))

    return run


def tflm(model: bytes, x: np.ndarray) -> Call:
    from tflite_micro import runtime

    it = runtime.Interpreter.from_bytes(model, arena_size=1 << 20)

    def run() -> np.ndarray:
        it.set_input(x, 0)
        it.invoke()
        return np.asarray(it.get_output(0))

    return run


def onnx(model: bytes, x: np.ndarray) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    it = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    return lambda: it.run(None, {"input": x})[0]


def others(program: Program, x: np.ndarray) -> tuple[dict[str, Call], list[str]]:
    """Their calls, and what is not there."""
    made: dict[str, Call] = {}
    absent = []
    try:
        from ai_edge_litert import schema_py_generated as schema

        for text, norms in (("", True), (", no norms", False)):
            model = peers.tflite(program, schema, norms)
            made[f"LiteRT XNNPACK{text}"] = litert(model, x, "BUILTIN")
            made[f"LiteRT without delegate{text}"] = litert(model, x, "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
            made[f"LiteRT reference{text}"] = litert(model, x, "BUILTIN_REF")
    except ImportError as e:
        absent.append(f"LiteRT ({e.name})")
    try:
        from ai_edge_litert import schema_py_generated as schema

        for text, norms in (("", True), (", no norms", False)):
            made[f"TFLM{text}"] = tflm(peers.tflite(program, schema, norms), x)
    except ImportError as e:
        absent.append(f"TFLM ({e.name})")
    try:
        made["ONNX Runtime"] = onnx(peers.onnx_model(program), x)
    except ImportError as e:
        absent.append(f"ONNX Runtime ({e.name})")
    return made, absent


def medians(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Microseconds a call, each name once a round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(3):
            call()
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # its code and data back into the caches after the others
            start = time.perf_counter_ns()
            call()
            times[name].append((time.perf_counter_ns() - start) / 1e3)
    return {name: median(t) for name, t in times.items()}


def codes(program: Program, count: int) -> np.ndarray:
    b = program.buffers[program.input]
    return np.random.default_rng(0).integers(-128, 128, (count, *b.shape)).astype(np.int8)


def one_by_one(run: Call, x: np.ndarray) -> None:
    """A whole set through a peer that takes one window at a time."""
    for _ in range(len(x)):
        run()


def batches(windows: int, rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """Microseconds a window of a whole set in one call, by model and contestant; LiteRT takes one window after the other."""
    result = {}
    for name, decay in (("transformer", ""), ("mamba-h16l1", "powers"), ("mamba-h16l1", "free")):
        program = shapes.program(name, decay=decay) if decay else shapes.transformer()
        x, calls = codes(program, windows), dict[str, Call]()
        for level in simd.levels():
            for count in sorted({1, threads}):
                label = f"tinyloc, {level}, {count} thread{'s' * (count > 1)}"
                calls[label] = partial(session(program, level).run_windows, x, count)
        try:
            from ai_edge_litert import schema_py_generated as schema

            # Powers of one have no counterpart that is cheaper than decays of their own.
            model = (peers.mamba_tflite(shapes.program(name, decay="free"), schema) if decay
                     else peers.tflite(program, schema))
            for text, resolver in (("XNNPACK", "BUILTIN"), ("without delegate", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")):
                calls[f"LiteRT {text}"] = partial(one_by_one, litert(model, x[0], resolver), x)
        except ImportError:
            pass
        result[f"{name}, {decay} decays" if decay else name] = {n: v / windows for n, v in medians(calls, rounds).items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--windows", type=int, default=719, help="of a whole set; the flat's test rows are 719")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    program = shapes.transformer()
    x = codes(program, 1)[0]
    theirs, absent = others(program, x)
    calls = {**ours(program, x), **theirs}
    want = next(iter(calls.values()))().astype(int)
    times = medians(calls, args.rounds)
    best = min(t for n, t in times.items() if n.startswith("tinyloc"))
    rows = [["transformer, T = 32, d = 32", "us", "ours is faster by", "mean distance in places"]]
    for name, us in times.items():
        off = f"{np.abs(calls[name]().astype(int) - want).mean():.2f}" if "norms" not in name else ""
        rows.append([name, f"{us:.1f}", f"{us / best:.2f}", off])
    batched = batches(args.windows, max(args.rounds // 30, 3), args.threads)
    if args.json:
        print(json.dumps({"us": times, "batch_us": batched, "absent": absent}))
        return
    print(table(rows))
    print(table([["a whole set", "by", "us a window", "windows a second"],
                 *([model, level, f"{us:.2f}", f"{1e6 / us:,.0f}"] for model, r in batched.items()
                   for level, us in r.items())]))
    if absent:
        print("left out, as not installed:", "; ".join(absent))


if __name__ == "__main__":
    main()
