"""The command line: thin; each command reads its options, calls the library and prints what it says.

Exit code 0: yes (fits, equal, done); 1: no; 2: bad input, named in one line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyloc import __version__
from tinyloc.errors import BrokenError, ConfigError, TinylocError, unknown

if TYPE_CHECKING:
    from tinyloc.data import Augmentation, Dataset
    from tinyloc.distill import Distillation
    from tinyloc.model import Model
    from tinyloc.program import Program
    from tinyloc.train import Epoch, Progress

NO, BAD = 1, 2


class Group(click.Group):
    """Turns errors that a user caused into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenError as e:
            click.echo(f"tinyloc: no: {e}", err=True)
            sys.exit(NO)
        except TinylocError as e:
            click.echo(f"tinyloc: {e}", err=True)
            sys.exit(BAD)
        except KeyboardInterrupt:
            click.echo("tinyloc: interrupted", err=True)
            sys.exit(130)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tinyloc")
def main() -> None:
    """Does an indoor-localization model run on a microcontroller exactly, within its RAM, and how fast?

    Exit code 0 means yes, 1 no, 2 bad input.
    """


def _options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def wrap(f: Any) -> Any:
        for d in reversed(decorators):
            f = d(f)
        return f

    return wrap


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
SEED = click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1),
                    help="Of the split, the simulated house and the training.")
CSV = _options(
    click.option("--time", "csv_time", help="CSV: column of seconds. [time]"),
    click.option("--room", "csv_room", help="CSV: column of rooms. [room]"),
    click.option("--rssi", "csv_rssi", multiple=True,
                 help="CSV: column of dBm, or a prefix such as 'ap*'; may be given several times. [rssi_*]"),
    click.option("--motion", "csv_motion", multiple=True,
                 help="CSV: column of an accelerometer's deviation in mg over a row, or a prefix; again for more."),
    click.option("--session", "csv_session", help="CSV: column that names the recording."),
    click.option("--delimiter", "csv_delimiter", help="CSV: what separates fields. [,]"),
    click.option("--not-heard", "csv_not_heard", type=float, help="CSV: number that stands for not heard, such as 100."),
    click.option("--window", "csv_window", type=int, help="CSV: rows a window. [20]"),
    click.option("--hop", "csv_hop", type=int, help="CSV: rows from one window to the next. [10]"),
    click.option("--house", help="byrne: the house, A to D. [A]"),
    click.option("--split", help="ujiindoorloc: groups (whole people and phones held out) or random. [groups]"),
)
TEACHERS = _options(
    click.option("--teacher", "teachers", multiple=True, type=click.Path(dir_okay=False),
                 help="A float model to learn from too (again for more: their mean counts)."),
    click.option("--alpha", type=float, help="With --teacher: share of the loss that the labels have. [0.5]"),
    click.option("--temperature", type=float, help="With --teacher: above 1, its second choices count for more. [2]"),
    click.option("--hard", is_flag=True, help="With --teacher: its best paths are taken for labels, as in the paper."),
    click.option("--beta", type=float, help="With --teacher: weight of predicting what its head reads. [0]"),
)
RESUME = click.option("--resume/--no-resume", default=True, show_default=True,
                      help="Go on from OUT.checkpoint where a killed run left one.")
DATA_HELP = "Data set (see `tinyloc data`) or the path of a CSV file."


