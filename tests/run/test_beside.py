"""Evaluations beside training: the same figures, whatever happens to their process."""

from __future__ import annotations

import time

import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.beside import RacesBeside
from btr_tm.run.evaluation_races import InlineRaces, Result, never

from .conftest import FakeEnv
from .racers import Build, ByWeight


@pytest.fixture
def beside():
    begun: list[RacesBeside] = []

    def make(trouble: str = "") -> RacesBeside:
        begun.append(RacesBeside(Build(trouble)))
        return begun[-1]

    yield make
    for races in begun:
        races.close()


def same(one: Result, other: Result) -> bool:
    leaves = [(*each[:-1], *each.canonical) for each in (one, other)]
    return all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(*leaves, strict=True))


def test_the_races_are_those_of_the_weights_at_the_beginning(beside) -> None:
    races, driver = beside(), ByWeight(1.0)
    for frames, weight in ((7, 1.0), (8, 0.0), (9, 1.0)):
        driver.set(weight)
        expected = InlineRaces(FakeEnv, 4).drive(driver, frames)
        assert races.begin(driver, frames, never)
        driver.set(1.0 - weight)  # training goes on
        assert same(races.result(wait=True), expected)
        assert races.result(wait=True) is None, "each is given once"


@pytest.mark.parametrize("open", [True, False])
def test_it_lets_go_of_its_game_at_the_end(open: bool, tmp_path) -> None:
    races, driver = RacesBeside(Build(left=str(tmp_path / "left"), slow_s=0.05)), ByWeight(1.0)
    races.begin(driver, 1, never)
    if open:
        while not (tmp_path / "left.begun").exists():
            time.sleep(0.01)
    else:
        races.result(wait=True)
    races.close()
    assert (tmp_path / "left").exists()


def test_none_is_begun_once_a_stop_is_asked_for(beside) -> None:
    races = beside()
    assert not races.begin(ByWeight(), 0, lambda: True) and races.result(wait=True) is None


def test_its_cpu_seconds_are_the_runs(beside) -> None:
    races, watch = beside(), Stopwatch()
    races.charge_to(watch)
    races.begin(ByWeight(), 0, never)
    watch.lap()
    own = Stopwatch()
    races.result(wait=True)
    assert watch.lap().cpu_seconds > own.lap().cpu_seconds + 0.1, "its imports alone take longer"


def test_a_pipe_that_is_broken_where_it_is_asked_is_noticed(beside) -> None:
    races, driver = beside(), ByWeight(1.0)
    races.begin(driver, 1, never)
    races.result(wait=True)
    races.begin(driver, 2, never)
    whole = races._pipe
    races._process.kill()

    class Broken:  # as on Windows
        def poll(self) -> bool:
            raise BrokenPipeError

        def close(self) -> None:
            whole.close()

    races._pipe = Broken()
    assert races.result(wait=False) is None
    assert same(races.result(wait=True), InlineRaces(FakeEnv, 4).drive(driver, 2))


def test_a_process_that_is_killed_is_started_again_for_the_same_evaluation(beside) -> None:
    races, driver = beside(), ByWeight(1.0)
    for frames in (1, 2):
        races.begin(driver, frames, never)
        races._process.kill()
        assert races.result(wait=True).canonical.frames == frames


@pytest.mark.parametrize(
    ("trouble", "error", "says"),
    [
        ("dies", RuntimeError, "ended twice, last with exit code 3"),
        ("refuses", UserError, "^the game is gone$"),
        ("fails", RuntimeError, "ValueError: a bug"),
    ],
)
def test_what_goes_wrong_again_stops_the_run_with_its_reason(beside, trouble, error, says) -> None:
    races = beside(trouble)
    races.begin(ByWeight(), 0, never)
    with pytest.raises(error, match=says):
        races.result(wait=True)


class Late:
    """Inline races whose result is ready after some questions."""

    def __init__(self, questions: int) -> None:
        self.inline, self.questions = InlineRaces(FakeEnv, 4), questions
        self.env, self.waits, self.asked, self.waited = self.inline.env, None, 0, 0

    def begin(self, policy, frames, stop) -> bool:
        self.waits, self.asked = self.inline.drive(policy, frames), 0
        return True

    def result(self, wait):
        self.asked += 1
        if self.waits is None or (self.asked <= self.questions and not wait):
            return None
        self.waited += self.asked <= self.questions
        ready, self.waits = self.waits, None
        return ready

    def charge_to(self, watch) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("questions", [0, 1, 10, 30, 10**9])
def test_the_record_is_the_same_however_late_the_figures_come(tmp_path, build, questions) -> None:
    inline, late = build(tmp_path / "inline"), build(tmp_path / "late")
    late.evaluator.races = races = Late(questions)
    for run in (inline, late):
        run.train()
    rows = [read_record(run.record.path) for run in (inline, late)]
    changing = ("wall_s", "cpu_s", "speed/", "time/")
    kept = [
        [{k: v for k, v in row.items() if not k.startswith(changing)} for row in record] for record in rows
    ]
    assert kept[0] == kept[1] and any("eval/finish_rate" in row for row in kept[0])
    assert races.waited == (0 if questions < 10 else races.waited) and (
        questions < 10**9 or races.waited == 4
    )
    assert late.evaluator.best.rank() == inline.evaluator.best.rank()


def test_a_run_that_stops_first_waits_for_the_figures(tmp_path, build) -> None:
    whole, first = build(tmp_path / "whole"), build(tmp_path / "parts")
    whole.train()
    first.evaluator.races = Late(10**9)
    begin = first.evaluator.races.begin

    def begin_and_stop(*arguments):
        first.interrupts.ask()
        return begin(*arguments)

    first.evaluator.races.begin = begin_and_stop
    first.train()
    assert not first.finished and first.evaluator.latest_frames == first.clock.frames > 0
    second = build(tmp_path / "parts")
    second.train()
    rows = [
        [
            (row["frames"], row["eval/best_time_s"])
            for row in read_record(run.record.path)
            if "eval/best_time_s" in row
        ]
        for run in (whole, second)
    ]
    assert rows[0] == rows[1] and torch.equal(whole.learner.weight, second.learner.weight)
