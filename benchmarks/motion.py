"""What an accelerometer's motion energy adds to RSSI: `python benchmarks/motion.py --help`.

By seed: the model on RSSI alone, the one that reads motion too, and which of them `fit` keeps; macro-F1 of the float models
on the test rows, and on validation, by which alone it is decided.  With --noise motion is that of other rows, and says
nothing.  Trainings are kept in build/motion and not done twice.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from tinyloc.cli import table
from tinyloc.data import Dataset, Samples, load, macro_f1
from tinyloc.model import Model
from tinyloc.train import Inputs, Recipe, fit, last_rows


def shuffled(data: Dataset, seed: int) -> Dataset:
    """The data set with each part's levels of motion in another order."""
    rng = np.random.default_rng([seed, 0x5F])

    def other(s: Samples) -> Samples:
        assert s.motion is not None
        return dataclasses.replace(s, motion=rng.permutation(s.motion))

    return dataclasses.replace(data, train=other(data.train), val=other(data.val), test=other(data.test))


def test_f1(model: Model, data: Dataset) -> float:
    w = last_rows(model.info, data.test)
    return macro_f1(w.y[:, -1], model.labels(w), len(data.rooms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="simulated", help="simulated, or byrne")
    parser.add_argument("--model", default="mamba-h8l1")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the simulated training and validation walks")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", action="store_true", help="motion of other rows")
    parser.add_argument("--out", type=Path, default=Path("build/motion"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [["seed", "RSSI", "motion", "auto", "val: RSSI", "motion", "gain", "error", "trials", "kept"]]
    found: list[list[float]] = []
    for seed in range(args.seeds):
        simulated = {"motion": True, "minutes": args.minutes} if args.data == "simulated" else {}
        data = load(args.data, seed=seed, **simulated)
        data = shuffled(data, seed) if args.noise else data
        file = args.out / f"{args.data}-{args.minutes:g}-{args.model}-{args.epochs}-{seed}{'-noise' * args.noise}"
        recipe = Recipe(seed=seed, epochs=args.epochs)
        auto = fit(data, args.model, recipe, checkpoint=file)
        # What it trained is in its checkpoints, named as `train.checkpoints` has them.
        alone, both = (fit(data, args.model, recipe, inputs=Inputs(motion=motion), checkpoint=Path(f"{file}{end}"))
                       for motion, end in (("off", ""), ("on", ".on1")))
        choice = auto.info["motion_choice"]
        first = choice["trials"][0]
        found.append([*(test_f1(m, data) for m in (alone, both, auto)), first["rssi"], first["motion"], first["gain"]])
        rows.append([str(seed), *(f"{v:.3f}" for v in found[-1]), f"{first['error']:.3f}", str(len(choice["trials"])),
                     "motion" if choice["kept"] else "RSSI"])
        print(seed, json.dumps(choice), flush=True)
    for name, values in (("mean", np.mean(found, 0)), ("spread", np.std(found, 0))):
        rows.append([name, *(f"{v:.3f}" for v in values), "", "", ""])
    print(f"{args.data}, {args.seeds} seeds, {args.model}{', motion is noise' if args.noise else ''}")
    print(table(rows))


if __name__ == "__main__":
    main()
