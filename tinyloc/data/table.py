"""The one shape that every source is brought into: rows of signal strengths with a room and a recording."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tinyloc.errors import DataError, unknown

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
MISSING = ("refuse", "silent")  # what becomes of access points that a model hears and the data lack


def _column(name: str, value: npt.ArrayLike, kind: str, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    array = np.asarray(value)
    if array.shape != shape:
        raise DataError(f"{name} has shape {array.shape}, expected {shape}")
    if kind == "int64" and array.size and array.dtype.kind not in "iu":
        raise DataError(f"{name} has type {array.dtype}, expected integers")
    if kind != "int64" and array.dtype.kind not in "iuf":
        raise DataError(f"{name} has type {array.dtype}, expected numbers")
    return array.astype(kind)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


@dataclass(frozen=True)
class Samples:
    """`n` rows heard by `a` access points, and of `m` motion channels.

    time     (n,) seconds, rising within a session
    rssi     (n, a) dBm; NaN: not heard
    room     (n,) index into `rooms`; -1: unlabeled
    session  (n,) id of the recording; a session's rows are adjacent, and no window crosses its border
    rooms    names of the classes
    aps      names of the access points
    group    (n,) who or which device made the row, or None
    motion   (n, m) levels of motion energy in dB re 1 mg (`tinyloc.data.motion`); NaN: unknown; None without any
    motions  names of the motion channels

    Raises `DataError` when a shape, a type, a label or the order of the rows breaks these rules.
    """

    time: npt.NDArray[np.float64]
    rssi: Floats
    room: Ints
    session: Ints
    rooms: tuple[str, ...]
    aps: tuple[str, ...]
    group: Ints | None = None
    motion: Floats | None = None
    motions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(np.atleast_1d(self.time))
        rooms, aps, motions = (tuple(map(str, names)) for names in (self.rooms, self.aps, self.motions))
        if not aps:
            raise DataError("aps is empty, expected at least one access point")
        for what, names in (("rooms", rooms), ("aps", aps), ("aps and motions", aps + motions)):
            twice = sorted({x for x in names if names.count(x) > 1}) if len(set(names)) < len(names) else []
            if twice:
                raise DataError(f"{what} names {twice[0]!r} twice, expected distinct names")
        values: dict[str, object] = {
            "rooms": rooms,
            "aps": aps,
            "time": _column("time", self.time, "float64", (n,)),
            "rssi": _column("rssi", self.rssi, "float32", (n, len(aps))),
            "room": _column("room", self.room, "int64", (n,)),
            "session": _column("session", self.session, "int64", (n,)),
            "group": None if self.group is None else _column("group", self.group, "int64", (n,)),
            "motions": motions,
            "motion": None if self.motion is None and not motions else _column(
                "motion", () if self.motion is None else self.motion, "float32", (n, len(motions))),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not np.isfinite(self.time).all():
            raise DataError(f"time is not finite in row {int(np.argmin(np.isfinite(self.time)))}")
        if np.isinf(self.rssi).any():
            row, ap = np.argwhere(np.isinf(self.rssi))[0]
            raise DataError(f"rssi is infinite in row {row}, access point {aps[ap]}; expected dBm or NaN")
        if self.motion is not None and np.isinf(self.motion).any():
            row, of = np.argwhere(np.isinf(self.motion))[0]
            raise DataError(f"motion is infinite in row {row}, channel {motions[of]}; expected dB or NaN")
        if n and not (self.room.min() >= -1 and self.room.max() < len(rooms)):
            row = int(np.argmax((self.room < -1) | (self.room >= len(rooms))))
            raise DataError(f"room is {self.room[row]} in row {row}, expected -1 to {len(rooms) - 1}")
        same = self.session[1:] == self.session[:-1]
        if n - int(same.sum()) != len(np.unique(self.session)):
            raise DataError("a session's rows are not adjacent")
        late = same & (np.diff(self.time) <= 0)
        if late.any():
            row = int(np.argmax(late)) + 1
            raise DataError(f"time does not rise in row {row}: {self.time[row]} after {self.time[row - 1]}")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns of `signals`: the access points, then the motion channels."""
        return self.aps + self.motions

    @property
    def signals(self) -> Floats:
        """(n, a + m) all that a model may read: `rssi`, then `motion`."""
        return self.rssi if self.motion is None else np.concatenate([self.rssi, self.motion], 1)

    def take(self, index: Bools | Ints | slice) -> Samples:
        """The rows that a mask, an index array or a slice selects, in that order."""
        group = None if self.group is None else self.group[index]
        motion = None if self.motion is None else self.motion[index]
        return dataclasses.replace(self, time=self.time[index], rssi=self.rssi[index], room=self.room[index],
                                   session=self.session[index], group=group, motion=motion)

    def select(self, aps: Sequence[str], who: str = "the model", missing: str = MISSING[0]) -> Samples:
        """The same rows as heard by the access points of those names alone, in that order; motion channels stay where they
        are named too, in their order.

        missing  of access points that the data lack: "refuse"; or "silent": they count as not heard in any row, as if they
                 had been switched off, but for one at least

        Raises DataError, saying that it is `who` that hears them, when the data lack one that may not be missing;
        ConfigError for an unknown `missing`.
        """
        if missing not in MISSING:
            raise unknown("choice for missing access points", missing, MISSING)
        names = tuple(map(str, aps))
        if names == self.inputs:
            return self
        column = {name: i for i, name in enumerate(self.inputs)}
        lacking = [name for name in names if name not in column]
        if lacking and (missing == "refuse" or len(lacking) == len(names)):
            way = "; with missing='silent' (--missing silent) they count as not heard" if len(lacking) < len(names) else ""
            raise DataError(f"{who} hears {len(names)} access points, of which the data lack {len(lacking)} "
                            f"({_some(lacking)}); they have {len(self.inputs)} ({_some(self.inputs)}){way}")
        motions = tuple(name for name in names if name in self.motions)
        heard, signals = tuple(name for name in names if name not in motions), self.signals
        if lacking and heard + motions != names:
            raise DataError(f"{who} reads motion channels, of which the data lack one: {_some(lacking)}")
        if lacking:  # the column of them all is the last
            signals = np.concatenate([signals, np.full((len(self), 1), np.nan, np.float32)], 1)
        return dataclasses.replace(
            self, rssi=signals[:, [column.get(name, -1) for name in heard]], aps=heard, motions=motions,
            motion=signals[:, [column[name] for name in motions]] if motions else None)

    def numbers_in(self, rooms: Sequence[str]) -> Ints:
        """Number in `rooms` of each of its own rooms, -1 of one that is not there; at [-1] that of no label, -1."""
        known = list(rooms)
        return np.array([known.index(r) if r in known else -1 for r in self.rooms] + [-1])

    def with_rooms(self, rooms: Sequence[str]) -> Samples:
        """The same rows, their rooms numbered as in `rooms`, those of a model.  Raises DataError for one that occurs and is
        not there; it may have others."""
        if tuple(rooms) == self.rooms:
            return self
        lacking = [r for i, r in enumerate(self.rooms) if r not in rooms and (self.room == i).any()]
        if lacking:
            raise DataError(f"the data has a room {lacking[0]!r}, which the model lacks; it knows {', '.join(rooms)}")
        return dataclasses.replace(self, room=self.numbers_in(rooms)[self.room], rooms=tuple(rooms))

    def counts(self) -> dict[str, int]:
        """Labeled rows a room."""
        counts = np.bincount(self.room[self.room >= 0], minlength=len(self.rooms))
        return dict(zip(self.rooms, counts.tolist(), strict=True))

    def starts(self) -> Ints:
        """(n,) the index of the first row of each row's session."""
        n = len(self)
        new = np.ones(n, bool)
        new[1:] = self.session[1:] != self.session[:-1]
        return np.maximum.accumulate(np.where(new, np.arange(n), 0)) if n else np.zeros(0, np.int64)

    def ends(self) -> Ints:
        """(n,) the index of the last row of each row's session."""
        n = len(self)
        last = np.ones(n, bool)
        last[:-1] = self.session[1:] != self.session[:-1]
        return np.minimum.accumulate(np.where(last, np.arange(n), n)[::-1])[::-1] if n else np.zeros(0, np.int64)


