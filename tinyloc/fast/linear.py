"""The fully connected layer over blocks of rows, which stay in the cache from the product to the bias, and from one
gradient to the next; as one product of BLAS where `matmul` has no whole vectors.  NumPy makes a product a window of a batch.
"""

from __future__ import annotations

import numpy as np

from tinyloc.fast.jit import kernel, part
from tinyloc.fast.matmul import WHOLE, matmul
from tinyloc.reference.linear import Cache

BLOCK = 64


@part
def add_bias(x, bias):
    """Every row of x += bias."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += bias[j]


@part
def sum_rows(total, x):
    """total += the sum of x's rows."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total[j] += x[i, j]


@kernel("void(f4[:,::1], f4[:,::1], f4[:,::1], f4[::1])")
def _linear(y, x, weight, bias):
    """weight (k, n); bias (n,) or (0,)."""
    for i in range(0, len(x), BLOCK):
        span = slice(i, i + BLOCK)
        matmul(y[span], x[span], weight, False)
        if len(bias):
            add_bias(y[span], bias)


@kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def _linear_backward(dx, dweight, dbias, dy, x, weight):
    """Sets dx unless it is (0, k); adds to dweight (n, k), and to dbias unless it is (0,)."""
    for i in range(0, len(x), BLOCK):
        span = slice(i, i + BLOCK)
        matmul(dweight, dy[span].T, x[span], True)
        if len(dbias):
            sum_rows(dbias, dy[span])
        if len(dx):
            matmul(dx[span], dy[span], weight, False)


def _fits(x: np.ndarray, columns: int) -> bool:
    """Whether `matmul` beats BLAS: where its vectors fill the result's rows.  It is for float32."""
    return x.dtype == np.float32 and columns % WHOLE == 0


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> tuple[np.ndarray, Cache]:
    """As `reference.linear`."""
    n, k = weight.shape
    rows = np.ascontiguousarray(x).reshape(-1, k)
    if _fits(rows, n):
        y = np.empty((len(rows), n), np.float32)
        _linear(y, rows, np.ascontiguousarray(weight.T), np.empty(0, np.float32) if bias is None else bias)
    else:
        y = rows @ weight.T
        if bias is not None:
            y += bias
    return y.reshape(*x.shape[:-1], n), (x, weight, bias is not None)


def linear_backward(dy: np.ndarray, cache: Cache, dx: bool = True) -> tuple[np.ndarray | None, ...]:
    """(dx, dweight, dbias); without `dx` the first is None: nothing asks for the gradient of a model's input."""
    x, weight, has_bias = cache
    n, k = weight.shape
    flat, rows = np.ascontiguousarray(dy).reshape(-1, n), np.ascontiguousarray(x).reshape(-1, k)
    if _fits(rows, k):
        dw, db = np.zeros((n, k), np.float32), np.zeros(n if has_bias else 0, np.float32)
        of_x = np.empty((len(rows) if dx else 0, k), np.float32)
        _linear_backward(of_x, dw, db, flat, rows, np.ascontiguousarray(weight))
        return of_x.reshape(x.shape) if dx else None, dw, db if has_bias else None
    dw = flat.T @ rows
    dbias = np.ones(len(flat), flat.dtype) @ flat if has_bias else None  # faster than sum(0), and it rounds less
    return (flat @ weight).reshape(x.shape) if dx else None, dw, dbias
