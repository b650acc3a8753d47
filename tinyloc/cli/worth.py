"""The command `worth`."""

from __future__ import annotations

import click

from tinyloc.cli.common import JSON, emit, main, read_program, table


def _days(days: float) -> str:
    return f"{days:,.0f} days" if days >= 10 else f"{days:.1f} days"


def _seconds(s: float) -> str:
    return f"{s:.2f} s" if s >= 1 else f"{s * 1e3:.3g} ms"


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--mcu", required=True, help="Microcontroller: its core, clock and current.")
@click.option("--radio", default="ble-advertising", show_default=True, help="How messages are sent: ble-advertising, "
              "ble-1m, ble-2m, 802.15.4, lora-sf7 or lora-sf10.")
@click.option("--set", "given", multiple=True, metavar="NAME=NUMBER", help="Replace an assumption; again for more.")
@JSON
def worth(model: str, mcu: str, radio: str, given: tuple[str, ...], as_json: bool) -> None:
    """Compare inferring on the device with sending raw samples.

    Battery life, radio, latency and cost of both, for MODEL.  Instructions are counted on the emulated core; all else is
    an assumption, listed with its source, and can be replaced.
    """
    from tinyloc.emulator.mcu import find
    from tinyloc.emulator.radio import find as find_radio
    from tinyloc.worth import worth_of

    chip, air = find(mcu), find_radio(radio)
    w = worth_of(read_program(model), chip, air, dict(g.partition("=")[::2] for g in given))
    ways = (w.device, w.server)
    rows = [["", "on the device", "on a server"]]
    rows += [[f"{part}, uA on average", *(f"{way.current[part] * 1e6:,.2f}" for way in ways)] for part in w.device.current]
    rows += [["all, uA on average", *(f"{way.amps * 1e6:,.2f}" for way in ways)],
             ["battery lasts", *(_days(way.days) for way in ways)],
             ["packets a day", *(f"{way.packets:,.0f}" for way in ways)],
             ["payload, bytes a day", *(f"{way.payload_bytes:,.0f}" for way in ways)],
             ["on the air, bytes a day", *(f"{way.air_bytes:,.0f}" for way in ways)],
             ["sending, % of the time", *(f"{100 * way.duty:.3g}" for way in ways)],
             ["the wearer knows after", *(_seconds(way.known_body) for way in ways)],
             ["the server knows after", *(_seconds(way.known_server) for way in ways)],
             ["cost, USD a year", *(f"{way.usd:,.2f}" for way in ways)]]
    infer, send = w.joules["inference"], w.joules["sending_raw"]
    more, hearing = w.device.days / w.server.days, w.device.current["hearing"] / w.device.amps
    lines = [f"{w.mcu}, {air.title}", table(rows),
             f"an answer takes {infer * 1e6:.3g} uJ to infer; sending raw what it is made from takes {send * 1e6:.3g} uJ "
             f"({send / infer:.3g} times as much); the battery lasts {more:.4g} times as long; "
             f"{w.raw_bytes:,.0f} bytes of raw data a day never leave the body"]
    if hearing > 0.5:
        lines.append(f"hearing the access points takes {100 * hearing:.3g} % of the charge: to listen less would help most")
    for way in ways:
        if not way.allowed:
            lines.append(f"NOT ALLOWED: on {'a server' if way is w.server else 'the device'} it would send "
                         f"{100 * way.duty:.3g} % of the time; {100 * air.duty:g} % is the limit ({air.source})")
    sources = [["assumption", "value", "unit", "what", "source"]]
    sources += [[n, f"{a.value:,.6g}", a.unit, a.what, a.source] for n, a in w.assumptions.items()]
    lines += [table(sources), "replace one with --set NAME=NUMBER; left out: crystal start-up, retries, association, "
              "self-discharge"]
    emit(as_json, {"model": model, **w.to_dict()}, "\n".join(lines))
