"""An X server without a screen, and windows on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SIZE = (640, 480)
needs_x = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")


@contextmanager
def x_server() -> Iterator[str]:
    """The DISPLAY of a server of its own; it says itself when it listens, and on which display."""
    read, write = os.pipe()
    words = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        "{}x{}x24".format(*SIZE),
        "-r",
        "-noreset",
        "-nolisten",
        "tcp",
    ]
    server = subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as said:
            yield f":{int(said.readline())}"
    finally:
        server.terminate()
        server.wait()


class Desk:
    """Windows of one client, as a game would make them."""

    def __init__(self, name: str) -> None:
        from Xlib import display

        self.display = display.Display(name)
        self.root = self.display.screen().root

    def window(self, title: str, place=(10, 20, 320, 240), colour: int = 0x808080, inside=None, border=0):
        """A window that shows one colour, 0xRRGGBB."""
        from Xlib import X

        inside = inside or self.root
        window = inside.create_window(*place, border, X.CopyFromParent, background_pixel=colour)
        window.set_wm_name(title)
        window.map()
        self.display.sync()
        return window

    def do(self, *_: object) -> None:
        """What was asked has been done."""
        self.display.sync()
