"""A chunk: a fixed number of decisions of one collector's cars, as arrays; each frame is stored once.

Row r of an observation is what decision r saw, row T the successor of the last decision. Where a race ended,
the next row already shows a new one, and the true successor lies in the `final_` arrays.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.protocols import DrivingEnv
from btr_tm.core.types import Chunk, Obs, Races, Transition
from btr_tm.run.remote.arrays import Field, Layout

Arrays = dict[str, np.ndarray]
RACES = {
    "done": np.bool_,
    "finished": np.bool_,
    "time_ms": np.int64,
    "progress_m": np.float32,
    "from_start": np.bool_,
    "reward": np.float32,
}


@dataclass(frozen=True)
class ChunkFormat:
    """Sizes of the chunks of one run."""

    decisions: int
    cars: int
    image_shape: tuple[int, ...]
    floats: int
    actions: int = 1  # of a decision

    @classmethod
    def of(cls, env: DrivingEnv, workers: int, decisions: int) -> ChunkFormat:
        """Chunks of one of `workers` that share the cars of `env` equally; UserError if they cannot."""
        if workers < 1 or decisions < 1:
            raise UserError(
                f"a collector needs 1 or more workers and decisions, got {workers} and {decisions}"
            )
        if env.num_envs % workers:
            raise UserError(
                f"{workers} workers cannot share {env.num_envs} cars equally; change the number of workers "
                "or profile.cars"
            )
        actions = env.block[0] if env.block else 1
        return cls(decisions, env.num_envs // workers, env.image_shape, env.layout.size, actions)

    @property
    def frames(self) -> int:
        """Decisions of all cars."""
        return self.decisions * self.cars

    @cached_property
    def layout(self) -> Layout:
        """Fields of one chunk."""
        rows, cars = self.decisions, self.cars

        def field(count: int, dtype: type, *shape: int) -> Field:
            return Field((count, cars, *shape), np.dtype(dtype))

        fields = {
            "image": field(rows + 1, np.uint8, *self.image_shape),
            "floats": field(rows + 1, np.float32, self.floats),
            "potential": field(rows + 1, np.float32),
            "final_image": field(rows, np.uint8, *self.image_shape),
            "final_floats": field(rows, np.float32, self.floats),
            "final_potential": field(rows, np.float32),
            "action": field(rows, np.int32, self.actions),
            "greedy": field(rows, np.bool_),
            "step_reward": field(rows, np.float32),
            "terminated": field(rows, np.bool_),
            "truncated": field(rows, np.bool_),
        }
        fields |= {"void": field(1, np.bool_), "lost_races": field(1, np.int64)}
        return Layout(fields | {name: field(rows, dtype) for name, dtype in RACES.items()})

    def fits(self, arrays: Arrays) -> bool:
        """Whether `arrays` are those of such a chunk."""
        fields = self.layout.fields
        return set(arrays) == set(fields) and all(
            (array.shape, array.dtype) == tuple(fields[name]) for name, array in arrays.items()
        )

    def pack(self, transitions: list[Transition], races: list[Races], into: Arrays) -> None:
        """Write T transitions and race states; finals only where a race ended, the rest stays stale."""
        for row, (step, race) in enumerate(zip(transitions, races, strict=True)):
            self._put_obs(into, row, step.obs, step.potential)
            into["action"][row] = step.action.reshape(self.cars, self.actions).numpy()
            into["greedy"][row], into["step_reward"][row] = step.greedy.numpy(), step.reward.numpy()
            into["terminated"][row], into["truncated"][row] = step.terminated.numpy(), step.truncated.numpy()
            for name in RACES:
                into[name][row] = getattr(race, name).numpy()
            ended = (step.terminated | step.truncated).numpy()
            into["final_image"][row, ended] = step.next_obs.image.numpy()[ended]
            into["final_floats"][row, ended] = step.next_obs.floats.numpy()[ended]
            into["final_potential"][row, ended] = step.next_potential.numpy()[ended]
        self._put_obs(into, self.decisions, transitions[-1].next_obs, transitions[-1].next_potential)

    def pack_losses(self, chunk: Chunk, into: Arrays) -> None:
        """Write whether the race open before `chunk` is void, and how many the worker has lost so far."""
        into["void"][:] = bool(chunk.lost)
        into["lost_races"][:] = int(chunk.metrics.get("lost_races", 0))

    @staticmethod
    def unpack_losses(arrays: Arrays) -> tuple[bool, int]:
        """What `pack_losses` was given."""
        return bool(arrays["void"].any()), int(arrays["lost_races"].max())

    @staticmethod
    def _put_obs(into: Arrays, row: int, obs: Obs, potential: Tensor) -> None:
        into["image"][row], into["floats"][row] = obs.image.numpy(), obs.floats.numpy()
        into["potential"][row] = potential.numpy()

    def unpack(self, arrays: Arrays) -> tuple[list[Transition], list[Races]]:
        """What `pack` was given. Tensors may be views of `arrays`: use them before the arrays change."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        rows = range(self.decisions)
        return (
            [self._transition(tensors, row) for row in rows],
            [Races(**{name: tensors[name][row] for name in RACES}) for row in rows],
        )

    def _transition(self, of: dict[str, Tensor], row: int) -> Transition:
        ended = of["terminated"][row] | of["truncated"][row]

        def successor(name: str) -> Tensor:
            wide = ended.reshape(-1, *[1] * (of[name].ndim - 2))
            return torch.where(wide, of[f"final_{name}"][row], of[name][row + 1])

        action = of["action"][row].long()
        return Transition(
            obs=Obs(of["image"][row], of["floats"][row]),
            action=action[:, 0] if self.actions == 1 else action,
            greedy=of["greedy"][row],
            reward=of["step_reward"][row],
            potential=of["potential"][row],
            next_obs=Obs(successor("image"), successor("floats")),
            next_potential=successor("potential"),
            terminated=of["terminated"][row],
            truncated=of["truncated"][row],
        )


def checksum(record: memoryview) -> int:
    """CRC-32 of a chunk's bytes."""
    return zlib.crc32(record)
