"""The fastest race that was driven in training: seen, kept, saved, and driven again."""

from __future__ import annotations

import json

import pytest
import torch

from btr_tm.core.interrupts import Interrupts
from btr_tm.core.types import Chunk, Obs, Races, Transition
from btr_tm.envs.plain import plain_simulator
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.report import film, redrive
from btr_tm.report.summary import RaceReport
from btr_tm.run.race import NO_RACE
from btr_tm.run.training_races import LOOK_EVERY, FastestTrainingRace
from btr_tm.sim.track.flat import straight_track

DECISION_MS = 50


def chunk_of(actions, races, cars=slice(None), **others):
    """A chunk of the decisions `actions` (each (E,) or (E, K)) and the `races` after each."""
    nothing = torch.zeros(len(actions[0]))
    obs = Obs(torch.zeros(0), torch.zeros(0))
    transitions = [
        Transition(obs, action, nothing > 0, nothing, nothing, obs, nothing, nothing > 0, nothing > 0)
        for action in actions
    ]
    return Chunk(transitions, races, len(actions) * len(nothing), cars, **others)


def races_of(done, finished, time_ms, from_start):
    cars = len(done)
    flags = [torch.tensor(each) for each in (done, finished)]
    metres = torch.zeros(cars)
    return Races(*flags, torch.tensor(time_ms), metres, torch.tensor(from_start), metres)


class Cars:
    """Cars whose races last as many decisions as `lengths` says, one race after the other."""

    def __init__(self, lengths, from_start, block=(), finished=True, seed=0):
        self.lengths, self.from_start, self.finished = lengths, from_start, finished
        self.generator, self.block = torch.Generator().manual_seed(seed), block
        self.race = [0] * len(lengths)
        self.driven = [[] for _ in lengths]  # actions of the race under way
        self.ended = []  # (time, actions) of races that came home from the start line

    def decide(self):
        action = torch.randint(12, (len(self.lengths), *self.block), generator=self.generator)
        done, from_start, times = [], [], []
        for car, lengths in enumerate(self.lengths):
            at = self.race[car] % len(lengths)
            self.driven[car].append(action[car])
            times.append(len(self.driven[car]) * DECISION_MS - 20)
            done.append(len(self.driven[car]) == lengths[at])
            from_start.append(self.from_start[car][at])
            if done[-1]:
                if from_start[-1] and self.finished:
                    self.ended.append((times[-1], torch.stack(self.driven[car])))
                self.driven[car], self.race[car] = [], self.race[car] + 1
        finished = [each and self.finished for each in done]
        return action, races_of(done, finished, times, from_start)


def drive(kept, cars, decisions, frames=0, at_once=3, where=slice(None)):
    for _ in range(0, decisions, at_once):
        steps = [cars.decide() for _ in range(at_once)]
        frames += at_once * len(cars.lengths)
        kept.add(chunk_of([a for a, _ in steps], [r for _, r in steps], where), frames)
    return frames


@pytest.mark.parametrize("block", [(), (4,)])
def test_the_fastest_race_from_the_start_line_is_kept_by_its_actions(block):
    kept = FastestTrainingRace(DECISION_MS, 60_000)
    cars = Cars([(9, 8, 30), (7, 4, 11), (40,)], [(True,) * 3, (True, False, True), (True,)], block)
    frames = drive(kept, cars, 600)
    time_ms, actions = min(cars.ended, key=lambda each: each[0])
    best = kept.take()
    assert (best.finished, best.time_ms, best.exploring) == (True, 330, True) and time_ms == 330
    assert torch.equal(best.actions, actions) and best.actions.dtype == torch.int64
    assert best.frames < frames and best.origin == "training at 27 frames, while exploring"


def test_a_race_that_began_elsewhere_or_was_given_up_is_none():
    kept = FastestTrainingRace(DECISION_MS, 60_000)
    drive(kept, Cars([(5,)], [(False,)]), 300)
    drive(kept, Cars([(5,)], [(True,)], finished=False), 300)
    assert kept.take() is NO_RACE


def test_a_race_as_long_as_allowed_is_kept_and_a_longer_one_is_not():
    for length, kept_one in ((20, True), (21, False)):
        kept = FastestTrainingRace(DECISION_MS, 1000)
        cars = Cars([(length,)], [(True,)])
        drive(kept, cars, 3 * LOOK_EVERY)
        assert kept.take().finished == kept_one
        if kept_one:
            assert torch.equal(kept.take().actions, cars.ended[0][1])


def test_a_race_that_was_under_way_at_a_checkpoint_is_kept(tmp_path):
    whole, first = FastestTrainingRace(DECISION_MS, 60_000), FastestTrainingRace(DECISION_MS, 60_000)
    again = FastestTrainingRace(DECISION_MS, 60_000)
    lengths, starts = [(90, 80, 70), (75, 60)], [(True,) * 3, (True,) * 2]
    frames = drive(whole, Cars(lengths, starts), 240)
    cars = Cars(lengths, starts)
    before = drive(first, cars, 120)
    torch.save(first.state_dict(), tmp_path / "checkpoint.pt")
    again.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert drive(again, cars, 120, before) == frames
    assert again.take().time_ms == whole.take().time_ms == 60 * DECISION_MS - 20
    assert torch.equal(again.take().actions, whole.take().actions)
    assert again.take().frames == whole.take().frames


