"""Weights of others' modules: the same emissions to 1e-5 in float32, the same bits back, and what is said of bad files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyloc.convert import STATES, Names, from_state, read_state, to_state, write_state
from tinyloc.errors import ConfigError, ModelError
from tinyloc.model import Config, Model, preset
from tinyloc.quantize import quantize
from tinyloc.reference.mdcsa import positional_encoding
from tinyloc.run import Session
from tinyloc.verify import compare

torch = pytest.importorskip("torch", reason="extra 'torch' is not installed")
nn, F = torch.nn, torch.nn.functional
APS, ROOMS = 7, 5
CLOSE = {"rtol": 0, "atol": 1e-5}


class Crf(nn.Module):
    """The parameters of pytorch-crf's CRF, or TorchCRF's; what they do, tests/test_torch.py says."""

    def __init__(self, names: tuple[str, str, str] = ("transitions", "start_transitions", "end_transitions")) -> None:
        super().__init__()
        for name, shape in zip(names, ((ROOMS, ROOMS), (ROOMS,), (ROOMS,)), strict=True):
            self.register_parameter(name, nn.Parameter(torch.randn(shape) / 3))


class MambaOfThePaper(nn.Module):
    """The block of mamba-ssm, with its names, by Gu and Dao (arXiv 2312.00752), algorithm 2: one step after the other."""

    def __init__(self, d: int, n: int, k: int, expand: int, rank: int, conv_bias: bool) -> None:
        super().__init__()
        e = expand * d
        self.in_proj, self.out_proj = nn.Linear(d, 2 * e, bias=False), nn.Linear(e, d, bias=False)
        self.conv1d = nn.Conv1d(e, e, k, groups=e, padding=k - 1, bias=conv_bias)
        self.x_proj, self.dt_proj = nn.Linear(e, rank + 2 * n, bias=False), nn.Linear(rank, e)
        self.A_log, self.D = nn.Parameter(torch.randn(e, n) / 2), nn.Parameter(torch.randn(e))
        self.split = (rank, n, n)

    def forward(self, hidden: Any) -> Any:
        x, z = self.in_proj(hidden).chunk(2, -1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[..., : hidden.shape[1]].transpose(1, 2))
        dt, b, c = self.x_proj(x).split(self.split, -1)
        dt, a = F.softplus(self.dt_proj(dt)), -torch.exp(self.A_log)
        h, out = torch.zeros(*x.shape[::2], a.shape[1]), []
        for t in range(x.shape[1]):
            h = torch.exp(dt[:, t, :, None] * a) * h + (dt[:, t] * x[:, t])[..., None] * b[:, t, None]
            out.append((h * c[:, t, None]).sum(-1) + self.D * x[:, t])
        return self.out_proj(torch.stack(out, 1) * F.silu(z))


class Block(nn.Module):
    def __init__(self, d: int, **how: Any) -> None:
        super().__init__()
        self.norm, self.mixer = nn.RMSNorm(d, 1e-5), MambaOfThePaper(d, **how)

    def forward(self, x: Any) -> Any:
        return x + self.mixer(self.norm(x))


class Around(nn.Module):
    """An encoder, others' blocks, a head and a CRF, called as `Names()` has it."""

    def __init__(self, backbone: Any, d: int, bias: bool, crf: Any = None) -> None:
        super().__init__()
        self.encoder, self.backbone, self.head = nn.Linear(APS, d, bias=bias), backbone, nn.Linear(d, ROOMS, bias=bias)
        if crf is not None:
            self.crf = crf

    def forward(self, x: Any) -> Any:
        y = self.encoder(x)
        for layer in self.backbone.layers:
            y = layer(y)
        if hasattr(self.backbone, "norm_f"):
            y = self.backbone.norm_f(y)
        return self.head(y)


