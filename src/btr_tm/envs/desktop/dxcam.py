"""Pictures of the first screen of a Windows computer by dxcam, which asks the graphics card for them.

Written for dxcam 0.3; it has been run against a stand-in of that package only.
"""

from __future__ import annotations

import sys
from typing import Any  # dxcam has no types

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.envs.desktop.pictures import Pixels
from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.window import Rect


class DxCam:
    """`Grabber` by the Desktop Duplication API. The window must lie on the first screen.

    It has a picture only where something was drawn since the last one: until then that one is shown again.
    """

    def __init__(self) -> None:
        self._camera: Any = camera_of(load_dxcam())
        self._screen = Rect(0, 0, self._camera.width, self._camera.height)
        self._last: tuple[Rect, Pixels] | None = None

    def grab(self, rect: Rect) -> Pixels:
        """As `Grabber.grab`."""
        if not rect.within(self._screen):
            raise GameLost(f"dxcam sees the first screen only, {self._screen}; move the window from {rect}")
        region = (rect.left, rect.top, rect.left + rect.width, rect.top + rect.height)
        try:
            shot = self._camera.grab(region=region)
        except Exception as error:  # whatever the graphics driver says
            raise GameLost(f"the screen cannot be photographed at {rect}: {short(error)}") from error
        if shot is not None:
            self._last = rect, Pixels(np.ascontiguousarray(shot).tobytes(), rect.width, rect.height)
        if self._last is None or self._last[0] != rect:
            raise GameLost(f"dxcam has no picture of the screen at {rect} yet; is the game drawn there?")
        return self._last[1]

    def close(self) -> None:
        """Give the screen back; dxcam hands the same camera out again for as long as anybody holds it."""
        self._camera.release()
        self._camera = None


def load_dxcam() -> Any:
    """The module; UserError where it cannot be had."""
    if sys.platform != "win32":
        raise UserError("env/screen=dxcam works on Windows only; choose env/screen=mss")
    try:
        import dxcam
    except ImportError as error:
        raise UserError(
            "env/screen=dxcam needs the package dxcam; pip install dxcam, or choose env/screen=mss"
        ) from error
    return dxcam


def camera_of(dxcam: Any) -> Any:
    """A camera of the first screen, in colours that need no further package; UserError if there is none."""
    try:
        camera = dxcam.create(output_color="BGRA", processor_backend="numpy")
    except Exception as error:  # whatever the graphics driver says
        raise UserError(f"dxcam cannot see this screen ({short(error)}); choose env/screen=mss") from error
    if camera is None:
        raise UserError("dxcam found no screen to look at; choose env/screen=mss")
    return camera
