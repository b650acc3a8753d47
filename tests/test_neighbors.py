"""The vote of the rows most like a row: the formula, both implementations of it, and what a model learns from it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from tinyloc.cli import main
from tinyloc.data import Augmentation, Augmenter, Dataset, Samples, Scaler, load
from tinyloc.distill import Beliefs, Distillation, Teachers
from tinyloc.errors import ConfigError, DataError
from tinyloc.layers import Layers, using
from tinyloc.model import Model
from tinyloc.neighbors import BALANCE, WIDTH, Neighbors
from tinyloc.reference import neighbors as reference
from tinyloc.train import Changing, Recipe, fit

nan = float("nan")


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


def rows(rssi: list[list[float]], room: list[int], session: list[int] | None = None) -> Samples:
    return Samples(np.arange(len(room)), np.array(rssi), np.array(room), np.array(session or range(len(room))),
                   ("a", "b", "c"), tuple(f"ap{i}" for i in range(len(rssi[0]))))


KNOWN = [[-60, nan, -80], [-62, -90, nan], [nan, -50, -70], [-60, -60, nan]]


def by_hand(query: list[float], known: list[list[float]], room: list[int]) -> list[float]:
    """The vote, a row at a time: powed signals, cosine, the kernel, rooms by their number of rows to the power BALANCE."""
    def powed(row: list[float]) -> list[float]:
        return [0.0 if math.isnan(v) else max(v + 120, 0) ** 2 for v in row]

    def cosine(u: list[float], v: list[float]) -> float:
        length = math.hypot(*u) * math.hypot(*v)
        return sum(x * y for x, y in zip(u, v, strict=True)) / length if length else 0.0

    s = [cosine(powed(query), powed(k)) for k in known]
    votes = [sum(math.exp((s[r] - max(s)) / WIDTH) for r in range(len(room)) if room[r] == c) / room.count(c)**BALANCE
             if c in room else 0.0 for c in range(3)]
    return [v / sum(votes) for v in votes]


@pytest.mark.parametrize("query", [[-60, nan, -80], [-61, -75, -85], [nan, nan, -100], [nan, nan, nan], [-130, nan, nan],
                                   [-60, -55, -65]])
@pytest.mark.parametrize("room", [[0, 0, 1, 1], [0, 0, 0, 1], [2, 1, 0, 1]])
def test_the_vote_is_its_formula(query: list[float], room: list[int]) -> None:
    got = Neighbors.of(rows(KNOWN, room), 1.0).vote(np.array([[query]], np.float32))
    assert got.shape == (1, 1, 3) and got.dtype == np.float32
    np.testing.assert_allclose(got[0, 0], by_hand(query, KNOWN, room), atol=2e-5)


def test_a_row_is_its_own_neighbor_and_a_gain_changes_nothing() -> None:
    """(v + 120) times any factor, as long as nothing falls silent: the cosine stays."""
    some = Neighbors.of(rows(KNOWN, [0, 1, 2, 1]), 1.0)
    votes = some.vote(np.array(KNOWN, np.float32)[:, None])
    assert votes[:, 0].argmax(1).tolist() == [0, 1, 2, 1]
    np.testing.assert_allclose(some.vote((np.array(KNOWN, np.float32)[:, None] + 120) / 2 - 120), votes, atol=1e-5)


def test_rooms_lag_and_rows_without_a_room_have_no_voice() -> None:
    """delay 1: a row votes for the room of the row before it, in its session alone; gaps are bridged before."""
    walk = rows([[-50, nan], [nan, -50], [nan, nan], [-50, -50]], [0, 1, -1, 2], [0, 0, 0, 1])
    now, late = Neighbors.of(walk, 0.0), Neighbors.of(walk, 0.0, 1)
    assert now.room.tolist() == [0, 1, 2] and late.room.tolist() == [0, 1]
    assert (now.voices > 0).all() and late.voices[2] == 0
    assert now.value.tolist() == pytest.approx([1, math.sqrt(0.5), 1, math.sqrt(0.5)])
    held = Neighbors.of(walk, 1.0)
    assert held.value.tolist() == pytest.approx([1, *[math.sqrt(0.5)] * 4])
    with pytest.raises(DataError, match="no row with a room; expected at least one"):
        Neighbors.of(walk.take(slice(2, 3)), 1.0)
    with pytest.raises(DataError, match="no row with a room"):
        Neighbors.of(walk.take(slice(0, 0)), 1.0)
    with pytest.raises(DataError, match="no row with a room"):
        Neighbors.of(walk, 1.0, 5)
    with pytest.raises(DataError, match="rows of 1 access points; expected 2"):
        now.vote(np.zeros((1, 1, 1), np.float32))


@pytest.mark.parametrize("n, r, a, heard", [(1, 1, 1, 1.0), (9, 40, 7, 0.3), (70, 300, 60, 0.1), (5, 30, 4, 0.0)])
@pytest.mark.parametrize("width", [0.005, 0.02, 1.0])
def test_fast_is_the_reference(n: int, r: int, a: int, heard: float, width: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng([n, r, a])

    def unit(count: int) -> np.ndarray:
        x = rng.random((count, a)) * (rng.random((count, a)) < heard)
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

    x, known, room = unit(n), unit(r), rng.integers(0, 5, r)
    column, row = np.nonzero(known.T)
    start = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=a))])
    index = (start, row.astype(np.int32), known[row, column])
    want = reference.neighbor_votes(x, *index, room, 5, width)
    s = x @ known.T
    np.testing.assert_allclose(want, np.exp((s - s.max(1, keepdims=True)) / width) @ np.eye(5)[room], rtol=1e-12)
    got = Layers("fast").neighbor_votes(x.astype(np.float32), start, index[1], index[2].astype(np.float32), room, 5, width)
    np.testing.assert_allclose(got, want, atol=1e-6 * r / width * 0.02 + 1e-5 * r)
    monkeypatch.setattr(reference, "BLOCK", 2 * r)  # two queries at a time
    np.testing.assert_allclose(reference.neighbor_votes(x, *index, room, 5, width), want, rtol=1e-12)


@pytest.mark.parametrize("layers", ["fast", "reference"])
def test_a_row_has_no_vote_on_itself(layers: str) -> None:
    """Neither as it is nor changed; of rows without a room none has to be left out, and one alone is all that there is."""
    room = [0, 1, -1, 2]
    known = [r for r, label in enumerate(room) if label >= 0]
    some, changed = Neighbors.of(rows(KNOWN, room), 0.0), np.array(KNOWN, np.float32) + 3
    with using(layers):
        for query in (np.array(KNOWN, np.float32), changed):
            got = some.vote(query[:, None], np.arange(4)[:, None])[:, 0]
            for i in range(4):
                others = [r for r in known if r != i]
                want = by_hand(query[i].tolist(), [KNOWN[r] for r in others], [room[r] for r in others])
                np.testing.assert_allclose(got[i], want, atol=2e-5, err_msg=str(i))
        one = Neighbors.of(rows(KNOWN[:1], [1]), 0.0)
        assert one.vote(np.array([[KNOWN[0]]], np.float32), np.array([[0]])).tolist() == [[[0, 1, 0]]]


def test_teachers_leave_out_the_row_itself(house: Dataset) -> None:
    """Of windows of any length and lag, plain and augmented: each step's own row."""
    for length, delay in ((1, 0), (4, 0), (4, 2)):
        augmenter = Augmenter(house.train, 1.0, length, delay, house.rate_hz, Augmentation())
        about = np.arange(length, 60)
        found = augmenter.rows(about)
        assert found.shape == (len(about), length) and (found[:, -1] == about + delay).all()
        np.testing.assert_array_equal(augmenter.signals[found], augmenter.windows(about))
        asked = Teachers([], house, length, delay, Distillation(temperature=1, neighbors=1))
        own, all_vote = asked.believe(augmenter.windows(about), found), asked.believe(augmenter.windows(about))
        neighbors = Neighbors.of(house.train, 1.0, delay)
        np.testing.assert_array_equal(own.rooms, neighbors.vote(augmenter.windows(about), found))
        assert not np.array_equal(own.rooms, all_vote.rooms)
    changing = Changing(Augmenter(house.train, 1.0, 4, 2, house.rate_hz, Augmentation()), Scaler.fit(house.train),
                        np.arange(len(house.aps)), asked)
    _, belief = changing.batch(about, np.random.default_rng(0))
    assert belief is not None
    np.testing.assert_array_equal(belief.rooms, own.rooms)


