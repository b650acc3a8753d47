"""Motion energy: what an accelerometer adds to a row, one whole number.

    level = 10 log10(variance / (1 mg)^2) dB        mg: a thousandth of g, standard gravity
    variance = (1 / n) sum |a_i - mean a|^2         over the n samples a_i = (x, y, z) of the row's interval

The mean takes gravity out, as long as the wrist does not turn; nothing depends on how a device is worn.  Decibels, because
standing still and walking are apart by a factor of hundreds, and because a whole dB has an input code of its own, as
a whole dBm has.  Everything is exact in integers, so that firmware (`tl_motion` of kernels/c/tinyloc.h) has the same levels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyloc.data.table import Floats, Ints
from tinyloc.errors import DataError

# 64 times the variance at which a level is rounded up, 10^((i + 0.5) / 10), within 0.03 dB; ten times that a decade on.  No
# level of int16 samples is beyond them: their variance is below 10^9.51 mg^2.
ROUNDS_UP = np.array([72, 90, 114, 143, 180, 227, 286, 360, 453, 571], np.uint64)
DECADES = 10
MOST_SAMPLES = 4096  # a row; more could overflow 64 bits
GRAVITY = {"g": 1.0, "m/s^2": 9.80665, "mg": 1000.0}  # what an accelerometer at rest says, by its unit


def _level(scaled: npt.NDArray[np.uint64], square: npt.NDArray[np.uint64]) -> Ints:
    """(r,) whole dB of scaled / (64 square): how many of the thresholds, times `square`, `scaled` reaches."""
    level = np.zeros(len(scaled), np.int64)
    for decade in range(DECADES):
        for threshold in ROUNDS_UP * np.uint64(10**decade):
            level += scaled >= threshold * square
    return level


def motion_levels(mg: npt.ArrayLike, row: Ints, rows: int) -> Floats:
    """(rows,) levels in dB; NaN for a row of fewer than two samples, of which nothing is known.

    mg   (e, 3) samples in mg, whole numbers of 16 bits, in any order
    row  (e,) the row in whose interval each lies; those outside of 0..rows - 1 are left out

    Raises DataError for other shapes or numbers, or for more than 4,096 samples a row.
    """
    a = np.asarray(mg)
    if a.shape != (len(row), 3):
        raise DataError(f"accelerometer samples have shape {a.shape}, expected ({len(row)}, 3)")
    whole = a.astype(np.int64)
    if (whole != a).any() or (len(a) and (whole.min() < -(1 << 15) or whole.max() >= 1 << 15)):
        raise DataError("accelerometer samples: expected whole numbers of mg that fit 16 bits")
    inside = (row >= 0) & (row < rows)
    whole, row = whole[inside], row[inside]
    n = np.bincount(row, minlength=rows)
    if n.max(initial=0) > MOST_SAMPLES:
        raise DataError(f"{n.max()} accelerometer samples in row {int(n.argmax())}, expected at most {MOST_SAMPLES}")
    total, squares = np.zeros((rows, 3), np.int64), np.zeros(rows, np.int64)
    np.add.at(total, row, whole)
    np.add.at(squares, row, (whole**2).sum(1))
    scatter = n * squares - (total**2).sum(1)  # n^2 times the variance
    level = _level((64 * scatter).astype(np.uint64), (n**2).astype(np.uint64))
    return np.where(n < 2, np.nan, level).astype(np.float32)


def level_of(deviation: npt.ArrayLike) -> Floats:
    """Levels in dB of root mean square deviations in mg, the root of the variance above; NaN stays NaN."""
    mg = np.asarray(deviation, np.float64)
    known = ~np.isnan(mg)
    limits = (ROUNDS_UP * 10.0 ** np.arange(DECADES)[:, None]).reshape(-1)
    level = np.searchsorted(limits, 64 * np.where(known, mg, 0) ** 2, side="right")
    return np.where(known, level, np.nan).astype(np.float32)


def unit_of(acceleration: npt.NDArray[np.float64]) -> str | None:
    """The unit of samples (e, 3) by their median norm, which is gravity's: "g", "m/s^2" or "mg"; None when it is none of
    these within a factor of two, as where gravity was filtered out."""
    if not len(acceleration):
        return None
    norm = float(np.median(np.linalg.norm(acceleration, axis=1)))
    return next((unit for unit, g in GRAVITY.items() if g / 2 < norm < g * 2), None)
