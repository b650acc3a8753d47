"""A CSV file of your own: a column of times, a column of rooms and a column an access point.

Every complaint names the file, the row (1-based, as an editor counts lines) and the column, what was found
and what was expected.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyloc.data.motion import level_of
from tinyloc.data.split import GAP, hold_out, part, sessions, time_blocks
from tinyloc.data.table import Bools, Dataset, Ints, Samples
from tinyloc.data.windows import DBM_LEAST, DBM_MOST
from tinyloc.errors import ConfigError, DataError

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
BLOCK_WINDOWS = 5  # windows a block of the split
VAL, TEST = 0.2, 0.2
SEPARATORS = (",", ";", "\t", "|")
GAP_ROWS = 10  # row periods from row to row that end a session, where they are longer than `GAP`
SLOW = 60  # seconds from row to row beyond which a window of several rows is hardly about where somebody is
# Beyond these a column holds something else: signals, and seconds, of which a double no longer tells one from the next.
MOST_SIGNAL, MOST_TIME, MOST_RATE = 1e6, 2.0**53, 1e6


def _rows(path: Path, delimiter: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Heading, and (line number, fields) of each row that is not empty."""
    if len(delimiter) != 1:
        raise ConfigError(f"delimiter {delimiter!r}, expected one character")
    try:
        data = path.read_bytes()
    except OSError as e:
        raise DataError(f"{path}: {e.strerror}") from e
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        row = data[: e.start].count(b"\n") + 1
        raise DataError(f"{path}, row {row}: byte {data[e.start]:#04x} is not UTF-8, expected a "
                        "file in UTF-8") from e
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, fields) for fields in reader if any(f.strip() for f in fields)]
    except csv.Error as e:
        raise DataError(f"{path}, row {reader.line_num}: {e}") from e
    if not rows:
        raise DataError(f"{path}: is empty, expected a heading and rows")
    heading = [f.strip() for f in rows[0][1]]
    meant = max((s for s in SEPARATORS if s != delimiter), key=heading[0].count)
    if len(heading) == 1 and meant in heading[0]:
        raise DataError(f"{path}, row {rows[0][0]}: one column only, {heading[0]!r}; did you mean --delimiter {meant!r} "
                        f"(delimiter={meant!r})?")
    if len(set(heading)) < len(heading):
        twice = next(h for h in heading if heading.count(h) > 1)
        raise DataError(f"{path}, row {rows[0][0]}: column {twice!r} occurs twice")
    for line, fields in rows[1:]:
        if len(fields) != len(heading):
            raise DataError(f"{path}, row {line}: {len(fields)} fields, expected {len(heading)}")
    if len(rows) == 1:
        raise DataError(f"{path}: no rows below the heading")
    return heading, rows[1:]


def _signals(path: Path, heading: list[str], rssi: Sequence[str], what: str = "rssi") -> list[str]:
    """Columns that `rssi` names, prefixes ("ap*") spelled out, in the file's order for a prefix."""
    names: list[str] = []
    for want in rssi:
        found = [h for h in heading if h.startswith(want[:-1])] if want.endswith("*") else [want]
        if not found:
            raise DataError(f"{path}, row 1: no column begins with {want[:-1]!r}; "
                            f"present: {', '.join(heading)}")
        names += [f for f in found if f not in names]
    if not names:
        raise ConfigError(f"{what} names no column, expected names or a prefix such as '{what}_*'")
    return names


def _check_name(where: str, name: str) -> None:
    """Raises DataError for a control character in a name: C code, tables and terminals would end there, or show another."""
    if any(c < " " or c == "\x7f" for c in name):
        raise DataError(f"{where}: found {name!r}, expected a name without control characters")


def _number(path: Path, line: int, column: str, text: str, what: str, most: float = MOST_SIGNAL) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{path}, row {line}, column {column!r}: found {text!r}, expected {what}") from None
    if not np.isfinite(value):
        raise DataError(f"{path}, row {line}, column {column!r}: found {text!r}, expected {what}, finite")
    if abs(value) > most:
        raise DataError(f"{path}, row {line}, column {column!r}: found {text!r}, expected {what}, at most {most:g} in size")
    return value


def _ids(values: list[str]) -> tuple[list[str], Ints]:
    """Distinct values in order of their first occurrence, and each value's index."""
    index = {v: i for i, v in enumerate(dict.fromkeys(values))}
    return list(index), np.array([index[v] for v in values], np.int64)


