"""The table of microcontrollers, and the budget of RAM and flash that a model must fit in.

Every figure has its source beside it, and one that could not be established is None.  KB of memory is 1,024 bytes
throughout.  A row counts memory; cores other than Cortex-M are listed for that alone, as no firmware is built for them here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from tinyloc.errors import ConfigError, unknown

K = 1024
MAX_SIZE = 4 * K**3  # what 32 bits address
MHZ = 1_000_000

_UNITS = {"": 1, "K": K, "M": K**2, "G": K**3}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:([KMG])(?:i?B)?|B)?\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Current:
    """Supply current while the core computes.

    amps: at `clock_hz` and `volts`; either is None where the source does not say, and then no energy follows from it.
    source: where the figure stands.
    """

    amps: float
    clock_hz: int | None
    volts: float | None
    source: str


@dataclass(frozen=True)
class Mcu:
    """A microcontroller.

    core: "cortex-m0plus", "cortex-m4" … as compilers name it, or the architecture where it is no Cortex-M.
    ram_bytes: the largest contiguous RAM that an application has; flash_bytes: on the chip, None when it has none.
    clock_hz: the greatest.  active: None where no source was found.  source: of the memories and the clock.
    """

    name: str
    core: str
    ram_bytes: int
    flash_bytes: int | None
    clock_hz: int
    active: Current | None
    source: str
    note: str = ""

    @property
    def cortex_m(self) -> bool:
        """Whether firmware can be built for it."""
        return self.core.startswith("cortex-m")

    @property
    def no_build(self) -> str:
        """Why compilers refuse the C for it, "" where they do not: its row is there to compare memory with."""
        return f"the C needs an int of 32 bits, that of {self.core} has 16" if self.core in SHORT_INT else ""


@dataclass(frozen=True)
class Budget:
    """Bytes that a model, its runtime and its stack may take; flash_bytes is None when nothing limits it."""

    name: str
    ram_bytes: int
    flash_bytes: int | None


# int has 16 bits: GNU C for AVR and for RL78; TI SLAU132, MSP430 Optimizing C/C++ Compiler, data types.
SHORT_INT = ("avr", "msp430", "rl78")

PAPER = "arXiv 2412.09289, Table 1"
ZEPHYR = "Zephyr, dts/"
PIO = "PlatformIO, platform-"


def _paper(milliamps: float) -> Current:
    # The paper's table gives neither clock nor voltage.
    return Current(milliamps / 1000, None, None, PAPER)


def _per_mhz(microamps: float, mhz: int, volts: float | None, source: str) -> Current:
    return Current(microamps * 1e-6 * mhz, mhz * MHZ, volts, source)


_ROWS = (
    # The paper's table of candidates, in its order (it ran on none of them).
    Mcu("msp430fr5969", "msp430", 2 * K, 64 * K, 16 * MHZ,
        _per_mhz(100, 16, None, "TI SLAS704, 1.1 Features: active mode, approximately 100 uA/MHz"),
        f"{PAPER}; TI SLAS704, 1.1 Features", "64 KB of FRAM, which holds code and data alike"),
    Mcu("atmega328p", "avr", 2 * K, 32 * K, 20 * MHZ, _paper(1.5), f"{PAPER}; Microchip ATmega328P, speed grades"),
    Mcu("cc2650", "cortex-m3", 20 * K, 128 * K, 48 * MHZ, _paper(2.9), f"{PAPER}; {ZEPHYR}arm/ti/cc2650.dtsi (2.x)"),
    Mcu("rl78-g13", "rl78", 32 * K, 512 * K, 32 * MHZ,
        _per_mhz(66, 32, None, "Renesas R01DS0131EJ0341, 1.1 Features: 66 uA/MHz"),
        f"{PAPER}; Renesas R01DS0131EJ0341, 1.1 Features", "the largest of the family"),
    Mcu("aducm3029", "cortex-m3", 64 * K, 256 * K, 26 * MHZ, _paper(0.96),
        "Analog Devices ADuCM302x device family pack: up to 256 KB of flash, 64 KB of SRAM, 26 MHz",
        "the paper's table says 128 KB of flash, which is the smaller ADuCM3027; the RAM is in banks, not all of them "
        "contiguous in every setting"),
    Mcu("stm32l432", "cortex-m4", 64 * K, 256 * K, 80 * MHZ,
        _per_mhz(84, 80, None, "ST DS11451, Features: 84 uA/MHz in run mode (LDO)"),
        f"{ZEPHYR}arm/st/l4/stm32l432Xc.dtsi; ST DS11451",
        "xC parts; the paper's STM32L4 (64 KB, 256 KB, 4.0 mA) is one of this size; SRAM1 48 KB and SRAM2 16 KB, "
        "contiguous by an alias"),
    Mcu("max32630", "cortex-m4", 512 * K, 2048 * K, 96 * MHZ, _paper(10.1),
        f"{PAPER}; {PIO}maxim32, max32630fthr.json"),
    Mcu("efm32gg990", "cortex-m3", 128 * K, 1024 * K, 48 * MHZ, _paper(10.5),
        f"{PAPER}; {PIO}siliconlabsefm32, efm32gg_stk3700.json", "F1024 parts; the paper says EFM32 only"),
    # Nordic
    Mcu("nrf52810", "cortex-m4", 24 * K, 192 * K, 64 * MHZ, None,
        f"{ZEPHYR}arm/nordic/nrf52810_qfaa.dtsi; {PIO}nordicnrf52", "no FPU"),
    Mcu("nrf52832", "cortex-m4", 64 * K, 512 * K, 64 * MHZ,
        _per_mhz(58, 64, 3.0, "Nordic nRF52832 Product Specification: 58 uA/MHz from flash; 3 V, DC/DC, 25 C"),
        f"{ZEPHYR}arm/nordic/nrf52832_qfaa.dtsi; {PIO}nordicnrf52", "QFAA and CIAA; QFAB has 32 KB and 256 KB"),
    Mcu("nrf52840", "cortex-m4", 256 * K, 1024 * K, 64 * MHZ,
        _per_mhz(52, 64, 3.0, "Nordic nRF52840 Product Specification: 52 uA/MHz from flash; 3 V, DC/DC, 25 C"),
        f"{ZEPHYR}arm/nordic/nrf52840_qiaa.dtsi; {PIO}nordicnrf52, nrf52840_dk.json"),
    Mcu("nrf5340", "cortex-m33", 512 * K, 1024 * K, 128 * MHZ,
        Current(7.8e-3, 128 * MHZ, 3.0,
                "Nordic nRF5340 Product Specification, Current consumption: IAPPCPU4; 3 V, DC/DC"),
        f"{ZEPHYR}arm/nordic/nrf5340_cpuapp_qkaa.dtsi; Zephyr, nRF5340 DK", "the application core"),
    # ST
    Mcu("stm32l053", "cortex-m0plus", 8 * K, 64 * K, 32 * MHZ, None,
        f"{ZEPHYR}arm/st/l0/stm32l053X8.dtsi; ST DocID025938 (STM32L051), Features", "x8 parts"),
    Mcu("stm32l072", "cortex-m0plus", 20 * K, 192 * K, 32 * MHZ, None,
        f"{ZEPHYR}arm/st/l0/stm32l072Xz.dtsi; ST DocID025938 (STM32L051), Features", "xZ parts"),
    Mcu("stm32l476", "cortex-m4", 96 * K, 1024 * K, 80 * MHZ, None, f"{ZEPHYR}arm/st/l4/stm32l476Xg.dtsi; ST DS10198",
        "xG parts; 32 KB more of SRAM2 lie elsewhere"),
    Mcu("stm32f103x8", "cortex-m3", 20 * K, 64 * K, 72 * MHZ, None, f"{ZEPHYR}arm/st/f1/stm32f103X8.dtsi; ST DS5319"),
    Mcu("stm32f103xb", "cortex-m3", 20 * K, 128 * K, 72 * MHZ, None, f"{ZEPHYR}arm/st/f1/stm32f103Xb.dtsi; ST DS5319"),
    Mcu("stm32f411", "cortex-m4", 128 * K, 512 * K, 100 * MHZ, None,
        f"{ZEPHYR}arm/st/f4/stm32f411Xe.dtsi; {PIO}ststm32, nucleo_f411re.json", "xE parts"),
    Mcu("stm32h743", "cortex-m7", 512 * K, 2048 * K, 400 * MHZ, None,
        f"{ZEPHYR}arm/st/h7/stm32h743.dtsi, stm32h743Xi.dtsi; {PIO}ststm32, nucleo_h743zi.json",
        "xI parts, revision Y; the AXI SRAM; apart from it lie DTCM 128 KB, SRAM1-3 288 KB and SRAM4 64 KB"),
    Mcu("stm32wb55", "cortex-m4", 192 * K, 876 * K, 64 * MHZ, None,
        f"{ZEPHYR}arm/st/wb/stm32wb55Xg.dtsi; {PIO}ststm32, nucleo_wb55rg_p.json",
        "xG parts: 1 MB of flash less 148 KB for the radio's firmware"),
    # Others
    Mcu("atsamd21g18", "cortex-m0plus", 32 * K, 256 * K, 48 * MHZ, None, f"{PIO}atmelsam, zeroUSB.json"),
    Mcu("rp2040", "cortex-m0plus", 264 * K, None, 133 * MHZ, None,
        f"{ZEPHYR}arm/raspberrypi/rpi_pico/rp2040.dtsi; {PIO}raspberrypi, pico.json",
        "six contiguous banks; flash is a chip of its own (2 MB on the Pico)"),
    Mcu("rp2350", "cortex-m33", 520 * K, None, 150 * MHZ, None, f"{ZEPHYR}arm/raspberrypi/rpi_pico/rp2350.dtsi",
        "flash is a chip of its own"),
    Mcu("apollo3", "cortex-m4", 384 * K, 1024 * K, 96 * MHZ, None,
        f"{ZEPHYR}arm/ambiq/ambiq_apollo3_blue.dtsi; Zephyr, Apollo3 Blue EVB",
        "TCM 64 KB and SRAM 320 KB, contiguous"),
    Mcu("esp32-c3", "riscv", 320 * K, None, 160 * MHZ, None, f"{PIO}espressif32, esp32-c3-devkitm-1.json",
        "of 400 KB, what the vendor's SDK leaves to data; flash is a chip of its own (4 MB on the DevKitM-1)"),
)

MCUS: dict[str, Mcu] = {m.name: m for m in _ROWS}


def _key(name: str) -> str:
    # RL78/G13, rl78-g13 and RL78 G13 are one name.
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find(name: str) -> Mcu:
    """The row of that name, case and punctuation aside, or the only one whose name begins so.

    A longer name is not cut down to a row's: the letters at its end decide how much memory a part has.
    Raises ConfigError: unknown (the nearest is offered) or ambiguous.
    """
    key = _key(name)
    for m in _ROWS:
        if _key(m.name) == key:
            return m
    hits = [m.name for m in _ROWS if key and _key(m.name).startswith(key)]
    if len(hits) == 1:
        return MCUS[hits[0]]
    if hits:
        raise ConfigError(f"MCU {name!r} could be any of {', '.join(sorted(hits))}; expected one of them")
    raise unknown("MCU", name, MCUS)


def buildable(name: str) -> Mcu:
    """`find`, of one that a model is meant to run on.  Raises ConfigError where there is no build for it, too."""
    row = find(name)
    if row.no_build:
        raise ConfigError(f"there is no build for {row.name}: {row.no_build}")
    return row


def parse_size(text: str) -> int:
    """Bytes of "32K", "32KB", "32KiB" (all 32 * 1024, as memories are), "1.5K", "2M" or "65536".

    Raises ConfigError when it is no size, no whole number of bytes, 0 or more than 4G.
    """
    match = _SIZE.fullmatch(text)
    if match:
        size = Fraction(match[1]) * _UNITS[(match[2] or "").upper()]
        if size.denominator == 1 and 0 < size <= MAX_SIZE:
            return int(size)
    raise ConfigError(f"{text!r} is no size; expected a whole number of bytes above 0 and up to 4G, such as 32K, 1.5K, "
                      "64KiB, 2M or 65536 (K is 1024)")


def format_size(size: int) -> str:
    """The shortest text that `parse_size` turns back into `size`."""
    for unit in ("G", "M", "K"):
        if size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def budget(mcu: str | None = None, ram: str | None = None, flash: str | None = None) -> Budget:
    """The budget of an MCU, of sizes, or of an MCU of which other firmware takes a part.

    mcu: a name for `find`; ram, flash: sizes for `parse_size`, each replacing the MCU's own; without an MCU, flash is
    unlimited unless given.  Raises ConfigError for what `find` and `parse_size` refuse, for more than the MCU has, and
    when neither MCU nor RAM is given.
    """
    row = find(mcu) if mcu is not None else None
    if row is None and ram is None:
        raise ConfigError("no budget: expected a size of RAM, such as 32K, or the name of an MCU")
    ram_bytes = row.ram_bytes if row else 0
    if ram is not None:
        ram_bytes = parse_size(ram)
    flash_bytes = row.flash_bytes if row else None
    if flash is not None:
        flash_bytes = parse_size(flash)
    if row:
        for what, asked, has in (("RAM", ram_bytes, row.ram_bytes), ("flash", flash_bytes, row.flash_bytes)):
            if asked is not None and has is not None and asked > has:
                raise ConfigError(f"{what} of {format_size(asked)} is more than {row.name} has: expected at most "
                                  f"{format_size(has)}")
    parts = [row.name] if row else []
    if ram is not None:
        parts.append(f"{format_size(ram_bytes)} RAM")
    if flash is not None and flash_bytes is not None:
        parts.append(f"{format_size(flash_bytes)} flash")
    return Budget(", ".join(parts), ram_bytes, flash_bytes)
