"""How well positions must be known for zones to be: `python benchmarks/zones.py --help`.

No signal is read.  The true positions of ujiindoorloc's test rows are moved by errors that are normal in both directions, a
share of the floors is taken for one next to it, and the zones of what comes of it are scored, means over several draws.
Where the errors of a method are known, as most papers on these rows report them, this says what its zones would be worth.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from tinyloc.cli import table
from tinyloc.data import accuracy, macro_f1
from tinyloc.data import ujiindoorloc as uji
from tinyloc.data.source import locate

PLACE = [uji.COLUMNS.index("LONGITUDE"), uji.COLUMNS.index("LATITUDE")]
BUILDING, FLOOR = uji.COLUMNS.index("BUILDINGID"), uji.COLUMNS.index("FLOOR")


def moved(rows: np.ndarray, error: float, hit: float, surveyed: set[tuple[float, float]], rng: np.random.Generator
          ) -> np.ndarray:
    """The rows (n, 529) of a file, their places `error` meters off on average, the floors of a share `hit` still right."""
    found = rows.copy()
    found[:, PLACE] += rng.normal(0, error / math.sqrt(math.pi / 2), (len(rows), 2))  # the mean of a Rayleigh distribution
    for i in np.flatnonzero(rng.random(len(rows)) >= hit):
        building, floor = rows[i, BUILDING], rows[i, FLOOR]
        found[i, FLOOR] = rng.choice([f for f in (floor - 1, floor + 1) if (building, f) in surveyed])
    return found


def to_border(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """(n,) meters from the place of each of the test file's rows to the nearest border of zones."""
    first = {b: train[train[:, BUILDING] == b][:, PLACE].min(0) for b in np.unique(train[:, BUILDING])}
    cells = (test[:, PLACE] - np.array([first[b] for b in test[:, BUILDING]])) / uji.CELL
    return np.abs(cells - np.rint(cells)).min(1) * uji.CELL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", nargs="+", type=float, default=[0, 2, 4, 6, 7, 8, 10], help="mean, in meters")
    parser.add_argument("--floors", nargs="+", type=float, default=[1, 0.97, 0.95, 0.92], help="share that is right")
    parser.add_argument("--draws", type=int, default=20)
    args = parser.parse_args()
    folder = locate(uji.SOURCE)
    train, test = (uji._read(folder, f"{part}Data.csv") for part in ("training", "validation"))
    areas, _, true = uji._zones(train, test)
    surveyed = set(map(tuple, train[:, [BUILDING, FLOOR]].tolist()))
    border = to_border(train, test)
    print(f"{len(test)} rows; {(border < 5).mean():.0%} within 5 m of a border, {(border < 10).mean():.0%} within 10 m")
    print("macro-F1; accuracy of zones, by mean error of the position and by the share of floors that are right")
    lines = [["error", *(f"{hit:.0%} of floors" for hit in args.floors)]]
    for error in args.errors:
        row = [f"{error:g} m"]
        for hit in args.floors:
            rng = np.random.default_rng(0)
            said = [uji._zones(train, moved(test, error, hit, surveyed, rng))[2] for _ in range(args.draws)]
            row.append("; ".join(f"{np.mean([score(s) for s in said]):.3f}" for score in (
                lambda s: macro_f1(true, s, len(areas)), lambda s: accuracy(true, s))))
        lines.append(row)
    print(table(lines))


if __name__ == "__main__":
    main()
