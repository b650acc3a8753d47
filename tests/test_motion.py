"""Motion energy beside RSSI: its levels are exact and the C's, no loader or model confuses it with RSSI, and it is read only
where validation gains by it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Scaling
from test_data import archive, stamp
from test_export import COMPILERS, INPUT, STRICT
from test_export import run as compiled

from tinyloc import data, qat, train
from tinyloc.cli import main
from tinyloc.data import (
    Augmentation,
    Augmenter,
    Dataset,
    Samples,
    Scaler,
    level_of,
    load,
    motion_levels,
    paired_gain,
    windows,
)
from tinyloc.data.windows import MOTION_GAP
from tinyloc.emulator.mcu import budget
from tinyloc.errors import ConfigError, DataError, TinylocError
from tinyloc.export import project, write_project
from tinyloc.kernels._c import ffi, lib
from tinyloc.model import Model
from tinyloc.program import Program
from tinyloc.prune import cut, importance, prune, within
from tinyloc.quantize import calibrate
from tinyloc.run import Session
from tinyloc.train import Inputs, Recipe, checkpoints, fit, last_rows
from tinyloc.trial import Goal, Job, evaluate, make
from tinyloc.verify import Memory, compare

NAN = float("nan")
QUICK = Recipe(epochs=12, batch=32, lr=0.02, average=0.9, dropout=0.0)
ONE = replace(QUICK, epochs=1)


# ---- levels ----

def c_level(mg: np.ndarray) -> float:
    """`tl_motion` of samples (n, 3); NaN for TL_NOT_HEARD."""
    level = lib.tl_motion(ffi.from_buffer("int16_t[]", np.ascontiguousarray(mg, np.int16).reshape(-1)), len(mg))
    return NAN if level == lib.TL_NOT_HEARD else level


def exact(mg: np.ndarray) -> float:
    """The level before rounding, from the definition, in dB."""
    rows = [[Fraction(int(v)) for v in row] for row in mg]
    mean = [sum(c) / len(rows) for c in zip(*rows, strict=True)]
    variance = sum((v - m) ** 2 for row in rows for v, m in zip(row, mean, strict=True)) / len(rows)
    return 10 * (math.log10(variance.numerator) - math.log10(variance.denominator)) if variance else -math.inf


SIZES = [1, 3, 10, 100, 1000, 32767]


@settings(derandomize=True, max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from(SIZES), st.sampled_from(SIZES))
def test_levels_are_the_definitions_and_the_cs(seed: int, n: int, spread: int, offset: int) -> None:
    rng = np.random.default_rng(seed)
    mg = np.clip(rng.integers(-spread, spread + 1, (n, 3)) + rng.integers(-offset, offset + 1, 3), -32768, 32767)
    (level,) = motion_levels(mg, np.zeros(n, int), 1)
    assert level == c_level(mg), f"seed {seed}"
    assert abs(level - max(exact(mg), 0)) <= 0.53, f"seed {seed}"


@pytest.mark.parametrize("n", [2, 3, 4096])
@pytest.mark.parametrize("ends, level", [((0, 0), 0), ((0, 1), 0), ((0, 2), None), ((-32768, 32767), 95), ((9, 9), 0)])
def test_levels_at_the_ends(n: int, ends: tuple[int, int], level: int | None) -> None:
    mg = np.repeat(np.resize(ends, n)[:, None], 3, 1)
    (found,) = motion_levels(mg, np.zeros(n, int), 1)
    assert found == c_level(mg) and abs(found - max(exact(mg), 0)) <= 0.53
    assert level is None or n == 3 or found == level


def test_every_level_has_its_limits() -> None:
    """n^2 times a variance just below and at each limit, met by C and Python alike; and by the deviation's own levels."""
    seen = set()
    for d in [*range(1, 300), *np.geomspace(300, 32767, 2000).astype(int).tolist()]:
        mg = np.array([[-d, 0, 0], [d, 0, 0]])  # the deviation is d
        (level,) = motion_levels(mg, np.zeros(2, int), 1)
        assert level == c_level(mg) == level_of([float(d)])[0] and abs(level - 20 * math.log10(d)) <= 0.53
        seen.add(int(level))
    assert set(range(20, 91)) <= seen


