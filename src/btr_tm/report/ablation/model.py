"""What the ablation report knows, free of printing: outcomes of runs, arms, effects, the study.

A value that never happened (the time of a race that no evaluation finished) is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from btr_tm.metrics.stats import Interval
from btr_tm.report.arms import Seed


class Measure(NamedTuple):
    """One figure of a run."""

    name: str  # of the values in Outcome and of the effects
    title: str
    unit: str
    form: str  # how a value is written, as of format()
    higher_is_better: bool
    never: bool = False  # a missing value means that it never happened, which is worse than any value


class Outcome(NamedTuple):
    """The figures of one run."""

    run: str  # base/s0, below the folder of the sweep
    seed: int
    frames: int
    updates: int
    values: Mapping[str, float]  # of each measure


class Summary(NamedTuple):
    """One measure over the seeds of an arm; NaN where no seed has a value, no interval below two values."""

    held: int  # seeds with a value
    seeds: int
    mean: Interval  # with Student's t interval
    iqm: Interval  # with the t interval of a trimmed mean


class Change(NamedTuple):
    """One difference of a configuration to that of another arm."""

    text: str  # "without Munchausen", "head: DuelingHead -> MeanExpansionHead"
    ingredient: str  # "Munchausen"; "" for anything else
    sign: int  # +1 adds the ingredient, -1 takes it away, 0 does something else


class Arm(NamedTuple):
    """Runs with one configuration."""

    name: str
    reference: str  # the arm that it is compared with; "" for the first of all
    changes: tuple[Change, ...]  # to the reference
    runs: tuple[Seed, ...]  # their records, for curves
    outcomes: tuple[Outcome, ...]  # one per run
    summaries: Mapping[str, Summary]  # of each measure


class Effect(NamedTuple):
    """What an arm is compared with its reference, in one measure."""

    arm: str
    reference: str
    family: str  # effects of one family and measure are corrected together
    label: str  # the ingredient or the change
    sign: int  # -1: the arm lacks the ingredient, so that a gain of the arm speaks against it
    measure: str
    higher_is_better: bool
    held: tuple[int, int]  # seeds with a value: arm, reference
    seeds: tuple[int, int]
    means: tuple[float, float]
    difference: Interval  # of means, arm - reference, with Welch's t interval
    p: float  # of the permutation test
    exact: bool  # every order was tried
    adjusted_p: float  # after Holm's correction over the family
    improvement: Interval  # probability that a run of the arm is better than one of the reference
    verdict: str  # one of VERDICTS on the ingredient or the change; "" where the measure decides nothing
    seeds_needed: float  # per arm, where there is no evidence yet; NaN elsewhere

    @property
    def helps_by(self) -> Interval:
        """The difference that having the ingredient makes."""
        value, low, high = self.difference
        return self.difference if self.sign >= 0 else Interval(-value, -high, -low)

    @property
    def gain(self) -> float:
        """How much better it is to have the ingredient, in the unit of the measure."""
        return self.helps_by.value if self.higher_is_better else -self.helps_by.value


HELPS, HURTS, NO_EVIDENCE, EXPLORATORY = "helps", "hurts", "no evidence yet", "exploratory"
VERDICTS = (HELPS, HURTS, NO_EVIDENCE, EXPLORATORY)


class Cost(NamedTuple):
    """Milliseconds of one update of an arm, measured in turns with the others on one machine."""

    update_ms: float  # median
    low: float  # quartiles
    high: float


class Study(NamedTuple):
    """Everything that the report says."""

    title: str  # the name of the folder
    metric: str  # whose area is the main outcome
    measures: tuple[Measure, ...]
    arms: tuple[Arm, ...]
    effects: tuple[Effect, ...]
    window: tuple[float, float]  # frames over which every run was measured
    costs: Mapping[str, Cost]  # of each arm; empty where they were not measured
    notes: tuple[str, ...]  # limits, and what was left out

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def measure(self, name: str) -> Measure:
        return next(measure for measure in self.measures if measure.name == name)

    def effects_of(self, measure: str, family: str | None = None) -> list[Effect]:
        """The effects in one measure, of one family or of all."""
        return [e for e in self.effects if e.measure == measure and family in (None, e.family)]
