"""The proof of concept for a site, in three stages: record (is there enough?), compare (which model?), deploy.

A plan is a list of command lines of tinyloc itself, with this site's paths.  A step is done when it was run as it stands
now, on files that are what they were then, and what it made is still there: digests in `plan.json` say so.  What `record`
checks are bounds below which later stages would give figures that mean little; each says why.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.data import HOLD, Dataset, Samples, forward_fill
from tinyloc.data.csv_file import BLOCK_WINDOWS, TEST
from tinyloc.data.split import GAP, time_blocks, visits
from tinyloc.errors import ConfigError, ModelError
from tinyloc.files import sha256, write_atomic

WINDOWS = 10  # a room that the held-out rows should fill
PAUSE = 3600.0  # seconds between two sessions of one walk, at most
FILE, VERSION = "plan.json", 1
#: The paper's recommendations for 64 KB and for 32 KB, and ours: title, preset, settings of training.
MODELS = {"transformer": ("the paper's Transformer for 64 KB", "mdcsa-h16l1", ()),
          "mamba": ("the paper's Mamba for 32 KB", "mamba-h8l1", ()),
          "ours": ("a lean Mamba, with settings that suit the data", "mamba-h16l1-lean", ("--tuned",))}


# ---- record ----

@dataclass(frozen=True)
class Check:
    """figure against bound, in words; needed: without it the next stages mean little; why: the bound's reason; advice: what
    to do where it does not hold."""

    name: str
    figure: str
    bound: str
    holds: bool
    needed: bool
    why: str
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def walks(samples: Samples) -> int:
    """Sessions, those between which somebody paused for less than PAUSE seconds being one."""
    last = np.flatnonzero(np.diff(samples.session))
    pause = samples.time[last + 1] - samples.time[last]
    return 1 + int(((pause <= GAP) | (pause > PAUSE)).sum())  # with less than a gap between them, they were named


def _by_room(samples: Samples, unit: np.ndarray) -> np.ndarray:
    """(rooms,) how many units (n,) each room occurs in."""
    known = samples.room >= 0
    pairs = np.unique(np.stack([samples.room[known], unit[known]]), axis=1)
    return np.bincount(pairs[0].astype(np.int64), minlength=len(samples.rooms))


def _least(names: Sequence[str], values: np.ndarray, bound: float) -> str:
    """The rooms below the bound, or the one that has least."""
    short = [i for i in np.argsort(values, kind="stable").tolist() if values[i] < bound]
    if not short:
        at = int(np.argmin(values))
        return f"{values[at]:g} at least ({names[at]})"
    more = f" and {len(short) - 4} more" if len(short) > 4 else ""
    return ", ".join(f"{names[i]} {values[i]:g}" for i in short[:4]) + more


def checks(parts: Sequence[Samples], window: int, rate_hz: float, split: str | Dataset) -> list[Check]:
    """What a recording has, against what the next stages need.

    parts: all rows, of the same rooms and access points; window: rows a window; rate_hz: rows a second, 0 where they stand
    alone; split: the data set as it is split, or why it cannot be.
    """
    rooms, rows = parts[0].rooms, sum(map(len, parts))
    labeled = sum(int((p.room >= 0).sum()) for p in parts)
    heard = np.concatenate([~np.isnan(p.rssi) for p in parts])
    walk = rate_hz > 0 and window > 1
    found: list[Check] = []

    def add(name: str, figure: str, bound: str, holds: bool, why: str, advice: str, needed: bool = True) -> None:
        found.append(Check(name, figure, bound, bool(holds), needed, why, advice))

    add("labeled rows", f"{100 * labeled / rows:.0f} % of {rows:,}", "at least 80 %", labeled >= 0.8 * rows,
        "rows without a room are neither learned from nor judged",
        "mark the room whenever you enter one; in a stream: a line `MS = ROOM`", needed=False)
    add("rooms", str(len(rooms)), "at least 2", len(rooms) >= 2, "one room needs no model", "record another room")
    need = WINDOWS * window
    held = parts if isinstance(split, str) else [split.test]
    judged = np.sum([np.bincount(p.room[p.room >= 0], minlength=len(rooms)) for p in held], 0)
    if isinstance(split, str):
        judged = (judged * TEST).astype(np.int64)
    seconds = f" ({need / rate_hz:.3g} s)" if rate_hz else ""
    add("rows held out", _least(rooms, judged, need), f"at least {need} a room{seconds}", (judged >= need).all(),
        f"to judge by: with {WINDOWS} windows a room, one wrong window costs its recall {100 / WINDOWS:.0f} %, not more",
        "stay longer in these rooms: of what you record about a fifth is held out")
    if walk:
        blocks = np.sum([_by_room(p, time_blocks(p, BLOCK_WINDOWS * window / rate_hz)) for p in parts], 0)
        add("blocks a room", _least(rooms, blocks, 5), "at least 5", (blocks >= 5).all(),
            f"whole blocks of {BLOCK_WINDOWS} windows ({BLOCK_WINDOWS * window / rate_hz:.3g} s) are held out, so that none "
            "leaks; of 5, a room has 3 to learn from, one to choose by, one to judge by", "come back to these rooms")
        seen = np.sum([_by_room(p, visits(p)) for p in parts], 0)
        add("visits a room", _least(rooms, seen, 3), "at least 3", (seen >= 3).all(),
            "in one visit the body is turned one way; a model learns the visit, not the room",
            "walk in and out of these rooms, from different doors", needed=False)
    share = heard.mean(0)
    often = int((share >= 0.01).sum())
    add("access points", f"{often} heard in at least 1 % of the rows", "at least 3", often >= 3,
        "fewer than three distances leave a place on a plane ambiguous", "add anchors, or raise their power")
    if walk:
        nothing = float(np.concatenate([np.isnan(forward_fill(p)[:, :len(p.aps)]).all(1) for p in parts]).mean())
        steps = np.concatenate([np.diff(p.time)[np.diff(p.session) == 0] for p in parts])
    else:
        nothing, steps = float((~heard.any(1)).mean()), np.zeros(0)
    add("silence", f"{100 * nothing:.1f} % of the rows", "at most 5 %", nothing <= 0.05,
        "there the device can only say unknown" + (f"; values are held for {HOLD:g} s" if walk else ""),
        "look for places out of reach of every anchor", needed=False)
    if walk:
        add("rate", f"{rate_hz:.3g} rows a second", f"at least {1 / HOLD:g}", rate_hz >= 1 / HOLD,
            f"a value is held for {HOLD:g} s: at a lower rate nothing stands in for a packet that is lost",
            "let the beacon advertise more often", needed=False)
        wide = steps[steps > max(HOLD, 2.5 / rate_hz)]
        gone = float(wide.sum() / steps.sum()) if len(steps) else 0.0
        longest = f", the longest {wide.max():.3g} s" if len(wide) else ""
        add("gaps", f"{100 * gone:.1f} % of the time in {len(wide)} gaps{longest}", "at most 5 %", gone <= 0.05,
            f"a gap of over {max(HOLD, 2 / rate_hz):g} s starts the model anew, and windows across it hold repeated values",
            "look for the cause: range, battery, a gateway that was busy", needed=False)
        sessions = sum(map(walks, parts))
        add("sessions", str(sessions), "at least 2", sessions >= 2,
            "another day, another wearer: only a second recording shows whether the model outlives the first",
            "record a second walk on another day, and name recordings in a column (--session)", needed=False)
    if isinstance(split, str):
        add("split", "none", "train, validation, test", False, "figures of rows that were learned from are worth nothing",
            split)
    else:
        has = [len(np.unique(p.room[p.room >= 0])) for p in (split.train, split.val, split.test)]
        lacking = [r for i, r in enumerate(rooms) if not (split.test.room == i).any()]
        add("split", "rooms in train, validation, test: " + ", ".join(map(str, has)), f"{len(rooms)} each",
            has == [len(rooms)] * 3, "what no held-out row is of is not judged, and what train lacks is not learned",
            f"record more of {', '.join(lacking[:4])}" if lacking else "come back to every room more often",
            needed=has[0] < len(rooms) or not has[2])
    return found


# ---- steps ----

@dataclass(frozen=True)
class Step:
    """A command line of a stage.  needs, makes: files; allowed: exit codes that leave it done; by_hand: why the plan does
    not run it, "" where it does."""

    name: str
    stage: str
    title: str
    command: tuple[str, ...]
    needs: tuple[Path, ...] = ()
    makes: tuple[Path, ...] = ()
    allowed: tuple[int, ...] = (0,)
    by_hand: str = ""


@dataclass
class Plan:
    """What is asked for a site, and what was done: `out`/plan.json.

    source: as `tinyloc.data.load_source` takes it; target: "mcu", "ram", "flash" as on the command line; epochs: at
    most, None for training's own; done: of each step, how it was run; record: what `checks` found, and on which data.
    """

    out: Path
    source: dict[str, Any]
    target: dict[str, str] = field(default_factory=dict)
    epochs: int | None = None
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def load(out: str | Path) -> Plan | None:
        """That of a folder, None where there is none.  Raises ModelError for a file that is none."""
        path = Path(out) / FILE
        if not path.exists():
            return None
        try:
            d = json.loads(path.read_bytes())
            if (d["format"], d["version"]) != ("tinyloc-plan", VERSION):
                raise ValueError(f"format {d['format']!r}, version {d['version']!r}")
            made = Plan(Path(out), dict(d["source"]), dict(d["target"]), d["epochs"], dict(d["done"]), dict(d["record"]))
            if not isinstance(made.source["data"], str) or not isinstance(made.source["seed"], int):
                raise ValueError("source")
            return made
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
            raise ModelError(f"{path}: is no plan of this tinyloc ({type(e).__name__}: {e}); expected one that `tinyloc "
                             "plan` wrote") from None

    def save(self) -> None:
        """Writes plan.json, whole or not at all."""
        d = {"format": "tinyloc-plan", "version": VERSION, **{k: v for k, v in vars(self).items() if k != "out"}}
        write_atomic(self.out / FILE, json.dumps(d, indent=1, ensure_ascii=False) + "\n")

    # -- what is to be done --

    def model(self, name: str, kind: str = ".int8") -> Path:
        """The file of a model of `MODELS`: its Program, or with kind "" the float model."""
        return self.out / f"{name}{kind}.safetensors"

    @property
    def facts(self) -> Path:
        """What the comparison found, as `tinyloc report --json` writes it."""
        return self.out / "compare.json"

    def data_words(self) -> list[str]:
        """The options with which other commands find the data."""
        from tinyloc.report.subject import data_words

        return data_words(self.source) + (["--seed", str(self.source["seed"])] if self.source["seed"] else [])

    def data_files(self) -> tuple[Path, ...]:
        """The file that the data are in, if they are in one."""
        path = Path(self.source["data"])
        return (path,) if path.is_file() else ()

    def compare_steps(self) -> list[Step]:
        """Train, quantize, compare."""
        steps, epochs = [], ["--epochs", str(self.epochs)] if self.epochs else []
        for name, (title, preset, how) in MODELS.items():
            whole, small = self.model(name, ""), self.model(name)
            steps.append(Step(f"train {name}", "compare", f"train {title}",
                              ("tinyloc", "train", *self.data_words(), "--model", preset, *how, *epochs, "--out",
                               str(whole)), self.data_files(), (whole,)))
            steps.append(Step(f"quantize {name}", "compare", "integers only, with a confidence beside each room",
                              ("tinyloc", "quantize", str(whole), "--out", str(small)), (*self.data_files(), whole),
                              (small,)))
        target = [w for k, v in self.target.items() for w in (f"--{k}", v)]
        programs = [self.model(name) for name in MODELS]
        page = self.out / "report.html"
        steps.append(Step("report", "compare", "score, bytes, instructions and bit-exactness, as a page and as facts",
                          ("tinyloc", "report", *map(str, programs), *target, "--json", str(self.facts), "--out", str(page)),
                          (*self.data_files(), *programs), (self.facts, page), (0, 1)))
        return steps

    def deploy_steps(self, port: str | None = None, key: str | None = None) -> list[Step]:
        """Export, self-test, package, verify, watch, for the model that the comparison chose; before it, for ours."""
        from tinyloc.export import MANIFEST, RUN_SELF_TEST

        program = self.model(self.chosen() or "ours")
        folder, test, package, log = (self.out / n for n in ("firmware", "selftest", "model.bin", "live.log"))
        manifest, core = folder / MANIFEST, self._core()
        where, secret = port or "PORT", key or str(self.out / "key.pem")
        source = (*self.data_files(), program)
        return [
            Step("export", "deploy", "the C project for your firmware",
                 ("tinyloc", "export", str(program), *core, "--update", "--out", str(folder)), source, (manifest,)),
            Step("self-test", "deploy", "its self-test on this machine",
                 ("sh", "-c", f"cd {shlex.quote(str(folder))} && {RUN_SELF_TEST}"), (manifest,), (test,)),
            Step("package", "deploy", "a signed package, for updates in the field",
                 ("tinyloc", "package", str(program), *core, "--key", secret, "--version", "1.0.0", "--out", str(package)),
                 source, (package,), by_hand="" if key else "needs your key, --key; if you have none yet: imgtool keygen -t "
                 f"ed25519 -k {secret}"),
            Step("verify", "deploy", "the board's signatures against this machine's, step by step",
                 ("tinyloc", "verify", str(program), "--serial", where), (manifest, program),
                 by_hand="" if port else "needs the board, with the self-test flashed, and its --port"),
            Step("watch", "deploy", "the walk, live, and recorded",
                 ("tinyloc", "watch", str(program), "--serial", where, "--record", str(log)), (), (log,),
                 by_hand="is for you to walk with"),
        ]

    def _core(self) -> list[str]:
        """The option of export and package alike: a firmware links the kernels of the image that it was exported with, and
        refuses a package whose weights are packed in another way."""
        from tinyloc.bench import core_of
        from tinyloc.emulator.mcu import find

        try:
            return ["--core", f"cortex-{core_of(find(self.target['mcu']))}"] if self.target.get("mcu") else []
        except ConfigError:  # its core is none of those that weights are packed for
            return []

    # -- what was done --

    def key(self, step: Step) -> list[str]:
        """A step's command line, wherever the plan's folder lies."""
        return [self._place(w) for w in step.command]

    def _place(self, word: str | Path) -> str:
        """A word, DIR for the plan's folder where it is a path of something below it, or a shell's "cd PATH && ..."; a word
        that is the folder's name and no more is another one: no step is about the folder as a whole."""
        folders = "|".join(re.escape(str(folder)) for folder in (self.out, self.out.resolve()))
        return re.sub(rf"^(cd '?)?(?:{folders})(?=[/\\])", r"\1DIR", str(word))

    def state(self, step: Step) -> str:
        """"done"; "to do"; or why what was done does not count any more.  A step by hand that depends on no file is done
        when what it makes is there."""
        was = self.done.get(step.name)
        if was is None:
            there = step.by_hand and not step.needs and all(p.exists() for p in step.makes)
            return "done" if there else "to do"
        if was["command"] != self.key(step):
            return "to do again: another command than it was"
        for p in (*step.makes, *step.needs):
            if not p.exists():
                return f"to do again: {p.name} is gone"
            if was["files"].get(self._place(p)) != sha256(p):
                return f"to do again: {p.name} has changed"
        if self.facts in step.makes and self._read_facts() is None:
            return f"to do again: {self.facts.name} is none of this tinyloc"
        return "done"

    def finish(self, step: Step) -> None:
        """Writes down that a step was run."""
        files = {self._place(p): sha256(p) for p in (*step.makes, *step.needs)}
        self.done[step.name] = {"command": self.key(step), "files": files}
        self.save()

    def recorded(self) -> str:
        """The state of the first stage: "done", "not enough", or "to do"."""
        if not self.record or self.record["source"] != self.source or self.record["files"] != self._digests():
            return "to do"
        return "done" if all(c["holds"] for c in self.record["checks"] if c["needed"]) else "not enough"

    def remember(self, found: Sequence[Check]) -> None:
        """Writes down what was checked."""
        self.record = {"source": self.source, "files": self._digests(), "checks": [c.to_dict() for c in found]}
        self.save()

    def _digests(self) -> dict[str, str]:
        return {str(p): sha256(p) for p in self.data_files()}

    def _read_facts(self) -> dict[str, Any] | None:
        """What the report found, None where there is nothing that this tinyloc reads: facts of another version, say."""
        from tinyloc.report import document

        try:
            return document.load(self.facts)
        except ModelError:
            return None

    def compared(self) -> list[dict[str, Any]]:
        """A row of facts a model, as the report judged them; none before there is one."""
        from tinyloc.report.views import verdict

        facts = self._read_facts()
        if facts is None:
            return []
        validation = {m["name"]: m["sections"]["accuracy"]["validation_macro_f1"] for m in facts["models"]}
        return [{"model": m["name"], "macro_f1": m["int8"]["macro_f1"], "interval": m["int8"]["interval"]["macro_f1"],
                 "validation_macro_f1": validation[m["name"]], "ram": m["needs"]["ram"], "flash": m["needs"]["flash"],
                 "all_in_ram": m["all_in_ram"], "linked": m["linked"], "fits": m["fits"], "exact": m["exact"],
                 "instructions": m["cost"]["total"]["instructions"] if m["cost"] else None, "streams": m["streams"]}
                for m in verdict(facts)["models"]]

    def chosen(self) -> str | None:
        """Of the models that fit and are bit-exact the best on validation, of equal ones that of less RAM; None without any.

        Test rows have no say, so that the figure on them stays honest.
        """
        able = [r for r in self.compared() if r["fits"] and r["exact"] and r["validation_macro_f1"] is not None]
        return max(able, key=lambda r: (r["validation_macro_f1"], -r["ram"]))["model"] if able else None
