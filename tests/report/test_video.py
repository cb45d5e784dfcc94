"""Films of races: written, readable, with the overlay on them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from btr_tm.core.errors import UserError
from btr_tm.report.overlay import Overlay
from btr_tm.report.video import race_video, write_film
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.flat import straight_track

TRACK = straight_track()
COUNT = 6


@pytest.fixture(scope="module")
def race():
    s_m = 50.0 + 2.5 * torch.arange(COUNT)
    here = TRACK.at(s_m)
    zero = torch.zeros(COUNT)
    pose = Pose(here.centre, here.tangent, here.up, 50 * here.tangent, s_m, zero, zero, zero, zero, zero)
    return pose, torch.arange(COUNT), 50 * torch.arange(COUNT)


def test_an_mp4_has_a_frame_per_decision_at_the_speed_of_the_race(tmp_path, race):
    av = pytest.importorskip("av")
    path = race_video(tmp_path / "deep" / "race.mp4", TRACK, *race, size=(72, 128))
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert (stream.height, stream.width, float(stream.average_rate)) == (72, 128, 20.0)
        assert sum(1 for _ in film.decode(video=0)) == COUNT


def test_without_pyav_a_gif_is_written_instead(tmp_path, race, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = race_video(tmp_path / "race.mp4", TRACK, *race, size=(72, 128))
    assert path.suffix == ".gif"
    with Image.open(path) as film:
        assert film.n_frames == COUNT and film.size == (128, 72)


def test_odd_sizes_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(UserError, match="even"):
        write_film(tmp_path / "film.mp4", iter([np.zeros((71, 128, 3), np.uint8)]), fps=20)


def test_the_overlay_shows_keys_values_and_the_way(race):
    poses, _, _ = race
    blank = np.zeros((180, 320, 3), np.uint8)

    def drawn(action: int, q: torch.Tensor) -> np.ndarray:
        return Overlay(TRACK, (180, 320))(blank, poses.position[0], action, 123.0, 12345, q).astype(int)

    none = torch.zeros(0)
    plain = drawn(3, none)
    assert np.abs(drawn(0, none) - plain).max() > 100  # the accelerator's key
    assert np.abs(drawn(3, torch.arange(12.0)) - plain)[:90, 220:].max() > 100  # the values, top right
    assert plain[100:, :100].max() > 60  # the map, bottom left
    assert np.isfinite(drawn(3, torch.full((12,), torch.nan))).all()
