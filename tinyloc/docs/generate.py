"""What the pages take from the sources when the site is built, so that nothing is copied by hand.

A page is Markdown with directives, each an HTML comment on a line of its own:

    <!-- readme: Figures -->          the section of README.md below that heading
    <!-- exact: srdhm rdbpot -->      these functions of tests/exact.py, and those that they need and the page has not shown
    <!-- kernel: softmax_s8 -->       an op: its formula in tinyloc.h, its arguments, its function in tests/exact.py
    <!-- kernel: rest -->             likewise, all ops without a directive of their own
    <!-- specs -->                    names and arguments of all ops, the text of which TL_ABI is a digest
    <!-- mcus -->                     the table of microcontrollers

`c-reference.md` and `commands.md` are made whole, of the C headers and of the command line.  MkDocs calls the two functions
whose names begin with `on_`.
"""

from __future__ import annotations

import ast
import html
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADERS = ("kernels/c/tinyloc.h", "kernels/update/update.h", "tinyloc/templates/src/tl_selftest.h", "kernels/c/fixed.h")
DIRECTIVE = re.compile(r"<!-- (readme|exact|kernel|specs|mcus|reasons)(?:: (.*?))? -->$", re.M)


class DocsError(Exception):
    """A directive that asks for what the sources do not have."""


# ---- C headers ----

@dataclass(frozen=True)
class Declaration:
    """Something that a header declares: its C text, the comment above it (as HTML), and what it is called."""

    names: tuple[str, ...]
    code: str
    comment: str


@dataclass(frozen=True)
class Part:
    """A part of a header, from one comment `/* ---- title ... */` to the next."""

    title: str
    comment: str
    declarations: tuple[Declaration, ...]


def prose(comment: str) -> str:
    """HTML of a C comment's text: lines are joined to paragraphs, one that is set in stays a line of its own; a paragraph
    that begins four places in is code."""
    out = []
    plain = "\n".join(re.sub(r"^ ?\*? ?", "", x).rstrip() for x in comment.strip().splitlines())
    for paragraph in re.split(r"\n\s*\n", plain):
        lines = html.escape(paragraph.strip("\n"), quote=False).split("\n")
        if lines[0].startswith("    "):
            out.append("<pre>" + "\n".join(x[4:] for x in lines) + "</pre>")
            continue
        text, listed = "", False
        for line in lines:
            item = line.startswith("  ") and not line.startswith("    ")
            text += ("<br>\n" if item or (listed and not line.startswith(" ")) else " ") * bool(text) + line.strip()
            listed = line.startswith("  ")
        out.append(f"<p>{re.sub('`(.*?)`', '<code>' + chr(92) + '1</code>', text)}</p>" if text else "")
    return "\n".join(x for x in out if x)


_CHUNK = re.compile(r"""
    /\*(?P<comment>.*?)\*/
  | (?P<define>\#define\ (?:[^\n]*\\\n)*[^\n]*)
  | \#[^\n]*                                            # other directives
  | (?P<code>\w(?:[^;{}/]|/(?!\*)|/\*.*?\*/)+?(?:;|\{))   # a declaration, or the head of what has a body
""", re.S | re.X)


def _body(text: str, at: int) -> int:
    """The place after the brace that closes the one before `at`; braces in comments do not count."""
    depth = 1
    for m in re.compile(r"/\*.*?\*/|[{}]", re.S).finditer(text, at):
        depth += {"{": 1, "}": -1}.get(m[0], 0)
        if not depth:
            return m.end()
    raise DocsError("a brace of a header is never closed")


def _names(code: str) -> tuple[str, ...]:
    """What a declaration is about: a function, a type, constants, a macro."""
    bare = re.sub(r"/\*.*?\*/", "", code, flags=re.S)
    if m := re.match(r"#define (\w+)", bare):
        return (m[1],)
    if bare.startswith("enum"):
        return tuple(re.findall(r"\b(TL_\w+)\b(?=\s*(?:=[^,}]*)?[,}])", bare))
    for form in (r"\}\s*(\w+)\s*;$", r"\(\*\s*(\w+)\)\(", r"(\w+)(?:\[\w*\])?\s*;$", r"\b(tl_\w+)\("):
        if m := re.search(form, bare.strip()):
            return (m[1],)
    return ()


