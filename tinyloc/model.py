"""A float model: a configuration, its parameters, forward and backward, and the graph that quantization reads.

Two families, both from an (b, t, a) window of signal strengths in [0, 1] to (b, t, c) emissions of a CRF:

    mamba   Linear(a, d) -> Mamba blocks -> Linear(d, c) without bias
    mdcsa   Linear(a, d) -> MDCSA -> Linear(d, c)

Presets `mamba-h{H}l{L}` and `mdcsa-h{H}l{L}` have the parameters of Suwannaphong et al., Sci. Rep. 15:10081 (2025), to
the number, dead weights of MDCSA's absent second input included; `-lean` leaves those out, and has one decay rate a
channel in Mamba, whose scan then needs less memory and far fewer instructions.  Behind commas follow fields that are to be
others: `mamba-h32l1,n=0,k=1` has neither scan nor convolution.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyloc.errors import ConfigError, ModelError, unknown
from tinyloc.layers import layers
from tinyloc.reference.mamba import mamba_params
from tinyloc.reference.mdcsa import POSITIONS, mdcsa_params, out_conv_geometry, positional_encoding
from tinyloc.reference.norm import rms_norm, rms_norm_backward

if TYPE_CHECKING:
    from tinyloc.carry import Carrying
    from tinyloc.data import Windows
    from tinyloc.kernels.op import Node

Params = dict[str, np.ndarray]
FORMAT, VERSION = "tinyloc-model", 1
WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WIDTHS_OF = {"mamba": ("inner", "rank"), "mdcsa": ("fc1", "fc2")}  # fields that are None for what is usual
FAMILIES: dict[str, dict[int, dict[str, Any]]] = {  # family -> L -> what it stands for
    "mamba": {n: {"blocks": n} for n in (1, 2, 4)},
    "mdcsa": {1: {"kernels": (1,)}, 3: {"kernels": (1, 4, 7)}},
}
#: Fields of a Config that a preset's name may change, those of numbers and those of yes or no.
CHANGES = {"mamba": (("d", "blocks", "n", "k", "expand", "inner", "rank"), ("tied", "final_norm", "head_bias")),
           "mdcsa": (("d", "fc1", "fc2"), ("dead_weights",))}
# All presets, in words.
KNOWN = ("mamba-h{H}l{L} with L 1, 2 or 4 and mdcsa-h{H}l{L} with L 1 or 3, H a power of two to 256, -lean behind or not; "
         "other widths by a field: mamba-h8l1,d=6")
PRESETS = tuple(f"{family}-h{h}l{n}" for family, depths in FAMILIES.items() for h in WIDTHS for n in depths)


@dataclass(frozen=True)
class Config:
    """What decides a model's shapes.

    aps, classes  access points in, rooms out
    d             model width H
    blocks, n, k, expand  mamba: blocks, states a channel (0: no scan, but a gated convolution), convolution taps, inner
                  width / d
    inner, rank   mamba: inner width (None: expand d) and width of the time step's bottleneck (None: d / 16, rounded up)
    tied          mamba: A[j, k] = (k + 1) A[j, 0], one decay rate a channel
    final_norm, head_bias   mamba: an RMS norm behind the blocks, and a bias of the head, which others' models have
    kernels       mdcsa: the heads' kernel sizes
    fc1, fc2      mdcsa: hidden widths of the heads' gated networks (None: 4 d)
    dead_weights  mdcsa: also the parameters that the paper's counts hold and nothing reads
    positions     mdcsa: the encoding of positions, see `tinyloc.reference.positional_encoding`
    """

    family: str
    aps: int
    classes: int
    d: int
    blocks: int = 1
    n: int = 16
    k: int = 4
    expand: int = 2
    tied: bool = False
    kernels: tuple[int, ...] = (1,)
    dead_weights: bool = False
    inner: int | None = None
    rank: int | None = None
    fc1: int | None = None
    fc2: int | None = None
    final_norm: bool = False
    head_bias: bool = False
    positions: str = POSITIONS[0]

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise unknown("model family", self.family, FAMILIES)
        for name in ("aps", "classes", "d", "blocks", "n", "k", "expand", *WIDTHS_OF[self.family]):
            value = getattr(self, name)
            if name in WIDTHS_OF[self.family] and value is None:
                continue
            least = 0 if name == "n" else 1
            if type(value) is not int or not least <= value <= 4096:  # which True is not
                raise ConfigError(f"{name}: expected a whole number from {least} to 4096, got {value!r}")
        if not self.n and self.rank is not None:
            raise ConfigError(f"rank: expected none where n = 0, as without states there is no time step, got {self.rank}")
        for name in ("tied", "dead_weights", "final_norm", "head_bias"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(f"{name}: expected true or false, got {getattr(self, name)!r}")
        if self.positions not in POSITIONS:
            raise unknown("encoding of positions", self.positions, POSITIONS)
        object.__setattr__(self, "kernels", tuple(self.kernels))
        if any(type(k) is not int or not 1 <= k <= 4096 for k in self.kernels):
            raise ConfigError(f"kernels: expected whole numbers from 1 to 4096, got {self.kernels}")
        try:
            out_conv_geometry(len(self.kernels))
        except ValueError as e:
            raise ConfigError(str(e)) from None

    @property
    def sizes(self) -> dict[str, int]:
        """Every dimension that the family has, by name, those that follow from others included."""
        sizes = {"aps": self.aps, "classes": self.classes, "d": self.d}
        if self.family == "mamba":
            usual = {"inner": self.expand * self.d}
            sizes["blocks"] = self.blocks
            if self.n:
                usual["rank"], sizes["state"] = math.ceil(self.d / 16), self.n
        else:
            usual = {"fc1": 4 * self.d, "fc2": 4 * self.d}
            sizes["heads"] = len(self.kernels)
        return sizes | {name: getattr(self, name) or width for name, width in usual.items()}

    @property
    def most_weights(self) -> int:
        """Parameters of the matrices, which are most of all."""
        s, c = self.sizes, self
        if c.family == "mamba":
            inner = c.blocks * s["inner"] * (3 * c.d + 2 * s.get("rank", 0) + 2 * c.n + c.k)
        else:
            inner = c.d * c.d * (2 * sum(c.kernels) + 3)
            inner += len(c.kernels) * (s["fc1"] * c.d + s["fc1"] * s["fc2"] + 2 * c.d * s["fc2"])
        return inner + c.d * c.aps + c.classes * (c.d + c.classes)


def preset(name: str, aps: int, classes: int) -> Config:
    """The configuration of a preset's name for that many access points and rooms; fields behind commas, such as `,n=2`, are
    others than the preset's (`CHANGES`).

    Raises ConfigError for a name that is not known, offering the nearest one, and for a field or a value that is none.
    """
    if not isinstance(name, str):
        raise ConfigError(f"unknown preset {name!r}; expected a name. Known: {KNOWN}")
    plain, *changes = name.lower().split(",")
    found = re.fullmatch(r"(mamba|mdcsa)-h(\d+)l(\d+)(-lean)?", plain)
    family, depths = (found[1], FAMILIES[found[1]]) if found else ("", {})
    if not found or int(found[2]) not in WIDTHS or int(found[3]) not in depths:
        near = difflib.get_close_matches(plain, PRESETS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ConfigError(f"unknown preset {plain!r}{hint} Known: {KNOWN}")
    fields = {"d": int(found[2]), **depths[int(found[3])], "dead_weights": family == "mdcsa" and not found[4],
              "tied": family == "mamba" and bool(found[4])}
    return Config(family, aps, classes, **fields | dict(_changed(name, family, change) for change in changes))


def _changed(preset: str, family: str, change: str) -> tuple[str, int | bool]:
    field, _, value = change.partition("=")
    numbers, choices = CHANGES[family]
    if field not in (*numbers, *choices):
        raise unknown(f"field of preset {preset!r}", field, (*numbers, *choices))
    if field in choices and value in ("true", "false"):
        return field, value == "true"
    if field in choices or not re.fullmatch(r"\d{1,9}", value):
        expected = "true or false" if field in choices else "a whole number"
        raise ConfigError(f"preset {preset!r}: {field}: expected {expected}, got {value!r}")
    return field, int(value)


@dataclass
class Model:
    """A configuration with parameters; `info` says how they came about (data set, scaler, seed, scores; JSON-able)."""

    config: Config
    params: Params
    info: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def create(config: Config, seed: int = 0) -> Model:
        """Freshly initialized, float32."""
        rng = np.random.default_rng([seed, 0x1417])
        c, sizes = config, config.sizes
        widths = {name: sizes[name] for name in WIDTHS_OF[c.family] if name in sizes}

        def uniform(shape: tuple[int, ...], fan_in: int) -> np.ndarray:
            return (rng.uniform(-1, 1, shape) / math.sqrt(fan_in)).astype(np.float32)

        p: Params = {"encoder.weight": uniform((c.d, c.aps), c.aps), "encoder.bias": uniform((c.d,), c.aps)}
        if c.family == "mamba":
            for i in range(c.blocks):
                made = mamba_params(rng, c.d, c.n, c.k, c.expand, c.tied, **widths)
                p |= {f"blocks.{i}.{k}": v for k, v in made.items()}
        else:
            p |= {f"mdcsa.{k}": v for k, v in mdcsa_params(rng, c.d, c.kernels, c.dead_weights, **widths).items()}
        if c.family == "mamba" and c.final_norm:
            p["norm.weight"] = np.ones(c.d, np.float32)
        p["head.weight"] = uniform((c.classes, c.d), c.d)
        if c.family == "mdcsa" or c.head_bias:
            p["head.bias"] = uniform((c.classes,), c.d)
        p |= {"crf.transitions": uniform((c.classes, c.classes), 100), "crf.start": uniform((c.classes,), 100),
              "crf.end": uniform((c.classes,), 100)}
        return Model(config, p)

    @property
    def width(self) -> int:
        """Number of features a step, which the head reads."""
        return self.config.d

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.size for p in self.params.values())

    def _repr_html_(self) -> str:
        from tinyloc.display import of_model

        return of_model(self.config.family, self.config.sizes, self.parameters, self.info)

    def part(self, prefix: str) -> Params:
        """The parameters below `prefix`, by the rest of their names."""
        return {k[len(prefix) :]: v for k, v in self.params.items() if k.startswith(prefix)}

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of what is kept of a row for the next ones, which `forward` begins with: of each block of a Mamba the
        convolution's rows (k - 1, e) and the scan's state (e, n).  None of another model."""
        c = self.config
        if c.family != "mamba":
            return ()
        return ((c.k - 1, c.sizes["inner"]), (c.sizes["inner"], c.n)) * c.blocks

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None, dropout: float = 0.0,
                state: Sequence[np.ndarray] = ()) -> tuple[np.ndarray, Any]:
        """(emissions (b, t, c), cache) of x (b, t, a); with `rng`, values are dropped as in training.

        state: what the rows before left (`state_after`), an array (b, ...) for each of `state_shapes`; () for zeros.
        """
        c, p = self.config, self.params
        use = layers(np.result_type(x, p["encoder.weight"]))
        y, c_in = use.linear(x, p["encoder.weight"], p["encoder.bias"])
        inner: list[Any] = []
        after: list[np.ndarray] = []
        if c.family == "mamba":
            for i in range(c.blocks):
                (y, own), cache = use.mamba_block(y, self.part(f"blocks.{i}."), tuple(state[2 * i : 2 * i + 2]) or None)
                inner.append(cache)
                after += own
            if c.final_norm:
                y, cache = rms_norm(y, p["norm.weight"])
                inner.append(cache)
        else:
            y, cache = use.mdcsa(y, self.part("mdcsa."), c.kernels, rng, dropout, positions=c.positions)
            inner.append(cache)
        mask, features = None, y
        if rng is not None and dropout:
            mask = (rng.random(y.shape) >= dropout).astype(y.dtype) / y.dtype.type(1 - dropout)
            y = y * mask
        y, c_out = use.linear(y, p["head.weight"], p.get("head.bias"))
        return y, (use, c_in, inner, mask, c_out, after, features)

    @staticmethod
    def features(cache: Any) -> np.ndarray:
        """(b, t, d) what the head reads, of `forward`'s cache, nothing dropped."""
        found: np.ndarray = cache[-1]
        return found

    @staticmethod
    def state_after(cache: Any) -> list[np.ndarray]:
        """The state after the last row, of `forward`'s cache: what the next rows begin with."""
        found: list[np.ndarray] = cache[-2]
        return found

    def carrying(self, t: int) -> Carrying:
        """What takes rows (b, t, a) and a state to the state after them."""
        return lambda x, state: self.state_after(self.forward(x, state=state)[1])

    def backward(self, dy: np.ndarray, cache: Any, dfeatures: np.ndarray | None = None) -> Params:
        """Gradients of the parameters by name (the CRF's come from its loss, none go on to the state that `forward` began
        with); dfeatures: a loss's of `features`."""
        use, c_in, inner, mask, c_out, *_ = cache
        g: Params = {}
        dx, g["head.weight"], bias = use.linear_backward(dy, c_out)
        if bias is not None:
            g["head.bias"] = bias
        assert dx is not None
        if mask is not None:
            dx = dx * mask
        if dfeatures is not None:
            dx = dx + dfeatures
        if self.config.family == "mamba":
            if self.config.final_norm:
                dx, g["norm.weight"] = rms_norm_backward(dx, inner[-1])
            for i in range(self.config.blocks - 1, -1, -1):
                dx, own = use.mamba_block_backward(dx, inner[i])
                g |= {f"blocks.{i}.{k}": v for k, v in own.items()}
        else:
            dx, own = use.mdcsa_backward(dx, inner[0])
            g |= {f"mdcsa.{k}": v for k, v in own.items()}
        _, g["encoder.weight"], g["encoder.bias"] = use.linear_backward(dx, c_in)
        return g

    def predict(self, x: np.ndarray, batch: int = 64) -> np.ndarray:
        """(b,) room at the last step of each window x (b, t, a): the end of the CRF's best path."""
        crf = self.part("crf.")
        labels = []
        for i in range(0, len(x), batch):
            emissions, (use, *_) = self.forward(x[i : i + batch])
            labels.append(use.crf_viterbi(emissions, crf["transitions"], crf["start"], crf["end"])[0][:, -1])
        return np.concatenate(labels) if labels else np.zeros(0, np.int64)

    def margins(self, x: np.ndarray, batch: int = 4096) -> tuple[np.ndarray, np.ndarray]:
        """(b, t) rooms and margins, in the model's own units, of each row of x (b, t, a) by what came before it, and by what
        comes after it where the model looks at all rows of x at once.  A Mamba takes as many rows as there are."""
        step = batch if self.state_shapes else max(1, x.shape[1])
        parts: list[np.ndarray] = []
        state: list[np.ndarray] = []
        for i in range(0, x.shape[1], step):
            emissions, cache = self.forward(x[:, i : i + step], state=state)
            state = self.state_after(cache)
            parts.append(emissions)
        crf = self.part("crf.")
        totals = cache[0].crf_totals(np.concatenate(parts, 1), crf["transitions"], crf["start"], crf["end"])
        high = np.sort(totals, -1)
        margin = high[..., -1] - high[..., -2] if high.shape[2] > 1 else np.full(high.shape[:2], math.inf)
        return totals.argmax(-1), margin

    def carries(self, w: Windows) -> bool:
        """Whether it goes on from row to row where windows such as these begin anew."""
        return bool(self.state_shapes) and w.x.shape[1] > 1

    def labels(self, w: Windows) -> np.ndarray:
        """(w,) room of the row that each window is about, as a device says it: a model with states goes on through a whole
        recording, sample by sample; another has a window a row, and so has one whose rows stand alone."""
        return w.said(self.carries(w), lambda x: self.margins(x[None])[0][0], self.predict)

    def graph(self, t: int) -> list[Node]:
        """The model as nodes of `tinyloc.kernels.table.LAYERS` for windows of t steps; the last one is "label".

        Dropout is gone, dead weights with it, and consecutive linear layers are one.
        """
        from tinyloc.kernels.table import asked

        return asked(fold(_graph(self, t)))

    def save(self, path: str | Path) -> None:
        """Writes parameters (safetensors) with configuration and info as JSON in the metadata; whole or not at all."""
        from tinyloc.files import write_safetensors

        meta = {"format": FORMAT, "version": str(VERSION), "config": json.dumps(asdict(self.config)),
                "info": json.dumps(self.info)}
        write_safetensors(path, self.params, meta)

    @staticmethod
    def load(path: str | Path) -> Model:
        """Reads what `save` wrote.  Raises ModelError naming the file and the parameter that is not as expected."""
        from tinyloc.files import read_safetensors

        params, meta = read_safetensors(path, FORMAT, VERSION)
        try:
            config, info = Config(**json.loads(meta["config"])), json.loads(meta["info"])
            if not isinstance(info, dict):
                raise TypeError(f"info is {type(info).__name__}, expected names with values")
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as e:
            raise ModelError(f"{path}: damaged configuration ({type(e).__name__}: {e})") from None
        held = sum(v.size for v in params.values())
        if config.most_weights > 2 * held + 10**6:  # before as much memory is taken to see which one it is
            raise ModelError(f"{path}: {held} numbers, but its configuration takes {config.most_weights} and more")
        expected = {k: v.shape for k, v in Model.create(config).params.items()}
        for name in sorted(expected.keys() | params.keys()):
            want = expected.get(name)
            got = params[name].shape if name in params else None
            if want != got:
                raise ModelError(f"{path}: parameter {name!r}: expected "
                                 f"{'none' if want is None else f'shape {want}'}, found {'none' if got is None else got}")
            if params[name].dtype.kind != "f" or not np.isfinite(params[name]).all():
                raise ModelError(f"{path}: parameter {name!r}: expected finite floating-point numbers, found "
                                 f"{params[name].dtype}{'' if params[name].dtype.kind != 'f' else ' with NaN or infinity'}")
        return Model(config, {k: params[k] for k in expected}, info)


