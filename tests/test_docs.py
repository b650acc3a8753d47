"""The documentation: its commands and code run as they stand, its specification is complete, its site builds.

A page (tinyloc/docs/*.md, README.md) is a session in a folder of its own; its blocks run in order:

    sh      each command; `tinyloc` in this process, a block with anything else as one script
    python  in one namespace a page
    text    what the block above prints: to the letter after python; after sh, numbers and the width of columns may differ
    a block with a title is a file of that name; C is compiled by the commands that follow

What is cheaper here than in the text: trainings end after 2 epochs, and data sets are a few simulated minutes (`cheap`); a
search whose text does not say how long it is has few trials (`DEFAULTS`).

A comment on the line above a block says what a reader need not know: `not run: why`, or `level 2: why`, `needs: extra …`, or
both of these with a semicolon between.
`LEFT_OUT` has all of the first kind; what an extra would be needed for is skipped by name.

`python tests/test_docs.py [PAGE...]` runs pages and writes into them what their blocks print now.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import chromium
import numpy as np
import pytest
import test_completion
from click.testing import CliRunner

from tinyloc.kernels.table import ABI, OPS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "tinyloc" / "docs"
PAGES = {p.name: p for p in [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]}
EXTRAS = {"mcu": ("ziglang", "unicorn", "elftools", "capstone"), "search": ("optuna", "distributed", "matplotlib"),
          "serial": ("serial",), "report": ("jinja2", "jsonschema"), "sign": ("imgtool",), "sklearn": ("sklearn",),
          "torch": ("torch",), "onnx": ("onnx",), "cc": (), "git": ()}
EPOCHS = 2  # of every training
DEFAULTS = {"search": {"trials": 4, "epochs": EPOCHS, "repeats": 1, "count": 1}}  # its workers are other processes

# Blocks, and lines of README.md, that no test runs, and why.  Nothing else is left out.
LEFT_OUT = {
    "firmware.md": {"tinyloc verify room.int8.safetensors --serial /dev/ttyACM0": "a board on a serial port"},
    "README.md": {
        "make demo": "CI runs it", "make test": "CI runs it", "--serial": "a board on a serial port",
        "tinyloc audit flat32": "the number of a model that a search of 200 trials finds",
        "tinyloc convert": "the models of other tools; tests/test_convert.py and tests/test_onnx.py make some",
        "tl_stream_open": "a fragment; firmware.md has it whole", "[[model]]": "a budget; firmware.md has one that is kept",
        "# .github": "GitHub's"},
}
# Files that a page's reader has from elsewhere, and what stands for them here.
STANDS_FOR = {"m2.int8.safetensors": "m.int8.safetensors"}
# Lines of README.md that run at level 2, and the extras that they need.
SLOW = {"README.md": {"tinyloc search": "search", "tinyloc prune": "", "--qat": "",
                      "--measured": "mcu", "tinyloc bench": "mcu", "tinyloc report": "mcu report", "tinyloc worth": "mcu",
                      "plan --run compare": "mcu report", "plan --run deploy": "mcu report cc", "cortex-m": "mcu"}}


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


generate = _load("generate")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the name of a file if it is one, what the comment above it says, and what it prints."""

    page: str
    line: int
    language: str
    title: str
    mark: str
    text: str
    expected: str | None = None

    @property
    def marks(self) -> dict[str, str]:
        """Each kind that the comment names, with what it says of it."""
        return {kind: why for part in self.mark.split("; ") for kind, _, why in [part.partition(": ")]}

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


