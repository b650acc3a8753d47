"""The command `plan`."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyloc.cli.common import CSV, DATA_HELP, JSON, NO, emit, load_source, main, read_program, source_of, table
from tinyloc.errors import ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from tinyloc.site_plan import Plan, Step

ASKS = {"record": "is there enough?", "compare": "which model?", "deploy": "onto the device"}


@main.command()
@click.option("--data", "data_name", help=f"Of the site: {DATA_HELP}  Or a recording of `tinyloc watch`. [the plan's]")
@click.option("--out", default="plan", show_default=True, type=click.Path(file_okay=False), help="Folder of the plan.")
@click.option("--run", "stage", type=click.Choice(list(ASKS)), help="Do what this stage lacks.")
@click.option("--mcu", help="Microcontroller in question.")
@click.option("--ram", help="Budget of RAM, such as 20K: with --mcu, what its other firmware leaves.")
@click.option("--flash", help="Budget of flash, likewise.")
@click.option("--epochs", type=click.IntRange(1), help="At most so many passes over the training windows. [training's own]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of the split and the training. [0]")
@click.option("--period", type=click.IntRange(1, 65535), help="Of a recording: milliseconds a row. [200]")
@click.option("--port", help="With --run deploy: the board's serial port, to verify.")
@click.option("--key", type=click.Path(dir_okay=False), help="With --run deploy: PEM file of the key that signs.")
@CSV
@JSON
def plan(data_name: str | None, out: str, stage: str | None, mcu: str | None, ram: str | None, flash: str | None,
         epochs: int | None, seed: int | None, period: int | None, port: str | None, key: str | None, as_json: bool,
         **given: Any) -> None:
    """Plan a proof of concept for a site, and do it step by step.

    \b
    record   is there enough to learn from and to judge by?
    compare  the paper's 64 KB Transformer, its 32 KB Mamba and ours, on the site's own walk
    deploy   export, self-test, package, verify a board, watch

    Without --run it prints the checklist: each command with the site's paths, and whether it is done.  What is done and
    still true is not done again.  OUT/plan.json remembers it, and the options too.

    Exit code 1: with --run, the stage says no (too little was recorded, nothing fits, a self-test fails).
    """
    if stage != "deploy" and (port or key):
        raise ConfigError(f"--{'port' if port else 'key'} is about the last stage: it needs --run deploy")
    p = _plan(data_name, Path(out), {"mcu": mcu, "ram": ram, "flash": flash}, epochs, seed, period, given)
    answer = True
    if stage:
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            if stage == "record":
                answer = _record(p)
            else:
                if stage == "deploy" and any(p.state(s) != "done" for s in p.compare_steps()):
                    raise ConfigError(f"nothing to deploy yet: the models are not compared as they are; first "
                                      f"{_again(p, 'compare')}")
                if stage == "deploy" and p.chosen() is None:
                    raise ConfigError("nothing to deploy: no model fits and is bit-exact")
                steps = p.compare_steps() if stage == "compare" else p.deploy_steps(port, key)
                answer = all(_run(p, s) for s in steps if not s.by_hand)
                if stage == "compare":
                    answer = answer and p.chosen() is not None
    emit(as_json, _facts(p, port, key) if as_json else {}, "" if as_json else "\n".join(_checklist(p, port, key)))
    if not answer:
        sys.exit(NO)


def _plan(data: str | None, out: Path, target: dict[str, str | None], epochs: int | None, seed: int | None,
          period: int | None, given: dict[str, Any]) -> Plan:
    """The plan of the folder, with what was given beside; or a new one.  It is saved where that makes it another one."""
    from tinyloc.data import DATASETS
    from tinyloc.emulator.mcu import buildable
    from tinyloc.report.subject import Target
    from tinyloc.site_plan import Plan
    from tinyloc.watch import file_lines, is_recording, recorded_csv

    known = Plan.load(out)
    if known is None and data is None:
        raise ConfigError(f"{out}: there is no plan yet; expected --data, the walk that it is about")
    was = known.source if known else {}
    if data is not None and Path(data).is_file() and is_recording(data, **_heading(source_of(data, 0, given), was)):
        from tinyloc.files import check_writable, write_atomic

        if any(v not in (None, ()) for k, v in given.items() if k in ("csv_time", "csv_room", "csv_rssi", "csv_session",
                                                                     "csv_motion", "csv_delimiter", "csv_not_heard")):
            raise ConfigError(f"{data}: is a recording, whose columns have their names (a CSV file's first line would name "
                              "those of --time and --room); expected no options of a CSV file but --window and --hop")
        rows = out / "recorded.csv"
        check_writable(rows, data)
        write_atomic(rows, recorded_csv(file_lines(data), period or 200))
        data, given = str(rows), {**given, "csv_session": "session"}
    elif period is not None:
        raise ConfigError("--period says how rows are made of a recording; expected one as --data")
    source = source_of(data if data is not None else was["data"], was.get("seed", 0) if seed is None else seed, given)
    if was and source["data"] == was["data"]:
        source = {**was, **source, "columns": {**was["columns"], **source["columns"]}}
    if source["data"] not in DATASETS and not Path(source["data"]).is_file():
        load_source(source)  # it says what is wrong
    if target["mcu"]:  # by its whole name in the checklist and in the commands
        target = {**target, "mcu": buildable(target["mcu"]).name}
    p = known or Plan(out, source)
    p = replace(p, source=source, epochs=epochs or p.epochs,
                target={**p.target, **{k: v for k, v in target.items() if v is not None}})
    Target.of(p.target.get("mcu"), p.target.get("ram"), p.target.get("flash"))  # a mistake is said before anything is done
    if p != known:  # else a checklist could undo what another process has just finished
        p.save()
    return p


def _heading(source: dict[str, Any], was: dict[str, Any]) -> dict[str, Any]:
    """What is known of a CSV file's first line, by the options given now, or for the same file before."""
    columns = {**(was["columns"] if was and was["data"] == source["data"] else {}), **source["columns"]}
    return {k: columns[k] for k in ("time", "room", "delimiter") if k in columns}


