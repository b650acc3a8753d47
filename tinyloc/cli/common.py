"""What commands share: the group that they belong to, options, how data and Programs are found, tables and bars."""

from __future__ import annotations

import csv
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyloc import __version__
from tinyloc.display import MEMORY
from tinyloc.errors import BrokenError, ChangedWarning, ConfigError, TinylocError, unknown

if TYPE_CHECKING:
    from tinyloc.data import Augmentation, Dataset
    from tinyloc.distill import Distillation
    from tinyloc.emulator.mcu import Mcu
    from tinyloc.program import Program
    from tinyloc.train import Epoch, Progress
    from tinyloc.tuned import Tuned

NO, BAD = 1, 2
UNNAMED = frozenset({"csv_time", "csv_room", "csv_rssi", "csv_motion"})  # columns: a heading may have one without a name


class Command(click.Command):
    """Refuses an option or argument of no text: the unset variable of a script is not the option left out."""

    def invoke(self, ctx: click.Context) -> Any:
        for p in self.params:
            value = ctx.params.get(p.name or "")
            if p.name not in UNNAMED and "" in (value if isinstance(value, tuple) else (value,)):
                name = p.opts[0] if isinstance(p, click.Option) else p.human_readable_name
                raise ConfigError(f"{name}: is empty; expected a value")
        return super().invoke(ctx)


class Group(click.Group):
    """Turns errors that a user caused into one line and exit code 2."""

    command_class = Command
    group_class = type  # of groups below: this one

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", ChangedWarning)
                warnings.showwarning = _show(warnings.showwarning)
                return super().invoke(ctx)
        except BrokenError as e:
            click.echo(f"tinyloc: no: {e}", err=True)
            sys.exit(NO)
        except TinylocError as e:
            click.echo(f"tinyloc: {e}", err=True)
            sys.exit(BAD)
        except KeyboardInterrupt:
            click.echo("tinyloc: interrupted", err=True)
            sys.exit(130)


