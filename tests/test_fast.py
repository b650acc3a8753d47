"""The layers of training in Numba: the reference's values and gradients, within a bound, and the same model every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyloc import layers
from tinyloc.data import load
from tinyloc.errors import ConfigError
from tinyloc.reference.crf import crf_viterbi
from tinyloc.reference.mamba import mamba_params
from tinyloc.train import Recipe, fit

#: Greatest |fast - reference in float64| over the reference's greatest magnitude, of values and of each gradient: float32's
#: rounding over sums of up to 4,000 products.
BOUND = 3e-5
FAST, SLOW = layers.Layers("fast"), layers.Layers("reference")
#: batch, steps, width, states, taps, inner width / width, one rate a channel
BLOCKS = [(1, 1, 1, 1, 1, 1, False), (3, 20, 8, 16, 4, 2, False), (3, 20, 8, 16, 4, 2, True), (2, 65, 16, 5, 3, 1, False),
          (5, 2, 7, 3, 4, 3, True), (64, 12, 16, 16, 4, 2, False), (2, 130, 32, 16, 4, 2, True), (4, 1, 32, 16, 4, 2, False)]


def close(got: np.ndarray, want: np.ndarray, what: str) -> None:
    scale = max(float(np.abs(want).max()), 1e-30)
    assert got.shape == want.shape, what
    error = float(np.abs(got - want).max()) / scale
    assert error <= BOUND, f"{what}: {error:.1e} of the greatest {scale:.3g}, bound {BOUND:g}"


@pytest.mark.parametrize("gain", [1.0, 30.0], ids=["usual", "saturating"])
@pytest.mark.parametrize("b, t, d, n, k, expand, tied", BLOCKS)
def test_mamba_block(b: int, t: int, d: int, n: int, k: int, expand: int, tied: bool, gain: float) -> None:
    rng = np.random.default_rng([b, t, d, n])
    p = {name: v + rng.normal(0, 0.1, v.shape).astype(np.float32)
         for name, v in mamba_params(rng, d, n, k, expand, tied).items()}
    p["dt_proj.bias"] = p["dt_proj.bias"] * np.float32(min(gain, 4))
    x, dy = ((rng.normal(size=(b, t, d)) * g).astype(np.float32) for g in (gain, 1))
    (y, _), cache = FAST.mamba_block(x, p)
    dx, g = FAST.mamba_block_backward(dy, cache)
    (y64, _), cache64 = SLOW.mamba_block(x.astype(float), {name: v.astype(float) for name, v in p.items()})
    dx64, g64 = SLOW.mamba_block_backward(dy.astype(float), cache64)
    assert g.keys() == g64.keys()
    for what, got, want in (("y", y, y64), ("dx", dx, dx64), *((f"d {name}", g[name], g64[name]) for name in g)):
        assert got.dtype == np.float32, what
        close(got, want, what)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape, out", [((1, 1, 1), 1), ((64, 20, 520), 16), ((3, 7, 5), 11)])
def test_linear(shape: tuple[int, ...], out: int, bias: bool) -> None:
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in (shape, (out, shape[-1]), (out,)))
    dy = rng.normal(size=(*shape[:-1], out)).astype(np.float32)
    results: list[Any] = []
    for use, f in ((FAST, np.float32), (SLOW, float)):
        y, cache = use.linear(x.astype(f), w.astype(f), b.astype(f) if bias else None)
        results.append((y, *use.linear_backward(dy.astype(f), cache)))
    for what, got, want in zip(("y", "dx", "dw", "db"), *results, strict=True):
        assert (got is None) == (want is None)
        if want is not None:
            close(got, want, what)


def crf_case(b: int, t: int, c: int, size: float) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng([b, t, c])
    arrays = [(rng.normal(size=s) * size).astype(np.float32) for s in ((b, t, c), (c, c), (c,), (c,))]
    return arrays, rng.integers(0, c, (b, t))


CRFS = [(1, 1, 1), (1, 1, 7), (64, 20, 11), (3, 40, 2), (5, 3, 60), (2, 300, 9)]


@pytest.mark.parametrize("size", [0.1, 3.0, 40.0])
@pytest.mark.parametrize("b, t, c", CRFS)
def test_crf_likelihood(b: int, t: int, c: int, size: float) -> None:
    (e, *rest), tags = crf_case(b, t, c, size)
    loss, cache = FAST.crf_nll(e, tags, *rest)
    loss64, cache64 = SLOW.crf_nll(e.astype(float), tags, *(a.astype(float) for a in rest))
    close(np.array([loss]), np.array([loss64 if c > 1 else loss]), "loss")
    for what, got, want in zip(("emissions", "transitions", "start", "end"), FAST.crf_nll_backward(1.0, cache),
                               SLOW.crf_nll_backward(1.0, cache64), strict=True):
        # A gradient is a difference of counts of up to t a window, each exp of what is off by the scores' own rounding.
        assert np.abs(got - want).max() <= BOUND * t * max(1.0, size), what


@pytest.mark.parametrize("size", [0.1, 3.0, 40.0])
@pytest.mark.parametrize("b, t, c", CRFS)
def test_crf_decodes_a_best_path(b: int, t: int, c: int, size: float) -> None:
    (e, *rest), _ = crf_case(b, t, c, size)
    paths, best = FAST.crf_viterbi(e, *rest)
    _, best64 = crf_viterbi(e.astype(float), *(a.astype(float) for a in rest))
    transitions, start, end = (a.astype(float) for a in rest)
    score = start[paths[:, 0]] + end[paths[:, -1]] + np.take_along_axis(e.astype(float), paths[..., None], 2)[..., 0].sum(1)
    score = score + transitions[paths[:, :-1], paths[:, 1:]].sum(1)
    scale = np.maximum(np.abs(best64), 1)
    assert (np.abs(best - best64) <= BOUND * scale).all() and (best64 - score <= BOUND * scale).all()


def test_of_equal_paths_the_lower_class_wins() -> None:
    zero = [np.zeros(s, np.float32) for s in ((2, 5, 4), (4, 4), (4,), (4,))]
    paths, _ = FAST.crf_viterbi(*zero)
    np.testing.assert_array_equal(paths, crf_viterbi(*zero)[0])


def test_adamw() -> None:
    rng = np.random.default_rng(1)
    state = [rng.random(1001).astype(np.float32) for _ in range(6)]
    numbers = (0.7, 0.1, 0.01, 1e-3, 1e-4, 0.02)
    fast, slow = [a.copy() for a in state], [a.astype(float) for a in state]
    FAST.adamw(*fast, *numbers)
    SLOW.adamw(*slow, *numbers)
    for got, want in zip(fast, slow, strict=True):
        close(got, want, "a vector of AdamW")


@pytest.mark.parametrize("name", ["mamba-h4l1", "mamba-h4l2-lean", "mdcsa-h4l1"])
def test_a_training_is_the_same_twice_and_near_the_references(name: str) -> None:
    house = load("simulated", minutes=6)
    recipe = Recipe(epochs=2, seed=3)
    one, two = (fit(house, name, recipe).params for _ in range(2))
    with layers.using("reference"):
        reference = fit(house, name, recipe).params
    for key, value in one.items():
        np.testing.assert_array_equal(value, two[key], key)
        np.testing.assert_allclose(value, reference[key], atol=2e-3, err_msg=key)  # Adam divides by small gradients


def test_the_choice_of_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    f = np.dtype(np.float32)
    assert layers.layers(f).choice == "fast" and layers.layers(np.dtype(float)).choice == "reference"
    monkeypatch.setenv("TINYLOC_REFERENCE", "1")
    assert layers.layers(f).choice == "reference"
    with layers.using("fast"):
        assert layers.layers(f).choice == "fast"
    with pytest.raises(ConfigError, match="expected fast or reference"), layers.using("torch"):
        pass
