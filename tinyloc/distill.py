"""Distillation: a model learns what other models believe, beside what the labels say (Hinton et al., arXiv 1503.02531).

loss = alpha NLL(rooms) + (1 - alpha) T^2 CE(teachers at temperature T, model at temperature T)
       + beta sum over a window's steps of the mean of (features of teachers - R features of model)^2

A CRF believes in whole paths.  At temperature T its scores, of rooms and of moves, are divided by T; the cross-entropy of
two such distributions needs the teacher's expected counts alone (`reference.crf_cross_entropy`), so that the model learns
the teacher's distribution over paths, not only its marginals.  Several teachers count by their mean.

Features are what the head reads, a vector a step (FitNets: Romero et al., arXiv 1412.6550, "hints"); R is a linear map that
is learnt with the model and thrown away after training.  Those of several teachers stand side by side.

The training rows themselves may teach too, beside models or alone: what those most like a row vote for
(`tinyloc.neighbors`), each about the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tinyloc.carry import Carried
from tinyloc.data import HOLD, Dataset, Samples, Scaler, Windows, windows
from tinyloc.errors import ConfigError, DataError
from tinyloc.model import Model
from tinyloc.neighbors import Neighbors
from tinyloc.reference.crf import crf_counts, crf_viterbi
from tinyloc.reference.softmax import softmax


@dataclass(frozen=True)
class Distillation:
    """How much to believe the teachers, and how.

    alpha        share of the loss that the labels have
    temperature  by which all scores are divided in the teachers' share; above 1, second choices count for more
    hard         the teachers' best paths are taken for labels (Suwannaphong et al. 2025: alpha 0.1, hard)
    beta         weight of the teachers' features, beside the other two; 0: they play no part
    neighbors    share of the belief that is the vote of the training rows most like a row; the rest is the models'.  1: no
                 model is asked
    """

    alpha: float = 0.5
    temperature: float = 2.0
    hard: bool = False
    beta: float = 0.0
    neighbors: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"distillation: alpha = {self.alpha!r}; expected 0 to 1")
        if not 0.1 <= self.temperature <= 100:
            raise ConfigError(f"distillation: temperature = {self.temperature!r}; expected 0.1 to 100")
        if not 0 <= self.beta <= 1000:
            raise ConfigError(f"distillation: beta = {self.beta!r}; expected 0 to 1000")
        if not 0 <= self.neighbors <= 1:
            raise ConfigError(f"distillation: neighbors = {self.neighbors!r}; expected 0 to 1")
        if self.neighbors == 1 and self.beta:
            raise ConfigError(f"distillation: neighbors = 1 and beta = {self.beta!r}; votes have no features, expected 0")
        if self.hard and self.temperature != 1:
            raise ConfigError(f"distillation: temperature = {self.temperature!r}; labels that are taken for sure have none, "
                              "expected 1")


@dataclass(frozen=True)
class Beliefs:
    """What teachers believe of windows: rooms (w, t, c), the probability of each a step; moves (w, c, c), the expected
    number of moves from row to column in a window; how they are to be used; where they have a weight, the teachers'
    features (w, t, f), each of mean 0 and variance 1, so that the weight means the same for any teacher."""

    rooms: np.ndarray
    moves: np.ndarray
    how: Distillation
    features: np.ndarray | None = None

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All there are; moves that are zeros stored once, as paths of one step have, left out."""
        return (self.rooms, *((self.moves,) if self.moves.strides[0] else ()),
                *(() if self.features is None else (self.features,)))

    def take(self, index: np.ndarray) -> Beliefs:
        """Those of the windows that a mask or an index selects."""
        rooms, moves = self.rooms[index], self.moves
        moves = moves[index] if moves.strides[0] else np.broadcast_to(np.float32(0), (len(rooms), *moves.shape[1:]))
        return Beliefs(rooms, moves, self.how,
                       None if self.features is None else self.features[index])


