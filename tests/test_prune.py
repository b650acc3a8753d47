"""Structured pruning: what says nothing goes without a change, importances are slopes, targets and budgets are met, a killed
run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc import confidence
from tinyloc import prune as pruning
from tinyloc.cli import main
from tinyloc.data import Dataset, Windows, load
from tinyloc.data.augment import Augmentation
from tinyloc.distill import Distillation
from tinyloc.errors import BrokenError, ConfigError, DataError, ModelError, TinylocError
from tinyloc.model import Config, Model, preset
from tinyloc.prune import (
    PLACES,
    choose,
    cut,
    dimensions,
    forget,
    importance,
    measure,
    parts,
    prune,
    resolve,
    shrink,
    within,
)
from tinyloc.quantize import calibrate, calibration_of, quantize
from tinyloc.reference.conv import conv1d
from tinyloc.reference.mdcsa import out_conv_geometry
from tinyloc.reference.scan import decay_rates
from tinyloc.train import Epoch, Inputs, Recipe, fit, last_rows, loss_and_gradients, prior_of, with_info
from tinyloc.verify import audit, compare

CONFIGS = {
    "mamba": Config("mamba", 5, 4, 6, blocks=3, n=6, k=3, inner=7, rank=2),
    "mamba, tied": Config("mamba", 5, 4, 6, blocks=2, n=9, k=3, inner=5, rank=2, tied=True),
    "mamba, as others have it": Config("mamba", 5, 4, 6, blocks=2, n=4, k=3, final_norm=True, head_bias=True),
    "mamba, no states": Config("mamba", 5, 4, 6, blocks=2, n=0, k=3, inner=7),
    "mdcsa": Config("mdcsa", 5, 4, 4, fc1=6, fc2=5, dead_weights=True),
    "mdcsa, 2 heads": Config("mdcsa", 5, 4, 6, kernels=(3, 3), fc1=6, fc2=5, dead_weights=True),
    "mdcsa, 3 heads": Config("mdcsa", 5, 4, 4, kernels=(2, 2, 2), fc1=6, fc2=5),
}
CUTS = [(name, dimension) for name, config in CONFIGS.items() for dimension in dimensions(config)
        if config.sizes[dimension] > 1]


def random(config: Config, seed: int = 0) -> Model:
    """In float64, every parameter away from its first value, and info as training leaves it."""
    rng = np.random.default_rng(seed)
    model = Model.create(config, seed)
    model.params = {k: v.astype(float) + 0.3 * rng.standard_normal(v.shape) for k, v in model.params.items()}
    model.info = {"aps": [f"ap{i}" for i in range(config.aps)], "window": 7,
                  "scaler": {"lo": [-100.0 - i for i in range(config.aps)], "hold": 1.0}}
    return model


def kept(draw: Any, config: Config, dimension: str) -> list[np.ndarray]:
    """Any choice in any order, for each place; of tied states every m-th."""
    size, places = config.sizes[dimension], config.sizes[PLACES[dimension]] if dimension in PLACES else 1
    count = draw(st.integers(1, size - 1))
    if dimension == "state" and config.tied:
        return [np.arange(m - 1, m * count, m) for m in (draw(st.integers(1, size // count)) for _ in range(places))]
    return [np.array(draw(st.permutations(range(size)))[:count]) for _ in range(places)]


def silence(model: Model, dimension: str, keep: list[np.ndarray]) -> None:
    """Gates of what is not kept become zero."""
    size = model.config.sizes[dimension]
    if dimension == "blocks":
        for i in set(range(size)) - set(keep[0].tolist()):
            model.params[f"blocks.{i}.out_proj.weight"][:] = 0
    if dimension == "heads":  # all say what the first one says, and those that go are not listened to
        stay = set(keep[0].tolist())
        heads = {3: [0, 1, 2], 2: [1, 0, 1], 1: [0, 0, 0]}[size]
        for name, value in model.params.items():
            if name.startswith("mdcsa.dcsa"):
                value[:] = model.params[f"mdcsa.dcsa0.{name.split('.', 2)[2]}"]
        for tap, of in enumerate(heads):
            if of not in stay:
                model.params["mdcsa.out_conv.weight"][:, tap] = 0
    for p in parts(model):
        if p.dimension == dimension and p.gate:
            gone = np.setdiff1d(np.arange(size), keep[p.place if dimension in PLACES else 0])
            np.moveaxis(model.params[p.name], p.axis, 0)[p.start + gone] = 0


@pytest.mark.parametrize("name, dimension", [c for c in CUTS if not (c[0].startswith("mdcsa") and c[1] == "d")])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_says_nothing_goes_without_a_change(name: str, dimension: str, data: st.DataObject) -> None:
    config = CONFIGS[name]
    model, keep = random(config), kept(data.draw, config, dimension)
    silence(model, dimension, keep)
    before = {k: v.copy() for k, v in model.params.items()}
    # Great inputs, so that the norms' epsilon is nothing: it is not divided by fewer channels.
    x = 1e4 * np.random.default_rng(1).random((2, 7, config.aps))
    smaller = cut(model, dimension, keep)
    y = model.forward(x)[0]
    np.testing.assert_allclose(smaller.forward(x[..., keep[0]] if dimension == "aps" else x)[0], y, rtol=1e-7,
                               atol=1e-7 * np.abs(y).max())
    assert smaller.config.sizes == {**config.sizes, dimension: len(keep[0])}
    assert {k: v.shape for k, v in smaller.params.items()} == {
        k: v.shape for k, v in Model.create(smaller.config).params.items()}
    assert list(smaller.params) == list(Model.create(smaller.config).params), "training keeps moments in this order"
    assert all(np.array_equal(before[k], v) for k, v in model.params.items()), "the input is left alone"
    if dimension == "aps":
        assert smaller.info["aps"] == [model.info["aps"][i] for i in keep[0]]
        assert smaller.info["scaler"] == {"lo": [-100.0 - i for i in keep[0]], "hold": 1.0}
    else:
        assert smaller.info == model.info


@pytest.mark.parametrize("name, dimension", CUTS)
def test_what_speaks_does_not(name: str, dimension: str) -> None:
    """The property above fails where the gates are not zero: cutting changes what the model says."""
    model = random(CONFIGS[name])
    keep = choose(model.config, dimension, [np.arange(model.config.sizes[dimension])[::-1].astype(float)] * (
        model.config.sizes[PLACES[dimension]] if dimension in PLACES else 1), model.config.sizes[dimension] - 1)
    x = np.random.default_rng(1).random((2, 7, 5))
    y = cut(model, dimension, keep).forward(x[..., keep[0]] if dimension == "aps" else x)[0]
    assert np.abs(y - model.forward(x)[0]).max() > 1e-5


@pytest.mark.parametrize("heads, keep", [(2, [0]), (2, [1]), (3, [0]), (3, [1]), (3, [2]), (3, [0, 1]), (3, [0, 2]),
                                         (3, [1, 2]), (3, [2, 0])])
def test_taps_follow_their_heads(heads: int, keep: list[int]) -> None:
    """The last convolution of silent heads and speaking ones is that of the speaking ones."""
    model = random(Config("mdcsa", 5, 4, 4, kernels=(2,) * heads))
    smaller = cut(model, "heads", [np.array(keep)])
    said = np.random.default_rng(0).random((2, 6, heads, 4))
    said[:, :, sorted(set(range(heads)) - set(keep))] = 0
    y = []
    for m, values in ((model, said), (smaller, said[:, :, keep])):
        stride, pad = out_conv_geometry(values.shape[2])
        w, b = m.params["mdcsa.out_conv.weight"], m.params["mdcsa.out_conv.bias"]
        y.append(conv1d(values.reshape(2, -1, 4), w, b, stride, pad, pad)[0])
    assert y[0].shape == (2, 6, 4)
    np.testing.assert_allclose(*y, rtol=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
def test_importance_is_the_squared_slope_of_a_gate(name: str) -> None:
    """Numerically: the weights of a gate scaled by 1 +- delta, one minibatch."""
    model, rng, delta = random(CONFIGS[name]), np.random.default_rng(2), 1e-5
    w = Windows(rng.random((3, 7, 5)), rng.integers(0, 4, (3, 7)), np.arange(3))
    found = importance(model, w, batch=3)
    assert found.keys() == set(dimensions(model.config))
    for dimension, places in found.items():
        for place, values in enumerate(places):
            at = int(rng.integers(len(values)))
            losses = []
            for gain in (1 + delta, 1 - delta):
                params = {k: v.copy() for k, v in model.params.items()}
                if dimension == "blocks":
                    params[f"blocks.{at}.out_proj.weight"] *= gain
                elif dimension == "heads":
                    for kind in ("weight", "bias"):
                        params[f"mdcsa.dcsa{at}.norm3.{kind}"] *= gain
                else:
                    for p in parts(model):
                        if p.gate and p.dimension == dimension and (dimension not in PLACES or p.place == place):
                            np.moveaxis(params[p.name], p.axis, 0)[p.start + at] *= gain
                losses.append(loss_and_gradients(Model(model.config, params), w.x, w.y)[0])
            slope = (losses[0] - losses[1]) / (2 * delta)
            assert values[at] == pytest.approx(slope**2, rel=1e-5, abs=1e-12), f"{dimension} {at} of place {place}"


def test_importance_is_a_mean_over_minibatches() -> None:
    model, rng = random(CONFIGS["mamba"]), np.random.default_rng(2)
    w = Windows(rng.random((4, 7, 5)), rng.integers(0, 4, (4, 7)), np.arange(4))
    each = [importance(model, Windows(w.x[i : i + 1], w.y[i : i + 1], w.row[:1]))["inner"][1] for i in range(4)]
    np.testing.assert_allclose(importance(model, w, batch=1)["inner"][1], np.mean(each, 0), rtol=1e-9)
    unlabeled = Windows(np.concatenate([w.x, w.x[:1]]), np.concatenate([w.y, np.full((1, 7), -1)]), np.arange(5))
    np.testing.assert_array_equal(importance(model, w)["d"][0], importance(model, unlabeled)["d"][0])
    with pytest.raises(DataError, match="no labeled window"):
        importance(model, Windows(w.x, np.full((4, 7), -1), w.row))


def test_states_that_stay_have_powers_of_one_decay() -> None:
    """Every m-th state: rates (k + 1) A[j, 0] of the cut model are those of the states that stayed, tied or free."""
    free, tied = preset("mamba-h4l1", 3, 3), preset("mamba-h4l1-lean", 3, 3)
    score = np.array([0, 0, 9, 0, 0, 8, 0, 0, 7, 0, 0, 6, 0, 0, 0, 5.0])  # states 3, 6, 9, 12 matter, and the last
    for config in (free, tied):
        keep = choose(config, "state", [score], 4)
        assert keep[0].tolist() == [2, 5, 8, 11]
        before = decay_rates(random(config).params["blocks.0.a_log"], 16)
        after = decay_rates(cut(random(config), "state", keep).params["blocks.0.a_log"], 4)
        np.testing.assert_allclose(after, before[:, keep[0]], rtol=1e-12)
    assert choose(free, "state", [score], 4, "free")[0].tolist() == [2, 5, 8, 11]
    assert choose(free, "state", [score], 5, "free")[0].tolist() == [2, 5, 8, 11, 15]
    assert choose(tied, "state", [score], 5, "free")[0].tolist() == [2, 5, 8, 11, 14]
    assert choose(free, "state", [score], 9)[0].tolist() == list(range(9)), "of more than half, the first ones"
    # A model as it is initialized has such rates: the cheaper scan loses nothing but rounding.
    cheap = quantize(cut(Model.create(free), "state", [np.arange(2, 12, 3)]),
                     np.random.default_rng(0).random((9, 20, 3), np.float32), "minmax", "auto")
    assert cheap.info["decay"] == "powers"


@pytest.mark.parametrize("name, dimension, keep, words", [
    ("mamba", "heads", [[0]], "unknown dimension of a mamba 'heads'"), ("mdcsa", "inner", [[0]], "of a mdcsa 'inner'"),
    ("mamba", "inner", [[0, 1]], "expected 3 index array"), ("mamba", "d", [[0, 0]], "distinct numbers from 0 to 5"),
    ("mamba", "d", [[6]], "from 0 to 5, got"), ("mamba", "d", [[]], "distinct"), ("mamba", "d", [], "1 index array"),
    ("mamba", "state", [[0], [0], [0, 1]], "of one length"), ("mamba, tied", "state", [[0, 2], [0, 1]], "every m-th state")])
def test_bad_cuts(name: str, dimension: str, keep: list[list[int]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cut(random(CONFIGS[name]), dimension, [np.array(k, int) for k in keep])


def test_parameters_that_the_table_does_not_know() -> None:
    model = random(CONFIGS["mamba"])
    with pytest.raises(ModelError, match=r"'encoder.weight' has 5 along axis 1, expected 4"):
        list(parts(Model(replace(model.config, aps=4), model.params)))
    with pytest.raises(ModelError, match=r"'encoder.gain' has no row"):
        list(parts(Model(model.config, {**model.params, "encoder.gain": np.ones(6)})))


@pytest.mark.parametrize("keep, sizes", [
    ({"inner": 0.5, "state": 3, "d": 0.01}, {"inner": 4, "state": 3, "d": 1}),
    ({"blocks": 1.0, "aps": 1}, {"blocks": 3, "aps": 1}),
    ({"state": 7}, "state: keep 7; expected a whole number from 1 to 6"), ({"state": 0}, "keep 0;"),
    ({"d": 1.5}, "keep 1.5"), ({"d": True}, "keep True"), ({"d": float("nan")}, "keep nan"),
    ({"fc1": 2}, "unknown dimension of a mamba 'fc1'"),
    ({"inner": -0.5}, "above 0.0 and up to 1.0")])
def test_targets(keep: dict[str, float], sizes: dict[str, int] | str) -> None:
    if isinstance(sizes, dict):
        assert resolve(CONFIGS["mamba"], keep) == sizes
    else:
        with pytest.raises(ConfigError, match=sizes):
            resolve(CONFIGS["mamba"], keep)


def test_shrink_cuts_what_matters_least_and_importances_go_along() -> None:
    model = random(CONFIGS["mdcsa, 3 heads"])
    scores = {"heads": [np.array([1.0, 3, 2])], "aps": [np.array([5.0, 1, 4, 2, 3])], "d": [np.arange(4.0)],
              "fc1": [np.roll(np.arange(6.0), i) for i in range(3)], "fc2": [np.arange(5.0)] * 3}
    smaller, left = shrink(model, scores, {"heads": 2, "aps": 3, "fc1": 2, "d": 4})
    assert smaller.config.sizes == {"aps": 3, "classes": 4, "d": 4, "heads": 2, "fc1": 2, "fc2": 5}
    assert smaller.info["aps"] == ["ap0", "ap2", "ap4"]
    assert [v.tolist() for v in left["fc1"]] == [[5, 4], [4, 5]] and left["aps"][0].tolist() == [5, 4, 3]
    np.testing.assert_array_equal(smaller.params["mdcsa.dcsa0.grn.fc1.bias"],
                                  model.params["mdcsa.dcsa1.grn.fc1.bias"][[0, 5]])
    again, same = shrink(model, scores, {})
    assert again is model and same.keys() == scores.keys()


# preset, what is kept: bytes (weights, state, activations) before and after, 11 access points and rooms, 20 steps
BYTES: dict[str, tuple[dict[str, float], tuple[int, ...], tuple[int, ...]]] = {
    "mamba-h16l1": ({"inner": 0.5, "state": 8}, (4283, 1144, 272), (2298, 328, 144)),
    "mdcsa-h8l3": ({"heads": 2, "fc1": 0.25, "fc2": 0.25}, (5653, 24, 1440), (3138, 24, 920)),
    "mdcsa-h16l1": ({"fc1": 16, "fc2": 16}, (6125, 24, 2240), (3629, 24, 1400)),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_shrink_and_bits_agree(name: str) -> None:
    rng = np.random.default_rng(0)
    keep, before, after = BYTES[name]
    model, x = Model.create(preset(name, 11, 11)), rng.random((40, 20, 11), np.float32)
    scores = {k: [np.arange(model.config.sizes[k]) + 1.0] * (model.config.sizes[PLACES[k]] if k in PLACES else 1)
              for k in dimensions(model.config)}  # nothing but the code decides
    smaller, _ = shrink(model, scores, resolve(model.config, keep))
    programs = [quantize(m, x, "minmax") for m in (model, smaller)]
    found = [tuple(getattr(audit(p).best, f) for f in ("weights", "state", "activations")) for p in programs]
    assert found == [before, after]
    assert compare(programs[1], rng.integers(-128, 128, (8, 20, 11)).astype(np.int8)).equal


def test_instructions_shrink() -> None:
    for module in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    from tinyloc.bench import bench

    x = np.random.default_rng(0).random((40, 20, 11), np.float32)
    counts = []
    for inner, n in ((32, 16), (16, 16), (16, 8), (16, 4)):
        program = quantize(Model.create(Config("mamba", 11, 11, 16, n=n, inner=inner)), x, "minmax", "powers")
        counts.append(bench(program.retime(1), "m4").total.instructions)
    assert counts == sorted(counts, reverse=True) and counts[1] < 0.75 * counts[0] and counts[3] < 0.65 * counts[0]


# the whole way ------------------------------------------------------------------------------------------------------------

QUICK = Recipe(epochs=3)


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


@pytest.fixture(scope="module")
def mamba(house: Dataset) -> Model:
    return fit(house, "mamba-h8l1", Recipe(epochs=12))


def same(a: Model, b: Model) -> bool:
    return a.config == b.config and all(np.array_equal(a.params[k], b.params[k]) for k in a.params)


def test_a_pruned_model_works_on_the_data_it_hears_less_of(house: Dataset, mamba: Model, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    pruned = prune(mamba, house, {"aps": 5, "inner": 0.5, "state": 4}, QUICK, rounds=3, between=2, progress=epochs.append)
    assert [e.number for e in epochs] == [1, 2, 3, 4, 5, 6, 7] and {e.of for e in epochs} == {7}
    assert pruned.config.sizes == {**mamba.config.sizes, "aps": 5, "inner": 8, "state": 4}
    assert pruned.info["pruning"]["from"] == mamba.config.sizes and pruned.info["pruning"]["to"] == pruned.config.sizes
    assert set(pruned.info["aps"]) < set(house.aps) and len(pruned.info["scaler"]["lo"]) == 5
    pruned.save(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    assert same(again, pruned) and again.info == pruned.info
    w = last_rows(again.info, house.test)
    program = calibrate(again, house)
    assert w.x.shape[2] == 5 and compare(program, program.buffers[program.input].quantize(w.x[:20])).equal
    assert audit(program).best.total < audit(calibrate(mamba, house)).best.total
    # It teaches, is taught, and is pruned once more.
    more = prune(again, house, {"aps": 4}, QUICK, rounds=1, teachers=[mamba, again], distillation=Distillation(beta=0.1))
    assert set(more.info["aps"]) < set(again.info["aps"]) and more.info["teachers"] == [
        "mamba-h8l1", "mamba-h8l1-pruned"] and more.info["name"] == "mamba-h8l1-pruned"


def test_inputs_are_those_of_the_models_training(house: Dataset) -> None:
    """Signal, delay, augmentation and balance go on, with a teacher that is asked about changed windows."""
    model = fit(house, "mamba-h4l1", Recipe(epochs=2, balance=0.5), inputs=Inputs("powed", delay=2),
                augmentation=Augmentation(noise=3.0, dead=0.1))
    assert pruning.recipe_for(model, seed=3) == replace(pruning.RECIPE, balance=0.5, seed=3)
    how = replace(pruning.recipe_for(model), epochs=2)
    pruned, still = (prune(m, house, {"aps": 6, "inner": 4}, how, rounds=2, between=1, teachers=[model])
                     for m in (model, Model(model.config, model.params, {k: v for k, v in model.info.items()
                                                                         if k != "augmentation"})))
    assert pruned.config == still.config and not same(pruned, still), "windows were changed"
    assert pruned.info["delay"] == 2 and pruned.info["augmentation"] == model.info["augmentation"]
    assert pruned.info["scaler"]["power"] == model.info["scaler"]["power"] and len(pruned.info["scaler"]["lo"]) == 6
    assert last_rows(pruned.info, house.test).x.shape[1:] == (house.window, 6)


def test_training_brings_back_what_cutting_took(house: Dataset, mamba: Model) -> None:
    def loss(m: Model) -> float:
        w, *_ = pruning._inputs(m, house)
        return loss_and_gradients(m, w.x, w.y)[0]

    w, *_ = pruning._inputs(mamba, house)
    keep = {"inner": 0.5, "state": 8, "aps": 8}
    at_once, _ = shrink(mamba, importance(mamba, w), resolve(mamba.config, keep))
    trained = prune(mamba, house, keep, Recipe(epochs=12))
    assert trained.config == at_once.config and loss(trained) < loss(at_once)


def test_seeds_decide(house: Dataset, mamba: Model) -> None:
    a, b, c = (prune(mamba, house, {"d": 6}, replace(QUICK, seed=seed), rounds=2, between=1) for seed in (0, 0, 1))
    assert same(a, b) and not same(a, c)


class Stop(Exception):
    pass


@pytest.mark.parametrize("at", [1, 3, 4, 6])
def test_killed_and_resumed_is_as_if_never_stopped(house: Dataset, mamba: Model, tmp_path: Path, at: int) -> None:
    """Within the first round, at the end of the second, at the beginning of the last, and at its end."""
    targets, file = {"inner": 6, "state": 2}, tmp_path / "m.checkpoint"

    def stop(e: Epoch) -> None:
        if e.number == at:
            raise Stop

    whole = prune(mamba, house, targets, QUICK, rounds=3, between=2)
    with pytest.raises(Stop):
        prune(mamba, house, targets, QUICK, rounds=3, between=2, checkpoint=file, progress=stop)
    with pytest.raises(ModelError, match=r"a checkpoint of another run.* --no-resume, remove it"):
        prune(mamba, house, {**targets, "inner": 7}, QUICK, rounds=3, between=2, checkpoint=file)
    seen: list[int] = []
    again = prune(mamba, house, targets, QUICK, rounds=3, between=2, checkpoint=file,
                  progress=lambda e: seen.append(e.number))
    assert seen == list(range(at + 1, 8)) and same(again, whole) and again.info == whole.info
    assert [p.name for p in tmp_path.iterdir()] == [file.name]
    assert same(prune(mamba, house, targets, QUICK, rounds=3, between=2, checkpoint=file), whole), "a finished run's is read"
    forget(file)
    assert not list(tmp_path.iterdir())


def test_other_validation_rows_are_another_run(house: Dataset, mamba: Model, tmp_path: Path) -> None:
    """They choose the epoch of each stage, so that stages which other ones chose are not gone on from."""
    def stop(e: Epoch) -> None:
        if e.number == 3:  # one stage is done
            raise Stop

    with pytest.raises(Stop):
        prune(mamba, house, {"inner": 6}, QUICK, rounds=2, between=2, checkpoint=tmp_path / "c", progress=stop)
    other = replace(house, val=house.val.take(slice(0, len(house.val) - 5)))
    with pytest.raises(ModelError, match=r"a checkpoint of another run.* --no-resume, remove it"):
        prune(mamba, other, {"inner": 6}, QUICK, rounds=2, between=2, checkpoint=tmp_path / "c")


def test_what_was_balanced_stays_so(house: Dataset, mamba: Model) -> None:
    w, *_ = pruning._inputs(mamba, house)
    # What balance adds to every step's emissions, the first step's and the moves' scores can add too.
    prior = prior_of(w.y, mamba.config.classes, 1.0)
    moved = {n: mamba.params[n] + prior for n in ("crf.start", "crf.transitions")}
    plain, balanced, same_loss = (importance(m, w, balance=b)["inner"][0] for m, b in (
        (mamba, 0.0), (mamba, 1.0), (replace(mamba, params={**mamba.params, **moved}), 0.0)))
    np.testing.assert_allclose(balanced, same_loss, rtol=1e-4)
    assert not np.allclose(balanced, plain, rtol=5e-3)
    once = replace(QUICK, epochs=1)
    a, b, c = (prune(m, house, {"inner": 6}, recipe, rounds=1) for m, recipe in (
        (with_info(mamba, recipe={"balance": 1.0, "carry": Recipe.carry}), None),
        (mamba, replace(pruning.RECIPE, balance=1.0)), (mamba, once)))
    assert same(a, b) and a.info["recipe"]["balance"] == 1 and c.info["recipe"]["balance"] == 0


def test_an_access_point_may_be_missing(house: Dataset, mamba: Model) -> None:
    few, once = house.select([*house.aps[:3], *house.aps[4:]]), replace(QUICK, epochs=1)
    silent = replace(house, **{p: replace(s, rssi=np.where(np.arange(len(house.aps)) == 3, np.float32(np.nan), s.rssi))
                               for p in ("train", "val", "test") for s in [getattr(house, p)]})
    a = prune(mamba, few, {"aps": 10, "inner": 6}, once, rounds=1, teachers=[mamba], missing="silent")
    assert same(a, prune(mamba, silent, {"aps": 10, "inner": 6}, once, rounds=1, teachers=[mamba]))
    assert house.aps[3] not in a.info["aps"], "what is silent is of no importance"


def test_ctrl_c_keeps_the_last_training_only(house: Dataset, mamba: Model, tmp_path: Path) -> None:
    file = tmp_path / "c"

    def go(at: int) -> Model:
        def stop(e: Epoch) -> None:
            if e.number == at:
                raise KeyboardInterrupt

        return prune(mamba, house, {"inner": 6}, QUICK, rounds=2, between=2, checkpoint=file, progress=stop)

    with pytest.raises(KeyboardInterrupt):
        go(1)
    stopped = go(3)
    assert stopped.info["interrupted"] and stopped.config.sizes["inner"] == 6
    assert not go(0).info["interrupted"] and same(go(0), prune(mamba, house, {"inner": 6}, QUICK, rounds=2, between=2))


@pytest.mark.parametrize("name, budget", [("mamba", "total"), ("mdcsa", "ram")])
def test_a_budget_is_kept(house: Dataset, mamba: Model, name: str, budget: str) -> None:
    model = mamba if name == "mamba" else fit(house, "mdcsa-h8l1", Recipe(epochs=2))
    before = getattr(audit(calibrate(model, house)).best, budget)
    limit = int(0.9 * before)
    pruned = prune(model, house, {}, QUICK, budget={budget: limit}, rounds=2, between=1)
    after = getattr(audit(calibrate(pruned, house)).best, budget)
    assert 0.8 * limit < after <= limit < before, "kept, and not by far more than was asked for"


def test_a_trained_model_over_the_budget_is_cut_again(house: Dataset, mamba: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Model] = []

    def over(model: Model, dataset: Dataset, budget: dict[str, int]) -> dict[str, int]:
        seen.append(model)
        return {"total": 60} if len(seen) == 1 else {}

    w, *_ = pruning._inputs(mamba, house)
    budget = {"total": measure(mamba, w.x[:8]).total - 100}
    monkeypatch.setattr(pruning, "_over", over)
    pruned = prune(mamba, house, {}, QUICK, budget=budget, among=["inner"], rounds=1)
    assert measure(pruned, w.x[:8]).total <= measure(seen[0], w.x[:8]).total - 60
    monkeypatch.setattr(pruning, "_over", lambda *_: {"total": 7})
    with pytest.raises(BrokenError, match=r"over the budget by 7 bytes \(all in RAM\)"):
        prune(mamba, house, {}, replace(QUICK, epochs=1), budget=budget, among=["inner"], rounds=1)


def test_a_budget_cuts_what_it_may(house: Dataset, mamba: Model) -> None:
    w, *_ = pruning._inputs(mamba, house)
    scores, few = importance(mamba, w), w.x[:8]
    total = measure(mamba, few).total
    assert within(mamba, few, scores, {"total": total}) == {}
    sizes = within(mamba, few, scores, {"total": total - 300}, ["state"])
    assert sizes.keys() == {"state"} and measure(shrink(mamba, scores, sizes)[0], few).total <= total - 300
    with pytest.raises(ConfigError, match=r"out of reach of the budget of 1,000 bytes \(all in RAM\): cutting state leaves"):
        within(mamba, few, scores, {"total": 1000}, ["state"])
    with pytest.raises(ConfigError, match="unknown budget 'rom'"):
        within(mamba, few, scores, {"rom": 1000})
    with pytest.raises(ConfigError, match="a budget of 0 bytes of ram"):
        within(mamba, few, scores, {"ram": 0})
    with pytest.raises(ConfigError, match="unknown dimension of a mamba 'heads'"):
        within(mamba, few, scores, {"ram": 100}, ["heads"])


def test_no_cut_that_takes_more_bytes() -> None:
    """Rows of weights may get scales of their own when others go: what then grows is not what a budget asks for."""
    for seed in range(4):
        model = random(Config("mdcsa", 5, 5, 12), seed)
        x = np.random.default_rng(seed).random((8, 6, 5), np.float32)
        start = measure(model, x).total
        rng = np.random.default_rng(seed)
        scores = {k: [rng.random(model.config.sizes[k]) for _ in range(model.config.sizes[PLACES[k]] if k in PLACES else 1)]
                  for k in dimensions(model.config)}
        now, left = model, scores
        sizes = within(model, x, scores, {"total": start - 60})
        for k, v in sizes.items():
            now, left = shrink(now, left, {k: v})
        assert measure(now, x[:, :, : now.config.aps]).total <= start - 60
        for k in sizes:  # each is needed: with any of them as it was, the budget is not met
            kept = {name: s for name, s in sizes.items() if name != k}
            other, _ = shrink(model, scores, kept)
            assert measure(other, x[:, :, : other.config.aps]).total > start - 60, (seed, sizes, k)


def test_a_budget_counts_confidences(house: Dataset, mamba: Model) -> None:
    """`tinyloc quantize` adds them where validation has labels; without any it does not."""
    none = replace(house, val=replace(house.val, room=np.full(len(house.val), -1)))
    x = calibration_of(mamba, house)[:8]
    plain, confident = (measure(mamba, x, confident=c).total for c in (False, True))
    assert confident - plain == 72
    total = audit(calibrate(mamba, house)).best.total - 200
    pruned = prune(mamba, house, None, QUICK, budget={"total": total}, rounds=1)
    assert audit(confidence.calibrate(calibrate(pruned, house), house)).best.total <= total
    assert confidence.can_calibrate(house) and not confidence.can_calibrate(none)


def test_a_model_that_has_seen_the_validation_rows_is_not_judged_by_them(house: Dataset) -> None:
    """Nor is what is cut from it: it trains on all rows until the end, and says so."""
    known = fit(house, "mamba-h4l1", QUICK, refit=True)
    epochs: list[Epoch] = []
    pruned = prune(known, house, {"inner": 4}, replace(QUICK, patience=1), rounds=2, between=1, progress=epochs.append)
    assert pruned.info["refit"] and not {"validation_macro_f1", "best_epoch", "test"} & pruned.info.keys()
    assert [e.number for e in epochs] == [1, 2, 3, 4] and all(np.isnan(e.score) for e in epochs), "none to be patient about"
    few = replace(house, val=house.val.take(np.arange(len(house.val)) < len(house.val) // 2))
    assert not same(prune(known, few, {"inner": 4}, QUICK, rounds=1), prune(known, house, {"inner": 4}, QUICK, rounds=1))


def test_rooms_count_by_name(house: Dataset, mamba: Model) -> None:
    """Data that name their rooms in another order make the same model."""
    for other in (house.with_rooms(house.rooms[::-1]), house.with_rooms((*house.rooms, "attic"))):
        a, b = (prune(mamba, d, {"inner": 4}, QUICK, rounds=1, teachers=[mamba]) for d in (house, other))
        assert same(a, b) and a.info["rooms"] == b.info["rooms"] == list(house.rooms)


def test_bad_input(house: Dataset, mamba: Model) -> None:
    few = house.select(house.aps[:5])
    cases: list[tuple[str, Any]] = [
        ("nothing to cut", lambda: prune(mamba, house)),
        ("unknown decay 'power'; did you mean 'powers'", lambda: prune(mamba, house, {"d": 4}, decay="power")),
        ("0 rounds", lambda: prune(mamba, house, {"d": 4}, rounds=0)),
        ("does not say what it was trained on", lambda: prune(Model(mamba.config, mamba.params), house, {"d": 4})),
        ("hears 11 access points, of which the data lack 6", lambda: prune(mamba, few, {"d": 4})),
        ("a room 'living', which the model lacks", lambda: prune(with_info(mamba, rooms=["x"]), house, {"d": 4})),
    ]
    for words, call in cases:
        with pytest.raises(TinylocError, match=words):
            call()


def test_command(house: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "walk.csv"
    with file.open("w") as f:
        f.write(",".join(["time", "room", *(f"rssi_{a}" for a in house.aps)]) + "\n")
        for i, (room, rssi) in enumerate(zip(house.train.room, house.train.rssi, strict=True)):
            f.write(",".join([str(i / 5), house.rooms[room], *("" if np.isnan(v) else f"{v:.0f}" for v in rssi)]) + "\n")
    source, data = {"data": str(file), "seed": 0, "columns": {}}, load(file)
    model = with_info(fit(data, "mamba-h8l1", Recipe(epochs=4)), source=source)
    model.save(tmp_path / "m")
    Model(model.config, model.params, {k: v for k, v in model.info.items() if k != "source"}).save(tmp_path / "nowhere")
    given = [str(tmp_path / "m"), "--out", str(tmp_path / "p"), "--epochs", "1", "--rounds", "2", "--between", "1"]
    run = CliRunner()
    r = run.invoke(main, ["prune", *given, "--aps", "5", "--inner", "50%", "--state", "0.25", "--teacher", given[0],
                          "--json"])
    assert r.exit_code == 0, r.output
    found, pruned = json.loads(r.stdout), Model.load(tmp_path / "p")
    assert pruned.config.sizes == {**model.config.sizes, "aps": 5, "inner": 8, "state": 4} == found["sizes"]
    assert found["parameters"] == pruned.parameters and found["test"] == pruned.info["test"]
    assert pruned.info["source"] == {**source, "rows_sha256": data.digest()} and pruned.info["distillation"]["alpha"] == 0.5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "nowhere", "p", "walk.csv"]
    for command in (["quantize", str(tmp_path / "p"), "--out", str(tmp_path / "p8"), "--calibration", "minmax"],
                    ["verify", str(tmp_path / "p8")], ["run", str(tmp_path / "p8"), "--stream"],
                    ["export", str(tmp_path / "p8"), "--out", str(tmp_path / "firmware")]):
        r = run.invoke(main, command)
        assert r.exit_code == 0, f"{command}: {r.output}"
    for args, words in ((["--inner", "many"], "--inner 'many': expected a number, or a share such as 0.5 or 50%"),
                        (["--inner", "17"], "keep 17; expected a whole number from 1 to 16"),
                        (["--fc1", "3"], "unknown dimension of a mamba 'fc1'"), ([], "nothing to cut"),
                        (["--total", "1K", "--among", "state"], "out of reach of the budget of 1,024 bytes"),
                        (["--ram", "lots"], "'lots'"),
                        (["--inner", "4", "--alpha", "0.3"], "expected --teacher or --neighbors")):
        r = run.invoke(main, ["prune", *given, "--no-resume", *args])
        assert r.exit_code == 2 and words in r.stderr and r.stderr.count("\n") == 1, r.output
    r = run.invoke(main, ["prune", str(tmp_path / "nowhere"), "--out", str(tmp_path / "q"), "--inner", "4"])
    assert r.exit_code == 2 and "does not say which data" in r.stderr
    r = run.invoke(main, ["prune", *given, "--total", "4300", "--among", "inner", "--among", "state"])
    assert r.exit_code == 0, r.output
    assert audit(calibrate(Model.load(tmp_path / "p"), data)).best.total <= 4300
