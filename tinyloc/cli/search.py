"""The command search."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from tinyloc.cli.common import (
    CSV,
    DATA_HELP,
    INPUTS,
    JSON,
    NO,
    SEED,
    emit,
    inputs_of,
    lazy_bar,
    load_source,
    main,
    part,
    source_of,
    table,
)
from tinyloc.errors import ConfigError


@main.command()
@click.option("--data", "data_name", default="simulated", show_default=True, help=DATA_HELP)
@click.option("--ram", help="Budget of RAM, such as 32K: what `tinyloc audit --model-alone` counts.")
@click.option("--flash", help="Budget of flash, likewise.")
@click.option("--mcu", help="Microcontroller whose RAM and flash are the budget, and whose core's instructions count.")
@click.option("--total", is_flag=True, help="Count weights, tables and steps as RAM too: all in all, stack apart.")
@click.option("--core", help="Without --mcu: the core whose instructions are counted. [cortex-m4]")
@click.option("--trials", default=200, show_default=True, type=click.IntRange(1), help="Settings to try, in all.")
@click.option("--epochs", default=60, show_default=True, type=click.IntRange(1), help="Of a training, at most.")
@click.option("--repeats", default=2, show_default=True, type=click.IntRange(1),
              help="Trainings a trial: their mean counts.")
@click.option("--out", default="search", show_default=True, type=click.Path(file_okay=False),
              help="Folder for the trials' storage, front.json, the picture and the front's models.")
@click.option("--picture", type=click.Path(dir_okay=False), help="File of the picture: png, svg or pdf. [OUT/front.png]")
@click.option("--scheduler", help="Address of a Dask scheduler, such as tcp://host:8786. [a cluster on this machine]")
@click.option("--workers", "count", type=click.IntRange(1), help="Without --scheduler: trials at a time. [one a core]")
@INPUTS
@SEED
@CSV
@JSON
def search(data_name: str, ram: str | None, flash: str | None, mcu: str | None, total: bool, core: str | None, trials: int,
           epochs: int, repeats: int, out: str, picture: str | None, scheduler: str | None, count: int | None,
           balance: float | None, seed: int, as_json: bool, **given: Any) -> None:
    """Find the Pareto front of F1, bytes and instructions.

    F1 is the integer Programs' macro-F1 on validation, trained on as integers; no model exceeds the budget.  int4 is a
    setting too: large linear layers with weights of four bits.  Every trial is kept in OUT: a search that was killed goes on
    when it is started again, and more --trials extend one.  Balance, inputs, augmentation and --refit are those of all
    trials.  Exit code 1: no model was found.
    """
    from tinyloc.bench import check_core, core_of
    from tinyloc.emulator.mcu import budget as find_budget
    from tinyloc.emulator.mcu import buildable
    from tinyloc.search import countable, need, workers
    from tinyloc.search import search as run_search
    from tinyloc.trial import Goal

    need()
    limit = find_budget(mcu, ram, flash)
    which, why = core or "cortex-m4", ""
    if mcu:
        chip = buildable(mcu)
        check_core(chip, core)
        try:
            which = f"cortex-{core_of(chip)}"
        except ConfigError as e:
            why = str(e)
    why = why or countable(which)
    if count and scheduler:
        raise ConfigError("--workers is for a cluster on this machine; with --scheduler, its own workers count")
    goal = Goal(limit, total, trials, epochs, repeats, "" if why else which, seed, balance=balance or 0.0,
                **inputs_of(given))
    source = source_of(data_name, seed, given)
    d = load_source(source)
    if mcu and not as_json:  # before hours of work
        click.echo(part(chip), err=True)
    if why and not as_json:
        click.echo(f"instructions cannot be counted ({why}): multiply-accumulates stand for them, an estimate", err=True)
    show, end = _search_bar(as_json)
    try:
        with workers(scheduler, count) as client:
            facts = run_search(d, out, goal, client, source=source, picture=picture, progress=show)
    except KeyboardInterrupt:  # before the trials: during them, it ends the search with the front so far
        click.echo("tinyloc: INTERRUPTED: the same command goes on", err=True)
        sys.exit(NO)
    finally:
        end()
    unit = "instructions" if goal.core else "~MACs"
    rows = [["trial", "settings", "window", "F1 validation", "spread", "F1 test", "RAM", "all in RAM", unit]]
    for p in facts["front"]:
        c = p["config"]
        names = ("d", "blocks", "n", "k", "expand") if c["family"] == "mamba" else ("d", "kernels")
        shown = (str(c[k]).replace(" ", "").replace(",)", ")") for k in names)
        of = " ".join(f"{k}={v}" for k, v in zip(names, shown, strict=True)) + (" tied" if c["tied"] else "")
        of += " int4" * (p["weights"] == "int4")
        rows.append([str(p["trial"]), f"{c['family']} {of}", str(p["window"]), f"{p['validation']['macro_f1']:.3f}",
                     f"{p['validation']['spread']:.3f}", f"{p['test']['int8']['macro_f1']:.3f}", f"{p['memory']['ram']:,}",
                     f"{p['memory']['total']:,}", f"{p['instructions'] or p['macs']:,}"])
    n = facts["trials"]
    left = n["wanted"] - n["finished"]
    lines = [f"{d.name}{' (SIMULATED)' if d.simulated else ''}, {limit.name}{' for all' if total else ''}: {n['finished']} "
             f"trials, {n['stopped']} of them stopped early, {n['failed']} failed; {n['over']} settings were over budget",
             table(rows) if facts["front"] else "no model was found",
             "F1 is the Programs'; validation: mean of a trial's trainings, chosen by; test: of the kept model, chose "
             f"nothing; {unit} an answer",
             f"written to {out}/: {len(facts['front'])} models and Programs in models/, front.json"
             + (f"; the picture: {facts['picture']}" if facts["front"] else "")]
    lines += [f"INTERRUPTED: the same command goes on with the {left} trials that are left"] * (left > 0) + facts["errors"]
    emit(as_json, facts, "\n".join(lines))
    if not facts["front"]:
        sys.exit(NO)


def _search_bar(quiet: bool) -> tuple[Callable[[Any], None] | None, Callable[[], None]]:
    """(a callback for each trial, what ends the bar), as `lazy_bar` has them."""
    def show(bar: Any, p: Any) -> None:
        bar.update(p.finished - bar.pos, f"front of {p.front}, best F1 {p.best:.3f}; {p.stopped} stopped, {p.over} over")

    return lazy_bar("search", quiet, show)
