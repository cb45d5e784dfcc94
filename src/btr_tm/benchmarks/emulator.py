"""Our Atari environment beside the emulators it plays in, where ale-py is installed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from btr_tm.benchmarks.row import Beside, Row, rate_row
from btr_tm.benchmarks.timing import Effort, Subject, interleave
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import DrivingEnv

GAME, GAMES = "Phoenix", 16
OURS, ALONE = "env=atari", "ale-py alone"


def emulator_rows(effort: Effort, make_env: Callable[[int], DrivingEnv]) -> list[Row]:
    """Decisions per second of 4 frames each, random actions; ale-py as it comes, with one batch of all.

    `make_env(games)` makes our environment of that many games of GAME.
    """
    what = f"env=atari, {GAME}, {GAMES} games"
    try:
        env = make_env(GAMES)
    except UserError:  # how to install it stands in the documentation
        return [Row(what, "decisions/s", math.nan, note="ale-py is not installed")]
    subjects = [_ours(env, effort.decisions), _alone(effort.decisions)]
    times = interleave(subjects, effort.rounds)
    alone = times[ALONE].rate
    return [rate_row(what, "decisions/s", times[OURS], Beside(ALONE, alone), floor=alone)]


def _ours(env: DrivingEnv, decisions: int) -> Subject:
    env.reset(options={"start": "training"})

    def play() -> None:
        for _ in range(decisions):
            env.step(torch.randint(env.actions, (GAMES,)))

    return Subject(OURS, GAMES * decisions, play)


def _alone(decisions: int) -> Subject:
    from ale_py.vector_env import AtariVectorEnv as Emulators

    threads = torch.get_num_threads()
    games = Emulators(GAME.lower(), GAMES, num_threads=threads, repeat_action_probability=0.25)
    games.reset()
    random, buttons = np.random.default_rng(0), int(games.action_space.nvec[0])  # type: ignore[attr-defined]

    def play() -> None:
        for _ in range(decisions):
            games.step(random.integers(buttons, size=GAMES))

    return Subject(ALONE, GAMES * decisions, play)
