"""The command line, as a user types it: what it prints, its exit codes, what it says to bad input."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from tinyloc.cli import main, table
from tinyloc.cli.common import UNNAMED, load_source
from tinyloc.data import Scaler, load, windows
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.stream import answers
from tinyloc.train import labeled

REAL = Path(os.environ.get("TINYLOC_DATA", "/nonexistent"))


def tinyloc(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in args])
    assert result.exit_code == code, f"tinyloc {' '.join(map(str, args))}: {result.exit_code}\n{result.output}"
    return result


def facts(*args: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tinyloc(*args, "--json", code=code).stdout, parse_constant=no_json)
    return found


def no_json(number: str) -> None:
    raise AssertionError(f"{number} is no JSON")


def complaint(*args: object) -> str:
    """The one line that bad input gets."""
    text = tinyloc(*args, code=2).stderr
    assert text.startswith("tinyloc: ") and text.count("\n") == 1, text
    return text


def walk(path: Path, rows: int = 900, sep: str = ",") -> Path:
    """A recording of two rooms in turn, 40 s each at 1 Hz, 3 access points."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as f:
        writer = csv.writer(f, delimiter=sep)
        writer.writerow(["t", "label", "ap1", "ap2", "ap3"])
        for i in range(rows):
            here = i // 40 % 2
            level = rng.normal((-50, -75, -60) if here else (-75, -50, -62), 3)
            writer.writerow([i, ("kitchen", "hall")[here], *(f"{v:.0f}" if rng.random() > 0.1 else "" for v in level)])
    return path


