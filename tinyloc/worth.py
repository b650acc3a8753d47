"""What inferring on the device is worth against sending raw samples to a server: battery, radio, latency, money.

Two designs of one product hear the same radio and tell a server the room every `report_s` seconds:

    device  infers each answer itself and sends the last one: `answer_bytes`
    server  sends every row that it heard, a byte an input, and is told nothing but an acknowledgment

Average current = sleep + hearing + inference + radio, each its current by its share of time.  What is not in it: crystal
start-up, retries, association, self-discharge.  Every number that is not counted here is an `Assumption`, with its source,
and can be replaced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tinyloc.errors import ConfigError, unknown

if TYPE_CHECKING:
    from tinyloc.emulator.mcu import Mcu
    from tinyloc.emulator.radio import Radio
    from tinyloc.program import Program

Given = Mapping[str, float | str]

DAY, YEAR = 86_400.0, 365.25 * 86_400.0
OURS = "ours: replace it by your product's"
HEARING = "nRF52832 Product Specification 1.1, Power and clock management: receiving at 1 Mb/s, 3 V, DC/DC"


@dataclass(frozen=True)
class Assumption:
    """A number that is not counted.

    source: a document, `OURS` where it is a round guess, or "given" where the user replaced it.
    least, most: what makes sense.
    """

    name: str
    value: float
    unit: str
    what: str
    source: str
    least: float = 0.0
    most: float = math.inf


_DEFAULTS = (
    Assumption("report_s", 10, "s", "from one message to the server to the next", OURS, 1e-3, DAY),
    Assumption("answer_bytes", 4, "B", "of an answer: room, confidence, two of time", OURS, 1),
    Assumption("hear_share", 0.1, "", "of the time that the receiver listens for access points, either way", OURS, 0, 1),
    Assumption("hear_ma", 6.5, "mA", "while it listens for access points", HEARING),
    Assumption("sleep_ua", 2, "uA", "with RAM kept and a clock running, board included", OURS),
    Assumption("packet_cpu_ms", 1, "ms", "of the core, for the radio's stack, a packet", OURS),
    Assumption("battery_mah", 225, "mAh", "of the battery", "CR2032, IEC 60086: typical capacity", 1e-3),
    Assumption("battery_v", 3, "V", "of the battery", "CR2032, IEC 60086", 0.1, 100),
    Assumption("usable", 0.8, "", "of the battery's charge that the product gets out of it", OURS, 0.01, 1),
    Assumption("change_usd", 3, "USD", "a battery and its changing", OURS),
    Assumption("server_s", 0.2, "s", "from a row's arrival at the gateway to the server's answer", OURS),
    Assumption("server_usd_per_million", 0.2, "USD", "a million of the server's answers",
               "AWS Lambda, price of requests alone, us-east-1"),
    Assumption("usd_per_mb", 0, "USD", "a megabyte carried from the gateway to the server", OURS),
)

ASSUMPTIONS: dict[str, Assumption] = {a.name: a for a in _DEFAULTS}


def assume(given: Given = MappingProxyType({})) -> dict[str, Assumption]:
    """`ASSUMPTIONS`, those in `given` replaced (numbers, or texts of numbers).

    Raises ConfigError for an unknown name, no number, or a number that makes no sense.
    """
    out = dict(ASSUMPTIONS)
    for name, text in given.items():
        known = [*ASSUMPTIONS, *_OVERRIDES]
        if name not in known:
            raise unknown("assumption", name, known)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        base = out.get(name) or _OVERRIDES[name]
        if not base.least <= value <= base.most or math.isinf(value):
            most = "" if math.isinf(base.most) else f" to {base.most:g}"
            raise ConfigError(f"{name}={text}: expected a number of {base.least:g}{most or ' or more'}"
                              + (f" {base.unit}" if base.unit else ""))
        out[name] = replace(base, value=value, source="given")
    return out


# What is counted or looked up, unless it is given.
_OVERRIDES = {a.name: a for a in (
    Assumption("active_ma", 0, "mA", "while the core computes", "", 1e-3),
    Assumption("send_ma", 0, "mA", "while the radio sends", ""),
    Assumption("receive_ma", 0, "mA", "while the radio receives", ""),
    Assumption("cycles", 0, "", "an answer takes", "", 1),
    Assumption("rate_hz", 0, "Hz", "rows a second", "", 1e-3, 1e4),
    Assumption("rows_per_answer", 0, "", "rows from one answer of the device to its next", "", 1, 1e6),
)}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One of the two designs.

    current: part -> average amperes.  days: of battery life.  messages, air_bytes: a day.  duty: share of the time that
    the radio sends.  known_body, known_server: mean seconds from hearing to knowing, there.  usd: a year.
    """

    name: str
    current: dict[str, float]
    days: float
    messages: float
    packets: float
    payload_bytes: float
    air_bytes: float
    duty: float
    known_body: float
    known_server: float
    usd: float
    allowed: bool

    @property
    def amps(self) -> float:
        return sum(self.current.values())

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**vars(self), "amps": self.amps}


@dataclass(frozen=True)
class Worth:
    """The comparison.

    joules: of an answer's inference, and of sending what one answer needs raw, at the battery's voltage.
    raw_bytes: a day, which the device's way never sends.
    """

    mcu: str
    radio: str
    device: Way
    server: Way
    joules: dict[str, float]
    raw_bytes: float
    assumptions: dict[str, Assumption]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"mcu": self.mcu, "radio": self.radio, "device": self.device.to_dict(), "server": self.server.to_dict(),
                "joules_an_answer": self.joules, "raw_bytes_a_day": self.raw_bytes,
                "assumptions": {n: vars(a) for n, a in self.assumptions.items()}}


