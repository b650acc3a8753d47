"""Tensors as addresses, and the nodes that they become.

Most of what an exporter writes moves numbers and computes nothing: heads of attention are reshaped, transposed and gathered
into being.  So a tensor here is an array of addresses, in the tensor's own shape: which of our nodes' outputs each number
is, and at which row and channel.  What moves numbers moves addresses; what computes looks at where its operands lie.

A factor and a summand wait beside the addresses until something can take them in: an attention's scale becomes that of its
product, a bias that of the linear layer behind it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinyloc.kernels.op import Node
from tinyloc.model import fold

#: Nodes that are no layers: they are part of a pattern, or of the end, or there is an error.
PATTERNS = {"erf": "Erf outside of a GELU", "log_softmax": "LogSoftmax before the end"}
PADDING = -1  # the address of a zero
MOST_INTERLEAVED = 8


class Cannot(Exception):
    """Why an operator has no place among our layers."""


@dataclass(frozen=True)
class Source:
    """A node's output: rows and channels; its first address."""

    node: Node
    rows: int
    width: int
    base: int

    @property
    def addresses(self) -> np.ndarray:
        return self.base + np.arange(self.rows * self.width).reshape(self.rows, self.width)


@dataclass(frozen=True)
class Tensor:
    """gain * (what lies at the addresses) + shift."""

    at: np.ndarray
    gain: float = 1.0
    shift: float = 0.0

    @property
    def plain(self) -> bool:
        return self.gain == 1 and self.shift == 0


