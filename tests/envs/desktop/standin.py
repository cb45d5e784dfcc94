"""A game of one process, in a time of its own: our simulator behind telemetry, controls and a window."""

from __future__ import annotations

import torch

from btr_tm.core.clock import Clock
from btr_tm.envs.desktop.env import DesktopVectorEnv
from btr_tm.envs.desktop.pace import RacePace, WallPace
from btr_tm.envs.desktop.pictures import Crop, Pixels
from btr_tm.envs.desktop.protocols import NO_KEYS, GameLost, Keys, Reading, Timer
from btr_tm.envs.desktop.racing import Devices, Limits
from btr_tm.envs.desktop.screen import WindowCapture
from btr_tm.envs.desktop.stick import position as place_of
from btr_tm.envs.desktop.window import Rect
from btr_tm.envs.plain import CUT_OFFS
from btr_tm.game.standin_world import StandInWorld
from btr_tm.race.features import Features
from btr_tm.race.float_lookup import NamedLookup
from btr_tm.race.gates import NoGates
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.sim.track.load import load_track

TICK_S = 0.01
SIZE = (24, 32)
LIMITS = Limits(
    connect_s=1,
    focus_s=3,
    restart_s=2,
    countdown_s=5,
    stall_s=0.25,
    late_s=0.25,
    frozen_s=0.5,
    tries=2,
    pause_s=0.1,
)


class FakeGame:
    """Everything a `Game` opens, in one object. A tick passes when somebody sleeps or waits for a record."""

    title = "Stand-in"
    patience_s = 1.0  # with whose turn it is

    def __init__(self, track: str = "oval", clock: bool = True) -> None:
        self.world = StandInWorld(load_track(track))
        self.clock = clock  # telemetry like connect33, or else like tmrl11
        self.ticks, self.between_s, self.number = 0, 0.0, 0
        self.place = Rect(10, 20, 64, 48)
        self.finished = False
        self.silent = self.deaf = self.frozen = self.only_respawns = self.elsewhere = False
        self.opened = self.closed = 0
        self.ours = False
        self.taps: list[str] = []
        self.ways = NO_KEYS  # how far they are held
        self.stick: tuple[float, ...] = ()  # it is a keyboard
        self.steering = lambda sent: sent  # what it applies
        self.picture = b""
        self.record: Reading | None = None  # made when somebody asks

    def listen(self) -> FakeGame:
        assert self.ours
        return self

    def open(self, size: tuple[int, int]) -> Devices:
        assert self.ours
        self.opened += 1
        now = self.timer.now
        return Devices(self, self, WindowCapture(self, self, size, Crop(0, 0, 1, 1), now))

    @property
    def now_s(self) -> float:
        return 10 + self.ticks * TICK_S + self.between_s

    @property
    def timer(self) -> Timer:
        return Timer(lambda: self.now_s, self.sleep)

    def sleep(self, s: float) -> None:
        ticks = round(s / TICK_S)
        self.between_s += 0 if ticks else s  # what rounding leaves must not last for a tick
        for _ in range(ticks):
            self.tick()

    def tick(self) -> None:
        self.ticks += 1
        if not self.finished:
            self.world.tick()
            self.finished = self.world.checkpoints == self.world.target
        if not self.silent:
            self.number += 1
            self.record = None

    def end(self) -> None:
        """The game shows a finish, wherever the car is."""
        self.finished = True
        self.tick()

    # telemetry
    def latest(self) -> Reading:
        if self.record is None:
            self.record = self.said()
        return self.record

    def said(self) -> Reading:
        seen, applied = self.world._seen(), self.world.held
        accelerate, brake, left, right = (way * on for way, on in zip(self.ways, applied, strict=True))
        columns = list(zip(*(seen.rotation[row : row + 3] for row in (0, 3, 6)), strict=True))
        speed = float(torch.tensor(seen.velocity).norm())
        known = {"race_ms": max(0, self.world.time_ms), "velocity": seen.velocity} if self.clock else {}
        known |= {"up": columns[1], "forward": columns[2]} if self.clock else {}
        sent = place_of(right - left, self.stick) if self.stick else right - left
        steer, wheel = self.steering(sent), (seen.gear, seen.rpm)
        position = seen.position
        return Reading(
            self.number,
            self.now_s,
            position,
            speed,
            steer,
            accelerate,
            brake,
            self.finished,
            *wheel,
            **known,
        )

    def after(self, number: int, limit_s: float) -> Reading:
        until_s = self.now_s + limit_s
        while self.number <= number:
            if self.now_s > until_s:
                raise GameLost("the telemetry stalled")
            self.tick()
        return self.latest()

    # controls
    def reaches_game(self) -> bool:
        return not self.elsewhere

    def hold(self, keys: Keys) -> None:
        if not self.deaf:
            self.world.held = tuple(map(bool, keys))
            self.ways = keys

    def tap(self, button: str) -> None:
        self.taps.append(button)
        self.sleep(0.1)
        if button == "restart" and not self.only_respawns:
            self.world.give_up()
            self.finished = False

    def release(self) -> None:
        self.hold(NO_KEYS)

    # whose turn it is
    def take(self) -> None:
        self.ours = True

    def leave(self) -> None:
        self.ours = False

    # the window and the screen
    def rect(self) -> Rect | None:
        return self.place

    def screen(self) -> Rect:
        return Rect(0, 0, 640, 480)

    def covered_by(self) -> str:
        return ""

    def focused(self) -> bool:
        return True

    def grab(self, rect: Rect) -> Pixels:
        if not self.frozen or not self.picture:
            self.picture = self.world.picture(rect.width, rect.height)
        return Pixels(self.picture, rect.width, rect.height)

    def close(self) -> None:
        self.closed += 1
        self.world.held = (False,) * 4


def desktop(game: FakeGame, pace: str = "wall", said: list[str] | None = None, **options) -> DesktopVectorEnv:
    """With the values of `env=desktop`, except that the limits are shorter."""
    paces = {"wall": WallPace, "race": lambda ms, timer: RacePace(ms, timer, 0.5)}
    usual = {"image_size": SIZE, "ticks_per_action": 5, "action_offsets_ms": [0], "cut_offs": CUT_OFFS}
    usual |= {"gates": NoGates, "float_lookup": NamedLookup(), "clock": Clock(), "device": "cpu"}
    usual |= {"instance": 0, "limits": LIMITS, "timer": game.timer, "pace": paces[pace]}
    track = options.pop("track", None) or load_track("oval")
    features = options.pop("features", None) or Features()
    say = (said if said is not None else []).append
    usual |= {"turn": game}
    return DesktopVectorEnv(track, features, ProgressReward(), 1, game=game, say=say, **(usual | options))
