"""Checkpoints that must be driven through, and zones followed over whole drives."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch

from btr_tm.race.gates import CheckpointGates, NoGates
from btr_tm.race.progress import walk
from btr_tm.race.reference_line import ReferenceLine
from btr_tm.sim.track.load import load_track

OPEN_M = 9_999_999.0


def slow_gates(points: np.ndarray, checkpoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and radius per line point, as published: the nearest point of every pass, each pass once."""
    centres, radii = np.zeros_like(points), np.full(len(points), OPEN_M)
    for checkpoint in checkpoints:
        left = {i: float(np.linalg.norm(p - checkpoint)) for i, p in enumerate(points)}
        while min(left.values()) < 12:
            nearest = min(left, key=left.__getitem__)
            centres[nearest], radii[nearest] = checkpoint, 12.0
            for i in range(nearest - 200, nearest + 200):
                left[i] = 99_999.0
    return centres, radii


def slow_zone(
    points: np.ndarray,
    gates: tuple[np.ndarray, np.ndarray],
    deck_m: float,
    zone: int,
    p: np.ndarray,
) -> int:
    """The published update of one decision."""
    if not p[1] > deck_m:
        return zone
    away = np.linalg.norm(points - p, axis=1)
    centres, radii = gates
    reach = sqrt(0.25**2 + 45**2)
    while (
        away[zone + 1] <= away[zone]
        and away[zone + 1] <= reach
        and zone < len(points) - 1 - 1000
        and np.linalg.norm(centres[zone] - p) < radii[zone]
    ):
        zone += 1
    while zone >= 2 and away[zone - 1] < away[zone] and away[zone - 1] <= reach:
        zone -= 1
    return zone


def drives(line: ReferenceLine, cars: int, decisions: int, seed: int) -> tuple[list[int], np.ndarray]:
    """First zones, and positions (decisions, cars, 3), of cars that go forwards, wander off and fall."""
    rng = np.random.default_rng(seed)
    points = line.points.numpy()
    place = rng.integers(20, line.finish_zone // 2, cars).astype(float)
    zones = place.astype(int).tolist()
    aside, height = np.zeros(cars), np.zeros(cars)
    path = []
    for _ in range(decisions):
        place = np.clip(place + rng.normal(3, 8, cars).clip(-14, 40), 1, len(points) - 2)
        aside = 0.97 * aside + rng.normal(0, 2.5, cars)
        height = np.where(rng.random(cars) < 0.05, rng.choice([-9.0, 0.0], cars), 0.8 * height)
        here = place.astype(int)
        along = points[here + 1] - points[here]
        left = np.stack((along[:, 2], 0 * along[:, 1], -along[:, 0]), axis=1)
        left /= np.linalg.norm(left, axis=1, keepdims=True)
        path.append(points[here] + aside[:, None] * left + np.outer(height, [0.0, 1.0, 0.0]))
    return zones, np.array(path)


def in_double(line: ReferenceLine) -> ReferenceLine:
    return replace(line, points=line.points.double(), segments=line.segments.double())


@pytest.fixture(scope="module", params=["a01", "oval", "dirt_and_turbo"])
def gated(request) -> ReferenceLine:
    """The line of a shipped track in float64, with its own checkpoints as gates."""
    track = load_track(request.param)
    line = in_double(ReferenceLine.from_points(track.line()))
    return line.gated(CheckpointGates, track.gate_centres())


def test_gates_lie_where_the_slow_loop_puts_them():
    for name in ("a01", "oval"):
        track = load_track(name)
        line = in_double(ReferenceLine.from_points(track.line()))
        centres, radii = slow_gates(line.points.numpy(), track.gate_centres().double().numpy())
        gates = CheckpointGates(line.points, track.gate_centres())
        np.testing.assert_allclose(gates.centre, centres)
        np.testing.assert_array_equal(gates.square.isinf(), radii == OPEN_M)
        np.testing.assert_array_equal(gates.square[gates.square.isfinite()], radii[radii < OPEN_M] ** 2)


@pytest.mark.parametrize("deck_m", [-np.inf, 0.5])
def test_zones_of_whole_drives_equal_the_published_loop(gated, deck_m):
    # The deck of a line at height h + deck_m lies below most, but not all, of its cars.
    line = replace(gated, deck_height_m=deck_m + float(gated.points[:, 1].median()) - 1)
    points, gates = line.points.numpy(), (line.gates.centre.numpy(), line.gates.square.sqrt().numpy())
    slow, path = drives(line, cars=24, decisions=60, seed=1)
    zone, moved_back, held = torch.tensor(slow), 0, 0
    for positions in path:
        before = zone
        zone = walk(line, zone, torch.from_numpy(positions))
        slow = [
            slow_zone(points, gates, line.deck_height_m, z, p) for z, p in zip(slow, positions, strict=True)
        ]
        # A walk of one call is at most 16 zones back and 96 ahead.
        near = [-16 <= a - int(b) <= 96 for a, b in zip(slow, before, strict=True)]
        assert [a for a, ok in zip(zone.tolist(), near, strict=True) if ok] == [
            a for a, ok in zip(slow, near, strict=True) if ok
        ]
        slow = zone.tolist()
        moved_back += int((zone < before).sum())
        held += int((zone == before).sum())
    assert moved_back > 20
    assert held > 20


def test_every_lap_has_its_gates_and_the_start_line_too():
    track = load_track("oval")
    laps, blocks = track.laps, len(track.gate_centres())
    gates = ReferenceLine.from_points(track.line()).gated(CheckpointGates, track.gate_centres()).gates
    assert isinstance(gates, CheckpointGates)
    per_lap = int(gates.square.isfinite().sum()) - 1  # the finish line is met once more at the end
    assert laps > 1
    assert per_lap == laps * blocks


def test_a_car_that_cuts_a_checkpoint_stays_behind_it_until_it_drives_through():
    track = load_track("a01")
    line = ReferenceLine.from_points(track.line())
    gated = line.gated(CheckpointGates, track.gate_centres())
    gate = int(torch.nonzero(gated.gates.square.isfinite())[1])
    aside = torch.tensor([[0.0, 13.0, 0.0]])
    free = held = torch.tensor([gate - 10])
    for step in range(12):
        position = line.points[gate - 10 + 4 * step] + aside
        free, held = walk(line, free, position), walk(gated, held, position)
    assert int(free) > gate + 20
    assert int(held) == gate
    assert int(walk(gated, held, line.points[[gate + 4]])) == gate + 4


@pytest.mark.parametrize("name", ["a01", "oval", "s_bends", "hills", "dirt_and_turbo"])
def test_gates_let_cars_pass_with_their_wheels_on_a_road_of_24_metres(name):
    track = load_track(name)
    line = ReferenceLine.from_points(track.line())
    gated = line.gated(CheckpointGates, track.gate_centres())
    s_m = torch.arange(track.start_m, track.finish_m - 0.5, 2.75)  # 55 m/s
    road = track.at(s_m)
    for side in (-1, 0, 1):
        aside = side * (road.half_width_m.clamp(max=12) - 1)
        path = road.centre + aside[:, None] * road.right + 0.5 * road.up
        free = held = torch.tensor([20])
        for position in path:
            free, held = walk(line, free, position[None]), walk(gated, held, position[None])
        assert torch.equal(free, held)


def test_without_gates_every_zone_may_be_left(straight):
    rule = straight.gated(NoGates, torch.zeros(1, 3)).gates
    assert isinstance(rule, NoGates)
    assert rule(torch.zeros(2, 5, dtype=torch.int64), torch.full((2, 3), 1e6)).all()


SHORT = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])  # two line points


