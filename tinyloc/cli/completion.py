"""What a shell completes: values of options, by their names; looked up when a shell asks, and without Numba.

    eval "$(_TINYLOC_COMPLETE=bash_source tinyloc)"      # zsh_source, fish_source
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

FILE = "file"


def _mcus(ctx: click.Context) -> Iterable[str]:
    from tinyloc.emulator.mcu import MCUS

    return MCUS


def _cores(ctx: click.Context) -> Iterable[str]:
    from tinyloc.emulator.toolchain import CORES

    return [f"cortex-{c}" for c in CORES]


def _presets(ctx: click.Context) -> Iterable[str]:
    from tinyloc.model import PRESETS

    return [p + lean for p in PRESETS for lean in ("", "-lean")]


def _data_sets(ctx: click.Context) -> Iterable[str]:
    from tinyloc.data import DATASETS

    return DATASETS


def _augmentations(ctx: click.Context) -> Iterable[str]:
    from tinyloc.data import Augmentation

    return [f"{f.name}=" for f in dataclasses.fields(Augmentation)]


def _signals(ctx: click.Context) -> Iterable[str]:
    from tinyloc.data import SIGNALS

    return SIGNALS


def _backends(ctx: click.Context) -> Iterable[str]:
    from tinyloc.run import BACKENDS

    return BACKENDS


def _motion(ctx: click.Context) -> Iterable[str]:
    from tinyloc.train import MOTION

    return MOTION


def _sources(ctx: click.Context) -> Iterable[str]:
    from tinyloc.convert import SOURCES

    return SOURCES


def _states(ctx: click.Context) -> Iterable[str]:
    from tinyloc.convert import STATES

    return STATES


def _columns(ctx: click.Context) -> Iterable[str]:
    """The heading of the CSV file that the command line names."""
    from tinyloc.cli.common import csv_heading

    path = Path(str(ctx.params.get("data_name") or ctx.params.get("name") or "")).expanduser()
    return csv_heading(path, ctx.params.get("csv_delimiter") or ",")


def _fixed(*names: str) -> Callable[[click.Context], Iterable[str]]:
    return lambda ctx: names


#: Values of a parameter by its name; of those that a comma separates, the last one.
VALUES: dict[str, Callable[[click.Context], Iterable[str]]] = {
    "mcu": _mcus, "core": _cores, "preset_name": _presets, "models": _presets, "teachers": _presets, "data_name": _data_sets,
    "augment": _augmentations, "signal": _signals, "source": _sources, "target": _states, "backend": _backends,
    "use_motion": _motion, "calibration": _fixed("auto", "minmax", "percentile", "mse"),
    "decay": _fixed("auto", "free", "powers"), "weights": _fixed("int8", "int4"), "compiler": _fixed("clang", "gcc"),
    "house": _fixed("A", "B", "C", "D"), "split": _fixed("groups", "random"),
    **dict.fromkeys(("csv_time", "csv_room", "csv_rssi", "csv_motion", "csv_session"), _columns)}
SEVERAL = frozenset({"backend"})
#: Names or the path of a file.
OR_FILES = frozenset({"data_name", "data.name"})


def complete(key: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """What `incomplete` may become."""
    before, comma, rest = incomplete.rpartition(",") if key in SEVERAL else ("", "", incomplete)
    values = VALUES["data_name" if key in OR_FILES else key](ctx)
    found = [CompletionItem(before + comma + v) for v in values if v.lower().startswith(rest.lower())]
    return found + [CompletionItem(incomplete, type=FILE)] * (key in OR_FILES)


def attach(command: click.Command, name: str = "") -> None:
    """Gives the parameters of a command, and of those below it, what is known of their values.

    Those with a type that completes by itself, such as paths and choices, are left alone.
    """
    if isinstance(command, click.Group):
        for below, sub in command.commands.items():
            attach(sub, below)
    for param in command.params:
        key = next((k for k in (f"{name}.{param.name}", param.name or "") if k in VALUES or k in OR_FILES), None)
        if key is not None and not isinstance(param.type, (click.Path, click.Choice)):
            _set(param, key)


def _set(param: click.Parameter, key: str) -> None:
    def shell_complete(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return complete(key, ctx, incomplete)

    setattr(param, "shell_complete", shell_complete)  # noqa: B010 (a method, of this parameter alone)
