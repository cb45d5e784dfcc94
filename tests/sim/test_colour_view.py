"""The colour view and the map: the same scene as the grey camera's, for people."""

from __future__ import annotations

import pytest
import torch

from btr_tm.sim.colour.view import ColourView
from btr_tm.sim.grey.camera import Camera
from btr_tm.sim.track.flat import oval_track, straight_track
from btr_tm.sim.track.map_view import MapView
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE


@pytest.fixture(scope="module")
def laid(lay):
    pieces = [(100, 0, 0, 0, 1), (60, 0.02, 0.1, 2, 1), (60, -0.02, 0, 3, 1), (100, 0, 0, 0, 1)]
    return lay(pieces, {90.0: CHECKPOINT_GATE})


@pytest.fixture(scope="module")
def pictures(park, laid):
    return ColourView(laid, 90, 120)(park(laid, [30.0, 120.0], [0.0, 3.0]))


def test_a_picture_per_car_in_the_size_asked_for(pictures):
    assert pictures.shape == (2, 90, 120, 3) and pictures.dtype == torch.uint8


def test_sky_is_blue_lawn_green_dirt_brown(pictures):
    sky = pictures[0, 2, 60].int()
    assert sky[2] > sky[0] + 60
    lawn = pictures[0, 30:60].reshape(-1, 3).int()
    assert ((lawn[:, 1] > lawn[:, 0] + 30) & (lawn[:, 1] > lawn[:, 2] + 30)).sum() > 20
    dirt = pictures[1, 80, 10].int()
    assert dirt[0] > dirt[1] > dirt[2]


def test_colour_and_grey_show_the_same_road(park):
    """Where the grey camera sees the edge line, the colour view at the same 4:3 size is bright too."""
    track = straight_track()
    poses = park(track, [150.0], 4.0)
    grey = Camera(track, 90, 120)(poses)[0, 0]
    bright = ColourView(track, 90, 120)(poses)[0].float().mean(-1)
    for row in (50, 56):
        line = torch.nonzero(grey[row] > 200).flatten()
        line = line[(line < 40) | (line > 80)]
        assert len(line)
        assert all(bright[row, max(0, column - 3) : column + 4].max() > 150 for column in line.tolist())


def test_closed_tracks_and_strange_poses_are_drawn(park):
    track = oval_track()
    poses = park(
        track, [1.0, track.length_m - 1, 250.0], [0.0, 17.0, -17.0], [0.0, 1.6, 3.1], [0.0, 3.0, 0.0]
    )
    assert ColourView(track, 36, 64)(poses).float().std() > 20


def test_the_map_turns_right_where_the_road_does(lay, laid):
    track = lay([(200, 0, 0, 0, 1), (80, 0.02, 0, 0, 1), (100, 0, 0, 0, 1)])
    start, end = MapView(track, (100, 100)).pixels(track.ribbon.centre[[0, -1]])
    assert end[0] > start[0] + 20 and end[1] < start[1] - 20


@pytest.mark.parametrize("closed", [True, False])
def test_the_map_has_road_under_the_line_and_nothing_far_from_it(closed, laid):
    track = oval_track() if closed else laid
    view = MapView(track, (120, 160))
    background = view.background()
    assert background.shape == (120, 160, 3) and background.dtype == torch.uint8
    column, row = view.pixels(track.ribbon.centre).long().unbind(1)
    assert (background[row, column].float().mean(1) > 60).float().mean() > 0.95
    assert background[0, 0].float().mean() < 60


def test_the_map_marks_the_finish(lay):
    track = lay([(200, 0, 0, 0, 1)], {150.0: FINISH_GATE})
    view = MapView(track, (60, 60))
    column, row = view.pixels(track.ribbon.centre[300:301]).long()[0].tolist()
    assert view.background()[row - 2 : row + 3, column - 2 : column + 3].max() > 220
