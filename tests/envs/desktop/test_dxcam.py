"""Pictures by dxcam, of which there is a fake: the package works on Windows only."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.dxcam import DxCam
from btr_tm.envs.desktop.pictures import Crop, grey_of
from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.screen import WindowCapture
from btr_tm.envs.desktop.window import Rect

from .test_screen import FakeWindow

HERE = Rect(10, 20, 64, 48)


class FakeCamera:
    """A screen of noise, and like dxcam nothing where nothing was drawn since the last picture."""

    width, height = 640, 480

    def __init__(self) -> None:
        self.screen = np.random.default_rng(0).integers(0, 256, (480, 640, 4), dtype=np.uint8)
        self.drawn, self.released = True, False

    def grab(self, region: tuple[int, int, int, int]) -> np.ndarray | None:
        assert not self.released
        left, top, right, bottom = region
        drawn, self.drawn = self.drawn, False
        return self.screen[top:bottom, left:right] if drawn else None

    def release(self) -> None:
        self.released = True


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> FakeCamera:
    camera = FakeCamera()

    def create(output_color: str, processor_backend: str) -> FakeCamera:
        assert (output_color, processor_backend) == ("BGRA", "numpy")
        return camera

    imported(monkeypatch, SimpleNamespace(create=create))
    return camera


def imported(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "dxcam", module)


def test_the_part_of_the_screen_that_was_asked_for_is_seen(camera: FakeCamera) -> None:
    pixels = DxCam().grab(HERE)
    assert (pixels.width, pixels.height) == (64, 48)
    assert bytes(pixels.bgra) == camera.screen[20:68, 10:74].tobytes()
    expected = camera.screen[20:68, 10:74, :3] @ np.array([0.114, 0.587, 0.299])
    assert np.abs(grey_of(pixels, 48, 64) - expected).max() <= 1


def test_where_nothing_was_drawn_the_last_picture_is_shown_again(camera: FakeCamera) -> None:
    screen = DxCam()
    first = screen.grab(HERE)
    camera.screen = 255 - camera.screen
    assert screen.grab(HERE) is first
    camera.drawn = True
    assert screen.grab(HERE).bgra != first.bgra
    with pytest.raises(GameLost, match=r"no picture of the screen at 64 x 48 at \(11, 20\) yet"):
        screen.grab(HERE._replace(left=11))


def test_a_window_is_watched_through_it(camera: FakeCamera) -> None:
    now = SimpleNamespace(s=1.0)
    capture = WindowCapture(FakeWindow(), DxCam(), (6, 8), Crop(0, 0, 1, 1), lambda: now.s)
    capture.begin()
    assert capture.frame().unchanged_s == 0
    now.s += 0.4
    assert capture.frame().unchanged_s == pytest.approx(0.4)
    capture.close()
    assert camera.released


def test_a_window_on_another_screen_is_refused(camera: FakeCamera) -> None:
    with pytest.raises(GameLost, match="first screen only, 640 x 480 at .* move the window from 64 x 48"):
        DxCam().grab(HERE._replace(left=600))


def test_what_the_graphics_driver_says_voids_the_race(camera: FakeCamera, monkeypatch) -> None:
    def lost(region: object) -> None:
        raise OSError("access\nlost")

    screen = DxCam()
    monkeypatch.setattr(camera, "grab", lost)
    with pytest.raises(GameLost, match="cannot be photographed at 64 x 48 .*: access lost"):
        screen.grab(HERE)


def test_a_closed_camera_is_let_go_of(camera: FakeCamera) -> None:
    """For dxcam would hand it out again, and it cannot be used any more."""
    screen, before = DxCam(), sys.getrefcount(camera)
    screen.close()
    assert camera.released and sys.getrefcount(camera) == before - 1


def test_it_is_refused_in_a_sentence_elsewhere_than_on_windows() -> None:
    if sys.platform == "win32":
        pytest.skip("this is Windows")
    with pytest.raises(UserError, match="works on Windows only; choose env/screen=mss"):
        DxCam()


def test_it_is_refused_in_a_sentence_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, None)
    with pytest.raises(UserError, match="needs the package dxcam; pip install dxcam"):
        DxCam()


def raises() -> None:
    raise RuntimeError("No primary output found")


@pytest.mark.parametrize(
    ("create", "sentence"),
    [
        (lambda **_: None, "found no screen"),
        (lambda **_: raises(), r"cannot see this screen \(No primary output found\)"),
    ],
)
def test_a_screen_that_it_cannot_see_is_refused_in_a_sentence(create, sentence, monkeypatch) -> None:
    imported(monkeypatch, SimpleNamespace(create=create))
    with pytest.raises(UserError, match=f"dxcam {sentence}.*; choose env/screen=mss"):
        DxCam()