QUICK = ("--epochs", "30", "--batch", "16")
COLUMNS = ("--time", "t", "--room", "label", "--rssi", "ap*", "--window", "8", "--hop", "4")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with walk.csv and, trained on it, m (a Mamba) and d (an MDCSA), and their Programs m8 and d8."""
    folder = tmp_path_factory.mktemp("cli")
    recording = walk(folder / "walk.csv")
    for name, model in (("m", "mamba-h4l1"), ("d", "mdcsa-h4l1")):
        tinyloc("train", "--data", recording, *COLUMNS, "--model", model, "--out", folder / name, *QUICK)
        tinyloc("quantize", folder / name, "--out", folder / f"{name}8")
    return folder


def test_train_says_what_it_made(place: Path) -> None:
    # In a file or a pipe, what it says is its result alone.
    said = tinyloc("train", "--data", place / "walk.csv", *COLUMNS, "--model", "mamba-h2l1", "--epochs", "2", "--out",
                   place / "short")
    assert said.output.startswith(f"{place / 'short'}: mamba-h2l1, ") and said.output.count("\n") == 1
    found = facts("train", "--data", place / "walk.csv", *COLUMNS, "--model", "mamba-h4l1", "--out", place / "again",
                  *QUICK)
    assert found["parameters"] == Model.load(place / "again").parameters
    assert found["test"]["macro_f1"] > 0.8 and set(found["test"]["f1"]) == {"kitchen", "hall"}
    assert not (place / "again.checkpoint").exists()
    same = Model.load(place / "m")
    assert all(np.array_equal(v, same.params[k]) for k, v in Model.load(place / "again").params.items())


def test_tuned_is_a_start_that_options_change(place: Path) -> None:
    """By the kind of data: a walk, or rows that stand alone; the settings are in the model, and it goes on to a Program."""
    walked, alone = (("train", "--data", place / "walk.csv", *COLUMNS[:-4], *cut, "--model", "mamba-h2l1", "--epochs", "3",
                      "--tuned") for cut in (("--window", "8", "--hop", "4"), ("--window", "1", "--hop", "1")))
    tinyloc(*walked, "--delay", "2", "--augment", "offset=1", "--out", place / "tuned")
    m = Model.load(place / "tuned").info
    assert (m["delay"], m["augmentation"]["offset"], m["augmentation"]["noise"], m["refit"]) == (2, 1, 0, True)
    assert not list(place.glob("tuned.checkpoint*"))
    tinyloc(*alone, "--balance", "0.5", "--signal", "minmax", "--out", place / "tuned1")
    m = Model.load(place / "tuned1").info
    assert (m["recipe"]["balance"], "power" in m["scaler"], m["augmentation"]["noise"]) == (0.5, False, 3)
    tinyloc(*alone, "--out", place / "tuned2")
    m = Model.load(place / "tuned2").info
    assert m["scaler"]["power"] == 2 and (m["recipe"]["batch"], m["recipe"]["lr"]) == (64, 0.005), "of few rows"
    tinyloc(*alone, "--power", "1.5", "--out", place / "tuned3")
    assert Model.load(place / "tuned3").info["scaler"]["power"] == 1.5
    said = complaint(*alone, "--signal", "minmax", "--power", "3", "--out", place / "none")
    assert "power = 3.0 of minmax signals" in said
    tinyloc("quantize", place / "tuned", "--out", place / "tuned8")
    # It has seen the validation rows: they do not choose its Program either.
    made = tinyloc("quantize", place / "tuned", "--out", place / "tunedq", "--qat", "--epochs", "2").stdout
    assert "trained on (2 epochs, with the validation rows)" in made
    assert Program.load(place / "tunedq").info["qat"]["epochs"] == 2
    assert facts("verify", place / "tuned8", "--backend", "numba,c")["equal"]
    assert facts("run", place / "tuned8", "--stream")["rows"] == facts("run", place / "tuned8")["rows"]
    assert "unknown signal" in complaint(*alone, "--signal", "db", "--out", place / "none")


def test_quantize_proves(place: Path) -> None:
    found = facts("quantize", place / "m", "--out", place / "m8mse", "--calibration", "mse")
    assert facts("quantize", place / "m", "--out", place / "m8free", "--decay", "free")["decay"] == "free"
    assert found["calibration"] == "mse" and found["steps"] == len(Program.load(place / "m8mse").steps)
    assert found["tightest"] in found["proofs"] and all(b <= limit for b, limit in found["proofs"].values())


def test_what_weights_of_four_bits_came_to_is_told(place: Path, tmp_path: Path) -> None:
    """Which layers have them, what calibration alone may cost, and that no layer may be large enough."""
    wide, hint = tmp_path / "wide", "--qat trains them"
    tinyloc("train", "--data", place / "walk.csv", *COLUMNS, "--model", "mamba-h16l1", "--epochs", "1", "--out", wide)
    alone, int4 = ("--out", tmp_path / "p"), ("--out", tmp_path / "p", "--weights", "int4")
    names = facts("quantize", wide, *int4)["four_bits"]
    assert names == list(Program.load(tmp_path / "p").four_bits) and len(names) > 1
    told = f" B of weights (int4 weights in {len(names)} linear layers), "
    said = tinyloc("quantize", wide, *int4).stdout
    assert told in said and hint in said
    said = tinyloc("quantize", wide, *int4, "--qat", "--epochs", "1").stdout
    assert told in said and hint not in said
    said = tinyloc("quantize", wide, *alone).stdout
    assert " B of weights, " in said and hint not in said and not facts("quantize", wide, *alone)["four_bits"]
    said = tinyloc("quantize", place / "m", *int4).stdout
    assert " B of weights (none of four bits: no linear layer has 256), " in said and hint not in said
    assert facts("quantize", place / "m", *int4)["four_bits"] == []


def test_a_precision_that_is_not_promised_is_explained(place: Path, tmp_path: Path) -> None:
    """A share above what was asked for is no contradiction: a bound of few independent rows is what is judged."""
    said = tinyloc("quantize", place / "m", "--out", tmp_path / "m8", "--precision", "0.999").stdout
    v = Program.load(tmp_path / "m8").info["confidence"]["validation"]
    assert v["independent"] < v["rows"]
    assert max(map(len, said.splitlines())) <= 125 + len(str(tmp_path)), "a fact a line"
    assert "\nNOT the 99.9 % asked for: what is judged is a lower bound, and neighboring rows are\nright or wrong " \
        f"together, so that all {v['rows']} count as {v['independent']:.0f} independent ones\n" in said
    short = f"tinyloc: {tmp_path / 'm8'}: NOT the 99.9 % asked for: of the rooms that its stream answers"
    for said in (tinyloc("run", tmp_path / "m8", "--unknown"),
                 tinyloc("export", tmp_path / "m8", "--out", tmp_path / "fw", "--windows", "0")):
        assert said.stderr.startswith(short), said.stderr
    assert "NOT" not in tinyloc("quantize", place / "m", "--out", tmp_path / "m8", "--precision", "0.5").stdout
    assert not tinyloc("run", tmp_path / "m8", "--unknown").stderr


@pytest.mark.parametrize("name, streams", [("m8", True), ("d8", False)])
def test_audit_counts_every_byte(place: Path, name: str, streams: bool) -> None:
    found = facts("audit", place / name)
    window, stream = found["memory"]["window"], found["memory"]["stream"]
    assert found["proved_by_running"] and found["fits"] is None and bool(stream) == streams
    for m in filter(None, (window, stream)):
        assert m["activations"] == m["lower_bound"]
        assert m["total"] == sum(m[k] for k in ("weights", "tables", "records", "state", "activations", "model"))
    said = tinyloc("audit", place / name).stdout
    assert "least activations possible" in said
    stream = found["beside"][found["memory"]["best"]]
    assert stream["ram"] == sum(stream[k] for k in ("heard", "window", "stream")) and bool(stream["window"]) != streams
    (row,) = (line for line in said.splitlines() if line.startswith("RAM, with the stream"))
    assert row.endswith(f" {found['memory'][found['memory']['best']]['ram'] + stream['ram']:,}")


@pytest.mark.parametrize("alone", [[], ["--model-alone"]])
def test_audit_judges_to_the_byte(place: Path, alone: list[str]) -> None:
    found = facts("audit", place / "d8")
    m, s = found["memory"]["window"], {"ram": 0, "flash": 0} if alone else found["beside"]["window"]
    for ways, need in ((["--ram", "{}"], m["ram"] + s["ram"]), (["--flash", "{}"], m["image"] + s["flash"]),
                       (["--all-in-ram", "--ram", "{}"], m["total"] + s["ram"] + s["flash"])):
        for size, code in ((need, 0), (need - 1, 1)):
            args = [w.format(size) for w in ways]
            judged = facts("audit", place / "d8", *args, *alone, code=code)
            assert judged["fits"] == (code == 0) and judged["judged_with_stream"] != bool(alone), args
    said = tinyloc("audit", place / "d8", "--ram", m["ram"] + s["ram"] - 1, *alone, code=1).stdout
    assert f"DOES NOT FIT, 1 B too many, {'the model alone' if alone else 'with the stream'}" in said


def test_audit_of_a_part_without_a_build(place: Path) -> None:
    found = facts("audit", place / "m8", "--mcu", "atmega328p", code=1)
    assert not found["fits"] and found["spare"]["ram"] > 0 and "int of 32 bits" in found["no_build"]
    said = tinyloc("audit", place / "m8", "--mcu", "atmega328p", code=1).stdout
    assert "atmega328p: NO BUILD: the C needs an int of 32 bits" in said and "(atmega328p): would fit, " in said
    assert facts("audit", place / "m8", "--mcu", "esp32-c3")["fits"], "no firmware of it is built here, but the C is for it"


def test_audit_names_the_part(place: Path) -> None:
    assert facts("audit", place / "d8", "--mcu", "nrf52832")["budget"]["name"].lower().startswith("nrf52832")


@pytest.mark.parametrize(("asked", "first"), [
    ("nrf5281", "nrf52810: cortex-m4, 24K of RAM, 192K of flash"),
    ("rp2040", "rp2040: cortex-m0plus, 264K of RAM, external flash")])
def test_the_part_that_a_name_stands_for_is_said_first(place: Path, tmp_path: Path, asked: str, first: str) -> None:
    assert tinyloc("audit", place / "m8", "--mcu", asked).stdout.splitlines()[0] == first
    name = first.partition(":")[0]
    planned = tinyloc("plan", "--data", "simulated", "--out", tmp_path, "--mcu", asked).stdout
    assert f", for {name}, " in planned.splitlines()[0] and f"--mcu {name} " in planned


def test_verify(place: Path) -> None:
    found = facts("verify", place / "m8", "--windows", "40")
    assert found["equal"] and found["stream_equals_window"] and found["windows"] == 40
    assert found["backends"]["c"]["windows"] == 40 and set(found["backends"]) == {"c", "arena"}
    assert facts("verify", place / "d8")["stream_equals_window"] is None
    assert "bit for bit" in tinyloc("verify", place / "d8", "--backend", "c,numba").stdout


def test_verify_names_the_first_step_that_differs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyloc import run

    class Wrong(run.Numba):
        """Adds 1 to a code of the third step's output."""

        def __init__(self, program: Program) -> None:
            super().__init__(program)
            kernel, args = self.calls[2]

            def off_by_one(*a: Any) -> None:
                kernel(*a)
                a[0][3] += 1

            self.calls[2] = (off_by_one, args)

    monkeypatch.setitem(run.BACKENDS, "wrong", Wrong)
    found = facts("verify", place / "m8", "--backend", "c,wrong", "--windows", "3", code=1)
    where = found["backends"]["wrong"]["difference"]
    step = Program.load(place / "m8").steps[2]
    assert (where["window"], where["step"], where["op"], where["buffer"]) == (0, 2, step.op, step.args[0])


