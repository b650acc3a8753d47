"""Budgets of a firmware repository: judged to the byte, by the command and by pytest, each failure with what to look at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from test_cli import COLUMNS, complaint, facts, tinyloc, walk

from tinyloc import export, image
from tinyloc.bench import can_count
from tinyloc.budget import JUDGES, KEYS, peak, read
from tinyloc.cli import main
from tinyloc.emulator.toolchain import compilers
from tinyloc.errors import ConfigError, ModelError
from tinyloc.program import Program
from tinyloc.verify import audit, beside, needs

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with walk.csv and the Programs m8, a Mamba, and d8, an MDCSA."""
    folder = tmp_path_factory.mktemp("budget")
    data = ("--data", walk(folder / "walk.csv", 500), *COLUMNS)
    for name, model in (("m", "mamba-h2l1"), ("d", "mdcsa-h2l1")):
        tinyloc("train", *data, "--model", model, "--epochs", "12", "--batch", "16", "--out", folder / name)
        tinyloc("quantize", folder / name, "--out", folder / f"{name}8.safetensors", "--calibration", "minmax")
    return folder


def toml(place: Path, name: str, **rows: Any) -> Path:
    """A budget with one model; None leaves a key out."""
    path = place / name

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k} = {text(v)}" for k, v in value.items()) + "}"
        return json.dumps(value)

    lines = [f"{k} = {text(v)}" for k, v in {"file": "m8.safetensors", **rows}.items() if v is not None]
    path.write_text("\n".join(["[[model]]", *lines]) + "\n")
    return path


def sizes(place: Path, name: str, alone: bool = False) -> dict[str, int]:
    program = Program.load(place / f"{name}8.safetensors")
    found = audit(program)
    return needs(found.best, None if alone else beside(program.retime(1) if found.streams else program))


@pytest.mark.parametrize("name", ["m", "d"])
@pytest.mark.parametrize("row", ["ram", "flash", "all_in_ram"])
def test_bytes_are_judged_to_the_byte(place: Path, name: str, row: str) -> None:
    need = sizes(place, name)[row]
    for limit, kept in ((need, True), (need - 1, False)):
        budget = toml(place, "b.toml", file=f"{name}8.safetensors", **{row: limit})
        (found,) = facts("check", budget, code=0 if kept else 1)["rows"]
        assert (found["row"], found["found"], found["limit"], found["kept"]) == (row, need, limit, kept)
    said = tinyloc("check", budget, code=1).stdout
    assert f"{need:,} B, 1 B more than the budget of {need - 1:,}" in said
    alone = sizes(place, name, alone=True)[row]
    (found,) = facts("check", toml(place, "b.toml", file=f"{name}8.safetensors", model_alone=True, **{row: alone}))["rows"]
    assert found["found"] == alone < need
    if row != "flash":
        program = Program.load(place / f"{name}8.safetensors")
        assert peak(program.retime(1) if program.can_stream else program) in said
    else:
        assert "the largest constants: " in said


def test_the_peak_is_where_it_is(place: Path) -> None:
    """What lives at the step named is as many bytes as the peak says, when it is the lower bound."""
    from tinyloc.emulator.plan import plan

    program = Program.load(place / "d8.safetensors")
    layout = plan(program)
    at = layout.peak_step()
    assert sum(x.size for x in layout.live_at(at)) == layout.lower_bound == layout.peak
    assert f"peak at {layout.peak:,} B in step {at} of {len(program.steps)} ({program.steps[at].op} ->" in peak(program)


