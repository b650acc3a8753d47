"""Models: the paper's parameter counts, gradients, the graph against the composed forward pass, files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs import resealed
from safetensors.numpy import load_file, save

from tinyloc.errors import ConfigError, ModelError
from tinyloc.kernels.op import Node
from tinyloc.kernels.table import LAYERS
from tinyloc.model import CHANGES, FAMILIES, KNOWN, PRESETS, WIDTHS, Config, Model, fold, preset
from tinyloc.quantize import quantize
from tinyloc.reference import check_grads
from tinyloc.reference.crf import crf_viterbi
from tinyloc.train import loss_and_gradients
from tinyloc.verify import compare

# (access points, rooms) of the paper's houses A to D and of its UJIIndoorLoc with 59 zones.
SETS = {"A": (8, 4), "B": (11, 11), "C": (11, 9), "D": (11, 10), "UJI": (520, 59)}
# Suwannaphong et al., Sci. Rep. 15:10081, tables 4 to 8 and the teachers' table: parameters as printed.
PAPER = {
    "mdcsa-h16l1": {"A": 10_588, "B": 10_874, "C": 10_796, "D": 10_834, "UJI": 23_290},
    "mdcsa-h8l1": {"A": 2_812, "B": 3_018, "C": 2_956, "D": 2_986, "UJI": 10_978},
    "mdcsa-h256l1": {"A": 2_565_148, "B": 2_567_834, "C": 2_567_276, "D": 2_567_554},
    "mdcsa-h256l3": {"UJI": 9_802_058},
    "mamba-h8l1": {"A": 1_432, "B": 1_631, "C": 1_571, "UJI": 9_543},
    "mamba-h16l1": {"D": 3_848},
    "mamba-h32l1": {"A": 10_392, "C": 10_723, "D": 10_776, "UJI": 32_111},
    "mamba-h16l2": {"B": 7_263},
    "mamba-h8l2": {"UJI": 10_847},
    "mamba-h4l1": {"UJI": 6_475},
    "mamba-h2l1": {"UJI": 5_020},
    "mamba-h32l4": {"A": 40_248},
    "mamba-h32l2": {"B": 20_783},
    "mamba-h64l4": {"C": 132_259, "D": 132_344},
    "mamba-h128l1": {"UJI": 194_447},
}
MISPRINT = ("mamba-h2l1", "UJI", 5_013)  # the one count that no consistent reading gives


def test_parameter_counts_are_the_papers() -> None:
    ours = {(name, house): Model.create(preset(name, *SETS[house])).parameters
            for name, row in PAPER.items() for house in row}
    differ = {k: v for k, v in ours.items() if v != PAPER[k[0]][k[1]]}
    assert differ == {MISPRINT[:2]: MISPRINT[2]}
    counts = [sum(name.startswith(family) for name, _ in ours) for family in ("mdcsa", "mamba")]
    assert counts == [15, 18], "15 of 15 MDCSA counts and 17 of 18 Mamba counts"


SMALL = {"mamba": Config("mamba", 3, 4, 4, blocks=2, n=3, k=3), "mdcsa_1": Config("mdcsa", 3, 4, 4),
         "mdcsa_3": Config("mdcsa", 3, 4, 4, kernels=(1, 4, 7), dead_weights=True),
         "mamba_widths": Config("mamba", 3, 4, 4, inner=5, rank=2, n=2, tied=True),
         "gated_convolution": Config("mamba", 3, 4, 4, blocks=2, n=0, k=3),
         "gated_unit": Config("mamba", 3, 4, 4, n=0, k=1, inner=5), "mamba_one_tap": Config("mamba", 3, 4, 4, n=2, k=1),
         "mamba_others": Config("mamba", 3, 4, 4, n=3, final_norm=True, head_bias=True),
         "mdcsa_others": Config("mdcsa", 3, 4, 4, kernels=(1, 4, 7), positions="jovan"),
         "mdcsa_2": Config("mdcsa", 3, 4, 4, kernels=(2, 3), fc1=5, fc2=3, dead_weights=True)}


@pytest.mark.parametrize("name", SMALL)
def test_gradients(name: str) -> None:
    rng = np.random.default_rng(0)
    config = SMALL[name]
    x, y = rng.random((2, 6, config.aps)), rng.integers(0, config.classes, (2, 6))
    params = {k: v.astype(float) + 0.1 * rng.standard_normal(v.shape) for k, v in Model.create(config).params.items()}

    def forward(**p: np.ndarray) -> tuple[float, object]:
        return loss_and_gradients(Model(config, p), x, y)

    check_grads(forward, lambda dy, grads: {k: v * dy for k, v in grads.items()}, params, rtol=2e-6, samples=4)


def run_graph(nodes: list[Node], x: np.ndarray) -> dict[str, np.ndarray]:
    values: dict[str, np.ndarray] = {}
    for n in nodes:
        values[n.out] = x if n.kind == "input" else LAYERS[n.kind].forward(n, [values[i] for i in n.inputs])
    return values


@pytest.mark.parametrize("t", [1, 7, 20])
@pytest.mark.parametrize("name", ["mamba-h8l1", "mamba-h4l2", "mdcsa-h8l1", "mdcsa-h4l3", "mdcsa-h8l1-lean", *SMALL])
def test_graph_is_the_model(name: str, t: int) -> None:
    model = Model.create(SMALL[name] if name in SMALL else preset(name, 5, 6), seed=2)
    rng = np.random.default_rng(1)
    model.params = {k: v.astype(float) + 0.2 * rng.standard_normal(v.shape) for k, v in model.params.items()}
    x = rng.random((3, t, model.config.aps))
    values = run_graph(model.graph(t), x)
    emissions, _ = model.forward(x)
    logits = values["logits"] - (model.params["crf.start"] + model.params["crf.end"] if t == 1 else 0)
    np.testing.assert_allclose(logits, emissions, rtol=1e-9, atol=1e-9)
    crf = model.part("crf.")
    for i in range(t):  # each step's label is the end of the best path so far
        path, _ = crf_viterbi(emissions[:, : i + 1], crf["transitions"], crf["start"], crf["end"])
        np.testing.assert_array_equal(values["label"][:, i, 0], path[:, -1])
    np.testing.assert_array_equal(values["label"][:, -1, 0], model.predict(x))


def test_fold_merges_only_where_weights_are_not_more() -> None:
    def node(out: str, source: str, n: int, k: int) -> Node:
        return Node("linear", out, (source,), {"weight": np.ones((n, k)), "bias": np.arange(n, dtype=float)})

    chain = [Node("input", "x", ()), node("a", "x", 8, 4), node("b", "a", 8, 8), node("c", "b", 2, 8)]
    merged = fold(chain)
    assert [n.out for n in merged] == ["x", "c"] and merged[1].params["weight"].shape == (2, 4)
    x = np.random.default_rng(0).random((1, 3, 4))
    np.testing.assert_allclose(run_graph(merged, x)["c"], run_graph(chain, x)["c"])
    bottleneck = [Node("input", "x", ()), node("a", "x", 1, 16), node("b", "a", 16, 1)]
    assert fold(bottleneck) == bottleneck


def test_dead_weights_do_nothing() -> None:
    full, lean = (Model.create(preset(f"mdcsa-h8l1{x}", 4, 5)) for x in ("", "-lean"))
    dead = full.params.keys() - lean.params.keys()
    assert sum(full.params[k].size for k in dead) == 416, "the paper's H8L1 carries 416 parameters that nothing reads"
    same = Model(full.config, {**full.params, **lean.params})
    x = np.random.default_rng(0).random((2, 9, 4), np.float32)
    np.testing.assert_array_equal(same.forward(x)[0], lean.forward(x)[0])


@pytest.mark.parametrize("name, words", [
    ("mamba-h8l9", "did you mean 'mamba-h8l"), ("mambo-h8l1", "did you mean 'mamba-h8l1'"), ("", "unknown preset ''"),
    ("mamba-h7l1", "unknown preset 'mamba-h7l1'"), ("mdcsa-h8l2", "unknown preset"), ("mamba-h7l1,n=2", "'mamba-h7l1'"),
    ("mamba-h8l1,kk=2", "unknown field of preset 'mamba-h8l1,kk=2' 'kk'; did you mean 'k'"),
    ("mamba-h8l1,", "unknown field of preset"), ("mdcsa-h8l1,n=2", "unknown field .* 'n'. Known: d, dead_weights, fc1, fc2"),
    ("mamba-h8l1,n=two", "n: expected a whole number, got 'two'"), ("mamba-h8l1,n=", "expected a whole number, got ''"),
    ("mamba-h8l1,tied=1", "tied: expected true or false, got '1'"), ("mamba-h8l1,d=0", "d: expected a whole number from 1"),
    ("mamba-h8l1,n=4097", "n: expected a whole number from 0 to 4096"), ("mamba-h8l1,n=0,rank=1", "rank: expected none")])
def test_unknown_presets(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        preset(name, 3, 3)
    assert len(PRESETS) == len(set(PRESETS)) == 9 * 5


def test_an_unknown_preset_is_told_what_names_there_are() -> None:
    """In words, as all of them would fill half a screen; what is named as an example is a preset."""
    with pytest.raises(ConfigError) as e:
        preset("mamba-h6l1", 3, 3)
    said = str(e.value)
    assert len(said) < 250 and KNOWN in said and WIDTHS[-1] == 256
    for family, depths in FAMILIES.items():
        *most, last = map(str, depths)
        assert f"{family}-h{{H}}l{{L}} with L {', '.join(most)} or {last}" in KNOWN
    assert preset(KNOWN.rpartition(" ")[2], 3, 3).d == 6


@pytest.mark.parametrize("name, fields", [
    ("mamba-h32l1,n=2,d=38", {"d": 38, "n": 2}), ("Mamba-H32L1,N=0,k=1", {"n": 0, "k": 1}),
    ("mamba-h32l1,tied=true", {"tied": True}), ("mamba-h32l1-lean,n=4,tied=false", {"n": 4}),
    ("mamba-h32l1,inner=48,rank=3,expand=1,blocks=2", {"inner": 48, "rank": 3, "expand": 1, "blocks": 2}),
    ("mamba-h32l1,final_norm=true,head_bias=true", {"final_norm": True, "head_bias": True})])
def test_presets_with_other_fields(name: str, fields: dict[str, int | bool]) -> None:
    assert preset(name, 5, 6) == replace(preset("mamba-h32l1", 5, 6), **fields)


def test_fields_that_presets_change_are_those_of_numbers_and_choices() -> None:
    """A field more wants a decision whether its name may stand in a preset's."""
    named = {field for of_family in CHANGES.values() for fields in of_family for field in fields}
    assert {f.name for f in dataclasses.fields(Config)} - named == {"family", "aps", "classes", "kernels", "positions"}
    assert preset("mdcsa-h8l1,fc1=9,fc2=7,d=6,dead_weights=false", 5, 6) == Config("mdcsa", 5, 6, 6, fc1=9, fc2=7)


