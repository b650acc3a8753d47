"""What each section of a report holds, as plain data: one function a section, from a Subject to what JSON can hold.

A function raises Missing where its facts cannot be had here; the report then says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinyloc.data import MISSING, Dataset, confusion
from tinyloc.data.split import units
from tinyloc.emulator.mcu import Mcu
from tinyloc.errors import BrokenError, ConfigError
from tinyloc.program import Program
from tinyloc.report.subject import EMULATED, PLOTTED, Missing, Subject, data_words
from tinyloc.stream import unpromised
from tinyloc.verify import Memory

Facts = dict[str, Any]

K = 1024
BUDGETS = (32 * K, 64 * K)  # of RAM, with everything in it: what Suwannaphong et al. (2025) aim at
HOST = ("numba", "c", "arena")
WITHOUT_MCU = "the extra mcu is missing, which brings a compiler and an emulator: pip install 'tinyloc[mcu]'"
WITHOUT_FLOAT = ("no float model is known for this Program: name the file that was quantized with --float, or give that "
                 "file instead of the Program")
# Ends of the histogram's bins, in units of the last place; errors of up to half a unit are what rounding alone makes.
EDGES = (-32.5, -16.5, -8.5, -4.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5)
DRAWS = 1000  # of the bootstrap


# ---- memory ----

def _bars(program: Program, memory: Memory) -> Facts:
    """The arena over the steps of a run: a bar for all buffers that share their bytes, first to last step."""
    from tinyloc.emulator.plan import lifetimes, overlays, plan

    layout = plan(program)
    over = overlays(program, lifetimes(program))

    def root(name: str) -> str:
        return root(over[name]) if name in over else name

    bars = [{"buffer": x.name, "also": sorted(n for n in over if root(n) == x.name), "kind": program.buffers[x.name].kind,
             "bytes": x.size, "offset": layout.offsets[x.name], "first": x.first, "last": x.last} for x in layout.lives]
    state = [{"buffer": n, "bytes": program.buffers[n].nbytes, "offset": layout.offsets[n]} for n in program.state]
    steps = [{"op": s.op, "buffer": str(s.args[0]), "live": sum(x.size for x in layout.live_at(i))}
             for i, s in enumerate(program.steps)]
    return {"samples": program.steps_of_time, "bytes": memory.to_dict(), "arena": layout.arena_bytes, "peak": layout.peak,
            "peak_step": layout.peak_step(), "optimal": layout.optimal, "bars": bars, "state": state, "steps": steps}


def memory(s: Subject) -> Facts:
    """Bytes by kind and the plan of the arena, for each way of running it; the way of less RAM first."""
    ways = [("window", s.program, s.audit.window)]
    if s.audit.stream:
        ways.append(("stream", s.program.retime(1), s.audit.stream))
    ways.sort(key=lambda w: w[2] is not s.audit.best)
    return {"ways": [{"way": way, **_bars(program, m)} for way, program, m in ways]}


def fit(s: Subject) -> Facts:
    """On which parts it fits, by how many bytes: as linked firmware, code and stack included, where its core is emulated.

    needs: what the report tells of the target, wherever it does; without one, on the core whose instructions are counted.
    """
    linked, why = _linked(s)
    counted = s.audit.best

    def judged(core: str, ram: int | None, flash: int | None, of: Mcu | None) -> Facts:
        """Of limits, None for none: what is needed, what is left; of a part that nothing can be built for, it is for
        comparison alone."""
        own, limits = linked.get(core), {"ram": ram, "flash": flash}
        needs = {"ram": own["ram"], "flash": own["flash"]} if own else {"ram": counted.ram, "flash": counted.image}
        spare = {k: None if v is None else v - needs[k] for k, v in limits.items()}
        return {**limits, "needs": needs, "spare": spare, "linked": own is not None,
                "fits": all(v is None or v >= 0 for v in spare.values()) and not (of and of.no_build)}

    # Each with all that it has, also that in question: what its other firmware leaves of it is the budget.
    parts = [{"mcu": m.name, "core": m.core, "clock_hz": m.clock_hz, "note": m.note,
              **judged(_core(m), m.ram_bytes, m.flash_bytes, m)} for m in s.target.parts()]
    whole = {"ram": counted.ram, "all_in_ram": counted.total, "flash": counted.image}
    budget, chip = None, s.target.mcu
    if chip and s.target.name != chip.name:
        budget = judged(_core(chip), s.target.ram, s.target.flash, chip)
    elif not chip and s.target.name:
        budget = judged(s.target.core.removeprefix("cortex-"), s.target.ram, s.target.flash, None)
    asked = budget or (parts[0] if chip else judged(s.target.core.removeprefix("cortex-"), None, None, None))
    return {"way": "stream" if s.streams else "window", "samples": counted.steps_of_time, "counted": whole,
            "needs": {**asked["needs"], "linked": asked["linked"]},
            "linked": linked, "not_linked": why, "parts": parts, "budget": budget,
            "budgets": [{"bytes": b, "spare": {"ram": b - counted.ram, "all_in_ram": b - counted.total}} for b in BUDGETS]}


def _core(m: Mcu) -> str:
    """Its emulated core; "" when it has none."""
    from tinyloc.bench import core_of

    return core_of(m) if m.cortex_m else ""


def _linked(s: Subject) -> tuple[Facts, str | None]:
    """What the linked firmware takes on each emulated core, and why there is none."""
    from tinyloc.bench import can_count, measure, memory_of
    from tinyloc.emulator.toolchain import EMULATED as CORES

    if not can_count():
        return {}, WITHOUT_MCU
    x = s.codes[s.spread(2)]
    try:
        return {core: measure(s.lean, core, memory_of(None, None, None), x[:, :1] if s.streams else x).to_dict()
                for core in CORES}, None
    except ConfigError as e:
        return {}, str(e)


# ---- instructions ----

def instructions(s: Subject) -> Facts:
    """Counted on the core in question, by op and by step; cycles, time and energy estimated."""
    from tinyloc.bench import bench, can_count

    if not can_count():
        raise Missing(f"instructions are counted on an emulated core; {WITHOUT_MCU}")
    if not s.target.core.startswith("cortex-"):
        raise Missing(f"no firmware is built for the core {s.target.core}; name another part, or a Cortex-M with --core")
    try:
        found = bench(s.lean, s.target.core, s.target.mcu)
    except ConfigError as e:
        raise Missing(str(e)) from None
    rate = s.dataset.rate_hz or None
    # As tl_stream does it: a run for each sample, of its window where the model cannot go on from the one before.
    busy = found.total.seconds * rate if rate and found.total.seconds is not None else None
    return {"way": "stream" if s.streams else "window", "window": s.program.steps_of_time,
            "mcu": s.target.mcu.name if s.target.mcu else None,
            "clock_hz": s.target.mcu.clock_hz if s.target.mcu else None, "rate_hz": rate, "busy": busy, **found.to_dict()}


# ---- accuracy ----

def interval(true: np.ndarray, predicted: np.ndarray, unit: np.ndarray, classes: int, draws: int = DRAWS
             ) -> dict[str, list[float]]:
    """95 % intervals of macro_f1 and accuracy: percentiles over resampled units of rows (n,), whose mistakes are not
    independent (block bootstrap; Kunsch, Annals of Statistics 17:1217, 1989).  Seed 0; rows without a room are left out, and
    from a draw's macro-F1 the rooms of whose rows it happens to have none."""
    known = true >= 0
    t, p, u = true[known], predicted[known], np.unique(unit[known], return_inverse=True)[1].reshape(-1)
    pairs, pair = np.unique(t * classes + p, return_inverse=True)
    counts = np.zeros((u.max(initial=-1) + 1, len(pairs)), np.float32)  # whole numbers, so their sums are exact
    np.add.at(counts, (u, pair.reshape(-1)), 1)
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), draws)
    flat = np.zeros((draws, classes * classes))
    flat[:, pairs] = drawn.astype(np.float32) @ counts
    m = flat.reshape(draws, classes, classes)
    hits, rows = np.diagonal(m, axis1=1, axis2=2), m.sum(2)
    total, never = m.sum(1) + rows, np.bincount(t, minlength=classes) == 0
    f1 = np.divide(2 * hits, total, out=np.full_like(hits, np.nan), where=(total > 0) & ((rows > 0) | never))
    found = {"macro_f1": np.nanmean(f1, axis=1), "accuracy": hits.sum(1) / m.sum((1, 2))}
    return {k: [float(v) for v in np.percentile(x, [2.5, 97.5])] for k, x in found.items()}