_FENCE = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n+)?"
                    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\n(?P<text>.*?)^```$", re.S | re.M)


def blocks(page: str, text: str) -> list[Block]:
    """Those of a page, in order; a `text` goes to the block before it."""
    found: list[Block] = []
    for m in _FENCE.finditer(text):
        line = text[: m.start("language")].count("\n") + 1
        b = Block(page, line, m["language"], m["title"] or "", m["mark"] or "", m["text"])
        if b.language == "text" and found and found[-1].expected is None and found[-1].language in ("sh", "python"):
            found[-1] = replace(found[-1], expected=b.text)
        else:
            found.append(b)
    return found


def source(page: str) -> str:
    """A page's text with what the generator adds to it, README's sections apart, which are run as README's."""
    text = PAGES[page].read_text()
    return text if page == "README.md" else str(generate.expand(re.sub(r"<!-- readme: .*? -->", "", text)))


def commands(block: Block) -> list[str]:
    """The commands of a shell block: its lines, joined where they end in a backslash, without comments."""
    lines = re.sub(r"\\\n", " ", block.text).splitlines()
    return [x for x in lines if shlex.split(x, comments=True)]


def walk(path: Path, names: tuple[str, str, str], rows: int = 1200) -> None:
    """A recording of three rooms in turn, 40 s each at 1 Hz, of 4 access points; names: time, room, prefix of columns."""
    rng = np.random.default_rng(0)
    time, room, prefix = names
    lines = [",".join([time, room, *(f"{prefix}{i}" for i in range(1, 5))])]
    levels = np.array([[-50, -75, -60, -90], [-75, -50, -62, -80], [-90, -70, -55, -60]])
    for i in range(rows):
        here = i // 40 % 3
        heard = rng.normal(levels[here], 3)
        lines.append(",".join([str(i), ("kitchen", "hall", "study")[here],
                               *(f"{v:.0f}" if rng.random() > 0.1 else "" for v in heard)]))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)


def make_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of `EPOCHS` epochs; every data set is a few simulated minutes under its own name."""
    from tinyloc.data import SOURCES
    from tinyloc.train import Recipe

    begin = Recipe.__init__

    def short(self: Recipe, *args: Any, **kw: Any) -> None:
        begin(self, *args, **kw)
        object.__setattr__(self, "epochs", min(self.epochs, EPOCHS))

    monkeypatch.setattr(Recipe, "__init__", short)
    house = SOURCES["simulated"]

    def small(name: str) -> Any:
        def load(seed: int = 0, **options: Any) -> Any:
            d = house.load(seed=seed, **{"minutes": 12, "test_minutes": 4, **options})
            return replace(d, name=name, simulated=name == "simulated")

        return load

    for name in SOURCES:
        monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], load=small(name), options=house.options))


def missing(extra: str) -> bool:
    """Whether something that an extra, or a compiler, brings is not here."""
    if extra in ("cc", "git"):
        return shutil.which(extra) is None or (extra == "git" and not (ROOT / ".git").exists())
    return any(importlib.util.find_spec(m) is None for m in EXTRAS[extra])


def shape(text: str) -> list[str]:
    """The words of an output without its numbers and rules."""
    return re.sub(r"[\d.,]*\d", "#", re.sub(r"-{2,}|\bno\b|\bNO\b", " ", text)).split()


class Session:
    """Runs a page's blocks in `folder`."""

    def __init__(self, folder: Path, level: int) -> None:
        self.folder, self.level = folder, level
        self.names: dict[str, Any] = {"__name__": "docs"}
        self.left: list[str] = []

    def leave(self, b: Block, command: str = "") -> str:
        """Why a block or one of its commands is not run; empty if it is."""
        slow = [need for x, need in SLOW.get(b.page, {}).items() if x in command] if command else []
        if "not run" in b.marks or (command and any(x in command for x in LEFT_OUT.get(b.page, {}))):
            return "not run"
        if self.level < 2 and ("level 2" in b.marks or slow):
            return "level 2"
        if lacking := [x for x in " ".join([b.marks.get("needs", ""), *slow]).split() if missing(x)]:
            return f"needs {', '.join(lacking)}"
        return ""

    def run(self, b: Block) -> str:
        """What it prints.  Fails naming the block."""
        if b.title and b.page != "arithmetic.md":
            (self.folder / b.title).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / b.title).write_text(b.text)
            return ""
        if b.language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile("\n" * b.line + b.text, b.page, "exec"), self.names)
            return out.getvalue()
        lines = commands(b) if b.language == "sh" else []
        if any(re.search(r"^(?!tinyloc )|[|<>$`;&]", x) for x in lines) and b.page != "README.md":
            lines = [b.text]
        return "".join(self.command(b, x) for x in lines)

    def command(self, b: Block, line: str) -> str:
        if why := self.leave(b, line):
            self.left.append(f"{b.where} {why}")
            return ""
        words = shlex.split(line, comments=True)
        for name, other in STANDS_FOR.items():
            if name in words and not (self.folder / name).exists():
                shutil.copy(self.folder / other, self.folder / name)
        if words[0] == "tinyloc" and "\n" not in line:
            from tinyloc.cli import main

            done = CliRunner().invoke(main, words[1:], default_map=DEFAULTS)
            if done.exception and not isinstance(done.exception, SystemExit):
                raise done.exception
            code, out, err = done.exit_code, done.stdout, done.stderr
        else:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            env = {**os.environ, "PATH": path, "REPOSITORY": str(ROOT)}
            ran = subprocess.run(["sh", "-ec", line], cwd=self.folder, env=env, text=True, capture_output=True)
            code, out, err = ran.returncode, ran.stdout, ran.stderr
        # "No" is an answer of `adapt`: two epochs need not gain anything; and of `plan`: the walk here is a short one.
        no = words[1:2] == ["adapt"] or words[1:] == ["plan", "--run", "record"]
        assert code == 0 or (code == 1 and no), f"{b.where}: {line}: exit code {code}\n{out}{err}"
        return out

    def page(self, page: str) -> Iterator[tuple[Block, str]]:
        """All of it; the blocks with what they print."""
        for b in blocks(page, source(page)):
            if why := self.leave(b):
                self.left.append(f"{b.where} {why}")
            else:
                yield b, self.run(b)


