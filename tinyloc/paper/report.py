"""The tables of a reproduction: the paper's in its own layout, its printed figures below ours, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from tinyloc.files import json_text, write_atomic
from tinyloc.paper.figures import CITE, COLUMNS, SETS, SHAPES, Printed, printed
from tinyloc.paper.reproduce import CORE, Results, Row

Table = list[list[str]]
BYTES = (("weights", "weights"), ("tables", "tables"), ("steps", "records"), ("flash", "image"), ("state", "state"),
         ("activations", "activations"), ("runner", "model"), ("stack", "stack"), ("RAM", "ram"), ("all in RAM", "total"))


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation, in percent of shares; without the latter for one value."""
    mean = f"{100 * fmean(values):.1f}"
    return mean if len(values) < 2 else f"{mean}±{100 * pstdev(values):.1f}"


def _cell(scores: Iterable[dict[str, float]]) -> str:
    found = list(scores)
    return f"{spread([s['macro_f1'] for s in found])} {spread([s['accuracy'] for s in found])}"


def _printed(results: Results, row: Row) -> Printed | None:
    return next((p for p in printed() if p.data == results.beside[0] and p.preset == row.preset), None)


def _beyond(row: Row, kb: float) -> str:
    """The paper's star for a size beyond the budget."""
    return "*" if row.budget.startswith("<") and round(kb) >= int(row.budget[1:]) else ""


def theirs(results: Results) -> Table:
    """A row: budget in KB, model, parameters; a cell a column: macro-F1 and accuracy in %, KB of the checkpoint.

    Below each the figures that the paper prints for this model.
    """
    table: Table = [["KB", "model", "params", *COLUMNS]]
    for row in results.rows:
        found = results.of(row)
        cells = []
        for column in COLUMNS:
            kb = results.kilobytes(row, column)
            cells.append(f"{_cell(s['theirs'][column] for s in found)} {kb:.0f}{_beyond(row, kb)}")
        table.append([row.budget, row.preset, f"{found[0]['parameters']:,}", *cells])
        if paper := _printed(results, row):
            cells = [f"{f1:.1f} {acc:.1f} {kb:.0f}{_beyond(row, kb)}" for f1, acc, kb in paper.columns.values()]
            table.append(["", f"(paper, {paper.data})", f"{paper.parameters:,}", *cells])
    return table


def ours(results: Results) -> Table:
    """A row a model: macro-F1 and accuracy in % of integer Programs, and what integers cost in points of F1."""
    table: Table = [["KB", "model", *results.columns, "int8 - float"]]
    for row in results.rows:
        found = results.of(row)
        lost = [s["ours"]["int8"]["macro_f1"] - s["theirs"]["baseline"]["macro_f1"] for s in found]
        shown = spread(lost)
        table.append([row.budget, row.preset, *(_cell(s["ours"][c] for s in found) for c in results.columns),
                      shown if shown.startswith("-") else f"+{shown}"])
    return table


def _largest(results: Results, row: Row) -> dict[str, Any]:
    """Of a row's Programs, of all seeds and columns, that which takes the most bytes."""
    programs: list[dict[str, Any]] = [s["ours"][c] for s in results.of(row) for c in results.columns]
    return max(programs, key=lambda p: (p["memory"]["total"], p["instructions"] or 0))


def memory(results: Results) -> Table:
    """A row a model: bytes of the largest of its Programs by part, and instructions a window; "-" where not counted."""
    table: Table = [["KB", "model", *(label for label, _ in BYTES), "code", "instructions"]]
    for row in results.rows:
        p = _largest(results, row)
        values = [*(p["memory"][key] for _, key in BYTES), p["code"], p["instructions"]]
        table.append([row.budget, row.preset, *("-" if v is None else f"{v:,}" for v in values)])
    return table


def heading(results: Results) -> str:
    """One line: data, seeds, windows."""
    s = results.settings
    windows = sorted({x["windows"] for x in results.scores})
    simulated = " (SIMULATED: no radio was involved)" if results.simulated else ""
    return (f"{results.data}{simulated}, {results.aps} access points, {results.rooms} rooms, {s['seeds']} "
            f"seed{'s' if s['seeds'] > 1 else ''}, {s['epochs']} epochs at most, "
            f"{' to '.join(dict.fromkeys(f'{n:,}' for n in (windows[0], windows[-1])))} test windows"
            + ("; QUICK, not the paper's experiment" if s["quick"] else ""))


