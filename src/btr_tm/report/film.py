"""Races as films: cars on one track, the picture follows the first; or several races one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor

from btr_tm.report.overlay import Moment, Overlay
from btr_tm.report.race_signs import Signs, recent_walls, result, splits
from btr_tm.report.redrive import TICK_MS, Redriven
from btr_tm.report.video import COMPACT, QUICK, Film
from btr_tm.sim.colour.car_mesh import Colour
from btr_tm.sim.colour.view import ColourView, OtherCar
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track

SIZE = (720, 1280)
RATES = (1, 2, 4, 5, 10, 20, 25, 50, 100)  # pictures a second: each is taken at the end of a tick
HOLD_S = 1.5  # how long the finish is shown
GHOST, GHOST_OPACITY = (70, 190, 110), 0.45
PAINTS: tuple[Colour, ...] = ((225, 70, 50), (240, 195, 60), (150, 90, 210), (60, 190, 200))
PICTURES_AT_ONCE = 64


class Look(NamedTuple):
    """How a film is written."""

    fps: int = 50  # pictures per second of race time, one of RATES
    size: tuple[int, int] = SIZE  # height and width in points, even
    encoding: Mapping[str, str] = QUICK


FULL = Look()
# Of a run, with half the pictures: it is soon over. Lost races are long, and few watch them.
FINISHED, UNFINISHED = Look(fps=25), Look(fps=10, size=(360, 640))
SMALL = Look(25, (360, 640), COMPACT)  # about 1 MB for a race on A01


class Racer(NamedTuple):
    """Who drives, and how."""

    name: str
    race: Redriven
    q: Tensor = torch.zeros(0, 0)  # (T, A) action values, tick by tick; empty where they are not known


class Scene(NamedTuple):
    """Cars that start together; the picture follows the first to its end."""

    track: Track
    racers: Sequence[Racer]
    author: Redriven | None = None


def film(path: str | Path, scenes: Sequence[Scene], look: Look = FULL) -> Path:
    """Write a film of the scenes on one track, one after the other; where it was written.

    docs/simulator.md says how long that takes.
    """
    fps, size, encoding = look
    pictures = sum(len(ticks_of(each.racers[0].race, fps)) for each in scenes)
    with Film(path, fps, size, encoding) as writer, Progress(transient=True) as bar:
        task = bar.add_task("film", total=pictures)
        view: ColourView | None = None
        for each in scenes:
            view = view or ColourView(each.track, *size, smoothing=1)
            last = None
            for last in pictures_of(each, view, fps, size):
                writer.add(last)
                bar.advance(task)
            end = end_of(each, last, size)
            for _ in range(round(HOLD_S * fps)):
                writer.add(end)
    return writer.path


def pictures_of(shown: Scene, view: ColourView, fps: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    """The race itself, without the panel at its end."""
    track, racers, author = shown
    first, *others = racers
    beside = [(each.name, each.race, paint, 1.0) for each, paint in zip(others, PAINTS, strict=False)]
    if author is not None:
        beside.append(("author", author, GHOST, GHOST_OPACITY))
    names = [(name, paint) for name, _, paint, _ in beside]
    overlay = Overlay(track, size, f"{track.name}  {first.name}".strip(), names)
    signs = Signs(track, size, splits(track, first.race, author))
    speed, walls = first.race.speed_kmh, recent_walls(first.race)
    ticks = ticks_of(first.race, fps)
    cars = [at_ticks(race.pose, ticks) for race in (first.race, *(race for _, race, _, _ in beside))]
    places = torch.stack([pose.position for pose in cars], 1)  # (P, C, 3)
    for begin in range(0, len(ticks), PICTURES_AT_ONCE):
        part = slice(begin, begin + PICTURES_AT_ONCE)
        own, *rest = (Pose(*(leaf[part] for leaf in pose)) for pose in cars)
        cast = [OtherCar(pose, paint, how) for pose, (_, _, paint, how) in zip(rest, beside, strict=True)]
        for place, tick, image in zip(
            places[part], ticks[part].tolist(), view.images(own, cast), strict=True
        ):
            q = first.q[min(tick, len(first.q) - 1)] if len(first.q) else torch.zeros(0)
            time_ms, action = (tick + 1) * TICK_MS, int(first.race.actions[tick])
            overlay(image, Moment(time_ms, place, action, float(speed[tick]), q))
            signs(image, time_ms, int(walls[tick]), overlay.below_names)
            yield image


def end_of(shown: Scene, last: Image.Image | None, size: tuple[int, int]) -> Image.Image:
    """The last picture with the panel of the end."""
    image = last.copy() if last is not None else Image.new("RGB", size[::-1])
    results = [result(shown.track, each.name, each.race) for each in shown.racers]
    Signs(shown.track, size, ()).finish(image, results)
    return image


def ticks_of(race: Redriven, fps: int) -> Tensor:
    """Of the pictures: evenly spaced, and the last one of all."""
    apart = 1000 // TICK_MS // fps
    ticks = torch.arange(apart - 1, len(race.actions), apart)
    ended = len(ticks) and int(ticks[-1]) == len(race.actions) - 1
    return ticks if ended else torch.cat([ticks, torch.tensor([len(race.actions) - 1])])


def at_ticks(pose: Pose, ticks: Tensor) -> Pose:
    """The poses after these ticks; a car that has ended stays where it is."""
    return Pose(*(leaf[ticks.clamp(max=len(leaf) - 1)] for leaf in pose))
