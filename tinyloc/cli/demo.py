"""The command demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tinyloc.cli.common import BYTES, CSV, DATA_HELP, JSON, NO, SEED, emit, load_source, main, progress_bar, source_of, table


@main.command()
@click.option("--data", "data_name", default="simulated", show_default=True, help=DATA_HELP)
@click.option("--out", default="demo", show_default=True, type=click.Path(file_okay=False), help="Folder to write to.")
@click.option("--model", "models", multiple=True, help="Presets, one option each. [mamba-h8l1, mdcsa-h16l1]")
@click.option("--epochs", type=int, help="At most so many passes over the training windows. [120]")
@SEED
@CSV
@JSON
def demo(data_name: str, out: str, models: tuple[str, ...], epochs: int | None, seed: int, as_json: bool,
         **given: Any) -> None:
    """The main job: two models trained, quantized and proved.

    A Mamba and a Transformer become integer Programs, whose bits and bytes are proved.  Exit code 0: both are bit-exact and
    fit 64 KB with everything in RAM.
    """
    from tinyloc.data import trained_on
    from tinyloc.demo import BUDGETS, MODELS
    from tinyloc.demo import demo as main_job
    from tinyloc.train import Recipe

    source = source_of(data_name, seed, given)
    d = load_source(source)
    recipe = Recipe(seed=seed, **({"epochs": epochs} if epochs is not None else {}))
    say = (lambda s: None) if as_json else click.echo
    name = d.name + (" (a SIMULATED house: no radio was involved)" if d.simulated else "")
    say(f"data: {name}, {len(d.aps)} access points, {len(d.rooms)} rooms, {len(d.train)} + {len(d.val)} + {len(d.test)} "
        "rows for training, validation and test")
    found = main_job(d, Path(out), models=models or MODELS, recipe=recipe, source=trained_on(source, d), say=say,
                     progress=lambda label: progress_bar(label, as_json))
    head = ["model", "F1 float", "F1 int8", "bit-exact", *(label for label, _ in BYTES), "RAM", "all in RAM",
            *(f"fits {b // 1024} KB" for b in BUDGETS)]
    rows = [head]
    for r in found:
        m = r["memory"]
        rows.append([r["model"] + (" (interrupted)" if r["interrupted"] else ""), f"{r['float']['macro_f1']:.3f}",
                     f"{r['int8']['macro_f1']:.3f}", "yes" if r["verify"]["equal"] else "NO",
                     *(f"{m[k]:,}" for _, k in BYTES), f"{m['ram']:,}",
                     f"{m['total']:,}", *("yes" if m["total"] <= b else "NO" for b in BUDGETS)])
    emit(as_json, {"data": d.name, "simulated": d.simulated, "models": found}, "\n" + table(rows) + "\n"
          "bytes; RAM: with weights, tables and steps in flash; fits: with everything in RAM, as the paper wants; code and "
          f"stack are not in it\nwritten to {out}/: models, Programs, demo.json; how fast: tinyloc bench "
          f"{out}/{found[0]['model']}.int8.safetensors --mcu nrf52832 (with the extra mcu)")
    if not all(r["verify"]["equal"] and r["memory"]["total"] <= BUDGETS[-1] for r in found):
        sys.exit(NO)
