"""Draws on the pictures of a race: keys, speed, clock, action values, a map with the line driven."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw
from torch import Tensor

from btr_tm.race import actions
from btr_tm.report.stamp import PLATE, TEXT, Lettering, Stamp
from btr_tm.sim.colour.car_mesh import Colour
from btr_tm.sim.track.map_view import MapView
from btr_tm.sim.track.ribbon import Track

IDLE, HELD, BRAKING = (255, 255, 255, 46), (80, 220, 120, 235), (240, 80, 60, 235)
CHOSEN, OTHER = (80, 220, 120, 235), (190, 205, 225, 190)
HERE, WAY = (255, 235, 80), (255, 90, 60, 255)  # of the followed car on the map
ARROWS = (  # corners of the up, down, left and right arrow in a unit square
    ((0.5, 0.2), (0.85, 0.75), (0.15, 0.75)),
    ((0.5, 0.8), (0.85, 0.25), (0.15, 0.25)),
    ((0.2, 0.5), (0.75, 0.15), (0.75, 0.85)),
    ((0.8, 0.5), (0.25, 0.15), (0.25, 0.85)),
)
PLACES = ((1, 0), (1, 1), (0, 1), (2, 1))  # column and row of the arrow keys

BESIDE_CLOCK = 90  # half of its plate, and what lies around the names


class Moment(NamedTuple):
    """What a picture shows in figures; C cars, the followed one first."""

    time_ms: int
    position: Tensor  # (C, 3) world
    action: int  # row of race.actions.ALL_ROWS
    speed_kmh: float
    q: Tensor  # (A,), or empty


class Overlay:
    """Draws over pictures (height, width) of one race, with the line driven so far on a map.

    `others` are names and colours of the cars beside the followed one.
    """

    def __init__(
        self,
        track: Track,
        size: tuple[int, int],
        title: str = "",
        others: Sequence[tuple[str, Colour]] = (),
    ):
        height, width = size
        self.unit = height / 360
        self.size, self.title, self.others = size, title, others
        side = int(min(0.3 * width, 0.36 * height))
        self.map = MapView(track, (side, side))
        background = Image.fromarray(self.map.background().numpy()).convert("RGBA")
        background.putalpha(205)
        self.inset = Stamp((8 * self.unit, height - side - int(8 * self.unit)), (side - 2, side - 2))
        self.inset.image.paste(background)
        self.here: tuple[float, float] | None = None
        self.letters = Lettering(self.unit)
        self._keys = lru_cache(actions.ALL)(self._draw_keys)
        self._panel = lru_cache(1)(self._draw_panel)
        self._names = lru_cache(1)(self._draw_names)

    def __call__(self, image: Image.Image, moment: Moment) -> None:
        """Draw everything on the picture."""
        self._way(image, moment.position)
        self._keys(moment.action).paste(image)
        self._figures(image, moment.speed_kmh, moment.time_ms)
        self._names().paste(image)
        if len(moment.q):
            self._values(image, moment.q, moment.action)

    @property
    def below_names(self) -> float:
        """The row below the title and the names."""
        stamp = self._names()
        return stamp.corner[1] + stamp.image.height + 4 * self.unit

    def _way(self, image: Image.Image, position: Tensor) -> None:
        """The map, with one more piece of the followed car's line on it, and the cars."""
        places = self.map.pixels(position).tolist()
        column, row = places[0]
        if self.here:
            draw, width = ImageDraw.Draw(self.inset.image), max(1, round(1.5 * self.unit))
            draw.line([self.here, (column, row)], fill=WAY, width=width)
        self.here = column, row
        self.inset.paste(image)
        colours = [HERE, *(colour for _, colour in self.others)]
        draw = ImageDraw.Draw(image)
        for (column, row), colour in reversed(list(zip(places, colours, strict=False))):
            x, y, radius = column + self.inset.corner[0], row + self.inset.corner[1], 3.5 * self.unit
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def _draw_keys(self, action: int) -> Stamp:
        height, width = self.size
        side, gap = 24 * self.unit, 4 * self.unit
        left, top = width / 2 - 1.5 * side - gap, height - 2 * side - 2.5 * gap
        stamp = Stamp((left, top), (3 * side + 2 * gap, 2 * side + gap))
        left, top = left - stamp.corner[0], top - stamp.corner[1]
        for key, held in enumerate(actions.ALL_ROWS[action].tolist()):
            column, row = PLACES[key]
            x, y = left + column * (side + gap), top + row * (side + gap)
            fill = (BRAKING if key == 1 else HELD) if held else IDLE
            with stamp.layer() as draw:
                draw.rounded_rectangle((x, y, x + side, y + side), 4 * self.unit, fill=fill)
            with stamp.layer() as draw:
                arrow = [(x + px * side, y + py * side) for px, py in ARROWS[key]]
                draw.polygon(arrow, fill=(255, 255, 255, 235 if held else 120))
        return stamp

    def _figures(self, image: Image.Image, speed_kmh: float, time_ms: int) -> None:
        height, width = self.size
        at = width / 2, 8 * self.unit
        self.letters.plated(at, clock_text(time_ms), "large", like="0:00.00").paste(image)
        right, bottom = width - 12 * self.unit, height - 10 * self.unit
        self.letters.text((right, bottom - 12 * self.unit), f"{speed_kmh:.0f}", "huge", "rs").paste(image)
        self.letters.text((right, bottom), "km/h", "small", "rs").paste(image)

    def _draw_names(self) -> Stamp:
        """The title, and below it the other cars with the colours of their dots."""
        unit, row = self.unit, 16 * self.unit
        lines = [self._fitting(line) for line in (self.title, *(name for name, _ in self.others))]
        indent = [0.0, *(12 * unit for _ in self.others)]
        widths = [self.letters.wide(line, "small") + by for line, by in zip(lines, indent, strict=True)]
        stamp = Stamp((8 * unit, 8 * unit), (max(widths) + 14 * unit, row * len(lines) + 6 * unit))
        if not any(lines):
            return stamp
        with stamp.layer() as draw:
            draw.rounded_rectangle((0, 0, *(side - 2 for side in stamp.image.size)), 5 * unit, fill=PLATE)
        with stamp.layer() as draw:
            for number, (line, by) in enumerate(zip(lines, indent, strict=True)):
                x, y = 7 * unit, 3 * unit + (number + 0.5) * row
                if number:
                    colour = self.others[number - 1][1]
                    draw.ellipse((x, y - 3.5 * unit, x + 7 * unit, y + 3.5 * unit), fill=colour)
                draw.text((x + by, y), line, TEXT, self.letters.font["small"], anchor="lm")
        return stamp

    def _fitting(self, line: str) -> str:
        """The line, without its middle if it would reach the clock."""
        room, kept = self.size[1] / 2 - BESIDE_CLOCK * self.unit, len(line)
        shorter = line
        while kept > 2 and self.letters.wide(shorter, "small") > room:
            kept -= 1
            shorter = f"{line[: kept // 2]}...{line[len(line) - (kept - kept // 2) :]}"
        return shorter

    def _values(self, image: Image.Image, q: Tensor, action: int) -> None:
        """One bar per action, from the worst to the best of this moment."""
        self._panel(len(q)).paste(image)
        draw, unit = ImageDraw.Draw(image, "RGBA"), self.unit
        right, top, length, row = self._bars()
        span = (q.max() - q.min()).clamp(min=1e-6)
        share = ((q - q.min()) / span).nan_to_num(0.0)
        for i, part in enumerate(share.tolist()):
            end = right - length + max(1.5 * unit, part * length)
            bar = (right - length, top + i * row + 2 * unit, end, top + (i + 1) * row - 2 * unit)
            draw.rectangle(bar, fill=CHOSEN if i == action else OTHER)

    def _bars(self) -> tuple[float, float, float, float]:
        """Right end, top, greatest length and height of the bars."""
        return self.size[1] - 12 * self.unit, 12 * self.unit, 60 * self.unit, 11 * self.unit

    def _draw_panel(self, count: int) -> Stamp:
        """What stands behind and beside `count` bars: the held keys of each action as tiny arrows."""
        right, top, length, row = self._bars()
        unit, height = self.unit, count * row + 8 * self.unit
        stamp = Stamp((right - length - 44 * unit, top - 4 * unit), (length + 50 * unit, height))
        x, y = right - length - 40 * unit - stamp.corner[0], top - stamp.corner[1]
        with stamp.layer() as draw:
            draw.rounded_rectangle((0, 0, length + 50 * unit, height), 5 * unit, fill=PLATE)
        with stamp.layer() as draw:
            for action in range(min(count, actions.ALL)):
                self._arrows(draw, x, y + action * row, action)
        return stamp

    def _arrows(self, draw: ImageDraw.ImageDraw, x: float, y: float, action: int) -> None:
        y, side = y + 1.5 * self.unit, 9 * self.unit
        for key, held in enumerate(actions.ALL_ROWS[action].tolist()):
            if held:
                arrow = [(x + (key + 0.8 * px) * side, y + 0.8 * py * side) for px, py in ARROWS[key]]
                draw.polygon(arrow, fill=BRAKING if key == 1 else TEXT)


def clock_text(time_ms: int) -> str:
    """0:23.09: a race has ticks of a hundredth."""
    return f"{time_ms // 60000}:{time_ms // 1000 % 60:02d}.{time_ms % 1000 // 10:02d}"
