"""Loaders, windows, splits and scores: what they make of good input, and what they say about bad."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc import data
from tinyloc.data import MISSING, Dataset, Samples, Scaler, byrne, flat, simulate, split, ujiindoorloc
from tinyloc.data.csv_file import read_csv
from tinyloc.data.grid import regular
from tinyloc.data.table import Area
from tinyloc.errors import ChangedWarning, ConfigError, DataError, TinylocError

NAN = float("nan")
REAL = Path(os.environ.get("TINYLOC_DATA", "/nonexistent"))


def f32(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def rows(n: int = 6, width: int = 2, **change: Any) -> Samples:
    """`n` rows a second apart in one session, all in the first of two rooms; `change` replaces columns."""
    columns: dict[str, Any] = {
        "time": np.arange(n, dtype=np.float64), "rssi": np.full((n, width), -50.0),
        "room": np.zeros(n, np.int64), "session": np.zeros(n, np.int64), "rooms": ("kitchen", "hall"),
        "aps": tuple(f"a{i}" for i in range(width))}
    return Samples(**(columns | change))


# Samples ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("change, message", [
    ({"time": np.zeros(6)}, "time does not rise in row 1"),
    ({"time": np.array([0, 1, 2, 3, 5, 4.0])}, "time does not rise in row 5: 4.0 after 5.0"),
    ({"time": np.array([0, 1, NAN, 3, 4, 5])}, "time is not finite in row 2"),
    ({"rssi": np.zeros((6, 3))}, r"rssi has shape \(6, 3\), expected \(6, 2\)"),
    ({"rssi": np.where(np.eye(6, 2) > 0, np.inf, 0)}, "rssi is infinite in row 0, access point a0"),
    ({"rssi": np.full((6, 2), "x")}, "expected numbers"),
    ({"room": np.array([0, 0, 2, 0, 0, 0])}, "room is 2 in row 2, expected -1 to 1"),
    ({"room": np.array([0, -2, 0, 0, 0, 0])}, "room is -2 in row 1"),
    ({"room": np.zeros(6)}, "expected integers"),
    ({"room": np.zeros(5, int)}, "room has shape"),
    ({"session": np.array([0, 0, 1, 1, 0, 0])}, "not adjacent"),
    ({"group": np.zeros(2, int)}, "group has shape"),
    ({"rooms": ("a", "a")}, "rooms names 'a' twice"),
    ({"aps": ()}, "at least one access point"),
])
def test_samples_reject(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(**change)


def test_access_points_are_selected_by_name() -> None:
    samples = rows(width=3, rssi=np.arange(18.0).reshape(6, 3))
    some = samples.select(["a2", "a0"])
    assert some.aps == ("a2", "a0") and some.rssi[1].tolist() == [5, 3] and some.rooms == samples.rooms
    assert samples.select(samples.aps) is samples
    with pytest.raises(DataError, match=r"a nose hears 2 access points, of which the data lack 1 \(b\); they have 3 \(a0, "):
        samples.select(["a0", "b"], "a nose")
    with pytest.raises(DataError, match="names 'a0' twice"):
        samples.select(["a0", "a0"])
    with pytest.raises(DataError, match="at least one access point"):
        samples.select([])
    whole = Dataset("x", samples, samples, samples, 2, 1, 1.0, False, "")
    assert whole.select(["a1"]).test.rssi.tolist() == samples.rssi[:, 1:2].tolist() and whole.select(["a1"]).aps == ("a1",)


def test_rooms_are_numbered_as_in_a_model() -> None:
    samples = rows(room=np.array([0, 1, -1, 1, 0, 0]))
    both = samples.with_rooms(["hall", "attic", "kitchen"])
    assert both.rooms == ("hall", "attic", "kitchen") and both.room.tolist() == [2, 0, -1, 0, 2, 2]
    assert samples.with_rooms(["kitchen", "hall"]) is samples
    assert samples.take(samples.room != 1).with_rooms(["kitchen"]).room.tolist() == [0, -1, 0, 0], "a hall in no row"
    with pytest.raises(DataError, match="the data has a room 'hall', which the model lacks; it knows kitchen, attic"):
        samples.with_rooms(["kitchen", "attic"])
    area = {"hall": Area(0, 0, 1, 1), "kitchen": Area(1, 0, 2, 1)}
    whole = Dataset("x", *(samples.take(samples.room != 1),) * 3, 2, 1, 1.0, False, "", area).with_rooms(["kitchen"])
    assert whole.rooms == ("kitchen",) == tuple(whole.areas) and whole.test.room.tolist() == [0, -1, 0, 0]


def test_missing_access_points_may_be_silent() -> None:
    samples = rows(width=3, rssi=np.arange(18.0).reshape(6, 3))
    some = samples.select(["b", "a2", "c"], missing="silent")
    assert some.aps == ("b", "a2", "c") and some.rssi[:, 1].tolist() == samples.rssi[:, 2].tolist()
    assert np.isnan(some.rssi[:, [0, 2]]).all() and not np.isnan(samples.rssi).any()
    np.testing.assert_array_equal(samples.select(["a2", "a0"], missing="silent").rssi, samples.rssi[:, [2, 0]])
    with pytest.raises(DataError, match=r"data lack 1 .*with missing='silent' \(--missing silent\) they count as "):
        samples.select(["a0", "b"])
    # Of data that have nothing of what a model hears, silence makes no sense, and is not offered.
    for missing in MISSING:
        with pytest.raises(DataError, match=r"the data lack 2 \(b, c\); they have 3 \(a0, a1, a2\)$"):
            samples.select(["b", "c"], missing=missing)
    with pytest.raises(ConfigError, match="unknown choice for missing access points 'silence'; did you mean 'silent'"):
        samples.select(["a0"], missing="silence")


def test_digest_is_of_all_that_the_data_say() -> None:
    samples = rows(width=3, rssi=np.arange(18.0).reshape(6, 3))
    whole = Dataset("x", samples, samples, samples, 2, 1, 1.0, False, "")
    assert dataclasses.replace(whole, name="y", note="another file").digest() == whole.digest()
    others = [dataclasses.replace(samples, **{k: v}) for k, v in {
        "time": samples.time * 2, "rssi": samples.rssi[::-1], "room": np.where(np.arange(6) == 2, -1, samples.room),
        "session": np.array([0, 0, 0, 1, 1, 1])}.items()]
    changed = [dataclasses.replace(whole, **{part: s}) for part in ("train", "val", "test") for s in others]
    parts = [dataclasses.replace(whole, train=samples.take(slice(0, 5))), whole.select(["a2", "a1", "a0"])]
    assert len({d.digest() for d in (whole, *changed, *parts)}) == 1 + len(changed) + len(parts)


def test_samples_hold_columns() -> None:
    s = rows(4, room=np.array([0, -1, 1, 1]), session=np.array([7, 7, 3, 3]), time=np.array([5, 6, 0, 1]))
    assert (len(s), s.time.dtype, s.rssi.dtype) == (4, np.float64, np.float32)
    assert s.starts().tolist() == [0, 0, 2, 2]
    assert s.counts() == {"kitchen": 1, "hall": 2}
    assert s.take(s.room >= 0).room.tolist() == [0, 1, 1]
    assert s.take(np.array([2, 3])).session.tolist() == [3, 3]
    assert s.take(slice(1, 3)).time.tolist() == [6, 0]
    assert len(s.take(slice(0, 0))) == 0 and s.take(slice(0, 0)).starts().shape == (0,)


def test_dataset_rejects() -> None:
    s, other = rows(), rows(width=3)
    with pytest.raises(DataError, match="test has other rooms or access points"):
        Dataset("d", s, s, other, 2, 1, 1.0, True, "")
    with pytest.raises(DataError, match="window 0"):
        Dataset("d", s, s, s, 0, 1, 1.0, True, "")
    with pytest.raises(DataError, match="no labeled row"):
        Dataset("d", rows(room=np.full(6, -1)), s, s, 2, 1, 1.0, True, "")


# Windows ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seconds, expected", [
    (0.0, [NAN, -40, NAN, NAN, NAN, -60, NAN, NAN]),
    (1.0, [NAN, -40, -40, NAN, NAN, -60, NAN, NAN]),
    (9.0, [NAN, -40, -40, -40, -40, -60, NAN, NAN]),  # the last two rows are another session's
])
def test_forward_fill(seconds: float, expected: list[float]) -> None:
    heard = np.array([[NAN, -40, NAN, NAN, NAN, -60, NAN, NAN]]).T
    s = rows(8, 1, rssi=heard, session=np.repeat([0, 1], [6, 2]))
    np.testing.assert_array_equal(data.forward_fill(s, seconds)[:, 0], expected)


@pytest.mark.parametrize("start", [0.0, 1.2, 1.5e9])
def test_forward_fill_counts_a_row_at_the_limit(start: float) -> None:
    """Steps of 0.2 s are inexact (2.2 - 1.2 > 1 in float64); the row after 1 s is still filled."""
    s = rows(8, 1, rssi=np.array([[-40.0] + [NAN] * 7]).T, time=start + np.arange(8) * 0.2)
    assert np.isnan(data.forward_fill(s, 1.0)[:, 0]).tolist() == [False] * 6 + [True] * 2


def test_scaler_maps_training_range_to_unit_interval() -> None:
    s = rows(3, 4, rssi=np.array([[-90, -50, NAN, -70], [-40, -50, NAN, NAN], [-65, -50, NAN, NAN]]))
    scaler = Scaler.fit(s, hold=0)
    assert scaler.lo.tolist() == [-90, -50, -120, -120] and scaler.hi.tolist() == [-40, -50, -120, -70]
    got = scaler.transform(np.array([[-65, -10, -30, -95], [-200, NAN, NAN, NAN], [0, -50, 0, 0]]))
    np.testing.assert_array_equal(got, np.array([[0.5, 0, 0, 0.5], [0, 0, 0, 0], [1, 0, 0, 1]], np.float32))
    assert got.dtype == np.float32
    shared = Scaler.fit(s, shared=True)
    assert set(shared.lo.tolist()) == {-120} and set(shared.hi.tolist()) == {-40}


def test_scaler_dict_is_exact_and_checked() -> None:
    scaler = Scaler(f32(-101.3, -99.7), f32(-40.1, -41.9), 0.5, -110.0)
    again = Scaler.from_dict(scaler.to_dict())
    np.testing.assert_array_equal(again.lo, scaler.lo)
    np.testing.assert_array_equal(again.hi, scaler.hi)
    assert (again.hold, again.not_heard) == (0.5, -110.0)
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: Scaler.from_dict({"lo": [0]}), "expected lo, hi, hold"),
        (lambda: Scaler(f32(0, 0), f32(0, 0, 0)), "one length"),
        (lambda: Scaler(f32(1), f32(0)), "lo <= hi"),
        (lambda: Scaler(f32(NAN), f32(0)), "finite"),
        (lambda: scaler.transform(np.zeros((3, 5))), "access points"),
        (lambda: Scaler.fit(rows(0)), "no training rows")]
    for make, message in cases:
        with pytest.raises(DataError, match=message):
            make()


def test_powed_shares_one_curve() -> None:
    s = rows(3, 3, rssi=np.array([[-90, -50, NAN], [-40, -50, NAN], [-65, -65, NAN]]))
    scaler = Scaler.fit(s, hold=0, signal="powed")
    assert set(scaler.lo.tolist()) == {-91} and set(scaler.hi.tolist()) == {-40}
    got = scaler.transform(np.array([[-91, -90, -40], [NAN, -65.5, 0]]))
    np.testing.assert_allclose(got, [[0, 1 / 51**2, 1], [0, 0.25, 1]], rtol=1e-6)
    again = Scaler.from_dict(scaler.to_dict())
    assert again.power == scaler.power and np.array_equal(again.transform(s.rssi), scaler.transform(s.rssi))
    assert "power" not in Scaler.fit(s).to_dict(), "files of before are as they were"
    level = Scaler.fit(s, hold=0, signal="powed", power=1)
    np.testing.assert_allclose(level.transform(np.array([-91, -65.5, -40])), [0, 0.5, 1], rtol=1e-6)
    assert scaler.shared and level.shared and Scaler.from_dict(level.to_dict()).shared and not Scaler.fit(s).shared
    with pytest.raises(DataError, match="no access point was heard"):
        Scaler.fit(rows(rssi=np.full((6, 2), NAN)), signal="powed")
    with pytest.raises(ConfigError, match=r"unknown signal 'power'; did you mean 'powed'\?"):
        Scaler.fit(s, signal="power")
    with pytest.raises(DataError, match="power = 0"):
        Scaler(f32(0), f32(1), power=0)


def test_joined_parts_keep_their_sessions() -> None:
    a, b = numbered([3, 2]), numbered([1, 4])
    s = data.join(a, b)
    assert s.starts().tolist() == [0, 0, 0, 3, 3, 5, 6, 6, 6, 6]
    np.testing.assert_array_equal(s.rssi, np.concatenate([a.rssi, b.rssi]))
    d = data.Dataset("d", rows(), rows(2), rows(1), 1, 1, 1.0, False, "")
    assert len(d.known) == 8 and len(np.unique(d.known.session)) == 2


@pytest.mark.parametrize("length, hop, delay, message", [
    (0, 1, 0, "at least 1"), (1, 0, 0, "at least 1"), (1, 1, -1, "delay -1 rows, expected at least 0")])
def test_windows_reject(length: int, hop: int, delay: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        data.windows(rows(), Scaler.fit(rows()), length, hop, delay)


UNIT = Scaler(np.zeros(1, np.float32), np.full(1, 64, np.float32))  # row i of `numbered` -> i / 64
sessions = st.lists(st.integers(1, 12), min_size=0, max_size=5)


def numbered(lengths: list[int]) -> Samples:
    """Row i is heard at i dBm, so that a window's values tell which rows it holds."""
    n = sum(lengths)
    return rows(n, 1, rssi=np.arange(n, dtype=np.float32)[:, None], room=np.arange(n) % 3 - 1,
                session=np.repeat(np.arange(len(lengths)), lengths))


