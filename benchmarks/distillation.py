"""What a student gains from teachers, way by way, over several seeds: `python benchmarks/distillation.py --help`.

The same split, student and seed in each way; teachers and students are chosen on validation alone, macro-F1 is that of the
test rows, in float and as int8 Program; bytes: of that with everything in RAM, code and stack apart, the greatest over the
seeds.  With --until, all train on training and validation rows for that many epochs, and the seeds share their teachers, as
nothing depends on the split.  With --qat students are also trained on as integers, taught as before.  Models are kept in
build/distillation and not trained twice.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tinyloc import qat
from tinyloc.cli import table
from tinyloc.data import POWER, Dataset, accuracy, load, macro_f1
from tinyloc.distill import Distillation
from tinyloc.files import write_atomic
from tinyloc.model import Model
from tinyloc.program import Program
from tinyloc.quantize import calibrate
from tinyloc.train import Recipe, as_begun, checkpoints, fit, last_rows
from tinyloc.trial import labels
from tinyloc.tuned import tuned
from tinyloc.verify import audit

COLUMNS = {kind: tuple(f"{kind} QAT, {what}" for what in ("F1", "accuracy", "bytes")) for kind in ("int8", "int4")}


def ways(beta: float, share: float) -> dict[str, Distillation | None]:
    """By name: none, the paper's, and what the library adds; "beliefs" are learnt without the labels."""
    return {"none": None, "hard, alpha 0.1": Distillation(alpha=0.1, temperature=1, hard=True), "soft": Distillation(),
            "soft + features": Distillation(beta=beta), "features": Distillation(alpha=1, beta=beta),
            "neighbors": Distillation(neighbors=1),
            "soft + neighbors": Distillation(neighbors=share),
            "beliefs + neighbors": Distillation(alpha=0, temperature=1, neighbors=share)}


def trained(path: Path, data: Dataset, name: str, recipe: Recipe, teachers: list[Model], how: Distillation | None,
            ours: bool, until: int | None, power: float = POWER, augment: Mapping[str, float] = MappingProxyType({}),
            **own: Any) -> Model:
    """That of the file, or trained now and kept there; power, augment, own: what `tuned` has otherwise."""
    if not path.exists():
        checkpoint, more = Path(f"{path}.checkpoint"), dict[str, Any]()
        if ours:
            by = tuned(data, recipe)
            recipe = replace(by.recipe, **own)
            more = {"inputs": replace(by.inputs, power=power), "augmentation": replace(by.augmentation, **augment)}
        fit(data, name, recipe, checkpoint=checkpoint, teachers=teachers, distillation=how, until=until, **more).save(path)
        for file in checkpoints(checkpoint):
            file.unlink(missing_ok=True)
    return Model.load(path)


def as_integers(path: Path, weights: str, model: Model, data: Dataset, teachers: list[Model], how: Distillation | None,
                until: int | None) -> Program:
    """The Program of the file, or the model trained on as integers now: by itself, or as it was taught.

    In half as many epochs, in its own batches, at the rate that `qat` has beside `train`: to mend is less than to learn.
    """
    if not path.exists():
        own = Recipe(**model.info["recipe"])
        epochs, lr = (until or own.epochs) // 2, own.lr * qat.RECIPE.lr / Recipe().lr
        recipe = replace(as_begun(qat.RECIPE, model.info), seed=own.seed, batch=own.batch, epochs=epochs, lr=lr)
        qat.fit(model, data, recipe, teachers=teachers, distillation=how, weights=weights,
                until=epochs if until else None).save(path)
    return Program.load(path)


def scores(program: Program, data: Dataset) -> tuple[float, float, int]:
    """(macro-F1, accuracy) on the test rows, bytes."""
    true, said = labels(program, data, "test")
    return macro_f1(true, said, len(data.rooms)), accuracy(true, said), audit(program).best.total


