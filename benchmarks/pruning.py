"""Macro-F1 of pruned models beside models of the same shape trained from scratch: `python benchmarks/pruning.py --help`.

In float, on the test rows, over several seeds; every choice is made on validation only.  A row's columns: the unpruned
model; cut at once without training; pruned by default (`tinyloc.prune.prune`); the same with the unpruned model as its
teacher; the pruned one's shape, and its access points, trained from scratch by the recipe that made the unpruned one.
Bytes: all in RAM, of the int8 Program.  Results are kept in build/pruning.json and not computed twice.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinyloc.cli import table
from tinyloc.data import Dataset, load, macro_f1
from tinyloc.files import write_atomic
from tinyloc.model import Model
from tinyloc.prune import RECIPE, importance, prune, resolve, shrink
from tinyloc.quantize import calibrate
from tinyloc.train import Recipe, fit, last_rows, prepare
from tinyloc.verify import audit

EPOCHS = {"ujiindoorloc": 30}  # as in accuracy.py
ROWS: tuple[tuple[str, str, Mapping[str, float], str], ...] = (  # data, preset, what is kept, which states
    ("flat", "mamba-h16l1", {"inner": 0.5}, "powers"),
    ("flat", "mamba-h16l1", {"state": 8}, "powers"),
    ("flat", "mamba-h16l1", {"state": 4}, "powers"),
    ("flat", "mamba-h16l1", {"state": 4}, "free"),
    ("flat", "mamba-h16l1", {"inner": 0.5, "state": 4}, "powers"),
    ("flat", "mdcsa-h16l1", {"fc1": 0.25, "fc2": 0.25}, "powers"),
    ("ujiindoorloc", "mamba-h16l1", {"aps": 300}, "powers"),
    ("ujiindoorloc", "mamba-h16l1", {"aps": 200}, "powers"),
    ("ujiindoorloc", "mamba-h16l1", {"aps": 150}, "powers"),
)
COLUMNS = ("unpruned", "cut", "pruned", "taught", "scratch")


def f1(model: Model, d: Dataset) -> float:
    w = last_rows(model.info, d.test)
    return macro_f1(w.y[:, -1], model.labels(w), len(d.rooms))


def measure(data: str, preset: str, keep: Mapping[str, float], decay: str, seed: int, folder: Path) -> dict[str, float]:
    """Macro-F1 by column, and the bytes of the unpruned and of the pruned model's Program."""
    d = load(data, seed=seed)
    recipe = Recipe(seed=seed, **({"epochs": EPOCHS[data]} if data in EPOCHS else {}))
    file = folder / f"{data}-{preset}-{seed}.safetensors"
    if not file.exists():
        fit(d, preset, recipe).save(file)
    model = Model.load(file)
    cut, _ = shrink(model, importance(model, prepare(model.info, d.train)[0]), resolve(model.config, keep), decay)
    fine = replace(RECIPE, seed=seed, **({"epochs": EPOCHS[data] // 2} if data in EPOCHS else {}))
    pruned, taught = (prune(model, d, keep, fine, decay=decay, teachers=teachers) for teachers in ([], [model]))
    scratch = fit(d.select(pruned.info["aps"]), pruned.config, recipe)
    found = dict(zip(COLUMNS, (f1(m, d) for m in (model, cut, pruned, taught, scratch)), strict=True))
    return {**found, **{f"bytes {k}": audit(calibrate(m, d)).best.total for k, m in (("before", model), ("after", pruned))}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["flat", "ujiindoorloc"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/pruning.json"))
    args = parser.parse_args()
    done = json.loads(args.out.read_text()) if args.out.exists() else {}
    rows = [["data", "preset", "kept", "states", *COLUMNS, "bytes", "pruned"]]
    for data, preset, keep, decay in ROWS:
        if data not in args.data:
            continue
        kept = ", ".join(f"{k} {v}" for k, v in keep.items())
        results = []
        for seed in range(args.seeds):
            key = f"{data}/{preset}/{kept}/{decay}/{seed}"
            if key not in done:
                done[key] = measure(data, preset, keep, decay, seed, args.out.parent)
                write_atomic(args.out, json.dumps(done, indent=1))
            results.append(done[key])
        of = {k: np.array([r[k] for r in results]) for k in results[0]}
        rows.append([data, preset, kept, decay if "state" in keep else "-",
                     *(f"{of[k].mean():.3f} ± {of[k].std():.3f}" for k in COLUMNS),
                     *(f"{of[f'bytes {k}'].mean():,.0f}" for k in ("before", "after"))])
        print(*rows[-1], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
