"""The window, on a display that nobody sees: posted keys drive the game, and errors are one sentence."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from btr_tm.cli.commands import play
from btr_tm.cli.commands.watch import raced
from btr_tm.core.errors import UserError
from btr_tm.play.game import Game, Phase
from btr_tm.play.picture import Picture
from btr_tm.play.records import Records
from btr_tm.play.window import Window, run
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.redrive import redrive_all
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.track.load import load_track

pygame = pytest.importorskip("pygame")
SIZE = (36, 64)
TRACK = load_track("oval")


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    opened = Window(SIZE, "test")
    yield opened
    opened.close()


@pytest.fixture
def game(tmp_path) -> Game:
    return Game(TRACK, [], Records(TRACK, tmp_path))


def press(key: int, kind: int = pygame.KEYDOWN) -> None:
    pygame.event.post(pygame.event.Event(kind, key=key))


def test_posted_keys_drive_restart_pause_and_leave(window, game):
    game.clock_ms = 0.0
    press(pygame.K_UP)
    press(pygame.K_LEFT)
    window.answer(game)
    game.advance(10)
    press(pygame.K_LEFT, pygame.KEYUP)
    window.answer(game)
    game.advance(10)
    assert game.lap.actions == [1, 0]
    press(pygame.K_p)
    window.answer(game)
    assert game.paused
    press(pygame.K_BACKSPACE)
    window.answer(game)
    assert game.phase is Phase.COUNTDOWN and not game.paused and not game.lap.actions
    press(pygame.K_ESCAPE)
    window.answer(game)
    assert not window.open


def test_a_window_that_loses_the_keyboard_pauses(window, game):
    press(pygame.K_UP)
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    window.answer(game)
    assert game.paused and game.keyboard.take() == 3


def test_a_run_shows_pictures_of_the_clock_until_the_window_is_closed(window, game):
    """The clock is ours, so that a slow machine drives the same."""
    picture, moments, shown = Picture(game, SIZE), iter(i / 60 for i in range(10**6)), []

    def draw():
        shown.append(np.asarray(picture.draw()))
        assert len(shown) < 500
        if game.phase is Phase.COUNTDOWN:
            press(pygame.K_UP)
        if game.lap.time_ms > 200:
            press(pygame.K_ESCAPE)
        return picture.draw()

    run(window, game, draw, lambda: next(moments))
    assert game.lap.time_ms > 200 and game.lap.metres > 0
    assert (shown[0] != shown[-1]).any() and pygame.surfarray.array3d(window.surface).shape == (64, 36, 3)


def test_every_moment_of_a_game_can_be_drawn(game):
    picture = Picture(game, SIZE)

    def changed(before: np.ndarray) -> np.ndarray:
        after = np.asarray(picture.draw()).copy()
        assert (after != before).any()
        return after

    seen = changed(np.zeros((*SIZE, 3), np.uint8))  # the countdown
    game.clock_ms = 0.0
    game.keyboard.press(0)
    game.advance(20)
    seen = changed(seen)  # GO
    game.toggle_pause()
    seen = changed(seen)
    game.toggle_pause()
    author = InputsFile.read("src/btr_tm/sim/tracks/oval.author.inputs").actions.tolist()
    game.restart()
    for row in author:
        game.lap.tick(row)
    assert game.lap.finished
    changed(seen)


def test_without_pygame_or_a_screen_there_is_one_sentence(tmp_path, monkeypatch):
    arguments = ["--laps", str(tmp_path / "laps"), "--track", "oval"]
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pygame", None)
        with pytest.raises(SystemExit, match=r"the window needs pygame-ce; install it with .*\[play\]"):
            play.main(arguments)
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform == "linux":
        with pytest.raises(UserError, match="there is no screen to open a window on"):
            Window(SIZE, "test")


def test_the_recorded_race_of_the_driver_that_ships_drives_to_its_time():
    track = load_track("a01")
    file = play.shipped_race(track)
    (race,) = redrive_all(track, [file.actions], KernelWorld)
    assert race.finished and race.time_ms == file.time_ms


@pytest.mark.slow
def test_the_recorded_race_is_about_that_of_the_driver_that_ships_now():
    """About, as another machine may round otherwise; a new driver asks for a new record."""
    _, racer = raced(None, play.parser().parse_args(["--device", "cpu"]))
    assert abs(racer.race.time_ms - play.shipped_race(load_track("a01")).time_ms) < 1000


@pytest.mark.parametrize(
    ("track", "against", "names"),
    [
        ("a01", None, ["trained driver", "author"]),
        ("oval", None, ["author"]),
        ("a01", ["author"], ["author"]),
    ],
)
def test_who_races_along(track, against, names, tmp_path):
    arguments = play.parser().parse_args(["--laps", str(tmp_path)])
    arguments.against = against
    assert [each.name for each in play.rivals(load_track(track), arguments)] == names
