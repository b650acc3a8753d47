"""QEMU, the second emulator: the first one's counts to the instruction, and a Cortex-M55 with the host's bits."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import random_program, streaming_program, windows

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")

from test_cortexm import TOUCH, cases, check, spoil

from tinyloc.emulator import qemu, toolchain
from tinyloc.emulator.board import Board
from tinyloc.emulator.cortexm import Fault, Kernels
from tinyloc.emulator.toolchain import CORES, EMULATED, FIRMWARE, BudgetError, Build, Memory, core
from tinyloc.errors import ConfigError
from tinyloc.kernels.op import Op
from tinyloc.kernels.table import OPS
from tinyloc.model import Model, preset
from tinyloc.pack import pack_for
from tinyloc.program import Program
from tinyloc.quantize import quantize
from tinyloc.run import Numba, Session
from tinyloc.verify import compare

needs_qemu = pytest.mark.skipif(not qemu.present(), reason=f"{qemu.EXECUTABLE} is not on the PATH; {qemu.INSTALL}")
COMPILERS = toolchain.compilers()


def model(name: str) -> Program:
    rng = np.random.default_rng(0)
    return quantize(Model.create(preset(name, 11, 11)), rng.random((40, 20, 11), np.float32), "minmax")


# ---- without QEMU ----


def test_a_missing_qemu_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"qemu-system-arm is not on the PATH; install.*apt install qemu-system-arm"):
        Session(streaming_program(), "cortex-m55")
    assert not qemu.present()


def test_an_unknown_emulator_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'qemu'"):
        Board(streaming_program(), "m4", emulator="qemuu")


def test_budgets_beyond_the_boards_memory_become_the_boards() -> None:
    m = qemu.placed(Memory(2 << 20, 100 << 10, names=("flash of X", "RAM of X")), core("m55"))
    assert (m.flash, m.ram, m.ram_origin + m.ram) == (508 << 10, 100 << 10, 0x3008_0000)
    assert m.names == ("flash of QEMU's mps3-an547", "RAM of X")
    assert qemu.placed(Memory(), core("m4")) == Memory()


# ---- the second judge ----


@needs_qemu
@pytest.mark.parametrize("name", ["mamba-h8l1", "mdcsa-h8l1"])
@pytest.mark.parametrize("which", EMULATED)
def test_a_models_counts_are_unicorns_at_every_instruction(which: str, name: str) -> None:
    """One image, linked for QEMU's board, on both emulators: the bits, and how often every instruction was executed."""
    if which == "m0plus" and name.startswith("mdcsa"):
        name = "mamba-h8l1-lean"
    p = pack_for(model(name), which)
    x = windows(p, 3)
    second = Board(p, which, emulator="qemu")
    first = Board(p, which, second.machine.memory, emulator="unicorn")
    assert first.elf.data == second.elf.data
    (y, crcs), (y2, crcs2) = first.sign_windows(x), second.sign_windows(x)
    np.testing.assert_array_equal(crcs2, crcs)
    np.testing.assert_array_equal(y2, y)
    assert first.sizes() == second.sizes()
    (steps, whole), (steps2, whole2) = first.profile(x[0]), second.profile(x[0])
    for step, (a, b) in enumerate(zip([*steps, whole], [*steps2, whole2], strict=True)):
        assert not a.differences(b), f"step {step}:\n" + "\n".join(a.differences(b))
        np.testing.assert_array_equal(a.taken, b.taken, f"step {step}")
    assert whole.instructions > 10_000


@needs_qemu
@pytest.mark.parametrize("which", EMULATED)
def test_each_kernels_counts_are_unicorns(which: str) -> None:
    if which == "m0plus":
        pytest.skip("the micro:bit has no RAM for arrays beside the firmware's")
    first, second = (Kernels(which, emulator=e) for e in qemu.EMULATORS)
    for op in OPS.values():
        args = op.prepare(next(itertools.islice(cases(op, 1), 2, None)))
        a, b = first.call(op, op.prepare(args)), second.call(op, op.prepare(args))
        assert a.instructions == b.instructions and a.stack == b.stack, op.name
        assert a.profile.by_function() == b.profile.by_function()


