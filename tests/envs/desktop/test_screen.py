"""Pictures of a window, of a screen that is made up."""

from __future__ import annotations

import ctypes
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.pictures import Crop, Pixels, grey_of
from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.screen import BLACK_S, WindowCapture
from btr_tm.envs.desktop.win32 import find_with
from btr_tm.envs.desktop.window import Rect
from btr_tm.envs.desktop.window_game import WindowGame


class FakeWindow:
    title = "Game"

    def rect(self) -> Rect | None:
        return Rect(10, 20, 64, 48)

    def screen(self) -> Rect:
        return Rect(0, 0, 640, 480)

    def covered_by(self) -> str:
        return ""

    def focused(self) -> bool:
        return True

    def close(self) -> None: ...


class FakeScreen:
    """Shows one grey; remembers which part it was asked for."""

    def __init__(self) -> None:
        self.grey, self.asked = 100, Rect(0, 0, 0, 0)

    def grab(self, rect: Rect) -> Pixels:
        self.asked = rect
        return Pixels(bytes([self.grey] * (4 * rect.width * rect.height)), rect.width, rect.height)

    def close(self) -> None: ...


@pytest.fixture
def screen() -> FakeScreen:
    return FakeScreen()


@pytest.fixture
def now() -> SimpleNamespace:
    return SimpleNamespace(s=5.0)


@pytest.fixture
def capture(screen: FakeScreen, now: SimpleNamespace) -> WindowCapture:
    capture = WindowCapture(FakeWindow(), screen, (6, 8), Crop(0.25, 0, 1, 0.5), lambda: now.s)
    capture.begin()
    return capture


def test_luma_and_means_of_areas_equal_the_slow_way() -> None:
    bgra = np.random.default_rng(0).integers(0, 256, (48, 64, 4), dtype=np.uint8)
    slow = bgra[..., :3].astype(float) @ [0.114, 0.587, 0.299]
    slow = slow.reshape(6, 8, 8, 8).mean((1, 3))
    grey = grey_of(Pixels(bgra.tobytes(), 64, 48), 6, 8)
    assert grey.dtype == np.uint8 and np.abs(grey - slow).max() <= 0.501


@pytest.mark.parametrize("size", [(7, 5), (48, 64), (50, 70), (1, 1), (13, 64)])
def test_areas_that_cut_pixels_take_their_share_of_them(size: tuple[int, int]) -> None:
    bgra = np.random.default_rng(1).integers(0, 256, (48, 64, 4), dtype=np.uint8)
    luma = bgra[..., :3].astype(float) @ [0.114, 0.587, 0.299]
    down, across = (shares(small, large) for small, large in zip(size, luma.shape, strict=True))
    grey = grey_of(Pixels(bgra.tobytes(), 64, 48), *size)
    assert np.abs(grey - down @ luma @ across.T).max() <= 0.51
    even = np.full((48, 64, 4), 137, np.uint8)
    assert (grey_of(Pixels(even.tobytes(), 64, 48), *size) == 137).all()


