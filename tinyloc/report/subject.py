"""What a report is about: Programs with their float models, the rows that they are judged on, and the parts in question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.convert.graph import FORMAT as GRAPH
from tinyloc.convert.graph import GraphModel, load_model
from tinyloc.data import MISSING, Dataset, Windows
from tinyloc.emulator.mcu import MCUS, Mcu, find, parse_size
from tinyloc.emulator.mcu import budget as find_budget
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.files import format_of, read_safetensors, sha256
from tinyloc.model import FORMAT as MODEL
from tinyloc.model import Model
from tinyloc.program import FORMAT as PROGRAM
from tinyloc.program import Program
from tinyloc.verify import Audit, audit

SUFFIXES = (".safetensors", ".int8", ".int4", ".program")  # of a file's name, which the model's lacks
PLOTTED = 256  # windows that layers are compared on, spread over the test rows
EMULATED = 32  # windows that each emulated core runs


class Missing(Exception):
    """A section that cannot be had here; says why, and what would bring it."""


@dataclass(frozen=True)
class Target:
    """The part in question, if any; bytes that its other firmware leaves (None: all); whose instructions are counted."""

    core: str
    mcu: Mcu | None = None
    ram: int | None = None
    flash: int | None = None

    @staticmethod
    def of(mcu: str | None = None, ram: str | None = None, flash: str | None = None, core: str | None = None) -> Target:
        """That of the options of `tinyloc audit` and `tinyloc bench`, with their errors."""
        from tinyloc.bench import check_core, core_of
        from tinyloc.emulator.toolchain import core as find_core

        chip = None if mcu is None else find(mcu)
        check_core(chip, core)
        if chip is None:
            which = find_core("m4" if core is None else core).cpu
        else:
            which = f"cortex-{core_of(chip)}" if chip.cortex_m else chip.core
        if mcu is None and ram is None:
            return Target(which, chip, None, None if flash is None else parse_size(flash))
        limit = find_budget(mcu, ram, flash)
        return Target(which, chip, limit.ram_bytes, limit.flash_bytes)

    @property
    def limits(self) -> dict[str, int]:
        """Bytes of RAM and flash that were given: without a part, or less than it has."""
        has = (self.mcu.ram_bytes, self.mcu.flash_bytes) if self.mcu else (None, None)
        left = zip(("ram", "flash"), (self.ram, self.flash), has, strict=True)
        return {kind: n for kind, n, whole in left if n is not None and n != whole}

    @property
    def name(self) -> str:
        """The part's, with what is left of it where that is less; "" without a part or a budget."""
        limits = [f"{n:,} B of {'RAM' if kind == 'ram' else kind}" for kind, n in self.limits.items()]
        return ", ".join(([self.mcu.name] if self.mcu else []) + limits)

    def parts(self) -> list[Mcu]:
        """All microcontrollers that the C can be built for, and that in question, which is first; then by their RAM."""
        return sorted((m for m in MCUS.values() if m is self.mcu or not m.no_build),
                      key=lambda m: (m is not self.mcu, m.ram_bytes, m.name))


@dataclass
class Subject:
    """A Program, and what the report's sections ask of it.

    path, sha256: of the file named by the user; floats: of the float model's, None without one.  quantized: whether the
    Program was made of the float model here.  windows: one about each test row; most: how many of them the host's backends
    compare, None: all.  missing: what became of access points that the data lack (`Samples.select`).
    """

    name: str
    path: str
    sha256: str
    program: Program
    model: Model | GraphModel | None
    floats: tuple[str, str] | None
    quantized: bool
    source: Mapping[str, Any]
    dataset: Dataset
    windows: Windows
    target: Target
    most: int | None = None
    missing: str = MISSING[0]

    @cached_property
    def codes(self) -> np.ndarray:
        """(w, t, a) int8 input of the windows."""
        return self.program.buffers[self.program.input].quantize(self.windows.x)

    @cached_property
    def audit(self) -> Audit:
        """Bytes both ways of running it."""
        return audit(self.program)

    @property
    def streams(self) -> bool:
        """Whether sample by sample takes less RAM than a window at once."""
        return self.audit.streams

    @cached_property
    def lean(self) -> Program:
        """The Program run in the way that takes less RAM."""
        return self.program.retime(1) if self.streams else self.program

    @cached_property
    def labels(self) -> np.ndarray:
        """(w,) the integer Program's room for each test row, as firmware runs it (`run.labels`)."""
        from tinyloc import run

        return run.labels(self.program, self.windows)

    @cached_property
    def labels_anew(self) -> np.ndarray | None:
        """(w,) its room for each test row by a window that begins anew; None where that is what `labels` has."""
        from tinyloc.run import Session

        return Session(self.program, "c").run_windows(self.codes)[:, -1, 0] if self.program.carries else None

    @cached_property
    def float_labels(self) -> np.ndarray | None:
        """(w,) the float model's room for each test row, run likewise, None without one."""
        return None if self.model is None else self.model.labels(self.windows)

    def spread(self, most: int) -> np.ndarray:
        """Indices of at most so many windows, spread evenly over the test rows."""
        n = len(self.windows)
        return np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(np.int64))


