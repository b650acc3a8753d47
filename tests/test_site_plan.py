"""A site's plan: bounds of a recording, what is done and what is not any more, the stages really run on a small walk."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_cli
from click.testing import CliRunner, Result
from test_cli import tinyloc, walk

from tinyloc import data, site_plan
from tinyloc.data import Samples
from tinyloc.data.csv_file import read_csv
from tinyloc.data.split import visits
from tinyloc.errors import DataError, ModelError
from tinyloc.export import variant
from tinyloc.image import to_image
from tinyloc.model import Model
from tinyloc.package import Package
from tinyloc.program import Program
from tinyloc.site_plan import FILE, MODELS, Plan, Step, checks
from tinyloc.watch import is_recording, recorded_csv

COLUMNS = ("--time", "t", "--room", "label", "--rssi", "ap*", "--window", "4", "--hop", "2")


def plan(*args: str | Path, code: int = 0) -> Result:
    return tinyloc("plan", *args, code=code)


def facts(*args: str | Path, code: int = 0) -> dict[str, Any]:
    return test_cli.facts("plan", *args, code=code)


# ---- record ----

def samples(stay: int = 40, rows: int = 1200, rooms: int = 2, aps: int = 4, step: float = 1.0) -> Samples:
    room = np.arange(rows) // stay % rooms
    rssi = np.where(np.random.default_rng(0).random((rows, aps)) < 0.9, -60.0 - 5 * room[:, None], np.nan)
    return Samples(np.arange(rows) * step, rssi, room, (np.arange(rows) >= rows // 2).astype(np.int64),
                   tuple(f"room {i}" for i in range(rooms)), tuple(f"ap {i}" for i in range(aps)))


def part(s: Samples, start: int, end: int) -> Samples:
    return s.take(slice(start, end))


def whole(s: Samples) -> data.Dataset:
    """Split at places where every part has every room."""
    n = len(s)
    train, val, test = part(s, 0, n * 3 // 5), part(s, n * 3 // 5, n * 4 // 5), part(s, n * 4 // 5, n)
    return data.Dataset("x", train, val, test, 4, 2, 1.0, False, "")


def judged(s: Samples, split: Any = None, window: int = 4, rate: float = 1.0) -> dict[str, site_plan.Check]:
    return {c.name: c for c in checks([s], window, rate, split or whole(s))}


def without(s: Samples, rssi: np.ndarray) -> Samples:
    return replace(s, rssi=rssi)


GOOD = samples()
GAPPY = replace(GOOD, time=GOOD.time + (np.arange(len(GOOD)) // 100) * 9.0)
SILENT = without(GOOD, np.where((np.arange(len(GOOD)) % 10 < 3)[:, None], np.nan, GOOD.rssi))
FEW = without(GOOD, np.where(np.arange(4) < 2, GOOD.rssi, np.nan))


@pytest.mark.parametrize(("what", "bad", "figure"), [
    ("labeled rows", replace(GOOD, room=np.where(np.arange(len(GOOD)) % 4, GOOD.room, -1)), "75 % of 1,200"),
    ("rows held out", samples(rows=380), "room 1 36"),
    ("blocks a room", replace(GOOD, room=(np.arange(len(GOOD)) >= 1140).astype(np.int64)), "room 1 3"),
    ("visits a room", samples(stay=300), "room 0 2, room 1 2"),
    ("access points", FEW, "2 heard in at least 1 % of the rows"),
    ("silence", SILENT, ""), ("rate", samples(step=2.0), "0.5 rows a second"), ("gaps", GAPPY, "the longest 10 s"),
    ("sessions", replace(GOOD, session=np.zeros(len(GOOD), np.int64)), "1")])
def test_each_bound(what: str, bad: Samples, figure: str) -> None:
    """A good recording passes all; one that lacks a thing fails that check, and says by how much, why and what helps."""
    good = judged(GOOD)
    assert all(c.holds for c in good.values()), [c for c in good.values() if not c.holds]
    split = whole(bad) if what == "rows held out" else whole(GOOD)
    found = judged(bad, split, rate=0.5 if what == "rate" else 1.0)[what]
    assert not found.holds and figure in found.figure and found.why and found.advice and found.bound == good[what].bound


@pytest.mark.parametrize(("pause", "walks"), [(1, 2), (300, 1), (3600, 1), (3601, 2), (-900, 2)])
def test_a_pause_makes_no_second_walk(pause: float, walks: int) -> None:
    """Sessions that a gap made are of one walk; of another day, or named as the recordings that they are, they are two."""
    later = GOOD.time + np.where(GOOD.session > 0, pause - 1, 0)
    assert judged(replace(GOOD, time=later))["sessions"].figure == str(walks)


def test_rows_that_stand_alone_need_no_walk() -> None:
    found = judged(GOOD, window=1, rate=0.0)
    assert not {"rate", "gaps", "sessions", "blocks a room", "visits a room"} & set(found)
    assert found["rows held out"].bound == "at least 10 a room" and all(c.holds for c in found.values())


def test_a_split_that_lacks_a_room() -> None:
    d = whole(GOOD)
    no_test = replace(d, test=part(d.test, 0, 40))
    assert "record more of room" in judged(GOOD, no_test)["split"].advice
    assert not judged(GOOD, no_test)["split"].holds and not judged(GOOD, no_test)["split"].needed
    said = judged(GOOD, "too few")["split"]
    assert (said.holds, said.needed, said.advice) == (False, True, "too few")


def test_visits_end_with_rooms_and_recordings() -> None:
    s = samples(stay=3, rows=12)
    assert visits(s).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert visits(replace(s, room=np.zeros(12, np.int64))).tolist() == [0] * 6 + [1] * 6


# ---- rows of a recording ----

def test_rows_of_a_recording(tmp_path: Path) -> None:
    lines = [b"# walk", b"5 !", b"1000 = hall", b"1010 a -60", b"1190 a -61", b"1150 b,c -70", b"1200 a -62", b"junk",
             b"1400 ?", b"1650 = the kitchen", b"1660 b,c -71", b"1800 a -32768", b"99000 a -50", b"99500 a -51",
             b"20 a -40", b"30 !", b"40 a -41"]
    (tmp_path / "x.csv").write_text(recorded_csv(lines, 200))
    s, _, _ = read_csv(tmp_path / "x.csv", session="session")
    assert s.aps == ("rssi_a", "rssi_b,c") and s.rooms == ("hall", "the kitchen")
    assert s.time.tolist() == pytest.approx([0, 0.2, 0.6, 0, 0.4, 0, 0])
    assert s.session.tolist() == [0, 0, 0, 1, 1, 2, 3] and s.room.tolist() == [0, 0, 1, 1, 1, 1, -1]
    assert np.nan_to_num(s.rssi).tolist() == [[-61, -70], [-62, 0], [0, -71], [-50, 0], [-51, 0], [-40, 0], [-41, 0]]
    with pytest.raises(DataError, match="has no packet"):
        recorded_csv([b"5 ?", b"7 = hall"], 200)


def test_rows_of_a_recording_of_months(tmp_path: Path) -> None:
    """A session goes on when its clock of 32 bits has wrapped, and where half of it lies behind."""
    minutes = 2 * 2**32 // 60_000
    text = recorded_csv((b"%d a -60" % (60_000 * i & 0xFFFFFFFF) for i in range(minutes)), 60_000)
    (tmp_path / "x.csv").write_text("time,room,session,rssi_a\n0,hall" + text.partition("\n0.000,")[2])
    s, _, _ = read_csv(tmp_path / "x.csv", session="session")
    assert np.array_equal(s.time, 60.0 * np.arange(minutes)) and not s.session.any()


def test_what_a_stream_drops_is_in_no_row() -> None:
    text = recorded_csv([b"0 a -60", b"10 a 21", b"20 a -128", b"30 b 20", b"40 b 99"], 200)
    assert text.splitlines() == ["time,room,session,rssi_a,rssi_b", "0.000,,1,-60,20"]


SPACED = "{} {} ap1\n" + "".join(f"{i} kitchen -60\n" for i in range(5))


@pytest.mark.parametrize(("text", "columns", "recording"), [
    ("0 a -60\n", {}, True), ("# walk\nboot: room 7\n0 a -60\n", {}, True), ("t,room,a\n0,hall,-60\n", {}, False),
    ("time to room 7\n0 a -60\n", {"room": "x"}, True), (SPACED.format("time", "room"), {}, False),
    (SPACED.format("time", "room").replace(" ", "\t"), {"delimiter": "\t"}, False),
    ("\ufeff" + SPACED.format("time", "room"), {"delimiter": " "}, False),
    ("\n" + SPACED.format("time", "room"), {"delimiter": " "}, False),
    (SPACED.format("t", "label"), {"time": "t", "room": "label", "delimiter": " "}, False),
    (SPACED.format("t", '"the label"'), {"time": "t", "room": "the label", "delimiter": " "}, False),
    (SPACED.format("t", "label"), {}, True)])
def test_what_is_a_recording(text: str, columns: dict[str, str], recording: bool, tmp_path: Path) -> None:
    """Rows apart by spaces read as packets; a first line that names the columns tells them apart."""
    (tmp_path / "x").write_text(text, encoding="utf-8")
    assert is_recording(tmp_path / "x", **columns) == recording


def test_a_csv_file_apart_by_spaces_is_no_recording(tmp_path: Path) -> None:
    """Neither when its options are given nor when the plan has them."""
    walk(tmp_path / "walk.txt", 900, " ")
    asked = ("--data", tmp_path / "walk.txt", "--out", tmp_path / "p")
    for columns in ((*COLUMNS, "--delimiter", " "), ()):
        found = facts(*asked, *columns)
        assert found["source"]["data"] == str(tmp_path / "walk.txt") and found["source"]["columns"]["delimiter"] == " "
    recording = tmp_path / "walk.log"
    recording.write_text("0 a -60\n")
    assert "is a recording" in plan("--data", recording, "--out", tmp_path / "q", "--delimiter", " ", code=2).stderr


# ---- steps ----

@pytest.fixture
def made(tmp_path: Path) -> tuple[Plan, Step]:
    p = Plan(tmp_path / "p", {"data": "simulated", "seed": 0, "columns": {}})
    (tmp_path / "p").mkdir()
    (tmp_path / "a").write_text("a")
    (p.out / "b").write_text("b")
    return p, Step("x", "compare", "x", ("tinyloc", "x", "--out", str(p.out / "b")), (tmp_path / "a",), (p.out / "b",))


def test_done_is_what_is_still_true(made: tuple[Plan, Step], tmp_path: Path) -> None:
    p, step = made
    assert p.state(step) == "to do"
    p.finish(step)
    again = Plan.load(p.out)
    assert again == p and again.state(step) == "done"
    assert p.state(replace(step, command=(*step.command, "--more"))) == "to do again: another command than it was"
    (tmp_path / "a").write_text("c")
    assert p.state(step) == "to do again: a has changed"
    (tmp_path / "a").write_text("a")
    (p.out / "b").unlink()
    assert p.state(step) == "to do again: b is gone"
    by_hand = Step("w", "deploy", "w", ("tinyloc", "w"), (), (p.out / "log",), by_hand="for you")
    assert p.state(by_hand) == "to do"
    (p.out / "log").touch()
    assert p.state(by_hand) == "done"


@pytest.mark.parametrize(("args", "written"), [([], 0), (["--mcu", "nrf52810"], 0), (["--ram", "20K"], 1)])
def test_a_checklist_undoes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], written: int) -> None:
    """A plan that is asked for as it is, is not written: another process may have finished a step since it was read."""
    plan("--data", "simulated", "--mcu", "nrf52810", "--out", tmp_path)
    saved: list[Plan] = []
    monkeypatch.setattr(Plan, "save", lambda p: saved.append(p))
    plan("--out", tmp_path, *args)
    assert len(saved) == written


def test_a_plan_may_move(made: tuple[Plan, Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "_read_facts", lambda _: {})  # an "x" is none
    p, _ = made
    steps = p.compare_steps()
    for file in {f for s in steps for f in s.makes}:
        file.write_text("x")
    for s in steps:
        p.finish(s)
    p.out.rename(tmp_path / "q")
    moved = Plan.load(tmp_path / "q")
    assert moved and [moved.state(s) for s in moved.compare_steps()] == ["done"] * len(steps)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("data", "c"), ("/x/p", "p"), ("my plan", "a b"), ("src", "train")])
@pytest.mark.parametrize("file", ["/data/walk.csv", "walk.csv", "data.csv"])
def test_a_folders_name_is_replaced_where_it_is_the_folder(one: str, other: str, file: str) -> None:
    """Not in other words, which may hold the same letters, such as a column of that name."""
    at = [Plan(Path(out), {"data": file, "seed": 0, "columns": {"time": "a"}}) for out in (one, other)]
    keys = [[p.key(s) for s in (*p.compare_steps(), *p.deploy_steps())] for p in at]
    assert keys[0] == keys[1] and keys[0][0][:6] == ["tinyloc", "train", "--data", file, "--time", "a"]
    assert keys[0][0][-1] == "DIR/transformer.safetensors" and "DIR/firmware" in keys[0][8][2]


def test_rows_of_a_recording_move_with_the_plan() -> None:
    """They lie in its folder, and are named by their whole path."""
    at = [Plan(Path(out), {"data": str(Path(out).resolve() / "recorded.csv"), "seed": 0, "columns": {}}) for out in "ab"]
    assert at[0].key(at[0].compare_steps()[0]) == at[1].key(at[1].compare_steps()[0])


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"format": "tinyloc-plan", "version": 2}', '{"format": 1, "version": 1}', "[" * 99_999,
    '{"format": "tinyloc-plan", "version": 1, "source": [], "target": {}, "epochs": 1, "done": {}, "record": {}}'])
def test_a_file_that_is_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ModelError, match=r"plan\.json: is no plan of this tinyloc"):
        Plan.load(tmp_path)


@pytest.mark.parametrize(("args", "says"), [
    ((), "there is no plan yet; expected --data"), (("--data", "flatt"), "did you mean 'flat'"),
    (("--data", "simulated", "--port", "x"), "it needs --run deploy"),
    (("--data", "simulated", "--mcu", "nrf5"), "any of nrf52810"),
    (("--data", "simulated", "--mcu", "atmega328p"), "there is no build for atmega328p"),
    (("--data", "simulated", "--period", "100"), "expected one as --data"),
    (("--data", "simulated", "--run", "deploy"), "first tinyloc plan --out"), (("--data", "absent.csv"), "no such file")])
def test_bad_input(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    done = plan(*args, "--out", tmp_path / "p", code=2)
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "p" / FILE).exists() == ("--run" in args), "of what is wrong there is no plan"


def test_too_little_is_said(tmp_path: Path) -> None:
    file = walk(tmp_path / "short.csv", 60)
    found = facts("--data", file, *COLUMNS, "--out", tmp_path / "p", "--run", "record", code=1)
    assert found["record"]["state"] == "not enough" and found["next"] == "compare"
    short = {c["name"] for c in found["record"]["checks"] if c["needed"] and not c["holds"]}
    assert {"rows held out", "blocks a room"} <= short
    text = plan("--out", tmp_path / "p").stdout
    assert "Record more before you compare" in text and "stay longer in these rooms" in text
    walk(file, 900)
    assert facts("--out", tmp_path / "p")["record"]["state"] == "to do", "the file has changed"


def test_a_recording_is_data(tmp_path: Path) -> None:
    with (tmp_path / "walk.log").open("wb") as f:
        for i in range(3000):
            room = i // 150 % 2
            f.write(b"%d = %s\n" % (200 * i, (b"hall", b"kitchen")[room]) if i % 150 == 0 else b"")
            for ap in range(3):
                f.write(b"%d ap%d %d\n" % (200 * i + ap, ap, -60 - 9 * ((room + ap) % 3) - i % 3))
    found = facts("--data", tmp_path / "walk.log", "--window", "5", "--out", tmp_path / "p", "--run", "record")
    assert found["record"]["state"] == "done" and Path(found["source"]["data"]).name == "recorded.csv"
    assert {c["name"]: c["figure"] for c in found["record"]["checks"]}["rate"] == "5 rows a second"
    words = found["steps"][0]["command"]
    assert words[words.index("--session") + 1] == "session" and words[words.index("--window") + 1] == "5"


# ---- the stages ----

@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk, and its plan, compared: level 1 with small models that count no instructions."""
    folder = tmp_path_factory.mktemp("site")
    walk(folder / "walk.csv", 900)
    return folder


