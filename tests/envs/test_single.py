"""The registered environment: gymnasium's own checks, and a library that is not ours learning on it."""

from __future__ import annotations

import importlib.util
import pickle
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import btr_tm.envs
from btr_tm.core.errors import UserError
from btr_tm.race.progress import CutOffs
from btr_tm.sim.track.load import shipped_tracks

needs_view = pytest.mark.skipif(
    importlib.util.find_spec("btr_tm.sim.colour.view") is None, reason="there is no colour view to render"
)


def test_every_shipped_track_is_registered() -> None:
    ids = {spec.kwargs["track"]: id for id, spec in gymnasium.registry.items() if spec.namespace == "btr_tm"}
    assert sorted(ids) == sorted(btr_tm.envs.TRACKS) == shipped_tracks()
    assert ids["a01"] == "btr_tm/A01-v0" and ids["dirt_and_turbo"] == "btr_tm/DirtAndTurbo-v0"


@pytest.mark.filterwarnings("ignore:.*infinity")  # floats in physical units have no bounds
def test_gymnasium_finds_nothing_wrong() -> None:
    env = gymnasium.make("btr_tm/A01-v0")
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@needs_view
def test_rendering_gives_a_colour_picture_of_the_present_state() -> None:
    env = gymnasium.make("btr_tm/Oval-v0", render_mode="rgb_array", render_size=(90, 160))
    env.reset(seed=0)
    first = env.render()
    for _ in range(20):
        env.step(0)
    later = env.render()
    assert first.shape == later.shape == (90, 160, 3) and first.dtype == np.uint8
    assert first.std() > 10 and (first != later).mean() > 0.05
    env.close()


def test_accelerating_gains_ground_and_standing_still_truncates() -> None:
    env = gymnasium.make(
        "btr_tm/Oval-v0", image_size=(8, 8), cut_offs=CutOffs(race_ms=300_000, no_progress_ms=300)
    )
    env.reset(seed=0)
    for _ in range(20):
        obs, reward, terminated, truncated, info = env.step(0)
    assert info["time_ms"] == 1000 and info["progress_m"] > 5 and not (terminated or truncated)
    assert env.observation_space.contains(obs) and isinstance(reward, float)
    env.reset()
    steps = 0
    while not truncated:
        _, _, terminated, truncated, info = env.step(3)
        steps += 1
    assert steps == 7 and not terminated and not info["finished"]
    env.close()


