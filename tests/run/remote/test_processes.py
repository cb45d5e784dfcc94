"""Collectors in processes: nothing lost, nothing twice, whatever the workers do."""

from __future__ import annotations

import glob
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.types import Chunk
from btr_tm.run.remote.chunk import ChunkFormat, checksum
from btr_tm.run.remote.processes import ProcessCollector
from btr_tm.run.remote.weights import SharedWeights

from .fakes import FLOATS, RACE, FirstWeight, Game, Shape, net, processes

FORMAT = ChunkFormat(decisions=5, cars=3, image_shape=(1, 2, 2), floats=FLOATS)


@pytest.fixture
def start():
    begun: list[ProcessCollector] = []

    def build(game: Game, workers: int = 2, **options) -> tuple[ProcessCollector, FirstWeight, Clock]:
        clock, policy = Clock(), FirstWeight(net())
        cars = workers * FORMAT.cars
        collector = processes(game, cars, policy.net, clock, workers=workers, **options)
        begun.append(collector)
        return collector, policy, clock

    yield build
    for collector in begun:
        collector.close()


class Book:
    """Checks the stream of every car: each decision of a generation comes once, in order."""

    def __init__(self) -> None:
        self.next: dict[tuple[int, int, int], int] = {}
        self.frames = 0

    def enter(self, chunk: Chunk) -> None:
        self.frames += chunk.frames
        for step in chunk.transitions:
            for row, floats in enumerate(step.obs.floats.tolist()):
                worker, generation, car, count = (int(x) for x in floats)
                assert chunk.cars.start + row == worker * FORMAT.cars + car
                assert count == self.next.get((worker, generation, car), 0), (worker, generation, car, count)
                self.next[worker, generation, car] = count + 1
                assert step.reward[row] == count + 1
                ended = (count + 1) % RACE == 0
                assert bool(step.terminated[row]) == ended
                assert step.next_obs.floats[row, 3] == (-(count + 1) if ended else count + 1)
                assert step.next_potential[row] == (count + 1) / 2


def collect(collector, policy, clock, book: Book, frames: int, seconds: float = 90.0) -> list[slice]:
    lost, until = [], time.monotonic() + seconds
    while book.frames < frames:
        assert time.monotonic() < until, f"deadlock at {book.frames} frames"
        chunk = collector.collect(policy)
        book.enter(chunk)
        clock.frames += chunk.frames
        lost += chunk.lost
    return lost


def test_every_decision_of_every_car_arrives_once_and_in_order(start) -> None:
    collector, policy, clock = start(Game())
    book = Book()
    lost = collect(collector, policy, clock, book, 1500)
    while {worker for worker, _, _ in book.next} != {0, 1}:  # one may take much longer to start
        lost += collect(collector, policy, clock, book, book.frames + 15)
    assert lost == []
    assert collector.counts.died == 0


@pytest.mark.parametrize(("trouble", "count"), [("dies", "died"), ("raises", "died"), ("hangs", "hung")])
def test_a_worker_that_fails_is_replaced_and_its_open_races_are_void(start, trouble, count) -> None:
    collector, policy, clock = start(Game(trouble=trouble, after=12), stall_s=2.0)
    book = Book()
    until = time.monotonic() + 60
    lost: list[slice] = []
    while not lost and time.monotonic() < until:
        lost += collect(collector, policy, clock, book, book.frames + 1)
    assert lost == [slice(0, 3)]
    while (0, 1, 0) not in book.next and time.monotonic() < until:
        collect(collector, policy, clock, book, book.frames + 1)
    assert getattr(collector.counts, count) == 1
    assert book.next[0, 0, 0] == 10, "two whole chunks came before the failure in the third"
    assert book.next[0, 1, 0] > 0, "the next generation drives"


def test_a_damaged_chunk_is_not_used(start) -> None:
    collector, policy, clock = start(Game(), workers=1)
    book = Book()
    collect(collector, policy, clock, book, 30)
    while not collector.handles[0].inbox:
        collector._supervise()
    damaged = collector.handles[0].inbox[0]
    collector.handles[0].chunks.records[damaged.slot]["floats"][0, 0, 0] += 1
    lost = collect(collector, policy, clock, book, book.frames + 60)
    assert lost == [slice(0, 3)]
    assert collector.counts.damaged == 1


def test_weights_reach_the_workers_whole_and_with_their_version(start) -> None:
    collector, policy, clock = start(Game())
    book, seen = Book(), set()
    update, until = 0, time.monotonic() + 90
    while len(seen) <= 2:
        assert time.monotonic() < until, "the workers keep driving with the first weights"
        clock.updates = update = update + 1
        torch.nn.init.constant_(policy.net.weight, float(update))
        chunk = collector.collect(policy)
        book.enter(chunk)
        seen |= {int(action) for step in chunk.transitions for action in step.action}
        assert all(action <= update for action in seen)


def test_chunks_driven_with_old_weights_are_dropped_and_counted(start) -> None:
    collector, policy, clock = start(Game(), workers=1, slots=3, stale_versions=3)
    while not collector.collect(policy).frames:
        pass
    time.sleep(0.5)  # the two slots that are not lent fill up
    for clock.updates in range(1, 8):
        collector._publish(policy)
    chunks = [collector.collect(policy) for _ in range(2)]
    assert [chunk.frames for chunk in chunks] == [0, 0]
    assert [chunk.cut for chunk in chunks] == [[slice(0, 3)]] * 2
    assert collector.counts.stale == 2


