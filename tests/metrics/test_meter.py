"""Accumulation, reduction and the shares of wall time."""

from __future__ import annotations

import time

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.types import Races
from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.meter import Meter
from btr_tm.metrics.races import race_metrics
from btr_tm.metrics.stopwatch import Stopwatch


class Rows(list):
    def write(self, row):
        self.append(row)

    def close(self):
        pass


@pytest.fixture
def meter():
    return Meter([Rows()])


def races(done, finished, time_ms, from_start):
    done, finished, from_start = (torch.tensor(x, dtype=torch.bool) for x in (done, finished, from_start))
    size = len(done)
    return Races(
        done, finished, torch.tensor(time_ms), torch.arange(size) * 10.0, from_start, torch.ones(size)
    )


def test_each_metric_is_reduced_as_the_catalogue_says(meter):
    for loss, rate in ((1.0, 0.5), (2.0, 0.25)):
        meter.add("learner", {"loss": torch.tensor(loss), "learning_rate": rate})
    row = meter.flush(Clock())
    assert row["learner/loss"] == 1.5 and row["learner/learning_rate"] == 0.25


def test_flush_starts_anew(meter):
    meter.add("learner", {"loss": 1.0})
    meter.flush(Clock())
    assert "learner/loss" not in meter.flush(Clock())


def test_unknown_metric_is_an_error(meter):
    with pytest.raises(AssertionError, match="learner/mood.*catalog"):
        meter.add("learner", {"mood": 1.0})


def test_only_ended_races_count_and_times_only_from_the_start(meter):
    ended, won, times, regular = [1, 1, 1, 0], [1, 1, 0, 1], [20_000, 8_000, 30_000, 5_000], [1, 0, 1, 1]
    meter.add("race", race_metrics(races(ended, won, times, regular)))
    meter.add("race", race_metrics(races([0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 24_000], [1, 1, 1, 1])))
    row = meter.flush(Clock())
    assert row["race/races"] == 4 and row["race/finish_rate"] == 0.75
    assert row["race/time_s"] == 22.0 and row["race/best_time_s"] == 20.0
    assert row["race/progress_m"] == pytest.approx((0 + 20 + 30) / 3)


def test_no_sample_means_no_entry(meter):
    meter.add("race", race_metrics(races([0, 0], [0, 0], [0, 0], [1, 1])))
    row = meter.flush(Clock())
    assert "race/time_s" not in row and "race/best_time_s" not in row and row["race/races"] == 0


def test_a_restored_meter_follows_its_samples_to_their_device(meter):
    meter.add("learner", {"loss": 1.0})
    restored = Meter([])
    restored.load_state_dict(meter.state_dict())
    restored.add("learner", {"loss": torch.zeros((), device="meta")})  # stands for a GPU
    assert restored._sections["learner"].sum.device.type == "meta"


def test_nan_in_learning_stops_the_run_after_the_row_is_written(meter):
    meter.add("learner", {"loss": float("nan")})
    meter.add("learner", {"loss": 2.0})
    with pytest.raises(UserError, match="1 times in learner/loss"):
        meter.flush(Clock())
    assert meter.sinks[0][0]["learner/loss"] == 2.0


def test_half_filled_meter_continues_from_its_state(meter):
    meter.add("learner", {"loss": 1.0})
    other = Meter([])
    other.load_state_dict(meter.state_dict())
    for each in (meter, other):
        each.add("learner", {"loss": 4.0})
    assert meter.flush(Clock())["learner/loss"] == other.flush(Clock())["learner/loss"] == 2.5


def test_rows_carry_frames_and_times_that_add_up():
    watch, clock = Stopwatch(), Clock()
    meter = Meter([], watch)
    for frames in (100, 300):
        with watch("simulator"):
            time.sleep(0.02)
        with watch("learning"):
            time.sleep(0.01)
        clock.frames = frames
        row = meter.flush(clock)
    shares = {name: value for name, value in row.items() if name.startswith("time/")}
    assert sum(shares.values()) == pytest.approx(1.0) and set(shares) <= set(CATALOG)
    assert shares["time/simulator_share"] > shares["time/learning_share"] > 0
    assert row["frames"] == 300 and row["wall_s"] >= 0.06
    assert row["speed/frames_per_s"] == pytest.approx(200 / (row["wall_s"] / 2), rel=0.5)


def test_catalogue_entries_are_whole():
    for name, metric in CATALOG.items():
        assert name == metric.name and name.count("/") == 1 and metric.meaning and metric.unit