def score(model: Model, data: Dataset) -> dict[str, float]:
    w = last_rows(model.info, data.test)
    f1, right, size = scores(calibrate(model, data), data)
    return {"validation": model.info.get("validation_macro_f1", math.nan), "accuracy": right,
            "float": macro_f1(w.y[:, -1], model.labels(w), len(data.rooms)), "int8": f1, "bytes": size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="flat")
    parser.add_argument("--student", default="mamba-h8l1")
    parser.add_argument("--teachers", nargs="*", default=["mamba-h32l1"], help="presets; one twice: two of other seeds")
    parser.add_argument("--power", type=float, default=POWER, help="of the student's powed signals")
    parser.add_argument("--powers", nargs="+", type=float, default=[POWER], help="of teachers' powed signals, in turn")
    parser.add_argument("--batch", type=int, help="instead of --tuned's")
    parser.add_argument("--lr", type=float, help="likewise")
    parser.add_argument("--teacher-epochs", type=int, help="if others than the student's")
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--share", type=float, default=0.5, help="of neighbors beside teachers")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tuned", action="store_true", help="our settings (tinyloc.tuned) for teachers and students")
    parser.add_argument("--until", type=int, help="epochs on training and validation rows together")
    parser.add_argument("--qat", nargs="*", default=[], choices=list(COLUMNS), help="students trained on as integers too")
    parser.add_argument("--ways", nargs="+", default=list(ways(1, 0.5)), choices=list(ways(1, 0.5)), metavar="WAY")
    parser.add_argument("--out", type=Path, default=Path("build/distillation"))
    args = parser.parse_args()
    if not args.tuned and (args.powers != [POWER] or args.power != POWER or args.batch or args.lr):
        parser.error("--power, --powers, --batch and --lr change what --tuned says; expected --tuned")

    def folder(epochs: int, seed: int) -> Path:
        how = f"{args.data}-{epochs}{'-tuned' * args.tuned}{f'-until{args.until}' if args.until else ''}"
        return args.out / "-".join((how, *(f"{k}{v:g}" for k, v in own_recipe.items()), str(seed)))

    def powered(name: str, power: float) -> str:
        return name if power == POWER else f"{name}-power{power:g}"

    student = powered(args.student, args.power)
    taught_by = "+".join(args.teachers)
    if args.powers != [POWER] or args.teacher_epochs:
        taught_by += f"-powers{'+'.join(f'{p:g}' for p in args.powers)}-{args.teacher_epochs or args.epochs}"
    own_recipe = {k: v for k, v in (("batch", args.batch), ("lr", args.lr)) if v}
    results: dict[str, list[dict[str, float]]] = {}
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seeds):
        data, teachers = load(args.data, seed=seed), []
        for i, name in enumerate(args.teachers):
            number = args.teachers[:i].count(name)
            own, power = 0 if args.until else seed, args.powers[i % len(args.powers)]
            recipe = Recipe(seed=100 * (number + 1) + own, epochs=args.teacher_epochs or args.epochs)
            file = folder(recipe.epochs, own) / powered(f"{name}-{number}", power)
            teachers.append(trained(file, data, name, recipe, [], None, args.tuned, args.until, power=power, **own_recipe))
            results.setdefault(f"teacher {i + 1}, {name}, power {power:g}", []).append(score(teachers[-1], data))
        for name, how in ways(args.beta, args.share).items():
            if name not in args.ways:
                continue
            told = "none" if how is None else name if how.neighbors == 1 else (
                f"{taught_by}-{name}" + (f"-{args.beta:g}" if how.beta else "")
                + (f"-{how.neighbors:g}" if how.neighbors else ""))
            file = folder(args.epochs, seed) / f"{student}-{told.replace(' ', '_')}"
            model = trained(file, data, args.student, Recipe(seed=seed, epochs=args.epochs), teachers if how else [], how,
                            args.tuned, args.until, args.power, **own_recipe)
            results.setdefault(name, []).append(score(model, data))
            for kind in args.qat:
                program = as_integers(Path(f"{file}.{kind}"), kind, model, data, teachers if how else [], how, args.until)
                results[name][-1] |= zip(COLUMNS[kind], scores(program, data), strict=True)
            print(seed, name, json.dumps(results[name][-1]), flush=True)
    write_atomic(args.out / f"{args.data}-{student}-{taught_by}-{args.beta:g}-{args.share:g}.json",
                 json.dumps(results, indent=1))
    rows = [["way", "validation", "float F1", "spread", "int8 F1", "spread", "accuracy", "spread", "int8 gain",
             "spread", "bytes", *(c for kind in args.qat for c in (f"{kind} QAT", "spread", "accuracy", "bytes"))]]
    for name, found in results.items():
        v, f, q, a = (np.array([r[k] for r in found]) for k in ("validation", "float", "int8", "accuracy"))
        none = np.array([r["int8"] for r in results.get("none", [])])
        gain = q[: len(none)] - none[: len(q)] if len(q) == len(none) else np.array([np.nan])
        rows.append([name, f"{v.mean():.3f}", f"{f.mean():.3f}", f"{f.std():.3f}", f"{q.mean():.3f}", f"{q.std():.3f}",
                     f"{a.mean():.3f}", f"{a.std():.3f}", f"{gain.mean():+.3f}", f"{gain.std():.3f}",
                     f"{max(r['bytes'] for r in found):,}"])
        for columns in (COLUMNS[kind] for kind in args.qat):
            f1, right, size = (np.array([r[c] for r in found if c in r]) for c in columns)
            told = f"{f1.mean():.3f} {f1.std():.3f} {right.mean():.3f} {size.max():,.0f}".split() if len(f1) else 4 * [""]
            rows[-1] += told  # nothing of a teacher
    print(f"{args.data}, {args.seeds} seeds, {student} taught by {', '.join(args.teachers)}, beta {args.beta:g}")
    print(table(rows))


if __name__ == "__main__":
    main()
