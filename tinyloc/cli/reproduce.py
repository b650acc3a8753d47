"""The commands reproduce ...: published experiments."""

from __future__ import annotations

from typing import Any

import click

from tinyloc.cli.common import CSV, DATA_HELP, JSON, emit, main, source_of, table


@main.group()
def reproduce() -> None:
    """Repeat a published experiment, with ours beside it."""


@reproduce.command()
@click.option("--data", "data_name", default="flat", show_default=True, help=DATA_HELP)
@click.option("--out", default="paper", show_default=True, type=click.Path(file_okay=False),
              help="Folder of all models and results; a run that was stopped goes on there.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1, 1000), help="Runs, for the spread.")
@click.option("--budget", default="all", show_default=True, type=click.Choice(["32", "64", "all"]),
              help="Rows of the paper's tables, KB.")
@click.option("--epochs", type=int, help="At most so many passes over the training windows. [120; fewer for large data]")
@click.option("--teacher", "teachers", multiple=True,
              help="A preset to choose teachers from, one option each. [Mamba H32L1 to H64L1, MDCSA H32L1 and H64L1]")
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time. [one a processor]")
@click.option("--quick", is_flag=True, help="One seed and few epochs, to see that all works.")
@CSV
@JSON
def paper(data_name: str, out: str, seeds: int, budget: str, epochs: int | None, teachers: tuple[str, ...],
          jobs: int | None, quick: bool, as_json: bool, **given: Any) -> None:
    """The paper's tables by its recipe, our Programs beside it.

    That is Suwannaphong et al., Sci. Rep. 15:10081 (2025).  Adds what the paper lacks: spread over seeds, every byte of RAM
    and flash, instructions a window.
    """
    import os

    from tinyloc.paper.report import SECTIONS, departures, heading, save
    from tinyloc.paper.reproduce import TEACHERS, Settings
    from tinyloc.paper.reproduce import reproduce as run

    source = source_of(data_name, 0, given)
    del source["seed"]
    settings = Settings(source, seeds, budget, epochs, teachers or TEACHERS, quick)
    found = run(settings, out, jobs=jobs or len(os.sched_getaffinity(0)),
                say=lambda line: click.echo(line, err=True))
    parts = [f"{title}\n\n{table(make(found))}" for title, make in SECTIONS]
    emit(as_json, save(found, out), "\n\n".join([heading(found), *parts, "\n".join(f"- {n}" for n in departures(found))])
          + f"\nwritten to {out}/: results.json, results.md, a folder of models and Programs a seed")
