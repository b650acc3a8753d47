"""Static memory plan: lifetimes -> offsets, the exact optimum, and the lower bound beside it.

A buffer lives from the first step that writes it to the last that reads it; the input lives from the start, the
output to the end, a scratch buffer during its own step.  State is kept apart, after the shared part, because it
survives from one run to the next.  Where an op works in place (`Op.in_place`) on an input that nothing needs afterwards,
its output lies on that input, and both count as one.  Offsets are multiples of `ALIGN`, so that 32-bit accesses are aligned.

The least peak is at least the greatest sum of sizes live at one step (the lower bound).  We search by branch and bound.
In an optimal plan each buffer can sink until it lies at 0 or on another one.  Built up in order of offset, such a plan
puts every buffer on the highest one below it, never lower than the last offset, and never where another buffer still
to come would fit wholly below.  All else is cut, and so is what cannot beat the best: at each step, what is still to
come needs room above the last offset and above what lies there.  Greedy orders, in which what ended too high goes first
the next time, come before the search.  All stops at the lower bound.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tinyloc.errors import ModelError
from tinyloc.kernels.table import OPS
from tinyloc.program import Program

ALIGN = 4
NODES = 20_000  # search nodes before we give up proving optimality
ROUNDS = 100  # of each greedy order, before the search


@dataclass(frozen=True)
class Life:
    """A buffer's size in bytes (aligned) and the first and last step at which its content matters."""

    name: str
    size: int
    first: int
    last: int

    def overlaps(self, other: Life) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """Offsets in the arena, in bytes.

    lives: one for all buffers that share their bytes, under the first one's name.
    peak: bytes of the shared part; lower_bound: no plan can have less; state_bytes: kept behind the shared part;
    optimal: proved (peak equals the lower bound, or the search was exhausted).
    """

    offsets: Mapping[str, int]
    lives: tuple[Life, ...]
    peak: int
    lower_bound: int
    state_bytes: int
    optimal: bool

    @property
    def arena_bytes(self) -> int:
        """Shared part plus state."""
        return self.peak + self.state_bytes

    def live_at(self, step: int) -> list[Life]:
        """Buffers whose bytes are in use during `step`."""
        return [x for x in self.lives if x.first <= step <= x.last]

    def peak_step(self) -> int:
        """The first step at which the live bytes are greatest."""
        last = max((x.last for x in self.lives), default=0)
        return max(range(last + 1), key=lambda s: (sum(x.size for x in self.live_at(s)), -s))


def align(n: int) -> int:
    """n rounded up to a multiple of ALIGN."""
    return (n + ALIGN - 1) // ALIGN * ALIGN


def lifetimes(program: Program) -> tuple[Life, ...]:
    """Lives of all buffers in the shared part of the arena, in order of first use.

    Raises ModelError when a step reads what no step has written, or none writes the output.
    """
    first: dict[str, int] = {program.input: 0}
    last: dict[str, int] = {program.input: 0}
    for i, step in enumerate(program.steps):
        for p, a in zip(OPS[step.op].params, step.args, strict=True):
            if not isinstance(a, str) or program.buffers[a].kind not in ("input", "output", "activation", "scratch"):
                continue
            if p.role == "in" and a not in first:
                raise ModelError(f"step {i} ({step.op}) reads {a!r} before any step writes it")
            first.setdefault(a, i)
            last[a] = i
    if program.output not in first:
        raise ModelError(f"no step writes the output {program.output!r}")
    last[program.output] = max(len(program.steps) - 1, 0)
    return tuple(Life(n, align(program.buffers[n].nbytes), first[n], last[n])
                 for n in sorted(first, key=lambda n: (first[n], n)))


def overlays(program: Program, lives: tuple[Life, ...]) -> dict[str, str]:
    """output -> input for the steps that can work in place: what dies there, of as many bytes, and no one else's."""
    by_name = {x.name: x for x in lives}
    over: dict[str, str] = {}
    for i, step in enumerate(program.steps):
        op, y = OPS[step.op], step.args[0]
        for name in op.in_place:
            x = step.args[op.index(name)]
            if (isinstance(x, str) and isinstance(y, str) and x in by_name and program.buffers[x].kind == "activation"
                    and program.buffers[x].nbytes == program.buffers[y].nbytes
                    and by_name[x].last == i == by_name[y].first and step.args.count(x) == 1):
                over[y] = x
                break
    return over


