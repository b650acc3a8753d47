"""Commands about an int8 Program: audit, bench, verify, export, run."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from tinyloc.cli.common import (
    CSV,
    DATA_HELP,
    JSON,
    MISSING,
    NO,
    emit,
    load_source,
    main,
    own_source,
    part,
    read_program,
    table,
    warn_of_stream,
)
from tinyloc.display import BESIDE, MEMORY, four_bits
from tinyloc.errors import ConfigError

if TYPE_CHECKING:
    from tinyloc.data import Dataset
    from tinyloc.program import Program

COMPILER = click.option("--compiler", default="clang", show_default=True, help="clang (with the extra mcu) or gcc.")
OPTIMIZE = click.option("--optimize", default="-O3", show_default=True,
                        type=click.Choice(["-O0", "-O1", "-O2", "-O3", "-Os"]), help="The compiler's option.")


def _as_exported(core: str) -> str:
    """Which of the exports has the weights of what was counted on a core."""
    from tinyloc.pack import packs

    return f"weights packed, as export --core {core} has them" if packs(core) else "weights as export has them"


def _codes(program: Program, source: dict[str, Any], most: int | None, missing: str) -> tuple[Any, Dataset]:
    """(input codes of a window that ends at each test row, the data set)."""
    from tinyloc.train import last_rows

    d = load_source(source)
    return program.buffers[program.input].quantize(last_rows(program.info, d.test, missing).x[:most]), d


def golden_codes(program: Program, count: int, data: str | None, missing: str, given: dict[str, Any]) -> Any:
    """Input codes of `count` windows of the test rows, evenly over them; with none no data are read."""
    import numpy as np

    b = program.buffers[program.input]
    if not count:
        return np.empty((0, *b.shape), b.dtype)
    codes, _ = _codes(program, own_source(program.info, data, given), None, missing)
    return codes[np.unique(np.linspace(0, len(codes) - 1, count).astype(int))]


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--ram", help="Budget of RAM, such as 32K, 64KB or 65536.")
@click.option("--flash", help="Budget of flash, likewise.")
@click.option("--mcu", help="Microcontroller whose RAM and flash are the budget.")
@click.option("--all-in-ram", is_flag=True, help="Count weights, tables and steps as RAM too, as the paper wants.")
@click.option("--measured", is_flag=True, help="Link the firmware into exactly that memory and run it, emulated.")
@click.option("--model-alone", is_flag=True, help="Count and judge without tl_stream, the input's constants and the names.")
@click.option("--core", help="With --measured and without --mcu: the core. [cortex-m4]")
@COMPILER
@OPTIMIZE
@JSON
def audit(model: str, ram: str | None, flash: str | None, mcu: str | None, all_in_ram: bool, measured: bool,
          model_alone: bool, core: str | None, compiler: str, optimize: str, as_json: bool) -> None:
    """Count every byte that an int8 Program takes; judge a budget.

    The count is proved by running MODEL inside those bytes.  Judged is what a firmware links: with the stream (tl_stream),
    where MODEL has what one needs.  Code and stack are counted with --measured only, from the linked image.
    Exit code 1: it does not fit, or there is no build for the microcontroller.
    """
    from tinyloc.bench import check_core
    from tinyloc.emulator.mcu import budget as find_budget
    from tinyloc.emulator.mcu import find, parse_size
    from tinyloc.export import extremes
    from tinyloc.verify import audit as count
    from tinyloc.verify import beside, compare, fits, needs

    program = read_program(model)
    chip = None if mcu is None else find(mcu)
    check_core(chip, core)
    if core and not chip and not measured:
        raise ConfigError(f"--core {core} says for which core --measured links the firmware; expected both options, or "
                          "neither")
    limits: dict[str, int | None] = {"ram": None, "flash": None if flash is None else parse_size(flash)}
    if mcu is not None or ram is not None:
        given = find_budget(mcu, ram, flash)
        limits = {"ram": given.ram_bytes, "flash": given.flash_bytes}
    found = count(program)
    best, streams = found.best, found.streams
    x = extremes(program)
    proof = {"window": compare(program, x, ("numba", "arena"))}
    if found.stream:
        proof["stream"] = compare(program.retime(1), x[:, :1], ("numba", "arena"))
    proved = all(p.equal for p in proof.values())
    found_beside = {"window": beside(program), "stream": beside(program.retime(1)) if found.stream else None}
    stream = None if model_alone else found_beside["stream" if streams else "window"]
    spare = fits(best, limits["ram"], limits["flash"], stream) if limits["ram"] is not None else (
        {"flash": limits["flash"] - needs(best, stream)["flash"]} if limits["flash"] is not None else {})
    if all_in_ram and limits["ram"] is None:
        raise ConfigError("--all-in-ram needs a budget of RAM: --ram or --mcu")
    needed = [k for k in spare if k == ("all_in_ram" if all_in_ram else "ram") or (k == "flash" and not all_in_ram)]
    fit = all(spare[k] >= 0 for k in needed)

    image: dict[str, Any] = {}
    lines = []
    if measured:
        from tinyloc.bench import core_of, measure, memory_of
        from tinyloc.emulator.toolchain import BudgetError

        which = core_of(chip) if chip else core or "cortex-m4"
        one = program.retime(1) if streams else program
        try:
            m = measure(one, which, memory_of(chip, limits["ram"], limits["flash"]), x[:, :1] if streams else x,
                        compiler=compiler, optimize=optimize, model_alone=model_alone)
            image = {**m.to_dict(), "fits": True}
            taken = {"ram": m.ram, "all_in_ram": m.ram + m.flash, "flash": m.flash}
            spare = {k: (limits["flash" if k == "flash" else "ram"] or 0) - taken[k] for k in spare}
            parts = ", ".join(f"{k} {v:,}" for k, v in m.sections.items())
            how = f"{compiler} {optimize}, {'with' if stream else 'without'} tl_stream, {_as_exported(m.core)}"
            lines.append(f"linked for {m.core} by {how}: {parts}; stack {m.stack:,} of at most {m.stack_bound:,}; in all "
                         f"{m.ram:,} B of RAM and {m.flash:,} B of flash; "
                         + (f"it ran in a RAM of exactly {limits['ram']:,} B" if limits["ram"] else "no budget was set"))
        except BudgetError as e:
            image = {"core": which, "fits": False, "region": e.region, "missing": e.missing, "sections": e.sections}
            spare = {}
            lines.append(f"linked for {which}: DOES NOT FIT: {e}")
        needed = [k for k in needed if k in spare]
        fit = bool(image["fits"]) and all(spare[k] >= 0 for k in needed)
    no_build = chip.no_build if chip else ""
    fit = fit and not no_build

    facts = {"model": model, "memory": found.to_dict(), "budget": {"name": chip.name if chip else None, **limits},
             "spare": spare, "judged_by": needed, "judged_with_stream": stream is not None, "no_build": no_build or None,
             "beside": {k: b and b.to_dict() for k, b in found_beside.items()},
             "four_bits": list(program.four_bits),
             "measured": image or None, "proved_by_running": proved, "fits": fit if spare or image else None,
             "differences": {k: p.to_dict() for k, p in proof.items() if not p.equal}}
    ways = {f"{found.window.steps_of_time} samples at once": found.window, "sample by sample": found.stream}
    rows = [["bytes", *(k for k, w in ways.items() if w)]]
    shown = [w for w in ways.values() if w]
    for label, name in (*MEMORY, ("least activations possible", "lower_bound")):
        rows.append([label, *(f"{getattr(w, name):,}" for w in shown)])
    ways_beside = [found_beside[k] for k, w in zip(found_beside, ways.values(), strict=True) if w]
    if any(ways_beside):
        rows += [[label, *(f"{getattr(b, name):,}" if b else "-" for b in ways_beside)] for label, name in BESIDE]
        for label, key in (("flash, with the stream", "flash"), ("RAM, with the stream", "ram")):
            rows.append([label, *(f"{needs(w, b)[key]:,}" if b else "-" for w, b in zip(shown, ways_beside, strict=True))])
    lines = [*([part(chip)] if chip else []), table(rows), *filter(None, [four_bits(program.four_bits)]),
             "in the table, without code and stack; " + (
        "proved: inside these bytes, poisoned around every live buffer, it gives the same bits" if proved else
        "NOT PROVED: " + "; ".join(p.summary() for p in proof.values())), *lines]
    if no_build:
        lines.append(f"{chip.name if chip else ''}: NO BUILD: {no_build}; its memory is for comparison alone")
    names = {"ram": "RAM with the image in flash", "all_in_ram": "all in RAM", "flash": "flash"}
    for k, v in spare.items():
        lines.append(f"{names[k]}, {limits['flash' if k == 'flash' else 'ram']:,} B{f' ({chip.name})' if chip else ''}: "
                     + ("would fit" if v >= 0 and no_build else "fits" if v >= 0 else
                        "DOES NOT FIT" if k in needed else "would not fit")
                     + f", {abs(v):,} B {'to spare' if v >= 0 else 'too many'}"
                     + (", code and stack included" if image else "")
                     + (", with the stream" if stream else ", the model alone") + ("" if k in needed else " (not judged)"))
    emit(as_json, facts, "\n".join(lines))
    if not (fit and proved):
        sys.exit(NO)


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--mcu", help="Microcontroller: its core, clock and current.")
@click.option("--core", help="Without --mcu: the core, such as cortex-m4 or cortex-m0plus. [cortex-m4]")
@COMPILER
@OPTIMIZE
@click.option("--window", is_flag=True, help="A whole window a run, where the model could run sample by sample.")
@JSON
def bench(model: str, mcu: str | None, core: str | None, compiler: str, optimize: str, window: bool, as_json: bool) -> None:
    """Count an int8 Program's instructions on an emulated core.

    MODEL runs there as firmware.  Instructions are exact, and the same for every input.  Cycles, time and energy are
    estimates.
    """
    from tinyloc.bench import bench as count
    from tinyloc.bench import check_core, core_of
    from tinyloc.emulator.mcu import find
    from tinyloc.stream import Config

    program = read_program(model)
    chip = None if mcu is None else find(mcu)
    check_core(chip, core)
    which = core_of(chip) if chip else core or "cortex-m4"
    streams = program.can_stream and not window
    found = count(program.retime(1) if streams else program, which, chip, compiler=compiler, optimize=optimize)
    total, length = found.total, int(program.info.get("window", program.steps_of_time))
    rate = float(program.info.get("rate_hz") or 0)

    def row(name: str, c: Any) -> list[str]:
        return [name, f"{c.instructions:,}", f"{100 * c.instructions / total.instructions:.1f}", f"{c.cycles:,}",
                "-" if c.seconds is None else f"{c.seconds * 1e3:.3f}", "-" if c.joules is None else f"{c.joules * 1e6:.3f}"]

    rows = [["op", "instructions", "%", "~cycles", "~ms", "~uJ"]]
    rows += [row(op, c) for op, c in found.by_op().items()] + [row("all", total)]
    per = f"a sample ({length} make a window)" if streams else f"a window of {found.samples} samples"
    lines = [f"{found.core}{f' of {chip.name}, {chip.clock_hz / 1e6:g} MHz' if chip else ''}, {compiler} {optimize}, {per}; "
             + _as_exported(found.core),
             table(rows), f"instructions are counted; ~ is estimated: cycles by {found.timing}"]
    if found.energy:
        lines.append(f"current: {found.energy}")
    if rate and total.seconds is not None:
        # As tl_stream does it: a run for each sample, of its window where the model cannot go on from the one before.
        lines.append(f"at {rate:g} samples a second{'' if streams else ', the window run for each,'} the core is busy "
                     f"{100 * total.seconds * rate:.3g} % of the time")
    most = Config.of(program.info).most_rows if streams and {"aps", "scaler"} <= set(program.info) else 1
    if most > 1:
        lines.append(f"tl_stream_answer makes up for rows that were missed: up to {most} in one call, "
                     f"{most * total.instructions:,} instructions of the model alone")
    facts = {"model": model, "mcu": chip.name if chip else None, "streamed": streams, "answer_rows": most, **found.to_dict()}
    emit(as_json, facts, "\n".join(lines))


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--backend", default="numba,c,arena", show_default=True, help="Backends to compare, the first the reference.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--windows", type=click.IntRange(1), help="At most so many windows of the test rows. [all]")
@click.option("--serial", "port", help="Compare a board instead: the port on which an exported self-test prints.")
@click.option("--baud", default=115200, show_default=True, type=click.IntRange(1), help="With --serial.")
@click.option("--timeout", default=20.0, show_default=True, help="With --serial: seconds without a line of the self-test.")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@MISSING
@CSV
@JSON
def verify(model: str, backend: str, data_name: str | None, windows: int | None, port: str | None, baud: int,
           timeout: float, missing: str, as_json: bool, **given: Any) -> None:
    """Compare an int8 Program on several backends, bit for bit.

    Every step of MODEL is compared, over the test rows.  Where the model streams, sample by sample must give the same labels
    too.  Exit code 1: something differs.
    """

    from tinyloc.verify import compare, streams_alike

    program = read_program(model)
    if port is not None:
        from tinyloc.serial_port import verify_port

        said = verify_port(program, port, baud, timeout)
        emit(as_json, {"model": model, "port": port, **said.to_dict()}, f"{port}: {said.summary()}")
        if not said.equal:
            sys.exit(NO)
        return
    codes, d = _codes(program, own_source(program.info, data_name, given), windows, missing)
    found = compare(program, codes, [b.strip() for b in backend.split(",") if b.strip()])
    stream = streams_alike(program, codes, found.outputs, found.reference)
    equal = found.equal and stream is not False
    facts = {"model": model, "data": d.name, "windows": len(codes), **found.to_dict(), "stream_equals_window": stream,
             "equal": equal}
    text = f"{d.name}, {len(codes)} windows, {len(program.steps)} steps: {found.summary()}"
    if stream is not None:
        text += f"; sample by sample, from the same state, {'the labels are the same' if stream else 'labels DIFFER'}"
    emit(as_json, facts, text)
    if not equal:
        sys.exit(NO)


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to write the C project to.")
@click.option("--core", help="Pack weights for this Cortex-M, where that is faster. [the plain kernels, for any core]")
@click.option("--stream/--at-once", default=None,
              help="One sample a run, or a whole window. [what takes less RAM]")
@click.option("--windows", default=4, show_default=True, type=click.IntRange(0, 255),
              help="Golden windows of the test rows, beside the extremes; with 0 no data are read.")
@click.option("--update", is_flag=True, help="With the C that updates the model in the field; see `tinyloc package`.")
@click.option("--name", default="model", show_default=True,
              help="What its files, symbols and macros have after tl_: one each, where a firmware has several models.")
@click.option("--force", is_flag=True, help="Move a folder aside that holds anything but an earlier export.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@MISSING
@CSV
@JSON
def export(model: str, out: str, core: str | None, stream: bool | None, windows: int, update: bool, name: str, force: bool,
           data_name: str | None, missing: str, as_json: bool, **given: Any) -> None:
    """Write an int8 Program (MODEL) as a C project.

    It has kernels, image, constants, golden windows, self-test and build files.  It is written whole or not at all; an
    earlier export is replaced.
    """
    from tinyloc.export import MANIFEST, RUN_SELF_TEST, project, write_project

    program = read_program(model)
    codes = golden_codes(program, windows, data_name, missing, given)
    files = project(program, codes, core, stream, update, name)
    aside = write_project(files, out, force)
    warn_of_stream(model, program)
    facts = json.loads(files[MANIFEST])
    emit(as_json, {"model": model, "out": out, "moved_aside": str(aside) if aside else None, **facts},
          f"{out}: {len(files)} files, image of {facts['image_bytes']:,} B (CRC-32 {facts['image_crc']}), arena of "
          f"{facts['arena_bytes']:,} B, {'sample by sample' if facts['stream'] else 'a window at once'}, "
          f"{facts['core'] or 'for any core, no weights packed (--core)'}; {facts['windows']} golden windows"
          + (f"\nwhat was there is in {aside}" if aside else "")
          + f"\nself-test: cd {shlex.quote(out)} && {RUN_SELF_TEST}")


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--backend", default="c", show_default=True, help="What runs it.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--stream/--at-once", default=None, help="Sample by sample, the state carried on through each recording; or a "
              "window a row, each from the initial state. [what firmware does: what takes less RAM]")
@click.option("--unknown", is_flag=True, help="As firmware answers (tl_stream): the room, or unknown and why.")
@click.option("--out", type=click.Path(dir_okay=False),
              help="CSV file to write time, room and predicted room to; with --unknown, confidence and reason too.")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@MISSING
@CSV
@JSON
def run(model: str, backend: str, data_name: str | None, stream: bool | None, unknown: bool, out: str | None, missing: str,
        as_json: bool, **given: Any) -> None:
    """Run an int8 Program (MODEL) over the test rows; score it."""
    import csv
    import io

    from tinyloc.files import check_writable, write_atomic
    from tinyloc.run import labels as labels_of
    from tinyloc.train import last_rows, scores

    program = read_program(model)
    source = own_source(program.info, data_name, given)
    if out:
        check_writable(out, model, source["data"])
    d = load_source(source)
    w = last_rows(program.info, d.test, missing)
    if stream:
        program.retime(1)  # says why where it cannot
    stream = program.carries and stream is not False
    if unknown:
        _answers(model, program, backend, d, w.y[:, -1], out, missing, stream, as_json)
        return
    rooms = tuple(program.info.get("rooms", d.rooms))
    labels = labels_of(program, w if stream else replace(w, recordings=None), backend)
    result = scores(w.y[:, -1], labels, rooms)
    if out:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["time", "room", "predicted"])
        for t, y, p in zip(d.test.time, w.y[:, -1], labels, strict=True):
            writer.writerow([repr(float(t)), rooms[y] if y >= 0 else "", rooms[p]])
        write_atomic(out, text.getvalue())
    facts = {"model": model, "data": d.name, "simulated": d.simulated, "backend": backend, "stream": stream,
             "rows": len(labels), **result}
    lines = [f"{d.name}{' (SIMULATED)' if d.simulated else ''}, {len(labels)} test rows, {backend}"
             f"{', sample by sample, the state carried on' if stream else ''}: macro-F1 {result['macro_f1']:.3f}, accuracy "
             f"{result['accuracy']:.3f}"]
    f1 = [["room", "F1"]] + [[r, f"{v:.3f}"] for r, v in result["f1"].items() if v is not None]
    lines.append(table(f1[:21]) + (f"\n... and {len(f1) - 21} rooms more" if len(f1) > 21 else ""))
    emit(as_json, facts, "\n".join(lines))


def _answers(model: str, program: Program, backend: str, d: Dataset, true: Any, out: str | None, missing: str,
             stream: bool, as_json: bool) -> None:
    """What a device answers at each row of each test recording, and how often that is a room, and right; true (rows,)."""
    import csv
    import io

    import numpy as np

    from tinyloc.files import write_atomic
    from tinyloc.stream import REASONS
    from tinyloc.stream import answers as answers_of

    rows, delay = d.test.select(program.info.get("aps", d.aps), missing=missing), int(program.info.get("delay", 0))
    answers = answers_of(program, rows, backend, as_it_is=not stream)
    warn_of_stream(model, program)
    # An answer is about the row so many before, if there is one in its recording.
    about = np.arange(len(rows)) - delay
    true = np.where(about >= rows.starts(), true[np.maximum(about, 0)], -1)
    known = answers["room"] >= 0
    right = (answers["room"] == true)[known & (true >= 0)]
    why = {REASONS[i]: int(n) for i, n in enumerate(np.bincount(answers["reason"], minlength=len(REASONS))) if n and i}
    precision = float(right.mean()) if len(right) else None
    names = tuple(program.info.get("rooms", d.rooms))
    if out:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["time", "room", "predicted", "confidence", "reason"])
        for t, y, a in zip(rows.time, true, answers, strict=True):
            writer.writerow([repr(float(t)), names[y] if y >= 0 else "", names[a["room"]] if a["room"] >= 0 else "",
                             int(a["confidence"]), REASONS[a["reason"]] if a["reason"] else ""])
        write_atomic(out, text.getvalue())
    starts = len(np.unique(rows.starts()))
    facts = {"model": model, "data": d.name, "simulated": d.simulated, "backend": backend, "stream": stream,
             "rows": len(answers), "starts": starts, "rooms": int(known.sum()), "precision": precision, "unknown": why}
    emit(as_json, facts, f"{d.name}{' (SIMULATED)' if d.simulated else ''}, {len(answers)} answers, {backend}: "
         f"{known.sum()} rooms, "
         + ("none of them where the room is known" if precision is None else f"{100 * precision:.1f} % of them right")
         + "; unknown: "
         + (", ".join(f"{n} {k}" for k, n in why.items()) or "none")
         # A device warms up once; the test rows of one walk are blocks of it, with the others cut out between them.
         + f"; the stream starts anew {starts} times, at each part of the recordings that was held out" * (starts > 1))
