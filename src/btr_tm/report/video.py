"""A race as a film: the colour view with keys, speed, time, action values and a small map on top."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.report.overlay import Overlay
from btr_tm.sim.colour.view import ColourView
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track

PICTURES_AT_ONCE = 8
SUFFIXES = (".mp4", ".mkv", ".mov", ".gif")  # that PyAV and Pillow take these pictures for
# A third of the time of "veryfast" at its usual quality, for files twice as large: 4 MB for a race on A01.
ENCODING = {"crf": "25", "preset": "ultrafast"}


class Mp4Writer:
    """Pictures (H, W, 3) uint8 of one size to H.264; sizes must be even."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]):
        import av  # takes a while: only where films are made

        self.container = av.open(str(path), mode="w")
        rate = Fraction(fps).limit_denominator(1000)
        self.stream = self.container.add_stream("libx264", rate=rate, options=ENCODING)
        self.stream.height, self.stream.width = size
        self.stream.pix_fmt = "yuv420p"
        self._frame = av.VideoFrame.from_ndarray

    def add(self, picture: np.ndarray) -> None:
        """The next picture."""
        self.container.mux(self.stream.encode(self._frame(np.ascontiguousarray(picture), format="rgb24")))

    def close(self) -> None:
        """Ends the file."""
        self.container.mux(self.stream.encode())
        self.container.close()


class GifWriter:
    """Pictures to an animated GIF with 128 colours: larger and coarser, but needs no video library."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]):
        self.path = path
        self.pictures: list[Image.Image] = []
        self.milliseconds = round(1000 / fps)

    def add(self, picture: np.ndarray) -> None:
        """The next picture."""
        self.pictures.append(Image.fromarray(picture).quantize(128))

    def close(self) -> None:
        """Writes the file."""
        first, *rest = self.pictures
        first.save(self.path, save_all=True, append_images=rest, duration=self.milliseconds, loop=0)


class Film:
    """Context that writes pictures to `path`: MP4, or GIF where the suffix or a missing PyAV asks for it."""

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]):
        if size[0] % 2 or size[1] % 2:
            raise UserError(f"the height and width of a video must be even, got {size[0]} x {size[1]}")
        self.path = Path(path)
        if self.path.suffix not in SUFFIXES:
            raise UserError(f"the name of a film must end in {' or '.join(SUFFIXES)}, got {path}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kind = GifWriter if self.path.suffix == ".gif" else Mp4Writer
        try:
            self.writer = kind(self.path, fps, size)
        except ImportError:
            self.path = self.path.with_suffix(".gif")
            self.writer = GifWriter(self.path, fps, size)

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()
        if error is not None:  # half a film
            self.path.unlink(missing_ok=True)

    def add(self, picture: np.ndarray) -> None:
        """The next picture (H, W, 3) uint8."""
        self.writer.add(picture)


def write_film(path: str | Path, pictures: Iterable[np.ndarray], fps: float) -> Path:
    """Writes pictures (H, W, 3) uint8 and returns the path, whose suffix may have become .gif."""
    pictures = iter(pictures)
    first = next(pictures)
    with Film(path, fps, first.shape[:2]) as film:
        film.add(first)
        for picture in pictures:
            film.add(picture)
    return film.path


def race_video(
    path: str | Path,
    track: Track,
    poses: Pose,
    actions: Tensor,
    times: Tensor,
    q: Tensor | None = None,
    size: tuple[int, int] = (360, 640),
    title: str = "",
    progress: Progress | None = None,
) -> Path:
    """Renders one race, one picture per decision, and returns where it was written.

    poses: leading axis T, one per decision; actions (T,) int64; times (T,) race time in ms, evenly spaced;
    q (T, A) action values or None; size (height, width), even. A 25 s race takes a few seconds.
    """
    assert len(actions) == len(times) == len(poses.s_m), (len(actions), len(times), len(poses.s_m))
    view, overlay = ColourView(track, *size), Overlay(track, size, title)
    step_ms = float(times[1] - times[0]) if len(times) > 1 else 50.0
    values = q.detach().cpu().float() if q is not None else torch.zeros(len(actions), 0)
    speed_kmh = 3.6 * poses.velocity.detach().cpu().float().norm(dim=1)
    with Film(path, 1000 / step_ms, size) as film, progress or Progress(transient=True) as bar:
        task = bar.add_task("film", total=len(actions))
        for start in range(0, len(actions), PICTURES_AT_ONCE):
            stop = min(start + PICTURES_AT_ONCE, len(actions))
            pictures = view(Pose(*(field[start:stop] for field in poses))).numpy()
            for at, picture in zip(range(start, stop), pictures, strict=True):
                film.add(
                    overlay(
                        picture,
                        poses.position[at],
                        int(actions[at]),
                        float(speed_kmh[at]),
                        int(times[at]),
                        values[at],
                    )
                )
                bar.advance(task)
    return film.path
