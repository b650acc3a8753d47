"""Quantization-aware training: the forward pass is the integer Program, so that what is trained is what is deployed.

Jacob et al. (arXiv 1712.05877) simulate integers by rounding floats, which is near to what a kernel does.  Here each step of
training lowers the parameters of the moment to a Program, as `tinyloc.quantize` does, runs its C kernels on the batch, and
reads the codes of every tensor.  The loss is that of the logits' codes.  Backward, each node has the derivative of its float
layer at the values that its inputs' codes and its weights' codes stand for.  Rounding passes gradients straight through
(Bengio et al., arXiv 1308.3432), where a code is at an end of its range and the float value is beyond it, none pass.

Trained are the parameters of the graph (`Model.graph`), not those of the model behind it: what was folded into one layer is
one layer here, scans have the decays that quantization chose, and a new kind of layer needs its row in the table alone.
Ranges stay as they were calibrated; the scales of weights follow the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from tinyloc import run
from tinyloc.carry import Carrying
from tinyloc.data import MISSING, Dataset, Windows
from tinyloc.distill import Distillation, Teachers
from tinyloc.errors import ConfigError, DataError
from tinyloc.kernels.op import STATE, Node, Pullback
from tinyloc.kernels.table import LAYERS, asked
from tinyloc.model import Model, Params
from tinyloc.program import Buffer, Program
from tinyloc.quantize import (
    Calibration,
    FloatModel,
    GraphBuilder,
    Tensors,
    calibration_of,
    calibration_windows,
    quantize,
    stretches_of,
)
from tinyloc.run import Steps
from tinyloc.train import Progress, Recipe, as_begun, heard_by, last_rows, prepare, train

#: From a trained model on: a lower rate than a fresh one's, and no dropout, as a Program drops nothing.
RECIPE = Recipe(epochs=30, lr=1e-3, dropout=0.0, patience=15)
#: What the float model believes, and nothing else: integers are to say what it says, and it has seen the labels already.
#: The temperature is for its second choices: of rows that it was trained on, its first is too sure to teach anything.
ITSELF = Distillation(alpha=0.0, temperature=3.0)


@dataclass(frozen=True)
class GraphConfig:
    """What a QuantizedGraph is beside its parameters: rooms, shape (t, a) of a window, how ranges and decays were chosen,
    a digest of what they are, and the precision of weights."""

    classes: int
    shape: tuple[int, int]
    calibration: str
    decay: str | None = None
    calibrated: str = ""
    weights: str = "int8"


#: Of a node: what its inputs' and parameters' gradients are, and where its codes pass gradients (None: everywhere).
_Taped = tuple[Node, Pullback, np.ndarray | None]


@dataclass
class QuantizedGraph:
    """A graph of float parameters that computes in integers, for `tinyloc.train.train`.

    params: by the output of their node and their name in it; those of the decoder, which is last, are crf.<name>.
    """

    config: GraphConfig
    params: Params
    nodes: Sequence[Node]
    calibrated: Calibration
    info: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(model: FloatModel, x: np.ndarray, method: str = "auto", decay: str = "auto", stretches: np.ndarray | None = None,
           weights: str = "int8") -> QuantizedGraph:
        """That of a float model, calibrated on windows x (b, t, a): arguments and errors of `tinyloc.quantize.quantize`."""
        program = quantize(model, x, method, decay, stretches, weights)
        info = {k: v for k, v in program.info.items() if k != "proofs"}
        x = calibration_windows(x)
        tensors = Tensors.of(model.graph(x.shape[1]), x, stretches)
        if info.get("decay") == "powers":
            tensors = tensors.cheaper()
        nodes = list(tensors.nodes)
        params = {_name(nodes, n, p): v.astype(np.float32) for n in nodes for p, v in n.params.items()}
        calibrated = tensors.calibrated(info["calibration"])
        config = GraphConfig(model.config.classes, (x.shape[1], x.shape[2]), info["calibration"], info.get("decay"),
                             calibrated.digest, weights)
        return QuantizedGraph(config, params, nodes, calibrated, info)

    @property
    def width(self) -> int:
        """Number of features a step: what the last layer before the decoder reads."""
        return int(self.nodes[-2].params["weight"].shape[1])

    def lower(self, t: int | None = None) -> GraphBuilder:
        """The graph with the parameters as they are, lowered, for windows of t rows (its own).  Raises ModelError when a
        bound cannot be proved."""
        nodes = asked([replace(n, params={p: self.params[_name(self.nodes, n, p)] for p in n.params}) for n in self.nodes])
        rows, aps = self.config.shape
        builder = GraphBuilder(nodes, (t or rows, aps), self.calibrated, self.config.weights)
        builder.lower()
        return builder

    def program(self) -> Program:
        """The Program of the parameters as they are: what `forward` and `predict` run."""
        return self.lower().program(self.info)

    def codes(self, x: np.ndarray, state: Sequence[np.ndarray] = ()) -> tuple[GraphBuilder, Callable[[str], np.ndarray]]:
        """(the lowered graph, codes (b, t, d) of a tensor by its name) of windows x (b, t, a)."""
        builder = self.lower()
        return builder, _runner(builder)(x, state)

    @cached_property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the states of nodes that training can begin with, such as a Mamba's, in real values."""
        builder = self.lower()
        return tuple(builder.buffers[s.name].shape for s in builder.states.values())

    def carrying(self, t: int) -> Carrying:
        """See `train.Trainable`: by the Program's kernels."""
        builder = self.lower(t)
        run_from = _runner(builder)

        def go_on(x: np.ndarray, state: Sequence[np.ndarray]) -> list[np.ndarray]:
            codes = run_from(x, state)
            return [s.real(codes(s.name)) for s in builder.states.values()]

        return go_on

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None, dropout: float = 0.0,
                state: Sequence[np.ndarray] = ()) -> tuple[np.ndarray, Any]:
        """(what the Program's logits stand for (b, t, c), cache) of windows x (b, t, a); state: as of a `Model`.

        Raises ConfigError for a dropout: nothing can be dropped inside a Program.
        """
        if dropout:
            raise ConfigError(f"quantization-aware training: dropout = {dropout!r}; expected 0: a Program drops nothing")
        builder, codes = self.codes(x, state)
        # The values that codes stand for: a state's scale may have changed since it was made.
        begun = {out: s.real(s.codes(real, builder.buffers[s.name].dtype)) for (out, s), real in zip(
            builder.states.items(), state, strict=True)} if state else {}
        real: dict[str, np.ndarray] = {}
        tape: list[_Taped] = []
        for node in builder.nodes[:-1]:  # all but the decoder
            buffer = builder.buffers[node.out]
            q = codes(node.out)
            real[node.out] = buffer.dequantize(q).astype(np.float32)
            if node.kind != "input":
                held = {STATE: begun[node.out]} if node.out in begun else {}
                rounded = replace(node, params={**node.params, **_float32(builder.realized.get(node.out, {})), **held})
                y, pull = LAYERS[node.kind].vjp(rounded, [real[name] for name in node.inputs])
                tape.append((node, pull, _passes(buffer, q, real[node.out], y)))
        logits = builder.nodes[-2]
        return real[logits.out], (tape, real[logits.inputs[0]])

    @staticmethod
    def features(cache: Any) -> np.ndarray:
        """(b, t, d) what the codes stand for that the last layer reads, of `forward`'s cache."""
        found: np.ndarray = cache[1]
        return found

    def backward(self, dy: np.ndarray, cache: Any, dfeatures: np.ndarray | None = None) -> Params:
        """Gradients of the parameters by name, straight through all rounding (the decoder's come from its loss);
        dfeatures: a loss's of `features`."""
        tape: list[_Taped] = cache[0]
        logits = tape[-1][0]
        first, grads = self.nodes[0].out, {logits.out: dy}
        if dfeatures is not None:
            grads[logits.inputs[0]] = dfeatures
        of_params: Params = {}
        for node, pull, passes in reversed(tape):
            g = grads.pop(node.out)
            of_inputs, own = pull(g if passes is None else g * passes)
            of_params |= {_name(self.nodes, node, p): v for p, v in own.items()}
            for name, part in zip(node.inputs, of_inputs, strict=True):
                if name != first:
                    grads[name] = grads[name] + part if name in grads else part
        return of_params

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(b,) room at the last step of each window x (b, t, a), by the Program in C."""
        program = self.program()
        found = run.Session(program, "c").run_windows(program.buffers[program.input].quantize(x))
        return found[:, -1, 0].astype(np.int64)

    def labels(self, w: Windows) -> np.ndarray:
        """(w,) room of the row that each window is about, by the Program in C as firmware runs it."""
        return run.labels(self.program(), w)


def _runner(builder: GraphBuilder) -> Callable[..., Callable[[str], np.ndarray]]:
    """What takes windows x (b, t, a), and the real values of the states that they begin with, to the codes of any buffer."""
    steps, first = Steps(builder.buffers, builder.steps, builder.data), builder.buffers[builder.nodes[0].out]

    def run_from(x: np.ndarray, state: Sequence[np.ndarray] = ()) -> Callable[[str], np.ndarray]:
        begun = {s.name: s.codes(real, builder.buffers[s.name].dtype) for s, real in zip(
            builder.states.values(), state, strict=True)} if state else None
        return steps.run_windows(first.quantize(x), begun)

    return run_from


def _name(nodes: Sequence[Node], node: Node, param: str) -> str:
    return f"{'crf' if node.out == nodes[-1].out else node.out}.{param}"


def _float32(params: Mapping[str, np.ndarray]) -> Params:
    return {k: v.astype(np.float32) for k, v in params.items()}


def _passes(buffer: Buffer, q: np.ndarray, real: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Where codes q pass gradients: not at an end of the range that the float value y is beyond."""
    ends = np.iinfo(buffer.dtype)
    low, high = q == ends.min, q == ends.max
    if not (low.any() or high.any()):
        return None
    return ~((low & (y < real)) | (high & (y > real)))


