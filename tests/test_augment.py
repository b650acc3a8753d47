"""Augmentation: each kind changes what it says, by as much as it says, and nothing else; training with it is resumable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.data import Augmentation, Augmenter, Dataset, Samples, Scaler, load, windows
from tinyloc.errors import ConfigError, DataError
from tinyloc.model import Model, preset
from tinyloc.train import Inputs, Recipe, fit, last_rows, train

KINDS = ("offset", "gain", "noise", "deaf", "lost", "dead")
SHAPE = (400, 6, 30)


def heard(seed: int = 0, silent: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-95, -40, SHAPE).astype(np.float32)
    return np.where(rng.random(SHAPE) < silent, np.float32(np.nan), x)


def changed(x: np.ndarray, hold: int = 0, **how: float) -> np.ndarray:
    return Augmentation(**how)(x, np.random.default_rng(1), hold, float(np.nanmin(x)))


def test_nothing_asked_nothing_changed() -> None:
    x = heard()
    np.testing.assert_array_equal(changed(x), x)
    before = x.copy()
    changed(x, **dict.fromkeys(KINDS, 0.5))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silent_and_the_seed_decides(kind: str) -> None:
    x = heard()
    a, b = changed(x, **{kind: 0.5}), changed(x, **{kind: 0.5})
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, x, equal_nan=True) and a.dtype == np.float32
    assert np.isnan(a[np.isnan(x)]).all()


def test_offset_is_one_a_window() -> None:
    d = changed(heard(), offset=4.0) - heard()
    own = np.nanmean(d, (1, 2))
    np.testing.assert_allclose(d, np.broadcast_to(own[:, None, None], SHAPE) + 0 * d, atol=1e-4)
    assert own.std() == pytest.approx(4, rel=0.15) and abs(own.mean()) < 0.7


def test_gain_is_about_60_dbm() -> None:
    x = heard()
    y = changed(x, gain=0.2)
    own = np.nanmedian((y + 60) / (x + 60), (1, 2))
    np.testing.assert_allclose(y + 60, (x + 60) * own[:, None, None], atol=1e-2)
    assert own.std() == pytest.approx(0.2, rel=0.15)


def test_noise_is_a_value_s_own() -> None:
    d = changed(heard(), noise=3.0) - heard()
    assert np.nanstd(d) == pytest.approx(3, rel=0.02) and np.nanstd(np.nanmean(d, (1, 2))) < 0.5


def test_deaf_takes_the_weakest() -> None:
    x = heard()
    y = changed(x, deaf=6.0)
    for before, after in zip(x, y, strict=True):
        kept = np.isfinite(after)
        np.testing.assert_array_equal(after[kept], before[kept])
        lost = before[np.isfinite(before) & ~kept]
        assert not lost.size or lost.max() < after[kept].min()
    gone = np.isnan(y).mean() - np.isnan(x).mean()
    assert 0.04 < gone < 0.12  # of 55 dB, 6 sqrt(2 / pi) on average, of what is heard


@pytest.mark.parametrize("hold", [0, 2])
def test_lost_values_are_held(hold: int) -> None:
    x = heard(silent=0.0)
    y = changed(x, hold, lost=0.8)
    same, gone = y == x, np.isnan(y)
    for w, t, a in np.argwhere(~same & ~gone)[:300]:
        assert any(y[w, t, a] == x[w, t - k, a] for k in range(1, hold + 1) if t >= k)
    assert (hold > 0) == bool((~same & ~gone).any())
    assert (~same).mean() == pytest.approx(0.4, abs=0.03), "a window's share is uniform up to the greatest"
    shares = (~same).mean((1, 2))
    assert shares.max() < 0.9 and shares.std() > 0.15


def test_dead_access_points_are_dead_for_the_window() -> None:
    y = changed(heard(silent=0.0), dead=0.6)
    silent = np.isnan(y)
    assert (silent.all(1) | ~silent.any(1)).all() and silent.mean() == pytest.approx(0.3, abs=0.03)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 3))
def test_an_augmenter_s_windows_are_the_rows(length: int, delay: int, hold: int) -> None:
    n = 20
    s = Samples(np.arange(n, dtype=float), np.arange(n, dtype=np.float32)[:, None] - 100, np.zeros(n, int),
                np.repeat([0, 1], [12, 8]), ("a",), ("x",))
    about = np.arange(length, 12 - delay)
    made = Augmenter(s, hold, length, delay, 1.0, Augmentation())
    want = np.array([[[i + delay - length + 1 + k - 100] for k in range(length)] for i in about], np.float32)
    np.testing.assert_array_equal(made.windows(about), want.reshape(-1, length, 1))
    np.testing.assert_array_equal(made(about, np.random.default_rng(0)), made.windows(about))
    assert made.hold == hold and made.weakest == -100


@pytest.mark.parametrize("how, message", [
    ({"offset": -1}, "offset = -1; expected 0 to 40"), ({"lost": 1}, "lost = 1; expected 0 to 0.95"),
    ({"gain": 2}, "gain = 2"), ({"noise": float("nan")}, "noise = nan")])
def test_bad_amounts(how: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augmentation(**how)


# ---- training with it ----

QUICK = Recipe(epochs=4, batch=32, average=0.9)
EVERYTHING: dict[str, Any] = {"inputs": Inputs("powed", 1, 2), "augmentation": Augmentation(4, 0.1, 2, 2, 0.1, 0.1),
                              "refit": True}


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


class Stop(Exception):
    pass


@pytest.mark.parametrize("at", [2, 5], ids=["first run", "refit"])
def test_killed_and_resumed_is_as_if_never_stopped(house: Dataset, tmp_path: Path, at: int) -> None:
    teacher = fit(house, "mamba-h4l1", QUICK, inputs=EVERYTHING["inputs"])
    arguments: dict[str, Any] = {**EVERYTHING, "teachers": [teacher]}
    whole = fit(house, "mamba-h2l1", QUICK, **arguments)
    seen = 0

    def stop(epoch: object) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            raise Stop

    with pytest.raises(Stop):
        fit(house, "mamba-h2l1", QUICK, checkpoint=tmp_path / "c", progress=stop, **arguments)
    again = fit(house, "mamba-h2l1", QUICK, checkpoint=tmp_path / "c", **arguments)
    assert all(np.array_equal(again.params[k], whole.params[k]) for k in whole.params) and again.info == whole.info


def test_refit_sees_the_validation_rows(house: Dataset) -> None:
    """It trains as long as was best, on other rows; its score is the first run's."""
    a, b = (fit(house, "mamba-h4l1", QUICK, refit=refit) for refit in (False, True))
    assert b.info["refit"] and b.info["validation_macro_f1"] == a.info["validation_macro_f1"]
    assert b.info["epochs"] == a.info["best_epoch"]
    assert not np.array_equal(a.params["head.weight"], b.params["head.weight"])
    other = replace(house, val=house.val.take(np.arange(len(house.val)) // 60 % 2 == 0))
    assert not np.array_equal(fit(other, "mamba-h4l1", QUICK, refit=True).params["head.weight"], b.params["head.weight"])


def test_access_points_that_are_hardly_heard_are_left_out(house: Dataset) -> None:
    def deafened(s: Samples, rows: int) -> Samples:
        rssi = s.rssi.copy()
        rssi[:, 3] = np.nan
        rssi[:rows, 5] = -60
        rssi[rows:, 5] = np.nan
        return replace(s, rssi=rssi)

    d = replace(house, train=deafened(house.train, 4))
    for least, lacking in ((0, ()), (1, (3,)), (4, (3,)), (5, (3, 5))):
        model = fit(d, "mamba-h2l1", replace(QUICK, epochs=1), inputs=Inputs(least=least))
        assert model.info["aps"] == [a for i, a in enumerate(d.aps) if i not in lacking]
        assert model.config.aps == len(d.aps) - len(lacking) == last_rows(model.info, d.test).x.shape[2]
    with pytest.raises(DataError, match="no access point is heard in 100000 training rows"):
        fit(d, "mamba-h2l1", QUICK, inputs=Inputs(least=100000))


def test_balance_lifts_the_rare() -> None:
    """Of two rooms that look alike the commoner one is said; balanced, they are as likely as each other."""
    rng = np.random.default_rng(0)
    n = 2000
    s = Samples(np.arange(n, dtype=float), np.full((n, 1), -60.0), (rng.random(n) < 0.1).astype(int), np.arange(n),
                ("often", "seldom"), ("a",))
    w = windows(s, Scaler(np.array([-90]), np.array([-30])), 1, 1)

    def odds(balance: float) -> float:
        model = train(Model.create(preset("mamba-h1l1", 1, 2)), w, None,
                      Recipe(epochs=30, balance=balance, dropout=0, average=0.99), until=30)
        e = model.forward(w.x[:1])[0][0, 0] + model.params["crf.start"] + model.params["crf.end"]
        return float(e[1] - e[0])

    assert odds(0.0) == pytest.approx(np.log(s.room.mean() / (1 - s.room.mean())), abs=0.15)
    assert odds(1.0) == pytest.approx(0, abs=0.15)


def test_balance_lifts_no_room_that_never_occurs() -> None:
    """Nothing is known of it, and to say it could only be wrong: it is less likely than any other, and no likelier than
    without balance."""
    n = 400
    s = Samples(np.arange(n, dtype=float), np.full((n, 1), -60.0), (np.arange(n) % 10 == 0).astype(int), np.arange(n),
                ("often", "seldom", "never"), ("a",))
    w = windows(s, Scaler(np.array([-90]), np.array([-30])), 1, 1)

    def emissions(balance: float) -> np.ndarray:
        model = train(Model.create(preset("mamba-h1l1", 1, 3)), w, None, Recipe(epochs=30, balance=balance, dropout=0),
                      until=30)
        e: np.ndarray = model.forward(w.x[:1])[0][0, 0] + model.params["crf.start"] + model.params["crf.end"]
        return e - e.max()

    plain, balanced = emissions(0.0), emissions(1.0)
    assert balanced[2] < balanced[:2].min() - 1 and balanced[2] <= plain[2] + 0.1


@pytest.mark.parametrize("how, message", [
    ({"signal": "db"}, "unknown signal 'db'"), ({"delay": -1}, "delay = -1"), ({"least": 1.5}, "least = 1.5"),
    ({"signal": "powed", "power": 0}, "power = 0; expected 0.1 to 10"),
    ({"power": 3.0}, "power = 3.0 of minmax signals; expected signal \"powed\"")])
def test_bad_inputs(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Inputs(**how)