def _of(teacher: Model, x: np.ndarray, how: Distillation, order: np.ndarray, state: Sequence[np.ndarray] = (),
        batch: int = 256) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    if not len(x):
        raise DataError("distillation: the data have no window to ask a teacher about; expected at least one")
    scores = [teacher.params[f"crf.{n}"].astype(float) / how.temperature for n in ("transitions", "start", "end")]
    rooms, moves, features = [], [], []
    for i in range(0, len(x), batch):
        now, begun = x[i : i + batch], [s[i : i + batch] for s in state]
        emissions, cache = teacher.forward(now, state=begun) if begun else teacher.forward(now)
        if how.beta:
            features.append(teacher.features(cache))
        emissions = emissions.astype(float) / how.temperature
        if how.hard:
            some = np.eye(len(scores[1]))[crf_viterbi(emissions, *scores)[0]]
            more = np.einsum("btf,btc->bfc", some[:, :-1], some[:, 1:]) if x.shape[1] > 1 else None
        elif x.shape[1] > 1:
            some, more = crf_counts(emissions, *scores)
        else:  # a path of one step; its moves would be most of the work, for zeros
            some, more = softmax(emissions + scores[1] + scores[2])[0], None
        rooms.append(some[:, :, order].astype(np.float32))
        if more is not None:
            moves.append(more[:, order][:, :, order].astype(np.float32))
    c = len(order)
    return (np.concatenate(rooms), np.concatenate(moves) if moves else np.broadcast_to(np.float32(0), (len(x), c, c)),
            np.concatenate(features) if features else None)


@dataclass(frozen=True)
class _Teacher:
    """One of them, with what it takes to ask it: columns of the data's access points, its rooms in the data's order."""

    model: Model
    scaler: Scaler
    columns: np.ndarray
    order: np.ndarray


def _voted(rooms: np.ndarray, how: Distillation) -> list[np.ndarray]:
    """What votes (w, t, c) are as a belief: [rooms, moves], the steps of a window independent of each other; one step has
    no moves."""
    if how.hard:
        rooms = np.eye(rooms.shape[2], dtype=rooms.dtype)[rooms.argmax(2)]
    elif how.temperature != 1:
        rooms = rooms ** rooms.dtype.type(1 / how.temperature)
        rooms /= rooms.sum(2, keepdims=True)
    return [rooms, np.einsum("btf,btc->bfc", rooms[:, :-1], rooms[:, 1:])] if rooms.shape[1] > 1 else [rooms]