def believed(house: Dataset, models: list[Model], how: Distillation, length: int, **more: Samples) -> Beliefs:
    clean = Augmenter(house.train, 1.0, length, 0, house.rate_hz, Augmentation())
    return Teachers(models, house, length, 0, how, **more).believe(clean.windows(np.arange(length, 90)))


@pytest.mark.parametrize("length", [1, 5])
def test_shares_add_up(house: Dataset, length: int) -> None:
    """Models and neighbors by their shares, paths of one step and of more; a walk's steps are independent."""
    data = replace(house, window=length, hop=length)
    models = [fit(data, "mamba-h2l1", Recipe(epochs=1, seed=s)) for s in (0, 1)]
    alone, rest, both = (believed(data, m, Distillation(neighbors=s), length)
                         for m, s in (([], 1.0), (models, 0.0), (models, 0.25)))
    for mixed, votes, own in ((both.rooms, alone.rooms, rest.rooms), (both.moves, alone.moves, rest.moves)):
        np.testing.assert_allclose(mixed, 0.25 * votes + 0.75 * own, atol=1e-6)
    assert len(alone.arrays) == len(both.arrays) == (1 if length == 1 else 2)
    np.testing.assert_allclose(alone.rooms.sum(2), 1, atol=1e-5)
    if length > 1:
        np.testing.assert_allclose(alone.moves.sum(2), alone.rooms[:, :-1].sum(1), atol=1e-5)
        np.testing.assert_allclose(alone.moves.sum(1), alone.rooms[:, 1:].sum(1), atol=1e-5)
    with using("reference"):
        slow = believed(data, [], Distillation(neighbors=1), length)
    np.testing.assert_allclose(slow.rooms, alone.rooms, atol=1e-4)  # the root, at temperature 2, of what is left out: e^-20


