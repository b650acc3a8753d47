"""How sure a Program is of a room: a table from the decoder's margin to the share of labels that are right.

    margin = greatest score - second greatest, of the decoder's int16 scores at a row (kernels/confidence.py)
    confidence = P(label is right | margin) in 1/255, one entry of the table for each 2^shift places of the margin

The share is counted on validation rows, which the weights have not seen: in quantiles of the margin, made monotone by the
pool-adjacent-violators algorithm (Ayer et al., Ann. Math. Statist. 26:641, 1955; as calibration: Zadrozny and Elkan, KDD
2002).  Neighboring rows are right or wrong together: n of them count as n / d, d the design effect of their stretches
(Kish, Survey Sampling, 1965, 5.4).  A few right ones are no certainty: each share has one row more, right as often as they
all are (a beta prior of that mean), and a precision is promised where its lower bound is (Wilson, JASA 22:209, 1927).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.data import MISSING, Dataset, Samples, Scaler, Windows, forward_fill, windows
from tinyloc.data.split import visits
from tinyloc.errors import ConfigError, DataError, ModelError
from tinyloc.program import Program, Step, add_constant

Reals = npt.NDArray[np.float64]

SIZE = 64  # entries of a table
MOST = 255  # the confidence of certainty
BINS = 20  # quantiles of the margin, fewer where they would hold fewer than LEAST independent rows
LEAST = 8
PRECISION = 0.95  # of the rooms that a stream answers, by default
SIGMAS = 1.0  # below what was counted, to where a precision is promised: five times of six it is as good
LOSS = 0.01  # of precision that the first rows after a start, or rows of fewer access points, may have less
FEW = 0.01  # of the validation rows hear fewer access points than what is enough at any rate
SEED = 0


# ---- figures ----

def calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = 15) -> float:
    """Expected calibration error: the mean over rows of |share right - mean confidence| in their bin of equal width.

    confidence (n,) in 0..1; right (n,) bool (Naeini, Cooper and Hauskrecht, AAAI 2015).  NaN without rows.
    """
    c, r = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if c.shape != r.shape or c.ndim != 1:
        raise DataError(f"confidences have shape {c.shape}, right or wrong {r.shape}; expected two vectors of one length")
    at = np.minimum((c * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(at, r - c, bins)).sum() / len(c)) if len(c) else math.nan


def design_effect(right: npt.ArrayLike, unit: npt.ArrayLike) -> float:
    """By how much the variance of the share of `right` (n,) is greater than that of independent rows, at least 1.

    unit (n,): rows that belong together, such as those of one stay in a room.
    """
    r, u = np.asarray(right, np.float64), np.unique(np.asarray(unit), return_inverse=True)[1].reshape(-1)
    n, units, p = len(r), int(u.max(initial=-1)) + 1, float(np.mean(r)) if len(r) else 0.0
    if units < 2 or p in (0.0, 1.0):
        return max(1.0, n / max(units, 1)) if units else 1.0
    off = np.bincount(u, r - p)
    return max(1.0, units / (units - 1) * float((off**2).sum()) / (n * p * (1 - p)))


def lower_bound(right: npt.ArrayLike, n: npt.ArrayLike, sigmas: float = SIGMAS) -> Reals:
    """Wilson's lower bound of a share of `right` among `n` independent rows; 0 where there are none."""
    n1 = np.maximum(np.asarray(n, np.float64), 1e-9)
    p, z2 = np.asarray(right, np.float64) / n1, sigmas**2
    bound = (p + z2 / (2 * n1) - sigmas * np.sqrt(np.maximum(p * (1 - p) / n1 + z2 / (4 * n1**2), 0))) / (1 + z2 / n1)
    return np.asarray(np.where(np.asarray(n) > 0, bound, 0.0))


