"""A whole run in the game: collectors in processes, each in a stand-in of its own, one of which fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..envs.tminterface.standins import standin

GAMES = 3  # two that are trained in, and one for evaluations
WORDS = (
    "+experiment=quickstart track=oval env=tminterface env.map=any collector=processes collector.workers=2 "
    "profile=smoke encoder=none logger=none eval=inline seed=0 profile.cars=2 profile.eval_starts=1 "
    "profile.race_ms=2000 profile.warmup_frames=32 profile.total_frames=256 profile.eval_every=128 "
    "profile.log_every=64 env.patience.pause_s=0.01"
).split()


def neighbours(count: int) -> int:
    """The first of as many ports in a row that nobody listens on."""
    for first in range(20000, 60000, 50):
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no ports")


@pytest.mark.slow
def test_two_games_train_one_network_and_a_crash_voids_a_race_and_nothing_else(tmp_path: Path) -> None:
    first = neighbours(GAMES)
    with ExitStack() as games:
        for number in range(GAMES):
            games.enter_context(standin(kind="crash" if number == 0 else "", at_ms=500, port=first + number))
        run = subprocess.run(
            [sys.executable, "-m", "btr_tm", *WORDS, f"env.port={first}", f"runs_dir={tmp_path}"],
            env=os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"},
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stdout + run.stderr
    (record,) = tmp_path.glob("**/record.jsonl")
    rows = [json.loads(row) for row in record.read_text().splitlines()]
    assert rows[-1]["frames"] == 256 and rows[-1]["updates"] > 0
    assert sum("eval/progress_mean" in row for row in rows) == 2
    assert rows[-1]["collector/lost_races"] == 1
