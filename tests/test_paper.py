"""`reproduce paper`: the paper's sizes and quantizations rebuilt, its tables' layout, a run that is killed and goes on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.cli import main, table
from tinyloc.data import Augmentation, load
from tinyloc.errors import ConfigError
from tinyloc.model import Model, preset
from tinyloc.paper import report, reproduce
from tinyloc.paper.figures import COLUMNS, SHAPES, printed, teachers
from tinyloc.paper.linear import THRESHOLD, dynamic_linear, emissions, predict, static_linear
from tinyloc.paper.reproduce import OURS, OWN_DATA, THEIRS, WAYS, Results, Row, Settings, cost, papers_own, rows
from tinyloc.paper.size import checkpoint_bytes, kilobytes
from tinyloc.quantize import calibrate
from tinyloc.reference.linear import linear
from tinyloc.tuned import tuned

METHOD = {"baseline": "float", "static": "static", "dynamic": "dynamic", "distilled": "float",
          "distilled + static": "static"}
#: Printed sizes that the formula misses by more than 1 KB, with by how much.  The paper's dynamic Mambas on UJIIndoorLoc are
#: larger than any int8 of all their linear layers, and one is smaller; its largest model is off by 7 in 100,000.
MISSED = {("UJI", "mamba-h32l1", "dynamic"): -37.3, ("UJI", "mamba-h8l2", "dynamic"): -5.8,
          ("UJI", "mamba-h8l1", "dynamic"): -5.4, ("UJI", "mamba-h4l1", "dynamic"): -1.2,
          ("UJI", "mamba-h2l1", "dynamic"): 1.1, ("UJI", "mdcsa-h256l3", "baseline"): -2.7}
SIZES = [(p.data, p.preset, p.parameters, c, p.columns[c][2]) for p in printed() for c in COLUMNS] + [
    (data, name, count, "baseline", kb) for data, name, _, kb, count in teachers()]


@pytest.mark.parametrize("data, name, count, column, kb", SIZES)
def test_sizes_of_checkpoints_are_the_papers(data: str, name: str, count: int, column: str, kb: float) -> None:
    config = preset(name, *SHAPES[data])
    assert Model.create(config).parameters == (5013 if (data, name) == ("UJI", "mamba-h2l1") else count)
    off = kilobytes(config, METHOD[column]) - kb
    missed = MISSED.get((data, name, column))
    assert abs(off) <= 1 if missed is None else off == pytest.approx(missed, abs=0.05)


def test_a_checkpoint_grows_with_its_records() -> None:
    config = preset("mamba-h8l1", 8, 4)
    sizes = {m: checkpoint_bytes(config, m) for m in ("float", "static", "dynamic")}
    assert sizes["float"] > 4 * Model.create(config).parameters and sizes["static"] != sizes["dynamic"]
    assert checkpoint_bytes(config, stem="a" * 99) > checkpoint_bytes(config, stem="a")
    with pytest.raises(ConfigError, match="unknown size of 'int4'"):
        checkpoint_bytes(config, "int4")


# ---- LLM.int8() and dynamic quantization

@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6), st.integers(1, 9), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_static_loses_nothing_that_its_codes_hold(seed: int, t: int, n: int, k: int, outlier: bool) -> None:
    """Rows of whole numbers up to 127, times powers of two, are their own codes; an outlier's column stays in float."""
    rng = np.random.default_rng(seed)

    def codes(count: int, unit: float) -> np.ndarray:
        v = rng.integers(-127, 128, (count, k)).astype(np.float32)
        v[np.arange(count), rng.integers(0, k, count)] = rng.choice([-127, 127], count)
        return v * np.float32(unit)

    x, w, bias = codes(t, 2.0**-6), codes(n, 2.0**-9), rng.integers(-9, 10, n).astype(np.float32)
    if outlier:  # a column more: 6 itself is one; what float16 would round is not rounded
        x = np.column_stack([x, np.r_[np.float32(THRESHOLD), rng.normal(size=t - 1)].astype(np.float32)])
        x[1:, -1] = np.clip(x[1:, -1], -1.9, 1.9)
        w = np.column_stack([w, np.float32(2.0**-9) * rng.integers(-127, 128, n)])
    top = np.abs(x[:, :k]).max(1)
    y, _ = static_linear(x[None], w.astype(np.float32), bias)
    np.testing.assert_allclose(y[0], x.astype(float) @ w.T.astype(float) + bias, rtol=2e-6, atol=2e-6 * top.max())


