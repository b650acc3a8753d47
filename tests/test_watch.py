"""The live view: the protocol's lines, the same answers from a recording, ports that come and go, files that are cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streams
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import tinyloc

from tinyloc import data
from tinyloc.data import Samples
from tinyloc.data.csv_file import read_csv
from tinyloc.errors import ConfigError
from tinyloc.files import Log
from tinyloc.program import Program
from tinyloc.stream import BACKWARDS, GAP, ROOM, SILENT, answers, script
from tinyloc.watch import (
    FORMATS,
    MOST_LINE,
    SKIP_MS,
    Line,
    Watch,
    data_lines,
    file_lines,
    follow,
    paced,
    parse,
    recorded_csv,
    row,
    written,
)

APS = "mamba without confidence"  # a Program that answers from the first row on


@pytest.fixture(scope="module")
def house() -> Samples:
    return data.load("simulated", minutes=4, test_minutes=1).test


@pytest.fixture(scope="module")
def programs() -> dict[str, Program]:
    made = {name: streams.make(streams.CASES[name]) for name in (APS, "mamba", "mdcsa", "mamba, lean, late")}
    made[APS] = replace(made[APS], info={k: v for k, v in made[APS].info.items() if k != "confidence"})
    return made


@pytest.fixture
def model(programs: dict[str, Program], tmp_path: Path) -> Path:
    programs[APS].save(tmp_path / "m8")
    return tmp_path / "m8"


def fed(watch: Watch, lines: list[bytes]) -> list[dict[str, Any]]:
    return [row(watch, s) for line in lines for s in watch.feed(line)]


def packets(house: Samples, inputs: tuple[str, ...]) -> list[bytes]:
    """Packets alone, of the first recording: nobody asks."""
    first = house.take(house.session == house.session[0])
    return [line for line in data_lines(first, inputs) if parse(line).kind == "packet"]


# ---- lines ----

@pytest.mark.parametrize(("raw", "line"), [
    (b"12 3 -67", Line("packet", 12, "3", -67)), (b" 12\t kitchen ap  -67 \r", Line("packet", 12, "kitchen ap", -67)),
    (b"4294967299 a +5", Line("packet", 3, "a", 5)), (b"1 a -32768", Line("packet", 1, "a", -32768)),
    ("7 küche -50".encode(), Line("packet", 7, "küche", -50)), (b"7 ? -50", Line("packet", 7, "?", -50)),
    (b"5 ?", Line("ask", 5)), (b"5 !", Line("start", 5)), (b"5 = living room", Line("mark", 5, "living room")),
    (b"5 =", Line("mark", 5)), (b"", Line("comment")), (b" \t\r", Line("comment")), (b"\n", Line("comment")),
    (b"# 1 a -50", Line("comment")),
    *((bad, Line("garbage")) for bad in (
        b"5", b"5 a", b"a 5 -60", b"-5 a -60", b"5 a -60.5", b"5 a -99999", b"5 a --6", b"5 \xff\xfe -60", b"5 a\x1b[2J -60",
        b"1" * 21 + b" a -60", b"5 " + b"a" * MOST_LINE + b" -60", b"5 -60", b"5 ?x", "５ a -60".encode()))])
def test_a_line_means(raw: bytes, line: Line) -> None:
    assert parse(raw) == line


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=40) | st.from_regex(rb"[0-9]{1,11} [a-z0-9?!= -]{1,8}( -?[0-9]{1,6})?", fullmatch=True))
def test_no_line_breaks_it(raw: bytes) -> None:
    line = parse(raw)
    assert 0 <= line.ms < 2**32 and line.kind in ("packet", "ask", "mark", "start", "comment", "garbage")
    assert line.name.isprintable()


def test_inputs_by_name_or_number(programs: dict[str, Program]) -> None:
    """A number is a place in the model's list, unless the model has names that are numbers."""
    program = programs["mamba, lean, late"]
    inputs = program.info["aps"]
    watch = Watch(program)
    last = len(inputs) - 1
    watch.feed(f"10 {inputs[2]} -61".encode())
    watch.feed(b"11 3 -62")
    watch.feed(f"12 {inputs[last]} 9".encode())  # a motion channel's level
    for line in (f"13 {last + 1} -60", "14 cafe -60", "15 \u00b2 -60"):
        watch.feed(line.encode())
    assert watch.hears() == [(inputs[2], -61, 5), (inputs[3], -62, 4), (inputs[last], 9, 3)]
    assert (watch.counts["packets"], watch.counts["elsewhere"]) == (6, 3)
    assert watch.to_dict()["not_in_model"] == sorted({str(last + 1), "cafe", "\u00b2"})
    named = Watch(program)
    named.inputs, named.numbered = ("7", *named.inputs[1:]), False
    named.number = {n: i for i, n in enumerate(named.inputs)}
    named.feed(b"1 7 -50")
    named.feed(b"1 1 -50")
    assert [h[0] for h in named.hears()] == ["7"] and named.counts["elsewhere"] == 1


