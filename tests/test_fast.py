"""The layers of training in Numba: the reference's values and gradients, within a bound, and the same model every time."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc import layers
from tinyloc.data import load
from tinyloc.errors import ConfigError
from tinyloc.fast import attention
from tinyloc.fast.jit import expm1, kernel, tanh
from tinyloc.fast.matmul import matmul
from tinyloc.model import Config, Model
from tinyloc.reference.crf import crf_totals, crf_viterbi
from tinyloc.reference.mamba import mamba_params
from tinyloc.reference.mdcsa import mdcsa_params
from tinyloc.train import Recipe, fit, loss_and_gradients

#: Greatest |fast - reference in float64| over the reference's greatest magnitude, of values and of each gradient: float32's
#: rounding over sums of up to 4,000 products.
BOUND = 3e-5
FAST, SLOW = layers.Layers("fast"), layers.Layers("reference")
#: batch, steps, width, states, taps, inner width / width, one rate a channel
BLOCKS = [(1, 1, 1, 1, 1, 1, False), (3, 20, 8, 16, 4, 2, False), (3, 20, 8, 16, 4, 2, True), (2, 65, 16, 5, 3, 1, False),
          (5, 2, 7, 3, 4, 3, True), (64, 12, 16, 16, 4, 2, False), (2, 130, 32, 16, 4, 2, True), (4, 1, 32, 16, 4, 2, False),
          (3, 20, 8, 0, 4, 2, False), (64, 1, 38, 0, 1, 2, False), (2, 5, 7, 1, 1, 1, False)]
#: What pruning leaves: widths of any size, two heads.
PRUNED = [Config("mamba", 5, 4, 6, n=5, inner=7, rank=3), Config("mamba", 5, 4, 6, blocks=2, n=3, inner=13, tied=True),
          Config("mdcsa", 5, 4, 6, fc1=7, fc2=5), Config("mdcsa", 5, 4, 6, kernels=(1, 4), fc1=3, fc2=9),
          Config("mamba", 5, 4, 6, n=3, final_norm=True, head_bias=True), Config("mamba", 5, 4, 6, blocks=2, n=0, inner=7),
          Config("mdcsa", 5, 4, 6, kernels=(1, 4, 7), positions="jovan")]


@kernel("void(f4[::1], f4[::1], f4[::1])")
def both(e, h, x):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        e[i], h[i] = expm1(x[i]), tanh(x[i])


def close(got: np.ndarray, want: np.ndarray, what: str) -> None:
    scale = max(float(np.abs(want).max()), 1e-30)
    assert got.shape == want.shape, what
    error = float(np.abs(got - want).max()) / scale
    assert error <= BOUND, f"{what}: {error:.1e} of the greatest {scale:.3g}, bound {BOUND:g}"


@pytest.mark.parametrize("begun", [False, True], ids=["anew", "begun"])
@pytest.mark.parametrize("gain", [1.0, 30.0], ids=["usual", "saturating"])
@pytest.mark.parametrize("b, t, d, n, k, expand, tied", BLOCKS)
def test_mamba_block(b: int, t: int, d: int, n: int, k: int, expand: int, tied: bool, gain: float, begun: bool) -> None:
    """Values, the state that is left, and gradients; from the initial state, and from one that rows before left."""
    rng = np.random.default_rng([b, t, d, n])
    p = {name: v + rng.normal(0, 0.1, v.shape).astype(np.float32)
         for name, v in mamba_params(rng, d, n, k, expand, tied).items()}
    if n:
        p["dt_proj.bias"] = p["dt_proj.bias"] * np.float32(min(gain, 4))
    x, dy = ((rng.normal(size=(b, t, d)) * g).astype(np.float32) for g in (gain, 1))
    e = len(p["conv.weight"])
    state = tuple(rng.normal(size=s).astype(np.float32) for s in ((b, k - 1, e), (b, e, n))) if begun else None
    kept = [s.copy() for s in state or ()]
    (y, after), cache = FAST.mamba_block(x, p, state)
    dx, g = FAST.mamba_block_backward(dy, cache)
    assert all(np.array_equal(s, was) for s, was in zip(state or (), kept, strict=True)), "what it begins with is left alone"
    (y64, after64), cache64 = SLOW.mamba_block(x.astype(float), {name: v.astype(float) for name, v in p.items()},
                                               tuple(s.astype(float) for s in state) if state else None)
    dx64, g64 = SLOW.mamba_block_backward(dy.astype(float), cache64)
    assert g.keys() == g64.keys()
    states = [(f"state {i}", got, want) for i, (got, want) in enumerate(zip(after, after64, strict=True)) if want.size]
    for what, got, want in (("y", y, y64), ("dx", dx, dx64), *states, *((f"d {name}", g[name], g64[name]) for name in g)):
        assert got.dtype == np.float32, what
        close(got, want, what)


#: batch, steps, width, kernel sizes, dead weights, dropout
MDCSA = [(2, 1, 3, (1,), False, 0.0), (1, 1, 8, (1, 4, 7), True, 0.5), (3, 20, 16, (1,), True, 0.1),
         (2, 3, 8, (1, 4, 7), True, 0.0), (5, 33, 7, (1, 4, 7), False, 0.3), (2, 65, 32, (1,), False, 0.0),
         (64, 12, 16, (1, 4, 7), False, 0.1), (4, 16, 4, (5,), False, 0.0), (1, 5, 48, (2, 9, 3), False, 0.5)]


@pytest.mark.parametrize("gain", [1.0, 10.0], ids=["usual", "saturating"])
@pytest.mark.parametrize("b, t, d, kernels, dead, dropout", MDCSA)
def test_mdcsa(b: int, t: int, d: int, kernels: tuple[int, ...], dead: bool, dropout: float, gain: float) -> None:
    rng = np.random.default_rng([b, t, d])
    p = {name: v + rng.normal(0, 0.1, v.shape).astype(np.float32) for name, v in mdcsa_params(rng, d, kernels, dead).items()}
    x, dy = ((rng.normal(size=(b, t, d)) * g).astype(np.float32) for g in (gain, 1))
    draw = (lambda: np.random.default_rng(7)) if dropout else (lambda: None)
    y, cache = FAST.mdcsa(x, p, kernels, draw(), dropout)
    dx, g = FAST.mdcsa_backward(dy, cache)
    y64, cache64 = SLOW.mdcsa(x.astype(float), {name: v.astype(float) for name, v in p.items()}, kernels, draw(), dropout)
    dx64, g64 = SLOW.mdcsa_backward(dy.astype(float), cache64)
    assert g.keys() == g64.keys() == p.keys()
    dead_ones = {name for name in p if name.split(".")[1] in ("k2", "q2", "norm2") or "context" in name}
    assert bool(dead_ones) == dead
    for what, got, want in (("y", y, y64), ("dx", dx, dx64), *((f"d {name}", g[name], g64[name]) for name in g)):
        assert got.dtype == np.float32, what
        if what[2:] in dead_ones:
            assert not got.any(), what
        close(got, want, what)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape, out", [((1, 1, 1), 1), ((64, 20, 520), 16), ((3, 7, 5), 11), ((3, 50, 24), 40),
                                        ((130, 8), 3)])
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


@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (5, 3, 2), (8, 32, 32), (7, 9, 15), (17, 40, 67), (20, 16, 44), (65, 8, 24)])
def test_matmul(m: int, k: int, n: int) -> None:
    rng = np.random.default_rng([m, k, n])
    a, b, c = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (k, n), (m, n)))
    whole = rng.normal(size=m + 2 * k).astype(np.float32)
    overlapping = np.lib.stride_tricks.as_strided(whole, (m, k), (4, 4))  # rows that begin one value after another
    beside = np.full((m, n + 7), 9, np.float32)
    for left in (a, np.asfortranarray(a), overlapping):
        want = left.astype(float) @ b.astype(float)
        for add in (False, True):
            out = beside.copy()
            out[:, 3 : 3 + n] = c if add else np.nan
            matmul(out[:, 3 : 3 + n], left, b, add)
            close(out[:, 3 : 3 + n], want + (c if add else 0), f"{left.strides}, add {add}")
            assert (np.delete(out, np.s_[3 : 3 + n], 1) == 9).all(), "wrote beside its result"


def pair(name: str, inputs: list[np.ndarray], *options: Any) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Value and gradients of the layer, fast and of the reference in float64."""
    homes = {"layer_norm": ("layer_norm", "norm"), "gelu": ("activation",) * 2, "relu": ("activation",) * 2}
    results = []
    for package, module, f in zip(("fast", "reference"), homes.get(name, (name, name)), (np.float32, float), strict=True):
        found = importlib.import_module(f"tinyloc.{package}.{module}")
        y, cache = getattr(found, name)(*(a.astype(f) for a in inputs), *options)
        dy = np.random.default_rng(5).normal(size=y.shape).astype(np.float32).astype(f)
        results.append((y, *getattr(found, name + "_backward")(dy, cache)))
    return [(f"{name}'s {i or 'value'}", got, want) for i, (got, want) in enumerate(zip(*results, strict=True))]