@pytest.mark.parametrize("n", [0, 1, 4097])
def test_too_few_and_too_many_samples(n: int) -> None:
    mg = np.zeros((n, 3), np.int64)
    assert math.isnan(c_level(mg))
    if n < 2:
        assert np.isnan(motion_levels(mg, np.zeros(n, int), 1)).all()
    else:
        with pytest.raises(DataError, match="4097 accelerometer samples in row 0, expected at most 4096"):
            motion_levels(mg, np.zeros(n, int), 1)


def test_samples_belong_to_rows() -> None:
    mg = np.array([[0, 0, 1000], [0, 0, 1020], [500, 0, 0], [0, 0, 980], [-500, 0, 0], [7, 7, 7], [1, 1, 1]])
    got = motion_levels(mg, np.array([0, 0, 2, 0, 2, 1, 9]), 4)
    np.testing.assert_array_equal(got, [round(10 * math.log10(800 / 3)), NAN, round(20 * math.log10(500)), NAN])
    np.testing.assert_array_equal(level_of([[0.0, NAN], [100.0, 1.0]]), [[0, NAN], [40, 0]])


@pytest.mark.parametrize("mg, message", [
    (np.zeros((2, 2)), r"shape \(2, 2\), expected \(2, 3\)"), (np.full((2, 3), 0.5), "expected whole numbers of mg"),
    (np.full((2, 3), 32768), "that fit 16 bits"), (np.full((2, 3), -32769), "that fit 16 bits")])
