"""`GraphModel`: a float model that is a graph of nodes and nothing else, of any composition of the layers that there are.

It is quantized, trained on (`tinyloc.qat`), verified and exported as a `Model` is; it is not trained in float, as its source
has done that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.data import Windows
from tinyloc.errors import ConfigError, ModelError
from tinyloc.kernels.op import Node
from tinyloc.model import Model

FORMAT, VERSION = "tinyloc-graph", 1


@dataclass(frozen=True)
class GraphConfig:
    """aps, classes: access points in, rooms out; window: rows of a window, which are part of the graph."""

    aps: int
    classes: int
    window: int
    family: str = "graph"
    tied: bool = False

    def __post_init__(self) -> None:
        for name in ("aps", "classes", "window"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 4096:
                raise ConfigError(f"{name}: expected a whole number from 1 to 4096, got {value!r}")


@dataclass
class GraphModel:
    """Nodes in order: the first is the input, the last two are "logits", a linear layer, and "label", the greatest of them.

    info: as of a `Model`.
    """

    config: GraphConfig
    nodes: Sequence[Node]
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.size for n in self.nodes for p in n.params.values())

    def _repr_html_(self) -> str:
        from tinyloc.display import of_model

        c = self.config
        return of_model(c.family, {"aps": c.aps, "classes": c.classes, "window": c.window, "nodes": len(self.nodes)},
                        self.parameters, self.info)

    @property
    def params(self) -> dict[str, np.ndarray]:
        """Scores of a CRF in which no transition is likelier than another: rooms are decided one by one."""
        c = self.config.classes
        return {"crf.transitions": np.zeros((c, c), np.float32), "crf.start": np.zeros(c, np.float32),
                "crf.end": np.zeros(c, np.float32)}

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """(emissions (b, t, c), cache) of x (b, window, a); t is 1 where the graph answers for the last row alone."""
        from tinyloc.kernels.table import LAYERS

        values: dict[str, np.ndarray] = {}
        for node in self.nodes[:-1]:
            values[node.out] = x if node.kind == "input" else (
                LAYERS[node.kind].forward(node, [values[n] for n in node.inputs]))
        return values["logits"], values

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(b,) room at the last step of each window x (b, window, a)."""
        return self.forward(x)[0][:, -1].argmax(-1)

    def labels(self, w: Windows) -> np.ndarray:
        """(w,) room of the row that each window is about."""
        return self.predict(w.x)

    def graph(self, t: int) -> list[Node]:
        """The nodes.  Raises ModelError for windows of another length."""
        from tinyloc.kernels.table import asked

        if t != self.config.window:
            raise ModelError(f"the graph was read for windows of {self.config.window} rows, not {t}; read it anew (convert "
                             f"--window {t})")
        return asked(self.nodes)

    def save(self, path: str | Path) -> None:
        """Writes parameters (safetensors) with nodes, configuration and info as JSON in the metadata, as `Model.save`."""
        from tinyloc.files import write_safetensors

        arrays = {f"{n.out}/{k}": v for n in self.nodes for k, v in n.params.items()}
        nodes = [[n.kind, n.out, list(n.inputs), list(n.params), n.attrs] for n in self.nodes]
        meta = {"format": FORMAT, "version": str(VERSION), "config": json.dumps(asdict(self.config)),
                "nodes": json.dumps(nodes), "info": json.dumps(self.info)}
        write_safetensors(path, arrays, meta)

    @staticmethod
    def load(path: str | Path) -> GraphModel:
        """Reads what `save` wrote.  Raises ModelError naming the file and what is not as expected."""
        from tinyloc.files import read_safetensors
        from tinyloc.kernels.table import LAYERS

        arrays, meta = read_safetensors(path, FORMAT, VERSION)
        try:
            nodes = [Node(kind, out, tuple(inputs), {k: arrays[f"{out}/{k}"] for k in names}, dict(attrs))
                     for kind, out, inputs, names, attrs in json.loads(meta["nodes"])]
            model = GraphModel(GraphConfig(**json.loads(meta["config"])), nodes, json.loads(meta["info"]))
            if not isinstance(model.info, dict):
                raise TypeError(f"info is {type(model.info).__name__}, expected names with values")
            made: set[str] = set()
            for n in nodes:
                if n.kind != "input" and n.kind not in LAYERS:
                    raise ModelError(f"node {n.out!r}: this version has no layer {n.kind!r}")
                if unmade := sorted(set(n.inputs) - made):
                    raise ModelError(f"node {n.out!r} reads {unmade[0]!r}, which no node before it makes")
                for k, v in n.params.items():
                    if v.dtype.kind != "f" or not np.isfinite(v).all():
                        raise ModelError(f"node {n.out!r}: {k}: expected finite floating-point numbers")
                made.add(n.out)
            if [n.out for n in nodes[-2:]] != ["logits", "label"] or nodes[0].kind != "input":
                raise ModelError("expected an input first, and logits and label last")
            model._check()
        except ModelError as e:
            raise ModelError(f"{path}: {e}") from None
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError) as e:
            raise ModelError(f"{path}: damaged graph ({type(e).__name__}: {e})") from None
        return model

    def _check(self) -> None:
        """Raises ModelError unless the shapes of all nodes go together, which one window tells."""
        c = self.config
        try:
            with np.errstate(all="ignore"):
                found = self.forward(np.zeros((1, c.window, c.aps), np.float32))[0].shape
        except Exception as e:  # whatever a layer makes of shapes and attributes that are none of its own
            raise ModelError(f"the graph cannot be computed ({type(e).__name__}: {e})") from None
        if len(found) != 3 or found[2] != c.classes:
            raise ModelError(f"logits of shape {found}; expected {c.classes} rooms in the last dimension")


def load_model(path: str | Path) -> Model | GraphModel:
    """The float model of a file, of either kind."""
    from tinyloc.files import format_of

    return GraphModel.load(path) if format_of(path) == FORMAT else Model.load(path)
