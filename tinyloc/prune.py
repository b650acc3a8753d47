"""Structured pruning: whole access points, channels, states, heads and blocks are cut from a trained model, and what is left
is trained on.

What goes is what the loss would miss least, to first order (Molchanov et al., CVPR 2019, arXiv 1906.10771, "Taylor-FO" with
a gate): a factor z = 1 on the weights through which all that a structure says goes changes the loss E by dE/dz = sum w dE/dw
over them, and its importance is the mean over minibatches of (dE/dz)^2.  That is in units of the loss whatever the structure
is, so none is normalized.  Cutting goes in rounds with a few epochs between, since importances change as others leave.

One table, `AXES`, says along which axes of which parameters a structure lies, and which of them are its gate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyloc.confidence import can_calibrate, sized
from tinyloc.data import MISSING, Dataset, Samples, Windows
from tinyloc.distill import Beliefs, Distillation, Teachers
from tinyloc.errors import BrokenError, ConfigError, ModelError, unknown
from tinyloc.model import WIDTHS_OF, Config, Model, Params
from tinyloc.train import (
    Changing,
    Progress,
    Recipe,
    as_begun,
    heard_by,
    identity,
    labeled,
    last_rows,
    loss_and_gradients,
    prepare,
    prior_of,
    train,
)

if TYPE_CHECKING:
    from tinyloc.verify import Memory

#: What can be cut, by family.  A model keeps at least one of each.
DIMENSIONS = {"mamba": ("blocks", "aps", "d", "inner", "state", "rank"), "mdcsa": ("heads", "aps", "d", "fc1", "fc2")}
#: What is cut to meet a budget, unless it is said.
AMONG = {"mamba": ("aps", "d", "inner", "state"), "mdcsa": ("aps", "d", "fc1", "fc2")}
BUDGETS = {"ram": "RAM with the image in flash", "total": "all in RAM", "image": "flash"}
DECAYS = ("powers", "free")
#: Half of a training at a lower rate.  Six pairs of epochs and rate, from train's own to 20 and 1e-4, were no different to
#: within their spread (flat, mamba-h16l1, inner 0.5 and state 4 besides, 3 seeds).
RECIPE = Recipe(epochs=60, lr=2e-3)
RETRIES = 3  # stages more, when the trained model takes some bytes more than the budget
CALIBRATION = 8  # windows on which the planner's bytes are counted while cutting
BATCH = 16  # windows a gradient of the importance: more of them tell apart what cancels out in a mean

#: Of each parameter, below its block or head: the dimensions that lie along its axes, one after the other along an axis;
#: "-" is none.  With "*": zero there, and nothing reads the structure any more.
AXES = {
    "encoder.weight": "d*, aps*", "encoder.bias": "d*", "head.weight": "-, d", "head.bias": "-",
    "crf.transitions": "-, -", "crf.start": "-", "crf.end": "-",
    # a block of Mamba
    "norm.weight": "d", "in_proj.weight": "inner inner, d", "conv.weight": "inner, -", "conv.bias": "inner",
    "x_proj.weight": "rank state state*, inner*", "dt_proj.weight": "inner, rank*", "dt_proj.bias": "inner",
    "a_log": "inner, state", "d_skip": "inner", "out_proj.weight": "d*, inner*",
    # a head of MDCSA; k2, q2, norm2 and the context are the dead weights
    "k.weight": "d, -, d", "k.bias": "d", "q.weight": "d, -, d", "q.bias": "d",
    "k2.weight": "d, -, d", "k2.bias": "d", "q2.weight": "d, -, d", "q2.bias": "d",
    "norm1.weight": "d*", "norm1.bias": "d*", "norm2.weight": "d", "norm2.bias": "d",
    "norm3.weight": "d*", "norm3.bias": "d*",
    "grn.fc1.weight": "fc1, d", "grn.fc1.bias": "fc1", "grn.context.weight": "fc1, d",
    "grn.fc2.weight": "fc2, fc1*", "grn.fc2.bias": "fc2", "grn.glu.weight": "d d, fc2*", "grn.glu.bias": "d d",
    "mdcsa.out_conv.weight": "d, -, d", "mdcsa.out_conv.bias": "d", "mdcsa.norm.weight": "d*", "mdcsa.norm.bias": "d*",
}
#: The gates of what is cut as a whole: a block adds nothing, a head says nothing.
WHOLE = {"out_proj.weight": "blocks", "norm3.weight": "heads", "norm3.bias": "heads"}
#: What every block or every head has for itself: a place each.
PLACES = {"inner": "blocks", "state": "blocks", "rank": "blocks", "fc1": "heads", "fc2": "heads"}
Keep = Sequence[np.ndarray]  # which structures stay: an index array a place, all of one length
Scores = dict[str, list[np.ndarray]]  # dimension -> importances, an array a place


def dimensions(config: Config) -> tuple[str, ...]:
    """What can be cut of that model: of a Mamba without states neither these nor the time step's rank."""
    return tuple(k for k in DIMENSIONS[config.family] if k in config.sizes)


