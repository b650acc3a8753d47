"""Splits that do not leak: whole blocks of time, or whole people and devices, are held out."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from tinyloc.data.table import Bools, Ints, Samples

GAP = 20.0  # seconds from row to row that end a session
UNIT_WINDOWS = 5  # of `units`
_DRAWS = 300  # random choices that `hold_out` compares; more change the result by under a percent of the rows


def sessions(time: npt.NDArray[np.float64], gap: float = GAP, recording: Ints | None = None) -> Ints:
    """(n,) id, from 0, of the session that a row lies in: it ends with the recording, and before a gap of more than `gap`
    seconds from row to row."""
    new = np.diff(time, prepend=time[:1]) > gap
    if recording is not None:
        new |= np.diff(recording, prepend=recording[:1]) != 0
    return np.cumsum(new, dtype=np.int64)


def time_blocks(samples: Samples, seconds: float) -> Ints:
    """(n,) id of the block of about `seconds` that a row lies in; sessions are cut into equal shares."""
    first = samples.starts()
    block, following = np.zeros(len(samples), np.int64), 0
    for start in np.unique(first):
        rows = np.flatnonzero(first == start)
        span = samples.time[rows[-1]] - samples.time[rows[0]]
        parts = max(1, min(len(rows), round(span / seconds)))
        block[rows] = following + np.arange(len(rows)) * parts // len(rows)
        following += parts
    return block


def visits(samples: Samples) -> Ints:
    """(n,) the number of the visit that a row belongs to: a stretch of rows of one session in one room."""
    new = np.ones(len(samples), bool)
    new[1:] = (np.diff(samples.room) != 0) | (np.diff(samples.session) != 0)
    return np.cumsum(new) - 1


def units(samples: Samples, window: int, rate_hz: float) -> Ints:
    """(n,) id of the stretch of UNIT_WINDOWS windows that a row lies in, whose mistakes are not independent; each row its
    own where rows stand alone (`rate_hz` 0)."""
    return time_blocks(samples, UNIT_WINDOWS * window / rate_hz) if rate_hz else np.arange(len(samples))


def hold_out(unit: Ints, room: Ints, share: float, seed: int) -> Bools:
    """(n,) True for the rows held out: whole units (blocks, groups), about `share` of the rows.

    Of many random choices of units the best is kept: first that no room is missing from what stays, then
    that the held-out part is near `share` of all rows, of each room, and misses few rooms.  Deterministic in
    `seed`."""
    rng = np.random.default_rng([seed, 0x5B117])
    units, code = np.unique(unit, return_inverse=True)
    classes = int(room.max(initial=-1)) + 1
    # counts[u, c + 1]: rows of unit u in room c; column 0 holds the unlabeled rows.
    counts = np.zeros((len(units), classes + 1), np.int64)
    np.add.at(counts, (code, room + 1), 1)
    total, rows = counts.sum(axis=0), counts.sum(axis=1)
    occurs = total[1:] > 0
    best, choice = (np.inf, np.inf), np.zeros(len(units), bool)
    for _ in range(_DRAWS):
        order = rng.permutation(len(units))
        held = np.zeros(len(units), bool)
        # A unit is taken as long as it brings the held-out part closer to its share.
        target, have = share * rows.sum(), 0
        for u in order:
            if abs(have + rows[u] - target) < abs(have - target):
                held[u], have = True, have + int(rows[u])
        out = counts[held].sum(axis=0)
        lost = int((occurs & (out[1:] == total[1:])).sum())
        # A room that is absent counts as `share` uneven already; the total weighs as much as all rooms
        # together.
        uneven = np.abs(out[1:] - share * total[1:])[occurs] / total[1:][occurs]
        off = float(uneven.mean() if uneven.size else 0.0) + abs(float(rows[held].sum()) / rows.sum() - share)
        if (lost, off) < best:
            best, choice = (lost, off), held
    return choice[code]


def part(samples: Samples, mask: Bools) -> Samples:
    """The rows of `mask`, renumbered so that rows that were not neighbors do not share a session."""
    rows = np.flatnonzero(mask)
    new = np.ones(len(rows), bool)
    new[1:] = (np.diff(rows) > 1) | (samples.session[rows[1:]] != samples.session[rows[:-1]])
    return dataclasses.replace(samples.take(rows), session=np.cumsum(new) - 1)