def mamba_ssm(d: int = 8, blocks: int = 2, n: int = 16, k: int = 4, expand: int = 2, norm_f: bool = True, bias: bool = True,
              conv_bias: bool = True, crf: Any = None) -> Any:
    backbone = nn.Module()
    rank = math.ceil(d / 16)
    backbone.layers = nn.ModuleList(Block(d, n=n, k=k, expand=expand, rank=rank, conv_bias=conv_bias) for _ in range(blocks))
    if norm_f:
        backbone.norm_f = nn.RMSNorm(d, 1e-5)
        backbone.norm_f.weight.data += torch.randn(d) / 5
    return Around(backbone, d, bias, crf)


def mambapy(**how: Any) -> Any:
    module = pytest.importorskip("mambapy.mamba", reason="mambapy is not installed (extra 'torch')")
    d = how.pop("d", 8)
    return Around(module.Mamba(module.MambaConfig(d_model=d, n_layers=2, **how)), d, False, Crf())


def attend(query: Any, key: Any, value: Any) -> Any:
    return torch.softmax(query @ key.transpose(1, 2) / math.sqrt(key.shape[-1]), -1) @ value


class Dcsa(nn.Module):
    """A head of MDCSA by Jovan et al. (arXiv 2308.02419), section 4, with the names of its authors' modules."""

    def __init__(self, d: int, k: int) -> None:
        super().__init__()
        for name in ("causal_k1", "causal_q1", "causal_k2", "causal_q2"):
            self.add_module(name, nn.Conv1d(d, d, k))
        self.norm1, self.norm2, self.ffn = nn.LayerNorm(d), nn.LayerNorm(d), nn.Module()
        f = self.ffn
        f.fc1, f.context, f.fc2 = nn.Linear(d, 4 * d), nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, 4 * d)
        f.gate_norm = nn.Module()
        f.gate_norm.glu, f.gate_norm.add_norm = nn.Module(), nn.Module()
        f.gate_norm.glu.fc, f.gate_norm.add_norm.norm = nn.Linear(4 * d, 2 * d), nn.LayerNorm(d)
        self.left = k - 1

    def forward(self, x: Any) -> Any:
        past = F.pad(x.transpose(1, 2), (self.left, 0))
        key, query = (torch.tanh(conv(past)).transpose(1, 2) for conv in (self.causal_k1, self.causal_q1))
        r = self.norm1(x + attend(query, key, x))
        hidden = self.ffn.fc2(F.elu(self.ffn.fc1(r)))
        gated = self.ffn.gate_norm
        return gated.add_norm.norm(F.glu(gated.glu.fc(hidden), -1) + r)


class MdcsaOfTheAuthors(nn.Module):
    """MDCSACRF on RSSI alone, up to its emissions."""

    def __init__(self, d: int = 8, binary: bool = True, crf: Any = None) -> None:
        super().__init__()
        self.rssi_pe, self.rssi_encoder = nn.Module(), nn.Linear(APS, d)
        self.rssi_pe.register_buffer("pe", torch.tensor(positional_encoding(160, d, "jovan"), dtype=torch.float32)[None])
        self.mdsca = nn.Module()
        for k in (1, 4, 7):
            self.mdsca.add_module(f"dcsa{k}", Dcsa(d, k))
        self.mdsca.conv1d, self.mdsca.norm = nn.Conv1d(d, d, 3, stride=3), nn.LayerNorm(d)
        self.hidden2loc = nn.Linear(d, ROOMS)
        if binary:
            self.hidden2bin = nn.Linear(d, 1)
        self.crf = crf or Crf()

    def forward(self, x: Any) -> Any:
        y = self.rssi_encoder(x) * math.sqrt(self.hidden2loc.in_features) + self.rssi_pe.pe[:, : x.shape[1]]
        heads = torch.stack([getattr(self.mdsca, f"dcsa{k}")(y) for k in (1, 4, 7)], 2).flatten(1, 2)
        mixed = attend(heads, heads, heads)
        return self.hidden2loc(self.mdsca.norm(self.mdsca.conv1d(mixed.transpose(1, 2)).transpose(1, 2)))


def state_of(module: Any) -> dict[str, np.ndarray]:
    return {k: v.detach().numpy().copy() for k, v in module.state_dict().items()}