def load_csv(path: str | Path, *, time: str = "time", room: str = "room",
             rssi: str | Sequence[str] = ("rssi_*",), motion: str | Sequence[str] = (),
             session: str | None = None, delimiter: str = ",",
             not_heard: float | None = None, window: int = 20, hop: int = 10, seed: int = 0) -> Dataset:
    """Rows of a CSV file with a heading, split into train, val and test (60/20/20).

    time       column of seconds (any origin), rising within a session.  After more than 20 s without a row, and more than
               ten times the usual step, another session begins; `note` says how often
    room       column of labels; empty: unlabeled
    time       column of seconds (any origin), rising within a session
    room       column of labels; empty, NaN, NA, N/A, null or none: unlabeled, and `note` names such a word
    rssi       columns of dBm, by name or by prefix ("ap*"); empty, NaN, NA, null or `not_heard`: not heard.
               A column in which nothing was ever heard is dropped, a constant one kept, and one with dBm so low
               that a device drops the packet too; `note` says so.  More than 20 dBm is refused
    motion     columns of an accelerometer's root mean square deviation from its mean over the row's interval,
               sqrt(mean |a - mean a|^2) in mg, by name or by prefix; empty, NaN, NA or null: unknown.  They
               become levels in whole dB (`tinyloc.data.motion`)
    session    column that names the recording; without it the file is one recording
    window     rows a window; the split holds out whole blocks of time, five windows long, chosen by `seed`,
               so that no window is in two parts

    Raises `DataError` for what the file does wrong, also if the rows are too few to leave each room in train
    and anything in val and test; `ConfigError` for arguments that make no sense."""
    path = Path(path)
    if window < 1 or hop < 1:
        raise ConfigError(f"window {window} and hop {hop}, expected at least 1")
    samples, rate, found = read_csv(path, time=time, room=room, rssi=rssi, motion=motion, session=session,
                                    delimiter=delimiter, not_heard=not_heard)
    train, val, test = _split(path, samples, BLOCK_WINDOWS * window / rate if rate else 1.0, seed)
    note = (f"Split: whole blocks of {BLOCK_WINDOWS} windows; about 60% train, 20% validation, 20% test "
            f"(seed {seed}); blocks of the test lie between blocks of the training. Source: {path}.{found}")
    if window > 1 and rate and 1 / rate > SLOW:
        note += f" A row each {1 / rate:g} s: are these times in milliseconds?"
    return Dataset(path.stem, part(samples, train), part(samples, val), part(samples, test), window, hop,
                   rate, simulated=False, note=note)


