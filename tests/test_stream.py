"""The stream: Python = C = Cortex-M over scripts with faults, each rule by hand, nothing stale, no byte beside an array."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streams
import updates
import vectors

from tinyloc import confidence, data
from tinyloc.data import Samples, Scaler
from tinyloc.errors import ModelError
from tinyloc.image import ENTRY, HEADER, INPUT, OUTPUT, RAILS, Image
from tinyloc.kernels._c import ffi, lib
from tinyloc.program import Program
from tinyloc.quantize import calibrate
from tinyloc.scaling import hold_ms, row_ms
from tinyloc.stream import (
    AHEAD,
    ANSWER,
    BACKWARDS,
    EVENT,
    FEW,
    GAP,
    NONE,
    NOT_HEARD,
    REASONS,
    ROOM,
    SATURATED,
    SILENT,
    UNSURE,
    WARMING_UP,
    Config,
    Stream,
    answers,
    float_replay,
    replay,
    script,
    unlike_packets,
)
from tinyloc.train import Inputs, Recipe, fit

REAL = Path(os.environ.get("TINYLOC_DATA", "/nonexistent"))
CC = next((cc for cc in ("gcc", "clang", "cc") if shutil.which(cc)), "")
needs_cc = pytest.mark.skipif(not CC, reason="no C compiler")
each_case = pytest.mark.parametrize("name", streams.CASES)


@pytest.fixture(scope="module")
def programs() -> dict[str, Program]:
    return {name: streams.make(case) for name, case in streams.CASES.items()}


# ---- the same bits ----

def test_python_equals_c(level: int) -> None:
    """Level 1: 10^5 answers; the command for 10^7 is in streams.py."""
    seen: dict[str, dict[str, int]] = {}
    for name, n, counts in streams.soak(100_000 if level == 1 else 1_000_000, part=4000):
        for k, v in {"answers": n, **counts}.items():
            seen.setdefault(name, {}).setdefault(k, 0)
            seen[name][k] += v
    assert set(seen) == set(streams.CASES)
    for name, counts in seen.items():
        assert 0 < counts["unknown"] < counts["answers"], name
        assert counts["saturated"] > 20 or not streams.CASES[name].louder, f"{name}: its states should saturate"


def test_every_reason_occurs(programs: dict[str, Program]) -> None:
    found: set[int] = set()
    for number, program in enumerate(programs.values()):
        native = streams.Native(program)
        events = streams.script(np.random.default_rng(number), native.config, native.constants.count, 2000)
        found |= set(native.replay(events)["reason"].tolist())
    assert found == set(range(len(REASONS)))


@each_case
def test_a_state_at_an_end_is_always_noticed(programs: dict[str, Program], name: str) -> None:
    """Not by the stream's own look: rows are run by hand, and each state is compared with both ends."""
    program = programs[name]
    native = streams.Native(program)
    made, config = native.program, replace(native.config, threshold=0, least=1, warm_up=0, gap=65535)
    if made.steps_of_time != 1:
        assert not made.saturating
        return
    native = streams.Native(program, config)
    rng, width, ms = np.random.default_rng(4), native.constants.count, 0
    states = [(native.layout.offsets[n], made.buffers[n].nbytes) for n in made.saturating]
    noticed = 0
    for _ in range(400):
        ms += config.period or 200
        for ap in np.flatnonzero(rng.random(width) < 0.8).tolist():
            lib.tl_stream_hear(native.stream, ap, int(rng.integers(-100, -30)), ms)
        before = native.stream.saturated
        a = lib.tl_stream_answer(native.stream, ms)
        if a.heard == 0:
            continue
        # After a start the state is the initial one: what it was is known from a second model that ran the same row.
        if native.stream.saturated > before:
            assert a.reason == SATURATED and a.room == -1
            noticed += 1
        else:
            arena = np.frombuffer(ffi.buffer(native.arena), np.uint8)
            for at, size in states:
                values = arena[at : at + size].view(np.int16)
                assert values.max(initial=0) < 32767 and values.min(initial=0) > -32768
    assert noticed > 3 or not streams.CASES[name].louder


