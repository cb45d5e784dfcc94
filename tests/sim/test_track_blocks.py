"""Blocks: their shapes end on the grid with eased curvature, and the jump is the flight of a car."""

import numpy as np
import pytest

from btr_tm.sim.track import shapes
from btr_tm.sim.track.blocks import KINDS, Style, make_block
from btr_tm.sim.track.shapes import AIR_GRAVITY


def radii(plan: np.ndarray) -> np.ndarray:
    step = np.diff(plan, axis=0)
    angle = np.unwrap(np.arctan2(step[:, 0], step[:, 1]))
    return np.linalg.norm(step, axis=1)[1:] / np.maximum(np.abs(np.diff(angle)), 1e-12)


@pytest.mark.parametrize("turn,side", [("left", -1), ("right", 1)])
@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_quarter_curve_ends_where_the_circle_of_its_cells_would(turn, side, size):
    shape = make_block("curve", {"turn": turn, "size": size, "rise": 1}, Style()).shape
    radius = 32 * size - 16
    assert shape.plan[-1] == pytest.approx([side * radius, radius], abs=1e-6)
    assert shape.height[-1] == pytest.approx(8)
    assert shape.quarters == side
    assert 0.7 * radius < radii(shape.plan).min() < radius


def test_half_circle_comes_back_beside_its_entrance():
    shape = make_block("curve", {"turn": "left", "size": 3, "quarters": 2}, Style()).shape
    assert shape.plan[-1] == pytest.approx([-160, 0], abs=1e-6)


@pytest.mark.parametrize("length,shift", [(4, 1), (5, 1.5), (2, 1)])
def test_chicane_ends_ahead_and_aside_in_its_first_direction(length, shift):
    shape = make_block("chicane", {"turn": "left", "length": length, "shift": shift}, Style()).shape
    assert shape.plan[-1] == pytest.approx([-32 * shift, 32 * length], abs=1e-4)
    step = shape.plan[-1] - shape.plan[-2]
    assert abs(step[0]) < 1e-4 * step[1]
    assert shape.bend[0] == pytest.approx(0) and shape.bend[-1] == pytest.approx(0, abs=1e-9)


def test_curvature_begins_and_ends_at_zero():
    plan = shapes.curve(80, 1).plan
    curvature = 1 / radii(plan)
    assert curvature[:20].max() < 1e-3 and curvature[-20:].max() < 1e-3
    assert np.abs(np.diff(curvature)).max() < 1e-3


def test_gap_of_a_jump_is_the_flight_of_its_slowest_car():
    shape = make_block(
        "jump", {"ramp": 1, "gap": 1, "landing": 2, "speed_kmh": 180, "rise": -1}, Style()
    ).shape
    ahead = shape.plan[:, 1]
    gap = shape.road == 0
    assert ahead[gap].min() == pytest.approx(32, abs=0.06) and ahead[gap].max() == pytest.approx(64, abs=0.06)
    position, velocity = np.array([32.0, shape.height[gap][0]]), np.array([50.0, 5.0])
    for _ in range(100):  # flown step by step
        if position[0] < 63.5:
            assert np.interp(position[0], ahead, shape.height) == pytest.approx(position[1], abs=0.03)
        velocity = velocity - [0, AIR_GRAVITY * 0.005]
        position = position + velocity * 0.005
    assert shape.height[-1] == pytest.approx(-8)


def test_heights_have_no_kinks():
    for kind, options in (("straight", {"length": 4, "rise": 2}), ("crest", {"rise": -1}), ("jump", {})):
        shape = make_block(kind, options, Style()).shape
        slope = np.diff(shape.height) / np.diff(shape.plan[:, 1])
        assert np.abs(np.diff(slope)).max() < 0.003, kind
        assert abs(slope[0]) < 1e-3 and abs(slope[-1]) < 1e-3


@pytest.mark.parametrize(
    "kind,options,clause",
    [
        ("loop", {}, "a block must be one of"),
        ("curve", {"radius": 3}, "an option must be one of"),
        ("curve", {"size": 7}, "size must be one of"),
        ("curve", {"turn": "up"}, "turn must be left or right, got up"),
        ("straight", {"length": "long"}, "length must be a number"),
        ("straight", {"length": float("nan")}, "length must be a number"),
        ("straight", {"length": 0}, "length must be from 0.5 to 100 cells, got 0"),
        ("straight", {"width": 200}, "width must be from 8 to 64 m, got 200"),
        ("straight", {"surface": "ice"}, "surface must be one of asphalt"),
        ("straight", {"at": [1, 2]}, "at must be"),
        ("jump", {"slope": 2}, "slope must be"),
        (
            "jump",
            {"gap": 1, "landing": 2, "speed_kmh": 80},
            "slope of the landing must be at most .*, got 1.4",
        ),
        ("jump", {"gap": 3, "landing": 1, "speed_kmh": 80}, "slope of the landing must be at most"),
        ("chicane", {"shift": 4}, "shift must be"),
    ],
)
def test_bad_options_say_what_is_wrong(kind, options, clause):
    with pytest.raises(ValueError, match=clause):
        make_block(kind, options, Style())


def test_every_kind_builds_without_options():
    for kind in KINDS:
        assert len(make_block(kind, {}, Style()).shape.plan) > 100
