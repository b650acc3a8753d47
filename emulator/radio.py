"""The table of radios: how long a payload is on the air, by the standard's own frame format.

Times are of one packet that arrives; retries, association and encryption handshakes are not in them.  Bytes of a frame are
those of the standard, each named beside its row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tinyloc.errors import ConfigError, unknown


@dataclass(frozen=True)
class Air:
    """Of one packet: seconds of sending and of receiving, and bytes on the air (all channels), preamble to checksum."""

    send: float
    receive: float
    bytes: int


@dataclass(frozen=True)
class Radio:
    """A way to send.

    payload: the most bytes of the application's in a packet.  air: bytes of payload -> `Air`.
    send_amps, receive_amps: supply current of the radio named in `current`; None where no source was found.
    duty: greatest share of time that the law lets it send; 1 where nothing limits it.
    source: of the frame and its timing.
    """

    name: str
    title: str
    payload: int
    air: Callable[[int], Air]
    send_amps: float | None
    receive_amps: float | None
    current: str
    source: str
    duty: float = 1.0

    def message(self, size: int) -> tuple[int, Air]:
        """(packets, their sum) of a message of `size` bytes, cut into packets.  Raises ConfigError for a negative size."""
        if size < 0:
            raise ConfigError(f"{size} bytes cannot be sent; expected 0 or more")
        full, rest = divmod(size, self.payload)
        sizes = [self.payload] * full + [rest] * bool(rest)
        each = [self.air(n) for n in sizes]
        return len(sizes), Air(sum(a.send for a in each), sum(a.receive for a in each), sum(a.bytes for a in each))


_IFS = 150e-6  # T_IFS, between two packets of a Bluetooth LE connection


def _ble_advertising(n: int) -> Air:
    # Preamble 1, access address 4, header 2, AdvA 6, AD structure (length 1, type 1, company 2), CRC 3; 8 us a byte.
    size = 1 + 4 + 2 + 6 + 4 + n + 3
    return Air(3 * size * 8e-6, 0.0, 3 * size)


def _ble_connection(bytes_a_second: float, preamble: int) -> Callable[[int], Air]:
    def air(n: int) -> Air:
        # The central polls with an empty packet; ours carries L2CAP 4 and ATT 3 (notification), and MIC 4.
        poll, ours = preamble + 4 + 2 + 3, preamble + 4 + 2 + 4 + 3 + n + 4 + 3
        return Air(ours / bytes_a_second, poll / bytes_a_second + _IFS, poll + ours)

    return air


def _ieee_802_15_4(n: int) -> Air:
    # SHR 5, PHR 1; MHR: frame control 2, sequence 1, PAN 2, two short addresses; FCS 2; 32 us a byte.  Before it the clear
    # channel assessment (8 symbols of 16 us), after it the turnaround (12 symbols) and an acknowledgment of 11 bytes.
    size = 6 + 9 + n + 2
    return Air(size * 32e-6, 8 * 16e-6 + 12 * 16e-6 + 11 * 32e-6, size + 11)


def lora_seconds(size: int, spreading: int, bandwidth: float = 125e3, preamble: int = 8) -> float:
    """Time on air of a LoRa frame of `size` bytes: explicit header, CRC, coding rate 4/5 (Semtech SX1272/73 datasheet,
    4.1.1.7); low data rate optimization where a symbol lasts 16 ms or longer."""
    symbol = 2**spreading / bandwidth
    slow = symbol >= 16e-3
    count = 8 + max(math.ceil((8 * size - 4 * spreading + 28 + 16) / (4 * (spreading - 2 * slow))) * 5, 0)
    return (preamble + 4.25 + count) * symbol


def _lorawan(spreading: int) -> Callable[[int], Air]:
    def air(n: int) -> Air:
        # LoRaWAN: MHDR 1, FHDR 7, FPort 1, MIC 4; then two receive windows, each open for 8 symbols in which nobody sends.
        return Air(lora_seconds(13 + n, spreading), 2 * 8 * 2**spreading / 125e3, 13 + n)

    return air


_NRF = "nRF52832 Product Specification 1.1, Power and clock management: 0 dBm, 1 Mb/s, 3 V, DC/DC, crystal on"
_SX = "Semtech SX1261/2 datasheet, table 3-5: SX1261, +14 dBm; LoRa 125 kHz; DC-DC"
_CORE = "Bluetooth Core 5.4, vol. 6 part B"

_ROWS = (
    Radio("ble-advertising", "Bluetooth LE, legacy advertising on three channels, 1 Mb/s", 27, _ble_advertising, 7.1e-3,
          6.5e-3, _NRF, f"{_CORE}, 2.3.1"),
    Radio("ble-1m", "Bluetooth LE, connection with data length extension, 1 Mb/s", 244, _ble_connection(125e3, 1), 7.1e-3,
          6.5e-3, _NRF, f"{_CORE}, 2.4"),
    Radio("ble-2m", "Bluetooth LE, connection with data length extension, 2 Mb/s", 244, _ble_connection(250e3, 2), 7.1e-3,
          6.5e-3, f"{_NRF} (taken for 2 Mb/s too)", f"{_CORE}, 2.4"),
    Radio("802.15.4", "IEEE 802.15.4 at 2.4 GHz, 250 kb/s, acknowledged", 116, _ieee_802_15_4, 7.1e-3, 6.5e-3,
          f"{_NRF} (taken for 802.15.4 too)", "IEEE 802.15.4-2015, 7.2, 12.1"),
    Radio("lora-sf7", "LoRaWAN, EU 868, SF7, 125 kHz", 222, _lorawan(7), 25.5e-3, 4.6e-3, _SX,
          "LoRaWAN 1.0.4, RP002; ETSI EN 300 220: 1 % of the time", 0.01),
    Radio("lora-sf10", "LoRaWAN, EU 868, SF10, 125 kHz", 51, _lorawan(10), 25.5e-3, 4.6e-3, _SX,
          "LoRaWAN 1.0.4, RP002; ETSI EN 300 220: 1 % of the time", 0.01),
)

RADIOS: dict[str, Radio] = {r.name: r for r in _ROWS}


def find(name: str) -> Radio:
    """The row of that name, case aside.  Raises ConfigError, offering the nearest."""
    if name.lower() not in RADIOS:
        raise unknown("radio", name, RADIOS)
    return RADIOS[name.lower()]