def test_gates_move_to_a_device_with_their_line():
    gates = CheckpointGates(SHORT, SHORT[:1])
    moved = gates.to("meta")
    assert moved.centre.shape == (2, 3) and moved.square.shape == (2,)
    assert moved.centre.device.type == moved.square.device.type == "meta"
    assert gates.centre.device.type == "cpu"


def test_a_gate_opens_within_its_radius_and_not_on_it():
    gates, zones = CheckpointGates(SHORT, SHORT[:1]), torch.tensor([[0, 1]])
    assert gates(zones, torch.tensor([[0.0, 0.0, 11.99]])).tolist() == [[True, True]]
    assert gates(zones, torch.tensor([[0.0, 12.0, 0.0]])).tolist() == [[False, True]]


def test_a_checkpoint_exactly_at_the_radius_puts_no_gate():
    assert CheckpointGates(SHORT, torch.tensor([[0.0, 12.0, 0.0]])).square.isinf().all()
    assert CheckpointGates(SHORT, torch.tensor([[0.0, 11.99, 0.0]])).square.tolist() == [144, torch.inf]


def test_without_gates_the_answer_is_a_flag():
    assert NoGates()(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 3)).dtype == torch.bool


def test_a_checkpoint_gates_no_zone_within_200_of_its_gate_but_the_last():
    points = torch.tensor([[100.0, 0.0, 0.0]]).repeat(700, 1)
    points[[100, 500]], points[300] = torch.tensor([1.0, 0.0, 0.0]), torch.zeros(3)
    gates = CheckpointGates(points, torch.zeros(1, 3))
    # As published: 200 before it counts as near, 200 after it does not.
    assert torch.nonzero(gates.square.isfinite()).flatten().tolist() == [300, 500]
