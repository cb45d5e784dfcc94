"""What one decision in the real game costs us, beside the time that the game takes itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from btr_tm.benchmarks.row import Row
from btr_tm.benchmarks.timing import Effort, Subject, interleave
from btr_tm.envs.tminterface.env import TMInterfaceVectorEnv
from btr_tm.envs.tminterface.plain import plain_game
from btr_tm.game.standin_server import StandIn
from btr_tm.game.standin_world import StandInWorld
from btr_tm.sim.track.load import load_track

SIZES = {"floats": (0, 0), "64 x 64 picture": (64, 64)}
STEPS = 10  # of each decision that an effort asks for: one car is fewer than a simulator has


def real_game_rows(effort: Effort) -> list[Row]:
    """CPU microseconds of the thread that drives, for a decision from keys to observation.

    The game is a stand-in in another thread, whose own time does not count, nor does waiting for it.
    """
    rows = []
    for name, size in SIZES.items():
        with driving(size) as env:
            decisions = STEPS * effort.decisions
            subject = Subject(name, decisions, partial(_drive, env, decisions))
            times = interleave([subject], effort.rounds, clock=time.thread_time)[name]
        what = f"a decision in the game, {name}"
        rows.append(Row(what, "us", 1000 * times.unit_ms, times=times.seconds))
    return rows


def _drive(env: TMInterfaceVectorEnv, decisions: int) -> None:
    for _ in range(decisions):
        env.step(torch.zeros(1, dtype=torch.int64))


@contextmanager
def driving(image_size: tuple[int, int]) -> Iterator[TMInterfaceVectorEnv]:
    """A race in a stand-in of this process."""
    track = load_track("oval")
    game = StandIn(StandInWorld(track), port=0, in_menus=False)
    stop, stopper = socket.socketpair()
    thread = threading.Thread(target=game.serve, args=(stop,), daemon=True)
    thread.start()
    env = plain_game(track, game.port, image_size)
    try:
        env.reset()
        yield env
    finally:
        env.close()
        stopper.send(b"x")
        thread.join()
        stop.close()
        stopper.close()
