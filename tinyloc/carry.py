"""States that training windows begin with, for a model that goes on from row to row on a device.

A model that has only been trained from the initial state meets others as soon as it is carried on, and may fail there: its
states have been made by more rows than a window has.  Buitrago Ruiz and Gu (arXiv 2507.02782) found the same in language
models, and that it takes little to mend it: windows that begin with the state that other rows left ("state passing"), or
the rows before them (truncated backpropagation through time).  Here it is both.  Before each epoch the model of that moment
goes through all recordings, and its states at the windows' first rows are kept; each recording begins with the state that
another one ended with the last time, so that states are ever older, as those of a device are that is never restarted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyloc.data import Windows

if TYPE_CHECKING:
    from tinyloc.train import Trainable


class Carried:
    """The states of training windows (w,) of a model with `state_shapes`; `share` of them and of recordings begin with what
    rows before left, the others with the initial state."""

    def __init__(self, windows: Windows, shapes: Sequence[tuple[int, ...]], share: float) -> None:
        assert windows.recordings is not None
        self.x, self.share = windows.recordings.x, share
        # The longest first: those that go on are always the first ones.
        spans = sorted(windows.recordings.spans, key=lambda span: span[0] - span[1])
        self.start, self.length = np.array([a for a, _ in spans]), np.array([b - a for a, b in spans])
        first = windows.row + windows.recordings.delay - windows.x.shape[1] + 1
        of = np.argsort(self.start)
        self.recording = of[np.searchsorted(self.start[of], first, "right") - 1]
        offset = first - self.start[self.recording]
        self.hop = math.gcd(*offset.tolist()) or int(self.length[0])  # rows from one of the kept states to the next
        self.chunk = offset // self.hop
        #: States after the recordings, one (r, ...) each of the shapes; a checkpoint has them.
        self.ends = [np.zeros((len(spans), *shape), np.float32) for shape in shapes]
        self._kept = [np.zeros((len(windows), *shape), np.float32) for shape in shapes]

    def _begin(self, states: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Copies of states (n, ...), of which only the share is as it was."""
        carried = rng.random(len(states[0])) < self.share
        return [np.where(carried.reshape(-1, *[1] * (s.ndim - 1)), s, np.float32(0)) for s in states]

    def tour(self, model: Trainable, rng: np.random.Generator) -> None:
        """Goes through all recordings with the model, and keeps the states at the windows' first rows."""
        other = rng.permutation(len(self.start))
        self.ends = self._begin([s[other] for s in self.ends], rng)
        for chunk in range(int(self.chunk.max()) + 1):
            at = np.flatnonzero(self.chunk == chunk)
            for kept, now in zip(self._kept, self.ends, strict=True):
                kept[at] = now[self.recording[at]]
            going = int((self.length >= (chunk + 1) * self.hop).sum())
            if not going:
                break
            rows = self.start[:going, None] + np.arange(chunk * self.hop, (chunk + 1) * self.hop)
            _, cache = model.forward(self.x[rows], state=[s[:going] for s in self.ends])
            for now, after in zip(self.ends, model.state_after(cache), strict=True):
                now[:going] = after

    def of(self, pick: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """States (b, ...) that the windows `pick` (b,) begin with."""
        return self._begin([kept[pick] for kept in self._kept], rng)
