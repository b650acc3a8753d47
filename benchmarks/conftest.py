"""The table that the op benchmarks end with."""

from __future__ import annotations

from typing import Any

import pytest

NAMES = {"jit": "Numba", "c": "C"}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line an op: medians per element written, call included."""
    rows: dict[str, dict[str, Any]] = {}
    for b in getattr(getattr(config, "_benchmarksession", None), "benchmarks", []):
        if b.stats.rounds and "backend" in b.extra_info:
            rows.setdefault(b.extra_info["op"], {})[b.extra_info["backend"]] = b
    if not rows:
        return
    terminalreporter.section("median ns per element written, call included")
    terminalreporter.line(f"{'op':20} {'elements':>8} {'Numba':>9} {'C':>9} {'C/Numba':>8}  case")
    for name, row in rows.items():
        one = next(iter(row.values()))
        n = one.extra_info["elements"]
        ns = {k: b.stats.median * 1e9 / n for k, b in row.items()}
        both = f"{ns['c'] / ns['jit']:8.2f}" if len(ns) == 2 else f"{'':8}"
        cells = " ".join(f"{ns[k]:9.2f}" if k in ns else f"{'':9}" for k in NAMES)
        terminalreporter.line(f"{name:20} {n:8} {cells} {both}  {one.extra_info['sizes']}")
