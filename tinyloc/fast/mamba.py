"""The Mamba block of `reference.mamba`, in three matrix products and three fused kernels each way.

Forward, the scan keeps its state every CHUNK steps only; backward, it runs through one chunk again at a time, so that
states and decays stay in the processor's cache: reading all of them back from memory would take longer than making them.
"""

from __future__ import annotations

import math

import numpy as np

from tinyloc.fast.jit import exp2, kernel, part, sigmoid, softplus
from tinyloc.fast.norm import rms_norm, rms_norm_backward
from tinyloc.fast.scan import advance, advance_powers, repeat, repeat_powers, retreat
from tinyloc.reference.linear import Cache
from tinyloc.reference.mamba import Params, State
from tinyloc.reference.scan import decay_rates

CHUNK = 16
LOG2E = np.float32(math.log2(math.e))


@part
def _tap(out, row, w):
    for j in range(len(out)):
        out[j] += w[j] * row[j]


@part
def _conv(out, past, uz, t, weight, bias):
    """out (e,): the convolution's output at step t; past (k - 1, e) the rows before uz (t, 2e), weight (k, e)."""
    k, e = weight.shape
    for j in range(e):
        out[j] = bias[j]
    for i in range(max(0, k - 1 - t)):
        _tap(out, past[t + i], weight[i])
    for i in range(max(0, k - 1 - t), k):
        _tap(out, uz[t - k + 1 + i], weight[i])


@part
def _silu(out, x):
    for j in range(len(x)):
        out[j] = x[j] * sigmoid(x[j])


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[::1])")
def _conv_silu(s, past, uz, weight, bias):
    """s (b, t, e) = silu(conv(u)), u the first half of uz (b, t, 2e), behind past (b, k - 1, e)."""
    batch, steps, e = s.shape
    v = np.empty(e, np.float32)
    for i in range(batch):
        for t in range(steps):
            _conv(v, past[i], uz[i], t, weight, bias)
            _silu(s[i, t], v)


@part
def _raw(raw, low, weight, bias):
    """raw = weight^T low + bias; weight (r, e)."""
    r, e = weight.shape
    for j in range(e):
        raw[j] = bias[j]
    for i in range(r):
        x, w = low[i], weight[i]
        for j in range(e):
            raw[j] += x * w[j]


@part
def _time_step(dt, raw, low, weight, bias):
    """dt = softplus(raw)."""
    _raw(raw, low, weight, bias)
    for j in range(len(dt)):
        dt[j] = softplus(raw[j])


@part
def _before_scan(u, p, y, dt, s, rate):
    for j in range(len(u)):
        u[j] = dt[j] * s[j]
        p[j] = exp2(dt[j] * rate[j])
        y[j] = np.float32(0)


@part
def _gate(gated, y, z):
    for j in range(len(y)):
        gated[j] = y[j] * (z[j] * sigmoid(z[j]))


@part
def _skip(y, s, d_skip):
    for j in range(len(y)):
        y[j] += d_skip[j] * s[j]


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])")
def _gate_alone(gated, s, uz):
    """gated (b, t, e) = s silu(z), of a block without a scan."""
    batch, steps, e = s.shape
    for i in range(batch):
        for t in range(steps):
            _gate(gated[i, t], s[i, t], uz[i, t, e:])


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], "
        "f4[:,::1], f4[::1], f4[:,::1], f4[::1], b1)")
