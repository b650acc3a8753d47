"""Search: the front is one, the budget holds, a killed search goes on as if it never was, and results can be made again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import COLUMNS, complaint, facts, tinyloc, walk

pytest.importorskip("optuna", reason="the extra search is not installed: pip install 'tinyloc[search]'")
pytest.importorskip("distributed", reason="the extra search is not installed: pip install 'tinyloc[search]'")
pytest.importorskip("matplotlib", reason="the extra search is not installed: pip install 'tinyloc[search]'")

import distributed
import optuna
import psutil

from tinyloc import qat
from tinyloc.data import Augmentation, Dataset, load, macro_f1
from tinyloc.emulator.mcu import budget
from tinyloc.errors import ConfigError, ModelError
from tinyloc.model import Config, Model
from tinyloc.pareto import draw, non_dominated
from tinyloc.program import Program
from tinyloc.search import STORAGE, Study, search, suggest, workers
from tinyloc.train import Inputs, Recipe, fit
from tinyloc.trial import RUNGS, SPACE, Goal, Job, Setting, estimate, evaluate, labels, make
from tinyloc.verify import audit

# Small models, so that a trial takes a second; some of them exceed 3 KB.
SMALL = (Setting("config.family", ("mamba", "mdcsa"), "names"), Setting("config.d", (2, 4, 8)),
         Setting("config.n", (2, 4), family="mamba"), Setting("window", (0.5, 1.0)),
         Setting("recipe.lr", (2e-3, 2e-2), "log"), Setting("weights", ("int8", "int4"), "names"))
GOAL = Goal(budget(ram="3K"), total=True, trials=4, epochs=2, repeats=1, core="", space=SMALL)
TRIALS = {"trials": 3, "epochs": 2, "repeats": 1}
FLAGS = tuple(str(v) for k, n in TRIALS.items() for v in (f"--{k}", n))


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", minutes=4, test_minutes=1)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """One worker in this process."""
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
                                  protocol="tcp") as cluster, distributed.Client(cluster) as found:
        yield found


@pytest.fixture(scope="module")
def found(house: Dataset, client: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A search's folder and what it said."""
    folder = tmp_path_factory.mktemp("search")
    return folder, search(house, folder, GOAL, client, picture=folder / "front.svg")


def told(folder: Path) -> list[tuple[Any, ...]]:
    """Number, state, settings and values of each trial in a storage."""
    study = optuna.load_study(study_name="tinyloc", storage=f"sqlite:///{folder / STORAGE}")
    return [(t.number, t.state.name, t.params, t.values) for t in study.get_trials()]


# ---- the front ----

