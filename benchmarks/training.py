"""Forward and backward pass, ours against PyTorch's fastest eager: `python benchmarks/training.py --help`.

Both sides compute the same function of the same float32 inputs, and the gradients of all inputs and parameters, in one
thread; before anything is timed, all outputs and gradients are compared, with float64 as the judge.  Rounds are
interleaved, so that a machine that is busy meanwhile is so for all, and medians are printed.  Where other processes take
the processor in turns, the wall clock adds the same wait to short and long steps: `--cpu` takes the processor's time.

PyTorch's side is written as well as we know how without compilation (its eager mode): for Mamba the loop over time with all
decays made beforehand or step by step, and the parallel scan over a tree (Blelloch, 1990) that mambapy-like libraries use;
for transformers scaled_dot_product_attention on the projection's views and on heads that were made contiguous, and its
formula in two products.  The fastest of a group is what ours is divided by.

"Transformer" is the encoder layer of the literature, pre-norm (attention, feed-forward of four times the width, two layer
norms), ours composed of the layers of `tinyloc.fast`; MDCSA is what the product trains.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tinyloc import reference as ref
from tinyloc.cli import table
from tinyloc.fast import activation, attention, layer_norm, linear
from tinyloc.layers import Layers

Arrays = dict[str, np.ndarray]
Step = Callable[[], Arrays]  # output "y" and gradients by name


# ---- PyTorch: Mamba ----


def loop(x: Any, dt: Any, a: Any, b: Any, c: Any) -> Any:
    """One step after the other; decays and inputs of all steps made at once."""
    decay = torch.exp(dt[..., None] * a)
    u = (dt * x)[..., None] * b[:, :, None]
    h, states = torch.zeros_like(decay[:, 0]), []
    for d, v in zip(decay.unbind(1), u.unbind(1), strict=True):
        h = d * h + v
        states.append(h)
    return (torch.stack(states, 1) @ c[..., None])[..., 0]


def loop_time_first(x: Any, dt: Any, a: Any, b: Any, c: Any) -> Any:
    """The same with time outermost, so that each step's arrays are whole."""
    x, dt, b, c = (v.transpose(0, 1).contiguous() for v in (x, dt, b, c))
    decay = torch.exp(dt[..., None] * a)
    u = (dt * x)[..., None] * b[:, :, None]
    h, states = torch.zeros_like(decay[0]), []
    for d, v in zip(decay.unbind(0), u.unbind(0), strict=True):
        h = torch.addcmul(v, d, h)
        states.append(h)
    return (torch.stack(states, 0) @ c[..., None])[..., 0].transpose(0, 1)


def loop_lean(x: Any, dt: Any, a: Any, b: Any, c: Any) -> Any:
    """One step after the other, which makes its own decays and output: less memory, more calls."""
    h, y = torch.zeros(x.shape[0], *a.shape), []
    u = dt * x
    for t in range(x.shape[1]):
        h = torch.addcmul(u[:, t, :, None] * b[:, t, None], torch.exp(dt[:, t, :, None] * a), h)
        y.append((h @ c[:, t, :, None])[..., 0])
    return torch.stack(y, 1)


class _Tree(torch.autograd.Function):
    """h[t] = d[t] h[t-1] + v[t] along dimension 2 by a tree of log2(T) levels, and the same backward in time."""

    @staticmethod
    def _scan(d: Any, v: Any) -> None:
        """In place; T a power of two."""
        steps, size = v.shape[2], 1
        while size < steps:  # up
            left, right = slice(size - 1, None, 2 * size), slice(2 * size - 1, None, 2 * size)
            v[:, :, right].addcmul_(d[:, :, right], v[:, :, left])
            d[:, :, right] *= d[:, :, left]
            size *= 2
        while size > 1:  # down
            size //= 2
            left, right = slice(2 * size - 1, -size, 2 * size), slice(3 * size - 1, None, 2 * size)
            v[:, :, right].addcmul_(d[:, :, right], v[:, :, left])
            d[:, :, right] *= d[:, :, left]

    @staticmethod
    def forward(ctx: Any, d: Any, v: Any) -> Any:
        h = v.clone()
        _Tree._scan(d.clone(), h)
        ctx.save_for_backward(d, h)
        return h

    @staticmethod
    def backward(ctx: Any, dh: Any) -> Any:
        d, h = ctx.saved_tensors
        later = torch.cat([d[:, :, 1:], torch.zeros_like(d[:, :, :1])], 2).flip(2)
        g = dh.flip(2).contiguous()
        _Tree._scan(later, g)
        g = g.flip(2)
        before = torch.cat([torch.zeros_like(h[:, :, :1]), h[:, :, :-1]], 2)
        return g * before, g


