"""ONNX graphs (extra `onnx`) as nodes of our layers.

Operators that move numbers are run on addresses (`tinyloc.convert.trace`) by ONNX's reference implementation, and so is what
depends on constants alone.  A row of `SUPPORTED` says what becomes of one that computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.convert.graph import GraphConfig, GraphModel
from tinyloc.convert.trace import PADDING, Cannot, Tensor, Trace, finish
from tinyloc.errors import ConfigError, ModelError, first_line

MOVES = frozenset({"Concat", "Expand", "Flatten", "Gather", "Identity", "Pad", "Reshape", "Slice", "Split", "Squeeze",
                   "Transpose", "Unsqueeze"})
#: float, float16, double and bfloat16 by their numbers in ONNX.  The narrowest rounds by 1/512 of a number, and the int8
#: codes that come of all of them by 1/510 of a range.
FLOATS = frozenset({1, 10, 11, 16})
ACTIVATIONS = {"Elu": "elu", "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Erf": "erf"}
EPSILON = 1e-5  # of our norms
OLDEST = 7  # the first opset whose operators broadcast as NumPy does, and whose Dropout and BatchNormalization infer
Value = Any  # a Tensor, or a constant: np.ndarray


def _need() -> tuple[Any, Any]:
    try:
        import onnx
        from onnx.reference import ReferenceEvaluator
    except ImportError:
        raise ConfigError("reading ONNX needs the onnx package: pip install 'tinyloc[onnx]'") from None
    return onnx, ReferenceEvaluator


def read_onnx(path: str | Path, window: int | None = None, channels_first: bool = False,
              input_range: tuple[float, float] = (0.0, 1.0)) -> GraphModel:
    """The graph of an ONNX file whose one input is (b, t, a), or (b, a) for rows that stand alone, and whose first output is
    (b, t, c) or, of the last step alone, (b, c): emissions, or their softmax.

    window: rows, where the input's shape leaves that open.  channels_first: the input is (b, a, t).
    input_range: what the graph reads for scaled signals of 0 and of 1, such as (-120, 0) for one that reads dBm.
    Raises ModelError naming an operator that has no place among our layers, where it is, and what has.
    """
    onnx, evaluator = _need()
    try:
        proto = onnx.load(str(path))
        onnx.checker.check_model(proto)
    except Exception as e:  # of protobuf, of the checker, of the system
        raise ModelError(f"{path}: no ONNX model ({first_line(e)})") from None
    if (opset := _opset(proto)) < OLDEST:
        raise ModelError(f"{path}: operators of opset {opset}; expected {OLDEST} or newer")
    graph = proto.graph
    values: dict[str, Value] = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in values]
    if len(inputs) != 1:
        raise ModelError(f"{path}: inputs {', '.join(i.name for i in inputs) or 'none'}; expected one, of signals")
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    t, aps = _input_shape(path, inputs[0].name, shape, window, channels_first)
    trace = Trace()
    first = trace.add("input", (), t, aps).addresses[None]
    lo, hi = (float(v) for v in input_range)
    if not lo < hi:
        raise ConfigError(f"input range {lo:g} to {hi:g}; expected a lesser and a greater number")
    at = first[:, 0] if len(shape) == 2 else np.swapaxes(first, 1, 2) if channels_first else first
    values[inputs[0].name] = Tensor(at, hi - lo, lo)
    for number, node in enumerate(graph.node):
        where = f"{path}: node {number}, {node.op_type}{f' {node.name!r}' if node.name else ''}"
        try:
            found = _apply(trace, onnx, evaluator, proto, node, [values[n] if n else None for n in node.input])
            if any(isinstance(v, Tensor) and not v.at.size for v in found):
                raise Cannot("nothing is left of its input")
        except Cannot as e:
            raise ModelError(f"{where}: {e}. There are: {', '.join(sorted(SUPPORTED))}") from None
        except KeyError as e:
            raise ModelError(f"{where} reads {e}, which nothing before it makes") from None
        except (AttributeError, IndexError, TypeError, ValueError) as e:  # the checker does not look at shapes
            raise ModelError(f"{where}: its operands do not go together ({e})") from None
        values |= dict(zip(node.output, found, strict=False))
    output = values.get(graph.output[0].name)
    try:
        if not isinstance(output, Tensor):
            raise Cannot("it does not depend on the input")
        if not output.at.ndim:
            raise Cannot("one number")
        nodes, classes, steps, end = finish(trace, output)
    except Cannot as e:
        raise ModelError(f"{path}: output {graph.output[0].name!r}: {e}; expected emissions (b, t, c), or (b, c) of the "
                         "last step") from None
    info = {"name": "onnx", "converted": {"from": "onnx", "steps": steps, "output": end,
                                          "input_range": [lo, hi], "producer": proto.producer_name}}
    return GraphModel(GraphConfig(aps, classes, t), nodes, info)


def _input_shape(path: Any, name: str, shape: list[int], window: int | None, channels_first: bool) -> tuple[int, int]:
    if len(shape) not in (2, 3):
        raise ModelError(f"{path}: input {name!r} has {len(shape)} dimensions; expected (b, t, a) or (b, a)")
    if shape[0] > 1:
        raise ModelError(f"{path}: input {name!r} is a batch of {shape[0]}; expected one of 1, or of any size")
    own, aps = (1, shape[1]) if len(shape) == 2 else (shape[2], shape[1]) if channels_first else (shape[1], shape[2])
    if not aps:
        raise ModelError(f"{path}: input {name!r}: expected a number of access points in its shape, found {shape}")
    t = own or window
    if not t:
        raise ConfigError(f"{path}: input {name!r} may have any number of rows; say how many a window has (--window)")
    if window and window != t:
        raise ConfigError(f"{path}: input {name!r} has {t} rows; a window of {window} cannot be chosen")
    return t, aps


def _opset(proto: Any) -> int:
    return max((int(o.version) for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=1)


def _attributes(onnx: Any, proto: Any, node: Any) -> dict[str, Any]:
    """Those of an operator, by default what its version in the graph's opset has."""
    schema = onnx.defs.get_schema(node.op_type, _opset(proto))
    defaults = [a.default_value for a in schema.attributes.values() if a.default_value.type]
    return {a.name: onnx.helper.get_attribute_value(a) for a in (*defaults, *node.attribute)}


