"""Linesight's counters over made-up runs, against its loop written out; and the replay's size in steps."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from btr_tm.core.clock import Credit, UseCredit
from btr_tm.core.errors import UserError
from btr_tm.core.schedule import ReplaySizeSchedule

LINESIGHT = [[0, 50_000, 20_000], [5_000_000, 100_000, 75_000], [7_000_000, 200_000, 150_000]]


class SlowLearner:
    """The learner's loop: a number of new transitions comes in, then it trains until its budget is spent."""

    def __init__(self, replay_size: ReplaySizeSchedule, batch_size: int, uses: int) -> None:
        self.replay_size, self.batch_size, self.uses = replay_size, batch_size, uses
        self.capacity, self.start_learning = replay_size(0)
        self.offset = uses * self.start_learning
        self.generated = self.size = self.used = self.should_have_been_used = 0

    def race(self, transitions: int) -> int:
        """Batches trained after a race."""
        capacity, start_learning = self.replay_size(self.generated)
        if capacity != self.capacity:
            self.offset += (start_learning - self.start_learning) * self.uses
            self.capacity, self.start_learning = capacity, start_learning
        for _ in range(transitions):
            self.size += self.size < self.capacity
        self.generated += transitions
        self.should_have_been_used += self.uses * transitions
        batches = 0
        while self.size >= self.start_learning and self.used + self.offset <= self.should_have_been_used:
            filling = self.size < self.capacity and self.capacity > 200_000
            self.used += (4 if filling else 1) * self.batch_size
            batches += 1
        return batches


def races(seed: int, upto: int, longest: int) -> Iterator[int]:
    lengths, total = random.Random(seed), 0
    while total < upto:
        length = lengths.randrange(1, longest)
        total += length
        yield length


@pytest.mark.parametrize(
    ("points", "batch_size", "uses", "upto"),
    [
        ([[0, 500, 200], [2000, 1000, 700], [4000, 1500, 900]], 64, 32, 8000),
        ([[0, 500, 0]], 48, 7, 4000),
        ([[0, 3000, 1000], [9000, 250_000, 20_000]], 512, 32, 400_000),
        ([[0, 300, 100], [500, 900, 850], [700, 901, 901]], 4096, 32, 5000),
    ],
)
def test_updates_follow_the_loop_race_by_race(points, batch_size: int, uses: int, upto: int) -> None:
    replay_size = ReplaySizeSchedule(points, speed=1.0)
    slow, credit, frames = (
        SlowLearner(replay_size, batch_size, uses),
        UseCredit(batch_size / uses, replay_size, batch_size, train_share=1.0),
        0,
    )
    batches = []
    for length in races(len(points), upto, max(2, upto // 400)):
        frames += length
        batches.append(slow.race(length))
        assert credit.due(frames) == batches[-1], frames
    assert sum(batches) > 5 and 0 in batches


def test_each_transition_is_used_32_times_once_the_warm_up_is_paid() -> None:
    """Full size: batches of 4096 after 20,000 transitions, none of which is caught up with."""
    credit = UseCredit(128, ReplaySizeSchedule(LINESIGHT, speed=1.0), 4096, train_share=1.0)
    assert credit.due(19_999) == 0
    assert credit.due(20_000) == 1  # at once, on credit
    total = 1 + sum(credit.due(frames) for frames in range(20_000, 4_000_001, 1000))
    assert total == 1 + (4_000_000 - 20_000) // 128


def test_learning_pauses_at_a_step_until_the_replay_holds_enough() -> None:
    """The table of the published run v4.2, of whose transitions 85.5 % are trained on.

    It holds 262,144 of them after 730,000 frames, but has paid for 229,376 more of them after 768,000 only.
    """
    table = ReplaySizeSchedule([[0, 65_536, 32_768], [500_000, 1_048_576, 262_144]], speed=1.0)
    credit = UseCredit(128, table, 4096, train_share=0.855)
    learns = [frames for frames in range(0, 1_000_001, 500) if credit.due(frames)]
    pause = max(zip(learns, learns[1:], strict=False), key=lambda pair: pair[1] - pair[0])
    assert pause == (500_000, pytest.approx(500_000 + (262_144 - 32_768) / 0.855, abs=500))
    begin = 32_768 / 0.855
    assert learns[0] == pytest.approx(begin, abs=500)


def test_a_larger_replay_than_200_000_learns_four_times_more_slowly_until_it_is_full() -> None:
    size = ReplaySizeSchedule([[0, 300_000, 1000]], speed=1.0)
    credit = UseCredit(128, size, 4096, train_share=1.0)
    filling = sum(credit.due(frames) for frames in range(0, 300_000, 100))
    full = sum(credit.due(frames) for frames in range(300_000, 600_000, 100))
    assert filling == pytest.approx(299_000 / 128 / 4, abs=2) and full == pytest.approx(300_000 / 128, abs=5)


SIZE = ReplaySizeSchedule([[0, 100_000, 1000]], speed=1.0)
BOTH = pytest.mark.parametrize(
    "build",
    [lambda: Credit(128, 1000, 4096), lambda: UseCredit(128, SIZE, 4096, 1.0)],
    ids=["frames", "uses"],
)


@BOTH
def test_uses_that_are_granted_buy_updates_once(build) -> None:
    """10 updates are granted, later 5 more; what is told are all that were ever granted."""
    one, other = build(), build()
    expected = [one.due(frames) for frames in (2000, 4000, 6000, 8000, 9000)]
    granted = [0, 10, 10, 15, 15]
    found = [
        other.due(frames, updates * 4096)
        for frames, updates in zip((2000, 4000, 6000, 8000, 9000), granted, strict=True)
    ]
    assert found == [due + more for due, more in zip(expected, (0, 10, 0, 5, 0), strict=True)]


@BOTH
def test_frames_that_were_paid_for_are_not_paid_for_again(build) -> None:
    once, back = build(), build()
    assert sum(back.due(frames) for frames in (6000, 5000, 7000)) == sum(map(once.due, (6000, 7000)))


def test_test_transitions_pay_for_nothing() -> None:
    credit = Credit(64, 0, 1, train_share=0.95)
    assert credit.due(64_000) == 950


@BOTH
def test_an_account_continues_from_its_state(build) -> None:
    one, other = build(), build()
    one.due(5000, 4096)
    other.load_state_dict(one.state_dict())
    assert [one.due(f, 8192) for f in (5100, 9000)] == [other.due(f, 8192) for f in (5100, 9000)]


def test_the_size_holds_each_step_until_the_next_and_is_stretched_by_the_speed() -> None:
    once, slow = (ReplaySizeSchedule(LINESIGHT, speed) for speed in (1.0, 4.0))
    assert [once(frames) for frames in (0, 4_999_999)] == [(50_000, 20_000)] * 2
    assert once(5_000_000) == slow(20_000_000) == (100_000, 75_000)
    assert slow(19_999_999) == (50_000, 20_000)
    assert once(10**9) == (200_000, 150_000) and once.largest == 200_000


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "first point of a schedule must be at frame 0"),
        ([[10, 100, 10]], "first point of a schedule must be at frame 0"),
        ([[0, 100]], r"triples \[frame, capacity, start_learning\]"),
        ([[0, 100, 10], [10, 50, 10]], "never shrink"),
        ([[0, 100, 101]], "start_learning must be from 0 to the capacity"),
    ],
)
def test_impossible_sizes_are_refused_in_one_sentence(points, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ReplaySizeSchedule(points, speed=1.0)
