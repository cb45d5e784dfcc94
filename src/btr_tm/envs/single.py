"""One car as an ordinary gymnasium.Env of NumPy arrays, for libraries that are not ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import gymnasium
import numpy as np
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.envs.arrays import PASSED_ON, Arrays, arrays, check_size, observation_space, simulator_for
from btr_tm.envs.contract import early_step, start_of
from btr_tm.race.actions import check_actions
from btr_tm.sim.delays import delayed

if TYPE_CHECKING:
    from btr_tm.sim.colour.view import ColourView


OWN = {"render_mode", "render_size"}


class RaceInfo(TypedDict):
    """The race so far."""

    time_ms: int
    progress_m: float
    finished: bool


class SingleEnv(gymnasium.Env):
    """A race on `track`, one decision every 50 ms unless said; "btr_tm/A01-v0" and so on for shipped ones.

    Observation: {"image": uint8 (H, W, 1) grey, "floats": float32 (F,), physical units as in core/floats.py}.
    Action: row of race.actions.TABLE. Crossing the line terminates; standing still or 5 minutes truncate.
    A share `anywhere_share` of the races starts rolling somewhere along the track, the others at the line;
    `reset(options={"start": "canonical"})` starts at the line in any case, with plain pictures.
    More `options` (features, reward, ...) go to `plain_simulator`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(
        self,
        track: str = "a01",
        render_mode: str | None = None,
        image_size: tuple[int, int] = (64, 64),
        render_size: tuple[int, int] = (360, 640),
        anywhere_share: float = 0.0,
        **options: Any,  # of gymnasium.make, which knows no types
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"render_mode must be None or rgb_array, got {render_mode!r}")
        check_size("render_size", render_size, least=1)
        passed_on = PASSED_ON - {"restarts"}  # they are of a pool of starts
        self._cars = simulator_for(track, 1, image_size, 1, anywhere_share, OWN, options, passed_on)
        self.metadata = {**self.metadata, "render_fps": 1000 / self._cars.decision_ms}
        self.render_mode, self._render_size, self._anywhere_share = render_mode, render_size, anywhere_share
        self._view: ColourView | None = None
        self.observation_space = observation_space(self._cars)
        self.action_space = self._cars.single_action_space

    @torch.no_grad()
    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Arrays, RaceInfo]:
        """Begin a race; `options["start"]` "canonical" forces the start line, and so does "evaluation"."""
        canonical = start_of(options) != "training"
        super().reset(seed=seed)
        generator = torch.Generator().manual_seed(int(self.np_random.integers(2**31)))
        share = 0.0 if canonical else self._anywhere_share
        starts, appearance = self._cars.starts, self._cars.appearance
        sim = starts.training(1, share, generator)
        drawn = appearance.draw(1, generator).to(self._cars.device)
        variation = torch.zeros_like(drawn) if canonical else drawn
        delays = self._cars.delays
        delay = torch.tensor([delays.canonical]) if canonical else delays.draw(1, generator)
        sim = delayed(sim, delay)
        self._drive, seen = self._cars.race.begin(sim, starts.is_canonical(sim), variation)
        return _of_one(seen.obs), RaceInfo(time_ms=0, progress_m=0.0, finished=False)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, action: int | np.ndarray
    ) -> tuple[Arrays, float, bool, bool, RaceInfo]:
        """One decision, or (K,) of a block; raises UserError for an unknown action."""
        if not hasattr(self, "_drive"):
            raise early_step()
        check_actions(action, self._cars.actions)
        if np.shape(action) != self._cars.block:
            raise UserError(f"an action must have the shape {self._cars.block}, got {np.shape(action)}")
        chosen = torch.as_tensor(action, device=self._cars.device).long().reshape(1, *self._cars.block)
        coefficients = self._cars.coefficients()
        self._drive, seen, outcome = self._cars.decide(self._drive, chosen, coefficients)
        races = outcome.races
        info = RaceInfo(
            time_ms=int(races.time_ms),
            progress_m=float(races.progress_m),
            finished=bool(races.finished),
        )
        reward = float(outcome.reward)
        return _of_one(seen.obs), reward, bool(outcome.terminated), bool(outcome.truncated), info

    @torch.no_grad()
    def render(self) -> np.ndarray | None:
        """The colour view (H, W, 3) uint8, where `render_mode` asks for it."""
        if self.render_mode is None:
            return None
        if not hasattr(self, "_drive"):
            raise early_step()
        if self._view is None:
            from btr_tm.sim.colour.view import ColourView  # its scene takes memory: only for who renders

            self._view = ColourView(self._cars.track, *self._render_size)
        return self._view(self._cars.race.world.pose(self._drive.sim))[0].cpu().numpy()

    def close(self) -> None:
        """Close the environment."""
        self._cars.close()


def _of_one(obs: Obs) -> Arrays:
    return {name: leaf[0] for name, leaf in arrays(obs).items()}
