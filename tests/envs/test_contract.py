"""What every backend promises to the collector, checked on each of them alike."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs, Races

from .backends import BACKENDS, Backend

STEPS = 32  # each backend ends several races within these


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    backend = BACKENDS[request.param]
    backend.need()
    return backend


def actions_for(env, steps: int = STEPS, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(env.actions, (env.num_envs,), generator=generator) for _ in range(steps)]


def roll(env, actions) -> list[Tensor]:
    """Every tensor that every step returns, in one list."""
    leaves: list[Tensor] = []
    for action in actions:
        obs, reward, terminated, truncated, info = env.step(action)
        leaves += [*obs, reward, terminated, truncated, info["potential"], info["final_potential"]]
        leaves += [*info["final_obs"], *info["races"]]
    return leaves


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def check_obs(env, obs: Obs) -> None:
    assert isinstance(obs, Obs)
    assert obs.image.shape == (env.num_envs, *env.image_shape) and obs.image.dtype == torch.uint8
    assert obs.floats.shape == (env.num_envs, env.layout.size) and obs.floats.dtype == torch.float32
    assert obs.image.device == obs.floats.device == env.device
    assert bool(obs.floats.isfinite().all())


def test_spaces_say_what_comes(backend: Backend) -> None:
    env = backend.make()
    assert env.metadata["autoreset_mode"].name == "SAME_STEP"
    assert env.single_observation_space["image"].shape == env.image_shape
    assert env.single_observation_space["floats"].shape == (env.layout.size,)
    assert env.single_action_space.n == env.actions
    assert env.observation_space["floats"].shape == (env.num_envs, env.layout.size)
    env.close()


@pytest.mark.parametrize("start", ["training", "canonical", "evaluation"])
def test_shapes_and_types(backend: Backend, start: str) -> None:
    env = backend.make()
    obs, info = env.reset(options={"start": start})
    check_obs(env, obs)
    assert info["potential"].shape == (env.num_envs,) and info["potential"].dtype == torch.float32
    types = dict.fromkeys(("done", "finished", "from_start"), torch.bool)
    types |= {"time_ms": torch.int64, "progress_m": torch.float32, "reward": torch.float32}
    for action in actions_for(env, 3):
        obs, reward, terminated, truncated, info = env.step(action)
        check_obs(env, obs)
        check_obs(env, info["final_obs"])
        row = {"reward": reward, "potential": info["potential"], "final_potential": info["final_potential"]}
        assert all(x.shape == (env.num_envs,) and x.dtype == torch.float32 for x in row.values())
        assert terminated.dtype == truncated.dtype == torch.bool
        assert isinstance(info["races"], Races)
        for name, dtype in types.items():
            column = getattr(info["races"], name)
            assert column.shape == (env.num_envs,) and column.dtype == dtype, name
    env.close()


def test_final_obs_is_the_true_successor_of_every_car(backend: Backend) -> None:
    """Also of those whose race ended; what the next action sees differs from it only for them."""
    env = backend.make()
    env.reset()
    ended = 0
    for action in actions_for(env):
        expected = backend.successor(env, action)
        obs, _, terminated, truncated, info = env.step(action)
        done = terminated | truncated
        for new, final, truth in zip(obs, info["final_obs"], expected, strict=True):
            assert torch.equal(final, truth)
            assert torch.equal(new[~done], final[~done])
        final = info["final_obs"]
        for i in done.nonzero()[:, 0]:
            assert not same([obs.image[i], obs.floats[i]], [final.image[i], final.floats[i]])
        ended += int(done.sum())
    assert ended >= 3
    env.close()


def test_rows_of_races_add_up(backend: Backend) -> None:
    """A row counts reward and time of the present race, ends with `done`, and starts anew after it."""
    env = backend.make()
    env.reset()
    total, time_ms = torch.zeros(env.num_envs), torch.zeros(env.num_envs, dtype=torch.int64)
    for action in actions_for(env):
        _, reward, terminated, truncated, info = env.step(action)
        races = info["races"]
        total += reward
        torch.testing.assert_close(races.reward, total)
        assert bool((races.time_ms > time_ms).all())
        assert torch.equal(races.done, terminated | truncated)
        total, time_ms = torch.where(races.done, 0, total), torch.where(races.done, 0, races.time_ms)
    env.close()


def test_evaluation_races_end_once_and_stay_over(backend: Backend) -> None:
    env = backend.make()
    env.reset(options={"start": "evaluation"})
    ends = torch.zeros(env.num_envs, dtype=torch.int64)
    for action in actions_for(env):
        _, _, _, _, info = env.step(action)
        ends += info["races"].done
    assert ends.tolist() == [1] * env.num_envs
    env.close()


def test_evaluation_is_the_same_in_every_run_and_begins_with_the_canonical_start(backend: Backend) -> None:
    one, other = backend.make(seed=1), backend.make(seed=2)
    first, _ = one.reset(options={"start": "evaluation"})
    assert same([*first], [*other.reset(options={"start": "evaluation"})[0]])
    assert same(roll(one, actions_for(one)), roll(other, actions_for(other)))
    canonical, _ = one.reset(options={"start": "canonical"})
    for seen, expected in zip(canonical, first, strict=True):
        assert torch.equal(seen, expected[:1].expand_as(seen))
    assert bool(one.step(actions_for(one)[0])[4]["races"].from_start.all())
    one.close(), other.close()


def test_equal_seeds_give_equal_races_and_others_do_not(backend: Backend) -> None:
    env, other = backend.make(seed=5), backend.make(seed=6)
    first = [*env.reset()[0], *roll(env, actions_for(env))]
    again = [*other.reset(seed=5)[0], *roll(other, actions_for(env))]
    different = [*other.reset(seed=6)[0], *roll(other, actions_for(env))]
    assert same(first, again)
    assert not same(first, different)
    env.close(), other.close()


def test_a_restored_environment_goes_on_as_the_saved_one(backend: Backend) -> None:
    """Through a file that needs no pickled code, in the middle of races, restarts included."""
    env, other = backend.make(seed=3), backend.make(seed=4)
    env.reset()
    roll(env, actions_for(env, 23, seed=1))
    file = io.BytesIO()
    torch.save(env.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert same(roll(env, actions_for(env)), roll(other, actions_for(env)))
    env.close(), other.close()


@pytest.mark.parametrize("wrong", [-1, 1000])
def test_an_action_out_of_range_is_refused(backend: Backend, wrong: int) -> None:
    env = backend.make()
    env.reset()
    with pytest.raises(UserError, match=str(wrong)):
        env.step(torch.tensor([0, wrong, 0]))
    env.close()


def test_an_unknown_start_is_refused(backend: Backend) -> None:
    env = backend.make()
    with pytest.raises(UserError, match="nowhere"):
        env.reset(options={"start": "nowhere"})
    env.close()
