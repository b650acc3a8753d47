"""Errors that a user can cause.  Each names the thing that is wrong and what was expected instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TinylocError(ValueError):
    """Base of every error that bad input causes; the command line exits with 2 on it."""


class DataError(TinylocError):
    """A data set, file or row that cannot be used."""


class ModelError(TinylocError):
    """A model, image or Program file that cannot be used."""


class ConfigError(TinylocError):
    """An option, preset, MCU or budget that does not exist or makes no sense."""


class BrokenError(TinylocError):
    """A promise that does not hold when it is tried out; not bad input but a "no": the command line exits with 1 on it."""


class ChangedWarning(UserWarning):
    """Data that are no longer what they were when a model was trained on them; the command line says so in one line."""


def first_line(e: Exception) -> str:
    """Of what somebody else's error says; its kind, where that is nothing."""
    return next(iter(str(e).strip().splitlines()), type(e).__name__)


def unknown(what: str, name: object, known: Iterable[str]) -> ConfigError:
    """`ConfigError` for a name that is not in `known`, offering the nearest one; what is no string is none."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ConfigError(f"unknown {what} {name!r}{hint} Known: {', '.join(names)}" if hint else
                       f"unknown {what} {name!r}. Known: {', '.join(names)}")
