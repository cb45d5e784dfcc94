"""Many cars by gymnasium.make_vec, against gymnasium's own vector of single ones, and Stable-Baselines3."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import (
    check_reset_options,
    check_reset_return_type,
    check_reset_seed_determinism,
)
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

import btr_tm.envs  # noqa: F401  # registers the tracks
from btr_tm.core.errors import UserError
from btr_tm.race.progress import CutOffs

SOON = CutOffs(race_ms=300_000, no_progress_ms=300)
FORWARDS, NOTHING = 0, 3
SMALL: dict[str, Any] = {"image_size": (8, 8), "cut_offs": SOON}


def many(cars: int = 3, **options: Any) -> gymnasium.vector.VectorEnv:
    return gymnasium.make_vec("btr_tm/Oval-v0", num_envs=cars, **(SMALL | {"start_pool": 8} | options))


def single() -> gymnasium.Env:
    return gymnasium.make("btr_tm/Oval-v0", disable_env_checker=True, **SMALL)


def assert_equal(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert_equal(ours[name], theirs[name])
    elif isinstance(theirs, tuple) or (isinstance(theirs, np.ndarray) and theirs.dtype == object):
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)
    else:
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)
        np.testing.assert_array_equal(ours, theirs)


def test_they_are_what_gymnasium_makes_of_single_cars() -> None:
    """Observations, rewards, ends and infos, with their types, through several ends."""
    ours, theirs = many(), SyncVectorEnv([single] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    for space in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, space) == getattr(theirs, space)
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    assert_equal(ours.reset(seed=0), theirs.reset(seed=0))
    ends = 0
    for number in range(20):
        action = np.array([FORWARDS, NOTHING, NOTHING if number < 9 else FORWARDS])
        mine, other = ours.step(action), theirs.step(action)
        assert_equal(mine, other)
        ends += int((mine[2] | mine[3]).sum())
        for leaf in mine[0].values():
            leaf[:] = 7  # nothing that follows depends on what was given away
    assert ends >= 3
    ours.close()


@pytest.mark.filterwarnings("ignore:.*infinity")
@pytest.mark.parametrize(
    "check", [check_reset_options, check_reset_return_type, check_reset_seed_determinism]
)
def test_the_checks_of_gymnasium_find_nothing_wrong(check) -> None:
    """Those of its checks that a vector environment can be given."""
    env = many(anywhere_share=1.0)
    env.action_space.seed(0)
    check(env)


def test_wrappers_of_gymnasium_understand_it() -> None:
    env = DictInfoToList(RecordEpisodeStatistics(many()))
    env.reset(seed=0)
    for _ in range(7):
        _, _, _, truncated, infos = env.step(np.full(3, NOTHING))
    assert truncated.all()
    for info in infos:
        assert info["episode"]["l"] == 7 and info["final_info"]["time_ms"] == 350
        assert info["final_obs"]["image"].shape == (8, 8, 1)


def test_races_from_other_starts_end_for_good() -> None:
    env = many(anywhere_share=1.0)
    seen, _ = env.reset(seed=0, options={"start": "canonical"})
    assert all((leaf == leaf[:1]).all() for leaf in seen.values())
    ends = [env.step(np.full(3, NOTHING))[3] for _ in range(20)]
    assert [end.tolist() for end in ends] == 6 * [3 * [False]] + 14 * [3 * [True]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_envs": 0}, "num_envs must be 1 or larger, got 0"),
        ({"cars": 3}, "there is no option cars; valid: .*num_envs.*start_pool"),
        ({"image_size": 32}, r"image_size must be \(height, width\)"),
        ({"anywhere_share": 2}, "anywhere_share must be from 0 to 1, got 2"),
        ({"start_pool": 0}, "start_pool must be 1 or larger, got 0"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        gymnasium.make_vec("btr_tm/Oval-v0", **options)


@pytest.mark.parametrize("action", [[0, 12, 0], [0.0, 1.0, 2.0]])
def test_an_action_that_does_not_exist_is_refused(action) -> None:
    env = many()
    env.reset(seed=0)
    with pytest.raises(UserError, match="actions"):
        env.step(np.array(action))


@pytest.mark.parametrize("shape", [(1,), (2,), (4,), (3, 2)])
def test_actions_of_another_number_of_cars_are_refused(shape: tuple[int, ...]) -> None:
    env = many()
    env.reset(seed=0)
    with pytest.raises(UserError, match=r"actions must have the shape \(3,\), got"):
        env.step(np.zeros(shape, np.int64))


@pytest.fixture
def stable_baselines():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is not ours to mend
        pytest.importorskip("stable_baselines3")
        from btr_tm.envs import stable_baselines

        yield stable_baselines


def test_stable_baselines_gets_the_last_observation_of_a_race(stable_baselines) -> None:
    env, plain = stable_baselines.StableBaselinesVecEnv(many()), many()
    env.seed(4)
    assert_equal(env.reset(), plain.reset(seed=4)[0])
    for _ in range(7):
        obs, reward, done, infos = env.step(np.array([FORWARDS, NOTHING, FORWARDS]))
        seen, _, _, _, expected = plain.step(np.array([FORWARDS, NOTHING, FORWARDS]))
        assert_equal(obs, seen)
    assert done.tolist() == [False, True, False] and infos[0] == infos[2] == {}
    assert infos[1]["TimeLimit.truncated"] is True
    assert_equal(infos[1]["terminal_observation"], expected["final_obs"][1])
    assert env.get_attr("num_envs") == [3, 3, 3] and env.env_is_wrapped(gymnasium.Wrapper, [0]) == [False]
    for refused in (lambda: env.set_attr("seed", 1), lambda: env.env_method("close")):
        with pytest.raises(UserError, match="all cars are one environment"):
            refused()


def test_stable_baselines_passes_on_what_a_reset_is_asked_for(stable_baselines) -> None:
    env, plain = stable_baselines.StableBaselinesVecEnv(many()), many()
    env.set_options({"start": "canonical"})
    assert_equal(env.reset(), plain.reset(options={"start": "canonical"})[0])
    env.set_options({"start": "nonsense"})
    with pytest.raises(UserError, match="the start must be"):
        env.reset()
    env.set_options([{}, {"start": "canonical"}, {}])
    with pytest.raises(UserError, match="the same for all"):
        env.reset()


def test_stable_baselines_refuses_other_ways_to_begin_again(stable_baselines) -> None:
    with pytest.raises(UserError, match="SAME_STEP"):
        stable_baselines.StableBaselinesVecEnv(SyncVectorEnv([single]))


@pytest.mark.slow
def test_stable_baselines_trains_ppo_on_it(stable_baselines) -> None:
    import stable_baselines3 as sb3

    env = stable_baselines.StableBaselinesVecEnv(many(16, image_size=(40, 40)))
    model = sb3.PPO("MultiInputPolicy", env, n_steps=16, batch_size=64, n_epochs=1, seed=0, device="cpu")
    before = torch.nn.utils.parameters_to_vector(model.policy.parameters()).clone()
    model.learn(total_timesteps=512)
    after = torch.nn.utils.parameters_to_vector(model.policy.parameters())
    assert model.num_timesteps == 512 and bool(after.isfinite().all()) and not torch.equal(before, after)
