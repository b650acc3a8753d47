"""Augmentation: what another phone, a lost packet or a dead access point would have made of a window.

Everything happens to dBm, before scaling, and anew for each window and step of training.  What the receiver's
sensitivity hides and what is lost are different things: the first goes for good, a lost packet's place is taken
by the last value heard, as `forward_fill` would have done.  Motion channels have a kind of their own; no other touches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tinyloc.data.table import Floats, Ints, Samples
from tinyloc.data.windows import forward_fill
from tinyloc.errors import ConfigError


@dataclass(frozen=True)
class Augmentation:
    """How much to change.

    offset  standard deviation in dB of a device's offset, one a window
    gain    standard deviation of a device's gain around 1, about -60 dBm, one a window
    noise   standard deviation in dB, a value
    deaf    standard deviation in dB by which a device hears worse: what falls below the weakest signal of the
            recording, raised by that, is not heard; one a window
    lost    greatest share of the values that are lost; a window's own share is uniform below it
    dead    greatest share of the access points that are dead for a whole window, likewise
    motion  share of the windows in which motion is unknown throughout, as without an accelerometer
    """

    offset: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    deaf: float = 0.0
    lost: float = 0.0
    dead: float = 0.0
    motion: float = 0.0

    def __post_init__(self) -> None:
        for f in fields(self):
            most = {"lost": 0.95, "dead": 0.95, "motion": 0.95, "gain": 1.0}.get(f.name, 40.0)
            if not 0 <= getattr(self, f.name) <= most:
                raise ConfigError(f"augmentation: {f.name} = {getattr(self, f.name)!r}; expected 0 to {most:g}")

    def __call__(self, rssi: Floats, rng: np.random.Generator, hold: int = 0, weakest: float = -120.0) -> Floats:
        """Changed copy of windows (w, t, a) dBm, NaN for not heard.

        hold     steps for which a value stands in for lost ones
        weakest  dBm of the weakest signal that the recording's device heard
        """
        w, t, a = rssi.shape
        x = rssi.astype(np.float32)

        def normal(scale: float, *shape: int) -> Floats:
            return scale * rng.standard_normal(shape, np.float32)

        if self.gain:
            x = (x + 60) * (1 + normal(self.gain, w, 1, 1)) - 60
        if self.offset:
            x = x + normal(self.offset, w, 1, 1)
        if self.noise:
            x = x + normal(self.noise, w, t, a)
        if self.deaf:
            x[x < weakest + np.abs(normal(self.deaf, w, 1, 1))] = np.nan
        if self.lost:
            gone = rng.random((w, t, a), np.float32) < self.lost * rng.random((w, 1, 1), np.float32)
            last = np.maximum.accumulate(np.where(gone, -1, np.arange(t)[:, None]), 1)
            held = np.take_along_axis(x, np.maximum(last, 0), 1)
            x = np.where(gone, np.where((last >= 0) & (np.arange(t)[:, None] - last <= hold), held, np.nan), x)
        if self.dead:
            x = np.where(rng.random((w, 1, a), np.float32) < self.dead * rng.random((w, 1, 1), np.float32), np.nan, x)
        return x.astype(np.float32)

    def forget(self, motion: Floats, rng: np.random.Generator) -> Floats:
        """Copy of the levels (w, t, m) of windows, NaN for unknown, with those unknown that `motion` says."""
        if not (self.motion and motion.size):
            return motion.copy()
        return np.where(rng.random((len(motion), 1, 1), np.float32) < self.motion, np.float32(np.nan), motion)


class Augmenter:
    """Makes changed windows of `samples`.

    hold     seconds that `forward_fill` bridges
    length   rows a window; delay: rows by which its labels lag
    rate_hz  rows a second: how many of them a lost value's place is held (0: rows stand alone)
    """

    def __init__(self, samples: Samples, hold: float, length: int, delay: int, rate_hz: float, how: Augmentation) -> None:
        self.signals, self.aps, self.how = forward_fill(samples, hold), len(samples.aps), how
        rssi = self.signals[:, : self.aps]
        self.steps = np.arange(1 - length, 1) + delay
        self.hold = int(hold * rate_hz + 1e-6)
        self.weakest = float(np.nanmin(rssi)) if not np.isnan(rssi).all() else 0.0

    def rows(self, about: Ints) -> Ints:
        """(w, t) the rows of the windows about those rows (`Windows.row`)."""
        return np.maximum(about[:, None] + self.steps, 0)

    def windows(self, about: Ints) -> Floats:
        """(w, t, a + m) dBm and dB of them as they are; NaN for not heard."""
        return self.signals[self.rows(about)]

    def __call__(self, about: Ints, rng: np.random.Generator) -> Floats:
        """The same, changed."""
        return self._changed(self.windows(about), rng)

    def recordings(self, spans: Sequence[tuple[int, int]], rng: np.random.Generator) -> Floats:
        """(n, a + m) all rows, each recording, from a row to before another, changed as one long window."""
        return np.concatenate([self._changed(self.signals[None, start:end], rng)[0] for start, end in spans])

    def _changed(self, signals: Floats, rng: np.random.Generator) -> Floats:
        rssi, motion = np.split(signals, [self.aps], axis=2)
        changed = self.how(rssi, rng, self.hold, self.weakest)
        return np.concatenate([changed, self.how.forget(motion, rng)], 2) if motion.size else changed
