"""Distillation: the loss is a distance of distributions over paths, and a model comes nearer to its teachers by it."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tinyloc.cli import main
from tinyloc.data import Augmentation, Augmenter, Dataset, Scaler, load, windows
from tinyloc.distill import Beliefs, Distillation, Teachers, regressor
from tinyloc.errors import ConfigError, DataError
from tinyloc.layers import Layers
from tinyloc.model import Model, preset
from tinyloc.reference.crf import crf_counts, crf_cross_entropy, crf_cross_entropy_backward, crf_marginals, crf_nll
from tinyloc.reference.gradcheck import check_grads
from tinyloc.train import Recipe, fit, loss_and_gradients, with_info


def scores(b: int, t: int, c: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng([b, t, c, seed])
    return [rng.normal(size=s) for s in ((b, t, c), (c, c), (c,), (c,))]


SHAPES = [(1, 1, 3), (2, 4, 3), (1, 5, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_is_that_of_all_paths(shape: tuple[int, int, int]) -> None:
    """Every path enumerated: probability under the teacher times its -log p under the model."""
    b, t, c = shape
    teacher, own = scores(*shape), scores(*shape, seed=1)
    loss, _ = crf_cross_entropy(own[0], *crf_counts(*teacher), *own[1:])
    expected = 0.0
    for i, path in itertools.product(range(b), itertools.product(range(c), repeat=t)):
        tags = np.array([path])
        q = np.exp(-crf_nll(teacher[0][i : i + 1], tags, *teacher[1:])[0])
        expected += q * crf_nll(own[0][i : i + 1], tags, *own[1:])[0] / b
    assert loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_counts_are_marginals_and_moves_add_up(shape: tuple[int, int, int]) -> None:
    args = scores(*shape)
    rooms, moves = crf_counts(*args)
    np.testing.assert_allclose(rooms, crf_marginals(*args), rtol=1e-12)
    np.testing.assert_allclose(moves.sum(2), rooms[:, :-1].sum(1), atol=1e-12)
    np.testing.assert_allclose(moves.sum(1), rooms[:, 1:].sum(1), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape: tuple[int, int, int]) -> None:
    rooms, moves = crf_counts(*scores(*shape))
    own = dict(zip(("emissions", "transitions", "start", "end"), scores(*shape, seed=1), strict=True))

    def forward(emissions: np.ndarray, **rest: np.ndarray) -> tuple[float, object]:
        return crf_cross_entropy(emissions, rooms, moves, **rest)

    check_grads(forward, crf_cross_entropy_backward, own)


def test_a_model_like_its_teacher_has_no_gradient() -> None:
    args = scores(3, 6, 4)
    _, cache = crf_cross_entropy(args[0], *crf_counts(*args), *args[1:])
    assert max(float(np.abs(g).max()) for g in crf_cross_entropy_backward(1.0, cache)) < 1e-12


@pytest.mark.parametrize("shape", [*SHAPES, (64, 20, 11)])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_fast_is_the_reference(shape: tuple[int, int, int], size: float) -> None:
    rooms, moves = crf_counts(*scores(*shape))
    own = [a * size for a in scores(*shape, seed=1)]
    fast = Layers("fast")
    loss, cache = fast.crf_cross_entropy(*(a.astype(np.float32) for a in (own[0], rooms, moves, *own[1:])))
    loss64, cache64 = crf_cross_entropy(own[0], rooms, moves, *own[1:])
    assert loss == pytest.approx(loss64, rel=1e-5, abs=1e-4 * size)
    for got, want in zip(fast.crf_cross_entropy_backward(0.5, cache), crf_cross_entropy_backward(0.5, cache64), strict=True):
        np.testing.assert_allclose(got, want, atol=3e-5 * size)


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


@pytest.fixture(scope="module")
def teachers(house: Dataset) -> list[Model]:
    return [fit(house, "mamba-h8l1", Recipe(epochs=12, seed=seed)) for seed in (10, 11)]


def believed(teachers: list[Model], house: Dataset, how: Distillation) -> Beliefs:
    clean = Augmenter(house.train, 1.0, house.window, 0, house.rate_hz, Augmentation())
    about = windows(house.train, Scaler.fit(house.train), house.window, house.hop).row
    return Teachers(teachers, house, house.window, 0, how).believe(clean.windows(about))


def test_several_teachers_count_by_their_mean(house: Dataset, teachers: list[Model]) -> None:
    both, *each = (believed(some, house, Distillation()) for some in (teachers, teachers[:1], teachers[1:]))
    np.testing.assert_allclose(both.rooms, (each[0].rooms + each[1].rooms) / 2, atol=1e-6)
    np.testing.assert_allclose(both.rooms.sum(2), 1, atol=1e-5)
    np.testing.assert_allclose(both.moves.sum((1, 2)), house.window - 1, atol=1e-3)
    hot = believed(teachers, house, Distillation(temperature=8))
    assert hot.rooms.max(2).mean() < both.rooms.max(2).mean(), "a hotter teacher is less sure"
    hard = believed(teachers[:1], house, Distillation(temperature=1, hard=True))
    assert set(np.unique(hard.rooms)) == {0.0, 1.0}


def test_without_a_window_nobody_is_asked(house: Dataset, teachers: list[Model]) -> None:
    """Recordings that are shorter than a window: said so, with features and without."""
    short = replace(house, train=house.train.take(slice(0, house.window - 1)))
    for beta in (0.0, 0.1):
        with pytest.raises(DataError, match="no window to ask a teacher about; expected at least one"):
            fit(short, "mamba-h2l1", Recipe(epochs=1), teachers=teachers[:1], distillation=Distillation(beta=beta))


def test_an_access_point_that_a_teacher_hears_may_be_missing(house: Dataset, teachers: list[Model]) -> None:
    few = house.select(house.aps[1:])
    with pytest.raises(DataError, match=r"teacher 1 .*of which the data lack 1 "):
        fit(few, "mamba-h2l1", Recipe(epochs=1), teachers=teachers[:1])
    model = fit(few, "mamba-h2l1", Recipe(epochs=1), teachers=teachers[:1], missing="silent")
    assert model.info["aps"] == list(few.aps), "the student does not listen to what is not there"


def test_rooms_are_found_by_name(house: Dataset, teachers: list[Model]) -> None:
    order = list(reversed(range(len(house.rooms))))
    p = dict(teachers[0].params)
    for name in ("head.weight", "crf.start", "crf.end"):
        p[name] = p[name][order]
    p["crf.transitions"] = p["crf.transitions"][order][:, order]
    other = with_info(replace(teachers[0], params=p), rooms=[house.rooms[i] for i in order])
    a, b = believed(teachers[:1], house, Distillation()), believed([other], house, Distillation())
    np.testing.assert_allclose(a.rooms, b.rooms, atol=1e-6)
    np.testing.assert_allclose(a.moves, b.moves, atol=1e-5)


@pytest.mark.parametrize("family", ["mamba-h4l1", "mdcsa-h4l1"])
def test_a_student_comes_nearer_to_its_teacher(house: Dataset, teachers: list[Model], family: str) -> None:
    """Of any family; by its teacher alone (alpha 0) it learns the rooms without a label in the loss."""
    how, recipe = Distillation(alpha=0, temperature=2), Recipe(epochs=12)
    b = believed(teachers, house, how)
    x = windows(house.train, Scaler.fit(house.train), house.window, house.hop)

    def distance(m: Model) -> float:
        return loss_and_gradients(m, x.x, x.y, None, 0.0, b)[0]

    taught = fit(house, family, recipe, teachers=teachers, distillation=how)
    assert distance(taught) < distance(fit(house, family, recipe))
    assert taught.info["distillation"] == {"alpha": 0, "temperature": 2, "hard": False, "beta": 0, "neighbors": 0}
    assert taught.info["teachers"] == ["mamba-h8l1"] * 2


def test_features_stand_side_by_side_and_are_standard(house: Dataset, teachers: list[Model]) -> None:
    both, *each = (believed(some, house, Distillation(beta=1)).features for some in (teachers, teachers[:1], teachers[1:]))
    assert both is not None and all(e is not None for e in each)
    np.testing.assert_array_equal(both, np.concatenate(each, 2))  # type: ignore[arg-type]
    np.testing.assert_allclose(both.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(both.std((0, 1)), 1, atol=1e-4)
    # The head of the teacher makes its emissions of them: they are what it reads, but for mean and variance.
    x = windows(house.train, Scaler.fit(house.train), house.window, house.hop).x
    emissions, cache = teachers[0].forward(x)
    np.testing.assert_allclose(teachers[0].features(cache) @ teachers[0].params["head.weight"].T, emissions, atol=1e-4)
    assert believed(teachers, house, Distillation()).features is None


@pytest.mark.parametrize("hard", [False, True])
def test_paths_of_one_step_have_no_moves(house: Dataset, hard: bool) -> None:
    """Rows that stand alone: what the CRF's counts say, but for their zeros, which are not stored."""
    single = replace(house, window=1, hop=1, rate_hz=0.0)
    models = [fit(single, "mamba-h2l1", Recipe(epochs=2, seed=seed)) for seed in (0, 1)]
    how = Distillation(0.5, 1 if hard else 2, hard)
    about = np.arange(40)
    rssi = Augmenter(single.train, 1.0, 1, 0, 0.0, Augmentation()).windows(about)
    b = Teachers(models, single, 1, 0, how).believe(rssi)
    want = np.zeros_like(b.rooms)
    for m in models:
        x = Scaler.from_dict(m.info["scaler"]).transform(rssi)
        args = [a.astype(float) for a in (m.forward(x)[0], *(m.params[f"crf.{n}"] for n in ("transitions", "start", "end")))]
        if hard:
            want += np.eye(len(house.rooms))[m.predict(x)][:, None] / 2
        else:
            want += crf_counts(*(a / how.temperature for a in args))[0] / 2
    np.testing.assert_allclose(b.rooms, want, atol=1e-5)
    assert b.moves.shape == (40, len(house.rooms), len(house.rooms)) and not b.moves.any() and not any(b.moves.strides)
    some = b.take(about[::2])
    assert len(some.arrays) == 1 and some.moves.shape[0] == 20 and not any(some.moves.strides)
    taught = fit(single, "mamba-h2l1", Recipe(epochs=1), teachers=models, distillation=how, augmentation=Augmentation(3))
    assert taught.info["distillation"]["hard"] == hard


