"""A Program as a C project: kernels, runner, image, constants, golden windows and a self-test, for the usual builds.

The image and its table of kernels are those that `tinyloc.emulator.board` runs.  The same Program and windows give the
same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc import __version__
from tinyloc.display import four_bits
from tinyloc.emulator import toolchain
from tinyloc.emulator.plan import plan
from tinyloc.errors import ConfigError, ModelError
from tinyloc.files import sha256, sync_folder, temporary_folder, write_synced
from tinyloc.image import Image, sources, to_image
from tinyloc.program import Program
from tinyloc.scaling import InputConstants, constants_of, row_ms
from tinyloc.stream import Config, Stream, replay, self_test_script, streams

TEMPLATES = Path(__file__).resolve().parent / "templates"
MANIFEST = "tinyloc-export.json"
SELF_TEST = ("tl_golden.c", "tl_selftest.c")  # of src/: no firmware needs them
# In the project's folder; the program lies beside it, for a folder with other files in it is not replaced.
RUN_SELF_TEST = "${CC:-cc} -std=c99 -O2 -Isrc host/main.c src/[a-z]*.c -o ../selftest && ../selftest"
FLASH_BYTES, RAM_BYTES, STACK_BYTES = 256 << 10, 64 << 10, 2048  # of the example's linker script
README_MOTION = """
/* before each answer, for each motion channel: n samples {x, y, z} in mg since the last; fewer than 2 leave it unknown */
@HEAR@, TL_MODEL_MOTION, tl_motion(xyz, n), now_ms);
"""
README_STREAM = {
    "STATIC": "static tl_heard heard[TL_MODEL_APS];\nstatic tl_stream stream;",
    "OPEN": "if (!error)\n    error = tl_stream_open(&stream, &model, &tl_model_scaler, &tl_model_stream, heard, @WINDOW@);",
    "START": "",
    "HEAR": "tl_stream_hear(&stream",
    "LOOP": "tl_answer answer = tl_stream_answer(&stream, now_ms);\n"
            "const char *room = answer.room == TL_UNKNOWN ? 0 : tl_model_rooms[answer.room]; /* 0: see answer.reason */",
}
README_WINDOW = "\nstatic int8_t window[TL_MODEL_ROWS * TL_MODEL_APS];"
README_WATCH = """To watch a device, have it print what it hears, and when it asks; `tinyloc watch MODEL --serial PORT`
runs the same stream on the host, shows room and confidence live, and records:

```c
printf("%lu %u %d\\n", (unsigned long)now_ms, (unsigned)ap, (int)dbm); /* each packet */
printf("%lu ?\\n", (unsigned long)now_ms);                             /* where it asks for the answer */
```

"""
# Of several rows at once by a model whose states may saturate: tl_stream could not see it.
README_AT_ONCE = {
    "STATIC": "static tl_heard heard[TL_MODEL_APS];",
    "OPEN": "",
    "START": "tl_forget(&tl_model_scaler, heard);\n",
    "HEAR": "tl_hear(&tl_model_scaler, heard",
    "LOOP": "static int8_t rows[TL_MODEL_ROWS][TL_MODEL_APS]; /* the oldest first */\n"
            "static uint32_t first = 1; /* a window begins as rows like the first one */\n"
            "memmove(rows[0], rows[1], sizeof rows - sizeof rows[0]);\n"
            "tl_row(&tl_model_scaler, heard, rows[TL_MODEL_ROWS - 1], now_ms);\n"
            "for (uint32_t i = TL_MODEL_ROWS - 1; first && i; i--)\n"
            "    memcpy(rows[i - 1], rows[i], sizeof rows[0]);\n"
            "first = 0;\n"
            "memcpy(tl_input(&model), rows, sizeof rows); /* a run overwrites it */\ntl_reset(&model);\ntl_run(&model);\n"
            "const uint8_t *y = tl_output(&model);\n"
            "const char *room = tl_model_rooms[y[(TL_MODEL_LABELS - 1) * TL_MODEL_LABEL_BYTES]];",
}


def names_data(names: Sequence[str]) -> bytes:
    """Names in UTF-8, each with a zero byte.  Raises ModelError for one that has such a byte itself."""
    for n in names:
        if "\0" in n:
            raise ModelError(f"name {n!r}: expected one without a zero character")
    return b"".join(n.encode() + b"\0" for n in names)


def inputs_digest(info: Mapping[str, Any]) -> tuple[int, int]:
    """Two words that name the inputs of a model, in their order: a firmware refuses updates for other ones.

    The first 8 bytes of the SHA-256 of their number, how many of them are motion channels, and their names.
    """
    aps = [str(a) for a in info["aps"]]
    data = struct.pack("<2H", len(aps), len(info.get("motion", ()))) + names_data(aps)
    first, second = struct.unpack("<2I", hashlib.sha256(data).digest()[:8])
    return first, second


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
    return int(session.value(session.program.output)[-1, 0]), total


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


def _model(program: Program, constants: InputConstants, rows: int) -> dict[str, str]:
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
    declared = defined = ""
    if streams(program):
        c = Config.of({**info, "window": rows})
        runs = "a run each" if x.shape[0] == 1 else "one run takes them all"
        declared = f"""