def parts(header: str) -> list[Part]:
    """What a header declares, in its order.  A declaration without a comment of its own has that of the one above it, unless
    an empty line parts them."""
    text = (ROOT / header).read_text(encoding="utf-8")
    found: list[tuple[str, str, list[Declaration]]] = [("", "", [])]
    comment, at, end = "", 0, 0
    while m := _CHUNK.search(text, at):
        blank, at = "\n\n" in text[end : m.start()], m.end()
        if m["comment"] is not None:
            title = re.match(r"\s*---- (.*?) ----(.*)", m["comment"], re.S)
            same_line = "\n" not in text[end : m.start()] and m.start() > 0
            if title:
                found.append((title[1], prose(title[2]), []))
                comment = ""
            elif not same_line:  # else it belongs to what stands before it
                comment = prose(m["comment"])
                if m.start() == 0:
                    found[0] = ("", comment, [])
                    comment = ""
            end = at
            continue
        code = m["define"] or m["code"]
        if code is None:  # a directive in a comment's reach ends it
            end = at
            continue
        comment = "" if blank and not text[: m.start()].rstrip().endswith("*/") else comment
        code = code.strip()
        if code.endswith("{"):
            at = _body(text, m.end())
            if code.startswith(("enum", "typedef")):
                at = text.index(";", at) + 1
                code = text[m.start() : at].strip()
            elif code.startswith("extern"):  # "C" {
                at, code = m.end(), ""
            else:
                code = code[:-1].strip() + ";"
        end = at
        tail = re.match(r" */\*(.*?)\*/", text[at:], re.S)
        if m["define"] is None and tail and "\n" not in tail[0]:
            code += " " + tail[0].strip()
        names = _names(code)
        if names and not names[0].endswith("_H"):
            found[-1][2].append(Declaration(names, code, comment))
    return [Part(t, c, tuple(d)) for t, c, d in found if d or c]


def declaration(name: str) -> Declaration:
    """That of a function in tinyloc.h.  Raises DocsError."""
    for part in parts(HEADERS[0]):
        for d in part.declarations:
            if name in d.names:
                return d
    raise DocsError(f"{HEADERS[0]} has no {name}")


def _declared(d: Declaration) -> str:
    names = ", ".join(f"`{n}`" for n in d.names[:4]) + (" …" if len(d.names) > 4 else "")
    return f"### {names}\n\n```c\n{d.code}\n```\n\n{d.comment}\n"


def c_reference() -> str:
    """The page of all that the C headers declare."""
    out = ["# C reference", "Made from the headers when this site is built: their declarations, their comments.\n"]
    for header in HEADERS:
        if not (ROOT / header).is_file():
            continue
        seen = set[tuple[str, ...]]()
        for i, part in enumerate(p for p in parts(header) if p.declarations or p.comment):
            if i == 0:
                out += [f"## {header}", part.comment]
            else:
                out += [f"## {header}: {part.title}", part.comment]
            # Ops of one comment: it stands below the last of them.
            for d, after in zip(part.declarations, [*part.declarations[1:], None], strict=False):
                shared = after is not None and after.comment == d.comment and d.comment
                if d.names not in seen:  # the first of the forms that differ by core
                    out.append(_declared(Declaration(d.names, d.code, "" if shared else d.comment)))
                seen.add(d.names)
    return "\n\n".join(out)


# ---- the command line ----

