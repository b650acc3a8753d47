"""The paper's experiment on any data set: its models by its recipe, our integer Programs of the same models beside them.

A folder holds all of it: `run.json` (what was asked) and `seed<n>/` with the models, their Programs and a row's scores.
Each file is written whole or not at all and made once: a run that was stopped goes on where it was, within a training too,
and one that is asked for more seeds or another budget adds what is missing.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.bench import can_count
from tinyloc.data import SOURCES, Dataset, accuracy, load_source, macro_f1
from tinyloc.distill import Distillation
from tinyloc.errors import ConfigError
from tinyloc.files import check_writable, write_atomic
from tinyloc.model import Model, preset
from tinyloc.paper.figures import printed
from tinyloc.paper.linear import predict
from tinyloc.paper.size import kilobytes
from tinyloc.program import Program
from tinyloc.train import Inputs, Recipe, checkpoints, fit, last_rows
from tinyloc.tuned import tuned

FORMAT, VERSION = "tinyloc-reproduction", 1
BUDGETS = ("32", "64", "all")
OWN_DATA = {"ujiindoorloc": "UJI", **{f"byrne-{house}": house for house in "ABCD"}}  # those of its data sets that we have
OTHERWISE = "A"  # whose rows stand for a data set that the paper has not
#: Teachers to choose from, by validation F1.  The paper's MDCSA of 2.5 million parameters takes days on two cores.
TEACHERS = ("mamba-h32l1", "mamba-h32l2", "mamba-h64l1", "mdcsa-h32l1", "mdcsa-h64l1")
CORE = "cortex-m4"
SEEDS, STEPS, QUICK_EPOCHS = 5, 7000, 15


@dataclass(frozen=True)
class Way:
    """How a float model is trained.

    distillation  by the best teacher of its own family, so; None: without teachers
    tuned         by our settings instead of the paper's (`tinyloc.tuned`), windows that begin with others' states among them
    delay         share of a window by which its answers lag; 0.5 is the middle, which is the commonest room of the paper's
                  windows where they are labelled so (its authors' code does it)
    """

    distillation: Distillation | None = None
    tuned: bool = False
    delay: float = 0.0


#: The paper's models listen to all access points, also to those that are never heard in training, and to nothing else.
EVERY_AP = Inputs(least=0, motion="off")
WAYS = {
    "baseline": Way(),
    "distilled": Way(Distillation(alpha=0.1, temperature=1, hard=True)),  # the paper's: its section on distillation
    "tuned": Way(tuned=True),
    "late": Way(tuned=True, delay=1 / 3),
}
#: Columns of the paper: the model's way, and what is done to its `nn.Linear` (None: nothing).
THEIRS: dict[str, tuple[str, str | None]] = {
    "baseline": ("baseline", None), "static": ("baseline", "static"), "dynamic": ("baseline", "dynamic"),
    "distilled": ("distilled", None), "distilled + static": ("distilled", "static")}


def _calibrated(model: Model, data: Dataset) -> Program:
    from tinyloc.quantize import calibrate

    return calibrate(model, data)


def _trained(model: Model, data: Dataset) -> Program:
    from tinyloc import qat

    epochs = max(2, int(model.info["recipe"]["epochs"]) // 10)
    recipe = replace(qat.RECIPE, epochs=epochs, seed=int(model.info["recipe"]["seed"]))
    # A model that has seen the validation rows is not chosen by them.
    return qat.fit(model, data, recipe, until=epochs if model.info.get("refit") else None)


#: Our columns, integers only: the float model's way, and what makes a Program of it.
OURS: dict[str, tuple[str, Callable[[Model, Dataset], Program]]] = {
    "int8": ("baseline", _calibrated),
    "distilled, int8": ("distilled", _calibrated),
    "tuned, int8": ("tuned", _calibrated),
    "tuned, QAT": ("tuned", _trained),
    "late, QAT": ("late", _trained),
}


def ways(data: Dataset) -> list[str]:
    """Those that make sense: rows that stand alone have no later ones to wait for."""
    return [name for name, way in WAYS.items() if data.window > 1 or not way.delay]


@dataclass(frozen=True)
class Settings:
    """What to reproduce.

    source    what `tinyloc.data.load` takes: "data" (name or path) and its options; no seed
    seeds     runs, each with a split, initial weights and order of its own
    budget    rows of the paper's tables: "32" or "64" (KB), or "all"
    epochs    of each training at most; None: `default_epochs`
    teachers  presets to choose teachers from
    quick     one seed and few epochs, to see that all works
    """

    source: Mapping[str, Any]
    seeds: int = SEEDS
    budget: str = "all"
    epochs: int | None = None
    teachers: tuple[str, ...] = TEACHERS
    quick: bool = False

    def __post_init__(self) -> None:
        if self.budget not in BUDGETS:
            raise ConfigError(f"budget {self.budget!r}; expected {', '.join(BUDGETS)}")
        if not 1 <= self.seeds <= 1000:
            raise ConfigError(f"seeds = {self.seeds!r}; expected 1 to 1000")
        if self.epochs is not None:
            Recipe(epochs=self.epochs)
        if not self.teachers:
            raise ConfigError("no preset to choose teachers from; expected at least one a family")

    @property
    def runs(self) -> int:
        """Seeds, of which a quick run has one."""
        return 1 if self.quick else self.seeds


@dataclass(frozen=True)
class Row:
    """A row of the tables: the paper's budget ("<32", "<64", ">64" KB) and a model."""

    budget: str
    preset: str


@dataclass(frozen=True)
class Task:
    """A model to train; `teachers`: tasks whose models teach it."""

    seed: int
    preset: str
    way: str = "baseline"
    teachers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"seed {self.seed}, {self.preset}, {self.way}"


@dataclass(frozen=True)
class Job:
    """What a process needs to do a task."""

    out: Path
    source: str  # JSON: hashable
    epochs: int
    task: Task


def papers_own(source: str, data: str) -> tuple[str, bool]:
    """Which of the paper's data sets stands beside the one of that source and name, and whether it is the same."""
    same = source in SOURCES and data in OWN_DATA  # a CSV file may have any name
    return OWN_DATA[data] if same else OTHERWISE, same


def rows(own: str, budget: str = "all") -> list[Row]:
    """The paper's rows for one of its data sets ("A" to "D", "UJI") within a budget."""
    return [Row(p.budget, p.preset) for p in printed() if p.data == own and budget in ("all", p.budget.lstrip("<"))]


def default_epochs(data: Dataset) -> int:
    """120, fewer where they would make more than 7,000 steps of 64 windows, but 20 at least."""
    windows = -(-len(data.train) // data.hop)
    return max(20, min(Recipe().epochs, STEPS // max(1, windows // Recipe().batch)))


@lru_cache(2)
def _dataset(source: str, seed: int) -> Dataset:
    return load_source({**json.loads(source), "seed": seed})


def _file(out: Path, seed: int, preset: str, what: str) -> Path:
    return out / f"seed{seed}" / f"{preset}.{what}"


def _model_file(out: Path, task: Task) -> Path:
    return _file(out, task.seed, task.preset, f"{task.way}.safetensors")


def _train(job: Job) -> str:
    """Trains a task's model, unless it is there; one line about it."""
    task, path = job.task, _model_file(job.out, job.task)
    if not path.exists():
        data, way = _dataset(job.source, task.seed), WAYS[task.way]
        teachers = [Model.load(_model_file(job.out, Task(task.seed, t))) for t in task.teachers]
        checkpoint = path.with_suffix(".checkpoint")
        # The paper's windows all begin anew.
        recipe = Recipe(seed=task.seed, epochs=job.epochs, carry=Recipe.carry if way.tuned else 0)
        more = dict[str, Any](inputs=EVERY_AP)
        if way.tuned:
            made = tuned(data, recipe, round(way.delay * data.window))
            # On RSSI alone, as the paper's: what stands beside each other is to have heard the same.
            recipe, heard = made.recipe, replace(made.inputs, motion="off")
            more = {"inputs": heard, "augmentation": made.augmentation, "refit": made.refit}
        model = fit(data, task.preset, recipe, checkpoint=checkpoint, teachers=teachers, distillation=way.distillation,
                    **more)
        model.save(path)
        for file in checkpoints(checkpoint):
            file.unlink(missing_ok=True)
    found = Model.load(path).info["validation_macro_f1"]
    return f"{task.name}{' by ' + ', '.join(task.teachers) if task.teachers else ''}: validation F1 {100 * found:.1f} %"


def _scored(true: np.ndarray, labels: np.ndarray, rooms: int) -> dict[str, float]:
    return {"macro_f1": macro_f1(true, labels, rooms), "accuracy": accuracy(true, labels)}


def _score(job: Job) -> str:
    """Scores a row's models in all columns, unless that is done; one line about it."""
    from tinyloc import run

    task, path = job.task, _file(job.out, job.task.seed, job.task.preset, "scores.json")
    what = f"seed {task.seed}, {task.preset}"
    done = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    data = _dataset(job.source, task.seed)
    columns = {c: made for c, made in OURS.items() if made[0] in ways(data)}
    if done is None or done["ours"].keys() != columns.keys() or (
            can_count() and any(o["instructions"] is None for o in done["ours"].values())):
        models = {way: Model.load(_model_file(job.out, replace(task, way=way))) for way in ways(data)}
        w = last_rows(models["baseline"].info, data.test)
        true, count = w.y[:, -1], len(data.rooms)
        theirs = {column: _scored(true, predict(models[way], w.x, how) if how else models[way].predict(w.x), count)
                  for column, (way, how) in THEIRS.items()}
        ours = {}
        for column, (way, make) in columns.items():
            file = _file(job.out, task.seed, task.preset, f"{column.replace(', ', '.')}.program.safetensors")
            if not file.exists():
                make(models[way], data).save(file)
            program = Program.load(file)
            own = last_rows(program.info, data.test)
            # The paper's models are judged as the paper does it, ours as firmware runs them.
            labels = run.labels(program, own if WAYS[way].tuned else replace(own, recordings=None))
            ours[column] = {**_scored(true, labels, count), "delay": int(program.info.get("delay", 0)), **cost(program)}
        done = {"seed": task.seed, "preset": task.preset, "parameters": models["baseline"].parameters,
                "windows": int((true >= 0).sum()),
                "validation": {way: m.info["validation_macro_f1"] for way, m in models.items()},
                "teachers": {way: m.info.get("teachers", []) for way, m in models.items()}, "theirs": theirs, "ours": ours}
        write_atomic(path, json.dumps(done, indent=1))
    return what + ": " + ", ".join(f"{k} {100 * v['macro_f1']:.1f}" for k, v in {**done["theirs"], **done["ours"]}.items())


def cost(program: Program) -> dict[str, Any]:
    """Bytes of a Program, and instructions a window on a Cortex-M4, run in the way that takes less RAM.

    memory: `verify.Memory`, its stack the linked image's bound; code: bytes of runner and kernels; instructions: of a
    window, sample by sample where it streams.  Without the extra `mcu` stack, code and instructions are None.
    """
    from tinyloc.verify import audit

    found = audit(program)
    best, length = found.best, program.steps_of_time
    if not can_count():
        return {"memory": best.to_dict(), "code": None, "instructions": None}
    from tinyloc.bench import bench, measure, memory_of

    one = program.retime(1) if found.streams else program
    b = one.buffers[one.input]
    linked = measure(one, CORE, memory_of(None, None, None), np.zeros((1, *b.shape), b.dtype), model_alone=True)
    return {"memory": replace(best, stack=linked.stack_bound).to_dict(), "code": linked.sections[".text"],
            "instructions": bench(one, CORE).total.instructions * (length // one.steps_of_time)}


@dataclass
class Results:
    """What a run found: `scores`, a dict a row and seed; beside: the paper's data set whose figures stand beside them, and
    whether it is the same data."""

    data: str
    beside: tuple[str, bool]
    simulated: bool
    aps: int
    rooms: int
    settings: dict[str, Any]
    rows: list[Row]
    scores: list[dict[str, Any]]

    @property
    def columns(self) -> list[str]:
        """Ours that the data has."""
        return list(self.scores[0]["ours"])

    def of(self, row: Row) -> list[dict[str, Any]]:
        """A row's scores, a dict a seed."""
        return [s for s in self.scores if s["preset"] == row.preset]

    def kilobytes(self, row: Row, column: str) -> float:
        """Of the checkpoint that a column of the paper would write."""
        return kilobytes(preset(row.preset, self.aps, self.rooms), THEIRS[column][1] or "float")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; checkpoint_kb: by model and column of the paper."""
        sizes = {r.preset: {c: self.kilobytes(r, c) for c in THEIRS} for r in self.rows}
        beside = dict(zip(("data", "same"), self.beside, strict=True))
        return {**vars(self), "beside": beside, "rows": [asdict(r) for r in self.rows], "checkpoint_kb": sizes}


def _identity(settings: Settings, data: Dataset, epochs: int) -> dict[str, Any]:
    recipe = {k: v for k, v in asdict(Recipe(epochs=epochs, carry=0)).items() if k != "seed"}
    return {"format": FORMAT, "version": VERSION, "source": dict(settings.source), "rows_sha256": data.digest(),
            "recipe": recipe, "teachers": list(settings.teachers), "ways": {k: asdict(v) for k, v in WAYS.items()},
            "tuned_settings": asdict(tuned(data))}


def _claim(out: Path, identity: dict[str, Any]) -> None:
    """The folder is this run's, or becomes it.  Raises ConfigError when it holds another one."""
    path = out / "run.json"
    check_writable(path)
    if not path.exists():
        return write_atomic(path, json.dumps(identity, indent=1))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ConfigError(f"{path}: damaged; expected JSON (remove the folder, or name another)") from None
    for key, value in json.loads(json.dumps(identity)).items():
        if not isinstance(found, dict) or found.get(key) != value:
            raise ConfigError(f"{out}: holds a run with another {key.replace('_', ' ')}; name another folder with --out")
    return None


@contextmanager
def _workers(jobs: int) -> Iterator[Any]:
    """A pool of processes; each with one thread for matrices, so that they do not take each other's cores, and that sums
    have one order however many there are.  This process has loaded NumPy with its own number, so one task at a time has a
    pool too."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {n: os.environ.get(n) for n in names}
    os.environ.update(dict.fromkeys(names, "1"))
    # Ctrl-C ends a worker at once: its checkpoint is at most an epoch old.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_DFL))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown()
        for n, value in before.items():
            if value is None:
                del os.environ[n]
            else:
                os.environ[n] = value


def reproduce(settings: Settings, out: str | Path, *, jobs: int = 1, say: Callable[[str], None] = print) -> Results:
    """Trains, quantizes and scores all that the settings name, in the folder `out`; goes on where an earlier call stopped.

    jobs: processes at a time, whose number changes no bit; they are spawned: a script that calls this does so under
    `if __name__ == "__main__"`.  say: told a line for each model that is done.
    Raises ConfigError when the folder holds another run, a preset does not exist or no teacher is larger than its student,
    and what `load_source` raises.
    """
    out, source = Path(out), json.dumps(dict(settings.source), sort_keys=True)
    data = _dataset(source, 0)
    epochs = settings.epochs or (QUICK_EPOCHS if settings.quick else default_epochs(data))
    beside = papers_own(str(settings.source["data"]), data.name)
    table = rows(beside[0], settings.budget)
    students = list(dict.fromkeys(r.preset for r in table))
    sizes = {p: Model.create(preset(p, len(data.aps), len(data.rooms))).parameters for p in (*students, *settings.teachers)}
    larger = {s: [t for t in settings.teachers if t.split("-")[0] == s.split("-")[0] and sizes[t] > sizes[s]]
              for s in students}
    for student, choice in larger.items():
        if not choice:
            raise ConfigError(f"no teacher for {student}: expected a larger {student.split('-')[0]} among "
                              f"{', '.join(settings.teachers)}")
    _claim(out, _identity(settings, data, epochs))

    def every(tasks: Sequence[Task], do: Callable[[Job], str]) -> None:
        from concurrent.futures import as_completed

        with _workers(jobs) as pool:
            for i, future in enumerate(as_completed([pool.submit(do, Job(out, source, epochs, t)) for t in tasks]), 1):
                say(f"[{i}/{len(tasks)}] {future.result()}")

    seeds = range(settings.runs)
    # The longest trainings first, so that no process is left alone with one.
    order = sorted(sizes, key=lambda p: -sizes[p])
    every([Task(seed, p) for p in order for seed in seeds], _train)

    def best(seed: int, choice: Sequence[str]) -> str:
        return max(choice, key=lambda p: float(Model.load(_model_file(out, Task(seed, p))).info["validation_macro_f1"]))

    more = [Task(seed, student, name, (best(seed, larger[student]),) if WAYS[name].distillation else ())
            for seed in seeds for student in students for name in ways(data) if name != "baseline"]
    every(sorted(more, key=lambda t: -sizes[t.preset]), _train)
    every([Task(seed, p) for p in students for seed in seeds], _score)
    scores = [json.loads(_file(out, seed, p, "scores.json").read_text(encoding="utf-8")) for p in students for seed in seeds]
    return Results(data.name, beside, data.simulated, len(data.aps), len(data.rooms),
                   {"source": dict(settings.source), "seeds": settings.runs, "epochs": epochs, "budget": settings.budget,
                    "teachers": list(settings.teachers), "quick": settings.quick}, table, scores)

