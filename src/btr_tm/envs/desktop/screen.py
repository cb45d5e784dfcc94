"""Pictures of a window, taken off the screen: what covers the window would be in them, so that is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.pictures import Crop, Pixels, grey_of
from btr_tm.envs.desktop.protocols import Frame, GameLost
from btr_tm.envs.desktop.window import Rect, Window

BLACK = 8  # the brightest a picture may be, of 255, and still be called black
BLACK_S = 0.5  # a game fades for less
LOOK_ROUND_S = 0.25  # between two looks at what covers the window, which takes milliseconds


class Grabber(Protocol):
    """Takes pictures of the screen."""

    def grab(self, rect: Rect) -> Pixels:
        """What the screen shows there; GameLost if it cannot be had."""
        ...

    def close(self) -> None: ...


class Mss:
    """`Grabber` that works everywhere: shared memory of an X server, GDI on Windows."""

    def __init__(self) -> None:
        try:
            import mss
        except ImportError as error:
            raise UserError("env=desktop needs the package mss; pip install 'btr-tm[desktop]'") from error
        self._error = mss.ScreenShotError
        try:
            self._screen = mss.MSS()
        except mss.ScreenShotError as error:
            raise UserError(f"the screen cannot be photographed: {' '.join(str(error).split())}") from error

    def grab(self, rect: Rect) -> Pixels:
        """As `Grabber.grab`."""
        where = {"left": rect.left, "top": rect.top, "width": rect.width, "height": rect.height}
        try:
            shot = self._screen.grab(where)
        except self._error as error:
            raise GameLost(f"the screen cannot be photographed at {rect}: {error}") from error
        return Pixels(shot.raw, shot.width, shot.height)

    def close(self) -> None:
        """Give the screen back."""
        self._screen.close()


class WindowCapture:
    """`Capture` of a window that stays where it is during a race, in pictures of `size` (height, width)."""

    def __init__(
        self,
        window: Window,
        grabber: Grabber,
        size: tuple[int, int],
        crop: Crop,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.window, self._grabber, self._size, self._crop, self._now = window, grabber, size, crop, now
        self._place = Rect(0, 0, 0, 0)
        self._looked_s = self._changed_s = now()
        self._black_s: float | None = None  # since when
        self._last = np.zeros((0, 0), np.uint8)
        grey_of(Pixels(bytes(4), 1, 1), *size)  # compiled now, and not in a race

    def begin(self) -> None:
        """As `Capture.begin`."""
        place, screen = self.window.rect(), self.window.screen()
        if place is None:
            raise GameLost(f"the window {self.window.title!r} is minimised")
        if not place.within(screen):
            raise GameLost(f"the window {self.window.title!r}, {place}, sticks out of the screen, {screen}")
        self._place = place
        self._look_round()
        self._black_s, self._last = None, np.zeros((0, 0), np.uint8)  # nobody looked meanwhile

    def frame(self) -> Frame:
        """As `Capture.frame`."""
        at_s = self._now()
        if at_s - self._looked_s >= LOOK_ROUND_S:
            self._look_round()
        pixels = self._grabber.grab(self._crop.of(self._place))
        self._refuse_moved()  # afterwards: then the picture was still taken of the right place
        grey = grey_of(pixels, *self._size)
        if not np.array_equal(grey, self._last):
            self._last, self._changed_s = grey, at_s
        self._refuse_black(grey, at_s)
        return Frame(grey, at_s, at_s - self._changed_s)

    def close(self) -> None:
        """As `Capture.close`."""
        self._grabber.close()
        self.window.close()

    def _refuse_black(self, grey: np.ndarray, at_s: float) -> None:
        if grey.max() > BLACK:
            self._black_s = None
        elif self._black_s is None:
            self._black_s = at_s
        elif at_s - self._black_s >= BLACK_S:
            raise GameLost(
                f"the window {self.window.title!r} has been black for {at_s - self._black_s:.1f} s"
            )

    def _refuse_moved(self) -> None:
        place = self.window.rect()
        if place is None:
            raise GameLost(f"the window {self.window.title!r} was minimised")
        if place != self._place:
            raise GameLost(f"the window {self.window.title!r} was at {self._place}, now it is at {place}")

    def _look_round(self) -> None:
        self._looked_s = self._now()
        if over := self.window.covered_by():
            raise GameLost(f"the window {self.window.title!r} is covered by {over}")
