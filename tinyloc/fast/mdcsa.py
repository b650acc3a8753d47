"""MDCSA of `reference.mdcsa` in three kernels each way: convolutions and attention of a head, its gated network, and what
follows the heads.  A window's arrays, or those of BLOCK rows, stay in the processor's cache from one layer to the next.

A causal convolution of width k is one product: row i of its left factor is the k d values from row i of the padded input
on, so that rows overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinyloc.fast.attend import attend, attend_backward, padded
from tinyloc.fast.jit import expm1, kernel, part, sigmoid, tanh
from tinyloc.fast.layer_norm import normalize, normalize_backward
from tinyloc.fast.linear import BLOCK, add_bias, sum_rows
from tinyloc.fast.matmul import matmul
from tinyloc.reference.linear import Cache
from tinyloc.reference.mdcsa import POSITIONS, Params, keep_mask, out_conv_geometry, positional_encoding

EPS = np.float32(1e-5)
GRN = ("fc1", "fc2", "glu")


@part
def _taps(x, steps, width, stride):
    """(steps, width) of x (rows, d): from row i stride on, `width` values."""
    return as_strided(x, (steps, width), (stride * x.shape[1] * 4, 4))


@part
def _place(z, x, position, root):
    """z (t + front, d) = zeros, then root x + position."""
    t, d = x.shape
    front = z.shape[0] - t
    for i in range(front):
        for j in range(d):
            z[i, j] = np.float32(0)
    for i in range(t):
        for j in range(d):
            z[front + i, j] = x[i, j] * root + position[i, j]


@part
def _tanh(x, bias):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = tanh(x[i, j] + bias[j])


@part
def _tanh_backward(dx, total, y):
    for i in range(dx.shape[0]):
        for j in range(dx.shape[1]):
            dx[i, j] *= np.float32(1) - y[i, j] * y[i, j]
            total[j] += dx[i, j]


@part
def _add(x, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += y[i, j]


@part
def _fill(x, value):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = value


@part
def _copy(x, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = y[i, j]


@part
def _scale_add(x, y, gain):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += y[i, j] * gain


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4, "
        "f4[:,::1], f4[::1], f4[::1], f4[::1])")
def _mix(r, unit, inv, z, kq, p, x, position, root, weight, bias, gain, offset):
    """r (b, t, d) = layer norm of z + attention(q, k, z), q and k = tanh of convolutions of z; z = root x + position.

    weight (k d, 2d), bias (2d,): the key's, then the query's.  Kept: unit, inv of the norm, z (b, k-1 + t, d), kq (b, t, 2d)
    after tanh, p (b, t, padded t).
    """
    batch, t, d = x.shape
    front, tp = z.shape[1] - t, p.shape[2]
    across, row, s = np.empty((d, tp), np.float32), np.empty((2, tp), np.float32), np.empty((t, d), np.float32)
    for b in range(batch):
        _place(z[b], x[b], position, root)
        matmul(kq[b], _taps(z[b], t, len(weight), 1), weight, False)
        _tanh(kq[b], bias)
        attend(s, p[b], kq[b, :, d:], kq[b, :, :d], z[b, front:], False, across, row)
        _add(s, z[b, front:])
        normalize(r[b], unit[b], inv[b], s, gain, offset, EPS)


@kernel("void(f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], "
        "f4[:,:,::1], f4, f4[:,:,::1], f4[::1])")
def _mix_backward(dx, dweight, dbias, dnorm, dr, unit, inv, z, kq, p, root, back, gain):
    """Adds to dx; dweight (k d, 2d), dbias (1, 2d), dnorm (2, d: gain, offset).  back (k, 2d, d): each tap's weights."""
    batch, t, d = dx.shape
    front, tp = z.shape[1] - t, p.shape[2]
    across, row, dp = np.empty((d, tp), np.float32), np.empty((2, tp), np.float32), np.empty((t, tp), np.float32)
    ds, dkq, dz = np.empty((t, d), np.float32), np.empty((t, 2 * d), np.float32), np.empty((front + t, d), np.float32)
    for b in range(batch):
        normalize_backward(ds, dnorm[0], dnorm[1], dr[b], unit[b], inv[b], gain)
        _fill(dkq, np.float32(0))
        _fill(dz[:front], np.float32(0))
        _copy(dz[front:], ds)
        attend_backward(dkq[:, d:], dkq[:, :d], dz[front:], ds, p[b], kq[b, :, d:], kq[b, :, :d], z[b, front:], across, dp,
                        row)
        _tanh_backward(dkq, dbias[0], kq[b])
        matmul(dweight, _taps(z[b], t, len(dweight), 1).T, dkq, True)
        for i in range(len(back)):
            matmul(dz[i : i + t], dkq, back[i], True)
        _scale_add(dx[b], dz[front:], root)