def test_bad_samples(mg: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        motion_levels(mg, np.zeros(2, int), 1)


# ---- rows, scaling, augmentation ----

def walk(n: int = 8, **change: Any) -> Samples:
    columns: dict[str, Any] = {
        "time": np.arange(n, dtype=float), "rssi": -50.0 - np.arange(2 * n).reshape(n, 2), "room": np.arange(n) % 2,
        "session": np.zeros(n, int), "rooms": ("still", "moving"), "aps": ("a", "b"),
        "motion": 10.0 + np.arange(n)[:, None], "motions": ("wrist",)}
    return Samples(**(columns | change))


@pytest.mark.parametrize("change, message", [
    ({"motions": ("a",)}, "aps and motions names 'a' twice"),
    ({"motion": np.zeros((8, 2))}, r"motion has shape \(8, 2\), expected \(8, 1\)"),
    ({"motion": None}, r"motion has shape \(0,\), expected \(8, 1\)"),
    ({"motions": ()}, r"motion has shape \(8, 1\), expected \(8, 0\)"),
    ({"motion": np.full((8, 1), np.inf)}, "motion is infinite in row 0, channel wrist"),
])
def test_rows_reject(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        walk(**change)


def test_rows_carry_motion() -> None:
    s = walk()
    assert s.inputs == ("a", "b", "wrist") and s.signals.shape == (8, 3)
    assert s.take(slice(2, 4)).motion[:, 0].tolist() == [12, 13]
    alone, swapped = s.select(["b"]), s.select(["b", "wrist", "a"])
    assert alone.motion is None and alone.motions == () and alone.inputs == ("b",)
    assert swapped.inputs == ("b", "a", "wrist") and np.array_equal(swapped.motion, s.motion)
    assert s.select(s.inputs) is s and s.select(s.aps).signals.shape == (8, 2)
    assert data.join(s, s).motion.shape == (16, 1) and data.join(s, s.select(s.aps)).motion is None
    with pytest.raises(DataError, match=r"hears 3 access points, of which the data lack 1 \(wrist\)"):
        s.select(s.aps).select(s.inputs)
    with pytest.raises(DataError, match="test has other motion channels than train"):
        Dataset("x", s, s, s.select(s.aps), 1, 1, 1.0, False, "")


@pytest.mark.parametrize("signal", ["minmax", "powed"])
def test_motion_has_its_own_range_and_unknown_is_none_of_its_levels(signal: str) -> None:
    s = walk(motion=np.array([[20.0, NAN], [20, NAN], [60, NAN], [NAN, NAN], [30, NAN], [NAN, NAN], [NAN, NAN], [40, NAN]]),
             motions=("wrist", "broken"))
    scaler, alone = (Scaler.fit(each, hold=1, signal=signal) for each in (s, s.select(s.aps)))
    assert scaler.lo.tolist() == [*alone.lo.tolist(), 20 - MOTION_GAP, 0]
    assert scaler.hi.tolist() == [*alone.hi.tolist(), 60, 0]
    x = scaler.prepare(s)
    np.testing.assert_array_equal(x[:, :2], alone.prepare(s.select(s.aps)))
    # Held for a second as RSSI is, then unknown: 0, which no level is; linear for either signal.
    np.testing.assert_allclose(x[:, 2], (np.array([20, 20, 60, 60, 30, 30, 10, 40]) - 10) / 50, rtol=1e-6)
    assert (x[:, 3] == 0).all() and (scaler.transform(np.full((1, 4), NAN)) == 0)[0, 2:].all()
    again = Scaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert again.motion == 2 and np.array_equal(again.prepare(s), x)
    assert "motion" not in alone.to_dict()
    with pytest.raises(DataError, match="motion = 2; expected 0 to 1 of 2 inputs"):
        Scaler(alone.lo, alone.hi, motion=2)


def test_augmentation_of_rssi_leaves_motion_alone() -> None:
    s = walk(60)
    about, everything = np.arange(10, 60), Augmentation(4, 0.1, 2, 2, 0.3, 0.3)

    def made(samples: Samples, how: Augmentation) -> np.ndarray:
        return Augmenter(samples, 1, 5, 0, 1.0, how)(about, np.random.default_rng(3))

    both = made(s, everything)
    np.testing.assert_array_equal(both[..., :2], made(s.select(s.aps), everything))
    np.testing.assert_array_equal(both[..., 2:], made(s, Augmentation())[..., 2:])
    lost = made(s, Augmentation(motion=0.5))
    gone = np.isnan(lost[..., 2])
    assert 0.2 < gone.mean() < 0.8 and (gone.all(1) | ~gone.any(1)).all()
    np.testing.assert_array_equal(lost[..., :2], made(s, Augmentation())[..., :2])
    np.testing.assert_array_equal(made(s, replace(everything, motion=0.5))[..., :2], both[..., :2])


# ---- loaders ----

def test_the_simulated_wrist() -> None:
    """All else has the same bits; levels of walking and standing are apart, but for a gesture now and then."""
    still, moves = (load("simulated", minutes=8, test_minutes=2, motion=m) for m in (False, True))
    for part in ("train", "val", "test"):
        a, b = getattr(still, part), getattr(moves, part)
        assert a.rssi.tobytes() == b.rssi.tobytes() and np.array_equal(a.room, b.room) and a.motion is None
    level = moves.train.motion[:, 0]
    assert moves.motions == ("motion",) and not np.isnan(level).any() and (level == np.round(level)).all()
    low, high = (level < 24).mean(), (level > 31).mean()
    assert low > 0.25 and high > 0.25 and low + high > 0.95


def accelerometer(start: float, seconds: int, scale: float, gravity: float = 1000.0, shake: float = 200.0) -> str:
    """25 Hz, still for 10 s and shaken for 10 s in turn, mg times `scale`; one line without a reading."""
    rows = ["timestamp,id,n,battery,x,y,z", f"{stamp(start)},1,0,0,,nan,1"]
    for i in range(seconds * 25):
        z = gravity + (shake if i // 250 % 2 else 4) * (i % 2 * 2 - 1)
        rows.append(f"{stamp(start + i / 25)},1,0,0,{30 * scale!r},0,{z * scale!r}")
    return "\n".join(r.replace(",,nan", ",nan,nan") for r in rows)


def houses(folder: Path, **how: float) -> Path:
    files = dict(archive())
    top = next(iter(files)).split("metadata")[0]
    for name, start, seconds in (("fingerprint_floor", 0, 600), ("living_1", 9000, 120), ("living_2", 8000, 30)):
        files[f"{top}experiments/{name}/accelerometer_filtered.dat"] = accelerometer(start, seconds, **how)
    for name, text in files.items():
        (folder / "byrne" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "byrne" / name).write_text(text)
    return folder


@pytest.mark.parametrize("scale", [1e-3, 9.80665e-3, 1.0], ids=["g", "m/s^2", "mg"])
def test_byrne_in_any_unit(scale: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLOC_DATA", str(houses(tmp_path, scale=scale)))
    d = load("byrne")
    assert d.motions == ("motion",) and "No motion" not in d.note and d.inputs == ("ap_1", "ap_2", "motion")
    for part in (d.train, d.val):
        moving = (part.time - d.train.time.min()) // 10 % 2
        for state, level in ((0, 12), (1, 46)):  # 4 and 200 mg
            assert (np.abs(part.motion[moving == state, 0] - level) <= 1).mean() > 0.97
    assert not np.isnan(d.test.motion[: 30 * 5 - 1]).any()


@pytest.mark.parametrize("how, message", [
    ({"scale": 1.0, "gravity": 0.0, "shake": 4.0}, "the unit of fingerprint_floor/accelerometer_filtered.dat cannot"),
    (None, "fingerprint_floor has no accelerometer_filtered.dat")])
def test_byrne_without_motion(how: dict[str, float] | None, message: str, tmp_path: Path,
                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLOC_DATA", str(houses(tmp_path, **(how or {"scale": 1.0}))))
    if how is None:
        next(tmp_path.rglob("fingerprint_floor/accelerometer_filtered.dat")).unlink()
    d = load("byrne")
    assert d.motions == () and d.train.motion is None and f"No motion: {message}" in d.note


def recorded(path: Path, change: tuple[int, str] | None = None) -> Path:
    lines = ["time,room,rssi_1,acc_1,acc_2"] + [
        f"{i},{('kitchen', 'hall')[i // 40 % 2]},{-50 - i % 5},{(3.2, 250)[i // 10 % 2]},{'' if i % 3 else 1000}"
        for i in range(600)]
    if change:
        lines[change[0] - 1] = change[1]
    path.write_text("\n".join(lines))
    return path


def test_csv(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.csv")
    d = load(path, columns={"motion": ["acc_2", "acc_1"], "window": 4})
    assert (d.aps, d.motions) == (("rssi_1",), ("acc_2", "acc_1")) and load(path).motions == ()
    wanted = np.column_stack([np.where(d.train.time % 3, NAN, 60), np.where(d.train.time // 10 % 2, 48, 10)])
    np.testing.assert_array_equal(d.train.motion, wanted)
    shown = CliRunner().invoke(main, ["data", str(path), "--motion", "acc*", "--json"])
    facts = json.loads(shown.output)
    assert facts["motion"] == ["acc_1", "acc_2"]
    assert facts["parts"]["train"]["motion_known"] == pytest.approx(2 / 3, abs=0.01)
    assert json.loads(CliRunner().invoke(main, ["data", str(path), "--json"]).output)["parts"]["val"]["motion_known"] is None
    assert "1 access points, motion, 2 rooms" in CliRunner().invoke(main, ["data", str(path), "--motion", "acc*"]).output


@pytest.mark.parametrize("change, motion, message", [
    (None, ["acc_9"], "row 1: no column 'acc_9'; present"), (None, ["imu*"], "no column begins with 'imu'"),
    (None, ["room"], "column 'room' is both motion and a signal, the time, room or session"),
    (None, ["rssi_1"], "column 'rssi_1' is both motion"),
    ((5, "3,kitchen,-50,fast,"), ["acc_1"], "row 5, column 'acc_1': found 'fast', expected mg as a number"),
    ((5, "3,kitchen,-50,-1,"), ["acc_1"], "row 5, column 'acc_1': found '-1', expected mg of 0 or more"),
])
def test_csv_rejects(change: tuple[int, str] | None, motion: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(TinylocError, match=message):
        load(recorded(tmp_path / "a.csv", change), columns={"motion": motion})


# ---- whether to read it ----

def test_paired_gain() -> None:
    true = np.array([0, 0, 0, 0, 1, -1, 1])
    before, after = np.array([0, 0, 1, 1, 1, 0, 0]), np.array([0, 1, 0, 0, 1, 1, 1])
    gain, error = paired_gain(true, before, after, np.array([0, 0, 1, 1, 2, 2, 3]))
    # Room 0: of four rows one right fewer and two more; room 1: one of two more; each room weighs a half.
    assert gain == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert error == pytest.approx(math.sqrt((1 / 8) ** 2 + (2 / 8) ** 2 + (1 / 4) ** 2))
    assert paired_gain(true, after, before, true) == (-gain, paired_gain(true, before, after, true)[1])
    assert paired_gain([-1], [0], [1], [0]) == (0, 0)
    with pytest.raises(DataError, match="expected the same"):
        paired_gain(true, before, after, [0])


def two_rooms(seed: int, tells: str) -> Dataset:
    """Stretches of 12 rows in one of two rooms, which "rssi" or "motion" tells apart, and the other does not; in short
    recordings of 24."""
    rng = np.random.default_rng(seed)

    def part(n: int) -> Samples:
        room = np.repeat(rng.integers(0, 2, n // 12), 12)
        rssi = -60 + rng.normal(0, 6, (n, 2)) + np.outer(room if tells == "rssi" else room * 0, [8, -8])
        moved = 30 + rng.normal(0, 4, n) + (12 * room if tells == "motion" else 0)
        time = np.arange(n) / 2
        return Samples(time, np.round(rssi), room, np.arange(n) // 24, ("x", "y"), ("a", "b"),
                       motion=np.round(moved)[:, None], motions=("wrist",))

    return Dataset(tells, part(960), part(480), part(480), 6, 3, 2.0, True, "")


@pytest.fixture(scope="module")
def told() -> tuple[Dataset, Model]:
    """Data whose motion says all, and the model that comes of it."""
    d = two_rooms(0, "motion")
    return d, fit(d, "mamba-h2l1", QUICK)


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_left_out_bit_for_bit(seed: int) -> None:
    d = two_rooms(seed, "rssi")
    recipe = replace(QUICK, epochs=4, seed=seed)
    found, alone = fit(d, "mamba-h2l1", recipe), fit(d.select(d.aps), "mamba-h2l1", recipe)
    choice = found.info.pop("motion_choice")
    assert not choice["kept"] and choice["trials"][0]["rssi"] == found.info["validation_macro_f1"]
    assert found.info == alone.info and "motion" not in found.info
    assert all(np.array_equal(found.params[k], v) for k, v in alone.params.items()) and found.config == alone.config


def test_motion_that_tells_the_rooms_is_kept(told: tuple[Dataset, Model]) -> None:
    d, model = told
    choice = model.info["motion_choice"]
    assert choice["kept"] and [t["seed"] for t in choice["trials"]] == [0, 1]
    for t in choice["trials"]:
        assert t["motion"] > t["rssi"] + 0.2 and t["gain"] > 2 * t["error"] > 0
    assert model.info["aps"] == ["a", "b", "wrist"] and model.info["motion"] == ["wrist"] and model.config.aps == 3
    w = last_rows(model.info, d.test)
    assert (model.predict(w.x) == w.y[:, -1]).mean() > 0.85
    on = fit(d, "mamba-h2l1", QUICK, inputs=Inputs(motion="on"))
    assert all(np.array_equal(on.params[k], v) for k, v in model.params.items())


class Stop(Exception):
    pass


SHORT = replace(QUICK, epochs=8, lr=0.03)


@pytest.fixture(scope="module")
def whole(told: tuple[Dataset, Model]) -> Model:
    return fit(told[0], "mamba-h2l1", SHORT, refit=True)


@pytest.mark.parametrize("at", [3, 9, 20, 31, 33], ids=["off", "on", "off again", "on again", "refit"])
def test_killed_and_resumed_is_as_if_never_stopped(told: tuple[Dataset, Model], whole: Model, at: int, tmp_path: Path
                                                   ) -> None:
    d, file, seen = told[0], tmp_path / "c", 0

    def stop(_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            raise Stop

    with pytest.raises(Stop):
        fit(d, "mamba-h2l1", SHORT, refit=True, checkpoint=file, progress=stop)
    again = fit(d, "mamba-h2l1", SHORT, refit=True, checkpoint=file)
    assert all(np.array_equal(again.params[k], v) for k, v in whole.params.items()) and again.info == whole.info
    assert again.info["refit"] and again.info["motion_choice"]["kept"] and again.info["motion"] == ["wrist"]
    assert set(tmp_path.iterdir()) == set(checkpoints(file))


@pytest.mark.parametrize("at", [2, 10, 20])
def test_ctrl_c_keeps_rssi_alone(told: tuple[Dataset, Model], at: int) -> None:
    seen = 0

    def stop(_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            raise KeyboardInterrupt

    model = fit(told[0], "mamba-h2l1", SHORT, progress=stop)
    assert model.info["interrupted"] and model.config.aps == 2 and "motion" not in model.info


def test_bad_motion() -> None:
    d = two_rooms(0, "rssi")
    with pytest.raises(ConfigError, match=r"unknown motion 'of'; did you mean 'off'\?"):
        Inputs(motion="of")
    with pytest.raises(DataError, match="rssi has no motion channels; expected some"):
        fit(d.select(d.aps), "mamba-h2l1", ONE, inputs=Inputs(motion="on"))
    with pytest.raises(ConfigError, match="without validation it cannot be told whether motion pays"):
        fit(d, "mamba-h2l1", ONE, until=1)
    assert fit(d, "mamba-h2l1", ONE, inputs=Inputs(motion="on"), until=1).info["motion"] == ["wrist"]


# ---- what reads it ----

def test_integers_read_it_too(told: tuple[Dataset, Model], tmp_path: Path) -> None:
    """Quantized, stored, run, trained on as integers and taught: by the names of its inputs."""
    d, model = told
    model.save(tmp_path / "m")
    program = calibrate(Model.load(tmp_path / "m"), d, "minmax")
    program.save(tmp_path / "p")
    program = Program.load(tmp_path / "p")
    w = last_rows(program.info, d.test)
    codes = program.buffers[program.input].quantize(w.x)
    assert compare(program, codes[:40], ("numba", "c", "arena")).equal
    labels = Session(program, "c").run_windows(codes)[:, -1, 0]
    assert (labels == w.y[:, -1]).mean() > 0.85
    trained = qat.fit(model, d, replace(qat.RECIPE, epochs=1), method="minmax")
    assert trained.info["motion"] == ["wrist"] and trained.buffers[trained.input].shape == (6, 3)
    student = fit(d.select(d.aps[::-1] + d.motions), "mamba-h2l1", ONE, inputs=Inputs(motion="off"), teachers=[model])
    assert student.config.aps == 2 and student.info["aps"] == ["b", "a"]
    augmented = fit(d, "mamba-h2l1", ONE, inputs=Inputs("powed", motion="on"), teachers=[student],
                    augmentation=Augmentation(offset=2, motion=0.2))
    assert augmented.config.aps == 3 and augmented.info["scaler"]["motion"] == 1
    with pytest.raises(DataError, match=r"the model hears 3 access points, of which the data lack 1 \(wrist\)"):
        last_rows(program.info, d.test.select(d.aps))


@settings(derandomize=True, max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["minmax", "powed"]))
def test_from_samples_to_codes_as_in_firmware(seed: int, signal: str) -> None:
    """`tl_motion`, `tl_hear` and `tl_row` give the codes of the levels that were trained on, held and unknown ones among
    them."""
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 6, 60) * (rng.random(60) < 0.6)
    row = np.repeat(np.arange(60), n)
    mg = np.round(rng.normal(0, 1, (len(row), 3)) * 10 ** rng.uniform(0, 3, 60)[row, None]).astype(int)
    levels = motion_levels(mg, row, 60)[:, None]
    dbm = np.where(rng.random((60, 2)) < 0.5, -rng.integers(30, 99, (60, 2)), np.nan)
    s = walk(60, time=np.arange(60) * 0.2, motion=levels, rssi=dbm)
    scaler = Scaler.fit(s.take(slice(0, 30)), signal=signal)
    c, want = Scaling(scaler, INPUT), INPUT.quantize(scaler.prepare(s))
    heard, codes = ffi.new("tl_heard[]", 3), ffi.new("int8_t[]", 3)
    lib.tl_forget(c.c, heard)
    for i in range(60):
        now = 200 * i
        for ap in range(2):
            lib.tl_hear(c.c, heard, ap, lib.TL_NOT_HEARD if np.isnan(s.rssi[i, ap]) else int(s.rssi[i, ap]), now)
        xyz = np.append(mg[row == i], [[0, 0, 0]], 0).astype(np.int16)  # cffi takes no empty buffer
        lib.tl_hear(c.c, heard, 2, lib.tl_motion(ffi.from_buffer("int16_t[]", xyz.reshape(-1)), int(n[i])), now)
        lib.tl_row(c.c, heard, codes, now)
        assert list(codes) == want[i].tolist(), f"seed {seed}: row {i}"


@pytest.mark.skipif(not COMPILERS, reason="no gcc, no clang")
def test_an_exported_project(tmp_path: Path) -> None:
    """It builds without a warning, its self-test passes, and its README says how firmware fills motion's codes."""
    d = two_rooms(0, "motion")
    program = calibrate(fit(d, "mamba-h2l1", ONE, inputs=Inputs("powed", motion="on")), d, "minmax")
    files = project(program, program.buffers[program.input].quantize(last_rows(program.info, d.test).x[:3]))
    header, readme = files["src/tl_model.h"].decode(), files["README.md"].decode()
    assert "#define TL_MODEL_APS 3\n#define TL_MODEL_MOTION 2 " in header and "2 access points, motion, 2 rooms" in readme
    folder, cc = tmp_path / "c", COMPILERS[0]
    write_project(files, folder)
    compiled(cc, "-O0", *STRICT, "-Isrc", "host/main.c", *sorted((folder / "src").glob("*.c")), "-o", "selftest", cwd=folder)
    assert "PASS" in compiled(folder / "selftest")
    include, code = re.search(r"```c\n(#include.*?)\n(.*?)```", readme, re.S).groups()  # type: ignore[union-attr]
    (folder / "example.c").write_text(
        f"{include}\nvoid panic(const char *text);\nvoid use(const char *room);\n"
        "void example(uint32_t ap, int16_t dbm, uint32_t now_ms, const int16_t *xyz, uint32_t n);\n"
        "void example(uint32_t ap, int16_t dbm, uint32_t now_ms, const int16_t *xyz, uint32_t n)\n"
        f"{{\n{code}\nuse(room);\n}}\n")
    compiled(cc, *STRICT, "-Isrc", "-fsyntax-only", "example.c", cwd=folder)
    assert "tl_stream_hear(&stream, TL_MODEL_MOTION, tl_motion(xyz, n), now_ms);" in code


@pytest.mark.parametrize("tells", ["rssi", "motion"])
def test_pruning_leaves_motion_in_place(tells: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Access points go, also where motion says nothing: only `cut`, by its number, takes a motion channel."""
    d = two_rooms(0, tells)
    model = fit(d, "mamba-h2l1", replace(QUICK, epochs=2), inputs=Inputs(motion="on"))
    pruned = prune(model, d, {"aps": 2}, ONE, rounds=1, between=1)
    assert pruned.info["motion"] == ["wrist"] and pruned.info["aps"][-1] == "wrist" and len(pruned.info["aps"]) == 2
    assert pruned.info["scaler"]["motion"] == 1 and last_rows(pruned.info, d.test).x.shape[2] == 2
    # A budget of bytes, of which each input takes 100 here, cuts no other.
    monkeypatch.setattr("tinyloc.prune.measure",
                        lambda m, x, decay, confident: Memory(1, 100 * m.config.aps, 0, 0, 0, 0, 0, 0))
    w = last_rows(model.info, d.val)
    assert within(model, w.x[:8], importance(model, w), {"total": 250}, ["aps"]) == {"aps": 2}
    with pytest.raises(ConfigError, match="out of reach of the budget of 150 bytes"):
        within(model, w.x[:8], importance(model, w), {"total": 150}, ["aps"])
    still = cut(model, "aps", [[0, 1]])
    assert still.info["aps"] == ["a", "b"] and still.info["motion"] == [] and still.info["scaler"]["motion"] == 0
    assert last_rows(still.info, d.test.select(d.aps)).x.shape[2] == 2
    with pytest.raises(ConfigError, match="keep 1; 1 of the inputs are motion channels, which stay: expected at least 2"):
        prune(model, d, {"aps": 1})


def test_a_search_is_of_rssi_alone() -> None:
    d = two_rooms(0, "rssi")
    goal = Goal(budget(None, "32K", None), trials=1, epochs=1, repeats=1, core="")
    found = evaluate(d, Job(make({"config.family": "mamba", "config.d": 2}, d, goal), goal))
    assert found.state == "done" and found.model is not None and found.model.info["aps"] == ["a", "b"]


def test_command_line(tmp_path: Path) -> None:
    path, out = recorded(tmp_path / "a.csv"), tmp_path / "m.safetensors"
    asked = ["train", "--data", str(path), "--motion", "acc_1", "--window", "4", "--hop", "2", "--model", "mamba-h1l1",
             "--epochs", "2", "--out", str(out), "--json"]
    for use, motion in (("on", ["acc_1"]), ("off", []), ("auto", None)):
        done = CliRunner().invoke(main, [*asked, "--use-motion", use])
        assert done.exit_code == 0, done.output
        facts = json.loads(done.stdout)
        assert facts["motion"] == motion or (motion is None and facts["motion_choice"]["kept"] == bool(facts["motion"]))
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "m.safetensors"], "checkpoints are gone"
        if use == "on":
            program = str(tmp_path / "p")
            for command in (["quantize", str(out), "--out", program], ["verify", program], ["run", program, "--stream"]):
                assert (step := CliRunner().invoke(main, command)).exit_code == 0, step.output
            Path(program).unlink()
    assert train.MOTION == ("auto", "on", "off")


def test_windows_of_rows_with_motion() -> None:
    s = walk()
    w = windows(s, Scaler.fit(s), 4, 2)
    np.testing.assert_allclose(w.x[1, :, 2], (np.arange(2, 6) + MOTION_GAP) / (7 + MOTION_GAP), rtol=1e-6)