@dataclass(frozen=True)
class Part:
    """A dimension's stretch, from `start`, of an axis of a parameter, in a block or head `place`."""

    name: str
    place: int
    axis: int
    start: int
    dimension: str
    gate: bool


@cache
def _axes(rest: str) -> list[list[str]]:
    return [axis.split() for axis in AXES[rest].split(", ")]


def _split(name: str) -> tuple[int, str]:
    """Number of the block or head that a parameter is of (0 for all others), and its name there."""
    found = re.fullmatch(r"(?:blocks\.|mdcsa\.dcsa)(\d+)\.(.+)", name)
    return (int(found[1]), found[2]) if found else (0, name)


def parts(model: Model) -> Iterator[Part]:
    """Every stretch of every parameter that belongs to a dimension.  Raises ModelError for a shape that is not the
    configuration's."""
    sizes = {**model.config.sizes, "-": 0}
    for name, value in model.params.items():
        place, rest = _split(name)
        if rest not in AXES:
            raise ModelError(f"pruning: parameter {name!r} has no row in the table of axes")
        for axis, dimensions in enumerate(_axes(rest)):
            start = 0
            for dimension in dimensions:
                bare = dimension.rstrip("*")
                if bare == "-" or (rest == "a_log" and bare == "state" and model.config.tied):
                    start = value.shape[axis]
                    continue
                yield Part(name, place, axis, start, bare, dimension != bare)
                start += sizes[bare]
            if start != value.shape[axis]:
                raise ModelError(f"pruning: parameter {name!r} has {value.shape[axis]} along axis {axis}, expected {start}")


def importance(model: Model, training: Windows, taught: Beliefs | None = None, batch: int = BATCH, balance: float = 0.0
               ) -> Scores:
    """Importances of all structures by dimension: the mean over minibatches of the training windows of (dE/dz)^2.

    taught: what teachers believe of the windows, when they have their share of the loss; their features have no part, as the
    map to them is made anew by every training.  balance: as of `Recipe`.
    Raises DataError without a window whose every step has a room.
    """
    known = (training.y >= 0).all(1)
    training = labeled(training)
    taught = replace(taught.take(np.flatnonzero(known)), features=None) if taught else None
    sizes, all_parts = model.config.sizes, list(parts(model))
    total = {k: [np.zeros(sizes[k]) for _ in range(_places(model.config, k))] for k in dimensions(model.config)}
    prior = prior_of(training.y, model.config.classes, balance)
    order = np.random.default_rng(0).permutation(len(training))  # minibatches of many rooms, not of one recording
    starts = range(0, len(order), batch)
    for i in starts:
        pick = order[i : i + batch]
        _, grads = loss_and_gradients(model, training.x[pick], training.y[pick],
                                      taught=taught.take(pick) if taught else None, prior=prior)
        slopes = {k: [np.zeros_like(v) for v in values] for k, values in total.items()}
        products = {name: model.params[name].astype(float) * g for name, g in grads.items()}
        for p in all_parts:
            if p.gate:
                product = products[p.name]
                along = product.sum(tuple(a for a in range(product.ndim) if a != p.axis))
                slopes[p.dimension][p.place if p.dimension in PLACES else 0] += along[p.start : p.start + sizes[p.dimension]]
        for name, product in products.items():
            place, rest = _split(name)
            if rest in WHOLE:
                slopes[WHOLE[rest]][0][place] += product.sum()
        for k, values in total.items():
            for value, slope in zip(values, slopes[k], strict=True):
                value += slope**2 / len(starts)
    return total


