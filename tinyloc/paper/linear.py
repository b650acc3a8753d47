"""What the paper's two quantizations make of a float model: `nn.Linear` alone, after training, the rest in float.

static   LLM.int8() (Dettmers et al., arXiv 2208.07339) as bitsandbytes computes it: int8 with a scale a row of weights and
         one a step of inputs; input columns with a value of 6 or more in float, with the weights that int8 left of them
dynamic  PyTorch's post-training dynamic quantization (`torch.ao.quantization.quantize_dynamic`, qint8): one scale for all
         weights of a layer, one scale and zero point for all inputs of a call, found when it runs

A call is one window here, as on a device; both libraries take whatever batch they are given, and so does the paper.
"""

from __future__ import annotations

import numpy as np

from tinyloc.model import Model
from tinyloc.reference.crf import crf_viterbi
from tinyloc.reference.linear import Linear
from tinyloc.reference.mamba import mamba_block
from tinyloc.reference.mdcsa import mdcsa

THRESHOLD = 6.0  # LLM.int8()'s default: an input column that reaches it stays in float
LEVELS = 127  # dynamic: steps of an input; fbgemm keeps to 7 bits, where sums of two products in 16 bits cannot saturate
LEAST_WEIGHT_SCALE = float(np.finfo(np.float32).eps)  # PyTorch's observers go no lower
LEAST_INPUT_SCALE = 6.1e-5  # fbgemm's SMALL_SCALE_THRESHOLD


def _rows(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes -127..127 with the greatest magnitude along the last axis at 127, and those magnitudes."""
    top = np.abs(v).max(-1, keepdims=True)
    gain = np.divide(np.float32(127), top, out=np.zeros_like(top), where=top > 0)
    return np.rint(v * gain), top


def _halves(v: np.ndarray) -> np.ndarray:
    """float32 of what float16 leaves of `v`."""
    return v.astype(np.float16).astype(np.float32)


def static_linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, threshold: float = THRESHOLD
                  ) -> tuple[np.ndarray, None]:
    """LLM.int8(): y (w, t, n) of x (w, t, k), weight (n, k), bias (n,) or None; a window has its own outlier columns."""
    codes_w, top_w = _rows(_halves(weight))
    half = _halves(x)
    outlier = np.abs(half) >= threshold
    column = outlier.any(1, keepdims=True)
    # What is below the threshold in an outlier's column counts for the scale, too.
    codes, top = _rows(np.where(outlier, np.float32(0), half))
    y = (np.where(column, np.float32(0), codes) @ codes_w.T) * (top * top_w[:, 0]) / np.float32(127 * 127)
    if bias is not None:
        y = y + bias
    if column.any():
        y = y + np.where(column, x, np.float32(0)) @ (codes_w * (top_w / 127)).T
    return y.astype(np.float32), None


def dynamic_linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> tuple[np.ndarray, None]:
    """quantize_dynamic: y (w, t, n) of x (w, t, k), weight (n, k), bias (n,) or None; a window has its own input scale."""
    scale_w = np.float32(max(float(np.abs(weight).max()) / 127.5, LEAST_WEIGHT_SCALE))
    codes_w = np.clip(np.rint(weight * (np.float32(1) / scale_w)), -128, 127)
    lo, hi = (np.asarray(f(x, axis=(1, 2), keepdims=True), np.float64) for f in (np.min, np.max))
    lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    scale = (hi - lo) / LEVELS
    scale = np.where(scale.astype(np.float32) == 0, 0.1, scale)
    small = scale < LEAST_INPUT_SCALE
    lo = np.where(small, np.where(hi == 0, -LEVELS * LEAST_INPUT_SCALE, lo * (LEAST_INPUT_SCALE / scale)), lo)
    scale = np.maximum(scale, LEAST_INPUT_SCALE)
    # fbgemm takes the end at which the zero point loses less; `lo <= 0 <= hi` makes it the least one's, but for a tie.
    zero = np.clip(np.rint(-lo / scale), 0, LEVELS)
    scale = scale.astype(np.float32)
    codes = np.clip(np.rint(x * (np.float32(1) / scale) + zero), 0, LEVELS) - zero
    # Sums of integers, exact in float64.
    y = (codes.astype(np.float64) @ codes_w.T.astype(np.float64)).astype(np.float32) * (scale * scale_w)
    return (y if bias is None else y + bias).astype(np.float32), None


LINEAR: dict[str, Linear] = {"static": static_linear, "dynamic": dynamic_linear}


def emissions(model: Model, x: np.ndarray, linear: Linear) -> np.ndarray:
    """(w, t, c) of windows x (w, t, a), with `linear` for every `nn.Linear` of the model."""
    p = model.params
    y, _ = linear(x, p["encoder.weight"], p["encoder.bias"])
    if model.config.family == "mamba":
        for i in range(model.config.blocks):
            (y, _), _ = mamba_block(y, model.part(f"blocks.{i}."), linear=linear)
    else:
        y, _ = mdcsa(y, model.part("mdcsa."), model.config.kernels, linear=linear)
    return linear(y, p["head.weight"], p.get("head.bias"))[0]


def predict(model: Model, x: np.ndarray, how: str, batch: int = 256) -> np.ndarray:
    """(w,) room at the last step of each window x (w, t, a) of the model quantized by `how`, "static" or "dynamic"."""
    crf = [model.params[f"crf.{n}"] for n in ("transitions", "start", "end")]
    parts = [crf_viterbi(emissions(model, x[i : i + batch], LINEAR[how]), *crf)[0][:, -1] for i in range(0, len(x), batch)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
