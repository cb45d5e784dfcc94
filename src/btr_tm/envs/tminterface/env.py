"""The real game, or its stand-in, as a gymnasium VectorEnv: observations and rewards are the simulator's.

Features, progress, reward and ends of races are those of `envs.drive.Rules`; only where cars and pictures
come from differs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import RaceLost, UserError
from btr_tm.core.protocols import ResetInfo, StepInfo
from btr_tm.core.types import Obs, StateDict
from btr_tm.envs.contract import TensorVectorEnv, early_step, start_of
from btr_tm.envs.drive import Coefficients, Drive, Here, Outcome, Rules, Seen
from btr_tm.envs.execution import stages
from btr_tm.envs.tminterface.frames import grey_of
from btr_tm.envs.tminterface.games import Patience, Program, Racing
from btr_tm.envs.tminterface.machine import Finish, Keys, Moment, Settings
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.envs.tminterface.simstate import GameState, car_of
from btr_tm.race import actions
from btr_tm.race.car import CarState
from btr_tm.race.features import FeatureSet
from btr_tm.race.float_lookup import FloatLookup
from btr_tm.race.gates import Gates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reference_line import ReferenceLine
from btr_tm.race.reward.moment import Reward
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.track.ribbon import Track

HIGHEST_PORT = 65535
AT_REST_KMH = 1  # a car that is no faster after a second of gas does not hear us
DEAF_MS = 1000


class Driven(NamedTuple):
    """A decision that has been driven, its picture included."""

    drive: Drive
    seen: Seen
    outcome: Outcome


class TMInterfaceVectorEnv(TensorVectorEnv):
    """One car in one game, on `port` + `instance`, under SAME_STEP autoreset; every race begins at the line.

    The game stands still on the tick of a decision while we take its picture and while the policy thinks;
    with an image size of (0, 0) no picture is taken. In between it runs at `running_speed` times real time.
    A game that fails voids the race: `step` raises RaceLost, and `reset` begins another one.
    It is connected by the first `reset`. It may be asked for what its sizes are with any number of `cars`.
    """

    with_track = has_clock = one_car = True

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
        self.facts = {"game": f"TrackMania through TMInterface, ports from {port} on"}
        self.device = torch.device(device)
        self.racing = Racing(settings, port + instance, patience, program, say or _say)
        line = ReferenceLine.from_points(track.line()).gated(gates, track.gate_centres())
        self.rules = Rules(line.to(self.device), features, reward, cut_offs, float_lookup)
        self._advance, self._observe, self._judge = stages(self.rules, self.device)
        self.coefficients = Coefficients(reward, clock, self.device)
        self.layout, self.actions = features.layout, actions.COUNT
        self.image_shape = (1, height, width)
        self._ended: Driven | None = None  # the last decision of a race that is over
        self._restarts = self._lost = False
        self._heard, self._only_gas = False, True  # the game has echoed a key; nothing but gas was held
        self.lost_races = 0
        self.set_spaces(cars)

    @torch.no_grad()
    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Obs, ResetInfo]:
        """Begin a race, connecting if needed; one that is not for training stays over when it ends."""
        self._restarts = start_of(options) == "training"
        if self.num_envs != 1:
            raise UserError(f"a game drives one car, got {self.num_envs}; begin one for each")
        self._drive, self._seen = self._begin()
        self._lost = False
        return self._seen.obs, {"potential": self._seen.potential}

    @torch.no_grad()
    def step(self, action: Tensor) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:  # type: ignore[override]
        """One decision: `action` (1,) int64 in 0..11, or (1, K) with one per tick; RaceLost if it fails."""
        if not hasattr(self, "_drive"):
            raise early_step()
        actions.check_actions(action)
        if self._lost:
            raise RaceLost("the race was lost, begin another with reset()")
        if self._ended is not None:
            return self._still(self._ended)
        try:
            driven = self._decide(action)
        except ProtocolError as error:
            self._lost = True
            self.lost_races += 1
            self.racing.fail(error)
            raise RaceLost(str(error)) from error
        self._drive, self._seen = driven.drive, driven.seen
        if bool(driven.outcome.races.done):
            if self._restarts:
                self._drive, self._seen = self._begin()
            else:
                self._ended = driven
        return self._answer(driven)

    def _answer(self, driven: Driven) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:
        outcome = driven.outcome
        info = StepInfo(
            final_obs=driven.seen.obs,
            final_potential=torch.where(outcome.terminated, 0.0, driven.seen.potential),
            potential=self._seen.potential,
            races=outcome.races,
        )
        return self._seen.obs, outcome.reward, outcome.terminated, outcome.truncated, info

    def _still(self, ended: Driven) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:
        """A race that is over stands still."""
        outcome = ended.outcome
        races = outcome.races._replace(done=torch.zeros_like(outcome.races.done))
        outcome = outcome._replace(reward=torch.zeros_like(outcome.reward), races=races)
        return self._answer(ended._replace(outcome=outcome))

    def _begin(self) -> tuple[Drive, Seen]:
        """A new race, however many connections it takes."""
        moment, game = self.racing.begin()
        self._ended = None
        self._heard, self._only_gas = False, True
        return self._line_up(game, moment)

    def _line_up(self, game: GameState, moment: Moment) -> tuple[Drive, Seen]:
        car, yes = self._car(game), torch.ones(1, dtype=torch.bool, device=self.device)
        nothing = torch.zeros(1, 0, device=self.device)
        ready = self.rules.line_up(_no_sim(self.device), car, torch.zeros_like(car.rpm), yes, nothing)
        return ready[0], self._look(ready[1], ready[2], moment)

    def _decide(self, action: Tensor) -> Driven:
        """One decision of the car; ProtocolError for anything else."""
        keys: list[Keys] = actions.keys(action.cpu().reshape(-1)).int().tolist()
        answer, game = self.racing.decide(keys)
        finished = isinstance(answer, Finish)
        time_ms = game.race_time_ms if isinstance(answer, Finish) else answer.time_ms
        began = int(self._drive.moment.time_ms)
        if not began < time_ms <= began + self.decision_ms:
            raise ProtocolError(f"the finish came at {time_ms:,} ms in a decision that began at {began:,} ms")
        if not finished:
            self._refuse_deaf(game, keys, time_ms)
        return self._driven(action.to(self.device), game, time_ms, answer)

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
        self._only_gas = self._only_gas and all(each[0] and not each[1] for each in keys)
        if self._only_gas and time_ms >= DEAF_MS and game.display_speed_kmh < AT_REST_KMH:
            raise ProtocolError(
                f"the car stands still at {time_ms:,} ms though the gas was held; is the window in front?"
            )

    def _driven(self, action: Tensor, game: GameState, time_ms: int, answer: Moment | Finish) -> Driven:
        car, before = self._car(game), self._drive
        time = torch.tensor([time_ms], device=self.device)
        finished = torch.tensor([isinstance(answer, Finish)], device=self.device)
        progress = self._advance(before.moment.progress, car.position, time, finished)
        history, floats = self._observe(before.history, action, car, progress)
        here = Here(before.sim, car, time, finished, progress, history, floats)
        after, potential, outcome = self._judge(before, here, action, self.coefficients())
        return Driven(after, self._look(floats, potential, answer), outcome)

    def _look(self, floats: Tensor, potential: Tensor, answer: Moment | Finish) -> Seen:
        """With the picture; at the finish none is taken, since nothing is decided there."""
        _, height, width = self.image_shape
        if isinstance(answer, Moment) and answer.pixels:
            image = grey_of(answer.pixels, height, width).to(self.device)
        else:
            image = torch.zeros(1, *self.image_shape, dtype=torch.uint8, device=self.device)
        return Seen(Obs(image, floats), potential)

    def _car(self, game: GameState) -> CarState:
        return CarState(*(values.to(self.device) for values in car_of(game)))

    def state_dict(self) -> StateDict:
        """Of the races lost; the race under way cannot be kept."""
        return {"lost_races": self.lost_races}

    def load_state_dict(self, state: StateDict) -> None:
        """The race that was under way is lost: the next step says so."""
        self.lost_races, self._lost = int(state["lost_races"]), True

    def close_extras(self, **kwargs: object) -> None:
        """The game goes on by itself, at normal speed."""
        self.racing.close()


def _no_sim(device: torch.device) -> SimState:
    """What stands where the simulator would keep its state."""
    return SimState(
        torch.zeros(1, 0, device=device),
        torch.zeros(1, 4, dtype=torch.int64, device=device),
        torch.zeros(1, 0, dtype=torch.int64, device=device),
    )


def _named(held: Sequence[bool]) -> str:
    return "+".join(key for key, down in zip(actions.KEYS, held, strict=True) if down) or "no key"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