def _apply(trace: Trace, onnx: Any, evaluator: Any, proto: Any, node: Any, inputs: list[Value]) -> list[Value]:
    """Values of an operator's outputs."""
    if node.domain not in ("", "ai.onnx"):
        raise Cannot(f"an operator of {node.domain}")
    if not any(isinstance(v, Tensor) for v in inputs):
        return _reference(onnx, evaluator, proto, node, inputs)
    if node.op_type == "Shape":
        return _reference(onnx, evaluator, proto, node, [inputs[0].at])
    if node.op_type in MOVES:
        return _move(trace, onnx, evaluator, proto, node, inputs)
    if node.op_type not in SUPPORTED:
        raise Cannot("no layer does this")
    return [SUPPORTED[node.op_type](trace, _attributes(onnx, proto, node), inputs)]


def _reference(onnx: Any, evaluator: Any, proto: Any, node: Any, inputs: list[Any]) -> list[np.ndarray]:
    """The operator as ONNX's reference implementation has it."""
    names = {n: v for n, v in zip(node.input, inputs, strict=True) if n}
    some = onnx.helper.make_empty_tensor_value_info
    graph = onnx.helper.make_graph([node], "one", [some(n) for n in names], [some(n) for n in node.output])
    model = onnx.helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    try:
        return list(evaluator(model).run(None, {n: np.asarray(v) for n, v in names.items()}))
    except Exception as e:  # of a branch that reads the input, of padding that cuts off, of shapes
        raise Cannot(f"ONNX's reference implementation does not compute it ({first_line(e)})") from None


