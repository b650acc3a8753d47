"""The report: its facts are those of the other commands, its page shows them to everyone and asks nobody for anything."""

from __future__ import annotations

import base64
import copy
import csv
import hashlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import chromium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import tinyloc

from tinyloc.bench import can_count
from tinyloc.cli import main
from tinyloc.cli.common import source_of
from tinyloc.convert.graph import GraphConfig, GraphModel
from tinyloc.data import Area, flat, load, macro_f1, simulate, tetam, ujiindoorloc
from tinyloc.emulator.mcu import MCUS
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.kernels.op import Node
from tinyloc.model import Model, preset
from tinyloc.program import Program
from tinyloc.report import document, facts, page, subject, views
from tinyloc.report.page import errors
from tinyloc.report.sections import SECTIONS
from tinyloc.report.subject import Target, name_of
from tinyloc.run import BACKENDS, Session
from tinyloc.train import Recipe, fit, with_info

html5lib = pytest.importorskip("html5lib", reason="the extra test is not installed: pip install 'tinyloc[test]'")
pytest.importorskip("jinja2", reason="the extra report is not installed: pip install 'tinyloc[report]'")
jsonschema = pytest.importorskip("jsonschema", reason="the extra report is not installed: pip install 'tinyloc[report]'")

HOSTILE = ("<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "{{ 7 * 7 }}", "</style><b>x</b>", "küche & 居間")
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "footer", "h1", "h2", "h3", "h4",
    "p", "div", "span", "a", "b", "strong", "br", "ul", "li", "dl", "dt", "dd", "pre", "code", "details", "summary",
    "figure", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "g", "path", "rect", "circle",
    "polyline", "text", "defs", "pattern"}  # fmt: skip
