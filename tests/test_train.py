"""Training: it learns, it is deterministic, it stops early, it resumes, it keeps the best on Ctrl-C."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyloc import confidence, qat
from tinyloc.data import Augmentation, Augmenter, Dataset, Samples, Scaler, Windows, every_row, load, windows
from tinyloc.distill import Distillation, Teachers
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.model import Model, preset
from tinyloc.quantize import calibrate
from tinyloc.train import Changing, Epoch, Inputs, Recipe, fit, identity, labeled, last_rows, scores, train

QUICK = Recipe(epochs=6, batch=32, average=0.9)


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


@pytest.fixture(scope="module")
def parts(house: Dataset) -> tuple[Windows, Windows]:
    scaler = Scaler.fit(house.train)
    return windows(house.train, scaler, 20, 10), every_row(house.val, scaler, 20)


def test_a_run_is_all_that_decides_it(house: Dataset, parts: tuple[Windows, Windows]) -> None:
    """Each change alone gives another identity, also what clipping hides: windows change before they are clipped."""
    model, how = fresh(house), Augmentation(offset=3)
    scaler = Scaler.fit(house.train)

    def changing(rows: Samples, rate: float = 5.0, how: Augmentation = how, scaler: Scaler = scaler) -> Changing:
        return Changing(Augmenter(rows, scaler.hold, 20, 0, rate, how), scaler, np.arange(len(house.aps)))

    rows = house.train
    louder = replace(rows, rssi=np.where(rows.rssi == np.nanmax(rows.rssi), rows.rssi + 1, rows.rssi))
    training, validation = parts
    believed = Teachers([fit(house, "mamba-h2l1", replace(QUICK, epochs=1))], house, 20).believe(
        changing(rows).augmenter.windows(training.row))
    runs: list[tuple[Any, ...]] = [
        (model, [], parts), (fresh(house, "mamba-h4l1"), [], parts), (Model.create(model.config, 1), [], parts),
        (model, [1], parts), (model, [], (training, None)), (model, [], (validation, training)),
        *((model, [], (replace(training, recordings=replace(training.recordings, **of)), validation)) for of in (
            {"x": training.recordings.x[::-1]}, {"first": np.zeros_like(training.recordings.first)})),
        (model, [], parts, believed), (model, [], parts, replace(believed, how=Distillation(0.4))),
        (model, [], parts, replace(believed, rooms=believed.rooms[::-1])),
        *((model, [], parts, None, c) for c in (
            changing(rows), changing(rows, how=Augmentation(noise=3)), changing(rows, 2.0), changing(louder),
            changing(rows, scaler=replace(scaler, power=2.0)))),
    ]
    assert len({identity(*run) for run in runs}) == len(runs)
    assert identity(*runs[0]) == identity(fresh(house), [], parts)


def test_rows_that_stand_alone_have_no_delay(house: Dataset) -> None:
    with pytest.raises(ConfigError, match="delay = 1; expected 0: a row of simulated stands alone"):
        fit(replace(house, rate_hz=0.0), "mamba-h2l1", QUICK, inputs=Inputs(delay=1))


@pytest.mark.parametrize("delay", [20, 1000])
def test_a_window_holds_the_row_that_it_is_about(house: Dataset, delay: int) -> None:
    assert fit(house, "mamba-h2l1", replace(QUICK, epochs=1), inputs=Inputs(delay=19)).info["delay"] == 19
    with pytest.raises(ConfigError, match=f"delay = {delay}; expected less than a window's 20 rows"):
        fit(house, "mamba-h2l1", QUICK, inputs=Inputs(delay=delay))


@pytest.mark.parametrize("change, words", [
    ({"classes": 3}, "the configuration has 3 rooms; simulated has 7"), ({"classes": 12}, "has 12 rooms"),
    ({"aps": 5}, "the configuration has 5 inputs; expected 11, those that are heard")])
def test_a_configuration_of_other_data_is_refused(house: Dataset, change: dict[str, int], words: str) -> None:
    config = replace(preset("mamba-h2l1", len(house.aps), len(house.rooms)), **change)
    with pytest.raises(ConfigError, match=words):
        fit(house, config, QUICK)


def test_a_room_that_the_model_lacks_is_refused(house: Dataset, parts: tuple[Windows, Windows]) -> None:
    few = Model.create(preset("mamba-h2l1", len(house.aps), 3))
    with pytest.raises(DataError, match="the data have a room 6; expected less than the model's 3"):
        train(few, *parts, QUICK)


def test_what_has_seen_the_validation_rows_says_so(house: Dataset) -> None:
    """Whoever goes on with it, so that nothing is judged by these rows later."""
    known = fit(house, "mamba-h2l1", replace(QUICK, epochs=2), until=1)
    chosen = fit(house, "mamba-h2l1", replace(QUICK, epochs=2))
    assert known.info["refit"] and "refit" not in chosen.info
    for model, until, seen in ((known, None, True), (chosen, 1, True), (chosen, None, False)):
        program = qat.fit(model, house, Recipe(epochs=1, dropout=0.0), method="minmax", until=until)
        assert bool(program.info.get("refit")) == seen == ("validation_macro_f1" not in program.info["qat"])
        assert confidence.calibrate(program, house).info["confidence"]["seen"] == seen


def fresh(house: Dataset, name: str = "mamba-h8l1") -> Model:
    return Model.create(preset(name, len(house.aps), len(house.rooms)))


def same(a: Model, b: Model) -> bool:
    return all(np.array_equal(a.params[k], b.params[k]) for k in a.params)


@pytest.mark.parametrize("name", ["mamba-h8l1", "mdcsa-h8l1"])
def test_learns(name: str) -> None:
    house = load("simulated", minutes=12, test_minutes=3)
    epochs: list[Epoch] = []
    model = fit(house, name, Recipe(epochs=40), progress=epochs.append)
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert model.info["validation_macro_f1"] == max(e.score for e in epochs) > 0.5
    assert model.info["rooms"] == list(house.rooms) and model.info["simulated"]
    w = last_rows(model.info, house.test)
    s = scores(w.y[:, -1], model.labels(w), house.rooms)
    # What always says the commonest room reaches 1 / rooms of F1 at the very most.
    assert s["macro_f1"] > 2 / len(house.rooms) and set(s["f1"]) == set(house.rooms)


def test_a_model_may_hear_less_than_the_data_have(house: Dataset) -> None:
    """From training to teaching and quantization, by the access points' names."""
    few = house.select([house.aps[i] for i in (7, 2, 4)])
    model = fit(few, "mamba-h4l1", replace(QUICK, epochs=1))
    np.testing.assert_array_equal(*(last_rows(model.info, d.test).x for d in (house, few)))
    taught = [fit(d, "mamba-h4l1", replace(QUICK, epochs=1), teachers=[model]) for d in (house, house.select(few.aps[::-1]))]
    assert [m.config.aps for m in taught] == [11, 3]
    a, b = (calibrate(model, d, "minmax", "powers") for d in (house, few))
    assert all(np.array_equal(a.data[k], v) for k, v in b.data.items()) and a.buffers == b.buffers


