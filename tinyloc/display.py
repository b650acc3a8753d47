"""What a notebook shows of a model, a Program and an audit: one table each, plain HTML without styles or scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinyloc.program import Program
    from tinyloc.verify import Audit

#: Rows of an audit: heading, attribute of `tinyloc.verify.Memory`.
MEMORY = (("weights", "weights"), ("tables", "tables"), ("steps", "records"), ("state", "state"),
          ("activations", "activations"), ("runner", "model"), ("flash (image)", "image"), ("RAM, image in flash", "ram"),
          ("all in RAM", "total"))

#: What `tl_stream` takes beside it: heading, attribute of `tinyloc.verify.Beside`.
BESIDE = (("stream: heard", "heard"), ("stream: window", "window"), ("stream: variables", "stream"),
          ("stream: input's constants", "scaler"), ("stream: names", "names"))


def four_bits(names: Sequence[str]) -> str:
    """What is said beside "int8" of a Program with weights of four bits, of their buffers' names; "" of one without."""
    return f"int4 weights in {len(names)} linear layer{'s' * (len(names) > 1)}" if names else ""


def table(caption: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; the first column heads the rows, all text is escaped."""
    def row(cells: Sequence[str], scope: str = "") -> str:
        head, *rest = (escape(str(c)) for c in cells)
        return (f"<tr>{''.join(f'<th scope=col>{c}</th>' for c in (head, *rest))}</tr>" if scope else
                f"<tr><th scope=row>{head}</th>{''.join(f'<td>{c}</td>' for c in rest)}</tr>")

    return (f"<table><caption>{escape(caption)}</caption><thead>{row(heading, 'col')}</thead>"
            f"<tbody>{''.join(row(r) for r in rows)}</tbody></table>")


def of_audit(audit: Audit, caption: str = "bytes, code and stack apart") -> str:
    """Both ways of running a Program side by side."""
    ways = [(f"{m.steps_of_time} samples at once" if m is audit.window else "sample by sample", m)
            for m in (audit.window, audit.stream) if m]
    return table(caption, ["bytes", *(name for name, _ in ways)],
                 [[label, *(f"{getattr(m, name):,}" for _, m in ways)] for label, name in MEMORY])


def of_program(program: Program) -> str:
    """What it was made from, and its audit."""
    from tinyloc.verify import audit

    info = program.info
    parts = [f"int8 Program of {info.get('name', 'a model')}", *filter(None, [four_bits(program.four_bits)]),
             f"{len(program.steps)} steps"]
    if "rooms" in info:
        parts.append(f"{len(info['rooms'])} rooms")
    if "dataset" in info:
        parts.append(f"{info['dataset']}{' (SIMULATED)' if info.get('simulated') else ''}")
    return of_audit(audit(program), ", ".join(parts))


def of_model(family: str, sizes: Mapping[str, Any], parameters: int, info: Mapping[str, Any]) -> str:
    """Its sizes and scores."""
    rows = [[name, f"{value}"] for name, value in {**sizes, "parameters": f"{parameters:,}"}.items()]
    for name, score in (("macro-F1 on validation", info.get("validation_macro_f1")),
                        ("macro-F1 on test", info.get("test", {}).get("macro_f1"))):
        if score is not None:
            rows.append([name, f"{score:.3f}"])
    data = f", {info['dataset']}{' (SIMULATED)' if info.get('simulated') else ''}" if "dataset" in info else ""
    return table(f"float model {info.get('name', family)}{data}", ["", family], rows)
