"""What `python -m btr_tm.bench` measures, section by section; each runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

from btr_tm.benchmarks.acting import acting_rows
from btr_tm.benchmarks.car_racing import car_racing
from btr_tm.benchmarks.collectors import collector_rows
from btr_tm.benchmarks.emulator import GAME, emulator_rows
from btr_tm.benchmarks.flat import flat_rows
from btr_tm.benchmarks.full_size import ATARI, SMALL_IMAGE
from btr_tm.benchmarks.full_step import Aims, FullStep
from btr_tm.benchmarks.learning import update_rows
from btr_tm.benchmarks.loop import Loop, loop_rows
from btr_tm.benchmarks.rates import rate_rows
from btr_tm.benchmarks.real_game import real_game_rows
from btr_tm.benchmarks.replay import replay_rows
from btr_tm.benchmarks.row import Row, Target
from btr_tm.benchmarks.sections import Section
from btr_tm.benchmarks.simulator import simulator_rows
from btr_tm.benchmarks.sizes import sizes_of
from btr_tm.benchmarks.timing import CPU, Effort
from btr_tm.benchmarks.tree import tree_rows
from btr_tm.cli.assembly.assemble import set_threads
from btr_tm.cli.assembly.remote import BuildWorker
from btr_tm.cli.measuring import bench_parts
from btr_tm.cli.measuring.bench_parts import BASE, BTR, PUBLISHED, Overrides
from btr_tm.core.protocols import Learner, Policy, ReplayBuffer, Spec
from btr_tm.run.remote.processes import ProcessCollector

DRIVERS: dict[str, tuple[str, Overrides]] = {
    "quickstart": (BTR, {}),
    "a01_v4_btr": (PUBLISHED, {"profile": "full"}),
}
SAMPLERS = ("prioritized", "uniform")
WARM_UP = 2048  # frames before shares are taken

# Ours at full size, in stages of rising cost to build.
EAGER: dict[str, Overrides] = {
    "ours fp32": {"profile.precision": "fp32", "profile.compile": "eager"},
    "ours bf16": {"profile.precision": "bf16", "profile.compile": "eager"},
}
COMPILED: dict[str, Overrides] = {
    "ours bf16 compiled": {"profile.precision": "bf16", "profile.compile": "compiled"}
}

# Two idle cores, batches of 64. BTR's own code made 74 and 49 samples/s there.
CPU_AIMS = {
    SMALL_IMAGE: Aims(conventional=Target(74), faster=2.5, floor_percent=Target(80)),
    ATARI: Aims(conventional=Target(49)),
}
# One H100, batches of 256.
CUDA_AIMS = {
    SMALL_IMAGE: Aims(update_ms=Target(2.5, at_least=False)),
    ATARI: Aims(update_ms=Target(4, at_least=False)),
}
CUDA_DECISIONS = Target(1_000_000)  # decisions/s
CUDA_FRAMES = Target(15_000)  # frames/s of the whole loop, one update of 256 per 64 frames
CUDA_LOOP: dict[str, str | int] = {
    "profile": "full",
    "profile.cars": 1024,
    "profile.batch_size": 256,
    "profile.micro_batch": 256,
    "profile.frames_per_update": 64,
    "profile.replay_capacity": 262_144,
    "profile.precision": "bf16",
    "credit": "frames",
}
CUDA_WARM_UP = 65_536


def cpu_sections(effort: Effort) -> list[Section]:
    """Ten minutes on two idle cores; a section may take long where others compete."""
    minutes, aims = 60, _aims(effort, CPU_AIMS)
    return [
        Section("rates", 5 * minutes, rates, (effort, CPU)),
        Section("learner", 10 * minutes, full_step, (effort, CPU, SMALL_IMAGE, aims[SMALL_IMAGE])),
        Section("atari_learner", 10 * minutes, full_step, (effort, CPU, ATARI, aims[ATARI])),
        Section("quickstart_learner", 5 * minutes, quickstart_step, (effort,)),
        Section("acting", 5 * minutes, acting, (effort, CPU)),
        Section("simulator", 10 * minutes, simulator, (effort,)),
        Section("atari", 5 * minutes, atari, (effort,)),
        Section("replay", 5 * minutes, replay, (effort, CPU)),
        Section("loop", 10 * minutes, quickstart_loop, (effort,)),
        Section("real_game", 5 * minutes, real_game_rows, (effort,)),
        Section("collectors", 10 * minutes, collectors, (effort,)),
    ]


def cuda_sections(effort: Effort, device: torch.device) -> list[Section]:
    """Less than eight minutes in all, what matters most first."""
    aims = _aims(effort, CUDA_AIMS)
    return [
        Section("atari_learner", 120, full_step, (effort, device, ATARI, aims[ATARI])),
        Section("learner", 90, full_step, (effort, device, SMALL_IMAGE, aims[SMALL_IMAGE])),
        Section("simulator", 80, flat_rows, (effort, device, CUDA_DECISIONS)),
        Section("loop", 150, published_loop, (effort, device)),
        Section("rates", 20, rates, (effort, device)),
        Section("acting", 30, acting, (effort, device)),
        Section("replay", 30, replay, (effort, device)),
    ]


def _aims(effort: Effort, aims: dict[Spec, Aims]) -> dict[Spec, Aims]:
    """None for a quick run, which is neither compiled nor of the batch that they are meant for."""
    return aims if effort.compile else dict.fromkeys(aims, Aims())


def rates(effort: Effort, device: torch.device) -> list[Row]:
    return rate_rows(effort, device)


def full_step(effort: Effort, device: torch.device, size: Spec, aims: Aims) -> Iterator[Row]:
    """Full-size BTR on made-up batches."""

    def makers(variants: dict[str, Overrides]) -> dict[str, Callable[[], Learner]]:
        make = bench_parts.full_learner
        return {name: partial(make, size, effort.batch, words, device) for name, words in variants.items()}

    compiled = effort.compile and device.type == "cuda"  # on a CPU it leaves a learner alone
    stages = [makers(EAGER), makers(COMPILED)] if compiled else [makers(EAGER)]
    return FullStep(effort, size, device, aims).rows(stages)


def as_shipped() -> None:
    """As many threads as `quickstart` has; a section's process is its own."""
    set_threads(bench_parts.parts_of(BTR).profile["threads"])