@settings(max_examples=60, deadline=None)
@given(sessions, st.integers(1, 8), st.integers(1, 8), st.integers(0, 5))
def test_windows_against_loops(lengths: list[int], length: int, hop: int, delay: int) -> None:
    s = numbered(lengths)
    expected, first = [], 0
    for size in lengths:
        expected += [list(range(first + i, first + i + length)) for i in range(0, size - length + 1, hop)]
        first += size
    w = data.windows(s, UNIT, length, hop, delay)
    wanted = np.array(expected, np.int64).reshape(-1, length)
    np.testing.assert_array_equal(w.x[:, :, 0] * 64, wanted)
    starts = s.starts()
    about = [[i - delay if i - delay >= starts[i] else -1 for i in window] for window in expected]
    rooms = [[s.room[i] if i >= 0 else -1 for i in window] for window in about]
    np.testing.assert_array_equal(w.y, np.array(rooms, np.int64).reshape(-1, length))
    np.testing.assert_array_equal(w.row, [window[-1] for window in about])
    assert w.x.dtype == np.float32 and len(w) == len(expected)


@settings(max_examples=60, deadline=None)
@given(sessions, st.integers(1, 8), st.integers(0, 5))
def test_every_row_against_loops(lengths: list[int], length: int, delay: int) -> None:
    s = numbered(lengths)
    limits = [(sum(lengths[:i]), sum(lengths[: i + 1]) - 1) for i, n in enumerate(lengths) for _ in range(n)]
    assert s.starts().tolist() == [a for a, _ in limits] and s.ends().tolist() == [b for _, b in limits]
    wanted = np.array([[min(max(first, i + delay - length + 1 + k), last) for k in range(length)]
                       for i, (first, last) in enumerate(limits)], np.int64)
    w = data.every_row(s, UNIT, length, delay)
    np.testing.assert_array_equal(w.x[:, :, 0] * 64, wanted.reshape(-1, length))
    np.testing.assert_array_equal(w.row, np.arange(len(s)))
    np.testing.assert_array_equal(w.y[:, -1], s.room)


