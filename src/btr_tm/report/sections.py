"""Where a race loses time against the author's: both cut into the same sections of the track.

Metres count from the start line along the centre of the road, laps unrolled. Letters in shapes: T ticks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from btr_tm.core.errors import UserError
from btr_tm.race.actions import keys
from btr_tm.report.redrive import TICK_MS, Redriven, redrive
from btr_tm.sim.track.load import author_inputs
from btr_tm.sim.track.ribbon import SPACING_M, Track

Array = np.ndarray
TICK_S = TICK_MS / 1000
LEAST_M, MOST_M = 25.0, 100.0  # length of a section; between two gates that are nearer it may be shorter
BEND_PER_M = 1 / 200  # more curved than this is a bend
BEND_RAD = math.radians(12.0)  # a section that turns by less is called straight
SMOOTHED = 21  # stations: a recorded line trembles


class Section(NamedTuple):
    """A piece of the track."""

    first_m: float
    last_m: float
    kind: str  # left, right or straight
    gate: str = ""  # at its end: CP 1, ..., finish

    @property
    def name(self) -> str:
        """412-468 m left."""
        return f"{self.first_m:.0f}-{self.last_m:.0f} m {self.kind}"


class Passage(NamedTuple):
    """How a car drove through a section."""

    time_s: float
    entry_kmh: float
    lowest_kmh: float
    exit_kmh: float
    wall_m: float  # driven against a wall
    wall_ms: int
    braking: float  # share of the ticks
    steering: float
    throttle: float  # accelerating without the brake


class Compared(NamedTuple):
    """A section as driver and author drove it."""

    section: Section
    driver: Passage
    author: Passage

    @property
    def lost_s(self) -> float:
        return self.driver.time_s - self.author.time_s


def author_race(track: Track) -> Redriven:
    """The race that the author time comes from; UserError if there is none that reaches the finish."""
    file = author_inputs(track)
    if file is None:
        raise UserError(
            f"the track {track.name} has no author's race to compare with; search one with "
            f"python -m btr_tm.sim.author {named(track)}, or leave out --sections"
        )
    race = redrive(track, file.actions)
    if not race.finished:
        raise UserError(
            f"the author's race on {track.name} does not reach the finish; search another one with "
            f"python -m btr_tm.sim.author {named(track)}"
        )
    return race


def named(track: Track) -> str:
    """What a command line names the track by: its name, or the name of its file."""
    return track.name if track.source is None else track.source.file_name


def compare(track: Track, driver: Redriven, author: Redriven) -> list[Compared]:
    """Section by section, as far as the driver came; empty if it did not leave the start."""
    parts = as_far_as(cut(track), float(furthest(track, driver)[-1]))
    if not parts:
        return []
    edges = [*(part.first_m for part in parts), parts[-1].last_m]
    sides = (passages(track, race, edges) for race in (driver, author))
    return [Compared(*each) for each in zip(parts, *sides, strict=True)]


def cut(track: Track) -> list[Section]:
    """Sections from start to finish: cut at the gates, where bends begin and end, and every 100 m at most."""
    gates = [at_m - track.start_m for at_m in (*track.checkpoints_m, track.finish_m)]
    names = [*(f"CP {number}" for number in range(1, len(gates))), "finish"]
    turned = heading(track)
    edges = [0.0, *gates]
    for bend_m in bend_edges(np.gradient(turned, SPACING_M)):
        if min(abs(bend_m - edge) for edge in edges) >= LEAST_M:
            edges.append(bend_m)
    edges = split(sorted(edges))
    along = SPACING_M * np.arange(len(turned))
    turns = np.diff(np.interp(edges, along, turned))
    kinds = ["straight" if abs(turn) < BEND_RAD else "right" if turn > 0 else "left" for turn in turns]
    ends = dict(zip(gates, names, strict=True))
    pairs = zip(edges, edges[1:], kinds, strict=False)
    return [Section(first, last, kind, ends.get(last, "")) for first, last, kind in pairs]


def heading(track: Track) -> Array:
    """By how much the road has turned to the right, in rad, at metres 0, 0.5, ... (S,)."""
    stations = math.ceil((track.finish_m - track.start_m) / SPACING_M) + 1
    s_m = track.start_m + SPACING_M * torch.arange(stations, device=track.ribbon.centre.device)
    return SPACING_M * np.cumsum(track.at(s_m).curvature.cpu().double().numpy())


def bend_edges(curvature: Array) -> list[float]:
    """Metres at which bends begin or end, from the curvature (S,) > 0 to the right, every half metre."""
    padded = np.pad(curvature, SMOOTHED // 2, mode="edge")
    smooth = np.convolve(padded, np.full(SMOOTHED, 1 / SMOOTHED), mode="valid")
    side = np.sign(smooth) * (np.abs(smooth) > BEND_PER_M)
    return [SPACING_M * int(station + 1) for station in np.flatnonzero(np.diff(side))]


def split(edges: Sequence[float]) -> list[float]:
    """The same with equal pieces where two are more than MOST_M apart."""
    pieces = [
        np.linspace(first, last, math.ceil((last - first) / MOST_M) + 1)[:-1].tolist()
        for first, last in zip(edges, edges[1:], strict=False)
    ]
    return [edge for piece in pieces for edge in piece] + [edges[-1]]


def as_far_as(sections: Sequence[Section], metres: float) -> list[Section]:
    """Those that a car at `metres` has reached, the last one up to there."""
    reached = [section for section in sections if section.first_m < metres]
    return [
        section if section.last_m <= metres else section._replace(last_m=metres, gate="")
        for section in reached
    ]


def furthest(track: Track, race: Redriven) -> Array:
    """The furthest metre before the first tick and after each (T + 1,)."""
    metres = race.pose.s_m.double().numpy() - track.start_m
    return np.maximum.accumulate(np.concatenate([[0.0], metres])).clip(max=track.finish_m - track.start_m)


def passages(track: Track, race: Redriven, edges: Sequence[float]) -> list[Passage]:
    """Of the sections between `edges`, all of which the car reached."""
    reached_m = furthest(track, race)
    moments = np.searchsorted(reached_m, edges)  # ticks after which a car has reached each edge
    times = [passed_s(reached_m, int(tick), edge) for tick, edge in zip(moments, edges, strict=True)]
    if race.finished and edges[-1] == reached_m[-1]:
        times[-1] = race.time_ms / 1000  # the official time is that of the tick
    kmh = np.concatenate([[0.0], race.speed_kmh.numpy()])
    starts = zip(times, times[1:], moments.tolist(), moments[1:].tolist(), strict=False)
    return [passage(race, kmh, after - before, first, last) for before, after, first, last in starts]


def passed_s(reached_m: Array, tick: int, edge: float) -> float:
    """When a car reached `edge`, which it had after `tick` ticks and not before: interpolated."""
    if tick == 0:
        return 0.0
    before, after = reached_m[tick - 1], reached_m[tick]
    return TICK_S * (tick - 1 + float((edge - before) / (after - before)))


def passage(race: Redriven, kmh: Array, time_s: float, first: int, last: int) -> Passage:
    """From after `first` ticks to after `last`; `kmh` (T + 1,) as of those moments."""
    driven = min(first, len(race.actions) - 1)  # a race may end as a car enters its last section
    ticks = slice(driven, max(last, driven + 1))
    gas, brake, left, right = keys(race.actions[ticks]).bool().unbind(1)
    touching = (race.wall[ticks] != 0).numpy()
    return Passage(
        time_s=time_s,
        entry_kmh=float(kmh[first]),
        lowest_kmh=float(kmh[first : last + 1].min()),
        exit_kmh=float(kmh[last]),
        wall_m=float((kmh[1:][ticks][touching] / 3.6).sum()) * TICK_S,
        wall_ms=TICK_MS * int(touching.sum()),
        braking=float(brake.double().mean()),
        steering=float((left | right).double().mean()),
        throttle=float((gas & ~brake).double().mean()),
    )
