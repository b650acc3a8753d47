"""Search: the Pareto front of macro-F1 (integers, validation), bytes and instructions over settings of model and training.

Optuna proposes the settings, Dask runs the trials, and one process, this one, keeps the study: workers are given a trial's
settings and give back what became of it.  They need neither the storage nor the data, so that a cluster is no different from
a laptop.  The storage is SQLite, whose transactions survive a kill; a trial that was running then is run again with the
settings that it had.  What is proposed depends on the seed, the trial's number and the trials before it, so that with one
worker a search that was killed and resumed has the same trials as one that never was.

The sampler is the multi-objective tree-structured Parzen estimator (Ozaki et al., JAIR 73, 2022), as hundreds of trials are
few generations for a genetic algorithm.  It minimizes the logarithms of 1 - F1, bytes and instructions: all three range over
octaves, and a front that is worth its name does too; of F1 itself it would care for the smallest models alone.

A trial trains `repeats` models, for the spread of one training is as large as what many settings differ by, and the best
of hundreds of single ones would be the luckiest.  It ends early where it falls behind (successive halving's rungs; Jamieson
and Talwalkar, AISTATS 2016): against trials that take neither more bytes nor more multiplications, which it would have to
beat.  Settings over the budget are known before a training: bytes follow from shapes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.data import Dataset, trained_on
from tinyloc.errors import ConfigError, first_line
from tinyloc.files import check_writable, json_text, write_atomic
from tinyloc.model import Config, Model
from tinyloc.pareto import PICTURES, draw, non_dominated
from tinyloc.trial import QAT, Goal, Job, Made, Outcome, Setting, estimate, evaluate, make

EXTRA = "install it with: pip install 'tinyloc[search]'"
MODULES = ("optuna", "distributed", "matplotlib")  # of the extra
STORAGE, FRONT, PICTURE, MODELS, LOCK = "study.db", "front.json", "front.png", "models", ".lock"  # in a search's folder
NAME = "tinyloc"  # of the study in the storage
STARTUP = 20  # trials drawn at random before the sampler learns from them
HOPELESS = 200  # settings in a row over the budget, after which nothing is expected to fit
SCORED = "row by row"  # what trials' scores are of: those of windows that begin anew are no rivals
LONELY = 60  # seconds without a worker, after which none is expected to come back
GLANCE = 5  # seconds between two looks at whether there still are workers


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


def suggest(trial: Any, space: Sequence[Setting], dataset: Dataset, reseed: Callable[[int], None]) -> dict[str, Any]:
    """The settings of an Optuna trial: name -> value.  A row on its own (rate 0) has no window to vary.

    reseed: called before each setting with its place, so that a value does not depend on how many were drawn before it: a
    process may be killed between two of them, and the storage then has the first ones.
    """
    values: dict[str, Any] = {}
    for i, s in enumerate(space):
        reseed(i)
        if (s.family and s.family != values.get("config.family")) or (s.name == "window" and not dataset.rate_hz):
            continue
        if s.scale == "order":
            values[s.name] = s.values[trial.suggest_int(s.name, 0, len(s.values) - 1)]
        elif s.scale == "names":
            values[s.name] = trial.suggest_categorical(s.name, s.values)
        else:
            values[s.name] = trial.suggest_float(s.name, *s.values, log=s.scale == "log")
    return values


class Study:
    """A search's folder: the storage of its trials, the models of its front.  One process at a time has it open.

    Raises ConfigError when the folder holds another search, or one that is running.
    """

    def __init__(self, folder: Path, dataset: Dataset, goal: Goal, source: Mapping[str, Any] | None = None) -> None:
        need()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.dataset, self.goal, self.source = folder, dataset, goal, dict(source or {})
        check_writable(folder / STORAGE)
        self._lock = _locked(folder / LOCK)
        path = folder / STORAGE
        try:
            if not path.exists():  # made whole or not at all
                new = path.with_suffix(".new")
                new.unlink(missing_ok=True)
                storage = optuna.storages.RDBStorage(_url(new))
                optuna.create_study(storage=storage, study_name=NAME, directions=["minimize"] * 3)
                storage.engine.dispose()
                os.replace(new, path)
            self.study = optuna.load_study(storage=_url(path), study_name=NAME)
        except Exception as e:  # of SQLite, SQLAlchemy, Alembic or Optuna
            self._lock.close()
            raise ConfigError(f"{path}: no storage of a search ({type(e).__name__}: {first_line(e)})") from None
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
        d, goal = self.dataset, asdict(self.goal)
        del goal["trials"]
        return {"data": self.source or d.name, "digest of the rows": d.digest(), "windows": [d.window, d.hop, d.rate_hz],
                "training as integers": QAT, "scored": SCORED, **goal}

    def close(self) -> None:
        """Lets another process have the folder."""
        self._lock.close()

    # ---- trials ----

    def trials(self, *states: str) -> list[Any]:
        """Optuna's finished trials whose outcome is one of `states`; all of them when none is given."""
        return [t for t in self.study.get_trials(deepcopy=False) if t.state.is_finished()
                and (not states or t.user_attrs["outcome"]["state"] in states)]

    def left_running(self) -> deque[int]:
        """Numbers of the trials that a killed process left."""
        return deque(t.number for t in self.study.get_trials(deepcopy=False) if not t.state.is_finished())

    def propose(self, number: int | None = None) -> tuple[Any, Made]:
        """An Optuna trial and its settings; or the one of that number again."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        which = len(trials) if number is None else number

        def reseed(place: int) -> None:
            seed = int(np.random.SeedSequence([self.goal.seed, which, place]).generate_state(1)[0])
            self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, multivariate=False, seed=seed)

        reseed(0)
        trial = self.study.ask() if number is None else optuna.trial.Trial(self.study, trials[number]._trial_id)
        return trial, make(suggest(trial, self.goal.space, self.dataset, reseed), self.dataset, self.goal)

    def bar(self, taken: int, work: int) -> tuple[float, ...]:
        """The best at each rung, and in the end, of the trials that take no more bytes and multiply-accumulates."""
        rivals = [(*t.user_attrs["outcome"]["rungs"][:-1], self.score(t)) for t in self.trials("done")
                  if t.user_attrs["bytes"] <= taken and t.user_attrs["macs"] <= work]
        return tuple(max(column) for column in zip(*rivals, strict=True))

    def tell(self, trial: Any, outcome: Outcome) -> None:
        """Keeps what became of a trial; its model when it is on the front, whose dominated models go."""
        import optuna

        trial.set_user_attr("outcome", {"state": outcome.state, **outcome.facts})
        if "over" in outcome.facts:
            trial.set_constraint("budget", outcome.facts["over"])
        if outcome.state == "done":
            names = self._files(trial)
            assert outcome.model is not None and outcome.program is not None
            outcome.model.save(names[0])  # before the trial counts: a front without models would be of no use
            outcome.program.save(names[1])
            error = max(1 - float(np.mean(outcome.facts["int8"])), 1e-3)
            self.study.tell(trial.number, [*map(math.log2, (error, *self.cost(trial)))])
            kept = {path.name for t in self.front() for path in self._files(t)}
            for path in (self.folder / MODELS).glob("[0-9]*.safetensors"):
                if path.name not in kept:
                    path.unlink()
            return
        state = optuna.trial.TrialState.FAIL if outcome.state == "failed" else optuna.trial.TrialState.PRUNED
        self.study.tell(trial.number, state=state)

    def _files(self, trial: Any) -> tuple[Path, Path]:
        """Of a trial that is done: float model and Program, whose name says the precision of its weights."""
        stem = self.folder / MODELS / f"{trial.number:05d}"
        return stem.with_suffix(".safetensors"), stem.with_suffix(f".{trial.user_attrs['outcome']['weights']}.safetensors")

    def score(self, trial: Any) -> float:
        """Macro-F1 of a trial that is done."""
        return float(np.mean(trial.user_attrs["outcome"]["int8"]))

    def cost(self, trial: Any) -> tuple[int, int]:
        """Bytes and instructions of a trial that is done, or multiply-accumulates where none are counted."""
        facts = trial.user_attrs["outcome"]
        return facts["bytes"], facts["instructions"] if self.goal.core else trial.user_attrs["macs"]

    def front(self) -> list[Any]:
        """The trials of the Pareto front, the fewest bytes first."""
        done = self.trials("done")
        kept = non_dominated([(-self.score(t), *self.cost(t)) for t in done])
        return sorted((done[i] for i in kept), key=self.cost)

    # ---- results ----

    def point(self, trial: Any) -> dict[str, Any]:
        """A trial of the front, JSON-able: settings (`Made`, of the kept model), scores, bytes, instructions, and its files
        in the search's folder, wherever that is moved."""
        from tinyloc import run
        from tinyloc.program import Program
        from tinyloc.train import last_rows, scores

        made, facts, files = trial.user_attrs["made"], trial.user_attrs["outcome"], self._files(trial)
        model, program, rooms = Model.load(files[0]), Program.load(files[1]), self.dataset.rooms
        w = last_rows(model.info, self.dataset.test)
        return {
            "trial": trial.number, **made, "weights": facts["weights"], "qat": facts["qat"],
            "recipe": model.info["recipe"], "parameters": facts["parameters"],
            "validation": {"macro_f1": self.score(trial), "spread": float(np.std(facts["int8"])), "int8": facts["int8"],
                           "float": facts["float"], "kept": facts["best"]},
            "test": {"int8": scores(w.y[:, -1], run.labels(program, w), rooms),
                     "float": scores(w.y[:, -1], model.labels(w), rooms)},
            "bytes": facts["bytes"], "memory": facts["memory"], "streams": facts["streams"],
            "instructions": facts.get("instructions"), "macs": trial.user_attrs["macs"],
            "calibration": facts["calibration"], "decay": facts["decay"], "seconds": facts["seconds"],
            "cpu_seconds": facts["cpu_seconds"],
            "model": files[0].relative_to(self.folder).as_posix(), "program": files[1].relative_to(self.folder).as_posix()}

    def facts(self) -> dict[str, Any]:
        """The search and its front, JSON-able; the front's test scores are of the kept models, and chose nothing."""
        d, goal = self.dataset, self.goal
        count = {s: len(self.trials(s)) for s in ("done", "stopped", "failed", "over")}
        return {"data": d.name, "simulated": d.simulated, "note": d.note, "source": self.source,
                "budget": {**asdict(goal.budget), "counts": "total" if goal.total else "ram"},
                "cost": {"unit": "instructions" if goal.core else "multiply-accumulates", "core": goal.core or None,
                         "of": "an answer: a row of a model that runs row by row, else the window that it takes"},
                "chosen_by": f"mean macro-F1 of {goal.repeats} trainings' Programs on validation; test scores are of the "
                             f"kept model{', trained anew on validation rows too' if goal.refit else ''}, and chose nothing",
                "epochs": goal.epochs, "repeats": goal.repeats, "seed": goal.seed, "balance": goal.balance,
                "inputs": asdict(goal.inputs), "augmentation": asdict(goal.augmentation) if goal.augmentation else None,
                "refit": goal.refit,
                "trials": {"wanted": goal.trials, "finished": sum(count[s] for s in COUNTED), **count},
                "errors": sorted({t.user_attrs["outcome"]["error"] for t in self.trials("failed")}),
                "front": [self.point(t) for t in self.front()]}