def fit(model: FloatModel, dataset: Dataset, recipe: Recipe | None = None, *, method: str = "auto", decay: str = "auto",
        teachers: Sequence[Model] = (), distillation: Distillation | None = None, checkpoint: str | Path | None = None,
        progress: Progress | None = None, until: int | None = None, missing: str = MISSING[0], weights: str = "int8"
        ) -> Program:
    """The Program of a float model, trained on as integers on the data set that the model was trained on.

    recipe: `RECIPE` by default, balanced as the model's own was; method, decay, weights: how the start is quantized, as for
    `tinyloc.quantize.quantize`.
    teachers, distillation: as for `tinyloc.train.fit`; without teachers it is the float model itself, as in `ITSELF` unless
    `distillation` says otherwise (alpha 1: by the labels alone).
    checkpoint, progress, Ctrl-C: as for `tinyloc.train.train`.
    It is that of the epoch whose labels, the Program's, had the best macro-F1 on validation; or, on training and validation
    rows together, that of the epoch `until`: by default the recipe's last, for a model that has seen the validation rows
    (`train.fit`'s `refit`) and cannot be judged by them.  `info["qat"]` has recipe, score, epochs, the best of them, whether
    Ctrl-C ended it, teachers and distillation.
    missing: of access points that the model hears, or a teacher, and the data lack (`Samples.select`).
    Raises DataError when the data set lacks access points that may not be missing, or has a room that the model lacks.
    """
    recipe, info = recipe or as_begun(RECIPE, model.info), model.info
    calibration = calibration_of(model, dataset, missing)
    dataset = dataset.with_rooms(info.get("rooms", dataset.rooms))
    lacking = [k for k in ("scaler", "aps", "window") if k not in info]
    if lacking:
        raise DataError(f"the model does not say its {lacking[0]}; expected a model that `tinyloc.train.fit` made")
    if info.get("converted", {}).get("steps", info["window"]) != info["window"]:
        raise ConfigError("quantization-aware training learns from a room at every step of a window; this graph answers for "
                          "the last one alone")
    distillation = distillation or (None if teachers else ITSELF)
    teachers = teachers or (cast(Model, model),)  # all that teachers are asked is what it believes
    wide = heard_by(dataset, (info["aps"], *(t.info.get("aps", ()) for t in teachers)), missing)
    if until is None and info.get("refit"):
        until = recipe.epochs
    known = until is not None
    rows = wide.known if known else wide.train
    asked = Teachers(teachers, wide, int(info["window"]), int(info.get("delay", 0)), distillation, rows)
    training, taught, changing = prepare(info, rows, asked)
    graph = QuantizedGraph.of(model, calibration, method, decay, stretches_of(model, dataset, missing), weights)
    base = graph.info
    trained = train(graph, training, None if known else last_rows(info, wide.val), recipe, checkpoint=checkpoint,
                    progress=progress, taught=taught, changing=changing, until=until)
    names = ("recipe", "epochs", "interrupted", *(() if known else ("validation_macro_f1", "best_epoch")))
    how = {k: trained.info[k] for k in names}
    seen = {"refit": True} if known else {}
    return replace(trained, info={**base, **seen, "qat": how | asked.info}).program()
