"""The backends that must keep the contract, in sizes that make races end within a few decisions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

from btr_tm.core.types import Obs
from btr_tm.envs.atari import AtariVectorEnv
from btr_tm.envs.game import Game
from btr_tm.envs.gymnasium import GymnasiumVectorEnv, episode_seed
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.features import Features
from btr_tm.race.progress import CutOffs
from btr_tm.sim.track.load import load_track
from tests.race.shipped import linesight

from .cartridge import ByHand

CORRIDOR = "btr_tm_tests/Corridor-v0"
BY_HAND: WeakKeyDictionary[AtariVectorEnv, list[ByHand]] = WeakKeyDictionary()


class Corridor(gymnasium.Env):
    """Walk from a random place beyond 4; backwards, stay, forwards. Both ways to end come soon."""

    observation_space = gymnasium.spaces.Box(-100, 100, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(0, 2), 0
        return self._observe(), {}

    def step(self, action: int):
        self.place, self.steps = self.place + action - 1, self.steps + 1
        return self._observe(), action - 1.25, bool(self.place > 4), False, {}

    def _observe(self) -> np.ndarray:
        return np.array([self.place, self.steps], np.float32)

    def render(self) -> np.ndarray:
        return np.full((8, 12, 3), np.clip(20 * self.place, 0, 255), np.uint8)


gymnasium.register(CORRIDOR, entry_point=Corridor, max_episode_steps=9)


def task(id: str, cars: int, **options: Any) -> GymnasiumVectorEnv:
    """Without images and with plain options, unless told otherwise."""
    usual = {
        "image": "none",
        "image_size": (64, 64),
        "frame_stack": 1,
        "options": {},
        "longest_episode": 10_000,
    }
    return GymnasiumVectorEnv(id, cars, **(usual | {"device": "cpu", "seed": 0} | options))


def atari_games(cars: int, game: str = "Phoenix", **options: Any) -> AtariVectorEnv:
    """As BTR plays, but games begin at once, unless told otherwise."""
    usual = {"image_size": (84, 84), "frame_stack": 4, "action_set": "minimal", "sticky": 0.25}
    usual |= {"frame_skip": 4, "no_ops": 0, "max_frames": 108_000, "reward_clip": 1.0, "reseed_every": 16_384}
    return AtariVectorEnv(game, cars, **(usual | {"device": "cpu", "seed": 0} | options))


def corridor(cars: int = 3, seed: int = 0, **options: Any) -> GymnasiumVectorEnv:
    return task(CORRIDOR, cars, seed=seed, **options)


def corridor_seen(cars: int = 3, seed: int = 0) -> GymnasiumVectorEnv:
    return corridor(cars, seed, image="pixels", image_size=(4, 6), frame_stack=2)


def lunar_lander(cars: int = 3, seed: int = 0) -> GymnasiumVectorEnv:
    return task("LunarLander-v3", cars, seed=seed, options={"max_episode_steps": 25})


def car_racing(cars: int = 1, seed: int = 0) -> GymnasiumVectorEnv:
    options = {"continuous": False, "max_episode_steps": 4}
    seen = {"image": "pixels", "image_size": (32, 32), "frame_stack": 3}
    return task("CarRacing-v3", cars, **seen, options=options, seed=seed)


def simulator(cars: int = 3, seed: int = 0, image_size: tuple[int, int] = (16, 24)) -> SimVectorEnv:
    return plain_simulator(
        load_track("oval"),
        cars,
        image_size,
        start_pool=8,
        features=Features(line_points=8),
        reward=linesight(),
        cut_offs=CutOffs(race_ms=1200, no_progress_ms=500),
        seed=seed,
    )


def blind_simulator(cars: int = 3, seed: int = 0) -> SimVectorEnv:
    return simulator(cars, seed, (0, 0))


def driven_by_rules(env: SimVectorEnv, action: Tensor) -> Obs:
    """What the pure function of the simulator shows after `action`."""
    return env.race.decide(env.drive, action)[1].obs


def driven_again(env: GymnasiumVectorEnv, action: Tensor) -> Obs:
    """What raw environments show that are driven from their seeds to the same state, and one step on."""
    state = env.state_dict()
    games = [Game(gymnasium.make(game.env.spec), env.images) for game in env.games]
    for car, (game, saved) in enumerate(zip(games, state["games"], strict=True)):
        game.replay(episode_seed(state["seed"], car, saved["episode"]), 0, saved["actions"])
        game.step(int(action[car]))
    return Obs(torch.stack([g.image for g in games]), torch.stack([g.floats for g in games]))


def need_box2d() -> None:
    """Skip without Box2D; its binding warns while it is imported, and crashes if that is made an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("Box2D")
        pytest.importorskip("pygame")


def need_atari() -> None:
    pytest.importorskip("ale_py")


def nothing() -> None:
    pass


def atari(cars: int = 3, seed: int = 0) -> AtariVectorEnv:
    """In full size, which is not resized; episodes of 9 decisions, a fresh seed after three of them."""
    sizes = {"image_size": (210, 160), "frame_stack": 2, "max_frames": 36, "reseed_every": 20}
    return atari_games(cars, reward_clip=math.inf, seed=seed, **sizes)


def played_by_hand(env: AtariVectorEnv, action: Tensor) -> Obs:
    """What single emulators show, of which each is told the same actions; to be asked before every step."""
    if env not in BY_HAND:
        BY_HAND[env] = [ByHand(env.seed, car) for car in range(env.num_envs)]
    images = [torch.from_numpy(game.decide(int(a))) for game, a in zip(BY_HAND[env], action, strict=True)]
    return Obs(torch.stack(images), torch.zeros(env.num_envs, 0))


@dataclass(frozen=True)
class Backend:
    """How to build a backend, and what it should show after an action, found in another way."""

    make: Callable[..., Any]
    successor: Callable[[Any, Tensor], Obs]
    need: Callable[[], None] = nothing  # skips where what the backend needs is not installed


BACKENDS = {
    "simulator": Backend(simulator, driven_by_rules),
    "blind_simulator": Backend(blind_simulator, driven_by_rules),
    "corridor": Backend(corridor, driven_again),
    "corridor_seen": Backend(corridor_seen, driven_again),
    "lunar_lander": Backend(lunar_lander, driven_again, need_box2d),
    "atari": Backend(atari, played_by_hand, need_atari),
}
