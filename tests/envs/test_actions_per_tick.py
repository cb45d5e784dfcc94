"""The simulator driven by blocks of actions, one action per tick of 10 ms."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from btr_tm.core.errors import UserError
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race import actions
from btr_tm.race.features import Features
from btr_tm.sim.track.flat import straight_track
from tests.race.shipped import linesight

FIVE = (0, 10, 20, 30, 40)


def simulator(offsets=FIVE, previous_actions: int = 25, length_m: float = 500.0, **options) -> SimVectorEnv:
    features = Features(previous_actions=previous_actions)
    parts = {"cars": 3, "image_size": (0, 0), "start_pool": 4, "action_offsets_ms": offsets}
    rules = {"features": features, "reward": linesight()}
    return plain_simulator(straight_track(length_m), **(parts | rules | options))


def random_blocks(env: SimVectorEnv, count: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(12, (env.num_envs, *env.block), generator=generator) for _ in range(count)]


@pytest.mark.parametrize(
    ("offsets", "block"), [([0], ()), ((0, 10), (2,)), ([0, 10, 20, 30, 40], (5,)), ([0.0, 10.0], (2,))]
)
def test_offsets_say_the_shape_of_a_decision(offsets, block) -> None:
    assert actions.block(offsets) == block


@pytest.mark.parametrize(
    "offsets", [[0, 20], [10, 20], [0, 10, 30], [0, 5, 10], [10], [], [0, 10, 10], 5, None]
)
def test_offsets_that_leave_out_a_tick_are_refused_in_a_sentence(offsets) -> None:
    with pytest.raises(UserError, match=r"action_offsets_ms must count 0, 10, 20, .* got .*; write"):
        actions.block(offsets)
    with pytest.raises(UserError, match="without a hole"):
        simulator(offsets)


def test_a_block_of_equal_actions_drives_as_one_action_that_is_held() -> None:
    blocks, held = simulator(), simulator((0,))
    assert (blocks.block, held.block) == ((5,), ()) and blocks.decision_ms == held.decision_ms == 50
    blocks.reset(seed=1), held.reset(seed=1)
    for action in random_blocks(held, 40):
        wide = blocks.step(action[:, None].expand(-1, 5))
        single = held.step(action)
        assert torch.equal(blocks.drive.sim.counters, held.drive.sim.counters)
        assert torch.equal(wide[1], single[1])  # reward
        assert all(torch.equal(a, b) for a, b in zip(wide[4]["races"], single[4]["races"], strict=True))


def test_every_action_of_a_block_is_pressed_in_its_own_tick() -> None:
    blocks, ticks = simulator(), simulator((0,), ticks_per_action=1)
    for env in (blocks, ticks):
        env.reset(options={"start": "canonical"})
    for block in random_blocks(blocks, 12):
        _, _, _, _, info = blocks.step(block)
        for tick in range(5):
            _, _, _, _, by_tick = ticks.step(block[:, tick])
        assert torch.equal(blocks.drive.sim.body.position, ticks.drive.sim.body.position)
        assert torch.equal(info["races"].time_ms, by_tick["races"].time_ms)


@pytest.mark.parametrize("previous", [25, 7, 3])
def test_previous_actions_are_single_ones_oldest_first(previous: int) -> None:
    env = simulator(previous_actions=previous)
    assert env.layout.size == 27 + 120 + 4 * previous + 16 + 1
    env.reset(options={"start": "canonical"})
    driven = [torch.full((3, 25), actions.FORWARD)]
    for block in random_blocks(env, 6):
        obs, *_ = env.step(block)
        driven.append(block)
        expected = actions.keys(torch.cat(driven, 1)[:, -previous:]).flatten(1)
        assert torch.equal(obs.floats[:, env.layout["previous_actions"]], expected)


@pytest.mark.parametrize("size", [2, 7])
def test_time_and_its_cost_are_those_of_the_ticks_driven(size: int) -> None:
    env = simulator(tuple(range(0, 10 * size, 10)))
    assert env.decision_ms == 10 * size
    env.reset(options={"start": "canonical"})
    stand = torch.full((3, size), 3)  # no keys at the start line: neither progress nor speed
    _, reward, _, _, info = env.step(stand)
    assert info["races"].time_ms.tolist() == [10 * size] * 3
    torch.testing.assert_close(reward, torch.full((3,), -0.0012 * 10 * size), atol=1e-4, rtol=0.0)


def test_a_race_may_end_in_the_middle_of_a_block() -> None:
    times = []
    for offsets in (FIVE, tuple(range(0, 70, 10)), (0,)):
        env = simulator(offsets, length_m=140.0)
        env.reset(options={"start": "canonical"})
        finished = torch.zeros(3, dtype=torch.bool)
        while not finished.any():
            _, _, finished, _, info = env.step(torch.zeros(3, *env.block, dtype=torch.int64))
        times.append(info["races"].time_ms.tolist())
    assert times[0] == times[1] == times[2]


def test_a_restored_environment_goes_on_as_the_saved_one() -> None:
    env, other = simulator(action_delay_ticks=3), simulator(action_delay_ticks=3, seed=9)
    env.reset()
    for block in random_blocks(env, 9):
        env.step(block)
    other.load_state_dict(env.state_dict())
    for block in random_blocks(env, 9, seed=1):
        one, two = env.step(block), other.step(block)
        assert torch.equal(one[0].floats, two[0].floats) and torch.equal(one[1], two[1])


def test_spaces_are_those_of_blocks_and_other_actions_are_refused() -> None:
    env = simulator()
    assert env.single_action_space == gymnasium.spaces.MultiDiscrete([12] * 5)
    assert env.action_space.shape == (3, 5)
    env.reset()
    with pytest.raises(UserError, match="got 12"):
        env.step(torch.full((3, 5), 12))
    with pytest.raises(UserError, match="shape"):  # one action is not held: five are expected
        env.step(torch.zeros(3, dtype=torch.int64))


@pytest.mark.filterwarnings("ignore:.*infinity")  # floats in physical units have no bounds
def test_gymnasium_finds_nothing_wrong_with_blocks() -> None:
    env = gymnasium.make("btr_tm/Oval-v0", image_size=(8, 8), action_offsets_ms=FIVE)
    check_env(env.unwrapped, skip_render_check=True)
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.array([0, 0, 1, 2, 0]))
    assert info["time_ms"] == 50
    env.close()
