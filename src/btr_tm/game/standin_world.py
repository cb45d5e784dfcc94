"""Our simulator as the stand-in's game: one car, ticks of 10 ms, states that can be saved and rewound to."""

from __future__ import annotations

import struct

import numpy as np
import torch

from btr_tm.core.kernels import Floats, kernel
from btr_tm.envs.tminterface.frames import pixels_of
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.envs.tminterface.simstate import (
    A_MATERIAL,
    LEAST_BYTES,
    GameState,
    Wheel,
    decode,
    encode,
)
from btr_tm.race.actions import TICK_MS
from btr_tm.sim.appearance import NO_VARIATION
from btr_tm.sim.grey.kernel.camera import KernelCamera, drawn_by
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics.car_kernel import stand_car
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.pose import COLUMNS
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.ribbon import Track

COUNTDOWN_MS = 2600
OWN_PLACE = 224  # in a saved state: what the game keeps there, nobody reads
OWN, GATE = struct.Struct("<25f4q"), 27
SMALL = (8, 8)  # a picture to try the camera with
NO_KEYS = (False, False, False, False)


class StandInWorld:
    """The race of one car on `track`; `time_ms` is negative in the countdown."""

    def __init__(self, track: Track) -> None:
        self._world = KernelWorld(track, ticks_per_action=1)
        self._start = Starts(self._world).canonical(1)
        self._plain = drawn_by(NO_VARIATION, 1)
        self._cameras: dict[tuple[int, int], KernelCamera] = {}
        self.target = len(track.checkpoints_m) + 1
        self.held: tuple[bool, ...] = NO_KEYS  # accelerate, brake, left, right
        self.give_up()
        self._compile()

    def _compile(self) -> None:
        """Kernels are compiled when they are first called: better now than while a client waits."""
        self.time_ms = 0
        self.tick()
        self.save()
        self.picture(*SMALL)
        self.give_up()

    def give_up(self) -> None:
        """Back to the countdown."""
        self._sim, self.time_ms = self._start, -COUNTDOWN_MS
        self.times_ms: tuple[int, ...] = ()  # of the checkpoints passed
        self.held, self.taken_back = NO_KEYS, False

    @property
    def checkpoints(self) -> int:
        """Passed so far, the finish included."""
        return len(self.times_ms)

    def tick(self) -> bool:
        """10 ms later; whether a checkpoint was passed."""
        self.time_ms += TICK_MS
        if self.time_ms <= 0:
            return False
        self._sim = self._world.step(self._sim, torch.tensor([_row(self.held)]))
        passed = int(self._sim.next_gate) - len(self.times_ms)
        self.times_ms += (self.time_ms,) * passed
        return passed > 0

    def save(self) -> bytes:
        """The race as it is, in the bytes of a TMInterface state."""
        state = bytearray(encode(self._seen(), self.times_ms))
        floats, counters = self._sim.floats[0].tolist(), self._sim.counters[0].tolist()
        OWN.pack_into(state, OWN_PLACE, *floats, *counters)
        return bytes(state)

    def rewind(self, state: bytes) -> None:
        """To a state that was saved; keys are not held any more. ProtocolError for any other."""
        game = decode(state)
        own = OWN.unpack_from(state, OWN_PLACE)
        count = own[GATE]
        if len(state) != LEAST_BYTES + 8 * count:
            raise ProtocolError("a state came back that was never saved")
        queue = self._start.queue
        self._sim = SimState(torch.tensor([own[:25]]), torch.tensor([own[25:29]]), queue)
        self.time_ms, self.held = game.race_time_ms, NO_KEYS
        times = struct.unpack_from(f"<{2 * count}i", state, len(state) - 8 * count)[::2]
        self.taken_back = bool(times) and times[-1] < 0
        self.times_ms = tuple(times)

    def _seen(self) -> GameState:
        car = self._world.instruments(self._sim)
        wheels = zip(
            car.damper_m[0].tolist(),
            car.wheel_contact[0].tolist(),
            car.surface[0].tolist(),
            car.wheel_sliding[0].tolist(),
            strict=True,
        )
        return GameState(
            position=tuple(car.position[0].tolist()),
            rotation=tuple(car.rotation[0].flatten().tolist()),
            velocity=tuple(car.velocity[0].tolist()),
            angular_velocity=tuple(car.angular_velocity[0].tolist()),
            gearbox_state=int(car.gearbox_state),
            gear=int(car.gear),
            rpm=float(car.rpm),
            freewheeling=bool(car.freewheeling),
            race_time_ms=self.time_ms,
            checkpoints=self.checkpoints,
            finished=self.checkpoints == self.target,
            display_speed_kmh=round(3.6 * float(car.velocity.norm())),
            held=self.held,
            wheels=tuple(
                Wheel(damper_m, contact > 0, A_MATERIAL[int(surface)], sliding > 0)
                for damper_m, contact, surface, sliding in wheels
            ),
        )

    def picture(self, width: int, height: int) -> bytes:
        """What the driver sees now: BGRA."""
        size = (height, width)
        if size not in self._cameras:
            self._cameras[size] = KernelCamera(self._world.track, height, width)
        pose = np.empty((1, COLUMNS), np.float32)
        _stand(self._sim.floats.numpy(), pose)
        return pixels_of(self._cameras[size].look(pose, self._plain)[0, 0])


@kernel
def _stand(cars: Floats, out: Floats) -> None:
    """Writes how the cars (E, 25) stand: (E, 18). To the bit as where the simulator races."""
    for e in range(len(cars)):
        stand_car(cars[e], out[e])


def _row(held: tuple[bool, ...]) -> int:
    """Row of race.actions.TABLE."""
    accelerate, brake, left, right = held
    pedals = (3 if brake else 0) if accelerate else (2 if brake else 1)
    return 3 * pedals + (1 if left else 2 if right else 0)
