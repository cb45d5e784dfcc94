"""Environments that are not ours as a backend: images, what counts as finished, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.envs.game import Images, entries

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
    env = gymnasium.Env()
    picture = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    assert Images((2, 2), 1)(env, picture).tolist() == [[76, 150], [29, 255]]
    assert Images((1, 1), 1)(env, picture).tolist() == [[128]]  # mean of the four, 127.5


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
        ({"id": "Blackjack-v1"}, "Blackjack-v1 must be observed as one array, or as a Dict"),
        (
            {"id": "CartPole-v1", "options": {"colour": "red"}},
            "CartPole-v1: .*unexpected keyword argument 'colour'",
        ),
        ({"id": "no_such_module:Env-v0"}, "gymnasium cannot make no_such_module:Env-v0"),
        ({"id": "FrozenLake-v1", "options": {"map_name": "9x9"}}, "gymnasium cannot make FrozenLake-v1"),
        ({"id": "CartPole-v1", "longest_episode": 0}, "env.longest_episode must be 1 or larger, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        task(cars=1, **arguments)


def test_pictures_without_an_encoder_are_refused() -> None:
    need_box2d()
    with pytest.raises(UserError, match="env.image=pixels"):
        task("CarRacing-v3", 1, options={"continuous": False})


class Endless(gymnasium.Env):
    """A task that never ends."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        return np.zeros(1, np.float32), {}

    def step(self, action: int):
        return np.zeros(1, np.float32), 1.0, False, False, {}


gymnasium.register("btr_tm_tests/Endless-v0", entry_point=Endless)


def test_a_task_that_never_ends_is_cut_and_a_person_is_told() -> None:
    env = task("btr_tm_tests/Endless-v0", 2, longest_episode=3)
    assert env.facts == {
        "episodes": "cut after 3 steps, since btr_tm_tests/Endless-v0 states no limit (env.longest_episode)"
    }
    env.reset()
    ends = [bool(env.step(torch.tensor([0, 1]))[3].all()) for _ in range(6)]
    assert ends == [False, False, True] * 2


def test_a_limit_that_the_task_states_is_kept() -> None:
    assert corridor(longest_episode=2).facts == {}
    env = task("btr_tm_tests/Endless-v0", 1, longest_episode=3, options={"max_episode_steps": 5})
    env.reset()
    assert [bool(env.step(torch.tensor([0]))[3]) for _ in range(5)] == [False] * 4 + [True] and not env.facts


class Both(Endless):
    """Shows a picture and floats, as our own simulator does for other libraries."""

    def __init__(self, channels: int = 1, render_mode: str | None = None) -> None:
        image = gymnasium.spaces.Box(0, 255, (2, 2, channels), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({"image": image, "floats": Endless.observation_space})

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        self.steps = 0
        return self._observe(), {}

    def step(self, action: int):
        self.steps += 1
        return self._observe(), 1.0, False, False, {}

    def _observe(self):
        image = np.full(self.observation_space["image"].shape, 10 * self.steps, np.uint8)
        return {"image": image, "floats": np.full(1, self.steps / 4, np.float32)}


gymnasium.register("btr_tm_tests/Both-v0", entry_point=Both)


@pytest.mark.filterwarnings("ignore:.*render_modes")
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_and_floats_are_both_seen(channels: int) -> None:
    seen = {"image": "pixels", "image_size": (2, 2), "frame_stack": 2, "options": {"channels": channels}}
    env = task("btr_tm_tests/Both-v0", 1, **seen)
    env.reset()
    obs, *_ = env.step(torch.tensor([0]))
    assert obs.image.tolist() == [[[[0, 0], [0, 0]], [[10, 10], [10, 10]]]] and obs.floats.tolist() == [
        [0.25]
    ]


@pytest.mark.filterwarnings("ignore:.*render_modes")
def test_of_an_image_and_floats_a_driver_without_an_encoder_sees_the_floats() -> None:
    env = task("btr_tm_tests/Both-v0", 1)
    obs, _ = env.reset()
    assert obs.image.shape == (1, 1, 0, 0) and obs.floats.shape == (1, 1) and env.layout.size == 1


def test_the_tracks_that_we_register_can_be_driven_as_gymnasium_environments() -> None:
    env = task("btr_tm/Oval-v0", 1, image="pixels", image_size=(16, 16), options={"image_size": (16, 16)})
    obs, _ = env.reset()
    assert obs.image.shape == (1, 1, 16, 16) and obs.floats.shape[1] > 100


@pytest.mark.parametrize("entry", ["sound", "image"])
def test_a_dict_of_other_things_is_refused(entry: str) -> None:
    space = gymnasium.spaces.Dict({entry: Endless.observation_space})
    with pytest.raises(UserError, match="Odd must be observed as one array, or as a Dict with an image"):
        entries(space, "Odd")


def test_our_class_is_found_in_a_process_that_has_imported_nothing() -> None:
    code = "from hydra.utils import get_object; get_object('btr_tm.envs.gymnasium.GymnasiumVectorEnv')"
    done = subprocess.run(
        [sys.executable, "-c", f"import btr_tm.envs; {code}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
