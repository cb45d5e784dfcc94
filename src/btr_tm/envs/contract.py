"""What environments have in common: what each class says about itself, spaces, and the kinds of starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from btr_tm.core.block import Block
from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.memory import refuse_too_much
from btr_tm.core.types import Obs

STARTS = ("training", "canonical", "evaluation")


class TensorVectorEnv(VectorEnv):
    """Base of every environment that can be driven: a gymnasium VectorEnv of tensors, SAME_STEP autoreset.

    Subclasses keep the protocol `core.protocols.DrivingEnv`. The class variables say what can be asked before
    an environment is built; a subclass inherits them. One `with_track` is built with `track`, `features`,
    `reward` and `clock`, as `SimVectorEnv` is.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    with_track: ClassVar[bool] = False  # cars race along a track, seen through obs=, rewarded by reward=
    can_redrive: ClassVar[bool] = False  # our simulator can drive a race again from its actions, and film it
    has_clock: ClassVar[bool] = False  # the first float is the clock of a mini-race
    one_car: ClassVar[bool] = False  # drives one car from the start line, in a game of its own
    real_time: ClassVar[bool] = False  # goes on whatever we do: nothing may keep it waiting
    has_floats: ClassVar[bool] = True  # it can be driven without looking at images
    named_by: ClassVar[str] = "id"  # the argument that names the task, where there is no track

    name: str = "the game"
    facts: Mapping[str, str] = MappingProxyType({})
    device: torch.device
    layout: FloatLayout
    image_shape: tuple[int, int, int]
    actions: int
    block: Block = ()  # a decision is a single action
    stacked_frames: int = 1
    can_shrink: bool = False
    patience_s: float = 0.0

    def set_spaces(self, cars: int) -> None:
        """Set `num_envs` and the spaces from image_shape, layout, actions and block."""
        self.refuse_too_many(cars, "cars", "profile.cars (or profile.eval_starts)")
        self.num_envs = cars
        self.single_observation_space = gymnasium.spaces.Dict(
            {
                "image": gymnasium.spaces.Box(0, 255, self.image_shape, np.uint8),
                "floats": gymnasium.spaces.Box(-np.inf, np.inf, (self.layout.size,), np.float32),
            }
        )
        self.single_action_space = self._action_space()
        self.observation_space = batch_space(self.single_observation_space, cars)
        self.action_space = batch_space(self.single_action_space, cars)

    def refuse_too_many(self, cars: int, what: str, setting: str) -> None:
        """Raise UserError if what `cars` show, before and after a decision, does not fit into memory."""
        seen = 2 * (math.prod(self.image_shape) + 4 * self.layout.size)
        refuse_too_much(cars * seen, self.device, f"{cars:,} {what}", setting, cars)

    def _action_space(self) -> gymnasium.spaces.Discrete | gymnasium.spaces.MultiDiscrete:
        if not self.block:
            return gymnasium.spaces.Discrete(self.actions)
        return gymnasium.spaces.MultiDiscrete(np.full(self.block, self.actions))

    def check_ready(self) -> None:
        """UserError for what the first `reset` would find missing; for one that needs nothing, nothing."""

    def pause(self) -> None:
        """Nothing is decided for a while, which a game that waits does not mind."""

    def keep(self, rows: Tensor) -> Obs:
        """Go on with the cars `rows` (K,) alone; only where `can_shrink`."""
        raise NotImplementedError(f"{type(self).__name__} always has all its cars")


def early_step() -> gymnasium.error.ResetNeeded:
    """What a step before the first reset raises."""
    return gymnasium.error.ResetNeeded("call reset() before the first step()")


def start_of(options: Mapping[str, str] | None) -> str:
    """The kind of start that `options` of a reset ask for, training unless they do; raises UserError."""
    return checked_options(options, {"start": STARTS})["start"]


def checked_options(
    options: Mapping[str, str] | None, known: Mapping[str, Sequence[str]]
) -> Mapping[str, str]:
    """What a reset is asked for: of each option in `known` one of its values, the first unless said.

    Raises UserError for another option or value.
    """
    given = dict(options or {})
    for option, value in given.items():
        if option not in known:
            raise UserError(f"reset knows no option {option!r}; valid: {', '.join(known)}")
        if value not in known[option]:
            raise UserError(f"the {option} must be {' or '.join(known[option])}, got {value!r}")
    return {option: values[0] for option, values in known.items()} | given


def checked_actions(action: Tensor, count: int) -> list[int]:
    """`action` (E,) as numbers on the host; raises UserError for one that is not within 0 to `count` - 1."""
    chosen: list[int] = action.tolist()
    for a in chosen:
        if not (isinstance(a, int) and 0 <= a < count):
            raise UserError(f"actions must be whole numbers from 0 to {count - 1}, got {a}")
    return chosen
