"""Many cars as an ordinary gymnasium.vector.VectorEnv of NumPy arrays, for libraries that are not ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs, Races
from btr_tm.envs.arrays import Arrays, arrays, observation_space, simulator_for
from btr_tm.race.actions import check_actions

START_POOL = 1024
SHOWN: dict[str, type] = {"time_ms": np.int64, "progress_m": np.float64, "finished": np.bool_}  # of each race

Infos = dict[str, Any]  # as gymnasium.vector defines them: `_name` says which cars have a `name`
Result = tuple[Arrays, np.ndarray, np.ndarray, np.ndarray, Infos]


class ManyEnv(VectorEnv):
    """`num_envs` races on `track`, all driven at once: `gymnasium.make_vec("btr_tm/A01-v0", num_envs=256)`.

    Observations, actions, ends and `options` are those of `SingleEnv`, with a first axis for the cars. A race
    that ends begins again in the same step (SAME_STEP autoreset): its last observation is in
    `infos["final_obs"]`. Each race starts at one of `start_pool` starts, which a reset draws from its seed.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        track: str = "a01",
        image_size: tuple[int, int] = (64, 64),
        anywhere_share: float = 0.0,
        start_pool: int = START_POOL,
        **options: Any,  # of gymnasium.make_vec, which knows no types
    ) -> None:
        if num_envs < 1:
            raise UserError(f"num_envs must be 1 or larger, got {num_envs}")
        options = {"compile": "auto", **options}
        own = {"num_envs", "start_pool"}
        self._cars = simulator_for(track, num_envs, image_size, start_pool, anywhere_share, own, options)
        self.num_envs = num_envs
        self.single_observation_space = observation_space(self._cars)
        self.single_action_space = self._cars.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = self._cars.action_space

    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Arrays, Infos]:
        """Begin every race. `options["start"]` "canonical" or "evaluation" is one race for each car, from the
        start line or from seeded starts: none of these begins again. A car whose race has ended rolls on; of
        what is given of it from then on, only `terminated` and `truncated` mean something.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        obs, _ = self._cars.reset(seed=drawn, options=options)
        begun: Infos = {name: np.zeros(self.num_envs, kind) for name, kind in SHOWN.items()}
        return arrays(obs), _masked(begun, np.ones(self.num_envs, bool))

    def step(self, actions: np.ndarray) -> Result:  # type: ignore[override]
        """One decision of every car: rows of race.actions.TABLE (E,), or (E, K) of blocks.

        Raises UserError for an unknown action.
        """
        check_actions(actions, self._cars.actions)
        chosen = torch.as_tensor(actions, device=self._cars.device).long()
        obs, reward, terminated, truncated, info = self._cars.step(chosen)
        infos = _infos(info["races"], info["final_obs"])
        ends = (column.cpu().numpy() for column in (reward.double(), terminated, truncated))
        return arrays(obs), *ends, infos  # type: ignore[return-value]  # mypy loses the length

    def close_extras(self, **kwargs: object) -> None:
        """Close the simulator."""
        self._cars.close()


def _infos(races: Races, final: Obs) -> Infos:
    """Of the races that go on and, where some have just ended, what they ended with."""
    columns = {name: getattr(races, name).cpu().numpy().astype(kind) for name, kind in SHOWN.items()}
    done = races.done.cpu().numpy()
    infos = _masked({name: column * ~done for name, column in columns.items()}, np.ones_like(done))
    if done.any():
        final_info = _masked({name: column * done for name, column in columns.items()}, done)
        last = _final_obs(final, np.flatnonzero(done))
        infos |= _masked({"final_obs": last, "final_info": final_info}, done)
    return infos


def _masked(infos: Mapping[str, object], has: np.ndarray) -> Infos:
    return {**infos, **{f"_{name}": has for name in infos}}


def _final_obs(final: Obs, ended: np.ndarray) -> np.ndarray:
    """(E,) objects: what each of the cars that `ended` saw last, None for all others."""
    rows = torch.from_numpy(ended).to(final.floats.device)
    last = arrays(Obs(final.image[rows], final.floats[rows]))
    seen = np.full(len(final.floats), None, dtype=object)
    for row, car in enumerate(ended):
        seen[car] = {name: leaf[row] for name, leaf in last.items()}
    return seen
