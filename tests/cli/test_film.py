"""How many pictures a film has, and what a stamp of the overlay looks like."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from btr_tm.cli.commands import film
from btr_tm.core.errors import UserError
from btr_tm.report.overlay import Stamp
from btr_tm.report.redrive import redrive
from btr_tm.sim.track.load import load_track


@pytest.fixture(scope="module")
def race():
    return redrive(load_track("oval"), torch.zeros(60, dtype=torch.int64))


@pytest.mark.parametrize(("fps", "times"), [(20, list(range(50, 601, 50))), (5, [200, 400, 600])])
def test_pictures_are_taken_at_the_rate_asked_for(race, monkeypatch, fps, times):
    taken = []
    monkeypatch.setattr(film, "race_video", lambda *arguments, **_: taken.append(arguments))
    film.film_race(load_track("oval"), race, "race.mp4", fps=fps)
    _, _, poses, actions, at_ms, _ = taken[0]
    assert at_ms.tolist() == times
    assert len(poses.s_m) == len(actions) == len(times)


@pytest.mark.parametrize("fps", [0, 3, 30])
def test_a_rate_between_ticks_is_refused_in_a_sentence(fps):
    with pytest.raises(UserError, match=f"fps must be one of .*, got {fps}"):
        film.refuse_film("race.mp4", fps)


def test_layers_of_a_stamp_blend_with_each_other_and_with_the_picture():
    stamp = Stamp((1, 0), (0, 0))
    for colour in ((255, 0, 0, 255), (0, 0, 255, 51)):
        with stamp.layer() as draw:
            draw.point((0, 0), colour)
    picture = Image.new("RGB", (3, 2), (10, 20, 30))
    stamp.paste(picture)
    assert picture.getpixel((1, 0)) == (204, 0, 51)
    assert picture.getpixel((0, 0)) == picture.getpixel((2, 1)) == (10, 20, 30)
