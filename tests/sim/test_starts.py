"""Where races begin."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.sim.starts import Starts
from btr_tm.sim.track.load import load_track, shipped_tracks
from btr_tm.sim.world import World


@pytest.fixture(scope="module")
def starts() -> Starts:
    return Starts(World(load_track("a01")))


def test_canonical_starts_stand_still_in_the_middle_of_the_start_line(starts: Starts) -> None:
    state = starts.canonical(3)
    assert bool((state.s_m == starts.world.track.start_m).all())
    assert float(state.velocity.abs().max()) == 0 and float(state.d_m.abs().max()) == 0
    assert bool(starts.is_canonical(state).all())
    assert state.tick.tolist() == [0, 0, 0] and state.finish_tick.tolist() == [-1, -1, -1]


def test_evaluation_starts_vary_a_little_and_repeat_with_the_seed(starts: Starts) -> None:
    state, again, other = starts.evaluation(32, 5), starts.evaluation(32, 5), starts.evaluation(32, 6)
    assert all(torch.equal(a, b) for a, b in zip(state, again, strict=True))
    assert not torch.equal(state.d_m, other.d_m)
    assert 0.5 < float(state.d_m.abs().max()) <= 1.0
    tangent = starts.world.track.at(state.s_m).tangent
    turned = torch.rad2deg(torch.acos((state.forward * tangent).sum(1).clamp(max=1)))
    assert 1.5 < float(turned.max()) <= 3.01
    assert set(state.counters[:, 3].tolist()) == set(range(6))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_training_starts_lie_anywhere_in_the_wanted_share(starts: Starts, share: float) -> None:
    state = starts.training(400, share, torch.Generator().manual_seed(0))
    canonical = starts.is_canonical(state).float().mean()
    assert float(canonical) == pytest.approx(1 - share, abs=0.08)


def test_a_car_that_stands_aside_or_turned_at_the_line_is_at_no_canonical_start(starts: Starts) -> None:
    zero = torch.zeros(3)
    aside, yaw = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 0.05])
    state = starts.world.start(zero + starts.world.track.start_m, aside, yaw, zero, zero.long())
    assert starts.is_canonical(state).tolist() == [True, False, False]


@pytest.mark.parametrize("name", shipped_tracks())
def test_training_starts_can_be_driven(name: str) -> None:
    """On the road, not before or over a gap, no faster than the curve they are in allows."""
    world = World(load_track(name))
    state = Starts(world).training(500, 1.0, torch.Generator().manual_seed(1))
    here = world.track.at(state.s_m)
    assert bool((here.road == 1).all())
    assert bool((state.d_m.abs() < here.half_width_m).all())
    speed = state.velocity.norm(dim=1)
    radius = 1 / here.curvature.abs().clamp(min=1e-6)
    assert bool((speed * world.constants.steer_radius_s + 2 < radius + 0.1).all())
    ahead = world.track.at(state.s_m + 30)
    assert bool((ahead.road == 1).all())
    assert bool((state.s_m < world.track.finish_m - 30).all())
    assert float(speed.max()) > 30


def test_a_start_knows_the_gates_behind_it(starts: Starts) -> None:
    track = starts.world.track
    gates = [*track.checkpoints_m, track.finish_m]
    state = starts.training(200, 1.0, torch.Generator().manual_seed(2))
    expected = [sum(float(s) >= gate for gate in gates) for s in state.s_m]
    assert state.next_gate.tolist() == expected


def test_a_turned_start_points_to_the_right_of_the_road(starts: Starts) -> None:
    world, one, now = starts.world, torch.ones(1), torch.zeros(1, dtype=torch.int64)
    state = world.start(one * 60, one * 2, one * math.radians(20), one * 10, now)
    here = world.track.at(state.s_m)
    assert float((state.forward * here.right).sum()) == pytest.approx(math.sin(math.radians(20)), abs=1e-5)
    assert float(((state.position - here.centre) * here.right).sum()) == pytest.approx(2, abs=1e-4)
    assert float(state.velocity.norm()) == pytest.approx(10, abs=1e-4)
