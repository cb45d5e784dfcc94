"""An arm against its reference: the difference, how sure it is, and what that says of the ingredient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from btr_tm.metrics.stats import Interval
from btr_tm.metrics.two_samples import (
    EXACT,
    holm,
    is_exact,
    permutation_p,
    probability_of_improvement,
    seeds_needed,
    welch,
)
from btr_tm.report.ablation.changes import INGREDIENTS
from btr_tm.report.ablation.model import EXPLORATORY, HELPS, HURTS, NO_EVIDENCE, Arm, Change, Effect, Measure
from btr_tm.report.ablation.outcomes import AREA, COMPUTE_AREA, MEAN_TIME

Array = np.ndarray
Values = tuple[Array, Array]  # of an arm and of its reference, one per seed
DECIDE = (AREA, COMPUTE_AREA, MEAN_TIME)  # measures with a verdict
LEVEL = 0.05  # of a family
SEEDS = 5  # of an arm, for a verdict
ORDERS = 9_999  # of a measure that decides nothing
REMOVE, ADD = "removing one ingredient", "adding one ingredient"
REMOVE_SEVERAL, ADD_SEVERAL = "removing several ingredients", "adding several ingredients"
OTHER = "other changes"


def family(changes: Sequence[Change]) -> str:
    """Which effects are corrected together."""
    signs = {change.sign for change in changes}
    if signs == {-1}:
        return REMOVE if len(changes) == 1 else REMOVE_SEVERAL
    if signs == {1}:
        return ADD if len(changes) == 1 else ADD_SEVERAL
    return OTHER


def label(arm: Arm) -> str:
    """What the arm changes, in words: the ingredients, else the settings."""
    if family(arm.changes) == OTHER:
        return "; ".join(change.text for change in arm.changes) or arm.name
    if len(arm.changes) == len(INGREDIENTS):
        return "all six"
    return " + ".join(change.ingredient for change in arm.changes)


def ranked(measure: Measure, values: Values) -> Values:
    """What never happened as infinite, which is the worst of times; without what was not measured."""
    if not measure.never:
        return values[0][np.isfinite(values[0])], values[1][np.isfinite(values[1])]
    return np.nan_to_num(values[0], nan=math.inf), np.nan_to_num(values[1], nan=math.inf)


def effect(arm: Arm, reference: Arm, measure: Measure, values: Values) -> Effect:
    """Of `ranked` values of the arm (n,) and of its reference (m,); not tested yet."""
    x, y = values
    held = x[np.isfinite(x)], y[np.isfinite(y)]
    return Effect(
        arm=arm.name,
        reference=reference.name,
        family=family(arm.changes),
        label=label(arm),
        sign=-1 if family(arm.changes) in (REMOVE, REMOVE_SEVERAL) else 1,
        measure=measure.name,
        higher_is_better=measure.higher_is_better,
        held=(held[0].size, held[1].size),
        seeds=(x.size, y.size),
        means=(mean(held[0]), mean(held[1])),
        difference=welch(*held) if min(map(len, held)) else NOTHING,
        p=math.nan,
        exact=False,
        adjusted_p=math.nan,
        improvement=improvement(x, y, measure.higher_is_better),
        verdict="",
        seeds_needed=math.nan,
    )


NOTHING = Interval(math.nan, math.nan, math.nan)


def mean(values: Array) -> float:
    return float(values.mean()) if values.size else math.nan


def improvement(x: Array, y: Array, higher_is_better: bool) -> Interval:
    """Of `x` over `y`."""
    if not min(x.size, y.size):
        return NOTHING
    return probability_of_improvement(x, y) if higher_is_better else probability_of_improvement(-x, -y)


def tested(effects: Sequence[Effect], values: Sequence[Values]) -> list[Effect]:
    """The effects of `values` with their p values."""
    found = list(effects)
    kinds = [(*e.seeds, EXACT if e.measure in DECIDE else ORDERS) for e in found]
    for n, m, orders in dict.fromkeys(kinds):
        places = [i for i, kind in enumerate(kinds) if kind == (n, m, orders)]
        x, y = (np.stack([values[i][side] for i in places]) for side in (0, 1))
        for i, p in zip(places, permutation_p(x, y, orders), strict=True):
            found[i] = found[i]._replace(p=float(p), exact=is_exact(n, m, orders))
    return found


def corrected(effects: Sequence[Effect]) -> list[Effect]:
    """The same effects with Holm's correction over each family and measure."""
    adjusted: dict[int, float] = {}
    for key in dict.fromkeys((e.family, e.measure) for e in effects):
        places = [i for i, e in enumerate(effects) if (e.family, e.measure) == key]
        adjusted |= zip(places, holm([effects[i].p for i in places]), strict=True)
    return [e._replace(adjusted_p=adjusted[i]) for i, e in enumerate(effects)]


def decided(found: Effect, values: Values, size: int) -> Effect:
    """The effect with its verdict, and without evidence the seeds that one would need in a family of `size`;
    as it is, where its measure decides nothing."""
    if found.measure not in DECIDE:
        return found
    said = verdict(found)
    if said != NO_EVIDENCE or found.held != found.seeds:
        return found._replace(verdict=said)
    needed = max(seeds_needed(*values, level=LEVEL / size), max(found.seeds) + 1)  # those there were too few
    return found._replace(verdict=said, seeds_needed=needed)


def verdict(found: Effect) -> str:
    """On the ingredient: it helps where the arm without it is worse, or the arm with it is better.

    Rests on the corrected p value and on Welch's interval; never on a bootstrap, whose intervals are too
    narrow for few seeds. A measure that some seeds lack has no evidence: the interval is of the others.
    """
    if min(found.seeds) < SEEDS:
        return EXPLORATORY
    by = found.helps_by
    if found.held != found.seeds or not found.adjusted_p < LEVEL or by.low <= 0 <= by.high:
        return NO_EVIDENCE
    return HELPS if found.gain > 0 else HURTS
