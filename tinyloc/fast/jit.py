"""Numba for float32: compilation, and the functions that LLVM has no vector form of.

Kernels of this package take float32 arrays in C order, outputs first, which **must not overlap**: the compiler is told so
(`noalias`), for otherwise it would test every pair of arrays before each inner loop, and give up at eight.  Sums may be
reordered and products fused (`reassoc`, `contract`), which keeps the bounds below; NaN and infinity keep their meaning.

The relative errors below are those of the polynomials; rounding adds at most two units in the last place (2.4e-7).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.compiler import Compiler, CompilerBase, DefaultPassBuilder
from numba.extending import intrinsic

from tinyloc.kernels.jit import cache_dir

_CACHE = cache_dir(Path(__file__).resolve().parent)
_MATH = {"contract", "reassoc", "nsz"}


class _NoAlias(CompilerBase):
    """Numba's own passes, with arrays that do not overlap."""

    def define_pipelines(self) -> list[Any]:
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


def kernel(signature: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compiles eagerly for `signature`: an array of another type or order is then an error, and never slow in silence."""
    options = {"fastmath": _MATH, "pipeline_class": _NoAlias, **options}

    def wrap(f: Callable[..., Any]) -> Callable[..., Any]:
        config: Any = numba.config
        before = config.CACHE_DIR
        try:
            if _CACHE:
                config.CACHE_DIR = _CACHE
            return numba.njit(signature, cache=_CACHE is not None, nogil=True, error_model="numpy", **options)(f)
        finally:
            config.CACHE_DIR = before

    return wrap


def plain(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A kernel whose every rounding is as written."""
    return kernel(signature, fastmath=False)


def shared(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A kernel whose outputs may be the same array."""
    return kernel(signature, pipeline_class=Compiler)


#: A part of a kernel, compiled into it.  Its array arguments must not overlap either.
part = numba.njit(fastmath=_MATH, error_model="numpy", nogil=True, pipeline_class=_NoAlias)

#: A part whose sums stay as they are written: a + (b - 1) may have digits that (a + b) - 1 has lost.
ordered = numba.njit(fastmath={"contract", "nsz"}, error_model="numpy", nogil=True, pipeline_class=_NoAlias)


@intrinsic
def _as_float32(typing: Any, bits: Any) -> Any:
    """The float32 that has these 32 bits."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), build


@part
def exp2(x):
    """2^x for x <= 127; below -126 it is 2^-126, as good as 0.  Relative error 9.2e-8."""
    x = max(x, np.float32(-126))
    whole = np.rint(x)
    f = x - whole
    p = np.float32(0.0013264727) * f + np.float32(0.009671513)
    p = p * f + np.float32(0.055507337)
    p = p * f + np.float32(0.24022242)
    p = p * f + np.float32(0.693146978)
    p = p * f + np.float32(1)
    return p * _as_float32((np.int32(whole) + np.int32(127)) << np.int32(23))


@part
def exp(x):
    """e^x for x <= 88; 0 within 1.2e-38 below -87.  Relative error 9.2e-8, and 6e-8 |x| from the scaled argument."""
    return exp2(x * np.float32(1.44269504))


@part
def sigmoid(x):
    """1 / (1 + e^-x), finite at every finite x."""
    return np.float32(1) / (np.float32(1) + exp(min(-x, np.float32(80))))


@part
def softplus(x):
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|), by the series of 2 artanh(s / (2 + s)).  Relative error 4e-9 + exp's."""
    s = exp(-abs(x))
    z = s / (np.float32(2) + s)
    q = z * z
    p = np.float32(0.28178335) * q + np.float32(0.27960603)
    p = p * q + np.float32(0.4002491)
    p = p * q + np.float32(0.66666315)
    p = p * q + np.float32(2)
    return max(x, np.float32(0)) + z * p


@ordered
def expm1(x):
    """e^x - 1 for x <= 88.  Relative error 2.1e-8 near 0; that of e^x, as `exp`, else."""
    scaled = max(x, np.float32(-80)) * np.float32(1.44269504)
    whole = np.rint(scaled)
    f = scaled - whole
    p = np.float32(0.000154035122) * f + np.float32(0.00133907353)
    p = p * f + np.float32(0.00961823761)
    p = p * f + np.float32(0.0555035733)
    p = p * f + np.float32(0.240226492)
    p = p * f + np.float32(0.693147182)
    power = _as_float32((np.int32(whole) + np.int32(127)) << np.int32(23))
    return power * (p * f) + (power - np.float32(1))


@ordered
def tanh(x):
    """Hyperbolic tangent, -expm1(-2|x|) / (2 + expm1(-2|x|)) with the sign of x; as precise near 0 as elsewhere."""
    e = expm1(np.float32(-2) * abs(x))
    y = e / (e + np.float32(2))
    return y if x < np.float32(0) else -y
