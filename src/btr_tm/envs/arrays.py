"""The simulator for libraries that are not ours: what they may ask for, and what they see as NumPy arrays."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Set
from typing import Any

import gymnasium
import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.sim.track.load import load_track

Arrays = dict[str, np.ndarray]

LARGEST = 4096  # pixels each way
OWN = {"track", "image_size", "anywhere_share"}
PASSED_ON = {*inspect.signature(plain_simulator).parameters} - OWN - {"cars", "start_pool", "seed"}


def simulator_for(
    track: str,
    cars: int,
    image_size: tuple[int, int],
    start_pool: int,
    anywhere_share: float,
    also: set[str],
    options: Mapping[str, Any],  # of gymnasium.make, which knows no types
    passed_on: Set[str] = PASSED_ON,
) -> SimVectorEnv:
    """`options`, some of `passed_on`, go to `plain_simulator`; `also` names what else can be asked for."""
    check_size("image_size", image_size, least=0)
    if (image_size[0] == 0) != (image_size[1] == 0):
        raise UserError(f"image_size must be (0, 0) for no picture, or have both sides, got {image_size}")
    if not 0.0 <= anywhere_share <= 1.0:
        raise UserError(f"anywhere_share must be from 0 to 1, got {anywhere_share}")
    for name in options:
        if name not in passed_on:
            valid = ", ".join(sorted({*passed_on, *OWN, *also}))
            raise UserError(f"there is no option {name}; valid: {valid}")
    return plain_simulator(
        load_track(track), cars, image_size, start_pool=start_pool, anywhere_share=anywhere_share, **options
    )


def observation_space(simulator: SimVectorEnv) -> gymnasium.spaces.Dict:
    """Of one car: a grey picture (H, W, 1), as other libraries expect one, and the floats (F,)."""
    floats = gymnasium.spaces.Box(-np.inf, np.inf, (simulator.layout.size,), np.float32)
    image = gymnasium.spaces.Box(0, 255, (*simulator.image_shape[1:], 1), np.uint8)
    return gymnasium.spaces.Dict({"image": image, "floats": floats})


def arrays(obs: Obs) -> Arrays:
    """{"image": uint8 (E, H, W, 1), "floats": float32 (E, F)}, which no later decision changes."""
    image = obs.image.permute(0, 2, 3, 1)
    return {"image": image.contiguous().cpu().numpy(), "floats": obs.floats.cpu().numpy()}


def check_size(name: str, size: tuple[int, int], least: int) -> None:
    """Raise UserError unless `size` is H, W."""
    pair = isinstance(size, tuple | list) and len(size) == 2
    if not pair or not all(isinstance(side, int) and least <= side <= LARGEST for side in size):
        raise UserError(
            f"{name} must be (height, width), whole numbers from {least} to {LARGEST}, got {size!r:.80}"
        )
