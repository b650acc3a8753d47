"""benchmarks/exactness.py in small: it compares what it says, goes on where it was, and cannot pass with a wrong kernel."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import compilers
import exactness

from tinyloc.kernels import simd
from tinyloc.kernels.table import OPS

SMALL = ["--level", "1", "--core", "0", "--tflm", "0"]


def test_every_op_by_every_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.json"
    assert exactness.main([*SMALL, "--kernels", "20000", "--optimize=-O0", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    heads = ["C", *simd.levels()[1:], *(f"{c.name} -O0" for c in compilers.compilers())]
    assert all(h in said.splitlines()[0] for h in heads) and "0 mismatches" in said
    rows = json.loads(out.read_text())["rows"]
    assert [key.split(": ")[1] for key in rows] == list(OPS)
    assert all(list(r["elements"]) == heads and min(r["elements"].values()) * len(OPS) >= 20000 for r in rows.values())


def test_rows_of_few_elements_stop_and_the_others_make_up_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactness, "MOST", 6)
    part = exactness.Part("made", ["few", "many"], ["one"],
                          lambda name, _: (Counter(one=1 if name == "few" else 10), 1), 100)
    state = exactness.State(tmp_path / "x.json", exactness.identity(1))
    exactness.compared(part, state, print)
    assert [state.row(part, name)["elements"]["one"] for name in part.rows] == [6, 100]


@pytest.mark.parametrize(("part", "package"), [("core", "unicorn"), ("tflm", "tflite_micro")])
def test_the_other_judges(part: str, package: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(package)
    assert exactness.main([*SMALL, "--kernels", "0", f"--{part}", "1000", "--out", str(tmp_path / "x.json")]) == 0
    assert f"{part} " in (said := capsys.readouterr().out) and said.endswith("0 mismatches\n")


def made(seen: list[int], wrong: int = -1) -> exactness.Part:
    def once(name: str, number: int) -> tuple[Counter[str], int]:
        seen.append(number)
        assert number != wrong, "differs"
        return Counter(one=10), 1

    return exactness.Part("made", ["row"], ["one"], once, 35)


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    """The number at which bits differed is not taken for done, those before it are."""
    seen: list[int] = []
    for wrong in (2, -1, -1):
        state = exactness.State(tmp_path / "x.json", exactness.identity(1))
        if wrong < 0:
            exactness.compared(made(seen), state, print)
        else:
            with pytest.raises(AssertionError):
                exactness.compared(made(seen, wrong), state, print)
            state.save(True)
    assert seen == [0, 1, 2, 2, 3]


def test_a_wrong_kernel_is_found(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    op = OPS["attention_s8"]

    def off_by_one(*args: object) -> None:
        op.jit(*args)
        args[0][-1] ^= 1  # type: ignore[index]

    monkeypatch.setattr(compilers, "compilers", list)
    monkeypatch.setitem(op.__dict__, "c", off_by_one)
    assert exactness.main([*SMALL, "--kernels", "1", "--out", str(tmp_path / "x.json")]) == 1
    assert "MISMATCH: attention_s8, C against Numba: y differs in 1 of" in (said := capsys.readouterr().out)
    assert "case('attention_s8', level=1, seed=0, number=0)" in said


@pytest.mark.parametrize("text", ["", "[]", '{"rows": {}}', '{"rows": {}, "of": {}}'])
def test_results_of_something_else_are_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SystemExit) as stop:
        exactness.main(["--out", str(tmp_path / "x.json")])
    assert stop.value.code == 2 and "x.json: " in capsys.readouterr().err and (tmp_path / "x.json").read_text() == text
