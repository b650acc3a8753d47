"""A Mamba block (Gu and Dao, arXiv 2312.00752, figure 3) with a pre-norm and a residual.

Without states, n = 0, there is no scan: what is left is a gated convolution (Yu and Wang, arXiv 2405.07992, "MambaOut"), for
rows that stand alone a gated linear unit (Shazeer, arXiv 2002.05202).
"""

from __future__ import annotations

import math

import numpy as np

from tinyloc.reference.activation import silu, silu_backward, softplus, softplus_backward
from tinyloc.reference.conv import depthwise_conv1d, depthwise_conv1d_backward
from tinyloc.reference.linear import Cache, Linear, linear, linear_backward
from tinyloc.reference.norm import rms_norm, rms_norm_backward
from tinyloc.reference.scan import decay_rates, selective_scan, selective_scan_backward

Params = dict[str, np.ndarray]
State = tuple[np.ndarray, np.ndarray]


def mamba_params(rng: np.random.Generator, d: int, n: int = 16, k: int = 4, expand: int = 2,
                 tied: bool = False, inner: int | None = None, rank: int | None = None) -> Params:
    """Mamba's own initialization: softplus(dt bias) log-uniform in [1e-3, 1e-1], A = -1..-n, D = 1.  float32.

    n: states a channel; 0: without x_proj, dt_proj, a_log and d_skip.
    tied: one decay rate a channel, A[j] = -exp(a_log[j]) (1, ..., n).
    inner, rank: inner width and width of the time step's bottleneck; None: expand d, and d / 16 rounded up.
    """
    e, r = inner or expand * d, rank or math.ceil(d / 16)

    def uniform(rows: int, columns: int, fan_in: int) -> np.ndarray:
        return rng.uniform(-1, 1, (rows, columns)) / math.sqrt(fan_in)

    dt = np.exp(rng.uniform(math.log(1e-3), math.log(1e-1), e))
    params = {
        "norm.weight": np.ones(d),
        "in_proj.weight": uniform(2 * e, d, d),
        "conv.weight": uniform(e, k, k),
        "conv.bias": uniform(1, e, k)[0],
    }
    if n:
        params |= {
            "x_proj.weight": uniform(r + 2 * n, e, e),
            "dt_proj.weight": uniform(e, r, r),
            "dt_proj.bias": dt + np.log(-np.expm1(-dt)),  # the inverse of softplus
            "a_log": np.tile(np.log(np.arange(1, (1 if tied else n) + 1)), (e, 1)),
            "d_skip": np.ones(e),
        }
    params["out_proj.weight"] = uniform(d, e, e)
    return {name: p.astype(np.float32) for name, p in params.items()}


def mamba_block(x: np.ndarray, params: Params, state: State | None = None, linear: Linear = linear
                ) -> tuple[tuple[np.ndarray, State], Cache]:
    """((y (b, t, d), state), cache): y = x + out_proj(scan(silu(conv(u))) * silu(z)), (u, z) = in_proj(norm(x)).

    state: (conv state (b, k-1, e), scan state (b, e, n)) after the last sample, given back for the next call.
    Of parameters without x_proj the scan is left out.
    linear: what takes its place (another one's cache has no backward).
    """
    p = params
    conv_state, h = state or (None, None)
    unit, c_norm = rms_norm(x, p["norm.weight"])
    uz, c_in = linear(unit, p["in_proj.weight"])
    u, z = np.split(uz, 2, -1)
    (v, conv_state), c_conv = depthwise_conv1d(u, p["conv.weight"], p["conv.bias"], conv_state)
    s, c_silu = silu(v)
    y, h, c_selective = _selective(s, p, h, linear) if "x_proj.weight" in p else (s, s[:, 0, :, None][..., :0], None)
    gate, c_gate = silu(z)
    out, c_out = linear(y * gate, p["out_proj.weight"])
    return (x + out, (conv_state, h)), (c_norm, c_in, c_conv, c_silu, c_selective, c_gate, c_out, y, gate)


def _selective(s: np.ndarray, p: Params, h: np.ndarray | None, linear: Linear) -> tuple[np.ndarray, np.ndarray, Cache]:
    """(y (b, t, e), state, cache) of the scan whose time steps, B and C are made of its input s (b, t, e)."""
    r = p["dt_proj.weight"].shape[1]
    n = (len(p["x_proj.weight"]) - r) // 2
    dbc, c_x = linear(s, p["x_proj.weight"])
    raw, c_dt = linear(dbc[..., :r], p["dt_proj.weight"], p["dt_proj.bias"])
    dt, c_soft = softplus(raw)
    a = decay_rates(p["a_log"], n)
    (y, h), c_scan = selective_scan(s, dt, a, dbc[..., r : r + n], dbc[..., r + n :], p["d_skip"], h)
    return y, h, (c_x, c_dt, c_soft, c_scan, a, p["a_log"].shape[1])


def mamba_block_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, Params]:
    """(dx, gradients by parameter name)."""
    c_norm, c_in, c_conv, c_silu, c_selective, c_gate, c_out, y, gate = cache
    g: Params = {}
    dgated, g["out_proj.weight"], _ = linear_backward(dy, c_out)  # type: ignore[assignment]
    (dz,) = silu_backward(dgated * y, c_gate)
    ds = dgated * gate
    if c_selective is not None:
        ds, of_scan = _selective_backward(ds, c_selective)
        g |= of_scan
    (dv,) = silu_backward(ds, c_silu)
    du, g["conv.weight"], g["conv.bias"] = depthwise_conv1d_backward(dv, c_conv)
    dunit, g["in_proj.weight"], _ = linear_backward(np.concatenate([du, dz], -1), c_in)  # type: ignore
    dx, g["norm.weight"] = rms_norm_backward(dunit, c_norm)  # type: ignore[arg-type]
    return dy + dx, g


def _selective_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, Params]:
    c_x, c_dt, c_soft, c_scan, a, tied = cache
    g: Params = {}
    ds, ddt, da, db, dc, g["d_skip"], _ = selective_scan_backward(dy, c_scan)
    g["a_log"] = da * a if tied != 1 else (da * a).sum(1, keepdims=True)
    (draw,) = softplus_backward(ddt, c_soft)
    dr, g["dt_proj.weight"], g["dt_proj.bias"] = linear_backward(draw, c_dt)  # type: ignore[assignment]
    dx_proj, g["x_proj.weight"], _ = linear_backward(np.concatenate([dr, db, dc], -1), c_x)  # type: ignore
    return ds + dx_proj, g