def tree(x: Any, dt: Any, a: Any, b: Any, c: Any) -> Any:
    """The parallel scan."""
    decay = torch.exp(dt[..., None] * a).transpose(1, 2).contiguous()
    u = ((dt * x)[..., None] * b[:, :, None]).transpose(1, 2).contiguous()
    return (_Tree.apply(decay, u).transpose(1, 2) @ c[..., None])[..., 0]


def torch_mamba(scan: Callable[..., Any]) -> Callable[..., Any]:
    def block(x: Any, p: dict[str, Any]) -> Any:
        e, r = p["dt_proj.weight"].shape
        n = p["a_log"].shape[1]
        u, z = F.linear(F.rms_norm(x, x.shape[-1:], p["norm.weight"], 1e-5), p["in_proj.weight"]).chunk(2, -1)
        k = p["conv.weight"].shape[1]
        u = F.conv1d(u.transpose(1, 2), p["conv.weight"][:, None], p["conv.bias"], padding=k - 1, groups=e)
        s = F.silu(u[..., : x.shape[1]].transpose(1, 2))
        low, b, c = F.linear(s, p["x_proj.weight"]).split([r, n, n], -1)
        dt = F.softplus(F.linear(low, p["dt_proj.weight"], p["dt_proj.bias"]))
        y = scan(s, dt, -torch.exp(p["a_log"]), b, c) + p["d_skip"] * s
        return x + F.linear(y * F.silu(z), p["out_proj.weight"])

    return block


# ---- PyTorch: transformer ----


def sdpa(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v)


def sdpa_contiguous(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q.contiguous(), k.contiguous(), v.contiguous())


def two_products(q: Any, k: Any, v: Any) -> Any:
    return torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1) @ v


ATTENTION = {"SDPA": sdpa, "SDPA, contiguous heads": sdpa_contiguous, "softmax and products": two_products}


def torch_transformer(attend: Callable[..., Any], heads: int, activation: str) -> Callable[..., Any]:
    def layer(x: Any, p: dict[str, Any]) -> Any:
        b, t, d = x.shape
        unit = F.layer_norm(x, (d,), p["norm1.weight"], p["norm1.bias"])
        q, k, v = F.linear(unit, p["qkv.weight"], p["qkv.bias"]).view(b, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v).transpose(1, 2).reshape(b, t, d)
        x = x + F.linear(mixed, p["out.weight"], p["out.bias"])
        unit = F.layer_norm(x, (d,), p["norm2.weight"], p["norm2.bias"])
        wide = F.linear(unit, p["fc1.weight"], p["fc1.bias"])
        wide = F.relu(wide) if activation == "relu" else F.gelu(wide, approximate="tanh")
        return x + F.linear(wide, p["fc2.weight"], p["fc2.bias"])

    return layer


def torch_mdcsa(attend: Callable[..., Any], t: int, d: int) -> Callable[..., Any]:
    """Of one kernel of size 1, whose convolutions are linear layers: key and query are one product."""
    position = torch.tensor(ref.positional_encoding(t, d).astype(np.float32))

    def single(q: Any, k: Any, v: Any) -> Any:
        return attend(q[:, None], k[:, None], v[:, None])[:, 0]

    def norm(x: Any, p: dict[str, Any], name: str) -> Any:
        return F.layer_norm(x, (d,), p[f"{name}.weight"], p[f"{name}.bias"])

    def block(x: Any, p: dict[str, Any]) -> Any:
        z = torch.add(position, x, alpha=d**0.5)
        own = {name.removeprefix("dcsa0."): v for name, v in p.items()}
        both = torch.cat([own["k.weight"], own["q.weight"]])[:, 0]
        k, q = torch.tanh(F.linear(z, both, torch.cat([own["k.bias"], own["q.bias"]]))).chunk(2, -1)
        r = norm(z + single(q, k, z), own, "norm1")
        h = F.elu(F.linear(r, own["grn.fc1.weight"], own["grn.fc1.bias"]))
        h = F.linear(h, own["grn.fc2.weight"], own["grn.fc2.bias"])
        m = norm(F.glu(F.linear(h, own["grn.glu.weight"], own["grn.glu.bias"])) + r, own, "norm3")
        s = F.pad(single(m, m, m), (0, 0, 1, 1))
        taps = torch.cat([s[:, i : i + t] for i in range(3)], -1)  # faster here than conv1d
        return norm(F.linear(taps, p["out_conv.weight"].view(d, 3 * d), p["out_conv.bias"]), p, "norm")

    return block


# ---- ours: transformer ----


def _packed(qkv: np.ndarray, heads: int) -> Any:
    return ref.attention(*np.split(qkv, 3, -1), heads)