# Scores ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("true, pred, f1, accuracy", [
    ([0, 1, 2], [0, 1, 2], 1.0, 1.0),
    ([0, 0, 1, 1], [0, 0, 0, 1], (0.8 + 2 / 3) / 2, 0.75),
    ([0, 0], [1, 1], 0.0, 0.0),  # class 1 is only predicted, and counts
    ([0, 0], [0, 0], 1.0, 1.0),  # classes 1 and 2 do not occur, and do not count
    ([0, -1, 1], [0, 2, 1], 1.0, 1.0),  # an unlabeled row is left out with its prediction
    ([-1], [0], NAN, NAN),
])
def test_scores(true: list[int], pred: list[int], f1: float, accuracy: float) -> None:
    np.testing.assert_allclose(data.macro_f1(true, pred, 3), f1)
    np.testing.assert_allclose(data.accuracy(true, pred), accuracy)


def test_confusion_rows_are_true() -> None:
    assert data.confusion([[0, 0], [1, -1]], [[1, 0], [1, 0]], 2).tolist() == [[1, 1], [0, 1]]
    for true, pred in (([0], [0, 1]), ([2], [0]), ([0], [2]), ([0], [-1])):
        with pytest.raises(DataError):
            data.confusion(true, pred, 2)
    with pytest.raises(DataError):
        data.accuracy([0], [0, 1])


# Splits ----------------------------------------------------------------------------------------------------

@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 30), st.integers(1, 5))
def test_hold_out_keeps_units_whole(seed: int, units: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, units, 300)
    room = rng.integers(-1, classes, 300)
    held = split.hold_out(unit, room, 0.25, seed)
    assert not set(unit[held]) & set(unit[~held]), f"seed {seed}"
    np.testing.assert_array_equal(held, split.hold_out(unit, room, 0.25, seed))


def test_hold_out_loses_no_room_that_it_can_keep() -> None:
    unit = np.repeat(np.arange(12), 10)
    room = np.where(unit == 3, 2, unit % 2)  # room 2 occurs in one unit alone
    for seed in range(5):
        held = split.hold_out(unit, room, 0.25, seed)
        assert set(room[~held]) == {0, 1, 2} and set(room[held]) == {0, 1} and held.sum() == 30


def test_hold_out_prefers_a_worse_share_to_a_lost_room() -> None:
    """The unit of 50 rows is nearest to a quarter of 210, but room 10 occurs in it alone."""
    unit = np.repeat([0, 1, 2], [80, 80, 50])
    room = np.where(unit == 2, 10, np.arange(210) % 10)
    assert all(np.sum(split.hold_out(unit, room, 0.25, seed)) == 80 for seed in range(3))


def test_part_cuts_sessions_where_rows_are_missing() -> None:
    s = rows(8, session=np.repeat([0, 1], 4))
    got = split.part(s, np.array([1, 1, 0, 1, 1, 1, 0, 0], bool))
    assert got.session.tolist() == [0, 0, 1, 2, 2] and got.time.tolist() == [0, 1, 3, 4, 5]


