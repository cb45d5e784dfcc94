"""What a run leaves behind: the best race driven again, its files, the pictures."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Decision
from btr_tm.envs.plain import plain_simulator
from btr_tm.metrics.sinks.jsonl import JsonlSink
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report import film, plots, race_picture, redrive, track_picture
from btr_tm.report.summary import CurveReport, RaceReport
from btr_tm.run.evaluate import Evaluator
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.run.race import NO_RACE
from btr_tm.sim.track.flat import straight_track
from btr_tm.sim.track.load import author_inputs, load_track
from btr_tm.sim.track.map_view import MapView
from btr_tm.sim.world import NO_KEYS

PNG = b"\x89PNG"


class Weaver:
    """Full throttle with a little steering now and then: actions that must be timed rightly."""

    def __init__(self) -> None:
        self.step = 0

    def unchanged(self):
        return nullcontext()

    def act(self, obs, explore):
        self.step += 1
        cars = len(obs.floats)
        action = torch.full((cars,), (1 if self.step % 20 == 3 else 2 if self.step % 20 == 7 else 0))
        return Decision(action, action == action, torch.zeros(cars, 12))


def raced(track, delay_ticks):
    """The canonical race of the weaver, seen by the environment."""

    def env(cars):
        return plain_simulator(track, cars, (0, 0), start_pool=8, action_delay_ticks=delay_ticks)

    evaluator = Evaluator(InlineRaces(env, 1), Clock(), track_m=track.finish_m - track.start_m)
    evaluator.run(Weaver())
    return evaluator.best


@pytest.fixture(scope="module")
def track():
    return straight_track(length_m=200.0)


@pytest.fixture(autouse=True)
def films(monkeypatch):
    """Calls of the film maker, which has its own tests and takes seconds."""
    calls = []

    def write(path, scenes, look):
        (shown,) = scenes
        (racer,) = shown.racers
        calls.append(racer)
        return path

    monkeypatch.setattr(film, "film", write)
    return calls


@pytest.mark.parametrize("delay_ticks", [0, 3])
def test_race_driven_again_from_its_inputs_takes_the_time_the_environment_saw(track, delay_ticks, tmp_path):
    best = raced(track, delay_ticks)
    assert best.finished
    again = redrive.redrive(track, redrive.per_tick(best.actions, 5, delay_ticks))
    assert again.finished and again.time_ms == best.time_ms
    path = tmp_path / "race.inputs"
    redrive.inputs_of(track, again).write(path)
    from_file = InputsFile.read(path)
    assert from_file.time_ms == best.time_ms
    assert redrive.redrive(track, from_file.actions).time_ms == best.time_ms


def test_races_driven_side_by_side_are_those_driven_alone(track):
    generator = torch.Generator().manual_seed(3)
    slow = torch.randint(12, (30,), generator=generator).repeat_interleave(10)
    races = [slow, torch.zeros(3000, dtype=torch.int64), slow[:40]]
    for alone, beside in zip(
        [redrive.redrive(track, each) for each in races], redrive.redrive_all(track, races), strict=True
    ):
        assert (alone.finished, alone.time_ms) == (beside.finished, beside.time_ms)
        assert torch.equal(alone.actions, beside.actions)
        assert all(map(torch.equal, alone.pose, beside.pose))


def test_the_author_s_race_is_the_one_of_its_inputs_to_the_bit():
    track = load_track("oval")
    quick, slow = redrive.redrive_author(track), redrive.redrive(track, author_inputs(track).actions)
    assert quick.finished and quick.time_ms == slow.time_ms == track.author_time_ms
    for ours, theirs in zip((*quick.pose, quick.wall), (*slow.pose, slow.wall), strict=True):
        assert torch.equal(ours, theirs)


def test_redriven_race_ends_at_the_finish(track):
    race = redrive.redrive(track, torch.zeros(3000, dtype=torch.int64))
    assert race.finished and len(race.actions) == len(race.pose.s_m) == race.time_ms // 10
    assert float(race.pose.s_m[-2]) < track.finish_m <= float(race.pose.s_m[-1])


def test_delay_holds_no_keys():
    assert redrive.per_tick(torch.tensor([4, 0]), 2, 3).tolist() == [NO_KEYS] * 3 + [4, 4, 0, 0]


def test_blocks_are_pressed_slot_by_slot():
    blocks = torch.tensor([[4, 0, 1], [2, 2, 5]])
    assert redrive.per_tick(blocks, 3, 2).tolist() == [NO_KEYS] * 2 + [4, 0, 1, 2, 2, 5]
    q = torch.arange(12.0).view(2, 3, 2)
    assert torch.equal(redrive.values_per_tick(q, 3), q.view(6, 2))
    single = torch.arange(4.0).view(2, 2)
    assert redrive.values_per_tick(single, 2).tolist() == [[0, 1], [0, 1], [2, 3], [2, 3]]


class TickWeaver(Weaver):
    """Steers within blocks of four actions."""

    def unchanged(self):
        return nullcontext()

    def act(self, obs, explore):
        self.step += 1
        cars = len(obs.floats)
        row = torch.tensor([0, 1, 1, 0]) if self.step % 20 == 3 else torch.tensor([0, 0, 2, 0])
        action = (row if self.step % 20 in (3, 7) else 0 * row).expand(cars, 4)
        return Decision(action, torch.ones(cars, dtype=torch.bool), torch.rand(cars, 4, 12))


def test_a_race_of_blocks_is_filmed_and_written_tick_by_tick(track, tmp_path, films):
    def env(cars):
        parts = {"action_offsets_ms": (0, 10, 20, 30), "action_delay_ticks": 3, "start_pool": 8}
        return plain_simulator(track, cars, (0, 0), **parts)

    evaluator = Evaluator(InlineRaces(env, 1), Clock(), track_m=track.finish_m - track.start_m)
    figures = evaluator.run(TickWeaver())
    best = evaluator.best
    assert best.finished and best.actions.shape[1:] == (4,) and best.q.shape[1:] == (4, 12)
    assert figures["q_mean"] == pytest.approx(2.0, abs=0.05)  # four slots of 0.5
    (tmp_path / "record.jsonl").touch()
    said = []
    made = RaceReport("title", track, 4, 3).make([best], tmp_path, said.append)
    assert said == [] and made["best_race_s"] == best.time_ms / 1000
    file = InputsFile.read(tmp_path / made["inputs"])
    assert file.time_ms == best.time_ms and redrive.redrive(track, file.actions).time_ms == best.time_ms
    runs = file.actions.unique_consecutive(return_counts=True)
    assert {int(n) for action, n in zip(*runs, strict=True) if action in (1, 2)} == {1, 2}  # ticks held
    assert films[0].race.time_ms == best.time_ms and films[0].name == best.origin
    assert torch.equal(films[0].q, best.q.flatten(0, 1))


def test_report_writes_every_file_and_names_it(track, tmp_path, films):
    record = JsonlSink(tmp_path / "record.jsonl")
    for row in rows():
        record.write(row)
    said = []
    made = RaceReport("title", track, 5, 0).make([raced(track, 0)], tmp_path, said.append)
    assert said == [] and made["best_race_s"] > 3
    for name in ("curve", "race_line"):
        assert (tmp_path / made[name]).read_bytes()[:4] == PNG
    race = films[0].race
    assert set(race.actions.tolist()) == {0, 1, 2}
    assert made["film"].endswith("race.mp4") and float(race.pose.s_m[-1]) > 0.9 * track.finish_m
    assert InputsFile.read(tmp_path / made["inputs"]).time_ms == round(1000 * made["best_race_s"])


def test_report_says_when_the_race_takes_another_time_driven_again(track, tmp_path):
    (tmp_path / "record.jsonl").touch()
    best = raced(track, 0)._replace(time_ms=10)
    said = []
    RaceReport("title", track, 5, 0).make([best], tmp_path, said.append)
    assert len(said) == 1 and "0.01 s" in said[0]


def test_run_that_never_raced_still_has_its_curve(track, tmp_path):
    (tmp_path / "record.jsonl").touch()
    assert set(RaceReport("title", track, 5, 0).make([NO_RACE], tmp_path, print)) == {"curve"}
    assert set(CurveReport("title").make([NO_RACE], tmp_path, print)) == {"curve"}


def rows():
    """A record as training writes it: times appear late, some are missing."""
    for frames in range(0, 1000, 100):
        row = {"frames": frames, "race/finish_rate": frames / 1000, "eval/finish_rate": frames / 1000}
        row |= {"eval/progress_mean": 0.5, "race/return": 1.0, "eval/return_mean": 2.0}
        if frames > 400:
            row |= {"eval/mean_time_s": 30.0, "eval/std_time_s": 1.0, "eval/best_canonical_time_s": 29.0}
        if frames == 600:
            row |= {"eval/canonical_time_s": 29.0}
        yield row


def test_curve_without_a_single_finish_is_drawn(tmp_path):
    unfinished = [{k: v for k, v in row.items() if "time" not in k} for row in rows()]
    assert plots.learning_curve(unfinished, tmp_path / "curve.png", "title").stat().st_size > 5000


def test_a_race_is_seen_from_above_turned_as_in_films_and_not_mirrored():
    # the driver's right of a road heading south (z grows) is west (x falls)
    track = straight_track(length_m=100.0)
    ribbon = track.ribbon
    heading = track_picture.plan((ribbon.centre[10:11] - ribbon.centre[:1]).numpy())[0]
    aside = track_picture.plan(ribbon.right[:1].numpy())[0]
    assert heading[0] * aside[1] - heading[1] * aside[0] < 0  # clockwise from the heading, as on any map
    pixels = MapView(track).pixels(ribbon.centre[[0, 10]]).numpy()
    shown = (pixels[1] - pixels[0]) * [1, -1]  # rows of a picture count downward
    assert np.allclose(shown / np.linalg.norm(shown), heading / np.linalg.norm(heading), atol=1e-5)


def test_each_hit_of_a_wall_is_marked_once():
    track = straight_track(length_m=200.0)
    race = redrive.redrive(track, torch.zeros(400, dtype=torch.int64))
    wall = torch.zeros(len(race.wall), dtype=torch.int64)
    wall[[20, 21, 40, 100, 101, 200]] = 1
    assert race_picture.wall_hits(race._replace(wall=wall)).tolist() == [20, 100, 200]
    assert race_picture.wall_hits(race).tolist() == []


def test_the_curve_has_medals_that_are_near_and_the_time_it_took(tmp_path):
    drawn = []
    timed = [row | {"wall_s": 40.0 * row["frames"]} for row in rows()]
    medals = {"author": 23.0, "gold": 28.5, "bronze": 300.0}

    def save(figure, path):
        drawn.append(figure)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save", save)
        plots.learning_curve(timed, tmp_path / "curve.png", "title", medals)
    top = drawn[0].axes[0]
    texts = [text.get_text() for text in top.texts]
    assert texts == ["author 23.00 s", "gold 28.50 s"]
    (hours,) = top.child_axes
    assert hours.get_xlabel() == "hours of training"
    written = hours.xaxis.get_major_formatter()
    assert [written(at) for at in (0, 900, 1_000_000)] == ["0.0", "10.0", ""]


def test_gap_of_a_jump_is_left_out_of_the_road():
    assert plots.stretches(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert len(plots.stretches(load_track("a01").ribbon.road.numpy() > 0.5)) == 2


def test_frames_read_well():
    assert [plots.frames_text(n) for n in (0, 250_000, 1_500_000)] == ["0", "250k", "1.5M"]
