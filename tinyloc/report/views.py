"""From a section's facts to what its block of the page draws: numbers and texts alone, in the units of its picture.

Pictures are SVG in user units, y downwards.  No markup is made here: the templates escape whatever is in the facts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from tinyloc.display import four_bits

Facts = dict[str, Any]

WIDTH = 720.0  # of a picture
GLYPH = 6.8  # width of a letter of 11 units, nearly
BINS = 5  # shades of a score or a share
TABULAR = 16  # rooms up to which a confusion matrix is a table
LISTED = 20  # confusions in a list
KINDS = (("input", "input"), ("output", "output"), ("activation", "activations"), ("scratch", "scratch"), ("state", "state"))
PARTS = (("weights", "weights"), ("tables", "tables"), ("records", "steps and header"), ("state", "state"),
         ("activations", "activations"), ("model", "runner's variables"))
MARKS = ("circle", "square", "triangle", "diamond", "down", "plus")


def ticks(top: float, about: int = 5) -> list[float]:
    """Round numbers from 0 to at most `top`, 1, 2 or 5 times a power of ten apart, about so many."""
    if top <= 0:
        return [0.0]
    raw = top / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [i * step for i in range(int(top / step * 1.0001) + 1)]


def shade(share: float, bins: int = BINS) -> int:
    """The bin, from 0, of a share."""
    return min(bins - 1, max(0, int(share * bins)))


def fitting(text: str, width: float, glyph: float = GLYPH) -> str:
    """The text, cut short where it is wider than so many units; "" where nothing of it would be left to read."""
    most = int(width / glyph)
    if len(text) <= most:
        return text
    return text[: most - 1] + "…" if most >= 5 else ""


def precision(origin: Facts) -> str:
    """What a model's integers are, by its section `origin`: int8, and in how many layers weights of four bits."""
    return ", ".join(filter(None, ["int8", four_bits(origin["settings"].get("four_bits", []))]))


# ---- the verdict, of all models ----

def judged(m: Facts, document: Facts) -> Facts:
    """What a model's line of the verdict says."""
    s, target = m["sections"], document["target"]
    parts, exact = s["fit"]["parts"], s["exactness"]
    # Where firmware was linked, those parts count for which none can be had do not: their needs lack code and stack.
    pool = [p for p in parts if p["linked"]] or parts
    fitting_parts = [p for p in pool if p["fits"]]
    part = s["fit"]["budget"] or (parts[0] if target["mcu"] else None)
    smallest = min(fitting_parts, key=lambda p: (p["ram"], p["flash"] or math.inf), default=None)
    needs = s["fit"]["needs"]
    run = [b for b in exact["backends"] if b["equal"] is not None]
    cost = s["instructions"]
    return {"name": m["name"], "precision": precision(s["origin"]), "part": part,
            "fits": part["fits"] if part else bool(fitting_parts), "needs": needs,
            "linked": needs["linked"], "fitting": len(fitting_parts), "parts": len(pool),
            "smallest": smallest, "budgets": s["fit"]["budgets"], "all_in_ram": s["fit"]["counted"]["all_in_ram"],
            "int8": s["accuracy"]["int8"], "float": s["accuracy"]["float"], "exact": exact["equal"],
            "equal_backends": sum(b["equal"] for b in run), "run_backends": len(run),
            "windows": max((b["windows"] for b in run), default=0), "cost": None if "missing" in cost else cost,
            "streams": s["fit"]["way"] == "stream"}


def counting(document: Facts) -> str:
    """How the bytes of RAM and flash were had that the verdict tells of the models."""
    linked = {m["sections"]["fit"]["needs"]["linked"] for m in document["models"]}
    whole, bare = "linked firmware, stack included", "counted, without code and stack"
    return whole if linked == {True} else bare if linked == {False} else f"{whole}, or {bare}, where none could be linked"


def verdict(document: Facts) -> Facts:
    """Headline, and a line a model."""
    models = [judged(m, document) for m in document["models"]]
    target = document["target"]["name"]
    return {"models": models, "target": target, "counting": counting(document), "fits": all(m["fits"] for m in models),
            "exact": all(m["exact"] for m in models), "fit_count": sum(m["fits"] for m in models),
            "best": _best([m for m in models if m["fits"]]) if target else None,
            "within": [{"bytes": b["bytes"], "best": _best([m for m in models if m["all_in_ram"] <= b["bytes"]])}
                       for b in models[0]["budgets"]],
            "front": front(document)}