@pytest.mark.parametrize("size", [0.01, 1.0, 50.0, 1e4], ids="size {}".format)
@pytest.mark.parametrize("b, t, s, d, heads, causal", [
    (1, 1, 1, 1, 1, False), (2, 20, 20, 16, 1, False), (2, 20, 20, 16, 4, True), (3, 33, 7, 24, 3, False),
    (2, 64, 64, 32, 4, True), (1, 3, 100, 8, 2, False)])
def test_attention(b: int, t: int, s: int, d: int, heads: int, causal: bool, size: float) -> None:
    rng = np.random.default_rng([b, t, s])
    q, k, v = (rng.normal(size=(b, n, d)).astype(np.float32) for n in (t, s, s))
    q *= np.float32(size)
    apart = (a.reshape(b, -1, heads, d // heads).transpose(0, 2, 1, 3).astype(float) for a in (q, k))
    greatest = float(np.abs(np.matmul(next(apart), next(apart).transpose(0, 1, 3, 2))).max()) / math.sqrt(d // heads)
    bound = BOUND + 5e-7 * greatest  # a score is off by its own rounding, a weight by that times itself
    for (what, got, want), scale in zip(pair("attention", [q, k, v], heads, causal), (1, 1, max(size, 1), 1), strict=True):
        assert np.abs(got - want).max() <= bound * max(np.abs(want).max(), scale), what


def test_attention_of_one_projection_and_of_heads_that_do_not_divide() -> None:
    rng = np.random.default_rng(2)
    qkv, dy = rng.normal(size=(3, 20, 24)).astype(np.float32), rng.normal(size=(3, 20, 8)).astype(np.float32)
    y, cache = attention.self_attention(qkv, 2, True)
    apart, its = attention.attention(*np.split(qkv, 3, -1), 2, True)
    np.testing.assert_array_equal(y, apart)
    (dqkv,) = attention.self_attention_backward(dy, cache)
    np.testing.assert_array_equal(dqkv, np.concatenate(attention.attention_backward(dy, its), -1))
    with pytest.raises(ValueError, match="heads=3 must divide the widths 8 and 8"):
        attention.self_attention(qkv, 3)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 20, 16), (1, 33, 130)])
