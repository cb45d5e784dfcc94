"""Tracks from reference lines: a circle keeps its radius, a real line is drivable, bad ones are refused."""

from pathlib import Path

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.sim.track.line import line_track
from btr_tm.sim.track.load import load_track

REAL_LINE = Path(__file__).parents[3] / "shared" / "data" / "hockolicious_0.5m.npy"


def straight_points(count=400):
    return np.stack([np.zeros(count), np.full(count, 9.0), 0.5 * np.arange(count)], -1)


def test_quarter_circle_becomes_a_road_of_that_radius():
    angle = np.arange(600) * 0.5 / 200
    points = np.stack([200 * (1 - np.cos(angle)), np.zeros(600), 200 * np.sin(angle)], -1)  # to +x: left
    track = line_track(points, half_width_m=10)
    middle = round((track.start_m + 150) / 0.5)
    assert track.ribbon.curvature[middle].item() == pytest.approx(-1 / 200, rel=0.02)
    assert track.finish_m - track.start_m == pytest.approx(299.25, abs=0.6)
    line = track.line()
    assert np.abs(line - points[: len(line)])[10:-10].max() < 1.0  # half a metre along, at most


def test_rounded_positions_are_smoothed():
    points = straight_points()
    points[:, 0] = np.round(0.04 * points[:, 2], 1)  # recorded to 0.1 m
    assert line_track(points).ribbon.curvature[100:-400].abs().max() < 2e-3


@pytest.mark.skipif(not REAL_LINE.exists(), reason="no recorded line at hand")
def test_a_recorded_line_becomes_a_track():
    track = load_track(REAL_LINE, half_width_m=10)
    assert track.finish_m - track.start_m == pytest.approx(4030, abs=30)
    assert track.ribbon.curvature.abs().max() < 0.06 and (track.ribbon.half_width_m > 8).all()
    assert np.linalg.norm(track.line()[0] - np.load(REAL_LINE)[0]) < 1.5


def nan(points):
    points[7, 1] = np.nan
    return points


@pytest.mark.parametrize(
    "points,sentence",
    [
        (nan(straight_points()), "bad.npy: point 7 is not finite; .*again"),
        (straight_points(99), "bad.npy must have at least 100 points, got 99; record"),
        (straight_points() * 3, "bad.npy: points must be 0.5 m apart, got 1.5 m; resample"),
        (straight_points()[:, :2], r"bad.npy must hold numbers of shape \(N, 3\), got float64 \(400, 2\)"),
    ],
)
def test_bad_lines_are_refused_in_one_sentence(points, sentence, tmp_path):
    np.save(tmp_path / "bad.npy", points)
    with pytest.raises(UserError, match=sentence):
        load_track(tmp_path / "bad.npy")


def test_foreign_files_and_widths_are_refused(tmp_path):
    (tmp_path / "bad.npy").write_text("hello")
    with pytest.raises(UserError, match="cannot read a reference line"):
        load_track(tmp_path / "bad.npy")
    with pytest.raises(UserError, match="cannot read a reference line"):
        load_track(tmp_path / "absent.npy")
    (tmp_path / "bad.npy").write_bytes(b"")
    with pytest.raises(UserError, match="cannot read a reference line"):
        load_track(tmp_path / "bad.npy")
    with open(tmp_path / "bad.npy", "wb") as file:
        np.savez(file, a=np.zeros(3))
    with pytest.raises(UserError, match="is an .npz archive"):
        load_track(tmp_path / "bad.npy")
    with pytest.raises(UserError, match="half width must be from 4 to 32 m, got 100"):
        line_track(straight_points(), half_width_m=100)
