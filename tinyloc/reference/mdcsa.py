"""MDCSA: multihead dual convolutional self-attention (Jovan et al., arXiv 2308.02419), RSSI only, after its encoder.

Per kernel size k a head: K = tanh(conv_k(x)), Q = tanh(conv_k(x)) (causal), V = x, full attention, layer norm of
x + attention, a gated residual network (GRN), layer norm.  The heads are interleaved in time, attend to themselves
once more, and a convolution of width 3 brings them back to t steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinyloc.reference.activation import elu, elu_backward, sigmoid, sigmoid_backward, tanh, tanh_backward
from tinyloc.reference.attention import attention, attention_backward
from tinyloc.reference.conv import conv1d, conv1d_backward
from tinyloc.reference.linear import Cache, Linear, linear, linear_backward
from tinyloc.reference.norm import layer_norm, layer_norm_backward

Params = dict[str, np.ndarray]


POSITIONS = ("vaswani", "jovan")


def positional_encoding(t: int, d: int, positions: str = POSITIONS[0]) -> np.ndarray:
    """(t, d): sin(i / 10000^(2j/d)) in even columns 2j, cos in odd ones 2j + 1 (Vaswani et al., 2017).

    positions "jovan": as the published code of MDCSA has it, with the column's number twice in the exponent: 10000^(2c/d)
    for column c.
    """
    column = np.arange(d)
    angle = np.arange(t)[:, None] / 10000 ** (2 * (column if positions == "jovan" else column // 2) / d)
    return np.where(np.arange(d) % 2 == 0, np.sin(angle), np.cos(angle))


def out_conv_geometry(heads: int) -> tuple[int, int]:
    """(stride, padding on both sides) of the last convolution, so that it answers with one step a step."""
    if heads == 1:
        return 1, 1
    if heads == 2:  # sees the second head of the step before too: three taps do not divide by two
        return 2, 1
    if heads == 3:
        return 3, 0
    raise ValueError(f"MDCSA: expected 1 to 3 kernel sizes, got {heads}")


def mdcsa_params(rng: np.random.Generator, d: int, kernels: Sequence[int] = (1,), dead_weights: bool = False,
                 fc1: int | None = None, fc2: int | None = None) -> Params:
    """PyTorch's initialization (uniform, 1 / sqrt(fan in)), float32.

    dead_weights: also the parameters of the authors' second input, which nothing reads when there is RSSI only; the
    paper's counts include them.
    fc1, fc2: hidden widths of the gated networks; None: 4 d.
    """
    fc1, fc2 = fc1 or 4 * d, fc2 or 4 * d
    p: Params = {}

    def add(name: str, shape: tuple[int, ...], fan_in: int, bias: bool = True) -> None:
        p[f"{name}.weight"] = rng.uniform(-1, 1, shape) / math.sqrt(fan_in)
        if bias:
            p[f"{name}.bias"] = rng.uniform(-1, 1, shape[0]) / math.sqrt(fan_in)

    def norm(name: str) -> None:
        p[f"{name}.weight"], p[f"{name}.bias"] = np.ones(d), np.zeros(d)

    out_conv_geometry(len(kernels))
    for i, k in enumerate(kernels):
        head = f"dcsa{i}."
        for name in ("k", "q", *(("k2", "q2") if dead_weights else ())):
            add(head + name, (d, k, d), k * d)
        for name in ("norm1", *(("norm2",) if dead_weights else ()), "norm3"):
            norm(head + name)
        add(head + "grn.fc1", (fc1, d), d)
        if dead_weights:
            add(head + "grn.context", (fc1, d), d, bias=False)
        add(head + "grn.fc2", (fc2, fc1), fc1)
        add(head + "grn.glu", (2 * d, fc2), fc2)
    add("out_conv", (d, 3, d), 3 * d)
    norm("norm")
    return {name: v.astype(np.float32) for name, v in p.items()}


def keep_mask(rng: np.random.Generator | None, shape: tuple[int, ...], p: float) -> np.ndarray | None:
    """Which values dropout keeps (true), each with probability 1 - p; None when it drops none."""
    return None if rng is None or p == 0 else rng.random(shape) >= p


def _mask(rng: np.random.Generator | None, shape: tuple[int, ...], p: float, dtype: np.dtype) -> np.ndarray | None:
    keep = keep_mask(rng, shape, p)
    return None if keep is None else keep.astype(dtype) / dtype.type(1 - p)


def _head(x: np.ndarray, p: Params, head: str, k: int, rng: np.random.Generator | None, dropout: float, linear: Linear
          ) -> tuple[np.ndarray, Cache]:
    key_in, c_k = conv1d(x, p[head + "k.weight"], p[head + "k.bias"], pad_left=k - 1)
    query_in, c_q = conv1d(x, p[head + "q.weight"], p[head + "q.bias"], pad_left=k - 1)
    key, c_kt = tanh(key_in)
    query, c_qt = tanh(query_in)
    s, c_att = attention(query, key, x)
    r, c_n1 = layer_norm(x + s, p[head + "norm1.weight"], p[head + "norm1.bias"])
    h, c_1 = linear(r, p[head + "grn.fc1.weight"], p[head + "grn.fc1.bias"])
    h, c_elu = elu(h)
    h, c_2 = linear(h, p[head + "grn.fc2.weight"], p[head + "grn.fc2.bias"])
    mask = _mask(rng, h.shape, dropout, h.dtype)
    if mask is not None:
        h = h * mask
    h, c_glu = linear(h, p[head + "grn.glu.weight"], p[head + "grn.glu.bias"])
    value, gate_in = np.split(h, 2, -1)
    gate, c_gate = sigmoid(gate_in)
    y, c_n3 = layer_norm(value * gate + r, p[head + "norm3.weight"], p[head + "norm3.bias"])
    return y, (c_k, c_q, c_kt, c_qt, c_att, c_n1, c_1, c_elu, c_2, mask, c_glu, value, gate, c_gate, c_n3)


def _head_backward(dy: np.ndarray, cache: Cache, head: str, g: Params) -> np.ndarray:
    c_k, c_q, c_kt, c_qt, c_att, c_n1, c_1, c_elu, c_2, mask, c_glu, value, gate, c_gate, c_n3 = cache

    def store(name: str, grads: tuple[np.ndarray | None, ...]) -> np.ndarray:
        dx, g[f"{head}{name}.weight"], g[f"{head}{name}.bias"] = grads  # type: ignore[assignment]
        return dx  # type: ignore[return-value]

    ds = store("norm3", layer_norm_backward(dy, c_n3))
    (dgate,) = sigmoid_backward(ds * value, c_gate)
    dh = store("grn.glu", linear_backward(np.concatenate([ds * gate, dgate], -1), c_glu))
    if mask is not None:
        dh = dh * mask
    (dh,) = elu_backward(store("grn.fc2", linear_backward(dh, c_2)), c_elu)
    dr = ds + store("grn.fc1", linear_backward(dh, c_1))
    dsum = store("norm1", layer_norm_backward(dr, c_n1))
    dq, dk, dv = attention_backward(dsum, c_att)
    dx = dsum + dv
    dx = dx + store("q", conv1d_backward(tanh_backward(dq, c_qt)[0], c_q))
    return dx + store("k", conv1d_backward(tanh_backward(dk, c_kt)[0], c_k))


def mdcsa(x: np.ndarray, params: Params, kernels: Sequence[int] = (1,), rng: np.random.Generator | None = None,
          dropout: float = 0.0, linear: Linear = linear, positions: str = POSITIONS[0]) -> tuple[np.ndarray, Cache]:
    """(y (b, t, d), cache) for x (b, t, d); kernels: one size a head, of one to three heads.

    rng, dropout: in training, the share of the GRN's hidden values that is dropped.
    positions: see `positional_encoding`.
    linear: what takes its place (another one's cache has no backward).
    """
    b, t, d = x.shape
    stride, pad = out_conv_geometry(len(kernels))
    z = x * x.dtype.type(math.sqrt(d)) + positional_encoding(t, d, positions).astype(x.dtype)
    heads = [_head(z, params, f"dcsa{i}.", k, rng, dropout, linear) for i, k in enumerate(kernels)]
    m = np.stack([y for y, _ in heads], 2).reshape(b, t * len(kernels), d)
    s, c_att = attention(m, m, m)
    o, c_conv = conv1d(s, params["out_conv.weight"], params["out_conv.bias"], stride, pad, pad)
    y, c_norm = layer_norm(o, params["norm.weight"], params["norm.bias"])
    return y, ([c for _, c in heads], c_att, c_conv, c_norm, params)


def mdcsa_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, Params]:
    """(dx, gradients by parameter name); those of dead weights are zero."""
    heads, c_att, c_conv, c_norm, params = cache
    b, t, d = dy.shape
    g: Params = {}
    do, g["norm.weight"], g["norm.bias"] = layer_norm_backward(dy, c_norm)
    ds, g["out_conv.weight"], g["out_conv.bias"] = conv1d_backward(do, c_conv)
    dq, dk, dv = attention_backward(ds, c_att)
    dm = (dq + dk + dv).reshape(b, t, len(heads), d)
    dz = sum(_head_backward(np.ascontiguousarray(dm[:, :, i]), c, f"dcsa{i}.", g) for i, c in enumerate(heads))
    for name, value in params.items():
        if name not in g:
            g[name] = np.zeros_like(value)
    return dz * dy.dtype.type(math.sqrt(d)), g