def test_layer_norm(shape: tuple[int, ...], offset: float) -> None:
    rng = np.random.default_rng(shape)
    x = (np.round(rng.normal(size=shape) * 64) / 64 + offset).astype(np.float32)
    for what, got, want in pair("layer_norm", [x, *rng.normal(size=(2, shape[-1])).astype(np.float32)]):
        assert np.abs(got - want).max() <= (BOUND if not offset else 1e-3) * max(np.abs(want).max(), 1.0), what


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=70))
def test_activations(values: list[float]) -> None:
    x = np.array(values, np.float32)
    for name in ("gelu", "relu"):
        for what, got, want in pair(name, [x]):
            # Where gelu is nearly x, its derivative is what is left of sums that reach 5.
            assert (np.abs(got - want) <= 2e-6 * np.maximum(np.abs(want), 1)).all(), what


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.floats(-200, 80, width=32), min_size=1, max_size=40))
def test_functions_without_a_vector_form(values: list[float]) -> None:
    x = np.array(values, np.float32)
    wide = x.astype(float)
    got = [np.empty_like(x) for _ in range(2)]
    both(*got, x)
    for what, f, y in zip(("expm1", "tanh"), (np.expm1, np.tanh), got, strict=True):
        want = f(wide)
        bound = 4e-7 + (6e-8 * np.abs(wide) if what == "expm1" else 0)  # relative: good near 0 too
        assert (np.abs(y - want) <= bound * np.abs(want) + 1e-37).all(), (what, x, y, want)


