"""Races of the simulator that are driven by given keys, tick by tick, and seen through decisions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.protocols import StepInfo
from btr_tm.core.types import Obs
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics.state import SimState


@dataclass(frozen=True, eq=False)
class ScriptedWorld(KernelWorld):
    """A world whose cars get the keys that are set, whatever has been decided."""

    keys: list[Tensor] = field(default_factory=list)  # one of (E, K), a row of the action table per tick

    def step(self, state: SimState, action: Tensor) -> SimState:
        return super().step(state, self.keys[0])


class ScriptedRaces:
    """Drives `env` by keys; observations, rewards and ends are those of its own decisions.

    Raises UserError if keys reach the car later than they are pressed: what is pressed in a file has arrived;
    and for keys that are none of the environment's actions.
    """

    def __init__(self, env: SimVectorEnv) -> None:
        if env.longest_delay_ticks:
            raise UserError(
                "keys of a file reach the car at once, so demonstrations need env.action_delay_ticks=0, got "
                f"{env.longest_delay_ticks}"
            )
        self.env, world = env, env.race.world
        self._world = ScriptedWorld(env.track, world.constants, env.decision_ticks)
        if not env.block:  # else a decision says all of its keys
            env.decide = dataclasses.replace(env.race, world=self._world).decide

    def step(self, keys: Tensor) -> tuple[Tensor, Tensor, tuple[Obs, Tensor, Tensor, Tensor, StepInfo]]:
        """Hold `keys` (E, K) during the K ticks of a decision.

        The decision that they come nearest to, (E,) or (E, K), whether it holds other keys than these in some
        tick (E,), and what the environment says.
        """
        self._world.keys[:] = [keys]
        action = keys if self.env.block else nearest(keys)
        self._refuse_unknown(action)
        mixed = (keys != action.reshape(len(keys), -1)).any(1)
        return action, mixed, self.env.step(action)

    def _refuse_unknown(self, action: Tensor) -> None:
        """The decision kernel would not: it looks at the keys, which are set here."""
        if int(action.max()) >= self.env.actions:
            raise UserError(
                f"a race steers by a part of the way, which none of {self.env.actions} actions does; choose "
                "env.steer_levels=2 (halves) or 4 (quarters)"
            )


def nearest(keys: Tensor) -> Tensor:
    """Of the actions (E, K) in each tick the one that is held longest (E,), the first of those that tie."""
    held = (keys[:, :, None] == keys[:, None, :]).sum(2)
    return keys.gather(1, held.argmax(1, keepdim=True))[:, 0]


def ticks_of(keys: Tensor, decision: int, ticks: int, after: int) -> Tensor:
    """Those of `keys` (E, T) during one decision of `ticks` ticks, `after` where they have ended."""
    part = keys[:, decision * ticks : (decision + 1) * ticks]
    return torch.nn.functional.pad(part, (0, ticks - part.shape[1]), value=after)