def _move(trace: Trace, onnx: Any, evaluator: Any, proto: Any, node: Any, inputs: list[Value]) -> list[Value]:
    """The same on addresses."""
    tensors = [v for v in inputs if isinstance(v, Tensor)]
    gain, shift = tensors[0].gain, tensors[0].shift
    values = list(inputs)
    if node.op_type == "Concat":
        if len(tensors) != len(inputs):
            raise Cannot("constants are brought in between")
        if any((v.gain, v.shift) != (gain, shift) for v in tensors):
            raise Cannot("parts that are scaled differently are brought together")
    elif not isinstance(inputs[0], Tensor) or len(tensors) > 1:
        raise Cannot("places that depend on the input")
    if node.op_type == "Pad":
        attrs = _attributes(onnx, proto, node)
        given = inputs[2] if len(inputs) > 2 and inputs[2] is not None else attrs.get("value", 0)
        if attrs["mode"] != b"constant" or np.any(given) or shift:
            raise Cannot("padding with something else than zeros")
        if "pads" in attrs:  # before opset 11
            node = onnx.helper.make_node("Pad", node.input, node.output, pads=attrs["pads"], value=float(PADDING))
        else:
            node, values = _padding(onnx, node), [*inputs[:2], np.asarray(PADDING, np.int64), *inputs[3:]]
    values = [v.at if isinstance(v, Tensor) else v for v in values]
    return [Tensor(trace.cut(np.asarray(v, np.int64)), gain, shift)
            for v in _reference(onnx, evaluator, proto, node, values)]


def _padding(onnx: Any, node: Any) -> Any:
    """A Pad that takes its value as its third input."""
    made = onnx.NodeProto()
    made.CopyFrom(node)
    del made.input[:]
    made.input.extend([*node.input[:2], "padding value", *node.input[3:]])
    return made


