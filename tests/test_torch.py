"""The float reference against PyTorch's autograd (extra `torch`), in float64; what the paper did in PyTorch against that."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyloc import reference as ref
from tinyloc.model import Model, preset
from tinyloc.paper.linear import dynamic_linear
from tinyloc.paper.size import LINEAR, POSITIONS, checkpoint_bytes

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
              "gelu": lambda x: F.gelu(x, approximate="tanh"), "softplus": F.softplus,
              "gelu_erf": F.gelu}
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


# ---- what `tinyloc.paper` rebuilds without PyTorch

def module(model: Model) -> Any:
    """The paper's model as PyTorch modules of the same names: `nn.Linear` where it has them, bare parameters elsewhere."""
    root = torch.nn.Module()
    for name, value in model.params.items():
        if model.config.family == "mdcsa" and name == "crf.transitions":
            root.register_buffer("positions", torch.zeros(1, POSITIONS, model.config.d))
        *path, leaf = name.split(".")
        at = root
        for part in path[:-1]:
            at = at._modules.setdefault(part, torch.nn.Module())
        if path[-1] in LINEAR:
            if leaf == "weight":
                at.add_module(path[-1], torch.nn.Linear(*value.shape[::-1], bias=".".join(path) + ".bias" in model.params))
            getattr(at._modules[path[-1]], leaf).data = torch.tensor(value)
        else:
            at = at._modules.setdefault(path[-1], torch.nn.Module())
            at.register_parameter(leaf, torch.nn.Parameter(torch.tensor(value)))
    return root


def quantized(layer: Any) -> Any:
    with warnings.catch_warnings():  # torchao is to take its place; the paper used this one
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(layer, {torch.nn.Linear}, dtype=torch.qint8)


@pytest.mark.parametrize("name", ["mamba-h8l1", "mamba-h16l2", "mdcsa-h8l1", "mdcsa-h4l3"])
@pytest.mark.parametrize("shape", [(8, 4), (520, 59)])
def test_checkpoints_are_of_that_many_bytes(name: str, shape: tuple[int, int], tmp_path: Path) -> None:
    config = preset(name, *shape)
    root = module(Model.create(config))
    for method, layer in (("float", root), ("dynamic", quantized(root))):
        file = tmp_path / f"{method}-of-a-name.pt"
        torch.save(layer.state_dict(), file)
        assert file.stat().st_size == checkpoint_bytes(config, method, file.stem)


@pytest.mark.parametrize("engine", ["fbgemm", "onednn"])
@pytest.mark.parametrize("seed", range(60))
def test_dynamic_quantization_is_theirs(seed: int, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output of a layer on random inputs: of either sign, all alike, all zero, and too small for a scale of their own."""
    if engine not in torch.backends.quantized.supported_engines:
        pytest.skip(f"PyTorch has no {engine} here")
    monkeypatch.setattr(torch.backends.quantized, "engine", engine)
    generator = np.random.default_rng(seed)
    n, k, t = (int(v) for v in generator.integers(1, 40, 3))
    layer = torch.nn.Linear(k, n, bias=seed % 2 == 0)
    weight = generator.normal(size=(n, k)).astype(np.float32) * np.float32(10 ** generator.uniform(-3, 2))
    layer.weight.data = torch.tensor(weight)
    x = generator.normal(size=(t, k)) * 10 ** generator.uniform(-6, 2) + generator.normal() * (seed % 3)
    x = {3: np.abs(x), 4: -np.abs(x), 5: np.zeros_like(x), 6: np.full_like(x, 2.5)}.get(seed % 7, x).astype(np.float32)
    want = quantized(torch.nn.Sequential(layer))(torch.tensor(x)).detach().numpy()
    got, _ = dynamic_linear(x[None], weight, layer.bias.detach().numpy() if layer.bias is not None else None)
    np.testing.assert_allclose(got[0], want, rtol=1e-5, atol=1e-6 * max(1e-6, np.abs(want).max()))