@pytest.mark.parametrize("name, options", [("m8", []), ("m8", ["--at-once"]), ("d8", ["--backend", "numba"])])
def test_run(place: Path, tmp_path: Path, name: str, options: list[str]) -> None:
    out = tmp_path / "rooms.csv"
    found = facts("run", place / name, "--out", out, *options)
    with out.open() as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == found["rows"] and {r["predicted"] for r in rows} == {"kitchen", "hall"}
    right = sum(r["room"] == r["predicted"] for r in rows if r["room"])
    assert found["accuracy"] == pytest.approx(right / sum(bool(r["room"]) for r in rows)) and found["accuracy"] > 0.8


@pytest.mark.parametrize("name", ["m8", "d8"])
def test_run_as_a_device_answers(place: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "rooms.csv"
    found = facts("run", place / name, "--unknown", "--out", out)
    with out.open() as f:
        rows = list(csv.DictReader(f))
    assert found["stream"] == (name == "m8")
    known = [r for r in rows if r["predicted"]]
    assert found["rows"] == len(rows) and found["rooms"] == len(known) > 0 and {r["predicted"] for r in known} <= {
        "kitchen", "hall"}
    assert all(bool(r["predicted"]) != bool(r["reason"]) for r in rows)
    assert sum(found["unknown"].values()) == len(rows) - len(known)
    # The walk is one recording: its test rows are blocks, before each of which the stream starts anew.
    program = Program.load(place / name)
    starts = len(np.unique(load_source(program.info["source"]).test.starts()))
    assert found["starts"] == starts > 1
    assert f"the stream starts anew {starts} times, at each part" in tinyloc("run", place / name, "--unknown").stdout
    labeled = [r for r in known if r["room"]]
    assert found["precision"] == pytest.approx(sum(r["room"] == r["predicted"] for r in labeled) / len(labeled)) and (
        found["precision"] > 0.8)


def test_test_rows_without_rooms_judge_nothing(place: Path, tmp_path: Path) -> None:
    """Null in JSON, which has no NaN; and no answer is said to be wrong, where none could be judged."""
    heading, *lines = (place / "walk.csv").read_text().splitlines()
    lines[160:] = [",".join([x.split(",")[0], "", *x.split(",")[2:]]) for x in lines[160:]]
    few = tmp_path / "few.csv"
    few.write_text("\n".join([heading, *lines]))
    data = ("--data", few, *COLUMNS)
    assert not (load_source({**Program.load(place / "m8").info["source"], "data": str(few)}).test.room >= 0).any()
    trained = facts("train", *data, "--model", "mamba-h2l1", "--epochs", "1", "--out", tmp_path / "m")
    for found in (trained["test"], facts("run", place / "m8", *data)):
        assert found["macro_f1"] is None and found["accuracy"] is None
    found, said = (f("run", place / "m8", *data, "--unknown") for f in (facts, tinyloc))
    assert found["precision"] is None and found["rooms"] > 0
    assert f" {found['rooms']} rooms, none of them where the room is known; " in said.stdout
    (tmp_path / "budget.toml").write_text(f"[[model]]\nfile = '{place / 'm8'}'\ndata = '{few}'\nmacro_f1 = 0.5\n"
                                          'columns = {time = "t", room = "label", rssi = "ap*", window = 8, hop = 4}\n')
    assert facts("check", tmp_path / "budget.toml", code=1)["rows"][0]["found"] is None


def test_run_as_a_device_answers_a_window_a_row(place: Path, tmp_path: Path) -> None:
    """What `export --at-once` runs; where a state that saturates would pass unseen there, it says so, as the export does."""
    assert "takes a window at once" in complaint("run", place / "m8", "--unknown", "--at-once")
    tinyloc("train", "--data", walk(tmp_path / "walk.csv"), *COLUMNS, "--model", "mamba-h4l1,n=0,k=3", "--epochs", 8,
            "--out", tmp_path / "c")
    tinyloc("quantize", tmp_path / "c", "--out", tmp_path / "c8")
    found, said = {}, {}
    for way in ("--stream", "--at-once"):
        found[way] = facts("run", tmp_path / "c8", "--unknown", way, "--out", tmp_path / "rooms.csv")
        with (tmp_path / "rooms.csv").open() as f:
            said[way] = [(r["predicted"], r["confidence"]) for r in csv.DictReader(f)]
    assert found["--stream"]["stream"] and not found["--at-once"]["stream"]
    assert said["--stream"] != said["--at-once"], "the one knows the path of the whole recording, the other a window's"
    program = Program.load(tmp_path / "c8")
    rows = load_source(program.info["source"]).test.select(program.info["aps"])
    want = answers(program, rows, as_it_is=True)
    assert [int(c) for _, c in said["--at-once"]] == want["confidence"].tolist()
    assert facts("run", tmp_path / "c8", "--unknown") == found["--stream"]


def test_data_that_have_changed_are_told_of(place: Path, tmp_path: Path) -> None:
    """A recording that goes on is split anew: a model's own commands say so in one line, and once a load."""
    file, m, m8 = tmp_path / "walk.csv", tmp_path / "m", tmp_path / "m8"
    lines = (place / "walk.csv").read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:721]))
    tinyloc("train", "--data", file, *COLUMNS, "--model", "mamba-h4l1", "--epochs", "2", "--out", m)
    tinyloc("quantize", m, "--out", m8)
    kept = Model.load(m).info["source"]
    assert kept["rows_sha256"] == load_source(kept).digest() == Program.load(m8).info["source"]["rows_sha256"]
    budget = tmp_path / "tinyloc.toml"
    budget.write_text('[[model]]\nfile = "m8"\nmacro_f1 = 0.01\n')
    commands: list[tuple[Any, ...]] = [
        ("run", m8), ("quantize", m, "--out", tmp_path / "q"), ("report", m8, "--out", tmp_path / "r.html"),
        ("check", budget), ("verify", m8),
        ("prune", m, "--inner", "50%", "--epochs", "1", "--rounds", "1", "--out", tmp_path / "p")]
    said = f"note: {file}: its rows are not those that the model was trained on; they are split anew, and test may hold"
    for grown in (False, True):
        file.write_text("".join(lines if grown else lines[:721]))
        for command in commands:
            text = tinyloc(*command).stderr
            assert (text.startswith(said) and text.count("\n") == 1) if grown else not text, command
    assert Model.load(tmp_path / "p").info["source"] == kept, "it has seen the rows that there were"
    for command in (("run", m8, "--data", place / "walk.csv", *COLUMNS), ("run", m8, "--window", "7"),
                    ("train", "--data", file, *COLUMNS, "--epochs", "1", "--out", tmp_path / "new")):
        assert not tinyloc(*command).stderr, command
    program = Program.load(m8)
    replace(program, info={**program.info, "source": {k: v for k, v in kept.items() if k != "rows_sha256"}}).save(m8)
    assert not tinyloc("run", m8).stderr, "a file of a version that kept no digest"


