"""What a firmware repository demands of its models, in one TOML file, and whether they keep it.

    [[model]]
    file = "models/room.int8.safetensors"  # beside the TOML file
    mcu = "nrf52810"                       # its RAM and flash
    ram = "4K"                             # or less of it: state, activations and runner, the image in flash
    flash = "8K"                           # the image
    all_in_ram = "16K"
    measured = true                        # ram and flash: of the linked firmware, code and stack included (extra mcu)
    model_alone = true                     # bytes without those of tl_stream, its constants and the names
    instructions = 60_000                  # of a run: a sample, where the model streams (extra mcu)
    core = "cortex-m4"                     # without an mcu
    macro_f1 = 0.8                         # at least, of int8 labels on the test rows of `data`
    data = "walk.csv"                      # beside the TOML file, or the name of a data set; [what it was trained on]
    columns = {time = "t", room = "label", rssi = ["ap*"]}
    signature = "1c3f5a70"                 # CRC-32 of the image, as `tinyloc export` prints it, with --core, --at-once or
                                           # without: not a bit may change

Each row of a model that limits something is judged on its own: `tinyloc check`, or pytest (`tinyloc.pytest_plugin`).
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyloc.errors import ConfigError, TinylocError, unknown

if TYPE_CHECKING:
    from tinyloc.bench import Benchmark, Measured
    from tinyloc.program import Program
    from tinyloc.verify import Memory

SHOWN = 4  # buffers, ops or rooms in a message
#: Keys of a model and the types of their values.
KEYS: dict[str, tuple[type, ...]] = {
    "file": (str,), "mcu": (str,), "ram": (str, int), "flash": (str, int), "all_in_ram": (str, int), "measured": (bool,),
    "model_alone": (bool,), "instructions": (int,), "core": (str,), "macro_f1": (float, int), "data": (str,),
    "columns": (dict,), "seed": (int,), "signature": (str,)}


@dataclass(frozen=True)
class Verdict:
    """found and limit: bytes, instructions, a score or a signature; text: one line, which says what to look at."""

    model: str
    row: str
    found: Any
    limit: Any
    kept: bool
    text: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Row:
    """A limit: `judge` says whether it is kept."""

    model: Demands
    name: str
    limit: Any

    @property
    def id(self) -> str:
        """Such as room.int8:ram."""
        return f"{self.model.name}:{self.name}"

    def judge(self) -> Verdict:
        """Raises TinylocError for a model, data or toolchain that cannot be used."""
        found, kept, text = JUDGES[self.name](self.model, self.limit)
        return Verdict(self.model.name, self.name, found, self.limit, kept, text)


@dataclass
class Demands:
    """A model's entry in a budget file of that folder; what is computed of it is computed once."""

    folder: Path
    given: Mapping[str, Any]
    rows: list[Row] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Of the Program."""
        return self.folder / self.given["file"]

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return self.path.name.removesuffix(".safetensors")

    @cached_property
    def program(self) -> Program:
        """That of the file."""
        from tinyloc.program import Program

        return Program.load(self.path)

    @cached_property
    def best(self) -> tuple[Program, Memory]:
        """The Program in the way that takes less RAM, sample by sample or a window at once, and its memory."""
        from tinyloc.verify import audit

        found = audit(self.program)
        return (self.program.retime(1) if found.streams else self.program), found.best

    @cached_property
    def measured(self) -> Measured:
        """Of the linked firmware, run with the extremes and a random window as input."""
        from tinyloc.bench import measure, memory_of
        from tinyloc.export import extremes

        program, _ = self.best
        return measure(program, self.core, memory_of(None, None, None), extremes(program), model_alone=self.model_alone)

    @property
    def model_alone(self) -> bool:
        """Whether the stream's bytes do not count."""
        return bool(self.given.get("model_alone"))

    @cached_property
    def needs(self) -> tuple[dict[str, int], dict[str, int]]:
        """Bytes that are counted, and the stream's in RAM and in flash."""
        from tinyloc.verify import beside, needs

        program, m = self.best
        stream = None if self.model_alone else beside(program)
        return needs(m, stream), {"ram": stream.ram, "flash": stream.flash} if stream else {"ram": 0, "flash": 0}

    @cached_property
    def benchmark(self) -> Benchmark:
        """Of a run: a sample where the model streams, else a window."""
        from tinyloc.bench import bench

        p = self.program
        return bench(p.retime(1) if p.can_stream else p, self.core)

    @property
    def core(self) -> str:
        """The entry's, or its microcontroller's; cortex-m4 without."""
        from tinyloc.bench import core_of
        from tinyloc.emulator.mcu import find

        if "core" in self.given:
            return str(self.given["core"])
        return f"cortex-{core_of(find(self.given['mcu']))}" if "mcu" in self.given else "cortex-m4"

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Those of the int8 labels on the test rows."""
        from tinyloc.data import load_source
        from tinyloc.train import scores
        from tinyloc.trial import labels

        info = self.program.info
        own = {"data": self.given["data"]} if "data" in self.given else info.get("source", {})
        if not own:
            raise ConfigError("the model does not say which data it was trained on; name them (data)")
        beside = self.folder / own["data"]
        d = load_source({**own, "data": str(beside) if beside.is_file() else own["data"],
                         "seed": self.given.get("seed", own.get("seed", 0)),
                         "columns": {**own.get("columns", {}), **self.given.get("columns", {})}})
        return scores(*labels(self.program, d, "test"), tuple(info.get("rooms", d.rooms)))


def _per(samples: int) -> str:
    return "a sample" if samples == 1 else f"a window of {samples} samples"


def _over(found: int, limit: int, unit: str = "B") -> str:
    if found <= limit:
        return f"{found:,} of {limit:,} {unit}, {limit - found:,} to spare"
    return f"{found:,} {unit}, {found - limit:,} {unit} more than the budget of {limit:,}"


def _largest(sizes: Mapping[str, int], unit: str = " B") -> str:
    ranked = sorted(sizes.items(), key=lambda item: -item[1])
    rest = sum(v for _, v in ranked[SHOWN:])
    return ", ".join(f"{k} {v:,}{unit}" for k, v in ranked[:SHOWN]) + (f", others {rest:,}{unit}" if rest else "")


def peak(program: Program) -> str:
    """Where the activations are most: the step, and what lives there."""
    from tinyloc.emulator.plan import plan

    layout = plan(program)
    at = layout.peak_step()
    step = program.steps[at]
    live = {x.name: x.size for x in layout.live_at(at)}
    return (f"activations peak at {layout.peak:,} B in step {at} of {len(program.steps)} ({step.op} -> {step.args[0]}), "
            f"where {_largest(live)} live")


def _ram(model: Demands, limit: int) -> tuple[int, bool, str]:
    program, m = model.best
    if model.given.get("measured"):
        found, parts = model.measured.ram, {**model.measured.sections, "stack": model.measured.stack_bound}
        parts = {k: v for k, v in parts.items() if k in (".data", ".bss", ".noinit", "stack")}
        text = f"RAM of the linked firmware: {_over(found, limit)}; {_largest(parts)}; {peak(program)}"
        return found, found <= limit, text
    found, stream = model.needs[0]["ram"], model.needs[1]["ram"]
    parts = {"activations": m.activations, "state": m.state, "runner": m.model, **({"stream": stream} if stream else {})}
    return found, found <= limit, f"RAM: {_over(found, limit)}; {_largest(parts)}; {peak(program)}"


def _constants(program: Program) -> str:
    used = {a for s in program.steps for a in s.args if isinstance(a, str)}
    return _largest({n: b.nbytes for n, b in program.buffers.items() if n in used and b.kind in ("weight", "table")})


def _flash(model: Demands, limit: int) -> tuple[int, bool, str]:
    program, _ = model.best
    if model.given.get("measured"):
        found = model.measured.flash
        parts = {k: v for k, v in model.measured.sections.items() if k in (".text", ".rodata", ".data")}
        return found, found <= limit, f"flash of the linked firmware: {_over(found, limit)}; {_largest(parts)}"
    found, stream = model.needs[0]["flash"], model.needs[1]["flash"]
    beside = f", of which the stream's {stream:,}" if stream else ""
    return found, found <= limit, (f"flash: {_over(found, limit)}{beside}; the largest constants: {_constants(program)}")


def _all_in_ram(model: Demands, limit: int) -> tuple[int, bool, str]:
    program, m = model.best
    found, stream = model.needs[0]["all_in_ram"], sum(model.needs[1].values())
    parts = {"weights": m.weights, "tables": m.tables, "steps": m.records, "state": m.state, "activations": m.activations,
             "runner": m.model, **({"stream": stream} if stream else {})}
    return found, found <= limit, f"all in RAM: {_over(found, limit)}; {_largest(parts)}; {peak(program)}"


def _instructions(model: Demands, limit: int) -> tuple[int, bool, str]:
    b = model.benchmark
    found = b.total.instructions
    by_op = {op: c.instructions for op, c in b.by_op().items()}
    text = f"instructions of {_per(b.samples)} on {b.core}: {_over(found, limit, 'instructions')}; {_largest(by_op, '')}"
    return found, found <= limit, text


def _macro_f1(model: Demands, limit: float) -> tuple[float, bool, str]:
    s = model.scores
    found = float(s["macro_f1"])
    worst = sorted(((v, k) for k, v in s["f1"].items() if v is not None))[:SHOWN]
    said = f"{found:.4f}, {limit - found:.4f} less than" if not found >= limit else f"{found:.4f}, expected at least"
    return found, found >= limit, f"macro-F1 {said} {limit:g}; the least: " + ", ".join(f"{k} {v:.3f}" for v, k in worst)


def _signature(model: Demands, limit: str) -> tuple[str, bool, str]:
    from tinyloc.export import image_crc, variant_of
    from tinyloc.image import to_image

    exported = variant_of(model.program, int(limit, 16))
    if exported:
        made, core = exported
        how = f"{'weights packed' if core else 'no weights packed'}, {_per(made.steps_of_time)} a run"
        return limit.lower(), True, f"signature of the image: {limit.lower()} ({how})"
    found = f"{image_crc(to_image(model.best[0])):08x}"
    return found, False, (f"signature of the image: {found} (no weights packed), expected {limit.lower()}: the model is "
                          "another one, however it is exported; if that is meant, put the new one into the budget")


#: A row's name -> (found, whether it is kept, one line).
JUDGES: dict[str, Callable[[Demands, Any], tuple[Any, bool, str]]] = {
    "ram": _ram, "flash": _flash, "all_in_ram": _all_in_ram, "instructions": _instructions, "macro_f1": _macro_f1,
    "signature": _signature}


def read(path: str | Path) -> list[Demands]:
    """The models of a budget file, each with its rows.  No model is loaded yet.

    Raises ConfigError naming the entry and the key that is not as expected.
    """
    path = Path(path)
    text = _toml(path)
    extra = sorted(set(text) - {"model"})
    entries = text.get("model")
    if extra or not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise ConfigError(f"{path}: expected tables [[model]] and nothing else, found {', '.join(extra) or 'none'}")
    return [_demands(path, number, entry) for number, entry in enumerate(entries, 1)]


def _toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise ConfigError("budgets need the tomli package on Python 3.10: pip install tomli") from None
    try:
        found: dict[str, Any] = tomllib.loads(path.read_bytes().decode())
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}; expected a budget file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path}: no TOML ({e})") from None
    return found


def _demands(path: Path, number: int, entry: Mapping[str, Any]) -> Demands:
    from tinyloc.bench import check_core
    from tinyloc.emulator.mcu import budget, buildable, parse_size

    where = f"{path}, model {number}"
    for key, value in entry.items():
        if key not in KEYS:
            raise ConfigError(f"{where}: {unknown('key', key, KEYS)}")
        if not isinstance(value, KEYS[key]) or (isinstance(value, bool) and KEYS[key] != (bool,)):
            raise ConfigError(f"{where}: {key} = {value!r}; expected {' or '.join(t.__name__ for t in KEYS[key])}")
    if "file" not in entry:
        raise ConfigError(f"{where}: no file; expected that of an int8 Program")
    if "signature" in entry and not re.fullmatch(r"[0-9a-fA-F]{8}", entry["signature"]):
        raise ConfigError(f"{where}: signature = {entry['signature']!r}; expected eight hexadecimal digits")
    # A slip, such as 80 for 80 %: no model keeps it.
    if not 0 <= entry.get("macro_f1", 0) <= 1:
        raise ConfigError(f"{where}: macro_f1 = {entry['macro_f1']!r}; expected 0 to 1")
    if entry.get("instructions", 1) < 1:
        raise ConfigError(f"{where}: instructions = {entry['instructions']}; expected 1 or more")
    limits: dict[str, Any] = {}
    try:
        sizes = {k: str(entry[k]) for k in ("ram", "flash", "all_in_ram") if k in entry}
        limits = {k: parse_size(v) for k, v in sizes.items()}
        if "mcu" in entry:
            check_core(buildable(entry["mcu"]), entry.get("core"))
            chip = budget(entry["mcu"], sizes.get("ram"), sizes.get("flash"))
            limits |= {"ram": chip.ram_bytes} | ({"flash": chip.flash_bytes} if chip.flash_bytes is not None else {})
    except TinylocError as e:
        raise ConfigError(f"{where}: {e}") from None
    limits |= {k: entry[k] for k in ("instructions", "macro_f1", "signature") if k in entry}
    if not limits:
        raise ConfigError(f"{where}: nothing is demanded; expected {', '.join(JUDGES)} or an mcu")
    made = Demands(path.parent, dict(entry))
    made.rows = [Row(made, name, limits[name]) for name in JUDGES if name in limits]
    return made