def _best(models: Sequence[Facts]) -> Facts | None:
    """The model that scores the most, None without any; rivals: others whose interval reaches its score."""
    if not models:
        return None
    best = max(models, key=lambda m: (m["int8"]["macro_f1"], -m["needs"]["ram"]))
    score = best["int8"]["macro_f1"]
    return {**best, "rivals": [m["name"] for m in models
                               if m is not best and m["int8"]["interval"]["macro_f1"][1] >= score]}


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def front(document: Facts) -> list[Facts]:
    """A picture a cost: macro-F1 over it, on a logarithmic axis; a staircase through the front."""
    points = document["front"]
    if not points:
        return []
    width, height, left, top, bottom = 350.0, 230.0, 44.0, 12.0, 22.0
    f1 = [p["macro_f1"] for p in points]
    pad = max(0.02, (max(f1) - min(f1)) * 0.25)
    low, high = max(0.0, min(f1) - pad), min(1.0, max(f1) + pad)
    pictures = []
    how = counting(document)
    for cost, label in (("ram", f"bytes of RAM ({how})"), ("flash", f"bytes of flash ({how})"),
                        ("all_in_ram", "bytes with everything in RAM (counted, without code and stack)"),
                        ("instructions", "instructions an answer")):
        known = [(i, p) for i, p in enumerate(points) if p[cost]]
        if not known:
            continue
        least, most = (math.log10(f(p[cost] for _, p in known)) for f in (min, max))
        margin = max(0.15, (most - least) * 0.15)
        least, most = least - margin, most + margin

        def at(value: float, score: float, ends: tuple[float, float] = (least, most)) -> tuple[float, float]:
            x = left + (math.log10(value) - ends[0]) / (ends[1] - ends[0]) * (width - left - 10)
            return x, top + (high - score) / (high - low) * (height - top - bottom)

        marks = []
        for i, p in known:
            x, y = at(p[cost], p["macro_f1"])
            marks.append({"x": x, "y": y, "mark": MARKS[i % len(MARKS)], "number": i + 1, "model": p["model"],
                          "value": p[cost], "macro_f1": p["macro_f1"], "front": p["on_front"].get(cost, False)})
        _label(marks, left, width)
        stairs: list[tuple[float, float]] = []
        for _, p in sorted(known, key=lambda k: k[1][cost]):
            if p["on_front"].get(cost):
                x, y = at(p[cost], p["macro_f1"])
                stairs += [*((x, before) for _, before in stairs[-1:]), (x, y)]
        if stairs:
            stairs.append((width - 10, stairs[-1][1]))
        grid = []
        for power in range(math.floor(least), math.ceil(most) + 1):
            grid += [(m * 10**power, at(m * 10**power, high)[0]) for m in (range(1, 10) if most - least < 0.6 else (1, 2, 5))
                     if least <= math.log10(m * 10**power) <= most]
        y_ticks = [t for t in ticks(high, max(4, int(4 * high / (high - low)))) if low <= t <= high][-8:]
        pictures.append({"cost": cost, "label": label, "width": width, "height": height, "left": left, "top": top,
                         "base": height - bottom, "marks": marks, "stairs": _path(stairs),
                         "x_ticks": [{"x": x, "value": v} for v, x in grid],
                         "y_ticks": [{"y": at(known[0][1][cost], t)[1], "value": t} for t in y_ticks]})
    return pictures


def _label(marks: Sequence[Facts], left: float, width: float) -> None:
    """Gives each mark a label that lies on no other one: its model's name, else its number, else none; the front's first."""
    taken = [(m["x"] - 7, m["y"] - 7, m["x"] + 7, m["y"] + 7) for m in marks]
    for m in sorted(marks, key=lambda m: not m["front"]):
        m |= {"label": "", "dx": 0.0, "dy": 0.0, "end": False}
        for text in (m["model"], str(m["number"])):
            wide = GLYPH * len(text)
            for end, dy in ((False, -7.0), (True, -7.0), (False, 14.0), (True, 14.0)):
                x = m["x"] + (-9 - wide if end else 9)
                box = (x, m["y"] + dy - 10, x + wide, m["y"] + dy + 3)
                if not m["label"] and left <= x and x + wide <= width and not any(
                        box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken):
                    m |= {"label": text, "dx": -9.0 if end else 9.0, "dy": dy, "end": end}
                    taken.append(box)


