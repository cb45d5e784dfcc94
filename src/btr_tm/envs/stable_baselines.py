"""Many cars for Stable-Baselines3, which has vector environments of its own kind."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvStepReturn

from btr_tm.core.errors import UserError


class StableBaselinesVecEnv(VecEnv):
    """`env`, a gymnasium.vector.VectorEnv under SAME_STEP autoreset whose observations are Dicts of arrays.

    `PPO("MultiInputPolicy", StableBaselinesVecEnv(gymnasium.make_vec("btr_tm/A01-v0", num_envs=256)))`.
    Only cars whose race has just ended have infos; no attribute or method belongs to one car alone.
    """

    def __init__(self, env: VectorEnv) -> None:
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise UserError("Stable-Baselines3 needs a vector environment with SAME_STEP autoreset")
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._nothing: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]

    def reset(self) -> dict[str, np.ndarray]:
        if any(options != self._options[0] for options in self._options):
            raise UserError("all cars are one environment: set_options takes the same for all of them")
        obs, _ = self.env.reset(seed=self._seeds[0], options=self._options[0] or None)
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        obs, reward, terminated, truncated, infos = self.env.step(self._actions)
        done, each = terminated | truncated, self._nothing.copy()
        for car in np.flatnonzero(done):
            last = {"terminal_observation": infos["final_obs"][car]}
            each[car] = last | {"TimeLimit.truncated": bool(truncated[car] and not terminated[car])}
        return obs, reward.astype(np.float32), done, each

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: object, indices: VecEnvIndices = None) -> None:
        raise UserError(f"all cars are one environment: {attr_name} cannot be set for some of them")

    def env_method(
        self, method_name: str, *method_args: object, indices: VecEnvIndices = None, **method_kwargs: object
    ) -> list[Any]:
        raise UserError(f"all cars are one environment: {method_name} cannot be called for some of them")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))