TORCH_CRF = ("trans_matrix", "start_trans", "end_trans")
CASES: dict[str, tuple[str, Any]] = {
    "mamba-ssm": ("mamba-ssm", lambda: mamba_ssm(crf=Crf())),
    "mamba-ssm, no bias, no norm_f, no CRF": ("mamba-ssm", lambda: mamba_ssm(norm_f=False, bias=False)),
    "mamba-ssm, other widths": ("mamba-ssm", lambda: mamba_ssm(6, 3, 5, 3, 3, conv_bias=False, crf=Crf(TORCH_CRF))),
    "mamba-ssm, wide": ("mamba-ssm", lambda: mamba_ssm(36, 1, 4, crf=Crf())),
    "mambapy": ("mambapy", lambda: mambapy()),
    "mambapy, sequential, other widths": ("mambapy", lambda: mambapy(d=10, d_state=6, d_conv=2, expand_factor=3, dt_rank=2,
                                                                     pscan=False, conv_bias=False)),
    "mdcsa": ("mdcsa", lambda: MdcsaOfTheAuthors()),
    "mdcsa, one head out, TorchCRF": ("mdcsa", lambda: MdcsaOfTheAuthors(16, False, Crf(TORCH_CRF))),
}


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name: str, tmp_path: Path) -> None:
    """In: emissions and best paths of the module.  Then integers of them.  Out: every bit, under the module's names."""
    source, make = CASES[name]
    torch.manual_seed(len(name))
    module = make().eval()
    x = torch.rand(4, 20, APS)
    write_state(state_of(module), tmp_path / "theirs.safetensors")
    model = from_state(read_state(tmp_path / "theirs.safetensors"), source)
    with torch.no_grad():
        expected = module(x).numpy()
    emissions, _ = model.forward(x.numpy())
    assert emissions.dtype == np.float32 and np.abs(expected).max() > 0.1
    np.testing.assert_allclose(emissions, expected, **CLOSE)
    back = to_state(model, source)
    theirs = {k: v for k, v in state_of(module).items() if "hidden2bin" not in k}
    assert back.keys() == theirs.keys()
    for key, value in theirs.items():
        if key.endswith(".pe"):  # a table, which is made anew
            np.testing.assert_allclose(back[key], value, rtol=0, atol=1e-7)
        else:
            assert back[key].dtype == np.float32 and np.array_equal(back[key], value), key
    model.save(tmp_path / "ours")
    program = quantize(Model.load(tmp_path / "ours"), x.numpy(), "minmax")
    codes = program.buffers[program.input].quantize(x.numpy())
    assert compare(program, codes, ("numba", "c")).equal
    assert (Session(program, "c").run_windows(codes)[:, -1, 0] == model.predict(x.numpy())).mean() >= 0.5


@pytest.mark.parametrize(("source", "config"), [
    ("mamba-ssm", preset("mamba-h8l2", APS, ROOMS)), ("mambapy", preset("mamba-h4l1-lean", APS, ROOMS)),
    ("mamba-ssm", Config("mamba", APS, ROOMS, 6, n=3, inner=12, final_norm=True, head_bias=True)),
    ("mdcsa", preset("mdcsa-h8l3", APS, ROOMS)), ("mdcsa", preset("mdcsa-h4l3-lean", APS, ROOMS))])