def _scan(gated, y, dt, kept, state, s, uz, low, dt_weight, dt_bias, rates, d_skip, powers):
    """y (b, t, e) of the scan, gated = y silu(z); dt, and the states before each chunk (kept), for the way back.  state
    (b, n, e) goes on."""
    batch, steps, e = s.shape
    r, n = len(dt_weight), len(rates)
    u, p, q = np.empty(e, np.float32), np.empty(e, np.float32), np.empty(e, np.float32)
    for i in range(batch):
        h = state[i]
        for t in range(steps):
            if t % CHUNK == 0:
                kept[i, t // CHUNK] = h
            _time_step(dt[i, t], q, low[i, t], dt_weight, dt_bias)
            _before_scan(u, p, y[i, t], dt[i, t], s[i, t], rates[0])
            if powers:
                advance_powers(h, p, q, u, low[i, t, r : r + n], low[i, t, r + n :], y[i, t])
            else:
                advance(h, rates, dt[i, t], u, low[i, t, r : r + n], low[i, t, r + n :], y[i, t])
            _skip(y[i, t], s[i, t], d_skip)
            _gate(gated[i, t], y[i, t], uz[i, t, e:])


@part
def _gate_backward(dy, dz, dgated, y, z):
    for j in range(len(dy)):
        sig = sigmoid(z[j])
        gate = z[j] * sig
        dy[j] = dgated[j] * gate
        dz[j] = dgated[j] * y[j] * (sig + gate * (np.float32(1) - sig))


@part
def _skip_backward(dskip, dy, s):
    for j in range(len(dy)):
        dskip[j] += dy[j] * s[j]


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])")
def _gate_alone_backward(ds, duz, dgated, s, uz):
    """The way back through `_gate_alone`: sets ds, and dz, the second half of duz."""
    batch, steps, e = s.shape
    for i in range(batch):
        for t in range(steps):
            _gate_backward(ds[i, t], duz[i, t, e:], dgated[i, t], s[i, t], uz[i, t, e:])


@part
def _time_step_backward(ds, dr, dbias, dweight, draw, gb, through, dy, dt, s, low, weight, bias, d_skip):
    """ds of the scan's input and skip, and on through softplus to r, weight and bias."""
    r, e = weight.shape
    for j in range(e):
        ds[j] = dy[j] * d_skip[j] + gb[j] * dt[j]
    _raw(draw, low, weight, bias)
    for j in range(e):
        draw[j] = (gb[j] * s[j] + through[j]) * sigmoid(draw[j])
        dbias[j] += draw[j]
    for i in range(r):
        x, w, dw, total = low[i], weight[i], dweight[i], np.float32(0)
        for j in range(e):
            total += draw[j] * w[j]
            dw[j] += draw[j] * x
        dr[i] = total


@part
def _add(total, part):
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += part[i, j]
            part[i, j] = np.float32(0)


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], "
        "f4[:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[::1], f4[:,::1], f4[:,::1], "
        "f4[::1], b1)")
