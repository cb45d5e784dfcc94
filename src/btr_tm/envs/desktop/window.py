"""Windows of this computer: found by their title, watched while we drive in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from btr_tm.core.errors import UserError

MOST_TITLES = 5  # named in an error


class Rect(NamedTuple):
    """A part of the screen, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def overlaps(self, other: Rect) -> bool:
        """Whether they share a pixel."""
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.top < other.top + other.height and other.top < self.top + self.height

    def within(self, other: Rect) -> bool:
        """Whether no pixel lies outside of `other`."""
        right, bottom = other.left + other.width, other.top + other.height
        inside = self.left >= other.left and self.top >= other.top
        return inside and self.left + self.width <= right and self.top + self.height <= bottom

    def __str__(self) -> str:
        return f"{self.width} x {self.height} at ({self.left}, {self.top})"


class Window(Protocol):
    """A window of a game. What it says is of this moment; GameLost if it was closed."""

    title: str

    def rect(self) -> Rect | None:
        """Where its contents are on the screen, without frame and title bar; None while it is minimised."""
        ...

    def screen(self) -> Rect:
        """All that can be photographed."""
        ...

    def covered_by(self) -> str:
        """What lies over it, in words, or nothing; slower than `rect`."""
        ...

    def focused(self) -> bool:
        """Whether keys reach it."""
        ...

    def close(self) -> None:
        """Watch it no more; the window stays."""
        ...


def find_window(title: str) -> Window:
    """The one window with that title; UserError if there is none, or several, or no screen."""
    if sys.platform == "win32":
        from btr_tm.envs.desktop.win32 import find
    elif sys.platform.startswith("linux"):
        refuse_wayland()
        from btr_tm.envs.desktop.x11 import find
    else:
        raise UserError(f"env=desktop works on Windows and Linux, this is {sys.platform}")
    return find(title)


def refuse_wayland() -> None:
    """UserError under Wayland: programs cannot see each other there."""
    if os.environ.get("XDG_SESSION_TYPE") == "wayland":
        raise UserError(
            "a Wayland session shows programs no windows but their own; log in to an X11 session, or start "
            "the game and this program in a nested X server (Xephyr) with XDG_SESSION_TYPE=x11"
        )


def only_one(title: str, matches: Sequence[Window], titles: Sequence[str]) -> Window:
    """The match; UserError, which names some of the `titles` there are, unless it is the only one."""
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(f"{len(matches)} windows have the title {title!r}; close all but one")
    seen = sorted({name[:60] for name in titles if name})
    more = ", ..." if len(seen) > MOST_TITLES else ""
    others = ", ".join(map(repr, seen[:MOST_TITLES])) + more if seen else "none"
    raise UserError(
        f"no window has the title {title!r}; start the game in a window, or set env.game.title (windows: "
        f"{others})"
    )