def test_time_blocks_do_not_cross_sessions() -> None:
    s = rows(30, session=np.repeat([0, 1, 2], [20, 9, 1]))
    assert split.time_blocks(s, 5.0).tolist() == [i // 5 for i in range(20)] + [4] * 5 + [5] * 4 + [6]


@pytest.mark.parametrize("time, recording, gap, want", [
    ([0, 1, 21, 41.5, 42], None, split.GAP, [0, 0, 0, 1, 1]),
    ([0, 1, 21, 41.5, 42], None, 5, [0, 0, 1, 2, 2]),
    ([0, 1, 0, 21.5], [3, 3, 1, 1], split.GAP, [0, 0, 1, 2]),
    ([5], None, split.GAP, [0]),
    ([], [], split.GAP, [])])
def test_sessions_end_with_recordings_and_before_gaps(time: list[float], recording: list[int] | None, gap: float,
                                                      want: list[int]) -> None:
    got = split.sessions(np.array(time, float), gap, None if recording is None else np.array(recording, np.int64))
    assert got.tolist() == want and got.dtype == np.int64


def check_no_leak(d: Dataset) -> None:
    """No row in two parts, windows in each, and a scaler whose range is that of the training rows."""
    keys = [{(t, r.tobytes()) for t, r in zip(p.time, p.rssi, strict=True)} for p in (d.train, d.val, d.test)]
    assert not keys[0] & keys[2] and not keys[1] & keys[2]
    if d.window > 1:
        assert not keys[0] & keys[1]
    for p in (d.train, d.val, d.test):
        assert len(data.windows(p, Scaler.fit(d.train), d.window, d.hop)) > 0
    scaler = Scaler.fit(d.train)
    np.testing.assert_array_equal(scaler.hi, np.nan_to_num(d.train.rssi, nan=data.NOT_HEARD).max(axis=0))
    x = scaler.prepare(d.test)
    assert x.min() >= 0 and x.max() <= 1 and not np.isnan(x).any()


@pytest.mark.parametrize("delay", [0, 1, 3, 7, 1000])
def test_windows_are_counted_as_they_are_made(delay: int) -> None:
    room = np.zeros(60, np.int64)
    room[[13, 44]] = -1
    s = rows(60, room=room, session=np.repeat([0, 1, 2, 3], [30, 3, 8, 19]))
    made = data.windows(s, Scaler.fit(s), 8, 4, delay)
    assert data.count_windows(s, 8, 4, delay) == (len(made), int((made.y >= 0).all(1).sum()))


# The simulated house ---------------------------------------------------------------------------------------

def neighbors_f1(d: Dataset, k: int = 9) -> float:
    """Macro-F1 on the test rows of k nearest training rows, each the mean of its last second."""
    scaler = Scaler.fit(d.train)
    (a, y), (b, z) = ((w.x.mean(axis=1), w.y[:, -1]) for w in (
        data.every_row(p, scaler, 5) for p in (d.train, d.test)))
    near = np.argpartition((a ** 2).sum(axis=1) - 2 * b @ a.T, k, axis=1)[:, :k]
    vote = np.array([np.bincount(r, minlength=len(d.rooms)).argmax() for r in y[near]])
    return data.macro_f1(z, vote, len(d.rooms))


def test_simulated_house() -> None:
    d = data.load("simulated", seed=3)
    check_no_leak(d)
    assert d.simulated and "SIMULATED" in d.note
    assert (d.window, d.hop, d.rate_hz, len(d.aps), len(d.rooms)) == (20, 10, 5.0, 11, 7)
    assert len(d.train) + len(d.val) == 20 * 300 and len(d.test) == 8 * 300
    assert min(d.train.counts().values()) > 100 and min(d.val.counts().values()) > 20
    heard = d.train.rssi[~np.isnan(d.train.rssi)]
    assert heard.min() >= simulate.FLOOR and heard.max() < -20 and (heard == np.round(heard)).all()
    assert 0.1 < np.isnan(d.train.rssi).mean() < 0.5


def test_simulated_house_is_neither_trivial_nor_hopeless() -> None:
    f1 = [neighbors_f1(data.load("simulated", seed=s)) for s in range(4)]
    assert 0.75 < np.mean(f1) < 0.95, f"nearest neighbors reach {np.round(f1, 3)} on seeds 0 to 3"


def test_simulated_house_is_deterministic_in_its_seed() -> None:
    a, b, c = (data.load("simulated", seed=s, minutes=4, test_minutes=1) for s in (5, 5, 6))
    np.testing.assert_array_equal(a.train.rssi, b.train.rssi)
    np.testing.assert_array_equal(a.test.room, b.test.room)
    assert not np.array_equal(a.test.rssi, c.test.rssi)
    assert len(data.load("simulated", minutes=4, aps=14).aps) == 14


@pytest.mark.parametrize("options", [{"minutes": 1}, {"aps": 0}, {"test_minutes": 0.0}, {"minutes": NAN}])
def test_simulated_house_rejects(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected at least 4, 1 and 1"):
        data.load("simulated", **options)


def test_walls_between_rooms() -> None:
    """Places and access points whose walls one can count on the plan."""
    places = np.array([[1.0, 1.0], [1.0, 3.0], [5.0, 1.2], [10.0, 8.0]])
    aps = np.array([[3.0, 3.0], [7.0, 3.0], [4.0, 1.2], [10.0, 1.0]])
    walls = simulate._crossings(places, aps)
    # In one room; to the next; through its door; over the hall.
    assert np.diag(walls).tolist() == [0, 1, 0, 2]


# Names, options, files -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, options, message", [
    ("flatt", {}, "did you mean 'flat'"),
    ("missing.csv", {}, "missing.csv: no such file; expected a CSV file or a data set"),
    ("flat", {"house": "A"}, "flat: no option 'house'"),
    ("simulated", {"columns": {"time": "t"}}, "simulated: is no CSV file; expected none of its options .time."),
    ("byrne", {"house": "E"}, "unknown house 'E', expected A, B, C, D"),
    ("ujiindoorloc", {"split": "leaky"}, "unknown split 'leaky'"),
])
def test_load_rejects(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TinylocError, match=message):
        data.load(name, **options)


def test_load_tells_of_other_rows() -> None:
    given: dict[str, Any] = {"minutes": 4, "test_minutes": 1}
    before = data.load("simulated", **given).digest()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.load("simulated", rows_sha256=before, **given)
    with pytest.warns(ChangedWarning, match="^simulated: its rows are not those that the model was trained on"):
        data.load("simulated", rows_sha256=before, seed=1, **given)


