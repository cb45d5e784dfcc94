"""Environments that are not ours as a backend: images, what counts as finished, and what is refused."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.envs.game import Images

from .backends import car_racing, corridor, corridor_seen, need_box2d, task

FORWARD = torch.tensor([2])


def test_frames_are_grey_resized_and_stacked_oldest_first() -> None:
    env = corridor_seen(cars=1)
    obs, _ = env.reset()
    assert torch.equal(obs.image[0, 0], obs.image[0, 1])
    before = obs.image
    obs, *_ = env.step(FORWARD)
    assert torch.equal(obs.image[0, 0], before[0, 1])
    assert bool((obs.image[0, 1] == 20 + before[0, 1]).all())  # the corridor is painted 20 times the place


def test_the_stack_of_a_new_episode_holds_nothing_of_the_last() -> None:
    env = corridor_seen(cars=1)
    env.reset()
    for _ in range(20):
        obs, _, terminated, _, info = env.step(FORWARD)
        if terminated:
            assert torch.equal(obs.image[0, 0], obs.image[0, 1])
            assert not torch.equal(info["final_obs"].image[0, 0], info["final_obs"].image[0, 1])
            return
    raise AssertionError("no episode ended")


def test_grey_is_luma() -> None:
    class Picture(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (2, 2, 3), np.uint8)

    picture = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    assert Images((2, 2), 1)(Picture(), picture).tolist() == [[76, 150], [29, 255]]
    assert Images((1, 1), 1)(Picture(), picture).tolist() == [[128]]  # mean of the four, 127.5


def test_without_a_threshold_an_episode_counts_as_finished_when_it_ends_by_itself() -> None:
    env = corridor(cars=1)
    env.reset()
    kinds = set()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        *_, terminated, truncated, info = env.step(torch.randint(3, (1,), generator=generator))
        assert torch.equal(info["races"].finished, terminated)
        kinds.add((bool(terminated), bool(truncated)))
    assert kinds >= {(False, False), (True, False), (False, True)}


def test_with_a_threshold_an_episode_counts_as_finished_when_it_reaches_it() -> None:
    id = "btr_tm_tests/Threshold-v0"
    gymnasium.register(id, "gymnasium.envs.classic_control:CartPoleEnv", 3.0, max_episode_steps=5)
    env = task(id, 2)
    env.reset()
    for step in range(1, 6):
        *_, info = env.step(torch.tensor([step % 2, step % 2]))
        assert info["races"].finished.tolist() == [step == 5] * 2
    assert info["races"].time_ms.tolist() == [100, 100] and info["races"].progress_m.tolist() == [5.0, 5.0]


def test_car_racing_is_seen_without_floats() -> None:
    need_box2d()
    env = car_racing()
    obs, _ = env.reset()
    assert obs.image.shape == (1, 3, 32, 32) and obs.floats.shape == (1, 0)
    for _ in range(4):
        obs, _, _, truncated, info = env.step(torch.tensor([3]))
    assert bool(truncated) and 50 < obs.image.float().mean() < 200
    assert not torch.equal(info["final_obs"].image, obs.image)
    env.close()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"id": "NoSuchGame-v0"}, "NoSuchGame"),
        ({"id": "Pendulum-v1"}, "discrete actions"),
        ({"id": "Blackjack-v1"}, "one array"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        task(cars=1, **arguments)


def test_pictures_without_an_encoder_are_refused() -> None:
    need_box2d()
    with pytest.raises(UserError, match="env.image=pixels"):
        task("CarRacing-v3", 1, options={"continuous": False})