@pytest.mark.parametrize("name", ["mamba-h2l1", "mdcsa-h2l1"])
def test_gradients_of_the_features_loss(house: Dataset, name: str) -> None:
    """All of a model's gradients with all three losses at once, dropout included, against differences."""
    rng, c = np.random.default_rng(0), len(house.rooms)
    model = Model.create(preset(name, len(house.aps), c))
    how = Distillation(alpha=0.3, temperature=2, beta=0.7)
    x, y = rng.uniform(size=(3, 5, len(house.aps))), rng.integers(0, c, (3, 5))
    taught = Beliefs(*crf_counts(*scores(3, 5, c)), how, rng.normal(size=(3, 5, 4)))
    start = model.params | regressor(model.width, taught)
    assert start["regressor.weight"].shape == (4, 2) and regressor(model.width, replace(taught, features=None)) == {}
    params = {k: v.astype(float) for k, v in start.items()}

    def forward(**p: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        return loss_and_gradients(Model(model.config, p), x, y, np.random.default_rng(1), 0.3, taught)

    check_grads(forward, lambda dy, grads: {k: dy * v for k, v in grads.items()}, params, samples=6, rtol=1e-5)


def test_a_student_learns_its_teachers_features(house: Dataset, teachers: list[Model]) -> None:
    """How well the best linear map of what its head reads predicts what its teachers' heads read."""
    w = windows(house.train, Scaler.fit(house.train), house.window, house.hop)

    def missed(m: Model) -> float:
        target = believed(teachers, house, Distillation(beta=1)).features
        assert target is not None
        own = m.features(m.forward(w.x)[1]).reshape(-1, m.config.d).astype(float)
        own = np.column_stack([own, np.ones(len(own))])
        left = target.reshape(len(own), -1)
        return float(((left - own @ np.linalg.lstsq(own, left, rcond=None)[0]) ** 2).mean())

    # All windows begin anew, as those that `missed` looks at.
    recipe = Recipe(epochs=40, carry=0)
    teachers = [with_info(t, recipe=asdict(recipe)) for t in teachers]
    taught = fit(house, "mamba-h4l1", recipe, teachers=teachers, distillation=Distillation(alpha=1, beta=1))
    assert missed(taught) < 0.7 * missed(fit(house, "mamba-h4l1", recipe))
    assert not any(k.startswith("regressor") for k in taught.params) and taught.info["distillation"]["beta"] == 1


def test_alpha_one_is_no_teacher(house: Dataset, teachers: list[Model]) -> None:
    recipe = Recipe(epochs=2)
    a = fit(house, "mamba-h4l1", recipe, teachers=teachers, distillation=Distillation(alpha=1))
    b = fit(house, "mamba-h4l1", recipe)
    assert all(np.array_equal(a.params[k], b.params[k]) for k in a.params)


def test_a_killed_distillation_goes_on_and_another_one_is_refused(house: Dataset, teachers: list[Model], tmp_path: Path
                                                                  ) -> None:
    file, how = tmp_path / "c", Distillation(beta=0.5)
    whole = fit(house, "mamba-h4l1", Recipe(epochs=4), teachers=teachers, distillation=how)

    def stop(epoch: object) -> None:
        if getattr(epoch, "number", 0) == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(house, "mamba-h4l1", Recipe(epochs=4), checkpoint=file, progress=stop, teachers=teachers, distillation=how)
    with pytest.raises(Exception, match="a checkpoint of another run"):
        fit(house, "mamba-h4l1", Recipe(epochs=4), checkpoint=file, teachers=teachers,
            distillation=Distillation(alpha=0.4))
    again = fit(house, "mamba-h4l1", Recipe(epochs=4), checkpoint=file, teachers=teachers, distillation=how)
    assert all(np.array_equal(again.params[k], whole.params[k]) for k in whole.params)


@pytest.mark.parametrize("change, words", [
    ({"aps": ["a"]}, "hears 1 access points, of which the data lack 1 .a.; they have 11"),
    ({"rooms": ["x"]}, "knows other rooms"), ({"window": 7}, "windows of 7 rows")])
def test_a_teacher_of_something_else_is_refused(house: Dataset, teachers: list[Model], change: dict[str, object], words: str
                                                ) -> None:
    with pytest.raises(DataError, match=f"teacher 1 .mamba-h8l1. .*{words}"):
        believed([with_info(teachers[0], **change)], house, Distillation())


def test_bad_settings() -> None:
    for bad, words in (({"alpha": 2}, "alpha"), ({"temperature": 0}, "temperature"), ({"hard": True}, "expected 1"),
                       ({"beta": -1}, "beta")):
        with pytest.raises(ConfigError, match=words):
            Distillation(**bad)  # type: ignore[arg-type]


def test_command(house: Dataset, teachers: list[Model], tmp_path: Path) -> None:
    for i, t in enumerate(teachers):
        t.save(tmp_path / f"t{i}")
    run = CliRunner()
    given = ["train", "--data", "simulated", "--model", "mamba-h4l1", "--epochs", "1", "--out", str(tmp_path / "s")]
    r = run.invoke(main, [*given, "--alpha", "0.3"])
    assert r.exit_code == 2 and "expected --teacher or --neighbors" in r.output
    r = run.invoke(main, [*given, "--teacher", str(tmp_path / "t0"), "--teacher", str(tmp_path / "t1"), "--hard",
                          "--alpha", "0.1", "--beta", "0.2"])
    assert r.exit_code == 0, r.output
    assert Model.load(tmp_path / "s").info["distillation"] == {"alpha": 0.1, "temperature": 1.0, "hard": True,
                                                                  "beta": 0.2, "neighbors": 0.0}
