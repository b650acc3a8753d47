"""A device's packets as they come in, and what the stream of its firmware (`tinyloc.stream`) answers to them.

What a board or a gateway prints, a line an event, words apart by spaces, the line ended by a newline:

    MS INPUT DBM        a packet: INPUT is an access point's name, or its place in `tl_model_aps` (TL_MODEL_APS of an export)
                        where none of the names is a number; or a motion channel and its level in dB
    MS ?                the firmware asks for an answer now: `tl_stream_answer`
    MS = ROOM           whoever walks marks the room, from here on; without ROOM: none
    MS !                the device has started: all that was heard is forgotten
    # COMMENT

MS are milliseconds of the device's own clock, taken modulo 2^32.  So, in C:

    printf("%lu %u %d\\n", (unsigned long)now_ms, (unsigned)ap, (int)dbm);

Any other line is garbage: counted and passed over, like a last line without its newline, and what a serial port gives
before its first one.  Where no line asks, the watcher does, every period of the packets' clock, as the firmware's loop does;
from the first line that asks on, only such lines do.  Answers follow from the lines and their order alone.  A recording has
the lines as they came, and the watcher's own questions as lines between them, so that it gives the same answers again, bit
for bit.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyloc.data import Samples
from tinyloc.data.windows import DBM_LEAST, DBM_MOST
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.files import Log, json_text
from tinyloc.program import Program
from tinyloc.serial_port import BoardError, pyserial
from tinyloc.stream import NONE, NOT_HEARD, REASONS, Answer, Stream, script, signed

PERIOD_MS = 1000  # between questions, where a model's rows stand alone
MOST_LINE = 256  # bytes; what is longer is garbage
SKIP_MS = 60_000  # packets so far ahead of the last question: nothing was heard in between, and nothing asks about it
GRACE_MS = 250  # how long a question waits for packets that are still on their way, while nothing newer comes in
WAIT_S = 0.1  # how long a serial port is waited for at a time
NAMES = 1000  # of access points that the model does not know, kept for the summary
FORMATS = (".csv", ".jsonl")  # of answers' files
HEADING = ("ms", "room", "confidence", "heard", "reason", "label", "marked")

_MS = re.compile(rb"[0-9]{1,20}")
_DBM = re.compile(rb"[+-]?[0-9]{1,5}")


@dataclass(frozen=True)
class Line:
    """A line's meaning.  kind: "packet", "ask", "mark", "start", "comment" or "garbage"; name: of an input or a room."""

    kind: str
    ms: int = 0
    name: str = ""
    dbm: int = 0


def parse(raw: bytes) -> Line:
    """What a line (without its newline) says; never raises."""
    text = raw.strip()
    if not text or text.startswith(b"#"):
        return Line("comment")
    ms, *rest = text.split(None, 1)
    if len(raw) > MOST_LINE or not _MS.fullmatch(ms) or not rest:
        return Line("garbage")
    now, what = int(ms) & 0xFFFFFFFF, rest[0]
    if what in (b"?", b"!"):
        return Line("ask" if what == b"?" else "start", now)
    mark, last = what[:1] == b"=" and what[1:2] in (b"", b" ", b"\t"), b""
    try:
        if mark:
            return Line("mark", now, _printable(what[1:]))
        name, last = what.rsplit(None, 1)
        if _DBM.fullmatch(last) and abs(int(last)) <= -NOT_HEARD:
            return Line("packet", now, _printable(name), int(last))
    except ValueError:  # one word, or bytes that are no text
        pass
    return Line("garbage")


def _printable(data: bytes) -> str:
    """Text that a terminal may be given.  Raises ValueError for any other."""
    text = data.strip().decode("utf-8")
    if not text.isprintable():
        raise ValueError
    return text


@dataclass(frozen=True)
class Said:
    """The answer at `ms`, and the room that was marked at the row that it is about (`Inputs.delay`), "" without a mark."""

    ms: int
    answer: Answer
    marked: str