# ---- the Cortex-M55 ----


@needs_qemu
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_m55_has_numbas_bits(compiler: str, op: Op, kernels: Callable[..., Kernels]) -> None:
    assert check(kernels("m55", compiler, "-O3"), op, 1, 20_000) > 0


@needs_qemu
@pytest.mark.level2
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("optimize", ["-O3", "-Os"])
def test_the_m55_has_numbas_bits_deep(compiler: str, optimize: str, op: Op, kernels: Callable[..., Kernels]) -> None:
    check(kernels("m55", compiler, optimize), op, 2, 10**6)


@needs_qemu
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_m55s_control_flow_never_depends_on_data(compiler: str, op: Op, kernels: Callable[..., Kernels]) -> None:
    k, rng = kernels("m55", compiler, "-O3"), np.random.default_rng(17)
    for number, args in enumerate(itertools.islice(cases(op, 1), 12)):
        profiles = [k.call(op, spoil(op, args, rng, kind)).profile for kind in range(3)]
        for other in profiles[1:]:
            differences = profiles[0].differences(other)
            assert not differences, f"{op.name}, {compiler} -O3, case {number}:\n" + "\n".join(differences)


@needs_qemu
def test_padding_of_any_length_overflows_nothing_on_the_m55(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of padding alone, so far in front of the input that its distance in bytes has no 32 bits."""
    plain = Build.command
    monkeypatch.setattr(Build, "command", lambda b: [*plain(b), "-fsanitize=signed-integer-overflow,shift,bounds",
                                                     "-fsanitize-trap=all"])
    k, op = Kernels("m55", "clang", "-O1"), OPS["conv1d_s8"]
    for n in (3, 6):
        w, bias = np.arange(n * 9, dtype=np.int8), np.arange(n, dtype=np.int32)
        args = [np.zeros(2 * n, np.int8), np.arange(6, dtype=np.int8), w, bias, np.array([2**30 + 9], np.int32),
                np.array([-5], np.int8), 2, n, 3, 3, 2, 1, 2**30 - 1, 7, -3, 1, 0]
        want, got = op.prepare(args), op.prepare(args)
        op.jit(*want)
        k.call(op, got)
        np.testing.assert_array_equal(got[0], want[0])


@needs_qemu
@pytest.mark.parametrize("seed", [0, 3, 5])
def test_the_m55s_signatures_are_numbas(seed: int) -> None:
    p = random_program(seed) if seed else streaming_program()
    x = windows(p, 4)
    b = Board(p, "m55")
    want_y, want = Numba(p).sign_windows(x)
    y, crcs = b.sign_windows(x)
    np.testing.assert_array_equal(crcs, want, f"program of seed {seed}")
    np.testing.assert_array_equal(y, want_y)
    assert 0 < b.sizes()[".stack"] <= b.stack_bound


@needs_qemu
@pytest.mark.parametrize("name", ["mamba-h8l1", "mamba-h16l1-lean", "mdcsa-h16l1"])
def test_presets_are_numbas_on_the_m55(name: str) -> None:
    p = model(name)
    found = compare(p, windows(p, 24), ["numba", "cortex-m55"])
    assert found.equal and found.windows == {"cortex-m55": 24}, found.summary()


# ---- memory and faults on QEMU ----


@needs_qemu
def test_flash_and_ram_of_the_m55_end_where_the_budget_does(tmp_path: Path) -> None:
    """RAM's end is exact, where no memory follows; its beginning and the flash are bounded by regions of 32 bytes."""
    memory = qemu.placed(Memory(4096, 2048, 64), core("m55"))
    m, _ = on_qemu(tmp_path, TOUCH, memory, ("touch", "set"))
    low, high = memory.ram_origin, memory.ram_origin + memory.ram
    for address in (low, high - 1):
        m.call("set", address)
        assert m.call("touch", address) == 7
    last = memory.flash_origin + memory.flash - 1
    m.call("touch", last)
    cases = [(f, a, "access outside memory") for a in (low - 1, high, 0, 0x6000_0000) for f in ("touch", "set")]
    for function, address, says in [*cases, ("touch", last + 1, "outside memory"), ("set", last, "read-only memory")]:
        with pytest.raises(Fault, match=says) as e:
            m.call(function, address)
        assert e.value.finding.address == address and e.value.finding.code.startswith(function)
        assert m.call("touch", low) >= 0, "the machine goes on after a finding"


@needs_qemu
@pytest.mark.parametrize(("source", "says"), [
    ("int main(void) { __asm__ volatile(\"udf #3\"); return 0; }", "undefined instruction"),
    ("int main(void) { ((void (*)(void))0x60000001)(); return 0; }", "execution outside"),
    ("static uint16_t heap[8];\nint main(void) { heap[0] = 0x4770; ((void (*)(void))((uintptr_t)heap | 1))(); return 0; }",
     "execution outside flash"),
    ("int deep(int n);\n__attribute__((noinline)) int deep(int n)\n"
     "{ volatile int x[8]; x[n & 7] = n; return n ? deep(n - 1) + x[n & 7] : 0; } int main(void) { return deep(5000); }",
     "outside memory"),
    ("int main(void) { for (;;) __asm__ volatile(\"\"); }", "no end after"),
], ids=["undefined", "nowhere", "RAM", "stack", "endless"])
def test_what_a_board_would_not_survive_is_a_finding(source: str, says: str, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu.Qemu, "patience", 1.0)
    m, _ = on_qemu(tmp_path, source, qemu.placed(Memory(8192, 2048), core("m55")))
    m.region = "step 3"
    with pytest.raises(Fault, match=f"{says}.*step 3"):
        m.run()


@needs_qemu
def test_a_kernel_that_leaves_its_arrays_is_found_on_the_m55(kernels: Callable[..., Kernels]) -> None:
    """Writes are found at once, or in the bytes around an array; reads where a region of 32 bytes ends."""
    k = kernels("m55", "clang", "-O3")
    for op in OPS.values():
        args = op.prepare(next(a for a in cases(op, 1) if a[0].size > 4))
        args[next(i for i, p in enumerate(op.params) if not p.is_array)] += 64
        with pytest.raises(Fault, match=r"outside memory|read-only|outside an array") as e:
            k.call(op, args)
        assert e.value.finding.region == op.name


@needs_qemu
def test_the_m55_runs_in_the_least_ram_and_in_no_byte_less() -> None:
    p = streaming_program()
    ample = Board(p, "m55", sign=False)
    s = ample.elf.sizes()
    ram = s[".data"] + s[".bss"] + s[".noinit"] + ample.stack_bound + 8
    b = ample
    for _ in range(40):
        try:
            b = Board(p, "m55", Memory(s[".text"] + s[".rodata"] + s[".data"], ram, 8), sign=False)
            ram -= 1
        except BudgetError as e:
            assert 1 <= e.missing < 8 and ".noinit" in str(e) and ".stack" in str(e)  # with RAM its alignment moves
            break
    x = windows(p, 3)
    np.testing.assert_array_equal(b.run_windows(x), Numba(p).run_windows(x))
    assert b.machine.memory.ram == ram + 1 and b.sizes()[".stack"] <= b.stack_bound
    with pytest.raises(BudgetError, match=r"flash: .* 1 more than"):
        Board(p, "m55", Memory(s[".text"] + s[".rodata"] + s[".data"] - 1, ram + 1, 8), sign=False)


def on_qemu(folder: Path, source: str, memory: Memory, keep: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """A Cortex-M55 with the firmware `source`; see `test_cortexm.build`."""
    path = folder / "firmware.c"
    path.write_text('#include "semihost.h"\n#include <stdint.h>\n' + source)
    b = Build(core("m55"), "clang", "-O2", include=(FIRMWARE,))
    extra = [] if "main(" in source else [FIRMWARE / "no_main.c"]
    elf = toolchain.link(b, b.compile([path, FIRMWARE / "startup.c", FIRMWARE / "aeabi.c", *extra]), memory, keep)
    return qemu.machine(core("m55"), elf, memory), elf


def test_every_core_has_a_board() -> None:
    assert set(qemu.BOARDS) == set(CORES)