def accuracy(s: Subject) -> Facts:
    """Scores of the test rows, F1 and rows a room, who is taken for whom; float beside, where it is known."""
    from tinyloc.train import scores

    rooms = tuple(map(str, s.program.info.get("rooms", s.dataset.rooms)))
    true, test = s.windows.y[:, -1], s.dataset.test
    unit = units(test, s.program.steps_of_time, s.dataset.rate_hz)
    matrix = confusion(true, s.labels, len(rooms))

    def judged(labels: np.ndarray) -> Facts:
        return {**scores(true, labels, rooms), "interval": interval(true, labels, unit, len(rooms))}

    floats, anew = s.float_labels, s.labels_anew
    areas = {room: {"floor": a.floor, "x0": float(a.x0), "y0": float(a.y0), "x1": float(a.x1), "y1": float(a.y1)}
             for room, a in s.dataset.areas.items()}
    known = true >= 0
    return {"rows": len(true), "labeled": int(known.sum()), "blocks": len(np.unique(unit[known])), "rooms": list(rooms),
            "delay": int(s.program.info.get("delay", 0)), "int8": judged(s.labels),
            "anew": None if anew is None else judged(anew),
            "float": None if floats is None else judged(floats),
            "agreement": None if floats is None else float((floats == s.labels).mean()),
            "validation_macro_f1": _number(s.program.info.get("validation_macro_f1")),
            "unpromised": unpromised(s.program.info) or None,
            "confusion": matrix.tolist(), "areas": areas}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