def _merged(lives: tuple[Life, ...], over: Mapping[str, str]) -> tuple[dict[str, str], tuple[Life, ...]]:
    """(buffer -> the first of those that share its bytes, one life for each of these)."""
    root: dict[str, str] = {}
    joined: dict[str, Life] = {}
    for x in lives:  # in order of first use, so an input comes before what lies on it
        name = root[x.name] = root[over[x.name]] if x.name in over else x.name
        joined[name] = replace(joined[name], last=x.last) if name in joined else x
    return root, tuple(joined.values())


def lower_bound(lives: tuple[Life, ...]) -> int:
    """Greatest sum of sizes that are live at one step."""
    return max((sum(x.size for x in lives if x.first <= s <= x.last) for s in {x.first for x in lives}), default=0)


def _lowest_gap(x: Life, placed: list[tuple[int, Life]]) -> int:
    """Lowest offset at which x collides with nothing placed that lives at the same time."""
    at = 0
    for offset, other in placed:  # sorted by offset
        if x.overlaps(other):
            if at + x.size <= offset:
                break
            at = max(at, offset + other.size)
    return at


def allocate(lives: tuple[Life, ...]) -> tuple[dict[str, int], int, bool]:
    """Offsets, peak and whether the peak is proved to be the least possible."""
    bound = lower_bound(lives)
    best_peak = sum(x.size for x in lives) + 1
    best: dict[str, int] = {}
    nodes = 0
    exhausted = True

    def place(todo: tuple[Life, ...], offsets: dict[str, int], top: np.ndarray, rest: np.ndarray, floor: int) -> None:
        """top: per step, the end of the highest buffer placed; rest: bytes still to place; floor: the last offset."""
        nonlocal best_peak, best, nodes, exhausted
        if best_peak == bound or int((np.maximum(top, floor * (rest > 0)) + rest).max()) >= best_peak:
            return
        if not todo:
            best_peak, best = int(top.max()), dict(offsets)
            return
        nodes += 1
        if nodes > NODES:
            exhausted = False
            return
        found = sorted(((int(top[x.first : x.last + 1].max()), -x.size, x.first - x.last, x.name, x) for x in todo),
                       key=lambda f: f[:4])
        lowest_end = min(at + x.size for at, _, _, _, x in found)
        for at, _, _, _, x in found:
            if at >= lowest_end:
                break  # a buffer that would fit wholly below could sink there
            if at < floor:
                continue
            higher, left = top.copy(), rest.copy()
            higher[x.first : x.last + 1] = at + x.size
            left[x.first : x.last + 1] -= x.size
            place(tuple(y for y in todo if y is not x), {**offsets, x.name: at}, higher, left, at)

    for key in (lambda x: (-x.size, x.first), lambda x: (x.first - x.last, -x.size), lambda x: (x.first, -x.size)):
        order = sorted(lives, key=key)
        for _ in range(ROUNDS):
            placed: list[tuple[int, Life]] = []
            for x in order:
                insort(placed, (_lowest_gap(x, placed), x), key=lambda p: p[0])
            peak = max((o + x.size for o, x in placed), default=0)
            if peak < best_peak:
                best_peak, best = peak, {x.name: o for o, x in placed}
            if best_peak == bound:
                break
            # Those that ended too high go first next time.
            high = {x.name for o, x in placed if o + x.size > bound}
            order = [x for x in order if x.name in high] + [x for x in order if x.name not in high]
    steps = max((x.last for x in lives), default=0) + 1
    rest = np.array([sum(x.size for x in lives if x.first <= s <= x.last) for s in range(steps)], np.int64)
    place(lives, {}, np.zeros(steps, np.int64), rest, 0)
    return best, best_peak if lives else 0, exhausted or best_peak == bound


def plan(program: Program) -> Plan:
    """The memory plan of a Program; deterministic."""
    each = lifetimes(program)
    root, lives = _merged(each, overlays(program, each))
    found, peak, optimal = allocate(lives)
    offsets = {name: found[first] for name, first in root.items()}
    state = 0
    for name in program.state:
        offsets[name] = peak + state
        state += align(program.buffers[name].nbytes)
    return Plan(offsets, lives, peak, lower_bound(lives), state, optimal)