def test_none_is_an_option_not_given() -> None:
    assert data.load("simulated", house=None, split=None, minutes=4).name == "simulated"
    for seed in (5, 6):
        described = data.load_source({"data": "simulated", "seed": seed, "columns": {}, "minutes": 4})
        assert described.digest() == data.load("simulated", seed=seed, minutes=4).digest()


@pytest.mark.parametrize("root", [None, "empty"])
@pytest.mark.parametrize("name", [n for n, s in data.SOURCES.items() if s.files])
def test_missing_files_tell_both_ways(name: str, root: str | None, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)  # as if it were not installed
    if root:
        monkeypatch.setenv("TINYLOC_DATA", str(tmp_path))
    else:
        monkeypatch.delenv("TINYLOC_DATA", raising=False)
    with pytest.raises(DataError, match=r"TINYLOC_DATA.*install tinyloc\[data\]"):
        data.load(name)


def test_download_is_asked_for_with_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = pytest.importorskip("pooch")
    asked: list[tuple[str, str | None]] = []
    monkeypatch.delenv("TINYLOC_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(pooch, "retrieve", lambda url, known_hash, **k: asked.append((url, known_hash)))
    assert data.locate(flat.SOURCE) == tmp_path / "tinyloc" / "flat"
    assert len(asked) == 3
    assert all(u.startswith("https://") and str(h).startswith("sha256:") for u, h in asked)

    def refuse(*args: object, **kwargs: object) -> None:
        raise ValueError("SHA256 hash of downloaded file does not match")
    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(DataError, match=r"could not be had .*does not match.*TINYLOC_DATA"):
        data.locate(flat.SOURCE)


@pytest.mark.parametrize("name, text, message", [
    ("flat/calibration_df.csv", ",ts,x,heading,y,rssi_1\n", "no column 'rssi_2'"),
    ("ujiindoorloc/trainingData.csv", "WAP001,WAP003\n1,2\n", "column 2 is not as expected"),
    ("ujiindoorloc/trainingData.csv", ",".join(ujiindoorloc.COLUMNS) + "\n" + "x," * 528 + "x\n", "'x'"),
    ("ujiindoorloc/a.zip", "no zip", "not a zip file"),
    ("ujiindoorloc/a.txt", "", "no trainingData.csv"),
    ("tetam/trk/straight_01_all_sensors.mbd", "1,2,3\n", "row 1: 3 fields"),
    ("tetam/other", "", "straight_01_all_sensors.mbd: No such file"),
    ("byrne/a.zip", "no zip", "not a zip file"),
    ("byrne/a.txt", "", "no house_A/ in it"),
])
def test_broken_sources(name: str, text: str, message: str, tmp_path: Path,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLOC_DATA", str(tmp_path))
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        data.load(name.split("/")[0])


# Real measurements, where they are -------------------------------------------------------------------------

def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (REAL / name).is_dir(), reason=f"no {name}/ in TINYLOC_DATA")


@needs("flat")
def test_flat() -> None:
    d = data.load("flat")
    check_no_leak(d)
    assert (len(d.train) + len(d.val), len(d.test), len(d.aps), d.window, d.hop) == (4104, 719, 6, 12, 6)
    assert {r: d.test.counts()[r] for r in ("bathroom", "entrance", "kitchen_annex")} == {
        "bathroom": 18, "entrance": 38, "kitchen_annex": 38}
    assert min(d.train.counts().values()) > 0 and min(d.val.counts().values()) > 0
    assert 0.2 < len(d.val) / 4104 < 0.3
    np.testing.assert_array_equal(d.val.time, data.load("flat").val.time)
    assert not np.array_equal(d.val.time, data.load("flat", seed=1).val.time)
    assert (np.diff(d.train.time)[np.diff(d.train.session) == 0] <= split.GAP).all()
    assert (flat.walk().room == -1).all() and len(flat.walk()) == 876


@pytest.mark.parametrize("x, y, room", [
    (2.63, 3, "bedroom"), (2.64, 3, "living"), (6.31, 3, "living"), (6.32, 3, "kitchen_annex"),
    (1.99, 2.12, "entrance"), (2.0, 2.12, "hall"), (3.95, 0, "hall"), (3.96, 0, "bathroom")])
def test_flat_walls(x: float, y: float, room: str) -> None:
    assert flat.ROOMS[flat.room_of(x, y)] == room


def test_flat_outside() -> None:
    """Beyond the outer walls, and where there is no position, is no room; on a wall is one."""
    x = [np.nan, 3, np.nan, np.inf, 99, -0.01, 3, 3, 8, 6.3, 9.08]
    y = [np.nan, np.nan, 3, 3, -50, 1, 7.11, -0.01, 4.18, 1, 5]
    assert flat.room_of(x, y).tolist() == [-1] * len(x)
    assert all((flat.room_of([a.x0, a.x1, a.x0, a.x1], [a.y0, a.y1, a.y1, a.y0]) >= 0).all() for a in flat.AREAS.values())


def test_zones() -> None:
    """A zone that occurs is kept even where another's center is nearer; else the nearest center's counts."""
    def table(*places: tuple[float, float, int]) -> ujiindoorloc.Table:
        rows = np.zeros((len(places), 529))
        rows[:, [ujiindoorloc.COLUMNS.index(c) for c in ("LONGITUDE", "LATITUDE", "FLOOR")]] = places
        return rows
    train = table((0, 0, 0), (1, 1, 0), (139, 1, 0), (0, 0, 1), (300, 0, 1))
    test = table((69, 0, 0), (72, 0, 0), (290, 0, 0), (290, 0, 1))
    areas, of_train, of_test = ujiindoorloc._zones(train, test)
    assert tuple(areas) == ("b0f0_0_0", "b0f0_1_0", "b0f1_0_0", "b0f1_4_0")
    assert areas["b0f1_4_0"] == Area(280, 0, 350, 70, "building 0, floor 1")
    assert (of_train.tolist(), of_test.tolist()) == ([0, 0, 1, 2, 3], [0, 1, 1, 3])
    near_other = ujiindoorloc._zones(table((0, 0, 0), (71, 0, 0)), table((69, 0, 0)))
    assert near_other[2].tolist() == [0]
    with pytest.raises(DataError, match="building 0, floor 2 does not occur"):
        ujiindoorloc._zones(train, table((0, 0, 2)))


@needs("ujiindoorloc")
def test_ujiindoorloc() -> None:
    d = data.load("ujiindoorloc")
    check_no_leak(d)
    assert (len(d.train) + len(d.val), len(d.test), len(d.aps), len(d.rooms)) == (19937, 1111, 520, 60)
    assert d.train.group is not None and d.val.group is not None
    assert not set(d.train.group) & set(d.val.group), "a person and phone in both train and val"
    assert 0.2 < len(d.val) / 19937 < 0.3 and min(d.train.counts().values()) > 0
    assert (d.test.room >= 0).all() and float(np.nanmax(d.test.rssi)) <= 0 and d.window == 1
    leaky = data.load("ujiindoorloc", split="random")
    assert "LEAKS" in leaky.note and "LEAKS" not in d.note
    assert leaky.train.group is not None and leaky.val.group is not None
    assert set(leaky.train.group) & set(leaky.val.group)


@needs("tetam")
def test_tetam() -> None:
    d = data.load("tetam")
    check_no_leak(d)
    assert (len(d.aps), d.rate_hz, len(np.unique(d.train.session))) == (12, 2.0, 5)
    assert (d.test.room >= 0).all() and set(d.test.room) <= set(d.train.room)
    assert np.nanmax(d.train.rssi) < 0 and np.isnan(d.train.rssi).mean() < 0.3
    assert (np.diff(d.train.time)[np.diff(d.train.session) == 0] > 0.49).all()


# Receptions on a grid --------------------------------------------------------------------------------------

def test_grid() -> None:
    time = np.array([10.0, 10.3, 10.1, 10.2, 11.6, 10.4])
    grid, rssi = regular(time, np.array([0, 0, 0, 1, 1, 0]), f32(-5, -1, -9, -7, -3, -2), 2, 2.0)
    np.testing.assert_allclose(grid, [10.25, 10.75, 11.25, 11.75])
    np.testing.assert_array_equal(rssi, np.array([[-9, -7], [-2, NAN], [NAN, NAN], [NAN, -3]], np.float32))
    with pytest.raises(DataError, match="no receptions"):
        regular(np.zeros(0), np.zeros(0, int), np.zeros(0, np.float32), 2, 2.0)
    with pytest.raises(DataError, match="too long"):
        regular(np.array([0, 1e12]), np.zeros(2, int), np.zeros(2, np.float32), 1, 2.0)


# Byrne's homes, on a small archive of the same layout ------------------------------------------------------

TOP = "ble-accelerometer-indoor-localisation-measurements/house_A/"


def stamp(seconds: float) -> str:
    return str(np.datetime64("2017-03-01T12:00:00.000") + np.timedelta64(round(seconds * 1000), "ms"))


def experiment(start: float, seconds: int, tag_of: Callable[[float], int],
               quiet: tuple[float, float] = (-1, -1)) -> dict[str, str]:
    """Two access points at 5 Hz, number 1 loud near tag 11, number 2 elsewhere; a tag is read every 0.5 s."""
    heard = ["timestamp,ap_id,wearable_id,rssi,accel"]
    for i in range(seconds * 5):
        t = i / 5
        if not quiet[0] <= t < quiet[1]:
            near = tag_of(t) == 11
            heard += [f"{stamp(start + t)},{ap},1,{-50 if near == (ap == 1) else -80},0" for ap in (1, 2)]
    tags = ["timestamp,camera,tag,tag_coord_x,tag_coord_y,tag_coord_z"]
    tags += [f"{stamp(start + i / 2)},1,{tag_of(i / 2)},0,0,0" for i in range(seconds * 2)]
    return {"rx_wearable_data.dat": "\n".join(heard), "tag_annotations.dat": "\n".join(tags)}


def archive() -> dict[str, str]:
    """Path -> text of a house with two rooms: 600 s of fingerprints and two living experiments."""
    files = {"metadata/ap_mac_addresses.dat": "1,aa:bb\n2,cc:dd\n",
             "metadata/room_names.dat": "1,kitchen\n2,hall\n", "metadata/room_tags.dat": "1,11,12\n2,21,22\n"}
    for name, text in {
            "fingerprint_floor": experiment(0, 600, lambda t: 11 if t % 40 < 20 else 21),
            # Tag 99 belongs to no room; silence from 60 s to 100 s ends a session.
            "living_1": experiment(9000, 120, lambda t: 99 if t < 10 else 11 if t < 60 else 21, (60, 100)),
            "living_2": experiment(8000, 30, lambda t: 21)}.items():
        files |= {f"experiments/{name}/{k}": v for k, v in text.items()}
    return {TOP + k: v for k, v in files.items()}


@pytest.mark.parametrize("packed", [False, True])
def test_byrne(packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLOC_DATA", str(tmp_path))
    folder = tmp_path / "byrne"
    folder.mkdir()
    if packed:
        with zipfile.ZipFile(folder / "14220518.zip", "w") as z:
            for name, text in archive().items():
                z.writestr(name, text)
    else:
        for name, text in archive().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    d = data.load("byrne", house="a")
    check_no_leak(d)
    assert (d.name, d.rooms, d.aps, d.window, d.hop, d.rate_hz) == (
        "byrne-A", ("kitchen", "hall"), ("ap_1", "ap_2"), 20, 10, 5.0)
    assert len(d.train) + len(d.val) == 3000 and 0.2 <= len(d.val) / 3000 <= 0.3
    assert min(d.train.counts().values()) > 0 and min(d.val.counts().values()) > 0
    # 120 s and 30 s at 5 Hz, less what of the 40 s of silence lies more than 20 s after the last reception.
    assert len(np.unique(d.test.session)) == 3 and len(d.test) == 750 - 100
    assert 45 <= (d.test.room == -1).sum() <= 55, "10 s at a tag of no room are unlabeled"
    clear = (d.train.room == 0) == (d.train.rssi[:, 0] > -60)
    assert clear.mean() > 0.97, "annotations are off against receptions"
    with pytest.raises(DataError, match="no house_B"):
        data.load("byrne", house="B")


@pytest.mark.parametrize("path, text, message", [
    ("metadata/room_tags.dat", "3,11\n", r"room_tags.dat: 3; expected ids"),
    ("metadata/room_names.dat", "id,name\n", "no row that begins with a number"),
    ("metadata/ap_mac_addresses.dat", "7,aa\n", "no reception by a known access point"),
    ("experiments/living_2/rx_wearable_data.dat", "h\n2017-03-01 12:00:00,1,1,loud\n", "row 2: expected num"),
    ("experiments/living_2/rx_wearable_data.dat", "h\nnoon,1,1,-50,0\n", "expected times such as"),
    ("experiments/living_2/tag_annotations.dat", "h\n2017-03-01 12:00:00,1\n", "in columns 3, found"),
])
def test_byrne_rejects(path: str, text: str, message: str, tmp_path: Path,
                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLOC_DATA", str(tmp_path))
    (tmp_path / "byrne").mkdir()
    with zipfile.ZipFile(tmp_path / "byrne" / "a.zip", "w") as z:
        for name, content in (archive() | {TOP + path: text}).items():
            z.writestr(name, content)
    with pytest.raises(DataError, match=message):
        data.load("byrne")


def test_byrne_rows_far_from_an_annotation_are_unlabeled(tmp_path: Path) -> None:
    parts = experiment(0, 20, lambda t: 11)
    lines = parts["tag_annotations.dat"].splitlines()
    for name, text in (parts | {"tag_annotations.dat": "\n".join(lines[:11])}).items():
        place = tmp_path / "house_A" / "experiments" / "living_1" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    house = byrne._House(tmp_path, "A")
    time, _, room, _, _ = byrne._experiment(house, "living_1", {1: 0, 2: 1}, {11: 0})
    last = float(time[0]) - 0.1 + 4.5  # the eleventh line is the annotation at 4.5 s
    np.testing.assert_array_equal(room, np.where(time <= last + 0.5 + 1e-6, 0, -1))


# CSV --------------------------------------------------------------------------------------------------------

def table(n: int = 600, sep: str = ",", heading: str = "time,room,rssi_1,rssi_2") -> list[str]:
    """Two rooms in turn, 40 s each, at 1 Hz."""
    loud = [("kitchen", -50, -80), ("hall", -80, -50)]
    return [heading.replace(",", sep)] + [
        sep.join(map(str, (i, *loud[i // 40 % 2][:1], *(v - i % 5 for v in loud[i // 40 % 2][1:]))))
        for i in range(n)]


def edit(line: int, text: str) -> Callable[[list[str]], list[str]]:
    """Replaces a line, counted from 1 as an editor does."""
    return lambda lines: lines[: line - 1] + [text] + lines[line:]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "my house.csv"
    path.write_text("\ufeff" + "\r\n".join(table()) + "\n\n", encoding="utf-8")
    d = data.load(path, columns={"window": 4, "hop": 2})
    described = {"data": str(path), "seed": 0, "columns": {"window": 4, "hop": 2}}
    assert data.load_source(described).digest() == d.digest() and data.load_source(described).window == 4
    check_no_leak(d)
    assert (d.name, d.rooms, d.aps, d.rate_hz) == ("my house", ("kitchen", "hall"), ("rssi_1", "rssi_2"), 1.0)
    assert not d.simulated and str(path) in d.note
    parts = (d.train, d.val, d.test)
    assert sum(map(len, parts)) == 600 and all(min(p.counts().values()) > 0 for p in parts)
    np.testing.assert_allclose([len(p) / 600 for p in parts], [0.6, 0.2, 0.2], atol=0.02)
    assert sorted(np.concatenate([p.time for p in parts])) == list(range(600)), "a row is lost or twice there"


def test_csv_options(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [line.replace("kitchen", "") if i % 50 == 3 else line for i, line in enumerate(table(sep=";"))]
    lines = [line + (";rec" + str(i > 300) if i else ";who") + (";100;7" if i else ";dead;flat")
             for i, line in enumerate(lines)]
    path.write_text("\n".join(lines))
    d = data.load_csv(path, rssi=["rssi*", "flat", "dead"], session="who", delimiter=";", not_heard=100,
                      window=4)
    assert d.aps == ("rssi_1", "rssi_2", "flat")
    assert "never heard: dead" in d.note and "Constant, carries nothing: flat" in d.note
    assert sum(int((p.room == -1).sum()) for p in (d.train, d.val, d.test)) == sum(
        line.split(";")[1] == "" for line in lines)
    assert (Scaler.fit(d.train).prepare(d.test)[:, 2] == 0).all()


@pytest.mark.parametrize("word", ["", "NaN", "nan", "NA", "n/a", "NULL", "None", " na ", "nab"])
def test_csv_of_rows_without_a_room(word: str, tmp_path: Path) -> None:
    """A room's name may be missing as a signal may, and what was taken for it is said, unless it was nothing."""
    path, lines = tmp_path / "a.csv", table()
    path.write_text("\n".join(lines))
    known, _, _ = read_csv(path)
    path.write_text("\n".join(line.replace("kitchen", word) if i % 9 == 3 else line for i, line in enumerate(lines)))
    found, _, note = read_csv(path)
    gone = np.array(["kitchen" in line and i % 9 == 3 for i, line in enumerate(lines)][1:])
    if word == "nab":
        assert word in found.rooms and not note and (found.room[gone] == found.rooms.index(word)).all()
    else:
        assert found.rooms == known.rooms and np.array_equal(found.room, np.where(gone, -1, known.room))
        assert note == (f" Taken for no room: {word.strip()}." if word else "")


@pytest.mark.parametrize("step, window, said", [(500, 4, True), (61, 4, True), (60, 4, False), (500, 1, False)])
def test_csv_in_milliseconds_is_noticed(step: int, window: int, said: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    heading, *rows = table()
    path.write_text("\n".join([heading, *(f"{i * step},{row.split(',', 1)[1]}" for i, row in enumerate(rows))]))
    note = data.load_csv(path, window=window).note
    assert note.endswith(f" A row each {step} s: are these times in milliseconds?") == said


@pytest.mark.parametrize("pause", [21, 3600, 28_800, 86_400])
def test_a_pause_in_a_csv_changes_no_split_and_no_window(pause: int, tmp_path: Path) -> None:
    """What follows it is as what follows in a file with a column of sessions."""
    plain, paused = tmp_path / "plain.csv", tmp_path / "paused.csv"
    heading, *rows = table()
    apart = [(f"{i + (pause if i >= 320 else 0)},{row.split(',', 1)[1]}", f",{i >= 320}") for i, row in enumerate(rows)]
    paused.write_text("\n".join([heading, *(row for row, _ in apart)]))
    plain.write_text("\n".join([heading + ",who", *(row + who for row, who in apart)]))
    d = data.load_csv(paused, window=4, hop=2)
    check_no_leak(d)
    assert d.digest() == data.load_csv(plain, window=4, hop=2, session="who").digest()
    assert d.note.endswith(" Gaps of more than 20 s: 1; the rows behind each are a session of their own.")
    for part in (d.train, d.val, d.test):
        assert np.diff(part.time)[np.diff(part.session) == 0].max() == 1
        assert np.bincount(part.session).min() >= 16, "blocks of 5 windows of 4 rows, cut into equal shares"
    assert len(data.windows(d.train, Scaler.fit(d.train), 4, 2)) > 0.8 * len(d.train) / 2


@pytest.mark.parametrize("step, missing, said", [(0.2, 100, ""), (0.2, 101, "20"), (1, 20, ""), (1, 21, "20"), (4, 10, ""),
                                                 (4, 11, "40"), (60, 10, ""), (60, 11, "600")])
def test_gaps_in_a_csv_are_long_for_its_rows(step: float, missing: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    heading, *rows = table()
    path.write_text("\n".join([heading, *(f"{step * (i + (missing - 1 if i >= 300 else 0)):.10g},{row.split(',', 1)[1]}"
                                          for i, row in enumerate(rows))]))
    note = data.load_csv(path, window=4).note
    assert (f" Gaps of more than {said} s: 1;" in note) if said else "Gaps" not in note


def test_csv_of_what_no_device_hears(tmp_path: Path) -> None:
    """The least and the greatest dBm of a packet are taken; of less the note tells."""
    path = tmp_path / "a.csv"
    for least, said in (("-127", False), ("-127.5", True), ("-200", True)):
        path.write_text("\n".join(edit(6, f"4,kitchen,{least},20")(table())))
        d = data.load_csv(path, window=4)
        assert ("Below -127 dBm, which a device drops (not heard?): rssi_1." in d.note) == said
    assert "Below" not in data.load_csv(path, window=4, not_heard=-200).note


@pytest.mark.parametrize("change, options, message", [
    (lambda s: [], {}, "is empty"),
    (lambda s: s[:1], {}, "no rows below the heading"),
    (lambda s: s, {"time": "when"}, "row 1: no column 'when'; present: time, room, rssi_1, rssi_2"),
    (lambda s: s, {"rssi": "ap*"}, "no column begins with 'ap'; present: time"),
    (lambda s: s, {"rssi": ["rssi_1", "rssi_9"]}, "no column 'rssi_9'"),
    (lambda s: s, {"rssi": []}, "rssi names no column"),
    (lambda s: s, {"rssi": "*"}, "'time' is both a signal and"),
    (lambda s: s, {"delimiter": ", "}, "expected one character"),
    (lambda s: s, {"window": 0}, "expected at least 1"),
    (lambda s: s, {"delimiter": ";"}, r"row 1: one column only, 'time,.*; did you mean --delimiter ',' \(delimiter=','"),
    (lambda s: table(sep=";"), {}, "one column only, 'time;room;rssi_1;rssi_2'; did you mean --delimiter ';'"),
    (lambda s: table(sep="\t"), {}, r"one column only, .*; did you mean --delimiter '\\t'"),
    (lambda s: ["time", *map(str, range(99))], {}, "no column begins with 'rssi_'; present: time"),
    (edit(1, "time,room,rssi_1,rssi_1"), {}, "column 'rssi_1' occurs twice"),
    (edit(5, "3,kitchen,loud,-80"), {}, "row 5, column 'rssi_1': found 'loud', expected dBm"),
    (edit(5, "3,kitchen,-50,100"), {}, "row 5, column 'rssi_2': found '100', expected dBm of 20 at most.* --not-heard 100"),
    (edit(5, "3,kitchen,-50,20.5"), {"not_heard": 100}, "row 5, column 'rssi_2': found '20.5', expected dBm of 20"),
    (edit(5, "noon,kitchen,-50,-80"), {}, "row 5, column 'time': found 'noon', expected a number of seconds"),
    (edit(5, ",kitchen,-50,-80"), {}, "row 5, column 'time': found ''"),
    (edit(5, "3,kitchen,-inf,-80"), {}, "row 5, column 'rssi_1': found '-inf'"),
    (edit(5, "3,kitchen,-50"), {}, "row 5: 3 fields, expected 4"),
    *[(edit(5, f"3,kit{c}chen,-50,-80"), {}, "row 5(, column 'room': found 'kit.*chen', expected a name without|: .*NUL)")
      for c in "\x00\x01\t\x1f\x7f"],
    (edit(5, '3,"kit\nchen",-50,-80'), {}, r"row 6, column 'room': found 'kit\\nchen', expected a name without control"),
    (edit(1, "time,room,rssi_1,rssi_\x1b2"), {}, r"row 1, column 4: found 'rssi_\\x1b2', expected a name without control"),
    (edit(5, "2,kitchen,-50,-80"), {}, "row 5, column 'time': 2 repeats 2"),
    (edit(5, "1.5,kitchen,-50,-80"), {}, "row 5, column 'time': 1.5 goes back from 2"),
    (edit(5, "3,kitchen\udcff,-50,-80"), {}, "row 5: byte 0xff is not UTF-8"),
    *[(lambda s, no=no: s[:1] + [f"{i},{no},-50,-50" for i in range(99)], {}, "no row names a room, expected names")
      for no in ("", "NaN")],
    (lambda s: s[:1] + [f"{i},hall,,nan" for i in range(99)], {}, "nothing was heard in any of the columns"),
    (lambda s: s[:9], {}, "8 rows make 1 blocks of 20 s, too few for a"),
    (lambda s: s[:1] + [f"{i},room{i // 20},-50,-{i}" for i in range(100)], {}, "has no rows in train"),
    (lambda s: s, {"session": "room"}, "row 82, column 'room': 'kitchen' again after 'hall'"),
])
def test_csv_rejects(change: Callable[[list[str]], list[str]], options: dict[str, Any], message: str,
                     tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes("\n".join(change(table())).encode("utf-8", "surrogateescape"))
    with pytest.raises(TinylocError, match=message) as e:
        data.load_csv(path, **({"window": 4, "hop": 2} | options))
    assert not isinstance(e.value, DataError) or str(path) in str(e.value)


def test_csv_through_load_rejects(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(table()))
    with pytest.raises(ConfigError, match="columns: no option 'rsi'; it takes"):
        data.load(path, columns={"rsi": "rssi*"})
    with pytest.raises(ConfigError, match="no option 'house'"):
        data.load(path, house="A")
    with pytest.raises(DataError, match="is a folder; expected a CSV file or a data set"):
        data.load(tmp_path)


def test_import_needs_neither_numba_nor_pooch() -> None:
    import subprocess
    code = "import sys, tinyloc.data; sys.exit(bool({'numba', 'pooch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
