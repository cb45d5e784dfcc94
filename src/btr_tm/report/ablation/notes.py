"""Limits of a study that its reader must know, one sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from btr_tm.metrics.two_samples import least_p
from btr_tm.report.ablation.effects import LEVEL, SEEDS
from btr_tm.report.ablation.model import Arm, Measure, Study
from btr_tm.report.ablation.outcomes import AREA, COMPUTE_AREA
from btr_tm.report.table_text import amount


def notes(study: Study) -> list[str]:
    return [
        *about_seeds(study),
        *about_gaps(study),
        *about_families(study),
        *about_unfinished(study),
        *about_budgets(study),
        *about_compute(study),
        *about_machines(study),
    ]


def about_seeds(study: Study) -> Iterator[str]:
    alone = [arm.name for arm in study.arms if len(arm.runs) == 1]
    few = [arm.name for arm in study.arms if 1 < len(arm.runs) < SEEDS]
    if alone:
        yield f"One seed says nothing about chance: no interval and no test for {', '.join(alone)}."
    if len(few) == len(study.arms):
        yield f"A verdict needs {SEEDS} seeds in both arms, so everything here is exploratory."
    elif few:
        yield (f"A verdict needs {SEEDS} seeds in both arms; what involves {', '.join(few)} is exploratory.")


def about_gaps(study: Study) -> Iterator[str]:
    """Runs that the main outcome leaves out."""
    lacking = [
        outcome.run for arm in study.arms for outcome in arm.outcomes if math.isnan(outcome.values[AREA])
    ]
    if lacking:
        yield (
            f"No area for {', '.join(lacking)}: {study.metric} is not a number in some rows, so what is said "
            "of its area leaves them out."
        )


def about_families(study: Study) -> Iterator[str]:
    """Families in which even the clearest outcome could not pass the correction."""
    for family in dict.fromkeys(effect.family for effect in study.effects):
        found = [e for e in study.effects_of(AREA, family) if min(e.seeds) >= SEEDS]
        if found and min(least_p(*e.seeds) for e in found) * len(study.effects_of(AREA, family)) >= LEVEL:
            yield f"In the family {family!r} so few seeds cannot reach a verdict; add seeds."


def about_unfinished(study: Study) -> Iterator[str]:
    """One sentence for the measures that the same seeds lack."""
    titles: dict[str, list[str]] = {}
    for measure in (measure for measure in study.measures if measure.never):
        lacking = ", ".join(text for arm in study.arms if (text := unfinished(arm, measure)))
        if lacking and measure.title not in titles.setdefault(lacking, []):
            titles[lacking].append(measure.title)
    for lacking, names in titles.items():
        yield (
            f"{', '.join(names)}: it never happened for {lacking} seeds, which are not in the means and "
            "rank last in the permutation test and in the probability of improvement."
        )


def unfinished(arm: Arm, measure: Measure) -> str:
    """`base 2 of 10`; nothing where every seed has a value."""
    held = arm.summaries[measure.name]
    return f"{arm.name} {held.seeds - held.held} of {held.seeds}" if held.held < held.seeds else ""


def about_budgets(study: Study) -> Iterator[str]:
    ends = [outcome.frames for arm in study.arms for outcome in arm.outcomes]
    if max(ends) > min(ends):
        yield (
            f"Runs end at {amount(min(ends), 'frames')} to {amount(max(ends), 'frames')} frames: their "
            "times, rates and CPU seconds are of different budgets."
        )


def about_compute(study: Study) -> Iterator[str]:
    if not study.costs:
        yield (
            "Equal compute is missing, because the cost of an update was not measured (--costs does); CPU "
            "seconds in the records are only a hint, because other work on the machine slows some runs."
        )
        return
    there = {effect.arm for effect in study.effects_of(COMPUTE_AREA)}
    lacking = [arm.name for arm in study.arms if arm.reference and arm.name not in there]
    if lacking:
        yield (
            f"Equal compute is missing for {', '.join(lacking)}: the cost of an update is not known, or the "
            "runs have no stretch of compute in common with their reference."
        )


def about_machines(study: Study) -> Iterator[str]:
    runs = [run for arm in study.arms for run in arm.runs]
    commits = sorted({s.get("commit", "unknown")[:9] for run in runs for s in run.manifest["sessions"]})
    if len(commits) > 1:
        yield f"The runs were made by {len(commits)} commits: {', '.join(commits)}."
    processors = sorted({str(run.manifest.get("hardware", {}).get("cpu", "unknown")) for run in runs})
    if len(processors) > 1:
        yield f"The runs were made on {len(processors)} kinds of processors: {', '.join(processors)}."