def begin(page: str, folder: Path) -> None:
    """The files that a page's reader has."""
    if page == "README.md":
        walk(folder / "walk.csv", ("t", "label", "ap"))
        walk(folder / "site.csv", ("time", "room", "rssi_"))
        (folder / "walk.log").write_text("".join(f"{200 * i} {i % 3} {-60 - i % 7}\n" for i in range(50)))
    else:
        walk(folder / "walk.csv", ("time", "room", "rssi_"))


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cheap: None, level: int) -> None:
    """In the order of the page, on what the blocks before have left."""
    monkeypatch.chdir(tmp_path)
    begin(page, tmp_path)
    session = Session(tmp_path, level)
    for b, out in session.page(page):
        if b.expected is not None and b.language == "python":
            assert out == b.expected, f"{b.where} prints\n{out}"
        elif b.expected is not None and out:
            assert shape(out) == shape(b.expected), f"{b.where} prints\n{out}"
    lacking = [x for x in session.left if " needs " in x]
    if lacking:
        pytest.skip(f"all else ran; left out: {'; '.join(lacking)}")


def test_nothing_is_left_out_unnoticed() -> None:
    """Each block has a language that is run; what is not run is in `LEFT_OUT`, and all of that is there."""
    for page in PAGES:
        found: dict[str, str] = {}
        for b in blocks(page, source(page)):
            assert set(b.marks) <= {"", "not run", "level 2", "needs"}, f"{b.where}: {b.mark}"
            assert set(b.marks.get("needs", "").split()) <= set(EXTRAS), f"{b.where}: {b.mark}"
            if b.language in ("sh", "python"):
                if "not run" in b.marks:
                    found[b.text.strip().splitlines()[0]] = b.marks["not run"]
            elif not b.title and (b.language or page != "README.md"):  # a bare fence in README.md is an output
                first = b.text.splitlines()[0]
                found |= {k: v for k, v in LEFT_OUT.get(page, {}).items() if first.startswith(k)} or {first: "shown alone"}
        lines = [c for b in blocks(page, source(page)) if b.language == "sh" for c in commands(b)]
        for key, why in LEFT_OUT.get(page, {}).items():
            if any(key in x for x in lines):
                found.setdefault(key, why)
        assert found == LEFT_OUT.get(page, {}), page
        for key in SLOW.get(page, ()):
            assert any(key in x for x in lines), f"SLOW: {page} has no {key!r} any more"


