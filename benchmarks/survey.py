"""Whom to believe about a phone that was never heard, models or neighbors: `python benchmarks/survey.py --help`.

Each of the people and phones that surveyed ujiindoorloc is held out once, and judged by what was trained on the others'
rows alone; no test row is read.  People who leave each other's places surveyed are held out together, which spares
trainings.  Scored are all rows, and those that lie within twice and four times the median distance between neighboring
spots of a spot that the others surveyed: elsewhere it would be extrapolation in space, which is not what a deployed model
is asked for.  Then those whose place one of the others surveyed, and two or more: where one phone is all that was heard at a
place, models fail in another way than where there are several, as there are once nobody is held out.  Rows of all are
pooled, so that a zone counts once.

All of these rows are of the survey's weeks.  What months do to a site, which only test rows tell, a second judgement stands
for, of the same rows with a quarter of the access points gone.

With --student, one of each fold is trained alone, and one is taught by the members and by neighbors with --share (with
--members 0, alone only); --augment changes what all hear in training.  Models are kept in build/survey, not trained twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from distillation import trained

from tinyloc.cli import table
from tinyloc.data import POWER, Samples, accuracy, confusion, load, macro_f1
from tinyloc.data import ujiindoorloc as uji
from tinyloc.data.source import locate
from tinyloc.distill import Distillation
from tinyloc.model import Model
from tinyloc.neighbors import Neighbors
from tinyloc.reference.softmax import softmax
from tinyloc.train import Recipe, last_rows

SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.75, 0.85, 1.0)
DRAWS = 20_000  # of `folds`
GONE = 0.25  # of the access points
WAYS = ("alone", "taught")  # of a student
WORLDS = ("as heard", f"{GONE:.0%} of the access points gone")


def survey() -> tuple[Samples, np.ndarray, np.ndarray]:
    """Training rows in the file's order; their places (n, 2) in meters; building and floor (n,) as one number."""
    file = uji._read(locate(uji.SOURCE), "trainingData.csv")
    areas, room, _ = uji._zones(file, file)
    column = {name: file[:, uji.COLUMNS.index(name)] for name in ("LONGITUDE", "LATITUDE", "BUILDINGID", "FLOOR")}
    return (uji._samples(file, room, tuple(areas)), np.column_stack([column["LONGITUDE"], column["LATITUDE"]]),
            (100 * column["BUILDINGID"] + column["FLOOR"]).astype(int))


