"""Linear-chain conditional random field (Lafferty et al., 2001): likelihood, marginals, Viterbi.

score(tags) = start[y0] + sum_t emissions[t, y_t] + sum_t transitions[y_{t-1}, y_t] + end[y_last]
emissions (b, t, c), transitions (c, c) from row to column, start and end (c,), tags (b, t).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyloc.reference.linear import Cache
from tinyloc.reference.softmax import softmax


def _logsumexp(x: np.ndarray, axis: int) -> np.ndarray:
    top = x.max(axis, keepdims=True)
    return np.asarray(np.squeeze(top, axis) + np.log(np.exp(x - top).sum(axis)))


def _messages(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward and backward log messages (b, t, c), and the log partition (b,)."""
    alpha, beta = np.empty_like(emissions), np.empty_like(emissions)
    steps = emissions.shape[1]
    alpha[:, 0] = start + emissions[:, 0]
    for t in range(1, steps):
        alpha[:, t] = _logsumexp(alpha[:, t - 1, :, None] + transitions, 1) + emissions[:, t]
    beta[:, -1] = end
    for t in range(steps - 2, -1, -1):
        beta[:, t] = _logsumexp(transitions + (emissions[:, t + 1] + beta[:, t + 1])[:, None, :], 2)
    return alpha, beta, _logsumexp(alpha[:, -1] + end, 1)


def _rooms(alpha: np.ndarray, beta: np.ndarray, log_z: np.ndarray) -> np.ndarray:
    """p(y_t = c | emissions), (b, t, c)."""
    return np.asarray(np.exp(alpha + beta - log_z[:, None, None]))


def _moves(emissions: np.ndarray, transitions: np.ndarray, alpha: np.ndarray, beta: np.ndarray, log_z: np.ndarray
           ) -> Iterator[np.ndarray]:
    """p(y_{t-1}, y_t | emissions), (b, c, c), for each t from the second step on."""
    for t in range(1, emissions.shape[1]):
        right = (emissions[:, t] + beta[:, t])[:, None, :] - log_z[:, None, None]
        yield np.exp(alpha[:, t - 1, :, None] + transitions + right)


def _counts(emissions: np.ndarray, transitions: np.ndarray, messages: tuple[np.ndarray, np.ndarray, np.ndarray]
            ) -> tuple[np.ndarray, np.ndarray]:
    total = np.zeros((len(emissions), *transitions.shape), emissions.dtype)
    for moves in _moves(emissions, transitions, *messages):
        total += moves
    return _rooms(*messages), total


def crf_nll(emissions: np.ndarray, tags: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
            ) -> tuple[float, Cache]:
    """Mean over the batch of -log p(tags | emissions)."""
    alpha, beta, log_z = _messages(emissions, transitions, start, end)
    score = start[tags[:, 0]] + end[tags[:, -1]] + np.take_along_axis(emissions, tags[..., None], 2)[..., 0].sum(1)
    score = score + transitions[tags[:, :-1], tags[:, 1:]].sum(1)
    return float((log_z - score).mean()), (emissions, tags, transitions, start, end, alpha, beta, log_z)


def crf_nll_backward(dloss: float, cache: Cache) -> tuple[np.ndarray, ...]:
    """(demissions, dtransitions, dstart, dend): expected minus observed counts."""
    emissions, tags, transitions, _, _, alpha, beta, log_z = cache
    scale = emissions.dtype.type(dloss / len(emissions))
    de = _rooms(alpha, beta, log_z)
    np.put_along_axis(de, tags[..., None], np.take_along_axis(de, tags[..., None], 2) - 1, 2)
    dt = np.zeros_like(transitions)
    for moves in _moves(emissions, transitions, alpha, beta, log_z):
        dt += moves.sum(0)
    np.subtract.at(dt, (tags[:, :-1].ravel(), tags[:, 1:].ravel()), 1)
    return de * scale, dt * scale, de[:, 0].sum(0) * scale, de[:, -1].sum(0) * scale


def crf_marginals(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """p(y_t = c | emissions), (b, t, c)."""
    return _rooms(*_messages(emissions, transitions, start, end))


def crf_filter(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """p(y_t = c | emissions up to t), were t the last step, (b, t, c): the last row of `crf_marginals` of every length."""
    found, alpha = np.empty_like(emissions), start + emissions[:, 0]
    for t in range(emissions.shape[1]):
        if t:
            alpha = _logsumexp(alpha[:, :, None] + transitions, 1) + emissions[:, t]
        found[:, t] = softmax(alpha + end)[0]
    return found


def crf_counts(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray]:
    """(p(y_t = c | emissions) (b, t, c), expected transitions of a sequence (b, c, c) from row to column)."""
    return _counts(emissions, transitions, _messages(emissions, transitions, start, end))


def crf_cross_entropy(emissions: np.ndarray, rooms: np.ndarray, moves: np.ndarray, transitions: np.ndarray,
                      start: np.ndarray, end: np.ndarray) -> tuple[float, Cache]:
    """Mean over the batch of E_q[-log p(tags | emissions)], for any q over tags with the expected counts `crf_counts`.

    The score is linear in the counts, so that nothing else of q matters: the loss is KL(q || p) but for q's entropy.
    """
    messages = _messages(emissions, transitions, start, end)
    own, own_moves = _counts(emissions, transitions, messages)
    score = (emissions * rooms).sum((1, 2)) + (transitions * moves).sum((1, 2)) + rooms[:, 0] @ start + rooms[:, -1] @ end
    return float((messages[2] - score).mean()), (own - rooms, (own_moves - moves).sum(0))


def crf_cross_entropy_backward(dloss: float, cache: Cache) -> tuple[np.ndarray, ...]:
    """(demissions, dtransitions, dstart, dend): expected minus given counts."""
    more, moves = cache
    scale = more.dtype.type(dloss / len(more))
    return more * scale, moves * scale, more[:, 0].sum(0) * scale, more[:, -1].sum(0) * scale


def crf_viterbi(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray]:
    """(best paths (b, t), their scores (b,)); of equal scores the lower class wins."""
    b, steps, c = emissions.shape
    back = np.empty((b, steps, c), np.int64)
    score = start + emissions[:, 0]
    for t in range(1, steps):
        all_scores = score[:, :, None] + transitions
        back[:, t] = all_scores.argmax(1)
        score = all_scores.max(1) + emissions[:, t]
    score = score + end
    paths = np.empty((b, steps), np.int64)
    paths[:, -1] = score.argmax(1)
    for t in range(steps - 1, 0, -1):
        paths[:, t - 1] = np.take_along_axis(back[:, t], paths[:, t, None], 1)[:, 0]
    return paths, score.max(1)


def crf_totals(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(b, t, c) float64: scores of the best paths of the first 1 ... t steps that end in each class.  They grow with the
    steps, which may be a whole recording's."""
    found, score = np.empty(emissions.shape), start.astype(np.float64) + emissions[:, 0]
    for t in range(emissions.shape[1]):
        if t:
            score = (score[:, :, None] + transitions).max(1) + emissions[:, t]
        found[:, t] = score + end
    return found


def crf_viterbi_last(emissions: np.ndarray, transitions: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Last classes (b, t) of the best paths of the first 1 ... t steps: `crf_viterbi` of each prefix, in one pass."""
    score = start + emissions[:, 0]
    last = [(score + end).argmax(1)]
    for t in range(1, emissions.shape[1]):
        score = (score[:, :, None] + transitions).max(1) + emissions[:, t]
        last.append((score + end).argmax(1))
    return np.stack(last, 1)
