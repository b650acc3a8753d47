"""`TinyLocClassifier`: training, quantization and the integer Program behind scikit-learn's interface (extra `sklearn`).

It is no second path: `fit` calls `tinyloc.train.fit` and `tinyloc.quantize.calibrate` (for int4 `tinyloc.qat.fit`),
`predict` runs the Program's C kernels, so what cross-validation scores is what the device answers, where rows are what it
hears: whole dBm.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinyloc import run
from tinyloc.data import Dataset, Samples, Windows
from tinyloc.data.csv_file import BLOCK_WINDOWS
from tinyloc.data.split import hold_out, part, time_blocks
from tinyloc.errors import ConfigError, DataError, unknown

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data
except ImportError as e:
    raise ImportError(f"TinyLocClassifier needs scikit-learn 1.6 or newer ({e}): pip install 'tinyloc[sklearn]'") from e

if TYPE_CHECKING:
    from tinyloc.program import Program

QUANTIZE = ("int8", "int4", "float")
WHOLE = ("window", "hop", "epochs", "batch", "patience")
NUMBERS = ("rate_hz", "power", "learning_rate", "balance", "validation_fraction")
UNITS = 50  # shares that rows which stand alone are dealt into, before some are held out
GROUPS = 5  # of fewer recordings none can be spared for validation, and stretches of each are held out


class TinyLocClassifier(ClassifierMixin, BaseEstimator):
    """A room for each row of signal strengths, as a microcontroller would answer.

    X (samples, access points): dBm, NaN for not heard.  Each column is scaled by its own range in training, so other finite
    scales (percent, 0 to 1, standardized) train and predict as well, but in Python alone: a device's `tl_stream` takes whole
    dBm from -127 to 20 and drops other packets.  `save` warns of them.

    model         a preset, `mamba-h{H}l{L}` or `mdcsa-h{H}l{L}`, with or without `-lean`
    width, state  instead of the preset's: model width; Mamba's states a channel
    window        rows that an answer is about.  1: a row stands alone, and rows may come in any order.  More: rows are in
                  order of time, `rate_hz` of them a second, and the room is that of a window's last row (of the row `delay`
                  before it).  Before a recording's first row that row is repeated, so every row is answered
    hop           rows from one training window to the next; None: half a window
    rate_hz       with a window: silences of up to 1 s are bridged by the last value heard
    signal, power, least, delay     see `tinyloc.train.Inputs`
    epochs, batch, learning_rate, patience, balance     see `tinyloc.train.Recipe`
    validation_fraction  of the rows: chooses the epoch.  Whole groups are held out where there are five or more, else
                  stretches of five windows, or rows that stand alone.  0: train on all rows for all epochs, a recording
                  in one piece
    quantize      "int8": predictions are the Program's, calibrated; "float": the float model's; "int4": a Program's whose
                  linear layers of `tinyloc.quantize.LEAST_W4` weights or more have four bits.  As calibration alone may cost
                  that several points of F1, it is trained on as integers (`tinyloc.qat.RECIPE`, but at most `epochs` epochs,
                  and with this `balance`): a fit takes two to four times as long
    calibration, decay          see `tinyloc.quantize.quantize`
    random_state  of validation rows, initialization and training
    Numbers may be NumPy's, as a search over `np.arange` gives them.

    `groups` of `fit`, `predict`, `predict_proba` and `score` (samples,) says which rows are of one recording; no window
    crosses its border.  Without, all are of one.  In cross-validation keep recordings whole (GroupKFold) and route it:
    `sklearn.set_config(enable_metadata_routing=True)`, `.set_fit_request(groups=True).set_score_request(groups=True)`.

    After `fit`: `classes_`, `n_features_in_`, `feature_names_in_` (of a data frame), `n_iter_` (epochs), `model_` (the
    `tinyloc.model.Model`) and `program_` (the `tinyloc.program.Program`, None for "float"), on which `tinyloc.verify`,
    `tinyloc.export` and, once saved, every command work.
    """

    def __init__(self, model: str = "mamba-h8l1-lean", *, width: int | None = None, state: int | None = None,
                 window: int = 1, hop: int | None = None, rate_hz: float = 5.0, signal: str = "minmax", power: float = 2.0,
                 least: int = 1, delay: int = 0, epochs: int = 120, batch: int = 64, learning_rate: float = 5e-3,
                 patience: int = 40, balance: float = 0.0, validation_fraction: float = 0.2, quantize: str = "int8",
                 calibration: str = "auto", decay: str = "auto", random_state: Any = None) -> None:
        self.model = model
        self.width = width
        self.state = state
        self.window = window
        self.hop = hop
        self.rate_hz = rate_hz
        self.signal = signal
        self.power = power
        self.least = least
        self.delay = delay
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.patience = patience
        self.balance = balance
        self.validation_fraction = validation_fraction
        self.quantize = quantize
        self.calibration = calibration
        self.decay = decay
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> TinyLocClassifier:
        """Trains and quantizes on rows X (samples, access points) of the rooms y (samples,).

        Raises ValueError, as ConfigError or DataError, for parameters that make no sense, rows of which none can be held
        out, or access points none of which is heard; ModelError when a bound of the integers cannot be proved.
        """
        from tinyloc import qat
        from tinyloc.model import preset
        from tinyloc.quantize import DECAYS, METHODS, calibrate
        from tinyloc.train import Inputs, Recipe
        from tinyloc.train import fit as train

        own = self._own()
        # All before training, which takes long; in tuples, which take what has no hash.
        for name, known in (("quantize", QUANTIZE), ("calibration", ("auto", *METHODS)), ("decay", DECAYS)):
            if getattr(own, name) not in known:
                raise unknown(name, getattr(own, name), known)
        for names, kind, what in ((WHOLE, int, "a whole number"), (NUMBERS, (int, float), "a number")):
            for name in names:
                value = getattr(own, name)
                if not isinstance(value, kind) and not (name == "hop" and value is None):
                    raise ConfigError(f"{name} = {value!r}; expected {what}")
        if own.window < 1:
            raise ConfigError(f"window = {own.window!r}; expected a whole number of rows, 1 or more")
        if not 0 <= own.validation_fraction < 1 or not 0 < own.rate_hz < math.inf:
            raise ConfigError(f"validation_fraction = {own.validation_fraction!r} and rate_hz = {own.rate_hz!r}; expected "
                              "0 to less than 1, and more than 0, finite")
        X, y = validate_data(self, X, y, dtype=np.float32, ensure_all_finite="allow-nan", ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, room = np.unique(y, return_inverse=True)
        seed = (int(own.random_state) if isinstance(own.random_state, int) else
                int(check_random_state(own.random_state).randint(2**31)))
        names = tuple(getattr(self, "feature_names_in_", ())) or tuple(f"ap{i}" for i in range(X.shape[1]))
        samples, _ = self._samples(X, room.astype(np.int64), groups, tuple(map(str, self.classes_.tolist())), names)
        data = self._dataset(samples, groups is not None, seed)
        config = preset(own.model, X.shape[1], len(self.classes_))
        changes: dict[str, Any] = {name: value for name, value in (("d", own.width), ("n", own.state)) if value is not None}
        recipe = Recipe(epochs=own.epochs, batch=own.batch, lr=own.learning_rate, patience=own.patience,
                        balance=own.balance, seed=seed % 2**32)
        self.model_ = train(data, dataclasses.replace(config, **changes) if changes else own.model, recipe,
                            inputs=Inputs(own.signal, own.least, own.delay, power=own.power),
                            until=None if own.validation_fraction else own.epochs)
        self.n_iter_ = int(self.model_.info["epochs"])
        self.program_ = None
        if own.quantize == "int8":
            self.program_ = calibrate(self.model_, data, own.calibration, own.decay)
        elif own.quantize == "int4":
            more = dataclasses.replace(qat.RECIPE, epochs=min(recipe.epochs, qat.RECIPE.epochs), balance=recipe.balance,
                                       seed=recipe.seed)
            self.program_ = qat.fit(self.model_, data, more, method=own.calibration, decay=own.decay, weights="int4")
        return self

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """(samples,) the room of each row, as a device says it: the end of the best path through its recording up to there;
        of a transformer, through the window about it."""
        label, _ = self._answer(X, groups, False)
        return np.asarray(self.classes_[label])

    def predict_proba(self, X: Any, groups: Any = None) -> np.ndarray:
        """(samples, classes) p(room at a row | what `predict` goes by), by the CRF.

        With a window of 1 its greatest is `predict`'s; with a longer one `predict` ends the best path, which may differ.
        For "int8" and "int4" of what the Program's logits and transitions stand for: what is asked is what is deployed.
        """
        return self._answer(X, groups, True)[1]

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Accuracy of `predict` (rooms of equal weight: scoring="f1_macro")."""
        from sklearn.metrics import accuracy_score

        return float(accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight))

    def save(self, path: str | Path) -> None:
        """Writes the Program, or for "float" the model, to a file for the `tinyloc` commands; whole or not at all.  Warns of
        one that was not trained on dBm: firmware hears nothing else."""
        from tinyloc.stream import unlike_packets

        check_is_fitted(self)
        (self.program_ or self.model_).save(path)
        if odd := unlike_packets(self.model_.info):
            warnings.warn(f"{path}: {odd}", stacklevel=2)

    def _own(self) -> SimpleNamespace:
        """The parameters, Python's numbers for NumPy's: JSON, in which a model says how it was made, takes no other."""
        return SimpleNamespace(**{name: value.item() if isinstance(value, np.generic) else value
                                  for name, value in self.get_params(deep=False).items()})

    def _samples(self, X: np.ndarray, room: np.ndarray, groups: Any, rooms: Sequence[str], aps: Sequence[str]
                 ) -> tuple[Samples, np.ndarray]:
        """(the rows in order of recordings, the index in X of each)."""
        n, own = len(X), self._own()
        if groups is None:
            session = np.zeros(n, np.int64)
        else:
            check_consistent_length(X, groups)
            session = np.unique(column_or_1d(np.asarray(groups)), return_inverse=True)[1].astype(np.int64)
        order = np.argsort(session, kind="stable")
        session = session[order]
        group = session
        if own.window == 1:  # nothing is known of the row before, not even by a bridged silence
            session = np.arange(n, dtype=np.int64)
        return Samples(np.arange(n) / float(own.rate_hz), X[order], room[order], session, tuple(rooms), tuple(aps),
                       group), order

    def _dataset(self, samples: Samples, grouped: bool, seed: int) -> Dataset:
        assert samples.group is not None
        n, own = len(samples), self._own()
        window, rate_hz = own.window, float(own.rate_hz)
        if not own.validation_fraction:
            held = np.zeros(n, bool)  # a row of validation alone would be a recording of its own, and in no window
        else:
            if grouped and len(np.unique(samples.group)) >= GROUPS:
                unit = samples.group
            elif window > 1:
                unit = time_blocks(samples, BLOCK_WINDOWS * window / rate_hz)
            else:
                unit = np.random.default_rng([seed, 0x5C1]).permutation(n) % min(n, UNITS)
            held = hold_out(unit, samples.room, own.validation_fraction, seed)
            if not held.any() or held.all():
                raise DataError(f"validation_fraction = {own.validation_fraction!r} splits {n} rows into {n - held.sum()} "
                                f"for training and {held.sum()} for validation; expected some for both: give more rows or "
                                "recordings, or validation_fraction=0")
        val = part(samples, held)
        hop = max(1, window // 2) if own.hop is None else own.hop
        return Dataset("estimator", part(samples, ~held), val, val, window, hop, 0.0 if window == 1 else rate_hz, False,
                       "rows given to TinyLocClassifier")

    def _answer(self, X: Any, groups: Any, proba: bool) -> tuple[np.ndarray, np.ndarray]:
        """(labels (n,), probabilities (n, c), or nothing in their place) in the order of X."""
        from tinyloc.train import last_rows

        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False)
        info = self.model_.info
        names = tuple(getattr(self, "feature_names_in_", ())) or tuple(f"ap{i}" for i in range(X.shape[1]))
        samples, order = self._samples(X, np.full(len(X), -1), groups, info["rooms"], names)
        w = last_rows(info, samples)
        label = self.model_.labels(w) if self.program_ is None else run.labels(self.program_, w)
        back = np.argsort(order)
        return label[back], self._probabilities(w)[back] if proba else np.zeros(0)

    def _probabilities(self, w: Windows) -> np.ndarray:
        """(w, c) of the row that each window is about, by what `predict` goes by: all of its recording that came before, or
        the window."""
        from tinyloc.reference import crf_filter

        model, program = self.model_, self.program_
        crf = {k: v.astype(np.float64) for k, v in model.part("crf.").items()}
        if program is not None:
            crf |= _decoder(program)
            if w.x.shape[1] == 1:  # the Program's logits hold start and end scores
                crf |= {"start": np.zeros(1), "end": np.zeros(1)}

        def of(x: np.ndarray) -> np.ndarray:
            emissions = model.forward(x)[0] if program is None else _logits(program, x)
            return crf_filter(emissions.astype(np.float64), crf["transitions"], crf["start"], crf["end"])

        return w.said(model.carries(w) if program is None else program.carries, lambda x: of(x[None])[0],
                      lambda x: of(x)[:, -1])


def _decoder(program: Program) -> dict[str, np.ndarray]:
    """What the scores that the Program's last step decodes by stand for; nothing of one without transitions."""
    from tinyloc.kernels.table import OPS

    step = program.steps[-1]
    named = {p.name: a for p, a in zip(OPS[step.op].params, step.args, strict=True) if isinstance(a, str)}
    if "trans" not in named:
        return {}
    scale = program.buffers["logits"].scale
    rows = program.data[named["trans"]] * scale  # the last one's are those of a start
    return {"transitions": rows[:-1], "start": rows[-1], "end": program.data[named["end"]] * scale}


def _logits(program: Program, x: npt.NDArray[np.float32]) -> np.ndarray:
    """What the Program's logits stand for (n, t, c), of rows x (n, t, a) from the initial state, run in C."""
    from tinyloc.run import Steps

    program = program if x.shape[1] == program.steps_of_time else program.retime(x.shape[1])
    codes = Steps(program.buffers, program.steps, program.data).run_windows(program.buffers[program.input].quantize(x))
    return program.buffers["logits"].dequantize(codes("logits"))
