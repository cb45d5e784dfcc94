"""Measures what an update of each arm of a sweep costs, all arms in turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from btr_tm.benchmarks.timing import Subject, Times, interleave
from btr_tm.cli.assembly.assemble import set_threads
from btr_tm.cli.assembly.driver import LABELS, MISFITS
from btr_tm.cli.assembly.parts import Parts, checked, device_of
from btr_tm.cli.configuration.schema import Node
from btr_tm.cli.measuring.bench_parts import record
from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.report.ablation.model import Cost
from btr_tm.run.manifest import hardware

ROUNDS, UPDATES = 15, 2  # repetitions of each arm, and updates in one
ROWS = 8192  # of the replay, of which a batch is drawn


def measure(
    configs: Mapping[str, Node],
    plugins: Sequence[str],
    say: Callable[[str], None],
    rounds: int,
) -> tuple[Node, dict[str, Cost]]:
    """The machine, and the cost of each arm whose configuration, as in its manifest, can be built.

    CPU time on a CPU, which other work there hardly changes; wall time on a GPU. `say` hears of arms that
    cannot be built.
    """
    subjects, device = [], torch.device("cpu")
    for arm, config in configs.items():
        say(f"building {arm}")
        try:
            parts = parts_of(config, plugins)
            subjects.append(subject(arm, parts))
            device = parts.device
        except (UserError, *MISFITS) as error:
            say(f"the cost of {arm} is not known: this version cannot build it ({short(error)})")
    if not subjects:
        raise UserError("no update of this sweep can be timed, as said above")
    on_cpu = device.type == "cpu"
    say(f"timing {rounds} x {UPDATES} updates of each arm")
    times = interleave(subjects, rounds, device, time.process_time if on_cpu else time.perf_counter)
    machine = hardware() | {"threads": torch.get_num_threads(), "clock": "CPU" if on_cpu else "wall"}
    return machine, {arm: cost(each) for arm, each in times.items()}


def parts_of(config: Node, plugins: Sequence[str]) -> Parts:
    """The parts of a run, with a small replay. Raises UserError for PPO, which learns from whole rollouts."""
    if "capacity" not in config["replay"]:
        raise UserError("an update of learner=ppo takes a whole rollout, which is not timed here")
    capacity = config["replay"]["capacity"] | {"points": [[0, ROWS, 0]]}
    small = config | {"replay": config["replay"] | {"capacity": capacity}}
    parts = Parts(
        checked(LABELS | small | {"logger": {}, "plugins": list(plugins)}), device_of(config["device"])
    )
    set_threads(parts.profile["threads"])
    return parts


def subject(arm: str, parts: Parts) -> Subject:
    """Updates with one batch that an untrained driver has made."""
    env, transitions = record(parts)
    replay = parts.replay(env)
    for transition in transitions:
        replay.add(transition)
    learner, batch = parts.learner(parts.policy(env)), replay.sample(parts.profile["batch_size"])

    def update() -> None:
        for _ in range(UPDATES):
            learner.update(batch)

    return Subject(arm, UPDATES, update)


def cost(times: Times) -> Cost:
    """Median and quartiles of its repetitions."""
    each_ms = [1000 * seconds / times.work for seconds in times.seconds]
    low, _, high = statistics.quantiles(each_ms, n=4, method="inclusive")
    return Cost(times.unit_ms, low, high)
