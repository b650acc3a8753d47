"""Confidence: statistics against what is known of them, the same labels as without, and shares that come true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, streaming_program, windows

from tinyloc import confidence, data, run
from tinyloc.cli import main
from tinyloc.confidence import Reliability, calibration_error, design_effect, fit, labels_and_margins, lower_bound, threshold
from tinyloc.data import Dataset
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.quantize import calibrate, quantize
from tinyloc.run import Session
from tinyloc.train import Recipe, last_rows
from tinyloc.train import fit as train
from tinyloc.verify import audit, compare

LEARNT = Recipe(epochs=30, lr=0.01)
ANY = Reliability(np.sort(np.random.default_rng(2).integers(0, 256, 64)).astype(np.uint8), 5)


# ---- statistics ----

def test_calibration_error_by_hand() -> None:
    """Two bins: 0.5 of which 3 of 4 are right, 0.9 of which 1 of 2 is."""
    c, right = [0.5] * 4 + [0.9] * 2, [1, 1, 1, 0, 1, 0]
    assert calibration_error(c, right, 10) == pytest.approx((4 * 0.25 + 2 * 0.4) / 6)
    assert calibration_error([1.0, 0.0], [1, 0]) == 0 and np.isnan(calibration_error([], []))
    with pytest.raises(DataError, match=r"confidences have shape \(2,\), right or wrong \(3,\)"):
        calibration_error([0.5, 0.5], [1, 0, 1])


def test_rows_that_repeat_each_other_count_once() -> None:
    right = np.random.default_rng(0).random(4000) < 0.8
    assert design_effect(right, np.arange(4000)) == pytest.approx(1, abs=1e-3)
    for times in (5, 20):
        assert design_effect(np.repeat(right, times), np.repeat(np.arange(4000), times)) == pytest.approx(times, rel=1e-3)
    assert design_effect([True] * 6, [0, 0, 0, 1, 1, 1]) == 3, "all right says nothing of how they hang together"
    assert design_effect([], []) == 1


@pytest.mark.parametrize(("right", "n", "bound"), [
    (8, 10, 0.4901625), (0, 10, 0.0), (10, 10, 0.7224672), (81, 263, 0.2552827)])
def test_lower_bound_is_wilsons(right: int, n: int, bound: float) -> None:
    """Figures of R's binom.confint(methods = "wilson") and of Newcombe (Statistics in Medicine 17:857, 1998)."""
    assert lower_bound(right, n, 1.959964) == pytest.approx(bound, abs=2e-4)
    assert lower_bound(right, 0) == 0


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 50)), min_size=1, max_size=30))
def test_rising_is_isotonic_regression(pairs: list[tuple[float, int]]) -> None:
    y, w = (np.array(v, float) for v in zip(*pairs, strict=True))
    got = confidence._rising(y, w)
    assert (np.diff(got) >= 0).all() and got @ w == pytest.approx(y @ w)
    isotonic = pytest.importorskip("sklearn.isotonic", reason="the judge is scikit-learn's")
    np.testing.assert_allclose(got, isotonic.isotonic_regression(y, sample_weight=w), atol=1e-9)


@pytest.mark.parametrize("steep", [0.002, 0.02, 0.2])
def test_a_known_reliability_is_found(steep: float) -> None:
    rng = np.random.default_rng(1)
    margin = rng.exponential(3 / steep, 20_000)
    true = 1 / (1 + np.exp(-steep * margin))
    found = fit(margin, rng.random(len(margin)) < true)
    c = found.of(margin) / 255
    assert np.abs(c - true).mean() < 0.02 and (np.diff(found.table.astype(int)) >= 0).all()
    fresh = rng.exponential(3 / steep, 20_000)
    assert calibration_error(found.of(fresh) / 255, rng.random(len(fresh)) < 1 / (1 + np.exp(-steep * fresh))) < 0.02


def test_few_rows_are_no_certainty() -> None:
    assert 0.5 < fit([5.0] * 3, [True] * 3).table.max() / 255 < 0.98
    assert fit([5.0] * 300, [True] * 300).table.max() / 255 > 0.99
    assert fit([5.0] * 300, [True] * 300, effect=100).table.max() == fit([5.0] * 3, [True] * 3).table.max()
    with pytest.raises(DataError, match="expected two vectors of one length, not 0"):
        fit([], [])


