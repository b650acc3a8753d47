"""The float reference: gradients, precision, and properties that define each layer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc import reference as ref
from tinyloc.reference.crf import crf_viterbi_last
from tinyloc.reference.mdcsa import out_conv_geometry

Rng = np.random.Generator
B, T, D, E, N, C = 2, 5, 4, 6, 3, 4
TAGS = np.array([[0, 1, 3, 2, 2], [3, 3, 0, 1, 0]])


def normal(**shapes: tuple[int, ...]) -> Callable[[Rng], dict[str, np.ndarray]]:
    return lambda rng: {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _scan_inputs(rng: Rng) -> dict[str, np.ndarray]:
    made = normal(x=(B, T, E), dt=(B, T, E), a=(E, N), b=(B, T, N), c=(B, T, N), d_skip=(E,), h0=(B, E, N))(rng)
    made["dt"], made["a"] = np.abs(made["dt"]) * 0.3, -np.abs(made["a"]) - 0.1
    return made


def _first(f: Callable[..., Any]) -> Callable[..., Any]:
    """For layers that return ((y, state), cache)."""
    def forward(**inputs: np.ndarray) -> tuple[Any, Any]:
        (y, _), cache = f(**inputs)
        return y, cache

    return forward


def _composed(f: Callable[..., Any], back: Callable[..., Any], stateful: bool, **options: Any) -> tuple[Any, Any]:
    """Layers that take a dict of parameters, as functions of named inputs."""
    def forward(x: np.ndarray, **params: np.ndarray) -> tuple[Any, Any]:
        y, cache = f(x, {k.replace("__", "."): v for k, v in params.items()}, **options)
        return (y[0] if stateful else y), cache

    def backward(dy: np.ndarray, cache: Any) -> dict[str, np.ndarray]:
        dx, g = back(dy, cache)
        return {"x": dx, **{k.replace(".", "__"): v for k, v in g.items()}}

    return forward, backward


def _composed_inputs(params: Callable[[Rng], dict[str, np.ndarray]], d: int) -> Callable[[Rng], dict[str, np.ndarray]]:
    def make(rng: Rng) -> dict[str, np.ndarray]:
        p = {k.replace(".", "__"): v.astype(float) + 0.1 * rng.standard_normal(v.shape) for k, v in params(rng).items()}
        return {"x": rng.standard_normal((B, 6, d)), **p}

    return make


_mamba = _composed(ref.mamba_block, ref.mamba_block_backward, True)
_mdcsa1 = _composed(ref.mdcsa, ref.mdcsa_backward, False)
_mdcsa3 = _composed(ref.mdcsa, ref.mdcsa_backward, False, kernels=(1, 4, 7))
X = (B, T, D)

# name: (forward, backward, inputs)
LAYERS: dict[str, tuple[Any, Any, Callable[[Rng], dict[str, np.ndarray]]]] = {
    "linear": (ref.linear, ref.linear_backward, normal(x=X, weight=(3, D), bias=(3,))),
    "layer_norm": (ref.layer_norm, ref.layer_norm_backward, normal(x=X, weight=(D,), bias=(D,))),
    "rms_norm": (ref.rms_norm, ref.rms_norm_backward, normal(x=X, weight=(D,))),
    **{name: (f, g, normal(x=X)) for name, (f, g) in ref.ACTIVATIONS.items()},
    "softmax": (ref.softmax, ref.softmax_backward, normal(x=X)),
    "log_softmax": (ref.log_softmax, ref.log_softmax_backward, normal(x=X)),
    "attention": (ref.attention, ref.attention_backward, normal(q=X, k=(B, 7, D), v=(B, 7, D))),
    "attention_causal_2_heads": (lambda q, k, v: ref.attention(q, k, v, heads=2, causal=True), ref.attention_backward,
                                 normal(q=X, k=X, v=X)),
    "depthwise_conv1d": (_first(ref.depthwise_conv1d), ref.depthwise_conv1d_backward,
                         normal(x=X, weight=(D, 3), bias=(D,))),
    "conv1d": (lambda x, weight, bias: ref.conv1d(x, weight, bias, 2, 2, 1), ref.conv1d_backward,
               normal(x=X, weight=(3, 3, D), bias=(3,))),
    "selective_scan": (_first(ref.selective_scan), ref.selective_scan_backward, _scan_inputs),
    "crf_nll": (lambda emissions, transitions, start, end: ref.crf_nll(emissions, TAGS, transitions, start, end),
                ref.crf_nll_backward, normal(emissions=(B, T, C), transitions=(C, C), start=(C,), end=(C,))),
    "cross_entropy": (lambda logits: ref.cross_entropy(logits, TAGS, np.array([1.0, 2, 0.5, 3])),
                      ref.cross_entropy_backward, normal(logits=(B, T, C))),
    "cross_entropy_soft": (lambda logits: ref.cross_entropy(logits, np.full((B, T, C), 0.25) * [1, 2, 0.5, 0.5]),
                           ref.cross_entropy_backward, normal(logits=(B, T, C))),
    "mse": (lambda x: ref.mse(x, np.ones(X)), ref.mse_backward, normal(x=X)),
    "distillation": (lambda student: ref.distillation(student, np.arange(40.0).reshape(B, T, C) % 3, 2.5),
                     ref.distillation_backward, normal(student=(B, T, C))),
    "mamba_block": (*_mamba, _composed_inputs(lambda rng: ref.mamba_params(rng, 4, n=3, k=3), 4)),
    "mamba_block_without_states": (*_mamba, _composed_inputs(lambda rng: ref.mamba_params(rng, 4, n=0, k=3), 4)),
    "mamba_block_tied": (*_mamba, _composed_inputs(lambda rng: ref.mamba_params(rng, 4, n=3, k=3, tied=True), 4)),
    "mdcsa_1": (*_mdcsa1, _composed_inputs(lambda rng: ref.mdcsa_params(rng, 4, (1,)), 4)),
    "mdcsa_3": (*_mdcsa3, _composed_inputs(lambda rng: ref.mdcsa_params(rng, 4, (1, 4, 7), dead_weights=True), 4)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_gradients(name: str, seed: int) -> None:
    forward, backward, make = LAYERS[name]
    ref.check_grads(forward, backward, make(np.random.default_rng(seed)), seed=seed)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32_and_close(name: str) -> None:
    forward, backward, make = LAYERS[name]
    wide = make(np.random.default_rng(3))
    y64, cache64 = forward(**wide)
    y32, cache32 = forward(**{k: v.astype(np.float32) for k, v in wide.items()})
    np.testing.assert_allclose(y32, y64, rtol=2e-4, atol=2e-5)
    one = 1.0 if np.ndim(y64) == 0 else np.ones(np.shape(y64))
    g64, g32 = backward(one, cache64), backward(one if np.ndim(y64) == 0 else np.float32(one), cache32)
    pairs = [(g64[k], g32[k]) for k in g64] if isinstance(g64, dict) else list(zip(g64, g32, strict=True))
    for a, b in pairs:
        assert b.dtype == np.float32
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3 * max(1e-2, np.abs(a).max()))


def test_gradcheck_notices() -> None:
    def wrong(dy: np.ndarray, cache: Any) -> tuple[np.ndarray]:
        (y,) = cache
        return (dy * (1 - y),)

    x = np.random.default_rng(0).standard_normal((3, 2))
    with pytest.raises(AssertionError, match=r"gradient of x\(.*backward says .* differences say .* seed 5"):
        ref.check_grads(ref.ACTIVATIONS["tanh"][0], wrong, {"x": x}, seed=5)
    with pytest.raises(AssertionError, match="expected shape"):
        ref.check_grads(ref.ACTIVATIONS["tanh"][0], lambda dy, c: (dy[0],), {"x": x})
    with pytest.raises(TypeError, match="x must be float64"):
        ref.check_grads(*ref.ACTIVATIONS["tanh"], {"x": x.astype(np.float32)})


@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_scan_whole_chunks_and_steps_are_equal(t: int, chunk: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, dt = rng.standard_normal((2, t, 3)), rng.uniform(0, 0.5, (2, t, 3))
    a, b, c = -rng.uniform(0.1, 16, (3, 4)), *rng.standard_normal((2, 2, t, 4))
    d, h = rng.standard_normal(3), rng.standard_normal((2, 3, 4))
    (y, last), _ = ref.selective_scan(x, dt, a, b, c, d, h)
    y2, last2 = ref.selective_scan_chunked(x, dt, a, b, c, d, h, chunk)
    assert np.array_equal(y, y2) and np.array_equal(last, last2)
    for i in range(t):
        yi, h = ref.selective_scan_step(x[:, i], dt[:, i], a, b[:, i], c[:, i], d, h)
        assert np.array_equal(yi, y[:, i])
    assert np.array_equal(h, last)


def test_scan_is_the_recurrence() -> None:
    p = _scan_inputs(np.random.default_rng(7))
    (y, _), _ = ref.selective_scan(**p)
    for i, e in itertools.product(range(B), range(E)):
        h = p["h0"][i, e].copy()
        for t in range(T):
            h = np.exp(p["dt"][i, t, e] * p["a"][e]) * h + p["dt"][i, t, e] * p["x"][i, t, e] * p["b"][i, t]
            assert y[i, t, e] == pytest.approx(h @ p["c"][i, t] + p["d_skip"][e] * p["x"][i, t, e], rel=1e-12)


@pytest.mark.parametrize("n", [16, 0])
def test_mamba_streams(n: int) -> None:
    rng = np.random.default_rng(0)
    params = ref.mamba_params(rng, 8, n)
    x = rng.standard_normal((2, 9, 8)).astype(np.float32)
    (whole, _), _ = ref.mamba_block(x, params)
    state, parts = None, []
    for lo, hi in ((0, 1), (1, 5), (5, 6), (6, 9)):
        (y, state), _ = ref.mamba_block(x[:, lo:hi], params, state)
        parts.append(y)
        assert [s.shape for s in state] == [(2, 3, 16), (2, 16, n)]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-5, atol=1e-6)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_crf_against_enumeration(t: int, c: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    em, tr, start, end = (3 * rng.standard_normal(s) for s in ((1, t, c), (c, c), c, c))
    paths = np.array(list(itertools.product(range(c), repeat=t)))
    scores = start[paths[:, 0]] + end[paths[:, -1]] + em[0, np.arange(t), paths].sum(1)
    scores = scores + tr[paths[:, :-1], paths[:, 1:]].sum(1)
    p = np.exp(scores - scores.max())
    p /= p.sum()
    loss, _ = ref.crf_nll(em, paths[:1], tr, start, end)
    assert loss == pytest.approx(-np.log(p[0]), rel=1e-9, abs=1e-12)
    marginals = np.stack([[p[paths[:, i] == k].sum() for k in range(c)] for i in range(t)])
    np.testing.assert_allclose(ref.crf_marginals(em, tr, start, end)[0], marginals, atol=1e-12)
    for t in range(1, em.shape[1] + 1):
        np.testing.assert_allclose(ref.crf_filter(em, tr, start, end)[:, t - 1],
                                   ref.crf_marginals(em[:, :t], tr, start, end)[:, -1], atol=1e-12)
    best, score = ref.crf_viterbi(em, tr, start, end)
    assert tuple(best[0]) == tuple(paths[scores.argmax()])
    assert score[0] == pytest.approx(scores.max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 3), (7, 30, 2), (40, 20, 8)])
def test_last_labels_are_those_of_every_prefix(shape: tuple[int, int, int], ties: bool, dtype: type) -> None:
    """To the bit, and where paths are equally good."""
    rng, (b, t, c) = np.random.default_rng(shape), shape
    em, *rest = (rng.normal(size=s).astype(dtype) for s in ((b, t, c), (c, c), (c,), (c,)))
    if ties:
        em, *rest = (np.rint(a) for a in (em, *rest))
    want = np.stack([ref.crf_viterbi(em[:, : i + 1], *rest)[0][:, -1] for i in range(t)], 1)
    np.testing.assert_array_equal(crf_viterbi_last(em, *rest), want)


def test_extremes_stay_finite() -> None:
    x = np.array([-1e4, -800.0, -1.0, 0.0, 1.0, 800.0, 1e4])
    for name, (f, g) in ref.ACTIVATIONS.items():
        with np.errstate(over="raise", invalid="raise"):
            y, cache = f(x)
            assert np.isfinite(y).all() and np.isfinite(g(np.ones_like(x), cache)[0]).all(), name
    np.testing.assert_array_equal(ref.softmax(np.full((1, 4), 1e300))[0], np.full((1, 4), 0.25))
    np.testing.assert_array_equal(ref.softmax(np.array([[-np.inf, 0.0]]))[0], [[0.0, 1.0]])


def test_causal_attention_does_not_look_ahead() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 6, 4))
    before, _ = ref.attention(x, x, x, heads=2, causal=True)
    x[:, 4:] += 1
    after, _ = ref.attention(x, x, x, heads=2, causal=True)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert not np.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize("call, words", [
    (lambda: ref.attention(*[np.zeros((1, 2, 3))] * 3, heads=2), "heads=2 must divide"),
    (lambda: out_conv_geometry(4), "expected 1 to 3 kernel sizes, got 4"),
    (lambda: ref.distillation(np.zeros((1, 2)), np.zeros((1, 2)), 0), "temperature: expected"),
    (lambda: ref.selective_scan_chunked(*[np.zeros((1, 1, 1))] * 2, np.zeros((1, 1)), *[np.zeros((1, 1, 1))] * 2,
                                        np.zeros(1), chunk=0), "chunk: expected at least 1 step"),
])
def test_bad_arguments(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
