"""The real game for callers without a configuration: benchmarks and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from btr_tm.core.clock import Clock
from btr_tm.envs.plain import CUT_OFFS
from btr_tm.envs.tminterface.env import TMInterfaceVectorEnv
from btr_tm.envs.tminterface.games import Patience, StartedByHand
from btr_tm.race.features import Features, FeatureSet
from btr_tm.race.float_lookup import NamedLookup
from btr_tm.race.gates import NoGates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.moment import Reward
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.sim.track.ribbon import Track

PATIENCE = Patience(connect_s=20.0, start_s=60.0, answer_s=10.0, tries=5, pause_s=0.5)


def plain_game(
    track: Track,
    port: int,
    image_size: tuple[int, int] = (0, 0),
    features: FeatureSet | None = None,
    reward: Reward | None = None,
    ticks_per_action: int = 5,
    action_offsets_ms: Sequence[int] = (0,),
    cut_offs: CutOffs = CUT_OFFS,
    map: str = "",
    patience: Patience = PATIENCE,
    say: Callable[[str], None] | None = None,
) -> TMInterfaceVectorEnv:
    """One game that was started by hand, with the values of `env=tminterface`; the reward is progress."""
    return TMInterfaceVectorEnv(
        track,
        features or Features(),
        reward or ProgressReward(),
        cars=1,
        image_size=image_size,
        ticks_per_action=ticks_per_action,
        action_offsets_ms=action_offsets_ms,
        cut_offs=cut_offs,
        gates=NoGates,
        float_lookup=NamedLookup(),
        clock=Clock(),
        device="cpu",
        port=port,
        instance=0,
        map=map,
        running_speed=32.0,
        camera=2,
        idle_s=600.0,
        commands=(),
        patience=patience,
        program=StartedByHand(),
        say=say,
    )
