"""A decision of the kernel is that of the reference to the bit, whatever is driven, seen and paid for."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.tree import flatten
from btr_tm.envs import kernel_race
from btr_tm.envs.drive import Drive, Race, StagedRace
from btr_tm.envs.kernel_race import KernelRace, rules_of
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.features import Features
from btr_tm.race.float_lookup import FixedForFiveLookup, NamedLookup
from btr_tm.race.gates import CheckpointGates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.bonus import CloseToLine, Kamikaze, Neoslide, Speedslide
from btr_tm.race.reward.moment import Reward
from btr_tm.race.reward.progress import ProgressReward
from btr_tm.race.reward.race_time import RaceTimeReward
from btr_tm.sim.grey.kernel import camera
from btr_tm.sim.track.load import load_track
from tests.race.shipped import bonus, camera_features, linesight

SOON = CutOffs(race_ms=900, no_progress_ms=300)  # races end within 19 decisions
ALWAYS = ((0, 0.5), (1, 0.5))
SLIDES = {"slide": bonus(Speedslide, ALWAYS), "neo": bonus(Neoslide, ALWAYS)}
ALL = {"line": bonus(CloseToLine, ALWAYS), "kamikaze": bonus(Kamikaze, ALWAYS), **SLIDES}
PUBLISHED = {"potential_ahead": 0.3, "speed_as_s": 3.0}
RACES: dict[str, dict[str, Any]] = {
    "as shipped": {"anywhere_share": 1.0},
    "stuck is lost": {"cut_offs": CutOffs(race_ms=900, no_progress_ms=300, no_progress_terminates=True)},
    "published": {"reward": linesight(**PUBLISHED), "gates": CheckpointGates, "action_delay_ticks": 3},
    "late": {"action_delay_ticks": (0, 7), "anywhere_share": 1.0},
    "late blocks": {"action_delay_ticks": (2, 4), "action_offsets_ms": (0, 10, 20)},
    "race time": {"reward": RaceTimeReward(1.3, 0.07, 2.1), "anywhere_share": 1.0},
    "every bonus": {"reward": linesight(ALL), "action_offsets_ms": (0, 10, 20)},
    "steer levels": {"steer_levels": 4, "reward": linesight(ALL), "action_offsets_ms": (0, 10)},
    "camera only": {"features": camera_features(), "reward": linesight(SLIDES, **PUBLISHED)},
    "misread": {
        "features": Features(line_points=9, previous_actions=25),
        "reward": linesight(ALL, **PUBLISHED),
        "float_lookup": FixedForFiveLookup(),
    },
    "read alike": {"float_lookup": FixedForFiveLookup(), "reward": linesight(ALL, **PUBLISHED)},
}


def simulator(compile: str, cars: int, image=(0, 0), track="hills", **options: Any) -> SimVectorEnv:
    usual = {"cut_offs": SOON, "start_pool": 64}
    return plain_simulator(load_track(track), cars, image, compile=compile, **(usual | options))


def bits(leaves: list[Tensor]) -> list[bytes]:
    return [leaf.contiguous().numpy().tobytes() for leaf in leaves]


def decisions(env: SimVectorEnv, count: int, start: str = "training") -> list[list[Tensor]]:
    """All that steps gave, and the state after the last one."""
    draw, seen = torch.Generator().manual_seed(1), []
    env.reset(seed=3, options={"start": start})
    for _ in range(count):
        action = torch.randint(env.actions, (env.num_envs, *env.block), generator=draw)
        action = torch.where(torch.rand(action.shape, generator=draw) < 0.5, 0, action)
        obs, *rest, info = env.step(action)
        seen.append(flatten((obs, rest, tuple(info.values()))))
    return [*seen, [leaf.clone() for leaf in flatten(env.drive)]]


def assert_alike(ours: SimVectorEnv, theirs: SimVectorEnv, count: int = 40, start: str = "training") -> None:
    assert isinstance(ours.decide, KernelRace) and not isinstance(theirs.decide, KernelRace)
    pairs = zip(decisions(ours, count, start), decisions(theirs, count, start), strict=True)
    for number, (a, b) in enumerate(pairs):
        assert [leaf.dtype for leaf in a] == [leaf.dtype for leaf in b]
        different = [i for i, (x, y) in enumerate(zip(bits(a), bits(b), strict=True)) if x != y]
        assert not different, (number, different)


@pytest.mark.parametrize("cars", [1, 33])
@pytest.mark.parametrize("race", RACES)
def test_a_decision_is_that_of_the_reference(race: str, cars: int) -> None:
    ours, theirs = (simulator(way, cars, **RACES[race]) for way in ("kernel", "eager"))
    assert_alike(ours, theirs)


@pytest.mark.parametrize(
    ("track", "reward"),
    [
        ("oval", linesight(ALL, **PUBLISHED)),
        ("a01", linesight(ALL, **PUBLISHED)),
        ("dirt_and_turbo", linesight(ALL, **PUBLISHED)),
        ("oval", RaceTimeReward(1.3, 0.07, 2.1)),
    ],
)
def test_finishes_and_falls_are_those_of_the_reference(track: str, reward: Reward) -> None:
    patient = {"cut_offs": CutOffs(race_ms=4_000, no_progress_ms=2_000), "reward": reward}
    ours, theirs = (
        simulator(way, 128, track=track, anywhere_share=1.0, **patient) for way in ("kernel", "eager")
    )
    assert_alike(ours, theirs, count=60)


def test_races_that_are_over_stay_over() -> None:
    assert_alike(*(simulator(way, 9) for way in ("kernel", "eager")), start="evaluation")


def test_a_drive_from_elsewhere_stays_as_it_is() -> None:
    env = simulator("kernel", 3)
    env.reset()
    before = env.drive
    kept, action = bits(flatten(before)), torch.zeros(3, dtype=torch.int64)
    first, again = (env.decide(before, action) for _ in range(2))
    assert bits(flatten(before)) == kept
    assert bits(flatten(first[1:])) == bits(flatten(again[1:]))
    after = env.decide(again[0], action)[0]
    assert after is again[0]  # changed in place


def test_a_saved_state_is_not_changed_by_later_steps() -> None:
    env, action = simulator("kernel", 3), torch.zeros(3, dtype=torch.int64)
    env.reset()
    env.step(action)
    state = env.state_dict()
    kept = bits(state["state"])
    first = env.step(action)[1]
    assert bits(state["state"]) == kept
    env.load_state_dict(state)
    assert torch.equal(env.step(action)[1], first)


def test_a_simulator_goes_to_another_process_and_drives_on() -> None:
    env, action = simulator("kernel", 3), torch.zeros(3, dtype=torch.int64)
    env.reset()
    env.step(action)
    other = pickle.loads(pickle.dumps(env))
    for _ in range(3):
        assert bits(flatten(env.step(action)[0])) == bits(flatten(other.step(action)[0]))


def test_an_unknown_action_changes_nothing() -> None:
    env = simulator("kernel", 3)
    env.reset()
    env.step(torch.zeros(3, dtype=torch.int64))
    before = bits(flatten(env.drive))
    for wrong in (torch.tensor([0, 0, 12]), torch.tensor([0, -1, 0]), torch.tensor([0.0, 1.0, 2.0])):
        with pytest.raises(UserError, match="from 0 to 11"):
            env.step(wrong)
    assert bits(flatten(env.drive)) == before
    other = simulator("kernel", 3)
    other.reset()
    for action in (torch.zeros(3, dtype=torch.int64), torch.full((3,), 2)):
        other.step(action)
    env.step(torch.full((3,), 2, dtype=torch.int32))
    assert bits(flatten(env.drive)) == bits(flatten(other.drive))


def test_saved_states_hold_the_same_draws_whenever_they_were_made() -> None:
    ours, theirs = (simulator(way, 9) for way in ("kernel", "eager"))
    for env in (ours, theirs):
        env.reset(seed=3)
        for number in range(30):
            env.step(torch.full((9,), number % 12))
    assert ours._undrawn and not theirs._undrawn
    assert torch.equal(*(env.state_dict()["generator"] for env in (ours, theirs)))


def test_races_in_several_threads_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(threads: int) -> list[list[Tensor]]:
        torch.set_num_threads(threads)
        try:
            return decisions(simulator("kernel", 33, (16, 16)), 40)
        finally:
            torch.set_num_threads(1)

    alone = seen(1)
    monkeypatch.setattr(kernel_race, "CARS_PER_THREAD", 4)
    monkeypatch.setattr(camera, "CARS_PER_THREAD", 4)
    for a, b in zip(alone, seen(3), strict=True):
        assert bits(a) == bits(b)


class Generous(ProgressReward):
    def potential(self, moment: Any) -> Tensor:
        return torch.ones_like(moment.car.rpm)


class Blind(Features):
    def __call__(self, *arguments: Any) -> Tensor:
        return 0 * super().__call__(*arguments)


class Never(CutOffs):
    def __call__(self, progress: Any, time_ms: Tensor) -> Tensor:
        return torch.zeros_like(time_ms, dtype=torch.bool)


class Other(NamedLookup):
    pass


OWN = {
    "reward": Generous(),
    "features": Blind(),
    "cut_offs": Never(race_ms=1, no_progress_ms=1),
    "float_lookup": Other(),
}


@pytest.mark.parametrize("part", OWN)
def test_a_part_that_no_kernel_knows_is_driven_in_stages(part: str) -> None:
    ours, theirs = (simulator(way, 4, **{part: OWN[part]}) for way in ("kernel", "eager"))
    assert isinstance(ours.decide, StagedRace) and rules_of(ours.race) is None
    for a, b in zip(decisions(ours, 12), decisions(theirs, 12), strict=True):
        assert bits(a) == bits(b)


def test_the_names_of_race_and_drive_are_those_the_kernel_was_made_for() -> None:
    parts = {"world", "line", "features", "reward", "cut_offs", "camera", "appearance", "float_lookup"}
    assert set(Race.__dataclass_fields__) == parts
    assert Drive._fields == ("sim", "moment", "history", "reward_sum", "from_start", "over", "variation")
