"""A game for a driver outside of it: it stands in for Trackmania 2020 with a telemetry plugin.

The race goes on when the window is not in front, the finish stays until a key begins another race, and no lap
is kept. Faults make it a partner for tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from PIL import Image

from btr_tm.envs.desktop.telemetry.schemas import CONNECT33, TMRL11, Schema, Value
from btr_tm.play.faults import Fault
from btr_tm.play.game import LAG_MS, Game
from btr_tm.play.lap import Rival
from btr_tm.play.telemetry_server import TelemetryServer
from btr_tm.race.actions import ALL_ROWS
from btr_tm.sim.appearance import NO_VARIATION
from btr_tm.sim.grey.kernel.camera import KernelCamera, drawn_by
from btr_tm.sim.pose import pack

LATE_S = 0.4
LONGEST_MS = 5000.0  # of a picture: the program was stopped and goes on
OTHER_MAP = "another map"
ROWS = 480  # that a window has at least


class ServedGame(Game):
    """A race after the other, alone."""

    fault = Fault()

    def leave(self) -> None:
        """As `Game.leave`, but the race goes on."""
        self.keyboard.release_all()

    def restart(self) -> None:
        """As `Game.restart`."""
        if not self.fault.is_on("respawn"):
            super().restart()

    def advance(self, elapsed_ms: float) -> None:
        """As `Game.advance`, but the race waits for no computer: its clock is that on the wall."""
        if self.fault.is_on("deaf"):
            self.keyboard.release_all()
        left_ms = min(elapsed_ms, LONGEST_MS)
        while left_ms > 0:
            super().advance(min(left_ms, LAG_MS))
            left_ms -= LAG_MS

    def _finish(self) -> None:
        self.clock_ms = float(self.lap.time_ms)

    def _cars(self) -> list[Rival]:
        return []


def said(game: Game, schema: Schema, map_id: str) -> dict[str, Value]:
    """What telemetry says about a game at this moment, as `Schema.record` takes it."""
    lap, car = game.lap, game.world.instruments(game.lap.state)
    accelerate, brake, left, right = ALL_ROWS[lap.actions[-1]].tolist() if lap.actions else (0, 0, 0, 0)
    _, up, forward = car.rotation[0].t().tolist()
    race_ms = lap.time_ms if lap.actions else min(0, int(game.clock_ms))
    return {
        "race_ms": max(0, race_ms) if schema is CONNECT33 else race_ms,
        "checkpoints": len(lap.passed),
        "finished": int(lap.finished),
        "map_id": map_id.encode(),
        "position": car.position[0].tolist(),
        "velocity": car.velocity[0].tolist(),
        "forward": forward,
        "up": up,
        "speed": float(car.velocity.norm()),
        "distance": lap.metres,
        "steer": right - left,
        "gas": accelerate,
        "brake": brake,
        "gear": float(car.gear),
        "rpm": float(car.rpm),
        "slip": car.wheel_sliding[0].tolist(),
        "flying_ms": 0 if car.wheel_contact.any() else 1,
    }


class Serving:
    """Tells what happens in `game` to whoever listens; `listen` opens the ports. Close it after use."""

    def __init__(
        self,
        game: ServedGame,
        listen: Callable[[], TelemetryServer],
        fault: Fault,
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.game, self.fault, self._listen, self._now, self._sleep = game, fault, listen, now, sleep
        game.fault = fault
        self.server: TelemetryServer | None = listen()
        self.map_id = self.server.map_id
        self._sequence = 0
        self._hung_up = False
        self._shown: Image.Image | None = None

    def tell(self) -> None:
        """One record, as after each picture of the real game."""
        self.fault.look(self.game.laps, self.game.clock_ms, self._now())
        if self.fault.is_on("late"):
            self._sleep(LATE_S)
        server = self._opened()
        if server is not None and not self.fault.is_on("silent"):
            self._hang_up_once(server)
            server.map_id = OTHER_MAP if self.fault.is_on("map") else self.map_id
            server.send_bytes(self._record(server))

    def _record(self, server: TelemetryServer) -> bytes:
        schema, values = server.schema, said(self.game, server.schema, server.map_id)
        self._sequence += 1
        if self.fault.is_on("noise"):
            values["steer"] = float("nan")
        if self.fault.is_on("schema"):
            schema = CONNECT33 if schema is TMRL11 else TMRL11
        return schema.record(values | {"sequence": self._sequence})

    def _hang_up_once(self, server: TelemetryServer) -> None:
        before, self._hung_up = self._hung_up, self.fault.is_on("close")
        if self._hung_up and not before:
            server.hang_up()

    def shown(self, image: Image.Image) -> Image.Image:
        """What the window shows instead of `image`."""
        if self.fault.is_on("black"):
            return Image.new("RGB", image.size)
        if self._shown is None or not self.fault.is_on("frozen"):
            self._shown = image
        return self._shown

    def close(self) -> None:
        """Say nothing any more."""
        if self.server is not None:
            self.server.close()
            self.server = None

    def _opened(self) -> TelemetryServer | None:
        if self.fault.is_on("refuse"):
            self.close()
        elif self.server is None:
            self.server = self._listen()
        return self.server


class View(Protocol):
    """Pictures of a game."""

    def draw(self) -> Image.Image:
        """Of now."""
        ...


class CameraView:
    """What the simulator's camera sees, of a `size` (height, width), each pixel enlarged to a square.

    Shrunk again by means of areas, it is what a driver was trained on, to the bit.
    """

    def __init__(self, game: Game, size: tuple[int, int]) -> None:
        self._game, self._camera = game, KernelCamera(game.track, *size)
        self._plain, self._times = drawn_by(NO_VARIATION, 1), -(-ROWS // size[0])
        self.size = (size[0] * self._times, size[1] * self._times)

    def draw(self) -> Image.Image:
        """As `View.draw`."""
        grey = self._camera.look(pack(self._game.lap.poses[-1]).numpy(), self._plain)[0, 0].numpy()
        large = np.ones((self._times, self._times), np.uint8)
        return Image.fromarray(np.kron(grey, large)).convert("RGB")
