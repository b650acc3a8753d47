"""All that knows a data format: `load` brings a source into one shape, `windows` makes a model's input of
it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyloc.data import byrne, flat, simulate, tetam, ujiindoorloc
from tinyloc.data.augment import Augmentation, Augmenter
from tinyloc.data.csv_file import load_csv
from tinyloc.data.metrics import accuracy, class_f1, confusion, macro_f1, paired_gain
from tinyloc.data.motion import level_of, motion_levels
from tinyloc.data.source import ROOT, Source, locate
from tinyloc.data.table import MISSING, Area, Dataset, Samples, join
from tinyloc.data.windows import (
    HOLD,
    NOT_HEARD,
    POWER,
    SIGNALS,
    Recordings,
    Scaler,
    Windows,
    count_windows,
    every_row,
    forward_fill,
    windows,
)
from tinyloc.errors import ChangedWarning, ConfigError, DataError, unknown

__all__ = [
    "DATASETS", "HOLD", "MISSING", "NOT_HEARD", "POWER", "ROOT", "SIGNALS", "SOURCES", "Area", "Augmentation", "Augmenter",
    "Dataset", "Recordings", "Samples", "Scaler", "Source", "Windows", "accuracy", "class_f1", "confusion", "count_windows",
    "every_row", "forward_fill", "join", "level_of", "load", "load_csv", "load_source", "locate", "macro_f1",
    "motion_levels", "paired_gain", "trained_on", "windows",
]

SOURCES: dict[str, Source] = {s.SOURCE.name: s.SOURCE for s in (simulate, flat, ujiindoorloc, tetam, byrne)}
DATASETS = tuple(SOURCES)
_CSV = frozenset(inspect.signature(load_csv).parameters) - {"path", "seed"}


def load(name_or_path: str | Path, *, seed: int = 0, columns: Mapping[str, Any] | None = None,
         rows_sha256: str | None = None, **options: Any) -> Dataset:
    """The data set of that name (see `DATASETS`), or the CSV file at that path.

    seed     chooses the validation part, and the house of "simulated"
    columns  for a CSV file: the keywords of `load_csv`, such as {"rssi": "ap*", "not_heard": 100}
    options  what the source takes (`SOURCES[name].options`: house, split, minutes, ...); None is "not given"
    rows_sha256  what `Dataset.digest` was when a model was trained on it: a `ChangedWarning` says if it is another now

    Raises `ConfigError` for a name or an option that does not exist, `DataError` for files that cannot be
    used.
    """
    options = {k: v for k, v in options.items() if v is not None}
    source = SOURCES.get(str(name_or_path))
    if source is None:
        path = Path(name_or_path).expanduser()
        if not path.exists():
            if path.suffix or len(path.parts) > 1:  # looks like a file, not like a name
                raise DataError(f"{path}: no such file; expected a CSV file or a data set ({', '.join(DATASETS)})")
            raise unknown("data set", str(name_or_path), DATASETS)
        if path.is_dir():
            raise DataError(f"{path}: is a folder; expected a CSV file or a data set ({', '.join(DATASETS)})")
        _known(str(path), options, frozenset())
        _known("columns", columns or {}, _CSV)
        made = load_csv(path, seed=seed, **(columns or {}))
    else:
        if columns:
            raise ConfigError(f"{source.name}: is no CSV file; expected none of its options ({', '.join(sorted(columns))})")
        _known(source.name, options, source.options)
        made = source.load(seed=seed, **options)
    if rows_sha256 is not None and rows_sha256 != made.digest():
        warnings.warn(f"{name_or_path}: its rows are not those that the model was trained on; they are split anew, and test "
                      "may hold rows that it has seen", ChangedWarning, stacklevel=2)
    return made


def load_source(source: Mapping[str, Any]) -> Dataset:
    """The data set of a description that JSON can hold, as models keep theirs (info "source"): "data", a name or a path,
    and what else `load` takes."""
    return load(source["data"], **{k: v for k, v in source.items() if k != "data"})


def trained_on(source: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """A description of a data set as a model keeps it: with the digest of its rows, by which `load` tells that they have
    changed.  One that has a digest keeps it: it is of the rows that the model was trained on first."""
    return {"rows_sha256": dataset.digest(), **source}


def _known(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    odd = sorted(set(given) - known)
    if odd:
        raise ConfigError(f"{what}: no option {odd[0]!r}; it takes {', '.join(sorted(known)) or 'none'}")
