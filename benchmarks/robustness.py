"""What an int8 Program loses where radio is not as it was, plainly trained and with augmentation: `python
benchmarks/robustness.py --help`.

The test rows are changed: access points that are gone (the strongest, of the greatest mean received power over the training
rows, one at a time; and sets drawn at random), each by itself and with all others of its radio; a device that hears all
signals stronger or weaker; lost packets.
Macro-F1 of one Program a seed, mean and spread over the seeds; where several changes are alike (which access point, which
draw), of a seed's mean, and the least of all.  Models are kept in build/robustness/ and not trained twice.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinyloc.cli import table
from tinyloc.data import Augmentation, Dataset, Samples, load, macro_f1
from tinyloc.files import write_atomic
from tinyloc.program import Program
from tinyloc.quantize import calibrate
from tinyloc.run import labels as labels_of
from tinyloc.train import Inputs, Recipe, fit, last_rows

AUGMENTATION = Augmentation(offset=5, noise=3, lost=0.2, deaf=1, dead=0.1)
SHARES, OFFSETS, LOST, DRAWS = (0.01, 0.05, 0.1), (-6, -3, 3, 6), 0.2, 8
TOGETHER = 0.5  # two access points of one radio: of the rows in which either is heard, so many hear both,
APART = 3.0  # with levels that differ by less dB on average,
LEAST = 20  # and there are so many of these rows


@dataclass(frozen=True)
class Case:
    """How a data set's models are made."""

    preset: str
    inputs: Inputs
    recipe: Recipe


CASES = {
    "flat": Case("mamba-h16l1", Inputs(delay=2), Recipe()),
    "ujiindoorloc": Case("mamba-h32l1,n=2", Inputs("powed", least=20), Recipe(balance=1, batch=128, epochs=30)),
}


def program_of(data: Dataset, case: Case, seed: int, augmentation: Augmentation | None, file: Path) -> Program:
    """Trained, calibrated and kept in the file; or what is there."""
    if not file.exists():
        checkpoint = Path(f"{file}.checkpoint")
        model = fit(data, case.preset, replace(case.recipe, seed=seed), inputs=case.inputs, augmentation=augmentation,
                    checkpoint=checkpoint)
        calibrate(model, data).save(file)
        checkpoint.unlink(missing_ok=True)
    return Program.load(file)


def strongest(rows: Samples) -> list[str]:
    """Access points by their mean received power in mW, silence counted as none, the greatest first."""
    power = np.nan_to_num(10 ** (rows.rssi.astype(float) / 10)).mean(0)
    return [rows.aps[i] for i in np.argsort(-power, kind="stable")]


def radios(rows: Samples, heard: list[str]) -> list[list[str]]:
    """The access points of each radio, of those heard.

    A radio often announces several networks, each under an address of its own, and a survey takes each for an access point.
    They are heard together, as loud as each other, and one day are gone together."""
    rssi = rows.select(heard).rssi
    on = ~np.isnan(rssi)
    count, seen = on.sum(0), on.astype(np.float32)
    both = seen.T @ seen
    of = np.arange(len(heard))
    for i, j in np.argwhere(np.triu(both > TOGETHER * (count[:, None] + count - both), 1)):
        at = on[:, i] & on[:, j]
        if at.sum() >= LEAST and np.abs(rssi[at, i] - rssi[at, j]).mean() < APART:
            of[of == of[j]] = of[i]
    return [[heard[i] for i in np.flatnonzero(of == radio)] for radio in np.unique(of)]


def without(rows: Samples, gone: list[str]) -> Samples:
    """The rows as data that lack some access points."""
    return rows.select([ap for ap in rows.aps if ap not in set(gone)])


def changes(data: Dataset, most: int, heard: list[str]) -> Iterator[tuple[str, list[Samples]]]:
    """(what is changed, the test rows changed so, in each of several ways alike).

    heard: the access points that a model listens to, of which some are taken."""
    test, rng, other = data.test, np.random.default_rng(0), np.random.default_rng(1)
    yield "as it was", [test]
    first = [ap for ap in strongest(data.train) if ap in set(heard)][:most]
    yield f"1 access point gone; the {len(first)} strongest", [without(test, [ap]) for ap in first]
    whole = radios(data.train, heard)
    if several := len(whole) < len(heard):
        yield "1 radio gone; of each of these", [without(test, gone) for ap in first for gone in whole if ap in gone]
    # By share, not by number: other seeds train on other rows, in which others are heard.
    for count, share in {max(1, round(share * len(heard))): share for share in SHARES}.items():
        draws = [rng.choice(heard, count, replace=False).tolist() for _ in range(DRAWS)]
        yield f"{share:.0%} of them gone, at least 1; {DRAWS} draws", [without(test, gone) for gone in draws]
        if several:
            chosen = [other.choice(len(whole), max(1, round(share * len(whole))), replace=False) for _ in range(DRAWS)]
            yield (f"{share:.0%} of the radios gone, at least 1; {DRAWS} draws",
                   [without(test, [ap for i in some for ap in whole[i]]) for some in chosen])
    for offset in OFFSETS:
        yield f"{offset:+d} dB", [replace(test, rssi=test.rssi + np.float32(offset))]
    lost = [np.where(rng.random(test.rssi.shape) < LOST, np.float32(np.nan), test.rssi) for _ in range(DRAWS)]
    yield f"{LOST:.0%} of the values lost; {DRAWS} draws", [replace(test, rssi=rssi) for rssi in lost]


def score(program: Program, rows: Samples) -> float:
    w = last_rows(program.info, rows, missing="silent")
    labels = labels_of(program, w)
    return macro_f1(w.y[:, -1], labels, len(rows.rooms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strongest", type=int, default=10, metavar="N", help="access points to take one at a time")
    parser.add_argument("--out", type=Path, default=Path("build/robustness"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.data:
        case = CASES[name]
        found: dict[str, dict[str, list[list[float]]]] = {}  # change -> way of training -> seed -> F1
        for seed in range(args.seeds):
            data = load(name, seed=seed)
            for way, augmentation in (("plain", None), ("augmented", AUGMENTATION)):
                program = program_of(data, case, seed, augmentation, args.out / f"{name}-{way}-{seed}.safetensors")
                for what, changed in changes(data, args.strongest, program.info["aps"]):
                    found.setdefault(what, {}).setdefault(way, []).append([score(program, rows) for rows in changed])
                print(name, seed, way, f"{found['as it was'][way][-1][0]:.4f}", flush=True)
        write_atomic(args.out / f"{name}.json", json.dumps(found, indent=1))
        columns = ("F1", "spread", "change", "least")
        rows = [["test rows", *(f"{way} {c}" for way in ("plain", "augmented") for c in columns)]]
        for what, by_way in found.items():
            rows.append([what])
            for way, scores in by_way.items():
                f1, before = np.array(scores), np.array(found["as it was"][way])
                mean = f1.mean(1)
                rows[-1] += [f"{mean.mean():.3f}", f"{mean.std():.3f}", f"{(mean - before[:, 0]).mean():+.3f}",
                             f"{f1.min():.3f}"]
        print(f"{name}, {case.preset}, {args.seeds} seeds")
        print(table(rows), flush=True)


if __name__ == "__main__":
    main()