# ---- when it asks ----

def test_questions_follow_the_packets_clock(programs: dict[str, Program]) -> None:
    watch = Watch(programs[APS])
    period, start = watch.period, 2**32 - 300
    name = watch.inputs[0]
    said = [watch.feed(f"{start + ms & 0xFFFFFFFF} {name} -60".encode()) for ms in range(0, 3 * period + 1, 20)]
    asked = [s.ms for some in said for s in some]
    assert asked == [start + k * period & 0xFFFFFFFF for k in (1, 2, 3)]
    assert [i * 20 for i, some in enumerate(said) if some] == [period, 2 * period, 3 * period]
    assert watch.said[-1].answer.reason == ROOM


def test_silence_jumps_and_a_clock_set_back(programs: dict[str, Program]) -> None:
    watch = Watch(programs[APS])
    name, period, hold = watch.inputs[0], watch.period, watch.stream.hold
    watch.feed(f"1000 {name} -60".encode())
    assert watch.idle(1000 + period) == [], "packets of this time may still be on their way"
    quiet = watch.idle(1000 + period + hold + 20 * period)
    assert len(quiet) > 20 and quiet[-1].answer.reason == SILENT
    now = quiet[-1].ms
    assert watch.feed(f"{now + period + SKIP_MS + 1} {name} -60".encode()) == [], "nobody asked meanwhile"
    (said,) = watch.feed(f"{now + 2 * period + SKIP_MS + 1} {name} -60".encode())
    assert said.answer.reason == GAP
    (said,) = watch.feed(f"500 {name} -60".encode())
    assert (said.ms, said.answer.reason) == (500, BACKWARDS)
    assert watch.feed(f"{500 + period} {name} -60".encode())[0].answer.reason == ROOM
    assert watch.dropped == 0


def test_who_asks_is_asked_no_more(programs: dict[str, Program]) -> None:
    watch = Watch(programs[APS])
    name = watch.inputs[0]
    assert len(fed(watch, [f"0 {name} -60".encode(), b"90 ?", f"100000 {name} -60".encode()])) == 1
    assert watch.idle(10**6) == []
    watch.feed(b"3 !")
    assert watch.hears() == [] and watch.stream.last is None


# ---- the same answers again ----

@pytest.mark.parametrize("name", [APS, "mamba", "mdcsa", "mamba, lean, late"])
def test_a_replay_gives_the_same_answers_on_both_backends(programs: dict[str, Program], house: Samples, tmp_path: Path,
                                                         name: str, level: int) -> None:
    """Live, with silence that this host's clock alone knows of, garbage, reorderings, a restart; then its recording."""
    program = programs[name]
    rng = np.random.default_rng(5)
    lines = packets(house, tuple(program.info["aps"]))[: 600 if level == 1 else 100_000]
    for _ in range(40):
        i, j = rng.integers(0, len(lines) - 3, 2)
        lines[i], lines[i + 2] = lines[i + 2], lines[i]
        lines.insert(j, rng.bytes(12).replace(b"\n", b"").replace(b"#", b"x"))
    lines[50:50] = [b"# a comment", b"0 = " + house.rooms[0].encode()]
    lines[300:300] = [b"77 !"]
    seconds = 0.0

    def live() -> Iterator[bytes | None]:
        nonlocal seconds
        for i, line in enumerate(lines):
            seconds += 0.02
            if i in (120, 400):
                for _ in range(30):
                    seconds += 0.3
                    yield None
            yield line

    log = Log(tmp_path / "a.log")
    first = Watch(program, "c", record=log)
    first.answers = []
    for _ in follow(first, live(), lambda: seconds):
        pass
    log.close()
    assert {"silent"} <= set(first.reasons) and first.counts["garbage"] > 20 and first.counts["answers"] > 60
    for backend in ("c", "numba"):
        log = Log(tmp_path / f"{backend}.log")
        again = Watch(program, backend, record=log)
        again.answers = []
        for _ in follow(again, file_lines(tmp_path / "a.log")):
            pass
        log.close()
        assert log.path.read_bytes() == (tmp_path / "a.log").read_bytes()
        for form in FORMATS:
            assert written(again, again.answers, form) == written(first, first.answers, form)
        assert {k: v for k, v in again.to_dict().items() if k != "lines"} == {
            k: v for k, v in first.to_dict().items() if k != "lines"}


