"""States that go on from row to row: of recordings, of training windows that begin with them, of models and Programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc import carry, qat, run
from tinyloc.carry import Carried
from tinyloc.data import (
    Augmentation,
    Augmenter,
    Dataset,
    Recordings,
    Windows,
    every_row,
    load,
    macro_f1,
    windows,
)
from tinyloc.data.split import part
from tinyloc.data.windows import Scaler
from tinyloc.distill import Distillation, Teachers
from tinyloc.errors import ConfigError, DataError
from tinyloc.kernels.op import STATE, Node
from tinyloc.kernels.table import LAYERS
from tinyloc.model import Config, Model
from tinyloc.program import Program
from tinyloc.qat import QuantizedGraph
from tinyloc.quantize import calibrate
from tinyloc.reference.crf import crf_marginals
from tinyloc.run import Session
from tinyloc.train import Changing, Epoch, Inputs, Recipe, as_begun, fit, last_rows

#: One block and two, with a scan and without, one tap and several.
MODELS = [Config("mamba", 3, 4, 5, n=3, k=4), Config("mamba", 3, 4, 5, n=2, k=1, blocks=2, tied=True),
          Config("mamba", 3, 4, 5, n=0, k=3), Config("mamba", 3, 4, 5, n=0, k=1)]


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


def some(lengths: list[int], length: int, hop: int, delay: int = 0) -> Windows:
    """All windows of recordings of random rows."""
    n = sum(lengths)
    first = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
    start = np.array([a + i for a, m in zip(np.unique(first).tolist(), lengths, strict=True)
                      for i in range(0, m - length + 1, hop)], int)
    x = np.random.default_rng(n).random((n, 3), np.float32)
    return Windows(x[start[:, None] + np.arange(length)], np.zeros((len(start), length), np.int64),
                   start + length - 1 - delay, Recordings(x, first, delay))


def shaped(model: Model, batch: int) -> list[np.ndarray]:
    return [np.zeros((batch, *shape), np.float32) for shape in model.state_shapes]


# ---- recordings ----

@given(st.lists(st.integers(1, 9), max_size=5), st.integers(0, 4))
def test_answers_come_so_much_later(lengths: list[int], delay: int) -> None:
    """About each row the answer that many rows on, the last row repeated behind the end; each recording for itself."""
    first = np.repeat(np.cumsum([0, *lengths])[:-1], lengths)
    x = np.arange(sum(lengths))[:, None]
    heard: list[list[int]] = []

    def answers(rows: np.ndarray) -> np.ndarray:
        heard.append(rows[:, 0].tolist())
        return rows[:, 0] * 10

    said = Recordings(x, first, delay).follow(answers)
    last = first + np.repeat(lengths, lengths).astype(int) - 1
    np.testing.assert_array_equal(said, 10 * np.minimum(np.arange(len(x)) + delay, last))
    for rows, a, m in zip(heard, np.unique(first).tolist(), lengths, strict=True):
        assert rows == [*range(a, a + m), *[a + m - 1] * delay]


@pytest.mark.parametrize("cut", [windows, lambda s, scaler, n, hop, delay: every_row(s, scaler, n, delay)],
                         ids=["windows", "rows"])
@pytest.mark.parametrize("delay", [0, 3])
def test_windows_know_what_they_were_cut_from(house: Dataset, cut, delay: int) -> None:  # type: ignore[no-untyped-def]
    scaler = Scaler.fit(house.train)
    w = cut(house.val, scaler, 10, 5, delay)
    assert w.recordings.delay == delay
    np.testing.assert_array_equal(w.recordings.x, scaler.prepare(house.val))
    np.testing.assert_array_equal(w.recordings.first, house.val.starts())
    np.testing.assert_array_equal(w.x[:, -1], w.recordings.x[np.minimum(w.row + delay, house.val.ends()[w.row])])


# ---- the states of training windows ----

@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(4, 25), min_size=1, max_size=5), st.integers(2, 4), st.integers(1, 6), st.integers(0, 2),
       st.sampled_from(MODELS))
def test_states_are_those_of_the_rows_before(lengths: list[int], length: int, hop: int, delay: int, config: Config) -> None:
    """Of every window, where all of them are carried and recordings begin anew."""
    w, model = some(lengths, length, hop, delay), Model.create(config)
    carried, rng = Carried(w, model.state_shapes, 1.0), np.random.default_rng(0)
    carried.tour(model, rng)
    on, found = carried.of(np.arange(len(w)), rng)
    assert on.all()
    assert w.recordings is not None
    for i, row in enumerate(w.row + delay - length + 1):
        want = shaped(model, 1)
        for x in w.recordings.x[w.recordings.first[row] : row]:
            want = model.state_after(model.forward(x[None, None], state=want)[1])
        for got, state in zip(found, want, strict=True):
            np.testing.assert_allclose(got[i], state[0], atol=2e-6, rtol=1e-5)


def test_windows_with_rows_before_their_recording_begin_as_it_does(house: Dataset) -> None:
    """`every_row` repeats the first row; and what has no room is left out, so that windows are far apart."""
    scaler, model = Scaler.fit(house.train), Model.create(Config("mamba", len(house.aps), len(house.rooms), 5, n=3))
    whole, rng = every_row(house.train, scaler, 6), np.random.default_rng(0)
    for w in (whole, replace(whole, x=whole.x[::400], y=whole.y[::400], row=whole.row[::400])):
        assert w.recordings is not None
        carried = Carried(w, model.state_shapes, 1.0, len(w.recordings.x))
        carried.tour(model, rng)
        assert 0 < carried.hop <= 6
        first = np.maximum(w.row - 5, w.recordings.first[w.row])
        for i in range(0, len(w), max(1, len(w) // 40)):
            want = shaped(model, 1)
            for x in w.recordings.x[w.recordings.first[first[i]] : first[i]]:
                want = model.state_after(model.forward(x[None, None], state=want)[1])
            for got, state in zip(carried._kept, want, strict=True):
                np.testing.assert_allclose(got[i], state[0], atol=2e-6, rtol=1e-5)


def test_some_begin_anew_and_recordings_with_another_ones_end() -> None:
    w, model = some([40] * 30, 4, 2), Model.create(MODELS[0])
    carried, rng = Carried(w, model.state_shapes, 0.75), np.random.default_rng(1)
    carried.tour(model, rng)
    ends = [e.copy() for e in carried.ends]
    carried.tour(model, rng)
    first = np.flatnonzero(w.row - 3 == w.recordings.first[w.row])  # type: ignore[union-attr]
    begun = carried._kept[1][first]
    is_end = (begun[:, None] == ends[1]).all((2, 3))
    anew = (begun == 0).all((1, 2))
    assert (is_end.any(1) | anew).all() and 2 <= anew.sum() <= 16
    assert len(set(is_end[~anew].argmax(1))) == (~anew).sum(), "no two recordings begin with the same end"
    assert (is_end.argmax(1)[~anew] != np.arange(30)[~anew]).any()
    on, (_, begun) = carried.of(np.arange(len(w)), rng)
    assert ((begun != 0).any((1, 2)) <= on).all()
    share = (begun == carried._kept[1]).all((1, 2)).mean()
    assert 0.7 < share < 0.85 and ((begun == carried._kept[1]) | (begun == 0)).all()


@pytest.mark.parametrize("lengths, hop", [([50], 2), ([31, 8, 40], 3), ([4, 4], 1)])
def test_long_recordings_are_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch, lengths: list[int], hop: int) -> None:
    """Which begin as the part before ended the last time: after as many tours as there are parts, by the same model, a
    recording's states are those of going through it from where it began the first of these times."""
    monkeypatch.setattr(carry, "STRETCH", 4)
    w, model = some(lengths, 4, hop), Model.create(MODELS[0])
    carried, rng = Carried(w, model.state_shapes, 0.0), np.random.default_rng(0)  # each recording anew
    assert len(carried.start) == sum(-(-m // (4 * carried.hop)) for m in lengths) and carried.length.max() <= 4 * carried.hop
    for _ in range(len(carried.start)):
        carried.tour(model, rng)
    monkeypatch.setattr(carry, "STRETCH", 1000)
    whole = Carried(w, model.state_shapes, 0.0)
    whole.tour(model, rng)
    assert len(whole.start) == len(lengths)
    for got, want in zip(carried._kept, whole._kept, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_what_is_changed_is_of_one_device_with_its_state(house: Dataset) -> None:
    """A recording is changed as a whole for the windows that are carried in it; the others are changed each for itself."""
    scaler, rng = Scaler.fit(house.train), np.random.default_rng(2)
    w = windows(house.train, scaler, 8, 4)
    assert w.recordings is not None
    augmenter = Augmenter(house.train, scaler.hold, 8, 0, 5.0, Augmentation(offset=9))
    changing = Changing(augmenter, scaler, np.arange(len(house.aps)))
    rows = augmenter.recordings(w.recordings.spans, rng)
    moved = rows - augmenter.signals
    offsets = [moved[a:b] for a, b in w.recordings.spans]
    assert all(np.nanstd(o) < 1e-4 for o in offsets)
    assert len({round(float(np.nanmean(o)), 3) for o in offsets}) == len(offsets)
    pick, on = np.array([0, 3, 20, len(w) - 1]), np.array([True, False, True, False])
    x, _ = changing.batch(w.row[pick], np.random.default_rng(0), on, rows)
    anew, _ = changing.batch(w.row[pick], np.random.default_rng(0))
    np.testing.assert_array_equal(x[~on], anew[~on])
    np.testing.assert_array_equal(x[on], changing.scaled(rows)[augmenter.rows(w.row[pick[on]])])
    assert (x[on] != anew[on]).any()


@pytest.mark.parametrize("name, carries", [("mamba-h4l1", True), ("mdcsa-h4l1", False)])
def test_changed_and_carried_goes_on_where_it_was(house: Dataset, tmp_path: Path, name: str, carries: bool) -> None:
    """A training that was killed, with windows that change: its result is that of one that was not."""
    recipe, how = Recipe(epochs=3, batch=32), Augmentation(offset=4, dead=0.2)
    whole = fit(house, name, recipe, window=8, augmentation=how)

    def stop(e: Epoch) -> None:
        if e.number == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(house, name, recipe, window=8, augmentation=how, checkpoint=tmp_path / "c", progress=stop)
    again = fit(house, name, recipe, window=8, augmentation=how, checkpoint=tmp_path / "c")
    anew = fit(house, name, replace(recipe, carry=0), window=8, augmentation=how)
    assert all(np.array_equal(whole.params[k], v) for k, v in again.params.items())
    assert all(np.array_equal(whole.params[k], v) for k, v in anew.params.items()) != carries


def test_training_is_on_states_that_were_carried(house: Dataset) -> None:
    """Where there are none to carry, or none of them are to be, nothing is drawn for them: the bits are those of before."""
    quick = Recipe(epochs=2, batch=32)
    for name, share, alike in (("mamba-h4l1", 0.75, False), ("mdcsa-h4l1", 0.75, True),
                               ("mamba-h4l1,n=0,k=1", 0.75, True)):
        made, anew = (fit(house, name, replace(quick, carry=c), window=10) for c in (share, 0.0))
        assert all(np.array_equal(made.params[k], v) for k, v in anew.params.items()) == alike, name
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ConfigError, match=r"carry = .*expected 0 to 1"):
            Recipe(carry=wrong)


def test_carrying_on_is_learned() -> None:
    """What windows that begin anew do not teach: the states of a whole walk.  By far, in integers too; two seeds."""
    house, f1 = load("simulated", minutes=10, test_minutes=6), {}
    for share in (0.0, Recipe.carry):
        found = []
        for seed in range(2):
            model = fit(house, "mamba-h4l1", Recipe(epochs=40, carry=share, seed=seed))
            w, program = last_rows(model.info, house.test), calibrate(model, house, "minmax", "powers")
            found.append([macro_f1(w.y[:, -1], labels, len(house.rooms)) for labels in (
                model.predict(w.x), model.labels(w), run.labels(program, w))])
        f1[share] = np.mean(found, axis=0)
    (before_anew, before, before8), (anew, after, after8) = f1[0.0], f1[Recipe.carry]
    assert before < before_anew - 0.05, "what is to be mended"
    assert after > before + 0.05 and after8 > before8 + 0.05, f1
    assert after > anew and after8 > after - 0.05, f1


# ---- who goes on, and who does not ----

@pytest.mark.parametrize("config", MODELS)
@pytest.mark.parametrize("delay", [0, 2])
def test_a_model_goes_on_from_row_to_row(config: Config, delay: int) -> None:
    """Labels and margins of every row, by loops; of windows, also of some, those of their rows."""
    w, model = some([13, 1, 7], 1, 1, delay), Model.create(config, 3)
    assert w.recordings is not None
    model.params = {k: v * 8 if k.startswith("crf") else v for k, v in model.params.items()}
    whole = Windows(np.zeros((21, 4, 3), np.float32), np.zeros((21, 4), int), np.arange(21), w.recordings)
    crf, want = {k: v.astype(float) for k, v in model.part("crf.").items()}, []
    for a, b in w.recordings.spans:
        state, scores, said = shaped(model, 1), None, []
        for x in [*w.recordings.x[a:b], *[w.recordings.x[b - 1]] * delay]:
            emissions, cache = model.forward(x[None, None], state=state)
            state, e = model.state_after(cache), emissions[0, 0].astype(float)
            scores = e + crf["start"] if scores is None else (scores[:, None] + crf["transitions"]).max(0) + e
            total = np.sort(scores + crf["end"])
            said.append((int((scores + crf["end"]).argmax()), total[-1] - total[-2]))
        want += said[delay:]
        label, margin = model.margins(w.recordings.x[None, a:b], batch=5)
        assert [int(v) for v in label[0]] == [v for v, _ in said[: b - a]]
        np.testing.assert_allclose(margin[0], [m for _, m in said[: b - a]], rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(model.labels(whole), [v for v, _ in want])
    some_rows = replace(whole, x=whole.x[3:9], row=whole.row[3:9])
    np.testing.assert_array_equal(model.labels(some_rows), [v for v, _ in want[3:9]])
    alone = replace(whole, x=w.recordings.x[:, None])
    np.testing.assert_array_equal(model.labels(alone), model.predict(alone.x), "rows that stand alone begin anew")
    unknown = replace(whole, recordings=None)
    np.testing.assert_array_equal(model.labels(unknown), model.predict(unknown.x))


def test_what_looks_at_the_whole_window_has_a_window_a_row(house: Dataset) -> None:
    model = fit(house, "mdcsa-h4l1", Recipe(epochs=1), window=6)
    w, program = last_rows(model.info, house.test), calibrate(model, house, "minmax")
    np.testing.assert_array_equal(model.labels(w), model.predict(w.x))
    assert not program.carries and model.state_shapes == ()
    codes = program.buffers[program.input].quantize(w.x)
    np.testing.assert_array_equal(run.labels(program, w), Session(program, "c").run_windows(codes)[:, -1, 0])


@pytest.fixture(scope="module")
def program(house: Dataset) -> Program:
    model = fit(house, "mamba-h4l1", Recipe(epochs=2), window=6, inputs=Inputs(delay=2))
    return calibrate(model, house, "minmax", "powers")


@pytest.mark.parametrize("backend", ["c", "numba", "arena"])
def test_a_program_goes_on_from_row_to_row(house: Dataset, program: Program, backend: str) -> None:
    """Every backend, as its own stream does: anew at each recording, the last row again where it is over."""
    rows = house.val
    w, b = last_rows(program.info, rows), program.buffers[program.input]
    codes = b.quantize(Scaler.from_dict(program.info["scaler"]).prepare(rows.select(program.info["aps"])))
    session, want = Session(program.retime(1), "numba"), []
    starts = np.unique(rows.starts()).tolist()
    for a, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        session.reset()
        said = [session.run(x[None])[0, 0] for x in [*codes[a:end], codes[end - 1], codes[end - 1]]]
        want += said[2:]
    np.testing.assert_array_equal(run.labels(program, w, backend), want)
    np.testing.assert_array_equal(run.answers(program, w, backend)[:, 0], want)
    anew = Session(program, "c").run_windows(b.quantize(w.x))[:, -1, 0]
    np.testing.assert_array_equal(run.labels(program, replace(w, recordings=None), backend), anew)
    none = last_rows(program.info, part(rows, np.zeros(len(rows), bool)))
    assert run.labels(program, none, backend).shape == (0,)


# ---- training as integers ----

def graph_of(house: Dataset, name: str, weights: str = "int8") -> tuple[QuantizedGraph, Windows]:
    model = fit(house, name, Recipe(epochs=2), window=6, inputs=Inputs(delay=2))
    w = last_rows(model.info, house.val)
    return QuantizedGraph.of(model, w.x, "minmax", "auto", weights=weights), w


@pytest.mark.parametrize("name, weights", [("mamba-h4l2", "int8"), ("mamba-h8l1-lean", "int8"),
                                           ("mamba-h4l1,n=0,k=3", "int8"), ("mamba-h16l1-lean", "int4")])
def test_integers_go_on_in_training_as_in_the_program(house: Dataset, name: str, weights: str) -> None:
    """States after some rows, and what is made of the next ones from there: the Program's own, to the bit."""
    graph, w = graph_of(house, name, weights)
    assert w.recordings is not None
    x, program, rows = w.recordings.x[:46].reshape(2, 23, -1), graph.program(), graph.config.shape[0]
    state = shaped_by(graph, 2)
    for first, t in ((0, 7), (7, 9), (16, 1)):
        state = graph.carrying(t)(x[:, first : first + t], state)
    emissions, cache = graph.forward(x[:, 17:], state=state)
    session, builder = Session(program.retime(1), "numba"), graph.lower(1)
    for i in range(2):
        session.reset()
        for t, codes in enumerate(program.buffers[program.input].quantize(x[i])[:, None]):
            if t == 17:
                for (out, s), real in zip(builder.states.items(), state, strict=True):
                    buffer = builder.buffers[s.name]
                    assert real.dtype == np.float32 and real.shape[1:] == buffer.shape, out
                    np.testing.assert_array_equal(s.codes(real[i], buffer.dtype), session.value(s.name), out)
            session.run(codes)
            if t >= 17:
                logits = program.buffers["logits"].dequantize(session.value("logits"))[0]
                np.testing.assert_array_equal(emissions[i, t - 17], logits.astype(np.float32))
    grads = graph.backward(np.ones_like(emissions), cache)
    assert rows == 6 and set(grads) == {k for k in graph.params if not k.startswith("crf.")}, "a state is no parameter"
    assert (emissions != graph.forward(x[:, 17:])[0]).any()


def shaped_by(graph: QuantizedGraph, batch: int) -> list[np.ndarray]:
    return [np.zeros((batch, *shape), np.float32) for shape in graph.state_shapes]


@pytest.mark.parametrize("kind", ["depthwise_conv1d", "selective_scan"])
def test_layers_with_a_state_have_their_gradients(kind: str) -> None:
    """By central differences, the state held."""
    rng = np.random.default_rng(4)
    b, t, e, n, k = 2, 5, 3, 2, 3
    of = {"depthwise_conv1d": ([(b, t, e)], {"weight": (e, k), "bias": (e,)}, (b, k - 1, e)),
          "selective_scan": ([(b, t, e), (b, t, e), (b, t, n), (b, t, n)], {"a_log": (e, n), "d_skip": (e,)}, (b, e, n))}
    shapes, named, state = of[kind]
    inputs, params = [rng.uniform(0.1, 1, s) for s in shapes], {p: rng.uniform(0.1, 1, s) for p, s in named.items()}
    held, dy = {STATE: rng.normal(size=state)}, rng.normal(size=(b, t, e))

    def value() -> float:
        return float((LAYERS[kind].forward(Node(kind, "y", (), {**params, **held}), inputs) * dy).sum())

    _, pull = LAYERS[kind].vjp(Node(kind, "y", (), {**params, **held}), inputs)
    of_inputs, of_params = pull(dy)
    assert set(of_params) == set(params)
    for array, g in [*zip(inputs, of_inputs, strict=True), *((params[p], of_params[p]) for p in params)]:
        for at in np.ndindex(array.shape):
            was, found = array[at], []
            for step in (1e-5, -1e-5):
                array[at] = was + step
                found.append(value())
            array[at] = was
            assert (found[0] - found[1]) / 2e-5 == pytest.approx(g[at], rel=1e-6, abs=1e-8)
    anew = LAYERS[kind].forward(Node(kind, "y", (), params), inputs)
    zeros = LAYERS[kind].forward(Node(kind, "y", (), {**params, STATE: np.zeros(state)}), inputs)
    np.testing.assert_array_equal(anew, zeros)


def test_training_as_integers_is_judged_as_firmware_runs(house: Dataset) -> None:
    graph, w = graph_of(house, "mamba-h4l1")
    np.testing.assert_array_equal(graph.labels(w), run.labels(graph.program(), w))
    assert graph_of(house, "mdcsa-h4l1")[0].state_shapes == ()


def test_it_goes_on_as_it_began(house: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training as integers carries states where the float model's did, and only there; the bits tell."""
    quick = Recipe(epochs=1, dropout=0.0, lr=1e-3)
    monkeypatch.setattr(qat, "RECIPE", quick)
    for share in (0.0, 0.75):
        model = fit(house, "mamba-h4l1", Recipe(epochs=1, carry=share), window=6)
        usual = qat.fit(model, house, method="minmax").data
        for other in (0.0, 0.75):
            made = qat.fit(model, house, replace(quick, carry=other), method="minmax").data
            assert all(np.array_equal(usual[k], v) for k, v in made.items()) == (other == share)
    before = {k: v for k, v in model.info["recipe"].items() if k != "carry"}
    assert as_begun(quick, {"recipe": before}).carry == 0, "of a version that carried none"
    assert as_begun(quick, {}) == quick


# ---- teachers ----

def test_teachers_are_asked_from_the_states_that_they_were_trained_for(house: Dataset) -> None:
    """Of a window's true recording, behind another one's; beliefs about what begins anew are as they were."""
    models = [fit(house, "mamba-h4l1", Recipe(epochs=3, carry=c), window=8, hop=4) for c in (Recipe.carry, 0.0)]
    scaler, how = Scaler.fit(house.train), Distillation(temperature=1)
    training = windows(house.train, scaler, 8, 4)
    asked = Augmenter(house.train, scaler.hold, 8, 0, house.rate_hz, Augmentation())
    rssi, rows = asked.windows(training.row), asked.rows(training.row)
    for model, carries in zip(models, (True, False), strict=True):
        teachers = Teachers([model], house, 8, 0, how)
        anew = teachers.believe(rssi, rows)
        teachers.follow(training)
        found, unknown = teachers.believe(rssi, rows), teachers.believe(rssi)
        np.testing.assert_array_equal(unknown.rooms, anew.rooms, "of windows whose rows nobody told")
        assert np.array_equal(found.rooms, anew.rooms) != carries
        state = Carried.all_of(training, model) if carries else []
        emissions, _ = model.forward(training.x, state=state)
        crf = [model.params[f"crf.{n}"].astype(float) for n in ("transitions", "start", "end")]
        np.testing.assert_allclose(found.rooms, crf_marginals(emissions.astype(float), *crf), atol=1e-6)
        with pytest.raises(DataError, match="none of those that teachers follow"):
            teachers.believe(rssi[:2], rows[:2] + 1)
        some = np.array([5, 0, 11])
        np.testing.assert_array_equal(teachers.believe(rssi[some], rows[some]).rooms, found.take(some).rooms)


def test_states_that_do_not_change_are_all_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is the initial one, also in parts of recordings."""
    model = Model.create(MODELS[0])
    for w, stretch in ((some([31, 8, 40], 4, 3), 1000), (some([31, 8, 40], 4, 3), 2), (some([25] * 10, 20, 10), 1000),
                       (some([9, 9], 8, 5), 1000)):  # of the last two a recording has one window
        monkeypatch.setattr(carry, "STRETCH", stretch)
        states = Carried.all_of(w, model)
        assert all((s != 0).any((1, 2)).all() for s in states)
        for a, b in zip(states, Carried.all_of(w, model), strict=True):
            np.testing.assert_array_equal(a, b)
