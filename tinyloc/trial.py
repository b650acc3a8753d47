"""A trial of a search: settings of model and training, what they take before a training, and what comes of one.

Knows nothing of how settings are chosen and where trials run (`tinyloc.search`): `evaluate` is a function of a data set and
a job, deterministic, whose arguments and result can be sent to another machine.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyloc.data import Augmentation, Dataset, macro_f1
from tinyloc.emulator.mcu import Budget
from tinyloc.errors import ConfigError, TinylocError, unknown
from tinyloc.model import Config, Model
from tinyloc.train import Epoch, Inputs, Recipe

if TYPE_CHECKING:
    from tinyloc.program import Program
    from tinyloc.verify import Memory

# Where a trial is compared with its rivals: shares of the first training's epochs, with the macro-F1 that it may lie behind
# there.  Early on learning rates decide more than models do; at the end, in int8, two spreads of a training remain.
RUNGS = ((0.25, 0.2), (0.5, 0.1), (1.0, 0.02))
# The share of a goal's epochs for which a Program is trained on as integers: calibrated alone, weights of four bits may cost
# several points of F1, and eight are to have the same chance.
QAT = 1 / 6
SCALES = ("order", "names", "linear", "log")


@dataclass(frozen=True)
class Setting:
    """One thing that is searched.

    name    "config.x" or "recipe.x": a field of `Config` or `Recipe`; "window": rows, as a multiple of the data set's;
            "weights": their precision, as for `tinyloc.quantize.quantize`
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
    Setting("config.n", (0, 2, 4, 8, 16), family="mamba"),
    Setting("config.k", (1, 2, 3, 4), family="mamba"),
    Setting("config.expand", (1, 2), family="mamba"),
    Setting("config.tied", (False, True), family="mamba"),
    Setting("config.kernels", ((1,), (1, 4, 7)), family="mdcsa"),
    Setting("window", (0.5, 1.0, 1.5, 2.0)),
    Setting("recipe.lr", (2e-3, 2e-2), "log"),
    Setting("recipe.dropout", (0.0, 0.3), "linear"),
    Setting("weights", ("int8", "int4"), "names"),
)


