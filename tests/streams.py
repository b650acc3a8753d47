"""Scripts of packets and questions with faults in them; and what the stream says to them in Python and in C.

    python tests/streams.py --samples 10000000               # Python = C over so many answers, every saturation noticed
    python tests/streams.py --run build/stream.bin --cc gcc  # tests/stream.c, sanitized, on a script with Python's answers

File of a script, little-endian: "TLS1", then for each stream u32 bytes of the arena, u32 size and bytes of the image; the
scaler as u32 size and bytes of its curve, u32 count and 12 bytes each of its tl_ap, u32 size and bytes of its fixes, u32
count, curved, hold and i32 silent, least, most; 14 bytes of tl_stream_config and 2 of padding; u32 count of events and 8
bytes each (ms, dbm, ap; of a question 65535); u32 count of answers and 8 bytes each of tl_answer, the last of them 0.
"""

from __future__ import annotations

import argparse
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import vectors

from tinyloc.confidence import Reliability, with_table
from tinyloc.convert.graph import GraphConfig, GraphModel
from tinyloc.data import Scaler, load, windows
from tinyloc.emulator.plan import plan
from tinyloc.image import to_image
from tinyloc.kernels._c import ffi, lib
from tinyloc.kernels.op import Node
from tinyloc.model import Model, preset
from tinyloc.program import Buffer, Program
from tinyloc.quantize import quantize
from tinyloc.scaling import hold_ms, input_constants
from tinyloc.stream import AHEAD, ANSWER, EVENT, NONE, NOT_HEARD, SATURATED, Config, Events, Stream, replay

HERE = Path(__file__).resolve().parent
SEED = 20251126
FIELDS = [n for n in ANSWER.names or () if n != "pad"]


# ---- Programs ----

LAST = "graph of the last row"


@dataclass(frozen=True)
class Case:
    """preset, or LAST, and window of an untrained model of a simulated house (its bits do not depend on what it has learnt),
    and what its stream is told; `louder`: the scan's state is so many powers of two greater than quantization made it."""

    preset: str
    window: int = 12
    confident: bool = True
    motion: bool = False
    delay: int = 0
    louder: int = 0
    warm_up: int = 4
    least: int = 2
    threshold: int = 60


CASES = {
    "mamba": Case("mamba-h4l1"),
    "mamba, lean, late": Case("mamba-h8l1-lean", delay=2, motion=True),
    "mamba, two blocks, saturating": Case("mamba-h4l2", louder=3),
    "mamba, saturating": Case("mamba-h8l1", louder=2, threshold=0, warm_up=1),
    "mamba of rows that stand alone": Case("mamba-h4l1", window=1, warm_up=1),
    "mamba without confidence": Case("mamba-h4l1", confident=False),
    "mdcsa": Case("mdcsa-h4l1", window=6),
    "mdcsa of rows that stand alone": Case("mdcsa-h4l1", window=1, warm_up=1, motion=True),
    "graph of the last row": Case(LAST, window=6),
    "graph of the last row without confidence": Case(LAST, window=5, confident=False),
}


def last_row(aps: int, classes: int, window: int) -> GraphModel:
    """A graph that answers for the last row of a window alone."""
    weight = np.random.default_rng(1).normal(size=(8, window, aps)).astype(np.float32) / np.sqrt(window * aps)
    head = np.random.default_rng(2).normal(size=(classes, 8)).astype(np.float32)
    return GraphModel(GraphConfig(aps, classes, window), [
        Node("input", "x", ()),
        Node("conv1d", "h", ("x",), {"weight": weight, "bias": np.zeros(8, np.float32)},
             {"stride": 1, "pad_left": 0, "pad_right": 0}),
        Node("relu", "r", ("h",)), Node("linear", "logits", ("r",), {"weight": head}, {"wide": True}),
        Node("argmax", "label", ("logits",))])


