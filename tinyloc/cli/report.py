"""The command report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tinyloc.cli.common import CSV, DATA_HELP, MISSING, NO, check_apart, load_source, main, own_source
from tinyloc.errors import ConfigError


@main.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=click.Path(dir_okay=False))
@click.option("--out", type=click.Path(dir_okay=False), help="File to write the page to. [report.html]")
@click.option("--json", "facts_file", type=click.Path(dir_okay=False, allow_dash=True),
              help="File to write the facts to, of which the page is made; -: print them, and write no page without --out.")
@click.option("--mcu", help="Microcontroller in question: its memory, core, clock and current.")
@click.option("--ram", help="Budget of RAM, such as 20K: with --mcu, what its other firmware leaves.")
@click.option("--flash", help="Budget of flash, likewise.")
@click.option("--core", help="Without --mcu: the core whose instructions are counted. [cortex-m4]")
@click.option("--float", "floats", multiple=True, type=click.Path(dir_okay=False),
              help="Float model of a Program (again for more). [NAME.safetensors beside NAME.int8.safetensors or int4]")
@click.option("--data", "data_name", help=DATA_HELP + " [what the models were trained on]")
@click.option("--windows", type=click.IntRange(1), help="Compare backends on at most so many test windows. [all]")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@MISSING
@CSV
def report(models: tuple[str, ...], out: str | None, facts_file: str | None, mcu: str | None, ram: str | None,
           flash: str | None, core: str | None, floats: tuple[str, ...], data_name: str | None, windows: int | None,
           missing: str, **given: Any) -> None:
    """Write one page about int8 Programs, the verdict first.

    It says whether and where they fit, what they cost, how well and how exactly they do.  MODEL is a Program; or a float
    model, which is quantized as `tinyloc quantize` does without options; or, alone, the facts that --json wrote, of which
    the page is made again.  Needs the extra `report`; code, stack and instructions need the extra `mcu`.

    Exit code 1: one does not fit the microcontroller or budget (without these: any microcontroller), or its backends differ.
    """
    from tinyloc.files import check_writable, json_text, write_atomic
    from tinyloc.report import document, page
    from tinyloc.report.views import verdict

    printed = facts_file == "-"
    where = out or (None if printed else "report.html")
    files = [f for f in (where, None if printed else facts_file) if f]
    check_apart(out=where, json=None if printed else facts_file)
    for file in files:
        check_writable(file, *models, *floats, data_name)
    if where:
        page.need()  # said before work is put into it
    again = [m for m in models if document.is_document(m)]
    if again:
        chosen = [f"--{k}" for k, v in {"mcu": mcu, "ram": ram, "flash": flash, "core": core, "float": floats,
                                        "data": data_name, "windows": windows}.items() if v]
        if len(models) > 1 or chosen:
            raise ConfigError(f"{again[0]}: the facts of a report already made; expected it alone, without "
                              f"{chosen[0] if chosen else 'other models'}")
        facts = document.load(again[0])
    else:
        from tinyloc.report.subject import Target, subjects

        made = subjects(models, Target.of(mcu, ram, flash, core), floats=floats, missing=missing, most=windows,
                        source_of=lambda info: own_source(info, data_name, given), load=load_source)
        for file in files:  # what models and files' names lead to is read as well
            check_writable(file, *(f for s in made for f in (s.source["data"], s.floats and s.floats[0])))
        facts = document.collect(made, _command(click.get_current_context()))
    said = verdict(facts)
    text = json_text(facts, indent=1, ensure_ascii=False) + "\n"
    if where:
        write_atomic(where, page.render(facts))
    if printed:
        click.echo(text, nl=False)
    elif facts_file:
        write_atomic(facts_file, text)
    if not printed:
        for m in said["models"]:
            part, target = m["part"], said["target"]
            fits = f"{'fits' if m['fits'] else 'DOES NOT FIT'} {target}" if part else (
                f"fits {m['fitting']} of {m['parts']} {'Cortex-M ' if m['linked'] else ''}microcontrollers")
            fits += "" if m["linked"] else ", as far as counted"
            simulated = " (SIMULATED)" if facts["data"]["simulated"] else ""
            click.echo(f"{m['name']}: {fits}; macro-F1 {m['int8']['macro_f1']:.3f}{simulated}; "
                       f"{'bit-exact' if m['exact'] else 'NOT BIT-EXACT'} on {m['run_backends']} backends")
        click.echo("written: " + ", ".join(f"{f} ({Path(f).stat().st_size:,} B)" for f in files))
    if not (said["fits"] and said["exact"]):
        sys.exit(NO)


def _command(context: click.Context) -> list[str]:
    """The command line that a context came from: arguments, then options that were given."""
    words = ["tinyloc", str(context.info_name)]
    for p in sorted(context.command.params, key=lambda p: isinstance(p, click.Option)):
        value = context.params.get(p.name or "")
        if value in (None, (), False) or (isinstance(p, click.Option) and value == p.get_default(context)):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += ([p.opts[-1]] if isinstance(p, click.Option) else []) + [str(one)]
    return words
