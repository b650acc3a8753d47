"""The command check."""

from __future__ import annotations

import sys

import click

from tinyloc.cli.common import JSON, NO, emit, main, table


@main.command()
@click.argument("budget", default="budget.toml", type=click.Path(dir_okay=False))
@JSON
def check(budget: str, as_json: bool) -> None:
    """Judge models by a budget file.

    BUDGET is a TOML file, budget.toml if none is named: a table [[model]] for each, with its file and any of mcu, ram,
    flash, all_in_ram, measured, model_alone, instructions, core, macro_f1, data, columns, seed and signature.  Exit code 1:
    a row is not kept.
    """
    from tinyloc.budget import read

    verdicts = [row.judge() for model in read(budget) for row in model.rows]
    rows = [["model", "row", "kept"]] + [[v.model, v.row, "yes" if v.kept else "NO"] for v in verdicts]
    lines = [table(rows), *(f"{v.model}: {v.text}" for v in verdicts if not v.kept)]
    kept = all(v.kept for v in verdicts)
    emit(as_json, {"budget": budget, "kept": kept, "rows": [v.to_dict() for v in verdicts]}, "\n".join(lines))
    if not kept:
        sys.exit(NO)
