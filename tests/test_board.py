"""Whole Programs as firmware on emulated cores: the host's signature, exact RAM, one instruction count for all data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from programs import random_program, streaming_program, windows

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")

from tinyloc.emulator import board, toolchain
from tinyloc.emulator.board import Board
from tinyloc.emulator.cortexm import Fault, Profile
from tinyloc.emulator.toolchain import EMULATED, BudgetError, Memory
from tinyloc.errors import ModelError
from tinyloc.program import Program
from tinyloc.run import Numba

COMPILERS = toolchain.compilers()
SEEDS = (3, 5)


def program(seed: int) -> Program:
    """The hand-made streaming Program (seed 0), or a random one."""
    return random_program(seed) if seed else streaming_program()


@pytest.mark.parametrize(("compiler", "which", "seed"), [
    (c, w, s) for c in COMPILERS for w in EMULATED for s in (0, *SEEDS) if c == "clang" or s == 0])
def test_signatures_are_numbas(compiler: str, which: str, seed: int) -> None:
    p = program(seed)
    b, x = Board(p, which, compiler=compiler), windows(p, 4)
    want_y, want = Numba(p).sign_windows(x)
    y, crcs = b.sign_windows(x)
    np.testing.assert_array_equal(crcs, want, f"program of seed {seed}")
    np.testing.assert_array_equal(y, want_y)
    np.testing.assert_array_equal(b.run_windows(x), want_y)
    assert 0 < b.sizes()[".stack"] <= b.stack_bound


@pytest.mark.level2
@pytest.mark.parametrize("seed", range(100, 140))
@pytest.mark.parametrize("which", EMULATED)
def test_signatures_are_numbas_deep(which: str, seed: int) -> None:
    p = random_program(seed)
    x = windows(p, 20)
    want = Numba(p).sign_windows(x)[1]
    np.testing.assert_array_equal(Board(p, which).sign_windows(x)[1], want, f"program of seed {seed}")


def test_state_survives_from_run_to_run() -> None:
    p = streaming_program()
    b, host = Board(p, "m33"), Numba(p)
    for x in windows(p, 5):
        np.testing.assert_array_equal(b.run(x), host.run(x))
        for name in (*p.state, p.output):
            np.testing.assert_array_equal(b.value(name), host.value(name), name)
    b.reset()
    assert all((b.value(n) == p.data[n]).all() for n in p.state)
    with pytest.raises(ModelError, match="only output and state"):
        b.value(p.input)


@pytest.mark.parametrize("which", EMULATED)
def test_instructions_are_the_same_for_all_data_and_add_up(which: str) -> None:
    p = streaming_program()
    b = Board(p, which, sign=False)
    first: list[Profile] = []
    for number, x in enumerate(windows(p, 6)):
        b.reset()
        steps, whole = b.profile(x)
        first = first or [*steps, whole]
        for i, (one, other) in enumerate(zip(first, [*steps, whole], strict=True)):
            assert not one.differences(other), f"step {i}, window {number}:\n" + "\n".join(one.differences(other))
    kernels = whole.only(set().union(*(b.elf.reachable(f"tl_step_{n}") for n in b.image.ops)))
    assert all(s.instructions > 0 for s in steps)
    assert kernels.instructions == sum(s.instructions for s in steps) < whole.instructions
    with pytest.raises(ModelError, match="without room for signatures"):
        b.sign(x)


@pytest.mark.parametrize("which", ["m0plus", "m4"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_it_runs_in_the_least_ram_and_in_no_byte_less(compiler: str, which: str) -> None:
    p = streaming_program()
    ample = Board(p, which, compiler=compiler, sign=False)
    s = ample.elf.sizes()
    flash = s[".text"] + s[".rodata"] + s[".data"]
    ram = s[".data"] + s[".bss"] + s[".noinit"] + ample.stack_bound
    ram += -(ram - ample.stack_bound) % 8  # at most: the stack's top is a multiple of 8
    while True:
        try:
            b = Board(p, which, Memory(flash, ram, 8), compiler, sign=False)
            ram -= 1
        except BudgetError as e:
            assert e.missing == 1 and ".noinit" in str(e) and ".stack" in str(e)
            break
    x = windows(p, 3)
    np.testing.assert_array_equal(b.run_windows(x), Numba(p).run_windows(x))
    with pytest.raises(BudgetError, match=r"flash: .* 1 more than"):
        Board(p, which, Memory(flash - 1, ram + 1, 8), compiler, sign=False)


def test_a_damaged_image_is_refused_by_the_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    made = board.sources

    def flipped(image: board.Image, arena_bytes: int) -> dict[str, str]:
        data = bytearray(image.data)
        data[-1] ^= 1
        return made(replace(image, data=bytes(data)), arena_bytes)

    monkeypatch.setattr(board, "sources", flipped)
    with pytest.raises(ModelError, match="refuses its image: the image is damaged"):
        Board(streaming_program(), "m4")
    monkeypatch.setattr(board, "sources", lambda image, arena_bytes: made(image, arena_bytes - 4))
    with pytest.raises(ModelError, match="the arena is too small"):
        Board(streaming_program(), "m4")


def test_a_finding_names_what_ran() -> None:
    """An arena that lies outside RAM, as if something had overwritten the runner's pointer to it."""
    p = streaming_program()
    b = Board(p, "m4", Memory(ram=4096, stack=8))
    b.machine.region = "window 7"
    outside = toolchain.RAM + (1 << 20)
    b.machine.write(b.elf.symbol("model") + 4, outside.to_bytes(4, "little"))  # tl_model.arena
    with pytest.raises(Fault, match=r"outside memory of .* in window 7"):
        b.run(windows(p, 1)[0])