@pytest.mark.parametrize(("precision", "want"), [
    (0.5, (10, True)), (0.95, (100, True)), (0.97, (200, True)), (0.999, (200, False))])
def test_threshold(precision: float, want: tuple[int, bool]) -> None:
    """1,000 rows each: of confidence 10, 80 % are right, of 100, 94 %, of 200, 99 %."""
    c = np.repeat([10, 100, 200], 1000).astype(np.uint8)
    right = np.concatenate([np.arange(1000) % 1000 < n for n in (800, 940, 990)])
    assert threshold(c, right, precision, np.arange(3000)) == want


# ---- Programs ----

@pytest.fixture(scope="module")
def house() -> Dataset:
    return data.load("simulated", minutes=12, test_minutes=3)


@pytest.fixture(scope="module")
def programs(house: Dataset) -> dict[str, Program]:
    """A Mamba and an MDCSA that have learnt a little, and a Mamba of rows that stand alone."""
    made = {n: train(house, n, LEARNT) for n in ("mamba-h4l1-lean", "mdcsa-h4l1")}
    made["alone"] = train(house, "mamba-h4l1", replace(LEARNT, epochs=8), window=1, hop=1)
    return {n: calibrate(m, house, "minmax") for n, m in made.items()}


def some(program: Program) -> np.ndarray:
    return windows(program, 12, 3)


@pytest.mark.parametrize("name", ["mamba-h4l1-lean", "mdcsa-h4l1", "alone"])
def test_same_labels_and_the_tables_confidence(programs: dict[str, Program], name: str) -> None:
    program = programs[name]
    made, x = confidence.with_table(program, ANY), some(program)
    assert confidence.has_confidence(made) and not confidence.has_confidence(program)
    y, labels = Session(made, "c").run_windows(x), Session(program, "c").run_windows(x)
    np.testing.assert_array_equal(y[..., 0], labels[..., 0])
    real, of = program.buffers[program.input].dequantize, data.Recordings
    anew = data.Windows(real(x), np.zeros(x.shape[:2], int), np.arange(len(x)))
    found, margin = labels_and_margins(program, anew, batch=5)
    np.testing.assert_array_equal(found, labels[:, -1, 0])
    # As firmware runs it: two recordings, sample by sample where it streams.
    carried = replace(anew, recordings=of(real(x[:, -1]), np.repeat([0, 5], [5, 7]), 1))
    found, sure = labels_and_margins(program, carried, batch=5)
    np.testing.assert_array_equal(np.stack([found, ANY.of(sure)], 1), run.answers(made, carried))
    assert np.array_equal(sure, margin) != program.carries
    np.testing.assert_array_equal(ANY.of(margin), y[:, -1, 1])
    assert len(np.unique(y[..., 1])) > 3
    assert compare(made, x, ("numba", "c", "arena")).equal
    if made.can_stream:
        session = Session(made.retime(1))
        for window, whole in zip(x, y, strict=True):
            session.reset()
            np.testing.assert_array_equal(session.run_stream(window), whole)
    with pytest.raises(ModelError, match="has confidences already"):
        confidence.with_table(made, ANY)


def test_what_has_no_decoder_is_refused() -> None:
    with pytest.raises(ModelError, match=r"the last step is \w+, expected a decoder"):
        confidence.with_table(random_program(1, ops=("linear_s8",)), ANY)
    assert confidence.has_confidence(confidence.with_table(streaming_program(), ANY))