LIMIT = 2_000_000  # bytes of a page
mcu = pytest.mark.skipif(not can_count(), reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
browsers = pytest.mark.skipif(chromium.path() is None, reason="no Chromium on the PATH (Debian: apt install chromium), or "
                              "none with a POSIX pipe")


def said(*args: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tinyloc(*args, code=code).stdout)
    return found


def walk(path: Path) -> Path:
    """A recording of five rooms of hostile names in turn, 20 s each at 1 Hz, 5 access points of which one is near."""
    rng = np.random.default_rng(0)
    quoted = [f'"{name.replace(chr(34), 2 * chr(34))}"' for name in HOSTILE]
    lines = [",".join(["time", "room", *quoted])]
    for i in range(900):
        here = i // 20 % len(HOSTILE)
        level = rng.normal(-75, 4, len(HOSTILE))
        level[here] += 20
        lines.append(",".join([str(i), quoted[here], *(f"{v:.0f}" if rng.random() > 0.1 else "" for v in level)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


COLUMNS = ("--window", "6", "--hop", "3", *(f"--rssi={name}" for name in HOSTILE))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with walk.csv; m and d (.safetensors), trained on it, their Programs; facts.json and report.html of both."""
    folder = tmp_path_factory.mktemp("report")
    recording = walk(folder / "walk.csv")
    for name, model in (("m", "mamba-h4l1"), ("d", "mdcsa-h4l1")):
        tinyloc("train", "--data", recording, *COLUMNS, "--model", model, "--epochs", 6, "--batch", 16, "--out",
                folder / f"{name}.safetensors")
        tinyloc("quantize", folder / f"{name}.safetensors", "--out", folder / f"{name}.int8.safetensors")
    tinyloc("report", *programs(folder), "--mcu", "nrf52832", "--json", folder / "facts.json", "--out",
            folder / "report.html")
    return folder


def programs(folder: Path) -> tuple[Path, Path]:
    return folder / "m.int8.safetensors", folder / "d.int8.safetensors"


@pytest.fixture(scope="module")
def known(place: Path) -> dict[str, Any]:
    """The facts of both models."""
    return document.load(place / "facts.json")


@pytest.fixture(scope="module")
def simulated(known: dict[str, Any]) -> dict[str, Any]:
    """One model's facts, as if the data were simulated."""
    return {**known, "models": known["models"][:1], "front": None, "data": {**known["data"], "simulated": True}}


def tree(html: str) -> Element:
    """As a browser reads it; html5lib is strict about what it must not find."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    found: Element = parser.parse(html)
    return found


def text_of(e: Element) -> str:
    return " ".join("".join(e.itertext()).split())


# ---- facts ----

def test_schema_is_one_and_strict() -> None:
    """Each object of the schema says which keys it has, and needs all of them."""
    schema = document.schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    def objects(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "properties" in node and node.get("type") == "object":
                yield node
            for child in node.values():
                yield from objects(child)
        elif isinstance(node, list):
            for child in node:
                yield from objects(child)

    found = list(objects(schema))
    assert len(found) > 20
    for one in found:
        assert one["additionalProperties"] is False and set(one["required"]) == set(one["properties"]), one
    of_models = schema["properties"]["models"]["items"]["properties"]["sections"]["properties"]
    assert list(of_models) == [s.name for s in SECTIONS]
    blocks = {p.stem for p in (Path(page.__file__).parent / "templates" / "sections").glob("*.html")}
    assert blocks == set(of_models)


def test_facts_are_those_of_the_other_commands(place: Path, known: dict[str, Any], tmp_path: Path) -> None:
    text = text_of(tree((place / "report.html").read_text(encoding="utf-8")))
    for path, m in zip(programs(place), known["models"], strict=True):
        s = m["sections"]
        counted = said("audit", path, "--json")["memory"]
        assert {w["way"]: w["bytes"] for w in s["memory"]["ways"]} == {
            k: counted[k] for k in ("window", "stream") if counted[k]}
        assert s["memory"]["ways"][0]["way"] == counted["best"] == s["fit"]["way"]
        ran = said("run", path, "--json")
        assert {k: s["accuracy"]["int8"][k] for k in ("macro_f1", "accuracy", "f1")} == {
            k: ran[k] for k in ("macro_f1", "accuracy", "f1")}
        assert (s["accuracy"]["anew"] is not None) == (counted["stream"] is not None) == ran["stream"]
        if anew := s["accuracy"]["anew"]:
            at_once = said("run", path, "--at-once", "--json")
            assert all(anew[k] == at_once[k] for k in ("macro_f1", "accuracy", "f1")) and not at_once["stream"]
        assert s["accuracy"]["rows"] == ran["rows"] == sum(map(sum, s["accuracy"]["confusion"]))
        assert s["exactness"]["equal"] is said("verify", path, "--json")["equal"] is True
        assert s["accuracy"]["float"]["macro_f1"] == Model.load(place / f"{m['name']}.safetensors").info["test"]["macro_f1"]
        assert s["origin"]["files"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        image = s["origin"]["image"]
        exported = said("export", path, "--core", image["core"], "--windows", 0, "--out", tmp_path / "c", "--json")
        assert image == {"bytes": exported["image_bytes"], "crc32": exported["image_crc"], "core": "cortex-m4",
                         "way": "stream" if exported["stream"] else "window"}
        page_says = f"CRC-32 {image['crc32']}, as tinyloc export --core cortex-m4 prints it, "
        assert page_says + ("sample by sample" if exported["stream"] else "a window at once") in text


@mcu
def test_linked_facts_are_those_of_the_other_commands(place: Path, known: dict[str, Any]) -> None:
    path, s = programs(place)[0], known["models"][0]["sections"]
    measured = said("audit", path, "--mcu", "nrf52832", "--measured", "--json")
    part = s["fit"]["parts"][0]
    assert (part["mcu"], part["linked"], part["fits"]) == ("nrf52832", True, measured["fits"])
    assert part["needs"] == {k: measured["measured"][k] for k in ("ram", "flash")}
    assert part["spare"] == {k: measured["spare"][k] for k in ("ram", "flash")}
    counted = said("bench", path, "--mcu", "nrf52832", "--json")
    assert {k: s["instructions"][k] for k in ("total", "by_op", "steps", "timing")} == {
        k: counted[k] for k in ("total", "by_op", "steps", "timing")}
    for m in known["models"]:  # the Transformer's windows lay three rows apart in training: firmware runs one each row
        cost = m["sections"]["instructions"]
        assert cost["busy"] == pytest.approx(cost["total"]["seconds"] * cost["rate_hz"]), m["name"]
    emulated = [b for b in s["exactness"]["backends"] if b["backend"].startswith("cortex-") and b["equal"] is not None]
    assert len(emulated) >= 5 and all(b["equal"] and b["windows"] == facts.EMULATED for b in emulated)


def test_parts_are_judged_by_what_they_have(known: dict[str, Any]) -> None:
    for m in known["models"]:
        parts = m["sections"]["fit"]["parts"]
        assert [p["mcu"] for p in parts[1:]] == [
            r.name for r in sorted(MCUS.values(), key=lambda r: (r.ram_bytes, r.name))
            if r.name != "nrf52832" and not r.no_build]
        for p in parts:
            row = MCUS[p["mcu"]]
            assert (p["ram"], p["flash"]) == (row.ram_bytes, row.flash_bytes)
            assert p["spare"]["ram"] == p["ram"] - p["needs"]["ram"]
            assert p["fits"] == (p["spare"]["ram"] >= 0 and (p["spare"]["flash"] is None or p["spare"]["flash"] >= 0))
            assert p["linked"] == (can_count() and row.cortex_m)


def test_a_part_of_which_little_is_left_is_a_whole_one_too(place: Path) -> None:
    """What other firmware leaves is judged; which parts hold the model, and which is the smallest, is of whole ones."""
    cut = said("report", programs(place)[0], "--windows", 1, "--json", "-", "--mcu", "stm32l053", "--ram", "1K", "--flash",
               "2K", code=1)
    plain = said("report", programs(place)[0], "--windows", 1, "--json", "-", "--mcu", "stm32l053")
    fit, whole = (d["models"][0]["sections"]["fit"] for d in (cut, plain))
    assert fit["parts"] == whole["parts"] and whole["budget"] is None
    assert (fit["budget"]["ram"], fit["budget"]["flash"], fit["budget"]["fits"]) == (1024, 2048, False)
    assert fit["budget"]["needs"] == fit["parts"][0]["needs"] and fit["parts"][0]["ram"] == 8192
    (judged,), (of_whole,) = (views.verdict(d)["models"] for d in (cut, plain))
    assert not judged["fits"] and of_whole["fits"] and judged["part"] == fit["budget"]
    assert all(judged[k] == of_whole[k] for k in ("fitting", "parts", "smallest")) and judged["smallest"]["ram"] <= 8192
    shown = views.fit(fit, cut["models"][0], cut)
    assert [(p["mcu"], p["ram"], p["chosen"]) for p in shown["rows"][:2]] == [("stm32l053", 1024, True),
                                                                             ("stm32l053", 8192, False)]
    assert len(shown["rows"]) == sum(not r.no_build for r in MCUS.values()) + 1
    assert shown["fitting"] == sum(p["fits"] for p in fit["parts"])
    text = text_of(tree(page.render(cut)))
    assert "does not fit the stm32l053, 1,024 B of RAM, 2,048 B of flash" in text and "stm32l053, what is left of it" in text


def test_the_same_inputs_give_the_same_bytes(place: Path, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's entry does not depend on the others; the page does not on where it is made; a date is there when given."""
    again = said("report", programs(place)[0], "--mcu", "nrf52832", "--json", "-")
    assert again["models"] == known["models"][:1] and again["front"] is None
    html = (place / "report.html").read_text(encoding="utf-8")
    assert page.render(copy.deepcopy(known)) == html and known["created"] is None
    tinyloc("report", place / "facts.json", "--out", place / "again.html")
    assert (place / "again.html").read_bytes() == html.encode()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert document._created() == "2023-11-14T22:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH='soon': expected a whole number"):
        document._created()


def test_a_graph_is_a_float_model_too(place: Path, tmp_path: Path) -> None:
    """A converted graph beside a Program, or named with --float, is asked whether the Program was made of it."""
    dense = Node("linear", "logits", ("x",), {"weight": np.ones((2, 5), np.float32)}, {"wide": True})
    nodes = [Node("input", "x", ()), dense, Node("argmax", "label", ("logits",))]
    small = Path(shutil.copy(programs(place)[0], tmp_path / "net.int8.safetensors"))
    program, graph = Program.load(small), tmp_path / "net.safetensors"
    for info, found in ({"name": "another"}, None), ({"name": program.info["name"]}, str(graph)):
        GraphModel(GraphConfig(5, 2, 6), nodes, info).save(graph)
        assert subject.kind_of(graph) == subject.MODEL and subject._float_of(program, str(small), ()) == found
        assert subject._float_of(program, str(tmp_path / "elsewhere"), (str(graph),)) == found
    first = graph.read_bytes()
    GraphModel.load(graph).save(graph)
    assert graph.read_bytes() == first, "the same model is the same file"


def test_a_float_model_is_quantized_as_the_command_does(place: Path, known: dict[str, Any]) -> None:
    found = said("report", place / "m.safetensors", "--windows", 3, "--json", "-")["models"][0]
    origin = found["sections"]["origin"]
    assert origin["quantized_here"] and origin["image"] == known["models"][0]["sections"]["origin"]["image"]
    assert origin["commands"][0][:2] == ["tinyloc", "quantize"]
    assert found["sections"]["layers"] == known["models"][0]["sections"]["layers"]
    assert {b["windows"] for b in found["sections"]["exactness"]["backends"]} <= {0, 3}


@pytest.mark.parametrize(("power", "shown"), [(None, {"signal": "minmax"}), (2.5, {"signal": "powed", "power": 2.5})])
def test_settings_name_the_signal(known: dict[str, Any], place: Path, power: float | None, shown: dict[str, Any]) -> None:
    """What inputs are made of belongs to how the model came about; the rest of the scaler is too long for a table."""
    info = Program.load(programs(place)[0]).info
    scaler = {**info["scaler"], **({"power": power} if power else {})}
    found = facts.settings({**info, "scaler": scaler})
    assert found == {**known["models"][0]["sections"]["origin"]["settings"], **shown} and "scaler" not in found
    rows = views.origin({**known["models"][0]["sections"]["origin"], "settings": found}, {}, known)["rows"]
    assert {r["name"]: r["value"] for r in rows}["signal"] == shown["signal"]
    assert "signal" not in facts.settings({"name": "m"})


def test_weights_of_four_bits_are_told(place: Path, known: dict[str, Any], tmp_path: Path) -> None:
    """Wherever the page says int8 of the Program; a file or facts of an earlier version say nothing, and have none."""
    wide, small = tmp_path / "w.safetensors", tmp_path / "w.int4.safetensors"
    tinyloc("train", "--data", place / "walk.csv", *COLUMNS, "--model", "mamba-h16l1", "--epochs", 1, "--out", wide)
    tinyloc("quantize", wide, "--weights", "int4", "--out", small)
    count = len(Program.load(small).four_bits)
    words = f"int4 weights in {count} linear layers"
    found = said("report", small, "--windows", 1, "--json", "-")
    assert [f["path"] for f in found["models"][0]["sections"]["origin"]["files"]] == [str(small), str(wide)]
    settings = found["models"][0]["sections"]["origin"]["settings"]
    assert count > 1 and (settings["weights"], settings["four_bits"]) == ("int4", list(Program.load(small).four_bits))
    text = text_of(tree(page.render(found)))
    for place_of in (f"macro-F1, int8, {words}", f"int8 Program, {words}", f"Counted from the Program (int8, {words})",
                     f"The Program is int8, {words};", f"parameters; int8, {words}"):
        assert place_of in text, place_of
    both = {**found, "models": [*known["models"][:1], *found["models"]], "front": known["front"]}
    assert "scores: integers, test rows" in text_of(tree(page.render(both)))
    first, second, *_ = (text_of(r) for r in tree(page.render(both)).iter("tr") if r[0].tag == "td")
    assert first.startswith("1m fits") and second.startswith(f"2wint8, {words} fits")
    older = copy.deepcopy(known["models"][0])
    del older["sections"]["origin"]["settings"]["weights"]
    text = text_of(tree(page.render({**known, "models": [older], "front": None})))
    assert "int4" not in text and "int8 Program" in text and facts.settings({"name": "m"}) == {"weights": "int8"}
    assert words in tinyloc("audit", small).stdout and "int4" not in tinyloc("audit", programs(place)[0]).stdout
    assert said("audit", small, "--json")["four_bits"] == settings["four_bits"]


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0.00"), (0.288, "0.29"), (9.994, "9.99"), (9.996, "10.0"), (10.42, "10.4"), (99.96, "100"), (768.4, "768"),
    (999.6, "1,000"), (16161.71, "16,200"), (161728.0, "162,000"), (-3.14159, "\N{MINUS SIGN}3.14")])
def test_errors_have_three_digits(value: float, text: str) -> None:
    assert errors(value) == text and len(errors(value)) <= 7


def test_commands_of_the_page_run(place: Path, known: dict[str, Any]) -> None:
    """What is said to repeat the figures does: those that need no emulator here, the others in `test_linked_facts_…`."""
    for command in known["models"][0]["sections"]["origin"]["commands"]:
        if command[1] in ("audit", "run") and "--measured" not in command:
            tinyloc(*command[1:])
        assert command[0] == "tinyloc" and command[1] in main.commands
    made = known["command"].split()
    assert made[:2] == ["tinyloc", "report"] and "--mcu" in made and "--out" in made


@pytest.mark.parametrize(("options", "words"), [
    (("--mcu", "nrf52810"), ()), (("--mcu", "nrf52810", "--ram", "24K"), ()),
    (("--mcu", "nrf52810", "--ram", "8K", "--flash", "40K"), ("--ram", "8K", "--flash", "40K")),
    (("--mcu", "nrf52810", "--flash", "150000"), ("--flash", "150000")), (("--ram", "1.5K"), ("--ram", "1536")),
    (("--flash", "64K"), ("--flash", "64K")), ((), ())], ids=lambda v: " ".join(v) or "none")
def test_commands_judge_by_the_same_budget(place: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...],
                                           words: tuple[str, ...]) -> None:
    """What is not all of a part, or without a part at all: audit judges by what the page did."""
    monkeypatch.setattr("tinyloc.bench.can_count", lambda: False)
    found = said("report", programs(place)[0], "--windows", 1, "--json", "-", *options)
    (audit,) = [c for c in found["models"][0]["sections"]["origin"]["commands"] if c[1] == "audit"]
    at = [i for i, w in enumerate(audit) if w in ("--ram", "--flash")]
    assert tuple(w for i in at for w in audit[i : i + 2]) == words
    asked = said("audit", *(w for w in audit[2:] if w not in ("--measured", "--core", "cortex-m4")), "--json")["budget"]
    assert {k: asked[k] for k in ("ram", "flash")} == {k: found["target"][k] for k in ("ram", "flash")}


