"""ONNX graphs as nodes of our layers, judged by ONNX Runtime; and that integers of them are the same on every backend."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="extra 'onnx' is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, the judge, is not installed (extra 'peers')")

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from tinyloc.convert import load
from tinyloc.convert.graph import GraphModel, load_model
from tinyloc.errors import ConfigError, ModelError
from tinyloc.quantize import quantize
from tinyloc.verify import audit, compare

T, APS, ROOMS = 12, 6, 5
CLOSE = {"rtol": 0, "atol": 1e-5}


def judge(path: Path, x: np.ndarray) -> np.ndarray:
    """The graph's first output for each window of x."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (name,) = (i.name for i in session.get_inputs())
    return np.concatenate([session.run(None, {name: w[None]})[0].reshape(-1, ROOMS)[None] for w in x])


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def check(path: Path, x: np.ndarray, kinds: set[str], **how: Any) -> GraphModel:
    """Emissions equal the judge's; integers are quantized of them, equal on all backends, and say much the same."""
    model = load(path, "onnx", **how)
    assert isinstance(model, GraphModel)
    lo, hi = how.get("input_range", (0, 1))
    real = x * np.float32(hi - lo) + np.float32(lo)
    expected = judge(path, np.swapaxes(real, 1, 2).copy() if how.get("channels_first") else real)
    emissions, _ = model.forward(x)
    end = model.info["converted"]["output"]
    said = {"emissions": lambda e: e, "softmax": softmax, "log_softmax": lambda e: np.log(softmax(e))}[end](emissions)
    np.testing.assert_allclose(said[:, -expected.shape[1] :], expected, **CLOSE)
    model.save(path.with_suffix(".safetensors"))
    again = load_model(path.with_suffix(".safetensors"))
    assert np.array_equal(again.forward(x)[0], emissions) and again.info == model.info
    graph = again.graph(model.config.window)
    assert {n.kind for n in graph} == {"input", "linear", "argmax"} | kinds, [n.kind for n in graph]
    program = quantize(again, x, "minmax")
    codes = program.buffers[program.input].quantize(x)
    assert compare(program, codes[:12], ("numba", "c", "arena")).equal and audit(program).best.ram > 0
    labels = compare(program, codes, ("c", "numba")).outputs[:, -1, 0]
    assert (labels == model.predict(x)).mean() >= 0.75
    return model


# ---- graphs written by hand: no PyTorch ----

