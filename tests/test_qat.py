"""Quantization-aware training: the forward pass is the exported Program, the way back the layers' own, and it is trained
like any model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from programs import random_program, windows

from tinyloc import qat, run
from tinyloc.cli import main
from tinyloc.confidence import calibrate as count
from tinyloc.data import Augmentation, Dataset, Scaler, every_row, load, macro_f1
from tinyloc.data import windows as cut
from tinyloc.distill import Distillation
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.kernels.op import Node
from tinyloc.kernels.table import LAYERS, asked
from tinyloc.model import Model, preset
from tinyloc.program import Buffer, Program
from tinyloc.qat import QuantizedGraph
from tinyloc.quantize import Tensors, build, calibrate, quantize
from tinyloc.reference.gradcheck import check_grads
from tinyloc.run import Numba, Session, Steps
from tinyloc.train import Epoch, Inputs, Recipe, fit, loss_and_gradients, train, with_info

PRESETS = ("mamba-h4l2", "mamba-h8l1-lean", "mamba-h8l1,n=0", "mdcsa-h8l1", "mdcsa-h4l3")
INT4 = ("mamba-h16l1-lean int4", "mdcsa-h8l1 int4")  # presets with weights of four bits
QUICK = Recipe(epochs=3, batch=32, lr=2e-3, dropout=0.0, average=0.9)


def weights(name: str) -> str:
    return "int4" if name in INT4 else "int8"


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=6, test_minutes=1)


@pytest.fixture(scope="module")
def models(house: Dataset) -> dict[str, Model]:
    return {name: fit(house, name.split()[0], Recipe(epochs=12)) for name in (*PRESETS, *INT4)}


@pytest.fixture(scope="module")
def graphs(house: Dataset, models: dict[str, Model]) -> dict[str, QuantizedGraph]:
    x = cut(house.train, Scaler.fit(house.train), 20, 5).x
    return {name: QuantizedGraph.of(m, x, "minmax", weights=weights(name)) for name, m in models.items()}


def moved(graph: QuantizedGraph, seed: int = 0, size: float = 0.02) -> QuantizedGraph:
    """The graph with other parameters than those that it was calibrated with."""
    rng = np.random.default_rng(seed)
    params = {k: (v + size * max(float(np.abs(v).max()), 0.1) * rng.standard_normal(v.shape)).astype(np.float32)
              for k, v in graph.params.items()}
    return dataclasses.replace(graph, params=params)


# What no preset's graph holds.
MORE = (Node("softmax", "softmax", ("x",)), Node("relu", "relu", ("x",)), Node("gelu", "gelu", ("x",)),
        Node("matmul", "matmul", ("x", "x2"), {}, {"transpose_b": 0, "scale": 0.3}),
        Node("matmul", "matmul_t", ("x", "x"), {}, {"transpose_b": 1, "scale": 0.3}))


def nodes_of_all_kinds() -> Iterator[tuple[Node, list[tuple[int, ...]]]]:
    """One node of each kind and form of parameters with its inputs' shapes."""
    seen = set()
    for name in ("mamba-h4l1", "mamba-h4l1-lean", "mdcsa-h4l1", "mdcsa-h4l3"):
        tensors = Tensors.of(Model.create(preset(name, 3, 5)).graph(6), np.random.default_rng(0).random((2, 6, 3)))
        for n in tensors.nodes[1:-1]:
            form = (n.kind, *sorted(n.params), len(n.inputs), n.kind == "selective_scan" and n.params["a_log"].shape[1])
            if form not in seen:
                seen.add(form)
                yield n, [tensors.values[i].shape for i in n.inputs]
    for n in MORE:
        yield n, [(2, 6, 6), (2, 6, 4)][: len(n.inputs)] if n.out != "matmul_t" else [(2, 6, 6), (2, 5, 6)]


