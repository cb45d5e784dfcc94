"""The window: keys go to the game, pictures come from it. All of pygame is in this file."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from btr_tm.core.errors import UserError
from btr_tm.play.game import Game, Phase
from btr_tm.play.pad import Pad
from btr_tm.race.actions import KEYS

if TYPE_CHECKING:
    from pygame.event import Event

PICTURES_PER_S = 60
FULL = 32767  # of an axis, as SDL counts
UNSEEN = "offscreen"  # what SDL takes, without a word, where it finds no display


class Shown(NamedTuple):
    """What a window has shown until it was closed."""

    pictures: int
    seconds: float


def load_pygame() -> ModuleType:
    """pygame, which is an extra; UserError that says how to install it."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own import uses what newer Pythons warn of
            import pygame
    except ImportError as error:
        raise UserError(
            'the window needs pygame-ce; install it with python -m pip install -e ".[play]"'
        ) from error
    return pygame


class Window:
    """A window for pictures of a `size` (height, width), which it scales to its own; close it after use.

    One of a `fixed` size shows each pixel as it is.
    """

    def __init__(
        self, size: tuple[int, int], title: str, full_screen: bool = False, fixed: bool = False
    ) -> None:
        self.pygame = pygame = load_pygame()
        scaled = pygame.SCALED | (pygame.FULLSCREEN if full_screen else pygame.RESIZABLE)
        flags = 0 if fixed else scaled
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the display has no graphics card
                pygame.display.init()
                if pygame.display.get_driver() == UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
                    raise pygame.error("no display")
                self.surface = pygame.display.set_mode(size[::-1], flags)
        except pygame.error as error:
            pygame.display.quit()
            raise UserError(
                f"there is no screen to open a window on ({error}); start this on a machine with a screen"
            ) from error
        pygame.display.set_caption(title)
        pygame.event.clear()  # SDL opens and closes windows until one fits: none of that is the player
        self.clock = pygame.time.Clock()
        arrows = (pygame.K_UP, pygame.K_DOWN, pygame.K_LEFT, pygame.K_RIGHT)  # in the order of KEYS
        self.driving = dict(zip(arrows, range(len(KEYS)), strict=True))
        self.again = (pygame.K_BACKSPACE, pygame.K_DELETE, pygame.K_r)
        self._begin_pads()
        self.open = True

    def _begin_pads(self) -> None:
        """Pads are heard, also while another window is in front, as in the real game."""
        os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
        import pygame._sdl2.controller

        with suppress(pygame.error):  # without pads one drives by the keys
            pygame._sdl2.controller.init()
        self.pad = Pad()
        self.pads: list[object] = []
        self.axes = {
            pygame.CONTROLLER_AXIS_LEFTX: "steer",
            pygame.CONTROLLER_AXIS_TRIGGERRIGHT: "gas",
            pygame.CONTROLLER_AXIS_TRIGGERLEFT: "brake",
        }
        self.buttons = {pygame.CONTROLLER_BUTTON_B: "restart", pygame.CONTROLLER_BUTTON_A: "confirm"}

    def show(self, image: Image.Image) -> None:
        """Put a picture on the screen."""
        shown = self.pygame.image.frombuffer(image.tobytes(), image.size, "RGB")
        self.surface.blit(shown, (0, 0))
        self.pygame.display.flip()

    def answer(self, game: Game) -> None:
        """Pass on what keys and window have done since the last call."""
        pygame = self.pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.open = False
            elif event.type == pygame.KEYDOWN:
                self._down(event.key, game)
            elif event.type == pygame.KEYUP and event.key in self.driving:
                game.keyboard.release(self.driving[event.key])
            elif event.type == pygame.WINDOWFOCUSLOST:
                game.leave()
            else:
                self._move_pad(event, game)

    def _down(self, key: int, game: Game) -> None:
        if key in self.driving:
            game.keyboard.press(self.driving[key])
        elif key in self.again or (key in (self.pygame.K_RETURN, self.pygame.K_SPACE) and ended(game)):
            game.restart()
        elif key == self.pygame.K_p:
            game.toggle_pause()
        elif key == self.pygame.K_ESCAPE:
            self.open = False

    def _move_pad(self, event: Event, game: Game) -> None:
        """A pad: the left stick, the triggers, B to restart and A after the finish."""
        pygame = self.pygame
        if event.type == pygame.CONTROLLERDEVICEADDED:
            self.pads.append(pygame._sdl2.controller.Controller(event.device_index))  # or it says nothing
        elif event.type == pygame.CONTROLLERAXISMOTION and event.axis in self.axes:
            self.pad.move(game, self.axes[event.axis], event.value / FULL)
        elif event.type == pygame.CONTROLLERBUTTONDOWN and event.button in self.buttons:
            self.pad.move(game, self.buttons[event.button], 1.0)

    def close(self) -> None:
        """Close the window."""
        self.pygame._sdl2.controller.quit()
        self.pygame.display.quit()


def ended(game: Game) -> bool:
    """Whether there is nothing left to drive in this lap."""
    return game.phase is Phase.FINISHED


def run(
    window: Window, game: Game, draw: Callable[[], Image.Image], now: Callable[[], float] = time.perf_counter
) -> Shown:
    """Play until the window is closed; `now` in s."""
    began = before = now()
    pictures = 0
    while window.open:
        window.answer(game)
        moment = now()
        game.advance(1000 * (moment - before))
        before = moment
        window.show(draw())
        pictures += 1
        window.clock.tick(PICTURES_PER_S)
    return Shown(pictures, now() - began)
