"""The stream that firmware runs (`tl_stream` of kernels/c/tinyloc.h), in Python: the same rules, the same bits.

Packets come in, and at each answer the room goes out, or the reason why it is unknown: silence, a clock that jumped, a
start, too few access points, too little confidence, a state that saturated.  `replay` runs one over a recording;
`float_replay` follows the same rules with the float model behind them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tinyloc.data import Samples, Scaler
from tinyloc.data.windows import DBM_LEAST, DBM_MOST
from tinyloc.errors import ModelError
from tinyloc.model import Model
from tinyloc.program import Program
from tinyloc.scaling import MOST_MS, constants_of, hold_ms, row_ms

UNKNOWN = -1
REASONS = ("room", "silent", "few", "warming up", "unsure", "gap", "backwards", "saturated")  # by their numbers in C
ROOM, SILENT, FEW, WARMING_UP, UNSURE, GAP, BACKWARDS, SATURATED = range(len(REASONS))
NOT_HEARD = -32768
AHEAD = 1000  # ms by which a packet's time may lie ahead of the answer's: its age is 0 then
NONE = 65535  # the access point of an event that is no packet but an answer

#: A packet (dBm of access point `ap` at `ms`), or a question for an answer (ap = NONE).
EVENT = np.dtype([("ms", "<u4"), ("dbm", "<i2"), ("ap", "<u2")])
#: `tl_answer`.
ANSWER = np.dtype([("room", "<i2"), ("heard", "<u2"), ("label", "u1"), ("confidence", "u1"), ("reason", "u1"),
                   ("pad", "u1")])
Events = npt.NDArray[np.void]


@dataclass(frozen=True)
class Config:
    """`tl_stream_config`; ms and rows as there."""

    window: int
    period: int
    gap: int
    warm_up: int
    aps: int
    least: int = 1
    threshold: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            most = 255 if name == "threshold" else 65535
            if not (int(name in ("window", "aps")) <= value <= most):
                raise ModelError(f"stream: {name} = {value!r}; expected {int(name in ('window', 'aps'))} to {most}")

    @staticmethod
    def of(info: Mapping[str, Any]) -> Config:
        """That of a Program, by its info: rows that stand alone have no period; of those of a walk, as many may be missed as
        values are held for, two at least.  Without `info["confidence"]` every label counts, once it is about a row.

        Raises ModelError when the info lacks access points or scaler, or rows are too far apart (`row_ms`).
        """
        if lacking := [k for k in ("aps", "scaler") if k not in info]:
            raise ModelError(f"the model does not name its {lacking[0]}: expected aps and scaler in its info, as `tinyloc "
                             "train` writes them")
        window, sure = int(info.get("window", 1)), info.get("confidence", {})
        period = row_ms(info) if window > 1 else 0
        # Longer ones could be made up for too, but then one row counts as many: of a window a row of flat, precision falls
        # from 0.984 to 0.933.
        gap = max(hold_ms(info), 2 * period) if period else MOST_MS
        return Config(window, period, min(gap, MOST_MS), int(sure.get("warm_up", int(info.get("delay", 0)) + 1)),
                      len(info["aps"]) - len(info.get("motion", ())), int(sure.get("least", 1)),
                      int(sure.get("threshold", 0)))

    @staticmethod
    def unpack(data: bytes) -> Config:
        """That of `pack`'s bytes.  Raises ModelError for a value out of its range."""
        *values, _ = struct.unpack("<6H2B", data)
        return Config(*values)

    @property
    def most_rows(self) -> int:
        """Rows that an answer makes at most, those that were missed among them; a model of one row a run runs as often.

        Answers lie at most `gap` apart, and what was left of a period at the last one, less than a whole, counts too: the
        floor of (gap + period - 1) / period.  After a longer gap it is one.
        """
        return max(-(-self.gap // self.period), 1) if self.window != 1 and self.period else 1

    def pack(self) -> bytes:
        """The 14 bytes of `tl_stream_config`, little-endian."""
        return struct.pack("<6H2B", *astuple(self), 0)


@dataclass(frozen=True)
class Answer:
    """`tl_answer`: room is an index or UNKNOWN; reason an index into REASONS."""

    room: int
    heard: int
    label: int
    confidence: int
    reason: int


def unlike_packets(info: Mapping[str, Any]) -> str:
    """How what a model or Program was trained on differs, by the scaler of its info, from packets that `tl_stream` takes; ""
    where it does not."""
    scaler = Scaler.from_dict(info["scaler"])
    a = len(scaler.lo) - scaler.motion
    lo, hi = float(scaler.lo[:a].min()), float(scaler.hi[:a].max())
    # "powed" begins 1 dB below the weakest.  No radio hears all access points above 0 dBm: then columns are shares, or such;
    # those up to 0 itself are what a converted model was said to read.
    if lo >= DBM_LEAST - 1 and hi <= DBM_MOST and ((scaler.hi[:a] < 0).any() or lo < hi == 0):
        return ""
    return (f"signals were {lo:g} to {hi:g} in training; firmware takes whole dBm from {DBM_LEAST} to {DBM_MOST}, drops "
            "other packets, and knows nothing of another scale: expected rows in dBm")


def unpromised(info: Mapping[str, Any]) -> str:
    """How the rooms of a Program's stream fall short of the precision that was asked for, by its info; "" where validation
    promises it, or none was asked for."""
    sure = info.get("confidence") or {"reached": True}
    if sure["reached"]:
        return ""
    v = sure["validation"]
    return (f"NOT the {100 * sure['precision']:g} % asked for: of the rooms that its stream answers, from confidence "
            f"{sure['threshold']}/255 on, {100 * v['precision']:.1f} % were right in validation, and its {v['rows']:,} rows "
            f"count as {v['independent']:,.0f} independent ones")


class Engine(Protocol):
    """What a stream runs: a model that takes `rows` rows a run."""

    rows: int

    def start(self) -> None:
        """The state becomes the initial one, and no row is there."""

    def push(self, dbm: list[int]) -> None:
        """A row of what each input hears, NOT_HEARD for nothing."""

    def run(self) -> tuple[int, int, bool]:
        """(label, confidence, whether a state saturated) of the rows that are there."""


def streams(program: Program) -> bool:
    """Whether `tl_stream` takes the Program as it is: not where a state that may saturate passes several rows unseen."""
    return program.steps_of_time == 1 or not program.saturating


class Integers:
    """A Program as it is, on a backend of `tinyloc.run`."""

    def __init__(self, program: Program, backend: str = "numba") -> None:
        from tinyloc.run import Session

        b, self.rows = program.buffers[program.input], program.steps_of_time
        if not streams(program):
            raise ModelError("the model has states that saturate, and takes a window at once: what saturates between its "
                             "rows cannot be seen; expected one row a run")
        self.program, self.alone = program, self.rows != 1 or int(program.info.get("window", 1)) == 1
        constants = constants_of(program)
        self.hold, self.silent = constants.hold, constants.silent
        self._codes: list[list[int]] = constants.codes().tolist()
        self._session, self._window = Session(program, backend), np.zeros(b.shape, np.int8)
        self._fresh = True

    def start(self) -> None:
        self._session.reset()
        self._fresh = True

    def push(self, dbm: list[int]) -> None:
        row = [codes[min(max(self.silent if v == NOT_HEARD else v, -128), 127) + 128]
               for codes, v in zip(self._codes, dbm, strict=True)]
        if self._fresh:
            self._window[:] = row
        else:
            self._window[:-1] = self._window[1:]
            self._window[-1] = row
        self._fresh = False

    def run(self) -> tuple[int, int, bool]:
        if self.alone:
            self._session.reset()
        y = self._session.run(self._window)[-1]
        ends = any(bool(((v := self._session.value(n)) == 32767).any() or (v == -32768).any())
                   for n in self.program.saturating)
        return int(y[0]), int(y[1]) if len(y) > 1 else 255, ends


class Stream:
    """`tl_stream`: `hear` and `answer` are its calls; dropped and saturated its counts."""

    def __init__(self, engine: Engine, config: Config, inputs: int, hold: int) -> None:
        self.engine, self.config, self.hold = engine, config, hold
        self.heard: list[tuple[int, int]] = [(NOT_HEARD, 0)] * inputs  # dBm, ms
        self.dropped = self.saturated = self.rows = 0
        self.ms = self.row = 0
        self.last: Answer | None = None
        self._start()

    @staticmethod
    def of(program: Program, backend: str = "numba", as_it_is: bool = False) -> Stream:
        """That of a Program, one row a run where it can unless it is to run `as_it_is`, on a backend of `tinyloc.run`.

        Raises ModelError for one without access points or scaler, or of several rows a run with states that saturate.
        """
        config = Config.of(program.info)
        engine = Integers(program if as_it_is or not program.can_stream else program.retime(1), backend)
        return Stream(engine, config, len(program.info["aps"]), engine.hold)

    def anew(self) -> Stream:
        """One that has heard nothing, on the same engine, which is its alone from now on."""
        return Stream(self.engine, self.config, len(self.heard), self.hold)

    def _start(self) -> None:
        self.engine.start()
        self.rows = 0

    def hear(self, ap: int, dbm: int, ms: int) -> None:
        """A packet, or a motion channel's level, at `ms` of a clock of 32 bits."""
        if dbm == NOT_HEARD:
            return
        radio = ap < self.config.aps
        if (ap >= len(self.heard) or not (DBM_LEAST if radio else -128) <= dbm <= (DBM_MOST if radio else 127)
                or (self.heard[ap][0] != NOT_HEARD and signed(ms - self.heard[ap][1]) < 0)):
            self.dropped = min(self.dropped + 1, 65535)
        else:
            self.heard[ap] = dbm, ms

    def answer(self, ms: int) -> Answer:
        """The answer at `ms`."""
        c, due, reason = self.config, 1, ROOM
        if self.last is None:
            self.row = ms
        elif signed(ms - self.ms) < 0:
            self.heard = [(NOT_HEARD, 0)] * len(self.heard)
            reason = BACKWARDS
        elif c.window != 1 and ms - self.ms & 0xFFFFFFFF > c.gap:
            reason = GAP
        elif c.window != 1 and c.period:
            due = (ms - self.row + c.period // 2 & 0xFFFFFFFF) // c.period
            self.row = self.row + due * c.period & 0xFFFFFFFF
        self.ms = ms
        if not due:
            assert self.last is not None
            return self.last
        if reason != ROOM:
            self.row = ms
            self._start()
        self.last = self._rows(ms, due, reason)
        return self.last

    def _rows(self, ms: int, due: int, reason: int) -> Answer:
        self.heard = [h if -AHEAD <= signed(ms - h[1]) <= self.hold else (NOT_HEARD, h[1]) for h in self.heard]
        dbm = [h[0] for h in self.heard]
        heard = sum(v != NOT_HEARD for v in dbm[: self.config.aps])
        if not heard:
            self._start()
            return Answer(UNKNOWN, 0, 0, 0, SILENT if reason == ROOM else reason)
        label, confidence, saturated = 0, 0, False
        for i in range(due):
            self.engine.push(dbm)
            self.rows = min(self.rows + 1, 65535)
            if i == due - 1 or self.engine.rows == 1:
                label, confidence, saturated = self.engine.run()
            if saturated:
                self.saturated = min(self.saturated + 1, 65535)
                self._start()
                return Answer(UNKNOWN, heard, label, confidence, SATURATED)
        if reason == ROOM:
            reason = (FEW if heard < self.config.least else WARMING_UP if self.rows < self.config.warm_up else
                      UNSURE if confidence < self.config.threshold else ROOM)
        return Answer(label if reason == ROOM else UNKNOWN, heard, label, confidence, reason)


def signed(ms: int) -> int:
    """A difference of two times as the int32 that it is."""
    return (ms + 2**31 & 0xFFFFFFFF) - 2**31


def replay(stream: Stream, events: Events) -> Events:
    """ANSWERs of a script of EVENTs, one for each question."""
    found = []
    for ms, dbm, ap in events.tolist():
        if ap == NONE:
            a = stream.answer(ms)
            found.append((a.room, a.heard, a.label, a.confidence, a.reason, 0))
        else:
            stream.hear(ap, dbm, ms)
    return np.array(found, ANSWER)


def script(samples: Samples, inputs: tuple[str, ...] | None = None) -> list[Events]:
    """Of each recording of `samples`, its EVENTs: at each row what is heard, whole dBm, then a question; ms from its first
    row on.  inputs: a model's access points (and motion channels), by default all."""
    samples = samples.select(inputs or samples.inputs, missing="silent")
    first, made = samples.starts(), []
    signals = np.where(np.isnan(samples.signals), NOT_HEARD, np.rint(np.nan_to_num(samples.signals))).astype(np.int64)
    for start in np.unique(first):
        rows = np.flatnonzero(first == start)
        ms = np.rint((samples.time[rows] - samples.time[start]) * 1000).astype(np.int64)
        at, ap = np.nonzero(signals[rows] != NOT_HEARD)
        packets = np.zeros(len(at), EVENT)
        packets["ms"], packets["dbm"], packets["ap"] = ms[at] & 0xFFFFFFFF, signals[rows][at, ap], ap
        questions = np.zeros(len(rows), EVENT)
        questions["ms"], questions["ap"] = ms & 0xFFFFFFFF, NONE
        order = np.argsort(np.concatenate([2 * at, 2 * np.arange(len(rows)) + 1]), kind="stable")
        made.append(np.concatenate([packets, questions])[order])
    return made


def answers(program: Program, samples: Samples, backend: str = "c", as_it_is: bool = False) -> Events:
    """(n,) ANSWERs of a Program's stream at each row of `samples`, anew for each recording; as_it_is: as for `Stream.of`.

    Access points that the samples lack are not heard.  Raises what `Stream.of` raises.
    """
    stream = Stream.of(program, backend, as_it_is)
    made = [replay(stream.anew(), events) for events in script(samples, tuple(program.info["aps"]))]
    return np.concatenate(made) if made else np.zeros(0, ANSWER)


def self_test_script(config: Config, inputs: Sequence[str], hold: int) -> Events:
    """The EVENTs of the self-test (templates/src/tl_selftest.c): a clock that wraps, packets at random, a gap, silence, a
    clock that runs backwards."""
    random, now, made = 1, 2**32 - 5000, []
    for i in range(64):
        silent = 30 <= i < 33
        for ap in range(len(inputs)):
            random = (random * 1664525 + 1013904223) & 0xFFFFFFFF
            if random >> 30 and not silent:
                made.append((now + (random >> 8 & 127) & 0xFFFFFFFF, (random >> 20 & 63) - 100, ap))
        now += 100000 if i == 20 else -5000 if i == 45 else (config.period or 200) + silent * hold
        now &= 0xFFFFFFFF
        made.append((now, 0, NONE))
    return np.array(made, EVENT)


# ---- the float path ----

class _Recorder:
    """Keeps the rows of each start; what it answers says where they are."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.starts: list[list[list[int]]] = [[]]
        self.asked: list[tuple[int, int]] = []

    def start(self) -> None:
        if self.starts[-1]:
            self.starts.append([])

    def push(self, dbm: list[int]) -> None:
        self.starts[-1].append(dbm)

    def run(self) -> tuple[int, int, bool]:
        self.asked.append((len(self.starts) - 1, len(self.starts[-1]) - 1))
        return 0, 255, False


def float_replay(model: Model, program: Program, events: Events) -> Events:
    """ANSWERs of the same rules with the float model, of which `program` is made: its labels, and the confidences that the
    Program's table has for its margins.  Nothing saturates in float."""
    from tinyloc.confidence import decoder, has_confidence, reliability_of

    config, scaler = Config.of(program.info), Scaler.from_dict(program.info["scaler"])
    recorder = _Recorder(1 if program.can_stream else program.steps_of_time)
    stream = Stream(recorder, config, len(scaler.lo), hold_ms(program.info))
    found: list[list[int]] = []
    where: list[tuple[int, int] | None] = []
    for ms, dbm, ap in events.tolist():
        if ap != NONE:
            stream.hear(ap, dbm, ms)
            continue
        before = len(recorder.asked)
        a = stream.answer(ms)
        again = where[-1] if found and len(recorder.asked) == before and a.heard else None
        found.append([a.room, a.heard, a.label, a.confidence, a.reason, 0])
        where.append(recorder.asked[-1] if len(recorder.asked) > before else again)
    _, args = decoder(program)
    sure = reliability_of(program) if has_confidence(program) else None
    scale = program.buffers[str(args["x"])].scale
    of_start: list[tuple[np.ndarray, np.ndarray]] = []
    for rows in recorder.starts:
        dbm_rows = np.array(rows, np.float32).reshape(len(rows), len(scaler.lo))
        x = scaler.transform(np.where(dbm_rows == NOT_HEARD, np.nan, dbm_rows))
        if not len(x):
            of_start.append((np.zeros(0, np.int64), np.zeros(0)))
        elif recorder.rows == 1 and config.window != 1:
            labels, margin = model.margins(x[None])
            of_start.append((labels[0], margin[0]))
        else:
            at = np.clip(np.arange(len(x))[:, None] + np.arange(1 - config.window, 1), 0, None)
            labels, margin = model.margins(x[at])
            of_start.append((labels[:, -1], margin[:, -1]))
    for f, w in zip(found, where, strict=True):
        if w is not None:
            f[2] = int(of_start[w[0]][0][w[1]])
            f[3] = int(sure.of(of_start[w[0]][1][w[1]] / scale)) if sure else 255
            if f[4] == ROOM:
                f[4] = UNSURE if f[3] < config.threshold else ROOM
                f[0] = UNKNOWN if f[4] == UNSURE else f[2]
    return np.array([tuple(f) for f in found], ANSWER)