@pytest.mark.parametrize(("node", "shapes"), [pytest.param(*c, id=c[0].out) for c in nodes_of_all_kinds()])
def test_derivatives_of_layers(node: Node, shapes: list[tuple[int, ...]]) -> None:
    """Each pullback against central differences, in float64, by input and by parameter."""
    rng = np.random.default_rng(1)
    inputs = {f"input{i}": rng.standard_normal(s) for i, s in enumerate(shapes)}
    if node.kind == "selective_scan":
        inputs["input1"] = np.abs(inputs["input1"])  # time steps
    params = {k: v.astype(float) + 0.1 * rng.standard_normal(v.shape) for k, v in node.params.items()}

    def forward(**args: np.ndarray) -> tuple[np.ndarray, Any]:
        own = dataclasses.replace(node, params={k: args[k] for k in params})
        return LAYERS[node.kind].vjp(own, [args[k] for k in inputs])

    def backward(dy: np.ndarray, pull: Any) -> tuple[np.ndarray, ...]:
        of_inputs, of_params = pull(dy)
        assert set(of_params) == set(params)
        return (*of_inputs, *(of_params[k] for k in params))

    check_grads(forward, backward, {**inputs, **params})


@pytest.mark.parametrize("seed", range(12))
def test_steps_have_every_buffer_of_numbas(seed: int) -> None:
    """Windows of random Programs, state included; and a second batch starts anew."""
    program = random_program(seed)
    x, steps, numba = windows(program, 4), Steps(program.buffers, program.steps, program.data), Numba(program)
    for _ in range(2):
        codes = steps.run_windows(x)
        for i, one in enumerate(x):
            numba.reset()
            numba.run(one)
            for b in program.buffers.values():
                if b.kind in ("input", "activation", "output", "state"):
                    np.testing.assert_array_equal(codes(b.name)[i], numba.value(b.name), f"window {i}, {b.name}")


def exported(program: Program, folder: Path) -> Program:
    program.save(folder / "p")
    return Program.load(folder / "p")


@pytest.mark.parametrize("name", [*PRESETS, *INT4])
def test_the_start_is_what_calibration_makes(house: Dataset, models: dict[str, Model], graphs: dict[str, QuantizedGraph],
                                             name: str) -> None:
    """The same steps and scales, and constants within what float32 does to folded layers."""
    x = cut(house.train, Scaler.fit(house.train), 20, 5).x
    start, want = graphs[name].program(), quantize(models[name], x, "minmax", weights=weights(name))
    assert any(s.op.startswith("linear_w4") for s in want.steps) == (name in INT4)
    assert start.steps == want.steps and dict(start.buffers) == dict(want.buffers) and start.info == want.info
    for k, v in want.data.items():
        loose = {"rtol": 2e-7, "atol": 1} if v.dtype == np.int32 else {"rtol": 0}
        np.testing.assert_allclose(start.data[k].astype(float), v, err_msg=k, **loose)


def house_windows(house: Dataset) -> np.ndarray:
    return every_row(house.val, Scaler.fit(house.train), 20).x


def check_forward(graph: QuantizedGraph, program: Program, x: np.ndarray) -> None:
    """Codes of every tensor, the logits that the loss sees, and labels, on numba and in C."""
    logits, _ = graph.forward(x)
    builder, codes = graph.codes(x)
    into = program.buffers[program.input].quantize(x)
    session = Session(program, "numba")
    last = program.buffers[builder.nodes[-2].out]
    for i, window in enumerate(into):
        session.reset()
        session.run(window)
        for node in builder.nodes:
            np.testing.assert_array_equal(codes(node.out)[i], session.value(node.out), node.out)
        np.testing.assert_array_equal(logits[i], last.dequantize(session.value(last.name)).astype(np.float32))
    labels = codes(program.output)
    np.testing.assert_array_equal(labels, Session(program, "c").run_windows(into))
    np.testing.assert_array_equal(labels[:, -1, 0], graph.predict(x))


@pytest.mark.parametrize("name", [*PRESETS, *INT4])
def test_forward_is_the_exported_program(house: Dataset, graphs: dict[str, QuantizedGraph], tmp_path: Path, name: str
                                         ) -> None:
    """Parameters beside those that were calibrated."""
    graph = moved(graphs[name])
    check_forward(graph, exported(graph.program(), tmp_path), house_windows(house)[::60])


@pytest.mark.level2
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("name", [*PRESETS, *INT4])
def test_forward_is_the_exported_program_deep(house: Dataset, graphs: dict[str, QuantizedGraph], tmp_path: Path, name: str,
                                              size: float, seed: int) -> None:
    """Far from where ranges were calibrated; where a bound cannot be proved, neither trains nor exports."""
    graph = moved(graphs[name], seed, size)
    try:
        program = exported(graph.program(), tmp_path)
    except ModelError:
        with pytest.raises(ModelError):
            graph.forward(house_windows(house)[:1])
        return
    check_forward(graph, program, house_windows(house)[::40])


