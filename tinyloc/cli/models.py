"""Commands that make a model of data: data, train, prune, quantize."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyloc.cli.common import (
    CSV,
    DATA_HELP,
    INPUTS,
    JSON,
    MISSING,
    RESUME,
    SEED,
    TEACHERS,
    distillation_of,
    emit,
    inputs_of,
    load_source,
    main,
    own_source,
    progress_bar,
    source_of,
    table,
)
from tinyloc.errors import ConfigError

if TYPE_CHECKING:
    from tinyloc.data import Dataset
    from tinyloc.program import Program
    from tinyloc.quantize import FloatModel


def _windows_without_rooms(made: int, known: int, delay: int = 0) -> str:
    """How many training windows can be trained on, where that is not all of them; of `count_windows`."""
    late = f", {delay} rows before it, by --delay, which a session's first windows lack" if delay else ""
    return "" if known == made else (f"{known} of {made} training windows have a room at every row{late}; "
                                     "the others are not trained on")


@main.command()
@click.argument("name", required=False)
@SEED
@CSV
@JSON
def data(name: str | None, seed: int, as_json: bool, **given: Any) -> None:
    """List the data sets, or describe one of them.

    NAME: that of a data set, or the path of a CSV file.
    """
    import numpy as np

    from tinyloc.data import SOURCES, count_windows

    if name is None:
        rows = [["name", "license", "home"]] + [[s.name, s.license or "-", s.home or "made here, no radio was involved"]
                                                for s in SOURCES.values()]
        listed = {"data_sets": [dict(zip(rows[0], r, strict=True)) for r in rows[1:]]}
        emit(as_json, listed, table(rows) + "\nor the path of a CSV file (columns: --time, --room, --rssi, --session)")
        return
    d = load_source(source_of(name, seed, given))
    parts = {"train": d.train, "val": d.val, "test": d.test}
    made, known = count_windows(d.train, d.window, d.hop)
    facts = {"name": d.name, "simulated": d.simulated, "access_points": len(d.aps), "motion": list(d.motions),
             "rooms": list(d.rooms),
             "window": d.window, "hop": d.hop, "rate_hz": d.rate_hz, "note": d.note,
             "training_windows": made, "training_windows_with_rooms": known,
             "parts": {k: {"rows": len(p), "sessions": len(np.unique(p.session)),
                           "heard": round(float((~np.isnan(p.rssi)).mean()), 4),
                           "motion_known": None if p.motion is None else round(float((~np.isnan(p.motion)).mean()), 4),
                           "rows_by_room": p.counts()}
                       for k, p in parts.items()}}
    shown = sorted(range(len(d.rooms)), key=lambda i: -d.train.counts()[d.rooms[i]])[:20]
    rows = [["room", *parts]] + [[d.rooms[i], *(str(p.counts()[d.rooms[i]]) for p in parts.values())] for i in shown]
    more = len(d.rooms) - len(shown)
    emit(as_json, facts, "\n".join([
        f"{d.name}{' (SIMULATED)' if d.simulated else ''}: {len(d.aps)} access points, "
        f"{'motion, ' if d.motions else ''}{len(d.rooms)} rooms, {d.rate_hz:g} Hz, windows of {d.window} rows", table(rows),
        *([f"... and {more} rooms more"] if more else []), *filter(None, [_windows_without_rooms(made, known)]), d.note]))


@main.command()
@click.option("--data", "data_name", default="simulated", show_default=True, help=DATA_HELP)
@click.option("--model", "preset_name", default="mamba-h8l1", show_default=True,
              help="Preset: mamba-h{H}l{L} or mdcsa-h{H}l{L}[-lean]; behind commas fields that differ: mamba-h32l1,n=2,k=3.")
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write the float model to.")
@click.option("--epochs", type=int, help="At most so many passes over the training windows. [120]")
@click.option("--batch", type=int, help="Windows a step. [64]")
@click.option("--lr", type=float, help="Greatest learning rate. [0.005]")
@click.option("--patience", type=int, help="Epochs without a better validation score before it ends. [40]")
@click.option("--carry", type=float, help="mamba: share of windows that begin with the state that rows before them left; "
              "0: all begin anew, in validation too, as in the paper. [0.75]")
@click.option("--tuned", "ours", is_flag=True,
              help="Start from settings that suit the kind of data, instead of the paper's; the options below change them.")
@INPUTS
@TEACHERS
@RESUME
@SEED
@MISSING
@CSV
@JSON
def train(data_name: str, preset_name: str, out: str, epochs: int | None, batch: int | None, lr: float | None,
          patience: int | None, carry: float | None, ours: bool, balance: float | None, resume: bool, seed: int,
          missing: str, as_json: bool, **given: Any) -> None:
    """Train a float model; the best epoch on validation is kept.

    Ctrl-C ends the training early and keeps the best so far.  A killed run goes on when started again.
    """
    from tinyloc.data import count_windows, trained_on
    from tinyloc.files import check_writable
    from tinyloc.model import Model
    from tinyloc.train import Recipe, checkpoints, fit, last_rows, scores, with_info
    from tinyloc.tuned import tuned

    distillation = distillation_of(given)
    given_recipe = {"epochs": epochs, "batch": batch, "lr": lr, "patience": patience, "balance": balance,
                    "carry": carry}
    wanted: dict[str, Any] = {k: v for k, v in given_recipe.items() if v is not None}
    recipe, start = Recipe(seed=seed, **wanted), None
    # A mistake is said before the data are read, which --tuned looks at to choose the signal.
    inputs_of({**given, "signal": given["signal"] or ("powed" if ours else None)})
    source = source_of(data_name, seed, given)
    d = load_source(source)
    if ours:
        start = tuned(d, recipe)
        recipe = replace(start.recipe, **wanted)
    inputs = inputs_of(given, start)
    check_writable(out, source["data"], *given["teachers"])
    delay = inputs["inputs"].delay
    if not as_json and (lost := _windows_without_rooms(*count_windows(d.train, d.window, d.hop, delay), delay)):
        click.echo(f"note: {lost}", err=True)
    checkpoint = Path(out + ".checkpoint")
    left = checkpoints(checkpoint)
    if not resume:
        for file in left:
            file.unlink(missing_ok=True)
    show, end = progress_bar(preset_name, as_json)
    try:
        model = fit(d, preset_name, recipe, **inputs, checkpoint=checkpoint, progress=show,
                    teachers=[Model.load(t) for t in given["teachers"]], distillation=distillation, missing=missing)
    finally:
        end()
    w = last_rows(model.info, d.test)
    model = with_info(model, source=trained_on(source, d), test=scores(w.y[:, -1], model.labels(w), d.rooms))
    model.save(out)
    info = model.info
    if not info["interrupted"]:
        for file in left:
            file.unlink(missing_ok=True)
    facts = {"model": out, "preset": preset_name, "parameters": model.parameters, "data": d.name,
             "simulated": d.simulated, "epochs": info["epochs"], "interrupted": info["interrupted"],
             "validation_macro_f1": info["validation_macro_f1"], "motion": info.get("motion", []),
             "motion_choice": info.get("motion_choice"), "test": info["test"]}
    choice, judged = info.get("motion_choice"), ""
    if choice:
        f1 = choice["trials"][0]
        judged = (f"; motion {'kept' if choice['kept'] else 'left out'}: macro-F1 {f1['rssi']:.3f} without and "
                  f"{f1['motion']:.3f} with it on validation")
    emit(as_json, facts, f"{out}: {preset_name}, {model.parameters:,} parameters; macro-F1 "
          f"{info['validation_macro_f1']:.3f} on validation, {info['test']['macro_f1']:.3f} on test (accuracy "
          f"{info['test']['accuracy']:.3f}) of {d.name}{' (SIMULATED)' if d.simulated else ''}"
          + judged + ("; INTERRUPTED, best so far" if info["interrupted"] else ""))


def _keep(name: str, text: str) -> int | float:
    """What to keep of a dimension: a number as an int, a share as a float."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ConfigError(f"--{name} {text!r}: expected a number, or a share such as 0.5 or 50%") from None


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write the smaller float model to.")
@click.option("--aps", help="Access points to keep, with motion: a number, or a share: 0.5 or 50% (all below likewise).")
@click.option("--width", "d", help="Model width H to keep.")
@click.option("--blocks", help="mamba: blocks to keep.")
@click.option("--inner", help="mamba: inner channels to keep in each block.")
@click.option("--state", help="mamba: states a channel to keep.")
@click.option("--rank", help="mamba: channels of the time step's bottleneck to keep in each block.")
@click.option("--heads", help="mdcsa: heads to keep.")
@click.option("--fc1", help="mdcsa: first hidden channels of the gated network to keep in each head.")
@click.option("--fc2", help="mdcsa: second hidden channels of it, likewise.")
@click.option("--ram", help="Cut until the int8 Program needs no more RAM than this, such as 2K, its image in flash.")
@click.option("--total", help="Likewise, with everything in RAM.")
@click.option("--flash", help="Likewise, its image in flash.")
@click.option("--among", multiple=True, help="With a budget: a dimension that may be cut for it (again for more). "
              "[mamba: aps, d, inner, state; mdcsa: aps, d, fc1, fc2]")