def test_our_models_are_theirs(source: str, config: Config, tmp_path: Path) -> None:
    """A model of ours, as others' module loads it, strictly; what it says is what ours says."""
    model = Model.create(config, 3)
    theirs = {"mdcsa": lambda: MdcsaOfTheAuthors(config.d, False),
              "mambapy": lambda: mambapy(d=config.d, d_state=config.n),
              "mamba-ssm": lambda: mamba_ssm(config.d, config.blocks, config.n, config.k, norm_f=config.final_norm,
                                             bias=config.head_bias, crf=Crf())}[source]()
    names = None if source == "mdcsa" else Names()
    state = {k if k.startswith(("encoder", "head", "crf")) or source == "mdcsa" else f"backbone.{k}": v
             for k, v in to_state(model, source, names).items()}
    if not config.head_bias and source != "mdcsa":
        theirs.encoder = nn.Linear(APS, config.d)
    if source == "mambapy":
        theirs.backbone.layers = theirs.backbone.layers[: config.blocks]
    write_state(state, tmp_path / "ours.pt")
    theirs.load_state_dict(torch.load(tmp_path / "ours.pt", weights_only=True), strict=True)
    x = torch.rand(3, 20, APS)
    with torch.no_grad():
        np.testing.assert_allclose(model.forward(x.numpy())[0], theirs.eval()(x).numpy(), **CLOSE)
    again = from_state(read_state(tmp_path / "ours.pt"), source)
    same = [k for k in model.params if not config.tied or "a_log" not in k]
    assert all(np.array_equal(again.params[k], model.params[k]) for k in same) and len(same) >= len(model.params) - 1


def test_names_are_found_and_kept() -> None:
    """What is around the blocks may be called anything, inside of the module that holds them or above it."""
    state = state_of(mamba_ssm(crf=Crf()))
    for inside in ("", "backbone."):
        other = {k.replace("encoder", f"{inside}embed").replace("head", f"{inside}to_rooms"): v for k, v in state.items()}
        with pytest.raises(ModelError, match=rf"missing 'encoder\.…', the encoder: name it.*'{inside}embed.weight'"):
            from_state(other, "mamba-ssm")
        model = from_state(other, "mamba-ssm", Names("embed", "to_rooms"))
        assert to_state(model, "mamba-ssm").keys() == other.keys()
        assert to_state(model, "mambapy").keys() != other.keys(), "another tool, its own names"


def change(state: dict[str, np.ndarray], **changes: Any) -> dict[str, np.ndarray]:
    """With entries replaced, or gone for None."""
    return {k: v for k, v in (state | changes).items() if v is not None}


MIXER = "backbone.layers.0.mixer."
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("mamba-ssm", {MIXER + "D": None, "backbone.layers.1.norm.weight": None},
     r"missing 'backbone.layers.0.mixer.D', 'backbone.layers.1.norm.weight'$"),
    ("mamba-ssm", {MIXER + "in_proj.bias": np.zeros(32, np.float32), "extra": np.zeros(1, np.float32)},
     r"unexpected 'backbone.layers.0.mixer.in_proj.bias', 'extra' \(projections with a bias: there is no such thing"),
    ("mamba-ssm", {"backbone.norm_f.bias": np.zeros(8, np.float32)}, "layer norm, where RMS norm is expected"),
    ("mamba-ssm", {MIXER + "D": np.zeros(3, np.float32)}, r"mixer.D' has shape \(3,\), expected \(16,\)"),
    ("mamba-ssm", {MIXER + "D": np.full(16, np.nan, np.float32)}, "D': expected finite floating-point numbers, found NaN"),
    ("mamba-ssm", {MIXER + "D": np.zeros(16, np.int32)}, "mixer.D': expected finite floating-point numbers, found int32"),
    ("mamba-ssm", {MIXER + "A_log": None}, r"0 keys end in 'layers.0.mixer.A_log', expected one"),
    ("mamba-ssm", {MIXER + "A_log": None, "backbone.layers.1.mixer.A_log": None, "a.A_log": np.zeros((16, 16), np.float32)},
     "a Mamba without the norm and the residual around it"),
    ("mamba-ssm", {MIXER + "conv1d.weight": np.zeros((16, 4), np.float32)}, r"shape \(16, 4\), expected 3 dimensions"),
    ("mamba-ssm", {"encoder.weight": None}, "missing 'encoder.weight'"),
    ("mdcsa", {"accl_encoder.weight": np.zeros((8, 3), np.float32)}, "a second input, the accelerometer"),
    ("mdcsa", {"rssi_pe.pe": np.zeros((1, 160, 8), np.float32)}, "expected the authors' encoding of positions"),
    ("mdcsa", {"mdsca.dcsa4.ffn.fc2.bias": None, "crf.end_transitions": None},
     "missing 'mdsca.dcsa4.ffn.fc2.bias', 'crf.end_transitions'$"),
    ("mdcsa", {f"x{i}": np.zeros(1, np.float32) for i in range(20)}, "'x11' and 8 more$"),
]


