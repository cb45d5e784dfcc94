"""One car as an ordinary gymnasium.Env of NumPy arrays, for libraries that are not ours."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import gymnasium
import numpy as np
import torch

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.envs.contract import early_step
from btr_tm.envs.plain import plain_simulator
from btr_tm.race.actions import check_actions
from btr_tm.sim.track.load import load_track

if TYPE_CHECKING:
    from btr_tm.sim.colour.view import ColourView


LARGEST = 4096  # pixels each way
OWN = {"track", "render_mode", "image_size", "render_size", "anywhere_share"}
OPTIONS = {*inspect.signature(plain_simulator).parameters} - OWN - {"cars", "start_pool"}


class RaceInfo(TypedDict):
    """The race so far."""

    time_ms: int
    progress_m: float
    finished: bool


class SingleEnv(gymnasium.Env):
    """A race on `track`, one decision every 50 ms; "btr_tm/A01-v0" and so on for the shipped tracks.

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
        _check_size("image_size", image_size, least=0)
        _check_size("render_size", render_size, least=1)
        if not 0.0 <= anywhere_share <= 1.0:
            raise UserError(f"anywhere_share must be from 0 to 1, got {anywhere_share}")
        for name in options:
            if name not in OPTIONS:
                raise UserError(f"there is no option {name}; valid: {', '.join(sorted(OPTIONS | OWN))}")
        self._cars = plain_simulator(load_track(track), 1, image_size, start_pool=1, **options)
        self.render_mode, self._render_size, self._anywhere_share = render_mode, render_size, anywhere_share
        self._view: ColourView | None = None
        floats = gymnasium.spaces.Box(-np.inf, np.inf, (self._cars.layout.size,), np.float32)
        image = gymnasium.spaces.Box(0, 255, (*image_size, 1), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({"image": image, "floats": floats})
        self.action_space = self._cars.single_action_space

    @torch.no_grad()
    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[dict[str, np.ndarray], RaceInfo]:
        """Begin a race; `options["start"]` "canonical" forces the start line."""
        super().reset(seed=seed)
        generator = torch.Generator().manual_seed(int(self.np_random.integers(2**31)))
        canonical = (options or {}).get("start") == "canonical"
        share = 0.0 if canonical else self._anywhere_share
        starts, appearance = self._cars.starts, self._cars.appearance
        sim = starts.training(1, share, generator)
        drawn = appearance.draw(1, generator).to(self._cars.device)
        variation = torch.zeros_like(drawn) if canonical else drawn
        self._drive, seen = self._cars.race.begin(sim, starts.is_canonical(sim), variation)
        return _arrays(seen.obs), RaceInfo(time_ms=0, progress_m=0.0, finished=False)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, action: int | np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, RaceInfo]:
        """One decision, or (K,) of a block; raises UserError for an action out of 0..11."""
        if not hasattr(self, "_drive"):
            raise early_step()
        check_actions(action)
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
        return _arrays(seen.obs), reward, bool(outcome.terminated), bool(outcome.truncated), info

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


def _check_size(name: str, size: tuple[int, int], least: int) -> None:
    """Raise UserError unless `size` is H, W."""
    pair = isinstance(size, tuple | list) and len(size) == 2
    if not pair or not all(isinstance(side, int) and least <= side <= LARGEST for side in size):
        raise UserError(
            f"{name} must be (height, width), whole numbers from {least} to {LARGEST}, got {size!r:.80}"
        )


def _arrays(obs: Obs) -> dict[str, np.ndarray]:
    image, floats = obs.image[0].permute(1, 2, 0), obs.floats[0]
    return {"image": image.contiguous().cpu().numpy(), "floats": floats.cpu().numpy()}
