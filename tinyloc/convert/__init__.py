"""Models of other tools in and out: state dicts of PyTorch modules (`state`), ONNX graphs (`onnx`).

`load` reads a file as another tool wrote it, `to_state` gives weights back under that tool's names.  What comes in is a
`tinyloc.model.Model`, or for ONNX a `tinyloc.convert.graph.GraphModel`; both are quantized, verified and exported alike.
No pickle is ever run: safetensors, or `.pt` by `torch.load(weights_only=True)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyloc.convert.info import describe, informed
from tinyloc.convert.state import STATES, Names, from_state, read_state, to_state, write_state
from tinyloc.errors import ConfigError, unknown

if TYPE_CHECKING:
    from tinyloc.convert.graph import GraphModel
    from tinyloc.model import Model

SOURCES = (*STATES, "onnx")

__all__ = [
    "SOURCES", "STATES", "Names", "describe", "from_state", "informed", "load", "read_state", "to_state", "write_state",
]


def load(path: str | Path, source: str, names: Names | None = None, *, window: int | None = None,
         channels_first: bool = False, input_range: tuple[float, float] = (0.0, 1.0)) -> Model | GraphModel:
    """The model in a file of `source`: one of `SOURCES`.

    names: where a state dict has what lies around its blocks.
    window, channels_first, input_range: of an ONNX graph, see `tinyloc.convert.onnx.read_onnx`.
    Raises ConfigError for an unknown source, ModelError naming what is not as expected.
    """
    if source not in SOURCES:
        raise unknown("source", source, SOURCES)
    if source != "onnx":
        if channels_first or input_range != (0.0, 1.0):
            raise ConfigError("channels_first and input_range are about ONNX graphs; a state dict says nothing of an input")
        return from_state(read_state(path), source, names, str(path))
    if names is not None:
        raise ConfigError("names are about state dicts; an ONNX graph says what is computed from what")
    from tinyloc.convert.onnx import read_onnx

    return read_onnx(path, window, channels_first, input_range)