def test_any_session_replays(programs: dict[str, Program], tmp_path: Path, level: int) -> None:
    """Clocks that jump and run backwards, silence, garbage, marks, starts, questions, at random: the recording of a session
    gives its answers again, is recorded the same, and has rows that a CSV reader takes."""
    rng = np.random.default_rng(11)
    for number in range(8 if level == 1 else 500):
        program = list(programs.values())[number % len(programs)]
        inputs, ms, at = program.info["aps"], int(rng.integers(0, 2**32)), [0.0]
        steps = rng.integers(-50, 200, 300) + np.where(rng.random(300) < 0.03, rng.integers(-(10**6), 10**6, 300), 0)

        def live(steps: np.ndarray = steps, ms: int = ms, at: list[float] = at, inputs: Any = inputs
                 ) -> Iterator[bytes | None]:
            for step, kind in zip(steps.tolist(), rng.random(len(steps)), strict=True):
                ms = ms + step & 0xFFFFFFFF
                at[0] += float(rng.random() * (0.2 if kind < 0.9 else 3))
                yield (f"{ms} {rng.choice(inputs)} {rng.integers(-140, 30)}".encode() if kind < 0.8 else
                       rng.bytes(int(rng.integers(1, 300))).replace(b"\n", b"") if kind < 0.85 else
                       f"{ms} = a room".encode() if kind < 0.87 else f"{ms} !".encode() if kind < 0.875 else
                       f"{ms} ?".encode() if kind < 0.876 else None)

        def session(name: str, backend: str, lines: Any, clock: Callable[[], float], program: Program = program
                    ) -> tuple[bytes, str]:
            log = Log(tmp_path / name)
            watch = Watch(program, backend, record=log)
            watch.answers = []
            for _ in follow(watch, lines, clock):
                pass
            log.close()
            return log.path.read_bytes(), written(watch, watch.answers, ".csv")

        first = session(f"{number}", "c", live(), lambda at=at: at[0])
        for backend in ("c", "numba"):
            again = session(f"{number}{backend}", backend, file_lines(tmp_path / f"{number}"), time.monotonic)
            assert again == first, f"session {number}, {backend}"
        (tmp_path / "rows.csv").write_text(recorded_csv(file_lines(tmp_path / f"{number}"), 200))
        assert len(read_csv(tmp_path / "rows.csv", session="session")[0])