# ---- the specification ----

@pytest.fixture(scope="module")
def specified() -> dict[str, Any]:
    """What the code of the page of arithmetic defines, without the rest of tests/exact.py; its own checks are not run."""
    names: dict[str, Any] = {}
    for b in blocks("arithmetic.md", source("arithmetic.md")):
        if b.language == "python" and "from tinyloc" not in b.text:
            exec(compile(b.text, b.where, "exec"), names)
    return names


def test_every_op_and_primitive_has_its_section(specified: dict[str, Any]) -> None:
    import exact

    text = source("arithmetic.md")
    for name, op in OPS.items():
        assert f"### `{name}`" in text and name in specified["OPS"], f"arithmetic.md: no section {name}"
        section = text.split(f"### `{name}`")[1].split("\n##")[0]
        assert all(f"| `{p.name}` |" in section for p in op.params)
        assert "<p>" in section, f"tinyloc.h: no comment above tl_{name}"
    table = text.split("| primitive |")[1].split("\n\n")[0]
    for name, (f, _, _) in exact.PRIMITIVES.items():
        assert f"`{name}`" in table and f.__name__ in specified, f"arithmetic.md: primitive {name}"


@pytest.mark.parametrize("name", OPS)
def test_the_page_alone_gives_the_frozen_bits(specified: dict[str, Any], name: str) -> None:
    import make_frozen

    op = OPS[name]
    for vector in make_frozen.load(name):
        args = op.prepare(make_frozen.args_of(op, vector))
        assert make_frozen.result_of(op, specified["OPS"][name](*args)) == vector["result"]