def _binary(op: str) -> Callable[[Trace, dict[str, Any], list[Value]], Tensor]:
    def apply(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
        a, b = inputs
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            if op in ("sub", "div"):
                if op == "div":
                    raise Cannot("no layer divides")
                b = replace(b, gain=-b.gain, shift=-b.shift)
            return trace.combine("mul" if op == "mul" else "add", a, b)
        if isinstance(a, Tensor):
            c = np.asarray(b, float)
            return trace.with_constant({"sub": "add", "div": "mul"}.get(op, op), a, -c if op == "sub" else
                                       1 / c if op == "div" else c)
        if op == "div":
            raise Cannot("no layer divides")
        if op == "sub":
            b = replace(b, gain=-b.gain, shift=-b.shift)
        return trace.with_constant("mul" if op == "mul" else "add", b, np.asarray(a, float))

    return apply


def _constant(value: Value, what: str) -> np.ndarray:
    if isinstance(value, Tensor):
        raise Cannot(f"{what} that depends on the input")
    return np.asarray(value, float)


def _matmul(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    a, b = inputs
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return trace.product(a, b)
    if not isinstance(a, Tensor):
        raise Cannot("a constant from the left mixes steps")
    if b.ndim != 2:
        raise Cannot(f"weights of {b.ndim} dimensions; expected 2")
    return trace.dense(a, np.asarray(b, float).T)


def _gemm(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    a, b = inputs[:2]
    if not isinstance(a, Tensor) or isinstance(b, Tensor):
        raise Cannot("expected the input from the left and weights from the right")
    w = np.asarray(b, float) * attrs["alpha"]
    a = replace(a, at=a.at.T) if attrs["transA"] else a
    y = trace.dense(a, w if attrs["transB"] else w.T)
    if len(inputs) > 2 and inputs[2] is not None:
        return trace.with_constant("add", y, _constant(inputs[2], "a bias") * attrs["beta"])
    return y


def _conv(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    x, w = inputs[0], _constant(inputs[1], "a kernel")
    if not isinstance(x, Tensor) or x.at.ndim != 3 or w.ndim != 3:
        raise Cannot("expected a convolution over one axis, time")
    if attrs["auto_pad"] not in (b"NOTSET", b"VALID"):
        raise Cannot(f"auto_pad {attrs['auto_pad'].decode()}; expected pads in numbers")
    bias = None if len(inputs) < 3 or inputs[2] is None else _constant(inputs[2], "a bias")
    (stride,), (dilation,) = attrs.get("strides", [1]), attrs.get("dilations", [1])
    return trace.convolve(x, w, bias, attrs["group"], stride, dilation, tuple(attrs.get("pads", [0, 0])))


def _norm(kind: str) -> Callable[[Trace, dict[str, Any], list[Value]], Tensor]:
    def apply(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
        x, weight = inputs[0], _constant(inputs[1], "a gain")
        if attrs["axis"] not in (-1, x.at.ndim - 1) or weight.ndim != 1:
            raise Cannot("expected a norm over the last axis alone")
        if abs(attrs["epsilon"] - EPSILON) > 1e-3 * EPSILON:
            raise Cannot(f"epsilon {attrs['epsilon']:g}; expected {EPSILON:g}")
        d = x.at.shape[-1]
        params = {"weight": np.broadcast_to(weight, d)}
        if kind == "layer_norm":
            given = len(inputs) > 2 and inputs[2] is not None
            params["bias"] = np.broadcast_to(_constant(inputs[2], "a bias"), d) if given else np.zeros(d)
        return trace.normalized(kind, x, params)

    return apply


def _batch_norm(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    if attrs.get("training_mode"):
        raise Cannot("it is exported for training; expected inference")
    gain, bias, mean, var = (_constant(v, "a statistic") for v in inputs[1:])
    gain = gain / np.sqrt(var + attrs["epsilon"])
    shape = (-1, *([1] * (inputs[0].at.ndim - 2)))
    y = trace.with_constant("mul", inputs[0], gain.reshape(shape))
    return trace.with_constant("add", y, (bias - mean * gain).reshape(shape))


def _softmax(kind: str) -> Callable[[Trace, dict[str, Any], list[Value]], Tensor]:
    def apply(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
        # Before opset 13 all axes from this one on are one; of the last axis that is the same.
        if attrs["axis"] not in (-1, inputs[0].at.ndim - 1):
            raise Cannot("expected a softmax over the last axis")
        return trace.normalized(kind, inputs[0], {})

    return apply


def _mean(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    x = inputs[0]
    axes = attrs.get("axes", inputs[1] if len(inputs) > 1 and inputs[1] is not None else [])
    axes = sorted(int(a) % x.at.ndim for a in np.asarray(axes).reshape(-1))
    keep, over = bool(attrs["keepdims"]), [a for a in axes if x.at.shape[a] > 1]
    if len(over) != 1:
        raise Cannot("expected a mean over the steps of a window alone")
    y = trace.mean(x, over[0])
    return y if keep else replace(y, at=np.squeeze(y.at, tuple(axes)))


def _pool(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    if inputs[0].at.ndim != 3:
        raise Cannot("expected a mean over one axis, time")
    return trace.mean(inputs[0], 2)


def _cast(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    if attrs["to"] not in FLOATS:
        raise Cannot("expected a cast to float, float16, bfloat16 or double")
    return inputs[0]


def _dropout(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
    if len(inputs) > 2 and np.any(inputs[2]):
        raise Cannot("it is exported for training; expected inference")
    return inputs[0]


def _activation(op: str) -> Callable[[Trace, dict[str, Any], list[Value]], Tensor]:
    def apply(trace: Trace, attrs: dict[str, Any], inputs: list[Value]) -> Tensor:
        if attrs.get("alpha", 1.0) != 1:
            raise Cannot(f"alpha {attrs['alpha']:g}; expected 1")
        if op == "Gelu":
            return trace.function("gelu" if attrs["approximate"] == b"tanh" else "gelu_erf", inputs[0])
        return trace.function("silu" if op == "Swish" else ACTIVATIONS[op], inputs[0])

    return apply


#: Operators that become layers; with those that move numbers, all that there are.
SUPPORTED: dict[str, Any] = {
    "Add": _binary("add"), "Sub": _binary("sub"), "Mul": _binary("mul"), "Div": _binary("div"), "MatMul": _matmul,
    "Gemm": _gemm, "Conv": _conv, "LayerNormalization": _norm("layer_norm"), "RMSNormalization": _norm("rms_norm"),
    "BatchNormalization": _batch_norm, "Softmax": _softmax("softmax"), "LogSoftmax": _softmax("log_softmax"),
    "ReduceMean": _mean, "GlobalAveragePool": _pool, "Cast": _cast, "Dropout": _dropout,
    **{op: _activation(op) for op in (*ACTIVATIONS, "Gelu", "Swish")}, **dict.fromkeys((*MOVES, "Shape"))}
