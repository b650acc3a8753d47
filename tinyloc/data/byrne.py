"""Byrne et al.'s four homes: a wrist-worn BLE beacon at 5 Hz, rooms from floor tags; the paper's main data.

Layout, as the authors' own loader reads it (folder or zip, at any depth):

    house_X/metadata/{ap_mac_addresses,room_names,room_tags}.dat    id, value, value...
    house_X/experiments/{fingerprint*,living*}/rx_wearable_data.dat  timestamp, ap_id, wearable_id, rssi, ...
                                               tag_annotations.dat   timestamp, ., tag, ...
                                               accelerometer_filtered.dat  timestamp, ., ., ., x, y, z

The archive itself could not be had when this was written: the loader is tested on a small one of that layout.  The unit of
x, y and z is told by gravity; where it cannot be, or the file lacks, the house has no motion channel, and `note` says so.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.data.grid import regular
from tinyloc.data.motion import GRAVITY, motion_levels, unit_of
from tinyloc.data.source import Source, locate
from tinyloc.data.split import GAP, hold_out, part, sessions, time_blocks
from tinyloc.data.table import Dataset, Floats, Ints, Samples
from tinyloc.errors import ConfigError, DataError

HOUSES = ("A", "B", "C", "D")
RATE_HZ = 5.0
REACH = 0.5  # seconds between a row and the annotation that labels it
BLOCK = 60.0  # seconds a validation block
VAL = 0.25
ACCELEROMETER = "accelerometer_filtered.dat"


class _House:
    """The files below one house_X, wherever they lie."""

    def __init__(self, folder: Path, house: str) -> None:
        mark = f"house_{house.lower()}/"
        self.open: dict[str, tuple[Path, str]] = {}  # path below house_X -> (zip or file, member or "")
        found: list[tuple[str, Path, str]] = [(p.as_posix(), p, "") for p in folder.rglob("*.dat")]
        for archive in sorted(folder.rglob("*.zip")):
            try:
                with zipfile.ZipFile(archive) as z:
                    found += [("/" + n, archive, n) for n in z.namelist() if n.endswith(".dat")]
            except zipfile.BadZipFile as e:
                raise DataError(f"{archive}: not a zip file") from e
        for path, where, member in found:
            _, at, below = path.lower().rpartition("/" + mark)
            if at:
                self.open.setdefault(below, (where, member))
        if not self.open:
            raise DataError(f"{folder}: no house_{house}/ in it, neither as a folder nor in a zip")
        self.name = f"{folder}, house_{house}"

    def rows(self, path: str) -> Iterator[tuple[int, list[str]]]:
        """(row number, fields) of a .dat file."""
        if path not in self.open:
            raise DataError(f"{self.name}: no {path}")
        where, member = self.open[path]
        if member:
            with zipfile.ZipFile(where) as z:
                data = z.read(member)
        else:
            data = where.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as e:
            raise DataError(f"{self.name}/{path}: not UTF-8 at byte {e.start}") from e
        for i, fields in enumerate(csv.reader(io.StringIO(text, newline="")), 1):
            if fields:
                yield i, [f.strip() for f in fields]

    def lookup(self, name: str) -> dict[int, list[str]]:
        """Id -> values of a metadata file; a heading is passed over."""
        rows = self.rows(f"metadata/{name}.dat")
        table = {int(f[0]): [v for v in f[1:] if v] for _, f in rows if f[0].isdigit()}
        if not table:
            raise DataError(f"{self.name}/metadata/{name}.dat: no row that begins with a number")
        return table

    def experiments(self, prefix: str) -> list[str]:
        names = {p.split("/")[1] for p in self.open if p.startswith(f"experiments/{prefix}")}
        if not names:
            raise DataError(f"{self.name}: no experiments/{prefix}*")
        return sorted(names)

    def events(self, path: str, columns: tuple[int, ...]) -> tuple[npt.NDArray[np.float64], Ints]:
        """Seconds (e,) and integers (e, len(columns)) below the heading, in order of time."""
        time, values = self.numbers(path, columns)
        if not np.isfinite(values).all():
            raise DataError(f"{self.name}/{path}: expected finite numbers in columns "
                            f"{', '.join(str(c + 1) for c in columns)}")
        return time, values.astype(np.int64)

    def numbers(self, path: str, columns: tuple[int, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The same with numbers as they are; NaN and infinite ones among them."""
        stamps: list[str] = []
        values: list[list[float]] = []
        for i, fields in self.rows(path):
            if i == 1:
                continue
            try:
                values.append([float(fields[c]) for c in columns])
            except (IndexError, ValueError) as e:
                raise DataError(f"{self.name}/{path}, row {i}: expected numbers in columns "
                                f"{', '.join(str(c + 1) for c in columns)}, found {fields}") from e
            stamps.append(fields[0].split("+")[0].rstrip("Z "))
        try:
            time = np.array(stamps, "datetime64[us]").astype(np.float64) * 1e-6
        except ValueError as e:
            raise DataError(f"{self.name}/{path}: {e}; expected times such as 2017-01-31 12:00:00.250") from e
        order = np.argsort(time, kind="stable")
        return time[order], np.array(values, np.float64).reshape(len(values), len(columns))[order]

    def lacks(self, experiments: list[str]) -> str:
        """Why there are no accelerations in mg for all of these experiments; "" when there are."""
        lacking = [e for e in experiments if f"experiments/{e}/{ACCELEROMETER}" not in self.open]
        if lacking:
            return f"{lacking[0]} has no {ACCELEROMETER}"
        units = {e: unit_of(self._finite(e)[1]) for e in experiments}
        odd = next((e for e, unit in units.items() if unit is None), None)
        return f"the unit of {odd}/{ACCELEROMETER} cannot be told, gravity being none of {', '.join(GRAVITY)}" if odd else ""

    def _finite(self, experiment: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        time, values = self.numbers(f"experiments/{experiment}/{ACCELEROMETER}", (4, 5, 6))
        known = np.isfinite(values).all(1)
        return time[known], values[known]

    def motion(self, experiment: str, grid: npt.NDArray[np.float64]) -> Floats:
        """(n,) levels of motion energy at `grid`, each of the samples of the interval that ends there."""
        time, values = self._finite(experiment)
        unit = unit_of(values)
        assert unit is not None
        mg = np.clip(np.round(values * (1000 / GRAVITY[unit])), -(1 << 15), (1 << 15) - 1)
        row = np.floor((time - grid[0]) * RATE_HZ + 1).astype(np.int64)
        return motion_levels(mg, row, len(grid))


def _experiment(house: _House, name: str, aps: dict[int, int], room_of: dict[int, int], moves: bool = False
                ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32], Ints, Ints, Floats | None]:
    """Grid times (n,), rssi (n, a), room (n,) and session (n,), from 0, and, where it `moves`, motion (n, 1)."""
    time, heard = house.events(f"experiments/{name}/rx_wearable_data.dat", (1, 3))
    known = np.isin(heard[:, 0], list(aps))
    if not known.any():
        raise DataError(f"{house.name}/experiments/{name}/rx_wearable_data.dat: "
                        "no reception by a known access point")
    ap = np.array([aps[a] for a in heard[known, 0].tolist()], np.int64)
    grid, rssi = regular(time[known], ap, heard[known, 1].astype(np.float32), len(aps), RATE_HZ)
    when, tag = house.events(f"experiments/{name}/tag_annotations.dat", (2,))
    room = np.full(len(grid), -1, np.int64)
    if len(when):
        label = np.array([room_of.get(t, -1) for t in tag[:, 0].tolist()], np.int64)
        after = np.clip(np.searchsorted(when, grid), 1, max(1, len(when) - 1))
        before = after - 1
        after = np.minimum(after, len(when) - 1)
        near = np.where(np.abs(when[before] - grid) <= np.abs(when[after] - grid), before, after)
        room = np.where(np.abs(when[near] - grid) <= REACH + 1e-6, label[near], -1)
    # Rows in which nothing was heard for long carry nothing; they end a session.  The first row is heard.
    last = np.maximum.accumulate(np.where(np.isnan(rssi).all(axis=1), 0, np.arange(len(grid))))
    session = sessions(grid[last])
    keep = grid - grid[last] <= GAP + 1e-6
    motion = house.motion(name, grid)[keep, None] if moves else None
    return grid[keep], rssi[keep], room[keep], session[keep], motion