def _places(config: Config, dimension: str) -> int:
    return config.sizes[PLACES[dimension]] if dimension in PLACES else 1


def choose(config: Config, dimension: str, scores: Sequence[np.ndarray], size: int, decay: str = "powers", stay: int = 0
           ) -> list[np.ndarray]:
    """The `size` most important structures of each place, in order; among them the last `stay` of all.

    decay: "powers" keeps of Mamba's states every m-th only, m = 1, 2, ...: their decay rates, (k + 1) A[j, 0] where they are
    tied and near that where they began so, are then multiples of one again, and the cheaper scan stays possible.
    """
    if dimension == "state" and (decay == "powers" or config.tied):
        rows = [np.arange(m - 1, m * size, m) for m in range(1, config.n // size + 1)]
        return [max(rows, key=lambda row: float(s[row].sum())) for s in scores]
    return [np.append(np.sort(np.argsort(-s[: len(s) - stay], kind="stable")[: size - stay]),
                      np.arange(len(s) - stay, len(s))) for s in scores]


def _staying(model: Model, dimension: str) -> int:
    """How many of the last structures are not cut by importance: of the inputs, the motion channels."""
    return len(model.info.get("motion", ())) if dimension == "aps" else 0


def cut(model: Model, dimension: str, keep: Keep) -> Model:
    """The model with these structures of a dimension alone, in this order; `keep`: an index array for each place (each
    block for inner, state and rank, each head for fc1 and fc2, else one).

    What says nothing can be cut without a change of the model's output but for rounding, of:
        aps, inner, state, rank, fc1, fc2, blocks    structures whose gate is zero (`AXES`)
        d of a Mamba     channels that are zero all along; the norms' gains make up for the smaller mean square
        heads            heads that all say the same, and the last convolution does not listen to those that go: attention is
                         a mean over all of them
    Not so d of an MDCSA: layer norm and attention look at zeros too, and the positional encoding is another one.
    Of tied decay rates, A[j, k] = (k + 1) A[j, 0], states m - 1, 2 m - 1, ... may stay, and no others.
    Raises ConfigError for a dimension that the family lacks or indices that make no sense.
    """
    config = model.config
    if dimension not in dimensions(config):
        raise unknown(f"dimension of a {config.family}", dimension, dimensions(config))
    size, places = config.sizes[dimension], _places(config, dimension)
    keep = [np.asarray(k, np.int64) for k in keep]
    kept = len(keep[0]) if keep else 0
    if len(keep) != places or not kept or any(
            k.shape != (kept,) or len(np.unique(k)) != kept or not 0 <= k.min() <= k.max() < size for k in keep):
        raise ConfigError(f"pruning {dimension}: expected {places} index array(s) of one length with distinct numbers from "
                          f"0 to {size - 1}, got {[k.tolist() for k in keep]}")
    if dimension in ("blocks", "heads"):
        return _cut_whole(model, dimension, keep[0])
    params, info = dict(model.params), dict(model.info)
    index: dict[tuple[str, int], list[np.ndarray]] = {}
    done: dict[tuple[str, int], int] = {}
    for p in parts(model):
        if p.dimension == dimension:
            at = p.name, p.axis
            index.setdefault(at, []).extend([np.arange(done.get(at, 0), p.start),
                                             p.start + keep[p.place if dimension in PLACES else 0]])
            done[at] = p.start + size
    for (name, axis), taken in index.items():
        rest = np.arange(done[name, axis], model.params[name].shape[axis])
        params[name] = np.take(params[name], np.concatenate([*taken, rest]), axis)
    if dimension == "state" and config.tied:
        for i, k in enumerate(keep):
            if not np.array_equal(k + 1, (k[0] + 1) * np.arange(1, kept + 1)):
                raise ConfigError(f"pruning state: tied decay rates keep every m-th state in order, got {k.tolist()}")
            name = f"blocks.{i}.a_log"
            params[name] = params[name] + params[name].dtype.type(math.log(k[0] + 1))
    if dimension == "d":
        # What is read is divided by the root of the mean square of d values in a Mamba, and multiplied by the root of d in
        # an MDCSA.
        gain = math.sqrt(size / kept)
        for name in params:
            if _split(name)[1] == "norm.weight" or (config.family == "mdcsa" and name.startswith("encoder.")):
                params[name] = params[name] * params[name].dtype.type(gain)
    if dimension == "aps":
        info |= _hear(info, size, keep[0])
    return Model(_resized(config, {**config.sizes, dimension: kept}), params, info)


def _cut_whole(model: Model, dimension: str, keep: np.ndarray) -> Model:
    """Blocks or heads, renumbered."""
    stem = {"blocks": "blocks.", "heads": "mdcsa.dcsa"}[dimension]
    number = {int(old): new for new, old in enumerate(keep)}
    params: Params = {}
    for name, value in model.params.items():
        place, rest = _split(name)
        if rest == name:
            params[name] = value
        elif place in number:
            params[f"{stem}{number[place]}.{rest}"] = value
    config = model.config
    if dimension == "blocks":
        config = replace(config, blocks=len(keep))
    else:
        params["mdcsa.out_conv.weight"] = _taps(params["mdcsa.out_conv.weight"], len(config.kernels), keep)
        config = replace(config, kernels=tuple(config.kernels[i] for i in keep))
    return Model(config, {name: params[name] for name in Model.create(config).params}, dict(model.info))


def _taps(weight: np.ndarray, heads: int, keep: np.ndarray) -> np.ndarray:
    """The last convolution's weight (d, 3, d) for the heads that stay.  What its taps meet, as (step, head): 1 head:
    (-1, 0), (0, 0), (1, 0); 2 heads: (-1, 1), (0, 0), (0, 1); 3 heads: (0, 0), (0, 1), (0, 2)."""
    meets = {1: [(-1, 0), (0, 0), (1, 0)], 2: [(-1, 1), (0, 0), (0, 1)], 3: [(0, 0), (0, 1), (0, 2)]}
    taps = {at: weight[:, i] for i, at in enumerate(meets[heads])}
    zero = np.zeros_like(weight[:, 0])
    return np.stack([taps.get((step, int(keep[head])), zero) for step, head in meets[len(keep)]], 1)


def _hear(info: Mapping[str, Any], size: int, keep: np.ndarray) -> dict[str, Any]:
    """Names of the access points, and whatever the scaler has for each of them."""
    def some(values: Any) -> Any:
        return [values[i] for i in keep] if isinstance(values, list) and len(values) == size else values

    found: dict[str, Any] = {"aps": some(list(info["aps"]))} if "aps" in info else {}
    if "motion" in info:
        found["motion"] = [name for name in info["motion"] if name in found.get("aps", info["motion"])]
    if "scaler" in info:
        scaler = {k: some(v) for k, v in info["scaler"].items()}
        found["scaler"] = scaler | ({"motion": len(found["motion"])} if "motion" in info else {})
    return found


def _resized(config: Config, sizes: Mapping[str, int]) -> Config:
    """The configuration of those sizes; a width that is the usual one stays None."""
    usual: dict[str, Any] = {name: None for name in WIDTHS_OF[config.family] if name in sizes}
    new = replace(config, aps=sizes["aps"], d=sizes["d"], n=sizes.get("state", config.n), **usual)
    unusual: dict[str, Any] = {name: sizes[name] for name in usual if sizes[name] != new.sizes[name]}
    return replace(new, **unusual)


def shrink(model: Model, scores: Scores, sizes: Mapping[str, int], decay: str = "powers") -> tuple[Model, Scores]:
    """The model cut to `sizes`, by the importances `scores`, and the importances of what is left.  No training."""
    left = {k: list(v) for k, v in scores.items()}
    for dimension in dimensions(model.config):  # blocks and heads first: what is in them goes with them
        if sizes.get(dimension, model.config.sizes[dimension]) == model.config.sizes[dimension]:
            continue
        keep = choose(model.config, dimension, left[dimension], sizes[dimension], decay, _staying(model, dimension))
        model = cut(model, dimension, keep)
        left[dimension] = [s[k] for s, k in zip(left[dimension], keep, strict=True)]
        for inside, of in PLACES.items():
            if of == dimension:
                left[inside] = [left[inside][i] for i in keep[0]]
    return model, left


def resolve(config: Config, keep: Mapping[str, int | float]) -> dict[str, int]:
    """Sizes to cut to: an int is a number of structures, a float a share of those that there are, at least one.

    Raises ConfigError for a dimension that the family lacks, a share outside (0, 1], or more than there are.
    """
    sizes = {}
    for name, value in keep.items():
        if name not in dimensions(config):
            raise unknown(f"dimension of a {config.family}", name, dimensions(config))
        size, share = config.sizes[name], isinstance(value, float)
        if isinstance(value, bool) or not (0 < value <= 1 if share else 1 <= value <= size):
            raise ConfigError(f"pruning {name}: keep {value!r}; expected a whole number from 1 to {size}, or a share above "
                              "0.0 and up to 1.0")
        sizes[name] = max(1, round(value * size)) if share else int(value)
    return sizes


def measure(model: Model, x: np.ndarray, decay: str = "powers", confident: bool = False) -> Memory:
    """Memory that the model takes quantized on windows x (b, t, a), by the planner, as it is best run; decay: of a Mamba;
    confident: with confidences, as `tinyloc quantize` counts them where validation has labels."""
    from tinyloc.quantize import quantize
    from tinyloc.verify import audit

    choice = "state" in model.config.sizes and not model.config.tied
    program = quantize(model, x, "minmax", decay if choice else "auto")
    return audit(sized(program) if confident else program).best


def within(model: Model, x: np.ndarray, scores: Scores, budget: Mapping[str, int], among: Sequence[str] = (),
           decay: str = "powers", confident: bool = False) -> dict[str, int]:
    """Sizes with which the quantized model keeps a budget of bytes: {"ram" | "total" | "image": bytes} of `verify.Memory`.

    Greedy: of the dimensions `among` (`AMONG`), that is cut next, by an eighth, which loses the least importance for a byte,
    the bytes being those that the planner counts for the model quantized on windows x (b, t, a).
    Raises ConfigError when the least model that cutting them leaves is too big.
    """
    among = tuple(among) or [k for k in AMONG[model.config.family] if k in dimensions(model.config)]
    for name, limit in budget.items():
        if name not in BUDGETS:
            raise unknown("budget", name, BUDGETS)
        if limit < 1:
            raise ConfigError(f"pruning: a budget of {limit} bytes of {name}; expected at least 1")
    resolve(model.config, dict.fromkeys(among, 1))

    def excess(m: Memory) -> int:
        return sum(max(0, getattr(m, name) - limit) for name, limit in budget.items())

    now, left, over = model, scores, excess(measure(model, x, decay, confident))
    inputs = np.arange(x.shape[2])
    while over:
        best: tuple[float, Model, Scores, int, np.ndarray] | None = None
        for name in among:
            size, stay = now.config.sizes[name], _staying(now, name)
            for go in range(max(1, size // 8), size - stay, max(1, size // 8)):
                keep = choose(now.config, name, left[name], size - go, decay, stay)
                smaller, heard = cut(now, name, keep), inputs[keep[0]] if name == "aps" else inputs
                still = excess(measure(smaller, x[:, :, heard], decay, confident))
                if still >= over:
                    continue  # where few of them save nothing, for alignment, scales or as the peak is elsewhere, more may
                rest = {**left, name: [s[k] for s, k in zip(left[name], keep, strict=True)]}
                lost = float(sum(s.sum() for s in left[name]) - sum(s.sum() for s in rest[name]))
                if best is None or lost / (over - still) < best[0]:
                    best = lost / (over - still), smaller, rest, still, heard
                break
        if best is None:
            m = measure(now, x[:, :, inputs], decay, confident)
            raise ConfigError("pruning: out of reach of the budget of "
                              + ", ".join(f"{limit:,} bytes ({BUDGETS[name]})" for name, limit in budget.items())
                              + f": cutting {', '.join(among)} leaves {', '.join(f'{getattr(m, n):,}' for n in budget)}")
        _, now, left, over, inputs = best
    return {k: v for k, v in now.config.sizes.items() if v != model.config.sizes[k]}


@dataclass
class _Stages:
    """What a checkpoint holds: the model after the last finished stage, and how many are finished."""

    path: Path | None
    identity: str
    model: Model
    done: int = 0

    def load(self) -> None:
        """Goes on from the file; makes it when there is none, so that what lies beside it is known to be of this run."""
        if self.path is None or not self.path.exists():
            self.save()
            return
        model = Model.load(self.path)
        found = model.info.pop("stages", None)
        if not isinstance(found, dict) or found.get("identity") != self.identity:
            raise ModelError(f"{self.path}: a checkpoint of another run (model, data, recipe or targets differ); start "
                             "anew with --no-resume, remove it or name another file")
        self.model, self.done = model, int(found["done"])

    def save(self) -> None:
        if self.path is not None:
            info = {**self.model.info, "stages": {"identity": self.identity, "done": self.done}}
            Model(self.model.config, self.model.params, info).save(self.path)

    def of_stage(self) -> Path | None:
        """The checkpoint of the training in the stage that is next."""
        return None if self.path is None else self.path.with_name(f"{self.path.name}.{self.done}")

    def finish(self, model: Model) -> None:
        """Takes the model of a stage.  One that was interrupted is not kept: its training goes on the next time."""
        trained = self.of_stage()
        self.model, self.done = model, self.done + 1
        if trained is not None and not model.info["interrupted"]:
            self.save()
            trained.unlink(missing_ok=True)


def forget(checkpoint: str | Path) -> None:
    """Removes a checkpoint of `prune`, with what a killed stage left beside it."""
    path = Path(checkpoint)
    for file in (path, *path.parent.glob(f"{escape(path.name)}.[0-9]*")):
        file.unlink(missing_ok=True)


def recipe_for(model: Model, **changes: Any) -> Recipe:
    """`RECIPE` with `changes`; rooms count as they did when the model was trained (`Recipe.balance`)."""
    return replace(as_begun(RECIPE, model.info), **changes)


def prune(model: Model, dataset: Dataset, keep: Mapping[str, int | float] | None = None, recipe: Recipe | None = None, *,
          budget: Mapping[str, int] | None = None, among: Sequence[str] = (), rounds: int = 4, between: int = 5,
          decay: str = "powers", teachers: Sequence[Model] = (), distillation: Distillation | None = None,
          checkpoint: str | Path | None = None, progress: Progress | None = None, missing: str = MISSING[0]) -> Model:
    """`model` cut down and trained on, on the data that it was trained on.

    keep: what is to be left of each dimension (`DIMENSIONS`): a number, or a share such as 0.5.
    budget: bytes that the quantized model may take besides, {"ram" | "total" | "image": bytes} of `verify.Memory`, kept by
    cutting the dimensions `among` (`within`), and checked on the model that is returned.
    rounds: cuts, each by the same factor, with `between` epochs after each but the last, after which the recipe
    (`recipe_for`) trains.  Windows are changed as they were when the model was trained (`info["augmentation"]`).
    decay: "powers" keeps the states of a Mamba such that the cheaper scan stays possible, "free" the most important ones.
    teachers, distillation: as of `train.fit`; the unpruned model may be one of them.
    A model that has seen the validation rows (`info["refit"]`) is trained on them too, until the last epoch each time: it
    cannot be judged by them, and `info` has no validation score.
    checkpoint: a file that is written after every round (and one beside it after every epoch); a killed run goes on from
    there, with the same result.  `forget` removes it, once the model is saved.
    missing: of access points that the model hears, or a teacher, and the data lack (`Samples.select`).

    Of the inputs, "aps", motion channels stay: whether they pay was decided when the model was trained (`train.fit`).
    Of a dimension that every block or head has for itself, each loses its own least important; so they stay equally wide.
    Ctrl-C during the last training keeps the best so far, with `info["interrupted"]`; before it, it goes through.
    Raises ConfigError for targets that make no sense, DataError for data with a room that the model lacks or without an
    access point that it hears, ModelError for a model that does not say what it was trained on, or a checkpoint of another
    run; BrokenError when the budget is not met after all.
    """
    recipe, info = recipe or recipe_for(model), model.info
    targets = resolve(model.config, keep or {})
    stay = _staying(model, "aps")
    if targets.get("aps", model.config.aps) <= stay:
        raise ConfigError(f"pruning aps: keep {targets['aps']}; {stay} of the inputs are motion channels, which stay: "
                          f"expected at least {stay + 1}")
    if not targets and not budget:
        raise ConfigError("pruning: nothing to cut; expected what to keep of a dimension, or a budget")
    if decay not in DECAYS:
        raise unknown("decay", decay, DECAYS)
    if rounds < 1 or between < 1:
        raise ConfigError(f"pruning: {rounds} rounds and {between} epochs between, expected at least 1")
    if not {"scaler", "window", "rooms", "aps"} <= info.keys():
        raise ModelError("pruning: the model does not say what it was trained on; expected a model that `fit` made")
    dataset.train.select(info["aps"], missing=missing)  # says what is lacking
    dataset = heard_by(dataset.with_rooms(info["rooms"]), (info["aps"], *(t.info.get("aps", ()) for t in teachers)), missing)
    asked = None
    if teachers or distillation:
        asked = Teachers(teachers, dataset, int(info["window"]), int(info.get("delay", 0)), distillation,
                         _rows(model, dataset))
    training, taught, changing = _inputs(model, dataset, asked)
    how = [targets, dict(budget or {}), list(among), rounds, between, decay, asdict(recipe)]
    validation = None if info.get("refit") else last_rows(info, dataset.val)
    own = identity(model, how, (training, validation), taught, changing)
    run = _Stages(Path(checkpoint) if checkpoint is not None else None, own, model)
    if budget:
        targets = _within(model, dataset, targets, budget, among, taught, decay, recipe.balance)
    run.load()

    def next_sizes() -> Mapping[str, int] | None:
        """What the next stage cuts to; None: nothing is left to do."""
        if run.done < rounds:
            reached = (run.done + 1) / rounds
            # Every m-th state of all is another choice than every m-th of some: they go at once.
            return {k: v if k == "state" and decay == "powers" else _on_the_way(model.config.sizes[k], v, reached)
                    for k, v in targets.items()}
        # Which scales and decays a trained model needs, and so some of its bytes, is known when it is trained.
        over = _over(run.model, dataset, budget or {})
        if not over or run.done >= rounds + RETRIES:
            return None
        now = measure(run.model, _few(run.model, dataset), decay, can_calibrate(dataset))
        tighter = {k: getattr(now, k) - over[k] if k in over else v for k, v in (budget or {}).items()}
        return _within(run.model, dataset, {}, tighter, among, taught, decay, recipe.balance)

    of = (rounds - 1) * between + recipe.epochs
    interrupted = False
    while not interrupted and (sizes := next_sizes()) is not None:
        last, before = run.done >= rounds - 1, min(run.done, rounds - 1) * between
        stage = recipe if last else replace(recipe, epochs=between, patience=between)
        training, _, _ = _inputs(run.model, dataset)
        smaller, _ = shrink(run.model, importance(run.model, training, taught, balance=recipe.balance), sizes, decay)
        training, taught, changing = _inputs(smaller, dataset, asked)
        validation = None if info.get("refit") else last_rows(smaller.info, dataset.val)
        found = train(smaller, training, validation, stage, checkpoint=run.of_stage(), taught=taught, changing=changing,
                      progress=_shifted(progress, before, of), until=None if validation is not None else stage.epochs)
        interrupted = found.info["interrupted"]
        if interrupted and not last:
            raise KeyboardInterrupt  # what is cut half way is of no use, and the checkpoint knows it
        run.finish(found)
    pruned = run.model
    if budget and not interrupted and (over := _over(pruned, dataset, budget)):
        raise BrokenError("pruned, but over the budget by "
                          + ", ".join(f"{v:,} bytes ({BUDGETS[k]})" for k, v in over.items()))
    name = str(info.get("name", model.config.family))
    more: dict[str, Any] = {"name": name if name.endswith("-pruned") else f"{name}-pruned",
                            "pruning": {"from": model.config.sizes, "to": pruned.config.sizes, "rounds": rounds,
                                        "between": between, "decay": decay}}
    if asked:
        more |= asked.info
    of_unpruned = ("test", *(("validation_macro_f1", "best_epoch") if info.get("refit") else ()))
    kept = {k: v for k, v in pruned.info.items() if k not in of_unpruned}
    return Model(pruned.config, pruned.params, {**kept, **more})


def _shifted(progress: Progress | None, before: int, of: int) -> Progress | None:
    """A callback for the epochs of one stage, that counts them among those of all."""
    return (lambda e: progress(replace(e, number=before + e.number, of=of))) if progress else None


def _inputs(model: Model, dataset: Dataset, asked: Teachers | None = None
            ) -> tuple[Windows, Beliefs | None, Changing | None]:
    """What `train.fit` would train the model on."""
    return prepare(model.info, _rows(model, dataset), asked)


def _rows(model: Model, dataset: Dataset) -> Samples:
    """What the model was trained on."""
    return dataset.known if model.info.get("refit") else dataset.train


def _on_the_way(size: int, target: int, reached: float) -> int:
    return round(size * (target / size) ** reached)


def _within(model: Model, dataset: Dataset, targets: Mapping[str, int], budget: Mapping[str, int], among: Sequence[str],
            taught: Beliefs | None, decay: str, balance: float) -> dict[str, int]:
    """`targets`, and what is to be cut besides to keep the budget."""
    training, _, _ = _inputs(model, dataset)
    smaller, scores = shrink(model, importance(model, training, taught, balance=balance), targets, decay)
    return {**targets, **within(smaller, _few(smaller, dataset), scores, budget, among, decay, can_calibrate(dataset))}


def _few(model: Model, dataset: Dataset) -> np.ndarray:
    """Some windows (b, t, a) for `measure`."""
    x = _inputs(model, dataset)[0].x
    return x[:: max(1, len(x) // CALIBRATION)]


def _over(model: Model, dataset: Dataset, budget: Mapping[str, int]) -> dict[str, int]:
    """Bytes above the budget, of the Program that `tinyloc quantize` makes."""
    if not budget:
        return {}
    from tinyloc.quantize import calibrate
    from tinyloc.verify import audit

    program = calibrate(model, dataset)
    found = audit(sized(program) if can_calibrate(dataset) else program).best
    return {k: getattr(found, k) - limit for k, limit in budget.items() if getattr(found, k) > limit}
