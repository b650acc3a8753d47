"""From rows to what a model reads: bridge short gaps, scale to 0..1, cut windows.

The recipe of Suwannaphong et al., Sci. Rep. 15:10081 (2025): hold the last value heard for at most 1 s, set
what is still missing to -120 dBm, scale each access point by its least and greatest training value, windows
of 4 s with half overlap.  The paper does not say which rows the scaler saw; here it is the training rows
alone.

Motion channels, where the samples have them, follow the access points: held alike, each scaled by its own range.

A label may lag by a few rows (`delay`): a window then ends that many rows after the row that it is about, as
in fixed-lag smoothing.  The receivers' averages, and a walk through a door, are known only a moment later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.data.table import Floats, Ints, Samples
from tinyloc.errors import ConfigError, DataError, unknown

NOT_HEARD = -120.0  # dBm, stands for an access point that is silent for longer than the hold
DBM_LEAST, DBM_MOST = -127, 20  # of a packet: anything else is no signal strength, and firmware drops it (`tl_stream_hear`)
HOLD = 1.0  # seconds
SIGNALS = ("minmax", "powed")
MOTION_GAP = 10.0  # dB from the least level of training down to what stands for "unknown", that it be none of the levels
POWER = 2.0  # of "powed"; Torres-Sospedra's e leaves signals below -90 dBm less than one code of int8


def forward_fill(samples: Samples, seconds: float = HOLD) -> Floats:
    """(n, a + m): `samples.signals` with each gap filled by the last value heard in the same session, while that
    value is at most `seconds` old.  Not idempotent: fill the raw rows once."""
    signals = samples.signals
    n, heard = len(samples), ~np.isnan(signals)
    if heard.all() or not n:
        return signals.copy()
    last = np.maximum.accumulate(np.where(heard, np.arange(n)[:, None], -1), axis=0)
    # A microsecond of slack: seconds since 1970 are no finer in float64, and a row at exactly `seconds`
    # counts.
    age = samples.time[:, None] - samples.time[last]
    fresh = (last >= samples.starts()[:, None]) & (age <= seconds + 1e-6)
    return np.where(fresh, np.take_along_axis(signals, np.maximum(last, 0), axis=0), np.float32(np.nan))


@dataclass(frozen=True)
class Scaler:
    """Maps dBm to 0..1: ((rssi - lo) / (hi - lo))^power, clipped; silence counts as `not_heard`.

    lo, hi     (a + m,) least and greatest training value; an access point that never changed maps to 0
    hold       seconds that `prepare` bridges
    not_heard  dBm that stands for silence
    power      above 1, strong signals differ more than weak ones, as distances do
    motion     m, how many of the last columns are motion channels, in dB: they have no power, their `lo` lies below
               every level of training, and there, at 0, lies what is unknown too
    """

    lo: Floats
    hi: Floats
    hold: float = HOLD
    not_heard: float = NOT_HEARD
    power: float = 1.0
    motion: int = 0

    def __post_init__(self) -> None:
        lo, hi = np.asarray(self.lo, np.float32), np.asarray(self.hi, np.float32)
        if lo.ndim != 1 or lo.shape != hi.shape:
            raise DataError(f"scaler: lo {lo.shape} and hi {hi.shape}, expected two vectors of one length")
        if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (lo <= hi).all()):
            raise DataError("scaler: expected finite lo <= hi")
        if not 0.1 <= self.power <= 10:
            raise DataError(f"scaler: power = {self.power!r}; expected 0.1 to 10")
        if not 0 <= self.motion < max(1, len(lo)):
            raise DataError(f"scaler: motion = {self.motion!r}; expected 0 to {max(0, len(lo) - 1)} of {len(lo)} inputs")
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)

    @classmethod
    def fit(cls, train: Samples, *, shared: bool = False, hold: float = HOLD,
            not_heard: float = NOT_HEARD, signal: str = SIGNALS[0], power: float = POWER) -> Scaler:
        """Ranges from training rows alone; `shared`: one range for all access points.

        signal  "minmax", the paper's; or "powed" (Torres-Sospedra et al., Expert Systems with Applications
                42:9263, 2015): all access points share the range from 1 dB below the weakest signal heard, where
                silence lies too, to the strongest, and it counts to the `power`; 1 is the level in dB itself

        Raises DataError without rows, or for "powed" where nothing was heard; ConfigError for an unknown signal.
        """
        if signal not in SIGNALS:
            raise unknown("signal", signal, SIGNALS)
        if not len(train):
            raise DataError("scaler: no training rows")
        a, m = len(train.aps), len(train.motions)
        x, motion = np.split(forward_fill(train, hold), [a], axis=1)
        known = ~np.isnan(motion)
        # A channel of which nothing is known in training is constant: from 0 to 0.
        low = np.where(known.any(0), np.where(known, motion, np.inf).min(0, initial=np.inf) - MOTION_GAP, 0)
        high = np.where(known.any(0), np.where(known, motion, -np.inf).max(0, initial=-np.inf), 0)
        if signal == "powed":
            if np.isnan(x).all():
                raise DataError("scaler: no access point was heard in any training row")
            lo, hi = np.full(a, np.nanmin(x) - 1), np.full(a, np.nanmax(x))
        else:
            x = np.where(np.isnan(x), np.float32(not_heard), x)
            lo, hi = x.min(axis=0), x.max(axis=0)
            if shared:
                lo, hi = np.full_like(lo, lo.min()), np.full_like(hi, hi.max())
        return cls(np.concatenate([lo, low]), np.concatenate([hi, high]), hold, not_heard,
                   power if signal == "powed" else 1.0, m)

    @property
    def shared(self) -> bool:
        """Whether all access points have one range."""
        a = len(self.lo) - self.motion
        return all(bool((v[:a] == v[0]).all()) for v in (self.lo, self.hi))

    def transform(self, rssi: npt.ArrayLike) -> Floats:
        """(..., a + m) dBm and dB, NaN for not heard and unknown -> float32 in [0, 1]."""
        x = np.asarray(rssi, np.float32)
        if x.shape[-1:] != self.lo.shape:
            raise DataError(f"scaler: {x.shape[-1:]} access points, expected {self.lo.shape}")
        x = np.where(np.isnan(x), np.float32(self.not_heard), x)
        span = self.hi - self.lo
        # A constant column becomes 0 everywhere: what it never said in training cannot mean anything later.
        gain = np.divide(1, span, out=np.zeros_like(span), where=span > 0)
        y = np.clip((x - self.lo) * gain, 0, 1).astype(np.float32)
        if self.power != 1:
            a = len(self.lo) - self.motion
            y[..., :a] = (y[..., :a].astype(np.float64) ** self.power).astype(np.float32)
        return y

    def prepare(self, samples: Samples) -> Floats:
        """(n, a + m) in [0, 1]: gaps bridged within a session, then scaled."""
        return self.transform(forward_fill(samples, self.hold))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {"lo": self.lo.tolist(), "hi": self.hi.tolist(), "hold": self.hold,
                "not_heard": self.not_heard, **({"power": self.power} if self.power != 1 else {}),
                **({"motion": self.motion} if self.motion else {})}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Scaler:
        """Inverse of `to_dict`, bit for bit."""
        try:
            return cls(np.asarray(d["lo"], np.float32), np.asarray(d["hi"], np.float32), float(d["hold"]),
                       float(d["not_heard"]), float(d.get("power", 1)), int(d.get("motion", 0)))
        except (KeyError, TypeError) as e:
            raise DataError(f"scaler: expected lo, hi, hold and not_heard, got {sorted(d)} ({e})") from e


@dataclass(frozen=True)
class Recordings:
    """Rows of recordings as they follow each other: what windows are cut from, and what a model hears that is not started
    anew for each.

    x (n, a + m) in [0, 1], or codes; first (n,) index of the first row of each row's recording, which are in order; delay:
    rows by which answers lag."""

    x: np.ndarray
    first: Ints
    delay: int = 0

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(first row, last one + 1) of each recording."""
        edges = [*np.unique(self.first).tolist(), len(self.x)]
        return list(pairwise(edges))

    def follow(self, answers: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """(n, ...) what is said of each row, where `answers` takes all rows (t, a + m) of a recording and gives an answer at
        each of them (t, ...).  The last ones come when a recording is over: its last row is heard again and again."""
        found = [np.zeros(0, np.int64)]
        for start, end in self.spans:
            rows = self.x[start:end]
            found.append(answers(np.concatenate([rows, np.repeat(rows[-1:], self.delay, 0)]))[self.delay :])
        return np.concatenate(found[1:] or found)


@dataclass(frozen=True)
class Windows:
    """x (w, t, a + m) float32 in [0, 1]; y (w, t) room or -1; row (w,) index of the row that each window is about;
    recordings: what they were cut from, where that is known.

    y is the room `delay` rows before; that row itself is the last of a window without delay."""

    x: Floats
    y: Ints
    row: Ints
    recordings: Recordings | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def start(self) -> Ints:
        """(w,) index of the first row of each window; of `every_row`'s it may lie before the recording."""
        return self.row + (self.recordings.delay if self.recordings else 0) - self.x.shape[1] + 1

    def said(self, goes_on: bool, of_recording: Callable[[np.ndarray], np.ndarray],
             of_windows: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """(w, ...) what is said of the row that each window is about: by who goes on from row to row, through whole
        recordings where they are known (`Recordings.follow`); else of the windows x, each begun anew."""
        if goes_on and self.recordings is not None and len(self):
            return self.recordings.follow(of_recording)[self.row]
        return of_windows(self.x)


def _gather(samples: Samples, scaler: Scaler, rows: Ints, about: Ints, delay: int) -> Windows:
    x = scaler.prepare(samples)
    return Windows(x[rows], np.where(about < 0, -1, samples.room[about]), about[:, -1],
                   Recordings(x, samples.starts(), delay))


def _check(length: int, hop: int, delay: int) -> None:
    if length < 1 or hop < 1:
        raise ConfigError(f"window length {length} and hop {hop}, expected at least 1")
    if delay < 0:
        raise ConfigError(f"delay {delay} rows, expected at least 0")


def windows(samples: Samples, scaler: Scaler, length: int, hop: int, delay: int = 0) -> Windows:
    """Every `hop` rows a window of `length` rows, inside one session; a shorter session has none.

    A step whose label would come from before its session has none (y = -1)."""
    _check(length, hop, delay)
    start = _starts(samples, length, hop)
    rows = start[:, None] + np.arange(length)
    about = rows - delay
    return _gather(samples, scaler, rows, np.where(about < samples.starts()[start][:, None], -1, about), delay)


def count_windows(samples: Samples, length: int, hop: int, delay: int = 0) -> tuple[int, int]:
    """(how many windows `windows` makes, those of them with a room at every step: the others are not trained on)."""
    _check(length, hop, delay)
    start = _starts(samples, length, hop)
    about = start - delay
    about = about[about >= samples.starts()[start]]
    without = np.concatenate([[0], np.cumsum(samples.room < 0)])
    return len(start), int((without[about + length] == without[about]).sum())


def _starts(samples: Samples, length: int, hop: int) -> Ints:
    """First rows of `windows`."""
    first = samples.starts()
    start = np.arange(len(samples))
    last = start + length - 1
    whole = last < len(samples)
    whole[whole] &= first[last[whole]] == first[whole]
    return start[whole & ((start - first) % hop == 0)]


def every_row(samples: Samples, scaler: Scaler, length: int, delay: int = 0) -> Windows:
    """For each row the window that ends `delay` rows after it, so that each row is predicted once, as on a device.

    Before a session's first row that row is repeated on the left, behind its last row that one on the right (`y`
    there repeats too: score the last step)."""
    _check(length, 1, delay)
    first, last = samples.starts()[:, None], samples.ends()[:, None]
    about = np.arange(len(samples))[:, None] + np.arange(1 - length, 1)
    return _gather(samples, scaler, np.clip(about + delay, first, last), np.maximum(about, first), delay)
