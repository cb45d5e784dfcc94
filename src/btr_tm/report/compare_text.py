"""A comparison in words: its table and notes, and the page with its verdicts, as Markdown.

R seeds of an arm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np

from btr_tm.metrics.stats import mean_interval, stratified_bootstrap
from btr_tm.report.arms import AXES, Arm
from btr_tm.report.compare import GOOD_RATE, Comparison, Figures, state
from btr_tm.report.compare_verdicts import verdicts
from btr_tm.report.table_text import amount, amounts, interval_text, markdown, shares

Array = np.ndarray


def table(comparison: Comparison) -> str:
    """The figures, one arm per row, as Markdown."""
    pairs = zip(comparison.arms, comparison.figures, strict=True)
    return markdown([headings(comparison), *[cells(arm, figures, comparison.axis) for arm, figures in pairs]])


def headings(comparison: Comparison) -> list[str]:
    """Those of the columns in `cells`."""
    unit = AXES[comparison.axis].unit
    return [
        "arm", "seeds", "finish rate at the end (min)", "mean time of the starts (s)",
        "best canonical time (s)", "x author time",
        f"{unit} to first finish", f"{unit} to {GOOD_RATE:.0%} finished", "CPU s",
        f"area under {comparison.metrics[0]}",
    ]  # fmt: skip


def cells(arm: Arm, figures: Figures, axis: str) -> list[str]:
    """One row of the table."""
    times = figures.best_time_s[np.isfinite(figures.best_time_s)]
    at_end = figures.mean_time_s[np.isfinite(figures.mean_time_s)]
    area = stratified_bootstrap(figures.area, np.mean) if len(arm.seeds) > 1 else mean_interval(figures.area)
    return [
        arm.label,
        str(len(arm.seeds)),
        shares(figures.finish_rate),
        mean_text(at_end, len(arm.seeds)) or "--",
        best_text(times, len(arm.seeds)),
        f"{times.mean() / figures.author_s:.3f}" if len(times) and figures.author_s > 0 else "--",
        amounts(figures.first_finish, axis),
        amounts(figures.good_rate, axis),
        f"{figures.cpu_s.mean():.0f}" if np.isfinite(figures.cpu_s).all() else "--",
        interval_text(area, ".3f"),
    ]


def best_text(times: Array, seeds: int) -> str:
    """Mean of the best times of those seeds that finished."""
    return mean_text(times, seeds) or "never finished"


def mean_text(times: Array, seeds: int) -> str:
    """Mean of the times of those seeds that have one; nothing where none has."""
    if not len(times):
        return ""
    some = f" ({len(times)} of {seeds} seeds)" if len(times) < seeds else ""
    return interval_text(mean_interval(times), ".2f") + some


def notes(comparison: Comparison) -> list[str]:
    """Limits of the table that a reader must know."""
    low, high = (amount(end, comparison.axis) for end in comparison.window)
    unit = AXES[comparison.axis].unit
    return [
        *(f"{capital(sentence)}." for sentence in comparison.left_out),
        f"Areas are mean heights between {low} and {high} {unit}, which every run covers; beyond, some would "
        "have to be extrapolated.",
        *gap_notes(comparison),
        *time_notes(comparison),
        *interval_notes(comparison.arms),
        *budget_notes(comparison.arms),
    ]


def gap_notes(comparison: Comparison) -> list[str]:
    """Runs without an area, because the metric has gaps."""
    lacking = [
        name
        for arm, figures in zip(comparison.arms, comparison.figures, strict=True)
        for name, area in zip(arm.names(), figures.area, strict=True)
        if math.isnan(area)
    ]
    if not lacking:
        return []
    return [
        f"No area for {', '.join(lacking)}: {comparison.metrics[0]} has no value in some rows, as of a race "
        "that was not finished. eval/progress_mean always has one."
    ]


def time_notes(comparison: Comparison) -> list[str]:
    """What the mean times are; nothing where no run has one."""
    if not any(np.isfinite(figures.mean_time_s).any() for figures in comparison.figures):
        return []
    end = amount(comparison.window[1], comparison.axis)
    return [
        f"The mean time is that of the seeded starts in the last evaluation up to {end} "
        f"{AXES[comparison.axis].unit}, of runs that bring at least {GOOD_RATE:.0%} of them home."
    ]


def capital(sentence: str) -> str:
    """The sentence as it stands, but for a first word of our own."""
    return sentence.replace("there is no ", "There is no ", 1) if sentence.startswith("there") else sentence


def interval_notes(arms: Sequence[Arm]) -> list[str]:
    """What the brackets are, and why some have none."""
    alone = [arm.label for arm in arms if len(arm.seeds) == 1]
    found = []
    if len(alone) < len(arms):
        found.append(
            "Brackets are 95% intervals over seeds: Student's t for times, bootstrap for areas and their "
            "ratio (too narrow for few seeds)."
        )
    if alone:
        found.append(
            f"{', '.join(alone)}: one run, so that no interval can be given; a difference may be chance. "
            "Train more seeds."
        )
    return found


def budget_notes(arms: Sequence[Arm]) -> list[str]:
    """Runs that have not ended, of unequal length, or of several commits."""
    seeds = list(chain.from_iterable(arm.seeds for arm in arms))
    found = []
    going = [f"{name}{state(seed)}" for arm in arms for name, seed in zip(arm.names(), arm.seeds, strict=True)
             if not seed.ended]  # fmt: skip
    if going:
        found.append(f"Not ended, and used as far as they are: {', '.join(going)}.")
    ends = [seed.rows[-1]["frames"] for seed in seeds]
    if max(ends) > min(ends):
        least, most = (amount(end, "frames") for end in (min(ends), max(ends)))
        if least == most:
            least, most = f"{min(ends):,.0f}", f"{max(ends):,.0f}"
        found.append(
            f"Runs end at {least} to {most} frames: their rates, times and CPU seconds are of different "
            "budgets."
        )
    sessions = [each for seed in seeds for each in seed.manifest["sessions"] if isinstance(each, dict)]
    commits = sorted({str(each.get("commit", "unknown"))[:9] for each in sessions})
    if len(commits) > 1:
        found.append(f"Runs were made by {len(commits)} commits: {', '.join(commits)}.")
    return found


def page(comparison: Comparison, picture: str, checkpoints: Sequence[str]) -> str:
    """comparison.md; `checkpoints` are tables with their headings."""
    title = "# " + ", ".join(arm.label for arm in comparison.arms)
    folders = [
        f"- {arm.label}: {', '.join(seed.folder.as_posix() for seed in arm.seeds)}" for arm in comparison.arms
    ]
    parts = [
        [title],
        [f"![curves]({picture})"],
        [table(comparison)],
        [f"- {sentence}" for sentence in verdicts(comparison)],
        [f"- {note}" for note in notes(comparison)],
        *([part] for part in checkpoints),
        ["## Runs"],
        folders,
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