def test_scores_and_signatures(place: Path, tmp_path: Path) -> None:
    f1 = facts("run", place / "m8.safetensors")["macro_f1"]
    crc = facts("export", place / "m8.safetensors", "--out", tmp_path / "c", "--windows", "0")["image_crc"]
    columns = {"time": "t", "room": "label", "rssi": ["ap*"], "window": 8, "hop": 4}
    for data in ({}, {"data": "walk.csv", "columns": columns}):
        good = facts("check", toml(place, "b.toml", macro_f1=f1, signature=crc.upper(), **data))
        assert good["kept"] and [r["found"] for r in good["rows"]] == [f1, crc]
    bad = facts("check", toml(place, "b.toml", macro_f1=f1 + 1e-9, signature="0" * 8), code=1)
    assert not bad["kept"] and [r["kept"] for r in bad["rows"]] == [False, False]
    assert "the least: " in bad["rows"][0]["text"]
    assert f"expected {'0' * 8}: the model is another one" in bad["rows"][1]["text"]


@pytest.mark.parametrize(("options", "how"), [
    ((), "(no weights packed, a sample a run)"), (("--core", "m4"), "(weights packed, a sample a run)"),
    (("--at-once",), "(no weights packed, a window of 8 samples a run)"),
    (("--core", "m4", "--at-once"), "(weights packed, a window of 8 samples a run)")])
def test_the_signature_of_any_export(place: Path, tmp_path: Path, options: tuple[str, ...], how: str) -> None:
    crc = facts("export", place / "m8.safetensors", "--out", tmp_path / "c", "--windows", "0", *options)["image_crc"]
    (row,) = facts("check", toml(place, "b.toml", signature=crc))["rows"]
    assert row["kept"] and row["found"] == crc and row["text"] == f"signature of the image: {crc} {how}"


