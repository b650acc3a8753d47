"""The benchmarks' own arithmetic: what a MAC is, when a target is met, and that CMSIS-NN is called as it is declared."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import cmsis_nn
import firmware
import shapes

from tinyloc.errors import ConfigError
from tinyloc.model import Config, preset

FOLDER = Path(shapes.__file__).parent
CHECKOUT = os.environ.get("TINYLOC_CMSIS_NN")


@pytest.mark.parametrize(("d", "n", "k", "aps", "classes", "t"), [(8, 16, 4, 11, 11, 20), (16, 8, 3, 5, 7, 6)])
def test_macs_of_mamba(d: int, n: int, k: int, aps: int, classes: int, t: int) -> None:
    graph = shapes.tensors(Config("mamba", aps, classes, d, n=n, k=k), t, folded=False)
    e, r = 2 * d, -(-d // 16)
    block = d * 2 * e + e * k + e * (r + 2 * n) + r * e + 3 * e * n + e * d
    assert shapes.macs(graph) == t * (aps * d + block + d * classes)


def test_macs_of_attention() -> None:
    t, d, aps, classes = shapes.WINDOW, 16, shapes.APS, shapes.ROOMS
    graph = shapes.tensors(preset("mdcsa-h16l1", aps, classes), folded=False)
    row = aps * d + 2 * d * d  # encoder, query and key
    row += d * 4 * d + 4 * d * 4 * d + 4 * d * 2 * d  # gated residual network, its value and gate
    row += 3 * d * d + d * classes  # the last convolution, of three taps, and the head
    assert shapes.macs(graph) == t * row + 2 * (2 * t * t * d)
    folded = shapes.macs(shapes.tensors(preset("mdcsa-h16l1", aps, classes)))
    assert shapes.macs(graph) - folded == t * (4 * d * 4 * d + 4 * d * 2 * d - 4 * d * 2 * d)


@pytest.mark.parametrize(("reached", "target", "met", "word"), [
    (1.0, 1.0, True, "yes"), (1.01, 1.0, False, "NO"), (3, None, None, ""), (0, 0, True, "yes")])
def test_a_target_is_met_or_not(reached: float, target: float | None, met: bool | None, word: str) -> None:
    row = firmware.Row("what", reached, "unit", target)
    assert row.met is met
    assert ("yes" in firmware.line(row), "NO" in firmware.line(row)) == (word == "yes", word == "NO")


def test_the_harness_takes_the_arguments_that_it_is_given() -> None:
    text = re.sub(r"/\*.*?\*/", "", (FOLDER / "cmsis_nn.c").read_text(), flags=re.S)
    declared = {name: [a.split()[-1].lstrip("*") for a in args.split(",")]
                for name, args in re.findall(r"^void tl_(\w+)\(([^)]*)\);", text, flags=re.M)}
    assert declared == {name: [p.name for p in op.params] for name, op in cmsis_nn.THEIRS.items()}


@pytest.mark.parametrize("run", [firmware.main, cmsis_nn.main])
def test_a_folder_that_is_no_checkout(run: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        cmsis_nn.sources(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run(["--cmsis-nn", str(tmp_path)] if run is firmware.main else [str(tmp_path)])  # type: ignore[operator]
    assert stop.value.code == 2 and "Include/arm_nnfunctions.h" in capsys.readouterr().err


def test_single_layers_meet_their_targets_in_images_of_their_own() -> None:
    rows = list(firmware.Bench("clang", "-O3").kernels("m4", True))
    assert [r.what.split()[0] for r in rows] == ["linear", "linear", *firmware.ELEMENTWISE]
    assert all(np.isfinite(r.reached) and r.reached > 0 and r.target for r in rows)
    linear, halves = rows[:2]
    assert linear.met, f"{linear.what}: {linear.reached:.3f} {linear.unit}"
    assert not [firmware.line(r) for r in rows if r.met is False]
    assert linear.reached > 14 / 16  # the inner loop: 14 instructions for 16 products
    assert halves.reached > 31 / 32  # and 31 for 32 of four bits


def test_windows_meet_their_targets() -> None:
    rows = list(firmware.Bench("clang", "-O3").windows("m4", True))
    assert len(rows) == len(list(shapes.variants())) and sum(r.target is not None for r in rows) == len(firmware.WINDOWS)
    assert not [firmware.line(r) for r in rows if r.met is False]


def test_arenas() -> None:
    rows = {r.what: r for r in firmware.memories()}
    streamed = next(r for name, r in rows.items() if name.endswith("1 a run"))
    assert streamed.met and all(r.reached >= 100 for r in rows.values())


def test_four_bits_are_compared_as_rows_of_whole_bytes_with_one_scale() -> None:
    own = shapes.linear(2, 20, 16, "int4")
    one = shapes.one_scale(own)
    values = [cmsis_nn._Values(p, p.steps[0], {**p.data, "x": np.zeros(32, np.int8)}) for p in (own, one)]
    assert [v["mult_step"] for v in values] == [1, 0] and values[1]["mult"] == values[0]["mult"][:1]
    (name, args), = cmsis_nn._linear_w4(values[1]).calls
    assert cmsis_nn.THEIRS[name].prepare(args)[4:8] == [2, 20, 8, values[0]["y_zp"]]
    odd = shapes.one_scale(shapes.linear(2, 20, 15, "int4"))
    for refused in (values[0], cmsis_nn._Values(odd, odd.steps[0], {**odd.data, "x": np.zeros(30, np.int8)})):
        with pytest.raises(ConfigError, match="linear_w4_s8 20x1"):
            cmsis_nn._linear_w4(refused)


@pytest.mark.skipif(not CHECKOUT, reason="TINYLOC_CMSIS_NN names no checkout of CMSIS-NN")
def test_bits_of_cmsis_nn() -> None:
    rows = cmsis_nn.compare(Path(str(CHECKOUT)))
    assert {r.op for r in rows} <= set(cmsis_nn.PEERS) and len(rows) > 20
    assert not [f"{r.op} {r.shape}" for r in rows if not r.equal]