def test_a_run_on_another_device_goes_on_there_from_its_checkpoint():
    """What a checkpoint holds is read on the CPU."""
    first, again = FastestTrainingRace(DECISION_MS, 60_000), FastestTrainingRace(DECISION_MS, 60_000)
    drive(first, Cars([(90,)], [(True,)]), 30)
    state = first.state_dict()
    again.load_state_dict(state)
    kept = again.state_dict()["driven"]
    assert kept.keys() == state["driven"].keys()
    assert all(torch.equal(last, state["driven"][cars]) for cars, last in kept.items())
    action, races = Cars([(90,)], [(True,)]).decide()
    there = Races(*(leaf.to("meta") for leaf in races))
    again.add(chunk_of([action.to("meta")], [there]), 1)
    assert {driven.actions.device.type for driven in again._driven.values()} == {"meta"}


def test_cars_that_are_collected_apart_do_not_mix():
    kept, near, far = FastestTrainingRace(DECISION_MS, 60_000), slice(0, 1), slice(1, 3)
    first, second = Cars([(30,)], [(True,)]), Cars([(40,), (29,)], [(True,), (True,)], seed=1)
    for turn in range(40):
        drive(kept, first, 3, where=near)
        if turn % 2:
            drive(kept, second, 6, where=far)
    assert kept.take().time_ms == 29 * DECISION_MS - 20
    assert any(torch.equal(kept.take().actions, actions) for _, actions in second.ended)


@pytest.mark.parametrize("gap", ["lost", "cut"])
def test_a_race_with_a_gap_is_not_kept(gap):
    kept, cars = FastestTrainingRace(DECISION_MS, 60_000), Cars([(30, 60, 60)], [(True, True, True)])
    drive(kept, cars, 15, where=slice(0, 1))
    kept.add(Chunk([], [], 0, **{gap: [slice(0, 1)]}), 15)
    drive(kept, cars, 75, where=slice(0, 1))
    assert kept.take().time_ms == 60 * DECISION_MS - 20  # not the one of 30, half of which is missing


def test_a_training_race_of_the_simulator_takes_the_same_time_when_driven_again():
    track = straight_track(length_m=200.0)
    env = plain_simulator(track, 3, (0, 0), start_pool=8, action_delay_ticks=2)
    kept, generator = FastestTrainingRace(env.decision_ms, 60_000), torch.Generator().manual_seed(1)
    env.reset(options={"start": "training"})
    times = []
    for frames in range(250):
        action = torch.tensor([0, 0, 0, 1, 2, 9, 3])[torch.randint(7, (3,), generator=generator)]
        _, _, _, _, info = env.step(action)
        kept.add(chunk_of([action], [info["races"]]), 3 * frames)
        races = info["races"]
        times += races.time_ms[races.done & races.finished & races.from_start].tolist()
    best = kept.take()
    assert len(set(times)) > 1 and best.time_ms == min(times)
    again = redrive.redrive(track, redrive.per_tick(best.actions, env.decision_ticks, 2))
    assert again.finished and again.time_ms == best.time_ms


@pytest.fixture
def filmed(monkeypatch):
    monkeypatch.setattr(film, "film", lambda path, scenes, look: path)


def test_the_report_keeps_the_fastest_race_wherever_it_was_driven(filmed, tmp_path):
    track = straight_track(length_m=120.0)
    (tmp_path / "record.jsonl").touch()
    slow, fast = torch.zeros(200, dtype=torch.int64), torch.zeros(200, dtype=torch.int64)
    slow[:20] = NO_THROTTLE
    times = [redrive.redrive(track, redrive.per_tick(each, 5)).time_ms for each in (slow, fast)]
    evaluated = NO_RACE._replace(actions=slow, finished=True, time_ms=times[0], frames=100)
    trained = NO_RACE._replace(actions=fast, finished=True, time_ms=times[1], frames=50, exploring=True)
    report, said = RaceReport("title", track, 5, 0), []
    made = report.make([evaluated, trained], tmp_path, said.append)
    assert made["best_race_s"] == times[1] / 1000 and said == []
    assert made["best_race_from"] == "training at 50 frames, while exploring"
    again = report.make([evaluated, trained._replace(actions=fast[:20])], tmp_path, said.append)
    assert again["best_race_from"] == "evaluation at 100 frames"  # for the other does not come home
    assert again["best_race_s"] == times[0] / 1000 and len(said) == 1
    assert json.dumps(again)


NO_THROTTLE = 3


def raced(folder, build, **options):
    """A run of stand-ins, and the best races that its report is given."""
    given = []

    class Kept:
        def make(self, best, folder, say):
            given.extend(best)
            return {}

    run = build(folder, report=Kept(), training_races=FastestTrainingRace(DECISION_MS, 3000), **options)
    return run, given


def test_a_run_hands_both_best_races_to_its_report_also_after_a_stop(tmp_path, build):
    run, given = raced(tmp_path / "whole", build)
    run.train()
    times = [row["race/best_time_s"] for row in read_record(run.record.path) if "race/best_time_s" in row]
    evaluated, trained = given
    assert not evaluated.exploring and trained.exploring and trained.time_ms == round(1000 * min(times))
    killed, none = raced(tmp_path / "killed", build)
    killed.interrupts = Asked(after=30)
    killed.train()
    again, found = raced(tmp_path / "killed", build)
    again.train()
    assert none == [] and 0 < again.learner.updates < run.learner.updates
    assert torch.equal(found[1].actions, trained.actions) and found[1].frames == trained.frames


class Asked(Interrupts):
    """Asks for an end when it has been looked at `after` times."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    @property
    def asked(self):
        self.after -= 1
        return self.after < 0