def test_static_by_hand() -> None:
    """0.5 of 1 is code 64 (63.5, to even), -0.3 of 1 in float16 -38; 5.99 is no outlier, and 6.01 makes its column one."""
    x = np.array([[[0.5, 1.0]]], np.float32)
    w = np.array([[1.0, -0.3]], np.float32)
    assert static_linear(x, w)[0].item() == pytest.approx((64 * 127 - 127 * 38) / 127**2, rel=1e-6)
    x = np.array([[[5.99, 1.0], [6.01, 2.0]]], np.float32)
    want = [127 * -38 * 1.0 / 127**2 + 5.99, 127 * -38 * 2 / 127**2 + 6.01]  # the first row's scale is 5.99 all the same
    want[0] = round(1 * 127 / float(np.float16(5.99))) * -38 * float(np.float16(5.99)) / 127**2 + 5.99
    np.testing.assert_allclose(static_linear(x, w)[0][0, :, 0], want, rtol=1e-6)
    assert not static_linear(np.zeros((1, 2, 2), np.float32), w)[0].any()


def test_dynamic_by_hand() -> None:
    """Inputs of -0.5..1: 127 steps, zero at 42 (42.33), codes of -0.33, 126.67 and 63.17; weights to 1: steps of 1 / 127.5,
    of which the greatest is cut at 127, the others are 63.75 and -31.875."""
    x = np.array([[[-0.5, 1.0, 0.25]]], np.float32)
    w = np.array([[1.0, 0.5, -0.25]], np.float32)
    want = ((0 - 42) * 127 + (127 - 42) * 64 + (63 - 42) * -32) * (1.5 / 127) * (1 / 127.5)
    assert dynamic_linear(x, w, np.array([3.0], np.float32))[0].item() == pytest.approx(3 + want, rel=1e-6)


@pytest.mark.parametrize("how", [static_linear, dynamic_linear])
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_window_is_a_call(how: Any, seed: int) -> None:
    """A window's output depends on no other window, and is within the steps of inputs and weights of the float layer's."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(3, 4, 6)) * np.array([1, 10, 0.1])[:, None, None]).astype(np.float32)
    w = rng.normal(size=(5, 6)).astype(np.float32)
    y, _ = how(x, w)
    for i in range(3):
        np.testing.assert_array_equal(how(x[i : i + 1], w)[0][0], y[i])
        exact = x[i] @ w.T
        step_x, step_w = 2 * np.abs(x[i]).max() / 127, np.abs(w).max() / 127
        bound = step_x * np.abs(w).sum(1) + step_w * np.abs(x[i]).sum(1, keepdims=True) + 6 * step_x * step_w
        assert (np.abs(y[i] - exact) <= bound).all()


@pytest.mark.parametrize("name", ["mamba-h4l2", "mamba-h16l1", "mdcsa-h4l1", "mdcsa-h4l3"])
def test_with_float_layers_it_is_the_model(name: str) -> None:
    model = Model.create(preset(name, 5, 3))
    x = np.random.default_rng(0).uniform(size=(7, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(emissions(model, x, linear), model.forward(x)[0], atol=2e-5)
    for how in ("static", "dynamic"):
        far = np.abs(emissions(model, x, {"static": static_linear, "dynamic": dynamic_linear}[how]) - model.forward(x)[0])
        assert 0 < far.max() < 0.2
        assert predict(model, x, how, batch=3).tolist() == predict(model, x, how).tolist()


# ---- the tables

@pytest.mark.parametrize("source, data, own, same, budget, expected", [
    ("flat", "flat", "A", False, "32", ["mdcsa-h8l1", "mamba-h8l1"]),
    ("flat", "flat", "A", False, "64", ["mdcsa-h16l1", "mamba-h32l1"]),
    ("byrne", "byrne-B", "B", True, "64", ["mdcsa-h16l1", "mamba-h16l2"]),
    ("byrne", "byrne-D", "D", True, "32", ["mdcsa-h8l1", "mamba-h16l1"]),
    ("ujiindoorloc", "ujiindoorloc", "UJI", True, "32", ["mamba-h4l1", "mamba-h2l1"]),
    ("/home/me/ujiindoorloc.csv", "ujiindoorloc", "A", False, "32", ["mdcsa-h8l1", "mamba-h8l1"])])
def test_rows_are_the_papers(source: str, data: str, own: str, same: bool, budget: str, expected: list[str]) -> None:
    assert papers_own(source, data) == (own, same)
    assert [r.preset for r in rows(own, budget)] == expected
    assert len(rows(own)) == (7 if own == "UJI" else 4)
    assert set(OWN_DATA.values()) == set(SHAPES) and set(THEIRS) == set(COLUMNS)


def made(seeds: int) -> Results:
    """Scores as round numbers, so that the tables can be checked by eye."""
    memory = {"weights": 1720, "tables": 1024, "records": 852, "image": 3596, "state": 576, "activations": 184, "model": 20,
              "stack": 548, "ram": 1328, "total": 4924}
    scores = [{"seed": s, "preset": "mamba-h8l1", "parameters": 1632, "windows": 700 + s,
               "teachers": {"baseline": [], "distilled": ["mamba-h32l1"], "tuned": [], "late": []}, "validation": {},
               "theirs": {c: {"macro_f1": 0.8 + 0.02 * s, "accuracy": 0.9} for c in THEIRS},
               "ours": {c: {"macro_f1": 0.79 + 0.02 * s, "accuracy": 0.9, "memory": memory, "code": 10_832,
                            "instructions": 137_304, "delay": 4 * (way == "late")} for c, (way, _) in OURS.items()}}
              for s in range(seeds)]
    asked = {"seeds": seeds, "epochs": 120, "quick": False, "teachers": ["mamba-h32l1"]}
    return Results("byrne-B", ("B", True), False, 11, 11, asked, [Row("<32", "mamba-h8l1")], scores)


GOLDEN = """
KB   model       params  baseline            static              dynamic             distilled           distilled + static
---  ----------  ------  ------------------  ------------------  ------------------  ------------------  ------------------
<32  mamba-h8l1  1,632  81.0±1.0 90.0±0.0 12  81.0±1.0 90.0±0.0 13  81.0±1.0 90.0±0.0 13  {}  {}
     (paper, B)   1,631  72.3 80.7 12        72.7 80.7 13        71.7 79.9 13        72.7 79.9 12        72.8 80.0 13

