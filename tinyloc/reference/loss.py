"""Losses: each returns (mean loss, cache), its backward the gradient of the predictions."""

from __future__ import annotations

import numpy as np

from tinyloc.reference.linear import Cache
from tinyloc.reference.softmax import log_softmax


def cross_entropy(logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, Cache]:
    """Weighted mean of -log softmax(logits)[target].

    logits (..., c); target (...) of class numbers, or (..., c) of probabilities; weight (c,) a class.
    """
    log_p, _ = log_softmax(logits)
    if target.ndim < logits.ndim:
        target = np.eye(logits.shape[-1], dtype=logits.dtype)[target]
    target = target.astype(logits.dtype, copy=False)
    share = target if weight is None else target * weight.astype(logits.dtype)
    total = share.sum()
    return float(-(share * log_p).sum() / total), (log_p, share, total)


def cross_entropy_backward(dloss: float, cache: Cache) -> tuple[np.ndarray]:
    """(dlogits,)"""
    log_p, share, total = cache
    return ((np.exp(log_p) * share.sum(-1, keepdims=True) - share) * log_p.dtype.type(dloss / total),)


def mse(prediction: np.ndarray, target: np.ndarray) -> tuple[float, Cache]:
    """Mean of (prediction - target)^2."""
    diff = prediction - target.astype(prediction.dtype, copy=False)
    return float((diff * diff).mean()), (diff,)


def mse_backward(dloss: float, cache: Cache) -> tuple[np.ndarray]:
    """(dprediction,)"""
    (diff,) = cache
    return (diff * diff.dtype.type(2 * dloss / diff.size),)


def distillation(student: np.ndarray, teacher: np.ndarray, temperature: float = 1.0) -> tuple[float, Cache]:
    """T^2 times the mean of KL(softmax(teacher / T) || softmax(student / T)) (Hinton et al., arXiv 1503.02531).

    student and teacher: logits (..., c).  Raises ValueError when temperature <= 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature: expected a number above 0, got {temperature}")
    scale = student.dtype.type(1 / temperature)
    log_q, _ = log_softmax(student * scale)
    log_p, _ = log_softmax(teacher.astype(student.dtype, copy=False) * scale)
    rows = student.size // student.shape[-1]
    loss = float((np.exp(log_p) * (log_p - log_q)).sum() / rows) * temperature**2
    return loss, (log_q, log_p, temperature, rows)


def distillation_backward(dloss: float, cache: Cache) -> tuple[np.ndarray]:
    """(dstudent,)"""
    log_q, log_p, temperature, rows = cache
    return ((np.exp(log_q) - np.exp(log_p)) * log_q.dtype.type(dloss * temperature / rows),)
