"""Draws on the pictures of a race: keys, speed, time, action values, a map with the line driven."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from btr_tm.race import actions
from btr_tm.sim.track.map_view import MapView
from btr_tm.sim.track.ribbon import Track

PANEL, IDLE, HELD, TEXT = (12, 16, 24, 130), (255, 255, 255, 46), (80, 220, 120, 235), (255, 255, 255, 255)
BRAKING, CHOSEN, OTHER = (240, 80, 60, 235), (80, 220, 120, 235), (190, 205, 225, 190)
ARROWS = (  # corners of the up, down, left and right arrow in a unit square
    ((0.5, 0.2), (0.85, 0.75), (0.15, 0.75)),
    ((0.5, 0.8), (0.85, 0.25), (0.15, 0.25)),
    ((0.2, 0.5), (0.75, 0.15), (0.75, 0.85)),
    ((0.8, 0.5), (0.25, 0.15), (0.25, 0.85)),
)
PLACES = ((1, 0), (1, 1), (0, 1), (2, 1))  # column and row of the arrow keys
TEXTS = 4096  # kept: a race of three minutes has as many clocks
FONTS = {"small": 12, "large": 24, "huge": 34}  # px in a picture of 360 rows


class Stamp:
    """A drawing that is pasted as often as wanted; layers may be translucent, one over the other."""

    def __init__(self, corner: tuple[float, float], size: tuple[float, float]):
        self.corner = int(corner[0]), int(corner[1])
        self.image = Image.new("RGBA", (int(size[0]) + 2, int(size[1]) + 2))

    @contextmanager
    def layer(self) -> Iterator[ImageDraw.ImageDraw]:
        """Draws in pixels from the corner, over what is there already."""
        sheet = Image.new("RGBA", self.image.size)
        yield ImageDraw.Draw(sheet)
        self.image.alpha_composite(sheet)

    def paste(self, picture: Image.Image) -> None:
        """Puts it where it belongs."""
        picture.paste(self.image, self.corner, self.image)


class Overlay:
    """Draws over pictures of one race, with the line driven so far on a map."""

    def __init__(self, track: Track, size: tuple[int, int], title: str = ""):
        height, width = size
        self.unit = height / 360
        self.size, self.title = size, title
        side = int(min(0.3 * width, 0.36 * height))
        self.map = MapView(track, (side, side))
        background = Image.fromarray(self.map.background().numpy()).convert("RGBA")
        background.putalpha(205)
        self.inset = Stamp((8 * self.unit, height - side - int(8 * self.unit)), (side - 2, side - 2))
        self.inset.image.paste(background)
        self.here: tuple[float, float] | None = None
        self.font = {name: ImageFont.load_default(size * self.unit) for name, size in FONTS.items()}
        self._keys = lru_cache(actions.COUNT)(self._draw_keys)
        self._text = lru_cache(TEXTS)(self._draw_text)
        self._panel = lru_cache(1)(self._draw_panel)

    def __call__(
        self, picture: np.ndarray, position: Tensor, action: int, speed_kmh: float, time_ms: int, q: Tensor
    ) -> np.ndarray:
        """The picture (H, W, 3) uint8 with everything on it; `q` (A,) may be empty."""
        image = Image.fromarray(picture)
        self._way(image, position)
        self._keys(action).paste(image)
        self._figures(image, speed_kmh, time_ms)
        if len(q):
            self._values(image, q, action)
        return np.asarray(image)

    def _way(self, image: Image.Image, position: Tensor) -> None:
        """The map, with one more piece of the line on it, and the car."""
        column, row = self.map.pixels(position[None])[0].tolist()
        if self.here:
            draw, width = ImageDraw.Draw(self.inset.image), max(1, round(1.5 * self.unit))
            draw.line([self.here, (column, row)], fill=(255, 90, 60, 255), width=width)
        self.here = column, row
        self.inset.paste(image)
        x, y, radius = column + self.inset.corner[0], row + self.inset.corner[1], 3.5 * self.unit
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 235, 80))

    def _draw_keys(self, action: int) -> Stamp:
        height, width = self.size
        side, gap = 24 * self.unit, 4 * self.unit
        left, top = width / 2 - 1.5 * side - gap, height - 2 * side - 2.5 * gap
        stamp = Stamp((left, top), (3 * side + 2 * gap, 2 * side + gap))
        left, top = left - stamp.corner[0], top - stamp.corner[1]
        for key, held in enumerate(actions.TABLE[action].tolist()):
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
        clock = f"{time_ms // 60000}:{time_ms // 1000 % 60:02d}.{time_ms % 1000 // 10:02d}"
        self._text((width / 2, 10 * self.unit), clock, "large", "ma").paste(image)
        right, bottom = width - 12 * self.unit, height - 10 * self.unit
        self._text((right, bottom - 12 * self.unit), f"{speed_kmh:.0f}", "huge", "rs").paste(image)
        self._text((right, bottom), "km/h", "small", "rs").paste(image)
        if self.title:
            self._text((10 * self.unit, 10 * self.unit), self.title, "small", "la").paste(image)

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
            draw.rounded_rectangle((0, 0, length + 50 * unit, height), 5 * unit, fill=PANEL)
        with stamp.layer() as draw:
            for action in range(min(count, actions.COUNT)):
                self._arrows(draw, x, y + action * row, action)
        return stamp

    def _arrows(self, draw: ImageDraw.ImageDraw, x: float, y: float, action: int) -> None:
        y, side = y + 1.5 * self.unit, 9 * self.unit
        for key, held in enumerate(actions.TABLE[action].tolist()):
            if held:
                arrow = [(x + (key + 0.8 * px) * side, y + 0.8 * py * side) for px, py in ARROWS[key]]
                draw.polygon(arrow, fill=BRAKING if key == 1 else TEXT)

    def _draw_text(self, at: tuple[float, float], text: str, size: str, anchor: str) -> Stamp:
        font, stroke = self.font[size], max(1, round(self.unit))
        left, top, right, bottom = font.getbbox(text, anchor=anchor, stroke_width=stroke)
        stamp = Stamp((at[0] + left, at[1] + top), (right - left, bottom - top))
        inside = at[0] - stamp.corner[0], at[1] - stamp.corner[1]
        with stamp.layer() as draw:
            draw.text(inside, text, (0, 0, 0, 150), font, anchor=anchor, stroke_width=stroke)
        with stamp.layer() as draw:
            draw.text(inside, text, TEXT, font, anchor=anchor)
        return stamp
