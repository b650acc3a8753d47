"""From single receptions to rows: a regular time grid, one value an access point a cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyloc.data.table import Floats, Ints
from tinyloc.errors import DataError

_LIMIT = 50_000_000  # cells; a wrong unit of time would otherwise ask for terabytes


def regular(time: npt.NDArray[np.float64], ap: Ints, rssi: Floats, aps: int,
            rate_hz: float) -> tuple[npt.NDArray[np.float64], Floats]:
    """Grid times (n,), each the end of its cell of 1 / rate_hz seconds, and rssi (n, a).

    time, ap, rssi: (e,) receptions in any order.  A cell holds the (lower) median of what was heard in it,
    NaN without a reception.  A row therefore uses nothing from after its time."""
    if not len(time):
        raise DataError("no receptions to put on a grid")
    # The first reception is in the middle of its cell, so that a regular sender's jitter crosses no border.
    cell = np.floor((time - time.min()) * rate_hz + 0.5).astype(np.int64)
    n = int(cell.max()) + 1
    if n * aps > _LIMIT:
        raise DataError(f"receptions span {time.max() - time.min():.6g} s, too long for one recording")
    key = cell * aps + ap
    order = np.lexsort((rssi, key))
    keys, first, count = np.unique(key[order], return_index=True, return_counts=True)
    out = np.full(n * aps, np.nan, np.float32)
    out[keys] = rssi[order][first + (count - 1) // 2]
    return time.min() + (np.arange(n) + 0.5) / rate_hz, out.reshape(n, aps)