@dataclass(frozen=True)
class Reliability:
    """table (SIZE,) uint8, not falling: the confidence of a margin m is table[min(m >> shift, SIZE - 1)]."""

    table: npt.NDArray[np.uint8]
    shift: int

    def of(self, margin: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Confidences in 1/255 of margins, whole or not, in places of the decoder's scores."""
        at = np.floor(np.asarray(margin, np.float64) / 2.0**self.shift)
        return self.table[np.clip(at, 0, len(self.table) - 1).astype(np.int64)]


def fit(margin: npt.ArrayLike, right: npt.ArrayLike, effect: float = 1.0) -> Reliability:
    """The table of margins (n,) >= 0 whose label was right or not (n,); `effect`: `design_effect` of the rows.

    Raises DataError without rows.
    """
    m, r = np.asarray(margin, np.float64), np.asarray(right, np.float64)
    if m.shape != r.shape or m.ndim != 1 or not len(m):
        raise DataError(f"margins have shape {m.shape}, right or wrong {r.shape}; expected two vectors of one length, not 0")
    order = np.argsort(m, kind="stable")
    bins = int(np.clip(len(m) / effect / LEAST, 1, BINS))
    parts = [p for p in np.array_split(order, bins) if len(p)]
    at, count = np.array([m[p].mean() for p in parts]), np.array([float(len(p)) for p in parts])
    usual = (r.sum() / effect + 0.5) / (len(r) / effect + 1)
    share = _rising((np.array([r[p].sum() for p in parts]) / effect + usual) / (count / effect + 1), count)
    # The last quantile's mean ends the table: beyond it there is nothing to tell apart.
    shift = int(np.clip(math.ceil(math.log2(max(at[-1], 1) / (SIZE - 0.5))), 0, 15))
    middles = (np.arange(SIZE) + 0.5) * 2.0**shift
    return Reliability(np.rint(np.interp(middles, at, share) * MOST).astype(np.uint8), shift)


def _rising(y: Reals, weight: Reals) -> Reals:
    """The nearest values to y that never fall, by least squares of these weights: pool adjacent violators."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, w in zip(y.tolist(), weight.tolist(), strict=True):
        n = 1
        while blocks and blocks[-1][0] >= value:
            before, more, many = blocks.pop()
            value, w, n = (before * more + value * w) / (more + w), w + more, n + many
        blocks.append((value, w, n))
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks])


def threshold(confidence: npt.NDArray[np.uint8], right: npt.ArrayLike, precision: float, unit: npt.ArrayLike
              ) -> tuple[int, bool]:
    """(the least confidence from which on labels are right with that precision, whether there is one).

    Judged by the lower bound of `right` (n,) among the rows of at least that confidence, of which those of one `unit` (n,)
    belong together.  Where none reaches the precision, that of the greatest bound.
    """
    r, u = np.asarray(right, np.float64), np.asarray(unit)
    levels, bounds = np.unique(confidence), []
    for level in levels:
        at = confidence >= level
        effect = design_effect(r[at], u[at])
        bounds.append(float(lower_bound(r[at].sum() / effect, at.sum() / effect)))
    enough = np.flatnonzero(np.array(bounds) >= precision)
    return (int(levels[enough[0]]), True) if len(enough) else (int(levels[int(np.argmax(bounds))]), False)


# ---- Programs ----

def decoder(program: Program) -> tuple[Step, dict[str, str | int]]:
    """The step that decides labels, the last one, and its arguments by name.  Raises ModelError for another last step."""
    from tinyloc.kernels.confidence import CONFIDENT
    from tinyloc.kernels.table import OPS

    step = program.steps[-1]
    if step.op not in (*CONFIDENT, *CONFIDENT.values()):
        raise ModelError(f"the last step is {step.op}, expected a decoder: {', '.join(CONFIDENT)}")
    return step, dict(zip((p.name for p in OPS[step.op].params), step.args, strict=True))


def has_confidence(program: Program) -> bool:
    """Whether the output holds a confidence beside each label."""
    return program.buffers[program.output].shape[1:] == (2,)


def with_table(program: Program, reliability: Reliability) -> Program:
    """The same Program, whose output (t, 2) has each row's label and confidence.  Raises ModelError where it has already."""
    from tinyloc.kernels.confidence import CONFIDENT
    from tinyloc.kernels.table import OPS

    step, args = decoder(program)
    if step.op not in CONFIDENT:
        raise ModelError("the Program has confidences already")
    buffers, data = dict(program.buffers), dict(program.data)
    y = buffers[program.output]
    buffers[y.name] = replace(y, shape=(y.shape[0], 2))
    table = add_constant(buffers, data, f"{y.name}.confidence", reliability.table, "table")
    args |= {"table": table, "size": len(reliability.table), "shift": reliability.shift}
    made = Step(CONFIDENT[step.op], tuple(args[p.name] for p in OPS[CONFIDENT[step.op]].params))
    return replace(program, buffers=buffers, data=data, steps=(*program.steps[:-1], made))


def can_calibrate(dataset: Dataset) -> bool:
    """Whether confidences can be counted on the data, as `tinyloc quantize` does then: validation has a labeled row."""
    return bool((dataset.val.room >= 0).any())


def sized(program: Program) -> Program:
    """The Program with a table of zeros: what it takes once confidences are counted, for a budget."""
    return program if has_confidence(program) else with_table(program, Reliability(np.zeros(SIZE, np.uint8), 0))


def labels_and_margins(program: Program, w: Windows, batch: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """(w,) label and margin of the row that each window is about, as firmware runs the Program (`run.answers`)."""
    from tinyloc.kernels.confidence import margins
    from tinyloc.run import Session, Steps

    _, args = decoder(program)
    decided, codes = str(args.get("scores", args["x"])), program.buffers[program.input].quantize

    session = Session(program.retime(1), "numba") if program.carries else None

    def of_recording(x: np.ndarray) -> np.ndarray:
        assert session is not None
        session.reset()
        return np.stack([np.append(session.run(row)[0, 0], session.value(decided).astype(np.int64))
                         for row in codes(x)[:, None]])

    def of_windows(x: np.ndarray) -> np.ndarray:
        steps, parts = Steps(program.buffers, program.steps, program.data), []
        for i in range(0, len(x), batch):
            found = steps.run_windows(codes(x[i : i + batch]))
            value = found(decided).astype(np.int64)
            parts.append(np.column_stack([found(program.output)[:, -1, 0], value if "scores" in args else value[:, -1]]))
        return np.concatenate(parts)

    both = w.said(program.carries, of_recording, of_windows)
    labels, scores = both[:, 0], both[:, 1:]
    if "scores" in args:  # behind them it says whether there are any
        scores = scores[:, :-1] + program.data[str(args["end"])]
    return labels.astype(np.int64), margins(np.clip(scores, -(2**15), 2**15 - 1))


def heard(info: Mapping[str, Any], samples: Samples) -> npt.NDArray[np.bool_]:
    """(n, a) which of the model's inputs are heard, or held, at each row; motion channels are none."""
    samples = samples.select(info.get("aps", samples.aps))
    known = ~np.isnan(forward_fill(samples, float(info["scaler"]["hold"])))
    known[:, len(samples.aps) :] = False
    return known


def stretches(samples: Samples) -> npt.NDArray[np.int64]:
    """(n,) id of the stay in one room that a row belongs to; rows that stand alone: those of one device there, if known."""
    if samples.group is not None and len(np.unique(samples.session)) == len(samples):
        return np.unique(np.stack([samples.group, samples.room]), axis=1, return_inverse=True)[1].reshape(-1)
    return visits(samples)


def calibrate(program: Program, dataset: Dataset, precision: float = PRECISION, missing: str = MISSING[0]) -> Program:
    """The Program with confidences counted on the data set's validation rows, and what a stream needs to know.

    precision: of the rooms that a stream answers, the rest being "unknown".  `info["confidence"]` has
        threshold   least confidence in 1/255 of a room that is answered
        least       access points that must be heard: validation rows of that many keep the precision, less LOSS, once the
                    others are silenced; at most what all but FEW of the rows hear
        warm_up     rows after a start before the first room: from then on the precision, less LOSS, is kept, as far as can
                    be told
        precision, reached, validation: what was asked for, whether validation promises it, and the figures there
        seen        whether the model was trained on these rows as well: then all of this is too favorable
    Raises ConfigError for a precision outside of (0, 1), DataError without a labeled validation row, and what `last_rows`
    raises.
    """
    from tinyloc.train import last_rows

    if not 0 < precision < 1:
        raise ConfigError(f"precision {precision!r}: expected more than 0 and less than 1")
    info = program.info
    w = last_rows(info, dataset.val, missing)
    known = w.y[:, -1] >= 0
    if not known.any():
        raise DataError(f"{dataset.name}: confidence is counted on validation rows; expected a labeled one, there is none")
    w = replace(w, x=w.x[known], y=w.y[known], row=w.row[known])
    labels, margin = labels_and_margins(program, w)
    right = labels == w.y[:, -1]
    unit = stretches(dataset.val)[w.row]
    effect = design_effect(right, unit)
    reliability = fit(margin, right, effect)
    made = with_table(program, reliability)
    confidence = reliability.of(margin)
    limit, reached = threshold(confidence, right, precision, unit)
    sure = confidence >= limit
    kept = float(right[sure].mean()) - LOSS
    samples = dataset.val.select(info.get("aps", dataset.aps), missing=missing)
    found = {
        "threshold": limit, "least": _least(made, w, samples, limit, kept),
        "warm_up": _warm_up(made, samples, limit, kept, effect), "precision": precision, "reached": reached,
        "seen": bool(info.get("refit")),
        "validation": {"rows": int(known.sum()), "independent": float(known.sum() / effect), "accuracy": float(right.mean()),
                       "precision": kept + LOSS, "answered": float(sure.mean()),
                       "calibration_error": calibration_error(confidence / MOST, right)}}
    return replace(made, info={**info, "confidence": found})


def reliability_of(program: Program) -> Reliability:
    """The table of a Program that has confidences: what `with_table` put there."""
    _, args = decoder(program)
    return Reliability(program.data[str(args["table"])], int(args["shift"]))


def _precision(y: np.ndarray, true: np.ndarray, limit: int) -> float:
    """Of outputs (w, 2), the share of right ones among those of confidence `limit` and more; 1 where there are none."""
    sure = (y[:, 1] >= limit) & (true >= 0)
    return float((y[sure, 0] == true[sure]).mean()) if sure.any() else 1.0


def _least(program: Program, w: Windows, samples: Samples, limit: int, kept: float) -> int:
    """`info["confidence"]["least"]`, see `calibrate`: who is silenced, where more are heard, is drawn for a window, and once
    for a recording that a Program is carried on through."""
    from tinyloc.run import answers

    info = program.info
    scaler, on = Scaler.from_dict(info["scaler"]), heard(info, samples)
    # Of each window, what is heard when its answer is given.
    at_end = on[np.minimum(w.row + int(info.get("delay", 0)), samples.ends()[w.row])]
    counts = at_end.sum(1)
    carries = program.carries and w.recordings is not None
    silent, rng = scaler.transform(np.full(on.shape[1], np.nan)), np.random.default_rng(SEED)
    # Who is heard, in a random order, then the others.
    order = rng.random(on.shape)[samples.starts()] + ~on if carries else rng.random(at_end.shape) + ~at_end
    rank = np.argsort(np.argsort(order, 1), 1)
    access_points = np.arange(on.shape[1]) < on.shape[1] - scaler.motion
    for few in range(max(1, int(np.quantile(counts, FEW))) - 1, 0, -1):
        enough, off = counts >= few, (rank >= few) & access_points
        fewer = replace(w, x=w.x[enough], y=w.y[enough], row=w.row[enough])
        if carries:
            assert w.recordings is not None
            fewer = replace(fewer, recordings=replace(w.recordings, x=np.where(off, silent, w.recordings.x)))
        else:
            fewer = replace(fewer, x=np.where(off[enough, None], silent, fewer.x))
        if _precision(answers(program, fewer), fewer.y[:, -1], limit) < kept:
            return few + 1
    return 1


def _warm_up(program: Program, samples: Samples, limit: int, kept: float, effect: float) -> int:
    """`info["confidence"]["warm_up"]`, see `calibrate`: at least as many rows as answers lag, and one."""
    from tinyloc.run import Session

    session, info, b = Session(program, "c"), program.info, program.buffers[program.input]
    length, delay = int(info["window"]), int(info.get("delay", 0))
    w = windows(samples, Scaler.from_dict(info["scaler"]), length, max(1, length // 4), delay)
    if length == 1 or not len(w):
        return delay + 1
    x = b.quantize(w.x)
    if program.can_stream:
        y = session.run_windows(x)
    else:  # what a stream makes of k rows: the first one stands for those before
        y = np.stack([session.run_windows(x[:, np.clip(np.arange(length) - (length - 1 - k), 0, None)])[:, -1]
                      for k in range(length)], 1)
    true = samples.numbers_in(info.get("rooms", samples.rooms))[w.y]
    sure = (y[..., 1] >= limit) & (true >= 0)
    wrong = (sure & (y[..., 0] != true)).sum(0)
    short = np.flatnonzero(1 - lower_bound(wrong / effect, sure.sum(0) / effect) < kept)
    return min(length, max(delay + 1, int(short[-1]) + 2 if len(short) else 1))
