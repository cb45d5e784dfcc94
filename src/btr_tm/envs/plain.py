"""The simulator for callers without a configuration: users of Gymnasium, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.envs.execution import Compile
from btr_tm.envs.restarts import Restarts
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.features import Features, FeatureSet
from btr_tm.race.float_lookup import FloatLookup, NamedLookup
from btr_tm.race.gates import Gates, NoGates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.moment import Reward
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.sim.appearance import Appearance
from btr_tm.sim.track.ribbon import Track

CUT_OFFS = CutOffs(race_ms=300_000, no_progress_ms=2_000)


def plain_simulator(
    track: Track,
    cars: int,
    image_size: tuple[int, int],
    start_pool: int,
    features: FeatureSet | None = None,
    reward: Reward | None = None,
    ticks_per_action: int = 5,
    action_delay_ticks: int | Sequence[int] = 0,
    action_offsets_ms: Sequence[int] = (0,),
    cut_offs: CutOffs = CUT_OFFS,
    appearance: Appearance | None = None,
    gates: Callable[[Tensor, Tensor], Gates] = NoGates,
    float_lookup: FloatLookup | None = None,
    clock: Clock | None = None,
    anywhere_share: float = 0.5,
    device: str | torch.device = "cpu",
    seed: int = 0,
    compile: Compile = "eager",
    restarts: Restarts | None = None,
    steer_levels: int = 1,
) -> SimVectorEnv:
    """With the values of `env=sim`, which a test compares; the reward is progress unless told otherwise."""
    return SimVectorEnv(
        track,
        features or Features(),
        reward or ProgressReward(),
        cars,
        image_size,
        ticks_per_action,
        action_delay_ticks,
        action_offsets_ms,
        cut_offs,
        gates,
        float_lookup or NamedLookup(),
        clock or Clock(),
        anywhere_share,
        start_pool,
        device,
        seed,
        compile,
        appearance,
        restarts,
        steer_levels,
    )
