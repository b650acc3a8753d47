"""Macro-F1 in float and in int8, per data set and preset, over several seeds: `python benchmarks/accuracy.py --help`.

Trains each model by the default recipe (the model is chosen on validation only), quantizes it with the default
calibration, and scores both on the test rows; with --qat also the Program of quantization-aware training.  Results are kept
in build/accuracy.json and not computed twice.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinyloc import qat
from tinyloc.cli import table
from tinyloc.data import load, macro_f1
from tinyloc.files import write_atomic
from tinyloc.program import Program
from tinyloc.quantize import calibrate
from tinyloc.run import Session
from tinyloc.train import Recipe, fit, last_rows

PRESETS = ("mamba-h8l1", "mamba-h16l1", "mamba-h32l1", "mdcsa-h8l1", "mdcsa-h16l1")
EPOCHS = {"ujiindoorloc": 30}  # its 15,000 rows make as many steps in 30 epochs as the others' windows in 120
QAT_EPOCHS = {"ujiindoorloc": 3}  # which is still more steps than the others' 30


def measure(data: str, preset: str, seed: int, trained: bool = False, **options: str) -> dict[str, float]:
    """float and int8: macro-F1 on the test rows; validation: the score that chose the model.

    trained: also qat, that of quantization-aware training, and qat_epoch, the epoch of its best validation score.
    """
    d = load(data, seed=seed, **options)
    model = fit(d, preset, Recipe(seed=seed, **({"epochs": EPOCHS[data]} if data in EPOCHS else {})))
    program = calibrate(model, d)
    w = last_rows(model.info, d.test)
    true, rooms = w.y[:, -1], len(d.rooms)

    def score(program: Program) -> float:
        labels = Session(program, "c").run_windows(program.buffers[program.input].quantize(w.x))[:, -1, 0]
        return macro_f1(true, labels, rooms)

    found = {"float": macro_f1(true, model.predict(w.x), rooms), "int8": score(program),
             "validation": model.info["validation_macro_f1"], "calibration": program.info["calibration"]}
    if trained:
        recipe = replace(qat.RECIPE, seed=seed, **({"epochs": QAT_EPOCHS[data]} if data in QAT_EPOCHS else {}))
        program = qat.fit(model, d, recipe)
        found |= {"qat": score(program), "qat_epoch": program.info["qat"]["best_epoch"]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["flat", "ujiindoorloc"])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--qat", action="store_true", help="quantization-aware training too")
    parser.add_argument("--split", help="ujiindoorloc: groups (default) or random")
    parser.add_argument("--out", type=Path, default=Path("build/accuracy.json"))
    args = parser.parse_args()
    done = json.loads(args.out.read_text()) if args.out.exists() else {}
    rows = [["data", "preset", "float F1", "spread", "int8 F1", "spread", "int8 - float",
             *(["QAT F1", "spread", "QAT - float"] if args.qat else [])]]
    for data in args.data:
        options = {"split": args.split} if args.split and data == "ujiindoorloc" else {}
        for preset in args.presets:
            results = []
            for seed in range(args.seeds):
                key = "/".join([data, *options.values(), preset, str(seed)])
                if key not in done or (args.qat and "qat" not in done[key]):
                    done[key] = measure(data, preset, seed, args.qat, **options)
                    write_atomic(args.out, json.dumps(done, indent=1))
                results.append(done[key])
            f = np.array([r["float"] for r in results])
            rows.append([data, preset, f"{f.mean():.3f}", f"{f.std():.3f}"])
            for kind in ("int8", *(["qat"] if args.qat else [])):
                q = np.array([r[kind] for r in results])
                rows[-1] += [f"{q.mean():.3f}", f"{q.std():.3f}", f"{(q - f).mean():+.4f}"]
            print(*rows[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
