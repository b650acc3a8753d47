"""Firmware on an emulated Cortex-M: exact memory, every violation found, exact counts, and the kernels' bits."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")

from tinyloc.emulator import cortexm, toolchain
from tinyloc.emulator.cortexm import Fault, Kernels, Machine
from tinyloc.emulator.cycles import TIMINGS, timing
from tinyloc.emulator.elf import Elf, base_mnemonic
from tinyloc.emulator.toolchain import CORES, EMULATED, FIRMWARE, BudgetError, Build, Memory, core
from tinyloc.errors import ConfigError, ModelError
from tinyloc.kernels.op import Args, Op
from tinyloc.kernels.table import OPS

COMPILERS = toolchain.compilers()
ELEMENTS = 8000  # of outputs, at level 1: larger cases are left to level 2


def build(folder: Path, source: str, which: str = "m4", memory: Memory | None = None, compiler: str = "clang",
          keep: tuple[str, ...] = (), more: str = "") -> tuple[Machine, Elf]:
    """A machine with the firmware `source` (a C file with a main, or functions that `keep` names); more: a second file."""
    path, beside = folder / "firmware.c", folder / "more.c"
    path.write_text('#include "semihost.h"\n#include <stdint.h>\n' + source)
    beside.write_text(more)
    b = Build(core(which), compiler, "-O2", include=(FIRMWARE,))
    extra = [] if "main(" in source else [FIRMWARE / "no_main.c"]
    memory = memory or Memory(64 << 10, 16 << 10)
    files = [path, *([beside] if more else []), FIRMWARE / "startup.c", FIRMWARE / "aeabi.c", *extra]
    elf = toolchain.link(b, b.compile(files), memory, keep)
    return Machine(core(which), elf, memory), elf


def assembly(name: str, *lines: str) -> str:
    text = "\\n".join(lines)
    return f'void {name}(void);\n__attribute__((naked)) void {name}(void) {{ __asm__ volatile("{text}"); }}\n'


# ---- toolchain ----


@pytest.mark.parametrize("package", ["ziglang", "unicorn", "elftools.elf.elffile", "capstone"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, elf = build(tmp_path, "int main(void) { return 0; }")
    monkeypatch.setitem(sys.modules, package, None)
    toolchain._zig.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"tinyloc\[mcu\]"):
            toolchain._zig()
            Machine(core("m4"), elf, Memory())
            _ = Elf(elf.data).instructions
    finally:
        monkeypatch.undo()
        toolchain._zig.cache_clear()


@pytest.mark.parametrize(("bad", "says"), [
    (lambda _: core("m5"), "did you mean"), (lambda _: toolchain.compiler_version("icc"), "clang"),
    (lambda _: Memory(ram=0), "RAM of 0 bytes"), (lambda _: timing("m55"), "no timing table"),
    (lambda folder: build(folder, "int main(void) { return 0; }", "m55"), "emulator has no cortex-m55"),
], ids=["core", "compiler", "ram", "timing", "m55"])
def test_bad_input_is_named(bad: Callable[[Path], Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        bad(tmp_path)


def test_compiler_and_linker_messages_reach_the_user(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use of undeclared identifier 'nothing'"):
        build(tmp_path, "int main(void) { return nothing; }")
    with pytest.raises(ConfigError, match="undefined symbol: far_away"):
        build(tmp_path, "int far_away(void); int main(void) { return far_away(); }")
    with pytest.raises(ModelError, match="not a complete ELF"):
        Elf(b"\x7fELF\x01")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_builds_are_deterministic_and_cached(compiler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images = []
    for folder in ("one", "two"):  # two caches, two source folders: the same bytes
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / folder / "cache"))
        (tmp_path / folder).mkdir()
        images.append(build(tmp_path / folder, "int main(void) { return 3; }", compiler=compiler)[1].data)
        objects = sorted((tmp_path / folder / "cache" / "tinyloc" / "firmware").glob("*.o"))
        times = [o.stat().st_mtime_ns for o in objects]
        build(tmp_path / folder, "int main(void) { return 3; }", compiler=compiler)
        assert [o.stat().st_mtime_ns for o in objects] == times
    assert images[0] == images[1]
    build(tmp_path / "two", "int main(void) { return 4; }", compiler=compiler)
    assert len(list(objects[0].parent.glob("*.o"))) == len(objects) + 1, "a changed source must be compiled again"


# ---- memory to the byte ----

ARENA = """
static volatile uint8_t arena[{size}] __attribute__((section(".noinit")));
static volatile uint32_t counter = 5;
static volatile uint32_t zero;
int main(void) {{
    arena[0] = 1; arena[{size} - 1] = 2;
    counter += zero;
    return (int)counter + arena[0] + arena[{size} - 1];
}}
"""


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("size", [1, 1000, 3001, 5800])
def test_a_budget_one_byte_too_small_names_section_and_bytes(size: int, compiler: str, tmp_path: Path) -> None:
    source = ARENA.format(size=size)
    _, elf = build(tmp_path, source, compiler=compiler)
    flash = sum(elf.section_bytes(s) for s in (".text", ".rodata", ".data"))
    ram = size
    while (missing := lacking(tmp_path, source, compiler, Memory(flash, ram, 200))):
        ram += missing  # more than once at most where alignment depends on the size
    m, elf = build(tmp_path, source, memory=Memory(flash, ram, 200), compiler=compiler)
    assert m.run() == (8 if size > 1 else 9)
    assert m.stack_used() <= 200 <= elf.symbols["fw_stack_top"] - elf.symbols["fw_stack_end"]
    says = rf"RAM: \.stack 200 .*\.noinit {size} .* {ram} bytes, 1 more than the budget"
    with pytest.raises(BudgetError, match=says) as e:
        build(tmp_path, source, memory=Memory(flash, ram - 1, 200), compiler=compiler)
    assert (e.value.region, e.value.missing) == ("RAM", 1)
    with pytest.raises(BudgetError, match=r"flash: \.text \d+ .*1 more than"):
        build(tmp_path, source, memory=Memory(flash - 1, ram, 200), compiler=compiler)


def lacking(folder: Path, source: str, compiler: str, memory: Memory) -> int:
    """Bytes of RAM that are missing, 0 when it fits."""
    try:
        build(folder, source, memory=memory, compiler=compiler)
    except BudgetError as e:
        assert e.region == "RAM"
        return e.missing
    return 0


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("ram", [2048, 2044, 2042, 2041])
def test_the_stack_begins_at_a_multiple_of_8_wherever_ram_does(ram: int, compiler: str, tmp_path: Path) -> None:
    m, elf = build(tmp_path, "int main(void) { volatile int x[20]; x[3] = 1; return x[3]; }", memory=Memory(4096, ram),
                   compiler=compiler)
    top = elf.symbols["fw_stack_top"]
    assert top % 8 == 0 and elf.symbols["fw_stack_end"] == m.memory.ram_origin and m.run() == 1
    assert 0 <= m.memory.ram_origin + ram - top < 8, "all RAM that there is, but for the alignment"


TOUCH = "int main(void); int touch(volatile uint8_t *p); int touch(volatile uint8_t *p) { return *p; }\n" \
        "void set(volatile uint8_t *p); void set(volatile uint8_t *p) { *p = 7; } int main(void) { return 0; }"


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize(("flash", "ram"), [(4096, 4096), (3001, 1025), (2048, 2047), (5000, 1535)])
def test_flash_and_ram_end_at_the_byte(which: str, flash: int, ram: int, tmp_path: Path) -> None:
    memory = Memory(flash, ram, 64)
    low, high = memory.ram_origin, memory.ram_origin + ram
    m, _ = build(tmp_path, TOUCH, which, memory, keep=("touch", "set"))
    for address in (low, high - 1):
        m.call("set", address)
        assert m.call("touch", address) == 7
    m.call("touch", toolchain.FLASH + flash - 1)
    outside = [low - 1, high, toolchain.FLASH - 1, toolchain.FLASH + flash, 0]
    cases = [(f, a, "outside memory") for a in outside for f in ("touch", "set")]
    cases += [("set", toolchain.FLASH + at, "read-only memory") for at in (0, 2000)]
    for function, address, says in cases:
        with pytest.raises(Fault, match=f"{'write' if function == 'set' else 'read'}( to)? {says}") as e:
            m.call(function, address)
        assert e.value.finding.address == address and e.value.finding.code.startswith(function)
        assert m.call("touch", low) >= 0, "the machine goes on after a finding"


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("ram", [2048, 2500])
def test_a_stack_overflow_leaves_ram_and_is_found(which: str, ram: int, tmp_path: Path) -> None:
    source = """
    static volatile uint8_t data[600];
    int deep(int n);
    __attribute__((noinline)) int deep(int n)
    { volatile int x[8]; x[n & 7] = n; return n ? deep(n - 1) + x[n & 7] : 0; }
    int main(void) { data[0] = 1; return deep(DEPTH); }
    """
    m, elf = build(tmp_path, source.replace("DEPTH", "5"), which, Memory(8192, ram))
    assert m.run() == 15 and 5 * 32 < m.stack_used() < 600
    with pytest.raises(ModelError, match="recursion: deep -> deep"):
        elf.stack_bound("main")
    m, elf = build(tmp_path, source.replace("DEPTH", "5000"), which, Memory(8192, ram))
    with pytest.raises(Fault, match=r"write outside memory.*below the stack.*by deep") as e:
        m.run()
    end = elf.symbols["fw_stack_end"]
    assert end - 64 <= e.value.finding.address < end
    assert m.read(elf.symbols["fw_bss_start"], 1) == b"\1", "what lies above the stack is untouched"


# ---- findings ----

HEAP = "static uint16_t heap[8];\n"
ALL, MAIN_LINE = "m0plus m3 m4 m7 m33", "m3 m4 m7 m33"
FINDINGS = {  # name: cores, source, what the finding says
    "undefined": (ALL, "int main(void) { __asm__ volatile(\"udf #3\"); return 0; }", "undefined instruction"),
    "execution from RAM": (ALL, HEAP + """int main(void)
        { heap[0] = 0x4770; ((void (*)(void))((uintptr_t)heap | 1))(); return 0; }""", "execution outside flash"),
    "jump to nowhere": (ALL, "int main(void) { ((void (*)(void))0x60000001)(); return 0; }",
                        "execution outside memory"),
    "jump without Thumb bit": (MAIN_LINE, "int main(void) { ((void (*)(void))0x08000100)(); return 0; }",
                               "undefined instruction|Arm"),
    "unaligned word": ("m0plus", HEAP + """int main(void) { register uint8_t *p __asm__("r3") = (uint8_t *)heap + 2;
        __asm__ volatile("ldr r0, [r3]" : : "r"(p) : "r0"); return 0; }""", "unaligned"),
    "unaligned double": (MAIN_LINE, HEAP + """int main(void) { register uint8_t *p __asm__("r3") = (uint8_t *)heap + 2;
        __asm__ volatile("ldrd r0, r1, [r3, #4]" : : "r"(p) : "r0", "r1"); return 0; }""", "unaligned access"),
    "unaligned multiple": (ALL, HEAP + """int main(void) { register uint8_t *p __asm__("r3") = (uint8_t *)heap + 1;
        __asm__ volatile("stmia r3!, {r0, r1}" : "+r"(p) : : "memory"); return 0; }""", "unaligned access"),
    "supervisor call": (ALL, "int main(void) { __asm__ volatile(\"svc #0\"); return 0; }", "supervisor call"),
    "semihosting of a file": (ALL, "int main(void) { return tl_host(1, 0); }", "semihosting call 0x1"),
    "wrong stack": (ALL, assembly("leak", "sub sp, #8", "bx lr") + "int main(void) { return 0; }", "returned with sp"),
}


@pytest.mark.parametrize(("name", "which"), [(n, w) for n, f in FINDINGS.items() for w in f[0].split()])
def test_violations_are_findings(name: str, which: str, tmp_path: Path) -> None:
    _, source, says = FINDINGS[name]
    m, _ = build(tmp_path, source, which, keep=("leak",) if "leak" in source else ())
    m.region = "step 3"
    with pytest.raises(Fault, match=says) as e:
        m.run() if "leak" not in source else m.call("leak")
    assert "step 3" in str(e.value)


def test_an_endless_loop_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cortexm, "BLOCKS", 1000)
    for fast in (True, False):
        m, elf = build(tmp_path, "int main(void) { for (;;) __asm__ volatile(\"\"); }")
        m = Machine(m.core, elf, m.memory, fast)
        with pytest.raises(Fault, match=r"no end after 1000 blocks.*by main|no end after 1000 blocks.*by fw_reset"):
            m.run()


# ---- host and firmware ----


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_static_data_console_marks_and_status(which: str, compiler: str, tmp_path: Path) -> None:
    source = """
    static volatile uint32_t start = 41, zero;
    int main(void) {
        tl_host_print("hello ");
        tl_host_mark(1);
        for (volatile int i = 0; i < 100; i++) { }
        tl_host_mark(2);
        uint32_t block[3] = {1, (uint32_t)(uintptr_t)"world", 5};
        tl_host(5, (uintptr_t)block);
        start++;
        return (int)(start + zero);
    }
    """
    m, _ = build(tmp_path, source, which, compiler=compiler)
    for _ in range(2):  # a second reset starts anew
        m.console.clear()
        assert m.run() == 42 and bytes(m.console) == b"hello world"
    assert [n for n, _ in m.marks] == [1, 2, 1, 2]
    loops = [(m.marks[i][1] - m.marks[i - 1][1]) for i in (1, 3)]
    assert loops[0].instructions == loops[1].instructions >= 400
    assert set(loops[0].by_function()) <= {"main"}


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_arguments_follow_the_procedure_call_standard(which: str, compiler: str, tmp_path: Path) -> None:
    source = """
    int32_t f(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int8_t *g, int32_t h);
    int32_t f(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int8_t *g, int32_t h)
    { return a + 3 * b + 5 * c + 7 * d + 11 * e + 13 * *g + 17 * h; }
    """
    m, _ = build(tmp_path, source, which, compiler=compiler, keep=("f",))
    at = m.memory.ram_origin + m.memory.ram - 1
    m.write(at, b"\xfe")
    assert m.call("f", 1, -2, 3, -4, 5, at, -6) == (1 - 6 + 15 - 28 + 55 - 26 - 102) & 0xFFFFFFFF
    with pytest.raises(ConfigError, match="did you mean 'main'"):
        m.call("mainn")


@pytest.mark.parametrize("which", EMULATED)
def test_compiler_helpers_compute_what_their_names_say(which: str, tmp_path: Path) -> None:
    keep = ("memcpy", "memmove", "memset", "__aeabi_memclr4", "lmul")
    source = "void lmul(int64_t *a, int64_t *to);\nvoid lmul(int64_t *a, int64_t *to) { *to = a[0] * a[1]; }"
    m, _ = build(tmp_path, source, which, keep=keep)
    ram = m.memory.ram_origin + 4096
    rng = np.random.default_rng(5)
    edges = [0, 1, -1, 2**31, -(2**31), 2**63 - 1, -(2**63), 0xFFFF, 0x10000, 2**32 - 1]
    pairs = [(a, b) for a in edges for b in edges] + rng.integers(-(2**63), 2**63, (100, 2)).tolist()
    counts = set()
    for a, b in pairs:
        m.write(ram, np.array([a, b], np.int64))
        before = m.profile()
        m.call("lmul", ram, ram + 16)
        counts.add((m.profile() - before).instructions)
        got = int.from_bytes(m.read(ram + 16, 8), "little")
        assert got == a * b % 2**64, (a, b)
    assert len(counts) == 1, "the time of a product must not depend on its factors"
    data = bytes(range(1, 40))
    for to, n in [(7, 20), (0, 39), (3, 0)]:
        m.write(ram, data + bytes(60))
        m.call("memmove", ram + to, ram, n)
        expected = bytearray(data + bytes(60))
        expected[to: to + n] = data[:n]
        assert m.read(ram, 99) == bytes(expected)
    m.call("memset", ram + 1, 0x5A, 9)
    m.call("memcpy", ram + 20, ram, 11)
    assert m.read(ram + 20, 11) == m.read(ram, 11) and m.read(ram + 1, 9) == b"Z" * 9
    m.call("__aeabi_memclr4", ram, 8)
    assert m.read(ram, 10) == bytes(8) + b"ZZ"


# ---- counts ----

LOOP = assembly("loop", "movs r0, #10", "1: subs r0, #1", "bne 1b", "bx lr")
IT = assembly("it", "movs r0, #10", "1: cmp r0, #3", "it eq", "addeq r1, r1, r2", "subs r0, #1", "bne 1b", "bx lr")
MEMORY_OPS = assembly("memops", "push {r4, r5, lr}", "mov r4, sp", "ldr r0, [r4]", "ldr r1, [r4, #4]", "str r0, [r4]",
                      "muls r0, r1, r0", "pop {r4, r5, pc}")


@pytest.mark.parametrize(("function", "source", "instructions", "m4", "m0plus"), [
    # 1 + 10 * (subs, bne) + bx; nine branches and the return taken, 2 more cycles each on the M4, 1 on the M0+
    ("loop", LOOP, 22, 22 + 2 * 10, 22 + 10),
    ("memops", MEMORY_OPS, 7, (1 + 3) + 1 + 2 + 1 + 1 + 1 + (1 + 3) + 2, (1 + 3) + 1 + 2 + 2 + 2 + 1 + (1 + 3) + 2),
    ("it", IT, 1 + 10 * 5 + 1, 52 + 2 * 10, None),  # a predicated instruction counts, executed or not
])
def test_counts_and_estimates_equal_those_by_hand(
        function: str, source: str, instructions: int, m4: int, m0plus: int | None, tmp_path: Path) -> None:
    for which, cycles in (("m4", m4), ("m0plus", m0plus)):
        if cycles is None:
            continue
        m, elf = build(tmp_path, source, which, keep=(function,))
        for fast in (True, False):
            m = Machine(m.core, elf, m.memory, fast)
            for _ in range(2):
                before = m.profile()
                m.call(function)
                p = m.profile() - before
                assert p.instructions == instructions and p.by_function() == {function: instructions}
                assert p.cycles(which) == cycles, which


def test_the_compiled_hook_is_the_python_one(level: int) -> None:
    op, args = next((op, a) for op in OPS.values() for a in op.cases(np.random.default_rng(3), 1) if a[0].size > 50)
    fast, slow = (Kernels("m4", fast=f) for f in (True, False))
    assert fast.machine.counts_compiled and not slow.machine.counts_compiled
    a, b = (k.call(op, op.prepare(args)).profile for k in (fast, slow))
    np.testing.assert_array_equal(a.executed, b.executed)
    np.testing.assert_array_equal(a.taken, b.taken)


QEMU = {"m0plus": "microbit", "m3": "mps2-an385", "m4": "mps2-an386", "m7": "mps2-an500"}


@pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="qemu-system-arm is not installed")
@pytest.mark.parametrize("which", sorted(QEMU))
def test_counts_equal_qemus(which: str, tmp_path: Path) -> None:
    source = """
    static volatile int32_t sink;
    int main(void) {
        int32_t x = 1;
        for (int32_t i = 0; i < 200; i++) {
            x = (int32_t)((uint32_t)x * 1103515245u + 12345u);
            if (x & 0x400) sink += x > 0 ? x : -x; /* some branch, some predicated instructions */
            sink = (int32_t)(((int64_t)x * i) >> 7);
        }
        return (int)((uint32_t)sink & 63);
    }
    """
    memory = Memory(16 << 10, 16 << 10, flash_origin=0)
    m, elf = build(tmp_path, source, which, memory)
    status = m.run()
    path, log = tmp_path / "firmware.elf", tmp_path / "log"
    path.write_bytes(elf.data)
    command = ["qemu-system-arm", "-M", QEMU[which], "-kernel", str(path), "-nographic", "-monitor", "none",
               "-serial", "none", "-semihosting-config", "enable=on,target=native", "-singlestep", "-d",
               "exec,nochain", "-D", str(log)]
    r = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert r.returncode == status
    executed = sum(line.startswith("Trace") for line in log.read_text().splitlines())  # one line an instruction
    assert m.profile().instructions == executed > 3000


# ---- the primitives ----

def mbqm(x: int, mult: int, right: int) -> int:
    """TensorFlow Lite Micro's two roundings: ties up, and then away from zero."""
    p = x * mult + 2**30 >> 31
    return (1 if p > 0 else -1) * (2 * abs(p) + 2**right >> right + 1)


