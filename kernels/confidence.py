"""Decoders that say how sure they are: each row's label, and the confidence that belongs to its margin.

The margin of a row is how far the greatest score lies above the second; which share of the labels of that margin is right
was counted on validation rows (`tinyloc.confidence`) and is a table, so that nothing is computed but two maxima.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.kernels.fixed import sat16
from tinyloc.kernels.jit import njit
from tinyloc.kernels.op import Args, Layer, Op
from tinyloc.kernels.viterbi import viterbi_cases, viterbi_ideal, viterbi_row

FLOOR = -(2**15)  # stands for the second greatest of a single score


@njit("uint8(int32, int32, uint8[::1], int32, int32)")
def look_up(high, second, table, size, shift):  # type: ignore[no-untyped-def]
    """The table's entry for scores so far apart: one for each 2^shift places, the last for all beyond."""
    return table[min((high - second) >> shift, size - 1)]


def _argmax_confidence_s16(y, x, table, t, c, size, shift):  # type: ignore[no-untyped-def]
    for i in range(t):
        label, high, second = np.int32(0), np.int32(x[i * c]), np.int32(FLOOR)
        for j in range(1, c):
            v = np.int32(x[i * c + j])
            if v > high:
                label, high, second = np.int32(j), v, high
            elif v > second:
                second = v
        y[2 * i] = label
        y[2 * i + 1] = look_up(high, second, table, np.int32(size), np.int32(shift))


def _viterbi_confidence_s16(y, x, trans, end, table, scores, best, t, c, size, shift):  # type: ignore[no-untyped-def]
    for i in range(t):
        y[2 * i] = viterbi_row(x, i * c, trans, end, scores, best, c)
        high, second = np.int32(FLOOR), np.int32(FLOOR)
        for to in range(c):
            total = np.int32(sat16(np.int32(np.int32(scores[to]) + np.int32(end[to]))))
            if total > high:
                high, second = total, high
            elif total > second:
                second = total
        y[2 * i + 1] = look_up(high, second, table, np.int32(size), np.int32(shift))


def margins(scores: np.ndarray) -> np.ndarray:
    """(...) how far the greatest of scores (..., c) lies above the second, or above -2^15 where it is alone; int64."""
    s = np.sort(scores.astype(np.int64), -1)
    return np.asarray(s[..., -1] - (s[..., -2] if s.shape[-1] > 1 else FLOOR))


def _ideal_of(labels: np.ndarray, scores: np.ndarray, table: np.ndarray, shift: int) -> np.ndarray:
    """(2 t,) of labels (t,) and scores (t, c)."""
    at = np.minimum(margins(scores) // 2**shift, len(table) - 1)
    return np.stack([labels.astype(float), table[at].astype(float)], 1).reshape(-1)


def _ideal_argmax(y, x, table, t, c, size, shift):  # type: ignore[no-untyped-def]
    rows = x.reshape(t, c)
    return (_ideal_of(rows.argmax(1), rows, table, shift),)


def _ideal_viterbi(y, x, trans, end, table, scores, best, t, c, size, shift):  # type: ignore[no-untyped-def]
    labels, now, totals = viterbi_ideal(x, trans, end, scores, t, c)
    return _ideal_of(labels, totals, table, shift), now


def _table(rng: np.random.Generator, count: int) -> tuple[np.ndarray, int, int]:
    """(entries, size, shift): of any values, so that a place off shows; from one entry to more than any margin reaches."""
    size, shift = [(64, 4), (1, 0), (3, 15), (256, 8), (1, 15)][count] if count < 5 else (
        int(rng.integers(1, 100)), int(rng.integers(0, 16)))
    return rng.integers(0, 256, size).astype(np.uint8), size, shift


def _argmax_cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count in range(24 if level == 1 else 600):
        t, c = [(1, 1), (2, 256), (1, 60), (12, 2)][count] if count < 4 else rng.integers(1, (20, 80)).tolist()
        top = (32767, 100, 1)[count % 3]  # of 1, most are equal
        table, size, shift = _table(rng, count)
        yield [np.zeros(2 * t, np.uint8), rng.integers(-top - 1, top + 1, t * c).astype(np.int16), table, t, c, size, shift]


def _viterbi_cases(rng: np.random.Generator, level: int) -> Iterator[Args]:
    for count, (_, x, trans, end, scores, best, t, c) in enumerate(viterbi_cases(rng, level)):
        table, size, shift = _table(rng, count)
        yield [np.zeros(2 * t, np.uint8), x, trans, end, table, scores, best, t, c, size, shift]


_BOUND = "sums, saturated, maxima and a table are exact"
OPS = (
    Op("argmax_confidence_s16", "y:out:uint8:t*2 x:in:int16:t*c table:table:uint8:size t:int c:int:1..256 size:int "
       "shift:int:0..15", _argmax_confidence_s16, _ideal_argmax, _argmax_cases, (0.0,), _BOUND, streams=True),
    Op("viterbi_confidence_s16", "y:out:uint8:t*2 x:in:int16:t*c trans:weight:int16:(c+1)*c end:weight:int16:c "
       "table:table:uint8:size scores:state:int16:c+1 best:scratch:int16:c t:int c:int:1..256 size:int shift:int:0..15",
       _viterbi_confidence_s16, _ideal_viterbi, _viterbi_cases, (0.0, 0.0), _BOUND, streams=True),
)
LAYERS: tuple[Layer, ...] = ()

#: The decoder that says the same labels without confidence -> the one with: the same arguments, and a table's.
CONFIDENT = {"argmax_s16": "argmax_confidence_s16", "viterbi_s16": "viterbi_confidence_s16"}