def _packed_backward(dy: np.ndarray, cache: Any) -> Any:
    return (np.concatenate(ref.attention_backward(dy, cache), -1),)


FAST = {f.__name__: f for f in (
    linear.linear, linear.linear_backward, layer_norm.layer_norm, layer_norm.layer_norm_backward, attention.self_attention,
    attention.self_attention_backward, activation.gelu, activation.gelu_backward, activation.relu, activation.relu_backward)}
SLOW = {"self_attention": _packed, "self_attention_backward": _packed_backward,
        **{name: getattr(importlib.import_module(f"tinyloc.reference.{home}"), name) for home, names in (
            ("linear", ("linear", "linear_backward")), ("norm", ("layer_norm", "layer_norm_backward")),
            ("activation", ("gelu", "gelu_backward", "relu", "relu_backward"))) for name in names}}


def transformer(use: dict[str, Callable[..., Any]], heads: int, act: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The same layer of `use`'s functions, forward and backward."""

    def forward(x: np.ndarray, p: Arrays) -> Any:
        caches = []

        def layer(name: str, x: np.ndarray, *args: Any) -> np.ndarray:
            y, cache = use[name](x, *args)
            caches.append(cache)
            return y

        def named(kind: str, x: np.ndarray, name: str) -> np.ndarray:
            return layer(kind, x, p[f"{name}.weight"], p[f"{name}.bias"])

        mixed = layer("self_attention", named("linear", named("layer_norm", x, "norm1"), "qkv"), heads)
        middle = named("linear", mixed, "out") + x
        wide = layer(act, named("linear", named("layer_norm", middle, "norm2"), "fc1"))
        return named("linear", wide, "fc2") + middle, caches

    def backward(dy: np.ndarray, caches: Any) -> tuple[np.ndarray, Arrays]:
        g: Arrays = {}
        rest = list(caches)

        def named(kind: str, dy: np.ndarray, name: str) -> np.ndarray:
            dx, g[f"{name}.weight"], g[f"{name}.bias"] = use[f"{kind}_backward"](dy, rest.pop())
            return dx

        (dwide,) = use[f"{act}_backward"](named("linear", dy, "fc2"), rest.pop())
        middle = named("layer_norm", named("linear", dwide, "fc1"), "norm2") + dy
        (dqkv,) = use["self_attention_backward"](named("linear", middle, "out"), rest.pop())
        return named("layer_norm", named("linear", dqkv, "qkv"), "norm1") + middle, g

    return forward, backward


# ---- both sides ----


def theirs(f: Callable[..., Any], x: np.ndarray, dy: np.ndarray, params: Arrays) -> Step:
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in {"x": x, **params}.items()}
    direction = torch.tensor(dy)

    def step() -> Arrays:
        for tensor in tensors.values():
            tensor.grad = None
        y = f(tensors["x"], {k: v for k, v in tensors.items() if k != "x"})
        y.backward(direction)
        return {"y": y.detach(), **{k: v.grad for k, v in tensors.items()}}

    return step


def ours(forward: Callable[..., Any], backward: Callable[..., Any], x: np.ndarray, dy: np.ndarray, params: Arrays) -> Step:
    def step() -> Arrays:
        y, cache = forward(x, params)
        dx, g = backward(dy, cache)
        return {"y": y, "x": dx, **g}

    return step


def check(name: str, steps: dict[str, Step], judge: Step) -> float:
    """The greatest difference from the judge, relative to the greatest value of its array; too great a one is an error."""
    right = judge()
    worst = 0.0
    for which, step in steps.items():
        found = step()
        for k, expected in right.items():
            difference = float(np.abs(np.asarray(found[k], float) - expected).max() / np.abs(expected).max())
            if not difference < 1e-4:
                raise SystemExit(f"{name}: {which} differs from the reference in {k} by {difference:.1e} of its greatest")
            worst = max(worst, difference)
    return worst


