"""Arms and runs at equal frames, or at equal time: tables at checkpoints inside the common window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.report.arms import AXES, Arm, Seed
from btr_tm.report.compare import Comparison, entry, shared_window, sorted_out, uncovered, values
from btr_tm.report.table_text import amount, markdown

Array = np.ndarray
UNFINISHED_S = 300.0  # what the published figures count for a race that was not finished
BEST = {"eval/canonical_time_s", "eval/best_time_s", "race/alltime_best_s", "race/best_time_s",
        "canonical/robust_time_s"}  # fmt: skip
FURTHER = {  # what else a row of a run says: heading, metric
    "loss": "learner/loss",
    "average Q": "eval/q_mean",
    "learner busy": "time/learning_share",
}
MOST = 200  # checkpoints
COLUMNS = 6  # at most about so many checkpoints, where no spacing is given


class Checkpoints(NamedTuple):
    """Where on an axis arms are compared; all runs of the arms reach all of them."""

    arms: Sequence[Arm]
    axis: str
    places: list[float]
    left_out: list[str]


def place(comparison: Comparison, axis: str, spacing: float | None) -> Checkpoints:
    """Checkpoints in the stretch of `axis` that every run covers: multiples of `spacing`.

    Without it they are points at which every run was measured, or multiples of a round spacing where there
    are no such points. UserError if there is no checkpoint: a value beyond the stretch would be made up.
    """
    metric = comparison.metrics[0]
    arms, silent = sorted_out(
        comparison.arms,
        lambda name, seed: (
            ""
            if len(seed.series(metric, axis)[0]) > 1
            else f"{name} is not in the tables over {AXES[axis].unit}: it did not log them"
        ),
    )
    if not arms:
        raise UserError(f"no run logged {AXES[axis].unit}; choose another --time-axis")
    window = shared_window(arms, metric, axis)
    arms, short = sorted_out(arms, lambda name, seed: uncovered(name, seed, metric, axis, window))
    places = common_places(arms, metric, axis, window) if spacing is None else []
    return Checkpoints(arms, axis, places or multiples(spacing, window, axis), [*silent, *short])


def common_places(arms: Sequence[Arm], metric: str, axis: str, window: tuple[float, float]) -> list[float]:
    """Up to COLUMNS points of the window at which every run has a value, the last one among them."""
    curves = [seed.series(metric, axis)[0] for arm in arms for seed in arm.seeds]
    shared = sorted(set.intersection(*({float(x) for x in xs} for xs in curves)))
    inside = [x for x in shared if window[0] <= x <= window[1]]
    if len(inside) < 2:
        return []
    chosen = np.linspace(0, len(inside) - 1, min(len(inside), COLUMNS)).round().astype(int)
    return [inside[i] for i in chosen]


def multiples(spacing: float | None, window: tuple[float, float], axis: str) -> list[float]:
    """Multiples of `spacing` in the window; None is 1, 2 or 5 times a power of ten."""
    if spacing is None:
        least = (window[1] - window[0]) / COLUMNS
        power = 10.0 ** math.floor(math.log10(least))
        spacing = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    first, last = math.ceil(window[0] / spacing), math.floor(window[1] / spacing)
    if first > last:
        low, high, wanted = (amount(each, axis) for each in (*window, spacing))
        raise UserError(
            f"no multiple of {wanted} {AXES[axis].unit} lies between {low} and {high}, and outside this "
            "stretch, which every run covers, nothing is extrapolated; choose a smaller spacing"
        )
    if last - first >= MOST:
        raise UserError(
            f"a table of {last - first + 1:,} checkpoints is too long to read (at most {MOST}); choose a "
            "larger spacing"
        )
    return [spacing * i for i in range(first, last + 1)]


def sections(comparison: Comparison, checkpoints: Checkpoints, every_place: bool) -> list[str]:
    """Tables with headings: metrics of the arms over the checkpoints, and runs at the last one or at each."""
    axis, places = checkpoints.axis, checkpoints.places
    found = [f"## At equal {AXES[axis].unit}", *(f"- {each}." for each in checkpoints.left_out)]
    named = dict.fromkeys([*comparison.metrics, *FURTHER.values()])
    for name in named:
        if any(values(seed, name) for arm in checkpoints.arms for seed in arm.seeds):
            found += [heading(name), over_checkpoints(checkpoints, name)]
    found += ["Evaluation races from the start, one run a row; `all` counts an unfinished race as 300 s:"]
    for at in places if every_place else places[-1:]:
        found += [f"### {amount(at, axis)} {AXES[axis].unit}", runs_at(checkpoints, at)]
    return found


def heading(name: str) -> str:
    """What the table of a metric shows."""
    kind = "best so far" if name in BEST else "latest value"
    return f"`{name}`, {kind}, mean over runs:"


def over_checkpoints(checkpoints: Checkpoints, name: str) -> str:
    """One arm a row, one checkpoint a column."""
    headings = ["arm", *(amount(at, checkpoints.axis) for at in checkpoints.places)]
    rows = [
        [arm.label, *(mean_text([so_far(seed, name, checkpoints.axis, at) for seed in arm.seeds], name)
                      for at in checkpoints.places)]
        for arm in checkpoints.arms
    ]  # fmt: skip
    return markdown([headings, *rows])


def so_far(seed: Seed, name: str, axis: str, at: float) -> float:
    """The best time up to a checkpoint, or the latest value of another metric; NaN before the first."""
    xs, ys = seed.series(name, axis)
    known = ys[(xs <= at) & np.isfinite(ys)]
    return math.nan if not len(known) else float(known.min() if name in BEST else known[-1])


def mean_text(found: Sequence[float], name: str) -> str:
    """The mean of those runs that have a value, and how many have."""
    known = [value for value in found if not math.isnan(value)]
    if not known:
        return "--"
    some = f" ({len(known)} of {len(found)})" if len(known) < len(found) else ""
    return number_text(float(np.mean(known)), name) + some


def number_text(value: float, name: str) -> str:
    """A value in the form of its unit; -- for NaN."""
    if math.isnan(value):
        return "--"
    if entry(name).unit == "share":
        return f"{100 * value:.1f}%"
    return f"{value:.2f}" if entry(name).unit == "s" else f"{value:.4g}"


def runs_at(checkpoints: Checkpoints, at: float) -> str:
    """One run a row: its evaluation races, and what its learner did, up to a checkpoint."""
    headings = ["run", "races", "best (s)", "mean, all", "std, all", "mean, finished", "std, finished",
                "finished", "first finish", *FURTHER, "frames/s"]  # fmt: skip
    rows = [
        [name, *race_cells(seed, checkpoints.axis, at),
         *(number_text(so_far(seed, metric, checkpoints.axis, at), metric) for metric in FURTHER.values()),
         number_text(frames_per_s(seed, checkpoints.axis, at), "")]
        for arm in checkpoints.arms for name, seed in zip(arm.names(), arm.seeds, strict=True)
    ]  # fmt: skip
    return markdown([headings, *rows])


def race_cells(seed: Seed, axis: str, at: float) -> list[str]:
    """Count, best, means and spreads of the races up to a checkpoint, with unfinished ones and without."""
    xs, times = races(seed, axis)
    xs, times = xs[xs <= at], times[xs <= at]
    done = np.isfinite(times)
    if not len(times):
        return ["0"] + ["--"] * 7
    every = np.where(done, times, UNFINISHED_S)
    of_finished = [f"{each:.2f}" for each in spread(times[done])] if done.any() else ["--"] * 2
    return [
        str(len(times)),
        f"{times[done].min():.2f}" if done.any() else "never finished",
        *(f"{each:.2f}" for each in spread(every)),
        *of_finished,
        f"{100 * done.mean():.0f}%",
        amount(float(xs[done][0]) if done.any() else math.nan, axis),
    ]


def races(seed: Seed, axis: str) -> tuple[Array, Array]:
    """Times (X,) of the evaluation races from the start, NaN for one that was not finished.

    A run that logs only those that count as robust, as old ones of Linesight do, has no unfinished ones.
    """
    for name in ("eval/canonical_time_s", "canonical/robust_time_s"):
        xs, times = seed.series(name, axis)
        if len(times):
            return xs, times
    return np.empty(0), np.empty(0)


def spread(times: Array) -> tuple[float, float]:
    """Mean, and standard deviation over these races themselves, as the published tables give it."""
    return float(times.mean()), float(times.std())


def frames_per_s(seed: Seed, axis: str, at: float) -> float:
    """Decisions driven per second of training since the first row; of the clock where that is unknown."""
    rows = [row for row in seed.rows if seed.at(row, axis) <= at]
    for clock in ("cumul_training_hours", "wall_minutes"):
        timed = [(row["frames"], seed.at(row, clock) / AXES[clock].scale) for row in rows]
        timed = [(frames, seconds) for frames, seconds in timed if not math.isnan(seconds)]
        if len(timed) > 1 and timed[-1][1] > timed[0][1]:
            return (timed[-1][0] - timed[0][0]) / (timed[-1][1] - timed[0][1])
    return math.nan
