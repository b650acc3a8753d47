"""What a notebook shows of a Program, a model and an audit: a small table each (`_repr_html_`, IPython's protocol).

Names of data sets, rooms and buffers may come from anyone's file: all text is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinyloc.model import Model
    from tinyloc.program import Program
    from tinyloc.verify import Audit

MANY = 8  # names in a cell


def html_table(caption: str, rows: Iterable[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """A table; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in heading)
    body = "".join(f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(c)}</td>" for c in rest) + "</tr>"
                   for first, *rest in rows)
    return (f"<table><caption>{escape(caption)}</caption>" + (f"<thead><tr>{head}</tr></thead>" if head else "")
            + f"<tbody>{body}</tbody></table>")


def _names(names: Sequence[Any]) -> str:
    more = len(names) - MANY
    return ", ".join(map(str, names[:MANY])) + (f" and {more} more" if more > 0 else "")


def _trained(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of data and scores."""
    rows = []
    if "dataset" in info:
        rows.append(("data", f"{info['dataset']}{' (SIMULATED)' if info.get('simulated') else ''}"))
    if "window" in info:
        later = f", an answer {info['delay']} rows later" if info.get("delay") else ""
        rows.append(("window", f"{info['window']} rows{later}"))
    if "rooms" in info:
        rows.append(("rooms", f"{len(info['rooms'])}: {_names(info['rooms'])}"))
    score = info.get("validation_macro_f1")
    if isinstance(score, (int, float)) and score == score:
        rows.append(("macro-F1, float, validation", f"{score:.3f}"))
    return rows


def of_program(program: Program) -> str:
    """Inputs and outputs, steps, bytes of its constants and state."""
    ends = [(what, f"{b.name}: {b.dtype} {b.shape}, scale {b.scale:.4g}, zero point {b.zero_point}") for what, b in
            (("input", program.buffers[program.input]), ("output", program.buffers[program.output]))]
    count = Counter(s.op for s in program.steps)
    ops = [f"{n} × {op}" if n > 1 else op for op, n in count.items()]
    return html_table(f"Program {program.info.get('name', '')}".rstrip(), [
        *ends, ("steps", f"{len(program.steps)}: {_names(ops)}"),
        *((f"{kind}s" if kind != "state" else kind, f"{n:,} B") for kind, n in program.bytes_by_kind().items()),
        *_trained(program.info)])


def of_model(model: Model) -> str:
    """Sizes, parameters, data and scores."""
    sizes = ", ".join(f"{k} {v}" for k, v in model.config.sizes.items())
    return html_table(f"Float model {model.info.get('name', model.config.family)}", [
        ("family", model.config.family), ("sizes", sizes), ("parameters", f"{model.parameters:,}"), *_trained(model.info)])


def of_audit(audit: Audit) -> str:
    """Bytes by kind, for each way of running it; the way of less RAM is marked."""
    ways = [(f"{audit.window.steps_of_time} samples at once", audit.window)]
    if audit.stream:
        ways.append(("sample by sample", audit.stream))
    parts = (("weights", "weights"), ("tables", "tables"), ("steps", "records"), ("state", "state"),
             ("activations", "activations"), ("runner", "model"), ("flash (image)", "image"), ("RAM, image in flash", "ram"),
             ("all in RAM", "total"))
    return html_table("Bytes, code and stack apart (* less RAM)",
                      [(label, *(f"{getattr(m, name):,}" for _, m in ways)) for label, name in parts],
                      ("bytes", *(how + (" *" if m is audit.best and len(ways) > 1 else "") for how, m in ways)))
