"""What notebooks show: tables that hold the figures, well-formed, whatever is in the names."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from tinyloc.convert.graph import GraphConfig, GraphModel
from tinyloc.kernels.op import Node
from tinyloc.model import Model, preset
from tinyloc.quantize import quantize
from tinyloc.verify import audit


def cells(html: str) -> list[list[str]]:
    """Caption, then the rows."""
    root = ElementTree.fromstring(html.replace("scope=col", 'scope="col"').replace("scope=row", 'scope="row"'))
    return [["".join(root[0].itertext())], *(["".join(c.itertext()) for c in row] for row in root.iter("tr"))]


@pytest.mark.parametrize("name, weights, said", [
    ("mamba-h4l1", "int8", ""), ("mdcsa-h4l1", "int8", ""), ("mamba-h4l1", "int4", ""),  # no layer is large enough
    ("mamba-h16l1", "int4", "int4 weights in 5 linear layers, ")])
def test_tables_hold_the_figures(name: str, weights: str, said: str) -> None:
    model = Model.create(preset(name, 3, 2))
    model.info = {"name": "<b>&\"", "dataset": "a house", "simulated": True, "rooms": ["a", "b"], "validation_macro_f1": 0.5,
                  "test": {"macro_f1": 0.25}}
    shown = cells(model._repr_html_())
    assert shown[0] == ['float model <b>&", a house (SIMULATED)'] and ["macro-F1 on test", "0.250"] in shown
    assert ["parameters", f"{model.parameters:,}"] in shown and ["d", str(model.config.d)] in shown
    program = quantize(model, np.random.default_rng(0).random((8, 6, 3), np.float32), "minmax", weights=weights)
    found = audit(program)
    for html in (program._repr_html_(), found._repr_html_()):
        shown = cells(html)
        ways = [found.window, *([found.stream] if found.stream else [])]
        assert ["RAM, image in flash", *(f"{m.ram:,}" for m in ways)] in shown
        assert ["all in RAM", *(f"{m.total:,}" for m in ways)] in shown
    caption = cells(program._repr_html_())[0][0]
    assert caption == f'int8 Program of <b>&", {said}{len(program.steps)} steps, 2 rooms, a house (SIMULATED)'


def test_graphs_have_one_too() -> None:
    dense = Node("linear", "logits", ("x",), {"weight": np.ones((2, 3), np.float32)}, {"wide": True})
    nodes = [Node("input", "x", ()), dense, Node("argmax", "label", ("logits",))]
    shown = cells(GraphModel(GraphConfig(3, 2, 4), nodes)._repr_html_())
    assert shown[0] == ["float model graph"] and ["parameters", "6"] in shown and ["window", "4"] in shown