def test_commands_of_other_data_repeat_the_figures(place: Path, tmp_path: Path) -> None:
    """A file whose columns have other names, a delimiter, another seed, an access point less: every option is in them."""
    other = tmp_path / "other.csv"
    with (place / "walk.csv").open(encoding="utf-8", newline="") as f, other.open("w", encoding="utf-8", newline="") as g:
        (_, _, *aps), *rows = csv.reader(f)
        csv.writer(g, delimiter=";").writerows(
            [["sec", "zimmer", *aps[:-1]], *([t, room, *(v or "100" for v in level[:-1])] for t, room, *level in rows)])
    columns = ("--time", "sec", "--room", "zimmer", "--delimiter", ";", "--not-heard", "100", "--window", "5",
               *(f"--rssi={name}" for name in HOSTILE[:-1]))
    made = said("report", programs(place)[0], "--data", other, *columns, "--seed", 3, "--missing", "silent", "--windows", 3,
                "--json", "-")["models"][0]["sections"]
    commands = {c[1]: c[2:] for c in made["origin"]["commands"]}
    found = said("run", *commands["run"], "--json")
    assert {k: found[k] for k in ("macro_f1", "accuracy", "rows")} == {
        **{k: made["accuracy"]["int8"][k] for k in ("macro_f1", "accuracy")}, "rows": made["accuracy"]["rows"]}
    verify = list(commands["verify"])
    verify[verify.index("--backend") + 1] = "numba,c"
    assert said("verify", *verify, "--windows", 3, "--json")["equal"]


def test_options_that_find_the_data() -> None:
    """Every option of `source_of` is a word of a command that leads there again."""
    given = {"csv_time": "t", "csv_room": "label", "csv_rssi": ("a*", "b"), "csv_motion": ("m",), "csv_session": "s",
             "csv_delimiter": ";", "csv_not_heard": -110.0, "csv_window": 5, "csv_hop": 2, "house": "B", "split": "random"}
    source = source_of("x", 0, given)
    words = subject.data_words(source)
    assert set(words[::2]) == {"--data", *(f"--{k.removeprefix('csv_').replace('_', '-')}" for k in given)}
    context = main.commands["run"].make_context("run", ["model", *words])
    assert source_of(context.params["data_name"], 0, context.params) == source


def bootstrap(true: np.ndarray, predicted: np.ndarray, unit: np.ndarray, classes: int, draws: int) -> np.ndarray:
    """macro-F1 of each draw the long way: its rows one by one, those of predictions in rooms that it lost left out."""
    rows = {u: np.flatnonzero((unit == u) & (true >= 0)) for u in np.unique(unit[true >= 0])}
    drawn = np.random.default_rng(0).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), draws)
    scores = []
    for counts in drawn:
        at = np.concatenate([np.tile(r, n) for r, n in zip(rows.values(), counts, strict=True)]).astype(int)
        t, p = true[at], predicted[at]
        each = []
        for c in range(classes):
            hit, all_of_it = int(((t == c) & (p == c)).sum()), int((t == c).sum() + (p == c).sum())
            if all_of_it and ((t == c).any() or not (true == c).any()):
                each.append(2 * hit / all_of_it)
        scores.append(np.mean(each))
    return np.array(scores)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.data())
