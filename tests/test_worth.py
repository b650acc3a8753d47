"""Airtime against figures worked out elsewhere; the comparison's sums, bounds and complaints."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import streaming_program

from tinyloc.cli import main
from tinyloc.emulator.mcu import MCUS, find
from tinyloc.emulator.radio import RADIOS, Radio, lora_seconds
from tinyloc.emulator.radio import find as find_radio
from tinyloc.errors import ConfigError
from tinyloc.worth import _OVERRIDES, ASSUMPTIONS, OURS, Worth, worth, worth_of

radios = pytest.mark.parametrize("radio", RADIOS.values(), ids=list(RADIOS))


@pytest.mark.parametrize(("size", "spreading", "seconds"), [
    (13, 9, 0.164864),  # public spreadsheets of Semtech AN1200.13 give these
    (13, 7, 0.046336), (51, 12, 2.465792), (64, 10, 0.698368), (255, 7, 0.399616)])  # fmt: skip
def test_time_on_air_of_lora(size: int, spreading: int, seconds: float) -> None:
    assert lora_seconds(size, spreading) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(("name", "payload", "send", "receive"), [
    ("ble-advertising", 27, 3 * 376e-6, 0.0),  # 47 bytes, the longest legacy packet, is 376 us
    ("ble-1m", 244, 2120e-6, 80e-6 + 150e-6),  # the longest data packet is 2,120 us
    ("ble-2m", 244, 1064e-6, 44e-6 + 150e-6),  # 1,064 us at 2 Mb/s
    ("802.15.4", 116, 4256e-6, 128e-6 + 192e-6 + 352e-6)])  # 127 bytes and 6 before them
def test_longest_packet(name: str, payload: int, send: float, receive: float) -> None:
    radio = RADIOS[name]
    assert radio.payload == payload
    air = radio.air(payload)
    assert (air.send, air.receive) == (pytest.approx(send, abs=1e-12), pytest.approx(receive, abs=1e-12))


@radios
@settings(max_examples=60, derandomize=True, deadline=None)
@given(size=st.integers(0, 3000))
def test_messages_are_cut_into_packets(radio: Radio, size: int) -> None:
    packets, air = radio.message(size)
    assert packets == math.ceil(size / radio.payload)
    longer = radio.message(size + 1)[1]
    assert longer.send >= air.send and longer.bytes > air.bytes
    assert air.bytes >= size and (air.send > 0) == (size > 0)


@radios
def test_row_has_its_sources(radio: Radio) -> None:
    assert len(radio.source) > 10 and len(radio.current) > 10 and 0 < radio.duty <= 1
    assert radio.send_amps and 1e-3 < radio.send_amps < 0.2 and radio.receive_amps and 1e-3 < radio.receive_amps < 0.05
    assert find_radio(radio.name.upper()) is radio


def compare(**given: float) -> Worth:
    return worth(6, 1, 3.0, 25_000, find("nrf52832"), RADIOS["ble-advertising"], given, counted="by a bench")


def test_sums_by_hand() -> None:
    w = compare(report_s=10, hear_share=0, sleep_ua=0, packet_cpu_ms=0)
    amps = 64 * 58e-6
    assert w.device.current["inference"] == pytest.approx(3 * 25_000 / 64e6 * amps)
    assert w.device.current["radio"] == pytest.approx(3 * (4 + 20) * 8e-6 * 7.1e-3 / 10)
    assert w.server.packets == pytest.approx(7 * 8640)  # 30 rows of 6 bytes are 7 packets of 27
    assert w.server.current["inference"] == 0 and w.server.payload_bytes == 180 * 8640 == w.raw_bytes
    assert w.device.amps == pytest.approx(sum(w.device.current.values()))
    assert w.device.days == pytest.approx(0.225 * 0.8 / w.device.amps / 24)
    assert w.device.known_body == pytest.approx(25_000 / 64e6)
    assert w.to_dict()["device"]["amps"] == w.device.amps
    # Energy a day is the battery's.
    assert w.joules["inference"] == pytest.approx(25_000 / 64e6 * amps * 3)


def test_one_day_is_one_day() -> None:
    w = compare(report_s=3600)
    assert w.device.messages == pytest.approx(24) and w.server.messages == pytest.approx(24)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(name=st.sampled_from([n for n in ASSUMPTIONS if n not in ("answer_bytes",)]), factor=st.floats(1.01, 3))
def test_more_of_anything_costs_or_lasts(name: str, factor: float) -> None:
    base, value = compare(), ASSUMPTIONS[name].value
    more = compare(**{name: min(value * factor, ASSUMPTIONS[name].most)})
    for a, b in ((base.device, more.device), (base.server, more.server)):
        if name in ("battery_mah", "usable"):
            assert b.days > a.days
        elif name == "report_s":  # fewer packets of the device's; the server's are as many bytes, in fuller packets or not
            assert b.days > a.days or b is more.server
        elif name in ("hear_share", "hear_ma", "sleep_ua", "packet_cpu_ms"):
            assert b.days < a.days
        else:
            assert b.days == a.days
        assert all(v >= 0 for v in b.current.values())
    assert more.assumptions[name].source == "given" and base.assumptions[name].source != "given"


def test_what_the_law_forbids_is_said() -> None:
    w = worth(6, 1, 3.0, 25_000, find("nrf52832"), RADIOS["lora-sf10"], {"report_s": 60})
    assert w.device.allowed and not w.server.allowed and w.server.duty > 0.01 > w.device.duty


@pytest.mark.parametrize(("change", "words"), [
    ({"sleep": 3}, "did you mean 'sleep_ua'"), ({"sleep_ua": ""}, "expected a number"), ({"sleep_ua": -1}, "0 or more uA"),
    ({"hear_share": "1.5"}, "of 0 to 1"), ({"sleep_ua": "nan"}, "expected a number"), ({"report_s": "inf"}, "of 0.001 to"),
    ({"rate_hz": 0}, "expected a number of 0.001 to"), ({"cycles": 0}, "cycles=0: expected a number of 1 or more"),
    ({"active_ma": 0}, "active_ma=0: expected a number of 0.001 or more mA"),
    (dict.fromkeys(("sleep_ua", "hear_ma", "packet_cpu_ms", "send_ma", "receive_ma"), 0), "nothing takes any current"),
])  # fmt: skip
def test_bad_assumption(change: dict[str, float | str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        worth(6, 1, 3.0, 25_000, find("nrf52832"), RADIOS["ble-1m"], change)


def test_the_least_of_each_is_a_comparison() -> None:
    """Whatever alone is at its least: two ways that are told apart, and no division by zero."""
    for name, least in {a.name: a.least for a in (*ASSUMPTIONS.values(), *_OVERRIDES.values())}.items():
        w = compare(**{name: least})
        assert w.device.current["inference"] > 0 == w.server.current["inference"], name
        assert w.device.known_body < w.server.known_body and w.joules["inference"] > 0, name
    short = compare(cycles=1, active_ma=1e-3, rate_hz=1e-3)
    assert short.device.known_body == 1 / 64e6 and short.device.known_server < short.server.known_server


def test_what_is_not_known_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="no rate_hz is known"):
        worth(6, 1, 0.0, 25_000, find("nrf52832"), RADIOS["ble-1m"])
    silent = next(m for m in MCUS.values() if m.active is None)
    with pytest.raises(ConfigError, match=f"no active_ma is known for {silent.name}"):
        worth(6, 1, 3.0, 25_000, silent, RADIOS["ble-1m"])
    assert worth(6, 1, 3.0, 25_000, silent, RADIOS["ble-1m"], {"active_ma": 5}).assumptions["active_ma"].value == 5
    with pytest.raises(ConfigError, match="s an answer and has"):
        worth(6, 1, 3.0, 10**9, find("nrf52832"), RADIOS["ble-1m"])


def test_command(tmp_path: Path) -> None:
    made = streaming_program()
    made.save(tmp_path / "m")
    arguments = ["worth", str(tmp_path / "m"), "--mcu", "nRF52832", "--set", "cycles=25000", "--set", "rate_hz=3"]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0 and "never leave the body" in said.output, said.output
    facts = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    inputs = made.buffers[made.input].shape[-1]
    assert facts["raw_bytes_a_day"] == 3 * 86_400 * inputs and facts["assumptions"]["cycles"]["source"] == "given"
    assert CliRunner().invoke(main, [*arguments, "--radio", "lora-sf7"]).output.count("NOT ALLOWED") == 1
    assert CliRunner().invoke(main, [*arguments, "--radio", "wifi"]).exit_code == 2


@pytest.mark.parametrize(("given", "stream", "apart", "source"), [
    ({}, True, 1, "tl_stream"), ({}, False, 1, "tl_stream"), ({"rows_per_answer": 5}, False, 5, "given")])
def test_an_answer_is_of_each_row(given: dict[str, float], stream: bool, apart: float, source: str) -> None:
    """However far apart the windows of training lay: firmware asks the stream at each row, unless it is said to ask less."""
    made = streaming_program()
    made = replace(made, info={**made.info, "window": 6, "hop": 3})
    found = worth_of(made, find("nrf52832"), RADIOS["ble-1m"], {"cycles": 64_000, "rate_hz": 2, **given},
                     stream=stream)
    assert found.device.current["inference"] == pytest.approx(2 / apart * 64_000 / 64e6 * 64 * 58e-6)
    assert source in found.assumptions["rows_per_answer"].source


def test_each_assumption_says_where_it_is_from() -> None:
    for a in compare().assumptions.values():
        assert a.source and a.what and a.least <= a.value <= a.most
        assert a.source == OURS or len(a.source) >= 9, a.name
