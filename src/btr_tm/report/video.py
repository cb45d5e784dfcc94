"""Pictures to films: MP4, or GIF where there is no video library."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from btr_tm.core.errors import UserError

GIF_FPS, GIF_WIDTH = 25, 640
SUFFIXES = (".mp4", ".mkv", ".mov", ".gif")  # that PyAV and Pillow take these pictures for
# A third of the time of "veryfast" at its usual quality, for files twice as large: 16 MB for a race on A01.
QUICK = {"crf": "28", "preset": "ultrafast"}
COMPACT = {"crf": "36", "preset": "slow"}


class Mp4Writer:
    """Pictures of one size to H.264; sizes must be even."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int], encoding: Mapping[str, str]):
        import av  # takes a while: only where films are made

        self.container = av.open(str(path), mode="w")
        rate = Fraction(fps).limit_denominator(1000)
        self.stream = self.container.add_stream("libx264", rate=rate, options=dict(encoding))
        self.stream.height, self.stream.width = size
        self.stream.pix_fmt = "yuv420p"
        self._frame = av.VideoFrame.from_ndarray

    def add(self, picture: Image.Image) -> None:
        """The next picture."""
        self.container.mux(self.stream.encode(self._frame(np.asarray(picture), format="rgb24")))

    def close(self) -> None:
        """Ends the file."""
        self.container.mux(self.stream.encode())
        self.container.close()

    def give_up(self) -> None:
        """Leaves half a file."""
        self.container.close()


class GifWriter:
    """Pictures to an animated GIF with 128 colours: coarser, but needs no video library.

    It has at most GIF_FPS pictures a second, none wider than GIF_WIDTH: all of them are held in memory.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]):
        self.path = path
        self.pictures: list[Image.Image] = []
        self.every = max(1, round(fps / GIF_FPS))
        self.milliseconds = round(1000 * self.every / fps)
        self.shrunk = -(-size[1] // GIF_WIDTH)
        self.count = 0

    def add(self, picture: Image.Image) -> None:
        """The next picture."""
        if self.count % self.every == 0:
            self.pictures.append(picture.reduce(self.shrunk).quantize(128))
        self.count += 1

    def close(self) -> None:
        """Writes the file."""
        first, *rest = self.pictures
        first.save(self.path, save_all=True, append_images=rest, duration=self.milliseconds, loop=0)

    def give_up(self) -> None:
        """Leaves nothing."""


class Film:
    """Context that writes pictures to `path`: MP4, or GIF where the suffix or a missing PyAV asks for it."""

    def __init__(
        self, path: str | Path, fps: float, size: tuple[int, int], encoding: Mapping[str, str] = QUICK
    ):
        if size[0] % 2 or size[1] % 2:
            raise UserError(f"the height and width of a video must be even, got {size[0]} x {size[1]}")
        self.path = Path(path)
        if self.path.suffix not in SUFFIXES:
            raise UserError(f"the name of a film must end in {' or '.join(SUFFIXES)}, got {path}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kind = GifWriter if self.path.suffix == ".gif" else partial(Mp4Writer, encoding=encoding)
        try:
            self.writer = kind(self._draft, fps, size)
        except ImportError:
            self.path = self.path.with_suffix(".gif")
            self.writer = GifWriter(self._draft, fps, size)

    @property
    def _draft(self) -> Path:
        """Where it is written until it is whole; an earlier film stays until then."""
        return self.path.with_name(f".{self.path.stem}.draft{self.path.suffix}")

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.writer.close()
            os.replace(self._draft, self.path)
        else:  # half a film
            self.writer.give_up()
            self._draft.unlink(missing_ok=True)

    def add(self, picture: Image.Image) -> None:
        """The next picture."""
        self.writer.add(picture)


def write_film(path: str | Path, pictures: Iterable[np.ndarray], fps: float) -> Path:
    """Writes pictures (H, W, 3) uint8 and returns the path, whose suffix may have become .gif."""
    pictures = iter(pictures)
    first = next(pictures)
    with Film(path, fps, first.shape[:2]) as film:
        film.add(Image.fromarray(first))
        for picture in pictures:
            film.add(Image.fromarray(picture))
    return film.path