@pytest.mark.parametrize(("source", "changes", "words"), WRONG)
def test_all_that_is_wrong_is_named(source: str, changes: dict[str, Any], words: str) -> None:
    state = state_of(mamba_ssm(crf=Crf()) if source == "mamba-ssm" else MdcsaOfTheAuthors())
    with pytest.raises(ModelError, match=words):
        from_state(change(state, **changes), source, None, "w.safetensors")


def test_models_that_others_cannot_hold() -> None:
    mamba, mdcsa, gated = (Model.create(preset(name, APS, ROOMS)) for name in ("mamba-h4l1", "mdcsa-h4l1", "mamba-h4l1,n=0"))
    for model, target, words in ((mamba, "mdcsa", "family mamba has no place"), (mdcsa, "mambapy", "family mdcsa"),
                                 (mdcsa, "mdcsa", "kernel sizes 1, 4 and 7"), (mamba, "mamba", "did you mean 'mamba"),
                                 (gated, "mamba-ssm", "without states .n = 0. has no place in mamba-ssm's")):
        with pytest.raises(ConfigError, match=words):
            to_state(model, target)
    with pytest.raises(ConfigError, match="unknown source 'mamba2'"):
        from_state({}, "mamba2")
    assert STATES == ("mamba-ssm", "mambapy", "mdcsa")


def test_files(tmp_path: Path) -> None:
    """Weights alone: a checkpoint around them is opened, pickled code is not run, types that are none of ours are named."""
    state = state_of(mamba_ssm())
    tensors = {k: torch.tensor(v) for k, v in state.items()}
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "checkpoint.pt")
    assert read_state(tmp_path / "checkpoint.pt").keys() == state.keys()
    ran = tmp_path / "ran"
    torch.save({"x": Evil(ran)}, tmp_path / "evil.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00\x01")
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "half.safetensors")
    for name, words in (("evil.pt", "does not load it as weights alone"), ("list.pt", "expected a state dict"),
                        ("cut.safetensors", "cut off or no safetensors"), ("absent.pt", "no such file"),
                        ("half.safetensors", r"'w' has type BF16; expected F16, F32 or F64")):
        with pytest.raises(ModelError, match=words):
            read_state(tmp_path / name)
    assert not ran.exists()


