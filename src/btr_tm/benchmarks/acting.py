"""What one decision of the policy costs, by the number of cars that share it: would a central network pay?"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from btr_tm.benchmarks.arithmetic import Layer
from btr_tm.benchmarks.floor import forward_floor
from btr_tm.benchmarks.row import Beside, Row, rate_row
from btr_tm.benchmarks.timing import CPU, RECORDED, Effort, Subject, interleave
from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Obs

CARS = (1, 8, 64)


def acting_rows(
    effort: Effort, policies: Iterable[tuple[str, Actor, Obs, list[Layer]]], device: torch.device = CPU
) -> list[Row]:
    """Decisions per second of one network for 1, 8 and 64 cars at once, beside the same cars one by one.

    `policies` are name, policy, the observation of one car and the layers a greedy choice needs, whose
    products are the floor. Where the ratio stays below the number of processes that could act at the same
    time, a server that answers them all is slower than they are.
    """
    rows = []
    for name, policy, obs, layers in policies:
        floors = [forward_floor(layers, cars, device).subject(f"floor {cars}", device, cars) for cars in CARS]
        times = interleave([*(_subject(policy, obs, cars) for cars in CARS), *floors], effort.rounds, device)
        for cars in CARS:
            beside, floor = Beside("one by one", times[str(CARS[0])].rate), times[f"floor {cars}"].rate
            what = f"acting, {name}, {cars} at once"
            rows.append(rate_row(what, "decisions/s", times[str(cars)], beside, floor=floor))
    return rows


def _subject(policy: Actor, obs: Obs, cars: int) -> Subject:
    many = Obs(*(leaf[:1].repeat(cars, *[1] * (leaf.ndim - 1)) for leaf in obs))
    return Subject(str(cars), cars, lambda: policy.act(many, explore=True), warm_up=RECORDED)


def example(env: DrivingEnv) -> Obs:
    """An observation of one car, without driving there."""
    image = torch.randint(0, 256, (1, *env.image_shape), dtype=torch.uint8, device=env.device)
    return Obs(image, torch.zeros(1, env.layout.size, device=env.device))