def read_csv(path: Path, *, time: str = "time", room: str = "room", rssi: str | Sequence[str] = ("rssi_*",),
             motion: str | Sequence[str] = (), session: str | None = None, delimiter: str = ",",
             not_heard: float | None = None) -> tuple[Samples, float, str]:
    """(all rows, rows a second, what is odd about them) of a file as `load_csv` takes it, whole."""
    heading, rows = _rows(path, delimiter)
    signals = _signals(path, heading, [rssi] if isinstance(rssi, str) else rssi)
    asked = [motion] if isinstance(motion, str) else list(motion)
    motions = _signals(path, heading, asked, "motion") if asked else []
    taken = [time, room, *([session] if session else [])]
    for name in [*taken, *signals, *motions]:
        if name not in heading:
            raise DataError(f"{path}, row 1: no column {name!r}; present: {', '.join(heading)}")
    mixed = [s for s in signals if s in taken]
    if mixed:
        raise ConfigError(f"column {mixed[0]!r} is both a signal and the time, room or session")
    mixed = [m for m in motions if m in taken or m in signals]
    if mixed:
        raise ConfigError(f"column {mixed[0]!r} is both motion and a signal, the time, room or session")
    at = {h: i for i, h in enumerate(heading)}
    for name in [*signals, *motions]:
        _check_name(f"{path}, row 1, column {at[name] + 1}", name)
    for line, fields in rows:
        _check_name(f"{path}, row {line}, column {room!r}", fields[at[room]].strip())

    times = np.array([_number(path, line, time, f[at[time]].strip(), "a number of seconds", MOST_TIME)
                      for line, f in rows])
    values = np.full((len(rows), len(signals)), np.nan, np.float64)
    for i, (line, fields) in enumerate(rows):
        for j, name in enumerate(signals):
            text = fields[at[name]].strip()
            if text.lower() not in MISSING:
                value = _number(path, line, name, text, "dBm as a number, or nothing for not heard")
                if value == not_heard:
                    continue
                if value > DBM_MOST:
                    raise DataError(f"{path}, row {line}, column {name!r}: found {text!r}, expected dBm of {DBM_MOST} at "
                                    f"most; if it stands for not heard, say so: --not-heard {text} (not_heard={text})")
                values[i, j] = value
    moved = np.full((len(rows), len(motions)), np.nan, np.float64)
    for i, (line, fields) in enumerate(rows):
        for j, name in enumerate(motions):
            text = fields[at[name]].strip()
            if text.lower() not in MISSING:
                moved[i, j] = _number(path, line, name, text, "mg as a number, or nothing for unknown")
                if moved[i, j] < 0:
                    raise DataError(f"{path}, row {line}, column {name!r}: found {text!r}, expected mg of 0 or more")

    labels = [f[at[room]].strip() for _, f in rows]
    named = [v.lower() not in MISSING for v in labels]
    rooms, index = _ids([v for v, has in zip(labels, named, strict=True) if has])
    if not rooms:
        raise DataError(f"{path}, column {room!r}: no row names a room, expected names of rooms")
    label = np.full(len(rows), -1, np.int64)
    label[named] = index
    recordings, recording = _ids([f[at[session]].strip() if session else "" for _, f in rows])
    seen, previous = {int(recording[0])}, int(recording[0])
    for i in range(1, len(rows)):
        line, now = rows[i][0], int(recording[i])
        if now != previous and now in seen:
            raise DataError(f"{path}, row {line}, column {session!r}: {recordings[now]!r} again after "
                            f"{recordings[previous]!r}; expected each recording's rows together")
        if now == previous and times[i] <= times[i - 1]:
            how = "repeats" if times[i] == times[i - 1] else "goes back from"
            raise DataError(f"{path}, row {line}, column {time!r}: {times[i]:.15g} {how} "
                            f"{times[i - 1]:.15g}; expected times that rise within a recording")
        seen.add(now)
        previous = now

    heard = [not np.isnan(v).all() for v in values.T]
    if not any(heard):
        raise DataError(f"{path}: nothing was heard in any of the columns {', '.join(signals)}")
    constant = [s for s, v in zip(signals, values.T, strict=True) if v.min() == v.max()]  # NaN is unequal
    steps = np.diff(times)[recording[1:] == recording[:-1]]
    rate = 1 / max(float(np.median(steps)), 1e-300) if len(steps) else 0.0
    if rate > MOST_RATE:
        raise DataError(f"{path}, column {time!r}: rows are {1 / rate:.3g} s apart, expected {1 / MOST_RATE:g} s at least")
    # Firmware starts anew after less, max(1 s, 2 periods): here scans that came late are to make no sessions of a few rows.
    gap = max(GAP, GAP_ROWS / rate) if rate else GAP
    session_of = sessions(times, gap, recording)
    samples = Samples(times, values[:, heard].astype(np.float32), label, session_of, tuple(rooms),
                      tuple(s for s, h in zip(signals, heard, strict=True) if h),
                      motion=level_of(moved) if motions else None, motions=tuple(motions))
    dropped = [s for s, h in zip(signals, heard, strict=True) if not h]
    note = f" Dropped, never heard: {', '.join(dropped)}." if dropped else ""
    note += f" Constant, carries nothing: {', '.join(constant)}." if constant else ""
    faint = [s for s, v in zip(signals, values.T, strict=True) if (v < DBM_LEAST).any()]
    note += f" Below {DBM_LEAST} dBm, which a device drops (not heard?): {', '.join(faint)}." if faint else ""
    if gaps := int(session_of[-1]) + 1 - len(recordings):
        note += f" Gaps of more than {gap:g} s: {gaps}; the rows behind each are a session of their own."
    nameless = sorted({v for v, has in zip(labels, named, strict=True) if v and not has})
    note += f" Taken for no room: {', '.join(nameless)}." if nameless else ""
    return samples, rate, note


def _split(path: Path, samples: Samples, seconds: float, seed: int) -> tuple[Bools, Bools, Bools]:
    block = time_blocks(samples, seconds)
    test = hold_out(block, samples.room, TEST, seed)
    rest = np.flatnonzero(~test)
    val = np.zeros(len(samples), bool)
    val[rest] = hold_out(block[rest], samples.room[rest], VAL / (1 - TEST), seed)
    train = ~test & ~val
    need = f"{len(samples)} rows make {block[-1] + 1} blocks of {seconds:.3g} s"
    for name, mask in (("train", train), ("val", val), ("test", test)):
        if not mask.any():
            raise DataError(f"{path}: {need}, too few for a {name} part; record more or use a smaller window")
    lost = set(range(len(samples.rooms))) - set(samples.room[train].tolist())
    if lost:
        raise DataError(f"{path}: room {samples.rooms[min(lost)]!r} has no rows in train: {need} and it "
                        "does not occur in enough of them; record it more than once or use a smaller window")
    return train, val, test
