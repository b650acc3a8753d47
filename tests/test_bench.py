"""Costs and sizes of Programs as firmware, through the library and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import updates
from click.testing import CliRunner

from tinyloc.cli import main
from tinyloc.emulator.mcu import find
from tinyloc.errors import ConfigError
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.quantize import quantize

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")

from tinyloc.bench import bench, core_of, measure, memory_of
from tinyloc.emulator.toolchain import BudgetError


def program(name: str, t: int = 20) -> Program:
    model = Model.create(preset(name, 11, 11))
    return quantize(model, np.random.default_rng(0).random((40, t, 11), np.float32), "minmax")


@pytest.fixture(scope="module")
def mamba(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path]:
    p = program("mamba-h8l1")
    path = tmp_path_factory.mktemp("bench") / "m8"
    p.save(path)
    return p, path


def facts(*args: Any, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*map(str, args), "--json"])
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_parts_add_up(mamba: tuple[Program, Path]) -> None:
    p = mamba[0].retime(1)
    found = bench(p, "m4", find("nrf52832"))
    by_op = found.by_op()
    assert sum(c.instructions for c in by_op.values()) == found.total.instructions
    assert sum(c.cycles for c in by_op.values()) == found.total.cycles
    assert [c.buffer for c in found.steps] == [s.args[0] for s in p.steps]
    assert all(c.instructions > 0 for c in by_op.values()), "the runner's own share is no less than nothing"
    assert found.total.seconds == pytest.approx(found.total.cycles / 64e6)
    assert found.total.joules is not None and found.energy


@pytest.mark.parametrize(("window", "said"), [(False, "at 2 samples a second the core is busy"),
                                              (True, "at 2 samples a second, the window run for each, the core is busy")])
def test_load_is_that_of_a_run_each_row(mamba: tuple[Program, Path], tmp_path: Path, window: bool, said: str) -> None:
    """As firmware runs it, however far apart the windows of training lay."""
    p = replace(mamba[0], info={**mamba[0].info, "rate_hz": 2.0, "hop": 10})
    p.save(tmp_path / "m")
    result = CliRunner().invoke(main, ["bench", str(tmp_path / "m"), "--mcu", "nrf52832", *(["--window"] if window else [])])
    seconds = bench(p if window else p.retime(1), "m4", find("nrf52832")).total.seconds
    assert seconds and f"{said} {200 * seconds:.3g} % of the time" in result.stdout, result.output


def test_instructions_are_the_same_for_every_input(mamba: tuple[Program, Path]) -> None:
    """Worst case = every case: zeros in `bench`, extremes and noise here."""
    from tinyloc.emulator.board import Board
    from tinyloc.pack import pack

    rng = np.random.default_rng(0)
    for name in ("mamba-h8l1", "mdcsa-h4l1"):
        p = pack(program(name, 8))
        board, shape = Board(p, "m4"), p.buffers[p.input].shape
        counts = set()
        for x in (np.zeros(shape), np.full(shape, -128), np.full(shape, 127), rng.integers(-128, 128, shape)):
            board.reset()
            counts.add(board.profile(x.astype(np.int8))[1].instructions)
        assert len(counts) == 1, f"{name}: {counts}"


@pytest.mark.parametrize("name, streamed, ram", [("mamba-h8l1", True, 1536), ("mdcsa-h16l1", False, 6144)])
def test_ram_of_the_linked_image(name: str, streamed: bool, ram: int) -> None:
    """Arena, variables and stack of the very image, run within exactly the bytes that it is said to take."""
    p = program(name)
    p = p.retime(1) if streamed else p
    x = np.random.default_rng(0).integers(-128, 128, (4, *p.buffers[p.input].shape)).astype(np.int8)
    m = measure(p, "m4", memory_of(None, None, None), x)
    assert m.stack <= m.stack_bound and m.ram <= ram
    assert measure(p, "m4", memory_of(None, m.ram, None), x).ram == m.ram
    with pytest.raises(BudgetError, match="more than the budget of"):
        measure(p, "m4", memory_of(None, m.ram - 1, None), x)


def test_bench_command(mamba: tuple[Program, Path]) -> None:
    _, path = mamba
    found = facts("bench", path, "--mcu", "nrf52832")
    assert found["core"] == "cortex-m4" and found["streamed"] and found["samples"] == 1
    window = facts("bench", path, "--core", "m4", "--window")
    assert window["samples"] == 20 and window["total"]["joules"] is None
    assert 12 * found["total"]["instructions"] < window["total"]["instructions"] < 20 * found["total"]["instructions"]
    text = CliRunner().invoke(main, ["bench", str(path), "--mcu", "nrf52832"]).stdout
    assert "instructions are counted; ~ is estimated" in text and f"{found['total']['instructions']:,}" in text
    assert "tl_stream_answer" not in text, "it does not say what its rows are"


def test_bench_says_what_a_late_answer_takes(tmp_path: Path) -> None:
    updates.program().save(tmp_path / "m")
    found, window = facts("bench", tmp_path / "m"), facts("bench", tmp_path / "m", "--window")
    assert (found["answer_rows"], window["answer_rows"]) == (5, 1)
    text = CliRunner().invoke(main, ["bench", str(tmp_path / "m")]).stdout
    assert f"up to 5 in one call, {5 * found['total']['instructions']:,} instructions" in text


def test_audit_measured(mamba: tuple[Program, Path]) -> None:
    _, path = mamba
    found = facts("audit", path, "--mcu", "nrf52810", "--measured")["measured"]
    assert found["fits"] and found["stack"] <= found["stack_bound"]
    static = sum(found["sections"].get(s, 0) for s in (".data", ".bss", ".noinit"))
    assert static + found["stack_bound"] <= found["ram"] < static + found["stack_bound"] + 12
    small = facts("audit", path, "--ram", "900", "--measured", "--core", "m0plus", code=1)["measured"]
    assert not small["fits"] and small["region"] == "RAM" and small["missing"] > 0


def test_verify_on_every_core(mamba: tuple[Program, Path]) -> None:
    from tinyloc.emulator.toolchain import EMULATED
    from tinyloc.verify import compare

    p, _ = mamba
    x = np.random.default_rng(0).integers(-128, 128, (3, 20, 11)).astype(np.int8)
    found = compare(p, x, ("numba", "c", *(f"cortex-{which}" for which in EMULATED)))
    assert found.equal, found.summary()


@pytest.mark.parametrize("args, words", [
    (("bench", "--core", "cortex-m55"), "no timing table for cortex-m55, by which instructions become cycles; expected "
     "cortex-m0plus, cortex-m3, cortex-m4, cortex-m7, cortex-m33 (its bits are "
     "compared by `tinyloc verify --backend cortex-m55`)"),
    (("bench", "--core", "m5"), "unknown core"), (("bench", "--mcu", "atmega328p"), "expected one that is emulated"),
    (("audit", "--mcu", "atmega328p", "--measured"), "needs an int of 32 bits, that of avr has 16"),
    (("bench", "--mcu", "nrf52810", "--core", "cortex-m0plus"),
     "--core cortex-m0plus beside --mcu nrf52810, whose core is cortex-m4; expected one of the two options"),
    (("audit", "--mcu", "nrf52810", "--core", "cortex-m0plus"), "--core cortex-m0plus beside --mcu nrf52810"),
    (("audit", "--mcu", "nrf52810", "--core", "m7", "--measured"), "--core m7 beside --mcu nrf52810"),
    (("audit", "--mcu", "atmega328p", "--core", "m4"), "--core m4 beside --mcu atmega328p, whose core is avr"),
    (("audit", "--mcu", "nrf52810", "--core", "m99"), "unknown core"),
    (("audit", "--ram", "32K", "--core", "m0plus"), "for which core --measured links"),
    (("bench", "--optimize", "-O9"), "-O9"),
    (("verify", "--data", "simulated"), "does not say how its input is made")])
def test_bad_input(mamba: tuple[Program, Path], args: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(main, [args[0], str(mamba[1]), *args[1:]])
    assert result.exit_code == 2 and words in result.stderr, result.output


@pytest.mark.parametrize(("command", "mcu", "core"), [("audit", "nrf52810", "M4"), ("bench", "rp2040", "cortex-m0+")])
def test_the_parts_own_core_may_be_named(mamba: tuple[Program, Path], command: str, mcu: str, core: str) -> None:
    args = [command, str(mamba[1]), "--mcu", mcu, "--json"]
    plain, named = (CliRunner().invoke(main, [*args, *more]) for more in ((), ("--core", core)))
    assert plain.exit_code == named.exit_code == 0 and plain.stdout == named.stdout


def test_cores_of_the_table() -> None:
    assert core_of(find("nrf52832")) == "m4" and core_of(find("rp2040")) == "m0plus"
    with pytest.raises(ConfigError, match="has the core riscv"):
        core_of(find("esp32-c3"))