def graph_of(path: Path, nodes: list[Any], weights: dict[str, np.ndarray], shape: tuple[Any, ...] = (1, T, APS),
             opset: int = 20, rank: int = 3) -> Path:
    """A file with an input x of that shape and an output y of that rank."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"y{i}" for i in range(rank)])
    made = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(np.asarray(
        w, np.asarray(w).dtype if np.asarray(w).dtype.kind in "ib" else np.float32), k) for k, w in weights.items()])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return path


def op(kind: str, inputs: str, output: str, **attrs: Any) -> Any:
    return helper.make_node(kind, inputs.split(), output.split(), **attrs)


rng = np.random.default_rng(0)
W1, B1, W2, B2 = (rng.normal(size=s) for s in ((APS, 8), 8, (8, ROOMS), ROOMS))
DENSE = {"w1": W1, "b1": B1, "w2": W2, "b2": B2}
BY_HAND: dict[str, tuple[list[Any], dict[str, np.ndarray], set[str], dict[str, Any]]] = {
    "gemm": ([op("Gemm", "x w1 b1", "h"), op("Relu", "h", "r"), op("Gemm", "r w2t b2", "y", transB=1, alpha=0.5, beta=2.0)],
             DENSE | {"w2t": W2.T}, {"relu"}, {"shape": (1, APS), "rank": 2}),
    "softmax end": ([op("MatMul", "x w1", "h"), op("Add", "b1 h", "s"), op("Tanh", "s", "t"), op("MatMul", "t w2", "l"),
                     op("Softmax", "l", "y")], DENSE, {"tanh"}, {}),
    "log softmax end": ([op("MatMul", "x w1", "h"), op("Elu", "h", "t"), op("MatMul", "t w2", "l"),
                         op("LogSoftmax", "l", "y")], DENSE, {"elu"}, {}),
    "scalars": ([op("Sub", "x half", "c"), op("Div", "c half", "d"), op("MatMul", "d w1", "h"), op("Mul", "h two", "m"),
                 op("Sigmoid", "m", "s"), op("Sub", "one s", "o"), op("MatMul", "o w2", "y")],
                DENSE | {"half": np.array(0.5), "two": np.array([2.0]), "one": np.array([[1.0]])}, {"sigmoid"}, {}),
    "silu of two": ([op("MatMul", "x w1", "h"), op("Sigmoid", "h", "s"), op("Mul", "s h", "m"), op("MatMul", "m w2", "y")],
                    DENSE, {"silu"}, {}),
    "gelu of five": ([op("MatMul", "x w1", "h"), op("Div", "h root", "d"), op("Erf", "d", "e"), op("Add", "e one", "p"),
                      op("Mul", "h p", "m"), op("Mul", "m half", "g"), op("MatMul", "g w2", "y")],
                     DENSE | {"root": np.sqrt(2.0), "one": np.array(1.0), "half": np.array(0.5)}, {"gelu_erf"}, {}),
    "gelu": ([op("MatMul", "x w1", "h"), op("Gelu", "h", "g", approximate="tanh"), op("MatMul", "g w2", "y")], DENSE,
             {"gelu"}, {}),
    "glu": ([op("MatMul", "x w1", "h"), op("Split", "h", "v g", axis=-1, num_outputs=2), op("Sigmoid", "g", "s"),
             op("Mul", "v s", "m"), op("MatMul", "m w3", "y")], DENSE | {"w3": W2[:4]}, {"sigmoid", "mul"}, {}),
    "batch norm, rms": ([op("Transpose", "x", "c", perm=[0, 2, 1]), op("Conv", "c k", "h", pads=[2, 0], kernel_shape=[3]),
                         op("BatchNormalization", "h g b mean var", "n"), op("Transpose", "n", "r", perm=[0, 2, 1]),
                         op("RMSNormalization", "r g", "q", axis=-1), op("MatMul", "q w2", "y")],
                        DENSE | {"k": rng.normal(size=(8, APS, 3)), "g": rng.uniform(0.5, 2, 8), "b": B1,
                                 "mean": rng.normal(size=8), "var": rng.uniform(0.5, 2, 8)}, {"conv1d", "rms_norm"},
                        {"opset": 23}),
    "mean over time": ([op("MatMul", "x w1", "h"), op("Relu", "h", "r"), op("ReduceMean", "r axes", "m", keepdims=0),
                        op("MatMul", "m w2", "y")], DENSE | {"axes": np.array([1])}, {"relu", "conv1d"}, {"rank": 2}),
    "flattened": ([op("MatMul", "x w1", "h"), op("Relu", "h", "r"), op("Flatten", "r", "f"), op("Gemm", "f w b2", "y")],
                  DENSE | {"w": rng.normal(size=(T * 8, ROOMS)) / 8}, {"relu", "conv1d"}, {"rank": 2}),
    "last step": ([op("MatMul", "x w1", "h"), op("Relu", "h", "r"), op("Gather", "r last", "l", axis=1),
                   op("MatMul", "l w2", "y")], DENSE | {"last": np.array(T - 1)}, {"relu"}, {"rank": 2}),
    "two ways": ([op("MatMul", "x w1", "h"), op("Relu", "h", "r"), op("Tanh", "h", "t"), op("Concat", "r t", "c", axis=2),
                  op("MatMul", "c w", "y")], DENSE | {"w": rng.normal(size=(16, ROOMS))}, {"relu", "tanh", "add"}, {}),
    "places": ([op("MatMul", "x w1", "h"), op("Add", "h places", "p"), op("Relu", "p", "r"), op("MatMul", "r w2", "y")],
               DENSE | {"places": rng.normal(size=(T, 8))}, {"add_constant", "relu"}, {}),
    "turned": ([op("MatMul", "x w1", "h"), op("Relu", "h", "r"), op("Transpose", "h", "a", perm=[0, 2, 1]),
                op("Transpose", "r", "b", perm=[0, 2, 1]), op("Mul", "a b", "m"), op("Transpose", "m", "t", perm=[0, 2, 1]),
                op("MatMul", "t w2", "y")], DENSE, {"relu", "mul"}, {}),
    "wider by nothing": ([op("MatMul", "x one", "h"), op("Tanh", "h", "t"), op("Add", "t zeros", "z"),
                          op("MatMul", "z w2", "l"), op("Mul", "ones l", "y")],
                         DENSE | {"one": W1[:, :1], "zeros": np.zeros((1, T, 8)), "ones": np.ones((1, T, 1))}, {"tanh"}, {}),
    "softmax of old": ([op("MatMul", "x w1", "h"), op("Cast", "h", "c", to=TensorProto.DOUBLE),
                        op("Softmax", "c", "p", axis=2), op("Cast", "p", "f", to=TensorProto.FLOAT),
                        op("MatMul", "f w2", "y")], DENSE, {"softmax"}, {"opset": 11}),
    "padding of old": ([op("Transpose", "x", "c", perm=[0, 2, 1]), op("Pad", "c", "p", pads=[0, 0, 2, 0, 0, 0], value=0.0),
                        op("Conv", "p k", "h"), op("Relu", "h", "r"), op("Transpose", "r", "t", perm=[0, 2, 1]),
                        op("Dropout", "t", "d"), op("MatMul", "d w2", "y")],
                       DENSE | {"k": rng.normal(size=(8, APS, 3))}, {"conv1d", "relu"}, {"opset": 10}),
    "any length": ([op("MatMul", "x w1", "h"), op("Relu", "h", "r"), op("MatMul", "r w2", "y")], DENSE, {"relu"},
                   {"shape": ("batch", "time", APS), "window": T}),
    "dBm": ([op("MatMul", "x w1", "h"), op("Mul", "h small", "s"), op("Tanh", "s", "t"), op("MatMul", "t w2", "y")],
            DENSE | {"small": np.array(0.01)}, {"tanh"}, {"input_range": (-120.0, -30.0)}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_graphs_by_hand(name: str, tmp_path: Path) -> None:
    nodes, weights, kinds, how = BY_HAND[name]
    path = graph_of(tmp_path / "g.onnx", nodes, weights, **{k: v for k, v in how.items() if k in ("shape", "opset", "rank")})
    x = np.random.default_rng(1).random((40, 1 if how.get("shape") == (1, APS) else T, APS), np.float32)
    if how.get("shape") == (1, APS):
        model = load(path, "onnx")
        assert isinstance(model, GraphModel)
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        expected = np.concatenate([session.run(None, {"x": w})[0] for w in x])
        np.testing.assert_allclose(model.forward(x)[0][:, 0], expected, **CLOSE)
        return
    check(path, x, kinds, **{k: v for k, v in how.items() if k in ("window", "input_range")})


def branches(read: str) -> Any:
    """An If whose both branches read that."""
    c = helper.make_tensor_value_info("c", TensorProto.FLOAT, None)
    branch = helper.make_graph([op("Identity", read, "c")], "branch", [], [c])
    return op("If", "cond", "c", then_branch=branch, else_branch=branch)


#: Additive attention's (T, 1) of the one step and (1, T) of the other.
CROSSED = [op("MatMul", "x u", "a"), op("MatMul", "x w", "c"), op("Transpose", "c", "b", perm=[0, 2, 1])]
CROSSING = {"u": W1[:, :1], "w": W1[:, 1:2]}
WRONG: list[tuple[list[Any], dict[str, Any], str]] = [
    ([op("MatMul", "x w1", "h"), op("LSTM", "h w1 w2", "y", name="rnn")], {},
     r"node 1, LSTM 'rnn': no layer does this. There are: Add,"),
    ([op("MatMul", "x w1", "h"), op("Div", "x x", "y")], {}, "no layer divides"),
    ([op("MatMul", "x w1", "h"), op("LayerNormalization", "h b1", "n", epsilon=1e-3), op("MatMul", "n w2", "y")], {},
     r"LayerNormalization: epsilon 0.001; expected 1e-05"),
    ([op("MatMul", "x w1", "h"), op("Elu", "h", "y", alpha=0.5)], {}, "alpha 0.5; expected 1"),
    ([op("MatMul", "x w1", "h"), op("Erf", "h", "y")], {}, "Erf outside of a GELU"),
    ([op("MatMul", "x w1", "h"), op("Softmax", "h", "y", axis=1)], {}, "softmax over the last axis"),
    ([op("MatMul", "x w1", "h"), op("ReduceMean", "h axes", "y")], {"axes": np.array([2])}, "export with opset 17 or newer"),
    ([op("Identity", "w1", "y")], {}, "output 'y': it does not depend on the input"),
    ([op("MatMul", "x w1", "h"), op("Gather", "h first", "y", axis=1)], {"first": np.array(0)},
     "steps 0 of 12; expected emissions"),
    ([op("MatMul", "x w1", "h"), op("Pad", "h pads value", "p"), op("MatMul", "p w2", "y")],
     {"pads": np.array([0, 1, 0, 0, 0, 0]), "value": np.array(1.0)}, "padding with something else than zeros"),
    ([op("MatMul", "x w1", "h"), op("Pad", "h pads", "p"), op("MatMul", "p w2", "y")],
     {"pads": np.array([0, 1, 0, 0, 0, 0])}, "padding is read by something else than a convolution"),
    ([op("Transpose", "x", "c", perm=[0, 2, 1]), op("Pad", "c pads", "p"), op("Add", "p half", "q"), op("Conv", "q k", "h"),
      op("Transpose", "h", "y", perm=[0, 2, 1])],
     {"pads": np.array([0, 0, 2, 0, 0, 0]), "half": np.array(0.5), "k": np.ones((ROOMS, APS, 3))},
     "node 2, Add: padding is read by something else than a convolution"),
    ([*CROSSED, op("Add", "a b", "e"), op("Softmax", "e", "p"), op("MatMul", "p x", "v"), op("MatMul", "v w1", "y")],
     CROSSING, "node 3, Add: numbers of several steps are brought into one row"),
    ([*CROSSED, op("Mul", "a b", "y")], CROSSING, "node 3, Mul: numbers of several steps are brought into one row"),
    ([op("MatMul", "x w1", "h"), op("Add", "h hole", "y")], {"hole": np.full(8, np.nan)}, "a constant that is not finite"),
    ([op("MatMul", "x w1", "h"), op("Cast", "h", "i", to=TensorProto.INT64), op("Cast", "i", "y", to=TensorProto.FLOAT)], {},
     "node 1, Cast: expected a cast to float, float16, bfloat16 or double"),
    ([op("Unsqueeze", "x one", "h"), op("GlobalAveragePool", "h", "p"), op("Flatten", "p", "y")], {"one": np.array([1])},
     "GlobalAveragePool: expected a mean over one axis, time"),
    ([op("Slice", "x none none", "s"), op("MatMul", "s w1", "y")], {"none": np.array([0])},
     "Slice: nothing is left of its input"),
    ([branches("x"), op("MatMul", "c w1", "y")], {"cond": np.array(True)},
     "node 0, If: ONNX's reference implementation does not compute it"),
    ([op("MatMul", "x w1", "h"), op("Pad", "h pads", "p"), op("MatMul", "p w2", "y")],
     {"pads": np.array([0, -1, 0, 0, 0, 0])},
     "node 1, Pad: ONNX's reference implementation does not compute it"),
    ([op("Transpose", "x", "c", perm=[0, 2, 1]), op("Conv", "c k", "h", pads=[2, 2]),
      op("Transpose", "h", "y", perm=[0, 2, 1])], {"k": np.ones((ROOMS, APS, 3))}, "output 'y': 14 steps of a window of 12"),
    ([op("MatMul", "x w2", "y")], {}, "node 0, MatMul: its operands do not go together"),
    ([op("MatMul", "x w1", "h"), op("BatchNormalization", "h b1 b1 b1 b1", "y m v", training_mode=1)], {},
     "exported for training"),
    ([op("MatMul", "x w1", "h"), op("Dropout", "h half yes", "y")], {"half": np.array(0.5), "yes": np.array(True)},
     "exported for training"),
]
OLDER: list[tuple[int, list[Any], dict[str, Any], str]] = [
    (12, [op("MatMul", "x w1", "h"), op("Softmax", "h", "y")], {}, "Softmax: expected a softmax over the last axis"),
    (12, [op("MatMul", "x w1", "h"), op("LogSoftmax", "h", "y")], {}, "LogSoftmax: expected a softmax over the last axis"),
    (10, [op("MatMul", "x w1", "h"), op("Pad", "h", "y", pads=[0, 1, 0, 0, 0, 0], value=0.5)], {},
     "something else than zeros"),
    (6, [op("MatMul", "x w1", "y")], {}, "operators of opset 6; expected 7 or newer"),
]


@pytest.mark.parametrize(("opset", "nodes", "more", "words"), [*((20, *row) for row in WRONG), *OLDER])
def test_what_has_no_place_is_named(opset: int, nodes: list[Any], more: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = graph_of(tmp_path / "g.onnx", nodes, DENSE | more, opset=opset)
    with pytest.raises(ModelError, match=words):
        load(path, "onnx")


def test_bad_files_and_options(tmp_path: Path) -> None:
    nodes = BY_HAND["any length"][0]
    path = graph_of(tmp_path / "g.onnx", nodes, DENSE, ("b", "t", APS))
    fixed = graph_of(tmp_path / "f.onnx", nodes, DENSE)
    batch = graph_of(tmp_path / "b.onnx", nodes, DENSE, (4, T, APS))
    (tmp_path / "no.onnx").write_bytes(b"\x08nonsense")
    for file, how, words in ((path, {}, "say how many a window has"), (fixed, {"window": 5}, "has 12 rows; a window of 5"),
                             (path, {"window": 4, "input_range": (1.0, 1.0)}, "input range 1 to 1")):
        with pytest.raises(ConfigError, match=words):
            load(file, "onnx", **how)
    for file, words in ((batch, "a batch of 4"), (tmp_path / "no.onnx", "no ONNX model"),
                        (tmp_path / "absent.onnx", "no ONNX model")):
        with pytest.raises(ModelError, match=words):
            load(file, "onnx")
    with pytest.raises(ConfigError, match="unknown source 'tflite'"):
        load(path, "tflite")
    model = load(fixed, "onnx")
    with pytest.raises(ModelError, match="read for windows of 12 rows, not 4"):
        model.graph(4)


# ---- graphs as PyTorch exports them ----

def modules() -> dict[str, tuple[Callable[[], Any], set[str], dict[str, Any]]]:
    """name: (module, kinds of layers, options)."""
    torch = pytest.importorskip("torch", reason="extra 'torch' is not installed")
    nn, f = torch.nn, torch.nn.functional

    class Transformer(nn.Module):
        def __init__(self, heads: int, **how: Any) -> None:
            super().__init__()
            self.encoder, self.head = nn.Linear(APS, 8), nn.Linear(8, ROOMS)
            layer = nn.TransformerEncoderLayer(8, heads, 16, batch_first=True, **how)
            self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.register_buffer("places", torch.randn(T, 8))

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(self.encoder(x) + self.places))

    class Causal(nn.Module):
        """A causal convolution padded on both sides, whose end is cut off, and a depthwise one padded on the left."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(APS, 8, 3, padding=2), nn.Conv1d(8, 8, 4, groups=8)
            self.c, self.head = nn.Conv1d(8, 8, 1), nn.Linear(8, ROOMS)

        def forward(self, x: Any) -> Any:
            y = f.relu(self.a(x.transpose(1, 2))[..., : x.shape[1]])
            y = y + f.silu(self.c(self.b(f.pad(y, (3, 0)))))
            return self.head(y.transpose(1, 2))

    def mdcsa() -> Any:
        from test_convert import MdcsaOfTheAuthors

        made = MdcsaOfTheAuthors(8)
        made.rssi_encoder, made.hidden2loc = nn.Linear(APS, 8), nn.Linear(8, ROOMS)
        return made

    conv = nn.Sequential
    attention = {"attention", "layer_norm", "add", "add_constant"}
    return {
        "mlp": (lambda: conv(nn.Linear(APS, 16), nn.Tanh(), nn.Linear(16, 8), nn.ELU(), nn.Linear(8, ROOMS)),
                {"tanh", "elu"}, {}),
        "one head": (lambda: Transformer(1), attention | {"relu"}, {}),
        "two heads, GELU": (lambda: Transformer(2, activation="gelu"), attention | {"gelu_erf"}, {}),
        "four heads, norm first, no bias": (lambda: Transformer(4, norm_first=True, bias=False), attention | {"relu"}, {}),
        "causal convolutions": (Causal, {"conv1d", "depthwise_conv1d", "relu", "silu", "add"}, {}),
        "channels first, mean": (lambda: conv(nn.Conv1d(APS, 8, 3, padding=1, stride=2), nn.BatchNorm1d(8), nn.ReLU(),
                                              nn.Conv1d(8, 8, 2, groups=2, dilation=2), nn.GELU(), nn.AdaptiveAvgPool1d(1),
                                              nn.Flatten(), nn.Linear(8, ROOMS)), {"conv1d", "relu", "gelu_erf"},
                                 {"channels_first": True}),
        "MDCSA of its authors": (mdcsa, attention | {"conv1d", "tanh", "elu", "sigmoid", "mul", "interleave"}, {}),
    }


