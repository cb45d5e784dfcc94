"""Gymnasium's CarRacing-v3, the usual task of driving from pixels, where it is installed."""

from __future__ import annotations

import warnings

import gymnasium
from gymnasium.error import DependencyNotInstalled

from btr_tm.benchmarks.timing import Subject

CAR_RACING = "CarRacing-v3"


def car_racing(steps: int) -> list[Subject]:
    """One subject, or none where Box2D is missing (pip install 'btr-tm[thirdparty]')."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Box2D's and pygame's bindings, while they are imported
            env = gymnasium.make(CAR_RACING, continuous=False)
            env.reset(seed=0)
    except DependencyNotInstalled:
        return []

    def drive() -> None:
        for _ in range(steps):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()

    return [Subject(CAR_RACING, steps, drive)]
