"""What is written over the pictures of a race: keys, speed, time, action values, a map of the way driven."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from btr_tm.race import actions
from btr_tm.sim.map_view import MapView
from btr_tm.sim.ribbon import Track

PANEL, IDLE, HELD, TEXT = (12, 16, 24, 130), (255, 255, 255, 46), (80, 220, 120, 235), (255, 255, 255, 255)
BRAKING, CHOSEN, OTHER = (240, 80, 60, 235), (80, 220, 120, 235), (190, 205, 225, 190)
ARROWS = (  # corners of the up, down, left and right arrow in a unit square
    ((0.5, 0.2), (0.85, 0.75), (0.15, 0.75)),
    ((0.5, 0.8), (0.85, 0.25), (0.15, 0.25)),
    ((0.2, 0.5), (0.75, 0.15), (0.75, 0.85)),
    ((0.8, 0.5), (0.25, 0.15), (0.25, 0.85)),
)
PLACES = ((1, 0), (1, 1), (0, 1), (2, 1))  # column and row of the arrow keys
FONTS = {"small": 12, "large": 24, "huge": 34}  # px in a picture of 360 rows


class Overlay:
    """Draws over pictures of one race; remembers the way driven so far."""

    def __init__(self, track: Track, size: tuple[int, int], title: str = ""):
        height, width = size
        self.unit = height / 360
        self.size, self.title = size, title
        side = int(min(0.3 * width, 0.36 * height))
        self.map = MapView(track, (side, side))
        background = self.map.background().numpy()
        self.inset = Image.fromarray(background).convert("RGBA")
        self.inset.putalpha(205)
        self.corner = (int(8 * self.unit), height - side - int(8 * self.unit))
        self.way: list[tuple[float, float]] = []
        self.font = {name: ImageFont.load_default(size * self.unit) for name, size in FONTS.items()}

    def __call__(
        self, picture: np.ndarray, position: Tensor, action: int, speed_kmh: float, time_ms: int, q: Tensor
    ) -> np.ndarray:
        """The picture (H, W, 3) uint8 with everything on it; `q` (A,) may be empty."""
        image = Image.fromarray(picture)
        image.paste(self.inset, self.corner, self.inset)
        draw = ImageDraw.Draw(image, "RGBA")
        self._way(draw, position)
        self._keys(draw, action)
        self._figures(draw, speed_kmh, time_ms)
        if len(q):
            self._values(draw, q, action)
        return np.asarray(image)

    def _way(self, draw: ImageDraw.ImageDraw, position: Tensor) -> None:
        column, row = self.map.pixels(position[None])[0].tolist()
        here = column + self.corner[0], row + self.corner[1]
        self.way.append(here)
        if len(self.way) > 1:
            draw.line(self.way, fill=(255, 90, 60, 255), width=max(1, round(1.5 * self.unit)))
        radius = 3.5 * self.unit
        draw.ellipse(
            (here[0] - radius, here[1] - radius, here[0] + radius, here[1] + radius), fill=(255, 235, 80)
        )

    def _keys(self, draw: ImageDraw.ImageDraw, action: int) -> None:
        height, width = self.size
        side, gap = 24 * self.unit, 4 * self.unit
        left, top = width / 2 - 1.5 * side - gap, height - 2 * side - 2.5 * gap
        for key, held in enumerate(actions.TABLE[action].tolist()):
            column, row = PLACES[key]
            x, y = left + column * (side + gap), top + row * (side + gap)
            fill = (BRAKING if key == 1 else HELD) if held else IDLE
            draw.rounded_rectangle((x, y, x + side, y + side), 4 * self.unit, fill=fill)
            arrow = [(x + px * side, y + py * side) for px, py in ARROWS[key]]
            draw.polygon(arrow, fill=(255, 255, 255, 235 if held else 120))

    def _figures(self, draw: ImageDraw.ImageDraw, speed_kmh: float, time_ms: int) -> None:
        height, width = self.size
        clock = f"{time_ms // 60000}:{time_ms // 1000 % 60:02d}.{time_ms % 1000 // 10:02d}"
        self._text(draw, (width / 2, 10 * self.unit), clock, "large", "ma")
        right, bottom = width - 12 * self.unit, height - 10 * self.unit
        self._text(draw, (right, bottom - 12 * self.unit), f"{speed_kmh:.0f}", "huge", "rs")
        self._text(draw, (right, bottom), "km/h", "small", "rs")
        if self.title:
            self._text(draw, (10 * self.unit, 10 * self.unit), self.title, "small", "la")

    def _values(self, draw: ImageDraw.ImageDraw, q: Tensor, action: int) -> None:
        """One bar per action, from the worst to the best of this moment."""
        width, row = self.size[1], 11 * self.unit
        unit = self.unit
        right, top, length = width - 12 * unit, 12 * unit, 60 * unit
        span = (q.max() - q.min()).clamp(min=1e-6)
        share = ((q - q.min()) / span).nan_to_num(0.0)
        box = (right - length - 44 * unit, top - 4 * unit, right + 6 * unit, top + len(q) * row + 4 * unit)
        draw.rounded_rectangle(box, 5 * unit, fill=PANEL)
        for i, part in enumerate(share.tolist()):
            y = top + i * row
            self._combination(draw, right - length - 40 * unit, y, i)
            end = right - length + max(1.5 * unit, part * length)
            bar = (right - length, y + 2 * unit, end, y + row - 2 * unit)
            draw.rectangle(bar, fill=CHOSEN if i == action else OTHER)

    def _combination(self, draw: ImageDraw.ImageDraw, x: float, y: float, action: int) -> None:
        """The held keys of an action as tiny arrows."""
        if action >= actions.COUNT:
            return
        y, side = y + 1.5 * self.unit, 9 * self.unit
        for key, held in enumerate(actions.TABLE[action].tolist()):
            if held:
                arrow = [(x + (key + 0.8 * px) * side, y + 0.8 * py * side) for px, py in ARROWS[key]]
                draw.polygon(arrow, fill=BRAKING if key == 1 else TEXT)

    def _text(
        self, draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: str, anchor: str
    ) -> None:
        font, stroke = self.font[size], max(1, round(self.unit))
        draw.text(at, text, TEXT, font, anchor=anchor, stroke_width=stroke, stroke_fill=(0, 0, 0, 150))
