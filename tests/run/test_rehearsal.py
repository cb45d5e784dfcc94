"""A game in real time waits for nobody, so a policy decides a few times before its first race."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from btr_tm.run.rehearsal import DECISIONS, rehearse


@pytest.mark.parametrize("real_time", [True, False])
def test_only_a_game_in_real_time_is_rehearsed_for(real_time: bool) -> None:
    layout = SimpleNamespace(size=7)
    env = SimpleNamespace(
        real_time=real_time, num_envs=2, image_shape=(1, 24, 32), layout=layout, device=torch.device("cpu")
    )
    seen: list[tuple] = []
    policy = SimpleNamespace(
        act=lambda obs, explore: seen.append((obs.image.shape, obs.floats.shape, explore))
    )
    rehearse(env, policy, explore=True)
    assert seen == [((2, 1, 24, 32), (2, 7), True)] * (DECISIONS if real_time else 0)