COUNTED = ("done", "stopped", "failed")  # what a trial that counts may have become; those over the budget do not


def _locked(path: Path) -> Any:
    """The open file `path`, which no other process has; the system lets go of it when this one ends, however it does."""
    file = path.open("a", encoding="utf-8")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigError(f"{path.parent}: another search is at work there; wait for it, or name another folder") from None
    return file


def _url(path: Path) -> str:
    """That of a storage, whatever characters its path has."""
    from sqlalchemy import URL

    return str(URL.create("sqlite", database=str(path.resolve())))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else text[:76] + " ..."


@contextlib.contextmanager
def workers(scheduler: str | None = None, count: int | None = None) -> Iterator[Any]:
    """A Dask client: of the cluster whose scheduler has that address, or of a local one of `count` processes [cores].

    Ctrl-C is this process's affair: local workers go on with what they do until it ends them.  One that comes while they
    start goes through when they have started and were ended.  Raises ConfigError when nothing answers at the address, or it
    has no worker within a minute.
    """
    need()
    import logging

    import distributed

    opened = contextlib.ExitStack()

    def connect() -> Any:
        if scheduler is not None:
            return opened.enter_context(distributed.Client(scheduler, timeout=10))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # The preload is for systems whose threads cannot block a signal, and for processes that were not spawned.
        cluster = opened.enter_context(distributed.LocalCluster(
            n_workers=count or cores, threads_per_worker=1, processes=True, memory_limit=0,
            dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR,
            preload=["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"]))
        return opened.enter_context(distributed.Client(cluster))

    # In a thread of its own, as a cluster that is interrupted while it starts or ends can neither go on nor be ended.
    with ThreadPoolExecutor(1, initializer=_without_interrupts) as apart:
        try:
            try:
                client = apart.submit(connect).result()
            except (OSError, ValueError, TimeoutError) as e:
                if scheduler is None:
                    raise
                raise ConfigError(f"no Dask scheduler answers at {scheduler} ({e}); expected an address such as "
                                  "tcp://host:8786") from None
            if scheduler is not None:
                try:
                    client.wait_for_workers(1, timeout=60)
                except TimeoutError:
                    raise ConfigError(f"the Dask scheduler at {scheduler} has no workers; start some with: dask worker "
                                      f"{scheduler} --nthreads 1") from None
            yield client
        finally:
            _despite_interrupts(apart, opened.close)


