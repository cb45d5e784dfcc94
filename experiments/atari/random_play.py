"""Scores of random actions in the games of evaluations: python experiments/atari/random_play.py GAME ..."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job

HERE = Path(__file__).parent
GAMES = 100  # the first 10 are those of the evaluations of profile=atari_cpu


def scores(game: str) -> list[float]:
    """Whole scores of each game to its end, sticky actions 0.25, at most 108,000 emulator frames."""
    job = compose_job(["+experiment=atari_btr", f"env.game={game}"])
    env = Parts(checked(job.values), torch.device("cpu")).env(GAMES)
    env.reset(options={"start": "evaluation"})
    generator = torch.Generator().manual_seed(0)
    score, over = torch.zeros(GAMES), torch.zeros(GAMES, dtype=torch.bool)
    while not over.all():
        action = torch.randint(env.actions, (GAMES,), generator=generator)
        _, _, terminated, truncated, info = env.step(action)
        score, over = info["races"].reward, terminated | truncated
    return score.tolist()


def main() -> None:
    """Add the scores of the games named to random.json."""
    torch.set_num_threads(1)
    path = HERE / "random.json"
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for game in sys.argv[1:]:
        held[game] = scores(game)
        mean, deviation = torch.tensor(held[game]).mean(), torch.tensor(held[game]).std()
        print(f"{game}: {mean:.1f}, standard error {deviation / GAMES**0.5:.1f}")
        path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
