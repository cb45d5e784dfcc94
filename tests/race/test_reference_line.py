from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race.gates import CheckpointGates
from btr_tm.race.reference_line import ReferenceLine

HOCKOLICIOUS = Path(__file__).parents[2].parent / "shared" / "data" / "hockolicious_0.5m.npy"


def slow_line(raw: np.ndarray) -> np.ndarray:
    """Padding and smoothing, point by point."""
    points = [raw[0] - k * (raw[1] - raw[0]) for k in range(20, 0, -1)]
    points += list(raw)
    points += [raw[-1] + k * (raw[-1] - raw[-2]) for k in range(1, 1001)]
    smooth = list(points)
    for i in range(5, len(points) - 5):
        smooth[i] = (points[i - 5] + points[i + 5]) / 2
    return np.array(smooth)


def test_points_are_padded_and_smoothed_as_published(points_of):
    raw = points_of(300)
    line = ReferenceLine.from_points(raw)
    assert line.points.shape == (300 + 20 + 1000, 3)
    np.testing.assert_allclose(line.points, slow_line(raw), atol=1e-4)


def test_derived_tables_match_a_loop_over_segments(winding):
    points = winding.points.double()
    metres = 0.0
    for i in range(400):
        middle, following = (points[i] + points[i + 1]) / 2, (points[i + 1] + points[i + 2]) / 2
        length = (following - middle).norm()
        torch.testing.assert_close(winding.transitions[i].double(), middle, atol=1e-4, rtol=0)
        torch.testing.assert_close(winding.axes[i].double(), (following - middle) / length, atol=1e-3, rtol=0)
        assert float(winding.metres[i]) == pytest.approx(metres, abs=1e-3)
        metres += float(length)


def test_a_straight_line_has_the_closed_form_length(straight):
    # 20 points prepended: the first transition lies 9.75 m before the first point.
    assert straight.start_m == pytest.approx(9.75)
    # Published: total = metres of transition M - 1000, 20.5 zones further than the last point minus 20.
    assert straight.total_m == pytest.approx(0.5 * (200 + 20))


def test_the_published_line_has_its_published_length():
    if not HOCKOLICIOUS.exists():
        pytest.skip("no published reference line at hand")
    line = ReferenceLine.load(HOCKOLICIOUS)
    assert len(line.points) == 8062 + 1020
    assert line.total_m - line.start_m == pytest.approx(4048.7, rel=0.01)


def test_a_saved_line_loads_the_same(tmp_path, points_of):
    np.save(tmp_path / "line.npy", points_of(200))
    loaded, made = ReferenceLine.load(tmp_path / "line.npy"), ReferenceLine.from_points(points_of(200))
    assert torch.equal(loaded.segments, made.segments)


def test_moving_to_a_device_keeps_everything(winding):
    gated = winding.gated(CheckpointGates, winding.points[:1])
    moved = gated.to("meta")
    assert moved.points.device.type == moved.segments.device.type == "meta"
    assert moved.gates.centre.device.type == "meta"
    assert moved.total_m == winding.total_m


def test_a_line_remembers_spacing_and_deck_and_is_in_single_precision(points_of):
    line = ReferenceLine.from_points(points_of(200), spacing_m=0.6, deck_height_m=-3.0)
    assert (line.spacing_m, line.deck_height_m) == (0.6, -3.0)
    assert line.points.dtype == line.segments.dtype == torch.float32


def test_a_saved_line_of_wider_spacing_is_loaded_as_such(tmp_path, points_of):
    np.save(tmp_path / "line.npy", 4 * points_of(200))
    assert ReferenceLine.load(tmp_path / "line.npy", spacing_m=2.0).spacing_m == 2.0


@pytest.mark.parametrize("apart_m", [1.0, 5.0])
def test_the_shortest_line_and_the_narrowest_and_widest_spacing_are_allowed(apart_m):
    points = np.zeros((100, 3))
    points[:, 2] = apart_m * np.arange(100)
    line = ReferenceLine.from_points(points, spacing_m=2.5)  # 0.4 and 2 times
    assert line.total_m == pytest.approx(apart_m * 120)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda p: p[:99], "at least 100 points, got 99"),
        (lambda p: p[:, :2], r"shape \(N, 3\), .*got \(200, 2\) of float64"),
        (lambda p: p[None], r"shape \(N, 3\)"),
        (lambda p: p.astype(str), r"shape \(N, 3\)"),
        (lambda p: np.where(np.arange(len(p))[:, None] == 7, np.nan, p), "point 7 .*not finite"),
        (lambda p: np.where(np.arange(len(p))[:, None] == 8, np.inf, p), "point 8 .*not finite"),
        (lambda p: p * 1e9, "point 0 .*too far away"),
        (lambda p: p.astype(np.longdouble) * np.longdouble("1e4000"), "point 0 .*not finite"),
        (lambda p: p * 3, "0.5 m apart, got 1.5 m; resample it evenly"),
        (lambda p: np.repeat(p[:60], 4, axis=0), "at least 100 points, got 240, of which 180 where the car"),
        (lambda p: np.delete(p, range(50, 60), axis=0), "point 50 lies 5.* m from point 49, where about 0.5"),
        (lambda p: np.concatenate((p[:150], p[149:20:-1])), "turns back at point 149"),
        (lambda p: np.concatenate((p[:120], p[20:])), "point 120 lies 43.3 m from point 119"),
        (lambda p: np.zeros((1_000_001, 3), dtype=np.int8), "at most 1,000,000 rows, got 1,000,001"),
        (
            lambda p: np.zeros((1_000_000, 3), dtype=np.int8),
            "at least 100 points, got 1000000, of which 999999",
        ),
        (lambda p: np.tile(p, (2000, 1)), "at most 200,000 points, got 400,000"),
    ],
)
def test_points_that_are_no_line_are_refused_in_a_sentence(points_of, spoil, complaint):
    with pytest.raises(UserError, match=complaint):
        ReferenceLine.from_points(spoil(points_of(200)))


@pytest.mark.parametrize("standing", [0, 77, 199])
def test_places_where_the_car_stood_still_count_once(points_of, standing):
    points, jitter = points_of(200), 1e-3 * np.random.default_rng(0).normal(size=(50, 3))
    stood = np.insert(points, standing + 1, points[standing] + jitter, axis=0)
    stood[standing + 1] = points[standing]
    line, expected = ReferenceLine.from_points(stood), ReferenceLine.from_points(points)
    assert torch.equal(line.points, expected.points)


def test_rows_are_those_of_the_file_where_places_count_once(points_of):
    stood = np.insert(points_of(200), 50, np.repeat(points_of(200)[50:51], 40, axis=0), axis=0)
    with pytest.raises(UserError, match=r"point 140 lies .* m from point 139,"):
        ReferenceLine.from_points(np.delete(stood, slice(140, 150), axis=0))


def test_a_circle_in_which_smoothing_leaves_no_direction_is_refused(points_of):
    angle = np.arange(200) * np.pi / 10  # 20 points of half a metre around
    circle = 0.5 / (2 * np.sin(np.pi / 20)) * np.stack((np.cos(angle), 0 * angle, np.sin(angle)), axis=1)
    with pytest.raises(UserError, match=r"turns too tightly near point \d+"):
        ReferenceLine.from_points(circle)


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "line.npy").write_bytes(content)
    with pytest.raises(UserError, match="line.npy is no valid array"):
        ReferenceLine.load(tmp_path / "line.npy")


def test_a_missing_file_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot read .*none.npy"):
        ReferenceLine.load(tmp_path / "none.npy")