def test_forward_is_the_firmware(house: Dataset, graphs: dict[str, QuantizedGraph]) -> None:
    """Every step's output on an emulated Cortex-M4 has the signature of the training's."""
    for module in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    graph = moved(graphs["mamba-h8l1-lean"])
    x = every_row(house.val, Scaler.fit(house.train), 20).x[::200]
    program = graph.program()
    _, codes = graph.codes(x)
    labels, crcs = Session(program, "cortex-m4").sign_windows(program.buffers[program.input].quantize(x))
    np.testing.assert_array_equal(labels, codes(program.output))
    np.testing.assert_array_equal(crcs, Session(program, "c").sign_windows(program.buffers[program.input].quantize(x))[1])


def test_a_sample_on_its_own() -> None:
    """Windows of one step have no CRF: the loss is that of a softmax, and every parameter has a gradient."""
    rng = np.random.default_rng(0)
    graph = moved(QuantizedGraph.of(Model.create(preset("mamba-h4l1", 6, 5)), rng.random((40, 1, 6), np.float32), "minmax"))
    x, y = rng.random((16, 1, 6), np.float32), rng.integers(0, 5, (16, 1))
    logits, _ = graph.forward(x)
    loss, grads = loss_and_gradients(graph, x, y)
    shifted = logits[:, 0] - logits[:, 0].max(1, keepdims=True)
    expected = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(16), y[:, 0]]
    assert loss == pytest.approx(float(expected.mean()), rel=1e-5)
    assert set(grads) == set(graph.params) and all(grads[k].shape == v.shape for k, v in graph.params.items())


@pytest.mark.parametrize("name", [*PRESETS, *INT4])
def test_gradients_are_nearly_those_of_floats(house: Dataset, graphs: dict[str, QuantizedGraph], name: str) -> None:
    """Straight through the rounding: the gradients of the float graph of the rounded weights, but for the activations at
    which they are taken."""
    graph = graphs[name]
    w = cut(house.train, Scaler.fit(house.train), 20, 10)
    x, y = w.x[:48], w.y[:48]
    _, grads = loss_and_gradients(graph, x, y)
    values, pulls, realized = {graph.nodes[0].out: x}, [], graph.lower().realized
    for n in graph.nodes[1:-1]:
        rounded = {k: v.astype(np.float32) for k, v in realized.get(n.out, {}).items()}
        n = dataclasses.replace(n, params={**n.params, **rounded})
        values[n.out], pull = LAYERS[n.kind].vjp(n, [values[i] for i in n.inputs])
        pulls.append((n, pull, None))

    class Floats(QuantizedGraph):
        def forward(self, x: np.ndarray, rng: Any = None, dropout: float = 0.0, state: Any = ()) -> tuple[np.ndarray, Any]:
            return values[self.nodes[-2].out].astype(np.float32), (pulls, values[self.nodes[-2].inputs[0]])

    _, want = loss_and_gradients(Floats(graph.config, graph.params, graph.nodes, graph.calibrated), x, y)
    assert set(grads) == set(want) == set(graph.params)
    a, b = (np.concatenate([g[k].reshape(-1).astype(float) for k in graph.params]) for g in (grads, want))
    assert a @ b / np.sqrt((a @ a) * (b @ b)) > 0.97


def test_clipped_codes_pass_nothing() -> None:
    buffer = Buffer("y", (1, 6), "int8", "activation", 0.5, 0)
    y = np.array([[-70.0, -64.0, 0.0, 63.4, 63.6, 80.0]])
    q = buffer.quantize(y)
    passes = qat._passes(buffer, q, buffer.dequantize(q), y)
    assert passes is not None and passes.tolist() == [[False, True, True, True, False, False]]
    assert qat._passes(buffer, q[:, 2:3], buffer.dequantize(q[:, 2:3]), y[:, 2:3]) is None


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_clipped_does_not_learn(house: Dataset, graphs: dict[str, QuantizedGraph], name: str) -> None:
    """A bias that puts all of the encoder's codes at an end: it has no gradient, what comes after has."""
    graph = graphs[name]
    first = graph.nodes[1].out
    params = {**graph.params, f"{first}.bias": graph.params[f"{first}.bias"] + np.float32(1e3)}
    w = cut(house.train, Scaler.fit(house.train), 20, 10)
    _, grads = loss_and_gradients(dataclasses.replace(graph, params=params), w.x[:8], w.y[:8])
    sizes = {k: float(np.abs(v).max()) for k, v in grads.items()}
    assert sizes[f"{first}.weight"] == sizes[f"{first}.bias"] == 0 < sizes[f"{graph.nodes[-2].out}.weight"]


