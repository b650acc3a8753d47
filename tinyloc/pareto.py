"""The Pareto front: which points are on it, and a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PICTURES = (".png", ".svg", ".pdf")
MARKERS = {("mamba", "int8"): "o", ("mdcsa", "int8"): "s", ("mamba", "int4"): "^", ("mdcsa", "int4"): "D"}


def non_dominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other one is better than: as small in every coordinate, smaller in one.

    Of equal points the first one counts.
    """
    p = np.asarray(points, float)
    kept = []
    for i, x in enumerate(p):
        no_worse = (p <= x).all(1)
        if not (no_worse & (p < x).any(1)).any() and not no_worse[:i].any():
            kept.append(i)
    return kept


def _spread(values: np.ndarray) -> tuple[float, float]:
    """Ends that are a factor of four apart about values that lie closer together, where ticks of a logarithmic axis would be
    many and their labels alike; their own ends otherwise."""
    low, high = float(values.min()), float(values.max())
    middle = (low * high) ** 0.5
    return (low, high) if high >= 4 * low else (middle / 2, middle * 2)


def draw(facts: Mapping[str, Any], everything: Sequence[tuple[float, int, int]], kind: str) -> bytes:
    """A picture of the front, png, svg or pdf: macro-F1 over bytes and over instructions, each colored by the other.

    everything: (macro-F1, bytes, instructions) of all trials that were not stopped; those behind the front are gray.
    Colors are viridis's, in which brightness orders, for every kind of sight; families and their weights differ by markers.
    """
    import matplotlib
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    unit, over = facts["cost"]["unit"], facts["budget"]["counts"] == "total"
    names = ("bytes, all in RAM" if over else "bytes of RAM, image in flash", f"{unit} an answer")
    front = facts["front"]
    costs = np.array([(p["bytes"], p["instructions"] or p["macs"]) for p in front], float)
    score = np.array([p["validation"]["macro_f1"] for p in front])
    cloud = np.array(everything, float).reshape(-1, 3)
    with matplotlib.rc_context({"svg.hashsalt": "tinyloc", "font.size": 9}):
        figure = Figure(figsize=(11, 5.2))
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.1, top=0.95, wspace=0.05)
        for i, axes in enumerate(figure.subplots(1, 2, sharey=True)):
            axes.scatter(cloud[:, i + 1], cloud[:, 0], s=9, color="0.8", label="other trials", zorder=1)
            order = np.lexsort((-score, costs[:, i]))
            best = np.maximum.accumulate(score[order])
            axes.step(costs[order, i], best, where="post", color="0.45", linewidth=1, zorder=2)
            other = costs[:, 1 - i]
            norm = LogNorm(*_spread(other))
            for (family, weights), marker in MARKERS.items():
                mine = np.array([(p["config"]["family"], p["weights"]) == (family, weights) for p in front])
                if mine.any():
                    label = family + f", {weights} weights" * (weights != "int8")
                    shown = axes.scatter(costs[mine, i], score[mine], c=other[mine], cmap="viridis", marker=marker, s=42,
                                         edgecolors="black", linewidths=0.6, label=label, zorder=3, norm=norm)
            axes.set_xscale("log")
            here = np.concatenate([costs[:, i], cloud[:, i + 1]])
            if (ends := _spread(here)) != (here.min(), here.max()):
                axes.set_xlim(*ends)
            # Above its own plot, as wide as that: beside it, its label would be taken for that of the next plot's axis.
            bar = figure.colorbar(shown, ax=axes, location="top", label=f"color: {names[1 - i]}", pad=0.02, aspect=40)
            for axis in (axes.xaxis, bar.ax.xaxis):
                axis.set_major_locator(LogLocator(10, (1, 2, 5)))
                axis.set_major_formatter(EngFormatter(sep=""))
                axis.set_minor_formatter(NullFormatter())
            axes.set_xlabel(names[i])
            axes.grid(alpha=0.3)
        first = figure.axes[0]
        first.set_ylabel("macro-F1 of the Program, validation")
        for handle in filter(None, first.legend(loc="lower right").legend_handles[1:]):
            handle.set(array=None, facecolor="white")  # a color is a cost: here it would be that of some point
        figure.suptitle(f"{facts['data']}{' (SIMULATED)' if facts['simulated'] else ''}: Pareto front of "
                        f"{facts['trials']['finished']} trials, {facts['budget']['name']}")
        stream = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
    return stream.getvalue()
