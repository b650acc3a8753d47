"""Weights of PyTorch modules, by the names that their authors gave them.

A row of a table says what a parameter of ours is called there; the rest of this file is about the tables.

mamba-ssm   Gu and Dao's modules (github.com/state-spaces/mamba): `layers.<i>` are Blocks of RMSNorm and Mamba, a `norm_f`
            behind them
mambapy     Torres-Leguet's (github.com/alxndrTL/mamba.py): the same names in `layers.<i>`
mdcsa       Jovan et al.'s MDCSACRF (github.com/ferdianjovan/Multihead-Dual-Convolutional-Self-Attention), on RSSI alone
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tinyloc.errors import ConfigError, ModelError, first_line, unknown
from tinyloc.model import Config, Model
from tinyloc.reference.mdcsa import POSITIONS, positional_encoding

State = Mapping[str, np.ndarray]
STATES = ("mamba-ssm", "mambapy", "mdcsa")
#: Of a block: ours -> theirs, below `layers.<i>.`.
MAMBA = {"norm.weight": "norm.weight", "in_proj.weight": "mixer.in_proj.weight", "conv.weight": "mixer.conv1d.weight",
         "conv.bias": "mixer.conv1d.bias", "x_proj.weight": "mixer.x_proj.weight", "dt_proj.weight": "mixer.dt_proj.weight",
         "dt_proj.bias": "mixer.dt_proj.bias", "a_log": "mixer.A_log", "d_skip": "mixer.D",
         "out_proj.weight": "mixer.out_proj.weight"}
#: Of a head: ours -> theirs, below `dcsa<kernel size>.`; those of an absent second input are dead weights.
HEAD = {"k": "causal_k1", "q": "causal_q1", "k2": "causal_k2", "q2": "causal_q2", "norm1": "norm1", "norm2": "norm2",
        "norm3": "ffn.gate_norm.add_norm.norm", "grn.fc1": "ffn.fc1", "grn.context": "ffn.context", "grn.fc2": "ffn.fc2",
        "grn.glu": "ffn.gate_norm.glu.fc"}
MDCSA = {"mdcsa.out_conv": "mdsca.conv1d", "mdcsa.norm": "mdsca.norm"}  # sic
#: Both names that CRFs have there: pytorch-crf's, TorchCRF's.
CRF = {"transitions": ("transitions", "trans_matrix"), "start": ("start_transitions", "start_trans"),
       "end": ("end_transitions", "end_trans")}
POSITION_ROWS = 160  # of the authors' buffer
#: Why a key that others' modules may have cannot be taken, by a pattern of its end.
REASONS = {
    r"(in|out)_proj\.bias$": "projections with a bias", r"(dt|B|C)_layernorm\.weight$": "norms inside the scan",
    r"norm(_f)?\.bias$": "layer norm, where RMS norm is expected", r"\.norm2\.|\.mlp\.": "blocks with an MLP",
    r"(^|\.)accl_": "a second input, the accelerometer", r"mixer\.(dt_bias|norm\.weight)$": "Mamba-2",
}
AUXILIARY = re.compile(r"(^|\.)hidden2bin\.")  # a second head that trains and answers nothing
SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Names:
    """What a state dict calls what lies around its blocks: the prefixes of a linear layer on the inputs, of the linear layer
    that gives emissions, and of a CRF, which may be absent (then no transition is likelier than another)."""

    encoder: str = "encoder"
    head: str = "head"
    crf: str = "crf"


DEFAULTS = {"mamba-ssm": Names(), "mambapy": Names(), "mdcsa": Names("rssi_encoder", "hidden2loc", "crf")}


def read_state(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, or of a `.pt` or `.pth` file by PyTorch (extra `torch`), which runs no pickled code.

    A dict in which the state dict is an entry ("state_dict", "model_state_dict", "model") is opened.
    Raises ModelError for a file that is none, ConfigError without PyTorch.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a state dict: .safetensors, .pt or .pth")
    if path.suffix in (".pt", ".pth"):
        return _read_torch(path)
    from safetensors import SafetensorError, safe_open

    found: dict[str, np.ndarray] = {}
    try:
        with safe_open(str(path), framework="numpy") as f:
            for key in f.keys():  # noqa: SIM118 (not a dict)
                kind = str(f.get_slice(key).get_dtype())
                if kind not in ("F16", "F32", "F64"):
                    raise ModelError(f"{path}: {key!r} has type {kind}; expected F16, F32 or F64 (in PyTorch: .float())")
                found[key] = f.get_tensor(key)
    except ModelError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError) as e:
        raise ModelError(f"{path}: cut off or no safetensors file ({e}); a checkpoint of PyTorch ends in .pt or .pth"
                         ) from None
    return found


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError:
        raise ConfigError(f"{path}: reading it needs PyTorch: pip install 'tinyloc[torch]', or save the state dict as "
                          "safetensors") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # its errors are of many kinds
        raise ModelError(f"{path}: PyTorch does not load it as weights alone ({first_line(e)}); expected a state "
                         "dict, as torch.save(model.state_dict(), path) writes it") from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ModelError(f"{path}: expected a state dict, names and tensors; found a {type(state).__name__} with others")
    return {str(k): v.detach().to(torch.float32).numpy() for k, v in state.items()}


def write_state(state: State, path: str | Path) -> None:
    """Writes a state dict, whole or not at all: `.pt` and `.pth` by PyTorch, all else as safetensors."""
    from tinyloc.files import write_atomic

    if Path(path).suffix in (".pt", ".pth"):
        try:
            import torch
        except ImportError:
            raise ConfigError(f"{path}: writing it needs PyTorch: pip install 'tinyloc[torch]', or end the name in "
                              ".safetensors") from None
        made = io.BytesIO()
        torch.save({k: torch.from_numpy(np.array(v)) for k, v in state.items()}, made)
        write_atomic(path, made.getvalue())
        return
    from safetensors.numpy import save

    write_atomic(path, save({k: np.ascontiguousarray(v) for k, v in state.items()}))


def from_state(state: State, source: str, names: Names | None = None, file: str = "state dict") -> Model:
    """The model of a state dict, in float32: its emissions are the module's to rounding.

    source: one of `STATES`; names: where encoder, head and CRF are.  Shapes say the configuration.  `info["converted"]` has
    source and names, for `to_state`.
    Raises ModelError naming every key that is missing or unexpected, and every shape that does not fit.
    """
    if source not in STATES:
        raise unknown("source", source, STATES)
    names = names or DEFAULTS[source]
    found = {k: np.asarray(v) for k, v in state.items() if not (source == "mdcsa" and AUXILIARY.search(k))}
    root = _root(found, source, file)
    names = _placed(found, source, root, names, file)
    config = (_mdcsa_config if source == "mdcsa" else _mamba_config)(found, root, names, file)
    spelling = int(f"{names.crf}.{CRF['transitions'][1]}" in found)
    theirs = _their_names(config, source, root, names, spelling)
    expected = {k: v.shape for k, v in Model.create(config).params.items()}
    params, absent, problems = {}, [], _Problems(file)
    for ours, shape in expected.items():
        key, optional = theirs[ours]
        if key not in found:
            if optional:
                params[ours] = np.zeros(shape, np.float32)
                absent.append(ours)
            else:
                problems.missing.append(key)
            continue
        value = found[key]
        wanted = _outward(ours, np.empty(shape, np.float32)).shape
        if value.shape != wanted:
            problems.shapes.append(f"{key!r} has shape {value.shape}, expected {wanted}")
        elif value.dtype.kind != "f" or not np.isfinite(value).all():
            problems.shapes.append(f"{key!r}: expected finite floating-point numbers, found "
                                   + (f"{value.dtype}" if value.dtype.kind != "f" else "NaN or infinity"))
        else:
            params[ours] = _inward(ours, value.astype(np.float32))
    used = {theirs[ours][0] for ours in expected} | ({f"{root}rssi_pe.pe"} if source == "mdcsa" else set())
    problems.unexpected = [k for k in found if k not in used]
    problems.check()
    how = {"from": source, "root": root, "names": asdict(names), "absent": absent, "crf": spelling}
    return Model(config, {k: params[k] for k in expected}, {"name": source, "converted": how})


def to_state(model: Model, target: str, names: Names | None = None) -> dict[str, np.ndarray]:
    """The model's parameters under the names of `target`, one of `STATES`: what its `load_state_dict` takes.

    names: where encoder, head and CRF shall be; by default where they were, for a model that came from there.  What its
    state dict lacked is left out while it is zero.  Tied decay rates are written out, one a state.
    Raises ConfigError for a model that `target`'s modules cannot hold.
    """
    if target not in STATES:
        raise unknown("target", target, STATES)
    c = model.config
    if c.family != ("mdcsa" if target == "mdcsa" else "mamba"):
        raise ConfigError(f"a model of family {c.family} has no place in {target}'s modules; expected "
                          f"{'mdcsa' if target == 'mdcsa' else 'mamba'}")
    if target != "mdcsa" and not c.n:
        raise ConfigError(f"a model without states (n = 0) has no place in {target}'s modules; expected 1 state or more")
    if target == "mdcsa" and c.kernels != (1, 4, 7):
        raise ConfigError(f"{target}: the module's heads have kernel sizes 1, 4 and 7; the model's {c.kernels}")
    how = model.info.get("converted", {})
    came = how if how.get("from") == target else {}
    names = names or (Names(**came["names"]) if came else DEFAULTS[target])
    root = came.get("root", "")
    theirs = _their_names(c, target, root, names, came.get("crf", 0))
    state: dict[str, np.ndarray] = {}
    for ours, value in model.params.items():
        if ours in came.get("absent", ()) and not value.any():
            continue
        if ours.endswith("a_log") and value.shape[1] != c.n:
            value = value + np.log(np.arange(1, c.n + 1, dtype=value.dtype))
        state[theirs[ours][0]] = np.ascontiguousarray(_outward(ours, value))
    if target == "mdcsa":
        full = Model.create(replace(c, dead_weights=True)).params
        for ours in full.keys() - model.params.keys():  # the module has them, whether they are read or not
            state[theirs[ours][0]] = np.full_like(_outward(ours, full[ours]), ours.endswith("norm2.weight"))
        state[f"{root}rssi_pe.pe"] = positional_encoding(POSITION_ROWS, c.d, c.positions).astype(np.float32)[None]
    return state


class _Problems:
    """All that is wrong with a state dict, said at once."""

    def __init__(self, file: str) -> None:
        self.file, self.missing, self.unexpected, self.shapes = file, list[str](), list[str](), list[str]()

    def check(self) -> None:
        """Raises ModelError when there is any."""
        parts = []
        if self.missing:
            parts.append(f"missing {_listed([repr(k) for k in self.missing])}")
        if self.unexpected:
            reasons = {why: None for k in self.unexpected for pattern, why in REASONS.items() if re.search(pattern, k)}
            parts.append(f"unexpected {_listed([repr(k) for k in self.unexpected])}"
                         + (f" ({', '.join(reasons)}: there is no such thing in tinyloc's models)" if reasons else ""))
        parts += [_listed(self.shapes)] if self.shapes else []
        if parts:
            raise ModelError(f"{self.file}: {'; '.join(parts)}")


def _listed(items: list[str]) -> str:
    return ", ".join(items[:SHOWN]) + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")


def _root(found: State, source: str, file: str) -> str:
    """What stands before `layers.0.` or `mdsca.` in the keys."""
    mark = "mdsca.conv1d.weight" if source == "mdcsa" else "layers.0.mixer.A_log"
    roots = [k[: -len(mark)] for k in found if k == mark or k.endswith("." + mark)]
    if len(roots) != 1:
        bare = [k for k in found if re.search(r"(^|\.)A_log$", k)]
        hint = (f"; there is {bare[0]!r}, a Mamba without the norm and the residual around it: name its block "
                "layers.<i>.mixer, and its norm layers.<i>.norm" if bare and not roots else "")
        raise ModelError(f"{file}: {len(roots)} keys end in {mark!r}, expected one, as in a state dict of {source}{hint}; "
                         f"there are {_listed(sorted(map(repr, found))) or 'none'}")
    return roots[0]


def _placed(found: State, source: str, root: str, names: Names, file: str) -> Names:
    """The whole prefixes: what lies around the blocks may be in the module that holds them, or in one above it."""
    whole = {}
    for option, name in asdict(names).items():
        places = [p for p in dict.fromkeys((root + name, name)) if any(k.startswith(p + ".") for k in found)]
        if not places and (option != "crf" or source == "mdcsa"):
            linear = [repr(k) for k, v in found.items() if v.ndim == 2 and "layers." not in k and "dcsa" not in k]
            raise ModelError(f"{file}: missing '{name}.…', the {option}: name it (--{option}); of two dimensions, outside "
                             f"of the blocks, there are {_listed(linear) or 'none'}")
        whole[option] = places[0] if places else name
    return Names(**whole)


def _their_names(c: Config, source: str, root: str, names: Names, spelling: int) -> dict[str, tuple[str, bool]]:
    """Our parameter -> (their key, whether it may be absent); spelling: which of the names in `CRF`."""
    theirs = {"encoder.weight": (f"{names.encoder}.weight", False),
              "encoder.bias": (f"{names.encoder}.bias", source != "mdcsa"),
              "head.weight": (f"{names.head}.weight", False), "head.bias": (f"{names.head}.bias", False)}
    theirs |= {f"crf.{ours}": (f"{names.crf}.{pair[spelling]}", source != "mdcsa") for ours, pair in CRF.items()}
    if source != "mdcsa":
        theirs["norm.weight"] = (f"{root}norm_f.weight", False)
        for i in range(c.blocks):
            theirs |= {f"blocks.{i}.{ours}": (f"{root}layers.{i}.{key}", ours == "conv.bias") for ours, key in MAMBA.items()}
        return theirs
    for leaf in ("weight", "bias"):
        theirs |= {f"{ours}.{leaf}": (f"{root}{key}.{leaf}", False) for ours, key in MDCSA.items()}
        for i, k in enumerate(c.kernels):
            theirs |= {f"mdcsa.dcsa{i}.{ours}.{leaf}": (f"{root}mdsca.dcsa{k}.{key}.{leaf}", False)
                       for ours, key in HEAD.items()}
    return theirs


def _outward(name: str, value: np.ndarray) -> np.ndarray:
    """Our array in PyTorch's layout: a convolution's is (n, d, k) there, (n, k, d) here, and (d, k) of a depthwise one."""
    if name.endswith(".conv.weight"):
        return value[:, None]
    return np.swapaxes(value, 1, 2) if value.ndim == 3 else value


def _inward(name: str, value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value[:, 0] if name.endswith(".conv.weight") else
                                np.swapaxes(value, 1, 2) if value.ndim == 3 else value)


def _shape(found: State, key: str, ndim: int, file: str) -> tuple[int, ...]:
    if key not in found:
        raise ModelError(f"{file}: missing {key!r}; there are {_listed(sorted(map(repr, found)))}")
    shape = found[key].shape
    if len(shape) != ndim or 0 in shape:
        raise ModelError(f"{file}: {key!r} has shape {shape}, expected {ndim} dimensions")
    return shape


def _mamba_config(found: State, root: str, names: Names, file: str) -> Config:
    numbers = {int(m[1]) for k in found if (m := re.match(re.escape(root) + r"layers\.(\d+)\.", k))}
    first = f"{root}layers.0.mixer."
    e, n = _shape(found, first + "A_log", 2, file)
    d = _shape(found, first + "out_proj.weight", 2, file)[0]
    k = _shape(found, first + "conv1d.weight", 3, file)[2]
    r = _shape(found, first + "dt_proj.weight", 2, file)[1]
    (classes, _), (_, aps) = (_shape(found, f"{name}.weight", 2, file) for name in (names.head, names.encoder))
    return Config("mamba", aps, classes, d, blocks=max(numbers) + 1, n=n, k=k, inner=None if e == 2 * d else e,
                  rank=None if r == math.ceil(d / 16) else r, final_norm=f"{root}norm_f.weight" in found,
                  head_bias=f"{names.head}.bias" in found)


def _mdcsa_config(found: State, root: str, names: Names, file: str) -> Config:
    (classes, _), (_, aps) = (_shape(found, f"{name}.weight", 2, file) for name in (names.head, names.encoder))
    heads = f"{root}mdsca.dcsa"
    d = _shape(found, f"{root}mdsca.conv1d.weight", 3, file)[0]
    kernels = (1, 4, 7)
    first = f"{heads}{kernels[0]}."
    fc1 = _shape(found, first + "ffn.fc1.weight", 2, file)[0]
    fc2 = _shape(found, first + "ffn.fc2.weight", 2, file)[0]
    positions, key = "jovan", f"{root}rssi_pe.pe"
    if key in found:
        pe = found[key]
        fits = [p for p in POSITIONS if pe.ndim == 3 and pe.shape[2] == d and np.allclose(
            pe[0], positional_encoding(pe.shape[1], d, p), rtol=0, atol=1e-6)]
        if not fits:
            raise ModelError(f"{file}: {key!r} {pe.shape}: expected the authors' encoding of positions, or Vaswani et "
                             f"al.'s, of {d} columns")
        positions = fits[-1]
    return Config("mdcsa", aps, classes, d, kernels=kernels, dead_weights=f"{first}causal_k2.weight" in found,
                  fc1=None if fc1 == 4 * d else fc1, fc2=None if fc2 == 4 * d else fc2, positions=positions)