def test_attributes_follow_the_parameters(graphs: dict[str, QuantizedGraph]) -> None:
    """Faster decays and greater scores of the decoder still have their proofs, and calibration's own choices stay."""
    graph = graphs["mamba-h4l2"]
    assert [n.attrs for n in asked(graph.nodes)] == [n.attrs for n in graph.nodes]
    params = {k: v + 3 if k.endswith("a_log") else v * 40 if k.startswith("crf.") else v for k, v in graph.params.items()}
    program = dataclasses.replace(graph, params=params).program()
    assert all(bound <= limit for bound, limit in program.info["proofs"].values())
    stale = dataclasses.replace(graph, params=params)
    nodes = [dataclasses.replace(n, params={p: params[qat._name(graph.nodes, n, p)] for p in n.params}) for n in graph.nodes]
    with pytest.raises(ModelError, match="reaches"):
        build(Tensors(nodes, Tensors.of(nodes, np.zeros((2, 20, 11), np.float32)).values), "minmax")
    assert stale.program().steps == program.steps


@pytest.mark.parametrize("name", [*PRESETS, *INT4])
def test_the_program_is_the_one_that_was_scored(house: Dataset, models: dict[str, Model], name: str) -> None:
    epochs: list[Epoch] = []
    program = qat.fit(models[name], house, QUICK, method="minmax", progress=epochs.append, weights=weights(name))
    assert program.info["weights"] == weights(name)
    how = program.info["qat"]
    val = every_row(house.val, Scaler.fit(house.train), 20)
    seen = val.y[:, -1] >= 0
    for backend in ("numba", "c"):
        labels = run.labels(program, val, backend)
        assert macro_f1(val.y[seen, -1], labels[seen], len(house.rooms)) == how["validation_macro_f1"]
    assert how["validation_macro_f1"] == max(e.score for e in epochs) and how["epochs"] == len(epochs) == 3
    assert how["teachers"] == [name.split()[0]] and how["distillation"] == dataclasses.asdict(qat.ITSELF)
    assert program.info["rooms"] == list(house.rooms) and program.info["recipe"] == models[name].info["recipe"]


@pytest.mark.parametrize("name", INT4)
def test_four_bits_learn(house: Dataset, models: dict[str, Model], name: str) -> None:
    """What rounding to so few codes loses of the float model's beliefs, training wins back."""
    epochs: list[Epoch] = []
    qat.fit(models[name], house, dataclasses.replace(QUICK, epochs=6), method="minmax", weights="int4",
            progress=epochs.append)
    assert epochs[-1].loss < epochs[0].loss, [e.loss for e in epochs]


def test_training_mends_what_calibration_breaks(house: Dataset, models: dict[str, Model]) -> None:
    """Activations of some ten codes only: training finds parameters with which these tell the rooms apart again."""
    scaler = Scaler.fit(house.train)
    graph = QuantizedGraph.of(models["mdcsa-h8l1"], cut(house.train, scaler, 20, 5).x, "minmax")
    ranges = {k: (24 * lo, 24 * hi) for k, (lo, hi) in graph.calibrated.ranges.items()}
    coarse = dataclasses.replace(graph, calibrated=dataclasses.replace(graph.calibrated, ranges=ranges))
    seen = cut(house.train, scaler, 20, 10)
    epochs: list[Epoch] = []
    trained = train(coarse, seen, seen, dataclasses.replace(QUICK, epochs=20), progress=epochs.append)
    before, after = (macro_f1(seen.y[:, -1], g.predict(seen.x), len(house.rooms)) for g in (coarse, trained))
    assert epochs[-1].loss < 0.8 * epochs[0].loss and after > before + 0.1, f"{before:.3f} before, {after:.3f} after"


