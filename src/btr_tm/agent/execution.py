"""How the kernels of an update reach the device: one by one from Python, replayed, or as one CUDA graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar, cast

import torch
from torch import Tensor

from btr_tm.agent.recording import Recording
from btr_tm.core.protocols import Update
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch

Part = TypeVar("Part", bound=Callable)
Step = Callable[[Batch, float | Tensor], Update]  # of a batch and a learning rate, a number or a tensor ()


class Execution(Protocol):
    """Runs a part of an update in which the host decides nothing: the same kernels every time."""

    def __call__(self, step: Step, batch: Batch, rate: float) -> Update: ...

    def part(self, function: Part) -> Part:
        """`function`, a part of `step` whose arguments and result are trees, as `step` is to call it."""
        ...

    def forget(self) -> None:
        """Some tensors that `step` works on have been replaced."""
        ...


class Eager:
    """The host launches kernel after kernel."""

    def __call__(self, step: Step, batch: Batch, rate: float) -> Update:
        return step(batch, rate)

    def part(self, function: Part) -> Part:
        return function

    def forget(self) -> None:
        pass


class Replayed(Eager):
    """On a CPU: parts of the update are recorded once, then replayed without Python; equal to the bit.

    Where torch no longer records, they are not: its authors support that up to Python 3.13.
    """

    def __init__(self) -> None:
        self._recordings: list[Recording] = []

    def part(self, function: Part) -> Part:
        if sys.version_info >= (3, 14):
            return function
        self._recordings.append(Recording(function))
        return cast(Part, self._recordings[-1])

    def forget(self) -> None:
        for recording in self._recordings:
            recording.forget()


class _Captured(NamedTuple):
    """A graph with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    result: Update


class CudaGraph:
    """Captures the kernels of an update as a CUDA graph, then replays it; batches must have one shape.

    The first updates run eagerly on a side stream, as torch asks of what is to be captured. The result lies
    in the graph's own memory until the next update. `generator` is the one that `step` draws from, on the
    GPU.
    """

    _warm_up = 3

    def __init__(self, generator: torch.Generator) -> None:
        self._generator, self._rate = generator, torch.zeros((), device=generator.device)
        self._stream = torch.cuda.Stream(generator.device)
        self.forget()

    def part(self, function: Part) -> Part:
        return function

    def forget(self) -> None:
        self._seen = 0
        self._captured: _Captured | None = None

    def __call__(self, step: Step, batch: Batch, rate: float) -> Update:
        self._rate.fill_(rate)
        if self._captured is None:
            if self._seen < self._warm_up:
                self._seen += 1
                return self._on_side_stream(step, batch)
            self._captured = self._capture(step, batch)
        tree_map(Tensor.copy_, self._captured.batch, batch)
        self._captured.graph.replay()
        return self._captured.result

    def _on_side_stream(self, step: Step, batch: Batch) -> Update:
        main = torch.cuda.current_stream()
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            result = step(batch, self._rate)
        main.wait_stream(self._stream)
        return result

    def _capture(self, step: Step, batch: Batch) -> _Captured:
        """Nothing is computed while kernels are captured."""
        own = tree_map(torch.clone, batch)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, stream=self._stream):
            result = step(own, self._rate)
        return _Captured(graph, own, result)