NAMES = ("mlp", "one head", "two heads, GELU", "four heads, norm first, no bias", "causal convolutions",
         "channels first, mean", "MDCSA of its authors")


@pytest.mark.parametrize("exporter", ["torchscript", pytest.param("dynamo", marks=pytest.mark.level2)])
@pytest.mark.parametrize("name", NAMES)
def test_exported_graphs(name: str, exporter: str, tmp_path: Path) -> None:
    table = modules()
    import torch

    if exporter == "dynamo":
        pytest.importorskip("onnxscript", reason="onnxscript, which PyTorch exports with, is not installed")
    assert set(table) == set(NAMES)
    make, kinds, how = table[name]
    torch.manual_seed(4)
    module = make()
    with torch.no_grad():
        for p in module.parameters():
            if p.ndim == 1:
                p += torch.randn_like(p) / 5
    x = torch.rand(1, T, APS)
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x.transpose(1, 2) if how else x,), str(path), dynamo=exporter == "dynamo",
                          verbose=False)
    check(path, np.random.default_rng(2).random((40, T, APS), np.float32), kinds, **how)


def test_command(tmp_path: Path) -> None:
    """From an ONNX graph that reads dBm to a Program: calibrated, trained on, verified."""
    from test_cli import COLUMNS, complaint, facts, tinyloc, walk

    walk(tmp_path / "walk.csv", 400)
    sizes = {"w1": rng.normal(size=(3, 8)) / 100, "w2": rng.normal(size=(8, 2)), "b1": B1}
    nodes = [op("MatMul", "x w1", "h"), op("Add", "h b1", "a"), op("Gelu", "a", "g"), op("MatMul", "g w2", "y")]
    path = graph_of(tmp_path / "m.onnx", nodes, sizes, ("b", "t", 3))
    data = ("--data", tmp_path / "walk.csv", *COLUMNS)
    found = facts("convert", path, "--from", "onnx", "--input-range", "-120", "-30", *data, "--out", tmp_path / "g")
    assert (found["family"], found["parameters"]) == ("graph", 3 * 8 + 8 + 8 * 2 + 2), "nothing but what is computed with"
    assert found["test"]["f1"].keys() == {"kitchen", "hall"}
    assert load_model(tmp_path / "g").info["scaler"]["lo"] == [-120.0] * 3
    tinyloc("quantize", tmp_path / "g", "--out", tmp_path / "p")
    made = facts("quantize", tmp_path / "g", "--qat", "--epochs", "3", "--out", tmp_path / "q")
    assert made["qat"]["epochs"] == 3
    for name in "pq":
        assert facts("verify", tmp_path / name)["equal"] and facts("audit", tmp_path / name)["proved_by_running"]
    assert "expected a tinyloc-model file" in complaint("prune", tmp_path / "g", "--state", "1", "--out", tmp_path / "none")
    mean = op("ReduceMean", "g axes", "l", keepdims=0)
    last = graph_of(tmp_path / "l.onnx", [*nodes[:3], mean, op("MatMul", "l w2", "y")], sizes | {"axes": np.array([1])},
                    (1, 8, 3), rank=2)
    tinyloc("convert", last, "--from", "onnx", *data, "--out", tmp_path / "l")
    tinyloc("quantize", tmp_path / "l", "--out", tmp_path / "l8")
    assert "for the last one alone" in complaint("quantize", tmp_path / "l", "--qat", "--out", tmp_path / "lq")
    # Firmware takes one label of a window as well.
    assert facts("run", tmp_path / "l8", "--unknown")["rows"] == facts("run", tmp_path / "l8")["rows"]
    told = tinyloc("export", tmp_path / "l8", "--out", tmp_path / "fw").stdout.partition("self-test: ")[2]
    if shutil.which(os.environ.get("CC", "cc")):
        said = subprocess.run(["sh", "-c", told], cwd=tmp_path, capture_output=True, text=True)
        assert said.returncode == 0 and "PASS" in said.stdout, said.stdout + said.stderr
    for module in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    assert facts("audit", tmp_path / "l8", "--measured")["measured"]["fits"]