def _record(p: Plan) -> bool:
    from tinyloc.data import Dataset
    from tinyloc.data.csv_file import read_csv
    from tinyloc.site_plan import checks

    split: Dataset | str
    if files := p.data_files():
        columns = {k: v for k, v in p.source["columns"].items() if k not in ("window", "hop")}
        whole, rate, _ = read_csv(files[0], **columns)
        parts = [whole]
        try:
            split = load_source(p.source)
        except DataError as e:  # the file is in order, as was seen above
            split = str(e)
        window = int(p.source["columns"].get("window", 20)) if isinstance(split, str) else split.window
    else:
        split = load_source(p.source)
        parts, window, rate = [split.train, split.val, split.test], split.window, split.rate_hz
    p.remember(checks(parts, window, rate, split))
    return p.recorded() == "done"


def _run(p: Plan, step: Step) -> bool:
    """Runs a step unless it is done; whether it is done then."""
    if p.state(step) == "done":
        return True
    click.echo(f"$ {shlex.join(step.command)}")
    code = _command(step.command)
    if code not in step.allowed:
        click.echo(f"{step.name}: exit code {code}; what is done stays done, start it again when the cause is gone",
                   err=True)
        if code != NO:
            sys.exit(code)
        return False
    if step.name.startswith("train "):
        from tinyloc.model import Model

        if Model.load(step.makes[0]).info["interrupted"]:
            raise KeyboardInterrupt  # its best so far is there; started again, it goes on
    if lacking := [m for m in step.makes if not m.exists()]:
        raise ModelError(f"{step.name}: {lacking[0]} was not made")
    p.finish(step)
    return True


def _command(words: tuple[str, ...]) -> int:
    """Runs a command line, in this process where it is tinyloc's; its exit code."""
    if words[0] != "tinyloc":
        done = subprocess.run(words, text=True, capture_output=True)
        click.echo((done.stderr.strip() or done.stdout.strip()).splitlines()[-1] if done.stdout or done.stderr else "")
        return NO if done.returncode else 0
    try:
        main.main(list(words[1:]), prog_name="tinyloc", standalone_mode=False)
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except SystemExit as e:
        return int(e.code or 0)
    return 0


# ---- what it says ----

def _again(p: Plan, stage: str) -> str:
    return shlex.join(["tinyloc", "plan", "--out", str(p.out), "--run", stage])


def _facts(p: Plan, port: str | None, key: str | None) -> dict[str, Any]:
    steps = [*p.compare_steps(), *p.deploy_steps(port, key)]
    recorded = p.recorded()
    return {"out": str(p.out), "source": p.source, "target": p.target, "record": {
        "state": recorded, "checks": p.record["checks"] if recorded != "to do" else []}, "compared": p.compared(),
        "chosen": p.chosen(), "steps": [{"stage": s.stage, "name": s.name, "title": s.title, "state": p.state(s),
                                         "command": list(s.command), "by_hand": s.by_hand or None} for s in steps],
        "next": _next(p)}


