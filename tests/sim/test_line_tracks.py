"""Tracks from reference lines: a circle keeps its radius, a real line is drivable, bad ones are refused."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

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


@pytest.mark.parametrize("count", [100, 150, 262, 300])
def test_short_lines_are_as_long_as_they_are(count: int):
    track = line_track(straight_points(count))
    assert track.finish_m - track.start_m == pytest.approx(0.5 * (count - 1.5), abs=0.6)
    assert len(track.line()) == pytest.approx(count, abs=3)


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


def dropping(points):
    """With its last two metres straight down."""
    points[-4:] = points[-5] - 0.5 * np.arange(1, 5)[:, None] * [0, 1, 0]
    return points


def nan(points):
    points[7, 1] = np.nan
    return points


@pytest.mark.parametrize(
    "points,sentence",
    [
        (nan(straight_points()), "bad.npy: point 7 is not finite: .*record the line again"),
        (straight_points(99), "bad.npy: a reference line must have at least 100 points, got 99"),
        (
            straight_points() * 3,
            "bad.npy: points of a reference line must be about 0.5 m apart, got 1.5 m; res",
        ),
        (straight_points()[:, :2], r"bad.npy: a reference line must be numbers .* got \(400, 2\) of float64"),
        (straight_points()[:, [0, 2, 1]], "bad.npy: the line is vertical near point 0, .*no walls or loops"),
        (dropping(straight_points()), "bad.npy: the line is vertical near point 39[45]"),
        (np.delete(straight_points(), range(200, 300), 0), "point 200 lies 50.5 m from point 199, where"),
        (
            np.concatenate((straight_points(350), straight_points())),
            "point 350 lies 174 m from point 349, wh",
        ),
        (straight_points()[np.r_[0:400, 399:0:-1]], "bad.npy: the line turns back at point 399"),
    ],
)
def test_bad_lines_are_refused_in_one_sentence(points, sentence, tmp_path):
    np.save(tmp_path / "bad.npy", points)
    with pytest.raises(UserError, match=sentence):
        load_track(tmp_path / "bad.npy")


@pytest.mark.parametrize("standing", [0, 200, 399])
def test_a_car_that_stands_still_does_not_change_the_road(standing):
    points = straight_points()
    stood = line_track(np.insert(points, standing, np.repeat(points[standing : standing + 1], 30, 0), axis=0))
    assert torch.equal(stood.ribbon.centre, line_track(points).ribbon.centre)


def test_a_steep_line_is_a_road():
    points = straight_points()
    points[:, 1:] = points[:, 2:] * [np.sin(1.3), np.cos(1.3)]
    assert torch.isfinite(line_track(points).ribbon.curvature).all()


def test_the_longest_line_is_a_track_within_seconds():
    angle = 0.5 * np.arange(200_000) / 1000
    points = np.stack([1000 * np.cos(angle), 0.01 * angle, 1000 * np.sin(angle)], -1)
    began = time.process_time()
    assert line_track(points).length_m > 100_000
    assert time.process_time() - began < 5


def test_foreign_files_and_widths_are_refused(tmp_path):
    (tmp_path / "bad.npy").write_text("hello")
    with pytest.raises(UserError, match="bad.npy is no valid array"):
        load_track(tmp_path / "bad.npy")
    with pytest.raises(UserError, match="there is no track .*absent.npy"):
        load_track(tmp_path / "absent.npy")
    (tmp_path / "bad.npy").write_bytes(b"")
    with pytest.raises(UserError, match="bad.npy is no valid array"):
        load_track(tmp_path / "bad.npy")
    with open(tmp_path / "bad.npy", "wb") as file:
        np.savez(file, a=np.zeros(3))
    with pytest.raises(UserError, match="bad.npy is no valid array"):
        load_track(tmp_path / "bad.npy")
    with pytest.raises(UserError, match="half width must be from 4 to 32 m, got 100"):
        line_track(straight_points(), half_width_m=100)


def test_a_name_in_a_folder_is_not_a_shipped_track(tmp_path):
    (tmp_path / "oval.yaml").write_text("blocks: [start, straight, straight, finish, straight]")
    for path in (tmp_path / "oval", "/nowhere/a01"):
        with pytest.raises(UserError, match="there is no track .*name a shipped one .* or the path of"):
            load_track(path)
