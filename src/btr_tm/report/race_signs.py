"""Signs on the pictures of a race: splits at checkpoints, medals, a hit wall, and the panel at the finish."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from btr_tm.metrics.summary_text import metres_text
from btr_tm.report.overlay import clock_text
from btr_tm.report.redrive import TICK_MS, Redriven
from btr_tm.report.stamp import PLATE, TEXT, Ink, Lettering, Stamp
from btr_tm.sim.track.ribbon import Track

SPLIT_MS, WALL_MS = 2500, 300  # how long a sign stays
AHEAD, BEHIND, HIT = (44, 104, 210, 220), (200, 60, 50, 220), (235, 60, 40, 235)
MEDALS: dict[str, Ink] = {
    "author": (70, 190, 110, 255),
    "gold": (240, 195, 60, 255),
    "silver": (200, 205, 215, 255),
    "bronze": (200, 130, 75, 255),
}
GONE = (150, 155, 165, 130)


class Split(NamedTuple):
    """A checkpoint as the followed car passed it."""

    number: int
    time_ms: int
    gap_ms: int | None  # to the author; None where there is none


class Result(NamedTuple):
    """How a car ended."""

    name: str
    finished: bool
    time_ms: int
    metres: float  # that it came

    def line(self, before: int | None) -> str:
        """In words, with the gap to a time in ms."""
        if not self.finished:
            return f"{self.name}: not finished, {metres_text(self.metres)}"
        gap = "" if before is None else f"  {gap_text(self.time_ms - before)}"
        return f"{self.name}: {clock_text(self.time_ms)}{gap}"


def splits(track: Track, race: Redriven, author: Redriven | None) -> list[Split]:
    """Of the checkpoints that the race came by."""
    own = passed_ms(race, track.checkpoints_m)
    theirs = passed_ms(author, track.checkpoints_m) if author else [math.inf] * len(own)
    pairs = zip(own, theirs, strict=True)
    return [
        Split(number, int(mine), int(mine - other) if math.isfinite(other) else None)
        for number, (mine, other) in enumerate(pairs, start=1)
        if math.isfinite(mine)
    ]


def passed_ms(race: Redriven, places_m: Sequence[float]) -> list[float]:
    """When a car first came by each arc length, on the tick grid; inf where it did not."""
    furthest = np.maximum.accumulate(race.pose.s_m.cpu().double().numpy())
    ticks = np.searchsorted(furthest, places_m).tolist()
    return [TICK_MS * (tick + 1) if tick < len(furthest) else math.inf for tick in ticks]


def recent_walls(race: Redriven) -> np.ndarray:
    """(T,) int: the side of the wall that was touched within the last WALL_MS, 0 for none."""
    latest = np.where(race.wall.cpu().numpy() != 0, np.arange(len(race.wall)), -(10**9))
    latest = np.maximum.accumulate(latest)
    recent = np.arange(len(latest)) - latest < WALL_MS // TICK_MS
    return np.where(recent, race.wall.cpu().numpy()[latest.clip(min=0)], 0).astype(int)


def result(track: Track, name: str, race: Redriven) -> Result:
    """How a race ended."""
    furthest = float(race.pose.s_m.max()) if len(race.pose.s_m) else track.start_m
    return Result(name, race.finished, race.time_ms, max(0.0, furthest - track.start_m))


def medal(track: Track, time_ms: int) -> str | None:
    """The best medal for a finish in `time_ms`."""
    return next((name for name in MEDALS if time_ms <= track.medals_ms.get(name, -1)), None)


def gap_text(gap_ms: int) -> str:
    """+0.43 or -0.12."""
    return f"{gap_ms / 1000:+.2f}"


class Signs:
    """Draws the signs of one race on pictures of a `size` (height, width)."""

    def __init__(self, track: Track, size: tuple[int, int], passed: Sequence[Split]):
        self.track, self.size, self.passed = track, size, passed
        self.unit = size[0] / 360
        self.letters = Lettering(self.unit)
        self._table = lru_cache(len(MEDALS) + 1)(self._draw_table)

    def __call__(self, image: Image.Image, time_ms: int, wall: int, top: float) -> None:
        """Those of this moment; medals begin at row `top` on the left."""
        for split in self.passed:
            if split.time_ms <= time_ms < split.time_ms + SPLIT_MS:
                self._split(split).paste(image)
        if wall:
            self._wall(image, wall)
        self._medals(image, time_ms, top)

    def _split(self, split: Split) -> Stamp:
        at = self.size[1] / 2, 46 * self.unit
        text = f"CP {split.number}  {clock_text(split.time_ms)}"
        if split.gap_ms is None:
            return self.letters.plated(at, text, "middle")
        fill = BEHIND if split.gap_ms > 0 else AHEAD
        return self.letters.plated(at, f"{text}  {gap_text(split.gap_ms)}", "middle", fill)

    def _wall(self, image: Image.Image, side: int) -> None:
        """A bar along the side of the picture, and the word."""
        height, width = self.size
        bar = Image.new("RGB", (int(7 * self.unit), height), HIT[:3])
        image.paste(bar, (width - bar.width if side > 0 else 0, 0))
        at = width / 2 + side * 0.3 * width, 0.52 * height
        self.letters.plated(at, "WALL", "middle", HIT).paste(image)

    def _medals(self, image: Image.Image, time_ms: int, top: float) -> None:
        """The medals that can still be won, and in grey those that are gone."""
        if self.track.medals_ms:
            won = medal(self.track, time_ms)
            self._table(won, top).paste(image)

    def _draw_table(self, best: str | None, top: float) -> Stamp:
        names, unit, row = list(self.track.medals_ms), self.unit, 16 * self.unit
        lines = [f"{clock_text(self.track.medals_ms[name])} {name}" for name in names]
        width = max(self.letters.wide(line, "small") for line in lines) + 26 * unit
        stamp = Stamp((8 * unit, top), (width, row * len(lines) + 6 * unit))
        gone = names.index(best) if best else len(names)
        with stamp.layer() as draw:
            draw.rounded_rectangle((0, 0, *(side - 2 for side in stamp.image.size)), 5 * unit, fill=PLATE)
        with stamp.layer() as draw:
            for number, (name, line) in enumerate(zip(names, lines, strict=True)):
                x, y = 7 * unit, 3 * unit + (number + 0.5) * row
                ink = GONE if number < gone else MEDALS[name]
                draw.ellipse((x, y - 3.5 * unit, x + 7 * unit, y + 3.5 * unit), fill=ink)
                text = GONE if number < gone else TEXT
                draw.text((x + 12 * unit, y), line, text, self.letters.font["small"], anchor="lm")
        return stamp

    def finish(self, image: Image.Image, results: Sequence[Result]) -> None:
        """The panel of the end: time, medal and gap of the first, then the others."""
        first = results[0]
        won = medal(self.track, first.time_ms) if first.finished else None
        head = clock_text(first.time_ms) if first.finished else "not finished"
        lines = [f"{won} medal" if won else "no medal" if self.track.medals_ms else ""]
        author_ms = self.track.author_time_ms
        if first.finished and author_ms:
            lines.append(f"{gap_text(first.time_ms - author_ms)} to the author's {clock_text(author_ms)}")
        if not first.finished:
            lines = [
                f"{metres_text(first.metres)} of {metres_text(self.track.finish_m - self.track.start_m)}"
            ]
        lines += [other.line(first.time_ms if first.finished else None) for other in results[1:]]
        self._board(image, head, [line for line in lines if line], MEDALS.get(won or "", TEXT))

    def _board(self, image: Image.Image, head: str, lines: Sequence[str], ink: Ink) -> None:
        unit, letters = self.unit, self.letters
        wide = max([letters.wide(head, "huge"), *(letters.wide(line, "middle") for line in lines)])
        width, height = wide + 40 * unit, (56 + 24 * len(lines)) * unit
        stamp = Stamp(((self.size[1] - width) / 2, 0.22 * self.size[0]), (width, height))
        with stamp.layer() as draw:
            draw.rounded_rectangle((0, 0, width, height), 8 * unit, fill=(*PLATE[:3], 205))
        with stamp.layer() as draw:
            draw.text((width / 2, 28 * unit), head, TEXT, letters.font["huge"], anchor="mm")
            for number, line in enumerate(lines):
                at = width / 2, (62 + 24 * number) * unit
                draw.text(at, line, TEXT if number else ink, letters.font["middle"], anchor="mm")
        stamp.paste(image)