# ---- float against int8 ----

def layers(s: Subject) -> Facts:
    """How far each tensor's codes lie from the float model's values on test windows, in units of their last place.

    error: code - (value / scale + zero point), all that came before included; own: likewise, with the float layer given
    what the integer one was given.  sqnr_db: 10 log10(sum value^2 / sum error^2), in real units.
    """
    from tinyloc.kernels.table import LAYERS
    from tinyloc.quantize import Tensors
    from tinyloc.run import Steps

    if s.model is None:
        raise Missing(WITHOUT_FLOAT)
    at = s.spread(PLOTTED)
    program = s.program
    tensors = Tensors.of(s.model.graph(program.steps_of_time), s.windows.x[at])
    codes = Steps(program.buffers, program.steps, program.data).run_windows(s.codes[at])
    rows = []
    for node in tensors.nodes[:-1]:
        b = program.buffers[node.out]
        q, real = codes(node.out).astype(np.float64), tensors.values[node.out].astype(np.float64)
        exact = real / b.scale + b.zero_point
        error, ends = q - exact, np.iinfo(b.dtype)
        own = None
        if node.kind != "input":
            given = [program.buffers[n].dequantize(codes(n)).astype(np.float32) for n in node.inputs]
            alone = LAYERS[node.kind].forward(node, given).astype(np.float64) / b.scale + b.zero_point
            own = float(np.sqrt(((q - np.clip(alone, ends.min, ends.max)) ** 2).mean()))
        noise = float(((error * b.scale) ** 2).sum())
        signal = float((real**2).sum())
        rows.append({"buffer": node.out, "layer": node.kind, "dtype": b.dtype, "scale": b.scale, "values": int(q.size),
                     "rms": float(np.sqrt((error**2).mean())), "max": float(np.abs(error).max()),
                     "bias": float(error.mean()), "own_rms": own,
                     "sqnr_db": 10 * math.log10(signal / noise) if noise and signal else None,
                     "clipped": float(((exact < ends.min - 0.5) | (exact > ends.max + 0.5)).mean()),
                     "histogram": np.histogram(error, [-np.inf, *EDGES, np.inf])[0].tolist()})
    label = tensors.nodes[-1].out
    return {"windows": len(at), "edges": list(EDGES), "tensors": rows, "qat": "qat" in program.info,
            # A confidence may lie beside each label of the integers.
            "labels_equal": float((codes(label)[..., :1] == tensors.values[label]).mean())}


# ---- exactness ----

def exactness(s: Subject) -> Facts:
    """Every step of test windows on every backend that this machine has, against the first one."""
    from tinyloc.bench import can_count
    from tinyloc.emulator.toolchain import CORES
    from tinyloc.verify import compare, streams_alike

    x = s.codes if s.most is None else s.codes[s.spread(s.most)]
    few = s.codes[s.spread(EMULATED if s.most is None else min(s.most, EMULATED))]
    signatures = len(s.program.steps) + 1
    reference, *host = HOST
    rows: list[Facts] = []
    outputs = None
    for backend in (*host, *(c.cpu for c in CORES.values())):
        row: Facts = {"backend": backend, "windows": 0, "signatures": 0, "equal": None, "says": None}
        rows.append(row)
        if backend.startswith("cortex-") and not can_count():
            row["says"] = WITHOUT_MCU
            continue
        try:
            found = compare(s.program, few if backend.startswith("cortex-") else x, (reference, backend))
        except BrokenError as e:
            row |= {"equal": False, "says": str(e)}
            continue
        except ConfigError as e:
            row["says"] = str(e)
            continue
        outputs = found.outputs if backend == host[0] else outputs
        row |= {"windows": found.windows[backend], "signatures": found.windows[backend] * signatures, "equal": found.equal,
                "says": None if found.equal else str(found.differences[backend])}
    stream = None if outputs is None else streams_alike(s.program, x, outputs, reference)
    return {"reference": reference, "steps": len(s.program.steps), "backends": rows, "stream_equals_window": stream,
            "equal": all(r["equal"] is not False for r in rows) and stream is not False}


