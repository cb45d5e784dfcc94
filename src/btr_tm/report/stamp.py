"""Drawings that are pasted on the pictures of a film, among them text with or without a plate behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

PLATE, TEXT, OUTLINE = (12, 16, 24, 165), (255, 255, 255, 255), (0, 0, 0, 150)
TEXTS = 4096  # kept: a race of a minute has three thousand clocks
FONTS = {"small": 12, "middle": 16, "large": 24, "huge": 34}  # px in a picture of 360 rows
Ink = tuple[int, int, int, int]


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


class Lettering:
    """Texts for pictures whose rows are `unit` times 360."""

    def __init__(self, unit: float):
        self.unit = unit
        self.font = {name: ImageFont.load_default(size * unit) for name, size in FONTS.items()}
        self.text = lru_cache(TEXTS)(self._text)
        self.plated = lru_cache(TEXTS)(self._plated)

    def _text(self, at: tuple[float, float], text: str, size: str, anchor: str, ink: Ink = TEXT) -> Stamp:
        """Outlined, so that it can be read on any background; `at` and `anchor` as Pillow has them."""
        font, stroke = self.font[size], max(1, round(self.unit))
        left, top, right, bottom = font.getbbox(text, anchor=anchor, stroke_width=stroke)
        stamp = Stamp((at[0] + left, at[1] + top), (right - left, bottom - top))
        inside = at[0] - stamp.corner[0], at[1] - stamp.corner[1]
        with stamp.layer() as draw:
            draw.text(inside, text, OUTLINE, font, anchor=anchor, stroke_width=stroke)
        with stamp.layer() as draw:
            draw.text(inside, text, ink, font, anchor=anchor)
        return stamp

    def _plated(
        self,
        at: tuple[float, float],
        text: str,
        size: str,
        fill: Ink = PLATE,
        ink: Ink = TEXT,
        like: str = "",
    ) -> Stamp:
        """Centred at the top middle `at` of a plate that has room for the text `like`."""
        unit, font = self.unit, self.font[size]
        width, height = self.wide(like or text, size) + 16 * unit, 1.35 * FONTS[size] * unit
        stamp = Stamp((at[0] - width / 2, at[1]), (width, height))
        with stamp.layer() as draw:
            draw.rounded_rectangle((0, 0, width, height), 5 * unit, fill=fill)
        with stamp.layer() as draw:
            draw.text((width / 2, height / 2), text, ink, font, anchor="mm")
        return stamp

    def wide(self, text: str, size: str) -> float:
        """Pixels that a text takes."""
        return self.font[size].getlength(text)