PRIMITIVES: dict[str, tuple[str, Callable[[int, int, int], int]]] = {  # by Python's integers; operands a, b, c
    "less": ("tl_less(a, b)", lambda a, b, c: -(a < b)),
    "is_zero": ("tl_is_zero(a)", lambda a, b, c: -(a == 0)),
    "select": ("tl_select(-(c & 1), a, b)", lambda a, b, c: a if c & 1 else b),
    "min": ("tl_min(a, b)", lambda a, b, c: min(a, b)),
    "max": ("tl_max(a, b)", lambda a, b, c: max(a, b)),
    "sat8": ("tl_sat8(a)", lambda a, b, c: max(-128, min(a, 127))),
    "sat16": ("tl_sat16(a)", lambda a, b, c: max(-(2**15), min(a, 2**15 - 1))),
    "mul64 high": ("(int32_t)(tl_mul64(a, b) >> 32)", lambda a, b, c: a * b >> 32),
    "mul64 low": ("(int32_t)tl_mul64(a, b)", lambda a, b, c: a * b),
    "umul64 high": ("(int32_t)(tl_umul64((uint32_t)a, (uint32_t)b) >> 32)",
                    lambda a, b, c: a % 2**32 * (b % 2**32) >> 32),
    "umul64 low": ("(int32_t)tl_umul64((uint32_t)a, (uint32_t)b)", lambda a, b, c: a * b),
    "mul high": ("tl_mul_high(a, b)", lambda a, b, c: a * b >> 32),
    "mul by 16 bits": ("tl_mul_16(a, b >> 16)", lambda a, b, c: a * (b >> 16) >> 16),
    "half srdhm": ("tl_half_srdhm(a & ~1, b & INT32_MAX)", lambda a, b, c: (a & ~1) * (b & 2**31 - 1) + 2**31 >> 32),
    "sat8 of near": ("tl_sat_near8(a >> 1)", lambda a, b, c: max(-128, min(a >> 1, 127))),
    "mbqm": ("tl_mbqm(a, b & INT32_MAX, -c)", lambda a, b, c: mbqm(a, b & 2**31 - 1, c)),
    "srdhm": ("tl_srdhm(a, b)", lambda a, b, c: min(a * b + 2**30 >> 31, 2**31 - 1)),
    "rdbpot": ("tl_rdbpot(a, c)", lambda a, b, c: (1 if a > 0 else -1) * (2 * abs(a) + 2**c >> c + 1)),
}


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_primitives_are_exact_on_the_core(which: str, compiler: str, level: int, tmp_path: Path) -> None:
    """Powers of two, their neighbors and complements, crossed; and random operands.  The time is the same for all."""
    (tmp_path / "fixed.h").write_text((cortexm.kernel_folder() / "fixed.h").read_text())
    near = {s * 2**n + d for n in range(32) for s in (1, -1) for d in (-1, 0, 1)}
    edges = sorted(n for n in near if -(2**31) <= n < 2**31)
    rng = np.random.default_rng(9)
    crossed = np.array([(a, b) for a in edges for b in edges])
    crossed = crossed[:: 1 if level > 1 else 9]
    a, b = np.concatenate([crossed, rng.integers(-(2**31), 2**31, (1000, 2))]).T.astype(np.int32)
    c = rng.integers(0, 32, len(a)).astype(np.int32)
    source = '#include "fixed.h"\n' + "".join(
        f"void f{i}(const int32_t *x, int32_t *y, int32_t n);\nvoid f{i}(const int32_t *x, int32_t *y, int32_t n)\n"
        f"{{ for (; n; n--, x += 3) {{ int32_t a = x[0], b = x[1], c = x[2]; (void)b; (void)c; *y++ = {text}; }} }}\n"
        for i, (text, _) in enumerate(PRIMITIVES.values()))
    keep = tuple(f"f{i}" for i in range(len(PRIMITIVES)))
    m, _ = build(tmp_path, source, which, Memory(64 << 10, 512 << 10), compiler, keep)
    x, y = m.memory.ram_origin + 8192, m.memory.ram_origin + (256 << 10)
    for i, (name, (_, exact)) in enumerate(PRIMITIVES.items()):
        for at in range(0, len(a), 2000):
            part = np.stack([a, b, c], 1)[at : at + 2000]
            m.write(x, part)
            m.call(f"f{i}", x, y, len(part))
            got = np.frombuffer(m.read(y, 4 * len(part)), np.int32)
            want = np.array([(exact(*row) + 2**31) % 2**32 - 2**31 for row in part.tolist()], np.int32)
            wrong = np.flatnonzero(got != want)
            assert not len(wrong), f"{name}{tuple(part[wrong[0]])}: {got[wrong[0]]}, expected {want[wrong[0]]}"
        n = 200
        profiles = []
        for data in (np.zeros((n, 3)), np.full((n, 3), -(2**31)), rng.integers(-(2**31), 2**31, (n, 3))):
            data[:, 2] = 5  # a shift count is a constant of the model
            m.write(x, data.astype(np.int32))
            before = m.profile()
            m.call(f"f{i}", x, y, n)
            profiles.append(m.profile() - before)
        assert not [d for p in profiles[1:] for d in profiles[0].differences(p)], name


