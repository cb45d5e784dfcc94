"""The picture of a game at this moment: the view from behind the car, and what a player reads on it."""

from __future__ import annotations

import torch
from PIL import Image

from btr_tm.play.game import COUNTDOWN_MS, Game, Phase
from btr_tm.report.overlay import Moment, Overlay, clock_text
from btr_tm.report.race_signs import WALL_MS, Signs, gap_text, result
from btr_tm.report.stamp import PLATE
from btr_tm.sim.colour.view import ColourView, OtherCar
from btr_tm.sim.world import NO_KEYS

AUTHOR = "author"  # the panel of the end has a line for this one already
GO_MS = 700  # how long GO stays
GO, RECORD = (40, 150, 80, 220), (190, 140, 20, 230)
HELP = "arrow keys drive    Backspace restarts    P pauses    Esc leaves"


class Picture:
    """Draws a game in pictures of a `size` (height, width)."""

    def __init__(self, game: Game, size: tuple[int, int]) -> None:
        self.game, self.size, self.unit = game, size, size[0] / 360
        self.view = ColourView(game.track, *size, smoothing=1)
        self._new_lap()

    def _new_lap(self) -> None:
        game, size = self.game, self.size
        names = [(f"{car.name}  {clock_text(car.race.time_ms)}", car.paint) for car in game.cars]
        self.overlay = Overlay(game.track, size, f"{game.track.name}  you", names)
        self.signs = Signs(game.track, size, ())
        self.letters = self.signs.letters
        self.lap, self.wall, self.wall_ms = game.laps, 0, -WALL_MS

    def draw(self) -> Image.Image:
        """The picture of now."""
        game = self.game
        if self.lap != game.laps:
            self._new_lap()
        start, shown_ms = game.lap.poses[0], game.shown_ms
        own = game.lap.pose_at(shown_ms)
        cars = [OtherCar(car.pose_at(shown_ms, start), car.paint, car.opacity) for car in game.cars]
        image = next(self.view.images(own, cars))
        places = torch.cat([own.position, *(car.pose.position for car in cars)])
        action = game.lap.actions[-1] if game.lap.actions else NO_KEYS
        moment = Moment(game.lap.time_ms, places, action, game.lap.speed_kmh, torch.zeros(0))
        self.overlay(image, moment)
        self._signs(image)
        self._words(image)
        return image

    def _signs(self, image: Image.Image) -> None:
        lap = self.game.lap
        if wall := lap.wall():
            self.wall, self.wall_ms = wall, lap.time_ms
        side = self.wall if lap.time_ms - self.wall_ms < WALL_MS else 0
        self.signs.passed = self.game.splits()
        self.signs(image, lap.time_ms, side, self.overlay.below_names)

    def _words(self, image: Image.Image) -> None:
        """The countdown, a pause, or the end."""
        game = self.game
        if game.phase is Phase.FINISHED:
            self._finish(image)
        elif game.paused:
            self._say(image, "paused", "huge")
            self._help(image)
        elif game.phase is Phase.COUNTDOWN:
            self._say(image, str(1 + int(-game.clock_ms / (COUNTDOWN_MS / 3 + 1e-6))), "huge")
            self._help(image)
        elif game.lap.time_ms < GO_MS:
            self._say(image, "GO", "huge", GO)

    def _finish(self, image: Image.Image) -> None:
        game = self.game
        mine = result(game.track, "you", game.lap.race())
        others = [result(game.track, car.name, car.race) for car in game.cars if car.name != AUTHOR]
        self.signs.finish(image, [mine, *others])
        if game.is_record:
            gap = "" if game.beaten_ms is None else f"  {gap_text(game.lap.time_ms - game.beaten_ms)}"
            at = self.size[1] / 2, 0.13 * self.size[0]
            self.letters.plated(at, f"new record{gap}", "large", RECORD).paste(image)
        self._help(image, "Enter or Backspace: again    Esc leaves")

    def _say(self, image: Image.Image, text: str, size: str, fill: tuple[int, int, int, int] = PLATE) -> None:
        at = self.size[1] / 2, 0.24 * self.size[0]
        self.letters.plated(at, text, size, fill).paste(image)

    def _help(self, image: Image.Image, text: str = HELP) -> None:
        at = self.size[1] / 2, self.size[0] - 84 * self.unit
        self.letters.plated(at, text, "small").paste(image)
