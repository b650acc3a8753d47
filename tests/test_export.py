"""The C project that `tinyloc export` writes: it builds, runs, and says on an emulated board what the host says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vectors
from click.testing import CliRunner
from compilers import ZIG
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Scaling

from tinyloc.cli import main
from tinyloc.confidence import Reliability, with_table
from tinyloc.data import HOLD, NOT_HEARD, Samples, Scaler, load, windows
from tinyloc.emulator import qemu, toolchain
from tinyloc.emulator.cortexm import kernel_folder
from tinyloc.errors import ConfigError, ModelError
from tinyloc.export import MANIFEST, image_crc, model_sources, project, scaler_crc, variant, write_project
from tinyloc.image import Image, sources, to_image
from tinyloc.kernels._c import ffi, lib
from tinyloc.kernels.table import OPS
from tinyloc.model import Model, preset
from tinyloc.program import Buffer, Program
from tinyloc.quantize import INPUT_SCALE, INPUT_ZERO, quantize
from tinyloc.run import Session
from tinyloc.scaling import float_codes, input_constants
from tinyloc.serial_port import BoardError, Report, check, read_report
from tinyloc.stream import streams
from tinyloc.train import last_rows
from tinyloc.verify import CONFIG_BYTES, HEARD_BYTES, MODEL_BYTES, SCALER_BYTES, beside

REAL = Path(os.environ.get("TINYLOC_DATA", "/nonexistent"))
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
STRICT = (*vectors.WARNINGS, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wvla")
INPUT = Buffer("x", (20, 1), "int8", "input", INPUT_SCALE, INPUT_ZERO)
# name -> preset, core, stream
PROJECTS = {
    "mamba": ("mamba-h4l1", None, True),
    "mamba-window": ("mamba-h4l1", None, False),
    "mamba-packed": ("mamba-h8l1", "cortex-m4", True),
    "mdcsa-packed": ("mdcsa-h8l1", "m4", None),
    "mdcsa": ("mdcsa-h4l1", None, None),
}
CONFIDENT = ("mamba-h8l1", "mdcsa-h4l1")  # the presets whose Programs have confidences


# ---- fixtures ----

@pytest.fixture(scope="module")
def programs() -> dict[str, Program]:
    """Untrained models as Programs: bits do not depend on how good the weights are."""
    house = load("simulated", minutes=4, test_minutes=1)
    scaler = Scaler.fit(house.train)
    found = {}
    for name in {p for p, _, _ in PROJECTS.values()}:
        info = {"name": name, "aps": list(house.aps), "rooms": ['the "hall"?', "Küche\\", *house.rooms[2:]], "window": 20,
                "rate_hz": house.rate_hz, "dataset": house.name, "simulated": house.simulated, "scaler": scaler.to_dict()}
        model = Model.create(preset(name, len(house.aps), len(house.rooms)))
        model.info.update(info)
        found[name] = quantize(model, windows(house.train, scaler, 20, 40).x, "minmax")
        if name in CONFIDENT:
            found[name] = with_table(found[name], Reliability(np.arange(100, 228, 2).astype(np.uint8), 3))
            found[name].info["confidence"] = {"threshold": 120, "least": 2, "warm_up": 3}
    return found


@pytest.fixture(scope="module")
def projects(programs: dict[str, Program]) -> dict[str, dict[str, bytes]]:
    made = {}
    for name, (p, core, stream) in PROJECTS.items():
        b = programs[p].buffers[programs[p].input]
        x = np.random.default_rng(5).integers(-128, 128, (2, *b.shape)).astype(np.int8)
        made[name] = project(programs[p], x, core, stream)
    return made


@pytest.fixture(scope="module")
def folders(projects: dict[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("export")
    for name, files in projects.items():
        assert write_project(files, root / name) is None
    return {name: root / name for name in projects}


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], list[Path]]:
    """Objects of what all projects share, strictly compiled once a compiler; two of the tests compile all anew."""
    made: dict[str, list[Path]] = {}

    def get(folder: Path, cc: str) -> list[Path]:
        if cc not in made:
            out = tmp_path_factory.mktemp("objects")
            run(cc, "-O1", *STRICT, "-c", *(p for p in sorted((folder / "src").glob("*.c")) if p.name[:3] != "tl_"), cwd=out)
            made[cc] = sorted(out.glob("*.o"))
        return made[cc]

    return get


@pytest.fixture(scope="session")
def built(kernels: Callable[[Path, str], list[Path]]) -> Callable[..., Path]:
    """The self-test of a folder, for this machine."""
    def build(folder: Path, out: Path, cc: str = COMPILERS[0] if COMPILERS else "") -> Path:
        run(cc, "-O1", *STRICT, "-I", folder / "src", folder / "host" / "main.c", *(folder / "src").glob("tl_*.c"),
            *kernels(folder, cc), "-o", out)
        return out

    return build


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, cwd=cwd)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stdout + done.stderr
    return done.stdout


def report_of(text: bytes) -> Report:
    chunks = iter([text, b""])
    return read_report(lambda: next(chunks, b""), 0.01)


needs_cc = pytest.mark.skipif(not COMPILERS, reason="no gcc, no clang")
every = pytest.mark.parametrize("name", PROJECTS)


# ---- the input in integers ----

SCALERS: dict[str, Callable[[], Scaler]] = {
    "whole spans from -128": lambda: Scaler(np.full(256, -128.0), -128.0 + np.arange(256)),
    "whole spans from -120": lambda: Scaler(np.full(128, -120.0), -120.0 + np.arange(128)),
    "never changed": lambda: Scaler(np.array([-120.0, -60.0]), np.array([-120.0, -60.0])),
    "halves": lambda: Scaler(np.full(160, -99.5), -99.5 + np.arange(160) / 2),
    "outside of int8": lambda: Scaler(np.array([-300.0, -300, 130, -1e6]), np.array([-200.0, 300, 140, 1e6])),
    "few of one range, not a line": lambda: Scaler(np.full(2, -105.0), np.full(2, 0.0), power=2.7),
    "many of one range": lambda: Scaler(np.full(30, -104.0), np.full(30, -20.0)),
    **{f"powed, {power:g}": (lambda power=power: Scaler.fit(load("ujiindoorloc").train, signal="powed", power=power))
       for power in (1.0, 2.0, 3.0)},
    **{f"motion beside {signal}": (lambda signal=signal: Scaler.fit(load("simulated", minutes=4, motion=True).train,
                                                                   signal=signal)) for signal in ("minmax", "powed")},
    "motion beside many of one range": lambda: Scaler(np.append(np.full(30, -104.0), [10, 0]), np.append(np.full(30, -20.0),
                                                                                                     [61, 0]), motion=2),
    "motion beside few of one range, not a line": lambda: Scaler([-105.0, -105, 3], [0.0, 0, 70], power=2.7, motion=1),
    "less than one dBm": lambda: Scaler(np.array([-80.5, -80.0, -80.3]), np.array([-80.25, -79.9999, -80.2999])),
    **{name: (lambda name=name: Scaler.fit(load(name).train)) for name in ("flat", "tetam", "ujiindoorloc")},
}


@pytest.mark.parametrize("name", SCALERS)
def test_integer_codes_are_the_float_paths(name: str) -> None:
    if name in ("flat", "tetam", "ujiindoorloc") and not (REAL / name).exists():
        pytest.skip("the data set is not here")
    scaler = SCALERS[name]()
    s = Scaling(scaler, INPUT)
    want = float_codes(scaler, INPUT)
    np.testing.assert_array_equal(s.codes(), want)
    np.testing.assert_array_equal(s.constants.codes(), want)
    assert scaler_crc(s.constants) == zlib.crc32(s.codes().tobytes())


def test_beyond_the_curve_are_its_ends() -> None:
    s = Scaling(Scaler(np.full(30, -128.0), np.full(30, 127.0)), INPUT)
    codes, aps = s.codes(), range(s.constants.curved)
    assert aps and codes[0, 0] < codes[0, 1] and codes[0, -2] < codes[0, -1]
    for ap in aps:
        for dbm in (-32767, -129, -128, 127, 128, 32767):
            assert lib.tl_code(s.c, ap, dbm) == codes[ap, min(max(dbm, -128), 127) + 128], f"{dbm} dBm"


def test_some_ranges_need_exceptions_and_most_do_not() -> None:
    """Which widths have no linear formula is known: 510 / width has many odd multiples there, whose ties float32 rounds
    either way."""
    c = input_constants(SCALERS["whole spans from -120"](), INPUT)
    odd = [span for span, fix in enumerate(c.fix) if fix]
    assert odd == [10, 20, 34, 40, 50, 68, 80, 90, 100, 102]
    assert len(c.fixes) < 150


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-140, 40, width=32), st.floats(0, 140, width=32)), min_size=1, max_size=6),
       st.sampled_from([(INPUT_SCALE, INPUT_ZERO), (1 / 127, 0), (1 / 64, -100), (1 / 400, -128), (2.0, 5)]))
def test_integer_codes_of_any_range(ranges: list[tuple[float, float]], code: tuple[float, int]) -> None:
    lo = np.array([a for a, _ in ranges], np.float32)
    scaler = Scaler(lo, lo + np.array([b for _, b in ranges], np.float32))
    buffer = replace(INPUT, scale=code[0], zero_point=code[1])
    np.testing.assert_array_equal(Scaling(scaler, buffer).codes(), float_codes(scaler, buffer))


@pytest.mark.level2
@pytest.mark.parametrize("seed", range(40))
def test_integer_codes_of_many_ranges(seed: int) -> None:
    """520 access points with ranges of whole, half, quarter … or any dBm."""
    rng = np.random.default_rng(seed)
    grid = 2.0 ** -(seed % 8) if seed % 8 < 7 else 1e-6
    lo = np.round(rng.uniform(-140, 0, 520) / grid) * grid
    scaler = Scaler(lo, lo + np.round(rng.uniform(0, 130, 520) / grid) * grid)
    np.testing.assert_array_equal(Scaling(scaler, INPUT).codes(), float_codes(scaler, INPUT), f"seed {seed}")


@pytest.mark.parametrize("name, curved", [("motion beside minmax", 0), ("motion beside powed", 11),
                                          ("motion beside many of one range", 30),
                                          ("motion beside few of one range, not a line", 2), ("many of one range", 30)])
def test_motion_has_a_line_of_its_own(name: str, curved: int) -> None:
    c = input_constants(SCALERS[name](), INPUT)
    assert c.curved == curved and bool(c.curve) == bool(curved) and len(c.mult) == c.count - curved


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 2**32 - 5000]), st.sampled_from([HOLD, 0.0, 0.35]))
def test_held_rows_are_python_s(seed: int, start: int, hold: float) -> None:
    """Packets and rows at random times, the clock wrapping round: the codes of Scaler.prepare (which holds and scales)."""
    rng = np.random.default_rng(seed)
    n, aps = 60, 4
    ms = np.cumsum(rng.choice([1, 40, 100, 200, 350, 999, 1000, 1001], n))
    rssi = np.where(rng.random((n, aps)) < 0.3, rng.integers(-128, 128, (n, aps)), np.nan).astype(np.float32)
    lo = rng.integers(-128, -70, aps)
    scaler = Scaler(lo, lo + rng.integers(0, 100, aps), hold)
    zero = np.zeros(n, int)
    samples = Samples(ms / 1000, rssi, zero, zero, ("r",), tuple("abcd"))
    want = INPUT.quantize(scaler.prepare(samples))
    s = Scaling(scaler, INPUT)
    heard, codes = ffi.new("tl_heard[]", aps), ffi.new("int8_t[]", aps)
    lib.tl_forget(s.c, heard)
    for i in range(n):
        now = (start + int(ms[i])) % 2**32
        for ap in np.flatnonzero(~np.isnan(rssi[i])).tolist():
            lib.tl_hear(s.c, heard, ap, int(rssi[i, ap]), now)
        lib.tl_hear(s.c, heard, aps, 0, now)  # an access point that the model does not know
        lib.tl_hear(s.c, heard, 0, lib.TL_NOT_HEARD, now)
        lib.tl_row(s.c, heard, codes, now)
        assert list(codes) == want[i].tolist(), f"seed {seed}, start {start}, hold {hold}: row {i}"
        row = ffi.new("int16_t[]", [lib.TL_NOT_HEARD if np.isnan(v) else int(v) for v in rssi[i]])
        lib.tl_scale(s.c, codes, row)
        assert list(codes) == INPUT.quantize(scaler.transform(rssi[i])).tolist()


@pytest.mark.parametrize("hold", [0, 350, 1000, 64_535, 64_536, 65_535])
@pytest.mark.parametrize("dbm", [-61, -60])
def test_held_rows_at_their_ends(hold: int, dbm: int) -> None:
    """To the ms, whichever bits an age has; what is too old, or too far ahead, is forgotten."""
    s, now = Scaling(Scaler(np.array([-90.0]), np.array([-30.0]), hold / 1000), INPUT), 12345
    heard, codes = ffi.new("tl_heard[]", 1), ffi.new("int8_t[]", 1)
    ends = (0, hold, 1 << 16, 1 << 17, 1 << 30, 1 << 31, (1 << 31) + hold, 3 << 30, 1 << 32)
    for age in sorted({(end + d) % 2**32 for end in ends for d in (-1001, -1000, -999, -2, -1, 0, 1, 2)}):
        lib.tl_forget(s.c, heard)
        lib.tl_hear(s.c, heard, 0, dbm, (now - age) % 2**32)
        lib.tl_row(s.c, heard, codes, now)
        kept = age <= hold or age >= 2**32 - lib.TL_AHEAD
        assert heard[0].dbm == (dbm if kept else lib.TL_NOT_HEARD), age
        assert codes[0] == lib.tl_code(s.c, 0, dbm if kept else s.c.silent), age


@pytest.mark.parametrize("change, message", [
    ({"not_heard": -120.5}, "not_heard is -120.5, expected a whole number"),
    ({"not_heard": -200.0}, "not_heard is -200"),
    ({"hold": 70.0}, "hold is 70 s"),
])
def test_a_scaler_without_integers_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        input_constants(Scaler(**{"lo": [-90], "hi": [-60], "hold": HOLD, "not_heard": NOT_HEARD, **change}), INPUT)
    with pytest.raises(ModelError, match="expected int8, found int16"):
        input_constants(Scaler([-90], [-60]), replace(INPUT, dtype="int16"))


# ---- the project ----

@every
def test_same_model_same_bytes(programs: dict[str, Program], projects: dict[str, dict[str, bytes]], name: str,
                               tmp_path: Path) -> None:
    p, core, stream = PROJECTS[name]
    programs[p].save(tmp_path / "m")
    b = programs[p].buffers[programs[p].input]
    x = np.random.default_rng(5).integers(-128, 128, (2, *b.shape)).astype(np.int8)
    assert project(Program.load(tmp_path / "m"), x, core, stream) == projects[name]


@every
def test_image_and_constants(programs: dict[str, Program], projects: dict[str, dict[str, bytes]], name: str) -> None:
    p, core, stream = PROJECTS[name]
    files, made = projects[name], variant(programs[p], core, stream)
    image = Image.parse(files["model.bin"])
    assert image.data == to_image(made)
    words = re.findall(r"0x([0-9a-f]{8}),", files["src/tl_image.c"].decode().split("tl_kernel tl_model_kernels")[0])
    assert b"".join(int(w, 16).to_bytes(4, "little") for w in words)[: len(image.data)] == image.data
    listed = re.findall(r"^    \{(?:tl_step_(\w+), tl_spec_\1|0, 0)\},$", files["src/tl_image.c"].decode(), re.M)
    assert listed == [n if n in image.ops else "" for n in OPS]
    x = made.buffers[made.input]
    headers = "\n".join(content.decode() for n, content in files.items() if n.startswith("src/") and n.endswith(".h"))
    for key, value in {"ROWS": x.shape[0], "APS": x.shape[1], "STEPS": len(made.steps), "PERIOD_MS": 200, "HOLD_MS": 1000,
                       "INPUT_SCALE": repr(INPUT_SCALE), "INPUT_ZERO": f"({INPUT_ZERO})", "WINDOW": 20,
                       **({"ANSWER_ROWS": 5} if "tl_model_stream" in headers else {}),
                       "ARENA_BYTES": f"{image.arena_bytes}u", "IMAGE_BYTES": f"{len(image.data)}u"}.items():
        assert re.search(rf"^#define TL_MODEL_{key} {re.escape(str(value))}(?!\S)", headers, re.M), key
    ours = {n.removeprefix("src/"): t for n, t in files.items() if n.startswith("src/") and "/tl_" not in n}
    folder = Path(__file__).resolve().parent.parent / "kernels" / "c"
    if folder.is_dir():
        assert ours == {f.name: f.read_bytes() for f in folder.glob("*.[ch]")}, "the C folder, verbatim"


@needs_cc
@every
@pytest.mark.parametrize("cc", COMPILERS)
def test_host_build(programs: dict[str, Program], folders: dict[str, Path], name: str, cc: str, built: Any,
                    tmp_path: Path) -> None:
    done = subprocess.run([built(folders[name], tmp_path / "selftest", cc)], capture_output=True)
    assert done.returncode == 0, done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 200, "consoles cut longer lines"
    report = report_of(done.stdout)
    verdict = check(programs[PROJECTS[name][0]], report)
    assert report.passed and verdict.equal and verdict.windows == 5, verdict.summary()
    assert verdict.core == ("dsp" if "packed" in name else None)
    # Not only equal among themselves: a window's labels and signatures are Session's.
    p, core, stream = PROJECTS[name]
    made = variant(programs[p], core, stream)
    session = Session(made, "c")
    x = np.frombuffer(report.inputs[1], np.int8).reshape(-1, *made.buffers[made.input].shape)
    y = session.run_stream(x.reshape(-1, x.shape[-1]))
    assert report.labels[1] == y[-1, 0]
    if len(x) == 1:
        session.reset()
        np.testing.assert_array_equal(report.signatures[1], session.signature(x[0]))


@needs_cc
def test_headers_serve_cpp(folders: dict[str, Path], tmp_path: Path, kernels: Callable[[Path, str], list[Path]]) -> None:
    """A C++ file that includes each header finds every function and array of the C objects."""
    src, cc = folders["mamba"] / "src", COMPILERS[0]
    headers = ["tinyloc.h", *sorted(p.name for p in src.glob("tl_*.h"))]
    assert len(headers) > 4
    declared = " ".join(re.sub(r"/\*.*?\*/|^#[^\n]*", "", (src / h).read_text(), flags=re.S | re.M) for h in headers)
    used = sorted({*re.findall(r"\b(tl_\w+)\(", declared), *re.findall(r"extern const [^;\[]*\b(tl_\w+)[;\[]", declared)})
    assert {"tl_open", "tl_selftest", "tl_model_image", "tl_golden_input", "tl_linear_s8", "tl_row"} <= set(used)
    (tmp_path / "main.cpp").write_text(
        "".join(f'#include "{h}"\n' for h in headers) + "void put(const char *, uint32_t) {}\n"
        "static tl_selftest_memory memory;\nconst void *volatile used[] = {" + ", ".join(f"(const void *)&{n}" for n in used)
        + "};\nint main() { return tl_selftest(&memory, put); }\n")
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-fno-exceptions", "-fno-rtti", "-I", src, "-c", "-o"]
    for cpp in cpp_compilers():
        run(*cpp, *flags, tmp_path / "main.o", tmp_path / "main.cpp")
        run(cc, "-O1", "-I", src, tmp_path / "main.o", *src.glob("tl_*.c"), *kernels(folders["mamba"], cc), "-o",
            tmp_path / "main")
        run(tmp_path / "main")


def cpp_compilers() -> list[list[object]]:
    found: list[list[object]] = [[cc] for cc in ("g++", "clang++") if shutil.which(cc)]
    found += [[*ZIG, "-x", "c++", "-nostdinc++"]] * bool(ZIG)
    return found or pytest.skip("no C++ compiler")


@needs_cc
def test_room_names_survive(folders: dict[str, Path], programs: dict[str, Program], tmp_path: Path) -> None:
    (tmp_path / "names.c").write_text(
        '#include "tl_model.h"\n#include <stdio.h>\nint main(void) { for (int i = 0; i < TL_MODEL_ROOMS; i++) '
        'puts(tl_model_rooms[i]); for (int i = 0; i < TL_MODEL_APS; i++) puts(tl_model_aps[i]); return 0; }\n')
    src = folders["mamba"] / "src"
    subprocess.run([COMPILERS[0], "-std=c99", "-I", str(src), str(tmp_path / "names.c"), str(src / "tl_model.c"),
                    "-o", str(tmp_path / "names")], check=True)
    info = programs["mamba-h4l1"].info
    assert subprocess.run([tmp_path / "names"], capture_output=True, check=True).stdout.decode().splitlines() == [
        *info["rooms"], *info["aps"]]


@pytest.mark.parametrize("core", [None, "cortex-m4"])
def test_the_readme_tells_weights_of_four_bits(programs: dict[str, Program], core: str | None) -> None:
    eight, rng = programs["mamba-h4l1"], np.random.default_rng(0)
    model = Model.create(preset("mamba-h16l1", len(eight.info["aps"]), len(eight.info["rooms"])))
    model.info = {k: v for k, v in eight.info.items() if k not in ("proofs", "weights")}
    four = quantize(model, rng.random((4, *eight.buffers[eight.input].shape), np.float32), "minmax", weights="int4")
    for program, said in ((four, "`, int4 weights in 5 linear layers |"), (eight, "` |")):
        x = np.zeros((0, *program.buffers[program.input].shape), np.int8)
        (row,) = re.findall(r"image \(flash\) .*CRC-32 `[0-9a-f]{8}(.*)", project(program, x, core)["README.md"].decode())
        assert row == said


@needs_cc
@pytest.mark.parametrize("name", ["mamba", "mamba-window", "mdcsa"])
def test_the_readmes_example_compiles(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    readme = (folders[name] / "README.md").read_text()
    assert "SIMULATED" in readme
    include, code = re.search(r"```c\n(#include.*?)\n(.*?)```", readme, re.S).groups()  # type: ignore[union-attr]
    (tmp_path / "example.c").write_text(
        f"{include}\n#include <string.h>\nvoid panic(const char *text);\nvoid use(const char *room);\n"
        "void example(uint32_t ap, int16_t dbm, uint32_t now_ms);\nvoid example(uint32_t ap, int16_t dbm, uint32_t now_ms)\n"
        f"{{\n{code}\nuse(room);\n}}\n")
    run(COMPILERS[0], *STRICT, "-I", folders[name] / "src", "-fsyntax-only", tmp_path / "example.c")


@needs_cc
def test_the_readmes_loop_without_a_stream(folders: dict[str, Path], built: Any, tmp_path: Path) -> None:
    """A window begins as rows like the first one, as that of `tl_stream` and of training does; then it moves on by a row."""
    readme = (folders["mamba-window"] / "README.md").read_text()
    assert "tl_stream" not in readme and "tinyloc watch" not in readme, "that firmware has no stream"
    static, loop = re.search(r"(static tl_model model;\n.*?)\n\nint32_t error.*?/\* every TL_MODEL_PERIOD_MS \*/\n(.*?)```",
                             readme, re.S).groups()  # type: ignore[union-attr]
    (tmp_path / "main.c").write_text(f"""#include "tl_model.h"