def test_what_is_no_number_stays_so() -> None:
    p = mdcsa_params(np.random.default_rng(0), 8)
    for bad in (np.nan, np.inf):
        x = np.zeros((2, 5, 8), np.float32)
        x[1, 2, 3] = bad
        with np.errstate(all="ignore"):
            y, _ = FAST.mdcsa(x, p)
        assert np.isfinite(y[0]).all() and np.isnan(y[1]).all()


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
    totals = FAST.crf_totals(e, *rest)
    assert totals.dtype == np.float64
    np.testing.assert_array_equal(totals, crf_totals(e, *rest))
    for steps in range(1, t + 1):  # of every length
        _, best = crf_viterbi(e[:, :steps].astype(float), transitions, start, end)
        np.testing.assert_allclose(totals[:, steps - 1].max(1), best, rtol=1e-12)


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


@pytest.mark.parametrize("name", ["mamba-h4l1", "mamba-h4l2-lean", "mdcsa-h4l1", "mdcsa-h4l3"])
def test_a_training_is_the_same_twice_and_near_the_references(name: str) -> None:
    house = load("simulated", minutes=6)
    recipe = Recipe(epochs=2, seed=3)
    one, two = (fit(house, name, recipe).params for _ in range(2))
    with layers.using("reference"):
        reference = fit(house, name, recipe).params
    for key, value in one.items():
        np.testing.assert_array_equal(value, two[key], key)
        np.testing.assert_allclose(value, reference[key], atol=2e-3, err_msg=key)  # Adam divides by small gradients


@pytest.mark.parametrize("config", PRUNED, ids=lambda c: f"{c.family}-{c.sizes}")
def test_models_of_any_widths(config: Config) -> None:
    rng, model = np.random.default_rng(0), Model.create(config)
    x, y = rng.random((3, 12, 5), np.float32), rng.integers(0, 4, (3, 12))
    _, fast = loss_and_gradients(model, x, y)
    exact = Model(config, {k: v.astype(float) for k, v in model.params.items()})
    _, slow = loss_and_gradients(exact, x.astype(float), y)
    for name, value in slow.items():
        close(fast[name], value, name)


def test_the_choice_of_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    f = np.dtype(np.float32)
    assert layers.layers(f).choice == "fast" and layers.layers(np.dtype(float)).choice == "reference"
    monkeypatch.setenv("TINYLOC_REFERENCE", "1")
    assert layers.layers(f).choice == "reference"
    with layers.using("fast"):
        assert layers.layers(f).choice == "fast"
    with pytest.raises(ConfigError, match="expected fast or reference"), layers.using("torch"):
        pass
