"""Metrics of the canonical race of an evaluation, in the terms of the published TrackMania runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from btr_tm.core.block import by_slot
from btr_tm.metrics import analysis
from btr_tm.metrics.races import UNFINISHED_S
from btr_tm.run.race import Race

MEDALS = ("bronze", "silver", "gold", "author")  # 1 to 4
ROBUST = 1.02  # times the rolling mean
FIRST_POINT, POINTS_PER_M = 20, 2.0  # of published reference lines: the race begins at point 20


@dataclass
class RollingMean:
    """0.9 times itself plus 0.1 times every finished race.

    `start="unfinished"` begins with the 300 s of an unfinished race, as the published runs do: for about 60
    finishes the mean stays far above every race time. "first" begins with the first finish.
    """

    start: Literal["unfinished", "first"] = "first"
    value_s: float = math.nan

    def add(self, time_s: float) -> float:
        before = {"unfinished": UNFINISHED_S, "first": time_s}[self.start]
        before = before if math.isnan(self.value_s) else self.value_s
        self.value_s = 0.9 * before + 0.1 * time_s
        return self.value_s


@dataclass(frozen=True)
class CanonicalMetrics:
    """Computes the section `canonical`; a figure that does not exist is NaN.

    `medals_ms` as of a Track; `checkpoints_m` are metres from the start; a decision lasts `decision_s`.
    """

    rolling: RollingMean = field(default_factory=RollingMean)
    medals_ms: Mapping[str, int] = field(default_factory=dict)
    checkpoints_m: Sequence[float] = ()
    decision_s: float = math.nan
    gamma: Callable[[int], float] | None = None  # the discount after so many frames; None where unknown
    decisions: float = math.inf  # that values look ahead

    def measure(self, race: Race, best: Race) -> dict[str, float]:
        """Figures of `race`, and the medal of `best`, the best so far; updates the rolling mean."""
        time_s = race.time_ms / 1000.0
        rolling_s = self.rolling.add(time_s) if race.finished else self.rolling.value_s
        robust_s = time_s if race.finished and time_s < ROBUST * rolling_s else math.nan
        found = {
            "finished": float(race.finished),
            "time_s": time_s if race.finished else UNFINISHED_S,
            "rolling_time_s": rolling_s,
            "robust_time_s": robust_s,
            "medal": self.medal(best),
        }
        for name in ("author", "gold"):
            found[f"{name}_percent"] = 1e5 * robust_s / self.medals_ms.get(name, math.nan)
        return found | decision_metrics(race) | self._values(race) | self._splits(race)

    def medal(self, race: Race) -> float:
        """4 author, 3 gold, 2 silver, 1 bronze, 0 none; NaN where the track has none."""
        if not self.medals_ms:
            return math.nan
        won = [race.finished and race.time_ms <= self.medals_ms[name] for name in MEDALS]
        return float(sum(won))

    def _values(self, race: Race) -> dict[str, float]:
        """What was predicted, and what was really driven."""
        if self.gamma is None or not len(race.rewards):
            return {}
        gamma = self.gamma(race.frames)
        driven = analysis.driven_returns(race.rewards, race.potentials, gamma, self.decisions)
        predicted = by_slot(race.q).amax(2).sum(1).double()
        return {
            "q_first": float(predicted[0]),
            "discounted_return": float(driven[0]),
            "q_error": float((predicted - driven).mean()),
        }

    def _splits(self, race: Race) -> dict[str, float]:
        """How far it came, and the times between the checkpoints."""
        if math.isnan(self.decision_s):
            return {}
        zone = FIRST_POINT + math.floor(POINTS_PER_M * race.progress_m + 0.5)
        times = [0.0, *(passed_s(race.metres.tolist(), at, self.decision_s) for at in self.checkpoints_m)]
        times.append(race.time_ms / 1000.0 if race.finished else math.nan)
        splits = [after - before for before, after in zip(times, times[1:], strict=False)]
        return {"zone": float(zone)} | {f"split_s.{i}": split for i, split in enumerate(splits)}


def decision_metrics(race: Race) -> dict[str, float]:
    """Figures of its action values, and how often the action changed."""
    if not race.q.numel():
        return {}
    return {
        "q_gap": float(analysis.mean_gap(race.q)),
        "q_start": float(by_slot(race.q)[0, :, 0].sum()),
        "action_swaps": float(analysis.swaps(race.actions)),
    }


def passed_s(metres: Sequence[float], at_m: float, decision_s: float) -> float:
    """When a race at `metres` after each decision first reached `at_m`, interpolated; NaN if it did not."""
    before = 0.0
    for number, after in enumerate(metres):
        if after >= at_m:
            share = (at_m - before) / (after - before) if after > before else 0.0
            return decision_s * (number + max(share, 0.0))
        before = after
    return math.nan
