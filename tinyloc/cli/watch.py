"""The command `watch`."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyloc.cli.common import CSV, check_apart, load_source, main, own_source, read_program, warn_of_stream
from tinyloc.errors import ConfigError

if TYPE_CHECKING:
    from tinyloc.watch import Said, Watch

REDRAWN_S = 0.1
INPUTS_SHOWN = 12
EXTRA = "for the live screen: pip install 'tinyloc[watch]'"


class _Stopped(Exception):
    """Ctrl-C, noticed where nothing is half done."""


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--serial", "port", help="Serial port on which a board or a gateway prints what it hears (extra serial).")
@click.option("--baud", default=115200, show_default=True, type=click.IntRange(1), help="With --serial.")
@click.option("--file", "log", type=click.Path(dir_okay=False), help="A recording, to be replayed bit for bit.")
@click.option("--data", "data_name", help="The test rows of a data set (see `tinyloc data`) or of a CSV file.")
@click.option("--seed", type=int, help="With --data: of the split. [the model's]")
@click.option("--speed", type=click.FloatRange(0, min_open=True),
              help="With --file and --data: 1 as it was, 2 twice as fast. [as fast as it goes]")
@click.option("--backend", default="c", show_default=True, help="What runs the model.")
@click.option("--period", type=click.IntRange(1, 65535),
              help="Milliseconds between answers, where the device asks for none. [the model's, else 1000]")
@click.option("--record", type=click.Path(dir_okay=False), help="New file to record what comes in to, for --file.")
@click.option("--answers", type=click.Path(dir_okay=False), help="File to write all answers to in the end: .csv or .jsonl.")
@click.option("--last", default=10, show_default=True, type=click.IntRange(1, 100), help="Answers shown on the screen.")
@CSV
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object an answer, each on a line, and then the summary.")
def watch(model: str, port: str | None, baud: int, log: str | None, data_name: str | None, speed: float | None,
          backend: str, period: int | None, record: str | None, answers: str | None, last: int, as_json: bool,
          **given: Any) -> None:
    """Show room and confidence live, from a board or a recording.

    MODEL's int8 stream runs here on the packets, as it runs in the firmware.  What comes in is a line a packet:

    \b
        MS INPUT DBM    an access point's name or number, or a motion channel
        MS ?            the firmware asks for an answer
        MS = ROOM       the room that you are in, from here on
        MS !            the device has started
        # COMMENT

    MS are milliseconds of the device's clock.  In C: printf("%lu %u %d\\n", (unsigned long)now_ms, ap, dbm).  Other lines
    are counted and passed over.  Ctrl-C ends it with a summary.  The screen needs the extra `watch`; without it, and where
    the output is no terminal, each answer is a line.
    """
    from tinyloc import watch as w
    from tinyloc.files import Log, check_writable, json_text, write_atomic

    chosen = [n for n, v in (("--serial", port), ("--file", log), ("--data", data_name)) if v is not None]
    if len(chosen) != 1:
        raise ConfigError("nothing to watch: expected --serial, --file or --data" if not chosen else
                          f"expected one of --serial, --file and --data, got {' and '.join(chosen)}")
    if speed is not None and port is not None:
        raise ConfigError("--speed: a board has its own; expected --file or --data")
    form = w.form_of(answers) if answers else ""
    program = read_program(model)
    source = own_source(program.info, data_name, given) if data_name is not None else {}
    if answers:
        check_writable(answers, model, log, source.get("data"))
        check_apart(record=record, answers=answers)
    if log is not None and Path(log).is_file():  # what can be read once alone, such as a pipe, is not looked at before
        w.check_recording(log)
    watched = w.Watch(program, backend, period, keep=last)
    warn_of_stream(model, program)
    watched.answers = [] if answers else None
    stopped: list[int] = []
    lines: Iterable[bytes | None]
    if port is not None:
        lines = w.serial_lines(port, baud)
    else:
        stored = w.file_lines(log) if log is not None else w.data_lines(
            load_source(source).test, watched.inputs)
        lines = stored if speed is None else w.paced(stored, speed, lambda s: _sleep(s, stopped))
    with contextlib.ExitStack() as stack:
        if record:
            watched.record = Log(record)
            stack.callback(watched.record.close)
        stack.enter_context(_ctrl_c(stopped))
        whole = False
        try:
            with _display(watched, f"{model} on {port or log or data_name}", as_json) as show:
                for said in w.follow(watched, lines):
                    show(said)
                    if stopped:
                        break
            whole = True
        except _Stopped:
            whole = True
        finally:  # a port that vanished leaves what came until then; one that never opened, nothing
            if whole or watched.counts["lines"]:
                if answers:
                    write_atomic(answers, w.written(watched, watched.answers or [], form))
                facts = {"model": model, "backend": backend, **watched.to_dict(), "interrupted": bool(stopped)}
                click.echo(json_text(facts) if as_json else _summary(watched))


@contextlib.contextmanager
def _ctrl_c(stopped: list[int]) -> Iterator[None]:
    """Ctrl-C is put into `stopped`, so that no line is left half done; the second time it ends at once."""
    def note(number: int, frame: Any) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _sleep(seconds: float, stopped: list[int]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not stopped:
        time.sleep(min(left, REDRAWN_S))
    if stopped:
        raise _Stopped


@contextlib.contextmanager
def _display(watched: Watch, title: str, as_json: bool) -> Iterator[Callable[[list[Said]], None]]:
    """What shows answers: a screen on a terminal, if the extra is there; lines otherwise."""
    if not as_json and sys.stdout.isatty():
        try:
            from rich.live import Live
        except ImportError:
            click.echo(EXTRA, err=True)
        else:
            drawn = 0.0
            with Live(_screen(watched, title), auto_refresh=False) as live:
                def redraw(said: list[Said]) -> None:
                    nonlocal drawn
                    if time.monotonic() - drawn >= REDRAWN_S:
                        live.update(_screen(watched, title), refresh=True)
                        drawn = time.monotonic()

                yield redraw
                live.update(_screen(watched, title), refresh=True)
            return
    from tinyloc.files import json_text
    from tinyloc.watch import row

    def print_them(said: list[Said]) -> None:
        for s in said:
            click.echo(json_text(row(watched, s)) if as_json else _line(watched, s))

    yield print_them


def _line(watched: Watch, said: Said) -> str:
    """An answer in words."""
    a = said.answer
    what = watched.name(a.room) if a.room >= 0 else f"unknown ({_why(said)})"
    mark = f", marked {said.marked}" if said.marked else ""
    return f"{said.ms / 1000:12.3f} s  {what:24}  confidence {a.confidence / 255:.2f}, {a.heard} heard{mark}"


def _why(said: Said) -> str:
    from tinyloc.stream import REASONS

    return REASONS[said.answer.reason]


def _summary(watched: Watch) -> str:
    d = watched.to_dict()
    lines = [f"{d['lines']:,} lines: {d['packets']:,} packets ({d['dropped']:,} dropped, {d['elsewhere']:,} of access "
             f"points that the model does not hear), {d['garbage']:,} lines of garbage"]
    unknown = ", ".join(f"{n:,} {why}" for why, n in d["unknown"].items()) or "none"
    lines.append(f"{d['answers']:,} answers: {d['rooms']:,} rooms; unknown: {unknown}"
                 + (f"; {d['saturated']:,} rows saturated" if d["saturated"] else ""))
    if d["marked"]:
        lines.append(f"where a room was marked, {100 * d['right'] / d['marked']:.1f} % of {d['marked']:,} answered rooms "
                     "are right")
    return "\n".join(lines)


def _screen(watched: Watch, title: str) -> Any:
    """The live view: the answer, what is heard, the last answers, the counts."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    last = watched.said[-1] if watched.said else None
    if last is None:
        head = Text("no answer yet: nothing was heard", style="dim")
    elif last.answer.room >= 0:
        sure = last.answer.confidence / 255
        head = Text.assemble((watched.name(last.answer.room), "bold green"),
                             f"   confidence {sure:.2f}  {'#' * round(20 * sure):.<20}")
    else:
        head = Text.assemble(("unknown", "bold yellow"), f": {_why(last)}")
    heard = sorted(watched.hears(), key=lambda h: -h[1])
    inputs = Table("heard", "dBm", "ms ago", box=None, title=f"{len(heard)} of {len(watched.inputs)} inputs")
    for name, dbm, age in heard[:INPUTS_SHOWN]:
        inputs.add_row(Text(name), str(dbm), str(age))
    if len(heard) > INPUTS_SHOWN:
        inputs.add_row(f"and {len(heard) - INPUTS_SHOWN} more", "", "")
    told = Table("s", "room", "confidence", "heard", *(["marked"] if watched.marked else []), box=None, title="last answers")
    for said in reversed(watched.said):
        a = said.answer
        told.add_row(f"{said.ms / 1000:.1f}", Text(watched.name(a.room) if a.room >= 0 else f"unknown: {_why(said)}"),
                     f"{a.confidence / 255:.2f}", str(a.heard), *([Text(said.marked)] if watched.marked else []))
    both = Table.grid(padding=(0, 4))
    both.add_row(inputs, told)
    return Panel(Group(head, "", both, "", Text(_summary(watched), style="dim"),
                       Text(f"{watched.stream.rows:,} rows since the start of the model's state; Ctrl-C ends", style="dim")),
                 title=Text(title), title_align="left")