RAILS_C = """
#include "stream.c"
#include <stdio.h>

const uint32_t *tl_section(const tl_model *m, uint32_t kind) { return kind == RAILS ? (const void *)m->image : 0; }
uint32_t tl_arena_bytes(const tl_model *m) { return m ? 64 : 0; }
void tl_reset(const tl_model *m) { (void)m; }
void tl_run(const tl_model *m) { (void)m; }
void *tl_input(const tl_model *m) { return m->arena; }
void *tl_output(const tl_model *m) { return m->arena; }
void tl_forget(const tl_scaler *s, tl_heard *h) { (void)s; (void)h; }
void tl_hear(const tl_scaler *s, tl_heard *h, uint32_t ap, int16_t dbm, uint32_t ms)
{ (void)s; (void)h; (void)ap; (void)dbm; (void)ms; }
void tl_row(const tl_scaler *s, tl_heard *h, int8_t *c, uint32_t ms) { (void)s; (void)h; (void)c; (void)ms; }

int main(void)
{
    /* two regions, with what looks like an end before, between and after them */
    uint32_t entry[7] = {RAILS | 2u << 16, 12, 16, 4, 8, 16, 4}, state[8];
    tl_model m = {(const void *)entry, (void *)state, 0, 0, 0, 0, 0};
    tl_stream s = {&m, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0, 0, 0}};
    int wrong = 0;
    for (uint32_t v = 0; v < 65536; v++)
        for (uint32_t place = 0; place < 12; place++) {
            static const uint32_t in[3] = {1, 2, 4};
            uint32_t calm = place / 6; /* all the others far from an end, or right beside it */
            for (uint32_t i = 0; i < 8; i++)
                state[i] = 0x7fff8000u;
            for (uint32_t i = 0; i < 3; i++)
                state[in[i]] = calm ? 0 : 0x7ffe8001u;
            state[in[place % 6 / 2]] = place % 2 ? (v << 16 | (calm ? 0 : 0x7ffeu)) : ((calm ? 0 : 0x80010000u) | v);
            wrong += at_rails(&s) != (v == 0x7fffu || v == 0x8000u);
        }
    printf("%d\\n", wrong);
    return wrong != 0;
}
"""


@needs_cc
def test_both_ends_of_every_half_word(tmp_path: Path) -> None:
    (tmp_path / "rails.c").write_text(RAILS_C)
    subprocess.run([CC, "-std=c99", "-O1", "-I", str(vectors.C), str(tmp_path / "rails.c"), "-o", str(tmp_path / "rails")],
                   check=True)
    assert subprocess.run([tmp_path / "rails"], capture_output=True, text=True).stdout == "0\n"


