"""A gradient checker for every pair of forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def check_grads(forward: Callable[..., tuple[Any, Any]], backward: Callable[[Any, Any], Any],
                inputs: Mapping[str, np.ndarray], *, rtol: float = 1e-6, step: float = 1e-3, seed: int = 0,
                samples: int = 24) -> float:
    """Compares `backward` with numerical derivatives; returns the greatest relative difference.

    forward(**inputs) -> (y, cache), y an array or a number; backward(dy, cache) -> one gradient an input, in their
    order, or a mapping by name.  y is projected on a random direction; up to `samples` elements of each input are
    moved.  Derivatives: central differences at h = step and h / 2, extrapolated (Richardson), so that the error is of
    order h^4 and 1e-6 is honest in float64.  A difference counts relative to the greatest gradient of its input.

    Raises TypeError when an input is not float64, AssertionError (naming input, index, both values and the seed) on
    the first disagreement.
    """
    rng = np.random.default_rng(seed)
    inputs = {name: np.array(value) for name, value in inputs.items()}
    for name, value in inputs.items():
        if value.dtype != np.float64:
            raise TypeError(f"check_grads: {name} must be float64, got {value.dtype}")
    y, cache = forward(**inputs)
    direction = rng.standard_normal(np.shape(y))
    grads = backward(direction if np.ndim(y) else float(direction), cache)
    named = dict(grads) if isinstance(grads, Mapping) else dict(zip(inputs, grads, strict=True))

    def projected() -> float:
        return float((np.asarray(forward(**inputs)[0]) * direction).sum())

    worst = 0.0
    for name, value in inputs.items():
        got = np.asarray(named[name])
        if got.shape != value.shape:
            raise AssertionError(f"gradient of {name}: expected shape {value.shape}, got {got.shape}")
        flat = value.reshape(-1)
        picks = rng.permutation(flat.size)[:samples]
        numeric = np.empty(len(picks))
        for i, at in enumerate(picks):
            before = flat[at]
            slope = []
            for h in (step, step / 2):
                flat[at] = before + h
                up = projected()
                flat[at] = before - h
                slope.append((up - projected()) / (2 * h))
            flat[at] = before
            numeric[i] = (4 * slope[1] - slope[0]) / 3
        scale = max(np.abs(numeric).max(initial=0), np.abs(got).max(initial=0), 1e-3)
        error = np.abs(numeric - got.reshape(-1)[picks]) / scale
        if error.size and not error.max() <= rtol:
            at = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
            index = tuple(int(v) for v in np.unravel_index(picks[at], value.shape))
            raise AssertionError(f"gradient of {name}{index}: backward says {got[index]!r}, differences say "
                                 f"{numeric[at]!r} (relative to {scale:.3g}: {error[at]:.2e} > {rtol:g}; seed {seed})")
        worst = max(worst, float(error.max(initial=0)))
    return worst