def _show(otherwise: Callable[..., None]) -> Callable[..., None]:
    """What shows warnings: in one line those that are for users, `otherwise` the others."""
    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, ChangedWarning):
            click.echo(f"note: {message}", err=True)
        else:
            otherwise(message, category, *where)

    return show


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tinyloc")
def main() -> None:
    """Does an indoor-localization model run on a microcontroller exactly, within its RAM, and how fast?

    Exit code 0 means yes, 1 no, 2 bad input.
    """


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator of several, which then stand in the help in this order."""
    def wrap(f: Any) -> Any:
        for d in reversed(decorators):
            f = d(f)
        return f

    return wrap


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ConfigError(f"{param.opts[0]} {value:g}: expected a finite number, as the file has it")
    return value


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for machines.")
SEED = click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1),
                    help="Of the split, the simulated house and the training.")
CSV = options(
    click.option("--time", "csv_time", help="CSV: column of seconds. [time]"),
    click.option("--room", "csv_room", help="CSV: column of rooms. [room]"),
    click.option("--rssi", "csv_rssi", multiple=True,
                 help="CSV: column of dBm, or a prefix such as 'ap*'; may be given several times. [rssi_*]"),
    click.option("--motion", "csv_motion", multiple=True,
                 help="CSV: column of an accelerometer's deviation in mg over a row, or a prefix; again for more."),
    click.option("--session", "csv_session", help="CSV: column that names the recording."),
    # A tab is hard to type in a shell, and a backslash and a t are no delimiter.
    click.option("--delimiter", "csv_delimiter", callback=lambda _ctx, _param, value: "\t" if value == r"\t" else value,
                 help=r"CSV: what separates fields; '\t' is a tab. [,]"),
    click.option("--not-heard", "csv_not_heard", type=float, callback=_finite,
                 help="CSV: number that stands for not heard, such as 100."),
    click.option("--window", "csv_window", type=int, help="CSV: rows a window. [20]"),
    click.option("--hop", "csv_hop", type=int, help="CSV: rows from one window to the next. [10]"),
    click.option("--house", help="byrne: the house, A to D. [A]"),
    click.option("--split", help="ujiindoorloc: groups (whole people and phones held out) or random. [groups]"),
)
INPUTS = options(
    click.option("--balance", type=float,
                 help="1: every room counts as much as any other, however seldom it occurs. [0]"),
    click.option("--signal", help="What inputs are made of dBm: minmax, an access point's own range; or powed. [minmax]"),
    click.option("--power", type=float, help="Of powed: above 1, differences of strong signals count for more. [2]"),
    click.option("--least", type=int,
                 help="Training rows in which an access point must be heard to be listened to. [1]"),
    click.option("--delay", type=int, help="Rows by which the answer may lag. [0]"),
    click.option("--use-motion", help="Read the data's motion channels: on, off, or auto: where validation gains. [auto]"),
    click.option("--augment", multiple=True, metavar="KIND=AMOUNT",
                 help="Change training windows at random: offset, noise, deaf (dB), gain, lost, dead, motion (shares); "
                      "again for more."),
    click.option("--refit", is_flag=True,
                 help="In the end train anew on training and validation rows, as long as was best."),
)
TEACHERS = options(
    click.option("--teacher", "teachers", multiple=True, type=click.Path(dir_okay=False),
                 help="A float model to learn from too (again for more: their mean counts)."),
    click.option("--alpha", type=float, help="With --teacher: share of the loss that the labels have. [0.5]"),
    click.option("--temperature", type=float, help="With --teacher: above 1, its second choices count for more. [2]"),
    click.option("--hard", is_flag=True, help="With --teacher: its best paths are taken for labels, as in the paper."),
    click.option("--beta", type=float, help="With --teacher: weight of predicting what its head reads. [0]"),
    click.option("--neighbors", type=float, metavar="SHARE",
                 help="A teacher too: the vote of the training rows most like a row has this share, --teacher the rest; "
                      "1 needs no --teacher. [0]"),
)
RESUME = click.option("--resume/--no-resume", default=True, show_default=True,
                      help="Go on from OUT.checkpoint where a killed run left one.")
MISSING = click.option("--missing", default="refuse", show_default=True, type=click.Choice(["refuse", "silent"]),
                       help="Access points that a model hears and the data lack: silent counts them as not heard.")
DATA_HELP = "Data set (see `tinyloc data`) or the path of a CSV file."


def source_of(data: str, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    """What `load_source` needs, JSON-able: name or absolute path, seed, options."""
    columns = {k[4:]: list(v) if isinstance(v, tuple) else v for k, v in given.items()
               if k.startswith("csv_") and v not in (None, ())}
    chosen = {k: given[k] for k in ("house", "split") if given.get(k) is not None}
    path = Path(data).expanduser()
    return {"data": str(path.resolve()) if path.is_file() else data, "seed": seed, "columns": columns, **chosen}


def load_source(source: dict[str, Any]) -> Dataset:
    """The data set that `source_of` describes."""
    from tinyloc.data import load_source as load

    return load(source)


def own_source(info: Any, data: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The data that the user names, else that which the model was trained on; with the options that are given.  Of another
    CSV file, the model's own access points are the columns of dBm, unless the user or their names say which are."""
    own = dict(info.get("source", {}))
    if data is None and not own:
        raise ConfigError("the model does not say which data it was trained on; name them with --data")
    seed = own.get("seed", 0) if given.get("seed") is None else given["seed"]
    asked = source_of(own["data"] if data is None else data, seed, given)
    if asked["data"] != own.get("data"):
        heading = [] if "rssi" in asked["columns"] else csv_heading(asked["data"], asked["columns"].get("delimiter", ","))
        hears = [a for a in info.get("aps", ()) if a in heading and a not in info.get("motion", ())]
        if hears and not any(h.startswith("rssi_") for h in heading):  # else the reader's own default
            asked["columns"]["rssi"] = hears
        return asked
    whole = {**own, **asked, "columns": {**own["columns"], **asked["columns"]}}
    if whole != own:
        whole.pop("rows_sha256", None)  # another split or other columns were asked for
    return whole


def csv_heading(path: str | Path, delimiter: str) -> list[str]:
    """Names of a CSV file's columns; none where it is no such file, which loading it says."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as f:
            rows = ([h.strip() for h in row] for row in csv.reader(f, delimiter=delimiter))
            return next((row for row in rows if any(row)), [])
    except (OSError, ValueError, TypeError, csv.Error):
        return []


def distillation_of(given: Mapping[str, Any]) -> Distillation | None:
    """What `TEACHERS` say, None without a teacher."""
    from tinyloc.distill import Distillation

    how = {name: given[name] for name in ("alpha", "temperature", "hard", "beta", "neighbors")}
    if not how["hard"]:
        how["hard"] = None
    elif how["temperature"] is None:
        how["temperature"] = 1.0
    chosen = {k: v for k, v in how.items() if v is not None}
    taught = given["teachers"] or given["neighbors"]
    if chosen and not taught:
        raise ConfigError(f"--{next(iter(chosen))} says how to learn from a teacher; expected --teacher or --neighbors")
    return Distillation(**chosen) if taught else None


def read_program(path: str) -> Program:
    """That of a file."""
    from tinyloc.program import Program

    return Program.load(path)


def part(chip: Mcu) -> str:
    """Which microcontroller was meant: a name may be the beginning of one."""
    from tinyloc.emulator.mcu import format_size

    return (f"{chip.name}: {chip.core}, {format_size(chip.ram_bytes)} of RAM, "
            f"{format_size(chip.flash_bytes) + ' of flash' if chip.flash_bytes else 'external flash'}")


def table(rows: list[list[str]]) -> str:
    """Aligned columns below a heading; numbers to the right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    numeric = [all(r[i].replace(",", "").replace(".", "").lstrip("-+").isdigit() or r[i] in ("", "-") for r in rows[1:])
               for i in range(len(rows[0]))]

    def line(r: list[str]) -> str:
        return "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(r, widths, numeric, strict=True)).rstrip()

    return "\n".join([line(rows[0]), "  ".join("-" * w for w in widths), *map(line, rows[1:])])