def test_temperature_and_hard_votes(house: Dataset) -> None:
    cold, warm, hard = (believed(house, [], how, 1).rooms for how in (
        Distillation(temperature=1, neighbors=1), Distillation(temperature=4, neighbors=1),
        Distillation(temperature=1, hard=True, neighbors=1)))
    want = cold.astype(float) ** 0.25
    np.testing.assert_allclose(warm, want / want.sum(2, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(hard, np.eye(len(house.rooms))[cold.argmax(2)])


def test_the_rows_that_are_trained_on_vote(house: Dataset) -> None:
    """A refit's neighbors are its own: the validation rows vote there, and not where they judge."""
    few = believed(house, [], Distillation(neighbors=1), 1).rooms
    more = believed(house, [], Distillation(neighbors=1), 1, rows=house.known).rooms
    assert not np.array_equal(few, more)
    seen: list[int] = []
    made = Neighbors.of

    def of(rows: Samples, hold: float, delay: int = 0) -> Neighbors:
        seen.append(len(rows))
        return made(rows, hold, delay)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinyloc.distill.Neighbors.of", of)
        fit(house, "mamba-h2l1", Recipe(epochs=1), refit=True, distillation=Distillation(neighbors=1))
    assert seen == [len(house.train), len(house.known)]


def test_a_model_learns_the_vote_without_labels(house: Dataset) -> None:
    """By the neighbors alone (alpha 0), asked anew about changed windows; the run says who taught it."""
    alone = replace(house, window=1, hop=1, rate_hz=0.0)
    how = Distillation(alpha=0, temperature=1, neighbors=1)
    model = fit(alone, "mamba-h8l1", Recipe(epochs=10), augmentation=Augmentation(offset=2), distillation=how)
    assert model.info["validation_macro_f1"] > 0.4, "of 7 rooms, by single rows"
    assert model.info["teachers"] == [] and model.info["distillation"]["neighbors"] == 1


@pytest.mark.parametrize("how, words", [
    ({"neighbors": 1.5}, "neighbors = 1.5; expected 0 to 1"), ({"neighbors": nan}, "expected 0 to 1"),
    ({"neighbors": 1, "beta": 0.1}, "votes have no features, expected 0"),
    ({"neighbors": 0.5}, "no teacher; expected at least one, as neighbors have a share of 0.5, not of 1")])
def test_bad_settings(house: Dataset, how: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Teachers([], house, 1, 0, Distillation(**how))  # type: ignore[arg-type]


@pytest.mark.parametrize("augment", [None, Augmentation(offset=1)])
def test_recordings_shorter_than_a_window(house: Dataset, augment: Augmentation | None) -> None:
    rows = house.train
    pieces = np.arange(len(rows)) // (house.window - 1) + len(rows) * rows.session
    short = replace(house, train=replace(rows, session=pieces))
    with pytest.raises(DataError, match="training has no labeled window; expected at least one"):
        fit(short, "mamba-h2l1", Recipe(epochs=1), augmentation=augment, distillation=Distillation(neighbors=1))


def test_command(tmp_path: object) -> None:
    run = CliRunner()
    given = ["train", "--data", "simulated", "--model", "mamba-h2l1", "--epochs", "1", "--out", f"{tmp_path}/m"]
    r = run.invoke(main, [*given, "--neighbors", "0.5"])
    assert r.exit_code == 2 and "no teacher; expected at least one, as neighbors have a share of 0.5" in r.output
    r = run.invoke(main, [*given, "--neighbors", "1", "--temperature", "1"])
    assert r.exit_code == 0, r.output
    assert Model.load(f"{tmp_path}/m").info["distillation"] == {"alpha": 0.5, "temperature": 1.0, "hard": False, "beta": 0.0,
                                                             "neighbors": 1.0}
    r = run.invoke(main, ["quantize", f"{tmp_path}/m", "--out", f"{tmp_path}/q", "--neighbors", "1"])
    assert r.exit_code == 2 and "--neighbors is about training; it needs --qat" in r.output
    r = run.invoke(main, ["quantize", f"{tmp_path}/m", "--out", f"{tmp_path}/q", "--qat", "--neighbors", "0.5",
                          "--epochs", "1"])
    assert r.exit_code == 0, r.output
