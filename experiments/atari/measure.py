"""What Atari costs on this machine: emulators, updates at profile=atari_cpu, replay of planes and of stacks.

OMP_NUM_THREADS=1 python experiments/atari/measure.py
"""

from __future__ import annotations

import functools
import itertools
import json
import time
from pathlib import Path
from typing import Any

import torch

from btr_tm.benchmarks.timing import Subject, interleave
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.types import Transition
from btr_tm.replay.buffer import Replay

HERE = Path(__file__).parent
CARS, CAPACITY, CALLS, ROUNDS = 64, 32_768, 8, 15
BATCHES = (32, 256)


def main() -> None:
    """Print every figure and write measured.json."""
    torch.set_num_threads(1)
    parts = composed(f"profile.replay_capacity={CAPACITY}", "profile.warmup_frames=1")
    env = parts.env(CARS)
    transitions = drive(env)
    figures: dict[str, Any] = {"emulators": emulators(env)}
    held = {name: replay(parts, env, frames) for name, frames in (("planes", 4), ("whole", 1))}
    for one in held.values():
        for transition in itertools.islice(itertools.cycle(transitions), CAPACITY // CARS + 8):
            one.add(transition)
    figures["update of 32"] = updates(env, transitions)
    figures["replay"] = {"bytes": {name: one.bytes_per_transition for name, one in held.items()}}
    figures["replay"] |= times(held, transitions)
    (HERE / "measured.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


def composed(*words: str) -> Parts:
    job = compose_job(["+experiment=atari_btr", "env.game=MsPacman", *words])
    return Parts(checked(job.values), torch.device("cpu"))


def updates(env: Any, transitions: list[Transition]) -> dict[str, float]:
    """Median ms of an update, both precisions in turns."""

    def learning(precision: str) -> Subject:
        small = "profile=atari_cpu", "profile.replay_capacity=2048", "profile.warmup_frames=1"
        parts = composed(*small, f"profile.precision={precision}")
        learner, held = parts.learner(parts.policy(env)), parts.replay(env)
        for transition in transitions:
            held.add(transition)
        batch = held.sample(parts.profile["batch_size"])
        return Subject(precision, CALLS, lambda: [learner.update(batch) for _ in range(CALLS)])

    taken = interleave([learning(precision) for precision in ("bf16", "fp32")], ROUNDS)
    return {f"{name}_ms": each.unit_ms for name, each in taken.items()}


def replay(parts: Parts, env: Any, frames: int) -> Replay:
    """The experiment's, smaller, for images that are stacks of so many frames; 1: whole images."""
    env.stacked_frames = frames
    return parts.replay(env)


def drive(env: Any) -> list[Transition]:
    """Some decisions of all games, with random actions."""
    transitions, zero = [], torch.zeros(CARS)
    obs, _ = env.reset()
    for _ in range(2 * CALLS):
        action = torch.randint(env.actions, (CARS,))
        after, reward, terminated, truncated, info = env.step(action)
        final, no = info["final_obs"], zero.bool()
        transitions.append(Transition(obs, action, no, reward, zero, final, zero, terminated, truncated))
        obs = after
    return transitions


def emulators(env: Any) -> dict[str, float]:
    """Decisions of all games with random actions, learning aside."""
    wall, cpu, count = time.perf_counter(), time.process_time(), 200
    for _ in range(count):
        env.step(torch.randint(env.actions, (CARS,)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"decisions_per_wall_s": CARS * count / wall, "decisions_per_cpu_s": CARS * count / cpu}


def times(held: dict[str, Replay], transitions: list[Transition]) -> dict[str, Any]:
    """Median ms of adding a decision of all cars, and of a batch; planes and whole in turns."""

    def adding(one: Replay) -> None:
        for transition in transitions[:CALLS]:
            one.add(transition)

    def sampling(one: Replay, size: int) -> None:
        for _ in range(CALLS):
            one.sample(size)

    subjects = [Subject(f"add {n}", CALLS, functools.partial(adding, one)) for n, one in held.items()]
    for size, (name, one) in itertools.product(BATCHES, held.items()):
        run = functools.partial(sampling, one, size)
        subjects.append(Subject(f"sample {size} {name}", CALLS, run))
    return {name: taken.unit_ms for name, taken in interleave(subjects, ROUNDS).items()}


if __name__ == "__main__":
    main()