def departures(results: Results) -> list[str]:
    """How this run differs from the paper's, or had to choose what it does not say."""
    letter, same = results.beside
    aps, rooms = SHAPES[letter]
    other = "" if (aps, rooms) == (results.aps, results.rooms) else (
        f", but {results.aps} access points and {results.rooms} rooms where the paper has {aps} and {rooms}")
    chosen = sorted({t for s in results.scores for t in s["teachers"]["distilled"]})
    notes = [
        f"(paper): {CITE}, one run, " + (
            f"the same data{other}" if same else f"its {SETS[letter]}: other data, and no measure of what is above it"),
        "spread: standard deviation over seeds, each with a split, initial weights and order of its own",
        "the paper names no optimizer, learning rate, epochs or seeds: AdamW, warm-up and cosine, the epoch of the best "
        "validation F1; validation is held out in whole blocks of time or groups of people, test rows play no part",
        "scored is the last step of a window that ends at each test row; the paper does not say which steps it scores; "
        "Mambas that are tuned or late are scored as firmware runs them, sample by sample, the state carried on",
        "distilled: alpha 0.1, L_D the likelihood of the teacher's best path: the paper's cross-entropy of two hard classes "
        f"has no gradient; the teacher is that of the best validation F1 among {', '.join(results.settings['teachers'])}, "
        f"of the student's family and larger (chosen: {', '.join(chosen)}); the paper's have up to 9.8 million parameters",
        "static: LLM.int8() as in bitsandbytes, threshold 6; dynamic: PyTorch's quantize_dynamic; both of nn.Linear alone, "
        "computed as these libraries do, a window a call",
        "KB: 1,000 bytes of the checkpoint file that PyTorch would write, *: beyond the budget; within 1 KB of 71 of the 77 "
        "sizes that the paper prints, not of its dynamic Mambas on UJIIndoorLoc (up to 37 KB less)",
        "the last convolution of an MDCSA of one width has stride 1: the paper's count of parameters has it, a stride of 3 "
        "would leave a third of the steps",
    ]
    late = [p["delay"] for s in results.scores for c, p in s["ours"].items() if c.startswith("late")]
    notes.append(
        "tuned: our settings (augmentation and what else `tinyloc train --tuned` says), at the end on training and "
        "validation rows together; QAT: trained on as integers" + (
            f"; late: the answer for a row comes {late[0]} rows after it, which is another task than the columns beside it "
            "(the paper does not say which row of a window its label is of)" if late else ""))
    if any(program["instructions"] is None for s in results.scores for program in s["ours"].values()):
        notes.append("stack, code and instructions need the extra mcu: pip install 'tinyloc[mcu]', then the same command")
    return notes


SECTIONS = (
    ("The paper's recipe: macro-F1 %, accuracy %, KB of the checkpoint", theirs),
    ("Ours: integers only; macro-F1 %, accuracy % of the same float models, and of those that we train otherwise", ours),
    ("Ours: bytes of the largest Program; RAM: state, activations with scratch, runner, the stack's bound; all in RAM: with "
     f"flash; code apart; instructions of a window on a {CORE}", memory),
)


def markdown(results: Results) -> str:
    """All of it as a Markdown document."""
    parts = [f"# {heading(results)}"]
    for title, make in SECTIONS:
        head, *body = make(results)
        lines = ["| " + " | ".join(r) + " |" for r in (head, ["---"] * len(head), *body)]
        parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join([*parts, "\n".join(f"- {n}" for n in departures(results))]) + "\n"


def save(results: Results, out: str | Path) -> dict[str, Any]:
    """Writes `results.json` and `results.md` to the folder `out`; what the former holds."""
    facts = {**results.to_dict(), "departures": departures(results)}
    write_atomic(Path(out) / "results.json", json_text(facts, indent=1))
    write_atomic(Path(out) / "results.md", markdown(results))
    return facts
