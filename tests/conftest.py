"""Options and fixtures that every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

# `python -m pytest` puts the checkout first on sys.path; the tests are about the installed package.
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]

if "TINYLOC_DATA" not in os.environ and (ROOT.parent / "shared" / "data").is_dir():
    os.environ["TINYLOC_DATA"] = str(ROOT.parent / "shared" / "data")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--level", type=int, default=1, help="1: fast (default); 2: deep")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--level") >= 2:
        return
    skip = pytest.mark.skip(reason="deep test: run with --level 2")
    for item in items:
        if "level2" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def level(request: pytest.FixtureRequest) -> int:
    """Depth of the run: 1 fast, 2 deep."""
    return int(request.config.getoption("--level"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, which all of its workers have."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def sanitized_objects(shared: Path) -> Path:
    """For `vectors.objects`: the C under sanitizers, which several harnesses are linked with."""
    return shared / "sanitized"


@pytest.fixture(scope="module")
def kernels() -> Callable[..., Any]:
    """`tinyloc.emulator.cortexm.Kernels` by core, compiler and optimization, built once."""
    from tinyloc.emulator.cortexm import Kernels

    made: dict[tuple[str, ...], Kernels] = {}

    def get(*key: str) -> Kernels:
        if key not in made:
            made[key] = Kernels(*key)
        return made[key]

    return get


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory, level: int) -> Path:
    """Every op's cases with Numba's results, for tests/vectors.c."""
    import vectors

    from tinyloc.kernels.table import OPS

    path = tmp_path_factory.mktemp("vectors") / "vectors.bin"
    assert vectors.write(path, level) >= 3 * len(OPS)
    return path