def make(case: Case) -> Program:
    """The Program of a case."""
    house = load("simulated", minutes=4, test_minutes=1, motion=case.motion)
    scaler = Scaler.fit(house.train)
    sizes = len(house.inputs), len(house.rooms)
    model = last_row(*sizes, case.window) if case.preset == LAST else Model.create(preset(case.preset, *sizes), 1)
    model.info.update(aps=list(house.inputs), rooms=list(house.rooms), window=case.window, rate_hz=house.rate_hz,
                      delay=case.delay, scaler=scaler.to_dict(), name=case.preset,
                      **({"motion": list(house.motions)} if case.motion else {}))
    program = quantize(model, windows(house.train, scaler, case.window, 40).x, "minmax")
    if case.confident:
        rising = np.sort(np.random.default_rng(0).integers(0, 256, 64)).astype(np.uint8)
        program = with_table(program, Reliability(rising, 4))
    data = dict(program.data)
    for name in program.data:
        if name.endswith("h_exp"):
            data[name] = program.data[name] - np.int8(case.louder)
    sure = {"warm_up": case.warm_up, "least": case.least, "threshold": case.threshold if case.confident else 0}
    return replace(program, data=data, info={**program.info, "confidence": sure})


# ---- scripts ----

FAULTS = ("none", "none", "dead", "silent", "lost", "twice", "reordered", "jump", "backwards", "wrap", "absurd",
          "unknown ap", "burst", "motion", "late", "early", "long gap", "stuck", "ahead")