@dataclass
class Trace:
    """Nodes as they come into being."""

    sources: list[Source] = field(default_factory=list)
    made: dict[Any, Source] = field(default_factory=dict)

    # ---- nodes ----

    def add(self, kind: str, inputs: tuple[str, ...], rows: int, width: int, params: dict[str, np.ndarray] | None = None,
            **attrs: Any) -> Source:
        """A new node; one that is there already serves again."""
        params = {k: np.asarray(v, np.float32) for k, v in (params or {}).items()}
        key = (kind, inputs, rows, tuple((k, v.shape, v.tobytes()) for k, v in params.items()), tuple(attrs.items()))
        if key not in self.made:
            last = self.sources[-1] if self.sources else None
            base = last.base + last.rows * last.width if last else 0
            name = "x" if kind == "input" else f"{kind}{len(self.sources)}"
            self.made[key] = Source(Node(kind, name, inputs, params, attrs), rows, width, base)
            self.sources.append(self.made[key])
        return self.made[key]

    def locate(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(number of the source, row, channel) of each address."""
        bases = np.array([s.base for s in self.sources])
        source = np.searchsorted(bases, at, "right") - 1
        width = np.array([s.width for s in self.sources])[source]
        return source, (at - bases[source]) // width, (at - bases[source]) % width

    def widths(self, at: np.ndarray) -> np.ndarray:
        """Channels of the source of each address."""
        return np.array([s.width for s in self.sources])[self.locate(at)[0]]

    # ---- reading ----

    def rows(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(source, row, channel) of addresses (R, D) whose each row lies in one row of its sources; row is (R,)."""
        if (at == PADDING).any():
            raise Cannot("padding is read by something else than a convolution")
        source, row, channel = self.locate(at)
        if (row != row[:, :1]).any():
            raise Cannot("numbers of several steps are brought into one row")
        return source, row[:, 0], channel

    def matrix(self, *ats: np.ndarray) -> tuple[list[np.ndarray], Callable[[np.ndarray], np.ndarray]]:
        """(addresses (R, D) of each, all of one shape, and the way back, one for all): channels are the last axis, or the
        last but one where that has fewer kinds of rows."""
        ways: list[tuple[int, bool, list[np.ndarray]]] = []
        for swap in (False, True)[: 1 + (ats[0].ndim > 2)]:
            turned = [np.swapaxes(at, -1, -2) if swap else at for at in ats]
            flat = [at.reshape(-1, at.shape[-1]) for at in turned]
            try:
                read = [self.rows(at) for at in flat]
            except Cannot as e:
                problem = e
                continue
            kinds = len(np.unique(np.concatenate([p for source, _, channel in read for p in (source, channel)], 1), axis=0))
            ways.append((kinds, swap, flat))
        if not ways:
            raise problem
        _, swapped, flat = min(ways, key=lambda w: w[:2])

        def back(found: np.ndarray) -> np.ndarray:
            lead = np.swapaxes(ats[0], -1, -2).shape[:-1] if swapped else ats[0].shape[:-1]
            shaped = found.reshape(*lead, found.shape[-1])
            return np.swapaxes(shaped, -1, -2) if swapped else shaped

        return flat, back

    def columns(self, source: np.ndarray, channel: np.ndarray, gain: float, shift: float) -> Source:
        """gain * (those channels (D,) of those sources) + shift, for all rows that these have."""
        used = list(dict.fromkeys(source.tolist()))
        first = self.sources[used[0]]
        whole = len(used) == 1 and np.array_equal(channel, np.arange(first.width))
        if whole and gain == 1 and shift == 0:
            return first
        if whole and shift == 0 and first.node.kind == "matmul":  # its own scale takes the gain in
            n = first.node
            return self.add("matmul", n.inputs, first.rows, first.width, transpose_b=n.attrs["transpose_b"],
                            scale=n.attrs["scale"] * gain)
        return self.linear(source, channel, gain * np.eye(len(channel)), np.full(len(channel), shift))

    def linear(self, source: np.ndarray, channel: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> Source:
        """weight (n, D) times those channels (D,), plus bias (n,): a linear layer a source, and their sum."""
        total: Source | None = None
        used = list(dict.fromkeys(source.tolist()))
        if len({self.sources[i].rows for i in used}) > 1:
            raise Cannot("sequences of different lengths are brought together")
        for i in used:
            s, mine = self.sources[i], source == i
            spread = np.zeros((len(weight), s.width))
            np.add.at(spread.T, channel[mine], weight[:, mine].T)
            params = {"weight": spread} | ({"bias": bias} if total is None and bias.any() else {})
            part = self.add("linear", (s.node.out,), s.rows, len(weight), params)
            total = part if total is None else self.add("add", (total.node.out, part.node.out), s.rows, len(weight))
        assert total is not None
        return total

    def rowwise(self, x: Tensor, f: Callable[[np.ndarray, np.ndarray], Source]) -> np.ndarray:
        """Addresses (R, n) of what `f` makes, for all rows of its sources, of each kind of row (source, channel) of x."""
        at = x.at.reshape(-1, x.at.shape[-1])
        source, row, channel = self.rows(at)
        kinds, which = np.unique(np.concatenate([source, channel], 1), axis=0, return_inverse=True)
        d, found = at.shape[1], {}
        for i in range(len(kinds)):
            made = f(kinds[i, :d], kinds[i, d:])
            for r in np.flatnonzero(which.reshape(-1) == i):
                found[int(r)] = made.addresses[row[r]]
        return np.stack([found[r] for r in range(len(at))])

    def node(self, at: np.ndarray, gain: float = 1.0, shift: float = 0.0) -> Source:
        """A node whose output is gain * (what lies at at (R, D)) + shift, row by row."""
        source, row, channel = self.rows(at)
        if (source == source[0]).all() and (channel == channel[0]).all():
            made = self.columns(source[0], channel[0], gain, shift)
            if np.array_equal(row, np.arange(made.rows)):
                return made
        for count in range(2, MOST_INTERLEAVED + 1):
            parts = [at[j::count] for j in range(count)]
            if len(at) % count == 0 and all((np.diff(self.locate(p)[0], axis=0) == 0).all() for p in parts):
                inputs = tuple(self.node(p, gain, shift).node.out for p in parts)
                return self.add("interleave", inputs, len(at), at.shape[1])
        raise Cannot("rows are taken out of their order, or out of a sequence: there is no layer that does so")

    def cut(self, at: np.ndarray) -> np.ndarray:
        """The addresses, where only the first or the last rows of a convolution are left, in one of less padding."""
        source, row, channel = self.locate(np.maximum(at, 0))
        out = at.copy()
        for i in np.unique(source[at != PADDING]):
            s, mine = self.sources[i], (source == i) & (at != PADDING)
            first, last = int(row[mine].min()), int(row[mine].max())
            if not s.node.kind.endswith("conv1d") or (first, last) == (0, s.rows - 1):
                continue
            a = {"stride": 1, "pad_left": 0, "pad_right": 0} | s.node.attrs
            a["pad_left"] -= first * a["stride"]
            a["pad_right"] -= (s.rows - 1 - last) * a["stride"]
            if s.node.kind == "conv1d" and min(a["pad_left"], a["pad_right"]) >= 0:
                p = s.node.params
                made = self.convolution(s.node.inputs[0], p["weight"], p["bias"], last - first + 1, **a)
                out[mine] = made.base + (row[mine] - first) * made.width + channel[mine]
        return out

    def convolution(self, name: str, weight: np.ndarray, bias: np.ndarray, rows: int, **a: int) -> Source:
        """weight (n, k, d), bias (n,).  A causal depthwise one has a layer of its own, which streams."""
        n, k, d = weight.shape
        own = np.einsum("nkn->nk", weight) if n == d else weight[:, :, 0]
        if n == d and k > 1 and a == {"stride": 1, "pad_left": k - 1, "pad_right": 0} and (
                np.count_nonzero(weight) == np.count_nonzero(own)):
            return self.add("depthwise_conv1d", (name,), rows, n, {"weight": own, "bias": bias})
        return self.add("conv1d", (name,), rows, n, {"weight": weight, "bias": bias}, **a)

    # ---- operators ----

    def each(self, x: Tensor, f: Callable[[Source], Source]) -> np.ndarray:
        """Addresses of what `f` makes of every source of x, place by place, whatever the axes are."""
        if (x.at == PADDING).any():
            raise Cannot("padding is read by something else than a convolution")
        source, _, _ = self.locate(x.at)
        at = x.at.copy()
        for i in np.unique(source):
            s = self.sources[i]
            if not x.plain:
                s = self.columns(np.full(s.width, i), np.arange(s.width), x.gain, x.shift)
            at[source == i] += f(s).base - self.sources[i].base
        return at

    def function(self, kind: str, x: Tensor) -> Tensor:
        if kind == "erf":  # its gain tells whether it is that of a GELU
            return Tensor(self.each(replace(x, gain=1.0, shift=0.0), lambda s: self.add(
                "erf", (s.node.out,), s.rows, s.width, gain=x.gain, shift=x.shift)))
        return Tensor(self.each(x, lambda s: self.add(kind, (s.node.out,), s.rows, s.width)))

    def with_constant(self, op: str, x: Tensor, c: np.ndarray) -> Tensor:
        """x + c or x * c."""
        shape = np.broadcast_shapes(x.at.shape, c.shape)
        at, neutral = np.broadcast_to(x.at, shape), 0.0 if op == "add" else 1.0
        if (c == neutral).all():
            return replace(x, at=at)
        if not np.isfinite(c).all():
            raise Cannot("a constant that is not finite, as a mask's; every step attends to every one")
        if (at == PADDING).any() and (op == "add" or c.size > 1):  # one factor leaves zeros as they are
            raise Cannot("padding is read by something else than a convolution")
        if c.size == 1:
            v = float(c.reshape(-1)[0])
            return Tensor(at, x.gain, x.shift + v) if op == "add" else Tensor(at, x.gain * v, x.shift * v)
        c = np.broadcast_to(c, shape)
        source, row, channel = self.locate(at)
        out = at.copy()
        for i in np.unique(source):
            s, mine = self.sources[i], source == i
            value = np.full((s.rows, s.width), neutral)
            value[row[mine], channel[mine]] = c[mine]
            if (value[row[mine], channel[mine]] != c[mine]).any():
                raise Cannot("one number gets several constants")
            known = np.zeros(value.shape, bool)
            known[row[mine], channel[mine]] = True
            top = np.where(known, value, -np.inf).max(0)
            top = np.where(np.isfinite(top), top, neutral)
            a_channel = bool((np.where(known, value, top) == top).all())
            if a_channel:
                gain, shift = (x.gain * top, x.shift * top) if op == "mul" else (np.full(s.width, x.gain), x.shift + top)
                made = self.linear(np.full(s.width, i), np.arange(s.width), np.diag(gain), np.broadcast_to(shift, s.width))
            elif op == "add":
                made = self.columns(np.full(s.width, i), np.arange(s.width), x.gain, x.shift)
                made = self.add("add_constant", (made.node.out,), s.rows, s.width, {"value": value})
            else:
                raise Cannot("a factor for every step; expected one for all, or one a channel")
            out[mine] += made.base - s.base
        return Tensor(out)

    def combine(self, op: str, a: Tensor, b: Tensor) -> Tensor:
        """a + b or a * b."""
        shape = np.broadcast_shapes(a.at.shape, b.at.shape)
        a, b = (replace(v, at=np.broadcast_to(v.at, shape)) for v in (a, b))
        gain, shift = 1.0, 0.0
        if op == "mul":
            found = self.gated(a, b) or self.gated(b, a)
            if found:
                return found
            if a.shift == b.shift == 0:
                gain, a, b = a.gain * b.gain, replace(a, gain=1.0), replace(b, gain=1.0)
        elif a.gain == b.gain:
            gain, shift = a.gain, a.shift + b.shift
            a, b = Tensor(a.at), Tensor(b.at)
        if (a.at == PADDING).any() or (b.at == PADDING).any():
            raise Cannot("padding is read by something else than a convolution")
        first, second = (np.stack([*self.locate(v.at)[1:], self.widths(v.at)]) for v in (a, b))
        if np.array_equal(first, second):  # place by place
            return Tensor(self._pairs(op, a, b), gain, shift)
        (left, right), back = self.matrix(a.at, b.at)
        d = left.shape[1]
        (sa, ra, ca), (sb, rb, cb) = self.rows(left), self.rows(right)
        if not np.array_equal(ra, rb):
            x, y = self.node(left, a.gain, a.shift), self.node(right, b.gain, b.shift)
            return Tensor(back(self.add(op, (x.node.out, y.node.out), x.rows, x.width).addresses), gain, shift)
        kinds, which = np.unique(np.concatenate([sa, ca, sb, cb], 1), axis=0, return_inverse=True)
        found_at = np.empty(left.shape, np.int64)
        for i, kind in enumerate(kinds):
            x = self.columns(kind[:d], kind[d : 2 * d], a.gain, a.shift)
            y = self.columns(kind[2 * d : 3 * d], kind[3 * d :], b.gain, b.shift)
            if x.rows != y.rows:
                raise Cannot("sequences of different lengths are brought together")
            mine = which.reshape(-1) == i
            found_at[mine] = self.add(op, (x.node.out, y.node.out), x.rows, x.width).addresses[ra[mine]]
        return Tensor(back(found_at), gain, shift)

    def _pairs(self, op: str, a: Tensor, b: Tensor) -> np.ndarray:
        first, second = self.locate(a.at)[0], self.locate(b.at)[0]
        out = a.at.copy()
        for i, j in np.unique(np.stack([first.reshape(-1), second.reshape(-1)]), axis=1).T:
            x, y = (self.columns(np.full(self.sources[k].width, k), np.arange(self.sources[k].width), v.gain, v.shift)
                    for k, v in ((i, a), (j, b)))
            if x.rows != y.rows:
                raise Cannot("sequences of different lengths are brought together")
            made = self.add(op, (x.node.out, y.node.out), x.rows, x.width)
            out[(first == i) & (second == j)] += made.base - self.sources[i].base
        return out

    def gated(self, x: Tensor, g: Tensor) -> Tensor | None:
        """x * sigmoid(x) as one SiLU, x * (1 + erf(x / sqrt 2)) as twice a GELU; None where g is no such function of x."""
        if (g.at == PADDING).any() or (x.at == PADDING).any() or x.shift:
            return None
        first, second = self.locate(x.at), self.locate(g.at)
        if not all(np.array_equal(p, q) for p, q in zip(first[1:], second[1:], strict=True)):
            return None
        names = {s.node.out: i for i, s in enumerate(self.sources)}
        of = {i: self.sources[i].node for i in np.unique(second[0])}
        kinds = {n.kind for n in of.values()}
        inputs = np.vectorize(lambda i: names[of[i].inputs[0]] if of[i].inputs else -1)(second[0])
        if len(kinds) != 1 or not np.array_equal(inputs, first[0]):
            return None
        kind = kinds.pop()
        if kind == "sigmoid" and x.gain == 1 and g.shift == 0:
            return Tensor(self.function("silu", Tensor(x.at)).at, g.gain)
        if kind == "erf" and g.gain == g.shift and all(
                abs(n.attrs["gain"] - math.sqrt(0.5)) < 1e-6 and n.attrs["shift"] == 0 for n in of.values()):
            return Tensor(self.function("gelu_erf", Tensor(x.at)).at, 2 * x.gain * g.gain)
        return None

    def dense(self, x: Tensor, weight: np.ndarray, bias: np.ndarray | None = None) -> Tensor:
        """x (..., k) times weight (n, k) transposed, plus bias (n,)."""
        n = len(weight)
        total = (0 if bias is None else bias.astype(float)) + x.shift * weight.sum(1)
        total = np.broadcast_to(total, n)
        if x.at.size == x.at.shape[-1] and len(np.unique(self.locate(x.at)[1])) > 1:
            return Tensor(self.flattened(x.at.reshape(-1), x.gain * weight, total).reshape(*x.at.shape[:-1], n))
        at = self.rowwise(x, lambda source, channel: self.linear(source, channel, x.gain * weight, total))
        return Tensor(at.reshape(*x.at.shape[:-1], n))

    def flattened(self, at: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Addresses (n,) of weight (n, D) times numbers of all steps: convolutions as long as the window, and their sum."""
        if (at == PADDING).any():
            raise Cannot("padding is read by something else than a convolution")
        source, row, channel = self.locate(at)
        total: Source | None = None
        for i in dict.fromkeys(source.tolist()):
            s, mine = self.sources[i], source == i
            spread = np.zeros((len(weight), s.rows * s.width))
            np.add.at(spread.T, row[mine] * s.width + channel[mine], weight[:, mine].T)
            own = bias if total is None else np.zeros_like(bias)
            whole = spread.reshape(-1, s.rows, s.width)
            part = self.convolution(s.node.out, whole, own, 1, stride=1, pad_left=0, pad_right=0)
            total = part if total is None else self.add("add", (total.node.out, part.node.out), 1, len(weight))
        assert total is not None
        return total.addresses[0]

    def mean(self, x: Tensor, axis: int) -> Tensor:
        """The mean over time, an axis, which stays as one of length 1."""
        rest = np.moveaxis(x.at, axis, -1)
        at = rest.reshape(-1, rest.shape[-1])  # (d, t)
        if (at == PADDING).any():
            raise Cannot("padding is read by something else than a convolution")
        _, row, _ = self.locate(at)
        if (row != row[:1]).any() or len(np.unique(row)) != row.shape[-1]:
            raise Cannot("expected a mean over the steps of a window; of a layer norm: export with opset 17 or newer, where "
                          "that is one operator")
        d, t = at.shape
        weight = np.repeat(np.eye(d) / t, t, 1)
        found = self.flattened(at.reshape(-1), x.gain * weight, np.full(d, x.shift)).reshape(rest.shape[:-1])
        return Tensor(np.expand_dims(found, axis))

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """The matrix product of two tensors, one of their leading indices at a time."""
        lead = np.broadcast_shapes(a.at.shape[:-2], b.at.shape[:-2])
        left = np.broadcast_to(a.at, (*lead, *a.at.shape[-2:])).reshape(-1, *a.at.shape[-2:])
        right = np.broadcast_to(b.at, (*lead, *b.at.shape[-2:])).reshape(-1, *b.at.shape[-2:])
        scale, gains = (a.gain * b.gain, ((1.0, 0.0),) * 2) if a.shift == b.shift == 0 else (
            1.0, ((a.gain, a.shift), (b.gain, b.shift)))
        found = []
        for p, q in zip(left, right, strict=True):
            x = self.node(p, *gains[0])
            try:
                y, transposed = self.node(np.ascontiguousarray(q.T), *gains[1]), True
            except Cannot:
                y, transposed = self.node(q, *gains[1]), False
            found.append(self.add("matmul", (x.node.out, y.node.out), p.shape[0], q.shape[1], transpose_b=transposed,
                                  scale=scale).addresses)
        return Tensor(np.stack(found).reshape(*lead, left.shape[1], right.shape[2]))

    def normalized(self, kind: str, x: Tensor, params: dict[str, np.ndarray]) -> Tensor:
        """A function of whole rows: softmax, a norm."""
        def f(source: np.ndarray, channel: np.ndarray) -> Source:
            s = self.columns(source, channel, x.gain, x.shift)
            return self.add(kind, (s.node.out,), s.rows, s.width, params)

        return Tensor(self.rowwise(x, f).reshape(x.at.shape))

    def convolve(self, x: Tensor, weight: np.ndarray, bias: np.ndarray | None, groups: int, stride: int, dilation: int,
                 pads: tuple[int, int]) -> Tensor:
        """x (1, d, t), weight (n, d / groups, k): (1, n, steps)."""
        n, own, taps = weight.shape
        d, k = own * groups, (taps - 1) * dilation + 1
        whole = np.zeros((n, k, d))
        for o in range(n):
            start = o // (n // groups) * own
            whole[o, ::dilation, start : start + own] = weight[o].T
        rows = x.at[0].T
        empty = (rows == PADDING).all(1)
        inside = np.flatnonzero(~empty)
        if not len(inside):
            raise Cannot("a convolution of padding alone")
        left, right = int(inside[0]), len(rows) - 1 - int(inside[-1])
        if x.shift and (left or right or any(pads)):
            s, whole_gain = self.node(rows[inside[0] : inside[-1] + 1], x.gain, x.shift), 1.0
            extra = np.zeros(n)
        else:
            s, whole_gain = self.node(rows[inside[0] : inside[-1] + 1]), x.gain
            extra = x.shift * whole.sum((1, 2))
        left, right = left + pads[0], right + pads[1]
        total = (np.zeros(n) if bias is None else bias) + extra
        whole = whole_gain * whole
        if k == 1 and stride == 1 and left == right == 0:
            made = self.add("linear", (s.node.out,), s.rows, n, {"weight": whole[:, 0], "bias": total})
        else:
            steps = (s.rows + left + right - k) // stride + 1
            if steps < 1:
                raise Cannot(f"a convolution of {k} taps over {s.rows + left + right} steps")
            made = self.convolution(s.node.out, whole, total, steps, stride=stride, pad_left=left, pad_right=right)
        return Tensor(made.addresses.T[None])


def finish(trace: Trace, output: Tensor) -> tuple[list[Node], int, int, str]:
    """(nodes, classes, steps, what the output is of the emissions)."""
    (at,), _ = trace.matrix(output.at)
    source, row, channel = trace.rows(at)
    if (source != source[0]).any() or (channel != channel[0]).any():
        raise Cannot("its rows are made in different ways")
    end, last = "emissions", trace.sources[int(source[0, 0])]
    if last.node.kind in ("softmax", "log_softmax") and output.plain and np.array_equal(channel[0], np.arange(last.width)):
        end = last.node.kind  # the greatest stays the greatest
        made = next(s for s in trace.sources if s.node.out == last.node.inputs[0])
    else:
        made = trace.columns(source[0], channel[0], output.gain, output.shift)
    if not np.array_equal(row, np.arange(made.rows)) and row.tolist() != [made.rows - 1]:
        raise Cannot(f"steps {', '.join(map(str, row[:5]))} of {made.rows}")
    if made.rows > trace.sources[0].rows:  # the last ones would be about steps that have not been
        raise Cannot(f"{made.rows} steps of a window of {trace.sources[0].rows}")
    classes = made.width
    nodes = [s.node for s in trace.sources]
    nodes.append(Node("linear", "logits", (made.node.out,), {"weight": np.eye(classes, dtype=np.float32)}, {"wide": True}))
    nodes.append(Node("argmax", "label", ("logits",)))
    nodes = _merged(_attention(_living(nodes), {s.node.out: s.width for s in trace.sources}))
    nodes = [replace(n, params={k: v.astype(np.float32) for k, v in n.params.items()}) for n in fold(nodes)]
    for n in nodes:
        if n.kind in PATTERNS:
            raise Cannot(PATTERNS[n.kind])
    return nodes, classes, len(row), end


def _living(nodes: list[Node]) -> list[Node]:
    """Those that the last one needs, and the input."""
    needed = {nodes[-1].out, nodes[0].out}
    for n in reversed(nodes):
        if n.out in needed:
            needed |= set(n.inputs)
    return [n for n in nodes if n.out in needed]


def _readers(nodes: list[Node]) -> dict[str, int]:
    """How often each node's output is read."""
    return Counter(name for n in nodes for name in n.inputs)


def _merged(nodes: list[Node]) -> list[Node]:
    """A convolution takes in the linear layer that alone reads it, a batch norm say, where that takes no more weights."""
    by_name, readers = {n.out: n for n in nodes}, _readers(nodes)
    for n in nodes:
        c = by_name[n.inputs[0]] if n.kind == "linear" else n
        if not c.kind.endswith("conv1d") or c is n or readers[c.out] > 1:
            continue
        w, weight = n.params["weight"].astype(float), c.params["weight"].astype(float)
        if c.kind == "conv1d":
            weight = np.einsum("on,nkd->okd", w, weight)
        elif w.shape[0] == w.shape[1] and np.count_nonzero(w) == np.count_nonzero(np.diag(w)):
            weight = np.diag(w)[:, None] * weight
        else:
            continue
        if weight.size > w.size + c.params["weight"].size or n.attrs:
            continue
        bias = w @ c.params["bias"] + n.params.get("bias", 0)
        by_name[n.out] = replace(c, out=n.out, params={"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)})
    return _living([by_name[n.out] for n in nodes])


def _attention(nodes: list[Node], widths: dict[str, int]) -> list[Node]:
    """softmax(q k^T / sqrt d) v as one node, where nothing else reads what is between."""
    by_name, readers, made = {n.out: n for n in nodes}, _readers(nodes), []
    for n in nodes:
        p = by_name[n.inputs[0]] if n.kind == "matmul" else n
        s = by_name[p.inputs[0]] if p.kind == "softmax" and p is not n else n
        if (s is not n and s.kind == "matmul" and readers[p.out] == readers[s.out] == 1 and s.attrs["transpose_b"]
                and not n.attrs["transpose_b"] and n.attrs["scale"] == 1
                and abs(s.attrs["scale"] * math.sqrt(widths[s.inputs[0]]) - 1) < 1e-5):
            n = Node("attention", n.out, (*s.inputs, n.inputs[1]))
        made.append(n)
    return _living(made)
