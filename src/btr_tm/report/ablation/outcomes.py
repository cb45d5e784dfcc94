"""The figures of one run, and of an arm over its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from btr_tm.metrics.stats import Interval, area_under, iqm_interval, mean_interval
from btr_tm.report.ablation.model import Measure, Outcome, Summary
from btr_tm.report.arms import Seed
from btr_tm.report.compare import LESS_IS_BETTER, entry, finished, first, last, least, time_at

Array = np.ndarray
AREA, COMPUTE_AREA, MEAN_TIME = "area", "compute_area", "mean_time_s"
TIME, SHARE = "eval/canonical_time_s", "share"


def measures(metric: str) -> tuple[Measure, ...]:
    """Every measure of a run, the main outcome first; of seconds and losses less is better."""
    more = entry(metric).unit not in LESS_IS_BETTER
    return (
        Measure(AREA, f"area under {metric}", "", ".3f", more),
        Measure("finish_rate", "finish rate at the end", SHARE, ".2f", True),
        Measure(MEAN_TIME, "mean time of the seeded starts at the end", "s", ".2f", False, True),
        Measure("final_time_s", "final canonical time", "s", ".2f", False, True),
        Measure("best_time_s", "best canonical time", "s", ".2f", False, True),
        Measure("late_slope", "late slope", "per 10,000 frames", ".4f", more),
        Measure("first_finish_frames", "first finish", "frames", ",.0f", False, True),
        Measure("first_finish_cpu_s", "first finish", "CPU s", ".0f", False, True),
        Measure("cpu_s", "whole run", "CPU s", ".0f", False),
        Measure("cpu_ms_per_update", "whole run, by update", "CPU ms", ".1f", False),
    )


def outcome(name: str, run: Seed, metric: str, window: tuple[float, float]) -> Outcome:
    """The figures of a run; `window` in frames is what all runs were measured over."""
    end = run.rows[-1]
    updates = float(end.get("updates", 0))
    frames, heights = curve(run, metric, "frames")
    values = {
        AREA: area_under(frames, heights, *window),
        "finish_rate": last(run, "eval/finish_rate"),
        MEAN_TIME: time_at(run, "frames", window[1]),
        "final_time_s": final_time_s(run),
        "best_time_s": least(run, TIME),
        "late_slope": late_slope(frames, heights, window[1]),
        "first_finish_frames": first(run, "frames", finished),
        "first_finish_cpu_s": first(run, "cpu_s", finished),
        "cpu_s": float(end["cpu_s"]),
        "cpu_ms_per_update": 1000 * end["cpu_s"] / updates if updates else math.nan,
    }
    return Outcome(name, run.manifest["seed"], int(end["frames"]), int(updates), values)


def curve(run: Seed, metric: str, axis: str) -> tuple[Array, Array]:
    """Abscissae and values (X,) where the metric has a value."""
    rows = [row for row in run.rows if metric in row and axis in row]
    return np.array([float(row[axis]) for row in rows]), np.array([float(row[metric]) for row in rows])


def final_time_s(run: Seed) -> float:
    """The canonical time of the last evaluation; NaN where its race was not finished."""
    evaluated = [row for row in run.rows if any(key.startswith("eval/") for key in row)]
    return float(evaluated[-1].get(TIME, math.nan)) if evaluated else math.nan


def late_slope(frames: Array, heights: Array, end: float) -> float:
    """Slope of the least squares line through the last third of the frames up to `end`, per 10,000 frames."""
    late = (frames >= end * 2 / 3) & (frames <= end)
    if late.sum() < 2:
        return math.nan
    x, y = frames[late] - frames[late].mean(), heights[late] - heights[late].mean()
    return float(10_000 * (x @ y) / (x @ x))


def compute_curve(run: Seed, metric: str, update_ms: float) -> tuple[Array, Array]:
    """CPU seconds of updates, each of which costs `update_ms`, and values (X,) of the metric."""
    updates, heights = curve(run, metric, "updates")
    return updates * update_ms / 1000, heights


def summary(outcomes: Sequence[Outcome], measure: Measure) -> Summary:
    """Over the seeds that have a value."""
    values = np.array([each.values[measure.name] for each in outcomes])
    held = values[np.isfinite(values)]
    if not held.size:
        nothing = Interval(math.nan, math.nan, math.nan)
        return Summary(0, values.size, nothing, nothing)
    intervals = mean_interval(held), iqm_interval(held)
    if measure.unit == SHARE:
        intervals = intervals[0].of_shares(), intervals[1].of_shares()
    return Summary(held.size, values.size, *intervals)


def summaries(outcomes: Sequence[Outcome], found: Sequence[Measure]) -> dict[str, Summary]:
    return {each.name: summary(outcomes, each) for each in found}