class Watch:
    """A Program's stream, fed by lines.

    said: the last answers, as many as `keep`; all of them go to `answers`, a sequence for `written`, where one is kept.
    counts: of "lines", "packets", "garbage", "elsewhere" (packets of access points that the model does not hear), "answers"
    and "rooms"; of "marked" answers with a room, and those "right".  reasons: how often each one was why there was no room.
    """

    def __init__(self, program: Program, backend: str = "c", period: int | None = None, record: Log | None = None,
                 keep: int = 10) -> None:
        self.stream, self.record = Stream.of(program, backend), record
        self.inputs: tuple[str, ...] = tuple(map(str, program.info["aps"]))
        self.rooms: tuple[str, ...] = tuple(map(str, program.info.get("rooms", ())))
        self.period = period or self.stream.config.period or PERIOD_MS
        # A packet that is older than values are held for is of no use: then the clock was set back.
        self.late = max(self.stream.hold, PERIOD_MS)
        self.number = {name: i for i, name in enumerate(self.inputs)}
        self.numbered = not any(name.isdecimal() for name in self.inputs)
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.elsewhere: set[str] = set()
        self.said: deque[Said] = deque(maxlen=keep)
        self.answers: list[Said] | None = None
        self.asked, self.marked = False, ""
        self.marks: deque[str] = deque(maxlen=int(program.info.get("delay", 0)) + 1)  # at the last answers
        self.due: int | None = None
        self.now = self.was_dropped = self.was_saturated = 0

    @property
    def dropped(self) -> int:
        """Packets that the stream refused: out of range, or older than what it had."""
        return self.was_dropped + self.stream.dropped

    @property
    def saturated(self) -> int:
        """Rows at which a state came to an end of its range."""
        return self.was_saturated + self.stream.saturated

    def feed(self, raw: bytes) -> list[Said]:
        """What is answered because of a line (without its newline)."""
        line, said = parse(raw), []
        self.counts["lines"] += 1
        if line.kind in ("packet", "mark") and not self.asked:
            said = self._until(line.ms)
        if line.kind == "ask":
            self.asked = True
            said = [self._answer(line.ms)]
        elif self.record:
            self.record.write(raw[: MOST_LINE + 1] + b"\n")
        if line.kind == "packet":
            self.now = line.ms
            self._hear(line)
        elif line.kind == "mark":
            self.marked = line.name
        elif line.kind == "start":
            self.was_dropped, self.was_saturated = self.dropped, self.saturated
            self.stream, self.due, self.now, self.marked = self.stream.anew(), None, line.ms, ""
            self.marks.clear()
        elif line.kind == "garbage":
            self.counts["garbage"] += 1
        return said

    def idle(self, ms: int) -> list[Said]:
        """What is answered by `ms` of the device's clock although no line came: to be asked while a device is watched."""
        if self.asked or self.due is None or _after(ms - GRACE_MS, self.due) < 0:
            return []
        return self._until(ms - GRACE_MS & 0xFFFFFFFF)

    def _until(self, ms: int) -> list[Said]:
        """The questions that are due before what happens at `ms`."""
        said: list[Said] = []
        if self.due is None:
            self.due = ms + self.period & 0xFFFFFFFF
            return said
        ahead = _after(ms, self.due)
        if ahead > SKIP_MS:
            self.due = ms + self.period & 0xFFFFFFFF
        elif ahead < -self.period - self.late:
            said = [self._answer(ms)]
            self.due = ms + self.period & 0xFFFFFFFF
        while _after(ms, self.due) >= 0:
            said.append(self._answer(self.due))
            self.due = self.due + self.period & 0xFFFFFFFF
        return said

    def _hear(self, line: Line) -> None:
        self.counts["packets"] += 1
        ap = self.number.get(line.name)
        if ap is None and self.numbered and line.name.isdecimal() and line.name.isascii():
            ap = int(line.name)
            ap = ap if ap < len(self.inputs) else None
        if ap is not None:
            self.stream.hear(ap, line.dbm, line.ms)
            return
        self.counts["elsewhere"] += 1
        if len(self.elsewhere) < NAMES:
            self.elsewhere.add(line.name)

    def _answer(self, ms: int) -> Said:
        if self.record:
            self.record.write(b"%d ?\n" % ms)
        self.now = ms
        a = self.stream.answer(ms)
        self.marks.append(self.marked)
        said = Said(ms, a, self.marks[0] if len(self.marks) == self.marks.maxlen else "")
        self.said.append(said)
        if self.answers is not None:
            self.answers.append(said)
        self.counts["answers"] += 1
        self.counts["rooms"] += a.room >= 0
        if a.room < 0:
            self.reasons[REASONS[a.reason]] += 1
        elif said.marked:
            self.counts["marked"] += 1
            self.counts["right"] += self.name(a.room) == said.marked
        return said

    def name(self, room: int) -> str:
        """A room's name, "" for none."""
        return "" if room < 0 else self.rooms[room] if room < len(self.rooms) else str(room)

    def hears(self) -> list[tuple[str, int, int]]:
        """(name, dBm or dB, ms ago) of each input whose value still counts, in the model's order."""
        ages = [(name, dbm, _after(self.now, ms)) for name, (dbm, ms) in zip(self.inputs, self.stream.heard, strict=True)
                if dbm != NOT_HEARD]
        return [(name, dbm, max(age, 0)) for name, dbm, age in ages if age <= self.stream.hold]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: counts of all that came in and of what was answered."""
        names = ("lines", "packets", "garbage", "elsewhere", "answers", "rooms", "marked", "right")
        return {**{n: self.counts[n] for n in names}, "dropped": self.dropped, "saturated": self.saturated,
                "unknown": dict(sorted(self.reasons.items())), "not_in_model": sorted(self.elsewhere)}


def _after(ms: int, other: int) -> int:
    """A difference of two times of a clock of 32 bits."""
    return signed(ms - other)


def row(watch: Watch, said: Said) -> dict[str, Any]:
    """An answer as what HEADING names; the label is what the model said, also where it did not count."""
    a = said.answer
    return {"ms": said.ms, "room": watch.name(a.room), "confidence": a.confidence, "heard": a.heard,
            "reason": REASONS[a.reason] if a.reason else "", "label": watch.name(a.label) if a.heard else "",
            "marked": said.marked}


def is_recording(path: str | Path, time: str = "time", room: str = "room", delimiter: str | None = None) -> bool:
    """Whether a file begins as a recording does, comments and garbage apart, and not as a CSV file.

    A CSV file whose fields are apart by spaces or tabs may have rows that read as packets ("0 kitchen -60"); what it has and
    a recording lacks is a first line that names the columns `time` and `room`.  Without a delimiter any space is one.
    """
    lines = list(itertools.islice(file_lines(path), 20))
    heading = next((raw.decode("utf-8-sig", "replace") for raw in lines if raw.strip()), "")
    fields = [f.strip() for f in (heading.split(delimiter) if delimiter else heading.split())]
    if all(name in fields or f'"{name}"' in heading for name in (time, room)):
        return False
    return any(parse(raw).kind not in ("comment", "garbage") for raw in lines)


def check_recording(path: str | Path) -> None:
    """Raises DataError for a file of which not one line is understood, such as a CSV file: it is something else."""
    kinds: Counter[str] = Counter()
    for raw in file_lines(path):
        kinds[kind := parse(raw).kind] += 1
        if kind not in ("comment", "garbage"):
            return
    if kinds["garbage"]:
        raise DataError(f"{path}: none of its {kinds.total()} lines is a packet; expected lines such as '1200 ap_1 -63': "
                        "milliseconds, an input's name or number, dBm (rows of a CSV file are for --data)")


def written(watch: Watch, answers: Sequence[Said], form: str) -> str:
    """The text of a file of answers: form ".csv" or ".jsonl"."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if form == ".csv":
        writer.writerow(HEADING)
    for said in answers:
        r = row(watch, said)
        if form == ".csv":
            writer.writerow(r.values())
        else:
            text.write(json_text(r) + "\n")
    return text.getvalue()