KB   model       int8               distilled, int8    tuned, int8        tuned, QAT         late, QAT          int8 - float
---  ----------  -----------------  -----------------  -----------------  -----------------  -----------------  ------------
<32  mamba-h8l1  80.0±1.0 90.0±0.0  80.0±1.0 90.0±0.0  80.0±1.0 90.0±0.0  80.0±1.0 90.0±0.0  80.0±1.0 90.0±0.0  -1.0±0.0

KB   model       weights  tables  steps  flash  state  activations  runner  stack    RAM  all in RAM    code  instructions
---  ----------  -------  ------  -----  -----  -----  -----------  ------  -----  -----  ----------  ------  ------------
<32  mamba-h8l1    1,720   1,024    852  3,596    576          184      20    548  1,328       4,924  10,832       137,304
"""


def test_layout() -> None:
    """Cell by cell; how wide a column is, is not looked at."""
    def cells(text: str) -> list[list[str]]:
        return [re.split("  +", line.strip()) for line in text.splitlines() if line.strip("- ")]

    assert cells("\n\n".join(table(make(made(2))) for _, make in report.SECTIONS)) == cells(
        GOLDEN.format("81.0±1.0 90.0±0.0 12", "81.0±1.0 90.0±0.0 13"))
    assert report.heading(made(2)) == ("byrne-B, 11 access points, 11 rooms, 2 seeds, 120 epochs at most, 700 to 701 test "
                                       "windows")


def test_what_one_seed_and_other_data_say() -> None:
    one = made(1)
    assert report.theirs(one)[1][3] == "80.0 90.0 12" and report.ours(one)[1][-1] == "-1.0"
    assert report.departures(one)[0].endswith("the same data")
    assert report.departures(replace(one, rooms=12))[0].endswith(
        "the same data, but 11 access points and 12 rooms where the paper has 11 and 11")
    other = replace(one, data="flat", beside=("A", False), simulated=True, settings={**one.settings, "quick": True})
    assert "house A: other data" in report.departures(other)[0]
    assert "SIMULATED" in report.heading(other) and "QUICK" in report.heading(other)
    text = report.markdown(one)
    assert text.startswith("# byrne-B") and "72.3 80.7 12" in text
    assert sum(line.startswith("| --- |") for line in text.splitlines()) == 3
    # In house A the paper's MDCSA H16L1 is of 64 KB, beyond its budget; int8 of it is within.
    star = replace(other, aps=8, rooms=4, rows=[Row("<64", "mdcsa-h16l1")],
                   scores=[{**one.scores[0], "preset": "mdcsa-h16l1", "parameters": 10_588}])
    assert [c.split()[-1] for c in report.theirs(star)[2][3:]] == ["64*", "44", "43", "64*", "44"]


# ---- a run

CSV = ("--time", "t", "--room", "label", "--rssi", "ap*", "--window", "8", "--hop", "4")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms in turn, 40 s each at 1 Hz, 3 access points."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("paper") / "walk.csv"
    lines = ["t,label,ap1,ap2,ap3"]
    for i in range(900):
        here = i // 40 % 2
        level = rng.normal((-50, -75, -60) if here else (-75, -50, -62), 3)
        lines.append(f"{i},{('kitchen', 'hall')[here]}," + ",".join(f"{v:.0f}" for v in level))
    path.write_text("\n".join(lines) + "\n")
    return path


def arguments(recording: Path, out: Path, *more: str) -> list[str]:
    return ["reproduce", "paper", "--data", str(recording), *CSV, "--budget", "32", "--epochs", "3", "--teacher",
            "mamba-h16l1", "--teacher", "mdcsa-h16l1", "--out", str(out), *more]


class Here:
    """A pool of no process, so that tests can change what tasks do."""

    def submit(self, do: Callable[[Any], str], job: Any) -> Future[str]:
        done: Future[str] = Future()
        done.set_result(do(job))
        return done


def test_a_killed_run_goes_on(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in a training and again while Programs are made; in the end as if never stopped, and nothing made twice."""
    from tinyloc import train

    monkeypatch.setattr(reproduce, "can_count", lambda: False)
    monkeypatch.setattr(reproduce, "_workers", lambda jobs: nullcontext(Here()))
    command = arguments(recording, tmp_path / "a", "--jobs", "1", "--seeds", "1")
    real, fits, calls = train.loss_and_gradients, 0, 0
    real_fit = reproduce.fit

    def dies(*a: Any, **k: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 47:
            raise MemoryError("killed")
        return real(*a, **k)

    def counted(*a: Any, **k: Any) -> Model:
        nonlocal fits
        fits += 1
        return real_fit(*a, **k)

    def fails(model: Model, data: Any) -> Any:
        raise MemoryError("killed")

    for column, (way, _) in OURS.items():  # one calibration, where the default compares several
        monkeypatch.setitem(OURS, column, (way, lambda model, data: calibrate(model, data, "minmax")))
    monkeypatch.setattr(train, "loss_and_gradients", dies)
    monkeypatch.setattr(reproduce, "fit", counted)
    assert isinstance(CliRunner().invoke(main, command).exception, MemoryError)
    assert 1 < fits < 8 and list((tmp_path / "a").rglob("*.checkpoint")) and not (tmp_path / "a" / "results.json").exists()
    made = OURS["distilled, int8"]
    monkeypatch.setitem(OURS, "distilled, int8", ("distilled", fails))
    assert isinstance(CliRunner().invoke(main, command).exception, MemoryError)
    assert fits == 11 and not list((tmp_path / "a").rglob("*.checkpoint*")), "4 models, 2 in 3 other ways, one begun again"
    monkeypatch.setitem(OURS, "distilled, int8", made)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0 and fits == 11, result.output
    assert "(paper, A)" in result.stdout and "need the extra mcu" in result.stdout
    again = CliRunner().invoke(main, arguments(recording, tmp_path / "b", "--jobs", "1", "--seeds", "1", "--json"))
    whole = json.loads(again.stdout)
    assert whole == json.loads((tmp_path / "a" / "results.json").read_text())
    assert set(whole["scores"][0]["theirs"]) == set(COLUMNS) and set(whole["scores"][0]["ours"]) == set(OURS)
    assert whole["scores"][0]["teachers"] == {"baseline": [], "distilled": ["mdcsa-h16l1"], "tuned": [], "late": []}
    assert {c: p["delay"] > 0 for c, p in whole["scores"][0]["ours"].items()} == {c: c.startswith("late") for c in OURS}
    words = CliRunner().invoke(main, [*command, "--epochs", "4"])
    assert words.exit_code == 2 and "holds a run with another recipe" in words.stderr


@pytest.mark.parametrize("part, column", [("train", "rssi"), ("val", "rssi"), ("val", "room"), ("test", "room")])
def test_other_rows_or_settings_are_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, column: str
                                                ) -> None:
    data, asked = load("simulated", minutes=4, test_minutes=1), Settings({"data": "simulated"})
    reproduce._claim(tmp_path, reproduce._identity(asked, data, 3))
    reproduce._claim(tmp_path, reproduce._identity(asked, data, 3))
    some = getattr(data, part)
    other = replace(data, **{part: replace(some, **{column: getattr(some, column)[::-1]})})
    with pytest.raises(ConfigError, match="holds a run with another rows sha256"):
        reproduce._claim(tmp_path, reproduce._identity(asked, other, 3))
    monkeypatch.setattr(reproduce, "tuned", lambda data: replace(tuned(data), augmentation=Augmentation(noise=1)))
    with pytest.raises(ConfigError, match="holds a run with another tuned settings"):
        reproduce._claim(tmp_path, reproduce._identity(asked, data, 3))


