"""An update replayed as a CUDA graph against an eager one."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch

from btr_tm.agent.execution import CudaGraph, Eager
from btr_tm.core.protocols import Update
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch
from btr_tm.nets.iqn import IQN

from ..nets.helpers import ALL_OFF, ALL_ON, network, random_batch
from .helpers import learner, step_of

FUSED = partial(torch.optim.Adam, eps=1.95e-5, fused=True)
BOTH = pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])


class RateInATensor(Eager):
    """As a graph gets it."""

    def __call__(self, body, batch: Batch, rate: float) -> Any:
        return body(batch, torch.tensor(rate))


def eager(generator: torch.Generator) -> Eager:
    return Eager()


def rate_in_a_tensor(generator: torch.Generator) -> RateInATensor:
    return RateInATensor()


def trained(
    net: IQN, execution: Any, updates: int = 6, optimizer: Any = FUSED
) -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Parameters after some updates on different batches, and all metrics, on the CPU."""
    device = next(net.parameters()).device
    generator = torch.Generator(device).manual_seed(2)
    each = learner(
        net, optimizer=optimizer, execution=execution(generator), weight_decay_ratio=0.1, generator=generator
    )
    metrics = []
    for number in range(updates):
        batch = tree_map(lambda leaf: leaf.to(device), random_batch(8, seed=number))
        metrics.append({name: value.cpu() for name, value in each.update(batch).metrics.items()})
    return torch.cat([p.detach().cpu().flatten() for p in net.parameters()]), metrics


@BOTH
def test_a_learning_rate_in_a_tensor_gives_the_same_numbers(parts) -> None:
    one, other = (trained(network(**parts), execution) for execution in (eager, rate_in_a_tensor))
    torch.testing.assert_close(one, other)


def radam_on_a_device(monkeypatch) -> None:
    """torch counts steps on a device only on some; the CPU stands for one of them."""
    module = sys.modules[torch.optim.RAdam.__module__]
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **options: ["cpu"])


def test_an_optimizer_that_is_not_fused_takes_a_rate_in_a_tensor_too(monkeypatch) -> None:
    radam_on_a_device(monkeypatch)
    radam = partial(torch.optim.RAdam, eps=1e-4, foreach=True)
    one, other = (trained(network(), execution, optimizer=radam) for execution in (eager, rate_in_a_tensor))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("optimizer", "taken"),
    [
        (FUSED, True),
        (torch.optim.RAdam, True),
        (partial(torch.optim.SGD, fused=True), True),
        (torch.optim.SGD, False),
        (torch.optim.Adagrad, False),
    ],
)
def test_only_optimizers_that_take_a_rate_in_a_tensor_are_captured(optimizer, taken: bool) -> None:
    execution = RateInATensor()
    each = learner(network(), optimizer=optimizer, execution=execution)
    assert each.step.takes_tensor_rate is taken
    assert (each.execution is execution) is taken and isinstance(each.execution, Eager)


def test_a_run_of_a_graph_goes_on_without_one(monkeypatch) -> None:
    radam = partial(torch.optim.RAdam, foreach=True)
    graph, plain = (learner(network(), optimizer=radam, execution=way) for way in (RateInATensor(), Eager()))
    with monkeypatch.context() as patch:
        radam_on_a_device(patch)
        graph.update(random_batch(8))
        plain.load_state_dict(copy.deepcopy(graph.state_dict()))
        graph.update(random_batch(8, seed=1))
    plain.update(random_batch(8, seed=1))
    torch.testing.assert_close(plain.step.parameters, graph.step.parameters)


def test_a_run_without_a_graph_goes_on_with_one(monkeypatch) -> None:
    """Its steps were counted on the host, where no graph may look."""
    module = sys.modules[torch.optim.RAdam.__module__]
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **options: ["meta"])
    radam = partial(torch.optim.RAdam, foreach=True)
    host, device = (step_of(network().to(place), radam) for place in ("cpu", "meta"))
    host(0.1)
    device.load_state_dict(copy.deepcopy(host.state_dict()))
    device(torch.zeros((), device="meta"))
    assert {value.device.type for value in device.optimizer.state[device.parameters].values()} == {"meta"}


