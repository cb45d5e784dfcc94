"""The simulator's decision is one graph with fixed shapes, compiled once, whatever happens to the cars."""

from __future__ import annotations

import pytest
import torch

from btr_tm.envs.execution import HOW, compiled
from btr_tm.envs.plain import plain_simulator
from btr_tm.race.progress import CutOffs
from btr_tm.sim.track.load import load_track


@pytest.mark.slow
def test_one_graph_serves_training_restarts_and_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]):
        graphs.append(graph)
        return graph.forward

    def recorded(function):
        return torch.compile(function, backend=backend, fullgraph=True, dynamic=False)

    monkeypatch.setitem(HOW, "compiled", recorded)
    cut_offs = CutOffs(race_ms=100, no_progress_ms=100)  # every second decision ends a race
    env = plain_simulator(load_track("hills"), 4, (16, 16), 8, cut_offs=cut_offs, compile="compiled")
    for start in ("training", "canonical", "evaluation", "training"):
        env.reset(options={"start": start})
        for _ in range(4):
            env.step(torch.randint(env.actions, (4,)))
    assert len(graphs) == 1  # restarts are replayed on a CPU


def test_more_environments_than_torch_keeps_graphs_by_default_can_be_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Scale:
        def __init__(self, by: torch.Tensor) -> None:
            self.by = by

        def decide(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.by.sum()

    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: whole(f, backend="eager", **options))
    monkeypatch.setattr("shutil.which", lambda name: name)
    for size in range(2, 14):
        assert compiled(Scale(torch.ones(size)).decide)(torch.ones(1)) == size
