"""Drives recorded races again, eagerly on the CPU; pictures and official times come from this."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from btr_tm.race.actions import TICK_MS
from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.pose import Pose
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.load import HALF_WIDTH_M, author_inputs, load_track, make_track, shipped_tracks
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.track.source import source_in
from btr_tm.sim.world import NO_KEYS, PHYSICS_VERSION, World


class Redriven(NamedTuple):
    """One race, tick by tick; T ticks up to the finish or the end of the inputs."""

    actions: Tensor  # (T,) int64, row of the action table held during each tick
    pose: Pose  # leading axis T, after each tick
    wall: Tensor  # (T,) against which wall the car was in each tick: 1 the right one, -1 the left one, 0 none
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
    return redrive_all(track, [actions])[0]


def told_otherwise(file: InputsFile, race: Redriven) -> str:
    """One sentence where the file tells of another race than its keys drive here; "" where it does not."""
    if not file.time_ms or (race.finished and race.time_ms == file.time_ms):
        return ""
    return (
        f"the file says {file.time_ms / 1000:.2f} s, so it was recorded with another car or on another form "
        "of the track"
    )


def redrive_author(track: Track) -> Redriven | None:
    """The author's race, where the track has one that reaches the finish.

    Its time is known already, so the kernel drives it: in a fifth of the time.
    """
    inputs = author_inputs(track)
    race = redrive_all(track, [inputs.actions], KernelWorld)[0] if inputs is not None else None
    return race if race is not None and race.finished else None


def redrive_all(track: Track, races: Sequence[Tensor], kind: type[World] = World) -> list[Redriven]:
    """Drive several races side by side, in little more time than one; each ends as in `redrive`."""
    world = kind(track.to("cpu"), ticks_per_action=1)
    longest = max(map(len, races))
    rows = torch.stack([nn.functional.pad(each, (0, longest - len(each)), value=NO_KEYS) for each in races])
    lengths = torch.tensor([len(each) for each in races])
    states = [Starts(world).canonical(len(races))]
    with torch.inference_mode():  # a quarter faster than no_grad for so few numbers at a time
        for tick in range(longest):
            states.append(world.step(states[-1], rows[:, tick]))
            if ((states[-1].finish_tick >= 0) | (tick + 1 >= lengths)).all():
                break
        apart = (len(states) - 1, len(races))
        walls = world.wall_ahead(_beside(states[:-1])).unflatten(0, apart)
        poses = Pose(*(leaf.unflatten(0, apart) for leaf in world.pose(_beside(states[1:]))))  # (T, E, ...)
    return [
        one_race(actions, Pose(*(leaf[:, car] for leaf in poses)), walls[:, car], int(end))
        for car, (actions, end) in enumerate(zip(races, states[-1].finish_tick, strict=True))
    ]


def _beside(states: Sequence[SimState]) -> SimState:
    """The cars of one moment after the other, as if all of them drove at once."""
    return SimState(*map(torch.cat, zip(*states, strict=True)))


def one_race(actions: Tensor, pose: Pose, wall: Tensor, finish_tick: int) -> Redriven:
    """Of one car; what it did beyond its finish or its last action is left out."""
    finished = 0 <= finish_tick <= len(actions)
    ticks = finish_tick if finished else len(actions)
    poses = Pose(*(leaf[:ticks] for leaf in pose))
    return Redriven(actions[:ticks], poses, wall[:ticks], finished, ticks * TICK_MS)


def track_beside(file: InputsFile, path: Path) -> Track | None:
    """The track of the inputs at `path`: the one that lies beside them, else the shipped one of its name."""
    beside = source_in(path.parent, file.track) if file.track else None
    if beside is not None:
        return make_track(beside, file.half_width_m or HALF_WIDTH_M)
    return load_track(file.track) if file.track in shipped_tracks() else None


def inputs_of(track: Track, race: Redriven) -> InputsFile:
    """The race as a file; time 0 if it did not finish."""
    time_ms = race.time_ms if race.finished else 0
    return InputsFile(track.name, PHYSICS_VERSION, time_ms, race.actions, track.line_half_width_m)
