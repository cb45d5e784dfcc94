"""Ticks, features, picture, restart and policy of a decision: one graph, and a GPU is never waited for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from btr_tm.agent.execution import Eager
from btr_tm.agent.policy import IqnPolicy
from btr_tm.core.clock import Clock
from btr_tm.core.schedule import Constant
from btr_tm.core.tree import flatten, take_rows, where_rows
from btr_tm.envs.execution import Compile
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.progress import CutOffs
from btr_tm.sim.track.load import load_track
from tests.race.shipped import camera_features

from ..exploration.helpers import exploring
from ..nets.helpers import network

CARS, SIZE = 4, (36, 36)
SHORT = CutOffs(race_ms=100, no_progress_ms=100)  # every second decision ends a race


def simulator(compile: Compile = "eager", device: str = "cpu") -> SimVectorEnv:
    options = {"features": camera_features(), "cut_offs": SHORT, "compile": compile, "device": device}
    env = plain_simulator(load_track("hills"), CARS, SIZE, start_pool=8, **options)
    env.reset()
    return env


def greedy(env: SimVectorEnv) -> IqnPolicy:
    net = network((1, *SIZE), env.layout, env.actions).to(env.device)
    return IqnPolicy(net, exploring(Constant(0.0)), Clock(), torch.Generator(env.device), 8, False, Eager())


@pytest.mark.slow
def test_a_decision_with_its_policy_and_restarts_is_one_graph() -> None:
    env = simulator()
    policy, graphs = greedy(env), []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    def decision(pool: Any, drive: Any, seen: Any, start: Tensor) -> Any:
        action = policy.act(seen.obs, explore=False).action
        after, shown, outcome = env.race.decide(drive, action)
        fresh = take_rows(pool, start)
        return action, where_rows(outcome.races.done, fresh, (after, shown)), shown, outcome

    whole = torch.compile(decision, fullgraph=True, dynamic=False, backend=backend)
    state = env._drive, env._seen
    with torch.no_grad():
        for _ in range(4):
            given = (env._pool, *state, torch.randint(8, (CARS,)))
            expected = decision(*given)
            for ours, theirs in zip(flatten(whole(*given)), flatten(expected), strict=True):
                assert torch.equal(ours, theirs)
            state = expected[1]
    assert len(graphs) == 1


@pytest.mark.slow
@pytest.mark.parametrize("compile", ["eager", "compiled"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_decision_waits_for_the_device(compile: Compile) -> None:
    env = simulator(compile, "cuda")
    policy, obs = greedy(env), env.reset()[0]
    for explore in (True, False):  # the first of each may compile, choose kernels and so on
        obs = env.step(policy.act(obs, explore).action)[0]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for explore in (True, False, True, False):
            obs = env.step(policy.act(obs, explore).action)[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
