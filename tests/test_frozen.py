"""Frozen vectors: the kernels still give these bits, and each vector catches the mistakes that it names."""

from __future__ import annotations

import json
from typing import Any

import make_frozen
import pytest

from tinyloc.kernels.table import OPS

VECTORS = [pytest.param(name, i, id=f"{name}-{i}") for name in OPS for i in range(len(make_frozen.load(name)))]


def test_every_op_has_vectors_and_every_file_an_op() -> None:
    assert {p.stem for p in make_frozen.HERE.glob("*.json")} == set(OPS)
    for name in OPS:
        assert make_frozen.load(name), f"{name}: run python tests/make_frozen.py"
    assert sum(p.stat().st_size for p in make_frozen.HERE.iterdir()) < 200_000


def test_every_mistake_is_caught_somewhere() -> None:
    """Of the mistakes in a function, at least one op's; of those in an argument, that op's own."""
    caught = {name: {text for v in make_frozen.load(name) for text in v["catches"]} for name in OPS}
    assert set(make_frozen.WRONG) <= set().union(*caught.values())
    for name, op in OPS.items():
        missing = set(make_frozen.mistakes(op)) - set(make_frozen.WRONG) - caught[name]
        assert not missing, f"{name}: no vector catches: {', '.join(sorted(missing))}"


@pytest.mark.parametrize(("name", "i"), VECTORS)
@pytest.mark.parametrize("backend", ["jit", "c"])
def test_kernels_reproduce_it(name: str, i: int, backend: str) -> None:
    op, vector = OPS[name], make_frozen.load(name)[i]
    args = op.prepare(make_frozen.args_of(op, vector))
    getattr(op, backend)(*args)
    got = make_frozen.result_of(op, [a.tolist() for a in op.written(args)])
    assert got == vector["result"], f"tests/frozen/{name}.json, vector {i}: caught one of {vector['catches']}?"


@pytest.mark.parametrize(("name", "i"), VECTORS)
def test_it_catches_what_it_says(name: str, i: int) -> None:
    op, vector = OPS[name], make_frozen.load(name)[i]
    args, wrong = make_frozen.args_of(op, vector), make_frozen.mistakes(op)
    assert make_frozen.result_of(op, make_frozen.right(op, args)) == vector["result"]
    for text in vector["catches"]:
        result: Any = wrong[text](args)
        assert result is None or make_frozen.result_of(op, result) != vector["result"], f"does not catch: {text}"


@pytest.mark.parametrize("name", OPS)
def test_files_are_as_the_script_writes_them(name: str) -> None:
    text = (make_frozen.HERE / f"{name}.json").read_text()
    assert make_frozen.render(name, json.loads(text)["vectors"]) == text
