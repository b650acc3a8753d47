"""TensorFlow Lite Micro as the judge: one-op int8 models in its interpreter against our kernels, bit for bit.

The multipliers are computed from float32 scales as TFLM does, in double throughout (a test decides that, since a product
of two scales in float32 gives other bits once in some hundred thousand elements).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from tinyloc.kernels.elementwise import add_multipliers
from tinyloc.kernels.fixed import quantize_multiplier
from tinyloc.kernels.softmax import MAX_N, exponentials
from tinyloc.kernels.table import OPS
from tinyloc.kernels.unary import tflm_table

pytest.importorskip("tflite_micro", reason="TensorFlow Lite Micro is the extra tflm")
flatbuffers = pytest.importorskip("flatbuffers")

from tflite_micro import runtime  # noqa: E402
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema  # noqa: E402

LEVEL_2_ELEMENTS, LEVEL_1_ELEMENTS = 5_000_000, 300_000  # compared, over all ops
TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}

Rng = np.random.Generator
Pair = tuple[np.ndarray, list[np.ndarray]]  # TFLM's output, and ours by each backend


class Tensor:
    """Shape, scales (one, or one for each place of `axis`) and zero point; data, or None for the output."""

    def __init__(self, shape: tuple[int, ...], scale: Any, zero: int = 0, data: np.ndarray | None = None,
                 constant: bool = False, axis: int = 0) -> None:
        self.shape, self.zero, self.data, self.constant, self.axis = shape, zero, data, constant, axis
        self.scale = np.atleast_1d(np.asarray(scale, np.float32))


def tflm(code: str, options: Any, *tensors: Tensor) -> np.ndarray:
    """Output of the op `code` on all tensors but the last, which is the output; flat."""
    model, graph, op = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.version, model.buffers, graph.tensors = 3, [schema.BufferT()], []
    for i, t in enumerate(tensors):
        made = schema.TensorT()
        made.name, made.shape = f"t{i}", list(t.shape)
        made.type = TYPES["int8" if t.data is None else t.data.dtype.name]
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = t.scale, np.full(t.scale.size, t.zero, np.int64)
        made.quantization.quantizedDimension = t.axis
        if t.constant and t.data is not None:
            buffer = schema.BufferT()
            buffer.data = t.data.reshape(-1).view(np.uint8)
            made.buffer = len(model.buffers)
            model.buffers.append(buffer)
        graph.tensors.append(made)
    last = len(tensors) - 1
    inputs = [i for i, t in enumerate(tensors[:last]) if not t.constant]
    graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array([last], np.int32)
    op.opcodeIndex, op.inputs, op.outputs = 0, np.arange(last, dtype=np.int32), graph.outputs
    if options is not None:
        op.builtinOptions = options
        op.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    kind = schema.OperatorCodeT()
    kind.builtinCode = getattr(schema.BuiltinOperator, code)
    kind.deprecatedBuiltinCode, kind.version = min(kind.builtinCode, 127), 1
    graph.operators, model.subgraphs, model.operatorCodes = [op], [graph], [kind]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    size = sum(int(np.prod(t.shape)) * 4 for t in tensors)
    interpreter = runtime.Interpreter.from_bytes(bytes(builder.Output()), arena_size=size + 100_000)
    for i, j in enumerate(inputs):
        data = tensors[j].data
        assert data is not None
        interpreter.set_input(data.reshape(tensors[j].shape), i)
    interpreter.invoke()
    return np.array(interpreter.get_output(0)).reshape(-1)


def ours(op: str, *args: Any) -> list[np.ndarray]:
    """The first output of Numba and of C."""
    results = []
    for backend in ("jit", "c"):
        run = OPS[op].prepare([np.ascontiguousarray(a).reshape(-1) if isinstance(a, np.ndarray) else a for a in args])
        getattr(OPS[op], backend)(*run)
        results.append(run[0])
    return results


def codes(rng: Rng, number: int, *shape: int) -> np.ndarray:
    """int8: the ends only in every fourth case, else uniform."""
    made = rng.choice([-128, 127], shape) if number % 4 == 3 else rng.integers(-128, 128, shape)
    return np.asarray(made).astype(np.int8)


def scales(rng: Rng, number: int, lo: float, hi: float, size: int = 1) -> np.ndarray:
    """float32, (size,); powers of two, which make ties, in every other case."""
    exponents = rng.uniform(np.log2(lo), np.log2(hi), size)
    return np.exp2(np.rint(exponents) if number % 2 else exponents).astype(np.float32)


def zero(rng: Rng) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def split(m: list[float]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [quantize_multiplier(v) for v in m]
    return np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.int8)


def weighted(rng: Rng, number: int, rows: int, fan_in: int, per_channel: bool) -> tuple[np.ndarray, ...]:
    """int8 weights (rows, fan_in), int32 bias, and float32 scales of input, weights and output that fill the range."""
    w = np.maximum(codes(rng, number // 2, rows, fan_in), -127).astype(np.int8)
    sx, sw = scales(rng, number, 1e-3, 1), scales(rng, number, 1e-3, 0.1, rows if per_channel else 1)
    spread = float(sx[0]) * float(sw.mean()) * 80 * fan_in**0.5
    return w, rng.integers(-3000, 3000, rows).astype(np.int32), sx, sw, near(rng, number, spread)


def near(rng: Rng, number: int, scale: float) -> np.ndarray:
    """float32, (1,): a scale of half to twice `scale`; a power of two where `scales` makes these."""
    return (scales(rng, number, 0.5, 2) * 2.0 ** round(np.log2(scale))).astype(np.float32)


def double(sx: np.ndarray, sw: np.ndarray, sy: np.ndarray) -> list[float]:
    return [float(sx[0]) * float(s) / float(sy[0]) for s in sw]


def fully_connected(rng: Rng, number: int, per_channel: bool) -> Pair:
    t, n, k = int(rng.integers(1, 60)), int(rng.integers(2, 64)), int(rng.choice([1, 3, 8, 33, 64, 200]))
    w, bias, sx, sw, sy = weighted(rng, number, n, k, per_channel)
    x, x_zp, y_zp = codes(rng, number, t, k), zero(rng), zero(rng)
    options = schema.FullyConnectedOptionsT()
    want = tflm("FULLY_CONNECTED", options, Tensor((t, k), sx, x_zp, x), Tensor((n, k), sw, 0, w, True),
                Tensor((n,), sx * sw, 0, bias, True), Tensor((t, n), sy, y_zp))
    m = double(sx, sw, sy)
    folded = (bias - x_zp * w.astype(np.int64).sum(1)).astype(np.int32)
    y = np.zeros(t * n, np.int8)
    return want, ours("linear_s8", y, x, w, folded, *split(m), t, n, k, y_zp, 1, int(per_channel))


def convolution(rng: Rng, number: int) -> Pair:
    t_in, n, d, k = (int(v) for v in rng.integers((1, 1, 1, 1), (40, 30, 20, 6)))
    stride, left = int(rng.integers(1, 4)), int(rng.integers(0, k))
    right = max(0, k - t_in - left) + int(rng.integers(0, 3))
    t = (t_in + left + right - k) // stride + 1
    w, bias, sx, sw, sy = weighted(rng, number, n, k * d, n > 1)
    x, x_zp, y_zp = codes(rng, number, t_in, d), zero(rng), zero(rng)
    padded = np.pad(x, ((left, right), (0, 0)), constant_values=x_zp)
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, stride, stride
    options.dilationHFactor = options.dilationWFactor = 1
    want = tflm("CONV_2D", options, Tensor((1, len(padded), 1, d), sx, x_zp, padded),
                Tensor((n, k, 1, d), sw, 0, w, True), Tensor((n,), sx * sw, 0, bias, True),
                Tensor((1, t, 1, n), sy, y_zp))
    folded = (bias - x_zp * w.astype(np.int64).sum(1)).astype(np.int32)
    return want, ours("conv1d_s8", np.zeros(t * n, np.int8), x, w, folded, *split(double(sx, sw, sy)), t, n, d, k, t_in,
                      stride, left, x_zp, y_zp, 1, int(n > 1))


def depthwise(rng: Rng, number: int) -> Pair:
    t, d, k = (int(v) for v in rng.integers((1, 2, 1), (60, 70, 6)))
    w, bias, sx, sw, sy = weighted(rng, number, d, k, True)
    x, x_zp, y_zp = codes(rng, number, t, d), zero(rng), zero(rng)
    state = np.full((k - 1, d), x_zp, np.int8)
    options = schema.DepthwiseConv2DOptionsT()
    options.padding, options.strideH, options.strideW, options.depthMultiplier = schema.Padding.VALID, 1, 1, 1
    options.dilationHFactor = options.dilationWFactor = 1
    taps = np.ascontiguousarray(w.T)
    want = tflm("DEPTHWISE_CONV_2D", options, Tensor((1, t + k - 1, 1, d), sx, x_zp, np.concatenate([state, x])),
                Tensor((1, k, 1, d), sw, 0, taps, True, axis=3), Tensor((d,), sx * sw, 0, bias, True),
                Tensor((1, t, 1, d), sy, y_zp))
    folded = (bias - x_zp * w.astype(np.int64).sum(1)).astype(np.int32)
    return want, ours("depthwise_conv_s8", np.zeros(t * d, np.int8), x, taps, folded, *split(double(sx, sw, sy)), state,
                      t, d, k, y_zp, 1, 1)


def batch_matmul(rng: Rng, number: int) -> Pair:
    m, n, k = (int(v) for v in rng.integers((1, 1, 1), (60, 60, 70)))
    a, a_zp, b_zp, y_zp = codes(rng, number, m, k), zero(rng), zero(rng), zero(rng)
    transposed = bool(rng.integers(2))
    b = codes(rng, number, *((n, k) if transposed else (k, n)))
    sa, sb = scales(rng, number, 1e-3, 1), scales(rng, number, 1e-3, 1)
    sy = near(rng, number, float(sa[0]) * float(sb[0]) * 200 * k**0.5)
    options = schema.BatchMatMulOptionsT()
    options.adjX, options.adjY = False, transposed
    want = tflm("BATCH_MATMUL", options, Tensor((1, m, k), sa, a_zp, a), Tensor((1, *b.shape), sb, b_zp, b),
                Tensor((1, m, n), sy, y_zp))
    numbers = quantize_multiplier(float(sa[0]) * float(sb[0]) / float(sy[0]))
    return want, ours("matmul_s8", np.zeros(m * n, np.int8), a, b, np.zeros(k + 3, np.uint32), m, n, k, a_zp, b_zp, y_zp,
                      *((k, 1) if transposed else (1, n)), *numbers)


def softmax(rng: Rng, number: int) -> Pair:
    t, n = [(3, MAX_N), (1, 1), (256, 2), (30, 60)][number] if number < 4 else rng.integers(1, (60, 100)).tolist()
    x, s = codes(rng, number, t, n), scales(rng, number, 2.0**-9, 4)
    if number == 0:
        x[0], s = 5, np.float32([2.0**-9])  # the greatest sum of exponentials
    elif number == 2:
        x[:, 0], x[:, 1] = np.arange(-128, 128), rng.integers(-128, 128)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    want = tflm("SOFTMAX", options, Tensor((t, n), s, zero(rng), x), Tensor((t, n), 1 / 256, -128))
    table = exponentials(float(s[0]))
    return want, ours("softmax_s8", np.zeros(t * n, np.int8), x, table, t, n, table.size)


def unary(rng: Rng, number: int, code: str, kind: str, y_scale: float, y_zp: int) -> Pair:
    """Every input code."""
    x, s, x_zp = np.arange(-128, 128).astype(np.int8), scales(rng, number, 1e-4, 2), zero(rng)
    want = tflm(code, None, Tensor((1, 256), s, x_zp, x), Tensor((1, 256), y_scale, y_zp))
    return want, ours("table_s8", np.zeros(256, np.int8), x, tflm_table(kind, float(s[0]), x_zp), 1, 256)


def elementwise(rng: Rng, number: int, code: str, options: Any) -> Pair:
    """Every pair of codes in some order, 16 to 256 rows of them."""
    t = int(rng.choice([16, 64, 256])) if number else 256
    pairs = rng.permutation(65536)[: t * 256]
    a, b = ((v - 128).astype(np.int8) for v in (pairs >> 8, pairs & 255))
    sa, sb = scales(rng, number, 1e-3, 1), scales(rng, number, 1e-3, 1)
    a_zp, b_zp, y_zp = zero(rng), zero(rng), zero(rng)
    top = float(max(sa[0], sb[0])) * 2 if code == "ADD" else float(sa[0]) * float(sb[0]) * 100
    sy = near(rng, number, top)
    want = tflm(code, options, Tensor((t, 256), sa, a_zp, a), Tensor((t, 256), sb, b_zp, b), Tensor((t, 256), sy, y_zp))
    if code == "ADD":
        numbers = add_multipliers(float(sa[0]), float(sb[0]), float(sy[0]))
    else:
        numbers = quantize_multiplier(float(sa[0]) * float(sb[0]) / float(sy[0]))
    return want, ours("add_s8" if code == "ADD" else "mul_s8", np.zeros(t * 256, np.int8), a, b, t, 256, a_zp, b_zp,
                      y_zp, *numbers)


JUDGED: dict[str, Callable[[Rng, int], Pair]] = {
    "FULLY_CONNECTED, per tensor": lambda rng, i: fully_connected(rng, i, False),
    "FULLY_CONNECTED, per channel": lambda rng, i: fully_connected(rng, i, True),
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "BATCH_MATMUL": batch_matmul,
    "SOFTMAX": softmax,
    "LOGISTIC": lambda rng, i: unary(rng, i, "LOGISTIC", "sigmoid", 1 / 256, -128),
    "TANH": lambda rng, i: unary(rng, i, "TANH", "tanh", 1 / 128, 0),
    "ADD": lambda rng, i: elementwise(rng, i, "ADD", schema.AddOptionsT()),
    "MUL": lambda rng, i: elementwise(rng, i, "MUL", schema.MulOptionsT()),
}


def judge(name: str, number: int) -> tuple[int, int]:
    """Outputs of one case, which depends on its number alone, and how many of them are not saturated; AssertionError where
    ours differ from TFLM's."""
    want, got = JUDGED[name](np.random.default_rng([20250101, number]), number)
    for backend, y in zip(("Numba", "C"), got, strict=True):
        differ = np.flatnonzero(y != want)
        assert not differ.size, (
            f"{name}, {backend}: {differ.size} of {want.size} differ, first at {differ[0]}: {y[differ[0]]}, TFLM "
            f"says {want[differ[0]]}.  Again: judge({name!r}, {number}) of tests/test_tflm.py")
    return want.size, int((np.abs(want.astype(int) + 0.5) < 127).sum())


