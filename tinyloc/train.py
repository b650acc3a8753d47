"""Training: AdamW, warm-up and cosine, clipping, weight averaging, early stopping on validation macro-F1.

Deterministic in its seed.  A run can be stopped at any time: Ctrl-C keeps the best model so far, and a run with a
checkpoint file goes on where it was, with the same result as one that was never stopped.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.data import Dataset, Samples, Scaler, Windows, accuracy, class_f1, every_row, macro_f1, windows
from tinyloc.distill import Beliefs, Distillation, beliefs, regressor
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.layers import layers
from tinyloc.model import Config, Model, Params

FORMAT, VERSION = "tinyloc-checkpoint", 1


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
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("epochs", 1, 10**6), ("batch", 1, 10**6), ("lr", 0, 1), ("decay", 0, 1),
                                ("warmup", 0, 1), ("clip", 0, 1e9), ("dropout", 0, 0.95), ("average", 0, 0.99999),
                                ("patience", 1, 10**6), ("seed", 0, 2**32 - 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"training: {name} = {value!r}; expected {low} to {high}")


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


def loss_and_gradients(model: Model, x: np.ndarray, y: np.ndarray, rng: np.random.Generator | None = None,
                       dropout: float = 0.0, taught: Beliefs | None = None) -> tuple[float, Params]:
    """CRF negative log-likelihood of the rooms y (b, t) a window, and its gradients by parameter.

    taught: what teachers believe of these windows, which then has its share of the loss; with their features, the model's
    parameters hold those of `distill.regressor` too, and so do the gradients.
    """
    emissions, cache = model.forward(x, rng, dropout)
    use, scores = layers(emissions.dtype), [model.params[f"crf.{n}"] for n in ("transitions", "start", "end")]
    loss, grads = 0.0, [np.zeros_like(a) for a in (emissions, *scores)]
    parts: list[tuple[float, float, Any, Any]] = []  # weight, temperature, forward, backward
    alpha = taught.how.alpha if taught else 1.0
    if alpha:
        parts.append((alpha, 1.0, lambda e, *s: use.crf_nll(e, y, *s), use.crf_nll_backward))
    if taught and alpha < 1:
        rooms, moves = taught.rooms, taught.moves
        parts.append((1 - alpha, taught.how.temperature, lambda e, *s: use.crf_cross_entropy(e, rooms, moves, *s),
                      use.crf_cross_entropy_backward))
    for weight, temperature, forward, backward in parts:
        heat = emissions.dtype.type(temperature)
        # T^2 keeps a gradient's size; one factor of it goes against the division of the scores.
        value, c = forward(*(a / heat for a in (emissions, *scores))) if temperature != 1 else forward(emissions, *scores)
        loss += weight * temperature**2 * value
        for total, part in zip(grads, backward(weight * temperature, c), strict=True):
            total += part
    of_regressor: Params = {}
    dfeatures: np.ndarray | None = None
    if taught and taught.features is not None:
        guess, c = use.linear(model.features(cache), model.params["regressor.weight"], model.params["regressor.bias"])
        miss = guess - taught.features
        scale = taught.how.beta / (len(miss) * miss.shape[2])  # the mean over windows, as the likelihood's
        loss += scale * float(np.vdot(miss, miss))
        dfeatures, *dmap = use.linear_backward(miss * miss.dtype.type(2 * scale), c)
        of_regressor = dict(zip(("regressor.weight", "regressor.bias"), dmap, strict=True))
    of_params = model.backward(grads[0], cache, dfeatures) | of_regressor
    of_params |= {"crf.transitions": grads[1], "crf.start": grads[2], "crf.end": grads[3]}
    return loss, of_params


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

    def save(self, path: Path, identity: str) -> None:
        from safetensors.numpy import save

        from tinyloc.files import write_atomic

        arrays = {"weights": self.weights.vector, "mean": self.mean, "square": self.square, "averaged": self.averaged,
                  "best": self.best}
        numbers = {"epoch": self.epoch, "step": self.step, "best_score": self.best_score, "best_epoch": self.best_epoch}
        write_atomic(path, save(arrays, metadata={
            "format": FORMAT, "version": str(VERSION), "identity": identity, "numbers": json.dumps(numbers),
            "rng": json.dumps(self.rng.bit_generator.state)}))

    def load(self, path: Path, identity: str) -> None:
        from tinyloc.files import read_safetensors

        arrays, meta = read_safetensors(path, FORMAT, VERSION)
        if meta.get("identity") != identity:
            raise ModelError(f"{path}: a checkpoint of another run (model, recipe or data differ); remove it or name "
                             "another file")
        try:
            for name in ("mean", "square", "averaged", "best"):
                getattr(self, name)[:] = arrays[name]
            self.weights.vector[:] = arrays["weights"]
            for name, value in json.loads(meta["numbers"]).items():
                setattr(self, name, value)
            self.rng.bit_generator.state = json.loads(meta["rng"])
        except (KeyError, TypeError, ValueError) as e:
            raise ModelError(f"{path}: damaged checkpoint ({type(e).__name__}: {e})") from None


def labeled(w: Windows) -> Windows:
    """The windows whose every step has a room."""
    keep = (w.y >= 0).all(1)
    return Windows(w.x[keep], w.y[keep], w.row[keep])


def train(model: Model, training: Windows, validation: Windows, recipe: Recipe | None = None, *,
          checkpoint: str | Path | None = None, progress: Progress | None = None, taught: Beliefs | None = None) -> Model:
    """The model of the epoch with the best validation macro-F1 (of the last step of each window).

    checkpoint: a file that is written after each epoch and resumed from when it exists; remove it once the model is saved.
    taught: what teachers believe of the training windows (`tinyloc.distill.beliefs`).
    Ctrl-C ends the training; what was best so far is returned, with `info["interrupted"]` true.
    Raises DataError when a part has no window with a room for each step, ModelError for a checkpoint of another run.
    """
    recipe = recipe or Recipe()
    if taught is not None:
        if taught.rooms.shape != (*training.y.shape, model.config.classes):
            raise DataError(f"the teachers' rooms have shape {taught.rooms.shape}, expected "
                            f"{(*training.y.shape, model.config.classes)}")
        taught = taught.take(np.flatnonzero((training.y >= 0).all(1)))
    training, seen = labeled(training), validation.y[:, -1] >= 0
    for name, count in (("training", len(training)), ("validation", int(seen.sum()))):
        if not count:
            raise DataError(f"{name} has no labeled window; expected at least one")
    x, y, classes = training.x, training.y, model.config.classes
    batch = min(recipe.batch, max(8, len(x) // 4))
    params = model.params | regressor(model, taught, recipe.seed)
    weights = Flat(params)
    zeros, copy = np.zeros_like, weights.vector.copy
    run = _Run(weights, zeros(weights.vector), zeros(weights.vector), copy(), copy(),
               np.random.default_rng([recipe.seed, 0x7EA1]))
    working = Model(model.config, weights.views)
    identity = _identity(model, recipe, training, validation, taught)
    if checkpoint is not None and Path(checkpoint).exists():
        run.load(Path(checkpoint), identity)
    per_epoch = math.ceil(len(x) / batch)
    averaged = Model(model.config, Flat(params).views)
    averaged_vector = next(iter(averaged.params.values())).base
    assert averaged_vector is not None
    interrupted = False
    try:
        while run.epoch < recipe.epochs and run.epoch - run.best_epoch < recipe.patience:
            order, total = run.rng.permutation(len(x)), 0.0
            for i in range(per_epoch):
                pick = order[i * batch : (i + 1) * batch]
                loss, grads = loss_and_gradients(working, x[pick], y[pick], run.rng, recipe.dropout,
                                                 taught.take(pick) if taught else None)
                if not math.isfinite(loss):
                    raise ModelError(f"training: the loss became {loss} in epoch {run.epoch + 1}; expected a finite "
                                     f"number (a lower learning rate than {recipe.lr} may help, from the start)")
                total += loss * len(pick)
                _update(run, weights.gather(grads), recipe, per_epoch * recipe.epochs)
            run.epoch += 1
            averaged_vector[:] = run.averaged
            predicted = averaged.predict(validation.x[seen])
            score = macro_f1(validation.y[seen, -1], predicted, classes)
            if score > run.best_score:
                run.best_score, run.best_epoch = score, run.epoch
                run.best[:] = run.averaged
            if checkpoint is not None:
                run.save(Path(checkpoint), identity)
            if progress:
                progress(Epoch(run.epoch, recipe.epochs, total / len(x), score, run.best_score))
    except KeyboardInterrupt:
        if not run.best_epoch:
            raise
        interrupted = True
    averaged_vector[:] = run.best
    info = {**model.info, "recipe": asdict(recipe), "validation_macro_f1": run.best_score, "best_epoch": run.best_epoch,
            "epochs": run.epoch, "interrupted": interrupted}
    return Model(model.config, {k: averaged.params[k].copy() for k in model.params}, info)


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


def _identity(model: Model, recipe: Recipe, training: Windows, validation: Windows, taught: Beliefs | None) -> str:
    """Digest of all that decides a run."""
    import hashlib

    numbers = [asdict(model.config), asdict(recipe), *([asdict(taught.how)] if taught else [])]
    h = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    arrays = (*model.params.values(), training.x, training.y, validation.x, validation.y)
    for a in (*arrays, *(taught.arrays if taught else ())):
        h.update(np.ascontiguousarray(a).tobytes())
    return h.hexdigest()


def fit(dataset: Dataset, config: Config | str, recipe: Recipe | None = None, *, window: int | None = None,
        hop: int | None = None, checkpoint: str | Path | None = None, progress: Progress | None = None,
        teachers: Sequence[Model] = (), distillation: Distillation | None = None) -> Model:
    """A model for a data set: scaler from the training rows, windows, training.

    config: a Config or the name of a preset; window, hop: rows a window and from one to the next (the data set's).
    teachers: models of any family for the same access points, rooms and window, from which to learn as `distillation` says.
    `info` holds all that is needed to use the model on raw samples: scaler, rooms, access points, window, rate.
    """
    from tinyloc.model import preset

    recipe = recipe or Recipe()
    name = config if isinstance(config, str) else ""
    made = preset(config, len(dataset.aps), len(dataset.rooms)) if isinstance(config, str) else config
    length, step = window or dataset.window, hop or dataset.hop
    scaler = Scaler.fit(dataset.train)
    model = Model.create(made, recipe.seed)
    model.info = {"name": name or made.family, "dataset": dataset.name, "simulated": dataset.simulated,
                  "note": dataset.note, "rooms": list(dataset.rooms), "aps": list(dataset.aps), "window": length,
                  "hop": step, "rate_hz": dataset.rate_hz, "scaler": scaler.to_dict()}
    training = windows(dataset.train, scaler, length, step)
    taught = None
    if teachers or distillation:
        taught = beliefs(teachers, dataset, training, length, step, distillation)
        model.info["teachers"] = [t.info.get("name", t.config.family) for t in teachers]
        model.info["distillation"] = asdict(taught.how)
    return train(model, training, every_row(dataset.val, scaler, length), recipe, checkpoint=checkpoint,
                 progress=progress, taught=taught)


def last_rows(info: Mapping[str, Any], samples: Samples) -> Windows:
    """A window that ends at each row of `samples`, scaled and cut as `info` (of a model or a Program) says.

    Rooms are numbered as the model numbers them, by name: another recording of the same house may name them in another
    order, or lack some.  Raises DataError when the samples are of other access points, or have a room that the model lacks.
    """
    if not {"scaler", "window"} <= info.keys():
        raise DataError("the model does not say how its input is made: expected scaler and window in its info, as `fit` "
                        "writes them")
    aps = info.get("aps")
    if aps is not None and tuple(aps) != samples.aps:
        raise DataError(f"the model hears {len(aps)} access points ({', '.join(aps[:3])}, ...), the data has "
                        f"{len(samples.aps)} ({', '.join(samples.aps[:3])}, ...); expected the same")
    w = every_row(samples, Scaler.from_dict(info["scaler"]), int(info["window"]))
    known = list(info.get("rooms", samples.rooms))
    if known == list(samples.rooms):
        return w
    lacking = [r for i, r in enumerate(samples.rooms) if r not in known and (samples.room == i).any()]
    if lacking:
        raise DataError(f"the data has a room {lacking[0]!r}, which the model lacks; it knows {', '.join(known)}")
    number = np.array([known.index(r) if r in known else -1 for r in samples.rooms] + [-1])
    return Windows(w.x, number[w.y], w.row)


def scores(true: np.ndarray, predicted: np.ndarray, rooms: tuple[str, ...]) -> dict[str, Any]:
    """macro_f1, accuracy and F1 a room (None where a room does not occur)."""
    f1 = class_f1(true, predicted, len(rooms))
    return {"macro_f1": macro_f1(true, predicted, len(rooms)), "accuracy": accuracy(true, predicted),
            "f1": {r: None if math.isnan(v) else float(v) for r, v in zip(rooms, f1.tolist(), strict=True)}}


def with_info(model: Model, **more: Any) -> Model:
    """The model with more in its info."""
    return dataclasses.replace(model, info={**model.info, **more})
