"""What a film shows, and what a stamp of the overlay looks like."""

from __future__ import annotations

import pytest
from PIL import Image

from btr_tm.cli.commands import film
from btr_tm.core.errors import UserError
from btr_tm.report.stamp import Stamp
from btr_tm.run.race import NO_RACE


@pytest.mark.parametrize(
    ("frames", "shown"),
    [([100], [100]), ([100, 900], [100, 900]), ([100, 200, 300, 480, 1000], [100, 480, 1000])],
)
def test_of_many_evaluations_the_first_the_middle_and_the_last_are_filmed(frames, shown):
    races = [NO_RACE._replace(frames=each) for each in frames]
    assert [race.frames for race in film.first_middle_last(races)] == shown


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