# ---- how it came about ----

# Of a Program's info: what is shown elsewhere, or is too long for a table.
_ELSEWHERE = ("name", "dataset", "simulated", "note", "rooms", "aps", "scaler", "proofs", "test", "parameters",
              "validation_macro_f1", "source")


def settings(info: Mapping[str, Any]) -> Facts:
    """What made the model what it is, weights of eight bits where an older file does not say; of the scaler, what inputs are
    made of, as on the command line."""
    power = info.get("scaler", {}).get("power", 1)
    signal = {"signal": "minmax"} if power == 1 else {"signal": "powed", "power": power}
    told = {k: v for k, v in info.items() if k not in _ELSEWHERE}
    return {"weights": "int8", **told, **(signal if "scaler" in info else {})}


def origin(s: Subject) -> Facts:
    """Digests, settings and seeds of the Program, and the commands that repeat what the report says of it."""
    from tinyloc.emulator.mcu import format_size
    from tinyloc.export import image_crc, variant
    from tinyloc.image import to_image

    info, path = s.program.info, s.path
    file = f"{s.name}.int8.safetensors" if s.quantized else path
    # With the seed always: what is not given is the model's own.
    data = [*data_words(s.source), "--seed", str(s.source["seed"])]
    data += ["--missing", s.missing] if s.missing != MISSING[0] else []
    part = ["--mcu", s.target.mcu.name] if s.target.mcu else []
    core = part or ["--core", s.target.core]
    cortex = s.target.core if s.target.core.startswith("cortex-") else None  # others have no firmware
    limits = [word for kind, n in s.target.limits.items() for word in (f"--{kind}", format_size(n))]
    commands = [["tinyloc", "quantize", path, *data, "--out", file]] if s.quantized else []
    commands += [["tinyloc", "verify", file, *data, "--backend", ",".join((*HOST, s.target.core))],
                 ["tinyloc", "audit", file, *part, *limits, *(["--measured", *([] if part else core)] if cortex else [])],
                 ["tinyloc", "run", file, *data]]
    if cortex:
        commands.insert(-1, ["tinyloc", "bench", file, *core])
    exported = variant(s.program, cortex)
    image = to_image(exported)
    proofs: Mapping[str, Any] = info.get("proofs", {})
    halves = {"four_bits": list(s.program.four_bits)} if s.program.four_bits else {}
    tight = max(proofs, key=lambda k: proofs[k][0] / (proofs[k][1] or 1), default=None)
    return {"preset": str(info.get("name", "")), "parameters": info.get("parameters"), "quantized_here": s.quantized,
            "files": [{"what": "float model" if s.quantized else "Program", "path": path, "sha256": s.sha256},
                      *([{"what": "float model", "path": s.floats[0], "sha256": s.floats[1]}]
                        if s.floats and not s.quantized else [])],
            "image": {"bytes": len(image), "crc32": f"{image_crc(image):08x}", "core": cortex,
                      "way": "stream" if exported.steps_of_time < s.program.steps_of_time else "window"},
            "data_digest": s.dataset.digest(), "source": dict(s.source), "settings": settings(info) | halves,
            "proofs": {"count": len(proofs), "tightest": tight and {"what": tight, "bound": proofs[tight][0],
                                                                    "limit": proofs[tight][1]}},
            "commands": commands}


# ---- the whole document ----

def data(d: Dataset) -> Facts:
    """The rows that the report is about."""
    return {"name": d.name, "simulated": d.simulated, "note": d.note, "access_points": len(d.aps), "motion": list(d.motions),
            "rate_hz": d.rate_hz, "rows": {"train": len(d.train), "validation": len(d.val), "test": len(d.test)}}


def front(models: list[Facts]) -> list[Facts]:
    """A point a model: what it scores, what it takes, as the verdict tells it, and in which costs no other one is better."""
    from tinyloc.pareto import non_dominated

    points = []
    for m in models:
        fit, cost = m["sections"]["fit"], m["sections"]["instructions"]
        # A run gives an answer: of a sample where it streams, else of a window.
        points.append({"model": m["name"], "macro_f1": m["sections"]["accuracy"]["int8"]["macro_f1"],
                       **{k: fit["needs"][k] for k in ("ram", "flash")}, "all_in_ram": fit["counted"]["all_in_ram"],
                       "instructions": None if "missing" in cost else cost["total"]["instructions"], "on_front": {}})
    for cost in ("ram", "flash", "all_in_ram", "instructions"):
        known = [p for p in points if p[cost] is not None]
        best = set(non_dominated([(p[cost], -p["macro_f1"]) for p in known])) if known else set()
        for i, p in enumerate(known):
            p["on_front"][cost] = i in best
    return points