@part
def _elu(x, bias):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            v = x[i, j] + bias[j]
            x[i, j] = v if v > np.float32(0) else expm1(min(v, np.float32(0)))


@part
def _elu_backward(dx, total, y):
    """From the output alone: it has its input's sign."""
    for i in range(dx.shape[0]):
        for j in range(dx.shape[1]):
            dx[i, j] *= np.float32(1) if y[i, j] > np.float32(0) else y[i, j] + np.float32(1)
            total[j] += dx[i, j]


@part
def _drop(x, bias, keep, gain):
    """x = (x + bias) gain where kept, else 0."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = (x[i, j] + bias[j]) * gain if keep[i, j] else np.float32(0)


@part
def _drop_backward(dx, total, keep, gain):
    for i in range(dx.shape[0]):
        for j in range(dx.shape[1]):
            dx[i, j] = dx[i, j] * gain if keep[i, j] else np.float32(0)
            total[j] += dx[i, j]


@part
def _gate(s, glu, bias, r):
    """glu (rows, 2d) = value, sigmoid(gate); s = value sigmoid(gate) + r."""
    rows, d = s.shape
    for i in range(rows):
        for j in range(d):
            value, gate = glu[i, j] + bias[j], sigmoid(glu[i, d + j] + bias[d + j])
            glu[i, j] = value
            glu[i, d + j] = gate
            s[i, j] = value * gate + r[i, j]


@part
def _gate_backward(dglu, total, ds, glu):
    rows, d = ds.shape
    for i in range(rows):
        for j in range(d):
            value, gate = glu[i, j], glu[i, d + j]
            of_value = ds[i, j] * gate
            of_gate = of_value * value * (np.float32(1) - gate)
            dglu[i, j] = of_value
            dglu[i, d + j] = of_gate
            total[j] += of_value
            total[d + j] += of_gate


@kernel("void(f4[:,:,::1], i8, f4[:,::1], f4[::1], f4[:,::1], f4[:,::1], f4[:,::1], b1[:,::1], f4, f4[:,::1], f4[:,::1], "
        "f4[::1], f4[:,::1], f4[::1], f4[:,::1], f4[::1], f4[::1], f4[::1])")
def _grn(m, head, unit, inv, h1, h2, glu, keep, scale, r, w1, b1, w2, b2, w3, b3, gain, offset):
    """m[:, head] (rows, d) = layer norm of r + GLU(dropout(ELU(r w1 + b1) w2 + b2) w3 + b3); m (rows, heads, d).

    Kept: unit, inv, h1 (rows, fc1), h2 (rows, fc2), glu (rows, 2d).  keep (rows, fc2) or (0, 0): nothing is dropped.
    """
    rows, d = r.shape
    s, y = np.empty((BLOCK, d), np.float32), np.empty((BLOCK, d), np.float32)
    for i in range(0, rows, BLOCK):
        n = min(BLOCK, rows - i)
        span = slice(i, i + n)
        matmul(h1[span], r[span], w1, False)
        _elu(h1[span], b1)
        matmul(h2[span], h1[span], w2, False)
        if len(keep):
            _drop(h2[span], b2, keep[span], scale)
        else:
            add_bias(h2[span], b2)
        matmul(glu[span], h2[span], w3, False)
        _gate(s[:n], glu[span], b3, r[span])
        normalize(y[:n], unit[span], inv[span], s[:n], gain, offset, EPS)
        _copy(m[i : i + n, head], y)


@kernel("void(f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4[:,::1], f4[:,:,::1], i8, f4[:,::1], "
        "f4[::1], f4[:,::1], f4[:,::1], f4[:,::1], b1[:,::1], f4, f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[::1])")
def _grn_backward(dr, dw1, dw2, dw3, db1, db2, db3, dnorm, dm, head, unit, inv, h1, h2, glu, keep, scale, r, w1, w2, w3,
                  gain):
    """Sets dr, adds to the other gradients, whose weights have the layout of the model (out, in), as w1 to w3 do here."""
    rows, d = r.shape
    dy, dglu = np.empty((BLOCK, d), np.float32), np.empty((BLOCK, 2 * d), np.float32)
    dh1, dh2 = np.empty((BLOCK, h1.shape[1]), np.float32), np.empty((BLOCK, h2.shape[1]), np.float32)
    for i in range(0, rows, BLOCK):
        n = min(BLOCK, rows - i)
        span = slice(i, i + n)
        _copy(dy[:n], dm[i : i + n, head])
        normalize_backward(dr[span], dnorm[0], dnorm[1], dy[:n], unit[span], inv[span], gain)
        _gate_backward(dglu[:n], db3, dr[span], glu[span])
        matmul(dw3, dglu[:n].T, h2[span], True)
        matmul(dh2[:n], dglu[:n], w3, False)
        if len(keep):
            _drop_backward(dh2[:n], db2, keep[span], scale)
        else:
            sum_rows(db2, dh2[:n])
        matmul(dw2, dh2[:n].T, h1[span], True)
        matmul(dh1[:n], dh2[:n], w2, False)
        _elu_backward(dh1[:n], db1, h1[span])
        matmul(dw1, dh1[:n].T, r[span], True)
        matmul(dr[span], dh1[:n], w1, True)


@kernel("void(f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], i8, f4[:,::1], f4[::1], f4[::1], "
        "f4[::1])")
def _close(y, unit, inv, a, p, m, stride, weight, bias, gain, offset):
    """y (b, t, d) = layer norm of conv(attention(m, m, m)); m (b, s, d), weight (3d, d).

    Kept: unit, inv, p, and a (b, s + 2 pad, d), what attention gave with zeros on both sides.
    """
    batch, t, d = y.shape
    s, tp = m.shape[1], p.shape[2]
    pad = (a.shape[1] - s) // 2
    across, row, o = np.empty((d, tp), np.float32), np.empty((2, tp), np.float32), np.empty((t, d), np.float32)
    for b in range(batch):
        _fill(a[b, :pad], np.float32(0))
        _fill(a[b, pad + s :], np.float32(0))
        attend(a[b, pad : pad + s], p[b], m[b], m[b], m[b], False, across, row)
        matmul(o, _taps(a[b], t, 3 * d, stride), weight, False)
        add_bias(o, bias)
        normalize(y[b], unit[b], inv[b], o, gain, offset, EPS)


@kernel("void(f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], "
        "f4[:,:,::1], i8, f4[:,:,::1], f4[::1])")
def _close_backward(dm, dweight, dbias, dnorm, dy, unit, inv, a, p, m, stride, back, gain):
    """Sets dm; adds to dweight (3d, d), dbias (1, d), dnorm (2, d).  back (3, d, d): a tap's transposed weights."""
    batch, t, d = dy.shape
    s, tp = m.shape[1], p.shape[2]
    pad = (a.shape[1] - s) // 2
    across, row, dp = np.empty((d, tp), np.float32), np.empty((2, tp), np.float32), np.empty((s, tp), np.float32)
    do, da = np.empty((t, d), np.float32), np.empty((s + 2 * pad, d), np.float32)
    for b in range(batch):
        normalize_backward(do, dnorm[0], dnorm[1], dy[b], unit[b], inv[b], gain)
        sum_rows(dbias[0], do)
        matmul(dweight, _taps(a[b], t, 3 * d, stride).T, do, True)
        _fill(da, np.float32(0))
        for i in range(3):
            matmul(da[i : i + (t - 1) * stride + 1 : stride], do, back[i], True)
        _fill(dm[b], np.float32(0))
        attend_backward(dm[b], dm[b], dm[b], da[pad : pad + s], p[b], m[b], m[b], m[b], across, dp, row)