def shares(small: int, large: int) -> np.ndarray:
    """(small, large): how much of each of `small` areas each pixel is, by brute force in a fine grid."""
    fine = np.zeros((small, large))
    for part in range(small * large):
        fine[part // large, part // small] += 1 / large
    return fine


def test_a_picture_of_640_x_480_takes_less_than_2_ms() -> None:
    pixels = Pixels(bytearray(640 * 480 * 4), 640, 480)
    took = []
    for _ in range(20):
        began = time.thread_time()
        grey_of(pixels, 120, 160)
        took.append(time.thread_time() - began)
    assert min(took) < 0.002


def test_the_part_of_the_window_that_was_asked_for_is_seen(
    capture: WindowCapture, screen: FakeScreen
) -> None:
    assert (capture.frame().grey == 100).all()
    assert screen.asked == Rect(26, 20, 48, 24)
    with pytest.raises(UserError, match="env.game.crop"):
        Crop(0.5, 0, 0.5, 1)


def test_it_is_known_since_when_the_picture_is_the_same(
    capture: WindowCapture, screen: FakeScreen, now: SimpleNamespace
) -> None:
    assert capture.frame().unchanged_s == 0
    now.s += 0.3
    assert capture.frame().unchanged_s == pytest.approx(0.3)
    screen.grey = 50
    assert capture.frame().unchanged_s == 0


def test_a_window_that_stays_black_ends_the_race(
    capture: WindowCapture, screen: FakeScreen, now: SimpleNamespace
) -> None:
    screen.grey = 0
    now.s += 9.0  # nobody looked at a countdown
    capture.frame()  # a game may fade
    now.s += BLACK_S / 2
    capture.frame()
    now.s += BLACK_S
    with pytest.raises(GameLost, match="black for 0.8 s"):
        capture.frame()


class FakeUser32:
    """Two windows of Windows; the second is called Trackmania, the first may cover it."""

    def __init__(self) -> None:
        self.titles = {1: "Other", 2: "Trackmania"}
        self.minimised = self.covered = False
        self.open = True

    def SetProcessDpiAwarenessContext(self, context) -> None: ...

    def EnumWindows(self, each, argument) -> int:
        return all(each(handle, argument) for handle in self.titles)

    def IsWindowVisible(self, handle: int) -> bool:
        return True

    def IsIconic(self, handle: int) -> bool:
        return self.minimised

    def GetWindowTextW(self, handle: int, text, longest: int) -> None:
        text.value = self.titles[handle]

    def GetClientRect(self, handle: int, rect) -> bool:
        rect._obj.right, rect._obj.bottom = 640, 480
        return self.open

    def ClientToScreen(self, handle: int, corner) -> bool:
        corner._obj.x, corner._obj.y = 108, 131
        return self.open

    def GetSystemMetrics(self, which: int) -> int:
        return {76: -1920, 77: 0, 78: 3840, 79: 1080}[which]

    def WindowFromPoint(self, point: ctypes.Structure) -> int:
        return 1 if self.covered and point.x > 700 else 2

    def GetAncestor(self, handle: int, which: int) -> int:
        return handle

    def GetForegroundWindow(self) -> int:
        return 2


def test_a_window_of_windows_is_watched_too() -> None:
    user32 = FakeUser32()
    window = find_with(user32, "Trackmania")
    assert window.rect() == Rect(108, 131, 640, 480) and window.screen() == Rect(-1920, 0, 3840, 1080)
    assert window.focused() and not window.covered_by()
    user32.covered = True
    assert window.covered_by() == "another window (Other)"
    user32.minimised = True
    assert window.rect() is None
    user32.minimised = user32.open = False
    with pytest.raises(GameLost, match="closed"):
        window.rect()
    with pytest.raises(UserError, match="windows: 'Other', 'Trackmania'"):
        find_with(user32, "Forza")


class Gone(Exception):
    """Controls that cannot be had."""


def test_a_game_opens_its_devices_and_closes_all_of_them_if_one_cannot_be_had() -> None:
    closed: list[str] = []
    window, telemetry, controls = (
        SimpleNamespace(close=partial(closed.append, name)) for name in ("window", "telemetry", "controls")
    )

    def refused(window: object) -> object:
        raise Gone

    game = WindowGame(
        "Game", Crop(0, 0, 1, 1), object, lambda: telemetry, lambda _: controls, lambda title: window
    )
    devices = game.open((0, 0))
    assert devices.capture.frame().grey.size == 0 and closed == []
    devices.close()
    assert closed == ["controls", "window", "telemetry"]
    closed.clear()
    with pytest.raises(Gone):
        replace(game, controls=refused).open((0, 0))
    assert sorted(closed) == ["telemetry", "window"]


def test_a_window_that_was_there_may_come_back_and_one_that_never_was_is_refused() -> None:
    there = [False]
    device = SimpleNamespace(close=lambda: None)

    def find(title: str) -> object:
        if not there[0]:
            raise UserError("no window has that title")
        return device

    game = WindowGame("Game", Crop(0, 0, 1, 1), object, lambda: device, lambda _: device, find)
    with pytest.raises(UserError) as never:
        game.open((0, 0))
    assert not isinstance(never.value, GameLost)
    there[0] = True
    game.open((0, 0)).close()
    there[0] = False
    with pytest.raises(GameLost, match="no window has that title"):
        game.open((0, 0))
