"""The layers that a model computes with: the NumPy reference, or the same in Numba (`tinyloc.fast`), many times faster.

float32 takes the fast ones, float64 the reference.  The environment variable TINYLOC_REFERENCE=1, or `using("reference")`
around the code, has the reference do all; results then differ by rounding.  Numba is loaded on first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import numpy as np

from tinyloc.errors import ConfigError

CHOICES = ("fast", "reference")
#: Where each function lives below `tinyloc.fast` and `tinyloc.reference`.  The fast ones are loaded a family at a time:
#: machine code for a transformer is not made for the sake of a Mamba.
HOMES = {"linear": "linear", "linear_backward": "linear", "mamba_block": "mamba", "mamba_block_backward": "mamba",
         "mdcsa": "mdcsa", "mdcsa_backward": "mdcsa", "adamw": "adamw",
         "crf_nll": "crf", "crf_nll_backward": "crf", "crf_viterbi": "crf", "crf_totals": "crf",
         "crf_cross_entropy": "crf", "crf_cross_entropy_backward": "crf",
         "neighbor_votes": "neighbors"}
_choice: ContextVar[str | None] = ContextVar("layers", default=None)


class Layers:
    """`Layers(choice).name`: the function of that name, of `tinyloc.fast` or `tinyloc.reference`."""

    def __init__(self, choice: str) -> None:
        if choice not in CHOICES:
            raise ConfigError(f"layers: expected {' or '.join(CHOICES)}, got {choice!r}")
        self.choice = choice

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in HOMES:
            raise AttributeError(f"no layer {name!r}; there are {', '.join(HOMES)}")
        found: Callable[..., Any] = getattr(import_module(f"tinyloc.{self.choice}.{HOMES[name]}"), name)
        setattr(self, name, found)
        return found


_LAYERS = {choice: Layers(choice) for choice in CHOICES}


@contextmanager
def using(choice: str) -> Iterator[None]:
    """Within it, models of this thread compute with these layers: "fast" (float32 only) or "reference"."""
    token = _choice.set(Layers(choice).choice)
    try:
        yield
    finally:
        _choice.reset(token)


def layers(dtype: np.dtype) -> Layers:
    """What a model computes with on inputs of this type."""
    choice = _choice.get() or ("reference" if os.environ.get("TINYLOC_REFERENCE", "0") not in ("", "0") else "fast")
    return _LAYERS[choice if dtype == np.float32 else "reference"]