def form_of(path: str | Path) -> str:
    """That of a file of answers, by its name.  Raises ConfigError for any but those of `FORMATS`."""
    form = Path(path).suffix.lower()
    if form not in FORMATS:
        raise ConfigError(f"answers {str(path)!r}: expected a name that ends in {' or '.join(FORMATS)}")
    return form


# ---- where lines come from; None: nothing came for a moment ----

def file_lines(path: str | Path) -> Iterator[bytes]:
    """The lines of a recording; what is behind its last newline was cut off, and is passed over.  Raises DataError."""
    try:
        with Path(path).open("rb") as f:
            for raw in f:
                if raw.endswith(b"\n"):
                    yield raw[:-1]
    except OSError as e:
        raise DataError(f"{path}: cannot be read ({e.strerror}); expected a recording, a packet a line") from None


def data_lines(samples: Samples, inputs: tuple[str, ...]) -> Iterator[bytes]:
    """Rows of a data set as lines: packets, marks of rooms, and a question a row; each recording is a start."""
    if odd := [name for name in inputs if not name.isprintable() or name != name.strip()]:
        raise ModelError(f"access point {odd[0]!r} cannot stand in a line; expected a name of printable characters")
    first = samples.starts()
    starts = sorted(set(first.tolist()))
    for start, events in zip(starts, script(samples, inputs), strict=True):
        at, marked = start, ""
        yield b"%d !" % events["ms"][0]
        for ms, dbm, ap in events.tolist():
            room = samples.rooms[samples.room[at]] if samples.room[at] >= 0 else ""
            if room != marked:
                marked = room
                yield f"{ms} = {room}".encode()
            yield b"%d ?" % ms if ap == NONE else f"{ms} {inputs[ap]} {dbm}".encode()
            at += ap == NONE and at + 1 < len(samples)