def test_interval_is_the_bootstrap_of_the_same_draws(data: st.DataObject) -> None:
    n, classes = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    true = rng.integers(-1, classes, n)
    true[0] = 0
    predicted = np.where(rng.random(n) < 0.6, np.maximum(true, 0), rng.integers(0, classes, n))
    unit = np.sort(rng.integers(0, max(1, n // 3), n))
    found = facts.interval(true, predicted, unit, classes, 50)
    expected = np.percentile(bootstrap(true, predicted, unit, classes, 50), [2.5, 97.5])
    np.testing.assert_allclose(found["macro_f1"], expected, rtol=0, atol=1e-12)
    assert 0 <= found["accuracy"][0] <= found["accuracy"][1] <= 1


def test_interval_of_what_is_always_right_is_a_point() -> None:
    y = np.arange(60) // 10
    assert facts.interval(y, y, np.arange(60) // 5, 6) == {"macro_f1": [1.0, 1.0], "accuracy": [1.0, 1.0]}
    wrong = np.where(np.arange(60) % 10 == 0, (y + 1) % 6, y)
    low, high = facts.interval(y, wrong, np.arange(60) // 5, 6)["macro_f1"]
    assert low < macro_f1(y, wrong, 6) < high < 1


def test_layers_compare_the_float_model_with_the_codes(place: Path, known: dict[str, Any]) -> None:
    """One tensor the long way, by the Numba backend; input codes are rounded, no more."""
    program, model = Program.load(programs(place)[0]), Model.load(place / "m.safetensors")
    s = known["models"][0]["sections"]["layers"]
    rows = {t["buffer"]: t for t in s["tensors"]}
    assert rows["x"]["max"] <= 0.5 + 1e-9 and rows["x"]["clipped"] == 0
    for t in rows.values():
        assert sum(t["histogram"]) == t["values"] and len(t["histogram"]) == len(s["edges"]) + 1
        assert t["rms"] <= t["max"] + 1e-12 and abs(t["bias"]) <= t["rms"] + 1e-12
    from tinyloc.train import last_rows

    info = program.info
    w = last_rows(info, load(info["source"]["data"], columns=info["source"]["columns"]).test)
    at = np.unique(np.linspace(0, len(w) - 1, min(facts.PLOTTED, len(w))).round().astype(int))
    assert s["windows"] == len(at)
    session, errors = Session(program, "numba"), {"x": [], "encoded": [], "logits": []}
    for window in w.x[at]:
        session.reset()
        session.run(program.buffers[program.input].quantize(window))
        real = {"x": window, "encoded": window @ model.params["encoder.weight"].T + model.params["encoder.bias"],
                "logits": model.forward(window[None].astype(np.float32))[0][0]}
        for name, exact in real.items():
            b = program.buffers[name]
            errors[name].append(session.value(name) - (exact / b.scale + b.zero_point))
    for name, each in errors.items():
        found = np.abs(each)
        assert rows[name]["rms"] == pytest.approx(float(np.sqrt(np.mean(found**2))), rel=1e-3), name
        assert rows[name]["max"] == pytest.approx(float(found.max()), rel=1e-3), name
        assert rows[name]["histogram"][len(s["edges"]) // 2] == pytest.approx((found < 0.5).sum(), abs=2), name


@pytest.mark.parametrize("name", ["m", "d"])
def test_share_of_equal_rooms_is_of_rooms_alone(place: Path, known: dict[str, Any], name: str) -> None:
    """The confidences beside the integer Program's labels are compared with nothing."""
    from tinyloc.reference.crf import crf_viterbi
    from tinyloc.train import last_rows

    program, model = Program.load(place / f"{name}.int8.safetensors"), Model.load(place / f"{name}.safetensors")
    assert program.buffers[program.output].shape[1:] == (2,)
    source = program.info["source"]
    w = last_rows(program.info, load(source["data"], columns=source["columns"]).test)
    x = w.x[np.unique(np.linspace(0, len(w) - 1, min(facts.PLOTTED, len(w))).round().astype(int))]
    y = Session(program, "numba").run_windows(program.buffers[program.input].quantize(x))
    emissions, crf = model.forward(x)[0], [model.params[f"crf.{k}"] for k in ("transitions", "start", "end")]
    # A step's label is the end of the best path up to it.
    floats = np.stack([crf_viterbi(emissions[:, :k], *crf)[0][:, -1] for k in range(1, y.shape[1] + 1)], 1)
    s = next(m for m in known["models"] if m["name"] == name)["sections"]["layers"]
    assert s["labels_equal"] == pytest.approx((y[..., 0] == floats).mean(), abs=0.002) and s["labels_equal"] > 0.9


def test_a_difference_is_said_loudly(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        """The C backend, but for a bit of its last signature."""

        def __init__(self, program: Program) -> None:
            self.real = c(program)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def sign_windows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            y, crcs = self.real.sign_windows(x)
            crcs[-1, -1] ^= 1
            return y, crcs

    c = BACKENDS["c"]
    monkeypatch.setattr("tinyloc.bench.can_count", lambda: False)
    monkeypatch.setitem(BACKENDS, "c", Wrong)
    out = place / "wrong.html"
    result = tinyloc("report", programs(place)[0], "--windows", 4, "--out", out, code=1)
    assert "NOT BIT-EXACT" in result.stdout
    shown = text_of(tree(out.read_text(encoding="utf-8")))
    assert "Not bit-exact" in shown and "differs first in window 3" in shown and "buffer 'state'" in shown


def test_without_the_emulator_the_page_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyloc.bench.can_count", lambda: False)
    out = place / "bare.html"
    result = tinyloc("report", programs(place)[0], "--windows", 4, "--out", out, "--mcu", "nrf52810")
    assert "as far as counted" in result.stdout
    shown = text_of(tree(out.read_text(encoding="utf-8")))
    assert "Fits, as far as counted" in shown and "not counted" in shown
    assert shown.count("pip install 'tinyloc[mcu]'") >= 3, "instructions, needs and backends each say what is missing"


def test_without_its_extra_the_command_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    text = tinyloc("report", programs(place)[0], "--out", place / "never.html", code=2).stderr
    assert "pip install 'tinyloc[report]'" in text and text.count("\n") == 1 and not (place / "never.html").exists()


@pytest.mark.parametrize(("options", "code", "told"), [
    (("--ram", "200"), 1, "DOES NOT FIT 200 B of RAM"),
    (("--ram", "32K", "--flash", "1K"), 1, "DOES NOT FIT"),
    (("--mcu", "nrf52810", "--ram", "8K"), 0, "fits nrf52810, 8,192 B of RAM"),
    ((), 0, "fits "),
], ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")  # fmt: skip
def test_exit_code_is_the_verdict(place: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int,
                                  told: str) -> None:
    monkeypatch.setattr("tinyloc.bench.can_count", lambda: False)
    out = place / "verdict.html"
    assert told in tinyloc("report", programs(place)[0], "--windows", 1, "--out", out, *options, code=code).stdout
    headline = text_of(next(tree(out.read_text(encoding="utf-8")).iter("h1")))
    assert ("does not fit" in headline) == bool(code) and ("fits" in headline) != bool(code)


def complaint(*args: object) -> str:
    text = tinyloc("report", *args, code=2).stderr
    assert text.startswith("tinyloc: ") and text.count("\n") == 1, text
    return text


def test_bad_input_is_named(place: Path, known: dict[str, Any], tmp_path: Path) -> None:
    m8 = programs(place)[0]
    Model.create(preset("mamba-h4l1", 5, 5)).save(tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "list.json").write_text('{"a": [1]}')
    (tmp_path / "cut.json").write_text(json.dumps(known)[:5000])
    (tmp_path / "nan.json").write_text('{"format": NaN}')
    (tmp_path / "next.json").write_text(json.dumps({**known, "version": 99}))
    (tmp_path / "odd.json").write_text(json.dumps({**known, "target": {**known["target"], "ram": "much"}}))
    house = load("simulated", minutes=4, test_minutes=1)
    source = {"data": "simulated", "seed": 0, "columns": {}}
    elsewhere = with_info(fit(house, "mamba-h2l1", Recipe(epochs=1)), source=source)
    elsewhere.save(tmp_path / "elsewhere.safetensors")
    for args, told in (
        (("nothing",), "nothing: no such file"),
        ((tmp_path / "text",), "expected a tinyloc-program file, a tinyloc-model file, or the JSON facts of a report"),
        ((tmp_path / "list.json",), "expected the JSON facts of a report (format 'tinyloc-report'), found format None"),
        ((tmp_path / "cut.json",), "cannot be read as the JSON facts of a report"),
        ((tmp_path / "nan.json",), "NaN is no number of JSON"),
        ((tmp_path / "next.json",), "tinyloc-report version 99; this tinyloc reads version 4"),
        ((tmp_path / "odd.json",), "$.target.ram: 'much' is not"),
        ((place / "facts.json", m8), "expected it alone, without other models"),
        ((place / "facts.json", "--mcu", "nrf52810"), "expected it alone, without --mcu"),
        ((m8, m8), "named twice"),
        ((m8, "--mcu", "nrf52833"), "unknown MCU"),
        ((m8, "--mcu", "nrf52810", "--core", "m0plus"), "--core m0plus beside --mcu nrf52810"),
        ((m8, "--core", "m99"), "unknown core"),
        ((m8, "--float", m8), "expected a float model"),
        ((m8, "--float", place / "d.safetensors"), "none of the Programs was made of it"),
        ((m8, tmp_path / "elsewhere.safetensors"), "its test rows (simulated) are not those of"),
        ((m8, "--out", m8), "is read; expected another file's name"),
        ((tmp_path / "other.safetensors",), "does not say which data it was trained on"),
    ):  # fmt: skip
        assert told in complaint(*args, *(() if "--out" in args else ("--out", tmp_path / "x.html"))), args
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(("file", "name"), [
    ("a/flat.int8.safetensors", "flat"), ("flat.int4.safetensors", "flat"), ("x.program", "x"), ("m8", "m8"),
    (".safetensors", ".safetensors"), ("v1.2.int8.program.safetensors", "v1.2")])  # fmt: skip
def test_name_of_a_file(file: str, name: str) -> None:
    assert name_of(file) == name


def test_target_without_a_part() -> None:
    assert Target.of(ram="32K").name == "32,768 B of RAM" and Target.of().name == ""
    assert Target.of(flash="1M").ram is None and Target.of(core="M4").core == "cortex-m4"
    assert Target.of("atmega328p").core == "avr"
    assert Target.of("nrf52810", core="cortex-m4") == Target.of("nrf52810"), "its own"
    for option in ("mcu", "ram", "flash", "core"):
        with pytest.raises(ConfigError, match="''"):
            Target.of(**{option: ""})


# ---- what is drawn ----

def all_ways(known: dict[str, Any]) -> list[dict[str, Any]]:
    return [w for m in known["models"] for w in views.memory(m["sections"]["memory"], m, known)["ways"]]


def test_bars_lie_as_the_plan_says(known: dict[str, Any]) -> None:
    """In the picture's units: bars that live at one step do not touch, all are below the peak, state is above it."""
    ways = all_ways(known)
    assert len(ways) == 3, "a Mamba both ways, an MDCSA at once"
    for w in ways:
        p = w["picture"]
        for i, a in enumerate(p["bars"]):
            assert p["left"] <= a["x"] and a["x"] + a["w"] <= p["right"] + 0.01
            assert p["peak"]["y"] - 0.01 <= a["y"] and a["y"] + a["h"] <= p["base"] + 0.01
            for b in p["bars"][:i]:
                apart = (a["x"] + a["w"] <= b["x"] + 0.01 or b["x"] + b["w"] <= a["x"] + 0.01
                         or a["y"] + a["h"] <= b["y"] + 0.01 or b["y"] + b["h"] <= a["y"] + 0.01)
                assert apart, (a["name"], b["name"])
        assert p["state"]["y"] + p["state"]["h"] == pytest.approx(p["peak"]["y"])
        assert max(s["live"] for s in w["steps"]) <= w["peak"] and w["steps"][w["peak_step"]]["live"] == max(
            s["live"] for s in w["steps"])
        assert sum(s["bytes"] for s in w["by_kind"]["segments"]) == w["bytes"]["total"]


def test_budget_lines_are_drawn_where_they_can_be(known: dict[str, Any]) -> None:
    m, target = known["models"][0], known["target"]
    arena = m["sections"]["memory"]["ways"][0]["arena"]
    for ram, near in ((arena - 4, True), (arena + 4, True), (int(arena * 1.5), True), (arena * 3, False)):
        p = views.memory(m["sections"]["memory"], m, {**known, "target": {**target, "ram": ram}})["ways"][0]["picture"]
        assert [line["bytes"] for line in p["lines"]] == [ram] * near and len(p["far"]) == (not near)
        top = p["state"]["y"]
        for line in p["lines"]:
            assert (line["y"] < top) == (ram > arena) and line["y"] >= 0
    without = views.memory(m["sections"]["memory"], m, {**known, "target": {**target, "ram": None}})["ways"][0]["picture"]
    assert [f["name"] for f in without["far"]] == ["32 KB", "64 KB"]


def test_front_of_several_models(known: dict[str, Any]) -> None:
    pictures = views.front(known)
    assert [f["cost"] for f in pictures] == ["ram", "flash", "all_in_ram"] + ["instructions"] * can_count()
    lines = views.verdict(known)["models"]
    for f in pictures:
        if f["cost"] in ("ram", "flash"):
            assert [m["value"] for m in f["marks"]] == [j["needs"][f["cost"]] for j in lines], "the verdict's own figures"
            assert ("linked firmware" in f["label"]) == can_count() == all(j["linked"] for j in lines)
        for mark in f["marks"]:
            others = [o for o in f["marks"] if o is not mark]
            beaten = any(o["x"] <= mark["x"] and o["y"] <= mark["y"] for o in others)
            assert mark["front"] != beaten and f["left"] <= mark["x"] <= f["width"] and f["top"] <= mark["y"] <= f["base"]
        assert len({m["mark"] for m in f["marks"]}) == len(f["marks"]), "told apart without color"


def test_how_bytes_were_had_is_told_once(known: dict[str, Any]) -> None:
    """Of each model what its own part of the verdict tells, whether firmware was linked for all, for some or for none."""
    whole, bare = "linked firmware, stack included", "counted, without code and stack"
    for linked, told in (((True, True), whole), ((False, False), bare), ((True, False), f"{whole}, or {bare}, where none")):
        d = copy.deepcopy(known)
        for m, one in zip(d["models"], linked, strict=True):
            m["sections"]["fit"]["needs"]["linked"] = one
        assert views.counting(d).startswith(told)
        text = text_of(tree(page.render(d)))
        assert f"RAM and flash: {told}" in text and f"macro-F1 over bytes of flash ({told}" in text


def test_labels_of_the_front_lie_on_nothing(known: dict[str, Any]) -> None:
    """Twenty points close together: labels within the picture, on no mark and on no other label; the front has its own."""
    rng = np.random.default_rng(0)
    points = [{"model": f"mamba-h{8 << i % 3}l{i}", "macro_f1": 0.7 + 0.02 * rng.random(),
               "ram": int(rng.integers(1000, 1100)), "flash": 9000 + i, "all_in_ram": 4000 + i, "instructions": None,
               "on_front": {"ram": i == 3}} for i in range(20)]
    for f in views.front({**known, "front": points}):
        boxes = []
        for m in f["marks"]:
            wide = views.GLYPH * len(m["label"])
            x = m["x"] + m["dx"] - (wide if m["end"] else 0)
            boxes += [(x, m["y"] + m["dy"] - 10, x + wide, m["y"] + m["dy"] + 3)] if m["label"] else []
            assert m["label"] in ("", m["model"], str(m["number"]))
        assert len(boxes) >= 5 and all(b[0] >= 0 and b[2] <= f["width"] for b in boxes)
        marks = [(m["x"] - 6, m["y"] - 6, m["x"] + 6, m["y"] + 6) for m in f["marks"]]
        for a, b in [*itertools.combinations(boxes, 2), *itertools.product(boxes, marks)]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        if f["cost"] == "ram":
            assert f["marks"][3]["label"]


@pytest.mark.parametrize(("value", "shown"), [
    (views.ticks(0), [0]), (views.ticks(1000), [0, 200, 400, 600, 800, 1000]), (views.ticks(0.9, 4), [0, 0.5]),
    (views.shade(0), 0), (views.shade(0.2), 1), (views.shade(1), 4), (views.shade(0.999), 4),
    (views.fitting("abcdefghij", 200), "abcdefghij"), (views.fitting("abcdefghij", 40), "abcd…"),
    (views.fitting("abcdefghij", 20), ""), (views._bins([-1.5, -0.5, 0.5, 1.5, 2.5, 4.5]), [
        "below -1", "-1", "0", "+1", "+2", "+3 to +4", "above +4"]),
    (page.whole(-1234), "−1,234"), (page.percent(0.0001), "< 0.1 %"), (page.percent(0), "0.0 %"),
    (page.percent(1), "100.0 %"), (page.si(0.000274, "s"), "274 µs"), (page.si(2.5, "s"), "2.5 s"), (page.si(0, "s"), "0 s"),
    (page.si(1e-12, "J"), "1.0e-12 J"),
    (page.kilobytes(24576), "24 KB"), (page.kilobytes(1 << 20), "1 MB"), (page.kilobytes(876 * 1024), "876 KB"),
    (page.kilobytes(1000), "1,000 B"), (page.short(20000), "20k"), (page.short(1e6), "1M"), (page.short(500), "500")])
def test_numbers_as_they_are_shown(value: Any, shown: Any) -> None:
    assert value == (pytest.approx(shown) if isinstance(shown, list) and not isinstance(shown[0], str) else shown)


# ---- the page ----

@pytest.fixture(scope="module", params=["two models", "one, simulated"])
def html(request: pytest.FixtureRequest, known: dict[str, Any], simulated: dict[str, Any]) -> str:
    return page.render(known if request.param == "two models" else simulated)


def test_verdict_comes_first(html: str) -> None:
    top = tree(html)
    first = text_of(next(top.iter("main")))[:400]
    assert re.search(r"\bfits? (the )?(nrf52832|\d+ of \d+)", first), first
    assert len(html.encode()) < LIMIT


def test_simulated_data_are_said_loudly(simulated: dict[str, Any], known: dict[str, Any]) -> None:
    loud, quiet = (tree(page.render(d)) for d in (simulated, known))
    box = next(e for e in next(loud.iter("main")) if isinstance(e.tag, str))
    assert "simulated" in box.get("class", "") and text_of(box).startswith("SIMULATED DATA")
    assert text_of(next(iter(loud.iter("header")))).count("SIMULATED") == 1
    assert "SIMULATED" not in text_of(quiet)


def test_a_precision_that_is_not_promised_is_told(simulated: dict[str, Any]) -> None:
    from tinyloc.stream import unpromised

    v = {"rows": 100, "independent": 5.2, "precision": 0.37}
    sure = {"threshold": 95, "precision": 0.95, "reached": False, "validation": v}
    told = unpromised({"confidence": sure})
    assert told.startswith("NOT the 95 % asked for") and "37.0 %" in told and "100 rows count as 5 " in told
    assert not unpromised({"confidence": {**sure, "reached": True}}) and not unpromised({})
    for said in (told, None):
        models = [{**m, "sections": {**m["sections"], "accuracy": {**m["sections"]["accuracy"], "unpromised": said}}}
                  for m in simulated["models"]]
        shown = text_of(tree(page.render({**simulated, "models": models})))
        assert shown.count(told) == (len(models) if said else 0)


def test_names_are_text_and_nothing_else(html: str) -> None:
    """Rooms and access points of the recording are HTML: none of it becomes an element, an attribute or a template."""
    top = tree(html)
    shown = text_of(top)
    for name in HOSTILE:
        assert name in shown, name
    used = {e.tag.rpartition("}")[2] for e in top.iter() if isinstance(e.tag, str)}
    assert used <= ELEMENTS, used - ELEMENTS
    assert not [b for b in top.iter("b") if text_of(b) != "tinyloc"]
    for e in top.iter():
        for key, value in e.attrib.items():
            assert not key.startswith("on") and key not in ("src", "style", "srcset", "action"), (e.tag, key)
            if key == "href":
                assert value.startswith("#"), value
            if key == "fill" and "url" in value:
                assert value.startswith("url(#"), value


def test_policy_forbids_all_but_the_own_style(html: str) -> None:
    top = tree(html)
    (policy,) = [m.get("content", "") for m in top.iter("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "http:" not in style and "https:" not in style and "@import" not in style and "url(" not in style


def test_page_can_be_read_by_all(html: str) -> None:
    top = tree(html)
    assert top.get("lang") == "en" and text_of(next(top.iter("title")))
    levels = [int(e.tag[1]) for e in top.iter() if isinstance(e.tag, str) and re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), "no level of heading is skipped"
    ids = [e.get("id") for e in top.iter() if e.get("id")]
    assert len(set(ids)) == len(ids)
    for e in top.iter():
        targets = (e.get("aria-labelledby") or "").split() + ([e.get("href", "")[1:]] if e.get("href") else [])
        fills = re.findall(r"url\(#(.*?)\)", e.get("fill") or "")
        assert set(targets + fills) <= set(ids), (e.tag, targets, fills)
    svg = "{http://www.w3.org/2000/svg}svg"
    pictures = [e for e in top.iter() if e.tag in ("svg", svg)]
    assert len(pictures) > 20
    for e in pictures:
        assert e.get("aria-hidden") == "true" or (e.get("role") == "img" and e.get("aria-label")), e.attrib
    for table in top.iter("table"):
        assert text_of(next(table.iter("caption")))
        assert all(th.get("scope") in ("row", "col") and text_of(th) for th in table.iter("th")), text_of(table)[:80]
    for d in top.iter("details"):
        assert d[0].tag == "summary" and text_of(d[0])
    for e in top.iter():
        if "scroll" in (e.get("class") or "").split():
            assert e.get("tabindex") == "0" and e.get("aria-label") and e.get("role") == "group", "scrolls by keyboard"
    skip = next(top.iter("a"))
    assert skip.get("href") == "#verdict" and skip.get("class") == "skip"


def test_section_that_is_missing_says_why(known: dict[str, Any]) -> None:
    d = copy.deepcopy(known)
    for name in ("instructions", "layers"):
        d["models"][0]["sections"][name] = {"missing": f"no {name} <here>"}
    shown = text_of(tree(page.render(d)))
    assert "no instructions <here>" in shown and "no layers <here>" in shown


def test_large_models_stay_readable(known: dict[str, Any]) -> None:
    """600 steps, 520 buffers and 80 rooms on 8 floors: a page of less than 2 MB, whose pictures scroll."""
    d = copy.deepcopy(known)
    d["models"], d["front"] = d["models"][:1], None
    s = d["models"][0]["sections"]
    for w in s["memory"]["ways"]:
        w["steps"] = [{"op": f"linear_s8_{i}", "buffer": f"b{i}", "live": 64} for i in range(600)]
        w["bars"] = [{"buffer": f"block{i}.out_proj", "also": [], "kind": "activation", "bytes": 32, "offset": 32 * (i % 2),
                      "first": i, "last": i + 1} for i in range(520)]
        w["peak_step"] = 0
    rooms = [f"room {i}" for i in range(80)]
    f1 = {r: i / 80 for i, r in enumerate(rooms)}
    for k in ("int8", "float"):
        s["accuracy"][k]["f1"] = f1
    s["accuracy"] |= {"rooms": rooms, "confusion": np.random.default_rng(0).integers(0, 9, (80, 80)).tolist(), "areas": {
        r: {"floor": f"floor {i // 10}", "x0": i % 10, "y0": 0, "x1": i % 10 + 1, "y1": 2} for i, r in enumerate(rooms)}}
    text = page.render(d)
    assert len(text.encode()) < LIMIT
    top = tree(text)
    assert any("long" in (e.get("class") or "").split() for e in top.iter("div"))
    plans = [e for e in top.iter() if e.get("role") == "img" and str(e.get("aria-label")).startswith("Floor plan of floor")]
    assert len(plans) == 8 and "room 79 0.99" in plans[-1].get("aria-label", "")


@pytest.mark.parametrize("name", [
    "simulated", "flat", "tetam", pytest.param("ujiindoorloc", marks=pytest.mark.level2)])
def test_rooms_lie_where_their_rows_were(name: str) -> None:
    """Areas of a floor do not overlap, and the loader's own rule puts the middle of each into its room."""
    if name != "simulated" and not os.environ.get("TINYLOC_DATA"):
        pytest.skip("TINYLOC_DATA is not set")
    d = load(name)
    assert set(d.areas) == set(d.rooms)
    for a, b in itertools.combinations(d.areas.values(), 2):
        apart = a.x1 <= b.x0 + 1e-9 or b.x1 <= a.x0 + 1e-9 or a.y1 <= b.y0 + 1e-9 or b.y1 <= a.y0 + 1e-9
        assert a.floor != b.floor or apart
    middle = {room: np.array([(a.x0 + a.x1) / 2, (a.y0 + a.y1) / 2]) for room, a in d.areas.items()}
    rule: dict[str, Callable[[np.ndarray], str]] = {
        "simulated": lambda at: d.rooms[simulate._room(at[None])[0]],
        "flat": lambda at: d.rooms[flat.room_of(*at)],
        "tetam": lambda at: "z{}{}".format(*divmod(int(tetam._cell(at[None])[0]), tetam.CELLS[1]))}
    for room, at in middle.items():
        if name in rule:
            assert rule[name](at) == room
        else:  # b<building>f<floor>_<cell east>_<cell north>
            building, floor, east, north = map(int, re.findall(r"\d+", room))
            assert d.areas[room].floor == f"building {building}, floor {floor}"
            assert (at // ujiindoorloc.CELL).tolist() == [east, north]


def test_area_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected x0 < x1 and y0 < y1"):
        Area(1, 0, 1, 2)
    with pytest.raises(DataError, match="an area for 'cellar', which is none of its rooms"):
        replace(load("simulated", minutes=4, test_minutes=1), areas={"cellar": Area(0, 0, 1, 1)})


def test_floor_plan_is_to_scale(known: dict[str, Any]) -> None:
    s = copy.deepcopy(known["models"][0]["sections"]["accuracy"])
    house = load("simulated", minutes=4, test_minutes=1)
    names = dict(zip(house.rooms, s["rooms"], strict=False))
    s["areas"] = {names[r]: {"floor": "", "x0": a.x0, "y0": a.y0, "x1": a.x1, "y1": a.y1} for r, a in house.areas.items()
                  if r in names}
    (plan,) = views.accuracy(s, known["models"][0], known)["plans"]
    drawn = {r["room"]: r for r in plan["rooms"]}
    assert set(drawn) == set(names.values())
    scale = {round(drawn[n]["w"] / (house.areas[r].x1 - house.areas[r].x0), 6) for r, n in names.items()} | {
        round(drawn[n]["h"] / (house.areas[r].y1 - house.areas[r].y0), 6) for r, n in names.items()}
    assert len(scale) == 1
    north, south = drawn[names["bedroom_1"]], drawn[names["living"]]
    assert north["y"] + north["h"] < south["y"], "y of the plan points up"


def paths(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key, child in (node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()):
        yield from paths(child, (*at, key))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(data=st.data())
def test_damaged_facts_are_refused_or_shown(simulated: dict[str, Any], data: st.DataObject) -> None:
    """One value changed, or gone: a page without an element that the sound one lacks, or an error that names it."""
    damaged = copy.deepcopy(simulated)
    where = data.draw(st.sampled_from(sorted(paths(damaged), key=str)))
    node = damaged
    for key in where[:-1]:
        node = node[key]
    if data.draw(st.booleans()):
        del node[where[-1]]
    else:
        node[where[-1]] = data.draw(st.sampled_from([None, "", "<script>", 0, -1, 1.5, 10**30, True, [], {}, [[]]]))
    try:
        text = page.render(damaged)
    except ModelError as e:
        assert str(e)
    else:
        assert "<script" not in text


def test_facts_of_the_schema_that_contradict_each_other_are_refused(known: dict[str, Any]) -> None:
    d = copy.deepcopy(known)
    d["models"][0]["sections"]["accuracy"]["confusion"] = [[1]]
    with pytest.raises(ModelError, match="contradict each other"):
        page.render(d)


# ---- in a browser ----

# Contrast (WCAG 2.2, 1.4.3) of every text with what is painted below it: in pictures, the last filled shape before it there.
CONTRAST = """(() => {
  const rgb = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m };
  const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const lum = c => { const [r, g, b] = c.slice(0, 3).map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const ground = e => { const c = rgb(getComputedStyle(e).backgroundColor); return c || ground(e.parentElement) };
  const below = t => {
    const b = t.getBoundingClientRect(), x = b.left + b.width / 2, y = b.top + b.height / 2;
    let found = null;
    for (const s of t.ownerSVGElement.querySelectorAll('rect, circle, path')) {
      if (!(s.compareDocumentPosition(t) & Node.DOCUMENT_POSITION_FOLLOWING) || s.closest('defs')) continue;
      const f = getComputedStyle(s).fill, r = s.getBoundingClientRect();
      if (f.startsWith('rgb') && rgb(f) && !s.classList.contains('grid') && !s.classList.contains('axis')
          && !s.classList.contains('peak') && !s.classList.contains('limit')
          && r.left <= x && x <= r.right && r.top <= y && y <= r.bottom) found = rgb(f) }
    return found };
  const bad = [], seen = { n: 0 };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, s = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest('title, defs, .skip')) continue;
    const drawn = e.ownerSVGElement, halo = drawn && s.paintOrder.startsWith('stroke') ? rgb(s.stroke) : null;
    const front = rgb(drawn ? s.fill : s.color), back = halo || (drawn && below(e)) || ground(drawn || e);
    const [a, b] = [lum(front), lum(back)].sort((p, q) => q - p), ratio = (a + 0.05) / (b + 0.05);
    seen.n++;
    if (ratio < 4.5) bad.push([ratio.toFixed(2), e.tagName, e.getAttribute('class'), walk.currentNode.data.trim()]);
  }
  return [seen.n, bad];
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Browser]:
    try:
        started = chromium.Browser()
    except (OSError, RuntimeError) as e:  # a stub that would install the real one, say
        pytest.skip(f"{chromium.path()} does not start: {e}")
    with started as b:
        yield b


@pytest.fixture(scope="module")
def pages(place: Path, known: dict[str, Any], simulated: dict[str, Any]) -> dict[str, Path]:
    """Files of pages: of both models; of one whose data are simulated, with a floor plan, that does not fit."""
    worse = copy.deepcopy(simulated)
    s = worse["models"][0]["sections"]
    part = s["fit"]["parts"][0]
    part |= {"fits": False, "spare": {"ram": -100, "flash": part["spare"]["flash"]}}
    s["accuracy"]["areas"] = {room: {"floor": "", "x0": i, "y0": 0, "x1": i + 1, "y1": 1} for i, room in enumerate(HOSTILE)}
    s["accuracy"]["int8"]["f1"] = dict(zip(HOSTILE, (0.0, 0.3, 0.5, 0.7, None), strict=True))
    s["exactness"]["backends"][0] |= {"equal": False, "says": "differs"}
    found = {"both": place / "report.html", "worse": place / "worse.html"}
    found["worse"].write_text(page.render(worse), encoding="utf-8")
    return found


VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {}, "phone": {"width": 360, "height": 740}, "dark": {"prefers_color_scheme": "dark"},
    "print": {"media": "print"}}


@browsers
@pytest.mark.parametrize("name", ["both", "worse"])
@pytest.mark.parametrize("view", VIEWS)
def test_in_a_browser(browser: chromium.Browser, pages: dict[str, Path], name: str, view: str) -> None:
    browser.open(pages[name], **VIEWS[view])
    assert browser.requests == [pages[name].resolve().as_uri()], "no request leaves the page"
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    # Of a phone's, innerWidth grows with what is too wide.
    wide, inner = browser.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= inner, "nothing but tables and pictures scrolls sideways"
    seen, bad = browser.run(CONTRAST)
    assert seen > 500 and not bad, bad[:20]
    if view == "desktop":
        verdict = browser.run("document.querySelector('h1').getBoundingClientRect().bottom")
        assert verdict < 400, "the verdict is on the first screen"
    assert not browser.console, browser.console


@browsers
@pytest.mark.parametrize("width", [320, 360, 420])
def test_models_are_compared_on_a_phone(browser: chromium.Browser, pages: dict[str, Path], width: int) -> None:
    """A line becomes a list: each value beside its column's name, nothing of it outside of the screen, no word broken."""
    browser.open(pages["both"], width=width, height=740)
    rows = browser.run("""[...document.querySelectorAll('.stack tbody tr')].map(
        r => [...r.querySelectorAll('[data-column]')].map(
            c => [c.dataset.column, c.innerText, c.getBoundingClientRect().right <= visualViewport.width]))""")
    heads = browser.run("[...document.querySelectorAll('.stack thead th')].map(c => c.textContent)")
    assert len(rows) == 2 and all([c for c, _, _ in r] == heads[2:] for r in rows)
    assert all(inside and text.strip() for r in rows for _, text, inside in r)
    assert browser.run("(t => t.scrollWidth <= t.clientWidth)(document.querySelector('.scroll:has(.stack)'))")


@browsers
def test_keyboard_alone(browser: chromium.Browser, pages: dict[str, Path]) -> None:
    def press(key: str, text: str = "") -> None:
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            browser.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                        **({"text": text} if text and kind == "keyDown" else {}))

    browser.open(pages["both"])
    press("Tab")
    assert browser.run("[document.activeElement.className, document.activeElement.getBoundingClientRect().left >= 0]") == [
        "skip", True], "the first stop is the skip link, which then shows"
    press("Enter", "\r")
    assert browser.run("document.activeElement.id") == "verdict"
    order = []
    for _ in range(400):
        press("Tab")
        order.append(browser.run("[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"))
        if order[-1][0] == "BODY":
            break
    stops = {tag for tag, _ in order}
    assert {"A", "DIV", "SUMMARY", "PRE"} <= stops
    assert all(style != "none" for tag, style in order if tag != "BODY"), "where the focus is can be seen"
    browser.run("document.querySelector('summary').focus()")
    press("Enter", "\r")
    assert browser.run("document.querySelector('details').open") is True


@browsers
def test_print_shows_what_is_folded(browser: chromium.Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    browser.open(pages["worse"])
    browser.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert browser.run("CSS.supports('selector(::details-content)')") is True
    browser.open(pages["worse"], media="print")
    assert browser.run("document.querySelector('details table').getBoundingClientRect().height") > 0


@pytest.mark.level2
@browsers
@pytest.mark.skipif(find_spec("axe_core_python") is None, reason="no axe-core: pip install axe-core-python")
@pytest.mark.parametrize("view", ["desktop", "phone", "dark"])
def test_axe_finds_nothing(browser: chromium.Browser, pages: dict[str, Path], view: str) -> None:
    spec = find_spec("axe_core_python")
    assert spec and spec.origin
    script = next(Path(spec.origin).parent.glob("axe*.js")).read_text(encoding="utf-8")
    for file in pages.values():
        browser.open(file, **VIEWS[view])
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        browser.run(script + "; 0")
        assert browser.run("axe.run().then(r => r.violations.map(v => [v.id, v.nodes[0].html]))") == []