@pytest.mark.parametrize(("name", "delay"), [("mamba", 0), ("mdcsa", 0), ("mamba, lean, late", 2)])
def test_data_give_the_answers_of_the_stream(programs: dict[str, Program], house: Samples, name: str, delay: int) -> None:
    """Two recordings, each answer beside the room of the row that it is about."""
    program = programs[name]
    two = replace(house, session=(np.arange(len(house)) > len(house) // 2).astype(np.int64))
    if program.info.get("motion"):
        two = replace(two, motion=np.full((len(two), 1), 20, np.float32), motions=tuple(program.info["motion"]))
    watch = Watch(program)
    watch.answers = []
    fed(watch, list(data_lines(two, watch.inputs)))
    want = answers(program, two, "numba")
    found = [(s.answer.room, s.answer.heard, s.answer.label, s.answer.confidence, s.answer.reason, 0) for s in watch.answers]
    assert found == want.tolist() and len(script(two)) == 2
    about = np.arange(len(two)) - delay
    true = np.where(about >= two.starts(), two.room[np.maximum(about, 0)], -1)
    assert [s.marked for s in watch.answers] == [house.rooms[r] if r >= 0 else "" for r in true]
    assert watch.counts["right"] == ((want["room"] == true) & (true >= 0)).sum()


def test_pace(house: Samples) -> None:
    slept: list[float] = []
    lines = [b"# c", b"1000 a -60", b"1200 a -60", b"1100 a -60", b"1300 ?", b"x", b"90 !", b"95 a -60", b"999999 a -60"]
    assert list(paced(lines, 2, slept.append)) == lines
    assert slept == pytest.approx([0.1, 0.05, 0.0025])


# ---- recordings ----

def test_what_is_cut_off_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"1 a -60\n2 a -60\n3 a -6")
    assert list(file_lines(tmp_path / "torn")) == [b"1 a -60", b"2 a -60"]


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    log = Log(tmp_path / "a" / "log")
    log.write(b"1 a -60\n")
    assert log.path.read_bytes() == b"1 a -60\n", "a kill now would lose it"
    with pytest.raises(ConfigError, match="is there already"):
        Log(log.path)
    with pytest.raises(ConfigError, match="cannot be written"):
        Log(log.path / "b")
    log.close()
    if os.path.exists("/dev/full"):
        full = Log.__new__(Log)
        full.path = Path("/dev/full")
        with full.path.open("wb", buffering=0) as full._file, pytest.raises(ConfigError, match="/dev/full: cannot be"):
            full.write(b"1 a -60\n")


# ---- the command ----

def run(*args: str | Path, code: int = 0) -> Result:
    return tinyloc("watch", *args, code=code)


def test_command_records_and_replays(model: Path, house: Samples, programs: dict[str, Program], tmp_path: Path) -> None:
    raw = tmp_path / "raw.log"
    raw.write_bytes(b"\n".join(packets(house, tuple(programs[APS].info["aps"]))[:400]) + b"\nnonsense\n1 torn")
    text = run(model, "--file", raw, "--record", tmp_path / "a.log", "--answers", tmp_path / "a.csv").stdout
    assert "confidence" in text and "401 lines: 400 packets (0 dropped, 0 of access points" in text
    assert text.count("1 lines of garbage") == 1
    found = [json.loads(line) for line in
             run(model, "--file", tmp_path / "a.log", "--backend", "numba", "--answers", tmp_path / "b.csv", "--json",
                 "--speed", "1e6").stdout.splitlines()]
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert len(found) - 1 == found[-1]["answers"] == len((tmp_path / "a.csv").read_text().splitlines()) - 1 > 5
    assert found[-1]["garbage"] == 1 and not found[-1]["interrupted"] and found[0]["room"] in house.rooms


@pytest.mark.parametrize(("text", "code"), [
    ("time,room,rssi_1\n0,hall,-50\n\n1,hall,-52\n", 2), ("# a walk\nhello there\n", 2), ("", 0), ("# nothing yet\n", 0),
    ("hello\n" * 50 + "1000 ?\n", 0), ("hello\n1 ap -60\n", 0)])
def test_what_is_no_recording_is_refused(model: Path, tmp_path: Path, text: str, code: int) -> None:
    """Where not one line is understood: then nothing is written, either."""
    (tmp_path / "log").write_text(text)
    said = run(model, "--file", tmp_path / "log", "--answers", tmp_path / "a.csv", "--record", tmp_path / "b.log", code=code)
    if code:
        lines = len(text.splitlines())
        assert f"log: none of its {lines} lines is a packet; expected lines such as '1200 ap_1 -63'" in said.stderr
        assert said.stderr.count("\n") == 1 and {p.name for p in tmp_path.iterdir()} == {"log", "m8"}


@pytest.mark.parametrize(("args", "says"), [
    ((), "expected --serial, --file or --data"), (("--file", "x", "--data", "flat"), "got --file and --data"),
    (("--serial", "x", "--speed", "1"), "--speed: a board has its own"), (("--file", "absent"), "absent: cannot be read"),
    (("--file", "x", "--answers", "a.txt"), "expected a name that ends in .csv or .jsonl"),
    (("--file", "x", "--answers", "/tmp/a.csv", "--record", "/tmp/a.csv"), "expected one file for --record and another"),
    (("--serial", "/nonexistent/tty"), "expected a serial port such as")])  # fmt: skip
def test_bad_input(model: Path, args: tuple[str, ...], says: str) -> None:
    pytest.importorskip("serial", reason="the extra serial is not installed: pip install 'tinyloc[serial]'")
    done = run(model, *args, code=2)
    assert done.stderr.count("\n") == 1 and says in done.stderr and not done.stdout


def test_a_recording_that_is_there_stays(model: Path, tmp_path: Path) -> None:
    (tmp_path / "r.log").write_bytes(b"1 a -60\n")
    assert "is there already" in run(model, "--file", tmp_path / "r.log", "--record", tmp_path / "r.log", code=2).stderr
    assert (tmp_path / "r.log").read_bytes() == b"1 a -60\n"


class Board:
    """The far end of a serial port."""

    def __init__(self) -> None:
        import pty
        import tty

        pytest.importorskip("serial", reason="the extra serial is not installed: pip install 'tinyloc[serial]'")
        self.end, self.host = pty.openpty()
        tty.setraw(self.end)
        tty.setraw(self.host)
        self.port = os.ttyname(self.host)

    def send(self, data: bytes) -> None:
        os.write(self.end, data)

    def vanish(self) -> None:
        os.close(self.host)
        os.close(self.end)


def watching(*args: str | Path, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", "from tinyloc.cli import main; main()", "watch", *map(str, args)],
                            text=True, stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
                            **{"stdout": subprocess.PIPE, **how})


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["ctrl-c", "killed", "vanished"])
def test_a_board(model: Path, programs: dict[str, Program], tmp_path: Path, how: str) -> None:
    """Its recording has all that came; the half line at the beginning is none; the end is clear, however it comes."""
    pytest.importorskip("pty")
    board, name = Board(), programs[APS].info["aps"][0]
    log, told = tmp_path / "r.log", tmp_path / "a.jsonl"
    process = watching(model, "--serial", board.port, "--record", log, "--answers", told, "--json")
    try:
        until(log.exists)
        time.sleep(0.3)  # opening a port empties it

        def come() -> bool:
            board.send(f"9 {name} -60\n1000 {name} -60\n\xff\x00\n1400 ?\n".encode("latin-1"))
            time.sleep(0.1)
            return b"1400 ?\n" in log.read_bytes()

        until(come)
        if how == "ctrl-c":
            process.send_signal(signal.SIGINT)
        elif how == "killed":
            process.kill()
        else:
            board.vanish()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    lines = log.read_bytes().split(b"\n")
    assert lines[0] in (f"1000 {name} -60".encode(), f"9 {name} -60".encode()) and lines[-1] == b""
    assert {"ctrl-c": process.returncode == 0, "killed": process.returncode == -9, "vanished": process.returncode == 2}[how]
    if how == "killed":
        return
    summary = json.loads(out.splitlines()[-1])
    assert summary["interrupted"] == (how == "ctrl-c") and summary["garbage"] >= 1
    again = run(model, "--file", log, "--answers", tmp_path / "b.jsonl", "--json")
    assert (tmp_path / "b.jsonl").read_bytes() == told.read_bytes()
    assert summary["answers"] == len(told.read_text().splitlines())
    assert {**json.loads(again.stdout.splitlines()[-1]), "interrupted": summary["interrupted"], "lines": 0} == {
        **summary, "lines": 0}
    if how == "vanished":
        assert "the port has vanished" in err and "still connected?" in err and err.count("\n") == 1


