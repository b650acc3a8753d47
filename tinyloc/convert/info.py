"""What it takes to use a converted model on raw samples: from a data set, or said by hand."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from tinyloc.data import HOLD, NOT_HEARD, Dataset, Scaler
from tinyloc.errors import ConfigError, DataError, unknown

MOST = sys.float_info.max


def describe(model: Any, dataset: Dataset, window: int | None = None) -> Any:
    """The model with what it takes to use it on raw samples, as `tinyloc.train.fit` leaves it in `info`: rooms, access
    points and scaler of a data set, window and hop.  Signals are scaled by the training rows' own ranges; for a graph that
    reads numbers of another range, by that one.

    Raises DataError when the data have another number of access points or rooms than the model.
    """
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


def informed(model: Any, given: Mapping[str, Any], where: str = "info") -> Any:
    """The model with what is given of its info: rooms and aps (names), window, hop, delay (rows), rate_hz, and scaler: lo
    and hi, one number for all access points or one for each, with hold (s) and not_heard (dBm).

    Raises ConfigError naming what is unknown or of another kind.
    """
    wants = {"rooms": model.config.classes, "aps": model.config.aps}
    least = {"window": 1, "hop": 1, "delay": 0, "rate_hz": 0}
    info = dict(model.info)
    for key, value in given.items():
        if key in wants:
            if not isinstance(value, list) or len({str(v) for v in value}) != wants[key] or len(value) != wants[key]:
                raise ConfigError(f"{where}: {key}: expected a list of {wants[key]} different names, got {value!r}")
            info[key] = [str(v) for v in value]
        elif key in least:
            if not _number(value, least[key]) or (key != "rate_hz" and not isinstance(value, int)):
                raise ConfigError(f"{where}: {key} = {value!r}; expected a number, {least[key]} or more")
            info[key] = value
        elif key == "scaler":
            info[key] = _scaler(value, model.config.aps, where)
        else:
            raise unknown("part of the info", key, (*wants, *least, "scaler"))
    return dataclasses.replace(model, info=info)


def _number(value: Any, least: float = -math.inf) -> bool:
    """Whether it is a finite number: Python reads NaN and Infinity from JSON too, integers of any size, and true is one."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    return bool(real and max(least, -MOST) <= value <= MOST)


def _scaler(value: Any, aps: int, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not {"lo", "hi"} <= value.keys() <= {"lo", "hi", "hold", "not_heard"}:
        raise ConfigError(f"{where}: scaler = {value!r}; expected lo and hi, hold and not_heard")
    for key, found in value.items():
        parts: Any = np.ravel(np.array(found, object)) if key in ("lo", "hi") else [found]
        least = 0 if key == "hold" else -math.inf
        if not all(_number(v, least) for v in parts):
            raise ConfigError(f"{where}: scaler: {key} = {found!r}; expected a finite number"
                              + (", 0 or more" if least == 0 else ""))
    try:
        lo, hi = (np.broadcast_to(np.asarray(value[end], np.float32), aps) for end in ("lo", "hi"))
        return Scaler(lo, hi, float(value.get("hold", HOLD)), float(value.get("not_heard", NOT_HEARD))).to_dict()
    except ValueError as e:
        raise ConfigError(f"{where}: scaler of {aps} access points: {e}") from None