# ---- sections ----

def fit(facts: Facts, model: Facts, document: Facts) -> Facts:
    """Rows of parts, first what other firmware leaves of that in question; shares of RAM and flash that are taken, at most
    1."""
    rows: list[Facts] = []
    left = facts["budget"] if document["target"]["mcu"] else None
    for p in [*([{**facts["parts"][0], **left}] if left else []), *facts["parts"]]:
        shares = {k: None if not p[k] else p["needs"][k] / p[k] for k in ("ram", "flash")}
        rows.append({**p, "share": shares, "bar": {k: None if v is None else min(1.0, v) for k, v in shares.items()},
                     "left": not rows and left is not None, "chosen": not rows and bool(document["target"]["mcu"])})
    return {**facts, "rows": rows, "counted_rows": sum(not p["linked"] for p in facts["parts"]),
            "fitting": sum(p["fits"] for p in facts["parts"]), "linked_rows": list(facts["linked"].values())}


def _arena(way: Facts, budgets: Sequence[tuple[str, int]]) -> Facts:
    """The arena's picture: x is steps, y is bytes from its start upwards."""
    left, right, top, plot = 52.0, 10.0, 26.0, 280.0
    steps, arena = way["steps"], max(1, way["arena"])
    n = max(len(steps), 1 + max((b["last"] for b in way["bars"]), default=0))
    width = max(WIDTH, left + right + 9.0 * n)  # a long run gets a longer picture, which scrolls
    step = (width - left - right) / n
    near = [(name, size) for name, size in budgets if arena < size <= 1.6 * arena or size <= arena]
    scale = plot / (max([arena, *(size for _, size in near)]) * 1.04)
    base = top + plot

    def y(value: float) -> float:
        return base - value * scale

    bars = []
    for b in way["bars"]:
        high, wide = b["bytes"] * scale, step * (b["last"] - b["first"] + 1)
        name = b["buffer"] + (f" = {', '.join(b['also'])}" if b["also"] else "")
        bars.append({**b, "x": left + step * b["first"], "y": y(b["offset"] + b["bytes"]), "w": wide, "h": high,
                     "label": fitting(name, wide - 6) if high >= 11 else "", "name": name})
    state = way["arena"] - way["peak"]
    every = max(1, math.ceil(11.0 / step))
    named = step >= 11 and n <= 60
    longest = max((len(s["op"]) for s in steps), default=0)
    below = longest * GLYPH + 16 if named else 34.0
    marks = [{"x": left + step * (i + 0.5), "text": s["op"] if named else str(i)} for i, s in enumerate(steps)
             if i % every == 0]
    return {"width": width, "height": base + below, "left": left, "right": width - right, "base": base, "bars": bars,
            "state": {"x": left, "y": y(way["arena"]), "w": width - left - right, "h": state * scale,
                      "label": "state, kept from run to run" if state * scale >= 11 else ""} if state else None,
            "state_bytes": state, "marks": marks, "named": named,
            "ticks": [{"y": y(t), "value": int(t)} for t in ticks(max([arena, *(size for _, size in near)]))],
            "peak": {"y": y(way["peak"]), "x": left + step * (way["peak_step"] + 0.5)},
            "lines": [{"y": y(size), "name": name, "bytes": size} for name, size in near],
            "far": [{"name": name, "times": size / arena} for name, size in budgets if size > 1.6 * arena],
            "kinds": [{"kind": k, "label": label} for k, label in KINDS
                      if any(b["kind"] == k for b in way["bars"]) or (k == "state" and state)]}