def _graph(model: Model, t: int) -> list[Node]:
    from tinyloc.kernels.op import Node

    c, p, nodes = model.config, model.params, [Node("input", "x", ())]

    def add(kind: str, out: str, *inputs: str, params: Mapping[str, np.ndarray | None] | None = None, **attrs: Any) -> str:
        nodes.append(Node(kind, out, inputs, {k: v for k, v in (params or {}).items() if v is not None}, attrs))
        return out

    def dense(out: str, x: str, weight: np.ndarray, bias: np.ndarray | None = None, **attrs: Any) -> str:
        return add("linear", out, x, params={"weight": weight, "bias": bias}, **attrs)

    def mamba(i: int, x: str) -> str:
        q, at = model.part(f"blocks.{i}."), f"block{i}."
        unit = add("rms_norm", at + "norm", x, params={"weight": q["norm.weight"]})
        w_u, w_z = np.split(q["in_proj.weight"], 2)
        taps, bias = q["conv.weight"], q["conv.bias"]
        # A convolution of one tap is a gain and a bias of each channel.
        u = dense(at + "u", unit, w_u) if c.k > 1 else dense(at + "u", unit, taps * w_u, bias)
        z = dense(at + "z", unit, w_z)
        if c.k > 1:
            u = add("depthwise_conv1d", at + "conv", u, params={"weight": taps, "bias": bias})
        y = u = add("silu", at + "silu", u)
        if c.n:
            r = q["dt_proj.weight"].shape[1]
            low, b, cc = np.split(q["x_proj.weight"], [r, r + c.n])
            raw = dense(at + "dt_raw", dense(at + "dt_low", u, low), q["dt_proj.weight"], q["dt_proj.bias"])
            y = add("selective_scan", at + "scan", u, add("softplus", at + "dt", raw), dense(at + "b", u, b, symmetric=True),
                    dense(at + "c", u, cc, symmetric=True), params={"a_log": q["a_log"], "d_skip": q["d_skip"]})
        y = add("mul", at + "gated", y, add("silu", at + "gate", z))
        return add("add", at + "out", x, dense(at + "out_proj", y, q["out_proj.weight"]))

    def attend(at: str, query: str, key: str, value: str) -> str:
        return add("attention", at + "attended", query, key, value)

    def convolve(out: str, x: str, weight: np.ndarray, bias: np.ndarray, stride: int = 1, left: int = 0, right: int = 0
                 ) -> str:
        if weight.shape[1] == 1:
            return dense(out, x, weight[:, 0], bias)
        return add("conv1d", out, x, params={"weight": weight, "bias": bias}, stride=stride, pad_left=left, pad_right=right)

    def norm(out: str, x: str, q: Params, name: str) -> str:
        return add("layer_norm", out, x, params={"weight": q[name + ".weight"], "bias": q[name + ".bias"]})

    def head(i: int, k: int, x: str) -> str:
        q, at = model.part(f"mdcsa.dcsa{i}."), f"head{i}."
        key, query = (add("tanh", at + n, convolve(at + n + "_conv", x, q[n + ".weight"], q[n + ".bias"], left=k - 1))
                      for n in "kq")
        r = norm(at + "norm1", add("add", at + "sum1", x, attend(at, query, key, x)), q, "norm1")
        h = add("elu", at + "elu", dense(at + "fc1", r, q["grn.fc1.weight"], q["grn.fc1.bias"]))
        h = dense(at + "fc2", h, q["grn.fc2.weight"], q["grn.fc2.bias"])
        value, gate = (dense(at + n, h, w, b) for n, w, b in zip(
            ("value", "gate_in"), np.split(q["grn.glu.weight"], 2), np.split(q["grn.glu.bias"], 2), strict=True))
        glu = add("mul", at + "glu", value, add("sigmoid", at + "gate", gate))
        return norm(at + "norm3", add("add", at + "sum2", glu, r), q, "norm3")

    if c.family == "mamba":
        x = dense("encoded", "x", p["encoder.weight"], p["encoder.bias"])
        for i in range(c.blocks):
            x = mamba(i, x)
        if c.final_norm:
            x = add("rms_norm", "norm", x, params={"weight": p["norm.weight"]})
    else:
        root = p["encoder.weight"].dtype.type(math.sqrt(c.d))
        x = dense("encoded", "x", p["encoder.weight"] * root, p["encoder.bias"] * root)
        x = add("add_constant", "placed", x, params={"value": positional_encoding(t, c.d, c.positions)})
        heads = [head(i, k, x) for i, k in enumerate(c.kernels)]
        x = heads[0] if len(heads) == 1 else add("interleave", "interleaved", *heads)
        stride, pad = out_conv_geometry(len(heads))
        x = convolve("out_conv", attend("out.", x, x, x), p["mdcsa.out_conv.weight"], p["mdcsa.out_conv.bias"], stride,
                     pad, pad)
        x = norm("out.norm", x, model.part("mdcsa."), "norm")
    if t == 1:  # a path of one step needs no transitions, and start and end scores are a bias
        bias = p["crf.start"] + p["crf.end"] + p.get("head.bias", np.float32(0))
        add("argmax", "label", dense("logits", x, p["head.weight"], bias, wide=True))
    else:
        crf = {k: p[f"crf.{k}"] for k in ("transitions", "start", "end")}
        add("viterbi", "label", dense("logits", x, p["head.weight"], p.get("head.bias"), wide=True), params=crf)
    return nodes


def fold(nodes: list[Node]) -> list[Node]:
    """Merges a linear layer into the linear layers that alone read it, where that takes no more weights.

    In real arithmetic W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2); in integers it also spares a rounding.
    """
    readers: dict[str, list[Node]] = {}
    for n in nodes:
        for name in n.inputs:
            readers.setdefault(name, []).append(n)
    gone: set[str] = set()
    changed: dict[str, Node] = {}
    for n in nodes:
        after = readers.get(n.out, [])
        if n.kind != "linear" or n.attrs or not after or any(a.kind != "linear" for a in after):
            continue
        first = changed.get(n.out, n)
        w1 = first.params["weight"].astype(float)
        before = w1.size + sum(a.params["weight"].size for a in after)
        if sum(len(a.params["weight"]) for a in after) * w1.shape[1] > before:
            continue
        gone.add(n.out)
        for a in after:
            w2 = a.params["weight"].astype(float)
            bias = a.params.get("bias", np.zeros(len(w2))) + w2 @ first.params.get("bias", np.zeros(len(w1)))
            changed[a.out] = replace(a, inputs=first.inputs, params={"weight": w2 @ w1, "bias": bias})
    return [changed.get(n.out, n) for n in nodes if n.out not in gone]
