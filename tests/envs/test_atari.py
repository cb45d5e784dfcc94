"""Atari games against single emulators driven by hand, and what BTR's protocol asks of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.envs.atari import AtariVectorEnv
from btr_tm.envs.emulators import Emulators, _rom
from btr_tm.envs.gymnasium import episode_seed

from .backends import atari, atari_games, need_atari
from .cartridge import Cartridge, area_weights

GAMES = ["ms_pacman", "name_this_game", "phoenix", "qbert", "tic_tac_toe_3d", "up_n_down"]


def phoenix(cars: int = 1, **options) -> AtariVectorEnv:
    need_atari()
    return atari_games(cars, **options)


def test_a_game_is_seen_scored_and_restarted_as_a_single_emulator_says() -> None:
    """Through a whole game: 84 x 84, clipped rewards beside whole scores, termination, the next episode."""
    env = phoenix(seed=2)
    game = Cartridge(episode_seed(2, 0, 0) >> 1)
    rows, columns = area_weights(84, 210), area_weights(84, 160)
    stack = [rows @ game.begin() @ columns.T] * 4
    obs, _ = env.reset()
    score, seen, rewards = 0, 0, set()
    for action in np.random.default_rng(0).integers(env.actions, size=3000).tolist():
        np.testing.assert_allclose(obs.image[0].numpy(), np.stack(stack), atol=1)
        frame, points, over = game.decide(action)
        obs, reward, terminated, truncated, info = env.step(torch.tensor([action]))
        stack = [*stack[1:], rows @ frame @ columns.T]
        score, seen = score + points, seen + 1
        assert float(reward) == np.clip(points, -1, 1) and bool(terminated) == over and not truncated
        assert float(info["races"].reward) == score == float(info["races"].progress_m)
        assert int(info["races"].time_ms) == 67 * seen and not info["races"].finished
        rewards.add(float(reward))
        if over:
            # Frames that come too late to be seen are left out; nothing is learnt from them.
            np.testing.assert_allclose(info["final_obs"].image[0, :3].numpy(), np.stack(stack[:3]), atol=1)
            break
        np.testing.assert_allclose(info["final_obs"].image[0].numpy(), np.stack(stack), atol=1)
    assert over and score > 20 and rewards == {0.0, 1.0}
    stack = [rows @ game.begin() @ columns.T] * 4
    np.testing.assert_allclose(obs.image[0].numpy(), np.stack(stack), atol=1)


@pytest.mark.parametrize("threads, rack_size", [(1, 4), (2, 4), (2, 6)])
def test_games_play_in_any_racks_as_each_does_alone(threads: int, rack_size: int) -> None:
    need_atari()
    sizes = ((21, 16), "minimal", 0.25, 4, 0)
    seeds, everyone = np.arange(6), np.ones(6, dtype=bool)
    together = Emulators("Phoenix", 6, *sizes, threads, rack_size)
    alone = [Emulators("Phoenix", 1, *sizes, threads=1) for _ in seeds]
    together.begin(everyone, seeds)
    for game, seed in zip(alone, seeds, strict=True):
        game.begin(everyone[:1], seeds[seed : seed + 1])
    for step in range(30):
        action = (seeds + step) % 8
        played = together.step(action, everyone)
        for car, game in enumerate(alone):
            one = game.step(action[car : car + 1], everyone[:1])
            assert np.array_equal(played.frame[car], one.frame[0]) and played.score[car] == one.score[0]


def test_racks_of_which_no_game_is_wanted_rest() -> None:
    need_atari()
    games = Emulators("Phoenix", 5, (21, 16), "minimal", 0.25, 4, 0, threads=1)
    before = games.begin(np.ones(5, dtype=bool), np.arange(5)).copy()
    for _ in range(10):
        after = games.step(np.ones(5, dtype=np.int64), np.array([True, False, False, False, False])).frame
    assert not np.array_equal(after[0], before[0]) and np.array_equal(after[4], before[4])


def test_games_that_never_rest_play_in_one_rack_of_all_threads() -> None:
    """None waits until others have played. In evaluations fours rest together; resets provide for either."""
    need_atari()
    env = atari_games(5, image_size=(21, 16), no_ops=30)
    for start, racks in (("training", [5]), ("evaluation", [4, 1]), ("training", [5])):
        env.reset(options={"start": start})
        assert [rack.num_envs for _, rack in env._games._racks] == racks


def test_an_observation_stays_as_it_was() -> None:
    env = atari(cars=1)  # episodes of 9 decisions
    seen, _ = env.reset()
    held = []
    for _ in range(12):
        held.append((seen.image, seen.image.clone()))
        seen, _, _, _, info = env.step(torch.tensor([0]))
        held.append((info["final_obs"].image, info["final_obs"].image.clone()))
    assert all(torch.equal(now, then) for now, then in held)


def test_an_episode_that_takes_too_long_is_truncated() -> None:
    env = atari(cars=1)  # 36 frames, which are 9 decisions
    env.reset()
    for step in range(1, 20):
        _, _, terminated, truncated, info = env.step(torch.tensor([0]))
        assert bool(truncated) == bool(info["races"].done) == (step % 9 == 0) and not terminated


@pytest.mark.parametrize("action_set, count", [("minimal", 8), ("full", 18)])
def test_the_actions_are_those_of_the_game_or_all(action_set: str, count: int) -> None:
    env = phoenix(action_set=action_set)
    assert env.actions == env.single_action_space.n == count


def test_an_episode_begins_with_up_to_so_many_frames_of_doing_nothing() -> None:
    need_atari()
    games = Emulators("Phoenix", 2, (84, 84), "minimal", 0.25, 4, no_ops=2, threads=1)
    everyone = np.ones(2, dtype=bool)
    games.begin(everyone, np.array([1, 2]))
    ((_, rack),) = games._racks
    frames = [rack.reset(options={"reset_mask": everyone})[1] for _ in range(15)]
    assert {int(n) for info in frames for n in info["episode_frame_number"]} == {0, 1, 2}


def test_nothing_is_pressed_and_no_life_is_told_at_the_beginning() -> None:
    """Breakout waits for the fire button: its picture stands still, and losing nothing ends nothing."""
    need_atari()
    env = atari_games(1, "Breakout")
    first, _ = env.reset()
    for _ in range(5):
        obs, _, terminated, _, _ = env.step(torch.tensor([0]))
        assert not terminated
    assert torch.equal(obs.image, first.image)


@pytest.mark.parametrize(
    "written, rom",
    [("Phoenix", "phoenix"), ("MsPacman", "ms_pacman"), ("NameThisGame", "name_this_game")]
    + [("UpNDown", "up_n_down"), ("ms_pacman", "ms_pacman"), ("TicTacToe3D", "tic_tac_toe_3d")],
)
def test_games_are_written_as_in_papers_or_as_files(written: str, rom: str) -> None:
    assert _rom(written, GAMES) == rom


@pytest.mark.parametrize("name, hint", [("Fenix", "phoenix"), ("Chess", "choose one")])
def test_an_unknown_game_is_refused(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=f"no Atari game {name} .env.game.*{hint}"):
        _rom(name, GAMES)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"image_size": (0, 0)}, "nothing but pictures"),
        ({"sticky": 1.0}, "env.sticky"),
        ({"no_ops": -1}, "env.no_ops must be 0 or larger, got -1"),
        ({"frame_skip": 0}, "env.frame_skip"),
        ({"reward_clip": 0.0}, "env.reward_clip"),
    ],
)
def test_what_makes_no_game_is_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        atari_games(1, **options)


def test_a_missing_package_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(UserError, match=r"pip install 'btr-tm\[atari\]'"):
        atari_games(1)
