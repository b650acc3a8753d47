"""Whether confidences come true on rows that nothing was chosen on, and what the stream makes of them: `python
benchmarks/confidence.py --help`.

Of each model: accuracy and expected calibration error of the windows of the test rows, of the int8 Program and of the float
model with the same table; the stream over the test recordings, answers that are rooms and how many of them are right, and
how often float and int8 give the same answer, room or unknown; the same with one access point dead, where the stream may
know how many have to be heard, and where it may not.  Models are kept in build/confidence/ and not trained twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from robustness import strongest, without

from tinyloc import confidence, run
from tinyloc.cli import table
from tinyloc.data import Dataset, Samples, load
from tinyloc.model import Model
from tinyloc.program import Program
from tinyloc.quantize import calibrate
from tinyloc.stream import Config, answers, float_replay, script
from tinyloc.train import Inputs, Recipe, fit, last_rows


@dataclass(frozen=True)
class Case:
    """How a model is made."""

    data: str
    preset: str
    inputs: Inputs
    recipe: Recipe


CASES = {
    "flat, mamba-h16l1": Case("flat", "mamba-h16l1", Inputs(), Recipe()),
    "flat, mamba-h16l1, --delay 2": Case("flat", "mamba-h16l1", Inputs(delay=2), Recipe()),
    "flat, mdcsa-h8l1": Case("flat", "mdcsa-h8l1", Inputs(), Recipe()),
    "ujiindoorloc, mamba-h16l1": Case("ujiindoorloc", "mamba-h16l1", Inputs("powed", least=20), Recipe(epochs=30)),
    "ujiindoorloc, mdcsa-h8l1": Case("ujiindoorloc", "mdcsa-h8l1", Inputs("powed", least=20), Recipe(epochs=30)),
}


def made(data: Dataset, case: Case, seed: int, file: Path) -> tuple[Model, Program]:
    """Trained and kept in the file, or what is there; and its Program."""
    if not file.exists():
        fit(data, case.preset, replace(case.recipe, seed=seed), inputs=case.inputs).save(file)
    model = Model.load(file)
    return model, confidence.calibrate(calibrate(model, data), data)


def error_of_labels(model: Model, program: Program, rows: Samples) -> tuple[float, float, float]:
    """(accuracy of the int8 Program, expected calibration error in int8, in float) of each row, as firmware runs it."""
    w = last_rows(program.info, rows)
    y, true = run.answers(program, w), w.y[:, -1]
    _, args = confidence.decoder(program)
    labels, margin = w.said(model.carries(w), lambda x: np.stack(model.margins(x[None]), -1)[0],
                            lambda x: np.stack(model.margins(x), -1)[:, -1]).T
    sure = confidence.reliability_of(program).of(margin / program.buffers[str(args["x"])].scale)
    return (float((y[:, 0] == true).mean()), confidence.calibration_error(y[:, 1] / 255, y[:, 0] == true),
            confidence.calibration_error(sure / 255, labels == true))


def streamed(program: Program, rows: Samples, model: Model | None = None, blind: bool = False) -> tuple[float, float, float]:
    """(share of answers that are rooms, of these that are right, of all answers that float and int8 share).

    blind: however few access points are heard.
    """
    if blind:
        program = replace(program, info={**program.info, "confidence": {**program.info["confidence"], "least": 1}})
    room, starts, same = answers(program, rows)["room"], rows.starts(), np.nan
    if model:
        floats = [float_replay(model, program, events) for events in script(rows, tuple(program.info["aps"]))]
        same = float((room == np.concatenate(floats)["room"]).mean())
    about = np.arange(len(rows)) - int(program.info["delay"])
    true = np.where(about >= starts, rows.room[np.maximum(about, 0)], -1)
    known = (room >= 0) & (true >= 0)
    return float((room >= 0).mean()), float((room == true)[known].mean()) if known.any() else np.nan, same


def mean(rows: Sequence[Sequence[float]], of: Callable[[Sequence[float]], Any] = np.mean) -> list[float]:
    """Of each column, over what there is: where no answer is a room, none can be right."""
    return [float(of([v for v in column if v == v] or [np.nan])) for column in zip(*rows, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strongest", type=int, default=6, metavar="N", help="access points that die, one at a time")
    parser.add_argument("--out", type=Path, default=Path("build/confidence"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    head = ["model", "accuracy", "ECE int8", "ECE float", "threshold", "least", "warm-up", "rooms", "right", "float = int8",
            "one dead: rooms", "right", "blind: rooms", "right"]
    rows = [head]
    for name, case in CASES.items():
        found = []
        for seed in range(args.seeds):
            data = load(case.data, seed=seed)
            file = args.out / f"{name.replace(', ', '-').replace(' ', '')}-{seed}.safetensors"
            model, program = made(data, case, seed, file)
            c = program.info["confidence"]
            heard = set(program.info["aps"])
            gone = [ap for ap in strongest(data.train) if ap in heard][: args.strongest]
            dead = [mean([streamed(program, without(data.test, [ap]), blind=blind)[:2] for ap in gone])
                    for blind in (False, True)]
            found.append([*error_of_labels(model, program, data.test), c["threshold"], c["least"], c["warm_up"],
                          *streamed(program, data.test, model), *dead[0], *dead[1]])
            print(name, seed, Config.of(program.info), *(f"{v:.3f}" for v in found[-1]), flush=True)
        means, spread = mean(found), mean(found, np.std)
        rows.append([name, *(f"{m:.0f} ± {s:.0f}" if m >= 1 else f"{m:.3f} ± {s:.3f}"
                             for m, s in zip(means, spread, strict=True))])
    print(f"{args.seeds} seeds")
    print(table(rows), flush=True)


if __name__ == "__main__":
    main()
