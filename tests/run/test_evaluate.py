"""Evaluation: what the figures say, and which race is remembered."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Decision
from btr_tm.envs.execution import HOW
from btr_tm.envs.plain import plain_simulator
from btr_tm.race.progress import CutOffs
from btr_tm.run import evaluation_races
from btr_tm.run.evaluate import Evaluator
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.run.race import NO_RACE, Race
from btr_tm.sim.track.load import load_track


class Steady:
    """Always the same action."""

    def __init__(self, action: int) -> None:
        self.action = action

    def unchanged(self):
        return nullcontext()

    def act(self, obs, explore):
        assert not explore
        cars = len(obs.floats)
        action = torch.full((cars,), self.action)
        return Decision(action, action == action, torch.full((cars, 2), 3.0))


@pytest.fixture
def evaluator(fake_env):
    return Evaluator(InlineRaces(fake_env, 4), Clock(frames=7), track_m=20.0, author_time_s=0.8)


def test_figures_of_finished_races(evaluator):
    # the canonical car needs 20 decisions of 50 ms; seeded cars start up to 0.4 m behind and need 21
    figures = evaluator.run(Steady(1))
    assert figures["canonical_time_s"] == 1.0 and figures["best_time_s"] == 1.0
    assert figures["finish_rate"] == 1.0 and figures["progress_mean"] == 1.0
    assert figures["mean_time_s"] == pytest.approx(1.05) and figures["std_time_s"] == pytest.approx(
        0.0, abs=1e-9
    )
    assert figures["author_ratio"] == pytest.approx(1.25) and figures["q_mean"] == 3.0
    assert figures["best_canonical_time_s"] == 1.0


def test_a_game_without_seeded_starts_is_judged_by_its_canonical_race(fake_env):
    figures = Evaluator(InlineRaces(fake_env, 0), Clock(), track_m=20.0).run(Steady(1))
    assert figures["finish_rate"] == figures["progress_mean"] == figures["mean_time_s"] == 1.0
    figures = Evaluator(InlineRaces(fake_env, 0), Clock(), track_m=20.0).run(Steady(0))
    assert figures["mean_time_s"] == 2.0


def test_canonical_race_is_recorded_decision_by_decision(evaluator):
    evaluator.run(Steady(1))
    assert evaluator.best.actions.tolist() == [1] * 20
    assert evaluator.best.rewards.tolist() == [1.0] * 20
    assert evaluator.best.potentials.tolist() == [*range(20), 0.0]
    assert evaluator.best.frames == 7 and evaluator.best.finished


def test_whoever_waits_for_races_hears_how_far_they_are(evaluator):
    heard = []
    evaluator.races.drive(Steady(1), 0, lambda decisions, over: heard.append((decisions, over)))
    assert heard == [(8, 0), (16, 0), (24, 5)]


def test_a_race_that_never_ends_is_one_sentence(fake_env, monkeypatch):
    class Endless(fake_env):
        def step(self, action):
            self.ticks, self.metres = self.ticks * 0, self.metres * 0
            return super().step(action)

    monkeypatch.setattr(evaluation_races, "LONGEST_RACE", 40)
    with pytest.raises(UserError, match="has not ended after 40 decisions; give the environment a limit"):
        Evaluator(InlineRaces(Endless, 1), Clock()).run(Steady(1))


def test_figures_that_do_not_exist_are_nan(fake_env):
    evaluator = Evaluator(InlineRaces(fake_env, 2), Clock(), track_m=40.0)
    figures = evaluator.run(Steady(0))
    assert figures["canonical_time_s"] == 2.0 and math.isnan(figures["author_ratio"])


def test_best_race_is_kept_over_evaluations_and_a_resume(evaluator, fake_env):
    evaluator.run(Steady(1))
    evaluator.clock.frames = 99
    evaluator.run(Steady(0))
    assert evaluator.best.frames == 7
    again = Evaluator(InlineRaces(fake_env, 4), Clock(), track_m=20.0)
    again.load_state_dict(evaluator.state_dict())
    assert again.best.time_ms == 1000 and again.best.actions.tolist() == [1] * 20


def test_finished_beats_farther_and_faster_beats_slower():
    actions = torch.zeros(1, dtype=torch.int64)
    races = [
        NO_RACE,
        Race(actions, False, 300_000, 10.0, 0),
        Race(actions, False, 2_000, 900.0, 0),
        Race(actions, True, 30_000, 900.0, 0),
        Race(actions, True, 24_000, 900.0, 0),
    ]
    assert sorted(reversed(races), key=Race.rank) == races


def test_nobody_at_the_finish_is_no_warning(fake_env):
    evaluator = Evaluator(InlineRaces(fake_env, 2), Clock(), track_m=20.0)
    evaluator.races.env.step = stalled(evaluator.races.env.step)
    figures = evaluator.run(Steady(0))
    assert figures["finish_rate"] == 0.0 and math.isnan(figures["std_time_s"])
    assert not evaluator.best.finished


def stalled(step):
    """The environment's step with every race over and nobody at the finish."""

    def unfinished(action):
        *rest, info = step(action)
        races = info["races"]._replace(done=action == action, finished=action != action)
        return *rest, info | {"races": races}

    return unfinished


class ByFeel:
    """Acts on its car's own numbers; remembers how many cars it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def unchanged(self):
        return nullcontext()

    def act(self, obs, explore):
        self.asked.append(len(obs.floats))
        action = (obs.floats[:, -40:].abs().sum(1) * 10).long() % 3 + 2  # mostly gas, some steering
        q = obs.floats[:, :12]
        return Decision(action, action == action, q)


def simulator(compile="eager"):
    cut_offs = CutOffs(race_ms=4_000, no_progress_ms=600)
    track, options = load_track("hills"), {"cut_offs": cut_offs, "compile": compile}
    return lambda cars: plain_simulator(track, cars, (16, 16), start_pool=2, **options)


@pytest.mark.parametrize("compile", ["eager", "kernel"])
def test_races_that_are_over_are_not_driven_on_and_nothing_else_changes(compile):
    results, asked = [], []
    for shrinks in (True, False):
        races, driver = InlineRaces(simulator(compile), 7), ByFeel()
        races.env.can_shrink = shrinks
        results.append(races.drive(driver, 0))
        asked.append(driver.asked)
    fewer, all_of_them = results
    assert {8, 4} <= set(asked[0]) <= {8, 4, 2, 1} and asked[0] == sorted(asked[0], reverse=True)
    assert set(asked[1]) == {8} and len(asked[0]) == len(asked[1])
    assert len(set(fewer.time_s.tolist())) > 1  # some races ended before others
    for ours, theirs in zip(fewer[:-1], all_of_them[:-1], strict=True):
        assert torch.equal(ours, theirs)
    assert all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b))
        for a, b in zip(fewer.canonical, all_of_them.canonical, strict=True)
    )


def test_a_compiled_simulator_keeps_its_size(monkeypatch):
    monkeypatch.setitem(HOW, "compiled", lambda function: function)
    assert not simulator("compiled")(2).can_shrink


def test_the_next_evaluation_has_all_races_again():
    races, driver = InlineRaces(simulator(), 7), ByFeel()
    first, second = races.drive(driver, 0), races.drive(driver, 0)
    assert torch.equal(first.time_s, second.time_s) and driver.asked.count(8) >= 2
