"""Drives a recorded race again, eagerly on the CPU; pictures and official times come from this."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.pose import Pose
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.world import NO_KEYS, PHYSICS_VERSION, World

TICK_MS = 10


class Redriven(NamedTuple):
    """One race, tick by tick; T ticks up to the finish or the end of the inputs."""

    actions: Tensor  # (T,) int64, row of the action table held during each tick
    pose: Pose  # leading axis T, after each tick
    finished: bool
    time_ms: int  # race time at the finish, else at the end

    @property
    def speed_kmh(self) -> Tensor:
        return self.pose.velocity.norm(dim=1) * 3.6

    @property
    def times_s(self) -> Tensor:
        return (torch.arange(len(self.actions)) + 1) * (TICK_MS / 1000)


def per_tick(actions: Tensor, decision_ticks: int, delay_ticks: int = 0) -> Tensor:
    """Decisions (D,) or (D, K) as the row that reaches the car in each tick.

    No key is pressed during the delay. A decision lasts `decision_ticks`, a multiple of K.
    """
    waiting = torch.full((delay_ticks,), NO_KEYS, dtype=torch.int64)
    return torch.cat([waiting, held(actions.cpu(), 0, decision_ticks)])


def values_per_tick(q: Tensor, decision_ticks: int) -> Tensor:
    """Values (D, A) or (D, K, A) of decisions as those (T, A) of the slot under way in each tick."""
    return held(q, 1, decision_ticks)


def held(decided: Tensor, trailing: int, decision_ticks: int) -> Tensor:
    """(D, [K,] *rest) -> (D * decision_ticks, *rest), each slot held in turn; `rest` has `trailing` axes."""
    slots = decided.reshape(len(decided), -1, *decided.shape[decided.dim() - trailing :])
    return slots.repeat_interleave(decision_ticks // slots.shape[1], dim=1).flatten(0, 1)


def redrive(track: Track, actions: Tensor) -> Redriven:
    """Drive rows (T,), one per tick, from the canonical start; ends at the finish."""
    world = World(track.to("cpu"), ticks_per_action=1)
    state = Starts(world).canonical(1)
    poses: list[Pose] = []
    with torch.inference_mode():  # a quarter faster than no_grad for so few numbers at a time
        for action in actions:
            state = world.step(state, action.reshape(1))
            poses.append(world.pose(state))
            if int(state.finish_tick) >= 0:
                break
    pose = Pose(*(torch.cat(values) for values in zip(*poses, strict=True)))
    finished = int(state.finish_tick) >= 0
    ticks = int(state.finish_tick) if finished else len(poses)
    return Redriven(actions[: len(poses)], pose, finished, ticks * TICK_MS)


def inputs_of(track: Track, race: Redriven) -> InputsFile:
    """The race as a file; time 0 if it did not finish."""
    time_ms = race.time_ms if race.finished else 0
    return InputsFile(track.name, PHYSICS_VERSION, time_ms, race.actions, track.line_half_width_m)
