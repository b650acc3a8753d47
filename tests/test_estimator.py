"""`TinyLocClassifier`: scikit-learn's own checks, and that what it learns and says is tinyloc's, not a second path."""

from __future__ import annotations

import math
import pickle
import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="extra 'sklearn' is not installed")

from click.testing import CliRunner
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from tinyloc import qat, run
from tinyloc.cli import main
from tinyloc.data import Dataset, Scaler, load, windows
from tinyloc.errors import TinylocError
from tinyloc.estimator import TinyLocClassifier, _decoder
from tinyloc.model import Model
from tinyloc.program import Program
from tinyloc.quantize import quantize
from tinyloc.train import Recipe, last_rows
from tinyloc.verify import audit, compare

QUICK: dict[str, Any] = {"epochs": 12, "random_state": 0}


@parametrize_with_checks([TinyLocClassifier(), TinyLocClassifier("mamba-h16l1-lean", quantize="int4")])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def house() -> Dataset:
    """A simulated house whose access points are called as the classifier calls columns without names."""
    d = load("simulated", minutes=10, test_minutes=3)
    names = tuple(f"ap{i}" for i in range(len(d.aps)))
    return replace(d, **{part: replace(getattr(d, part), aps=names) for part in ("train", "val", "test")})


@pytest.fixture(scope="module")
def walked(house: Dataset) -> TinyLocClassifier:
    return TinyLocClassifier(window=10, rate_hz=house.rate_hz, **QUICK).fit(*rows(house))


def rows(house: Dataset) -> tuple[np.ndarray, np.ndarray]:
    return house.train.rssi, np.array(house.rooms)[house.train.room]


