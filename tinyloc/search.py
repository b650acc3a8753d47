"""Search: the Pareto front of macro-F1 (int8, validation), bytes and instructions over settings of model and training.

Optuna proposes the settings, Dask runs the trials, and one process, this one, keeps the study: workers are given a trial's
settings and give back what became of it.  They need neither the storage nor the data, so that a cluster is no different from
a laptop.  The storage is SQLite, whose transactions survive a kill; a trial that was running then is run again with the
settings that it had.  What is proposed depends on the seed, the trial's number and the trials before it, so that with one
worker a search that was killed and resumed has the same trials as one that never was.

The sampler is the tree-structured Parzen estimator (Bergstra et al., NIPS 2011), multi-objective (Ozaki et al., GECCO 2020)
and over groups of settings that occur together: hundreds of trials are few generations of a genetic algorithm.
It sees the logarithms of bytes and instructions, for both range over decades, and a front that is worth its name does too.

A trial trains `repeats` models, for the spread of one training is as large as what many settings differ by, and the best
of hundreds of single ones would be the luckiest.  It ends early where it falls behind (successive halving's rungs; Jamieson
and Talwalkar, AISTATS 2016): against trials that take neither more bytes nor more multiplications, which it would have to
beat.  Settings over the budget are known before a training: bytes follow from shapes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyloc.data import Dataset, macro_f1
from tinyloc.emulator.mcu import Budget
from tinyloc.errors import ConfigError, TinylocError, unknown
from tinyloc.files import check_writable, write_atomic
from tinyloc.model import Config, Model
from tinyloc.train import Epoch, Recipe

if TYPE_CHECKING:
    from tinyloc.program import Program
    from tinyloc.verify import Memory

EXTRA = "install it with: pip install 'tinyloc[search]'"
MODULES = ("optuna", "distributed", "matplotlib")  # of the extra
STORAGE, FRONT, PICTURE, MODELS, LOCK = "study.db", "front.json", "front.png", "models", ".lock"  # in a search's folder
PICTURES = (".png", ".svg", ".pdf")
STARTUP = 20  # trials drawn at random before the sampler learns from them
HOPELESS = 500  # settings in a row over the budget, after which nothing is expected to fit
SLACK = 0.05  # macro-F1 that a trial may lie behind at a rung: three times the spread of a training
RUNGS = (0.25, 0.5)  # of the epochs, in the first training; its int8 score is the last rung


@dataclass(frozen=True)
class Setting:
    """One thing that is searched.

    name    "config.x" or "recipe.x": a field of `Config` or `Recipe`; "window": rows, as a multiple of the data set's
    values  all that it may be, in order; or, where `scale` is "linear" or "log", the least and the greatest number
    scale   "order": neighbors are alike; "names": none is like another; "linear", "log": any number between
    family  of models that have it; "": all of them
    """

    name: str
    values: tuple[Any, ...]
    scale: str = "order"
    family: str = ""


# A field of Config or Recipe is searched by a row here, and nothing else.
SPACE = (
    Setting("config.family", ("mamba", "mdcsa"), "names"),
    Setting("config.d", (4, 6, 8, 12, 16, 24, 32, 48, 64)),
    Setting("config.blocks", (1, 2), family="mamba"),
    Setting("config.n", (2, 4, 8, 16), family="mamba"),
    Setting("config.k", (2, 3, 4), family="mamba"),
    Setting("config.expand", (1, 2), family="mamba"),
    Setting("config.tied", (False, True), family="mamba"),
    Setting("config.kernels", ((1,), (1, 4, 7)), family="mdcsa"),
    Setting("window", (0.5, 1.0, 1.5, 2.0)),
    Setting("recipe.lr", (2e-3, 2e-2), "log"),
    Setting("recipe.dropout", (0.0, 0.3), "linear"),
)


@dataclass(frozen=True)
class Plan:
    """What is searched for, and how thoroughly.

    budget    bytes that a model may take (`tinyloc.emulator.mcu.budget`), as `tinyloc audit` counts them, stack apart
    total     count weights, tables and steps as RAM too; else they may take the budget's flash
    trials    settings to try, those over the budget not counted
    epochs    of a training, at most
    repeats   trainings of a trial; their mean int8 macro-F1 on validation is what is searched by
    core      whose instructions are counted; "": none, multiply-accumulates stand for them
    seed      of the sampler and of the trainings
    """

    budget: Budget
    total: bool = False
    trials: int = 200
    epochs: int = 60
    repeats: int = 2
    core: str = "cortex-m4"
    seed: int = 0
    space: tuple[Setting, ...] = SPACE

    def __post_init__(self) -> None:
        for name, low in (("trials", 1), ("epochs", 1), ("repeats", 1), ("seed", 0)):
            value = getattr(self, name)
            if not low <= value < 2**32:
                raise ConfigError(f"search: {name} = {value!r}; expected {low} or more")
        known = ("window", *(f"{part}.{f.name}" for part, of in (("config", Config), ("recipe", Recipe))
                             for f in dataclasses.fields(of)))
        for s in self.space:
            if s.name not in known:
                raise unknown("setting", s.name, known)

    def over(self, memory: Memory) -> float:
        """By what share of the budget a model exceeds it; 0 or less: it fits."""
        if self.total:
            return memory.total / self.budget.ram_bytes - 1
        flash = self.budget.flash_bytes
        return max(memory.ram / self.budget.ram_bytes - 1, memory.image / flash - 1 if flash else -1.0)

    def bytes(self, memory: Memory) -> int:
        """What of a model's memory is to be small."""
        return memory.total if self.total else memory.ram