/* For tl_stream_open. */
#define TL_MODEL_STREAM 1
#define TL_MODEL_ANSWER_ROWS {c.most_rows} /* that an answer makes at most, missed ones too; {runs} */
extern const tl_stream_config tl_model_stream;
"""
        defined = f"""
const tl_stream_config tl_model_stream = {{
    TL_MODEL_WINDOW, {c.period}, {c.gap}, {c.warm_up}, {c.aps}, {c.least}, {c.threshold}, 0,
}};
"""
    of = "a row" if y.shape[0] == x.shape[0] else "for each of the last TL_MODEL_LABELS rows"
    given = (f"uint8 indices into tl_model_rooms, one {of}" if y.nbytes == y.shape[0] else
             f"two uint8 {of}: an index into tl_model_rooms\n * and its confidence in 1/255")
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

/* A run takes int8 codes [TL_MODEL_ROWS][TL_MODEL_APS] and gives {given}.
 * real = TL_MODEL_INPUT_SCALE * (code - TL_MODEL_INPUT_ZERO) is the signal between each access point's range. */
#define TL_MODEL_ROWS {x.shape[0]}
#define TL_MODEL_APS {len(aps)}
{channel if motions else ""}#define TL_MODEL_LABELS {y.shape[0]}
#define TL_MODEL_LABEL_BYTES {y.nbytes // y.shape[0]} /* from label to label; the second: its confidence in 1/255 */
#define TL_MODEL_ROOMS {len(rooms)}
#define TL_MODEL_WINDOW {rows} /* rows of the windows that it was trained on */
#define TL_MODEL_DELAY {int(info.get("delay", 0))} /* rows by which labels lag: the last is the room so many rows ago */
#define TL_MODEL_INPUT_SCALE {x.scale!r}
#define TL_MODEL_INPUT_ZERO ({x.zero_point})
#define TL_MODEL_RATE_HZ {rate!r} /* 0: rows at no fixed rate */
#define TL_MODEL_PERIOD_MS {row_ms(info)}
#define TL_MODEL_HOLD_MS {constants.hold}
#define TL_MODEL_NOT_HEARD_DBM ({constants.silent})
#define TL_MODEL_INPUTS {{{", ".join(f"{w:#010x}u" for w in inputs_digest(info))}}} /* names them to updates in the field */

/* Access points{" and motion channels" if motions else ""} in the order of the input; rooms in that of the labels: UTF-8. */
extern const char *const tl_model_aps[TL_MODEL_APS];
extern const char *const tl_model_rooms[TL_MODEL_ROOMS];

/* For tl_row and tl_scale. */
extern const tl_scaler tl_model_scaler;
{declared}
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
{defined}""",
    }


def model_sources(program: Program) -> dict[str, str]:
    """tl_model.h and tl_model.c of a Program as it is: names, and what `tl_row` and `tl_stream` have to know of it.

    Raises ModelError where `constants_of` does.
    """
    constants = constants_of(program)
    return _model(program, constants, int(program.info.get("window", program.steps_of_time)))


def _golden(g: Golden, scaler_crc: int, stream_crc: int | None) -> dict[str, str]:
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
#define TL_GOLDEN_STREAM_CRC {stream_crc or 0:#010x}u /* of the answers to the script of tl_selftest.c */

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