def emit(as_json: bool, facts: dict[str, Any], text: str) -> None:
    """Prints one or the other."""
    from tinyloc.files import json_text

    click.echo(json_text(facts, indent=2) if as_json else text)


def inputs_of(given: Mapping[str, Any], start: Tuned | None = None) -> dict[str, Any]:
    """What `INPUTS` say, `balance` apart: keywords of `train.fit`; what they do not say is as in `start`."""
    from dataclasses import replace

    from tinyloc.train import Inputs

    names = {"signal": "signal", "power": "power", "least": "least", "delay": "delay", "use_motion": "motion"}
    chosen = {name: given[option] for option, name in names.items() if given[option] is not None}
    augmentation = augmentation_of(given["augment"])
    return {"inputs": replace(start.inputs if start else Inputs(), **chosen),
            "augmentation": augmentation or (start.augmentation if start else None),
            "refit": given["refit"] or bool(start and start.refit)}


def augmentation_of(pairs: tuple[str, ...]) -> Augmentation | None:
    """That of pairs such as offset=4, None without any."""
    from dataclasses import fields

    from tinyloc.data import Augmentation

    amounts = {}
    for pair in pairs:
        kind, _, amount = pair.partition("=")
        known = [f.name for f in fields(Augmentation)]
        if kind not in known:
            raise unknown("augmentation", kind, known)
        if kind in amounts:
            raise ConfigError(f"augmentation {kind!r}: given twice; expected one amount")
        try:
            amounts[kind] = float(amount)
        except ValueError:
            raise ConfigError(f"augmentation {pair!r}: expected {kind}=NUMBER") from None
    return Augmentation(**amounts) if amounts else None


def lazy_bar(label: str, quiet: bool, show: Callable[[Any, Any], None]
             ) -> tuple[Callable[[Any], None] | None, Callable[[], None]]:
    """(a callback that has `show` draw an event on the bar, what ends the bar); none where nobody sees it grow.  The bar is
    made at the first event, which says `of` how many it is."""
    if quiet or not sys.stderr.isatty():
        return None, lambda: None
    bar: Any = None

    def draw(event: Any) -> None:
        nonlocal bar
        if bar is None:
            bar = click.progressbar(length=event.of, label=label, file=sys.stderr, show_pos=True, width=24,
                                    item_show_func=lambda s: s)
            bar.__enter__()
        show(bar, event)

    def end() -> None:
        if bar is not None:
            bar.__exit__(None, None, None)

    return draw, end


def progress_bar(label: str, quiet: bool) -> tuple[Progress | None, Callable[[], None]]:
    """(a callback for each epoch, what ends the bar), as `lazy_bar` has them."""
    def show(bar: Any, e: Epoch) -> None:
        judged = f"validation F1 {e.score:.3f} (best {e.best:.3f})" if e.score == e.score else "with the validation rows"
        if e.number <= bar.pos or e.of != bar.length:  # another run
            bar.pos, bar.length = 0, e.of
        bar.update(1 if bar.pos else e.number, f"loss {e.loss:.3f}, {judged}")

    return lazy_bar(label, quiet, show)


def warn_of_stream(model: str, program: Program) -> None:
    """Says on stderr what a Program's stream does not keep: signals that firmware does not hear, a precision not reached."""
    from tinyloc.stream import unlike_packets, unpromised

    for said in (unlike_packets(program.info), unpromised(program.info)):
        if said:
            click.echo(f"tinyloc: {model}: {said}", err=True)


def check_apart(**files: str | None) -> None:
    """Raises ConfigError when two options (by name) would write one file: one of the two would be lost."""
    for (a, one), (b, other) in combinations(files.items(), 2):
        if one is not None and other is not None and Path(one).resolve() == Path(other).resolve():
            raise ConfigError(f"{one}: expected one file for --{a} and another one for --{b}")


# Columns of tables of memory: label, attribute of `verify.Memory`.
BYTES = MEMORY[:6]
