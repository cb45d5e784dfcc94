"""Films of races: written, readable, with everything on them that a person looks for."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from btr_tm.core.errors import UserError
from btr_tm.report import film as films
from btr_tm.report.film import Racer, Scene, film, ticks_of
from btr_tm.report.overlay import Moment, Overlay
from btr_tm.report.race_signs import Signs, Split, passed_ms, recent_walls, result, splits
from btr_tm.report.redrive import Redriven, redrive_author
from btr_tm.report.video import Film, write_film
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.flat import straight_track
from btr_tm.sim.track.load import load_track

TRACK = straight_track()
TICKS, SIZE = 30, (72, 128)
NONE = torch.zeros(0)


def driven(ticks: int = TICKS, speed_mps: float = 50.0, finished: bool = True, track=TRACK) -> Redriven:
    """A car that rolls from the start line at a steady speed."""
    s_m = track.start_m + speed_mps / 100 * (1 + torch.arange(ticks))
    here, zero = track.at(s_m), torch.zeros(ticks)
    pose = Pose(
        here.centre, here.tangent, here.up, speed_mps * here.tangent, s_m, zero, zero, zero, zero, zero
    )
    return Redriven(torch.arange(ticks) % 12, pose, zero.long(), finished, 10 * ticks)


@pytest.fixture
def short_hold(monkeypatch):
    monkeypatch.setattr(films, "HOLD_S", 0.1)


def test_an_mp4_has_the_pictures_of_the_race_and_a_hold_at_its_end(tmp_path, short_hold):
    av = pytest.importorskip("av")
    look = films.Look(size=SIZE)
    path = film(tmp_path / "deep" / "race.mp4", [Scene(TRACK, [Racer("one", driven())])], look)
    with av.open(str(path)) as shown:
        stream = shown.streams.video[0]
        assert (stream.height, stream.width, float(stream.average_rate)) == (*SIZE, 50.0)
        assert sum(1 for _ in shown.decode(video=0)) == TICKS // 2 + 5


@pytest.mark.parametrize("height", [360, 720])
def test_a_long_name_stays_beside_the_clock(height: int):
    size = (height, height * 16 // 9)
    short, long = (
        Overlay(TRACK, size, f"oval  {name}") for name in ("one", "a/long/way/to/" * 9 + "race.inputs")
    )
    plates = [each._names() for each in (short, long)]
    assert plates[0].image.width < plates[1].image.width
    assert plates[1].corner[0] + plates[1].image.width < size[1] / 2 - 50 * long.unit
    shown = long._fitting(long.title)
    assert shown.startswith("oval") and shown.endswith("race.inputs") and "..." in shown
    assert short._fitting(short.title) == short.title and long._fitting("") == ""


@pytest.mark.parametrize("name", ["race.mp4", "race.gif"])
def test_a_film_that_is_given_up_leaves_the_one_before(tmp_path, name: str):
    (tmp_path / name).write_bytes(b"an earlier film")
    with pytest.raises(KeyboardInterrupt), Film(tmp_path / name, 50, SIZE):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"an earlier film"


def test_without_pyav_a_gif_is_written_instead_with_half_the_pictures(tmp_path, short_hold, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = film(tmp_path / "race.mp4", [Scene(TRACK, [Racer("one", driven())])])
    assert path.suffix == ".gif"
    with Image.open(path) as shown:
        assert shown.size == (640, 360) and shown.info["duration"] == 40
        assert TICKS // 4 <= shown.n_frames <= (TICKS // 2 + 6) // 2


@pytest.mark.parametrize(("fps", "ticks"), [(50, [1, 3, 5, 6]), (100, list(range(7))), (20, [4, 6])])
def test_pictures_are_evenly_spaced_and_the_finish_is_one_of_them(fps, ticks):
    assert ticks_of(driven(7), fps).tolist() == ticks


def pictures(scene: Scene, size=(180, 320)) -> list[np.ndarray]:
    view = films.ColourView(scene.track, *size, smoothing=1)
    return [np.asarray(image).astype(int) for image in films.pictures_of(scene, view, 10, size)]


def test_the_author_and_a_second_driver_are_on_the_picture():
    behind, ahead = driven(60, 20.0), driven(60, 40.0)
    alone = pictures(Scene(TRACK, [Racer("one", behind)]))[-1]
    for scene in (
        Scene(TRACK, [Racer("one", behind)], ahead),
        Scene(TRACK, [Racer("one", behind), Racer("two", ahead)]),
    ):
        changed = np.abs(pictures(scene)[-1] - alone).max(-1) > 30
        assert changed[60:120, 130:190].sum() > 30  # the car, in the middle of the picture


def test_the_first_picture_does_not_tell_the_end():
    scenes = [Scene(TRACK, [Racer("one", driven(40, 30.0, finished))]) for finished in (True, False)]
    first, other = (pictures(scene)[0] for scene in scenes)
    assert np.array_equal(first, other)
    last = np.zeros((180, 320, 3), np.uint8)
    ends = [films.end_of(scene, Image.fromarray(last), (180, 320)) for scene in scenes]
    assert np.abs(np.asarray(ends[0]).astype(int) - np.asarray(ends[1])).max() > 100


def test_splits_are_those_of_the_checkpoints_with_the_gap_to_the_author():
    track = load_track("a01")
    author = redrive_author(track)
    own = splits(track, author, author)
    assert len(own) == len(track.checkpoints_m) and {split.gap_ms for split in own} == {0}
    times = passed_ms(author, [*track.checkpoints_m, track.finish_m])
    assert times == sorted(times) and times[-1] == author.time_ms == track.author_time_ms
    late = author._replace(
        pose=Pose(*(torch.cat([leaf[:1].repeat_interleave(25, 0), leaf]) for leaf in author.pose))
    )
    assert {split.gap_ms for split in splits(track, late, author)} == {250}
    assert splits(track, driven(10, track=track), None) == []


def test_a_wall_that_was_hit_stays_signed_for_a_while():
    wall = torch.zeros(100, dtype=torch.int64)
    wall[[10, 50]] = torch.tensor([1, -1])
    signed = recent_walls(driven(100)._replace(wall=wall))
    assert np.flatnonzero(signed == 1).tolist() == list(range(10, 40))
    assert np.flatnonzero(signed == -1).tolist() == list(range(50, 80))


def test_signs_are_drawn_where_they_belong():
    def drawn(time_ms: int, wall: int, gap_ms: int = 120) -> np.ndarray:
        image = Image.new("RGB", (320, 180))
        Signs(load_track("a01"), (180, 320), [Split(1, 1000, gap_ms)])(image, time_ms, wall, 20.0)
        return np.asarray(image).astype(int)

    plain = drawn(0, 0)
    assert plain[20:60, :60].max() > 100  # the medals
    assert (
        np.abs(drawn(0, 1) - plain)[:, 310:].max() > 200 and np.abs(drawn(0, -1) - plain)[:, :3].max() > 200
    )
    late, early = drawn(1000, 0), drawn(3400, 0, -120)
    assert late[24:34, 100:220, 0].mean() > late[24:34, 100:220, 2].mean()  # red
    assert early[24:34, 100:220, 2].mean() > early[24:34, 100:220, 0].mean()  # blue
    assert np.array_equal(drawn(3600, 0), plain)
    assert not np.array_equal(drawn(26_000, 0), plain)  # gold is gone


def test_the_end_says_how_far_a_car_came():
    there = result(TRACK, "two", driven(20, 50.0, finished=False))
    assert there.line(None) == "two: not finished, 10.0 m"
    assert result(TRACK, "two", driven(20)).line(150) == "two: 0:00.20  +0.05"


def test_odd_sizes_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(UserError, match="even"):
        write_film(tmp_path / "film.mp4", iter([np.zeros((71, 128, 3), np.uint8)]), fps=20)


def test_the_overlay_shows_keys_values_and_the_way():
    place = driven().pose.position[:1]

    def drawn(action: int, q: torch.Tensor) -> np.ndarray:
        image = Image.new("RGB", (320, 180))
        Overlay(TRACK, (180, 320))(image, Moment(12345, place, action, 123.0, q))
        return np.asarray(image).astype(int)

    plain = drawn(3, NONE)
    assert np.abs(drawn(0, NONE) - plain).max() > 100  # the accelerator's key
    assert np.abs(drawn(3, torch.arange(12.0)) - plain)[:90, 220:].max() > 100  # the values, top right
    assert plain[100:, :100].max() > 60  # the map, bottom left
    assert np.isfinite(drawn(3, torch.full((12,), torch.nan))).all()


@pytest.mark.parametrize("tone", [0, 90, 160, 255])
def test_the_clock_can_be_read_on_every_background(tone):
    image = Image.new("RGB", (640, 360), (tone,) * 3)
    Overlay(TRACK, (360, 640))(image, Moment(12345, driven().pose.position[:1], 0, 123.0, NONE))
    clock = np.asarray(image.crop((270, 8, 370, 40))).mean(-1)
    assert clock.max() > 245 and np.median(clock) < 125
