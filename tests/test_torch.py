"""The float reference against PyTorch's autograd (extra `torch`), in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyloc import reference as ref

torch = pytest.importorskip("torch", reason="extra 'torch' is not installed")
F = torch.nn.functional
rng = np.random.default_rng(0)


def scan(x: Any, dt: Any, a: Any, b: Any, c: Any, d: Any, h: Any) -> Any:
    """One step after the other."""
    out = []
    for t in range(x.shape[1]):
        h = torch.exp(dt[:, t, :, None] * a) * h + (dt[:, t] * x[:, t])[..., None] * b[:, t, None, :]
        out.append((h * c[:, t, None, :]).sum(-1) + d * x[:, t])
    return torch.stack(out, 1)


def crf(em: Any, tr: Any, start: Any, end: Any) -> Any:
    """Negative log-likelihood of the path of zeros."""
    alpha = start + em[:, 0]
    for t in range(1, em.shape[1]):
        alpha = torch.logsumexp(alpha[:, :, None] + tr, 1) + em[:, t]
    gold = start[0] + end[0] + em[..., 0].sum(1) + tr[0, 0] * (em.shape[1] - 1)
    return (torch.logsumexp(alpha + end, 1) - gold).mean()


def arrays(*shapes: Any) -> list[np.ndarray]:
    return [rng.standard_normal(s) for s in shapes]


def drop_state(f: Any) -> Any:
    def forward(*a: np.ndarray) -> Any:
        (y, _), cache = f(*a)
        return y, cache

    return forward


X = (2, 6, 8)
ACTIVATION = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu, "elu": F.elu, "relu": F.relu,
              "gelu": lambda x: F.gelu(x, approximate="tanh"), "softplus": F.softplus}
# name: (our forward, our backward, torch's, inputs)
CASES: dict[str, tuple[Any, Any, Any, list[np.ndarray]]] = {
    "linear": (ref.linear, ref.linear_backward, F.linear, arrays(X, (3, 8), 3)),
    "layer_norm": (ref.layer_norm, ref.layer_norm_backward, lambda x, w, b: F.layer_norm(x, (8,), w, b),
                   arrays(X, 8, 8)),
    "rms_norm": (ref.rms_norm, ref.rms_norm_backward, lambda x, w: F.rms_norm(x, (8,), w, 1e-5), arrays(X, 8)),
    **{name: (*ref.ACTIVATIONS[name], f, arrays(X)) for name, f in ACTIVATION.items()},
    "softmax": (ref.softmax, ref.softmax_backward, lambda x: F.softmax(x, -1), arrays(X)),
    "log_softmax": (ref.log_softmax, ref.log_softmax_backward, lambda x: F.log_softmax(x, -1), arrays(X)),
    "attention": (ref.attention, ref.attention_backward, F.scaled_dot_product_attention, arrays(X, X, X)),
    "attention_causal": (lambda q, k, v: ref.attention(q, k, v, causal=True), ref.attention_backward,
                         lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), arrays(X, X, X)),
    "depthwise_conv1d": (drop_state(ref.depthwise_conv1d), ref.depthwise_conv1d_backward, lambda x, w, b: F.conv1d(
        F.pad(x.transpose(1, 2), (3, 0)), w[:, None], b, groups=8).transpose(1, 2), arrays(X, (8, 4), 8)),
    "conv1d": (lambda x, w, b: ref.conv1d(x, w, b, 2, 1, 1), ref.conv1d_backward, lambda x, w, b: F.conv1d(
        x.transpose(1, 2), w.transpose(1, 2), b, stride=2, padding=1).transpose(1, 2), arrays(X, (5, 3, 8), 5)),
    "selective_scan": (drop_state(ref.selective_scan), ref.selective_scan_backward, scan,
                       [rng.standard_normal((2, 40, 5)), rng.uniform(0.001, 0.1, (2, 40, 5)),
                        -rng.uniform(1, 16, (5, 4)), *arrays((2, 40, 4), (2, 40, 4), 5, (2, 5, 4))]),
    "crf_nll": (lambda em, *p: ref.crf_nll(em, np.zeros((2, 6), int), *p), ref.crf_nll_backward, crf,
                arrays((2, 6, 4), (4, 4), 4, 4)),
    "cross_entropy": (lambda x: ref.cross_entropy(x, np.full((2, 6), 3)), ref.cross_entropy_backward,
                      lambda x: F.cross_entropy(x.reshape(-1, 8), torch.full((12,), 3)), arrays(X)),
    "distillation": (lambda x: ref.distillation(x, np.ones(X) * np.arange(8), 3.0), ref.distillation_backward,
                     lambda x: 9 * F.kl_div(F.log_softmax(x.reshape(12, 8) / 3, -1), F.softmax(
                         torch.arange(8.0, dtype=torch.float64).expand(12, 8) / 3, -1), reduction="batchmean"),
                     arrays(X)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    forward, backward, theirs, inputs = CASES[name]
    y, cache = forward(*inputs)
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    expected = theirs(*tensors)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    direction = rng.standard_normal(np.shape(y))
    (expected * torch.tensor(direction)).sum().backward()
    for i, (g, tensor) in enumerate(zip(backward(direction, cache), tensors, strict=True)):
        np.testing.assert_allclose(g, tensor.grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=f"{name}, input {i}")