def test_the_signature_where_one_export_is_too_large(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program.load(place / "m8.safetensors")

    def to_image(p: Program) -> bytes:
        if p.steps_of_time != 1:
            raise ModelError("the arena has more bytes than an image can address")
        return image.to_image(p)

    monkeypatch.setattr(export, "to_image", to_image)
    found = export.variant_of(program, export.image_crc(image.to_image(program.retime(1))))
    assert found and found[0].steps_of_time == 1 and found[1] is None and export.variant_of(program, 0) is None


@pytest.mark.skipif(not can_count(), reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
def test_instructions_and_measured_memory(place: Path) -> None:
    n = facts("bench", place / "m8.safetensors", "--core", "cortex-m0plus")["total"]["instructions"]
    for limit, kept in ((n, True), (n - 1, False)):
        budget = toml(place, "b.toml", instructions=limit, core="cortex-m0plus")
        (found,) = facts("check", budget, code=0 if kept else 1)["rows"]
        assert (found["found"], found["kept"]) == (n, kept)
    linked = facts("audit", place / "m8.safetensors", "--ram", "24K", "--flash", "64K", "--measured")["measured"]
    budget = toml(place, "b.toml", measured=True, ram=linked["ram"], flash=linked["flash"] - 1)
    found = facts("check", budget, code=1)["rows"]
    assert [(r["found"], r["kept"]) for r in found] == [(linked["ram"], True), (linked["flash"], False)]
    assert "stack" in found[0]["text"] and ".text" in found[1]["text"]
    bare = facts("audit", place / "m8.safetensors", "--ram", "64K", "--flash", "512K", "--measured", "--optimize", "-O0")
    assert bare["measured"]["stack"] <= bare["measured"]["stack_bound"], "also where tl_run's and the stream's run are calls"
    alone = toml(place, "b.toml", measured=True, model_alone=True, ram="24K")
    assert facts("check", alone)["rows"][0]["found"] < linked["ram"]


@pytest.mark.skipif(not can_count(), reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
@pytest.mark.parametrize("name", ["m8.safetensors", "d8.safetensors"])
@pytest.mark.parametrize("compiler", compilers())
def test_what_fits_is_what_is_linked(place: Path, name: str, compiler: str) -> None:
    """With tl_stream, where it is last heard from, its window, the input's constants and the names."""
    def linked(*more: Any, code: int = 0) -> Any:
        return facts("audit", place / name, "--measured", "--compiler", compiler, "--optimize", "-Os", *more, code=code)

    whole, alone = linked(), linked("--model-alone")
    stream = whole["beside"][whole["memory"]["best"]]
    assert whole["judged_with_stream"] and not alone["judged_with_stream"]
    # .bss has two words of the emulator's firmware for it: an event and an answer.
    more = {k: whole["measured"]["sections"][k] - alone["measured"]["sections"][k] for k in (".text", ".rodata", ".bss")}
    assert stream["ram"] + 16 <= more[".bss"] < stream["ram"] + 24 and more[".rodata"] >= stream["flash"] - 40
    assert more[".text"] > 500
    ram = whole["measured"]["ram"]
    assert linked("--ram", ram)["fits"] and linked("--ram", alone["measured"]["ram"], "--model-alone")["fits"]
    assert not linked("--ram", ram - 1, code=1)["fits"]


def test_a_microcontroller_is_a_budget(place: Path) -> None:
    found = facts("check", toml(place, "b.toml", mcu="nrf52810", ram="4K"))["rows"]
    assert [(r["row"], r["limit"]) for r in found] == [("ram", 4096), ("flash", 192 * 1024)]
    found = facts("check", toml(place, "b.toml", mcu="nrf52810", ram="4K", core="m4"))["rows"]
    assert [(r["row"], r["limit"]) for r in found] == [("ram", 4096), ("flash", 192 * 1024)], "it is that of the part"
    assert set(JUDGES) < set(KEYS)


@pytest.mark.parametrize(("rows", "words"), [
    ({"rum": "4K"}, "model 1: unknown key 'rum'; did you mean 'ram'"), ({"ram": 1.5}, "ram = 1.5; expected str or int"),
    ({"ram": "lots"}, "'lots' is no size"), ({}, "nothing is demanded; expected ram, flash"),
    ({"mcu": "nrf52382"}, "did you mean 'nrf52832'"),
    ({"mcu": "atmega328p"}, "there is no build for atmega328p: the C needs"),
    ({"mcu": "nrf52810", "ram": "1M"}, "more than nrf52810 has"),
    ({"mcu": "nrf52832", "core": "cortex-m0plus"}, "model 1: --core cortex-m0plus beside --mcu nrf52832, whose core is"),
    ({"mcu": "nrf52832", "core": "m5"}, "did you mean 'm"),
    ({"signature": "xyz"}, "expected eight hexadecimal digits"), ({"file": None, "ram": 1}, "no file"),
    ({"measured": 1, "ram": 1}, "measured = 1; expected bool"),
    ({"instructions": True}, "instructions = True; expected int"),
    ({"instructions": 0}, "model 1: instructions = 0; expected 1 or more"),
    ({"macro_f1": 1.1}, "model 1: macro_f1 = 1.1; expected 0 to 1"), ({"macro_f1": 80}, "macro_f1 = 80; expected 0 to 1"),
    ({"macro_f1": -0.1}, "macro_f1 = -0.1; expected")])
def test_bad_budgets_are_named(place: Path, rows: dict[str, Any], words: str) -> None:
    assert words in complaint("check", toml(place, "bad.toml", **rows))


def test_the_help_names_every_key() -> None:
    said = tinyloc("check", "--help").stdout
    assert [k for k in KEYS if not re.search(rf"\b{k}\b", said)] == []


def test_nan_is_no_score(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text('[[model]]\nfile = "m"\nmacro_f1 = nan\n')
    assert "macro_f1 = nan; expected 0 to 1" in complaint("check", tmp_path / "b.toml")


def test_bad_files(place: Path) -> None:
    for text, words in (("", "expected tables [[model]]"), ("[[model]]\nfile = 3 4", "no TOML"), ("x = 1", "found x")):
        (place / "bad.toml").write_text(text)
        assert words in complaint("check", place / "bad.toml")
    assert "expected a budget file" in complaint("check", place / "absent.toml")
    assert "no such file" in complaint("check", toml(place, "bad.toml", file="gone.safetensors", ram="4K"))
    with pytest.raises(ConfigError, match="expected tables"):
        (place / "bad.toml").write_text("model = 1")
        read(place / "bad.toml")


# ---- pytest ----

def test_the_plugin_is_installed_and_light() -> None:
    assert [e.value for e in entry_points(group="pytest11") if e.name == "tinyloc"] == ["tinyloc.pytest_plugin"]
    code = "import tinyloc.pytest_plugin, sys; print({'numba', 'numpy', 'cffi', 'click'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout == "set()\n"


@pytest.fixture
def firmware(pytester: pytest.Pytester, place: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A repository with a test of its own, and a budget of which one row is not kept; with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    need = sizes(place, "m")
    budget = toml(place, "firmware.toml", file=str(place / "m8.safetensors"), ram=need["ram"], flash=need["flash"] - 100)
    pytester.makefile(".toml", budget=budget.read_text())
    pytester.makepyfile(**{"tests/test_own": "def test_own(): pass"})
    pytester.makeini("[pytest]\ntestpaths = tests\ntinyloc_budget = budget.toml\naddopts = -p tinyloc.pytest_plugin")
    return pytester


def test_a_row_is_a_test(firmware: pytest.Pytester) -> None:
    result = firmware.runpytest_inprocess("-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*budget.toml::m8:ram PASSED*", "*budget.toml::m8:flash FAILED*",
                                 "*m8.safetensors: flash: * B, 100 B more than the budget of *; the largest constants: *"])
    assert "Traceback" not in result.stdout.str()


OWN, RAM, FLASH = "tests/test_own.py::test_own", "budget.toml::m8:ram", "budget.toml::m8:flash"


@pytest.mark.parametrize(("args", "chosen"), [
    ((), {OWN, RAM, FLASH}), (("tests",), {OWN, RAM, FLASH}), ((".",), {OWN, RAM, FLASH}), (("tests/test_own.py",), {OWN}),
    (("budget.toml",), {RAM, FLASH}), (("-k", "ram"), {RAM}), ((FLASH,), {FLASH}), (("--deselect", FLASH), {OWN, RAM}),
    (("--tinyloc-budget", "budget.toml", "tests/test_own.py"), {OWN, RAM, FLASH})])
def test_rows_are_chosen_as_tests_are(firmware: pytest.Pytester, args: tuple[str, ...], chosen: set[str]) -> None:
    result = firmware.runpytest_inprocess("--collect-only", "-q", *args)
    found = [line for line in result.outlines if "::" in line]
    assert set(found) == chosen and len(found) == len(chosen), "each once"


def test_what_cannot_be_judged_fails(firmware: pytest.Pytester) -> None:
    (firmware.path / "budget.toml").write_text('[[model]]\nfile = "gone"\nram = "4K"\n')
    result = firmware.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*gone: ram cannot be judged: *no such file*"])


@pytest.mark.parametrize(("text", "says"), [
    ('[[model]]\nfile = "gone"\nrum = "4K"\n', "*budget.toml, model 1: unknown key 'rum'; did you mean 'ram'*"),
    ("bad = [", "*budget.toml: no TOML (*"), (None, "*budget.toml: No such file or directory; expected a budget file")])
@pytest.mark.parametrize("tests", ["tests", "."])  # the budget lies elsewhere, or in what is collected
def test_a_budget_that_cannot_be_read_is_one_failure(firmware: pytest.Pytester, text: str | None, says: str,
                                                     tests: str) -> None:
    (firmware.path / "budget.toml").unlink()
    if text is not None:
        (firmware.path / "budget.toml").write_text(text)
    result = firmware.runpytest_inprocess(tests)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([says])
    assert "Traceback" not in result.stdout.str() and "FAILED budget.toml::budget" in result.stdout.str()


def test_the_readmes_budget_and_action() -> None:
    """The example is a budget, and the action's commands are of this command line."""
    text = (Path(__file__).resolve().parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(\[\[model\]\]\n.*?)```", text, re.S)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "budget.toml")
        path.write_text(example)
        (model,) = read(path)
    assert [r.name for r in model.rows] == ["ram", "flash", "instructions", "macro_f1", "signature"]
    (action,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    for command in re.findall(r"tinyloc (\w+)", action):
        assert command in main.commands  # type: ignore[attr-defined]
