"""Stable-Baselines3's PPO on CartPole-v1 with the numbers of +experiment=ppo_cart_pole at 80,000 frames.

    python experiments/ppo/cart_pole_sb3.py 0 1 2 3 4

A line of JSON for each seed: mean returns of 32 episodes without exploration, every 20,000 frames, and CPU
seconds.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

FRAMES, EVERY, CARS, EPISODES = 80_000, 20_000, 16, 32


class Judge(BaseCallback):
    """Evaluates every EVERY frames, on episodes that are the same for all seeds."""

    def __init__(self) -> None:
        super().__init__()
        self.returns: list[float] = []

    def _on_step(self) -> bool:
        if self.num_timesteps % EVERY == 0:
            env = make_vec_env("CartPole-v1", EPISODES, seed=10_000)
            self.returns.append(round(float(evaluate_policy(self.model, env, EPISODES)[0]), 1))
        return True


def learning_rate(left: float) -> float:
    """1e-3, falling in a straight line to 1e-4; `left` is the share of the run to come."""
    return 1e-4 + 9e-4 * left


def run(seed: int) -> dict[str, object]:
    began, judge = time.process_time(), Judge()
    env = make_vec_env("CartPole-v1", CARS, seed=seed)
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate,
        n_steps=64,
        batch_size=128,
        n_epochs=4,
        gamma=0.99,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.01,
        vf_coef=0.5,
        max_grad_norm=0.5,
        target_kl=0.03,
        seed=seed,
        device="cpu",
    )
    model.learn(FRAMES, callback=judge)
    return {"seed": seed, "returns": judge.returns, "cpu_s": round(time.process_time() - began, 1)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for word in sys.argv[1:]:
        print(json.dumps(run(int(word))), flush=True)
