"""One decision in the embedded simulator: ticks, progress, features, reward, frame; a pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.tree import take_rows, where_rows
from btr_tm.core.types import Obs, Races
from btr_tm.race import progress as progress_of
from btr_tm.race.actions import TICK_MS
from btr_tm.race.car import CarState
from btr_tm.race.features import FeatureSet, History
from btr_tm.race.float_lookup import FloatLookup
from btr_tm.race.gates import Gates
from btr_tm.race.progress import CutOffs, Progress
from btr_tm.race.reference_line import ReferenceLine
from btr_tm.race.reward.moment import NO_COEFFICIENTS, Moment, Reward, ending_pays
from btr_tm.sim.appearance import NO_VARIATION, Appearance, Variation
from btr_tm.sim.physics.road import LOST_M
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.world import World

SHORTEST_RACE_M = 50.0  # a reference line has a hundred points


def line_along(track: Track, gates: Callable[[Tensor, Tensor], Gates]) -> ReferenceLine:
    """The line of `track`, along which progress counts; UserError for a race that is too short."""
    length_m = track.finish_m - track.start_m
    if length_m < SHORTEST_RACE_M:
        raise UserError(
            f"{track.name}: from start to finish are {length_m:.0f} m, and a race needs at least "
            f"{SHORTEST_RACE_M:.0f} m; put more blocks between them"
        )
    return ReferenceLine.from_points(track.line()).gated(gates, track.gate_centres())


class Drive(NamedTuple):
    """Everything that changes while E cars race."""

    sim: SimState
    moment: Moment
    history: History
    reward_sum: Tensor  # (E,) float32, of this race
    from_start: Tensor  # (E,) bool, began at the canonical start
    over: Tensor  # (E,) bool, the race has ended; stays so until a new start
    variation: Tensor  # (E, V) float32, what this race drew from its appearance


class Here(NamedTuple):
    """Where a decision led: leading axis E."""

    sim: SimState
    car: CarState
    time_ms: Tensor  # (E,) int64
    finished: Tensor  # (E,) bool
    fallen: Tensor  # (E,) bool, lies below the road for good
    progress: Progress
    history: History
    floats: Tensor  # (E, F) float32


class Seen(NamedTuple):
    """What a decision shows: leading axis E."""

    obs: Obs
    potential: Tensor  # (E,) float32, of the state seen


class Outcome(NamedTuple):
    """What a decision brought: leading axis E."""

    reward: Tensor  # (E,) float32
    terminated: Tensor  # (E,) bool
    truncated: Tensor  # (E,) bool
    final_potential: Tensor  # (E,) float32, of the state seen; 0 where the race ended
    races: Races


CarsAndViews = tuple[Drive, Seen]


class Renders(Protocol):
    """A camera, or its stand-in."""

    def __call__(self, pose: Pose, variation: Variation = NO_VARIATION) -> Tensor:
        """Images (E, 1, H, W) uint8."""
        ...


@dataclass(frozen=True)
class Rules:
    """What a race is along one line, seen through one set of features, in whatever game; constants only."""

    line: ReferenceLine
    features: FeatureSet
    reward: Reward
    cut_offs: CutOffs
    float_lookup: FloatLookup

    def line_up(
        self,
        sim: SimState,
        car: CarState,
        travelled_m: Tensor,
        from_start: Tensor,
        variation: Tensor,
        delay_s: Tensor,
    ) -> tuple[Drive, Tensor, Tensor]:
        """Cars `travelled_m` (E,) from the start, before their first decision; floats (E, F), Phi (E,).

        Actions reach them `delay_s` (E,) late.
        """
        progress = progress_of.start_near(self.line, car.position, travelled_m.clamp(min=0.0))
        history = self.features.start(len(car.position), car.position.device)
        history = history._replace(delay_s=delay_s)
        floats = self.features(car, progress, self.line, history)
        moment = self._moment(floats, car, progress, torch.zeros_like(progress.zone))
        reward_sum, over = torch.zeros_like(car.rpm), torch.zeros_like(from_start)
        drive = Drive(sim, moment, history, reward_sum, from_start, over, variation)
        return drive, floats, self.reward.potential(moment)

    def advance(self, before: Progress, position: Tensor, time_ms: Tensor, finished: Tensor) -> Progress:
        """Progress of cars that came to `position` (E, 3) at `time_ms` (E,), of the `finished` (E,) too."""
        progress = progress_of.advance(before, self.line, position, time_ms)
        return progress_of.finish(progress, self.line, finished)

    def observe(
        self, before: History, action: Tensor, car: CarState, progress: Progress
    ) -> tuple[History, Tensor]:
        """The history after `action`, and the floats (E, F)."""
        history = self.features.remember(before, action, car)
        return history, self.features(car, progress, self.line, history)

    def judge(
        self, drive: Drive, here: Here, action: Tensor, coefficients: Tensor
    ) -> tuple[Drive, Tensor, Outcome]:
        """What it means that `action` led from `drive` to `here`, and Phi (E,) there."""
        sim, car, time_ms, finished, fallen, progress, history, floats = here
        moment = self._moment(floats, car, progress, time_ms)
        reward = self.reward(drive.moment, moment, action, finished, coefficients)
        terminated = finished | self.cut_offs.lost(progress, time_ms)
        if not ending_pays(self.reward):
            terminated = terminated | fallen
        truncated = self.cut_offs(progress, time_ms) & ~terminated
        races = Races(
            done=(terminated | truncated) & ~drive.over,
            finished=finished,
            time_ms=time_ms,
            progress_m=progress.furthest_metres - self.line.start_m,
            from_start=drive.from_start,
            reward=drive.reward_sum + reward,
        )
        over = drive.over | races.done
        after = Drive(sim, moment, history, races.reward, drive.from_start, over, drive.variation)
        potential = self.reward.potential(moment)
        final = torch.where(terminated, 0.0, potential)
        return after, potential, Outcome(reward, terminated, truncated, final, races)

    def _moment(self, floats: Tensor, car: CarState, progress: Progress, time_ms: Tensor) -> Moment:
        read, points = self.float_lookup(self.features, floats, car, progress, self.line)
        return Moment(read, progress, time_ms, points)


@dataclass(frozen=True)
class Race(Rules):
    """The rules for cars of one world, with the pictures of its camera."""

    world: World
    camera: Renders
    appearance: Appearance

    def begin(self, sim: SimState, from_start: Tensor, variation: Tensor) -> tuple[Drive, Seen]:
        """Cars that stand at `sim`, before their first decision of a race that drew `variation` (E, V)."""
        travelled_m = sim.s_m - self.world.track.start_m
        delay_s = sim.delay_ticks * (TICK_MS / 1000)
        ready = self.line_up(sim, self.world.car(sim), travelled_m, from_start, variation, delay_s)
        return ready[0], self.seen(*ready)

    def decide(
        self, drive: Drive, action: Tensor, coefficients: Tensor = NO_COEFFICIENTS
    ) -> tuple[Drive, Seen, Outcome]:
        """One decision of every car: `action` (E,) int64, or (E, K) for one action per tick.

        `coefficients` hold what the reward's say at present.
        """
        sim = self.world.step(drive.sim, action)
        car, (time_ms, finished) = self.world.car(sim), clock(sim)
        before = drive.moment.progress
        progress = self.held(sim, before, self.advance(before, sim.position, time_ms, finished))
        history, floats = self.observe(drive.history, action, car, progress)
        here = Here(sim, car, time_ms, finished, fallen(sim), progress, history, floats)
        after, potential, outcome = self.judge(drive, here, action, coefficients)
        return after, self.seen(after, floats, potential), outcome

    def held(self, sim: SimState, before: Progress, after: Progress) -> Progress:
        """Progress `after` a decision; a fallen car gets no further, so that it is soon given up."""
        return where_rows(fallen(sim), before, after) if ending_pays(self.reward) else after

    def seen(self, drive: Drive, floats: Tensor, potential: Tensor) -> Seen:
        """With the picture."""
        image = self.camera(self.world.pose(drive.sim), self.appearance.variation(drive.variation))
        return Seen(Obs(image, floats), potential)


def clock(sim: SimState) -> tuple[Tensor, Tensor]:
    """Race time (E,) int64, that of the finish where a car has finished, and whether it has (E,).

    A fallen car that slides on under the finish has not.
    """
    finished = (sim.finish_tick >= 0) & ~fallen(sim)
    return TICK_MS * torch.where(finished, sim.finish_tick, sim.tick), finished


def fallen(sim: SimState) -> Tensor:
    """Which cars (E,) lie in the gap of a jump, from which none comes back."""
    return sim.height_m < -LOST_M


def restart(present: CarsAndViews, done: Tensor, pool: CarsAndViews, rows: Tensor) -> CarsAndViews:
    """`present`, but cars that are `done` (E,) are put to the rows (E,) int64 of `pool`."""
    return where_rows(done, take_rows(pool, rows), present)


class Advance(Protocol):
    """As `Race.advance`."""

    def __call__(self, before: Progress, position: Tensor, time_ms: Tensor, finished: Tensor) -> Progress: ...


Observe = Callable[[History, Tensor, CarState, Progress], tuple[History, Tensor]]
Judge = Callable[[Drive, Here, Tensor, Tensor], tuple[Drive, Tensor, Outcome]]


@dataclass(frozen=True)
class StagedRace:
    """`Race.decide`, each stage in its own way: what a kernel computes must not lie within a recording."""

    race: Race
    instruments: Callable[[SimState], CarState]
    advance: Advance
    observe: Observe
    judge: Judge

    def __call__(
        self, drive: Drive, action: Tensor, coefficients: Tensor = NO_COEFFICIENTS
    ) -> tuple[Drive, Seen, Outcome]:
        """As `Race.decide`."""
        sim = self.race.world.step(drive.sim, action)
        car, (time_ms, finished) = self.instruments(sim), clock(sim)
        before = drive.moment.progress
        progress = self.race.held(sim, before, self.advance(before, sim.position, time_ms, finished))
        history, floats = self.observe(drive.history, action, car, progress)
        here = Here(sim, car, time_ms, finished, fallen(sim), progress, history, floats)
        after, potential, outcome = self.judge(drive, here, action, coefficients)
        return after, self.race.seen(after, floats, potential), outcome


class Coefficients:
    """A reward's coefficients at the frames of `clock`, on `device`.

    They are written in place: a new tensor would be compiled anew, and copying it would wait for the device.
    """

    def __init__(self, reward: Reward, clock: Clock, device: torch.device | str) -> None:
        self._reward, self._clock = reward, clock
        self._written: tuple[float, ...] = (0.0,) * len(reward.coefficients(0))
        self._present = torch.zeros(len(self._written), device=device)

    def __call__(self) -> Tensor:
        """(K,) float32."""
        values = self._reward.coefficients(self._clock.frames)
        if values != self._written:
            for cell, value in zip(self._present, values, strict=True):
                cell.fill_(value)
            self._written = values
        return self._present


class NoCamera:
    """Stands where a run has no image."""

    def __call__(self, pose: Pose, variation: Variation = NO_VARIATION) -> Tensor:
        """Images (E, 1, 0, 0) uint8."""
        return torch.zeros(len(pose.s_m), 1, 0, 0, dtype=torch.uint8, device=pose.s_m.device)