def _kinds(counted: Facts) -> Facts:
    """One bar of all bytes by kind; those of RAM last, so that they lie together."""
    total = max(1, counted["total"])
    x, segments = 0.0, []
    for key, label in PARTS:
        w = counted[key] / total * WIDTH
        segments.append({"key": key, "label": label, "bytes": counted[key], "x": x, "w": w, "share": counted[key] / total,
                         "text": fitting(label, w - 8), "ram": key in ("state", "activations", "model")})
        x += w
    return {"segments": segments, "total": total}


def memory(facts: Facts, model: Facts, document: Facts) -> Facts:
    """A picture of the arena for each way, and one of bytes by kind."""
    target = document["target"]
    if target["ram"] is not None:
        budgets = [(target["mcu"] or "the budget", target["ram"])]
    else:
        budgets = [(f"{b['bytes'] // 1024} KB", b["bytes"]) for b in model["sections"]["fit"]["budgets"]]
    return {"precision": precision(model["sections"]["origin"]),
            "ways": [{**way, "picture": _arena(way, budgets), "by_kind": _kinds(way["bytes"]),
                      "stretches": [{"bar": b, "ops": _span(way["steps"], b)} for b in way["bars"]]}
                     for way in facts["ways"]]}


def _span(steps: Sequence[Facts], bar: Facts) -> str:
    first, last = (min(bar[k], len(steps) - 1) for k in ("first", "last"))
    return steps[first]["op"] if first == last else f"{steps[first]['op']} … {steps[last]['op']}"


def instructions(facts: Facts, model: Facts, document: Facts) -> Facts:
    """Rows with their share of all; the greatest share fills its bar."""
    total = max(1, facts["total"]["instructions"])
    most = max((c["instructions"] for c in facts["by_op"].values()), default=1) or 1
    rows = [{**c, "share": c["instructions"] / total, "bar": max(0.0, c["instructions"] / most)}
            for c in facts["by_op"].values()]
    return {**facts, "rows": rows}


def accuracy(facts: Facts, model: Facts, document: Facts) -> Facts:
    """A row a room, the floor plan, and who is taken for whom."""
    rooms, matrix = facts["rooms"], facts["confusion"]
    number = {room: i for i, room in enumerate(rooms)}
    rows, pairs = [], []
    for i, room in enumerate(rooms):
        counts = matrix[i]
        total = sum(counts)
        others = sorted(((n, j) for j, n in enumerate(counts) if j != i and n), key=lambda o: (-o[0], o[1]))
        rows.append({"room": room, "rows": total, "int8": facts["int8"]["f1"].get(room),
                     "float": facts["float"]["f1"].get(room) if facts["float"] else None,
                     "taken_for": [{"room": rooms[j], "rows": n} for n, j in others[:1]],
                     "cells": [{"rows": n, "shade": shade(n / total) if n else None, "own": i == j}
                               for j, n in enumerate(counts)]})
        pairs += [{"room": room, "said": rooms[j], "rows": n, "share": n / total} for n, j in others]
    pairs.sort(key=lambda p: (-p["rows"], number[p["room"]], number[p["said"]]))
    return {**facts, "precision": precision(model["sections"]["origin"]), "table": rows, "pairs": pairs[:LISTED],
            "more_pairs": max(0, len(pairs) - LISTED), "plans": _plans(facts),
            "matrix": _matrix(rows) if len(rooms) > TABULAR else None, "tabular": len(rooms) <= TABULAR,
            "unlisted": [r for r in rooms if r not in facts["areas"]]}