def serial_lines(port: str, baud: int = 115200) -> Iterator[bytes | None]:
    """The lines that a serial port gives from its first newline on: what is before may be the end of one.

    Raises ConfigError for a port that cannot be opened or a missing extra, BoardError for one that vanishes.
    """
    serial = pyserial()
    try:
        opened = serial.Serial(port, baud, timeout=WAIT_S)
    except (serial.SerialException, OSError, ValueError) as e:
        raise ConfigError(f"{port}: {e}; expected a serial port such as /dev/ttyACM0 or COM3") from None
    with closing(opened):
        pending, whole = b"", False
        while True:
            try:
                data = bytes(opened.read(opened.in_waiting or 1))
            except (serial.SerialException, OSError, TypeError) as e:  # TypeError: closed while it is read
                raise BoardError(f"{port}: the port has vanished ({e}); is the board still connected?") from None
            *lines, pending = (pending + data).split(b"\n")
            if not whole and lines:
                whole, lines = True, lines[1:]
            pending = pending[: 2 * MOST_LINE] if len(pending) > 2 * MOST_LINE else pending
            yield from lines
            if not data:
                yield None


def paced(lines: Iterable[bytes], speed: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """The lines, each as long after the one before as its clock says, over `speed`; a jump of the clock takes no time."""
    last: int | None = None
    for raw in lines:
        line = parse(raw)
        if line.kind not in ("comment", "garbage"):
            wait = 0 if last is None else _after(line.ms, last)
            if 0 < wait <= SKIP_MS and line.kind != "start":
                sleep(wait / 1000 / speed)
            last = line.ms if line.kind == "start" or wait >= 0 or last is None else last
        yield raw


def follow(watch: Watch, lines: Iterable[bytes | None], clock: Callable[[], float] = time.monotonic) -> Iterator[list[Said]]:
    """What is answered after each line, and each time that none comes.

    While none comes the device's clock is taken to go on as this host's does (`clock`, in seconds).
    """
    at: tuple[float, int] | None = None
    for raw in lines:
        if raw is not None:
            said = watch.feed(raw)
            if (line := parse(raw)).kind not in ("comment", "garbage"):
                at = clock(), line.ms
            yield said
        elif at is None:
            yield []
        else:
            yield watch.idle(at[1] + round((clock() - at[0]) * 1000) & 0xFFFFFFFF)


# ---- rows to train on ----

def recorded_csv(lines: Iterable[bytes], period: int) -> str:
    """A recording as a CSV file that `tinyloc.data.load_csv` takes: for every `period` ms of the packets' clock a row of
    what was heard in them last, dBm, with the room that was marked then; a start, a clock set back and a jump of it begin
    another session.  Questions do not matter; packets out of the range that a stream takes are dropped, as it drops them.

    Raises DataError without a packet.
    """
    import csv
    import io

    heard: dict[str, int] = {}
    names: dict[str, None] = {}
    rows: list[tuple[int, int, str, dict[str, int]]] = []
    session, marked, end = 0, "", None  # a row is from `end - period` to before `end`, in ms since the session's first line
    last = at = 0  # the newest line: its clock, which wraps, and its place in the session, which does not

    def close() -> None:
        if heard and end is not None:
            rows.append((session, end - period, marked, dict(heard)))
            heard.clear()

    for raw in lines:
        line = parse(raw)
        if line.kind not in ("packet", "mark", "start"):
            continue
        ahead = 0 if end is None else _after(line.ms, last)
        if line.kind == "start" or ahead > SKIP_MS or ahead < -PERIOD_MS:
            close()
            marked, end = ("" if line.kind == "start" else marked), None
        if line.kind == "start":
            continue
        if end is None:
            session, end, last, at = session + 1, period, line.ms, 0
        now = at + _after(line.ms, last)
        if now > at:
            last, at = line.ms, now
        if now >= end:
            close()
            end = now // period * period + period
        if line.kind == "mark":
            close()
            marked = line.name
        elif DBM_LEAST <= line.dbm <= DBM_MOST:
            heard[line.name] = line.dbm
            names.setdefault(line.name)
    close()
    if not names:
        raise DataError("the recording has no packet; expected lines of MS INPUT DBM")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "room", "session", *(f"rssi_{name}" for name in names)])
    before = None
    for number, ms, room, values in rows:
        if before == (number, ms):  # a room was marked in the middle of a period: what was heard until then counts
            continue
        before = number, ms
        writer.writerow([f"{ms / 1000:.3f}", room, number, *(values.get(name, "") for name in names)])
    return text.getvalue()
