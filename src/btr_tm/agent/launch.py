"""How the kernels of an update are launched: one by one, or all at once as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch

Body = Callable[[Batch, Any], Any]  # batch and learning rate, a number or a tensor () -> tensors


class Launch(Protocol):
    """Runs the part of an update in which the host decides nothing."""

    def __call__(self, body: Body, batch: Batch, rate: float) -> Any: ...

    def forget(self) -> None:
        """Tensors that `body` works on are other ones from now on."""
        ...


class OneByOne:
    """Each kernel when the host comes to it."""

    def __call__(self, body: Body, batch: Batch, rate: float) -> Any:
        return body(batch, rate)

    def forget(self) -> None:
        pass


class Recorded:
    """Records the kernels of an update as a CUDA graph, then replays it; batches must have one shape.

    The first updates run one by one, beside the main stream, as torch asks of what is to be recorded. What
    comes back lies in the graph's own memory until the next update. `generator` is the one that `body` draws
    from, on the GPU.
    """

    _warm_up = 3

    def __init__(self, generator: torch.Generator) -> None:
        self._generator, self._rate = generator, torch.zeros((), device=generator.device)
        self._stream = torch.cuda.Stream(generator.device)
        self.forget()

    def forget(self) -> None:
        self._seen = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch | None = None
        self._result: Any = None

    def __call__(self, body: Body, batch: Batch, rate: float) -> Any:
        self._rate.fill_(rate)
        if self._graph is None:
            if self._seen < self._warm_up:
                self._seen += 1
                return self._aside(body, batch)
            self._graph = self._record(body, batch)
        tree_map(Tensor.copy_, self._batch, batch)
        self._graph.replay()
        return self._result

    def _aside(self, body: Body, batch: Batch) -> Any:
        main = torch.cuda.current_stream()
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            result = body(batch, self._rate)
        main.wait_stream(self._stream)
        return result

    def _record(self, body: Body, batch: Batch) -> torch.cuda.CUDAGraph:
        """Nothing is computed while recording."""
        self._batch = tree_map(torch.clone, batch)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, stream=self._stream):
            self._result = body(self._batch, self._rate)
        return graph