@dataclass(frozen=True)
class Goal:
    """What is searched for, and how thoroughly.

    budget    bytes that a model may take (`tinyloc.emulator.mcu.budget`), as `tinyloc audit` counts them, stack apart
    total     count weights, tables and steps as RAM too; else they may take the budget's flash
    trials    settings to try, those over the budget not counted
    epochs    of a training, at most
    repeats   trainings of a trial; the mean macro-F1 of their Programs on validation is what is searched by
    core      whose instructions an answer are counted; "": none, multiply-accumulates stand for them
    seed      of the sampler and of the trainings
    inputs, augmentation, balance  of every training (`train.fit`, `Recipe.balance`)
    refit     a trial that is done trains the best of its models anew, on training and validation rows together, and keeps
              that; what is searched by are still the scores of models that have not seen the validation rows
    """

    budget: Budget
    total: bool = False
    trials: int = 200
    epochs: int = 60
    repeats: int = 2
    core: str = "cortex-m4"
    seed: int = 0
    space: tuple[Setting, ...] = SPACE
    inputs: Inputs = field(default_factory=Inputs)
    augmentation: Augmentation | None = None
    balance: float = 0.0
    refit: bool = False

    def __post_init__(self) -> None:
        for name, low in (("trials", 1), ("epochs", 1), ("repeats", 1), ("seed", 0)):
            value = getattr(self, name)
            if not low <= value < 2**32:
                raise ConfigError(f"search: {name} = {value!r}; expected {low} or more")
        Recipe(balance=self.balance)  # says what is wrong with it
        known = ("window", "weights", *(f"{part}.{f.name}" for part, of in (("config", Config), ("recipe", Recipe))
                                        for f in dataclasses.fields(of)))
        for s in self.space:
            if s.name not in known:
                raise unknown("setting", s.name, known)
            if s.scale not in SCALES:
                raise unknown("scale of a setting", s.scale, SCALES)

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
    """Settings as what trains a model: arguments of `train.fit`, and the precision of its Program's weights."""

    config: Config
    recipe: Recipe
    window: int
    hop: int
    inputs: Inputs = field(default_factory=Inputs)
    augmentation: Augmentation | None = None
    weights: str = "int8"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def make(values: Mapping[str, Any], dataset: Dataset, goal: Goal) -> Made:
    """`values` (a setting's name -> its value) for a data set, whose models hear what is heard often enough (`Inputs`)."""
    fields: dict[str, dict[str, Any]] = {"config": {}, "recipe": {}}
    for name, value in values.items():
        part, _, of = name.partition(".")
        if of:
            fields[part][of] = value
    length = max(1, round(dataset.window * values.get("window", 1)))
    aps = len(goal.inputs.heard(dataset.train))
    return Made(Config(**{"aps": aps, "classes": len(dataset.rooms), **fields["config"]}),
                Recipe(**{"epochs": goal.epochs, "patience": max(1, goal.epochs // 3), "seed": goal.seed,
                          "balance": goal.balance, **fields["recipe"]}),
                length, max(1, round(length * dataset.hop / dataset.window)),
                # A trial is of inputs that do not change: whether motion pays is asked of a model, not of every setting.
                dataclasses.replace(goal.inputs, motion="off") if goal.inputs.motion == "auto" else goal.inputs,
                goal.augmentation, values.get("weights", "int8"))


def estimate(made: Made) -> tuple[Memory, int]:
    """(memory, multiply-accumulates of an answer) of an untrained model of these shapes, in milliseconds.

    Activations and state are those of the trained one.  Its constants may differ a little: which rows of weights have a
    scale of their own, and which tables are alike, depends on the values.
    """
    from tinyloc.bench import macs
    from tinyloc.confidence import sized
    from tinyloc.quantize import Tensors, build
    from tinyloc.verify import audit

    c = made.config
    model = Model.create(c)
    x = np.random.default_rng(0).random((2, made.window, c.aps), np.float32)
    graph = Tensors.of(model.graph(made.window), x)
    taken = audit(sized(build(graph.cheaper(), "minmax", weights=made.weights)))
    return taken.best, macs(graph) // (made.window if taken.streams else 1)


@dataclass(frozen=True)
class Job:
    """A trial as a worker is given it.  bar: what its rivals reached at best, for each rung; () without any."""

    made: Made
    goal: Goal
    bar: tuple[float, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of a trial.

    state   "done", "stopped" (it fell behind), "over" (the trained model exceeds the budget), "failed" (`error` says why)
    facts   JSON-able: scores, memory, instructions, seconds
    model, program   of the best repeat, where done
    """

    state: str
    facts: dict[str, Any]
    model: Model | None = None
    program: Program | None = None


class _Behind(Exception):
    """A trial would not make the front."""


def evaluate(dataset: Dataset, job: Job) -> Outcome:
    """Runs a trial: trains, quantizes, scores on validation, counts bytes and instructions.  Deterministic in the job.

    Programs are trained on as integers (`qat.fit`), each repeat's by its own seed.  The last rung judges the Program; those
    before it are of the float training.

    On RSSI alone: whether motion pays is a question of the data, which one training of the model that was found answers.
    """
    from tinyloc import qat
    from tinyloc.bench import bench
    from tinyloc.confidence import calibrate as count
    from tinyloc.train import as_begun, fit, with_info
    from tinyloc.verify import audit

    made, goal, began = job.made, job.goal, (time.monotonic(), time.thread_time())
    at = [math.ceil(share * made.recipe.epochs) for share, _ in RUNGS[:-1]]
    reached: list[float] = []

    def rung(score: float) -> None:
        if job.bar and score < job.bar[len(reached)] - RUNGS[len(reached)][1]:
            raise _Behind
        reached.append(score)

    def race(e: Epoch) -> None:
        if len(reached) < len(at) and e.number == at[len(reached)]:
            rung(e.best)

    def ended(state: str, model: Model | None = None, program: Program | None = None) -> Outcome:
        facts["seconds"], facts["cpu_seconds"] = time.monotonic() - began[0], time.thread_time() - began[1]
        return Outcome(state, facts, model, program)

    def seeded(recipe: Recipe, repeat: int, **changes: Any) -> Recipe:
        return dataclasses.replace(recipe, seed=(made.recipe.seed + repeat) % 2**32, **changes)

    def trained(repeat: int, **how: Any) -> Model:
        recipe = seeded(made.recipe, repeat)
        return with_info(fit(dataset, made.config, recipe, inputs=made.inputs, augmentation=made.augmentation,
                             window=made.window, hop=made.hop, **how), **job.info)

    def quantized(model: Model, repeat: int, until: int | None = None) -> Program:
        recipe = seeded(as_begun(qat.RECIPE, model.info), repeat, epochs=max(1, round(QAT * goal.epochs)))
        return qat.fit(model, dataset, recipe, weights=made.weights, until=until)

    found: list[tuple[float, Model, Program]] = []
    facts: dict[str, Any] = {"rungs": reached}
    try:
        for repeat in range(goal.repeats):
            model = trained(repeat, progress=race if repeat == 0 else None)
            program = quantized(model, repeat)
            found.append((macro_f1(*labels(program, dataset, "val"), len(dataset.rooms)), model, program))
            if repeat == 0:
                reached += [model.info["validation_macro_f1"]] * (len(at) - len(reached))  # it ended before the rung
                rung(found[0][0])
        scores = [score for score, _, _ in found]
        best = int(np.argmax(scores))
        _, model, program = found[best]
        if goal.refit:
            judged = {k: model.info[k] for k in ("validation_macro_f1", "best_epoch")}
            model = with_info(trained(best, until=judged["best_epoch"]), **judged)
            program = quantized(model, best, program.info["qat"]["best_epoch"])
        program = count(program, dataset)
    except _Behind:
        return ended("stopped")
    except TinylocError as e:
        facts["error"] = str(e)
        return ended("failed")
    taken = audit(program)
    memory, streams = taken.best, taken.streams
    facts |= {"memory": memory.to_dict(), "streams": streams, "bytes": goal.bytes(memory), "over": goal.over(memory),
              "int8": scores, "float": [m.info["validation_macro_f1"] for _, m, _ in found], "best": best,
              "epochs": [m.info["epochs"] for _, m, _ in found], "parameters": model.parameters,
              "calibration": program.info["calibration"], "decay": program.info.get("decay"), "qat": program.info["qat"],
              "weights": "int4" if program.four_bits else "int8"}  # int4 may have found no layer large enough
    if goal.over(memory) > 0:
        return ended("over")
    if goal.core:
        # Counted on each Program, as it is: shifts are constants of a model, and some kernels choose their loop by them.
        one = program.retime(1) if streams else program
        facts["instructions"] = bench(one, goal.core).total.instructions  # of an answer: a row, or the window that it takes
    return ended("done", model, program)


def labels(program: Program, dataset: Dataset, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(rooms, rooms that the Program says, as firmware runs it) of each row of a part: train, val or test."""
    from tinyloc import run
    from tinyloc.train import last_rows

    w = last_rows(program.info, getattr(dataset, part))
    return w.y[:, -1], run.labels(program, w)
