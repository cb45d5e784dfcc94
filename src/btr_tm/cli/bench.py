"""`python -m btr_tm.bench`: speeds, shares of time and memory beside what they should be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btr_tm.cli import commands

if TYPE_CHECKING:
    from btr_tm.benchmarks.row import Row
    from btr_tm.benchmarks.timing import Effort
    from btr_tm.cli.parts import Parts

BTR, BASE = "+experiment=quickstart", "name=base"  # the two networks that are compared, at profile=cpu
OTHERS = {"profile": "cpu", "logger": "none", "profile.eval_every": 0, "profile.save_every": 0}
DRIVERS = {"quickstart": BTR, "a01_v4_btr": "+experiment=a01_v4_btr"}
SAMPLERS = ("prioritized", "uniform")
RECORDED = 32  # decisions of all cars, driven once, that fill the replays
WARM_UP = 2048  # frames before shares are taken


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.bench",
        description="Measure simulator, camera, learner, replay and the whole loop on this machine's CPU, "
        "alternating with what they are compared with; a few minutes on two idle cores.",
    )
    parser.add_argument("--quick", action="store_true", help="seconds: a little of everything, not compiled")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write every figure there too")
    parser.add_argument("--threads", type=commands.at_least_one, help="of torch (default: its own choice)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure; errors that a user can fix are one line on stderr."""
    commands.run(bench, parser(), argv)


def bench(arguments: argparse.Namespace) -> None:
    """Measure everything, print the table, write the JSON."""
    from btr_tm.benchmarks.machine import machine
    from btr_tm.benchmarks.table import show, write_json
    from btr_tm.benchmarks.timing import FULL, QUICK
    from btr_tm.cli.compose import set_threads

    set_threads(arguments.threads or "auto")
    here = machine()  # before the benchmark itself is the load
    rows = measure(QUICK if arguments.quick else FULL)
    show(rows, here)
    if arguments.json:
        write_json(arguments.json, rows, here)


def measure(effort: Effort) -> list[Row]:
    """Every row, announcing on stderr what is being measured."""
    from btr_tm.benchmarks.acting import acting_rows
    from btr_tm.benchmarks.car_racing import car_racing
    from btr_tm.benchmarks.learning import update_rows
    from btr_tm.benchmarks.loop import loop_rows
    from btr_tm.benchmarks.replay import replay_rows
    from btr_tm.benchmarks.simulator import simulator_rows

    _announce("simulator" + " (compiling takes a minute or two)" * effort.compile)
    rows = simulator_rows(effort, car_racing(steps=20 * effort.rounds))
    _announce("learner")
    rows += update_rows(effort, [_net("BTR net", BTR), _net("IQN base", BASE)])
    _announce("acting")
    rows += acting_rows(effort, [_driver(name, experiment) for name, experiment in DRIVERS.items()])
    _announce("replay")
    parts = _parts(BTR)
    env, transitions = _record(parts)
    replays = {name: _parts(BTR, replay=name).replay(env) for name in SAMPLERS}
    rows += replay_rows(effort, replays, transitions, parts.profile["batch_size"])
    _announce("loop")
    rows += loop_rows(effort, "quickstart", _loop())
    _announce("collectors")
    return rows + _collectors(effort)


def _announce(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def _parts(experiment: str, **overrides: Any) -> Parts:
    """The parts of an experiment, on the CPU."""
    import torch

    from btr_tm.cli.composition import compose_job
    from btr_tm.cli.parts import Parts, checked

    words = [f"{key}={value}" for key, value in (OTHERS | overrides).items()]
    return Parts(checked(compose_job([experiment, *words]).values), torch.device("cpu"))


def _record(parts: Parts) -> tuple[Any, list[Any]]:
    """An environment, and transitions driven in it by an untrained driver."""
    from btr_tm.run.collector import InlineCollector

    env = parts.env(parts.profile["cars"])
    return env, InlineCollector(env, RECORDED).collect(parts.policy(env)).transitions


def _net(name: str, experiment: str) -> tuple[str, Any, Any]:
    """A learner with a batch from its own replay."""
    parts = _parts(experiment, **{"profile.replay_capacity": 8192, "profile.warmup_frames": 0})
    env, transitions = _record(parts)
    replay = parts.replay(env)
    for transition in transitions:
        replay.add(transition)
    return name, parts.learner(parts.policy(env)), replay.sample(parts.profile["batch_size"])


def _driver(name: str, experiment: str) -> tuple[str, Any, Any]:
    """A policy and what one car sees; profiles of experiments stay as they are."""
    from btr_tm.benchmarks.acting import example

    parts = _parts(experiment, **({"profile": "full"} if "a01" in experiment else {}))
    env = parts.env(1, start_pool=1)
    return name, parts.policy(env), example(env)


def _loop(**overrides: Any) -> Any:
    """A loop that ends with its warm-up, and the parts of its run."""
    from btr_tm.benchmarks.loop import Loop
    from btr_tm.cli.compose import collector_of

    warm = {"profile.warmup_frames": WARM_UP // 2, "profile.total_frames": WARM_UP, "profile.log_every": 0}
    parts = _parts(BTR, **(warm | overrides))
    env = parts.env(parts.profile["cars"])
    policy, replay = parts.policy(env), parts.replay(env)
    learner, collector = parts.learner(policy), collector_of(parts, env, policy.net)
    return Loop(collector, replay, learner, parts.clock, parts.plan())


def _collectors(effort: Effort) -> list[Row]:
    """Processes with an idle and with a busy learner."""
    from btr_tm.benchmarks.collectors import collector_rows
    from btr_tm.cli.worker import BuildDriver

    def loop(workers: int) -> Any:
        return _loop(collector="processes", **{"collector.workers": workers})

    def idle(workers: int) -> tuple[Any, Any, Any]:
        made = loop(workers)
        return made.collector, made.replay, made.learner.policy

    def build(workers: int) -> BuildDriver:
        return BuildDriver(_parts(BTR).values, workers)

    return collector_rows(effort.workers, effort.collector_s, effort.loop_frames, build, idle, loop)