def test_same_seed_same_bits(house: Dataset, parts: tuple[Windows, Windows]) -> None:
    a, b = (train(fresh(house), *parts, QUICK) for _ in range(2))
    assert same(a, b) and not same(a, train(fresh(house), *parts, replace(QUICK, seed=1)))


def test_input_is_left_alone(house: Dataset, parts: tuple[Windows, Windows]) -> None:
    model = fresh(house)
    before = {k: v.copy() for k, v in model.params.items()}
    train(model, *parts, replace(QUICK, epochs=1))
    assert all(np.array_equal(before[k], v) for k, v in model.params.items())


class Stop(Exception):
    pass


def after(epoch: int, error: type[BaseException]) -> Any:
    def progress(e: Epoch) -> None:
        if e.number == epoch:
            raise error

    return progress


@pytest.mark.parametrize("name", ["mamba-h8l1", "mdcsa-h4l1"])
def test_killed_and_resumed_is_as_if_never_stopped(house: Dataset, parts: tuple[Windows, Windows], tmp_path: Path,
                                                   name: str) -> None:
    whole = train(fresh(house, name), *parts, QUICK)
    file = tmp_path / "c"
    with pytest.raises(Stop):
        train(fresh(house, name), *parts, QUICK, checkpoint=file, progress=after(3, Stop))
    seen: list[int] = []
    resumed = train(fresh(house, name), *parts, QUICK, checkpoint=file, progress=lambda e: seen.append(e.number))
    assert seen == [4, 5, 6] and same(whole, resumed) and whole.info == resumed.info
    # A finished run's checkpoint stays until the model is saved: it resumes at once.
    assert same(train(fresh(house, name), *parts, QUICK, checkpoint=file, progress=after(1, Stop)), whole)


