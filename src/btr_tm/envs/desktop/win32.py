"""Windows of Windows, through user32."""

from __future__ import annotations

import ctypes
import sys
from ctypes import byref, wintypes
from typing import Any  # a DLL has no types

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.window import Rect, Window, only_one

EACH_MONITOR = -4  # DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2: pixels are those of the screen
VIRTUAL_LEFT, VIRTUAL_TOP, VIRTUAL_WIDTH, VIRTUAL_HEIGHT = 76, 77, 78, 79  # SM_XVIRTUALSCREEN and so on
TOP_LEVEL = 2  # GA_ROOT
LONGEST_TITLE = 256


def find(title: str) -> Window:
    """The visible window with that title; UserError as `find_window`."""
    return find_with(_user32(), title)


def find_with(user32: Any, title: str) -> Window:
    """As `find`, with a user32.dll, or what stands in for it."""
    user32.SetProcessDpiAwarenessContext(ctypes.c_void_p(EACH_MONITOR))
    handles: list[int] = []

    @ctypes.CFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
    def note(handle: int, _: int) -> bool:
        if user32.IsWindowVisible(handle):
            handles.append(handle)
        return True

    if not user32.EnumWindows(note, 0):
        raise UserError("Windows does not list its windows; start this in the session where the game runs")
    titles = [_text(user32, handle) for handle in handles]
    found = [Win32Window(user32, h, title) for h, name in zip(handles, titles, strict=True) if name == title]
    return only_one(title, found, titles)


class Win32Window:
    """`Window` of Windows."""

    def __init__(self, user32: Any, handle: int, title: str) -> None:
        self._user32, self._handle, self.title = user32, handle, title

    def rect(self) -> Rect | None:
        """As `Window.rect`."""
        size, corner = wintypes.RECT(), wintypes.POINT()
        if self._user32.IsIconic(self._handle):
            return None
        there = self._user32.GetClientRect(self._handle, byref(size))
        if not there or not self._user32.ClientToScreen(self._handle, byref(corner)):
            raise GameLost(f"the window {self.title!r} was closed")
        return Rect(corner.x, corner.y, size.right, size.bottom)

    def screen(self) -> Rect:
        """As `Window.screen`: all monitors."""
        metric = self._user32.GetSystemMetrics
        return Rect(*map(metric, (VIRTUAL_LEFT, VIRTUAL_TOP, VIRTUAL_WIDTH, VIRTUAL_HEIGHT)))

    def covered_by(self) -> str:
        """As `Window.covered_by`, at nine points: what lies between them is not noticed."""
        rect = self.rect()
        if rect is None:
            return ""
        for part_x in (0, 0.5, 1):
            for part_y in (0, 0.5, 1):
                x = rect.left + int(part_x * (rect.width - 1))
                y = rect.top + int(part_y * (rect.height - 1))
                there = self._user32.WindowFromPoint(wintypes.POINT(x, y))
                if self._user32.GetAncestor(there, TOP_LEVEL) != self._handle:
                    return f"another window ({_text(self._user32, there) or 'without a title'})"
        return ""

    def focused(self) -> bool:
        """As `Window.focused`."""
        return bool(self._user32.GetForegroundWindow() == self._handle)

    def close(self) -> None:
        """As `Window.close`."""


def _text(user32: Any, handle: int) -> str:
    text = ctypes.create_unicode_buffer(LONGEST_TITLE)
    user32.GetWindowTextW(handle, text, LONGEST_TITLE)
    return text.value


def _user32() -> Any:
    if sys.platform != "win32":
        raise UserError(f"user32 is a part of Windows, this is {sys.platform}")
    user32 = ctypes.WinDLL("user32", use_last_error=True)
    handle, point = wintypes.HWND, wintypes.POINT
    user32.GetForegroundWindow.restype = handle
    user32.WindowFromPoint.argtypes, user32.WindowFromPoint.restype = [point], handle
    user32.GetAncestor.argtypes, user32.GetAncestor.restype = [handle, wintypes.UINT], handle
    for name in ("IsWindowVisible", "IsIconic"):
        getattr(user32, name).argtypes = [handle]
    user32.GetClientRect.argtypes = [handle, wintypes.LPRECT]
    user32.ClientToScreen.argtypes = [handle, wintypes.LPPOINT]
    user32.GetWindowTextW.argtypes = [handle, wintypes.LPWSTR, ctypes.c_int]
    return user32
