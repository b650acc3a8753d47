"""A Program as a C project: kernels, runner, image, constants, golden windows and a self-test, for the usual builds.

The image and its table of kernels are those that `tinyloc.emulator.board` runs.  The same Program and windows give the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc import __version__
from tinyloc.data.windows import Scaler
from tinyloc.emulator import toolchain
from tinyloc.emulator.plan import plan
from tinyloc.errors import ConfigError, ModelError
from tinyloc.files import sync_folder, temporary_folder, write_synced
from tinyloc.image import Image, sources, to_image
from tinyloc.program import Buffer, Program

TEMPLATES = Path(__file__).resolve().parent / "templates"
MANIFEST = "tinyloc-export.json"
DBM = np.arange(-128, 128)  # the whole numbers for which the input's constants hold
FRACTION = 24  # bits of them
AP_BYTES = 12  # of a tl_ap
SELF_TEST = ("tl_golden.c", "tl_selftest.c")  # of src/: no firmware needs them
FLASH_BYTES, RAM_BYTES, STACK_BYTES = 256 << 10, 64 << 10, 2048  # of the example's linker script
README_MOTION = """
/* before each row, for each motion channel: n samples {x, y, z} in mg since the last row; fewer than 2 leave it unknown */
tl_hear(&tl_model_scaler, heard, TL_MODEL_MOTION, tl_motion(xyz, n), now_ms);
"""
README_LOOP = {
    True: "tl_row(&tl_model_scaler, heard, tl_input(&model), now_ms);\ntl_run(&model);\n"
          "const char *room = tl_model_rooms[*(uint8_t *)tl_output(&model)];",
    False: "static int8_t rows[TL_MODEL_ROWS][TL_MODEL_APS]; /* the oldest first */\n"
           "memmove(rows[0], rows[1], sizeof rows - sizeof rows[0]);\n"
           "tl_row(&tl_model_scaler, heard, rows[TL_MODEL_ROWS - 1], now_ms);\n"
           "memcpy(tl_input(&model), rows, sizeof rows); /* a run overwrites it */\ntl_reset(&model);\ntl_run(&model);\n"
           "const char *room = tl_model_rooms[((uint8_t *)tl_output(&model))[TL_MODEL_LABELS - 1]];",
}


# ---- the input in integers ----

@dataclass(frozen=True)
class InputConstants:
    """What `tl_scaler` of kernels/c/tinyloc.h holds: count of inputs; mult, offset, first, last and fix (count - curved,);
    fixes: bits, a byte each 8 dBm; codes least and most; silent in dBm; hold in ms.  Instead of what each input has, the
    first `curved` of them may share a curve of 256 codes."""

    count: int
    mult: tuple[int, ...]
    offset: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    fix: tuple[int, ...]
    fixes: bytes
    least: int
    most: int
    silent: int
    hold: int
    curve: bytes = b""
    curved: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of flash that the tables take."""
        return len(self.curve) + AP_BYTES * len(self.mult) + len(self.fixes)

    def codes(self) -> np.ndarray:
        """(count, 256) codes of -128..127 dBm by the curve, or by the integer formula of `tl_code`."""
        curve = np.repeat(np.frombuffer(self.curve, np.int8).reshape(-1, len(DBM)), self.curved, 0).astype(np.int64)
        if self.curved == self.count:
            return curve
        mult, offset, first, last, fix = (np.array(v)[:, None] for v in (self.mult, self.offset, self.first, self.last,
                                                                          self.fix))
        d = np.clip(DBM, first, last) - first
        bits = np.frombuffer(self.fixes, np.uint8)[fix + d // 8] >> (d % 8) & 1
        line = self.least + ((d * mult + offset & 0xFFFFFFFF) >> FRACTION) + bits
        return np.concatenate([curve, np.where(first > DBM, self.least, np.where(last < DBM, self.most, line))])


def float_codes(scaler: Scaler, buffer: Buffer) -> np.ndarray:
    """(a + m, 256) codes that `Scaler.transform` and `Buffer.quantize` give -128..127 dBm (motion: dB) at each input."""
    dbm = np.repeat(DBM[:, None], len(scaler.lo), 1).astype(np.float32)
    return buffer.quantize(scaler.transform(dbm)).T.astype(np.int64)


def _line(u: np.ndarray) -> tuple[int, int]:
    """(mult, offset), both >= 0, with floor((d mult + offset) / 2^24) = u[d], or u[d] - 1 for as few d as it finds."""
    if len(u) == 1:
        return 0, int(u[0]) << FRACTION
    one, d = 1 << FRACTION, np.arange(len(u))
    a, c = np.triu_indices(len(u), 1)
    rise, run = (u[c] - u[a]) * one, c - a
    # For each pair, (u[c] - u[a] - 1) 2^24 < (c - a) mult < (u[c] - u[a] + 1) 2^24.  Where all of that holds there is an
    # offset that meets each u[d]; where float32 rounds one tie up and another down, the ends have crossed.
    least, most = int(((rise - one) // run + 1).max()), int(((rise + one - 1) // run).min())
    best: tuple[int, int, int] | None = None
    for mult in dict.fromkeys(((least + most) // 2, least, most)):
        low, high = int((u * one - d * mult).max()), int(((u + 1) * one - 1 - d * mult).min())
        offset = (low + high) // 2 if low <= high else high
        wrong = int((u - (d * mult + offset >> FRACTION)).sum())
        if mult >= 0 and offset >= 0 and (best is None or wrong < best[0]):
            best = wrong, mult, offset
    return best[1:] if best else (0, 0)


def input_constants(scaler: Scaler, buffer: Buffer) -> InputConstants:
    """The integers with which the C code gives the float path's codes; all 256 dBm of each input are checked.

    Raises ModelError when the input is not int8, or silence or hold do not fit the constants.
    """
    if buffer.dtype != "int8":
        raise ModelError(f"input {buffer.name!r}: expected int8, found {buffer.dtype}")
    silent, hold = round(scaler.not_heard), round(scaler.hold * 1000)
    if silent != scaler.not_heard or not DBM[0] <= silent <= DBM[-1]:
        raise ModelError(f"scaler: not_heard is {scaler.not_heard:g}, expected a whole number from {DBM[0]} to {DBM[-1]}")
    if not 0 <= hold < 1 << 16:
        raise ModelError(f"scaler: hold is {scaler.hold:g} s, expected 0 to 65.535")
    want = float_codes(scaler, buffer)
    least, most = (int(v) for v in buffer.quantize(np.array([0.0, 1.0])))
    a = len(want) - scaler.motion
    shared = bool((want[:a] == want[0]).all())
    if shared and AP_BYTES * a > len(DBM):
        return _checked(_constants(want, a, least, most, silent, hold), want)
    try:
        return _checked(_constants(want, 0, least, most, silent, hold), want)
    except ModelError:
        if not shared:
            raise
        return _checked(_constants(want, a, least, most, silent, hold), want)


def _constants(want: np.ndarray, curved: int, least: int, most: int, silent: int, hold: int) -> InputConstants:
    """Those of the codes (count, 256), the first `curved` by a curve."""
    rows: list[tuple[int, int, int, int, bytes]] = []
    for number, codes in enumerate(want[curved:], curved):
        # Where the codes saturate they leave the line; what lies between may be nothing but a jump.
        first, last = int((codes == least).sum()), len(DBM) - 1 - int((codes == most).sum())
        if first > last:
            first = last = min(first, len(DBM) - 1)
        u = codes[first : last + 1] - least
        mult, offset = _line(u)
        over = u - (np.arange(len(u)) * mult + offset >> FRACTION)
        if ((over != 0) & (over != 1)).any():
            raise ModelError(f"scaler: input {number}: no formula in integers gives its codes")
        bits = np.packbits(over.astype(bool), bitorder="little").tobytes()
        rows.append((mult, offset, int(DBM[first]), int(DBM[last]), bits))
    pool = bytes(max((len(r[4]) for r in rows), default=0))  # none set: for nearly all
    at: dict[bytes, int] = {}
    for *_, bits in rows:
        if bits not in at:
            at[bits] = len(pool) if any(bits) else 0
            pool += bits if any(bits) else b""
    if len(pool) >= 1 << 16:
        raise ModelError(f"scaler: {len(pool)} bytes of exceptions, expected fewer than 65536")
    mults, offsets, firsts, lasts, all_bits = zip(*rows, strict=True) if rows else ((),) * 5
    curve = want[0].astype(np.int8).tobytes() if curved else b""
    return InputConstants(len(want), mults, offsets, firsts, lasts, tuple(at[b] for b in all_bits), pool, least, most,
                          silent, hold, curve, curved)


def _checked(made: InputConstants, want: np.ndarray) -> InputConstants:
    if not np.array_equal(made.codes(), want):
        raise ModelError("scaler: its integer constants do not give the codes of the float path")
    return made


# ---- golden windows ----

@dataclass(frozen=True)
class Golden:
    """Windows with what the host computed: input (w, runs, ...) codes, labels (w,), signatures (w, steps + 1).

    A window is one run or several, the state carried on.  A signature is that of the first run; each further one goes
    in by a CRC-32 of its word, started from what was there.
    """

    input: np.ndarray
    labels: np.ndarray
    signatures: np.ndarray


def extremes(program: Program) -> np.ndarray:
    """(3, ...) windows of codes: all least, all greatest, random (fixed)."""
    b = program.buffers[program.input]
    info = np.iinfo(b.dtype)
    x = np.random.default_rng(0).integers(info.min, info.max + 1, (3, *b.shape)).astype(b.dtype)
    x[0], x[1] = info.min, info.max
    return x


def sign_runs(session: Any, x: np.ndarray) -> tuple[int, np.ndarray]:
    """(last label, signature as `Golden` has it) of the runs x (runs, ...) from the initial state."""
    session.reset()
    total: np.ndarray | None = None
    for one in x:
        crcs = session.signature(one)
        total = crcs if total is None else np.array(
            [zlib.crc32(int(c).to_bytes(4, "little"), int(s)) for c, s in zip(crcs, total, strict=True)], np.uint32)
    assert total is not None
    return int(session.value(session.program.output).reshape(-1)[-1]), total


def golden(program: Program, windows: np.ndarray) -> Golden:
    """Expectations for windows (w, rows, ...) of codes, whose rows are a multiple of the Program's, from backend numba.

    Raises ModelError when the C kernels of this host give other ones.
    """
    from tinyloc.run import Session

    t = program.steps_of_time
    x = np.ascontiguousarray(windows).reshape(len(windows), -1, t, *windows.shape[2:])
    found = {n: [sign_runs(s, runs) for runs in x] for n in ("numba", "c") for s in (Session(program, n),)}
    labels, signatures = (np.array(v) for v in zip(*found["numba"], strict=True))
    for w, (label, crcs) in enumerate(found["c"]):
        if label != labels[w] or not np.array_equal(crcs, signatures[w]):
            raise ModelError(f"golden window {w}: the C kernels differ from Numba's; see `tinyloc verify`")
    return Golden(x, labels, signatures)


# ---- the C text ----

def _text(s: str) -> str:
    """A C string literal; octal escapes end after three digits, unlike hexadecimal ones.  No trigraph survives."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in s.encode()) + '"'


def _rows(values: Iterable[Any], form: str, per: int, indent: str = "    ") -> str:
    items = [form.format(v) for v in values]
    return "\n".join(indent + " ".join(f"{i}," for i in items[at : at + per]) for at in range(0, len(items), per))


def _model(program: Program, image: Image, constants: InputConstants, rows: int) -> dict[str, str]:
    info, x, y = program.info, program.buffers[program.input], program.buffers[program.output]
    aps, rooms = list(map(str, info["aps"])), list(map(str, info["rooms"]))
    motions = list(map(str, info.get("motion", ())))
    rate = float(info.get("rate_hz") or 0)
    s = info["scaler"]
    channel = f"#define TL_MODEL_MOTION {len(aps) - len(motions)} /* the first of the inputs that are motion channels */\n"
    curve = f"""static const int8_t curve[] = {{
{_rows(np.frombuffer(constants.curve, np.int8).tolist(), "{}", 24)}
}};

"""
    own = slice(constants.curved, None)
    units = ["dBm"] * (len(aps) - len(motions)) + ["dB re 1 mg"] * len(motions)
    table = "\n".join(f"    {{{m}u, {o}u, {f}, {n}, {k}}}, /* {lo:.9g} to {hi:.9g} {unit} */" for m, o, f, n, k, lo, hi, unit
                      in zip(constants.mult, constants.offset, constants.first, constants.last, constants.fix,
                             s["lo"][own], s["hi"][own], units[own], strict=True))
    lines = f"""static const tl_ap aps[] = {{
{table}
}};

static const uint8_t fixes[] = {{
{_rows(constants.fixes, "{:#04x}", 16)}
}};
"""
    names = "\n".join(f"    {_text(a)}," for a in aps)
    labels = "\n".join(f"    {_text(r)}," for r in rooms)
    return {
        "tl_model.h": f"""#ifndef TL_MODEL_H
#define TL_MODEL_H

#include "tl_image.h"

#ifdef __cplusplus
extern "C" {{
#endif

#define TL_MODEL_NAME {_text(str(info.get("name", "model")))}
#define TL_MODEL_TINYLOC {_text(__version__)}

/* A run takes int8 codes [TL_MODEL_ROWS][TL_MODEL_APS] and gives uint8 indices into tl_model_rooms, one a row.
 * real = TL_MODEL_INPUT_SCALE * (code - TL_MODEL_INPUT_ZERO) is the signal between each access point's range. */
#define TL_MODEL_ROWS {x.shape[0]}
#define TL_MODEL_APS {len(aps)}
{channel if motions else ""}#define TL_MODEL_LABELS {y.size}
#define TL_MODEL_ROOMS {len(rooms)}
#define TL_MODEL_WINDOW {rows} /* rows of the windows that it was trained on */
#define TL_MODEL_DELAY {int(info.get("delay", 0))} /* rows by which labels lag: the last is the room so many rows ago */
#define TL_MODEL_INPUT_SCALE {x.scale!r}
#define TL_MODEL_INPUT_ZERO ({x.zero_point})
#define TL_MODEL_RATE_HZ {rate!r} /* 0: rows at no fixed rate */
#define TL_MODEL_PERIOD_MS {round(1000 / rate) if rate else 0}
#define TL_MODEL_HOLD_MS {constants.hold}
#define TL_MODEL_NOT_HEARD_DBM ({constants.silent})

/* Access points{" and motion channels" if motions else ""} in the order of the input; rooms in that of the labels: UTF-8. */
extern const char *const tl_model_aps[TL_MODEL_APS];
extern const char *const tl_model_rooms[TL_MODEL_ROOMS];

/* For tl_row and tl_scale. */
extern const tl_scaler tl_model_scaler;

#ifdef __cplusplus
}}
#endif

#endif
""",
        "tl_model.c": f"""#include "tl_model.h"

const char *const tl_model_aps[] = {{
{names}
}};

const char *const tl_model_rooms[] = {{
{labels}
}};

{curve if constants.curve else ""}{lines if constants.mult else ""}
const tl_scaler tl_model_scaler = {{
    {"curve" if constants.curve else 0}, {"aps, fixes" if constants.mult else "0, 0"}, TL_MODEL_APS, {constants.curved},
    TL_MODEL_HOLD_MS, TL_MODEL_NOT_HEARD_DBM, {constants.least}, {constants.most},
}};
""",
    }


def _golden(g: Golden, scaler_crc: int) -> dict[str, str]:
    windows, runs = g.input.shape[:2]
    size = g.input[0, 0].nbytes

    def blocks(values: Iterable[np.ndarray], form: str, per: int) -> str:
        return "\n".join(f"    {{\n{_rows(v.tolist(), form, per, ' ' * 8)}\n    }}," for v in values)

    return {
        "tl_golden.h": f"""#ifndef TL_GOLDEN_H
#define TL_GOLDEN_H

#include "tl_image.h"

/* Windows of test rows, then extremes, and what the host computed.  A window is TL_GOLDEN_RUNS runs from the initial
 * state.  signature[i] is step i's CRC-32 in the first run (tl_sign); each further run's word goes in by tl_crc32. */
#define TL_GOLDEN_WINDOWS {windows}
#define TL_GOLDEN_RUNS {runs}
#define TL_GOLDEN_RUN_BYTES {size}u
#define TL_GOLDEN_SCALER_CRC {scaler_crc:#010x}u

#ifdef __cplusplus
extern "C" {{
#endif

extern const uint8_t tl_golden_input[TL_GOLDEN_WINDOWS][TL_GOLDEN_RUNS * TL_GOLDEN_RUN_BYTES];
extern const uint8_t tl_golden_label[TL_GOLDEN_WINDOWS];
extern const uint32_t tl_golden_signature[TL_GOLDEN_WINDOWS][TL_MODEL_STEPS + 1];

#ifdef __cplusplus
}}
#endif

#endif
""",
        "tl_golden.c": f"""#include "tl_golden.h"

const uint8_t tl_golden_input[][TL_GOLDEN_RUNS * TL_GOLDEN_RUN_BYTES] = {{
{blocks(g.input.view(np.uint8).reshape(windows, -1), "{:#04x}", 18)}
}};

const uint8_t tl_golden_label[] = {{
{_rows(g.labels.tolist(), "{}", 24)}
}};

const uint32_t tl_golden_signature[][TL_MODEL_STEPS + 1] = {{
{blocks(g.signatures, "{:#010x}", 8)}
}};
""",
    }


def scaler_crc(constants: InputConstants) -> int:
    """CRC-32 of the codes of all access points, each from -128 to 127 dBm: what the self-test prints."""
    return zlib.crc32(constants.codes().astype(np.int8).tobytes())


def _kernel_sources() -> dict[str, bytes]:
    from tinyloc.emulator.cortexm import kernel_folder

    return {p.name: p.read_bytes() for p in sorted(kernel_folder().glob("*.[ch]"))}


def _slug(name: str) -> str:
    """A name that Arduino and PlatformIO take."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:50] or "model"


def variant(program: Program, core: str | None = None, stream: bool | None = None) -> Program:
    """The Program that a project runs: packed for `core` where that is faster, on one row a run if `stream`.

    stream None: where the model can and it takes less RAM.  Raises ModelError for a model that cannot.
    """
    from tinyloc.pack import pack_for
    from tinyloc.verify import audit

    found = pack_for(program, core) if core else program
    if stream is None:
        a = audit(found)
        stream = a.best is a.stream
    return found.retime(1) if stream else found


def project(program: Program, windows: np.ndarray, core: str | None = None, stream: bool | None = None) -> dict[str, bytes]:
    """Path -> content of the C project of `program`.

    windows: (w, rows, access points) codes of golden windows, to which the extremes are added; may be empty.
    core: the Cortex-M to pack weights for; None: the plain kernels, which suit all.  stream: as `variant` has it.
    Raises ModelError for a Program without rooms, aps or scaler in its info, ConfigError for an unknown core.
    """
    missing = [k for k in ("rooms", "aps", "scaler") if k not in program.info]
    if missing:
        raise ModelError(f"the model does not name its {missing[0]}: expected rooms, aps and scaler in its info, as "
                         "`tinyloc train` writes them")
    x = program.buffers[program.input]
    if windows.shape[1:] != x.shape or windows.dtype != x.dtype:
        raise ModelError(f"golden windows: expected {x.dtype} {x.shape}, got {windows.dtype} {windows.shape[1:]}")
    target = toolchain.core(core) if core else None
    made = variant(program, core, stream)
    layout = plan(made)
    image = Image.parse(to_image(made, layout))
    constants = input_constants(Scaler.from_dict(program.info["scaler"]), x)
    g = golden(made, np.concatenate([windows, extremes(program)]))
    kernels = _kernel_sources()
    c = {**sources(image, layout.arena_bytes), **_model(made, image, constants, program.steps_of_time),
         **_golden(g, scaler_crc(constants))}
    files: dict[str, bytes] = {f"src/{n}": t for n, t in kernels.items()}
    files |= {f"src/{n}": t.encode() for n, t in c.items()}
    templates = {p.relative_to(TEMPLATES).as_posix(): p.read_bytes() for p in sorted(TEMPLATES.rglob("*"))
                 if p.is_file() and "__pycache__" not in p.parts}
    listed = sorted(n for n in (*files, *templates) if n.startswith("src/") and n.endswith(".c"))
    library = [n for n in listed if Path(n).name not in SELF_TEST]
    name = _slug(str(program.info.get("name", "model")))
    streams = made.steps_of_time == 1 and program.steps_of_time != 1
    flags = " ".join((f"-mcpu={target.cpu}", "-mthumb", *(target.flags or ("-mfloat-abi=soft",)))) if target else (
        "-mcpu=cortex-m4 -mthumb -mfloat-abi=soft")
    info = program.info
    values = {
        "TRAINED": str(info.get("dataset", "data that it does not name")) + (
            " data: a SIMULATED house, no radio was involved" if info.get("simulated") else ""),
        "NAME": f"tinyloc_{name}", "VERSION": __version__, "CPU_FLAGS": flags,
        "DESCRIPTION": f"Indoor localization: {name}, {len(info['aps']) - len(info.get('motion', ()))} access points, "
                       + "motion, " * bool(info.get("motion")) + f"{len(info['rooms'])} rooms",
        "SOURCES": "\n".join(f"  {n}" for n in listed), "LIBRARY": "\n".join(f"    ../{n}" for n in library),
        "IMAGE_BYTES": f"{len(image.data):,}", "IMAGE_CRC": f"{image_crc(image.data):08x}",
        "ARENA_BYTES": f"{layout.arena_bytes:,}", "ROWS": made.steps_of_time, "APS": len(program.info["aps"]),
        "MODE": "sample by sample, the state carried on" if streams else "a window at once",
        "FOR": f"{target.cpu} (weights packed)" if target and made.info.get("packed") else
               "any core" + (f", {target.cpu} among them" if target else ""),
        "WINDOWS": len(g.input), "LOOP": README_LOOP[streams], "MOTION": README_MOTION if info.get("motion") else "",
    }
    files |= {n: _fill(t, values) for n, t in templates.items()}
    flash = max(FLASH_BYTES, 1 << (len(image.data) + (64 << 10)).bit_length())
    ram = max(RAM_BYTES, 1 << (layout.arena_bytes + (16 << 10)).bit_length())
    files["cortex-m/link.ld"] = (
        "/* An example: set ORIGIN and LENGTH to your part's.  The stack lies below the data: an overflow faults. */\n"
        + toolchain.script(toolchain.FLASH, flash, toolchain.RAM, ram, STACK_BYTES)).encode()
    for n in ("startup.c", "aeabi.c", "semihost.h"):
        files[f"cortex-m/{n}"] = (toolchain.FIRMWARE / n).read_bytes()
    files["model.bin"] = image.data
    head = {"format": "tinyloc-export", "tinyloc": __version__, "name": name, "core": target.cpu if target else None,
            "stream": streams, "image_bytes": len(image.data), "image_crc": f"{image_crc(image.data):08x}",
            "arena_bytes": layout.arena_bytes, "steps": len(made.steps), "windows": len(g.input)}
    files[MANIFEST] = (json.dumps({**head, "sha256": {n: hashlib.sha256(files[n]).hexdigest() for n in sorted(files)}},
                                  indent=2) + "\n").encode()
    return files


def image_crc(image: bytes) -> int:
    """The CRC-32 in an image's header, which names it."""
    return int.from_bytes(image[4:8], "little")


def _fill(template: bytes, values: Mapping[str, Any]) -> bytes:
    return re.sub(r"@([A-Z_]+)@", lambda m: str(values[m[1]]), template.decode()).encode()


# ---- the folder ----

def _earlier_export(folder: Path) -> str | None:
    """None when the folder holds an export and nothing else; else the first thing in it that would be lost."""
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() or p.is_symlink()}
    if not present:
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        known = dict(manifest["sha256"]) if manifest["format"] == "tinyloc-export" else {}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    if not known:
        return f"{sorted(present)[0]}, and is no earlier export"
    for n in sorted(present - {MANIFEST}):
        if n not in known:
            return f"{n}, which is not of the export"
        if hashlib.sha256((folder / n).read_bytes()).hexdigest() != known[n]:
            return f"{n}, which was edited"
    return None


def write_project(files: Mapping[str, bytes], out: str | Path, force: bool = False) -> Path | None:
    """Writes the folder `out`, whole or not at all.  An earlier export is replaced.

    A folder with anything else in it is refused, or, with `force`, moved aside; then returns where to.
    Raises ConfigError.
    """
    out = Path(out).expanduser().resolve()
    if out in (Path.cwd(), *Path.cwd().parents):
        raise ConfigError(f"{out}: expected another folder than the one that the command runs in")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; expected a folder")
    lost = _earlier_export(out) if out.exists() else None
    if lost and not force:
        raise ConfigError(f"{out} holds {lost}; expected an empty folder or a new one (--force moves this one aside)")
    try:
        with temporary_folder(out) as made, temporary_folder(out) as spare:
            for name, data in files.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                write_synced(made / name, data)
            for folder in {(made / name).parent for name in files} | {made}:
                sync_folder(folder)
            old = None
            if out.exists():
                old = _free(out) if lost else spare / out.name
                out.rename(old)
            try:
                made.rename(out)
            except BaseException:
                if old:
                    old.rename(out)
                raise
            sync_folder(out.parent)
    except OSError as e:
        raise ConfigError(f"{out}: cannot be written ({e.strerror})") from None
    return old if lost else None


def _free(out: Path) -> Path:
    names: Sequence[Path] = [out.with_name(f"{out.name}.old{i or ''}") for i in range(10_000)]
    return next(p for p in names if not p.exists())