@click.option("--rounds", default=4, show_default=True, help="Cuts, each by the same factor.")
@click.option("--between", default=5, show_default=True, help="Epochs of training from one cut to the next.")
@click.option("--decay", default="powers", show_default=True,
              help="States that stay: powers keeps the faster scan possible, free the most important ones.")
@click.option("--epochs", type=int, help="At most so many passes over the training windows after the last cut. [60]")
@click.option("--lr", type=float, help="Greatest learning rate. [0.002]")
@click.option("--patience", type=int, help="Epochs without a better validation score before it ends. [40]")
@TEACHERS
@RESUME
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split and the training. [the model's]")
@MISSING
@CSV
@JSON
def prune(model: str, out: str, ram: str | None, total: str | None, flash: str | None, among: tuple[str, ...], rounds: int,
          between: int, decay: str, epochs: int | None, lr: float | None, patience: int | None, resume: bool,
          data_name: str | None, missing: str, as_json: bool, **given: Any) -> None:
    """Cut whole structures from a float model, and train the rest.

    They are access points, channels, states, heads and blocks of MODEL.  What the loss would miss least goes first.  MODEL
    may be a --teacher, too.  A killed run goes on when started again.
    """
    from tinyloc.data import trained_on
    from tinyloc.emulator.mcu import parse_size
    from tinyloc.files import check_writable
    from tinyloc.model import Model
    from tinyloc.prune import forget, recipe_for
    from tinyloc.prune import prune as cut_and_train
    from tinyloc.train import last_rows, scores, with_info

    m = Model.load(model)
    keep = {k: _keep("width" if k == "d" else k, text) for k in
            ("aps", "d", "blocks", "inner", "state", "rank", "heads", "fc1", "fc2") if (text := given[k]) is not None}
    budget = {k: parse_size(v) for k, v in (("ram", ram), ("total", total), ("image", flash)) if v is not None}
    distillation = distillation_of(given)
    source = own_source(m.info, data_name, given)
    given_recipe = {"epochs": epochs, "lr": lr, "patience": patience}
    recipe = recipe_for(m, seed=source["seed"], **{k: v for k, v in given_recipe.items() if v is not None})
    d = load_source(source)
    check_writable(out, model, source["data"], *given["teachers"])
    checkpoint = Path(out + ".checkpoint")
    if not resume:
        forget(checkpoint)
    show, end = progress_bar(str(m.info.get("name", m.config.family)), as_json)
    try:
        pruned = cut_and_train(m, d, keep, recipe, budget=budget, among=among, rounds=rounds, between=between, decay=decay,
                               teachers=[Model.load(t) for t in given["teachers"]], checkpoint=checkpoint, progress=show,
                               distillation=distillation, missing=missing)
    finally:
        end()
    f1 = []
    for each in (m, pruned):
        w = last_rows(each.info, d.test, missing)
        f1.append(scores(w.y[:, -1], each.labels(w), tuple(m.info["rooms"])))
    pruned = with_info(pruned, source=trained_on(source, d), test=f1[1])
    pruned.save(out)
    if not pruned.info["interrupted"]:
        forget(checkpoint)
    sizes = {k: (v, pruned.config.sizes[k]) for k, v in m.config.sizes.items() if v != pruned.config.sizes[k]}
    facts = {"model": out, "parameters": pruned.parameters, "sizes": pruned.config.sizes, "unpruned": m.config.sizes,
             "data": d.name, "simulated": d.simulated, "interrupted": pruned.info["interrupted"],
             "validation_macro_f1": pruned.info.get("validation_macro_f1"), "test": f1[1], "unpruned_test": f1[0]}
    emit(as_json, facts, f"{out}: {', '.join(f'{k} {a} -> {b}' for k, (a, b) in sizes.items()) or 'nothing was cut'}; "
          f"parameters {m.parameters:,} -> {pruned.parameters:,}; macro-F1 {f1[0]['macro_f1']:.3f} -> "
          f"{f1[1]['macro_f1']:.3f} on test of {d.name}{' (SIMULATED)' if d.simulated else ''}"
          + ("; INTERRUPTED, best so far" if pruned.info["interrupted"] else ""))


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write the int8 Program to.")
@click.option("--calibration", default="auto", show_default=True, help="auto, minmax, percentile or mse.")
@click.option("--decay", default="auto", show_default=True, help="Of Mamba's states: auto, free or powers (faster).")
@click.option("--weights", default="int8", show_default=True, help="int8, or int4: half of the bytes of large layers.")
@click.option("--confidence/--no-confidence", default=None,
              help="Beside each label, how sure it is, counted on validation rows. [where there are any]")
@click.option("--precision", default=0.95, show_default=True, type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Of the rooms that a stream answers; for the others it says unknown.")
@click.option("--qat", "trained", is_flag=True, help="Quantization-aware: train on, the integer Program as forward pass.")
@click.option("--epochs", type=int, help="With --qat: at most so many passes over the training windows. [30]")
@click.option("--batch", type=int, help="With --qat: windows a step. [64]")
@click.option("--lr", type=float, help="With --qat: greatest learning rate. [0.001]")
@click.option("--patience", type=int, help="With --qat: epochs without a better validation score before it ends. [15]")
@TEACHERS
@RESUME
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@MISSING
@CSV
@JSON
def quantize(model: str, out: str, calibration: str, decay: str, weights: str, confidence: bool | None, precision: float,
             trained: bool, epochs: int | None, batch: int | None, lr: float | None, patience: int | None, resume: bool,
             data_name: str | None, missing: str, as_json: bool, **given: Any) -> None:
    """Turn a float model (MODEL) into an int8 Program.

    Its arithmetic is of integers only, with a proof that no accumulator overflows.

    Where validation has labeled rows, the Program says beside each label how sure it is of it, and carries the threshold
    from which on a stream answers the room.

    With --qat it is trained on, and the Program whose labels are the best on validation is kept; without --teacher it learns
    what the MODEL itself believes (labels alone: --teacher MODEL --alpha 1).  Ctrl-C ends the training early and keeps the
    best so far.  A killed run goes on when started again.
    """
    from tinyloc.confidence import calibrate as count
    from tinyloc.confidence import can_calibrate
    from tinyloc.convert.graph import load_model
    from tinyloc.display import four_bits
    from tinyloc.files import check_writable
    from tinyloc.model import Model
    from tinyloc.quantize import LEAST_W4, calibrate

    recipe = {k: v for k, v in {"epochs": epochs, "batch": batch, "lr": lr, "patience": patience}.items() if v is not None}
    for name in (*recipe, *(["teacher"] if given["teachers"] else []), *(["neighbors"] if given["neighbors"] else [])):
        if not trained:
            raise ConfigError(f"--{name} is about training; it needs --qat")
    distillation = distillation_of(given)
    m = load_model(model)
    source = own_source(m.info, data_name, given)
    d = load_source(source)
    check_writable(out, model, source["data"], *given["teachers"])
    if trained:
        program = _qat(m, d, out, {**recipe, "seed": source["seed"]}, resume, as_json, method=calibration, decay=decay,
                       weights=weights, teachers=[Model.load(t) for t in given["teachers"]], distillation=distillation,
                       missing=missing)
    else:
        program = calibrate(m, d, calibration, decay, missing, weights)
    if confidence or (confidence is None and can_calibrate(d)):
        program = count(program, d, precision, missing)
    program.save(out)
    proofs = program.info["proofs"]
    tight = max(proofs, key=lambda k: proofs[k][0] / (proofs[k][1] or 1))
    by_kind = program.bytes_by_kind()
    how, training = program.info.get("qat"), ""
    if how:
        judged = (f"macro-F1 {how['validation_macro_f1']:.3f} on validation, epoch {how['best_epoch']} of {how['epochs']}"
                  if "best_epoch" in how else f"{how['epochs']} epochs, with the validation rows")
        training = f", trained on ({judged}{', INTERRUPTED' if how['interrupted'] else ''})"
    sure, told = program.info.get("confidence"), []
    if sure:
        v = sure["validation"]
        told.append(f"a room from confidence {sure['threshold']}/255 on: {100 * v['answered']:.0f} % of the validation rows"
                    f"{', which it was trained on' * sure['seen']}, {100 * v['precision']:.1f} % of them right")
        if not sure["reached"]:
            told += [f"NOT the {100 * precision:g} % asked for: what is judged is a lower bound, and neighboring rows are",
                     f"right or wrong together, so that all {v['rows']:,} count as {v['independent']:,.0f} independent ones"]
    halved = ""
    if weights == "int4":
        halved = f" ({four_bits(program.four_bits) or f'none of four bits: no linear layer has {LEAST_W4}'})"
        if program.four_bits and not trained:
            told.append("calibrated alone, weights of four bits can cost several points of F1: --qat trains them")
    facts = {"program": out, "calibration": program.info["calibration"], "decay": program.info.get("decay"),
             "weights": weights, "four_bits": list(program.four_bits), "qat": how, "confidence": sure,
             "steps": len(program.steps), "bytes": by_kind, "proofs": proofs, "tightest": tight}
    made = (f"{out}: {len(program.steps)} steps, calibrated by {program.info['calibration']}"
            f"{', decays: ' + program.info['decay'] if 'decay' in program.info else ''}{training}")
    taken = f"{by_kind['weight']:,} B of weights{halved}, {by_kind['table']:,} of tables, {by_kind['state']:,} of state"
    proved = f"{len(proofs)} bounds proved, the tightest: {tight}, {proofs[tight][0]:,} of {proofs[tight][1]:,}"
    emit(as_json, facts, "\n".join([made, taken, proved, *told]))


def _qat(m: FloatModel, d: Dataset, out: str, recipe: dict[str, Any], resume: bool, quiet: bool, **how: Any) -> Program:
    """The trained Program, which is saved; the checkpoint beside it is gone afterwards unless Ctrl-C ended the training."""
    from tinyloc import qat
    from tinyloc.train import as_begun

    checkpoint = Path(out + ".checkpoint")
    if not resume:
        checkpoint.unlink(missing_ok=True)
    show, end = progress_bar(m.info.get("name", m.config.family), quiet)
    try:
        program = qat.fit(m, d, replace(as_begun(qat.RECIPE, m.info), **recipe), checkpoint=checkpoint, progress=show,
                          **how)
    finally:
        end()
    program.save(out)
    if not program.info["qat"]["interrupted"]:
        checkpoint.unlink(missing_ok=True)
    return program