def _without_interrupts() -> None:
    """Has this thread, and the threads and processes that it starts, never see SIGINT: a mask is inherited, from a process's
    first instruction on."""
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # now, as it ends with the signal unblocked, whatever was before
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _despite_interrupts(apart: ThreadPoolExecutor, call: Callable[[], None]) -> None:
    """Has the thread do that after all else; one more Ctrl-C asks for what is being done already."""
    ending = apart.submit(call)
    while True:
        try:
            return ending.result()
        except KeyboardInterrupt:
            continue


def _same(dataset: Dataset) -> Dataset:
    return dataset


def search(dataset: Dataset, folder: str | Path, goal: Goal, client: Any, *, source: Mapping[str, Any] | None = None,
           picture: str | Path | None = None, progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
    """Runs a search, or goes on with it, until it has `goal.trials` trials; writes and returns what `Study.facts` says, and
    returns with it where that is: the folder, in which the files of the front's points are, and the picture.

    folder: gets the storage, front.json, models/ (a float model and a Program a point of the front) and a picture.
    client: a Dask client (`workers`); trials run on its workers, as many at once as they have threads.
    source: how the data were loaded, for `tinyloc verify` and the like to find them.
    picture: its file; .png, .svg or .pdf.
    Ctrl-C ends it with the front so far.  Raises ConfigError when no settings fit the budget, or when all workers are gone
    and none has come for a minute; the same call goes on.
    """
    folder = Path(folder)
    image = Path(picture) if picture else folder / PICTURE
    if image.suffix.lower() not in PICTURES:
        raise ConfigError(f"{image}: expected a picture's name that ends in {', '.join(PICTURES)}")
    check_writable(image)
    study = Study(folder, dataset, goal, source)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _drive(study, client, progress)
        facts = study.facts()
        everything = [(study.score(t), *study.cost(t)) for t in study.trials("done")]
    finally:
        study.close()
    write_atomic(folder / FRONT, json_text(facts, indent=2))
    facts["folder"] = str(folder)
    if facts["front"]:
        write_atomic(image, draw(facts, everything, image.suffix.lower()[1:]))
        facts["picture"] = str(image)
    return facts


def _drive(study: Study, client: Any, progress: Callable[[Progress], None] | None) -> None:
    """Keeps every thread of the cluster busy until the study has its trials."""
    from distributed import wait

    goal = study.goal
    info = {"source": trained_on(study.source, study.dataset)} if study.source else {}
    # A task's result, not a scattered value: when the worker that holds it dies, the scheduler makes it again.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a large graph: it is the data, sent once
        data = client.submit(_same, study.dataset, pure=False)
    left = study.left_running()
    running: dict[Any, Any] = {}
    finished = len(study.trials(*COUNTED))
    over_in_a_row = 0
    seen = time.monotonic()  # when there was a worker
    try:
        while finished < goal.trials or running:
            threads = sum(client.nthreads().values())
            if threads:
                seen = time.monotonic()
            elif time.monotonic() - seen > LONELY:
                raise ConfigError(f"all workers are gone, and none has come for {LONELY} s; the same command goes on with "
                                  f"the {goal.trials - finished} trials that are left")
            slots = max(1, threads)
            while len(running) < slots and (left or finished + len(running) < goal.trials):
                trial, made = study.propose(left.popleft() if left else None)
                memory, work = estimate(made)
                for name, value in (("made", made.to_dict()), ("bytes", goal.bytes(memory)), ("macs", work)):
                    trial.set_user_attr(name, value)
                if goal.over(memory) > 0:
                    study.tell(trial, Outcome("over", {"over": goal.over(memory), "memory": memory.to_dict()}))
                    over_in_a_row += 1
                    if over_in_a_row >= HOPELESS and not running and not study.trials("done"):
                        least = min(t.user_attrs["bytes"] for t in study.trials("over"))
                        raise ConfigError(f"nothing fits: {over_in_a_row} settings in a row exceed {goal.budget.name}; the "
                                          f"least takes {least:,} B")
                    if any(future.done() for future in running):
                        break
                    continue
                over_in_a_row = 0
                job = Job(made, goal, study.bar(goal.bytes(memory), work), info)
                running[client.submit(evaluate, data, job, pure=False)] = trial
            if not running:
                continue
            done: set[Any] = set()
            with contextlib.suppress(TimeoutError):  # a trial takes as long as it takes, if there is a worker that runs it
                done = wait(list(running), timeout=GLANCE, return_when="FIRST_COMPLETED").done
            for future in done:
                trial = running.pop(future)
                study.tell(trial, _outcome(future, bool(study.trials("done"))))
                finished = len(study.trials(*COUNTED))
                if progress:
                    front = study.front()
                    progress(Progress(finished, goal.trials, len(study.trials("over")), len(study.trials("stopped")),
                                      len(front), max(map(study.score, front), default=math.nan)))
    finally:
        client.cancel([*running, data])


def _outcome(future: Any, others: bool) -> Outcome:
    """A trial's outcome.  Where others succeeded, an error that nobody foresaw is the trial's failure, and so are workers
    that die by it again and again (Dask tries elsewhere); else something is wrong with the workers, and it is raised."""
    try:
        found: Outcome = future.result()
    except Exception as e:
        if not others:
            raise
        return Outcome("failed", {"error": f"{type(e).__name__}: {first_line(e)}"})
    return found
