"""Accumulation, reduction and the shares of wall time."""

from __future__ import annotations

import time

import pytest
import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.types import Races
from btr_tm.metrics import catalog
from btr_tm.metrics.catalog import CATALOG
from btr_tm.metrics.meter import Meter, Pace
from btr_tm.metrics.races import race_metrics
from btr_tm.metrics.stopwatch import ACTIVITIES, Lap, Stopwatch


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


def test_quantiles_are_taken_over_the_samples_since_the_last_row(meter):
    norms = [3.0, 1.0, 2.0, float("inf"), 5.0, 4.0]  # 1 .. 5 and one that is left out
    for norm in norms[:3]:
        meter.add("learner", {"grad_norm": norm})
    restored = Meter([])
    restored.load_state_dict(meter.state_dict())
    for each in (meter, restored):
        for norm in norms[3:]:
            each.add("learner", {"grad_norm": norm})
    for each in (meter, restored):
        with pytest.raises(UserError):  # the infinite norm
            each.flush(Clock())
    row = meter.sinks[0][0]
    assert [row[f"learner/grad_norm_{kind}"] for kind in ("q1", "median", "q3", "max")] == [2, 3, 4, 5]
    assert row["learner/grad_norm_d9"] == pytest.approx(4.6)
    assert row["learner/grad_norm_d98"] == pytest.approx(4.92)


def test_gauges_are_read_at_each_flush_and_numbers_stay_exact():
    count = iter((2**31 + 1, 7))
    meter = Meter([], gauges=[lambda: {"replay/size": next(count), "settings/gamma": torch.tensor(0.5)}])
    row = meter.flush(Clock())
    assert row["replay/size"] == 2**31 + 1 and row["settings/gamma"] == 0.5
    assert meter.flush(Clock())["replay/size"] == 7


def test_gauge_that_reads_something_unknown_is_an_error():
    with pytest.raises(AssertionError, match="catalog"):
        Meter([], gauges=[lambda: {"replay/mood": 1.0}]).flush(Clock())


def test_best_time_so_far_survives_a_resume():
    def best(meter, time_s):
        meter.add("race", {"best_time_s": time_s})
        return meter.flush(Clock()).get("race/alltime_best_s")

    meter, resumed = Meter([]), Meter([])
    assert best(meter, float("nan")) is None and best(meter, 30.0) == 30.0 and best(meter, 31.0) == 30.0
    resumed.load_state_dict(meter.state_dict())
    assert best(resumed, 32.0) == 30.0 and best(resumed, 29.0) == 29.0


def test_pace_turns_rates_into_samples_and_race_time():
    meter, clock = Meter([], pace=Pace(frame_s=0.05, batch_size=128)), Clock(frames=1000, updates=10)
    with meter.watch("learning"):
        time.sleep(0.01)
    row = meter.flush(clock)
    assert row["speed/samples_per_s"] == pytest.approx(128 * row["speed/updates_per_s"])
    assert row["speed/race_time_ratio"] == pytest.approx(0.05 * row["speed/frames_per_s"])
    learning_s = 10 * row["speed/update_s"]
    assert learning_s == pytest.approx(row["time/learning_share"] * row["wall_s"], abs=2e-3)


def test_unfinished_races_from_the_start_count_300_seconds_where_the_published_runs_count_them(meter):
    meter.add(
        "race", race_metrics(races([1, 1, 1, 0], [1, 0, 0, 0], [20_000, 8_000, 9_000, 5_000], [1, 1, 0, 1]))
    )
    row = meter.flush(Clock())
    assert row["race/start_time_s"] == 160.0 and row["race/start_finish_rate"] == 0.5


def test_catalogue_entries_are_whole():
    for name, metric in CATALOG.items():
        assert name == metric.name and name.count("/") <= 1 and metric.meaning and metric.unit
        assert metric.of == "" or metric.of in CATALOG


def test_published_names_are_used_once():
    tags = [tag for metric in CATALOG.values() for tag in metric.tag.split()]
    assert len(tags) == len(set(tags)) and not set(tags) & set(CATALOG)


