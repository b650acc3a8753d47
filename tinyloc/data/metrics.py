"""Scores of predicted rooms.  Rows whose true label is negative (unlabeled) are left out of each of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyloc.data.table import Ints
from tinyloc.errors import DataError


def confusion(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: int) -> Ints:
    """(c, c) counts; row: true room, column: predicted room.  Labels of any equal shape."""
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.shape != pred.shape:
        raise DataError(f"labels have shape {true.shape}, predictions {pred.shape}; expected the same")
    known = true >= 0
    true, pred = true[known].astype(np.int64), pred[known].astype(np.int64)
    if true.size and (true.max() >= classes or pred.max() >= classes or pred.min() < 0):
        raise DataError(f"labels reach {true.max()}, predictions {pred.min()} to {pred.max()}; "
                        f"expected 0 to {classes - 1}")
    return np.bincount(true * classes + pred, minlength=classes * classes).reshape(classes, classes)


def class_f1(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: int) -> npt.NDArray[np.float64]:
    """(c,) F1 = 2 TP / (2 TP + FP + FN); NaN for a class that occurs in neither."""
    m = confusion(y_true, y_pred, classes)
    total = (m.sum(axis=0) + m.sum(axis=1)).astype(np.float64)
    return np.divide(2.0 * np.diag(m), total, out=np.full(classes, np.nan), where=total > 0)


def macro_f1(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: int) -> float:
    """Mean F1 over the classes that occur in `y_true` or `y_pred`; NaN without any labeled row."""
    f1 = class_f1(y_true, y_pred, classes)
    f1 = f1[~np.isnan(f1)]
    return float(f1.mean()) if f1.size else float("nan")


def paired_gain(true: npt.ArrayLike, before: npt.ArrayLike, after: npt.ArrayLike, unit: npt.ArrayLike
                ) -> tuple[float, float]:
    """(gain, error) in mean recall over the rooms of predictions `after` against `before` of the same rows (n,).

    unit (n,): rows that belong together, such as those of a stretch of a walk, whose mistakes are not independent.
    error: the gain's standard deviation, were each unit's difference as likely the other way round.  (0, 0) without labels.
    """
    y, a, b, u = (np.asarray(v) for v in (true, before, after, unit))
    if not y.shape == a.shape == b.shape == u.shape:
        raise DataError(f"labels have shape {y.shape}, predictions {a.shape} and {b.shape}, units {u.shape}; expected the "
                        "same")
    y, a, b, u = (v[y >= 0] for v in (y, a, b, u))
    rooms, code, count = np.unique(y, return_inverse=True, return_counts=True)
    # A row weighs as much as recall's mean over the rooms makes of it.
    each = ((b == y).astype(np.float64) - (a == y)) / (len(rooms) * count[code.reshape(-1)])
    of_unit = np.bincount(np.unique(u, return_inverse=True)[1].reshape(-1), weights=each)
    return float(of_unit.sum()), float(np.sqrt((of_unit**2).sum()))


def accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Share of labeled rows that are right; NaN without any labeled row."""
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.shape != pred.shape:
        raise DataError(f"labels have shape {true.shape}, predictions {pred.shape}; expected the same")
    known = true >= 0
    return float((true == pred)[known].mean()) if known.any() else float("nan")