# ---- the kernels ----


def cases(op: Op, level: int, seed: int = 11) -> Iterator[Args]:
    """Cases of an op whose outputs are small enough for the level."""
    for args in op.cases(np.random.default_rng(seed), level):
        if level > 1 or sum(x.size for x in op.written(args)) <= ELEMENTS:
            yield args


def check(k: Kernels, op: Op, level: int, elements: int) -> int:
    """Compares with Numba until `elements` values of inputs, state and outputs are used (at level 1: or all cases);
    returns their number."""
    bound, seen = k.stack_bound(op), 0
    seeds = itertools.count(11) if level > 1 else (11,)
    for seed, number, args in ((s, n, a) for s in seeds for n, a in enumerate(cases(op, level, s))):
        expected, got = op.prepare(args), op.prepare(args)
        op.jit(*expected)
        call = k.call(op, got)
        for e, g in zip(op.written(expected), op.written(got), strict=True):
            where = f"{op.name} on {k.core}, {k.compiler} {k.optimize}, case {number} of seed {seed}"
            np.testing.assert_array_equal(g, e, where)
        seen += sum(a.size for p, a in zip(op.params, got, strict=True) if p.role in ("in", "out", "state"))
        assert 0 < call.stack <= bound, f"{op.name} on {k.core}: {call.stack} bytes of stack, static bound {bound}"
        if seen >= elements:
            break
    return seen