def test_what_was_balanced_stays_so(house: Dataset, models: dict[str, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a recipe says otherwise; where labels have their share of the loss, another Program comes of it."""
    monkeypatch.setattr(qat, "RECIPE", dataclasses.replace(qat.RECIPE, epochs=1))
    model, how = models["mamba-h4l2"], {"method": "minmax", "distillation": Distillation(0.5, 2)}
    balanced = dataclasses.replace(model, info={**model.info, "recipe": {**model.info["recipe"], "balance": 1.0}})
    a, b, c = (qat.fit(m, house, recipe, **how) for m, recipe in ((model, None), (balanced, None), (balanced, qat.RECIPE)))
    assert [p.info["qat"]["recipe"]["balance"] for p in (a, b, c)] == [0, 1, 0]
    assert any(not np.array_equal(v, b.data[k]) for k, v in a.data.items())
    assert all(np.array_equal(v, c.data[k]) for k, v in a.data.items())


class Stop(Exception):
    pass


def test_killed_and_resumed_is_as_if_never_stopped(house: Dataset, models: dict[str, Model], tmp_path: Path) -> None:
    def stop(e: Epoch) -> None:
        if e.number == 2:
            raise Stop

    model = models["mdcsa-h8l1"]
    how: dict[str, Any] = {"method": "minmax", "distillation": Distillation(0.5, 2)}
    whole = qat.fit(model, house, QUICK, **how)
    with pytest.raises(Stop):
        qat.fit(model, house, QUICK, checkpoint=tmp_path / "c", progress=stop, **how)
    again = qat.fit(model, house, QUICK, checkpoint=tmp_path / "c", **how)
    assert again.steps == whole.steps and again.info == whole.info
    assert all(np.array_equal(again.data[k], v) for k, v in whole.data.items())
    assert whole.info["qat"]["distillation"] == {"alpha": 0.5, "temperature": 2, "hard": False, "beta": 0, "neighbors": 0}
    with pytest.raises(ModelError, match="a checkpoint of another run"):
        qat.fit(model, house, dataclasses.replace(QUICK, lr=1e-3), checkpoint=tmp_path / "c", **how)


def test_a_run_is_of_its_ranges_too(house: Dataset, models: dict[str, Model], tmp_path: Path) -> None:
    """Rows without a room teach nothing, but ranges are calibrated on them."""
    rows, last = house.train, np.arange(len(house.train)) >= len(house.train) - 100
    quiet = dataclasses.replace(rows, room=np.where(last, -1, rows.room))
    loud = dataclasses.replace(quiet, rssi=np.where(last[:, None], np.float32(-45), rows.rssi))
    how: dict[str, Any] = {"method": "minmax", "distillation": Distillation(1, 1), "checkpoint": tmp_path / "c"}
    qat.fit(models["mdcsa-h8l1"], dataclasses.replace(house, train=quiet), QUICK, **how)
    with pytest.raises(ModelError, match="a checkpoint of another run"):
        qat.fit(models["mdcsa-h8l1"], dataclasses.replace(house, train=loud), QUICK, **how)


def test_learns_from_changed_windows_and_features(house: Dataset, tmp_path: Path) -> None:
    """As the float model was trained: late answers, windows changed at each step, teachers asked about these."""
    model = fit(house, "mamba-h4l1", Recipe(epochs=3), inputs=Inputs("powed", 1, 2), augmentation=Augmentation(3, lost=0.1))
    how: dict[str, Any] = {"method": "minmax", "distillation": Distillation(0.5, 1, beta=0.5)}
    program = qat.fit(model, house, QUICK, **how)
    assert program.info["delay"] == 2 and program.info["augmentation"]["offset"] == 3
    same = qat.fit(model, house, QUICK, **how)
    assert all(np.array_equal(same.data[k], v) for k, v in program.data.items())
    known = qat.fit(model, house, QUICK, until=2, **how)
    assert known.info["qat"]["epochs"] == 2 and "validation_macro_f1" not in known.info["qat"]
    model.info.pop("augmentation")
    other = qat.fit(model, house, QUICK, **how)
    assert any(not np.array_equal(other.data[k], v) for k, v in program.data.items() if k in other.data)


def test_ctrl_c_keeps_the_best_so_far(house: Dataset, models: dict[str, Model]) -> None:
    def interrupt(e: Epoch) -> None:
        if e.number == 2:
            raise KeyboardInterrupt

    how = qat.fit(models["mdcsa-h8l1"], house, QUICK, method="minmax", progress=interrupt).info["qat"]
    assert how["interrupted"] and how["epochs"] == 2 and how["best_epoch"] in (1, 2)


@pytest.mark.parametrize("trained", [False, True])
def test_rooms_count_by_name(house: Dataset, models: dict[str, Model], trained: bool) -> None:
    """Data that name their rooms in another order, or one more that does not occur, make the same Program."""
    def made(data: Dataset) -> Program:
        model = models["mamba-h8l1-lean"]
        return qat.fit(model, data, QUICK, method="minmax") if trained else calibrate(model, data, "minmax")

    want = made(house)
    for other in (house.with_rooms(house.rooms[::-1]), house.with_rooms((*house.rooms, "attic"))):
        got = made(other)
        assert got.info["rooms"] == want.info["rooms"] and got.data.keys() == want.data.keys()
        assert all(np.array_equal(v, got.data[k]) for k, v in want.data.items())


def test_bad_input(house: Dataset, models: dict[str, Model]) -> None:
    model = models["mdcsa-h8l1"]
    with pytest.raises(ConfigError, match=r"dropout = 0.1; expected 0: a Program drops nothing"):
        qat.fit(model, house, Recipe(epochs=1))
    with pytest.raises(ConfigError, match="unknown calibration 'msee'"):
        qat.fit(model, house, QUICK, method="msee")
    with pytest.raises(DataError, match="of which the data lack 6"):
        qat.fit(model, load("simulated", minutes=4, test_minutes=1, aps=5), QUICK)
    with pytest.raises(DataError, match="the model does not say its scaler"):
        qat.fit(Model(model.config, model.params), house, QUICK, method="minmax")
    with pytest.raises(TypeError, match="labels have no derivative"):
        LAYERS["argmax"].vjp(Node("argmax", "y", ("x",)), [np.ones((1, 1, 2))])[1](np.ones((1, 1, 1)))


def test_command_line(tmp_path: Path) -> None:
    """The same Program as in Python, by a killed run that goes on; --qat's options want --qat."""

    def tinyloc(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["quantize", str(tmp_path / "m"), "--out", str(tmp_path / "p"), *args])
        assert result.exit_code == code, result.output
        return result

    rng = np.random.default_rng(0)
    rows = [f"{i},{'ab'[i // 40 % 2]},{rng.normal(-50 - 20 * (i // 40 % 2), 4):.0f},{rng.normal(-70, 4):.0f}"
            for i in range(600)]
    recording = tmp_path / "walk.csv"
    recording.write_text("time,room,rssi_1,rssi_2\n" + "\n".join(rows))
    data = load(str(recording), columns={})
    model = fit(data, "mdcsa-h4l1", Recipe(epochs=4))
    with_info(model, source={"data": str(recording), "seed": 0, "columns": {}}).save(tmp_path / "m")
    quick = ("--qat", "--epochs", "3", "--batch", "16", "--lr", "0.002", "--calibration", "mse")
    how = json.loads(tinyloc(*quick, "--json").stdout)["qat"]
    assert how["epochs"] == 3 and how["recipe"]["lr"] == 0.002 and how["teachers"] == ["mdcsa-h4l1"]
    recipe = dataclasses.replace(qat.RECIPE, epochs=3, batch=16, lr=0.002)
    want = count(qat.fit(model, data, recipe, method="mse"), data)
    got = Program.load(tmp_path / "p")
    assert got.steps == want.steps and all(np.array_equal(got.data[k], v) for k, v in want.data.items())
    assert not (tmp_path / "p.checkpoint").exists()
    assert "trained on (macro-F1" in tinyloc(*quick).output
    for args, said in (((*quick, "--patience", "0"), "patience = 0; expected 1"),
                       (("--lr", "0.1"), "--lr is about training"),
                       (("--teacher", "m"), "--teacher is about training"),
                       (("--qat", "--alpha", "1"), "expected --teacher or --neighbors")):
        assert said in tinyloc(*args, code=2).stderr