def quickstart_step(effort: Effort) -> list[Row]:
    as_shipped()
    nets = [bench_parts.small_learner("BTR net", BTR), bench_parts.small_learner("IQN base", BASE)]
    parts = bench_parts.parts_of(BTR)
    return update_rows(effort, nets, sizes_of(parts.profile, parts.env(1, start_pool=1)).layers)


def acting(effort: Effort, device: torch.device) -> list[Row]:
    drivers = [bench_parts.driver(name, *words, device) for name, words in DRIVERS.items()]
    return acting_rows(effort, drivers, device)


def simulator(effort: Effort) -> list[Row]:
    return simulator_rows(effort, car_racing(steps=20 * effort.rounds))


def atari(effort: Effort) -> list[Row]:
    words = {"profile": "atari", "env.game": GAME}
    return emulator_rows(effort, bench_parts.parts_of(bench_parts.FULL_BTR, words).env)


def replay(effort: Effort, device: torch.device) -> list[Row]:
    """Both samplers at the size of quickstart, and the trees alone."""
    parts = bench_parts.parts_of(BTR, device=device)
    env, transitions = bench_parts.record(parts)
    replays = {name: bench_parts.parts_of(BTR, {"replay": name}, device).replay(env) for name in SAMPLERS}
    rows = replay_rows(effort, replays, transitions, parts.profile["batch_size"], device)
    return [*rows, *tree_rows(effort, device)]


def quickstart_loop(effort: Effort) -> list[Row]:
    as_shipped()
    return loop_rows(effort, "quickstart", *bench_parts.loop_of(BTR, {}, WARM_UP))


def published_loop(effort: Effort, device: torch.device) -> Iterator[Row]:
    """The network of a01_v4_btr at the paper's replay ratio; compiled last, which takes longest to begin."""
    for mode in ("eager", "compiled") if effort.compile else ("eager",):
        words: Overrides = {**CUDA_LOOP, "profile.compile": mode}
        loop, work = bench_parts.loop_of(PUBLISHED, words, CUDA_WARM_UP, device)
        yield from loop_rows(effort, f"a01_v4_btr, batch 256, {mode}", loop, work, device, CUDA_FRAMES)


def collectors(effort: Effort) -> list[Row]:
    """Processes with an idle and with a busy learner."""

    def loop(workers: int) -> Loop:
        processes: Overrides = {"collector": "processes", "collector.workers": workers}
        return bench_parts.loop_of(BTR, processes, WARM_UP)[0]

    def idle(workers: int) -> tuple[ProcessCollector, ReplayBuffer, Policy]:
        made = loop(workers)
        assert isinstance(made.collector, ProcessCollector)
        return made.collector, made.replay, made.learner.policy

    def build(workers: int) -> BuildWorker:
        return BuildWorker(bench_parts.parts_of(BTR).values, workers)

    return collector_rows(effort.workers, effort.collector_s, effort.loop_frames, build, idle, loop)