def data_words(source: Mapping[str, Any]) -> list[str]:
    """The options with which commands find the data of a source (`tinyloc.cli.common.source_of`), the seed apart."""
    words = ["--data", str(source["data"])]
    for k in ("house", "split"):
        words += [f"--{k}", str(source[k])] if source.get(k) else []
    for k, v in source.get("columns", {}).items():
        for one in v if isinstance(v, list) else [v]:
            words += [f"--{k.replace('_', '-')}", str(one)]
    return words


def kind_of(path: str | Path) -> str:
    """`tinyloc.program.FORMAT`; or `tinyloc.model.FORMAT`, for float models of either kind.  Raises ModelError for another
    file."""
    found = format_of(path)
    if found in (MODEL, GRAPH):
        return MODEL
    if found != PROGRAM:
        try:
            read_safetensors(path, PROGRAM, 0)
        except ModelError as e:
            other = f", a {MODEL} file, or the JSON facts of a report" if f"expected a {PROGRAM}" in str(e) else ""
            raise ModelError(f"{e}{other}") from None
    return PROGRAM


def name_of(path: str | Path) -> str:
    """The file's name without what `tinyloc` puts behind it."""
    name = Path(path).name
    while any(name.endswith(s) and name != s for s in SUFFIXES):
        name = name[: name.rindex(".")]
    return name


def _float_of(program: Program, path: str, given: Sequence[str]) -> str | None:
    """The file of the Program's float model: of those that were named, else the one that `tinyloc demo` and `search` would
    have written beside it; None without one.  It is told by what is known of its training, which quantization keeps."""
    def made_of(file: str | Path) -> bool:
        info = load_model(file).info
        return all(program.info.get(k) == v for k, v in info.items())

    for file in given:
        if made_of(file):
            return file
    beside = Path(path).with_name(f"{name_of(path)}.safetensors")
    if beside != Path(path) and beside.is_file() and kind_of(beside) == MODEL and made_of(beside):
        return str(beside)
    return None


def subjects(paths: Sequence[str], target: Target, *, source_of: Callable[[Mapping[str, Any]], dict[str, Any]],
             load: Callable[[dict[str, Any]], Dataset], floats: Sequence[str] = (), missing: str = MISSING[0],
             most: int | None = None) -> list[Subject]:
    """One for each file: a Program, or a float model, which is quantized as `tinyloc quantize` does without options.

    source_of: a model's info -> which data it is judged on; load: these.  floats: files of float models of the Programs.
    Raises ConfigError for a file that is named twice or a float model of none of the Programs; DataError when the models'
    test rows differ; what `train.last_rows` raises.
    """
    from tinyloc.confidence import calibrate as count
    from tinyloc.confidence import can_calibrate
    from tinyloc.quantize import calibrate
    from tinyloc.train import last_rows

    twice = {p for p in paths if paths.count(p) > 1}
    if twice:
        raise ConfigError(f"{min(twice)}: named twice; expected each model once")
    odd = next((f for f in floats if kind_of(f) != MODEL), None)
    if odd:
        raise ModelError(f"{odd}: expected a float model, as `tinyloc train` writes it, with --float")
    made: list[Subject] = []
    taken: set[str] = set()
    names = [name_of(p) for p in paths]
    file: str | None
    for path, name in zip(paths, names, strict=True):
        quantized = kind_of(path) == MODEL
        model = load_model(path) if quantized else None
        program = None if quantized else Program.load(path)
        source = source_of((model or program).info)  # type: ignore[union-attr]
        dataset = load(source)
        if program is None:
            assert model is not None
            program = calibrate(model, dataset, missing=missing)
            if can_calibrate(dataset):
                program = count(program, dataset, missing=missing)
        file = path if quantized else _float_of(program, path, floats)
        if file and not quantized:
            model = load_model(file)
            taken.add(file)
        windows = last_rows(program.info, dataset.test, missing)
        if not (windows.y[:, -1] >= 0).any():
            raise DataError(f"{dataset.name}: no test row has a room; a report needs rows with known rooms")
        made.append(Subject(name if names.count(name) == 1 else path, path, sha256(path), program, model,
                            (file, sha256(file)) if file else None, quantized, source, dataset, windows, target, most,
                            missing))
        if not _same_rows(made[0].dataset, dataset):
            raise DataError(f"{path}: its test rows ({dataset.name}) are not those of {made[0].path} "
                            f"({made[0].dataset.name}); scores of one report are of the same rows: name them with --data")
    lost = [f for f in floats if f not in taken]
    if lost:
        raise ConfigError(f"--float {lost[0]}: none of the Programs was made of it; expected the file that was quantized")
    return made


def _same_rows(a: Dataset, b: Dataset) -> bool:
    """Whether their test rows are the same."""
    return a is b or (a.name == b.name and a.rooms == b.rooms and a.inputs == b.inputs
                      and np.array_equal(a.test.signals, b.test.signals, equal_nan=True)
                      and np.array_equal(a.test.room, b.test.room))