def stream_crc(program: Program) -> int:
    """CRC-32 of what the stream of a Program, as it is, answers to the self-test's script: what the self-test prints."""
    stream = Stream.of(program, "c", as_it_is=True)
    answers = replay(stream, self_test_script(stream.config, program.info["aps"], stream.hold))
    return zlib.crc32(b"".join(a.tobytes()[:7] for a in answers))


def _kernel_sources(update: bool) -> dict[str, bytes]:
    from tinyloc.emulator.cortexm import kernel_folder

    folders = [kernel_folder(), kernel_folder().parent / "update"][: 1 + update]
    return {p.name: p.read_bytes() for folder in folders for p in sorted(folder.glob("*.[ch]"))}


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
        stream = audit(found).streams
    return found.retime(1) if stream else found


def variant_of(program: Program, crc: int) -> tuple[Program, str | None] | None:
    """The Program of the project whose image has that CRC-32, with whose packing of weights ("dsp", None for the plain
    one); None where no project of this one has it."""
    from tinyloc.pack import pack

    for whole, core in ((program, None), (pack(program), "dsp")):
        for made in (whole, *((whole.retime(1),) if whole.can_stream else ())):
            with contextlib.suppress(ModelError):  # too large for an image in this way of running it
                if image_crc(to_image(made)) == crc:
                    return made, core
    return None


def check_input(program: Program, windows: np.ndarray) -> None:
    """Raises ModelError for a Program that does not name what a device has to know, or does not take such windows."""
    missing = [k for k in ("rooms", "aps", "scaler") if k not in program.info]
    if missing:
        raise ModelError(f"the model does not name its {missing[0]}: expected rooms, aps and scaler in its info, as "
                         "`tinyloc train` writes them")
    x = program.buffers[program.input]
    if windows.shape[1:] != x.shape or windows.dtype != x.dtype:
        raise ModelError(f"golden windows: expected {x.dtype} {x.shape}, got {windows.dtype} {windows.shape[1:]}")


