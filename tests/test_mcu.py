"""The table of microcontrollers, sizes and budgets."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.emulator.mcu import MAX_SIZE, MCUS, PAPER, K, Mcu, budget, find, format_size, parse_size
from tinyloc.errors import ConfigError

rows = pytest.mark.parametrize("row", MCUS.values(), ids=list(MCUS))

# Table 1 of the paper: RAM and flash in KB, active current in mA.
TABLE_1 = {
    "MSP430FR5969": (2, 64, 1.6), "ATmega328P": (2, 32, 1.5), "CC2650": (20, 128, 2.9), "RL78/G13": (32, 512, 2.11),
    "ADuCM3029": (64, 128, 0.96), "STM32L432": (64, 256, 4.0), "MAX32630": (512, 2048, 10.1),
    "EFM32GG990": (128, 1024, 10.5),
}  # fmt: skip
DEPARTURES = {("ADuCM3029", "flash"), ("STM32L432", "current")}  # each is explained in the row


@rows
def test_row_is_plausible(row: Mcu) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.name), "a name is lower case, as on a command line"
    assert row.core in {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "avr", "msp430", "rl78",
                        "riscv"}  # fmt: skip
    assert row.cortex_m == row.core.startswith("cortex-m")
    assert bool(row.no_build) == (row.core in ("avr", "msp430", "rl78"))
    # The bounds are those of the field, wide enough for all; a slip of a unit (K, MHz, mA) falls outside.
    assert row.ram_bytes % K == 0 and 2 * K <= row.ram_bytes <= 1024 * K
    assert row.flash_bytes is None or (row.flash_bytes % K == 0 and 32 * K <= row.flash_bytes <= 2048 * K)
    assert row.flash_bytes is not None or "flash is a chip of its own" in row.note
    assert 10_000_000 <= row.clock_hz <= 600_000_000
    assert len(row.source) > 10


@rows
def test_current_has_a_source_and_a_sane_density(row: Mcu) -> None:
    if row.active is None:
        return
    assert 0.5e-3 <= row.active.amps <= 0.2 and row.active.source
    assert row.active.volts is None or 1.6 <= row.active.volts <= 5.5
    if row.active.clock_hz is not None:
        assert row.active.clock_hz <= row.clock_hz
        assert 5 <= row.active.amps / row.active.clock_hz * 1e12 <= 400, "uA/MHz"


@pytest.mark.parametrize("name", TABLE_1)
def test_paper_table_1(name: str) -> None:
    row = find(name)
    ram, flash, milliamps = TABLE_1[name]
    assert row.ram_bytes == ram * K
    assert (row.flash_bytes == flash * K) == ((name, "flash") not in DEPARTURES)
    assert row.active is not None
    assert (row.active.amps == pytest.approx(milliamps / 1000, rel=0.01)) == ((name, "current") not in DEPARTURES)
    if any(n == name for n, _ in DEPARTURES):
        assert "paper" in row.note, "a departure from the paper is said in the row"
    else:
        assert PAPER in row.source


@rows
def test_find(row: Mcu) -> None:
    for name in (row.name, row.name.upper(), row.name.replace("-", "/"), f" {row.name.replace('-', '')} "):
        assert find(name) is row


def test_find_prefix_only_when_unique() -> None:
    assert find("ATSAMD21").name == "atsamd21g18"
    assert find("nrf53").name == "nrf5340"
    with pytest.raises(ConfigError, match=r"'stm32l4' could be any of stm32l432, stm32l476"):
        find("stm32l4")


@pytest.mark.parametrize(("name", "offered"), [("nrf52833", "nrf5283[02]|nrf52840"), ("stm32f410", "stm32f411"),
                                               ("nrf52832_qfab", "nrf52832"), ("esp32c4", "esp32-c3")])  # fmt: skip
def test_unknown_offers_the_nearest(name: str, offered: str) -> None:
    # A part number is not cut down to a row: QFAB has half the memory of QFAA.
    with pytest.raises(ConfigError, match=rf"unknown MCU '{name}'; did you mean '({offered})'\?"):
        find(name)


@pytest.mark.parametrize("name", ["", " ", "-", "zzzz"])
def test_nothing_near(name: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown MCU .*Known: .*nrf52832"):
        find(name)


@pytest.mark.parametrize(("text", "size"), [
    ("32K", 32768), ("32k", 32768), ("32KB", 32768), ("32KiB", 32768), ("32 kib", 32768), (" 64K ", 65536),
    ("65536", 65536), ("65536B", 65536), ("1.5K", 1536), ("0.5K", 512), ("2M", 2097152), ("1.25MiB", 1310720),
    ("4G", MAX_SIZE), ("1", 1),
    ("007K", 7168), ("3.0", 3),
])  # fmt: skip
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [
    "", " ", "K", "KB", "B", "0", "0K", "0.0M", "-1", "-32K", "+32K", "1e3", "0x20", "32 K B", "32Ki", "32KK", "32T",
    "32Kb/s", "1.5", "1.0001K", ".5K", "5.K", "1,5K", "1_000", "inf", "nan", "5G", "4294967297", "9" * 400,
    "\u0663\u0662K", "32\uff2b", "32\u212a", "32K\n32K", "thirty",  # Arabic digits; a full-width K; the kelvin sign
])  # fmt: skip
def test_no_size(text: str) -> None:
    with pytest.raises(ConfigError) as e:
        parse_size(text)
    assert repr(text) in str(e.value) and "such as 32K" in str(e.value)


@given(st.integers(1, MAX_SIZE))
@settings(derandomize=True)
def test_format_size_inverts(size: int) -> None:
    assert parse_size(format_size(size)) == size
    assert len(format_size(size)) <= len(str(size))


@given(st.text(alphabet="0123456789.KMGkmgiBb -+e\u0663", max_size=12))
@settings(derandomize=True, max_examples=500)
def test_a_text_is_a_size_or_an_error(text: str) -> None:
    try:
        size = parse_size(text)
    except ConfigError:
        return
    digits = Fraction(re.sub(r"[^0-9.]", "", text))
    unit = re.sub(r"[^KMG]", "", text.upper())
    assert size == digits * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[unit] and 0 < size <= 2**32


def test_budget() -> None:
    b = budget(mcu="nRF52810")
    assert (b.name, b.ram_bytes, b.flash_bytes) == ("nrf52810", 24 * K, 192 * K)
    b = budget(mcu="nrf52810", ram="16K", flash="100K")
    assert (b.name, b.ram_bytes, b.flash_bytes) == ("nrf52810, 16K RAM, 100K flash", 16 * K, 100 * K)
    b = budget(ram="32K", flash="256K")
    assert (b.name, b.ram_bytes, b.flash_bytes) == ("32K RAM, 256K flash", 32 * K, 256 * K)
    assert budget(ram="1.5K").flash_bytes is None and budget(ram="1.5K").name == "1536 RAM"
    b = budget(mcu="rp2040", flash="2M")
    assert (b.name, b.flash_bytes) == ("rp2040, 2M flash", 2048 * K)


@pytest.mark.parametrize(("given_", "message"), [
    ({}, "no budget: expected a size of RAM"), ({"flash": "64K"}, "no budget"), ({"ram": "lots"}, "'lots' is no size"),
    ({"mcu": "nrf52832", "flash": "0"}, "'0' is no size"), ({"mcu": "nrf52831"}, "did you mean 'nrf52832'"),
    ({"mcu": "nrf52832", "ram": "65K"}, "RAM of 65K is more than nrf52832 has: expected at most 64K"),
    ({"mcu": "nrf52832", "flash": "1M"}, "flash of 1M is more than nrf52832 has: expected at most 512K"),
])  # fmt: skip
def test_bad_budget(given_: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        budget(**given_)