@dataclass(frozen=True)
class Made:
    """Settings as what trains a model: `train.fit(dataset, config, recipe, window=window, hop=hop)`."""

    config: Config
    recipe: Recipe
    window: int
    hop: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def make(values: Mapping[str, Any], dataset: Dataset, plan: Plan) -> Made:
    """`values` (a setting's name -> its value) for a data set."""
    fields: dict[str, dict[str, Any]] = {"config": {}, "recipe": {}}
    for name, value in values.items():
        part, _, of = name.partition(".")
        if of:
            fields[part][of] = value
    length = max(1, round(dataset.window * values.get("window", 1)))
    return Made(Config(**{"aps": len(dataset.aps), "classes": len(dataset.rooms), **fields["config"]}),
                Recipe(**{"epochs": plan.epochs, "patience": max(1, plan.epochs // 3), "seed": plan.seed,
                          **fields["recipe"]}),
                length, max(1, round(length * dataset.hop / dataset.window)))


def estimate(made: Made) -> tuple[Memory, int]:
    """(memory, multiply-accumulates of a window) of an untrained model of these shapes, in milliseconds.

    Activations and state are those of the trained one.  Its constants may differ a little: which rows of weights have a
    scale of their own, and which tables are alike, depends on the values.
    """
    from tinyloc.bench import macs
    from tinyloc.quantize import Tensors, build
    from tinyloc.verify import audit

    c = made.config
    model = Model.create(c)
    x = np.random.default_rng(0).random((2, made.window, c.aps), np.float32)
    graph = Tensors.of(model.graph(made.window), x)
    return audit(build(graph.cheaper(), "minmax")).best, macs(graph)


@dataclass(frozen=True)
class Job:
    """A trial as a worker is given it.  bar: for each rung, what trials reached there that it would have to beat."""

    made: Made
    plan: Plan
    bar: tuple[float, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of a trial.

    state   "done", "stopped" (it fell behind), "over" (the trained model exceeds the budget), "failed" (`error` says why)
    facts   JSON-able: scores, memory, instructions
    model, program   of the best repeat, where done
    """

    state: str
    facts: dict[str, Any]
    model: Model | None = None
    program: Program | None = None


class _Behind(Exception):
    """A trial would not make the front."""


def evaluate(dataset: Dataset, job: Job) -> Outcome:
    """Runs a trial: trains, quantizes, scores on validation, counts bytes and instructions.  Deterministic in the job."""
    from tinyloc.bench import bench
    from tinyloc.quantize import calibrate
    from tinyloc.train import fit, with_info
    from tinyloc.verify import audit

    began, made, plan = time.monotonic(), job.made, job.plan
    at = [math.ceil(share * made.recipe.epochs) for share in RUNGS]
    reached: list[float] = []

    def rung(score: float) -> None:
        if len(reached) < len(job.bar) and score < job.bar[len(reached)] - SLACK:
            raise _Behind
        reached.append(score)

    def race(e: Epoch) -> None:
        if len(reached) < len(at) and e.number == at[len(reached)]:
            rung(e.best)

    found: list[tuple[float, Model, Program]] = []
    facts: dict[str, Any] = {"rungs": reached}
    try:
        for repeat in range(plan.repeats):
            recipe = dataclasses.replace(made.recipe, seed=(made.recipe.seed + repeat) % 2**32)
            model = with_info(fit(dataset, made.config, recipe, window=made.window, hop=made.hop,
                                  progress=race if repeat == 0 else None), **job.info)
            program = calibrate(model, dataset)
            found.append((_score(program, dataset), model, program))
            if repeat == 0:
                reached += [model.info["validation_macro_f1"]] * (len(at) - len(reached))  # it ended before the rung
                rung(found[0][0])
    except _Behind:
        return Outcome("stopped", {**facts, "seconds": time.monotonic() - began})
    except TinylocError as e:
        return Outcome("failed", {**facts, "error": str(e), "seconds": time.monotonic() - began})
    scores = [score for score, _, _ in found]
    best = int(np.argmax(scores))
    _, model, program = found[best]
    bytes_taken = audit(program)
    memory, streams = bytes_taken.best, bytes_taken.best is bytes_taken.stream
    facts |= {"memory": memory.to_dict(), "streams": streams, "bytes": plan.bytes(memory),
              "int8": scores, "float": [m.info["validation_macro_f1"] for _, m, _ in found], "best": best,
              "epochs": [m.info["epochs"] for _, m, _ in found], "parameters": model.parameters,
              "calibration": program.info["calibration"], "decay": program.info.get("decay"), "over": plan.over(memory)}
    if plan.over(memory) > 0:
        return Outcome("over", {**facts, "seconds": time.monotonic() - began})
    if plan.core:
        # Counted on each Program, as it is: shifts are constants of a model, and some kernels choose their loop by them.
        one = program.retime(1) if streams else program
        facts["instructions"] = bench(one, plan.core).total.instructions * (made.window if streams else 1)
    return Outcome("done", {**facts, "seconds": time.monotonic() - began}, model, program)


def _score(program: Program, dataset: Dataset, part: str = "val") -> float:
    """int8 macro-F1 of the rows of a part."""
    true, labels = _labels(program, dataset, part)
    return macro_f1(true, labels, len(dataset.rooms))


def _labels(program: Program, dataset: Dataset, part: str) -> tuple[np.ndarray, np.ndarray]:
    from tinyloc.run import Session
    from tinyloc.train import last_rows

    w = last_rows(program.info, getattr(dataset, part))
    return w.y[:, -1], Session(program, "c").run_windows(program.buffers[program.input].quantize(w.x))[:, -1, 0]


def non_dominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other one is better than: as small in every coordinate, smaller in one.

    Of equal points the first one counts.
    """
    p = np.asarray(points, float)
    kept = []
    for i, x in enumerate(p):
        no_worse = (p <= x).all(1)
        if not (no_worse & (p < x).any(1)).any() and not no_worse[:i].any():
            kept.append(i)
    return kept


@dataclass
class Progress:
    """What the progress callback sees after each trial that counts."""

    finished: int
    of: int
    over: int
    stopped: int
    front: int
    best: float


def need() -> None:
    """Raises ConfigError when a package of the extra is missing."""
    for name in MODULES:
        try:
            import_module(name)
        except ImportError as e:
            raise ConfigError(f"search needs the package {e.name or name}; {EXTRA}") from None


def countable(core: str) -> str:
    """Why instructions of that core cannot be counted here; "" when they can.  Raises ConfigError for an unknown core."""
    from tinyloc.bench import bench
    from tinyloc.emulator.toolchain import core as find
    from tinyloc.quantize import quantize

    find(core)
    try:
        bench(quantize(Model.create(Config("mamba", 1, 2, 2)), np.zeros((1, 1, 1), np.float32), "minmax", "powers"), core)
    except ConfigError as e:
        return str(e)
    return ""


class Study:
    """A search's folder: the storage of its trials, the models of its front.  One process at a time has it open.

    Raises ConfigError when the folder holds another search, or one that is running.
    """

    def __init__(self, folder: Path, dataset: Dataset, plan: Plan, source: Mapping[str, Any] | None = None) -> None:
        need()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.dataset, self.plan, self.source = folder, dataset, plan, dict(source or {})
        check_writable(folder / STORAGE)
        self._lock = _locked(folder / LOCK)
        path = folder / STORAGE
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
            self.study = optuna.create_study(storage=storage, study_name="tinyloc", load_if_exists=True,
                                             directions=["maximize", "minimize", "minimize"])
        except Exception as e:  # of SQLite, SQLAlchemy, Alembic or Optuna
            self._lock.close()
            raise ConfigError(f"{path}: no storage of a search ({type(e).__name__}: {str(e).splitlines()[0]})") from None
        same = json.loads(json.dumps(self._identity()))
        known = self.study.user_attrs.get("search")
        if known is None:
            self.study.set_user_attr("search", same)
        elif known != same:
            what = next(k for k in same if known.get(k) != same[k])
            self._lock.close()
            raise ConfigError(f"{folder}: holds a search with another {what} ({_short(known.get(what))}, now "
                              f"{_short(same[what])}); name another folder, or the same {what}")

    def _identity(self) -> dict[str, Any]:
        """All that decides a search, its length apart."""
        d, plan = self.dataset, asdict(self.plan)
        del plan["trials"]
        return {"data": self.source or d.name, "rows": [len(d.train), len(d.val), len(d.test)], **plan}

    def close(self) -> None:
        """Lets another process have the folder."""
        self._lock.close()

    # ---- trials ----

    def trials(self, *states: str) -> list[Any]:
        """Optuna's finished trials whose outcome is one of `states`; all of them when none is given."""
        return [t for t in self.study.get_trials(deepcopy=False) if t.state.is_finished()
                and (not states or t.user_attrs.get("state") in states)]

    def left_running(self) -> deque[int]:
        """Numbers of the trials that a killed process left."""
        return deque(t.number for t in self.study.get_trials(deepcopy=False) if not t.state.is_finished())

    def propose(self, number: int | None = None) -> tuple[Any, Made]:
        """An Optuna trial and its settings; or the one of that number again."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        seed = np.random.SeedSequence([self.plan.seed, len(trials) if number is None else number]).generate_state(1)[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of `group`
            self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, multivariate=True, group=True,
                                                            seed=int(seed))
            trial = self.study.ask() if number is None else optuna.trial.Trial(self.study, trials[number]._trial_id)
            return trial, make(suggest(trial, self.plan.space, self.dataset), self.dataset, self.plan)

    def bar(self, taken: int, work: int) -> tuple[float, ...]:
        """The greatest score at each rung of the trials that take no more bytes and multiply-accumulates."""
        rivals = [t.user_attrs["facts"]["rungs"] for t in self.trials("done")
                  if t.user_attrs["estimate"][0] <= taken and t.user_attrs["estimate"][1] <= work]
        return tuple(max(column) for column in zip(*rivals, strict=True))

    def tell(self, trial: Any, outcome: Outcome) -> None:
        """Keeps what became of a trial; its model when it is on the front, whose dominated models go."""
        import optuna

        facts = outcome.facts
        trial.set_user_attr("facts", facts)
        trial.set_user_attr("state", outcome.state)
        if outcome.state == "done":
            trial.set_constraint("budget", facts["over"])
            names = self._files(trial.number)
            assert outcome.model is not None and outcome.program is not None
            outcome.model.save(names[0])  # before the trial counts: a front without models would be of no use
            outcome.program.save(names[1])
            self.study.tell(trial.number, [float(np.mean(facts["int8"])), *map(math.log2, self._cost(trial.user_attrs))])
            kept = {path.name for t in self.front() for path in self._files(t.number)}
            for path in (self.folder / MODELS).glob("[0-9]*.safetensors"):
                if path.name not in kept:
                    path.unlink()
            return
        if outcome.state == "over":
            trial.set_constraint("budget", facts["over"])
        state = optuna.trial.TrialState.FAIL if outcome.state == "failed" else optuna.trial.TrialState.PRUNED
        self.study.tell(trial.number, state=state)

    def _files(self, number: int) -> tuple[Path, Path]:
        return (self.folder / MODELS / f"{number:05d}.safetensors", self.folder / MODELS / f"{number:05d}.int8.safetensors")

    def _cost(self, attrs: Mapping[str, Any]) -> tuple[int, int]:
        """Bytes and instructions, or multiply-accumulates where none are counted."""
        facts = attrs["facts"]
        return facts["bytes"], facts["instructions"] if self.plan.core else attrs["estimate"][1]

    def front(self) -> list[Any]:
        """The trials of the Pareto front, the fewest bytes first."""
        done = self.trials("done")
        costs = [self._cost(t.user_attrs) for t in done]
        kept = non_dominated([(-t.values[0], *c) for t, c in zip(done, costs, strict=True)])
        return [done[i] for i in sorted(kept, key=lambda i: costs[i])]

    # ---- results ----

    def point(self, trial: Any, test: bool = True) -> dict[str, Any]:
        """A trial of the front, JSON-able: settings, scores, bytes, instructions, files.

        test: with the kept model's scores on the test rows, which nothing was chosen by.
        """
        from tinyloc.program import Program
        from tinyloc.train import last_rows, scores

        attrs, facts = trial.user_attrs, trial.user_attrs["facts"]
        files = self._files(trial.number)
        point = {"trial": trial.number, **attrs["made"], "parameters": facts["parameters"], "seed": facts["best"],
                 "validation": {"macro_f1": trial.values[0], "spread": float(np.std(facts["int8"])), "int8": facts["int8"],
                                "float": facts["float"]},
                 "bytes": facts["bytes"], "memory": facts["memory"], "streams": facts["streams"],
                 "instructions": facts.get("instructions"), "macs": attrs["estimate"][1],
                 "calibration": facts["calibration"], "decay": facts["decay"], "seconds": facts["seconds"],
                 "model": str(files[0]), "program": str(files[1])}
        point["recipe"] = {**point["recipe"], "seed": (point["recipe"]["seed"] + point.pop("seed")) % 2**32}
        if test:
            model, program, rooms = Model.load(files[0]), Program.load(files[1]), self.dataset.rooms
            w = last_rows(model.info, self.dataset.test)
            point["test"] = {"int8": scores(*_labels(program, self.dataset, "test"), rooms),
                             "float": scores(w.y[:, -1], model.predict(w.x), rooms)}
        return point

    def facts(self, test: bool = True) -> dict[str, Any]:
        """The search and its front, JSON-able."""
        d, plan = self.dataset, self.plan
        count = {s: len(self.trials(s)) for s in ("done", "stopped", "failed", "over")}
        return {"data": d.name, "simulated": d.simulated, "note": d.note, "source": self.source,
                "budget": {**asdict(plan.budget), "counts": "total" if plan.total else "ram"},
                "cost": {"unit": "instructions" if plan.core else "multiply-accumulates", "core": plan.core or None,
                         "of": "a window, as long as it is"},
                "chosen_by": f"mean int8 macro-F1 of {plan.repeats} trainings on validation; test scores are of the kept "
                             "model, and chose nothing",
                "epochs": plan.epochs, "repeats": plan.repeats, "seed": plan.seed,
                "trials": {"wanted": plan.trials, "finished": sum(count[s] for s in COUNTED), **count},
                "errors": sorted({t.user_attrs["facts"]["error"] for t in self.trials("failed")}),
                "front": [self.point(t, test) for t in self.front()]}


COUNTED = ("done", "stopped", "failed")  # what a trial that counts may have become; those over the budget do not


def suggest(trial: Any, space: Sequence[Setting], dataset: Dataset) -> dict[str, Any]:
    """The settings of an Optuna trial: name -> value.  A row on its own (rate 0) has no window to vary."""
    values: dict[str, Any] = {}
    for s in space:
        if (s.family and s.family != values.get("config.family")) or (s.name == "window" and not dataset.rate_hz):
            continue
        if s.scale == "order":
            values[s.name] = s.values[trial.suggest_int(s.name, 0, len(s.values) - 1)]
        elif s.scale == "names":
            values[s.name] = trial.suggest_categorical(s.name, s.values)
        elif s.scale in ("linear", "log"):
            values[s.name] = trial.suggest_float(s.name, *s.values, log=s.scale == "log")
        else:
            raise unknown("scale of a setting", s.scale, ("order", "names", "linear", "log"))
    return values


def _locked(path: Path) -> Any:
    """The open file `path`, which no other process has; the system lets go of it when this one ends, however it does."""
    import fcntl

    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigError(f"{path.parent}: another search is at work there; wait for it, or name another folder") from None
    return file


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else text[:76] + " ..."


@contextlib.contextmanager
def workers(scheduler: str | None = None, count: int | None = None) -> Iterator[Any]:
    """A Dask client: of the cluster whose scheduler has that address, or of a local one of `count` processes [cores].

    Raises ConfigError when nothing answers at the address, or it has no worker within a minute.
    """
    need()
    import logging

    import distributed

    if scheduler is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        with distributed.LocalCluster(n_workers=count or cores, threads_per_worker=1, processes=True, memory_limit=0,
                                      dashboard_address=None, silence_logs=logging.ERROR) as cluster, \
                distributed.Client(cluster) as client:
            yield client
        return
    try:
        client = distributed.Client(scheduler, timeout=20)
    except (OSError, ValueError, TimeoutError) as e:
        raise ConfigError(f"no Dask scheduler answers at {scheduler} ({e}); expected an address such as "
                          "tcp://host:8786") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=60)
        except TimeoutError:
            raise ConfigError(f"the Dask scheduler at {scheduler} has no workers; start some with: dask worker "
                              f"{scheduler} --nthreads 1") from None
        yield client


def _same(dataset: Dataset) -> Dataset:
    return dataset


def search(dataset: Dataset, folder: str | Path, plan: Plan, client: Any, *, source: Mapping[str, Any] | None = None,
           picture: str | Path | None = None, progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
    """Runs a search, or goes on with it, until it has `plan.trials` trials; writes and returns what `Study.facts` says.

    folder: gets the storage, front.json, models/ (a float model and a Program a point of the front) and a picture.
    client: a Dask client (`workers`); trials run on its workers, as many at once as they have threads.
    source: how the data were loaded, for `tinyloc verify` and the like to find them.
    picture: its file; .png, .svg or .pdf.
    Ctrl-C ends it with the front so far.  Raises ConfigError when no settings fit the budget.
    """
    folder = Path(folder)
    image = Path(picture) if picture else folder / PICTURE
    if image.suffix.lower() not in PICTURES:
        raise ConfigError(f"{image}: expected a picture's name that ends in {', '.join(PICTURES)}")
    check_writable(image)
    study = Study(folder, dataset, plan, source)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _drive(study, client, progress)
        facts = study.facts()
        everything = [(t.values[0], *study._cost(t.user_attrs)) for t in study.trials("done")]
    finally:
        study.close()
    write_atomic(folder / FRONT, json.dumps(facts, indent=2))
    if facts["front"]:
        write_atomic(image, draw(facts, everything, image.suffix.lower()[1:]))
        facts["picture"] = str(image)
    return facts


def _drive(study: Study, client: Any, progress: Callable[[Progress], None] | None) -> None:
    """Keeps every thread of the cluster busy until the study has its trials."""
    from distributed import wait

    plan, info = study.plan, {"source": study.source} if study.source else {}
    # A task's result, not a scattered value: when the worker that holds it dies, the scheduler makes it again.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a large graph: it is the data, sent once
        data = client.submit(_same, study.dataset, pure=False)
    left = study.left_running()
    running: dict[Any, Any] = {}
    finished = len(study.trials(*COUNTED))
    over_in_a_row = 0
    try:
        while finished < plan.trials or running:
            slots = max(1, sum(client.nthreads().values()))
            while len(running) < slots and (left or finished + len(running) < plan.trials):
                trial, made = study.propose(left.popleft() if left else None)
                memory, work = estimate(made)
                trial.set_user_attr("made", made.to_dict())
                trial.set_user_attr("estimate", [plan.bytes(memory), work])
                if plan.over(memory) > 0:
                    study.tell(trial, Outcome("over", {"over": plan.over(memory), "memory": memory.to_dict()}))
                    over_in_a_row += 1
                    if over_in_a_row >= HOPELESS and not running and not study.trials("done"):
                        least = min(t.user_attrs["estimate"][0] for t in study.trials("over"))
                        raise ConfigError(f"nothing fits: {over_in_a_row} settings in a row exceed {plan.budget.name}; the "
                                          f"least takes {least:,} B")
                    continue
                over_in_a_row = 0
                job = Job(made, plan, study.bar(plan.bytes(memory), work), info)
                running[client.submit(evaluate, data, job, pure=False)] = trial
            if not running:
                continue
            for future in wait(list(running), return_when="FIRST_COMPLETED").done:
                trial = running.pop(future)
                study.tell(trial, _outcome(future))
                finished = len(study.trials(*COUNTED))
                if progress:
                    front = study.front()
                    progress(Progress(finished, plan.trials, len(study.trials("over")), len(study.trials("stopped")),
                                      len(front), max((t.values[0] for t in front), default=math.nan)))
    finally:
        client.cancel([*running, data])


def _outcome(future: Any) -> Outcome:
    """A trial's outcome; a worker that dies again and again by it (Dask tries elsewhere) is the trial's failure."""
    from distributed import KilledWorker

    try:
        found: Outcome = future.result()
    except KilledWorker as e:
        return Outcome("failed", {"error": f"its workers died: {str(e).splitlines()[0]}"})
    return found


def draw(facts: Mapping[str, Any], everything: Sequence[tuple[float, int, int]], kind: str) -> bytes:
    """A picture of the front, png, svg or pdf: macro-F1 over bytes and over instructions, each colored by the other.

    everything: (macro-F1, bytes, instructions) of all trials that were not stopped; those behind the front are gray.
    Colors are viridis's, in which brightness orders, for every kind of sight; families differ by their markers.
    """
    import matplotlib
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    unit, over = facts["cost"]["unit"], facts["budget"]["counts"] == "total"
    names = ("bytes, all in RAM" if over else "bytes of RAM, image in flash", f"{unit} a window")
    front = facts["front"]
    costs = np.array([(p["bytes"], p["instructions"] or p["macs"]) for p in front], float)
    score = np.array([p["validation"]["macro_f1"] for p in front])
    cloud = np.array(everything, float).reshape(-1, 3)
    with matplotlib.rc_context({"svg.hashsalt": "tinyloc", "font.size": 9}):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        for i, axes in enumerate(figure.subplots(1, 2, sharey=True)):
            axes.scatter(cloud[:, i + 1], cloud[:, 0], s=9, color="0.8", label="other trials", zorder=1)
            order = np.lexsort((-score, costs[:, i]))
            best = np.maximum.accumulate(score[order])
            axes.step(costs[order, i], best, where="post", color="0.45", linewidth=1, zorder=2)
            other = costs[:, 1 - i]
            norm = LogNorm(other.min(), max(other.max(), other.min() + 1))
            for family, marker in (("mamba", "o"), ("mdcsa", "s")):
                mine = np.array([p["config"]["family"] == family for p in front])
                if mine.any():
                    shown = axes.scatter(costs[mine, i], score[mine], c=other[mine], cmap="viridis", marker=marker, s=42,
                                         edgecolors="black", linewidths=0.6, label=family, zorder=3, norm=norm)
            axes.set_xscale("log", base=2 if i == 0 else 10)
            if i == 0:
                axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
            axes.set_xlabel(names[i])
            axes.grid(alpha=0.3)
            figure.colorbar(shown, ax=axes, label=names[1 - i])
        first = figure.axes[0]
        first.set_ylabel("macro-F1, int8, validation")
        first.legend(loc="lower right")
        figure.suptitle(f"{facts['data']}{' (SIMULATED)' if facts['simulated'] else ''}: Pareto front of "
                        f"{facts['trials']['finished']} trials, {facts['budget']['name']}")
        stream = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
    return stream.getvalue()