def test_a_race_that_a_game_has_lost_is_void_also_in_a_chunk_that_is_dropped(start) -> None:
    collector, policy, clock = start(Game(), workers=1, slots=3, stale_versions=3)
    while not collector.collect(policy).frames:
        pass
    time.sleep(0.5)
    for clock.updates in range(1, 8):
        collector._publish(policy)
    handle = collector.handles[0]
    collector._supervise()
    slot = handle.inbox[0].slot
    handle.chunks.records[slot]["void"][:] = True
    handle.inbox[0] = handle.inbox[0]._replace(checksum=checksum(handle.chunks.bytes_of(slot)))
    assert collector.collect(policy).lost == [slice(0, 3)]


def test_a_learner_that_does_not_collect_holds_the_workers_back(start) -> None:
    collector, policy, clock = start(Game(), workers=1, slots=2)
    book = Book()
    collect(collector, policy, clock, book, 15)
    collector.wait_until_full()
    time.sleep(0.5)
    collector._supervise()
    assert len(collector.handles[0].inbox) == 2
    collect(collector, policy, clock, book, 150)


def test_a_worker_that_was_replaced_does_not_crowd_out_the_others(start) -> None:
    collector, policy, clock = start(Game(), slots=3)
    book = Book()
    collect(collector, policy, clock, book, 20 * FORMAT.frames)
    collector.handles[1].process.kill()
    while not collector.counts.died:
        collect(collector, policy, clock, book, book.frames + 1)
    collector.wait_until_full()
    served = [collector.collect(policy).cars.start for _ in range(4)]
    assert sorted(served) == [0, 0, FORMAT.cars, FORMAT.cars]


def test_cpu_seconds_of_workers_are_charged_to_the_run(start) -> None:
    collector, policy, clock = start(Game())
    own = time.process_time()
    collect(collector, policy, clock, Book(), 60)
    charged = collector.watch.lap().cpu_seconds - (time.process_time() - own)
    assert charged > 0.2, "starting alone takes more"


def test_a_collector_that_could_not_start_closes_all_the_same(start) -> None:
    collector, policy, _ = start(Game())
    collector.build = lambda worker, generation: None  # cannot be pickled
    with pytest.raises((AttributeError, pickle.PicklingError)):
        collector.collect(policy)
    collector.close()
    with pytest.raises(FileNotFoundError):
        SharedWeights(collector.weights.size, collector.weights.name)


STOPPED = """
import os, signal
from run.remote.fakes import FirstWeight, Game, net, processes
from btr_tm.core.clock import Clock
if __name__ == "__main__":
    policy = FirstWeight(net())
    collector = processes(Game(), 3, policy.net, Clock(), workers=1)
    while not collector.collect(policy).frames:
        pass
    pid = collector.handles[0].process.pid
    os.kill(pid, signal.SIGSTOP)
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends even processes that are stopped")
def test_a_worker_that_is_stopped_does_not_outlive_its_learner(tmp_path) -> None:
    script = tmp_path / "learner.py"
    script.write_text(STOPPED)
    told = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with open(tmp_path / "pid", "w+") as out:
        subprocess.run([sys.executable, str(script)], env=told, stdout=out, timeout=90)
        out.seek(0)
        pid, until = int(out.read()), time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "an orphan"
        time.sleep(0.05)


def test_nothing_is_left_after_close(start) -> None:
    collector, policy, clock = start(Game())
    collect(collector, policy, clock, Book(), 30)
    names = [collector.weights.name, collector.heartbeats.name]
    names += [handle.chunks.name for handle in collector.handles]
    pids = [handle.process.pid for handle in collector.handles]
    collector.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not [name for name in names if glob.glob(f"/dev/shm/{name.lstrip('/')}")]


@pytest.mark.parametrize("waiting", [True, False])
def test_workers_let_go_of_their_games_at_the_end(start, waiting: bool, tmp_path: Path) -> None:
    collector, policy, clock = start(Game(trouble="slow", left=str(tmp_path)))
    collect(collector, policy, clock, Book(), 30)
    if waiting:
        collector.wait_until_full()
    collector.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0_0", "1_0"]


def test_a_worker_that_hangs_at_the_end_is_ended(start, monkeypatch) -> None:
    monkeypatch.setattr("btr_tm.run.remote.processes.LEAVE_S", 0.5)
    collector, policy, clock = start(Game(trouble="hangs", after=20))
    collect(collector, policy, clock, Book(), 30)
    time.sleep(0.2)
    began = time.monotonic()
    collector.close()
    assert time.monotonic() - began < 5


def test_a_game_may_take_longer_than_other_environments() -> None:
    game = Shape(2, patience_s=400.0)
    collector = ProcessCollector(Game(), game, net(), Clock(), 1, 5, 1, 1, 9, stall_s=60.0, start_s=500.0)
    collector.close()
    assert (collector.stall_s, collector.start_s) == (400.0, 500.0)


def test_a_game_that_gives_nan_stops_the_run_with_the_sentence_of_its_worker(start) -> None:
    collector, policy, clock = start(Game(trouble="gives NaN", after=8))
    with pytest.raises(UserError, match=r"^a counter has given car 1 a reward that is NaN or infinite"):
        collect(collector, policy, clock, Book(), sys.maxsize)  # the other may start much earlier


def test_what_cannot_be_sent_to_a_process_is_one_sentence() -> None:
    def local(worker: int, generation: int) -> None: ...

    with pytest.raises(UserError, match="cannot be pickled .*local.*; define it in a module"):
        processes(local, 6, net(), Clock())


def test_workers_that_cannot_even_start_stop_the_run_with_their_reason(start) -> None:
    collector, policy, clock = start(Unbuildable(), workers=1)
    with pytest.raises(UserError, match="no such game"):
        collect(collector, policy, clock, Book(), 1)


class Unbuildable(Game):
    def __call__(self, worker: int, generation: int):
        raise RuntimeError("no such game")