# ---- graphs at random ----

def random_graph(seed: int) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Up to eight parts, each of them of (1, T, d) and to it, between a first and a last dense layer."""
    r = np.random.default_rng([seed, 0x0A])
    d = int(r.choice((4, 6, 8)))
    nodes: list[Any] = []
    weights: dict[str, np.ndarray] = {}

    def name() -> str:
        return f"n{len(nodes)}"

    def add(kind: str, *inputs: str, **attrs: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [out := name()], **attrs))
        return out

    def const(value: Any, integers: bool = False) -> str:
        weights[key := f"c{len(weights)}"] = np.asarray(value, np.int64 if integers else np.float32)
        return key

    def dense(x: str, n: int, k: int) -> str:
        y = add("MatMul", x, const(r.normal(size=(k, n)) / np.sqrt(k)))
        return add("Add", *((y, const(r.normal(size=n))) if r.random() < 0.5 else (const(r.normal(size=n)), y)))

    def turned(x: str) -> str:
        return add("Transpose", x, perm=[0, 2, 1])

    def activation(x: str) -> str:
        return add(str(r.choice(["Relu", "Tanh", "Sigmoid", "Elu", "Gelu"])), x)

    def gate(x: str) -> str:
        y = dense(x, 2 * d, d)
        a, b = (add("Slice", y, const([s * d], True), const([s * d + d], True), const([-1], True)) for s in (0, 1))
        return add("Mul", a, add("Sigmoid", b))

    def convolution(x: str) -> str:
        k, groups = int(r.integers(1, 4)), int(r.choice([g for g in (1, 2, d) if d % g == 0]))
        w = const(r.normal(size=(d, d // groups, k)) / np.sqrt(k * d // groups))
        left = k - 1 if r.random() < 0.5 else int(r.integers(0, k))
        y = add("Conv", turned(x), w, const(r.normal(size=d)), pads=[left, k - 1 - left], group=groups, kernel_shape=[k])
        return turned(y)

    def attention(x: str) -> str:
        heads = int(r.choice((1, 2)))
        e = d // heads

        def split(y: str) -> str:
            return add("Transpose", add("Reshape", y, const([1, T, heads, e], True)), perm=[0, 2, 1, 3])

        q, k, v = (split(dense(x, d, d)) for _ in range(3))
        scores = add("MatMul", q, add("Transpose", k, perm=[0, 1, 3, 2]))
        scale = np.sqrt(e) * float(r.choice((1, 2)))  # of two, one that is no attention of ours
        p = add("Softmax", add("Div", scores, const(scale)), axis=-1)
        return add("Reshape", add("Transpose", add("MatMul", p, v), perm=[0, 2, 1, 3]), const([1, T, d], True))

    def norm(x: str) -> str:
        return add("LayerNormalization", x, const(r.normal(size=d)), const(r.normal(size=d)), axis=-1)

    def scaled(x: str) -> str:
        return add("Sub", add("Mul", const(r.uniform(0.5, 2)), x), const(r.normal(size=d if r.random() < 0.5 else (T, d))))

    def shuffled(x: str) -> str:
        return add("Gather", x, const(r.permutation(d), True), axis=2)

    def twice(x: str) -> str:
        return dense(add("Concat", x, activation(x), axis=2), d, 2 * d)

    def widened(x: str) -> str:
        """From one channel to d, by a constant that changes no number."""
        shape = [(d,), (T, d), (1, T, d)][r.integers(3)]
        kind, neutral = (("Add", np.zeros), ("Mul", np.ones))[r.integers(2)]
        return add("Add", x, add(kind, *r.permutation([activation(dense(x, 1, d)), const(neutral(shape))])))

    def crossed(x: str) -> str:
        """Of scores (T, T), with others or (T, 1), the sum or product: half of the time of one and the other's transpose."""
        def scores() -> str:
            return add("MatMul", dense(x, d, d), turned(dense(x, d, d)))

        a, b = scores() if r.random() < 0.5 else dense(x, 1, d), scores()
        way = [(str, str, str), (turned, turned, turned), (str, turned, str), (turned, str, turned)][r.integers(4)]
        whole = way[2](add(str(r.choice(["Add", "Mul"])), way[0](a), way[1](b)))
        return add("MatMul", add("Tanh", whole), x)

    parts = (activation, gate, convolution, attention, norm, scaled, shuffled, twice, widened, crossed)
    x = dense("x", d, APS)
    for part in r.choice(np.array(parts, object), int(r.integers(1, 9))):
        y = part(x)
        x = add("Add", x, y) if r.random() < 0.3 else y
    dense(x, ROOMS, d)
    nodes[-1].output[0] = "y"
    return nodes, weights