def test_another_recording_may_name_the_rooms_in_another_order(place: Path, tmp_path: Path) -> None:
    """Rooms count by name: the same walk, begun in the other room, scores alike; a room more is refused."""
    lines = (place / "walk.csv").read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([lines[0], *lines[41:]]))  # begins in the hall
    assert lines[1].split(",")[1] == "kitchen" and lines[41].split(",")[1] == "hall"
    found = facts("run", place / "m8", "--data", other, *COLUMNS, "--out", tmp_path / "rooms.csv")
    assert found["macro_f1"] > 0.8 and set(found["f1"]) == {"kitchen", "hall"}
    given = ("--data", other, *COLUMNS, "--out", tmp_path / "made")
    makes = (("quantize", place / "m", *given), ("quantize", place / "m", *given, "--qat", "--epochs", "1"),
             ("prune", place / "m", *given, "--inner", "50%", "--epochs", "1", "--rounds", "1", "--teacher", place / "m"))
    *_, pruned = [facts(*command) for command in makes]
    assert pruned["unpruned_test"]["macro_f1"] > 0.8 and set(pruned["test"]["f1"]) == {"kitchen", "hall"}
    assert Model.load(tmp_path / "made").info["rooms"] == ["kitchen", "hall"]
    other.write_text("\n".join([lines[0], *(x for x in lines[1:] if "hall" in x)]))
    for command in makes:
        tinyloc(*command)
    other.write_text("\n".join([lines[0], *(x.replace("hall", "attic") for x in lines[1:])]))
    for command in (*makes, ("run", place / "m8", "--data", other, *COLUMNS)):
        assert "has a room 'attic', which the model lacks" in complaint(*command)


