"""What the replay costs: time to add and to sample, memory per transition."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from btr_tm.benchmarks.rates import COPY, GIGA, copy_subject
from btr_tm.benchmarks.row import NOTHING, Beside, Row, Target, duration_row
from btr_tm.benchmarks.timing import CPU, Effort, Subject, Times, interleave
from btr_tm.core.protocols import ReplayBuffer
from btr_tm.core.types import Transition

CALLS = 10  # per repetition


def replay_rows(
    effort: Effort,
    replays: dict[str, ReplayBuffer],
    transitions: Sequence[Transition],
    batch_size: int,
    device: torch.device = CPU,
) -> list[Row]:
    """`replays` by the name of their sampler, the base of the comparison last; filled with `transitions`.

    The floor of a sample is the copy of its bytes, of an addition that of its own, at the best rate.
    """
    for replay in replays.values():
        fill(replay, transitions, effort.replay_rows)
    subjects = [_adding(name, replay, transitions) for name, replay in replays.items()]
    subjects += [_sampling(name, replay, batch_size) for name, replay in replays.items()]
    times = interleave([*subjects, copy_subject(effort, device)], effort.rounds, device)
    cars = len(transitions[0].action)
    copy_ms = 2 * _observed(transitions[0]) / cars / GIGA / times[COPY].rate * 1000  # of one observation
    names = list(replays)
    rows = [*_beside(f"replay add of {cars}", "add", names, times, cars * copy_ms)]
    what = f"replay sample and priorities of {batch_size}"
    rows += _beside(what, "sample", names, times, 2 * batch_size * copy_ms)  # both ends of a return
    return [*rows, *(_memory_row(name, replay, transitions[0]) for name, replay in replays.items())]


def fill(replay: ReplayBuffer, transitions: Sequence[Transition], rows: int) -> None:
    """Add `transitions` again and again until `rows` rows were added."""
    cars = len(transitions[0].action)
    for transition in itertools.islice(itertools.cycle(transitions), -(-rows // cars)):
        replay.add(transition)


def _adding(name: str, replay: ReplayBuffer, transitions: Sequence[Transition]) -> Subject:
    def add() -> None:
        for transition in itertools.islice(itertools.cycle(transitions), CALLS):
            replay.add(transition)

    return Subject(f"add {name}", CALLS, add)


def _sampling(name: str, replay: ReplayBuffer, batch_size: int) -> Subject:
    def sample() -> None:
        for _ in range(CALLS):
            batch = replay.sample(batch_size)
            replay.update_priorities(batch.index, torch.rand(batch_size, device=batch.index.device))

    return Subject(f"sample {name}", CALLS, sample)


def _beside(what: str, deed: str, names: list[str], times: dict[str, Times], floor: float) -> list[Row]:
    base = times[f"{deed} {names[-1]}"].unit_ms
    others = [Beside(names[-1], base)] * (len(names) - 1)
    return [
        duration_row(f"{what}, {name}", times[f"{deed} {name}"], beside, floor=floor)
        for name, beside in zip(names, [*others, NOTHING], strict=True)
    ]


def _memory_row(name: str, replay: ReplayBuffer, transition: Transition) -> Row:
    """The bound: 2 % more than one observation, and 64 bytes."""
    observed = _observed(transition) / len(transition.action)
    what, target = f"replay memory per transition, {name}", Target(1.02 * observed + 64, at_least=False)
    return Row(what, "bytes", replay.bytes_per_transition, "observation", observed, target)


def _observed(transition: Transition) -> int:
    """Bytes of the observations of all cars."""
    return sum(part.numel() * part.element_size() for part in transition.obs)