@needs_cc
def test_sanitized(tmp_path: Path, level: int, sanitized_objects: Path) -> None:
    """As firmware is: C alone, each array a block of its own size."""
    try:
        program = vectors.build(tmp_path / "stream", CC, harness="stream.c", keep=sanitized_objects / CC)
    except subprocess.CalledProcessError:
        probe = tmp_path / "probe.c"
        probe.write_text("int main(void) { return 0; }\n")
        if subprocess.run([CC, *vectors.SANITIZERS, str(probe), "-o", str(tmp_path / "p")], capture_output=True).returncode:
            pytest.skip(f"{CC} has no sanitizers here")
        raise
    written = streams.write(tmp_path / "bin", 1500 if level == 1 else 20_000)
    done = vectors.run(program, tmp_path / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{len(streams.CASES)} streams, {written} answers, 0 differ\n"
    # Not of itself: one answer changed is noticed.
    data_ = bytearray((tmp_path / "bin").read_bytes())
    data_[-8] ^= 1
    (tmp_path / "bin").write_bytes(data_)
    assert vectors.run(program, tmp_path / "bin").returncode == 1


@pytest.mark.parametrize(("name", "which"), [("mamba, lean, late", "m4"), ("mamba, saturating", "m0plus"), ("mdcsa", "m4"),
                                               ("graph of the last row", "m4")])
def test_on_an_emulated_core(programs: dict[str, Program], name: str, which: str) -> None:
    for module in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    from tinyloc.emulator.board import Board
    from tinyloc.export import model_sources
    from tinyloc.pack import pack_for

    program = programs[name]
    made = pack_for(program.retime(1) if program.can_stream else program, which)
    config, inputs = Config.of(program.info), len(program.info["aps"])
    board = Board(made, which, stream=model_sources(made))
    events = streams.script(np.random.default_rng(8), config, inputs, 120)
    found, _ = board.replay(events)
    assert not streams.differ(found.view(ANSWER).reshape(-1), replay(Stream.of(program), events)).any()
    # A regular row takes as long as any other, but for a second look at states in the outer quarter of their range.
    regular = [(10_000 + row * config.period + at, -60 - row % 30, ap) for row in range(24) for ap, at in
               [*((ap, 0) for ap in range(config.aps)), (NONE, 1)]]
    if not streams.CASES[name].louder:
        board.replay(np.array([(5000, 0, NONE)], EVENT))
        counts = board.replay(np.array(regular, EVENT))[1][6:]
        assert len(set(counts)) <= (2 if made.saturating else 1), counts
        # Missed rows are made up for in one call, and that is the most that any takes.
        at = regular[-1][0] - 1 + config.period * 3 // 2 - 1
        late = [*((at, -60, ap) for ap in range(config.aps)), (at, 0, NONE), (at + config.gap, 0, NONE)]
        one, most = board.replay(np.array(late, EVENT))[1]
        assert config.most_rows == 5 and one <= max(counts) and most <= config.most_rows * max(counts)
        assert most > (4 * max(counts) if made.steps_of_time == 1 else max(counts))


# ---- each rule ----

class Fixed:
    """An engine that says what it is told, and counts."""

    rows = 1

    def __init__(self, confidence: int = 200, saturated: bool = False) -> None:
        self.says = 3, confidence, saturated
        self.starts = self.runs = 0
        self.pushed: list[list[int]] = []

    def start(self) -> None:
        self.starts += 1

    def push(self, dbm: list[int]) -> None:
        self.pushed.append(dbm)

    def run(self) -> tuple[int, int, bool]:
        self.runs += 1
        return self.says


CONFIG = Config(window=12, period=200, gap=1000, warm_up=1, aps=2, least=1, threshold=100)


def of(config: Config = CONFIG, engine: Any = None) -> Stream:
    return Stream(engine or Fixed(), config, 3, 1000)


def heard(s: Stream, ms: int, dbm: int = -60) -> Stream:
    s.hear(0, dbm, ms)
    return s


def test_a_room_when_nothing_is_wrong() -> None:
    s = of()
    for ms in range(0, 4000, 200):
        a = heard(s, ms).answer(ms)
        assert (a.room, a.heard, a.label, a.confidence, a.reason) == (3, 1, 3, 200, ROOM)
    assert s.engine.starts == 1 and s.engine.runs == 20 and s.dropped == 0


def test_silence() -> None:
    """A value is held for 1,000 ms; what a motion channel says is no access point."""
    s = heard(of(), 0)
    assert s.answer(0).reason == ROOM
    s.hear(2, 40, 900)
    assert [s.answer(ms).reason for ms in (200, 400, 600, 800, 1000, 1001 + 200)] == [ROOM] * 5 + [SILENT]
    assert s.last.room == -1 and s.engine.starts == 2, "and it has started anew"
    assert heard(s, 1400).answer(1400).reason == ROOM


def test_one_dead_access_point_is_not_heard_and_no_more() -> None:
    s = of(replace(CONFIG, least=2))
    s.hear(1, -70, 0)
    assert heard(s, 0).answer(0).reason == ROOM
    for ms in range(200, 3000, 200):
        a = heard(s, ms).answer(ms)
        assert (a.heard, a.reason) == ((2, ROOM) if ms <= 1000 else (1, FEW))
        assert s.engine.pushed[-1][:2] == [-60, -70 if ms <= 1000 else NOT_HEARD]
    assert s.engine.starts == 1


@pytest.mark.parametrize(("step", "reason", "rows"), [
    (0, ROOM, 0), (99, ROOM, 0), (100, ROOM, 1), (200, ROOM, 1), (299, ROOM, 1), (300, ROOM, 2), (1000, ROOM, 5),
    (1001, GAP, 1), (2**31 - 1, GAP, 1), (2**31, BACKWARDS, 1), (2**32 - 1, BACKWARDS, 1)])
@pytest.mark.parametrize("begin", [5000, 2**32 - 50, 2**31 - 50])
def test_time(begin: int, step: int, reason: int, rows: int) -> None:
    """A row a period, to the nearest; a clock that wraps is none that jumps."""
    s = of()
    heard(s, begin).answer(begin)
    s.engine.runs, now = 0, begin + step & 0xFFFFFFFF
    a = heard(s, now).answer(now)
    assert (a.reason, s.engine.runs) == ((BACKWARDS, 0) if reason == BACKWARDS else (reason, rows))
    assert (a.room == 3) == (reason == ROOM) and s.engine.starts == 1 + (reason != ROOM) * (2 if reason == BACKWARDS else 1)
    later = now + 200 & 0xFFFFFFFF
    assert heard(s, later).answer(later).reason == ROOM


def test_early_and_late_calls_keep_the_models_time() -> None:
    s = of()
    for ms in range(0, 20_001, 130):
        heard(s, ms).answer(ms)
    assert abs(s.engine.runs - 20_000 / 200) <= 1
    s = of()
    for ms in range(0, 20_001, 470):
        heard(s, ms).answer(ms)
    assert abs(s.engine.runs - 20_000 / 200) <= 3


@pytest.mark.parametrize(("period", "gap"), [
    (200, 1000), (200, 1001), (200, 999), (200, 1), (200, 0), (200, 199), (200, 200), (200, 201), (7, 50), (2, 9), (3, 9),
    (1, 40), (1, 0), (65535, 65535), (65535, 2), (300, 65535)])
def test_rows_of_an_answer_have_a_bound(programs: dict[str, Program], period: int, gap: int) -> None:
    """gap / period, rounded up: reached from what an answer may leave of a period, and never exceeded; in C too."""
    config, now, half = replace(CONFIG, period=period, gap=gap), 100_000, period // 2
    s, most, rng = of(config), 0, np.random.default_rng(period)
    heard(s, now).answer(now)
    for left in range(period) if period < 1000 else (0, 1, half - 1, half, half + 1, period - 2, period - 1):
        s.ms, s.row, before = now, now + half - left, s.engine.runs  # any of these, as the next lines see
        assert heard(s, now + gap).answer(now + gap).reason == ROOM
        most = max(most, s.engine.runs - before)
        assert 0 <= now + gap - s.row + half < period
    assert config.most_rows == max(-(-gap // period), 1) == max(most, 1) and (most > 0) == (gap > 0)
    native = streams.Native(programs["mamba"], replace(config, threshold=0, least=0))
    before = 0
    for step in [0, *rng.integers(0, gap + 1, 60).tolist(), gap, gap, gap + 1]:
        now += step
        lib.tl_stream_hear(native.stream, 0, -60, now & 0xFFFFFFFF)
        a = lib.tl_stream_answer(native.stream, now & 0xFFFFFFFF)
        assert (a.reason == GAP) == (step > gap), step
        assert native.stream.rows - before <= config.most_rows
        before = native.stream.rows
    assert replace(config, window=1).most_rows == replace(config, period=0).most_rows == 1


def test_rows_that_stand_alone_have_no_time_but_the_clocks() -> None:
    s = of(replace(CONFIG, window=1, period=0))
    reasons = [heard(s, ms).answer(ms).reason for ms in (0, 1, 1, 10**6, 10**6 - 1, 10**6)]
    assert reasons == [ROOM] * 4 + [BACKWARDS, ROOM] and s.engine.runs == 5


def test_warming_up_and_unsure() -> None:
    s = of(replace(CONFIG, warm_up=3))
    assert [heard(s, ms).answer(ms).reason for ms in (0, 200, 400)] == [WARMING_UP, WARMING_UP, ROOM]
    assert [heard(s, ms).answer(ms).reason for ms in (4000, 4200, 4400)] == [GAP, WARMING_UP, ROOM]
    for sure, reason in ((99, UNSURE), (100, ROOM)):
        a = heard(of(engine=Fixed(sure)), 0).answer(0)
        assert (a.reason, a.room, a.label, a.confidence) == (reason, 3 if reason == ROOM else -1, 3, sure)


def test_saturation_starts_anew() -> None:
    s = of(engine=Fixed(saturated=True))
    assert heard(s, 0).answer(0).reason == SATURATED and s.saturated == 1 and s.engine.starts == 2
    s.engine.says = 3, 200, False
    assert heard(s, 200).answer(200).reason == ROOM


@pytest.mark.parametrize(("ap", "dbm", "kept"), [
    (0, -127, True), (0, 20, True), (0, -128, False), (0, 21, False), (0, 127, False), (0, 100, False), (0, -32767, False),
    (0, 32767, False), (2, 127, True), (2, -128, True), (2, 128, False), (2, -129, False), (3, -60, False),
    (65534, -60, False)])
def test_what_no_radio_says_is_dropped(ap: int, dbm: int, kept: bool) -> None:
    s = of()
    s.hear(ap, dbm, 0)
    assert s.dropped == (not kept) and [h[0] for h in s.heard].count(NOT_HEARD) == 3 - kept
    s.hear(0, NOT_HEARD, 0)
    assert s.dropped == (not kept), "nothing heard is no packet"


def test_order_of_packets() -> None:
    s = of()
    for ms, dbm in ((500, -50), (400, -40), (500, -55)):  # late; a second one at the same time
        s.hear(0, dbm, ms)
    assert s.answer(600).reason == ROOM and s.engine.pushed[-1][0] == -55 and s.dropped == 1
    s.hear(0, -30, 600 + 10**8)  # from a time to come: never a row's, and it does not shut out what comes after it
    assert s.answer(800).reason == SILENT
    assert heard(s, 900).answer(1000).reason == ROOM and s.engine.pushed[-1][0] == -60


@pytest.mark.parametrize("begin", [5000, 2**32 - 1, 2**32 - AHEAD, 2**31 - 50])
@pytest.mark.parametrize(("ahead", "kept"), [
    (0, True), (1, True), (AHEAD - 1, True), (AHEAD, True), (AHEAD + 1, False), (10**8, False), (2**31 - 1, False),
    (2**31, False), (2**31 + AHEAD, False), (2**32 - 1001, False), (2**32 - 1000, True)])
def test_stamps_ahead_of_the_answer(programs: dict[str, Program], begin: int, ahead: int, kept: bool) -> None:
    """Of a radio's interrupt, a little; further ahead is of no time at all, wherever the clock wraps; in Python and C."""
    native, python = streams.Native(programs["mamba of rows that stand alone"]), of(replace(CONFIG, window=1, period=0))
    assert lib.TL_AHEAD == AHEAD and native.constants.hold == python.hold == 1000
    stamp = begin + ahead & 0xFFFFFFFF
    lib.tl_stream_hear(native.stream, 0, -61, stamp)
    a = lib.tl_stream_answer(native.stream, begin)
    assert (a.heard, heard(python, stamp, -61).answer(begin).heard) == (kept, kept)
    # What was too far ahead is forgotten for good; what was not, is held until it is too old by its own stamp.
    later = stamp + 1000 & 0xFFFFFFFF
    last = [(lib.tl_stream_answer(native.stream, ms & 0xFFFFFFFF).heard, python.answer(ms & 0xFFFFFFFF).heard)
            for ms in (later, later + 1)] if ahead <= AHEAD + 1 else []
    assert last == ([(kept, kept), (0, 0)] if last else [])
    assert native.stream.dropped == python.dropped == 0


def test_a_stamp_ahead_shuts_out_until_the_next_answer() -> None:
    s = of()
    s.hear(0, -30, 600 + 10**8)
    assert heard(s, 600).dropped == 1 and s.answer(600).reason == SILENT
    assert heard(s, 700).answer(800).reason == ROOM and s.dropped == 1
    s.hear(0, -30, 1500)  # such as may be: it stands for those before it
    assert heard(s, 900).answer(1000).heard == 1 and s.engine.pushed[-1][0] == -30 and s.dropped == 2


@each_case
def test_no_answer_is_stale(programs: dict[str, Program], name: str) -> None:
    """On a clock that runs on, whatever is lost or dead: as many access points count as were heard within the hold."""
    native, rng = streams.Native(programs[name]), np.random.default_rng(6)
    c, width = native.config, native.constants.count
    last, ms = np.full(width, -(10**9)), 100_000
    for _ in range(600):
        ms += int(rng.choice([1, 50, 200, 400, 1000, 5000], p=[0.1, 0.2, 0.4, 0.1, 0.1, 0.1]))
        for ap in np.flatnonzero(rng.random(width) < rng.choice([0.0, 0.2, 0.9])).tolist():
            at = ms - int(rng.integers(0, 1500))
            lib.tl_stream_hear(native.stream, ap, int(rng.integers(-100, -40)), at)
            last[ap] = max(last[ap], at)
        before = native.stream.row
        a = lib.tl_stream_answer(native.stream, ms)
        fresh = int((ms - last[: c.aps] <= native.constants.hold).sum())
        if native.stream.row != before or c.window == 1:
            assert a.heard == fresh and (a.room == -1 or fresh >= c.least)


def test_more_access_points_than_a_byte_counts() -> None:
    native = streams.Native(updates.program(alike=300))
    for ap in range(300):
        lib.tl_stream_hear(native.stream, ap, -60, 0)
    assert lib.tl_stream_answer(native.stream, 0).heard == 300


def test_counts_end_at_65535(programs: dict[str, Program]) -> None:
    native = streams.Native(programs["mamba"])
    for n in range(1, 65540):
        lib.tl_stream_hear(native.stream, 65535, -60, 0)
        assert native.stream.dropped == min(n, 65535)


def test_a_period_means_nothing_to_rows_that_stand_alone(programs: dict[str, Program]) -> None:
    program = programs["mamba of rows that stand alone"]
    config = replace(Config.of(program.info), period=200, gap=1000)
    engine = Stream.of(program).engine
    python, native = Stream(engine, config, len(program.info["aps"]), engine.hold), streams.Native(program, config)
    events = streams.script(np.random.default_rng(10), config, len(program.info["aps"]), 300)
    assert not streams.differ(native.replay(events), replay(python, events)).any()


@each_case
def test_a_stream_opened_again_is_as_new(programs: dict[str, Program], name: str) -> None:
    """Whatever was in its memory, and whatever the model's state has become; it counts what Python counts."""
    native, python = streams.Native(programs[name]), Stream.of(programs[name])
    events = streams.script(np.random.default_rng(9), native.config, native.constants.count, 200)
    first, _ = native.replay(events), replay(python, events)
    counts = native.stream.dropped, native.stream.saturated
    assert counts == (python.dropped, python.saturated) and counts[0] > 0
    assert counts[1] > 0 or not streams.CASES[name].louder
    ffi.memmove(native.stream, b"\x55" * ffi.sizeof("tl_stream"), ffi.sizeof("tl_stream"))
    assert native.open() == 0 and not streams.differ(native.replay(events), first).any()
    assert (native.stream.dropped, native.stream.saturated) == counts


# ---- what it is given ----

def section(image: bytes, kind: int) -> int:
    """Where the entry of that kind lies."""
    return next(HEADER + ENTRY * i for i, s in enumerate(Image.parse(image).sections) if s.kind == kind)


@pytest.mark.parametrize(("case", "change"), [
    ("mamba", {"aps": 12}), ("mamba", {"aps": 65535}), ("mdcsa", {"window": 7}), ("mdcsa", {"window": 1})])
def test_figures_that_do_not_fit_are_refused(programs: dict[str, Program], case: str, change: dict[str, int]) -> None:
    native = streams.Native(programs[case], replace(Config.of(programs[case].info), **change))
    assert native.error == lib.TL_ERR_STREAM
    text = ffi.string(lib.tl_error_text(native.error)).decode()
    assert text == "the image, its scaler and its stream's figures do not go together"
    for field in ("aps", "window"):
        good = streams.Native(programs[case])
        setattr(good.figures, field, 0)
        assert good.error == 0 and good.open() == lib.TL_ERR_STREAM


@pytest.mark.parametrize("case", ["mamba", "mdcsa"])
def test_the_scaler_of_another_model_is_refused(programs: dict[str, Program], case: str) -> None:
    native = streams.Native(programs[case])
    native.scaler.count -= 1
    assert native.error == 0 and native.open() == lib.TL_ERR_STREAM


def test_a_window_at_once_needs_its_memory(programs: dict[str, Program]) -> None:
    """All of it; a model of one row a run needs none."""
    native = streams.Native(programs["mdcsa"])
    need = native.program.steps_of_time * native.constants.count
    for window, size, code in ((native.window, need, 0), (native.window, need + 1, 0), (native.window, need - 1, 1),
                               (native.window, 0, 1), (ffi.NULL, need, 1)):
        found = lib.tl_stream_open(native.stream, native.model, native.scaler, native.figures, native.heard, window, size)
        assert found == code * lib.TL_ERR_WINDOW, size
    assert lib.tl_stream_fits(native.model, native.scaler, native.figures, need) == 0
    assert lib.tl_stream_fits(native.model, native.scaler, native.figures, need - 1) == lib.TL_ERR_WINDOW
    native.figures.window += 1
    assert lib.tl_stream_fits(native.model, native.scaler, native.figures, 0) == lib.TL_ERR_STREAM
    native = streams.Native(programs["mamba"])
    assert native.window == ffi.NULL and native.open() == 0


def poked(native: streams.Native, *changes: tuple[int, str, int]) -> int:
    """tl_stream_open's code for its image with other values at offsets, which tl_open accepts."""
    image = bytearray(native.image)
    for at, form, value in changes:
        struct.pack_into("<" + form, image, at, value)
    struct.pack_into("<I", image, 4, zlib.crc32(image[8:]))
    kept = ffi.from_buffer(bytes(image))
    opened = lib.tl_open(native.model, kept, len(image), native.arena, ffi.sizeof(native.arena), lib.tl_host_kernels(0))
    assert opened == 0
    return native.open()


@pytest.mark.parametrize(("case", "kind", "at", "form", "value", "code"), [
    ("mamba", INPUT, 1, "B", 8, 0), ("mamba", INPUT, 1, "B", 0, 1), ("mamba without confidence", INPUT, 1, "B", 0, 1),
    ("mdcsa", INPUT, 1, "B", 0, 1), ("mamba", OUTPUT, 1, "B", 8, 1), ("mamba", OUTPUT, 1, "B", 1, 1),
    ("mamba without confidence", OUTPUT, 1, "B", 8, 1), ("mamba", OUTPUT, 2, "H", 2, 1), ("mdcsa", OUTPUT, 2, "H", 3, 1),
    ("mamba", OUTPUT, 8, "I", 1, 0), ("mamba", OUTPUT, 8, "I", 2, 0), ("mamba", OUTPUT, 8, "I", 3, 1),
    ("mamba", OUTPUT, 8, "I", 4, 1), ("mdcsa", OUTPUT, 8, "I", 6, 0), ("mdcsa", OUTPUT, 8, "I", 12, 0),
    ("mdcsa", OUTPUT, 8, "I", 18, 1), ("mdcsa", OUTPUT, 8, "I", 24, 1), ("mdcsa", INPUT, 8, "I", 6, 1),
    ("mdcsa", OUTPUT, 2, "H", 12, 1),
    ("mdcsa", INPUT, 2, "H", 3, 1), ("mdcsa", INPUT, 2, "H", 1, 1)])
def test_images_of_another_input_or_output_are_refused(programs: dict[str, Program], case: str, kind: int, at: int,
                                                       form: str, value: int, code: int) -> None:
    """int8 codes of all inputs in, uint8 labels out, of each row or of the last ones, with confidences or without."""
    native = streams.Native(programs[case])
    assert poked(native, (section(native.image, kind) + at, form, value)) == code * lib.TL_ERR_STREAM


@pytest.mark.parametrize(("labels", "size", "code"), [(1, 1, 0), (1, 2, 0), (1, 3, 1), (4, 4, 0), (4, 8, 0), (6, 12, 0),
                                                      (7, 7, 1)])
def test_labels_of_the_last_rows(programs: dict[str, Program], labels: int, size: int, code: int) -> None:
    """As many as rows at most; `tl_open` knows of no output without bytes."""
    native = streams.Native(programs["mdcsa"])
    assert native.program.steps_of_time == 6
    at = section(native.image, OUTPUT)
    assert poked(native, (at + 2, "H", labels), (at + 8, "I", size)) == code * lib.TL_ERR_STREAM


@pytest.mark.parametrize("case", ["mamba", "mdcsa"])
def test_figures_at_their_limits(programs: dict[str, Program], case: str) -> None:
    native = streams.Native(programs[case])
    count, window = native.scaler.count, native.config.window
    for field, value, right in (("aps", 1, True), ("aps", count, True), ("aps", count + 1, False), ("window", window, True),
                                ("window", window + 1, case == "mamba"), ("window", 1, case == "mamba")):
        good = streams.Native(programs[case])
        setattr(good.figures, field, value)
        assert good.open() == (0 if right else lib.TL_ERR_STREAM), f"{field} = {value}"


@pytest.mark.parametrize("case", ["mamba", "mamba, two blocks, saturating"])
def test_saturating_states_at_their_bounds(programs: dict[str, Program], case: str) -> None:
    """Words of the arena, whole; as many as the section has."""
    native = streams.Native(programs[case])
    image, arena = native.image, native.layout.arena_bytes
    entry = section(image, RAILS)
    head, at, size = struct.unpack_from("<3I", image, entry)
    count = head >> 16
    assert size == 8 * count and poked(native) == 0
    for i in range(count):
        state = at + 8 * i
        offset, extent = struct.unpack_from("<2I", image, state)
        for where, value, right in ((state, arena - extent, True), (state, arena - extent + 4, False), (state, arena, False),
                                    (state, offset + 1, False), (state, offset + 2, False), (state + 4, extent - 4, True),
                                    (state + 4, extent + 1, False), (state + 4, extent + 2, False), (state + 4, 0, True),
                                    (state + 4, arena - offset, True), (state + 4, arena - offset + 4, False),
                                    (state + 4, 2**32 - 4, False)):
            assert poked(streams.Native(programs[case]), (where, "I", value)) == (0 if right else lib.TL_ERR_STREAM), value
    for changes in (((entry + 2, "H", count + 1),), ((entry + 2, "H", count - 1),), ((entry + 8, "I", size - 4),),
                    ((entry + 8, "I", 0),)):
        assert poked(streams.Native(programs[case]), *changes) == lib.TL_ERR_STREAM, changes
    assert poked(streams.Native(programs[case]), (entry + 2, "H", count - 1), (entry + 8, "I", size - 8)) == 0


def test_states_that_saturate_unseen_are_refused(programs: dict[str, Program]) -> None:
    program = programs["mamba"]
    assert program.saturating and program.steps_of_time == 12
    with pytest.raises(ModelError, match="what saturates between its rows cannot be seen"):
        Stream.of(program, as_it_is=True)
    assert streams.Native(program, as_it_is=True).error == lib.TL_ERR_STREAM


@pytest.mark.parametrize(("change", "says"), [
    ({"aps": 0}, "aps = 0; expected 1 to 65535"), ({"threshold": 256}, "threshold = 256; expected 0 to 255"),
    ({"gap": 65536}, "gap = 65536; expected 0 to 65535")])
def test_figures_have_limits(change: dict[str, int], says: str) -> None:
    with pytest.raises(ModelError, match=f"stream: {says}"):
        replace(CONFIG, **change)


@pytest.mark.parametrize(("lo", "hi", "alike"), [
    ([-120, -120], [0, 0], True), ([-120, -90], [-30, 5], True), ([-128, -128], [-30, -30], True),
    ([-128, -128], [0, 0], True), ([-129, -90], [0, 0], False), ([-120, -120], [-30, 21], False), ([0, 0], [1, 1], False),
    ([0, 0], [0, 1], False), ([0, 0], [0, 0], False), ([-120, -120], [0, 1], False), ([-3, -2], [2, 3], False),
    ([-120, 0], [100, 100], False)])
def test_what_no_radio_says_is_told_by_its_range(lo: list[float], hi: list[float], alike: bool) -> None:
    """dBm, also up to 0 at all access points; no shares, and no values in standard deviations."""
    for motion in (0, 1):
        ends = (np.array([*end, *[of] * motion], np.float32) for end, of in ((lo, 0), (hi, 40)))
        scaler = Scaler(*ends, motion=motion)
        assert (unlike_packets({"scaler": scaler.to_dict()}) == "") == alike


def test_figures_come_from_the_model(programs: dict[str, Program]) -> None:
    c = Config.of(programs["mamba, lean, late"].info)
    assert (c.window, c.period, c.gap, c.warm_up, c.least, c.threshold) == (12, 200, 1000, 4, 2, 60)
    assert c.aps == len(programs["mamba, lean, late"].info["aps"]) - 1, "the motion channel is none"
    bare = {k: v for k, v in programs["mamba, lean, late"].info.items() if k != "confidence"}
    assert (Config.of(bare).warm_up, Config.of(bare).threshold) == (3, 0), "no room before an answer is about a row"
    assert Config.of(programs["mdcsa of rows that stand alone"].info).period == 0
    with pytest.raises(ModelError, match="does not name its scaler"):
        Config.of({"aps": ["a"]})
    figures = ffi.new("tl_stream_config *")
    ffi.buffer(figures)[:] = CONFIG.pack()
    assert {n: getattr(figures, n) for n in vars(CONFIG)} == vars(CONFIG) and ffi.sizeof("tl_stream_config") == 14


@pytest.mark.parametrize("rate, hold, ms", [
    (5.0, 1.0, 1000), (1.0, 1.0, 1000), (0.5, 1.0, 1999), (0.5, 3.0, 3000), (0, 1.0, 1000)])
def test_a_value_stands_in_until_the_next_row_at_least(rate: float, hold: float, ms: int) -> None:
    assert hold_ms({"rate_hz": rate, "scaler": {"hold": hold}}) == ms


def test_rows_that_come_seldom_are_of_all_that_was_heard_since_the_last(programs: dict[str, Program]) -> None:
    """Packets spread over the 2 s before a question say what they say at its very ms; those of the row before, nothing."""
    program = programs["mamba"]
    program = replace(program, info={**program.info, "rate_hz": 0.5})
    rng, n, aps = np.random.default_rng(12), 200, Config.of(program.info).aps
    at, ap = np.nonzero(rng.random((n, aps)) < 0.8)
    packets = np.zeros(len(at), EVENT)
    packets["ap"], packets["dbm"] = ap, rng.integers(-95, -40, len(at))
    asked = np.zeros(n, EVENT)
    asked["ms"], asked["ap"] = 2000 * np.arange(n), NONE
    made = []
    for age in (np.zeros(len(at), np.int64), rng.integers(0, 2000, len(at))):
        packets["ms"] = (2000 * at - age) & 0xFFFFFFFF
        order = np.argsort(np.concatenate([2000 * at - age - 1.5, 2000 * np.arange(n) - 1.0]), kind="stable")
        events = np.concatenate([packets, asked])[order]
        made.append(replay(Stream.of(program), events))
        assert not streams.differ(streams.Native(program).replay(events), made[-1]).any()
    assert not streams.differ(*made).any()
    assert (made[0]["heard"] == np.bincount(at, minlength=n)).all()


def test_rows_further_apart_than_firmware_counts_are_refused(programs: dict[str, Program]) -> None:
    info = programs["mamba"].info
    assert Config.of({**info, "rate_hz": 1 / 65.535}).period == 65535
    for what in (Config.of, row_ms):
        with pytest.raises(ModelError, match=r"rows are 120 s apart .*at most 65\.535 s"):
            what({**info, "rate_hz": 1 / 120})
        with pytest.raises(ModelError, match="s apart"):
            what({**info, "rate_hz": 1e-310})


# ---- recordings, and the float path ----

def test_script_of_a_recording() -> None:
    nan = np.nan
    s = Samples(np.array([5.0, 5.2, 9.0, 1.0]), np.array([[-50, nan], [nan, nan], [-60.4, -70], [nan, -80]]),
                np.zeros(4, int), np.array([0, 0, 0, 1]), ("r",), ("a", "b"))
    first, second = script(s)
    assert first.tolist() == [(0, -50, 0), (0, 0, NONE), (200, 0, NONE), (4000, -60, 0), (4000, -70, 1), (4000, 0, NONE)]
    assert second.tolist() == [(0, -80, 1), (0, 0, NONE)]
    assert script(s, ("b", "c"))[1].tolist() == [(0, -80, 0), (0, 0, NONE)]


def test_of_no_rows_there_is_no_answer(programs: dict[str, Program]) -> None:
    program = programs["mdcsa"]
    none = Samples(np.zeros(0), np.zeros((0, len(program.info["aps"]))), np.zeros(0, int), np.zeros(0, int), ("r",),
                   program.info["aps"])
    found = answers(program, none)
    assert script(none) == [] and found.shape == (0,) and found.dtype == ANSWER


def agreement(dataset: data.Dataset, preset: str, inputs: Inputs, epochs: int) -> tuple[float, int]:
    """(share of test rows whose room or unknown is the same in float and int8, how many are rooms in both but different)."""
    model = fit(dataset, preset, Recipe(epochs=epochs, patience=epochs), inputs=inputs)
    program = confidence.calibrate(calibrate(model, dataset, "minmax"), dataset)
    got = answers(program, dataset.test)
    want = np.concatenate([float_replay(model, program, e) for e in script(dataset.test, tuple(program.info["aps"]))])
    assert (got["room"] >= 0).mean() > 0.2
    return float((got["room"] == want["room"]).mean()), int(((got["room"] != want["room"]) & (got["room"] >= 0)
                                                             & (want["room"] >= 0)).sum())


@pytest.mark.parametrize("preset", ["mamba-h4l1-lean", "mdcsa-h4l1"])
def test_float_and_integers_agree(preset: str) -> None:
    share, other = agreement(data.load("simulated", minutes=8, test_minutes=3), preset, Inputs(), 8)
    assert share > 0.97 and other < 20, "of 900 answers"


@pytest.mark.level2
@pytest.mark.parametrize(("name", "preset", "inputs", "epochs", "least"), [
    ("flat", "mamba-h16l1", Inputs(), 60, 0.96), ("flat", "mdcsa-h8l1", Inputs(), 60, 0.96),
    ("flat", "mamba-h16l1", Inputs("powed", delay=2), 60, 0.96),
    ("ujiindoorloc", "mamba-h16l1", Inputs("powed", least=20), 30, 0.94),
    ("ujiindoorloc", "mdcsa-h8l1", Inputs("powed", least=20), 30, 0.94)])
def test_float_and_integers_agree_on_recorded_radio(name: str, preset: str, inputs: Inputs, epochs: int,
                                                    least: float) -> None:
    if not (REAL / name).exists():
        pytest.skip("the data set is not here")
    share, other = agreement(data.load(name), preset, inputs, epochs)
    assert share >= least and other == 0
