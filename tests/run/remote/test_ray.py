"""Collectors as Ray actors, on a cluster of two nodes on this machine."""

from __future__ import annotations

import time

import pytest

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.run.remote.ray import RayCollector, connect

from .fakes import FirstWeight, Game, Shape, net
from .test_processes import FORMAT, Book, collect

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning")]


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def test_two_nodes_drive_leave_and_join(cluster) -> None:
    second = cluster.add_node(num_cpus=1)
    clock, policy = Clock(), FirstWeight(net())
    collector = RayCollector(
        Game(), Shape(2 * FORMAT.cars), policy.net, clock, 2, FORMAT.decisions, cluster.address
    )
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
    assert book.next[gone, 1, 0] > 0, "its next life drives on the node that joined"
    collector.close()


def test_an_address_where_nobody_answers_is_one_sentence() -> None:
    with pytest.raises(UserError, match="ray start --head"):
        connect("127.0.0.1:1", 2)
