"""The kernel finds the progress that `advance` and `finish` find, to the bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from btr_tm.race.gates import CheckpointGates, NoGates
from btr_tm.race.progress import Progress, advance, finish
from btr_tm.race.progress_kernel import KernelAdvance, can_advance
from btr_tm.race.reference_line import ReferenceLine


def scattered(line: ReferenceLine, cars: int, spread_m: float, seed: int) -> tuple[Progress, Tensor]:
    """Progress anywhere, and positions up to 20 zones behind and 110 ahead of it, off the line."""
    draw = torch.Generator().manual_seed(seed)
    zone = torch.randint(1, line.finish_zone + 1, (cars,), generator=draw)
    furthest = (zone + torch.randint(0, 30, (cars,), generator=draw)).clamp(max=line.finish_zone)
    true = (zone + torch.randint(-20, 110, (cars,), generator=draw)).clamp(0, len(line.points) - 1)
    metres, further_m = 500 * torch.rand(2, cars, generator=draw)
    last = torch.randint(0, 9000, (cars,), generator=draw)
    aside = spread_m * torch.randn(cars, 3, generator=draw)
    return Progress(zone, furthest, metres, metres + further_m, last), line.points[true] + aside


def assert_alike(line: ReferenceLine, before: Progress, position: Tensor) -> Progress:
    kept = [values.clone() for values in before]
    time_ms = torch.arange(len(position)) * 10
    finished = torch.arange(len(position)) % 5 == 2
    ours = KernelAdvance(line)(before, position, time_ms, finished)
    theirs = finish(advance(before, line, position, time_ms), line, finished)
    for name, a, b in zip(Progress._fields, ours, theirs, strict=True):
        assert a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes(), name
    assert all(map(torch.equal, before, kept))
    return ours


@pytest.mark.parametrize("spread_m", [0.0, 0.3, 3.0, 15.0, 40.0])
def test_progress_anywhere_is_that_of_the_reference(winding: ReferenceLine, spread_m: float) -> None:
    for cars in (1, 2, 7, 33, 256):
        assert_alike(winding, *scattered(winding, cars, spread_m, seed=cars))


def test_ties_and_ends_of_a_straight_line(straight: ReferenceLine) -> None:
    zone = torch.arange(1, straight.finish_zone + 1)
    before = Progress(zone, zone, straight.metres[zone - 1], straight.metres[zone - 1], zone * 0)
    for shift in (-60.0, -8.0, -0.25, 0.0, 0.25, 30.0, 48.0, 60.0):
        position = straight.points[zone] + torch.tensor([0.0, 0.0, shift])
        for _ in range(3):
            before = assert_alike(straight, before, position)


def test_gates_hold_the_zone(winding: ReferenceLine) -> None:
    gates = CheckpointGates(winding.points, winding.points[100:1500:150] + torch.tensor([6.0, 0.0, 6.0]))
    gated = replace(winding, gates=gates)
    before, position = scattered(gated, 300, 4.0, seed=9)
    reached = assert_alike(gated, before, position)
    assert not torch.equal(reached.zone, assert_alike(winding, before, position).zone)


def test_a_car_below_the_deck_keeps_its_zone(winding: ReferenceLine) -> None:
    before, position = scattered(winding, 100, 4.0, seed=1)
    assert_alike(replace(winding, deck_height_m=float(position[:, 1].median())), before, position)


def test_positions_may_be_a_part_of_a_wider_tensor(winding: ReferenceLine) -> None:
    before, position = scattered(winding, 20, 4.0, seed=2)
    assert_alike(winding, before, torch.cat([position, position], 1)[:, 3:])


def test_gates_of_others_are_left_to_the_reference(winding: ReferenceLine) -> None:
    class Closed(NoGates):
        def __call__(self, zones: Tensor, position: Tensor) -> Tensor:
            return torch.zeros_like(zones, dtype=torch.bool)

    assert can_advance(winding) and not can_advance(replace(winding, gates=Closed()))
