"""Made-up driving, a slow replay written from the definition, and replays with defaults for every option."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Constant, ReplaySizeSchedule
from btr_tm.core.types import Obs, Transition
from btr_tm.replay.buffer import Replay
from btr_tm.replay.horizon.discounted import Discounted
from btr_tm.replay.horizon.mini_race import MiniRace
from btr_tm.replay.images import WholeImages
from btr_tm.replay.n_step import GammaAtSampling, StoreFinish, steps_summed
from btr_tm.replay.sampler.linesight import LinesightPrioritized
from btr_tm.replay.sampler.prioritized import Prioritized
from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import NoSplit

IMAGE = (1, 2, 3)
FLOATS = 4
GAMMA = 0.9


def discounted(gamma: float = GAMMA) -> Discounted:
    return Discounted(lambda frames: gamma, Clock())


def prioritized(alpha: float = 0.2, beta: Any = 0.2, epsilon: float = 1e-6) -> partial:
    beta = beta if callable(beta) else Constant(beta)
    return partial(Prioritized, alpha=alpha, beta=beta, epsilon=epsilon)


def linesight(
    alpha: float = 0.2, beta: float = 1.0, epsilon: float = 2e-3, latest_clock: float = 100.0
) -> partial:
    return partial(LinesightPrioritized, alpha=alpha, beta=beta, epsilon=epsilon, latest_clock=latest_clock)


PRIORITIZED, LINESIGHT = prioritized(), linesight()


def mini_race(gamma: float = 1.0, **options: Any) -> MiniRace:
    known = {"duration_ms": 7000, "decision_ms": 50, "oversample_long": 40, "oversample_max": 5}
    return MiniRace(lambda frames: gamma, Clock(), **(known | options))


def build_replay(
    capacity: int | ReplaySizeSchedule = 40, kind: type[Replay] = Replay, seed: int = 0, **options: Any
) -> Replay:
    """Three cars and returns of three steps, drawn uniformly, unless `options` say otherwise."""
    if isinstance(capacity, int):
        capacity = ReplaySizeSchedule([[0, capacity, 0]], speed=1.0)
    known = {
        "demo_share": 0.0,
        "cars": 3,
        "image_shape": IMAGE,
        "floats": FLOATS,
        "n_step": 3,
        "sampler": Uniform,
    }
    known |= {"horizon": discounted(), "device": "cpu", "generator": torch.Generator().manual_seed(seed)}
    known |= {"cut_at_non_greedy": False, "block": (), "states": "ends", "clock": Clock(), "split": NoSplit}
    known |= {"finish": StoreFinish(), "gamma_at": GammaAtSampling(), "exponent": steps_summed}
    return kind(capacity=capacity, **(known | {"images": WholeImages()} | options))


def drive(decisions: int, cars: int, generator: torch.Generator, p_terminated=0.15, p_truncated=0.1):
    """Transitions of `cars` cars; floats[1] numbers every frame, the image spells the number."""
    frame = torch.arange(cars) * 10_000
    for _ in range(decisions):
        u = torch.rand(cars, generator=generator)
        terminated, truncated = u < p_terminated, (u >= p_terminated) & (u < p_terminated + p_truncated)
        yield Transition(
            obs=observe(frame),
            action=torch.randint(12, (cars,), generator=generator),
            greedy=torch.rand(cars, generator=generator) < 0.7,
            reward=torch.randn(cars, generator=generator),
            potential=potential(frame),
            next_obs=observe(frame + 1),
            next_potential=potential(frame + 1),
            terminated=terminated,
            truncated=truncated,
        )
        frame = frame + 1 + (terminated | truncated).long()


def observe(frame: torch.Tensor) -> Obs:
    pixels = frame[:, None] // (7 ** torch.arange(math.prod(IMAGE))) % 7
    floats = frame[:, None].float() + torch.tensor([0.0, 0.0, 0.25, 0.5])
    return Obs(pixels.to(torch.uint8).view(-1, *IMAGE), floats)


def potential(frame: torch.Tensor) -> torch.Tensor:
    return torch.sin(frame.float())


@dataclass
class Row:
    """One decision of one car, on the host."""

    frame: int
    action: int
    greedy: bool
    reward: float
    terminated: bool
    ended: bool


class SlowReplay:
    """Per car a list of everything it ever drove; answers by walking along the list."""

    def __init__(self, cars: int) -> None:
        self.rows: list[list[Row]] = [[] for _ in range(cars)]

    def add(self, t: Transition) -> None:
        for car, rows in enumerate(self.rows):
            ended = bool(t.terminated[car] | t.truncated[car])
            rows.append(
                Row(
                    frame=int(t.obs.floats[car, 1]),
                    action=int(t.action[car]),
                    greedy=bool(t.greedy[car]),
                    reward=float(t.reward[car]),
                    terminated=bool(t.terminated[car]),
                    ended=ended,
                )
            )

    def live(self, car: int, slots: int) -> list[int]:
        """Indices of the rows of which both frames are among the newest `slots` frames of the car."""
        rows, used, live = self.rows[car], 0, []
        for i in range(len(rows) - 1, -1, -1):
            used += 1 + (rows[i].ended or i == len(rows) - 1)
            if used > slots:
                break
            live.append(i)
        return live[::-1]

    def run(self, car: int, i: int, n: int, cut: bool) -> list[Row]:
        """The decisions an n-step return from row `i` sums."""
        rows = self.rows[car]
        run = [rows[i]]
        while len(run) < n and not run[-1].ended and i + len(run) < len(rows):
            following = rows[i + len(run)]
            if cut and not following.greedy:
                break
            run.append(following)
        return run
