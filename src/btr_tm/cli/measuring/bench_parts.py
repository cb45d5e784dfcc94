"""Builds what `python -m btr_tm.bench` measures, from configurations."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from btr_tm.agent.learner import IqnLearner
from btr_tm.benchmarks.acting import example
from btr_tm.benchmarks.arithmetic import Layer, forward_flops, update_flops
from btr_tm.benchmarks.loop import Loop, Work
from btr_tm.benchmarks.sizes import sizes_of
from btr_tm.benchmarks.timing import CPU
from btr_tm.cli.assembly.assemble import collector_of
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.protocols import Actor, DrivingEnv, EnvironmentSpec, Learner
from btr_tm.core.types import Batch, Obs, Transition
from btr_tm.run.collector import InlineCollector

Overrides = Mapping[str, str | int]  # of a configuration, as they are typed

BTR, BASE = "+experiment=quickstart", "name=base"  # the two small networks that are compared
FULL_BTR, PUBLISHED = "+experiment=atari_btr", "+experiment=a01_v4_btr"
OTHERS: Overrides = {"profile": "cpu", "logger": "none", "profile.eval_every": 0, "profile.save_every": 0}
RECORDED = 32  # decisions of all cars, driven once, that fill the replays


def parts_of(experiment: str, overrides: Overrides | None = None, device: torch.device = CPU) -> Parts:
    """The parts of an experiment, at profile=cpu unless `overrides` say otherwise."""
    words = [f"{key}={value}" for key, value in {**OTHERS, **(overrides or {})}.items()]
    return Parts(checked(compose_job([experiment, *words]).values), device)


def record(parts: Parts) -> tuple[DrivingEnv, list[Transition]]:
    """An environment, and transitions driven in it by an untrained driver."""
    env = parts.env(parts.profile["cars"])
    return env, InlineCollector(env, RECORDED).collect(parts.policy(env)).transitions


def full_learner(size: EnvironmentSpec, batch: int, overrides: Overrides, device: torch.device) -> Learner:
    """Ours, at BTR's size; no environment is built."""
    sizes: Overrides = {"profile": "atari", "profile.batch_size": batch, "profile.micro_batch": batch}
    parts = parts_of(FULL_BTR, {**sizes, **overrides}, device)
    learner = parts.learner(parts.policy(size))
    assert isinstance(learner, IqnLearner), type(learner)
    learner.online.reset_noise(learner.generator)  # what acting leaves behind
    return learner


def small_learner(
    name: str, experiment: str, overrides: Overrides | None = None
) -> tuple[str, Learner, Batch]:
    """A learner with a batch from its own replay."""
    little = {"profile.replay_capacity": 8192, "profile.warmup_frames": 0}
    parts = parts_of(experiment, {**little, **(overrides or {})})
    env, transitions = record(parts)
    replay = parts.replay(env)
    for transition in transitions:
        replay.add(transition)
    return name, parts.learner(parts.policy(env)), replay.sample(parts.profile["batch_size"])


def driver(
    name: str, experiment: str, overrides: Overrides, device: torch.device
) -> tuple[str, Actor, Obs, list[Layer]]:
    """A policy, what one car sees, and the layers of a greedy choice."""
    parts = parts_of(experiment, overrides, device)
    env = parts.env(1, start_pool=1)
    layers = sizes_of(parts.profile, env, "taus_act").acting_layers
    return name, parts.policy(env), example(env), layers


def loop_of(
    experiment: str, overrides: Overrides, warm_up: int, device: torch.device = CPU
) -> tuple[Loop, Work]:
    """A loop that ends with its warm-up, in whose second half it learns, and what its work costs."""
    warm = {"profile.warmup_frames": warm_up // 2, "profile.total_frames": warm_up, "profile.log_every": 0}
    parts = parts_of(experiment, {**warm, **overrides}, device)
    env = parts.env(parts.profile["cars"])
    policy, replay = parts.policy(env), parts.replay(env)
    learner, collector = parts.learner(policy), collector_of(parts, env, policy.net)
    acting = forward_flops(sizes_of(parts.profile, env, "taus_act").acting_layers)
    learning = update_flops(sizes_of(parts.profile, env).layers) * parts.profile["batch_size"]
    return Loop(collector, replay, learner, parts.clock, parts.plan()), Work(acting, learning)
