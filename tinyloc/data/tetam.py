"""BLE in an office hall: twelve sensors hear one beacon on nine walks, with positions to 4 cm.

Zones: a grid of 4 x 3 cells over the 20.66 m x 17.64 m that the authors work in, `z<column><row>` from the
origin; cells without training rows do not count, their rows get the nearest zone's center.  The split is by
whole walks: the two with a turning beacon are the test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.data.grid import regular
from tinyloc.data.source import Source, locate
from tinyloc.data.table import Area, Dataset, Ints, Samples
from tinyloc.errors import DataError

# MAC -> alias, in the order of the authors' cnf/tetam.dev.
SENSORS = {
    "b827eb4521b4": "sensor10", "000000000101": "sensor11", "000000000102": "sensor12",
    "b827eb917e19": "sensor20", "000000000201": "sensor21", "000000000202": "sensor22",
    "b827ebf7d096": "sensor30", "000000000301": "sensor31", "000000000302": "sensor32",
    "b827ebfd7811": "sensor40", "000000000401": "sensor41", "000000000402": "sensor42"}
WALKS = {
    "train": ("straight_01", "straight_02", "straight_03", "straight_05", "rectangular_without_rotation"),
    "val": ("straight_04", "zigzagging_without_rotation"),
    "test": ("rectangular_with_rotation", "zigzagging_with_rotation")}
RATE_HZ = 2.0  # each sensor hears about 1.9 packets a second
SIZE, CELLS = np.array([20.66, 17.64]), np.array([4, 3])
LOUDEST = 20.0  # dBm; one line of straight_05 says +42, which no receiver reports: taken as not heard

Array = npt.NDArray[np.float64]
Walk = tuple[Array, npt.NDArray[np.float32], Array]


def _read(path: Path) -> Walk:
    """Times (n,), rssi (n, 12) and positions (n, 2) on the grid."""
    events: list[tuple[float, int, float, float, float]] = []
    number = {mac: i for i, mac in enumerate(SENSORS)}
    try:
        with path.open(encoding="utf-8") as f:
            for row, line in enumerate(f, 1):
                v = line.split(",")
                if len(v) != 16 or v[1] not in number:
                    raise DataError(f"{path}, row {row}: {len(v)} fields, sensor {v[1] if v[1:] else ''!r}; "
                                    "expected 16 fields and a known sensor")
                try:
                    events.append((float(v[0]), number[v[1]], float(v[3]), float(v[4]), float(v[5])))
                except ValueError as e:
                    raise DataError(f"{path}, row {row}: {e}") from e
    except OSError as e:
        raise DataError(f"{path}: {e.strerror}") from e
    table = np.array(sorted(events)).reshape(-1, 5)
    heard = table[table[:, 2] < LOUDEST]
    time, rssi = regular(heard[:, 0], heard[:, 1].astype(np.int64), heard[:, 2].astype(np.float32),
                         len(SENSORS), RATE_HZ)
    place = np.column_stack([np.interp(time, table[:, 0], table[:, i]) for i in (3, 4)])
    return time, rssi, place


def _cell(place: Array) -> Ints:
    column, row = np.clip(np.floor(place / SIZE * CELLS), 0, CELLS - 1).astype(np.int64).T
    return column * CELLS[1] + row


def load(seed: int = 0) -> Dataset:
    """Whole walks for train, val and test; `seed` changes nothing."""
    folder = locate(SOURCE) / "trk"
    walks = {part: [_read(folder / f"{w}_all_sensors.mbd") for w in names] for part, names in WALKS.items()}
    zones = np.unique(_cell(np.concatenate([place for _, _, place in walks["train"]])))
    center = (np.column_stack(np.divmod(zones, CELLS[1])) + 0.5) * SIZE / CELLS
    rooms = tuple(f"z{z // CELLS[1]}{z % CELLS[1]}" for z in zones)
    half = SIZE / CELLS / 2
    areas = {room: Area(*(at - half).tolist(), *(at + half).tolist()) for room, at in zip(rooms, center, strict=True)}

    def samples(part: str) -> Samples:
        time, rssi, place = (np.concatenate(c) for c in zip(*walks[part], strict=True))
        cell = _cell(place)
        near = np.argmin(np.linalg.norm(place[:, None] - center[None], axis=2), axis=1)
        room = np.where(np.isin(cell, zones), np.searchsorted(zones, cell), near)
        session = np.repeat(np.arange(len(walks[part])), [len(t) for t, _, _ in walks[part]])
        return Samples(time, rssi, room, session, rooms, tuple(SENSORS.values()))

    note = SOURCE.note("whole walks: " + "; ".join(f"{p}: {', '.join(w)}" for p, w in WALKS.items()) +
                       ". Zones of a 4 x 3 grid are this library's own.")
    return Dataset("tetam", samples("train"), samples("val"), samples("test"), window=8, hop=4,
                   rate_hz=RATE_HZ, simulated=False, note=note, areas=areas)


_RAW = "https://raw.githubusercontent.com/philotuxo/Position-Annotated-BLE-RSSI-Dataset/HEAD/trk/"
_DIGESTS = {
    "rectangular_with_rotation": "cd9ce61d377e54f302404b559fd423227a37b608e1c66de3a0709b94e46cee96",
    "rectangular_without_rotation": "8f8bb71ccaeffac130303e5ec5955fdab362fabfde11c7b6a0a8adb193f390c7",
    "straight_01": "cfa85727e12aa7d2723247bd488d1f7ca5ecff1717f569a3d37669f1abed7ce6",
    "straight_02": "8ab5e0f92970945612ae2f6bbd6dafd441799465ce14dae4fb5267e52cf50b32",
    "straight_03": "d7dae99df8e96e68dcab379fae4ff9eb77b9e24f687b309ffee3a9638445a86f",
    "straight_04": "c28f57aa5d56d7d5b0bd099b40454fe43e8fd5813a0c4ae330ca38a5d9f8a4e2",
    "straight_05": "bbe4118ea3bfe2e2548057767d9604d7abba578e40faec49e5e63dce98b0d314",
    "zigzagging_with_rotation": "bfa543a89e869151f1645e878a1e2b76bd8f72622f6234383cb73973c4fbd9c1",
    "zigzagging_without_rotation": "5117f7efba28c3ed583ff63da90057f8ac3a451a8f6d231b3168d59ea1754b88"}
SOURCE = Source(
    "tetam", load, folder="tetam",
    files={f"trk/{w}_all_sensors.mbd": (f"{_RAW}{w}_all_sensors.mbd", d) for w, d in _DIGESTS.items()},
    home="https://github.com/philotuxo/Position-Annotated-BLE-RSSI-Dataset", license="CC0",
    cite="F. S. Danis et al., Pervasive and Mobile Computing 81, 2022")