@pytest.mark.parametrize("name", ["mamba-h4l1-lean", "mdcsa-h4l1", "alone"])
def test_calibrate(programs: dict[str, Program], house: Dataset, name: str) -> None:
    made = confidence.calibrate(programs[name], house, 0.9)
    c, w = made.info["confidence"], last_rows(made.info, house.val)
    y = run.answers(made, w)
    known, right = w.y[:, -1] >= 0, y[:, 0] == w.y[:, -1]
    sure = known & (y[:, 1] >= c["threshold"])
    v = c["validation"]
    assert v["rows"] == known.sum() and v["answered"] == pytest.approx(sure.sum() / known.sum())
    assert v["precision"] == pytest.approx(right[sure].mean()) and (v["precision"] >= 0.9 or not c["reached"])
    assert right[sure].mean() > right[known].mean(), "what is unsure is wrong more often"
    assert v["calibration_error"] == pytest.approx(calibration_error(y[known, 1] / 255, right[known])) and (
        v["calibration_error"] < 0.08)
    assert 1 <= c["least"] <= len(house.aps) and 1 <= c["warm_up"] <= max(1, made.info["window"]) and not c["seen"]
    if name == "alone":
        assert c["warm_up"] == 1
    again = confidence.calibrate(programs[name], house, 0.9)
    assert again.info == made.info and all(np.array_equal(again.data[n], made.data[n]) for n in made.data)
    names = house.rooms[::-1]
    other = replace(house, **{part: replace(rows, room=rows.numbers_in(names)[rows.room], rooms=names)
                              for part in ("train", "val", "test") for rows in [getattr(house, part)]})
    assert confidence.calibrate(programs[name], other, 0.9).info["confidence"] == c, "rooms are told by name"
    assert audit(made).best == audit(confidence.sized(programs[name])).best == audit(confidence.sized(made)).best


def test_bad_input_is_named(programs: dict[str, Program], house: Dataset) -> None:
    program = programs["mdcsa-h4l1"]
    for precision in (0.0, 1.0, 1.5):
        with pytest.raises(ConfigError, match=f"precision {precision}: expected more than 0 and less than 1"):
            confidence.calibrate(program, house, precision)
    none = replace(house, val=replace(house.val, room=np.full(len(house.val), -1)))
    with pytest.raises(DataError, match="expected a labeled one, there is none"):
        confidence.calibrate(program, none)


def test_command_line(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    walk = [f"{i},{'ab'[i // 20 % 2]},{rng.normal(-60 - 8 * (i // 20 % 2), 4):.0f},{rng.normal(-70, 4):.0f}"
            for i in range(900)]
    (tmp_path / "walk.csv").write_text("time,room,rssi_1,rssi_2\n" + "\n".join(walk))
    source = ["--data", str(tmp_path / "walk.csv")]
    train(data.load(source[1], columns={}), "mdcsa-h2l1", Recipe(epochs=2)).save(tmp_path / "m")
    for more, expected in ((["--precision", "0.8"], True), (["--no-confidence"], False)):
        done = CliRunner().invoke(main, ["quantize", str(tmp_path / "m"), "--out", str(tmp_path / "p"), "--calibration",
                                         "minmax", *source, *more])
        assert done.exit_code == 0, done.output
        program = Program.load(tmp_path / "p")
        assert confidence.has_confidence(program) == expected == ("confidence" in program.info)
        assert ("of the validation rows" in done.output) == expected
    wrong = CliRunner().invoke(main, ["quantize", str(tmp_path / "m"), "--out", "x", *source, "--precision", "1"])
    assert wrong.exit_code == 2 and "precision" in wrong.output


# ---- the state of a stream ----

def test_states_have_room_for_a_stream(house: Dataset) -> None:
    """A window says little of where states go that forget slowly: over stretches they saturate, unless these were seen."""
    model = Model.create(preset("mamba-h8l1", len(house.aps), len(house.rooms)), 3)
    model.info.update(window=6, rate_hz=house.rate_hz, aps=list(house.aps))
    from tinyloc.quantize import calibration_of, stretches_of

    x, stretches = calibration_of(model, house), stretches_of(model, house)
    assert stretches is not None and stretches.shape[1] == 96
    ends = []
    for program in (quantize(model, x, "minmax", "free"), quantize(model, x, "minmax", "free", stretches)):
        session, name = Session(program.retime(1), "c"), program.saturating[0]
        most = 0
        for stretch in program.buffers[program.input].quantize(stretches[:8]):
            session.reset()
            for row in stretch:
                session.run(row[None])
                most = max(most, int(np.abs(session.value(name).astype(int)).max()))
        ends.append(most)
    assert ends[0] >= 32767 > 32767 / 1.3 > ends[1] > 8000
    assert stretches_of(Model.create(preset("mdcsa-h4l1", len(house.aps), len(house.rooms))), house) is None
