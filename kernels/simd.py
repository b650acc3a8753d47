"""The levels of the host's C kernels: portable C, and x86-64's vector instructions, of the same bits.

A level is chosen once a Session: the best that this processor has, or the one that the environment variable TINYLOC_SIMD
names.  "avx512" has to be named: it is `avx2` with a fused instruction and more registers, and has yet to be measured.
"""

from __future__ import annotations

import os
from typing import Any

from tinyloc.errors import ConfigError, unknown

LEVELS = ("portable", "avx2", "avx512")  # their places are the numbers of host/host.h
AUTOMATIC = ("avx2", "portable")
VARIABLE = "TINYLOC_SIMD"


def levels() -> list[str]:
    """The levels that this processor and this build have, the portable one first."""
    from tinyloc.kernels._c import lib

    return [name for i, name in enumerate(LEVELS) if lib.tl_host_kernels(i)]


def level() -> str:
    """The level that a new Session takes.  Raises ConfigError when TINYLOC_SIMD names none that runs here."""
    found, named = levels(), os.environ.get(VARIABLE)
    if not named:
        return next(name for name in AUTOMATIC if name in found)
    if named not in LEVELS:
        raise unknown(VARIABLE, named, LEVELS)
    if named not in found:
        raise ConfigError(f"{VARIABLE} = {named}: this processor or build has only {', '.join(found)}")
    return named


def kernels(name: str) -> Any:
    """The table of kernels of a level, for `tl_open`.  Raises ConfigError for a level that does not run here."""
    from tinyloc.kernels._c import lib

    if name not in LEVELS:
        raise unknown("level", name, LEVELS)
    table = lib.tl_host_kernels(LEVELS.index(name))
    if not table:
        raise ConfigError(f"level {name}: this processor or build has only {', '.join(levels())}")
    return table