def medians(steps: dict[str, Step], rounds: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """ms a step, interleaved."""
    times: dict[str, list[float]] = {k: [] for k in steps}
    for i in range(rounds + 2):
        for name, step in steps.items():
            start = clock()
            step()
            if i >= 2:
                times[name].append(1e3 * (clock() - start))
    return {k: statistics.median(v) for k, v in times.items()}


def mamba_case(t: int, batch: int, d: int, n: int, tied: bool) -> tuple[dict[str, Step], Step]:
    rng = np.random.default_rng(0)
    params = ref.mamba_params(rng, d, n)
    x, dy = rng.standard_normal((2, batch, t, d), np.float32)
    fast, slow = Layers("fast"), Layers("reference")

    def own(use: Layers) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def forward(x: np.ndarray, p: Arrays) -> Any:
            (y, _), cache = use.mamba_block(x, p)
            return y, cache

        return forward, use.mamba_block_backward

    steps = {"tinyloc": ours(*own(fast), x, dy, params), "NumPy reference": ours(*own(slow), x, dy, params),
             "torch loop": theirs(torch_mamba(loop), x, dy, params),
             "torch loop, time first": theirs(torch_mamba(loop_time_first), x, dy, params),
             "torch loop, lean": theirs(torch_mamba(loop_lean), x, dy, params),
             "torch parallel scan": theirs(torch_mamba(tree), x, dy, params)}
    wide = {k: v.astype(float) for k, v in params.items()}
    return steps, ours(*own(slow), x.astype(float), dy.astype(float), wide)


def transformer_case(t: int, batch: int, d: int, heads: int, inner: int, act: str) -> tuple[dict[str, Step], Step]:
    rng = np.random.default_rng(0)
    params: Arrays = {}
    for name, n, k in (("qkv", 3 * d, d), ("out", d, d), ("fc1", inner, d), ("fc2", d, inner)):
        params[f"{name}.weight"] = rng.standard_normal((n, k), np.float32) / np.float32(k**0.5)
        params[f"{name}.bias"] = rng.standard_normal(n, np.float32) / 4
    for name in ("norm1", "norm2"):
        params[f"{name}.weight"], params[f"{name}.bias"] = 1 + rng.standard_normal((2, d), np.float32) / 4
    x, dy = rng.standard_normal((2, batch, t, d), np.float32)
    steps = {"tinyloc": ours(*transformer(FAST, heads, act), x, dy, params),
             "NumPy reference": ours(*transformer(SLOW, heads, act), x, dy, params),
             **{f"torch {name}": theirs(torch_transformer(f, heads, act), x, dy, params) for name, f in ATTENTION.items()}}
    wide = {k: v.astype(float) for k, v in params.items()}
    return steps, ours(*transformer(SLOW, heads, act), x.astype(float), dy.astype(float), wide)


def mdcsa_case(t: int, batch: int, d: int) -> tuple[dict[str, Step], Step]:
    rng = np.random.default_rng(0)
    params = ref.mdcsa_params(rng, d)
    x, dy = rng.standard_normal((2, batch, t, d), np.float32)
    fast, slow = Layers("fast"), Layers("reference")
    steps = {"tinyloc": ours(fast.mdcsa, fast.mdcsa_backward, x, dy, params),
             "NumPy reference": ours(slow.mdcsa, slow.mdcsa_backward, x, dy, params),
             **{f"torch {name}": theirs(torch_mdcsa(f, t, d), x, dy, params) for name, f in ATTENTION.items()}}
    wide = {k: v.astype(float) for k, v in params.items()}
    return steps, ours(slow.mdcsa, slow.mdcsa_backward, x.astype(float), dy.astype(float), wide)


CASES: dict[str, tuple[float | None, Callable[..., Any], dict[str, Any]]] = {
    **{f"Mamba d 32, state 16, T {t}": (4.0, mamba_case, {"t": t, "d": 32, "n": 16, "tied": False}) for t in (64, 128)},
    **{f"Transformer d 32, 1 layer, {heads} head{'s' * (heads > 1)}, {act}, T {t}": (
        1.2, transformer_case, {"t": t, "d": 32, "heads": heads, "inner": 128, "act": act})
       for heads, act in ((1, "relu"), (4, "gelu")) for t in (32, 64)},
    **{f"MDCSA d 32, T {t}": (1.2, mdcsa_case, {"t": t, "d": 32}) for t in (32, 64)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--cpu", action="store_true", help="the process's time on the processor, not the wall clock's")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, results = [["what", "implementation", "ms", "tinyloc is faster by", "target"]], []
    for name, (target, make, options) in CASES.items():
        if args.only not in name:
            continue
        steps, judge = make(batch=args.batch, **options)
        worst = check(name, steps, judge)
        ms = medians(steps, args.rounds, time.process_time if args.cpu else time.perf_counter)
        fastest = min((v, k) for k, v in ms.items() if k.startswith("torch"))
        for k, v in ms.items():
            best = k == fastest[1]
            rows.append([name if k == "tinyloc" else "", k, f"{v:.2f}", "" if k == "tinyloc" else f"{v / ms['tinyloc']:.2f}",
                         f">= {target}: {'yes' if v / ms['tinyloc'] >= target else 'NO'}" if best and target else ""])
        results.append({"what": name, "ms": ms, "fastest": fastest[1], "ratio": fastest[0] / ms["tinyloc"], "target": target,
                        "difference": worst})
    print(json.dumps(results, indent=1) if args.json else table(rows))


if __name__ == "__main__":
    main()
