"""Macro-F1 in float and in int8, per data set and preset, over several seeds: `python benchmarks/accuracy.py --help`.

Trains each model by the default recipe (the model is chosen on validation only) with the paper's inputs, or with --tuned by
`tinyloc.tuned`, quantizes it with the default calibration, and scores both on the test rows; with --qat also the Program of
quantization-aware training, with --int4 also that with weights of four bits.  All are scored as firmware runs them, sample
by sample where they can, the state carried on through each recording; with --anew the int8 Program also with a window a row,
each begun anew, with --on-end after it has gone through all test rows 99 times without a restart.  --carry: see `Recipe`.
bytes: of int8 and of int4 with everything in RAM, code and stack apart, the greatest over the seeds.  Results are kept in
build/accuracy.json, not computed twice.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc import qat
from tinyloc.cli import table
from tinyloc.data import Recordings, Windows, accuracy, load, macro_f1
from tinyloc.files import write_atomic
from tinyloc.program import Program
from tinyloc.quantize import calibrate
from tinyloc.run import labels
from tinyloc.train import Inputs, Recipe, as_begun, fit, last_rows
from tinyloc.tuned import tuned
from tinyloc.verify import audit

PRESETS = ("mamba-h8l1", "mamba-h16l1", "mamba-h32l1", "mdcsa-h8l1", "mdcsa-h16l1")
EPOCHS = {"ujiindoorloc": 30}  # its 15,000 rows make as many steps in 30 epochs as the others' windows in 120
ANEW, ON_END, TIMES = "anew", "on_end", 100
TRAINED = {"qat": "int8", "int4": "int4"}  # what comes of quantization-aware training, and the precision of its weights
# Which of ujiindoorloc is still more steps than the others' 30; to mend four bits, validation says, takes some ten.
QAT_EPOCHS = {("ujiindoorloc", "qat"): 3}


def measure(data: str, name: str, seed: int, kinds: tuple[str, ...] = (), ours: bool = False, delay: int = 0,
            window: int = 0, carry: float = Recipe.carry, **options: str) -> dict[str, Any]:
    """float and int8: macro-F1 and accuracy on the test rows; validation: the score that chose the model; bytes.

    kinds: of `TRAINED`, what quantization-aware training makes too, `ANEW` and `ON_END`.  ours: by `tuned`.
    """
    d = load(data, seed=seed, **options)
    cut = {"window": window, "hop": max(1, window // 2)} if window else {}
    recipe = Recipe(seed=seed, carry=carry, **({"epochs": EPOCHS[data]} if data in EPOCHS else {}))
    if ours:
        by = tuned(d, recipe, delay)
        model = fit(d, name, by.recipe, inputs=by.inputs, augmentation=by.augmentation, refit=by.refit,
                    **cut)
    else:
        model = fit(d, name, recipe, inputs=Inputs(least=0, delay=delay), **cut)
    program = calibrate(model, d)
    w = last_rows(model.info, d.test)
    true, rooms = w.y[:, -1], len(d.rooms)

    def score(labels: np.ndarray) -> list[float]:
        return [macro_f1(true, labels, rooms), accuracy(true, labels)]

    def run(program: Program, w: Windows = w) -> list[float]:
        return score(labels(program, w))

    found = {"float": score(model.labels(w)), "int8": run(program), "validation": model.info["validation_macro_f1"],
             "calibration": program.info["calibration"]}
    found["bytes"] = audit(program).best.total
    if ANEW in kinds:
        found[ANEW] = run(program, replace(w, recordings=None))
    if ON_END in kinds and (r := w.recordings):
        n = len(r.x)
        again = Recordings(np.tile(r.x, (TIMES, 1)), np.zeros(n * TIMES, np.int64), r.delay)
        found[ON_END] = run(program, replace(w, row=w.row + n * (TIMES - 1), recordings=again))
    for kind in (k for k in TRAINED if k in kinds):
        most = QAT_EPOCHS.get((data, kind), qat.RECIPE.epochs)
        # What has seen the validation rows is not chosen by them.
        epochs = max(2, most // 3) if ours else None
        made = replace(as_begun(qat.RECIPE, model.info), seed=seed, epochs=epochs or most)
        program = qat.fit(model, d, made, until=epochs, weights=TRAINED[kind])
        found |= {kind: run(program), "int4 bytes" if kind == "int4" else "bytes": audit(program).best.total}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["flat", "ujiindoorloc"])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--qat", action="store_true", help="quantization-aware training too")
    parser.add_argument("--int4", action="store_true", help="and with weights of four bits")
    parser.add_argument("--anew", action="store_true", help="int8 with windows that begin anew")
    parser.add_argument("--on-end", action="store_true", help="int8 after all test rows 99 times without a restart")
    parser.add_argument("--carry", type=float, default=Recipe.carry, help="share of windows that begin with a state")
    parser.add_argument("--tuned", action="store_true", help="our settings, instead of the default recipe")
    parser.add_argument("--delay", type=int, default=0, help="rows by which answers lag")
    parser.add_argument("--window", type=int, default=0, help="rows [the data's]")
    parser.add_argument("--split", help="ujiindoorloc: groups (default) or random")
    parser.add_argument("--out", type=Path, default=Path("build/accuracy.json"))
    args = parser.parse_args()
    done = json.loads(args.out.read_text()) if args.out.exists() else {}
    asked = tuple(k for k in (ANEW, ON_END, *TRAINED) if getattr(args, k))
    kinds = ("float", "int8", *asked)
    sizes = ("bytes", *(["int4 bytes"] if args.int4 else []))
    rows = [["data", "preset", *(h for k in kinds for h in (f"{k} F1", "spread", "accuracy")),
             *(f"{k} - float" for k in kinds[1:]), *sizes]]
    for data in args.data:
        options = {"split": args.split} if args.split and data == "ujiindoorloc" else {}
        how = (args.tuned, args.delay, args.window, args.carry)
        for name in args.presets:
            results = []
            for seed in range(args.seeds):
                key = "/".join([data, *options.values(), name, *map(str, how), str(seed)])
                if key not in done or any(k not in done[key] for k in asked):
                    done[key] = measure(data, name, seed, asked, *how, **options)
                    write_atomic(args.out, json.dumps(done, indent=1))
                results.append(done[key])
            of = {k: np.array([r[k] for r in results]) for k in kinds}
            rows.append([data, name, *(f"{v:.3f}" for k in kinds for v in (of[k][:, 0].mean(), of[k][:, 0].std(),
                                                                           of[k][:, 1].mean())),
                         *(f"{(of[k] - of['float'])[:, 0].mean():+.4f}" for k in kinds[1:]),
                         *(f"{max(r[size] for r in results):,}" for size in sizes)])
            print(*rows[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
