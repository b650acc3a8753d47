"""Static memory plan: lifetimes -> offsets, the exact optimum, and the lower bound beside it.

A buffer lives from the first step that writes it to the last that reads it; the input lives from the start, the
output to the end, a scratch buffer during its own step.  State is kept apart, after the shared part, because it
survives from one run to the next.  Offsets are multiples of `ALIGN`, so that 32-bit accesses are aligned.

The least peak is at least the greatest sum of sizes live at one step (the lower bound).  We search offsets by
branch and bound: placing buffers in some order, each at the lowest offset free during its life, reaches an
optimal plan for some order; orders that cannot beat the best are cut, and the search stops at the lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyloc.errors import ModelError
from tinyloc.kernels.table import OPS
from tinyloc.program import Program

ALIGN = 4
NODES = 200_000  # search nodes before we give up proving optimality; the presets need at most a few hundred


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

    Raises ModelError when a step reads what no step has written.
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
    last[program.output] = max(len(program.steps) - 1, 0)
    return tuple(Life(n, align(program.buffers[n].nbytes), first[n], last[n])
                 for n in sorted(first, key=lambda n: (first[n], n)))


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

    def place(todo: tuple[Life, ...], placed: list[tuple[int, Life]], peak: int) -> None:
        nonlocal best_peak, best, nodes, exhausted
        if peak >= best_peak or best_peak == bound:
            return
        if not todo:
            best_peak, best = peak, {x.name: o for o, x in placed}
            return
        nodes += 1
        if nodes > NODES:
            exhausted = False
            return
        # Any optimal plan, pushed down, can be built by always placing a buffer of the lowest possible offset; among
        # those of equal offset, try the larger and longer-lived first.
        gaps = sorted(((_lowest_gap(x, placed), -x.size, x.first - x.last, x.name, x) for x in todo), key=lambda g: g[:4])
        lowest_end = min(g[0] + g[4].size for g in gaps)
        for at, _, _, _, x in gaps:
            if at >= lowest_end and at > gaps[0][0]:
                break  # some other buffer fits wholly below: it can go first
            rest = tuple(y for y in todo if y is not x)
            place(rest, sorted([*placed, (at, x)], key=lambda p: p[0]), max(peak, at + x.size))

    for order in (lambda x: (-x.size, x.first), lambda x: (x.first - x.last, -x.size), lambda x: (x.first, -x.size)):
        placed: list[tuple[int, Life]] = []
        for x in sorted(lives, key=order):
            placed = sorted([*placed, (_lowest_gap(x, placed), x)], key=lambda p: p[0])
        peak = max((o + x.size for o, x in placed), default=0)
        if peak < best_peak:
            best_peak, best = peak, {x.name: o for o, x in placed}
    place(lives, [], 0)
    return best, best_peak if lives else 0, exhausted or best_peak == bound


def plan(program: Program) -> Plan:
    """The memory plan of a Program; deterministic."""
    lives = lifetimes(program)
    offsets, peak, optimal = allocate(lives)
    state = 0
    for b in program.buffers.values():
        if b.kind == "state":
            offsets[b.name] = peak + state
            state += align(b.nbytes)
    return Plan(offsets, lives, peak, lower_bound(lives), state, optimal)
