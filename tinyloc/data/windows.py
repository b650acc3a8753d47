"""From rows to what a model reads: bridge short gaps, scale to 0..1, cut windows.

The recipe of Suwannaphong et al., Sci. Rep. 15:10081 (2025): hold the last value heard for at most 1 s, set
what is still missing to -120 dBm, scale each access point by its least and greatest training value, windows
of 4 s with half overlap.  The paper does not say which rows the scaler saw; here it is the training rows
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.data.table import Floats, Ints, Samples
from tinyloc.errors import ConfigError, DataError

NOT_HEARD = -120.0  # dBm, stands for an access point that is silent for longer than the hold
HOLD = 1.0  # seconds


def forward_fill(samples: Samples, seconds: float = HOLD) -> Floats:
    """(n, a) dBm: `samples.rssi` with each gap filled by the last value heard in the same session, while that
    value is at most `seconds` old.  Not idempotent: fill the raw rows once."""
    n, heard = len(samples), ~np.isnan(samples.rssi)
    if heard.all() or not n:
        return samples.rssi.copy()
    last = np.maximum.accumulate(np.where(heard, np.arange(n)[:, None], -1), axis=0)
    # A microsecond of slack: seconds since 1970 are no finer in float64, and a row at exactly `seconds`
    # counts.
    age = samples.time[:, None] - samples.time[last]
    fresh = (last >= samples.starts()[:, None]) & (age <= seconds + 1e-6)
    return np.where(fresh, np.take_along_axis(samples.rssi, np.maximum(last, 0), axis=0), np.float32(np.nan))


@dataclass(frozen=True)
class Scaler:
    """Maps dBm to 0..1: (rssi - lo) / (hi - lo), clipped; silence counts as `not_heard`.

    lo, hi     (a,) least and greatest training value; an access point that never changed maps to 0
    hold       seconds that `prepare` bridges
    not_heard  dBm that stands for silence
    """

    lo: Floats
    hi: Floats
    hold: float = HOLD
    not_heard: float = NOT_HEARD

    def __post_init__(self) -> None:
        lo, hi = np.asarray(self.lo, np.float32), np.asarray(self.hi, np.float32)
        if lo.ndim != 1 or lo.shape != hi.shape:
            raise DataError(f"scaler: lo {lo.shape} and hi {hi.shape}, expected two vectors of one length")
        if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (lo <= hi).all()):
            raise DataError("scaler: expected finite lo <= hi")
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)

    @classmethod
    def fit(cls, train: Samples, *, shared: bool = False, hold: float = HOLD,
            not_heard: float = NOT_HEARD) -> Scaler:
        """Ranges from training rows alone; `shared`: one range for all access points."""
        if not len(train):
            raise DataError("scaler: no training rows")
        x = forward_fill(train, hold)
        x = np.where(np.isnan(x), np.float32(not_heard), x)
        lo, hi = x.min(axis=0), x.max(axis=0)
        if shared:
            lo, hi = np.full_like(lo, lo.min()), np.full_like(hi, hi.max())
        return cls(lo, hi, hold, not_heard)

    def transform(self, rssi: npt.ArrayLike) -> Floats:
        """(..., a) dBm, NaN for not heard -> float32 in [0, 1]."""
        x = np.asarray(rssi, np.float32)
        if x.shape[-1:] != self.lo.shape:
            raise DataError(f"scaler: {x.shape[-1:]} access points, expected {self.lo.shape}")
        x = np.where(np.isnan(x), np.float32(self.not_heard), x)
        span = self.hi - self.lo
        # A constant column becomes 0 everywhere: what it never said in training cannot mean anything later.
        gain = np.divide(1, span, out=np.zeros_like(span), where=span > 0)
        return np.clip((x - self.lo) * gain, 0, 1).astype(np.float32)

    def prepare(self, samples: Samples) -> Floats:
        """(n, a) in [0, 1]: gaps bridged within a session, then scaled."""
        return self.transform(forward_fill(samples, self.hold))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {"lo": self.lo.tolist(), "hi": self.hi.tolist(), "hold": self.hold,
                "not_heard": self.not_heard}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Scaler:
        """Inverse of `to_dict`, bit for bit."""
        try:
            return cls(np.asarray(d["lo"], np.float32), np.asarray(d["hi"], np.float32), float(d["hold"]),
                       float(d["not_heard"]))
        except (KeyError, TypeError) as e:
            raise DataError(f"scaler: expected lo, hi, hold and not_heard, got {sorted(d)} ({e})") from e


@dataclass(frozen=True)
class Windows:
    """x (w, t, a) float32 in [0, 1]; y (w, t) room or -1; row (w,) index of each window's last row."""

    x: Floats
    y: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.row)


def _gather(samples: Samples, scaler: Scaler, rows: Ints) -> Windows:
    return Windows(scaler.prepare(samples)[rows], samples.room[rows], rows[:, -1])


def _check(length: int, hop: int) -> None:
    if length < 1 or hop < 1:
        raise ConfigError(f"window length {length} and hop {hop}, expected at least 1")


def windows(samples: Samples, scaler: Scaler, length: int, hop: int) -> Windows:
    """Every `hop` rows a window of `length` rows, inside one session; a shorter session has none."""
    _check(length, hop)
    first = samples.starts()
    start = np.arange(len(samples))
    last = start + length - 1
    whole = last < len(samples)
    whole[whole] &= first[last[whole]] == first[whole]
    start = start[whole & ((start - first) % hop == 0)]
    return _gather(samples, scaler, start[:, None] + np.arange(length))


def every_row(samples: Samples, scaler: Scaler, length: int) -> Windows:
    """For each row the window that ends at it, so that each row is predicted once, as on a device.

    Before a session's `length`-th row its first row is repeated on the left (`y` there repeats too: score the
    last step)."""
    _check(length, 1)
    rows = np.arange(len(samples))[:, None] + np.arange(1 - length, 1)
    return _gather(samples, scaler, np.maximum(rows, samples.starts()[:, None]))