#include <string.h>
{static}
static int answer(uint32_t now_ms, uint32_t like_the_last)
{{
{loop}
    uint32_t n = 1;
    while (n < TL_MODEL_ROWS && !memcmp(rows[TL_MODEL_ROWS - 1 - n], rows[TL_MODEL_ROWS - 1], sizeof rows[0]))
        n++;
    return !room || n != like_the_last;
}}
int main(void)
{{
    if (tl_open(&model, tl_model_image, sizeof tl_model_image, arena, sizeof arena, tl_model_kernels))
        return 1;
    tl_forget(&tl_model_scaler, heard);
    for (uint32_t i = 0; i < 3; i++) {{
        tl_hear(&tl_model_scaler, heard, 0, (int16_t)(-50 - 20 * (int32_t)i), 1000 * i);
        if (answer(1000 * i, i ? 1 : TL_MODEL_ROWS))
            return 2;
    }}
    return 0;
}}
""")
    library = [p for p in (folders["mamba-window"] / "src").glob("*.c") if p.name not in ("tl_golden.c", "tl_selftest.c")]
    run(COMPILERS[0], *STRICT, "-I", folders["mamba-window"] / "src", tmp_path / "main.c", *library, "-o", tmp_path / "main")
    run(tmp_path / "main")


def flip(text: str, what: str) -> str:
    """The generated C with one digit of one value changed."""
    at = text.index(what)
    at = re.compile(r"0x[0-9a-f]+|\b\d+,").search(text, at + len(what)).end() - 2  # type: ignore[union-attr]
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]


@needs_cc
@pytest.mark.parametrize("file, what, says, wrong", [
    ("tl_golden.c", "tl_golden_signature[][TL_MODEL_STEPS + 1] = {", "FAIL 1", "golden windows are not"),
    ("tl_golden.c", "tl_golden_label[] = {", "FAIL 1", "golden windows are not"),
    ("tl_golden.c", "tl_golden_input[][TL_GOLDEN_RUNS * TL_GOLDEN_RUN_BYTES] = {", "FAIL 1", "golden windows are not"),
    ("tl_golden.h", "#define TL_GOLDEN_SCALER_CRC", "FAIL 0", "golden windows are not"),
    ("tl_model.c", "static const tl_ap aps[] = {\n    {", "FAIL 0", "input codes DIFFER"),
    ("tl_image.c", "const uint32_t tl_model_image[] = {\n    ", "refused", None),
])
def test_one_changed_value_fails(programs: dict[str, Program], projects: dict[str, dict[str, bytes]], built: Any,
                                 tmp_path: Path, file: str, what: str, says: str, wrong: str | None) -> None:
    write_project(projects["mamba"], tmp_path / "p")
    path = tmp_path / "p" / "src" / file
    path.write_text(flip(path.read_text(), what))
    done = subprocess.run([built(tmp_path / "p", tmp_path / "selftest")], capture_output=True)
    assert done.returncode == 1 and says.encode() in done.stdout, done.stdout
    if wrong:
        verdict = check(programs["mamba-h4l1"], report_of(done.stdout))
        assert not verdict.equal and wrong in verdict.summary()
    else:
        with pytest.raises(BoardError, match="the board refuses its image: this is no tinyloc image"):
            report_of(done.stdout)


@pytest.mark.skipif(not (shutil.which("cmake") and COMPILERS), reason="no cmake, or no compiler")
def test_cmake_host(folders: dict[str, Path], tmp_path: Path) -> None:
    run("cmake", "-S", folders["mdcsa"], "-B", tmp_path / "b", "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", tmp_path / "b", "-j2")
    assert "100% tests passed" in run("ctest", "--test-dir", tmp_path / "b", "--output-on-failure")
    # As a part of another project, only the library is built.
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.13)\nproject(outer C)\nadd_subdirectory({folders['mdcsa']} model)\n"
        "add_library(mine STATIC mine.c)\ntarget_link_libraries(mine PRIVATE tinyloc_model)\n")
    (tmp_path / "outer" / "mine.c").write_text('#include "tl_model.h"\nconst void *p = &tl_model_scaler;\n')
    run("cmake", "-S", tmp_path / "outer", "-B", tmp_path / "o")
    targets = run("cmake", "--build", tmp_path / "o", "--target", "help")
    assert "tinyloc_model" in targets and "selftest" not in targets


@needs_cc
def test_two_models_in_one_firmware(programs: dict[str, Program], built: Any, tmp_path: Path) -> None:
    """The second has a name of its own; only its own files go beside the first's."""
    x = {n: np.zeros((0, *programs[n].buffers[programs[n].input].shape), np.int8) for n in ("mamba-h4l1", "mdcsa-h4l1")}
    first, second = (project(programs[p], x[p], name=n) for p, n in (("mamba-h4l1", "model"), ("mdcsa-h4l1", "attic")))
    own = {n: t for n, t in second.items() if n.startswith("src/tl_attic")}
    assert sorted(own) == [f"src/tl_attic{n}" for n in (".c", ".h", "_image.c", "_image.h")]
    left = re.compile(r"TL_MODEL|TINYLOC_MODEL|tl_model_|tl_model\.[ch]|tinyloc_model|tl_image\.|TL_IMAGE_H")
    kernels = {n for n in first if second.get(n) == first[n] and n.startswith("src/")}
    assert not [n for n in second.keys() - kernels - {"model.bin"} if left.search(n) or left.search(second[n].decode())]
    write_project(second, tmp_path / "alone")
    assert "PASS" in run(built(tmp_path / "alone", tmp_path / "selftest"))
    for n, t in {**first, **own}.items():
        (tmp_path / "both" / n).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "both" / n).write_bytes(t)
    (tmp_path / "main.c").write_text("""#include "tl_attic.h"
#include "tl_model.h"
static uint32_t arena[2][(TL_MODEL_ARENA_BYTES + TL_ATTIC_ARENA_BYTES) / 4 + 1];
int main(void)
{
    tl_model a, b;
    return tl_open(&a, tl_model_image, sizeof tl_model_image, arena[0], sizeof arena[0], tl_model_kernels)
           || tl_open(&b, tl_attic_image, sizeof tl_attic_image, arena[1], sizeof arena[1], tl_attic_kernels)
           || a.steps == b.steps || tl_model_scaler.count != TL_MODEL_APS || tl_attic_scaler.count != TL_ATTIC_APS;
}
""")
    library = [p for p in (tmp_path / "both" / "src").glob("*.c") if p.name not in ("tl_golden.c", "tl_selftest.c")]
    run(COMPILERS[0], *STRICT, "-I", tmp_path / "both" / "src", tmp_path / "main.c", *library, "-o", tmp_path / "main")
    run(tmp_path / "main")


