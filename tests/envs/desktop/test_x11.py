"""Windows of a real X server: where they are, what lies over them, and what is seen of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.pictures import Crop
from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.screen import LOOK_ROUND_S, Mss, WindowCapture
from btr_tm.envs.desktop.window import Rect, find_window

from .xserver import Desk, needs_x, x_server

pytest.importorskip("Xlib", reason="python-xlib is not installed")
pytest.importorskip("mss", reason="mss is not installed")
pytestmark = needs_x
WHOLE = Crop(0, 0, 1, 1)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


@pytest.fixture
def desk(display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    desk = Desk(display)
    yield desk
    desk.display.close()  # its windows go with it


class Time:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_window_is_found_where_a_window_manager_put_it(desk: Desk) -> None:
    frame = desk.window("a frame", (100, 60, 340, 280))
    game = desk.window("Trackmania", (7, 23, 300, 200), inside=frame, border=2)
    desk.window("Other", (0, 0, 50, 50))
    window = find_window("Trackmania")
    assert window.rect() == Rect(109, 85, 300, 200)  # borders are not counted to what is inside of them
    assert window.screen() == Rect(0, 0, 640, 480)
    desk.do(frame.configure(x=20, y=30))
    assert window.rect() == Rect(29, 55, 300, 200)
    assert not window.focused()
    desk.do(game.set_input_focus(0, 0))
    assert window.focused()
    desk.do(frame.unmap())
    assert window.rect() is None
    window.close()


@pytest.mark.parametrize(
    "titles, words", [(["One", "Two"], "windows: 'One', 'Two'"), (["Game"] * 2, "2 windows")]
)
def test_it_is_said_which_windows_there_are(desk: Desk, titles: list[str], words: str) -> None:
    for title in titles:
        desk.window(title)
    with pytest.raises(UserError, match=words):
        find_window("Game")


def test_without_a_screen_it_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    with pytest.raises(UserError, match="no screen to look at"):
        find_window("Game")
    with pytest.raises(UserError, match="cannot be photographed"):
        Mss()
    monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
    with pytest.raises(UserError, match="Wayland"):
        find_window("Game")


def test_pictures_are_of_the_window_alone(desk: Desk) -> None:
    game = desk.window("Game", (11, 21, 320, 240), 0xFF0000)
    desk.window("", (160, 0, 160, 240), 0x0000FF, inside=game)
    capture = WindowCapture(find_window("Game"), Mss(), (24, 32), WHOLE)
    capture.begin()
    grey = capture.frame().grey
    expected = np.repeat([76, 29], 16)  # red and blue, as BT.601 weighs them
    assert grey.shape == (24, 32) and (grey == expected).all()
    capture.close()


@pytest.mark.parametrize(
    "happens, words",
    [
        (lambda desk, game: game.configure(x=30), r"was at 320 x 240 at \(10, 20\), now it is at"),
        (lambda desk, game: game.configure(width=300), "now it is at 300 x 240"),
        (lambda desk, game: game.unmap(), "minimised"),
        (lambda desk, game: game.destroy(), "closed"),
        (lambda desk, game: desk.window("Chat", (0, 0, 20, 30)), r"covered by another window \(Chat\)"),
    ],
)
def test_a_window_that_changes_ends_the_race(desk: Desk, happens, words: str) -> None:
    game = desk.window("Game")
    now = Time()
    capture = WindowCapture(find_window("Game"), Mss(), (24, 32), WHOLE, now)
    capture.begin()
    now.s += LOOK_ROUND_S
    assert (capture.frame().grey == 128).all()
    desk.do(happens(desk, game))
    now.s += LOOK_ROUND_S
    with pytest.raises(GameLost, match=words):
        capture.frame()
    capture.close()


def test_the_next_race_begins_where_the_window_then_is(desk: Desk) -> None:
    game = desk.window("Game")
    capture = WindowCapture(find_window("Game"), Mss(), (24, 32), WHOLE)
    capture.begin()
    desk.do(game.configure(x=400))
    with pytest.raises(GameLost, match="sticks out of the screen"):
        capture.begin()
    desk.do(game.configure(x=300))
    capture.begin()
    assert (capture.frame().grey == 128).all()
    capture.close()
