"""Models of other tools in and out: state dicts of PyTorch modules (`state`), ONNX graphs (`onnx`).

`load` reads a file as another tool wrote it, `to_state` gives weights back under that tool's names.  What comes in is a
`tinyloc.model.Model`, or for ONNX a `tinyloc.convert.graph.GraphModel`; both are quantized, verified and exported alike.
No pickle is ever run: safetensors, or `.pt` by `torch.load(weights_only=True)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyloc.convert.state import STATES, Names, from_state, read_state, to_state, write_state
from tinyloc.errors import ConfigError, unknown

if TYPE_CHECKING:
    from tinyloc.convert.graph import GraphModel
    from tinyloc.model import Model

SOURCES = (*STATES, "onnx")

__all__ = ["SOURCES", "STATES", "Names", "from_state", "load", "read_state", "to_state", "write_state"]


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


def describe(model: Any, dataset: Any, window: int | None = None) -> Any:
    """The model with what it takes to use it on raw samples, as `tinyloc.train.fit` leaves it in `info`: rooms, access
    points and scaler of a data set, window and hop.  Signals are scaled by the training rows' own ranges; for a graph that
    reads numbers of another range, by that one.

    Raises DataError when the data have another number of access points or rooms than the model.
    """
    import dataclasses

    import numpy as np

    from tinyloc.data import Scaler
    from tinyloc.errors import DataError

    for what, has, wants in (("access points", len(dataset.aps), model.config.aps),
                             ("rooms", len(dataset.rooms), model.config.classes)):
        if has != wants:
            raise DataError(f"{dataset.name}: {has} {what}; expected the model's {wants}")
    length = getattr(model.config, "window", None) or window or dataset.window
    aps = list(dataset.aps)
    lo, hi = model.info["converted"].get("input_range", (0.0, 1.0))
    scaler = (Scaler.fit(dataset.train.select(aps)) if (lo, hi) == (0.0, 1.0) else
              Scaler(np.full(len(aps), lo, np.float32), np.full(len(aps), hi, np.float32)))
    info = {"dataset": dataset.name, "simulated": dataset.simulated, "note": dataset.note, "rooms": list(dataset.rooms),
            "aps": aps, "window": length, "hop": dataset.hop if length == dataset.window else max(1, length // 2),
            "delay": 0, "rate_hz": dataset.rate_hz, "scaler": scaler.to_dict()}
    return dataclasses.replace(model, info={**model.info, **info})