def _scan_backward(ds, duz, dlow, da, dt_grads, dskip, dgated, y, dt, kept, s, uz, low, dt_weight, dt_bias, rates, a,
                   d_skip, powers):
    """The way back through `_scan`.  Sets ds, dz (second half of duz), dlow; adds to da (n, e), dskip (1, e) and dt_grads
    (r + 1, e: the time step's weight, then its bias)."""
    batch, steps, e = s.shape
    r, n = len(dt_weight), len(rates)
    zeros = np.zeros((n, e), np.float32)
    g, own_da = zeros.copy(), zeros.copy()
    own_dt, own_skip = np.zeros((r + 1, e), np.float32), np.zeros((1, e), np.float32)
    h, decay = np.empty((CHUNK + 1, n, e), np.float32), np.empty((CHUNK, n, e), np.float32)
    u, p, q = np.empty((CHUNK, e), np.float32), np.empty(e, np.float32), np.empty(e, np.float32)
    dy, gb, through = np.empty(e, np.float32), np.empty(e, np.float32), np.empty(e, np.float32)
    for i in range(batch):
        g[:] = 0
        for first in range((steps - 1) // CHUNK * CHUNK, -1, -CHUNK):
            h[0] = kept[i, first // CHUNK]
            for k in range(min(CHUNK, steps - first)):
                t = first + k
                _before_scan(u[k], p, q, dt[i, t], s[i, t], rates[0])
                if powers:
                    repeat_powers(h[k + 1], decay[k], h[k], p, q, u[k], low[i, t, r : r + n])
                else:
                    repeat(h[k + 1], decay[k], h[k], rates, dt[i, t], u[k], low[i, t, r : r + n])
            for k in range(min(CHUNK, steps - first) - 1, -1, -1):
                t = first + k
                _gate_backward(dy, duz[i, t, e:], dgated[i, t], y[i, t], uz[i, t, e:])
                _skip_backward(own_skip[0], dy, s[i, t])
                retreat(g, own_da, gb, through, dlow[i, t, r : r + n], dlow[i, t, r + n :], decay[k], h[k], h[k + 1], a,
                        dt[i, t], u[k], dy, low[i, t, r : r + n], low[i, t, r + n :])
                _time_step_backward(ds[i, t], dlow[i, t, :r], own_dt[r], own_dt[:r], p, gb, through, dy, dt[i, t], s[i, t],
                                    low[i, t, :r], dt_weight, dt_bias, d_skip)
        # A window's own sums first: adding small terms to a batch's sum would round more.
        _add(da, own_da)
        _add(dt_grads, own_dt)
        _add(dskip, own_skip)


@part
def _silu_backward(dv, total, v, ds, ds2):
    for j in range(len(dv)):
        sig = sigmoid(v[j])
        dv[j] = (ds[j] + ds2[j]) * (sig + v[j] * sig * (np.float32(1) - sig))
        total[j] += dv[j]


@part
def _tap_backward(du, dw, dv, u, w):
    for j in range(len(du)):
        dw[j] += dv[j] * u[j]
        du[j] += dv[j] * w[j]


@part
def _zero(x):
    for j in range(len(x)):
        x[j] = np.float32(0)


@kernel("void(f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[::1])")
def _conv_silu_backward(duz, grads, ds, ds2, past, uz, weight, bias):
    """Sets du (the first half of duz) for the gradient ds + ds2; adds to grads (k + 1, e): the taps, then the bias."""
    batch, steps, e = ds.shape
    k = len(weight)
    v, dv, own = np.empty(e, np.float32), np.empty(e, np.float32), np.zeros((k + 1, e), np.float32)
    for i in range(batch):
        for t in range(steps):
            _conv(v, past[i], uz[i], t, weight, bias)
            _silu_backward(dv, own[k], v, ds[i, t], ds2[i, t])
            _zero(duz[i, t, :e])
            for j in range(max(0, k - 1 - t)):
                _tap(own[j], dv, past[i, t + j])
            for j in range(max(0, k - 1 - t), k):
                _tap_backward(duz[i, t - k + 1 + j, :e], own[j], dv, uz[i, t - k + 1 + j, :e], weight[j])
        _add(grads, own)


def mamba_block(x: np.ndarray, params: Params, state: State | None = None) -> tuple[tuple[np.ndarray, State], Cache]:
    """As `reference.mamba_block`."""
    b, t, d = x.shape
    x, p = np.ascontiguousarray(x), {k: np.ascontiguousarray(v) for k, v in params.items()}
    rows, e = x.reshape(-1, d), len(p["conv.weight"])
    unit, inv, s, gated = _new(b * t, d), _new(b * t), _new(b, t, e), _new(b, t, e)
    rms_norm(unit, inv, rows, p["norm.weight"], 1e-5)
    uz = (unit @ p["in_proj.weight"].T).reshape(b, t, 2 * e)
    conv = np.ascontiguousarray(p["conv.weight"].T)
    past, h = state or (np.zeros((b, len(conv) - 1, e), np.float32), None)
    past = np.ascontiguousarray(past, np.float32)
    _conv_silu(s, past, uz, conv, p["conv.bias"])
    c_scan = None
    if "x_proj.weight" in p:
        h, c_scan = _selective(gated, s, uz, p, h)
    else:
        _gate_alone(gated, s, uz)
        h = _new(b, e, 0)
    out = gated.reshape(-1, e) @ p["out_proj.weight"].T
    out += rows
    past_after = np.concatenate([past[:, t:], uz[:, max(0, t - len(conv) + 1) :, :e]], 1)
    return (out.reshape(b, t, d), (past_after, h)), (x, unit, inv, past, uz, conv, s, gated, c_scan, p)


def _new(*shape: int) -> np.ndarray:
    return np.empty(shape, np.float32)


def _selective(gated: np.ndarray, s: np.ndarray, uz: np.ndarray, p: Params, h: np.ndarray | None
               ) -> tuple[np.ndarray, Cache]:
    """Sets gated (b, t, e), the scan of s times silu(z); (state, what the way back needs)."""
    b, t, e = s.shape
    r = p["dt_proj.weight"].shape[1]
    n = (len(p["x_proj.weight"]) - r) // 2
    powers = p["a_log"].shape[1] != n
    low = (s.reshape(-1, e) @ p["x_proj.weight"].T).reshape(b, t, r + 2 * n)
    a = np.ascontiguousarray(decay_rates(p["a_log"], n).T)
    dt_weight = np.ascontiguousarray(p["dt_proj.weight"].T)
    y, dt, kept = _new(b, t, e), _new(b, t, e), _new(b, -(-t // CHUNK), n, e)
    state = np.zeros((b, n, e), np.float32) if h is None else np.array(h.transpose(0, 2, 1), np.float32, order="C")
    _scan(gated, y, dt, kept, state, s, uz, low, dt_weight, p["dt_proj.bias"], a * LOG2E, p["d_skip"], powers)
    return state.transpose(0, 2, 1), (low, a, dt_weight, y, dt, kept, powers)


def mamba_block_backward(dout: np.ndarray, cache: Cache) -> tuple[np.ndarray, Params]:
    """(dx, gradients by parameter name)."""
    x, unit, inv, past, uz, conv, s, gated, c_scan, p = cache
    b, t, e = s.shape
    d, k = x.shape[-1], len(conv)
    g: Params = {}
    rows = np.ascontiguousarray(dout, np.float32).reshape(-1, d)
    g["out_proj.weight"] = rows.T @ gated.reshape(-1, e)
    dgated = (rows @ p["out_proj.weight"]).reshape(b, t, e)
    ds, duz = np.empty_like(s), np.empty_like(uz)
    if c_scan is None:
        _gate_alone_backward(ds, duz, dgated, s, uz)
        ds2 = np.zeros_like(s)
    else:
        ds2, of_scan = _selective_backward(ds, duz, dgated, s, uz, c_scan, p)
        g |= of_scan
    conv_grads = np.zeros((k + 1, e), np.float32)
    _conv_silu_backward(duz, conv_grads, ds, ds2, past, uz, conv, p["conv.bias"])
    g["conv.weight"], g["conv.bias"] = conv_grads[:k].T, conv_grads[k]
    flat = duz.reshape(-1, 2 * e)
    g["in_proj.weight"] = flat.T @ unit
    dx, g["norm.weight"] = np.empty((b * t, d), np.float32), np.empty(d, np.float32)
    rms_norm_backward(dx, g["norm.weight"], flat @ p["in_proj.weight"], x.reshape(-1, d), rows, inv, p["norm.weight"])
    return dx.reshape(b, t, d), g


def _selective_backward(ds: np.ndarray, duz: np.ndarray, dgated: np.ndarray, s: np.ndarray, uz: np.ndarray, cache: Cache,
                        p: Params) -> tuple[np.ndarray, Params]:
    """Sets ds, but for (b, t, e) that is given back, and dz, the second half of duz; gradients by parameter name.  dgated is
    overwritten."""
    low, a, dt_weight, y, dt, kept, powers = cache
    e, r = s.shape[2], len(dt_weight)
    g: Params = {}
    dlow = np.empty_like(low)
    da, dt_grads, dskip = np.zeros_like(a), np.zeros((r + 1, e), np.float32), np.zeros((1, e), np.float32)
    _scan_backward(ds, duz, dlow, da, dt_grads, dskip, dgated, y, dt, kept, s, uz, low, dt_weight, p["dt_proj.bias"],
                   a * LOG2E, a, p["d_skip"], powers)
    of_a = (da * a).T
    g["a_log"] = of_a.sum(1, keepdims=True) if powers else of_a
    g["d_skip"], g["dt_proj.weight"], g["dt_proj.bias"] = dskip[0], dt_grads[:r].T, dt_grads[r]
    flat = dlow.reshape(-1, dlow.shape[2])
    g["x_proj.weight"] = flat.T @ s.reshape(-1, e)
    return np.matmul(flat, p["x_proj.weight"], out=dgated.reshape(-1, e)).reshape(s.shape), g