@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=12))
def test_front_is_what_nothing_dominates(points: list[tuple[int, ...]]) -> None:
    front = [points[i] for i in non_dominated(points)]
    assert len(set(front)) == len(front)

    def better(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    assert not any(better(a, b) for a in points for b in front)
    assert all(p in front or any(better(a, p) for a in front) for p in points)


def test_front_of_a_search(found: tuple[Path, dict[str, Any]], house: Dataset) -> None:
    folder, said = found
    front = [(-p["validation"]["macro_f1"], p["bytes"], p["macs"]) for p in said["front"]]
    assert front and sorted(non_dominated(front)) == list(range(len(front)))
    assert [p["bytes"] for p in said["front"]] == sorted(p["bytes"] for p in said["front"])
    assert said["trials"]["finished"] == GOAL.trials == sum(said["trials"][k] for k in ("done", "stopped", "failed"))
    written = {k: v for k, v in said.items() if k not in ("picture", "folder")}
    assert written == json.loads((folder / "front.json").read_text()) and said["folder"] == str(folder)
    assert str(folder) not in (folder / "front.json").read_text(), "it may be moved"
    files = {f"models/{p.name}" for p in (folder / "models").iterdir()}
    assert files == {p[k] for p in said["front"] for k in ("model", "program")}
    for p in said["front"]:
        program = Program.load(folder / p["program"])
        memory = audit(program).best
        assert p["bytes"] == memory.total <= GOAL.budget.ram_bytes and p["memory"] == memory.to_dict()
        assert p["validation"]["macro_f1"] == macro_f1(*labels(program, house, "val"), len(house.rooms))
        assert p["test"]["int8"]["macro_f1"] == macro_f1(*labels(program, house, "test"), len(house.rooms))
        # What is printed is all that is needed to have the model again.
        again = fit(house, Config(**p["config"]), Recipe(**p["recipe"]), window=p["window"], hop=p["hop"])
        assert all(np.array_equal(v, again.params[k]) for k, v in Model.load(folder / p["model"]).params.items())
        assert p["weights"] == ("int4" if program.four_bits else "int8")
        assert p["program"] == f"models/{p['trial']:05d}.{p['weights']}.safetensors"
        trained = qat.fit(again, house, Recipe(**p["qat"]["recipe"]), weights=p["weights"])
        assert p["validation"]["macro_f1"] == macro_f1(*labels(trained, house, "val"), len(house.rooms))


def test_picture(found: tuple[Path, dict[str, Any]], house: Dataset, client: Any) -> None:
    folder, said = found
    text = (folder / "front.svg").read_text()
    assert said["picture"] == str(folder / "front.svg") and text.startswith("<?xml") and "</svg>" in text
    search(house, folder, GOAL, client, picture=folder / "front.png")  # all trials are there: it only draws
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    first = said["front"][0]
    for weights, names in (("int8", ">mamba<"), ("int4", ">mamba, int4 weights<")):
        of = {**said, "front": [{**first, "weights": weights, "config": {**first["config"], "family": "mamba"}}]}
        drawn = re.sub(r"<!-- (.*?) -->", r">\1<", draw(of, [], "svg").decode())
        assert names in drawn and ">macro-F1 of the Program, validation<" in drawn
        cost = said["cost"]["unit"]
        for axis in ("bytes, all in RAM", f"{cost} an answer"):  # each an axis of one plot, and the color of the other
            assert f">{axis}<" in drawn and f">color: {axis}<" in drawn


def test_labels_of_the_picture_lie_at_their_own_plot(found: tuple[Path, dict[str, Any]],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of colors and its label above the plot whose points have these colors, within its width."""
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **how: (drawn.append(self), save(self, *args, **how)))
    draw(found[1], [], "png")
    drawn[0].draw_without_rendering()  # places text anew, after the file's own resolution
    left, right, *bars = drawn[0].axes
    for plot, bar in zip((left, right), bars, strict=True):
        own, above, label = plot.get_window_extent(), bar.get_window_extent(), bar.xaxis.label.get_window_extent()
        assert bar.get_xlabel() == f"color: {(right if plot is left else left).get_xlabel()}"
        assert own.y1 < above.y0 < label.y0 and own.x0 <= above.x0 and above.x1 <= own.x1 + 1
        assert own.x0 <= label.x0 and label.x1 <= own.x1 and label.y1 < drawn[0].bbox.y1


# ---- the budget ----

def test_over_budget_is_known_before_training(found: tuple[Path, dict[str, Any]]) -> None:
    folder, said = found
    study = optuna.load_study(study_name="tinyloc", storage=f"sqlite:///{folder / STORAGE}")
    over = [t for t in study.get_trials() if t.user_attrs["outcome"]["state"] == "over"]
    assert len(over) == said["trials"]["over"] > 0
    for t in over:
        assert t.user_attrs["bytes"] > GOAL.budget.ram_bytes and "rungs" not in t.user_attrs["outcome"]
    assert all(t.user_attrs["bytes"] <= GOAL.budget.ram_bytes for t in study.get_trials() if t not in over)


@pytest.mark.parametrize("values", [
    {"config.family": "mamba", "config.d": 8, "config.n": 2, "config.tied": True, "window": 0.5},
    {"config.family": "mamba", "config.d": 6, "config.blocks": 2, "config.expand": 1, "config.k": 3},
    {"config.family": "mamba", "config.d": 6, "config.n": 0, "config.k": 1},
    {"config.family": "mdcsa", "config.d": 6, "config.kernels": (1, 4, 7), "window": 1.5},
    {"config.family": "mamba", "config.d": 16, "config.n": 2, "window": 0.5, "weights": "int4"},
    {"config.family": "mdcsa", "config.d": 16, "weights": "int4"},
], ids=str)
def test_estimate_is_what_the_trained_model_takes(house: Dataset, values: dict[str, Any]) -> None:
    goal = replace(GOAL, budget=budget(ram="64K"))
    made = make(values, house, goal)
    memory, macs = estimate(made)
    outcome = evaluate(house, Job(made, goal))
    trained = outcome.facts["memory"]
    assert outcome.state == "done" and macs > 0
    assert (memory.ram, memory.state, memory.activations) == tuple(trained[k] for k in ("ram", "state", "activations"))
    assert memory.total == pytest.approx(trained["total"], rel=0.15)
    eight = estimate(make({**values, "weights": "int8"}, house, goal))[0]
    assert (memory.weights < 0.9 * eight.weights) == (outcome.facts["weights"] == "int4") == ("weights" in values)
    # Trained, it is judged again.
    tight = replace(goal, budget=budget(ram=str(trained["total"] - 1)))
    assert evaluate(house, Job(made, tight)).state == "over"


@pytest.mark.parametrize("total, flash, ram, fits", [(False, None, "2K", True), (False, "3K", "2K", False),
                                                     (True, None, "2K", False), (True, None, "8K", True)])
def test_budget_is_that_of_audit(total: bool, flash: str | None, ram: str, fits: bool) -> None:
    memory, _ = estimate(make({"config.family": "mamba", "config.d": 8}, load("simulated", minutes=4), GOAL))
    assert memory.ram < 2048 < 3072 < memory.image < memory.total < 8192
    assert (Goal(budget(ram=ram, flash=flash), total=total).over(memory) <= 0) == fits


def test_nothing_fits(house: Dataset, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyloc.search.HOPELESS", 3)
    with pytest.raises(ConfigError, match=r"nothing fits: 3 settings in a row exceed 100 RAM; the least takes [\d,]+ B"):
        search(house, tmp_path, replace(GOAL, budget=budget(ram="100")), client)


# ---- settings ----

def test_space_makes_models_at_its_ends(house: Dataset) -> None:
    for family in ("mamba", "mdcsa"):
        for end in (0, -1):
            ends = {s.name: s.values[end] for s in SPACE if s.family in ("", family)} | {"config.family": family}
            fixed = optuna.trial.FixedTrial({n: v if s.scale != "order" else end % len(s.values)
                                             for s in SPACE if (n := s.name) in ends for v in [ends[n]]})
            values = suggest(fixed, SPACE, house, lambda place: None)
            assert values == ends
            made = make(values, house, Goal(budget(ram="32K")))
            assert made.window == round(house.window * ends["window"]) and made.config.d == ends["config.d"]
            assert made.recipe.lr == ends["recipe.lr"] and made.recipe.epochs == 60 and made.weights == ends["weights"]
    alone = replace(house, rate_hz=0.0)  # a row is a measurement on its own
    assert "window" not in suggest(fixed, SPACE, alone, lambda place: None)
    assert make({"config.family": "mamba", "config.d": 4}, alone, GOAL).window == house.window


def test_killed_between_two_settings(house: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial that has only some of them goes on with those that it would have had."""
    class Killed(Exception):
        pass

    def proposed(name: str, after: int | None = None) -> dict[str, Any]:
        study = Study(tmp_path / name, house, replace(GOAL, space=SPACE))
        try:
            if after is not None:
                def some(trial: Any, space: Any, *rest: Any) -> Any:
                    suggest(trial, space[:after], *rest)
                    raise Killed

                with monkeypatch.context() as m:
                    m.setattr("tinyloc.search.suggest", some)
                    with pytest.raises(Killed):
                        study.propose()
            params: dict[str, Any] = study.propose(*study.left_running())[0].params
            return params
        finally:
            study.close()

    whole = proposed("whole")
    assert len(whole) > 4
    for after in range(len(SPACE) + 1):
        assert proposed(f"cut{after}", after) == whole


def test_every_field_can_be_searched() -> None:
    names = [f"config.{f.name}" for f in fields(Config)] + [f"recipe.{f.name}" for f in fields(Recipe)]
    assert Goal(budget(ram="1K"), space=tuple(Setting(n, (1, 2)) for n in names)).trials == 200


def test_inputs_are_those_of_every_training(house: Dataset) -> None:
    """A trial's model is that of `train.fit` with the same inputs; refit, that of the epochs which validation found best,
    and the scores stay those of models that never saw the validation rows."""
    deaf = replace(house, **{part: replace(rows, rssi=np.where(np.arange(len(house.aps)) < 2, np.float32(np.nan), rows.rssi))
                             for part in ("train", "val", "test") for rows in [getattr(house, part)]})
    how = {"inputs": Inputs("powed", 5, 1), "augmentation": Augmentation(offset=3, dead=0.2)}
    goal = replace(GOAL, budget=budget(ram="64K"), epochs=3, repeats=2, balance=1.0, **how)
    made = make({"config.family": "mamba", "config.d": 4, "config.n": 2}, deaf, goal)
    assert made.config.aps == len(house.aps) - 2 and made.recipe.balance == 1
    assert estimate(made)[0].weights < estimate(make({"config.family": "mamba", "config.d": 4, "config.n": 2}, house,
                                                     goal))[0].weights, "what is never heard takes no bytes"
    plain, anew = (evaluate(deaf, Job(made, replace(goal, refit=refit))) for refit in (False, True))
    best = plain.facts["best"]
    recipe = replace(made.recipe, seed=made.recipe.seed + best)
    for outcome, refit in ((plain, False), (anew, True)):
        want = fit(deaf, made.config, recipe, refit=refit, window=made.window, hop=made.hop, **how)
        assert outcome.state == "done" and outcome.model is not None
        assert all(np.array_equal(v, outcome.model.params[k]) for k, v in want.params.items())
        assert outcome.model.info == want.info and outcome.program is not None
        assert outcome.program.info["confidence"]["seen"] == refit, "its Program is one that a stream can be unsure by"
    for k in ("int8", "float", "best", "rungs"):
        assert plain.facts[k] == anew.facts[k]
    assert not all(np.array_equal(v, anew.model.params[k]) for k, v in plain.model.params.items())  # type: ignore[union-attr]


@pytest.mark.parametrize("change, what", [
    ({"inputs": Inputs(delay=1)}, "inputs"), ({"augmentation": Augmentation(lost=0.1)}, "augmentation"),
    ({"balance": 0.5}, "balance"), ({"refit": True}, "refit")])
def test_other_inputs_are_another_search(found: tuple[Path, dict[str, Any]], house: Dataset, change: dict[str, Any],
                                         what: str) -> None:
    with pytest.raises(ConfigError, match=f"holds a search with another {what} "):
        Study(found[0], house, replace(GOAL, **change))
    relabeled = replace(house, val=replace(house.val, room=np.roll(house.val.room, 1)))
    with pytest.raises(ConfigError, match="holds a search with another digest of the rows "):
        Study(found[0], relabeled, GOAL)
    Study(found[0], house, GOAL).close()


def test_programs_are_trained_as_integers(house: Dataset) -> None:
    """A sixth of the goal's epochs, each repeat by its own seed; the races before it are those of the float training."""
    goal = replace(GOAL, budget=budget(ram="64K"), epochs=9, repeats=2, balance=0.5, seed=2**32 - 1, refit=True)
    values = {"config.family": "mamba", "config.d": 16, "config.n": 0, "config.k": 1, "window": 0.5}
    eight, four = (evaluate(house, Job(make({**values, **how}, house, goal), goal)) for how in ({}, {"weights": "int4"}))
    assert eight.facts["float"] == four.facts["float"] and eight.facts["rungs"][:-1] == four.facts["rungs"][:-1]
    assert (eight.facts["weights"], four.facts["weights"]) == ("int8", "int4")
    assert four.facts["rungs"][-1] == four.facts["int8"][0] and eight.facts["rungs"][-1] == eight.facts["int8"][0]
    assert four.facts["bytes"] < eight.facts["bytes"] and four.program and four.model
    made, best = make(values, house, goal), four.facts["best"]
    floats = [fit(house, made.config, replace(made.recipe, seed=seed), window=made.window, hop=made.hop)
              for seed in (2**32 - 1, 0)]
    recipes = [replace(qat.RECIPE, epochs=2, seed=seed, balance=0.5) for seed in (2**32 - 1, 0)]
    for outcome, weights in ((eight, "int8"), (four, "int4")):
        trained = [qat.fit(m, house, r, weights=weights) for m, r in zip(floats, recipes, strict=True)]
        assert outcome.facts["int8"] == [macro_f1(*labels(p, house, "val"), len(house.rooms)) for p in trained]
    want = qat.fit(four.model, house, recipes[best], weights="int4", until=trained[best].info["qat"]["best_epoch"])
    assert four.program.info["qat"] == want.info["qat"] and four.program.info["weights"] == "int4"
    assert all(np.array_equal(v, four.program.data[k]) for k, v in want.data.items() if k != "label.margins")
    unknown = make({**values, "weights": "int2"}, house, goal)
    assert "unknown precision of weights 'int2'" in evaluate(house, Job(unknown, goal)).facts["error"]


def test_names_of_programs_say_their_bits(house: Dataset, client: Any, tmp_path: Path) -> None:
    goal = replace(GOAL, budget=budget(ram="64K"), trials=1, space=(
        Setting("config.family", ("mamba",), "names"), Setting("config.d", (16,)), Setting("weights", ("int4",), "names")))
    (point,) = search(house, tmp_path / "a", goal, client)["front"]
    assert point["program"] == "models/00000.int4.safetensors"
    shutil.move(tmp_path / "a", tmp_path / "b")
    (moved,) = json.loads((tmp_path / "b" / "front.json").read_text())["front"]
    assert Program.load(tmp_path / "b" / moved["program"]).four_bits and Model.load(tmp_path / "b" / moved["model"])
    assert search(house, tmp_path / "b", goal, client)["front"] == [point], "and goes on there"


def test_behind_its_rivals_a_trial_ends(house: Dataset) -> None:
    goal = replace(GOAL, budget=budget(ram="64K"), epochs=4)
    made = make({"config.family": "mamba", "config.d": 4, "config.n": 2}, house, goal)
    whole = evaluate(house, Job(made, goal))
    rungs = whole.facts["rungs"]
    assert whole.state == "done" and len(rungs) == len(RUNGS) and rungs[-1] == whole.facts["int8"][0]
    near, far = ([r + share * slack for r, (_, slack) in zip(rungs, RUNGS, strict=True)] for share in (0.9, 1.1))
    assert evaluate(house, Job(made, goal, tuple(near))).state == "done"
    for i in range(len(rungs)):
        stopped = evaluate(house, Job(made, goal, (*near[:i], far[i], *near[i + 1 :])))
        assert stopped.state == "stopped" and stopped.facts["rungs"] == rungs[:i] and stopped.model is None


# ---- going on ----

def test_same_seed_same_trials_and_more_of_them(found: tuple[Path, dict[str, Any]], house: Dataset, client: Any,
                                                tmp_path: Path) -> None:
    folder, said = found
    search(house, tmp_path, replace(GOAL, trials=2), client)
    short = told(tmp_path)
    assert len(short) < len(told(folder)) and told(folder)[: len(short)] == short
    longer = search(house, tmp_path, GOAL, client)
    assert told(tmp_path) == told(folder)
    assert [p["validation"] for p in longer["front"]] == [p["validation"] for p in said["front"]]


def asked(folder: Path) -> list[str]:
    """Arguments of a search whose trials take a second."""
    recording = walk(folder.parent / "walk.csv")
    return ["search", "--data", str(recording), *COLUMNS, "--ram", "6K", "--total", *FLAGS, "--out", str(folder)]


@contextlib.contextmanager
def started(args: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, as a terminal has it: with one worker, and killed in the end."""
    code = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in the background
            "from tinyloc.cli import main; main(sys.argv[1:])")
    process = subprocess.Popen([sys.executable, "-c", code, *args, "--workers", "1"], start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(process: subprocess.Popen[str], so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 300  # the first search of a machine compiles
    while not so():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr and process.stderr.read()
        time.sleep(0.02)


def states(folder: Path) -> list[str]:
    """Those of a running search's trials."""
    if not (folder / STORAGE).exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{folder / STORAGE}?mode=ro", uri=True)) as reader:
        return [state for state, in reader.execute("SELECT state FROM trials ORDER BY number")]


def spawned(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Worker processes, from their first moment on."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a compiler that is asked for its version is soon gone
            found += [child] * ("spawn_main" in " ".join(child.cmdline()))
    return found


def test_interrupted_while_workers_start(tmp_path: Path) -> None:
    """Ctrl-C is of the whole process group; it ends with one line, whichever process it finds how far."""
    with started(asked(tmp_path / "out")) as process:
        until(process, lambda: spawned(process))
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=120) == ("", "tinyloc: INTERRUPTED: the same command goes on\n")
        assert process.returncode == 1


def test_interrupted_while_a_trial_runs(tmp_path: Path) -> None:
    """What was finished is kept and said, the worker says nothing, and the same command goes on."""
    folder = tmp_path / "out"
    with started(asked(folder)) as process:
        until(process, lambda: "COMPLETE" in (now := states(folder)) and now[-1] == "RUNNING")
        worker, = spawned(process)
        worker.send_signal(signal.SIGINT)  # a worker's own is nothing
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert err == "" and process.returncode == 0 and not worker.is_running()
    assert re.search(r"^INTERRUPTED: the same command goes on with the \d trials that are left$", out, re.M)
    kept = json.loads((folder / "front.json").read_text())
    assert 1 <= kept["trials"]["finished"] < TRIALS["trials"] and kept["front"]


def test_a_worker_outlives_an_interrupt() -> None:
    """The parent alone decides: a worker that ended so would not be replaced, and its trial would be waited for for ever."""
    with workers(count=1) as one:
        pid, = one.run(os.getpid).values()
        os.kill(pid, signal.SIGINT)
        assert one.submit(os.getpid, pure=False).result(timeout=30) == pid


def test_without_workers_it_ends(house: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyloc.search.LONELY", 0, raising=False)
    monkeypatch.setattr("tinyloc.search.GLANCE", 0.1, raising=False)
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as none, \
            distributed.Client(none) as alone, ThreadPoolExecutor(1) as apart:
        running = apart.submit(search, house, tmp_path, GOAL, alone)
        try:
            with pytest.raises(ConfigError, match="all workers are gone, and none has come for 0 s; the same command goes "
                                                  "on with the 4 trials that are left"):
                running.result(timeout=30)
        finally:
            alone.close()  # ends what would wait for ever


def test_killed_and_started_again(tmp_path: Path, client: Any) -> None:
    """SIGKILL of the search and of its workers while a trial runs; the next one has the trials of one never stopped."""
    folder = tmp_path / "killed"
    args = asked(folder)
    with started(args) as process:
        until(process, lambda: "COMPLETE" in (now := states(folder)) and now[-1] == "RUNNING")
    before = told(folder)
    kept = [t for t in before if t[1] != "RUNNING"]
    assert len(kept) < len(before) and sum(state == "COMPLETE" for _, state, _, _ in kept) < TRIALS["trials"]
    said = facts(*args, "--scheduler", client.scheduler.address)
    after = told(folder)
    assert said["trials"]["finished"] == TRIALS["trials"] and after[: len(kept)] == kept
    args[-1] = str(tmp_path / "whole")
    tinyloc(*args, "--scheduler", client.scheduler.address)
    assert told(tmp_path / "whole") == after and all(state != "RUNNING" for _, state, _, _ in after)


def test_another_search_in_the_folder(found: tuple[Path, dict[str, Any]], house: Dataset, client: Any) -> None:
    folder, _ = found
    before = told(folder)
    for change, what in (({"epochs": 4}, "epochs"), ({"seed": 1}, "seed"), ({"budget": budget(ram="2K")}, "budget"),
                         ({"space": SMALL[:-1]}, "space")):
        with pytest.raises(ConfigError, match=f"holds a search with another {what}"):
            search(house, folder, replace(GOAL, **change), client)  # type: ignore[arg-type]
    study = Study(folder, house, GOAL)
    with pytest.raises(ConfigError, match="another search is at work there"):
        search(house, folder, GOAL, client)
    study.close()
    with pytest.raises(ConfigError, match="holds a search with another windows"):
        search(replace(house, window=house.window + 1), folder, GOAL, client)
    assert told(folder) == before


def test_a_folder_of_an_earlier_version(house: Dataset, tmp_path: Path) -> None:
    """Its trials were not trained as integers: they are not mixed with those that are."""
    Study(tmp_path, house, GOAL).close()
    with contextlib.closing(sqlite3.connect(tmp_path / STORAGE)) as db, db:
        (row, text), = db.execute("SELECT study_user_attribute_id, value_json FROM study_user_attributes "
                                  "WHERE key = 'search'")
        older = {k: v for k, v in json.loads(text).items() if k != "training as integers"}
        db.execute("UPDATE study_user_attributes SET value_json = ? WHERE study_user_attribute_id = ?",
                   (json.dumps(older), row))
    with pytest.raises(ConfigError, match="holds a search with another training as integers"):
        Study(tmp_path, house, GOAL)


def test_what_is_no_storage_is_refused(house: Dataset, client: Any, tmp_path: Path) -> None:
    (tmp_path / STORAGE).write_bytes(b"my diary" * 100)
    with pytest.raises(ConfigError, match=f"{STORAGE}: no storage of a search"):
        search(house, tmp_path, GOAL, client)
    assert (tmp_path / STORAGE).read_bytes() == b"my diary" * 100


@pytest.mark.parametrize("name", ["sea?rch", "a#b%41 c", "{x}", "mode=ro&x"])
def test_a_folder_may_have_any_name(house: Dataset, tmp_path: Path, name: str) -> None:
    """Also one that means something in a URL; the storage is in it and nowhere else, and is found again."""
    for _ in range(2):
        Study(tmp_path / name, house, GOAL).close()
    assert [p.name for p in tmp_path.iterdir()] == [name] and (tmp_path / name / STORAGE).stat().st_size


def test_a_trial_that_fails_is_one_trial(found: tuple[Path, dict[str, Any]], house: Dataset, client: Any, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(dataset: Dataset, job: Job) -> Any:
        raise RuntimeError("no luck\ntoday")

    monkeypatch.setattr("tinyloc.search.evaluate", broken)
    shutil.copytree(found[0], tmp_path / "copy")
    said = search(house, tmp_path / "copy", replace(GOAL, trials=GOAL.trials + 1), client)
    assert said["trials"]["failed"] == 1 and said["errors"] == ["RuntimeError: no luck"]
    assert [p["validation"] for p in said["front"]] == [p["validation"] for p in found[1]["front"]]
    with pytest.raises(RuntimeError, match="no luck"):  # nothing ever worked: it is not the trial
        search(house, tmp_path / "new", GOAL, client)
    monkeypatch.setattr("tinyloc.train.fit", _refuse)
    outcome = evaluate(house, Job(make({"config.family": "mamba", "config.d": 4}, house, GOAL), GOAL))
    assert (outcome.state, outcome.facts["error"]) == ("failed", "the loss became nan")


def _refuse(*args: Any, **how: Any) -> Model:
    raise ModelError("the loss became nan")


# ---- the command ----

def test_command(tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = walk(tmp_path / "walk.csv")
    args = ("search", "--data", recording, *COLUMNS, "--mcu", "nrf52810", "--trials", "1", "--epochs", "2", "--repeats", "2",
            "--out", tmp_path / "out", "--scheduler", client.scheduler.address, "--delay", "1", "--least", "2",
            "--augment", "offset=2", "--augment", "lost=0.1", "--refit")
    said = facts(*args)
    (point,) = said["front"]
    model, program = Model.load(tmp_path / "out" / point["model"]), tmp_path / "out" / point["program"]
    assert model.info["delay"] == said["inputs"]["delay"] == 1 and model.info["refit"]
    assert model.info["augmentation"]["lost"] == said["augmentation"]["lost"] == 0.1
    assert said["budget"]["name"] == "nrf52810" and len(point["validation"]["int8"]) == 2
    assert point["validation"]["macro_f1"] == pytest.approx(np.mean(point["validation"]["int8"]))
    assert facts("audit", program, "--mcu", "nrf52810")["memory"][
        "stream" if point["streams"] else "window"] == point["memory"]
    facts("verify", program, "--windows", "5")  # it knows its data
    printed = tinyloc(*("nrf5281" if a == "nrf52810" else a for a in args))
    text = printed.stdout
    assert printed.stderr.startswith("nrf52810: cortex-m4, 24K of RAM, 192K of flash\n"), "before the trials"
    assert text.index("nrf52810: 1 trials") < text.index("F1 validation")
    of = " int4" * (point["weights"] == "int4")
    assert re.search(rf"^ +0  m(amba|dcsa) .*=.*{of}  ", text, re.M) and "test: of the kept model, chose nothing" in text
    if said["cost"]["unit"] == "instructions":
        counted = facts("bench", program, "--mcu", "nrf52810")["total"]["instructions"]
        assert point["instructions"] == counted, "of an answer: a row or the window that it takes, as bench has it"
        monkeypatch.setattr("tinyloc.search.countable", lambda core: "no compiler")
        assert "holds a search with another core" in tinyloc(*args, code=2).stderr
        guessed = facts(*(tmp_path / "macs" if a == tmp_path / "out" else a for a in args))
        assert guessed["cost"]["unit"] == "multiply-accumulates" and guessed["front"][0]["instructions"] is None


def test_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = ("--out", tmp_path)
    for args, says in (((), "no budget: expected a size of RAM"), (("--ram", "lots"), "'lots' is no size"),
                       (("--ram", "32K", "--core", "cortex-m99"), "unknown core 'cortex-m99'"),
                       (("--mcu", "atmega328p"), "there is no build for atmega328p"),
                       (("--mcu", "nrf52810", "--core", "m0plus"), "--core m0plus beside --mcu nrf52810"),
                       (("--ram", "32K", "--scheduler", "tcp://h:1", "--workers", "2"), "--workers is for a cluster on"),
                       (("--ram", "32K", "--augment", "loud=1"), "unknown augmentation 'loud'"),
                       (("--ram", "32K", "--signal", "power"), "unknown signal 'power'; did you mean 'powed'"),
                       (("--ram", "32K", "--scheduler", "nowhere://x"), "no Dask scheduler answers at nowhere://x")):
        assert says in complaint("search", *out, *args), args
    with pytest.raises(ConfigError, match=r"unknown setting 'config\.hidden'"):
        Goal(budget(ram="1K"), space=(Setting("config.hidden", (1, 2)),))
    with pytest.raises(ConfigError, match="unknown scale of a setting 'cubic'"):
        Goal(budget(ram="1K"), space=(Setting("config.d", (1, 2), "cubic"),))
    with pytest.raises(ConfigError, match="balance = 5; expected 0 to 4"):
        Goal(budget(ram="1K"), balance=5)
    with pytest.raises(ConfigError, match="repeats = 0; expected 1 or more"):
        Goal(budget(ram="1K"), repeats=0)
    with pytest.raises(ConfigError, match=r"front\.gif: expected a picture's name that ends in \.png, \.svg, \.pdf"):
        search(load("simulated", minutes=4), tmp_path, GOAL, None, picture="front.gif")
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert complaint("search", "--ram", "32K", *out) == ("tinyloc: search needs the package distributed; install it with: "
                                                         "pip install 'tinyloc[search]'\n")


@pytest.mark.level2
def test_workers_of_this_machine(house: Dataset, tmp_path: Path) -> None:
    with workers(count=2) as two:
        assert list(two.nthreads().values()) == [1, 1]
        assert search(house, tmp_path, GOAL, two)["trials"]["finished"] == GOAL.trials