def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def _command(path: list[str], command: Any, parent: Any) -> Iterator[str]:
    import click

    context = click.Context(command, info_name=path[-1], parent=parent)
    if isinstance(command, click.Group):
        if len(path) > 1:
            yield f"## {' '.join(path)}\n\n{html.escape(command.help or '', quote=False)}"
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _command([*path, name], child, context)
        return
    yield f"## {' '.join(path)}"
    yield html.escape(re.sub(r"^ +", "", command.help or "", flags=re.M), quote=False).replace("*", "\\*")
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    rows = [r for p in command.params if isinstance(p, click.Option) and (r := p.get_help_record(context))]
    yield "\n".join(["| option | what it does |", "|---|---|", *(f"| `{a}` | {_cell(b)} |" for a, b in rows)])


def commands() -> str:
    """The page of all commands, with their help."""
    from tinyloc.cli import main

    head = ("# Commands\n\nMade from the command line itself when this site is built: what `tinyloc COMMAND --help` says. "
            "With `--json` a command prints one object, for machines. Exit code 0 means yes, 1 no, 2 bad input.")
    return "\n\n".join([head, *_command(["tinyloc"], main, None)])


# ---- tests/exact.py ----

class Exact:
    """The definitions of tests/exact.py, given out once each: what is asked for and all that it needs."""

    def __init__(self) -> None:
        text = (ROOT / "tests" / "exact.py").read_text(encoding="utf-8")
        lines, tree = text.splitlines(), ast.parse(text)
        self.code: dict[str, str] = {}
        self.needs: dict[str, set[str]] = {}
        imports: list[str] = []
        for node in tree.body:
            start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            code = "\n".join(lines[start - 1 : node.end_lineno])
            code = re.sub(r" +# type: ignore(\[[\w-]+\])?$", "", code, flags=re.M)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if getattr(node, "module", "") != "__future__":
                    imports.append(code)
                continue
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            for name in self._defines(node):
                self.code[name], self.needs[name] = code, used
        self.imports, self.shown = "\n".join(imports), set[str]()

    @staticmethod
    def _defines(node: ast.stmt) -> list[str]:
        if isinstance(node, ast.FunctionDef):
            return [node.name]
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]

    def take(self, names: list[str]) -> str:
        """A block of code, in the order of the file; empty where the page has it all."""
        wanted, todo = set[str](), list(names)
        while todo:
            name = todo.pop()
            if name not in self.code:
                raise DocsError(f"tests/exact.py defines no {name}")
            if name not in wanted | self.shown:
                wanted.add(name)
                todo += [n for n in self.needs[name] if n in self.code]
        blocks = list(dict.fromkeys(code for name, code in self.code.items() if name in wanted))
        head = [self.imports] if not self.shown else []
        self.shown |= wanted
        text = ""
        for before, block in zip(["", *head, *blocks], [*head, *blocks], strict=False):
            functions = any(x.startswith(("def ", "@")) for x in (before, block))
            text += "\n" * bool(text and (functions or before == self.imports)) + block + "\n"
        return f'```python title="tests/exact.py"\n{text}```\n' if blocks else ""


# ---- directives ----

def readme(heading: str) -> str:
    """The body of a section of README.md; links to files become their names.  Raises DocsError."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    m = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.S | re.M)
    if not m:
        raise DocsError(f"README.md has no section {heading!r}")
    body = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", m[2])
    return re.sub(r"^(#+) ", lambda h: "#" * max(len(h[1]), 3) + " ", body, flags=re.M).strip()


def specs() -> str:
    """Names and arguments of all ops as Python's text: a line an op, in the order of their numbers."""
    from tinyloc.kernels.table import OPS

    lines = "\n".join(f"{o.name} {' '.join(o.spec.split())}" for o in OPS.values())
    if lines != "\n".join(f"{o.name} {o.spec}" for o in OPS.values()):
        raise DocsError("a spec has more than one blank between two words: the page's digest would not be TL_ABI")
    return f'```python title="SPECS"\nSPECS = """\\\n{lines}"""\n```'


def _range(r: Any) -> str:
    return f"{r.low} to {r.high}" if r.high is not None else f"{r.low} or more"