@pytest.mark.parametrize("kind", ["streaming", "mamba-h4l1", "mdcsa-h4l1", "packed"])
def test_the_page_alone_runs_images(specified: dict[str, Any], cheap: None, kind: str) -> None:
    """Step by step the C runner's signatures, and its output."""
    import programs

    from tinyloc import data, quantize, run, train
    from tinyloc.image import to_image
    from tinyloc.pack import pack

    if kind == "streaming":
        program = programs.streaming_program()
    else:
        house = data.load("simulated")
        model = train.fit(house, "mamba-h4l1" if kind == "packed" else kind, train.Recipe(epochs=1))
        program = quantize.calibrate(model, house, decay="free" if kind == "packed" else "auto")
        program = pack(program) if kind == "packed" else program
    assert specified["ABI"] == ABI
    third, session = specified["Runner"](to_image(program)), run.Session(program, "c")
    for x in programs.windows(program, 2):
        third.reset()
        session.reset()
        for _ in range(2):  # the state goes on
            output, signature = third.run(x.tobytes())
            assert signature == session.signature(x).tolist()
            assert output == session.value(program.output).tobytes()
    assert any(signature) and zlib.crc32(output)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_sizes_that_the_pages_name(tmp_path: Path) -> None:
    """Of the runner's variables, on a 32-bit core."""
    sizes = re.findall(r"`(tl_\w+)` \((\d+)", (DOCS / "firmware.md").read_text())
    assert {n for n, _ in sizes} == {"tl_model", "tl_stream", "tl_heard"}
    text = "".join(f"typedef char {n}_has[sizeof({n}) == {size} ? 1 : -1];\n" for n, size in sizes)
    (tmp_path / "sizes.c").write_text('#include "tinyloc.h"\n' + text)
    flags = ["-m32", "-ffreestanding", "-fsyntax-only", "-I", str(ROOT / "kernels" / "c")]
    done = subprocess.run(["gcc", *flags, str(tmp_path / "sizes.c")], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


# ---- what is generated ----

def test_c_reference_has_every_declaration() -> None:
    """Each function and constant of the runner's header, with its comment; no directive is left in a page."""
    page, header = generate.c_reference(), (ROOT / "kernels" / "c" / "tinyloc.h").read_text()
    bare = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    for name in {*re.findall(r"\b(tl_\w+)\(", bare), *re.findall(r"^#define (TL_[A-Z_]+)", bare, re.M)} - {"TL_MAX"}:
        assert f"`{name}`" in page, name
    for name in re.findall(r"\} (tl_\w+);", bare):
        assert f"### `{name}`" in page, name
    shown = re.sub(r"```c\n.*?```", "", page, flags=re.S)
    assert shown.count("### ") >= 60 and shown.count("<p>") >= 60
    for p in DOCS.glob("*.md"):
        assert not generate.DIRECTIVE.search(generate.expand(p.read_text())), p.name


def test_reasons_have_their_numbers() -> None:
    """Those of C, one for each of the host's but for a known room."""
    from tinyloc import stream

    rows = [[c.strip(" `") for c in line.split("|")[1:5]] for line in generate.reasons().splitlines()[2:]]
    assert [(int(n), host) for n, _, host, _ in rows] == list(enumerate(stream.REASONS))[1:]
    for number, name, _, text in rows:
        assert getattr(stream, name.removeprefix("TL_")) == int(number) and text, name
    assert generate.reasons() in source("firmware.md")


def test_commands_page_has_every_option() -> None:
    import click

    page = generate.commands()
    for name, command in test_completion.commands().items():
        section = page.split(f"## tinyloc {name}\n")[1].split("\n## ")[0]
        for p in command.params:
            if isinstance(p, click.Option) and not p.hidden:
                assert f"`{p.opts[0]}" in section or f", {p.opts[0]}" in section, f"tinyloc {name} {p.opts[0]}"


def test_directives_that_ask_for_what_is_not_there() -> None:
    for text in ("<!-- readme: Nothing -->", "<!-- exact: nothing -->", "<!-- kernel: nothing -->"):
        with pytest.raises(generate.DocsError, match="othing"):
            generate.expand(text)


# ---- the site ----

@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("material", reason="mkdocs-material is not installed (extra docs)")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, text=True, capture_output=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    yield folder


def test_site_builds_and_asks_no_one(site: Path) -> None:
    """Strictly; each page of the navigation is there, none loads anything from elsewhere."""
    pages = {p.relative_to(site).as_posix() for p in site.rglob("*.html")} - {"404.html"}
    assert pages == {p.with_suffix(".html").name for p in DOCS.glob("*.md")} | {"c-reference.html", "commands.html"}
    assert not list(site.rglob("*.py"))
    for p in site.rglob("*.html"):
        loaded = re.findall(r"<(?:link|script|img|iframe|source)\b[^>]*?(?:href|src)=[\"']?([^\"' >]+)", p.read_text())
        outside = [x for x in loaded if re.match(r"(https?:)?//", x)]
        assert not outside, f"{p.name} loads {outside}"
    for p in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", p.read_text()), p.name


@pytest.mark.skipif(chromium.path() is None, reason="no Chromium on the PATH (Debian: apt install chromium)")
def test_site_in_a_browser(site: Path) -> None:
    """From its folder: no console message, no request but for its own files, nothing wider than a phone's window."""
    with chromium.Browser() as browser:
        for p in sorted(site.glob("*.html")):
            if p.name == "404.html":  # a server's, with addresses from its root
                continue
            browser.open(p, width=390)
            browser.run("new Promise(r => setTimeout(r, 300))")
            assert not browser.console, f"{p.name}: {browser.console}"
            assert all(r.startswith((site.as_uri(), "data:")) for r in browser.requests), f"{p.name}: {browser.requests}"
            assert browser.run("document.documentElement.scrollWidth") == 390, p.name


def accept(page: str) -> None:
    """Writes into a page what its blocks print."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        make_cheap(patch)
        patch.chdir(folder)
        begin(page, Path(folder))
        text = PAGES[page].read_text()
        for b, out in Session(Path(folder), 1).page(page):
            if b.expected is not None and out:
                after = f"{b.text}```\n\n```text\n"
                assert after + b.expected in text, b.where
                text = text.replace(after + b.expected, after + out)
        PAGES[page].write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        accept(name)
