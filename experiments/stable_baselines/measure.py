"""Frames/s of Stable-Baselines3's PPO on the batched simulator, and of the simulator alone as it sees it."""

from __future__ import annotations

import argparse
import time

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO

import btr_tm.envs  # noqa: F401  # registers the tracks
from btr_tm.envs.stable_baselines import StableBaselinesVecEnv


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cars", type=int, default=256)
    parser.add_argument("--decisions", type=int, default=64, help="of all cars, per rollout")
    parser.add_argument("--rollouts", type=int, default=2)
    arguments = parser.parse_args()
    cars, decisions, frames = arguments.cars, arguments.decisions, arguments.cars * arguments.decisions
    env = gymnasium.make_vec("btr_tm/A01-v0", num_envs=cars)
    env.reset(seed=0)
    env.step(np.zeros(cars, dtype=np.int64))  # records and compiles
    begin = time.perf_counter()
    for _ in range(decisions):
        env.step(np.zeros(cars, dtype=np.int64))
    print(f"simulator, {cars} cars: {frames / (time.perf_counter() - begin):,.0f} frames/s")
    wrapped = StableBaselinesVecEnv(env)
    model = PPO(
        "MultiInputPolicy", wrapped, n_steps=decisions, batch_size=1024, n_epochs=4, seed=0, device="cpu"
    )
    begin = time.perf_counter()
    model.learn(frames * arguments.rollouts)
    rate = frames * arguments.rollouts / (time.perf_counter() - begin)
    print(f"PPO, {cars} cars, {torch.get_num_threads()} threads: {rate:,.0f} frames/s")


if __name__ == "__main__":
    main()
