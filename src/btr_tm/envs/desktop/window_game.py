"""A game in a window of this computer, found by the title of the window."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.pictures import Crop
from btr_tm.envs.desktop.protocols import Capture, Controls, Frame, GameLost, Telemetry
from btr_tm.envs.desktop.racing import Devices
from btr_tm.envs.desktop.screen import Grabber, WindowCapture
from btr_tm.envs.desktop.window import Window, find_window


@dataclass
class WindowGame:
    """`Game`: pictures of its window, its telemetry, and controls that see whether it has the focus."""

    title: str
    crop: Crop
    screen: Callable[[], Grabber]
    telemetry: Callable[[], Telemetry]
    controls: Callable[[Window], Controls]
    find: Callable[[str], Window] = find_window
    _was_there: bool = field(default=False, init=False)  # the window

    def listen(self) -> Telemetry:
        """As `Game.listen`."""
        return self.telemetry()

    def open(self, size: tuple[int, int]) -> Devices:
        """As `Game.open`; what was opened is closed again if the rest cannot be."""
        with ExitStack() as undo:
            window = self._found()
            undo.callback(window.close)
            capture: Capture = (
                WindowCapture(window, self.screen(), size, self.crop) if any(size) else NoPictures(window)
            )
            undo.pop_all()
            undo.callback(capture.close)  # which closes the window too
            telemetry = self.telemetry()
            undo.callback(telemetry.close)
            controls = self.controls(window)
            undo.pop_all()
        return Devices(telemetry, controls, capture)

    def _found(self) -> Window:
        """The window; one that has been there, and was closed, may come back."""
        try:
            window = self.find(self.title)
        except UserError as error:
            if self._was_there:
                raise GameLost(str(error)) from error
            raise
        self._was_there = True
        return window


@dataclass(frozen=True)
class NoPictures:
    """`Capture` for a driver that looks at no picture."""

    window: Window

    def begin(self) -> None:
        """Nothing needs to be seen."""

    def frame(self) -> Frame:
        """Empty."""
        return Frame(np.zeros((0, 0), np.uint8), 0.0, 0.0)

    def close(self) -> None:
        """Watch the window no more."""
        self.window.close()
