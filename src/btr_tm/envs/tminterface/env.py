"""The real game, or its stand-in, as a gymnasium VectorEnv: observations and rewards are the simulator's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.envs.one_car import OneCarVectorEnv, Sighting
from btr_tm.envs.tminterface.frames import grey_of
from btr_tm.envs.tminterface.games import Patience, Program, Racing
from btr_tm.envs.tminterface.machine import Finish, Keys, Moment, Settings
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.envs.tminterface.simstate import GameState, car_of
from btr_tm.race import actions
from btr_tm.race.features import FeatureSet
from btr_tm.race.float_lookup import FloatLookup
from btr_tm.race.gates import Gates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.moment import Reward
from btr_tm.sim.track.ribbon import Track

HIGHEST_PORT = 65535
AT_REST_KMH = 1  # a car that has never been faster after a second of gas does not hear us
DEAF_MS = 1000


class TMInterfaceVectorEnv(OneCarVectorEnv):
    """One car in one game, on `port` + `instance`.

    The game stands still on the tick of a decision while we take its picture and while the policy thinks;
    with an image size of (0, 0) no picture is taken. In between it runs at `running_speed` times real time.
    It is connected by the first `reset`.
    """

    failure = ProtocolError

    def __init__(
        self,
        track: Track,
        features: FeatureSet,
        reward: Reward,
        cars: int,
        image_size: tuple[int, int],
        ticks_per_action: int,
        action_offsets_ms: Sequence[int],
        cut_offs: CutOffs,
        gates: Callable[[Tensor, Tensor], Gates],
        float_lookup: FloatLookup,
        clock: Clock,
        device: str | torch.device,
        port: int,
        instance: int,
        map: str,
        running_speed: float,
        camera: int,
        idle_s: float,
        commands: Sequence[str],
        patience: Patience,
        program: Program,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if not 1 <= port <= HIGHEST_PORT - instance:
            raise UserError(f"env.port must be from 1 to {HIGHEST_PORT - instance}, got {port}")
        self.block = actions.block(action_offsets_ms)
        ticks = self.block[0] if self.block else ticks_per_action
        height, width = image_size
        settings = Settings(
            map=map,
            running_speed=running_speed,
            decision_ticks=ticks,
            period_ms=actions.TICK_MS * (1 if self.block else ticks),
            width=width,
            height=height,
            camera=camera,
            idle_s=idle_s,
            commands=tuple(commands),
        )
        self.decision_ticks, self.decision_ms = ticks, settings.decision_ms
        self.name = f"TrackMania on {track.name}, port {port + instance}"
        self.patience_s = patience.longest_s(program)
        self.facts = {"game": f"TrackMania through TMInterface, ports from {port} on"}
        self.racing = Racing(settings, port + instance, patience, program, say or _say)
        self.set_rules(track, features, reward, cut_offs, gates, float_lookup, clock, device)
        self.image_shape = (1, height, width)
        self._heard, self._waits = False, True  # the game has echoed a key; gas was held, and it never moved
        self.set_spaces(cars)

    def _start(self) -> Sighting:
        moment, game = self.racing.begin()
        self._heard, self._waits = False, True
        return self._sighting(game, moment, moment.time_ms)

    def _go_on(self, action: Tensor) -> Sighting:
        keys: list[Keys] = actions.keys(action.reshape(-1)).int().tolist()
        answer, game = self.racing.decide(keys)
        finished = isinstance(answer, Finish)
        time_ms = game.race_time_ms if isinstance(answer, Finish) else answer.time_ms
        began = int(self._drive.moment.time_ms)
        if not began < time_ms <= began + self.decision_ms:
            raise ProtocolError(f"the finish came at {time_ms:,} ms in a decision that began at {began:,} ms")
        if not finished:
            self._refuse_deaf(game, keys, time_ms)
        return self._sighting(game, answer, time_ms)

    def _failed(self, error: UserError) -> None:
        assert isinstance(error, ProtocolError)
        self.racing.fail(error)

    def _refuse_deaf(self, game: GameState, keys: list[Keys], time_ms: int) -> None:
        """A game without focus hears no keys, and goes on as if nothing was the matter."""
        held = tuple(map(bool, keys[-1]))
        if self._heard and held != game.held:
            raise ProtocolError(
                f"the game holds {_named(game.held)} at {time_ms:,} ms, and not {_named(held)} as it was "
                "told; is its window in front?"
            )
        # Only a game that has echoed a key once is believed to do so always.
        self._heard = self._heard or (any(held) and held == game.held)
        only_gas = all(each[0] and not each[1] for each in keys)
        self._waits = self._waits and only_gas and game.display_speed_kmh < AT_REST_KMH
        if self._waits and time_ms >= DEAF_MS:
            raise ProtocolError(
                f"the car stands still at {time_ms:,} ms though the gas was held; is the window in front?"
            )

    def _sighting(self, game: GameState, answer: Moment | Finish, time_ms: int) -> Sighting:
        """With the picture; at the finish none is taken, since nothing is decided there."""
        _, height, width = self.image_shape
        if isinstance(answer, Moment) and answer.pixels:
            image = grey_of(answer.pixels, height, width)
        else:
            image = torch.zeros(1, *self.image_shape, dtype=torch.uint8)
        return Sighting(car_of(game), time_ms, isinstance(answer, Finish), image)

    def close_extras(self, **kwargs: object) -> None:
        """The game goes on by itself, at normal speed."""
        self.racing.close()


def _named(held: Sequence[bool]) -> str:
    return "+".join(key for key, down in zip(actions.KEYS, held, strict=True) if down) or "no key"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