def _head(x: np.ndarray, place: np.ndarray, p: Params, m: np.ndarray, index: int, k: int,
          rng: np.random.Generator | None, dropout: float) -> Cache:
    """Sets m[:, index]; m (b t, heads, d), place (t, d) the encoding of positions."""
    b, t, d = x.shape
    new = lambda *shape: np.empty(shape, np.float32)  # noqa: E731
    weight = np.concatenate([p["k.weight"], p["q.weight"]])  # (2d, k, d)
    front, back = np.ascontiguousarray(weight.reshape(2 * d, k * d).T), np.ascontiguousarray(weight.transpose(1, 0, 2))
    r, unit1, inv1, z = new(b, t, d), new(b, t, d), new(b, t), new(b, k - 1 + t, d)
    kq, scores = new(b, t, 2 * d), new(b, t, padded(t))
    _mix(r, unit1, inv1, z, kq, scores, x, place, math.sqrt(d), front,
         np.concatenate([p["k.bias"], p["q.bias"]]), p["norm1.weight"], p["norm1.bias"])
    fc1, fc2 = len(p["grn.fc1.bias"]), len(p["grn.fc2.bias"])
    keep = keep_mask(rng, (b, t, fc2), dropout)
    keep = np.empty((0, 0), bool) if keep is None else keep.reshape(b * t, fc2)
    unit3, inv3, h1, h2, glu = new(b * t, d), new(b * t), new(b * t, fc1), new(b * t, fc2), new(b * t, 2 * d)
    w = [p[f"grn.{name}.weight"] for name in GRN]
    forward = [a for i, name in enumerate(GRN) for a in (np.ascontiguousarray(w[i].T), p[f"grn.{name}.bias"])]
    scale = np.float32(1) / np.float32(1 - dropout)
    rows = r.reshape(b * t, d)
    _grn(m, index, unit3, inv3, h1, h2, glu, keep, scale, rows, *forward, p["norm3.weight"], p["norm3.bias"])
    return (unit1, inv1, z, kq, scores, back), (unit3, inv3, h1, h2, glu, keep, scale, rows, *w), p