@pytest.mark.parametrize("name", JUDGED)
def test_same_bits_as_tflm(name: str, level: int) -> None:
    target = -(-(LEVEL_1_ELEMENTS if level == 1 else LEVEL_2_ELEMENTS) // len(JUDGED))
    done = inside = 0
    for number in count():
        size, open_ = judge(name, number)
        done, inside = done + size, inside + open_
        if done >= target and number >= 15:
            break
    assert inside > 0.25 * done, f"{name}: only {inside} of {done} outputs are not saturated: a blunt test"
    print(f"{name}: {done:,} elements, 0 mismatches, {inside / done:.0%} not saturated, {number + 1} models")


def test_the_judge_tells_double_from_single_rounding() -> None:
    """TFLM's own outputs are not what one rounding gives: an agreement with both would prove nothing."""
    x = np.arange(-128, 128).astype(np.int8)
    w, one = np.array([[1]], np.int8), np.float32([1.0])
    differ = 0
    for seed in range(20):
        sy = np.float32([np.random.default_rng(seed).uniform(3, 200)])
        got = tflm("FULLY_CONNECTED", schema.FullyConnectedOptionsT(), Tensor((256, 1), one, 0, x),
                   Tensor((1, 1), one, 0, w, True), Tensor((1,), one, 0, np.zeros(1, np.int32), True),
                   Tensor((256, 1), sy, 0))
        mult, shift = quantize_multiplier(1 / float(sy[0]))
        single = [(v * mult + 2 ** (30 - shift)) >> (31 - shift) for v in x.tolist()]
        differ += int((got != np.array(single)).sum())
        assert abs(got - np.array(single)).max() <= 1
    assert differ > 0


def test_scales_are_multiplied_in_double() -> None:
    """Sums for which a float32 product of the two scales would give another output: TFLM gives that of the double one."""
    rng, sums, found = np.random.default_rng(1), np.arange(-400_000, 400_000), 0
    while found < 6:
        sa, sb = (np.float32(v) for v in rng.uniform(0.001, 1, 2))
        sy = np.float32(float(sa) * float(sb) * rng.uniform(3500, 5000))
        wide, narrow = (quantize_multiplier(p / float(sy)) for p in (float(sa) * float(sb), float(np.float32(sa * sb))))
        if wide[1] != narrow[1]:
            continue
        # SRDHM and RDBPOT, vectorized: the right shift is above 0 here.
        high = [(sums * m + (1 << 30) >> 31) for m, _ in (wide, narrow)]
        right, other = (h + (1 << (-wide[1] - 1)) - (h < 0) >> -wide[1] for h in high)
        at = np.flatnonzero((right != other) & (np.abs(right) < 120))
        if not at.size:
            continue
        found += 1
        size, sign = abs(int(sums[at[0]])), 1 if sums[at[0]] >= 0 else -1
        whole, rest = divmod(size, 127 * 127)  # the sum as a product of two vectors
        a = np.array([[127] * whole + [rest // 127, rest % 127]], np.int8)
        b = np.array([[127 * sign] * (whole + 1) + [sign]], np.int8)
        options = schema.BatchMatMulOptionsT()
        options.adjX, options.adjY = False, True
        product = tflm("BATCH_MATMUL", options, Tensor((1, *a.shape), [sa], 0, a), Tensor((1, *b.shape), [sb], 0, b),
                       Tensor((1, 1, 1), [sy], 0))
        layer = tflm("FULLY_CONNECTED", schema.FullyConnectedOptionsT(), Tensor(a.shape, [sa], 0, a),
                     Tensor(b.shape, [sb], 0, b, True), Tensor((1,), [sa * sb], 0, np.zeros(1, np.int32), True),
                     Tensor((1, 1), [sy], 0))
        assert int(product.reshape(-1)[0]) == int(layer.reshape(-1)[0]) == int(right[at[0]])