def test_members_of_families_are_found_and_named_as_published():
    assert catalog.find("weights/rms.head.value.0.weight") is CATALOG["weights/rms.{tensor}"]
    assert catalog.find("weights/l2_mean") is CATALOG["weights/l2_mean"]
    assert catalog.find("plasticity/dormant_0.head") is CATALOG["plasticity/dormant_0.{part}"]
    assert catalog.find("weights/mood") is None
    tags = catalog.published_tags("weights/rms.head.value.0.weight", "a01")
    assert tags == ["Network/weights/head.value.0.weight/L2"]
    assert catalog.published_tags("canonical/split_s.2", "hills") == ["Race/split_hills_2"]
    assert catalog.published_tags("replay/weight_min", "a01") == []


def test_tracks_of_the_campaign_are_spelt_as_the_published_runs_spell_them():
    assert catalog.published_tags("race/alltime_best_s", "a01") == ["alltime_min_ms_A01"]
    assert [catalog.game_name(name) for name in ("e15", "a16", "a1", "f01", "A01", "a01_mine")] == [
        "E15", "a16", "a1", "f01", "A01", "a01_mine",
    ]  # fmt: skip


class TwoSecondLaps:
    """A watch whose laps all took two seconds, one of them on the CPU."""

    shares = dict.fromkeys(ACTIVITIES, 0.0) | {"acting": 0.25, "simulator": 0.125, "waiting": 0.0625}

    def lap(self):
        return Lap(2.0, 1.00049, dict(self.shares))


def test_rows_tell_totals_of_the_run_and_rates_since_the_last_row():
    meter, clock = Meter([], TwoSecondLaps()), Clock(seconds=10.0004, cpu_seconds=5.0)
    clock.frames, clock.updates = 100, 10
    first = meter.flush(clock)
    clock.frames, clock.updates = 400, 16
    second = meter.flush(clock)
    names = ("frames", "updates", "wall_s", "cpu_s", "speed/frames_per_s", "speed/updates_per_s")
    assert [first[name] for name in names] == [100, 10, 12.0, 6.0, 50.0, 5.0]
    assert [second[name] for name in names] == [400, 16, 14.0, 7.001, 150.0, 3.0]
    assert first["speed/driving_share"] == 0.4375 and first["time/acting_share"] == 0.25


def test_a_row_holds_every_section_and_every_gauge():
    gauges = [lambda: {"replay/size": 7.0}, lambda: {"settings/gamma": 0.5}]
    meter = Meter([], gauges=gauges)
    meter.add("learner", {"loss": 1.0})
    meter.add("test", {"loss": 2.0})
    row = meter.flush(Clock())
    assert {"frames", "learner/loss", "test/loss", "replay/size", "settings/gamma"} <= set(row)


def test_a_row_is_pending_after_a_sample_or_a_frame(meter):
    assert not meter.pending(Clock()) and meter.pending(Clock(frames=1))
    meter.add("learner", {"loss": 1.0})
    assert meter.pending(Clock())
    meter.flush(Clock(frames=1))
    assert not meter.pending(Clock(frames=1))


def test_every_metric_that_went_bad_is_named(meter):
    meter.add("learner", {"loss": float("inf"), "td_abs": float("nan"), "q_mean": 1.0})
    with pytest.raises(UserError, match="1 times in learner/loss, 1 times in learner/td_abs; "):
        meter.check_finite("learner")


def test_statistics_are_kept_in_single_precision_whatever_comes(meter):
    meter.add("learner", {"loss": torch.tensor(1.0, dtype=torch.float64)})
    assert meter.state_dict()["sections"]["learner"]["sum"].dtype == torch.float32


def test_race_metrics_have_one_precision_that_of_the_progress():
    ended = races([1, 0], [1, 0], [20_001, 8_000], [1, 1])
    ended = ended._replace(progress_m=ended.progress_m.double(), reward=ended.reward.double())
    metrics = race_metrics(ended)
    assert {values.dtype for values in metrics.values()} == {torch.float64}
    assert metrics["time_s"][0].item() == 20.001


def test_single_metrics_are_no_families():
    assert not CATALOG["learner/loss"].family and CATALOG["learner/loss"].stem == "learner/loss"
    assert CATALOG["weights/rms.{tensor}"].family and CATALOG["weights/rms.{tensor}"].stem == "weights/rms."