class Evil:
    """What a pickle may do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


# ---- the command ----

def test_command(tmp_path: Path) -> None:
    """From a state dict to a Program that is proved, and back to a state dict of the same bits."""
    from test_cli import COLUMNS, complaint, facts, tinyloc, walk

    walk(tmp_path / "walk.csv", 400)
    data = ("--data", tmp_path / "walk.csv", *COLUMNS)
    made = nn.Sequential()
    made.add_module("net", mamba_ssm(crf=Crf()))
    made.net.encoder, made.net.head = nn.Linear(3, 8), nn.Linear(8, 2)
    for name, shape in (("transitions", (2, 2)), ("start_transitions", (2,)), ("end_transitions", (2,))):
        setattr(made.net.crf, name, nn.Parameter(torch.randn(shape)))
    torch.save(made.state_dict(), tmp_path / "theirs.pt")
    where = ("--encoder", "net.encoder", "--head", "net.head", "--crf", "net.crf")
    found = facts("convert", tmp_path / "theirs.pt", "--from", "mamba-ssm", *where, *data, "--out", tmp_path / "ours")
    assert found["access_points"] == 3 and found["sizes"]["blocks"] == 2 and 0 <= found["test"]["macro_f1"] <= 1
    assert Model.load(tmp_path / "ours").info["window"] == 8
    tinyloc("quantize", tmp_path / "ours", "--out", tmp_path / "p")
    assert facts("verify", tmp_path / "p", "--windows", "20")["equal"] and facts("run", tmp_path / "p")["rows"] > 50
    back = facts("convert", tmp_path / "ours", "--to", "mamba-ssm", "--out", tmp_path / "back.safetensors")
    state = read_state(tmp_path / "back.safetensors")
    assert back["entries"] == {k: list(v.shape) for k, v in state.items()}
    assert all(np.array_equal(state[k], v) for k, v in state_of(made).items()) and len(state) == len(state_of(made))
    for args, words in (((), "expected --from"), (("--from", "onnx", "--head", "x"), "--head is about state dicts"),
                        (("--from", "mamba"), "unknown source 'mamba'"),
                        (("--from", "mamba-ssm"), r"missing 'encoder.…', the encoder: name it (--encoder)"),
                        (("--from", "mamba-ssm", *where, "--data", "simulated"), "11 access points; expected the model's 3"),
                        (("--from", "mdcsa", "--channels-first"), "are about ONNX graphs")):
        assert words in complaint("convert", tmp_path / "theirs.pt", *args, "--out", tmp_path / "none"), args
    said = complaint("convert", tmp_path / "walk.csv", "--from", "mdcsa", "--out", tmp_path / "none")
    assert "cut off or no safetensors" in said and not (tmp_path / "none").exists()


NO_NUMBERS: dict[str, list[tuple[str, Any]]] = {
    "info": [("rate_hz", math.nan), ("rate_hz", math.inf), ("rate_hz", 10**400), ("rate_hz", True), ("hop", True),
             ("hop", 1.5), ("window", "8")],
    "scaler": [("hold", math.nan), ("hold", -1), ("hold", True), ("hold", [1]), ("not_heard", "x"), ("not_heard", -math.inf),
               ("lo", True), ("hi", [-40.0] * 6 + [False]), ("hi", [[-40.0, -41.0], [-40.0]])],
}


def test_info_by_hand(tmp_path: Path) -> None:
    """Rooms, access points and scaler of a model whose data are not at hand, or that are told otherwise."""
    import json

    from test_cli import complaint, tinyloc

    write_state(state_of(mamba_ssm(crf=Crf())), tmp_path / "w.safetensors")
    given = {"rooms": list("abcde"), "aps": [f"ap{i}" for i in range(APS)], "window": 6, "hop": 2, "rate_hz": 5,
             "scaler": {"lo": -110, "hi": [-40 - i for i in range(APS)]}}
    convert = ("convert", tmp_path / "w.safetensors", "--from", "mamba-ssm", "--out", tmp_path / "m", "--info",
               tmp_path / "i")
    (tmp_path / "i").write_text(json.dumps(given))
    tinyloc(*convert)
    info = Model.load(tmp_path / "m").info
    assert info["scaler"] == {"lo": [-110.0] * APS, "hi": given["scaler"]["hi"], "hold": 1.0, "not_heard": -120.0}
    assert all(info[k] == given[k] for k in ("rooms", "aps", "window", "hop", "rate_hz"))
    for wrong, words in (({"rooms": list("abca")}, "expected a list of 5 different names"),
                         ({"window": 0}, "window = 0; expected"), ({"room": 1}, "did you mean 'rooms'"), ([1], "object"),
                         ({"scaler": {"lo": [1, 2], "hi": 3}}, "scaler of 7 access points"),
                         ({"scaler": 3}, "expected lo and hi"), ({"scaler": {"lo": 1, "hi": 0}}, "finite lo <= hi"),
                         *(({key: v}, f"{key} = {v!r}; expected a number, ") for key, v in NO_NUMBERS["info"]),
                         *(({"scaler": {"lo": -110, "hi": -40} | {key: v}},
                            f"scaler: {key} = {v!r}; expected a finite number") for key, v in NO_NUMBERS["scaler"])):
        (tmp_path / "i").write_text(json.dumps(wrong))
        assert words in complaint(*convert), wrong
    (tmp_path / "i").write_text("{")
    assert "no JSON file" in complaint(*convert)
