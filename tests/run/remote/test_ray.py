"""Collectors as Ray actors, on a cluster of two nodes on this machine."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.run.remote.ray import RayCollector, connect

from .fakes import FirstWeight, Game, Shape, net
from .test_processes import FORMAT, Book, collect

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning")]


def drivers(game: Game, cars: int, net, clock: Clock, address: str, **options) -> RayCollector:
    """As many workers as share `cars`; chunks of FORMAT."""
    usual = {"num_workers": cars // FORMAT.cars, "decisions": FORMAT.decisions, "address": address}
    usual |= {"resources": {"CPU": 1}, "ahead": 2, "publish_every": 1, "stale_versions": 1000}
    return RayCollector(
        game, Shape(cars), net, clock, **(usual | {"stall_s": 60.0, "start_s": 300.0} | options)
    )


# Two nodes with their services are more than a busy two-core machine starts in time: `make test-long`.
on_cluster = pytest.mark.long


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


@on_cluster
def test_two_nodes_drive_leave_and_join(cluster) -> None:
    second = cluster.add_node(num_cpus=1)
    clock, policy = Clock(), FirstWeight(net())
    collector = drivers(Game(), 2 * FORMAT.cars, policy.net, clock, cluster.address)
    book = Book()
    assert collect(collector, policy, clock, book, 150) == []
    while {worker for worker, _, _ in book.next} != {0, 1}:
        collect(collector, policy, clock, book, book.frames + 15)

    cluster.remove_node(second)
    lost, until = [], time.monotonic() + 90
    while not lost and time.monotonic() < until:
        lost = collect(collector, policy, clock, book, book.frames + 15)
    assert len(lost) == 1, "the actor on the node that left is missed, the other drives on"
    gone = lost[0].start // FORMAT.cars
    assert collector.counts.died == 1

    cluster.add_node(num_cpus=1)
    while (gone, 1, 0) not in book.next and time.monotonic() < until:
        collect(collector, policy, clock, book, book.frames + 15)
    assert book.next[gone, 1, 0] > 0, "its next generation drives on the node that joined"
    collector.close()


def test_an_address_where_nobody_answers_is_one_sentence() -> None:
    with pytest.raises(UserError, match="ray start --head"):
        connect("127.0.0.1:1", 2, {"CPU": 1}, 0, None)


@on_cluster
def test_workers_are_served_in_turn_and_one_that_hangs_before_its_first_chunk_is_replaced(cluster) -> None:
    cluster.add_node(num_cpus=1)
    clock, policy = Clock(), FirstWeight(net())
    game = Game(trouble="hangs", after=1)
    collector = drivers(game, 2 * FORMAT.cars, policy.net, clock, cluster.address, start_s=30.0)
    book, until = Book(), time.monotonic() + 150
    while (0, 1, 0) not in book.next and time.monotonic() < until:
        collect(collector, policy, clock, book, book.frames + 15)
    assert collector.counts.hung == 1 and collector.counts.died == 0
    served = []
    while len(served) < 6:
        time.sleep(0.3)  # a slow learner: everybody's chunks wait
        chunk = collector.collect(policy)
        served += [chunk.cars.start] if chunk.frames else []
    assert served.count(0) == served.count(3) == 3
    collector.close()


@on_cluster
def test_a_resource_that_nobody_has_is_one_sentence(cluster) -> None:
    clock, policy = Clock(), FirstWeight(net())
    needs = {"CPU": 1, "game": 1}
    collector = drivers(Game(), FORMAT.cars, policy.net, clock, cluster.address, resources=needs, start_s=1.0)
    with pytest.raises(UserError, match="no node had room for a collector that needs .*game"):
        collect(collector, policy, clock, Book(), 1)
    collector.close()


def test_a_ray_of_its_own_has_what_its_workers_ask_for() -> None:
    made = connect("local", 2, {"CPU": 0.5, "game": 1}, 0, None)
    try:
        assert {name: made.cluster_resources()[name] for name in ("CPU", "game")} == {"CPU": 1.0, "game": 2.0}
    finally:
        made.shutdown()


LISTENING = """
import psutil
from btr_tm.run.remote.ray import connect

ray = connect("local", 1, {"CPU": 1}, 0, None)
assert ray.get(ray.remote(lambda: 3).remote()) == 3
me = psutil.Process()
for process in [me, *me.children(recursive=True)]:
    for each in process.net_connections("inet"):
        if each.status == psutil.CONN_LISTEN:
            print("listens", process.name(), each.laddr.ip)
ray.shutdown()
"""


def test_a_ray_of_our_own_listens_on_this_machine_only() -> None:
    done = subprocess.run([sys.executable, "-c", LISTENING], capture_output=True, text=True, timeout=120)
    found = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("listens")]
    assert found and {ip.removeprefix("::ffff:") for ip in found} == {"127.0.0.1"}, done.stdout + done.stderr
    assert "Token" not in done.stdout + done.stderr, "Ray's own remark would be one more line to read"
