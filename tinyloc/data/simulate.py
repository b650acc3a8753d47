"""A simulated house: what a wrist-worn BLE beacon at 5 Hz would be heard at by access points on the walls.

No radio was involved: use it to try things out and in tests, never as evidence about a real house.

    rssi = P(1 m) - 20 log10(d) - walls - body + shadowing(place) + fading + offset of the session

    free space + walls  COST 231 multi-wall model (COST 231 final report, 1999, ch. 4.7): 3.4 dB a light wall;
                        (ITU-R P.1238's exponent for homes, 2.8, has the walls in it)
    reference at 1 m    -59 dBm, the usual calibration of a 0 dBm beacon
    body                0 to 9 dB, from in front of the walker to behind, for a wrist at 2.4 GHz
    shadowing           a smooth fixed map an access point, Gaussian in dB (Gudmundson, Electron. Lett. 27,
                        1991)
    fading              Rice, K = 3 dB

Asked for, an accelerometer on the wrist at 25 Hz: gravity, the steps and the swing of the arm of who walks, now and then
a gesture of who stays, and the sensor's noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyloc.data.motion import motion_levels
from tinyloc.data.source import Source
from tinyloc.data.split import hold_out, part, time_blocks
from tinyloc.data.table import Area, Dataset, Floats, Samples
from tinyloc.errors import ConfigError

Array = npt.NDArray[np.float64]

RATE_HZ = 5.0
ROOMS = ("living", "kitchen", "study", "hall", "bedroom_1", "bathroom", "bedroom_2")
# x0, y0, x1, y1 in meters; the hall runs between two rows of rooms.
_BOXES = np.array([[0, 0, 4.6, 4], [4.6, 0, 8, 4], [8, 0, 11, 4], [0, 4, 11, 5.3], [0, 5.3, 4, 9],
                   [4, 5.3, 6.4, 9], [6.4, 5.3, 11, 9]])
# Doors: the two rooms and the middle of the opening, all 0.9 m wide.
_DOORS = {(0, 3): (3.4, 4.0), (1, 3): (6.6, 4.0), (2, 3): (9.2, 4.0), (0, 1): (4.6, 1.2), (3, 4): (2.6, 5.3),
          (3, 5): (5.2, 5.3), (3, 6): (7.6, 5.3)}
# Inner walls, cut at the doors; x0, y0, x1, y1.  The outer walls stand between nobody and nothing.
_WALLS = np.array([
    [0, 4, 2.95, 4], [3.85, 4, 6.15, 4], [7.05, 4, 8.75, 4], [9.65, 4, 11, 4],
    [0, 5.3, 2.15, 5.3], [3.05, 5.3, 4.75, 5.3], [5.65, 5.3, 7.15, 5.3], [8.05, 5.3, 11, 5.3],
    [4.6, 0, 4.6, 0.75], [4.6, 1.65, 4.6, 4], [8, 0, 8, 4], [4, 5.3, 4, 9], [6.4, 5.3, 6.4, 9]])
_APS = np.array([[0.3, 0.3], [4.3, 3.7], [7.7, 0.3], [10.7, 0.4], [8.3, 3.6], [0.2, 4.6], [10.8, 4.7],
                 [0.3, 8.7], [3.7, 5.6], [6.1, 8.8], [10.7, 8.6]])

AT_1M, WALL, BODY, RICE_K = -59.0, 3.4, 9.0, 10 ** 0.3
SHADOW, SHADOW_LENGTH = 3.0, 1.5  # dB, meters
HEIGHT = 1.0  # meters from the wrist up to an access point
FLOOR, LOSS = -94.0, 0.12  # receiver's sensitivity in dBm; share of packets that collide
OFFSET, DRIFT = 1.5, 1.5  # dB: how the beacon is worn, a session; what has moved since the training, a map
SPEED = 0.9  # m/s
# The wrist's accelerations: samples a second; steps a second, and mg up and down with each (the arm swings with every other
# step); gestures of who stays: how many a second, how long in seconds, mg; the sensor's noise in mg, each axis.
ACCEL_HZ, STEPS_HZ, BOUNCE, SWING, GESTURES_HZ, GESTURE, GESTURE_MG, NOISE_MG = 25.0, 1.8, 180.0, 120.0, 0.05, 3.0, 90.0, 4.0


def _route(a: int, b: int) -> list[tuple[float, float]]:
    """Doors to pass from room a to room b."""
    if a == b:
        return []
    direct = _DOORS.get((min(a, b), max(a, b)))
    if direct:
        return [direct]
    return [door for room in (a, b) for pair, door in _DOORS.items() if set(pair) == {room, 3}]


def _walk(rng: np.random.Generator, seconds: float, scripted: bool) -> tuple[Array, Array]:
    """(n, 2) meters and (n,) heading in radians at 5 Hz.

    Scripted: rooms in turn, short stays all over each room.  Free living: each room once, then rooms by
    preference, with stays from seconds to a minute in a few favorite places."""
    likes = np.ones(len(ROOMS)) if scripted else rng.dirichlet(np.full(len(ROOMS), 6.0))
    favorite = rng.random((len(ROOMS), 3, 2))
    points: list[Array] = []
    stays: list[float] = []
    room, left, order = 3, seconds, rng.permutation(len(ROOMS)).tolist()
    while left > 0:
        if scripted and not order:
            order = rng.permutation(len(ROOMS)).tolist()
        target = order.pop() if order else int(rng.choice(len(ROOMS), p=likes))
        doors, room = _route(room, target), target
        box = _BOXES[room]
        for i in range(int(rng.integers(2, 5))):
            at = rng.random(2) if scripted else favorite[room, rng.integers(3)] + rng.normal(0, 0.05, 2)
            stay = rng.uniform(1, 5) if scripted else rng.exponential(10.0)
            leg = [np.array(d) for d in (doors if i == 0 else [])]
            leg.append(box[:2] + 0.3 + np.clip(at, 0, 1) * (box[2:] - box[:2] - 0.6))
            for p in leg:
                left -= float(np.linalg.norm(p - points[-1])) / SPEED if points else 0.0
                points.append(p)
                stays.append(0.0)
            stays[-1] = stay
            left -= stay
    p, s = np.array(points), np.array(stays)
    arrive = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1) / SPEED + s[:-1])])
    knots, places = np.column_stack([arrive, arrive + s + 1e-6]).ravel(), np.repeat(p, 2, axis=0)
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    xy = np.column_stack([np.interp(t, knots, places[:, i]) for i in (0, 1)])
    step = np.diff(xy, axis=0, prepend=xy[:1])
    moving = np.linalg.norm(step, axis=1) > 1e-3
    last = np.maximum.accumulate(np.where(moving, np.arange(len(t)), 0))
    # A person who stays turns about: a slow sum of two sines on top of the heading of arrival.
    turn = sum(rng.uniform(0.5, 1.5) * np.sin(2 * np.pi * t / w + rng.uniform(0, 6)) for w in (11.0, 29.0))
    return xy, np.arctan2(step[last, 1], step[last, 0]) + np.where(moving, 0.3, 1.0) * turn


def _crossings(xy: Array, aps: Array) -> Array:
    """(n, a) walls between a place and an access point, by segment intersection."""
    def side(p: Array, q: Array, r: Array) -> npt.NDArray[np.bool_]:
        """Whether r lies left of p -> q."""
        a, b = q - p, r - p
        return a[..., 0] * b[..., 1] > a[..., 1] * b[..., 0]

    p, q = xy[:, None, None], aps[None, :, None]
    u, v = _WALLS[None, None, :, :2], _WALLS[None, None, :, 2:]
    hit = (side(p, q, u) != side(p, q, v)) & (side(u, v, p) != side(u, v, q))
    return hit.sum(axis=2).astype(np.float64)


class _Map:
    """A smooth Gaussian field an access point: a sum of random plane waves (Rasmussen & Williams, ch. 4)."""

    def __init__(self, rng: np.random.Generator, aps: int, sigma: float, waves: int = 24) -> None:
        self.k = rng.normal(0, 1 / SHADOW_LENGTH, (aps, waves, 2))
        self.phase = rng.uniform(0, 2 * np.pi, (aps, waves))
        self.gain = sigma * np.sqrt(2 / waves)

    def __call__(self, xy: Array) -> Array:
        return self.gain * np.cos(np.einsum("nd,awd->naw", xy, self.k) + self.phase).sum(axis=2)


def _room(xy: Array) -> npt.NDArray[np.int64]:
    inside = (xy[:, None] >= _BOXES[None, :, :2]) & (xy[:, None] <= _BOXES[None, :, 2:])
    return np.argmax(inside.all(axis=2), axis=1)


def _motion(rng: np.random.Generator, xy: Array) -> Floats:
    """(n, 1) levels of motion energy of a walk (n, 2) at 5 Hz."""
    per = int(ACCEL_HZ / RATE_HZ)
    n = len(xy) * per
    walks = np.repeat(np.linalg.norm(np.diff(xy, axis=0, prepend=xy[:1]), axis=1) > 1e-3, per)
    phase = 2 * np.pi * STEPS_HZ * np.arange(n) / ACCEL_HZ + rng.uniform(0, 6)
    gait = np.column_stack([SWING * np.sin(phase / 2), SWING * np.cos(phase / 2) / 2, BOUNCE * np.sin(phase)])
    begins = np.flatnonzero(rng.random(n) < GESTURES_HZ / ACCEL_HZ)
    gestures = np.zeros((n, 3))
    for i in begins:
        size = rng.exponential(GESTURE)
        gestures[i : i + int(size * ACCEL_HZ)] = GESTURE_MG * rng.lognormal(0, 0.4)
    wave = np.sin(2 * np.pi * rng.uniform(0.7, 1.6, 3) * np.arange(n)[:, None] / ACCEL_HZ + rng.uniform(0, 6, 3))
    a = np.array([0.0, 0.0, 1000.0]) + np.where(walks[:, None], gait, gestures * wave) + rng.normal(0, NOISE_MG, (n, 3))
    return motion_levels(np.round(a), np.arange(n) // per, len(xy))[:, None]


def simulate(seed: int = 0, minutes: float = 20.0, aps: int = 11, test_minutes: float = 8.0,
             motion: bool = False) -> Dataset:
    """A house of 7 rooms, `minutes` of scripted walking (train and val), a free-living walk (test).

    Four scripted sessions; a quarter of their blocks of 30 s is val.  The test has its own walk, offset and,
    since furniture moves, a slightly changed shadowing map.  Same seed, same bits; rows 0.2 s apart, steps of
    1 dB, windows of 20 rows.  motion: with a motion channel, all else as without.

    Raises `ConfigError` unless minutes >= 4, test_minutes >= 1 and aps >= 1."""
    if not (minutes >= 4 and test_minutes >= 1 and aps >= 1):
        raise ConfigError(f"simulate: {minutes:g} minutes, {test_minutes:g} test minutes and {aps} access "
                          "points; expected at least 4, 1 and 1")
    house, walks, wrist = (np.random.default_rng([seed, i]) for i in (1, 2, 3))
    spare = house.uniform(0, [11, 9], (max(0, aps - len(_APS)), 2))
    place = np.concatenate([_APS, spare])[:aps]
    shadow, drift = _Map(house, aps, SHADOW), _Map(house, aps, DRIFT)

    def record(seconds: float, scripted: bool) -> tuple[Array, npt.NDArray[np.int64], Floats]:
        xy, heading = _walk(walks, seconds, scripted)
        to = place[None] - xy[:, None]
        d = np.sqrt((to ** 2).sum(axis=2) + HEIGHT ** 2)
        behind = (1 - np.cos(np.arctan2(to[..., 1], to[..., 0]) - heading[:, None])) / 2
        rssi = AT_1M - 20 * np.log10(d) - WALL * _crossings(xy, place) - BODY * behind + shadow(xy)
        if not scripted:
            rssi += drift(xy)
        scatter = walks.normal(0, np.sqrt(0.5 / (RICE_K + 1)), (2, *d.shape))
        rssi += 10 * np.log10((np.sqrt(RICE_K / (RICE_K + 1)) + scatter[0]) ** 2 + scatter[1] ** 2)
        rssi = np.round(rssi + walks.normal(0, OFFSET))
        rssi[(rssi < FLOOR) | (walks.random(d.shape) < LOSS)] = np.nan
        return rssi, _room(xy), _motion(wrist, xy) if motion else np.zeros((len(xy), 0), np.float32)

    def samples(parts: list[tuple[Array, npt.NDArray[np.int64], Floats]]) -> Samples:
        rssi, room, moved = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Samples(np.concatenate([np.arange(len(r)) / RATE_HZ for r, _, _ in parts]), rssi, room,
                       np.repeat(np.arange(len(parts)), [len(r) for r, _, _ in parts]), ROOMS,
                       tuple(f"ap_{i + 1}" for i in range(aps)), motion=moved if motion else None,
                       motions=("motion",) if motion else ())

    rows = samples([record(minutes * 15, True) for _ in range(4)])
    test = samples([record(test_minutes * 60, False)])
    held = hold_out(time_blocks(rows, 30.0), rows.room, 0.25, seed)
    return Dataset("simulated", part(rows, ~held), part(rows, held), test, window=20, hop=10, rate_hz=RATE_HZ,
                   simulated=True, areas={room: Area(*box) for room, box in zip(ROOMS, _BOXES.tolist(), strict=True)},
                   note="SIMULATED, no radio was involved. Split: scripted walks, 25% held out "
                   f"as validation in whole blocks of 30 s; test: a free-living walk (seed {seed}).")


SOURCE = Source("simulated", simulate, options=frozenset({"minutes", "aps", "test_minutes", "motion"}))
