"""Where time is lost: sections of a track, and what a car did in each, against a loop over ticks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from btr_tm.core.errors import UserError
from btr_tm.race import actions
from btr_tm.report import section_text, sections
from btr_tm.report.redrive import Redriven
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.flat import oval_track, straight_track
from btr_tm.sim.track.load import load_track, shipped_tracks


def race_at(track, metres: list[float], seed: int = 0) -> Redriven:
    """A race with these metres after each tick, and the rest at random."""
    draw = np.random.default_rng(seed)
    ticks = len(metres)
    s_m = torch.tensor(metres) + track.start_m
    velocity = torch.tensor(draw.uniform(0, 60, (ticks, 3)), dtype=torch.float32)
    three, one = torch.zeros(ticks, 3), torch.zeros(ticks)
    pose = Pose(three, three, three, velocity, s_m, one, one, one, one, one)
    wall = torch.tensor(draw.integers(-1, 2, ticks), dtype=torch.float32)
    finished = bool(s_m[-1] >= track.finish_m)
    return Redriven(torch.tensor(draw.integers(0, 12, ticks)), pose, wall, finished, 10 * ticks)


def wandering(track, seed: int, ticks: int = 900) -> Redriven:
    """A race to the finish that now and then rolls back."""
    draw = np.random.default_rng(seed)
    steps = draw.uniform(-0.3, 1.0, ticks).cumsum()
    length_m = track.finish_m - track.start_m
    past = np.flatnonzero(steps >= length_m)
    assert len(past), "it never finishes"
    return race_at(track, steps[: past[0] + 1].tolist(), seed)


def crossing(race: Redriven, start_m: float, edge: float) -> tuple[float, int]:
    """When, and after how many ticks, the car first was at `edge`: a walk over the ticks."""
    before = 0.0
    for tick, s_m in enumerate(race.pose.s_m.tolist()):
        here = s_m - start_m
        if here >= edge:
            return 0.01 * (tick + (edge - before) / (here - before)), tick + 1
        before = max(before, here)
    raise AssertionError(edge)


def walked(race: Redriven, start_m: float, first_m: float, last_m: float) -> dict[str, float]:
    began, first = crossing(race, start_m, first_m) if first_m else (0.0, 0)
    ended, last = crossing(race, start_m, last_m)
    ticks = range(first, last)
    kmh = [3.6 * float(race.pose.velocity[tick].norm()) for tick in range(last)]
    entry = kmh[first - 1] if first else 0.0
    held = [[bool(key) for key in actions.TABLE[int(race.actions[tick])]] for tick in ticks]
    walls = [tick for tick in ticks if float(race.wall[tick])]
    return {
        "time_s": ended - began,
        "entry_kmh": entry,
        "lowest_kmh": min([entry, *(kmh[tick] for tick in ticks)]),
        "exit_kmh": kmh[last - 1],
        "wall_m": sum(kmh[tick] / 3.6 * 0.01 for tick in walls),
        "wall_ms": 10 * len(walls),
        "braking": sum(brake for _, brake, _, _ in held) / len(held),
        "steering": sum(left or right for _, _, left, right in held) / len(held),
        "throttle": sum(gas and not brake for gas, brake, _, _ in held) / len(held),
    }


@pytest.mark.parametrize("seed", range(3))
def test_figures_of_a_section_are_those_of_a_walk_over_its_ticks(seed: int) -> None:
    track = straight_track(length_m=320.0)
    race = wandering(track, seed)
    edges = [0.0, 60.0, 111.5, 180.0]
    for found, first, last in zip(sections.passages(track, race, edges), edges, edges[1:], strict=False):
        assert found._asdict() == pytest.approx(walked(race, track.start_m, first, last), rel=1e-5, abs=1e-5)


def test_times_of_the_sections_add_up_to_the_official_times_and_losses_to_their_difference() -> None:
    track = straight_track(length_m=320.0)
    driver, author = wandering(track, 0), wandering(track, 1)
    compared = sections.compare(track, driver, author)
    assert sum(each.driver.time_s for each in compared) == pytest.approx(driver.time_ms / 1000)
    assert sum(each.author.time_s for each in compared) == pytest.approx(author.time_ms / 1000)
    lost = (driver.time_ms - author.time_ms) / 1000
    assert sum(each.lost_s for each in compared) == pytest.approx(lost)
    assert f"{lost:+.2f} |" in section_text.section_table(compared).splitlines()[-1]
    assert f"{lost:+.2f} s in all" in section_text.verdict(compared, driver, author)


def test_a_race_against_itself_loses_nothing() -> None:
    track = straight_track(length_m=320.0)
    race = wandering(track, 2)
    compared = sections.compare(track, race, race)
    assert [each.lost_s for each in compared] == [0.0] * len(compared)
    assert [each.driver for each in compared] == [each.author for each in compared]


def test_a_race_that_gave_up_is_compared_as_far_as_it_came() -> None:
    track = straight_track(length_m=320.0)
    gave_up = race_at(track, [*np.linspace(0.5, 130.0, 200).tolist(), *[129.0] * 200])
    author = wandering(track, 1)
    compared = sections.compare(track, gave_up, author)
    assert compared[-1].section.last_m == pytest.approx(130.0, abs=1e-4) and not compared[-1].section.gate
    assert sum(each.driver.time_s for each in compared) == pytest.approx(2.0, abs=0.011)  # not the waiting
    assert sum(each.author.time_s for each in compared) == pytest.approx(
        crossing(author, track.start_m, 129.99)[0], abs=0.02
    )
    assert "ended after 130.0 m without a finish" in section_text.verdict(compared, gave_up, author)


def test_a_section_that_is_entered_in_the_last_tick_has_the_keys_of_that_tick() -> None:
    track = straight_track(length_m=320.0)
    race = race_at(track, [10.0, 20.0])
    last = sections.passages(track, race, [0.0, 15.0, 20.0])[-1]
    gas, brake, *_ = actions.TABLE[int(race.actions[-1])].bool().tolist()
    assert (last.throttle, last.braking) == (gas and not brake, brake)


def test_a_race_that_never_left_the_start_has_nothing_to_compare() -> None:
    track = straight_track(length_m=320.0)
    assert sections.compare(track, race_at(track, [-0.1, 0.0]), wandering(track, 1)) == []


def test_bends_of_an_oval_are_found_where_they_are_over_every_lap() -> None:
    track = oval_track(straight_m=200.0, radius_m=60.0, laps=2)
    found = sections.cut(track)
    turn_m, lap_m = np.pi * 60.0, 2 * (200 + np.pi * 60.0)
    for section in found:
        middle = (section.first_m + section.last_m) / 2 % lap_m
        bend = 100 < middle < 100 + turn_m or 300 + turn_m < middle < 300 + 2 * turn_m
        assert section.kind == ("right" if bend else "straight"), section
    edges = [section.first_m for section in found]
    for bend_m in (100.0, 100.0 + turn_m, 300.0 + turn_m, 100.0 + lap_m):
        assert min(abs(edge - bend_m) for edge in edges) < 4.0


@pytest.mark.parametrize("name", shipped_tracks())
def test_sections_cover_every_shipped_track_and_end_at_its_gates(name: str) -> None:
    track = load_track(name)
    found = sections.cut(track)
    assert found[0].first_m == 0.0 and found[-1].last_m == track.finish_m - track.start_m
    assert [left.last_m for left in found[:-1]] == [right.first_m for right in found[1:]]
    assert all(20.0 < section.last_m - section.first_m <= 100.0 for section in found)
    gates = [section.gate for section in found if section.gate]
    assert gates == [*(f"CP {number + 1}" for number in range(len(track.checkpoints_m))), "finish"]


def test_a_track_without_an_authors_race_says_so() -> None:
    with pytest.raises(UserError, match="the track straight has no author's race to compare with"):
        sections.author_race(straight_track(length_m=100.0))


def test_a_section_is_named_by_its_metres_and_direction() -> None:
    assert sections.Section(412.2, 467.9, "left").name == "412-468 m left"
