"""Numba compilation with a cache that cannot go stale.

Numba's cache looks at one file's time stamp only, so that an edit of `fixed.py` would leave `linear.py`'s old
machine code in use.  Ours lives in a folder whose name holds a digest of every kernel source.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from tinyloc.files import private_folder

HERE = Path(__file__).resolve().parent


def digest(paths: list[Path]) -> str:
    """First 16 hex digits of the SHA-256 over names and contents of `paths`, in order."""
    h = hashlib.sha256()
    for p in paths:
        data = p.read_bytes()
        h.update(f"{p.name}\0{len(data)}\0".encode() + data)
    return h.hexdigest()[:16]


def cache_dir(folder: Path) -> str | None:
    """Where machine code made of the sources in `folder` is kept; None when nothing can be written."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    name = f"{digest(sorted(folder.glob('*.py')))}-py{sys.version_info[0]}{sys.version_info[1]}-nb{numba.__version__}"
    for base in (lambda: Path(root), lambda: private_folder("numba")):
        try:
            folder = base() / "tinyloc" / name
            folder.mkdir(parents=True, exist_ok=True)
            return str(folder)
        except OSError:
            continue
    return None


_CACHE = cache_dir(HERE)


def njit(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`numba.njit` with an eager `signature` and the digest-named cache.

    Eager signatures matter for the arithmetic: Numba computes `int32 + int32` in int64, and only the declared
    types bring arguments and results back to the 32 bits that C has.
    """

    def wrap(f: Callable[..., Any]) -> Callable[..., Any]:
        config: Any = numba.config  # its attributes are made at run time
        before = config.CACHE_DIR
        try:
            if _CACHE:
                config.CACHE_DIR = _CACHE
            return numba.njit(signature, cache=_CACHE is not None, nogil=True)(f)
        finally:
            config.CACHE_DIR = before

    return wrap
