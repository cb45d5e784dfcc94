"""One car in a game that is not ours: observations, rewards and ends of races are those of the simulator.

Features, progress, reward and ends of races are those of `envs.drive.Rules`; only where cars and pictures
come from differs from game to game.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import RaceLost, UserError
from btr_tm.core.protocols import ResetInfo, StepInfo
from btr_tm.core.types import Obs, StateDict
from btr_tm.envs.contract import TensorVectorEnv, early_step, start_of
from btr_tm.envs.drive import Coefficients, Drive, Here, Outcome, Rules, Seen, line_along
from btr_tm.envs.execution import stages
from btr_tm.race import actions
from btr_tm.race.car import CarState
from btr_tm.race.features import FeatureSet
from btr_tm.race.float_lookup import FloatLookup
from btr_tm.race.gates import Gates
from btr_tm.race.progress import REACH_M, CutOffs
from btr_tm.race.reference_line import BEFORE
from btr_tm.race.reward.moment import Reward
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.track.ribbon import Track


class Sighting(NamedTuple):
    """What a game shows at the start of a race, or at the end of a decision."""

    car: CarState
    time_ms: int  # of the race
    finished: bool
    image: Tensor  # (1, C, H, W) uint8
    delay_s: float = 0.0  # how late the last action reached the car; a game that waits has none


class Driven(NamedTuple):
    """A decision that has been driven, its picture included."""

    drive: Drive
    seen: Seen
    outcome: Outcome


class OneCarVectorEnv(TensorVectorEnv):
    """One car in one game, under SAME_STEP autoreset; every race begins at the line.

    A subclass calls `set_rules`, and says how a race begins (`_start`), how a decision is driven (`_go_on`),
    and which errors of its game void a race (`failure`): then `step` raises RaceLost, and `reset` begins
    another one. It may be asked for what its sizes are with any number of `cars`.
    """

    with_track = has_clock = one_car = True
    failure: ClassVar[type[UserError]]

    def _start(self) -> Sighting:
        """A new race at the start line, however many tries it takes."""
        raise NotImplementedError

    def _go_on(self, action: Tensor) -> Sighting:
        """One decision: `action` (1,) or (1, K) on the CPU. Raises `failure`."""
        raise NotImplementedError

    def _failed(self, error: UserError) -> None:
        """The race is void."""

    def _rest(self) -> None:
        """The race is over, and no other begins for now."""

    def set_rules(
        self,
        track: Track,
        features: FeatureSet,
        reward: Reward,
        cut_offs: CutOffs,
        gates: Callable[[Tensor, Tensor], Gates],
        float_lookup: FloatLookup,
        clock: Clock,
        device: str | torch.device,
        steer_levels: int = 1,
    ) -> None:
        """What a race is, what is seen of it, and how finely drivers may steer."""
        self.device = torch.device(device)
        line = line_along(track, gates)
        self.rules = Rules(line.to(self.device), features, reward, cut_offs, float_lookup)
        self._advance, self._observe, self._judge = stages(self.rules, self.device)
        self.coefficients = Coefficients(reward, clock, self.device)
        self.layout, self.actions = features.layout, actions.count(steer_levels)
        self.track_name = track.name
        self._ended: Driven | None = None  # the last decision of a race that is over
        self._restarts = self._lost = False
        self.lost_races = 0

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
        """One decision: `action` (1,) int64 below `actions`, or (1, K) per tick; RaceLost if it fails."""
        if not hasattr(self, "_drive"):
            raise early_step()
        actions.check_actions(action, self.actions)
        if self._lost:
            raise RaceLost("the race was lost, begin another with reset()")
        if self._ended is not None:
            return self._still(self._ended)
        try:
            driven = self._driven(action.to(self.device), self._go_on(action.cpu()))
        except self.failure as error:
            self._lost = True
            self.lost_races += 1
            self._failed(error)
            raise RaceLost(str(error)) from error
        self._drive, self._seen = driven.drive, driven.seen
        if bool(driven.outcome.races.done):
            if self._restarts:
                self._drive, self._seen = self._begin()
            else:
                self._ended = driven
                self._rest()
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
        sighting = self._start()
        self._refuse_elsewhere(self._here(sighting.car))
        self._ended = None
        return self._lined_up(sighting)

    def _refuse_elsewhere(self, car: CarState) -> None:
        """Raise UserError where the line belongs to another map: no point of it would ever be reached."""
        away_m = float(torch.linalg.vector_norm(car.position[0] - self.rules.line.points[BEFORE]))
        if away_m > REACH_M:
            raise UserError(
                f"the car stands {away_m:,.0f} m from where the line of track {self.track_name} begins, so "
                "this is another map; make its line with python -m btr_tm.map, and choose it with "
                "track=line track.name_or_path=LINE.npy"
            )

    @torch.no_grad()
    def rehearse(self, sighting: Sighting) -> None:
        """Do what a decision needs without a game: the first time takes seconds, as kernels are compiled."""
        self._drive, _ = self._lined_up(sighting)
        self._driven(torch.zeros(1, dtype=torch.int64, device=self.device), sighting)
        del self._drive

    def _lined_up(self, sighting: Sighting) -> tuple[Drive, Seen]:
        car, yes = self._here(sighting.car), torch.ones(1, dtype=torch.bool, device=self.device)
        nothing = torch.zeros(1, 0, device=self.device)
        at_line = torch.zeros_like(car.rpm)
        delay_s = torch.full_like(at_line, sighting.delay_s)
        ready = self.rules.line_up(_no_sim(self.device), car, at_line, yes, nothing, delay_s)
        return ready[0], Seen(Obs(sighting.image.to(self.device), ready[1]), ready[2])

    def _driven(self, action: Tensor, sighting: Sighting) -> Driven:
        car, before = self._here(sighting.car), self._drive
        time = torch.tensor([sighting.time_ms], device=self.device)
        finished = torch.tensor([sighting.finished], device=self.device)
        progress = self._advance(before.moment.progress, car.position, time, finished)
        delayed = before.history._replace(delay_s=torch.full_like(car.rpm, sighting.delay_s))
        history, floats = self._observe(delayed, action, car, progress)
        nowhere = torch.zeros_like(finished)  # no game says that a car has fallen
        here = Here(before.sim, car, time, finished, nowhere, progress, history, floats)
        after, potential, outcome = self._judge(before, here, action, self.coefficients())
        return Driven(after, Seen(Obs(sighting.image.to(self.device), floats), potential), outcome)

    def _here(self, car: CarState) -> CarState:
        return CarState(*(values.to(self.device) for values in car))

    def state_dict(self) -> StateDict:
        """Of the races lost; the race under way cannot be kept."""
        return {"lost_races": self.lost_races}

    def load_state_dict(self, state: StateDict) -> None:
        """The race that was under way is lost: the next step says so."""
        self.lost_races, self._lost = int(state["lost_races"]), True


def _no_sim(device: torch.device) -> SimState:
    """What stands where the simulator would keep its state."""
    return SimState(
        torch.zeros(1, 0, device=device),
        torch.zeros(1, 4, dtype=torch.int64, device=device),
        torch.zeros(1, 0, dtype=torch.int64, device=device),
    )