@contextlib.contextmanager
def board(selftest: Path) -> Iterator[str]:
    """A serial port on which a board prints its self-test, again and again."""
    pytest.importorskip("serial", reason="the extra serial is not installed: pip install 'tinyloc[serial]'")
    pty, tty = pytest.importorskip("pty"), pytest.importorskip("tty")
    said = subprocess.run([selftest], check=True, capture_output=True).stdout
    end, host = pty.openpty()
    tty.setraw(end)
    tty.setraw(host)
    os.set_blocking(end, False)
    stop = threading.Event()

    def prints() -> None:
        left = said
        while not stop.wait(0.002):
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(end, left[:512]):] or said

    thread = threading.Thread(target=prints)
    thread.start()
    yield os.ttyname(host)
    stop.set()
    thread.join()
    os.close(host)
    os.close(end)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    if level == 1:
        presets = {"transformer": "mdcsa-h4l1", "mamba": "mamba-h2l1", "ours": "mamba-h4l1-lean"}
        monkeypatch.setattr(site_plan, "MODELS", {k: (t, presets[k], how) for k, (t, _, how) in MODELS.items()})
        monkeypatch.setattr("tinyloc.bench.can_count", lambda: False)


def test_compare_and_deploy(site: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="the extra report is not installed: pip install 'tinyloc[report]'")
    out = site / "p"
    asked = ("--data", site / "walk.csv", *COLUMNS, "--mcu", "nrf52832", "--epochs", "6", "--out", out)
    before = facts(*asked)
    assert {s["state"] for s in before["steps"]} == {"to do"} and before["compared"] == [] and before["next"] == "record"
    found = facts("--out", out, "--run", "compare")
    assert [s["state"] for s in found["steps"] if s["stage"] == "compare"] == ["done"] * 7
    rows = {r["model"]: r for r in found["compared"]}
    assert set(rows) == set(MODELS) and all(r["exact"] and r["fits"] for r in rows.values())
    for name, r in rows.items():
        low, high = r["interval"]
        assert 0 <= low <= r["macro_f1"] + 0.1 and high <= 1
        assert r["validation_macro_f1"] == Model.load(out / f"{name}.safetensors").info["validation_macro_f1"]
        program = Program.load(out / f"{name}.int8.safetensors")
        assert program.info["confidence"]["threshold"] > 0 and r["all_in_ram"] > sum(program.bytes_by_kind().values()) / 2
    assert found["chosen"] == max(rows.values(), key=lambda r: (r["validation_macro_f1"], -r["ram"]))["model"]

    with monkeypatch.context() as m:  # the plan is of an earlier tinyloc
        m.setattr("tinyloc.report.document.VERSION", 99)
        later = facts("--out", out)
        states = {s["name"]: s["state"] for s in later["steps"]}
        assert states["report"] == "to do again: compare.json is none of this tinyloc"
        assert later["compared"] == [] and "not compared as they are" in plan("--out", out, "--run", "deploy", code=2).stderr

    # What is done is not done again, and what has changed is.
    times = {f: f.stat().st_mtime_ns for f in out.glob("*.safetensors")}
    assert facts("--out", out, "--run", "compare")["steps"] == found["steps"]
    assert {f: f.stat().st_mtime_ns for f in out.glob("*.safetensors")} == times
    (out / "mamba.int8.safetensors").unlink()
    states = {s["name"]: s["state"] for s in facts("--out", out)["steps"]}
    assert states["quantize mamba"] == states["report"] == "to do again: mamba.int8.safetensors is gone"
    assert states["train mamba"] == states["quantize ours"] == "done"
    assert "not compared as they are" in plan("--out", out, "--run", "deploy", code=2).stderr
    text = plan("--out", out, "--run", "compare").stdout
    # The same bytes again: the report is about them, and stays.
    assert text.count("$ tinyloc quantize") == text.count("$ tinyloc") == 1
    assert "best on validation of those that fit" in text
    assert {f for f, t in times.items() if f.stat().st_mtime_ns != t} == {out / "mamba.int8.safetensors"}

    # Deployed as far as it goes without a board; the package with a key.
    if not shutil.which("cc"):
        pytest.skip("no C compiler called cc")
    imgtool = pytest.importorskip("imgtool.main", reason="the extra sign is not installed: pip install 'tinyloc[sign]'")
    key = tmp_path / "key.pem"
    assert CliRunner().invoke(imgtool.imgtool, ["keygen", "-t", "ed25519", "-k", str(key)]).exit_code == 0
    text = plan("--out", out, "--run", "deploy", "--key", key).stdout
    assert "PASS" in text and text.count("[x]") == 10
    states = {s["name"]: s["state"] for s in facts("--out", out)["steps"]}
    assert (states["export"], states["self-test"], states["verify"], states["watch"]) == ("done", "done", "to do", "to do")
    # The firmware takes updates, and this package is one: a firmware's kernels are those that its own image needs.
    program, firmware = Program.load(out / f"{found['chosen']}.int8.safetensors"), out / "firmware"
    image = Package.parse((out / "model.bin").read_bytes()).image.data
    assert (firmware / "src" / "update.h").exists() and image == (firmware / "model.bin").read_bytes()
    assert image == to_image(variant(program, "m4")) != to_image(variant(program))
    assert facts("--out", out, "--run", "record")["next"] is None
    with board(out / "selftest") as port:
        text = plan("--out", out, "--run", "deploy", "--key", key, "--port", port).stdout
    assert text.count("$ tinyloc verify") == text.count("$ ") == 1 and "the same bits as here" in text
    (out / "live.log").write_text("")
    assert facts("--out", out)["steps"][-1]["state"] == "done"