def script(rng: np.random.Generator, config: Config, inputs: int, samples: int) -> Events:
    """EVENTs of at least so many questions: stretches of a regular stream, each with one of FAULTS, on a clock that starts
    anywhere."""
    parts, done, now, period = [], 0, int(rng.integers(0, 2**32)), config.period or 200
    dead = np.zeros(inputs, bool)
    while done < samples:
        fault, n = str(rng.choice(FAULTS)), int(rng.integers(5, 60))
        if fault == "wrap":
            now = 2**32 - int(rng.integers(0, n * period))
        elif fault == "jump":
            now += int(rng.choice([config.gap - 1, config.gap, config.gap + 1, 10 * config.gap, 2**31 - 1, 2**31]))
        elif fault == "backwards":
            now -= int(rng.choice([1, period, 5000, 2**31 - 1]))
        # Asked for at the rows, a little off; or late, early, over and over.
        steps = np.full(n, period) + (rng.integers(-period // 3, period // 3 + 1, n) if rng.random() < 0.5 else 0)
        if fault == "late":
            steps = rng.integers(1, 7, n) * period + rng.integers(0, period, n)
        elif fault == "early":
            steps = rng.integers(0, period, n)
        elif fault == "long gap":
            steps[n // 2] = config.gap + int(rng.integers(0, 100_000))
        elif fault == "stuck":
            steps = np.zeros(n, np.int64)
        asked = now + np.cumsum(steps)
        # What is heard before each question.
        on = rng.random((n, inputs)) < 0.8
        if fault == "dead":
            dead = rng.random(inputs) < 0.3
        elif fault == "none":
            dead[:] = False
        elif fault == "lost":
            on &= rng.random((n, inputs)) < 0.2
        elif fault == "silent":
            on[n // 4 :] = False
        on &= ~dead
        at, ap = np.nonzero(on)
        level = rng.normal(-75, 15, inputs) + rng.normal(0, 4, (n, inputs))
        packets = np.zeros(len(at), EVENT)
        packets["dbm"] = np.clip(np.rint(level[at, ap]), -127, 20)
        packets["ap"] = ap
        ms = asked[at] - rng.integers(0, period, len(at))
        if fault == "absurd":
            packets["dbm"] = np.where(rng.random(len(at)) < 0.5, packets["dbm"], rng.choice(
                [-32768, -32767, -129, -128, -127, 20, 21, 100, 127, 128, 255, 32767], len(at)))
        elif fault == "unknown ap":
            beyond = rng.choice([inputs, inputs + 1, 255, 32768, 65534], len(at))
            packets["ap"] = np.where(rng.random(len(at)) < 0.5, ap, beyond)
        elif fault == "motion":  # of a channel whose samples were none, or too many
            levels = rng.choice([NOT_HEARD, 0, 40, 100, 127, -200], len(at))
            packets["dbm"] = np.where(ap < config.aps, packets["dbm"], levels)
        elif fault == "reordered":
            ms -= rng.integers(-3000, 3000, len(at))
        elif fault == "ahead":  # stamped after the clock was read, or by another clock
            little = [1, 40, AHEAD - 1, AHEAD, AHEAD + 1]
            ms = asked[at] + rng.choice([*little, 10**8, 2**31 - 1, 2**31, 2**32 - AHEAD], len(at))
        packets["ms"] = ms & 0xFFFFFFFF
        if fault in ("twice", "burst") and len(at):
            many = 2 if fault == "twice" else 40
            packets, at = np.repeat(packets, many), np.repeat(at, many)
        questions = np.zeros(n, EVENT)
        questions["ms"], questions["ap"] = asked & 0xFFFFFFFF, NONE
        order = np.argsort(np.concatenate([2 * at, 2 * np.arange(n) + 1]), kind="stable")
        parts.append(np.concatenate([packets, questions])[order])
        done, now = done + n, int(asked[-1]) & 0xFFFFFFFF
    return np.concatenate(parts)


# ---- the stream in C ----

class Scaling:
    """`tl_scaler` of this host's C, with what it points to."""

    def __init__(self, scaler: Scaler, buffer: Buffer, hold: int | None = None) -> None:
        c = self.constants = input_constants(scaler, buffer, hold)
        self.aps = ffi.new("tl_ap[]", [dict(mult=m, offset=o, first=f, last=n, fix=k) for m, o, f, n, k in zip(
            c.mult, c.offset, c.first, c.last, c.fix, strict=True)])
        self.fixes = ffi.new("uint8_t[]", c.fixes or b"\0")
        self.curve = ffi.new("int8_t[]", list(np.frombuffer(c.curve, np.int8))) if c.curve else ffi.NULL
        self.c = ffi.new("tl_scaler *", dict(curve=self.curve, aps=self.aps, fixes=self.fixes, count=c.count,
                                             curved=c.curved, hold=c.hold, silent=c.silent, least=c.least, most=c.most))

    def codes(self) -> np.ndarray:
        """(a, 256): each dBm as a row in which all access points hear it."""
        out, n = np.empty((256, self.c.count), np.int8), self.c.count
        for row, dbm in zip(out, range(-128, 128), strict=True):
            lib.tl_scale(self.c, ffi.from_buffer("int8_t[]", row, True), ffi.new("int16_t[]", [dbm] * n))
        return out.T


class Native:
    """`tl_stream` of this host's C."""

    def __init__(self, program: Program, config: Config | None = None, as_it_is: bool = False) -> None:
        from tinyloc.kernels import simd

        self.program = program.retime(1) if program.can_stream and not as_it_is else program
        self.layout, self.image = plan(self.program), to_image(self.program)
        self.config = config or Config.of(program.info)
        self.scaling = Scaling(Scaler.from_dict(program.info["scaler"]), self.program.buffers[self.program.input],
                               hold_ms(program.info))
        self.constants, self.scaler = self.scaling.constants, self.scaling.c
        self.arena = ffi.new("uint32_t[]", max(1, -(-self.layout.arena_bytes // 4)))
        self.model, self.stream = ffi.new("tl_model *"), ffi.new("tl_stream *")
        self.figures = ffi.new("tl_stream_config *")
        ffi.buffer(self.figures)[:] = self.config.pack()
        self.heard = ffi.new("tl_heard[]", self.constants.count)
        rows = self.program.steps_of_time
        self.window = ffi.new("int8_t[]", rows * self.constants.count) if rows != 1 else ffi.NULL
        self._image = ffi.from_buffer(self.image)
        self.error = lib.tl_open(self.model, self._image, len(self.image), self.arena, ffi.sizeof(self.arena),
                                 simd.kernels(simd.level())) or self.open()

    def open(self) -> int:
        """A TL_ERR_ code."""
        return int(lib.tl_stream_open(self.stream, self.model, self.scaler, self.figures, self.heard, self.window,
                                      ffi.sizeof(self.window) if self.window else 0))

    def replay(self, events: Events) -> Events:
        """ANSWERs, as `tinyloc.stream.replay` gives them."""
        out = np.zeros(int((events["ap"] == NONE).sum()), ANSWER)
        done = lib.tl_stream_replay(self.stream, ffi.from_buffer("tl_event[]", events), len(events),
                                    ffi.from_buffer("tl_answer[]", out, True))
        assert done == len(out)
        out["pad"] = 0
        return out


def differ(a: Events, b: Events) -> np.ndarray:
    """(n,) where two series of ANSWERs are not the same."""
    return np.any([a[f] != b[f] for f in FIELDS], 0)


# ---- the program of C alone ----

def _sized(data: bytes, item: int = 1) -> bytes:
    return struct.pack("<I", len(data) // item) + data


def write(path: Path, samples: int) -> int:
    """Writes scripts of every case with Python's answers; their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    total = 0
    with path.open("wb") as f:
        f.write(b"TLS1")
        for number, case in enumerate(CASES.values()):
            program = make(case)
            native = Native(program)
            c = native.constants
            aps = b"".join(struct.pack("<IIbbH", *row) for row in zip(c.mult, c.offset, c.first, c.last, c.fix, strict=True))
            events = script(np.random.default_rng([SEED, number]), native.config, c.count, samples)
            answers = replay(Stream.of(program), events)
            f.write(struct.pack("<I", native.layout.arena_bytes) + _sized(native.image) + _sized(c.curve) + _sized(aps, 12)
                    + _sized(c.fixes) + struct.pack("<3I3i", c.count, c.curved, c.hold, c.silent, c.least, c.most)
                    + native.config.pack() + b"\0\0" + _sized(events.tobytes(), 8) + _sized(answers.tobytes(), 8))
            total += len(answers)
    return total


# ---- many samples ----

def soak(samples: int, seed: int = SEED, part: int = 20_000) -> Iterator[tuple[str, int, dict[str, int]]]:
    """Python against C, `part` answers of each case in turn: (case, answers, counts).  Raises AssertionError naming the
    case, the seed and the answer where they differ."""
    streams: dict[str, tuple[Stream, Native]] = {}
    done = number = 0
    while done < samples:
        name = list(CASES)[number % len(CASES)]
        if name not in streams:
            program = make(CASES[name])
            streams[name] = Stream.of(program), Native(program)
        python, native = streams[name]
        size = min(part, 250 << number // len(CASES), samples - done)  # short ones first: most mistakes are seen soon
        events = script(np.random.default_rng([seed, number]), native.config, native.constants.count, size)
        got, want = native.replay(events), replay(python, events)
        wrong = np.flatnonzero(differ(want, got))
        assert not len(wrong), (f"{name}, seed {seed}, part {number}: {len(wrong)} of {len(want)} answers differ, the first "
                                f"at {wrong[0]}: C {got[wrong[0]]}, Python {want[wrong[0]]}")
        assert (python.dropped, python.saturated) == (native.stream.dropped, native.stream.saturated), name
        done, number = done + len(want), number + 1
        yield name, len(want), {"events": len(events), "unknown": int((want["room"] < 0).sum()),
                                "saturated": int((want["reason"] == SATURATED).sum())}


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the streams of Python and C over scripts with faults.")
    parser.add_argument("--samples", type=int, default=100_000, help="answers (default: 100000)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--run", type=Path, help="instead: write this file, compile tests/stream.c, sanitized, and run it")
    parser.add_argument("--cc", default="cc", help="C compiler for --run")
    a = parser.parse_args()
    if a.run:
        print(f"{a.run}: {write(a.run, max(1, a.samples // len(CASES))):,} answers")
        done = vectors.run(vectors.build(a.run.with_suffix(".san"), a.cc, harness="stream.c"), a.run)
        print(done.stdout + done.stderr, end="")
        return done.returncode
    total: dict[str, Any] = {}
    begin, answers, every = time.monotonic(), 0, max(1, a.samples // 10)
    for _, n, counts in soak(a.samples, a.seed):
        answers += n
        for k, v in counts.items():
            total[k] = total.get(k, 0) + v
        if answers >= a.samples or answers // every > (answers - n) // every:
            print(f"{answers:,} answers to {total['events'] - answers:,} packets, {total['unknown']:,} unknown, of which "
                  f"{total['saturated']:,} saturated: the same in Python and C ({time.monotonic() - begin:,.0f} s, seed "
                  f"{a.seed})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