def _source(data: str, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    """What `_load` needs, JSON-able: name or absolute path, seed, options."""
    columns = {k[4:]: list(v) if isinstance(v, tuple) else v for k, v in given.items()
               if k.startswith("csv_") and v not in (None, ())}
    options = {k: given[k] for k in ("house", "split") if given.get(k) is not None}
    path = Path(data).expanduser()
    return {"data": str(path.resolve()) if path.is_file() else data, "seed": seed, "columns": columns, **options}


def _load(source: dict[str, Any]) -> Dataset:
    from tinyloc.data import load

    rest = {k: v for k, v in source.items() if k not in ("data", "seed", "columns")}
    return load(source["data"], seed=source["seed"], columns=source["columns"] or None, **rest)


def _own_source(info: Any, data: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The data that the user names, else that which the model was trained on; with the options that are given."""
    own = dict(info.get("source", {}))
    if data is None and not own:
        raise ConfigError("the model does not say which data it was trained on; name them with --data")
    seed = own.get("seed", 0) if given.get("seed") is None else given["seed"]
    asked = _source(own["data"] if data is None else data, seed, given)
    if asked["data"] != own.get("data"):
        return asked
    return {**own, **asked, "columns": {**own["columns"], **asked["columns"]}}


def _distillation(teachers: tuple[str, ...], alpha: float | None, temperature: float | None, hard: bool,
                  beta: float | None) -> Distillation | None:
    from tinyloc.distill import Distillation

    how = {"alpha": alpha, "temperature": 1.0 if hard and temperature is None else temperature, "hard": hard or None,
           "beta": beta}
    chosen = {k: v for k, v in how.items() if v is not None}
    if chosen and not teachers:
        raise ConfigError(f"--{next(iter(chosen))} says how to learn from a teacher; name one with --teacher")
    return Distillation(**chosen) if teachers else None  # type: ignore[arg-type]


def _program(path: str) -> Program:
    from tinyloc.program import Program

    return Program.load(path)


def table(rows: list[list[str]]) -> str:
    """Aligned columns below a heading; numbers to the right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    numeric = [all(r[i].replace(",", "").replace(".", "").lstrip("-+").isdigit() or r[i] in ("", "-") for r in rows[1:])
               for i in range(len(rows[0]))]

    def line(r: list[str]) -> str:
        return "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(r, widths, numeric, strict=True)).rstrip()

    return "\n".join([line(rows[0]), "  ".join("-" * w for w in widths), *map(line, rows[1:])])


def _emit(as_json: bool, facts: dict[str, Any], text: str) -> None:
    click.echo(json.dumps(facts, indent=2) if as_json else text)


def _augmentation(pairs: tuple[str, ...]) -> Augmentation | None:
    from dataclasses import fields

    from tinyloc.data import Augmentation

    amounts = {}
    for pair in pairs:
        kind, _, amount = pair.partition("=")
        known = [f.name for f in fields(Augmentation)]
        if kind not in known:
            raise unknown("augmentation", kind, known)
        try:
            amounts[kind] = float(amount)
        except ValueError:
            raise ConfigError(f"augmentation {pair!r}: expected {kind}=NUMBER") from None
    return Augmentation(**amounts) if amounts else None


def progress_bar(label: str, quiet: bool) -> tuple[Progress | None, Callable[[], None]]:
    """(a callback for each epoch, what ends the bar)."""
    if quiet:
        return None, lambda: None
    bar: Any = None

    def show(e: Epoch) -> None:
        nonlocal bar
        if bar is None:
            bar = click.progressbar(length=e.of, label=label, file=sys.stderr, show_pos=True, width=24,
                                    item_show_func=lambda s: s)
            bar.__enter__()
        judged = f"validation F1 {e.score:.3f} (best {e.best:.3f})" if e.score == e.score else "with the validation rows"
        if e.number <= bar.pos or e.of != bar.length:  # another run
            bar.pos, bar.length = 0, e.of
        bar.update(1 if bar.pos else e.number, f"loss {e.loss:.3f}, {judged}")

    def end() -> None:
        if bar is not None:
            bar.__exit__(None, None, None)

    return show, end


@main.command()
@click.argument("name", required=False)
@SEED
@CSV
@JSON
def data(name: str | None, seed: int, as_json: bool, **given: Any) -> None:
    """List the data sets, or describe one (NAME or the path of a CSV file)."""
    import numpy as np

    from tinyloc.data import SOURCES

    if name is None:
        rows = [["name", "license", "home"]] + [[s.name, s.license or "-", s.home or "made here, no radio was involved"]
                                                for s in SOURCES.values()]
        listed = {"data_sets": [dict(zip(rows[0], r, strict=True)) for r in rows[1:]]}
        _emit(as_json, listed, table(rows) + "\nor the path of a CSV file (columns: --time, --room, --rssi, --session)")
        return
    d = _load(_source(name, seed, given))
    parts = {"train": d.train, "val": d.val, "test": d.test}
    facts = {"name": d.name, "simulated": d.simulated, "access_points": len(d.aps), "motion": list(d.motions),
             "rooms": list(d.rooms),
             "window": d.window, "hop": d.hop, "rate_hz": d.rate_hz, "note": d.note,
             "parts": {k: {"rows": len(p), "sessions": len(np.unique(p.session)),
                           "heard": round(float((~np.isnan(p.rssi)).mean()), 4),
                           "motion_known": None if p.motion is None else round(float((~np.isnan(p.motion)).mean()), 4),
                           "rows_by_room": p.counts()}
                       for k, p in parts.items()}}
    shown = sorted(range(len(d.rooms)), key=lambda i: -d.train.counts()[d.rooms[i]])[:20]
    rows = [["room", *parts]] + [[d.rooms[i], *(str(p.counts()[d.rooms[i]]) for p in parts.values())] for i in shown]
    more = len(d.rooms) - len(shown)
    _emit(as_json, facts, "\n".join([
        f"{d.name}{' (SIMULATED)' if d.simulated else ''}: {len(d.aps)} access points, "
        f"{'motion, ' if d.motions else ''}{len(d.rooms)} rooms, {d.rate_hz:g} Hz, "
        f"windows of {d.window} rows", table(rows), *([f"... and {more} rooms more"] if more else []),
        d.note]))


@main.command()
@click.option("--data", "data_name", default="simulated", show_default=True, help=DATA_HELP)
@click.option("--model", "preset_name", default="mamba-h8l1", show_default=True,
              help="Preset: mamba-h{H}l{L} or mdcsa-h{H}l{L}[-lean].")
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write the float model to.")
@click.option("--epochs", type=int, help="At most so many passes over the training windows. [120]")
@click.option("--batch", type=int, help="Windows a step. [64]")
@click.option("--lr", type=float, help="Greatest learning rate. [0.005]")
@click.option("--patience", type=int, help="Epochs without a better validation score before it ends. [40]")
@click.option("--balance", type=float, help="1: every room counts as much as any other, however seldom it occurs. [0]")
@click.option("--signal", help="What inputs are made of dBm: minmax, an access point's own range; or powed. [minmax]")
@click.option("--least", type=int, help="Training rows in which an access point must be heard to be listened to. [1]")
@click.option("--delay", type=int, help="Rows by which the answer may lag. [0]")
@click.option("--use-motion", help="Read the data's motion channels: on, off, or auto: where validation gains. [auto]")
@click.option("--augment", multiple=True, metavar="KIND=AMOUNT",
              help="Change training windows at random: offset, noise, deaf (dB), gain, lost, dead, motion (shares); again "
              "for more.")
@click.option("--refit", is_flag=True, help="In the end train anew on training and validation rows, as long as was best.")
@TEACHERS
@RESUME
@SEED
@CSV
@JSON
def train(data_name: str, preset_name: str, out: str, epochs: int | None, batch: int | None, lr: float | None,
          patience: int | None, balance: float | None, signal: str | None, least: int | None, delay: int | None,
          use_motion: str | None, augment: tuple[str, ...], refit: bool, teachers: tuple[str, ...], alpha: float | None,
          temperature: float | None, hard: bool, beta: float | None, resume: bool, seed: int, as_json: bool, **given: Any
          ) -> None:
    """Train a float model; the best of its epochs by validation macro-F1 is kept.

    Ctrl-C ends the training early and keeps the best so far.  A killed run goes on when started again.
    """
    from tinyloc.files import check_writable
    from tinyloc.model import Model
    from tinyloc.train import Inputs, Recipe, checkpoints, fit, last_rows, scores, with_info

    distillation = _distillation(teachers, alpha, temperature, hard, beta)
    given_recipe = {"epochs": epochs, "batch": batch, "lr": lr, "patience": patience, "balance": balance}
    recipe = Recipe(seed=seed, **{k: v for k, v in given_recipe.items() if v is not None})  # type: ignore[arg-type]
    given_inputs = {"signal": signal, "least": least, "delay": delay, "motion": use_motion}
    inputs = Inputs(**{k: v for k, v in given_inputs.items() if v is not None})  # type: ignore[arg-type]
    augmentation = _augmentation(augment)
    source = _source(data_name, seed, given)
    d = _load(source)
    check_writable(out)
    checkpoint = Path(out + ".checkpoint")
    left = checkpoints(checkpoint)
    if not resume:
        for file in left:
            file.unlink(missing_ok=True)
    show, end = progress_bar(preset_name, as_json)
    try:
        model = fit(d, preset_name, recipe, inputs=inputs, augmentation=augmentation, refit=refit, checkpoint=checkpoint,
                    progress=show, teachers=[Model.load(t) for t in teachers], distillation=distillation)
    finally:
        end()
    w = last_rows(model.info, d.test)
    model = with_info(model, source=source, test=scores(w.y[:, -1], model.predict(w.x), d.rooms))
    model.save(out)
    info = model.info
    if not info["interrupted"]:
        for file in left:
            file.unlink(missing_ok=True)
    facts = {"model": out, "preset": preset_name, "parameters": model.parameters, "data": d.name,
             "simulated": d.simulated, "epochs": info["epochs"], "interrupted": info["interrupted"],
             "validation_macro_f1": info["validation_macro_f1"], "motion": info.get("motion", []),
             "motion_choice": info.get("motion_choice"), "test": info["test"]}
    choice = info.get("motion_choice")
    judged = ""
    if choice:
        f1 = choice["trials"][0]
        judged = (f"; motion {'kept' if choice['kept'] else 'left out'}: macro-F1 {f1['rssi']:.3f} without and "
                  f"{f1['motion']:.3f} with it on validation")
    _emit(as_json, facts, f"{out}: {preset_name}, {model.parameters:,} parameters; macro-F1 "
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
@click.option("--teacher", "teachers", multiple=True, type=click.Path(dir_okay=False),
              help="A float model to learn from too, such as MODEL itself (again for more: their mean counts).")
@click.option("--alpha", type=float, help="With --teacher: share of the loss that the labels have. [0.5]")
@click.option("--temperature", type=float, help="With --teacher: above 1, its second choices count for more. [2]")
@click.option("--resume/--no-resume", default=True, show_default=True,
              help="Go on from OUT.checkpoint where a killed run left one.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split and the training. [the model's]")
@CSV
@JSON
def prune(model: str, out: str, ram: str | None, total: str | None, flash: str | None, among: tuple[str, ...], rounds: int,
          between: int, decay: str, epochs: int | None, lr: float | None, patience: int | None, teachers: tuple[str, ...],
          alpha: float | None, temperature: float | None, resume: bool, data_name: str | None, as_json: bool, **given: Any
          ) -> None:
    """Cut whole access points, channels, states, heads or blocks from a float MODEL, and train what is left.

    What the loss would miss least goes first.  A killed run goes on when started again.
    """
    from tinyloc.distill import Distillation
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
    chosen = {k: v for k, v in (("alpha", alpha), ("temperature", temperature)) if v is not None}
    if chosen and not teachers:
        raise ConfigError(f"--{next(iter(chosen))} says how to learn from a teacher; name one with --teacher")
    distillation = Distillation(**chosen) if teachers else None  # type: ignore[arg-type]
    source = _own_source(m.info, data_name, given)
    given_recipe = {"epochs": epochs, "lr": lr, "patience": patience}
    recipe = recipe_for(m, seed=source["seed"], **{k: v for k, v in given_recipe.items() if v is not None})
    d = _load(source)
    check_writable(out)
    checkpoint = Path(out + ".checkpoint")
    if not resume:
        forget(checkpoint)
    show, end = progress_bar(str(m.info.get("name", m.config.family)), as_json)
    try:
        pruned = cut_and_train(m, d, keep, recipe, budget=budget, among=among, rounds=rounds, between=between, decay=decay,
                               teachers=[Model.load(t) for t in teachers], checkpoint=checkpoint, progress=show,
                               distillation=distillation)
    finally:
        end()
    f1 = []
    for each in (m, pruned):
        w = last_rows(each.info, d.test)
        f1.append(scores(w.y[:, -1], each.predict(w.x), d.rooms))
    pruned = with_info(pruned, source=source, test=f1[1])
    pruned.save(out)
    if not pruned.info["interrupted"]:
        forget(checkpoint)
    sizes = {k: (v, pruned.config.sizes[k]) for k, v in m.config.sizes.items() if v != pruned.config.sizes[k]}
    facts = {"model": out, "parameters": pruned.parameters, "sizes": pruned.config.sizes, "unpruned": m.config.sizes,
             "data": d.name, "simulated": d.simulated, "interrupted": pruned.info["interrupted"],
             "validation_macro_f1": pruned.info["validation_macro_f1"], "test": f1[1], "unpruned_test": f1[0]}
    _emit(as_json, facts, f"{out}: {', '.join(f'{k} {a} -> {b}' for k, (a, b) in sizes.items()) or 'nothing was cut'}; "
          f"parameters {m.parameters:,} -> {pruned.parameters:,}; macro-F1 {f1[0]['macro_f1']:.3f} -> "
          f"{f1[1]['macro_f1']:.3f} on test of {d.name}{' (SIMULATED)' if d.simulated else ''}"
          + ("; INTERRUPTED, best so far" if pruned.info["interrupted"] else ""))


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write the int8 Program to.")
@click.option("--calibration", default="auto", show_default=True, help="auto, minmax, percentile or mse.")
@click.option("--decay", default="auto", show_default=True, help="Of Mamba's states: auto, free or powers (faster).")
@click.option("--qat", "trained", is_flag=True, help="Quantization-aware: train on, the integer Program as forward pass.")
@click.option("--epochs", type=int, help="With --qat: at most so many passes over the training windows. [30]")
@click.option("--batch", type=int, help="With --qat: windows a step. [64]")
@click.option("--lr", type=float, help="With --qat: greatest learning rate. [0.001]")
@click.option("--patience", type=int, help="With --qat: epochs without a better validation score before it ends. [15]")
@TEACHERS
@RESUME
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@CSV
@JSON
def quantize(model: str, out: str, calibration: str, decay: str, trained: bool, epochs: int | None, batch: int | None,
             lr: float | None, patience: int | None, teachers: tuple[str, ...], alpha: float | None,
             temperature: float | None, hard: bool, beta: float | None, resume: bool, data_name: str | None, as_json: bool,
             **given: Any) -> None:
    """Turn a float MODEL into an int8 Program: integers only, with a proof that no accumulator overflows.

    With --qat it is trained on, and the Program whose labels are the best on validation is kept; without --teacher it learns
    what the MODEL itself believes (labels alone: --teacher MODEL --alpha 1).  Ctrl-C ends the training early and keeps the
    best so far.  A killed run goes on when started again.
    """
    from tinyloc.model import Model
    from tinyloc.quantize import calibrate

    recipe = {k: v for k, v in {"epochs": epochs, "batch": batch, "lr": lr, "patience": patience}.items() if v is not None}
    for name in (*recipe, *(["teacher"] if teachers else [])):
        if not trained:
            raise ConfigError(f"--{name} is about training; it needs --qat")
    distillation = _distillation(teachers, alpha, temperature, hard, beta)
    m = Model.load(model)
    source = _own_source(m.info, data_name, given)
    d = _load(source)
    if trained:
        program = _qat(m, d, out, {**recipe, "seed": source["seed"]}, resume, as_json, method=calibration, decay=decay,
                       teachers=[Model.load(t) for t in teachers], distillation=distillation)
    else:
        program = calibrate(m, d, calibration, decay)
        program.save(out)
    proofs = program.info["proofs"]
    tight = max(proofs, key=lambda k: proofs[k][0] / (proofs[k][1] or 1))
    by_kind = program.bytes_by_kind()
    how, training = program.info.get("qat"), ""
    if how:
        training = (f", trained on (macro-F1 {how['validation_macro_f1']:.3f} on validation, epoch {how['best_epoch']} of "
                    f"{how['epochs']}{', INTERRUPTED' if how['interrupted'] else ''})")
    facts = {"program": out, "calibration": program.info["calibration"], "decay": program.info.get("decay"), "qat": how,
             "steps": len(program.steps), "bytes": by_kind, "proofs": proofs, "tightest": tight}
    _emit(as_json, facts, f"{out}: {len(program.steps)} steps, calibrated by {program.info['calibration']}"
          f"{', decays: ' + program.info['decay'] if 'decay' in program.info else ''}{training}; "
          f"{by_kind['weight']:,} B of weights, {by_kind['table']:,} of tables, {by_kind['state']:,} of state; "
          f"{len(proofs)} bounds proved, the tightest: {tight}, {proofs[tight][0]:,} of {proofs[tight][1]:,}")


def _qat(m: Model, d: Dataset, out: str, recipe: dict[str, Any], resume: bool, quiet: bool, **how: Any) -> Program:
    """The trained Program, which is saved; the checkpoint beside it is gone afterwards unless Ctrl-C ended the training."""
    from dataclasses import replace

    from tinyloc import qat
    from tinyloc.files import check_writable

    check_writable(out)
    checkpoint = Path(out + ".checkpoint")
    if not resume:
        checkpoint.unlink(missing_ok=True)
    show, end = progress_bar(m.info.get("name", m.config.family), quiet)
    try:
        program = qat.fit(m, d, replace(qat.RECIPE, **recipe), checkpoint=checkpoint, progress=show, **how)
    finally:
        end()
    program.save(out)
    if not program.info["qat"]["interrupted"]:
        checkpoint.unlink(missing_ok=True)
    return program


def _codes(program: Program, source: dict[str, Any], most: int | None) -> tuple[Any, Any, Dataset]:
    """(input codes of a window that ends at each test row, their windows, the data set)."""
    from tinyloc.train import last_rows

    d = _load(source)
    w = last_rows(program.info, d.test)
    if most is not None:
        w = type(w)(w.x[:most], w.y[:most], w.row[:most])
    return program.buffers[program.input].quantize(w.x), w, d


BYTES = (("weights", "weights"), ("tables", "tables"), ("steps", "records"), ("state", "state"),
         ("activations", "activations"), ("runner", "model"))


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--ram", help="Budget of RAM, such as 32K, 64KB or 65536.")
@click.option("--flash", help="Budget of flash, likewise.")
@click.option("--mcu", help="Microcontroller whose RAM and flash are the budget.")
@click.option("--all-in-ram", is_flag=True, help="Count weights, tables and steps as RAM too, as the paper wants.")
@click.option("--measured", is_flag=True, help="Link the firmware into exactly that memory and run it, emulated.")
@click.option("--core", help="With --measured and without --mcu: the core. [cortex-m4]")
@JSON
def audit(model: str, ram: str | None, flash: str | None, mcu: str | None, all_in_ram: bool, measured: bool,
          core: str | None, as_json: bool) -> None:
    """Count every byte that an int8 Program (MODEL) takes, prove it by running inside them, and judge a budget.

    Code and stack are counted with --measured only, from the linked image.  Exit code 1: it does not fit.
    """
    import numpy as np

    from tinyloc.emulator.mcu import budget as find_budget
    from tinyloc.emulator.mcu import find, parse_size
    from tinyloc.verify import audit as count
    from tinyloc.verify import compare, fits

    program = _program(model)
    chip = find(mcu) if mcu else None
    limits: dict[str, int | None] = {"ram": None, "flash": parse_size(flash) if flash else None}
    if mcu or ram:
        given = find_budget(mcu, ram, flash)
        limits = {"ram": given.ram_bytes, "flash": given.flash_bytes}
    found = count(program)
    best, streams = found.best, found.best is found.stream
    b = program.buffers[program.input]
    rng = np.random.default_rng(0)
    x = np.stack([np.full(b.shape, v, b.dtype) for v in (-128, 127)] + [rng.integers(-128, 128, b.shape).astype(b.dtype)])
    proof = {"window": compare(program, x, ("numba", "arena"))}
    if found.stream:
        proof["stream"] = compare(program.retime(1), x[:, :1], ("numba", "arena"))
    proved = all(p.equal for p in proof.values())
    spare = fits(best, limits["ram"], limits["flash"]) if limits["ram"] is not None else (
        {"flash": limits["flash"] - best.image} if limits["flash"] is not None else {})
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
            m = measure(one, which, memory_of(chip, limits["ram"], limits["flash"]), x[:, :1] if streams else x)
            image = {**m.to_dict(), "fits": True}
            taken = {"ram": m.ram, "all_in_ram": m.ram + m.flash, "flash": m.flash}
            spare = {k: (limits["flash" if k == "flash" else "ram"] or 0) - taken[k] for k in spare}
            parts = ", ".join(f"{k} {v:,}" for k, v in m.sections.items())
            lines.append(f"linked for {m.core}: {parts}; stack {m.stack:,} of at most {m.stack_bound:,}; in all "
                         f"{m.ram:,} B of RAM and {m.flash:,} B of flash; "
                         + (f"it ran in a RAM of exactly {limits['ram']:,} B" if limits["ram"] else "no budget was set"))
        except BudgetError as e:
            image = {"core": which, "fits": False, "region": e.region, "missing": e.missing, "sections": e.sections}
            spare = {}
            lines.append(f"linked for {which}: DOES NOT FIT: {e}")
        needed = [k for k in needed if k in spare]
        fit = bool(image["fits"]) and all(spare[k] >= 0 for k in needed)

    facts = {"model": model, "memory": found.to_dict(), "budget": {"name": chip.name if chip else None, **limits},
             "spare": spare, "judged_by": needed, "measured": image or None, "proved_by_running": proved,
             "fits": fit if spare or image else None,
             "differences": {k: p.to_dict() for k, p in proof.items() if not p.equal}}
    ways = {f"{found.window.steps_of_time} samples at once": found.window, "sample by sample": found.stream}
    rows = [["bytes", *(k for k, w in ways.items() if w)]]
    shown = [w for w in ways.values() if w]
    for label, name in (*BYTES, ("flash (image)", "image"), ("RAM, image in flash", "ram"), ("all in RAM", "total"),
                        ("least activations possible", "lower_bound")):
        rows.append([label, *(f"{getattr(w, name):,}" for w in shown)])
    lines = [table(rows), "in the table, without code and stack; " + (
        "proved: inside these bytes, poisoned around every live buffer, it gives the same bits" if proved else
        "NOT PROVED: " + "; ".join(p.summary() for p in proof.values())), *lines]
    names = {"ram": "RAM with the image in flash", "all_in_ram": "all in RAM", "flash": "flash"}
    for k, v in spare.items():
        lines.append(f"{names[k]}, {limits['flash' if k == 'flash' else 'ram']:,} B{f' ({chip.name})' if chip else ''}: "
                     + ("fits" if v >= 0 else "DOES NOT FIT" if k in needed else "would not fit")
                     + f", {abs(v):,} B {'to spare' if v >= 0 else 'too many'}"
                     + (", code and stack included" if image else "") + ("" if k in needed else " (not judged)"))
    _emit(as_json, facts, "\n".join(lines))
    if not (fit and proved):
        sys.exit(NO)


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--mcu", help="Microcontroller: its core, clock and current.")
@click.option("--core", help="Without --mcu: the core, such as cortex-m4 or cortex-m0plus. [cortex-m4]")
@click.option("--compiler", default="clang", show_default=True, help="clang (with the extra mcu) or gcc.")
@click.option("--optimize", default="-O3", show_default=True, type=click.Choice(["-O0", "-O1", "-O2", "-O3", "-Os"]),
              help="The compiler's option.")
@click.option("--window", is_flag=True, help="A whole window a run, where the model could run sample by sample.")
@JSON
def bench(model: str, mcu: str | None, core: str | None, compiler: str, optimize: str, window: bool, as_json: bool) -> None:
    """Count the instructions of an int8 Program (MODEL) as firmware on an emulated core; estimate cycles, time, energy.

    Instructions are exact, and the same for every input.  Cycles, time and energy are estimates.
    """
    from tinyloc.bench import bench as count
    from tinyloc.bench import core_of
    from tinyloc.emulator.mcu import find

    program = _program(model)
    chip = find(mcu) if mcu else None
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
    lines = [f"{found.core}{f' of {chip.name}, {chip.clock_hz / 1e6:g} MHz' if chip else ''}, {compiler} {optimize}, {per}",
             table(rows), f"instructions are counted; ~ is estimated: cycles by {found.timing}"]
    if found.energy:
        lines.append(f"current: {found.energy}")
    if rate and total.seconds is not None:
        busy = total.seconds * rate / (1 if streams else int(program.info.get("hop", 1)))
        lines.append(f"at {rate:g} samples a second the core is busy {100 * busy:.3g} % of the time")
    facts = {"model": model, "mcu": chip.name if chip else None, "streamed": streams, **found.to_dict()}
    _emit(as_json, facts, "\n".join(lines))


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--backend", default="numba,c,arena", show_default=True, help="Backends to compare, the first the reference.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--windows", type=click.IntRange(1), help="At most so many windows of the test rows. [all]")
@click.option("--serial", "port", help="Compare a board instead: the port on which an exported self-test prints.")
@click.option("--baud", default=115200, show_default=True, type=click.IntRange(1), help="With --serial.")
@click.option("--timeout", default=20.0, show_default=True, help="With --serial: seconds without a line of the self-test.")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@CSV
@JSON
def verify(model: str, backend: str, data_name: str | None, windows: int | None, port: str | None, baud: int,
           timeout: float, as_json: bool, **given: Any) -> None:
    """Compare every step of an int8 Program (MODEL) on several backends, bit for bit, over the test rows.

    Where the model streams, sample by sample must give the same labels too.  Exit code 1: something differs.
    """
    import numpy as np

    from tinyloc.run import Session
    from tinyloc.verify import compare

    program = _program(model)
    if port is not None:
        from tinyloc.serial_port import verify_port

        said = verify_port(program, port, baud, timeout)
        _emit(as_json, {"model": model, "port": port, **said.to_dict()}, f"{port}: {said.summary()}")
        if not said.equal:
            sys.exit(NO)
        return
    codes, _, d = _codes(program, _own_source(program.info, data_name, given), windows)
    found = compare(program, codes, [b.strip() for b in backend.split(",") if b.strip()])
    stream: bool | None = None
    if program.can_stream:
        session = Session(program.retime(1), found.reference)
        stream = True
        for window, whole in zip(codes, found.outputs, strict=True):
            session.reset()
            stream = stream and bool(np.array_equal(session.run_stream(window), whole))
    equal = found.equal and stream is not False
    facts = {"model": model, "data": d.name, "windows": len(codes), **found.to_dict(), "stream_equals_window": stream,
             "equal": equal}
    text = f"{d.name}, {len(codes)} windows, {len(program.steps)} steps: {found.summary()}"
    if stream is not None:
        text += f"; sample by sample {'gives the same labels' if stream else 'DIFFERS from the window at once'}"
    _emit(as_json, facts, text)
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
@click.option("--force", is_flag=True, help="Move a folder aside that holds anything but an earlier export.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@CSV
@JSON
def export(model: str, out: str, core: str | None, stream: bool | None, windows: int, force: bool,
           data_name: str | None, as_json: bool, **given: Any) -> None:
    """Write an int8 Program (MODEL) as a C project: kernels, image, constants, golden windows, self-test, build files.

    It is written whole or not at all; an earlier export is replaced.
    """
    import numpy as np

    from tinyloc.export import MANIFEST, project, write_project

    program = _program(model)
    b = program.buffers[program.input]
    codes = np.empty((0, *b.shape), b.dtype)
    if windows:
        codes, _, _ = _codes(program, _own_source(program.info, data_name, given), None)
        codes = codes[np.unique(np.linspace(0, len(codes) - 1, windows).astype(int))]
    files = project(program, codes, core, stream)
    aside = write_project(files, out, force)
    facts = json.loads(files[MANIFEST])
    _emit(as_json, {"model": model, "out": out, "moved_aside": str(aside) if aside else None, **facts},
          f"{out}: {len(files)} files, image of {facts['image_bytes']:,} B (CRC-32 {facts['image_crc']}), arena of "
          f"{facts['arena_bytes']:,} B, {'sample by sample' if facts['stream'] else 'a window at once'}, "
          f"{facts['core'] or 'any core'}; {facts['windows']} golden windows"
          + (f"\nwhat was there is in {aside}" if aside else "")
          + "\nself-test: cd there, cc -std=c99 -O2 -Isrc host/main.c src/[a-z]*.c -o selftest && ./selftest")


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--backend", default="c", show_default=True, help="What runs it.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--stream", is_flag=True, help="Sample by sample, the state carried on through each recording, as on a body.")
@click.option("--out", type=click.Path(dir_okay=False), help="CSV file to write time, room and predicted room to.")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@CSV
@JSON
def run(model: str, backend: str, data_name: str | None, stream: bool, out: str | None, as_json: bool,
        **given: Any) -> None:
    """Run an int8 Program (MODEL) over the test rows and score what it says."""
    import csv
    import io

    import numpy as np

    from tinyloc.data import Scaler
    from tinyloc.files import write_atomic
    from tinyloc.run import Session
    from tinyloc.train import scores

    program = _program(model)
    codes, w, d = _codes(program, _own_source(program.info, data_name, given), None)
    if stream:
        session, delay = Session(program.retime(1), backend), int(program.info.get("delay", 0))
        rows = program.buffers[program.input].quantize(Scaler.from_dict(program.info["scaler"]).prepare(
            d.test.select(program.info.get("aps", d.aps))))
        parts = []
        for start, end in zip(*_recordings(d.test.starts()), strict=True):
            session.reset()
            # A recording's last answers come when it is over: its last row again and again.
            more = np.concatenate([rows[start:end], np.repeat(rows[end - 1 : end], delay, 0)])
            parts.append(session.run_stream(more)[delay:])
        labels = np.concatenate(parts)[:, 0]
    else:
        labels = Session(program, backend).run_windows(codes)[:, -1, 0]
    rooms = tuple(program.info.get("rooms", d.rooms))
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
             f"{', sample by sample' if stream else ''}: macro-F1 {result['macro_f1']:.3f}, accuracy "
             f"{result['accuracy']:.3f}"]
    f1 = [["room", "F1"]] + [[r, f"{v:.3f}"] for r, v in result["f1"].items() if v is not None]
    lines.append(table(f1[:21]) + (f"\n... and {len(f1) - 21} rooms more" if len(f1) > 21 else ""))
    _emit(as_json, facts, "\n".join(lines))


def _recordings(starts: Any) -> tuple[Any, Any]:
    """First row of each recording, and the row after its last."""
    import numpy as np

    first = np.unique(starts)
    return first, np.append(first[1:], len(starts))


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
    """The main job: train a Mamba and a Transformer, make integer Programs of them, prove bits and bytes.

    Exit code 0: both are bit-exact and fit 64 KB with everything in RAM.
    """
    from tinyloc.demo import BUDGETS, MODELS
    from tinyloc.demo import demo as main_job
    from tinyloc.train import Recipe

    source = _source(data_name, seed, given)
    d = _load(source)
    recipe = Recipe(seed=seed, **({"epochs": epochs} if epochs is not None else {}))
    say = (lambda s: None) if as_json else click.echo
    name = d.name + (" (a SIMULATED house: no radio was involved)" if d.simulated else "")
    say(f"data: {name}, {len(d.aps)} access points, {len(d.rooms)} rooms, {len(d.train)} + {len(d.val)} + {len(d.test)} "
        "rows for training, validation and test")
    found = main_job(d, Path(out), models=models or MODELS, recipe=recipe, source=source, say=say,
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
    _emit(as_json, {"data": d.name, "simulated": d.simulated, "models": found}, "\n" + table(rows) + "\n"
          "bytes; RAM: with weights, tables and steps in flash; fits: with everything in RAM, as the paper wants; code and "
          f"stack are not in it\nwritten to {out}/: models, Programs, demo.json; how fast: tinyloc bench "
          f"{out}/{found[0]['model']}.int8.safetensors --mcu nrf52832 (with the extra mcu)")
    if not all(r["verify"]["equal"] and r["memory"]["total"] <= BUDGETS[-1] for r in found):
        sys.exit(NO)


@main.command()
@click.option("--data", "data_name", default="simulated", show_default=True, help=DATA_HELP)
@click.option("--ram", help="Budget of RAM, such as 32K: what `tinyloc audit` counts.")
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
@SEED
@CSV
@JSON
def search(data_name: str, ram: str | None, flash: str | None, mcu: str | None, total: bool, core: str | None, trials: int,
           epochs: int, repeats: int, out: str, picture: str | None, scheduler: str | None, count: int | None, seed: int,
           as_json: bool, **given: Any) -> None:
    """Find the Pareto front of macro-F1 (int8, validation), bytes and instructions within a budget.

    Every trial is kept in OUT: a search that was killed goes on when it is started again, and more --trials extend one.
    Exit code 1: no model was found.
    """
    from tinyloc.bench import core_of
    from tinyloc.emulator.mcu import budget as find_budget
    from tinyloc.emulator.mcu import find
    from tinyloc.search import countable, need, workers
    from tinyloc.search import search as run_search
    from tinyloc.trial import Goal

    need()
    limit = find_budget(mcu, ram, flash)
    which, why = core or "cortex-m4", ""
    if mcu:
        try:
            which = f"cortex-{core_of(find(mcu))}"
        except ConfigError as e:
            why = str(e)
    why = why or countable(which)
    if count and scheduler:
        raise ConfigError("--workers is for a cluster on this machine; with --scheduler, its own workers count")
    goal = Goal(limit, total, trials, epochs, repeats, "" if why else which, seed)
    source = _source(data_name, seed, given)
    d = _load(source)
    if why and not as_json:
        click.echo(f"instructions cannot be counted ({why}): multiply-accumulates stand for them, an estimate", err=True)
    show, end = _search_bar(as_json)
    try:
        with workers(scheduler, count) as client:
            facts = run_search(d, out, goal, client, source=source, picture=picture, progress=show)
    finally:
        end()
    unit = "instructions" if goal.core else "~MACs"
    rows = [["trial", "settings", "window", "F1 validation", "spread", "F1 test", "RAM", "all in RAM", unit]]
    for p in facts["front"]:
        c = p["config"]
        names = ("d", "blocks", "n", "k", "expand") if c["family"] == "mamba" else ("d", "kernels")
        shown = (str(c[k]).replace(" ", "").replace(",)", ")") for k in names)
        of = " ".join(f"{k}={v}" for k, v in zip(names, shown, strict=True)) + (" tied" if c["tied"] else "")
        rows.append([str(p["trial"]), f"{c['family']} {of}", str(p["window"]), f"{p['validation']['macro_f1']:.3f}",
                     f"{p['validation']['spread']:.3f}", f"{p['test']['int8']['macro_f1']:.3f}", f"{p['memory']['ram']:,}",
                     f"{p['memory']['total']:,}", f"{p['instructions'] or p['macs']:,}"])
    n = facts["trials"]
    left = n["wanted"] - n["finished"]
    lines = [table(rows)] if facts["front"] else ["no model was found"]
    lines += [f"{d.name}{' (SIMULATED)' if d.simulated else ''}, {limit.name}{' for all' if total else ''}: {n['finished']} "
              f"trials, {n['stopped']} of them stopped early, {n['failed']} failed; {n['over']} settings were over budget",
              "F1 is int8; validation: mean of a trial's trainings, chosen by; test: of the kept model, chose nothing; "
              f"{unit} a window", f"written to {out}/: {len(facts['front'])} models and Programs in models/, front.json"
              + (f"; the picture: {facts['picture']}" if facts["front"] else "")]
    lines += [f"INTERRUPTED: the same command goes on with the {left} trials that are left"] * (left > 0) + facts["errors"]
    _emit(as_json, facts, "\n".join(lines))
    if not facts["front"]:
        sys.exit(NO)


def _search_bar(quiet: bool) -> tuple[Callable[[Any], None] | None, Callable[[], None]]:
    """(a callback for each trial, what ends the bar)."""
    if quiet:
        return None, lambda: None
    bar: Any = None

    def show(p: Any) -> None:
        nonlocal bar
        if bar is None:
            bar = click.progressbar(length=p.of, label="search", file=sys.stderr, show_pos=True, width=24,
                                    item_show_func=lambda s: s)
            bar.__enter__()
        bar.update(p.finished - bar.pos, f"front of {p.front}, best F1 {p.best:.3f}; {p.stopped} stopped, {p.over} over")

    def end() -> None:
        if bar is not None:
            bar.__exit__(None, None, None)

    return show, end


@main.group()
def reproduce() -> None:
    """Repeat a published experiment, with ours beside it."""


@reproduce.command()
@click.option("--data", "data_name", default="flat", show_default=True, help=DATA_HELP)
@click.option("--out", default="paper", show_default=True, type=click.Path(file_okay=False),
              help="Folder of all models and results; a run that was stopped goes on there.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1, 1000), help="Runs, for the spread.")
@click.option("--budget", default="all", show_default=True, type=click.Choice(["32", "64", "all"]),
              help="Rows of the paper's tables, KB.")
@click.option("--epochs", type=int, help="At most so many passes over the training windows. [120; fewer for large data]")
@click.option("--teacher", "teachers", multiple=True,
              help="A preset to choose teachers from, one option each. [Mamba H32L1 to H64L1, MDCSA H32L1 and H64L1]")
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time. [one a processor]")
@click.option("--quick", is_flag=True, help="One seed and few epochs, to see that all works.")
@CSV
@JSON
def paper(data_name: str, out: str, seeds: int, budget: str, epochs: int | None, teachers: tuple[str, ...],
          jobs: int | None, quick: bool, as_json: bool, **given: Any) -> None:
    """The tables of Suwannaphong et al., Sci. Rep. 15:10081 (2025): its recipe, and our integer Programs beside it.

    Adds what the paper lacks: spread over seeds, every byte of RAM and flash, instructions a window.
    """
    import os

    from tinyloc.paper.report import SECTIONS, departures, heading, save
    from tinyloc.paper.reproduce import TEACHERS, Settings
    from tinyloc.paper.reproduce import reproduce as run

    source = _source(data_name, 0, given)
    del source["seed"]
    settings = Settings(source, seeds, budget, epochs, teachers or TEACHERS, quick)
    found = run(settings, out, jobs=jobs or len(os.sched_getaffinity(0)),
                say=lambda line: click.echo(line, err=True), bar=lambda label: progress_bar(label, as_json))
    parts = [f"{title}\n\n{table(make(found))}" for title, make in SECTIONS]
    _emit(as_json, save(found, out), "\n\n".join([heading(found), *parts, "\n".join(f"- {n}" for n in departures(found))])
          + f"\nwritten to {out}/: results.json, results.md, a folder of models and Programs a seed")