def join(a: Samples, b: Samples) -> Samples:
    """The rows of `a`, then those of `b`, as sessions of their own; groups and motion only where both have them."""
    session = np.concatenate([a.session, b.session + (a.session.max(initial=0) - b.session.min(initial=0) + 1)])
    group = None if a.group is None or b.group is None else np.concatenate([a.group, b.group])
    motion = None if a.motion is None or b.motion is None else np.concatenate([a.motion, b.motion])
    return Samples(np.concatenate([a.time, b.time]), np.concatenate([a.rssi, b.rssi]), np.concatenate([a.room, b.room]),
                   session, a.rooms, a.aps, group, motion, () if motion is None else a.motions)


@dataclass(frozen=True)
class Area:
    """A room's rectangle on the floor of that name: opposite corners in meters, x0 < x1 and y0 < y1."""

    x0: float
    y0: float
    x1: float
    y1: float
    floor: str = ""

    def __post_init__(self) -> None:
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise DataError(f"area from ({self.x0}, {self.y0}) to ({self.x1}, {self.y1}), expected x0 < x1 and y0 < y1")


@dataclass(frozen=True)
class Dataset:
    """What a loader returns: three disjoint sets of rows over the same rooms and access points.

    window, hop  rows a window and rows from one window to the next
    rate_hz      rows a second; 0 where a row is a measurement on its own
    simulated    True when no radio was involved
    note         the split used, the source, its license and what to cite
    areas        where rooms lie, of those of which it is known
    """

    name: str
    train: Samples
    val: Samples
    test: Samples
    window: int
    hop: int
    rate_hz: float
    simulated: bool
    note: str
    areas: Mapping[str, Area] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.window < 1 or self.hop < 1:
            raise DataError(f"{self.name}: window {self.window} and hop {self.hop}, expected at least 1")
        for part, samples in (("val", self.val), ("test", self.test)):
            if samples.rooms != self.train.rooms or samples.aps != self.train.aps:
                raise DataError(f"{self.name}: {part} has other rooms or access points than train")
            if samples.motions != self.train.motions:
                raise DataError(f"{self.name}: {part} has other motion channels than train")
        if not (self.train.room >= 0).any():
            raise DataError(f"{self.name}: train has no labeled row")
        odd = sorted(set(self.areas) - set(self.rooms))
        if odd:
            raise DataError(f"{self.name}: an area for {odd[0]!r}, which is none of its rooms")

    @property
    def known(self) -> Samples:
        """The rows of train and then of val, each part's sessions its own."""
        return join(self.train, self.val)

    @property
    def rooms(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.train.rooms

    @property
    def aps(self) -> tuple[str, ...]:
        """Names of the access points, in the order of the columns of `rssi`."""
        return self.train.aps

    def digest(self) -> str:
        """Hexadecimal SHA-256 of all its rows, rooms and inputs: equal for equal data,
        whatever file they are from."""
        h = hashlib.sha256(repr((self.rooms, self.inputs)).encode())
        for rows in (self.train, self.val, self.test):
            for array in (rows.time, rows.signals, rows.room, rows.session):
                h.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return h.hexdigest()

    @property
    def motions(self) -> tuple[str, ...]:
        """Names of the motion channels, in the order of the columns of `motion`."""
        return self.train.motions

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the access points, then of the motion channels."""
        return self.train.inputs

    def select(self, aps: Sequence[str], who: str = "the model", missing: str = MISSING[0]) -> Dataset:
        """The data set as heard by the access points of those names alone, in that order; see `Samples.select`."""
        parts = {part: getattr(self, part).select(aps, who, missing) for part in ("train", "val", "test")}
        return dataclasses.replace(self, **parts)

    def with_rooms(self, rooms: Sequence[str]) -> Dataset:
        """The data set with rooms numbered as in `rooms`; see `Samples.with_rooms`."""
        parts = {part: getattr(self, part).with_rooms(rooms) for part in ("train", "val", "test")}
        return dataclasses.replace(self, **parts, areas={r: a for r, a in self.areas.items() if r in rooms})
