"""The ribbon: frames, curvatures, interpolation and the reference line, against loops and closed forms."""

import numpy as np
import pytest
import torch

from btr_tm.sim.track.flat import oval_track, straight_track
from btr_tm.sim.track.generator import random_track
from btr_tm.sim.track.load import load_track, shipped_tracks
from btr_tm.sim.track.ribbon import Profile, Track, assemble

ALL = [*shipped_tracks(), "flat_oval", "random"]


def track(name: str) -> Track:
    return {"flat_oval": oval_track, "random": lambda: random_track(3, difficulty=1.0)}.get(
        name, lambda: load_track(name)
    )()


@pytest.mark.parametrize("name", ALL)
def test_frames_are_orthonormal_and_right_is_tangent_cross_up(name):
    ribbon = track(name).ribbon
    frame = torch.stack([ribbon.tangent, ribbon.right, ribbon.up], 1)
    assert torch.allclose(frame @ frame.mT, torch.eye(3).expand(len(frame), 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.cross(ribbon.tangent, ribbon.up), ribbon.right, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_stations_are_half_a_metre_apart_and_closed_tracks_meet_their_beginning(name):
    course = track(name)
    centre = course.ribbon.centre
    steps = (torch.roll(centre, -1, 0) - centre).norm(dim=1)[: None if course.closed else -1]
    assert steps.sub(0.5).abs().max() < 2e-3


@pytest.mark.parametrize("name", ALL)
def test_curvatures_are_how_the_tangent_turns_and_change_without_steps(name):
    ribbon = track(name).ribbon
    turned = (ribbon.tangent[2:] - ribbon.tangent[:-2]).double()
    for curvature, axis in ((ribbon.curvature, ribbon.right), (ribbon.pitch_curvature, ribbon.up)):
        slow = torch.stack([turn @ side for turn, side in zip(turned, axis[1:-1].double(), strict=True)])
        assert (curvature[1:-1] - slow).abs().max() < 1e-4
    assert ribbon.pitch_curvature.abs().max() < 0.03
    if name != "flat_oval":  # its curves begin at once
        assert ribbon.curvature.diff().abs().max() < 0.002


@pytest.mark.parametrize("name", ALL)
def test_walls_stand_outside_the_road_and_short_of_the_centre_of_each_curve(name):
    ribbon = track(name).ribbon
    assert (ribbon.wall_m * ribbon.curvature.abs() < 0.8).all()
    assert (ribbon.wall_m > ribbon.half_width_m).all()


def test_an_oval_that_turns_right_has_the_curvature_of_its_radius():
    ribbon = oval_track(straight_m=100, radius_m=50).ribbon
    middle_of_turn = round((100 + np.pi * 25) / 0.5)
    assert ribbon.curvature[middle_of_turn].item() == pytest.approx(1 / 50, rel=1e-3)
    assert ribbon.right[0, 0].item() == pytest.approx(-1, abs=1e-3)  # driving along +z, y up: right is -x
    assert ribbon.centre[:, 0].min().item() == pytest.approx(-100, abs=0.1)


def test_banked_turn_lowers_its_inside_and_presses_the_car_into_the_road():
    ribbon = load_track("oval").ribbon
    tightest = int(ribbon.curvature.argmax())
    assert ribbon.right[tightest, 1].item() == pytest.approx(-np.sin(np.radians(15)), abs=1e-3)
    assert ribbon.pitch_curvature[tightest] > 0.003


def test_crest_has_negative_and_dip_positive_pitch_curvature():
    z = np.arange(400) * 0.5
    for sign in (-1, 1):
        centre = np.stack([0 * z, sign * (z - 100) ** 2 / 2 / 500, z], -1)
        ones, nothing = np.ones(400), np.zeros(400, dtype=np.int64)
        profile = Profile(centre, 0 * ones, 12 * ones, 16 * ones, nothing, ones, nothing)
        ribbon = assemble(profile, closed=False)
        assert ribbon.pitch_curvature[200].item() == pytest.approx(sign / 500, rel=1e-2)


def test_at_interpolates_between_stations_and_clamps_on_an_open_track():
    course = straight_track(length_m=100)
    point = course.at(torch.tensor([10.2, -5.0, 1000.0]))
    assert point.centre[:, 2].tolist() == pytest.approx([10.2, 0.0, 100.0], abs=1e-5)
    assert point.half_width_m.tolist() == [12.0] * 3


def test_at_wraps_on_a_closed_track_for_any_shape_and_number_of_laps():
    course = load_track("oval")
    s_m = torch.tensor([[0.1, 7.3], [500.0, -1e-9]])
    again = course.at(s_m + 3 * course.length_m)
    assert torch.allclose(course.at(s_m).centre, again.centre, atol=2e-3)
    assert again.right.shape == (2, 2, 3)


def test_at_returns_unit_frames_between_stations():
    course = load_track("hills")
    point = course.at(torch.linspace(0, course.length_m, 5000))
    frame = torch.stack([point.tangent, point.right, point.up], 1)
    assert torch.allclose(frame @ frame.mT, torch.eye(3).expand(5000, 3, 3), atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_reference_line_ends_with_the_finish_between_its_last_two_points(name):
    course = track(name)
    line = course.line()
    finish = course.at(torch.tensor([course.finish_m])).centre[0].numpy()
    start = course.at(torch.tensor([course.start_m])).centre[0].numpy()
    assert line.dtype == np.float64
    assert np.allclose((line[-1] + line[-2]) / 2, finish, atol=1e-2)
    assert np.linalg.norm(line[0] - start) < 0.5
    assert np.abs(np.linalg.norm(np.diff(line, axis=0), axis=1) - 0.5).max() < 2e-3
    assert len(line) == round((course.finish_m - course.start_m) / 0.5) + 1


def test_medals_follow_the_ratios_of_the_game_up_to_the_next_second():
    course = straight_track()
    assert course.medals_ms == {}
    timed = Track("t", course.ribbon, 0.0, 1.0, author_time_ms=24_540)
    assert timed.medals_ms == {"author": 24_540, "gold": 27_000, "silver": 30_000, "bronze": 37_000}