def _head_backward(dx: np.ndarray, dm: np.ndarray, index: int, cache: Cache) -> Params:
    """Adds to dx; the gradients of a head's parameters."""
    (unit1, inv1, z, kq, scores, back), (*kept, w1, w2, w3), p = cache
    b, t, d = dx.shape
    k = len(back)
    zero = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    g: Params = {f"grn.{name}.{kind}": zero(*p[f"grn.{name}.{kind}"].shape)
                 for kind in ("weight", "bias") for name in GRN}
    dr, dnorm = np.empty((b * t, d), np.float32), zero(2, d)
    _grn_backward(dr, *g.values(), dnorm, dm, index, *kept, w1, w2, w3, p["norm3.weight"])
    g["norm3.weight"], g["norm3.bias"] = dnorm[0], dnorm[1]
    dweight, dbias, dnorm = zero(k * d, 2 * d), zero(1, 2 * d), zero(2, d)
    _mix_backward(dx, dweight, dbias, dnorm, dr.reshape(b, t, d), unit1, inv1, z, kq, scores, math.sqrt(d), back,
                  p["norm1.weight"])
    g["norm1.weight"], g["norm1.bias"] = dnorm[0], dnorm[1]
    g["k.weight"], g["q.weight"] = np.ascontiguousarray(dweight.T).reshape(2, d, k, d)
    g["k.bias"], g["q.bias"] = dbias.reshape(2, d)
    return g


def mdcsa(x: np.ndarray, params: Params, kernels: Sequence[int] = (1,), rng: np.random.Generator | None = None,
          dropout: float = 0.0, positions: str = POSITIONS[0]) -> tuple[np.ndarray, Cache]:
    """As `reference.mdcsa`, of the same random numbers."""
    b, t, d = x.shape
    place = positional_encoding(t, d, positions).astype(np.float32)
    x, heads = np.ascontiguousarray(x), len(kernels)
    stride, pad = out_conv_geometry(heads)
    m = np.empty((b * t, heads, d), np.float32)
    inner = []
    for i, k in enumerate(kernels):
        at = f"dcsa{i}."
        own = {name[len(at) :]: np.ascontiguousarray(v) for name, v in params.items() if name.startswith(at)}
        inner.append(_head(x, place, own, m, i, k, rng, dropout if rng is not None else 0.0))
    m = m.reshape(b, t * heads, d)
    weight, bias, gain, offset = (np.ascontiguousarray(params[n]) for n in (
        "out_conv.weight", "out_conv.bias", "norm.weight", "norm.bias"))
    front, back = np.ascontiguousarray(weight.reshape(d, 3 * d).T), np.ascontiguousarray(weight.transpose(1, 0, 2))
    new = lambda *shape: np.empty(shape, np.float32)  # noqa: E731
    y, unit, inv, a, scores = (new(b, t, d), new(b, t, d), new(b, t), new(b, t * heads + 2 * pad, d),
                               new(b, t * heads, padded(t * heads)))
    _close(y, unit, inv, a, scores, m, stride, front, bias, gain, offset)
    return y, (inner, (unit, inv, a, scores, m, stride, back, gain), params)


def mdcsa_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, Params]:
    """(dx, gradients by parameter name); those of dead weights are zero."""
    inner, (unit, inv, a, scores, m, stride, back, gain), params = cache
    b, t, d = dy.shape
    zero = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    dm, dx, dweight, dbias, dnorm = np.empty_like(m), zero(b, t, d), zero(3 * d, d), zero(1, d), zero(2, d)
    dy = np.ascontiguousarray(dy, np.float32)
    _close_backward(dm, dweight, dbias, dnorm, dy, unit, inv, a, scores, m, stride, back, gain)
    g: Params = {"out_conv.weight": dweight.T.reshape(d, 3, d), "out_conv.bias": dbias[0], "norm.weight": dnorm[0],
                 "norm.bias": dnorm[1]}
    for i, head in enumerate(inner):
        own = _head_backward(dx, dm.reshape(b * t, len(inner), d), i, head)
        g |= {f"dcsa{i}.{name}": v for name, v in own.items()}
    return dx, g | {name: zero(*v.shape) for name, v in params.items() if name not in g}