def test_the_screen(model: Path, house: Samples, programs: dict[str, Program], tmp_path: Path) -> None:
    """On a terminal: the room, what is heard, the counts; names are text, not markup."""
    pytest.importorskip("rich", reason="the extra watch is not installed: pip install 'tinyloc[watch]'")
    pty = pytest.importorskip("pty")
    raw = tmp_path / "raw.log"
    raw.write_bytes(b"\n".join([b"0 = [red]hall", *packets(house, tuple(programs[APS].info["aps"]))[:300]]) + b"\n")
    master, slave = pty.openpty()
    process = watching(model, "--file", raw, stdout=slave)
    os.close(slave)
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(master, 4096):
                shown.extend(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    assert process.wait(60) == 0, process.stderr
    reader.join(10)
    os.close(master)
    text = shown.decode()
    for part in ("last answers", f"of {len(house.aps)} inputs", "confidence", "[red]hall", "301 lines: 300 packets"):
        assert part in text, text


def test_without_the_extra_there_are_lines(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    from tinyloc.cli import watch as command

    monkeypatch.setitem(sys.modules, "rich.live", None)
    monkeypatch.setattr(command.sys.stdout, "isatty", lambda: True, raising=False)
    (tmp_path / "r.log").write_bytes(b"1 ?\n")
    watched = Watch(Program.load(model))
    with command._display(watched, "x", False) as show:
        show(watched.feed(b"1 ?"))