def distance(place: np.ndarray, floor: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) meters from each of `rows` to the nearest of the `others` on its floor; infinite without one."""
    found = np.full(len(rows), np.inf)
    for f in np.unique(floor[rows]):
        here, spots = floor[rows] == f, np.unique(place[others[floor[others] == f]].round(2), axis=0)
        if len(spots):
            found[here] = np.linalg.norm(place[rows[here], None] - spots[None], axis=2).min(1)
    return found


def spacing(place: np.ndarray, floor: np.ndarray) -> float:
    """Median distance in meters from a surveyed spot to the nearest other one on its floor."""
    found = []
    for f in np.unique(floor):
        spots = np.unique(place[floor == f].round(2), axis=0)
        apart = np.linalg.norm(spots[:, None] - spots[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        found.append(apart.min(1))
    return float(np.median(np.concatenate(found)))


def folds(group: np.ndarray, place: np.ndarray, floor: np.ndarray, near: float, count: int) -> np.ndarray:
    """(n,) the fold of each row: whole groups, such that as few rows as possible lose the others' spots within `near` meters
    by what is held out together, and no fold is much greater than the greatest group."""
    of, rows = np.unique(group), np.arange(len(group))
    lost = np.zeros((len(of), len(of)))
    for i, g in enumerate(of):
        own = rows[group == g]
        own = own[distance(place, floor, own, rows[group != g]) <= near]
        for j, h in enumerate(of):
            if i != j and len(own):
                lost[i, j] = (distance(place, floor, own, rows[(group != g) & (group != h)]) > near).sum()
    size, rng = np.array([(group == g).sum() for g in of]), np.random.default_rng(0)
    best, choice = np.inf, np.zeros(len(of), np.int64)
    for _ in range(DRAWS):
        fold = rng.integers(0, count, len(of))
        cost = (lost + lost.T)[fold[:, None] == fold].sum() / 2
        cost += max(0, max(size[fold == k].sum() for k in range(count)) - size.max())
        if cost < best:
            best, choice = cost, fold
    return choice[np.searchsorted(of, group)]


def impaired(rows: Samples, fold: int) -> Samples:
    """The rows without some of the access points: as after months."""
    gone = np.random.default_rng([fold, 0x60E]).random(len(rows.aps)) < GONE
    return replace(rows, rssi=np.where(gone, np.float32(np.nan), rows.rssi))


def beliefs(model: Model, rows: Samples) -> np.ndarray:
    """(n, c) probabilities of the zones."""
    x, ends = last_rows(model.info, rows).x, model.params["crf.start"] + model.params["crf.end"]
    return np.concatenate([softmax(model.forward(x[i : i + 1024])[0][:, 0] + ends)[0] for i in range(0, len(x), 1024)])


def alike(true: np.ndarray, said: np.ndarray, rooms: int) -> float:
    """Macro-F1 were there as many rows of each zone: those of a seldom one weigh more, as do its rows that are mistaken."""
    found = confusion(true, said, rooms) / np.bincount(true, minlength=rooms).clip(1)[:, None]
    there = np.unique(true)
    return float((2 * np.diag(found) / (found.sum(0) + found.sum(1)).clip(1e-12))[there].mean())


@dataclass
class Asked:
    """What was said of all rows, in each world: votes (n, c), members' beliefs (m, n, c), students' (seeds, n, c) by way."""

    votes: np.ndarray
    members: np.ndarray
    students: dict[str, np.ndarray]

    def by_whom(self, of: Sequence[float], powers: Sequence[float]) -> dict[str, np.ndarray]:
        """Beliefs (several, n, c) by who has them; of: each member's power."""
        said = {f"student {way}": them for way, them in self.students.items()}
        if not of:
            return said
        single = {p: self.members[[q == p for q in of]] for p in powers}
        said |= {f"one model, power {p:g}": them for p, them in single.items()}
        said |= {f"powers {p:g} and {q:g}": np.concatenate([single[p], single[q]]).mean(0, keepdims=True)
                 for i, p in enumerate(powers) for q in powers[i + 1 :]}
        whole = self.members.mean(0, keepdims=True)
        return said | {f"all, neighbors' share {s:g}": (1 - s) * whole + s * self.votes for s in SHARES}