def test_nothing_fits(site: Path, small: None) -> None:
    """A budget that none keeps: the comparison says no, and deploys none."""
    pytest.importorskip("jinja2", reason="the extra report is not installed: pip install 'tinyloc[report]'")
    out = site / "tiny"
    asked = ("--data", site / "walk.csv", *COLUMNS, "--ram", "100", "--epochs", "1", "--out", out)
    found = facts(*asked, "--run", "compare", code=1)
    assert found["chosen"] is None and not any(r["fits"] for r in found["compared"])
    assert "no model fits" in plan("--out", out, "--run", "deploy", code=2).stderr
    assert "None of them fits" in plan("--out", out).stdout


def test_a_step_that_fails_is_not_done(site: Path, small: None, tmp_path: Path) -> None:
    walk(tmp_path / "short.csv", 20)
    out = tmp_path / "p"
    done = plan("--data", tmp_path / "short.csv", *COLUMNS, "--run", "compare", "--out", out, code=2)
    assert "train transformer: exit code 2" in done.stderr and Plan.load(out).done == {}  # type: ignore[union-attr]


def test_ctrl_c_leaves_the_step_to_do(site: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyloc import train

    real = train.fit
    monkeypatch.setattr(train, "fit", lambda *a, **k: train.with_info(real(*a, **k), interrupted=True))
    out = tmp_path / "p"
    plan("--data", site / "walk.csv", *COLUMNS, "--epochs", "1", "--run", "compare", "--out", out, code=130)
    assert Plan.load(out).done == {} and (out / "transformer.safetensors").exists()  # type: ignore[union-attr]