class Teachers:
    """Models, and by `how.neighbors` the training rows, that are asked what they believe of windows of a data set.

    length, delay: rows a window, and by which labels lag.  Each teacher sees the rows by its own scaler, and of the access
    points those that it was trained for, which may be fewer than the data have.  rows: those that vote; without them, the
    data set's training rows.  A teacher that was trained on states that rows before left (`Recipe.carry`) is asked so, once
    `follow` has said about which windows.

    Raises ConfigError without a teacher, DataError when the data lack an access point that a teacher hears, or a teacher was
    trained for other rooms, another window or another delay.
    """

    def __init__(self, models: Sequence[Model], dataset: Dataset, length: int, delay: int = 0,
                 how: Distillation | None = None, rows: Samples | None = None) -> None:
        self.how = how = how or Distillation()
        self.models = tuple(models) if how.neighbors < 1 else ()
        if not self.models and how.neighbors < 1:
            raise ConfigError("distillation: no teacher; expected at least one" + (
                f", as neighbors have a share of {how.neighbors:g}, not of 1" if how.neighbors else ""))
        self._rows = dataset.train if rows is None else rows
        self._neighbors = Neighbors.of(self._rows, HOLD, delay) if how.neighbors else None
        self._begun: tuple[np.ndarray, list[list[np.ndarray]]] | None = None
        self._teachers: list[_Teacher] = []
        for number, model in enumerate(self.models, 1):
            info, what = model.info, f"teacher {number} ({model.info.get('name', model.config.family)})"
            if not {"scaler", "window", "rooms", "aps"} <= info.keys():
                raise DataError(f"{what} does not say what it was trained on; expected a model that `fit` made")
            dataset.train.select(info["aps"], what)
            if sorted(info["rooms"]) != sorted(dataset.rooms):
                raise DataError(f"{what} knows other rooms; expected the data's: {', '.join(dataset.rooms)}")
            if int(info["window"]) != length:
                raise DataError(f"{what} reads windows of {info['window']} rows; expected the model's {length}")
            if int(info.get("delay", 0)) != delay:
                raise DataError(f"{what} answers {info.get('delay', 0)} rows late; expected the model's {delay}")
            columns, rooms = (np.array([own.index(n) for n in wanted]) for own, wanted in (
                (list(dataset.inputs), info["aps"]), (list(info["rooms"]), dataset.rooms)))
            self._teachers.append(_Teacher(model, Scaler.from_dict(info["scaler"]), columns, rooms))
        # Features are brought to one size by their statistics over the training rows.
        self._statistics = [_statistics(self._ask(t, windows(dataset.train.select(t.model.info["aps"]), t.scaler, length,
                                                             max(1, length // 2)).x)[2])
                            for t in self._teachers if self.how.beta]

    @property
    def info(self) -> dict[str, Any]:
        """Who they are and how they teach, JSON-able."""
        return {"teachers": [m.info.get("name", m.config.family) for m in self.models], "distillation": asdict(self.how)}

    def _ask(self, t: _Teacher, x: np.ndarray, state: Sequence[np.ndarray] = ()
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        return _of(t.model, x, self.how, t.order, state)

    def follow(self, training: Windows) -> None:
        """From now on, windows that are asked about with their rows are some of these, of the rows that vote."""
        if training.recordings is None or training.x.shape[1] == 1 or not len(training):
            return
        states = []
        first = training.start
        for i, t in enumerate(self._teachers):
            x = t.scaler.prepare(self._rows.select(t.model.info["aps"]))
            own = replace(training, recordings=replace(training.recordings, x=x))
            carries = t.model.info.get("recipe", {}).get("carry") and getattr(t.model, "state_shapes", ())
            states.append(Carried.all_of(own, t.model) if carries else [])
            if self.how.beta:
                rows = first[:, None] + np.arange(training.x.shape[1])
                self._statistics[i] = _statistics(self._ask(t, x[rows], states[i])[2])
        self._begun = first, states

    def _states(self, teacher: int, rows: np.ndarray | None) -> list[np.ndarray]:
        """What windows of these rows (w, t) begin with, of a teacher by its place; [] for the initial state."""
        if self._begun is None or rows is None:
            return []
        first, states = self._begun
        at = np.searchsorted(first, rows[:, 0])
        if not np.array_equal(first[np.minimum(at, len(first) - 1)], rows[:, 0]):
            raise DataError("distillation: asked about windows that are none of those that teachers follow")
        return [s[at] for s in states[teacher]]

    def believe(self, rssi: np.ndarray, rows: np.ndarray | None = None) -> Beliefs:
        """Their mean belief about windows (w, t, a) of dBm, the data's access points, gaps bridged, NaN for not heard; rows
        (w, t): which of the rows that vote the steps are, if they are some of them."""
        parts = 2 if rssi.shape[1] > 1 else 1  # rooms, and moves where there are any
        total: list[np.ndarray] | None = None
        features: list[np.ndarray] = []
        for i, t in enumerate(self._teachers):
            *found, own = self._ask(t, t.scaler.transform(rssi[..., t.columns]), self._states(i, rows))
            found = found[:parts]
            total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
            if own is not None:
                mean, spread = self._statistics[i]
                features.append(((own - mean) / spread).astype(np.float32))
        n, share = np.float32(len(self.models)), np.float32(self.how.neighbors)
        if total is not None:
            total = [a / n for a in total]
        if self._neighbors:
            votes = _voted(self._neighbors.vote(rssi, rows), self.how)
            total = votes if total is None else [(1 - share) * a + share * b for a, b in zip(total, votes, strict=True)]
        assert total is not None
        rooms = total[0]
        moves = total[1] if parts == 2 else np.broadcast_to(np.float32(0), (len(rooms), rooms.shape[2], rooms.shape[2]))
        return Beliefs(rooms, moves, self.how, np.concatenate(features, 2) if features else None)


def _statistics(features: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each of (w, t, f); infinite for one that is constant, which then becomes 0."""
    assert features is not None
    mean = features.mean((0, 1), dtype=float)
    spread = np.sqrt(((features - mean) ** 2).mean((0, 1)))
    return mean, np.where(spread > 1e-6, spread, np.inf)


def regressor(width: int, taught: Beliefs | None, seed: int = 0) -> dict[str, np.ndarray]:
    """Freshly initialized parameters of R, the map from the model's features, `width` of them, to its teachers'; none where
    those have no weight."""
    if taught is None or taught.features is None:
        return {}
    f = taught.features.shape[2]
    weight = np.random.default_rng([seed, 0xF17]).uniform(-1, 1, (f, width)) / math.sqrt(width)
    return {"regressor.weight": weight.astype(np.float32), "regressor.bias": np.zeros(f, np.float32)}
