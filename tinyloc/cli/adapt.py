"""The command `adapt`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tinyloc.cli.common import CSV, DATA_HELP, JSON, NO, SEED, emit, load_source, main, progress_bar, source_of, table


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--data", "data_name", required=True, help=f"Of the site: {DATA_HELP}")
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write the adapted float model to.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Labeled minutes to learn from. [all for training]")
@click.option("--epochs", type=click.IntRange(1), help="At most so many passes over them. [120]")
@click.option("--lr", type=float, help="Greatest learning rate. [0.005]")
@click.option("--patience", type=click.IntRange(1), help="Epochs without a better validation score before it ends. [40]")
@SEED
@CSV
@JSON
def adapt(model: str, data_name: str, out: str, minutes: float | None, epochs: int | None, lr: float | None,
          patience: int | None, seed: int, as_json: bool, **given: Any) -> None:
    """Fine-tune a float model on a few labeled minutes of a site.

    Says what was gained on minutes that were held out, against MODEL as it is and against training anew on the same
    minutes; of the three, OUT becomes what validation prefers.  Rooms and access points are matched by name.  Exit code 1:
    that is MODEL itself, nothing is written.

    Ctrl-C ends the training early and keeps the best so far.  A run that was ended so or killed goes on when started again.
    """
    from tinyloc.adapt import RECIPE
    from tinyloc.adapt import adapt as fine_tune
    from tinyloc.data import trained_on
    from tinyloc.files import check_writable
    from tinyloc.model import Model
    from tinyloc.train import with_info

    m = Model.load(model)
    source = source_of(data_name, seed, given)
    d = load_source(source)
    check_writable(out, model, source["data"])
    checkpoint = Path(out + ".checkpoint")
    changes: dict[str, Any] = {"epochs": epochs, "lr": lr, "patience": patience}
    recipe = replace(RECIPE, seed=seed, **{k: v for k, v in changes.items() if v is not None})
    show, end = progress_bar("adapting", as_json)
    try:
        found = fine_tune(m, d, recipe, minutes=minutes, checkpoint=checkpoint, progress=show)
    finally:
        end()
    kept = found.chosen != "before"
    if kept:
        with_info(found.model, source=trained_on(source, d), test=found.scores[found.chosen]).save(out)
    if not found.interrupted:
        checkpoint.unlink(missing_ok=True)
    names = {"before": "as it was", "adapted": "adapted", "anew": "trained anew on these minutes"}
    rows = [["on the held-out minutes", "macro-F1", "accuracy", ""]]
    rows += [[names[n], f"{s['macro_f1']:.3f}", f"{s['accuracy']:.3f}", "best on validation" if n == found.chosen else ""]
             for n, s in found.scores.items()]
    gained = [] if found.compared is None else [
        "{} against {}: mean recall {:+.3f} +- {:.3f}".format(*(names[n] for n in found.compared), found.gain, found.error)]
    lines = [f"{d.name}{' (SIMULATED)' if d.simulated else ''}: {found.minutes:.3g} labeled minutes to learn from, "
             f"{found.held_minutes:.3g} held out ({found.held_rows:,} rows)"]
    lines += [f"{what}: {', '.join(some)}" for what, some in (
        ("new rooms", found.new_rooms), ("new access points", found.new_aps), ("gone", found.lost_aps)) if some]
    lines += [table(rows), *gained, (f"{out}: written" if kept else f"{model} is best on validation: nothing is written")
              + ("; INTERRUPTED, best so far" if found.interrupted else "")]
    emit(as_json, {"model": out if kept else None, "data": d.name, "simulated": d.simulated, **found.to_dict()},
         "\n".join(lines))
    if not kept:
        sys.exit(NO)