def test_races_start_where_the_seed_says() -> None:
    env = gymnasium.make("btr_tm/Oval-v0", image_size=(8, 8), anywhere_share=1.0)
    one, other, again = (env.reset(seed=seed)[0]["floats"] for seed in (1, 2, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    canonical = [env.reset(seed=seed, options={"start": "canonical"})[0]["floats"] for seed in (1, 2)]
    assert np.array_equal(*canonical)
    env.close()


@pytest.mark.parametrize("action", [12, -1, 0.5])
def test_an_action_that_does_not_exist_is_refused(action) -> None:
    env = gymnasium.make("btr_tm/Oval-v0", image_size=(8, 8), disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(UserError, match="actions"):
        env.step(action)
    env.close()


@pytest.mark.long
def test_stable_baselines_trains_on_it() -> None:
    """DQN on image and floats for 800 steps: finite losses, changed weights, a policy that answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is not ours to mend
        sb3 = pytest.importorskip("stable_baselines3")
    env = gymnasium.make("btr_tm/Oval-v0", image_size=(40, 40))
    model = sb3.DQN("MultiInputPolicy", env, buffer_size=1000, learning_starts=400, seed=0, device="cpu")
    before = torch.nn.utils.parameters_to_vector(model.q_net.parameters()).clone()
    model.learn(total_timesteps=800)
    after = torch.nn.utils.parameters_to_vector(model.q_net.parameters())
    assert model.num_timesteps == 800
    assert bool(after.isfinite().all()) and not torch.equal(before, after)
    action, _ = model.predict(env.reset(seed=0)[0], deterministic=True)
    assert env.action_space.contains(int(action))
    env.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image_height": 32}, "there is no option image_height; valid: .*image_size"),
        ({"cars": 3}, "there is no option cars"),
        ({"image_size": 32}, r"image_size must be \(height, width\), whole numbers from 0 to 4096, got 32"),
        ({"image_size": (-1, 5)}, "image_size must be"),
        ({"image_size": "a"}, "image_size must be"),
        ({"image_size": (4_000_000, 5)}, "image_size must be"),
        ({"render_size": (0, 9)}, "render_size must be .* from 1 to 4096"),
        ({"anywhere_share": 2}, "anywhere_share must be from 0 to 1, got 2"),
        ({"ticks_per_action": 0}, "ticks_per_action must be 1 or larger, got 0"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        gymnasium.make("btr_tm/A01-v0", **options)


def test_a_step_before_the_first_reset_says_so() -> None:
    env = gymnasium.make("btr_tm/A01-v0", render_mode="rgb_array").unwrapped
    for early in (lambda: env.step(0), env.render):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
            early()
    cars = env._cars
    for early in (cars.state_dict, lambda: cars.drive):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
            early()


@pytest.mark.parametrize("compile", ["eager", "kernel"])
def test_an_environment_is_pickled_with_its_race(compile: str) -> None:
    env = gymnasium.make("btr_tm/A01-v0", image_size=(8, 8), compile=compile)
    pickle.dumps(env)  # before a race
    env.reset(seed=0)
    env.step(0)
    copy = pickle.loads(pickle.dumps(env))
    (seen, reward, *_), (again, same, *_) = env.step(1), copy.step(1)
    assert reward == same and np.array_equal(seen["floats"], again["floats"])
    assert np.array_equal(seen["image"], again["image"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"start": "canonicall"}, "the start must be training or canonical or"),
        ({"begin": "canonical"}, "reset knows no"),
    ],
)
def test_a_reset_refuses_what_it_does_not_know(options: dict[str, str], sentence: str) -> None:
    one, many = (
        gymnasium.make("btr_tm/A01-v0", image_size=(0, 0)),
        gymnasium.make_vec("btr_tm/A01-v0", num_envs=2),
    )
    for env in (one.unwrapped, many):
        with pytest.raises(UserError, match=sentence):
            env.reset(options=options)


@pytest.mark.parametrize(
    "option", [{"seed": 5}, {"restarts": None}, {"image_size": (0, 64)}, {"image_size": (64, 0)}]
)
def test_what_one_car_has_no_use_for_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(UserError, match="there is no option|image_size must be"):
        gymnasium.make("btr_tm/A01-v0", **option)


@pytest.mark.parametrize(("offsets", "action"), [((0,), [0, 1, 2]), ((0, 10), 0), ((0, 10), [0, 1, 2])])
def test_an_action_of_another_shape_is_refused(offsets: tuple[int, ...], action: object) -> None:
    env = gymnasium.make("btr_tm/A01-v0", image_size=(0, 0), action_offsets_ms=offsets).unwrapped
    env.reset(seed=0)
    with pytest.raises(UserError, match="an action must have the shape"):
        env.step(np.array(action))


def test_films_run_at_the_speed_of_the_race() -> None:
    fps = [
        gymnasium.make("btr_tm/A01-v0", ticks_per_action=n).unwrapped.metadata["render_fps"] for n in (5, 1)
    ]
    assert fps == [20, 100]


def test_a_track_that_is_too_short_to_race_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("[start, finish, straight]")
    with pytest.raises(
        UserError, match="tiny: from start to finish are 32 m, and a race needs at least 50 m"
    ):
        gymnasium.make("btr_tm/A01-v0", track=str(tmp_path / "tiny.yaml"))