@pytest.mark.parametrize(("heading", "options", "says"), [
    ("time,room,ap1,ap2,ap3", (), ""), ("ap3,time,ap1,room,ap2", (), ""),
    ("time;room;ap1;ap2;ap3", ("--delimiter", ";"), ""), ("time\troom\tap1\tap2\tap3", ("--delimiter", r"\t"), ""),
    ("time\troom\tap1\tap2\tap3", ("--delimiter", "\t"), ""),
    ("time\troom\tap1\tap2\tap3", (), r"did you mean --delimiter '\t'"),
    ("time,room,ap1,ap2,other", (), "of which the data lack 1 (ap3)"),
    ("time,room,a,b,c", (), "no column begins with 'rssi_'"), ("time,room,ap1,ap2,rssi_3", (), "of which the data lack"),
    ("time,room,ap1,ap2,ap3", ("--rssi", "x*"), "begins with 'x'"),
    ("time,room,ap1,ap2,ap3", ("--delimiter", ";;"), "expected one character")])
def test_another_recordings_columns_are_the_models_access_points(place: Path, tmp_path: Path, heading: str,
                                                                 options: tuple[str, ...], says: str) -> None:
    """Unless there are columns of the default's names, or the user says which they are."""
    sep = next(s for s in ";\t," if s in heading)
    names = [{"t": "time", "label": "room"}.get(n, n) for n in (place / "walk.csv").read_text().splitlines()[0].split(",")]
    rows = [line.split(",") for line in (place / "walk.csv").read_text().splitlines()[1:]]
    columns = [names.index(h) if h in names else 2 for h in heading.split(sep)]
    text = "\n".join([heading, *(sep.join(row[i] for i in columns) for row in rows)]) + "\n"
    (tmp_path / "walk2.csv").write_text(text)
    args = ("run", place / "m8", "--data", tmp_path / "walk2.csv", "--window", "8", "--hop", "4", *options)
    if says:
        assert says in complaint(*args)
    else:
        assert facts(*args)["macro_f1"] == facts("run", place / "m8")["macro_f1"]


def test_options_without_data_change_the_models_own(place: Path, tmp_path: Path) -> None:
    a = facts("quantize", place / "m", "--out", tmp_path / "a")["proofs"]
    b = facts("quantize", place / "m", "--out", tmp_path / "b", "--seed", "5")["proofs"]
    assert a != b, "another split calibrates on other rows"
    # The file that it was trained on, named again, keeps its columns.
    assert facts("run", place / "m8", "--data", place / "walk.csv") == facts("run", place / "m8")


def test_an_access_point_may_be_missing(place: Path, tmp_path: Path) -> None:
    """Without its column a recording is refused, by a line that names the option; with the option it counts as the recording
    in which that access point is never heard."""
    lines = [x.split(",") for x in (place / "walk.csv").read_text().splitlines()]
    gone, silent = tmp_path / "gone.csv", tmp_path / "silent.csv"
    gone.write_text("\n".join(",".join([*x[:2], *x[3:]]) for x in lines))
    silent.write_text("\n".join(",".join([*x[:2], "" if i else x[2], *x[3:]]) for i, x in enumerate(lines)))
    assert lines[0][2] == "ap1"
    for command, made in (("quantize", ["--out", tmp_path / "p"]), ("verify", []), ("run", [])):
        model = place / ("m" if command == "quantize" else "m8")
        said = complaint(command, model, "--data", gone, *COLUMNS, *made)
        assert "the data lack 1 (ap1)" in said and "--missing silent" in said
    for options in ([], ["--at-once"]):
        a, b = (facts("run", place / "m8", "--data", d, *COLUMNS, "--missing", "silent", *options) for d in (gone, silent))
        whole = facts("run", place / "m8", *options)
        assert a["f1"] == b["f1"] and 0 < a["macro_f1"] < whole["macro_f1"]
    assert facts("verify", place / "m8", "--data", gone, *COLUMNS, "--missing", "silent")["equal"]
    for qat in ([], ["--qat", "--epochs", "1"]):
        for name, d in (("a", gone), ("b", silent)):
            tinyloc("quantize", place / "m", "--data", d, *COLUMNS, "--missing", "silent", *qat, "--out", tmp_path / name)
        one, other = (Program.load(tmp_path / name) for name in "ab")
        assert one.steps == other.steps and all(np.array_equal(v, other.data[k]) for k, v in one.data.items())