def test_graphs_at_random(tmp_path: Path, level: int) -> None:
    """Emissions as ONNX Runtime has them, relative to their size: what cancels in them has a rounding before.  What is
    crossed with its own transpose has no layer."""
    seen: set[str] = set()
    refused = 0
    x = np.random.default_rng(3).random((6, T, APS), np.float32)
    for seed in range(60 if level == 1 else 1000):
        path = graph_of(tmp_path / "g.onnx", *random_graph(seed))
        try:
            model = load(path, "onnx")
        except ModelError as e:
            assert re.search("(Add|Mul): numbers of several steps are brought into one row", str(e)), f"seed {seed}: {e}"
            refused += 1
            continue
        expected = judge(path, x)
        np.testing.assert_allclose(model.forward(x)[0], expected, rtol=0, atol=2e-5 * max(1, np.abs(expected).max()),
                                   err_msg=f"seed {seed}")
        seen |= {n.kind for n in model.graph(T)}
        if seed % 10 == 0:
            program = quantize(model, x, "minmax")
            assert compare(program, program.buffers[program.input].quantize(x), ("numba", "c", "arena")).equal, seed
    assert {"attention", "matmul", "softmax", "conv1d", "depthwise_conv1d", "layer_norm", "add_constant", "mul"} <= seen
    assert refused < seed / 4