def worth(inputs: int, rows_per_answer: float, rate_hz: float, cycles: int, mcu: Mcu, radio: Radio,
          given: Given = MappingProxyType({}), *, delay: int = 0, counted: str = "the caller's") -> Worth:
    """Compares the two designs.

    inputs: bytes of a row, one an access point or motion channel.  rows_per_answer: rows between two answers of the
    device (1 where it asks `tl_stream_answer` at each row).  rate_hz: rows a second.  cycles: of an answer.  delay: rows by
    which an answer lags.  counted: how the cycles were found, for the reader.
    Raises ConfigError for what `assume` refuses, and where a current or the rate is neither known nor given.
    """
    a = assume(given)
    v = {n: x.value for n, x in a.items()}

    def look(name: str, value: float | None, source: str, scale: float = 1.0) -> float:
        if name not in a:
            if value is None or value <= 0:
                raise ConfigError(f"no {name} is known for {mcu.name} with {radio.name}: expected it among the "
                                  f"assumptions, {name}=NUMBER")
            a[name] = replace(_OVERRIDES[name], value=value / scale, source=source)
        return a[name].value * scale

    active = mcu.active
    # A current at another clock than the greatest, for which time is counted, is scaled: charge a cycle is what counts.
    at_full = active.amps * mcu.clock_hz / active.clock_hz if active and active.clock_hz else None
    active_amps = look("active_ma", at_full, active.source if active else "", 1e-3)
    send_amps = look("send_ma", radio.send_amps, radio.current, 1e-3)
    receive_amps = look("receive_ma", radio.receive_amps, radio.current, 1e-3)
    cycles_each = look("cycles", float(cycles), counted)
    rate = look("rate_hz", rate_hz, "the model's")

    each = look("rows_per_answer", rows_per_answer, "as tl_stream answers, asked at each row" if rows_per_answer == 1 else
                "the caller's")
    answers = rate / each  # a second
    infer_s = cycles_each / mcu.clock_hz
    if answers * infer_s > 1:
        raise ConfigError(f"{mcu.name} needs {infer_s:.3g} s an answer and has {1 / answers:.3g} s: expected a faster "
                          "one, or a smaller model")
    rows = rate * v["report_s"]
    raw = math.ceil(rows) * inputs
    lag = delay / rate
    shared = {"sleep": v["sleep_ua"] * 1e-6, "hearing": v["hear_share"] * v["hear_ma"] * 1e-3}

    def way(name: str, size: int, here: bool) -> Way:
        packets, air = radio.message(size)
        a_second = 1 / v["report_s"]
        server_answers = 0.0 if here else answers
        current = {**shared, "inference": answers * infer_s * active_amps if here else 0.0,
                   "radio": a_second * (air.send * send_amps + air.receive * receive_amps
                                        + packets * v["packet_cpu_ms"] * 1e-3 * active_amps)}
        if not sum(current.values()):
            raise ConfigError("nothing takes any current, by these assumptions, and the battery lasts for ever; expected "
                              "one above 0, such as sleep_ua")
        days = v["battery_mah"] * 3.6 * v["usable"] / sum(current.values()) / DAY
        sending = air.send + air.receive
        duty = a_second * air.send
        at_server = lag + v["report_s"] / 2 + sending + (infer_s if here else v["server_s"])
        back = radio.message(int(v["answer_bytes"]))[1]
        body = lag + infer_s if here else at_server + back.send + back.receive
        usd = (365.25 / days * v["change_usd"] + server_answers * YEAR / 1e6 * v["server_usd_per_million"]
               + YEAR * a_second * size / 1e6 * v["usd_per_mb"])
        return Way(name, current, days, DAY * a_second, DAY * a_second * packets, DAY * a_second * size,
                   DAY * a_second * air.bytes, duty, body, at_server, usd, duty <= radio.duty)

    device = way("device", int(v["answer_bytes"]), here=True)
    server = way("server", raw, here=False)
    volts = v["battery_v"]
    raw_each = (server.current["radio"] / answers) * volts
    return Worth(mcu.name, radio.name, device, server,
                 {"inference": infer_s * active_amps * volts, "sending_raw": raw_each}, rate * DAY * inputs, a)


def worth_of(program: Program, mcu: Mcu, radio: Radio, given: Given = MappingProxyType({}), *,
             stream: bool | None = None) -> Worth:
    """`worth` of a Program: cycles are estimated from its counted instructions on the microcontroller's core.  An answer is
    of each row, as `tl_stream_answer` gives it; a model that cannot stream runs its whole window for it.

    stream: one row a run; None: where the model can.  Raises ConfigError without the toolchain, or for a core that is not
    emulated, unless `cycles` is among the assumptions.
    """
    streams = program.can_stream if stream is None else stream
    cycles, counted = 0, "given"
    if "cycles" not in given:
        from tinyloc.bench import bench, core_of

        found = bench(program.retime(1) if streams else program, core_of(mcu), mcu)
        cycles, counted = found.total.cycles, f"{found.total.instructions:,} instructions counted; {found.timing}"
    info, b = program.info, program.buffers[program.input]
    counted += "" if streams else f"; each runs a window of {program.steps_of_time} rows"
    return worth(b.shape[-1], 1, float(info.get("rate_hz") or 0), cycles, mcu, radio, given,
                 delay=int(info.get("delay", 0)), counted=counted)
