"""BLE in a furnished flat: six anchors, 3 Hz, a calibration walk by a robot and its separate test run.

Rooms follow from the position and the walls; their names are guesses, the geometry is not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.data.source import Source, locate
from tinyloc.data.split import hold_out, part, sessions, time_blocks
from tinyloc.data.table import Area, Dataset, Ints, Samples
from tinyloc.errors import DataError

ROOMS = ("bedroom", "living", "kitchen_annex", "entrance", "hall", "bathroom")
# Inside the outer walls of the authors' layout.csv.
AREAS = {"bedroom": Area(0, 2.12, 2.64, 7.1), "living": Area(2.64, 2.12, 6.32, 7.1),
         "kitchen_annex": Area(6.32, 4.19, 9.07, 7.1), "entrance": Area(0, 0, 2, 2.12), "hall": Area(2, 0, 3.96, 2.12),
         "bathroom": Area(3.96, 0, 6.22, 2.12)}
APS = tuple(f"rssi_{i}" for i in range(1, 7))
RATE_HZ = 3.0
BLOCK = 20.0  # seconds a validation block: five windows of 4 s
VAL = 0.25

_RAW = "https://raw.githubusercontent.com/marckolak/ble-rss-fingerprints-calib2021/HEAD/"


def room_of(x: npt.ArrayLike, y: npt.ArrayLike) -> Ints:
    """Index into `ROOMS` of positions in meters; -1 outside of the outer walls, or where a position is not known (NaN)."""
    x, y = np.asarray(x), np.asarray(y)
    north = np.where(x < 2.64, 0, np.where(x < 6.32, 1, 2))
    south = np.where(x < 2.0, 3, np.where(x < 3.96, 4, 5))
    inside = np.any([(a.x0 <= x) & (x <= a.x1) & (a.y0 <= y) & (y <= a.y1) for a in AREAS.values()], axis=0)
    return np.where(inside, np.where(y > 2.12, north, south), -1).astype(np.int64)


def _read(path: Path, positions: bool) -> Samples:
    if not path.is_file():
        raise DataError(f"{path}: not found")
    with path.open(encoding="utf-8") as f:
        names = f.readline().strip().split(",")
        wanted = ("ts", *(("x", "y") if positions else ()), *APS)
        missing = [n for n in wanted if n not in names]
        if missing:
            raise DataError(f"{path}, row 1: no column {missing[0]!r}, expected {', '.join(wanted)}")
        try:
            table = np.genfromtxt(f, delimiter=",", usecols=[names.index(n) for n in wanted], ndmin=2)
        except ValueError as e:
            raise DataError(f"{path}: {e}") from e
    time = (table[:, 0] - table[0, 0]) * 1e-9
    room = room_of(table[:, 1], table[:, 2]) if positions else np.full(len(table), -1)
    return Samples(time, table[:, -len(APS):], room, sessions(time), ROOMS, APS)


def load(seed: int = 0) -> Dataset:
    """Train and val: the calibration walk, a quarter of it held out in blocks of 20 s; test: the robot
    run."""
    folder = locate(SOURCE)
    rows = _read(folder / "calibration_df.csv", True)
    held = hold_out(time_blocks(rows, BLOCK), rows.room, VAL, seed)
    note = SOURCE.note(f"calibration walk, {VAL:.0%} of it held out as validation in whole blocks of "
                       f"{BLOCK:g} s (seed {seed}); test: the robot run, recorded separately.")
    return Dataset("flat", part(rows, ~held), part(rows, held), _read(folder / "test_robot_df.csv", True),
                   window=12, hop=6, rate_hz=RATE_HZ, simulated=False, note=note, areas=AREAS)


def walk() -> Samples:
    """The walk that came without positions: every room is -1."""
    return _read(locate(SOURCE) / "test_walk_df.csv", False)


SOURCE = Source(
    "flat", load, folder="flat",
    files={
        "calibration_df.csv": (_RAW + "calibration/calibration_df.csv",
                               "70016148cec0c10f320ee7078c7635d7614cb029f0a7a5142fda20fad059c50b"),
        "test_robot_df.csv": (_RAW + "tests/test_robot_df.csv",
                              "3c49cddf3a090e6ceeef997164f6f183d9c6a2d95c4c5e40f933cc52fa8abd9c"),
        "test_walk_df.csv": (_RAW + "tests/test_walk_df.csv",
                             "1e492d1e752da13517923f5aac9228fc73367d80bd61ef34b7a2d8dbfb6a0adc"),
    },
    home="https://github.com/marckolak/ble-rss-fingerprints-calib2021, doi 10.5281/zenodo.5457591",
    license="CC BY 4.0", cite="M. Kolakowski, Sensors 21(18):6270, 2021")
