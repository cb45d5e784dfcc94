"""A racing game in a window, in real time, as a gymnasium VectorEnv: rewards are the simulator's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.estimate import CarEstimate
from btr_tm.envs.desktop.pace import Pace
from btr_tm.envs.desktop.protocols import REAL_TIME, GameLost, Keys, Reading, Three, Timer
from btr_tm.envs.desktop.racing import Game, Limits, Moment, Racing
from btr_tm.envs.desktop.turn import Turn
from btr_tm.envs.one_car import OneCarVectorEnv, Sighting
from btr_tm.race import actions
from btr_tm.race.features import FeatureSet
from btr_tm.race.float_lookup import FloatLookup
from btr_tm.race.gates import Gates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.moment import Reward
from btr_tm.sim.track.ribbon import Track

FINISHES = 0.9  # of the line, which a car that finishes has driven


class DesktopVectorEnv(OneCarVectorEnv):
    """One car in the one game of this computer, where all of our processes take turns, race by race.

    The game never waits: a decision lasts as long as `ticks_per_action` says, and while the policy thinks
    the keys of the last one stay held. A game that stalls, or a window that changes, voids the race.
    It is connected by the first `reset`. The delay of an action is the time from the record of telemetry
    that the policy saw until the keys were sent, and `key_delay_ms` until the game applies them.
    """

    real_time = True
    failure = GameLost

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
        instance: int,
        game: Game,
        pace: Callable[[int, Timer], Pace],
        limits: Limits,
        turn: Turn,
        say: Callable[[str], None] | None = None,
        timer: Timer = REAL_TIME,
        steer_levels: int = 1,
        key_delay_ms: float = 0.0,
    ) -> None:
        if actions.block(action_offsets_ms):
            raise UserError(
                "a game in real time takes one action per decision; set env.action_offsets_ms=[0]"
            )
        self.decision_ticks, self.decision_ms = ticks_per_action, actions.TICK_MS * ticks_per_action
        self.name = f"the game in a window, on {track.name}"
        self._map_id = track.source.map_id if track.source is not None else ""
        self.patience_s = turn.patience_s + limits.longest_s
        self.facts = {"game": "in a window of this computer, in real time"}
        self.set_rules(track, features, reward, cut_offs, gates, float_lookup, clock, device, steer_levels)
        points = torch.from_numpy(track.line()).float()
        self._estimate = CarEstimate(points[1] - points[0])
        self.image_shape = (1, *image_size)
        x, y, z = points[0].tolist()
        self._at_rest, self._rehearsed = _at_rest((x, y, z)), False
        self._say = say or _say
        at = pace(self.decision_ms, timer)
        if key_delay_ms < 0:
            raise UserError(f"env.key_delay_ms must be 0 or more, got {key_delay_ms}; the doctor measures it")
        self._key_delay_s = key_delay_ms / 1000
        self.racing = Racing(game, image_size, at, limits, (x, y, z), self._say, turn, timer, steer_levels)
        self.set_spaces(cars)

    def check_ready(self) -> None:
        """As `TensorVectorEnv.check_ready`: the window, its telemetry and the controls are there."""
        self.racing.check()

    def pause(self) -> None:
        """As `TensorVectorEnv.pause`: who waits for a busy learner must not keep others from driving."""
        self.racing.rest()

    def _start(self) -> Sighting:
        if not self._rehearsed:
            self.rehearse(self._sighting(Moment(self._at_rest, 0, None)))
            self._rehearsed = True
        moment = self.racing.begin()
        self._refuse_other_map(moment.reading)
        self._estimate.begin()
        return self._sighting(moment)

    def _go_on(self, action: Tensor) -> Sighting:
        accelerate, brake, left, right = actions.keys(action.reshape(-1)).tolist()[0]
        keys: Keys = (accelerate, brake, left, right)
        moment, began_ms = self.racing.decide(keys), int(self._drive.moment.time_ms)
        if moment.time_ms < began_ms:  # the same time again is that of a record that is a little late
            raise GameLost(f"the race is at {moment.time_ms:,} ms, and was at {began_ms:,} ms before")
        sighting = self._sighting(moment)
        if sighting.finished:
            self._refuse_other_finish()
        return sighting

    def _refuse_other_map(self, reading: Reading) -> None:
        """Where the line and the telemetry both say of which map they are; UserError, as it stays so."""
        if self._map_id and reading.map_id is not None and reading.map_id != self._map_id:
            self.racing.close()
            raise UserError(
                f"the game drives the map {reading.map_id or '(none)'}, and the line of track= was recorded "
                f"on {self._map_id}; open that map, or name another line"
            )

    def _refuse_other_finish(self) -> None:
        """A finish long before the end of the line is that of another map."""
        line, driven_m = self.rules.line, float(self._drive.moment.progress.furthest_metres)
        if driven_m < FINISHES * line.total_m:
            raise GameLost(
                f"the game shows a finish after {driven_m:,.0f} of {line.total_m:,.0f} m; is the map in the "
                "game that of track=?"
            )

    def _rest(self) -> None:
        self.racing.rest()

    def _failed(self, error: UserError) -> None:
        self.racing.fail(error)

    def _sighting(self, moment: Moment) -> Sighting:
        if moment.frame is None:
            image = torch.zeros(1, *self.image_shape, dtype=torch.uint8)
        else:
            image = torch.from_numpy(moment.frame.grey.copy())[None, None]
        car, delay_s = self._estimate(moment.reading), moment.lag_s + self._key_delay_s
        return Sighting(car, moment.time_ms, moment.reading.finished, image, delay_s)

    def close_extras(self, **kwargs: object) -> None:
        """The game goes on by itself; says how punctual decisions were."""
        self.racing.close()
        if self.racing.timing.decisions:
            self._say(str(self.racing.timing))


def _at_rest(position: Three) -> Reading:
    return Reading(0, 0.0, position, 0.0, 0.0, 0.0, 0.0, False, 1.0, 0.0)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
