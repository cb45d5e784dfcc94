"""Faults at random moments: collectors and learners are killed, stopped, damaged and held up.

`make faults` runs the long form; the short one is part of `make test`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import pytest

from btr_tm.core.clock import Clock
from btr_tm.replay.buffer import Replay
from btr_tm.run.remote.processes import ProcessCollector
from btr_tm.run.train import store

from ...replay.helpers import build_replay
from .fakes import FLOATS, RACE, FirstWeight, Game, Shape, net, processes
from .test_processes import FORMAT, Book

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals"),
]
FULL = os.environ.get("BTR_TM_FAULTS") == "full"
COLLECTOR_FAULTS, LEARNER_KILLS, FRAMES = (200, 50, 81920) if FULL else (6, 1, 2048)
WORKERS = 3
SHM = Path("/dev/shm")


def segments(learner: int) -> set[str]:
    """Shared memory that a process has made, and not yet removed."""
    return {path.name for path in SHM.glob(f"btr_tm_{learner}_*")} if SHM.exists() else set()


class Ledger:
    """What the replay ought to hold: every chunk that was handed over, less the races of lost cars."""

    def __init__(self) -> None:
        self.held: dict[int, list[tuple[int, ...]]] = {car: [] for car in range(WORKERS * FORMAT.cars)}

    def enter(self, chunk) -> None:
        for cars in chunk.lost:
            for car in range(cars.start, cars.stop):
                while self.held[car] and self.held[car][-1][3] % RACE != RACE - 1:  # not the last of a race
                    self.held[car].pop()
        for step in chunk.transitions:
            for row, floats in enumerate(step.obs.floats.tolist()):
                self.held[chunk.cars.start + row].append(tuple(int(x) for x in floats))


def stored(replay: Replay) -> Counter:
    """Every transition that can be drawn, by its frame."""
    ring, queue = replay.ring, replay.ring.train
    slots = [
        queue.queue[car * ring.slots_per_car + number % ring.slots_per_car]
        for car in range(ring.cars)
        for number in range(int(queue.oldest[car]), int(queue.newest[car]))
    ]
    return Counter(tuple(int(x) for x in ring.rows["floats"][slot].tolist()) for slot in slots)


def misfortune(dice: random.Random, collector: ProcessCollector) -> str:
    """One fault of one worker that is at work."""
    handle = dice.choice([handle for handle in collector.handles if handle.received and not handle.fault])
    kind = dice.choice(["kill", "kill", "kill", "hang", "damage", "pause"])
    if kind == "kill":
        os.kill(handle.process.pid, signal.SIGKILL)
    if kind == "hang":
        os.kill(handle.process.pid, signal.SIGSTOP)
    if kind == "damage" and handle.inbox:
        record = handle.chunks.records[handle.inbox[0].slot]
        record["floats"][0, 0, 0] += 1
    if kind == "pause":
        time.sleep(0.3)  # queues fill up
    return kind


@pytest.mark.timeout(3600)
def test_whatever_happens_to_collectors_replay_holds_what_was_handed_over() -> None:
    dice = random.Random(0)
    clock, policy, book, ledger = Clock(), FirstWeight(net()), Book(), Ledger()
    shape = Shape(WORKERS * FORMAT.cars)
    game = Game(FORMAT.cars)
    collector = processes(game, shape.num_envs, policy.net, clock, workers=WORKERS, stall_s=3.0)
    assert segments(os.getpid()) or not SHM.exists(), "the check at the end would see nothing"
    replay = build_replay(
        3_000_000, cars=shape.num_envs, image_shape=shape.image_shape, floats=FLOATS, clock=clock
    )
    faults: Counter = Counter()
    try:
        quiet_until = 0
        while sum(faults.values()) < COLLECTOR_FAULTS or clock.frames < quiet_until + 300:
            chunk = collector.collect(policy)
            book.enter(chunk)
            ledger.enter(chunk)
            store(replay, chunk)
            clock.frames += chunk.frames
            clock.updates += 1
            at_work = [handle for handle in collector.handles if handle.received and not handle.fault]
            if sum(faults.values()) < COLLECTOR_FAULTS and at_work and dice.random() < 0.02:
                faults[misfortune(dice, collector)] += 1
                quiet_until = clock.frames
        held = Counter(frame for frames in ledger.held.values() for frame in frames)
        assert max(held.values()) == 1, "a transition came twice"
        assert stored(replay) == held
        counts = collector.counts
        assert counts.died >= faults["kill"] - faults["hang"] - faults["damage"], (counts, faults)
    finally:
        collector.close()
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    assert not segments(os.getpid()), "shared memory is left behind"


def command(folder: Path) -> list[str]:
    words = (
        "+experiment=quickstart eval=inline profile=smoke collector=processes name=faults logger=none".split()
    )
    sizes = "profile.save_every=256 profile.eval_every=0 profile.log_every=512 profile.eval_starts=0".split()
    places = [f"profile.total_frames={FRAMES}", f"runs_dir={folder}"]
    return [sys.executable, "-m", "btr_tm", *words, *sizes, *places]


def of_this_run(folder: Path) -> list[psutil.Process]:
    """Processes that work for the run in `folder`; collectors inherit its environment."""
    found = []
    for process in psutil.process_iter(["pid"]):
        try:
            if process.environ().get("BTR_TM_RUN") == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return False


def no_segments(learner: int) -> bool:
    return not segments(learner)


def newest(folder: Path) -> str:
    return max((path.name for path in folder.glob("**/frames_*.pt")), default="")


def has_saved(folder: Path, since: str) -> bool:
    return newest(folder) > since


@pytest.mark.timeout(7200)
def test_a_learner_killed_anywhere_leaves_nothing_behind_and_goes_on(tmp_path: Path) -> None:
    dice = random.Random(0)
    environment = os.environ | {"BTR_TM_RUN": str(tmp_path), "OMP_NUM_THREADS": "1"}
    kills = 0
    while True:
        run = subprocess.Popen(
            command(tmp_path), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        before_start = newest(tmp_path)
        if kills < LEARNER_KILLS:
            if dice.random() < 0.7:  # let it get somewhere, else kill it at its start
                wait_for(partial(has_saved, tmp_path, before_start), 30)
            time.sleep(dice.uniform(0.0, 2.0))
            run.send_signal(signal.SIGKILL)
        output = run.communicate()[0]
        assert wait_for(lambda: not of_this_run(tmp_path), 10), "a collector outlived its learner"
        assert wait_for(partial(no_segments, run.pid), 10), "shared memory is left behind"
        assert "damaged" not in output and "cannot be restored" not in output, output
        if run.returncode != -signal.SIGKILL:
            break
        kills += 1
    assert run.returncode == 0, output
    assert kills == LEARNER_KILLS, "the run ended before its last kill: give it more frames"
