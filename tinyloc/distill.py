"""Distillation: a model learns what other models believe, beside what the labels say (Hinton et al., arXiv 1503.02531).

loss = alpha NLL(rooms) + (1 - alpha) T^2 CE(teachers at temperature T, model at temperature T)
       + beta sum over a window's steps of the mean of (features of teachers - R features of model)^2

A CRF believes in whole paths.  At temperature T its scores, of rooms and of moves, are divided by T; the cross-entropy of
two such distributions needs the teacher's expected counts alone (`reference.crf_cross_entropy`), so that the model learns
the teacher's distribution over paths, not only its marginals.  Several teachers count by their mean.

Features are what the head reads, a vector a step (FitNets: Romero et al., arXiv 1412.6550, "hints"); R is a linear map that
is learnt with the model and thrown away after training.  Those of several teachers stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.data import Dataset, Scaler, Windows, windows
from tinyloc.errors import ConfigError, DataError
from tinyloc.model import Model
from tinyloc.reference.crf import crf_counts, crf_viterbi


@dataclass(frozen=True)
class Distillation:
    """How much to believe the teachers, and how.

    alpha        share of the loss that the labels have
    temperature  by which all scores are divided in the teachers' share; above 1, second choices count for more
    hard         the teachers' best paths are taken for labels (Suwannaphong et al. 2025: alpha 0.1, hard)
    beta         weight of the teachers' features, beside the other two; 0: they play no part
    """

    alpha: float = 0.5
    temperature: float = 2.0
    hard: bool = False
    beta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"distillation: alpha = {self.alpha!r}; expected 0 to 1")
        if not 0.1 <= self.temperature <= 100:
            raise ConfigError(f"distillation: temperature = {self.temperature!r}; expected 0.1 to 100")
        if not 0 <= self.beta <= 1000:
            raise ConfigError(f"distillation: beta = {self.beta!r}; expected 0 to 1000")
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
        """All there are."""
        return (self.rooms, self.moves, *(() if self.features is None else (self.features,)))

    def take(self, index: np.ndarray) -> Beliefs:
        """Those of the windows that a mask or an index selects."""
        return Beliefs(self.rooms[index], self.moves[index], self.how,
                       None if self.features is None else self.features[index])


def _of(teacher: Model, x: np.ndarray, how: Distillation, order: np.ndarray, batch: int = 256
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    scores = [teacher.params[f"crf.{n}"].astype(float) / how.temperature for n in ("transitions", "start", "end")]
    rooms, moves, features = [], [], []
    for i in range(0, len(x), batch):
        emissions, cache = teacher.forward(x[i : i + batch])
        if how.beta:
            features.append(teacher.features(cache))
        emissions = emissions.astype(float) / how.temperature
        if how.hard:
            paths = crf_viterbi(emissions, *scores)[0]
            some = np.eye(len(scores[1]))[paths]
            more = np.einsum("btf,btc->bfc", some[:, :-1], some[:, 1:])
        else:
            some, more = crf_counts(emissions, *scores)
        rooms.append(some[:, :, order].astype(np.float32))
        moves.append(more[:, order][:, :, order].astype(np.float32))
    return np.concatenate(rooms), np.concatenate(moves), _standard(np.concatenate(features)) if features else None


def _standard(features: np.ndarray) -> np.ndarray:
    """(w, t, f) with mean 0 and variance 1 of each f; one that is constant becomes 0."""
    centered = features - features.mean((0, 1), dtype=float)
    spread = centered.std((0, 1))
    return (centered / np.where(spread > 1e-6, spread, np.inf)).astype(np.float32)


def beliefs(teachers: Sequence[Model], dataset: Dataset, training: Windows, length: int, hop: int,
            how: Distillation | None = None) -> Beliefs:
    """What the teachers believe of `training`, windows of the data set's training rows of that length and hop.

    Each teacher sees the rows by its own scaler.  Raises ConfigError without a teacher, DataError when a teacher was trained
    for other access points, rooms or another window.
    """
    how = how or Distillation()
    if not teachers:
        raise ConfigError("distillation: no teacher; expected at least one")
    total: tuple[np.ndarray, np.ndarray] | None = None
    features: list[np.ndarray] = []
    for number, teacher in enumerate(teachers, 1):
        info, what = teacher.info, f"teacher {number} ({teacher.info.get('name', teacher.config.family)})"
        if not {"scaler", "window", "rooms", "aps"} <= info.keys():
            raise DataError(f"{what} does not say what it was trained on; expected a model that `fit` made")
        if tuple(info["aps"]) != dataset.aps:
            raise DataError(f"{what} hears {len(info['aps'])} other access points; expected the data's {len(dataset.aps)}")
        if sorted(info["rooms"]) != sorted(dataset.rooms):
            raise DataError(f"{what} knows other rooms; expected the data's: {', '.join(dataset.rooms)}")
        if int(info["window"]) != length:
            raise DataError(f"{what} reads windows of {info['window']} rows; expected the model's {length}")
        seen = windows(dataset.train, Scaler.from_dict(info["scaler"]), length, hop)
        assert np.array_equal(seen.row, training.row)
        order = np.array([list(info["rooms"]).index(r) for r in dataset.rooms])
        *found, own = _of(teacher, seen.x, how, order)
        total = (found[0], found[1]) if total is None else (total[0] + found[0], total[1] + found[1])
        if own is not None:
            features.append(own)
    assert total is not None
    return Beliefs(total[0] / len(teachers), total[1] / len(teachers), how,
                   np.concatenate(features, 2) if features else None)


def regressor(model: Model, taught: Beliefs | None, seed: int = 0) -> dict[str, np.ndarray]:
    """Freshly initialized parameters of R, the map from the model's features to its teachers'; none where those have no
    weight."""
    if taught is None or taught.features is None:
        return {}
    f, d = taught.features.shape[2], model.config.d
    weight = np.random.default_rng([seed, 0xF17]).uniform(-1, 1, (f, d)) / math.sqrt(d)
    return {"regressor.weight": weight.astype(np.float32), "regressor.bias": np.zeros(f, np.float32)}
