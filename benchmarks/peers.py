"""The graph of a transformer's Program for others' runtimes: TensorFlow Lite's flatbuffer and ONNX in QDQ form, int8.

Weights, scales and zero points are the Program's own.  A layer norm is the ops that these formats have instead of one:
mean, subtraction, square, mean, addition of eps, reciprocal square root, two products and a sum in TensorFlow Lite;
`norms=False` leaves it out, which favors the peer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyloc.kernels.table import OPS
from tinyloc.program import Program


def _real(mult: Any, shift: Any) -> np.ndarray:
    return np.asarray(mult, np.float64) * np.exp2(np.asarray(shift, np.float64) - 31)


def named(program: Program) -> list[tuple[str, dict[str, Any]]]:
    """(op, arguments by name) of each step."""
    return [(s.op, dict(zip((p.name for p in OPS[s.op].params), s.args, strict=True))) for s in program.steps]


def dense(program: Program, a: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int8 weights (n, k), their scales (n,) or (1,), and the int32 bias (n,) without the zero point's part."""
    x, y = program.buffers[a["x"]], program.buffers[a["y"]]
    w = program.data[a["w"]].reshape(a["n"], a["k"])
    scale = _real(program.data[a["mult"]], program.data[a["shift"]]) * y.scale / x.scale
    bias = np.broadcast_to(program.data[a["bias"]], a["n"]) + x.zero_point * w.astype(np.int64).sum(1)
    return w, scale.astype(np.float32), bias.astype(np.int32)


