"""Atari 2600 games as an environment, as BTR plays them: the benchmark of its paper."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import ResetInfo, StepInfo
from btr_tm.core.types import Obs, Races, StateDict
from btr_tm.envs.contract import TensorVectorEnv, checked_actions, early_step, start_of
from btr_tm.envs.emulators import RACK, ActionSet, Emulators
from btr_tm.envs.gymnasium import EVALUATION_SEED, episode_seed

FRAMES_PER_SECOND = 60


class AtariVectorEnv(TensorVectorEnv):
    """`cars` copies of a game under SAME_STEP autoreset, seen as their last frames, oldest first.

    Rewards are points clipped to plus and minus `reward_clip`; in `Races`, `reward` and `progress_m` are the
    score, `time_ms` counts decisions, and nothing finishes. An episode is truncated after `max_frames`.
    A copy draws from one seed for several episodes, until the first that ends after `reseed_every` decisions:
    a new seed takes 0.1 s. To restore a state, all that was played since then is played again.
    """

    has_floats = False
    named_by = "game"

    def __init__(
        self,
        game: str,
        cars: int,
        image_size: tuple[int, int],
        frame_stack: int,
        action_set: ActionSet,
        sticky: float,
        frame_skip: int,
        no_ops: int,
        max_frames: int,
        reward_clip: float,
        reseed_every: int,
        device: str | torch.device,
        seed: int,
    ) -> None:
        _check_choices(image_size, sticky, no_ops)
        _check_sizes(frame_stack=frame_stack, frame_skip=frame_skip, max_frames=max_frames)
        _check_sizes(reward_clip=reward_clip, reseed_every=reseed_every)
        threads = torch.get_num_threads()
        self._sizes = (image_size, action_set, sticky, frame_skip, no_ops, threads)
        self.name, self._rack = game, 1
        self._games = Emulators(game, 1, *self._sizes)  # knows the actions; the others are made at a reset
        self.device, self.seed = torch.device(device), seed
        self.decision_ms = round(1000 * frame_skip / FRAMES_PER_SECOND)
        self.actions, self.layout = self._games.actions, FloatLayout.generic(0)
        self.image_shape, self.stacked_frames = (frame_stack, *image_size), frame_stack
        self._longest = -(-max_frames // frame_skip)
        self._reward_clip, self._reseed_every = reward_clip, reseed_every
        self._restarts, self._begun = True, False
        self.set_spaces(cars)
        self._allocate(cars)

    def _allocate(self, cars: int) -> None:
        self._stack = np.zeros((cars, *self.image_shape), dtype=np.uint8)
        self._total = np.zeros(cars)  # score of the present episode
        self._decisions = np.zeros(cars, dtype=np.int64)  # of the present episode
        self._over, self._terminated = np.zeros(cars, dtype=bool), np.zeros(cars, dtype=bool)
        self._seed_number = np.zeros(cars, dtype=np.int64)  # how many seeds each car has had before
        self._played = np.zeros(cars, dtype=np.int64)  # decisions since the present seed, and which:
        self._actions = np.zeros((cars, self._reseed_every + self._longest), dtype=np.uint8)
        self._everyone = np.arange(cars)

    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Obs, ResetInfo]:
        """Begin episodes: `options["start"]` is "training" (default), "canonical" or "evaluation".

        Evaluation episodes are the same in every run, the canonical one is their first, and none restarts.
        """
        self.seed = self.seed if seed is None else seed
        start = start_of(options)
        self._restarts = start == "training"
        self._gather()
        self._seed_number[:] = 0
        cars = self._everyone * (start != "canonical")
        fixed = np.array([_int31(EVALUATION_SEED, int(car), 0) for car in cars])
        self._begin(self._everyone >= 0, self._seeds() if self._restarts else fixed)
        return self._observe(), {"potential": torch.zeros(self.num_envs, device=self.device)}

    def _gather(self) -> None:
        """Make all games, in one rack if none of them will pause. That takes 0.1 s a game."""
        self._begun = True
        rack = min(self.num_envs, self.num_envs if self._restarts else RACK)
        if rack != self._rack:
            self._games, self._rack = Emulators(self.name, self.num_envs, *self._sizes, rack), rack

    def step(self, action: Tensor) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:  # type: ignore[override]
        """One decision of every copy: `action` (E,) int64."""
        if not self._begun:
            raise early_step()
        chosen = np.array(checked_actions(action, self.actions))
        was_over = self._over.copy()
        points = self._play(chosen)
        reward = self._tensor(points.clip(-self._reward_clip, self._reward_clip), torch.float32)
        terminated, truncated = self._tensor(self._terminated), self._tensor(self._over & ~self._terminated)
        races, shown, final = self._races(was_over), self._stack, self._observe()
        self._restart()
        after = final if self._stack is shown else self._observe()
        zero = torch.zeros_like(reward)
        info = StepInfo(final_obs=final, final_potential=zero, potential=zero, races=races)
        return after, reward, terminated, truncated, info

    def _play(self, action: NDArray[np.int64]) -> NDArray[np.int64]:
        """Points (E,) of the decision; an episode that is over does not move."""
        moving = ~self._over
        self._actions[self._everyone[moving], self._played[moving]] = action[moving]
        self._played += moving
        frame, score, ended = self._games.step(action, moving)
        points = np.where(moving, score, 0)
        self._total += points
        self._decisions += moving
        self._terminated |= moving & ended
        self._over |= self._terminated | (self._decisions >= self._longest)
        self._push(frame, ~moving)
        return points

    def _push(self, frame: NDArray[np.uint8], still: NDArray[np.bool_]) -> None:
        """Put `frame` (E, H, W) last in a new stack, but for cars `still`; callers keep the old stack."""
        stack = np.concatenate([self._stack[:, 1:], frame[:, None]], axis=1)
        stack[still] = self._stack[still]
        self._stack = stack

    def _restart(self) -> None:
        """Begin the next episode where one is over, with a new seed where that is due."""
        if not self._restarts or not self._over.any():
            return
        due = self._over & (self._played >= self._reseed_every)
        same = self._over & ~due
        if due.any():
            self._seed_number += due
            self._begin(due, self._seeds())
        if same.any():
            self._begin(same, None)

    def _begin(self, cars: NDArray[np.bool_], seeds: NDArray[np.int64] | None) -> None:
        """Begin an episode where `cars` (E,); its stack holds its first frame only."""
        first = self._games.begin(cars, seeds)
        self._stack = self._stack.copy()
        self._stack[cars] = first[cars, None]
        for counter in (self._total, self._decisions, self._over, self._terminated):
            counter[cars] = 0
        if seeds is not None:
            self._played[cars] = 0

    def _seeds(self) -> NDArray[np.int64]:
        return np.array([_int31(self.seed, car, int(n)) for car, n in enumerate(self._seed_number)])

    def _races(self, was_over: NDArray[np.bool_]) -> Races:
        over, score = self._tensor(self._over), self._tensor(self._total, torch.float32)
        return Races(
            done=self._tensor(self._over & ~was_over),
            finished=torch.zeros_like(over),
            time_ms=self._tensor(self._decisions * self.decision_ms),
            progress_m=score,
            from_start=torch.ones_like(over),
            reward=score.clone(),
        )

    def _observe(self) -> Obs:
        nothing = torch.zeros(self.num_envs, 0, device=self.device)
        return Obs(torch.from_numpy(self._stack).to(self.device), nothing)

    def _tensor(self, values: NDArray[np.generic], dtype: torch.dtype | None = None) -> Tensor:
        """A copy on the device."""
        return torch.from_numpy(values.copy()).to(self.device, dtype)

    def state_dict(self) -> StateDict:
        """Per copy, which seed of the run it draws from and what it has played since."""
        actions = torch.from_numpy(self._actions[:, : self._played.max()].copy())
        number, played = torch.from_numpy(self._seed_number.copy()), torch.from_numpy(self._played.copy())
        return {"seed": self.seed, "seed_number": number, "played": played, "actions": actions}

    def load_state_dict(self, state: StateDict) -> None:
        """Play again what was played since a training reset; all copies get to the saved state together."""
        self.seed, self._restarts = state["seed"], True
        self._gather()
        played, actions = state["played"].numpy(), state["actions"].numpy().astype(np.int64)
        for left in range(int(played.max()), -1, -1):
            due = played == left
            if due.any():
                self._seed_number[due] = state["seed_number"].numpy()[due]
                self._begin(due, self._seeds())
            if left:
                at = (played - left).clip(min=0)  # games that are not due yet may play anything
                self._play(actions[self._everyone, at])
                self._restart()


def _int31(*parts: int) -> int:
    return episode_seed(*parts) >> 1  # as many bits as the emulator takes


def _check_choices(image_size: tuple[int, int], sticky: float, no_ops: int) -> None:
    """Raise UserError for values that no game can have."""
    if min(image_size) < 1:
        raise UserError("env=atari shows nothing but pictures, which encoder=none cannot see; choose another")
    if not 0 <= sticky < 1:
        raise UserError(f"env.sticky must be 0 or larger and below 1, got {sticky}; the usual share is 0.25")
    if no_ops < 0:
        raise UserError(f"env.no_ops must be 0 or larger, got {no_ops}")


def _check_sizes(**sizes: float) -> None:
    for name, size in sizes.items():
        if size <= 0:
            raise UserError(f"env.{name} must be larger than 0, got {size}")