def load(seed: int = 0, house: str | None = None) -> Dataset:
    """One house, "A" (default) to "D".

    Fingerprint experiments: train and, a quarter of it in blocks of 60 s, val; living experiments: test.
    Rows without an annotation within 0.5 s, or at a tag of no room, are unlabeled."""
    letter = (house or "A").upper()
    if letter not in HOUSES:
        raise ConfigError(f"byrne: unknown house {house!r}, expected {', '.join(HOUSES)}")
    files = _House(locate(SOURCE), letter)
    names = {i: v[0] for i, v in files.lookup("room_names").items() if v}
    macs = files.lookup("ap_mac_addresses")
    rooms = {i: k for k, i in enumerate(names)}
    try:
        room_of = {int(t): rooms[i] for i, tags in files.lookup("room_tags").items() for t in tags}
    except (KeyError, ValueError) as e:
        raise DataError(f"{files.name}/metadata/room_tags.dat: {e}; expected ids of room_names.dat, then "
                        "numbers of tags") from e
    aps = {i: k for k, i in enumerate(macs)}

    lacks = files.lacks([e for prefix in ("fingerprint", "living") for e in files.experiments(prefix)])

    def samples(prefix: str) -> Samples:
        parts = [_experiment(files, e, aps, room_of, not lacks) for e in files.experiments(prefix)]
        time, rssi, room, session, motion = zip(*parts, strict=True)
        before = np.cumsum([0] + [s[-1] + 1 for s in session[:-1]])
        return Samples(np.concatenate(time), np.concatenate(rssi), np.concatenate(room),
                       np.concatenate([s + b for s, b in zip(session, before, strict=True)]),
                       tuple(names.values()), tuple(f"ap_{i}" for i in macs),
                       motion=None if lacks else np.concatenate(motion), motions=() if lacks else ("motion",))

    rows = samples("fingerprint")
    held = hold_out(time_blocks(rows, BLOCK), rows.room, VAL, seed)
    note = SOURCE.note(f"house {letter}; fingerprint experiments, {VAL:.0%} of them held out as "
                       f"validation in whole blocks of {BLOCK:g} s (seed {seed}); test: the living "
                       "experiments." + (f" No motion: {lacks}." if lacks else ""))
    return Dataset(f"byrne-{letter}", part(rows, ~held), part(rows, held), samples("living"),
                   window=20, hop=10, rate_hz=RATE_HZ, simulated=False, note=note)


SOURCE = Source(
    "byrne", load, options=frozenset({"house"}), folder="byrne",
    files={"byrne.zip": ("https://ndownloader.figshare.com/files/14220518", None)},
    home="https://doi.org/10.6084/m9.figshare.6051794.v1", license="see the figshare record",
    cite="D. Byrne et al., Scientific Data 5:180168, 2018")