def _plans(facts: Facts) -> list[Facts]:
    """A picture a floor; rooms' F1 by shade and in words."""
    f1, count = facts["int8"]["f1"], {room: sum(row) for room, row in zip(facts["rooms"], facts["confusion"], strict=False)}
    areas = {room: a for room, a in facts["areas"].items() if room in count and a["x1"] > a["x0"] and a["y1"] > a["y0"]}
    floors = sorted({a["floor"] for a in areas.values()})
    if not floors:
        return []
    boxes = {}
    for floor in floors:
        own = [a for a in areas.values() if a["floor"] == floor]
        low, high = ([f(a[k] for a in own) for k in ends] for f, ends in ((min, ("x0", "y0")), (max, ("x1", "y1"))))
        boxes[floor] = (*low, *high)
    wide = max(x1 - x0 for x0, _, x1, _ in boxes.values())
    across = 560.0 if len(floors) == 1 else 220.0
    scale = min(across / wide, 420.0 / max(y1 - y0 for _, y0, _, y1 in boxes.values()))
    pictures = []
    for floor in floors:
        x0, y0, x1, y1 = boxes[floor]
        rooms = []
        for room, a in areas.items():
            if a["floor"] != floor:
                continue
            w, h, score = (a["x1"] - a["x0"]) * scale, (a["y1"] - a["y0"]) * scale, f1.get(room)
            rooms.append({"room": room, "x": (a["x0"] - x0) * scale, "y": (y1 - a["y1"]) * scale, "w": w, "h": h,
                          "f1": score, "rows": count[room], "shade": None if score is None else shade(score),
                          "name": fitting(room, w - 6) if h >= 40 else "", "small": h < 52})
        meters = next(m for m in (1, 2, 5, 10, 20, 50, 100, 200, 500) if m * scale >= 40 or m == 500)
        pictures.append({"floor": floor, "width": (x1 - x0) * scale, "height": (y1 - y0) * scale, "rooms": rooms,
                         "meters": meters, "meter": meters * scale})
    return pictures


def _matrix(rows: Sequence[Facts]) -> Facts:
    """The confusion matrix of many rooms as small squares; empty ones are left out."""
    side = max(4.0, min(14.0, (WIDTH - 20) / len(rows)))
    cells = [{"x": 16 + side * j, "y": 16 + side * i, "shade": c["shade"], "own": c["own"]}
             for i, row in enumerate(rows) for j, c in enumerate(row["cells"]) if c["rows"]]
    return {"side": side, "size": 16 + side * len(rows) + 2, "cells": cells}


def layers(facts: Facts, model: Facts, document: Facts) -> Facts:
    """A small histogram a tensor: each bin's share of the values, in a box of 120 x 30."""
    edges, rows = facts["edges"], []
    names = _bins(edges)
    for t in facts["tensors"]:
        total = max(1, sum(t["histogram"]))
        bins = len(t["histogram"])
        wide = 120 / bins
        bars = [{"x": i * wide, "w": wide - 1, "h": 28 * n / total, "middle": 2 * i + 1 == bins} for i, n in
                enumerate(t["histogram"])]
        rows.append({**t, "bars": bars, "shares": [n / total for n in t["histogram"]],
                     "within": t["histogram"][bins // 2] / total, "worst": False})
    judged = [r for r in rows if r["sqnr_db"] is not None]
    if judged:
        min(judged, key=lambda r: r["sqnr_db"])["worst"] = True
    return {**facts, "precision": precision(model["sections"]["origin"]), "rows": rows, "bins": names}


def _bins(edges: Sequence[float]) -> list[str]:
    """Names of the histogram's bins: whole units of the last place, once rounded."""
    def whole(low: float, high: float) -> str:
        a, b = math.ceil(low), math.floor(high)
        return f"{a:+d}" if a == b and a else str(a) if a == b else f"{a:+d} to {b:+d}"

    inner = [whole(a, b) for a, b in itertools.pairwise(edges)]
    return [f"below {math.ceil(edges[0]):+d}", *inner, f"above {math.floor(edges[-1]):+d}"]


WHAT = {"numba": "Python, compiled by Numba: the reference", "c": "freestanding C99 in the planned arena, on this machine",
        "arena": "inside the planned arena, with every byte that is not live poisoned"}


def exactness(facts: Facts, model: Facts, document: Facts) -> Facts:
    """A row a backend, with what it is."""
    rows = [{**b, "what": WHAT.get(b["backend"], "the product's firmware on an emulated core")} for b in facts["backends"]]
    return {**facts, "rows": rows, "what": WHAT.get(facts["reference"], "")}


def origin(facts: Facts, model: Facts, document: Facts) -> Facts:
    """Commands as a shell reads them; settings as lines."""
    import json
    import shlex

    settings = [{"name": k, "value": v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)}
                for k, v in facts["settings"].items()]
    return {**facts, "precision": precision(facts), "lines": [shlex.join(c) for c in facts["commands"]], "rows": settings}
