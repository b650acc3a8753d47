"""Mutation testing of the kernels: one small mistake at a time is put into the sources, and the tests must notice it.

    python tests/mutants.py                                # kernels/c, update, fixed.py; continues where it was stopped
    python tests/mutants.py kernels/c/softmax.c --list     # the mutants of a file
    python tests/mutants.py --survived                     # run those again that nothing noticed, nor explains

A mutant is one token or one statement changed (`mutants_of`).  It is compiled and linked with the unchanged rest, and run:
on the vectors of tests/vectors.py in each form of the sources that a macro chooses (FORMS), then under the sanitizers, then
on more vectors (DEEP).  Where its objects equal the original's in every byte it is no mutant (Papadakis et al., "Trivial
compiler equivalence", ICSE 2015); where no form compiles it, it is none either.  What the vectors do not reach, PYTEST names
the tests of: they run on an extension made of the mutant (forks.py).  What they leave, and bytes from anywhere come to, the
targets of tests/fuzz try, sanitized (FUZZED).

The verdicts go to build/mutants.tsv, a line each.  Those that survive are explained in tests/mutants.txt, by keys that hold
no line number; test_mutants.py holds that file to be about code that is there.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from cffi import FFI, CDefError, FFIError

sys.path.insert(1, str(Path(__file__).resolve().parent / "fuzz"))
import exact
import run as fuzz
import vectors
from forks import Forks
from mutants_python import mutants_of_python, with_what_calls

ROOT = Path(__file__).resolve().parent.parent
C = ROOT / "kernels" / "c"
FUZZ = ROOT / "tests" / "fuzz"
EXPLAINED = Path(__file__).resolve().parent / "mutants.txt"
FLAGS = ("-std=c99", "-O2", "-g0", "-w", "-fwrapv", "-fno-ident")
SANITIZED = ("-std=c99", "-O1", "-g0", "-w", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SECONDS = 2, 20  # of processor time until a mutant is taken for an endless loop, on the vectors and on DEEP
SEED = 1  # of --sample
DEEP = (1, tuple(range(40, 52)))  # level and seeds of the vectors that survivors meet

# ---- the mutants of a text ----

BINARY = {
    "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["/"], "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"],
    "^": ["|"], "<": ["<=", ">="], ">": [">=", "<="], "<=": ["<", ">"], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"], "+=": ["-="], "-=": ["+="], "*=": ["+="], "<<=": [">>="], ">>=": ["<<="], "&=": ["|="],
    "|=": ["&="], "^=": ["|="], "++": ["--"], "--": ["++"],
}
UNARY = {"-": [""], "~": [""], "!": [""], "++": ["--"], "--": ["++"]}
NARROWER = {"int64_t": "int32_t", "uint64_t": "uint32_t", "int32_t": "int16_t", "uint32_t": "uint16_t", "int16_t": "int8_t",
            "uint16_t": "uint8_t", "uint8_t": "int8_t"}
OTHERS = {  # a function -> one that is mistaken for it, or its work left out
    "tl_min": "tl_max", "tl_max": "tl_min", "tl_near_min": "tl_near_max", "tl_near_max": "tl_near_min",
    "tl_sat8": "(int8_t)", "tl_sat16": "(int16_t)", "tl_srdhm": "tl_srdhm_wrap", "tl_umul64": "tl_mul64",
    "tl_mul64": "tl_umul64",
}
TOKEN = re.compile(r"""(?P<space>(?:\s|\\\n)+)|(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\])*")
    |(?P<char>'(?:\\.|[^'\\])+')|(?P<number>\d[\dA-Fa-fxX]*[uUlL]*)|(?P<name>[A-Za-z_]\w*)
    |(?P<op><<=|>>=|->|\+\+|--|&&|\|\||[-+*/%&|^!=<>]=|<<|>>|\#\#|.)""", re.S | re.X)
DIRECTIVE = re.compile(r"^[ \t]*\#[ \t]*(\w+)(?:[^\n]*\\\n)*[^\n]*", re.M)
KEYWORDS = {"return", "case", "sizeof", "else", "do"}
NO_STATEMENT = {"if", "for", "while", "do", "return", "else", "switch", "case", "default", "goto", "static", "const",
                "struct", "union", "enum", "typedef", "register", "void", "char", "int", "unsigned", "extern", "inline",
                "volatile"}


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Mutant:
    """text[start:end] of the file at `path` becomes `new`; key: file, function, code and change, which outlive edits of
    other lines."""

    path: str
    start: int
    end: int
    new: str
    line: int  # where the preprocessor decides about it
    key: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


def _tokens(text: str) -> Iterator[Token]:
    """Tokens that mean something; a directive is one token of its own kind, but a definition's body is tokens."""
    at = 0
    while at < len(text):
        directive = DIRECTIVE.match(text, at) if at == 0 or text[at - 1] == "\n" else None
        if directive and directive[1] == "define":
            head = re.compile(r"[ \t]*#[ \t]*define[ \t]+\w+(?:\([^)]*\))?").match(text, at)
            assert head
            yield Token("define", text[at : head.end()], at, head.end())
            yield from _plain(text, head.end(), directive.end())
            at = directive.end()
            yield Token("end", "", at, at)
        elif directive:
            at = directive.end()
        else:
            following = re.compile(r"^[ \t]*#", re.M).search(text, at + 1)
            upto = following.start() if following else len(text)
            inside = [m for m in re.finditer(r"/\*.*?\*/", text[at:], re.S) if m.start() + at < upto < m.end() + at]
            upto = inside[0].end() + at if inside else upto
            yield from _plain(text, at, upto)
            at = upto


def _plain(text: str, at: int, end: int) -> Iterator[Token]:
    while at < end:
        m = TOKEN.match(text, at, end)
        assert m and m.lastgroup
        if m.lastgroup not in ("space", "comment"):
            yield Token(m.lastgroup, m[0], at, m.end())
        at = m.end()


def _numbers(text: str) -> list[str]:
    digits = text.rstrip("uUlL")
    value, tail = int(digits, 8 if re.fullmatch("0\\d*", digits) else 0), text[len(digits) :]
    near = sorted({value + 1, max(value - 1, 0), 0} - {value}, key=lambda v: abs(v - value))
    return [(hex(v) if "x" in text.lower() else str(v)) + tail for v in near]


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Every mutant of a C file: operators, comparisons, constants (one more, one less, 0), casts to a narrower type,
    functions that are mistaken for each other, statements left out.  Strings, types, names and directives stay."""
    tokens = list(_tokens(text))
    pairs = _pairs(tokens)
    found: list[tuple[str, int, int, str, str, int]] = []  # function, start, end, new, change, line of the directive or code
    function, macro, depth, parens, statement = "", "", 0, 0, -1
    for i, t in enumerate(tokens):
        before = tokens[i - 1] if i else Token("op", ";", 0, 0)
        line = text.count("\n", 0, t.start) + 1
        if t.kind == "define":
            macro, macro_line = re.sub(r"\(.*", "", t.text.split("define", 1)[1]).strip(), line
            continue
        if t.kind == "end":
            macro = ""
            continue
        if macro:
            line = macro_line
        elif t.text == "{":
            if depth == 0 and before.text == ")":
                function = tokens[pairs[i - 1] - 1].text
            depth += 1
        elif t.text == "}":
            depth -= 1
            function = function if depth else ""
        elif not depth and not parens and t.kind == "name" and i + 1 < len(tokens) and tokens[i + 1].text in ("(", "["):
            function = t.text  # a table's, a prototype's or a macro call's name, until the next one
        parens += (t.text == "(") - (t.text == ")")
        where = macro or function
        operand = before.kind == "number" or before.text == "]" or (
            before.kind == "name" and before.text not in KEYWORDS and not before.text.endswith("_t")) or (
            before.text == ")" and not _is_prefix(tokens, pairs, i - 1))
        news: Iterable[str] = ()
        if t.kind == "op":
            news = (BINARY if operand else UNARY).get(t.text, ())
        elif t.kind == "number":
            news = _numbers(t.text)
        elif t.kind == "name" and t.text in OTHERS and before.kind != "name":
            news = [OTHERS[t.text]]
        elif t.kind == "name" and t.text in NARROWER and before.text == "(" and tokens[i + 1].text == ")":
            news = [NARROWER[t.text]]
        for new in news:
            found.append((where, t.start, t.end, new, f"{t.text} -> {new or 'nothing'}", line))
        # statements
        if depth and not macro and function:
            if parens == 0 and statement < 0 and t.text not in ("{", "}", ";", ")") and _begins(tokens, pairs, i):
                statement = i
            if t.text in ("{", "}") and parens == 0:
                statement = -1
            elif t.text == ";" and parens == 0 and statement >= 0:
                first, last = tokens[statement], t
                begin = text.count("\n", 0, first.start) + 1
                found.append((where, first.start, last.end, ";", "statement -> nothing", begin))
                statement = -1
    return _keyed(path, text, found)


def mutants_in_python(path: str, text: str) -> list[Mutant]:
    """The same of a Python module's compiled functions."""
    return _keyed(path, text, mutants_of_python(text))


def module_of(path: str) -> str:
    """Name of the installed module: the folder `kernels` is a package of tinyloc's."""
    return "tinyloc." + path.removesuffix(".py").replace("/", ".")


def _pairs(tokens: Sequence[Token]) -> dict[int, int]:
    """Place of the opening parenthesis of each closing one."""
    pairs, stack = {}, []
    for i, t in enumerate(tokens):
        if t.text == "(" and t.kind == "op":
            stack.append(i)
        elif t.text == ")" and t.kind == "op" and stack:
            pairs[i] = stack.pop()
    return pairs


def _is_prefix(tokens: Sequence[Token], pairs: dict[int, int], close: int) -> bool:
    """Whether the parenthesis is a cast, or the head of a statement: what follows is no operand's right side."""
    start = pairs.get(close, 0)
    inside = tokens[start + 1 : close]
    cast = bool(inside) and all(t.kind == "name" or t.text == "*" for t in inside) and (
        inside[0].text.endswith("_t") or inside[0].text in ("const", "void", "char") or inside[-1].text == "*")
    return cast or _is_head(tokens, start)


def _is_head(tokens: Sequence[Token], start: int) -> bool:
    return start > 0 and tokens[start - 1].text in ("if", "for", "while", "switch")


def _begins(tokens: Sequence[Token], pairs: dict[int, int], i: int) -> bool:
    """Whether an expression statement begins here, or one that jumps."""
    t, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
    if not (before.text in ("{", "}", ";", "else", ":") or (before.text == ")" and _is_head(tokens, pairs[i - 1]))):
        return False
    if t.text in NO_STATEMENT or t.text.endswith("_t"):
        return t.text == "return" and after.text == ";"
    return not (t.kind == "name" and (after.kind == "name" or (after.text == "*" and before.text != ")")))


def _keyed(path: str, text: str, found: Sequence[tuple[str, int, int, str, str, int]]) -> list[Mutant]:
    lines = text.split("\n")
    seen: Counter[str] = Counter()
    out = []
    for function, start, end, new, change, line in found:
        code = " ".join(re.sub(r"\s*/\*.*?(\*/|$)", "", lines[text.count("\n", 0, start)].rstrip("\\")).split())
        key = " | ".join((path, function, code, change))
        seen[key] += 1
        if seen[key] > 1:
            key += f" | {seen[key]}"
        out.append(Mutant(path, start, end, new, line, key))
    return out


# ---- what runs them ----


@dataclass(frozen=True)
class Form:
    """One of the forms that the sources have: the flags that choose it, those for the sanitizers beside them."""

    name: str
    flags: tuple[str, ...] = ()

    def command(self, cc: str, flags: Sequence[str]) -> list[str]:
        return [*shlex.split(cc), *flags, *self.flags]


FORMS = (
    Form("portable"),
    Form("armv6m", ("-D__ARM_ARCH_ISA_THUMB=1",)),  # products of 32 bits only, no branch
    Form("narrow", ("-include", str(ROOT / "tests" / "narrow.h"), "-D__ARM_FEATURE_CLZ")),  # 32 bits
)


GENERATED = ("spec.h",)  # bytes that kernels/encode.py writes and a test compares
# File -> the tests that reach what no vector does, as an expression for their names.
RUNNER = (r"test_image\.py(?!.*out_of_bounds)|test_fuzz\.py::test_both_judges|"
          r"test_stream\.py::test_(saturating_states|images_of_another)")
INPUT = (r"test_export\.py::test_(integer_codes(?!.*(uji|tetam|flat|powed))|held_rows|beyond)|"
         r"test_motion\.py::test_(levels|every_level|too_few|from_samples)")
STREAM = r"test_stream\.py::test_(?!python_equals_c|sanitized|on_an_emulated|float_and|script_of|answers_of)"
RUN = (r"|test_run\.py::test_(signatures_are|state_goes_on|an_output_in_parts|bad_input|numbers_at|every_bit|a_signature|"
       r"parts_of)")
DEVICES = (r"test_update\.py::test_(?!sha256|ed25519|the_field|every_bit|strict_c|payloads_by|flash_is_that|any_payload|"
           r"the_power|a_patch|patches_that|segments)")
PYTEST = {
    "kernels/c/run.c": RUNNER + RUN,
    "kernels/c/check.c": RUNNER,
    "kernels/c/input.c": INPUT,
    "kernels/c/stream.c": STREAM,
    "kernels/c/step.h": RUNNER,
    "kernels/c/tinyloc.h": "|".join((RUNNER, INPUT, STREAM)),
    "kernels/update/ed25519.c": r"test_update\.py::test_(ed25519|the_field)",
    "kernels/update/envelope.c": DEVICES + r"|test_update\.py::test_every_bit",
    "kernels/update/package.c": DEVICES,
    "kernels/update/patch.c":
        r"test_update\.py::test_(a_patch|patches_that|segments|the_power_fails_at_every_boundary\[small-patch)",
    "kernels/update/sha256.c": r"test_update\.py::test_sha256",
    "kernels/update/slots.c": DEVICES + r"|test_update\.py::test_the_power_fails",
    "kernels/update/update.h": DEVICES + r"|test_update\.py::test_(sha256|ed25519_by|a_patch)",
    "kernels/fixed.py": r"test_fixed\.py",
}


def test_files(chosen: str) -> list[str]:
    """The files whose tests an expression of PYTEST, or several of them, choose from."""
    return sorted({f"tests/{name}.py" for name in re.findall(r"(test_\w+)\\\.py", chosen)})


# File -> the target of tests/fuzz, or the harness, that reads bytes from anywhere through it, or installs a package by it.
FUZZED = {"kernels/c/run.c": ("image",), "kernels/c/check.c": ("image",), "kernels/c/step.h": ("image",),
          "kernels/c/input.c": ("input",), "kernels/c/stream.c": ("replay", "stream"),
          **{f"kernels/update/{n}.c": ("update",) for n in ("ed25519", "envelope", "package", "sha256", "slots")}}
HARNESSES = {"replay": "stream.c", "update": "update.c"}  # the others are of tests/fuzz
REPLAYED = ("kernels/c/stream.c",)  # files that tests/stream.c judges before pytest does
ANSWERS = 3000  # of each of its cases
RUNS = 20_000  # of a target, as in test_fuzz.py


class Verdict(NamedTuple):
    """killed, timeout (killed too), survived, equal (the objects are), void (it does not compile), elsewhere (no form that
    runs here has it)."""

    what: str
    by: str = ""


def _run(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **options)  # type: ignore[call-overload, no-any-return]


def table(text: str, name: str) -> list[int]:
    """The numbers between the outermost braces behind `name[...] =`."""
    found = re.search(rf"\b{name}(?:\[\w*\])+ = (\{{.*?\}});", text, re.S)
    return [int(v) for v in re.findall(r"-?\d+", found[1])] if found else []


TABLES = {"lines": lambda: [v for row in exact.LINES for v in row]}  # see test_tables.py


class Bench:
    """Objects of the unchanged sources in each form, the vectors, and room for one mutant at a time for each thread."""

    def __init__(self, folder: Path, cc: str = "cc") -> None:
        self.folder, self.cc = folder, cc
        folder.mkdir(parents=True, exist_ok=True)
        self.sources = sorted(C.glob("*.c"))
        self.harness = ROOT / "tests" / "vectors.c"

    @cache  # noqa: B019 (one bench a process)
    def digest(self, path: str) -> str:
        """Of what a verdict depends on: the file, and the headers whose code it may have."""
        headers = [p for p in sorted(C.glob("*.h")) if p.name not in ("tinyloc.h", "step.h", *GENERATED)]
        if path.startswith("kernels/update") or path.endswith(".py"):
            headers = []  # declarations, tinyloc.h's and update.h's, which are mutants of their own
        return hashlib.sha256(b"".join(p.read_bytes() for p in (ROOT / path, *headers))).hexdigest()[:16]

    # -- built once --

    @cache  # noqa: B019
    def vectors(self, path: str, deep: bool) -> Path:
        """Those of the ops that the file has, or may call or include; all of them for a header."""
        names = re.findall(r"^TL_STEP\((\w+),", (ROOT / path).read_text(), re.M)
        if path.endswith((".h", "dot4.c")):
            names = []
        elif Path(path).stem in ("matmul", "softmax"):
            names.append("attention_s8")
        out = self.folder / f"{Path(path).stem if names else 'all'}{'-deep' if deep else ''}.bin"
        vectors.write(out, *(DEEP if deep else (1, (vectors.SEED,))), names)
        return out

    @cache  # noqa: B019
    def objects(self, form: Form, sanitized: bool = False) -> dict[str, Path]:
        """Source name -> object of the unchanged file."""
        made = {}
        for source in (*self.sources, self.harness):
            out = self.folder / f"{form.name}{'-san' if sanitized else ''}" / (source.stem + ".o")
            out.parent.mkdir(exist_ok=True)
            self._compile(form, C, source, out, sanitized, check=True)
            made[source.name] = out
        return made

    @cache  # noqa: B019
    def active(self, form: Form, path: Path) -> frozenset[int]:
        """Lines of the file that the form's macros leave."""
        done = subprocess.run([*form.command(self.cc, ("-std=c99",)), "-E", "-fdirectives-only", "-I", str(C), str(path)],
                              capture_output=True, text=True, check=True)
        lines, at, ours = set(), 0, False
        for text in done.stdout.split("\n"):
            marker = re.match(r'# (\d+) "(.*?)"', text)
            if marker:
                at, ours = int(marker[1]), Path(marker[2]) == path
            else:
                if ours and text.strip():
                    lines.add(at)
                at += 1
        return frozenset(lines)

    @cache  # noqa: B019
    def users(self, header: str) -> tuple[str, ...]:
        """Names of the sources that a change of the header changes, the harness first: it takes the primitives alone."""
        names = []
        for source in (self.harness, *self.sources):
            done = subprocess.run([*shlex.split(self.cc), "-std=c99", "-MM", "-I", str(C), str(source)], capture_output=True,
                                  text=True, check=True)
            if re.search(rf"/{re.escape(header)}\b", done.stdout):
                names.append(source.name)
        return tuple(names)

    def _compile(self, form: Form, folder: Path, source: Path, out: Path, sanitized: bool = False,
                 check: bool = False) -> bool:
        flags = SANITIZED if sanitized else FLAGS
        command = [*form.command(self.cc, flags), "-I", str(folder), "-c", str(source), "-o", str(out)]
        if check:
            subprocess.run(command, check=True)
            return True
        return _run(command).returncode == 0

    @cached_property
    def extension(self) -> Extension:  # made when it is used: Numba's kernels take seconds
        return Extension(self.folder / "extension", self.cc)

    @cached_property
    def fuzzed(self) -> Fuzzed:
        return Fuzzed(self.folder / "fuzzed", self.cc)

    # -- a mutant --

    def judge(self, mutant: Mutant, deep: bool = True) -> Verdict:
        """Runs the mutant until something notices it."""
        text = (ROOT / mutant.path).read_text()
        for name, right in TABLES.items():
            if name in text and table(text, name) != table(mutant.apply(text), name):
                return Verdict("killed" if table(text, name) == right() else "survived", "table")
        if mutant.path in PYTEST:
            verdict = self.extension.judge(mutant, text)
            if deep and verdict.what == "survived" and mutant.path in FUZZED and mutant.key not in explained():
                for target in FUZZED[mutant.path]:
                    verdict = self.fuzzed.judge(mutant, text, target) or verdict
            return verdict
        with tempfile.TemporaryDirectory(dir=self.folder) as tmp:
            folder = Path(tmp)
            shutil.copytree(C, folder / "c", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
            changed = folder / "c" / Path(mutant.path).name
            changed.write_text(mutant.apply(changed.read_text()))
            forms = [f for f in FORMS if mutant.line in self.active(f, ROOT / mutant.path)]
            survived, equal, void = [], 0, 0
            for form in forms:
                objects = self._objects(form, folder, changed)
                if objects is None:
                    void += 1
                elif not objects:
                    equal += 1
                elif not isinstance(objects, dict):
                    return objects
                else:
                    verdict = self._execute(form, folder, objects, self.vectors(mutant.path, False))
                    if verdict:
                        return verdict
                    survived.append((form, objects))
            if not survived:
                return Verdict("equal" if equal else "void" if forms else "elsewhere")
            for form, objects in survived if deep else ():
                verdict = None
                if form == survived[0][0]:
                    verdict = self._sanitize(form, folder, objects, self.vectors(mutant.path, False))
                verdict = verdict or self._execute(form, folder, objects, self.vectors(mutant.path, True))
                if verdict:
                    return Verdict(verdict.what, "deep " + verdict.by)
            return Verdict("survived", " ".join(f.name for f, _ in survived))

    def _objects(self, form: Form, folder: Path, changed: Path) -> dict[str, Path] | Verdict | None:
        """Objects that differ from the original's: empty if none does, None if they do not compile; a verdict if the harness
        alone, whose object has the primitives, gives one."""
        names = [changed.name] if changed.suffix == ".c" else self.users(changed.name)
        original, made = self.objects(form), {}
        for name in names:
            source = folder / "c" / name
            if name == self.harness.name:
                source = self.harness
            out = folder / f"{form.name}-{Path(name).stem}.o"
            if not self._compile(form, folder / "c", source, out):
                return None
            if out.read_bytes() != original[name].read_bytes():
                made[name] = out
                if name == self.harness.name:
                    verdict = self._execute(form, folder, made, self.vectors("kernels/c/fixed.h", False))
                    if verdict:
                        return verdict
        return made

    def _execute(self, form: Form, folder: Path, objects: dict[str, Path], path: Path,
                 sanitized: bool = False) -> Verdict | None:
        """Links the objects with the rest, and runs them on a file of vectors; None if nothing was noticed."""
        program = folder / "run"
        parts = {**self.objects(form, sanitized), **objects}.values()
        flags = SANITIZED if sanitized else FLAGS
        if _run([*form.command(self.cc, flags), *map(str, parts), "-o", str(program)]).returncode:
            return Verdict("killed", f"{form.name}: does not link")
        limited = f'ulimit -t {SECONDS["deep" in path.name or sanitized]}; exec "$0" "$1" part'
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        code = _run(["sh", "-c", limited, str(program), str(path)], env=environment).returncode
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return Verdict("timeout", form.name)
        return Verdict("killed", form.name + (" sanitized" if sanitized else "")) if code else None

    def _sanitize(self, form: Form, folder: Path, objects: dict[str, Path], path: Path) -> Verdict | None:
        made = {}
        for name in objects:
            out = folder / f"san-{Path(name).stem}.o"
            source = self.harness if name == self.harness.name else folder / "c" / name
            if not self._compile(form, folder / "c", source, out, sanitized=True):
                return None
            made[name] = out
        return self._execute(form, folder, made, path, sanitized=True)


class Extension:
    """The package's extension made of mutants, and the tests on it (`forks`), as many at a time as there are `jobs`."""

    def __init__(self, folder: Path, cc: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.cc, self.lock = cc, threading.Lock()
        self.link = [*shlex.split(cc), "-shared"]
        tree = Tree(folder / "right")
        shutil.rmtree(tree.root, ignore_errors=True)
        tree.copy()
        self.generate(tree)
        self.objects = {}
        for source in tree.sources():
            self.objects[source.name] = out = folder / (source.stem + ".o")
            subprocess.run(self.command(tree, source, out), check=True)
        self.right, self.tree = self.make({}, folder / "right.so"), tree
        self.idle: list[Forks] = []
        self.seconds: dict[str, int] = {}  # of processor time, until a mutant is taken for an endless loop

    def command(self, tree: Tree, source: Path, out: Path, optimize: str = "-O1") -> list[str]:
        """Compiles a source of a tree: fast, as most mutants do not live long."""
        flags = [optimize if f == "-O2" else f for f in FLAGS]
        return [*shlex.split(self.cc), *flags, "-fPIC", *(f"-I{p}" for p in tree.folders), "-I",
                sysconfig.get_path("include"), "-c", str(source), "-o", str(out)]

    def generate(self, tree: Tree) -> None:
        """Writes the extension's module, of the tree's own headers: what a header says, cffi is told too."""
        from tinyloc.kernels import build_c

        with self.lock:
            kept = build_c.C, build_c.UPDATE
            try:
                build_c.C, build_c.UPDATE = tree.root / "c", tree.root / "update"
                text = build_c.cdef()
            finally:
                build_c.C, build_c.UPDATE = kept
        builder = FFI()
        builder.cdef(text)
        source = f'{build_c.EXTRA_SOURCE}const char tl_source_digest[] = "{build_c.c_digest()}";\n'
        builder.set_source("tinyloc.kernels._c", source, py_limited_api=True)
        with contextlib.redirect_stdout(io.StringIO()):
            builder.emit_c_code(str(tree.root / "_c.c"))

    def make(self, changed: dict[str, Path], out: Path) -> Path:
        subprocess.run([*self.link, *map(str, {**self.objects, **changed}.values()), "-o", str(out)], check=True)
        return out

    @cached_property
    def script(self) -> tuple[Path, Path]:
        """tests/stream.c as an object, and scripts of every case with Python's answers."""
        import streams

        out, data = self.folder / "replay.o", self.folder / "replay.bin"
        subprocess.run(self.command(self.tree, ROOT / "tests" / "stream.c", out), check=True)
        streams.write(data, ANSWERS)
        if self._replay({}, out, data, self.folder / "replay"):
            raise SystemExit("mutants: tests/stream.c finds a difference without a mutant")
        return out, data

    def replay(self, changed: dict[str, Path], program: Path) -> bool:
        """Whether the stream gives another answer than Python's; sooner than the tests say so."""
        return self._replay(changed, *self.script, program)

    def _replay(self, changed: dict[str, Path], harness: Path, data: Path, program: Path) -> bool:
        names = {p.name for p in C.glob("*.c")}
        objects = [str(o) for n, o in {**self.objects, **changed}.items() if n in names]
        subprocess.run([*shlex.split(self.cc), str(harness), *objects, "-o", str(program)], check=True)
        return _run(["sh", "-c", 'ulimit -t 2; exec "$0" "$1"', str(program), str(data)]).returncode != 0

    def fork(self) -> Forks:
        return Forks(self.right, test_files("|".join(PYTEST.values())))

    def judge(self, mutant: Mutant, text: str) -> Verdict:
        tests = PYTEST[mutant.path]
        if tests not in self.seconds:
            verdict = self.noticed(tests, library=str(self.right))
            if verdict:
                raise SystemExit(f"mutants: a test of {mutant.path} fails without a mutant: {verdict.by}")
        if mutant.path.endswith(".py"):
            changed_text = with_what_calls(mutant.apply(text), mutant.key.split(" | ")[1])
            return (self.noticed(tests, python=[module_of(mutant.path), changed_text])
                    or Verdict("survived", "pytest"))
        with tempfile.TemporaryDirectory(dir=self.folder) as tmp:
            tree = Tree(Path(tmp))
            changed = tree.copy(mutant.path)
            changed.write_text(mutant.apply(text))
            made = self._objects(tree, changed)
            if made is None:
                return Verdict("void")
            if not made:
                return Verdict("equal")
            if mutant.path in REPLAYED and self.replay(made, Path(tmp) / "replay"):
                return Verdict("killed", "tests/stream.c")
            library = self.make(made, Path(tmp) / "mutant.so")
            verdict = self.noticed(tests, library=str(library), c=str(tree.root / "c"))
            if verdict:
                return verdict
            return Verdict("equal") if self._same(tree, made) else Verdict("survived", "pytest")

    def _objects(self, tree: Tree, changed: Path) -> dict[str, Path] | None:
        """Objects that differ from the original's; None if one does not compile."""
        if changed.suffix == ".h":
            try:
                self.generate(tree)
            except (CDefError, FFIError):
                return None
        made = {}
        for source in [changed] if changed.suffix == ".c" else tree.sources():
            out = tree.root / (source.stem + ".o")
            if changed.suffix == ".h" and (source.parent.name == "host" or "\nTL_STEP(" in source.read_text()):
                continue  # kernels take no number of these headers
            if _run(self.command(tree, source, out)).returncode:
                return None
            if out.read_bytes() != self.objects[source.name].read_bytes():
                made[source.name] = out
        return made

    def _same(self, tree: Tree, made: dict[str, Path]) -> bool:
        """Whether the objects are the same when the compiler takes more time."""
        a, b = tree.root / "a.o", tree.root / "b.o"
        for source in (s for s in tree.sources() if s.name in made):
            relative = source.relative_to(tree.root)
            subprocess.run(self.command(tree, source, a, "-O2"), check=True)
            subprocess.run(self.command(self.tree, self.tree.root / relative, b, "-O2"), check=True)
            if a.read_bytes() != b.read_bytes():
                return False
        return True

    def noticed(self, tests: str, **what: object) -> Verdict | None:
        """What the tests say of the mutant."""
        with self.lock:
            forks = self.idle.pop() if self.idle else None
        forks = forks or self.fork()
        found = forks.ask(tests=tests, seconds=self.seconds.get(tests, 600), **what)
        with self.lock:
            self.idle.append(forks)
            self.seconds.setdefault(tests, 2 + int(2 * found["seconds"]))
        if found["timeout"]:
            return Verdict("timeout", found["by"])
        return Verdict("killed", found["by"]) if found["by"] else None


class Fuzzed:
    """The programs that read bytes from anywhere, sanitized, with a mutant in them: what no answer shows may still be an
    access out of bounds."""

    def __init__(self, folder: Path, cc: str) -> None:
        self.folder, self.cc = folder, cc
        folder.mkdir(exist_ok=True)

    def _compile(self, source: Path, out: Path, tree: Tree) -> bool:
        include = [f"-I{p}" for p in (*tree.folders[:2], FUZZ)]
        command = [*shlex.split(self.cc), *fuzz.SANITIZERS, "-w", *include, "-c", str(source), "-o", str(out)]
        return _run(command).returncode == 0

    def _all(self, tree: Tree, folder: Path, target: str) -> dict[str, Path]:
        """Folder and name -> object: all of kernels/c and kernels/update, and the target's own."""
        own = [ROOT / "tests" / HARNESSES[target]] if target in HARNESSES else [FUZZ / f"{target}.c", FUZZ / "driver.c"]
        made = {}
        for source in (*sorted(tree.root.glob("[cu]*/*.c")), *own):
            part = target if source in own else source.parent.name
            made[f"{part}/{source.name}"] = out = folder / f"{part}-{source.stem}.o"
            if not out.exists() and not self._compile(source, out, tree):
                raise SystemExit(f"mutants: {source.name} does not compile with sanitizers")
        return made

    @cache  # noqa: B019
    def objects(self, target: str) -> dict[str, Path]:
        """Of the unchanged sources, made anew."""
        tree, folder = Tree(self.folder / "right"), self.folder / target
        for old in (tree.root, folder):
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir()
        tree.copy()
        return self._all(tree, folder, target)

    @cache  # noqa: B019
    def arguments(self, target: str) -> list[str]:
        """The bytes to read."""
        if target not in HARNESSES:
            paths = fuzz.write_corpus(target, self.folder / f"{target}-corpus", presets=False)
            return [str(RUNS), "1", *map(str, paths)]
        import streams
        import updates

        out = self.folder / f"{target}.bin"
        if target == "update":
            out.write_bytes(updates.payload_cases(3000))
        else:
            streams.write(out, ANSWERS)
        return [str(out)]

    def judge(self, mutant: Mutant, text: str, target: str) -> Verdict | None:
        with tempfile.TemporaryDirectory(dir=self.folder) as tmp:
            tree = Tree(Path(tmp))
            changed = tree.copy(mutant.path)
            changed.write_text(mutant.apply(text))
            objects = {**self.objects(target)}
            if changed.suffix == ".h":
                objects = self._all(tree, Path(tmp), target)
            else:
                objects[f"{changed.parent.name}/{changed.name}"] = out = Path(tmp) / "mutant.o"
                self._compile(changed, out, tree)
            program = Path(tmp) / "run"
            link = [*shlex.split(self.cc), *fuzz.SANITIZERS, *map(str, objects.values()), "-o", str(program)]
            subprocess.run(link, check=True)
            limited = 'ulimit -t 60; exec "$0" "$@"'
            environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=4"}
            code = _run(["sh", "-c", limited, str(program), *self.arguments(target)], env=environment, cwd=tmp).returncode
            if code in (-signal.SIGXCPU, -signal.SIGKILL):
                return Verdict("timeout", f"sanitized: {target}")
            return Verdict("killed", f"sanitized: {target}") if code else None


@dataclass(frozen=True)
class Tree:
    """Copies of the extension's sources, where a file can be another one; what is not copied is the checkout's."""

    root: Path

    @property
    def folders(self) -> list[Path]:
        """Where headers are, the copies first."""
        return [*(self.root / n for n in ("c", "update")), ROOT / "kernels" / "host", ROOT / "emulator"]

    def copy(self, path: str = "") -> Path:
        """Copies kernels/c and kernels/update; where the file of that path is then."""
        for name in ("c", "update"):
            shutil.copytree(C.parent / name, self.root / name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        return self.root / Path(path).relative_to("kernels") if path else self.root

    def sources(self) -> list[Path]:
        """Of the whole extension, the generated one first."""
        return [self.root / "_c.c", *sorted(self.root.glob("[cu]*/*.c")), *sorted((C.parent / "host").glob("*.c")),
                ROOT / "emulator" / "flash.c"]


# ---- verdicts and survivors ----


def explained(path: Path = EXPLAINED) -> dict[str, tuple[str, str]]:
    """Key -> (why, in which section: `equivalent` or `open`) of the survivors that are explained."""
    out: dict[str, tuple[str, str]] = {}
    kind, why = "", ""
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else (), 1):
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith(("equivalent: ", "open: ")):
            kind, why = line.split(": ", 1)
        elif line.startswith("  ") and out.get(line.strip()) is None and why:
            out[line.strip()] = (why, kind)
        else:
            raise ValueError(f"{path.name}, line {number}: expected `equivalent: why`, `open: why`, or a new key, indented")
    return out


def files(names: Sequence[str]) -> list[Path]:
    """Those of these names, or all that a hand wrote."""
    return [Path(n).resolve() for n in names] or [
        *sorted(p for p in C.glob("*.[ch]") if p.name not in GENERATED), *sorted((C.parent / "update").glob("*.[ch]")),
        C.parent / "fixed.py"]


def all_mutants(paths: Iterable[Path]) -> list[Mutant]:
    return [m for p in paths for m in (mutants_in_python if p.suffix == ".py" else mutants_of)(
        str(p.relative_to(ROOT)), p.read_text())]


def _table(rows: dict[str, Counter[str]]) -> str:
    head = ("file", "mutants", "elsewhere", "void", "equal", "killed", "timeout", "equivalent", "survived", "score")
    lines = []
    for name, c in [*sorted(rows.items()), ("all", sum(rows.values(), Counter()))]:
        caught = c["killed"] + c["timeout"]
        score = 100 * caught / max(caught + c["survived"], 1)
        lines.append((name, f"{sum(c.values()):,}", *(f"{c[k]:,}" for k in head[2:-1]), f"{score:.1f} %"))
    widths = [max(len(r[i]) for r in (head, *lines)) for i in range(len(head))]
    return "\n".join("  ".join(v.rjust(w) if i else v.ljust(w) for i, (v, w) in enumerate(zip(r, widths, strict=True)))
                     for r in (head, *lines))


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation testing of the kernels.")
    parser.add_argument("files", nargs="*", help="of kernels/ (default: all that have mutants)")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--survived", action="store_true", help="run survivors again that nothing explains")
    parser.add_argument("--only", default="", help="mutants whose key holds this text")
    parser.add_argument("--sample", type=int, default=0, help="that many of them, drawn with a fixed seed")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default: 1)")
    parser.add_argument("--cc", default="cc", help="C compiler")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants.tsv", help="verdicts")
    a = parser.parse_args()
    wanted = [m for m in all_mutants(files(a.files)) if a.only in m.key]
    if a.sample:
        wanted = random.Random(SEED).sample(wanted, min(a.sample, len(wanted)))
    if a.list:
        print("\n".join(m.key for m in wanted))
        return 0
    bench = Bench(ROOT / "build" / "mutants", a.cc)
    known = {}
    if a.out.exists():
        for line in a.out.read_text().splitlines():
            digest, what, by, key = line.split("\t")
            if digest == bench.digest(key.partition(" | ")[0]):
                known[key] = Verdict(what, by)
    reasons = explained()
    again = {k for k, v in known.items() if v.what == "survived" and k not in reasons} if a.survived else set()
    todo = [m for m in wanted if m.key not in known or m.key in again]
    print(f"{len(wanted):,} mutants, {len(todo):,} to run", flush=True)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    with a.out.open("a") as log, ThreadPoolExecutor(a.jobs) as pool:
        for m, verdict in zip(todo, pool.map(bench.judge, todo), strict=True):
            known[m.key] = verdict
            log.write(f"{bench.digest(m.path)}\t{verdict.what}\t{verdict.by}\t{m.key}\n")
            log.flush()
    rows: dict[str, Counter[str]] = {}
    bare = []
    for m in wanted:
        what = known[m.key].what
        if what == "survived" and m.key in reasons:
            what = "equivalent" if reasons[m.key][1] == "equivalent" else what
        elif what == "survived":
            bare.append(m)
        rows.setdefault(m.path.rpartition("/")[2], Counter())[what] += 1
    print(_table(rows))
    for m in bare:
        print(f"  {m.key}    [{known[m.key].by}]")
    return bool(bare)


if __name__ == "__main__":
    sys.exit(main())
