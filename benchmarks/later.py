"""What labeled rows of later months would be worth on ujiindoorloc: `python benchmarks/later.py --help`.

No method of ours: an account of what the months between survey and test cost.  The phones of the test rows are split into
two halves, and each half is judged by models and by neighbors that know of the survey, and by others that know of the
labeled rows of the other half besides: other phones, but the very weeks that are judged.  What these gain is what another
survey of that size would bring, and more than anything could that has to guess its labels.  No row is judged by what knew
its phone.

Test rows are read as training rows here, and nothing in the library was chosen by what comes of it.  Models are kept in
build/later, not trained twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from distillation import trained
from survey import beliefs, survey
from zones import to_border

from tinyloc.cli import table
from tinyloc.data import Samples, join, load, macro_f1
from tinyloc.data import ujiindoorloc as uji
from tinyloc.data.source import locate
from tinyloc.neighbors import Neighbors
from tinyloc.train import Recipe

SHARE = 0.35  # of neighbors, beside models
NEAR = 5  # m from a border of zones


def halves(group: np.ndarray) -> np.ndarray:
    """(n,) 0 or 1: whole groups, the greatest first, each into the half that has fewer rows so far."""
    half, (of, rows) = np.zeros(len(group), np.int64), np.unique(group, return_counts=True)
    size = [0, 0]
    for i in np.argsort(-rows, kind="stable"):
        k = int(size[1] < size[0])
        half[group == of[i]] = k
        size[k] += rows[i]
    return half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mamba-h64l1", help="preset")
    parser.add_argument("--powers", nargs="+", type=float, default=[1.5, 4], help="of the models' powed signals")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/later"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows, site = survey()[0], load("ujiindoorloc")
    later, shape = site.test, (len(site.test), len(site.test.rooms))
    assert later.group is not None
    half = halves(later.group)

    def asked(more: bool, of: Callable[[Samples, str], Callable[[Samples], np.ndarray]]) -> np.ndarray:
        """Beliefs (n, c) about the later rows, of what knows of the survey, and (more) of the other half."""
        if not more:
            return of(rows, "survey")(later)
        said = np.zeros(shape)
        for k in (0, 1):
            said[half == k] = of(join(rows, later.take(half != k)), f"half{1 - k}")(later.take(half == k))
        return said

    def model(known: Samples, name: str, power: float, seed: int) -> Callable[[Samples], np.ndarray]:
        data = replace(site, train=known, val=known.take(slice(0, 0)))
        file = args.out / "-".join((args.model, str(args.epochs), f"power{power:g}", name, str(seed)))
        fitted = trained(file, data, args.model, Recipe(seed=seed, epochs=args.epochs), [], None, True, args.epochs, power)
        return lambda asked: beliefs(fitted, asked)

    print(f"{len(later)} rows, {len(np.unique(later.group))} phones, in halves of {(half == 0).sum()} and {half.sum()}")
    said: dict[str, list[np.ndarray]] = {}
    for more in (False, True):
        single = {f"power {p:g}": np.stack([asked(more, lambda known, name, p=p, s=s: model(known, name, p, s))
                                            for s in range(args.seeds)]) for p in args.powers}
        votes = asked(more, lambda known, _: lambda rows: Neighbors.of(known, 0.0).vote(rows.rssi[:, None])[:, 0])[None]
        whole = (1 - SHARE) * np.mean(list(single.values()), axis=0) + SHARE * votes
        for who, belief in {**single, "neighbors": votes, f"all, neighbors' share {SHARE:g}": whole}.items():
            said.setdefault(who, []).append(belief.argmax(2))
    near = to_border(*(uji._read(locate(uji.SOURCE), f"{part}Data.csv") for part in ("training", "validation"))) < NEAR
    floor = np.array([zone.split("_")[0] for zone in later.rooms])

    def scores(zones: np.ndarray) -> tuple[str, str]:
        """What is said of each row (seeds, n) as scores, and as counts of what is mistaken; means."""
        wrong, floors = zones != later.room, floor[zones] != floor[later.room]
        f1 = np.mean([macro_f1(later.room, z, shape[1]) for z in zones])
        return (f"{f1:.3f}; {1 - wrong.mean():.3f}",
                "; ".join(f"{part.sum(1).mean():.1f}" for part in (wrong, floors, wrong & ~floors & near)))

    of_all = {who: [scores(zones) for zones in worlds] for who, worlds in said.items()}
    titles = ("macro-F1; accuracy, of what knows of", "rows mistaken; of them, floors, and others less than "
              f"{NEAR} m from a border of zones ({near.sum()} rows are), by what knows of")
    for i, title in enumerate(titles):
        print(f"\n{title}")
        print(table([["believed", "the survey", "the other half too"],
                     *([who, *(world[i] for world in worlds)] for who, worlds in of_all.items())]))


if __name__ == "__main__":
    main()
