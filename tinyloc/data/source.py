"""Where a data set lives: a folder below $TINYLOC_DATA, else a download that is checked by its SHA-256."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tinyloc.data.table import Dataset
from tinyloc.errors import DataError

ROOT = "TINYLOC_DATA"  # environment variable


@dataclass(frozen=True)
class Source:
    """One row a data set.

    load     makes the Dataset; takes `seed` and those keywords that `options` names
    folder   its folder below $TINYLOC_DATA; "" when it needs no file
    files    path in the folder -> (address, SHA-256 or None where no copy could be checked)
    home     where a person finds it
    license  and `cite`: what to honor and whom to name
    """

    name: str
    load: Callable[..., Dataset]
    options: frozenset[str] = frozenset()
    folder: str = ""
    files: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    home: str = ""
    license: str = ""
    cite: str = ""

    def note(self, split: str) -> str:
        """The Dataset's note: how it was split, where it is from, and on which terms."""
        return f"Split: {split} Source: {self.home}. License: {self.license}. Cite: {self.cite}."


def locate(source: Source) -> Path:
    """The folder that holds `source`'s files.

    $TINYLOC_DATA/<folder> if it exists (its files are used as they are: they are yours), else pooch's cache,
    filled from the public home.  Raises `DataError` that says how to get the files."""
    root = os.environ.get(ROOT)
    if root and (folder := Path(root).expanduser() / source.folder).is_dir():
        return folder
    why = f"no folder {source.folder!r} in {ROOT}={root}" if root else f"{ROOT} is not set"
    ways = (f"Either set {ROOT} to a folder with {source.folder}/{', '.join(source.files) or '...'} "
            f"(from {source.home}), or install tinyloc[data] and be online")
    try:
        import pooch
    except ImportError as e:
        raise DataError(f"data set {source.name!r}: {why}, and pooch is not installed. {ways}.") from e
    cache = Path(pooch.os_cache("tinyloc")) / source.folder
    for name, (url, digest) in source.files.items():
        try:
            pooch.retrieve(url, known_hash=f"sha256:{digest}" if digest else None, fname=Path(name).name,
                           path=(cache / name).parent, progressbar=False)
        except (OSError, ValueError) as e:  # requests' errors are OSErrors; a wrong digest is a ValueError
            raise DataError(f"data set {source.name!r}: {why}, and {url} could not be had "
                            f"({type(e).__name__}: {e}). {ways}.") from e
    return cache