@pytest.mark.parametrize("name, says", [
    ("selftest", "its files would be there twice"), ("golden", "its files would be there twice"),
    ("all", "tl_all_kernels would be there twice"), ("err", "TL_ERR_STREAM would be there twice"),
    *((n, "expected a lower-case letter") for n in ("", "A", "x-y", "1a", "a" * 33))])
def test_a_name_that_is_taken_or_none(programs: dict[str, Program], name: str, says: str) -> None:
    p = programs["mamba-h4l1"]
    with pytest.raises(ConfigError, match=re.escape(f"name {name!r}: {says}")):
        project(p, np.zeros((0, *p.buffers[p.input].shape), np.int8), name=name)


@needs_cc
def test_symbols_have_the_prefix(folders: dict[str, Path], tmp_path: Path) -> None:
    if not shutil.which("nm"):
        pytest.skip("no nm")
    for source in sorted((folders["mamba"] / "src").glob("tl_*.c")):  # the kernels: test_packaging
        out = tmp_path / f"{source.stem}.o"
        run(COMPILERS[0], "-std=c99", "-O1", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-c", source, "-o", out)
        listed = [line.split()[:2] for line in run("nm", "-P", out).splitlines()]
        defined = {name for name, kind in listed if kind in "TDBCRVW"}
        assert defined and not {n for n in defined if not n.startswith("tl_")}, source.name
        assert not {n for n, kind in listed if kind in "DdBbC"}, f"{source.name} has writable data"
        outside = {n for n, kind in listed if kind == "U" and not n.startswith("tl_")}
        assert outside <= {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}, source.name


@every
def test_header_says_what_a_row_gives(folders: dict[str, Path], name: str) -> None:
    header = (folders[name] / "src" / "tl_model.h").read_text()
    size = int(re.search(r"TL_MODEL_LABEL_BYTES (\d)", header)[1])  # type: ignore[index]
    assert ("gives uint8 indices into tl_model_rooms, one a row." in header) == (size == 1)
    assert ("two uint8 a row: an index into tl_model_rooms\n * and its confidence in 1/255." in header) == (size == 2)


@every
def test_build_files_parse_and_name_what_is_there(folders: dict[str, Path], name: str) -> None:
    yaml = pytest.importorskip("yaml")
    f = folders[name]
    assert not [p for p in f.rglob("*") if p.is_file() and re.search(rb"@[A-Z_]+@", p.read_bytes())]
    module = yaml.safe_load((f / "zephyr" / "module.yml").read_text())
    assert (f / module["build"]["kconfig"]).is_file() and (f / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert all((f / s / "sample.yaml").is_file() and (f / s / "CMakeLists.txt").is_file() for s in module["samples"])
    yaml.safe_load((f / "zephyr" / "sample" / "sample.yaml").read_text())
    options = set(re.findall(r"^config (\w+)", (f / "zephyr" / "Kconfig").read_text(), re.M))
    used = set(re.findall(r"CONFIG_(TINYLOC\w+)", "".join(
        p.read_text() for p in (f / "zephyr").rglob("*") if p.name in ("CMakeLists.txt", "prj.conf"))))
    assert used == options
    pio = json.loads((f / "library.json").read_text())
    assert (f / pio["build"]["srcDir"] / pio["headers"]).is_file()
    assert all((f / e["base"] / n).is_file() for e in pio["examples"] for n in e["files"])
    lines = (f / "library.properties").read_text().splitlines()
    arduino = dict(line.split("=", 1) for line in lines)
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url",
            "architectures"} <= set(arduino) and all(arduino.values()), "Arduino's checker wants each of them"
    assert arduino["url"].startswith("https://")
    # No core with an int of 16 bits (tinyloc.h): of no list, nor of one that has them all.
    short = {"*", "avr", "megaavr", "msp430", "rl78", "atmelavr", "atmelmegaavr", "timsp430"}
    assert not short & {*arduino["architectures"].split(","), *pio["platforms"]}
    assert {"samd", "nrf52", "stm32"} <= {*arduino["architectures"].split(",")} and "native" in pio["platforms"]
    assert (f / "src" / arduino["includes"]).is_file() and re.fullmatch(r"[A-Za-z0-9_]+", arduino["name"])
    assert pio["version"] == arduino["version"] and pio["name"] == arduino["name"]
    sources = {p.relative_to(f).as_posix() for p in (f / "src").glob("*.c")}
    cmake, zephyr = ((f / n).read_text() for n in ("CMakeLists.txt", "zephyr/CMakeLists.txt"))
    assert set(re.findall(r"src/\w+\.c", cmake)) == set(re.findall(r"src/\w+\.c", zephyr)) == sources
    manifest = json.loads((f / MANIFEST).read_text())
    there = {p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file()}
    assert set(manifest["sha256"]) == there - {MANIFEST}
    ours = Path(__file__).resolve().parent.parent / "LICENSE"
    assert not ours.is_file() or ours.read_bytes() == (f / "LICENSE").read_bytes()


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++")
def test_arduino_sketch_is_cpp(folders: dict[str, Path], tmp_path: Path) -> None:
    """With what a core declares for it: the library's headers are C++ too."""
    (tmp_path / "Arduino.h").write_text("""#include <stddef.h>
#include <stdint.h>
struct Port { void begin(long) {} size_t write(const uint8_t *, size_t n) { return n; } };
static Port Serial;
static inline void delay(unsigned long) {}
""")
    sketch = folders["mamba"] / "examples" / "SelfTest" / "SelfTest.ino"
    run("g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", "-include", tmp_path / "Arduino.h",
        "-I", folders["mamba"] / "src", sketch)


# ---- on a core ----

def machine(folder: Path, which: str) -> Any:
    """The exported self-test, linked by the emulator's toolchain, on the emulated core, before its start."""
    for module in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    from tinyloc.emulator.cortexm import Machine

    chosen = toolchain.core(which)
    build = toolchain.Build(chosen, optimize="-O2", include=(folder / "src",))
    objects = build.compile([*sorted((folder / "src").glob("*.c")),
                             *(folder / "cortex-m" / n for n in ("main.c", "startup.c", "aeabi.c"))])
    memory = toolchain.Memory()
    elf = toolchain.link(build, objects, memory, entry="fw_reset")
    return Machine(chosen, elf, memory)


@pytest.fixture(scope="module")
def console(folders: dict[str, Path]) -> Callable[[str, str], bytes]:
    """What a project's self-test prints on a core."""
    said: dict[tuple[str, str], bytes] = {}

    def get(name: str, which: str) -> bytes:
        if (name, which) not in said:
            m = machine(folders[name], which)
            assert m.run() == 0, m.console.decode()
            said[name, which] = bytes(m.console)
            ops = Image.parse((folders[name] / "model.bin").read_bytes()).ops
            linked = {s.removeprefix("tl_step_") for s in m.elf.symbols if s.startswith("tl_step_")}
            assert linked == set(ops), "the linker drops the kernels that the image does not use"
        return said[name, which]

    return get


@pytest.mark.parametrize("name, which", [("mamba", "m4"), ("mamba", "m0plus"), ("mamba-packed", "m4"), ("mdcsa", "m0plus"),
                                         ("mdcsa-packed", "m4")])  # fmt: skip
def test_on_an_emulated_core(console: Callable[[str, str], bytes], programs: dict[str, Program], name: str,
                             which: str) -> None:
    verdict = check(programs[PROJECTS[name][0]], report_of(console(name, which)))
    assert verdict.equal, verdict.summary()


@pytest.mark.parametrize("compiler", toolchain.compilers())
@pytest.mark.parametrize("which", toolchain.EMULATED)
def test_a_row_takes_the_same_time_whatever_was_heard(folders: dict[str, Path], which: str, compiler: str,
                                                      tmp_path: Path) -> None:
    for module in ("unicorn", "ziglang", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    from tinyloc.emulator.cortexm import Machine

    f, chosen, memory = folders["mamba"], toolchain.core(which), toolchain.Memory()
    (tmp_path / "row.c").write_text("""#include "tl_model.h"
tl_heard heard[TL_MODEL_APS];
int8_t codes[TL_MODEL_APS];
int main(void);
void row(uint32_t ms);
int main(void) { tl_forget(&tl_model_scaler, heard); return 0; }
void row(uint32_t ms) { tl_row(&tl_model_scaler, heard, codes, ms); }
""")
    build = toolchain.Build(chosen, compiler, include=(f / "src",))
    objects = build.compile([tmp_path / "row.c", f / "src" / "input.c", f / "src" / "tl_model.c",
                             f / "cortex-m" / "startup.c", f / "cortex-m" / "aeabi.c"])
    m = Machine(chosen, toolchain.link(build, objects, memory, ("row",)), memory)
    m.run()
    rng, counts = np.random.default_rng(1), set()
    for i in range(12):
        table = np.zeros(11, [("ms", "<u4"), ("dbm", "<i2"), ("pad", "<i2")])
        table["ms"] = rng.integers(0, 2**32, 11) if i % 2 else rng.integers(3000, 6000, 11)
        table["dbm"] = np.where(rng.random(11) < i / 12, rng.integers(-128, 128, 11), lib.TL_NOT_HEARD)
        m.write(m.elf.symbol("heard"), table)
        before = m.profile()
        m.call("row", 5000)
        counts.add((m.profile() - before).instructions)
    assert len(counts) == 1, counts


@pytest.mark.level2
@every
@pytest.mark.parametrize("which", toolchain.EMULATED)
def test_on_every_core(console: Callable[[str, str], bytes], programs: dict[str, Program], name: str, which: str) -> None:
    assert check(programs[PROJECTS[name][0]], report_of(console(name, which))).equal


@pytest.mark.parametrize("compiler", toolchain.compilers())
@every
def test_what_the_stream_takes_is_counted(programs: dict[str, Program], name: str, compiler: str, tmp_path: Path) -> None:
    """The bytes of tl_model.c on a core, and the sizes of what it and tl_stream are made of.  (For speed gcc begins each
    name at a multiple of 4.)"""
    elffile = pytest.importorskip("elftools.elf.elffile", reason="no pyelftools: pip install 'tinyloc[mcu]'")
    p, core, stream = PROJECTS[name]
    made = variant(programs[p], core, stream)
    found = beside(made)
    if not streams(made):
        assert found is None
        return
    assert found and beside(replace(made, info={k: v for k, v in made.info.items() if k != "rooms"})) is None
    for n, text in {**sources(Image.parse(to_image(made)), 0), **model_sources(made)}.items():
        (tmp_path / n).write_text(text, encoding="utf-8")
    sizes = {"tl_model": MODEL_BYTES, "tl_stream": found.stream, "tl_heard": HEARD_BYTES,
             "tl_scaler": SCALER_BYTES, "tl_stream_config": CONFIG_BYTES}
    (tmp_path / "tl_sizes.c").write_text('#include "tl_model.h"\n' + "".join(
        f"typedef char {n}_has_other_bytes[sizeof({n}) == {size} ? 1 : -1];\n" for n, size in sizes.items()))
    build = toolchain.Build(toolchain.core("m0plus"), compiler, "-Os", include=(kernel_folder(),))
    _, made_of = build.compile([tmp_path / n for n in ("tl_sizes.c", "tl_model.c")])
    with made_of.open("rb") as f:
        rodata = {s.name: s["sh_size"] for s in elffile.ELFFile(f).iter_sections() if s.name.startswith(".rodata")}
    assert sum(rodata.values()) == found.flash, rodata
    inputs, rows = len(made.info["aps"]), made.steps_of_time
    assert (found.heard, found.window) == (8 * inputs, rows * inputs if rows > 1 else 0)


# ---- by the usual builds ----

needs_cmake = pytest.mark.skipif(not shutil.which("cmake"), reason="no cmake")
by_compiler = pytest.mark.parametrize("compiler", [
    pytest.param(c, marks=pytest.mark.skipif(c not in toolchain.compilers(), reason=f"no {what}"))
    for c, what in (("clang", "ziglang (extra mcu)"), ("gcc", "arm-none-eabi-gcc"))])


def deep(first: tuple[str, str], cores: Iterable[str]) -> list[Any]:
    """(project, core): `first`, and at level 2 all others."""
    others = [(name, which) for name in PROJECTS for which in cores if (name, which) != first]
    return [first, *(pytest.param(*o, marks=pytest.mark.level2) for o in others)]


def cmake(folder: Path, out: Path, compiler: str, which: str, *options: str) -> Path:
    """The self-test's ELF for a core, by one of the project's toolchain files; from this environment's folder, below which
    Zig names its own relative to it."""
    core, file = toolchain.core(which), {"gcc": "arm-none-eabi.cmake", "clang": "zig.cmake"}[compiler]
    run("cmake", "-S", folder, "-B", out, f"-DCMAKE_TOOLCHAIN_FILE={folder / 'cortex-m' / file}",
        f"-DTL_CPU_FLAGS={' '.join(core.gcc_flags)}", f"-DTL_PYTHON={sys.executable}", *options, cwd=Path(sys.prefix))
    run("cmake", "--build", out, "-j2")
    return out / "selftest.elf"


def until_verdict(command: Sequence[object]) -> Report:
    """The self-test that a machine prints, which is then ended: on its own it repeats it for ever."""
    with subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as p:
        assert p.stdout is not None
        stop = threading.Timer(120, p.kill)
        stop.start()
        said = b""
        for line in p.stdout:
            said += line
            if line.startswith((b"PASS", b"FAIL", b"refused")):
                break
        stop.cancel()
        p.kill()
    return report_of(said)


@needs_cmake
@by_compiler
@pytest.mark.parametrize("name, which", deep(("mamba-packed", "m4"), toolchain.EMULATED))
def test_cmake_for_a_core(folders: dict[str, Path], programs: dict[str, Program], name: str, which: str, compiler: str,
                          tmp_path: Path) -> None:
    for module in ("unicorn", "elftools", "capstone"):
        pytest.importorskip(module, reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
    from elftools.elf.elffile import ELFFile

    from tinyloc.emulator.cortexm import Machine
    from tinyloc.emulator.elf import Elf

    elf = cmake(folders[name], tmp_path, compiler, which)
    memory = toolchain.Memory(256 << 10, 64 << 10)
    with elf.open("rb") as f:
        for s in ELFFile(f).iter_segments("PT_LOAD"):  # what a flash tool reads
            start, size = (memory.flash_origin, memory.flash) if s["p_filesz"] else (memory.ram_origin, memory.ram)
            assert not s["p_memsz"] or start <= s["p_paddr"] <= s["p_paddr"] + s["p_memsz"] <= start + size, s.header
    m = Machine(toolchain.core(which), Elf(elf.read_bytes()), memory)
    assert m.run() == 0, m.console.decode()
    verdict = check(programs[PROJECTS[name][0]], report_of(bytes(m.console)))
    assert verdict.equal, verdict.summary()


needs_qemu = pytest.mark.skipif(not shutil.which(qemu.EXECUTABLE), reason=f"no {qemu.EXECUTABLE}")


def ctest(folder: Path, program: Program, which: str, compiler: str, tmp_path: Path, *options: str) -> None:
    """Builds the self-test for a board of QEMU, by a linker script of one's own, as the README says, and runs it there."""
    board, script = qemu.BOARDS[which], (folder / "cortex-m" / "link.ld").read_text()
    ram = min(board.ram, 64 << 10)
    for region, origin, length in (("FLASH", board.flash_origin, board.flash), ("RAM", board.ram_end - ram, ram)):
        script, n = re.subn(rf"(?<={region} )(\(\w+\)) : .*", rf"\1 : ORIGIN = {origin:#x}, LENGTH = {length}", script)
        assert n == 1
    (tmp_path / "my part.ld").write_text(script)
    cmake(folder, tmp_path / "b", compiler, which, f"-DTL_LINKER_SCRIPT={tmp_path / 'my part.ld'}",
          f"-DCMAKE_CROSSCOMPILING_EMULATOR={qemu.EXECUTABLE};-M;{board.name};-nographic;-semihosting;-kernel", *options)
    said = run("ctest", "--test-dir", tmp_path / "b", "-V", "--timeout", "120")
    assert "100% tests passed" in said
    verdict = check(program, report_of(re.sub("^1: ", "", said, flags=re.M).encode()))
    assert verdict.equal, verdict.summary()


@needs_cmake
@needs_qemu
@by_compiler
@pytest.mark.parametrize("name, which", deep(("mdcsa", "m55"), toolchain.CORES))
def test_ctest_on_qemu(folders: dict[str, Path], programs: dict[str, Program], name: str, which: str, compiler: str,
                       tmp_path: Path) -> None:
    ctest(folders[name], programs[PROJECTS[name][0]], which, compiler, tmp_path)


# What a project's own options add to every function, and what then has to be there; a function may change r0 to r3 and r12.
HOOKS = """#include <stdint.h>
#define BARE __attribute__((used, no_instrument_function, optimize("no-stack-protector")))
uintptr_t __stack_chk_guard = 0x5aa5c33c;
BARE void __stack_chk_fail(void) { for (;;) { } }
BARE void __cyg_profile_func_enter(void *f, void *from)
{
    (void)f, (void)from;
    __asm__ volatile("mov r0, %0; mov r1, r0; mov r2, r0; mov r3, r0; mov r12, r0" : : "r"(0xa5)
                     : "r0", "r1", "r2", "r3", "r12", "memory");
}
BARE void __cyg_profile_func_exit(void *f, void *from) { __cyg_profile_func_enter(f, from); }
"""


@needs_cmake
@needs_qemu
@pytest.mark.skipif("gcc" not in toolchain.compilers(), reason="no arm-none-eabi-gcc")
@pytest.mark.parametrize("option", ["-fstack-protector-all", "-finstrument-functions"])
@pytest.mark.parametrize("name, which", deep(("mdcsa", "m0plus"), toolchain.CORES))
def test_with_canaries_and_calls_in_every_function(folders: dict[str, Path], programs: dict[str, Program], name: str,
                                                   which: str, option: str, tmp_path: Path) -> None:
    """Zephyr's options for the whole image among them: functions that are assembler alone must stay so."""
    (tmp_path / "hooks.c").write_text(HOOKS)
    run("arm-none-eabi-gcc", *toolchain.core(which).gcc_flags, "-O1", "-ffreestanding", "-c", tmp_path / "hooks.c", "-o",
        tmp_path / "hooks.o")
    ctest(folders[name], programs[PROJECTS[name][0]], which, "gcc", tmp_path, f"-DCMAKE_C_FLAGS_RELEASE=-O2 {option}",
          f"-DCMAKE_EXE_LINKER_FLAGS_RELEASE={tmp_path / 'hooks.o'}")


@needs_cmake
@needs_qemu
@by_compiler
@pytest.mark.parametrize("name, which", deep(("mdcsa", "m0plus"), toolchain.CORES))
def test_linked_with_optimization(folders: dict[str, Path], programs: dict[str, Program], name: str, which: str,
                                  compiler: str, tmp_path: Path) -> None:
    ctest(folders[name], programs[PROJECTS[name][0]], which, compiler, tmp_path, "-DCMAKE_C_FLAGS_RELEASE=-Os -flto",
          *(["-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON"] if compiler == "gcc" else []))


@pytest.mark.level2
@pytest.mark.skipif(not shutil.which("cc"), reason="no cc")
def test_the_readmes_commands(projects: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    """As they stand, in the folder, where the tools are; then the folder can be exported to again."""
    write_project(projects["mamba-packed"], tmp_path / "model")
    section = (tmp_path / "model" / "README.md").read_text().split("## Self-test")[1].split("## ")[0]
    commands = re.findall(r"^    (\S.*)$", section, re.M)
    assert [c.split()[0] for c in commands] == ["cc", "cmake", "cmake", qemu.EXECUTABLE, "west", "pio"]
    for c, needs in zip(commands, (["cc"], ["cmake"], ["cmake", "arm-none-eabi-gcc"], [qemu.EXECUTABLE]), strict=False):
        if not all(map(shutil.which, needs)) or (c.startswith(qemu.EXECUTABLE) and not (tmp_path / "build-arm").exists()):
            continue  # west needs a workspace, PlatformIO a board's packages
        done = subprocess.run(c, shell=True, cwd=tmp_path / "model", capture_output=True, text=True)
        assert done.returncode == 0 and "warning" not in done.stderr, done.stdout + done.stderr
        assert re.search("^PASS 5|100% tests passed|Built target selftest", done.stdout + done.stderr, re.M), c
    assert write_project(projects["mamba-packed"], tmp_path / "model") is None


@pytest.mark.level2
@needs_cmake
@pytest.mark.skipif(not os.environ.get("ZEPHYR_BASE"), reason="ZEPHYR_BASE names no Zephyr (3.7 or later)")
@pytest.mark.parametrize("name, board, machine", [
    ("mamba", "qemu_cortex_m3", ("lm3s6965evb",)),
    ("mdcsa-packed", "mps2/an385", ("mps2-an385",)),
    ("mamba-packed", "mps2/an521/cpu0", ("mps2-an521",)),
    ("mdcsa", "mps3/an547", ("mps3-an547",)),
    ("mamba-window", "native_sim/native/64", None),
])
def test_zephyr(folders: dict[str, Path], programs: dict[str, Program], name: str, board: str, machine: tuple[str] | None,
                tmp_path: Path) -> None:
    if machine and not shutil.which(qemu.EXECUTABLE):
        pytest.skip(f"no {qemu.EXECUTABLE}")
    run("cmake", "-G", "Ninja", "-S", folders[name] / "zephyr" / "sample", "-B", tmp_path, f"-DBOARD={board}")
    run("cmake", "--build", tmp_path, "-j2")
    report = until_verdict([qemu.EXECUTABLE, "-M", *machine, "-nographic", "-kernel", tmp_path / "zephyr" / "zephyr.elf"]
                           if machine else [tmp_path / "zephyr" / "zephyr.exe"])
    verdict = check(programs[PROJECTS[name][0]], report)
    assert verdict.equal, verdict.summary()


def platformio(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(["pio", *map(str, arguments)], text=True, capture_output=True, cwd=cwd)
    return done.stdout + done.stderr


@pytest.mark.level2
@pytest.mark.skipif(not shutil.which("pio"), reason="no pio: pip install platformio")
@pytest.mark.parametrize("name", ["mamba", "mdcsa-packed"])
def test_platformio(folders: dict[str, Path], programs: dict[str, Program], name: str, tmp_path: Path) -> None:
    if "native" not in platformio("pkg", "list", "-g", "--only-platforms", cwd=tmp_path):
        pytest.skip("PlatformIO has no native platform: pio pkg install -g -p native")
    (tmp_path / "src").mkdir()
    shutil.copy(folders[name] / "host" / "main.c", tmp_path / "src")
    (tmp_path / "platformio.ini").write_text(f"[env:host]\nplatform = native\nlib_deps = symlink://{folders[name]}\n")
    said = platformio("run", cwd=tmp_path)
    assert "[SUCCESS]" in said and "warning" not in said, said
    verdict = check(programs[PROJECTS[name][0]], until_verdict([tmp_path / ".pio" / "build" / "host" / "program"]))
    assert verdict.equal, verdict.summary()
    # The manifest's own check: all of it, or all but the license, whose list of names it fetches.
    said = platformio("pkg", "pack", "-o", tmp_path / "p.tar.gz", folders[name], cwd=tmp_path)
    assert (tmp_path / "p.tar.gz").exists() or "fields: {'license': ['Could not load SPDX licenses for validation']}" in said


# ---- a board on a serial port ----

@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[list[bytes]], None]]]:
    """(name of a port, what sends parts to it once it is open): a pseudo-terminal.  Opening a port empties it."""
    serial = pytest.importorskip("serial", reason="the extra serial is not installed: pip install 'tinyloc[serial]'")
    pty, tty = pytest.importorskip("pty"), pytest.importorskip("tty")
    board, host = pty.openpty()
    tty.setraw(board)
    tty.setraw(host)
    opened, stop = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []
    real = serial.Serial

    def opening(*args: Any, **options: Any) -> Any:
        made = real(*args, **options)
        opened.set()
        return made

    monkeypatch.setattr(serial, "Serial", opening)

    def send(parts: list[bytes]) -> None:
        def work() -> None:
            opened.wait(20)
            for part in parts:
                for at in range(0, len(part), 512):
                    if stop.wait(0.002):
                        return
                    os.write(board, part[at : at + 512])

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()

    yield os.ttyname(host), send
    stop.set()
    opened.set()
    os.close(host)
    for t in threads:
        t.join(5)
    os.close(board)


def verify(tmp_path: Path, program: Program, port: str, code: int, *more: str) -> Any:
    program.save(tmp_path / "m8")
    done = CliRunner().invoke(main, ["verify", str(tmp_path / "m8"), "--serial", port, *more])
    assert done.exit_code == code, done.output
    return done


@pytest.mark.parametrize("name", ["mamba-packed", "mdcsa"])
def test_verify_serial(port: Any, console: Callable[[str, str], bytes], programs: dict[str, Program], tmp_path: Path,
                       name: str) -> None:
    """The exported self-test on an emulated Cortex-M4, its console on a pseudo-terminal; the host joins in the middle."""
    said = console(name, "m4")
    port[1]([b"boot v1.2\r\n\xff\x00\xfe garbage", said[len(said) // 3 :], b"tinyloc 3 noise\n", said])
    found = json.loads(verify(tmp_path, programs[PROJECTS[name][0]], port[0], 0, "--json").stdout)
    crc = image_crc(to_image(variant(programs[PROJECTS[name][0]], *PROJECTS[name][1:])))
    assert found["equal"] and found["windows"] == 5 and found["image"] == f"{crc:08x}"
    assert found["core"] == ("dsp" if "packed" in name else None)


def test_verify_serial_says_no(port: Any, console: Callable[[str, str], bytes], programs: dict[str, Program],
                               tmp_path: Path) -> None:
    """A board that computes another bit in step 3 of window 2."""
    lines = console("mamba", "m4").decode().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("sign 2"))
    words = lines[at].rpartition(" *")[0].split()
    words[3 + 3] = f"{int(words[3 + 3], 16) ^ 1:08x}"
    lines[at] = signed(" ".join(words))
    port[1]([("\n".join(lines) + "\n").encode()])
    out = verify(tmp_path, programs["mamba-h4l1"], port[0], 1).stdout
    step = programs["mamba-h4l1"].steps[3]
    assert f"differs first in window 2, step 3 ({step.op}), buffer {step.args[0]!r}" in out


def test_verify_serial_of_another_model(port: Any, console: Callable[[str, str], bytes], programs: dict[str, Program],
                                        tmp_path: Path) -> None:
    port[1]([console("mamba", "m4")])
    assert "the image is NOT of this model" in verify(tmp_path, programs["mdcsa-h4l1"], port[0], 1).stdout


@pytest.mark.parametrize("parts, message", [
    ([], "0.4 s without a line of the self-test (0 bytes came)"),
    ([b"hello\n" * 20], "without a line of the self-test (120 bytes came)"),
    ([b"refused "], "without a line"),
    (["tinyloc 1 0 0 0 0"], "self-test has version 1, expected 3"),
    (["tinyloc 3 0 1 1 1 1", "refused the arena is too small"], "the board refuses its image: the arena is too small"),
    (["tinyloc 3 0 1 1 1 1", "scaler 0", "PASS 1"], "damaged or incomplete self-tests: 1"),
    (["tinyloc 3 0 1 1 1 1", "scaler 0", "input 0 00", "sign 0 1 0", "sign 0 2 0", "PASS 1"], "incomplete self-tests: 1"),
    (["tinyloc 3 0 1 1 1 1", "scaler 0", "input 0 00", "sign 0 1 0", "PASS 1"], "incomplete self-tests: 1"),
    (["tinyloc 3 0 1 1 1", "scaler 0"], "incomplete self-tests: 1"),
    (["tinyloc 3 0 1 1 1 1", "scaler 0", "PASS 1"] * 5, "nothing but damaged lines"),
])
def test_verify_serial_bad_input(port: Any, programs: dict[str, Program], tmp_path: Path, parts: list[Any],
                                 message: str) -> None:
    port[1]([p if isinstance(p, bytes) else (signed(p) + "\n").encode() for p in parts])
    error = verify(tmp_path, programs["mamba-h4l1"], port[0], 2, "--timeout", "0.4").stderr
    assert message in error and error.count("\n") == 1 and port[0] in error


def signed(text: str) -> str:
    return f"{text} *{zlib.crc32(text.encode()):08x}"


def test_verify_serial_without_a_port(programs: dict[str, Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("serial", reason="the extra serial is not installed: pip install 'tinyloc[serial]'")
    p = programs["mamba-h4l1"]
    assert "expected a serial port" in verify(tmp_path, p, str(tmp_path / "none"), 2).stderr
    assert "timeout of 0 s" in verify(tmp_path, p, str(tmp_path / "none"), 2, "--timeout", "0").stderr
    monkeypatch.setitem(sys.modules, "serial", None)
    assert "pip install 'tinyloc[serial]'" in verify(tmp_path, p, "x", 2).stderr


@pytest.fixture(scope="module", params=["mamba", "mdcsa"])  # windows of several lines; signatures too
def sample(request: pytest.FixtureRequest, folders: dict[str, Path], built: Any,
           tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if not COMPILERS:
        pytest.skip("no gcc, no clang")
    return subprocess.run([built(folders[request.param], tmp_path_factory.mktemp("sample") / "selftest")],
                          capture_output=True, check=True).stdout


@settings(derandomize=True, max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_on_the_way_is_never_believed(sample: bytes, data: st.DataObject) -> None:
    """Bytes lost, changed or inserted: the report that follows is read, or the damaged one was whole after all."""
    at, kind = data.draw(st.integers(0, len(sample) - 1)), data.draw(st.sampled_from(["lost", "changed", "inserted"]))
    n = data.draw(st.integers(1, 40))
    noise = data.draw(st.binary(min_size=n, max_size=n))
    damaged = sample[:at] + (b"" if kind == "lost" else noise) + sample[at + (0 if kind == "inserted" else n) :]
    believed(sample, damaged + b"\n", f"{kind} at {at}")


def test_a_line_that_is_lost_or_comes_twice_is_never_believed(sample: bytes) -> None:
    """Each line is whole in itself: a window's input and signatures are several."""
    lines = sample.splitlines(keepends=True)
    for i, line in enumerate(lines):
        for n in (0, 2):
            believed(sample, b"".join([*lines[:i], *[line] * n, *lines[i + 1 :]]), f"{n} times: {line!r}")


def believed(sample: bytes, before: bytes, what: str) -> None:
    """What is read of `before` and a whole report is the whole one."""
    want, got = report_of(sample), report_of(before + sample)
    assert (got.image, got.scaler, got.inputs, got.labels, got.passed) == (
        want.image, want.scaler, want.inputs, want.labels, want.passed), what
    np.testing.assert_array_equal(got.signatures, want.signatures)


# ---- the folder ----

def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


FILES = {"a/b.c": b"b\n", "c.h": b"c\n"}


def sealed(files: dict[str, bytes]) -> dict[str, bytes]:
    head = {"format": "tinyloc-export", "sha256": {n: hashlib.sha256(d).hexdigest() for n, d in files.items()}}
    return {**files, MANIFEST: json.dumps(head).encode()}


@pytest.mark.parametrize("before, refused", [
    (None, None),
    ({}, None),
    (sealed({"old.c": b"old"}), None),
    ({"notes.txt": b"mine"}, "notes.txt, and is no earlier export"),
    ({**sealed({"old.c": b"old"}), "mine.c": b"mine"}, "mine.c, which is not of the export"),
    ({**sealed({"old.c": b"old"}), "old.c": b"edited"}, "old.c, which was edited"),
    ({MANIFEST: b"{", "old.c": b"old"}, "is no earlier export"),
    ({MANIFEST: b'{"format": "other", "sha256": {"old.c": ""}}', "old.c": b"old"}, "is no earlier export"),
])
def test_nothing_of_the_users_is_lost(tmp_path: Path, before: dict[str, bytes] | None, refused: str | None) -> None:
    out = tmp_path / "deep" / "out"
    for name, content in (before or {}).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    if before == {}:
        out.mkdir(parents=True)
    if refused:
        with pytest.raises(ConfigError, match=re.escape(refused)):
            write_project(sealed(FILES), out)
        assert tree(out) == before
        (tmp_path / "deep" / "out.old").mkdir()  # taken: the next name
    aside = write_project(sealed(FILES), out, force=bool(refused))
    assert tree(out) == sealed(FILES)
    assert aside == (tmp_path / "deep" / "out.old1" if refused else None)
    assert aside is None or tree(aside) == before
    left = {p.name for p in (tmp_path / "deep").iterdir()}
    assert left == ({"out", "out.old", "out.old1"} if refused else {"out"}), "no temporary folder stays"


@pytest.mark.parametrize("where", ["fsync", "rename"])
def test_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    out = tmp_path / "out"
    write_project(sealed(FILES), out)
    before = tree(out)
    done = 0
    owner: Any = os if where == "fsync" else Path
    real = getattr(owner, where)

    def failing(*args: Any) -> Any:
        nonlocal done
        done += 1
        if done == 2:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(owner, where, failing)
    with pytest.raises(ConfigError, match="No space left"):
        write_project(sealed({**FILES, "more": b""}), out)
    monkeypatch.undo()
    assert tree(out) == before and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_bad_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; expected a folder"):
        write_project(FILES, tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_project(FILES, tmp_path / "file" / "out")
    monkeypatch.chdir(tmp_path)
    for out in (".", ".."):
        with pytest.raises(ConfigError, match="expected another folder"):
            write_project(FILES, out)


# ---- the command ----

def test_export_command(programs: dict[str, Program], tmp_path: Path) -> None:
    p = programs["mamba-h4l1"]
    p.save(tmp_path / "m8")

    def export(*args: str, code: int = 0) -> Any:
        done = CliRunner().invoke(main, ["export", str(tmp_path / "m8"), "--out", str(tmp_path / "out"), *args])
        assert done.exit_code == code, done.output
        return done

    b = p.buffers[p.input]
    found = json.loads(export("--windows", "0", "--core", "m4", "--at-once", "--json").stdout)
    assert tree(tmp_path / "out") == project(p, np.empty((0, *b.shape), np.int8), "m4", False)
    assert found["windows"] == 3 and found["core"] == "cortex-m4" and not found["stream"]
    said = export("--windows", "0").stdout
    assert "sample by sample, for any core, no weights packed (--core)" in said, "an earlier export is replaced"
    (tmp_path / "out" / "mine").write_text("mine")
    assert "mine, which is not of the export" in export("--windows", "0", code=2).stderr
    assert "out.old" in export("--windows", "0", "--force").stdout
    assert (tmp_path / "out.old" / "mine").read_text() == "mine"
    assert "did you mean 'm4'" in export("--windows", "0", "--core", "m44", code=2).stderr
    assert "name them with --data" in export(code=2).stderr
    assert "has a room 'living', which the model lacks" in export("--data", "simulated", code=2).stderr
    # What it says of the self-test, done, leaves the folder as it was made.
    told = export("--windows", "0").stdout.partition("self-test: ")[2]
    if shutil.which(os.environ.get("CC", "cc")):
        done = subprocess.run(["sh", "-c", told], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "PASS" in done.stdout, done.stdout + done.stderr
    assert "-o ../selftest && ../selftest" in told
    export("--windows", "0")
    # Golden windows of test rows: the first, the last and what lies between.  The rooms are the data's here.
    p = replace(p, info={**p.info, "rooms": list(load("simulated").rooms)})
    p.save(tmp_path / "m8")
    assert json.loads(export("--windows", "3", "--data", "simulated", "--json").stdout)["windows"] == 6
    codes = b.quantize(last_rows(p.info, load("simulated").test).x)
    assert tree(tmp_path / "out") == project(p, codes[[0, (len(codes) - 1) // 2, -1]])


def test_programs_that_cannot_be_exported(programs: dict[str, Program]) -> None:
    p = programs["mdcsa-h4l1"]
    none = np.empty((0, *p.buffers[p.input].shape), np.int8)
    for key in ("rooms", "aps", "scaler"):
        with pytest.raises(ModelError, match=f"does not name its {key}"):
            project(replace(p, info={k: v for k, v in p.info.items() if k != key}), none)
    with pytest.raises(ModelError, match="cannot be streamed"):
        project(p, none, stream=True)
    with pytest.raises(ModelError, match=r"golden windows: expected int8 \(20, 11\), got int8 \(3, 11\)"):
        project(p, np.zeros((1, 3, 11), np.int8))
