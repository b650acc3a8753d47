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
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyloc.data import Windows

if TYPE_CHECKING:
    from tinyloc.train import Trainable

#: Rows (b, t, a) and a state, an array (b, ...) each of a model's `state_shapes`, to the state after them.
Carrying = Callable[[np.ndarray, Sequence[np.ndarray]], list[np.ndarray]]
STRETCH = 128  # of the steps from one window to the next: a longer recording is gone through in parts, side by side


class Carried:
    """The states of training windows (w,) of a model with `state_shapes`; `share` of them, and of recordings, begin with
    what rows before left, the others with the initial state."""

    def __init__(self, windows: Windows, shapes: Sequence[tuple[int, ...]], share: float, stretch: int | None = None
                 ) -> None:
        assert windows.recordings is not None
        self.x, self.share, length = windows.recordings.x, share, windows.x.shape[1]
        begin = windows.recordings.first[windows.row]
        first = np.maximum(windows.start, begin)
        # Rows from one of the kept states to the next; no more than a window's, however few windows there are.
        self.hop = math.gcd(*(first - begin).tolist())
        if not 0 < self.hop <= length:
            self.hop = math.gcd(self.hop, length)
        step = (stretch or STRETCH) * self.hop
        parts = [(at, min(at + step, end), at == start, at + step >= end)
                 for start, end in windows.recordings.spans for at in range(start, end, step)]
        # The longest first: those that go on are always the first ones.
        parts.sort(key=lambda part: (part[0] - part[1], part[0]))
        self.start, self.length = np.array([a for a, *_ in parts]), np.array([b - a for a, b, *_ in parts])
        self.opens, self.closes = (np.flatnonzero([part[i] for part in parts]) for i in (2, 3))
        order = np.argsort(self.start)
        self.before = np.empty(len(parts), np.int64)  # the part before each, in the order of rows
        self.before[order] = np.roll(order, 1)
        self.part = order[np.searchsorted(self.start[order], first, "right") - 1]
        chunk = (first - self.start[self.part]) // self.hop
        # What comes behind the last window matters to nobody but a later part.
        most = int(chunk.max()) + 1 if len(self.closes) == len(parts) else int(self.length[0]) // self.hop
        order = np.argsort(chunk, kind="stable")
        self._of_chunk = np.split(order, np.searchsorted(chunk[order], np.arange(1, most)))
        #: States after the parts (p, ...), one for each of the shapes; a checkpoint has them.
        self.ends = [np.zeros((len(parts), *shape), np.float32) for shape in shapes]
        self._kept = [np.zeros((len(windows), *shape), np.float32) for shape in shapes]

    def _begin(self, states: Sequence[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        """(the share (n,) that is as it was, copies of states (n, ...)); the others are the initial one."""
        carried = rng.random(len(states[0])) < self.share
        return carried, [np.where(carried.reshape(-1, *[1] * (s.ndim - 1)), s, np.float32(0)) for s in states]

    def tour(self, model: Trainable, rng: np.random.Generator) -> None:
        """Goes through all recordings with the model, and keeps the states at the windows' first rows.

        A recording begins as another one ended the last time; a later part of a long one, as the part before it did then.
        """
        other = rng.permutation(self.closes)
        _, others = self._begin([ends[other] for ends in self.ends], rng)
        self.ends = [ends[self.before] for ends in self.ends]
        for ends, begun in zip(self.ends, others, strict=True):
            ends[self.opens] = begun
        go_on = model.carrying(self.hop)
        for chunk, at in enumerate(self._of_chunk):
            for kept, now in zip(self._kept, self.ends, strict=True):
                kept[at] = now[self.part[at]]
            going = int((self.length >= (chunk + 1) * self.hop).sum())
            if not going:
                break
            rows = self.start[:going, None] + np.arange(chunk * self.hop, (chunk + 1) * self.hop)
            for now, after in zip(self.ends, go_on(self.x[rows], [s[:going] for s in self.ends]), strict=True):
                now[:going] = after

    @staticmethod
    def all_of(windows: Windows, model: Trainable) -> list[np.ndarray]:
        """States (w, ...) that windows begin with, of a model that does not change, each recording behind another one."""
        assert windows.recordings is not None
        carried, rng = Carried(windows, model.state_shapes, 1.0, len(windows.recordings.x)), np.random.default_rng(0)
        for _ in range(2):
            carried.tour(model, rng)
        return carried._kept

    def of(self, pick: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        """(which of the windows `pick` (b,) begin with what rows before left, states (b, ...) that all begin with)."""
        return self._begin([kept[pick] for kept in self._kept], rng)