def test_a_broken_promise_is_a_no(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyloc.emulator import arena

    def broken(*a: Any) -> None:
        raise arena.ArenaError("overwrites", "x", 3, "add_s8", 7)

    monkeypatch.setattr(arena.Arena, "_step", broken)
    result = tinyloc("verify", place / "m8", code=1)
    assert result.stderr == "tinyloc: no: step 3 (add_s8) overwrites 'x' at byte 7 of the arena\n"


def test_data() -> None:
    assert {d["name"] for d in facts("data")["data_sets"]} == {"simulated", "flat", "ujiindoorloc", "tetam", "byrne"}
    found = facts("data", "simulated")
    assert found["simulated"] and found["access_points"] == 11 and found["parts"]["test"]["rows"] == 2400
    assert "SIMULATED" in tinyloc("data", "simulated").stdout


def test_windows_without_rooms_are_counted(tmp_path: Path) -> None:
    """By `data` and `train`, where there are any, and as many as training leaves out."""
    path = walk(tmp_path / "walk.csv")
    assert "windows have a room" not in tinyloc("data", path, *COLUMNS).stdout
    found = facts("data", path, *COLUMNS)
    assert found["training_windows"] == found["training_windows_with_rooms"] > 100
    lines = path.read_text().splitlines()
    for i in range(1, len(lines), 11):
        t, _, rest = lines[i].split(",", 2)
        lines[i] = f"{t},,{rest}"
    path.write_text("\n".join(lines))
    d = load(path, columns={"time": "t", "room": "label", "rssi": "ap*", "window": 8, "hop": 4})
    made = windows(d.train, Scaler.fit(d.train), 8, 4)
    says = f"{len(labeled(made))} of {len(made)} training windows have a room at every row"
    assert 0 < len(labeled(made)) < len(made)
    assert says in tinyloc("data", path, *COLUMNS).stdout
    train = ("train", "--data", path, *COLUMNS, "--model", "mamba-h2l1", "--epochs", "1", "--out", tmp_path / "m")
    assert tinyloc(*train).stderr == f"note: {says}; the others are not trained on\n"
    assert tinyloc(*train, "--json").stderr == ""
    late = len(labeled(windows(d.train, Scaler.fit(d.train), 8, 4, 3)))
    assert 0 < late < len(labeled(made)) and tinyloc(*train, "--delay", "3").stderr == (
        f"note: {late} of {len(made)} training windows have a room at every row, 3 rows before it, by --delay, which a "
        "session's first windows lack; the others are not trained on\n")


def test_a_delay_takes_the_first_windows_of_sessions(tmp_path: Path) -> None:
    """Of recordings that are no longer than a window it leaves none, and training says why."""
    heading, *rows = walk(tmp_path / "walk.csv").read_text().splitlines()
    path = tmp_path / "short.csv"
    path.write_text("\n".join([heading + ",who", *(f"{row},{i // 8}" for i, row in enumerate(rows))]))
    train = ("train", "--data", path, *COLUMNS, "--session", "who", "--model", "mamba-h2l1", "--epochs", "1", "--out",
             tmp_path / "m")
    assert tinyloc(*train).stderr == ""
    note, error = tinyloc(*train, "--delay", "2", code=2).stderr.splitlines()
    assert note.startswith("note: 0 of 6") and "2 rows before it, by --delay" in note
    assert error == ("tinyloc: training has no labeled window; expected at least one; by the delay of 2 rows, the first 2 "
                     "of each session have no room")


@pytest.mark.parametrize("data", ["simulated", pytest.param("flat", marks=pytest.mark.skipif(
    not (REAL / "flat").is_dir(), reason="no flat/ in TINYLOC_DATA")), "walk"])
def test_demo(place: Path, tmp_path: Path, data: str) -> None:
    source = ["--data", place / "walk.csv", *COLUMNS] if data == "walk" else ["--data", data]
    text = tinyloc("demo", *source, "--epochs", "3", "--out", tmp_path).stdout
    assert ("SIMULATED" in text) == (data == "simulated") and text.count("bit for bit") == 2
    found = json.loads((tmp_path / "demo.json").read_text())
    assert [m["model"] for m in found["models"]] == ["mamba-h8l1", "mdcsa-h16l1"]
    for m in found["models"]:
        assert m["verify"]["equal"] and f"{m['memory']['total']:,}" in text
        ran = facts("run", tmp_path / f"{m['model']}.int8.safetensors")
        assert ran["stream"] == (m["model"] == "mamba-h8l1"), "the other one runs a window at once"
        assert m["int8"]["macro_f1"] == ran["macro_f1"] and f"  {ran['macro_f1']:.3f}  yes" in text
        assert facts("audit", tmp_path / f"{m['model']}.int8.safetensors", "--ram", "64K", "--all-in-ram")["fits"]


def test_help_and_version() -> None:
    for group in ([], ["reproduce"]):
        listed = tinyloc(*group, "--help").stdout.split("Commands:")[1]
        assert "..." not in listed, "a first sentence is too long for its line of 80 columns"
        commands = (main.commands["reproduce"] if group else main).commands  # type: ignore[attr-defined]
        assert [line.split()[0] for line in listed.strip().splitlines()] == sorted(commands)
        for name in commands:
            assert "Usage:" in tinyloc(*group, name, "--help").stdout
    assert tinyloc("--version").stdout.startswith("tinyloc, version")
    as_module = subprocess.run([sys.executable, "-m", "tinyloc", "--version"], capture_output=True, text=True, check=True)
    assert as_module.stdout == tinyloc("--version").stdout


def test_table() -> None:
    assert table([["a", "n"], ["x", "1,000"], ["long", "2"]]) == "a         n\n----  -----\nx     1,000\nlong      2"


def test_bad_input_gets_one_line(place: Path, tmp_path: Path) -> None:
    recording, out = place / "walk.csv", tmp_path / "out"
    cases = [
        (("train", "--data", "flatt", "--out", out), "did you mean 'flat'"),
        (("train", "--model", "mamba-h8l9", "--out", out), "unknown preset 'mamba-h8l9'; did you mean 'mamba-h8l"),
        (("train", "--data", recording, "--out", out), "row 1: no column"),
        (("train", "--data", recording, *COLUMNS, "--epochs", "0", "--out", out), "epochs = 0; expected 1"),
        (("train", "--data", "simulated", "--house", "A", "--out", out), "simulated: no option 'house'"),
        (("quantize", place / "m8", "--out", out), "expected a tinyloc-model file, found format 'tinyloc-program'"),
        (("quantize", place / "m", "--calibration", "mes", "--out", out), "unknown calibration 'mes'; did you mean 'mse'"),
        (("quantize", place / "m", "--decay", "power", "--out", out), "unknown decay 'power'; did you mean 'powers'"),
        (("quantize", place / "m", "--weights", "int5", "--out", out), "unknown precision of weights 'int5'; did you mean"),
        (("quantize", tmp_path / "absent", "--out", out), "absent: no such file"),
        (("quantize", place / "m", "--data", "simulated", "--out", out), "of which the data lack"),
        (("audit", place / "m"), "expected a tinyloc-program file, found format 'tinyloc-model'"),
        (("audit", place / "m8", "--ram", "lots"), "'lots'"),
        (("audit", place / "m8", "--ram", "-3K"), "'-3K'"),
        (("audit", place / "m8", "--mcu", "nrf52382"), "did you mean 'nrf52832'"),
        (("verify", place / "m8", "--backend", "numba,cc"), "unknown backend 'cc'"),
        (("verify", place / "m8", "--data", "simulated"),
         "hears 3 access points, of which the data lack 3 (ap1, ap2, ap3); they have 11"),
        (("run", place / "d8", "--stream"), "looks at the whole window"),
        (("data", "walk"), "unknown data set 'walk'"),
        (("audit", place / "m8", "--flash", "1K", "--all-in-ram"), "--all-in-ram needs a budget of RAM"),
        (("data", "."), ".: is a folder; expected a CSV file or a data set (simulated, "),
        (("run", recording), "); expected a tinyloc-program file"),
        (("verify", place / "m8", "--backend", "c"), "expected at least one window and two backends"),
        (("verify", place / "m8", "--backend", "foo", "--windows", "1"), "unknown backend 'foo'"),
        (("report", place / "m8", "--out", out, "--json", tmp_path / "." / ".." / tmp_path.name / "out"),
         "out: expected one file for --out and another one for --json"),
        (("report", place / "m8", "--json", "report.html"), "expected one file for --out and another one for --json"),
        (("train", "--data", recording, *COLUMNS, "--augment", "offset=1", "--augment", "offset=2", "--out", out),
         "augmentation 'offset': given twice"),
        (("data", recording, *COLUMNS, "--not-heard", "nan"), "--not-heard nan: expected a finite number"),
        (("quantize", place / "m", "--house", "Z", "--out", out), "house"),
        (("quantize", place / "m", "--out", recording / "x"), "cannot be written"),
        (("train", "--data", recording, *COLUMNS, *QUICK, "--out", recording / "x"), "cannot be written"),
        (("demo", "--model", "mamba-h4l1", "--model", "mamba-h3l1", "--out", tmp_path / "d"), "unknown preset 'mamba-h3l1'"),
    ]
    for args, words in cases:
        assert words in complaint(*args), args
    assert not [p for p in tmp_path.rglob("*") if p.is_file()], "nothing is written where nothing came of it"
    assert not (tmp_path / "d").exists(), "nor is an empty folder left"


def test_an_option_of_no_text_is_not_one_left_out() -> None:
    """As of --ram "$RAM" without that variable: whatever takes a text says so, before any work."""
    from test_completion import commands

    tried = set()
    for name, command in commands().items():
        needed = [p for p in command.params if p.required]
        for given in command.params:
            if isinstance(given.type, click.types.StringParamType | click.Path) and given.name not in UNNAMED:
                filled = [p for p in needed if p is not given]
                words = [w for p in filled if isinstance(p, click.Option) for w in (p.opts[-1], "x")]
                option = isinstance(given, click.Option)
                words += [given.opts[0], ""] if option else []
                words += ["x" if p in filled else "" for p in command.params if isinstance(p, click.Argument)
                          and (p in filled or p is given)]
                said = complaint(*name.split(), *words)
                assert said == f"tinyloc: {given.opts[0] if option else given.human_readable_name}: is empty; " \
                    "expected a value\n", (name, words)
                tried.add((name, given.opts[0]))
    assert {("audit", "--ram"), ("search", "--mcu"), ("report", "--json"), ("train", "--session"), ("check", "budget"),
            ("reproduce paper", "--out")} <= tried


REPLACED = [
    ("train --data walk.csv {columns} --out walk.csv", "walk.csv"),
    ("train --data walk.csv {columns} --teacher m --out m", "m"),
    ("adapt m --data walk.csv {columns} --out m", "m"),
    ("adapt m --data walk.csv {columns} --out ./walk.csv", "walk.csv"),
    ("prune m --width 2 --out m", "m"), ("prune m --width 2 --out walk.csv", "walk.csv"),
    ("prune m --width 2 --teacher d --out d", "d"),
    ("quantize m --out m", "m"), ("quantize m --out link", "m"), ("quantize m --out walk.csv", "walk.csv"),
    ("quantize m --qat --out folder/../m", "m"), ("quantize m --qat --teacher d --out d", "d"),
    ("convert m --to mamba-ssm --out m", "m"), ("convert s --from mamba-ssm --info i.json --out i.json", "i.json"),
    ("convert s --from mamba-ssm --data walk.csv {columns} --out walk.csv", "walk.csv"),
    ("run m8 --out m8", "m8"), ("run m8 --out walk.csv", "walk.csv"), ("run m8 --unknown --out walk.csv", "walk.csv"),
    ("package m8 --key key --version 1.0.0 --out key", "key"), ("package m8 --key key --version 1.0.0 --out m8", "m8"),
    ("package m8 --key key --version 1.0.0 --windows 0 --out walk.csv", "walk.csv"),
    ("package m8 --key key --version 1.0.0 --from base --out base", "base"),
    ("report m8 --out m8", "m8"), ("report m8 --out walk.csv", "walk.csv"), ("report m8 --json walk.csv", "walk.csv"),
    ("report p.int8.safetensors --windows 1 --json p.safetensors", "p.safetensors"), ("report m8 --float m --json m", "m"),
    ("watch m8 --data walk.csv --answers walk.csv", "walk.csv"), ("watch m8 --file walk.csv --answers walk.csv", "walk.csv"),
    ("watch m8.csv --data walk.csv --answers m8.csv", "m8.csv"),
    ("plan --data plan/recorded.csv --out plan", "recorded.csv"),
]


@pytest.fixture
def inputs(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A folder to work in that has what `REPLACED` names: each file's bytes."""
    monkeypatch.chdir(tmp_path)
    read = Program.load(place / "m8").info["source"]
    for name in ("walk.csv", "m", "d", "m8"):
        Path(name).write_bytes((place / name).read_bytes())
    here = {**read, "data": str(Path("walk.csv").resolve())}
    for name in ("m", "d"):
        model = Model.load(name)
        Model(model.config, model.params, {**model.info, "source": here}).save(name)
    program = Program.load("m8")
    replace(program, info={**program.info, "source": here}).save("m8")
    for name, of in (("m8.csv", "m8"), ("p.int8.safetensors", "m8"), ("p.safetensors", "m"), ("base", "m8")):
        Path(name).write_bytes(Path(of).read_bytes())
    for name, text in (("i.json", "{}"), ("key", "secret"), ("plan/recorded.csv", "1 ap1 -60\n1000 ?\n")):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    Path("s").write_bytes(Path("m").read_bytes())
    Path("link").symlink_to("m")
    Path("folder").mkdir()
    return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()}


@pytest.mark.parametrize(("line", "lost"), REPLACED, ids=[line for line, _ in REPLACED])
def test_no_command_writes_over_what_it_reads(inputs: dict[str, bytes], line: str, lost: str) -> None:
    """Whatever the name under which it would: the file is named, and all files stay as they are."""
    if line.startswith("report"):
        pytest.importorskip("jinja2", reason="the extra report is not installed: pip install 'tinyloc[report]'")
    said = complaint(*line.format(columns=" ".join(COLUMNS)).split())
    assert "read; expected another file's name to write to" in said and lost in said
    assert {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()} == inputs


def test_every_command_that_writes_a_file_is_tried() -> None:
    """Options of a file to write: those of `REPLACED`, and --record, whose file must be a new one; folders apart."""
    from test_completion import commands

    found = {(name, o) for name, command in commands().items() for p in command.params if isinstance(p, click.Option)
             for o in p.opts if o in ("--out", "--json", "--answers", "--record", "--picture")
             and isinstance(p.type, click.Path) and p.type.file_okay}
    tried = {(line.split()[0], word) for line, _ in REPLACED for word in line.split() if word.startswith("--")}
    tried = {(name, word) for name, word in tried if word in ("--out", "--json", "--answers")}
    assert found == tried - {("plan", "--out")} | {("watch", "--record"), ("search", "--picture")}


@pytest.mark.parametrize("line", [
    "export p --windows 0 --out firmware", "run p --unknown", "watch p --data walk.csv {columns}",
    "package p --key key.pem --version 1.0.0 --windows 0 --out p.bin"])
@pytest.mark.parametrize("alike", [True, False])
def test_signals_that_no_firmware_hears_are_said(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str,
                                                 alike: bool) -> None:
    """By whatever makes firmware's model of it, or runs it as firmware does."""
    monkeypatch.chdir(tmp_path)
    Path("walk.csv").write_bytes((place / "walk.csv").read_bytes())
    if line.startswith("package"):
        keys = pytest.importorskip("imgtool.keys", reason="the extra sign is not installed: pip install 'tinyloc[sign]'")
        keys.Ed25519.generate().export_private("key.pem")
    program = Program.load(place / "m8")
    shares = {**program.info["scaler"], "lo": [0.0, 0.0, 0.0], "hi": [1.0, 1.0, 1.0]}
    replace(program, info={**program.info, **({} if alike else {"scaler": shares})}).save("p")
    said = tinyloc(*line.format(columns=" ".join(COLUMNS)).split()).stderr
    assert ("tinyloc: p: signals were 0 to 1 in training; firmware takes whole dBm" in said) != alike


def test_damaged_programs_are_refused(place: Path, tmp_path: Path) -> None:
    whole = (place / "m8").read_bytes()
    bad = tmp_path / "bad"
    bad.write_bytes(whole[: len(whole) // 2])
    assert "bad: cut off or no safetensors file" in complaint("verify", bad)
    bad.write_bytes(whole.replace(b'"version":"1"', b'"version":"7"', 1))
    assert "version '7'; this tinyloc reads version 1" in complaint("audit", bad)


def test_killed_training_resumes(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyloc import train as training

    args = ["train", "--data", place / "walk.csv", *COLUMNS, "--model", "mamba-h4l1", *QUICK, "--out", tmp_path / "m"]
    real, calls = training.loss_and_gradients, 0

    def dies(*a: Any, **k: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 80:
            raise MemoryError("killed")
        return real(*a, **k)

    monkeypatch.setattr(training, "loss_and_gradients", dies)
    assert CliRunner().invoke(main, [str(a) for a in args]).exit_code == 1
    assert (tmp_path / "m.checkpoint").exists() and not (tmp_path / "m").exists()
    monkeypatch.setattr(training, "loss_and_gradients", real)
    tinyloc(*args)
    one, other = Model.load(tmp_path / "m"), Model.load(place / "m")
    assert all(np.array_equal(v, other.params[k]) for k, v in one.params.items())
    assert preset("mamba-h4l1", 3, 2) == one.config