def _named(files: Mapping[str, bytes], name: str, kernels: Iterable[bytes]) -> dict[str, bytes]:
    """The files, with symbols, macros and names of files that are `name`'s instead of `model`'s, so that two models fit into
    one firmware.  kernels: texts whose identifiers are taken.  Raises ConfigError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        raise ConfigError(f"name {name!r}: expected a lower-case letter, then such letters, digits or _; 32 at most")
    if name == "model":
        return dict(files)

    def renamed(text: str) -> str:
        text = re.sub(r"\btl_model(?=_|\.[ch]\b)", f"tl_{name}", text).replace("tinyloc_model", f"tinyloc_{name}")
        text = re.sub(r"(TL|TINYLOC)_MODEL(?=_|\b)", rf"\1_{name.upper()}", text)
        text = re.sub(r"\btl_image(?=\.[ch]\b)", f"tl_{name}_image", text)
        return text.replace("TL_IMAGE_H", f"TL_{name.upper()}_IMAGE_H")

    made = {renamed(n): renamed(t.decode()).encode() for n, t in files.items()}
    own = {w for t in made.values() for w in re.findall(rf"\btl_{name}_\w+", t.decode(), re.I)}
    taken = sorted(own & {w for t in kernels for w in re.findall(r"\btl_\w+", t.decode(), re.I)})
    if taken or len(made) < len(files):
        raise ConfigError(f"name {name!r}: {taken[0] if taken else 'its files'} would be there twice; expected another one")
    return made


def project(program: Program, windows: np.ndarray, core: str | None = None, stream: bool | None = None,
            update: bool = False, name: str = "model") -> dict[str, bytes]:
    """Path -> content of the C project of `program`.

    windows: (w, rows, access points) codes of golden windows, to which the extremes are added; may be empty.
    core: the Cortex-M to pack weights for; None: the plain kernels, which suit all.  stream: as `variant` has it.
    update: with the sources of updates in the field (kernels/update).
    name: what symbols, macros and files of the model have after tl_ and TL_; another one for a second model of a firmware.
    Raises ModelError for a Program without rooms, aps or scaler in its info, ConfigError for an unknown core and for a name
    that is taken or none.
    """
    check_input(program, windows)
    target = toolchain.core(core) if core else None
    made = variant(program, core, stream)
    layout = plan(made)
    image = Image.parse(to_image(made, layout))
    constants = constants_of(made)
    g = golden(made, np.concatenate([windows, extremes(program)]))
    kernels = {f"src/{n}": t for n, t in _kernel_sources(update).items()}
    c = {**sources(image, layout.arena_bytes), **_model(made, constants, program.steps_of_time),
         **_golden(g, scaler_crc(constants), stream_crc(made) if streams(made) else None)}
    own = {f"src/{n}": t.encode() for n, t in c.items()}
    templates = {p.relative_to(TEMPLATES).as_posix(): p.read_bytes() for p in sorted(TEMPLATES.rglob("*"))
                 if p.is_file() and "__pycache__" not in p.parts}
    listed = sorted(n for n in (*kernels, *own, *templates) if n.startswith("src/") and n.endswith(".c"))
    library = [n for n in listed if Path(n).name not in SELF_TEST]
    of = _slug(str(program.info.get("name", "model")))
    by_row = made.steps_of_time == 1 and program.steps_of_time != 1
    use = README_STREAM if streams(made) else README_AT_ONCE
    window = "window, sizeof window" if made.steps_of_time != 1 else "0, 0"
    flags = " ".join((target or toolchain.core("m4")).gcc_flags)
    info = program.info
    values = {
        "TRAINED": str(info.get("dataset", "data that it does not name")) + (
            " data: a SIMULATED house, no radio was involved" if info.get("simulated") else ""),
        "NAME": f"tinyloc_{of if name == 'model' else name}", "VERSION": __version__, "CPU_FLAGS": flags,
        "DESCRIPTION": f"Indoor localization: {of}, {len(info['aps']) - len(info.get('motion', ()))} access points, "
                       + "motion, " * bool(info.get("motion")) + f"{len(info['rooms'])} rooms",
        "SOURCES": "\n".join(f"  {n}" for n in listed), "LIBRARY": "\n".join(f"    ../{n}" for n in library),
        "IMAGE_BYTES": f"{len(image.data):,}", "FOUR_BITS": f", {said}" if (said := four_bits(made.four_bits)) else "",
        "IMAGE_CRC": f"{image_crc(image.data):08x}",
        "ARENA_BYTES": f"{layout.arena_bytes:,}", "ROWS": made.steps_of_time, "APS": len(program.info["aps"]),
        "MODE": "sample by sample, the state carried on" if by_row else "a window at once",
        "FOR": f"{target.cpu} (weights packed)" if target and made.info.get("packed") else
               "any core" + (f", {target.cpu} among them" if target else ""),
        "WINDOWS": len(g.input), **use, "OPEN": use["OPEN"].replace("@WINDOW@", window),
        "WATCH": README_WATCH if use is README_STREAM else "",
        "STATIC": use["STATIC"] + README_WINDOW * (made.steps_of_time != 1 and streams(made)),
        "MOTION": README_MOTION.replace("@HEAR@", use["HEAR"]) if info.get("motion") else "",
    }
    own |= {n: _fill(t, values) for n, t in templates.items()}
    files = kernels | _named(own, name, kernels.values())
    flash = max(FLASH_BYTES, 1 << (len(image.data) + (64 << 10)).bit_length())
    ram = max(RAM_BYTES, 1 << (layout.arena_bytes + (16 << 10)).bit_length())
    files["cortex-m/link.ld"] = (
        "/* An example: set ORIGIN and LENGTH to your part's.  The stack lies below the data: an overflow faults. */\n"
        + toolchain.script(toolchain.FLASH, flash, toolchain.RAM, ram, STACK_BYTES)).encode()
    for n in ("startup.c", "aeabi.c", "semihost.h"):
        files[f"cortex-m/{n}"] = (toolchain.FIRMWARE / n).read_bytes()
    files["model.bin"] = image.data
    head = {"format": "tinyloc-export", "tinyloc": __version__, "name": of, "symbols": f"tl_{name}_",
            "core": target.cpu if target else None, "stream": by_row, "image_bytes": len(image.data),
            "image_crc": f"{image_crc(image.data):08x}",
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
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = dict(manifest["sha256"]) if manifest["format"] == "tinyloc-export" else {}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    if not known:
        return f"{sorted(present)[0]}, and is no earlier export"
    for n in sorted(present - {MANIFEST}):
        if n not in known:
            return f"{n}, which is not of the export"
        if sha256(folder / n) != known[n]:
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