class Stream:
    """Of a GPU that is not there."""

    def __init__(self, gpu: Gpu, name: str) -> None:
        self.gpu, self.name = gpu, name

    def wait_stream(self, other: Stream) -> None:
        self.gpu.events.append(f"{self.name} waits for {other.name}")


class Graph:
    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.kernels = gpu, []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generator = generator

    def replay(self) -> None:
        self.gpu.events.append(f"replay on {self.gpu.current_stream().name}")
        for kernel in self.kernels:
            kernel()


class Gpu:
    """As much of torch.cuda as CudaGraph needs, and a list of what happened."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.streams, self.graphs = [Stream(self, "main")], []  # the last one is the current one

    def Stream(self, device: torch.device) -> Stream:
        return Stream(self, f"a stream of {device}")

    def CUDAGraph(self) -> Graph:
        return Graph(self)

    def current_stream(self) -> Stream:
        return self.streams[-1]

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        self.streams.append(stream)
        yield
        self.streams.pop()

    @contextmanager
    def graph(self, graph: Graph, stream: Stream) -> Iterator[None]:
        self.graphs.append(graph)
        with self.stream(stream):
            yield
        self.graphs.pop()

    def launch(self, kernel: Callable[[], Any]) -> None:
        where = self.current_stream().name
        if self.graphs:
            self.events.append(f"capture on {where} with {self.graphs[-1].generator}")
            self.graphs[-1].kernels.append(kernel)
        else:
            self.events.append(f"run on {where}")
            kernel()


def test_a_graph_is_captured_after_three_updates_and_replayed_from_then_on(monkeypatch) -> None:
    gpu, generator = Gpu(), torch.Generator()
    for name in ("Stream", "CUDAGraph", "current_stream", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(gpu, name))

    def step(batch: Batch, rate: torch.Tensor) -> Update:
        result = torch.zeros(4)
        gpu.launch(lambda: result.copy_(batch.reward * rate + batch.next_obs.floats[:, 0]))
        return Update({}, result)

    eagerly = ["a stream of cpu waits for main", "run on a stream of cpu", "main waits for a stream of cpu"]
    captured = [f"capture on a stream of cpu with {generator}", "replay on main"]
    execution = CudaGraph(generator)
    for updates in (6, 5):
        for number in range(updates):
            batch, rate = random_batch(4, seed=number), 0.5 + number
            expected = batch.reward * rate + batch.next_obs.floats[:, 0]
            torch.testing.assert_close(execution(step, batch, rate).priority, expected)
            again = random_batch(4, seed=number)
            torch.testing.assert_close(tuple(batch), tuple(again), rtol=0, atol=0)  # the graph has its own
        assert gpu.events == 3 * eagerly + captured + (updates - 4) * ["replay on main"]
        gpu.events.clear()
        execution.forget()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@BOTH
def test_a_cuda_graph_gives_the_numbers_of_eager_updates(parts) -> None:
    one, other = (trained(network(**parts).cuda(), execution) for execution in (eager, CudaGraph))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # three updates were replayed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("execution", [eager, CudaGraph])
def test_an_update_never_waits_for_the_gpu(execution) -> None:
    generator = torch.Generator("cuda")
    each = learner(
        network(**ALL_ON).cuda(), optimizer=FUSED, execution=execution(generator), generator=generator
    )
    batch = tree_map(lambda leaf: leaf.cuda(), random_batch(8))
    for _ in range(5):  # the first ones load kernels and capture
        each.update(batch)
    torch.cuda.set_sync_debug_mode("error")
    each.update(batch)
    torch.cuda.set_sync_debug_mode("default")