class Flatbuffer:
    """A TensorFlow Lite model in the making; `schema` is the module of its classes."""

    def __init__(self, schema: Any) -> None:
        self.schema, self.model, self.graph = schema, schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.buffers, self.model.operatorCodes = 3, [schema.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []
        self.codes: dict[str, int] = {}

    def tensor(self, shape: tuple[int, ...], scale: Any, zero: int = 0, data: np.ndarray | None = None) -> int:
        """Index of a new tensor, int8 unless it has data of another type."""
        s, t = self.schema, self.schema.TensorT()
        kind = np.dtype("int8") if data is None else data.dtype
        t.name, t.shape, t.type = f"t{len(self.graph.tensors)}", list(shape), getattr(s.TensorType, kind.name.upper())
        if scale is not None:
            t.quantization = s.QuantizationParametersT()
            t.quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
            t.quantization.zeroPoint = np.full(t.quantization.scale.size, zero, np.int64)
            t.quantization.quantizedDimension = 0
        if data is not None:
            buffer = s.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def op(self, code: str, inputs: list[int], outputs: list[int], options: str = "", **fields: Any) -> int:
        """Adds an operator; its first output."""
        s, made = self.schema, self.schema.OperatorT()
        if code not in self.codes:
            kind = s.OperatorCodeT()
            kind.builtinCode = getattr(s.BuiltinOperator, code)
            kind.deprecatedBuiltinCode, kind.version = min(kind.builtinCode, 127), 1
            self.codes[code] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(kind)
        made.opcodeIndex = self.codes[code]
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            made.builtinOptions = getattr(s, options + "T")()
            made.builtinOptionsType = getattr(s.BuiltinOptions, options)
            for name, value in fields.items():
                setattr(made.builtinOptions, name, value)
        self.graph.operators.append(made)
        return outputs[0]

    def finish(self, x: list[int], y: list[int]) -> bytes:
        """The model's bytes."""
        import flatbuffers

        self.graph.inputs, self.graph.outputs = np.array(x, np.int32), np.array(y, np.int32)
        self.model.subgraphs = [self.graph]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def tflite(program: Program, schema: Any, norms: bool = True) -> bytes:
    """The transformer's Program as a TensorFlow Lite model of its input's shape."""
    f, b = Flatbuffer(schema), program.buffers
    alias: dict[str, str] = {}
    index: dict[str, int] = {}

    def find(name: str) -> int:
        name = alias.get(name, name)
        if name not in index:
            index[name] = f.tensor(b[name].shape, b[name].scale, b[name].zero_point)
        return index[name]

    x = find(program.input)
    for op, a in named(program):
        if op == "linear_s8":
            w, scale, bias = dense(program, a)
            f.op("FULLY_CONNECTED", [find(a["x"]), f.tensor(w.shape, scale, 0, w),
                                     f.tensor(bias.shape, scale * b[a["x"]].scale, 0, bias)], [find(a["y"])],
                 "FullyConnectedOptions")
        elif op == "attention_s8":
            q, k = b[a["q"]], b[a["k"]]
            t = (q.shape[0], k.shape[0])
            s_scale = q.scale * k.scale / float(_real(a["s_mult"], a["s_shift"]))
            scores = f.tensor(t, s_scale, a["s_zp"])
            # The factor 1/sqrt(d) is in the scores' scale: a softmax of real scores takes it as they stand.
            f.op("BATCH_MATMUL", [find(a["q"]), find(a["k"])], [scores], "BatchMatMulOptions", adjY=True)
            weights = f.op("SOFTMAX", [scores], [f.tensor(t, 1 / 256, -128)], "SoftmaxOptions", beta=q.shape[1] ** -0.5)
            f.op("BATCH_MATMUL", [weights, find(a["v"])], [find(a["y"])], "BatchMatMulOptions")
        elif op == "add_s8":
            f.op("ADD", [find(a["a"]), find(a["b"])], [find(a["y"])], "AddOptions")
        elif op == "table_s8":  # a ReLU
            f.op("RELU", [find(a["x"])], [find(a["y"])])
        elif op == "layer_norm_s8" and norms:
            _layer_norm(f, program, a, find)
        elif op == "layer_norm_s8":
            alias[a["y"]] = a["x"]
        else:
            raise ValueError(f"no counterpart of {op}")
    return f.finish([x], [find(program.output)])


def _layer_norm(f: Flatbuffer, program: Program, a: dict[str, Any], find: Any) -> None:
    x, y = program.buffers[a["x"]], program.buffers[a["y"]]
    t, d = x.shape
    axis = f.tensor((1,), None, 0, np.array([1], np.int32))
    spread = x.scale * 128 / 3  # one standard deviation, about; codes then reach three
    mean = f.op("MEAN", [find(a["x"]), axis], [f.tensor((t, 1), x.scale, x.zero_point)], "ReducerOptions", keepDims=True)
    v = f.op("SUB", [find(a["x"]), mean], [f.tensor((t, d), x.scale, 0)], "SubOptions")
    square = f.op("MUL", [v, v], [f.tensor((t, d), 9 * spread**2 / 255, -128)], "MulOptions")
    variance = f.op("MEAN", [square, axis], [f.tensor((t, 1), 3 * spread**2 / 255, -128)], "ReducerOptions", keepDims=True)
    root = f.op("RSQRT", [variance], [f.tensor((t, 1), 8 / spread / 255, -128)])
    unit = f.op("MUL", [v, root], [f.tensor((t, d), 4 / 127, 0)], "MulOptions")
    gain = f.tensor((1, d), 1 / 127, 0, np.full((1, d), 127, np.int8))
    scaled = f.op("MUL", [unit, gain], [f.tensor((t, d), 4 / 127, 0)], "MulOptions")
    shift = f.tensor((1, d), 1 / 127, 0, np.zeros((1, d), np.int8))
    f.op("ADD", [scaled, shift], [find(a["y"])], "AddOptions")
    assert y.shape == (t, d)


def mamba_tflite(program: Program, schema: Any) -> bytes:
    """A Mamba's Program in TensorFlow Lite's ops, for its time alone: shapes are the Program's, and what TensorFlow Lite
    lacks is something as cheap.  All that a scan can do for all steps at once is one op each, so that a step of time costs a
    product and a sum; the softplus is a logistic function, the decoder the index of the greatest logit."""
    f, b, index = Flatbuffer(schema), program.buffers, {}

    def find(name: str) -> int:
        if name not in index:
            index[name] = new(b[name].shape)
        return index[name]

    def new(shape: tuple[int, ...], scale: float = 0.05, zero: int = 0) -> int:
        return f.tensor(shape, scale, zero)

    def constant(*shape: int) -> int:
        return f.tensor(shape, 0.01, 0, np.full(shape, 50, np.int8))

    def numbers(*values: int) -> int:
        return f.tensor((len(values),), None, 0, np.array(values, np.int32))

    def reshape(x: int, *shape: int, to: int | None = None) -> int:
        y = new(shape) if to is None else to
        return f.op("RESHAPE", [x, numbers(*shape)], [y], "ReshapeOptions", newShape=list(shape))

    def pointwise(code: str, x: int, y: int, shape: tuple[int, ...], to: int | None = None) -> int:
        return f.op(code, [x, y], [new(shape) if to is None else to], code.title() + "Options")

    for op, a in named(program):
        if op in ("linear_s8", "linear_s8_s16"):
            n, k = a["n"], a["k"]
            f.op("FULLY_CONNECTED", [find(a["x"]), constant(n, k), f.tensor((n,), 0.0005, 0, np.zeros(n, np.int32))],
                 [find(a["y"])], "FullyConnectedOptions")
        elif op == "rms_norm_s8":
            shape = b[a["x"]].shape
            square = pointwise("MUL", find(a["x"]), find(a["x"]), shape)
            mean = f.op("MEAN", [square, numbers(1)], [new((shape[0], 1), 0.05, -128)], "ReducerOptions", keepDims=True)
            root = f.op("RSQRT", [mean], [new((shape[0], 1), 0.05, -128)])
            unit = pointwise("MUL", find(a["x"]), root, shape)
            pointwise("MUL", unit, constant(1, shape[1]), shape, find(a["y"]))
        elif op == "depthwise_conv_s8":
            t, d, k = a["t"], a["d"], a["k"]
            pads = f.tensor((4, 2), None, 0, np.array([[0, 0], [k - 1, 0], [0, 0], [0, 0]], np.int32))
            wide = f.op("PAD", [reshape(find(a["x"]), 1, t, 1, d), pads], [new((1, t + k - 1, 1, d))], "PadOptions")
            bias = f.tensor((d,), 0.0005, 0, np.zeros(d, np.int32))
            y = f.op("DEPTHWISE_CONV_2D", [wide, constant(1, k, 1, d), bias], [new((1, t, 1, d))],
                     "DepthwiseConv2DOptions", strideW=1, strideH=1, depthMultiplier=1, padding=1, dilationWFactor=1,
                     dilationHFactor=1)
            reshape(y, t, d, to=find(a["y"]))
        elif op in ("table_s8", "table_s8_u16"):
            shape = b[a["x"]].shape
            gate = f.op("LOGISTIC", [find(a["x"])], [f.tensor(shape, 1 / 256, -128)])
            if op == "table_s8":  # SiLU
                pointwise("MUL", find(a["x"]), gate, shape, find(a["y"]))
            else:
                index[a["y"]] = gate
        elif op == "scan_s8":
            t, e, n = a["t"], a["e"], a["n"]
            x, dt = find(a["x"]), find(a["dt"])
            rate = pointwise("MUL", reshape(dt, t, e, 1), constant(1, e, n), (t, e, n))
            decay = f.op("EXP", [rate], [new((t, e, n), 1 / 256, -128)], "ExpOptions")
            scaled = reshape(pointwise("MUL", dt, x, (t, e)), t, e, 1)
            drive = pointwise("MUL", scaled, reshape(find(a["b"]), t, 1, n), (t, e, n))
            decays, drives = ([f.tensor((e, n), *q) for _ in range(t)] for q in ((1 / 256, -128), (0.05, 0)))
            f.op("UNPACK", [decay], decays, "UnpackOptions", num=t, axis=0)
            f.op("UNPACK", [drive], drives, "UnpackOptions", num=t, axis=0)
            states = [drives[0]]
            for i in range(1, t):
                states.append(pointwise("ADD", pointwise("MUL", decays[i], states[-1], (e, n)), drives[i], (e, n)))
            every = f.op("PACK", states, [new((t, e, n))], "PackOptions", valuesCount=t, axis=0)
            y = f.op("BATCH_MATMUL", [every, reshape(find(a["c"]), t, n, 1)], [new((t, e, 1))], "BatchMatMulOptions")
            skipped = pointwise("MUL", x, constant(1, e), (t, e))
            pointwise("ADD", reshape(y, t, e), skipped, (t, e), find(a["y"]))
        elif op in ("add_s8", "mul_s8"):
            pointwise(op[:3].upper(), find(a["a"]), find(a["b"]), b[a["y"]].shape, find(a["y"]))
        elif op == "viterbi_s16":
            best = f.tensor((a["t"],), None, 0, None)
            f.graph.tensors[best].type = schema.TensorType.INT32
            f.op("ARG_MAX", [find(a["x"]), numbers(1)], [best], "ArgMaxOptions", outputType=schema.TensorType.INT32)
            return f.finish([index[program.input]], [best])
        else:
            raise ValueError(f"no counterpart of {op}")
    return f.finish([index[program.input]], [find(program.output)])


def onnx_model(program: Program) -> bytes:
    """The same graph in ONNX, every tensor quantized and dequantized, layer norms as the one op that ONNX has."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    b, nodes, constants = program.buffers, [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def quantized(name: str, scale: float, zero: int) -> str:
        """The real tensor `name` through int8 and back."""
        s = constant(name + ".scale", np.float32(scale))
        z = constant(name + ".zero", np.int8(zero))
        nodes.append(helper.make_node("QuantizeLinear", [name, s, z], [name + ".q"]))
        nodes.append(helper.make_node("DequantizeLinear", [name + ".q", s, z], [name + ".dq"]))
        return name + ".dq"

    def put(kind: str, inputs: list[str], name: str, scale: float, zero: int, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return quantized(name, scale, zero)

    first = b[program.input]
    s, z = constant("x.scale", np.float32(first.scale)), constant("x.zero", np.int8(first.zero_point))
    nodes.append(helper.make_node("DequantizeLinear", ["input", s, z], ["input.dq"]))
    real = {program.input: "input.dq"}
    for op, a in named(program):
        y = b[a["y"]]
        out = (a["y"], y.scale, y.zero_point)
        if op == "linear_s8":
            w, scale, bias = dense(program, a)
            scale = np.broadcast_to(scale, len(w)).astype(np.float32)
            ws, wz = constant(out[0] + ".ws", scale), constant(out[0] + ".wz", np.zeros(len(w), np.int8))
            constant(out[0] + ".w", np.ascontiguousarray(w.T))
            nodes.append(helper.make_node("DequantizeLinear", [out[0] + ".w", ws, wz], [out[0] + ".wr"], axis=1))
            c = constant(out[0] + ".b", (bias * scale * b[a["x"]].scale).astype(np.float32))
            nodes.append(helper.make_node("MatMul", [real[a["x"]], out[0] + ".wr"], [out[0] + ".p"]))
            real[a["y"]] = put("Add", [quantized(out[0] + ".p", y.scale, y.zero_point), c], *out)
        elif op == "attention_s8":
            q, k = b[a["q"]], b[a["k"]]
            s_scale = q.scale * k.scale / float(_real(a["s_mult"], a["s_shift"]))
            nodes.append(helper.make_node("Transpose", [real[a["k"]]], ["kt"], perm=[1, 0]))
            scores = put("MatMul", [real[a["q"]], quantized("kt", k.scale, k.zero_point)], "scores", s_scale, a["s_zp"])
            root = constant("root", np.float32(q.shape[1] ** -0.5))
            scores = put("Mul", [scores, root], "scaled", s_scale * q.shape[1] ** -0.5, a["s_zp"])
            weights = put("Softmax", [scores], "weights", 1 / 256, -128, axis=1)
            real[a["y"]] = put("MatMul", [weights, real[a["v"]]], *out)
        elif op == "add_s8":
            real[a["y"]] = put("Add", [real[a["a"]], real[a["b"]]], *out)
        elif op == "table_s8":
            real[a["y"]] = put("Relu", [real[a["x"]]], *out)
        elif op == "layer_norm_s8":
            d = b[a["x"]].shape[1]
            one, none = constant(out[0] + ".g", np.ones(d, np.float32)), constant(out[0] + ".o", np.zeros(d, np.float32))
            real[a["y"]] = put("LayerNormalization", [real[a["x"]], one, none], *out, axis=1)
        else:
            raise ValueError(f"no counterpart of {op}")
    final = real[program.output].removesuffix(".dq") + ".q"
    graph = helper.make_graph(nodes, "transformer",
                              [helper.make_tensor_value_info("input", TensorProto.INT8, list(first.shape))],
                              [helper.make_tensor_value_info(final, TensorProto.INT8, list(b[program.output].shape))],
                              constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