def test_it_says_what_its_program_says(house: Dataset, walked: TinyLocClassifier) -> None:
    """Predictions are the Program's, which is the model's, which the library's own functions make of the same rows."""
    program, info = walked.program_, walked.model_.info
    w = last_rows(info, house.test)
    codes = program.buffers[program.input].quantize(w.x)
    said = walked.predict(house.test.rssi)
    assert np.array_equal(said, np.array(info["rooms"])[run.labels(program, w, "numba")])
    assert compare(program, codes[:40], ("c", "numba", "arena")).equal
    proba = walked.predict_proba(house.test.rssi)
    assert proba.shape == (len(house.test), len(house.rooms)) and np.allclose(proba.sum(1), 1)
    assert (walked.classes_[proba.argmax(1)] == said).mean() > 0.9, "the likeliest room is nearly always the path's end"
    crf = walked.model_.params["crf.transitions"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(walked.model_.params, "crf.transitions", crf + 9 * np.eye(len(crf), dtype=crf.dtype))
        assert np.array_equal(walked.predict_proba(house.test.rssi), proba), "by the Program's own transitions"
    truth = np.array(house.rooms)[house.test.room]
    assert walked.score(house.test.rssi, truth) == (said == truth).mean() > 0.4
    again = quantize(walked.model_, w.x)
    assert [s.op for s in again.steps] == [s.op for s in program.steps], "the model quantizes by itself too"
    assert audit(program).best.ram < 2048


@pytest.mark.parametrize(("window", "validation"), [(5, 0.2), (5, 0), (1, 0.2)])
def test_weights_of_four_bits_are_trained_as_integers(house: Dataset, window: int, validation: float) -> None:
    """`qat.fit` of the float model, on the same rows; probabilities are by the transitions that were trained."""
    X, y = (a[:600] for a in rows(house))
    made = TinyLocClassifier("mamba-h16l1-lean", window=window, balance=1.0, validation_fraction=validation, epochs=3,
                             quantize="int4", random_state=5).fit(X, y)
    program, info = made.program_, made.model_.info
    assert program.four_bits and program.info["weights"] == "int4" and made.n_iter_ == 3
    how = program.info["qat"]
    assert how["recipe"] == asdict(replace(qat.RECIPE, epochs=3, seed=5, balance=1.0)) and how["epochs"] == 3
    assert ("best_epoch" in how) == (validation > 0) == ("refit" not in program.info)
    samples, _ = made._samples(X, np.unique(y, return_inverse=True)[1], None, tuple(made.classes_), house.aps)
    again = qat.fit(made.model_, made._dataset(samples, False, 5), Recipe(**how["recipe"]), weights="int4")
    assert all(np.array_equal(v, again.data[k]) for k, v in program.data.items())
    X = house.test.rssi
    samples, _ = made._samples(X, house.test.room, None, house.rooms, house.aps)
    w = last_rows({**info, "rooms": house.rooms}, samples)
    said = made.predict(X)
    assert np.array_equal(said, made.classes_[run.labels(program, w, "numba")])
    proba = made.predict_proba(X)
    assert np.allclose(proba.sum(1), 1) and (made.classes_[proba.argmax(1)] == said).mean() > (0.9 if window > 1 else 0.999)
    if window > 1:
        found = _decoder(program)
        for name, value in made.model_.part("crf.").items():
            assert found[name].shape == value.shape and 0 < np.abs(found[name] - value).max() < 0.2, name


@pytest.mark.parametrize("model", ["mamba-h4l1", "mdcsa-h4l1-lean"])
def test_float_is_the_models(house: Dataset, model: str) -> None:
    X, y = rows(house)
    made = TinyLocClassifier(model, window=6, quantize="float", validation_fraction=0, **QUICK).fit(X, y)
    w = last_rows(made.model_.info, house.test)
    assert made.program_ is None and made.n_iter_ == QUICK["epochs"]
    assert np.array_equal(made.predict(house.test.rssi), made.classes_[made.model_.labels(w)])
    assert np.allclose(made.predict_proba(house.test.rssi).sum(1), 1)


def test_a_row_that_stands_alone(house: Dataset) -> None:
    """Order is nothing, silences are not bridged, and the likeliest room is the answer."""
    X, y = rows(house)
    made = TinyLocClassifier("mamba-h4l1", width=6, state=3, **QUICK).fit(X, y)
    assert (made.model_.config.d, made.model_.config.n) == (6, 3)
    order = np.random.default_rng(0).permutation(len(house.test))
    X = house.test.rssi
    assert np.isnan(X).any() and np.array_equal(made.predict(X)[order], made.predict(X[order]))
    assert np.array_equal(made.classes_[made.predict_proba(X).argmax(1)], made.predict(X))


def test_no_window_crosses_a_recordings_border(house: Dataset, walked: TinyLocClassifier) -> None:
    """Each recording is answered as if it were the only one, wherever its rows lie."""
    X = house.test.rssi[:300]
    group = np.arange(300) // 100
    alone = np.concatenate([walked.predict(X[group == g]) for g in range(3)])
    assert np.array_equal(walked.predict(X, groups=group), alone) and not np.array_equal(walked.predict(X), alone)
    mixed = np.argsort(np.arange(300) % 100, kind="stable")  # the three in turn
    assert np.array_equal(walked.predict(X[mixed], groups=group[mixed]), alone[mixed])
    assert np.array_equal(walked.predict_proba(X[mixed], groups=group[mixed]), walked.predict_proba(X, groups=group)[mixed])


def test_whole_recordings_are_held_out(house: Dataset) -> None:
    X = house.train.rssi
    group = np.arange(len(X)) // (len(X) // 6 + 1)
    made = TinyLocClassifier(window=5, rate_hz=house.rate_hz, random_state=1)
    samples, _ = made._samples(X, house.train.room, group, house.rooms, house.aps)
    data = made._dataset(samples, True, 1)
    assert data.train.group is not None and data.val.group is not None
    assert set(data.train.group) | set(data.val.group) == set(range(6)) and not set(data.train.group) & set(data.val.group)


def test_in_searches_pipelines_and_cross_validation(house: Dataset) -> None:
    X, y = (a[::8] for a in rows(house))
    pipeline = make_pipeline(FunctionTransformer(lambda v: v + 0.0), TinyLocClassifier(epochs=60, random_state=0))
    search = GridSearchCV(pipeline, {"tinylocclassifier__model": ["mamba-h1l1-lean", "mamba-h8l1-lean"]},
                          cv=StratifiedKFold(2, shuffle=True, random_state=0))
    search.fit(X, y)
    assert search.best_params_ == {"tinylocclassifier__model": "mamba-h8l1-lean"} and search.best_score_ > 0.35
    assert search.best_estimator_[-1].program_.steps
    group = np.arange(len(X)) // 25
    with config_context(enable_metadata_routing=True):
        made = TinyLocClassifier("mamba-h2l1-lean", window=4, **QUICK)
        made.set_fit_request(groups=True).set_score_request(groups=True)
        found = cross_val_score(made, X, y, cv=GroupKFold(3), params={"groups": group})
    for score, (train, test) in zip(found, GroupKFold(3).split(X, y, group), strict=True):
        assert score == made.fit(X[train], y[train], groups=group[train]).score(X[test], y[test], groups=group[test])


def test_what_is_saved_is_for_the_commands(tmp_path: Path, house: Dataset, walked: TinyLocClassifier) -> None:
    walked.save(tmp_path / "p")
    program = Program.load(tmp_path / "p")
    assert program.steps == walked.program_.steps and program.info["rooms"] == list(walked.classes_)
    again = pickle.loads(pickle.dumps(walked))
    assert np.array_equal(again.predict(house.test.rssi), walked.predict(house.test.rssi))


@pytest.mark.parametrize(("name", "value"), [
    ("epochs", np.int64(2)), ("batch", np.int64(16)), ("patience", np.int32(3)), ("delay", np.int64(1)),
    ("least", np.int8(1)), ("width", np.int64(8)), ("state", np.int64(2)), ("hop", np.int64(2)), ("window", np.int16(4)),
    ("power", np.float32(2)), ("learning_rate", np.float32(0.01)), ("balance", np.float32(1)), ("rate_hz", np.float32(5)),
    ("validation_fraction", np.float32(0.25)), ("random_state", np.int64(7)), ("model", np.str_("mamba-h2l1")),
    ("quantize", np.str_("float"))])
def test_numpys_numbers_are_pythons(house: Dataset, tmp_path: Path, name: str, value: Any) -> None:
    """The same model, byte for byte, and a parameter that stays as it was given."""
    X, y = (a[:400] for a in rows(house))
    for of, kind in (("p", type(value)), ("q", lambda v: v.item())):
        given = {"window": 4, "epochs": 1, "random_state": 0, name: kind(value)}
        made = TinyLocClassifier("mamba-h4l1-lean").set_params(**given).fit(X, y)
        assert type(made.get_params()[name]) is type(given[name])
        made.save(tmp_path / of)
    assert (tmp_path / "p").read_bytes() == (tmp_path / "q").read_bytes()


def test_a_search_over_ranges_of_numpys(house: Dataset, tmp_path: Path) -> None:
    X, y = (a[::8] for a in rows(house))
    search = GridSearchCV(TinyLocClassifier("mamba-h1l1-lean", random_state=0), cv=2, error_score="raise", param_grid={
        "epochs": np.arange(1, 3), "learning_rate": np.geomspace(1e-3, 1e-2, 2, dtype=np.float32)}).fit(X, y)
    search.best_estimator_.save(tmp_path / "p")
    assert Program.load(tmp_path / "p").info["recipe"]["epochs"] == search.best_params_["epochs"]


@pytest.mark.parametrize(("scale", "warns"), [
    (lambda X: X, False), (lambda X: np.nan_to_num(X, nan=-200.0), True), (lambda X: np.nan_to_num(X, nan=100.0), True),
    (lambda X: X + 120, True), (lambda X: X / 100 + 1.2, True), (lambda X: (X - np.nanmean(X, 0)) / np.nanstd(X, 0), True)])
def test_what_no_device_hears_is_said_when_it_is_saved(house: Dataset, tmp_path: Path, scale: Any, warns: bool) -> None:
    """It trains and predicts as well, in Python alone; the command that makes the firmware says so too."""
    X, y = rows(house)
    made = TinyLocClassifier("mamba-h2l1-lean", epochs=1, random_state=0).fit(scale(X), y)
    with pytest.warns(UserWarning, match="firmware takes whole dBm from -127 to 20") if warns else nullcontext():
        made.save(tmp_path / "p")
    said = CliRunner().invoke(main, ["export", str(tmp_path / "p"), "--windows", "0", "--out", str(tmp_path / "firmware")])
    assert said.exit_code == 0 and ("firmware takes whole dBm" in said.stderr) == warns


@pytest.mark.parametrize("grouped", [False, True])
def test_all_rows_are_trained_on(house: Dataset, grouped: bool) -> None:
    """validation_fraction=0: recordings in one piece, their last rows in the last windows."""
    X, y = (a[:200] for a in rows(house))
    groups = np.arange(200) // 100 if grouped else None
    made = TinyLocClassifier(window=4, validation_fraction=0)
    samples, _ = made._samples(X, np.unique(y, return_inverse=True)[1], groups, house.rooms, house.aps)
    d = made._dataset(samples, grouped, 0)
    for known in (d.train, d.known):
        assert len(known) == 200 and len(np.unique(known.session)) == 1 + grouped
        assert (windows(known, Scaler.fit(known), 4, d.hop).row == 199).any()
    short = TinyLocClassifier("mamba-h2l1-lean", window=20, validation_fraction=0, epochs=1, random_state=0)
    assert len(short.fit(X[:20], y[:20]).predict(X[:20])) == 20, "one window, which holds the last row"


def test_data_frames_name_the_access_points(tmp_path: Path, house: Dataset) -> None:
    pandas = pytest.importorskip("pandas")
    X, y = rows(house)
    frame = pandas.DataFrame(X, columns=list(house.aps))
    made = TinyLocClassifier("mamba-h2l1-lean", quantize="float", **QUICK).fit(frame, y)
    assert made.model_.info["aps"] == list(house.aps) == list(made.feature_names_in_)
    made.save(tmp_path / "m")
    assert Model.load(tmp_path / "m").info == made.model_.info
    with pytest.raises(ValueError, match="feature names"):
        made.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize(("change", "words"), [
    ({"model": "mamba-h3l1"}, "unknown preset 'mamba-h3l1'"),
    ({"quantize": "int2"}, r"unknown quantize 'int2'; did you mean 'int8'\? Known: float, int4, int8"),
    *[({name: value}, rf"unknown {'preset' if name == 'model' else name} {re.escape(repr(value))}.* Known: ")
      for name in ("model", "quantize", "signal", "calibration", "decay") for value in (4, None, True, ["int8"])],
    ({"quantize": 4}, "did you mean 'int4'"),
    ({"window": 0}, "window = 0; expected a whole number"), ({"window": 2.5}, "window = 2.5"),
    *[({name: value}, f"{name} = {re.escape(repr(value))}; expected a whole number")
      for name in ("window", "hop", "epochs", "batch", "patience") for value in (1.5, "5", math.inf, [1])],
    *[({name: value}, f"{name} = {re.escape(repr(value))}; expected a number")
      for name in ("rate_hz", "power", "learning_rate", "balance", "validation_fraction") for value in ("5", [1])],
    ({"rate_hz": math.inf}, "rate_hz = inf; expected .* more than 0, finite"), ({"rate_hz": math.nan}, "rate_hz = nan"),
    ({"validation_fraction": 1}, "validation_fraction = 1"), ({"rate_hz": 0}, "rate_hz = 0"),
    ({"epochs": 0}, "epochs = 0; expected 1"), ({"signal": "db"}, "unknown signal 'db'"),
    ({"width": 0}, "d: expected a whole"), ({"window": 30, "validation_fraction": 1e-6}, "splits 40 rows into 40"),
    ({"least": 99}, "no access point is heard in 99"),
    ({"calibration": "mes"}, "did you mean 'mse'"), ({"delay": 1}, "a row of estimator stands alone"),
])  # fmt: skip
def test_bad_parameters_are_named(change: dict[str, Any], words: str) -> None:
    X = np.random.default_rng(0).normal(-70, 5, (40, 3))
    with pytest.raises(TinylocError, match=words):
        TinyLocClassifier("mamba-h2l1-lean", epochs=1, random_state=0).set_params(**change).fit(X, np.arange(40) % 2)


def test_the_readmes_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).resolve().parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n([^`]*TinyLocClassifier.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert float(capsys.readouterr().out.split()[0]) > 0.4
    assert Program.load(tmp_path / "rooms.int8.safetensors").can_stream


def test_without_scikit_learn_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import tinyloc.estimator"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert done.returncode == 1 and "pip install 'tinyloc[sklearn]'" in done.stderr
