"""UJIIndoorLoc: Wi-Fi fingerprints of 520 access points in three university buildings; each row is on its
own.

Zone = building, floor and cell of 70 m, counted from the building's least longitude and latitude in the
training rows: 60 zones.  (The paper that this library follows has 59 classes of its own making, not
disclosed.)
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.data.source import Source, locate
from tinyloc.data.split import hold_out
from tinyloc.data.table import Area, Dataset, Ints, Samples
from tinyloc.errors import ConfigError, DataError

APS = tuple(f"WAP{i:03d}" for i in range(1, 521))
COLUMNS = (*APS, "LONGITUDE", "LATITUDE", "FLOOR", "BUILDINGID", "SPACEID", "RELATIVEPOSITION", "USERID",
           "PHONEID", "TIMESTAMP")
CELL = 70.0  # meters
SILENT = 100  # what the files say for "not heard"
VAL = 0.25
SPLITS = ("groups", "random")

Table = npt.NDArray[np.float64]


def _read(folder: Path, name: str) -> Table:
    """(n, 529) numbers of trainingData.csv or validationData.csv, from any zip or subfolder of `folder`."""
    plain = sorted(folder.rglob(name))
    if plain:
        where, data = str(plain[0]), plain[0].read_bytes()
    else:
        for archive in sorted(folder.glob("*.zip")):
            try:
                with zipfile.ZipFile(archive) as z:
                    inside = [n for n in z.namelist() if n.split("/")[-1] == name]
                    if inside:
                        where, data = f"{archive}:{inside[0]}", z.read(inside[0])
                        break
            except zipfile.BadZipFile as e:
                raise DataError(f"{archive}: not a zip file") from e
        else:
            raise DataError(f"{folder}: no {name}, neither plain nor in a zip")
    head, _, body = data.partition(b"\n")
    found = tuple(head.decode("latin-1").replace('"', "").strip().split(","))
    if found != COLUMNS:
        odd = next((i for i, (a, b) in enumerate(zip(found, COLUMNS, strict=False)) if a != b), len(found))
        raise DataError(f"{where}, row 1: column {odd + 1} is not as expected ({len(found)} columns, "
                        f"expected {len(COLUMNS)}: WAP001..WAP520, LONGITUDE, ..., TIMESTAMP)")
    try:
        table = np.loadtxt(io.BytesIO(body), delimiter=",", ndmin=2)
    except ValueError as e:
        raise DataError(f"{where}: {e}") from e
    if not len(table):
        raise DataError(f"{where}: no rows")
    return table


def _column(table: Table, name: str) -> npt.NDArray[np.float64]:
    return table[:, COLUMNS.index(name)]


def _cells(table: Table, origin: dict[int, Table]) -> Ints:
    """(n, 4) building, floor, cell east, cell north."""
    place = table[:, [COLUMNS.index("LONGITUDE"), COLUMNS.index("LATITUDE")]]
    building = _column(table, "BUILDINGID").astype(np.int64)
    unknown = set(building.tolist()) - set(origin)
    if unknown:
        raise DataError(f"ujiindoorloc: building {min(unknown)} does not occur in the training rows")
    cell = np.floor((place - np.array([origin[b] for b in building.tolist()])) / CELL)
    return np.column_stack([building, _column(table, "FLOOR"), cell]).astype(np.int64)


def _zones(train: Table, test: Table) -> tuple[dict[str, Area], Ints, Ints]:
    """Names and areas, from the building's own origin; zone of each training row; zone of each test row.

    A test row in a zone without training rows gets the nearest training zone center (mean of its rows) of its
    building and floor."""
    place = [COLUMNS.index("LONGITUDE"), COLUMNS.index("LATITUDE")]
    building = _column(train, "BUILDINGID")
    origin = {int(b): train[building == b][:, place].min(axis=0) for b in np.unique(building)}
    zones, of_train = np.unique(_cells(train, origin), axis=0, return_inverse=True)
    of_train = of_train.reshape(-1)
    center = np.array([train[of_train == z][:, place].mean(axis=0) for z in range(len(zones))])
    cells = _cells(test, origin)
    here = (cells[:, None, :2] == zones[None, :, :2]).all(axis=2)
    if not here.any(axis=1).all():
        b, f = cells[int(np.argmin(here.any(axis=1))), :2]
        raise DataError(f"ujiindoorloc: building {b}, floor {f} does not occur in the training rows")
    same = (cells[:, None] == zones[None]).all(axis=2)
    away = np.linalg.norm(test[:, None, place] - center[None], axis=2)
    away = np.where(same, -1.0, np.where(here, away, np.inf))
    areas = {f"b{b}f{f}_{i}_{j}": Area(CELL * i, CELL * j, CELL * (i + 1), CELL * (j + 1), f"building {b}, floor {f}")
             for b, f, i, j in zones.tolist()}
    return areas, of_train.astype(np.int64), np.argmin(away, axis=1).astype(np.int64)


def _samples(table: Table, room: Ints, rooms: tuple[str, ...]) -> Samples:
    rssi = table[:, : len(APS)].astype(np.float32)
    rssi[rssi == SILENT] = np.nan
    group = _column(table, "USERID") * 1000 + _column(table, "PHONEID")
    return Samples(_column(table, "TIMESTAMP"), rssi, room, np.arange(len(table)), rooms, APS,
                   group.astype(np.int64))


def load(seed: int = 0, split: str | None = None) -> Dataset:
    """Test: the authors' 1,111 validation rows.  Val: about a quarter of the training rows, by `split`.

    "groups" (default)  whole (user, phone) pairs, chosen by `seed` so that few zones vanish from train
    "random"            single rows, as the paper seems to have done; the same people and phones are then on
                        both sides, so that the validation score says little about the test"""
    split = split or SPLITS[0]
    if split not in SPLITS:
        raise ConfigError(f"ujiindoorloc: unknown split {split!r}, expected {' or '.join(SPLITS)}")
    folder = locate(SOURCE)
    train, test = _read(folder, "trainingData.csv"), _read(folder, "validationData.csv")
    areas, of_train, of_test = _zones(train, test)
    names = tuple(areas)
    rows = _samples(train, of_train, names)
    assert rows.group is not None
    if split == "groups":
        held = hold_out(rows.group, rows.room, VAL, seed)
        lost = len(names) - len(np.unique(rows.room[~held]))
        how = (f"whole (USERID, PHONEID) groups held out as validation, {held.mean():.0%} of the training "
               f"rows (seed {seed}); {lost} of {len(names)} zones lose their training rows by it.")
    else:
        held = np.random.default_rng([seed, 0x5B117]).random(len(rows)) < VAL
        how = (f"random rows held out as validation, {held.mean():.0%} (seed {seed}): LEAKS people and "
               "phones, validation scores are far too high.")
    note = SOURCE.note(how + " Test: validationData.csv. Zones of 70 m are this library's own.")
    return Dataset("ujiindoorloc", rows.take(~held), rows.take(held), _samples(test, of_test, names),
                   window=1, hop=1, rate_hz=0.0, simulated=False, note=note, areas=areas)


SOURCE = Source(
    "ujiindoorloc", load, options=frozenset({"split"}), folder="ujiindoorloc",
    # No digest: the archive that was checked here (526bee9e...) was packed anew from the two CSV files, so it
    # differs from UCI's in its bytes; the header and the shape of both tables are checked instead.
    files={"ujiindoorloc.zip": ("https://archive.ics.uci.edu/static/public/310/ujiindoorloc.zip", None)},
    home="UCI Machine Learning Repository 310, https://archive.ics.uci.edu/dataset/310/ujiindoorloc",
    license="CC BY 4.0 by its UCI page", cite="J. Torres-Sospedra et al., IPIN 2014")