@pytest.mark.parametrize("which", CORES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_compiler_has_nothing_to_say(which: str, compiler: str) -> None:
    """Nor has it for the kernels of any core, whose paths differ."""
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-fsyntax-only"]
    files = sorted(map(str, cortexm.kernel_folder().glob("*.c")))
    command = [*Build(core(which), compiler, "-O3").command(), *warnings, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


# Compilers' own (Arm RTABI): copies and zeros, and a product of 64 bits.
CALLED = {"memcpy", "memset", *(f"__aeabi_mem{x}{n}" for x in ("cpy", "set", "clr") for n in ("", "4", "8"))}


@pytest.mark.parametrize("which", CORES)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("folder", ["c", "update"])
def test_nothing_is_called_but_what_compilers_call(which: str, compiler: str, folder: str) -> None:
    """Nothing at all by the kernels on most cores."""
    from elftools.elf.elffile import ELFFile

    kernels = cortexm.kernel_folder()
    for optimize in ("-O3", "-Os"):  # objects that other tests have or need, where the folders of headers are the same
        made = Build(core(which), compiler, optimize, include=tuple(dict.fromkeys((kernels, kernels.parent / folder))))
        called, defined = set(), set()
        for p in made.compile(sorted((kernels.parent / folder).glob("*.c"))):
            with p.open("rb") as f:
                symbols: Any = ELFFile(f).get_section_by_name(".symtab")
                for s in symbols.iter_symbols():
                    if s["st_info"]["bind"] != "STB_LOCAL" and s.name:
                        (called if s["st_shndx"] == "SHN_UNDEF" else defined).add(s.name)
        outside = {n for n in called - defined if folder == "c" or not n.startswith("tl_")}
        assert outside <= CALLED | ({"__aeabi_lmul"} if which == "m0plus" else set()), f"{optimize}: {outside}"


# What options add to every function; clang puts no canary into a naked one, and zig's has no calls at all.
ADDED = {"gcc": ("-fstack-protector-all", "-finstrument-functions", "-fprofile-arcs", "-pg", "-fsanitize-coverage=trace-pc"),
         "clang": ("-fstack-protector-all", "-finstrument-functions", "-fprofile-instr-generate")}


@pytest.mark.parametrize("which", ["m0plus", "m3", "m4"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_function_of_assembler_stays_it(which: str, compiler: str, tmp_path: Path) -> None:
    """Its bytes are the same whatever a project's options add to functions."""
    from elftools.elf.elffile import ELFFile

    texts = {p: p.read_text() for p in cortexm.kernel_folder().glob("*.c")}
    assert not [p for p, text in texts.items() if re.search(r"\bnaked\b", text)], "TL_NAKED says more than that"
    sources = sorted(p for p, text in texts.items() if re.search("TL_NAKED|TL_OUTPUTS", text))

    def text_of(source: Path, option: str) -> dict[str, bytes]:
        made = [*Build(core(which), compiler, "-O2").command(), *([option] if option else []), "-w", str(source)]
        expanded = subprocess.run([*made, "-E"], capture_output=True, text=True, check=True).stdout
        subprocess.run([*made, "-c", "-o", str(tmp_path / "a.o")], check=True, cwd=tmp_path)
        with (tmp_path / "a.o").open("rb") as f:
            sections = {s.name: s.data() for s in ELFFile(f).iter_sections()}
        names = re.findall(r"\bnaked\b[^;{}]*?\bvoid\s+(\w+)\(", expanded)
        return {n: sections[f".text.{n}"] for n in names}

    plain = {p: text_of(p, "") for p in sources}
    assert sum(map(len, plain.values())) == (11 if core(which).dsp else 3)
    for option in ADDED[compiler]:
        for source in sources:
            assert text_of(source, option) == plain[source], f"{source.name}, {option}"


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.parametrize("which", EMULATED)
def test_every_core_has_numbas_bits(which: str, op: Op, kernels: Callable[..., Kernels]) -> None:
    assert check(kernels(which, "clang", "-O3"), op, 1, 20000) > 0


@pytest.mark.parametrize("which", ["m0plus", "m3", "m4"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_rows_by_fours_and_what_is_left_of_them(which: str, compiler: str, kernels: Callable[..., Kernels]) -> None:
    """Products of one row with 1 to 7 others, of odd and even length; convolutions that begin and end in padding."""
    k, rng = kernels(which, compiler, "-O3"), np.random.default_rng(7)

    def bytes_of(size: int) -> np.ndarray:
        return rng.integers(-128, 128, size).astype(np.int8)

    rescale = [np.array([2**30 + 12345], np.int32), np.array([-6], np.int8)]
    mult, shift = [a[0].item() for a in rescale]
    for n, d in itertools.product(range(1, 8), (1, 5, 8)):
        bias, w, pairs = np.arange(n, dtype=np.int32), bytes_of(3 * n * d), np.zeros(d + 3, np.uint32)
        for name, args in (
                ("linear_s8", [np.zeros(2 * n, np.int8), bytes_of(2 * d), w[: n * d], bias, *rescale, 2, n, d, 3, 1, 0]),
                ("conv1d_s8", [np.zeros(12 * n, np.int8), bytes_of(2 * d), w, bias, *rescale, 12, n, d, 3, 2, 1, 5, -7, 3, 1,
                               0]),
                ("matmul_s8", [np.zeros(3 * n, np.int8), bytes_of(3 * d), w[: n * d], pairs, 3, n, d, -128, 5, 3, 1, n, mult,
                               shift])):
            op = OPS[name]
            want, got = op.prepare(args), op.prepare(args)
            op.jit(*want)
            k.call(op, got)
            np.testing.assert_array_equal(got[0], want[0], f"{name} of {n} rows of {d} on {which}, {compiler}")


def forged_w4(op: Op, rng: np.random.Generator, t: int, n: int, k: int) -> Args:
    """Arguments of a layer with weights of four bits that meet its spec, as no quantizer makes them: bytes of any weights
    (-8, and what lies behind an odd row), sums that leave 32 bits, any multipliers and shifts."""
    def words(size: int) -> np.ndarray:
        return rng.choice([-(2**31), 2**31 - 1, 0, int(rng.integers(-(2**31), 2**31))], size).astype(np.int32)

    def octets(size: int) -> np.ndarray:
        return rng.choice([-128, 127, -120, 8, int(rng.integers(-128, 128))], size).astype(np.int8)

    groups, eights, row, own = -(-n // 4), -(-k // 8), -(-k // 2), int(rng.integers(0, 2))
    y, x = np.zeros(t * n, np.int16 if op.name.endswith("16") else np.int8), octets(t * k)
    if "packed" in op.name:
        return [y, x, octets(groups * eights * 16), words(groups * (4 + 9 * own)), np.zeros(4 * eights, np.uint32), t,
                groups, eights, n, k, *(int(v) for v in words(2)), int(rng.integers(0, 21)), own]
    each, scales = int(rng.integers(0, 2)), (n - 1) * own + 1
    return [y, x, octets(n * row), words((n - 1) * each + 1), words(scales) & (2**31 - 1),
            rng.integers(-31, 32, scales).astype(np.int8), t, n, k, row, *([-128] if y.itemsize == 1 else []), each, own]


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_what_a_forged_image_may_hold_of_w4(which: str, compiler: str, kernels: Callable[..., Kernels]) -> None:
    """Bits and reads, with every length of the rows' last word, and the longest row."""
    k, rng = kernels(which, compiler, "-O3"), np.random.default_rng(23)
    for op in (o for name, o in OPS.items() if name.startswith("linear_w4")):
        for t, n, length in [*((2, int(rng.integers(1, 20)), length) for length in (*range(1, 18), *range(63, 82))),
                             (1, 1, 2**17)]:
            args = forged_w4(op, rng, t, n, length)
            want, got = op.prepare(args), op.prepare(args)
            op.jit(*want)
            k.call(op, got)
            np.testing.assert_array_equal(got[0], want[0], f"{op.name} of {n} rows of {length} on {which}, {compiler}")


@pytest.mark.level2
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("optimize", ["-O3", "-Os"])
def test_every_core_has_numbas_bits_deep(
        which: str, compiler: str, optimize: str, op: Op, kernels: Callable[..., Kernels]) -> None:
    check(kernels(which, compiler, optimize), op, 2, 10**6)


def spoil(op: Op, args: Args, rng: np.random.Generator, kind: int) -> Args:
    """`args` with other data in the same shapes: random, extreme, or all zero.  Constants stay."""
    out = op.prepare(args)
    for p, a in zip(op.params, out, strict=True):
        if p.role in ("in", "state"):
            i = np.iinfo(a.dtype)
            a[:] = (rng.integers(i.min, i.max + 1, a.size), rng.choice([i.min, i.max], a.size), np.zeros(a.size))[kind]
    return out


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("optimize", ["-O3", *(pytest.param(o, marks=pytest.mark.level2) for o in ("-O1", "-O2", "-Os"))])
def test_control_flow_never_depends_on_data(which: str, compiler: str, optimize: str, op: Op, level: int,
                                            kernels: Callable[..., Kernels]) -> None:
    k, rng = kernels(which, compiler, optimize), np.random.default_rng(17)
    for number, args in enumerate(itertools.islice(cases(op, 1), 12 if level == 1 else None)):
        profiles = [k.call(op, spoil(op, args, rng, kind)).profile for kind in range(3)]
        for other in profiles[1:]:
            differences = profiles[0].differences(other)
            assert not differences, f"{op.name} on {which}, {compiler} {optimize}, case {number}:\n" + "\n".join(differences)


def test_a_kernel_that_leaves_its_arrays_is_found(kernels: Callable[..., Kernels]) -> None:
    """Sizes that are one too large make every kernel read or write past an array: each must be found."""
    k = kernels("m4", "clang", "-O3")
    found = []
    for op in OPS.values():
        args = next(a for a in cases(op, 1) if a[0].size > 4)
        args = op.prepare(args)
        t = next(i for i, p in enumerate(op.params) if not p.is_array)
        args[t] += 8
        with pytest.raises(Fault, match=r"past the end of|outside an array") as e:
            k.call(op, args)
        assert e.value.finding.region == op.name
        found.append(str(e.value))
    assert any("past the end of y" in f for f in found) and any("past the end of x" in f for f in found)


def test_writes_to_constants_are_found(tmp_path: Path) -> None:
    op = next(iter(OPS.values()))
    declared = ", ".join(f"void *a{i}" if p.is_array else f"int32_t a{i}" for i, p in enumerate(op.params))
    constant = next(i for i, p in enumerate(op.params) if p.role in ("in", "weight"))
    (tmp_path / "bad.c").write_text(f"#include <stdint.h>\nvoid tl_{op.name}({declared});\n"
                                    f"void tl_{op.name}({declared}) {{ *(volatile int8_t *)a{constant} = 1; }}\n")
    k = Kernels("m3", sources=[tmp_path / "bad.c"])
    with pytest.raises(Fault, match=rf"write to read-only memory.*\({op.params[constant].name}\+0\), by tl_{op.name}"):
        k.call(op, op.prepare(next(op.cases(np.random.default_rng(0), 1))))


# ---- the static bound of the stack ----


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("through", ["pick", "choose"])
def test_stack_bound_follows_calls_through_pointers(which: str, compiler: str, through: str, tmp_path: Path) -> None:
    source = """
    static __attribute__((noinline)) int a(int x) { volatile int y[30]; y[x & 15] = x; return y[x & 15] + 1; }
    static __attribute__((noinline)) int b(int x) { volatile int y[700]; y[x & 511] = x; return y[x & 511] + 2; }
    static int (*const table[2])(int) = {a, b};
    int pick(int i);
    int pick(int i) { return table[i & 1](i) + 1; }
    int choose(int i);
    int choose(int i) { int (*volatile f)(int) = i & 1 ? b : a; return f(i) + 1; }
    int main(void) { return 0; }
    """
    m, elf = build(tmp_path, source, which, compiler=compiler, keep=(through,))
    bound, chain = elf.stack_bound(through)
    assert chain == [through, "b"]
    m.call(through, 1)
    assert 2800 < m.stack_used() <= bound < 2900
    m.paint_stack()
    m.call(through, 0)
    assert 120 <= m.stack_used() < 200


@pytest.mark.parametrize("which", EMULATED)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(("first", "second"), [(30, 700), (700, 30)])
def test_static_functions_of_one_name_are_two(which: str, compiler: str, first: int, second: int, tmp_path: Path) -> None:
    """Neither takes the other's place in the bound, and one that calls the other is no recursion."""
    source = """
    int deep(int x);
    int f(int x);
    static __attribute__((noinline)) int same(int x)
    { volatile int y[WORDS]; y[x & 15] = x; return deep(y[x & 15]) + y[x & 7]; }
    int f(int x) { return same(x) + 1; }
    """
    more = """
    int deep(int x);
    static __attribute__((noinline)) int same(int x) { volatile int y[WORDS]; y[x & 15] = x; return y[x & 15] + 2; }
    int deep(int x) { return same(x) + 1; }
    """
    m, elf = build(tmp_path, source.replace("WORDS", str(first)), which, compiler=compiler, keep=("f",),
                   more=more.replace("WORDS", str(second)))
    bound, chain = elf.stack_bound("f")
    assert chain == ["f", "same", "deep", "same"] and sorted(g.name for g in elf.reachable("f")) == sorted(chain)
    m.call("f", 1)
    assert 4 * (first + second) < m.stack_used() <= bound < 4 * (first + second) + 100
    alone = elf.stack_bound("deep")[0]
    assert 4 * second < alone < 4 * second + 50
    before = m.profile()
    m.call("f", 1)
    whole = m.profile() - before
    shares = [whole.only({g}).instructions for g in elf.reachable("f")]
    assert all(shares) and sum(shares) == whole.only(elf.reachable("f")).instructions
    assert sum(whole.by_function().values()) == whole.instructions, "none takes the other's count"
    with pytest.raises(ConfigError, match="did you mean 'deep'"):
        elf.stack_bound("depp")


def test_a_frame_of_unknown_size_has_no_bound(tmp_path: Path) -> None:
    source = "int f(int n); int f(int n) { volatile char x[n]; x[0] = 1; return x[n - 1]; }"
    for which in EMULATED:
        _, elf = build(tmp_path, source, which, keep=("f",))
        with pytest.raises(ModelError, match="f: the stack pointer is computed at run time"):
            elf.stack_bound("f")


@pytest.mark.parametrize(("text", "base"), [
    ("ldrne.w", "ldr"), ("bls", "b"), ("b", "b"), ("bl", "bl"), ("blt", "b"), ("ble", "b"), ("bics", "bics"),
    ("muls", "muls"), ("stmdb", "stmdb"), ("pople", "pop"), ("adds", "adds"), ("smlals", "smlals"), ("mls", "mls"),
    ("teq", "teq"), ("lsls.w", "lsls"), ("push.w", "push"), ("cbz", "cbz"), ("bxeq", "bx"), ("sbcs", "sbcs"),
    ("svc", "svc"), ("ldrsbhi", "ldrsb"), ("strdcs", "strd"),
])
def test_mnemonics_lose_their_condition_only(text: str, base: str) -> None:
    assert base_mnemonic(text) == base


def test_every_emulated_core_has_a_timing_table_with_a_source() -> None:
    assert set(TIMINGS) == set(EMULATED) <= set(CORES)
    assert all("TRM" in t.source for t in TIMINGS.values())
