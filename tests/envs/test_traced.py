"""A recorded decision gives the numbers of the one it was recorded from, whatever happens to the cars."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from btr_tm.core.tree import flatten
from btr_tm.envs.drive import StagedRace
from btr_tm.envs.kernel_race import KernelRace
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.envs.traced import Traced
from btr_tm.race.progress import CutOffs
from btr_tm.sim.track.load import load_track
from tests.sim.varied import varied_appearance

OFTEN = CutOffs(race_ms=300, no_progress_ms=300)  # every race ends within 7 decisions


class Pair(NamedTuple):
    sum: Tensor
    parts: tuple[Tensor, Tensor]


def pair(a: Tensor, b: Tensor) -> Pair:
    return Pair(a + b, (a, b * len(a)))


def simulator(compile, offsets=(0,), cars=5) -> SimVectorEnv:
    options = {"cut_offs": OFTEN, "appearance": varied_appearance(), "action_offsets_ms": offsets}
    return plain_simulator(load_track("hills"), cars, (20, 20), start_pool=8, compile=compile, **options)


def driven(env: SimVectorEnv, start: str) -> list[Tensor]:
    generator, seen = torch.Generator().manual_seed(1), []
    env.reset(seed=3, options={"start": start})
    for _ in range(12):
        action = torch.randint(env.actions, (env.num_envs, *env.block), generator=generator)
        obs, *rest, info = env.step(action)
        seen += flatten((obs, rest, tuple(info.values())))
    return seen


def test_trees_go_in_and_come_out() -> None:
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    recorded = Traced(pair)
    for _ in range(3):
        result = recorded(a, b)
        assert type(result) is Pair and [x.tolist() for x in flatten(result)] == [[4, 6], [1, 2], [6, 8]]


def test_every_shape_has_a_record_of_its_own() -> None:
    recorded = Traced(pair)
    for size in (2, 3, 2, 3):
        assert recorded(torch.ones(size), torch.ones(size)).parts[1].tolist() == [size] * size


def test_recording_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Traced(pair)(torch.ones(2), torch.ones(2))


@pytest.mark.parametrize("start", ["training", "evaluation"])
@pytest.mark.parametrize("offsets", [(0,), (0, 10, 20, 30, 40)], ids=["one action", "a block"])
def test_a_recorded_simulator_drives_like_any_other(start, offsets) -> None:
    recorded, plain = simulator("kernel", offsets), simulator("eager", offsets)
    assert isinstance(recorded.decide, KernelRace)
    pairs = list(zip(driven(recorded, start), driven(plain, start), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs) and len(pairs) > 100


def test_no_step_changes_what_an_earlier_one_returned() -> None:
    env = simulator("kernel")
    first = driven(env, "training")
    kept = [x.clone() for x in first]
    env.step(torch.zeros(env.num_envs, dtype=torch.int64))
    assert all(torch.equal(a, b) for a, b in zip(first, kept, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_nothing_is_recorded() -> None:
    env = plain_simulator(load_track("hills"), 2, (64, 64), 1024, device="cuda", compile="kernel")
    assert not isinstance(env.decide, StagedRace)