def threads_of(job: reproduce.Job) -> str:
    raise RuntimeError(f"{os.getpid()} has {os.environ.get('OPENBLAS_NUM_THREADS')}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_has_one_thread(jobs: int, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On which bits depend: however many tasks run at a time, none runs in the process that has loaded NumPy otherwise."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.setattr(reproduce, "_train", threads_of)
    columns = {"time": "t", "room": "label", "rssi": ["ap*"], "window": 8, "hop": 4}
    with pytest.raises(RuntimeError, match=r"has 1$") as e:
        reproduce.reproduce(Settings({"data": str(recording), "columns": columns}, quick=True), tmp_path, jobs=jobs)
    assert str(e.value) != f"{os.getpid()} has 1" and os.environ["OPENBLAS_NUM_THREADS"] == "2"


@pytest.mark.level2
def test_processes_find_the_same(recording: Path, tmp_path: Path) -> None:
    found = [CliRunner().invoke(main, arguments(recording, tmp_path / jobs, "--jobs", jobs, "--seeds", "2", "--json"))
             for jobs in ("1", "2")]
    assert [r.exit_code for r in found] == [0, 0] and found[0].stdout == found[1].stdout


def test_cost_is_counted() -> None:
    """Where the extra mcu is installed: stack, code and instructions of the image that is linked, sample by sample."""
    from tinyloc.quantize import quantize

    if not reproduce.can_count():
        pytest.skip("the extra mcu is not installed")
    from tinyloc.bench import bench

    program = quantize(Model.create(preset("mamba-h4l1", 3, 2)), np.random.default_rng(0).uniform(size=(9, 8, 3)))
    found = cost(program)
    m = found["memory"]
    assert m["ram"] == m["state"] + m["activations"] + m["model"] + m["stack"] and m["stack"] > 0 and m["steps_of_time"] == 1
    assert found["instructions"] == 8 * bench(program.retime(1), "cortex-m4").total.instructions and found["code"] > 1000


@pytest.mark.parametrize("bad, words", [
    ({"budget": "16"}, "budget '16'; expected 32, 64, all"), ({"seeds": 0}, "seeds = 0"), ({"epochs": 0}, "epochs = 0"),
    ({"teachers": ()}, "no preset to choose teachers from")])
def test_bad_settings(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Settings({"data": "simulated"}, **bad)


def test_bad_teachers(recording: Path, tmp_path: Path) -> None:
    for teacher, words in (("mamba-h8l1", "no teacher for mdcsa-h16l1"), ("mamba-h3l1", "unknown preset")):
        r = CliRunner().invoke(main, ["reproduce", "paper", "--data", str(recording), *CSV, "--teacher", teacher, "--out",
                                      str(tmp_path / "x")])
        assert r.exit_code == 2 and words in r.stderr and not (tmp_path / "x").exists()


def test_quick_is_one_seed() -> None:
    assert Settings({"data": "simulated"}, quick=True).runs == 1 and Settings({"data": "simulated"}).runs == 5
    assert reproduce.default_epochs(load("simulated", minutes=4, test_minutes=1)) == 120
    single = replace(load("simulated", minutes=4, test_minutes=1), window=1, hop=1, rate_hz=0.0)
    assert set(WAYS) - set(reproduce.ways(single)) == {"late"}, "rows that stand alone have no later ones"
    assert WAYS["distilled"].distillation.alpha == 0.1 and WAYS["distilled"].distillation.hard  # type: ignore[union-attr]