def _next(p: Plan) -> str | None:
    """The stage that comes next, None when all that the plan can do is done."""
    if p.recorded() == "to do":
        return "record"
    if any(p.state(s) != "done" for s in p.compare_steps()):
        return "compare"
    return "deploy" if any(p.state(s) != "done" for s in p.deploy_steps() if not s.by_hand) else None


def _checklist(p: Plan, port: str | None, key: str | None) -> list[str]:
    recorded = p.recorded()
    target = ", ".join(f"{v}" if k == "mcu" else f"{v} of {k}" for k, v in p.target.items()) or "any microcontroller"
    lines = [f"{p.source['data']}, for {target}, in {p.out}", "", f"1 record: {ASKS['record']}  {recorded}"]
    if recorded != "to do":
        found = p.record["checks"]
        lines += [table([["", "", "has", "needs"]] + [["ok" if c["holds"] else "NO" if c["needed"] else "better",
                                                      c["name"], c["figure"], c["bound"]] for c in found])]
        for c in found:
            if not c["holds"]:
                lines.append(f"  {c['name']}: {c['why']}. What helps: {c['advice']}.")
        if recorded == "not enough":
            lines.append("Record more before you compare: what the next stage says would rest on luck.")
    lines += ["", f"2 compare: {ASKS['compare']}"]
    lines += _listed(p, p.compare_steps())
    compared, chosen = p.compared(), p.chosen()
    if compared:
        lines += ["", table([["model", "macro-F1", "95 % interval", "on validation", "RAM", "flash", "all in RAM",
                              "instructions", "fits", "bit-exact"]] + [
            [r["model"], f"{r['macro_f1']:.3f}", "{:.3f} to {:.3f}".format(*r["interval"]),
             "-" if r["validation_macro_f1"] is None else f"{r['validation_macro_f1']:.3f}", f"{r['ram']:,}",
             f"{r['flash']:,}", f"{r['all_in_ram']:,}", "-" if r["instructions"] is None else f"{r['instructions']:,}",
             "yes" if r["fits"] else "NO", "yes" if r["exact"] else "NO"] for r in compared]), *_advice(p, compared, chosen)]
    lines += ["", f"3 deploy: {ASKS['deploy']}" + (f", {chosen}" if chosen else " (the model is named once it is chosen)")]
    lines += _listed(p, p.deploy_steps(port, key))
    following = _next(p)
    lines += ["", f"next: {_again(p, following)}" if following else "what is left is for your hands: the board, and a walk"]
    return lines


def _listed(p: Plan, steps: list[Step]) -> list[str]:
    lines = []
    for s in steps:
        state = p.state(s)
        mark = "x" if state == "done" else " "
        said = s.by_hand if state == "to do" else "" if state == "done" else state
        why = f"  ({said})" if said else ""
        lines += [f"  [{mark}] {s.title}{why}", f"      {shlex.join(s.command)}"]
    return lines


def _advice(p: Plan, compared: list[dict[str, Any]], chosen: str | None) -> list[str]:
    if not all(r["linked"] for r in compared):
        said = ["Without the extra mcu, code and stack are not in these bytes, and instructions are not counted."]
    else:
        said = ["RAM and flash are those of the linked firmware, code and stack included; instructions are of a run: a "
                "sample where the model streams, else a window."]
    if chosen is None:
        return [*said, "None of them fits and is bit-exact. `tinyloc search` looks for smaller ones, `tinyloc prune` makes "
                "them."]
    best = next(r for r in compared if r["model"] == chosen)
    said.append(f"{chosen} is the best on validation of those that fit, so it is deployed; test rows had no say in that.")
    rivals = [r for r in compared if r["fits"] and r is not best and r["interval"][1] >= best["interval"][0]
              and r["interval"][0] <= best["interval"][1]]
    if rivals:
        smaller = min([best, *rivals], key=lambda r: r["all_in_ram"])
        said.append(f"The interval of {' and that of '.join(r['model'] for r in rivals)} overlaps its own: do not read much "
                    "into the difference on this walk alone. "
                    + ("It is the smallest of them too." if smaller is best else
                       f"Where bytes count, {smaller['model']} is as good a choice until a longer walk tells."))
    if p.model(chosen).exists() and read_program(str(p.model(chosen))).info.get("confidence", {}).get("seen"):
        said.append("Its confidence was counted on rows that it was trained on, and is too favorable: walk again with "
                    "`tinyloc watch`, mark the rooms, and see how many of its answers are right.")
    return said
