"""Training: AdamW, warm-up and cosine, clipping, weight averaging, early stopping on validation macro-F1.

Deterministic in its seed, on one machine and with as many threads for NumPy's matrices (OPENBLAS_NUM_THREADS).  A run can be
stopped at any time: Ctrl-C keeps the best model so far, and a run with a checkpoint file goes on where it was, with the same
result as one that was never stopped.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from tinyloc.carry import Carried, Carrying
from tinyloc.data import (
    MISSING,
    POWER,
    SIGNALS,
    Augmentation,
    Augmenter,
    Dataset,
    Samples,
    Scaler,
    Windows,
    accuracy,
    class_f1,
    every_row,
    macro_f1,
    paired_gain,
    windows,
)
from tinyloc.data.split import units
from tinyloc.distill import Beliefs, Distillation, Teachers, regressor
from tinyloc.errors import ConfigError, DataError, ModelError, unknown
from tinyloc.layers import layers
from tinyloc.model import Config, Model, Params

FORMAT, VERSION = "tinyloc-checkpoint", 1
MOTION = ("auto", "on", "off")
TRIALS = 2  # of `_choose_motion`


@dataclass(frozen=True)
class Recipe:
    """How to train.

    epochs     at most; one passes over every training window once
    batch      windows a step; fewer where training has too few windows for four steps an epoch, but at least 8
    lr         greatest learning rate (AdamW, betas 0.9 and 0.99; Loshchilov and Hutter, arXiv 1711.05101), reached after
               `warmup` of the steps, then falling to 0 as half a cosine
    decay      weight decay, on matrices only
    clip       greatest norm of the gradient of a step
    dropout    share of values dropped before the head, and in MDCSA's gated network
    average    decay a step of the average of the weights that is validated and kept (0: the weights themselves)
    patience   epochs without a better validation macro-F1 before training ends
    balance    0: rooms count as often as they occur in training; 1: as if all were equally likely, which is what macro-F1
               asks for (logit adjustment: Menon et al., arXiv 2007.07314; of a window's path, the mean over its steps)
    carry      share of the training windows that begin with the state that rows before them left, of a model that goes on
               from row to row on a device (`tinyloc.carry`); 0: all begin anew, in validation too, as in the paper
    """

    epochs: int = 120
    batch: int = 64
    lr: float = 5e-3
    decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    dropout: float = 0.1
    average: float = 0.99
    patience: int = 40
    balance: float = 0.0
    carry: float = 0.75
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("epochs", 1, 10**6), ("batch", 1, 10**6), ("lr", 0, 1), ("decay", 0, 1),
                                ("warmup", 0, 1), ("clip", 0, 1e9), ("dropout", 0, 0.95), ("average", 0, 0.99999),
                                ("patience", 1, 10**6), ("balance", 0, 4), ("carry", 0, 1), ("seed", 0, 2**32 - 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"training: {name} = {value!r}; expected {low} to {high}")
            whole = name in ("epochs", "batch", "patience", "seed")
            if whole and not isinstance(value, (int, np.integer)):
                raise ConfigError(f"training: {name} = {value!r}; expected a whole number")
            object.__setattr__(self, name, int(value) if whole else float(value))  # NumPy's numbers are none of JSON's


@dataclass(frozen=True)
class Inputs:
    """How rows become what a model reads.

    signal  "minmax" or "powed", see `Scaler.fit`
    least   training rows in which an access point must be heard, or the model does not listen to it; 0 keeps all
    delay   rows by which the answer lags: the room at a row is told that many rows later
    motion  whether the model reads the data's motion channels too: "on", "off", or "auto": where it pays, see `fit`
    power   of "powed"; above 1, differences of strong signals count for more than those of weak ones
    """

    signal: str = SIGNALS[0]
    least: int = 1
    delay: int = 0
    motion: str = MOTION[0]
    power: float = POWER

    def __post_init__(self) -> None:
        for name, known in (("signal", SIGNALS), ("motion", MOTION)):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        if not 0.1 <= self.power <= 10:
            raise ConfigError(f"inputs: power = {self.power!r}; expected 0.1 to 10")
        if self.signal != "powed" and self.power != POWER:
            raise ConfigError(f"inputs: power = {self.power!r} of {self.signal} signals; expected signal \"powed\"")
        for name in ("least", "delay"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= 10**6:
                raise ConfigError(f"inputs: {name} = {value!r}; expected a whole number from 0 to 1000000")

    def heard(self, samples: Samples) -> list[str]:
        """Names of the access points that are heard often enough.  Raises DataError when there is none."""
        rows = (~np.isnan(samples.rssi)).sum(0)
        names = [ap for ap, n in zip(samples.aps, rows.tolist(), strict=True) if n >= self.least]
        if not names:
            raise DataError(f"no access point is heard in {self.least} training rows; the most is {rows.max(initial=0)}")
        return names


class Trainable(Protocol):
    """What `train` trains: a dataclass whose `params` alone change, such as `Model` and `tinyloc.qat.QuantizedGraph`."""

    config: Any  # a dataclass; `classes` of it are the rooms
    params: Params  # those of the CRF are crf.transitions, crf.start and crf.end; without them, they count for zeros
    info: dict[str, Any]

    @property
    def width(self) -> int:
        """d, the number of features."""

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of what `forward` can begin with, beside zeros; () where each window begins anew."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None, dropout: float = 0.0,
                state: Sequence[np.ndarray] = ()) -> tuple[np.ndarray, Any]:
        """(emissions (b, t, c), cache) of x (b, t, a)."""

    def backward(self, dy: np.ndarray, cache: Any, dfeatures: np.ndarray | None = None) -> Params:
        """Gradients of all parameters but the CRF's; dfeatures: a loss's of `features`."""

    def carrying(self, t: int) -> Carrying:
        """What takes rows (b, t, a) and a state, of the parameters as they are, to the state after them."""

    def features(self, cache: Any) -> np.ndarray:
        """(b, t, d) what the head reads, of `forward`'s cache."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(b,) room at the last step of each window x (b, t, a), each begun anew."""

    def labels(self, w: Windows) -> np.ndarray:
        """(w,) room of the row that each window is about, as a device says it, which may go on from row to row."""


Trained = TypeVar("Trained", bound=Trainable)


@dataclass
class Epoch:
    """What the progress callback sees after each epoch."""

    number: int
    of: int
    loss: float
    score: float
    best: float


Progress = Callable[[Epoch], None]


class Flat:
    """Arrays as views of one vector, so that an optimizer's step is a handful of operations."""

    def __init__(self, params: Params) -> None:
        self.vector = np.concatenate([p.reshape(-1) for p in params.values()]).astype(np.float32)
        self.views: Params = {}
        self.decayed = np.zeros(len(self.vector), np.float32)
        at = 0
        for name, p in params.items():
            self.views[name] = self.vector[at : at + p.size].reshape(p.shape)
            # Matrices decay; biases, gains, A and D, and the CRF's scores do not.
            self.decayed[at : at + p.size] = p.ndim > 1 and "a_log" not in name and not name.startswith("crf.")
            at += p.size

    def gather(self, params: Params) -> np.ndarray:
        """`params` as one vector, in this one's order."""
        return np.concatenate([params[name].reshape(-1) for name in self.views])


def loss_and_gradients(model: Trainable, x: np.ndarray, y: np.ndarray, rng: np.random.Generator | None = None,
                       dropout: float = 0.0, taught: Beliefs | None = None, prior: np.ndarray | None = None,
                       state: Sequence[np.ndarray] = ()) -> tuple[float, Params]:
    """CRF negative log-likelihood of the rooms y (b, t) a window, and its gradients by parameter.

    taught: what teachers believe of these windows, which then has its share of the loss; with their features, the model's
    parameters hold those of `distill.regressor` too, and so do the gradients.
    prior (c,): what the likelihood adds to each step's emissions (`Recipe.balance`).
    state: what the windows begin with, of a model with `state_shapes`.
    """
    emissions, cache = model.forward(x, rng, dropout, state)
    c, use = emissions.shape[2], layers(emissions.dtype)
    shapes = {"crf.transitions": (c, c), "crf.start": (c,), "crf.end": (c,)}
    scores = [model.params[n] if n in model.params else np.zeros(s, emissions.dtype) for n, s in shapes.items()]
    loss, grads = 0.0, [np.zeros_like(a) for a in (emissions, *scores)]
    parts: list[tuple[float, float, Any, Any]] = []  # weight, temperature, forward, backward
    alpha = taught.how.alpha if taught else 1.0
    if alpha:
        parts.append((alpha, 1.0, lambda e, *s: use.crf_nll(e if prior is None else e + prior, y, *s), use.crf_nll_backward))
    if taught and alpha < 1:
        rooms, moves = taught.rooms, taught.moves
        parts.append((1 - alpha, taught.how.temperature, lambda e, *s: use.crf_cross_entropy(e, rooms, moves, *s),
                      use.crf_cross_entropy_backward))
    for weight, temperature, forward, backward in parts:
        heat = emissions.dtype.type(temperature)
        # T^2 keeps a gradient's size; one factor of it goes against the division of the scores.
        value, kept = forward(*(a / heat for a in (emissions, *scores))) if temperature != 1 else forward(emissions, *scores)
        loss += weight * temperature**2 * value
        for total, part in zip(grads, backward(weight * temperature, kept), strict=True):
            total += part
    of_regressor: Params = {}
    dfeatures: np.ndarray | None = None
    if taught and taught.features is not None:
        guess, kept = use.linear(model.features(cache), model.params["regressor.weight"], model.params["regressor.bias"])
        miss = guess - taught.features
        scale = taught.how.beta / (len(miss) * miss.shape[2])  # the mean over windows, as the likelihood's
        loss += scale * float(np.vdot(miss, miss))
        dfeatures, *dmap = use.linear_backward(miss * miss.dtype.type(2 * scale), kept)
        of_regressor = dict(zip(("regressor.weight", "regressor.bias"), dmap, strict=True))
    of_params = model.backward(grads[0], cache, dfeatures) | of_regressor
    return loss, of_params | {n: g for n, g in zip(shapes, grads[1:], strict=True) if n in model.params}


@dataclass
class _Run:
    """All that changes while training; what a checkpoint holds."""

    weights: Flat
    mean: np.ndarray
    square: np.ndarray
    averaged: np.ndarray
    best: np.ndarray
    rng: np.random.Generator
    epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_epoch: int = 0
    carried: Carried | None = None

    def save(self, path: Path, identity: str) -> None:
        from tinyloc.files import write_safetensors

        arrays = {"weights": self.weights.vector, "mean": self.mean, "square": self.square, "averaged": self.averaged,
                  "best": self.best, **self._ends()}
        numbers = {"epoch": self.epoch, "step": self.step, "best_score": self.best_score, "best_epoch": self.best_epoch}
        write_safetensors(path, arrays, {
            "format": FORMAT, "version": str(VERSION), "identity": identity, "numbers": json.dumps(numbers),
            "rng": json.dumps(self.rng.bit_generator.state)})

    def load(self, path: Path, identity: str) -> None:
        from tinyloc.files import read_safetensors

        arrays, meta = read_safetensors(path, FORMAT, VERSION)
        if meta.get("identity") != identity:
            raise ModelError(f"{path}: a checkpoint of another run (model, recipe or data differ); start anew with "
                             "--no-resume, remove it or name another file")
        try:
            for name in ("mean", "square", "averaged", "best"):
                getattr(self, name)[:] = arrays[name]
            self.weights.vector[:] = arrays["weights"]
            for name, ends in self._ends().items():
                ends[:] = arrays[name]
            for name, value in json.loads(meta["numbers"]).items():
                setattr(self, name, value)
            self.rng.bit_generator.state = json.loads(meta["rng"])
        except (KeyError, TypeError, ValueError) as e:
            raise ModelError(f"{path}: damaged checkpoint ({type(e).__name__}: {e})") from None

    def _ends(self) -> dict[str, np.ndarray]:
        return {f"ends.{i}": a for i, a in enumerate(self.carried.ends)} if self.carried else {}


def labeled(w: Windows) -> Windows:
    """The windows whose every step has a room.  Raises DataError without one."""
    keep = (w.y >= 0).all(1)
    if not keep.any():
        delay = w.recordings.delay if w.recordings else 0
        lack = f"; by the delay of {delay} rows, the first {delay} of each session have no room" if delay else ""
        raise DataError(f"training has no labeled window; expected at least one{lack}")
    return dataclasses.replace(w, x=w.x[keep], y=w.y[keep], row=w.row[keep])


@dataclass(frozen=True)
class Changing:
    """Training windows that differ from step to step: what makes them, the columns of it that the model hears, and teachers
    that are then asked anew."""

    augmenter: Augmenter
    scaler: Scaler
    columns: np.ndarray
    teachers: Teachers | None = None

    def scaled(self, rssi: np.ndarray) -> np.ndarray:
        """What the model reads of rows (..., a) of dBm."""
        return self.scaler.transform(rssi[..., self.columns])

    def batch(self, about: np.ndarray, rng: np.random.Generator, carried: np.ndarray | None = None,
              rows: np.ndarray | None = None) -> tuple[np.ndarray, Beliefs | None]:
        """(x, beliefs) of the windows about those rows, each changed for itself; those that are carried (b,) are cut from
        `rows` (n, a) instead, recordings that were changed as a whole."""
        rssi = self.augmenter(about, rng)
        if carried is not None and rows is not None:
            rssi[carried] = rows[self.augmenter.rows(about[carried])]
        return self.scaled(rssi), self.teachers.believe(rssi, self.augmenter.rows(about)) if self.teachers else None


def train(model: Trained, training: Windows, validation: Windows | None, recipe: Recipe | None = None, *,
          checkpoint: str | Path | None = None, progress: Progress | None = None, taught: Beliefs | None = None,
          changing: Changing | None = None, until: int | None = None) -> Trained:
    """The model of the epoch with the best validation macro-F1 (of the row that each window is about, as `labels` says it).

    checkpoint: a file that is written after each epoch and resumed from when it exists; remove it once the model is saved.
    taught: what teachers believe of the training windows (`tinyloc.distill.Teachers`).
    changing: instead of the training windows' x, and of `taught`, what this makes of them at each step.
    until: without validation windows, the epoch whose model is taken; the recipe's learning rates stay as they are.
    Ctrl-C ends the training; what was best so far is returned, with `info["interrupted"]` true.
    Raises DataError when a part has no window with a room for each step, ModelError for a checkpoint of another run.
    """
    recipe = recipe or Recipe()
    if (validation is None) != (until is not None):
        raise ConfigError("training: expected validation windows, or the epoch until which to train without them")
    if taught is not None:
        if taught.rooms.shape != (*training.y.shape, model.config.classes):
            raise DataError(f"the teachers' rooms have shape {taught.rooms.shape}, expected "
                            f"{(*training.y.shape, model.config.classes)}")
        taught = taught.take(np.flatnonzero((training.y >= 0).all(1)))
    training = labeled(training)
    for part in (training, validation):
        if part is not None and part.y.max(initial=-1) >= model.config.classes:
            raise DataError(f"the data have a room {part.y.max()}; expected less than the model's {model.config.classes}")
    seen = validation.y[:, -1] >= 0 if validation is not None else np.ones(1, bool)
    if not seen.any():
        raise DataError("validation has no labeled window; expected at least one")
    x, y, classes = training.x, training.y, model.config.classes
    prior = prior_of(y, classes, recipe.balance)
    batch = min(recipe.batch, max(8, len(x) // 4))
    params = model.params | regressor(model.width, taught, recipe.seed)
    weights = Flat(params)
    zeros, copy = np.zeros_like, weights.vector.copy
    run = _Run(weights, zeros(weights.vector), zeros(weights.vector), copy(), copy(),
               np.random.default_rng([recipe.seed, 0x7EA1]))
    working = _with(model, weights.views)
    goes_on = recipe.carry and training.recordings is not None and x.shape[1] > 1
    if goes_on and any(math.prod(s) for s in model.state_shapes):
        run.carried = Carried(training, model.state_shapes, recipe.carry)
    own = identity(model, [asdict(recipe), until], (training, validation), taught, changing)
    if checkpoint is not None and Path(checkpoint).exists():
        run.load(Path(checkpoint), own)
    per_epoch = math.ceil(len(x) / batch)
    averaged = _with(model, Flat(params).views)
    averaged_vector = next(iter(averaged.params.values())).base
    assert averaged_vector is not None
    last, interrupted = recipe.epochs if until is None else min(until, recipe.epochs), False
    try:
        while run.epoch < last and (until is not None or run.epoch - run.best_epoch < recipe.patience):
            order, total = run.rng.permutation(len(x)), 0.0
            rows: np.ndarray | None = None
            if run.carried:
                if changing and training.recordings:
                    # A state and what follows it are of one device: a model that was taught otherwise would expect that.
                    rows = changing.augmenter.recordings(training.recordings.spans, run.rng)
                    run.carried.x = changing.scaled(rows)
                run.carried.tour(working, run.rng)
            for i in range(per_epoch):
                pick = order[i * batch : (i + 1) * batch]
                on, begun = run.carried.of(pick, run.rng) if run.carried else (None, [])
                now, belief = (changing.batch(training.row[pick], run.rng, on, rows) if changing else
                               (x[pick], taught.take(pick) if taught else None))
                loss, grads = loss_and_gradients(working, now, y[pick], run.rng, recipe.dropout, belief, prior, begun)
                if not math.isfinite(loss):
                    raise ModelError(f"training: the loss became {loss} in epoch {run.epoch + 1}; expected a finite "
                                     f"number (a lower learning rate than {recipe.lr} may help, from the start)")
                total += loss * len(pick)
                _update(run, weights.gather(grads), recipe, per_epoch * recipe.epochs)
            run.epoch += 1
            averaged_vector[:] = run.averaged
            score = math.nan
            if validation is not None:
                found = judged(averaged, validation, recipe)
                score = macro_f1(validation.y[seen, -1], found[seen], classes)
            if not score <= run.best_score:
                run.best_score, run.best_epoch = score, run.epoch
                run.best[:] = run.averaged
            if checkpoint is not None:
                run.save(Path(checkpoint), own)
            if progress:
                progress(Epoch(run.epoch, last, total / len(x), score, run.best_score))
    except KeyboardInterrupt:
        if not run.best_epoch:
            raise
        interrupted = True
    averaged_vector[:] = run.best
    info = {**model.info, "recipe": asdict(recipe), "epochs": run.epoch, "interrupted": interrupted}
    if validation is not None:
        info |= {"validation_macro_f1": run.best_score, "best_epoch": run.best_epoch}
    return _with(model, {k: averaged.params[k].copy() for k in model.params}, info)


def judged(model: Trainable, w: Windows, recipe: Recipe) -> np.ndarray:
    """(w,) the rooms by which a training is judged: as a device says them, or where nothing is carried, of windows anew."""
    return model.labels(w) if recipe.carry else model.predict(w.x)


def prior_of(y: np.ndarray, classes: int, balance: float) -> np.ndarray | None:
    """(c,) what `Recipe.balance` adds to each step's emissions, by the rooms y (b, t) of the training windows, or None."""
    if not balance:
        return None
    rooms = np.bincount(y.reshape(-1), minlength=classes)
    share = np.where(rooms > 0, rooms / rooms.sum(), 1)  # a room that never occurs is not lifted: it could only be wrong
    found: np.ndarray = (balance / y.shape[1] * np.log(share)).astype(np.float32)
    return found


def as_begun(recipe: Recipe, info: Mapping[str, Any]) -> Recipe:
    """The recipe with the balance and the share of states carried by which the model of that info was trained, if that is
    known: it goes on as it began.  A recipe that says nothing of them is of before there were any."""
    if "recipe" not in info:
        return recipe
    before = info["recipe"]
    return dataclasses.replace(recipe, balance=before.get("balance", 0.0), carry=before.get("carry", 0.0))


def _with(model: Trained, params: Params, info: Mapping[str, Any] | None = None) -> Trained:
    """The same with other parameters."""
    return dataclasses.replace(model, params=params, info=dict(info or {}))  # type: ignore[type-var]


def _update(run: _Run, g: np.ndarray, recipe: Recipe, steps: int) -> None:
    """One step of AdamW and of the average."""
    norm = float(np.sqrt(np.dot(g, g)))
    gain = recipe.clip / norm if recipe.clip and norm > recipe.clip else 1.0
    run.step += 1
    warm = max(1.0, recipe.warmup * steps)
    lr = recipe.lr * (run.step / warm if run.step < warm else
                      0.5 * (1 + math.cos(math.pi * min(1.0, (run.step - warm) / max(1.0, steps - warm)))))
    b1, b2 = 0.9, 0.99
    rate = lr * math.sqrt(1 - b2**run.step) / (1 - b1**run.step)
    # The average forgets its start quickly: its decay grows to the recipe's.
    keep = min(recipe.average, run.step / (run.step + 10)) if recipe.average else 0.0
    w = run.weights
    layers(g.dtype).adamw(w.vector, run.mean, run.square, run.averaged, g, w.decayed, gain, 1 - b1, 1 - b2, rate,
                          lr * recipe.decay, 1 - keep)


def identity(model: Trainable, how: Sequence[Any], parts: Sequence[Windows | None], taught: Beliefs | None = None,
             changing: Changing | None = None) -> str:
    """Digest of all that decides a run: the model as it starts, `how` it goes on (JSON-able), windows for training and
    validation, what teachers believe of them, and what changes them (of the rows themselves: windows are clipped)."""
    import hashlib

    changes = [asdict(changing.augmenter.how), changing.augmenter.hold, changing.augmenter.weakest,
               changing.scaler.to_dict()] if changing else None
    numbers = [asdict(model.config), how, asdict(taught.how) if taught else None, changes]
    h = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    arrays = (*model.params.values(), *(a for p in parts if p is not None for a in (p.x, p.y)),
              *(a for p in parts if p is not None and (r := p.recordings) is not None for a in (r.x, r.first)))
    for a in (*arrays, *(taught.arrays if taught else ()), *([changing.augmenter.signals] if changing else ())):
        h.update(f"{a.dtype.str}{a.shape}".encode())
        h.update(np.ascontiguousarray(a).tobytes())
    return h.hexdigest()


def fit(dataset: Dataset, config: Config | str, recipe: Recipe | None = None, *, inputs: Inputs | None = None,
        augmentation: Augmentation | None = None, refit: bool = False, until: int | None = None, window: int | None = None,
        hop: int | None = None, checkpoint: str | Path | None = None, progress: Progress | None = None,
        teachers: Sequence[Model] = (), distillation: Distillation | None = None, missing: str = MISSING[0]) -> Model:
    """A model for a data set: scaler from the training rows, windows, training.

    config: a Config or the name of a preset; window, hop: rows a window and from one to the next (the data set's).  A Config
    for all the data's access points is made one for those that are heard (`Inputs.least`).
    augmentation: how training windows are changed anew at each step.
    refit: train once more, on training and validation rows together, for as many epochs as validation found best (Goodfellow
    et al., Deep Learning, 2016, algorithm 7.2); the score in `info` is still that of the first run.
    until: only that last training, for so many epochs.
    teachers: models of any family for the same rooms, window and delay, from which to learn as `distillation` says; they may
    hear other access points of the data, or by `missing` such as the data lack (`Samples.select`).  The rows trained on may
    teach too (`Distillation.neighbors`).

    Where the data have motion channels and `inputs.motion` is "auto", what is kept is the model on RSSI alone, bit for bit
    what "off" gives, unless one that reads motion too is better on validation (`_choose_motion`).  `info["motion_choice"]`
    says which it is, and all scores.

    `info` holds all that is needed to use the model on raw samples: scaler, rooms, access points ("aps", with the motion
    channels that it reads last, which "motion" names), window, delay, rate; "refit", where the weights have seen the
    validation rows.  Raises ConfigError for a Config of other inputs or rooms than the data have.
    """
    recipe, inputs = recipe or Recipe(), inputs or Inputs()
    once = partial(_fit, dataset, config, augmentation=augmentation, window=window, hop=hop, progress=progress,
                   teachers=teachers, distillation=distillation, missing=missing)
    if inputs.motion == "on" and not dataset.motions:
        raise DataError(f"{dataset.name} has no motion channels; expected some, or motion \"auto\" or \"off\"")
    choose = inputs.motion == "auto" and bool(dataset.motions)
    if until is not None:
        if choose:
            raise ConfigError("training: without validation it cannot be told whether motion pays; expected motion \"on\" "
                              "or \"off\"")
        return once(recipe=recipe, inputs=inputs, checkpoint=checkpoint, until=until)
    chosen = (_choose_motion(once, dataset, recipe, inputs, checkpoint) if choose else
              once(recipe=recipe, inputs=inputs, checkpoint=checkpoint))
    if not refit or chosen.info["interrupted"]:
        return chosen
    if choose:
        inputs = dataclasses.replace(inputs, motion="on" if "motion" in chosen.info else "off")
    again = once(recipe=recipe, inputs=inputs, checkpoint=_beside(checkpoint, "refit"), until=chosen.info["best_epoch"])
    if again.info["interrupted"]:
        return with_info(chosen, interrupted=True)
    kept = ("validation_macro_f1", "best_epoch", *(["motion_choice"] if choose else []))
    return with_info(again, **{k: chosen.info[k] for k in kept})


def _beside(checkpoint: str | Path | None, what: str) -> Path | None:
    """The checkpoint of another of the trainings of one `fit`."""
    return None if checkpoint is None else Path(f"{checkpoint}.{what}" if what else checkpoint)


def checkpoints(checkpoint: str | Path) -> list[Path]:
    """All files that `fit` may leave for this checkpoint, to be removed once the model is saved."""
    trials = (_trial(i, motion) for i in range(TRIALS) for motion in ("off", "on"))
    return [path for what in (*trials, "refit") if (path := _beside(checkpoint, what))]


def _trial(number: int, motion: str) -> str:
    """What a training of `_choose_motion` is called; "": the first on RSSI alone, which is the one that "off" is."""
    return f"{motion}{number + 1}" if number or motion == "on" else ""


def _choose_motion(once: Callable[..., Model], dataset: Dataset, recipe: Recipe, inputs: Inputs,
                   checkpoint: str | Path | None) -> Model:
    """The model on RSSI alone, unless motion is better on validation: in macro-F1, and by more than twice the standard error
    in mean recall (`paired_gain`, over stretches of five windows, whose mistakes are taken for one).

    Both begin as the same model (`_fit`) and see the same batches.  They part by chance nevertheless, so a second trial, of
    the next seed, has to say the same.  The first "no" ends it, after two trainings where motion is of no use.
    """
    kept = True
    trials: list[dict[str, Any]] = []
    first: list[Model] = []
    for number in range(TRIALS):
        seeded = dataclasses.replace(recipe, seed=(recipe.seed + number) % 2**32)
        pair = []
        for motion in ("off", "on"):
            pair.append(once(recipe=seeded, inputs=dataclasses.replace(inputs, motion=motion),
                             checkpoint=_beside(checkpoint, _trial(number, motion))))
            if pair[-1].info["interrupted"]:
                return with_info((first or pair)[0], interrupted=True)
        first = first or pair
        seen = [last_rows(m.info, dataset.val) for m in pair]
        true, (off, on) = seen[0].y[:, -1], (judged(m, w, recipe) for m, w in zip(pair, seen, strict=True))
        unit = units(dataset.val, pair[0].info["window"], dataset.rate_hz)
        f1 = [macro_f1(true, labels, len(dataset.rooms)) for labels in (off, on)]
        gain, error = paired_gain(true, off, on, unit)
        trials.append({"seed": seeded.seed, "rssi": f1[0], "motion": f1[1], "gain": gain, "error": error})
        kept = f1[1] > f1[0] and gain > 2 * error
        if not kept:
            break
    return with_info(first[kept], motion_choice={"kept": kept, "trials": trials})


def _fit(dataset: Dataset, config: Config | str, *, recipe: Recipe, inputs: Inputs, augmentation: Augmentation | None,
         until: int | None = None, window: int | None, hop: int | None, checkpoint: str | Path | None,
         progress: Progress | None, teachers: Sequence[Model], distillation: Distillation | None, missing: str) -> Model:
    """One training of `fit`.  `inputs.motion` is "on", or the model reads RSSI alone; one that reads motion begins as that
    one, with weights of 0 for motion: started anew with an input more, two models differ by more than motion makes up."""
    from tinyloc.model import preset

    name = config if isinstance(config, str) else ""
    heard, motions = inputs.heard(dataset.train), list(dataset.motions) if inputs.motion == "on" else []
    aps = heard + motions
    made = preset(config, len(aps), len(dataset.rooms)) if isinstance(config, str) else config
    if made.aps not in (counts := (len(aps), len(heard), len(dataset.aps), len(dataset.inputs))):
        raise ConfigError(f"the configuration has {made.aps} inputs; expected {counts[0]}, those that are heard, or "
                          f"{counts[3]}, all of {dataset.name}")
    if made.classes != len(dataset.rooms):
        raise ConfigError(f"the configuration has {made.classes} rooms; {dataset.name} has {len(dataset.rooms)}")
    made = dataclasses.replace(made, aps=len(aps))
    length, step = (own if given is None else given for given, own in ((window, dataset.window), (hop, dataset.hop)))
    delay = inputs.delay
    if delay and not dataset.rate_hz:
        raise ConfigError(f"inputs: delay = {delay}; expected 0: a row of {dataset.name} stands alone, and none follows it")
    if delay >= max(length, 2):
        raise ConfigError(f"inputs: delay = {delay}; expected less than a window's {length} rows, so that it holds the row "
                          "that the answer is about")
    wide = heard_by(dataset, (aps, *(t.info.get("aps", ()) for t in teachers)), missing)
    dataset = dataset.select(aps)
    scaler = Scaler.fit(dataset.train, signal=inputs.signal, power=inputs.power)
    model = Model.create(dataclasses.replace(made, aps=made.aps - len(motions)), recipe.seed)
    if motions:
        model.config = made
        model.params["encoder.weight"] = np.pad(model.params["encoder.weight"], ((0, 0), (0, len(motions))))
    model.info = {"name": name or made.family, "dataset": dataset.name, "simulated": dataset.simulated,
                  "note": dataset.note, "rooms": list(dataset.rooms), "aps": aps, "window": length, "hop": step,
                  "delay": delay, "rate_hz": dataset.rate_hz, "scaler": scaler.to_dict()}
    if motions:
        model.info["motion"] = motions
    if augmentation:
        model.info["augmentation"] = asdict(augmentation)
    rows, asked = wide.train if until is None else wide.known, None
    if teachers or distillation:
        asked = Teachers(teachers, wide, length, delay, distillation, rows)
        model.info |= asked.info
    if until is not None:
        model.info["refit"] = True
    training, taught, changing = prepare(model.info, rows, asked)
    validation = every_row(dataset.val, scaler, length, delay) if until is None else None
    return train(model, training, validation, recipe, checkpoint=checkpoint, progress=progress, taught=taught,
                 changing=changing, until=until)


def heard_by(dataset: Dataset, ears: Sequence[Sequence[str]], missing: str = MISSING[0]) -> Dataset:
    """The data set as heard by the access points (and motion channels) that any of `ears` names, in the data's order; with
    missing "silent", by those access points that the data lack besides."""
    names = dict.fromkeys(ap for some in ears for ap in some)
    lacking = [ap for ap in names if ap not in dataset.inputs] if missing == "silent" else []
    aps, motions = ([ap for ap in own if ap in names] for own in (dataset.aps, dataset.motions))
    return dataset.select([*aps, *lacking, *motions], missing=missing)


def prepare(info: Mapping[str, Any], rows: Samples, teachers: Teachers | None = None
            ) -> tuple[Windows, Beliefs | None, Changing | None]:
    """(training windows, what the teachers believe of them, what changes them at each step) of `rows`, which the teachers'
    access points hear too, for a model whose info says scaler, access points, window, hop, delay, rate and augmentation."""
    scaler, delay = Scaler.from_dict(info["scaler"]), int(info.get("delay", 0))
    length, how = int(info["window"]), Augmentation(**info.get("augmentation", {}))
    training = windows(rows.select(info["aps"]), scaler, length, int(info.get("hop", max(1, length // 2))), delay)
    if not teachers and "augmentation" not in info:
        return training, None, None
    augmenter = Augmenter(rows, scaler.hold, length, delay, float(info.get("rate_hz", 0)), how)
    if teachers:
        teachers.follow(training)
    taught = teachers.believe(augmenter.windows(training.row), augmenter.rows(training.row)) if teachers else None
    columns = np.array([rows.inputs.index(ap) for ap in info["aps"]])
    return training, taught, Changing(augmenter, scaler, columns, teachers) if "augmentation" in info else None


def last_rows(info: Mapping[str, Any], samples: Samples, missing: str = MISSING[0]) -> Windows:
    """A window about each row of `samples`, scaled and cut as `info` (of a model or a Program) says.

    Rooms are numbered as the model numbers them, by name: another recording of the same house may name them in another
    order, or lack some.  Access points are found by name too; what else the samples hear is left out.  Raises DataError when
    they lack one that the model hears, unless `missing` lets it count as not heard (`Samples.select`), or have a room that
    the model lacks.
    """
    if not {"scaler", "window"} <= info.keys():
        raise DataError("the model does not say how its input is made: expected scaler and window in its info, as `fit` "
                        "writes them")
    rows = samples.select(info.get("aps", samples.aps), missing=missing).with_rooms(info.get("rooms", samples.rooms))
    return every_row(rows, Scaler.from_dict(info["scaler"]), int(info["window"]), int(info.get("delay", 0)))


def scores(true: np.ndarray, predicted: np.ndarray, rooms: tuple[str, ...]) -> dict[str, Any]:
    """macro_f1, accuracy and F1 a room (None where a room does not occur)."""
    f1 = class_f1(true, predicted, len(rooms))
    return {"macro_f1": macro_f1(true, predicted, len(rooms)), "accuracy": accuracy(true, predicted),
            "f1": {r: None if math.isnan(v) else float(v) for r, v in zip(rooms, f1.tolist(), strict=True)}}


def with_info(model: Model, **more: Any) -> Model:
    """The model with more in its info."""
    return dataclasses.replace(model, info={**model.info, **more})
