"""The zone search against the published while loop, and what follows from zones."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.race.gates import CheckpointGates
from btr_tm.race.progress import (
    AHEAD,
    BACK,
    CutOffs,
    Progress,
    advance,
    finish,
    metres_at,
    start,
    start_near,
    walk,
)
from btr_tm.race.reference_line import ReferenceLine
from tests.race.shipped import cut_offs

HOCKOLICIOUS = Path(__file__).parents[2].parent / "shared" / "data" / "hockolicious_0.5m.npy"


def slow_walk(points: np.ndarray, zone: int, p: np.ndarray, gates: dict[int, np.ndarray]) -> int:
    """The published loop, one car at a time, in float64."""

    def distance(z: int) -> float:
        return float(np.linalg.norm(points[z] - p))

    def open_gate(z: int) -> bool:
        return z not in gates or bool(np.linalg.norm(gates[z] - p) < 12)

    reach = sqrt(0.25**2 + 45**2)
    while (
        distance(zone + 1) <= distance(zone)
        and distance(zone + 1) <= reach
        and zone < len(points) - 1 - 1000
        and open_gate(zone)
    ):
        zone += 1
    while zone >= 2 and distance(zone - 1) < distance(zone) and distance(zone - 1) <= reach:
        zone -= 1
    return zone


def slow_metres(points: np.ndarray, zone: int, p: np.ndarray) -> float:
    """cum[zone - 1] plus the clipped projection, from scratch."""
    middles = (points[:-1] + points[1:]) / 2
    lengths = np.linalg.norm(np.diff(middles, axis=0), axis=1)
    axis = (middles[zone] - middles[zone - 1]) / lengths[zone - 1]
    along = np.clip((p - middles[zone - 1]) @ axis, 0, lengths[zone - 1])
    return float(lengths[: zone - 1].sum() + along)


def in_double(line: ReferenceLine) -> ReferenceLine:
    return replace(line, points=line.points.double(), segments=line.segments.double())


def scattered(line: ReferenceLine, count: int, spread_m: float, seed: int) -> tuple[Tensor, Tensor]:
    """Zones anywhere on the line, and positions up to 20 zones behind and 110 ahead of them, off the line."""
    generator = torch.Generator().manual_seed(seed)
    zone = torch.randint(1, line.finish_zone, (count,), generator=generator)
    true = (zone + torch.randint(-20, 110, (count,), generator=generator)).clamp(0, len(line.points) - 1)
    aside = spread_m * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return zone, line.points[true] + aside


def assert_walks_like_the_loop(line: ReferenceLine, zone: Tensor, position: Tensor) -> None:
    points = line.points.numpy()
    reached = walk(line, zone, position)
    for car in range(len(zone)):
        slow = slow_walk(points, int(zone[car]), position[car].numpy(), {})
        expected = int(zone[car]) + min(max(slow - int(zone[car]), -BACK), AHEAD)
        assert int(reached[car]) == expected, (car, int(zone[car]), slow)
        metres = slow_metres(points, expected, position[car].numpy())
        assert float(metres_at(line, reached, position)[car]) == pytest.approx(metres, abs=1e-3)


@pytest.mark.parametrize("spread_m", [0.3, 3.0, 15.0, 40.0])
def test_walk_equals_the_published_loop_at_random_positions(winding, spread_m):
    line = in_double(winding)
    assert_walks_like_the_loop(line, *scattered(line, 150, spread_m, seed=int(spread_m)))


def test_walk_equals_the_published_loop_on_a_published_line():
    if not HOCKOLICIOUS.exists():
        pytest.skip("no published reference line at hand")
    line = in_double(ReferenceLine.load(HOCKOLICIOUS))
    assert_walks_like_the_loop(line, *scattered(line, 200, 4.0, seed=5))


def test_walk_in_single_precision_is_off_by_a_zone_at_most(winding):
    zone, position = scattered(in_double(winding), 2000, 4.0, seed=3)
    exact = walk(in_double(winding), zone, position)
    single = walk(winding, zone, position.float())
    assert int((exact - single).abs().max()) <= 1
    assert float((exact == single).float().mean()) > 0.99


def test_a_jump_beyond_the_window_is_made_up_in_later_calls(straight):
    position = torch.tensor([[0.0, 0.0, 80.0]])
    near = torch.tensor([[0.0, 0.0, 40.0]])
    zone = walk(straight, torch.tensor([20]), near)
    assert int(zone) == 100
    assert int(walk(straight, zone, position)) == 180


def test_a_point_beyond_reach_is_not_entered(straight):
    # 46 m of height: every point is farther than 45.0007 m, though the next is always nearer.
    position = torch.tensor([[0.0, 46.0, 60.0], [0.0, 44.0, 30.0]])
    zone = walk(straight, torch.tensor([100, 78]), position)
    assert zone.tolist() == [100, 80]


def test_zones_stay_between_the_first_and_the_last_before_the_finish(straight):
    far = torch.tensor([[0.0, 0.0, 130.0], [0.0, 0.0, -12.0]])
    zone = walk(straight, torch.tensor([200, 10]), far)
    assert zone.tolist() == [straight.finish_zone - 1, 1]


def test_a_car_below_the_deck_keeps_its_zone(straight):
    line = replace(straight, deck_height_m=-1.0)
    position = torch.tensor([[0.0, -2.0, 30.0], [0.0, 0.0, 30.0]])
    assert walk(line, torch.tensor([50, 50]), position).tolist() == [50, 80]


def test_gates_hold_the_zone_like_the_published_loop(winding):
    line = in_double(winding)
    # Roadside, so that about half of the cars below miss them.
    checkpoints = line.points[100:1500:150] + torch.tensor([6.0, 0.0, 6.0])
    gates = CheckpointGates(line.points, checkpoints)
    gated = replace(line, gates=gates)
    centres = {int(z): gates.centre[z].numpy() for z in torch.nonzero(gates.square.isfinite()).flatten()}
    assert len(centres) >= 9
    zone, position = scattered(line, 300, 4.0, seed=9)
    reached = walk(gated, zone, position)
    held = 0
    for car in range(len(zone)):
        slow = slow_walk(line.points.numpy(), int(zone[car]), position[car].numpy(), centres)
        assert int(reached[car]) == int(zone[car]) + min(max(slow - int(zone[car]), -BACK), AHEAD)
        held += int(reached[car]) in centres
    assert held > 10
    assert (reached != walk(line, zone, position)).any()


def test_a_checkpoint_gates_every_lap_once(straight):
    points = torch.cat((straight.points[:620], straight.points[20:620] + 0.01))
    gates = CheckpointGates(points, torch.tensor([[1.0, 0.0, 50.0]]))
    gated = torch.nonzero(gates.square.isfinite()).flatten().tolist()
    assert gated == [120, 720]


def test_a_drive_gains_metres_and_a_new_zone_resets_the_clock(straight):
    progress = start(straight, torch.tensor([[0.0, 0.0, 0.0]]))
    assert progress.zone.tolist() == [20]
    assert float(progress.metres) == pytest.approx(9.75)
    progress = advance(progress, straight, torch.tensor([[1.0, 0.0, 2.1]]), torch.tensor([50]))
    assert float(progress.metres) == pytest.approx(9.75 + 2.1, abs=1e-4)
    assert progress.last_advance_ms.tolist() == [50]
    progress = advance(progress, straight, torch.tensor([[1.0, 0.0, 2.2]]), torch.tensor([100]))
    assert progress.last_advance_ms.tolist() == [50]  # a step within the zone does not count


def test_rolling_back_lowers_metres_but_not_the_furthest(straight):
    progress = start(straight, torch.tensor([[0.0, 0.0, 20.0]]))
    progress = advance(progress, straight, torch.tensor([[0.0, 0.0, 15.0]]), torch.tensor([50]))
    assert float(progress.metres) == pytest.approx(24.75)
    assert float(progress.furthest_metres) == pytest.approx(29.75)
    assert (progress.zone < progress.furthest_zone).all()
    assert progress.last_advance_ms.tolist() == [0]


def test_finished_cars_are_at_the_end_and_others_are_untouched(straight):
    progress = start(straight, torch.tensor([[0.0, 0.0, 98.0], [0.0, 0.0, 98.0]]))
    after = finish(progress, straight, torch.tensor([True, False]))
    assert after.metres.tolist() == pytest.approx([straight.total_m, float(progress.metres[1])])
    assert after.furthest_metres[0] == after.metres[0]
    assert after.zone.tolist() == [straight.finish_zone, int(progress.zone[1])]


def test_cars_are_independent(winding):
    zone, position = scattered(in_double(winding), 40, 4.0, seed=1)
    together = start(winding, position.float())
    alone = [start(winding, position[car : car + 1].float()) for car in range(40)]
    for joint, single in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.equal(joint, torch.cat(single))


def test_a_start_finds_the_nearest_point_anywhere(winding):
    zone = torch.arange(20, winding.finish_zone - 1, 7)
    position = winding.points[zone] + torch.tensor([0.0, 0.4, 0.0])
    assert torch.equal(start(winding, position).zone, zone)


def test_a_start_where_laps_overlap_is_on_the_first_unless_told(points_of):
    angle = np.linspace(0, 4 * np.pi, 2 * 800 + 1)
    radius = 0.5 * 800 / (2 * np.pi)
    line = ReferenceLine.from_points(
        np.stack((radius * np.cos(angle), 0 * angle, radius * np.sin(angle)), axis=1)
    )
    position = torch.tensor([[radius - 1, 0.0, 0.3], [-radius, 0.0, 0.1]], dtype=torch.float32)
    assert (start(line, position).zone < 20 + 410).all()
    second_lap = start_near(line, position, torch.tensor([400.0, 600.0]))
    assert (second_lap.metres - line.start_m).tolist() == pytest.approx([400.0, 600.0], abs=2.0)


def test_start_near_corrects_an_inexact_hint(winding):
    zone = torch.tensor([100, 700, 1200])
    exact = start(winding, winding.points[zone])
    for error_m in (-40.0, -3.0, 3.0, 7.0):
        hint = exact.metres - winding.start_m + error_m
        assert torch.equal(start_near(winding, winding.points[zone], hint).zone, zone), error_m


def progress_at(last_advance_ms: list[int]) -> Progress:
    last = torch.tensor(last_advance_ms)
    return Progress(last, last, last.float(), last.float(), last)


def test_races_are_cut_strictly_after_the_limits():
    cut = cut_offs()
    time_ms = torch.tensor([2000, 2001, 300_000, 300_001])
    assert cut(progress_at([0, 0, 299_000, 300_000]), time_ms).tolist() == [False, True, False, True]


def test_only_a_stuck_car_has_lost_and_only_where_that_is_chosen():
    time_ms, seen = torch.tensor([2001, 2000, 300_001]), progress_at([0, 0, 300_000])
    assert CutOffs(300_000, 2_000, no_progress_terminates=True).lost(seen, time_ms).tolist() == [
        True,
        False,
        False,
    ]
    assert not cut_offs().lost(seen, time_ms).any()


def test_cut_offs_that_never_let_a_car_drive_are_refused():
    with pytest.raises(UserError, match="no_progress_ms must be more than 0 milliseconds, got 0"):
        cut_offs(no_progress_ms=0)


def test_cut_offs_of_a_millisecond_are_allowed():
    assert CutOffs(race_ms=1, no_progress_ms=1).race_ms == 1


def test_ties_are_walked_forwards_but_never_backwards(straight):
    """Points every 0.5 m; exactly in the middle both are equally near, wherever the walk comes from."""
    position = torch.tensor([[0.0, 0.0, 10.25]])  # between the points at 10.0 and 10.5, zones 40 and 41
    assert walk(straight, torch.tensor([40]), position).tolist() == [41]
    assert walk(straight, torch.tensor([41]), position).tolist() == [41]


def test_a_point_exactly_within_reach_is_entered(straight):
    position = torch.tensor([[45.0, 0.0, 10.25]])  # 0.25 m before the next point and 45 m aside
    assert walk(straight, torch.tensor([40]), position).tolist() == [41]
    assert walk(straight, torch.tensor([40]), position + 0.01).tolist() == [40]


def test_a_car_must_be_above_the_deck_to_change_zone(straight):
    line = replace(straight, deck_height_m=1.0)
    positions = torch.tensor([[0.0, 1.0, 12.0], [0.0, 1.01, 12.0]])
    assert walk(line, torch.tensor([40, 40]), positions).tolist() == [40, 44]


def test_a_start_below_the_deck_is_where_it_is_said_to_be_and_on_the_line(straight):
    sunk = replace(straight, deck_height_m=float("inf"))  # nobody walks
    position = torch.zeros(3, 3)
    hints_m = torch.tensor([-1000.0, 20.0, 1e6])
    zones = start_near(sunk, position, hints_m).zone
    assert zones[[0, 2]].tolist() == [1, straight.finish_zone - 1]
    assert float(straight.metres[zones[1]]) == pytest.approx(straight.start_m + 20.0, abs=0.5)
    zone = torch.arange(30, straight.finish_zone - 1, 50)
    found = start(sunk, straight.points[zone]).zone
    assert (zone - found).abs().max() <= 2  # SAME_PLACE_M


def test_a_start_is_found_however_far_from_the_origin_the_track_lies():
    points = np.zeros((1500, 3))
    points[:, 0], points[:, 2] = 1e6, 0.5 * np.arange(1500)
    line = ReferenceLine.from_points(points)
    zone = torch.arange(20, line.finish_zone - 1, 40)
    assert torch.equal(start(line, line.points[zone]).zone, zone)
