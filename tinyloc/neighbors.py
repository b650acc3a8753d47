"""The training rows most like a row vote on its room: a teacher that needs no training.

What a model of a few kilobytes cannot hold, every row of a survey, its teacher may.  Rows are compared by the cosine of
their powed signals, in which strong signals count for more (Torres-Sospedra et al., Expert Systems with Applications
42:9263, 2015, compare such representations and distances); each votes with the weight exp((similarity - the greatest) /
WIDTH), but not on itself: what it heard is most like itself, and its label would be all that the others teach.

POWER and WIDTH were chosen on ujiindoorloc's training rows, each of its 18 people and phones held out in turn (README.md,
*Models*); BALANCE is what models of such data are trained by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyloc.data import NOT_HEARD, Samples, forward_fill
from tinyloc.errors import DataError
from tinyloc.layers import layers

POWER = 2.0  # of a signal's height above NOT_HEARD
WIDTH = 0.02  # of the vote's weight, in cosine similarity
BALANCE = 1.0  # 0: all rows' votes are alike; 1: all rooms', however many rows they have, as for `Recipe.balance`


def _unit(rssi: np.ndarray) -> np.ndarray:
    """(..., a) dBm, NaN for not heard -> float32 vectors of length 1; 0 where nothing is heard."""
    x = np.where(np.isnan(rssi), 0, np.maximum(rssi - np.float32(NOT_HEARD), 0) ** np.float32(POWER)).astype(np.float32)
    length = np.sqrt((x * x).sum(-1, keepdims=True))
    return np.divide(x, length, out=x, where=length > 0)


@dataclass(frozen=True)
class Neighbors:
    """Known rows, by access point: value[start[j] : start[j + 1]] is how the rows `row` there hear access point j, and room
    (r,) what they vote for.  voices (c,): weight of each room's votes, 0 of one without rows.  number (n,): of each row that
    they were taken from, its number among them, or -1."""

    start: np.ndarray
    row: np.ndarray
    value: np.ndarray
    room: np.ndarray
    voices: np.ndarray
    number: np.ndarray

    @classmethod
    def of(cls, rows: Samples, hold: float, delay: int = 0) -> Neighbors:
        """Those of `rows` whose room is known; hold: seconds for which a value stands in for lost ones.

        delay: rows by which rooms lag: a row then votes for the room so many rows before it, in its session.
        Raises DataError without a row.
        """
        about = np.arange(len(rows)) - delay
        labels = np.where(about < rows.starts(), -1, rows.room[np.maximum(about, 0)])
        known = labels >= 0
        if not known.any():
            raise DataError("neighbors: no row with a room; expected at least one")
        x = _unit(forward_fill(rows, hold)[known, : len(rows.aps)])
        column, row = np.nonzero(x.T)
        room = labels[known]
        count = np.bincount(room, minlength=len(rows.rooms))
        voices = np.where(count > 0, np.maximum(count, 1) ** -BALANCE, 0).astype(np.float32)
        start = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=x.shape[1]))])
        number = np.where(known & (known.sum() > 1), np.cumsum(known) - 1, -1)  # a single one would have nobody to ask
        return cls(start.astype(np.int64), row.astype(np.int32), x[row, column], room, voices, number)

    def vote(self, rssi: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """(w, t, c) probability of each room at each step of windows (w, t, a or more) of dBm, NaN for not heard; the access
        points of the known rows, first and in their order.

        rows (w, t): of the rows that the neighbors were taken from, which one a step is (changed, perhaps): it has no vote
        there.  None: they are other rows."""
        a = len(self.start) - 1
        if rssi.shape[-1] < a:
            raise DataError(f"neighbors: rows of {rssi.shape[-1]} access points; expected {a}")
        x = _unit(rssi[..., :a])
        votes = layers(x.dtype).neighbor_votes(x.reshape(-1, a), self.start, self.row, self.value, self.room,
                                               len(self.voices), WIDTH,
                                               None if rows is None else self.number[rows.reshape(-1)]) * self.voices
        votes /= votes.sum(1, keepdims=True)
        return votes.reshape(*rssi.shape[:-1], len(self.voices))