def taught(fold: int, known: Samples, args: argparse.Namespace, powers: Sequence[float]
           ) -> tuple[list[Model], dict[str, list[Model]]]:
    """(members, students by way) that know of `known` alone; those of a fold that are kept are not trained again."""
    data, members = replace(load("ujiindoorloc"), train=known, val=known.take(slice(0, 0))), []
    heard = [f"{k}{v:g}" for k, v in sorted(args.augment.items())]
    for i, power in enumerate(powers):
        recipe = Recipe(seed=100 + i // len(args.powers), epochs=args.epochs)
        file = args.out / "-".join((args.teacher, str(args.epochs), f"power{power:g}", *heard, str(fold), str(recipe.seed)))
        members.append(trained(file, data, args.teacher, recipe, [], None, True, args.epochs, power, args.augment))
    students: dict[str, list[Model]] = {}
    for way in args.ways:
        how = Distillation(alpha=0, temperature=1, neighbors=args.share) if way == "taught" else None
        by, until = f"{'+'.join(f'{p:g}' for p in powers)}-{args.share:g}" if how else way, args.student_epochs
        file = args.out / "-".join((args.student, f"power{args.power:g}", *heard, by, str(until), str(fold)))
        make = partial(trained, data=data, name=args.student, teachers=members if how else [], how=how, ours=True,
                       until=until, power=args.power, augment=args.augment)
        students[way] = [make(Path(f"{file}-{i}"), recipe=Recipe(seed=i, epochs=until)) for i in range(args.seeds)]
    return members, students


def ask(rows: Samples, fold: np.ndarray, args: argparse.Namespace, powers: Sequence[float]) -> dict[str, Asked]:
    """By world, what those say of each fold's rows who know of the others' alone."""
    shape, every = (len(rows), len(rows.rooms)), np.arange(len(rows))
    found = {w: Asked(np.zeros(shape), np.zeros((args.members, *shape)),
                      {way: np.zeros((args.seeds, *shape)) for way in args.ways}) for w in WORLDS}
    for k in range(args.folds):
        own = every[fold == k]
        held, known = rows.take(own), rows.take(every[fold != k])
        neighbors = Neighbors.of(known, 0.0)
        members, students = taught(k, known, args, powers)
        for world, heard in zip(WORLDS, (held, impaired(held, k)), strict=True):
            asked = found[world]
            asked.votes[own] = neighbors.vote(heard.rssi[:, None])[:, 0]
            for said, them in ((asked.members, members), *((asked.students[way], own) for way, own in students.items())):
                for i, model in enumerate(them):
                    said[i, own] = beliefs(model, heard)
        print(f"fold {k}: {len(own)} rows of {', '.join(map(str, np.unique(held.group)))} held out", flush=True)
    return found


def parts_of(group: np.ndarray, place: np.ndarray, floor: np.ndarray, fold: np.ndarray, apart: float
             ) -> dict[str, np.ndarray]:
    """Masks (n,) of the rows that are judged together, by what they are called."""
    surveyors, away, every = np.zeros(len(group), np.int64), np.zeros(len(group)), np.arange(len(group))
    for g in np.unique(group):
        own = every[group == g]
        for h in np.unique(group[group != g]):
            surveyors[own] += distance(place, floor, own, every[group == h]) <= 2 * apart
    for k in np.unique(fold):
        away[fold == k] = distance(place, floor, every[fold == k], every[fold != k])
    return {"all rows": away >= 0, **{f"within {m * apart:.1f} m": away <= m * apart for m in (2, 4)},
            "1 other surveyor": surveyors == 1, "2 or more": surveyors > 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default="mamba-h64l1", help="preset")
    parser.add_argument("--members", type=int, default=5, help="how many of them, whose mean belief counts")
    parser.add_argument("--powers", nargs="+", type=float, default=[POWER], help="of the members' powed signals, in turn")
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--student", help="preset, such as mamba-h32l1,n=2")
    parser.add_argument("--power", type=float, default=POWER, help="of the student's powed signals")
    parser.add_argument("--augment", nargs="+", default=[], metavar="WHAT=VALUE", help="of all training, such as dead=0")
    parser.add_argument("--student-epochs", type=int, default=40)
    parser.add_argument("--share", type=float, default=0.35, help="of neighbors, as the student's teachers")
    parser.add_argument("--seeds", type=int, default=1, help="of students")
    parser.add_argument("--out", type=Path, default=Path("build/survey"))
    args = parser.parse_args()
    args.ways = () if not args.student else WAYS if args.members else WAYS[:1]
    args.augment = {k: float(v) for k, v in (given.split("=") for given in args.augment)}
    if 0 < args.members < len(args.powers) or not (args.members or args.student):
        parser.error(f"--members {args.members}: expected one for each of the {len(args.powers)} --powers, or more; "
                     "or 0, with --student")
    args.out.mkdir(parents=True, exist_ok=True)
    powers = [args.powers[i % len(args.powers)] for i in range(args.members)]
    rows, place, floor = survey()
    assert rows.group is not None
    apart, c = spacing(place, floor), len(rows.rooms)
    fold = folds(rows.group, place, floor, 2 * apart, args.folds)
    parts = parts_of(rows.group, place, floor, fold, apart)
    for world, asked in ask(rows, fold, args, powers).items():
        for name, part in parts.items():
            lines, true = [["believed", "macro-F1", "zones alike", "accuracy"]], rows.room[part]
            for who, belief in asked.by_whom(powers, args.powers).items():
                zones = belief[:, part].argmax(2)
                lines.append([who, *(f"{np.mean([score(true, z) for z in zones]):.3f}" for score in (
                    partial(macro_f1, classes=c), partial(alike, rooms=c), accuracy))])
            print(f"\n{world}, {name}: {part.sum()} rows, {len(np.unique(true))} zones")
            print(table(lines))


if __name__ == "__main__":
    main()