def kernel(name: str, exact: Exact) -> str:
    """An op's section."""
    from tinyloc.kernels.table import OPS

    if name not in OPS:
        raise DocsError(f"there is no op {name!r}")
    op, d = OPS[name], declaration(f"tl_{name}")
    rows = ["| argument | role | type | elements, or what it may be |", "|---|---|---|---|"]
    for p in op.params:
        ranges = "; ".join((f"first {r.count}: " if r.count else "") + _range(r) for r in p.ranges)
        what = "; ".join(x for x in (p.size, f"each {ranges}" if p.size and ranges else ranges) if x)
        rows.append(f"| `{p.name}` | {p.role} | {p.dtype} | {_cell(what) or 'any'} |")
    extra = [f"Also: {_cell(r.expression)} is {' and '.join(map(_range, r.ranges))}." for r in op.relations]
    facts = [f"It streams: {'yes' if op.streams else 'no'}."]
    if op.in_place:
        facts.append(f"`{op.params[0].name}` may be the very bytes of {' or '.join(f'`{x}`' for x in op.in_place)}.")
    facts.append("Distance from float64, in places of what it writes: at most "
                 f"{', '.join(f'{t:.3g}' for t in op.tolerance)} ({_cell(op.bound)}).")
    return "\n\n".join([d.comment, "\n".join(rows), " ".join([*extra, *facts]), exact.take([name])])


def mcus() -> str:
    """The microcontrollers of emulator/mcu.py."""
    from tinyloc.emulator.mcu import MCUS

    def size(n: int) -> str:
        return f"{n // 1024} KiB" if n % 1024 == 0 else f"{n} B"

    rows = [f"| {m.name} | {m.core} | {size(m.ram_bytes)} | {size(m.flash_bytes) if m.flash_bytes else '-'} | "
            f"{m.clock_hz / 1e6:g} MHz | {m.no_build and 'no: ' + m.no_build} |" for m in MCUS.values()]
    return "\n".join(["| part | core | RAM | flash | clock | a build |", "|---|---|---|---|---|---|", *rows])


def reasons() -> str:
    """Why an answer of a stream is unknown: the enumeration of the runner's header, and what `tinyloc run` calls each."""
    from tinyloc.stream import REASONS

    header = (ROOT / HEADERS[0]).read_text(encoding="utf-8")
    listed = header.partition("enum {\n    TL_ROOM,")[2].partition("};")[0]
    found = re.findall(r"^ +(TL_\w+),? +/\* (.*?) \*/$", listed, re.M)
    if len(found) != len(REASONS) - 1:
        raise DocsError(f"{HEADERS[0]}: {len(found)} reasons of an unknown answer; expected {len(REASONS) - 1}")
    rows = [f"| {i} | `{name}` | {REASONS[i]} | {text} |" for i, (name, text) in enumerate(found, 1)]
    return "\n".join(["| number | in C | on the host | |", "|---|---|---|---|", *rows])


def expand(text: str) -> str:
    """A page with its directives replaced.  Raises DocsError."""
    from tinyloc.kernels.table import OPS

    exact = Exact()
    own = {m[2] for m in DIRECTIVE.finditer(text) if m[1] == "kernel"}

    def rest() -> str:
        return "\n\n".join(f"### `{n}`\n\n{kernel(n, exact)}" for n in OPS if n not in own)

    made: dict[str, Callable[[str], str]] = {
        "readme": readme, "exact": lambda names: exact.take(names.split()), "specs": lambda _: specs(),
        "kernel": lambda name: rest() if name == "rest" else kernel(name, exact), "mcus": lambda _: mcus(),
        "reasons": lambda _: reasons()}
    return DIRECTIVE.sub(lambda m: made[m[1]](m[2] or ""), text)


# ---- MkDocs ----

def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that are made whole."""
    File = importlib.import_module("mkdocs.structure.files").File  # of the extra docs; no type checker has to have it
    for name, make in (("c-reference.md", c_reference), ("commands.md", commands)):
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page's directives."""
    return expand(markdown)