@pytest.mark.parametrize("change, words", [
    ({"d": 0}, "d: expected a whole number from 1"), ({"aps": 2.5}, "aps: expected"),
    ({"family": "mlp"}, "unknown model family"),
    ({"positions": "sine"}, "unknown encoding of positions 'sine'"),
    ({"fc1": 0}, "fc1: expected a whole number from 1"),
    ({"family": "mamba", "n": -1}, "n: expected a whole number from 0"),
    ({"family": "mamba", "n": 0, "rank": 1}, "rank: expected none where n = 0"),
    ({"family": "mamba", "inner": 1.5}, "inner: expected a whole number"),
    ({"family": "mamba", "k": True}, "k: expected a whole number"), ({"tied": 1}, "tied: expected true or false, got 1"),
    ({"kernels": (1, 2.5)}, "kernels: expected whole numbers"), ({"kernels": (True,)}, "kernels: expected whole numbers"),
    ({"kernels": (1, 4, 7, 10)}, "expected 1 to 3 kernel sizes")])
def test_bad_configurations(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config(**{"family": "mdcsa", "aps": 3, "classes": 3, "d": 4, **change})  # type: ignore[arg-type]


def test_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = Model.create(preset("mamba-h4l1", 3, 3), seed=5)
    model.info = {"rooms": ["a", "b", "c"]}
    model.save(path)
    again = Model.load(path)
    assert again.config == model.config and again.info == model.info and list(again.params) == list(model.params)
    assert all(np.array_equal(again.params[k], v) for k, v in model.params.items())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", SMALL)
def test_widths_are_in_the_file(name: str, tmp_path: Path) -> None:
    Model.create(SMALL[name]).save(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    assert again.config == SMALL[name] and again.config.sizes == SMALL[name].sizes


def test_sizes_name_what_follows_from_others() -> None:
    assert preset("mamba-h32l2", 5, 6).sizes == {
        "aps": 5, "classes": 6, "d": 32, "blocks": 2, "state": 16, "inner": 64, "rank": 2}
    assert SMALL["gated_unit"].sizes == {"aps": 3, "classes": 4, "d": 4, "blocks": 1, "inner": 5}
    assert SMALL["mdcsa_2"].sizes == {"aps": 3, "classes": 4, "d": 4, "heads": 2, "fc1": 5, "fc2": 3}


@pytest.mark.parametrize("name", SMALL)
def test_widths_of_any_size_are_quantized_to_the_same_bits(name: str) -> None:
    rng = np.random.default_rng(0)
    program = quantize(Model.create(SMALL[name]), rng.random((9, 6, 3), np.float32), "minmax")
    codes = rng.integers(-128, 128, (20, 6, 3)).astype(np.int8)
    assert compare(program, codes).equal


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = Model.create(preset("mamba-h4l1", 3, 3))
    model.save(path)
    whole, arrays = path.read_bytes(), load_file(path)

    def meta(**change: str) -> dict[str, str]:
        return {"format": "tinyloc-model", "version": "1", "info": "{}",
                "config": json.dumps({"family": "mamba", "aps": 3, "classes": 3, "d": 4}), **change}

    cases = [
        (whole[: len(whole) // 2], "cut off or no safetensors"), (b"", "cut off"), (b"hello there, this is text", "cut off"),
        (save(arrays, metadata=meta(version="99")), "version '99'; this tinyloc reads version 1"),
        (save(arrays, metadata=meta(format="other")), "expected a tinyloc-model file, found format 'other'"),
        (save(arrays, metadata=meta(config="{")), "damaged configuration"),
        (save({**arrays, "head.weight": np.zeros((2, 2), np.float32)}, metadata=meta()),
         r"parameter 'head.weight': expected shape \(3, 4\), found \(2, 2\)"),
        (save({k: v for k, v in arrays.items() if k != "crf.end"}, metadata=meta()), "parameter 'crf.end': expected shape"),
        (save({**arrays, "extra": arrays["crf.end"]}, metadata=meta()), "parameter 'extra': expected none"),
        (save({**arrays, "crf.end": arrays["crf.end"] * np.float32("nan")}, metadata=meta()), "with NaN or infinity"),
        (save({**arrays, "crf.end": np.zeros(3, np.int32)}, metadata=meta()), "found int32"),
    ]
    for data, words in cases:
        path.write_bytes(resealed(data))
        with pytest.raises(ModelError, match=words) as e:
            Model.load(path)
        assert str(path) in str(e.value)
    with pytest.raises(ModelError, match="no such file"):
        Model.load(tmp_path / "absent")