def test_ctrl_c_keeps_the_best_and_the_checkpoint(house: Dataset, parts: tuple[Windows, Windows], tmp_path: Path) -> None:
    file = tmp_path / "c"
    stopped = train(fresh(house), *parts, QUICK, checkpoint=file, progress=after(3, KeyboardInterrupt))
    assert stopped.info["interrupted"] and stopped.info["epochs"] == 3 and file.exists()
    assert same(train(fresh(house), *parts, QUICK, checkpoint=file), train(fresh(house), *parts, QUICK))


def test_checkpoint_of_another_run_is_refused(house: Dataset, parts: tuple[Windows, Windows], tmp_path: Path) -> None:
    file = tmp_path / "c"
    with pytest.raises(Stop):
        train(fresh(house), *parts, QUICK, checkpoint=file, progress=after(1, Stop))
    data = file.read_bytes()
    with pytest.raises(ModelError, match=r"a checkpoint of another run.* --no-resume, remove it"):
        train(fresh(house), *parts, replace(QUICK, lr=0.01), checkpoint=file)
    cut = [Windows(w.x.reshape(-1, 10, w.x.shape[2]), w.y.reshape(-1, 10), w.row.repeat(2)) for w in parts]
    with pytest.raises(ModelError, match=r"a checkpoint of another run.* --no-resume, remove it"):
        train(fresh(house), *cut, QUICK, checkpoint=file)
    assert file.read_bytes() == data
    file.write_bytes(data[:100])
    with pytest.raises(ModelError, match="cut off"):
        train(fresh(house), *parts, QUICK, checkpoint=file)


def test_stops_early(house: Dataset, parts: tuple[Windows, Windows]) -> None:
    model = train(fresh(house), *parts, Recipe(epochs=50, patience=2, lr=1e-6, average=0.0))
    assert model.info["epochs"] - model.info["best_epoch"] == 2 < 50


def test_unlabeled_windows_are_left_out() -> None:
    w = Windows(np.zeros((3, 2, 1), np.float32), np.array([[0, 1], [-1, 0], [0, -1]]), np.arange(3))
    assert len(labeled(w)) == 1


def test_bad_input(house: Dataset, parts: tuple[Windows, Windows]) -> None:
    nothing = Windows(parts[0].x[:0], parts[0].y[:0], parts[0].row[:0])
    with pytest.raises(DataError, match="training has no labeled window"):
        train(fresh(house), nothing, parts[1], QUICK)
    with pytest.raises(DataError, match="validation has no labeled window"):
        train(fresh(house), parts[0], nothing, QUICK)
    with pytest.raises(ConfigError, match="epochs = 0; expected 1"):
        Recipe(epochs=0)
    assert Recipe(epochs=np.int64(2), lr=np.float32(0.5)) == Recipe(epochs=2, lr=0.5)
    json.dumps(asdict(Recipe(epochs=np.int64(2), lr=np.float32(0.5))))
    for name in ("epochs", "batch", "patience"):
        with pytest.raises(ConfigError, match=f"{name} = 2.5; expected a whole number"):
            Recipe(**{name: 2.5})
    for cut in ({"window": 0}, {"hop": 0}):
        with pytest.raises(ConfigError, match="expected at least 1"):
            fit(house, "mamba-h2l1", QUICK, **cut)
    with pytest.raises(ConfigError, match="lr = nan"):
        Recipe(lr=float("nan"))
    with pytest.raises(DataError, match="the model hears 11 access points"):
        model = fresh(house)
        model.info = {"aps": list(house.aps), "scaler": Scaler.fit(house.train).to_dict(), "window": 20}
        last_rows(model.info, load("simulated", minutes=4, test_minutes=1, aps=5).test)
    with pytest.raises(ModelError, match=r"the loss became .*; expected a finite"), np.errstate(invalid="ignore"):
        bad = parts[0].x.copy()
        bad[0] = np.inf
        train(fresh(house), Windows(bad, parts[0].y, parts[0].row), parts[1], QUICK)
